"""All parameters of an optimizer as one vector, for methods that need inner products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd import Tensor, no_grad
from ..autograd.backend import xp_of
from ..autograd.core import wrap
from ..autograd.views import mark_written
from .options import run_closure

__all__ = ["Flat", "largest"]


class Flat:
    """Parameters seen as one real vector; a complex one counts as pairs of real numbers.

    >>> import retrograd as rg
    >>> from retrograd.optim.flat import Flat
    >>> w, b = rg.nn.Parameter(rg.ones(2)), rg.nn.Parameter(rg.zeros(()))
    >>> flat = Flat([w, b])
    >>> flat.add(2.0, rg.tensor([1.0, 2.0, 3.0]))
    >>> w.tolist(), b.item()
    ([3.0, 5.0], 6.0)
    """

    def __init__(self, params: Sequence[Tensor]) -> None:
        self.params = list(params)

    def grad(self) -> Tensor:
        """The gradients as a new vector; zeros where a parameter has none."""
        return self.pack([p.grad for p in self.params])

    def pack(self, values: Sequence[Tensor | None]) -> Tensor:
        """One value for each parameter, of its shape, as a new vector; None stands for zeros."""
        parts = []
        for p, value in zip(self.params, values, strict=True):
            xp = xp_of(p._data)
            if value is None:
                part = xp.zeros(p._data.size, p._data.dtype)
            else:
                part = (value.to_dense() if value.is_sparse else value)._data.reshape(-1)
            if part.dtype.kind == "c":
                part = xp.ascontiguousarray(part).view(part.real.dtype)
            parts.append(part)
        return wrap(xp_of(parts[0]).concatenate(parts))

    def unpack(self, vector: Tensor) -> list[Tensor]:
        """The part of a vector that belongs to each parameter, in its shape."""
        found, at = [], 0
        for p in self.params:
            a = p._data
            size = 2 * a.size if a.dtype.kind == "c" else a.size
            part = vector._data[at : at + size]
            found.append(wrap((part.view(a.dtype) if a.dtype.kind == "c" else part).reshape(a.shape)))
            at += size
        return found

    def add(self, step: float, direction: Tensor) -> None:
        """params = params + step * direction."""
        for p, part in zip(self.params, self.unpack(direction), strict=True):
            a = p._data
            xp_of(a).add(a, part._data * step, out=a, casting="same_kind")
        mark_written(*self.params)

    def copy(self) -> list[Any]:
        """The parameters' arrays now, for `set`."""
        return [p._data.copy() for p in self.params]

    def set(self, arrays: Sequence[Any]) -> None:
        """Write back what `copy` returned."""
        for p, a in zip(self.params, arrays, strict=True):
            p._data[...] = a
        mark_written(*self.params)

    def evaluate(self, closure: Callable[[], Any]) -> tuple[float, Tensor]:
        """(loss, gradient) where the parameters are."""
        loss = float(run_closure(closure))
        return loss, self.grad()

    def evaluate_at(self, closure: Callable[[], Any], start: list[Any], t: float, d: Tensor) -> tuple[float, Tensor]:
        """(loss, gradient) at start + t * d, where start is where the parameters are and stay."""
        with no_grad():
            self.add(t, d)
            found = self.evaluate(closure)
            self.set(start)
        return found


def largest(v: Tensor) -> float:
    """The largest absolute value in a vector, 0 if it is empty."""
    return float(v.abs().max()) if v.numel() else 0.0
