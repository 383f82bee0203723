"""Views with the dimensions in another order: transpose, permute, movedim and the properties T, mT, H and mH."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import public
from ..samples import call, raises
from ..samples import t as x_
from .args import one_dim, shape_arg
from .shape import permute_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "H", "T", "adjoint", "mH", "mT", "moveaxis", "movedim", "permute", "swapaxes", "swapdims", "t", "transpose",
]  # fmt: skip


@public(
    samples=lambda: [call(x_(2, 3, 4), 0, 1), call(x_(2, 3, 4), -1, 0), call(x_(2, 3), 1, 1), call(x_(), 0, -1)],
    errors=lambda: [raises(IndexError, r"transpose: dim 3 is out of range", x_(2, 3, 4), 0, 3)],
    ref=lambda x, a, b: x.swapaxes(a, b) if x.ndim else x,
)
def transpose(input: Tensor, dim0: int | Sequence[int], dim1: int | None = None) -> Tensor:
    """A view with two dimensions exchanged; `transpose(x, order)` is NumPy's form of `permute(x, order)`.

    >>> import retrograd as rg
    >>> rg.transpose(rg.zeros(2, 3, 4), 0, -1).shape
    retrograd.Size([4, 3, 2])
    """
    x = as_tensor_arg(input, "transpose")
    if dim1 is None and isinstance(dim0, (tuple, list)):
        return permute(x, tuple(dim0))
    n = len(x._shape)
    a, b = one_dim(dim0, n, "transpose"), one_dim(dim1, n, "transpose")
    axes = list(range(n))
    if n:
        axes[a], axes[b] = b, a
    return permute_p(x, tuple(axes))


@public(
    samples=lambda: [call(x_(2, 3, 4), 0, 1), call(x_(2, 3, 4), axis0=-1, axis1=0)],
    ref=lambda x, axis0, axis1: x.swapaxes(axis0, axis1),
)
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """The same as `transpose(input, axis0, axis1)`.

    >>> import retrograd as rg
    >>> rg.swapaxes(rg.zeros(2, 3, 4), 0, 2).shape
    retrograd.Size([4, 3, 2])
    """
    return transpose(input, axis0, axis1)


@public(samples=lambda: [call(x_(2, 3, 4), 0, 1), call(x_(2, 3, 4), dim0=-1, dim1=0)])
def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """The same as `transpose(input, dim0, dim1)`.

    >>> import retrograd as rg
    >>> rg.swapdims(rg.zeros(2, 3, 4), 0, 2).shape
    retrograd.Size([4, 3, 2])
    """
    return transpose(input, dim0, dim1)


@public(
    samples=lambda: [call(x_(2, 3, 4), (2, 0, 1)), call(x_(2, 3), (-1, 0)), call(x_(), ())],
    errors=lambda: [
        raises(ShapeError, r"permute: dims \(0, 1\) name 2 of the 3 dimensions", x_(2, 3, 4), (0, 1)),
        raises(ShapeError, r"dim 1 appears more than once", x_(2, 3, 4), (0, 1, 1)),
        raises(IndexError, r"permute: dim 3 is out of range", x_(2, 3, 4), (0, 1, 3)),
    ],
    ref=lambda x, d: x.transpose(d),
)
def permute(input: Tensor, *order: int | Sequence[int], dims: Sequence[int] | None = None) -> Tensor:
    """A view with the dimensions in another order: dimension i of the result is dimension dims[i] of `input`.

    >>> import retrograd as rg
    >>> rg.permute(rg.zeros(2, 3, 4), (2, 0, 1)).shape
    retrograd.Size([4, 2, 3])
    """
    x = as_tensor_arg(input, "permute")
    given = shape_arg(order if dims is None else (dims,), "permute")
    n = len(x._shape)
    if len(given) != n:
        raise ShapeError(
            f"permute: dims {given} name {len(given)} of the {n} dimensions of shape {tuple(x._shape)}; name all"
        )
    axes = tuple(one_dim(d, n, "permute") for d in given)
    for d in axes:
        if axes.count(d) > 1:
            raise ShapeError(f"permute: dim {d} appears more than once in {given}; name every dimension once")
    return permute_p(x, axes)


@public(
    samples=lambda: [
        call(x_(2, 3, 4), 0, 2), call(x_(2, 3, 4), -1, 0), call(x_(2, 3, 4), (0, 1), (1, 2)),
        call(x_(2, 3, 4), (2, 0), (0, -1)),
        call(x_(), 0, 0),
    ],
    errors=lambda: [
        raises(ShapeError, r"source \(0, 1\) and destination \(1,\) differ in length", x_(2, 3, 4), (0, 1), (1,)),
        raises(ShapeError, r"movedim: a dim is repeated in source \(0, 0\)", x_(2, 3, 4), (0, 0), (1, 2)),
    ],
    ref=lambda x, a, b: __import__("numpy").moveaxis(x, a, b) if x.ndim else x,
)  # fmt: skip
def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """A view with the dimensions `source` moved to the places `destination`; the others keep their order.

    >>> import retrograd as rg
    >>> rg.movedim(rg.zeros(2, 3, 4), 0, -1).shape
    retrograd.Size([3, 4, 2])
    """
    x = as_tensor_arg(input, "movedim")
    n = len(x._shape)
    given = [tuple(v) if isinstance(v, (tuple, list)) else (v,) for v in (source, destination)]
    if len(given[0]) != len(given[1]):
        raise ShapeError(
            f"movedim: source {given[0]} and destination {given[1]} differ in length; give as many of each"
        )
    src, dst = (tuple(one_dim(d, n, "movedim") for d in v) for v in given)
    for word, found, v in (("source", src, given[0]), ("destination", dst, given[1])):
        if len(set(found)) != len(found):
            raise ShapeError(f"movedim: a dim is repeated in {word} {v}; name every dimension once")
    if n == 0:
        return permute_p(x, ())
    axes = [d for d in range(n) if d not in src]
    for to, frm in sorted(zip(dst, src, strict=True)):
        axes.insert(to, frm)
    return permute_p(x, tuple(axes))


@public(samples=lambda: [call(x_(2, 3, 4), 0, 2), call(x_(2, 3, 4), (0, 1), (1, 2))])
def moveaxis(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """The same as `movedim(input, source, destination)`.

    >>> import retrograd as rg
    >>> rg.moveaxis(rg.zeros(2, 3, 4), 0, -1).shape
    retrograd.Size([3, 4, 2])
    """
    return movedim(input, source, destination)


@public(
    samples=lambda: [call(x_(2, 3)), call(x_(3)), call(x_())],
    errors=lambda: [raises(ShapeError, r"t: .*at most 2 dimensions is expected, got shape \(2, 3, 4\)", x_(2, 3, 4))],
)
def t(input: Tensor) -> Tensor:
    """The transposed matrix, a view; tensors of 0 and 1 dimensions are returned as they are.

    >>> import retrograd as rg
    >>> rg.t(rg.zeros(2, 3)).shape
    retrograd.Size([3, 2])
    """
    x = as_tensor_arg(input, "t")
    if len(x._shape) > 2:
        raise ShapeError(f"t: a tensor of at most 2 dimensions is expected, got shape {tuple(x._shape)}; use .mT")
    return permute_p(x, (1, 0)) if len(x._shape) == 2 else permute_p(x, tuple(range(len(x._shape))))


@public(
    samples=lambda: [call(x_(2, 3)), call(x_(4, 2, 3)), call(x_(2, 3, dtype="complex128"), torch=False)],
    errors=lambda: [raises(ShapeError, r"adjoint: a matrix or a batch of them is expected, got shape \(3,\)", x_(3))],
)
def adjoint(input: Tensor) -> Tensor:
    """The conjugate transpose of a matrix or of each matrix of a batch; the plain transpose of real ones, as a view.

    >>> import retrograd as rg
    >>> rg.adjoint(rg.tensor([[1.0, 2.0]])).shape
    retrograd.Size([2, 1])
    """
    return _conj(_swap_last(input, "adjoint"))


# ---------------------------------------------------------------- properties of Tensor
def T(input: Tensor) -> Tensor:
    """`x.T`: a view with all dimensions in reverse order, the transpose of a matrix; for batches of them see `mT`."""
    return permute_p(input, tuple(range(len(input._shape) - 1, -1, -1)))


def mT(input: Tensor) -> Tensor:
    """`x.mT`: a view with the last two dimensions exchanged, the transpose of each matrix of a batch."""
    return _swap_last(input, "mT")


def H(input: Tensor) -> Tensor:
    """`x.H`: the conjugate transpose of a matrix; for batches of them see `mH`."""
    if len(input._shape) not in (0, 2):
        raise ShapeError(f"H: a matrix is expected, got shape {tuple(input._shape)}; use .mH for a batch of matrices")
    return _conj(_swap_last(input, "H"))


def mH(input: Tensor) -> Tensor:
    """`x.mH`: the conjugate transpose of each matrix of a batch, the same as `adjoint`."""
    return _conj(_swap_last(input, "mH"))


def _swap_last(input: Tensor, op: str) -> Tensor:
    x = as_tensor_arg(input, op)
    n = len(x._shape)
    if n == 1:
        raise ShapeError(
            f"{op}: a matrix or a batch of them is expected, got shape {tuple(x._shape)}; unsqueeze(0) it?"
        )
    return permute_p(x, (*range(n - 2), n - 1, n - 2) if n else ())


def _conj(x: Tensor) -> Tensor:
    if not x._dtype.is_complex:
        return x
    from .complex import conj  # needs ops of its own, and few tensors are complex

    return conj(x)
