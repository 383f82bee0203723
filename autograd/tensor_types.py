"""The tensor types of older programs: `rg.FloatTensor(2, 3)`, `isinstance(x, rg.LongTensor)`, `x.type(rg.cuda.FloatTensor)`.

A type stands for a dtype and a kind of device; its instances are ordinary tensors.
"""

from __future__ import annotations

from typing import Any

from . import dtypes
from .backend import of
from .core import TensorBase
from .dtypes import dtype
from .errors import DeviceError
from .layouts import strided

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor",
    "LongTensor", "ShortTensor", "cuda_type",
]  # fmt: skip


class TensorType(type):
    """The class of `FloatTensor` and its relatives: they make tensors, and know their instances by dtype and device."""

    dtype: dtype
    is_cuda: bool

    def __call__(cls, *args: Any, device: Any = None, size: Any = None) -> Any:
        from .cuda import is_available
        from .ops.create import legacy_tensor

        if cls.is_cuda and not is_available():
            raise DeviceError(
                f"{cls.__name__}: type retrograd.cuda.{cls.__name__} is not available without a CUDA device"
            )
        if size is not None:
            args = tuple(size)
        return legacy_tensor(args, device or ("cuda" if cls.is_cuda else "cpu"), cls.dtype)

    def __instancecheck__(cls, instance: Any) -> bool:
        if not isinstance(instance, TensorBase):
            return False
        if getattr(instance, "layout", strided) is not strided:
            return False
        return instance._dtype is cls.dtype and (of(instance._data).device_type == "cuda") == cls.is_cuda

    def __repr__(cls) -> str:
        return f"<class 'retrograd.{'cuda.' if cls.is_cuda else ''}{cls.__name__}'>"


_DTYPES = {
    "BFloat16Tensor": dtypes.bfloat16, "BoolTensor": dtypes.bool_, "ByteTensor": dtypes.uint8,
    "CharTensor": dtypes.int8, "DoubleTensor": dtypes.float64, "FloatTensor": dtypes.float32,
    "HalfTensor": dtypes.float16, "IntTensor": dtypes.int32, "LongTensor": dtypes.int64, "ShortTensor": dtypes.int16,
}  # fmt: skip


def _make(name: str, cuda: bool = False) -> Any:
    d = _DTYPES[name]
    text = f"Tensors of {d.name} on {'a CUDA device' if cuda else 'the CPU'}, as older programs name them."
    return TensorType(name, (), {"dtype": d, "is_cuda": cuda, "__doc__": text, "__module__": __name__})


BFloat16Tensor = _make("BFloat16Tensor")
BoolTensor = _make("BoolTensor")
ByteTensor = _make("ByteTensor")
CharTensor = _make("CharTensor")
DoubleTensor = _make("DoubleTensor")
FloatTensor = _make("FloatTensor")
HalfTensor = _make("HalfTensor")
IntTensor = _make("IntTensor")
LongTensor = _make("LongTensor")
ShortTensor = _make("ShortTensor")

_CUDA: dict[str, Any] = {}


def cuda_type(name: str) -> Any:
    """The type of that name on CUDA devices, None if there is none: `rg.cuda.FloatTensor`."""
    if name in _DTYPES and name not in _CUDA:
        _CUDA[name] = _make(name, cuda=True)
    return _CUDA.get(name)
