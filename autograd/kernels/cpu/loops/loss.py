"""Loops of losses: cross entropy of logits (N, C) or (N, C, S) and labels, and sums over pairs of elements.

Two passes over the logits forward and one backward, each over a row while it is in the cache: what a whole array of
softmax would cost to write and to read again, exp costs less. Labels out of range are skipped, never read at: the caller
has refused them, but an array of labels may have been written to since.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..loss import BLOCK
from .activation import log1p
from .elementary import exp, sigmoid
from .jit import loop, part, precise
from .share import divide, each
from .softmax import _top
from .views import view

__all__ = [
    "bce_logits", "bce_logits_back", "label_planes", "label_planes_back", "label_rows", "label_rows_back", "smooth_l1",
    "smooth_l1_back", "squares", "squares_back",
]  # fmt: skip

_WIDTH = 128  # neighbouring columns of (N, C, S) that are treated at a time


@precise
def _behind(x: Any, m: Any, s: Any) -> Any:
    # not reordered: m + s has lost s where m is large
    return (x - m) - s


@precise
def _ahead(x: Any, m: Any, s: Any) -> Any:
    # the negative of `_behind`: negated outside, it would be reordered
    return s - (x - m)


# ---------------------------------------------------------------- cross entropy: x (N, C)
@part
def _label_rows(t, nt, x, labels, spread, loss, top, logs, smooth, work):
    n, c = x.shape
    hi = n * (t + 1) // nt
    size, nil = x.itemsize, x.dtype.type(0)
    step = max(1, BLOCK // c)
    z = work.ctypes.data + t * work.shape[1] * size
    for q in range(n * t // nt, hi, step):
        r = min(hi, q + step) - q
        for i in range(r):
            top[q + i] = _top(x, q + i)
            m = top[q + i]  # read again: with the number from the register, the next loop takes three times as long
            row = view(z + i * c * size, c, nil)
            for j in range(c):
                row[j] = x[q + i, j] - m
            if smooth.size:
                s = nil
                for j in range(c):
                    s += row[j] * spread[j]
                smooth[q + i] = s
        rows = view(z, r * c, nil)
        for j in range(r * c):
            rows[j] = exp(rows[j])
        for i in range(r):
            row = view(z + i * c * size, c, nil)
            s = nil
            for j in range(c):
                s += row[j]
            s = x.dtype.type(math.log(s))
            k = labels[q + i]
            logs[q + i] = s
            loss[q + i] = _ahead(x[q + i, k], top[q + i], s) if 0 <= k < c else nil


@loop
def label_rows(nt, x, labels, spread, loss, top, logs, smooth, work):
    """For each row: its largest logit, the log of the sum of exp(x - top), and -log_softmax(x)[label].

    smooth, if not of size 0, is the sum of (x - top) * spread; work: max(BLOCK, C) numbers for each thread.
    """
    each(_label_rows, nt, (x, labels, spread, loss, top, logs, smooth, work))


@part
def _label_rows_back(lo, hi, x, labels, top, logs, at_label, mass, share, spread, y):
    c = x.shape[1]
    step = max(1, BLOCK // c)
    flat = y.reshape(y.size)
    for q in range(lo, hi, step):
        e = min(hi, q + step)
        for i in range(q, e):
            m, s = top[i], logs[i]
            for j in range(c):
                y[i, j] = _behind(x[i, j], m, s)
        for j in range(np.uintp(q * c), np.uintp(e * c)):
            flat[j] = exp(flat[j])
        for i in range(q, e):
            a = mass[i if mass.size > 1 else 0]
            if share.size:
                b = share[i if share.size > 1 else 0]
                for j in range(c):
                    y[i, j] = y[i, j] * a - b * spread[j]
            else:
                for j in range(c):
                    y[i, j] *= a
            k = labels[i]
            if 0 <= k < c:
                y[i, k] -= at_label[i if at_label.size > 1 else 0]


@loop
def label_rows_back(nt, x, labels, top, logs, at_label, mass, share, spread, y):
    """y = softmax(x) * mass - share * spread, less at_label at the label; mass, share and at_label have size 1 or N.

    A share of size 0 is none.
    """
    n = x.shape[0]
    divide(_label_rows_back, nt, n, (x, labels, top, logs, at_label, mass, share, spread, y))


# ---------------------------------------------------------------- cross entropy: x (N, C, S)
@part
def _block(q, blocks, inner):
    # unsigned: an index that may count from the end is not vectorised
    o = q % blocks * _WIDTH
    return q // blocks, np.uintp(o), np.uintp(min(_WIDTH, inner - o))


@part
def _label_planes(lo, hi, x, labels, spread, loss, top, logs, smooth):
    c, inner = x.shape[1], x.shape[2]
    blocks = (inner + _WIDTH - 1) // _WIDTH
    nil = x.dtype.type(0)
    m, s, z = np.empty(_WIDTH, x.dtype), np.empty(_WIDTH, x.dtype), np.empty(_WIDTH, x.dtype)
    for q in range(lo, hi):
        a, o, w = _block(q, blocks, inner)
        for j in range(w):
            m[j] = x[a, 0, o + j]
            s[j] = nil
            z[j] = nil
        for i in range(1, c):
            for j in range(w):
                v = x[a, i, o + j]
                m[j] = v if v > m[j] else m[j]  # noqa: FURB136  what has a NaN ends as one by exp
        for i in range(c):
            for j in range(w):
                s[j] += exp(x[a, i, o + j] - m[j])
            if smooth.size:
                b = spread[i]
                for j in range(w):
                    z[j] += (x[a, i, o + j] - m[j]) * b
        for j in range(w):
            e = x.dtype.type(math.log(s[j]))
            k = labels[a, o + j]
            top[a, o + j], logs[a, o + j] = m[j], e
            loss[a, o + j] = _ahead(x[a, k, o + j], m[j], e) if 0 <= k < c else nil
            if smooth.size:
                smooth[a, o + j] = z[j]


@loop
def label_planes(nt, x, labels, spread, loss, top, logs, smooth):
    """`label_rows` along the middle axis."""
    n = x.shape[0] * ((x.shape[2] + _WIDTH - 1) // _WIDTH)
    divide(_label_planes, nt, n, (x, labels, spread, loss, top, logs, smooth))


@part
def _label_planes_back(lo, hi, x, labels, top, logs, at_label, mass, share, spread, y):
    c, inner = x.shape[1], x.shape[2]
    blocks = (inner + _WIDTH - 1) // _WIDTH
    nought = np.uintp(0)
    one_mass, one_share, one_label = mass.size == 1, share.size == 1, at_label.size == 1
    m, s, f = np.empty(_WIDTH, x.dtype), np.empty(_WIDTH, x.dtype), np.empty(_WIDTH, x.dtype)
    for q in range(lo, hi):
        a, o, w = _block(q, blocks, inner)
        at = np.uintp(a * inner) + o
        for j in range(w):
            m[j] = top[a, o + j]
            s[j] = logs[a, o + j]
            f[j] = mass[nought if one_mass else at + j]
        for i in range(c):
            for j in range(w):
                y[a, i, o + j] = exp(_behind(x[a, i, o + j], m[j], s[j])) * f[j]
            if share.size:
                b = spread[i]
                for j in range(w):
                    y[a, i, o + j] -= share[nought if one_share else at + j] * b
        for j in range(w):
            k = labels[a, o + j]
            if 0 <= k < c:
                y[a, k, o + j] -= at_label[nought if one_label else at + j]


@loop
def label_planes_back(nt, x, labels, top, logs, at_label, mass, share, spread, y):
    """`label_rows_back` along the middle axis; mass, share and at_label are flat."""
    n = x.shape[0] * ((x.shape[2] + _WIDTH - 1) // _WIDTH)
    divide(_label_planes_back, nt, n, (x, labels, top, logs, at_label, mass, share, spread, y))


# ---------------------------------------------------------------- pairs of elements: flat x and y
# A cotangent of one element stands for as many of that value.
@part
def _squares(t, nt, x, y, sums):
    hi = x.size * (t + 1) // nt
    total = 0.0
    for q in range(x.size * t // nt, hi, BLOCK):
        s = x.dtype.type(0)
        for i in range(np.uintp(q), np.uintp(min(hi, q + BLOCK))):
            d = x[i] - y[i]
            s += d * d
        total += s
    sums[t] = total


@loop
def squares(nt, x, y, sums):
    """sums (nt,): the shares of the threads in the sum of (x - y) ** 2."""
    each(_squares, nt, (x, y, sums))


@part
def _squares_back(lo, hi, x, y, scale, dx, dy):
    lo, hi = np.uintp(lo), np.uintp(hi)
    if dx.size and dy.size:
        for i in range(lo, hi):
            v = (x[i] - y[i]) * scale
            dx[i] = v
            dy[i] = -v
    elif dx.size:
        for i in range(lo, hi):
            dx[i] = (x[i] - y[i]) * scale
    else:
        for i in range(lo, hi):
            dy[i] = (y[i] - x[i]) * scale


@loop
def squares_back(nt, x, y, scale, dx, dy):
    """dx = (x - y) * scale and dy = -dx, but for the one that has size 0."""
    n = x.size
    divide(_squares_back, nt, n, (x, y, scale, dx, dy))


@part
def _bce_logits(lo, hi, x, y, out):
    nil = x.dtype.type(0)
    for i in range(np.uintp(lo), np.uintp(hi)):
        v = x[i]
        top = nil if v < nil else v  # noqa: FURB136  max() may lose a NaN, here and below
        out[i] = top - v * y[i] + log1p(exp(-abs(v)))


@loop
def bce_logits(nt, x, y, out):
    """out = max(x, 0) - x * y + log(1 + exp(-abs(x)))."""
    n = x.size
    divide(_bce_logits, nt, n, (x, y, out))


@part
def _bce_logits_back(lo, hi, g, x, y, out):
    lo, hi = np.uintp(lo), np.uintp(hi)
    if g.size == 1:
        c = g[0]
        for i in range(lo, hi):
            out[i] = c * (sigmoid(x[i]) - y[i])
    else:
        for i in range(lo, hi):
            out[i] = g[i] * (sigmoid(x[i]) - y[i])


@loop
def bce_logits_back(nt, g, x, y, out):
    """out = g * (sigmoid(x) - y)."""
    n = x.size
    divide(_bce_logits_back, nt, n, (g, x, y, out))


@part
def _smooth_l1(lo, hi, x, beta, out):
    b, half, rate = x.dtype.type(beta), x.dtype.type(0.5 * beta), x.dtype.type(0.5 / beta)
    for i in range(np.uintp(lo), np.uintp(hi)):
        a = abs(x[i])
        out[i] = a * a * rate if a < b else a - half


@loop
def smooth_l1(nt, x, beta, out):
    """out = x ** 2 / (2 * beta) where abs(x) < beta, else abs(x) - beta / 2."""
    n = x.size
    divide(_smooth_l1, nt, n, (x, beta, out))


@part
def _smooth_l1_back(lo, hi, g, x, beta, out):
    rate, one = x.dtype.type(1 / beta), x.dtype.type(1)
    few = g.size == 1
    c = g[0]
    for i in range(np.uintp(lo), np.uintp(hi)):
        v = x[i] * rate
        v = -one if v < -one else v  # noqa: FURB136
        v = one if v > one else v  # noqa: FURB136
        out[i] = (c if few else g[i]) * v


@loop
def smooth_l1_back(nt, g, x, beta, out):
    """out = g * x / beta, where that is cut off at -1 and 1."""
    n = x.size
    divide(_smooth_l1_back, nt, n, (g, x, beta, out))
