"""Indexing, searching, sets and sorting, as the standard has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..backend import of
from ..core import TensorBase, wrap
from ..errors import DtypeError, ShapeError
from ..ops import extremes, reduce, view
from ..ops import gather as _gather
from ..ops import search as _search
from ..ops import sets as _sets
from ..ops import sort as _sort
from ..ops import where as _where
from .types import array, axes_of, cast, common, number, result_type

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "argmax", "argmin", "argsort", "count_nonzero", "isin", "nonzero", "searchsorted", "sort", "take", "take_along_axis",
    "unique_all", "unique_counts", "unique_inverse", "unique_values",
]  # fmt: skip


# ---------------------------------------------------------------- indexing
def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """The elements at indices (an array of integers) along an axis, which only a 1-d array may leave out.

    PyTorch's `take` reads the flattened tensor instead.

    >>> from retrograd import xp
    >>> xp.take(xp.asarray([[1, 2], [3, 4]]), xp.asarray([1]), axis=1)
    tensor([[2],
            [4]])
    """
    x, i = array(x, "take"), array(indices, "take")
    if axis is None:
        if len(x._shape) != 1:
            raise ValueError(f"take: axis must be given for an array with {len(x._shape)} dimensions")
        axis = 0
    (d,) = axes_of(axis, len(x._shape))
    if i._dtype.kind not in "iu":
        raise DtypeError(f"take: indices are {i._dtype.name}; integers are expected")
    at = view.reshape(i, (-1,)).long()
    if _negative(i):
        at = _where.where(at < 0, at + x._shape[d], at)
    flat = _gather.index_select(x, d, at)
    return view.reshape(flat, x._shape[:d] + i._shape + x._shape[d + 1 :])


def _negative(i: Any) -> bool:
    return i._dtype.kind == "i" and i._data.size > 0 and bool((i._data < 0).any())


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """For each place along the other axes the elements at its own indices, as `argsort` gives them.

    The other axes are broadcast against one another.
    """
    x, i = array(x, "take_along_axis"), array(indices, "take_along_axis")
    if len(x._shape) != len(i._shape):
        raise ShapeError(f"take_along_axis: {len(x._shape)} and {len(i._shape)} dimensions; equally many are expected")
    (d,) = axes_of(axis, len(x._shape))
    if _negative(i):
        i = _where.where(i < 0, i + x._shape[d], i)
    return _gather.take_along_dim(x, i.long(), d)


# ---------------------------------------------------------------- searching
def _extreme(f: Any, x: Any, axis: Any, keepdims: bool, op: str) -> Any:
    x = array(x, op)
    if axis is None:
        r = f(view.reshape(x, (-1,)), 0)
        return view.reshape(r, (1,) * len(x._shape)) if keepdims else r
    (d,) = axes_of(axis, len(x._shape))
    return f(x, d, keepdims)


def argmax(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first maximum along an axis (None: in the flattened array)."""
    return _extreme(extremes.argmax, x, axis, keepdims, "argmax")


