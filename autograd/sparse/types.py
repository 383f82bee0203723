"""The sparse tensor types of older programs: `rg.sparse.FloatTensor(indices, values, size)`."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..core import TensorBase
from ..layouts import sparse_coo
from .build import sparse_coo_tensor

__all__ = [
    "BFloat16Tensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
    "ShortTensor",
]  # fmt: skip


class SparseType(type):
    """The class of `sparse.FloatTensor` and its relatives: they make COO tensors, and know them by dtype."""

    dtype: Any

    def __call__(cls, *args: Any) -> Any:
        if args and isinstance(args[0], TensorBase) and len(args) > 1:
            return sparse_coo_tensor(*args)
        size = args[0] if len(args) == 1 and not isinstance(args[0], int) else args or (0,)
        return sparse_coo_tensor(size, dtype=cls.dtype)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, TensorBase) and instance._dtype is cls.dtype and instance.layout is sparse_coo  # type: ignore[attr-defined]

    def __repr__(cls) -> str:
        return f"<class 'retrograd.sparse.{cls.__name__}'>"


def _make(name: str, dtype: Any) -> Any:
    text = f"Sparse COO tensors of {dtype.name}, as older programs make them."
    return SparseType(name, (), {"dtype": dtype, "__doc__": text, "__module__": __name__})


BFloat16Tensor = _make("BFloat16Tensor", dtypes.bfloat16)
ByteTensor = _make("ByteTensor", dtypes.uint8)
CharTensor = _make("CharTensor", dtypes.int8)
DoubleTensor = _make("DoubleTensor", dtypes.float64)
FloatTensor = _make("FloatTensor", dtypes.float32)
HalfTensor = _make("HalfTensor", dtypes.float16)
IntTensor = _make("IntTensor", dtypes.int32)
LongTensor = _make("LongTensor", dtypes.int64)
ShortTensor = _make("ShortTensor", dtypes.int16)
