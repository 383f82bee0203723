"""Order statistics: quantile and nanquantile, and the most frequent element, mode.

The order is found first; then only the two neighbours of each rank are gathered and interpolated, so the gradient goes
to those elements and, through the weights of the interpolation, to a tensor of probabilities.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import of as backend_of
from ..backend import xp_of
from ..core import TensorBase, as_tensor_arg, wrap
from ..errors import DtypeError, ShapeError
from ..op import public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from . import return_types
from .args import check_real, into, into_pair, one_dim, pick, same_library
from .cumulative import _doubling
from .shape import permute_p, reshape_p
from .sort import order_p, take_along_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["mode", "nanquantile", "quantile"]

_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


# ---------------------------------------------------------------- quantiles
def _probabilities(op: str, q: Any, x: Any) -> tuple[Any, bool]:
    """q as a tensor (Q,) of the input's dtype on its device, and whether it was a single number."""
    xp = xp_of(x._data)
    if not isinstance(q, TensorBase):
        if not isinstance(q, (int, float)):
            raise TypeError(f"{op}: q must be a number or a tensor, got {type(q).__name__}")
        if not 0 <= q <= 1:
            raise ShapeError(f"{op}: q={q} is outside [0, 1]")
        return wrap(xp.full(1, q, x._dtype.np)), True
    if len(q._shape) > 1:
        raise ShapeError(f"{op}: q has the shape {tuple(q._shape)}; a number or a 1-d tensor is expected")
    if q._dtype is not x._dtype:
        raise DtypeError(f"{op}: q is {q._dtype.name} but input {x._dtype.name}; the same dtype is expected")
    a = q._data
    if backend_of(a).device_type == "cpu" and not bool(((a >= 0) & (a <= 1)).all()):
        raise ShapeError(f"{op}: q holds values outside [0, 1], from {a.min()} to {a.max()}")
    same_library(a, xp, op, "q")
    return reshape_p(q, (-1,) if q._shape else (1,)), not q._shape


def _quantile(
    op: str, input: Any, q: Any, dim: Any, keepdim: Any, interpolation: str, out: Any, axis: Any, keepdims: Any
) -> Tensor:
    x = as_tensor_arg(input, op)
    dim = pick(dim, axis, op)
    keepdim = bool(pick(keepdim, keepdims, op, "keepdim", "keepdims"))
    if not x._dtype.fast:
        raise DtypeError(f"{op}: input is {x._dtype.name}; float32 or float64 is expected, as in x.float()")
    if interpolation not in _INTERPOLATIONS:
        raise ShapeError(
            f"{op}: interpolation={interpolation!r} is not known; give one of {', '.join(_INTERPOLATIONS)}"
        )
    if 0 in x._shape:
        raise ShapeError(f"{op}: input of shape {tuple(x._shape)} has no elements")
    q, single = _probabilities(op, q, x)
    shape, nd = x._shape, len(x._shape)
    if dim is None or not nd:
        rest: tuple[int, ...] = ()
        kept = (1,) * nd
        if dim is not None:
            one_dim(dim, nd, op)
        x = reshape_p(x, (math.prod(shape),))
    else:
        d = one_dim(dim, nd, op)
        rest = shape[:d] + shape[d + 1 :]
        kept = shape[:d] + (1,) + shape[d + 1 :]
        x = permute_p(x, (*range(d), *range(d + 1, nd), d)) if d != nd - 1 else x
    r = _interpolated(x, q, interpolation, op == "nanquantile")  # (*rest, Q)
    k = len(rest)
    count = q._shape[0]
    if not single:
        r = permute_p(r, (k, *range(k))) if k else r
    final = kept if keepdim else rest
    return into(out, reshape_p(r, final if single else (count, *final)), op)


