"""Loops of softmax, log_softmax and logsumexp: along rows, or along the middle axis of (outer, n, inner).

Along the middle axis, a thread takes `width` neighbouring columns at a time, whose maxima and sums it keeps beside each
other; so it reads and writes whole cache lines. The share of a thread is a range of such blocks. Each column is added
up in the order of its elements, whatever the width.
"""

# ruff: noqa: FURB136  max and min are another thing where there is a NaN
from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float32
from numba.extending import overload

from .elementary import exp, key, number
from .jit import loop, part, precise
from .share import divide

__all__ = [
    "columns", "columns_back", "log_rows", "log_rows_back", "rows", "rows_back", "sum_columns", "sum_columns_back",
    "sum_rows", "sum_rows_back",
]  # fmt: skip

f4, i4, u8 = np.float32, np.int32, np.uint64


# ---------------------------------------------------------------- e^x for x <= 0
@precise
def _falling32(x: Any) -> Any:
    # as elementary.exp32, but 2^k is one factor, for which subnormal results are 0: 0.47 ns instead of 0.66
    x = f4(-88.0) if x < f4(-88.0) else x
    k = np.floor(x * f4(1.44269504) + f4(0.5))
    r = x - k * f4(0.693359375)
    r = r - k * f4(-2.12194440e-4)
    p = f4(1.9875691500e-4)
    p = p * r + f4(1.3981999507e-3)
    p = p * r + f4(8.3334519073e-3)
    p = p * r + f4(4.1665795894e-2)
    p = p * r + f4(1.6666665459e-1)
    p = p * r + f4(5.0000001201e-1)
    p = p * (r * r) + r + f4(1.0)
    return p * i4((i4(k) + i4(127)) << i4(23)).view(np.float32)


def _falling(x: Any) -> Any:
    """e^x for x <= 0, or NaN."""
    raise NotImplementedError


@overload(_falling, inline="always")
def _falling_of(x):
    if x == float32:
        return lambda x: _falling32(x)
    return lambda x: exp(x)


@precise
def _less(x: Any, m: Any, s: Any) -> Any:
    # not reordered: m + s has lost s where m is large
    return (x - m) - s


@part
def _top(x, i):
    k = key(x[i, 0])
    for j in range(x.shape[1]):
        v = key(x[i, j])
        k = v if v > k else k
    return number(k)


# ---------------------------------------------------------------- rows: x (rows, n)
@part
def _rows_part(lo, hi, x, y):
    n = x.shape[1]
    one = x.dtype.type(1)
    for i in range(lo, hi):
        m = _top(x, i)
        s = x.dtype.type(0)
        for j in range(n):
            e = _falling(x[i, j] - m)
            y[i, j] = e
            s += e
        s = one / s
        for j in range(n):
            y[i, j] *= s


@loop
def rows(nt, x, y):
    """y = softmax of each row of x."""
    n = x.shape[0]
    divide(_rows_part, nt, n, (x, y))


@part
def _log_rows_part(lo, hi, x, y):
    n = x.shape[1]
    for i in range(lo, hi):
        m = _top(x, i)
        s = x.dtype.type(0)
        for j in range(n):
            s += _falling(x[i, j] - m)
        s = x.dtype.type(math.log(s))
        for j in range(n):
            y[i, j] = _less(x[i, j], m, s)


@loop
def log_rows(nt, x, y):
    """y = log(softmax) of each row of x."""
    n = x.shape[0]
    divide(_log_rows_part, nt, n, (x, y))


@part
def _sum_rows_part(lo, hi, x, y):
    for i in range(lo, hi):
        m = _top(x, i)
        if math.isinf(m):
            m = x.dtype.type(0)
        s = x.dtype.type(0)
        for j in range(x.shape[1]):
            s += exp(x[i, j] - m)
        y[i] = x.dtype.type(math.log(s)) + m


@loop
def sum_rows(nt, x, y):
    """y[i] = log(sum(exp(x[i])))."""
    n = x.shape[0]
    divide(_sum_rows_part, nt, n, (x, y))


@part
def _rows_back_part(lo, hi, g, o, y):
    n = o.shape[1]
    for i in range(lo, hi):
        s = o.dtype.type(0)
        for j in range(n):
            s += g[i, j] * o[i, j]
        for j in range(n):
            y[i, j] = o[i, j] * (g[i, j] - s)


@loop
def rows_back(nt, g, o, y):
    """y = o * (g - sum(g * o)) for each row."""
    n = o.shape[0]
    divide(_rows_back_part, nt, n, (g, o, y))


@part
def _log_rows_back_part(lo, hi, g, o, y):
    n = o.shape[1]
    for i in range(lo, hi):
        s = o.dtype.type(0)
        for j in range(n):
            s += g[i, j]
        for j in range(n):
            y[i, j] = g[i, j] - _falling(o[i, j]) * s


@loop
def log_rows_back(nt, g, o, y):
    """y = g - exp(o) * sum(g) for each row."""
    n = o.shape[0]
    divide(_log_rows_back_part, nt, n, (g, o, y))


# ---------------------------------------------------------------- columns: x (outer, n, inner), flat
# Indices are unsigned, and the arrays flat, so that Numba need not look for negative indices in the inner loops, which
# LLVM would then not vectorise (0.9 ns an element or 3).
@part
def _peaks(x, first, n, inner, w, m):
    # the maxima of w columns from `first` on
    for j in range(w):
        m[j] = x[first + j]
    for i in range(u8(1), n):
        p = first + i * inner
        for j in range(w):
            v = x[p + j]
            m[j] = v if v > m[j] else m[j]


