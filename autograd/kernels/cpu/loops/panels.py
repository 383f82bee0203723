"""Products of few rows with a matrix that stays the same over many steps, as the recurrent weight of a layer does.

The matrix is stored as panels of two vectors' columns, in the order in which tiles read it, once for all steps: a BLAS
packs it at each call, and read where it lies its rows fall into the same few sets of the first cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

from .conv_direct import WIDTH, Code
from .jit import part

__all__ = ["pack", "times"]

intrinsic: Any = _intrinsic


def pack(b: np.ndarray, parts: int) -> np.ndarray:
    """b (k, n) as panels (n / width, k, width); none if the columns of `parts` equal parts of it do not fill them."""
    width = 2 * WIDTH // b.itemsize
    k, n = b.shape
    if n % (parts * width):
        return np.empty((0, k, width), b.dtype)
    return np.ascontiguousarray(b.reshape(k, n // width, width).transpose(1, 0, 2))


def _tile(rows: int) -> Any:
    @intrinsic
    def tile(typingctx, a, lda, b, k, c, ldc, add, number):
        """c[r, :] = sum over k of a[r, k] * b[k, :] for two vectors of columns, plus what is there if `add`."""

        def generate(context, builder, signature, args):
            a, lda, b, k, c, ldc, add, _ = args
            code = Code(context, builder, signature.args[-1])
            acc = code.accumulators(rows, 2)
            starts = [builder.add(a, builder.mul(lda, code.const(r))) for r in range(rows)]
            places = [
                [builder.add(builder.add(c, builder.mul(ldc, code.const(r))), code.const(v * WIDTH)) for v in range(2)]
                for r in range(rows)
            ]
            with builder.if_then(add):
                for r in range(rows):
                    for v in range(2):
                        builder.store(code.load(places[r][v]), acc[r][v])
            with cgutils.for_range(builder, k, intp=code.int) as loop:
                base = builder.add(b, builder.mul(loop.index, code.const(2 * WIDTH)))
                columns = [code.load(base, v * WIDTH) for v in range(2)]
                at = builder.mul(loop.index, code.const(code.size))
                for r in range(rows):
                    s = code.spread(builder.add(starts[r], at), 0)
                    for v in range(2):
                        code.multiply_add(acc[r][v], s, columns[v])
            for r in range(rows):
                for v in range(2):
                    builder.store(builder.load(acc[r][v]), code.at(places[r][v], code.vector), align=code.size)
            return context.get_dummy_value()

        i = types.intp
        return types.void(i, i, i, i, i, i, types.boolean, number), generate

    return tile


_four, _one = _tile(4), _tile(1)


@part
def times(rows, a, lda, panels, first, last, c, ldc, add):
    """c (rows, ...) = a (rows, k) @ panels [first, last), or added to c; a and c: addresses, lda and ldc: elements."""
    z, number = panels.itemsize, panels.dtype.type(0)
    k, width = panels.shape[1], panels.shape[2]
    for p in range(first, last):
        b = panels.ctypes.data + p * k * width * z
        out = c + (p - first) * width * z
        i = 0
        while i + 4 <= rows:
            _four(a + i * lda * z, lda * z, b, k, out + i * ldc * z, ldc * z, add, number)
            i += 4
        while i < rows:
            _one(a + i * lda * z, lda * z, b, k, out + i * ldc * z, ldc * z, add, number)
            i += 1
