"""Forward mode as transforms: jvp, jacfwd, linearize; and what combines both modes: hessian, hvp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import TensorBase, recording, wrap
from ..lifted import Dual, Level, Lifted, levels_of, zeros_like
from ..lifting import dual_p, level_up, part_p
from ..passes import Pass
from ..pytree import TreeSpec, tree_flatten, tree_map, tree_unflatten
from .reverse import (
    _named,
    _recorded,
    basis,
    chosen,
    counts,
    grad,
    jacrev,
    placed,
    pullback,
    split_aux,
    tensors_in,
)

__all__ = ["hessian", "hvp", "jacfwd", "jvp", "linearize"]


def _pairs(primals: Any, tangents: Any, what: str) -> tuple[list[Any], list[Any], TreeSpec]:
    """The leaves of primals and tangents, checked against each other."""
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise RuntimeError(
            f"{what}: primals and tangents must be tuples, got {type(primals).__name__} and {type(tangents).__name__}"
        )
    xs, spec = tensors_in(primals, what, "primals")
    ts, other = tensors_in(tangents, what, "tangents")
    if not xs:
        raise RuntimeError(f"{what}: at least one primal is expected")
    if spec != other:
        raise RuntimeError(f"{what}: primals have the structure {spec!r}, tangents {other!r}; they must be equal")
    made = []
    for x, t in zip(xs, ts, strict=True):
        if x._shape != t._shape:
            raise RuntimeError(
                f"{what}: a primal of shape {tuple(x._shape)} has a tangent of shape {tuple(t._shape)}; they must be equal"
            )
        if x._dtype.kind not in "fc":
            raise RuntimeError(f"{what}: primals must be floating-point, got {x._dtype.name}; convert it with .float()")
        if t._dtype is not x._dtype:
            from ..generic import cast

            t = cast(t, x._dtype)
        made.append(t)
    return xs, made, spec


def parts(o: Any, level: Level, what: str = "", strict: bool = False) -> tuple[Any, Any]:
    """(primal, tangent) of a tensor at a level."""
    if not isinstance(o._data, Lifted) or level not in levels_of(o._data):
        if strict:
            raise RuntimeError(
                f"{what}: an output does not depend on the inputs, which strict=True forbids; leave it away for a zero "
                "tangent"
            )
        return o, wrap(zeros_like(o._data))
    return part_p(o, level, 0, False), part_p(o, level, 1, False)


def push(
    func: Callable[..., Any],
    xs: list[Any],
    ts: list[Any],
    spec: TreeSpec,
    has_aux: bool,
    what: str,
    strict: bool = False,
) -> tuple[Any, Any, Any]:
    """(output, its tangent, aux) of func at the primals xs with tangents ts."""
    with Level(Dual) as level:
        duals = [dual_p((x, t), level, False) for x, t in zip(xs, ts, strict=True)]
        out = func(*tree_unflatten(duals, spec))
        aux = None
        if has_aux:
            out, aux = split_aux(out, what)
            aux = tree_map(lambda v: parts(v, level)[0] if isinstance(v, TensorBase) else v, aux)
        outs, out_spec = tensors_in(out, what, "the outputs of the function")
        pairs = [parts(o, level, what, strict) for o in outs]
    return tree_unflatten([p for p, _ in pairs], out_spec), tree_unflatten([t for _, t in pairs], out_spec), aux


def jvp(func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """(output, J v) of func at the tuple `primals` with the tuple `tangents`, or (output, J v, aux): forward mode.

    Costs about as much as two calls of func, for any number of inputs. strict: an output that does not depend on the
    inputs is an error (RuntimeError) instead of a zero tangent. Gradients are not switched off by `no_grad`, but by
    `detach`.

    >>> import retrograd as rg
    >>> rg.func.jvp(lambda x, y: x * y, (rg.tensor(2.0), rg.tensor(5.0)), (rg.tensor(1.0), rg.tensor(0.0)))
    (tensor(10.), tensor(5.))
    """
    xs, ts, spec = _pairs(primals, tangents, "jvp")
    out, tangent, aux = push(func, xs, ts, spec, has_aux, "jvp", strict)
    return (out, tangent, aux) if has_aux else (out, tangent)


def jacfwd(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
    randomness: str = "error",
) -> Callable[..., Any]:
    """A function that returns the Jacobian of func by forward mode: best for few inputs. See `jacrev` for the shapes.

    randomness: as in `vmap`. chunk_size: how many columns are computed at once (None: all).

    >>> import retrograd as rg
    >>> rg.func.jacfwd(lambda x: x * x)(rg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    def transformed(*args: Any, **kwargs: Any) -> Any:
        from .mapping import vmap

        numbers, picked = chosen(args, argnums, "jacfwd")
        single = isinstance(argnums, int)
        xs, spec = tensors_in((picked,), "jacfwd", "the inputs to be differentiated")
        zero = tree_unflatten([wrap(zeros_like(x._data)) for x in xs], spec)
        xs, _, spec = _pairs((picked,), zero, "jacfwd")
        seen: dict[str, Any] = {}

        def f(values: Any) -> Any:
            return func(*placed(args, numbers, values, single), **kwargs)

        def column(*ts: Any) -> Any:
            _out, tangent, aux = push(f, xs, list(ts), spec, has_aux, "jacfwd")
            leaves, seen["spec"] = tree_flatten(tangent)
            seen["shapes"] = [t._shape for t in leaves]
            if not has_aux:
                return tuple(leaves)
            flat, seen["aux"] = tree_flatten(aux)
            seen["fixed"] = [None if isinstance(v, TensorBase) else v for v in flat]
            return tuple(leaves), tuple(v for v in flat if isinstance(v, TensorBase))

        ns = counts(xs)
        total = sum(ns)
        if not total:
            raise RuntimeError("jacfwd: the inputs have no elements, so there are no columns to compute; use jacrev")
        out_dims: Any = (-1, 0) if has_aux else -1
        found = vmap(column, randomness=randomness, out_dims=out_dims, chunk_size=chunk_size)(*basis(xs, 0, total))
        columns, extra = found if has_aux else (found, ())
        jacobians = []
        for c, shape in zip(columns, seen["shapes"], strict=True):
            blocks, at = [], 0
            for x, n in zip(xs, ns, strict=True):
                blocks.append(c[..., at : at + n].reshape((*shape, *x._shape)))
                at += n
            jacobians.append(tree_unflatten(blocks, spec)[0])
        result = tree_unflatten(jacobians, seen["spec"])
        if not has_aux:
            return result
        rest = iter([v[0] for v in extra])  # the same for every column
        return result, tree_unflatten([next(rest) if v is None else v for v in seen["fixed"]], seen["aux"])

    return _named(transformed, func)


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """A function that returns the matrix of second derivatives of func, by forward over reverse mode.

    >>> import retrograd as rg
    >>> rg.func.hessian(lambda x: (x**3).sum())(rg.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def hvp(func: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """The product H v of the Hessian of a scalar function with a vector, without forming H: forward over reverse mode.

    primals: a tensor, or a tuple of the arguments of func; tangents: of the same structure, and so is the result.

    >>> import retrograd as rg
    >>> rg.func.hvp(lambda x: (x**3).sum(), rg.tensor([1.0, 2.0]), rg.tensor([1.0, 1.0]))
    tensor([ 6., 12.])
    """
    single = not isinstance(primals, tuple)
    xs = (primals,) if single else primals
    ts = (tangents,) if single else tangents
    _, t = jvp(grad(func, tuple(range(len(xs)))), xs, ts)
    return t[0] if single else t


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """(output, jvp_fn) of func at primals: jvp_fn(*tangents) applies the Jacobian without running func again.

    >>> import retrograd as rg
    >>> y, jvp_fn = rg.func.linearize(rg.sin, rg.zeros(2))
    >>> jvp_fn(rg.tensor([1.0, 3.0]))
    tensor([1., 3.])
    """
    pulled, spec, out_spec, _ = pullback(func, primals, False, "linearize")
    with _recorded():
        # v^T J is linear in v, and the transpose of that map is J
        us = [wrap(level_up(zeros_like(o._data), [o, *map(wrap, pulled.like)])) for o in pulled.outs]
        for u in us:
            if u._dtype.kind in "fc":
                u.requires_grad_()
        rows = pulled.pull(us, create_graph=True)
    edges = [u._node for u in us]

    def jvp_fn(*tangents: Any) -> Any:
        like = tree_unflatten([wrap(a) for a in pulled.like], spec)
        _, ts, _ = _pairs(like, tangents, "jvp_fn")
        record = recording() and (pulled.foreign or any(t._node is not None for t in ts))
        pairs = [(r._node, t) for r, t in zip(rows, ts, strict=True) if r._node is not None]
        wanted: dict[Any, Any] = {n: None for n in edges if n is not None}
        if pairs:
            Pass(record, True, wanted, False).run([n for n, _ in pairs], [t if record else t._data for _, t in pairs])
        found = []
        for n, u in zip(edges, us, strict=True):
            g = None if n is None else wanted[n]
            found.append(
                wrap(zeros_like(u._data))
                if g is None
                else g
                if isinstance(g, TensorBase)
                else wrap(np.asarray(g) if isinstance(g, np.generic) else g)
            )
        return tree_unflatten(found, out_spec)

    return tree_unflatten(pulled.results(), out_spec), jvp_fn
