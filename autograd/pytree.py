"""Nested containers of tensors: dicts, lists and tuples of every kind are opened, all else is a leaf."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

__all__ = [
    "LeafSpec", "TreeSpec", "broadcast_prefix", "tree_all", "tree_any", "tree_flatten", "tree_leaves", "tree_map",
    "tree_map_only", "tree_structure", "tree_unflatten",
]  # fmt: skip


class TreeSpec:
    """The structure of a tree without its leaves: container, what else the container needs, structures of the children."""

    __slots__ = ("children", "context", "kind")

    def __init__(self, kind: Any, context: Any, children: tuple[TreeSpec, ...]) -> None:
        self.kind, self.context, self.children = kind, context, children

    @property
    def num_leaves(self) -> int:
        """How many leaves the tree has."""
        return 1 if self.kind is None else sum(c.num_leaves for c in self.children)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TreeSpec)
            and self.kind is other.kind
            and self.context == other.context
            and self.children == other.children
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        return f"{self.kind.__name__}({', '.join(map(repr, self.children))})"


LeafSpec = TreeSpec(None, None, ())


def _open(tree: Any) -> tuple[Any, Any, list[Any]] | None:
    """(kind, context, children) of a container, None of a leaf."""
    kind = type(tree)
    if kind in (list, tuple):
        return kind, None, list(tree)
    if kind in (dict, OrderedDict):
        keys = list(tree) if kind is OrderedDict else _ordered(tree)
        return kind, keys, [tree[k] for k in keys]
    if kind is defaultdict:
        keys = _ordered(tree)
        return kind, [tree.default_factory, keys], [tree[k] for k in keys]
    if kind is deque:
        return kind, tree.maxlen, list(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return kind, None, list(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_asdict"):
        return kind, None, list(tree)
    return None


def _ordered(tree: dict[Any, Any]) -> list[Any]:
    """Keys in their own order, so that dicts of equal content have equal structure."""
    try:
        return sorted(tree)
    except TypeError:
        return list(tree)


def _close(spec: TreeSpec, children: list[Any]) -> Any:
    kind = spec.kind
    if kind is list:
        return children
    if kind is tuple:
        return tuple(children)
    if kind in (dict, OrderedDict):
        return kind(zip(spec.context, children, strict=True))
    if kind is defaultdict:
        return defaultdict(spec.context[0], zip(spec.context[1], children, strict=True))
    if kind is deque:
        return deque(children, spec.context)
    return kind(*children)


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves of a tree in order, and its structure.

    >>> from retrograd.autograd.pytree import tree_flatten
    >>> tree_flatten({"a": 1, "b": (2, 3)})[0]
    [1, 2, 3]
    """
    leaves: list[Any] = []

    def walk(t: Any) -> TreeSpec:
        found = None if is_leaf is not None and is_leaf(t) else _open(t)
        if found is None:
            leaves.append(t)
            return LeafSpec
        kind, context, children = found
        return TreeSpec(kind, context, tuple([walk(c) for c in children]))

    return leaves, walk(tree)


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """The tree of a structure with these leaves."""
    given = list(leaves)
    if len(given) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten: {len(given)} leaves for a structure of {treespec.num_leaves} ({treespec!r})")
    it = iter(given)

    def build(s: TreeSpec) -> Any:
        return next(it) if s.kind is None else _close(s, [build(c) for c in s.children])

    return build(treespec)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of a tree in order."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The structure of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The tree of func(leaf, ...) for the leaves of one tree, or of several of equal structure.

    >>> from retrograd.autograd.pytree import tree_map
    >>> tree_map(lambda a, b: a + b, {"x": 1}, {"x": 2})
    {'x': 3}
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    others = []
    for r in rests:
        found, other = tree_flatten(r, is_leaf)
        if other != spec:
            raise ValueError(f"tree_map: the trees differ in structure: {spec!r} and {other!r}")
        others.append(found)
    return tree_unflatten([func(*xs) for xs in zip(leaves, *others, strict=True)], spec)


def tree_map_only(kind: Any, func: Callable[[Any], Any], tree: Any) -> Any:
    """The tree with func applied to the leaves of a type (or types)."""
    return tree_map(lambda v: func(v) if isinstance(v, kind) else v, tree)


def tree_all(pred: Callable[[Any], bool], tree: Any) -> bool:
    """Whether pred is true of all leaves."""
    return all(pred(v) for v in tree_leaves(tree))


def tree_any(pred: Callable[[Any], bool], tree: Any) -> bool:
    """Whether pred is true of any leaf."""
    return any(pred(v) for v in tree_leaves(tree))


def broadcast_prefix(prefix: Any, spec: TreeSpec, is_leaf: Callable[[Any], bool] | None = None) -> list[Any] | None:
    """The leaves of `prefix`, each repeated for the part of the structure it stands for; None if it does not fit."""

    def walk(p: Any, s: TreeSpec) -> list[Any] | None:
        found = None if is_leaf is not None and is_leaf(p) else _open(p)
        if found is None:
            return [p] * s.num_leaves
        kind, context, children = found
        if s.kind is None or len(children) != len(s.children):
            return None
        if not (kind is s.kind or {kind, s.kind} <= {list, tuple}) or context != s.context:
            return None
        out: list[Any] = []
        for c, below in zip(children, s.children, strict=True):
            part = walk(c, below)
            if part is None:
                return None
            out += part
        return out

    return walk(prefix, spec)
