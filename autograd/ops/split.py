"""Taking tensors apart: split, chunk, tensor_split, unbind and their relatives. Every piece is a view."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..core import TensorBase, as_tensor_arg
from ..errors import ShapeError
from ..op import public
from ..samples import call, raises, t
from .args import as_int, one_dim
from .shape import getitem_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "chunk", "dsplit", "hsplit", "split", "split_with_sizes", "tensor_split", "unbind", "vsplit",
]  # fmt: skip


def _where(input: Any, dim: Any, op: str) -> tuple[Any, int, int]:
    """The tensor, the dimension to cut, and its size."""
    x = as_tensor_arg(input, op)
    if not x._shape:
        raise ShapeError(f"{op}: a 0-d tensor has no dimension to take apart")
    d = one_dim(dim, len(x._shape), op)
    return x, d, x._shape[d]


def _pieces(x: Any, d: int, edges: Sequence[int]) -> tuple[Tensor, ...]:
    lead = (slice(None),) * d
    return tuple(getitem_p(x, (*lead, slice(a, b))) for a, b in pairwise(edges))


def _sized(x: Any, d: int, n: int, sizes: Sequence[Any], op: str) -> tuple[Tensor, ...]:
    edges = [0]
    for s in sizes:
        k = as_int(s, op, "every size")
        if k < 0:
            raise ShapeError(f"{op}: sizes {list(sizes)} must not be negative")
        edges.append(edges[-1] + k)
    if edges[-1] != n:
        raise ShapeError(f"{op}: sizes {list(sizes)} add up to {edges[-1]}; the size {n} of dim {d} is expected")
    return _pieces(x, d, edges)


@public(
    samples=lambda: [
        call(t(5, 2), 2), call(t(2, 5), 2, dim=1), call(t(2, 5), [1, 4], -1), call(t(5), (2, 0, 3)), call(t(5), 9),
        call(t(0, 2), 2),
        call(t(0, 2), 0),
    ],
    errors=lambda: [
        raises(ShapeError, r"split: sizes \[1, 1\] add up to 2; the size 3 of dim 1", t(2, 3), [1, 1], 1),
        raises(ShapeError, r"split: split_size 0 is possible only for a dimension of size 0", t(3), 0),
        raises(ShapeError, r"split_size must not be negative, got -1", t(3), -1),
        raises(ShapeError, r"split: a 0-d tensor", t(), 1),
        raises(IndexError, r"split: dim 2 is out of range", t(2, 3), 1, 2),
    ],
)  # fmt: skip
def split(input: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive pieces along `dim`: of one size (the last may be smaller), or of the sizes of a list.

    >>> import retrograd as rg
    >>> rg.split(rg.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    x, d, n = _where(input, dim, "split")
    if isinstance(split_size_or_sections, (tuple, list)):
        return _sized(x, d, n, split_size_or_sections, "split")
    k = as_int(split_size_or_sections, "split", "split_size")
    if k < 0:
        raise ShapeError(f"split: split_size must not be negative, got {k}")
    if k == 0 and n:
        raise ShapeError(f"split: split_size 0 is possible only for a dimension of size 0, but dim {d} has size {n}")
    return _pieces(x, d, [*range(0, n, k), n] if n else [0, 0])


@public(samples=lambda: [call(t(5, 2), [1, 4]), call(t(2, 5), (2, 3), dim=-1)])
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive pieces of the given sizes along `dim`.

    >>> import retrograd as rg
    >>> rg.split_with_sizes(rg.arange(5), [1, 4])
    (tensor([0]), tensor([1, 2, 3, 4]))
    """
    x, d, n = _where(input, dim, "split_with_sizes")
    return _sized(x, d, n, split_sizes, "split_with_sizes")


