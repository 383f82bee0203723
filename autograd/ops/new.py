"""`x.new_zeros(...)` and its relatives: new tensors of the dtype and device of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..op import public
from ..samples import D, call, t
from .create import empty, full, ones, sizes, tensor, zeros

if TYPE_CHECKING:
    from ..device import device as Device
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = ["new_empty", "new_full", "new_ones", "new_tensor", "new_zeros"]


@public(
    where="Tensor",
    differentiable=False,
    samples=lambda: [call(t(2), [[1, 2]]), call(t(2), 3.5), call(t(2), [1], dtype=D("int64"))],
)
def new_tensor(
    input: Tensor, data: Any, *, dtype: Dtype | None = None, device: Device | str | int | None = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A copy of data as a tensor of the dtype and device of `input`.

    >>> import retrograd as rg
    >>> rg.zeros(2).new_tensor([1, 2])
    tensor([1., 2.])
    """
    return tensor(data, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad)


@public(where="Tensor", differentiable=False, samples=lambda: [call(t(2), 2, 3), call(t(2), (3,), dtype=D("int64"))])
def new_zeros(
    input: Tensor, *given: int | Sequence[int], size: Sequence[int] | None = None, dtype: Dtype | None = None,
    device: Device | str | int | None = None, requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros of a given size, of the dtype and device of `input`.

    >>> import retrograd as rg
    >>> rg.tensor([1, 2]).new_zeros(2)
    tensor([0, 0])
    """
    return zeros(
        sizes(given, size, "new_zeros"), dtype=dtype or input.dtype, device=device or input.device, layout=layout,
        requires_grad=requires_grad,
    )  # fmt: skip


@public(where="Tensor", differentiable=False, samples=lambda: [call(t(2), 2, 3), call(t(2), (3,), dtype=D("int64"))])
def new_ones(
    input: Tensor, *given: int | Sequence[int], size: Sequence[int] | None = None, dtype: Dtype | None = None,
    device: Device | str | int | None = None, requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones of a given size, of the dtype and device of `input`.

    >>> import retrograd as rg
    >>> rg.tensor([1, 2]).new_ones(2)
    tensor([1, 1])
    """
    return ones(
        sizes(given, size, "new_ones"), dtype=dtype or input.dtype, device=device or input.device, layout=layout,
        requires_grad=requires_grad,
    )  # fmt: skip


@public(where="Tensor", differentiable=False)
def new_empty(
    input: Tensor, *given: int | Sequence[int], size: Sequence[int] | None = None, dtype: Dtype | None = None,
    device: Device | str | int | None = None, requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of a given size, of the dtype and device of `input`, whose values are not set.

    >>> import retrograd as rg
    >>> rg.tensor([1, 2]).new_empty(2, 3).shape
    retrograd.Size([2, 3])
    """
    return empty(
        sizes(given, size, "new_empty"), dtype=dtype or input.dtype, device=device or input.device, layout=layout,
        requires_grad=requires_grad,
    )  # fmt: skip


@public(
    where="Tensor",
    differentiable=False,
    samples=lambda: [call(t(2), (2, 3), 2), call(t(2), (3,), 1.5, dtype=D("float64"))],
)
def new_full(
    input: Tensor, size: Sequence[int], fill_value: float, *, dtype: Dtype | None = None,
    device: Device | str | int | None = None, requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of a given size filled with one number, of the dtype and device of `input`.

    >>> import retrograd as rg
    >>> rg.tensor([1, 2]).new_full((2,), 7)
    tensor([7, 7])
    """
    return full(
        size, fill_value, dtype=dtype or input.dtype, device=device or input.device, layout=layout,
        requires_grad=requires_grad,
    )  # fmt: skip
