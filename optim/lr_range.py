"""The learning-rate range test: one short run whose rate grows until the loss does."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from ..autograd import no_grad
from ..autograd.random import get_rng_state, set_rng_state
from ..nn.modules.module import Module
from .optimizer import Optimizer
from .options import scalar
from .sgd import SGD

__all__ = ["LRRange", "lr_range_test"]


@dataclass(frozen=True)
class LRRange:
    """What `lr_range_test` measured: the rates, the loss of each step, and the loss smoothed over steps.

    >>> from retrograd.optim import LRRange
    >>> found = LRRange([1e-3, 1e-2, 1e-1, 1.0], [1.0, 0.9, 0.3, 0.2], [1.0, 0.9, 0.3, 0.2])
    >>> round(found.steepest(), 4)
    0.0316
    """

    lrs: list[float]
    losses: list[float]
    smoothed: list[float]

    def steepest(self) -> float:
        """The rate at which the smoothed loss falls fastest against the logarithm of the rate: a good one to train with.

        The fall is measured over stretches of a fifth of the run, so that the differences between batches do not decide.
        ValueError where the loss never falls.
        """
        span = max(1, len(self.lrs) // 5)
        points = list(zip(self.lrs, self.smoothed, strict=True))
        slopes = [
            ((after - before) / math.log(high / low), math.sqrt(low * high))
            for (low, before), (high, after) in zip(points, points[span:], strict=False)
        ]
        slope, lr = min(slopes, default=(0.0, 0.0))
        if not slope < 0.0:
            raise ValueError(
                "LRRange.steepest: the loss never falls, so no rate is a good one; begin with a smaller start_lr, or "
                "take more steps"
            )
        return lr

    def lowest(self) -> float:
        """The rate at which the smoothed loss is least: past the largest one that trains, as smoothing delays the rise.

        A tenth of it is a common choice for the largest rate of a cyclic policy.
        """
        return min(zip(self.smoothed, self.lrs, strict=True))[1]

    def plot(self, ax: Any = None) -> Any:
        """Draw loss and smoothed loss against the rate into a matplotlib Axes (None: a new figure's); returns it.

        ImportError where matplotlib is not installed.
        """
        if ax is None:
            try:
                from matplotlib import pyplot as plt
            except ImportError as error:
                raise ImportError(
                    'LRRange.plot needs matplotlib, which is not installed; try: pip install "retrograd[demo]"'
                ) from error
            ax = plt.figure(layout="constrained").add_subplot()
        ax.plot(self.lrs, self.losses, alpha=0.3, label="loss")
        ax.plot(self.lrs, self.smoothed, label="smoothed")
        with suppress(ValueError):  # of a loss that never falls
            lr = self.steepest()
            ax.axvline(lr, linestyle="--", color="grey", label=f"steepest: {lr:.2g}")
        ax.set_xscale("log")
        ax.set_xlabel("learning rate")
        ax.set_ylabel("loss")
        ax.legend()
        return ax


def lr_range_test(
    model: Module,
    loader: Iterable[Any],
    loss: Callable[[Any, Any], Any],
    optimizer: Optimizer | None = None,
    *,
    start_lr: float = 1e-7,
    end_lr: float = 10.0,
    steps: int = 100,
    mode: str = "exponential",
    smoothing: float = 0.05,
    diverge: float = 5.0,
) -> LRRange:
    """Train for some steps while the rate grows from start_lr to end_lr, and report the loss at each rate.

    At step i of `steps`, with r = i / (steps - 1), the rate of every group is start_lr * (end_lr / start_lr) ** r (mode
    "exponential") or start_lr + (end_lr - start_lr) * r ("linear"). The loss that is reported is that of the batch before
    its update; smoothed is its running average, s = smoothing * loss + (1 - smoothing) * s, corrected for its start.
    The run ends early once the smoothed loss exceeds `diverge` times its least value, or is not finite.

    model, loss: trained by loss(model(inputs), targets). loader: batches (inputs, targets), begun again as often as
    needed. optimizer: the one to test (None: plain SGD), whose step needs no closure; it may hold a part of the model's
    parameters.

    Afterwards everything is as it was: parameters, buffers, gradients, training mode, the optimizer's state and rates,
    and the random generator, also when the run raises.

    Raises ValueError for rates, steps or a mode that make no range, and for an empty loader. Smith, "Cyclical learning
    rates for training neural networks" (2017).

    >>> import retrograd as rg
    >>> _ = rg.manual_seed(0)
    >>> x = rg.randn(64, 3)
    >>> data = rg.utils.data.TensorDataset(x, x @ rg.tensor([[1.0], [2.0], [3.0]]))
    >>> model = rg.nn.Linear(3, 1)
    >>> loader = rg.utils.data.DataLoader(data, batch_size=16)
    >>> found = rg.optim.lr_range_test(model, loader, rg.nn.functional.mse_loss, start_lr=1e-3)
    >>> bool(0.001 < found.steepest() < 1.0)
    True
    """
    if not 0.0 < start_lr < end_lr:
        raise ValueError(f"lr_range_test: start_lr={start_lr}, end_lr={end_lr}; expected 0 < start_lr < end_lr")
    if steps < 2:
        raise ValueError(f"lr_range_test: steps is {steps}; expected at least 2")
    if mode not in ("exponential", "linear"):
        raise ValueError(f"lr_range_test: mode is {mode!r}; expected exponential or linear")
    if not 0.0 < smoothing <= 1.0:
        raise ValueError(f"lr_range_test: smoothing is {smoothing}; expected the weight of the newest loss, in (0, 1]")
    chosen = SGD(model.parameters(), lr=start_lr) if optimizer is None else optimizer
    lrs: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    average = 0.0
    with _restored(model, chosen):
        model.train()
        batches = _endless(loader)
        for i in range(steps):
            share = i / (steps - 1)
            if mode == "exponential":
                lr = start_lr * (end_lr / start_lr) ** share
            else:
                lr = start_lr + (end_lr - start_lr) * share
            for group in chosen.param_groups:
                group["lr"] = lr
            inputs, targets = next(batches)
            chosen.zero_grad()
            value = loss(model(inputs), targets)
            value.backward()
            chosen.step()
            lrs.append(lr)
            losses.append(scalar(value.item()))
            average = smoothing * losses[-1] + (1.0 - smoothing) * average
            smoothed.append(average / (1.0 - (1.0 - smoothing) ** (i + 1)))
            if not math.isfinite(smoothed[-1]) or smoothed[-1] > diverge * min(smoothed):
                break
    if not math.isfinite(smoothed[-1]):  # the step that blew up says nothing about its rate, and cannot be drawn
        del lrs[-1], losses[-1], smoothed[-1]
    return LRRange(lrs, losses, smoothed)


def _endless(loader: Iterable[Any]) -> Iterator[Any]:
    while True:
        empty = True
        for batch in loader:
            empty = False
            yield batch
        if empty:
            raise ValueError(
                "lr_range_test: the loader gave no batch; an iterator is exhausted after one pass, a list is not"
            )


@contextmanager
def _restored(model: Module, optimizer: Optimizer) -> Iterator[None]:
    """On leaving, put back whatever training changes."""
    modes = [(module, module.training) for module in model.modules()]
    tables: list[dict[str, Any]] = [
        table for module in model.modules() for table in (module._parameters, module._buffers)
    ]
    held = [dict(table) for table in tables]
    known = {id(t): t for table in held for t in table.values() if t is not None}
    known.update((id(p), p) for group in optimizer.param_groups for p in group["params"])
    copies = [(t, t.detach().clone(), t.grad) for t in known.values()]
    state, groups = optimizer.state, optimizer.param_groups
    kept = [{**group, "params": list(group["params"])} for group in groups]
    called, rng = optimizer._opt_called, get_rng_state()
    optimizer.state = copy.deepcopy(state, {id(p): p for p in known.values()})  # parameters stay the keys
    try:
        yield
    finally:
        with no_grad():
            for t, before, gradient in copies:
                t.detach().copy_(before)
                t.grad = gradient
        for table, before in zip(tables, held, strict=True):
            table.clear()
            table.update(before)
        for module, training in modes:
            module.training = training
        optimizer.state = state
        for group, before in zip(groups, kept, strict=True):
            group.clear()
            group.update(before)
        optimizer._opt_called = called
        set_rng_state(rng)
