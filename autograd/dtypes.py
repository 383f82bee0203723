"""Element types: PyTorch's promotion table, the default dtype, `finfo` and `iinfo`; the objects are `elements`' own.

Every type is one object, so the library compares them with `is`. float32 and float64 are the fast types: NumPy
computes in them directly, which is what the call path of an operation asks first (`dtype.fast`). float16 and bfloat16
are kept as they are and computed in float32; bfloat16 comes from `ml_dtypes`, imported at the first bfloat16 array.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .elements import (
    as_dtype,
    bfloat16,
    bool_,
    cdouble,
    cfloat,
    complex64,
    complex128,
    double,
    dtype,
    float16,
    float32,
    float64,
    half,
    int8,
    int16,
    int32,
    int64,
    long,
    of,
    short,
    uint8,
    uint16,
    uint32,
    uint64,
)  # fmt: skip
from .errors import DtypeError

__all__ = [
    "as_dtype", "bfloat16", "bool_", "can_cast", "cdouble", "cfloat", "complex64", "complex128", "default_dtype",
    "double", "dtype", "finfo", "float16", "float32", "float64", "get_default_dtype", "half", "iinfo", "int8", "int16",
    "int32", "int64", "long", "of", "of_scalar", "promote_types", "result_type", "set_default_dtype", "short", "uint8",
    "uint16", "uint32", "uint64",
]  # fmt: skip

# ---- promotion -------------------------------------------------------------------------------------------------------

_promoted: dict[tuple[dtype, dtype], dtype] = {}
_results: dict[tuple[Any, ...], dtype] = {}
_BAREBONES = (uint16, uint32, uint64)  # PyTorch stores these, but promotes them with floating-point types only

# What an operand is, for result_type: a tensor with dimensions outranks a 0-d tensor, which outranks a Python number.
SCALAR, ZERO_DIM, TENSOR = 0, 1, 2


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type that both types convert to, as in PyTorch: an integer type never widens a floating-point one.

    uint16, uint32 and uint64 combine with themselves and with floating-point types only; any other pair raises
    DtypeError.

    >>> import retrograd as rg
    >>> rg.promote_types(rg.int64, rg.float16), rg.promote_types(rg.uint8, rg.int8)
    (retrograd.float16, retrograd.int16)
    """
    try:
        return _promoted[type1, type2]
    except KeyError:
        a, b = as_dtype(type1, "promote_types"), as_dtype(type2, "promote_types")
        found = _promoted[a, b] = _promote(a, b)
        return found


def _promote(a: dtype, b: dtype) -> dtype:
    if a is b:
        return a
    if a in _BAREBONES or b in _BAREBONES:
        if a.kind == "f":
            return a
        if b.kind == "f":
            return b
        raise DtypeError(
            f"promote_types: {a!r} and {b!r} have no common type, because uint16, uint32 and uint64 combine with "
            "floating-point types only; convert one operand, for example with .to(retrograd.int64)"
        )
    if {a, b} == {float16, bfloat16}:
        return float32
    rank = "buifc"
    if a.kind == b.kind:
        return a if a.itemsize >= b.itemsize else b
    low, high = sorted((a, b), key=lambda d: rank.index(d.kind))
    if high.kind == "c":  # a complex type widens to the precision of the floating-point one
        return complex128 if low is float64 else high
    if low is uint8 and high is int8:
        return int16
    return high


def result_type(*operands: tuple[dtype, int]) -> dtype:
    """The type of an operation on operands given as pairs (dtype, SCALAR | ZERO_DIM | TENSOR), as in PyTorch.

    An operand of lower rank changes the type only when it is of a higher kind (bool < integer < floating-point <
    complex): `int32 tensor + 2.5` gives the default dtype, `float32 tensor + 0-d float64 tensor` stays float32. A
    floating-point scalar counts as the default dtype.

    >>> from retrograd.autograd import dtypes as d
    >>> d.result_type((d.float32, d.TENSOR), (d.float64, d.ZERO_DIM))
    retrograd.float32
    >>> d.result_type((d.int32, d.TENSOR), (d.float64, d.SCALAR))
    retrograd.float32
    """
    try:
        return _results[operands]
    except KeyError:
        pass
    ranks: list[dtype | None] = [None, None, None]
    for given, rank in operands:
        if rank == SCALAR:
            given = _default if given.kind == "f" else _default.to_complex() if given.kind == "c" else given
        seen = ranks[rank]
        ranks[rank] = given if seen is None else promote_types(seen, given)
    found = _combine(ranks[TENSOR], _combine(ranks[ZERO_DIM], ranks[SCALAR]))
    if found is None:
        raise TypeError("result_type: got no operands; expected at least one")
    _results[operands] = found
    return found


def _combine(higher: dtype | None, lower: dtype | None) -> dtype | None:
    """PyTorch's combine_categories: `higher` keeps its type unless `lower` is of a higher kind."""
    if higher is None or lower is None:
        return higher or lower
    if higher.kind == "c":
        return higher
    if higher.kind == "f":
        return higher.to_complex() if lower.kind == "c" else higher
    if lower.kind == "c":
        return lower
    if higher is bool_ or lower.kind == "f":
        return promote_types(higher, lower)
    return higher


