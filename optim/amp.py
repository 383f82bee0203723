"""`retrograd.amp`: loss scaling for training in float16, and `autocast`.

Micikevicius et al., "Mixed Precision Training", ICLR 2018.
"""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor, cuda, no_grad
from ..autograd.amp import autocast, get_autocast_dtype, is_autocast_enabled
from ..autograd.ops.compare import isfinite
from .optimizer import Optimizer

__all__ = ["GradScaler", "autocast", "get_autocast_dtype", "is_autocast_available", "is_autocast_enabled"]


def is_autocast_available(device_type: str) -> bool:
    """Whether regions on this kind of device are accepted: on 'cpu' and 'cuda'.

    >>> import retrograd as rg
    >>> rg.amp.is_autocast_available("cpu")
    True
    """
    return device_type in ("cpu", "cuda")


class GradScaler:
    """Scales the loss so that small float16 gradients do not vanish, and skips steps whose gradients overflowed.

    `scaler.scale(loss).backward()`, then `scaler.step(optimizer)` divides the gradients by the scale and steps if all
    are finite, and `scaler.update()` multiplies the scale by backoff_factor after an overflow, and by growth_factor after
    growth_interval steps without one. As in PyTorch it is disabled for 'cuda' (its default) without such a device: every
    call then passes through.

    >>> import retrograd as rg
    >>> w = rg.tensor([1.0], requires_grad=True)
    >>> optimizer, scaler = rg.optim.SGD([w], lr=0.5), rg.amp.GradScaler("cpu")
    >>> scaler.scale((w * w).sum()).backward()
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w
    tensor([0.], requires_grad=True)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if growth_factor <= 1.0:
            raise ValueError(f"GradScaler: growth_factor must be above 1, got {growth_factor}")
        if not 0.0 < backoff_factor < 1.0:
            raise ValueError(f"GradScaler: backoff_factor must lie between 0 and 1, got {backoff_factor}")
        self._device, self._enabled = device, bool(enabled) and (device != "cuda" or cuda.is_available())
        self._scale, self._growth_factor, self._backoff_factor = float(init_scale), growth_factor, backoff_factor
        self._growth_interval, self._growth_tracker = growth_interval, 0
        self._unscaled: dict[int, bool] = {}  # optimizer -> whether its gradients held an infinity or NaN
        self._stepped: set[int] = set()

    def scale(self, outputs: Any) -> Any:
        """The outputs (a tensor, or tensors in lists and tuples) times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, list | tuple):
            return type(outputs)(self.scale(o) for o in outputs)
        raise ValueError(f"GradScaler.scale: a tensor or several are expected, got {type(outputs).__name__}")

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients of the optimizer's parameters by the scale, to clip them before `step`."""
        if not self._enabled:
            return
        if id(optimizer) in self._stepped:
            raise RuntimeError("GradScaler.unscale_: called after step(); call update() first")
        if id(optimizer) in self._unscaled:
            raise RuntimeError("GradScaler.unscale_: already called for this optimizer since the last update()")
        overflow = False
        with no_grad():
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.grad.mul_(1.0 / self._scale)
                        overflow = overflow or not bool(isfinite(p.grad).all())
        self._unscaled[id(optimizer)] = overflow

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """Unscale if that has not been done, then step unless a gradient is infinite or NaN; what the step returns."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs or args:
            raise RuntimeError("GradScaler.step: closures are not supported while scaling is enabled")
        if id(optimizer) in self._stepped:
            raise RuntimeError("GradScaler.step: already called for this optimizer since the last update()")
        if id(optimizer) not in self._unscaled:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        return None if self._unscaled[id(optimizer)] else optimizer.step()

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adapt the scale to what the steps since the last call saw, or set it."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            if not self._unscaled:
                raise RuntimeError("GradScaler.update: no gradients were checked; call step() or unscale_() first")
            if any(self._unscaled.values()):
                self._scale, self._growth_tracker = self._scale * self._backoff_factor, 0
            else:
                self._growth_tracker += 1
                if self._growth_tracker == self._growth_interval:
                    self._scale, self._growth_tracker = self._scale * self._growth_factor, 0
        self._unscaled.clear()
        self._stepped.clear()

    def get_scale(self) -> float:
        """The scale now; 1.0 if disabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the scale grows by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set what the scale grows by."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale shrinks by after an overflow."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set what the scale shrinks by after an overflow."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many steps without overflow make the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set how many steps without overflow make the scale grow."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether losses are scaled."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The state in PyTorch's layout; empty if disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from `state_dict()`; RuntimeError for an empty one, which a disabled scaler saved."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("GradScaler.load_state_dict: the state is empty; it was saved by a disabled GradScaler")
        self._scale, self._growth_factor = float(state_dict["scale"]), state_dict["growth_factor"]
        self._backoff_factor, self._growth_interval = state_dict["backoff_factor"], state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]
