"""Views by sizes, strides and an offset into the memory: as_strided, as_strided_scatter, and tensors of given strides.

A geometry is (shape, strides, offset), counted in elements from the start of the memory's owner. Derivatives go through
the memory: what the elements of one geometry hold is added up at their places and read by the other geometry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import backend
from ..core import as_tensor_arg
from ..errors import ShapeError
from ..generic import cast
from ..op import param, public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from ..versions import owner
from ..views import overlaps
from .args import as_int, into, shape_arg
from .create import finish, place
from .fill import become
from .index import index_put_p, index_select_p
from .shape import reshape_p

if TYPE_CHECKING:
    from ..device import device as Device
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = [
    "as_strided", "as_strided_", "as_strided_copy", "as_strided_p", "as_strided_scatter", "empty_permuted", "empty_strided",
    "geometry", "memory_view", "new_empty_strided", "through_memory_p",
]  # fmt: skip

Geometry = tuple[tuple[int, ...], tuple[int, ...], int]


# ---------------------------------------------------------------- geometries
def _start(a: Any, home: Any) -> int:
    """How many bytes array a starts after its owner."""
    if type(a) is np.ndarray:
        return a.__array_interface__["data"][0] - home.__array_interface__["data"][0]
    return a.data.ptr - home.data.ptr


def geometry(a: Any) -> Geometry:
    """Shape, strides and offset of an array, in elements."""
    n = a.dtype.itemsize
    return tuple(a.shape), tuple(s // n for s in a.strides), _start(a, owner(a)) // n


def _last(g: Geometry) -> int:
    """The number of the last element of the memory that a geometry reaches, -1 if it has none."""
    shape, strides, offset = g
    if 0 in shape:
        return -1
    return offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True) if s > 0)


def _places(xp: Any, g: Geometry) -> Any:
    """The number in the memory of every element of a geometry, as an array of its shape."""
    shape, strides, offset = g
    at = xp.full((), offset, "int64")
    for n, s in zip(shape, strides, strict=True):
        at = at[..., None] + xp.arange(n) * s
    return at


def _view(xp: Any, a: Any, g: Geometry) -> Any:
    """The elements of a's memory in another geometry, None if they do not all lie in it."""
    shape, strides, offset = g
    home = owner(a)
    bytes_in = home.size * home.dtype.itemsize
    n = a.dtype.itemsize
    if (_last(g) + 1) * n > bytes_in or not (home.flags.c_contiguous or home.flags.f_contiguous):
        return None
    home = home if home.flags.c_contiguous else home.T
    if xp is not np:
        flat = home.reshape(-1).view(a.dtype)
        return xp.lib.stride_tricks.as_strided(flat[offset:], shape, tuple(s * n for s in strides))
    if 0 in shape:
        return a.reshape(-1)[:0].reshape(shape)
    r = np.ndarray(shape, a.dtype, home, offset * n, tuple(s * n for s in strides))
    if not a.flags.writeable or overlaps(r):
        r.setflags(write=False)
    return r


def _through(xp: Any, a: Any, src: Geometry, dst: Geometry, counted: Geometry | None) -> Any:
    """a added up in a memory at the places of src, divided by how often counted names them, and read at those of dst."""
    size = max(_last(src), _last(dst)) + 1
    add = backend.by_xp(xp).scatter_add
    total = xp.zeros(size, a.dtype)
    add(total, _places(xp, src).reshape(-1), xp.ascontiguousarray(a).reshape(-1))
    if counted is not None:
        n = xp.zeros(size, total.real.dtype)
        at = _places(xp, counted).reshape(-1)
        add(n, at, xp.ones(at.shape, n.dtype))
        total = total / xp.maximum(n, xp.ones((), n.dtype))
    return total[_places(xp, dst)]


through_memory_p: Any = param(
    "through_memory",
    _through,
    lambda g, x, o, src, dst, counted: through_memory_p(g, dst, src, counted),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="x added up in a memory at the places of one geometry and read at those of another.",
)


def _shared(g: Geometry) -> Geometry | None:
    """The geometry itself if elements of it share memory, else None."""
    return g if overlaps(np.lib.stride_tricks.as_strided(np.empty(1, np.int8), g[0], g[1])) else None


def _as_strided(xp: Any, a: Any, dst: Geometry, src: Geometry) -> Any:
    if geometry(a) == src:
        r = _view(xp, a, dst)
        if r is not None:
            return r
    return _through(xp, a, src, dst, _shared(src))  # a cotangent or a tangent, which has a memory of its own


as_strided_p: Any = param(
    "as_strided",
    _as_strided,
    lambda g, x, o, dst, src: through_memory_p(g, dst, src, _shared(src)),
    dtypes="copy",
    holomorphic=False,
    jvp=lambda ts, xs, o, dst, src: through_memory_p(ts[0], src, dst, _shared(src)),
    view=True,
    doc="The memory of x, which had geometry src, read in geometry dst.",
)


