"""Reductions that add or multiply: sum, mean, prod, nansum, nanmean; and those that count: any, all, count_nonzero.

Primitives take a sorted tuple of non-negative axes, so () is the reduction of a 0-d tensor over nothing. Half types are
added up in float32 and rounded once; bools and integers add up to int64.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..core import as_tensor_arg
from ..dtypes import as_dtype, uint8
from ..errors import DtypeError
from ..generic import cast
from ..op import param, public
from ..samples import D, call, raises, t
from .args import dims, into, one_dim, pick
from .cumulative import cumprod_p, shift_p
from .shape import expand_p, reshape_p, sum_p
from .sums import add_up, multiply_up

if TYPE_CHECKING:
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = ["all", "any", "count_nonzero", "mean", "mean_p", "nanmean", "nansum", "prod", "prod_p", "spread", "sum"]

Shape = tuple[int, ...]
Dim = int | tuple[int, ...] | list[int] | None


# ---------------------------------------------------------------- shared by the reductions of other files
def spread(v: Any, shape: Shape, axes: Shape, keepdim: bool) -> Any:
    """A reduced value back in the shape that it was reduced from, every element repeated along `axes`."""
    if not keepdim and axes and len(axes) < len(shape):
        v = reshape_p(v, tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return expand_p(v, shape)


def count(shape: Shape, axes: Shape) -> int:
    """How many elements go into one result."""
    return math.prod(shape[i] for i in axes)


def reduced(shape: Shape, axes: Shape, keepdim: bool) -> Shape:
    """The shape of the result."""
    if keepdim:
        return tuple(1 if i in axes else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def arguments(
    input: Any, dim: Any, keepdim: Any, axis: Any, keepdims: Any, dtype: Any, op: str
) -> tuple[Tensor, Shape, bool]:
    """What the arguments of a reduction mean: the input (in `dtype` where given), the sorted axes, keepdim."""
    input = as_tensor_arg(input, op)
    if dim is None and axis is None and keepdims is None and dtype is None:  # the whole tensor: nothing to work out
        return input, tuple(range(len(input._shape))), bool(keepdim)
    if axis is not None or keepdims is not None:
        dim = pick(dim, axis, op)
        keepdim = pick(keepdim, keepdims, op, "keepdim", "keepdims")
    if dtype is not None:
        input = cast(input, as_dtype(dtype, op))
    return input, dims(dim, len(input._shape), op), bool(keepdim)


def dim_errors(name: str) -> Any:
    """The errors that every reduction over dimensions raises."""
    return lambda: [
        raises(IndexError, rf"{name}: dim 5 is out of range .* 2 dimensions \(expected -2 to 1\)", t(2, 3), dim=5),
        raises(RuntimeError, rf"{name}: dim 0 appears more than once", t(2, 3), dim=(0, -2)),
        raises(TypeError, rf"{name}: dim must be an int, a tuple of ints or None, got float", t(2, 3), dim=1.5),
        raises(TypeError, rf"{name}: .*two names of one argument", t(2, 3), dim=1, axis=1),
        raises(TypeError, rf"{name}: a Tensor is expected, got str", "x"),
    ]


def reduction_samples() -> list[Any]:
    """Calls that every reduction over dimensions serves: all forms of dim, keepdim, aliases, 0-d, empty."""
    return [
        call(t(3, 4)),
        call(t(3, 4), 0),
        call(t(3, 4), -1, True),
        call(t(2, 3, 4), dim=(0, 2)),
        call(t(2, 3, 4), dim=[-1, 0], keepdim=True),
        call(t(2, 3, 4), axis=1, keepdims=True),
        call(t(3, 4), dim=None, keepdim=True),
        call(t(3, 4), dim=()),
        call(t()),
        call(t(), dim=-1),
        call(t(1, 1), dim=0),
    ]


# ---------------------------------------------------------------- sum and mean
@public(
    samples=lambda: [
        *reduction_samples(),
        call(t(0)),
        call(t(2, 0), dim=1),
        call(t(0, 3), 1, True),
        call(t(3, 4), dtype=D("float64")),
        call(t(3, 4), 0, dtype=D("float32")),
        call(t(3, 4, dtype="bool", grad=False), dim=1),
        call(t(5, dtype="uint8", low=100, high=255, grad=False)),
        call(t(3, dtype="int32", low=-5, high=5, grad=False), dtype=D("float32")),
    ],
    errors=dim_errors("sum"),
)
def sum(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The sum of all elements, or over the dimensions `dim` (an int, or a tuple of them; None and () stand for all).

    Bools and integers add up to int64; `dtype` converts the input first; half types are added in float32.
    Shapes: `(N, C, H, W)` with dim=(2, 3) to `(N, C)`, or `(N, C, 1, 1)` with keepdim. Raises IndexError for a dim that
    does not exist, RuntimeError for one named twice.

    >>> import retrograd as rg
    >>> rg.sum(rg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([4., 6.])
    """
    input, axes, keepdim = arguments(input, dim, keepdim, axis, keepdims, dtype, "sum")
    r = sum_p(input, axes, keepdim)
    return into(out, r if dtype is None else cast(r, as_dtype(dtype, "sum")), "sum")


