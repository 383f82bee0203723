"""Running primitives and functions of array libraries on lifted arrays, their namespace, and random numbers in a vmap."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import backend, core
from .errors import TransformError
from .lifted import Batched, Dual, Each, Level, Lifted, active, zeros_like
from .registry import BINARY, NARY, PARAM, PRIMITIVES, UNARY, Op

__all__ = [
    "LIFTED", "STRUCTURAL", "Lifted", "active", "call_each", "drawn", "lifted_in", "reserve", "run", "run_plain",
    "sample", "sizes", "stack", "zeros_like",
]  # fmt: skip

ndarray = np.ndarray


# ---------------------------------------------------------------- running a primitive
def lifted_in(p: Any) -> Level | None:
    """The youngest level of what is lifted among operands or parameters (in tuples, lists and records too)."""
    top: Level | None = None
    for v in p:
        kind = type(v)
        if kind is ndarray or kind is int or kind is slice:
            continue
        if kind in (Batched, Dual, Each):
            at = v.level
        elif kind is tuple or kind is list:
            at = lifted_in(v)
        else:
            continue
        if at is not None and (top is None or at.number > top.number):
            top = at
    return top


def run(op: Op, arrays: Any, p: tuple[Any, ...] = ()) -> Any:
    """The forward of `op` (with its extras) on arrays of any kind, by the rule of the youngest level among them."""
    if op.name in STRUCTURAL:
        return op.forward(LIFTED, *(arrays if op.arity != NARY else (arrays,)), *p)
    top = lifted_in(arrays)
    if p:
        inside = lifted_in(p)
        if inside is not None and (top is None or inside.number > top.number):
            top = inside
    if top is None:
        return run_plain(op, arrays, p)
    if top.kind is Batched:
        from .batching import run_batched

        r = run_batched(op, arrays, p, top)
    else:
        from .dual import run_dual

        r = run_dual(op, arrays, p, top)
    if op.view and isinstance(r, Lifted):
        x = arrays[0]
        if _shares(r, x):
            r.base = x if x.base is None else x.base
    return r


def _shares(d: Any, a: Any) -> bool:
    """Whether lifted array d is a view of lifted array a."""
    if d is a:
        return False
    while isinstance(d, Lifted) and type(d) is type(a):
        d, a = (d.value, a.value) if isinstance(d, Batched) else (d.primal, a.primal)
    if isinstance(d, Lifted) or isinstance(a, Lifted):
        return False
    base = getattr(d, "base", None)
    return d is a or base is not None and (base is a or base is getattr(a, "base", None))


def run_plain(op: Op, arrays: Any, p: tuple[Any, ...] = ()) -> Any:
    """The forward of `op` on arrays of an array library."""
    xp: Any = np
    for a in arrays:
        if type(a) is not ndarray and a is not None and backend.is_array(a):
            xp = backend.xp_of(a)
            break
    f = op.forward
    if op.arity == UNARY or op.arity == BINARY:
        r = getattr(xp, f)(*arrays) if isinstance(f, str) else f(xp, *arrays)
    elif op.arity == PARAM:
        r = f(xp, arrays[0], *p)
    else:
        r = f(xp, list(arrays), *p)
    if isinstance(r, tuple):
        return tuple(np.asarray(v) if isinstance(v, np.generic) else v for v in r)
    return np.asarray(r) if isinstance(r, np.generic) else r


def stack(parts: list[Any]) -> Any:
    """Arrays of one shape along a new axis 0."""
    if lifted_in(parts) is None:
        return backend.xp_of(parts[0]).stack(parts)
    return run(PRIMITIVES["stack"], parts, (0,))


# ---------------------------------------------------------------- the array namespace
def call_each(f: Callable[[Any], Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of an array library on lifted arrays: sample by sample, or (of dual arrays) on the values.

    f: gives the function for the arrays that are left when nothing is lifted.
    """
    values = [*args, *kwargs.values()]
    top = lifted_in(values)
    if top is None:
        return f(values)(*args, **kwargs)
    if top.kind is Dual:

        def strip(v: Any) -> Any:
            if isinstance(v, (tuple, list)):
                return type(v)(map(strip, v))
            return v.primal if isinstance(v, Dual) and v.level is top else v

        return call_each(f, tuple(map(strip, args)), {k: strip(v) for k, v in kwargs.items()})
    n = max(max(sizes(values, top)), 1)
    rows = [
        call_each(f, tuple(sample(v, i, top) for v in args), {k: sample(v, i, top) for k, v in kwargs.items()})
        for i in range(n)
    ]
    first = rows[0]
    if isinstance(first, (tuple, list)) and first and all(_is_value(v) for v in first):
        columns = [_piled(list(column), top) for column in zip(*rows, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)
    return _piled(rows, top) if _is_value(first) else first


def _is_value(v: Any) -> bool:
    return isinstance(v, (Lifted, np.generic)) or backend.is_array(v)


def _piled(rows: list[Any], level: Level) -> Any:
    parts = [np.asarray(v) if isinstance(v, np.generic) else v for v in rows]
    if any(v.shape != parts[0].shape for v in parts):
        raise TransformError(
            f"vmap: results of different shapes {[tuple(v.shape) for v in parts[:3]]} for the samples, because they depend "
            "on the values; mask the values with where() instead of selecting them"
        )
    return Batched(level, stack(parts))


class _Name:
    """`xp.linalg.svd` on lifted arrays."""

    __slots__ = ("path",)

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path

    def __getattr__(self, name: str) -> Any:
        return _Name((*self.path, name))

    def _of(self, values: Any) -> Any:
        f: Any = next((backend.xp_of(a) for a in values if type(a) is not ndarray and backend.is_array(a)), np)
        for name in self.path:
            f = getattr(f, name)
        return f

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return call_each(self._of, args, kwargs)


def sizes(values: Any, level: Level) -> Iterator[int]:
    """The number of samples of every batched array of a level among the values (0 at least once)."""
    yield 0
    for v in values:
        if isinstance(v, (tuple, list)):
            yield from sizes(v, level)
        elif isinstance(v, Batched) and v.level is level:
            yield v.value.shape[0]
        elif isinstance(v, Each) and v.level is level:
            yield len(v.items)


def sample(v: Any, i: int, level: Level) -> Any:
    """Sample i of a value: of batched arrays of a level, in tuples and lists too."""
    if isinstance(v, (Batched, Each)) and v.level is level:
        return v.sample(i)
    if type(v) is tuple:
        return tuple([sample(a, i, level) for a in v])
    if type(v) is list:
        return [sample(a, i, level) for a in v]
    return v


class _Namespace:
    """The array namespace of lifted arrays."""

    __name__ = "lifted"

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if isinstance(found, type) or not (callable(found) or hasattr(found, "__path__")):
            return found
        return _Name((name,))


LIFTED: Any = _Namespace()
STRUCTURAL: set[str] = set()  # the primitives that move arrays between levels, and see lifted arrays as they are


def _values(a: Any) -> Any:
    """The values behind a lifted array: only dual ones have them."""
    if isinstance(a, Dual):
        return _values(a.primal)
    if isinstance(a, Batched):
        raise TransformError(a._no_value("a NumPy array"))
    return backend.of(a).to_numpy(a)


def _scatter_add(target: Any, index: Any, values: Any) -> None:
    if lifted_in((target, index, values)) is None:
        backend.of(target).scatter_add(target, index, values)
        return
    raise TransformError("vmap: this accumulation by a batched index has no rule")


def _innermost(a: Any) -> Any:
    while isinstance(a, Lifted):
        a = a.inner()
    return a


def _register(kind: type) -> None:
    backend.register(
        backend.Backend(
            "lifted",
            LIFTED,
            kind,
            "cpu",
            to_numpy=_values,
            from_numpy=lambda a, index: a,
            to_index=lambda a, index: a,
            scatter_add=_scatter_add,
            special=lambda name: lambda *args: call_each(lambda _: backend.numpy_backend.special(name), args, {}),
            matmul=lambda x, y: x @ y,
            device_of=lambda a: backend.of(_innermost(a)).device_of(_innermost(a)),
            current=backend.numpy_backend.current,
        )
    )


# ---------------------------------------------------------------- random numbers
def _randomised() -> Level | None:
    """The youngest running vmap whose samples draw their own numbers; raises where drawing is not allowed."""
    for level in reversed(active.levels):
        if level.kind is Batched:
            if level.randomness == "error":
                raise TransformError(
                    "vmap: a random operation was called with randomness='error'; pass randomness='different' or 'same' to "
                    "vmap, or draw the numbers outside"
                )
            if level.randomness == "different" and level not in active.drawing:
                return level
    return None


def reserve(gen: Any, n: int) -> Any:
    """Places in the stream of a generator for n words: one for each sample, or one for all."""
    level = _randomised()
    if level is None:
        return gen._take(n)
    return Each(level, _repeated(level, lambda: reserve(gen, n)))


def drawn(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """f(*args), random numbers by a generator or from places in a stream, for each sample or for all."""
    place = next((v for v in args if type(v) is Each), None)
    if place is not None:
        level = place.level
        rows = [drawn(f, tuple(sample(v, i, level) for v in args), kwargs) for i in range(level.size)]
        return Batched(level, stack(rows))
    gen = next((v for v in args if hasattr(v, "_placed")), None)
    if gen is None or gen._placed:
        return f(*args, **kwargs)
    level = _randomised()
    if level is None:
        return f(*args, **kwargs)
    return Batched(level, stack(_repeated(level, lambda: drawn(f, args, kwargs))))


def _repeated(level: Level, f: Callable[[], Any]) -> list[Any]:
    active.drawing = (*active.drawing, level)
    try:
        return [f() for _ in range(level.size)]
    finally:
        active.drawing = active.drawing[:-1]


_register(Batched)
_register(Dual)
core.lifting = sys.modules[__name__]