def argmin(x: Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the first minimum along an axis (None: in the flattened array)."""
    return _extreme(extremes.argmin, x, axis, keepdims, "argmin")


def count_nonzero(x: Tensor, /, *, axis: Any = None, keepdims: bool = False) -> Tensor:
    """How many elements are not zero, over some axes (None: all)."""
    x = array(x, "count_nonzero")
    dims = axes_of(axis, len(x._shape))
    truth = x != 0
    return reduce.sum(truth, dim=dims, keepdim=keepdims) if dims else truth.long()


def nonzero(x: Tensor, /) -> tuple[Tensor, ...]:
    """The places of the elements that are not zero: an array of indices for each axis."""
    x = array(x, "nonzero")
    if not x._shape:
        raise ShapeError("nonzero: an array with 0 dimensions has no indices; use x.reshape((1,))")
    found = _where.nonzero(x)
    return tuple(found[:, i] for i in range(len(x._shape)))


def searchsorted(x1: Tensor, x2: Any, /, *, side: str = "left", sorter: Tensor | None = None) -> Tensor:
    """Where in the sorted 1-d array x1 the elements of x2 would go; "left" before those that are equal, "right" after.

    sorter: the indices that sort x1.
    """
    x1 = array(x1, "searchsorted")
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', got {side!r}")
    if len(x1._shape) != 1:
        raise ShapeError(f"searchsorted: x1 must have 1 dimension, got shape {tuple(x1._shape)}")
    d = result_type(x1, x2)
    x2 = cast(x2, d) if isinstance(x2, TensorBase) else number(x2, d, x1)
    order = None if sorter is None else array(sorter, "searchsorted").long()
    return _search.searchsorted(cast(x1, d), x2, side=side, sorter=order)


# ---------------------------------------------------------------- sorting
def _order(x: Any, axis: int, descending: bool, op: str) -> tuple[Any, int, Any]:
    x = array(x, op)
    if x._dtype.kind == "c":
        raise DtypeError(f"{op}: complex numbers have no order")
    if not x._shape:
        raise IndexError(f"{op}: an array with 0 dimensions has no axis {axis}")
    (d,) = axes_of(axis, len(x._shape))
    return x, d, _sort.sort(x, stable=True, dim=d, descending=descending)


def argsort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The indices that sort the array along an axis; always stable."""
    return _order(x, axis, descending, "argsort")[2].indices


def sort(x: Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The array sorted along an axis; always stable. (PyTorch's `sort` returns the indices as well.)

    >>> from retrograd import xp
    >>> xp.sort(xp.asarray([3, 1, 2]), descending=True)
    tensor([3, 2, 1])
    """
    return _order(x, axis, descending, "sort")[2].values


# ---------------------------------------------------------------- sets
def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Tensor:
    """For every element of x1 whether it is (invert: is not) among the elements of x2; both integers, one may be a number.

    >>> from retrograd import xp
    >>> xp.isin(xp.asarray([1, 2, 3]), xp.asarray([3, 1]))
    tensor([ True, False,  True])
    """
    a, b = common("isin", x1, x2)
    if a._dtype.kind not in "iu":
        raise DtypeError(f"isin: the arrays are {a._dtype.name}; integers are expected")
    return _sets.isin(a, b, invert=invert)


class UniqueAll(NamedTuple):
    """Results of `unique_all`."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """Results of `unique_counts`."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """Results of `unique_inverse`."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Tensor, /) -> UniqueAll:
    """The different elements in ascending order, the first place of each in the flattened array, for every element the
    place of its value among these, and how often each occurs.

    Every NaN is a value of its own. The values carry gradients to the elements they were read from.

    >>> from retrograd import xp
    >>> xp.unique_all(xp.asarray([3, 1, 3])).counts
    tensor([1, 2])
    """
    x = array(x, "unique_all")
    xp = of(x._data).xp
    flat = x._data.reshape(-1)
    n = flat.size
    order = xp.argsort(flat, kind="stable")
    ordered = flat[order]
    first = xp.ones(n, dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]  # NaN differs from itself
    starts = xp.flatnonzero(first)
    inverse = xp.empty(n, dtype="int64")
    inverse[order] = xp.cumsum(first) - 1
    ends = xp.append(starts[1:], n) if n else starts
    indices = order[starts].astype("int64")
    values = _gather.index_select(view.reshape(x, (-1,)), 0, wrap(indices))
    return UniqueAll(values, wrap(indices), wrap(inverse.reshape(x._shape)), wrap((ends - starts).astype("int64")))


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """The different elements in ascending order, and how often each occurs; see `unique_all`."""
    r = unique_all(x)
    return UniqueCounts(r.values, r.counts)


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """The different elements in ascending order, and for every element its place among them; see `unique_all`."""
    r = unique_all(x)
    return UniqueInverse(r.values, r.inverse_indices)


def unique_values(x: Tensor, /) -> Tensor:
    """The different elements in ascending order; every NaN is one of its own."""
    return unique_all(x).values
