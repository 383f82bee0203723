"""Resampling along one axis as a sparse linear map: which input elements each output element reads, and how much.

Every mode of `interpolate` is a product of such maps, one for each dimension, so the cost and the memory go with the
number of elements read per axis, not with its square or cube. A map is applied pass by pass: the k-th elements of all
outputs are gathered at once. Its transpose is a map of the same kind, which is the adjoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ..op import param

__all__ = ["Taps", "resample_p", "taps"]

Pass = tuple[Any, Any, Any]  # rows (None: all), columns, weights (None: all 1)


class Taps:
    """A sparse matrix (o, n) in passes: each has at most one element of a row."""

    __slots__ = ("_other", "n", "o", "passes", "rows", "columns", "weights")

    def __init__(self, n: int, o: int, rows: Any, columns: Any, weights: Any) -> None:
        self.n, self.o = n, o
        order = np.argsort(rows, kind="stable")
        self.rows, self.columns = rows[order], columns[order]
        self.weights = None if weights is None else weights[order]
        self._other: Taps | None = None
        start = np.searchsorted(self.rows, np.arange(o))
        rank = np.arange(len(self.rows)) - start[self.rows] if len(self.rows) else self.rows
        self.passes: list[Pass] = []
        for k in range(int(rank.max()) + 1 if len(rank) else 0):
            at = rank == k
            found = self.rows[at]
            w = None if self.weights is None else self.weights[at]
            self.passes.append((None if len(found) == o else found, self.columns[at], w))

    @property
    def transposed(self) -> Taps:
        """The matrix (n, o) of the adjoint."""
        if self._other is None:
            self._other = Taps(self.o, self.n, self.columns, self.rows, self.weights)
            self._other._other = self
        return self._other

    def apply(self, xp: Any, x: Any, axis: int) -> Any:
        """The product with x along an axis."""
        lead = (slice(None),) * axis
        out = None
        for rows, columns, weights in self.passes:
            part = xp.take(x, xp.asarray(columns), axis=axis)
            if weights is not None:
                part *= xp.asarray(weights, dtype=x.dtype).reshape(-1, *(1,) * (x.ndim - axis - 1))
            if out is None and rows is None:
                out = part
                continue
            if out is None:
                out = xp.zeros((*x.shape[:axis], self.o, *x.shape[axis + 1 :]), x.dtype)
            if rows is None:
                out += part
            else:
                out[(*lead, xp.asarray(rows))] += part
        if out is None:
            out = xp.zeros((*x.shape[:axis], self.o, *x.shape[axis + 1 :]), x.dtype)
        return out


resample_p: Any = param(
    "resample",
    lambda xp, x, axis, taps: taps.apply(xp, x, axis),
    lambda g, x, o, axis, taps: resample_p(g, axis, taps.transposed),
    dtypes="same",
    jvp="linear",
    doc="The product of a sparse matrix (see `Taps`) with x along an axis.",
)


# ---------------------------------------------------------------- the maps of the modes
def _cubic(a: float) -> Callable[[Any], Any]:
    """Keys' cubic convolution kernel."""

    def kernel(x: Any) -> Any:
        x = np.abs(x)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((x - 5) * x + 8) * x * a - 4 * a
        return np.where(x < 1, near, np.where(x < 2, far, 0.0))

    return kernel


def _lanczos(x: Any) -> Any:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


# mode -> (half width of the kernel, kernel) of resampling with antialiasing, as in Pillow
_FILTERS: dict[str, tuple[float, Callable[[Any], Any]]] = {
    "linear": (1.0, lambda x: np.maximum(1 - np.abs(x), 0.0)),
    "cubic": (2.0, _cubic(-0.5)),
    "lanczos": (3.0, _lanczos),
}


def _step(n: int, o: int, factor: float | None, align: bool) -> float:
    """The distance of neighbouring outputs, in input elements."""
    if align:
        return (n - 1) / (o - 1) if o > 1 else 0.0
    return 1 / factor if factor else n / o


def _nearest(n: int, o: int, factor: float | None, exact: bool) -> Taps:
    # Indices are computed in single precision, as in PyTorch: another rounding would give other elements.
    step = np.float32(1 / factor) if factor else np.float32(n) / np.float32(o)
    at = np.arange(o, dtype=np.float32)
    source = np.floor((at + np.float32(0.5)) * step if exact else at * step).astype(np.int64)
    return Taps(n, o, np.arange(o), np.minimum(source, n - 1), None)


def _linear(n: int, o: int, step: float, align: bool) -> Taps:
    at = np.arange(o)
    x = at * step if align else np.maximum(step * (at + 0.5) - 0.5, 0.0)
    x = at.astype(np.float64) if n == o else x  # whatever the scale factor, as in PyTorch
    low = np.minimum(x.astype(np.int64), n - 1)
    high = np.minimum(low + 1, n - 1)
    w = np.clip(x - low, 0.0, 1.0)
    if (w == 0).all():
        return Taps(n, o, at, low, None)
    return Taps(n, o, np.concatenate((at, at)), np.concatenate((low, high)), np.concatenate((1 - w, w)))


def _bicubic(n: int, o: int, step: float, align: bool) -> Taps:
    at = np.arange(o)
    x = at * step if align else step * (at + 0.5) - 0.5
    first = np.floor(x).astype(np.int64) - 1
    w = np.clip(x - (first + 1), 0.0, 1.0)
    kernel = _cubic(-0.75)
    columns = np.concatenate([np.clip(first + k, 0, n - 1) for k in range(4)])
    return Taps(n, o, np.tile(at, 4), columns, np.concatenate([kernel(k - 1 - w) for k in range(4)]))


def _filtered(n: int, o: int, step: float, mode: str) -> Taps:
    half, kernel = _FILTERS[mode]
    wide = max(step, 1.0)
    support = half * wide
    at = np.arange(o)
    centre = step * (at + 0.5)  # with align_corners too, as in PyTorch, although corners are then not aligned
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support + 0.5).astype(np.int64), n)
    most = math.ceil(support) * 2 + 1
    last = np.minimum(last, first + most)
    counts = np.maximum(last - first, 0)
    rows = np.repeat(at, counts)
    columns = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[rows]
    w = kernel((columns - centre[rows] + 0.5) / wide)
    total = np.bincount(rows, w, o)
    return Taps(n, o, rows, columns, w / np.where(total == 0, 1.0, total)[rows])


@lru_cache(maxsize=512)
def taps(mode: str, n: int, o: int, factor: float | None, align: bool, antialias: bool) -> Taps:
    """The map from n to o elements: mode nearest, nearest-exact, linear, cubic or lanczos; factor: o / n as it was given."""
    if mode in ("nearest", "nearest-exact"):
        return _nearest(n, o, factor, mode == "nearest-exact")
    step = _step(n, o, factor, align)
    if antialias:
        return _filtered(n, o, step, mode)
    return (_linear if mode == "linear" else _bicubic)(n, o, step, align)