@public(
    samples=lambda: [call(t(6), 3), call(t(2, 5), 3, dim=1), call(t(6), 4), call(t(0, 2), 3), call(t(2, 3), 2, -1)],
    errors=lambda: [
        raises(ShapeError, r"chunks must be positive, got 0", t(3), 0),
        raises(ShapeError, r"chunk: a 0-d", t(), 2),
    ],
)
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views of equal size along `dim`; the last may be smaller, and there may be fewer.

    >>> import retrograd as rg
    >>> rg.chunk(rg.arange(5), 3)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    x, d, n = _where(input, dim, "chunk")
    k = as_int(chunks, "chunk", "chunks")
    if k <= 0:
        raise ShapeError(f"chunk: chunks must be positive, got {k}")
    if not n:
        return _pieces(x, d, [0] * (k + 1))
    return _pieces(x, d, [*range(0, n, -(-n // k)), n])


@public(
    samples=lambda: [
        call(t(7), 3), call(t(2, 5), (1, 3), dim=1), call(t(5), (1, 9, -1)), call(t(2, 4), 2, -1),
        call(t(5), t(2, dtype="int64", values=[1, 3], grad=False)),
    ],
    errors=lambda: [raises(ShapeError, r"the number of sections must be positive, got 0", t(3), 0)],
)  # fmt: skip
def tensor_split(input: Tensor, indices_or_sections: int | Sequence[int] | Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views along `dim`: so many pieces of sizes that differ by one at most, or cut before the given indices.

    >>> import retrograd as rg
    >>> rg.tensor_split(rg.arange(5), (1, 3))
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    x, d, n = _where(input, dim, "tensor_split")
    return _tensor_split(x, d, n, indices_or_sections, "tensor_split")


def _tensor_split(x: Any, d: int, n: int, given: Any, op: str) -> tuple[Tensor, ...]:
    if isinstance(given, TensorBase) and given._shape:
        given = given.tolist()  # type: ignore[attr-defined]
    if isinstance(given, (tuple, list)):
        at = [as_int(i, op, "every index") for i in given]
        lead = (slice(None),) * d
        return tuple(getitem_p(x, (*lead, slice(a, b))) for a, b in zip([0, *at], [*at, n], strict=True))
    k = as_int(given, op, "the number of sections")
    if k <= 0:
        raise ShapeError(f"{op}: the number of sections must be positive, got {k}")
    size, more = divmod(n, k)
    edges = [0]
    for i in range(k):
        edges.append(edges[-1] + size + (i < more))
    return _pieces(x, d, edges)


def _numpy_split(input: Any, given: Any, d: int, least: int, op: str) -> tuple[Tensor, ...]:
    x = as_tensor_arg(input, op)
    if len(x._shape) < least:
        raise ShapeError(f"{op}: a tensor of at least {least} dimensions is expected, got shape {tuple(x._shape)}")
    n = x._shape[d]
    if not isinstance(given, (tuple, list)) and as_int(given, op, "sections") > 0 and n % given:
        raise ShapeError(f"{op}: the size {n} of dim {d} is not divisible by {given}; see rg.tensor_split")
    return _tensor_split(x, d, n, given, op)


@public(samples=lambda: [call(t(4), 2), call(t(2, 4), 2), call(t(2, 4), (1, 3))])
def hsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """`tensor_split` along dimension 1 (0 for one-dimensional tensors), into equal sections.

    >>> import retrograd as rg
    >>> rg.hsplit(rg.arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """
    x = as_tensor_arg(input, "hsplit")
    return _numpy_split(x, indices_or_sections, 0 if len(x._shape) == 1 else 1, 1, "hsplit")


@public(
    samples=lambda: [call(t(4, 2), 2), call(t(4, 2), (1, 3))],
    errors=lambda: [
        raises(ShapeError, r"vsplit: the size 3 of dim 0 is not divisible by 2", t(3, 2), 2),
        raises(ShapeError, r"at least 2 dimensions", t(4), 2),
    ],
)
def vsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """`tensor_split` along dimension 0 of a tensor of at least two dimensions, into equal sections.

    >>> import retrograd as rg
    >>> [x.shape for x in rg.vsplit(rg.zeros(4, 3), 2)]
    [retrograd.Size([2, 3]), retrograd.Size([2, 3])]
    """
    return _numpy_split(input, indices_or_sections, 0, 2, "vsplit")


@public(samples=lambda: [call(t(2, 2, 4), 2), call(t(2, 2, 4), (1, 3))])
def dsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """`tensor_split` along dimension 2 of a tensor of at least three dimensions, into equal sections.

    >>> import retrograd as rg
    >>> [x.shape for x in rg.dsplit(rg.zeros(1, 2, 4), 2)]
    [retrograd.Size([1, 2, 2]), retrograd.Size([1, 2, 2])]
    """
    return _numpy_split(input, indices_or_sections, 2, 3, "dsplit")


@public(
    samples=lambda: [call(t(2, 3)), call(t(2, 3), 1), call(t(2, 3), dim=-1), call(t(2)), call(t(0, 2))],
    errors=lambda: [
        raises(IndexError, r"unbind: a 0-d tensor", t()),
        raises(IndexError, r"unbind: dim 2 is out of range", t(2, 3), 2)
    ],
)  # fmt: skip
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of all slices along `dim`, which is removed: `x[0], x[1], ...` for dim=0.

    >>> import retrograd as rg
    >>> rg.unbind(rg.tensor([[1, 2], [3, 4]]), 1)
    (tensor([1, 3]), tensor([2, 4]))
    """
    x = as_tensor_arg(input, "unbind")
    if not x._shape:
        raise IndexError("unbind: a 0-d tensor has no dimension to take apart")
    d = one_dim(dim, len(x._shape), "unbind")
    lead = (slice(None),) * d
    return tuple(getitem_p(x, (*lead, k, ...)) for k in range(x._shape[d]))
