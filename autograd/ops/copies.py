"""Views as tensors of their own (`permute_copy`, `view_copy`, ...), and pieces whose shared memory the graph ignores.

`f_copy(x, ...)` is `f(x, ...).clone()`: what writes into it do not change x. The pieces of `unsafe_split` and its
relatives share memory with x, but to differentiation they are tensors of their own, which may be written in place as long
as x is not used again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core import as_tensor_arg
from ..op import public
from ..registry import PRIMITIVES
from ..samples import D, call, raises, t
from . import axes, parts, split, view
from . import complex as complex_ops
from .args import into, one_dim
from .scatter_into import slice_bounds
from .shape import getitem_p

if TYPE_CHECKING:
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = [
    "alias_copy", "detach_copy", "diagonal_copy", "expand_copy", "narrow_copy", "permute_copy", "select_copy",
    "slice_copy", "split_copy", "split_with_sizes_copy", "squeeze_copy", "t_copy", "transpose_copy", "unbind_copy",
    "unfold_copy", "unsafe_chunk", "unsafe_split", "unsafe_split_with_sizes", "unsqueeze_copy", "view_as_complex_copy",
    "view_as_real_copy", "view_copy",
]  # fmt: skip


def _own(r: Any, out: Any, op: str) -> Any:
    """A view's copy, or out with its values."""
    return r.contiguous().clone() if out is None else into(out, r, op)


def _own_all(found: Sequence[Any], out: Any, op: str) -> Any:
    if out is None:
        return tuple(r.contiguous().clone() for r in found)
    if not isinstance(out, (tuple, list)) or len(out) != len(found):
        raise TypeError(f"{op}: out must be a sequence of {len(found)} tensors")
    return tuple(into(o, r, op) for o, r in zip(out, found, strict=True))


# ---------------------------------------------------------------- one view
@public(method=False, samples=lambda: [call(t(2, 3)), call(t())])
def alias_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of the tensor.

    >>> import retrograd as rg
    >>> rg.alias_copy(rg.arange(2))
    tensor([0, 1])
    """
    return _own(as_tensor_arg(input, "alias_copy"), out, "alias_copy")


@public(method=False, differentiable=False, samples=lambda: [call(t(2, 3, grad=False))])
def detach_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of the tensor without its history.

    >>> import retrograd as rg
    >>> rg.detach_copy(rg.ones(2, requires_grad=True)).requires_grad
    False
    """
    return _own(as_tensor_arg(input, "detach_copy").detach(), out, "detach_copy")


@public(method=False, samples=lambda: [call(t(3, 3)), call(t(2, 3, 4), 1, 0, 2), call(t(3, 4), offset=-1)])
def diagonal_copy(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1, *, out: Tensor | None = None) -> Tensor:
    """A copy of `diagonal(input, offset, dim1, dim2)`.

    >>> import retrograd as rg
    >>> rg.diagonal_copy(rg.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return _own(parts.diagonal(input, offset, dim1, dim2), out, "diagonal_copy")


@public(method=False, samples=lambda: [call(t(3, 1), (3, 4)), call(t(3, 1), (2, -1, 4))])
def expand_copy(input: Tensor, size: Sequence[int], *, implicit: bool = False, out: Tensor | None = None) -> Tensor:
    """A copy of `input.expand(size)`; implicit has no meaning here.

    >>> import retrograd as rg
    >>> rg.expand_copy(rg.tensor([[1], [2]]), (2, 2))
    tensor([[1, 1],
            [2, 2]])
    """
    return _own(parts.expand(as_tensor_arg(input, "expand_copy"), size), out, "expand_copy")


@public(
    samples=lambda: [call(t(3, 4), 0, 1, 2), call(t(3, 4), -1, 0, 3)],
    errors=lambda: [raises(RuntimeError, r"start 2 \+ length 3 exceeds the size 4", t(3, 4), 1, 2, 3)],
)
def narrow_copy(input: Tensor, dim: int, start: int, length: int, *, out: Tensor | None = None) -> Tensor:
    """A copy of `narrow(input, dim, start, length)`.

    >>> import retrograd as rg
    >>> rg.narrow_copy(rg.arange(6), 0, 2, 3)
    tensor([2, 3, 4])
    """
    return _own(parts.narrow(input, dim, start, length), out, "narrow_copy")


@public(method=False, samples=lambda: [call(t(2, 3, 4), (2, 0, 1)), call(t(2, 3), (-1, 0))])
def permute_copy(input: Tensor, dims: Sequence[int], *, out: Tensor | None = None) -> Tensor:
    """A copy of `permute(input, dims)`.

    >>> import retrograd as rg
    >>> rg.permute_copy(rg.zeros(2, 3), (1, 0)).is_contiguous()
    True
    """
    return _own(axes.permute(input, dims), out, "permute_copy")


@public(method=False, samples=lambda: [call(t(3, 4), 0, 1), call(t(3, 4), -1, -4)])
def select_copy(input: Tensor, dim: int, index: int, *, out: Tensor | None = None) -> Tensor:
    """A copy of `select(input, dim, index)`.

    >>> import retrograd as rg
    >>> rg.select_copy(rg.tensor([[1, 2], [3, 4]]), 0, 1)
    tensor([3, 4])
    """
    return _own(parts.select(input, dim, index), out, "select_copy")


@public(
    method=False,
    samples=lambda: [call(t(5, 2)), call(t(5, 2), 0, 1, 4, 2), call(t(2, 5), -1, -3), call(t(4), end=2)],
    errors=lambda: [raises(RuntimeError, r"step must be positive, got 0", t(4), 0, 0, 4, 0)],
)
def slice_copy(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1, *,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A copy of the elements start:end:step of dimension `dim`.

    >>> import retrograd as rg
    >>> rg.slice_copy(rg.arange(6), 0, 1, 6, 2)
    tensor([1, 3, 5])
    """
    x = as_tensor_arg(input, "slice_copy")
    d = one_dim(dim, len(x._shape), "slice_copy")
    a, b, k = slice_bounds(x._shape[d] if x._shape else 0, start, end, step, "slice_copy")
    return _own(getitem_p(x, (*(slice(None),) * d, slice(a, b, k))), out, "slice_copy")


