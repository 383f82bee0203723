"""Small questions about values and the machine: is_tensor, numel, result_type, the number of threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import dtypes
from .core import TensorBase, as_tensor_arg
from .dtypes import SCALAR, TENSOR, ZERO_DIM, dtype
from .kernels.cpu import runtime

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
    """The number of threads that an operation may use: of compiled kernels and of NumPy's BLAS.

    It starts with the environment variable RETROGRAD_NUM_THREADS (or NUMBA_NUM_THREADS, OMP_NUM_THREADS), else with the
    CPUs that the process may use.

    >>> import retrograd as rg
    >>> rg.get_num_threads() >= 1
    True
    """
    return runtime.num_threads()


def set_num_threads(n: int) -> None:
    """Let operations use n threads: compiled kernels, and NumPy's BLAS for what these leave to it.

    A DataLoader's workers compute with one thread each, whatever is set. RuntimeError if n is not a positive integer, or
    if NumPy's BLAS is none that can be told (neither OpenBLAS of NumPy's wheel nor known to the package threadpoolctl).

    >>> import retrograd as rg
    >>> rg.set_num_threads(rg.get_num_threads())
    """
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise RuntimeError(f"set_num_threads: a positive integer is expected, got {n!r}")
    from .kernels.cpu.blas import limit_numpy

    limit_numpy(n)
    runtime.set_num_threads(n)