def _interpolated(x: Any, q: Any, interpolation: str, skip_nan: bool) -> Any:
    """The quantiles q (Q,) of the rows of x (*, N): (*, Q)."""
    xp = xp_of(x._data)
    a = x._data
    n = a.shape[-1]
    order = order_p(x, len(x._shape) - 1, False)._data
    nan = (a != a).sum(-1, "int64", None, True)
    if skip_nan:
        last = wrap(xp.maximum(n - 1 - nan, 0).astype(a.dtype))  # (*, 1): the rank of the largest number
        ranks = q * last
    else:
        ranks = q * (n - 1.0)
        if xp is not np or nan.any():  # NaN is sorted last: where there is one, every rank is that of the last element
            hit = nan > 0
            keep = wrap((~hit).astype(a.dtype))
            ranks = ranks * keep + wrap(hit.astype(a.dtype) * (n - 1))
    exact = xp.broadcast_to(ranks._data, (*a.shape[:-1], q._shape[0]))
    low = xp.floor(exact)
    if interpolation == "lower":
        return _at(xp, x, order, low)
    if interpolation == "nearest":
        return _at(xp, x, order, xp.rint(exact))
    high = xp.ceil(exact)
    if interpolation == "higher":
        return _at(xp, x, order, high)
    below, above = _at(xp, x, order, low), _at(xp, x, order, high)
    w: Any = 0.5 if interpolation == "midpoint" else ranks - wrap(low)
    return below + (above - below) * w


def _at(xp: Any, x: Any, order: Any, ranks: Any) -> Any:
    """The elements of the rows of x (*, N) that have these whole ranks (*, Q)."""
    return take_along_p(x, len(x._shape) - 1, xp.take_along_axis(order, ranks.astype(xp.int64), -1), False, False)


def _quantile_samples() -> list[Any]:
    return [
        call(t(7), 0.3),
        call(t(3, 5), t(3, values=[0.1, 0.55, 0.85])),
        call(t(3, 5), 0.4, 1),
        call(t(3, 5), t(2, values=[0.2, 0.7]), 0, True),
        call(t(2, 3, 5), t(2, values=[0.2, 0.7]), dim=1),
        call(t(2, 3, 5), t(values=0.4), dim=-1, keepdim=True),
        *(call(t(2, 5), t(2, values=[0.15, 0.6], grad=False), 1, interpolation=i) for i in _INTERPOLATIONS),
        call(t(3, 2), 1.0, keepdim=True),
        call(t(4), 0),
        call(t(), 0.5),
        call(t(), t(1, values=[0.5]), 0, True),
        call(t(2, 3, values=[[1.0, float("nan"), 3.0], [2.0, 1.0, 4.0]], grad=False), 0.5, dim=1),
        call(t(3), t(0, grad=False)),
    ]


def _quantile_errors(name: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{name}: q=1.5 is outside", t(3), 1.5),
        raises(RuntimeError, rf"{name}: q has the shape \(1, 1\)", t(3), t(1, 1, low=0.0, high=1.0)),
        raises(
            RuntimeError, rf"{name}: q is float64 but input float32", t(3), t(1, dtype="float64", low=0.0, high=1.0)
        ),
        raises(RuntimeError, rf"{name}: input is int64", t(3, dtype="int64"), 0.5),
        raises(RuntimeError, rf"{name}: input of shape \(0,\)", t(0), 0.5),
        raises(RuntimeError, rf"{name}: interpolation='cubic'", t(3), 0.5, interpolation="cubic"),
        raises(IndexError, rf"{name}: dim 2", t(2, 3), 0.5, dim=2),
    ]


@public(samples=_quantile_samples, errors=_quantile_errors("quantile"))
def quantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The q-quantiles of all elements, or along `dim`: of N ascending elements the one of rank q (N - 1), from 0.

    Between two ranks i and j the value is interpolated: "linear" i + (j - i) * fraction, "lower" i, "higher" j,
    "midpoint" (i + j) / 2, "nearest" the one closer (the even rank of two equally close). A row with NaN gives NaN.
    q: in [0, 1], a number or a tensor (Q,) of the dtype of `input`; then the result has Q in front.

    Shapes: `(*, N, *)` with dim to `(Q, *, *)`, or `(Q, *, 1, *)` with keepdim. float32 and float64. Gradients go to the
    elements of the two ranks, and to q. Raises RuntimeError for other dtypes, no elements, and q outside [0, 1].

    >>> import retrograd as rg
    >>> rg.quantile(rg.tensor([1.0, 2.0, 3.0]), rg.tensor([0.25, 0.5]))
    tensor([1.5000, 2.0000])
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, out, axis, keepdims)


