"""Whole sequences of recurrent layers as one operation each: RNN, LSTM and GRU, in one direction.

Rows are packed as PyTorch's PackedSequence packs them: all sequences' first steps, then all second steps, and so on, with
`sizes[t]` sequences still running at step t (for padded input: the batch size, T times). The input's share of all steps
is one matrix product before the steps; the gates take its place in memory and are kept for the backward pass, which runs
the steps in reverse and then makes each weight's gradient one matrix product over all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..backend import accelerated, kernel, xp_of
from ..core import make_leaf, wrap
from ..op import composed, nary
from .activation import relu, sigmoid
from .arith import raw
from .join import cat_p
from .linear import linear_p
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


def _recorded(steps: Callable[..., Any], outs: int, count: int, options: int = 0) -> Any:
    """The vjp of a backward pass: that of the derivative of the recorded steps, which has the same value."""

    def derivative(*args: Any) -> Any:
        from ..engine import grad_arrays

        gs, xs, p = args[:outs], args[outs : outs + count], args[outs + count :]
        sizes, reverse, want = p[:3]
        ys = []
        for x in xs:
            y = x
            if x is not None and x._node is None:
                y = wrap(x._data)
                y._node = make_leaf(y)
            ys.append(y)
        pairs = [
            (o, g) for o, g in zip(steps(*ys, sizes, reverse, *p[3 : 3 + options]), gs, strict=True) if g is not None
        ]
        wanted = [y for y, w in zip(ys, want, strict=True) if w]
        found = iter(grad_arrays([o for o, _ in pairs], [g for _, g in pairs], wanted, record=True))
        return tuple(_found(next(found), y) if w else _nothing(xs[0]) for y, w in zip(ys, want, strict=True))

    return composed(derivative)


def _found(g: Any, x: Any) -> Any:
    return x * 0 if g is None else g


def _nothing(like: Any) -> Any:
    """What stands for a cotangent that nobody wants."""
    a = like._data
    return wrap(xp_of(a).zeros(0, a.dtype))


def _asked(needs: Any) -> tuple[bool, ...]:
    return tuple(n is not None and bool(n) for n in needs)


def _wanted(want: tuple[bool, ...], found: Any) -> list[Any]:
    return [v if w else None for v, w in zip(found, want, strict=True)]


def _product(xp: Any, x: Any, y: Any) -> Any:
    """x @ y of matrices."""
    fast = kernel(xp, "matmul")
    r = NotImplemented if fast is None else fast(x, y)
    return xp.matmul(x, y) if r is NotImplemented else r


def _sums(xp: Any, x: Any, w: Any, b: Any) -> Any:
    """The input's share of the gates' sums, as memory of our own."""
    z = _product(xp, x, w.T)
    if b is not None:
        z += b
    return z


def _shares(xp: Any, x: Any, w: Any, dz: Any, want: Any) -> tuple[Any, Any]:
    """The cotangents of the input and of its weight from those of the sums."""
    none = xp.zeros(0, dz.dtype)
    return _product(xp, dz, w) if want[0] else none, _product(xp, dz.T, x) if want[1] else none


def _weight(xp: Any, dz: Any, o: Any, first: Any, sizes: tuple[int, ...], reverse: bool) -> Any:
    """dz^T @ (the state that each row began with): the cotangent of the recurrent weight."""
    n = sizes[0] if sizes else 0
    if not n or sizes[-1] != n or len(sizes) == 1:
        return _product(xp, dz.T, _before(xp, o, first, sizes, reverse))
    if reverse:  # the state of each row is that of the next step's, and the last step began with the first state
        return _product(xp, dz[:-n].T, o[n:]) + _product(xp, dz[-n:].T, first)
    return _product(xp, dz[n:].T, o[:-n]) + _product(xp, dz[:n].T, first)


# ---------------------------------------------------------------- RNN
def rnn_steps(x: Any, h: Any, w_ih: Any, w: Any, b: Any, sizes: tuple[int, ...], reverse: bool, name: str) -> Any:
    """The recorded form of `rnn_p`."""
    f, wt = (tanh if name == "tanh" else relu), _transposed(w)
    return _steps(lambda z, s: [f(z + matmul(s[0], wt))], linear_p((x, w_ih, b)), [h], sizes, reverse)


@accelerated("rnn")
def _rnn(xp: Any, xs: Any, sizes: tuple[int, ...], reverse: bool, name: str) -> Any:
    x, h, w_ih, w, b = xs
    h, wt = h.copy(), w.T
    out = _sums(xp, x, w_ih, b)
    for n, rows in _rows(sizes, reverse):
        z = h[:n] @ wt
        z += out[rows]
        out[rows] = h[:n] = xp.tanh(z) if name == "tanh" else xp.maximum(z, 0)
    return out, h


@accelerated("rnn_back")
def _rnn_scan_back(
    xp: Any, g: Any, gh: Any, h0: Any, w: Any, sizes: tuple[int, ...], reverse: bool, name: str, out: Any
) -> Any:
    """The cotangents of the sums of all rows, of h0, and of the bias."""
    slope = 1 - out * out if name == "tanh" else (out > 0).astype(out.dtype)
    dh = _start(gh, h0)
    for n, rows in _rows(sizes, not reverse):
        d = slope[rows]
        d *= dh[:n] if g is None else dh[:n] + g[rows]
        dh[:n] = d @ w
    return slope, dh, slope.sum(0)


def _rnn_back(xp: Any, xs: Any, sizes: tuple[int, ...], reverse: bool, want: Any, name: str, out: Any) -> Any:
    g, gh, x, h0, w_ih, w, b = xs
    dz, dh, db = _rnn_scan_back(xp, g, gh, h0, w, sizes, reverse, name, out)
    dx, dw_ih = _shares(xp, x, w_ih, dz, (want[0], want[2]))
    none = xp.zeros(0, dz.dtype)
    return dx, dh, dw_ih, _weight(xp, dz, out, h0, sizes, reverse) if want[3] else none, none if b is None else db


def _rnn_vjp(g: Any, xs: Any, o: Any, needs: Any, sizes: Any, reverse: bool, name: str) -> Any:
    want = _asked(needs)
    return _wanted(want, rnn_back_p((*g, *xs), sizes, reverse, want, name, raw(o[0])))


rnn_back_p: Any = nary(
    "rnn_back",
    _rnn_back,
    _recorded(rnn_steps, 2, 5, 1),
    outputs=5,
    doc="The cotangents of the operands of rnn_p, from those of its results, the operands, and its output.",
)
rnn_p: Any = nary(
    "rnn",
    _rnn,
    _rnn_vjp,
    saves="01234o",
    outputs=2,
    doc="h_t = tanh or relu(x_t w_ih^T + b + h_{t-1} w^T) over all steps of (x, h0, w_ih, w, b): all rows' h, the last h.",
)


# ---------------------------------------------------------------- LSTM
def lstm_steps(
    x: Any, h: Any, c: Any, w_ih: Any, w: Any, b: Any, sizes: tuple[int, ...], reverse: bool, wr: Any = None,
    peep: Any = None,
) -> Any:  # fmt: skip
    """The recorded form of `lstm_p`; with wr (P, H) the state is projected, with peep (3, H) the gates i, f, o see c."""
    k, wt = w._shape[0] // 4, _transposed(w)

    def run(z: Any, s: Any) -> Any:
        a, c = z + matmul(s[0], wt), s[1]
        ai, af, ag, ao = (a[:, j * k : (j + 1) * k] for j in range(4))
        if peep is not None:
            ai, af = ai + peep[0] * c, af + peep[1] * c
        c = sigmoid(af) * c + sigmoid(ai) * tanh(ag)
        h = sigmoid(ao if peep is None else ao + peep[2] * c) * tanh(c)
        return [h if wr is None else matmul(h, _transposed(wr)), c]

    return _steps(run, linear_p((x, w_ih, b)), [h, c], sizes, reverse)


def _gates(xp: Any, z: Any, k: int) -> Any:
    """The LSTM's gates i, f, g, o (rows, 4 k) from their sums, in place."""
    _sigmoid(xp, z[:, : 2 * k])
    g = z[:, 2 * k : 3 * k]
    xp.tanh(g, out=g)
    _sigmoid(xp, z[:, 3 * k :])
    return z