@part
def _exponentials(x, first, n, inner, w, m, s, y):
    for j in range(w):
        s[j] = x.dtype.type(0)
    for i in range(n):
        p = first + i * inner
        for j in range(w):
            e = _falling(x[p + j] - m[j])
            y[p + j] = e
            s[j] += e


@part
def _sums(x, first, n, inner, w, m, s):
    for j in range(w):
        s[j] = x.dtype.type(0)
    for i in range(n):
        p = first + i * inner
        for j in range(w):
            s[j] += exp(x[p + j] - m[j])


@part
def _columns_part(lo, hi, x, n, inner, width, logs, y):
    blocks = (inner + width - 1) // width
    m, s = np.empty(width, x.dtype), np.empty(width, x.dtype)
    un, ui = u8(n), u8(inner)
    for q in range(lo, hi):
        c = q % blocks * width
        w, first = u8(min(width, inner - c)), u8(q // blocks * n * inner + c)
        _peaks(x, first, un, ui, w, m)
        if logs:
            _sums(x, first, un, ui, w, m, s)
            for j in range(w):
                s[j] = math.log(s[j])
            for i in range(un):
                p = first + i * ui
                for j in range(w):
                    y[p + j] = _less(x[p + j], m[j], s[j])
        else:
            _exponentials(x, first, un, ui, w, m, s, y)
            for j in range(w):
                s[j] = x.dtype.type(1) / s[j]
            for i in range(un):
                p = first + i * ui
                for j in range(w):
                    y[p + j] *= s[j]


@loop
def columns(nt, x, outer, n, inner, width, logs, y):
    """y = softmax of x along its middle axis, or log(softmax); `width` neighbouring columns at a time."""
    k = outer * ((inner + width - 1) // width)
    divide(_columns_part, nt, k, (x, n, inner, width, logs, y))


@part
def _sum_columns_part(lo, hi, x, n, inner, width, y):
    blocks = (inner + width - 1) // width
    m, s = np.empty(width, x.dtype), np.empty(width, x.dtype)
    for q in range(lo, hi):
        c = q % blocks * width
        w, first, place = u8(min(width, inner - c)), u8(q // blocks * n * inner + c), u8(q // blocks * inner + c)
        _peaks(x, first, u8(n), u8(inner), w, m)
        for j in range(w):
            m[j] = x.dtype.type(0) if math.isinf(m[j]) else m[j]
        _sums(x, first, u8(n), u8(inner), w, m, s)
        for j in range(w):
            y[place + j] = math.log(s[j]) + m[j]


@loop
def sum_columns(nt, x, outer, n, inner, width, y):
    """y (outer, inner) = log(sum(exp(x))) along the middle axis."""
    k = outer * ((inner + width - 1) // width)
    divide(_sum_columns_part, nt, k, (x, n, inner, width, y))


@part
def _columns_back_part(lo, hi, g, o, n, inner, width, logs, y):
    blocks = (inner + width - 1) // width
    s = np.empty(width, o.dtype)
    un, ui = u8(n), u8(inner)
    for q in range(lo, hi):
        c = q % blocks * width
        w, first = u8(min(width, inner - c)), u8(q // blocks * n * inner + c)
        for j in range(w):
            s[j] = o.dtype.type(0)
        for i in range(un):
            p = first + i * ui
            if logs:
                for j in range(w):
                    s[j] += g[p + j]
            else:
                for j in range(w):
                    s[j] += g[p + j] * o[p + j]
        for i in range(un):
            p = first + i * ui
            if logs:
                for j in range(w):
                    y[p + j] = g[p + j] - _falling(o[p + j]) * s[j]
            else:
                for j in range(w):
                    y[p + j] = o[p + j] * (g[p + j] - s[j])


@loop
def columns_back(nt, g, o, outer, n, inner, width, logs, y):
    """y = o * (g - sum(g * o)) along the middle axis, or for log_softmax g - exp(o) * sum(g)."""
    k = outer * ((inner + width - 1) // width)
    divide(_columns_back_part, nt, k, (g, o, n, inner, width, logs, y))


# ---------------------------------------------------------------- logsumexp's cotangent
@part
def _sum_rows_back_part(lo, hi, g, x, o, y):
    for i in range(lo, hi):
        v, w = g[i], o[i]
        for j in range(x.shape[1]):
            y[i, j] = v * exp(x[i, j] - w)


@loop
def sum_rows_back(nt, g, x, o, y):
    """y = g * exp(x - o) for each row, with one g and o for a row."""
    n = x.shape[0]
    divide(_sum_rows_back_part, nt, n, (g, x, o, y))


@part
def _sum_columns_back_part(lo, hi, g, x, o, n, inner, y):
    ui = u8(inner)
    for q in range(lo, hi):  # the lines of the two outer axes
        p, place = u8(q * inner), u8(q // n * inner)
        for j in range(ui):
            y[p + j] = g[place + j] * exp(x[p + j] - o[place + j])


@loop
def sum_columns_back(nt, g, x, o, outer, n, inner, y):
    """y = g * exp(x - o), where g and o (outer, inner) are the same along the middle axis of x."""
    k = outer * n
    divide(_sum_columns_back_part, nt, k, (g, x, o, n, inner, y))
