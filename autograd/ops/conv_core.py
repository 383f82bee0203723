"""The primitives of convolution, for any number of spatial dimensions.

Three bilinear primitives are closed under differentiation: the convolution, the gradient of its input (which is the
transposed convolution) and the gradient of its weight. Each is one GEMM on a matrix of columns, (channels * taps) by
positions, made for as many samples at a time as stay in the cache.

The padded samples of a channel follow each other in one row of memory. Neighbours share their padding: what ends one
line, plane or sample also begins the next. Columns come in two layouts. With stride 1 a window that moves by one
element moves by one in memory too, so each tap of the kernel is one long run of that row; the results between the end
of a line and the start of the next are computed and thrown away ("wide"). Otherwise, or where that would waste too
much, each window is gathered ("grid").
"""

from __future__ import annotations

import inspect
import threading
from functools import lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import accelerated
from ..op import nary
from .matmul import shape_of
from .shape import sum_p
from .sums import add_up

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["conv_formula", "conv_gw_formula", "conv_gw_p", "conv_gx_formula", "conv_gx_p", "conv_p"]

Ints = tuple[int, ...]
_CHUNK = 1 << 19  # elements of the columns made at a time on a CPU: 2 MiB of float32, measured best or near it
_CHUNK_DEVICE = 1 << 27
_WASTE = 2.0  # the most that wide columns may compute, in units of the wanted results


