"""Hooks on tensors, nodes, accumulation and saved values; they cost nothing where none is registered."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from . import core
from .backend import is_array
from .core import Node, TensorBase, tls, wrap
from .errors import GraphError
from .layouts import strided
from .registry import FUNCTION
from .versions import freed_error

_ids = itertools.count()


class Registered:
    """The hooks of one node: on the tensor's gradient ("pre"), around the node, after accumulation, and retain_grad.

    They hang on the node, so that a hook which refers to its own tensor is a cycle that the garbage collector finds.
    """

    __slots__ = ("pre", "node_pre", "post", "leaf", "retain", "metadata")

    def __init__(self) -> None:
        self.pre: dict[int, Callable[..., Any]] = {}
        self.node_pre: dict[int, Callable[..., Any]] = {}
        self.post: dict[int, Callable[..., Any]] = {}
        self.leaf: dict[int, Callable[..., Any]] = {}
        self.retain: Any = None
        self.metadata: dict[Any, Any] = {}


HOOKED: weakref.WeakSet[Any] = weakref.WeakSet()  # the nodes that have any: while it is empty, nobody looks
EXECUTION: list[Callable[[Node, Any, Any], None]] = []  # called (node, given cotangents, cotangent) after each node


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away; also a context manager."""

    def __init__(self, hooks: dict[int, Any]) -> None:
        self.id = next(_ids)
        self._hooks = hooks

    def remove(self) -> None:
        """Take the hook away (twice does no harm)."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def registered(node: Any) -> Registered:
    """The hooks of a node, made when there were none."""
    r = getattr(node, "hooked", None)
    if r is None:
        r = node.hooked = Registered()
        HOOKED.add(node)
    return r


def add_hook(node: Any, kind: str, hook: Callable[..., Any]) -> RemovableHandle:
    """Register a hook of a kind ("pre", "node_pre", "post", "leaf") on a node."""
    if not callable(hook):
        raise TypeError(f"register_hook: a callable is expected, got {type(hook).__name__}")
    hooks = getattr(registered(node), kind)
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def retain(node: Any, t: Any) -> None:
    """Have the gradient of the non-leaf tensor t kept in `.grad`."""
    registered(node).retain = weakref.ref(t)


def retains(node: Any, t: Any) -> bool:
    """Whether the gradient of t is kept when it passes its node."""
    r = getattr(node, "hooked", None)
    return r is not None and r.retain is not None and r.retain() is t


def follow(old: Any, new: Any, t: Any) -> None:
    """A write in place gave tensor t a new node: retain_grad goes with the tensor, as in PyTorch; hooks stay."""
    if retains(old, t):
        old.hooked.retain = None
        retain(new, t)


def _as_tensor(g: Any) -> Any:
    return g if isinstance(g, TensorBase) else wrap(g if is_array(g) and hasattr(g, "base") else core.np.asarray(g))


def _back(g: Any, record: bool) -> Any:
    return g if record or g.layout is not strided else g._data


def run_pre(r: Registered, g: Any, record: bool) -> Any:
    """Tensor hooks in order (each may replace the gradient), then retain_grad, then the node's pre-hooks."""
    if type(g) is list:  # a node with several outputs: its tensors' hooks ran at the edges to them
        outs = tuple(None if v is None else _as_tensor(v) for v in g)
        for hook in tuple(r.node_pre.values()):
            new = hook(outs)
            if new is not None:
                outs = new if isinstance(new, tuple) else (new,)
        return [None if v is None else _back(v, record) for v in outs]
    t = _as_tensor(g)
    for hook in tuple(r.pre.values()):
        new = hook(t)
        if new is not None:
            if not isinstance(new, TensorBase) or new._shape != t._shape:
                raise GraphError(
                    f"register_hook: a hook must return None or a Tensor of the gradient's shape {tuple(t._shape)}, "
                    f"got {core.describe(new)}"
                )
            t = new
    if r.retain is not None:
        kept = r.retain()
        if kept is not None:
            old = getattr(kept, "_grad", None)
            mine = t if record else wrap(t._data.copy())
            kept._grad = mine if old is None else (old + mine if record else wrap(old._data + mine._data))
    for hook in tuple(r.node_pre.values()):
        new = hook((t,))
        if new is not None:
            t = new[0] if isinstance(new, tuple) else new
    return _back(t, record)


def run_post(r: Registered, given: Any, g: Any, record: bool) -> Any:
    """Post-hooks of a node: hook(grad_inputs, grad_outputs), which may return new grad_inputs."""
    if not r.post:
        return given
    ins = tuple(None if v is None or type(v) is list else _as_tensor(v) for v in given)
    outs = tuple(None if v is None else _as_tensor(v) for v in (g if type(g) is list else [g]))
    for hook in tuple(r.post.values()):
        new = hook(ins, outs)
        if new is not None:
            ins = new if isinstance(new, tuple) else (new,)
    return [old if new is None else _back(new, record) for old, new in zip(given, ins, strict=True)]


