"""Counting: bincount, histc, histogram, histogramdd.

Counts have no gradient. Elements outside the edges, and NaN, are in no bin; the last bin includes its right edge.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import by_xp, xp_of
from ..backend import of as backend_of
from ..core import TensorBase, as_tensor_arg, wrap
from ..dtypes import float32, float64
from ..errors import DtypeError, ShapeError
from ..op import public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from . import return_types
from .args import as_int, into, into_pair, same_library
from .ranges import linspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

__all__ = ["bincount", "histc", "histogram", "histogramdd"]


# ---------------------------------------------------------------- bincount
def _counted(xp: Any, at: Any, weights: Any, n: int) -> Any:
    """How often each of 0 to n - 1 occurs in `at`, int64, or the sums of the weights there, float64; n is left away.

    So what is in no bin is counted as n: selecting the rest would make the host wait for a GPU.
    """
    if xp is not np:
        sums = xp.zeros(n + 1, xp.int64 if weights is None else xp.float64)
        by_xp(xp).scatter_add(sums, at, 1 if weights is None else weights.astype(xp.float64))
    elif weights is None:
        sums = np.bincount(at, minlength=n + 1)
    else:
        sums = np.bincount(at, weights.astype(np.float64), n + 1)
    return sums[:n]


_PLACES = [1, 0, 3, 1, 1]


@public(
    samples=lambda: [
        call(t(5, dtype="int64", values=_PLACES)),
        call(t(5, dtype="int32", values=_PLACES), minlength=6),
        call(t(5, dtype="uint8", values=_PLACES), t(5, grad=False), 2),
        call(t(5, dtype="int64", values=_PLACES), weights=t(5, dtype="int64", low=-3, high=4)),
        call(t(5, dtype="int64", values=_PLACES), t(5, dtype="float64", grad=False)),
        call(t(0, dtype="int64"), minlength=3),
        call(t(0, dtype="int64"), t(0, grad=False)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"bincount: input has the shape \(2, 2\); .*1-d", t(2, 2, dtype="int64", low=0, high=3)),
        raises(RuntimeError, r"bincount: input holds -1", t(2, dtype="int64", values=[-1, 2])),
        raises(RuntimeError, r"bincount: input is float(32|64)", t(2, grad=False)),
        raises(RuntimeError, r"bincount: weights .* \(3,\).* \(2,\)", t(2, dtype="int64", low=0, high=3), t(3, grad=False)),
        raises(RuntimeError, r"bincount: minlength is -1", t(2, dtype="int64", low=0, high=3), minlength=-1),
    ],
    differentiable=False,
)  # fmt: skip
@sample_by_sample
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, ... occurs, or the sum of the weights at each.

    input: non-negative integers (N,). weights: (N,). The result has max(input) + 1 elements, at least `minlength`:
    int64 counts, or sums of weights in float32 where those are float32, else in float64. Raises RuntimeError for negative
    numbers, other shapes and dtypes that are not integers. A GPU is waited for, because the size depends on the values.

    >>> import retrograd as rg
    >>> rg.bincount(rg.tensor([0, 2, 2]), rg.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 5.])
    """
    op = "bincount"
    x = as_tensor_arg(input, op)
    if x._dtype.kind not in "iu":
        raise DtypeError(f"{op}: input is {x._dtype.name}; integers are expected, as in x.long()")
    if len(x._shape) != 1:
        raise ShapeError(f"{op}: input has the shape {tuple(x._shape)}; a 1-d tensor is expected, as in x.flatten()")
    n = as_int(minlength, op, "minlength")
    if n < 0:
        raise ShapeError(f"{op}: minlength is {n}; it must be >= 0")
    xp = xp_of(x._data)
    a = x._data.astype(xp.int64)
    if a.size:
        if int(a.min()) < 0:
            raise ShapeError(f"{op}: input holds {int(a.min())}; the numbers to be counted must be >= 0")
        n = max(n, int(a.max()) + 1)
    if weights is None:
        return wrap(_counted(xp, a, None, n))
    w = as_tensor_arg(weights, op)
    if w._shape != x._shape:
        raise ShapeError(
            f"{op}: weights have the shape {tuple(w._shape)}; that of input is expected, {tuple(x._shape)}"
        )
    if not a.size:  # as in PyTorch
        return wrap(xp.zeros(n, "int64"))
    b = same_library(w._data, xp, op, "weights")
    b = b.real if w._dtype.kind == "c" else b
    sums = _counted(xp, a, b, n)
    return wrap(sums.astype(xp.float32 if w._dtype is float32 else xp.float64))


