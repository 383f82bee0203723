"""Shapes: broadcasting, joining, repeating and rearranging arrays, as the standard has them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from ..core import TensorBase
from ..errors import ShapeError
from ..ops import arrange, axes, join, parts, split, view
from ..ops.view import unsqueeze
from ..versions import owner
from .types import array, arrays, axes_of

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "broadcast_arrays", "broadcast_shapes", "broadcast_to", "concat", "expand_dims", "flip", "moveaxis", "permute_dims",
    "repeat", "reshape", "roll", "squeeze", "stack", "tile", "unstack",
]  # fmt: skip


def broadcast_arrays(*xs: Tensor) -> tuple[Tensor, ...]:
    """The arrays broadcast against one another, each in its own type."""
    return tuple(parts.broadcast_tensors(*(array(x, "broadcast_arrays") for x in xs))) if xs else ()


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that arrays of these shapes broadcast to, as a plain tuple; ShapeError (a ValueError) if there is none."""
    return tuple(parts.broadcast_shapes(*shapes)) if shapes else ()


def broadcast_to(x: Tensor, /, shape: tuple[int, ...]) -> Tensor:
    """The array broadcast to a shape."""
    return parts.broadcast_to(array(x, "broadcast_to"), shape)


def concat(xs: Any, /, *, axis: int | None = 0) -> Tensor:
    """The arrays joined along an existing axis, in their common type; axis=None flattens them first."""
    found = arrays("concat", xs)
    if axis is None:
        return join.cat([view.reshape(x, (-1,)) for x in found], 0)
    (d,) = axes_of(axis, len(found[0]._shape))
    for x in found:
        if len(x._shape) != len(found[0]._shape):
            raise ShapeError(
                f"concat: arrays with {len(found[0]._shape)} and {len(x._shape)} dimensions cannot be joined"
            )
    return join.cat(found, d)


def expand_dims(x: Tensor, /, *, axis: int = 0) -> Tensor:
    """The array with an axis of size 1 put in at `axis`; IndexError where it cannot be."""
    return unsqueeze(array(x, "expand_dims"), axis)


def flip(x: Tensor, /, *, axis: Any = None) -> Tensor:
    """The elements in reverse order along some axes (None: along all)."""
    x = array(x, "flip")
    return arrange.flip(x, axes_of(axis, len(x._shape)))


def moveaxis(x: Tensor, source: Any, destination: Any, /) -> Tensor:
    """The axes `source` moved to the places `destination`, the others in their order."""
    return axes.movedim(array(x, "moveaxis"), source, destination)


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    """The axes in another order."""
    x = array(x, "permute_dims")
    order = axes_of(tuple(axes), len(x._shape))
    if len(order) != len(x._shape):
        raise ShapeError(f"permute_dims: {len(order)} axes are given for an array with {len(x._shape)} dimensions")
    return x.permute(order)


def repeat(x: Tensor, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """Every element repeats times (an int, or an array with a number for each); axis=None flattens the array first."""
    x = array(x, "repeat")
    if axis is None:
        x, d = view.reshape(x, (-1,)), 0
    else:
        (d,) = axes_of(axis, len(x._shape))
    if isinstance(repeats, TensorBase):
        times: Any = repeats
        repeats = int(times.item()) if times._shape in ((), (1,)) else times.long()
    else:
        repeats = operator.index(repeats)
    return arrange.repeat_interleave(x, repeats, d)


def reshape(x: Tensor, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Tensor:
    """The elements, row by row, in another shape (one size may be -1).

    copy: True always copies, False never does (a ValueError where it must).
    """
    x = array(x, "reshape")
    r = view.reshape(x, tuple(shape))
    shared = owner(r._data) is owner(x._data)
    if copy is False and not shared and x._data.size:
        raise ValueError("reshape: this array is not contiguous; another shape needs a copy, which copy=False forbids")
    return r.clone() if copy and shared else r


def roll(x: Tensor, /, shift: Any, *, axis: Any = None) -> Tensor:
    """The elements moved by `shift` places, those that fall off put in at the other end; axis=None: of all, flattened."""
    x = array(x, "roll")
    if axis is None:
        return arrange.roll(x, shift)
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,) * len(given)
    dims = [axes_of(a, len(x._shape))[0] for a in given]
    return arrange.roll(x, tuple(shifts), tuple(dims)) if dims else x.clone()


def squeeze(x: Tensor, /, axis: Any) -> Tensor:
    """The array without axes of size 1; a ValueError if one of those named has another size (PyTorch leaves it)."""
    x = array(x, "squeeze")
    dims = axes_of(axis, len(x._shape))
    for d in dims:
        if x._shape[d] != 1:
            raise ShapeError(f"squeeze: axis {d} of shape {tuple(x._shape)} has size {x._shape[d]}, not 1")
    return view.reshape(x, tuple(n for d, n in enumerate(x._shape) if d not in dims))


def stack(xs: Any, /, *, axis: int = 0) -> Tensor:
    """The arrays, in their common type, along a new axis."""
    return join.stack(arrays("stack", xs), axis)


def tile(x: Tensor, repetitions: tuple[int, ...], /) -> Tensor:
    """The whole array repeated along each axis; missing numbers are 1, missing axes are put in front."""
    return arrange.tile(array(x, "tile"), tuple(repetitions))


def unstack(x: Tensor, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, which they do not have any more."""
    x = array(x, "unstack")
    (d,) = axes_of(axis, len(x._shape))
    return tuple(split.unbind(x, d))
