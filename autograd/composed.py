"""Formulas derived from a composition: the vjp of a fused operation whose value is stated by differentiable primitives."""

from __future__ import annotations

from typing import Any

from . import core
from .core import TensorBase, tls, wrap


class Composed:
    """The vjp of an operation, given as the same value composed of differentiable primitives: fn(*xs, *p)."""

    __slots__ = ("fn",)

    def __init__(self, fn: Any) -> None:
        self.fn = fn

    def _vjp(self, g: Any, xs: Any, wanted: Any, p: Any, several: bool) -> list[Any]:
        from .engine import grad_arrays
        from .ops.cast import identity_p

        s = tls.state
        was, blame = s.grad, s.blame
        raw = not any(isinstance(v, TensorBase) for v in (*(g if several else (g,)), *xs))
        if raw or not core.recording():
            s.grad = True
        try:
            ys = []
            for x, w in zip(xs, wanted, strict=True):
                if x is None or isinstance(x, tuple):
                    ys.append(None)
                    continue
                y = identity_p(x) if isinstance(x, TensorBase) else wrap(x)
                if w and y._node is None:
                    if core.lifting is not None:
                        y = wrap(_at_levels(y._data, g, xs))
                    y._node = core.make_leaf(y)
                ys.append(y)
            o = self.fn(*ys, *p)
            outs, gs = (list(o), list(g)) if several else ([o], [g])
            pairs = [(a, v) for a, v in zip(outs, gs, strict=False) if v is not None and a._node is not None]
            inputs = [y for y, w in zip(ys, wanted, strict=True) if w and y is not None]
            got = iter(grad_arrays([a for a, _ in pairs], [v for _, v in pairs], inputs, record=not raw))
            return [next(got) if w and y is not None else None for y, w in zip(ys, wanted, strict=True)]
        finally:
            s.grad, s.blame = was, blame

    def param_vjp(self) -> Any:
        """As the formula of a `param` operation."""
        return lambda g, x, o, *p: self._vjp(g, (x,), (True,), p, False)[0]

    def nary_vjp(self) -> Any:
        """As the joint formula of an `nary` operation."""
        return lambda g, xs, o, needs, *p: self._vjp(g, xs, [n is not None for n in needs], p, isinstance(g, list))


def _at_levels(a: Any, g: Any, xs: Any) -> Any:
    """Array a at the levels of all the lifted ones: its cotangent keeps them, as that of any other operand."""
    from .lifting import level_up

    return level_up(a, (*(g if isinstance(g, list) else (g,)), *xs))


def composed(fn: Any) -> Any:
    """A vjp derived from `fn(*xs, *p)`, which states the operation's value by differentiable primitives.

    Used for a fused operation (or backward) whose formula exists elsewhere: fn is re-run, recorded and differentiated.
    """
    return Composed(fn)
