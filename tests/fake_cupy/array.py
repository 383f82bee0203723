"""The stand-in's array type: no ndarray subclass, no implicit conversion, no mixing, and memory shared as by CuPy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .state import NAMES, Device, check_arguments, current, sync

METHODS: dict[str, str] = NAMES["methods"]
ATTRIBUTES = frozenset(NAMES["attributes"])
SCATTER = frozenset("iIlLqQefdFD")  # what CUDA adds atomically; not bfloat16, not the small integers


class Flags:
    """Memory layout; CuPy has these three, and nothing is ever read-only."""

    def __init__(self, a: np.ndarray, owndata: bool) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = a.flags.c_contiguous, a.flags.f_contiguous, owndata

    def __getitem__(self, name: str) -> bool:
        return getattr(self, name.lower())

    @property
    def forc(self) -> bool:
        return self.c_contiguous or self.f_contiguous


class Pointer:
    """`array.data`: where the memory is."""

    def __init__(self, ptr: int) -> None:
        self.ptr = ptr


def raw(x: Any, what: str) -> Any:
    """The NumPy values behind an argument; NumPy arrays are refused, sequences are opened."""
    if type(x) is ndarray:
        x._on_current_device()
        return x._a
    if isinstance(x, np.ndarray):
        raise TypeError(f"{what}: Unsupported type {type(x)} (a NumPy array among CuPy's)")
    if isinstance(x, (list, tuple)) and any(isinstance(v, (ndarray, np.ndarray, list, tuple)) for v in x):
        return type(x)(raw(v, what) for v in x)
    return x


def arrays_in(values: Any) -> list[ndarray]:
    """The device arrays among arguments, sequences opened."""
    found = []
    for v in values:
        if type(v) is ndarray:
            found.append(v)
        elif isinstance(v, (list, tuple)):
            found.extend(arrays_in(v))
    return found


def wrapped(r: Any, operands: list[ndarray]) -> Any:
    """NumPy's result as CuPy's: scalars become arrays of no dimension, views know their base."""
    if isinstance(r, np.ndarray):
        for x in operands:
            if r is x._a:
                return x
        base = next((x for x in operands if np.may_share_memory(r, x._a)), None)
        if not r.flags.writeable and not _overlaps(r):  # as of np.diagonal; CuPy's views can all be written to
            r.flags.writeable = True
        return ndarray._make(r, None if base is None else base._root())
    if isinstance(r, np.generic):
        return ndarray._make(np.asarray(r), None)
    if isinstance(r, tuple) and hasattr(r, "_fields"):
        return type(r)(*(wrapped(v, operands) for v in r))
    if isinstance(r, (list, tuple)):
        return type(r)(wrapped(v, operands) for v in r)
    return r


def _overlaps(a: np.ndarray) -> bool:
    """Whether elements share memory, as in an expanded array."""
    return any(n > 1 and not s for n, s in zip(a.shape, a.strides, strict=True))


def index(key: Any, shape: tuple[int, ...]) -> Any:
    """The NumPy index for a CuPy one: masks wait for the device, integer arrays wrap around instead of failing."""
    parts = list(key) if isinstance(key, tuple) else [key]
    used = sum(_takes(p) for p in parts if p is not None and p is not Ellipsis)
    at, found = 0, []
    for p in parts:
        if p is Ellipsis:
            at += len(shape) - used
            found.append(p)
        elif p is None or isinstance(p, (slice, int, np.integer)):
            if isinstance(p, slice) and any(type(v) is ndarray for v in (p.start, p.stop, p.step)):
                raise TypeError("slice indices must be integers or None or have an __index__ method")
            found.append(p)
            at += _takes(p)
        elif type(p) is ndarray:
            p._on_current_device()
            if p.dtype.kind == "b":
                sync("boolean index")
                found.append(p._a)
            elif p.dtype.kind in "iu":
                n = shape[at] if at < len(shape) else 0
                if not n and p.size:
                    raise IndexError("cannot take from an empty axis")
                found.append(p._a % n if n else p._a)
            else:
                raise IndexError("arrays used as indices must be of integer or boolean type.")
            at += _takes(p)
        elif isinstance(p, (np.ndarray, list)):
            raise TypeError(f"index: a host {type(p).__name__} would be copied to the device at every call")
        else:
            raise IndexError(f"Indexing with {type(p).__name__} is not supported")
    return tuple(found) if isinstance(key, tuple) else found[0]


def _takes(p: Any) -> int:
    """How many dimensions of the array a part of an index stands for."""
    if p is None or isinstance(p, (bool, np.bool_)):
        return 0
    if type(p) is ndarray and p.dtype.kind == "b":
        return p.ndim
    return 1


class ndarray:
    """A device array."""

    __slots__ = ("__weakref__", "_a", "_base", "_device")
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, shape: Any, dtype: Any = float) -> None:
        self._a, self._base, self._device = np.empty(shape, dtype), None, current.id

    @classmethod
    def _make(cls, a: np.ndarray, base: ndarray | None) -> ndarray:
        if a.dtype.kind not in "biufcV" or a.dtype.kind == "V" and a.dtype.name != "bfloat16":
            raise ValueError(f"Unsupported dtype {a.dtype}")
        x = object.__new__(cls)
        x._a, x._base, x._device = a, base, current.id if base is None else base._device
        return x

    def _root(self) -> ndarray:
        return self if self._base is None else self._base

    def _on_current_device(self) -> None:
        if self._device != current.id:
            raise ValueError(
                f"The device where the array resides ({self._device}) is different from the current device "
                f"({current.id}). Peer access is unavailable between these devices."
            )

    # ------------------------------------------------------------ what it says of itself
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    itemsize = property(lambda self: self._a.itemsize)
    nbytes = property(lambda self: self._a.nbytes)
    strides = property(lambda self: self._a.strides)
    base = property(lambda self: self._base)
    flags = property(lambda self: Flags(self._a, self._base is None))
    data = property(lambda self: Pointer(self._a.ctypes.data))
    device = property(lambda self: Device(self._device))
    shape = property(lambda self: self._a.shape)
    T = property(lambda self: wrapped(self._a.T, [self]))
    mT = property(lambda self: wrapped(self._a.mT, [self]))

    @property
    def real(self) -> Any:
        return wrapped(self._a.real, [self]) if self.dtype.kind == "c" else self

    @real.setter
    def real(self, value: Any) -> None:
        self._a.real = raw(value, "real")

    @property
    def imag(self) -> Any:
        return wrapped(self._a.imag if self.dtype.kind == "c" else np.zeros_like(self._a), [self])

    @imag.setter
    def imag(self, value: Any) -> None:
        self._a.imag = raw(value, "imag")

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            return partial(_method, self, name)
        if name in ATTRIBUTES:
            raise NotImplementedError(f"fake_cupy: ndarray.{name} exists in CuPy but is not modelled yet")
        raise AttributeError(f"'cupy.ndarray' object has no attribute {name!r}")

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Any:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __dir__(self) -> list[str]:
        return [*METHODS, *ATTRIBUTES]

    # ------------------------------------------------------------ the ways to the host, each of which waits
    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        sync("get")
        return self._a.copy(order)

    def item(self) -> Any:
        sync("item")
        return self._a.item()

    def tolist(self) -> Any:
        sync("tolist")
        return self._a.tolist()

    def __float__(self) -> float:
        sync("float")
        return float(self._a)

    def __int__(self) -> int:
        sync("int")
        return int(self._a)

    def __complex__(self) -> complex:
        sync("complex")
        return complex(self._a)

    def __bool__(self) -> bool:
        sync("bool")
        return bool(self._a)

    def __repr__(self) -> str:
        sync("repr")
        return repr(self._a)

    def __reduce__(self) -> Any:
        sync("pickle")
        return _restored, (self._a.copy(),)

    # ------------------------------------------------------------ NumPy is kept out
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
            "explicitly."
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        raise TypeError(f"np.{ufunc.__name__} on a device array: call the array's own namespace")

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"np.{func.__name__} on a device array: call the array's own namespace")

    # ------------------------------------------------------------ indexing
    def __getitem__(self, key: Any) -> Any:
        self._on_current_device()
        i = index(key, self.shape)
        r = self._a[i]
        copied = not all(p is None or p is Ellipsis or isinstance(p, (slice, int, np.integer)) for p in _parts(key))
        return wrapped(
            np.array(r) if copied else np.asarray(r) if isinstance(r, np.ndarray) else self._a[_and_rest(i)], [self]
        )

    def __setitem__(self, key: Any, value: Any) -> None:
        self._on_current_device()
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError(f"Unsupported type {type(value)} (a NumPy array assigned to a part of a CuPy one)")
        if isinstance(value, (list, tuple)):
            raise TypeError("a host sequence assigned to a part of a CuPy array")
        with np.errstate(all="ignore"):
            self._a[index(key, self.shape)] = raw(value, "setitem")

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    # ------------------------------------------------------------ changing in place
    def fill(self, value: Any) -> None:
        self._a.fill(raw(value, "fill"))

    def set(self, arr: Any, stream: Any = None) -> None:
        if not isinstance(arr, np.ndarray) or arr.dtype != self.dtype or arr.shape != self.shape:
            raise TypeError("set: a NumPy array of the same dtype and shape is expected")
        self._a[...] = arr

    def scatter_add(self, slices: Any, value: Any) -> None:
        self._scatter(np.add, slices, value)

    def scatter_max(self, slices: Any, value: Any) -> None:
        self._scatter(np.maximum, slices, value)

    def scatter_min(self, slices: Any, value: Any) -> None:
        self._scatter(np.minimum, slices, value)

    def _scatter(self, f: Any, slices: Any, value: Any) -> None:
        if self.dtype.char not in SCATTER:
            raise TypeError(f"scatter_{f.__name__}: {self.dtype} is not supported by CUDA's atomic operations")
        value = raw(value, "scatter")
        if isinstance(value, (list, np.ndarray)) and type(value) is list:
            raise TypeError("scatter: a host sequence")
        i = index(slices, self.shape)
        f.at(self._a, i, np.asarray(value).astype(self.dtype))

    # ------------------------------------------------------------ operators
    def _operator(self, name: str, *args: Any) -> Any:
        from .functions import operator

        return operator(name, *args)

    def __neg__(self) -> Any:
        return self._operator("negative", self)

    def __pos__(self) -> Any:
        return self._operator("positive", self)

    def __abs__(self) -> Any:
        return self._operator("absolute", self)

    def __invert__(self) -> Any:
        return self._operator("invert", self)

    def __matmul__(self, y: Any) -> Any:
        return self._operator("matmul", self, y)

    def __rmatmul__(self, y: Any) -> Any:
        return self._operator("matmul", y, self)

    def __pow__(self, y: Any, mod: Any = None) -> Any:
        return self._operator("power", self, y)

    def __rpow__(self, y: Any, mod: Any = None) -> Any:
        return self._operator("power", y, self)


def _binary(name: str) -> tuple[Any, Any, Any]:
    def forwards(self: Any, y: Any) -> Any:
        return self._operator(name, self, y)

    def reflected(self: Any, y: Any) -> Any:
        return self._operator(name, y, self)

    def in_place(self: Any, y: Any) -> Any:
        from .functions import operator

        return operator(name, self, y, out=self)

    return forwards, reflected, in_place


for _symbol, _ufunc in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift",
    "rshift": "right_shift",
}.items():  # fmt: skip
    _f, _r, _i = _binary(_ufunc)
    setattr(ndarray, f"__{_symbol}__", _f)
    setattr(ndarray, f"__r{_symbol}__", _r)
    setattr(ndarray, f"__i{_symbol}__", _i)
ndarray.__ipow__ = _binary("power")[2]  # type: ignore[attr-defined]
for _symbol, _ufunc in {
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
}.items():  # fmt: skip
    setattr(ndarray, f"__{_symbol}__", _binary(_ufunc)[0])


def _restored(a: np.ndarray) -> ndarray:
    return ndarray._make(a, None)


def _parts(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _and_rest(i: Any) -> Any:
    """The same index with an ellipsis, so that NumPy gives a view of no dimension instead of a scalar."""
    return (*i, ...) if isinstance(i, tuple) else (i, ...)


# ---------------------------------------------------------------- methods
def take(x: ndarray, indices: Any, axis: Any = None, out: Any = None) -> Any:
    i = raw(indices, "take")
    n = x.size if axis is None else x.shape[axis]
    return wrapped(np.take(x._a, np.asarray(i) % n if n else i, axis), [])


def sort_kind(kind: Any) -> str:
    """CuPy's only way of sorting."""
    if kind not in (None, "stable"):
        raise ValueError("only 'stable' and None are supported as kind")
    return "stable"


