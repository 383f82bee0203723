"""The primitives of convolution, for any number of spatial dimensions.

Three bilinear primitives are closed under differentiation: the convolution, the gradient of its input (which is the
transposed convolution) and the gradient of its weight. Each is a GEMM per sample on a matrix of columns, made for a few
samples at a time so that it stays in the cache.

Columns come in two layouts. With stride 1 a window that moves by one element moves by one in memory too, so each tap of
the kernel is one long run of the padded sample; the results between the end of a row and the start of the next are
computed and thrown away ("wide"). Otherwise, or where that would waste too much, each window is gathered ("grid").
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from ..op import nary
from .matmul import shape_of
from .shape import sum_p
from .sums import add_up

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["conv_gw_p", "conv_gx_p", "conv_p"]

Ints = tuple[int, ...]
_CHUNK = 1 << 19  # elements of the columns made at a time on a CPU: 2 MiB of float32, measured best or near it
_CHUNK_DEVICE = 1 << 27
_WASTE = 1.6  # the most that wide columns may compute, in units of the wanted results


class _Plan:
    """The geometry of a convolution, shared by its three primitives.

    x, k, o: sizes of input, kernel and output; span: of the padded input that the windows cover; copied: how much of
    the input lies in it; pitch: elements between neighbours of the padded sample; length: columns per tap.
    """

    __slots__ = ("copied", "full", "length", "lo", "o", "offsets", "pitch", "plain", "points", "s", "d", "k", "span",
                 "taps", "wide", "x")  # fmt: skip

    def __init__(self, x: Ints, k: Ints, o: Ints, lo: Ints, s: Ints, d: Ints) -> None:
        self.x, self.k, self.o, self.lo, self.s, self.d = x, k, o, lo, s, d
        self.span = tuple((oo - 1) * ss + (kk - 1) * dd + 1 for oo, ss, kk, dd in zip(o, s, k, d, strict=True))
        self.copied = tuple(max(0, min(n, m - a)) for n, m, a in zip(x, self.span, lo, strict=True))
        self.pitch = tuple(prod(self.span[i + 1 :]) for i in range(len(x)))
        self.points, self.taps = prod(o), prod(k)
        wide = 1 + sum((oo - 1) * p for oo, p in zip(o, self.pitch, strict=True))
        self.wide = all(v == 1 for v in s) and wide <= _WASTE * self.points
        self.length = wide if self.wide else self.points
        self.full = (o[0], *self.span[1:])  # a wide result, with what is thrown away
        self.offsets = tuple(
            tuple(a * dd for a, dd in zip(tap, d, strict=True)) for tap in product(*(range(n) for n in k))
        )
        # kernel 1, stride 1, no padding: the samples are their own columns
        self.plain = self.taps == 1 and x == o and not any(lo) and all(v == 1 for v in s)

    def step(self, samples: int, channels: int, xp: Any) -> int:
        """How many samples to serve at a time."""
        limit = _CHUNK if xp.__name__ == "numpy" else _CHUNK_DEVICE
        return max(1, min(samples, limit // max(1, channels * self.taps * self.length)))

    def inside(self) -> tuple[Any, ...]:
        """Where the input lies within the padded samples."""
        return (..., *(slice(a, a + n) for a, n in zip(self.lo, self.copied, strict=True)))

    def taken(self) -> tuple[Any, ...]:
        """The part of the input that lies within the padded samples."""
        return (..., *(slice(0, n) for n in self.copied))

    def windows(self, offset: Ints) -> tuple[Any, ...]:
        """The elements of the padded samples that one tap of the kernel meets."""
        return (..., *(slice(a, a + (n - 1) * v + 1, v) for a, n, v in zip(offset, self.o, self.s, strict=True)))


_plan = lru_cache(maxsize=512)(_Plan)


def _columns(xp: Any, x: Any, p: _Plan, groups: int) -> Iterator[tuple[slice, Any]]:
    """(samples, their columns (m, [groups,] channels * taps, length)), a few samples at a time in one buffer."""
    n, c = x.shape[:2]
    shape = (c * p.taps, p.length) if groups == 1 else (groups, c // groups * p.taps, p.length)
    if p.plain:
        yield slice(0, n), x.reshape(n, *shape)
        return
    step = p.step(n, c, xp)
    itemsize = x.dtype.itemsize
    direct = x.shape[2:] == p.span and not any(p.lo) and x.flags.c_contiguous  # nothing to pad, cut or straighten
    padded: Any = None if direct else xp.zeros((step, c, *p.span), x.dtype)
    columns = xp.empty((step, c, *p.k, *((p.length,) if p.wide else p.o)), x.dtype)
    taps = tuple(d * q * itemsize for d, q in zip(p.d, p.pitch, strict=True))
    moves = (itemsize,) if p.wide else tuple(s * q * itemsize for s, q in zip(p.s, p.pitch, strict=True))
    source = x if direct else padded
    view = xp.lib.stride_tricks.as_strided(
        source, (source.shape[0], *columns.shape[1:]), (*source.strides[:2], *taps, *moves)
    )
    for i in range(0, n, step):
        m = min(step, n - i)
        if padded is not None:
            padded[:m][p.inside()] = x[i : i + m][p.taken()]
        made = columns[:m]
        made[...] = view[i : i + m] if direct else view[:m]
        yield slice(i, i + m), made.reshape(m, *shape)


def _spread(xp: Any, g: Any, p: _Plan, groups: int, step: int) -> Iterator[tuple[slice, Any]]:
    """(samples, their output gradients (m, [groups,] channels, length)), in the layout of the columns."""
    n, c = g.shape[:2]
    shape = (c,) if groups == 1 else (groups, c // groups)
    if not p.wide or p.full == p.o:
        flat = g.reshape(n, *shape, p.points)
        for i in range(0, n, step):
            yield slice(i, min(i + step, n)), flat[i : i + step]
        return
    buffer = xp.zeros((step, c, *p.full), g.dtype)  # zero where results are thrown away
    inner = (..., *(slice(0, v) for v in p.o))
    for i in range(0, n, step):
        m = min(step, n - i)
        buffer[:m][inner] = g[i : i + m]
        yield slice(i, i + m), buffer[:m].reshape(m, *shape, prod(p.full))[..., : p.length]


def _weight(w: Any, groups: int) -> Any:
    """The kernel as a matrix (O, C * taps), one for each group if there are several."""
    if groups == 1:
        return w.reshape(w.shape[0], prod(w.shape[1:]))
    return w.reshape(groups, w.shape[0] // groups, prod(w.shape[1:]))


def _multiply(xp: Any, x: Any, y: Any, out: Any) -> None:
    """out = x @ y. Only NumPy writes into any layout without a temporary."""
    if xp.__name__ == "numpy":
        xp.matmul(x, y, out=out)
    else:
        out[...] = xp.matmul(x, y)


# ---------------------------------------------------------------- forward
def _conv(xp: Any, xs: Any, lo: Ints, o: Ints, s: Ints, d: Ints, groups: int) -> Any:
    x, w, b = xs
    n, c_out = x.shape[0], w.shape[0]
    if x.size == 0 or w.size == 0 or 0 in o:
        out = xp.zeros((n, c_out, *o), x.dtype)
        return out if b is None else out + b.reshape(c_out, *(1 for _ in o))
    p = _plan(x.shape[2:], w.shape[2:], o, lo, s, d)
    w2 = _weight(w, groups)
    out = xp.empty((n, c_out, *o), x.dtype)
    column = None if b is None else b.reshape(c_out, 1)
    straight = not p.wide or p.full == o
    wide = None
    flat = out.reshape(n, *w2.shape[:-1], p.points)
    for at, columns in _columns(xp, x, p, groups):
        if straight:
            _multiply(xp, w2, columns, flat[at])
            if column is not None:
                out.reshape(n, c_out, p.points)[at] += column
            continue
        m = columns.shape[0]
        if wide is None:
            wide = xp.empty((m, c_out, *p.full), x.dtype)
        made = wide[:m].reshape(m, *w2.shape[:-1], prod(p.full))
        _multiply(xp, w2, columns, made[..., : p.length])
        inner = wide[:m][(..., *(slice(0, v) for v in o))]
        if b is None:
            out[at] = inner
        else:
            xp.add(inner, b.reshape(c_out, *(1 for _ in o)), out=out[at])
    return out


def _conv_vjp(g: Any, xs: Any, out: Any, needs: Any, lo: Ints, o: Ints, s: Ints, d: Ints, groups: int) -> Any:
    x, w, _ = xs
    return (
        conv_gx_p((g, w), lo, shape_of(x)[2:], s, d, groups) if needs[0] else None,
        conv_gw_p((x, g), lo, shape_of(w)[2:], s, d, groups) if needs[1] else None,
        sum_p(g, (0, *range(2, 2 + len(o))), False) if needs[2] else None,
    )


def _conv_jvp(ts: Any, xs: Any, out: Any, *p: Any) -> Any:
    (tx, tw, tb), (x, w, _) = ts, xs
    if tx is None and tw is None:
        return conv_p((x * 0, w, tb), *p)
    if tx is None:
        return conv_p((x, tw, tb), *p)
    r = conv_p((tx, w, tb), *p)
    return r if tw is None else r + conv_p((x, tw, None), *p)


conv_p: Any = nary(
    "conv",
    _conv,
    _conv_vjp,
    saves=("1", "0", ""),
    dtypes="same",
    jvp=_conv_jvp,
    doc="The correlation of x (N, C, *S) with w (O, C / groups, *K), plus b (O,) or None: (N, O, *o).",
)


# ---------------------------------------------------------------- gradient of the input
def _flips(p: _Plan, c_out: int, c: int) -> bool:
    """Whether the gradient of the input is better made as a convolution with the reversed kernel.

    That gathers columns of the output's channels; the adjoint adds up columns of the input's, at about twice the cost.
    """
    reach = all((k - 1) * d >= a for k, d, a in zip(p.k, p.d, p.lo, strict=True))
    return p.wide and reach and c_out <= 2 * c and 2 * prod(p.x) <= 3 * p.points


def _flip(xp: Any, w: Any, groups: int) -> Any:
    """The kernel (O, C / groups, *K) as that of the transposed convolution: (C, O / groups, *K), reversed."""
    k = w.shape[2:]
    w = w[(slice(None), slice(None), *(slice(None, None, -1) for _ in k))]
    w = w.reshape(groups, w.shape[0] // groups, *w.shape[1:]).swapaxes(1, 2)  # (groups, C / groups, O / groups, *K)
    return xp.ascontiguousarray(w).reshape(-1, w.shape[2], *k)


def _conv_gx(xp: Any, xs: Any, lo: Ints, x: Ints, s: Ints, d: Ints, groups: int) -> Any:
    g, w = xs
    n, o = g.shape[0], g.shape[2:]
    c = w.shape[1] * groups
    if g.size == 0 or w.size == 0 or 0 in x:
        return xp.zeros((n, c, *x), g.dtype)
    p = _plan(x, w.shape[2:], o, lo, s, d)
    w2 = _weight(w, groups).swapaxes(-1, -2)  # (C * taps, O)
    if p.plain:
        return xp.matmul(w2, g.reshape(n, *w2.shape[:-2], w2.shape[-1], p.points)).reshape(n, c, *x)
    if _flips(p, w.shape[0], c):
        back = tuple((kk - 1) * dd - a for kk, dd, a in zip(p.k, d, lo, strict=True))
        return _conv(xp, (g, _flip(xp, w, groups), None), back, x, s, d, groups)
    step = p.step(n, c, xp)
    out = xp.empty((n, c, *x), g.dtype) if p.copied == x else xp.zeros((n, c, *x), g.dtype)
    columns = xp.empty((step, *w2.shape[:-1], p.length), g.dtype)
    padded = xp.empty((step, c, *p.span), g.dtype)
    for at, spread in _spread(xp, g, p, groups, step):
        m = spread.shape[0]
        _multiply(xp, w2, spread, columns[:m])
        by_tap = columns[:m].reshape(m, c, p.taps, p.length)
        target = padded[:m]
        target[...] = 0
        flat = target.reshape(m, c, prod(p.span))
        for t, offset in enumerate(p.offsets):
            if p.wide:
                start = sum(a * q for a, q in zip(offset, p.pitch, strict=True))
                flat[:, :, start : start + p.length] += by_tap[:, :, t]
            else:
                target[p.windows(offset)] += by_tap[:, :, t].reshape(m, c, *o)
        out[at][p.taken()] = target[p.inside()]
    return out


def _conv_gx_vjp(g: Any, xs: Any, out: Any, needs: Any, lo: Ints, x: Ints, s: Ints, d: Ints, groups: int) -> Any:
    y, w = xs
    return (
        conv_p((g, w, None), lo, shape_of(y)[2:], s, d, groups) if needs[0] else None,
        conv_gw_p((g, y), lo, shape_of(w)[2:], s, d, groups) if needs[1] else None,
    )


conv_gx_p: Any = nary(
    "conv_gx",
    _conv_gx,
    _conv_gx_vjp,
    saves=("1", "0"),
    dtypes="same",
    jvp="multilinear",
    doc="The adjoint of conv_p in its input: g (N, O, *o) and w (O, C / groups, *K) to (N, C, *x).",
)


# ---------------------------------------------------------------- gradient of the weight
def _conv_gw(xp: Any, xs: Any, lo: Ints, k: Ints, s: Ints, d: Ints, groups: int) -> Any:
    x, g = xs
    c, c_out, o = x.shape[1], g.shape[1], g.shape[2:]
    shape = (c_out, c // groups, *k)
    if x.size == 0 or g.size == 0:
        return xp.zeros(shape, x.dtype)
    p = _plan(x.shape[2:], k, o, lo, s, d)
    total: Any = None
    step = x.shape[0] if p.plain else p.step(x.shape[0], c, xp)
    parts = zip(_columns(xp, x, p, groups), _spread(xp, g, p, groups, step), strict=True)
    for (_, columns), (_, spread) in parts:
        part = add_up(xp.matmul(spread, columns.swapaxes(-1, -2)), 0)  # (m, O, length) @ (m, length, C * taps)
        if total is None:
            total = part
        else:
            total += part
    return total.reshape(shape)


def _conv_gw_vjp(g: Any, xs: Any, out: Any, needs: Any, lo: Ints, k: Ints, s: Ints, d: Ints, groups: int) -> Any:
    x, y = xs
    return (
        conv_gx_p((y, g), lo, shape_of(x)[2:], s, d, groups) if needs[0] else None,
        conv_p((x, g, None), lo, shape_of(y)[2:], s, d, groups) if needs[1] else None,
    )


conv_gw_p: Any = nary(
    "conv_gw",
    _conv_gw,
    _conv_gw_vjp,
    saves=("1", "0"),
    dtypes="same",
    jvp="multilinear",
    doc="The adjoint of conv_p in its weight: x (N, C, *S) and g (N, O, *o) to (O, C / groups, *k).",
)
