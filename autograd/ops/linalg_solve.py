"""Inverses and linear systems: inv, solve, and their tensor, checked and older forms.

Both primitives are holomorphic and closed under differentiation: the cotangent of the right side of A X = B is the
solution of the transposed system, that of A an outer product of both solutions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import nary, param, public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from . import linalg_types as types
from .args import into, quiet
from .linalg_core import (
    batch_shape,
    floating,
    info_tensor,
    into_all,
    mT,
    same_type,
    singular,
    square,
    unless_singular,
    zero_pivots,
)  # fmt: skip
from .matmul import matmul_p, shape_of
from .shape import reshape_p, sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "inv", "inv_ex", "inv_p", "inverse", "solve", "solve_ex", "solve_p", "tensorinv", "tensorsolve",
]  # fmt: skip

REGULAR = [[2.0, 0.5, -1.0], [0.25, -1.5, 0.75], [1.0, 0.5, 1.75]]
REGULARS = [REGULAR, [[1.0, 0.5, 0.25], [-0.5, 2.0, 0.5], [0.0, 1.0, -1.5]]]
SINGULARS = [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 4.0]]]


# ---------------------------------------------------------------- primitives
def _inv_vjp(g: Any, x: Any, o: Any, op: str) -> Any:
    return -matmul_p((matmul_p((o, g), True, False), o), False, True)


inv_p: Any = param(
    "inv",
    lambda xp, x, op: unless_singular(xp, op, xp.linalg.inv, x),
    _inv_vjp,
    saves="o",
    jvp=lambda ts, xs, o, op: -matmul_p((matmul_p((o, ts[0]), False, False), o), False, False),
    doc="The inverses; of a singular matrix NaN if op is '', else an error in the name of op.",
)


@quiet
def _solve(xp: Any, xs: Any, transposed: bool, op: str) -> Any:
    a, b = xs
    a = a.swapaxes(-1, -2) if transposed else a
    if a.ndim == 2 and b.ndim > 2 and a.size and b.size:  # one factorization for all right sides
        n, k = b.shape[-2:]
        flat = xp.moveaxis(b.reshape(-1, n, k), 0, 1).reshape(n, -1)
        r = unless_singular(xp, op, lambda a, b: xp.linalg.solve(a, b), a, flat)
        return xp.moveaxis(r.reshape(n, -1, k), 1, 0).reshape(b.shape)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    b = xp.broadcast_to(b, (*batch, *b.shape[-2:]))
    if not a.size or not b.size:
        return xp.zeros(b.shape, b.dtype)
    return unless_singular(xp, op, lambda a, b: xp.linalg.solve(a, b), xp.broadcast_to(a, (*batch, *a.shape[-2:])), b)


def _solve_vjp(g: Any, xs: Any, o: Any, needs: Any, transposed: bool, op: str) -> Any:
    a, b = xs
    gb = solve_p((a, g), not transposed, op)
    ga = None
    if needs[0]:
        ga = -(matmul_p((o, gb), False, True) if transposed else matmul_p((gb, o), False, True))
        ga = sum_to(ga, shape_of(a))
    return ga, sum_to(gb, shape_of(b)) if needs[1] else None


def _solve_jvp(ts: Any, xs: Any, o: Any, transposed: bool, op: str) -> Any:
    ta, tb = ts
    right = tb
    if ta is not None:
        moved = matmul_p((ta, o), transposed, False)
        right = -moved if tb is None else tb - moved
    return solve_p((xs[0], right), transposed, op)


solve_p: Any = nary(
    "solve",
    _solve,
    _solve_vjp,
    saves=("0o", "0"),
    jvp=_solve_jvp,
    doc="X in A X = B, or in A^T X = B; for singular A NaN if op is '', else an error in the name of op.",
)


# ---------------------------------------------------------------- inverses
def _inverse_errors(name: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{name}: A must be a square matrix or a batch of them, but they are 2 by 3", t(2, 3)),
        raises(RuntimeError, rf"{name}: A must have at least 2 dimensions", t(3)),
        raises(RuntimeError, rf"{name}: A is int64; .*A\.float\(\)", t(2, 2, dtype="int64", grad=False)),
    ]


def _inverse_samples() -> list[Any]:
    return [
        call(t(3, 3, values=REGULAR)),
        call(t(2, 3, 3, values=REGULARS)),
        call(t(2, 2, dtype="complex128", values=[[1 + 1j, 0.5], [2j, -1.5]])),
        call(t(0, 0)),
        call(t(0, 2, 2)),
        call(t(2, 0, 0)),
    ]


@public(
    where="linalg",
    method=False,
    samples=_inverse_samples,
    errors=lambda: [
        *_inverse_errors("linalg.inv")(),
        raises(np.linalg.LinAlgError, r"linalg\.inv: the matrix is singular \(pivot 2 is zero\)", t(2, 2, values=SINGULARS[1])),
        raises(RuntimeError, r"linalg\.inv: \(batch element 1\) the matrix is singular", t(2, 2, 2, values=SINGULARS)),
    ],
    ref=np.linalg.inv,
)  # fmt: skip
def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of a square matrix: A @ inv(A) = I.

    To solve a system, `linalg.solve` is faster and more accurate. Shapes: `(*, N, N)` to the same shape. Raises
    LinAlgError for a singular matrix, DtypeError for integers and half types.

    >>> import retrograd as rg
    >>> rg.linalg.inv(rg.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return into(out, inv_p(square(A, "linalg.inv"), "linalg.inv"), "linalg.inv")


@public(samples=lambda: [call(t(3, 3, values=REGULAR))], errors=_inverse_errors("inverse"), ref=np.linalg.inv)
def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverse of a square matrix, as `linalg.inv`.

    >>> import retrograd as rg
    >>> rg.inverse(rg.tensor([[2.0]]))
    tensor([[0.5000]])
    """
    return into(out, inv_p(square(input, "inverse"), "inverse"), "inverse")


