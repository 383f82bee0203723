"""A module and the ReLU behind it as one operation: for containers, where nobody sees what lies between the two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...autograd.core import tls
from .module import Module, hooked, note

__all__ = ["apart", "relu_of", "together"]


def relu_of(forward: Any) -> Callable[[Any], Any]:
    """Mark a method as what computes relu of `forward`, the method of the same class: as long as that is its forward."""

    def mark(method: Any) -> Any:
        method.of = forward
        return method

    return mark


def apart(module: Module, follower: Module) -> bool:
    """Whether the two have to be called one after the other: they are no such pair, or a hook would see it."""
    kind, next_kind = type(module), type(follower)
    return (
        not getattr(next_kind.forward, "is_relu", False)
        or getattr(getattr(kind, "_rectified", None), "of", None) is not kind.forward
        or "forward" in module.__dict__
        or "forward" in follower.__dict__
        or hooked(module)
        or hooked(follower)
    )


def together(module: Any, input: Any) -> Any:
    """relu(module(input)); errors name the module, as those of a call."""
    s = tls.state
    was = s.module
    s.module = (was, module.__dict__.get("_ref") or module._make_ref())
    try:
        return module._rectified(input)
    except Exception as e:
        note(e, s.module, (input,))
        raise
    finally:
        s.module = was
