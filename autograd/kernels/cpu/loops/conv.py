"""Convolution loops: sources copied to padded planes, then tiles of `conv_direct` over them.

Geometry comes from `..conv`: `geo` holds the numbers named below, and tables of phases, outputs, offsets and taps say
where elements lie. Memory is addressed by numbers: views made on every turn of a loop would each count references, which
threads contend for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic as _intrinsic

from .conv_direct import copy, correlate, gather, pick
from .jit import loop, part
from .share import each
from .views import view

__all__ = ["address", "convolve", "weight_gradient"]

intrinsic: Any = _intrinsic


@intrinsic
def _apart(typingctx):
    """Keep the function this is called in a function of its own: inlined in loops twice, it would compile for seconds."""

    def generate(context, builder, signature, args):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


@part
def address(x):
    """An array's address, as a number that may be added to."""
    return np.intp(x.ctypes.data)


@part
def _zero(address, n, number):
    v = view(address, n, number)
    nil = v.dtype.type(0)
    for i in range(n):
        v[i] = nil


@part
def _planes(src, channels, h, w, geo, phases, dst, number):
    """Copy an image's channels to padded planes, apart by `row` elements: one plane for each phase of the stride."""
    z = geo[0]
    step_h, step_w, pitch, row = geo[1], geo[2], geo[3], geo[4]
    for c in range(channels):
        for f in range(phases.shape[0]):
            th0, th1, fh, tw0, tw1, fw = (
                phases[f, 0], phases[f, 1], phases[f, 2], phases[f, 3], phases[f, 4], phases[f, 5],
            )  # fmt: skip
            to = dst + (c * phases.shape[0] + f) * row * z
            n = tw1 - tw0
            if n <= 0:
                continue
            for t in range(th0, th1):
                begin, end = src + ((c * h + t * step_h + fh) * w + tw0 * step_w + fw) * z, to + (t * pitch + tw0) * z
                if step_w == 1:
                    copy(begin, end, n, z, number)
                else:
                    pick(begin, end, n, step_w, z, number)


