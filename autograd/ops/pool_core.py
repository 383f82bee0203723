"""The primitives of pooling over the last dimensions, for any number of them.

A window is served tap by tap: the k-th elements of all windows are one strided slice of the input, so a pass over the
result per tap does the work, without copies of the padded input. Sums and maxima go one dimension at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from ..backend import accelerated
from ..op import nary, param

__all__ = ["avg_pool_p", "cut", "max_pool_index_p", "max_pool_p", "pooled_size"]

Ints = tuple[int, ...]


def pooled_size(n: int, k: int, s: int, lo: int, d: int, ceil_mode: bool) -> int:
    """How many windows fit: in ceil mode also one that starts inside the input or its left padding but ends outside."""
    room = n + 2 * lo - d * (k - 1) - 1
    if not ceil_mode:
        return room // s + 1
    o = -(-room // s) + 1
    return o - 1 if (o - 1) * s >= n + lo else o


@lru_cache(maxsize=4096)
def cut(tap: int, n: int, o: int, s: int, d: int, lo: int) -> tuple[slice, slice] | None:
    """(windows, elements): which windows have their tap inside the input, and which elements those are."""
    a = tap * d - lo
    first = max(0, -(a // s))  # the first window with a + s * window >= 0
    last = min(o - 1, (n - 1 - a) // s)
    if last < first:
        return None
    return slice(first, last + 1), slice(a + s * first, a + s * last + 1, s)


def _reduce(xp: Any, x: Any, axis: int, k: int, s: int, d: int, lo: int, o: int, ufunc: str, empty: Any) -> Any:
    """`ufunc` reduced over the windows along one axis."""
    n = x.shape[axis]
    lead = (slice(None),) * axis
    f = getattr(xp, ufunc)
    if o == 1 and k == n and d == 1 and lo == 0:  # one window: the whole axis
        return (
            f.reduce(x, axis, keepdims=True) if xp is np else (x.sum if ufunc == "add" else x.max)(axis, keepdims=True)
        )
    cuts = [c for c in (cut(a, n, o, s, d, lo) for a in range(k)) if c is not None]
    whole = [c for c in cuts if c[0] == slice(0, o)]
    rest = [c for c in cuts if c[0] != slice(0, o)]
    if len(whole) > 1:
        out = f(x[(*lead, whole[0][1])], x[(*lead, whole[1][1])])
        rest += whole[2:]
    elif whole:
        out = x[(*lead, whole[0][1])].copy()
    else:
        out = xp.full((*x.shape[:axis], o, *x.shape[axis + 1 :]), empty, x.dtype)
    for windows, elements in rest:
        part = out[(*lead, windows)]
        f(part, x[(*lead, elements)], out=part)
    return out


def _spread(xp: Any, g: Any, axis: int, n: int, k: int, s: int, d: int, lo: int) -> Any:
    """The adjoint of summing windows along one axis: each window's value added to its elements."""
    o = g.shape[axis]
    lead = (slice(None),) * axis
    if o == 1 and k == n and d == 1 and lo == 0:
        return xp.broadcast_to(g, (*g.shape[:axis], n, *g.shape[axis + 1 :]))
    out = xp.zeros((*g.shape[:axis], n, *g.shape[axis + 1 :]), g.dtype)
    for a in range(k):
        found = cut(a, n, o, s, d, lo)
        if found is not None:
            windows, elements = found
            if s >= k:  # windows do not overlap
                out[(*lead, elements)] = g[(*lead, windows)]
            else:
                out[(*lead, elements)] += g[(*lead, windows)]
    return out


# ---------------------------------------------------------------- average
@lru_cache(maxsize=256)
def _counts(n: int, k: int, s: int, lo: int, o: int, padding_counts: bool) -> Any:
    """The divisor of each window along one dimension: a number if they are all alike, else an array."""
    start = np.arange(o) * s - lo
    end = np.minimum(start + k, n + lo)
    if not padding_counts:
        start, end = np.maximum(start, 0), np.minimum(end, n)
    size = end - start
    return int(size[0]) if (size == size[0]).all() else size


