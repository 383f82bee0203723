"""Loops of normalisation: over rows (layer and rms norm), over channels (batch norm), and one factor for each channel.

The mean comes first and the squares of what is left second, as in the formulas. Sums over many planes of a channel are
added up in float64: a plane is short, a batch is not. Parameters that are absent are arrays of size 0.
"""

from __future__ import annotations

import numpy as np

from .jit import loop, part, precise
from .share import divide, each
from .views import view

__all__ = [
    "affine_channels", "affine_channels_back", "channels", "channels_back", "columns", "columns_back", "rows", "rows_back",
]  # fmt: skip


@precise
def _not_under(floor, y):
    return floor if y < floor else y  # noqa: FURB136  NaN stays


@precise
def _inverse_root(v, eps):
    # not by an estimate and Newton's step, which give NaN instead of 0 for an infinite v
    return type(v)(1) / np.sqrt(v + eps)


# ---------------------------------------------------------------- layer and rms norm
@part
def _rows(lo, hi, x, w, b, eps, center, y, mean, rstd):
    d, z = x.shape[1], x.itemsize
    nil, size = x.dtype.type(0), x.dtype.type(d)
    small = x.dtype.type(eps)
    for i in range(lo, hi):
        xi, yi = view(x.ctypes.data + i * d * z, d, nil), view(y.ctypes.data + i * d * z, d, nil)
        m = nil
        if center:
            for j in range(d):
                m += xi[j]
            m = m / size
            mean[i, 0] = m
        v = nil
        for j in range(d):
            t = xi[j] - m
            v += t * t
        r = _inverse_root(v / size, small)
        rstd[i, 0] = r
        if w.size and b.size:
            for j in range(d):
                yi[j] = (xi[j] - m) * r * w[j] + b[j]
        elif w.size:
            for j in range(d):
                yi[j] = (xi[j] - m) * r * w[j]
        else:
            for j in range(d):
                yi[j] = (xi[j] - m) * r
            if b.size:
                for j in range(d):
                    yi[j] += b[j]


@loop
def rows(nt, x, w, b, eps, center, y, mean, rstd):
    """y (N, D) = (x - mean) * rstd * w + b for each row, and its mean (where center says so) and rstd, (N, 1)."""
    n = x.shape[0]
    divide(_rows, nt, n, (x, w, b, eps, center, y, mean, rstd))


