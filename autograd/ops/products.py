"""Products of vectors and matrices beyond matmul: cross, kron, chain_matmul, and the Vandermonde matrix."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import of as backend_of
from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..dtypes import int64
from ..errors import ShapeError
from ..generic import cast
from ..op import public
from ..samples import call, raises, t
from .args import as_int, check_same_dtype, into, one_dim, pick
from .arith import mul
from .cumulative import cumprod_p
from .index import index_select_p
from .join import cat
from .linalg_products import multi_dot
from .matmul import misfit
from .parts import broadcast
from .shape import expand_p, getitem_p, reshape_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["chain_matmul", "cross", "kron", "vander"]


# ---------------------------------------------------------------- cross
def _along(x: Any, y: Any, d: int) -> Tensor:
    """The cross products along dimension d of two tensors of one shape, where d has size 3."""
    home = backend_of(x._data)
    after, before = (home.from_numpy(np.array(i), None) for i in ((1, 2, 0), (2, 0, 1)))
    return index_select_p(x, d, after) * index_select_p(y, d, before) - index_select_p(x, d, before) * index_select_p(
        y, d, after
    )


@public(
    samples=lambda: [
        call(t(3), t(3)),
        call(t(4, 3), t(4, 3), dim=1),
        call(t(3, 4), t(3, 4)),
        call(t(2, 3, 4), t(1, 3, 1), 1),
        call(t(4, 3), t(4, 3), -1),
        call(t(3, dtype="int64", low=-5, high=5), t(3, dtype="int64", low=-5, high=5)),
        call(t(0, 3), t(0, 3), dim=1),
    ],
    errors=lambda: [
        raises(RuntimeError, r"cross: .*\(2, 4\).* no dimension of size 3", t(2, 4), t(2, 4)),
        raises(RuntimeError, r"cross: dimension 0 .*2 and 2", t(2, 3), t(2, 3), dim=0),
        raises(RuntimeError, r"cross: .*\(3,\) and \(2, 3\)", t(3), t(2, 3)),
        raises(RuntimeError, r"cross: .*do not broadcast", t(2, 3), t(4, 3), dim=1),
        raises(RuntimeError, r"cross: input is int64 but other is float", t(3, dtype="int64"), t(3)),
        raises(IndexError, r"cross: dim 2", t(2, 3), t(2, 3), dim=2),
    ],
)
def cross(
    input: Tensor, other: Tensor, dim: int | None = None, *, out: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """The cross products x x y of vectors of three elements along `dim`; the other dimensions broadcast.

    Without `dim` the first dimension of size 3 is taken, as in PyTorch, even where the last one has that size as well
    (then a UserWarning says so): name it. Both have the same number of dimensions and the same dtype. Raises
    RuntimeError where `dim` has another size than 3, or no dimension has it.

    >>> import retrograd as rg
    >>> rg.cross(rg.tensor([1.0, 0.0, 0.0]), rg.tensor([0.0, 1.0, 0.0]), dim=0)
    tensor([0., 0., 1.])
    """
    op = "cross"
    x, y = as_tensor_arg(input, op), as_tensor_arg(other, op)
    check_same_dtype((x, y), op, ("input", "other"))
    sx, sy = tuple(x._shape), tuple(y._shape)
    if len(sx) != len(sy):
        raise ShapeError(f"{op}: input and other have the shapes {sx} and {sy}; as many dimensions are expected")
    dim = pick(dim, axis, op)
    if dim is None:
        d = next((i for i, n in enumerate(sx) if n == 3), -1)
        if d < 0:
            raise ShapeError(f"{op}: input of shape {sx} has no dimension of size 3")
        if d != len(sx) - 1 and sx[-1] == 3:
            warnings.warn(
                f"{op}: dim was not given; of shape {sx} dimension {d} is taken, the first of size 3, and not the last; "
                "pass dim explicitly",
                UserWarning,
                stacklevel=2,
            )
    else:
        d = one_dim(dim, len(sx), op)
    if not sx or sx[d] != 3 or sy[d] != 3:
        sizes = f"{sx[d]} and {sy[d]}" if sx else "none"
        raise ShapeError(f"{op}: dimension {d} of input and other has the sizes {sizes}; 3 and 3 are expected")
    if sx != sy:
        shape = broadcast(op, sx, sy)
        x, y = expand_p(x, shape), expand_p(y, shape)
    return into(out, _along(x, y, d), op)


# ---------------------------------------------------------------- kron
@public(
    samples=lambda: [
        call(t(2, 3), t(2, 2)),
        call(t(3), t(2)),
        call(t(2), t(2, 3)),
        call(t(2, 3, 2), t(2, 2)),
        call(t(), t(3)),
        call(t(2, 0), t(2, 2)),
        call(t(2, dtype="int64", low=-5, high=5), t(2)),
    ],
    errors=lambda: [raises(TypeError, r"kron: a Tensor is expected", t(2), 3.0)],
    ref=np.kron,
)
def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: every element of `input` times the whole of `other`, in blocks.

    result[i m + k, j n + l] = input[i, j] other[k, l] for other of shape (m, n); so in any number of dimensions, of
    which the shorter shape gets more of size 1 in front. Sizes multiply, dtypes are promoted.

    >>> import retrograd as rg
    >>> rg.kron(rg.eye(2), rg.tensor([[1.0, 2.0]]))
    tensor([[1., 2., 0., 0.],
            [0., 0., 1., 2.]])
    """
    x, y = as_tensor_arg(input, "kron"), as_tensor_arg(other, "kron")
    nd = max(len(x._shape), len(y._shape))
    sx = (1,) * (nd - len(x._shape)) + tuple(x._shape)
    sy = (1,) * (nd - len(y._shape)) + tuple(y._shape)
    left = reshape_p(x, tuple(n for s in sx for n in (s, 1)))
    right = reshape_p(y, tuple(n for s in sy for n in (1, s)))
    return into(out, reshape_p(mul(left, right), tuple(a * b for a, b in zip(sx, sy, strict=True))), "kron")


