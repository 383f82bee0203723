"""Products of few rows with a matrix that stays the same over many steps, as the recurrent weight of a layer does.

The matrix is stored as panels of two vectors' columns, in the order in which tiles read it, once for all steps: a BLAS
packs it at each call, and read where it lies its rows of 1 KiB fall into the same few sets of the first cache.
"""

from __future__ import annotations

import numpy as np

from .jit import part
from .tiles import tile
from .vectors import WIDTH

__all__ = ["pack", "times"]


def pack(b: np.ndarray, parts: int) -> np.ndarray:
    """b (k, n) as panels (n / width, k, width); none if the columns of `parts` equal parts of it do not fill them."""
    width = 2 * WIDTH // b.itemsize
    k, n = b.shape
    if n % (parts * width):
        return np.empty((0, k, width), b.dtype)
    return np.ascontiguousarray(b.reshape(k, n // width, width).transpose(1, 0, 2))


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