@public(samples=_quantile_samples, errors=_quantile_errors("nanquantile"))
def nanquantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """As `quantile`, of the elements that are not NaN; NaN only where all of them are.

    >>> import retrograd as rg
    >>> rg.nanquantile(rg.tensor([1.0, float("nan"), 3.0]), 0.5)
    tensor(2.)
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, out, axis, keepdims)


# ---------------------------------------------------------------- mode
def _most_frequent(xp: Any, x: Any, axis: int) -> Any:
    """Where the most frequent element is along axis (kept): the last of the equals, the smallest of several."""
    if not x.ndim:
        return xp.zeros((), "int64")
    order = xp.argsort(x, axis=axis, kind="stable")
    v = xp.moveaxis(xp.take_along_axis(x, order, axis), axis, -1)
    n = v.shape[-1]
    place = xp.arange(n)
    starts = xp.zeros(v.shape, "int64")
    starts[..., 1:] = xp.where(v[..., 1:] != v[..., :-1], place[1:], 0)
    starts = _doubling(starts, v.ndim - 1, xp.maximum)  # where the run of each element began
    best = xp.argmax(place - starts, -1)[..., None]  # the first that ends a run of the greatest length
    return xp.take_along_axis(order, xp.moveaxis(best, -1, axis), axis)


@public(
    samples=lambda: [
        call(t(5, values=[1.0, 2.0, 2.0, 1.0, 3.0], grad=False)),
        call(t(5)),
        call(t(3, 4), 0, True),
        call(t(2, 3, dtype="int64", values=[[1, 2, 2], [3, 1, 3]]), dim=-2),
        call(t(2, 5, dtype="int64", values=[[3, 3, 2, 2, 1], [5, 4, 4, 4, 5]]), -1, keepdim=True),
        call(t()),
        call(t(0, 3)),
        call(t(3, dtype="bool", values=[True, False, True])),
    ],
    errors=lambda: [
        raises(IndexError, r"mode: dim 2", t(2, 3), 2),
        raises(IndexError, r"mode: dim 1 of shape \(2, 0\) has size 0", t(2, 0)),
        raises(RuntimeError, r"mode: complex", t(2, dtype="complex64", grad=False)),
    ],
)
@sample_by_sample
def mode(
    input: Tensor,
    dim: int = -1,
    keepdim: bool = False,
    *,
    out: Any = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> return_types.mode:
    """The most frequent element along `dim`, the smallest of several; returns the named tuple (values, indices).

    The index (int64) names its last occurrence, which gets the gradient. Shapes: `(*, N, *)` to `(*, *)`, or
    `(*, 1, *)` with keepdim. Raises IndexError where the dimension is empty or does not exist.

    >>> import retrograd as rg
    >>> rg.mode(rg.tensor([3, 1, 3, 2])).values
    tensor(3)
    """
    op = "mode"
    x = as_tensor_arg(input, op)
    check_real(x, op)
    keepdim = bool(pick(keepdim, keepdims, op, "keepdim", "keepdims"))
    d = one_dim(pick(dim, axis, op, default=-1), len(x._shape), op)
    if x._shape and x._shape[d] == 0:
        raise IndexError(f"{op}: dim {d} of shape {tuple(x._shape)} has size 0; a mode needs at least one element")
    idx = _most_frequent(xp_of(x._data), x._data, d)
    values = take_along_p(x, d, idx, True, not keepdim)
    where = idx if keepdim or not x._shape else idx.reshape(values._shape)
    return return_types.mode(*into_pair(out, (values, wrap(where)), op))
