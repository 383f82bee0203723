"""Devices: where a tensor's array lives.

A device is a name, `cpu` or `cuda`, and for `cuda` an optional ordinal. Constructing one touches no device library: it
is always cheap, and `device("cuda")` can be named on a machine without a GPU; moving a tensor there is what fails then.
"""

from __future__ import annotations

import operator
import threading
from typing import Any, Self

from .errors import DeviceError

__all__ = ["as_device", "cpu", "device", "get_default_device", "set_default_device"]

_TYPES = ("cpu", "cuda")
_EXPECTED = "expected 'cpu', 'cuda' or 'cuda:N'"


class device:
    """A device: `device("cpu")`, `device("cuda")`, `device("cuda:1")`, `device("cuda", 1)` or `device(1)` for `cuda:1`.

    `type` is the name, `index` the ordinal or None for "the current one". Devices compare and hash by both, so
    `device("cuda") != device("cuda:0")`, as in PyTorch. As a context manager a device is the default for tensors
    that are created inside. Raises DeviceError for an unknown name or a bad ordinal.

    >>> import retrograd as rg
    >>> rg.device("cuda:1")
    device(type='cuda', index=1)
    >>> str(rg.device("cuda", 1)), rg.device("cpu") == rg.device("cpu")
    ('cuda:1', True)
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: str | int | device, index: int | None = None) -> None:
        if isinstance(type, device):
            if index is not None:
                raise DeviceError(
                    f"device: got {type!r} and index {index!r}; pass either a device or a name and an index"
                )
            name, ordinal = type.type, type.index
        elif isinstance(type, str):
            name, ordinal = _parse(type, index)
        elif isinstance(type, bool) or not hasattr(type, "__index__"):
            raise TypeError(f"device: expected a name such as 'cpu' or 'cuda:0', or an ordinal, but got {type!r}")
        else:
            if index is not None:
                raise DeviceError(f"device: got two ordinals, {type!r} and {index!r}; write device('cuda', {index!r})")
            name, ordinal = "cuda", _ordinal(type, repr(type))
        object.__setattr__(self, "type", name)
        object.__setattr__(self, "index", ordinal)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"device: attribute {name!r} cannot be set, devices are constants; make a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"device: attribute {name!r} cannot be deleted, devices are constants")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return (
            f"device(type={self.type!r})" if self.index is None else f"device(type={self.type!r}, index={self.index})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple[Any, ...]:
        return (device, (self.type, self.index))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __enter__(self) -> Self:
        _local.stack.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _local.stack.pop()


def _parse(text: str, index: int | None) -> tuple[str, int | None]:
    """Name and ordinal of "cpu", "cuda", "cuda:1"; `index` is the separate ordinal, allowed when the text has none."""
    name, colon, digits = text.partition(":")
    if name not in _TYPES:
        raise DeviceError(f"device: unknown device {text!r}; {_EXPECTED}")
    if not colon:
        return name, None if index is None else _ordinal(index, repr(text))
    if not (digits.isascii() and digits.isdigit()) or (len(digits) > 1 and digits[0] == "0"):
        raise DeviceError(f"device: {text!r} has no valid ordinal after the colon; {_EXPECTED} with N = 0, 1, ...")
    if index is not None:
        raise DeviceError(f"device: got an ordinal in {text!r} and index {index!r} as well; give it once")
    return name, _ordinal(int(digits), repr(text))


def _ordinal(value: Any, given: str) -> int:
    try:
        ordinal = operator.index(value)
    except TypeError:
        raise TypeError(f"device: the index of {given} must be an integer, not {value!r}") from None
    if not 0 <= ordinal < 128:
        raise DeviceError(f"device: the index of {given} is {ordinal}; expected 0 to 127")
    return ordinal


cpu = device("cpu")
_default: device = cpu


class _Local(threading.local):
    """The `with device(...)` blocks that this thread is in, innermost last."""

    def __init__(self) -> None:
        self.stack: list[device] = []


_local = _Local()


def get_default_device() -> device:
    """The device of tensors created without `device=`: the innermost `with device(...)`, else the default that was set.

    >>> import retrograd as rg
    >>> rg.get_default_device()
    device(type='cpu')
    """
    stack = _local.stack
    return stack[-1] if stack else _default


def set_default_device(device: str | int | device | None) -> None:
    """Set the device of tensors that are created without `device=`; None restores the CPU.

    >>> import retrograd as rg
    >>> rg.set_default_device("cpu")
    """
    global _default
    _default = cpu if device is None else as_device(device)


def as_device(x: str | int | device | None) -> device:
    """Turn a name, an ordinal or a device into a device; None gives the default device.

    Raises DeviceError for an unknown name, TypeError for anything else.
    """
    if x.__class__ is device:
        return x  # type: ignore[return-value]
    if x is None:
        return get_default_device()
    return device(x)
