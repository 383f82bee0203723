"""Views of a part of a tensor (narrow, select, diagonal, unfold) and views that repeat one (expand, broadcast_to)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core import TensorBase, as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..op import public
from ..samples import call, raises, t
from .args import as_int, one_dim, shape_arg
from .shape import diagonal_p, expand_p, getitem_p, unfold_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "broadcast_shapes", "broadcast_tensors", "broadcast_to", "diagonal", "expand", "expand_as", "narrow", "select",
    "unfold",
]  # fmt: skip


# ---------------------------------------------------------------- expand
def expanded(sizes: tuple[int, ...], old: tuple[int, ...], op: str) -> tuple[int, ...]:
    """The shape to which `old` expands for `sizes`, where -1 keeps a size; ShapeError if it does not."""
    lead = len(sizes) - len(old)
    if lead < 0:
        raise ShapeError(
            f"{op}: {len(sizes)} sizes {sizes} are too few for a tensor of shape {old}; give at least {len(old)}"
        )
    shape = list(sizes)
    for i, n in enumerate(sizes):
        if n < 0:
            if n != -1 or i < lead:
                raise ShapeError(
                    f"{op}: size {n} of dimension {i} in {sizes} is not possible for a tensor of shape {old}; "
                    "sizes are non-negative, and -1 keeps that of a dimension that exists"
                )
            shape[i] = old[i - lead]
        elif i >= lead and old[i - lead] not in (1, n):
            raise ShapeError(
                f"{op}: dimension {i - lead} of a tensor of shape {old} has size {old[i - lead]} and cannot become {n} "
                f"(sizes {sizes}); only dimensions of size 1 expand"
            )
    return tuple(shape)


@public(
    where="Tensor",
    samples=lambda: [
        call(t(3, 1), 3, 4), call(t(3, 1), -1, 4), call(t(3, 1), (2, -1, 4)), call(t(), 2, 3), call(t(3, 1), 3, 1),
        call(t(1, 3), 0, 3),
    ],
    errors=lambda: [
        raises(ShapeError, r"dimension 0 .* has size 3 and cannot become 2", t(3, 1), 2, 4),
        raises(ShapeError, r"too few", t(3, 1), 4),
        raises(ShapeError, r"size -1 of dimension 0", t(3, 1), -1, 3, 4),
    ],
)  # fmt: skip
def expand(
    input: Tensor, *sizes: int | Sequence[int], size: Sequence[int] | None = None, implicit: bool = False
) -> Tensor:
    """A view in which dimensions of size 1 are repeated without copying; -1 keeps a size, new dimensions go in front.

    Repeated elements share memory: clone() the result before writing into it. implicit has no meaning here.

    >>> import retrograd as rg
    >>> rg.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    x = as_tensor_arg(input, "expand")
    given = shape_arg(sizes if size is None else (size,), "expand")
    return expand_p(x, expanded(given, tuple(x._shape), "expand"))


@public(where="Tensor", samples=lambda: [call(t(3, 1), t(2, 3, 4, grad=False))])
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """`input.expand(other.shape)`.

    >>> import retrograd as rg
    >>> rg.ones(1, 3).expand_as(rg.zeros(2, 3)).shape
    retrograd.Size([2, 3])
    """
    x = as_tensor_arg(input, "expand_as")
    return expand_p(x, expanded(tuple(as_tensor_arg(other, "expand_as")._shape), tuple(x._shape), "expand_as"))


@public(
    samples=lambda: [call(t(3, 1), (2, 3, 4)), call(t(), (2,))],
    errors=lambda: [raises(ShapeError, r"broadcast_to: .* cannot become 2", t(3, 1), (2, 4))],
    ref=lambda x, shape: __import__("numpy").broadcast_to(x, shape),
)
def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """The same as `input.expand(size)`.

    >>> import retrograd as rg
    >>> rg.broadcast_to(rg.ones(3), (2, 3)).shape
    retrograd.Size([2, 3])
    """
    x = as_tensor_arg(input, "broadcast_to")
    return expand_p(x, expanded(shape_arg((size,), "broadcast_to"), tuple(x._shape), "broadcast_to"))


