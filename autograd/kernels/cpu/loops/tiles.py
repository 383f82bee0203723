"""Tiles of matrix products: rows of one operand times two vectors of columns of the other, held in registers.

The first operand is read where it lies, number by number, so it may be stored either way; of the second, rows of two
vectors are read, so it has to have contiguous rows: `copy` and `turn` bring it into that form. A BLAS brings both into
forms of its own at each call, which for few rows or for many small products costs as much as the product.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

from .jit import part
from .vectors import WIDTH, Code
from .views import view

__all__ = ["ROWS", "across", "copy", "split", "strip", "tile", "turn"]

intrinsic: Any = _intrinsic

ROWS = 12 if WIDTH == 64 else 6  # of a tile, which leave registers for the operands


def tile(rows: int) -> Any:
    """A function for loops that computes a tile of `rows` rows and two vectors of columns."""

    @intrinsic
    def compute(typingctx, a, a_row, a_k, b, b_k, k, c, c_row, to_add, to_add_row, add, number):
        """c[r, :] = sum over k of a[r, k] * b[k, :], plus to_add[r, :] if `add`; addresses, and steps in bytes."""

        def generate(context, builder, signature, args):
            a, a_row, a_k, b, b_k, k, c, c_row, to_add, to_add_row, add, _ = args
            code = Code(context, builder, signature.args[-1])
            acc = code.accumulators(rows, 2)
            starts, places = [a], [c]
            for _ in range(1, rows):
                starts.append(builder.add(starts[-1], a_row))
                places.append(builder.add(places[-1], c_row))
            for place in places:
                code.prefetch(place)
            with builder.if_then(add):
                for row in acc:
                    for v in range(2):
                        builder.store(code.load(to_add, v * WIDTH), row[v])
                    to_add = builder.add(to_add, to_add_row)
            with cgutils.for_range(builder, k, intp=code.int) as loop:
                base = builder.add(b, builder.mul(loop.index, b_k))
                columns = [code.load(base, v * WIDTH) for v in range(2)]
                at = builder.mul(loop.index, a_k)
                for start, row in zip(starts, acc, strict=True):
                    s = code.spread(builder.add(start, at), 0)
                    for v in range(2):
                        code.multiply_add(row[v], s, columns[v])
            for place, row in zip(places, acc, strict=True):
                for v in range(2):
                    to = code.at(builder.add(place, code.const(v * WIDTH)), code.vector)
                    builder.store(builder.load(row[v]), to, align=code.size)
            return context.get_dummy_value()

        i = types.intp
        return types.void(i, i, i, i, i, i, i, i, i, i, types.boolean, number), generate

    return compute


_tile = tile(ROWS)


@part
def strip(a, a_row, a_k, b, b_next, b_k, k, c, c_row, to_add, to_add_row, add, count, number):
    """c (ROWS, columns) = a (ROWS, k) @ b (k, columns), plus to_add if `add`, for `count` times two vectors of columns.

    a, b, c: addresses; a_row, a_k, b_k, c_row: bytes from one row or term to the next; b_next: from two vectors of b to
    the two beside them.
    """
    for j in range(count):
        at = j * (2 * WIDTH)
        _tile(a, a_row, a_k, b + j * b_next, b_k, k, c + at, c_row, to_add + at, to_add_row, add, number)


@intrinsic
def _pairs(typingctx, source, row, to, n, number):
    """to (n, 2 vectors) = the first two vectors of each row of source."""

    def generate(context, builder, signature, args):
        source, row, to, n, _ = args
        code = Code(context, builder, signature.args[-1])
        with cgutils.for_range(builder, n, intp=code.int) as loop:
            x = builder.add(source, builder.mul(row, loop.index))
            y = builder.add(to, builder.mul(loop.index, code.const(2 * WIDTH)))
            for v in range(2):
                place = code.at(builder.add(y, code.const(v * WIDTH)), code.vector)
                builder.store(code.load(x, v * WIDTH), place, align=code.size)
        return context.get_dummy_value()

    i = types.intp
    return types.void(i, i, i, i, number), generate


@intrinsic
def _rows(typingctx, source, row, k, count, to, to_next, number):
    """ROWS numbers of each of k rows of source, for `count` strips beside each other; writes up to a vector more."""

    def generate(context, builder, signature, args):
        source, row, k, count, to, to_next, _ = args
        code = Code(context, builder, signature.args[-1])
        size = ROWS * code.size
        with cgutils.for_range(builder, k, intp=code.int) as term:
            x = builder.add(source, builder.mul(row, term.index))
            y = builder.add(to, builder.mul(term.index, code.const(size)))
            with cgutils.for_range(builder, count, intp=code.int) as strip:
                x_at = builder.add(x, builder.mul(strip.index, code.const(size)))
                y_at = builder.add(y, builder.mul(strip.index, to_next))
                for v in range(-(-size // WIDTH)):
                    place = code.at(builder.add(y_at, code.const(v * WIDTH)), code.vector)
                    builder.store(code.load(x_at, v * WIDTH), place, align=code.size)
        return context.get_dummy_value()

    i = types.intp
    return types.void(i, i, i, i, i, i, number), generate


@part
def across(source, row, k, n, there, to, to_next, z, zero):
    """Source (k, n) as strips (k, ROWS), the last filled with zeros; to_next: bytes from one to the next, a vector more
    than it has. there: the numbers that each row of source has at least."""
    vectors = -(-ROWS * z // WIDTH) * WIDTH
    whole = min(n // ROWS, (there * z - vectors) // (ROWS * z) + 1 if there * z >= vectors else 0)
    _rows(source, row, k, whole, to, to_next, zero)
    for j in range(whole * ROWS, n, ROWS):
        some = min(ROWS, n - j)
        for i in range(k):
            x, y = view(source + i * row + j * z, some, zero), view(to + j // ROWS * to_next + i * ROWS * z, ROWS, zero)
            for r in range(ROWS):
                y[r] = x[r] if r < some else zero


@part
def copy(source, row, rows, n, to, to_row, to_rows, width, factor, zero):
    """to (to_rows, width) = source (rows, n) * factor with zeros behind and below; row, to_row: bytes between rows."""
    for i in range(to_rows):
        some = n if i < rows else 0
        x = view(source + min(i, rows - 1) * row, some, zero)
        y = view(to + i * to_row, width, zero)
        for j in range(some):
            y[j] = x[j] * factor
        for j in range(np.uintp(some), np.uintp(width)):
            y[j] = zero


@part
def split(source, row, k, n, to, z, one, zero):
    """Source (k, n) as blocks (k, 2 vectors), the last filled with zeros."""
    width = 2 * WIDTH // z
    for j in range(0, n, width):
        if j + width <= n:
            _pairs(source + j * z, row, to, k, zero)
        else:
            copy(source + j * z, row, k, n - j, to, 2 * WIDTH, k, width, one, zero)
        to += k * 2 * WIDTH


@intrinsic
def _square(typingctx, source, row, to, to_row, factor):
    """to[j, i] = source[i, j] * factor for as many rows and columns as a vector has numbers."""

    def generate(context, builder, signature, args):
        source, row, to, to_row, factor = args
        code = Code(context, builder, signature.args[-1])
        n = code.lanes
        by = code.splat(factor)
        rows = [builder.fmul(code.load(builder.add(source, builder.mul(row, code.const(i)))), by) for i in range(n)]
        kind, half = ir.VectorType(ir.IntType(32), n), 1
        while half < n:  # exchanges the off-diagonal blocks of `half` rows and columns
            low = ir.Constant(kind, [n + j - half if j & half else j for j in range(n)])
            high = ir.Constant(kind, [n + j if j & half else j + half for j in range(n)])
            for i in range(n):
                if not i & half:
                    x, y = rows[i], rows[i + half]
                    rows[i], rows[i + half] = builder.shuffle_vector(x, y, low), builder.shuffle_vector(x, y, high)
            half *= 2
        for j in range(n):
            place = code.at(builder.add(to, builder.mul(to_row, code.const(j))), code.vector)
            builder.store(rows[j], place, align=code.size)
        return context.get_dummy_value()

    i = types.intp
    return types.void(i, i, i, i, factor), generate


@part
def turn(source, row, rows, n, to, z, factor, zero):
    """The transpose of source (rows, n) * factor as blocks (n, 2 vectors), the last filled with zeros; z: itemsize."""
    width = 2 * WIDTH // z
    lanes = WIDTH // z
    for first in range(0, rows, width):
        whole = n // lanes * lanes if first + width <= rows else 0
        for j in range(0, whole, lanes):
            for half in range(2):
                _square(source + (first + half * lanes) * row + j * z, row, to + (j * width + half * lanes) * z,
                        width * z, factor)  # fmt: skip
        for i in range(width):
            x = view(source + min(first + i, rows - 1) * row, n, factor)
            y = view(to + i * z, n * width - i, factor)
            for j in range(whole, n):
                y[j * width] = x[j] * factor if first + i < rows else zero
        to += n * width * z
