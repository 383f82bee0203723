"""Reverse mode as transforms: vjp, grad, grad_and_value, jacrev.

The inputs enter as fresh edges of the graph, whose cotangents are what is asked for; that keeps nested transforms apart.
A pass is recorded only where an enclosing one can ask for its derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core import Leaf, TensorBase, make_leaf, recording, tls, wrap
from ..errors import GraphError
from ..grad_mode import enable_grad
from ..lifted import Lifted, ones_like, zeros_like
from ..lifting import lift_p, missing_levels
from ..ops.cast import identity_p
from ..passes import Pass, parents
from ..pytree import TreeSpec, tree_flatten, tree_unflatten

__all__ = ["grad", "grad_and_value", "jacrev", "value_and_grad", "vjp"]

ndarray = np.ndarray


# ---------------------------------------------------------------- arguments
def chosen(args: tuple[Any, ...], argnums: int | tuple[int, ...], what: str) -> tuple[tuple[int, ...], Any]:
    """(which arguments, as non-negative numbers; those arguments) for `argnums`."""
    single = isinstance(argnums, int) and not isinstance(argnums, bool)
    if not single and (not isinstance(argnums, tuple) or not argnums or any(type(i) is not int for i in argnums)):
        raise RuntimeError(f"{what}: argnums must be an int or a non-empty tuple of ints, got {argnums!r}")
    numbers = (argnums,) if single else argnums
    found = []
    for i in numbers:  # type: ignore[union-attr]
        if not -len(args) <= i < len(args):
            raise RuntimeError(f"{what}: argnums has {i}, but there are {len(args)} positional arguments")
        found.append(i % len(args))
    if len(set(found)) != len(found):
        raise RuntimeError(f"{what}: argnums {argnums!r} names an argument twice")
    return tuple(found), args[found[0]] if single else tuple(args[i] for i in found)


def placed(args: tuple[Any, ...], numbers: tuple[int, ...], values: Any, single: bool) -> tuple[Any, ...]:
    """The arguments with those of `numbers` replaced."""
    out = list(args)
    for i, v in zip(numbers, (values,) if single else values, strict=True):
        out[i] = v
    return tuple(out)


def tensors_in(tree: Any, what: str, role: str) -> tuple[list[Any], TreeSpec]:
    """The leaves of a tree, which must be tensors, and its structure."""
    leaves, spec = tree_flatten(tree)
    for x in leaves:
        if not isinstance(x, TensorBase):
            raise ValueError(
                f"{what}: {role} must be Tensors (or nested tuples, lists, dicts of them), got {type(x).__name__}"
            )
    return leaves, spec


def split_aux(result: Any, what: str) -> tuple[Any, Any]:
    """(output, aux) of a function that was said to have aux."""
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{what}: with has_aux=True the function must return a tuple (output, aux), got {type(result).__name__}"
            + (f" of {len(result)}" if isinstance(result, tuple) else "")
        )
    return result


@contextmanager
def _recorded() -> Iterator[None]:
    """Recording on, whatever the caller's mode: that of the transform itself."""
    with enable_grad():
        s = tls.state
        was, s.inference = s.inference, False
        try:
            yield
        finally:
            s.inference = was


def _fresh(x: Any, what: str, own: set[Any]) -> tuple[Any, Any]:
    """(x as a variable of this transform, the edge at which its cotangent arrives)."""
    if x._dtype.kind not in "fc":
        raise GraphError(
            f"{what}: only floating-point and complex tensors can be differentiated, got {x._dtype.name}; convert it with "
            ".float(), or choose other argnums"
        )
    levels = missing_levels(x._data)
    if levels:
        x = lift_p(x, levels, False)
    if x._node is None:
        x = wrap(x._data)
        x._node = make_leaf(x)
        own.add(x._node)
    y = identity_p(x)
    return y, y._node


def _foreign(nodes: list[Any], own: set[Any]) -> bool:
    """Whether the graph reaches leaves of others, for which a derivative could be asked later."""
    seen = set(nodes)
    stack = list(seen)
    while stack:
        n = stack.pop()
        if type(n) is Leaf:
            if n not in own:
                return True
            continue
        for p in parents(n):
            if p is not None and p not in seen:
                seen.add(p)
                stack.append(p)
    return False