@public(
    where="linalg",
    method=False,
    samples=lambda: [call(t(2, 3, 3, values=REGULARS)), call(t(3, 3, values=REGULAR), check_errors=True)],
    errors=_inverse_errors("linalg.inv_ex"),
)
@sample_by_sample
def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> types.linalg_inv_ex:
    """The inverse without an error for singular matrices: the named tuple (inverse, info).

    info (int32) has per matrix 0, or the number of the pivot that is zero; the inverse is NaN there. With
    `check_errors` a singular matrix raises LinAlgError. Shapes: `(*, N, N)` to `(*, N, N)` and `(*)`.

    >>> import retrograd as rg
    >>> rg.linalg.inv_ex(rg.zeros(2, 2)).info
    tensor(1, dtype=retrograd.int32)
    """
    op = "linalg.inv_ex"
    A = square(A, op)
    info = _report(A, op, check_errors)
    return into_all(out, types.linalg_inv_ex(inv_p(A, ""), info_tensor(A, info)), op)


def _report(A: Any, op: str, check_errors: bool) -> np.ndarray:
    from ..backend import xp_of

    info = zero_pivots(xp_of(A._data), A._data)
    if check_errors and info.any():
        raise singular(op, info)
    return info


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(2, 3, 6)),
        call(t(4, 2, 2, low=0.5), ind=1),
        call(t(3, 3, values=REGULAR), ind=1),
    ],
    errors=lambda: [
        raises(RuntimeError, r"linalg\.tensorinv: ind=0", t(3, 3), ind=0),
        raises(RuntimeError, r"linalg\.tensorinv: the first 1 dimensions .* have 2 elements, the others 3", t(2, 3), ind=1),
    ],
    ref=lambda A, ind=2: np.linalg.tensorinv(A, ind),
)  # fmt: skip
def tensorinv(A: Tensor, ind: int = 2, *, out: Tensor | None = None) -> Tensor:
    """The inverse of A as a map from its last dimensions to the first `ind`, with respect to tensordot.

    Shapes: `(*a, *b)` with `ind` dimensions a and as many elements in a as in b, to `(*b, *a)`.

    >>> import retrograd as rg
    >>> rg.linalg.tensorinv(rg.eye(6).reshape(6, 2, 3), ind=1).shape
    retrograd.Size([2, 3, 6])
    """
    op = "linalg.tensorinv"
    x = floating(A, op)
    if ind <= 0:
        raise ShapeError(f"{op}: ind={ind} is not possible; a number of leading dimensions of at least 1 is expected")
    first, last = tuple(x._shape[:ind]), tuple(x._shape[ind:])
    m, n = int(np.prod(first)), int(np.prod(last))
    if m != n:
        raise ShapeError(
            f"{op}: the first {ind} dimensions of shape {tuple(x._shape)} have {m} elements, the others {n}; "
            "they must have as many"
        )
    return into(out, reshape_p(inv_p(reshape_p(x, (m, n)), op), (*last, *first)), op)


# ---------------------------------------------------------------- systems
def _system(A: Any, B: Any, left: bool, op: str) -> tuple[Tensor, Tensor, bool]:
    """The checked operands, B as matrices, and whether it was given as vectors."""
    A, B = square(A, op), floating(B, op, "B")
    same_type(op, ("A", A), ("B", B))
    sa, sb = A._shape, B._shape
    vector = len(sb) == 1 or (len(sa) - 1 == len(sb) and sb == sa[:-1])
    if vector:
        B = reshape_p(B, (*sb, 1))
        left_b = sb
    else:
        left_b = sb[:-1] if left else (*sb[:-2], sb[-1])
    if not sb or left_b[-1] != sa[-1]:
        eq = "A X = B" if left else "X A = B"
        raise ShapeError(f"{op}: shapes {tuple(sa)} of A and {tuple(sb)} of B do not fit the equation {eq}")
    if vector and not left:
        raise ShapeError(
            f"{op}: left=False needs B as a matrix (..., K, N), but it is a vector; use A.mT with left=True"
        )
    batch_shape(op, sa[:-2], B._shape[:-2])
    return A, B, vector


