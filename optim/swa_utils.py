"""Averages of weights along a training run: stochastic weight averaging (SWA) and exponential moving averages (EMA)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np

from ..autograd import Tensor, no_grad
from ..autograd.core import wrap
from ..nn.modules.batchnorm import _BatchNorm
from ..nn.modules.module import Module
from .lr_base import LRScheduler, check_optimizer, per_group
from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

AvgFn = Callable[[Tensor, Tensor, Any], Tensor]
MultiAvgFn = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAvgFn:
    """For `AveragedModel(multi_avg_fn=...)`: average = decay * average + (1 - decay) * model, in place on lists.

    Raises ValueError for a decay outside [0, 1]. Polyak and Juditsky, "Acceleration of stochastic approximation by
    averaging" (1992), with exponential weights.

    >>> import retrograd as rg
    >>> a = [rg.tensor([4.0])]
    >>> rg.optim.swa_utils.get_ema_multi_avg_fn(0.75)(a, [rg.tensor([8.0])], 1)
    >>> a[0].tolist()
    [5.0]
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param_list: Sequence[Tensor], current_param_list: Sequence[Tensor], _: Any) -> None:
        for average, current in zip(ema_param_list, current_param_list, strict=True):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(average * decay + current * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> MultiAvgFn:
    """For `AveragedModel(multi_avg_fn=...)`: average = average + (model - average) / (n + 1), in place on lists.

    >>> import retrograd as rg
    >>> a = [rg.tensor([4.0])]
    >>> rg.optim.swa_utils.get_swa_multi_avg_fn()(a, [rg.tensor([8.0])], 1)
    >>> a[0].tolist()
    [6.0]
    """

    @no_grad()
    def swa_update(
        averaged_param_list: Sequence[Tensor], current_param_list: Sequence[Tensor], num_averaged: Any
    ) -> None:
        share = float(1.0 / (num_averaged + 1))  # as in PyTorch a tensor's share has the default dtype's precision
        for average, current in zip(averaged_param_list, current_param_list, strict=True):
            if average.is_floating_point() or average.is_complex():
                average.lerp_(current, share)
            else:
                average.copy_(average + (current - average) * share)

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> AvgFn:
    """For `AveragedModel(avg_fn=...)`: decay * average + (1 - decay) * model, of one parameter.

    >>> import retrograd as rg
    >>> rg.optim.swa_utils.get_ema_avg_fn(0.75)(rg.tensor([4.0]), rg.tensor([8.0]), 1).tolist()
    [5.0]
    """
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> AvgFn:
    """For `AveragedModel(avg_fn=...)`: average + (model - average) / (n + 1), of one parameter.

    >>> import retrograd as rg
    >>> rg.optim.swa_utils.get_swa_avg_fn()(rg.tensor([4.0]), rg.tensor([8.0]), 1).tolist()
    [6.0]
    """

    @no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


class AveragedModel(Module):
    """A copy of a model whose parameters are the average of the model's parameters so far.

    `update_parameters(model)` takes the model's present weights in: the first call copies them, later ones apply avg_fn
    (average, current, number averaged -> new average) or multi_avg_fn (lists, in place); without either the average is
    the plain mean (SWA). use_buffers: average buffers as well, else they are copied. `n_averaged` counts the updates.
    After training with batch norm, run `update_bn(loader, averaged)`.

    Raises AssertionError when both functions are given. Izmailov et al., "Averaging weights leads to wider optima and
    better generalization" (2018).

    >>> import retrograd as rg
    >>> model = rg.nn.Linear(1, 1, bias=False)
    >>> mean = rg.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     _ = rg.nn.init.constant_(model.weight, value)
    ...     mean.update_parameters(model)
    >>> round(mean.module.weight.item(), 5), mean.n_averaged.item()
    (3.0, 3)
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AvgFn | None = None,
        multi_avg_fn: MultiAvgFn | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", _zero(device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model returns."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the weights that `model` has now into the average."""
        ours, theirs = list(self.module.parameters()), list(model.parameters())
        if self.use_buffers:
            ours, theirs = [*ours, *self.module.buffers()], [*theirs, *model.buffers()]
        averages = [p.detach() for p in ours]
        currents = [p.detach().to(a.device) for a, p in zip(averages, theirs, strict=False)]
        averages = averages[: len(currents)]
        if not self.n_averaged.item():
            for average, current in zip(averages, currents, strict=True):
                average.copy_(current)
        elif self.avg_fn is not None:
            for average, current in zip(averages, currents, strict=True):
                average.copy_(self.avg_fn(average, current, self.n_averaged.to(average.device)))
        else:
            exact = int(self.n_averaged.item())
            for device, group in _by_kind(averages, currents):
                if self.multi_avg_fn is None:
                    get_swa_multi_avg_fn()(*group, exact)
                else:
                    self.multi_avg_fn(*group, self.n_averaged.to(device))
        if not self.use_buffers:  # kept in step with the model instead
            for mine, its in zip(self.module.buffers(), model.buffers(), strict=True):
                mine.detach().copy_(its.detach().to(mine.device))
        self.n_averaged += 1


def _zero(device: Any) -> Tensor:
    zero = wrap(np.zeros((), np.int64))
    return zero if device is None else zero.to(device)


def _by_kind(averages: list[Tensor], currents: list[Tensor]) -> list[tuple[Any, tuple[list[Tensor], list[Tensor]]]]:
    """The pairs in groups of one device and dtype each: functions over lists may look at the first alone."""
    groups: dict[Any, tuple[Any, tuple[list[Tensor], list[Tensor]]]] = {}
    for average, current in zip(averages, currents, strict=True):
        key = (str(average.device), average.dtype)
        pair = groups.setdefault(key, (average.device, ([], [])))[1]
        pair[0].append(average)
        pair[1].append(current)
    return list(groups.values())


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running mean and variance of a model's batch norms anew, as plain means over a pass of the data.

    loader: batches, each a tensor or a list or tuple whose first element is one. The model is left in the mode (training
    or evaluation) it was in; without batch norms, nothing happens.

    >>> import retrograd as rg
    >>> model = rg.nn.Sequential(rg.nn.BatchNorm1d(1))
    >>> rg.optim.swa_utils.update_bn([rg.tensor([[0.0], [2.0]]), rg.tensor([[4.0], [6.0]])], model)
    >>> model[0].running_mean.tolist()
    [3.0]
    """
    momenta: dict[Any, Any] = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.momentum = None
    for batch in loader:
        if isinstance(batch, (list, tuple)):
            batch = batch[0]
        model(batch if device is None else batch.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Takes the rate of each group to swa_lr in anneal_epochs steps, along half a cosine wave or a line, and holds it.

        alpha = (1 - cos(pi * t)) / 2  or  t,      t = min(1, step / anneal_epochs)
        lr = alpha * swa_lr + (1 - alpha) * the rate at the beginning

    The rate at the beginning is deduced from the present one, so that another scheduler may run before. swa_lr: a number,
    or one for each group.

    Raises ValueError for another anneal_strategy than "cos" and "linear" and for negative anneal_epochs.

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> sched = rg.optim.swa_utils.SWALR(opt, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += sched.get_last_lr()
    ...     opt.step()
    ...     sched.step()
    >>> rates
    [1.0, 0.75, 0.5, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        for rate, group in zip(per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t: float) -> float:
        """The share of swa_lr at t, which goes from 0 to 1."""
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def _share(self, step: int) -> float:
        return self.anneal_func(max(0.0, min(1.0, step / max(1, self.anneal_epochs))))

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, swa_lr = group["lr"], group["swa_lr"]
            begin = swa_lr if before == 1 else (lr - before * swa_lr) / (1 - before)
            rates.append(swa_lr * now + begin * (1 - now))
        return rates
