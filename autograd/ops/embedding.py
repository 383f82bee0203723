"""Rows of a table by integer ids: `embedding` and `embedding_bag`.

The ids are parameters, not operands. Reading rows and adding rows up are each other's adjoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import accelerated, by_xp, of, xp_of
from ..core import Leaf, TensorBase, as_tensor_arg, wrap
from ..errors import DtypeError, RangeError, ShapeError
from ..layouts import sparse_coo
from ..op import param, public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from ..views import mark_written
from .args import as_int, same_library
from .shape import getitem_p, reshape_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["embedding", "embedding_bag"]


# ---------------------------------------------------------------- primitives
@accelerated("take_rows")
def _take(xp: Any, w: Any, ids: Any, scale: Any) -> Any:
    rows = xp.take(w, ids, axis=0)
    return rows if scale is None else rows * scale.astype(w.dtype)[..., None]


@accelerated("put_rows")
def _put(xp: Any, g: Any, ids: Any, n: int, scale: Any) -> Any:
    out = xp.zeros((n, g.shape[-1]), g.dtype)
    if scale is not None:
        g = g * scale.astype(g.dtype)[..., None]
    if ids.size:
        by_xp(xp).scatter_add(out, ids.reshape(-1), g.reshape(-1, g.shape[-1]))
    return out


take_rows_p: Any = param(
    "take_rows",
    _take,
    lambda g, w, o, ids, scale: put_rows_p(g, ids, w[0], scale),
    dtypes="same",
    jvp="linear",
    doc="The rows `ids` of a table (n, d), times scale (a number for each id) or None.",
)
put_rows_p: Any = param(
    "put_rows",
    _put,
    lambda g, x, o, ids, n, scale: take_rows_p(g, ids, scale),
    dtypes="same",
    jvp="linear",
    doc="The table (n, d) of the sums of rows times scale: the adjoint of take_rows_p.",
)
embedding_p: Any = param(
    "embedding",
    accelerated("embedding_rows")(lambda xp, w, ids, scale: xp.take(w, ids, axis=0)),
    lambda g, w, o, ids, scale: put_rows_p(g, ids, w[0], scale),
    dtypes="same",
    jvp=lambda ts, xs, o, ids, scale: take_rows_p(ts[0], ids, scale),
    doc="The rows `ids` of a table (n, d); scale is applied to the gradient only.",
)


def _sparse_table(g: Any, table: tuple[int, ...], ids: Any, padding: int | None) -> Tensor:
    """The gradient of a table as a sparse tensor of the rows that were read, one for each id; padding is left out."""
    from ..sparse.tensor import make

    rows = reshape_p(g, (ids.size, table[1]))
    ids = ids.reshape(-1).astype("int64")
    if padding is not None:
        (at,) = xp_of(ids).nonzero(ids != padding)
        rows, ids = getitem_p(rows, (at,)), ids[at]
    values = rows if isinstance(rows, TensorBase) else wrap(rows)
    return make(sparse_coo, wrap(ids[None]), None, values, table, False)


embedding_sparse_p: Any = param(
    "embedding_sparse",
    accelerated("embedding_rows")(lambda xp, w, ids, padding: xp.take(w, ids, axis=0)),
    lambda g, w, o, ids, padding: _sparse_table(g, w, ids, padding),
    dtypes="same",
    jvp=lambda ts, xs, o, ids, padding: take_rows_p(ts[0], ids, None),
    doc="The rows `ids` of a leaf, a table (n, d), whose gradient is a sparse tensor.",
)


# ---------------------------------------------------------------- arguments
def _ids(op: str, input: Any, w: Tensor) -> Any:
    """The ids as a raw array beside the table, checked where that costs no synchronisation."""
    i = as_tensor_arg(input, op)
    if i._dtype.kind not in "iu":
        raise DtypeError(
            f"{op}: the ids are {i._dtype.name}; integers are expected. The arguments are (ids, table), as in "
            f"{op}(ids, weight)"
        )
    if len(w._shape) != 2:
        raise ShapeError(f"{op}: weight (rows, features) has 2 dimensions, got shape {w._shape}")
    ids = same_library(i._data, xp_of(w._data), op, "the ids")
    n = w._shape[0]
    if ids.size and of(ids).device_type == "cpu":
        low, high = int(ids.min()), int(ids.max())
        if low < 0 or high >= n:
            bad = low if low < 0 else high
            at = tuple(int(v) for v in np.argwhere(ids == bad)[0])
            place = at[0] if len(at) == 1 else at
            raise RangeError(f"{op}: id {bad} at position {place} is out of range for {n} rows (0..{n - 1})")
    return ids


def _padding(op: str, padding_idx: Any, n: int) -> int | None:
    if padding_idx is None:
        return None
    k = as_int(padding_idx, op, "padding_idx")
    if not -n <= k < n:
        raise ValueError(f"{op}: padding_idx {k} is out of range for {n} rows")
    return k % n


def _occurrences(xp: Any, ids: Any, n: int) -> Any:
    """How often each of the numbers 0 to n - 1 is among ids (m,)."""
    if xp is np:
        return np.bincount(ids, minlength=n)
    found = xp.zeros(n, "int32")  # CuPy's bincount waits for the device
    by_xp(xp).scatter_add(found, ids, 1)
    return found


def _scale(ids: Any, n: int, padding: int | None, by_freq: bool) -> Any:
    """What multiplies the gradient of each row: 0 for padding, 1 / how often the id occurs; None for 1."""
    if padding is None and not by_freq:
        return None
    xp = xp_of(ids)
    scale = xp.ones(ids.shape)
    if by_freq:
        scale = 1 / _occurrences(xp, ids.reshape(-1), n)[ids]
    if padding is not None:
        scale = xp.where(ids == padding, 0.0, scale)
    return scale


def _rows(op: str, w: Tensor, ids: Any, padding: int | None, by_freq: bool, sparse: bool) -> Tensor:
    """The rows of a table. With sparse, the gradient of a leaf is sparse, which further operations would not take."""
    if sparse and type(w._node) is Leaf and of(w._data).name != "lifted" and of(ids).name != "lifted":
        if by_freq:
            raise NotImplementedError(f"{op}: scale_grad_by_freq does not go with sparse gradients; leave one away")
        return embedding_sparse_p(w, ids, padding)
    return embedding_p(w, ids, _scale(ids, w._shape[0], padding, by_freq))


def _renorm(w: Tensor, ids: Any, max_norm: float, p: float) -> None:
    """Scale the rows that are read down to max_norm, in place and unseen by the graph, as PyTorch does."""
    a = w._data
    xp = xp_of(a)
    rows = xp.unique(ids)
    part = a[rows]
    norms = xp.linalg.norm(part, p, 1)
    factor = xp.where(norms > max_norm, max_norm / (norms + 1e-7), 1).astype(a.dtype)
    a[rows] = part * factor[:, None]
    mark_written(w)


def renorm(w: Tensor, indices: Any, max_norm: float, norm_type: float) -> Tensor:
    """The table w itself, the rows that indices name scaled down in place."""
    ids = _ids("embedding_renorm_", indices, w)
    if ids.size:
        _renorm(w, ids, max_norm, norm_type)
    return w


# ---------------------------------------------------------------- public
@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, dtype="int64", values=[[0, 2, 1], [2, 2, 4]], grad=False), t(5, 3)),
        call(t(4, dtype="int32", values=[0, 2, 2, 1], grad=False), t(5, 3)),
        call(t(dtype="int64", values=3, grad=False), t(5, 2)),
        call(t(0, dtype="int64", grad=False), t(5, 2)),
    ],
    errors=lambda: [
        raises(
            IndexError,
            r"id 5 at position 1 is out of range for 5 rows \(0..4\)",
            t(2, dtype="int64", values=[0, 5]),
            t(5, 2),
        ),
        raises(IndexError, r"id -1 at position \(0, 1\)", t(1, 2, dtype="int64", values=[[0, -1]]), t(5, 2)),
        raises(TypeError, r"the ids are float", t(3), t(5, 2)),
    ],
    ref=lambda ids, w, **kw: w[ids],
)
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of weight (rows, features) that the integer ids name: (...) -> (..., features).

    The row padding_idx gets no gradient. max_norm: rows that are read and whose p-norm (p = norm_type) is larger are
    scaled down to it in place first. scale_grad_by_freq: gradients are divided by how often an id occurs here. sparse: the
    gradient of a weight that is a leaf is a sparse COO tensor of the rows that were read, as SparseAdam and SGD take it.

    >>> import retrograd as rg
    >>> rg.nn.functional.embedding(rg.tensor([2, 0]), rg.eye(3))
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    w = as_tensor_arg(weight, "embedding")
    ids = _ids("embedding", input, w)
    padding = _padding("embedding", padding_idx, w._shape[0])
    if max_norm is not None and ids.size:
        _renorm(w, ids, max_norm, norm_type)
    return _rows("embedding", w, ids, padding, scale_grad_by_freq, sparse)


def bags(ids: Any, offsets: Any, include_last: bool, op: str) -> Any:
    """The number of the bag of each id, and how many bags there are."""
    xp = xp_of(ids)
    o = as_tensor_arg(offsets, op)._data
    if o.ndim != 1 or o.dtype.kind not in "iu":
        raise ShapeError(f"{op}: offsets must be a vector of integers, got {o.dtype} of shape {o.shape}")
    starts = o[:-1] if include_last else o
    if starts.size and int(starts[0]) != 0:
        raise ValueError(f"{op}: offsets[0] must be 0, the first bag starts there; got {int(starts[0])}")
    return xp.searchsorted(starts, xp.arange(ids.size), side="right") - 1, starts.size


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, dtype="int64", values=[[0, 2, 1], [2, 2, 4]], grad=False), t(5, 3)),
        call(t(2, 3, dtype="int64", values=[[0, 2, 1], [2, 2, 4]], grad=False), t(5, 3), mode="sum"),
        call(t(2, 3, dtype="int64", values=[[0, 2, 1], [2, 2, 4]], grad=False), t(5, 3), mode="max"),
        call(
            t(4, dtype="int64", values=[0, 2, 2, 1], grad=False),
            t(5, 3),
            t(3, dtype="int64", values=[0, 1, 3], grad=False),
            mode="mean",
        ),
        call(
            t(4, dtype="int64", values=[0, 2, 2, 1], grad=False),
            t(5, 3),
            t(2, dtype="int64", values=[0, 1], grad=False),
            mode="sum",
            per_sample_weights=t(4),
        ),
    ],
    errors=lambda: [
        raises(ValueError, r"mode must be", t(1, 1, dtype="int64", values=[[0]]), t(5, 2), mode="median"),
        raises(ValueError, r"offsets are needed", t(1, dtype="int64", values=[0]), t(5, 2)),
    ],
)
@sample_by_sample
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or max of the rows of weight in each bag of ids: (B, K) -> (B, features), or (n,) with offsets.

    offsets: where each bag starts in a vector of ids (include_last_offset: and where the last one ends). An empty bag
    is 0. per_sample_weights (mode "sum" only) multiply the rows. Ids equal to padding_idx are left out. sparse, as of
    `embedding`, goes with modes "sum" and "mean".

    >>> import retrograd as rg
    >>> rg.nn.functional.embedding_bag(rg.tensor([[0, 1]]), rg.eye(2))
    tensor([[0.5000, 0.5000]])
    """
    from .scatter_reduce import scatter_reduce

    op = "embedding_bag"
    w = as_tensor_arg(weight, op)
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"{op}: mode must be 'sum', 'mean' or 'max', got {mode!r}")
    if mode == "max" and (scale_grad_by_freq or sparse):
        what = "scale_grad_by_freq" if scale_grad_by_freq else "sparse gradients"
        raise ValueError(f"{op}: mode='max' does not support {what}; leave it away, or use mode='sum'")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(f"{op}: per_sample_weights need mode='sum', got {mode!r}")
    ids = _ids(op, input, w)
    xp = xp_of(ids)
    if ids.ndim == 2:
        if offsets is not None:
            raise ValueError(f"{op}: ids of shape {ids.shape} are bags already; offsets must be None")
        bag, n = xp.repeat(xp.arange(ids.shape[0]), ids.shape[1]), ids.shape[0]
    elif ids.ndim == 1:
        if offsets is None:
            raise ValueError(f"{op}: offsets are needed to divide a vector of ids into bags")
        bag, n = bags(ids, offsets, include_last_offset, op)
    else:
        raise ShapeError(f"{op}: ids (bags, ids per bag) or (ids,) are expected, got shape {ids.shape}")
    flat = ids.reshape(-1)
    padding = _padding(op, padding_idx, w._shape[0])
    if max_norm is not None and flat.size:
        _renorm(w, flat, max_norm, norm_type)
    keep = slice(None) if padding is None else xp.nonzero(flat != padding)[0]
    bag = bag[keep]
    rows = _rows(op, w, flat[keep], None, scale_grad_by_freq, sparse)
    if per_sample_weights is not None:
        v = as_tensor_arg(per_sample_weights, op)
        if v._shape != ids.shape:
            raise ShapeError(f"{op}: per_sample_weights have shape {v._shape}, the ids {ids.shape}; they must be equal")
        v = reshape_p(v, (flat.size,))
        rows = rows * reshape_p(v if padding is None else v[wrap(keep)], (-1, 1))
    d = w._shape[1]
    if mode == "max":
        zeros = wrap(xp.zeros((n, d), w._data.dtype))
        index = wrap(xp.broadcast_to(bag[:, None], (bag.size, d)).copy())
        return scatter_reduce(zeros, 0, index, rows, "amax", include_self=False)
    scale = None
    if mode == "mean":
        scale = (1 / xp.maximum(_occurrences(xp, bag, n), 1))[bag]
    return put_rows_p(rows, bag, n, scale)