class _Pullback:
    """A graph from the variables of a transform to its outputs, that can be walked back any number of times."""

    def __init__(self, edges: list[Any], primals: list[Any], outs: list[Any], own: set[Any]) -> None:
        self.edges, self.outs = edges, outs
        self.roots = [o._node for o in outs]
        self.like = [x._data for x in primals]
        self.foreign = _foreign([n for n in self.roots if n is not None], own)

    def results(self) -> list[Any]:
        """The outputs, with a history only where an enclosing differentiation could use it."""
        return self.outs if self.foreign and recording() else [wrap(o._data) for o in self.outs]

    def pull(self, gs: list[Any], create_graph: bool | None = None) -> list[Any]:
        """The cotangents of the variables for those of the outputs."""
        record = recording() and (self.foreign or any(g._node is not None for g in gs))
        record = record if create_graph is None else create_graph
        pairs = [(n, g) for n, g in zip(self.roots, gs, strict=True) if n is not None]
        wanted: dict[Any, Any] = dict.fromkeys(self.edges)
        if pairs:
            start = [g if record else g._data for _, g in pairs]
            Pass(record, True, wanted, False).run([n for n, _ in pairs], start)
        given = {id(g._data) for g in gs}
        found = []
        for n, a in zip(self.edges, self.like, strict=True):
            g = wanted[n]
            if g is None:
                g = wrap(zeros_like(a))
            elif not isinstance(g, TensorBase):
                if type(g) is ndarray and (g.base is not None or not g.flags.writeable or id(g) in given):
                    g = g.copy()
                g = wrap(np.asarray(g) if isinstance(g, np.generic) else g)
            found.append(g)
        return found


def pullback(func: Callable[..., Any], primals: Any, has_aux: bool, what: str) -> tuple[_Pullback, Any, TreeSpec, Any]:
    """(pullback, structure of the primals, structure of the output, aux) of func at primals (a tuple of trees)."""
    leaves, spec = tensors_in(primals, what, "the inputs to be differentiated")
    own: set[Any] = set()
    with _recorded():
        fresh = [_fresh(x, what, own) for x in leaves]
        variables = [y for y, _ in fresh]
        out = func(*tree_unflatten(variables, spec))
        aux = None
        if has_aux:
            out, aux = split_aux(out, what)
        outs, out_spec = tensors_in(out, what, "the outputs of the function")
        if not outs:
            raise RuntimeError(f"{what}: the function returned no tensors")
        pulled = _Pullback([n for _, n in fresh], [wrap(y._data) for y in variables], outs, own)
    if aux is not None and not pulled.foreign:
        flat, aux_spec = tree_flatten(aux)
        aux = tree_unflatten([wrap(v._data) if isinstance(v, TensorBase) else v for v in flat], aux_spec)
    return pulled, spec, out_spec, aux


# ---------------------------------------------------------------- the transforms
def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(output, vjp_fn) of func at primals, or (output, vjp_fn, aux): vjp_fn(cotangents) gives v^T J as a tuple.

    cotangents has the structure of the output. The tuple has one entry per primal, of its structure. vjp_fn may be
    called any number of times, under `vmap` too.

    >>> import retrograd as rg
    >>> y, vjp_fn = rg.func.vjp(rg.sin, rg.zeros(2))
    >>> vjp_fn(rg.ones(2))
    (tensor([1., 1.]),)
    """
    pulled, spec, out_spec, aux = pullback(func, primals, has_aux, "vjp")

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        gs = _cotangents(cotangents, pulled.outs, out_spec)
        return tree_unflatten(pulled.pull(gs, create_graph), spec)

    out = tree_unflatten(pulled.results(), out_spec)
    return (out, vjp_fn, aux) if has_aux else (out, vjp_fn)


def _cotangents(given: Any, outs: list[Any], spec: TreeSpec) -> list[Any]:
    gs, found = tensors_in(given, "vjp_fn", "the cotangents")
    if found != spec:
        raise RuntimeError(
            f"vjp_fn: the cotangents have the structure {found!r}, the output {spec!r}; they must be equal"
        )
    checked = []
    for g, o in zip(gs, outs, strict=True):
        if g._shape != o._shape:
            raise RuntimeError(
                f"vjp_fn: a cotangent of shape {tuple(g._shape)} was given for an output of shape {tuple(o._shape)}"
            )
        if g._dtype is not o._dtype:
            from ..generic import cast

            g = cast(g, o._dtype)
        checked.append(g)
    return checked


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that returns (gradient, value) of func, or (gradient, (value, aux)).

    func returns a single-element (0-d) tensor, or (that, aux). argnums: which arguments to differentiate, an int or a
    tuple of ints; the gradient has their structure.

    >>> import retrograd as rg
    >>> rg.func.grad_and_value(lambda x: (x * x).sum())(rg.tensor([1.0, 2.0]))
    (tensor([2., 4.]), tensor(5.))
    """

    def transformed(*args: Any, **kwargs: Any) -> Any:
        numbers, picked = chosen(args, argnums, "grad")
        single = isinstance(argnums, int)

        def f(values: Any) -> Any:
            return func(*placed(args, numbers, values, single), **kwargs)

        def checked(values: Any) -> Any:
            result = f(values)
            out = split_aux(result, "grad")[0] if has_aux else result
            if not isinstance(out, TensorBase):
                raise RuntimeError(f"grad: the function must return a Tensor, got {type(out).__name__}")
            if out._shape != ():
                raise RuntimeError(
                    f"grad: the function must return a 0-d tensor (a scalar), got shape {tuple(out._shape)}; reduce it with "
                    ".sum() or .mean(), or use jacrev for all its elements"
                )
            return result

        pulled, spec, _, aux = pullback(checked, (picked,), has_aux, "grad")
        (out,) = pulled.outs
        if out._dtype.kind not in "fc":
            raise RuntimeError(f"grad: the function must return a floating-point tensor, got {out._dtype.name}")
        one = wrap(ones_like(out._data))
        (g,) = tree_unflatten(pulled.pull([one]), spec)
        (value,) = pulled.results()
        return (g, (value, aux)) if has_aux else (g, value)

    return _named(transformed, func)


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the gradient of func (a scalar function) with respect to the arguments `argnums`.

    With has_aux, func returns (output, aux) and the new function (gradient, aux). Transforms nest to any order.

    >>> import retrograd as rg
    >>> rg.func.grad(rg.sin)(rg.tensor(0.0))
    tensor(1.)
    >>> rg.func.grad(lambda x: x * rg.func.grad(lambda y: x + y)(rg.tensor(1.0)))(rg.tensor(1.0))
    tensor(1.)
    """
    both = grad_and_value(func, argnums, has_aux)

    def transformed(*args: Any, **kwargs: Any) -> Any:
        g, value = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return _named(transformed, func)


def value_and_grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As `grad_and_value`, in the other order: (value, gradient), or ((value, aux), gradient).

    >>> import retrograd as rg
    >>> rg.func.value_and_grad(lambda x: x**3)(rg.tensor(2.0))
    (tensor(8.), tensor(12.))
    """
    both = grad_and_value(func, argnums, has_aux)

    def transformed(*args: Any, **kwargs: Any) -> Any:
        g, value = both(*args, **kwargs)
        return value, g

    return _named(transformed, func)


