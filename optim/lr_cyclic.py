"""Schedulers that go up and down: CyclicLR, OneCycleLR (both with momentum) and CosineAnnealingWarmRestarts."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

from . import schedules
from .lr_base import LRScheduler, check_optimizer, per_group, set_value
from .optimizer import Optimizer

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]


class CyclicLR(LRScheduler):
    """The rate goes up and down between base_lr and max_lr, the momentum the other way: `schedules.cyclic_lr`.

    base_lr, max_lr, base_momentum, max_momentum: a number, or one for each group. mode: "triangular", "triangular2"
    (height halved every cycle) or "exp_range" (height times gamma**step); scale_fn replaces it, a function of the cycle
    or, with scale_mode "iterations", of the step. The momentum is beta1 where the optimizer has betas. Step it after
    every batch.

    Raises ValueError for an unknown mode, and for cycle_momentum with an optimizer that has no momentum.

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=0.1, momentum=0.9)
    >>> sched = rg.optim.lr_scheduler.CyclicLR(opt, base_lr=0.0, max_lr=1.0, step_size_up=2)
    >>> for _ in range(2):
    ...     opt.step()
    ...     sched.step()
    >>> sched.get_last_lr(), opt.param_groups[0]["momentum"]
    ([1.0], 0.8)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups, strict=True):
                set_value(group, "lr", lr)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        down = up if step_size_down is None else float(step_size_down)
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = uses_beta1(optimizer)
            self.base_momentums = per_group("base_momentum", optimizer, base_momentum)
            self.max_momentums = per_group("max_momentum", optimizer, max_momentum)
            if last_epoch == -1:
                begin_momentum(optimizer, self.use_beta1, self.base_momentums, self.max_momentums)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The factor on the height of the wave; x is the cycle or the step, as scale_mode says."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "exp_range":
            return self.gamma**x
        return 1.0 if self.mode == "triangular" else 1 / 2.0 ** (x - 1)

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        up = self.step_ratio * self.total_size
        down = self.total_size - up

        def at(low: Any, high: Any) -> Any:
            return schedules.cyclic_lr(
                self.last_epoch, low, high, up, down, scale_fn=self.scale_fn, scale_mode=self.scale_mode
            )

        if self.cycle_momentum:
            bounds = zip(self.optimizer.param_groups, self.max_momentums, self.base_momentums, strict=True)
            for group, highest, lowest in bounds:
                set_momentum(group, self.use_beta1, at(highest, lowest))
        return [at(low, high) for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """The state; of scale_fn, only the attributes of a callable object are in it, never code."""
        state = super().state_dict()
        function = self._scale_fn_custom
        known = function is None or isinstance(function, FunctionType)
        state["_scale_fn_custom"] = None if known else dict(getattr(function, "__dict__", {}))
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; scale_fn stays, and a callable object gets its attributes back."""
        attributes = state_dict.get("_scale_fn_custom")
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_scale_fn_custom"})
        if attributes:
            self._scale_fn_custom.__dict__.update(attributes)


class OneCycleLR(LRScheduler):
    """One cycle of the rate over the whole training, the momentum mirrored: `schedules.one_cycle_lr`.

    From max_lr / div_factor up to max_lr in pct_start of the steps, then down to that start / final_div_factor, along
    cosines or lines ("linear"); three_phase comes back to the start before the last descent. The length is total_steps,
    or epochs * steps_per_epoch. Step it after every batch; a step beyond total_steps raises ValueError.

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=0.1, momentum=0.9)
    >>> sched = rg.optim.lr_scheduler.OneCycleLR(opt, max_lr=1.0, total_steps=10, div_factor=4.0)
    >>> sched.get_last_lr(), opt.param_groups[0]["momentum"]
    ([0.25], 0.95)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        if total_steps is not None:
            self.total_steps = _positive("total_steps", total_steps)
        elif epochs is not None and steps_per_epoch is not None:
            self.total_steps = _positive("epochs", epochs) * _positive("steps_per_epoch", steps_per_epoch)
        else:
            raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        self.pct_start = pct_start
        self.three_phase = three_phase
        self._anneal_func_type = anneal_strategy
        max_lrs = per_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, highest in zip(optimizer.param_groups, max_lrs, strict=True):
                group["initial_lr"] = highest / div_factor
                group["max_lr"] = highest
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = uses_beta1(optimizer)
            highs = per_group("max_momentum", optimizer, max_momentum)
            lows = per_group("base_momentum", optimizer, base_momentum)
            if last_epoch == -1:
                begin_momentum(optimizer, self.use_beta1, lows, highs)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"Tried to step {step} times. The specified number of total steps is {self.total_steps}")
        shape = (self.pct_start, self._anneal_func_type, self.three_phase)
        rates = []
        for group in self.optimizer.param_groups:
            bounds = (group["initial_lr"], group["max_lr"], group["min_lr"])
            rates.append(schedules.one_cycle_lr(step, self.total_steps, *bounds, *shape))
            if self.cycle_momentum:
                low, high = group["base_momentum"], group["max_momentum"]
                momentum = schedules.one_cycle_momentum(step, self.total_steps, low, high, *shape)
                set_momentum(group, self.use_beta1, momentum)
        return rates


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine wave from the rate to eta_min, restarted: `schedules.cosine_annealing_warm_restarts`.

    The first period has T_0 steps, each next one T_mult times as many. `step(epoch)` takes fractions, such as
    epoch + batch / batches. T_cur is the number of steps since the restart, T_i the period.

    Raises ValueError when T_0 or T_mult is no positive integer, or for a negative epoch.

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> sched = rg.optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, T_0=2)
    >>> sched.step(0.5)
    >>> [round(lr, 4) for lr in sched.get_last_lr()]
    [0.8536]
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if not isinstance(T_0, int) or T_0 <= 0:
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if not isinstance(T_mult, int) or T_mult < 1:
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min} of type {type(eta_min)}")
        self.T_0 = T_0
        self.T_i: int = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        return [schedules.cosine_annealing_lr(self.T_cur, base, self.T_i, self.eta_min) for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one step, or to `epoch`, which may be fractional."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        else:
            self.T_cur, self.T_i = schedules.restart_position(epoch, self.T_0, self.T_mult)
        self.last_epoch = math.floor(epoch)
        with self._stepping():
            rates = self.get_lr()
        self._set(rates)


def uses_beta1(optimizer: Optimizer) -> bool:
    """Whether the optimizer's momentum is the first of its betas; ValueError if it has no momentum at all."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
    return "betas" in optimizer.defaults


def set_momentum(group: dict[str, Any], use_beta1: bool, value: float) -> None:
    """Set the momentum of a group, or the first of its betas."""
    if use_beta1:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def begin_momentum(optimizer: Optimizer, use_beta1: bool, lows: list[float], highs: list[float]) -> None:
    """Start every group at its highest momentum and keep both bounds in it, as PyTorch does."""
    for group, low, high in zip(optimizer.param_groups, lows, highs, strict=True):
        set_momentum(group, use_beta1, high)
        group["max_momentum"] = high
        group["base_momentum"] = low


def _positive(name: str, value: Any) -> int:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"Expected positive integer {name}, but got {value}")
    return value
