"""Element types: the `dtype` objects, PyTorch's promotion table, the default dtype, `finfo` and `iinfo`.

Every type is one object, so the library compares them with `is`. float32 and float64 are the fast types: NumPy computes
in them directly, which is what the call path of an operation asks first (`dtype.fast`). float16 and bfloat16 are kept as
they are and computed in float32; bfloat16 comes from `ml_dtypes`, which is imported when the first bfloat16 array is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeAlias

import numpy as np

from .errors import DtypeError

_NumPyDtype: TypeAlias = np.dtype[Any]  # the class below has members called np and dtype

# fmt: off
__all__ = [
    "as_dtype", "bfloat16", "bool_", "can_cast", "cdouble", "cfloat", "complex64", "complex128", "default_dtype", "double",
    "dtype", "finfo", "float16", "float32", "float64", "get_default_dtype", "half", "iinfo", "int8", "int16", "int32",
    "int64", "long", "of", "of_scalar", "promote_types", "result_type", "set_default_dtype", "short", "uint8", "uint16",
    "uint32", "uint64",
]
# fmt: on


class dtype:
    """The type of a tensor's elements, such as `rg.float32`: one constant object per type, made by this module only.

    Attributes: `name`; `np`, NumPy's dtype; `kind`, one of "b" (bool), "u", "i" (integers), "f", "c"; `itemsize` in
    bytes; `is_floating_point`, `is_complex`, `is_signed` as in PyTorch; `is_int` (signed or unsigned, not bool); `fast`
    (float32 and float64). A dtype is accepted wherever NumPy expects one, and equals NumPy's type of the same name; it
    hashes by identity, so do not mix the two kinds as keys of one dictionary.

    >>> import numpy as np, retrograd as rg
    >>> rg.float32, rg.float32 == np.float32, np.zeros(2, dtype=rg.float32).dtype
    (retrograd.float32, True, dtype('float32'))
    """

    __slots__ = (
        "fast", "is_complex", "is_floating_point", "is_int", "is_signed", "itemsize", "kind", "name", "np",
    )  # fmt: skip
    name: str
    np: _NumPyDtype
    kind: str
    itemsize: int
    is_floating_point: bool
    is_complex: bool
    is_signed: bool
    is_int: bool
    fast: bool

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        raise TypeError(
            "dtype: dtypes are constants; use one such as rg.float32, or rg.as_tensor(array).dtype for an array's"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"dtype: attribute {name!r} cannot be set, dtypes are constants")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"dtype: attribute {name!r} cannot be deleted, dtypes are constants")

    @property
    def dtype(self) -> _NumPyDtype:
        """NumPy's dtype, under the name by which NumPy asks for it."""
        return self.np

    @property
    def __numpy_dtype__(self) -> _NumPyDtype:
        return self.np

    def to_complex(self) -> dtype:
        """The complex type of this precision; complex64 for the half types, which have none of their own.

        Raises DtypeError for bool and integers.

        >>> import retrograd as rg
        >>> rg.float64.to_complex(), rg.complex64.to_complex()
        (retrograd.complex128, retrograd.complex64)
        """
        found = _TO_COMPLEX.get(self)
        if found is None:
            raise DtypeError(f"dtype.to_complex: {self!r} has no complex type; convert to a floating-point type first")
        return found

    def to_real(self) -> dtype:
        """The type of the real part: float32 for complex64, float64 for complex128, any other type itself.

        >>> import retrograd as rg
        >>> rg.complex64.to_real(), rg.int8.to_real()
        (retrograd.float32, retrograd.int8)
        """
        return _TO_REAL.get(self, self)

    def __repr__(self) -> str:
        return f"retrograd.{self.name}"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, np.dtype) or (isinstance(other, type) and issubclass(other, np.generic)):
            try:
                return _BY_NP.get(np.dtype(other), _find(np.dtype(other))) is self
            except TypeError:  # an abstract class such as np.generic names no dtype
                return False
        return False

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        return (_by_name, (self.name,))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


_BY_NAME: dict[str, dtype] = {}
_BY_NP: dict[np.dtype[Any], dtype] = {}


