"""The primitives that move elements without computing: views, their adjoints, and the sum that undoes an expansion.

Every other file of operations builds on these, so this one imports none of them. They take tensors and raw arrays.
They are linear with real coefficients, so complex cotangents need no conjugation (`holomorphic=False`).
"""

from __future__ import annotations

from typing import Any

from .. import backend
from ..op import param
from .sums import add_up

__all__ = [
    "accumulate", "diagonal_backward_p", "diagonal_p", "expand_p", "getitem_backward_p", "getitem_p", "is_basic",
    "keep_p", "permute_p", "reshape_p", "sum_p", "sum_to", "unfold_backward_p", "unfold_p",
]  # fmt: skip

Shape = tuple[int, ...]


# ---------------------------------------------------------------- reshape, permute, expand and sum
reshape_p: Any = param(
    "reshape",
    lambda xp, x, shape: x.reshape(shape),
    lambda g, x, o, shape: reshape_p(g, x),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    view=True,
    doc="x with its elements in another shape: a view if the memory allows it, else a copy.",
)


def _inverse(axes: Shape) -> Shape:
    back = [0] * len(axes)
    for i, a in enumerate(axes):
        back[a] = i
    return tuple(back)


permute_p: Any = param(
    "permute",
    lambda xp, x, axes: x.transpose(axes),
    lambda g, x, o, axes: permute_p(g, _inverse(axes)),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    view=True,
    doc="x with its dimensions reordered: axes[i] (non-negative) is the old place of dimension i.",
)

expand_p: Any = param(
    "expand",
    lambda xp, x, shape: xp.broadcast_to(x, shape),
    lambda g, x, o, shape: sum_to(g, x),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    view=True,
    doc="x broadcast to shape without copying: repeated elements share memory.",
)


def _sum(xp: Any, x: Any, axes: Shape | None, keepdims: bool) -> Any:
    # NumPy would add unsigned integers up to uint64; PyTorch's sums of integers and bools are int64.
    dtype = "int64" if x.dtype.kind in "bui" else None
    return add_up(x, axes, dtype, keepdims)


def _sum_vjp(g: Any, x: Shape, o: Any, axes: Shape | None, keepdims: bool) -> Any:
    if not keepdims and axes is not None and len(g.shape) != 0:
        g = reshape_p(g, tuple(1 if i in axes else n for i, n in enumerate(x)))
    return expand_p(g, x)


sum_p: Any = param(
    "sum",
    _sum,
    _sum_vjp,
    dtypes="fixed",
    holomorphic=False,
    jvp="linear",
    doc="The sum over axes (a tuple of non-negative ints, () for none of them, None for all).",
)


def sum_to(g: Any, shape: Shape) -> Any:
    """The adjoint of broadcasting: g summed down to shape. For tensors (recorded) and raw arrays."""
    gs = g.shape
    if gs == shape:
        return g
    lead = len(gs) - len(shape)
    if lead < 0:  # an assigned value may have more dimensions, of size 1, than its target
        return reshape_p(sum_to(g, shape[-lead:]), shape)
    if lead and shape and gs[lead:] == shape:  # the usual bias: whole leading dimensions
        return sum_p(g, tuple(range(lead)), False)
    axes = (*range(lead), *(i + lead for i, n in enumerate(shape) if n == 1 and gs[i + lead] != 1))
    return reshape_p(sum_p(g, axes, True), shape)


# ---------------------------------------------------------------- indexing
_BASIC = frozenset((int, slice, type(None), type(Ellipsis)))


def is_basic(index: tuple[Any, ...]) -> bool:
    """Whether a normalised index holds no arrays, so that it selects a view."""
    return _BASIC.issuperset(map(type, index))


getitem_p: Any = param(
    "getitem",
    lambda xp, x, index: x[index],
    lambda g, x, o, index: getitem_backward_p(g, x, index),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    view=True,
    doc="x[index]. index: a tuple of slices, None, Ellipsis and ints, or instead of ints raw integer arrays or a mask.",
)


def accumulate(xp: Any, target: Any, index: tuple[Any, ...], values: Any) -> None:
    """target[index] += values for a normalised index, with the contributions of repeated indices added up."""
    arrays = [i for i in index if type(i) not in _BASIC]
    if not arrays:
        target[index] += values
    elif arrays[0].dtype.kind == "b":  # a mask names no element twice
        target[index] = target[index] + values
    else:
        _scatter(xp, target, index, arrays, values)


def _scatter(xp: Any, target: Any, index: tuple[Any, ...], arrays: list[Any], values: Any) -> None:
    """`accumulate` by integer arrays, brought to the form that backends do fast: one array of row numbers in front."""
    if not values.size:
        return
    add = backend.by_xp(xp).scatter_add
    plain = tuple(i if type(i) in _BASIC else slice(None) for i in _without_ellipsis(index, target.ndim))
    at = [k for k, i in enumerate(_without_ellipsis(index, target.ndim)) if type(i) not in _BASIC]
    target = target[plain]  # a view in which only the arrays are left to apply
    width = max(a.ndim for a in arrays)
    first = at[0] if at[-1] - at[0] == len(at) - 1 else 0  # arrays that are not neighbours put their dimensions first
    rest = [k for k in range(target.ndim) if k not in at]
    target = target.transpose(*at, *rest)
    values = xp.broadcast_to(values, _result_shape(target.shape, arrays, len(at), first))
    block = range(first, first + width)
    values = values.transpose(*block, *(k for k in range(values.ndim) if k not in block))
    if len(arrays) == 1:
        add(target, arrays[0], values)
    elif target.flags.c_contiguous:
        rows: Any = 0
        for a, n in zip(arrays, target.shape, strict=False):
            rows = rows * n + xp.where(a < 0, a + n, a)
        add(target.reshape(-1, *target.shape[len(at) :]), rows, values)
    else:
        add(target, tuple(arrays), values)


