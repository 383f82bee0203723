"""Reductions of consecutive rows: segment_reduce."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import of as backend_of
from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..errors import DtypeError, ShapeError
from ..op import public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from .args import one_dim
from .arith import div
from .gather import scatter_add
from .reduce import prod_p
from .scatter_reduce import scatter_reduce
from .shape import expand_p, getitem_p, reshape_p
from .where import masked_fill_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["segment_reduce"]

_NEUTRAL = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": -math.inf, "min": math.inf}
_NAMES = {"amax": "max", "amin": "min", **{name: name for name in _NEUTRAL}}


def _bounds(op: str, x: Any, lengths: Any, offsets: Any, axis: Any, unsafe: bool) -> tuple[Any, Any, int]:
    """Where the segments of each row of batches start and how long they are, on the host (B, S); and the axis."""
    given = lengths if lengths is not None else offsets
    name = "lengths" if lengths is not None else "offsets"
    n = as_tensor_arg(given, op)
    if n._dtype.name not in ("int32", "int64"):
        raise DtypeError(f"{op}: {name} are {n._dtype.name}; int64 or int32 is expected, as in {name}.long()")
    d = one_dim(axis, len(x._shape), op)
    if len(n._shape) != d + 1 or n._shape[:d] != x._shape[:d]:
        raise ShapeError(
            f"{op}: {name} of shape {tuple(n._shape)} do not fit data of shape {tuple(x._shape)} and axis={d}; the last "
            f"dimension of {name} is that axis, and those in front of it are equal"
        )
    host = backend_of(n._data).to_numpy(n._data).astype(np.int64).reshape(-1, n._shape[-1])
    size = x._shape[d]
    if lengths is not None:
        many, starts = host, np.cumsum(host, 1) - host
        if (many < 0).any():
            raise ShapeError(f"{op}: lengths hold {many.min()}; they must be >= 0")
        if not unsafe and (many.sum(1) != size).any():
            raise ShapeError(f"{op}: lengths sum to {many.sum(1).max()}; all {size} rows of data are expected")
    else:
        if host.shape[1] < 1:
            raise ShapeError(f"{op}: offsets are empty; the start of each segment and the end of the last are expected")
        many, starts = np.diff(host, axis=1), host[:, :-1]
        if (many < 0).any():
            raise ShapeError(f"{op}: offsets descend; each must be at least the one before")
    ends = starts + many
    if many.size and ((starts < 0).any() or (ends > size).any()):
        raise ShapeError(f"{op}: {name} reach row {ends.max()}; data has {size} rows along axis {d}")
    return starts, many, d


def _reduced(x: Any, rows: Any, ids: Any, many: Any, reduce: str, initial: float | None) -> Any:
    """The reductions of the rows x[rows] (T, *) by segment: (segments, *). ids: the segment of each; many: (segments,)."""
    xp = xp_of(x._data)
    home = backend_of(x._data)
    start = _NEUTRAL[reduce] if initial is None else float(initial)
    rest = tuple(x._shape[1:])
    shape = (many.size, *rest)
    column = (-1, *(1,) * len(rest))
    if reduce == "prod":  # (segments, longest, *), filled up with ones
        longest = max(int(many.max(initial=0)), 1)
        grid = np.full((many.size, longest), -1)
        grid[ids, np.arange(ids.size) - np.repeat(np.cumsum(many) - many, many)] = rows
        gap = home.from_numpy(grid < 0, None).reshape(*grid.shape, *(1,) * len(rest))
        at = home.from_numpy(np.maximum(grid, 0), None)
        values = (
            masked_fill_p(getitem_p(x, (at,)), gap, 1.0)
            if x._shape[0]
            else wrap(xp.ones((*grid.shape, *rest), x._data.dtype))
        )
        r = prod_p(values, (1,), False)
        return r if initial is None else r * start
    values = getitem_p(x, (home.from_numpy(rows, None),))
    index = wrap(home.from_numpy(ids, None))
    index = expand_p(reshape_p(index, column), (ids.size, *rest))
    base = wrap(xp.full(shape, start, x._data.dtype))
    if reduce in ("max", "min"):
        return scatter_reduce(base, 0, index, values, "amax" if reduce == "max" else "amin") if ids.size else base
    total = scatter_add(base, 0, index, values) if ids.size else base
    if reduce == "sum":
        return total
    number = many.astype(np.float64)
    number[many == 0] = math.nan if initial is None else 1.0
    return div(total, wrap(home.from_numpy(number.reshape(column).astype(x._data.dtype), None)))


def _sizes(*n: int) -> Any:
    return t(len(n), dtype="int64", values=list(n))


_REDUCTIONS = ("sum", "mean", "max", "min", "prod")


@public(
    method=False,
    samples=lambda: [
        *(call(t(5), r, lengths=_sizes(2, 1, 2)) for r in _REDUCTIONS),
        *(call(t(4, 2), r, lengths=_sizes(3, 0, 1), initial=1.0) for r in _REDUCTIONS),
        call(t(4, 2), "sum", offsets=t(3, dtype="int32", values=[0, 3, 4])),
        call(t(2, 4, 2), "mean", lengths=t(2, 2, dtype="int64", values=[[1, 3], [2, 2]]), axis=1),
        call(t(4, grad=False), "mean", lengths=_sizes(4, 0)),
        call(t(4, grad=False), "max", lengths=_sizes(4, 0)),
        call(t(4), "sum", lengths=_sizes(1, 2), unsafe=True),
    ],
    errors=lambda: [
        raises(RuntimeError, r"segment_reduce: lengths sum to 3", t(4), "sum", lengths=_sizes(1, 2)),
        raises(RuntimeError, r"segment_reduce: lengths hold -1", t(4), "sum", lengths=_sizes(5, -1)),
        raises(RuntimeError, r"segment_reduce: reduce='median'", t(4), "median", lengths=_sizes(4)),
        raises(RuntimeError, r"segment_reduce: neither lengths nor offsets", t(4), "sum"),
        raises(RuntimeError, r"segment_reduce: .* axis=1", t(2, 3), "sum", lengths=_sizes(3), axis=1),
        raises(RuntimeError, r"segment_reduce: data is int64", t(2, dtype="int64"), "sum", lengths=_sizes(2)),
    ],
)  # fmt: skip
@sample_by_sample
def segment_reduce(
    data: Tensor,
    reduce: str,
    *,
    lengths: Tensor | None = None,
    indices: Tensor | None = None,
    offsets: Tensor | None = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Tensor:
    """Reduce segments of consecutive rows along `axis`: "sum", "mean", "max", "min" or "prod".

    lengths: how many rows each of S segments has, `(*, S)`, all together those of data; or offsets: where each starts
    and the last one ends, `(*, S + 1)`; with the dimensions `*` of data in front of the axis. initial: a value that
    takes part in every segment; without one an empty segment gives 0, NaN, -inf, inf or 1. unsafe: leave away the check
    of the sum. Shapes: data `(*, N, D)` to `(*, S, D)`. `indices` is not supported, as in PyTorch. Raises RuntimeError
    for lengths that do not fit, and for dtypes that are not floating-point.

    >>> import retrograd as rg
    >>> rg.segment_reduce(rg.tensor([1.0, 2.0, 4.0]), "max", lengths=rg.tensor([2, 1]))
    tensor([2., 4.])
    """
    op = "segment_reduce"
    x = as_tensor_arg(data, op)
    if reduce not in _NAMES:
        raise ShapeError(f"{op}: reduce={reduce!r} is not known; give one of {', '.join(_REDUCTIONS)}")
    if x._dtype.kind != "f":
        raise DtypeError(f"{op}: data is {x._dtype.name}; a floating-point dtype is expected, as in data.float()")
    if indices is not None:
        raise ShapeError(f"{op}: indices are not supported; give lengths or offsets, or use scatter_reduce")
    if lengths is None and offsets is None:
        raise ShapeError(f"{op}: neither lengths nor offsets are given; one of them is expected")
    starts, many, d = _bounds(op, x, lengths, offsets, axis, bool(unsafe))
    batch, size = tuple(x._shape[:d]), x._shape[d]
    rest = tuple(x._shape[d + 1 :])
    flat = reshape_p(x, (math.prod(batch) * size, *rest))
    starts = (starts + np.arange(starts.shape[0])[:, None] * size).reshape(-1)
    segments, many = many.shape[1], many.reshape(-1)
    ids = np.repeat(np.arange(many.size), many)
    rows = np.arange(ids.size) - np.repeat(np.cumsum(many) - many, many) + np.repeat(starts, many)
    r = _reduced(flat, rows, ids, many, _NAMES[reduce], initial)
    return reshape_p(r, (*batch, segments, *rest))
