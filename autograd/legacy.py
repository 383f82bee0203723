"""What older PyTorch code needs: `Tensor(...)` as a constructor, and the names that `Tensor.type()` speaks."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes
from .backend import of, xp_for
from .core import TensorBase, wrap
from .device import as_device
from .dtypes import as_dtype, dtype

_NAMES = {
    dtypes.float32: "FloatTensor", dtypes.float64: "DoubleTensor", dtypes.float16: "HalfTensor",
    dtypes.bfloat16: "BFloat16Tensor", dtypes.int64: "LongTensor", dtypes.int32: "IntTensor",
    dtypes.int16: "ShortTensor", dtypes.int8: "CharTensor", dtypes.uint8: "ByteTensor", dtypes.bool_: "BoolTensor",
    dtypes.complex64: "ComplexFloatTensor", dtypes.complex128: "ComplexDoubleTensor",
}  # fmt: skip


def legacy_tensor(args: tuple[Any, ...], device: Any = None) -> Any:
    """`Tensor()`, `Tensor(2, 3)` (sizes), `Tensor([1, 2])` (values), `Tensor(other)` (shares memory), in the default dtype."""
    xp = xp_for(as_device(device))
    d = dtypes.get_default_dtype()
    if not args:
        return wrap(xp.empty(0, dtype=d.np))
    if len(args) == 1 and not isinstance(args[0], (int, np.integer)):
        (data,) = args
        if isinstance(data, TensorBase):
            if data._dtype is not d:
                raise dtypes_mismatch(data, d)
            return wrap(data._data)
        from .ops.create import tensor

        return tensor(data, dtype=d, device=device)
    from .ops.args import shape_arg

    return wrap(xp.empty(shape_arg(args), dtype=d.np))


def dtypes_mismatch(data: Any, d: dtype) -> Exception:
    """`Tensor(x)` of a tensor in another dtype."""
    from .errors import DtypeError

    return DtypeError(f"Tensor: got a {data._dtype.name} tensor, expected {d.name}; use rg.tensor or .to(dtype)")


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
