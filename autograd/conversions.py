"""The conversion methods of tensors: `type`, `cpu`, `cuda`, `double`, `float`, `long` and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import dtypes, legacy
from .ops import cast

if TYPE_CHECKING:
    from .ops import sparse_forms as _sparse_forms
    from .tensor import Tensor
else:
    from .late import late

    _sparse_forms = late("sparse_forms")


class Conversions:
    """Mixed into Tensor; holds no state. `memory_format` is taken for PyTorch's sake: there is one format."""

    __slots__ = ()

    def type(self: Any, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The type's name such as 'torch.FloatTensor' without arguments, else the tensor in another dtype."""
        return legacy.type_name(self) if dtype is None else cast.to_dtype(self, legacy.type_of(dtype))

    apply_ = legacy.apply_
    is_conj = is_neg = is_pinned = is_shared = legacy.no
    is_same_size = legacy.is_same_size
    resolve_conj = resolve_neg = legacy.itself
    sum_to_size = legacy.sum_to_size
    dim_order = legacy.dim_order
    is_nonzero = legacy.is_nonzero
    name = property(legacy.name)
    new = legacy.new
    output_nr = property(legacy.output_nr)
    resize = legacy.resize
    resize_as = legacy.resize_as
    storage = legacy.storage
    storage_type = legacy.storage_type
    untyped_storage = legacy.untyped_storage

    def type_as(self: Any, other: Tensor) -> Tensor:
        """The tensor in the dtype of another."""
        return cast.to_dtype(self, other._dtype)

    def cpu(self: Any, memory_format: Any = None) -> Tensor:
        """The tensor in the CPU's memory."""
        return cast.to_device(self, "cpu")

    def cuda(self: Any, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
        """The tensor on a CUDA device."""
        return cast.to_device(self, "cuda" if device is None else device)

    def double(self: Any, memory_format: Any = None) -> Tensor:
        """In float64."""
        return cast.to_dtype(self, dtypes.float64)

    def float(self: Any, memory_format: Any = None) -> Tensor:
        """In float32."""
        return cast.to_dtype(self, dtypes.float32)

    def half(self: Any, memory_format: Any = None) -> Tensor:
        """In float16."""
        return cast.to_dtype(self, dtypes.float16)

    def bfloat16(self: Any, memory_format: Any = None) -> Tensor:
        """In bfloat16."""
        return cast.to_dtype(self, dtypes.bfloat16)

    def long(self: Any, memory_format: Any = None) -> Tensor:
        """In int64."""
        return cast.to_dtype(self, dtypes.int64)

    def int(self: Any, memory_format: Any = None) -> Tensor:
        """In int32."""
        return cast.to_dtype(self, dtypes.int32)

    def short(self: Any, memory_format: Any = None) -> Tensor:
        """In int16."""
        return cast.to_dtype(self, dtypes.int16)

    def char(self: Any, memory_format: Any = None) -> Tensor:
        """In int8."""
        return cast.to_dtype(self, dtypes.int8)

    def byte(self: Any, memory_format: Any = None) -> Tensor:
        """In uint8."""
        return cast.to_dtype(self, dtypes.uint8)

    def bool(self: Any, memory_format: Any = None) -> Tensor:
        """In bool."""
        return cast.to_dtype(self, dtypes.bool_)

    def cfloat(self: Any, memory_format: Any = None) -> Tensor:
        """In complex64."""
        return cast.to_dtype(self, dtypes.complex64)

    def cdouble(self: Any, memory_format: Any = None) -> Tensor:
        """In complex128."""
        return cast.to_dtype(self, dtypes.complex128)

    # ------------------------------------------------------------ sparse tensors
    ccol_indices = _sparse_forms.ccol_indices
    coalesce = _sparse_forms.coalesce
    col_indices = _sparse_forms.col_indices
    crow_indices = _sparse_forms.crow_indices
    dense_dim = _sparse_forms.dense_dim
    indices = _sparse_forms.indices
    is_coalesced = _sparse_forms.is_coalesced
    row_indices = _sparse_forms.row_indices
    sparse_dim = _sparse_forms.sparse_dim
    sparse_mask = _sparse_forms.sparse_mask
    to_dense = _sparse_forms.to_dense
    to_sparse = _sparse_forms.to_sparse
    to_sparse_coo = _sparse_forms.to_sparse_coo
    to_sparse_csc = _sparse_forms.to_sparse_csc
    to_sparse_csr = _sparse_forms.to_sparse_csr
    values = _sparse_forms.values

    # ------------------------------------------------------------ other libraries
    def __dlpack__(
        self: Any, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
    ) -> Any:
        """A DLPack capsule over the tensor's memory, for `torch.from_dlpack(t)` and the like; see `autograd.dlpack`."""
        from .dlpack import export

        return export(self, stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)

    def __dlpack_device__(self: Any) -> tuple[Any, Any]:
        """(DLPack's number of the kind of device, ordinal)."""
        from .dlpack import device

        return device(self)

    def __array_namespace__(self: Any, *, api_version: str | None = None) -> Any:
        """`retrograd.xp`: the functions of the Python array API standard for tensors."""
        from . import array_api

        return array_api.of_version(api_version)

    def to_device(self: Any, device: Any, /, *, stream: Any = None) -> Tensor:
        """The tensor on another device: the array API standard's name of `to`."""
        if stream is not None:
            raise ValueError("to_device: stream must be None; transfers run on the current stream")
        return cast.to_device(self, device)

    def pin_memory(self: Any, device: Any = None) -> Tensor:
        """The tensor itself: pinned memory is chosen by the loader where there is a GPU."""
        return self

    def share_memory_(self: Any) -> Tensor:
        """Not supported: a tensor lives in ordinary memory, which other processes do not see; threads share it as it is."""
        raise NotImplementedError(
            "share_memory_: tensors cannot be shared between processes; use threads, which share them as they are, or "
            "send the array to the other process"
        )
