"""Operations that move values between places: coalesce, conversions between layouts, to and from dense, selections."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import by_xp, xp_of
from ..core import as_tensor_arg, wrap
from ..dtypes import int64
from ..errors import ShapeError
from ..layouts import layout, sparse_coo, sparse_csc, sparse_csr, strided
from ..ops.args import one_dim
from ..ops.cast import cast_p, to_device
from ..ops.compare import ne
from ..ops.shape import getitem_backward_p, getitem_p, permute_p, reshape_p
from .data import SparseData, refuse
from .tensor import SparseTensor, coordinates, make, with_values

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "coalesce", "find", "first_of_each", "index_select", "keys", "narrow", "permute", "pick_rows", "select",
    "sparse_mask", "to_dense", "to_layout", "to_sparse", "unkeys", "unsqueeze",
]  # fmt: skip


def is_sparse(x: Any) -> bool:
    """Whether x is a sparse tensor."""
    return type(getattr(x, "_data", None)) is SparseData


def sparse_shape(x: Any) -> tuple[int, ...]:
    """The sizes of the sparse dimensions."""
    return x._shape[: x.sparse_dim()]


def pick_rows(indices: Any, which: Any) -> Any:
    """Some of the rows of indices; a list would be sent to the device at each call."""
    return xp_of(indices).stack([indices[i] for i in which]) if which else indices[:0]


def keys(indices: Any, shape: tuple[int, ...]) -> Any:
    """The number of each place, the last dimension counting fastest."""
    xp = xp_of(indices)
    k = xp.zeros(indices.shape[1], np.int64)
    for row, n in zip(indices, shape, strict=True):
        k = k * n + row
    return k


def unkeys(k: Any, shape: tuple[int, ...]) -> Any:
    """The places (sparse dimensions, nnz) of numbers; the inverse of `keys`."""
    xp = xp_of(k)
    found = []
    for n in shape[::-1]:
        found.append(k % n if n else k)
        k = k // n if n else k
    return xp.stack(found[::-1]) if found else xp.zeros((0, k.size), np.int64)


def add_up(values: Any, at: Any, n: int) -> Any:
    """(n, ...): the values added up at the rows `at`; of truth values, whether one of them is true."""
    if values._dtype.kind == "b":
        return ne(add_up(cast_p(values, int64), at, n), 0)
    return getitem_backward_p(values, (n, *values._shape[1:]), (at,))


def _distinct(k: Any) -> tuple[Any, Any]:
    """(the sorted distinct numbers, the position of each number among them)."""
    found, at = xp_of(k).unique(k, return_inverse=True)
    return found, at.reshape(-1)


def coalesce(x: Any) -> SparseTensor:
    """A COO tensor (others: themselves) with the values of equal places added up, in order of the places."""
    d = x._data
    if d.layout is not sparse_coo or d.coalesced:
        return x
    shape = sparse_shape(x)
    found, at = _distinct(keys(d.first._data, shape))
    return make(sparse_coo, wrap(unkeys(found, shape)), None, add_up(d.values, at, found.size), d.shape, True)


def first_of_each(x: Any) -> tuple[Any, Any]:
    """(position of the first value at each place, the places in order) of a COO tensor, as raw arrays."""
    shape = sparse_shape(x)
    k = keys(x._data.first._data, shape)
    xp = xp_of(k)
    found, at = xp.unique(k, return_index=True)
    return at, unkeys(found, shape)


# ---------------------------------------------------------------- layouts
def _ordered(x: Any, out: Any) -> SparseTensor:
    """A matrix in CSR or CSC from coalesced places."""
    d = x._data
    rows, cols = coordinates(x)
    values = d.values
    xp = xp_of(rows)
    n, m = d.shape
    long, plain, size = (rows, cols, n) if out is sparse_csr else (cols, rows, m)
    order = xp.argsort(long * max(n, m, 1) + plain)
    if not bool((order == xp.arange(order.size)).all()):
        long, plain, values = long[order], plain[order], getitem_p(values, (order,))
    start = xp.zeros(size + 1, np.int64)
    start[1:] = xp.cumsum(xp.bincount(long, minlength=size)[:size])
    return make(out, wrap(start), wrap(plain), values, d.shape, True)


def to_layout(x: Any, out: Any, op: str) -> Any:
    """A sparse tensor in another layout."""
    d = x._data
    if d.layout is out:
        return x
    if out is strided:
        return to_dense(x)
    if out is sparse_coo:
        # in the order of rows, which a CSC matrix does not have
        return make(sparse_coo, wrap(coordinates(x)), None, d.values, d.shape, d.layout is sparse_csr and d.coalesced)
    if out not in (sparse_csr, sparse_csc):
        raise NotImplementedError(f"{op}: layout {out} is not supported; use sparse_coo, sparse_csr or sparse_csc")
    if len(d.shape) != 2 or d.values._shape[1:]:
        raise ShapeError(f"{op}: {out} holds matrices of numbers, got shape {d.shape}; use a COO tensor")
    return _ordered(coalesce(x), out)


def to_dense(x: Any) -> Tensor:
    """Zeros, and the values added up at their places."""
    d = x._data
    shape = sparse_shape(x)
    return reshape_p(add_up(d.values, keys(coordinates(x), shape), math.prod(shape)), d.shape)


def to_sparse(x: Any, sparse_dim: int | None, op: str) -> SparseTensor:
    """The elements of a dense tensor that are not zero, in a COO tensor with so many sparse dimensions (None: all)."""
    n = len(x._shape)
    if sparse_dim is None:
        sparse_dim = n
    if not 0 <= sparse_dim <= n or n and not sparse_dim:
        raise ShapeError(f"{op}: sparse_dim must be between 1 and the {n} dimensions of the tensor, got {sparse_dim}")
    a = x._data
    xp = xp_of(a)
    shape, dense = x._shape[:sparse_dim], x._shape[sparse_dim:]
    rows = a.reshape(math.prod(shape), -1) if a.size else a.reshape(math.prod(shape), math.prod(dense))
    (at,) = xp.nonzero((rows != 0).any(axis=1))
    at = at.astype(np.int64)
    values = getitem_p(reshape_p(x, (math.prod(shape), *dense)), (at,))
    return make(sparse_coo, wrap(unkeys(at, shape)), None, values, x._shape, True)


def find(x: Any, want: Any) -> tuple[Any, Any]:
    """(position of the value at each of the numbered places, whether there is one) of a coalesced tensor."""
    have = keys(coordinates(x), sparse_shape(x))
    xp = xp_of(have)
    order = None
    if x._data.layout is sparse_csc or not x._data.coalesced:
        order = xp.argsort(have)
        have = have[order]
    if not have.size:
        return xp.zeros(want.shape, np.int64), xp.zeros(want.shape, bool)
    at = xp.minimum(xp.searchsorted(have, want), have.size - 1)
    there = have[at] == want
    return (at if order is None else order[at]), there


def sparse_mask(x: Any, mask: Any) -> SparseTensor:
    """The elements of x (dense or sparse) at the places of mask."""
    if not is_sparse(mask):
        refuse("sparse_mask", "mask must be a sparse tensor")
    if x._shape != mask._shape:
        raise ShapeError(
            f"sparse_mask: operands have incompatible sizes, {tuple(x._shape)} and mask {tuple(mask._shape)}; they "
            "must be equal"
        )
    shape = sparse_shape(mask)
    want = keys(coordinates(mask), shape)
    if not is_sparse(x):
        return with_values(mask, getitem_p(reshape_p(x, (math.prod(shape), *x._shape[len(shape) :])), (want,)))
    if x.sparse_dim() != len(shape):
        raise ShapeError(
            f"sparse_mask: {x.sparse_dim()} sparse dimensions but {len(shape)} in mask; they must be equal"
        )
    x = coalesce(x)
    xp = xp_of(want)
    at, there = find(x, want)
    (some,) = xp.nonzero(there)
    return with_values(mask, add_up(getitem_p(x._data.values, (at[some],)), some, want.size))


# ---------------------------------------------------------------- dimensions
def permute(x: Any, axes: tuple[int, ...]) -> SparseTensor:
    """The dimensions in another order; sparse ones stay in front of dense ones."""
    d = x._data
    if axes == tuple(range(len(axes))):
        return x
    if d.layout is not sparse_coo:
        r = make(
            sparse_csc if d.layout is sparse_csr else sparse_csr,
            d.first,
            d.second,
            d.values,
            d.shape[::-1],
            d.coalesced,
        )
        r._data.pattern = None if d.pattern is None else d.pattern.T
        return r
    k = x.sparse_dim()
    if sorted(axes[:k]) != list(range(k)):
        raise ShapeError(
            f"permute: dimensions {axes} would mix the {k} sparse dimensions with the dense ones; keep the sparse ones in "
            "front, or use to_dense()"
        )
    values = d.values
    if axes[k:] != tuple(range(k, len(axes))):
        values = permute_p(values, (0, *(a - k + 1 for a in axes[k:])))
    indices = pick_rows(d.first._data, axes[:k])
    shape = tuple(d.shape[a] for a in axes)
    r = make(sparse_coo, wrap(indices), None, values, shape, d.coalesced and axes[:k] == tuple(range(k)))
    if d.pattern is not None and k == 2:
        r._data.pattern = d.pattern.T
    return r


def select(x: Any, dim: int, k: int) -> Any:
    """x[..., k, ...] of a sparse dimension: a sparse tensor with one dimension less."""
    x = coalesce(x) if x._data.layout is sparse_coo else to_layout(x, sparse_coo, "select")
    d = x._data
    indices = d.first._data
    xp = xp_of(indices)
    (at,) = xp.nonzero(indices[dim] == k)
    values = getitem_p(d.values, (at,))
    shape = d.shape[:dim] + d.shape[dim + 1 :]
    if indices.shape[0] == 1:  # no sparse dimension is left
        return reshape_p(add_up(values, xp.zeros(at.size, np.int64), 1), shape)
    rest = [i for i in range(indices.shape[0]) if i != dim]
    return make(sparse_coo, wrap(pick_rows(indices, rest)[:, at]), None, values, shape, d.coalesced)


def narrow(x: Any, dim: int, start: int, stop: int) -> SparseTensor:
    """The slices start to stop of a sparse dimension."""
    home = x._data.layout
    x = to_layout(x, sparse_coo, "narrow")
    d = x._data
    indices = d.first._data
    xp = xp_of(indices)
    (at,) = xp.nonzero((indices[dim] >= start) & (indices[dim] < stop))
    inside = indices[:, at]
    inside[dim] -= start
    shape = (*d.shape[:dim], max(stop - start, 0), *d.shape[dim + 1 :])
    return to_layout(
        make(sparse_coo, wrap(inside), None, getitem_p(d.values, (at,)), shape, d.coalesced), home, "narrow"
    )


def index_select(x: Any, dim: int, index: Any) -> SparseTensor:
    """The slices of a sparse dimension that index names; a slice may be named several times."""
    if x._data.layout is not sparse_coo:
        refuse("index_select", "takes sparse COO tensors")
    dim = one_dim(dim, len(x._shape), "index_select")
    want = as_tensor_arg(index, "index_select")._data
    xp = xp_of(want)
    if want.ndim != 1 or want.dtype.kind not in "iu":
        raise ShapeError(f"index_select: index must be a vector of integers, got {want.dtype} of shape {want.shape}")
    n = x._shape[dim]
    if want.size and (int(want.min()) < 0 or int(want.max()) >= n):
        raise IndexError(f"index_select: the index is out of range for dimension {dim} with size {n}")
    d = x._data
    shape = (*d.shape[:dim], want.size, *d.shape[dim + 1 :])
    k = x.sparse_dim()
    if dim >= k:
        values = getitem_p(d.values, (*(slice(None),) * (dim - k + 1), want))
        return make(sparse_coo, d.first, None, values, shape, d.coalesced)
    indices = d.first._data
    order = xp.argsort(indices[dim], kind="stable") if xp is np else xp.argsort(indices[dim])
    line = indices[dim][order]
    low, high = xp.searchsorted(line, want), xp.searchsorted(line, want, side="right")
    many = high - low
    new = xp.repeat(xp.arange(want.size), many if xp is np else many.tolist())
    before = xp.cumsum(many) - many
    at = order[low[new] + xp.arange(new.size) - before[new]]
    out = indices[:, at]
    out[dim] = new
    return coalesce(make(sparse_coo, wrap(out), None, getitem_p(d.values, (at,)), shape, False))


def unsqueeze(x: Any, dim: int) -> SparseTensor:
    """A COO tensor with one dimension of size 1 more."""
    d = x._data
    if d.layout is not sparse_coo:
        refuse("unsqueeze", "takes sparse COO tensors")
    n, k = len(d.shape), x.sparse_dim()
    dim = one_dim(dim, n + 1, "unsqueeze")
    shape = (*d.shape[:dim], 1, *d.shape[dim:])
    if dim > k:
        v = d.values
        values = reshape_p(v, (*v._shape[: dim - k + 1], 1, *v._shape[dim - k + 1 :]))
        return make(sparse_coo, d.first, None, values, shape, d.coalesced)
    indices = d.first._data
    xp = xp_of(indices)
    row = xp.zeros((1, indices.shape[1]), np.int64)
    return make(
        sparse_coo, wrap(xp.concatenate([indices[:dim], row, indices[dim:]])), None, d.values, shape, d.coalesced
    )


# ---------------------------------------------------------------- methods of Tensor
def as_layout(given: Any, op: str) -> Any:
    """The layout that an argument names."""
    if not isinstance(given, layout):
        raise TypeError(f"{op}: layout must be a retrograd.layout such as retrograd.sparse_csr, got {given!r}")
    return given


def convert(x: Any, out: Any, dense_dim: int | None, op: str) -> Any:
    """A dense or sparse tensor in a layout."""
    if is_sparse(x):
        return to_layout(x, out, op)
    if out is strided:
        return x
    n = len(x._shape)
    if out is sparse_coo:
        return to_sparse(x, None if dense_dim is None else n - dense_dim, op)
    if out not in (sparse_csr, sparse_csc):
        raise NotImplementedError(f"{op}: layout {out} is not supported; use sparse_coo, sparse_csr or sparse_csc")
    if n != 2 or dense_dim:
        raise ShapeError(
            f"{op}: a matrix is expected for {out}, got shape {tuple(x._shape)} with {dense_dim or 0} dense dimension(s); "
            "use a COO tensor"
        )
    return _ordered(to_sparse(x, None, op), out)


def moved(x: Any, home: Any) -> Any:
    """Indices on the device of the values, as int64."""
    x = to_device(x, home)
    a = x._data
    return x if a.dtype == np.int64 else wrap(a.astype(np.int64))


def scatter_raw(target: Any, at: Any, values: Any) -> None:
    """target[at] += values on raw arrays."""
    by_xp(xp_of(target)).scatter_add(target, (at,), values)
