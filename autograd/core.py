"""The core: what a tensor and a node of the graph are made of, the clock, the thread's mode, and provenance.

Three ideas make it both general and fast:

1. The factories of `op` turn a declaration into the function users call: formulas and saves are closure cells of that
   function, so one Python frame separates the user from the array library, with no dictionary and no second dispatch.
2. A node keeps arrays and edges, never tensors. For a higher derivative the array and the edge are put together again,
   so the same formula runs on arrays (fast) and on tensors (recorded).
3. The creation counter is the only clock. It orders backward, and it dates in-place writes: a saved value is stale if
   its memory was written after its node was made. Writers pay; saving costs nothing.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import weakref
from types import CodeType
from typing import TYPE_CHECKING, Any

import numpy as np

from .backend import xp_of
from .dtypes import dtype, of
from .registry import FUNCTION

if TYPE_CHECKING:
    from .tensor import Tensor

tick = itertools.count(1).__next__
getframe = sys._getframe
ndarray = np.ndarray


class State:
    """What one thread knows while it works.

    grad: True records, False does not, an object records or not as its `record` says and is told of every operation
    (`saw`). module: linked list of the modules being called. blame: the node that a recorded backward differentiates.
    """

    __slots__ = ("grad", "module", "blame", "inference", "anomaly")

    def __init__(self) -> None:
        self.grad: Any = True
        self.module: tuple[Any, weakref.ref[Any]] | None = None
        self.blame: Node | None = None
        self.inference = False
        self.anomaly: Any = None


class _Local(threading.local):
    def __init__(self) -> None:
        self.state = State()


tls = _Local()


def recording() -> bool:
    """Whether operations of this thread are recorded now."""
    m = tls.state.grad
    return m if m is True or m is False else m.record


class Node:
    """One recorded operation.

    px, py: parents (Node, Leaf or None) of a unary or binary operation; many: those of an n-ary one, else None.
    saved: (x, y or parameters, output), None once freed. fix: operand shapes when broadcasting happened.
    code, lasti: the user's line; module: the modules it ran in. g, owned, mark belong to the pass under way. hooked:
    its hooks; unset where there are none.
    """

    __slots__ = (
        "op", "seq", "px", "py", "many", "saved", "fix", "g", "owned", "mark", "code", "lasti", "module", "hooked",
        "__weakref__",
    )  # fmt: skip

    op: Any
    seq: float  # a whole number, but for the edges that a pass makes for itself
    px: Any
    py: Any
    many: Any
    saved: Any
    fix: Any
    g: Any
    owned: bool
    mark: Any
    code: CodeType | None
    lasti: int
    module: Any
    hooked: Any

    @property
    def next_functions(self) -> tuple[tuple[Node | Leaf | None, int], ...]:
        """The parents, as PyTorch lists them: pairs of (node, output number)."""
        if self.many is not None:
            parents = self.many
        elif self.op.arity == 2:
            parents = (self.px, self.py)
        else:
            parents = (self.px,)
        found = []
        for p in parents:
            if type(p) is Node and p.op.name == "pick":
                found.append((p.many[0], p.saved[1][1]))  # type: ignore[index]
            else:
                found.append((p, 0))
        return tuple(found)

    def name(self) -> str:
        """The name as PyTorch would print it, such as `MulBackward0`."""
        if self.op.name == "pick":
            return self.many[0].name()
        if self.op.arity == FUNCTION:
            return f"{self.op.name}Backward"
        return "".join(w.capitalize() for w in self.op.name.split("_")) + "Backward0"

    @property
    def where(self) -> str:
        """`file:line in function` of the user's code that made this node."""
        return line(self.code, self.lasti)

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dictionary for the user's own notes, as in PyTorch."""
        from .hooks import registered

        return registered(self).metadata

    def register_hook(self, hook: Any) -> Any:
        """Call `hook(grad_inputs, grad_outputs)` after the node has run; it may return new grad_inputs."""
        from .hooks import add_hook

        return add_hook(self, "post", hook)

    def register_prehook(self, hook: Any) -> Any:
        """Call `hook(grad_outputs)` before the node runs; it may return new grad_outputs."""
        from .hooks import add_hook

        return add_hook(self, "node_pre", hook)

    def __repr__(self) -> str:
        return f"<{self.name()} at {self.where}>"


class Leaf:
    """The end of an edge at a tensor the user made; the tensor itself is only known weakly."""

    __slots__ = ("tensor", "g", "owned", "mark", "code", "lasti", "module", "hooked", "__weakref__")
    seq = 0
    px: Any = None
    py: Any = None
    many: Any = None
    saved: Any = None

    tensor: Any
    g: Any
    owned: bool
    mark: Any
    code: CodeType | None
    lasti: int
    module: Any
    hooked: Any

    @property
    def variable(self) -> Tensor | None:
        """The tensor whose `.grad` this leaf fills, or None if it has died."""
        return self.tensor()

    next_functions = ()

    def name(self) -> str:
        """PyTorch's name for the node that fills `.grad`."""
        return "AccumulateGrad"

    @property
    def where(self) -> str:
        """`file:line in function` of the user's code that made the tensor."""
        return line(self.code, self.lasti)

    def register_hook(self, hook: Any) -> Any:
        """Call `hook(grad_inputs, grad_outputs)` after the gradient has been accumulated."""
        from .hooks import add_hook

        return add_hook(self, "post", hook)

    def register_prehook(self, hook: Any) -> Any:
        """Call `hook(grad_outputs)` before the gradient is accumulated."""
        from .hooks import add_hook

        return add_hook(self, "node_pre", hook)

    def __repr__(self) -> str:
        return f"<AccumulateGrad at {self.where}>"