@public(method=False, differentiable=False)
def broadcast_shapes(*shapes: Sequence[int] | int) -> tuple[int, ...]:
    """The shape to which the shapes broadcast; ShapeError if they do not.

    >>> import retrograd as rg
    >>> rg.broadcast_shapes((2, 1), (3,))
    retrograd.Size([2, 3])
    """
    from ..size import Size

    return Size(broadcast("broadcast_shapes", *[shape_arg((s,), "broadcast_shapes") for s in shapes]))


def broadcast(op: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which `shapes` broadcast; ShapeError naming `op` if they do not."""
    found: list[int] = []
    for shape in shapes:
        found[:0] = [1] * (len(shape) - len(found))
        for k in range(1, len(shape) + 1):
            n = shape[-k]
            if n < 0:
                raise ShapeError(f"{op}: size {n} in {shape} is negative")
            if found[-k] == 1:
                found[-k] = n
            elif n != 1 and n != found[-k]:
                given = " and ".join(map(str, shapes))
                raise ShapeError(f"{op}: {given} do not broadcast: dimension -{k} is {found[-k]} and {n}")
    return tuple(found)


@public(
    method=False,
    samples=lambda: [call(t(3, 1), t(4)), call(t(), t(2, 2)), call(t(2))],
    errors=lambda: [
        raises(ShapeError, r"\(2, 3\) and \(2,\) do not broadcast: dimension -1 is 3 and 2", t(2, 3), t(2))
    ],
)
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Each tensor as a view of the shape to which all of them broadcast.

    >>> import retrograd as rg
    >>> [x.shape for x in rg.broadcast_tensors(rg.zeros(3, 1), rg.zeros(4))]
    [retrograd.Size([3, 4]), retrograd.Size([3, 4])]
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    xs = [as_tensor_arg(x, "broadcast_tensors") for x in tensors]
    shape = broadcast("broadcast_tensors", *[tuple(x._shape) for x in xs])
    return tuple(expand_p(x, shape) for x in xs)


# ---------------------------------------------------------------- parts
@public(
    samples=lambda: [call(t(3, 4), 0, 1, 2), call(t(3, 4), -1, 0, 3), call(t(3, 4), 1, -2, 2), call(t(3, 4), 1, 4, 0)],
    errors=lambda: [
        raises(ShapeError, r"start 2 \+ length 3 exceeds the size 4 of dim 1", t(3, 4), 1, 2, 3),
        raises(IndexError, r"start 5 is out of range for dim 1 with size 4", t(3, 4), 1, 5, 0),
        raises(ShapeError, r"length -1 is negative", t(3, 4), 1, 2, -1),
        raises(ShapeError, r"0-d tensor", t(), 0, 0, 1),
    ],
)  # fmt: skip
def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """The view of `length` elements of dimension `dim` from `start` (negative: counted from the end).

    >>> import retrograd as rg
    >>> rg.narrow(rg.arange(6), 0, 2, 3)
    tensor([2, 3, 4])
    """
    x = as_tensor_arg(input, "narrow")
    if not x._shape:
        raise ShapeError("narrow: a 0-d tensor has no dimension to narrow")
    d = one_dim(dim, len(x._shape), "narrow")
    if isinstance(start, TensorBase) and (start._shape or start._dtype.kind not in "iu"):
        raise DtypeError(
            f"narrow: start must be an int or a 0-d integer tensor, got {tuple(start._shape)} {start._dtype.name}"
        )
    n, a, k = x._shape[d], as_int(start, "narrow", "start"), as_int(length, "narrow", "length")
    if k < 0:
        raise ShapeError(f"narrow: length {k} is negative")
    if not -n <= a <= n:
        raise IndexError(f"narrow: start {a} is out of range for dim {d} with size {n} (expected {-n} to {n})")
    a = a + n if a < 0 else a
    if a + k > n:
        raise ShapeError(f"narrow: start {a} + length {k} exceeds the size {n} of dim {d}")
    return getitem_p(x, (slice(None),) * d + (slice(a, a + k),))


@public(
    samples=lambda: [call(t(3, 4), 0, 1), call(t(3, 4), -1, -4), call(t(3), 0, 2)],
    errors=lambda: [
        raises(IndexError, r"index 4 is out of range for dimension 1 with size 4", t(3, 4), 1, 4),
        raises(IndexError, r"0-d tensor", t(), 0, 0),
    ],
    ref=lambda x, d, i: x.take(i, axis=d),
)
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The view at one index of dimension `dim`, which is removed: `select(x, 1, i)` is `x[:, i]`.

    >>> import retrograd as rg
    >>> rg.select(rg.tensor([[1, 2], [3, 4]]), 1, -1)
    tensor([2, 4])
    """
    x = as_tensor_arg(input, "select")
    if not x._shape:
        raise IndexError("select: a 0-d tensor has no dimension to select from")
    d = one_dim(dim, len(x._shape), "select")
    n, i = x._shape[d], as_int(index, "select", "index")
    if not -n <= i < n:
        raise IndexError(f"select: index {i} is out of range for dimension {d} with size {n}")
    return getitem_p(x, (*(slice(None),) * d, i, ...))


@public(
    samples=lambda: [
        call(t(3, 4)), call(t(3, 4), 1), call(t(3, 4), -2), call(t(2, 3, 4), 1, 1, 2),
        call(t(2, 3, 4), offset=-1, dim1=-1, dim2=0),
        call(t(3, 4), 9), call(t(0, 2)),
    ],
    errors=lambda: [
        raises(ShapeError, r"diagonal: dim1 and dim2 are both dimension 1", t(2, 3, 4), 0, 1, -2),
        raises(IndexError, r"diagonal: dim 1 is out of range", t(3)),
    ],
    ref=lambda x, offset=0, dim1=0, dim2=1: x.diagonal(offset, dim1, dim2),
)  # fmt: skip
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The view of the elements (i, i + offset) of two dimensions, which are removed; they become the last one.

    >>> import retrograd as rg
    >>> rg.diagonal(rg.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    x = as_tensor_arg(input, "diagonal")
    return diagonal_p(x, as_int(offset, "diagonal", "offset"), *two_dims(dim1, dim2, len(x._shape), "diagonal"))


def two_dims(dim1: Any, dim2: Any, ndim: int, op: str) -> tuple[int, int]:
    """Two different dimensions of a tensor with `ndim` dimensions, non-negative."""
    a, b = one_dim(dim1, ndim, op), one_dim(dim2, ndim, op)
    if a == b:
        raise ShapeError(f"{op}: dim1 and dim2 are both dimension {a}; name two different ones")
    return a, b


@public(
    where="Tensor",
    samples=lambda: [
        call(t(7), 0, 3, 1), call(t(7), 0, 2, 3), call(t(2, 6, 3), 1, 2, 2), call(t(2, 6), -1, 4, 2),
        call(t(), 0, 1, 1),
        call(t(5), 0, 5, 9),
    ],
    errors=lambda: [
        raises(ShapeError, r"size 5 is larger than dimension 1, which has size 4", t(3, 4), 1, 5, 1),
        raises(ShapeError, r"step must be positive, got 0", t(3, 4), 1, 2, 0),
    ],
)  # fmt: skip
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` elements along a dimension, `step` apart, as a view.

    (..., L, ...) becomes (..., windows, ..., size), with (L - size) // step + 1 windows. Windows that overlap share
    memory and cannot be written to.

    >>> import retrograd as rg
    >>> rg.arange(5).unfold(0, 3, 1)
    tensor([[0, 1, 2],
            [1, 2, 3],
            [2, 3, 4]])
    """
    x = as_tensor_arg(input, "unfold")
    d = one_dim(dimension, len(x._shape), "unfold")
    n = x._shape[d] if x._shape else 1
    k, s = as_int(size, "unfold", "size"), as_int(step, "unfold", "step")
    if not 0 <= k <= n:
        word = "is larger than" if k > n else "is negative; it must fit into"
        raise ShapeError(f"unfold: size {k} {word} dimension {d}, which has size {n}")
    if s <= 0:
        raise ShapeError(f"unfold: step must be positive, got {s}")
    return unfold_p(x, d, k, s)
