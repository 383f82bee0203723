"""Recording off the inline paths: nodes, what they keep, complex twins, views, the results of n-ary operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import core
from .backend import is_array
from .core import Node, TensorBase, tick, tls, where, wrap
from .registry import BINARY, NARY, UNARY, Op


def complex_twin(op: Op) -> Op:
    """The record of a holomorphic operation for complex values: v = conj(f(conj(g), ...)).

    PyTorch's gradient of a holomorphic f is g * conj(f'), so the formula for real numbers serves.
    """
    if op.twin is None:
        from .ops.complex import conj_physical as conj

        def one(f: Any) -> Any:
            return None if f is None else lambda g, *rest: conj(f(conj(g), *rest))

        def joint(g: Any, *rest: Any) -> Any:
            g = [None if v is None else conj(v) for v in g] if isinstance(g, list) else conj(g)
            return [None if v is None else conj(v) for v in op.vjp(g, *rest)]

        twin = Op(
            op.name, op.arity, op.forward, vx=one(op.vx), vy=one(op.vy), vjp=op.vjp and joint, saves=op.saves,
            dtypes=op.dtypes, jvp=op.jvp, view=op.view, outputs=op.outputs, extras=op.extras, holomorphic=True,
        )  # fmt: skip
        twin.call = op.call
        op.twin = twin
    return op.twin


def make_node(op: Op, saved: Any, px: Any = None, py: Any = None, many: Any = None, fix: Any = None) -> Node:
    """A node whose line is found by walking out of the library."""
    n = Node()
    n.op = op
    n.seq = tick()
    n.px, n.py, n.many, n.fix = px, py, many, fix
    n.g = n.mark = None
    n.saved = saved
    where(n)
    return n


def finish(op: Op, xs: list[Any], p: Any, d: Any, dtype: Any = None) -> Any:
    """The result tensor over array d, recorded when recording is on and an operand asks for it."""
    if not is_array(d):
        d = np.asarray(d)
    elif isinstance(d, np.generic):
        d = np.asarray(d)
    r = wrap(d)
    m = tls.state.grad
    if op.view:
        x = xs[0]
        if shares(d, x._data):
            link(op, x, r, p, m)
    _record(op, xs, p, r, m)
    if m is not True and m is not False:
        m.saw(op, tuple(xs), p, r._node, r)
    return r


def _record(op: Op, xs: list[Any], p: Any, r: Any, m: Any) -> None:
    nodes = [x._node if isinstance(x, TensorBase) else None for x in xs]
    differentiable = op.differentiable and r._dtype.kind in "fc"
    if m is False or not differentiable or all(n is None for n in nodes) or (m is not True and not m.record):
        return
    if op.holomorphic and (r._dtype.kind == "c" or any(isinstance(x, TensorBase) and x._dtype.kind == "c" for x in xs)):
        op = complex_twin(op)
    saves = op.saves
    if op.arity == BINARY:
        (x, y), (px, py) = xs, nodes
        xd, yd = (v._data if isinstance(v, TensorBase) else v for v in xs)
        for_x, for_y = (saves[0] if px is not None else ""), (saves[1] if py is not None else "")
        saved = (
            xd if "x" in for_x + for_y else None,
            yd if "y" in for_x + for_y else None,
            r._data if "o" in for_x + for_y else None,
        )
        sx, sy = getattr(x, "_shape", ()), getattr(y, "_shape", ())
        fix = None if sx == r._shape and (sy == r._shape or py is None) else (sx, sy)
        r._node = make_node(op, saved, px, py, fix=fix)
    else:
        x = xs[0]
        saved = (
            x._data if "x" in saves else x._shape,
            None if op.arity == UNARY else p,
            r._data if "o" in saves else None,
        )
        r._node = make_node(op, saved, nodes[0])


def record_param(op: Op, x: Any, p: Any, r: Any) -> Any:
    """Record a `param` result whose dtype the inline path does not serve."""
    m = tls.state.grad
    _record(op, [x], p, r, m)
    if m is not True and m is not False:
        m.saw(op, (x,), p, r._node, r)
    return r


def shares(d: Any, a: Any) -> bool:
    """Whether array d is a view of (or beside) array a."""
    base = getattr(d, "base", None)
    return base is not None and (base is a or base is getattr(a, "base", None))


def link(op: Op, x: Any, r: Any, p: Any, m: Any) -> None:
    """Note that r is a view of x: it knows the root and the way there, and the root knows it weakly."""
    root = getattr(x, "_base", None)
    if root is None:
        root, way = x, ()
    else:
        way = x._path
    r._base = root
    if m is False or way is None:  # made under no_grad: its way cannot be replayed with a history
        r._path = None
        return
    r._path = (*way, (op, p))
    views = getattr(root, "_views", None)
    if views is None:
        root._views = [core.weakref.ref(r)]
    else:
        if len(views) > 16 and len(views) & (len(views) - 1) == 0:  # at powers of two: forget the dead
            views[:] = [v for v in views if v() is not None]
        views.append(core.weakref.ref(r))


def readers(saves: Any) -> tuple[dict[int, tuple[int, ...]], tuple[int, ...] | None]:
    """Which operands' cotangents read operand i, by i, and which read the output (None: none does).

    An empty tuple means: whichever cotangent is asked for.
    """
    if saves == "*":
        return _All(), None
    if isinstance(saves, str):
        return {int(c): () for c in saves if c.isdigit()}, () if "o" in saves else None
    found: dict[int, tuple[int, ...]] = {}
    for j, names in enumerate(saves):
        for c in names:
            if c.isdigit():
                found[int(c)] = (*found.get(int(c), ()), j)
    o = tuple(j for j, names in enumerate(saves) if "o" in names)
    return found, o or None


class _All(dict[int, tuple[int, ...]]):
    """Every operand is read, whichever cotangent is asked for."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: int) -> tuple[int, ...]:
        return ()


def nary_node(op: Op, xs: list[Any], arrays: list[Any], p: Any, outs: list[Any], extras: Any) -> Node | None:
    many = tuple(None if x is None else x._node for x in xs)
    m = tls.state.grad
    if m is False or not op.differentiable or not any(many) or (m is not True and not m.record):
        return None
    if op.holomorphic and any(a is not None and a.dtype.kind == "c" for a in arrays):
        op = complex_twin(op)
    read, read_o = readers(op.saves)

    def wanted(by: tuple[int, ...]) -> bool:
        return by == () or any(many[j] for j in by)

    kept = [a if a is None or (i in read and wanted(read[i])) else tuple(a.shape) for i, a in enumerate(arrays)]
    keep_o = read_o is not None and wanted(read_o)
    if op.outputs == 1 and not op.extras:
        o: Any = outs[0] if keep_o else None
    else:
        o = (*(outs if keep_o else [None] * len(outs)), *extras)
    return make_node(op, (kept, p, o), many=many)


def outputs(n: Node, outs: Any, single: bool) -> Any:
    """The result tensors of a recorded operation with extras or several outputs."""
    if single:
        r = wrap(outs[0])
        r._node = n
        return r
    found = []
    for i, a in enumerate(outs):
        r = wrap(a)
        if r._dtype.kind in "fc":
            r._node = make_node(PICK, (None, (len(outs), i), None), many=(n,))
        found.append(r)
    return tuple(found)


PICK = Op("pick", NARY, None, outputs=1)  # one output of an operation that has several
