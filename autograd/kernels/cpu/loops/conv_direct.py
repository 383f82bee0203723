"""Convolution on padded planes without columns in memory: products of tiles held in registers, written as LLVM vectors.

A source (channels of some padded images, one behind the other in memory) is seen as flat rows; the element that tap k
needs for output position p is at p + offset[k], so that every tap of every channel is one more term of a matrix product
whose second operand is never built. `gather` computes R output channels at V vectors of positions, and `correlate` the
sums over positions of R rows of gradients times T shifted rows of the source. Numba's own loops reach about a third of
their speed: LLVM does not keep such a tile in registers by itself.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

from .jit import part
from .vectors import WIDTH, Code

__all__ = ["CORRELATE", "GATHER", "copy", "correlate", "gather", "pick"]

intrinsic: Any = _intrinsic

# Rows of a tile -> its vectors (`gather`) or taps (`correlate`). As many accumulators as leave registers for the operands:
# of 32 with AVX-512, of 16 otherwise. The wrapper takes the rows that waste least.
GATHER = {8: 3, 6: 4, 4: 6, 1: 8} if WIDTH == 64 else {6: 2, 4: 3, 2: 5, 1: 6}
CORRELATE = {8: 3, 6: 4, 4: 5, 1: 9} if WIDTH == 64 else {4: 3, 3: 4, 2: 5, 1: 9}
_G0, _G1, _G2, _G3 = GATHER
_C0, _C1, _C2, _C3 = CORRELATE


def _gather(rows: int, vectors: int) -> Any:
    @intrinsic
    def tile(typingctx, x, offsets, n, w, y, pitch, number):
        """y[r * pitch + p] = sum over k < n of w[k * rows + r] * x[p + offsets[k]], for `vectors` vectors of p."""

        def generate(context, builder, signature, args):
            x, offsets, n, w, y, pitch, _ = args
            c = Code(context, builder, signature.args[-1])
            acc = c.accumulators(rows, vectors)
            with cgutils.for_range(builder, n, intp=c.int) as loop:
                base = builder.add(x, c.integer(offsets, loop.index))
                weight = builder.add(w, builder.mul(loop.index, c.const(rows * c.size)))
                xs = [c.load(base, v * WIDTH) for v in range(vectors)]
                for r in range(rows):
                    s = c.spread(weight, r * c.size)
                    for v in range(vectors):
                        c.multiply_add(acc[r][v], s, xs[v])
            for r in range(rows):
                row = builder.add(y, builder.mul(pitch, c.const(r)))
                for v in range(vectors):
                    place = c.at(builder.add(row, c.const(v * WIDTH)), c.vector)
                    builder.store(builder.load(acc[r][v]), place, align=c.size)
            return context.get_dummy_value()

        i = types.intp
        return types.void(i, i, i, i, i, i, number), generate

    return tile


def _correlate(rows: int, count: int) -> Any:
    @intrinsic
    def tile(typingctx, g, grads, x, offsets, n, out, pitch, number):
        """out[r * pitch + k] += sum over p < n vectors of g[p + grads[r]] * x[p + offsets[k]], for `count` taps k."""

        def generate(context, builder, signature, args):
            g, grads, x, offsets, n, out, pitch, _ = args
            c = Code(context, builder, signature.args[-1])
            acc = c.accumulators(rows, count)
            gs = [builder.add(g, c.integer(grads, c.const(r))) for r in range(rows)]
            xs = [builder.add(x, c.integer(offsets, c.const(k))) for k in range(count)]
            with cgutils.for_range(builder, n, intp=c.int) as loop:
                at = builder.mul(loop.index, c.const(WIDTH))
                taps = [c.load(builder.add(k, at)) for k in xs]
                for r in range(rows):
                    v = c.load(builder.add(gs[r], at))
                    for k in range(count):
                        c.multiply_add(acc[r][k], v, taps[k])
            for r in range(rows):
                row = builder.add(out, builder.mul(pitch, c.const(r)))
                for k in range(count):
                    place = c.at(builder.add(row, c.const(k * c.size)), c.element)
                    total = builder.fadd(builder.load(place, align=c.size), c.total(acc[r][k]))
                    builder.store(total, place, align=c.size)
            return context.get_dummy_value()

        i = types.intp
        return types.void(i, i, i, i, i, i, i, number), generate

    return tile


@intrinsic
def _one(typingctx, x, y, add):
    """The number at x plus add, to y."""

    def generate(context, builder, signature, args):
        c = Code(context, builder, signature.args[-1])
        number = builder.load(c.at(args[0], c.element), align=c.size)
        builder.store(builder.fadd(number, args[2]), c.at(args[1], c.element), align=c.size)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, add), generate


def _copy(width: int, step: int) -> Any:
    @intrinsic
    def row(typingctx, x, y, n, add):
        """y[j] = x[j * step] + add for j < n, where n is at least the lanes of `width` bytes; step: 1 or 2.

        The last vector overlaps the one before. Nothing behind x[(n - 1) * step] is read.
        """

        def generate(context, builder, signature, args):
            x, y, n, add = args
            c = Code(context, builder, signature.args[-1], width)
            more = c.splat(add)
            last = builder.mul(builder.sub(n, c.const(c.lanes)), c.const(c.size))
            picks = [*range(0, c.lanes, 2), *range(c.lanes + 1, 2 * c.lanes, 2)]  # the second vector begins one earlier
            mask = ir.Constant(ir.VectorType(ir.IntType(32), c.lanes), picks)

            def move(at):
                if step == 1:
                    v = c.load(builder.add(x, at))
                else:
                    begin = builder.add(x, builder.mul(at, c.const(2)))
                    v = builder.shuffle_vector(c.load(begin), c.load(begin, (c.lanes - 1) * c.size), mask)
                builder.store(builder.fadd(v, more), c.at(builder.add(y, at), c.vector), align=c.size)

            with cgutils.for_range(builder, builder.sdiv(n, c.const(c.lanes)), intp=c.int) as loop:
                move(builder.mul(loop.index, c.const(width)))
            move(last)
            return context.get_dummy_value()

        i = types.intp
        return types.void(i, i, i, add), generate

    return row


_N0, _N1, _N2 = WIDTH, max(16, WIDTH // 2), 16
_v0, _v1, _v2 = (_copy(n, 1) for n in (_N0, _N1, _N2))
_w0, _w1, _w2 = (_copy(n, 2) for n in (_N0, _N1, _N2))


@part
def copy(x, y, n, size, add):
    """y[j] = x[j] + add for n numbers of `size` bytes at addresses: rows are short, and LLVM's loops have long ends."""
    if n * size >= _N0:
        _v0(x, y, n, add)
    elif n * size >= _N1:
        _v1(x, y, n, add)
    elif n * size >= _N2:
        _v2(x, y, n, add)
    else:
        for j in range(n):
            _one(x + j * size, y + j * size, add)