@public(method=False, samples=lambda: [call(t(1, 3, 1)), call(t(1, 3, 1), 0), call(t(1, 3, 1), (0, 2))])
def squeeze_copy(input: Tensor, dim: int | Sequence[int] | None = None, *, out: Tensor | None = None) -> Tensor:
    """A copy of `squeeze(input, dim)`.

    >>> import retrograd as rg
    >>> rg.squeeze_copy(rg.zeros(1, 3, 1)).shape
    retrograd.Size([3])
    """
    return _own(view.squeeze(input, dim), out, "squeeze_copy")


@public(method=False, samples=lambda: [call(t(2, 3)), call(t(3)), call(t())])
def t_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of `t(input)`.

    >>> import retrograd as rg
    >>> rg.t_copy(rg.zeros(2, 3)).shape
    retrograd.Size([3, 2])
    """
    return _own(axes.t(input), out, "t_copy")


@public(method=False, samples=lambda: [call(t(2, 3, 4), 0, -1)])
def transpose_copy(input: Tensor, dim0: int, dim1: int, *, out: Tensor | None = None) -> Tensor:
    """A copy of `transpose(input, dim0, dim1)`.

    >>> import retrograd as rg
    >>> rg.transpose_copy(rg.zeros(2, 3), 0, 1).shape
    retrograd.Size([3, 2])
    """
    return _own(axes.transpose(input, dim0, dim1), out, "transpose_copy")


@public(method=False, samples=lambda: [call(t(7), 0, 3, 2), call(t(2, 6), -1, 4, 2)])
def unfold_copy(input: Tensor, dimension: int, size: int, step: int, *, out: Tensor | None = None) -> Tensor:
    """A copy of `input.unfold(dimension, size, step)`.

    >>> import retrograd as rg
    >>> rg.unfold_copy(rg.arange(4), 0, 2, 1)
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    return _own(parts.unfold(as_tensor_arg(input, "unfold_copy"), dimension, size, step), out, "unfold_copy")


