"""The primitives of normalisation: batch norm, layer norm with or without the mean, and an affine map of channels.

The forward passes save the mean and 1 / standard deviation beside the input. The backward passes are primitives of
their own, one fused pass on arrays, whose derivative is that of the same value in composed form.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ..backend import accelerated, xp_of
from ..core import TensorBase, wrap
from ..op import composed, nary
from . import arith
from .math import rsqrt
from .reduce import mean_p
from .shape import expand_p, reshape_p, sum_p
from .sums import add_up, average

__all__ = [
    "batch_norm_array", "batch_norm_p", "batch_norm_vjp", "channel_affine_array", "channel_affine_p",
    "channel_affine_vjp", "layer_norm_array", "layer_norm_p", "layer_norm_vjp",
]  # fmt: skip


def _derived(fn: Any) -> Any:
    """The vjp of a backward pass, which is linear in g and in w: where their values are not saved, zeros do as well."""
    formula = composed(fn).nary_vjp()

    def vjp(g: Any, xs: Any, o: Any, needs: Any, *p: Any) -> Any:
        x = arith.raw(xs[1])
        zeros = xp_of(x).zeros
        recorded = isinstance(xs[1], TensorBase)
        full = []
        for v in xs:
            if type(v) is tuple:
                v = wrap(zeros(v, x.dtype)) if recorded else zeros(v, x.dtype)
            full.append(v)
        return formula(g, full, o, needs, *p)

    return vjp


# ---------------------------------------------------------------- batch norm
def _channels(x: Any) -> Any:
    """x (N, C, *S) as (N, C, S), or (N, C) as it is: what is summed is then contiguous."""
    s = x.shape
    return x if len(s) == 2 else x.reshape(s[0], s[1], prod(s[2:]))


def _total(x: Any) -> Any:
    """The sum of (N, C) or (N, C, S) for each channel."""
    return add_up(x, 0) if x.ndim == 2 else add_up(add_up(x, 2), 0)


def _products(xp: Any, x: Any, y: Any) -> Any:
    """The sum of x * y for each channel."""
    return xp.einsum("nc,nc->c", x, y) if x.ndim == 2 else add_up(xp.einsum("ncs,ncs->nc", x, y), 0)


def _column(v: Any, x: Any) -> Any:
    return v if x.ndim == 2 else v[:, None]


@accelerated("batch_norm")
def batch_norm_array(xp: Any, xs: Any, eps: float, relu: bool = False) -> Any:
    x, w, b = xs
    v = _channels(x)
    n = v.size // max(1, v.shape[1])
    mean = _total(v) / max(1, n)
    y = v - _column(mean, v)
    var = _products(xp, y, y) / max(1, n)
    rstd = 1 / xp.sqrt(var + eps)
    y *= _column(rstd if w is None else rstd * w, v)
    if b is not None:
        y += _column(b, v)
    if relu:
        xp.maximum(y, 0, out=y)
    return y.reshape(x.shape), mean, var, mean, rstd


def batch_norm_vjp(g: Any, xs: Any, o: Any, needs: Any, eps: float) -> Any:
    _, _, _, mean, rstd = o
    gy, gm, gv = g
    found: list[Any] = [None, None, None]
    if gy is not None and not needs[0] and not needs[1]:
        found[2] = sum_p(gy, (0, *range(2, len(gy.shape))), False)
    elif gy is not None:
        w = xs[1] if needs[0] else None
        given = batch_norm_back_p((gy, xs[0], w), eps, arith.raw(mean), arith.raw(rstd))
        found = [v if n else None for v, n in zip(given, needs, strict=True)]
    if needs[0] and (gm is not None or gv is not None):
        found[0] = _add(found[0], _statistics_vjp(xs[0], gm, gv))
    return found


def _statistics_vjp(x: Any, gm: Any, gv: Any) -> Any:
    """The cotangent of x from those of its mean and variance."""
    nd = len(x.shape)
    n = max(1, prod(x.shape) // max(1, x.shape[1]))
    column = (x.shape[1], *(1,) * (nd - 2))
    total = None
    if gv is not None:
        total = (x - mean_p(x, (0, *range(2, nd)), True)) * reshape_p(gv * (2 / n), column)
    if gm is not None:
        total = _add(total, expand_p(reshape_p(gm * (1 / n), column), tuple(x.shape)))
    return total


def _add(x: Any, y: Any) -> Any:
    return y if x is None else x + y


@accelerated("batch_norm_back")
def _batch_norm_back(xp: Any, xs: Any, eps: float, mean: Any, rstd: Any) -> Any:
    g, x, w = xs
    gv, v = _channels(g), _channels(x)
    n = max(1, v.size // max(1, v.shape[1]))
    y = v - _column(mean, v)
    gb = _total(gv)
    gw = _products(xp, gv, y) * rstd
    y *= _column(gw * rstd * (-1 / n), v)
    y += gv
    y -= _column(gb / n, v)
    y *= _column(rstd if w is None else rstd * w, v)
    return y.reshape(x.shape), gw, gb


def _batch_norm_composed(g: Any, x: Any, w: Any, eps: float, mean: Any, rstd: Any) -> Any:
    nd = len(x.shape)
    axes = (0, *range(2, nd))
    d = x - mean_p(x, axes, True)
    r = rsqrt(mean_p(d * d, axes, True) + eps)
    y = d * r
    gw = sum_p(g * y, axes, True)
    gb = sum_p(g, axes, True)
    n = prod(x.shape) // max(1, x.shape[1])
    gx = (g - gb / n - y * gw / n) * r
    if w is not None:
        gx = gx * reshape_p(w, (w.shape[0], *(1,) * (nd - 2)))
    return gx, reshape_p(gw, (x.shape[1],)), reshape_p(gb, (x.shape[1],))


def _batch_norm_jvp(ts: Any, xs: Any, o: Any, eps: float) -> Any:
    (tx, tw, tb), (x, w, _) = ts, xs
    nd = len(x.shape)
    axes, column = (0, *range(2, nd)), (x.shape[1], *(1,) * (nd - 2))
    r = reshape_p(o[-1], column)
    d = x - reshape_p(o[-2], column)
    y = d * r
    total = tm = tv = None
    if tx is not None:
        tm = mean_p(tx, axes, True)
        tv = mean_p(d * (tx - tm), axes, True) * 2
        total = (tx - tm) * r - y * (r * r * tv * 0.5)
        total = total if w is None else total * reshape_p(w, column)
        tm, tv = reshape_p(tm, x.shape[1:2]), reshape_p(tv, x.shape[1:2])
    for t, factor in ((tw, y), (tb, y * 0 + 1)):
        if t is not None:
            term = factor * reshape_p(t, column)
            total = _add(total, term)
    return total, tm, tv


batch_norm_back_p: Any = nary(
    "batch_norm_back",
    _batch_norm_back,
    _derived(_batch_norm_composed),
    saves=("12", "012", "01"),
    outputs=3,
    doc="The cotangents of input, weight and bias of batch_norm_p, from (g, x, weight) and the saved statistics.",
)
batch_norm_p: Any = nary(
    "batch_norm",
    batch_norm_array,
    batch_norm_vjp,
    saves=("01", "0", ""),
    jvp=_batch_norm_jvp,
    outputs=3,
    extras=2,
    doc="(x - mean) / sqrt(var + eps) * w + b over all but the channel dimension, and the mean and biased variance.",
)


# ---------------------------------------------------------------- a factor and a shift for each channel
def _beside(v: Any, x: Any) -> Any:
    """One number for each channel, shaped to multiply (N, C, *S)."""
    return reshape_p(v, (v.shape[0], *(1,) * (len(x.shape) - 2)))


@accelerated("channel_affine")
def channel_affine_array(xp: Any, xs: Any, relu: bool = False) -> Any:
    x, w, b = xs
    y = x if w is None else x * _beside(w, x)
    y = y if b is None else y + _beside(b, x)
    return xp.maximum(y, 0) if relu else y


def channel_affine_vjp(g: Any, xs: Any, o: Any, needs: Any) -> Any:
    x, w, b = xs
    want = (bool(needs[0]), w is not None and bool(needs[1]), b is not None and bool(needs[2]))
    given = (g, x if want[1] else None, w if want[0] else None)
    found = channel_affine_back_p(given, want)
    return [v if wanted else None for v, wanted in zip(found, want, strict=True)]


@accelerated("channel_affine_back")
def _channel_affine_back(xp: Any, xs: Any, want: Any) -> Any:
    g, x, w = xs
    nothing = xp.zeros(0, g.dtype)
    return (
        (g if w is None else g * _beside(w, g)) if want[0] else nothing,
        _products(xp, _channels(g), _channels(x)) if want[1] else nothing,
        _total(_channels(g)) if want[2] else nothing,
    )


def _channel_affine_back_composed(g: Any, x: Any, w: Any, want: Any) -> Any:
    axes = (0, *range(2, len(g.shape)))
    nothing = wrap(xp_of(g._data).zeros(0, g._data.dtype))
    return (
        (g if w is None else g * _beside(w, g)) if want[0] else nothing,
        sum_p(g * x, axes, False) if want[1] else nothing,
        sum_p(g, axes, False) if want[2] else nothing,
    )


def _channel_affine_jvp(ts: Any, xs: Any, o: Any) -> Any:
    (tx, tw, tb), (x, w, _) = ts, xs
    total = tx if tx is None or w is None else tx * _beside(w, x)
    if tw is not None:
        total = _add(total, x * _beside(tw, x))
    return total if tb is None else _add(total, expand_p(_beside(tb, x), tuple(x.shape)))


channel_affine_back_p: Any = nary(
    "channel_affine_back",
    _channel_affine_back,
    composed(_channel_affine_back_composed),
    outputs=3,
    doc="The cotangents of input, weight and bias of channel_affine_p, from (g, input, weight).",
)
channel_affine_p: Any = nary(
    "channel_affine",
    channel_affine_array,
    channel_affine_vjp,
    saves=("1", "0", ""),
    jvp=_channel_affine_jvp,
    doc="x * w + b with one w and b for each channel (dimension 1), each of which may be absent.",
)


# ---------------------------------------------------------------- layer and rms norm
@accelerated("layer_norm")
def layer_norm_array(xp: Any, xs: Any, n: int, eps: float, center: bool) -> Any:
    x, w, b = xs
    size = prod(x.shape[x.ndim - n :])
    v = x.reshape(x.size // max(1, size), size)  # (rows, size)
    mean = average(v, 1, True) if center and size else xp.zeros(0, x.dtype)
    y = v - mean if center and size else v.copy()
    rstd = (1 / xp.sqrt(xp.einsum("ij,ij->i", y, y) / max(1, size) + eps))[:, None]
    y *= rstd
    if w is not None:
        y *= w.reshape(size)
    if b is not None:
        y += b.reshape(size)
    return y.reshape(x.shape), mean, rstd


def layer_norm_vjp(g: Any, xs: Any, o: Any, needs: Any, n: int, eps: float, center: bool) -> Any:
    _, mean, rstd = o
    x, w, b = xs
    want = (bool(needs[0]), w is not None and bool(needs[1]), b is not None and bool(needs[2]))
    if not (want[0] or want[1]):
        return None, None, sum_p(g, tuple(range(len(g.shape) - n)), False)
    w = w if needs[0] else None
    found = layer_norm_back_p(
        (g, x, w), n, eps, center, want, mean if mean is None else arith.raw(mean), arith.raw(rstd)
    )
    return [v if wanted else None for v, wanted in zip(found, want, strict=True)]


@accelerated("layer_norm_back")
def _layer_norm_back(xp: Any, xs: Any, n: int, eps: float, center: bool, want: Any, mean: Any, rstd: Any) -> Any:
    g, x, w = xs
    tail = x.shape[x.ndim - n :]
    size = prod(tail)
    shape = (x.size // max(1, size), size)
    gv, v = g.reshape(shape), x.reshape(shape)
    center = center and size > 0
    y = v - mean if center else v.copy()
    y *= rstd
    gw = xp.einsum("ij,ij->j", gv, y).reshape(tail) if want[1] else xp.zeros(0, g.dtype)
    gb = add_up(gv, 0).reshape(tail) if want[2] else xp.zeros(0, g.dtype)
    if not want[0]:
        return xp.zeros(0, g.dtype), gw, gb
    h = gv if w is None else gv * w.reshape(size)
    y *= (xp.einsum("ij,ij->i", h, y) / -max(1, size))[:, None]
    y += h
    if center:
        y -= average(h, 1, True)
    y *= rstd
    return y.reshape(x.shape), gw, gb


def _layer_norm_composed(
    g: Any, x: Any, w: Any, n: int, eps: float, center: bool, want: Any, mean: Any, rstd: Any
) -> Any:
    nd = len(x.shape)
    axes, lead = tuple(range(nd - n, nd)), tuple(range(nd - n))
    d = x - mean_p(x, axes, True) if center else x
    r = rsqrt(mean_p(d * d, axes, True) + eps)
    y = d * r
    h = g if w is None else g * w
    gx = h - y * mean_p(h * y, axes, True)
    if center:
        gx = gx - mean_p(h, axes, True)
    nothing = wrap(xp_of(g._data).zeros(0, g._data.dtype))  # as the forward pass returns for what is not wanted
    return (
        gx * r if want[0] else nothing,
        sum_p(g * y, lead, False) if want[1] else nothing,
        sum_p(g, lead, False) if want[2] else nothing,
    )


layer_norm_back_p: Any = nary(
    "layer_norm_back",
    _layer_norm_back,
    _derived(_layer_norm_composed),
    saves=("12", "012", "01"),
    outputs=3,
    doc="The cotangents of input, weight and bias of layer_norm_p, from (g, x, weight) and the saved statistics.",
)
layer_norm_p: Any = nary(
    "layer_norm",
    layer_norm_array,
    layer_norm_vjp,
    saves=("01", "0", ""),
    extras=2,
    doc="(x - mean) / sqrt(var + eps) * w + b over the last n dimensions; center=False leaves the mean in (rms norm).",
)
