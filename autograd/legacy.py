"""Methods that old scripts call: names such as 'torch.FloatTensor', questions with one answer here, `apply_`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import dtypes
from .backend import of
from .core import as_tensor_arg, wrap
from .dtypes import as_dtype, dtype
from .errors import GraphError, ShapeError

if TYPE_CHECKING:
    from .tensor import Tensor

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
    return as_dtype(getattr(given, "dtype", given), "type")  # a type such as rg.FloatTensor has a dtype


def is_same_size(self: Tensor, other: Tensor) -> bool:
    """Whether both tensors have the same shape.

    >>> import retrograd as rg
    >>> rg.ones(2).is_same_size(rg.zeros(2))
    True
    """
    return self._shape == as_tensor_arg(other, "is_same_size")._shape


def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """The sum over the dimensions that broadcasting from `size` to this shape had added or repeated.

    >>> import retrograd as rg
    >>> rg.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    from .ops.args import shape_arg
    from .ops.shape import sum_to

    s, n = shape_arg(size, "sum_to_size"), self._shape
    if len(s) > len(n) or any(a not in (1, b) for a, b in zip(s[::-1], n[::-1], strict=False)):
        raise ShapeError(f"sum_to_size: {tuple(s)} does not broadcast to the shape {tuple(n)} of the tensor")
    if (s != n or not n) and self._dtype.kind in "biu":  # a sum, which counts in int64
        self = self.long()
    return sum_to(self, s)


def apply_(self: Tensor, callable: Any) -> Tensor:
    """Replace every element by callable(element), in place and slowly; for tensors that require no gradient.

    >>> import retrograd as rg
    >>> rg.tensor([1.0, 2.0]).apply_(lambda v: v * v)
    tensor([1., 4.])
    """
    from .views import copy_

    if self._node is not None:
        raise GraphError(
            "apply_: the tensor requires grad, and Python's arithmetic is not recorded; use detach() first"
        )
    home = of(self._data)
    a = home.to_numpy(self._data)
    new = a.copy()
    new.reshape(-1)[:] = [callable(v) for v in a.reshape(-1).tolist()]
    return copy_(self, wrap(home.from_numpy(new, None)))


def itself(self: Tensor) -> Tensor:
    """The tensor itself: conjugates and negatives are computed at once, and every tensor is dense."""
    return self


def no(self: Tensor) -> bool:
    """False: there is no pinned or shared memory, and conjugates and negatives are computed at once."""
    return False


def new(self: Tensor, *args: Any, device: Any = None, size: Any = None) -> Tensor:
    """A tensor of the dtype and device of this one: of given sizes (values not set), or of given values.

    >>> import retrograd as rg
    >>> rg.tensor([1]).new([2, 3]), rg.ones(1).new(2, 3).shape
    (tensor([2, 3]), retrograd.Size([2, 3]))
    """
    from .ops.create import legacy_tensor

    return legacy_tensor(args if size is None else tuple(size), device or self.device, self._dtype)


def dim_order(self: Tensor, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The dimensions in the order in which they lie in memory, outermost first.

    ambiguity_check: raise RuntimeError where dimensions of size 1, or of equal strides, leave a choice.

    >>> import retrograd as rg
    >>> rg.zeros(2, 3, 5, 7).transpose(1, 2).dim_order()
    (0, 2, 1, 3)
    """
    if not isinstance(ambiguity_check, (bool, list)):
        raise TypeError(f"dim_order: ambiguity_check must be a bool or a list, got {type(ambiguity_check).__name__}")
    shape, strides = self._shape, [abs(s) for s in self._data.strides]
    order = sorted(range(len(shape)), key=lambda k: -strides[k])
    if ambiguity_check and (1 in shape or len(set(strides)) < len(strides)):
        raise ShapeError(f"dim_order: a tensor of shape {tuple(shape)} and strides {self.stride()} has no unique order")
    return tuple(order)


def resize(self: Tensor, *sizes: Any) -> Tensor:
    """`view(*sizes)` of as many elements; an older name."""
    import warnings

    warnings.warn("resize: non-inplace resize is deprecated; use view or reshape", UserWarning, stacklevel=2)
    return self.contiguous().view(*sizes)


def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """`view(tensor.shape)` of as many elements; an older name."""
    import warnings

    warnings.warn("resize_as: non-inplace resize_as is deprecated; use view or reshape", UserWarning, stacklevel=2)
    return self.contiguous().view(tuple(tensor._shape))


def untyped_storage(self: Tensor) -> Any:
    """The bytes of the memory that this tensor is a view of: equal for tensors that share it."""
    from .storage import untyped_storage

    return untyped_storage(self)


def storage(self: Tensor) -> Any:
    """The elements of the memory that this tensor is a view of."""
    from .storage import typed_storage

    return typed_storage(self)


def storage_type(self: Tensor) -> type:
    """The class of `storage()`."""
    return type(storage(self))


def is_nonzero(self: Tensor) -> bool:
    """Whether the only element is not zero; RuntimeError for another number of elements."""
    return bool(self)


def output_nr(self: Any) -> int:
    """Which output of its node the tensor is."""
    from .nodes import PICK

    n = self._node
    return n.saved[1][1] if getattr(n, "op", None) is PICK else 0


def name(self: Any) -> None:
    """None: tensors have no names."""
