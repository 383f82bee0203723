"""The stand-in's namespace: ufuncs with CuPy's loops, functions with CuPy's signatures, and nothing that CuPy lacks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from .array import arrays_in, ndarray, raw, sort_kind, take, wrapped
from .state import DEVICES, NAMES, Device, check_arguments, current, sync

# These take no array first, or make one of host values.
CREATION = frozenset(
    "arange array asanyarray asarray bartlett blackman broadcast_shapes can_cast common_type empty eye full hamming "
    "hanning identity indices isdtype isscalar issubdtype kaiser linspace logspace meshgrid mintypecode ndim ones "
    "promote_types ravel_multi_index result_type shape size tri tril_indices triu_indices typename zeros".split()
)
WAITS = frozenset(
    "argwhere array2string array_repr array_str asnumpy bincount choose compress diag_indices_from extract flatnonzero "
    "histogram intersect1d nonzero place putmask savetxt save setdiff1d setxor1d trim_zeros union1d unique unique_all "
    "unique_counts unique_inverse unique_values unwrap".split()
)
LINALG_WAITS = frozenset("cholesky eigh eigvalsh inv lstsq pinv qr solve svd tensorinv tensorsolve".split())


# ---------------------------------------------------------------- ufuncs
def _char(c: str) -> np.dtype:
    if c == "E":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(c)


class Ufunc:
    """An elementwise function with CuPy's loops, `at` only where CuPy scatters, `reduce` only for add and multiply."""

    def __init__(self, name: str, f: Any, record: dict[str, Any]) -> None:
        self.name, self.__name__, self._f, self._at = name, name, f, record["at"]
        self.types = record["ufunc"].split()
        self._loops = [tuple(tuple(map(_char, side)) for side in t.split("->")) for t in self.types]
        self.nin, self.nout = len(self._loops[0][0]), len(self._loops[0][1])

    def _outputs(self, args: list[Any]) -> Any:
        """The result dtypes of the first loop that takes the operands, as CuPy finds it."""
        strong = [a.dtype for a in args if isinstance(a, (np.ndarray, np.generic))]
        top = max((_rank(d.kind) for d in strong), default=-1)
        kinds = []
        for a in args:
            if isinstance(a, (np.ndarray, np.generic)):
                kinds.append(a.dtype)
            elif type(a) in (bool, int, float, complex):
                r = {bool: 0, int: 1, float: 2, complex: 3}[type(a)]
                kinds.append(None if r <= top else np.dtype("?ldD"[r]) if top < 0 else _weak(r, strong))
            else:
                raise TypeError(f"cupy_{self.name}: Unsupported type {type(a)}")
        for ins, outs in self._loops:
            if all(k is None or k == d or np.can_cast(k, d, "safe") for k, d in zip(kinds, ins, strict=True)):
                if not strong or _rank(ins[0].kind) >= 0:
                    return outs
        raise TypeError(f"Wrong type ({[str(k) for k in kinds]}) of arguments for cupy_{self.name}")

    def __call__(self, *args: Any, out: Any = None, dtype: Any = None, casting: Any = None, where: Any = None) -> Any:
        if len(args) > self.nin:
            if len(args) != self.nin + self.nout:
                raise TypeError(f"Wrong number of arguments for cupy_{self.name}")
            args, out = args[: self.nin], args[self.nin]
        if len(args) != self.nin:
            raise TypeError(f"Wrong number of arguments for cupy_{self.name}")
        what = f"cupy_{self.name}"
        given = [raw(a, what) for a in args]
        outs = self._outputs(given)
        kw: dict[str, Any] = {}
        if where is not None:
            kw["where"] = raw(where, what)
        if casting is not None:
            kw["casting"] = casting
        with np.errstate(all="ignore"):
            if out is not None:
                out = out[0] if isinstance(out, tuple) else out
                if type(out) is not ndarray:
                    raise TypeError(f"{what}: out must be a cupy.ndarray, got {type(out)}")
                self._f(*given, out=raw(out, what), **kw)
                return out
            if dtype is not None:
                kw["dtype"] = dtype
            r = self._f(*given, **kw)
        if dtype is None:
            pairs = zip(r, outs, strict=True) if isinstance(r, tuple) else [(r, outs[0])]
            found = tuple(np.asarray(a).astype(d, copy=False) for a, d in pairs)
            r = found if isinstance(r, tuple) else found[0]
        return wrapped(r, arrays_in(args) if self.name in ("real", "imag") else [])

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        if not self._at:
            raise NotImplementedError(f"`{self.name}.at` is not supported yet")
        a._scatter(self._f, indices, b)

    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        name = {"add": "sum", "multiply": "prod"}.get(self.name)
        if name is None:
            raise NotImplementedError(f"`{self.name}.reduce` is not supported yet")
        return getattr(array, name)(axis, dtype, out, keepdims)

    def accumulate(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        name = {"add": "cumsum", "multiply": "cumprod"}.get(self.name)
        if name is None:
            raise NotImplementedError(f"`{self.name}.accumulate` is not supported yet")
        return getattr(array, name)(axis, dtype, out)

    def reduceat(self, array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
        if self.name != "add":
            raise NotImplementedError(f"`{self.name}.reduceat` is not supported yet")
        return wrapped(np.add.reduceat(raw(array, "reduceat"), raw(indices, "reduceat"), axis, dtype), [])

    def outer(self, x: Any, y: Any, **kwargs: Any) -> Any:
        return self(x[(...,) + (None,) * y.ndim], y, **kwargs)

    def __repr__(self) -> str:
        return f"<ufunc 'cupy_{self.name}'>"


def _power(x: Any, y: Any, **kwargs: Any) -> Any:
    """As CuPy's: integers to negative integers are no error, but 0 (or the reciprocal of 1 and -1)."""
    a, b = np.asarray(x), np.asarray(y)
    if a.dtype.kind in "iu" and b.dtype.kind == "i" and (b < 0).any():
        small = np.where(a == 1, 1, np.where(a == -1, 1 - 2 * (b % 2), 0))
        return np.where(b < 0, small, np.power(x, np.maximum(y, 0))).astype(np.result_type(x, y))
    return np.power(x, y, **kwargs)


def _rank(kind: str) -> int:
    return {"b": 0, "i": 1, "u": 1, "f": 2, "V": 2, "c": 3}[kind]


def _weak(r: int, strong: list[np.dtype]) -> np.dtype:
    """The dtype of a Python number of a higher kind than the arrays: complex with float32 is complex64."""
    if r == 3 and all(d.kind == "f" and d.itemsize <= 4 for d in strong):
        return np.dtype("F")
    return np.dtype("?ldD"[r])


# ---------------------------------------------------------------- functions
class Function:
    """A function that NumPy has under the same name, its arguments checked against CuPy's."""

    def __init__(self, name: str, f: Any, parameters: str | None, waits: bool) -> None:
        self.name, self.__name__, self._f, self._parameters, self._waits = name, name, f, parameters, waits

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        check_arguments(self.name, self._parameters, args, kwargs)
        operands = arrays_in([*args, *kwargs.values()])
        if self.name not in CREATION and not operands:
            raise TypeError(f"cupy.{self.name}: no cupy.ndarray among the arguments ({[type(a) for a in args]})")
        if self._waits:
            sync(self.name)
        if self.name in ("sort", "argsort"):
            kwargs["kind"] = sort_kind(kwargs.get("kind"))
        out = kwargs.pop("out", None)
        if out is not None and type(out) is not ndarray:
            raise TypeError(f"cupy.{self.name}: out must be a cupy.ndarray, got {type(out)}")
        given = [raw(a, f"cupy.{self.name}") for a in args]
        named = {k: raw(v, f"cupy.{self.name}") for k, v in kwargs.items()}
        if out is not None:
            named["out"] = raw(out, self.name)
        with np.errstate(all="ignore"):
            r = self._f(*given, **named)
        return out if out is not None else wrapped(r, operands)

    def __repr__(self) -> str:
        return f"<function {self.name}>"


def array(obj: Any, dtype: Any = None, copy: Any = True, order: Any = "K", subok: Any = False, ndmin: int = 0, *,
          blocking: bool = False) -> Any:  # fmt: skip
    """The one way from the host to the device."""
    if type(obj) is ndarray:
        a = np.array(obj._a, dtype, copy=bool(copy) or None, order=order, ndmin=ndmin)
        return wrapped(a, [obj])
    if isinstance(obj, (list, tuple)) and arrays_in(obj):
        sync("array of a list of arrays")
        obj = raw(obj, "array")
    return ndarray._make(np.array(obj, dtype, order=order, ndmin=ndmin), None)


def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False) -> Any:
    return array(a, dtype, copy is True, "K" if order is None else order)


def ascontiguousarray(a: Any, dtype: Any = None) -> Any:
    return array(a, dtype, False, "C", ndmin=0) if type(a) is ndarray else array(a, dtype, True, "C")


def asnumpy(a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> Any:
    return a.get() if type(a) is ndarray else np.asarray(a, order=order)


def where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        sync("one-argument where")
        return wrapped(np.nonzero(raw(condition, "where")), [])
    if type(condition) is not ndarray:
        raise TypeError(f"cupy.where: the condition must be a cupy.ndarray, got {type(condition)}")
    for v in (x, y):
        if type(v) is not ndarray and not isinstance(v, (bool, int, float, complex, np.generic)):
            raise TypeError(f"cupy.where: Unsupported type {type(v)}")
    return wrapped(np.where(raw(condition, "where"), raw(x, "where"), raw(y, "where")), [])


def matmul(x: Any, y: Any, out: Any = None, **kwargs: Any) -> Any:
    a, b = raw(x, "matmul"), raw(y, "matmul")
    if type(x) is not ndarray or type(y) is not ndarray:
        raise TypeError(f"cupy.matmul: Unsupported types {type(x)} and {type(y)}")
    if max(a.ndim, b.ndim) > 2 and "bfloat16" in (a.dtype.name, b.dtype.name):
        raise TypeError("matmul: bfloat16 reaches the integer kernel for more than two dimensions")
    r = np.matmul(a, b, **kwargs)
    r = wrapped(r.astype(a.dtype) if a.dtype == b.dtype else r, [])  # NumPy's product of bfloat16 is float32
    if out is None:
        return r
    out[...] = r
    return out


def take_along_axis(a: Any, indices: Any, axis: Any) -> Any:
    i = raw(indices, "take_along_axis")
    n = a.size if axis is None else a.shape[axis]
    return wrapped(np.take_along_axis(raw(a, "take_along_axis"), i % n if n else i, axis), [])


def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    i = raw(indices, "put_along_axis")
    n = arr.size if axis is None else arr.shape[axis]
    np.put_along_axis(raw(arr, "put_along_axis"), i % n if n else i, raw(values, "put_along_axis"), axis)


def put(a: Any, ind: Any, v: Any, mode: str = "wrap") -> None:
    if mode == "raise":
        sync("put(mode='raise')")
    np.put(raw(a, "put"), raw(ind, "put"), raw(v, "put"), mode)


def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    return a.repeat(repeats, axis)


def shares_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    return np.shares_memory(raw(a, "shares_memory"), raw(b, "shares_memory"))


def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    return np.may_share_memory(raw(a, "may_share_memory"), raw(b, "may_share_memory"))


def scatter_add(a: Any, slices: Any, value: Any) -> None:
    a.scatter_add(slices, value)


def scatter_max(a: Any, slices: Any, value: Any) -> None:
    a.scatter_max(slices, value)


def scatter_min(a: Any, slices: Any, value: Any) -> None:
    a.scatter_min(slices, value)


MODELLED = {
    "array": array, "asarray": asarray, "asanyarray": asarray, "ascontiguousarray": ascontiguousarray,
    "asnumpy": asnumpy, "where": where, "matmul": matmul, "take": take, "take_along_axis": take_along_axis,
    "put_along_axis": put_along_axis, "put": put, "repeat": repeat, "shares_memory": shares_memory,
    "may_share_memory": may_share_memory,
}  # fmt: skip


# ---------------------------------------------------------------- namespaces
class Namespace:
    """A module that has what CuPy's has, and says so when something is missing there or not modelled here."""

    def __init__(self, name: str, records: dict[str, Any], library: Any, more: dict[str, Any], waits: Any) -> None:
        self.__name__, self._records, self._library, self._more, self._waits = name, records, library, more, waits

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in self._records and name not in self._more:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        found = self._more.get(name)
        if found is None:
            found = self._make(name, self._records[name])
        elif "function" in self._records.get(name, {}):
            found = _checked(name, found, self._records[name]["function"])
        self.__dict__[name] = found
        return found

    def _make(self, name: str, record: dict[str, Any]) -> Any:
        theirs = getattr(self._library(), name, None)
        if "value" in record or record.get("type", "").startswith(("numpy.", "builtins.", "ml_dtypes.")):
            return theirs
        if name == "power":
            theirs = _power
        if theirs is None or "type" in record or "other" in record:
            raise NotImplementedError(f"fake_cupy: {self.__name__}.{name} exists in CuPy but is not modelled yet")
        if "ufunc" in record:
            return Ufunc(name, theirs, record)
        return Function(name, theirs, record["function"], name in self._waits)

    def __dir__(self) -> list[str]:
        return sorted({*self._records, *self._more})

    def __repr__(self) -> str:
        return f"<stand-in for module {self.__name__!r}>"


def _checked(name: str, f: Any, parameters: str | None) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        check_arguments(name, parameters, args, kwargs)
        return f(*args, **kwargs)

    call.__name__ = name
    return call


def _scipy_special() -> Any:
    import scipy.special

    return scipy.special


def _runtime() -> Any:
    return SimpleNamespace(
        getDevice=lambda: current.id,
        getDeviceCount=lambda: DEVICES,
        getDeviceProperties=lambda i: {"name": b"Stand-in"},
        deviceSynchronize=lambda: sync("deviceSynchronize"),
    )


_linalg = Namespace("cupy.linalg", NAMES["linalg"], lambda: np.linalg, {"matmul": matmul}, LINALG_WAITS)
_fft = Namespace("cupy.fft", NAMES["fft"], lambda: np.fft, {}, ())
_tricks = Namespace("cupy.lib.stride_tricks", NAMES["lib.stride_tricks"], lambda: np.lib.stride_tricks, {}, ())
cupy = Namespace(
    "cupy",
    NAMES["cupy"],
    lambda: np,
    {
        **MODELLED,
        "ndarray": ndarray,
        "ufunc": Ufunc,
        "linalg": _linalg,
        "fft": _fft,
        "lib": SimpleNamespace(stride_tricks=_tricks),
        "cuda": SimpleNamespace(
            Device=Device, runtime=_runtime(), is_available=lambda: True,
            Stream=SimpleNamespace(null=SimpleNamespace(synchronize=lambda: sync("Stream.synchronize"))),
        ),
        "get_default_memory_pool": lambda: SimpleNamespace(free_all_blocks=lambda: None, used_bytes=lambda: 0),
        "s_": np.s_,
    },
    WAITS,
)  # fmt: skip
special = Namespace("cupyx.scipy.special", NAMES["cupyx.scipy.special"], _scipy_special, {}, ())
cupyx = Namespace(
    "cupyx",
    NAMES["cupyx"],
    lambda: SimpleNamespace(),
    {
        "scatter_add": scatter_add,
        "scatter_max": scatter_max,
        "scatter_min": scatter_min,
        "scipy": SimpleNamespace(special=special),
    },
    (),
)


def operator(name: str, *args: Any, out: Any = None) -> Any:
    """A Python operator."""
    f = getattr(cupy, name)
    return f(*args) if out is None else f(*args, out=out)


__all__ = ["cupy", "cupyx", "operator", "special"]
