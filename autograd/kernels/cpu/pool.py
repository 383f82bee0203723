"""Pooling over the last one or two dimensions of contiguous float32 and float64 arrays; in three, NumPy pools."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from .runtime import Loops, enough, fits, same, threads

__all__ = ["avg_pool", "avg_pool_back", "max_pool", "max_pool_back", "max_pool_index"]

_loops = Loops("pool")
Ints = tuple[int, ...]

LEAST = 1000  # elements; the formula takes 10 us for none, a kernel 3
SERIAL_BELOW = 20_000  # elements


@lru_cache(maxsize=512)
def _taps(n: int, k: int, s: int, lo: int, d: int, o: int) -> np.ndarray:
    """(shift, first window, end) of each tap that lies inside for any window."""
    found = []
    for a in range(k):
        shift = a * d - lo
        first, end = max(0, -(shift // s)), min(o, (n - 1 - shift) // s + 1)
        if first < end:
            found.append((shift, first, end))
    return np.array(found, np.int64).reshape(-1, 3)


@lru_cache(maxsize=512)
def _divisors(n: int, k: int, s: int, lo: int, o: int, padding_counts: bool, dtype: Any) -> np.ndarray:
    """The elements of each window along a dimension."""
    start = np.arange(o) * s - lo
    end = np.minimum(start + k, n + lo)
    if not padding_counts:
        start, end = np.maximum(start, 0), np.minimum(end, n)
    return (end - start).astype(dtype)


@lru_cache(maxsize=64)
def _ones(n: int, value: float, dtype: Any) -> np.ndarray:
    return np.full(n, value, dtype)


def _geometry(x: Ints, k: Ints, s: Ints, lo: Ints, d: Ints, o: Ints) -> tuple[Any, ...]:
    """h, w, oh, ow, the strides and the two tables of taps; one dimension is a plane of one row."""
    if len(k) == 1:
        return 1, x[0], 1, o[0], 1, s[0], _taps(1, 1, 1, 0, 1, 1), _taps(x[0], k[0], s[0], lo[0], d[0], o[0])
    rows, columns = (_taps(x[i], k[i], s[i], lo[i], d[i], o[i]) for i in (0, 1))
    return *x, *o, *s, rows, columns


def _counts(x: Ints, k: Ints, s: Ints, lo: Ints, o: Ints, pad: bool, over: Any, dtype: Any) -> tuple[Any, Any]:
    if over is not None:
        found = [_ones(n, 1.0 if i else over, dtype) for i, n in enumerate(o)]
    else:
        found = [_divisors(x[i], k[i], s[i], lo[i], o[i], pad, dtype) for i in range(len(k))]
    return (_ones(1, 1.0, dtype), found[0]) if len(k) == 1 else (found[0], found[1])


def _two_by_two(x: Ints, k: Ints, s: Ints, lo: Ints, d: Ints, o: Ints) -> bool:
    """Windows of 2 x 2 side by side, all inside."""
    return k == s == (2, 2) and lo == (0, 0) and d == (1, 1) and 2 * o[0] <= x[0] and 2 * o[1] <= x[1]


def _whole(x: Ints, k: Ints, lo: Ints, o: Ints) -> bool:
    """One window that is the whole plane."""
    return x == k and not any(lo) and prod(o) == 1


def max_pool(x: Any, k: Ints, s: Ints, lo: Ints, d: Ints, o: Ints) -> Any:
    """Maxima of windows k with stride s, padding lo and dilation d over the last dimensions: o of them; NaN wins."""
    nd = len(k)
    if nd > 2 or not enough(x.size, LEAST) or not fits(x) or 0 in o:
        return NotImplemented
    lead, shape = x.shape[: x.ndim - nd], x.shape[x.ndim - nd :]
    y = np.empty((*lead, *o), x.dtype)
    nt = threads(x.size, SERIAL_BELOW)
    if _two_by_two(shape, k, s, lo, d, o):
        _loops.largest2(nt, x.reshape(-1), y.reshape(-1), *shape, *o)
    else:
        g = _geometry(shape, k, s, lo, d, o)
        _loops.largest(nt, x.reshape(-1), y.reshape(-1), *g, np.empty(nt * shape[-1], x.dtype))
    return y


def max_pool_back(xs: Any, k: Ints, s: Ints, lo: Ints, d: Ints) -> Any:
    """g at the first maximum of each window; operands g, the input and the maxima."""
    g, x, y = xs
    nd = len(k)
    if nd > 2 or not enough(x.size, LEAST) or not same(x, y) or g.dtype != x.dtype or not y.size:
        return NotImplemented
    if not g.flags.carray:
        g = np.array(g, order="C")
    dx = np.empty(x.shape, x.dtype)
    shape, o = x.shape[x.ndim - nd :], y.shape[x.ndim - nd :]
    nt = threads(x.size, SERIAL_BELOW)
    flat = g.reshape(-1), x.reshape(-1), y.reshape(-1), dx.reshape(-1)
    if _two_by_two(shape, k, s, lo, d, o):
        _loops.largest2_back(nt, *flat, *shape, *o)
    else:
        _loops.largest_back(nt, *flat, *_geometry(shape, k, s, lo, d, o))
    return dx


def max_pool_index(x: Any, k: Ints, s: Ints, lo: Ints, d: Ints, o: Ints) -> Any:
    """The place of each maximum, counted over the flattened pooled dimensions."""
    nd = len(k)
    if nd > 2 or not enough(x.size, LEAST) or not fits(x) or 0 in o:
        return NotImplemented
    out = np.empty((*x.shape[: x.ndim - nd], *o), np.int64)
    g = _geometry(x.shape[x.ndim - nd :], k, s, lo, d, o)
    _loops.place(threads(x.size, SERIAL_BELOW), x.reshape(-1), out.reshape(-1), *g)
    return out


def avg_pool(x: Any, k: Ints, s: Ints, lo: Ints, o: Ints, pad: bool, over: Any) -> Any:
    """Averages of windows k with stride s and padding lo over the last dimensions: o of them."""
    nd = len(k)
    if nd > 2 or not enough(x.size, LEAST) or not fits(x) or 0 in o:
        return NotImplemented
    lead, shape = x.shape[: x.ndim - nd], x.shape[x.ndim - nd :]
    y = np.empty((*lead, *o), x.dtype)
    nt = threads(x.size, SERIAL_BELOW)
    count = x.dtype.type(prod(k) if over is None else over)
    if _whole(shape, k, lo, o):
        _loops.average_all(nt, x.reshape(-1), y.reshape(-1), prod(shape), count)
        return y
    if _two_by_two(shape, k, s, lo, (1, 1), o):
        _loops.average2(nt, x.reshape(-1), y.reshape(-1), *shape, *o, 1 / count)
        return y
    g = _geometry(shape, k, s, lo, (1,) * nd, o)
    counts = _counts(shape, k, s, lo, o, pad, over, x.dtype)
    _loops.average(nt, x.reshape(-1), y.reshape(-1), *g, *counts, np.empty(nt * shape[-1], x.dtype))
    return y


def avg_pool_back(g: Any, x: Ints, k: Ints, s: Ints, lo: Ints, o: Ints, pad: bool, over: Any) -> Any:
    """The adjoint of `avg_pool`: x are the sizes of its pooled dimensions."""
    nd = len(k)
    lead = g.shape[: g.ndim - nd]
    size = prod(lead) * prod(x)
    if nd > 2 or g.dtype.char not in "fd" or not enough(size, LEAST) or 0 in o:
        return NotImplemented
    if not g.flags.carray:
        g = np.array(g, order="C")
    x = tuple(x)
    dx = np.empty((*lead, *x), g.dtype)
    nt = threads(size, SERIAL_BELOW)
    count = g.dtype.type(prod(k) if over is None else over)
    if _whole(x, k, lo, o):
        _loops.average_all_back(nt, g.reshape(-1), dx.reshape(-1), prod(x), count)
        return dx
    if _two_by_two(x, k, s, lo, (1, 1), o):
        _loops.average2_back(nt, g.reshape(-1), dx.reshape(-1), *x, *o, 1 / count)
        return dx
    counts = _counts(x, k, s, lo, o, pad, over, g.dtype)
    _loops.average_back(
        nt, g.reshape(-1), dx.reshape(-1), *_geometry(x, k, s, lo, (1,) * nd, o), *counts,
        np.empty(nt * (x[-1] + o[-1]), g.dtype),
    )  # fmt: skip
    return dx
