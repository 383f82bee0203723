"""Nested lists of numbers, arrays and tensors as one array: their common dtype, and where they are ragged."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from .. import backend, dtypes
from ..core import TensorBase
from ..dtypes import get_default_dtype, of, of_scalar, promote_types
from ..errors import DtypeError, ShapeError
from .scalars import stored_all

__all__ = ["NUMBERS", "from_list"]

NUMBERS = frozenset((float, int, bool, complex))


def _scan(data: Any, found: set[Any], others: list[bool]) -> None:
    """Collect the dtypes in nested lists; others receives True when there is more than Python numbers."""
    kinds = set(map(type, data))
    for kind in kinds & NUMBERS:
        found.add(of_scalar(kind()))
    rest = kinds - NUMBERS
    if not rest:
        return
    if rest == {np.ndarray}:
        found.update(map(of, {item.dtype for item in data if type(item) is np.ndarray}))
        return
    for item in data:
        kind = type(item)
        if kind in NUMBERS:
            continue
        if isinstance(item, (list, tuple)):
            _scan(item, found, others)
            continue
        others.append(True)
        if isinstance(item, TensorBase):
            found.add(item._dtype)
        elif backend.is_array(item):
            found.add(of(item.dtype))
        elif isinstance(item, (bool, int, float, complex)):  # enumerations and the like
            found.add(of_scalar(item))
        elif isinstance(item, (str, bytes)):
            raise TypeError(
                f"tensor: data of type {kind.__name__} ({item!r}) is not a number; map strings to numbers first"
            )
        elif isinstance(item, range):
            found.add(dtypes.int64)
        elif hasattr(item, "__array__"):
            found.add(of(np.asarray(item).dtype))
        elif hasattr(item, "__index__") or hasattr(item, "__float__"):
            found.add(dtypes.int64 if hasattr(item, "__index__") else get_default_dtype())
        else:
            raise DtypeError(f"tensor: data of type {kind.__name__} is not a number, so its dtype cannot be inferred")


def _plain(data: Any) -> Any:
    """Nested lists with the tensors in them turned into NumPy arrays."""
    if isinstance(data, (list, tuple)):
        return [_plain(v) for v in data]
    if isinstance(data, TensorBase):
        return backend.of(data._data).to_numpy(data._data)
    return backend.of(data).to_numpy(data) if backend.is_array(data) and not isinstance(data, np.generic) else data


def from_list(data: Any, d: Any, op: str) -> np.ndarray:
    """Nested lists as an array of dtype d (None: what the numbers in them promote to)."""
    found: set[Any] = set()
    others: list[bool] = []
    _scan(data, found, others)
    if d is None:
        d = get_default_dtype()
        if found:
            d = reduce(promote_types, found)
    plain = _plain(data) if others else data
    try:
        return np.array(plain, dtype=d.np)
    except OverflowError:
        return stored_all(plain, d, op)
    except ValueError as e:
        if "NaN" in str(e):
            return stored_all(plain, d, op)
        if "inhomogeneous" in str(e) or "setting an array element with a sequence" in str(e):
            raise ShapeError(
                f"{op}: {_ragged(data) or str(e)}; pad the rows to one length, or keep a list of tensors"
            ) from None
        raise


def _ragged(data: Any, dim: int = 1) -> str:
    """Where nested lists stop being an array."""
    lengths = [len(v) if isinstance(v, (list, tuple)) or getattr(v, "ndim", 0) else None for v in data]
    for n in lengths:
        if n != lengths[0]:
            return f"expected sequence of length {lengths[0]} at dim {dim} (got {n})"
    rows = [v for v in data if isinstance(v, (list, tuple))]
    return next((text for v in rows if (text := _ragged(v, dim + 1))), "")
