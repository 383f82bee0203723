"""Modules as functions of their parameters: functional_call and stack_module_state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import TensorBase

__all__ = ["functional_call", "stack_module_state"]


def _slots(module: Any) -> dict[str, tuple[dict[str, Any], str]]:
    """Every parameter and buffer by its full name: the dictionary that holds it, and its key there."""
    found = {}
    for prefix, m in module.named_modules(remove_duplicate=False):
        for table in (m._parameters, m._buffers):
            for key, v in table.items():
                if v is not None:
                    found[f"{prefix}.{key}" if prefix else key] = (table, key)
    return found


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: dict[str, Any] | Sequence[dict[str, Any]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with its parameters and buffers replaced by those of a dictionary (or several), for this call only.

    args: a tuple of arguments, or a single one. tie_weights: a replacement of one of several names of the same tensor
    replaces it under all of them. strict: every name must be given, and no other (RuntimeError). In-place changes of
    buffers are made in the dictionary's tensors.

    >>> import retrograd as rg
    >>> m = rg.nn.Linear(2, 1)
    >>> rg.func.functional_call(m, {"weight": rg.ones(1, 2), "bias": rg.zeros(1)}, rg.tensor([1.0, 2.0])).tolist()
    [3.0]
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        given = dict(parameter_and_buffer_dicts)
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        if not all(isinstance(d, dict) for d in parameter_and_buffer_dicts):
            raise ValueError("functional_call: all elements of parameter_and_buffer_dicts must be dictionaries")
        names = [k for d in parameter_and_buffer_dicts for k in d]
        repeated = sorted({k for k in names if names.count(k) > 1})
        if repeated:
            raise ValueError(
                f"functional_call: {', '.join(repeated)} appear in more than one dictionary; values are ambiguous"
            )
        given = {k: v for d in parameter_and_buffer_dicts for k, v in d.items()}
    else:
        raise ValueError(
            "functional_call: parameter_and_buffer_dicts must be a dictionary or a sequence of them, got "
            f"{type(parameter_and_buffer_dicts).__name__}"
        )
    for k, v in given.items():
        if not isinstance(v, TensorBase):
            raise TypeError(f"functional_call: {k} must be a Tensor, got {type(v).__name__}")
    slots = _slots(module)
    unexpected = [k for k in given if k not in slots]
    if unexpected and strict or any(not _reachable(module, k) for k in unexpected):
        raise RuntimeError(
            f"functional_call: {type(module).__name__} has no parameter or buffer {', '.join(sorted(unexpected))}; it has "
            f"{', '.join(sorted(slots)) or 'none'}"
        )
    if tie_weights:
        given = _tied(slots, given)
    missing = [k for k in slots if k not in given]
    if strict and missing:
        raise RuntimeError(f"functional_call: missing {', '.join(sorted(missing))} (strict=True)")
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    was = []
    try:
        for name, value in given.items():
            if name not in slots:
                holder, key = _reachable(module, name)
                was.append((holder._buffers, key, None))
                holder._buffers[key] = value
                continue
            table, key = slots[name]
            was.append((table, key, table[key]))
            table[key] = value
        return module(*args, **(kwargs or {}))
    finally:
        for table, key, old in reversed(was):
            if old is None:
                del table[key]
            else:
                table[key] = old


def _reachable(module: Any, name: str) -> Any:
    """(submodule, key) of a name that the module does not have yet, or None if there is no such submodule."""
    prefix, _, key = name.rpartition(".")
    holder = dict(module.named_modules()).get(prefix)
    return None if holder is None or hasattr(holder, key) else (holder, key)


def _tied(slots: dict[str, tuple[dict[str, Any], str]], given: dict[str, Any]) -> dict[str, Any]:
    """The replacements with those of the other names of the same tensors."""
    groups: dict[int, list[str]] = {}
    for name, (table, key) in slots.items():
        groups.setdefault(id(table[key]), []).append(name)
    full = dict(given)
    for names in groups.values():
        values = [given[k] for k in names if k in given]
        if len(names) < 2 or not values:
            continue
        if any(v is not values[0] for v in values):
            raise ValueError(
                f"functional_call: {', '.join(names)} are one tied tensor, but were given different values; pass "
                "tie_weights=False to untie them"
            )
        for k in names:
            full[k] = values[0]
    return full


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(parameters, buffers) of several modules of one kind, stacked along a new dimension 0, for vmap over an ensemble.

    The parameters are new leaves that require gradients where the modules' do. RuntimeError for no modules, for different
    classes, and for a mixture of training and evaluation mode.

    >>> import retrograd as rg
    >>> models = [rg.nn.Linear(2, 1) for _ in range(3)]
    >>> params, buffers = rg.func.stack_module_state(models)
    >>> f = lambda p, b, x: rg.func.functional_call(models[0], (p, b), x)
    >>> tuple(rg.vmap(f, in_dims=(0, 0, None))(params, buffers, rg.ones(4, 2)).shape)
    (3, 4, 1)
    """
    from ..ops.join import stack

    if len(models) == 0:
        raise RuntimeError("stack_module_state: expected at least one module, got none")
    if not (all(m.training for m in models) or all(not m.training for m in models)):
        raise RuntimeError(
            "stack_module_state: expected all modules in the same mode; call train() or eval() on all of them"
        )
    kind = type(models[0])
    if not all(type(m) is kind for m in models):
        raise RuntimeError("stack_module_state: expected modules of one class")

    def stacked(tables: list[dict[str, Any]], leaves: bool) -> dict[str, Any]:
        found = {}
        for k in tables[0]:
            values = [t[k] for t in tables]
            needs = leaves and values[0].requires_grad
            if any(v.requires_grad != values[0].requires_grad for v in values):
                raise RuntimeError(f"stack_module_state: {k} requires gradients in some of the modules only")
            found[k] = stack([v.detach() for v in values]).requires_grad_(needs)
        return found

    params = stacked([dict(m.named_parameters()) for m in models], True)
    return params, stacked([dict(m.named_buffers()) for m in models], False)
