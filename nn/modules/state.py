"""`state_dict` and `load_state_dict`: PyTorch's keys and hooks, a report of what matched, and all or nothing."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...autograd import Parameter
from ..parameter import is_lazy
from . import unregistered
from .hooks import RemovableHandle
from .loading import ASSIGN, SESSION, LoadReport, Session, as_source, misfit, name_keys, refuse, visit

if TYPE_CHECKING:
    from .module import Module

__all__ = ["StateMethods"]

EXTRA_STATE = "_extra_state"


class _InPlace:
    """A state_dict hook that must not return anything."""

    def __init__(self, hook: Callable[..., None]) -> None:
        self.hook = hook

    def __call__(self, *args: Any) -> None:
        if self.hook(*args) is not None:
            raise RuntimeError("state_dict post-hook must return None")


class _WithModule:
    """A pre-hook of loading that is given the module first."""

    def __init__(self, hook: Callable[..., None]) -> None:
        self.hook = hook

    def __call__(self, *args: Any) -> None:
        self.hook(*args)


class StateMethods:
    """The part of `Module` that saves and loads state."""

    _version: int = 1
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: OrderedDict[int, Callable[..., Any]]
    _state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_post_hooks: OrderedDict[int, Callable[..., Any]]

    # ------------------------------------------------------------ hooks
    def register_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before this module writes into a state_dict."""
        handle = RemovableHandle(self._state_dict_pre_hooks)
        self._state_dict_pre_hooks[handle.id] = hook
        return handle

    def register_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` afterwards; it may change the state_dict in place."""
        handle = RemovableHandle(self._state_dict_hooks)
        self._state_dict_hooks[handle.id] = _InPlace(hook)
        return handle

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """As `register_state_dict_post_hook`, but what the hook returns replaces the state_dict (of the root only)."""
        handle = RemovableHandle(self._state_dict_hooks)
        self._state_dict_hooks[handle.id] = hook
        return handle

    def register_load_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)`
        before this module looks into a state_dict; it may rename keys in place."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., None], with_module: bool = False
    ) -> RemovableHandle:
        handle = RemovableHandle(self._load_state_dict_pre_hooks)
        self._load_state_dict_pre_hooks[handle.id] = _WithModule(hook) if with_module else hook
        return handle

    def register_load_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after this module and its children were loaded.

        The hook may remove names from `incompatible_keys.missing_keys` and `.unexpected_keys` in place.
        """
        handle = RemovableHandle(self._load_state_dict_post_hooks)
        self._load_state_dict_post_hooks[handle.id] = hook
        return handle

    # ------------------------------------------------------------ extra state
    def get_extra_state(self) -> Any:
        """What else `state_dict()` shall hold, under the key `_extra_state`. Override with `set_extra_state`."""
        raise RuntimeError(f"{type(self).__name__}.get_extra_state is not defined; override it to save extra state")

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` returned."""
        raise RuntimeError(f"{type(self).__name__}.set_extra_state is not defined; override it to load extra state")

    # ------------------------------------------------------------ saving
    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Write this module's own parameters, persistent buffers and extra state; children write theirs."""
        for name, param in self._parameters.items():
            if param is not None:
                destination[prefix + name] = param if keep_vars else param.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if type(self).get_extra_state is not StateMethods.get_extra_state:
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """The parameters and persistent buffers by dotted name, sharing memory with the module.

        destination: a mapping to write into. prefix: put before every name. keep_vars: the tensors themselves
        instead of detached ones.

        >>> import retrograd as rg
        >>> list(rg.nn.Sequential(rg.nn.Linear(2, 3), rg.nn.BatchNorm1d(3, affine=False)).state_dict())
        ['0.weight', '0.bias', '1.running_mean', '1.running_var', '1.num_batches_tracked']
        """
        if args:
            warnings.warn(
                "state_dict: positional arguments are deprecated; name them (destination, prefix, keep_vars)",
                FutureWarning,
                stacklevel=2,
            )
            given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
            destination = given.get("destination") if destination is None else destination
            prefix = prefix or given.get("prefix", "")
            keep_vars = keep_vars or given.get("keep_vars", False)
        if destination is None:
            if unregistered.PENDING:
                unregistered.warn_below(self)
            destination = OrderedDict()
            destination._metadata = OrderedDict()  # type: ignore[attr-defined]
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            out = hook(self, destination, prefix, local_metadata)
            if out is not None:
                destination = out
        return destination

    # ------------------------------------------------------------ loading
    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take this module's own tensors from `state_dict`; children take theirs. May be overridden, as in PyTorch.

        Called by `load_state_dict`, it only plans the writes, which follow once the whole tree has been checked;
        called by itself, it writes at once.
        """
        session = local_metadata.get(SESSION)
        alone = session is None
        if alone:
            session = Session(bool(local_metadata.get(ASSIGN, False)))
        for hook in self._load_state_dict_pre_hooks.values():
            args = (state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
            hook(self, *args) if type(hook) is _WithModule else hook(*args)
        own = {k: v for k, v in self._parameters.items() if v is not None}
        lost = self._non_persistent_buffers_set
        own |= {k: v for k, v in self._buffers.items() if v is not None and k not in lost}
        for name, tensor in own.items():
            key = prefix + name
            lazy = is_lazy(tensor)
            counts = tensor.numel() if isinstance(tensor, Parameter) and not lazy else 0
            session.names.append(key)
            session.elements += counts
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            given = state_dict[key]
            value = as_source(given)
            if value is None:
                error_msgs.append(
                    f'While copying the parameter named "{key}", expected a Tensor or an array from checkpoint but '
                    f"received {type(given)}"
                )
                continue
            if lazy or is_lazy(value):
                if lazy and is_lazy(value):
                    session.matched.append(key)
                else:
                    error_msgs.append(
                        f'While copying the parameter named "{key}": it has a shape '
                        f"{'in the checkpoint only; call the model on a batch once' if lazy else 'in the model only'}."
                    )
                continue
            if tensor.ndim == 0 and tuple(value.shape) == (1,):
                value = value[0]  # PyTorch before 0.4 saved scalars so
            if tuple(value.shape) != tuple(tensor.shape):
                session.mismatched[key] = tuple(value.shape), tuple(tensor.shape)
                error_msgs.append(
                    f"size mismatch for {key}: copying a param with shape {tuple(value.shape)} from checkpoint, "
                    f"the shape in current model is {tuple(tensor.shape)}."
                )
                continue
            if given is tensor:
                continue  # filled in by the module itself, for a checkpoint that is too old to have it
            session.matched.append(key)
            session.loaded += counts
            session.write(self, name, tensor, value)
        self._plan_extra_state(state_dict, prefix, strict, missing_keys, unexpected_keys, session)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != prefix + EXTRA_STATE:
                    head, dot, _ = key[len(prefix) :].partition(".")
                    if head not in (self._modules if dot else own):
                        unexpected_keys.append(key)
        if alone and not error_msgs:
            session.commit()

    def _plan_extra_state(
        self, state: Any, prefix: str, strict: bool, missing: list[str], unexpected: list[str], session: Session
    ) -> None:
        key = prefix + EXTRA_STATE
        if type(self).set_extra_state is not StateMethods.set_extra_state:
            if key in state:
                session.extra(self, state[key])
            elif strict:
                missing.append(key)
        elif strict and key in state:
            unexpected.append(key)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> LoadReport:
        """Copy parameters and buffers from a mapping of dotted names to tensors or arrays; says what matched.

        strict: the names must be exactly this module's. assign: take the given tensors, with their dtype and device,
        instead of copying into the module's own. Everything is checked before anything is written.

        Raises RuntimeError (StateDictError) when names (strict) or shapes do not fit, and in any mode when nothing
        at all matches.

        >>> import retrograd as rg
        >>> net = rg.nn.Linear(2, 1)
        >>> net.load_state_dict({"weight": rg.ones(1, 2), "bias": rg.ones(1)})
        <All keys matched successfully>
        >>> state = {"module.weight": rg.ones(1, 2), "module.bias": rg.ones(1)}
        >>> try:
        ...     net.load_state_dict(state)
        ... except RuntimeError as error:
        ...     print(str(error).splitlines()[-1].strip())
        Every name has the prefix "module."; strip it: {k.removeprefix("module."): v for k, v in state.items()}
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        state: Any = OrderedDict(state_dict)  # hooks may rename keys in it
        if metadata is not None:
            state._metadata = metadata
        session = Session(assign)
        try:
            return self._load(state, strict, metadata, session, missing, unexpected, errors)
        except BaseException:
            session.dematerialize()
            raise

    def _load(
        self, state: Any, strict: bool, metadata: Any, session: Session,
        missing: list[str], unexpected: list[str], errors: list[str],
    ) -> LoadReport:  # fmt: skip
        visited: list[Module] = []
        visit(self, state, "", metadata, session, missing, unexpected, errors, visited)
        hooked = [m for m in visited if m._load_state_dict_post_hooks]
        if not errors and not hooked:
            refuse(self, session, strict, missing, unexpected, errors)
        elif errors and strict:
            name_keys(missing, unexpected, errors)
        if errors:
            raise misfit(self, session, session.report(missing, unexpected), errors)
        undo = session.backup() if hooked or session.extras else None
        try:
            session.commit()
            report = session.report(missing, unexpected)
            for module in hooked:
                for hook in module._load_state_dict_post_hooks.values():
                    if hook(module, report) is not None:
                        raise AssertionError(
                            "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return "
                            "new values, if incompatible_keys need to be modified, it should be done inplace."
                        )
            refuse(self, session, strict, missing, unexpected, errors)
            if errors:
                raise misfit(self, session, report, errors)
        except BaseException:
            if undo is not None:
                undo()
            raise
        return report
