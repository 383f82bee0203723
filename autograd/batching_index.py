"""The rules of vmap for primitives that read and write by index or mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import backend
from .batching import Operands, align, batched_value, rule
from .lifted_run import run, sizes
from .registry import PRIMITIVES, Op

_BASIC = (int, slice, type(None), type(Ellipsis))
ALL = slice(None)


def _is_basic(index: Any) -> bool:
    return all(type(i) in _BASIC for i in index)


def _explicit(index: Any, rank: int) -> tuple[Any, ...]:
    """index with its Ellipsis, or its end, written out; rank: dimensions of what is indexed."""
    used = sum(
        0 if i is None or i is Ellipsis else i.ndim if type(i) not in _BASIC and i.dtype.kind == "b" else 1
        for i in index
    )
    fill = (ALL,) * (rank - used)
    for k, i in enumerate(index):
        if i is Ellipsis:
            return (*index[:k], *fill, *index[k + 1 :])
    return (*index, *fill)


def _arrays(index: Any) -> list[int]:
    return [k for k, i in enumerate(index) if type(i) not in _BASIC]


def _block(index: Any) -> tuple[bool, int]:
    """(whether the arrays of an index are neighbours, how many dimensions they make)."""
    at = [k for k, i in enumerate(index) if type(i) not in _BASIC or type(i) is int]
    made = [1 if index[k].dtype.kind == "b" else index[k].ndim for k in _arrays(index)]
    return at[-1] - at[0] == len(at) - 1, max(made)


def _to_front(a: Any, k: int) -> Any:
    return a if k == 0 else a.transpose((k, *(i for i in range(a.ndim) if i != k)))


def _from_front(a: Any, k: int) -> Any:
    return a if k == 0 else a.transpose((*range(1, k + 1), 0, *range(k + 1, a.ndim)))


def _batched_index(index: Any, operands: Operands, rank: int) -> Any:
    """(index of all samples, where the samples are in the result) for integer arrays of which some are batched, or None."""
    at = _arrays(index)
    if not at or any(type(i) is int for i in index):
        return None
    found = [batched_value(index[k], operands.level) for k in at]
    if any(v.dtype.kind == "b" for v, _ in found) or any(not isinstance(v, np.ndarray) for v, _ in found):
        return None
    width = max(v.ndim - f for v, f in found)
    n = operands.n
    parts = [align(v, width) if f else v for v, f in found]
    full = list(index)
    for k, v in zip(at, parts, strict=True):
        full[k] = v
    neighbours = at[-1] - at[0] == len(at) - 1
    if not operands.flags[0]:  # one table for all samples: the samples are one more dimension of the arrays
        return tuple(full), at[0] if neighbours else 0
    number = backend.xp_of(parts[0]).arange(n).reshape((n, *(1,) * width))
    # the samples' own axis is indexed too, which puts the arrays' dimensions in front unless they begin the index
    if neighbours and at[0] == 0:
        return (number, *full), 0
    return (number, *full), (0, at[0] if neighbours else 0, width)


@rule("getitem")
def _getitem(op: Op, operands: Operands, index: Any) -> Any:
    x = operands.values[0]
    if operands.flags[0] and max(sizes(index, operands.level)) == 0:
        rank = x.ndim - 1
        full = (ALL, *_explicit(index, rank))
        r = run(op, (x,), (full,))
        if _is_basic(index):
            return r
        neighbours, width = _block(full)
        return r if neighbours else _to_front(r, width)
    rank = x.ndim - operands.flags[0]
    index = _explicit(index, rank)
    found = _batched_index(index, operands, rank)
    if found is None:
        return NotImplemented
    full, place = found
    r = run(op, (x,), (full,))
    if isinstance(place, int):
        return _to_front(r, place)
    _, before, width = place  # (n, *block, *before, *after): the block belongs behind `before`
    if not before:
        return r
    return r.transpose(
        (0, *range(1 + width, 1 + width + before), *range(1, 1 + width), *range(1 + width + before, r.ndim))
    )


@rule("getitem_backward")
def _getitem_backward(op: Op, operands: Operands, shape: tuple[int, ...], index: Any) -> Any:
    n, rank = operands.n, len(shape)
    if max(sizes(index, operands.level)) == 0:
        full = (ALL, *_explicit(index, rank))
        g = operands.values[0]
        if not _is_basic(index):
            neighbours, width = _block(full)
            g = g if neighbours else _from_front(g, width)
        return run(op, (g,), ((n, *shape), full))
    index = _explicit(index, rank)
    operands = Operands([operands.front(0)], [True], n, operands.level)
    found = _batched_index(index, operands, rank)
    if found is None:
        return NotImplemented
    full, place = found
    g = operands.values[0]
    if not isinstance(place, int):
        _, before, width = place
        if before:
            g = g.transpose(
                (0, *range(1 + before, 1 + before + width), *range(1, 1 + before), *range(1 + before + width, g.ndim))
            )
    return run(op, (g,), ((n, *shape), full))


@rule("index_select")
def _index_select(op: Op, operands: Operands, axis: int, index: Any) -> Any:
    if max(sizes((index,), operands.level)) == 0:
        x = operands.values[0]
        return run(op, (x,), (axis + 1, index)) if x.ndim > 1 else NotImplemented
    return _getitem(PRIMITIVES["getitem"], operands, (*(ALL,) * axis, index))


@rule("index_put")
def _index_put(op: Op, operands: Operands, index: Any, add: bool) -> Any:
    if max(sizes(index, operands.level)):
        return NotImplemented
    x, v = operands.front(0), operands.values[1]
    rank = x.ndim - 1
    full = (ALL, *_explicit(index, rank))
    neighbours, _width = (True, 0) if _is_basic(index) else _block(full)
    if not neighbours:
        return NotImplemented
    if operands.flags[1]:
        made = _made(x, full)
        if v.ndim - 1 > made - 1:
            return NotImplemented
        v = align(v, made - 1)
    return run(op, (x, v), (full, add))


def _made(x: Any, index: Any) -> int:
    """The number of dimensions of x[index]."""
    view: Any = np.broadcast_to(np.int8(0), x.shape)
    return view[tuple(i if type(i) in _BASIC else np.zeros(i.shape, i.dtype) for i in index)].ndim


@rule("zero_at")
def _zero_at(op: Op, operands: Operands, index: Any) -> Any:
    if max(sizes(index, operands.level)):
        return NotImplemented
    x = operands.values[0]
    return run(op, (x,), ((ALL, *_explicit(index, x.ndim - 1)),))


# ---------------------------------------------------------------- masks
def _masked(operands: Operands, mask: Any) -> tuple[list[Any], Any]:
    """The operands and a mask, aligned."""
    m, flag = batched_value(mask, operands.level)
    both = Operands([*operands.values, m], [*operands.flags, flag], operands.n, operands.level)
    *xs, m = both.aligned()
    return xs, m


@rule("keep")
def _keep(op: Op, operands: Operands, mask: Any, value: bool) -> Any:
    xs, m = _masked(operands, mask)
    return run(op, xs, (m, value))


@rule("masked_fill")
def _masked_fill(op: Op, operands: Operands, mask: Any, value: Any) -> Any:
    if max(sizes((value,), operands.level)):
        return NotImplemented
    xs, m = _masked(operands, mask)
    return run(op, xs, (m, value))


@rule("where")
def _where(op: Op, operands: Operands, mask: Any) -> Any:
    xs, m = _masked(operands, mask)
    return run(op, xs, (m,))


# ---------------------------------------------------------------- tables
@rule("take_rows", "embedding")
def _take_rows(op: Op, operands: Operands, ids: Any, scale: Any) -> Any:
    (w,), n = operands.values, operands.n
    ids, by_ids = batched_value(ids, operands.level)
    scale, by_scale = batched_value(scale, operands.level)
    if by_scale and not by_ids:
        ids, by_ids = run(PRIMITIVES["expand"], (ids,), ((n, *ids.shape),)), True
    if scale is not None and by_ids and not by_scale:
        scale = run(PRIMITIVES["expand"], (scale,), ((n, *scale.shape),))
    if not operands.flags[0]:
        return run(op, (w,), (ids, scale))
    if not by_ids:
        ids = run(PRIMITIVES["expand"], (ids,), ((n, *ids.shape),))
        if scale is not None:
            scale = run(PRIMITIVES["expand"], (scale,), ((n, *scale.shape),))
    rows = w.shape[1]
    return run(op, (w.reshape((n * rows, *w.shape[2:])),), (_offset(ids, rows), scale))


def _offset(ids: Any, rows: int) -> Any:
    """ids (n, ...) of n tables that have been put on top of each other."""
    n = ids.shape[0]
    return (
        ids
        + (backend.xp_of(ids) if isinstance(ids, np.ndarray) else np).arange(n).reshape((n, *(1,) * (ids.ndim - 1)))
        * rows
    )


@rule("put_rows")
def _put_rows(op: Op, operands: Operands, ids: Any, rows: int, scale: Any) -> Any:
    n = operands.n
    g = operands.front(0)
    ids, by_ids = batched_value(ids, operands.level)
    scale, by_scale = batched_value(scale, operands.level)
    if not by_ids:
        ids = run(PRIMITIVES["expand"], (ids,), ((n, *ids.shape),))
    if scale is not None and not by_scale:
        scale = run(PRIMITIVES["expand"], (scale,), ((n, *scale.shape),))
    r = run(op, (g,), (_offset(ids, rows), n * rows, scale))
    return r.reshape((n, rows, *r.shape[1:]))


@rule("take_along")
def _take_along(op: Op, operands: Operands, axis: int, idx: Any, unique: bool, drop: bool) -> Any:
    i, flag = batched_value(idx, operands.level)
    if i.ndim - flag == 0 or operands.rank() == 0:
        return NotImplemented
    both = Operands([operands.values[0], i], [operands.flags[0], flag], operands.n, operands.level)
    return run(op, (both.front(0),), (axis + 1, both.front(1), unique, drop))


@rule("put_along")
def _put_along(
    op: Op, operands: Operands, shape: tuple[int, ...], axis: int, idx: Any, unique: bool, drop: bool
) -> Any:
    i, flag = batched_value(idx, operands.level)
    if i.ndim - flag == 0 or not shape:
        return NotImplemented
    both = Operands([operands.values[0], i], [operands.flags[0], flag], operands.n, operands.level)
    return run(op, (both.front(0),), ((operands.n, *shape), axis + 1, both.front(1), unique, drop))
