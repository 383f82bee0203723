"""Triangles and diagonals: tril, triu, their indices, diag, diagflat, diag_embed, trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import param, public
from ..samples import call, raises, t
from .args import as_int, into
from .create import finish, place
from .parts import two_dims
from .shape import diagonal_backward_p, diagonal_p, reshape_p, sum_p

if TYPE_CHECKING:
    from ..device import device as Device
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = ["diag", "diag_embed", "diagflat", "trace", "tril", "tril_indices", "triu", "triu_indices"]


# ---------------------------------------------------------------- triangles
def _triangle(name: str, what: str) -> Any:
    """tril_p and triu_p: projections, so each is its own adjoint."""

    def forward(xp: Any, x: Any, k: int) -> Any:
        m, n = x.shape[-2:]
        below = xp.arange(m)[:, None] - xp.arange(n)[None, :]  # (m, n): how far below the main diagonal
        return xp.where(below >= -k if name == "tril" else below <= -k, x, xp.zeros((), x.dtype))

    call: Any = param(
        name,
        forward,
        lambda g, x, o, k: call(g, k),
        dtypes="copy",
        holomorphic=False,
        jvp="linear",
        doc=f"The {what} triangle of each matrix: 0 beyond diagonal k.",
    )
    return call


tril_p, triu_p = _triangle("tril", "lower"), _triangle("triu", "upper")


def _matrices(input: Any, op: str) -> Any:
    x = as_tensor_arg(input, op)
    if len(x._shape) < 2:
        raise ShapeError(f"{op}: a matrix or a batch of them is expected, got shape {tuple(x._shape)}")
    return x


@public(
    inplace=True,
    samples=lambda: [call(t(3, 4)), call(t(3, 3), 1), call(t(2, 3, 3), diagonal=-1), call(t(0, 3)), call(t(2, 2), 9)],
    errors=lambda: [raises(ShapeError, r"tril: a matrix or a batch of them", t(3))],
    ref=lambda x, diagonal=0: __import__("numpy").tril(x, diagonal),
)
def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of a matrix or of each matrix of a batch: what lies above the given diagonal becomes 0.

    >>> import retrograd as rg
    >>> rg.tril(rg.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return into(out, tril_p(_matrices(input, "tril"), as_int(diagonal, "tril", "diagonal")), "tril")


@public(
    inplace=True,
    samples=lambda: [call(t(3, 4)), call(t(3, 3), 1), call(t(2, 3, 3), diagonal=-1), call(t(0, 3))],
    errors=lambda: [raises(ShapeError, r"triu: a matrix or a batch of them", t(3))],
    ref=lambda x, diagonal=0: __import__("numpy").triu(x, diagonal),
)
def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of a matrix or of each matrix of a batch: what lies below the given diagonal becomes 0.

    >>> import retrograd as rg
    >>> rg.triu(rg.ones(2, 2), 1)
    tensor([[0., 1.],
            [0., 0.]])
    """
    return into(out, triu_p(_matrices(input, "triu"), as_int(diagonal, "triu", "diagonal")), "triu")


def _indices(op: str, row: Any, col: Any, offset: Any, dtype: Any, device: Any, layout: Any) -> Tensor:
    m, n, k = (as_int(v, op, w) for v, w in ((row, "row"), (col, "col"), (offset, "offset")))
    if m < 0 or n < 0:
        raise ShapeError(f"{op}: row and col must not be negative, got {m} and {n}")
    d, xp = place(op, "int64" if dtype is None else dtype, device, layout)
    below = np.arange(m)[:, None] - np.arange(n)[None, :]
    found = np.stack(np.nonzero(below >= -k if op == "tril_indices" else below <= -k)).astype(d.np)
    return finish(op, found if xp is np else xp.asarray(found), device, False)


@public(
    method=False,
    differentiable=False,
    samples=lambda: [call(3, 3), call(2, 4, 1), call(3, 2, offset=-1), call(0, 3)],
    errors=lambda: [raises(ShapeError, r"must not be negative, got -2 and 3", -2, 3)],
)
def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Dtype | None = None, device: Device | str | None = None,
    layout: Any = None,
) -> Tensor:  # fmt: skip
    """The places of the lower triangle of a (row, col) matrix in row-major order: a (2, n) tensor of int64.

    >>> import retrograd as rg
    >>> rg.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _indices("tril_indices", row, col, offset, dtype, device, layout)


@public(
    method=False,
    differentiable=False,
    samples=lambda: [call(3, 3), call(2, 4, 1), call(3, 2, offset=-1), call(0, 3)],
)
def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Dtype | None = None, device: Device | str | None = None,
    layout: Any = None,
) -> Tensor:  # fmt: skip
    """The places of the upper triangle of a (row, col) matrix in row-major order: a (2, n) tensor of int64.

    >>> import retrograd as rg
    >>> rg.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _indices("triu_indices", row, col, offset, dtype, device, layout)


