"""Methods that only exist in place: fill_, zero_, fill_diagonal_, and the shape-changing squeeze_, unsqueeze_, t_, ..."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .. import core
from ..backend import xp_of
from ..core import TensorBase, as_tensor_arg, recording, wrap
from ..errors import DtypeError, GraphError
from ..op import public
from ..samples import call, raises, t
from ..versions import wrote
from ..views import memory, refuse, write
from .args import one_dim, shape_arg
from .scalars import stored
from .shape import expand_p, permute_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "become", "fill_", "fill_diagonal_", "resize_", "resize_as_", "set_", "squeeze_", "swapaxes_", "swapdims_", "t_",
    "transpose_", "unsqueeze_", "zero_",
]  # fmt: skip


def _plain(x: Any) -> bool:
    """Whether a write of constants needs no graph: then it is one assignment."""
    root = getattr(x, "_base", None)
    root = x if root is None else root
    return not recording() or (x._node is None and root._node is None)


@public(where="Tensor", samples=lambda: [call(t(3, 4), 2.5), call(t(2, dtype="int64"), 3)], differentiable=False)
def fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to `value` (a number or a 0-d tensor), in place.

    >>> import retrograd as rg
    >>> rg.zeros(2).fill_(3)
    tensor([3., 3.])
    """
    refuse(self, "fill_")
    if isinstance(value, TensorBase):
        if value._shape:
            raise RuntimeError(
                f"fill_: a number or a 0-d tensor is expected, got a tensor of shape {tuple(value._shape)}"
            )
        from .cast import cast_p

        write(self, expand_p(cast_p(value, self._dtype), self._shape), (), "fill_", over=True)
        return self
    value = stored(value, self._dtype, "fill_")
    if _plain(self):
        memory(self._data, "fill_")[...] = value  # the same number everywhere, so elements may share memory
        wrote(self._data)
        return self
    full = xp_of(self._data).full(self._shape, value, dtype=self._dtype.np)
    write(self, wrap(full), (), "fill_", over=True)
    return self


@public(where="Tensor", samples=lambda: [call(t(3, 4))], differentiable=False)
def zero_(self: Tensor) -> Tensor:
    """Set every element to 0, in place."""
    return fill_(self, 0)