# ---------------------------------------------------------------- arguments
def _target(x: Any, size: Any, stride: Any, offset: Any, op: str) -> tuple[Geometry, Geometry]:
    """(the geometry asked for, that of x), checked against the memory of x."""
    shape, strides = shape_arg((size,), op), shape_arg((stride,), op)
    src = geometry(x._data)
    start = src[2] if offset is None else as_int(offset, op, "storage_offset")
    if len(shape) != len(strides):
        raise ShapeError(f"{op}: size {shape} and stride {strides} must have as many entries")
    if any(n < 0 for n in shape):
        raise ShapeError(f"{op}: sizes must not be negative, got {shape}")
    if any(s < 0 for s in strides):
        raise ShapeError(f"{op}: negative strides are not supported, got {strides}; flip() copies")
    if start < 0:
        raise ShapeError(f"{op}: storage_offset {start} is negative")
    dst = shape, strides, start
    home = owner(x._data)
    have = home.size * home.dtype.itemsize // x._dtype.itemsize
    if _last(dst) >= have:
        raise ShapeError(
            f"{op}: size {shape}, stride {strides} and storage_offset {start} reach element {_last(dst)} of a memory that "
            f"has {have}"
        )
    return dst, src


def memory_view(x: Any, offset: Any, size: Any, stride: Any, op: str) -> Any:
    """The array over the memory of tensor x in another geometry, with row-major strides unless given."""
    shape = shape_arg((size,), op)
    if stride is None or (not stride and shape):
        step, steps = 1, []
        for n in reversed(shape):
            steps.append(step)
            step *= max(n, 1)
        stride = tuple(reversed(steps))
    dst, _ = _target(x, shape, stride, offset, op)
    return _view(backend.xp_of(x._data), x._data, dst)


@public(
    samples=lambda: [
        call(t(3, 4), (2, 2), (4, 1)), call(t(3, 4), (2, 2), (1, 4), 2), call(t(6), (2, 3), (1, 1)),
        call(t(6), (3, 2), (0, 2), storage_offset=1), call(t(4), (), ()), call(t(3), (0,), (1,)), call(t(), (2,), (0,)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"reach element 6 of a memory that has 6", t(6), (3,), (3,)),
        raises(RuntimeError, r"must have as many entries", t(6), (3, 1), (1,)),
        raises(RuntimeError, r"negative strides are not supported", t(6), (3,), (-1,)),
        raises(RuntimeError, r"storage_offset -1 is negative", t(6), (3,), (1,), -1),
    ],
)  # fmt: skip
@sample_by_sample
def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """The memory of `input` read with other sizes, strides and offset, which count elements: a view.

    Element (i, j, ...) is number storage_offset + i * stride[0] + j * stride[1] + ... of the memory. The offset is that
    of `input` unless given. Elements that share memory add up their gradients; such a view is written with clone().
    Raises ShapeError where the memory is too small.

    >>> import retrograd as rg
    >>> rg.as_strided(rg.arange(5), (3, 3), (1, 1))
    tensor([[0, 1, 2],
            [1, 2, 3],
            [2, 3, 4]])
    """
    x = as_tensor_arg(input, "as_strided")
    return as_strided_p(x, *_target(x, size, stride, storage_offset, "as_strided"))


