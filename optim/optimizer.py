"""The base class of all optimizers: parameter groups, state, hooks, and state dictionaries in PyTorch's layout.

Algorithms are pure functions over arrays (`sgd_update`, `adam_update`); the classes hold the state that those need.
"""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, overload

from ..autograd import Tensor
from ..autograd.dlpack import from_dlpack
from ..autograd.dtypes import float32
from ..autograd.hooks import RemovableHandle

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]

ParamsT = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
StateDict = dict[str, Any]

_global_pre_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()
_global_post_hooks: OrderedDict[int, Callable[..., Any]] = OrderedDict()

_HOOK_TABLES = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)

# State of which there is one number for a parameter.
HOST = ("step", "eta", "mu", "mu_product")


class _Required:
    """Stands for a default that every parameter group must give itself."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()


def register_optimizer_step_pre_hook(hook: Callable[[Optimizer, tuple, dict], Any]) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before every step of every optimizer; it may return new (args, kwargs)."""
    return _add(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable[[Optimizer, tuple, dict], None]) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after every step of every optimizer."""
    return _add(_global_post_hooks, hook)


def _add(table: OrderedDict[int, Any], hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` of a subclass, surrounded by the hooks; inner calls (`super().step()`) run them no second time."""

    @functools.wraps(step)
    def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if self._stepping:
            return step(self, *args, **kwargs)
        self._stepping = True
        self._opt_called = True
        try:
            if _global_pre_hooks or self._optimizer_step_pre_hooks:
                for hook in chain(_global_pre_hooks.values(), self._optimizer_step_pre_hooks.values()):
                    # as in PyTorch, hooks see the positional arguments with the optimizer first
                    changed = hook(self, (self, *args), kwargs)
                    if changed is None:
                        continue
                    if not (isinstance(changed, tuple) and len(changed) == 2):
                        raise RuntimeError(
                            f"{type(self).__name__}.step: a step pre-hook must return None or a tuple "
                            f"(new_args, new_kwargs), but it returned {changed!r}"
                        )
                    (_, *args), kwargs = changed  # type: ignore[assignment]
            out = step(self, *args, **kwargs)
            if _global_post_hooks or self._optimizer_step_post_hooks:
                for hook in chain(self._optimizer_step_post_hooks.values(), _global_post_hooks.values()):
                    hook(self, (self, *args), kwargs)
            return out
        finally:
            self._stepping = False

    return hooked


