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
    return as_dtype(given, "type")


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
