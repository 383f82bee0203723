"""`retrograd.accelerator`: the accelerator of this machine, whichever it is: CUDA or none."""

from __future__ import annotations

from typing import Any

from . import cuda
from .device import as_device, device

__all__ = [
    "current_accelerator", "current_device_index", "current_device_idx", "device_count", "device_index", "empty_cache",
    "is_available", "set_device_idx", "set_device_index", "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """Whether there is one.

    >>> import retrograd as rg
    >>> rg.accelerator.is_available() == rg.cuda.is_available()
    True
    """
    return cuda.is_available()


def device_count() -> int:
    """How many devices it has; 0 without one."""
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> device | None:
    """Its kind as a device without a number, or None on a machine without one."""
    return as_device("cuda") if cuda.is_available() else None


def current_device_index() -> int:
    """The number of the current device; DeviceError without an accelerator."""
    return cuda.current_device()


def set_device_index(device: Any, /) -> None:
    """Make this device the current one."""
    cuda.set_device(device)


current_device_idx = current_device_index
set_device_idx = set_device_index


def synchronize(device: Any = None, /) -> None:
    """Wait until the device has finished; nothing to wait for without one."""
    cuda.synchronize(device)


def empty_cache() -> None:
    """Give cached memory back; nothing to give back without a device."""
    cuda.empty_cache()


class device_index:
    """Makes a device the current one within a `with` block; None changes nothing."""

    def __init__(self, device: int | None, /) -> None:
        self.index, self.before = device, None

    def __enter__(self) -> None:
        if self.index is not None:
            self.before = cuda.current_device()
            cuda.set_device(self.index)

    def __exit__(self, *exc: Any) -> None:
        if self.before is not None:
            cuda.set_device(self.before)
