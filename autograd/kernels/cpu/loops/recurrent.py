"""Loops over all steps of recurrent layers, each thread with its own sequences.

steps: one row for each step in the order of computation: its sequences, its first row, and both of the step that it goes
on from. Inner loops write one array each, so that LLVM proves them free of overlaps and vectorises them.
"""

from __future__ import annotations

from .blas import N, T, gemm
from .elementary import sigmoid, tanh
from .jit import loop, part
from .panels import pack, times
from .share import divide, each
from .views import view

__all__ = ["gru", "gru_back", "lstm", "lstm_back", "pack", "rnn", "rnn_back"]


# ---------------------------------------------------------------- LSTM
@part
def _lstm_row(r, s, k, size, like, gates, b, h, c, out, cs):
    row = gates.ctypes.data + r * 4 * k * size
    both, offset = view(row, 2 * k, like), view(b.ctypes.data, 2 * k, like)
    for j in range(2 * k):
        both[j] = sigmoid(both[j] + offset[j])
    g, offset = view(row + 2 * k * size, k, like), view(b.ctypes.data + 2 * k * size, k, like)
    for j in range(k):
        g[j] = tanh(g[j] + offset[j])
    o, offset = view(row + 3 * k * size, k, like), view(b.ctypes.data + 3 * k * size, k, like)
    for j in range(k):
        o[j] = sigmoid(o[j] + offset[j])
    i, f = view(row, k, like), view(row + k * size, k, like)
    cell, to = view(c.ctypes.data + s * k * size, k, like), view(cs.ctypes.data + r * k * size, k, like)
    for j in range(k):
        to[j] = f[j] * cell[j] + i[j] * g[j]
    for j in range(k):
        cell[j] = to[j]
    state, to = view(h.ctypes.data + s * k * size, k, like), view(out.ctypes.data + r * k * size, k, like)
    for j in range(k):
        to[j] = o[j] * tanh(cell[j])
    for j in range(k):
        state[j] = to[j]


@part
def _lstm(lo, hi, steps, gates, b, w, panels, h, c, out, cs):
    k = w.shape[1]
    size = w.itemsize
    one = w.dtype.type(1)
    for t in range(steps.shape[0]):
        n = min(hi, steps[t, 0]) - lo
        if n <= 0:
            continue
        first = steps[t, 1] + lo
        state, to = h.ctypes.data + lo * k * size, gates.ctypes.data + first * 4 * k * size
        if panels.size:
            times(n, state, k, panels, 0, panels.shape[0], to, 4 * k, True)
        else:
            gemm(N, T, n, 4 * k, k, one, state, k, w.ctypes.data, k, one, to, 4 * k)
        for i in range(n):
            _lstm_row(first + i, lo + i, k, size, one, gates, b, h, c, out, cs)


@loop
def lstm(nt, steps, gates, b, w, panels, h, c, out, cs):
    """gates: the input's share of the sums, in whose place the gates are left; h, c: the first states, then the last.

    panels: those of w^T, or none, here and below; backward those of w.
    """
    m = h.shape[0]
    divide(_lstm, nt, m, (steps, gates, b, w, panels, h, c, out, cs))


@part
def _lstm_row_back(r, s, k, size, one, before, g, gates, cs, dh, dc, dz, db):
    row, to = gates.ctypes.data + r * 4 * k * size, dz.ctypes.data + r * 4 * k * size
    i, f = view(row, k, one), view(row + k * size, k, one)
    a, o = view(row + 2 * k * size, k, one), view(row + 3 * k * size, k, one)
    di, df = view(to, k, one), view(to + k * size, k, one)
    da, do = view(to + 2 * k * size, k, one), view(to + 3 * k * size, k, one)
    d, e = view(dh.ctypes.data + s * k * size, k, one), view(dc.ctypes.data + s * k * size, k, one)
    if g.shape[1]:
        given = view(g.ctypes.data + r * k * size, k, one)
        for j in range(k):
            d[j] += given[j]
    now, past = view(cs.ctypes.data + r * k * size, k, one), view(before, k, one)
    for j in range(k):
        do[j] = tanh(now[j])
    for j in range(k):
        e[j] += d[j] * (o[j] * (one - do[j] * do[j]))
    for j in range(k):
        do[j] = d[j] * (do[j] * (o[j] * (one - o[j])))
    for j in range(k):
        df[j] = e[j] * (past[j] * f[j] * (one - f[j]))
    for j in range(k):
        da[j] = e[j] * (i[j] * (one - a[j] * a[j]))
    for j in range(k):
        di[j] = e[j] * (a[j] * i[j] * (one - i[j]))
    for j in range(k):
        e[j] *= f[j]
    whole = view(to, 4 * k, one)
    for j in range(4 * k):
        db[j] += whole[j]


