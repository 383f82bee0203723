"""Matrix products by tiles, for operands that are small or thin: a BLAS needs as long to bring these into its forms.

The rows of the first operand are read where they lie if that is possible. The second is cut into blocks that stay in the
second cache while all rows pass over them. Threads share the rows, or the columns, or the terms of the sums.
"""

from __future__ import annotations

import math

import numpy as np

from .jit import loop, part
from .share import divide, each
from .tiles import ROWS, across, copy, split, strip, turn
from .vectors import WIDTH
from .views import view

__all__ = ["plan", "product", "shares"]

_LEAST, _MOST, _THIN = 1 << 19, 1 << 26, 128  # multiplications; the smallest side where there are more
_TERMS, _BYTES = 256, 1 << 18  # of a block of the second operand
_STRIPS = 8  # of a transposed first operand brought into place together: what they lie in is read once
_ALIAS = 1024  # bytes: rows so far apart, or a multiple of that, fall into few sets of the first cache


def plan(m: int, n: int, k: int, tx: bool, ty: bool, z: int, nt: int) -> tuple[np.ndarray, int] | None:
    """How to compute op(x) (m, k) @ op(y) (k, n) of numbers of z bytes, and how many numbers of memory that takes.

    None if a BLAS is as fast, as it is for large matrices, or if the product is not worth compiling this. tx, ty: which
    operands are stored transposed.
    """
    wide = 2 * WIDTH // z
    work = m * n * k
    if work < _LEAST or work > _MOST and min(m, n, k) > _THIN or m < 4 or n < wide:
        return None
    strips, panels = -(-m // ROWS), -(-n // wide)
    # in cycles: a row of tiles, and what it takes to bring the numbers of either operand into place
    tile, first, second = ROWS * k, m * k * (0.6 if tx else 0.3), n * k * (0.4 if ty else 0.3)
    costs = (
        -(-strips // nt) * panels * tile + first / nt + second,
        -(-panels // nt) * strips * tile + first + second / nt + m * n * 0.1,  # each row is written in pieces
        strips * panels * tile / nt + (first + second) / nt + m * n + 10_000 if k >= 8 * nt else math.inf,
    )
    return shares(costs.index(min(costs)) if nt > 1 else 0, m, n, k, tx, ty, z, nt)


def shares(way: int, m: int, n: int, k: int, tx: bool, ty: bool, z: int, nt: int) -> tuple[np.ndarray, int]:
    """For each thread its rows, columns and terms, and what else it needs; how many numbers of memory all take.

    way: threads share the rows (0), the columns (1) or the terms (2: eight at least for each), of which all but the first
    compute their sums beside.
    """
    wide = 2 * WIDTH // z
    blocks = -(-k // _TERMS)
    terms = -(-k // (8 * blocks)) * 8
    columns = min(-(-n // wide), _BYTES // (terms * wide * z)) * wide
    each = terms * columns + (terms + 16) * ROWS * (_STRIPS if tx else 1) + ROWS * wide
    unit, end = ((ROWS, m), (wide, n), (8, k))[way]
    parts = -(-end // unit)
    strides = (m if tx else k) * z, (k if ty else n) * z
    p = np.empty((nt, 14), np.int64)
    for t in range(nt):
        mine = [(0, m), (0, n), (0, k)]
        mine[way] = min(end, parts * t // nt * unit), min(end, parts * (t + 1) // nt * unit)
        beside = (nt * each + (t - 1) * m * n) * z if way == 2 and t else 0
        p[t] = (*mine[0], *mine[1], *mine[2], beside, tx, ty, *strides, terms, columns, t * each * z)
    return p, nt * each + ((nt - 1) * m * n if way == 2 else 0)


@part
def _place(tile, rows, n, to, to_row, given, given_row, zero):
    # the first n columns of a tile, plus given if there is one
    for i in range(rows):
        x, y = view(tile + i * 2 * WIDTH, n, zero), view(to + i * to_row, n, zero)
        g = view(given + i * given_row, n, zero)
        for j in range(n):
            y[j] = x[j] + g[j] if given else x[j]


@part
def _product(t, nt, p, x, y, b, out, work):
    top, bottom, left, right, low, high, beside = p[t, 0], p[t, 1], p[t, 2], p[t, 3], p[t, 4], p[t, 5], p[t, 6]
    tx, ty, row_x, row_y, terms, columns = p[t, 7], p[t, 8], p[t, 9], p[t, 10], p[t, 11], p[t, 12]
    zero, one, z = out.dtype.type(0), out.dtype.type(1), out.itemsize
    wide, row = 2 * WIDTH // z, out.shape[1] * z
    block = work.ctypes.data + p[t, 13]
    rows_of_x = block + terms * columns * z
    one_strip = (terms + 16) * ROWS * z
    edge = rows_of_x + one_strip * (_STRIPS if tx else 1)
    to = work.ctypes.data + beside if beside else out.ctypes.data
    bias = b.ctypes.data if b.size and not beside else 0
    for j0 in range(left, right, columns):
        j1 = min(right, j0 + columns)
        for k0 in range(low, high, terms):
            kc = min(terms, high - k0)
            if ty:
                turn(y.ctypes.data + j0 * row_y + k0 * z, row_y, j1 - j0, kc, block, z, one, zero)
            else:
                split(y.ctypes.data + k0 * row_y + j0 * z, row_y, kc, j1 - j0, block, z, one, zero)
            for i in range(top, bottom, ROWS):
                rows = min(ROWS, bottom - i)
                a, a_row, a_k = x.ctypes.data + i * row_x + k0 * z, row_x, z
                if tx:
                    s = (i - top) // ROWS % _STRIPS
                    if s == 0:
                        some = min(bottom - i, _STRIPS * ROWS)
                        first = x.ctypes.data + k0 * row_x + i * z
                        across(first, row_x, kc, some, out.shape[0] - i, rows_of_x, one_strip, z, zero)
                    a, a_row, a_k = rows_of_x + s * one_strip, z, ROWS * z
                elif rows < ROWS or row_x % _ALIAS == 0 and j1 - j0 > 4 * wide:
                    copy(a, row_x, rows, kc, rows_of_x, (kc + 16) * z, ROWS, kc, one, zero)
                    a, a_row = rows_of_x, (kc + 16) * z
                j = j0
                while j < j1:
                    # whole tiles are added to what is there, or to the bias; others are computed beside
                    c = to + i * row + j * z
                    given, given_row = (c, row) if k0 > low else (bias + j * z if bias else 0, 0)
                    count = (j1 - j) // wide if rows == ROWS else 0
                    b_at = block + (j - j0) * kc * z
                    strip(
                        a, a_row, a_k, b_at, kc * 2 * WIDTH, 2 * WIDTH, kc, c if count else edge,
                        row if count else 2 * WIDTH, given, given_row, count > 0 and given != 0, max(1, count), zero,
                    )  # fmt: skip
                    if count == 0:
                        _place(edge, rows, min(wide, j1 - j), c, row, given, given_row, zero)
                    j += max(1, count) * wide


@part
def _add(lo, hi, p, out, work, nt):
    zero, z = out.dtype.type(0), out.itemsize
    x = view(out.ctypes.data + lo * z, hi - lo, zero)
    for t in range(1, nt):
        y = view(work.ctypes.data + p[t, 6] + lo * z, hi - lo, zero)
        for i in range(hi - lo):
            x[i] += y[i]


@loop
def product(nt, p, x, y, b, out, work):
    """out = op(x) @ op(y) + b for contiguous matrices. b: (n,), or of size 0 for none; p: from `plan`."""
    each(_product, nt, (p, x, y, b, out, work))
    if p[nt - 1, 6]:
        divide(_add, nt, out.size, (p, out, work, nt))
