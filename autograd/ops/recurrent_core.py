"""Whole sequences of recurrent layers as one operation each: RNN, LSTM and GRU, in one direction.

Rows are packed as PyTorch's PackedSequence packs them: all sequences' first steps, then all second steps, and so on, with
`sizes[t]` sequences still running at step t (for padded input: the batch size, T times). x is the input's share of the
gates, one matrix product over all rows done before. The backward pass recomputes the gates in one matrix product over all
rows, so that nothing but x, the states and the weights is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..backend import xp_of
from ..core import make_leaf, wrap
from ..op import composed, nary
from .activation import relu, sigmoid
from .arith import raw
from .join import cat_p
from .math import tanh
from .matmul import matmul
from .shape import permute_p

__all__ = ["gru_p", "gru_steps", "lstm_p", "lstm_steps", "rnn_p", "rnn_steps"]


def _rows(sizes: tuple[int, ...], reverse: bool) -> Iterator[tuple[int, slice]]:
    """(number of running sequences, their rows) of each step, in the order of computation."""
    steps, start = [], 0
    for n in sizes:
        steps.append((n, slice(start, start + n)))
        start += n
    return reversed(steps) if reverse else iter(steps)


def _before(xp: Any, o: Any, first: Any, sizes: tuple[int, ...], reverse: bool) -> Any:
    """The state that each row began with: the one that the step before left in o, or the first one."""
    found, last = xp.empty_like(o), slice(0, 0)
    for n, rows in _rows(sizes, reverse):
        k = min(n, last.stop - last.start)
        if k:
            found[rows.start : rows.start + k] = o[last.start : last.start + k]
        found[rows.start + k : rows.stop] = first[k:n]
        last = rows
    return found


def _sigmoid(xp: Any, z: Any) -> Any:
    """In place, through tanh, which neither overflows nor loses digits."""
    z *= 0.5
    xp.tanh(z, out=z)
    z *= 0.5
    z += 0.5
    return z


def _transposed(w: Any) -> Any:
    return permute_p(w, (1, 0))


def _start(g: Any, like: Any) -> Any:
    """The cotangent of the last state, as memory of our own."""
    return xp_of(like).zeros_like(like) if g is None else g.copy()


def _steps(run: Callable[..., Any], x: Any, state: list[Any], sizes: tuple[int, ...], reverse: bool) -> Any:
    """The recorded loop of `run(rows of x, states) -> new states`: all rows' first state, and the last states."""
    out: list[Any] = [None] * len(sizes)
    order = range(len(sizes) - 1, -1, -1) if reverse else range(len(sizes))
    for step, (n, rows) in zip(order, _rows(sizes, reverse), strict=True):
        now = run(x[rows], [s[:n] for s in state])
        out[step] = now[0]
        state = [v if n == s.shape[0] else cat_p((v, s[n:]), 0) for v, s in zip(now, state, strict=True)]
    return (cat_p(tuple(out), 0) if out else x[:, : state[0].shape[1]]), *state


def _recorded(steps: Callable[..., Any], outs: int, count: int, params: int) -> Any:
    """The vjp of a backward pass: that of the derivative of the recorded steps, which has the same value."""

    def derivative(*args: Any) -> Any:
        from ..engine import grad_arrays

        gs, xs, p = args[:outs], args[outs : outs + count], args[outs + count : outs + count + params]
        ys = []
        for x in xs:
            y = x
            if x._node is None:
                y = wrap(x._data)
                y._node = make_leaf(y)
            ys.append(y)
        pairs = [(o, g) for o, g in zip(steps(*ys, *p), gs, strict=True) if g is not None]
        found = grad_arrays([o for o, _ in pairs], [g for _, g in pairs], ys, record=True)
        return tuple(y * 0 if f is None else f for f, y in zip(found, ys, strict=True))

    return composed(derivative)


def _wanted(needs: Any, found: Any) -> list[Any]:
    return [v if n is not None else None for v, n in zip(found, needs, strict=True)]


# ---------------------------------------------------------------- RNN
def rnn_steps(x: Any, h: Any, w: Any, sizes: tuple[int, ...], reverse: bool, name: str) -> Any:
    """The recorded form of `rnn_p`."""
    f, wt = (tanh if name == "tanh" else relu), _transposed(w)
    return _steps(lambda z, s: [f(z + matmul(s[0], wt))], x, [h], sizes, reverse)


def _rnn(xp: Any, xs: Any, sizes: tuple[int, ...], reverse: bool, name: str) -> Any:
    x, h, w = xs
    h, wt = h.copy(), w.T
    out = xp.empty((x.shape[0], h.shape[1]), x.dtype)
    for n, rows in _rows(sizes, reverse):
        z = h[:n] @ wt
        z += x[rows]
        out[rows] = h[:n] = xp.tanh(z) if name == "tanh" else xp.maximum(z, 0)
    return out, h


