"""Matrix products on the kernels' own threads, through the OpenBLAS that SciPy's wheel brings, one thread each.

NumPy's BLAS has a pool of its own, whose threads and those of the loops would wait actively for each other. SciPy's
copy is set to one thread and called on slices of the product instead. Where SciPy has no copy of its own (conda, system
packages: the library is NumPy's too, and not ours to restrict), everything here declines and NumPy multiplies.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from .runtime import Loops, enough, same, threads

__all__ = ["available", "library", "limit_numpy", "linear", "matmul"]

_loops = Loops("blas")
_tiles = Loops("products")
SERIAL_BELOW = 400_000  # multiplications; a product of 64 x 64 x 64 is faster on one thread
_WIDE = 2**31 - 1  # this BLAS counts in 32 bits
_SMALLEST = 4096  # under this NumPy's call is as fast, and nothing needs to be compiled


@functools.cache
def library() -> Any:
    """SciPy's own OpenBLAS, set to one thread, or None."""
    spec = find_spec("scipy")
    for place in spec.submodule_search_locations or () if spec else ():
        root = Path(place)
        for folder, pattern in (
            (root.parent / "scipy.libs", "*openblas*"),  # Linux, Windows
            (root / ".dylibs", "*openblas*"),  # macOS
        ):
            for path in sorted(folder.glob(pattern)):
                try:
                    found = ctypes.CDLL(str(path))
                    found.scipy_openblas_set_num_threads(1)
                except (OSError, AttributeError):
                    continue
                if hasattr(found, "scipy_cblas_sgemm") and hasattr(found, "scipy_cblas_dgemm"):
                    return found
    return None


@functools.cache
def _of_numpy() -> Any:
    """The function that sets the threads of the OpenBLAS of NumPy's wheel, or None."""
    root = Path(np.__file__).parent
    for folder in (root.parent / "numpy.libs", root / ".dylibs"):
        for path in sorted(folder.glob("*openblas*")):
            with contextlib.suppress(OSError):
                found = ctypes.CDLL(str(path))  # NumPy has loaded it: this is the same copy
                for name in ("scipy_openblas_set_num_threads64_", "openblas_set_num_threads64_"):
                    if hasattr(found, name):
                        return getattr(found, name)
    return None


def limit_numpy(n: int) -> None:
    """Let NumPy's BLAS use n threads; RuntimeError if it is not known how to tell it."""
    tell = _of_numpy()
    if tell is not None:
        tell(n)
        return
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as e:
        raise RuntimeError(
            "set_num_threads: NumPy's BLAS here is not that of its wheel, and the package threadpoolctl, which can set "
            "its threads, is missing; run pip install threadpoolctl"
        ) from e
    threadpool_limits(limits=n)


def available() -> bool:
    """Whether loops can call `gemm`."""
    return library() is not None


def _stored(x: Any) -> tuple[bool, int] | None:
    """How the matrices of x lie in memory: whether transposed, and the elements from one row (column) to the next."""
    m, n = x.shape[-2:]
    sm, sn = x.strides[-2:]
    z = x.itemsize
    if sn == z and (sm >= n * z or m == 1):
        return False, sm // z if m > 1 else n
    if sm == z and (sn >= m * z or n == 1):
        return True, sn // z if n > 1 else m
    return None


def matmul(x: Any, y: Any) -> Any:
    """x @ y of float32 or float64, of two dimensions or with leading ones that broadcast.

    Rows or columns have to be contiguous, as in any slice or transpose of a contiguous array.
    """
    nx, ny = x.ndim, y.ndim
    if nx < 2 or ny < 2 or x.dtype != y.dtype or x.dtype.char not in "fd":
        return NotImplemented
    (m, k), n = x.shape[-2:], y.shape[-1]
    work = m * n * k
    if y.shape[-2] != k or work > _WIDE and max(m, n, k) > _WIDE:
        return NotImplemented
    if nx > 2 or ny > 2:
        return _batched(x, y, m, n, k)
    if not enough(work, _SMALLEST) or library() is None:
        return NotImplemented
    fx, fy = x.flags, y.flags
    if not (fx.aligned and fy.aligned):
        return NotImplemented
    if (fx.c_contiguous or fx.f_contiguous) and (fy.c_contiguous or fy.f_contiguous) and fx.writeable and fy.writeable:
        tx, ty = not fx.c_contiguous, not fy.c_contiguous
        return _product(x.T if tx else x, tx, y.T if ty else y, ty, _none(x.dtype), m, n, k)
    return _batched(x, y, m, n, k)


def _product(x: Any, tx: bool, y: Any, ty: bool, b: Any, m: int, n: int, k: int) -> Any:
    out = np.empty((m, n), x.dtype)
    nt = threads(m * n * k, SERIAL_BELOW)
    plan = _plan(m, n, k, tx, ty, x.itemsize, nt)
    if plan is None:
        _loops.product(nt, x, tx, y, ty, b, out)
    else:
        p, size = plan
        _tiles.product(nt, p, x, y, b, out, np.empty(size, x.dtype))
    return out


@functools.lru_cache(1024)
def _plan(*of: Any) -> Any:
    return _tiles.plan(*of)


@functools.cache
def _none(dtype: Any) -> np.ndarray:
    """What stands for no bias."""
    return np.empty(0, dtype)


def _offsets(x: Any, lead: tuple[int, ...]) -> np.ndarray:
    """The byte offset of each matrix of x, broadcast to the leading sizes `lead`."""
    total = np.zeros(lead, np.int64)
    own = x.shape[:-2]
    for axis, (size, stride) in enumerate(zip(own, x.strides, strict=False), len(lead) - len(own)):
        if size > 1:
            total += (np.arange(size) * stride).reshape(size, *(1,) * (len(lead) - axis - 1))
    return total.reshape(-1)


def _batched(x: Any, y: Any, m: int, n: int, k: int) -> Any:
    lead = x.shape[:-2]
    if lead != y.shape[:-2]:
        try:
            lead = np.broadcast_shapes(lead, y.shape[:-2])
        except ValueError:
            return NotImplemented  # NumPy says why
    work = m * n * k * prod(lead)
    if not enough(work, _SMALLEST) or library() is None:
        return NotImplemented
    sx, sy = _stored(x), _stored(y)
    if sx is None or sy is None or max(sx[1], sy[1]) > _WIDE or not (x.flags.aligned and y.flags.aligned):
        return NotImplemented
    out = np.empty((*lead, m, n), x.dtype)
    ax = _offsets(x, lead) + x.__array_interface__["data"][0]
    ay = _offsets(y, lead) + y.__array_interface__["data"][0]
    _loops.products(threads(work, SERIAL_BELOW), ax, *sx, ay, *sy, out.reshape(-1, m, n), k)
    return out


def linear(x: Any, w: Any, b: Any) -> Any:
    """x @ w.T + b for contiguous x (rows, in) and w (out, in): each thread adds the bias to the rows it has at hand."""
    if b is None or not same(x, w, b) or x.shape[1] != w.shape[1]:
        return NotImplemented
    (m, k), n = x.shape, w.shape[0]
    if not enough(m * n * k, _SMALLEST) or library() is None:
        return NotImplemented
    return _product(x, False, w, True, b, m, n, k)