class Optimizer:
    """Base class of all optimizers.

    params: an iterable of tensors, of (name, tensor) pairs (`model.named_parameters()`), or of dictionaries that define
    parameter groups, each with its own options; an ordered collection, so that runs repeat. defaults: the options of a
    group that does not give them.

    A subclass implements `step(closure=None)`. Its state lives in `self.state[param]`, a dictionary per parameter.

    Raises TypeError when params is a tensor, ValueError when it is empty.

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.zeros(2))
    >>> opt = rg.optim.SGD([w], lr=0.1)
    >>> w.grad = rg.ones(2)
    >>> opt.step()
    >>> w.tolist() == rg.full((2,), -0.1).tolist()
    True
    """

    state: defaultdict[Any, Any]
    param_groups: list[dict[str, Any]]
    defaults: dict[str, Any]

    _optimizer_step_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _optimizer_step_post_hooks: OrderedDict[int, Callable[..., Any]]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Callable[..., Any]]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Callable[..., Any]]

    _stepping = False  # inside `step`, so that hooks run once however many classes implement it
    _opt_called = False  # whether `step` was ever called; schedulers warn if not

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        for table in _HOOK_TABLES:
            self.__dict__[table] = OrderedDict()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"{type(params).__name__}; put it into a list"
            )
        self.state = defaultdict(dict)
        self.param_groups = []
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __getstate__(self) -> StateDict:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: StateDict) -> None:
        self.__dict__.update(state)
        for table in _HOOK_TABLES:
            self.__dict__.setdefault(table, OrderedDict())
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            for key in sorted(group):
                if key != "params":
                    text += f"    {key}: {group[key]}\n"
        return text + ")"

    # ------------------------------------------------------------ groups
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group: a dictionary with "params" (a tensor, tensors, or (name, tensor) pairs) and options.

        Options that are missing take the optimizer's defaults. Useful to unfreeze layers while training goes on.

        Raises TypeError for a set or for what is no tensor; ValueError for a tensor that is no leaf, that is in another
        group already, or when only some parameters or groups have names.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, (set, frozenset)):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in "
                "sets will change between runs. Please use a list instead."
            )
        else:
            params = list(params)
        names = [p[0] for p in params if isinstance(p, tuple)]
        if names:
            if len(names) != len(params):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            param_group["param_names"] = names
            params = [p[1] for p in params]
        param_group["params"] = params

        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)

        here = {id(p) for p in params}
        if len(here) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; each is updated once per occurrence; "
                "pass every parameter once",
                stacklevel=3,
            )
        for group in self.param_groups:
            if ("param_names" in param_group) != ("param_names" in group):
                given = "with names" if "param_names" in param_group else "without names"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {given} to the optimizer"
                )
            if not here.isdisjoint(id(p) for p in group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    # ------------------------------------------------------------ the loop
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters: `.grad` becomes None, or zeros with `set_to_none=False`."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None  # what the property does for None, in a sixth of its time
                    continue
                grad = p.grad
                if grad is None:
                    continue
                if grad.grad_fn is not None:
                    grad.detach_()
                else:
                    grad.requires_grad_(False)
                grad.zero_()

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], Any]) -> Any: ...
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters once; `closure`, if given, recomputes the loss and gradients, and its loss is returned.

        Parameters whose `.grad` is None are left alone.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement step()")

    # ------------------------------------------------------------ state dictionaries
    def state_dict(self) -> StateDict:
        """The state as a dictionary in PyTorch's layout; the tensors in it are the optimizer's own, not copies.

        `{"state": {index: {name: value}}, "param_groups": [{option: value, "params": [indices]}]}`, where parameters
        are numbered through all groups.
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        number: dict[int, int] = {}
        start = 0
        packed_groups = []
        for group in self.param_groups:
            for i, p in enumerate(group["params"], start):
                number.setdefault(id(p), i)
            packed = {k: v for k, v in group.items() if k != "params"}
            packed["params"] = [number[id(p)] for p in group["params"]]
            start += len(group["params"])
            packed_groups.append(packed)
        state = {(number[id(k)] if isinstance(k, Tensor) else k): v for k, v in self.state.items()}
        found: StateDict = {"state": state, "param_groups": packed_groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            found = _or(hook(self, found), found)
        return found

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Restore what `state_dict` returned; tensors are copied, with the dtype and device of their parameter.

        Parameters are matched by their order in the groups, as in PyTorch. Make schedulers before this call: making
        one sets the learning rate anew.

        Raises ValueError when the number of groups, or of parameters in a group, differs.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = _or(hook(self, state_dict), state_dict)
        groups = self.param_groups
        saved = [{k: _plain(v) for k, v in group.items()} for group in deepcopy(state_dict["param_groups"])]
        if len(groups) != len(saved):
            raise ValueError(
                f"loaded state dict has a different number of parameter groups: {len(saved)} in the state dict, "
                f"{len(groups)} in the optimizer"
            )
        for i, (group, old) in enumerate(zip(groups, saved, strict=True)):
            if len(group["params"]) != len(old["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                    f"group {i} has {len(old['params'])} parameters in the state dict, {len(group['params'])} here"
                )
        param_of: dict[Any, tuple[Tensor, StateDict]] = {}
        for group, old in zip(groups, saved, strict=True):
            param_of.update((key, (p, old)) for key, p in zip(old["params"], group["params"], strict=True))

        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in param_of:
                param, group = param_of[key]
                state[param] = _adopt(value, param, group)
            else:
                state[key] = value
        for group, old in zip(groups, saved, strict=True):
            old["params"] = group["params"]
            if "param_names" in group:
                old.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # ------------------------------------------------------------ hooks
    def register_step_pre_hook(self, hook: Callable[[Optimizer, tuple, dict], Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return new (args, kwargs)."""
        return _add(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[[Optimizer, tuple, dict], None]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return _add(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable[[Optimizer], None], prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`; first of all such hooks if `prepend`."""
        return _add(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[[Optimizer, StateDict], StateDict | None], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; it may change the dictionary or return another."""
        return _add(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[[Optimizer, StateDict], StateDict | None], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading, with a shallow copy; it may return another dictionary."""
        return _add(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[[Optimizer], None], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after `load_state_dict` has loaded."""
        return _add(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _adopt(value: Any, param: Tensor, group: StateDict, key: Any = None) -> Any:
    """A deep copy of a state value, its tensors on the parameter's device and, where it is floating point, its dtype.

    Numbers of which there is one for a parameter (HOST) keep their dtype, so that the run goes on exactly, and stay on
    the host, where the scalar arithmetic happens. Tensors of other libraries become ours.
    """
    if not isinstance(value, Tensor) and hasattr(value, "__dlpack__") and hasattr(value, "detach"):
        value = from_dlpack(value.detach())
    if isinstance(value, Tensor):
        value = value.detach().clone()
        if key in HOST:
            return value.to("cpu", float32) if group.get("fused") else value.to("cpu")
        return value.to(param.device, param.dtype) if param.is_floating_point() else value.to(param.device)
    if isinstance(value, dict):
        return {k: _adopt(v, param, group, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)(_adopt(v, param, group, key) for v in value)  # type: ignore[call-arg]
    return value


def _plain(value: Any) -> Any:
    """An option of a group: a tensor of another library becomes ours."""
    foreign = not isinstance(value, Tensor) and hasattr(value, "__dlpack__") and hasattr(value, "detach")
    if foreign:
        return from_dlpack(value.detach()).clone()
    return type(value)(_plain(v) for v in value) if type(value) in (list, tuple) else value