def _rnn_back(xp: Any, xs: Any, sizes: tuple[int, ...], reverse: bool, name: str, out: Any) -> Any:
    g, gh, _, h0, w = xs
    before = _before(xp, out, h0, sizes, reverse)
    slope = 1 - out * out if name == "tanh" else (out > 0).astype(out.dtype)
    dh = _start(gh, h0)
    for n, rows in _rows(sizes, not reverse):
        d = slope[rows]
        d *= dh[:n] if g is None else dh[:n] + g[rows]
        dh[:n] = d @ w
    return slope, dh, slope.T @ before


def _rnn_vjp(g: Any, xs: Any, o: Any, needs: Any, *p: Any) -> Any:
    return _wanted(needs, rnn_back_p((*g, *xs), *p, raw(o[0])))


rnn_back_p: Any = nary(
    "rnn_back",
    _rnn_back,
    _recorded(rnn_steps, 2, 3, 3),
    saves="01234",
    outputs=3,
    doc="The cotangents of the operands of rnn_p, from those of its results, the operands, and its output.",
)
rnn_p: Any = nary(
    "rnn",
    _rnn,
    _rnn_vjp,
    saves=("012o", "012o", "012o"),
    outputs=2,
    doc="h_t = tanh or relu(x_t + h_{t-1} w^T) over all steps of (x, h0, w): all rows' h, and the last h.",
)


# ---------------------------------------------------------------- LSTM
def lstm_steps(
    x: Any, h: Any, c: Any, w: Any, sizes: tuple[int, ...], reverse: bool, wr: Any = None, peep: Any = None
) -> Any:
    """The recorded form of `lstm_p`; with wr (P, H) the state is projected, with peep (3, H) the gates i, f, o see c."""
    k, wt = w.shape[0] // 4, _transposed(w)

    def run(z: Any, s: Any) -> Any:
        a, c = z + matmul(s[0], wt), s[1]
        ai, af, ag, ao = (a[:, j * k : (j + 1) * k] for j in range(4))
        if peep is not None:
            ai, af = ai + peep[0] * c, af + peep[1] * c
        c = sigmoid(af) * c + sigmoid(ai) * tanh(ag)
        h = sigmoid(ao if peep is None else ao + peep[2] * c) * tanh(c)
        return [h if wr is None else matmul(h, _transposed(wr)), c]

    return _steps(run, x, [h, c], sizes, reverse)


def _gates(xp: Any, z: Any, k: int) -> Any:
    """The LSTM's gates i, f, g, o (rows, 4 k) from their sums, in place."""
    _sigmoid(xp, z[:, : 2 * k])
    g = z[:, 2 * k : 3 * k]
    xp.tanh(g, out=g)
    _sigmoid(xp, z[:, 3 * k :])
    return z


def _lstm(xp: Any, xs: Any, sizes: tuple[int, ...], reverse: bool) -> Any:
    x, h, c, w = xs
    k = w.shape[0] // 4
    h, c, wt = h.copy(), c.copy(), w.T
    out = xp.empty((x.shape[0], k), x.dtype)
    cs = xp.empty_like(out)
    for n, rows in _rows(sizes, reverse):
        z = h[:n] @ wt
        z += x[rows]
        _gates(xp, z, k)
        now = z[:, k : 2 * k] * c[:n]
        now += z[:, :k] * z[:, 2 * k : 3 * k]
        cs[rows] = c[:n] = now
        xp.tanh(now, out=now)
        now *= z[:, 3 * k :]
        out[rows] = h[:n] = now
    return out, h, c, cs


def _lstm_back(xp: Any, xs: Any, sizes: tuple[int, ...], reverse: bool, out: Any, cs: Any) -> Any:
    g, gh, gc, x, h0, c0, w = xs
    k = w.shape[0] // 4
    before, cbefore = _before(xp, out, h0, sizes, reverse), _before(xp, cs, c0, sizes, reverse)
    z = before @ w.T
    z += x
    _gates(xp, z, k)
    i, f, a, o = (z[:, j * k : (j + 1) * k] for j in range(4))
    th = xp.tanh(cs)
    slope = o * (1 - th * th)  # of h by c
    th *= o * (1 - o)  # of h by the sum in o
    by_c = xp.concatenate((a * i * (1 - i), cbefore * f * (1 - f), i * (1 - a * a)), 1)  # of c by the sums in i, f, g
    dz = xp.empty_like(z)
    dh, dc = _start(gh, h0), _start(gc, c0)
    for n, rows in _rows(sizes, not reverse):
        d = dh[:n] if g is None else dh[:n] + g[rows]
        e = dc[:n]
        e += d * slope[rows]
        part = dz[rows]
        for j in range(3):
            xp.multiply(by_c[rows, j * k : (j + 1) * k], e, out=part[:, j * k : (j + 1) * k])
        xp.multiply(d, th[rows], out=part[:, 3 * k :])
        e *= f[rows]
        dh[:n] = part @ w
    return dz, dh, dc, dz.T @ before


def _lstm_vjp(g: Any, xs: Any, o: Any, needs: Any, *p: Any) -> Any:
    return _wanted(needs, lstm_back_p((*g, *xs), *p, raw(o[0]), raw(o[3])))


