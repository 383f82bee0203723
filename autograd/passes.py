"""Backward: the graph is walked in decreasing node number, without recursion.

Creation order is a topological order, so backward collects what is reachable and sorts it. Two loops do the work. The
fast one keeps cotangents in slots of the nodes and serves the ordinary `backward()`; only one thread may be in it at a
time, so it sits behind a lock that nobody waits for. The general one keeps them in a dictionary and serves everything
else: a pass that finds the lock taken (another thread, or a backward inside a hook or a formula), `grad`, hooks,
`create_graph`, anomaly detection.
"""

from __future__ import annotations

import sys
import threading
from operator import attrgetter
from typing import Any

import numpy as np

from . import hooks
from .backend import is_array
from .core import Leaf, Node, TensorBase, recording, tls, wrap
from .layouts import strided
from .nodes import PICK
from .registry import FUNCTION
from .versions import check, clock, wrote

ndarray = np.ndarray
getrefcount = sys.getrefcount


def _count_alone() -> int:
    value = object()
    return getrefcount(value)


_ALONE = _count_alone()  # of what one local name holds: 2, or 1 where the interpreter lends it to the call
_seq = attrgetter("seq")
_add: Any = np.add.reduce
fast = threading.Lock()  # never waited for: who finds it taken uses the general loop
accumulating = threading.Lock()  # held for single additions to .grad, never around user code


def sum_raw(g: Any, shape: tuple[int, ...]) -> Any:
    """Adjoint of broadcasting on arrays: g summed down to `shape`."""
    s = g.shape
    if s == shape:
        return g
    lead = len(s) - len(shape)
    axes = (*range(lead), *(i + lead for i, n in enumerate(shape) if n == 1 and s[i + lead] != 1))
    total = _add(g, axes, None, None, True) if type(g) is ndarray else g.sum(axis=axes, keepdims=True)
    return total.reshape(shape)


def _sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    if isinstance(g, TensorBase):
        from .ops.shape import sum_to

        return sum_to(g, shape)
    return sum_raw(g, shape)


def _order(roots: list[Any]) -> list[Any]:
    """Everything reachable from the roots, youngest first. Marks in slots are cheaper than a set (fast loop only)."""
    me = object()
    stack = []
    for n in roots:
        if n.mark is not me:
            n.mark = me
            stack.append(n)
    order: list[Any] = []
    push, pop, found = stack.append, stack.pop, order.append
    while stack:
        n = pop()
        found(n)
        p = n.px
        if p is not None and p.mark is not me:
            p.mark = me
            push(p)
        p = n.py
        if p is not None and p.mark is not me:
            p.mark = me
            push(p)
        if n.many is not None:
            for p in n.many:
                if p is not None and p.mark is not me:
                    p.mark = me
                    push(p)
    order.sort(key=_seq, reverse=True)
    return order


def order_shared(roots: list[Any]) -> list[Any]:
    """As `_order`, without touching the nodes: for passes that may not be alone."""
    seen = set(roots)
    stack = list(seen)
    order = []
    while stack:
        n = stack.pop()
        order.append(n)
        for p in parents(n):
            if p is not None and p not in seen:
                seen.add(p)
                stack.append(p)
    order.sort(key=_seq, reverse=True)
    return order


def parents(n: Any) -> tuple[Any, ...]:
    """The nodes a node's cotangents go to."""
    return n.many if n.many is not None else (n.px, n.py)


def _written_since(order: list[Any]) -> bool:
    """Whether any in-place write happened after the oldest recorded operation of the graph."""
    last = clock.last
    if not last:
        return False
    for n in reversed(order):
        if n.seq:
            return last > n.seq
    return False


