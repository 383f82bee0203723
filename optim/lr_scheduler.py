"""Learning-rate schedulers with PyTorch's names, arguments, sequences and state; the formulas are in `schedules`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from . import schedules
from .lr_base import ClosedFormLR, LRScheduler, values_of
from .lr_compose import ChainedScheduler, ReduceLROnPlateau, SequentialLR
from .lr_cyclic import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from .lr_warmup import WarmupLR
from .optimizer import Optimizer

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "WarmupLR",
]


class _LRScheduler(LRScheduler):
    """The name that old PyTorch scripts subclass."""


class StepLR(ClosedFormLR):
    """Lower the rate by the factor gamma every step_size steps: `schedules.step_lr`.

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> sched = rg.optim.lr_scheduler.StepLR(opt, step_size=2, gamma=0.5)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += sched.get_last_lr()
    ...     opt.step()
    ...     sched.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _closed(self, step: int, base_lr: Any) -> Any:
        return schedules.step_lr(step, base_lr, self.step_size, self.gamma)

    def _relative(self, step: int, lr: Any, base_lr: Any) -> Any:
        return lr if step == 0 or step % self.step_size else lr * self.gamma


class MultiStepLR(ClosedFormLR):
    """Lower the rate by the factor gamma at each milestone: `schedules.multi_step_lr`.

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> rg.optim.lr_scheduler.MultiStepLR(opt, milestones=[30, 80], gamma=0.1).get_last_lr()
    [1.0]
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _closed(self, step: int, base_lr: Any) -> Any:
        return schedules.multi_step_lr(step, base_lr, sorted(self.milestones.elements()), self.gamma)

    def _relative(self, step: int, lr: Any, base_lr: Any) -> Any:
        return lr * self.gamma ** self.milestones[step] if step in self.milestones else lr


class ConstantLR(ClosedFormLR):
    """Multiply the rate by factor for total_iters steps: `schedules.constant_lr`.

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> rg.optim.lr_scheduler.ConstantLR(opt, factor=0.5, total_iters=4).get_last_lr()
    [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _closed(self, step: int, base_lr: Any) -> Any:
        return schedules.constant_lr(step, base_lr, self.factor, self.total_iters)

    def _relative(self, step: int, lr: Any, base_lr: Any) -> Any:
        if step == 0:
            return lr * self.factor
        return lr if step != self.total_iters else lr * (1.0 / self.factor)


class LinearLR(ClosedFormLR):
    """Multiply the rate by a factor that goes linearly from start_factor to end_factor: `schedules.linear_lr`.

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> rg.optim.lr_scheduler.LinearLR(opt, start_factor=0.25, total_iters=4).get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError("Starting multiplicative factor expected to be greater than 0 and less or equal to 1.")
        if not 0 <= end_factor <= 1:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _closed(self, step: int, base_lr: Any) -> Any:
        return schedules.linear_lr(step, base_lr, self.start_factor, self.end_factor, self.total_iters)

    def _relative(self, step: int, lr: Any, base_lr: Any) -> Any:
        if step == 0:
            return lr * self.start_factor
        if self._is_initial or step > self.total_iters:
            return lr
        rise = self.end_factor - self.start_factor
        return lr * (1.0 + rise / (self.total_iters * self.start_factor + (step - 1) * rise))


class ExponentialLR(ClosedFormLR):
    """Lower the rate by the factor gamma at every step: `schedules.exponential_lr`.

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> sched = rg.optim.lr_scheduler.ExponentialLR(opt, gamma=0.5)
    >>> opt.step(), sched.step()
    (None, None)
    >>> sched.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _closed(self, step: int, base_lr: Any) -> Any:
        return schedules.exponential_lr(step, base_lr, self.gamma)

    def _relative(self, step: int, lr: Any, base_lr: Any) -> Any:
        return lr if self._is_initial else lr * self.gamma


class PolynomialLR(ClosedFormLR):
    """Lower the rate to 0 in total_iters steps along a power of a line: `schedules.polynomial_lr`.

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> sched = rg.optim.lr_scheduler.PolynomialLR(opt, total_iters=4, power=2.0)
    >>> opt.step(), sched.step()
    (None, None)
    >>> sched.get_last_lr()
    [0.5625]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _closed(self, step: int, base_lr: Any) -> Any:
        return schedules.polynomial_lr(step, base_lr, self.total_iters, self.power)

    def _relative(self, step: int, lr: Any, base_lr: Any) -> Any:
        if self._is_initial or step > self.total_iters:
            return lr
        return lr * ((1.0 - step / self.total_iters) / (1.0 - (step - 1) / self.total_iters)) ** self.power


class CosineAnnealingLR(ClosedFormLR):
    """Half a cosine wave from the rate down to eta_min in T_max steps, and up again: `schedules.cosine_annealing_lr`.

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> sched = rg.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=2)
    >>> opt.step(), sched.step()
    (None, None)
    >>> sched.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def _closed(self, step: int, base_lr: Any) -> Any:
        return schedules.cosine_annealing_lr(step, base_lr, self.T_max, self.eta_min)

    def _relative(self, step: int, lr: Any, base_lr: Any) -> Any:
        if self._is_initial:
            return lr
        if self._step_count == 1 and step > 0:
            return self._closed(step, base_lr)
        height = base_lr - self.eta_min
        if (step - 1 - self.T_max) % (2 * self.T_max) == 0:  # the ratio below would divide by zero
            return lr + height * (1 - math.cos(math.pi / self.T_max)) / 2
        ratio = (1 + math.cos(math.pi * step / self.T_max)) / (1 + math.cos(math.pi * (step - 1) / self.T_max))
        return ratio * (lr - self.eta_min) + self.eta_min


class _FunctionLR(LRScheduler):
    """What LambdaLR and MultiplicativeLR share: one function of the step for each group."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        count = len(optimizer.param_groups)
        if isinstance(lr_lambda, (list, tuple)):
            if len(lr_lambda) != count:
                raise ValueError(f"Expected {count} lr_lambdas, but got {len(lr_lambda)}")
            self.lr_lambdas = list(lr_lambda)
        else:
            self.lr_lambdas = [lr_lambda] * count
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"lr_lambda should be a function, but got {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """The state; of the functions, only the attributes of callable objects are in it, never code."""
        state = super().state_dict()
        state["lr_lambdas"] = [
            None if isinstance(f, FunctionType) else dict(getattr(f, "__dict__", {})) for f in self.lr_lambdas
        ]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned; the functions stay, and callable objects get their attributes back."""
        self.__dict__.update({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for function, attributes in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if attributes:
                function.__dict__.update(attributes)


class LambdaLR(_FunctionLR):
    """The initial rate of each group times lr_lambda(step).

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> sched = rg.optim.lr_scheduler.LambdaLR(opt, lambda step: 0.5**step)
    >>> opt.step(), sched.step()
    (None, None)
    >>> sched.get_last_lr()
    [0.5]
    """

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        return [base * f(self.last_epoch) for f, base in zip(self.lr_lambdas, self.base_lrs, strict=True)]


class MultiplicativeLR(_FunctionLR):
    """The rate of each group, multiplied at every step by lr_lambda(step).

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> sched = rg.optim.lr_scheduler.MultiplicativeLR(opt, lambda step: 0.5)
    >>> opt.step(), sched.step()
    (None, None)
    >>> sched.get_last_lr()
    [0.5]
    """

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        rates = values_of(self.optimizer, "lr")
        if self._is_initial:
            return rates
        return [lr * f(self.last_epoch) for f, lr in zip(self.lr_lambdas, rates, strict=True)]
