"""Losses: the passes over the logits of a cross entropy, and sums over pairs of elements without temporaries."""

from __future__ import annotations

from typing import Any

import numpy as np

from .runtime import Loops, enough, fits, like, same, threads

__all__ = [
    "bce_logits", "bce_logits_back", "cross_entropy_back", "cross_entropy_sums", "mse", "mse_back", "smooth_l1",
    "smooth_l1_back",
]  # fmt: skip

_loops = Loops("loss")
BLOCK = 2048  # logits of (N, C) whose exp is taken at a time, across rows: those are often short and of odd length
SERIAL_BELOW = 8192  # logits, each of which costs an exp
_SMALLEST = 64  # elements; NumPy's passes cost 10 us before they compute anything
_ABSENT = {c: np.empty(0, c) for c in "fd"}
_NO_PLANES = {c: np.empty((0, 0), c) for c in "fd"}


def _plain(a: Any) -> Any:
    """An array as loops want it: a copy if it is read-only or not contiguous."""
    return a if a.flags.carray else a.copy()


def _serves(x: Any, labels: Any) -> bool:
    return (
        enough(x.size, _SMALLEST)
        and x.ndim <= 3
        and fits(x)
        and labels.dtype == np.int64
        and labels.size * x.shape[1] == x.size
    )


def _spread(classes: Any, x: Any) -> Any:
    if classes is None:
        return np.ones(x.shape[1], x.dtype)
    return _plain(classes)


def cross_entropy_sums(x: Any, labels: Any, classes: Any, smoothing: float) -> Any:
    """(-log_softmax(x)[label], top, logs, smooth) of logits (N, C) or (N, C, S) and labels (N,) or (N, S).

    top (N, 1, *S): the largest logit; logs: log(sum(exp(x - top))); smooth: sum((x - top) * classes), or None without
    smoothing. classes: the class weights, or None.
    """
    if not _serves(x, labels):
        return NotImplemented
    s = labels.shape
    loss, top, logs = (np.empty(s, x.dtype) for _ in range(3))
    rows = x.ndim == 2
    if smoothing:
        spread, smooth = _spread(classes, x), np.empty(s, x.dtype)
    else:
        spread = _ABSENT[x.dtype.char]
        smooth = spread if rows else _NO_PLANES[x.dtype.char]
    nt = threads(x.size, SERIAL_BELOW)
    if rows:
        work = np.empty((nt, max(BLOCK, x.shape[1])), x.dtype)
        _loops.label_rows(nt, x, _plain(labels), spread, loss, top, logs, smooth, work)
    else:
        _loops.label_planes(nt, x, _plain(labels), spread, loss, top, logs, smooth)
    return loss, top[:, None], logs, smooth if smoothing else None


def _factor(v: Any, x: Any) -> Any:
    """A number, or one for each row, as a flat array of x's dtype."""
    return np.array(v, x.dtype).reshape(-1)


def cross_entropy_back(
    x: Any, labels: Any, classes: Any, top: Any, logs: Any, at_label: Any, mass: Any, share: Any
) -> Any:
    """softmax(x) * mass - share * classes, less at_label at the label; each a number or one for each row (N, *S)."""
    if not _serves(x, labels) or not (fits(logs) and logs.dtype == x.dtype and top.flags.c_contiguous):
        return NotImplemented
    y = like(x)
    at = _factor(at_label, x)
    if share is None:
        mass, share, spread = at, _ABSENT[x.dtype.char], _ABSENT[x.dtype.char]  # without smoothing both are one number
    else:
        mass, share, spread = _factor(mass, x), _factor(share, x), _spread(classes, x)
    run = _loops.label_rows_back if x.ndim == 2 else _loops.label_planes_back
    nt = threads(x.size, SERIAL_BELOW)
    run(nt, x, _plain(labels), top.reshape(logs.shape), logs, at, mass, share, spread, y)
    return y


# ---------------------------------------------------------------- pairs of elements
_PAIRS_SERIAL_BELOW = 32_768  # elements
_PAIRS_SMALLEST = 2048  # elements; of fewer, NumPy's two or three passes take as long as the call


def _pair(x: Any, y: Any) -> bool:
    return type(x) is type(y) is np.ndarray and enough(x.size, _PAIRS_SMALLEST) and same(x, y) and x.shape == y.shape


def _flat(g: Any, x: Any) -> Any:
    """A cotangent as a flat array: of one element if it was expanded from one, None if it is of another dtype."""
    if g.dtype != x.dtype or g.shape != x.shape:
        return None
    if g.flags.carray:
        return g.reshape(-1)
    return g.copy().reshape(-1) if any(g.strides) else g.reshape(-1)[:1].copy()


def mse(xs: Any, reduction: str) -> Any:
    """The sum or mean of (x - y) ** 2, which need not be written down."""
    x, y = xs
    if reduction == "none" or not _pair(x, y):
        return NotImplemented
    nt = threads(x.size, _PAIRS_SERIAL_BELOW)
    sums = np.empty(nt)
    _loops.squares(nt, x.reshape(-1), y.reshape(-1), sums)
    total = sums.sum()
    return np.asarray(total / x.size if reduction == "mean" else total, x.dtype)


def mse_back(xs: Any, factor: float, want: Any) -> Any:
    """(x - y) * g * factor and its negative, or None for what is not wanted, with one number g."""
    g, x, y = xs
    if g.size != 1 or g.dtype != x.dtype or not _pair(x, y):
        return NotImplemented
    dx, dy = (np.empty(x.shape if wanted else 0, x.dtype) for wanted in want)
    nt = threads(x.size, _PAIRS_SERIAL_BELOW)
    scale = x.dtype.type(g.item() * factor)
    _loops.squares_back(nt, x.reshape(-1), y.reshape(-1), scale, dx.reshape(-1), dy.reshape(-1))
    return dx if want[0] else None, dy if want[1] else None


def bce_logits(x: Any, y: Any) -> Any:
    """max(x, 0) - x * y + log(1 + exp(-abs(x))) of equal shapes."""
    if not _pair(x, y):
        return NotImplemented
    out = like(x)
    _loops.bce_logits(threads(x.size, SERIAL_BELOW), x.reshape(-1), y.reshape(-1), out.reshape(-1))
    return out


def bce_logits_back(xs: Any) -> Any:
    """g * (sigmoid(x) - y) of equal shapes."""
    g, x, y = xs
    if not _pair(x, y):
        return NotImplemented
    g = _flat(g, x)
    if g is None:
        return NotImplemented
    out = like(x)
    _loops.bce_logits_back(threads(x.size, SERIAL_BELOW), g, x.reshape(-1), y.reshape(-1), out.reshape(-1))
    return out


def smooth_l1(x: Any, beta: float) -> Any:
    """x ** 2 / (2 * beta) where abs(x) < beta, else abs(x) - beta / 2."""
    if not enough(x.size, _PAIRS_SMALLEST) or not fits(x):
        return NotImplemented
    out = like(x)
    _loops.smooth_l1(threads(x.size, _PAIRS_SERIAL_BELOW), x.reshape(-1), float(beta), out.reshape(-1))
    return out


def smooth_l1_back(xs: Any, beta: float) -> Any:
    """g * x / beta, where that is cut off at -1 and 1."""
    g, x = xs
    if not enough(x.size, _PAIRS_SMALLEST) or not fits(x):
        return NotImplemented
    g = _flat(g, x)
    if g is None:
        return NotImplemented
    out = like(x)
    _loops.smooth_l1_back(threads(x.size, _PAIRS_SERIAL_BELOW), g, x.reshape(-1), float(beta), out.reshape(-1))
    return out
