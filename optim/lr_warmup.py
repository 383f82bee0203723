"""Warm-up, followed by one of the usual ways down."""

from __future__ import annotations

from typing import Any

from . import schedules
from .lr_base import ClosedFormLR
from .optimizer import Optimizer

__all__ = ["WarmupLR"]


class WarmupLR(ClosedFormLR):
    """Raise the rate in warmup_steps steps, then keep or lower it until total_steps: `schedules.warmup_lr`.

    The rate rises linearly from start_factor times the group's rate to that rate. Then decay "constant" keeps it,
    "polynomial" lowers it to end_lr along a power of a line (power=1: linearly), "cosine" along half a cosine wave, and
    "inverse_sqrt" as one over the root of the step, without an end. Early steps of an adaptive optimizer rest on few
    gradients, and those of large batches go too far: hence the small rates at first.

    warmup_steps may be 0: then this is the polynomial (or cosine) decay to end_lr alone. Chained with other schedulers
    effects multiply.

    Raises ValueError for an unknown decay, a start_factor outside (0, 1], negative steps, and for "polynomial" or
    "cosine" without a total_steps above warmup_steps. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in
    1 hour" (2017); Vaswani et al., "Attention is all you need" (2017), for "inverse_sqrt".

    >>> import retrograd as rg
    >>> opt = rg.optim.SGD([rg.nn.Parameter(rg.zeros(1))], lr=1.0)
    >>> sched = rg.optim.lr_scheduler.WarmupLR(opt, 2, 6, start_factor=0.5, decay="polynomial")
    >>> rates = []
    >>> for _ in range(7):
    ...     rates += sched.get_last_lr()
    ...     opt.step()
    ...     sched.step()
    >>> rates
    [0.5, 0.75, 1.0, 0.75, 0.5, 0.25, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_steps: int,
        total_steps: int | None = None,
        start_factor: float = 0.1,
        decay: str = "constant",
        power: float = 1.0,
        end_lr: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if not 0.0 < start_factor <= 1.0:
            raise ValueError(f"WarmupLR: start_factor is {start_factor}; expected a factor in (0, 1]")
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.start_factor = start_factor
        self.decay = decay
        self.power = power
        self.end_lr = end_lr
        self._closed(0, 1.0)  # refuses what the formula cannot take, before the optimizer is touched
        super().__init__(optimizer, last_epoch)

    def _closed(self, step: int, base_lr: Any) -> Any:
        return schedules.warmup_lr(
            step, base_lr, self.warmup_steps, self.total_steps, self.start_factor, self.decay, self.power, self.end_lr
        )

    def _relative(self, step: int, lr: Any, base_lr: Any) -> Any:
        if self._is_initial:  # a resumed run finds the rate where it left it
            return lr * self._closed(0, base_lr) / base_lr if step == 0 and base_lr else lr
        before = self._closed(step - 1, base_lr)
        return lr * self._closed(step, base_lr) / before if before else lr
