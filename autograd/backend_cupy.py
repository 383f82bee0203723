"""The CuPy backend: arrays on CUDA devices, loaded at the first use of one."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from .backend import Backend
from .device import device
from .errors import DeviceError

_INSTALL = 'install it with pip install "retrograd[cuda13]" (or [cuda12], to match the driver)'


def _cupy() -> Any:
    try:
        import cupy  # type: ignore[import-not-found]
    except ImportError as e:
        raise DeviceError(f"cuda: CuPy is not installed; {_INSTALL}, or stay on device 'cpu'") from e
    return cupy


class CupyBackend(Backend):
    """The record over CuPy."""

    def sparse(self) -> Any:
        """CuPy's module of sparse matrices."""
        import cupyx.scipy.sparse  # type: ignore[import-not-found]

        return cupyx.scipy.sparse


def device_count() -> int:
    """How many CUDA devices can be used; 0 without CuPy or without a driver."""
    if find_spec("cupy") is None:
        return 0
    try:
        import cupy  # type: ignore[import-not-found]
    except ImportError:
        return 0
    if not cupy.cuda.is_available():
        return 0
    return int(cupy.cuda.runtime.getDeviceCount())


def make_backend() -> Backend:
    """The record for CuPy; DeviceError with the way out when it or the device is missing."""
    cupy = _cupy()
    if device_count() == 0:
        raise DeviceError("cuda: no CUDA device is available (no driver, or no GPU); stay on device 'cpu'")
    import cupyx  # type: ignore[import-not-found]

    return record(cupy, cupyx.scatter_add, _special)


def _special() -> Any:
    import cupyx.scipy.special  # type: ignore[import-not-found]

    return cupyx.scipy.special


def record(cupy: Any, scatter_add: Callable[[Any, Any, Any], None], special: Callable[[], Any]) -> Backend:
    """The record over a module `cupy` (the tests give a stand-in); special: gives the module of erf and the like."""

    def from_numpy(a: np.ndarray, index: int | None) -> Any:
        if index is None:
            return cupy.asarray(a)
        with _device(cupy, index):
            return cupy.asarray(a)

    def to_index(a: Any, index: int) -> Any:
        with _device(cupy, index):
            return a.copy()  # from one device to the other, not through the host

    return CupyBackend(
        "cupy",
        cupy,
        cupy.ndarray,
        "cuda",
        to_numpy=cupy.asnumpy,
        from_numpy=from_numpy,
        to_index=to_index,
        scatter_add=scatter_add,
        special=lambda name: getattr(special(), name),
        matmul=cupy.matmul,
        device_of=lambda a: device("cuda", a.device.id),
        current=lambda: device("cuda", int(cupy.cuda.runtime.getDevice())),
    )


def _device(cupy: Any, index: int) -> Any:
    n = int(cupy.cuda.runtime.getDeviceCount())
    if index >= n:
        raise DeviceError(f"cuda: there is no device cuda:{index}; the last of the {n} present is cuda:{n - 1}")
    return cupy.cuda.Device(index)
