"""The primitives of normalisation: batch norm, and layer norm with or without the mean.

The forward passes save the mean and 1 / standard deviation beside the input. The backward passes are primitives of
their own, one fused pass on arrays, whose derivative is that of the same value in composed form.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ..op import composed, nary
from . import arith
from .math import rsqrt
from .reduce import mean_p
from .shape import reshape_p, sum_p

__all__ = ["batch_norm_p", "layer_norm_p"]


# ---------------------------------------------------------------- batch norm
def _channels(x: Any) -> Any:
    """x (N, C, *S) as (N, C, S), or (N, C) as it is: what is summed is then contiguous."""
    s = x.shape
    return x if len(s) == 2 else x.reshape(s[0], s[1], prod(s[2:]))


def _total(x: Any) -> Any:
    """The sum of (N, C) or (N, C, S) for each channel."""
    return x.sum(0) if x.ndim == 2 else x.sum(2).sum(0)


def _products(xp: Any, x: Any, y: Any) -> Any:
    """The sum of x * y for each channel."""
    return xp.einsum("nc,nc->c", x, y) if x.ndim == 2 else xp.einsum("ncs,ncs->nc", x, y).sum(0)


def _column(v: Any, x: Any) -> Any:
    return v if x.ndim == 2 else v[:, None]


def _batch_norm(xp: Any, xs: Any, eps: float) -> Any:
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
    return y.reshape(x.shape), mean, var, mean, rstd


def _batch_norm_vjp(g: Any, xs: Any, o: Any, needs: Any, eps: float) -> Any:
    _, _, _, mean, rstd = o
    if not needs[0] and not needs[1]:
        return None, None, sum_p(g[0], (0, *range(2, len(g[0].shape))), False)
    return batch_norm_back_p((g[0], xs[0], xs[1] if needs[0] else None), eps, arith.raw(mean), arith.raw(rstd))


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


batch_norm_back_p: Any = nary(
    "batch_norm_back",
    _batch_norm_back,
    composed(_batch_norm_composed),
    outputs=3,
    doc="The cotangents of input, weight and bias of batch_norm_p, from (g, x, weight) and the saved statistics.",
)
batch_norm_p: Any = nary(
    "batch_norm",
    _batch_norm,
    _batch_norm_vjp,
    saves=("01", "0", ""),
    outputs=3,
    extras=2,
    doc="(x - mean) / sqrt(var + eps) * w + b over all but the channel dimension, and the mean and biased variance.",
)


# ---------------------------------------------------------------- layer and rms norm
def _layer_norm(xp: Any, xs: Any, n: int, eps: float, center: bool) -> Any:
    x, w, b = xs
    size = prod(x.shape[x.ndim - n :])
    v = x.reshape(x.size // max(1, size), size)  # (rows, size)
    mean = v.mean(1, keepdims=True) if center and size else None
    y = v.copy() if mean is None else v - mean
    rstd = (1 / xp.sqrt(xp.einsum("ij,ij->i", y, y) / max(1, size) + eps))[:, None]
    y *= rstd
    if w is not None:
        y *= w.reshape(size)
    if b is not None:
        y += b.reshape(size)
    return y.reshape(x.shape), mean, rstd


def _layer_norm_vjp(g: Any, xs: Any, o: Any, needs: Any, n: int, eps: float, center: bool) -> Any:
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


def _layer_norm_back(xp: Any, xs: Any, n: int, eps: float, center: bool, want: Any, mean: Any, rstd: Any) -> Any:
    g, x, w = xs
    tail = x.shape[x.ndim - n :]
    size = prod(tail)
    shape = (x.size // max(1, size), size)
    gv, v = g.reshape(shape), x.reshape(shape)
    y = v - mean if mean is not None else v.copy()
    y *= rstd
    gw = xp.einsum("ij,ij->j", gv, y).reshape(tail) if want[1] else xp.zeros(0, g.dtype)
    gb = gv.sum(0).reshape(tail) if want[2] else xp.zeros(0, g.dtype)
    if not want[0]:
        return xp.zeros(0, g.dtype), gw, gb
    h = gv if w is None else gv * w.reshape(size)
    y *= (xp.einsum("ij,ij->i", h, y) / -max(1, size))[:, None]
    y += h
    if mean is not None:
        y -= h.mean(1, keepdims=True)
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
    return gx * r, sum_p(g * y, lead, False), sum_p(g, lead, False)


layer_norm_back_p: Any = nary(
    "layer_norm_back",
    _layer_norm_back,
    composed(_layer_norm_composed),
    outputs=3,
    doc="The cotangents of input, weight and bias of layer_norm_p, from (g, x, weight) and the saved statistics.",
)
layer_norm_p: Any = nary(
    "layer_norm",
    _layer_norm,
    _layer_norm_vjp,
    saves=("01", "0", ""),
    extras=2,
    doc="(x - mean) / sqrt(var + eps) * w + b over the last n dimensions; center=False leaves the mean in (rms norm).",
)
