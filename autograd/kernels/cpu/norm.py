"""Normalisation: layer and rms norm, batch norm in training, and the factor and shift of each channel; with backward.

The kernels take the arguments of the formulas in `ops/norm_core` and return the same arrays. Cotangents may be views
that were expanded or transposed: a copy of one costs less than the passes it saves.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from .runtime import Loops, enough, like, same, threads

__all__ = [
    "batch_norm", "batch_norm_back", "channel_affine", "channel_affine_back", "layer_norm", "layer_norm_back",
]  # fmt: skip

_loops = Loops("norm")
SERIAL_BELOW = 16_384  # elements; a parallel region costs as much as the rows of 64 x 256
_SMALLEST = 64  # elements; NumPy's passes cost 10 us before they compute anything
_FLOOR = (-np.inf, 0.0)  # the least value of a result, without and with relu
_ABSENT = {c: np.empty(0, c) for c in "fd"}
_NO_COLUMN = {c: np.empty((0, 1), c) for c in "fd"}
_NO_ROWS = {c: np.empty((0, 0), c) for c in "fd"}
_NO_PLANES = {c: np.empty((0, 0, 0), c) for c in "fd"}


def _plain(g: Any, x: Any) -> Any:
    """g if it has x's dtype and is laid out for loops, a copy of it that is, or None for another dtype."""
    if g.dtype != x.dtype:
        return None
    return g if g.flags.carray else g.copy()


# ---------------------------------------------------------------- layer and rms norm
def layer_norm(xs: Any, n: int, eps: float, center: bool) -> Any:
    """(y, mean, rstd) of (x, w, b) normalised over the last n dimensions; without the mean if not center."""
    x, w, b = xs
    if not enough(x.size, _SMALLEST) or not same(x, w, b):
        return NotImplemented
    z = x.dtype.char
    d = x.shape[-1] if n == 1 else prod(x.shape[x.ndim - n :])
    if d == 1:  # the formula's gradient is 0 to the last bit, that of fused multiplications is not
        return NotImplemented
    v = x if x.ndim == 2 and n == 1 else x.reshape(-1, d)
    none = _ABSENT[z]
    y = np.empty(v.shape, x.dtype)
    mean = np.empty((v.shape[0], 1), x.dtype) if center else np.empty(0, x.dtype)
    rstd = np.empty((v.shape[0], 1), x.dtype)
    _loops.rows(
        threads(x.size, SERIAL_BELOW), v, none if w is None else w.reshape(d), none if b is None else b.reshape(d),
        eps, center, y, mean if center else _NO_COLUMN[z], rstd,
    )  # fmt: skip
    return y.reshape(x.shape), mean, rstd


