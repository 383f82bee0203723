"""Loops that read rows of a table by their numbers, and add rows up into a table.

Sums are in the order of the sources whatever the number of threads: each thread has columns, or rows of the target, of
its own.
"""

from __future__ import annotations

import numpy as np

from .jit import loop, part
from .share import divide, each
from .views import view

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
    divide(_take, nt, n, (x, ids, y))
    return True


@part
def _cut(n, t, nt):
    # where the share of thread t of n begins, at a multiple of 16
    return n if t == nt else n * t // nt // 16 * 16


@part
def _add(t, nt, y, ids, x):
    # a thread's part of the target, from row top to bottom and from column left to right
    n, d = y.shape
    top, bottom, left, right = 0, n, 0, d
    if d >= 16 * nt:  # columns, whole cache lines of float32
        left, right = _cut(d, t, nt), _cut(d, t + 1, nt)
    else:
        top, bottom = n * t // nt, n * (t + 1) // nt
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


@loop
def add_rows(nt, y, ids, x):
    """y[ids[i]] += x[i]; False, and nothing done, if a number is out of range."""
    if not _inside(ids, y.shape[0]):
        return False
    each(_add, nt, (y, ids, x))
    return True