@part
def _pack(t, nt, w, packed, geo, outputs, taps, good):
    """Weights in the order in which tiles read them, a share of the blocks of rows; good[t]: whether all are finite."""
    _apart()
    channels, rows_all, rows = geo[6], geo[7], geo[10]
    blocks = (rows_all + rows - 1) // rows
    group_step, row_step, channel_step, total = geo[14], geo[15], geo[16], geo[17]
    items = geo[8] * blocks
    v = packed
    nil = packed.dtype.type(0)
    check = nil
    for item in range(items * t // nt, items * (t + 1) // nt):
        g, block = item // blocks, item % blocks
        for e in range(outputs.shape[0]):
            k0, nk = outputs[e, 6], outputs[e, 7]
            n = outputs[e, 8]  # taps of this output
            at = (g * total + k0) * blocks * rows + block * nk * rows
            for c in range(channels):
                for i in range(n):
                    tap = taps[outputs[e, 9] + i]
                    for r in range(rows):
                        if block * rows + r < rows_all:
                            x = w[g * group_step + (block * rows + r) * row_step + c * channel_step + tap]
                            check += x * nil
                            v[at] = x
                        else:
                            v[at] = nil
                        at += 1
    good[t] = check == nil


@part
def _share(t, nt, n, blocks):
    """(images, blocks of rows) of a thread: some of the images, or where they are too few for that, some of the blocks."""
    if n < nt:
        return 0, n, blocks * t // nt, blocks * (t + 1) // nt
    return n * t // nt, n * (t + 1) // nt, 0, blocks


@part
def _images(t, nt, images, image, packs, bias, has_bias, made, geo, phases, outputs, tables, sources, results):
    """A thread's share: images copied to planes, gathered, and copied out."""
    _apart()
    z, pitch, row, plane, channels, rows_all = geo[0], geo[3], geo[4], geo[5], geo[6], geo[7]
    groups, batch, rows, step, wide = geo[8], geo[9], geo[10], geo[11], geo[18]
    sh, sw, dh, dw, total = geo[12], geo[13], geo[19], geo[20], geo[17]
    blocks = (rows_all + rows - 1) // rows
    number = packs.dtype.type(0)
    lo, hi, b0, b1 = _share(t, nt, images, blocks)
    first, last = b0 * rows, min(rows_all, b1 * rows)
    if hi <= lo or last <= first:
        return
    src, dst, packed, offsets = address(image), address(made), address(packs), address(tables)
    source, result = address(sources) + t * sources.shape[1] * z, address(results) + t * results.shape[1] * z
    _zero(source, channels * phases.shape[0] * row, number)
    for a in range(lo, hi, batch):
        m = min(batch, hi - a)
        for g in range(groups):
            for i in range(m):
                _planes(
                    src + ((a + i) * groups + g) * channels * sh * sw * z, channels, sh, sw, geo, phases,
                    source + i * plane * z, number,
                )  # fmt: skip
            for e in range(outputs.shape[0]):
                h0, hs, hn, w0, ws, wn = (
                    outputs[e, 0], outputs[e, 1], outputs[e, 2], outputs[e, 3], outputs[e, 4], outputs[e, 5],
                )  # fmt: skip
                k0, nk = outputs[e, 6], outputs[e, 7]
                length = (m - 1) * plane + (hn - 1) * pitch + wn
                weights = packed + (g * total + k0) * blocks * rows * z
                for p in range(0, length, step):
                    for b in range(b0, b1):
                        gather(
                            rows, source + p * z, offsets + k0 * 8, nk, weights + b * nk * rows * z,
                            result + (b * rows * wide + p) * z, wide * z, number,
                        )  # fmt: skip
                for i in range(m):
                    for o in range(first, last):
                        to = dst + (((a + i) * groups + g) * rows_all + o) * dh * dw * z
                        add = number
                        if has_bias:
                            add = bias[g * rows_all + o]
                        for j in range(hn):
                            begin = result + (o * wide + i * plane + j * pitch) * z
                            end = to + ((h0 + j * hs) * dw + w0) * z
                            if ws == 1:
                                copy(begin, end, wn, z, add)
                            else:
                                x, y = view(begin, wn, number), view(end, (wn - 1) * ws + 1, number)
                                for k in range(wn):
                                    y[k * ws] = x[k] + add


@loop
def convolve(nt, n, src, w, bias, has_bias, dst, geo, phases, outputs, offsets, taps, packed, source, result, good):
    """dst = the correlation of n images with the taps in the tables, plus bias; good[t]: whether its weights were finite.

    All arrays are flat but the tables (phases, outputs) and the working memory of the threads (source, result).
    """
    each(_pack, nt, (w, packed, geo, outputs, taps, good))
    each(_images, nt, (n, src, packed, bias, has_bias, dst, geo, phases, outputs, offsets, source, result))


@part
def _spread(grad, channels, h, w, geo, wide, to, number):
    # rows of the output's gradient, the pitch apart that the source's rows have
    z, pitch = geo[0], geo[3]
    for o in range(channels):
        for j in range(h):
            copy(grad + (o * h + j) * w * z, to + (o * wide + j * pitch) * z, w, z, number)


@part
def _sums(t, nt, images, image, gradient, sums, geo, phases, tables, rows_at, sources, spreads):
    """A thread's share of the sums over images and positions, or of their rows."""
    _apart()
    z, pitch, row, plane, channels, rows_all = geo[0], geo[3], geo[4], geo[5], geo[6], geo[7]
    groups, batch, rows, chunk, width = geo[8], geo[9], geo[10], geo[11], geo[17]
    sh, sw, wide, dh, dw, count, many = geo[12], geo[13], geo[18], geo[19], geo[20], geo[15], geo[16]
    blocks = (rows_all + rows - 1) // rows
    number = sums.dtype.type(0)
    lo, hi, b0, b1 = _share(t, nt, images, blocks)
    out = address(sums) + t * sums.shape[1] * z
    _zero(out, sums.shape[1], number)
    if hi <= lo or b1 <= b0:
        return
    src, grad, offsets, grads = address(image), address(gradient), address(tables), address(rows_at)
    source, spread = address(sources) + t * sources.shape[1] * z, address(spreads) + t * spreads.shape[1] * z
    _zero(source, channels * phases.shape[0] * row, number)
    _zero(spread, rows_all * wide, number)
    for a in range(lo, hi, batch):
        m = min(batch, hi - a)
        length = (m - 1) * plane + (dh - 1) * pitch + dw
        n = (length + width - 1) // width
        for g in range(groups):
            if m < batch:  # what images before left behind the last one
                for o in range(rows_all):
                    _zero(spread + (o * wide + length) * z, n * width - length, number)
            for i in range(m):
                _planes(
                    src + ((a + i) * groups + g) * channels * sh * sw * z, channels, sh, sw, geo, phases,
                    source + i * plane * z, number,
                )  # fmt: skip
                _spread(
                    grad + ((a + i) * groups + g) * rows_all * dh * dw * z, rows_all, dh, dw, geo, wide,
                    spread + i * plane * z, number,
                )  # fmt: skip
            for p in range(0, n, chunk):
                for b in range(b0, b1):
                    for k in range(0, many, count):
                        correlate(
                            rows, spread + p * width * z, grads + b * rows * 8, source + p * width * z, offsets + k * 8,
                            min(chunk, n - p), out + ((g * blocks + b) * rows * many + k) * z, many * z, number,
                        )  # fmt: skip


@part
def _add_up(parts, dw, geo):
    """The sums of the threads without padding, added up; whether all are finite."""
    _apart()
    groups, rows_all, rows, many = geo[8], geo[7], geo[10], geo[16]
    blocks = (rows_all + rows - 1) // rows
    nil = dw.dtype.type(0)
    check = nil
    for i in range(groups):
        for o in range(rows_all):
            at = (i * blocks * rows + o) * many
            for k in range(dw.shape[2]):
                total = nil
                for t in range(parts.shape[0]):
                    total += parts[t, at + k]
                dw[i, o, k] = total
                check += total * nil
    return check == nil


@loop
def weight_gradient(nt, n, src, grad, dw, geo, phases, offsets, grads, source, spread, parts):
    """dw (groups, rows, taps) = the sums over n images and their positions; whether all are finite.

    src and grad are flat; source, spread and parts hold a row for each thread.
    """
    each(_sums, nt, (n, src, grad, parts, geo, phases, offsets, grads, source, spread))
    return _add_up(parts, dw, geo)
