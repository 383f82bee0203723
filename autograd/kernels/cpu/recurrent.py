"""Scans of recurrent layers: all steps of an LSTM, GRU or RNN in one call, the batch shared among threads.

Each thread takes its sequences through all steps: a product with the recurrent weight on its rows, then the gates in one
pass while they are in the cache. The products over all rows (the input's share, the weights' gradients) are `matmul`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from . import blas
from .runtime import Loops, enough, like, same, threads

__all__ = ["gru", "gru_back", "lstm", "lstm_back", "rnn", "rnn_back"]

_loops = Loops("recurrent")
_SMALLEST = 4096  # multiplications with the recurrent weight in all steps
_SERIAL_BELOW = 400_000
_FEW = 64  # sequences to a thread
_ROWS = 4  # sequences to a thread at least: each thread reads the whole weight at each step


def _serves(rows: int, sizes: tuple[int, ...], w: Any, gates: int) -> bool:
    """Whether w (gates * H, H) and the steps fit each other, and there is enough to do."""
    if (
        w.ndim != 2
        or w.shape[0] != gates * w.shape[1]
        or sum(sizes) != rows
        or list(sizes) != sorted(sizes, reverse=True)
    ):
        return False
    return enough(rows * w.size, _SMALLEST) and blas.available()


def _count(work: int, batch: int) -> int:
    n = threads(work, _SERIAL_BELOW)
    least = 1 if threads(0, 1) > 1 else _ROWS  # more than one for nothing: tests want it so
    return max(1, min(n, batch // least))


@functools.lru_cache(64)
def _steps(sizes: tuple[int, ...], reverse: bool) -> np.ndarray:
    """Of each step in the order of computation: its sequences and first row, and those of the step it goes on from."""
    a = np.zeros((len(sizes), 4), np.int64)
    a[:, 0] = sizes
    a[1:, 1] = np.cumsum(sizes)[:-1]
    if reverse:
        a = a[::-1].copy()
    a[1:, 2:] = a[:-1, :2]
    return a


def _panels(w: Any, turned: bool, batch: int, nt: int, parts: int = 1) -> Any:
    """What each step multiplies by, w or its transpose, as the scans want it for few rows; none for many, which a BLAS
    serves."""
    return _loops.pack(w, turned, parts) if batch <= _FEW * nt else np.empty((0, 1, 1), w.dtype)


def _product(x: Any, y: Any) -> Any:
    r = blas.matmul(x, y)
    return np.matmul(x, y) if r is NotImplemented else r


def _forward(xs: Any, states: int, biases: int, sizes: tuple[int, ...], gates: int) -> bool:
    """Whether the operands (x, states, w_ih, w, biases) are what the scans serve."""
    x, w_ih, w = xs[0], xs[1 + states], xs[2 + states]
    if not same(x, *xs[1:]) or x.ndim != 2 or not _serves(x.shape[0], sizes, w, gates):
        return False
    k = w.shape[1]
    if w_ih.shape != (gates * k, x.shape[1]) or any(s.shape != (sizes[0], k) for s in xs[1 : 1 + states]):
        return False
    return all(b is None or b.shape == (n * k,) for b, n in zip(xs[3 + states :], (gates, 1)[:biases], strict=True))


def _sums(x: Any, w_ih: Any, b: Any) -> tuple[Any, Any]:
    """The input's share of the sums, and the bias, which the scan adds."""
    return _product(x, w_ih.T), np.zeros(w_ih.shape[0], x.dtype) if b is None else b


def lstm(xs: Any, sizes: tuple[int, ...], reverse: bool) -> Any:
    """All rows' h, the last h and c, all rows' c, and the gates i, f, g, o, of (x, h0, c0, w_ih, w, b)."""
    if not _forward(xs, 2, 1, sizes, 4):
        return NotImplemented
    x, h, c, w_ih, w, b = xs
    gates, b = _sums(x, w_ih, b)
    h, c = h.copy(), c.copy()
    out = np.empty((x.shape[0], w.shape[1]), x.dtype)
    cs = like(out)
    nt = _count(out.shape[0] * w.size, sizes[0])
    _loops.lstm(nt, _steps(sizes, reverse), gates, b, w, _panels(w, True, sizes[0], nt), h, c, out, cs)
    return out, h, c, cs, gates


