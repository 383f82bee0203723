"""Loops of attention: blocks of scores in a buffer of each thread, softmax in place, products by BLAS.

Operands are addresses with the offset of each head and the elements from row to row; results are flat arrays with both.
Blocks that a causal mask leaves nothing of are skipped where all numbers are finite: 0 * NaN and 0 * inf would be NaN.
"""

from __future__ import annotations

import numpy as np

from .blas import N, T, gemm
from .elementary import exp, key, number
from .jit import loop, part
from .share import each
from .views import view


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
    rest = view(row.ctypes.data + used * row.itemsize, n - used, zero)
    for j in range(n - used):
        rest[j] = zero
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
def _attention(
    t, nt, p, scale, bases, q_at, k_at, v_at, mask_at, out, out_at, top, inverse, work
):  # fmt: skip
    length, source, e, ev, groups, causal, kind, mask_row, block = p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8]
    ldq, ldk, ldv, ldo = p[9], p[10], p[11], p[12]
    size = work.itemsize
    unit = 1 if kind == 1 else size  # bytes of a mask's element
    width = work.shape[2]
    scores = work.ctypes.data + t * work.shape[1] * width * size
    zero, one = work.dtype.type(0), work.dtype.type(1)
    low = work.dtype.type(-np.inf)
    blocks = (length + block - 1) // block
    for item in range(t, q_at.size * blocks, nt):
        head, start = item // blocks, item % blocks * block
        rows = min(block, length - start)
        qa = bases[0] + q_at[head] + start * ldq * size
        ka, va = bases[1] + k_at[head // groups], bases[2] + v_at[head // groups]
        to = out.ctypes.data + (out_at[head] + start * ldo) * size
        end = source
        if causal and _finite(va, source, ldv, ev, size, zero):
            end = min(source, start + rows)
        for i in range(rows):
            r = head * length + start + i
            top[r] = low
            inverse[r] = zero
        for first in range(0, end, width):
            n = min(width, end - first)
            gemm(N, T, rows, n, e, scale, qa, ldq, ka + first * ldk * size, ldk, zero, scores, width)
            for i in range(rows):
                r = head * length + start + i
                row = view(scores + i * width * size, width, zero)
                used = n
                if causal:
                    used = min(n, max(0, start + i + 1 - first))
                elif kind:
                    at = mask_at[head] + (start + i) * mask_row
                    if _empty(kind, at, source, size, low):
                        used = 0
                    else:
                        _hide(row, n, kind, at + first * unit, low)
                m = top[r]
                top[r], total = _softmax(row, n, used, m, low, zero)
                if first:
                    shrink = zero if m == low else exp(m - top[r])
                    inverse[r] = inverse[r] * shrink + total
                    _times(to + i * ldo * size, ev, shrink)
                else:
                    inverse[r] = total
            gemm(
                N, N, rows, ev, n, one, scores, width, va + first * ldv * size, ldv, one if first else zero,
                to, ldo,
            )  # fmt: skip
        for i in range(rows):
            r = head * length + start + i
            if kind and _empty(kind, mask_at[head] + (start + i) * mask_row, source, size, low):
                top[r] = zero  # and inverse is 0, which says that there is nothing
            else:
                inverse[r] = one / inverse[r]
                _times(to + i * ldo * size, ev, inverse[r])


@loop
def attention(nt, p, scale, bases, q_at, k_at, v_at, mask_at, out, out_at, top, inverse, work):
    """p: lengths and features, heads of q per head of k, causal, kind of mask (0 none, 1 bytes, 2 numbers), its row,
    queries in a block, and the rows of q, k, v and out; mask_at: addresses."""
    each(_attention, nt, (p, scale, bases, q_at, k_at, v_at, mask_at, out, out_at, top, inverse, work))


@part
def _slopes(row, d, used, n, m, r, delta, zero, kind, mask):
    """The weights in place of the scores, and the cotangents of the scores in place of those of the weights."""
    for j in range(used):
        row[j] = exp(row[j] - m) * r
    for j in range(used):
        d[j] = row[j] * (d[j] - delta)
    rest = view(row.ctypes.data + used * row.itemsize, n - used, zero)
    for j in range(n - used):
        rest[j] = zero * r  # a row with NaN has NaN everywhere
    rest = view(d.ctypes.data + used * row.itemsize, n - used, zero)
    for j in range(n - used):
        rest[j] = zero
    if kind == 1:
        keep = view(mask, used, np.uint8(0))
        for j in range(used):
            d[j] = d[j] if keep[j] else zero


@part
def _clear(address, rows, row, n, size, zero):
    for i in range(rows):
        x = view(address + i * row * size, n, zero)
        for j in range(n):
            x[j] = zero


@part
def _attention_back(
    t, nt, p, scale, bases, q_at, k_at, v_at, g_at, o_at, mask_at, top, inverse, dq, dq_at, dk, dk_at, dv,
    dv_at, work,
):  # fmt: skip
    length, source, e, ev, groups, causal, kind, mask_row, block = p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8]
    ldq, ldk, ldv, ldg, ldo, lddq, lddk, lddv = p[9], p[10], p[11], p[12], p[13], p[14], p[15], p[16]
    size = work.itemsize
    unit = 1 if kind == 1 else size
    width = work.shape[3]
    scores = work.ctypes.data + t * 2 * work.shape[2] * width * size
    slopes = scores + work.shape[2] * width * size
    zero, one = work.dtype.type(0), work.dtype.type(1)
    low = work.dtype.type(-np.inf)
    for shared in range(t, k_at.size, nt):
        ka, va = bases[1] + k_at[shared], bases[2] + v_at[shared]
        _clear(dk.ctypes.data + dk_at[shared] * size, source, lddk, e, size, zero)
        _clear(dv.ctypes.data + dv_at[shared] * size, source, lddv, ev, size, zero)
        skip = causal and _finite(ka, source, ldk, e, size, zero) and _finite(va, source, ldv, ev, size, zero)
        for head in range(shared * groups, (shared + 1) * groups):
            q0, g0 = bases[0] + q_at[head], bases[3] + g_at[head]
            less = skip and _finite(q0, length, ldq, e, size, zero) and _finite(g0, length, ldg, ev, size, zero)
            for start in range(0, length, block):
                rows = min(block, length - start)
                qa, ga = q0 + start * ldq * size, g0 + start * ldg * size
                oa = bases[4] + o_at[head] + start * ldo * size
                to = dq.ctypes.data + (dq_at[head] + start * lddq) * size
                end = min(source, start + rows) if less else source
                for first in range(0, end, width):
                    n = min(width, end - first)
                    kb, vb = ka + first * ldk * size, va + first * ldv * size
                    gemm(N, T, rows, n, e, scale, qa, ldq, kb, ldk, zero, scores, width)
                    gemm(N, T, rows, n, ev, one, ga, ldg, vb, ldv, zero, slopes, width)
                    for i in range(rows):
                        r = head * length + start + i
                        row = view(scores + i * width * size, width, zero)
                        d = view(slopes + i * width * size, width, zero)
                        gr = view(ga + i * ldg * size, ev, zero)
                        o = view(oa + i * ldo * size, ev, zero)
                        delta = zero
                        for j in range(ev):
                            delta += gr[j] * o[j]
                        used, at = n, mask_at[0]
                        if causal:
                            used = min(n, max(0, start + i + 1 - first))
                        elif inverse[r] == zero:
                            used = 0
                        elif kind:
                            at = mask_at[head] + (start + i) * mask_row + first * unit
                            _hide(row, n, kind, at, low)
                        _slopes(row, d, used, n, top[r], inverse[r], delta, zero, kind, at)
                    gemm(
                        T, N, n, ev, rows, one, scores, width, ga, ldg, one,
                        dv.ctypes.data + (dv_at[shared] + first * lddv) * size, lddv,
                    )  # fmt: skip
                    gemm(N, N, rows, e, n, scale, slopes, width, kb, ldk, one if first else zero, to, lddq)
                    gemm(
                        T, N, n, e, rows, scale, slopes, width, qa, ldq, one,
                        dk.ctypes.data + (dk_at[shared] + first * lddk) * size, lddk,
                    )  # fmt: skip


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