class _Plan:
    """The geometry of a convolution, shared by its three primitives.

    x, k, o: sizes of input, kernel and output; q: of a padded sample in memory, which shares its padding; pitch:
    elements between neighbours there; size: elements from sample to sample; base: zeros before the first one.
    """

    __slots__ = ("base", "d", "inner", "k", "lo", "o", "pitch", "plain", "points", "q", "s", "shifts", "size", "taps",
                 "wide", "within", "x")  # fmt: skip

    def __init__(self, x: Ints, k: Ints, o: Ints, lo: Ints, s: Ints, d: Ints) -> None:
        self.x, self.k, self.o, self.lo, self.s, self.d = x, k, o, lo, s, d
        q = []
        for n, kk, oo, a, ss, dd in zip(x, k, o, lo, s, d, strict=True):
            reach = (oo - 1) * ss + 1  # of the windows' first elements
            after = reach + (kk - 1) * dd - a - n  # padding at the end, negative where input is left over
            q.append(max(n + max(a, after, 0), reach))
        self.q = tuple(q)
        self.pitch = tuple(prod(q[i + 1 :]) for i in range(len(q)))
        self.size, self.points, self.taps = prod(q), prod(o), prod(k)
        self.base = sum(a * p for a, p in zip(lo, self.pitch, strict=True))
        self.wide = all(v == 1 for v in s) and self.size <= _WASTE * self.points
        steps = tuple(dd * p for dd, p in zip(d, self.pitch, strict=True))
        self.shifts = tuple(
            sum(a * v for a, v in zip(tap, steps, strict=True)) for tap in product(*(range(n) for n in k))
        )
        self.within = (slice(None), slice(None), *(slice(0, n) for n in x))  # the input in (C, samples, *q)
        self.inner = (slice(None), slice(None), *(slice(0, n) for n in o))  # the results in (O, samples, *q)
        # kernel 1, stride 1, no padding: the samples are their own columns
        self.plain = self.taps == 1 and x == o and not any(lo) and all(v == 1 for v in s)

    def step(self, samples: int, channels: int, xp: Any) -> int:
        """How many samples to serve at a time: about as many each time."""
        limit = _CHUNK if xp.__name__ == "numpy" else _CHUNK_DEVICE
        most = max(1, min(samples, limit // max(1, channels * self.taps * (self.size if self.wide else self.points))))
        return -(-samples // -(-samples // most))

    def length(self, samples: int) -> int:
        """How many columns that many samples have."""
        if not self.wide:
            return samples * self.points
        return (samples - 1) * self.size + sum((n - 1) * p for n, p in zip(self.o, self.pitch, strict=True)) + 1

    def row(self, samples: int) -> int:
        """How many numbers of a channel make up that many samples, in results as in the gradients of results."""
        return samples * (self.size if self.wide else self.points)

    def results(self, a: Any, samples: int) -> Any:
        """The results (N, O, *o) within an array (O, row)."""
        a = a.reshape(a.shape[0], samples, *(self.q if self.wide else self.o))
        return (a[self.inner] if self.wide else a).swapaxes(0, 1)

    def windows(self, xp: Any, a: Any, samples: int, taps: bool) -> Any:
        """The padded samples (C, base + samples * size) seen as (C, [*k,] length) or (C, [*k,] samples, *o)."""
        item = a.dtype.itemsize
        shape = [a.shape[0], *(self.k if taps else ())]
        strides = [a.strides[0], *(d * p * item for d, p in zip(self.d, self.pitch, strict=True) if taps)]
        if self.wide:
            shape.append(self.length(samples))
            strides.append(item)
        else:
            shape += (samples, *self.o)
            strides += (self.size * item, *(s * p * item for s, p in zip(self.s, self.pitch, strict=True)))
        return xp.lib.stride_tricks.as_strided(a, shape, strides)


_plan = lru_cache(maxsize=512)(_Plan)


# ---------------------------------------------------------------- working memory
class _Spare(threading.local):
    """Blocks of memory that a thread keeps from convolution to convolution: the system zeroes fresh pages first, which
    takes longer than to fill them with columns."""

    most = 1 << 23  # bytes of a block that is kept
    blocks: list[Any] = []  # replaced, never changed


_spare = _Spare()


def _take(xp: Any, n: int, dtype: Any) -> Any:
    """An array of n elements with arbitrary contents, its thread's own until `_give`."""
    if xp is not np:
        return xp.empty(n, dtype)
    size = n * dtype.itemsize
    blocks = _spare.blocks
    for i, block in enumerate(blocks):
        if block.size >= size:
            _spare.blocks = blocks[:i] + blocks[i + 1 :]
            return block[:size].view(dtype)
    return np.empty(size, np.uint8).view(dtype)


def _give(*arrays: Any) -> None:
    """Keep for the next convolution what `_take` returned: the four largest blocks, in order of size."""
    for a in arrays:
        block = a if a.base is None else a.base
        if type(block) is np.ndarray and block.dtype == np.uint8 and block.size <= _spare.most:
            _spare.blocks = sorted([*_spare.blocks, block], key=len)[-4:]


def _columns(xp: Any, x: Any, p: _Plan, groups: int, step: int) -> Iterator[tuple[slice, Any]]:
    """(samples, their columns ([groups,] channels * taps, length)), some samples at a time in one buffer."""
    n, c = x.shape[:2]
    rows = (c * p.taps,) if groups == 1 else (groups, c // groups * p.taps)
    padded = _take(xp, c * (p.base + step * p.size), x.dtype).reshape(c, p.base + step * p.size)
    padded[...] = 0
    buffer = _take(xp, c * p.taps * p.length(step), x.dtype)
    for i in range(0, n, step):
        m = min(step, n - i)
        padded[:, p.base : p.base + m * p.size].reshape(c, m, *p.q)[p.within] = x[i : i + m].swapaxes(0, 1)
        view = p.windows(xp, padded, m, True)
        length = p.length(m)
        made = buffer[: c * p.taps * length]
        made.reshape(view.shape)[...] = view
        yield slice(i, i + m), made.reshape(*rows, length)
    _give(padded, buffer)


def _spread(xp: Any, g: Any, p: _Plan, groups: int, step: int) -> Iterator[tuple[slice, Any]]:
    """(samples, their output gradients ([groups,] channels, length)), in the layout of the columns."""
    n, c = g.shape[:2]
    buffer = _take(xp, c * p.row(step), g.dtype).reshape(c, p.row(step))
    buffer[...] = 0  # where results are thrown away
    for i in range(0, n, step):
        m = min(step, n - i)
        used = buffer[:, : p.row(m)]
        p.results(used, m)[...] = g[i : i + m]
        used = used[:, : p.length(m)]
        yield slice(i, i + m), used if groups == 1 else used.reshape(groups, c // groups, -1)
    _give(buffer)


def _weight(w: Any, groups: int) -> Any:
    """The kernel as a matrix (O, C * taps), one for each group if there are several."""
    if groups == 1:
        return w.reshape(w.shape[0], prod(w.shape[1:]))
    return w.reshape(groups, w.shape[0] // groups, prod(w.shape[1:]))


def _samples(x: Any, groups: int) -> Any:
    """(N, C, *S) as (N, [groups,] C, S), which are columns of a kernel of one element."""
    n, c = x.shape[:2]
    return x.reshape(n, *((c,) if groups == 1 else (groups, c // groups)), prod(x.shape[2:]))


def _multiply(xp: Any, x: Any, y: Any, out: Any) -> None:
    """out = x @ y. Only NumPy writes into any layout without a temporary."""
    if xp.__name__ == "numpy":
        xp.matmul(x, y, out=out)
    else:
        out[...] = xp.matmul(x, y)


# ---------------------------------------------------------------- forward
@accelerated("conv")
def _conv(xp: Any, xs: Any, lo: Ints, o: Ints, s: Ints, d: Ints, groups: int) -> Any:
    x, w, b = xs
    n, c_out = x.shape[0], w.shape[0]
    if x.size == 0 or w.size == 0 or 0 in o:
        out = xp.zeros((n, c_out, *o), x.dtype)
        return out if b is None else out + b.reshape(c_out, *(1 for _ in o))
    p = _plan(x.shape[2:], w.shape[2:], o, lo, s, d)
    w2 = _weight(w, groups)
    column = None if b is None else b.reshape(c_out, *(1 for _ in o))
    if p.plain:
        out = xp.matmul(w2, _samples(x, groups)).reshape(n, c_out, *o)
        if column is not None:
            out += column
        return out
    out = xp.empty((n, c_out, *o), x.dtype)
    step = p.step(n, x.shape[1], xp)
    buffer = _take(xp, c_out * p.row(step), x.dtype).reshape(c_out, p.row(step))
    for at, columns in _columns(xp, x, p, groups, step):
        m, length = at.stop - at.start, columns.shape[-1]
        made = buffer[:, : p.row(m)]
        _multiply(xp, w2, columns, made[:, :length].reshape(*w2.shape[:-1], length))
        if column is None:
            out[at] = p.results(made, m)
        else:
            xp.add(p.results(made, m), column, out=out[at])
    _give(buffer)
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

    That gathers columns of the output's channels; the adjoint adds up columns of the input's, which takes a bit longer.
    """
    reach = all((k - 1) * d >= a for k, d, a in zip(p.k, p.d, p.lo, strict=True))
    return p.wide and reach and c_out <= c and 2 * prod(p.x) <= 3 * p.points


def _flip(xp: Any, w: Any, groups: int) -> Any:
    """The kernel (O, C / groups, *K) as that of the transposed convolution: (C, O / groups, *K), reversed."""
    k = w.shape[2:]
    w = w[(slice(None), slice(None), *(slice(None, None, -1) for _ in k))]
    w = w.reshape(groups, w.shape[0] // groups, *w.shape[1:]).swapaxes(1, 2)  # (groups, C / groups, O / groups, *K)
    return xp.ascontiguousarray(w).reshape(-1, w.shape[2], *k)


@accelerated("conv_gx")
def _conv_gx(xp: Any, xs: Any, lo: Ints, x: Ints, s: Ints, d: Ints, groups: int) -> Any:
    g, w = xs
    n, o = g.shape[0], g.shape[2:]
    c = w.shape[1] * groups
    if g.size == 0 or w.size == 0 or 0 in x:
        return xp.zeros((n, c, *x), g.dtype)
    p = _plan(x, w.shape[2:], o, lo, s, d)
    if p.plain:
        w2 = _weight(w, groups).swapaxes(-1, -2)  # (C, O)
        return xp.matmul(w2, _samples(g, groups)).reshape(n, c, *x)
    if _flips(p, w.shape[0], c):
        back = tuple((kk - 1) * dd - a for kk, dd, a in zip(p.k, d, lo, strict=True))
        return _conv(xp, (g, _flip(xp, w, groups), None), back, x, s, d, groups)
    w2 = w.reshape(groups, -1, c // groups, p.taps).transpose(3, 0, 2, 1)  # (taps, groups, C / groups, O / groups)
    step = p.step(n, c, xp)
    out = xp.empty((n, c, *x), g.dtype)
    buffer = _take(xp, p.taps * c * p.length(step), g.dtype)
    padded = _take(xp, c * (p.base + step * p.size), g.dtype).reshape(c, p.base + step * p.size)
    for at, spread in _spread(xp, g, p, groups, step):
        m, length = at.stop - at.start, spread.shape[-1]
        columns = buffer[: p.taps * c * length]
        if groups == 1:  # one product for all taps
            w2 = w2.reshape(p.taps * c, w.shape[0])
            _multiply(xp, w2, spread, columns.reshape(p.taps * c, length))
        else:
            _multiply(xp, w2, spread, columns.reshape(p.taps, groups, c // groups, length))
        padded[...] = 0
        for shift, column in zip(p.shifts, columns.reshape(p.taps, c, length), strict=True):
            target = p.windows(xp, padded[:, shift:], m, False)
            target += column.reshape(target.shape)
        out[at] = padded[:, p.base : p.base + m * p.size].reshape(c, m, *p.q)[p.within].swapaxes(0, 1)
    _give(buffer, padded)
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
@accelerated("conv_gw")
def _conv_gw(xp: Any, xs: Any, lo: Ints, k: Ints, s: Ints, d: Ints, groups: int) -> Any:
    x, g = xs
    c, c_out, o = x.shape[1], g.shape[1], g.shape[2:]
    shape = (c_out, c // groups, *k)
    if x.size == 0 or g.size == 0:
        return xp.zeros(shape, x.dtype)
    p = _plan(x.shape[2:], k, o, lo, s, d)
    if p.plain:
        return add_up(xp.matmul(_samples(g, groups), _samples(x, groups).swapaxes(-1, -2)), 0).reshape(shape)
    total: Any = None
    step = p.step(x.shape[0], c, xp)
    parts = zip(_columns(xp, x, p, groups, step), _spread(xp, g, p, groups, step), strict=True)
    for (_, columns), (_, spread) in parts:
        part = xp.matmul(spread, columns.swapaxes(-1, -2))  # (O, length) @ (length, C * taps)
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

# What the kernels are measured against and compared with.
conv_formula, conv_gx_formula, conv_gw_formula = (inspect.unwrap(f) for f in (_conv, _conv_gx, _conv_gw))
