"""The exceptions that retrograd raises on its own account.

Every message follows one formula: the operation that failed, what it was given, what it expected, and a way out, as in
`matmul: x has 3 columns but y has 4 rows (shapes (2, 3) and (4, 5)); transpose one of them?`.

Each class is also a RuntimeError, because that is what PyTorch raises in the same place, so `except RuntimeError` in a
script written for PyTorch keeps working; where Python has a more precise class (ValueError, TypeError,
FloatingPointError), the exception is that as well. Wrong argument types and bad indices raise plain TypeError and
IndexError.

An error that arises inside the library also carries notes: the line of the user's code that failed, and the shapes,
dtypes and origins of the operands there (see `explain.tell`); a module's call adds its path.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "DeviceError",
    "DtypeError",
    "GraphError",
    "InplaceError",
    "IntegerDivisionError",
    "NumericsError",
    "RangeError",
    "ShapeError",
    "TransformError",
]

_told: Any = lambda error: None  # adds the notes, once `explain` has loaded


def bind_teller(tell: Any) -> None:
    """Have every error of the family pass through `tell(error)` when it is made."""
    global _told
    _told = tell


class ShapeError(ValueError, RuntimeError):
    """Shapes do not fit together: the message has the operation, the shapes given, the rule, and a way out.

    >>> import retrograd as rg
    >>> issubclass(rg.ShapeError, ValueError) and issubclass(rg.ShapeError, RuntimeError)
    True
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _told(self)


class DtypeError(TypeError, RuntimeError):
    """An element type is not supported or does not fit: operation, dtypes given, dtypes expected, the cast to write."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _told(self)


class DeviceError(RuntimeError):
    """A device is unknown, absent, or differs between operands: operation, devices given, and the transfer to write."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _told(self)


class GraphError(RuntimeError):
    """The graph cannot be differentiated as asked: freed, not recorded, or cut; with the line that freed or cut it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _told(self)


class InplaceError(RuntimeError):
    """A write in place would make a gradient wrong: the lines that created, used and changed the value; a way out."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _told(self)


class IntegerDivisionError(ZeroDivisionError, RuntimeError):
    """An integer division by zero (ZeroDivisionError to Python, RuntimeError to code written for PyTorch)."""


class NumericsError(FloatingPointError, RuntimeError):
    """A NaN or an infinity appeared where it was asked to be found: the operation, its module and its line."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _told(self)


class TransformError(TypeError, RuntimeError):
    """A function transform met what it cannot transform, such as a decision that differs between samples of a vmap."""


class RangeError(IndexError, RuntimeError):
    """An index lies outside the dimension it selects from."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        _told(self)
