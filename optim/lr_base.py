"""The base classes of learning-rate schedulers: the protocol of PyTorch, and the holder of a closed form."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..autograd import Tensor
from .optimizer import Optimizer

__all__ = ["ClosedFormLR", "LRScheduler"]

EPOCH_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler. If epoch is different from None, the closed form is used instead of the "
    "chainable form, where available."
)


class LRScheduler:
    """Base class of learning-rate schedulers: sets `group["lr"]` of each parameter group at every `step()`.

    A subclass implements `get_lr()`, which returns one rate for each group from `self.last_epoch`, `self.base_lrs` and
    the groups. last_epoch is the index of the last epoch of a run that is resumed; -1 starts afresh and records each
    group's rate as "initial_lr". Call `step()` after `optimizer.step()`.

    Raises TypeError for what is no Optimizer, KeyError when resuming without "initial_lr" in the groups.
    """

    optimizer: Optimizer
    base_lrs: list[Any]
    last_epoch: int

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                    "last_epoch >= 0; load the optimizer's state before making the scheduler, or leave last_epoch at "
                    "-1 for a fresh run"
                )
        self.base_lrs = values_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the first rate."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """The state as a dictionary: every attribute except the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned. The groups' rates come with the optimizer's own state."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Any]:
        """The rate of each group that the last step set."""
        return self._last_lr

    def get_lr(self) -> list[Any]:
        """The next rate of each group; implemented by subclasses, called by `step`. Read `get_last_lr()` instead."""
        raise NotImplementedError(f"{type(self).__name__} does not implement get_lr()")

    def step(self, epoch: int | None = None) -> None:
        """Go on by one step and set the rates; an explicit `epoch` (deprecated in PyTorch) jumps there."""
        if self._step_count == 1 and not self.optimizer._opt_called and "step" not in vars(self.optimizer):
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the opposite order: "
                "`optimizer.step()` before `lr_scheduler.step()`. Failure to do this will result in skipping the "
                "first value of the learning rate schedule.",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        with self._stepping():
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                closed = getattr(self, "_get_closed_form_lr", None)
                rates = self.get_lr() if closed is None else closed()
        self._set(rates)

    def _set(self, rates: list[Any]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_value(group, "lr", rate)
        self._last_lr = values_of(self.optimizer, "lr")

    @contextmanager
    def _stepping(self) -> Iterator[None]:
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )


class ClosedFormLR(LRScheduler):
    """A scheduler that has a closed form of the step, and that also chains with others as PyTorch's do.

    While a group's rate is where the closed form put it, the next one is taken from the closed form, which does not
    drift. Where something else has changed the rate (another scheduler, the user, a resumed run that starts elsewhere),
    PyTorch's relative update is applied to the rate found, so that effects multiply.
    """

    def _closed(self, step: int, base_lr: Any) -> Any:
        """The rate at `step` of a group that began at base_lr."""
        raise NotImplementedError(f"{type(self).__name__} does not implement _closed()")

    def _relative(self, step: int, lr: Any, base_lr: Any) -> Any:
        """The rate at `step` of a group whose rate is lr now, just before that step."""
        raise NotImplementedError(f"{type(self).__name__} does not implement _relative()")

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        step = self.last_epoch
        return [
            self._closed(step, base) if self._on_track(step - 1, lr, base) else self._relative(step, lr, base)
            for lr, base in zip(values_of(self.optimizer, "lr"), self.base_lrs, strict=True)
        ]

    def _on_track(self, step: int, lr: Any, base_lr: Any) -> bool:
        if step < 0 or self._is_initial:
            return False
        return math.isclose(lr, self._closed(step, base_lr), rel_tol=1e-9, abs_tol=1e-12 * abs(float(base_lr)))

    def _get_closed_form_lr(self) -> list[Any]:
        return [self._closed(self.last_epoch, base) for base in self.base_lrs]


def check_optimizer(optimizer: Any) -> None:
    """Refuse what is no Optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def copied(value: Any) -> Any:
    """A hyperparameter that does not alias the one given."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def values_of(optimizer: Optimizer, key: str) -> list[Any]:
    """`group[key]` of each group; tensors are copied."""
    return [copied(group[key]) for group in optimizer.param_groups]


def set_value(group: dict[str, Any], key: str, value: Any) -> None:
    """Set group[key], in place where it is a tensor, so that whoever holds that tensor sees the change."""
    if isinstance(group[key], Tensor):
        group[key].fill_(float(value))
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value for each group from one value or a list of as many as there are groups."""
    if isinstance(value, (list, tuple)):
        if len(value) != len(optimizer.param_groups):
            raise ValueError(
                f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
                f"param_groups has {len(optimizer.param_groups)}."
            )
        return [copied(v) for v in value]
    return [copied(value) for _ in optimizer.param_groups]
