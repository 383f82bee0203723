"""Lifted arrays: what stands in a tensor's place for its array while a function is transformed.

A `Batched` array holds one value per sample of a `vmap`; a `Dual` one holds a value and its tangent. They stand *below*
the graph: a tensor over a lifted array is recorded, differentiated and written to as any other, and every primitive
that meets one is computed by the rule of its level instead of by its forward. Levels are numbered in the order in
which transforms were entered; arrays nest in that order, the youngest outermost, which is what keeps the perturbations
of nested derivatives apart.

An ordinary call never looks for them: a lifted array is no `numpy.ndarray`, so it leaves the inline paths of `op` by
the test that is there for other array libraries, and NumPy refuses it (`TransformError`) where it is one of two.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import backend
from .core import TensorBase
from .errors import TransformError
from .registry import PRIMITIVES

__all__ = ["Batched", "Dual", "Each", "Level", "Lifted", "active", "levels_of", "ones_like", "zeros_like"]

ndarray = np.ndarray
_count = itertools.count(1).__next__


# ---------------------------------------------------------------- levels
class Level:
    """One running transform. number: its age; size, randomness: of a vmap; kind: the class of its arrays."""

    __slots__ = ("kind", "number", "randomness", "size")

    def __init__(self, kind: type[Lifted], size: int = 0, randomness: str = "error") -> None:
        self.kind, self.size, self.randomness = kind, size, randomness
        self.number = _count()

    def wrap(self, a: Any) -> Lifted:
        """Array `a` at this level: the same for every sample, or without a tangent."""
        return Batched(self, a[None]) if self.kind is Batched else Dual(self, a, None)

    def __enter__(self) -> Level:
        active.levels = (*active.levels, self)
        return self

    def __exit__(self, *_: object) -> None:
        active.levels = tuple(level for level in active.levels if level is not self)

    def __repr__(self) -> str:
        return f"<level {self.number} {self.kind.__name__}>"


class _Active(threading.local):
    """The transforms that this thread is in, oldest first."""

    levels: tuple[Level, ...] = ()
    drawing: tuple[Level, ...] = ()  # those whose samples are being drawn for one by one


active = _Active()


# ---------------------------------------------------------------- arrays
def _refuse(what: str) -> Callable[..., Any]:
    def method(self: Any, *_: Any, **__: Any) -> Any:
        raise TransformError(self._no_value(what))

    return method


def _binary(name: str, reflected: bool = False) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, TensorBase):
            return NotImplemented
        if isinstance(other, np.generic) and not isinstance(other, np.bool_):
            other = np.asarray(other)
        return calls.run(PRIMITIVES[name], (other, self) if reflected else (self, other))

    return method


class Lifted:
    """What `Batched` and `Dual` share: they look like an array of one sample, or of the values alone."""

    __slots__ = ("__weakref__", "base", "dtype", "level", "shape")
    __array_ufunc__ = None
    __array_priority__ = 2000.0

    level: Level
    shape: tuple[int, ...]
    dtype: Any
    base: Any
    value: Any  # of Batched; the others of Dual
    primal: Any
    tangent: Any
    co: Any

    # ------------------------------------------------------------ to be given by the two kinds
    def inner(self) -> Any:
        """An array one level below that stands for the layout."""
        raise NotImplementedError

    def rebuild(self, f: Callable[[Any], Any]) -> Any:
        """The same kind over f of what it holds."""
        raise NotImplementedError

    def _no_value(self, what: str) -> str:
        raise NotImplementedError

    def __setitem__(self, index: Any, value: Any) -> None:
        raise NotImplementedError

    # ------------------------------------------------------------ as an array
    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        return self.inner().strides

    @property
    def flags(self) -> Any:
        return self.inner().flags

    @property
    def T(self) -> Any:
        return self.transpose()

    @property
    def real(self) -> Any:
        return calls.run(PRIMITIVES["real"], (self,)) if self.dtype.kind == "c" else self

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(self.shape[0]))

    def __getitem__(self, index: Any) -> Any:
        return calls.run(PRIMITIVES["getitem"], (self,), (index if isinstance(index, tuple) else (index,),))

    def reshape(self, *shape: Any) -> Any:
        given = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return calls.run(PRIMITIVES["reshape"], (self,), (_full_shape(tuple(given), self.size),))

    def ravel(self) -> Any:
        return self.reshape(-1)

    def transpose(self, *axes: Any) -> Any:
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes
        n = len(self.shape)
        order = tuple(a % n for a in order) if order else tuple(range(n - 1, -1, -1))
        return calls.run(PRIMITIVES["permute"], (self,), (order,))

    def swapaxes(self, a: int, b: int) -> Any:
        order = list(range(len(self.shape)))
        order[a], order[b] = order[b], order[a]
        return self.transpose(order)

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        axes = (axis,) if isinstance(axis, int) else axis
        if axes is not None:
            axes = tuple(a % len(self.shape) for a in axes)
        r = calls.run(PRIMITIVES["sum"], (self,), (axes, keepdims))
        return r if dtype is None else r.astype(dtype)

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        return self.rebuild(lambda a: a.astype(dtype))

    def copy(self, order: Any = "C") -> Any:
        return self.rebuild(lambda a: a.copy(order=order) if type(a) is ndarray else a.copy())

    def view(self, *_: Any) -> Any:
        return self.rebuild(lambda a: a.view(*_))

    def item(self) -> Any:
        raise TransformError(self._no_value("item"))

    @property
    def data(self) -> Any:
        raise TransformError(self._no_value("its memory"))

    @property
    def __array_interface__(self) -> Any:
        raise TransformError(self._no_value("its memory"))

    __array__ = _refuse("a NumPy array")
    __iadd__ = None  # sums of cotangents are made anew

    __add__, __radd__ = _binary("add"), _binary("add", True)
    __sub__, __rsub__ = _binary("sub"), _binary("sub", True)
    __mul__, __rmul__ = _binary("mul"), _binary("mul", True)
    __truediv__, __rtruediv__ = _binary("div"), _binary("div", True)
    __floordiv__, __rfloordiv__ = _binary("floor_divide"), _binary("floor_divide", True)
    __mod__, __rmod__ = _binary("remainder"), _binary("remainder", True)
    __pow__, __rpow__ = _binary("pow"), _binary("pow", True)
    __and__, __rand__ = _binary("bitwise_and"), _binary("bitwise_and", True)
    __or__, __ror__ = _binary("bitwise_or"), _binary("bitwise_or", True)
    __xor__, __rxor__ = _binary("bitwise_xor"), _binary("bitwise_xor", True)
    __lt__, __le__ = _binary("lt"), _binary("le")
    __gt__, __ge__ = _binary("gt"), _binary("ge")
    __eq__, __ne__ = _binary("eq"), _binary("ne")  # type: ignore[assignment]
    __hash__ = object.__hash__

    def __neg__(self) -> Any:
        return calls.run(PRIMITIVES["neg"], (self,))

    def __invert__(self) -> Any:
        return calls.run(PRIMITIVES["bitwise_not"], (self,))

    def __abs__(self) -> Any:
        return calls.run(PRIMITIVES["abs"], (self,))

    def __matmul__(self, other: Any) -> Any:
        return calls.run(PRIMITIVES["matmul"], (self, other), (False, False))

    def __rmatmul__(self, other: Any) -> Any:
        return calls.run(PRIMITIVES["matmul"], (other, self), (False, False))


del Lifted.__iadd__


_UFUNCS = {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div", "power": "pow",
    "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "equal": "eq", "not_equal": "ne",
    "matmul": "matmul",
}  # fmt: skip


class Batched(Lifted):
    """One array per sample of a vmap: value has the samples along axis 0, or size 1 there when all have the same."""

    __slots__ = ("value",)

    def __init__(self, level: Level, value: Any, base: Any = None) -> None:
        self.level, self.value, self.base = level, value, base
        self.shape, self.dtype = tuple(value.shape[1:]), value.dtype

    def inner(self) -> Any:
        return self.value[0] if self.value.shape[0] else self.value

    @property
    def strides(self) -> tuple[int, ...]:
        return self.value.strides[1:]

    def rebuild(self, f: Callable[[Any], Any]) -> Any:
        return Batched(self.level, f(self.value))

    def sample(self, i: int) -> Any:
        """The array of sample i."""
        return self.value[i if self.value.shape[0] != 1 else 0]

    # Checks of arguments and short cuts are decided for all samples at once: a bad label in one of them is an error.
    def any(self, axis: Any = None, **_: Any) -> Any:
        return self.value.any() if axis is None else calls.LIFTED.any(self, axis=axis, **_)

    def all(self, axis: Any = None, **_: Any) -> Any:
        return self.value.all() if axis is None else calls.LIFTED.all(self, axis=axis, **_)

    def min(self, axis: Any = None, **_: Any) -> Any:
        return _Bound(self, "min") if axis is None and self.size else calls.LIFTED.min(self, axis=axis, **_)

    def max(self, axis: Any = None, **_: Any) -> Any:
        return _Bound(self, "max") if axis is None and self.size else calls.LIFTED.max(self, axis=axis, **_)

    # NumPy's own functions, where code of operations uses them beside the primitives.
    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        if out is not None and out != (None,) and out[0] is not args[0]:
            raise TransformError(self._no_value(f"np.{ufunc.__name__}(out=...)"))
        name = _UFUNCS.get(ufunc.__name__)
        if method == "__call__" and name is not None and not kwargs:
            return calls.run(PRIMITIVES[name], args, (False, False) if name == "matmul" else ())
        f = ufunc if method == "__call__" else getattr(ufunc, method)
        return calls.call_each(lambda _: f, args, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return calls.call_each(lambda _: func, args, kwargs)

    def _no_value(self, what: str) -> str:
        return (
            f"vmap: {what} was asked of a batched tensor of shape {self.shape} ({self.level.size} samples), whose values "
            "differ from sample to sample; data-dependent control flow and conversions are not possible inside vmap: "
            "use where() in place of if, or return the tensor and look at it outside"
        )

    __bool__ = _refuse("its truth value (bool)")
    __int__ = __index__ = _refuse("an int")
    __float__ = __complex__ = _refuse("a number")
    tolist = _refuse("a list")

    def __setitem__(self, index: Any, value: Any) -> None:
        top = value.level if isinstance(value, Lifted) else None
        if top is not None and top.number > self.level.number:
            raise TransformError(
                "vmap: a batched value cannot be written in place into a tensor that is the same for all samples; "
                "use the version without underscore, or make the tensor with zeros_like of a batched one"
            )
        given = value.value if top is self.level else value
        if top is self.level and given.shape[0] > self.value.shape[0]:
            raise TransformError(
                "vmap: a value that differs between samples cannot be written in place into a tensor that is the same "
                "for all of them; clone() of a batched tensor, or the version without underscore, makes room for it"
            )
        if index is Ellipsis:
            target = self.value
            if top is self.level:  # (b, *s) into (b, *t), where s broadcasts to t
                given = given.reshape(given.shape[0], *(1,) * (target.ndim - given.ndim), *given.shape[1:])
            target[...] = given
            return
        index = index if isinstance(index, tuple) else (index,)
        for i in range(self.value.shape[0]):
            at = tuple(k.sample(i) if isinstance(k, Batched) and k.level is self.level else k for k in index)
            self.value[i][at] = given[min(i, given.shape[0] - 1)] if top is self.level else given

    def __repr__(self) -> str:
        return f"Batched(level={self.level.number}, {self.value!r})"


class _Bound(Batched):
    """The least or greatest element of each sample, which as an int or in a comparison is that of all: for checks."""

    __slots__ = ("every",)

    def __init__(self, of: Batched, method: str) -> None:
        one = getattr(calls.LIFTED, method)(of)
        super().__init__(one.level, one.value)
        self.every = getattr(of.value, method)()

    def __int__(self) -> int:
        if self.dtype.kind not in "biu":
            raise TransformError(self._no_value("an int"))
        return int(self.every)

    __index__ = __int__

    def __lt__(self, other: Any) -> Any:
        return self.every < other

    def __le__(self, other: Any) -> Any:
        return self.every <= other

    def __gt__(self, other: Any) -> Any:
        return self.every > other

    def __ge__(self, other: Any) -> Any:
        return self.every >= other


class Dual(Lifted):
    """A value and its tangent (None: zero). co: it is a cotangent from outside the level, whose parts are swapped.

    A loss a * primal + b * tangent of dual numbers has the dual cotangent b + a * epsilon: with it, formulas that run on
    dual arrays give the cotangents of tangent (in the primal's place) and primal (in the tangent's).
    """

    __slots__ = ("co", "primal", "tangent")

    def __init__(self, level: Level, primal: Any, tangent: Any, co: bool = False, base: Any = None) -> None:
        self.level, self.primal, self.tangent, self.co, self.base = level, primal, tangent, co, base
        self.shape, self.dtype = tuple(primal.shape), primal.dtype

    def inner(self) -> Any:
        return self.primal

    def rebuild(self, f: Callable[[Any], Any]) -> Any:
        r = f(self.primal)
        t = None if self.tangent is None or r.dtype.kind not in "fc" else f(self.tangent)
        return Dual(self.level, r, t, self.co) if r.dtype.kind in "fc" else r

    def _no_value(self, what: str) -> str:
        return f"forward mode: {what} of a dual tensor of shape {self.shape} would lose its tangent; detach() it first"

    # Decisions are made by the value; the derivative is that of the branch taken.
    def any(self, *args: Any, **kwargs: Any) -> Any:
        return self.primal.any(*args, **kwargs)

    def all(self, *args: Any, **kwargs: Any) -> Any:
        return self.primal.all(*args, **kwargs)

    def min(self, *args: Any, **kwargs: Any) -> Any:
        return self.primal.min(*args, **kwargs)

    def max(self, *args: Any, **kwargs: Any) -> Any:
        return self.primal.max(*args, **kwargs)

    def item(self) -> Any:
        return self.primal.item()

    def tolist(self) -> Any:
        return self.primal.tolist()

    def __bool__(self) -> bool:
        return bool(self.primal)

    def __int__(self) -> int:
        return int(self.primal)

    def __index__(self) -> int:
        return self.primal.__index__()

    def __float__(self) -> float:
        return float(self.primal)

    def __complex__(self) -> complex:
        return complex(self.primal)

    def room(self) -> Any:
        """The tangent as an array that can be written to, made when there is none."""
        if self.tangent is None:
            self.tangent = zeros_like(self.primal)
        return self.tangent

    def __setitem__(self, index: Any, value: Any) -> None:
        same = isinstance(value, Dual) and value.level is self.level
        t = value.tangent if same else None
        self.primal[index] = value.primal if same else value
        if t is not None:
            self.room()[index] = t
        elif self.tangent is not None:
            self.tangent[index] = 0

    def __repr__(self) -> str:
        return f"Dual(level={self.level.number}, {self.primal!r}, {self.tangent!r})"


class Each:
    """A parameter of an operation that differs from sample to sample, such as a place in the stream of random numbers."""

    __slots__ = ("items", "level")

    def __init__(self, level: Level, items: list[Any]) -> None:
        self.level, self.items = level, items

    def sample(self, i: int) -> Any:
        """The parameter of sample i."""
        return self.items[i]

    def __iter__(self) -> Iterator[Any]:
        raise TransformError("vmap: this use of random numbers has no rule for randomness='different'")


def zeros_like(a: Any) -> Any:
    """Zeros of the shape, type and levels of array a."""
    if isinstance(a, Batched):
        return Batched(a.level, zeros_like(a.value))
    if isinstance(a, Dual):
        return Dual(a.level, zeros_like(a.primal), None, a.co)
    return backend.xp_of(a).zeros(a.shape, dtype=a.dtype)


def ones_like(a: Any) -> Any:
    """Ones of the shape, type and levels of array a."""
    return zeros_like(a) + 1 if isinstance(a, Lifted) else backend.xp_of(a).ones(a.shape, dtype=a.dtype)


def _full_shape(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    if -1 not in shape:
        return shape
    known = 1
    for s in shape:
        known *= s if s != -1 else 1
    return tuple(size // max(known, 1) if s == -1 else s for s in shape)


def levels_of(a: Any) -> set[Level]:
    """All levels that an array is lifted to."""
    found: set[Level] = set()
    while isinstance(a, Lifted):
        found.add(a.level)
        if isinstance(a, Dual):
            if a.tangent is not None:
                found |= levels_of(a.tangent)
            a = a.primal
        else:
            a = a.value
    return found


from . import lifted_run as calls  # noqa: E402 - the other half, which needs the classes above