def _method(x: ndarray, name: str, *args: Any, **kwargs: Any) -> Any:
    """A method that NumPy has under the same name, its arguments checked against CuPy's."""
    check_arguments(f"ndarray.{name}", METHODS[name], args, kwargs)
    if name == "copy":  # the one method that reaches over to another device
        return ndarray._make(x._a.copy(*args, **kwargs), None)
    x._on_current_device()
    if name in ("sort", "argsort"):
        kwargs["kind"] = sort_kind(kwargs.get("kind"))
    if name == "take":
        return take(x, *args, **kwargs)
    if name in ("nonzero", "compress"):
        sync(name)
    if name == "choose" and kwargs.get("mode", "raise") == "raise":
        sync(name)
    if name == "repeat" and type(args[0] if args else kwargs["repeats"]) is ndarray:
        sync("repeat with array counts")
    if name == "reshape" and kwargs.get("order", "C") not in "CFA":
        raise ValueError("order not understood")
    kwargs = {k: v for k, v in kwargs.items() if not (name == "astype" and k in ("casting", "subok") and v is None)}
    out = kwargs.get("out")
    if out is not None:
        kwargs["out"] = raw(out, name)
    operands = [x, *arrays_in(args), *arrays_in(kwargs.values())]
    given = [raw(a, f"ndarray.{name}") for a in args]
    named = {k: raw(v, f"ndarray.{name}") for k, v in kwargs.items() if k != "out"}
    r = getattr(x._a, name)(*given, **named, **({"out": kwargs["out"]} if out is not None else {}))
    return out if out is not None else wrapped(r, operands)
