"""Hooks: what runs before and after a module's forward and backward, on one module or on all of them."""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...autograd import Function, Tensor
from ...autograd import hooks as tensor_hooks
from ...autograd.grad_mode import is_grad_enabled

if TYPE_CHECKING:
    from .module import Module

__all__ = [
    "HookMethods", "RemovableHandle", "call_with_hooks", "register_module_backward_hook",
    "register_module_buffer_registration_hook", "register_module_forward_hook", "register_module_forward_pre_hook",
    "register_module_full_backward_hook", "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook", "register_module_parameter_registration_hook",
]  # fmt: skip

Hook = Callable[..., Any]


class RemovableHandle(tensor_hooks.RemovableHandle):
    """What registering a hook returns: `remove()` takes the hook away, and so does leaving a `with` block.

    >>> import retrograd as rg
    >>> net = rg.nn.Linear(2, 2)
    >>> with net.register_forward_hook(lambda module, args, out: print(tuple(out.shape))):
    ...     _ = net(rg.zeros(3, 2))
    (3, 2)
    """

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        super().__init__({})
        extra = () if extra_dict is None else extra_dict if isinstance(extra_dict, (list, tuple)) else (extra_dict,)
        # Weak: a handle that outlives its module keeps nothing of it alive.
        self._dicts = tuple(weakref.ref(d) for d in (hooks_dict, *extra))

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        for ref in self._dicts:
            hooks = ref()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self) -> tuple[Any, ...]:
        return (self.id, *(ref() for ref in self._dicts))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.id = state[0]
        self._dicts = tuple(weakref.ref(OrderedDict() if d is None else d) for d in state[1:])

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def _add(hooks: Any, hook: Hook, prepend: bool = False, *marks: tuple[Any, bool]) -> RemovableHandle:
    """Register `hook`; marks are (dictionary, wanted) pairs that flag it."""
    handle = RemovableHandle(hooks, extra_dict=[d for d, _ in marks])
    hooks[handle.id] = hook
    for d, wanted in marks:
        if wanted:
            d[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


# ---------------------------------------------------------------- registration of parts
class _Registration:
    """Hooks on the registration of one kind of part; a hook may return what to register instead."""

    def __init__(self) -> None:
        self.hooks: OrderedDict[int, Hook] = OrderedDict()

    def run(self, module: Any, name: str, value: Any) -> Any:
        for hook in tuple(self.hooks.values()):
            out = hook(module, name, value)
            if out is not None:
                value = out
        return value


on_buffer, on_module, on_parameter = _Registration(), _Registration(), _Registration()


def register_module_buffer_registration_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, name, buffer)` whenever any module registers a buffer; what it returns is registered."""
    return _add(on_buffer.hooks, hook)


def register_module_module_registration_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, name, child)` whenever any module registers a child; what it returns is registered."""
    return _add(on_module.hooks, hook)


def register_module_parameter_registration_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, name, parameter)` whenever any module registers a parameter; its result is registered."""
    return _add(on_parameter.hooks, hook)


# ---------------------------------------------------------------- calls of any module
all_backward_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
all_backward_hooks: OrderedDict[int, Hook] = OrderedDict()
all_forward_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
all_forward_hooks: OrderedDict[int, Hook] = OrderedDict()
_all_with_kwargs: OrderedDict[int, bool] = OrderedDict()
_all_always_called: OrderedDict[int, bool] = OrderedDict()


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module; it may return new args."""
    return _add(all_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module; it may return another output.

    with_kwargs: `hook(module, args, kwargs, output)`. always_call: also when forward raises (output is then None).
    """
    return _add(all_forward_hooks, hook, False, (_all_with_kwargs, with_kwargs), (_all_always_called, always_call))


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, grad_output)` before the backward of every module; it may return another grad_output."""
    return _add(all_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` in every module's backward; it may return another grad_input."""
    return _add(all_backward_hooks, hook)


def register_module_backward_hook(hook: Hook) -> RemovableHandle:
    """Alias of `register_module_full_backward_hook`: the partial hooks that PyTorch deprecates do not exist here."""
    return register_module_full_backward_hook(hook)


