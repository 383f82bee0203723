"""Convolution in one and two dimensions: forward, and the gradients of input and weight.

Images are copied to zero-padded planes, one for each phase of the stride, so that the elements which a tap needs for all
output positions are one run of memory; rows share their padding with the rows beside them, as in the NumPy formula. The
loops multiply tiles of those runs. The gradient of the input is the same thing with the gradient as source, one output
for each phase of the stride. See `loops.conv_direct`.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from .conv_plan import choose
from .runtime import Loops, enough, threads

__all__ = ["conv", "conv_gw", "conv_gx"]

_loops = Loops("conv")
_direct = Loops("conv_direct")
_gemm = Loops("conv_gemm")
_vectors = Loops("vectors")
Ints = tuple[int, ...]

LEAST = 20_000  # multiplications; under this the NumPy formula, 25 us, is as fast
SERIAL_BELOW = 200_000  # multiplications of one thread's worth
_SOURCE = 1 << 18  # bytes of planes that a thread fills at a time: half of a small level 2 cache
_LONG = 2048  # elements of a row; the ends of rows waste a tile each
_CHUNK = 1 << 14  # bytes of gradients that stay in level 1 while all taps pass over them


class _Axis:
    """One dimension of a source and of what is computed from it.

    phases: (first, end, offset) for each: element t of the plane is element t * step + offset of the source, for first
    <= t < end, and zero elsewhere. outputs: (start, step, count, taps), with taps (number, phase, shift): output
    start + step * r reads element r + shift of that phase. pitch: from row to row, so that padding is shared; end: of
    all elements.
    """

    __slots__ = ("end", "outputs", "phases", "pitch", "step")

    def __init__(self, step: int, phases: list[tuple[int, int, int]], outputs: list[Any]) -> None:
        self.step = step
        reach = max(count + max((t[2] for t in taps), default=0) for _, _, count, taps in outputs)
        self.phases = [(a, max(a, min(b, reach)), f) for a, b, f in phases]
        self.end = max(b for _, b, _ in self.phases)
        first = min(a for a, _, _ in self.phases)
        self.pitch = max(self.end, reach - first, max(count for _, _, count, _ in outputs), 1)
        self.outputs = outputs


def _forward(n: int, k: int, o: int, lo: int, s: int, d: int) -> _Axis:
    used = sorted({u * d % s for u in range(k)})
    phases = [(max(0, -((f - lo) // s)), -((f - lo - n) // s), f - lo) for f in used]
    taps = [(u, used.index(u * d % s), u * d // s) for u in range(k)]
    return _Axis(s, phases, [(0, 1, o, taps)])


def _backward(n: int, k: int, o: int, lo: int, s: int, d: int) -> _Axis:
    found = [[(u, (e + lo - u * d) // s) for u in range(k) if (e + lo - u * d) % s == 0] for e in range(min(s, n))]
    before = max(0, -min(c for taps in found for _, c in taps)) if any(found) else 0
    outputs = [(e, s, -((e - n) // s), [(u, 0, c + before) for u, c in taps]) for e, taps in enumerate(found)]
    return _Axis(1, [(before, before + o, -before)], outputs)


def _up(n: int, step: int) -> int:
    return -(-n // step) * step


class _Planes:
    """The planes of a source: its table of phases, and the shift of each tap."""

    def __init__(self, h: _Axis, w: _Axis) -> None:
        self.h, self.w = h, w
        self.phases = np.array([a + b for a in h.phases for b in w.phases], np.int64)
        self.plane = h.pitch * w.pitch
        self.count = len(self.phases)
        self.data = (h.end - 1) * w.pitch + w.end  # elements up to the last of an image

    def taps(self, a: list[Any], b: list[Any], kw: int) -> list[tuple[int, int, int]]:
        """(number, phase, shift) of the taps that two dimensions have in common."""
        return [
            (u * kw + v, p * len(self.w.phases) + q, x * self.w.pitch + y) for u, p, x in a for v, q, y in b
        ]  # fmt: skip


class _Gather:
    """Tables and sizes of `loops.conv.convolve`."""

    def __init__(self, h: _Axis, w: _Axis, sizes: Ints, groups: int, channels: int, rows: int, k: Ints, back: bool,
                 images: int, size: int) -> None:  # fmt: skip
        planes = _Planes(h, w)
        self.tile, vectors = _rows(_direct.GATHER, rows)
        self.step = vectors * _vectors.lanes(size)
        outputs, shifts, numbers = [], [], []
        for y0, ys, yn, ty in h.outputs:
            for x0, xs, xn, tx in w.outputs:
                taps = planes.taps(ty, tx, k[1])
                n = len(taps)
                outputs.append((y0, ys, yn, x0, xs, xn, channels * len(numbers), channels * n, n, len(numbers)))
                numbers += [t[0] for t in taps]
                shifts.append(taps)
        spans = [(o[2] - 1) * w.pitch + o[5] for o in outputs]
        beyond = [span + max((t[2] for t in taps), default=0) for span, taps in zip(spans, shifts, strict=True)]
        each = channels * planes.count * planes.plane * size
        batch = _batch(images, each, planes.plane)
        ahead = (batch - 1) * planes.plane
        self.row = _row(ahead + max(planes.data, max(beyond) + self.step), size)
        self.wide = _row(ahead + max(spans) + self.step, size)
        self.blocks = -(-rows // self.tile)
        self.source = channels * planes.count * self.row
        self.result = self.blocks * self.tile * self.wide
        self.packed = groups * channels * len(numbers) * self.blocks * self.tile
        every = k[0] * k[1]
        # weights (O, C / groups, taps): rows are O forward, C backward
        if back:
            steps = (channels * rows * every, every, rows * every)
        else:
            steps = (channels * rows * every, channels * every, every)
        self.geo = np.array(
            [size, h.step, w.step, w.pitch, self.row, planes.plane, channels, rows, groups, batch, self.tile, self.step,
             sizes[0], sizes[1], *steps, channels * len(numbers), self.wide, sizes[2], sizes[3]], np.int64,
        )  # fmt: skip
        self.phases = planes.phases
        self.outputs = np.array(outputs, np.int64)
        self.taps = np.array(numbers or [0], np.int64)
        self.offsets = np.array(
            [((c * planes.count + p) * self.row + x) * size for taps in shifts for c in range(channels) for _, p, x in taps]
            or [0],
            np.int64,
        )  # fmt: skip


class _Correlate:
    """Tables and sizes of `loops.conv.weight_gradient`."""

    def __init__(self, h: _Axis, w: _Axis, sizes: Ints, groups: int, channels: int, rows: int, k: Ints, images: int,
                 size: int) -> None:  # fmt: skip
        planes = _Planes(h, w)
        every = channels * k[0] * k[1]
        self.tile, count = _taps(_direct.CORRELATE, rows, every)
        lanes = _vectors.lanes(size)
        (_, _, yn, ty), (_, _, xn, tx) = h.outputs[0], w.outputs[0]
        taps = planes.taps(ty, tx, k[1])
        span = (yn - 1) * w.pitch + xn
        each = (channels * planes.count + rows) * planes.plane * size
        batch = _batch(images, each, planes.plane)
        ahead = (batch - 1) * planes.plane
        self.row = _row(ahead + max(planes.data, span + max(t[2] for t in taps) + lanes), size)
        self.wide = _row(ahead + span + lanes, size)
        self.blocks = -(-rows // self.tile)
        self.many = _up(every, count)
        self.source = channels * planes.count * self.row
        self.spread = rows * self.wide
        self.parts = groups * self.blocks * self.tile * self.many
        chunk = max(8, _CHUNK // (self.tile * lanes * size))
        self.geo = np.array(
            [size, h.step, w.step, w.pitch, self.row, planes.plane, channels, rows, groups, batch, self.tile, chunk,
             sizes[0], sizes[1], 0, count, self.many, lanes, self.wide, sizes[2], sizes[3]], np.int64,
        )  # fmt: skip
        self.phases = planes.phases
        offsets = [((c * planes.count + p) * self.row + x) * size for c in range(channels) for _, p, x in taps]
        self.offsets = np.array(offsets + offsets[-1:] * (self.many - every), np.int64)
        self.grads = np.array([min(r, rows - 1) * self.wide * size for r in range(self.blocks * self.tile)], np.int64)


def _batch(images: int, each: int, plane: int) -> int:
    """How many images of `each` bytes to copy at a time: more than fill level 1 gain nothing in longer rows."""
    return max(1, min(images, _SOURCE // max(1, each), _LONG // plane))


def _row(n: int, size: int) -> int:
    """At least n elements, a multiple of 64 bytes but not of 4096: rows that far apart would share cache sets."""
    n = _up(n, 64 // size)
    return n + 64 // size if n * size % 4096 in (0, 64, 4032) else n


def _rows(tiles: dict[int, int], rows: int) -> tuple[int, int]:
    """The tile that computes so many rows in the least time: two products or two loads are done in a cycle."""

    def cost(item: tuple[int, int]) -> float:
        r, v = item
        return -(-rows // r) * max(r * v, r + 1.5 * v) / v

    return min(tiles.items(), key=cost)


def _taps(tiles: dict[int, int], rows: int, taps: int) -> tuple[int, int]:
    def cost(item: tuple[int, int]) -> float:
        r, t = item
        return -(-rows // r) * -(-taps // t) * max(r * t, r + 1.5 * t)

    return min(tiles.items(), key=cost)


@lru_cache(maxsize=512)
def _plan(kind: str, x: Ints, k: Ints, o: Ints, lo: Ints, s: Ints, d: Ints, groups: int, c: int, c_out: int,
          images: int, size: int) -> Any:  # fmt: skip
    """The tables of one of the three operations, for two dimensions; images: how many a thread serves."""
    h, w = [(_backward if kind == "gx" else _forward)(*v) for v in zip(x, k, o, lo, s, d, strict=True)]
    if kind == "conv":
        return _Gather(h, w, (*x, *o), groups, c // groups, c_out // groups, k, False, images, size)
    if kind == "gx":
        return _Gather(h, w, (*o, *x), groups, c_out // groups, c // groups, k, True, images, size)
    return _Correlate(h, w, (*x, *o), groups, c // groups, c_out // groups, k, images, size)


def _two(*sizes: Ints) -> list[Ints]:
    """One dimension as two, of which the first has size 1."""
    return [v if len(v) == 2 else (first, *v) for v, first in zip(sizes, (1, 1, 1, 0, 1, 1), strict=True)]


def _serves(a: Any, b: Any) -> bool:
    return a.dtype == b.dtype and a.dtype.char in "fd" and a.ndim in (3, 4) and a.size > 0 and b.size > 0


def _ready(x: Any) -> Any:
    """x itself or a copy that loops can take; a copy costs a fraction of the products."""
    return x if x.flags.carray else np.array(x, order="C")


def _run(kind: str, src: Any, w: Any, bias: Any, x: Ints, k: Ints, o: Ints, lo: Ints, s: Ints, d: Ints, groups: int,
         c: int, c_out: int) -> Any:  # fmt: skip
    n, dtype = src.shape[0], src.dtype
    work = n * c_out * (c // groups) * k[0] * k[1] * o[0] * o[1]
    nt = threads(work, SERIAL_BELOW)
    p = _plan(kind, x, k, o, lo, s, d, groups, c, c_out, -(-n // nt) if n >= nt else n, dtype.itemsize)
    back = kind == "gx"
    out = np.empty((n, c, *x) if back else (n, c_out, *o), dtype)
    good = np.empty(nt, np.bool_)
    w = w.reshape(-1)
    _loops.convolve(
        nt, n, src.reshape(-1), w, w if bias is None else bias, bias is not None, out.reshape(-1), p.geo, p.phases,
        p.outputs, p.offsets, p.taps, np.empty(p.packed, dtype), np.empty((nt, p.source), dtype),
        np.empty((nt, p.result), dtype), good,
    )  # fmt: skip
    return out if good.all() else NotImplemented


def _mix(transposed: bool, src: Any, w: Any, bias: Any, groups: int, rows: int, channels: int, points: int) -> Any:
    """The product of the weights with each image's (channels, points), for each group."""
    n = src.shape[0]
    out = np.empty(n * groups * rows * points, src.dtype)
    w = w.reshape(-1)
    _gemm.mix(
        threads(out.size * channels, SERIAL_BELOW), n, transposed, groups, rows, channels, points, src.reshape(-1), w,
        w if bias is None else bias, bias is not None, out,
    )  # fmt: skip
    return out