# ---------------------------------------------------------------- diagonals
def _embed(x: Any, offset: int, d1: int, d2: int) -> Any:
    """The last dimension of x on a diagonal of two new dimensions d1, d2."""
    n = x._shape[-1] + abs(offset)
    shape = list(x._shape[:-1])
    for d in sorted((d1, d2)):
        shape.insert(d, n)
    return diagonal_backward_p(x, tuple(shape), offset, d1, d2)


@public(
    samples=lambda: [
        call(t(3)), call(t(3), 1), call(t(2), diagonal=-2), call(t(3, 4)), call(t(3, 4), 1), call(t(3, 4), -1),
        call(t(0)),
    ],
    errors=lambda: [raises(ShapeError, r"diag: one or two dimensions are expected, got shape \(2, 2, 2\)", t(2, 2, 2))],
    ref=lambda x, diagonal=0: __import__("numpy").diag(x, diagonal),
)  # fmt: skip
def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """A vector (N,) as the diagonal of a square matrix, or the diagonal of a matrix as a vector; always a copy.

    >>> import retrograd as rg
    >>> rg.diag(rg.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    x, k = as_tensor_arg(input, "diag"), as_int(diagonal, "diag", "diagonal")
    if len(x._shape) == 1:
        return into(out, _embed(x, k, 0, 1), "diag")
    if len(x._shape) == 2:
        return into(out, diagonal_p(x, k, 0, 1).clone(), "diag")
    raise ShapeError(f"diag: one or two dimensions are expected, got shape {tuple(x._shape)}; see diagonal, diag_embed")


@public(
    samples=lambda: [call(t(3)), call(t(2, 2), 1), call(t(), -1)], ref=lambda x, k=0: __import__("numpy").diagflat(x, k)
)
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The flattened input as the diagonal of a square matrix.

    >>> import retrograd as rg
    >>> rg.diagflat(rg.tensor([[1, 2]]))
    tensor([[1, 0],
            [0, 2]])
    """
    x = as_tensor_arg(input, "diagflat")
    return _embed(reshape_p(x, (x._data.size,)), as_int(offset, "diagflat", "offset"), 0, 1)


@public(
    samples=lambda: [
        call(t(3)), call(t(2, 3)), call(t(2, 3), 1), call(t(2, 3), offset=-1, dim1=0, dim2=2), call(t(2, 3), 1, 2, 0),
    ],
    errors=lambda: [
        raises(ShapeError, r"diag_embed: dim1 and dim2 are both dimension 0", t(2, 3), 0, 0, 0),
        raises(ShapeError, r"0-d", t()),
    ],
)  # fmt: skip
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last dimension on a diagonal of two new dimensions: (..., N) becomes (..., N + |offset|, N + |offset|).

    >>> import retrograd as rg
    >>> rg.diag_embed(rg.ones(2, 3)).shape
    retrograd.Size([2, 3, 3])
    """
    x = as_tensor_arg(input, "diag_embed")
    if not x._shape:
        raise ShapeError("diag_embed: a 0-d tensor has no dimension to embed; use diagflat")
    k = as_int(offset, "diag_embed", "offset")
    d1, d2 = two_dims(dim1, dim2, len(x._shape) + 1, "diag_embed")
    return _embed(x, k, d1, d2) if d1 < d2 else _embed(x, -k, d2, d1)


@public(
    samples=lambda: [
        call(t(3, 3)),
        call(t(2, 4)),
        call(t(0, 3)),
        call(t(3, 2, dtype="int32", low=0, high=9, grad=False)),
    ],
    errors=lambda: [raises(ShapeError, r"trace: a matrix is expected, got shape \(2, 2, 2\)", t(2, 2, 2))],
    ref=lambda x: __import__("numpy").trace(x),
)
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix; of integers as int64.

    >>> import retrograd as rg
    >>> rg.trace(rg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    x = as_tensor_arg(input, "trace")
    if len(x._shape) != 2:
        raise ShapeError(f"trace: a matrix is expected, got shape {tuple(x._shape)}")
    return sum_p(diagonal_p(x, 0, 0, 1), (0,), False)