class HookMethods:
    """The part of `Module` that registers hooks."""

    _forward_hooks: OrderedDict[int, Hook]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Hook]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]
    _backward_hooks: OrderedDict[int, Hook]
    _backward_pre_hooks: OrderedDict[int, Hook]

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; None keeps the arguments, anything else replaces them.

        with_kwargs: the hook is `hook(module, args, kwargs)` and returns None or (args, kwargs). prepend: before the
        hooks that are already there.
        """
        return _add(self._forward_pre_hooks, hook, prepend, (self._forward_pre_hooks_with_kwargs, with_kwargs))

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; None keeps the output, anything else replaces it.

        with_kwargs: the hook is `hook(module, args, kwargs, output)`. always_call: it runs even when forward raises,
        with the output as far as it got (None). prepend: before the hooks that are already there.

        >>> import retrograd as rg
        >>> net = rg.nn.Identity()
        >>> handle = net.register_forward_hook(lambda module, args, out: out + 1)
        >>> net(rg.zeros(2))
        tensor([1., 1.])
        >>> handle.remove()
        """
        marks = (self._forward_hooks_with_kwargs, with_kwargs), (self._forward_hooks_always_called, always_call)
        return _add(self._forward_hooks, hook, prepend, *marks)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the module's backward; it may return another grad_output.

        grad_output is a tuple with one gradient (or None) for each output of forward.
        """
        return _add(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the module's inputs are known.

        grad_input and grad_output are tuples, one entry for each positional argument and each output; entries of
        what is no tensor, or needs no gradient, are None. A returned tuple replaces grad_input.

        >>> import retrograd as rg
        >>> net = rg.nn.Linear(2, 1)
        >>> handle = net.register_full_backward_hook(lambda module, gx, gy: print(len(gx), len(gy)))
        >>> net(rg.zeros(3, 2, requires_grad=True)).sum().backward()
        1 1
        """
        return _add(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """Alias of `register_full_backward_hook`: the partial hooks that PyTorch deprecates do not exist here."""
        return self.register_full_backward_hook(hook)


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """forward, surrounded by whatever hooks there are."""
    result: Any = None
    called: set[int] = set()
    try:
        args, kwargs = _before(module, args, kwargs)
        boundary = None
        hooks = [*all_backward_hooks.values(), *module._backward_hooks.values()]
        pre_hooks = [*all_backward_pre_hooks.values(), *module._backward_pre_hooks.values()]
        if hooks or pre_hooks:
            boundary = _Boundary(module, hooks, pre_hooks)
            args = boundary.enter(args)
        result = module.forward(*args, **kwargs)
        for key, hook in (*all_forward_hooks.items(), *module._forward_hooks.items()):
            called.add(key)
            out = _call_forward_hook(module, key, hook, args, kwargs, result)
            if out is not None:
                result = out
        if boundary is not None:
            if not isinstance(result, (Tensor, tuple)):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but "
                    f"received {type(result)}",
                    stacklevel=3,
                )
            result = boundary.leave(result)
        return result
    except Exception:
        _after_error(module, args, kwargs, result, called)
        raise


def _before(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    with_kwargs = module._forward_pre_hooks_with_kwargs
    for key, hook in (*all_forward_pre_hooks.items(), *module._forward_pre_hooks.items()):
        if key in with_kwargs:
            out = hook(module, args, kwargs)
            if out is not None:
                if not (isinstance(out, tuple) and len(out) == 2):
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {out}."
                    )
                args, kwargs = out
        else:
            out = hook(module, args)
            if out is not None:
                args = out if isinstance(out, tuple) else (out,)
    return args, kwargs


def _call_forward_hook(module: Any, key: int, hook: Hook, args: Any, kwargs: Any, result: Any) -> Any:
    if key in module._forward_hooks_with_kwargs or key in _all_with_kwargs:
        return hook(module, args, kwargs, result)
    return hook(module, args, result)


def _after_error(module: Any, args: Any, kwargs: Any, result: Any, called: set[int]) -> None:
    """The hooks registered with always_call, when forward or another hook has raised."""
    for key, hook in (*all_forward_hooks.items(), *module._forward_hooks.items()):
        if key in called or not (key in _all_always_called or key in module._forward_hooks_always_called):
            continue
        try:
            out = _call_forward_hook(module, key, hook, args, kwargs, result)
            if out is not None:
                result = out
        except Exception as e:  # the first error is the one to report
            warnings.warn(
                "module forward hook with ``always_call=True`` raised an exception that was silenced as another error "
                f"was raised in forward: {e}",
                stacklevel=4,
            )


