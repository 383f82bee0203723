"""The conversion methods of tensors: `type`, `cpu`, `cuda`, `double`, `float`, `long` and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import dtypes, legacy
from .ops import cast

if TYPE_CHECKING:
    from .tensor import Tensor


class Conversions:
    """Mixed into Tensor; holds no state."""

    __slots__ = ()

    def type(self: Any, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The type's name such as 'torch.FloatTensor' without arguments, else the tensor in another dtype."""
        return legacy.type_name(self) if dtype is None else cast.to_dtype(self, legacy.type_of(dtype))

    apply_ = legacy.apply_
    is_conj = is_neg = is_pinned = is_shared = legacy.no
    is_same_size = legacy.is_same_size
    resolve_conj = resolve_neg = to_dense = legacy.itself
    sum_to_size = legacy.sum_to_size

    def type_as(self: Any, other: Tensor) -> Tensor:
        """The tensor in the dtype of another."""
        return cast.to_dtype(self, other._dtype)

    def cpu(self: Any) -> Tensor:
        """The tensor in the CPU's memory."""
        return cast.to_device(self, "cpu")

    def cuda(self: Any, device: Any = None, non_blocking: bool = False) -> Tensor:
        """The tensor on a CUDA device."""
        return cast.to_device(self, "cuda" if device is None else device)

    def double(self: Any) -> Tensor:
        """In float64."""
        return cast.to_dtype(self, dtypes.float64)

    def float(self: Any) -> Tensor:
        """In float32."""
        return cast.to_dtype(self, dtypes.float32)

    def half(self: Any) -> Tensor:
        """In float16."""
        return cast.to_dtype(self, dtypes.float16)

    def bfloat16(self: Any) -> Tensor:
        """In bfloat16."""
        return cast.to_dtype(self, dtypes.bfloat16)

    def long(self: Any) -> Tensor:
        """In int64."""
        return cast.to_dtype(self, dtypes.int64)

    def int(self: Any) -> Tensor:
        """In int32."""
        return cast.to_dtype(self, dtypes.int32)

    def short(self: Any) -> Tensor:
        """In int16."""
        return cast.to_dtype(self, dtypes.int16)

    def char(self: Any) -> Tensor:
        """In int8."""
        return cast.to_dtype(self, dtypes.int8)

    def byte(self: Any) -> Tensor:
        """In uint8."""
        return cast.to_dtype(self, dtypes.uint8)

    def bool(self: Any) -> Tensor:
        """In bool."""
        return cast.to_dtype(self, dtypes.bool_)

    def cfloat(self: Any) -> Tensor:
        """In complex64."""
        return cast.to_dtype(self, dtypes.complex64)

    def cdouble(self: Any) -> Tensor:
        """In complex128."""
        return cast.to_dtype(self, dtypes.complex128)

    def pin_memory(self: Any, device: Any = None) -> Tensor:
        """The tensor itself: pinned memory is chosen by the loader where there is a GPU."""
        return self

    def share_memory_(self: Any) -> Tensor:
        """Not supported: a tensor lives in ordinary memory, which other processes do not see; threads share it as it is."""
        raise NotImplementedError(
            "share_memory_: tensors cannot be shared between processes; use threads, which share them as they are, or "
            "send the array to the other process"
        )
