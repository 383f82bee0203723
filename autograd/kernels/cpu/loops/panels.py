"""Products of few rows with a matrix that stays the same over many steps, as the recurrent weight of a layer does.

The matrix is stored as panels of two vectors' columns, in the order in which tiles read it, once for all steps: a BLAS
packs it at each call, and read where it lies its rows of 1 KiB fall into the same few sets of the first cache.
"""

from __future__ import annotations

import numpy as np

from .jit import loop, part
from .share import divide
from .tiles import split, tile, turn
from .vectors import WIDTH

__all__ = ["fill", "pack", "times"]


@part
def _pack(lo, hi, w, turned, out):
    z, one, zero = w.itemsize, w.dtype.type(1), w.dtype.type(0)
    row, k, width = w.shape[1] * z, out.shape[1], out.shape[2]
    to = out.ctypes.data + lo * k * width * z
    if turned:
        turn(w.ctypes.data + lo * width * row, row, (hi - lo) * width, k, to, z, one, zero)
    else:
        split(w.ctypes.data + lo * width * z, row, k, (hi - lo) * width, to, z, one, zero)


@loop
def fill(nt, w, turned, out):
    """out = the panels of w, or of its transpose if `turned`."""
    divide(_pack, nt, out.shape[0], (w, turned, out))


def pack(w: np.ndarray, turned: bool, parts: int = 1) -> np.ndarray:
    """w or its transpose, (k, n), as panels (n / width, k, width); none if the columns of `parts` equal parts of it do
    not fill them."""
    width = 2 * WIDTH // w.itemsize
    k, n = w.shape[::-1] if turned else w.shape
    out = np.empty((n // width if n % (parts * width) == 0 else 0, k, width), w.dtype)
    if out.size:
        fill(1, w, turned, out)
    return out


_four, _one = tile(4), tile(1)


@part
def times(rows, a, lda, panels, first, last, c, ldc, add):
    """c (rows, ...) = a (rows, k) @ panels [first, last), or added to c; a and c: addresses, lda and ldc: elements."""
    z, zero = panels.itemsize, panels.dtype.type(0)
    k = panels.shape[1]
    for p in range(first, last):
        b = panels.ctypes.data + p * k * 2 * WIDTH
        out = c + (p - first) * 2 * WIDTH
        i = 0
        while i + 4 <= rows:
            to = out + i * ldc * z
            _four(a + i * lda * z, lda * z, z, b, 2 * WIDTH, k, to, ldc * z, to, ldc * z, add, zero)
            i += 4
        while i < rows:
            to = out + i * ldc * z
            _one(a + i * lda * z, lda * z, z, b, 2 * WIDTH, k, to, ldc * z, to, ldc * z, add, zero)
            i += 1
