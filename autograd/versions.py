"""In-place writes, dated: a table {owning array: when and where it was last written}.

Writers pay; saving a value for backward costs nothing. A saved value is stale if its owner was written after the node
that saved it was made.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from .backend import is_array
from .core import Leaf, Node, line, module_path, tick, where
from .errors import GraphError, InplaceError
from .registry import FUNCTION, Op

WRITTEN: dict[int, tuple[int, Node, weakref.ref[Any], int]] = {}  # id of owner -> (tick, place, owner, count)


class _Clock:
    """The tick of the last write anywhere: a graph younger than it need not be checked."""

    last = 0


clock = _Clock()


def owner(a: Any) -> Any:
    """The array that owns the memory of `a` (arrays collapse chains of views; as_strided hides one link)."""
    kind = type(a)
    while True:
        b = getattr(a, "base", None)
        if b is not None and type(b) is not kind:
            b = getattr(b, "base", None)
        if type(b) is not kind:
            return a
        a = b


def wrote(*arrays: Any) -> None:
    """Note that the memory behind the arrays is being written by the running line."""
    place = Node()
    place.seq = tick()
    where(place)
    for a in arrays:
        a = owner(a)
        k = id(a)
        old = WRITTEN.get(k)
        if old is None:
            WRITTEN[k] = place.seq, place, weakref.ref(a, lambda _, k=k: WRITTEN.pop(k, None)), 1
        else:
            WRITTEN[k] = place.seq, place, old[2], old[3] + 1
    if place.seq > clock.last:  # another thread may have been here since the tick
        clock.last = place.seq


def version(a: Any) -> int:
    """How often the memory behind `a` has been written in place."""
    w = WRITTEN.get(id(owner(a)))
    return 0 if w is None else w[3]


def _inside(n: Node) -> str:
    """` (in module Net.encoder (Linear))` of a node made in a module's forward."""
    path = module_path(n.module)
    return f" (in module {path})" if path else ""


def freed_error(n: Node) -> GraphError:
    """Backward through a node whose saved values are gone."""
    return GraphError(
        f"backward: {n.op.name} at {line(n.code, n.lasti)}{_inside(n)} was differentiated before, and its saved values "
        "were freed by that earlier backward; pass retain_graph=True there, or, if a state of the last step is still attached, "
        "detach() it"
    )


def _flat(p: Any) -> Iterator[Any]:
    """The parameters of an operation, in tuples and records as well: indices and masks are saved values too."""
    for v in p or ():
        if type(v) in (tuple, list):
            yield from _flat(v)
        elif is_array(v):
            yield v
        elif not isinstance(v, Op):  # such as the labels of a loss
            held = [getattr(v, name, None) for name in getattr(type(v), "__slots__", ())]
            yield from _flat([a for a in held if is_array(a) or type(a) is tuple])


def check(n: Node, s: Any) -> None:
    """Raise if one of the saved values of n was changed since n was made."""
    op = n.op
    if s is None or s[0] is None and n.many is not None:  # a pick saves nothing
        return
    if op.arity == FUNCTION:  # its saved tensors name the input or output that each of them is
        xs, (edges,), _ = s
        many: Any = n.many
        pairs = [(a, many[e[1]] if e and e[0] == "in" else n) for a, e in zip(xs, edges, strict=False)]
    elif n.many is not None:
        xs, _, o = s
        pairs = [*zip(xs, n.many, strict=False), *((v, n) for v in (o if isinstance(o, tuple) else (o,)))]
        pairs += [(v, None) for v in _flat(s[1])]
    elif op.arity == 2:
        pairs = list(zip(s, (n.px, n.py, n), strict=True))
    else:
        pairs = [(s[0], n.px), (s[2], n), *((v, None) for v in _flat(s[1]))]
    for a, parent in pairs:
        if a is None or not hasattr(a, "dtype") or not hasattr(a, "base"):
            continue
        w = WRITTEN.get(id(owner(a)))
        if w is None or w[0] <= n.seq:
            continue
        made = "a constant" if parent is None else f"a tensor made at {line(parent.code, parent.lasti)}"
        if isinstance(parent, Node) and parent.op is not None:
            made += f" by {parent.op.name}"
        elif isinstance(parent, Leaf):
            made += " as a leaf"
        raise InplaceError(
            f"backward: {made}, shape {tuple(a.shape)}, was saved for the gradient of {op.name} at "
            f"{line(n.code, n.lasti)}{_inside(n)}, but it was changed in place at {line(w[1].code, w[1].lasti)}; "
            "write x = x + y instead of x += y there, or clone() the tensor before the change"
        )