def _solved(A: Any, B: Any, left: bool, op: str, named: str) -> Any:
    A, B, vector = _system(A, B, left, op)
    X = solve_p((A, B), False, named) if left else mT(solve_p((A, mT(B)), True, named))
    return reshape_p(X, X._shape[:-1]) if vector else X


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3, 3, values=REGULAR), t(3, 2)),
        call(t(3, 3, values=REGULAR), t(3)),
        call(t(2, 3, 3, values=REGULARS), t(2, 3)),
        call(t(2, 3, 3, values=REGULARS), t(3, 2)),
        call(t(3, 3, values=REGULAR), t(2, 3, 2)),
        call(t(3, 3, values=REGULAR), t(2, 3), left=False),
        call(t(0, 0), t(0, 2)),
        call(t(0, 2, 2), t(0, 2, 1)),
        call(t(2, 2, values=[[1.0, 2.0], [0.0, 1.0]]), t(2, 0)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"linalg\.solve: shapes \(2, 2\) of A and \(3, 2\) of B do not fit", t(2, 2), t(3, 2)),
        raises(RuntimeError, r"linalg\.solve: A is float32 but B is float64", t(2, 2), t(2, 2, dtype="float64")),
        raises(RuntimeError, r"linalg\.solve: .*singular", t(2, 2, values=SINGULARS[1]), t(2)),
        raises(RuntimeError, r"linalg\.solve: A must be a square", t(2, 3), t(2)),
        raises(RuntimeError, r"left=False needs B as a matrix", t(2, 2), t(2), left=False),
    ],
)
def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """X in A X = B, or with left=False in X A = B, for a square A.

    B is a batch of vectors if it has one dimension, or the shape of A without its last one; else of matrices. Shapes:
    `(*, N, N)` and `(*, N)` or `(*, N, K)` (`(*, K, N)` with left=False); batches broadcast. Raises LinAlgError for a
    singular A.

    >>> import retrograd as rg
    >>> rg.linalg.solve(rg.tensor([[2.0, 0.0], [0.0, 4.0]]), rg.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    return into(out, _solved(A, B, left, "linalg.solve", "linalg.solve"), "linalg.solve")


@public(
    where="linalg",
    method=False,
    samples=lambda: [call(t(2, 3, 3, values=REGULARS), t(3, 2)), call(t(3, 3, values=REGULAR), t(3), left=True)],
    errors=lambda: [raises(RuntimeError, r"linalg\.solve_ex: A must be a square", t(2, 3), t(2))],
)
@sample_by_sample
def solve_ex(
    A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: Any = None
) -> types.linalg_solve_ex:
    """`linalg.solve` without an error for singular matrices: the named tuple (result, info).

    info (int32) has per matrix of A 0, or the number of the pivot that is zero; the result is NaN there. With
    `check_errors` a singular matrix raises LinAlgError.

    >>> import retrograd as rg
    >>> rg.linalg.solve_ex(rg.zeros(2, 2), rg.ones(2)).info
    tensor(1, dtype=retrograd.int32)
    """
    op = "linalg.solve_ex"
    x = _solved(A, B, left, op, "")
    A = as_tensor_arg(A, op)
    return into_all(out, types.linalg_solve_ex(x, info_tensor(A, _report(A, op, check_errors))), op)


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(2, 3, 6), t(2, 3)),
        call(t(3, 2, 6), t(3, 2)),
        call(t(4, 2, 4, 2, low=0.5), t(4, 2)),
        call(t(2, 3, 3, 2), t(2, 3), dims=(0, 2)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"linalg\.tensorsolve: shapes \(2, 3\) of A and \(2,\) of B", t(2, 3), t(2)),
        raises(RuntimeError, r"linalg\.tensorsolve: A is float32 but B is float64", t(2, 2), t(2, dtype="float64")),
    ],
    ref=lambda A, B, dims=None: np.linalg.tensorsolve(A, B, dims),
)
def tensorsolve(A: Tensor, B: Tensor, dims: tuple[int, ...] | None = None, *, out: Tensor | None = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B; `dims` of A are moved to its end first.

    Shapes: A `(*b, *x)` with as many elements in b as in x, and B `(*b)`, to `(*x)`.

    >>> import retrograd as rg
    >>> rg.linalg.tensorsolve(rg.eye(6).reshape(2, 3, 6), rg.ones(2, 3)).shape
    retrograd.Size([6])
    """
    op = "linalg.tensorsolve"
    a, b = floating(A, op), floating(B, op, "B")
    same_type(op, ("A", a), ("B", b))
    if dims is not None:
        from .axes import movedim

        a = movedim(a, dims, tuple(range(len(a._shape) - len(dims), len(a._shape))))
    k = len(b._shape)
    rest = tuple(a._shape[k:])
    n = int(np.prod(rest))
    if int(np.prod(a._shape)) != n * n or b._data.size != n:
        raise ShapeError(
            f"{op}: shapes {tuple(a._shape)} of A and {tuple(b._shape)} of B do not fit: A must have as many elements "
            "in the dimensions of B as in its others"
        )
    x = solve_p((reshape_p(a, (n, n)), reshape_p(b, (n, 1))), False, op)
    return into(out, reshape_p(x, rest), op)