def layer_norm_back(xs: Any, n: int, eps: float, center: bool, want: Any, mean: Any, rstd: Any) -> Any:
    """The cotangents of x, w and b, of which `want` says which are wanted: the others are arrays of size 0."""
    g, x, w = xs
    if not enough(x.size, _SMALLEST) or not same(x, w, rstd, mean if center else None):
        return NotImplemented
    g = _plain(g, x)
    if g is None:
        return NotImplemented
    z = x.dtype.char
    tail = x.shape[x.ndim - n :]
    d = prod(tail)
    if d == 1:
        return NotImplemented
    none = _ABSENT[z]
    nt = min(threads(x.size, SERIAL_BELOW), x.size // d)
    dx = np.empty((x.size // d, d), x.dtype) if want[0] else _NO_ROWS[z]
    dw, db = (np.empty((nt, d), x.dtype) if wanted else _NO_ROWS[z] for wanted in want[1:])
    _loops.rows_back(
        nt, g.reshape(-1, d), x.reshape(-1, d), none if w is None else w.reshape(d), mean if center else _NO_COLUMN[z],
        rstd, dx, dw, db,
    )  # fmt: skip
    return (
        dx.reshape(x.shape) if want[0] else np.empty(0, x.dtype),
        _joined(dw, tail) if want[1] else np.empty(0, x.dtype),
        _joined(db, tail) if want[2] else np.empty(0, x.dtype),
    )


def _joined(parts: Any, shape: Any) -> Any:
    """The sum of the threads' parts, which are in the order of the rows."""
    return (parts[0] if len(parts) == 1 else np.add.reduce(parts, 0)).reshape(shape)


# ---------------------------------------------------------------- batch norm
def _planes(x: Any) -> Any:
    """x (N, C, *S) as (N, C, S), or (N, C) where S is 1."""
    n, c = x.shape[:2]
    s = x.size // (n * c)
    return x.reshape(n, c) if s == 1 else x.reshape(n, c, s)


def batch_norm(xs: Any, eps: float, relu: bool = False) -> Any:
    """(y, mean, variance, mean, rstd) of (x, w, b) normalised over all but dimension 1; relu: y is relu of that."""
    x, w, b = xs
    if not enough(x.size, _SMALLEST) or not same(x, w, b):
        return NotImplemented
    v = _planes(x)
    none = _ABSENT[x.dtype.char]
    y = like(v)
    mean, var, rstd = (np.empty(v.shape[1], x.dtype) for _ in range(3))
    run = _loops.columns if v.ndim == 2 else _loops.channels
    run(
        min(threads(x.size, SERIAL_BELOW), v.shape[1]), v, none if w is None else w, none if b is None else b, eps,
        _FLOOR[relu], y, mean, var, rstd,
    )  # fmt: skip
    return y.reshape(x.shape), mean, var, mean, rstd


def batch_norm_back(xs: Any, eps: float, mean: Any, rstd: Any) -> Any:
    """The cotangents of x, w and b."""
    g, x, w = xs
    if not enough(x.size, _SMALLEST) or not same(x, w, mean, rstd):
        return NotImplemented
    g = _plain(g, x)
    if g is None:
        return NotImplemented
    v = _planes(x)
    c = v.shape[1]
    w = _ABSENT[x.dtype.char] if w is None else w
    nt = min(threads(x.size, SERIAL_BELOW), c)
    dx, dw, db = like(v), np.empty(c, x.dtype), np.empty(c, x.dtype)
    if v.ndim == 2:
        _loops.columns_back(nt, g.reshape(v.shape), v, w, mean, rstd, dx, dw, db, np.empty((3, c), x.dtype))
    else:
        _loops.channels_back(nt, g.reshape(v.shape), v, w, mean, rstd, dx, dw, db)
    return dx.reshape(x.shape), dw, db


# ---------------------------------------------------------------- a factor and a shift for each channel
def channel_affine(xs: Any, relu: bool = False) -> Any:
    """x (N, C, *S) * w + b, where w and b are (C,) or absent; relu of that if asked."""
    x, w, b = xs
    if not enough(x.size, _SMALLEST) or not same(x, w, b):
        return NotImplemented
    v = _planes(x)
    if v.ndim == 2:  # NumPy's passes over (N, C) are as fast
        return NotImplemented
    none = _ABSENT[x.dtype.char]
    y = like(v)
    nt = min(threads(x.size, SERIAL_BELOW), v.shape[1])
    _loops.affine_channels(nt, v, none if w is None else w, none if b is None else b, _FLOOR[relu], y)
    return y.reshape(x.shape)


def channel_affine_back(xs: Any, want: Any) -> Any:
    """The cotangents of x, w and b from (g, x, w), x only where that of w is wanted; not wanted ones have size 0."""
    g, x, w = xs
    z = g.dtype.char
    if z not in "fd" or not enough(g.size, _SMALLEST):
        return NotImplemented
    g = _plain(g, g)
    if not same(g, w, x if want[1] else None):
        return NotImplemented
    v = _planes(g)
    if v.ndim == 2:
        return NotImplemented
    c = v.shape[1]
    dx = like(v) if want[0] else _NO_PLANES[z]
    dw, db = (np.empty(c, g.dtype) if wanted else _ABSENT[z] for wanted in want[1:])
    _loops.affine_channels_back(
        min(threads(g.size, SERIAL_BELOW), c), v, x.reshape(v.shape) if want[1] else _NO_PLANES[z],
        _ABSENT[z] if w is None or not want[0] else w, dx, dw, db,
    )  # fmt: skip
    return (
        dx.reshape(g.shape) if want[0] else np.empty(0, g.dtype),
        dw if want[1] else np.empty(0, g.dtype),
        db if want[2] else np.empty(0, g.dtype),
    )
