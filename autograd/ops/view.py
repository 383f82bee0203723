"""The same elements in another shape, without copying where the memory allows it: reshape, view, flatten, squeeze.

A view shares its memory with the tensor it was made of: a write into one is seen in the other, and the gradients stay
right. Only `reshape`, `flatten` and `ravel` may copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core import as_tensor_arg, wrap
from ..dtypes import as_dtype, dtype
from ..errors import ShapeError
from ..nodes import shares
from ..op import public
from ..samples import call, raises, t
from .args import as_int, dims, one_dim, shape_arg
from .shape import reshape_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["flatten", "ravel", "reshape", "reshape_as", "squeeze", "unflatten", "unsqueeze", "view", "view_as"]


def numel(shape: Sequence[int]) -> int:
    """How many elements a shape has."""
    n = 1
    for s in shape:
        n *= s
    return n


def resolve(shape: tuple[int, ...], old: tuple[int, ...], op: str) -> tuple[int, ...]:
    """`shape` with its -1 replaced by what is left of the elements of `old`; ShapeError if they do not fit."""
    free = [i for i, n in enumerate(shape) if n < 0]
    if len(free) > 1 or any(shape[i] != -1 for i in free):
        raise ShapeError(
            f"{op}: shape {shape} is invalid; sizes are non-negative, and at most one may be -1 (inferred)"
        )
    have, want = numel(old), numel(n for n in shape if n >= 0)  # type: ignore[arg-type]
    if free:
        if want == 0:
            if have == 0:
                raise ShapeError(f"{op}: the -1 in {shape} can be any size, because the tensor of shape {old} is empty")
        elif have % want == 0:
            i = free[0]
            return (*shape[:i], have // want, *shape[i + 1 :])
    elif have == want:
        return shape
    raise ShapeError(f"{op}: shape {shape} is invalid for a tensor of shape {old}, which has {have} elements")


def _sizes(sizes: tuple[Any, ...], named: Any, op: str, word: str) -> tuple[int, ...]:
    """The sizes written as `*sizes` or by keyword."""
    if named is not None:
        if sizes:
            raise TypeError(f"{op}: sizes were given both by position and as {word}=; give them once")
        sizes = (named,)
    elif not sizes:
        raise TypeError(f"{op}: a shape is expected, such as {op}(2, -1) or {op}((2, -1))")
    return shape_arg(sizes, op)


def _usual(x: Any, sizes: tuple[Any, ...]) -> Any:
    """The usual call, in which the array library infers -1 and checks; None if there is something to explain."""
    given = sizes[0] if isinstance(sizes[0], tuple) else sizes
    try:
        return reshape_p(x, given) if min(given) >= -1 else None
    except (TypeError, ValueError):
        return None


# ---------------------------------------------------------------- reshape and view
@public(
    samples=lambda: [
        call(t(3, 4), (2, 6)), call(t(3, 4), (-1,)), call(t(3, 4), (2, -1, 2)), call(t(), (1, 1)), call(t(1), ()),
        call(t(0, 3), (3, 0)), call(t(0, 3), (-1, 3)),
    ],
    errors=lambda: [
        raises(ShapeError, r"shape \(5, 2\) is invalid for a tensor of shape \(3, 4\)", t(3, 4), (5, 2)),
        raises(ShapeError, r"at most one may be -1", t(3, 4), (-1, -1)),
        raises(ShapeError, r"sizes are non-negative", t(3, 4), (-2, 6)),
        raises(ShapeError, r"can be any size", t(0, 3), (0, -1)),
        raises(TypeError, r"every size must be an int", t(3, 4), (2.0, 6)),
    ],
    ref=lambda x, shape: x.reshape(shape),
)  # fmt: skip
def reshape(input: Tensor, *sizes: int | Sequence[int], shape: Sequence[int] | None = None) -> Tensor:
    """The same elements, in row-major order, in another shape; one size may be -1 and is inferred.

    The result is a view of `input` where the memory allows it, else a copy: `x.reshape(2, -1)`, `rg.reshape(x, (6,))`.
    Raises ShapeError if the number of elements differs.

    >>> import retrograd as rg
    >>> rg.reshape(rg.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    x = as_tensor_arg(input, "reshape")
    if sizes and shape is None:
        r = _usual(x, sizes)
        if r is not None:
            return r
    s = _sizes(sizes, shape, "reshape", "shape")
    return reshape_p(x, resolve(s, tuple(x._shape), "reshape"))


@public(
    where="Tensor",
    samples=lambda: [
        call(t(3, 4), 2, 6), call(t(3, 4), -1), call(t(3, 4), (2, -1, 2)), call(t(), 1, 1), call(t(1), ()),
        call(t(0, 3), 3, 0),
    ],
    errors=lambda: [
        raises(ShapeError, r"shape \(5, 2\) is invalid for a tensor of shape \(3, 4\)", t(3, 4), 5, 2),
        raises(TypeError, r"a shape is expected", t(3, 4)),
    ],
)  # fmt: skip
def view(
    input: Tensor, *sizes: int | Sequence[int] | dtype, size: Sequence[int] | None = None, dtype: dtype | None = None
) -> Tensor:
    """A view in another shape, `x.view(2, -1)`, or of the same bytes as another dtype, `x.view(rg.int32)`.

    Unlike `reshape` it never copies: ShapeError if the memory does not allow the shape. With a dtype of another size
    the last dimension grows or shrinks accordingly; such a view has no gradient.

    >>> import retrograd as rg
    >>> rg.arange(6).view(2, -1).shape
    retrograd.Size([2, 3])
    >>> rg.tensor([1.0]).view(rg.int32)
    tensor([1065353216], dtype=retrograd.int32)
    """
    x = as_tensor_arg(input, "view")
    if sizes and size is None and dtype is None:
        r = _usual(x, sizes)
        if r is not None and r._data.base is not None and shares(r._data, x._data):
            return r
    given: Any = sizes[0] if len(sizes) == 1 and dtype is None and size is None else dtype
    if given is not None and not isinstance(given, (int, tuple, list)) and not hasattr(given, "__index__"):
        return _view_dtype(x, given)
    s = resolve(_sizes(sizes, size, "view", "size"), tuple(x._shape), "view")
    r = reshape_p(x, s)
    if r._data is not x._data and not shares(r._data, x._data) and r._data.size:
        raise ShapeError(
            f"view: the memory of a tensor of shape {tuple(x._shape)} with strides {x.stride()} cannot be read as {s} "
            "without copying; use reshape(...), or contiguous() first"
        )
    return r


def _view_dtype(x: Tensor, given: Any) -> Tensor:
    d = as_dtype(given, "view")
    a, old, new = x._data, x._dtype.itemsize, d.itemsize
    if old != new:
        bytes_in_row = a.shape[-1] * old if a.ndim else 0
        if not a.ndim or bytes_in_row % new:
            raise ShapeError(
                f"view: a tensor of shape {tuple(x._shape)} cannot be read from {x._dtype.name} as {d.name}: the bytes "
                f"of the last dimension ({bytes_in_row}) must be a multiple of {new}"
            )
        if a.shape[-1] != 1 and a.strides[-1] != old:
            raise ShapeError(
                f"view: reading {x._dtype.name} as {d.name} needs a last dimension of stride 1, but the strides are "
                f"{x.stride()}; use contiguous() first"
            )
    return wrap(a.view(d.np))  # as in PyTorch not differentiable, so not recorded


@public(
    where="Tensor",
    samples=lambda: [call(t(3, 4), t(2, 6))],
    errors=lambda: [raises(ShapeError, r"view_as: shape \(5,\)", t(3, 4), t(5))],
)
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """`input.view(other.shape)`.

    >>> import retrograd as rg
    >>> rg.arange(6).view_as(rg.zeros(2, 3)).shape
    retrograd.Size([2, 3])
    """
    shape = tuple(as_tensor_arg(other, "view_as")._shape)
    resolve(shape, tuple(as_tensor_arg(input, "view_as")._shape), "view_as")
    return view(input, shape)


@public(where="Tensor", samples=lambda: [call(t(3, 4), t(2, 6))])
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """`input.reshape(other.shape)`.

    >>> import retrograd as rg
    >>> rg.arange(6).reshape_as(rg.zeros(2, 3)).shape
    retrograd.Size([2, 3])
    """
    return reshape(input, tuple(as_tensor_arg(other, "reshape_as")._shape))


@public(samples=lambda: [call(t(2, 3)), call(t())], ref=lambda x: x.ravel())
def ravel(input: Tensor) -> Tensor:
    """The elements in row-major order in one dimension: a view where possible.

    >>> import retrograd as rg
    >>> rg.ravel(rg.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    x = as_tensor_arg(input, "ravel")
    return reshape_p(x, (numel(x._shape),))


@public(
    samples=lambda: [
        call(t(2, 3, 4)), call(t(2, 3, 4), 1), call(t(2, 3, 4), 0, 1), call(t(2, 3, 4), start_dim=-2, end_dim=-1),
        call(t()),
        call(t(2, 3), 1, 1), call(t(0, 3)),
    ],
    errors=lambda: [
        raises(ShapeError, r"start_dim 2 comes after end_dim 1", t(2, 3, 4), 2, 1),
        raises(IndexError, r"flatten: dim 3 is out of range", t(2, 3, 4), 3),
    ],
)  # fmt: skip
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions start_dim to end_dim merged into one; a view where possible. A 0-d tensor becomes (1,).

    (N, C, H, W) with start_dim=1 becomes (N, C*H*W).

    >>> import retrograd as rg
    >>> rg.flatten(rg.zeros(2, 3, 4), 1).shape
    retrograd.Size([2, 12])
    """
    x = as_tensor_arg(input, "flatten")
    shape = tuple(x._shape)
    a, b = one_dim(start_dim, len(shape), "flatten"), one_dim(end_dim, len(shape), "flatten")
    if a > b:
        raise ShapeError(f"flatten: start_dim {a} comes after end_dim {b}; swap them")
    if a == b and shape:
        return x
    return reshape_p(x, (*shape[:a], numel(shape[a : b + 1]), *shape[b + 1 :]))


@public(
    samples=lambda: [call(t(2, 6), 1, (2, 3)), call(t(2, 6), -1, (-1, 2)), call(t(6), 0, [3, 2])],
    errors=lambda: [
        raises(ShapeError, r"unflatten: sizes \(4, 2\) do not multiply to the 6", t(2, 6), 1, (4, 2)),
        raises(ShapeError, r"sizes must not be empty", t(2, 6), 1, ()),
    ],
)
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension `dim` split into several, of which one may be -1: the inverse of `flatten`.

    >>> import retrograd as rg
    >>> rg.unflatten(rg.zeros(2, 12), 1, (3, -1)).shape
    retrograd.Size([2, 3, 4])
    """
    x = as_tensor_arg(input, "unflatten")
    d = one_dim(dim, len(x._shape), "unflatten")
    parts = shape_arg((sizes,), "unflatten")
    if not parts:
        raise ShapeError("unflatten: sizes must not be empty")
    n = x._shape[d]
    try:
        parts = resolve(parts, (n,), "unflatten")
    except ShapeError:
        raise ShapeError(
            f"unflatten: sizes {parts} do not multiply to the {n} of dim {d} (one of them may be -1)"
        ) from None
    return view(x, (*x._shape[:d], *parts, *x._shape[d + 1 :]))


# ---------------------------------------------------------------- dimensions of size 1
@public(
    samples=lambda: [
        call(t(1, 3, 1)), call(t(1, 3, 1), 0), call(t(1, 3, 1), -1), call(t(1, 3, 1), 1), call(t(1, 3, 1), (0, 2)),
        call(t()), call(t(), 0), call(t(1, 0)),
    ],
    errors=lambda: [
        raises(IndexError, r"squeeze: dim 3 is out of range", t(1, 3, 1), 3),
        raises(ShapeError, r"dim 0 appears more than once", t(1, 3, 1), (0, 0)),
    ],
)  # fmt: skip
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """A view without the dimensions of size 1: all of them, or those of `dim` that have size 1.

    >>> import retrograd as rg
    >>> rg.squeeze(rg.zeros(1, 3, 1)).shape, rg.squeeze(rg.zeros(1, 3, 1), 0).shape
    (retrograd.Size([3]), retrograd.Size([3, 1]))
    """
    x = as_tensor_arg(input, "squeeze")
    shape = x._shape
    if dim is None:
        return reshape_p(x, tuple(n for n in shape if n != 1))
    drop = () if isinstance(dim, (tuple, list)) and not dim else dims(dim, len(shape), "squeeze")
    return reshape_p(x, tuple(n for i, n in enumerate(shape) if n != 1 or i not in drop))


@public(
    samples=lambda: [call(t(3, 4), 0), call(t(3, 4), -1), call(t(3, 4), 1), call(t(), 0), call(t(0), 1)],
    errors=lambda: [raises(IndexError, r"unsqueeze: dim 3 .*expected -3 to 2", t(3, 4), 3)],
)
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a dimension of size 1 inserted at `dim` (from -ndim - 1 to ndim).

    >>> import retrograd as rg
    >>> rg.unsqueeze(rg.zeros(3, 4), 1).shape
    retrograd.Size([3, 1, 4])
    """
    x = as_tensor_arg(input, "unsqueeze")
    shape = x._shape
    n = len(shape) + 1
    d = dim if type(dim) is int else as_int(dim, "unsqueeze", "dim")
    if not -n <= d < n:
        raise IndexError(
            f"unsqueeze: dim {d} is out of range for a tensor with {n - 1} dimensions (expected {-n} to {n - 1})"
        )
    d %= n
    return reshape_p(x, (*shape[:d], 1, *shape[d:]))