# ---------------------------------------------------------------- edges
def _bounds(low: float, high: float, op: str) -> tuple[float, float]:
    """The outermost edges: the extremes of the data where both are the same, and one of width 1 where those are."""
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ShapeError(f"{op}: the range [{low:g}, {high:g}] is not finite; give a finite one")
    return (low - 0.5, high + 0.5) if low == high else (low, high)


def _data_range(a: Any) -> tuple[float, float]:
    return (float(a.min()), float(a.max())) if a.size else (0.0, 1.0)


def _edges(low: float, high: float, n: int, like: Any) -> Any:
    """n + 1 edges at equal distances, on the device of the array `like` and in its dtype."""
    home = backend_of(like)
    return home.from_numpy(linspace(low, high, n + 1, dtype=float64, device="cpu")._data, None).astype(like.dtype)


def _count(op: str, bins: Any) -> int:
    n = as_int(bins, op, "bins")
    if n <= 0:
        raise ShapeError(f"{op}: {n} bins are not possible; give at least 1")
    return n


@public(
    samples=lambda: [
        call(t(9, grad=False)),
        call(t(3, 4, grad=False), 5),
        call(t(3, 4, grad=False), bins=4, min=-1, max=1),
        call(t(5, values=[1.0, 1.0, 1.0, 1.0, 1.0], grad=False), 4),
        call(t(4, values=[0.0, 1.0, float("nan"), 5.0], grad=False), 4, 0, 3),
        call(t(grad=False), 3),
        call(t(0, grad=False), 3),
    ],
    errors=lambda: [
        raises(RuntimeError, r"histc: 0 bins", t(3, grad=False), 0),
        raises(RuntimeError, r"histc: min=3 is larger than max=1", t(3, grad=False), 4, 3, 1),
        raises(RuntimeError, r"histc: the range \[nan, nan\] is not finite", t(2, values=[1.0, float("nan")], grad=False)),
        raises(RuntimeError, r"histc: input is int64", t(3, dtype="int64")),
        raises(TypeError, r"histc: bins must be an int", t(3, grad=False), 4.0),
    ],
    differentiable=False,
)  # fmt: skip
@sample_by_sample
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out: Tensor | None = None) -> Tensor:
    """How many elements fall into each of `bins` bins of equal width between min and max, in the dtype of `input`.

    min = max means the extremes of the data. Any shape, floating-point; the result is (bins,). Raises RuntimeError for
    integers, for min > max, and where the range is not finite.

    >>> import retrograd as rg
    >>> rg.histc(rg.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    op = "histc"
    x = as_tensor_arg(input, op)
    if x._dtype.kind != "f":
        raise DtypeError(f"{op}: input is {x._dtype.name}; a floating-point dtype is expected, as in x.float()")
    n = _count(op, bins)
    low, high = float(min), float(max)
    if low > high:
        raise ShapeError(f"{op}: min={low:g} is larger than max={high:g}")
    xp = xp_of(x._data)
    a = x._data.reshape(-1)
    a = a if x._dtype.fast else a.astype(xp.float32)
    if low == high and a.size:
        low, high = _data_range(a)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ShapeError(f"{op}: the range [{low:g}, {high:g}] is not finite; give a finite one, as in min=0, max=1")
    if low == high:
        low, high = low - 1.0, high + 1.0
    left, right = a.dtype.type(low), a.dtype.type(high)
    inside = (a >= left) & (a <= right)
    at = xp.minimum(((xp.where(inside, a, left) - left) * n / (right - left)).astype(xp.int64), n - 1)
    at = xp.where(inside, at, n)
    counts = _counted(xp, at, None, n).astype(x._dtype.np)
    return into(out, wrap(counts), op)


# ---------------------------------------------------------------- histogram
def _in_edges(xp: Any, a: Any, edges: Any) -> tuple[Any, Any]:
    """The bin of each element, and whether it is in one."""
    n = edges.shape[0] - 1
    inside = (a >= edges[0]) & (a <= edges[n])
    at = xp.searchsorted(edges, xp.where(inside, a, edges[0]), side="right") - 1
    return xp.clip(at, 0, n - 1), inside


def _histogram(xp: Any, a: Any, edges: list[Any], weights: Any, density: bool) -> Any:
    """The histogram of the rows of a (N, D) between the edges of each dimension."""
    flat: Any = xp.zeros(a.shape[0], xp.int64)
    inside: Any = xp.ones(a.shape[0], bool)
    sizes = tuple(e.shape[0] - 1 for e in edges)
    for k, e in enumerate(edges):
        at, ok = _in_edges(xp, a[:, k], e)
        flat = flat * sizes[k] + at
        inside = inside & ok
    total = math.prod(sizes)
    hist = _counted(xp, xp.where(inside, flat, total), weights, total).astype(a.dtype).reshape(sizes)
    if density:
        hist = hist / hist.sum()
        for k, e in enumerate(edges):
            hist = hist / (e[1:] - e[:-1]).reshape((1,) * k + (-1,) + (1,) * (len(edges) - 1 - k))
    return hist


def _checked(op: str, input: Any, weight: Any) -> tuple[Any, Any]:
    x = as_tensor_arg(input, op)
    if not x._dtype.fast:
        raise DtypeError(f"{op}: input is {x._dtype.name}; float32 or float64 is expected, as in x.float()")
    if weight is None:
        return x, None
    w = as_tensor_arg(weight, op)
    if w._dtype is not x._dtype:
        raise DtypeError(f"{op}: weight is {w._dtype.name} but input {x._dtype.name}; the same dtype is expected")
    return x, w


def _own_edges(op: str, given: Any, x: Any) -> Any:
    e = as_tensor_arg(given, op)
    if len(e._shape) != 1:
        raise ShapeError(f"{op}: the edges in bins have the shape {tuple(e._shape)}; 1-d tensors are expected")
    if e._dtype is not x._dtype:
        raise DtypeError(
            f"{op}: the edges in bins are {e._dtype.name} but input {x._dtype.name}; the same dtype is expected"
        )
    if e._shape[0] < 2:
        raise ShapeError(f"{op}: {e._shape[0]} edges make no bin; give at least 2")
    return same_library(e._data, xp_of(x._data), op, "bins")


def _made_edges(op: str, a: Any, counts: list[int], given: Any) -> list[Any]:
    d = len(counts)
    if given is not None:
        given = [float(v) for v in given]
        if len(given) != 2 * d:
            raise ShapeError(f"{op}: range has {len(given)} numbers; {2 * d} are expected, lowest and highest of each")
    edges = []
    for k, n in enumerate(counts):
        low, high = _data_range(a[:, k]) if given is None else (given[2 * k], given[2 * k + 1])
        if low > high:
            raise ShapeError(f"{op}: the range of dimension {k} is empty: min={low:g} exceeds max={high:g}")
        edges.append(_edges(*_bounds(low, high, op), n, a))
    return edges


@public(
    samples=lambda: [
        call(t(9, grad=False), 4),
        call(t(3, 4, grad=False), bins=3, range=(-1.0, 1.5)),
        call(t(3, 4, grad=False), 3, weight=t(3, 4, grad=False), density=True),
        call(t(5, grad=False), t(4, values=[-1.5, 0.0, 0.5, 2.0], grad=False), density=True),
        call(t(5, grad=False), t(4, values=[-1.5, 0.0, 0.5, 2.0], grad=False), weight=t(5, grad=False)),
        call(t(4, values=[2.0, 2.0, 2.0, 2.0], grad=False), 3),
        call(t(0, grad=False), 3),
        call(t(grad=False), 3),
    ],
    errors=lambda: [
        raises(RuntimeError, r"histogram: 0 bins", t(3, grad=False), 0),
        raises(RuntimeError, r"histogram: the range of dimension 0 is empty", t(3, grad=False), 2, range=(3.0, 1.0)),
        raises(RuntimeError, r"histogram: range has 1 numbers; 2", t(3, grad=False), 2, range=(3.0,)),
        raises(RuntimeError, r"histogram: the edges .* \(2, 2\)", t(3, grad=False), t(2, 2, grad=False)),
        raises(RuntimeError, r"histogram: weight .*\(2,\)", t(3, grad=False), 2, weight=t(2, grad=False)),
        raises(RuntimeError, r"histogram: input is int64", t(3, dtype="int64"), 2),
    ],
    differentiable=False,
)
@sample_by_sample
def histogram(
    input: Tensor,
    bins: int | Tensor = 100,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
    out: Any = None,
) -> return_types.histogram:
    """The histogram of all elements; returns the named tuple (hist, bin_edges).

    bins: a number of bins of equal width, over `range` (lowest, highest; the data's extremes by default), or the edges
    themselves, ascending (B + 1,). weight: of each element, in the shape and dtype of `input`. density: divide by the
    total and by the widths, so that the integral is 1. hist is (B,), bin_edges (B + 1,), both in the dtype of `input`,
    float32 or float64. Raises RuntimeError for other dtypes, and for a range that is empty or not finite.

    >>> import retrograd as rg
    >>> rg.histogram(rg.tensor([1.0, 2.0, 1.0]), bins=2, range=(0.0, 3.0))
    histogram(hist=tensor([2., 1.]), bin_edges=tensor([0.0000, 1.5000, 3.0000]))
    """
    op = "histogram"
    x, w = _checked(op, input, weight)
    if w is not None and w._shape != x._shape:
        raise ShapeError(f"{op}: weight has the shape {tuple(w._shape)}; that of input, {tuple(x._shape)}, is expected")
    xp = xp_of(x._data)
    a = x._data.reshape(-1, 1)
    if isinstance(bins, TensorBase):
        if range is not None:
            raise TypeError(f"{op}: range and edges are both given; the edges in bins say the range")
        edges = _own_edges(op, bins, x)
    else:
        (edges,) = _made_edges(op, a, [_count(op, bins)], range)
    b = None if w is None else same_library(w._data, xp, op, "weight").reshape(-1)
    pair = wrap(_histogram(xp, a, [edges], b, bool(density))), wrap(edges)
    return return_types.histogram(*into_pair(out, pair, op))


@public(
    method=False,
    samples=lambda: [
        call(t(6, 2, grad=False), [2, 3]),
        call(t(6, 2, grad=False), 2),
        call(t(2, 3, 2, grad=False), [2, 2], range=[-1.0, 1.0, -2.0, 2.0], density=True),
        call(t(6, 2, grad=False), bins=(2, 3), weight=t(6, grad=False), density=True),
        call(t(6, 2, grad=False), [t(3, values=[-1.0, 0.0, 2.0], grad=False), t(2, values=[-2.0, 1.0], grad=False)]),
        call(t(0, 2, grad=False), [2, 2]),
    ],
    errors=lambda: [
        raises(RuntimeError, r"histogramdd: input has the shape \(3,\)", t(3, grad=False), [2]),
        raises(RuntimeError, r"histogramdd: bins has 1 entries .* 2 dimensions", t(3, 2, grad=False), [2]),
        raises(RuntimeError, r"histogramdd: range has 2 numbers; 4", t(3, 2, grad=False), [2, 2], range=[0.0, 1.0]),
        raises(RuntimeError, r"histogramdd: weight .*\(2,\)", t(3, 2, grad=False), [2, 2], weight=t(2, grad=False)),
    ],
    differentiable=False,
)
@sample_by_sample
def histogramdd(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> return_types.histogramdd:
    """The histogram of points with D coordinates; returns the named tuple (hist, bin_edges), one tensor of edges each.

    input: `(*, D)`, float32 or float64. bins: a number of bins for every dimension, or a sequence of D numbers or of D
    tensors of edges. range: lowest and highest of each dimension in turn, 2 D numbers. weight: `(*)`. density: divide
    by the total and by the volumes. hist has one dimension of size B_k for each coordinate.

    >>> import retrograd as rg
    >>> rg.histogramdd(rg.tensor([[0.0, 0.0], [1.0, 2.0], [1.0, 1.5]]), bins=[2, 2]).hist
    tensor([[1., 0.],
            [0., 2.]])
    """
    op = "histogramdd"
    x, w = _checked(op, input, weight)
    if len(x._shape) < 2:
        raise ShapeError(f"{op}: input has the shape {tuple(x._shape)}; (*, D) with 2 dimensions or more is expected")
    d = x._shape[-1]
    if w is not None and w._shape != x._shape[:-1]:
        raise ShapeError(f"{op}: weight has the shape {tuple(w._shape)}; {tuple(x._shape[:-1])} is expected")
    many = [bins] * d if isinstance(bins, int) else list(bins)
    if len(many) != d:
        raise ShapeError(f"{op}: bins has {len(many)} entries for points with {d} dimensions; give one for each")
    xp = xp_of(x._data)
    a = x._data.reshape(math.prod(x._shape[:-1]), d)
    if any(isinstance(b, TensorBase) for b in many):
        edges = [_own_edges(op, b, x) for b in many]
    else:
        edges = _made_edges(op, a, [_count(op, b) for b in many], range)
    b = None if w is None else same_library(w._data, xp, op, "weight").reshape(-1)
    hist = _histogram(xp, a, edges, b, bool(density))
    return return_types.histogramdd(wrap(hist), tuple(wrap(e) for e in edges))
