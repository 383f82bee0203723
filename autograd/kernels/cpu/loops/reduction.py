"""Sums, and sums of squared deviations, over any adjacent dimensions.

Everything is added up in blocks of one size, and the sums of the blocks in float64 and in their order: the result does
not depend on the number of threads, and its error is no larger than that of NumPy's pairwise sum.
"""

from __future__ import annotations

import numpy as np

from .jit import loop, part
from .share import divide
from .views import view

__all__ = ["along_rows", "down_columns"]

BLOCK = np.int64(1024)  # neighbours in one block
ROWS = np.int64(64)  # rows in one block of columns
WIDTH = np.int64(1024)  # columns that are added up together, so that their sums stay in the first cache


@part
def _sum(x):
    s = x.dtype.type(0)
    for i in range(x.size):
        s += x[i]
    return s


@part
def _deviations(x, mean):
    s = x.dtype.type(0)
    for i in range(x.size):
        d = x[i] - mean
        s += d * d
    return s


@part
def _row_blocks(lo, hi, x, n, about, k, sums):
    # blocks [lo, hi) of rows of n numbers; row r belongs to result r % k; about: the means, or nothing
    per = (n + BLOCK - 1) // BLOCK
    z, at, one = x.itemsize, x.ctypes.data, x.dtype.type(1)
    for i in range(lo, hi):
        r = i // per
        begin = (i - r * per) * BLOCK
        v = view(at + (r * n + begin) * z, min(BLOCK, n - begin), one)
        if about.size:
            sums[i] = _deviations(v, about[r % k])
        else:
            sums[i] = _sum(v)


@part
def _gather(sums, a, k, per, out):
    # out[j] = the sum of the blocks of rows (i, j), i < a
    for j in range(k):
        s = 0.0
        for i in range(a):
            for b in range((i * k + j) * per, (i * k + j + 1) * per):
                s += sums[b]
        out[j] = s


@loop
def along_rows(nt, x, a, k, n, about, sums, out):
    """out[j] = the sum of x[:, j, :], x (a, k, n) flat; with about (k,), of the squares of x[:, j, :] - about[j].

    sums: float64, a number for each block of each row.
    """
    m = sums.size
    divide(_row_blocks, nt, m, (x, n, about, k, sums))
    _gather(sums, a, k, (n + BLOCK - 1) // BLOCK, out)


@part
def _add_four(s, a, b, c, d):
    for j in range(s.size):
        s[j] += (a[j] + b[j]) + (c[j] + d[j])


@part
def _add_one(s, a):
    for j in range(s.size):
        s[j] += a[j]


@part
def _add_square(s, a, m):
    for j in range(s.size):
        d = a[j] - m[j]
        s[j] += d * d


@part
def _column_blocks(lo, hi, x, r, k, about, sums):
    # blocks [lo, hi) of matrices (r, k): each of ROWS rows and all columns
    per = (r + ROWS - 1) // ROWS
    z, at, to, one = x.itemsize, x.ctypes.data, sums.ctypes.data, x.dtype.type(1)
    mean, squares = about.ctypes.data, about.size > 0
    for i in range(lo, hi):
        o = i // per
        top = (i - o * per) * ROWS
        rows = min(ROWS, r - top)
        for c in range(np.int64(0), k, WIDTH):
            w = min(WIDTH, k - c)
            s = view(to + (i * k + c) * z, w, one)
            first = at + ((o * r + top) * k + c) * z
            s[:] = x.dtype.type(0)
            j = np.int64(0)
            if squares:
                m = view(mean + (o * k + c) * z, w, one)
                while j < rows:
                    _add_square(s, view(first + j * k * z, w, one), m)
                    j += 1
            while j + 4 <= rows:
                p = first + j * k * z
                _add_four(
                    s, view(p, w, one), view(p + k * z, w, one), view(p + 2 * k * z, w, one),
                    view(p + 3 * k * z, w, one),
                )  # fmt: skip
                j += 4
            while j < rows:
                _add_one(s, view(first + j * k * z, w, one))
                j += 1


@part
def _gather_columns(sums, per, k, total, out):
    # out[o] = the sum of rows [o * per, (o + 1) * per) of sums
    for o in range(out.size // k):
        total[:] = 0.0
        for b in range(o * per, (o + 1) * per):
            for j in range(k):
                total[j] += sums[b * k + j]
        for j in range(k):
            out[o * k + j] = total[j]


@loop
def down_columns(nt, x, r, k, about, sums, out):
    """out[o] = the sum of the rows of x[o], x (o, r, k) flat; with about (o, k), of the squares of x[o] - about[o].

    sums: k numbers for each block of rows.
    """
    m = sums.size // k
    divide(_column_blocks, nt, m, (x, r, k, about, sums))
    if r > ROWS:
        _gather_columns(sums, (r + ROWS - 1) // ROWS, k, np.empty(k), out)
