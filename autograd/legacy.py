"""The names that `Tensor.type()` speaks, such as 'torch.FloatTensor'."""

from __future__ import annotations

from typing import Any

from . import dtypes
from .backend import of
from .dtypes import as_dtype, dtype

_NAMES = {
    dtypes.float32: "FloatTensor", dtypes.float64: "DoubleTensor", dtypes.float16: "HalfTensor",
    dtypes.bfloat16: "BFloat16Tensor", dtypes.int64: "LongTensor", dtypes.int32: "IntTensor",
    dtypes.int16: "ShortTensor", dtypes.int8: "CharTensor", dtypes.uint8: "ByteTensor", dtypes.bool_: "BoolTensor",
    dtypes.complex64: "ComplexFloatTensor", dtypes.complex128: "ComplexDoubleTensor",
}  # fmt: skip


def type_name(t: Any) -> str:
    """The name that `Tensor.type()` returns, as PyTorch spells it but for the package."""
    place = "retrograd.cuda" if of(t._data).device_type == "cuda" else "retrograd"
    return f"{place}.{_NAMES[t._dtype]}" if t._dtype in _NAMES else f"{place}.{t._dtype.name}"


def type_of(given: Any) -> dtype:
    """The dtype that `Tensor.type(given)` asks for: a dtype, or a name such as 'torch.FloatTensor'."""
    if isinstance(given, str):
        last = given.rsplit(".", 1)[-1]
        for d, name in _NAMES.items():
            if name == last:
                return d
    return as_dtype(given, "type")
