"""Matrix products by tiles, for operands that are small or thin: a BLAS needs as long to bring these into its forms.

The rows of the first operand are read where they lie if that is possible. The second is cut into blocks that stay in the
second cache while all rows pass over them. Threads share the rows, or the columns, or the terms of the sums.
"""

from __future__ import annotations

from .jit import loop, part
from .share import divide, each
from .tiles import ROWS, copy, split, strip, turn
from .vectors import WIDTH
from .views import view

__all__ = ["ROWS", "memory", "product", "tile_columns"]

_TERMS, _BYTES = 256, 1 << 18  # of a block of the second operand
_ALIAS = 1024  # bytes: rows so far apart, or a multiple of that, fall into few sets of the first cache


def tile_columns(itemsize: int) -> int:
    """The columns of a tile."""
    return 2 * WIDTH // itemsize


def memory(k: int, n: int, itemsize: int) -> tuple[int, int, int]:
    """(terms and columns of a block of the second operand, numbers that a thread has to remember)."""
    blocks = -(-k // _TERMS)
    terms = -(-k // (8 * blocks)) * 8
    wide = tile_columns(itemsize)
    columns = min(-(-n // wide), _BYTES // (terms * wide * itemsize)) * wide
    return terms, columns, terms * columns + (terms + 16) * ROWS + ROWS * wide


@part
def _across(source, row, k, n, to, z, zero):
    # source (k, n <= ROWS) with zeros beside
    for i in range(k):
        x, y = view(source + i * row, n, zero), view(to + i * ROWS * z, ROWS, zero)
        if n == ROWS:
            for j in range(ROWS):
                y[j] = x[j]
        else:
            for j in range(ROWS):
                y[j] = x[j] if j < n else zero


@part
def _place(tile, rows, n, to, to_row, given, given_row, add, z, zero):
    # the first n columns of a tile, plus given if add
    for i in range(rows):
        x, y = view(tile + i * 2 * WIDTH, n, zero), view(to + i * to_row, n, zero)
        g = view(given + i * given_row, n, zero)
        if add:
            for j in range(n):
                y[j] = x[j] + g[j]
        else:
            for j in range(n):
                y[j] = x[j]


@part
def _product(t, nt, way, x, tx, y, ty, b, out, work, terms, columns):
    m, n = out.shape
    k = x.shape[0] if tx else x.shape[1]
    zero, one, z = out.dtype.type(0), out.dtype.type(1), out.itemsize
    wide = 2 * WIDTH // z
    row_x, row_y, row = (m if tx else k) * z, (k if ty else n) * z, n * z
    top, bottom, left, right, low, high = 0, m, 0, n, 0, k
    to = out.ctypes.data
    if way == 0:
        count = (m + ROWS - 1) // ROWS
        top, bottom = min(m, count * t // nt * ROWS), min(m, count * (t + 1) // nt * ROWS)
    elif way == 1:
        count = (n + wide - 1) // wide
        left, right = min(n, count * t // nt * wide), min(n, count * (t + 1) // nt * wide)
    else:
        count = (k + 7) // 8
        low, high = min(k, count * t // nt * 8), min(k, count * (t + 1) // nt * 8)
        if t:
            to = work.ctypes.data + (nt * work.shape[1] + (t - 1) * m * n) * z
    block = work.ctypes.data + t * work.shape[1] * z
    rows_of_x = block + terms * columns * z
    edge = rows_of_x + (terms + 16) * ROWS * z
    biased = b.size > 0 and (way < 2 or t == 0)
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
                    _across(x.ctypes.data + k0 * row_x + i * z, row_x, kc, rows, rows_of_x, z, zero)
                    a, a_row, a_k = rows_of_x, z, ROWS * z
                elif rows < ROWS or row_x % _ALIAS == 0 and j1 - j0 > 4 * wide:
                    copy(a, row_x, rows, kc, rows_of_x, (kc + 16) * z, ROWS, kc, one, zero)
                    a, a_row = rows_of_x, (kc + 16) * z
                j = j0
                while j < j1:
                    c = to + i * row + j * z
                    count = (j1 - j) // wide if rows == ROWS else 0
                    # whole tiles are added to what is there, or to the bias; others are computed beside
                    inside = count > 0
                    add = inside and (k0 > low or biased)
                    given, given_row = (c, row) if k0 > low else (b.ctypes.data + j * z, 0)
                    count = max(1, count)
                    strip(
                        a, a_row, a_k, block + (j - j0) * kc * z, kc * 2 * WIDTH, 2 * WIDTH, kc,
                        c if inside else edge, row if inside else 2 * WIDTH, given, given_row, add, count, zero,
                    )  # fmt: skip
                    if not inside:
                        _place(edge, rows, min(wide, j1 - j), c, row, given, given_row, k0 > low or biased, z, zero)
                    j += count * wide


@part
def _add(lo, hi, out, work, nt):
    zero, z = out.dtype.type(0), out.itemsize
    x = view(out.ctypes.data + lo * z, hi - lo, zero)
    for t in range(nt - 1):
        y = view(work.ctypes.data + (nt * work.shape[1] + t * out.size + lo) * z, hi - lo, zero)
        for i in range(hi - lo):
            x[i] += y[i]


@loop
def product(nt, way, x, tx, y, ty, b, out, work, terms, columns):
    """out = op(x) @ op(y) + b for contiguous matrices, where tx and ty say which are stored transposed.

    way: threads share the rows (0), the columns (1) or the terms (2), for which there has to be another out for each
    thread but the first behind what `memory` says; b: (n,), or of size 0 for none.
    """
    each(_product, nt, (way, x, tx, y, ty, b, out, work, terms, columns))
    if way == 2:
        divide(_add, nt, out.size, (out, work, nt))