@part
def pick(x, y, n, step, size, add):
    """y[j] = x[j * step] + add, as `copy`."""
    if step == 2 and n * size >= _N0:
        _w0(x, y, n, add)
    elif step == 2 and n * size >= _N1:
        _w1(x, y, n, add)
    elif step == 2 and n * size >= _N2:
        _w2(x, y, n, add)
    else:
        for j in range(n):
            _one(x + j * step * size, y + j * size, add)


_g0, _g1, _g2, _g3 = (_gather(r, v) for r, v in GATHER.items())
_c0, _c1, _c2, _c3 = (_correlate(r, k) for r, k in CORRELATE.items())


@part
def gather(rows, x, offsets, n, w, y, pitch, number):
    """One tile of `rows` output channels: addresses, and `pitch` in bytes; number: any of the element type."""
    if rows == _G0:
        _g0(x, offsets, n, w, y, pitch, number)
    elif rows == _G1:
        _g1(x, offsets, n, w, y, pitch, number)
    elif rows == _G2:
        _g2(x, offsets, n, w, y, pitch, number)
    else:
        _g3(x, offsets, n, w, y, pitch, number)


@part
def correlate(rows, g, grads, x, offsets, n, out, pitch, number):
    """One tile of `rows` gradients by its taps over n vectors; arguments as for `gather`, added to what is there."""
    if rows == _C0:
        _c0(g, grads, x, offsets, n, out, pitch, number)
    elif rows == _C1:
        _c1(g, grads, x, offsets, n, out, pitch, number)
    elif rows == _C2:
        _c2(g, grads, x, offsets, n, out, pitch, number)
    else:
        _c3(g, grads, x, offsets, n, out, pitch, number)
