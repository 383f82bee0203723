"""Python numbers that a tensor is to hold: what fits, what wraps around, and what is refused, as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import dtype, finfo, float32
from .args import fitting

__all__ = ["as_number", "stored", "stored_all"]

_LONG = 1 << 63
_FLOAT_MAX = float(finfo(float32).max)


def as_number(value: Any) -> bool | int | float | complex:
    """A number of a subclass of Python's types (an enumeration, say) as one of the type itself."""
    kinds: tuple[Any, ...] = (bool, int, float, complex)
    return next(kind for kind in kinds if isinstance(value, kind))(value)


def stored(value: Any, d: dtype, op: str, exact: bool = False) -> Any:
    """A Python number as one that an array of dtype d takes over without changing it further.

    Fractions are cut off for integer types, unsigned types take negative integers modulo 2 ** bits, and everything else
    that the type cannot hold raises RuntimeError (OverflowError for integers beyond 64 bits). exact: half types refuse
    what would become infinite, as float32 always does.
    """
    if type(value) is float and d.fast and -_FLOAT_MAX <= value <= _FLOAT_MAX:  # the usual case
        return value
    kind = d.kind
    given: Any = value
    if isinstance(value, int) and not -_LONG <= value < 2 * _LONG:
        raise OverflowError(f"{op}: int {value} is too big to convert; a number of more than 64 bits fits no tensor")
    if isinstance(value, complex) and kind in "iuf":
        if value.imag:
            raise _too_large(value, d, op)
        given = value.real
    if kind == "f":
        v = float(given)
        if -_FLOAT_MAX <= v <= _FLOAT_MAX and (d.itemsize > 2 or not exact) or v != v or v - v != 0 or d.itemsize == 8:
            return v
        if d.itemsize == 2 and (not exact or -finfo(d).max <= v <= finfo(d).max):
            return v
        raise _too_large(value, d, op)
    if kind == "b":
        return bool(value)
    if kind == "c":
        return value
    if isinstance(given, float):
        if not _float_fits(given, d):
            raise _too_large(value, d, op)
        return int(given)
    return fitting(given, d, op)


def _float_fits(v: float, d: dtype) -> bool:
    """Whether a float lies between the least and the greatest number of an integer dtype (NaN does not)."""
    bits = 8 * d.itemsize
    low, high = (0.0, 2.0**bits) if d.kind == "u" else (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1))
    return low <= v <= high - 1 and v < high


def _too_large(value: Any, d: dtype, op: str) -> RuntimeError:
    return RuntimeError(
        f"{op}: value {value!r} cannot be converted to type {d.name} without overflow; convert the tensor to a type that "
        "can hold it"
    )


def stored_all(data: Any, d: Any, op: str) -> np.ndarray:
    """Data of which NumPy says that some number does not fit, converted number by number as `rg.tensor` does."""
    given = np.array(data, dtype=object)
    a = np.empty(given.shape, d.np)
    a.reshape(-1)[:] = [_datum(v, d, op) for v in given.reshape(-1)]
    return a


def _datum(v: Any, d: Any, op: str) -> Any:
    if isinstance(v, int) and d.kind in "iu":
        if d.kind == "u" and d.itemsize == 8:
            if not 0 <= v < 1 << 64:
                raise OverflowError(f"{op}: overflow, {v} does not fit into {d.name}")
            return v
        if not -(1 << 63) <= v < 1 << 63:
            raise ValueError(f"{op}: overflow, {v} does not fit into {d.name}")
    return stored(v, d, op)