def of_scalar(x: Any) -> dtype:
    """The type as which a Python or NumPy number takes part: bool, int64, the default dtype, or its complex type.

    >>> from retrograd.autograd import dtypes
    >>> dtypes.of_scalar(2), dtypes.of_scalar(2.0)
    (retrograd.int64, retrograd.float32)
    """
    kind = _SCALAR_KIND.get(x.__class__)
    if kind is None:
        if isinstance(x, (bool, np.bool_)):
            kind = "b"
        elif isinstance(x, (int, np.integer)):
            kind = "i"
        elif isinstance(x, (float, np.floating)):
            kind = "f"
        elif isinstance(x, (complex, np.complexfloating)):
            kind = "c"
        elif isinstance(x, np.generic) and x.dtype.name == "bfloat16":
            kind = "f"
        else:
            raise TypeError(f"dtype: expected a number, but got {x!r} of type {type(x).__name__}")
    if kind == "f":
        return _default
    return int64 if kind == "i" else bool_ if kind == "b" else _default.to_complex()


_SCALAR_KIND: dict[type, str] = {bool: "b", int: "i", float: "f", complex: "c"}


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a value of type `from_` may be written into a tensor of type `to`: no step down in kind, as in PyTorch.

    complex to real, floating-point to integer, and anything to bool are refused; a smaller size of one kind is not.

    >>> import retrograd as rg
    >>> rg.can_cast(rg.float64, rg.float16), rg.can_cast(rg.float32, rg.int32)
    (True, False)
    """
    from_, to = as_dtype(from_, "can_cast"), as_dtype(to, "can_cast")
    if from_.kind == "c":
        return to.kind == "c"
    if from_.kind == "f":
        return to.kind in "fc"
    return from_.kind == "b" or to.kind != "b"


# ---- the default dtype -----------------------------------------------------------------------------------------------

_default: dtype = float32


def get_default_dtype() -> dtype:
    """The type of tensors made from Python floats and by `rg.zeros`, `rg.rand`, ...: float32 unless it was changed.

    >>> import retrograd as rg
    >>> rg.get_default_dtype()
    retrograd.float32
    """
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the default dtype, for all threads: float16, bfloat16, float32 or float64.

    Raises TypeError for a type that is not floating-point. `default_dtype(d)` sets it for a block.

    >>> import retrograd as rg
    >>> rg.set_default_dtype(rg.float32)
    """
    global _default
    d = as_dtype(d, "set_default_dtype")
    if d.kind != "f":
        raise TypeError(
            f"set_default_dtype: got {d!r}; only floating-point types (float16, bfloat16, float32, float64) can be the "
            "default; pass dtype= where a tensor of another type is made"
        )
    _default = d
    _results.clear()  # they were computed with the old default


@contextmanager
def default_dtype(d: dtype) -> Iterator[dtype]:
    """Set the default dtype for a block, or for the calls of a function when used as a decorator; for all threads.

    >>> import retrograd as rg
    >>> with rg.default_dtype(rg.float64):
    ...     rg.get_default_dtype()
    retrograd.float64
    """
    before = _default
    set_default_dtype(d)
    try:
        yield _default
    finally:
        set_default_dtype(before)


# ---- limits ----------------------------------------------------------------------------------------------------------


class finfo:
    """Limits of a floating-point type, or of the parts of a complex one; of the default dtype when none is given.

    Attributes, Python floats unless said otherwise: `bits` (int), `eps` (1 to the next number), `max`, `min`, `tiny`
    and `smallest_normal` (the same), `resolution` (10 to the minus number of reliable digits), `dtype` (the name, str).

    >>> import retrograd as rg
    >>> rg.finfo(rg.float32).eps == 2.0**-23, rg.finfo(rg.complex128).bits
    (True, 64)
    """

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    def __init__(self, type: dtype | None = None) -> None:
        d = (_default if type is None else as_dtype(type, "finfo")).to_real()
        if d.kind != "f":
            raise TypeError(f"finfo: got {d!r}; expected a floating-point or complex type; use iinfo for integers")
        self.dtype = d.name
        self.bits = 8 * d.itemsize
        if d is bfloat16:  # 8 bits of precision, float32's exponents; written out so that ml_dtypes stays unimported
            self.eps, self.max, self.tiny, self.resolution = 2.0**-7, 2.0**128 - 2.0**120, 2.0**-126, 0.01
        else:
            info = np.finfo(d.np)
            self.eps, self.max, self.tiny = float(info.eps), float(info.max), float(info.tiny)
            self.resolution = float(f"1e-{info.precision}")
        self.min, self.smallest_normal = -self.max, self.tiny

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash((finfo, self.dtype))

    def __repr__(self) -> str:
        fields = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{f}={getattr(self, f):g}' for f in fields)}, dtype={self.dtype})"


class iinfo:
    """Limits of an integer type: `bits`, `min`, `max` (ints) and `dtype` (the name, str).

    >>> import retrograd as rg
    >>> rg.iinfo(rg.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: dtype) -> None:
        d = as_dtype(type, "iinfo")
        if not d.is_int:
            raise TypeError(f"iinfo: got {d!r}; expected an integer type; use finfo for floating-point types")
        self.dtype = d.name
        self.bits = 8 * d.itemsize
        self.max = 2 ** (self.bits - d.is_signed) - 1
        self.min = -self.max - 1 if d.is_signed else 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash((iinfo, self.dtype))

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
