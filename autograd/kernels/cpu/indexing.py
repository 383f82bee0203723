"""Rows of tables by their numbers: reading them, and adding them up, on all threads.

A number that is out of range makes a kernel decline before it writes anything: NumPy's formula raises the error.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .runtime import Loops, enough, fits, threads

__all__ = ["add_rows", "embedding_rows", "put_rows", "take_rows"]

_loops = Loops("indexing")
_LEAST = 2048  # elements
_NUMBERS_LEAST = 16_384  # single numbers, for which np.add.at is fast
_SERIAL_BELOW = 30_000
_COPY_LEAST = 100_000  # rows that are only copied, on several threads


def _numbers(ids: Any) -> Any:
    """The ids as a contiguous vector of int64, or None."""
    if type(ids) is not np.ndarray or ids.dtype.char not in "lqi" or ids.dtype.byteorder not in "=|":
        return None
    ids = np.ascontiguousarray(ids, np.int64).reshape(-1)
    return ids if ids.flags.carray else ids.copy()


def take_rows(w: Any, ids: Any, scale: Any) -> Any:
    """w[ids] for a table (n, d) on several threads; scale must be None."""
    if type(w) is not np.ndarray or w.ndim != 2 or not fits(w) or scale is not None:
        return NotImplemented
    work = ids.size * w.shape[1]
    nt = threads(work, _SERIAL_BELOW)
    if nt == 1 or not enough(work, _COPY_LEAST):  # np.take copies rows as fast as one thread can
        return NotImplemented
    at = _numbers(ids)
    if at is None:
        return NotImplemented
    out = np.empty((*ids.shape, w.shape[1]), w.dtype)
    return out if _loops.take(nt, w, at, out.reshape(at.size, -1)) else NotImplemented


def embedding_rows(w: Any, ids: Any, scale: Any) -> Any:
    """w[ids]; scale is for the gradient."""
    return take_rows(w, ids, None)


def put_rows(g: Any, ids: Any, n: int, scale: Any) -> Any:
    """The table (n, d) of the sums of the rows g (..., d), each times its scale, by their numbers ids."""
    if type(g) is not np.ndarray or not fits(g) or not enough(g.size, _LEAST) or g.shape[:-1] != ids.shape:
        return NotImplemented
    at = _numbers(ids)
    if at is None:
        return NotImplemented
    if scale is not None:
        g = g * scale.astype(g.dtype)[..., None]
    out = np.zeros((n, g.shape[-1]), g.dtype)
    good = _loops.add_rows(threads(g.size, _SERIAL_BELOW), out, at, g.reshape(at.size, -1))
    return out if good else NotImplemented


def add_rows(target: Any, ids: Any, values: Any) -> Any:
    """target[ids] += values, repeated numbers adding up; None if done."""
    if type(target) is not np.ndarray or not target.ndim or not fits(target) or type(values) is not np.ndarray:
        return NotImplemented
    d = math.prod(target.shape[1:])
    if not enough(ids.size * d, _LEAST if d > 1 else _NUMBERS_LEAST) or values.dtype != target.dtype:
        return NotImplemented
    shape = ids.shape + target.shape[1:]
    if values.shape != shape:
        if values.ndim > len(shape):
            return NotImplemented
        values = np.broadcast_to(values, shape)
    at = _numbers(ids)
    if at is None or np.may_share_memory(target, values):
        return NotImplemented
    rows = np.ascontiguousarray(values)
    rows = (rows if rows.flags.carray else rows.copy()).reshape(at.size, d)
    good = _loops.add_rows(threads(rows.size, _SERIAL_BELOW), target.reshape(-1, d), at, rows)
    return None if good else NotImplemented