@accelerated("lstm")
def _lstm(xp: Any, xs: Any, sizes: tuple[int, ...], reverse: bool) -> Any:
    x, h, c, w_ih, w, b = xs
    k = w.shape[0] // 4
    h, c, wt = h.copy(), c.copy(), w.T
    gates = _sums(xp, x, w_ih, b)
    out = xp.empty((x.shape[0], k), x.dtype)
    cs = xp.empty_like(out)
    for n, rows in _rows(sizes, reverse):
        z = gates[rows]
        z += h[:n] @ wt
        _gates(xp, z, k)
        now = z[:, k : 2 * k] * c[:n]
        now += z[:, :k] * z[:, 2 * k : 3 * k]
        cs[rows] = c[:n] = now
        xp.tanh(now, out=now)
        now *= z[:, 3 * k :]
        out[rows] = h[:n] = now
    return out, h, c, cs, gates


@accelerated("lstm_back")
def _lstm_scan_back(
    xp: Any, g: Any, gh: Any, gc: Any, c0: Any, w: Any, sizes: tuple[int, ...], reverse: bool, cs: Any, gates: Any
) -> Any:
    """The cotangents of the sums of all rows, of h0 and c0, and of the bias."""
    k = w.shape[0] // 4
    i, f, a, o = (gates[:, j * k : (j + 1) * k] for j in range(4))
    th = xp.tanh(cs)
    slope = o * (1 - th * th)  # of h by c
    th *= o * (1 - o)  # of h by the sum in o
    cbefore = _before(xp, cs, c0, sizes, reverse)
    by_c = xp.concatenate((a * i * (1 - i), cbefore * f * (1 - f), i * (1 - a * a)), 1)  # of c by the sums in i, f, g
    dz = xp.empty_like(gates)
    dh, dc = _start(gh, c0), _start(gc, c0)
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
    return dz, dh, dc, dz.sum(0)