@part
def _rows_back(t, nt, g, x, w, mean, rstd, dx, dw, db):
    n, d = x.shape
    z = x.itemsize
    nil, size = x.dtype.type(0), x.dtype.type(d)
    center = mean.size > 0
    dwt, dbt = np.zeros(dw.size // nt, x.dtype), np.zeros(db.size // nt, x.dtype)  # rows of dw share lines of the cache
    for i in range(n * t // nt, n * (t + 1) // nt):
        xi, gi = view(x.ctypes.data + i * d * z, d, nil), view(g.ctypes.data + i * d * z, d, nil)
        m = mean[i, 0] if center else nil
        r = rstd[i, 0]
        if dw.size:
            for j in range(d):
                dwt[j] += gi[j] * ((xi[j] - m) * r)
        if db.size:
            for j in range(d):
                dbt[j] += gi[j]
        if dx.size:
            di = view(dx.ctypes.data + i * d * z, d, nil)
            s1, s2 = nil, nil
            if w.size:
                for j in range(d):
                    h = gi[j] * w[j]
                    s1 += h
                    s2 += h * ((xi[j] - m) * r)
            else:
                for j in range(d):
                    s1 += gi[j]
                    s2 += gi[j] * ((xi[j] - m) * r)
            s1 = s1 / size if center else nil
            s2 = s2 / size
            if w.size:
                for j in range(d):
                    di[j] = r * (gi[j] * w[j] - s1 - (xi[j] - m) * r * s2)
            else:
                for j in range(d):
                    di[j] = r * (gi[j] - s1 - (xi[j] - m) * r * s2)
    for j in range(dwt.size):
        dw[t, j] = dwt[j]
    for j in range(dbt.size):
        db[t, j] = dbt[j]


@loop
def rows_back(nt, g, x, w, mean, rstd, dx, dw, db):
    """The cotangents of `rows`: dx; dw and db as (nt, D), one sum for each thread."""
    each(_rows_back, nt, (g, x, w, mean, rstd, dx, dw, db))


# ---------------------------------------------------------------- batch norm of (N, C, S)
@part
def _channels(lo, hi, x, w, b, eps, floor, y, mean, var, rstd):
    n, _, p = x.shape
    nil, small, least = x.dtype.type(0), x.dtype.type(eps), x.dtype.type(floor)
    for k in range(lo, hi):
        total = 0.0
        for a in range(n):
            s = nil
            for j in range(p):
                s += x[a, k, j]
            total += s
        m = x.dtype.type(total / (n * p))
        total = 0.0
        for a in range(n):
            s = nil
            for j in range(p):
                t = x[a, k, j] - m
                s += t * t
            total += s
        v = x.dtype.type(total / (n * p))
        r = _inverse_root(v, small)
        mean[k], var[k], rstd[k] = m, v, r
        scale = r * w[k] if w.size else r
        shift = b[k] if b.size else nil
        for a in range(n):
            for j in range(p):
                y[a, k, j] = _not_under(least, (x[a, k, j] - m) * scale + shift)


@loop
def channels(nt, x, w, b, eps, floor, y, mean, var, rstd):
    """y (N, C, S) = (x - mean) * rstd * w + b for each channel, at least `floor`, and its mean, biased variance and
    rstd, (C,)."""
    c = x.shape[1]
    divide(_channels, nt, c, (x, w, b, eps, floor, y, mean, var, rstd))


@part
def _channels_back(lo, hi, g, x, w, mean, rstd, dx, dw, db):
    n, _, p = x.shape
    nil = x.dtype.type(0)
    for k in range(lo, hi):
        m, r = mean[k], rstd[k]
        total, products = 0.0, 0.0
        for a in range(n):
            s, q = nil, nil
            for j in range(p):
                s += g[a, k, j]
                q += g[a, k, j] * (x[a, k, j] - m)
            total += s
            products += q
        gb, gw = x.dtype.type(total), x.dtype.type(products) * r
        db[k], dw[k] = gb, gw
        scale = r * w[k] if w.size else r
        s = x.dtype.type(total / (n * p))
        q = x.dtype.type(gw / x.dtype.type(n * p)) * r
        for a in range(n):
            for j in range(p):
                dx[a, k, j] = (g[a, k, j] - (x[a, k, j] - m) * q - s) * scale


@loop
def channels_back(nt, g, x, w, mean, rstd, dx, dw, db):
    """The cotangents of `channels`."""
    c = x.shape[1]
    divide(_channels_back, nt, c, (g, x, w, mean, rstd, dx, dw, db))


# ---------------------------------------------------------------- batch norm of (N, C)
@part
def _bound(c, t, nt):
    # columns are shared at multiples of 16, so that no two threads write to one cache line
    # (unsigned: an index that may count from the end is not vectorised)
    return np.uintp(min(c, ((c + nt - 1) // nt + 15) // 16 * 16 * t))


@part
def _columns(t, nt, x, w, b, eps, floor, y, mean, var, rstd):
    n, c = x.shape
    lo, hi = _bound(c, t, nt), _bound(c, t + 1, nt)
    nil, size, small, least = x.dtype.type(0), x.dtype.type(n), x.dtype.type(eps), x.dtype.type(floor)
    for j in range(lo, hi):
        mean[j] = nil
        var[j] = nil
    for i in range(n):
        for j in range(lo, hi):
            mean[j] += x[i, j]
    for j in range(lo, hi):
        mean[j] = mean[j] / size
    for i in range(n):
        for j in range(lo, hi):
            t = x[i, j] - mean[j]
            var[j] += t * t
    for j in range(lo, hi):
        var[j] = var[j] / size
        rstd[j] = _inverse_root(var[j], small)
    for i in range(n):
        if w.size:
            for j in range(lo, hi):
                y[i, j] = (x[i, j] - mean[j]) * (rstd[j] * w[j])
        else:
            for j in range(lo, hi):
                y[i, j] = (x[i, j] - mean[j]) * rstd[j]
        if b.size:
            for j in range(lo, hi):
                y[i, j] += b[j]
        for j in range(lo, hi):
            y[i, j] = _not_under(least, y[i, j])


@loop
def columns(nt, x, w, b, eps, floor, y, mean, var, rstd):
    """`channels` of (N, C)."""
    each(_columns, nt, (x, w, b, eps, floor, y, mean, var, rstd))


@part
def _columns_back(t, nt, g, x, w, mean, rstd, dx, dw, db, q):
    n, c = x.shape
    lo, hi = _bound(c, t, nt), _bound(c, t + 1, nt)
    nil, size = x.dtype.type(0), x.dtype.type(n)
    for j in range(lo, hi):
        dw[j] = nil
        db[j] = nil
    for i in range(n):
        for j in range(lo, hi):
            dw[j] += g[i, j] * (x[i, j] - mean[j])
            db[j] += g[i, j]
    for j in range(lo, hi):
        dw[j] = dw[j] * rstd[j]
        q[0, j] = dw[j] / size * rstd[j]
        q[1, j] = db[j] / size
        q[2, j] = rstd[j] * w[j] if w.size else rstd[j]
    for i in range(n):
        for j in range(lo, hi):
            dx[i, j] = (g[i, j] - (x[i, j] - mean[j]) * q[0, j] - q[1, j]) * q[2, j]


@loop
def columns_back(nt, g, x, w, mean, rstd, dx, dw, db, q):
    """The cotangents of `columns`; q (3, C) is for its own use."""
    each(_columns_back, nt, (g, x, w, mean, rstd, dx, dw, db, q))


# ---------------------------------------------------------------- a factor and a shift for each channel
@part
def _affine_channels(lo, hi, x, w, b, floor, y):
    n, _, p = x.shape
    one, nil, least = x.dtype.type(1), x.dtype.type(0), x.dtype.type(floor)
    for k in range(lo, hi):
        scale = w[k] if w.size else one
        shift = b[k] if b.size else nil
        for a in range(n):
            for j in range(p):
                y[a, k, j] = _not_under(least, x[a, k, j] * scale + shift)


@loop
def affine_channels(nt, x, w, b, floor, y):
    """y (N, C, S) = x * w + b with one w and b for each channel, at least `floor`."""
    c = x.shape[1]
    divide(_affine_channels, nt, c, (x, w, b, floor, y))


@part
def _affine_channels_back(lo, hi, g, x, w, dx, dw, db):
    n, _, p = g.shape
    nil, one = g.dtype.type(0), g.dtype.type(1)
    for k in range(lo, hi):
        total, products = 0.0, 0.0
        scale = w[k] if w.size else one
        for a in range(n):
            if db.size:
                s = nil
                for j in range(p):
                    s += g[a, k, j]
                total += s
            if dw.size:
                q = nil
                for j in range(p):
                    q += g[a, k, j] * x[a, k, j]
                products += q
            if dx.size:
                for j in range(p):
                    dx[a, k, j] = g[a, k, j] * scale
        if db.size:
            db[k] = total
        if dw.size:
            dw[k] = products


@loop
def affine_channels_back(nt, g, x, w, dx, dw, db):
    """The cotangents of `affine_channels`; those whose array has size 0 are not wanted."""
    c = g.shape[1]
    divide(_affine_channels_back, nt, c, (g, x, w, dx, dw, db))