def _divide(
    xp: Any, x: Any, first: int, x_shape: Ints, k: Ints, s: Ints, lo: Ints, o: Ints, pad: bool, over: Any
) -> Any:
    """x / the number of elements of each window, in place where possible; integers are truncated."""
    whole = x.dtype.kind in "iub"
    scale = 1
    arrays = []
    if over is not None:
        scale = over
    else:
        for i, n in enumerate(x_shape):
            c = _counts(n, k[i], s[i], lo[i], o[i], pad)
            if type(c) is int:
                scale *= c
            else:
                arrays.append(xp.asarray(c).reshape(-1, *(1,) * (len(o) - 1 - i)))
    if whole:
        for c in arrays:
            scale = scale * c
        return xp.trunc(x / scale).astype(x.dtype)
    if not getattr(x.flags, "writeable", True) or 0 in x.strides:  # CuPy's arrays have no such flag
        x = x.copy()
    if scale != 1:
        x /= scale
    for c in arrays:
        x /= c.astype(x.dtype)
    return x


@accelerated("avg_pool")
def _avg_pool(xp: Any, x: Any, k: Ints, s: Ints, lo: Ints, o: Ints, pad: bool, over: Any) -> Any:
    first = x.ndim - len(k)
    shape = x.shape[first:]
    y = x
    for i in range(len(k)):
        y = _reduce(xp, y, first + i, k[i], s[i], 1, lo[i], o[i], "add", 0)
    if y.dtype != x.dtype:  # NumPy adds small integers up in larger ones
        y = y.astype(x.dtype)
    return _divide(xp, y, first, shape, k, s, lo, o, pad, over)


@accelerated("avg_pool_back")
def _avg_pool_back(xp: Any, g: Any, x: Ints, k: Ints, s: Ints, lo: Ints, o: Ints, pad: bool, over: Any) -> Any:
    first = g.ndim - len(k)
    y = _divide(xp, g.copy(), first, x, k, s, lo, o, pad, over)
    for i in range(len(k) - 1, -1, -1):
        y = _spread(xp, y, first + i, x[i], k[i], s[i], 1, lo[i])
    return y


avg_pool_p: Any = param(
    "avg_pool",
    _avg_pool,
    lambda g, x, o, k, *rest: avg_pool_back_p(g, x[len(x) - len(k) :], k, *rest),
    dtypes="same",
    jvp="linear",
    doc="Averages of windows k with stride s and padding lo over the last dimensions: o of them.",
)
avg_pool_back_p: Any = param(
    "avg_pool_back",
    _avg_pool_back,
    lambda g, x, o, shape, *rest: avg_pool_p(g, *rest),
    dtypes="same",
    jvp="linear",
    doc="The adjoint of avg_pool_p.",
)


# ---------------------------------------------------------------- maximum
def _lowest(dtype: Any) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


@accelerated("max_pool")
def _max_pool(xp: Any, x: Any, k: Ints, s: Ints, lo: Ints, d: Ints, o: Ints) -> Any:
    first = x.ndim - len(k)
    y = x
    for i in range(len(k)):  # the outer dimension first: its slices are runs of memory
        y = _reduce(xp, y, first + i, k[i], s[i], d[i], lo[i], o[i], "maximum", _lowest(x.dtype))
    return y