def _mix_weight(x: Any, g: Any, groups: int, rows: int, channels: int, points: int) -> Any:
    n = x.shape[0]
    nt = min(n, threads(g.size * channels, SERIAL_BELOW))
    parts = np.empty((nt, groups * rows * channels), x.dtype)
    _gemm.mix_weight(nt, n, groups, rows, channels, points, x.reshape(-1), g.reshape(-1), parts)
    return np.add.reduce(parts) if nt > 1 else parts


def conv(xs: Any, lo: Ints, o: Ints, s: Ints, d: Ints, groups: int) -> Any:
    """The correlation of x (N, C, *S) with w (O, C / groups, *K), plus b (O,) or None, for one or two dimensions."""
    x, w, b = xs
    if not _serves(x, w) or 0 in o or not enough(w.size * x.shape[0] * prod(o), LEAST):
        return NotImplemented
    if b is not None and b.dtype != x.dtype:
        return NotImplemented
    n, c, c_out = x.shape[0], x.shape[1], w.shape[0]
    sx, sk, so, slo, ss, sd = _two(x.shape[2:], w.shape[2:], o, lo, s, d)
    variant = choose("conv", (n, c, *sx), (c_out, c // groups, *sk), slo, so, ss, sd, groups, x.dtype.char)
    if variant == "numpy":
        return NotImplemented
    bias = None if b is None else _ready(b)
    if variant == "gemm":
        y = _mix(False, _ready(x), _ready(w), bias, groups, c_out // groups, c // groups, prod(o))
    else:
        y = _run("conv", _ready(x), _ready(w), bias, sx, sk, so, slo, ss, sd, groups, c, c_out)
    return y if y is NotImplemented else y.reshape(n, c_out, *o)


def conv_gx(xs: Any, lo: Ints, x: Ints, s: Ints, d: Ints, groups: int) -> Any:
    """The adjoint of `conv` in its input: g (N, O, *o) and w (O, C / groups, *K) to (N, C, *x)."""
    g, w = xs
    if not _serves(g, w) or 0 in x or not enough(w.size * g.shape[0] * prod(g.shape[2:]), LEAST):
        return NotImplemented
    n, c, c_out = g.shape[0], w.shape[1] * groups, w.shape[0]
    sx, sk, so, slo, ss, sd = _two(x, w.shape[2:], g.shape[2:], lo, s, d)
    variant = choose("gx", (n, c, *sx), (c_out, c // groups, *sk), slo, so, ss, sd, groups, g.dtype.char)
    if variant == "numpy":
        return NotImplemented
    if variant == "gemm":
        y = _mix(True, _ready(g), _ready(w), None, groups, c // groups, c_out // groups, prod(x))
    else:
        y = _run("gx", _ready(g), _ready(w), None, sx, sk, so, slo, ss, sd, groups, c, c_out)
    return y if y is NotImplemented else y.reshape(n, c, *x)


def conv_gw(xs: Any, lo: Ints, k: Ints, s: Ints, d: Ints, groups: int) -> Any:
    """The adjoint of `conv` in its weight: x (N, C, *S) and g (N, O, *o) to (O, C / groups, *k)."""
    x, g = xs
    if not _serves(x, g) or 0 in k:
        return NotImplemented
    n, c, c_out = x.shape[0], x.shape[1], g.shape[1]
    work = g.size * (c // groups) * prod(k)
    if not enough(work, LEAST):
        return NotImplemented
    sx, sk, so, slo, ss, sd = _two(x.shape[2:], k, g.shape[2:], lo, s, d)
    shape = (c_out, c // groups, *k)
    variant = choose("gw", (n, c, *sx), (c_out, c // groups, *sk), slo, so, ss, sd, groups, x.dtype.char)
    if variant == "numpy":
        return NotImplemented
    x, g = _ready(x), _ready(g)
    if variant == "gemm":
        return _mix_weight(x, g, groups, c_out // groups, c // groups, prod(so)).reshape(shape)
    nt = threads(work, SERIAL_BELOW)
    size, dtype = x.dtype.itemsize, x.dtype
    p = _plan("gw", sx, sk, so, slo, ss, sd, groups, c, c_out, -(-n // nt) if n >= nt else n, size)
    dw = np.empty((groups, c_out // groups, c // groups * sk[0] * sk[1]), dtype)
    good = _loops.weight_gradient(
        nt, n, x.reshape(-1), g.reshape(-1), dw, p.geo, p.phases, p.offsets, p.grads, np.empty((nt, p.source), dtype),
        np.empty((nt, p.spread), dtype), np.empty((nt, p.parts), dtype),
    )  # fmt: skip
    return dw.reshape(shape) if good else NotImplemented
