"""Sums and variances of large arrays, on all threads, with the accuracy of NumPy's pairwise sums or better."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from .runtime import Loops, enough, fits, threads

__all__ = ["sums", "variance"]

_loops = Loops("reduction")
_BLOCK, _ROWS = 1024, 64  # as in the loops
_VARIANCE_LEAST = 8192
_SHORTEST = 16  # of rows: a view for each would take longer than NumPy's loop
_SERIAL_BELOW = 60_000
_NONE = {"f": np.empty(0, np.float32), "d": np.empty(0, np.float64)}


def _form(shape: tuple[int, ...], axes: Any) -> tuple[int, int, int, int] | None:
    """A reduction as (o, a, k, b), o and k kept, a and b added up, of which o or b is 1; None if it is no such thing."""
    n = len(shape)
    if axes is None:
        return 1, 1, 1, math.prod(shape)
    axes = (axes,) if isinstance(axes, int) else axes
    gone = {i + n if i < 0 else i for i in axes}
    runs: list[list[int]] = []  # [whether added up, size] of neighbouring dimensions
    for i, size in enumerate(shape):
        if size == 1:
            continue
        if runs and runs[-1][0] == (i in gone):
            runs[-1][1] *= size
        else:
            runs.append([i in gone, size])
    pattern = "".join("+" if summed else "." for summed, _ in runs)
    sizes = [size for _, size in runs]
    if pattern == "+":
        return 1, 1, 1, sizes[0]
    if pattern == ".+":
        return 1, 1, sizes[0], sizes[1]
    if pattern == "+.":
        return 1, sizes[0], sizes[1], 1
    if pattern == "+.+":
        return 1, sizes[0], sizes[1], sizes[2]
    if pattern == ".+.":
        return sizes[0], sizes[1], sizes[2], 1
    return None


def _reduced(shape: tuple[int, ...], axes: Any, keepdims: bool) -> tuple[int, ...]:
    n = len(shape)
    gone = range(n) if axes is None else [i % n for i in ((axes,) if isinstance(axes, int) else axes)]
    if keepdims:
        return tuple(1 if i in gone else size for i, size in enumerate(shape))
    return tuple(size for i, size in enumerate(shape) if i not in gone)


def _run(x: Any, form: tuple[int, int, int, int], about: Any) -> Any:
    o, a, k, b = form
    nt = threads(x.size, _SERIAL_BELOW)
    flat = x.reshape(-1)
    out = np.empty(o * k, x.dtype)
    if b > 1 or o * k == 1:
        if k == 1:  # rows of one result are neighbours
            a, b = 1, a * b
        work = np.empty(a * k * ((b + _BLOCK - 1) // _BLOCK))
        _loops.along_rows(nt, flat, a, k, b, about, work, out)
    else:
        blocks = (a + _ROWS - 1) // _ROWS
        work = out if blocks == 1 else np.empty(o * blocks * k, x.dtype)
        _loops.down_columns(nt, flat, a, k, about, work, out)
    return out


@functools.lru_cache(1024)
def _plan(shape: tuple[int, ...], axes: Any, keepdims: bool) -> Any:
    """The form and the shape of the result, or None."""
    form = _form(shape, axes)
    if form is None or 1 < form[3] < _SHORTEST:
        return None
    return form, _reduced(shape, axes, keepdims)


def sums(x: Any, axes: Any, keepdims: bool) -> Any:
    """The sums of a large array over axes (an int, a tuple, or None for all)."""
    if not fits(x):
        return NotImplemented
    plan = _plan(x.shape, axes, keepdims)
    if plan is None:
        return NotImplemented
    form, shape = plan
    out = _run(x, form, _NONE[x.dtype.char])
    return out.reshape(shape) if shape else out[0]


def variance(x: Any, axes: Any, keepdim: bool, correction: float) -> Any:
    """The variances over axes with that many degrees of freedom taken off; two passes."""
    if type(x) is not np.ndarray or not enough(x.size, _VARIANCE_LEAST) or not fits(x):
        return NotImplemented
    plan = _plan(x.shape, axes, keepdim)
    if plan is None:
        return NotImplemented
    form, shape = plan
    n = x.size // (form[0] * form[2])
    if n <= correction:
        return NotImplemented
    about = _run(x, form, _NONE[x.dtype.char])
    about /= n
    out = _run(x, form, about)
    out /= n - correction
    return out.reshape(shape) if shape else out[0]
