"""YellowFin: momentum SGD that tunes its own learning rate and momentum."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..autograd import Tensor
from ..autograd.backend import xp_of
from ..autograd.core import wrap
from ..autograd.views import mark_written
from .optimizer import Optimizer, ParamsT
from .options import check_lr, check_modes, check_not_negative, run_closure, scalar
from .per_parameter import apply, decayed
from .scratch import Scratch, fresh, is_half

__all__ = ["YellowFin", "heavy_ball_update", "single_step"]

EPS = 1e-15


def heavy_ball_update(
    xp: Any, p: Any, g: Any, momentum_buffer: Any, *, lr: float, momentum: float, work: Any = fresh
) -> None:
    """Polyak's step p = p - lr * g + momentum * (the last step), in place on p and momentum_buffer (the last step).

    >>> import numpy as np
    >>> from retrograd.optim.yellowfin import heavy_ball_update
    >>> p, last = np.array([1.0]), np.array([-0.5])
    >>> heavy_ball_update(np, p, np.array([2.0]), last, lr=0.25, momentum=0.5)
    >>> p.tolist(), last.tolist()
    ([0.25], [-0.75])
    """
    xp.multiply(momentum_buffer, momentum, momentum_buffer)
    xp.subtract(momentum_buffer, xp.multiply(g, lr, work(xp, p, 1)), momentum_buffer)
    xp.add(p, momentum_buffer, p)


def single_step(variance: float, distance: float, h_min: float, h_max: float) -> tuple[float, float]:
    """(momentum, learning rate) with which one step on a noisy quadratic comes closest to its minimum.

    With curvatures between h_min and h_max, gradient noise of the given variance C and the distance D to the minimum:
    momentum mu >= ((sqrt(h_max / h_min) - 1) / (sqrt(h_max / h_min) + 1))^2, where momentum is robust, lr =
    (1 - sqrt(mu))^2 / h_min, and among those the least mu * D^2 + lr^2 * C, which is the root of a cubic.

    >>> from retrograd.optim.yellowfin import single_step
    >>> single_step(variance=0.0, distance=1.0, h_min=1.0, h_max=9.0)  # no noise: the momentum of the curvatures
    (0.25, 0.25)
    """
    p = distance**2 * h_min**2 / (2.0 * variance) if variance > 0.0 else math.inf
    # x = sqrt(mu) is best where p x = (1 - x)^3. Newton's steps from 0 rise to that root without passing it; the closed
    # form would subtract numbers of the size of sqrt(p), which is huge where there is little noise.
    x = 0.0
    for _ in range(200 if p < math.inf else 0):
        left = 1.0 - x
        step = (left**3 - p * x) / (3.0 * left * left + p) if left else 0.0
        x = min(1.0, x + step)
        if step <= 1e-16:
            break
    ratio = math.sqrt(max(h_max / h_min, 1.0))
    mu = max(x**2, ((ratio - 1.0) / (ratio + 1.0)) ** 2)
    return mu, (1.0 - math.sqrt(mu)) ** 2 / h_min


class YellowFin(Optimizer):
    r"""YellowFin: SGD with Polyak's momentum, whose learning rate and momentum follow from measured gradients.

    At each step, with E the running average (factor beta, corrected for its start) and g all gradients as one vector:

        h_min, h_max = E of the least and the greatest |g|^2 of the last `window` steps        curvature
        C = sum(E[g^2] - E[g]^2)                                                               variance
        D = E[ E|g| / E|g|^2 ]                                                                 distance to the minimum
        momentum, lr = E of single_step(C, D, h_min, h_max)
        p = p - lr_factor * lr * g + momentum * (the last step of p)

    lr and momentum are where the tuning starts; they are measured anew from the second step on and stand in every
    parameter group. lr_factor scales the tuned rate by hand, and a schedule may lower it. slow_start: over the first
    10 * window steps the rate grows linearly to its full size. log_smoothing averages the logarithms of the curvatures,
    which steadies them where gradients differ by orders. adapt_clip scales gradients down whose norm exceeds
    sqrt(h_max). foreach is accepted and changes no number; capturable=True and differentiable=True are refused
    (NotImplementedError).

    State: `momentum_buffer` (the last step) and `exp_avg` (E[g]) of each parameter; at the first one the measurements
    of all, as numbers: `step`, `curvatures`, `h_min`, `h_max`, `grad_norm`, `grad_norm_sq`, `distance`.

    Raises ValueError for negative options, a beta outside [0, 1) and a window below 1, RuntimeError for complex
    parameters. Zhang and Mitliagkas, "YellowFin and the art of momentum tuning" (2018).

    >>> import retrograd as rg
    >>> _ = rg.manual_seed(0)
    >>> model, x = rg.nn.Linear(2, 1), rg.randn(64, 2)
    >>> y = (x[:, :1] > x[:, 1:]).float()
    >>> opt = rg.optim.YellowFin(model.parameters(), beta=0.99)
    >>> for _ in range(200):
    ...     opt.zero_grad()
    ...     loss = rg.nn.functional.binary_cross_entropy_with_logits(model(x), y)
    ...     loss.backward()
    ...     opt.step()
    >>> loss.item() < 0.25, opt.param_groups[0]["momentum"] > 0.1
    (True, True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.1,
        momentum: float = 0.0,
        beta: float = 0.999,
        window: int = 20,
        weight_decay: float = 0.0,
        lr_factor: float = 1.0,
        *,
        slow_start: bool = True,
        log_smoothing: bool = True,
        adapt_clip: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(momentum=momentum, weight_decay=weight_decay, lr_factor=lr_factor)
        if not 0.0 <= beta < 1.0:
            raise ValueError(
                f"YellowFin: beta is {beta}; expected a factor of running averages in [0, 1), such as 0.999"
            )
        if not (isinstance(window, int) and window >= 1):
            raise ValueError(f"YellowFin: window is {window!r}; expected a number of steps, at least 1")
        self.beta, self.window = beta, window
        self.slow_start, self.log_smoothing, self.adapt_clip = slow_start, log_smoothing, adapt_clip
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "weight_decay": weight_decay,
            "lr_factor": lr_factor,
            "foreach": foreach,
            "maximize": maximize,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        check_modes(defaults, type(self).__name__)
        super().__init__(params, defaults)
        self._scratch = Scratch()

    def __getstate__(self) -> dict[str, Any]:
        names = ("beta", "window", "slow_start", "log_smoothing", "adapt_clip")
        return {**super().__getstate__(), **{name: getattr(self, name) for name in names}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._scratch = Scratch()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        check_modes(self.param_groups[-1], type(self).__name__)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = run_closure(closure)
        rows: list[tuple[Tensor, Any, dict[str, Any]]] = []  # (parameter, gradient to descend along, group)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p._data.dtype.kind == "c":
                    raise RuntimeError("YellowFin does not support complex parameters")
                if p.grad.is_sparse:
                    raise RuntimeError("YellowFin does not support sparse gradients")
                a, g = p._data, p.grad._data
                if is_half(a):
                    a, g = (x.astype(xp_of(x).float32) for x in (a, g))
                rows.append((p, decayed(xp_of(a), a, g, scalar(group["weight_decay"]), group["maximize"]), group))
        if not rows:
            return loss
        measured = self.state[self.param_groups[0]["params"][0]]
        step = measured.get("step", 0) + 1
        scale = self._measure(rows, measured, step)
        if step > 1:
            self._tune(measured, step, [p for p, _, _ in rows])
        share = min(1.0, step / (10.0 * self.window)) if self.slow_start else 1.0
        for p, g, group in rows:
            lr = scalar(group["lr"]) * scalar(group["lr_factor"]) * share * scale
            kept = {"momentum_buffer": self.state[p]["momentum_buffer"]._data}
            momentum = scalar(group["momentum"])
            apply(heavy_ball_update, xp_of(g), p._data, g, kept, self._scratch, lr=lr, momentum=momentum)
        mark_written(*(p for p, _, _ in rows))
        return loss

    def _measure(
        self, rows: Sequence[tuple[Tensor, Any, dict[str, Any]]], measured: dict[str, Any], step: int
    ) -> float:
        """Take the gradients into the averages; returns the factor that clips them."""
        beta = self.beta
        square: Any = 0.0
        for _, g, _ in rows:
            square = square + xp_of(g).sum(g * g)
        square = float(square)
        scale = 1.0
        if self.adapt_clip and step > 1:
            greatest = self._corrected(measured["h_max"], step - 1)
            if square > greatest:
                scale, square = math.sqrt(greatest / square), greatest
        for p, g, _ in rows:
            state = self.state[p]
            if "exp_avg" not in state:
                zeros = xp_of(p._data).zeros_like
                state["momentum_buffer"], state["exp_avg"] = wrap(zeros(p._data)), wrap(zeros(p._data))
            average = state["exp_avg"]._data
            average[...] = beta * average + (1.0 - beta) * scale * g

        curvatures = [*measured.get("curvatures", []), square][-self.window :]
        ends = [min(curvatures), max(curvatures)]
        if self.log_smoothing:
            ends = [math.log(h + EPS) for h in ends]
        keep = lambda name, value: beta * measured.get(name, 0.0) + (1.0 - beta) * value
        h_min, h_max = keep("h_min", ends[0]), keep("h_max", ends[1])
        norm, norm_sq = keep("grad_norm", math.sqrt(square)), keep("grad_norm_sq", square)
        distance = keep("distance", norm / (norm_sq + EPS))  # both begin alike, so their ratio needs no correction
        measured.update(
            step=step, curvatures=curvatures, h_min=h_min, h_max=h_max, grad_norm=norm, grad_norm_sq=norm_sq,
            distance=distance,
        )  # fmt: skip
        return scale

    def _corrected(self, curvature: float, step: int) -> float:
        """A running average of curvatures without the share of the zero that it began with, and without logarithm."""
        value = curvature / (1.0 - self.beta**step)
        return math.exp(value) if self.log_smoothing else value

    def _tune(self, measured: dict[str, Any], step: int, params: Sequence[Tensor]) -> None:
        """Move every group's rate and momentum toward the best ones for what was measured."""
        share = 1.0 - self.beta**step
        mean_sq: Any = 0.0
        for p in params:
            average = self.state[p]["exp_avg"]._data
            if is_half(average):
                average = average.astype(xp_of(average).float32)
            mean_sq = mean_sq + xp_of(average).sum(average * average)
        variance = max(measured["grad_norm_sq"] / share - float(mean_sq) / share**2, EPS)
        h_min, h_max = (self._corrected(measured[name], step) + EPS for name in ("h_min", "h_max"))
        mu, lr = single_step(variance, measured["distance"] / share, h_min, h_max)
        for group in self.param_groups:
            group["momentum"] = self.beta * scalar(group["momentum"]) + (1.0 - self.beta) * mu
            group["lr"] = self.beta * scalar(group["lr"]) + (1.0 - self.beta) * lr