@part
def _lstm_back(t, nt, steps, g, gates, cs, c0, w, panels, dh, dc, dz, sums):
    lo, hi, db = dh.shape[0] * t // nt, dh.shape[0] * (t + 1) // nt, sums[t]
    k = w.shape[1]
    size = w.itemsize
    one, nil = w.dtype.type(1), w.dtype.type(0)
    for t in range(steps.shape[0] - 1, -1, -1):
        n = min(hi, steps[t, 0]) - lo
        if n <= 0:
            continue
        first, more, before = steps[t, 1] + lo, steps[t, 2], steps[t, 3]
        for i in range(n):
            r, s = first + i, lo + i
            state = cs.ctypes.data + (before + s) * k * size if s < more else c0.ctypes.data + s * k * size
            _lstm_row_back(r, s, k, size, one, state, g, gates, cs, dh, dc, dz, db)
        source, to = dz.ctypes.data + first * 4 * k * size, dh.ctypes.data + lo * k * size
        if panels.size:
            times(n, source, 4 * k, panels, 0, panels.shape[0], to, k, False)
        else:
            gemm(N, N, n, k, 4 * k, one, source, 4 * k, w.ctypes.data, k, nil, to, k)


@loop
def lstm_back(nt, steps, g, gates, cs, c0, w, panels, dh, dc, dz, db):
    """g: the cotangent of all rows' h (no columns: none); dh, dc: of the last states, then of the first; db (nt, 4 H)."""
    each(_lstm_back, nt, (steps, g, gates, cs, c0, w, panels, dh, dc, dz, db))


# ---------------------------------------------------------------- GRU
@part
def _gru_row(r, s, k, size, like, gates, b, b_n, h, out, shares):
    row = gates.ctypes.data + r * 3 * k * size
    both, offset = view(row, 2 * k, like), view(b.ctypes.data, 2 * k, like)
    for j in range(2 * k):
        both[j] = sigmoid(both[j] + offset[j])
    share = view(shares.ctypes.data + r * k * size, k, like)
    for j in range(k):
        share[j] += b_n[j]
    u, n, offset = (
        view(row + k * size, k, like),
        view(row + 2 * k * size, k, like),
        view(b.ctypes.data + 2 * k * size, k, like),
    )
    for j in range(k):
        n[j] = tanh(n[j] + offset[j] + both[j] * share[j])
    state, to = view(h.ctypes.data + s * k * size, k, like), view(out.ctypes.data + r * k * size, k, like)
    for j in range(k):
        to[j] = n[j] + u[j] * (state[j] - n[j])
    for j in range(k):
        state[j] = to[j]


@part
def _gru(lo, hi, steps, gates, b, b_n, w, panels, h, out, shares):
    k = w.shape[1]
    size = w.itemsize
    one, nil = w.dtype.type(1), w.dtype.type(0)
    for t in range(steps.shape[0]):
        n = min(hi, steps[t, 0]) - lo
        if n <= 0:
            continue
        first = steps[t, 1] + lo
        state = h.ctypes.data + lo * k * size
        to, share = gates.ctypes.data + first * 3 * k * size, shares.ctypes.data + first * k * size
        if panels.size:
            third = panels.shape[0] // 3
            times(n, state, k, panels, 0, 2 * third, to, 3 * k, True)
            times(n, state, k, panels, 2 * third, 3 * third, share, k, False)
        else:
            gemm(N, T, n, 2 * k, k, one, state, k, w.ctypes.data, k, one, to, 3 * k)
            gemm(N, T, n, k, k, one, state, k, w.ctypes.data + 2 * k * k * size, k, nil, share, k)
        for i in range(n):
            _gru_row(first + i, lo + i, k, size, one, gates, b, b_n, h, out, shares)


@loop
def gru(nt, steps, gates, b, b_n, w, panels, h, out, shares):
    """gates: the input's share of the sums, in whose place the gates are left; h: the first state, then the last."""
    m = h.shape[0]
    divide(_gru, nt, m, (steps, gates, b, b_n, w, panels, h, out, shares))


@part
def _gru_row_back(r, s, k, size, one, before, g, gates, shares, dh, dz, dn, db):
    row, to, total = gates.ctypes.data + r * 3 * k * size, dz.ctypes.data + r * 3 * k * size, db.ctypes.data
    reset, u, n = view(row, k, one), view(row + k * size, k, one), view(row + 2 * k * size, k, one)
    dr, du, part_n = view(to, k, one), view(to + k * size, k, one), view(to + 2 * k * size, k, one)
    d, own = view(dh.ctypes.data + s * k * size, k, one), view(dn.ctypes.data + r * k * size, k, one)
    share, past = view(shares.ctypes.data + r * k * size, k, one), view(before, k, one)
    if g.shape[1]:
        given = view(g.ctypes.data + r * k * size, k, one)
        for j in range(k):
            d[j] += given[j]
    for j in range(k):
        own[j] = d[j] * ((one - u[j]) * (one - n[j] * n[j]))
    for j in range(k):
        du[j] = d[j] * ((past[j] - n[j]) * u[j] * (one - u[j]))
    for j in range(k):
        dr[j] = own[j] * (share[j] * reset[j] * (one - reset[j]))
    for j in range(k):
        part_n[j] = own[j] * reset[j]
    for j in range(k):
        d[j] *= u[j]
    both, sums = view(to, 2 * k, one), view(total, 2 * k, one)
    for j in range(2 * k):
        sums[j] += both[j]
    sums = view(total + 2 * k * size, k, one)
    for j in range(k):
        sums[j] += own[j]
    sums = view(total + 3 * k * size, k, one)
    for j in range(k):
        sums[j] += part_n[j]


