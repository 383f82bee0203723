"""`retrograd.jit`: decorators that return what they are given. There is no compiler; code runs as it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from .modules.module import Module

__all__ = [
    "Final", "ScriptFunction", "ScriptModule", "annotate", "export", "fork", "freeze", "ignore", "interface",
    "is_scripting", "is_tracing", "isinstance", "load", "optimize_for_inference", "save", "script", "script_if_tracing",
    "script_method", "trace", "trace_module", "unused", "wait",
]  # fmt: skip

F = TypeVar("F")
_is = isinstance


class ScriptModule(Module):
    """A plain Module: subclasses run uncompiled."""


class ScriptFunction:
    """The type of compiled functions in PyTorch; nothing here is an instance of it."""


class Final:
    """`x: Final[int]`: an annotation for the compiler, without effect."""

    def __class_getitem__(cls, item: Any) -> Any:
        return item


def script(
    obj: F,
    optimize: bool | None = None,
    _frames_up: int = 0,
    _rcb: Any = None,
    example_inputs: Any = None,
) -> F:
    """The function, class or module itself.

    >>> import retrograd as rg
    >>> rg.jit.script(abs)(-2)
    2
    """
    return obj


def trace(
    func: F,
    example_inputs: Any = None,
    optimize: bool | None = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    **rest: Any,
) -> F:
    """The function or module itself: unlike a recorded trace it still follows `if` and `for` at every call.

    >>> import retrograd as rg
    >>> rg.jit.trace(abs, (1,))(-2)
    2
    """
    return func


def trace_module(mod: F, inputs: Any = None, *args: Any, **kwargs: Any) -> F:
    """The module itself."""
    return mod


def _decorator(f: F) -> F:
    """The function itself: in PyTorch a mark for its compiler."""
    return f


export = script_method = script_if_tracing = interface = _decorator
_script_if_tracing = _overload = _overload_method = _decorator


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The function itself, as `@ignore` or `@ignore(drop=True)`."""
    return drop if callable(drop) else _decorator


def unused(fn: F) -> F:
    """The function itself."""
    return fn


def is_scripting() -> bool:
    """False: nothing is ever compiled."""
    return False


def is_tracing() -> bool:
    """False: nothing is ever traced."""
    return False


def annotate(the_type: Any, the_value: F) -> F:
    """The value; the type is for PyTorch's compiler."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Python's `isinstance`."""
    return _is(obj, target_type)


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run at once, and let `wait` hand the result over."""
    return _Done(func(*args, **kwargs))


def wait(future: Any) -> Any:
    """The result of `fork`."""
    return future.wait()


class _Done:
    def __init__(self, result: Any) -> None:
        self.result = result

    def wait(self) -> Any:
        return self.result


def freeze(mod: Module, preserved_attrs: Any = None, optimize_numerics: bool = True) -> Module:
    """The module itself, which must be in eval mode as in PyTorch."""
    if mod.training:
        raise RuntimeError("jit.freeze: the module is in training mode; call eval() first")
    return mod


def optimize_for_inference(mod: Module, other_methods: Any = None) -> Module:
    """The module itself."""
    return mod


def save(m: Any, f: Any, _extra_files: Any = None) -> NoReturn:
    """NotImplementedError: there is no compiled form to write."""
    raise NotImplementedError(
        "jit.save: there is no compiled form to write; use retrograd.save(module.state_dict(), path)"
    )


def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> NoReturn:
    """NotImplementedError: TorchScript archives hold compiled code."""
    raise NotImplementedError(
        "jit.load: TorchScript archives hold code that only PyTorch can run; build the module in Python, save its "
        "state_dict() in PyTorch with torch.save, and read that with retrograd.load"
    )
