"""The memory behind tensors as an object: `x.untyped_storage()` (bytes) and `x.storage()` (elements), shared by all views.

They answer what programs ask (size, address, whether two tensors share memory) and give access to the elements. Tensors
are not built from them; the names of typed storages such as `FloatStorage` say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dtypes, versions
from .backend import of
from .core import wrap

if TYPE_CHECKING:
    from .device import device as Device
    from .tensor import Tensor

__all__ = [
    "BFloat16Storage", "BoolStorage", "ByteStorage", "CharStorage", "ComplexDoubleStorage", "ComplexFloatStorage",
    "DoubleStorage", "FloatStorage", "HalfStorage", "IntStorage", "LongStorage", "ShortStorage", "Storage",
    "TypedStorage", "UntypedStorage",
]  # fmt: skip


class TypedStorage:
    """The memory behind a tensor as a sequence of elements; `UntypedStorage` is the same as bytes.

    >>> import retrograd as rg
    >>> x = rg.arange(4)
    >>> s = x[1:].storage()
    >>> len(s), s.tolist(), s.data_ptr() == x.storage().data_ptr()
    (4, [0, 1, 2, 3], True)
    """

    __slots__ = ("_data", "dtype")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            f"{type(self).__name__}: storages are only handed out by tensors, as x.untyped_storage(); make a tensor with "
            "retrograd.tensor, retrograd.frombuffer or retrograd.from_file"
        )

    def size(self) -> int:
        """The number of elements."""
        return int(self._data.size)

    def __len__(self) -> int:
        return int(self._data.size)

    def nbytes(self) -> int:
        """The number of bytes."""
        return int(self._data.size) * self.element_size()

    def element_size(self) -> int:
        """Bytes per element."""
        return int(self._data.dtype.itemsize)

    def data_ptr(self) -> int:
        """The address of the first byte: equal for tensors that share memory."""
        a = self._data
        return a.__array_interface__["data"][0] if isinstance(a, np.ndarray) else a.data.ptr

    @property
    def device(self) -> Device:
        """Where the memory is."""
        return of(self._data).device_of(self._data)

    @property
    def is_cuda(self) -> bool:
        """Whether the memory is a GPU's."""
        return of(self._data).device_type == "cuda"

    def is_shared(self) -> bool:
        """False: the memory belongs to this process alone."""
        return False

    def is_pinned(self, device: Any = None) -> bool:
        """False: memory is pinned by the loader where there is a GPU."""
        return False

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        return wrap(self._data).tolist()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self, index: int | slice) -> Any:
        part = wrap(self._data[index])
        return part.tolist() if isinstance(index, slice) else part.item()

    def __setitem__(self, index: int | slice, value: Any) -> None:
        wrap(self._data)[index] = value

    def fill_(self, value: Any) -> TypedStorage:
        """Set every element."""
        wrap(self._data).fill_(value)
        return self

    def copy_(self, source: TypedStorage, non_blocking: bool = False) -> TypedStorage:
        """Copy the elements of another storage of the same size."""
        wrap(self._data).copy_(wrap(source._data))
        return self

    def clone(self) -> Any:
        """A copy of the memory."""
        return _over(type(self), self._data.copy(), self.dtype)

    def untyped(self) -> UntypedStorage:
        """The same memory as bytes."""
        return _over(UntypedStorage, self._data.view(np.uint8), None)

    def as_tensor(self, dtype: Any) -> Tensor:
        """The memory as a one-dimensional tensor of a dtype."""
        return wrap(self._data.view(dtype.np))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TypedStorage) and self.data_ptr() == other.data_ptr() and self.nbytes() == other.nbytes()
        )

    def __hash__(self) -> int:
        return hash((self.data_ptr(), self.nbytes()))

    def __repr__(self) -> str:
        kind = "" if self.dtype is None else f"dtype={self.dtype}, "
        return f"{type(self).__name__}({kind}device={self.device}) of size {self.size()}"


class UntypedStorage(TypedStorage):
    """The bytes behind a tensor.

    >>> import retrograd as rg
    >>> rg.arange(4).untyped_storage().nbytes()
    32
    """

    __slots__ = ()


Storage = TypedStorage


def _over(kind: Any, flat: Any, dtype: Any) -> Any:
    s = object.__new__(kind)
    s._data, s.dtype = flat, dtype
    return s


def _flat(x: Tensor) -> Any:
    """The whole memory behind a tensor, in one dimension."""
    home = versions.owner(x._data)
    if home.flags.c_contiguous:
        return home.reshape(-1)
    if home.flags.f_contiguous:
        return home.T.reshape(-1)
    raise NotImplementedError("storage: the tensor stands over strided memory of another library; clone() it first")


def untyped_storage(x: Tensor) -> UntypedStorage:
    """The bytes of the memory that tensor x is a view of."""
    return _over(UntypedStorage, _flat(x).view(np.uint8), None)


def typed_storage(x: Tensor) -> TypedStorage:
    """The elements of the memory that tensor x is a view of."""
    return _over(_TYPES.get(x._dtype, TypedStorage), _flat(x).view(x._dtype.np), x._dtype)


def _typed(name: str) -> Any:
    text = f"The memory behind a tensor of the type that {name.removesuffix('Storage')}Tensor names."
    return type(name, (TypedStorage,), {"__slots__": (), "__doc__": text, "__module__": __name__})


BFloat16Storage = _typed("BFloat16Storage")
BoolStorage = _typed("BoolStorage")
ByteStorage = _typed("ByteStorage")
CharStorage = _typed("CharStorage")
ComplexDoubleStorage = _typed("ComplexDoubleStorage")
ComplexFloatStorage = _typed("ComplexFloatStorage")
DoubleStorage = _typed("DoubleStorage")
FloatStorage = _typed("FloatStorage")
HalfStorage = _typed("HalfStorage")
IntStorage = _typed("IntStorage")
LongStorage = _typed("LongStorage")
ShortStorage = _typed("ShortStorage")

_TYPES = {
    dtypes.bfloat16: BFloat16Storage, dtypes.bool_: BoolStorage, dtypes.uint8: ByteStorage, dtypes.int8: CharStorage,
    dtypes.complex128: ComplexDoubleStorage, dtypes.complex64: ComplexFloatStorage, dtypes.float64: DoubleStorage,
    dtypes.float32: FloatStorage, dtypes.float16: HalfStorage, dtypes.int32: IntStorage, dtypes.int64: LongStorage,
    dtypes.int16: ShortStorage,
}  # fmt: skip