def _matches(x: Any, o: Any, k: Ints, s: Ints, lo: Ints, d: Ints, nan: bool = False) -> Iterator[tuple[Any, Any, Any]]:
    """(windows, elements, mask) for each tap: where the tap is the first one that holds the window's maximum."""
    first = x.ndim - len(k)
    shape, sizes = x.shape[first:], o.shape[first:]
    free = o == o
    if nan:
        free[...] = True
    for tap in product(*(range(v) for v in k)):
        cuts = [cut(*v) for v in zip(tap, shape, sizes, s, d, lo, strict=True)]
        if None in cuts:
            continue
        windows = (..., *(c[0] for c in cuts if c is not None))
        elements = (..., *(c[1] for c in cuts if c is not None))
        v = x[elements]
        mask = v == o[windows]
        if nan:
            mask |= v != v
        left = free[windows]
        mask &= left
        left ^= mask
        yield windows, elements, mask


@accelerated("max_pool_back")
def _max_pool_back(xp: Any, xs: Any, k: Ints, s: Ints, lo: Ints, d: Ints) -> Any:
    g, x, o = xs
    out = xp.zeros(x.shape, g.dtype)
    apart = all(ss >= dd * (kk - 1) + 1 for ss, dd, kk in zip(s, d, k, strict=True))
    for windows, elements, mask in _matches(x, o, k, s, lo, d):
        if apart:
            xp.multiply(g[windows], mask, out=out[elements])
        else:
            out[elements] += g[windows] * mask
    return out


def _max_pool_pick(xp: Any, xs: Any, k: Ints, s: Ints, lo: Ints, d: Ints) -> Any:
    t, x, o = xs
    out = xp.zeros(o.shape, t.dtype)
    for windows, elements, mask in _matches(x, o, k, s, lo, d):
        out[windows] += t[elements] * mask
    return out


def _zero(*_: Any) -> None:
    return None


max_pool_p: Any = param(
    "max_pool",
    _max_pool,
    lambda g, x, o, k, s, lo, d, n: max_pool_back_p((g, x, o), k, s, lo, d),
    saves="xo",
    dtypes="same",
    jvp=lambda ts, xs, o, k, s, lo, d, n: max_pool_pick_p((ts[0], xs[0], o), k, s, lo, d),
    doc="Maxima of windows k with stride s, padding lo and dilation d over the last dimensions: n of them.",
)
max_pool_back_p: Any = nary(
    "max_pool_back",
    _max_pool_back,
    lambda g, xs, o, needs, *p: (max_pool_pick_p((g, xs[1], xs[2]), *p) if needs[0] else None, None, None),
    saves=("12", "", ""),
    dtypes="same",
    jvp=lambda ts, xs, o, *p: max_pool_back_p((xs[0] * 0 if ts[0] is None else ts[0], xs[1], xs[2]), *p),
    doc="g at the first maximum of each window; operands g, the input and the maxima.",
)
max_pool_pick_p: Any = nary(
    "max_pool_pick",
    _max_pool_pick,
    lambda g, xs, o, needs, *p: (max_pool_back_p((g, xs[1], xs[2]), *p) if needs[0] else None, None, None),
    saves=("12", "", ""),
    dtypes="same",
    jvp=lambda ts, xs, o, *p: max_pool_pick_p((xs[0] * 0 if ts[0] is None else ts[0], xs[1], xs[2]), *p),
    doc="The elements of the first operand where the input has the first maximum of each window.",
)


@accelerated("max_pool_index")
def _max_pool_index(xp: Any, x: Any, k: Ints, s: Ints, lo: Ints, d: Ints, o: Ints) -> Any:
    best = _max_pool(xp, x, k, s, lo, d, o)
    shape = x.shape[x.ndim - len(k) :]
    number = xp.arange(int(np.prod(shape))).reshape(shape)
    out = xp.zeros(best.shape, np.int64)
    for windows, elements, mask in _matches(x, best, k, s, lo, d, nan=True):
        part = out[windows]
        xp.copyto(part, xp.broadcast_to(number[elements], part.shape), where=mask)
    return out


max_pool_index_p: Any = param(
    "max_pool_index",
    _max_pool_index,
    dtypes="fixed",
    differentiable=False,
    doc="The place of each maximum, counted over the flattened pooled dimensions.",
)
