"""softmax, log_softmax and logsumexp, and their cotangents, each in one pass over the rows (or columns) of an array.

Every kernel serves contiguous float32 and float64 arrays of at least `LEAST` elements. The sum of a row is added up by
one thread, so results do not depend on the number of threads.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .runtime import Loops, enough, fits, like, threads

_loops = Loops("softmax")
LEAST = 1024  # elements; under this NumPy's passes cost no more than 10 us, and nothing needs to be compiled
SERIAL_BELOW = 16_384  # elements, of 0.3 ns or more


def _threads(work: int, lines: int) -> int:
    """How many threads share `lines` rows or columns, that is no more than there are."""
    return min(threads(work, SERIAL_BELOW), max(lines, 1))


def _width(n: int, inner: int, nt: int, itemsize: int) -> int:
    """How many columns of n elements a thread takes at a time: so many that they stay in its cache, of 256 KiB at least.

    Where that would be fewer than 128, lines of which lie in many pages, it reads whole rows several times instead.
    """
    share = -(-inner // nt)
    kept = (1 << 18) // (n * itemsize)
    return min(share, kept if kept >= 128 else 2048)


def _parts(shape: tuple[int, ...], axis: int, last: int) -> tuple[int, int, int]:
    """The shape as (outer, n, inner), where n are the axes from `axis` to `last`."""
    return prod(shape[:axis]), prod(shape[axis : last + 1]), prod(shape[last + 1 :])


def _forward(x: Any, axis: int, logs: bool) -> Any:
    if not x.ndim or not enough(x.size, LEAST) or not fits(x):
        return NotImplemented
    axis %= x.ndim
    outer, n, inner = _parts(x.shape, axis, axis)
    y = like(x)
    nt = _threads(x.size, outer * inner)
    if inner == 1:
        (_loops.log_rows if logs else _loops.rows)(nt, x.reshape(outer, n), y.reshape(outer, n))
    else:
        _loops.columns(nt, x.reshape(-1), outer, n, inner, _width(n, inner, nt, x.itemsize), logs, y.reshape(-1))
    return y


def softmax(x: Any, axis: int) -> Any:
    """exp(x) / sum(exp(x)) along an axis."""
    return _forward(x, axis, False)


def log_softmax(x: Any, axis: int) -> Any:
    """log(softmax(x)) along an axis."""
    return _forward(x, axis, True)


def _fit(g: Any, x: Any, shape: Any) -> Any:
    """g as a contiguous array, copied if need be (the cotangent of a sum has strides of 0), or None."""
    if g.dtype != x.dtype or g.shape != shape:
        return None
    return g if g.flags.carray else g.copy()


def _back(xs: Any, axis: int, logs: bool) -> Any:
    g, o = xs
    if not o.ndim or not enough(o.size, LEAST) or not fits(o):
        return NotImplemented
    g = _fit(g, o, o.shape)
    if g is None:
        return NotImplemented
    axis %= o.ndim
    outer, n, inner = _parts(o.shape, axis, axis)
    y = like(o)
    nt = _threads(o.size, outer * inner)
    if inner == 1:
        rows = outer, n
        (_loops.log_rows_back if logs else _loops.rows_back)(nt, g.reshape(rows), o.reshape(rows), y.reshape(rows))
    else:
        width = _width(n, inner, nt, o.itemsize)
        _loops.columns_back(nt, g.reshape(-1), o.reshape(-1), outer, n, inner, width, logs, y.reshape(-1))
    return y


def softmax_back(xs: Any, axis: int) -> Any:
    """o * (g - sum(g * o)) along an axis, from (g, o)."""
    return _back(xs, axis, False)


def log_softmax_back(xs: Any, axis: int) -> Any:
    """g - exp(o) * sum(g) along an axis, from (g, o)."""
    return _back(xs, axis, True)


def _run(axes: tuple[int, ...], ndim: int) -> tuple[int, int] | None:
    """The first and the last of neighbouring axes; None for others."""
    if not axes or min(axes) < 0:
        return None
    first, last = min(axes), max(axes)
    return (first, last) if last - first + 1 == len(axes) and last < ndim else None


def logsumexp(x: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    """log(sum(exp(x))) over neighbouring axes."""
    run = _run(axes, x.ndim)
    if run is None or not enough(x.size, LEAST) or not fits(x):
        return NotImplemented
    outer, n, inner = _parts(x.shape, *run)
    y = np.empty((outer, inner), x.dtype)
    nt = _threads(x.size, outer * inner)
    if inner == 1:
        _loops.sum_rows(nt, x.reshape(outer, n), y.reshape(outer))
    else:
        _loops.sum_columns(nt, x.reshape(-1), outer, n, inner, _width(n, inner, nt, x.itemsize), y.reshape(-1))
    kept = tuple(1 if i in axes else m for i, m in enumerate(x.shape) if keepdim or i not in axes)
    return y.reshape(kept)


def logsumexp_back(g: Any, x: Any, o: Any, axes: tuple[int, ...]) -> Any:
    """g * exp(x - o), with g and o as `logsumexp` returns them."""
    run = _run(axes, x.ndim)
    if run is None or not enough(x.size, LEAST) or not fits(x):
        return NotImplemented
    g, o = _fit(g, x, o.shape), _fit(o, x, o.shape)
    if g is None or o is None:
        return NotImplemented
    outer, n, inner = _parts(x.shape, *run)
    y = like(x)
    nt = threads(x.size, SERIAL_BELOW)
    if inner == 1:
        rows = outer, n
        _loops.sum_rows_back(nt, g.reshape(outer), x.reshape(rows), o.reshape(outer), y.reshape(rows))
    else:
        _loops.sum_columns_back(nt, g.reshape(-1), x.reshape(-1), o.reshape(-1), outer, n, inner, y.reshape(-1))
    return y