# ---------------------------------------------------------------- the fast loop
def run_fast(roots: list[Any], gs: list[Any], keep: bool) -> None:
    """One pass over arrays that fills leaf .grad; the caller holds `_fast`."""
    order = _order(roots)
    written = _written_since(order)
    s = tls.state
    was, s.grad = s.grad, False
    try:
        for n, g in zip(roots, gs, strict=True):
            n.g = g if n.g is None else n.g + g
            n.owned = False
        for n in order:
            g = n.g
            if g is None:
                continue
            n.g = None
            if not n.seq:
                v = t = None  # no other name may hold the cotangent that .grad takes over
                alone = getrefcount(g) == _ALONE
                _deposit(n, g, alone)
                continue
            saved = n.saved
            try:
                x, y, out = saved
            except TypeError:
                x, y, out = saved = hooks.reopen(n, saved)
            if written:
                check(n, saved)
            op = n.op
            if n.many is None:
                p = n.px
                arity = op.arity
                if arity == 2:
                    if p is not None:
                        f = op.vx
                        v = g if f is None else f(g, x, y, out)
                        if n.fix is not None:
                            v = sum_raw(v, n.fix[0])
                        t = p.g
                        if t is None:
                            p.g = v
                            p.owned = False
                        elif p.owned:
                            t += v
                            p.g = t
                        else:
                            p.g = t + v
                            p.owned = True
                    p = n.py
                    if p is None:
                        if not keep and op.frees:
                            n.saved = None
                        continue
                    f = op.vy
                    v = g if f is None else f(g, x, y, out)
                    if n.fix is not None:
                        v = sum_raw(v, n.fix[1])
                else:
                    f = op.vx
                    v = g if f is None else f(g, x, out) if arity == 1 else f(g, x, out, *y)
                t = p.g
                if t is None:
                    p.g = v
                    p.owned = False
                elif p.owned:
                    t += v
                    p.g = t
                else:
                    p.g = t + v
                    p.owned = True
            elif op is PICK:
                p = n.many[0]
                if p.g is None:
                    p.g = [None] * y[0]
                    p.owned = False
                i = y[1]
                p.g[i] = g if p.g[i] is None else p.g[i] + g
                continue  # a pick has nothing to free
            else:
                for p, v in zip(n.many, op.vjp(g, x, out, n.many, *y), strict=True):
                    if p is None or v is None:
                        continue
                    t = p.g
                    if t is None:
                        p.g = v
                        p.owned = False
                    elif p.owned:
                        t += v
                        p.g = t
                    else:
                        p.g = t + v
                        p.owned = True
            if not keep and op.frees:
                n.saved = None
    finally:
        s.grad = was
        for n in order:
            n.g = None


def _deposit(leaf: Leaf, g: Any, alone: bool) -> None:
    """Put a finished cotangent into .grad, which owns its memory: taken over if nobody else holds it, else copied."""
    t = leaf.tensor()
    if t is None or t._node is None:  # it died, or no longer requires grad
        return
    if type(g) is not ndarray and isinstance(g, TensorBase):
        if g.layout is not strided:  # type: ignore[attr-defined]
            _deposit_sparse(t, g)
            return
        g = g._data
    with accumulating:
        old = getattr(t, "_grad", None)
        if old is None:
            mine = (
                type(g) is ndarray
                and alone
                and g.base is None
                and g.flags.c_contiguous
                and g.flags.writeable
                and g.dtype == t._dtype.np
            )
            if not mine:
                g = np.array(g, t._dtype.np) if not is_array(g) or isinstance(g, (ndarray, np.generic)) else g.copy()
            t._grad = wrap(g)
        elif old._node is None and type(old._data) is ndarray and isinstance(g, (ndarray, np.generic)):
            old._data += g
            wrote(old._data)
        elif is_array(old._data):
            t._grad = wrap(old._data + g)
        else:
            t._grad = wrap(g) + old  # type: ignore[operator]


def _deposit_sparse(t: Any, g: Any) -> None:
    """Put a sparse cotangent into .grad, as PyTorch does: sparse, or added to a dense gradient that is there."""
    with accumulating:
        old = getattr(t, "_grad", None)
        if old is None:
            t._grad = g.clone()
        elif old._node is None and type(old._data) is ndarray:
            old._data += g.to_dense()._data
            wrote(old._data)
        else:
            t._grad = old + g


# ---------------------------------------------------------------- the general loop
def _attach(a: Any, parent: Any) -> Any:
    """Array and edge put together again."""
    if is_array(a) and a.dtype.kind not in "biu":
        return wrap(a, parent)
    return a


def _recorded(n: Node, saved: Any) -> tuple[Any, Any, Any]:
    """The saved values of a node as tensors with their history."""
    x, y, out = saved
    op = n.op
    if op.arity == FUNCTION:  # its ctx.saved_tensors attaches them
        return x, y, out
    if n.many is not None:
        x = [_attach(a, p) for a, p in zip(x, n.many, strict=True)] if isinstance(x, list) else x
        if op.outputs == 1 and not op.extras:
            out = _attach(out, n)
        elif out is not None and op.outputs != 1:
            k = len(out) - op.extras
            outs = [_attach(a, core_pick(n, k, i)) if a is not None else None for i, a in enumerate(out[:k])]
            out = (*outs, *out[k:])
        elif out is not None:
            out = (_attach(out[0], n), *out[1:])
        return x, y, out
    if op.arity == 2:
        return _attach(x, n.px), _attach(y, n.py), _attach(out, n)
    return _attach(x, n.px), y, _attach(out, n)


def core_pick(n: Node, k: int, i: int) -> Node:
    """A new edge to output i of k of node n."""
    p = Node()
    p.op, p.seq, p.px, p.py, p.many, p.fix, p.g, p.mark = PICK, n.seq + 0.5, None, None, (n,), None, None, None
    p.saved, p.code, p.lasti, p.module = (None, (k, i), None), n.code, n.lasti, n.module
    return p