def _backward(gs: Any, first: Any, w: Any, sizes: tuple[int, ...], gates: int, *kept: Any) -> Any:
    """The cotangents of all rows' h (of none: no columns), and of the last states, as copies to go on with; or None."""
    rows, k, dt = kept[0].shape[0], w.shape[-1], w.dtype
    if not same(w, first, *kept) or not _serves(rows, sizes, w, gates) or first.shape != (sizes[0], k):
        return None
    shapes = ((rows, k), *(first.shape for _ in gs[1:]))
    if any(v is not None and (v.dtype != dt or v.shape != s) for v, s in zip(gs, shapes, strict=True)):
        return None
    g = np.zeros((1, 0), dt) if gs[0] is None else np.require(gs[0], None, ["C", "A", "W"])
    return [g, *(np.zeros(first.shape, dt) if v is None else np.array(v, order="C") for v in gs[1:])]


def _total(partial: Any) -> Any:
    """The sum of the threads' shares."""
    return partial[0] if partial.shape[0] == 1 else partial.sum(0)


def lstm_back(
    g: Any, gh: Any, gc: Any, c0: Any, w: Any, sizes: tuple[int, ...], reverse: bool, cs: Any, gates: Any
) -> Any:
    """The cotangents of the sums of all rows, of h0 and c0, and of the bias."""
    got = _backward((g, gh, gc), c0, w, sizes, 4, cs, gates)
    if got is None:
        return NotImplemented
    g, dh, dc = got
    nt = _count(gates.shape[0] * w.size, sizes[0])
    dz, db = like(gates), np.zeros((nt, gates.shape[1]), gates.dtype)
    _loops.lstm_back(nt, _steps(sizes, reverse), g, gates, cs, c0, w, _panels(w, False, sizes[0], nt), dh, dc, dz, db)
    return dz, dh, dc, _total(db)


def gru(xs: Any, sizes: tuple[int, ...], reverse: bool) -> Any:
    """All rows' h, the last h, the gates r, z, n, and h w^T + b_n of n's rows, of (x, h0, w_ih, w, b, b_n)."""
    if not _forward(xs, 1, 2, sizes, 3):
        return NotImplemented
    x, h, w_ih, w, b, b_n = xs
    gates, b = _sums(x, w_ih, b)
    b_n = np.zeros(w.shape[1], x.dtype) if b_n is None else b_n
    h = h.copy()
    out = np.empty((x.shape[0], w.shape[1]), x.dtype)
    shares = like(out)
    nt = _count(out.shape[0] * w.size, sizes[0])
    _loops.gru(nt, _steps(sizes, reverse), gates, b, b_n, w, _panels(w, True, sizes[0], nt, 3), h, out, shares)
    return out, h, gates, shares


def gru_back(
    g: Any, gh: Any, h0: Any, w: Any, sizes: tuple[int, ...], reverse: bool, out: Any, gates: Any, shares: Any
) -> Any:
    """The cotangents of the sums of all rows as they meet w, of the last of them as they meet w_ih, of h0 and b, b_n."""
    got = _backward((g, gh), h0, w, sizes, 3, out, gates, shares)
    if got is None:
        return NotImplemented
    g, dh = got
    k = w.shape[1]
    nt = _count(gates.shape[0] * w.size, sizes[0])
    dz, dn, db = like(gates), like(out), np.zeros((nt, 4 * k), gates.dtype)
    _loops.gru_back(
        nt, _steps(sizes, reverse), g, gates, shares, out, h0, w, _panels(w, False, sizes[0], nt), dh, dz, dn, db
    )
    total = _total(db)
    return dz, dn, dh, total[: 3 * k], total[3 * k :]


def rnn(xs: Any, sizes: tuple[int, ...], reverse: bool, name: str) -> Any:
    """All rows' h and the last h of (x, h0, w_ih, w, b)."""
    if not _forward(xs, 1, 1, sizes, 1):
        return NotImplemented
    x, h, w_ih, w, b = xs
    out, b = _sums(x, w_ih, b)
    h = h.copy()
    nt = _count(out.shape[0] * w.size, sizes[0])
    _loops.rnn(nt, _steps(sizes, reverse), name == "relu", b, w, _panels(w, True, sizes[0], nt), h, out)
    return out, h


def rnn_back(g: Any, gh: Any, h0: Any, w: Any, sizes: tuple[int, ...], reverse: bool, name: str, out: Any) -> Any:
    """The cotangents of the sums of all rows, of h0, and of the bias."""
    got = _backward((g, gh), h0, w, sizes, 1, out)
    if got is None:
        return NotImplemented
    g, dh = got
    nt = _count(out.shape[0] * w.size, sizes[0])
    dz, db = like(out), np.zeros((nt, out.shape[1]), out.dtype)
    _loops.rnn_back(nt, _steps(sizes, reverse), name == "relu", g, out, w, _panels(w, False, sizes[0], nt), dh, dz, db)
    return dz, dh, _total(db)