# ---------------------------------------------------------------- provenance
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_FOLDERS = ("autograd", "nn", "optim", "data")


class _Library(dict[str, bool]):
    """file name -> whether it belongs to the library (whose frames are never blamed), decided once a file."""

    def __missing__(self, name: str) -> bool:
        path = os.path.abspath(name)
        inside = path.startswith(_PACKAGE)
        rest = path[len(_PACKAGE) :]
        found = inside and (rest.split(os.sep, 1)[0] in _FOLDERS or rest == "__init__.py")
        self[name] = found
        return found


LIBRARY = _Library()


def where(node: Node | Leaf) -> None:
    """Blame the first frame outside the library (code object and offset: a frame would keep tensors alive).

    What a recorded backward creates is blamed on the line of the node it differentiates.
    """
    s = tls.state
    node.module = s.module
    b = s.blame
    if b is not None:
        node.code = b.code
        node.lasti = b.lasti
        return
    f: Any = getframe(2)
    while LIBRARY[f.f_code.co_filename] and f.f_back is not None:
        f = f.f_back
    node.code = f.f_code
    node.lasti = f.f_lasti


def user_line() -> str:
    """`file:line in function` of the user's code that is running now."""
    f: Any = getframe(1)
    while LIBRARY[f.f_code.co_filename] and f.f_back is not None:
        f = f.f_back
    return line(f.f_code, f.f_lasti)


def line(code: CodeType | None, lasti: int) -> str:
    """`file:line in function` of a (code object, instruction offset), resolved only when somebody asks."""
    if code is None:
        return "an unknown line"
    at = next((n for a, b, n in code.co_lines() if a <= lasti < b and n), code.co_firstlineno)
    return f"{os.path.basename(code.co_filename)}:{at} in {code.co_name}"


def module_path(record: Any) -> str:
    """`encoder.2 (Linear)` of a linked list of module calls, outermost first; '' outside any module."""
    chain = []
    while record is not None:
        record, ref = record
        chain.append(ref())
    chain = [m for m in reversed(chain) if m is not None]
    if not chain:
        return ""
    names = []
    for outer, inner in itertools.pairwise(chain):
        names.append(next((k for k, m in outer.named_modules() if m is inner and k), type(inner).__name__))
    return f"{'.'.join([type(chain[0]).__name__, *names])} ({type(chain[-1]).__name__})"


# ---------------------------------------------------------------- tensors
class TensorBase:
    """The slots of a tensor: array, dtype, shape, node (None: no gradient); the others stay unset until used."""

    __slots__ = ("_data", "_dtype", "_shape", "_node", "_grad", "_base", "_path", "_views", "__weakref__")

    _data: Any
    _dtype: dtype
    _shape: tuple[int, ...]
    _node: Any
    _grad: Any
    _base: Any
    _path: Any
    _views: Any


_result: Any = TensorBase  # class Tensor, once tensor.py has installed it
_users: list[dict[str, Any]] = []


lifting: Any = None  # the module `lifted_run`, once a function transform has loaded it


def bind_result_class(namespace: dict[str, Any]) -> None:
    """Have the global `Tensor` of a module of the core follow the installed result class."""
    namespace["Tensor"] = _result
    _users.append(namespace)


def install(cls: Any) -> None:
    """Make `cls` the class of every result; called once, by tensor.py."""
    global _result
    _result = cls
    for namespace in _users:
        namespace["Tensor"] = cls


new = object.__new__


def wrap(a: Any, node: Node | Leaf | None = None) -> Tensor:
    """A tensor over array `a` (not copied)."""
    t = new(_result)
    t._data = a
    t._dtype = of(a.dtype)
    t._shape = a.shape
    t._node = node
    return t


def set_data(t: TensorBase, a: Any) -> None:
    """Let tensor `t` stand over another array."""
    t._data = a
    t._dtype = of(a.dtype)
    t._shape = a.shape


def make_leaf(t: TensorBase) -> Leaf:
    """The leaf node of a tensor that shall receive a gradient."""
    n = Leaf()
    n.tensor = weakref.ref(t)
    n.g = n.mark = None
    where(n)
    return n


def as_tensor_arg(x: Any, op: str) -> Tensor:
    """x itself if it is a tensor, a tensor over it if it is an array; anything else is refused."""
    if isinstance(x, TensorBase):
        return x  # type: ignore[return-value]
    if isinstance(x, (ndarray, np.generic)) or xp_of(x, None) is not None:
        return wrap(np.asarray(x) if isinstance(x, (ndarray, np.generic)) else x)
    raise TypeError(f"{op}: a Tensor is expected, got {type(x).__name__}; build one with retrograd.tensor(...)")


def describe(x: Any) -> str:
    """`Tensor(2, 3) float32` or the type, for messages."""
    if isinstance(x, TensorBase):
        return f"{tuple(x._shape)} {x._dtype.name}"
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"{tuple(x.shape)} {x.dtype} array"
    return type(x).__name__
