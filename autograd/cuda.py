"""`retrograd.cuda`: what scripts ask about CUDA devices. Everything here works, and says no, on a machine without one."""

from __future__ import annotations

import os
from typing import Any

from . import random
from .backend import cuda_backend, cuda_device_count
from .device import as_device

__all__ = [
    "current_device", "device_count", "empty_cache", "get_device_name", "is_available", "manual_seed",
    "manual_seed_all", "set_device", "synchronize",
]  # fmt: skip


def device_count() -> int:
    """How many CUDA devices can be used."""
    return 0 if os.environ.get("CUDA_VISIBLE_DEVICES") == "" else cuda_device_count()


def is_available() -> bool:
    """Whether a CUDA device can be used."""
    return device_count() > 0


def _runtime() -> Any:
    return cuda_backend().xp.cuda


def current_device() -> int:
    """The ordinal of the current CUDA device; DeviceError without one."""
    return int(_runtime().runtime.getDevice())


def set_device(device: Any) -> None:
    """Make a CUDA device the current one."""
    _runtime().Device(as_device(device).index or 0).use()


def get_device_name(device: Any = None) -> str:
    """The name of a CUDA device."""
    index = current_device() if device is None else as_device(device).index or 0
    return _runtime().runtime.getDeviceProperties(index)["name"].decode()


def synchronize(device: Any = None) -> None:
    """Wait until the current CUDA device has finished; nothing to wait for without one."""
    if is_available():
        _runtime().Device().synchronize()


def empty_cache() -> None:
    """Give cached GPU memory back; nothing to give back without a device."""
    if is_available():
        cuda_backend().xp.get_default_memory_pool().free_all_blocks()


def manual_seed(seed: int) -> None:
    """Seed the generator: it is one for all devices."""
    random.manual_seed(seed)


manual_seed_all = manual_seed
