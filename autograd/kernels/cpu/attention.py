"""Attention block by block: no scores of all queries with all keys are kept, forward or backward.

The operands are read where they are, heads cut out of a fused projection included, if only their last dimension is
contiguous. Results lie in memory as the operand that they belong to, so that joining the heads again is a view.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from . import blas
from .runtime import Loops, enough, threads

__all__ = ["attention", "attention_back"]

_loops = Loops("attention")
_SMALLEST = 8192  # multiplications in query @ key^T
_SERIAL_BELOW = 200_000
_QUERIES = 64  # of one block


@functools.lru_cache(256)
def _offsets(shape: tuple[int, ...], strides: tuple[int, ...], unit: int) -> np.ndarray:
    """Where each of the leading indices begins."""
    found = np.zeros((), np.int64)
    for n, step in zip(shape, strides, strict=True):
        found = found[..., None] + np.arange(n, dtype=np.int64) * (step // unit)
    return found.reshape(-1)


def _readable(x: Any) -> Any:
    """x if BLAS can read its last two dimensions where they are, or a copy."""
    size, s = x.itemsize, x.strides
    rows = s[-2] >= x.shape[-1] * size or x.shape[-2] == 1
    if rows and (s[-1] == size or x.shape[-1] == 1) and x.flags.aligned and not any(step % size for step in s):
        return x
    return np.ascontiguousarray(x)


class _Place:
    """An operand: its address, where each head begins, in bytes, and the elements from one row to the next."""

    __slots__ = ("address", "array", "heads", "row")

    def __init__(self, x: Any) -> None:
        x = self.array = _readable(x)
        self.address = x.__array_interface__["data"][0]
        self.heads = _offsets(x.shape[:-2], x.strides[:-2], 1)
        self.row = max(x.strides[-2] // x.itemsize, x.shape[-1])


class _Result:
    """A new array (..., rows, features) with its dimensions in memory as those of `like`; offsets count elements."""

    __slots__ = ("array", "flat", "heads", "row")

    def __init__(self, like: Any, features: int, within: np.ndarray | None = None) -> None:
        if within is not None:  # the same place of another array of that size
            start = like.__array_interface__["data"][0] - like.base.__array_interface__["data"][0]
            self.array = np.ndarray(like.shape, like.dtype, within, start, like.strides)
            self.flat = within.reshape(-1)
            self.heads = _offsets(like.shape[:-2], like.strides[:-2], like.itemsize) + start // like.itemsize
            self.row = like.strides[-2] // like.itemsize
            return
        nd = like.ndim
        order = sorted(range(nd - 1), key=lambda i: -like.strides[i])
        memory = np.empty((*[like.shape[i] for i in order], features), like.dtype)
        back = [0] * (nd - 1)
        for place, i in enumerate(order):
            back[i] = place
        x = self.array = memory.transpose(*back, nd - 1)
        self.flat = memory.reshape(-1)
        self.heads = _offsets(x.shape[:-2], x.strides[:-2], x.itemsize)
        self.row = x.strides[-2] // x.itemsize


def _thirds(q: Any, k: Any, v: Any) -> np.ndarray | None:
    """An array for the cotangent of what q, k and v are equal parts of, side by side, as a fused projection makes them.

    The cotangents are then parts of one array, too, and need not be joined.
    """
    base = q.base
    if type(base) is not np.ndarray or not base.flags.c_contiguous or k.base is not base or v.base is not base:
        return None
    if any(x.shape != q.shape or x.strides != q.strides or x.dtype != base.dtype for x in (q, k, v)):
        return None
    begin, *starts = (x.__array_interface__["data"][0] for x in (base, q, k, v))
    starts.sort()
    step, size = starts[1] - begin, q.itemsize
    for stride, n in sorted([(step, 3), *[(s, n) for n, s in zip(q.shape, q.strides, strict=True) if n > 1]]):
        if stride != size:
            return None
        size *= n
    even = size == base.nbytes and q.strides[-1] == q.itemsize and starts == [begin, begin + step, begin + 2 * step]
    return np.empty(base.shape, base.dtype) if even else None


def _mask(mask: Any, lead: tuple[int, ...], rows: int, columns: int, dtype: Any) -> Any:
    """(kind, address of each head's, bytes between rows, the memory), kind 1: bool, 2: numbers, 0: none; or None."""
    if mask is None:
        return 0, np.zeros(1, np.int64), 0, None
    if mask.dtype != dtype and mask.dtype != bool:
        return None
    if mask.ndim < 1 or mask.shape[-1] != columns:
        mask = np.broadcast_to(mask, (*mask.shape[:-1], columns))
    mask = np.ascontiguousarray(mask)
    steps = np.broadcast_to(mask, (*lead, rows, columns)).strides
    heads = _offsets(lead, steps[:-2], 1) + mask.__array_interface__["data"][0]
    return 1 if mask.dtype == bool else 2, heads, steps[-2], mask


def _fit(q: Any, k: Any, v: Any) -> int:
    """How many heads of q share one of k and v; 0: they do not fit each other, or are not served."""
    if q.dtype.char not in "fd" or k.dtype != q.dtype or v.dtype != q.dtype or min(q.size, k.size, v.size) == 0:
        return 0
    if q.ndim != k.ndim or k.ndim != v.ndim or q.ndim < 2 or k.shape[:-1] != v.shape[:-1] or q.shape[-1] != k.shape[-1]:
        return 0
    if not enough(q.size * k.shape[-2], _SMALLEST) or not blas.available():
        return 0
    if q.ndim == 2 or q.shape[:-2] == k.shape[:-2]:
        return 1
    if q.shape[:-3] != k.shape[:-3] or q.shape[-3] % k.shape[-3]:
        return 0
    return q.shape[-3] // k.shape[-3]


def _numbers(nt: int, q: Any, v: Any, groups: int, causal: bool, mask: Any, back: bool, *rows: int) -> tuple[Any, Any]:
    """The parameters of the loops, and the memory of their threads."""
    (length, e), (source, ev) = q.shape[-2:], v.shape[-2:]
    keys, size = _loops.memory(_QUERIES, length, source, e, ev, q.dtype, back)
    kind, _, mask_row, _ = mask
    p = np.array((length, source, e, ev, groups, causal, kind, mask_row, _QUERIES, keys, *rows), np.int64)
    return p, np.empty((nt, size), q.dtype)


def attention(xs: Any, mask: Any, causal: bool, scale: float) -> Any:
    """(weights @ v, the largest score of each query, 1 / the sum of its exponentials) of (q, k, v)."""
    q, k, v = xs
    groups = _fit(q, k, v)
    if not groups or not scale:
        return NotImplemented
    dt, lead, length, source = q.dtype, q.shape[:-2], q.shape[-2], k.shape[-2]
    masked = _mask(mask, lead, length, source, dt)
    if masked is None:
        return NotImplemented
    pq, pk, pv = _Place(q), _Place(k), _Place(v)
    out = _Result(q, v.shape[-1])
    top, inverse = np.empty((*lead, length), dt), np.empty((*lead, length), dt)
    items = pq.heads.size * -(-length // _QUERIES)
    nt = min(threads(q.size * source, _SERIAL_BELOW), items)
    p, work = _numbers(nt, q, v, groups, causal, masked, False, pq.row, pk.row, pv.row, out.row)
    _loops.attention(
        nt, p, dt.type(scale),
        np.array((pq.address, pk.address, pv.address), np.int64), pq.heads, pk.heads, pv.heads, masked[1],
        out.flat, out.heads, top.reshape(-1), inverse.reshape(-1), work,
    )  # fmt: skip
    return out.array, top, inverse


def attention_back(xs: Any, mask: Any, causal: bool, scale: float, out: Any, top: Any, inverse: Any) -> Any:
    """The cotangents of q, k and v from (g, q, k, v) and what the forward pass gave."""
    g, q, k, v = xs
    groups = _fit(q, k, v)
    if not groups or not scale or g.dtype != q.dtype or out.dtype != q.dtype or g.shape != out.shape:
        return NotImplemented
    dt, lead, length, source = q.dtype, q.shape[:-2], q.shape[-2], k.shape[-2]
    masked = _mask(mask, lead, length, source, dt)
    if masked is None or not (top.flags.carray and inverse.flags.carray):
        return NotImplemented
    pq, pk, pv, pg, po = _Place(q), _Place(k), _Place(v), _Place(g), _Place(out)
    fused = _thirds(q, k, v)
    dq, dk, dv = (_Result(x, x.shape[-1], fused) for x in (q, k, v))
    nt = min(threads(q.size * source, _SERIAL_BELOW), pk.heads.size)
    rows = (pq.row, pk.row, pv.row, pg.row, po.row, dq.row, dk.row, dv.row)
    p, work = _numbers(nt, q, v, groups, causal, masked, True, *rows)
    _loops.attention_back(
        nt, p, dt.type(scale),
        np.array((pq.address, pk.address, pv.address, pg.address, po.address), np.int64), pq.heads, pk.heads, pv.heads,
        pg.heads, po.heads, masked[1], top.reshape(-1), inverse.reshape(-1), dq.flat, dq.heads, dk.flat,
        dk.heads, dv.flat, dv.heads, work,
    )  # fmt: skip
    return dq.array, dk.array, dv.array