def _named(transformed: Callable[..., Any], func: Callable[..., Any]) -> Callable[..., Any]:
    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        if hasattr(func, name):
            setattr(transformed, name, getattr(func, name))
    return transformed


# ---------------------------------------------------------------- Jacobians
def basis(likes: list[Any], start: int, stop: int) -> list[Any]:
    """Rows start to stop of the identity over all elements of the tensors, as one batch of tensors for each."""
    made = []
    at = 0
    for x in likes:
        n = 1
        for s in x._shape:
            n *= s
        rows = np.zeros((stop - start, n), np.float64 if x._dtype.kind == "V" else x._dtype.np)
        lo, hi = max(start, at), min(stop, at + n)
        if lo < hi:
            rows[np.arange(lo - start, hi - start), np.arange(lo - at, hi - at)] = 1
        at += n
        t = wrap(rows.reshape(stop - start, *x._shape))
        made.append(t.to(x.device) if not isinstance(x._data, (ndarray, Lifted)) else t)
    return made


def counts(likes: list[Any]) -> list[int]:
    """How many elements each tensor has."""
    return [int(np.prod(x._shape, dtype=np.int64)) for x in likes]


def jacrev(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """A function that returns the Jacobian of func by reverse mode: best for few outputs.

    For an output of shape S and an argument of shape T it has the shape S + T; the output's structure holds that of the
    arguments. chunk_size: how many rows are computed at once (None: all). has_aux: func returns (output, aux), the new
    function (Jacobian, aux).

    >>> import retrograd as rg
    >>> rg.func.jacrev(lambda x: x * x)(rg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if chunk_size is not None and (type(chunk_size) is not int or chunk_size <= 0):
        raise ValueError(f"jacrev: chunk_size must be a positive int or None, got {chunk_size!r}")

    def transformed(*args: Any, **kwargs: Any) -> Any:
        from ..ops.join import cat
        from .mapping import vmap

        numbers, picked = chosen(args, argnums, "jacrev")
        single = isinstance(argnums, int)

        def f(values: Any) -> Any:
            return func(*placed(args, numbers, values, single), **kwargs)

        pulled, spec, out_spec, aux = pullback(f, (picked,), has_aux, "jacrev")
        outs, ns = pulled.outs, counts(pulled.outs)
        total = sum(ns)
        step = chunk_size or max(total, 1)
        parts = [
            vmap(lambda *gs: tuple(pulled.pull(list(gs))))(*basis(outs, i, min(i + step, total)))
            for i in range(0, total, step)
        ]
        likes = [wrap(a) for a in pulled.like]
        if not parts:
            parts = [tuple(wrap(zeros_like(a)).reshape(1, *a.shape)[:0] for a in pulled.like)]
        columns = [rows[0] if len(rows) == 1 else cat(list(rows)) for rows in zip(*parts, strict=True)]
        jacobians = []
        at = 0
        for o, n in zip(outs, ns, strict=True):
            blocks = [c[at : at + n].reshape((*o._shape, *x._shape)) for c, x in zip(columns, likes, strict=True)]
            jacobians.append(tree_unflatten(blocks, spec)[0])
            at += n
        result = tree_unflatten(jacobians, out_spec)
        return (result, aux) if has_aux else result

    return _named(transformed, func)
