"""What einops needs to know about tensors: `rearrange`, `reduce`, `repeat`, `pack`, `unpack` and `einsum` with gradients.

einops finds the library of a tensor among the subclasses of its `AbstractBackend`, so defining this one is all. The
module is imported together with einops, whichever of the two packages comes first (see `aliases`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import core
from .backend import of
from .core import wrap
from .ops import arrange, extremes, join, ranges, reduce, view
from .ops.einsum import einsum

if TYPE_CHECKING:

    class AbstractBackend:
        """einops' class, which type checkers need not have installed."""

else:
    from einops._backends import AbstractBackend

__all__ = ["RetrogradBackend"]

_REDUCTIONS = {"min": extremes.amin, "max": extremes.amax, "sum": reduce.sum, "mean": reduce.mean}
_ONE_BY_ONE = {"any": reduce.any, "all": reduce.all, "prod": reduce.prod}


class RetrogradBackend(AbstractBackend):
    """Tensors for einops; the methods are those of its other backends."""

    framework_name = "retrograd"

    def is_appropriate_type(self, tensor: Any) -> bool:
        """Whether it is one of ours."""
        return isinstance(tensor, core.TensorBase)

    def from_numpy(self, x: np.ndarray) -> Any:
        """A tensor over the array, which requires grad if it can."""
        t: Any = wrap(x)
        return t.requires_grad_() if t._dtype.kind == "f" else t

    def to_numpy(self, x: Any) -> np.ndarray:
        """The values on the host."""
        return of(x._data).to_numpy(x._data)

    def arange(self, start: int, stop: int) -> Any:
        """The integers start ... stop - 1."""
        return ranges.arange(start, stop)

    def shape(self, x: Any) -> tuple[int, ...]:
        """The sizes as plain ints."""
        return x._shape

    def transpose(self, x: Any, axes: Any) -> Any:
        """The dimensions in another order."""
        return x.permute(tuple(axes))

    def reduce(self, x: Any, operation: str, axes: Any) -> Any:
        """One of min, max, sum, mean, prod, any and all over some dimensions."""
        if operation in _REDUCTIONS:
            return _REDUCTIONS[operation](x, dim=tuple(axes))
        if operation not in _ONE_BY_ONE:
            raise NotImplementedError(f"einops: unknown reduction {operation!r}")
        for i in sorted(axes, reverse=True):
            x = _ONE_BY_ONE[operation](x, dim=i)
        return x

    def stack_on_zeroth_dimension(self, tensors: list[Any]) -> Any:
        """The tensors along a new first dimension."""
        return join.stack(tensors, 0)

    def add_axis(self, x: Any, new_position: int) -> Any:
        """A dimension of size 1 put in."""
        return view.unsqueeze(x, new_position)

    def add_axes(self, x: Any, n_axes: int, pos2len: dict[int, int]) -> Any:
        """New dimensions of given sizes, without a copy."""
        sizes = [-1] * n_axes
        for position, length in pos2len.items():
            x = self.add_axis(x, position)
            sizes[position] = length
        return x.expand(sizes)

    def tile(self, x: Any, repeats: Any) -> Any:
        """The whole tensor repeated along each dimension."""
        return arrange.tile(x, tuple(repeats))

    def concat(self, tensors: list[Any], axis: int) -> Any:
        """The tensors joined along a dimension."""
        return join.cat(tensors, axis)

    def is_float_type(self, x: Any) -> bool:
        """Whether a mean of it makes sense."""
        return x._dtype.is_floating_point

    def layers(self) -> Any:
        """There are no layers of ours in einops; use its functions in `forward`."""
        raise NotImplementedError("einops: there are no layers for retrograd; call einops' functions in forward")

    def einsum(self, pattern: str, *x: Any) -> Any:
        """The sum of products that the pattern says."""
        return einsum(pattern, *x)