@public(method=False, samples=lambda: [call(t(3, 4), 1), call(t(), 0)])
def unsqueeze_copy(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """A copy of `unsqueeze(input, dim)`.

    >>> import retrograd as rg
    >>> rg.unsqueeze_copy(rg.arange(2), 0)
    tensor([[0, 1]])
    """
    return _own(view.unsqueeze(input, dim), out, "unsqueeze_copy")


@public(method=False, samples=lambda: [call(t(3, 2, dtype="complex128")), call(t(dtype="complex64"))])
def view_as_real_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of `view_as_real(input)`.

    >>> import retrograd as rg
    >>> rg.view_as_real_copy(rg.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    return _own(complex_ops.view_as_real(input), out, "view_as_real_copy")


@public(method=False, samples=lambda: [call(t(3, 2), torch=False), call(t(3, 2, grad=False))])
def view_as_complex_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A copy of `view_as_complex(input)`.

    >>> import retrograd as rg
    >>> rg.view_as_complex_copy(rg.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    return _own(complex_ops.view_as_complex(input), out, "view_as_complex_copy")


@public(
    method=False,
    samples=lambda: [call(t(3, 4), (2, 6)), call(t(3, 4), (-1,)), call(t(2, grad=False), dtype=D("uint8"))],
)
def view_copy(
    input: Tensor, size: Sequence[int] | Dtype | None = None, *, dtype: Dtype | None = None, out: Tensor | None = None
) -> Tensor:
    """A copy of `input.view(size)`, or of the same bytes as another dtype.

    >>> import retrograd as rg
    >>> rg.view_copy(rg.arange(4), (2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    x = as_tensor_arg(input, "view_copy")
    given = size if dtype is None else dtype
    if given is None or not (size is None or dtype is None):
        raise TypeError("view_copy: give either size or dtype")
    if isinstance(given, (tuple, list)):
        return _own(view.reshape(x, tuple(given)), out, "view_copy")
    return _own(view.view(x.contiguous(), given), out, "view_copy")


# ---------------------------------------------------------------- several views
@public(method=False, samples=lambda: [call(t(5, 2), 2), call(t(2, 5), 3, dim=-1)])
def split_copy(input: Tensor, split_size: int, dim: int = 0, *, out: Any = None) -> tuple[Tensor, ...]:
    """Copies of the pieces of `split(input, split_size, dim)`.

    >>> import retrograd as rg
    >>> rg.split_copy(rg.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return _own_all(split.split(input, split_size, dim), out, "split_copy")


@public(method=False, samples=lambda: [call(t(5, 2), [2, 3]), call(t(2, 5), (4, 1), dim=-1)])
def split_with_sizes_copy(
    input: Tensor, split_sizes: Sequence[int], dim: int = 0, *, out: Any = None
) -> tuple[Tensor, ...]:
    """Copies of the pieces of `split_with_sizes(input, split_sizes, dim)`.

    >>> import retrograd as rg
    >>> rg.split_with_sizes_copy(rg.arange(3), [1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    return _own_all(split.split_with_sizes(input, split_sizes, dim), out, "split_with_sizes_copy")


@public(method=False, samples=lambda: [call(t(2, 3)), call(t(2, 3), 1)])
def unbind_copy(input: Tensor, dim: int = 0, *, out: Any = None) -> tuple[Tensor, ...]:
    """Copies of the slices of `unbind(input, dim)`.

    >>> import retrograd as rg
    >>> rg.unbind_copy(rg.arange(2))
    (tensor(0), tensor(1))
    """
    return _own_all(split.unbind(input, dim), out, "unbind_copy")


# ---------------------------------------------------------------- pieces that the graph takes for tensors of their own
def _unsafe(input: Any, dim: Any, edges: Any, given: Any, op: str) -> tuple[Tensor, ...]:
    x, d, n = split.whole(input, dim, op)
    at = edges(n, given, op) if edges is split.chunked else edges(d, n, given, op)
    return split.cut(PRIMITIVES["unsafe_split"], x, d, tuple(at), safe=False)


@public(
    samples=lambda: [call(t(6), 3), call(t(2, 5), 3, dim=1)],
    errors=lambda: [raises(RuntimeError, r"unsafe_chunk: chunks must be positive, got 0", t(3), 0)],
)
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk` whose pieces may be written in place; gradients are right as long as `input` is not used again.

    >>> import retrograd as rg
    >>> rg.unsafe_chunk(rg.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return _unsafe(input, dim, split.chunked, chunks, "unsafe_chunk")


@public(
    samples=lambda: [call(t(5, 2), 2), call(t(2, 5), 3, dim=-1)],
    errors=lambda: [raises(RuntimeError, r"unsafe_split: split_size must not be negative", t(3), -1)],
)
def unsafe_split(input: Tensor, split_size: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`split` whose pieces may be written in place; gradients are right as long as `input` is not used again.

    >>> import retrograd as rg
    >>> rg.unsafe_split(rg.arange(3), 2)
    (tensor([0, 1]), tensor([2]))
    """
    return _unsafe(input, dim, split.equal, split_size, "unsafe_split")


@public(
    samples=lambda: [call(t(5, 2), [2, 3]), call(t(2, 5), (4, 1), dim=-1)],
    errors=lambda: [raises(RuntimeError, r"unsafe_split_with_sizes: sizes \[1\] add up to 1", t(3), [1])],
)
def unsafe_split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """`split_with_sizes` whose pieces may be written in place; right as long as `input` is not used again.

    >>> import retrograd as rg
    >>> rg.unsafe_split_with_sizes(rg.arange(3), [1, 2])
    (tensor([0]), tensor([1, 2]))
    """
    return _unsafe(input, dim, split.sized, split_sizes, "unsafe_split_with_sizes")