@public(
    where="Tensor",
    samples=lambda: [call(t(3, 3), 2.5), call(t(3, 5), 1.0), call(t(7, 3), 1.0, wrap=True)],
    errors=lambda: [raises(RuntimeError, "at least 2 dimensions", t(3), 1.0)],
    differentiable=False,
)
def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Set the main diagonal to a number, in place; `wrap` continues it below in tall matrices."""
    n = self._shape
    if len(n) < 2:
        raise RuntimeError(f"fill_diagonal_: at least 2 dimensions are expected, got shape {tuple(n)}")
    if len(n) > 2 and len(set(n)) > 1:
        raise RuntimeError(f"fill_diagonal_: all dimensions must be equal for more than 2, got shape {tuple(n)}")
    refuse(self, "fill_diagonal_")
    xp = xp_of(self._data)
    a = xp.zeros(n, dtype=bool)
    xp.fill_diagonal(a, True, wrap=wrap)
    value = core.wrap(xp.asarray(fill_value, dtype=self._dtype.np))
    from .where import where_p

    write(self, where_p((expand_p(value, n), self), a), (), "fill_diagonal_")
    return self


def become(self: Any, view: Callable[[Any], Any], what: str) -> Any:
    """Let a tensor become its own view: same memory, other shape, one node further."""
    if recording() and self._node is not None:
        if any(v() is not None for v in getattr(self, "_views", None) or ()):
            raise GraphError(
                f"{what}: the tensor has views, which would no longer fit; use the version without underscore"
            )
        if type(self._node) is core.Leaf:
            raise GraphError(f"{what}: a leaf that requires grad cannot change its shape in place; use detach() first")
    r = view(self)
    core.set_data(self, r._data)
    self._node = r._node
    if getattr(self, "_base", None) is not None and r is not self:
        self._path = r._path  # itself a view: the way from its root is one step longer
    return self


@public(where="Tensor", samples=lambda: [call(t(3), 0)], differentiable=False)
def unsqueeze_(self: Tensor, dim: int) -> Tensor:
    """In-place version of `unsqueeze`."""
    return become(self, lambda x: x.unsqueeze(dim), "unsqueeze_")


@public(where="Tensor", samples=lambda: [call(t(3, 1)), call(t(3, 1), 1)], differentiable=False)
def squeeze_(self: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """In-place version of `squeeze`."""
    return become(self, lambda x: x.squeeze() if dim is None else x.squeeze(dim), "squeeze_")


@public(where="Tensor", samples=lambda: [call(t(3, 2), 0, 1)], differentiable=False)
def transpose_(self: Tensor, dim0: int, dim1: int) -> Tensor:
    """In-place version of `transpose`."""
    n = len(self._shape)
    axes = list(range(n))
    i, j = one_dim(dim0, n, "transpose_"), one_dim(dim1, n, "transpose_")
    if n:
        axes[i], axes[j] = axes[j], axes[i]
    return become(self, lambda x: permute_p(x, tuple(axes)), "transpose_")


swapdims_ = transpose_


@public(where="Tensor", samples=lambda: [call(t(3, 2), 0, 1), call(t(3, 2), axis0=0, axis1=-1)], differentiable=False)
def swapaxes_(self: Tensor, axis0: int, axis1: int) -> Tensor:
    """In-place version of `swapaxes`."""
    return transpose_(self, axis0, axis1)


@public(where="Tensor", samples=lambda: [call(t(3, 2)), call(t(3))], differentiable=False)
def t_(self: Tensor) -> Tensor:
    """In-place version of `t`."""
    if len(self._shape) > 2:
        raise RuntimeError(f"t_: at most 2 dimensions are expected, got shape {tuple(self._shape)}")
    return transpose_(self, 0, 1) if len(self._shape) == 2 else self


@public(
    where="Tensor", samples=lambda: [call(t(4), 2, 2), call(t(4), (2,)), call(t(4), size=(2, 2))], differentiable=False
)
def resize_(
    self: Tensor, *sizes: int | Sequence[int], size: Sequence[int] | None = None, memory_format: Any = None
) -> Tensor:
    """Change the shape in place; elements keep their order, and new ones are uninitialised (zero here)."""
    shape = shape_arg(sizes if size is None else (size,))
    if self._node is not None:
        raise GraphError("resize_: a tensor that requires grad cannot be resized; use detach() first")
    xp = xp_of(self._data)
    n = 1
    for s in shape:
        n *= s
    if n == self._data.size:
        core.set_data(self, self._data.reshape(shape))
        return self
    a = xp.zeros(n, dtype=self._dtype.np)
    k = min(n, self._data.size)
    a[:k] = self._data.reshape(-1)[:k]
    core.set_data(self, a.reshape(shape))
    return self


@public(where="Tensor", samples=lambda: [call(t(4), t(2, 2))], differentiable=False)
def resize_as_(self: Tensor, the_template: Tensor, memory_format: Any = None) -> Tensor:
    """`resize_` to the shape of another tensor."""
    return resize_(self, *as_tensor_arg(the_template, "resize_as_")._shape)


@public(
    where="Tensor",
    samples=lambda: [call(t(4), t(2, 2)), call(t(4), t(6), 1, (2, 2), (2, 1))],
    differentiable=False,
)
def set_(
    self: Tensor, source: Any = None, storage_offset: int = 0, size: Sequence[int] | None = None,
    stride: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """Let the tensor stand over the memory of another tensor (or storage), with its shape or with the geometry given.

    Without a source the tensor becomes empty. stride: row-major unless given.
    """
    from .strided import memory_view

    if self._node is not None and recording():
        raise GraphError("set_: a tensor that requires grad cannot change its memory; use no_grad() or .data")
    if source is None:
        core.set_data(self, xp_of(self._data).empty((0,), self._dtype.np))
        return self
    if not isinstance(source, TensorBase):
        source = source.as_tensor(self._dtype)
    elif source._dtype is not self._dtype:
        raise DtypeError(
            f"set_: the source is {source._dtype.name}, the tensor {self._dtype.name}; convert one of them"
        )
    core.set_data(self, source._data if size is None else memory_view(source, storage_offset, size, stride, "set_"))
    return self