# ---------------------------------------------------------------- backward
class _Crossing(Function):
    """Identity of several tensors at once, whose backward asks `callback(gradients)` what to pass on."""

    @staticmethod
    def forward(ctx: Any, callback: Any, *xs: Any) -> Any:
        ctx.callback = callback
        # Copies: were the memory shared, a module that works in place would change its caller's tensor behind the
        # graph's back.
        return tuple(x.clone() for x in xs)

    @staticmethod
    def backward(ctx: Any, *gs: Any) -> Any:
        return (None, *ctx.callback(gs))


class _Boundary:
    """One call of a module with backward hooks: its inputs and its outputs each pass through one `_Crossing`."""

    def __init__(self, module: Any, hooks: Sequence[Hook], pre_hooks: Sequence[Hook]) -> None:
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_output: tuple[Any, ...] | None = None
        self.at_input: list[int] | None = None
        self.n_inputs = 0

    def _cross(self, values: tuple[Any, ...], callback: Callable[[Any], Any]) -> tuple[Any, list[int] | None]:
        """Send the tensors that need a gradient through one crossing; which ones those were."""
        at = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
        if not at or not is_grad_enabled():
            return values, None
        out = list(values)
        for i, t in zip(at, _Crossing.apply(callback, *(values[i] for i in at)), strict=True):
            out[i] = t
        return (tuple(out) if type(values) is tuple else type(values)(*out)), at

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.n_inputs = len(args)
        args, self.at_input = self._cross(args, self._input_known)
        return args

    def leave(self, result: Any) -> Any:
        values = result if isinstance(result, tuple) else (result,)
        at: list[int] | None = None

        def callback(gs: tuple[Any, ...]) -> tuple[Any, ...]:
            assert at is not None
            return self._output_known(gs, at, len(values))

        values, at = self._cross(values, callback)
        return values if isinstance(result, tuple) else values[0]

    def _output_known(self, gs: tuple[Any, ...], at: list[int], n: int) -> tuple[Any, ...]:
        grads = _spread(gs, at, n)
        for hook in self.pre_hooks:
            new = hook(self.module, grads)
            if new is not None:
                new = new if isinstance(new, tuple) else (new,)
                if len(new) != n:
                    raise RuntimeError(
                        f"Backward pre hook returned an invalid number of grad_output, got {len(new)}, but expected {n}"
                    )
                grads = new
        if self.at_input is not None:
            self.grad_output = grads
        elif self.hooks:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module outputs since no "
                f"inputs of {type(self.module).__name__} require gradients; every grad_input is None.",
                stacklevel=2,
            )
            for hook in self.hooks:
                out = hook(self.module, (None,) * self.n_inputs, grads)
                if out is not None and not (isinstance(out, tuple) and all(g is None for g in out)):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should always return None or None "
                        "for all gradients."
                    )
        return tuple(grads[i] for i in at)

    def _input_known(self, gs: tuple[Any, ...]) -> tuple[Any, ...]:
        given, self.grad_output = self.grad_output, None
        if given is None:
            return gs  # the gradient came round the outputs, as it does in a double backward
        assert self.at_input is not None
        grads = _spread(gs, self.at_input, self.n_inputs)
        for hook in self.hooks:
            out = hook(self.module, grads, given)
            if out is not None:
                out = out if isinstance(out, tuple) else (out,)
                if len(out) != self.n_inputs:
                    raise RuntimeError(
                        "Backward hook returned an invalid number of grad_input, "
                        f"got {len(out)}, but expected {self.n_inputs}"
                    )
                grads = out
        return tuple(grads[i] for i in self.at_input)


def _spread(gs: tuple[Any, ...], at: list[int], n: int) -> tuple[Any, ...]:
    """The gradients at their places among n arguments; None elsewhere."""
    out: list[Any] = [None] * n
    for i, g in zip(at, gs, strict=True):
        out[i] = g
    return tuple(out)
