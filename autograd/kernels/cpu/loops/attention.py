"""Loops of attention: tiles of scores in a buffer of each thread, softmax in place, sums over keys from there.

Operands are addresses with the offset of each head and the elements from row to row; results are flat arrays with both.
Each thread brings the keys and values of a head into the forms that tiles read, once for all queries. Tiles that a causal
mask leaves nothing of are skipped where all numbers are finite: 0 * NaN and 0 * inf would be NaN.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .elementary import exp, key, number
from .jit import loop, part
from .share import each
from .tiles import ROWS, copy, strip, turn
from .vectors import WIDTH
from .views import view


def memory(block: int, length: int, source: int, e: int, ev: int, dtype: Any, back: bool) -> tuple[int, int]:
    """(keys in a block, numbers that a thread has to remember) for blocks of so many queries.

    A block of keys is a multiple of the rows and of the columns of a tile, and its scores stay in the second cache.
    """
    wide = 2 * WIDTH // dtype.itemsize
    unit = math.lcm(ROWS, wide)
    width = min(192 // unit * unit, -(-source // unit) * unit)
    rows, keys = -(-min(block, length) // ROWS) * ROWS, -(-source // wide) * wide
    te, tev = -(-e // wide) * wide, -(-ev // wide) * wide
    if back:
        kept = source * te + (source + ROWS) * (te + tev)  # keys as they are, and the sums for keys and values
        return width, keys * (e + ev) + kept + rows * (2 * te + tev + 2 * width)
    return width, keys * e + source * tev + rows * te + ROWS * (width + tev)


@part
def _finite(address, rows, row, n, size, zero):
    """Whether all elements of a matrix are finite."""
    for i in range(rows):
        x = view(address + i * row * size, n, zero)
        s = zero
        for j in range(n):
            s += x[j] * zero
        if s != zero:
            return False
    return True


@part
def _empty(kind, mask, n, size, low):
    """Whether a row of the mask, at an address, leaves nothing."""
    if kind == 1:
        keep = view(mask, n, np.uint8(0))
        for j in range(n):  # noqa: SIM110  loops have no generators
            if keep[j]:
                return False
        return True
    if kind == 2:
        bias = view(mask, n, low)
        for j in range(n):  # noqa: SIM110
            if bias[j] != low:
                return False
        return True
    return False


@part
def _softmax(row, n, used, m, low, zero):
    """Exponentials of row[:used] less their largest element, or m; zeros up to n: (largest element, sum)."""
    top = key(m)
    for j in range(used):
        v = key(row[j])
        top = v if v > top else top  # noqa: FURB136
    m = number(top)
    base = zero if m == low else m
    total = zero
    for j in range(used):
        e = exp(row[j] - base)
        row[j] = e
        total += e
    for j in range(np.uintp(used), np.uintp(n)):
        row[j] = zero
    return m, total


@part
def _hide(row, n, kind, mask, low):
    if kind == 1:
        keep = view(mask, n, np.uint8(0))
        for j in range(n):
            row[j] = row[j] if keep[j] else low
    elif kind == 2:
        bias = view(mask, n, low)
        for j in range(n):
            row[j] += bias[j]


@part
def _times(address, n, factor):
    x = view(address, n, factor)
    for j in range(n):
        x[j] *= factor


@part
def _up(n, unit):
    """n, or the next multiple of unit."""
    return (n + unit - 1) // unit * unit


@part
def _attention(
    t, nt, p, scale, bases, q_at, k_at, v_at, mask_at, out, out_at, top, inverse, work
):  # fmt: skip
    length, source, e, ev, groups, causal, kind, mask_row, block = p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8]
    width, ldq, ldk, ldv, ldo = p[9], p[10], p[11], p[12], p[13]
    z = work.itemsize
    unit = 1 if kind == 1 else z  # bytes of a mask's element
    wide = 2 * WIDTH // z
    te, tev = _up(e, wide), _up(ev, wide)
    zero, one = work.dtype.type(0), work.dtype.type(1)
    low = work.dtype.type(-np.inf)
    keys = work.ctypes.data + t * work.shape[1] * z
    values = keys + _up(source, wide) * e * z
    query = values + source * tev * z
    scores = query + _up(min(block, length), ROWS) * te * z
    found = scores + ROWS * width * z
    blocks = (length + block - 1) // block
    total = q_at.size * blocks
    here, finite = -1, True
    together = q_at.size < 4 * nt  # few heads: threads share each of them
    for item in range(t if together else total * t // nt, total if together else total * (t + 1) // nt,
                      nt if together else 1):  # fmt: skip
        head, start = item // blocks, item % blocks * block
        rows = min(block, length - start)
        if head // groups != here:
            here = head // groups
            turn(bases[1] + k_at[here], ldk * z, source, e, keys, z, scale, zero)
            copy(bases[2] + v_at[here], ldv * z, source, ev, values, tev * z, source, tev, one, zero)
            finite = _finite(values, source, tev, ev, z, zero)
        whole = _up(rows, ROWS)
        copy(bases[0] + q_at[head] + start * ldq * z, ldq * z, rows, e, query, te * z, whole, te, one, zero)
        to = out.ctypes.data + (out_at[head] + start * ldo) * z
        for i0 in range(0, rows, ROWS):
            end = min(source, start + i0 + ROWS) if causal and finite else source
            some = min(ROWS, rows - i0)
            for i in range(some):
                r = head * length + start + i0 + i
                top[r] = low
                inverse[r] = zero
            for first in range(0, end, width):
                n = min(width, end - first)
                strip(
                    query + i0 * te * z, te * z, z, keys + first * e * z, e * wide * z, wide * z, e,
                    scores, width * z, 0, 0, False, (n + wide - 1) // wide, zero,
                )  # fmt: skip
                for i in range(some):
                    r = head * length + start + i0 + i
                    row = view(scores + i * width * z, width, zero)
                    used = n
                    if causal:
                        used = min(n, max(0, start + i0 + i + 1 - first))
                    elif kind:
                        at = mask_at[head] + (start + i0 + i) * mask_row
                        if _empty(kind, at, source, z, low):
                            used = 0
                        else:
                            _hide(row, n, kind, at + first * unit, low)
                    m = top[r]
                    top[r], sums = _softmax(row, n, used, m, low, zero)
                    if first:
                        shrink = zero if m == low else exp(m - top[r])
                        inverse[r] = inverse[r] * shrink + sums
                        _times(found + i * tev * z, ev, shrink)
                    else:
                        inverse[r] = sums
                strip(
                    scores, width * z, z, values + first * tev * z, 2 * WIDTH, tev * z, n,
                    found, tev * z, found, tev * z, first > 0, tev // wide, zero,
                )  # fmt: skip
            for i in range(some):
                r = head * length + start + i0 + i
                if kind and _empty(kind, mask_at[head] + (start + i0 + i) * mask_row, source, z, low):
                    top[r] = zero  # and inverse is 0, which says that there is nothing
                else:
                    inverse[r] = one / inverse[r]
                copy(found + i * tev * z, 0, 1, ev, to + (i0 + i) * ldo * z, 0, 1, ev, inverse[r], zero)


@loop
def attention(nt, p, scale, bases, q_at, k_at, v_at, mask_at, out, out_at, top, inverse, work):
    """p: lengths and features, heads of q per head of k, causal, kind of mask (0 none, 1 bytes, 2 numbers), its row,
    queries and keys in a block, and the rows of q, k, v and out; mask_at: addresses; work: see `memory`."""
    each(_attention, nt, (p, scale, bases, q_at, k_at, v_at, mask_at, out, out_at, top, inverse, work))


@part
def _slopes(row, d, used, n, m, r, delta, zero, kind, mask):
    """The weights in place of the scores, and the cotangents of the scores in place of those of the weights."""
    for j in range(used):
        row[j] = exp(row[j] - m) * r
    for j in range(used):
        d[j] = row[j] * (d[j] - delta)
    for j in range(np.uintp(used), np.uintp(n)):
        row[j] = zero * r  # a row with NaN has NaN everywhere
        d[j] = zero
    if kind == 1:
        keep = view(mask, used, np.uint8(0))
        for j in range(used):
            d[j] = d[j] if keep[j] else zero


@part
def _clear(address, n, zero):
    x = view(address, n, zero)
    for j in range(n):
        x[j] = zero


@part
def _attention_back(
    t, nt, p, scale, bases, q_at, k_at, v_at, g_at, o_at, mask_at, top, inverse, dq, dq_at, dk, dk_at, dv,
    dv_at, work,
):  # fmt: skip
    length, source, e, ev, groups, causal, kind, mask_row, block = p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8]
    width, ldq, ldk, ldv, ldg, ldo, lddq, lddk, lddv = p[9], p[10], p[11], p[12], p[13], p[14], p[15], p[16], p[17]
    z = work.itemsize
    unit = 1 if kind == 1 else z
    wide = 2 * WIDTH // z
    te, tev, high = _up(e, wide), _up(ev, wide), _up(min(block, length), ROWS)
    zero, one = work.dtype.type(0), work.dtype.type(1)
    low = work.dtype.type(-np.inf)
    turned_k = work.ctypes.data + t * work.shape[1] * z
    turned_v = turned_k + _up(source, wide) * e * z
    keys = turned_v + _up(source, wide) * ev * z
    sums_k = keys + source * te * z
    sums_v = sums_k + (source + ROWS) * te * z
    query = sums_v + (source + ROWS) * tev * z
    sums_q = query + high * te * z
    grads = sums_q + high * te * z
    scores = grads + high * tev * z
    slopes = scores + high * width * z
    for shared in range(t, k_at.size, nt):
        ka, va = bases[1] + k_at[shared], bases[2] + v_at[shared]
        turn(ka, ldk * z, source, e, turned_k, z, scale, zero)
        turn(va, ldv * z, source, ev, turned_v, z, one, zero)
        copy(ka, ldk * z, source, e, keys, te * z, source, te, one, zero)
        _clear(sums_k, (source + ROWS) * (te + tev), zero)
        skip = causal and _finite(ka, source, ldk, e, z, zero) and _finite(va, source, ldv, ev, z, zero)
        for head in range(shared * groups, (shared + 1) * groups):
            q0, g0 = bases[0] + q_at[head], bases[3] + g_at[head]
            less = skip and _finite(q0, length, ldq, e, z, zero) and _finite(g0, length, ldg, ev, z, zero)
            for start in range(0, length, block):
                rows = min(block, length - start)
                whole = _up(rows, ROWS)
                copy(q0 + start * ldq * z, ldq * z, rows, e, query, te * z, whole, te, one, zero)
                copy(g0 + start * ldg * z, ldg * z, rows, ev, grads, tev * z, whole, tev, one, zero)
                end = min(source, start + rows) if less else source
                for first in range(0, end, width):
                    n = min(width, end - first)
                    for i0 in range(0, rows, ROWS):
                        used_by_all = min(n, start + i0 + ROWS - first) if less else n
                        if used_by_all <= 0:
                            continue
                        some = min(ROWS, rows - i0)
                        s, d, count = scores + i0 * width * z, slopes + i0 * width * z, (used_by_all + wide - 1) // wide
                        strip(
                            query + i0 * te * z, te * z, z, turned_k + first * e * z, e * wide * z, wide * z, e,
                            s, width * z, 0, 0, False, count, zero,
                        )  # fmt: skip
                        strip(
                            grads + i0 * tev * z, tev * z, z, turned_v + first * ev * z, ev * wide * z, wide * z, ev,
                            d, width * z, 0, 0, False, count, zero,
                        )  # fmt: skip
                        for i in range(some):
                            r = head * length + start + i0 + i
                            gr = view(grads + (i0 + i) * tev * z, ev, zero)
                            o = view(bases[4] + o_at[head] + (start + i0 + i) * ldo * z, ev, zero)
                            delta = zero
                            for j in range(ev):
                                delta += gr[j] * o[j]
                            row, slope = view(s + i * width * z, width, zero), view(d + i * width * z, width, zero)
                            used, at = n, mask_at[0]
                            if causal:
                                used = min(n, max(0, start + i0 + i + 1 - first))
                            elif inverse[r] == zero:
                                used = 0
                            elif kind:
                                at = mask_at[head] + (start + i0 + i) * mask_row + first * unit
                                _hide(row, n, kind, at, low)
                            # zeros for one tile more: below, a tile of keys begins in any row and may end behind n
                            filled = min(_up(n, ROWS), used_by_all + ROWS)
                            _slopes(row, slope, used, filled, top[r], inverse[r], delta, zero, kind, at)
                        sq = sums_q + i0 * te * z
                        strip(
                            d, width * z, z, keys + first * te * z, 2 * WIDTH, te * z, used_by_all,
                            sq, te * z, sq, te * z, first > 0, te // wide, zero,
                        )  # fmt: skip
                    for j in range(0, n, ROWS):
                        above = max(0, first + j - start) if less else 0  # queries that see none of these keys
                        sv, sk = sums_v + (first + j) * tev * z, sums_k + (first + j) * te * z
                        if above < rows:
                            strip(
                                scores + (above * width + j) * z, z, width * z, grads + above * tev * z, 2 * WIDTH,
                                tev * z, rows - above, sv, tev * z, sv, tev * z, True, tev // wide, zero,
                            )  # fmt: skip
                            strip(
                                slopes + (above * width + j) * z, z, width * z, query + above * te * z, 2 * WIDTH,
                                te * z, rows - above, sk, te * z, sk, te * z, True, te // wide, zero,
                            )  # fmt: skip
                to = dq.ctypes.data + (dq_at[head] + start * lddq) * z
                copy(sums_q, te * z, rows, e, to, lddq * z, rows, e, scale, zero)
        copy(sums_k, te * z, source, e, dk.ctypes.data + dk_at[shared] * z, lddk * z, source, e, scale, zero)
        copy(sums_v, tev * z, source, ev, dv.ctypes.data + dv_at[shared] * z, lddv * z, source, ev, one, zero)


@loop
def attention_back(
    nt, p, scale, bases, q_at, k_at, v_at, g_at, o_at, mask_at, top, inverse, dq, dq_at, dk, dk_at, dv,
    dv_at, work,
):  # fmt: skip
    """The parameters are those of `attention`; p goes on with the rows of g, out, dq, dk and dv."""
    each(
        _attention_back,
        nt,
        (p, scale, bases, q_at, k_at, v_at, g_at, o_at, mask_at, top, inverse, dq, dq_at, dk, dk_at, dv, dv_at, work),
    )
