"""The `dtype` objects, one constant per element type, and how NumPy's types and names find them."""

from __future__ import annotations

from typing import Any, Self, TypeAlias

import numpy as np

from .errors import DtypeError

_NumPyDtype: TypeAlias = np.dtype[Any]  # the class below has members called np and dtype


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

    Raises DtypeError for what a tensor cannot hold: objects, strings, dates, records, long double, other byte orders.

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
    if isinstance(x, dtype):
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
