"""Forward mode on the operations' records: the tangents of an operation's outputs from those of its operands.

`jvp_of` does it for one operation on arrays, in the way its record names; `push_forward` for everything that a function
computes, by watching it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import core
from .backend import is_array, xp_of
from .core import Leaf, TensorBase, tls, wrap
from .engine import grad_arrays
from .errors import GraphError
from .hooks import Watcher
from .nodes import PICK, complex_twin
from .registry import BINARY, NARY, UNARY, Op

__all__ = ["jvp_of", "push_forward"]


# ---------------------------------------------------------------- one operation
def jvp_of(op: Op, xs: Sequence[Any], ts: Sequence[Any], o: Any, p: tuple[Any, ...], rule: Any = None) -> Any:
    """The tangent of the output of `op` (a tuple of tangents when it has several), arrays in and arrays out.

    xs: operands (arrays, numbers, or None for an absent one); ts: their tangents, None for zero; o: the output, or for
    an operation with several outputs or extras the tuple of both (outputs whose tangent is not asked for may be None);
    p: its parameters. rule: instead of the record's own `jvp`.
    """
    rule = op.jvp if rule is None else rule
    several = op.outputs != 1
    outs = o if several else (o[0],) if op.extras else (o,)
    if several and op.extras:
        outs = outs[: -op.extras]
    if all(t is None for t in ts) or not op.differentiable:
        found = [_zeros(a) for a in outs]
        return tuple(found) if several else found[0]
    r: Any = None
    if rule == "elementwise" and (op.holomorphic or not _any_complex((*xs, *outs))):
        r = _elementwise(op, xs, ts, o)
    elif rule == "linear":
        r = _call(op, [_zeros(x) if t is None else t for x, t in zip(xs, ts, strict=True)], p)
    elif rule == "multilinear":
        for i, t in enumerate(ts):
            if t is not None:
                term = _call(op, [t if j == i else x for j, x in enumerate(xs)], p)
                r = term if r is None else r + term
    elif callable(rule):
        r = rule(tuple(ts), tuple(xs), o, *p)
    else:
        r = _transpose(op, xs, ts, o, outs, p)
    given: Any = r if several else (r,)
    found = [_zeros(a) if t is None else _like(t, a) for t, a in zip(given, outs, strict=True)]
    return tuple(found) if several else found[0]


def _any_complex(values: Sequence[Any]) -> bool:
    return any(is_array(v) and v.dtype.kind == "c" for v in values)


def _zeros(a: Any) -> Any:
    """A zero tangent of array a (None for an absent operand or output)."""
    if a is None:
        return None
    if core.lifting is not None and not isinstance(a, np.ndarray):
        return core.lifting.zeros_like(a)
    return xp_of(a).zeros(a.shape, dtype=a.dtype)


def _spread(t: Any, shape: tuple[int, ...]) -> Any:
    """Array t broadcast to a shape."""
    if t.shape == shape:
        return t
    from .ops.shape import expand_p

    return expand_p(t, shape)


def _like(t: Any, a: Any) -> Any:
    """Tangent t as an array of the shape and type of output a (None: not known)."""
    t = np.asarray(t) if isinstance(t, np.generic) or not is_array(t) else t
    if a is None or t.shape == a.shape and t.dtype == a.dtype:
        return t
    return _spread(t, a.shape).astype(a.dtype)


def _call(op: Op, xs: list[Any], p: tuple[Any, ...]) -> Any:
    return op.call(xs, *p) if op.arity == NARY else op.call(*xs, *p)


def _elementwise(op: Op, xs: Sequence[Any], ts: Sequence[Any], o: Any) -> Any:
    """The Jacobian is diagonal, so the formula that multiplies cotangents by it multiplies tangents as well."""
    xp = xp_of(o)
    if op.arity == UNARY:
        x = xs[0] if "x" in op.saves else xs[0].shape
        return ts[0] if op.vx is None else op.vx(ts[0], x, o if "o" in op.saves else None)
    x, y = xs
    x = x if is_array(x) else xp.asarray(x, dtype=o.dtype)  # only the right operand comes as a number to formulas
    total = None
    for t, f, reads in zip(ts, (op.vx, op.vy), op.saves, strict=True):
        if t is None:
            continue
        t = _spread(t, o.shape)
        if f is not None:
            t = f(t, x if "x" in reads else None, y if "y" in reads else None, o if "o" in reads else None)
        total = t if total is None else total + t
    return total


def _transpose(op: Op, xs: Sequence[Any], ts: Sequence[Any], o: Any, outs: Sequence[Any], p: tuple[Any, ...]) -> Any:
    """vjp is linear in the cotangent u, and the transpose of that linear map is the jvp: d/du <vjp(u), t>."""
    if op.holomorphic and _any_complex((*xs, *outs)):
        op = complex_twin(op)
    s = tls.state
    was, blame, s.grad, s.blame = s.grad, s.blame, True, None
    try:
        us = []
        for a in outs:
            u = None if a is None else wrap(_at_levels(_zeros(a), (*xs, *ts, *outs)))
            if u is not None and u._dtype.kind in "fc":
                u._node = core.make_leaf(u)
            us.append(u)
        several = op.outputs != 1
        given = _formula(op, us if several else us[0], xs, ts, o, p)
        pairs = [(g, t) for g, t in zip(given, ts, strict=True) if t is not None and g is not None]
        pairs = [(g, t) for g, t in pairs if isinstance(g, TensorBase) and g._node is not None]
        live = [u for u in us if u is not None and u._node is not None]
        got = iter(grad_arrays([g for g, _ in pairs], [_like(t, g._data) for g, t in pairs], live, record=False))
        found = [next(got) if u is not None and u._node is not None else None for u in us]
    finally:
        s.grad, s.blame = was, blame
    return tuple(found) if several else found[0]


def _at_levels(a: Any, values: Sequence[Any]) -> Any:
    """Array a at the levels of all the lifted ones among values, so that its cotangent keeps them."""
    if core.lifting is None or core.lifting.lifted_in(values) is None:
        return a
    from .lifting import level_up

    return level_up(a, values)


def _formula(op: Op, u: Any, xs: Sequence[Any], ts: Sequence[Any], o: Any, p: tuple[Any, ...]) -> Any:
    """The cotangents of the operands for the cotangent(s) u, what is saved being constant tensors."""
    saves = op.saves

    def kept(x: Any, name: str, reads: Any) -> Any:
        return wrap(x) if is_array(x) and (name in reads or reads == "*") else x

    if op.arity == NARY:
        reads = (
            saves if isinstance(saves, str) else "".join(s for s, t in zip(saves, ts, strict=False) if t is not None)
        )
        known: list[Any] = [x if x is None else kept(x, str(i), reads) for i, x in enumerate(xs)]
        known = [tuple(x.shape) if is_array(x) else x for x in known]
        if op.outputs == 1 and not op.extras:
            out: Any = wrap(o) if "o" in reads else None
        else:
            k = len(o) - op.extras
            head = [wrap(a) if a is not None and "o" in reads else None for a in o[:k]]
            out = (*head, *o[k:])  # extras stay arrays, as in a recorded backward
        return op.vjp(u, known, out, _flags(ts), *p)
    out = wrap(o) if "o" in (saves if op.arity != BINARY else saves[0] + saves[1]) else None
    if op.arity == BINARY:
        given = []
        for t, f, reads in zip(ts, (op.vx, op.vy), saves, strict=True):
            v = (
                u
                if f is None
                else f(u, *(kept(x, n, reads) if n in reads else None for x, n in zip(xs, "xy", strict=True)), out)
            )
            given.append(None if t is None else v)
        from .ops.shape import sum_to

        return [v if v is None else sum_to(v, x.shape) for v, x in zip(given, xs, strict=True)]
    x = wrap(xs[0]) if "x" in saves else xs[0].shape
    return [u if op.vx is None else op.vx(u, x, out, *p)]


def _flags(ts: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(None if t is None else True for t in ts)


# ---------------------------------------------------------------- a function
class _Tangents(Watcher):
    """Carries tangents along while a function runs: by node, so that views and in-place writes are followed."""

    def __init__(self, inner: Any, given: dict[Any, Any]) -> None:
        super().__init__(inner)
        self.of = given  # node -> tangent array
        self.since = core.tick()
        self._outputs: dict[Any, dict[int, Any]] = {}

    @property
    def record(self) -> bool:
        return True

    def tangent(self, x: Any) -> Any:
        """The tangent of an operand or result, None for zero."""
        n = x._node if isinstance(x, TensorBase) else None
        if n is None or type(n) is Leaf:
            return self.of.get(n)
        t = self.of.get(n)
        if t is None and n.seq > self.since and n not in self.of:
            name = n.many[0].op.name if n.op is PICK and n.many else n.op.name
            raise GraphError(
                f"forward mode: {name} at {n.where} has no forward formula; use reverse mode (grad, backward) for it"
            )
        return t

    def saw(self, op: Any, xs: Any, p: Any, node: Any, r: Any, index: int = 0) -> None:
        super().saw(op, xs, p, node, r, index)
        if node is None:
            return
        arrays = [x._data if isinstance(x, TensorBase) else x for x in xs]
        if op.outputs == 1 and not op.extras:
            self.of[node] = jvp_of(op, arrays, [self.tangent(x) for x in xs], r._data, p)
            return
        base = node.many[0] if node.op is PICK else node
        known = self._outputs.setdefault(base, {})  # the outputs come one by one
        known[index] = r._data
        o = tuple(known.get(i, a) for i, a in enumerate(base.saved[2]))
        found = jvp_of(op, arrays, [self.tangent(x) for x in xs], o, p)
        self.of[node] = found if op.outputs == 1 else found[index]


def push_forward(
    func: Callable[..., Any], inputs: Sequence[Any], tangents: Sequence[Any]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The outputs of func(*inputs) and their tangents (arrays; None for zero).

    inputs: tensors that require grad where their tangent (an array of the same shape and type) is not None.
    """
    given = {x._node: t for x, t in zip(inputs, tangents, strict=True) if t is not None}
    s = tls.state
    was = s.grad
    watcher = s.grad = _Tangents(was, given)
    try:
        outs = func(*inputs)
    finally:
        s.grad = was
    outs = tuple(outs) if isinstance(outs, (tuple, list)) else (outs,)
    return outs, tuple(watcher.tangent(o) for o in outs)
