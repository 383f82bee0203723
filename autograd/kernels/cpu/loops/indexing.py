"""Loops that read rows of a table by their numbers, and add rows up into a table.

Sums are in the order of the sources whatever the number of threads: each thread has columns, or rows of the target, of
its own.
"""

from __future__ import annotations

import numpy as np

from .jit import loop, part, prange
from .optim import view

__all__ = ["add_rows", "take"]


@part
def _inside(ids, n):
    # whether all numbers are in [-n, n)
    bad = np.int64(0)
    for i in range(ids.size):
        bad |= (ids[i] + n) | (n - 1 - ids[i])
    return bad >= 0


@part
def _take(lo, hi, x, ids, y):
    # Rows as views by address: indexed in two dimensions the inner loop takes four times as long.
    n, d = x.shape
    z, source, to, one = x.itemsize, x.ctypes.data, y.ctypes.data, x.dtype.type(1)
    for i in range(lo, hi):
        k = ids[i]
        k = k + n if k < 0 else k
        a, b = view(to + i * d * z, d, one), view(source + k * d * z, d, one)
        for j in range(d):
            a[j] = b[j]


@loop
def take(nt, x, ids, y):
    """y[i] = x[ids[i]]; False, and nothing done, if a number is out of range."""
    if not _inside(ids, x.shape[0]):
        return False
    n = ids.size
    if nt == 1:
        _take(np.int64(0), n, x, ids, y)
    else:
        for t in prange(nt):
            k = np.int64(t)
            _take(n * k // nt, n * (k + 1) // nt, x, ids, y)
    return True


@part
def _add(top, bottom, left, right, y, ids, x):
    # the part of the target from row top to bottom and from column left to right
    n, d = y.shape
    z, to, source, one = y.itemsize, y.ctypes.data, x.ctypes.data, y.dtype.type(1)
    if d == 1:
        a, b = view(to, n, one), view(source, ids.size, one)
        for i in range(ids.size):
            k = ids[i]
            k = k + n if k < 0 else k
            if top <= k < bottom:
                a[k] += b[i]
        return
    for i in range(ids.size):
        k = ids[i]
        k = k + n if k < 0 else k
        if top <= k < bottom:
            c = view(to + (k * d + left) * z, right - left, one)
            e = view(source + (i * d + left) * z, right - left, one)
            for j in range(c.size):
                c[j] += e[j]


@part
def _cut(n, t, nt, by):
    # where the share of thread t of n begins, at a multiple of `by`
    return n if t == nt else n * t // nt // by * by


@loop
def add_rows(nt, y, ids, x):
    """y[ids[i]] += x[i]; False, and nothing done, if a number is out of range."""
    n, d = y.shape
    zero = np.int64(0)
    if not _inside(ids, n):
        return False
    if nt == 1:
        _add(zero, n, zero, d, y, ids, x)
    else:
        for t in prange(nt):
            k = np.int64(t)
            if d >= 16 * nt:  # columns, whole cache lines of float32
                _add(zero, n, _cut(d, k, nt, 16), _cut(d, k + 1, nt, 16), y, ids, x)
            else:
                _add(_cut(n, k, nt, 1), _cut(n, k + 1, nt, 1), zero, d, y, ids, x)
    return True
