"""NumPy interop: `np_array * t`, `np.exp(t)` and `np.sum(t)` go through retrograd's functions and keep the graph."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from .backend import is_array, of
from .core import TensorBase, wrap
from .errors import DeviceError, DtypeError, ShapeError
from .ops.names import LATE
from .registry import FUNCTIONS

# A ufunc's name -> ours, where they differ
_NAMES = {
    "subtract": "sub", "multiply": "mul", "true_divide": "div", "divide": "div", "negative": "neg", "power": "pow",
    "absolute": "abs", "fabs": "abs", "equal": "eq", "not_equal": "ne", "less": "lt",
    "less_equal": "le", "greater": "gt", "greater_equal": "ge", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "arctan2": "atan2", "invert": "bitwise_not",
    "left_shift": "bitwise_left_shift", "right_shift": "bitwise_right_shift", "conjugate": "conj", "rint": "round",
}  # fmt: skip


def function_of(name: str) -> Any:
    """Our public function of the name of a ufunc, or None."""
    ours = _NAMES.get(name, name)
    if ours not in FUNCTIONS:
        for module, names in LATE.items():
            if ours in names.split():
                importlib.import_module(f".ops.{module}", __package__)
    f = FUNCTIONS.get(ours)
    return None if f is None else f.call


def _values(t: Any) -> Any:
    """The array of a tensor; inside a function transform that of the values, where there are any."""
    a = t._data
    return a if type(a) is np.ndarray or of(a).name != "lifted" else of(a).to_numpy(a)


def array(t: Any, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """`np.asarray(t)`: shares memory, read-only when t requires grad; a GPU tensor is refused (`.cpu()` first)."""
    a = _values(t)
    if not isinstance(a, np.ndarray):
        raise DeviceError(f"numpy: the tensor is on {of(a).device_of(a)}; call .cpu() first")
    if t._node is not None:
        a = a.view()
        a.flags.writeable = False
    if dtype is not None and np.dtype(dtype) != a.dtype:
        if copy is False:
            raise ValueError(f"numpy: converting {a.dtype} to {np.dtype(dtype)} needs a copy, which copy=False forbids")
        return a.astype(dtype)
    return a.copy() if copy else a


def array_ufunc(self: Any, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    """A NumPy ufunc with a tensor among its operands: our function of that name, recorded."""
    out = kwargs.pop("out", None)
    if out is not None:
        if not isinstance(out, tuple) or any(not isinstance(o, TensorBase) for o in out):
            raise TypeError(
                f"{ufunc.__name__}: a NumPy array as out= (or on the left of {ufunc.__name__}=) would lose the graph; "
                "write a = a * t, or make the array a tensor"
            )
        kwargs["out"] = out[0]
    if method != "__call__":
        if method == "reduce" and ufunc in (np.add, np.multiply, np.maximum, np.minimum):
            f = function_of({np.add: "sum", np.multiply: "prod", np.maximum: "amax", np.minimum: "amin"}[ufunc])
            axis = kwargs.pop("axis", 0)
            rest = {k: v for k, v in kwargs.items() if k == "keepdims"}
            return f(args[0], dim=() if axis is None else axis, **rest)
        raise TypeError(f"np.{ufunc.__name__}.{method} of tensors is not supported; use the retrograd function")
    f = function_of(ufunc.__name__)
    if f is None:
        raise TypeError(f"np.{ufunc.__name__} has no retrograd equivalent; use np.{ufunc.__name__}(t.detach().numpy())")
    if any(k != "out" and v is not None for k, v in kwargs.items()):
        raise TypeError(f"np.{ufunc.__name__} of tensors takes no {', '.join(kwargs)}; use retrograd.{f.__name__}")
    ops = [wrap(a) if isinstance(a, np.ndarray) else a for a in args]
    return f(*ops, **{k: v for k, v in kwargs.items() if v is not None})


def array_function(self: Any, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """A NumPy function with a tensor among its arguments: the same by recorded operations (see `numpy_functions`)."""
    from .numpy_functions import TABLE

    where = (getattr(func, "__module__", None) or "numpy").removeprefix("numpy").removeprefix(".")
    name = f"{where}.{func.__name__}" if where else func.__name__
    f = TABLE.get(name)
    if f is None:
        raise TypeError(f"np.{name} has no retrograd equivalent; use np.{name}(t.detach().numpy()) without a gradient")

    def convert(v: Any) -> Any:
        if isinstance(v, np.ndarray):
            return wrap(v)
        return type(v)(convert(a) for a in v) if type(v) in (list, tuple) else v

    kwargs = {k: convert(v) for k, v in kwargs.items() if v is not None and v is not np._NoValue}
    return f(*(convert(a) for a in args), **kwargs)


def to_numpy(t: Any, force: bool = False) -> np.ndarray:
    """`Tensor.numpy()`: the array itself; read-only and detached when the tensor requires grad."""
    a = _values(t)
    if not isinstance(a, np.ndarray):
        if not force:
            raise DeviceError(f"numpy: the tensor is on {of(a).device_of(a)}; call .cpu() first, or numpy(force=True)")
        a = of(a).to_numpy(a)
    if t._node is not None and not force:
        a = a.view()
        a.flags.writeable = False
    return a


def comparable(x: Any) -> bool:
    """Whether `==` compares a tensor's elements with x; anything else (None, a string, a list) is just another object."""
    return isinstance(x, (TensorBase, int, float, complex, np.generic)) or is_array(x)


def item(t: Any) -> Any:
    """The Python number of a tensor with one element."""
    a = t._data
    if a.size != 1:
        raise ShapeError(
            f"item: a tensor with {a.size} elements cannot be converted to a number; shape {tuple(t._shape)}"
        )
    v = a.item() if isinstance(a, np.ndarray) else of(a).to_numpy(a).item()
    return float(v) if t._dtype.name == "bfloat16" else v


def real_item(t: Any, op: str) -> Any:
    """`item` for int() and float(), which complex numbers do not have."""
    if t._dtype.kind == "c":
        raise DtypeError(f"{op}: a complex number has no value as {op}, got {t._dtype.name}; use .real or abs()")
    return item(t)
