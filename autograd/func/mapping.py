"""vmap: a function of one sample as a function of a batch of them, without a loop where the operations have rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import TensorBase, wrap
from ..lifted import Batched, Dual, Level, Lifted, levels_of
from ..lifting import batch_p, lift_p, unbatch_p
from ..pytree import TreeSpec, broadcast_prefix, tree_flatten, tree_unflatten
from .reverse import _named

__all__ = ["debug_unwrap", "functionalize", "vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that maps func over a dimension of its arguments, all samples at once.

    in_dims: which dimension of each argument holds the samples (None: the argument is the same for all), an int or a
    structure that fits the arguments; out_dims: where the results get them. Operations on batched tensors run by rules
    for the whole batch; those without a rule run sample by sample inside the operation, with the same result. Keyword
    arguments are not mapped. chunk_size: how many samples at a time (None: all).

    randomness: "error" (random operations raise), "different" (each sample its own numbers) or "same". Data-dependent
    control flow (`if`, `.item()`, boolean masks that select) raises a RuntimeError: use `where`. An in-place write of a
    batched value into a tensor that is not batched raises too.

    >>> import retrograd as rg
    >>> rg.vmap(rg.dot)(rg.tensor([[1.0, 2.0], [3.0, 4.0]]), rg.ones(2, 2))
    tensor([3., 7.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"vmap: randomness must be 'error', 'different' or 'same', got {randomness!r}")
    if chunk_size is not None and (type(chunk_size) is not int or chunk_size <= 0):
        raise ValueError(f"vmap: chunk_size must be a positive int or None, got {chunk_size!r}")

    def transformed(*args: Any, **kwargs: Any) -> Any:
        leaves, dims, spec, n = _inputs(in_dims, args, func)
        if chunk_size is None or n <= chunk_size:
            return _run(func, leaves, dims, spec, n, out_dims, randomness, kwargs)
        found = []
        for start in range(0, n, chunk_size):
            stop = min(start + chunk_size, n)
            part = [x if d is None else x.narrow(d, start, stop - start) for x, d in zip(leaves, dims, strict=True)]
            found.append(_run(func, part, dims, spec, stop - start, out_dims, randomness, kwargs))
        return _concatenated(found, out_dims)

    return _named(transformed, func)


def _name(func: Any) -> str:
    return getattr(func, "__name__", repr(func))


def _inputs(in_dims: Any, args: tuple[Any, ...], func: Any) -> tuple[list[Any], list[Any], TreeSpec, int]:
    """The leaves of the arguments, the mapped dimension of each, the structure, and the number of samples."""
    if not isinstance(in_dims, (int, tuple)) or isinstance(in_dims, bool):
        if not (isinstance(in_dims, list) and args):
            raise ValueError(
                f"vmap({_name(func)}, in_dims={in_dims}): in_dims must be an int or a (nested) tuple that matches the "
                f"structure of the inputs, got {type(in_dims).__name__}"
            )
    if not args:
        raise ValueError(f"vmap({_name(func)})(): there are no arguments to map over")
    leaves, spec = tree_flatten(args)
    dims = broadcast_prefix(in_dims, spec, lambda d: d is None)
    if dims is None:
        raise ValueError(
            f"vmap({_name(func)}, in_dims={in_dims}): in_dims does not fit the structure of the {len(args)} inputs ({spec!r})"
        )
    found = []
    for x, d in zip(leaves, dims, strict=True):
        if d is None:
            found.append(None)
            continue
        if type(d) is not int:
            raise ValueError(f"vmap({_name(func)}, in_dims={in_dims}): in_dims holds {d!r}; ints and None are expected")
        if not isinstance(x, TensorBase):
            raise ValueError(
                f"vmap({_name(func)}, in_dims={in_dims}): an input of type {type(x).__name__} cannot be mapped over; give it "
                "None in in_dims"
            )
        if not -len(x._shape) <= d < len(x._shape):
            raise ValueError(
                f"vmap({_name(func)}, in_dims={in_dims}): in_dim {d} does not exist in a tensor with {len(x._shape)} "
                f"dimensions (shape {tuple(x._shape)})"
            )
        found.append(d % len(x._shape))
    sizes = {x._shape[d] for x, d in zip(leaves, found, strict=True) if d is not None}
    if not sizes:
        raise ValueError(f"vmap({_name(func)}, in_dims={in_dims}): at least one input must be mapped (in_dim not None)")
    if len(sizes) > 1:
        shapes = [tuple(x._shape) for x, d in zip(leaves, found, strict=True) if d is not None]
        raise ValueError(
            f"vmap({_name(func)}, in_dims={in_dims}): the mapped dimensions differ in size: {sorted(sizes)} (shapes {shapes})"
        )
    return leaves, found, spec, sizes.pop()


def _run(
    func: Any, leaves: list[Any], dims: list[Any], spec: TreeSpec, n: int, out_dims: Any, randomness: str, kwargs: Any
) -> Any:
    level = Level(Batched, n, randomness)
    with level:
        batched = [x if d is None else batch_p(x, level, d) for x, d in zip(leaves, dims, strict=True)]
        out = func(*tree_unflatten(batched, spec), **kwargs)
        outs, out_spec = tree_flatten(out)
        for o in outs:
            if not isinstance(o, TensorBase):
                raise ValueError(f"vmap({_name(func)}): the function must return Tensors only, got {type(o).__name__}")
        targets = _out_dims(out_dims, out_spec, func)
        results = [_leave(o, level, d, func) for o, d in zip(outs, targets, strict=True)]
    return tree_unflatten(results, out_spec)


def _out_dims(out_dims: Any, spec: TreeSpec, func: Any) -> list[Any]:
    if not isinstance(out_dims, (int, tuple, list, dict)) and out_dims is not None or isinstance(out_dims, bool):
        raise ValueError(f"vmap({_name(func)}): out_dims must be an int, None or a structure of them, got {out_dims!r}")
    found = broadcast_prefix(out_dims, spec, lambda d: d is None)
    if found is None and isinstance(out_dims, (tuple, list)) and len(out_dims) == 1 and spec.kind is None:
        found = list(out_dims)
    if found is None:
        raise ValueError(
            f"vmap({_name(func)}): out_dims={out_dims} does not fit the structure of the output ({spec!r})"
        )
    if any(d is not None and type(d) is not int for d in found):
        raise ValueError(f"vmap({_name(func)}): out_dims={out_dims} must hold ints and None only")
    return found


def _leave(o: Any, level: Level, d: Any, func: Any) -> Any:
    inside = isinstance(o._data, Lifted) and level in levels_of(o._data)
    if d is None:
        if inside:
            raise ValueError(f"vmap({_name(func)}): out_dims has None for an output that differs from sample to sample")
        return o
    rank = len(o._shape) + 1
    if not -rank <= d < rank:
        raise IndexError(
            f"vmap({_name(func)}): out_dim {d} is out of range for an output of shape {tuple(o._shape)} (expected {-rank} to "
            f"{rank - 1})"
        )
    if not inside and o._node is not None:
        o = lift_p(o, (level,), False)
    return unbatch_p(o, level, d % rank)


def _concatenated(found: list[Any], out_dims: Any) -> Any:
    from ..ops.join import cat

    flat, spec = tree_flatten(found[0])
    dims = broadcast_prefix(out_dims, spec, lambda d: d is None) or [out_dims[0]] * len(flat)
    columns = zip(*(tree_flatten(f)[0] for f in found), strict=True)
    return tree_unflatten([c[0] if d is None else cat(list(c), d) for c, d in zip(columns, dims, strict=True)], spec)


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """func itself: transforms follow views and in-place writes as they are, so nothing has to be removed from it.

    >>> import retrograd as rg
    >>> rg.func.functionalize(rg.sin) is rg.sin
    True
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(f"functionalize: remove must be 'mutations' or 'mutations_and_views', got {remove!r}")
    return func


def debug_unwrap(tensor: Any, *, recurse: bool = True) -> Any:
    """What is below a tensor inside transforms, for debugging: all samples of a batched one, the value of a dual one.

    recurse: through all levels, else the youngest only. A tensor outside transforms is returned as it is.

    >>> import retrograd as rg
    >>> def f(x):
    ...     print(rg.func.debug_unwrap(x))
    ...     return x
    >>> _ = rg.vmap(f)(rg.tensor([1, 2]))
    tensor([1, 2])
    """
    a = tensor._data
    if not isinstance(a, Lifted):
        return tensor
    while isinstance(a, Lifted):
        a = a.primal if isinstance(a, Dual) else a.value
        if not recurse:
            break
    return wrap(a)
