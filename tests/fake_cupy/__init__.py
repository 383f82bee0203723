"""A strict stand-in for CuPy over NumPy, for machines without a GPU.

It has only the names, parameters and ufunc loops of CuPy 14.2.0 (names.json, written by generate.py), refuses what CuPy
refuses (implicit conversion, NumPy arrays among its own, missing functions, batched bfloat16 products) and some of what
only costs (np.* functions on device arrays, host arrays as indices), wraps out-of-range indices, returns arrays of no
dimension where NumPy returns scalars, and counts every call that makes the host wait for the device.

`backend()` is retrograd's CuPy record over it, and `installed()` lets it serve device "cuda". `@backends` runs a test with
argument `on_backend` (a device's name) on NumPy, on the stand-in, and where there is a GPU on CuPy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from retrograd.autograd import backend as _backend
from retrograd.autograd.backend_cupy import record

from .array import ndarray
from .functions import cupy, cupyx, special
from .state import NAMES, Device, Syncs, current, sync_counter

__all__ = [
    "GPU", "NAMES", "Device", "Syncs", "backend", "backends", "cupy", "cupyx", "installed", "ndarray", "special",
    "sync_counter",
]  # fmt: skip

GPU = pytest.param("cupy", marks=pytest.mark.gpu)
backends = pytest.mark.parametrize("on_backend", ["numpy", "fake", GPU], indirect=True)

_made: list[Any] = []


def backend() -> Any:
    """The backend record over the stand-in, made by the same function as the one over CuPy."""
    if not _made:
        _made.append(record(cupy, cupyx.scatter_add, lambda: special))
    return _made[0]


@contextlib.contextmanager
def installed() -> Iterator[Any]:
    """Let the stand-in serve device "cuda" inside the block."""
    b = backend()
    _backend.register(b)
    was = _backend.set_cuda_backend(b)
    before, current.id = current.id, 0
    try:
        yield b
    finally:
        current.id = before
        _backend.set_cuda_backend(was)
        _backend.unregister(b)
