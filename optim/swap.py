"""An optimizer that works on other parameters and another state for a while."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..autograd import Tensor
from .optimizer import Optimizer

__all__ = ["swap_in_optimizer_params_and_state"]

WHO = "swap_in_optimizer_params_and_state"


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: Mapping[str, Tensor], swapin_optim_state: dict[str, Any]
) -> Iterator[None]:
    """Inside the block, `optimizer` has the given parameters and state; afterwards its own again.

    swapin_parameters: tensors by name, in the order of the optimizer's own. swapin_optim_state: a dictionary as
    `optimizer.state_dict()` returns; its tensors are written in place, anything else that the block changes in it is
    forgotten. The optimizer must have made a step already.

    Raises RuntimeError when groups, parameters or options do not match those of the optimizer.

    >>> import copy
    >>> import retrograd as rg
    >>> w, other = rg.nn.Parameter(rg.ones(1)), rg.nn.Parameter(rg.zeros(1))
    >>> opt = rg.optim.SGD([w], lr=0.5, momentum=0.5)
    >>> w.grad = other.grad = rg.ones(1)
    >>> opt.step()
    >>> with rg.optim.swap_in_optimizer_params_and_state(opt, {"w": other}, copy.deepcopy(opt.state_dict())):
    ...     opt.step()
    >>> w.item(), other.item()
    (0.5, -0.75)
    """
    swaps, state = _checked(optimizer, list(swapin_parameters.values()), swapin_optim_state)
    own_state = optimizer.state
    own_groups = [dict(group) for group in optimizer.param_groups]
    try:
        new_state: defaultdict[Any, Any] = defaultdict(dict)
        for group, (given, params) in zip(optimizer.param_groups, swaps, strict=True):
            for p, key in zip(params, given["params"], strict=True):
                new_state[p] = dict(state.get(key, {}))
            group.update(given)
            group["params"] = params
        optimizer.state = new_state
        yield
    finally:
        for group, own in zip(optimizer.param_groups, own_groups, strict=True):
            group.clear()
            group.update(own)
        optimizer.state = own_state


def _checked(optimizer: Optimizer, params: list[Tensor], given: Any) -> tuple[list[tuple[Any, Any]], dict[Any, Any]]:
    """([(group of the state dictionary, its parameters)], state by number)."""
    if not optimizer.state:
        raise RuntimeError(f"{WHO} requires initialized optimizer state; make a step before.")
    if not isinstance(given, dict):
        raise RuntimeError(f"{WHO} requires a dictionary as state_dict() returns, got {type(given).__name__}.")
    state, groups = given.get("state"), given.get("param_groups")
    if not isinstance(state, dict) or any(isinstance(k, Tensor) for k in state):
        raise RuntimeError(
            f"{WHO} requires swapin_optim_state['state'] to be a dict mapping packed parameter ids to per-param state "
            f"dicts, got {type(state).__name__}."
        )
    if any(isinstance(k, int) and not isinstance(v, dict) for k, v in state.items()):
        raise RuntimeError(f"{WHO} requires per-parameter optimizer state entries to be dictionaries.")
    if not isinstance(groups, list):
        raise RuntimeError(
            f"{WHO} requires swapin_optim_state['param_groups'] to be a list of param-group dicts, got "
            f"{type(groups).__name__}."
        )
    if len(groups) != len(optimizer.param_groups):
        raise RuntimeError("swapin_optim_state has a different number of parameter groups than the live optimizer.")
    swaps, start, known = [], 0, set()
    for i, (own, group) in enumerate(zip(optimizer.param_groups, groups, strict=True)):
        if not isinstance(group, dict):
            raise RuntimeError(f"{WHO} requires each optimizer param group to be a dictionary.")
        keys = group.get("params")
        if not isinstance(keys, list) or not all(isinstance(k, int) for k in keys):
            raise RuntimeError(
                f"{WHO} requires optimizer.state_dict()-style param_groups[*]['params'] entries keyed by packed "
                "parameter ids."
            )
        if len(keys) != len(own["params"]):
            raise RuntimeError(
                f"swapin_optim_state param group {i} has a different number of params than the live optimizer param "
                "group."
            )
        if group.keys() != own.keys():
            raise RuntimeError(
                f"{WHO} requires optimizer.state_dict()-style param group keys to exactly match the live optimizer "
                f"group keys for group {i}. Keys only in swap-in: {[k for k in group if k not in own]}. Keys only in "
                f"live: {[k for k in own if k not in group]}."
            )
        known.update(keys)
        swaps.append((group, params[start : start + len(keys)]))
        start += len(keys)
    if start != len(params):
        raise RuntimeError(
            f"{WHO} requires the explicit parameter state to match optimizer.param_groups ordering: {len(params)} "
            f"parameters are given, the optimizer has {start}."
        )
    extra = [k for k in state if k not in known]
    if extra:
        raise RuntimeError(
            f"{WHO} requires swapin_optim_state['state'] to be keyed only by packed parameter ids from "
            f"param_groups[*]['params']; got extra keys {extra!r}."
        )
    return swaps, state
