"""Sums, means, extremes and running results, as the standard has them: axes may be tuples, types follow its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import dtypes
from ..errors import DtypeError, ShapeError
from ..ops import cumulative, extremes, join, moments, reduce, view
from ..ops.create import full
from .types import array, axes_of, cast

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "all", "any", "cumulative_prod", "cumulative_sum", "diff", "max", "mean", "min", "prod", "std", "sum", "var",
]  # fmt: skip


def _sum_dtype(x: Any, dtype: Any, op: str) -> dtypes.dtype:
    """The type of a sum: the default integers (unsigned for unsigned) instead of smaller ones."""
    if dtype is not None:
        return dtypes.as_dtype(dtype, op)
    return dtypes.uint64 if x._dtype.kind == "u" else dtypes.int64 if x._dtype.kind in "bi" else x._dtype


def _computed(x: Any, d: dtypes.dtype) -> Any:
    """x in the type that its sum is computed in: unsigned integers in int64, where they wrap around as they should."""
    return cast(x, dtypes.int64 if d.kind in "iu" and x._dtype.kind in "biu" else d)


def _over(x: Any, axis: Any, op: str) -> tuple[Any, tuple[int, ...]]:
    x = array(x, op)
    return x, axes_of(axis, len(x._shape))


def sum(x: Tensor, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The sum over some axes (None: all); small integers are summed in int64, unsigned ones in uint64."""
    x, dims = _over(x, axis, "sum")
    d = _sum_dtype(x, dtype, "sum")
    y = _computed(x, d)
    return cast(reduce.sum(y, dim=dims, keepdim=keepdims) if dims else y, d)


def prod(x: Tensor, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The product over some axes (None: all); types as for `sum`."""
    x, dims = _over(x, axis, "prod")
    d = _sum_dtype(x, dtype, "prod")
    y = _computed(x, d)
    for k in sorted(dims, reverse=True):
        y = reduce.prod(y, dim=k, keepdim=keepdims)
    return cast(y, d)


def _floating(x: Any, op: str) -> None:
    if x._dtype.kind not in "fc":
        raise DtypeError(
            f"{op}: the array is {x._dtype.name}; a floating-point type is expected, convert it with astype"
        )


def mean(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The mean over some axes (None: all)."""
    x, dims = _over(x, axis, "mean")
    _floating(x, "mean")
    return reduce.mean(x, dim=dims, keepdim=keepdims) if dims else x.clone()


def _spread(f: Any, x: Any, axis: Any, correction: float, keepdims: bool, op: str) -> Any:
    x, dims = _over(x, axis, op)
    _floating(x, op)
    if not dims:
        x, dims = view.reshape(x, (*x._shape, 1)), (len(x._shape),)
        return view.reshape(f(x, dim=dims, correction=correction), x._shape[:-1])
    return f(x, dim=dims, correction=correction, keepdim=keepdims)


def std(x: Tensor, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The standard deviation over some axes (None: all), divided by N - correction; PyTorch's correction is 1.

    >>> from retrograd import xp
    >>> xp.std(xp.asarray([1.0, 3.0]))
    tensor(1.)
    """
    return _spread(moments.std, x, axis, correction, keepdims, "std")


def var(x: Tensor, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The variance over some axes (None: all), divided by N - correction; PyTorch's correction is 1."""
    return _spread(moments.var, x, axis, correction, keepdims, "var")


def _extreme(f: Any, x: Any, axis: Any, keepdims: bool, op: str) -> Any:
    x, dims = _over(x, axis, op)
    return f(x, dim=dims, keepdim=keepdims) if dims else x.clone()


def max(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The maximum over some axes (None: all), without indices; NaN if there is one. Ties share the gradient."""
    return _extreme(extremes.amax, x, axis, keepdims, "max")


def min(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The minimum over some axes (None: all), without indices; NaN if there is one. Ties share the gradient."""
    return _extreme(extremes.amin, x, axis, keepdims, "min")


def all(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether all elements over some axes (None: all) are true, that is not 0."""
    x, dims = _over(x, axis, "all")
    truth = x != 0
    return reduce.all(truth, dim=dims, keepdim=keepdims) if dims else truth


def any(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether any element over some axes (None: all) is true, that is not 0."""
    x, dims = _over(x, axis, "any")
    truth = x != 0
    return reduce.any(truth, dim=dims, keepdim=keepdims) if dims else truth


# ---------------------------------------------------------------- running results
def _running(f: Any, start: int, x: Any, axis: Any, dtype: Any, include_initial: bool, op: str) -> Any:
    x = array(x, op)
    if axis is None:
        if len(x._shape) != 1:
            raise ValueError(f"{op}: axis must be given for an array with {len(x._shape)} dimensions")
        axis = 0
    (k,) = axes_of(axis, len(x._shape))
    d = _sum_dtype(x, dtype, op)
    y = f(_computed(x, d), dim=k)
    if include_initial:
        shape = (*x._shape[:k], 1, *x._shape[k + 1 :])
        y = join.cat([full(shape, start, dtype=y._dtype, device=y.device), y], k)
    return cast(y, d)


def cumulative_sum(
    x: Tensor, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Running sums along an axis, which only a 1-d array may leave out; include_initial puts a 0 first.

    >>> from retrograd import xp
    >>> xp.cumulative_sum(xp.asarray([1, 2, 3]), include_initial=True)
    tensor([0, 1, 3, 6])
    """
    return _running(cumulative.cumsum, 0, x, axis, dtype, include_initial, "cumulative_sum")


def cumulative_prod(
    x: Tensor, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False
) -> Tensor:
    """Running products along an axis, which only a 1-d array may leave out; include_initial puts a 1 first."""
    return _running(cumulative.cumprod, 1, x, axis, dtype, include_initial, "cumulative_prod")


def diff(
    x: Tensor, /, *, axis: int = -1, n: int = 1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """The n-th differences of neighbours along an axis; prepend and append are joined to the array first."""
    x = array(x, "diff")
    if n < 0:
        raise ShapeError(f"diff: n must not be negative, got {n}")
    if not n:
        return x
    return cumulative.diff(x, n, axes_of(axis, len(x._shape))[0], prepend, append)
