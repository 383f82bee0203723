"""New arrays, with the standard's defaults: arange, asarray, eye, full, linspace, meshgrid, ones, zeros and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import dtypes
from ..core import TensorBase
from ..dlpack import from_dlpack
from ..errors import ShapeError
from ..ops import arrange, create, ranges
from ..ops import diag as _diag
from ..ops.cast import to_device
from ..ops.complex import complex as _complex
from .types import array, arrays, cast

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "linspace", "meshgrid",
    "ones", "ones_like", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Tensor:
    """An array of numbers, nested sequences, another array, or an object with DLPack or the buffer protocol.

    copy: True always copies, False never does (a ValueError where it must), None copies only where it must.

    >>> from retrograd import xp
    >>> xp.asarray([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if isinstance(obj, (TensorBase, memoryview)) or hasattr(obj, "__array__") or hasattr(obj, "__dlpack__"):
        if isinstance(obj, TensorBase):
            x: Any = obj
        elif isinstance(obj, memoryview) or hasattr(obj, "__array__"):
            import numpy as np

            x = create.as_tensor(np.asarray(obj))
        else:
            x = from_dlpack(obj)
        d = x._dtype if dtype is None else dtypes.as_dtype(dtype, "asarray")
        moved = x if device is None else to_device(x, device)
        if copy is False and (d is not x._dtype or moved is not x):
            raise ValueError("asarray: another type or device needs a copy, which copy=False forbids")
        r = cast(moved, d)
        return r.clone() if copy and r is x else r
    if copy is False:
        raise ValueError(
            f"asarray: a {type(obj).__name__} cannot become an array without a copy, which copy=False forbids"
        )
    return create.tensor(obj, dtype=dtype, device=device)


def arange(
    start: float, /, stop: float | None = None, step: float = 1, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """start, start + step, ... before stop; an empty array if the step leads away from stop.

    >>> from retrograd import xp
    >>> xp.arange(1, 7, 2)
    tensor([1, 3, 5])
    """
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ShapeError("arange: step must not be 0")
    if (stop - start) * step < 0:
        stop = start
    return ranges.arange(start, stop, step, dtype=dtype, device=device)


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Tensor:
    """A matrix with ones on diagonal k (above the main one if positive), zeros elsewhere.

    >>> from retrograd import xp
    >>> xp.eye(2, 3, k=1)
    tensor([[0., 1., 0.],
            [0., 0., 1.]])
    """
    m, n = n_rows, n_rows if n_cols is None else n_cols
    r = create.zeros((m, n), dtype=dtype, device=device)
    if -m < k < n:
        r.diagonal(k).fill_(1)
    return r


def linspace(
    start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
) -> Tensor:
    """num evenly spaced numbers from start to stop; without it if endpoint=False.

    >>> from retrograd import xp
    >>> xp.linspace(0, 1, 4, endpoint=False)
    tensor([0.0000, 0.2500, 0.5000, 0.7500])
    """
    if num < 0:
        raise ShapeError(f"linspace: num must not be negative, got {num}")
    if isinstance(start, complex) or isinstance(stop, complex):
        a, b = complex(start), complex(stop)
        d = dtypes.get_default_dtype().to_complex() if dtype is None else dtypes.as_dtype(dtype, "linspace")
        ends = ((a.real, b.real), (a.imag, b.imag))
        real = {"dtype": d.to_real(), "device": device, "endpoint": endpoint}
        return _complex(*(linspace(u, v, num, **real) for u, v in ends))
    if endpoint or num == 0:
        return ranges.linspace(start, stop, num, dtype=dtype, device=device)
    return ranges.linspace(start, start + (stop - start) * (num - 1) / num, num, dtype=dtype, device=device)


# ---------------------------------------------------------------- of one value
def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """An array whose values are not set."""
    return create.empty(_shape(shape), dtype=dtype, device=device)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """An array of ones."""
    return create.ones(_shape(shape), dtype=dtype, device=device)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """An array of zeros."""
    return create.zeros(_shape(shape), dtype=dtype, device=device)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """An array of one value, whose type decides the array's unless dtype does: bool, int64, or the default ones."""
    return create.full(_shape(shape), fill_value, dtype=dtype, device=device)


def empty_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """An array of the same shape (and type) whose values are not set."""
    return create.empty_like(array(x, "empty_like"), dtype=dtype, device=device)


def ones_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones of the same shape (and type)."""
    return create.ones_like(array(x, "ones_like"), dtype=dtype, device=device)


def zeros_like(x: Tensor, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros of the same shape (and type)."""
    return create.zeros_like(array(x, "zeros_like"), dtype=dtype, device=device)


def full_like(x: Tensor, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """One value in the same shape (and type)."""
    return create.full_like(array(x, "full_like"), fill_value, dtype=dtype, device=device)


# ---------------------------------------------------------------- from arrays
def meshgrid(*xs: Tensor, indexing: str = "xy") -> tuple[Tensor, ...]:
    """The coordinates of a grid from 1-d arrays; "xy": the first array varies along the second axis, "ij": the first."""
    if not xs:
        return ()
    return tuple(arrange.meshgrid(*arrays("meshgrid", xs), indexing=indexing))


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The lower triangles of matrices, up to diagonal k."""
    return _diag.tril(array(x, "tril"), k)


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """The upper triangles of matrices, from diagonal k."""
    return _diag.triu(array(x, "triu"), k)
