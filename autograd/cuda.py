"""`retrograd.cuda`: what scripts ask about CUDA devices. Everything here works, and says no, on a machine without one."""

from __future__ import annotations

import importlib
import os
from typing import Any

from . import random
from .backend import cuda_backend, cuda_device_count
from .device import as_device

__all__ = [
    "current_device", "device_count", "empty_cache", "get_device_capability", "get_device_name", "init", "is_available",
    "is_bf16_supported", "is_initialized", "manual_seed", "manual_seed_all", "max_memory_allocated",
    "memory_allocated", "memory_reserved", "set_device", "synchronize",
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


def manual_seed_all(seed: int) -> None:
    """Seed the generator: it is one for all devices."""
    random.manual_seed(seed)


def is_initialized() -> bool:
    """Whether the device can be used: it is initialised at its first use."""
    return is_available()


def init() -> None:
    """Nothing to do: a device is initialised at its first use."""


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the device computes with bfloat16; False without one."""
    return is_available() and get_device_capability()[0] >= (0 if including_emulation else 8)


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """The compute capability (major, minor) of a CUDA device."""
    index = current_device() if device is None else as_device(device).index or 0
    p = _runtime().runtime.getDeviceProperties(index)
    return int(p["major"]), int(p["minor"])


def memory_allocated(device: Any = None) -> int:
    """Bytes of GPU memory that arrays hold; 0 without a device."""
    return int(cuda_backend().xp.get_default_memory_pool().used_bytes()) if is_available() else 0


def memory_reserved(device: Any = None) -> int:
    """Bytes that the memory pool holds, in use or cached; 0 without a device."""
    return int(cuda_backend().xp.get_default_memory_pool().total_bytes()) if is_available() else 0


def max_memory_allocated(device: Any = None) -> int:
    """Bytes that the pool has grown to since the last `empty_cache()`, an upper bound of the peak; 0 without a device."""
    return memory_reserved(device)


def __getattr__(name: str) -> Any:
    if name == "amp":  # lies beside the optimizers
        return importlib.import_module(f"{__name__.split('.')[0]}.cuda.amp")
    if name.endswith("Tensor"):  # rg.cuda.FloatTensor and its relatives
        from .tensor_types import cuda_type

        found = cuda_type(name)
        if found is not None:
            return found
    raise AttributeError(f"module 'retrograd.cuda' has no attribute {name!r}")