def _lstm_back(
    xp: Any, xs: Any, sizes: tuple[int, ...], reverse: bool, want: Any, out: Any, cs: Any, gates: Any
) -> Any:
    g, gh, gc, x, h0, c0, w_ih, w, b = xs
    dz, dh, dc, db = _lstm_scan_back(xp, g, gh, gc, c0, w, sizes, reverse, cs, gates)
    dx, dw_ih = _shares(xp, x, w_ih, dz, (want[0], want[3]))
    none = xp.zeros(0, dz.dtype)
    dw = _weight(xp, dz, out, h0, sizes, reverse) if want[4] else none
    return dx, dh, dc, dw_ih, dw, none if b is None else db


def _lstm_vjp(g: Any, xs: Any, o: Any, needs: Any, sizes: Any, reverse: bool) -> Any:
    want = _asked(needs)
    return _wanted(want, lstm_back_p((*g, *xs), sizes, reverse, want, raw(o[0]), raw(o[3]), raw(o[4])))


lstm_back_p: Any = nary(
    "lstm_back",
    _lstm_back,
    _recorded(lstm_steps, 3, 6),
    outputs=6,
    doc="The cotangents of the operands of lstm_p, from those of its results, the operands, its output, cells and gates.",
)
lstm_p: Any = nary(
    "lstm",
    _lstm,
    _lstm_vjp,
    saves="012345o",
    outputs=3,
    extras=2,
    doc="""LSTM over all steps of (x, h0, c0, w_ih, w, b): all rows' h, and the last h and c.

    i, f, o = sigmoid and g = tanh of x_t w_ih^T + b + h_{t-1} w^T; c_t = f c_{t-1} + i g; h_t = o tanh(c_t).
    """,
)


# ---------------------------------------------------------------- GRU
def gru_steps(
    x: Any, h: Any, w_ih: Any, w: Any, b: Any, b_n: Any, sizes: tuple[int, ...], reverse: bool, reset_after: bool = True
) -> Any:
    """The recorded form of `gru_p`; without reset_after the reset gate acts on h before the product (Cho et al., 2014)."""
    k, wt = w._shape[0] // 3, _transposed(w)

    def run(z: Any, s: Any) -> Any:
        h = s[0]
        if reset_after:
            a = matmul(h, wt)
            r, u = (sigmoid(z[:, j * k : (j + 1) * k] + a[:, j * k : (j + 1) * k]) for j in range(2))
            share = a[:, 2 * k :]
            n = tanh(z[:, 2 * k :] + r * (share if b_n is None else share + b_n))
        else:
            a = matmul(h, wt[:, : 2 * k])
            r, u = (sigmoid(z[:, j * k : (j + 1) * k] + a[:, j * k : (j + 1) * k]) for j in range(2))
            share = z[:, 2 * k :] + matmul(r * h, wt[:, 2 * k :])
            n = tanh(share if b_n is None else share + b_n)
        return [n + u * (h - n)]

    return _steps(run, linear_p((x, w_ih, b)), [h], sizes, reverse)