class _Lazy(dtype):
    """bfloat16: its `np` is found at first use, so that `import retrograd` does not import ml_dtypes.

    A class of its own, because a `__getattr__` on `dtype` would slow down every attribute of every dtype.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name == "np":
            import ml_dtypes

            found = np.dtype(ml_dtypes.bfloat16)
            _BY_NP[found] = self
            object.__setattr__(self, "np", found)
            return found
        raise AttributeError(f"dtype: {self!r} has no attribute {name!r}")


def _make(name: str, kind: str, itemsize: int) -> dtype:
    new = object.__new__(_Lazy if name == "bfloat16" else dtype)
    values: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "itemsize": itemsize,
        "is_floating_point": kind == "f",
        "is_complex": kind == "c",
        "is_signed": kind in "ifc",
        "is_int": kind in "ui",
        "fast": name in ("float32", "float64"),
    }
    if name != "bfloat16":
        values["np"] = np.dtype(name)
        _BY_NP[values["np"]] = new
    for key, value in values.items():
        object.__setattr__(new, key, value)
    _BY_NAME[name] = new
    return new


bool_ = _make("bool", "b", 1)
uint8 = _make("uint8", "u", 1)
uint16 = _make("uint16", "u", 2)
uint32 = _make("uint32", "u", 4)
uint64 = _make("uint64", "u", 8)
int8 = _make("int8", "i", 1)
int16 = short = _make("int16", "i", 2)
int32 = _make("int32", "i", 4)
int64 = long = _make("int64", "i", 8)
float16 = half = _make("float16", "f", 2)
bfloat16 = _make("bfloat16", "f", 2)
float32 = _make("float32", "f", 4)
float64 = double = _make("float64", "f", 8)
complex64 = cfloat = _make("complex64", "c", 8)
complex128 = cdouble = _make("complex128", "c", 16)

_TO_COMPLEX = {
    float16: complex64,
    bfloat16: complex64,
    float32: complex64,
    float64: complex128,
    complex64: complex64,
    complex128: complex128,
}
_TO_REAL = {complex64: float32, complex128: float64}
_BY_ALIAS = {
    "float": float32, "double": float64, "half": float16, "long": int64, "int": int32, "short": int16,
    "cfloat": complex64, "cdouble": complex128,
}  # fmt: skip
# `is`, not `==`, decides between Python's classes: bool is a subclass of int.
_BY_CLASS: dict[type, dtype] = {bool: bool_, int: int64, float: float64, complex: complex128}


def _by_name(name: str) -> dtype:
    return _BY_NAME[name]


def _find(given: np.dtype[Any]) -> dtype | None:
    """Our type for a NumPy dtype that the dictionary does not have; None when there is none."""
    if given.name == "bfloat16" and given.itemsize == 2:
        return bfloat16 if given == bfloat16.np else None
    if given.kind in "biufc" and given.isnative:
        return _BY_NP.get(np.dtype(f"{given.kind}{given.itemsize}")) if given.itemsize <= 16 else None
    return None


def of(np_dtype: np.dtype[Any]) -> dtype:
    """The type that stands for a NumPy dtype: a dictionary look-up.

    Raises DtypeError for what a tensor cannot hold (objects, strings, dates, records, long double, the other byte order).

    >>> import numpy as np
    >>> from retrograd.autograd import dtypes
    >>> dtypes.of(np.dtype("f4"))
    retrograd.float32
    """
    found = _BY_NP.get(np_dtype)
    return found if found is not None else _of_other(np_dtype)


def _of_other(np_dtype: np.dtype[Any]) -> dtype:
    found = _find(np_dtype)
    if found is not None:
        _BY_NP[np_dtype] = found
        return found
    way_out = "a tensor holds bool, integers, floating-point and complex numbers"
    if not np_dtype.isnative:
        way_out = (
            "a tensor holds numbers in this machine's byte order; write array.astype(array.dtype.newbyteorder('='))"
        )
    elif np_dtype.kind == "f":
        way_out = "the widest floating-point type is float64; write array.astype('float64')"
    elif np_dtype.kind == "c":
        way_out = "the widest complex type is complex128; write array.astype('complex128')"
    elif np_dtype.kind == "O":
        way_out += "; an object array often comes from rows of different lengths, pad them or keep them in a list"
    elif np_dtype.kind in "SUT":
        way_out += "; map the strings to integer labels first, for example by np.unique(array, return_inverse=True)[1]"
    elif np_dtype.kind in "Mm":
        way_out += "; convert dates and durations with array.astype('int64')"
    elif np_dtype.names is not None:
        way_out += "; take one field, array['name'], at a time"
    raise DtypeError(f"dtype: NumPy's {np_dtype!r} cannot be the type of a tensor; {way_out}")


def as_dtype(x: Any, op: str = "dtype") -> dtype:
    """Turn a dtype, a NumPy dtype or type, Python's float, int, bool or complex, or a name into a dtype.

    Python's `float` means float64 and `int` int64, as in PyTorch; the *name* "float" is PyTorch's alias of float32.
    Raises TypeError for anything else, naming `op`.

    >>> import numpy as np, retrograd as rg
    >>> from retrograd.autograd import dtypes
    >>> dtypes.as_dtype("float32"), dtypes.as_dtype(np.int8), dtypes.as_dtype(float)
    (retrograd.float32, retrograd.int8, retrograd.float64)
    """
    if x.__class__ is dtype:
        return x
    if isinstance(x, np.dtype):
        return of(x)
    if isinstance(x, type):
        if x in _BY_CLASS:
            return _BY_CLASS[x]
        if issubclass(x, np.generic):
            return of(np.dtype(x))
    elif isinstance(x, str):
        name = x.removeprefix("retrograd.").removeprefix("torch.")
        found = _BY_NAME.get(name) or _BY_ALIAS.get(name)
        if found is not None:
            return found
        if name in ("complex32", "chalf"):
            raise DtypeError(f"{op}: complex32 is not supported; the smallest complex type is complex64")
    raise TypeError(
        f"{op}: expected a dtype such as retrograd.float32, but got {x!r}; the types are {', '.join(_BY_NAME)}"
    )


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
    >>> d.result_type((d.float32, d.TENSOR), (d.float64, d.ZERO_DIM)), d.result_type((d.int32, d.TENSOR), (d.float64, d.SCALAR))
    (retrograd.float32, retrograd.float32)
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

    complex to real, floating-point to integer, and anything to bool are refused; a smaller size of the same kind is not.

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
            f"set_default_dtype: got {d!r}; only floating-point types can be the default (float16, bfloat16, float32, float64)"
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