lstm_back_p: Any = nary(
    "lstm_back",
    _lstm_back,
    _recorded(lstm_steps, 3, 4, 2),
    saves="0123456",
    outputs=4,
    doc="The cotangents of the operands of lstm_p, from those of its results, the operands, its output and cell states.",
)
lstm_p: Any = nary(
    "lstm",
    _lstm,
    _lstm_vjp,
    saves=("0123o", "0123o", "0123o", "0123o"),
    outputs=3,
    extras=1,
    doc="""LSTM over all steps of (x, h0, c0, w): all rows' h, and the last h and c.

    i, f, o = sigmoid and g = tanh of x_t + h_{t-1} w^T; c_t = f c_{t-1} + i g; h_t = o tanh(c_t).
    """,
)


# ---------------------------------------------------------------- GRU
def gru_steps(x: Any, h: Any, w: Any, b: Any, sizes: tuple[int, ...], reverse: bool, reset_after: bool = True) -> Any:
    """The recorded form of `gru_p`; without reset_after the reset gate acts on h before the product (Cho et al., 2014)."""
    k, wt = w.shape[0] // 3, _transposed(w)

    def run(z: Any, s: Any) -> Any:
        h = s[0]
        if reset_after:
            a = matmul(h, wt)
            r, u = (sigmoid(z[:, j * k : (j + 1) * k] + a[:, j * k : (j + 1) * k]) for j in range(2))
            n = tanh(z[:, 2 * k :] + r * (a[:, 2 * k :] + b))
        else:
            a = matmul(h, wt[:, : 2 * k])
            r, u = (sigmoid(z[:, j * k : (j + 1) * k] + a[:, j * k : (j + 1) * k]) for j in range(2))
            n = tanh(z[:, 2 * k :] + matmul(r * h, wt[:, 2 * k :]) + b)
        return [n + u * (h - n)]

    return _steps(run, x, [h], sizes, reverse)


def _gru(xp: Any, xs: Any, sizes: tuple[int, ...], reverse: bool) -> Any:
    x, h, w, b = xs
    k = w.shape[0] // 3
    h, wt = h.copy(), w.T
    out = xp.empty((x.shape[0], k), x.dtype)
    for n, rows in _rows(sizes, reverse):
        a = h[:n] @ wt
        gates = a[:, : 2 * k]
        gates += x[rows, : 2 * k]
        _sigmoid(xp, gates)
        now = a[:, 2 * k :] + b
        now *= gates[:, :k]
        now += x[rows, 2 * k :]
        xp.tanh(now, out=now)
        now += gates[:, k:] * (h[:n] - now)
        out[rows] = h[:n] = now
    return out, h


def _gru_back(xp: Any, xs: Any, sizes: tuple[int, ...], reverse: bool, out: Any) -> Any:
    g, gh, x, h0, w, b = xs
    k = w.shape[0] // 3
    before = _before(xp, out, h0, sizes, reverse)
    a = before @ w.T
    gates = _sigmoid(xp, a[:, : 2 * k] + x[:, : 2 * k])
    r, u = gates[:, :k], gates[:, k:]
    share = a[:, 2 * k :] + b
    n_ = xp.tanh(x[:, 2 * k :] + r * share)
    by_n = (1 - u) * (1 - n_ * n_)  # of h by the sum in n
    by_u = (before - n_) * u * (1 - u)
    by_r = share * r * (1 - r)  # of the sum in n by that in r
    dz = xp.empty((out.shape[0], 3 * k), out.dtype)  # by the sums, as they meet w
    dh = _start(gh, h0)
    for n, rows in _rows(sizes, not reverse):
        d = dh[:n] if g is None else dh[:n] + g[rows]
        part, dn = dz[rows], d * by_n[rows]
        part[:, :k] = dn * by_r[rows]
        part[:, k : 2 * k] = d * by_u[rows]
        part[:, 2 * k :] = dn * r[rows]
        dh[:n] = d * u[rows]
        dh[:n] += part @ w
        by_n[rows] = dn
    db = dz[:, 2 * k :].sum(0)
    dw = dz.T @ before
    dz[:, 2 * k :] = by_n  # as they meet x
    return dz, dh, dw, db


def _gru_vjp(g: Any, xs: Any, o: Any, needs: Any, *p: Any) -> Any:
    return _wanted(needs, gru_back_p((*g, *xs), *p, raw(o[0])))


gru_back_p: Any = nary(
    "gru_back",
    _gru_back,
    _recorded(gru_steps, 2, 4, 2),
    saves="012345",
    outputs=4,
    doc="The cotangents of the operands of gru_p, from those of its results, the operands, and its output.",
)
gru_p: Any = nary(
    "gru",
    _gru,
    _gru_vjp,
    saves=("0123o", "0123o", "0123o", "0123o"),
    outputs=2,
    doc="""GRU over all steps of (x, h0, w, b): all rows' h, and the last h.

    r, z = sigmoid of x_t + h_{t-1} w^T; n = tanh(x_t + r (h_{t-1} w^T + b)); h_t = (1 - z) n + z h_{t-1}.
    """,
)
