"""Python functions of numbers, called for every element: map_, map2_. Slow, for what has no operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..errors import DeviceError, DtypeError, GraphError
from ..op import public
from ..samples import raises, t
from ..views import refuse, write_data
from .parts import expanded

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["map2_", "map_"]


def _map(x: Any, others: tuple[Any, ...], f: Any, op: str) -> Any:
    x = as_tensor_arg(x, op)
    if not callable(f):
        raise TypeError(f"{op}: callable must be a function of numbers, got {type(f).__name__}")
    ys = [as_tensor_arg(y, op) for y in others]
    shape = tuple(x._shape)
    for y in (x, *ys):
        if y._node is not None:
            raise GraphError(
                f"{op}: a tensor requires grad, and Python's arithmetic is not recorded; use detach() first"
            )
        if y._dtype is not x._dtype:
            raise DtypeError(f"{op}: the other tensor is {y._dtype.name}; {x._dtype.name} is expected")
        expanded(shape, tuple(y._shape), op)
    if any(type(y._data) is not np.ndarray for y in (x, *ys)):
        raise DeviceError(f"{op}: a Python function runs on the CPU only; move the tensors with .cpu()")
    refuse(x, op)
    columns = [np.broadcast_to(y._data, shape).ravel().tolist() for y in (x, *ys)]
    made = np.array([f(*values) for values in zip(*columns, strict=True)], dtype=x._dtype.np).reshape(shape)
    write_data(x, made, op)
    return x


@public(
    where="Tensor",
    errors=lambda: [
        raises(TypeError, r"map_: the other tensor is int64", t(2, grad=False), t(2, dtype="int64"), max),
        raises(RuntimeError, r"map_: .*cannot become 2", t(2, grad=False), t(3, grad=False), max),
        raises(TypeError, r"map_: a Tensor is expected", t(2, grad=False), 2.0, max),
    ],
    differentiable=False,
)
def map_(self: Tensor, other: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Overwrite every element x with callable(x, y), of Python numbers; `other` expands to the tensor's shape.

    Both have the same dtype and are on the CPU. Raises RuntimeError (a GraphError) for tensors that require grad.

    >>> import retrograd as rg
    >>> rg.tensor([1.0, 4.0]).map_(rg.tensor([3.0, 2.0]), max)
    tensor([3., 4.])
    """
    return _map(self, (other,), callable, "map_")


@public(
    where="Tensor",
    errors=lambda: [
        raises(TypeError, r"map2_: the other tensor is int64", t(2, grad=False), t(2, dtype="int64"), t(2), max),
        raises(RuntimeError, r"map2_: .*cannot become 2", t(2, grad=False), t(2, grad=False), t(3, grad=False), max),
    ],
    differentiable=False,
)
def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """As `map_` with two other tensors: every element v becomes callable(v, x, y).

    >>> import retrograd as rg
    >>> rg.zeros(2).map2_(rg.tensor([1.0, 2.0]), rg.tensor([3.0, 4.0]), lambda v, a, b: v + a * b)
    tensor([3., 8.])
    """
    return _map(self, (x, y), callable, "map2_")
