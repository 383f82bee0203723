"""Schedulers made of schedulers (SequentialLR, ChainedScheduler), and one that watches a metric (ReduceLROnPlateau)."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, SupportsFloat

from .lr_base import EPOCH_WARNING, LRScheduler, check_optimizer, set_value, values_of
from .optimizer import Optimizer

__all__ = ["ChainedScheduler", "ReduceLROnPlateau", "SequentialLR"]


class _Composed(LRScheduler):
    """What SequentialLR and ChainedScheduler share: checks of their members, and nested state."""

    _schedulers: list[LRScheduler]

    def _check_members(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None, verb: str) -> Optimizer:
        who = type(self).__name__
        if len(schedulers) < 1:
            raise ValueError(f"{who} expects at least one scheduler{verb}, but got no scheduler.")
        for i, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{who} at index {i} should have `optimizer` as its attribute.")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"{who} does not support `ReduceLROnPlateau` scheduler as it requires additional kwargs to be "
                    f"specified when calling `step`, but got one at index {i} in the given schedulers sequence."
                )
            optimizer = optimizer or scheduler.optimizer
            if optimizer is not scheduler.optimizer:
                raise ValueError(
                    f"{who} expects all schedulers to belong to the same optimizer, but got scheduler "
                    f"{type(scheduler).__name__} at index {i} has {scheduler.optimizer}, which is different from "
                    f"{type(optimizer).__name__}."
                )
        assert optimizer is not None
        return optimizer

    def state_dict(self) -> dict[str, Any]:
        """The state, with the states of the members in `_schedulers`."""
        state = super().state_dict()
        state["_schedulers"] = [s.state_dict() for s in self._schedulers]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned, members included."""
        self.__dict__.update({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)

    def _first_members(self) -> list[LRScheduler]:
        """The members that act at step 0."""
        raise NotImplementedError(f"{type(self).__name__} does not implement _first_members()")

    def _update_lr(self, epoch: int | None = None) -> None:
        """Begin at step 0, from the initial rates: a SequentialLR asks for that when a member's turn comes."""
        for group in self.optimizer.param_groups:
            set_value(group, "lr", group["initial_lr"])
        self._begin()

    def _begin(self) -> None:
        self.last_epoch = 0
        for scheduler in self._first_members():
            if isinstance(scheduler, _Composed):
                scheduler._begin()
            else:
                scheduler.last_epoch = -1
                scheduler._initial_step()
        self._last_lr = values_of(self.optimizer, "lr")


class SequentialLR(_Composed):
    """One scheduler after the other: schedulers[i] takes over at step milestones[i - 1] and begins at its own step 0.

    Raises ValueError unless there is one milestone fewer than schedulers and all belong to `optimizer`.

    >>> import retrograd as rg
    >>> from retrograd.optim.lr_scheduler import ConstantLR, ExponentialLR, SequentialLR
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> parts = [ConstantLR(opt, factor=0.5, total_iters=2), ExponentialLR(opt, gamma=0.5)]
    >>> sched = SequentialLR(opt, parts, milestones=[2])
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += sched.get_last_lr()
    ...     opt.step()
    ...     sched.step()
    >>> rates
    [0.5, 0.5, 1.0, 0.5]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        self.optimizer = self._check_members(schedulers, optimizer, "")
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than the number of "
                f"milestone points, but got number of schedulers {len(schedulers)} and the number of milestones to be "
                f"equal to {len(milestones)}"
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        # Making each member has stepped it and set the rates: start from the initial rates again, and let only the
        # member whose turn it is make its first step.
        for group in optimizer.param_groups:
            set_value(group, "lr", group["initial_lr"])
        self.recursive_undo()
        (first,) = self._first_members()
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def _first_members(self) -> list[LRScheduler]:
        return [self._schedulers[bisect_right(self._milestones, 0)]]

    def recursive_undo(self, sched: LRScheduler | None = None) -> None:
        """Take back one step of every member that is no composition."""
        target = self if sched is None else sched
        if isinstance(target, _Composed):
            for member in target._schedulers:
                self.recursive_undo(member)
        else:
            target.last_epoch -= 1

    def step(self) -> None:  # type: ignore[override]
        """Go on by one step of the member whose turn it is."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Composed):
    """Several schedulers at once: each `step()` steps all of them, and their effects multiply.

    >>> import retrograd as rg
    >>> from retrograd.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> sched = ChainedScheduler([ConstantLR(opt, factor=0.5, total_iters=9), ExponentialLR(opt, gamma=0.5)])
    >>> opt.step(), sched.step()
    (None, None)
    >>> sched.get_last_lr()
    [0.25]
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self.optimizer = self._check_members(schedulers, optimizer, " to be chained")
        self._schedulers = list(schedulers)
        self._last_lr = values_of(self.optimizer, "lr")

    def _first_members(self) -> list[LRScheduler]:
        return self._schedulers

    def step(self) -> None:  # type: ignore[override]
        """Step every member."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = values_of(self.optimizer, "lr")


class ReduceLROnPlateau(LRScheduler):
    """Lower the rate by `factor` when a metric has not improved for more than `patience` steps.

    Better means below (mode "min") or above ("max") the best so far by `threshold`, relative to it ("rel") or absolute
    ("abs"). After a reduction, `cooldown` steps are not counted. The rate stays at or above min_lr (a number, or one
    for each group), and changes smaller than eps are not made.

    Raises ValueError for factor >= 1 and for an unknown mode or threshold_mode.

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> sched = rg.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.5, patience=1)
    >>> for loss in [3.0, 2.0, 2.0, 2.0]:
    ...     sched.step(loss)
    >>> sched.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: list[float] | float = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError("Factor should be < 1.0.")
        check_optimizer(optimizer)
        if mode not in ("min", "max"):
            raise ValueError(f"mode {mode} is unknown!")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {threshold_mode} is unknown!")
        count = len(optimizer.param_groups)
        if isinstance(min_lr, (list, tuple)):
            if len(min_lr) != count:
                raise ValueError(f"expected {count} min_lrs, got {len(min_lr)}")
            self.default_min_lr = None
            self.min_lrs = list(min_lr)
        else:
            self.default_min_lr = min_lr
            self.min_lrs = [min_lr] * count
        self.optimizer = optimizer
        self.factor = factor
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.mode = mode
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self.last_epoch = 0
        self._last_lr = values_of(optimizer, "lr")
        self._reset()

    def _reset(self) -> None:
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    @property
    def in_cooldown(self) -> bool:
        """Whether bad steps are not counted now."""
        return self.cooldown_counter > 0

    def _is_better(self, a: float, best: float) -> bool:
        sign = 1.0 if self.mode == "max" else -1.0
        margin = best * (1.0 + sign * self.threshold) if self.threshold_mode == "rel" else best + sign * self.threshold
        return a > margin if self.mode == "max" else a < margin

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Report the metric of this step (a number or a one-element tensor), and lower the rates if it is time."""
        current = float(metrics)
        if epoch is None:
            epoch = self.last_epoch + 1
        else:
            warnings.warn(EPOCH_WARNING, UserWarning, stacklevel=2)
        self.last_epoch = epoch
        if self._is_better(current, self.best):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = values_of(self.optimizer, "lr")

    def _reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"The number of param groups in the `optimizer` ({len(groups)}) differs from when "
                    f"`ReduceLROnPlateau` was initialized ({len(self.min_lrs)}), usually due to a new param group "
                    "being added to the optimizer. Please modify the `min_lrs` field to match the length of the "
                    "`optimizer` param groups."
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, least in zip(groups, self.min_lrs, strict=True):
            old = float(group["lr"])
            new = max(old * self.factor, least)
            if old - new > self.eps:
                set_value(group, "lr", new)
