"""Pooling loops over planes (images, height, width); the tables of `..pool` say which elements a window has."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

from .conv import address
from .jit import loop, part
from .share import divide, each
from .vectors import WIDTH, Code
from .views import view

__all__ = [
    "average",
    "average2",
    "average2_back",
    "average_all",
    "average_all_back",
    "average_back",
    "largest",
    "largest2",
    "largest2_back",
    "largest_back",
    "place",
]

intrinsic: Any = _intrinsic


@part
def _largest2(lo, hi, x, y, h, w, oh, ow):
    # windows of 2 x 2, apart: two rows at a time, which LLVM vectorises
    number = x.dtype.type(0)
    z = x.itemsize
    a, b = address(x), address(y)
    for q in range(lo, hi):
        for i in range(oh):
            r0 = view(a + ((q * h + 2 * i) * w) * z, 2 * ow, number)
            r1 = view(a + ((q * h + 2 * i + 1) * w) * z, 2 * ow, number)
            out = view(b + (q * oh + i) * ow * z, ow, number)
            for j in range(ow):
                m, v1, v2, v3 = r0[2 * j], r0[2 * j + 1], r1[2 * j], r1[2 * j + 1]
                m = v1 if v1 > m or v1 != v1 else m
                m = v2 if v2 > m or v2 != v2 else m
                out[j] = v3 if v3 > m or v3 != v3 else m


@loop
def largest2(nt, x, y, h, w, oh, ow):
    """y (planes, oh, ow): maxima of windows 2 x 2 with stride 2 of x (planes, h, w), without padding; NaN wins."""
    n = y.size // (oh * ow)
    divide(_largest2, nt, n, (x, y, h, w, oh, ow))


@intrinsic
def _first2(typingctx, g, x0, x1, y, d0, d1, n, number):
    """Two rows of gradients: g at the first element of each window 2 x 2 that equals y, for n >= half a vector of windows.

    A vector holds the pairs of a row; LLVM finds no vector form of the comparisons by itself. The last vector overlaps.
    """

    def generate(context, builder, signature, args):
        g, x0, x1, y, d0, d1, n, _ = args
        c = Code(context, builder, signature.args[-1])
        half = ir.VectorType(c.element, c.lanes // 2)
        index = ir.VectorType(ir.IntType(32), c.lanes)
        twice = ir.Constant(index, [j // 2 for j in range(c.lanes)])
        swap = ir.Constant(index, [j ^ 1 for j in range(c.lanes)])
        odd = ir.Constant(ir.VectorType(ir.IntType(1), c.lanes), [j % 2 for j in range(c.lanes)])

        def pairs(at):
            v = builder.load(c.at(at, half), align=c.size)
            return builder.shuffle_vector(v, ir.Constant(half, ir.Undefined), twice)

        def beside(mask):
            return builder.shuffle_vector(mask, ir.Constant(mask.type, ir.Undefined), swap)

        def serve(window):
            at = builder.mul(window, c.const(c.size))
            at2 = builder.mul(window, c.const(2 * c.size))
            share, best = pairs(builder.add(g, at)), pairs(builder.add(y, at))
            upper = builder.fcmp_ordered("==", c.load(builder.add(x0, at2)), best)
            lower = builder.fcmp_ordered("==", c.load(builder.add(x1, at2)), best)
            other = beside(upper)
            lower = builder.and_(lower, builder.not_(builder.or_(upper, other)))
            upper = builder.and_(upper, builder.not_(builder.and_(other, odd)))
            lower = builder.and_(lower, builder.not_(builder.and_(beside(lower), odd)))
            for mask, to in ((upper, d0), (lower, d1)):
                place = c.at(builder.add(to, at2), c.vector)
                builder.store(builder.select(mask, share, c.zero), place, align=c.size)

        step = c.const(c.lanes // 2)
        with cgutils.for_range(builder, builder.sdiv(n, step), intp=c.int) as turn:
            serve(builder.mul(turn.index, step))
        serve(builder.sub(n, step))
        return context.get_dummy_value()

    i = types.intp
    return types.void(i, i, i, i, i, i, i, number), generate


@part
def _largest2_back(lo, hi, g, x, y, dx, h, w, oh, ow):
    number = x.dtype.type(0)
    z = x.itemsize
    ga, xa, ya, da = address(g), address(x), address(y), address(dx)
    for q in range(lo, hi):
        for i in range(oh):
            at = (q * h + 2 * i) * w * z
            to = (q * oh + i) * ow * z
            if 2 * ow * z >= WIDTH:
                _first2(ga + to, xa + at, xa + at + w * z, ya + to, da + at, da + at + w * z, ow, number)
                continue
            r0, r1 = view(xa + at, 2 * ow, number), view(xa + at + w * z, 2 * ow, number)
            d0, d1 = view(da + at, 2 * ow, number), view(da + at + w * z, 2 * ow, number)
            gs, ys = view(ga + to, ow, number), view(ya + to, ow, number)
            for j in range(ow):
                v, m = gs[j], ys[j]
                k0, k1, k2, k3 = r0[2 * j] == m, r0[2 * j + 1] == m, r1[2 * j] == m, r1[2 * j + 1] == m
                d0[2 * j] = v if k0 else number
                d0[2 * j + 1] = v if k1 and not k0 else number
                d1[2 * j] = v if k2 and not (k0 or k1) else number
                d1[2 * j + 1] = v if k3 and not (k0 or k1 or k2) else number
        if 2 * ow < w or 2 * oh < h:  # elements in no window
            for i in range(h):
                r = view(da + (q * h + i) * w * z, w, number)
                for j in range(2 * ow if i < 2 * oh else 0, w):
                    r[j] = number


@loop
def largest2_back(nt, g, x, y, dx, h, w, oh, ow):
    """dx: g at the first maximum of each window of `largest2`."""
    n = y.size // (oh * ow)
    divide(_largest2_back, nt, n, (g, x, y, dx, h, w, oh, ow))


# In what follows `rows` and `columns` hold, for each tap, (shift, first window, end): window i has element i * step + shift
# of the dimension, for first <= i < end. The others lie in the padding.
@part
def _largest(t, nt, x, y, h, w, oh, ow, sh, sw, rows, columns, buffers):
    number = x.dtype.type(0)
    low = x.dtype.type(-np.inf)
    z = x.itemsize
    a, b = address(x), address(y)
    n = y.size // (oh * ow)
    buffer = view(address(buffers) + t * w * z, w, number)
    for q in range(n * t // nt, n * (t + 1) // nt):
        for i in range(oh):
            for j in range(w):
                buffer[j] = low
            for u in range(rows.shape[0]):
                if rows[u, 1] <= i < rows[u, 2]:
                    r = view(a + (q * h + i * sh + rows[u, 0]) * w * z, w, number)
                    for j in range(w):
                        buffer[j] = r[j] if r[j] > buffer[j] or r[j] != r[j] else buffer[j]
            out = view(b + (q * oh + i) * ow * z, ow, number)
            for j in range(ow):
                out[j] = low
            for v in range(columns.shape[0]):
                shift = columns[v, 0]
                for j in range(columns[v, 1], columns[v, 2]):
                    m = buffer[j * sw + shift]
                    out[j] = m if m > out[j] or m != m else out[j]


@loop
def largest(nt, x, y, h, w, oh, ow, sh, sw, rows, columns, buffers):
    """y (planes, oh, ow): the maximum of each window; buffers: a row of x for each thread."""
    each(_largest, nt, (x, y, h, w, oh, ow, sh, sw, rows, columns, buffers))


@part
def _largest_back(t, nt, g, x, y, dx, h, w, oh, ow, sh, sw, rows, columns):
    nil = x.dtype.type(0)
    n = y.size // (oh * ow)
    for q in range(n * t // nt, n * (t + 1) // nt):
        base = q * h * w
        for j in range(base, base + h * w):
            dx[j] = nil
        for i in range(oh):
            for j in range(ow):
                at = (q * oh + i) * ow + j
                m = y[at]
                found = False
                for u in range(rows.shape[0]):
                    if found or i < rows[u, 1] or i >= rows[u, 2]:
                        continue
                    row = base + (i * sh + rows[u, 0]) * w + j * sw
                    for v in range(columns.shape[0]):
                        if columns[v, 1] <= j < columns[v, 2] and x[row + columns[v, 0]] == m:
                            dx[row + columns[v, 0]] += g[at]
                            found = True
                            break


@loop
def largest_back(nt, g, x, y, dx, h, w, oh, ow, sh, sw, rows, columns):
    """dx: g at the first maximum of each window, and nowhere for a window whose maximum is NaN."""
    each(_largest_back, nt, (g, x, y, dx, h, w, oh, ow, sh, sw, rows, columns))


@part
def _place(t, nt, x, out, h, w, oh, ow, sh, sw, rows, columns):
    n = out.size // (oh * ow)
    for q in range(n * t // nt, n * (t + 1) // nt):
        base = q * h * w
        for i in range(oh):
            for j in range(ow):
                best, where = x[0], -1
                for u in range(rows.shape[0]):
                    if i < rows[u, 1] or i >= rows[u, 2]:
                        continue
                    row = (i * sh + rows[u, 0]) * w + j * sw
                    for v in range(columns.shape[0]):
                        if columns[v, 1] <= j < columns[v, 2]:
                            m = x[base + row + columns[v, 0]]
                            if where < 0 or m > best or (m != m and best == best):
                                best, where = m, row + columns[v, 0]
                out[(q * oh + i) * ow + j] = max(where, 0)


@loop
def place(nt, x, out, h, w, oh, ow, sh, sw, rows, columns):
    """out: where the first maximum of each window is in its plane; the first NaN, if there is one."""
    each(_place, nt, (x, out, h, w, oh, ow, sh, sw, rows, columns))


@part
def _average2(lo, hi, x, y, h, w, oh, ow, share):
    number = x.dtype.type(0)
    z = x.itemsize
    a, b = address(x), address(y)
    for q in range(lo, hi):
        for i in range(oh):
            at = a + (q * h + 2 * i) * w * z
            r0, r1 = view(at, 2 * ow, number), view(at + w * z, 2 * ow, number)
            out = view(b + (q * oh + i) * ow * z, ow, number)
            for j in range(ow):
                out[j] = (r0[2 * j] + r1[2 * j] + (r0[2 * j + 1] + r1[2 * j + 1])) * share


@loop
def average2(nt, x, y, h, w, oh, ow, share):
    """y (planes, oh, ow): the sums of windows 2 x 2 with stride 2, without padding, times share."""
    n = y.size // (oh * ow)
    divide(_average2, nt, n, (x, y, h, w, oh, ow, share))


@part
def _average2_back(lo, hi, g, dx, h, w, oh, ow, share):
    number = g.dtype.type(0)
    z = g.itemsize
    a, b = address(g), address(dx)
    for q in range(lo, hi):
        for i in range(oh):
            at = b + (q * h + 2 * i) * w * z
            r0, r1 = view(at, 2 * ow, number), view(at + w * z, 2 * ow, number)
            gs = view(a + (q * oh + i) * ow * z, ow, number)
            for j in range(ow):
                v = gs[j] * share
                r0[2 * j] = v
                r0[2 * j + 1] = v
            for j in range(2 * ow):
                r1[j] = r0[j]
        if 2 * ow < w or 2 * oh < h:  # elements in no window
            for i in range(h):
                r = view(b + (q * h + i) * w * z, w, number)
                for j in range(2 * ow if i < 2 * oh else 0, w):
                    r[j] = number


@loop
def average2_back(nt, g, dx, h, w, oh, ow, share):
    """dx (planes, h, w): g * share in each window of `average2`."""
    n = g.size // (oh * ow)
    divide(_average2_back, nt, n, (g, dx, h, w, oh, ow, share))


@part
def _average_all(lo, hi, x, y, points, count):
    z = x.itemsize
    number = x.dtype.type(0)
    a = address(x)
    for q in range(lo, hi):
        r = view(a + q * points * z, points, number)
        total = number
        for j in range(points):
            total += r[j]
        y[q] = total / count


@loop
def average_all(nt, x, y, points, count):
    """y (planes): the sum of each plane / count."""
    n = y.size
    divide(_average_all, nt, n, (x, y, points, count))


@part
def _average_all_back(lo, hi, g, dx, points, count):
    z = g.itemsize
    number = g.dtype.type(0)
    a = address(dx)
    for q in range(lo, hi):
        r = view(a + q * points * z, points, number)
        v = g[q] / count
        for j in range(points):
            r[j] = v


@loop
def average_all_back(nt, g, dx, points, count):
    """dx (planes, points): g / count."""
    n = g.size
    divide(_average_all_back, nt, n, (g, dx, points, count))


@part
def _average(t, nt, x, y, h, w, oh, ow, sh, sw, rows, columns, ch, cw, buffers):
    number = x.dtype.type(0)
    z = x.itemsize
    a, b = address(x), address(y)
    n = y.size // (oh * ow)
    buffer = view(address(buffers) + t * w * z, w, number)
    for q in range(n * t // nt, n * (t + 1) // nt):
        for i in range(oh):
            for j in range(w):
                buffer[j] = number
            for u in range(rows.shape[0]):
                if rows[u, 1] <= i < rows[u, 2]:
                    r = view(a + (q * h + i * sh + rows[u, 0]) * w * z, w, number)
                    for j in range(w):
                        buffer[j] += r[j]
            out = view(b + (q * oh + i) * ow * z, ow, number)
            for j in range(ow):
                out[j] = number
            for v in range(columns.shape[0]):
                shift = columns[v, 0]
                for j in range(columns[v, 1], columns[v, 2]):
                    out[j] += buffer[j * sw + shift]
            for j in range(ow):
                out[j] = out[j] / (ch[i] * cw[j])


@loop
def average(nt, x, y, h, w, oh, ow, sh, sw, rows, columns, ch, cw, buffers):
    """y (planes, oh, ow): the sum of each window / (ch[i] * cw[j]); buffers: a row of x for each thread."""
    each(_average, nt, (x, y, h, w, oh, ow, sh, sw, rows, columns, ch, cw, buffers))


@part
def _average_back(t, nt, g, dx, h, w, oh, ow, sh, sw, rows, columns, ch, cw, buffers):
    number = g.dtype.type(0)
    z = g.itemsize
    a, b = address(g), address(dx)
    n = g.size // (oh * ow)
    buffer = view(address(buffers) + t * (w + ow) * z, w, number)
    shares = view(address(buffers) + (t * (w + ow) + w) * z, ow, number)
    for q in range(n * t // nt, n * (t + 1) // nt):
        plane = view(b + q * h * w * z, h * w, number)
        for j in range(h * w):
            plane[j] = number
        for i in range(oh):
            r = view(a + (q * oh + i) * ow * z, ow, number)
            for j in range(ow):
                shares[j] = r[j] / (ch[i] * cw[j])
            for j in range(w):
                buffer[j] = number
            for v in range(columns.shape[0]):
                shift = columns[v, 0]
                for j in range(columns[v, 1], columns[v, 2]):
                    buffer[j * sw + shift] += shares[j]
            for u in range(rows.shape[0]):
                if rows[u, 1] <= i < rows[u, 2]:
                    r = view(b + (q * h + i * sh + rows[u, 0]) * w * z, w, number)
                    for j in range(w):
                        r[j] += buffer[j]


@loop
def average_back(nt, g, dx, h, w, oh, ow, sh, sw, rows, columns, ch, cw, buffers):
    """dx: g / (ch[i] * cw[j]) added to the elements of each window; buffers: a row of dx and one of g for each thread."""
    each(_average_back, nt, (g, dx, h, w, oh, ow, sh, sw, rows, columns, ch, cw, buffers))