@accelerated("gru")
def _gru(xp: Any, xs: Any, sizes: tuple[int, ...], reverse: bool) -> Any:
    x, h, w_ih, w, b, b_n = xs
    k = w.shape[0] // 3
    h, wt = h.copy(), w.T
    gates = _sums(xp, x, w_ih, b)
    out = xp.empty((x.shape[0], k), x.dtype)
    shares = xp.empty_like(out)
    for n, rows in _rows(sizes, reverse):
        a = h[:n] @ wt
        z = gates[rows]
        ru = z[:, : 2 * k]
        ru += a[:, : 2 * k]
        _sigmoid(xp, ru)
        now, share = z[:, 2 * k :], a[:, 2 * k :]
        if b_n is not None:
            share += b_n
        shares[rows] = share
        share *= z[:, :k]
        now += share
        xp.tanh(now, out=now)
        out[rows] = h[:n] = now + z[:, k : 2 * k] * (h[:n] - now)
    return out, h, gates, shares


@accelerated("gru_back")
def _gru_scan_back(
    xp: Any, g: Any, gh: Any, h0: Any, w: Any, sizes: tuple[int, ...], reverse: bool, out: Any, gates: Any, shares: Any
) -> Any:
    """The cotangents of the sums of all rows as they meet w, of the last of them as they meet w_ih, of h0 and b, b_n."""
    k = w.shape[0] // 3
    r, u, n_ = (gates[:, j * k : (j + 1) * k] for j in range(3))
    by_n = (1 - u) * (1 - n_ * n_)  # of h by the sum in n
    by_u = (_before(xp, out, h0, sizes, reverse) - n_) * u * (1 - u)
    by_r = shares * r * (1 - r)  # of the sum in n by that in r
    dz = xp.empty_like(gates)
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
    db_n = dz.sum(0)
    db = xp.concatenate((db_n[: 2 * k], by_n.sum(0)))
    return dz, by_n, dh, db, db_n[2 * k :]


def _gru_back(
    xp: Any, xs: Any, sizes: tuple[int, ...], reverse: bool, want: Any, out: Any, gates: Any, shares: Any
) -> Any:
    g, gh, x, h0, w_ih, w, b, b_n = xs
    k = w.shape[0] // 3
    dz, dn, dh, db, db_n = _gru_scan_back(xp, g, gh, h0, w, sizes, reverse, out, gates, shares)
    none = xp.zeros(0, dz.dtype)
    dw = _weight(xp, dz, out, h0, sizes, reverse) if want[3] else none
    dz[:, 2 * k :] = dn
    dx, dw_ih = _shares(xp, x, w_ih, dz, (want[0], want[2]))
    return dx, dh, dw_ih, dw, none if b is None else db, none if b_n is None else db_n


def _gru_vjp(g: Any, xs: Any, o: Any, needs: Any, sizes: Any, reverse: bool) -> Any:
    want = _asked(needs)
    return _wanted(want, gru_back_p((*g, *xs), sizes, reverse, want, raw(o[0]), raw(o[2]), raw(o[3])))


gru_back_p: Any = nary(
    "gru_back",
    _gru_back,
    _recorded(gru_steps, 2, 6),
    outputs=6,
    doc="The cotangents of the operands of gru_p, from those of its results, the operands, its output and gates.",
)
gru_p: Any = nary(
    "gru",
    _gru,
    _gru_vjp,
    saves="012345o",
    outputs=2,
    extras=2,
    doc="""GRU over all steps of (x, h0, w_ih, w, b, b_n): all rows' h, and the last h.

    r, z = sigmoid of x_t w_ih^T + b + h_{t-1} w^T; n = tanh(x_t w_ih^T + b + r (h_{t-1} w^T + b_n)), each with its own
    rows of the weights; h_t = (1 - z) n + z h_{t-1}.
    """,
)