def _without_ellipsis(index: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
    """index with its Ellipsis (or its end) written out as full slices."""
    used = sum(1 for i in index if i is not None and i is not Ellipsis)
    fill = (slice(None),) * (ndim - used)
    for k, i in enumerate(index):
        if i is Ellipsis:
            return index[:k] + fill + index[k + 1 :]
    return index + fill


def _result_shape(target: Shape, arrays: list[Any], count: int, first: int) -> Shape:
    shape: list[int] = []
    for a in arrays:  # broadcast by hand: the arrays have been checked, and broadcast_shapes is not on every backend
        lead = a.ndim - len(shape)
        shape = list(a.shape[:lead]) + shape if lead > 0 else shape
        for k in range(1, a.ndim + 1):
            if shape[-k] == 1:
                shape[-k] = a.shape[-k]
    rest = list(target[count:])
    return tuple(rest[:first] + shape + rest[first:])


def _getitem_backward(xp: Any, g: Any, shape: Shape, index: tuple[Any, ...]) -> Any:
    out = xp.zeros(shape, g.dtype)
    if is_basic(index) or any(type(i) not in _BASIC and i.dtype.kind == "b" for i in index):
        out[index] = g  # no element is selected twice
    else:
        accumulate(xp, out, index, g)
    return out


getitem_backward_p: Any = param(
    "getitem_backward",
    _getitem_backward,
    lambda g, x, o, shape, index: getitem_p(g, index),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="Zeros of `shape` to which x has been added at `index`: the adjoint of getitem_p.",
)


def _keep(xp: Any, x: Any, mask: Any, value: bool) -> Any:
    zero = xp.zeros((), x.dtype)
    return xp.where(mask, x, zero) if value else xp.where(mask, zero, x)


keep_p: Any = param(
    "keep",
    _keep,
    lambda g, x, o, mask, value: sum_to(keep_p(g, mask, value), x),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="x where the raw bool array mask equals value, else 0.",
)  # fmt: skip


# ---------------------------------------------------------------- diagonal, unfold, view of another dtype
def _diagonal(xp: Any, x: Any, offset: int, axis1: int, axis2: int) -> Any:
    d = xp.diagonal(x, offset, axis1, axis2)
    if hasattr(d, "setflags") and x.flags.writeable:
        d.setflags(write=True)  # NumPy hands out a read-only view; a write through the diagonal is meant
    return d


def _diagonal_backward(xp: Any, g: Any, shape: Shape, offset: int, axis1: int, axis2: int) -> Any:
    out = xp.zeros(shape, g.dtype)
    _diagonal(xp, out, offset, axis1, axis2)[...] = g
    return out


diagonal_p: Any = param(
    "diagonal",
    _diagonal,
    lambda g, x, o, *p: diagonal_backward_p(g, x, *p),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    view=True,
    doc="The diagonal x[..., i, ..., i + offset, ...] of two axes, as the last dimension of a view.",
)

diagonal_backward_p: Any = param(
    "diagonal_backward",
    _diagonal_backward,
    lambda g, x, o, shape, *p: diagonal_p(g, *p),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="Zeros of `shape` with x on a diagonal: the adjoint of diagonal_p.",
)


def _unfold(xp: Any, x: Any, axis: int, size: int, step: int) -> Any:
    if x.ndim == 0:
        return x.reshape((1,))[:size]
    n = (x.shape[axis] - size) // step + 1
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    if size <= step and n * step <= x.shape[axis]:  # apart from each other: slices, which are views that can be written
        x = x[(slice(None),) * axis + (slice(n * step),)].reshape(*before, n, step, *after)
        return xp.moveaxis(x, axis + 1, -1)[..., :size]
    s = x.strides
    strides = (*s[:axis], s[axis] * step, *s[axis + 1 :], s[axis])
    windows = xp.lib.stride_tricks.as_strided(x, (*before, n, *after, size), strides)
    if hasattr(windows, "setflags"):
        windows.setflags(write=False)  # elements share memory, so a write has no meaning
    return windows


def _unfold_backward(xp: Any, g: Any, shape: Shape, axis: int, size: int, step: int) -> Any:
    out = xp.zeros(shape, g.dtype)
    if not shape:
        return out + add_up(g) if size else out
    n = g.shape[axis]
    for k in range(size if n else 0):  # windows overlap each other, but the k-th elements of all of them do not
        out[(slice(None),) * axis + (slice(k, k + (n - 1) * step + 1, step),)] += g[..., k]
    return out


unfold_p: Any = param(
    "unfold",
    _unfold,
    lambda g, x, o, *p: unfold_backward_p(g, x, *p),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    view=True,
    doc="Windows of `size` elements every `step` along an axis, as the last dimension of a view.",
)

unfold_backward_p: Any = param(
    "unfold_backward",
    _unfold_backward,
    lambda g, x, o, shape, *p: unfold_p(g, *p),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="Windows added up at their places in zeros of `shape`: the adjoint of unfold_p.",
)