def _mean(xp: Any, x: Any, axes: Shape, keepdim: bool) -> Any:
    n = count(x.shape, axes)
    if n == 0:
        return xp.full(reduced(x.shape, axes, keepdim), math.nan, x.dtype)
    return add_up(x, axes, None, keepdim) / n


mean_p: Any = param(
    "mean",
    _mean,
    lambda g, x, o, axes, keepdim: spread(g / (count(x, axes) or 1), x, axes, keepdim),
    jvp="linear",
    doc="The mean over a tuple of axes.",
)


@public(
    samples=lambda: [
        *reduction_samples(),
        call(t(0)),
        call(t(2, 0), dim=1),
        call(t(3, 4), dtype=D("float64")),
        call(t(3, dtype="int32", low=-5, high=5, grad=False), dtype=D("float32")),
    ],
    errors=lambda: [
        *dim_errors("mean")(),
        raises(RuntimeError, r"mean: input is int64; .*x\.float\(\)", t(3, dtype="int64", grad=False)),
        raises(RuntimeError, r"mean: dtype is int32", t(3), dtype=D("int32")),
    ],
)
def mean(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The mean of all elements, or over the dimensions `dim`; NaN of none.

    Shapes: `(N, C, H, W)` with dim=(2, 3) to `(N, C)`, or `(N, C, 1, 1)` with keepdim. Raises DtypeError (a TypeError
    and RuntimeError) for bools and integers unless `dtype` makes them floating-point, IndexError for a dim that does
    not exist.

    >>> import retrograd as rg
    >>> rg.mean(rg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([1.5000, 3.5000])
    """
    input, axes, keepdim = arguments(input, dim, keepdim, axis, keepdims, dtype, "mean")
    if input._dtype.kind not in "fc":
        what = "input" if dtype is None else "dtype"
        raise DtypeError(
            f"mean: {what} is {input._dtype.name}; a floating-point or complex dtype is expected; "
            f"use x.float().mean(), or pass dtype=retrograd.float32"
        )
    return into(out, mean_p(input, axes, keepdim), "mean")


# ---------------------------------------------------------------- product
def _prod(xp: Any, x: Any, axes: Shape, keepdim: bool) -> Any:
    return multiply_up(xp, x, axes, "int64" if x.dtype.kind in "bui" else None, keepdim)


def _others(x: Any, axis: int) -> Any:
    """The product of all other elements along axis: no division, so zeros are no special case."""
    return shift_p(cumprod_p(x, axis, False), axis, 1, 1.0) * shift_p(cumprod_p(x, axis, True), axis, -1, 1.0)


def _prod_vjp(g: Any, x: Any, o: Any, axes: Shape, keepdim: bool) -> Any:
    shape = tuple(x.shape)
    if not axes:
        return g
    v = _others(x, axes[0]) if len(axes) == 1 else reshape_p(_others(reshape_p(x, (-1,)), 0), shape)
    return spread(g, shape, axes, keepdim) * v


prod_p: Any = param(
    "prod", _prod, _prod_vjp, saves="x", dtypes="fixed", doc="The product over no axis, one axis or all axes."
)


@public(
    samples=lambda: [
        call(t(4)),
        call(t(2, 3)),
        call(t(2, 3), 0),
        call(t(2, 3, 4), -1, True),
        call(t(2, 3), axis=1, keepdims=True),
        call(t(4, values=[1.5, 0.0, -2.0, 0.5])),
        call(t(4, values=[1.5, 0.0, -2.0, 0.0])),
        call(t(3, 3, values=[[1.5, 0.0, -2.0], [0.0, 2.0, 0.0], [1.0, 2.0, 0.5]]), dim=1),
        call(t(2, 2, values=[[1.5, 0.0], [0.0, 2.0]])),
        call(t()),
        call(t(), 0),
        call(t(0)),
        call(t(2, 0), 1),
        call(t(3), dtype=D("float64")),
        call(t(4, dtype="int8", low=1, high=9, grad=False)),
        call(t(2, 3, dtype="bool", grad=False), dim=1),
    ],
    errors=lambda: [
        raises(IndexError, r"prod: dim 5 is out of range", t(2, 3), dim=5),
        raises(TypeError, r"prod: dim must be an int", t(2, 3), dim=(0, 1)),
    ],
)
def prod(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The product of all elements, or along one dimension; gradients are exact where factors are zero.

    Bools and integers multiply to int64; `dtype` converts the input first. Shapes: `(*, N, *)` to `(*, *)`, or
    `(*, 1, *)` with keepdim. Raises IndexError for a dim that does not exist, TypeError for a tuple of them.

    >>> import retrograd as rg
    >>> rg.prod(rg.tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """
    input = as_tensor_arg(input, "prod")
    dim = pick(dim, axis, "prod")
    keepdim = pick(keepdim, keepdims, "prod", "keepdim", "keepdims")
    ndim = len(input._shape)
    if dim is None:
        axes = tuple(range(ndim))
    else:
        d = one_dim(dim, ndim, "prod")
        axes = (d,) if ndim else ()
    if dtype is not None:
        input = cast(input, as_dtype(dtype, "prod"))
    r = prod_p(input, axes, bool(keepdim))
    return into(out, r if dtype is None else cast(r, as_dtype(dtype, "prod")), "prod")


# ---------------------------------------------------------------- sums that leave NaN out
def _nansum(xp: Any, x: Any, axes: Shape, keepdim: bool) -> Any:
    return add_up(xp.where(x == x, x, xp.zeros((), x.dtype)), axes, None, keepdim)


nansum_p: Any = param(
    "nansum",
    _nansum,
    lambda g, x, o, axes, keepdim: spread(g, tuple(x.shape), axes, keepdim) * (x == x),
    saves="x",
    doc="The sum of what is not NaN over a tuple of axes.",
)

count_numbers_p: Any = param(
    "count_numbers",
    lambda xp, x, axes, keepdim: (x == x).sum(axes, "int64", None, keepdim),
    dtypes="fixed",
    differentiable=False,
    doc="How many elements are not NaN over a tuple of axes.",
)

_NAN = float("nan")


@public(
    samples=lambda: [
        *reduction_samples(),
        call(t(2, 3, values=[[1.0, _NAN, 2.0], [_NAN, _NAN, 0.5]])),
        call(t(2, 3, values=[[1.0, _NAN, 2.0], [_NAN, _NAN, 0.5]]), dim=1, keepdim=True),
        call(t(3, 4), dtype=D("float64")),
        call(t(3, dtype="int32", low=-5, high=5, grad=False)),
    ],
    errors=lambda: [
        *dim_errors("nansum")(),
        raises(TypeError, r"nansum: complex numbers", t(2, dtype="complex64", grad=False)),
    ],
)
def nansum(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The sum with NaN counted as zero; NaN elements get gradient 0. Arguments as in `sum`.

    >>> import retrograd as rg
    >>> rg.nansum(rg.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    input, axes, keepdim = arguments(input, dim, keepdim, axis, keepdims, dtype, "nansum")
    kind = input._dtype.kind
    if kind == "c":
        raise DtypeError(f"nansum: complex numbers ({input._dtype.name}) are not served; sum x.real and x.imag")
    return into(out, (nansum_p if kind == "f" else sum_p)(input, axes, keepdim), "nansum")


@public(
    samples=lambda: [
        *reduction_samples(),
        call(t(2, 3, values=[[1.0, _NAN, 2.0], [_NAN, 1.5, 0.5]])),
        call(t(2, 3, values=[[1.0, _NAN, 2.0], [_NAN, 1.5, 0.5]]), dim=1, keepdim=True),
        call(t(3, 4), dtype=D("float64")),
    ],
    errors=lambda: [
        *dim_errors("nanmean")(),
        raises(RuntimeError, r"nanmean: input is int64", t(3, dtype="int64", grad=False)),
    ],
)
def nanmean(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The mean of the elements that are not NaN; NaN elements get gradient 0. Arguments as in `mean`.

    >>> import retrograd as rg
    >>> rg.nanmean(rg.tensor([1.0, float("nan"), 2.0]))
    tensor(1.5000)
    """
    input, axes, keepdim = arguments(input, dim, keepdim, axis, keepdims, dtype, "nanmean")
    if input._dtype.kind != "f":
        raise DtypeError(f"nanmean: input is {input._dtype.name}; a floating-point dtype is expected, as in x.float()")
    return into(out, nansum_p(input, axes, keepdim) / count_numbers_p(input, axes, keepdim), "nanmean")


# ---------------------------------------------------------------- truth and counts
any_p: Any = param(
    "any", lambda xp, x, axes, keepdim: x.any(axes, keepdims=keepdim), dtypes="bool", doc="Whether any element is true."
)
all_p: Any = param(
    "all",
    lambda xp, x, axes, keepdim: x.all(axes, keepdims=keepdim),
    dtypes="bool",
    doc="Whether all elements are true.",
)
count_nonzero_p: Any = param(
    "count_nonzero",
    lambda xp, x, axes: (x != 0).sum(axes, "int64"),
    dtypes="fixed",
    differentiable=False,
    doc="How many elements are not zero.",
)


def _truth_samples() -> list[Any]:
    return [
        *(c for c in reduction_samples() if c.kwargs.get("dim", 0) != ()),
        call(t(2, 3, dtype="bool", grad=False), dim=()),
        call(t(2, 3, dtype="bool", grad=False)),
        call(t(2, 3, dtype="bool", grad=False), 1),
        call(t(2, 3, dtype="bool", grad=False), (0, 1), True),
        call(t(3, dtype="uint8", low=0, high=2, grad=False)),
        call(t(0)),
        call(t(2, 0), dim=1),
        call(t(2, values=[0.0, _NAN], grad=False)),
    ]


def _truth(p: Any, input: Any, dim: Any, keepdim: Any, axis: Any, keepdims: Any, out: Any, op: str) -> Tensor:
    dim = pick(dim, axis, op)
    input, axes, keepdim = arguments(input, dim, keepdim, None, keepdims, None, op)
    # PyTorch's one exception: () reduces nothing here, and bytes answer in bytes.
    r = p(input, () if isinstance(dim, (tuple, list)) and not dim else axes, keepdim)
    return into(out, cast(r, uint8) if input._dtype is uint8 else r, op)


@public(samples=_truth_samples, errors=dim_errors("any"), differentiable=False)
def any(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Whether any element is true (not zero; NaN is true), over all elements or the dimensions `dim`: bool.

    uint8 input gives uint8, and dim=() reduces nothing, both as in PyTorch.

    >>> import retrograd as rg
    >>> rg.any(rg.tensor([[True, False], [False, False]]), dim=1)
    tensor([ True, False])
    """
    return _truth(any_p, input, dim, keepdim, axis, keepdims, out, "any")


@public(samples=_truth_samples, errors=dim_errors("all"), differentiable=False)
def all(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> Tensor:
    """Whether all elements are true (not zero; NaN is true), over all elements or the dimensions `dim`: bool.

    uint8 input gives uint8, and dim=() reduces nothing, both as in PyTorch.

    >>> import retrograd as rg
    >>> rg.all(rg.tensor([[True, False], [True, True]]), dim=1)
    tensor([False,  True])
    """
    return _truth(all_p, input, dim, keepdim, axis, keepdims, out, "all")


@public(
    samples=lambda: [
        call(t(3, dtype="int64", values=[0, 2, -1], grad=False)),
        call(t(2, 3, values=[[0.0, 1.0, _NAN], [0.0, 0.0, 2.0]], grad=False), 1),
        call(t(2, 3, 4, dtype="int64", low=-1, high=2, grad=False), dim=(0, -1)),
        call(t(2, 3, dtype="bool", grad=False), axis=0),
        call(t()),
        call(t(0)),
    ],
    errors=lambda: dim_errors("count_nonzero")(),
    differentiable=False,
)
def count_nonzero(input: Tensor, dim: Dim = None, *, axis: Dim = None) -> Tensor:
    """How many elements are not zero, over all elements or the dimensions `dim`: int64.

    >>> import retrograd as rg
    >>> rg.count_nonzero(rg.tensor([[0, 1], [2, 3]]), dim=0)
    tensor([1, 2])
    """
    input, axes, _ = arguments(input, dim, False, axis, None, None, "count_nonzero")
    return count_nonzero_p(input, axes)
