"""Norms under names of their own: nuclear_norm, frobenius_norm, norm_except_dim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import public
from ..samples import call, raises, t
from .args import as_int, into, one_dim
from .norms import norm
from .reduce import Dim

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["frobenius_norm", "norm_except_dim", "nuclear_norm"]


@public(
    method=False,
    samples=lambda: [
        call(t(3, 4)),
        call(t(3, 4), True),
        call(t(2, 3, 4)),
        call(t(2, 3, 4), (0, 2)),
        call(t(2, 3, 4), dim=(0, -1), keepdim=True),
    ],
    errors=lambda: [
        raises(RuntimeError, r"nuclear_norm: .*2 dimensions", t(3)),
        raises(RuntimeError, r"nuclear_norm: dim=\(0,\)", t(2, 3), (0,)),
    ],
)
def nuclear_norm(input: Tensor, dim: Any = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The sum of the singular values of matrices, in the last two dimensions or in `dim`: `norm(input, "nuc", dim)`.

    Deprecated in PyTorch in favour of `linalg.matrix_norm(input, "nuc")`. Also callable as
    `nuclear_norm(input, keepdim)`. Shapes: `(*, N, M)` to `(*)`. Raises RuntimeError for fewer dimensions.

    >>> import retrograd as rg
    >>> rg.nuclear_norm(rg.tensor([[3.0, 0.0], [0.0, -4.0]]))
    tensor(7.)
    """
    op = "nuclear_norm"
    x = as_tensor_arg(input, op)
    if isinstance(dim, bool):
        dim, keepdim = None, dim
    if len(x._shape) < 2:
        raise ShapeError(f"{op}: input has the shape {tuple(x._shape)}; matrices, 2 dimensions or more, are expected")
    where = (-2, -1) if dim is None else tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    if len(where) != 2:
        raise ShapeError(f"{op}: dim={where} does not name matrices; two dimensions are expected")
    return norm(x, "nuc", where, keepdim, out)


@public(
    method=False,
    samples=lambda: [
        call(t(2, 3, 4), (0, 2)),
        call(t(3, 4), dim=0, keepdim=True),
        call(t(3, 4), []),
        call(t(3, 4, dtype="complex128"), (0, 1)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"frobenius_norm: dim=\(0, 1, 2\)", t(2, 3, 4), (0, 1, 2)),
        raises(RuntimeError, r"norm: input is int64", t(3, dtype="int64"), 0),
    ],
)
def frobenius_norm(input: Tensor, dim: Dim, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The root of the sum of squares over one or two dimensions; over all of them for an empty `dim`.

    Deprecated in PyTorch in favour of `linalg.vector_norm`. Shapes: `(*, N, M)` with dim=(-2, -1) to `(*)`. Raises
    RuntimeError for more dimensions.

    >>> import retrograd as rg
    >>> rg.frobenius_norm(rg.tensor([[3.0, 0.0], [0.0, 4.0]]), dim=(0, 1))
    tensor(5.)
    """
    where = tuple(dim) if isinstance(dim, (tuple, list)) else dim
    if isinstance(where, tuple) and len(where) > 2:
        raise ShapeError(f"frobenius_norm: dim={where} names {len(where)} dimensions; two at most are expected")
    return norm(input, 2.0, where or (None if where == () else where), keepdim, out)


@public(
    method=False,
    samples=lambda: [
        call(t(2, 3, 4)),
        call(t(2, 3, 4), 2, 1),
        call(t(2, 3, 4), pow=1, dim=2),
        call(t(2, 3, 4), 2, -1),
        call(t(3), 3, 0),
    ],
    errors=lambda: [raises(IndexError, r"norm_except_dim: dim 3", t(2, 3), 2, 3)],
    ref=lambda v, pow=2, dim=0: (
        (np.abs(v) ** pow).sum(tuple(i for i in range(v.ndim) if i != dim), keepdims=dim != -1) ** (1 / pow)
    ),
)
def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm of each slice along `dim`, in a shape that broadcasts with v; dim=-1 is the norm of all, 0-d.

    This is what `weight_norm` divides by. Shapes: `(N, C, H, W)` with dim=1 to `(1, C, 1, 1)`.

    >>> import retrograd as rg
    >>> rg.norm_except_dim(rg.tensor([[3.0, 4.0], [0.0, 2.0]]))
    tensor([[5.],
            [2.]])
    """
    op = "norm_except_dim"
    x = as_tensor_arg(v, op)
    p = as_int(pow, op, "pow")
    if as_int(dim, op, "dim") == -1:
        return norm(x, p)
    nd = len(x._shape)
    d = one_dim(dim, nd, op)
    if nd < 2:  # nothing is summed
        return norm(x.reshape(-1, 1), p, 1)
    return into(None, norm(x, p, tuple(i for i in range(nd) if i != d), True), op)
