"""Types of the array API standard: promotion, categories, limits, and what the namespace can do."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..core import TensorBase, wrap
from ..device import device as Device
from ..device import get_default_device
from ..errors import DtypeError
from ..ops.cast import cast_p, to_device

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "__array_namespace_info__", "array", "arrays", "astype", "axes_of", "can_cast", "cast", "common", "finfo", "iinfo",
    "isdtype", "number", "result_type",
]  # fmt: skip

DTYPES = {
    "bool": dtypes.bool_,
    **{n: getattr(dtypes, n) for n in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
    **{n: getattr(dtypes, n) for n in ("float32", "float64", "complex64", "complex128")},
}
_KINDS = {
    "bool": "b", "signed integer": "i", "unsigned integer": "u", "integral": "iu", "real floating": "f",
    "complex floating": "c", "numeric": "iufc",
}  # fmt: skip


# ---------------------------------------------------------------- promotion
def _promote(a: dtypes.dtype, b: dtypes.dtype) -> dtypes.dtype:
    """The standard's table; where that has no entry (integers with floats), PyTorch's."""
    if a is b:
        return a
    if a.kind in "iu" and b.kind in "iu":
        d = np.promote_types(a.np, b.np)
        if d.kind == "f":
            raise DtypeError(f"result_type: {a.name} and {b.name} have no common integer type; convert one with astype")
        return dtypes.of(d)
    return dtypes.promote_types(a, b)


def _with_number(d: dtypes.dtype, v: Any) -> dtypes.dtype:
    """The type of an array of type d and a Python number: that of the array, in a kind that holds the number."""
    kind = "b" if isinstance(v, bool) else "i" if isinstance(v, int) else "f" if isinstance(v, float) else "c"
    order = "bifc"
    have = "i" if d.kind == "u" else d.kind
    if order.index(kind) <= order.index(have):
        return d
    if kind == "i":
        return dtypes.int64
    real = d if d.kind == "f" else dtypes.get_default_dtype()
    return real if kind == "f" else real.to_complex()


def _is_number(x: Any) -> bool:
    return isinstance(x, numbers.Number) and not isinstance(x, np.generic)


def result_type(*arrays_and_dtypes: Any) -> dtypes.dtype:
    """The type that arrays, dtypes and Python numbers are promoted to in one operation.

    The sizes and the dimensions of arrays play no part (in `retrograd.result_type`, as in PyTorch, 0-d tensors are weak).
    Raises TypeError for int64 with uint64, and without an array or dtype.

    >>> from retrograd import xp
    >>> xp.result_type(xp.uint8, xp.int8), xp.result_type(xp.ones(2), 1.5)
    (retrograd.int16, retrograd.float32)
    """
    d: dtypes.dtype | None = None
    for x in arrays_and_dtypes:
        if not _is_number(x):
            own = x._dtype if isinstance(x, TensorBase) else dtypes.as_dtype(x, "result_type")
            d = own if d is None else _promote(d, own)
    if d is None:
        raise DtypeError("result_type: at least one array or dtype is expected, got numbers only")
    for x in arrays_and_dtypes:
        if _is_number(x):
            d = _with_number(d, x)
    return d


def array(x: Any, op: str) -> Tensor:
    """x, which must be a tensor."""
    if not isinstance(x, TensorBase):
        raise TypeError(f"{op}: an array is expected, got {type(x).__name__}; make one with xp.asarray")
    return x  # type: ignore[return-value]


def number(v: Any, d: dtypes.dtype, like: Any) -> Tensor:
    """A Python number as a 0-d tensor of type d, where the tensor `like` is."""
    r = wrap(np.asarray(v, d.np))
    return r if isinstance(like._data, np.ndarray) else to_device(r, like.device)


def common(op: str, *xs: Any) -> list[Tensor]:
    """The operands in their common type; Python numbers become 0-d tensors."""
    like = next((x for x in xs if isinstance(x, TensorBase)), None)
    for x in xs:
        if not isinstance(x, TensorBase) and not _is_number(x):
            raise TypeError(f"{op}: arrays and numbers are expected, got {type(x).__name__}")
    if like is None:
        raise TypeError(f"{op}: at least one array is expected, got numbers only")
    d = result_type(*xs)
    return [cast(x, d) if isinstance(x, TensorBase) else number(x, d, like) for x in xs]


def arrays(op: str, xs: Any) -> list[Tensor]:
    """A sequence of tensors in their common type."""
    xs = [array(x, op) for x in xs]
    if not xs:
        raise ValueError(f"{op}: at least one array is expected")
    d = result_type(*xs)
    return [cast(x, d) for x in xs]


def cast(x: Any, d: dtypes.dtype) -> Any:
    """Tensor x in type d, x itself if it is."""
    return x if x._dtype is d else cast_p(x, d)


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes (None for all, an int, a tuple) as non-negative ones; unlike a `dim` of PyTorch, () means none."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = []
    for a in given:
        if not -ndim <= a < ndim:
            raise IndexError(f"axis {a} is out of range for an array with {ndim} dimensions")
        found.append(a % ndim)
    if len(set(found)) != len(found):
        raise ValueError(f"axes must be unique, got {axis} of an array with {ndim} dimensions")
    return tuple(found)


# ---------------------------------------------------------------- functions of types
def astype(x: Tensor, dtype: dtypes.dtype, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """The array in another type; copy=False returns the array itself if it has that type already.

    Raises TypeError for complex numbers that shall become real.

    >>> from retrograd import xp
    >>> xp.astype(xp.asarray([1.9, -1.9]), xp.int32)
    tensor([ 1, -1], dtype=retrograd.int32)
    """
    x, d = array(x, "astype"), dtypes.as_dtype(dtype, "astype")
    if x._dtype.kind == "c" and d.kind != "c":
        if d.kind != "b":
            raise DtypeError(f"astype: {x._dtype.name} cannot become {d.name}; take xp.real(x) or xp.abs(x)")
        x = x != 0
    r = cast(x, d)
    if device is not None:
        r = to_device(r, device)
    return r.clone() if copy and r is x else r


def can_cast(from_: Any, to: dtypes.dtype, /) -> bool:
    """Whether a type (or an array's) can become `to` by promotion.

    >>> from retrograd import xp
    >>> xp.can_cast(xp.int8, xp.int16), xp.can_cast(xp.float64, xp.float32)
    (True, False)
    """
    source = from_._dtype if isinstance(from_, TensorBase) else dtypes.as_dtype(from_, "can_cast")
    try:
        return result_type(source, to) is dtypes.as_dtype(to, "can_cast")
    except TypeError:
        return False


def isdtype(dtype: dtypes.dtype, kind: Any) -> bool:
    """Whether a type is another, or of a kind: "bool", "signed integer", "unsigned integer", "integral", "real floating",
    "complex floating", "numeric", or one of a tuple of these.

    >>> from retrograd import xp
    >>> xp.isdtype(xp.int8, "integral"), xp.isdtype(xp.int8, (xp.bool, "real floating"))
    (True, False)
    """
    d = dtypes.as_dtype(dtype, "isdtype")
    if isinstance(kind, tuple):
        return any(isdtype(d, k) for k in kind)
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise ValueError(f"isdtype: unknown kind {kind!r}; expected one of {', '.join(map(repr, _KINDS))}")
        return d.kind in _KINDS[kind]
    return d is dtypes.as_dtype(kind, "isdtype")


def _dtype(type: Any, op: str) -> dtypes.dtype:
    return type._dtype if isinstance(type, TensorBase) else dtypes.as_dtype(type, op)


def finfo(type: Any, /) -> dtypes.finfo:
    """The limits of a floating-point type or array: bits, eps, max, min, smallest_normal, dtype.

    >>> from retrograd import xp
    >>> xp.finfo(xp.float32).bits
    32
    """
    return dtypes.finfo(_dtype(type, "finfo"))


def iinfo(type: Any, /) -> dtypes.iinfo:
    """The limits of an integer type or array: bits, max, min, dtype.

    >>> from retrograd import xp
    >>> xp.iinfo(xp.int8).max
    127
    """
    return dtypes.iinfo(_dtype(type, "iinfo"))


# ---------------------------------------------------------------- inspection
class Info:
    """What the namespace can do; see `__array_namespace_info__`."""

    def capabilities(self) -> dict[str, Any]:
        """Boolean indexing and shapes that depend on data are there; any number of dimensions up to NumPy's 64."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """The device of new arrays."""
        return get_default_device()

    def default_dtypes(self, *, device: Any = None) -> dict[str, dtypes.dtype]:
        """The types of new arrays and of indices."""
        real = dtypes.get_default_dtype()
        return {
            "real floating": real, "complex floating": real.to_complex(), "integral": dtypes.int64,
            "indexing": dtypes.int64,
        }  # fmt: skip

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, dtypes.dtype]:
        """The standard's types, all or those of a kind (see `isdtype`)."""
        return {n: d for n, d in DTYPES.items() if kind is None or isdtype(d, kind)}

    def devices(self) -> tuple[Device, ...]:
        """The devices that arrays can be on."""
        from ..backend import cuda_device_count

        return (Device("cpu"), *(Device("cuda", i) for i in range(cuda_device_count())))


def __array_namespace_info__() -> Info:  # noqa: N807 - the standard's name
    """What the namespace can do: capabilities, devices, default types.

    >>> from retrograd import xp
    >>> xp.__array_namespace_info__().default_dtypes()["real floating"]
    retrograd.float32
    """
    return Info()
