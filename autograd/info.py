"""Small questions about values and the machine: is_tensor, numel, result_type, the number of threads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from . import dtypes
from .core import TensorBase, as_tensor_arg
from .dtypes import SCALAR, TENSOR, ZERO_DIM, dtype

if TYPE_CHECKING:
    from .tensor import Tensor


def is_tensor(obj: Any) -> bool:
    """Whether obj is a Tensor.

    >>> import retrograd as rg
    >>> rg.is_tensor(rg.zeros(1)), rg.is_tensor([1])
    (True, False)
    """
    return isinstance(obj, TensorBase)


def numel(input: Tensor) -> int:
    """The number of elements.

    >>> import retrograd as rg
    >>> rg.numel(rg.zeros(2, 3))
    6
    """
    return int(as_tensor_arg(input, "numel")._data.size)


def is_floating_point(input: Tensor) -> bool:
    """Whether the tensor's dtype is a floating-point one.

    >>> import retrograd as rg
    >>> rg.is_floating_point(rg.zeros(1))
    True
    """
    return as_tensor_arg(input, "is_floating_point")._dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the tensor's dtype is a complex one.

    >>> import retrograd as rg
    >>> rg.is_complex(rg.zeros(1))
    False
    """
    return as_tensor_arg(input, "is_complex")._dtype.is_complex


def typename(obj: Any) -> str:
    """The name of an object's type: 'retrograd.FloatTensor' for a float32 tensor.

    >>> import retrograd as rg
    >>> rg.typename(rg.zeros(1)), rg.typename(3)
    ('retrograd.FloatTensor', 'int')
    """
    if isinstance(obj, TensorBase):
        from .legacy import type_name

        return type_name(obj)
    kind = type(obj)
    return kind.__qualname__ if kind.__module__ in ("builtins", "") else f"{kind.__module__}.{kind.__qualname__}"


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero; RuntimeError for another number of elements.

    >>> import retrograd as rg
    >>> rg.is_nonzero(rg.tensor([0.0]))
    False
    """
    return bool(as_tensor_arg(input, "is_nonzero"))


def _operand(x: Any) -> tuple[dtype, int]:
    if isinstance(x, TensorBase):
        return x._dtype, TENSOR if x._shape else ZERO_DIM
    return dtypes.of_scalar(x), SCALAR


def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The dtype of an arithmetic operation on two tensors or numbers, by PyTorch's rules.

    >>> import retrograd as rg
    >>> rg.result_type(rg.tensor([1], dtype=rg.int32), 1.5)
    retrograd.float32
    """
    return dtypes.result_type(_operand(tensor1), _operand(tensor2))


def get_num_threads() -> int:
    """The number of threads that BLAS and compiled kernels use (needs threadpoolctl to see BLAS; else the CPU count).

    >>> import retrograd as rg
    >>> rg.get_num_threads() >= 1
    True
    """
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return os.cpu_count() or 1
    return max(
        (p["num_threads"] for p in threadpool_info() if p.get("user_api") == "blas"), default=os.cpu_count() or 1
    )


def set_num_threads(n: int) -> None:
    """Set the number of threads of BLAS and of compiled kernels; needs the package threadpoolctl.

    >>> import retrograd as rg
    >>> rg.set_num_threads(rg.get_num_threads())
    """
    if not isinstance(n, int) or n < 1:
        raise RuntimeError(f"set_num_threads: a positive integer is expected, got {n!r}")
    try:
        from threadpoolctl import threadpool_limits
    except ImportError as e:
        raise RuntimeError(
            "set_num_threads: the package threadpoolctl is missing; run pip install threadpoolctl"
        ) from e
    threadpool_limits(limits=n)
    import sys

    if "numba" in sys.modules:
        from .kernels import set_num_threads as of_kernels

        of_kernels(n)