# ---------------------------------------------------------------- chains
@public(
    method=False,
    samples=lambda: [
        call(t(2, 3), t(3, 4), t(4, 2)),
        call(t(5, 2), t(2, 6), t(6, 1), t(1, 3)),
        call(t(2, 3), t(3, 2)),
        call(t(2, 3)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"chain_matmul: .* at least one matrix"),
        raises(RuntimeError, r"chain_matmul: matrix 0 has the shape \(3,\)", t(3), t(3, 2)),
        raises(RuntimeError, r"chain_matmul: .*3 columns .* 4 rows", t(2, 3), t(4, 2)),
    ],
)
def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of matrices (N0, N1), (N1, N2), ..., in the order that needs the fewest multiplications.

    Reference: Cormen, Leiserson, Rivest, Stein, Introduction to Algorithms, chapter 15.2.

    >>> import retrograd as rg
    >>> rg.chain_matmul(rg.ones(2, 3), rg.ones(3, 4), rg.ones(4, 1))
    tensor([[12.],
            [12.]])
    """
    op = "chain_matmul"
    if not matrices:
        raise ShapeError(f"{op}: nothing is given; at least one matrix is expected")
    xs = [as_tensor_arg(m, op) for m in matrices]
    check_same_dtype(xs, op, [f"matrix {i}" for i in range(len(xs))])
    for i, x in enumerate(xs):
        if len(x._shape) != 2:
            raise ShapeError(f"{op}: matrix {i} has the shape {tuple(x._shape)}; 2 dimensions are expected")
        if i and xs[i - 1]._shape[1] != x._shape[0]:
            raise misfit(op, xs[i - 1]._shape, x._shape, (f"matrix {i - 1}", f"matrix {i}"))
    return into(out, multi_dot(xs) if len(xs) > 1 else xs[0], op)


# ---------------------------------------------------------------- vander
@public(
    method=False,
    samples=lambda: [
        call(t(4), torch=False),  # PyTorch's backward fails: it overwrites what it needs
        call(t(3), 5, torch=False),
        call(t(4, grad=False)),
        call(t(3, grad=False), N=4, increasing=True),
        call(t(3), 1),
        call(t(3), 0),
        call(t(0)),
        call(t(3, dtype="int64", low=-3, high=4), 3),
        call(t(1, dtype="uint8", values=[2]), 9),
        call(t(2, dtype="bool", values=[True, False])),
        call(t(2, dtype="complex128", grad=False), 3),
    ],
    errors=lambda: [
        raises(RuntimeError, r"vander: x has the shape \(2, 2\)", t(2, 2)),
        raises(RuntimeError, r"vander: N is -1", t(2), -1),
    ],
)
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The Vandermonde matrix: the powers x^(N - 1), ..., x, 1 of each element in a row, or 1, x, ... if increasing.

    x: (L,). The result is (L, N), square by default; bools and integers become int64. Raises RuntimeError for other
    shapes and a negative N.

    >>> import retrograd as rg
    >>> rg.vander(rg.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    op = "vander"
    v = as_tensor_arg(x, op)
    if len(v._shape) != 1:
        raise ShapeError(f"{op}: x has the shape {tuple(v._shape)}; a 1-d tensor is expected")
    rows = v._shape[0]
    n = rows if N is None else as_int(N, op, "N")
    if n < 0:
        raise ShapeError(f"{op}: N is {n}; the number of columns must be >= 0")
    v = cast(v, int64) if v._dtype.kind in "biu" else v
    xp = xp_of(v._data)
    columns = [wrap(xp.ones((rows, min(n, 1)), v._dtype.np))]
    if n > 1:
        columns.append(cumprod_p(expand_p(reshape_p(v, (rows, 1)), (rows, n - 1)), 1, False))
    r = cat(columns, 1) if n > 1 else columns[0]
    return r if increasing or n < 2 else getitem_p(r, (slice(None), slice(None, None, -1)))