class Pass:
    """One general pass: cotangents by node, what is wanted, and how to treat it."""

    def __init__(self, record: bool, keep: bool, wanted: dict[Any, Any] | None, deposit: bool) -> None:
        self.record, self.keep, self.wanted, self.deposit = record, keep, wanted, deposit
        self.g: dict[Any, Any] = {}
        self.owned: set[Any] = set()

    def give(self, p: Any, v: Any) -> None:
        """Add v to the cotangent of p: the first one is borrowed, the first sum is owned, later ones go in place."""
        old = self.g.get(p)
        if old is None:
            self.g[p] = v
        elif p in self.owned:
            old += v
            self.g[p] = old
        else:
            self.g[p] = old + v
            if not self.record:
                self.owned.add(p)

    def run(self, roots: list[Any], gs: list[Any]) -> None:
        """Walk the graph."""
        order = order_shared(roots)
        useful = None
        if self.wanted is not None:
            useful = set()
            for n in reversed(order):
                if n in self.wanted or any(p in useful for p in parents(n) if p is not None):
                    useful.add(n)
        written = _written_since(order)
        for n, g in zip(roots, gs, strict=True):
            self.give(n, g)
        s = tls.state
        was, blame = s.grad, s.blame
        if not (self.record and recording()):  # a watcher goes on watching what a recorded backward does
            s.grad = self.record
        hooked = bool(hooks.HOOKED)
        anomaly = s.anomaly
        try:
            for n in order:
                g = self.g.pop(n, None)
                if g is None or (useful is not None and n not in useful):
                    continue
                registered = getattr(n, "hooked", None) if hooked else None
                if registered is not None:
                    g = hooks.run_pre(registered, g, self.record)
                if anomaly is not None:
                    anomaly.cotangent(n, g)
                if self.wanted is not None and n in self.wanted:
                    self.wanted[n] = g
                    if not self.deposit:
                        if useful is not None and not any(p in useful for p in parents(n) if p is not None):
                            continue
                if not n.seq:
                    if self.deposit:
                        self._leaf(n, g, registered)
                    continue
                if self.record:
                    s.blame = n
                given = self._node(n, g, written, useful)
                if registered is not None:
                    given = hooks.run_post(registered, given, g, self.record)
                if anomaly is not None:
                    anomaly.gave(n, given, g)
                if hooks.EXECUTION:
                    for hook in tuple(hooks.EXECUTION):
                        hook(n, given, g)
                for p, v in zip(parents(n), given, strict=False):
                    if p is not None and v is not None:
                        if type(v) is list:
                            held = self.g.setdefault(p, [None] * len(v))
                            for i, a in enumerate(v):
                                if a is not None:
                                    held[i] = a if held[i] is None else held[i] + a
                        else:
                            self.give(p, v)
        finally:
            s.grad, s.blame = was, blame

    def _leaf(self, n: Leaf, g: Any, registered: Any) -> None:
        if self.record:
            t = n.tensor()
            if t is not None and t._node is not None:
                with accumulating:
                    old = getattr(t, "_grad", None)
                    t._grad = g if old is None else old + g
        else:
            alone = n in self.owned and registered is None  # a hook may have kept the gradient that it was given
            _deposit(n, g, alone)
        if registered is not None:
            hooks.run_post_leaf(registered, n, g)

    def accumulate(self, n: Leaf, g: Any) -> None:
        """Add the cotangent of a wanted leaf to its .grad, after the pass."""
        s = tls.state
        was, s.grad = s.grad, self.record
        try:
            self._leaf(n, g, getattr(n, "hooked", None))
        finally:
            s.grad = was

    def _node(self, n: Node, g: Any, written: bool, useful: Any) -> Any:
        """The cotangents that node n gives to its parents."""
        saved = n.saved
        try:
            _x, _y, _out = saved
        except TypeError:
            saved = hooks.reopen(n, saved)
        op = n.op
        if op is PICK:
            k, i = saved[1]
            row: list[Any] = [None] * k
            row[i] = g
            return (row,)
        if written:
            check(n, saved)
        x, y, out = _recorded(n, saved) if self.record else saved
        ps = parents(n)
        if n.many is not None:
            needs = ps if useful is None else tuple(p if p in useful else None for p in ps)
            given = op.vjp(g, x, out, needs, *y)
        else:
            given = []
            for p, f, side in zip(ps, (op.vx, op.vy), (0, 1), strict=True):
                if p is None or (useful is not None and p not in useful):
                    given.append(None)
                    continue
                arity = op.arity
                if f is None:
                    v = g
                elif arity == 2:
                    v = f(g, x, y, out)
                else:
                    v = f(g, x, out) if arity == 1 else f(g, x, out, *y)
                given.append(v if n.fix is None else _sum_to(v, n.fix[side]))
        if not self.keep and op.frees:
            n.saved = None
        return given