@public(method=False, samples=lambda: [call(t(3, 4), (2, 2), (4, 1)), call(t(6), (2, 3), (1, 1), 1)])
@sample_by_sample
def as_strided_copy(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`as_strided` as a tensor of its own.

    >>> import retrograd as rg
    >>> rg.as_strided_copy(rg.arange(4), (2,), (2,))
    tensor([0, 2])
    """
    return into(out, as_strided(input, size, stride, storage_offset).clone(), "as_strided_copy")


@public(
    where="Tensor",
    differentiable=False,
    samples=lambda: [call(t(3, 4), (2, 2), (4, 1))],
    errors=lambda: [raises(RuntimeError, r"as_strided_: .*reach element 12", t(3, 4), (2,), (12,))],
)
def as_strided_(self: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """In-place version of `as_strided`: the tensor becomes that view of its memory.

    >>> import retrograd as rg
    >>> rg.arange(4).as_strided_((2,), (2,))
    tensor([0, 2])
    """
    dst, src = _target(self, size, stride, storage_offset, "as_strided_")
    return become(self, lambda x: as_strided_p(x, dst, src), "as_strided_")


@public(
    samples=lambda: [
        call(t(3, 4), t(2, 2), (2, 2), (4, 1)), call(t(3, 4), t(2, 2), (2, 2), (1, 4), 2),
        call(t(6), t(3), (3,), (2,), storage_offset=1), call(t(3), t(0), (0,), (1,)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"as_strided_scatter: src has shape \(3,\); \(2,\) is expected", t(6), t(3), (2,), (1,)),
        raises(RuntimeError, r"reach element 6", t(6), t(3), (3,), (3,)),
    ],
)  # fmt: skip
@sample_by_sample
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A copy of `input` in which the elements that `as_strided` would show are those of src (of shape `size`).

    >>> import retrograd as rg
    >>> rg.as_strided_scatter(rg.zeros(5), rg.ones(2), (2,), (3,))
    tensor([1., 0., 0., 1., 0.])
    """
    op = "as_strided_scatter"
    x, v = as_tensor_arg(input, op), as_tensor_arg(src, op)
    dst, own = _target(x, size, stride, storage_offset, op)
    if v._shape != dst[0]:
        raise ShapeError(f"{op}: src has shape {tuple(v._shape)}; {dst[0]} is expected")
    n = x._data.size
    at = np.full(max(_last(dst), _last(own)) + 1, n, "int64")  # number n: in the memory, but not an element of input
    at[_places(np, own).reshape(-1)] = np.arange(n)
    at = at[_places(np, dst)].reshape(-1)
    v = reshape_p(cast(v, x._dtype), (at.size,))
    home = backend.of(x._data)
    if (at == n).any():
        wanted = np.flatnonzero(at < n)
        at, v = at[wanted], index_select_p(v, 0, home.from_numpy(wanted, None))
    at = home.from_numpy(at, None)
    return reshape_p(index_put_p((reshape_p(x, (n,)), v), (at,), False), tuple(x._shape))


# ---------------------------------------------------------------- new tensors
def _of_strides(op: str, shape: Any, strides: Any, d: Any, xp: Any) -> Any:
    if len(shape) != len(strides):
        raise ShapeError(f"{op}: size {shape} and stride {strides} must have as many entries")
    if any(n < 0 for n in (*shape, *strides)):
        raise ShapeError(f"{op}: size {shape} and stride {strides} must not be negative")
    target = shape, strides, 0
    a = xp.empty(_last(target) + 1, d.np)
    r = _view(xp, a, target)
    return a[:0].reshape(shape) if r is None else r


@public(
    method=False,
    differentiable=False,
    errors=lambda: [
        raises(RuntimeError, r"empty_strided: size \(2, 3\) and stride \(1,\) must have as many", (2, 3), (1,)),
        raises(RuntimeError, r"must not be negative", (2, 3), (1, -1)),
    ],
)
def empty_strided(
    size: Sequence[int], stride: Sequence[int], *, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | int | None = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of given size and strides (in elements) whose values are not set.

    >>> import retrograd as rg
    >>> rg.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    d, xp = place("empty_strided", dtype, device, layout)
    shape, strides = shape_arg((size,), "empty_strided"), shape_arg((stride,), "empty_strided")
    return finish("empty_strided", _of_strides("empty_strided", shape, strides, d, xp), device, requires_grad)


@public(where="Tensor", differentiable=False)
def new_empty_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | int | None = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`empty_strided` in the dtype and on the device of `input`.

    >>> import retrograd as rg
    >>> rg.arange(2).new_empty_strided((2, 3), (1, 2)).dtype
    retrograd.int64
    """
    x = as_tensor_arg(input, "new_empty_strided")
    return empty_strided(
        size, stride, dtype=dtype or x.dtype, layout=layout, device=device or x.device, requires_grad=requires_grad
    )


@public(
    method=False,
    differentiable=False,
    errors=lambda: [raises(RuntimeError, r"empty_permuted: .*\(0, 0\) does not name each", (2, 3), (0, 0))],
)
def empty_permuted(
    size: Sequence[int], physical_layout: Sequence[int], *, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | int | None = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A dense tensor whose dimensions lie in memory in the order `physical_layout` (outermost first); values not set.

    >>> import retrograd as rg
    >>> rg.empty_permuted((2, 3, 5, 7), (0, 2, 3, 1)).stride()
    (105, 1, 21, 3)
    """
    d, xp = place("empty_permuted", dtype, device, layout)
    shape, order = shape_arg((size,), "empty_permuted"), shape_arg((physical_layout,), "empty_permuted")
    if sorted(order) != list(range(len(shape))):
        raise ShapeError(f"empty_permuted: physical_layout {order} does not name each of {len(shape)} dimensions once")
    strides, step = [0] * len(shape), 1
    for k in reversed(order):
        strides[k] = step
        step *= max(shape[k], 1)
    return finish("empty_permuted", _of_strides("empty_permuted", shape, tuple(strides), d, xp), device, requires_grad)
