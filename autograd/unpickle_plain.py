"""Plain data in a PyTorch checkpoint: containers, bytes, sizes, devices, layouts, NumPy's numbers and arrays.

Each function builds one kind of value for a name of the allow-list (`unpickle_torch`), from arguments that it checks.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from . import layouts
from .device import device
from .size import Size
from .unpickle import Builder, Machine, brief

__all__ = [
    "LIMIT", "NumPyCode", "counter", "encode", "make_bytearray", "make_complex", "make_device", "make_frozenset",
    "make_layout", "make_set", "make_size", "not_called", "numpy_array", "numpy_buffer", "numpy_dtype", "numpy_scalar",
    "once", "pairs", "set_array", "whole_numbers",
]  # fmt: skip

LIMIT = 2**62  # sizes, strides and offsets stay below, so that products of them are exact in NumPy's int64
_LAYOUTS = {
    f"torch.{layout.name}": layout
    for layout in (layouts.strided, layouts.sparse_coo, layouts.sparse_csr, layouts.sparse_csc)
}
_NUMPY_CODES = frozenset(
    ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
)  # numbers only: other NumPy dtypes hold objects, text or structures


def once(value: Callable[[], Any]) -> Callable[[Machine, tuple[Any, ...]], Any]:
    """A constructor that is called without arguments, as pickles of empty containers do."""

    def make(machine: Machine, args: tuple[Any, ...]) -> Any:
        if args:
            raise machine.damaged(f"an empty container is made of {len(args)} arguments")
        return value()

    return make


def pairs(machine: Machine, args: tuple[Any, ...]) -> OrderedDict[Any, Any]:
    """OrderedDict(), or OrderedDict([(key, value), ...]) as Python 2 wrote it."""
    found: OrderedDict[Any, Any] = OrderedDict()
    if args:
        (items,) = args
        if type(items) is not list or any(type(p) not in (list, tuple) or len(p) != 2 for p in items):
            raise machine.damaged(f"an OrderedDict is made of {brief(items)}")
        machine.spend(len(items))
        machine.fill(found, [x for pair in items for x in pair])
    return found


def counter(machine: Machine, args: tuple[Any, ...]) -> Counter[Any]:
    (counts,) = args or ({},)
    if type(counts) is not dict:
        raise machine.damaged(f"a Counter is made of {brief(counts)}")
    machine.spend(len(counts))
    return Counter(counts)


def make_set(machine: Machine, args: tuple[Any, ...]) -> set[Any]:
    (items,) = args or ([],)
    if type(items) not in (list, tuple):
        raise machine.damaged(f"a set is made of {brief(items)}")
    machine.spend(len(items))
    return set(map(machine.key, items))


def make_frozenset(machine: Machine, args: tuple[Any, ...]) -> frozenset[Any]:
    return frozenset(make_set(machine, args))


def encode(machine: Machine, args: tuple[Any, ...]) -> bytes:
    """Bytes, which protocols before 3 write as text: encode(text, 'latin1')."""
    text, encoding = args
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise machine.damaged(f"bytes are made of {brief(text)} in the encoding {brief(encoding)}")
    machine.spend(len(text))
    return text.encode("latin-1")


def make_bytearray(machine: Machine, args: tuple[Any, ...]) -> bytearray:
    if len(args) == 2:
        args = (encode(machine, args),)
    (data,) = args or (b"",)
    if type(data) is not bytes:
        raise machine.damaged(f"a bytearray is made of {brief(data)}")
    machine.spend(len(data))
    return bytearray(data)


def make_complex(machine: Machine, args: tuple[Any, ...]) -> complex:
    real, imaginary = args
    if type(real) is not float or type(imaginary) is not float:
        raise machine.damaged(f"a complex number is made of {brief(real)} and {brief(imaginary)}")
    return complex(real, imaginary)


def make_size(machine: Machine, args: tuple[Any, ...]) -> Size:
    (sizes,) = args
    return Size(whole_numbers(machine, sizes, "a Size"))


def make_device(machine: Machine, args: tuple[Any, ...]) -> device:
    if not args or type(args[0]) is not str or len(args[0]) > 40 or any(type(a) is not int for a in args[1:]):
        raise machine.damaged(
            f"a device is made of {len(args)} arguments, the first {brief(args[0] if args else None)}"
        )
    return device(*args)


def make_layout(machine: Machine, args: tuple[Any, ...]) -> Any:
    (name,) = args
    if type(name) is not str or name not in _LAYOUTS:
        raise machine.damaged(f"a layout is called {brief(name)}, expected one of {', '.join(sorted(_LAYOUTS))}")
    return _LAYOUTS[name]


def whole_numbers(machine: Machine, numbers: Any, what: str) -> tuple[int, ...]:
    """A tuple of numbers from 0 to 2**62, or the error."""
    if type(numbers) not in (tuple, Size) or len(numbers) > 64:
        raise machine.damaged(f"{what} is {brief(numbers)}")
    if any(type(n) is not int or not 0 <= n < LIMIT for n in numbers):
        raise machine.damaged(
            f"{what} has {next(brief(n) for n in numbers if type(n) is not int or not 0 <= n < LIMIT)}"
        )
    return tuple(numbers)


# ---------------------------------------------------------------- NumPy's numbers and arrays
class NumPyCode:
    """A NumPy dtype under construction: its byte order follows when the state is set."""

    __slots__ = ("code", "order")

    def __init__(self, code: str) -> None:
        self.code = code
        self.order = "<"

    @property
    def element(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


def numpy_dtype(machine: Machine, args: tuple[Any, ...]) -> NumPyCode:
    if not args or args[0] not in _NUMPY_CODES:
        raise machine.damaged(f"a NumPy dtype is {brief(args[0] if args else None)}; numbers and bools can be loaded")
    return NumPyCode(args[0])


def numpy_scalar(machine: Machine, args: tuple[Any, ...]) -> Any:
    kind, raw = args
    if type(kind) is not NumPyCode or type(raw) is not bytes or len(raw) != kind.element.itemsize:
        raise machine.damaged(f"a NumPy number is {brief(kind)} of {brief(raw)}")
    found = np.frombuffer(raw, kind.element)
    return found.astype(kind.element.newbyteorder("="))[0]


def numpy_array(machine: Machine, args: tuple[Any, ...]) -> np.ndarray:
    """An empty array, which takes its elements when the state is set."""
    if len(args) != 3 or type(args[0]) is not Builder or args[0].name != "numpy.ndarray" or args[1] != (0,):
        raise machine.damaged("a NumPy array is of another class")
    return np.empty(0, np.int8)


def numpy_buffer(machine: Machine, args: tuple[Any, ...]) -> np.ndarray:
    """An array as protocol 5 writes it: (bytes, dtype, shape, order)."""
    raw, kind, shape, order = args
    if type(raw) not in (bytes, bytearray) or order not in ("C", "F"):
        raise machine.damaged(f"a NumPy array is made of {brief(raw)} in the order {brief(order)}")
    found = np.empty(0, np.int8)
    set_array(machine, found, (1, shape, kind, order == "F", bytes(raw)))
    return found


def not_called(machine: Machine, args: tuple[Any, ...]) -> Any:
    raise machine.damaged("the pickle calls a class that it may only mention")


def set_array(machine: Machine, target: np.ndarray, state: Any) -> None:
    if type(state) is not tuple or len(state) != 5 or type(state[2]) is not NumPyCode or type(state[4]) is not bytes:
        raise machine.damaged(f"the state of a NumPy array is {brief(state)}")
    _, shape, kind, fortran, raw = state
    shape = whole_numbers(machine, shape, "the shape of a NumPy array")
    if math.prod(shape) * kind.element.itemsize != len(raw):
        raise machine.damaged(f"a NumPy array of shape {shape} has {len(raw)} bytes")
    if kind.code == "b1" and raw.translate(None, b"\0\1"):
        raise machine.damaged("a NumPy array of bools has other values")
    machine.spend(len(raw))
    target.__setstate__((1, shape, kind.element, bool(fortran), raw))  # type: ignore[arg-type]