def run_post_leaf(r: Registered, leaf: Any, g: Any) -> None:
    """Post-accumulate hooks: hook(tensor), and post-hooks of the leaf node: hook((), (grad,))."""
    t = leaf.tensor()
    for hook in tuple(r.post.values()):
        hook((), (_as_tensor(g),))
    if t is not None:
        for hook in tuple(r.leaf.values()):
            hook(t)


# ---------------------------------------------------------------- saved tensors
class Packed:
    """Saved values that a saved_tensors_hooks has packed; deliberately not iterable, so that unpacking stops here."""

    __slots__ = ("values", "unpack")

    def __init__(self, values: Any, unpack: Any) -> None:
        self.values, self.unpack = values, unpack


class _Box:
    """One packed value among a node's saved values."""

    __slots__ = ("packed", "unpack", "dtype", "shape")

    def __init__(self, packed: Any, unpack: Any) -> None:
        self.packed, self.unpack = packed, unpack

    def open(self) -> Any:
        t = self.unpack(self.packed)
        if not isinstance(t, TensorBase):
            raise GraphError(f"saved_tensors_hooks: the unpack hook must return a Tensor, got {type(t).__name__}")
        return t._data


def _map(v: Any, f: Any) -> Any:
    if isinstance(v, (tuple, list)):
        return type(v)(_map(a, f) for a in v)
    return f(v)


def pack(n: Node, pack_hook: Any, unpack_hook: Any) -> None:
    """Replace the arrays that node n saved by what the pack hook makes of them."""

    def box(a: Any) -> Any:
        if is_array(a) and not isinstance(a, core.np.generic):
            with core_no_grad():
                return _Box(pack_hook(wrap(a)), unpack_hook)
        return a

    if n.saved is None or isinstance(n.saved, Packed):
        return
    x, y, out = n.saved
    n.saved = Packed((_map(x, box), y if n.op.arity != 2 else box(y), _map(out, box)), None)


class core_no_grad:
    """no_grad for the core's own use, below `grad_mode`."""

    __slots__ = ("was",)

    def __enter__(self) -> None:
        s = tls.state
        self.was, s.grad = s.grad, False

    def __exit__(self, *_: object) -> None:
        tls.state.grad = self.was


def reopen(n: Node, saved: Any) -> Any:
    """The saved values of a node that could not be unpacked: packed ones are opened, freed ones are an error.

    Those of a user's Function stay packed: its ctx.saved_tensors opens them, when they are asked for.
    """
    if saved is None:
        raise freed_error(n)
    return saved.values if n.op.arity == FUNCTION else unpack(saved)


def unpack(saved: Packed) -> tuple[Any, Any, Any]:
    """Saved values as the unpack hooks give them."""
    return tuple(_map(v, lambda a: a.open() if isinstance(a, _Box) else a) for v in saved.values)


class Watcher:
    """Stands in `tls.state.grad` and is told of every operation; `inner` is the watcher (or bool) below it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    @property
    def record(self) -> bool:
        """Whether operations are recorded while this watcher is in place."""
        return self.inner if isinstance(self.inner, bool) else self.inner.record

    def saw(self, op: Any, xs: Any, p: Any, node: Any, r: Any, index: int = 0) -> None:
        """One operation has run: record, operands, parameters, node (None: not recorded), result, which output."""
        if not isinstance(self.inner, bool):
            self.inner.saw(op, xs, p, node, r, index)

    def called(self, op: Any, xs: Any, node: Any, r: Any) -> None:
        """A user's Function has run: record, operands, node (None: not recorded), one of its results."""
        if not isinstance(self.inner, bool):
            self.inner.called(op, xs, node, r)


class saved_tensors_hooks(Watcher):
    """Context manager: every array saved for backward is handed to `pack_hook`, and back to `unpack_hook` when used.

    pack_hook takes a Tensor and returns anything; unpack_hook takes that and returns a Tensor of equal content. Use it
    to keep saved values on disk, on the CPU, or compressed.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, 2.0], requires_grad=True)
    >>> with rg.autograd.graph.saved_tensors_hooks(lambda t: t.numpy().copy(), lambda a: rg.from_numpy(a)):
    ...     y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([2., 4.])
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        super().__init__(True)
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> saved_tensors_hooks:
        s = tls.state
        self.inner = s.grad
        s.grad = self
        return self

    def __exit__(self, *_: object) -> None:
        tls.state.grad = self.inner

    def saw(self, op: Any, xs: Any, p: Any, node: Any, r: Any, index: int = 0) -> None:
        if node is not None:  # before the hooks around it: of several, the innermost packs
            pack(node.many[0] if node.op.name == "pick" else node, self.pack_hook, self.unpack_hook)
        super().saw(op, xs, p, node, r, index)

    def called(self, op: Any, xs: Any, node: Any, r: Any) -> None:
        if node is not None:
            pack(node.many[0], self.pack_hook, self.unpack_hook)
        super().called(op, xs, node, r)


def packing(m: Any) -> bool:
    """Whether the grad mode m has saved values packed."""
    while isinstance(m, Watcher):
        if isinstance(m, saved_tensors_hooks):
            return True
        m = m.inner
    return False
