"""Sampling at computed places: one multilinear form in the samples' cotangent, the input and the weights of each axis.

    form = sum over n, c, samples p and taps i, j, ... of  g[n, c, p] x[n, c, place(p, i, j, ...)] w1[i, n, p] w2[j, n, p] ...

Each of its derivatives is the same form with another factor left out, so one primitive with the slot of its result as a
parameter is closed under differentiation. Taps are served one combination at a time; the places of a combination
are computed from those of the axes, so nothing of size samples * channels * taps ever exists.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

from ..backend import by_xp
from ..op import nary
from .args import quiet

__all__ = ["Places", "sample_p"]

Shape = tuple[int, ...]


class Places:
    """Where the taps of samples are: index[a] (taps, N, P) along axis a, -1 for places outside, which count as 0."""

    __slots__ = ("channels", "index", "shape", "size")

    def __init__(self, index: list[Any], shape: Shape, channels: int) -> None:
        self.index, self.shape, self.channels = index, shape, channels
        self.size = prod(shape)

    def rows(self, xp: Any, tap: tuple[int, ...]) -> Any:
        """The rows (N * P,) of a combination of taps in a table (N * size + 1, C), whose last row is outside."""
        at = self.index[0][tap[0]]
        outside = at < 0
        for i, v, n in zip(tap[1:], self.index[1:], self.shape[1:], strict=True):
            at = at * n + v[i]
            outside = outside | (v[i] < 0)
        count = at.shape[0]
        at = at + xp.arange(count)[:, None] * self.size
        return xp.where(outside, count * self.size, at).reshape(-1)

    def taps(self) -> Any:
        """All combinations of the axes' taps."""
        return product(*(range(len(v)) for v in self.index))


def _table(xp: Any, x: Any) -> Any:
    """x (N, C, S) as rows of channels (N * S + 1, C), the last of which is 0."""
    n, c, s = x.shape
    rows = xp.empty((n * s + 1, c), x.dtype)
    rows[: n * s].reshape(n, s, c)[...] = x.swapaxes(1, 2)
    rows[n * s] = 0
    return rows


def _weight(ws: Any, tap: tuple[int, ...], without: int = -1) -> Any:
    """The product of the axes' weights (N * P, 1), or None for 1."""
    found = None
    for a, i in enumerate(tap):
        if a != without:
            found = ws[a][i] if found is None else found * ws[a][i]
    return None if found is None else found.reshape(-1, 1)


@quiet
def _sample(xp: Any, xs: Any, slot: int, places: Places) -> Any:
    factors = list(xs)
    factors.insert(slot, None)
    g, x, *ws = factors
    n, p = places.index[0].shape[1:]
    if slot == 1:
        rows = xp.ascontiguousarray(g.swapaxes(1, 2)).reshape(n * p, places.channels)
        out = xp.zeros((n * places.size + 1, places.channels), g.dtype)
        for tap in places.taps() if rows.size else ():
            by_xp(xp).scatter_add(out, places.rows(xp, tap), rows * _weight(ws, tap))
        return xp.ascontiguousarray(out[:-1].reshape(n, places.size, places.channels).swapaxes(1, 2))
    table = _table(xp, x)
    if slot == 0:
        out = xp.zeros((n * p, places.channels), x.dtype)
        for tap in places.taps():
            part = xp.take(table, places.rows(xp, tap), axis=0)
            part *= _weight(ws, tap)
            out += part
        return xp.ascontiguousarray(out.reshape(n, p, places.channels).swapaxes(1, 2))
    axis = slot - 2
    rows = xp.ascontiguousarray(g.swapaxes(1, 2)).reshape(n * p, places.channels)
    out = xp.zeros((len(places.index[axis]), n, p), g.dtype)
    for tap in places.taps():
        part = xp.take(table, places.rows(xp, tap), axis=0)
        part *= rows
        total = part.sum(1)
        total *= _weight(ws, tap, axis).reshape(-1)
        out[tap[axis]] += total.reshape(n, p)
    return out


def _form(axes: int) -> Any:
    def vjp(g: Any, xs: Any, o: Any, needs: Any, slot: int, places: Places) -> Any:
        names = [k for k in range(axes + 2) if k != slot]  # the factors that xs are
        found: list[Any] = []
        for name, wanted in zip(names, needs, strict=True):
            if not wanted:
                found.append(None)
                continue
            factors = {slot: g, **dict(zip(names, xs, strict=True))}
            found.append(call([factors[k] for k in range(axes + 2) if k != name], name, places))
        return found

    every = range(axes + 1)
    call: Any = nary(
        f"sample{axes}d",
        _sample,
        vjp,
        saves=tuple("".join(str(j) for j in every if j != i) for i in every),
        dtypes="same",
        jvp="multilinear",
        doc="The form above without its factor number `slot` of (g, x, w1, ...): a function of the others.",
    )
    return call


sample_p = {2: _form(2), 3: _form(3)}