@part
def _gru_back(t, nt, steps, g, gates, shares, out, h0, w, panels, dh, dz, dn, sums):
    lo, hi, db = dh.shape[0] * t // nt, dh.shape[0] * (t + 1) // nt, sums[t]
    k = w.shape[1]
    size = w.itemsize
    one = w.dtype.type(1)
    for t in range(steps.shape[0] - 1, -1, -1):
        n = min(hi, steps[t, 0]) - lo
        if n <= 0:
            continue
        first, more, before = steps[t, 1] + lo, steps[t, 2], steps[t, 3]
        for i in range(n):
            r, s = first + i, lo + i
            state = out.ctypes.data + (before + s) * k * size if s < more else h0.ctypes.data + s * k * size
            _gru_row_back(r, s, k, size, one, state, g, gates, shares, dh, dz, dn, db)
        source, to = dz.ctypes.data + first * 3 * k * size, dh.ctypes.data + lo * k * size
        if panels.size:
            times(n, source, 3 * k, panels, 0, panels.shape[0], to, k, True)
        else:
            gemm(N, N, n, k, 3 * k, one, source, 3 * k, w.ctypes.data, k, one, to, k)


@loop
def gru_back(nt, steps, g, gates, shares, out, h0, w, panels, dh, dz, dn, db):
    """g: the cotangent of all rows' h (no columns: none); dh: of the last state, then of the first; db (nt, 4 H)."""
    each(_gru_back, nt, (steps, g, gates, shares, out, h0, w, panels, dh, dz, dn, db))


# ---------------------------------------------------------------- RNN
@part
def _rnn(lo, hi, steps, relu, b, w, panels, h, out):
    k = w.shape[1]
    size = w.itemsize
    one, nil = w.dtype.type(1), w.dtype.type(0)
    for t in range(steps.shape[0]):
        n = min(hi, steps[t, 0]) - lo
        if n <= 0:
            continue
        first = steps[t, 1] + lo
        state, to = h.ctypes.data + lo * k * size, out.ctypes.data + first * k * size
        if panels.size:
            times(n, state, k, panels, 0, panels.shape[0], to, k, True)
        else:
            gemm(N, T, n, k, k, one, state, k, w.ctypes.data, k, one, to, k)
        for i in range(n):
            r, s = first + i, lo + i
            if relu:
                for j in range(k):
                    v = out[r, j] + b[j]
                    out[r, j] = nil if v <= nil else v  # noqa: FURB136  NaN stays
            else:
                for j in range(k):
                    out[r, j] = tanh(out[r, j] + b[j])
            for j in range(k):
                h[s, j] = out[r, j]


@loop
def rnn(nt, steps, relu, b, w, panels, h, out):
    """out: the input's share of the sums, in whose place all rows' h are left; h: the first state, then the last."""
    m = h.shape[0]
    divide(_rnn, nt, m, (steps, relu, b, w, panels, h, out))


@part
def _rnn_back(t, nt, steps, relu, g, out, w, panels, dh, dz, sums):
    lo, hi, db = dh.shape[0] * t // nt, dh.shape[0] * (t + 1) // nt, sums[t]
    k = w.shape[1]
    size = w.itemsize
    one, nil = w.dtype.type(1), w.dtype.type(0)
    for t in range(steps.shape[0] - 1, -1, -1):
        n = min(hi, steps[t, 0]) - lo
        if n <= 0:
            continue
        first = steps[t, 1] + lo
        for i in range(n):
            r, s = first + i, lo + i
            if g.shape[1]:
                for j in range(k):
                    dh[s, j] += g[r, j]
            if relu:
                for j in range(k):
                    dz[r, j] = dh[s, j] * (one if out[r, j] > nil else nil)
            else:
                for j in range(k):
                    dz[r, j] = dh[s, j] * (one - out[r, j] * out[r, j])
            for j in range(k):
                db[j] += dz[r, j]
        source, to = dz.ctypes.data + first * k * size, dh.ctypes.data + lo * k * size
        if panels.size:
            times(n, source, k, panels, 0, panels.shape[0], to, k, False)
        else:
            gemm(N, N, n, k, k, one, source, k, w.ctypes.data, k, nil, to, k)


@loop
def rnn_back(nt, steps, relu, g, out, w, panels, dh, dz, db):
    """g: the cotangent of all rows' h (no columns: none); dh: of the last state, then of the first; db (nt, H)."""
    each(_rnn_back, nt, (steps, relu, g, out, w, panels, dh, dz, db))
