"""Moving a module to another dtype or device."""

from __future__ import annotations

import builtins
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...autograd import Tensor, no_grad
from ...autograd.device import device as device_type
from ...autograd.dtypes import dtype as dtype_type
from ...autograd.ops.create import empty_like

if TYPE_CHECKING:
    from typing import Self

    from .module import Module

__all__ = ["Conversions", "parse_to"]


def parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool]:
    """(device, dtype, non_blocking) of the arguments of `to`: `to(device, dtype)`, `to(dtype)`, `to(tensor)`.

    memory_format is accepted and has no effect: it is a hint about layout, never about values.
    """
    kwargs.pop("memory_format", None)
    names = ["device", "dtype", "non_blocking"]
    if args and isinstance(args[0], Tensor) or "tensor" in kwargs:
        names = ["tensor", "non_blocking"]
    elif args and isinstance(args[0], dtype_type):
        names = ["dtype", "non_blocking"]
    if len(args) > len(names):
        raise TypeError(f"to: takes at most {len(names)} arguments here ({', '.join(names)}), got {len(args)}")
    given = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name in given:
            raise TypeError(f"to: got multiple values for argument '{name}'")
        if name not in names:
            raise TypeError(f"to: got an unexpected keyword argument '{name}'; expected one of {', '.join(names)}")
        given[name] = value
    other = given.get("tensor")
    if other is not None:
        return other.device, other.dtype, bool(given.get("non_blocking", False))
    device, dtype = given.get("device"), given.get("dtype")
    if device is not None and not isinstance(device, device_type):
        if not isinstance(device, (str, int)):
            raise TypeError(
                f"to: expected a device, a dtype or a tensor, got {type(device).__name__}; "
                "for example module.to('cuda'), module.to(retrograd.float64)"
            )
        device = device_type(device)
    if dtype is not None and not isinstance(dtype, dtype_type):
        raise TypeError(f"to: dtype must be a retrograd dtype such as retrograd.float64, got {type(dtype).__name__}")
    return device, dtype, bool(given.get("non_blocking", False))


class Conversions:
    """The part of `Module` that converts its tensors."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    children: Callable[[], Iterator[Module]]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace the data of every parameter (and its gradient) and every buffer by `fn` of it.

        Parameters stay the same objects, so optimizers made before keep working on them.
        """
        if recurse:
            for child in self.children():
                child._apply(fn)
        with no_grad():
            for param in self._parameters.values():
                if param is None:
                    continue
                new, grad = fn(param), param.grad
                new_grad = None if grad is None else fn(grad)
                if new is not param:
                    # Detached from its gradient first: a gradient of another dtype may not sit on a parameter.
                    param.grad = None
                    param.data = new
                    param.grad = new_grad
                elif new_grad is not grad:
                    param.grad = new_grad
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move to a device, cast floating-point parameters and buffers to a dtype, or both, in place.

        `to(device=None, dtype=None, non_blocking=False)`, `to(dtype, non_blocking=False)`,
        `to(tensor, non_blocking=False)`. Integer buffers keep their dtype. Returns the module.

        >>> import retrograd as rg
        >>> rg.nn.Linear(2, 2).to(rg.float64).weight.dtype
        retrograd.float64
        """
        device, dtype, non_blocking = parse_to(*args, **kwargs)
        if dtype is not None:
            if not (dtype.is_floating_point or dtype.is_complex):
                raise TypeError(
                    "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                    f"dtype={dtype}; integer parameters cannot be trained"
                )
            if dtype.is_complex:
                warnings.warn(
                    f"nn.Module.to: parameters and buffers become {dtype}; not every layer accepts complex inputs",
                    stacklevel=2,
                )

        def convert(t: Tensor) -> Tensor:
            inexact = t.is_floating_point() or t.is_complex()
            return t.to(device, dtype if inexact else None, non_blocking)

        return self._apply(convert)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Move to a device without copying: parameters and buffers become uninitialized memory there."""
        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    def cpu(self) -> Self:
        """Move all parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Any = None) -> Self:
        """Move all parameters and buffers to a GPU (the current one by default)."""
        return self._apply(lambda t: t.cuda(device))

    def type(self, dst_type: Any) -> Self:
        """Cast all parameters and buffers to `dst_type`."""
        return self._apply(lambda t: t.type(dst_type))  # type: ignore[return-value]

    def float(self) -> Self:
        """Cast floating-point parameters and buffers to float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self) -> Self:
        """Cast floating-point parameters and buffers to float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self) -> Self:
        """Cast floating-point parameters and buffers to float16."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self) -> Self:
        """Cast floating-point parameters and buffers to bfloat16."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def share_memory(self) -> Self:
        """Not supported: parameters live in ordinary memory, which other processes do not see.

        Threads share a module as it is. Between processes, send `state_dict()`.
        """
        raise NotImplementedError(
            f"{builtins.type(self).__name__}.share_memory: parameters cannot be shared between processes; train in "
            "threads, which share the module as it is, or send state_dict() to the other process"
        )
