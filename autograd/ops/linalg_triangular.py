"""Triangular systems: solve_triangular and its older form triangular_solve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError
from ..op import nary, public
from ..samples import call, raises, t
from . import linalg_types as types
from .args import into, quiet
from .linalg_core import (
    adj,
    batch_shape,
    batched,
    each_matrix,
    into_all,
    low,
    matrices,
    mT,
    same_type,
    square,
    up,
)
from .matmul import matmul_p, shape_of
from .shape import sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["solve_triangular", "solve_with", "triangular_p", "triangular_solve"]


# ---------------------------------------------------------------- the primitive
@quiet
def _triangular(xp: Any, xs: Any, upper: bool, transposed: bool, unit: bool) -> Any:
    a, b = xs
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = xp.broadcast_to(a, (*batch, *a.shape[-2:]))
    b = xp.broadcast_to(b, (*batch, *b.shape[-2:]))
    if not b.size:
        return xp.zeros(b.shape, b.dtype)
    if xp is np:
        from scipy.linalg import get_blas_funcs

        trsm: Any = get_blas_funcs("trsm", (a, b))
        r = np.empty(b.shape, b.dtype)
        for m, v, w in each_matrix(a, b, r):
            w[...] = trsm(1.0, m, v, lower=not upper, trans_a=transposed, diag=unit)
        return r
    a = xp.triu(a) if upper else xp.tril(a)
    if unit:
        n = xp.eye(a.shape[-1], dtype=bool)
        a = xp.where(n, a.dtype.type(1), a)
    return xp.linalg.solve(a.swapaxes(-1, -2) if transposed else a, b)


def _triangle_of(g: Any, upper: bool, unit: bool) -> Any:
    return up(g, 1 if unit else 0) if upper else low(g, -1 if unit else 0)


def _triangular_vjp(g: Any, xs: Any, o: Any, needs: Any, upper: bool, transposed: bool, unit: bool) -> Any:
    a, b = xs
    gb = triangular_p((a, g), upper, not transposed, unit)
    ga = None
    if needs[0]:
        ga = matmul_p((o, gb), False, True) if transposed else matmul_p((gb, o), False, True)
        ga = sum_to(-_triangle_of(ga, upper, unit), shape_of(a))
    return ga, sum_to(gb, shape_of(b)) if needs[1] else None


def _triangular_jvp(ts: Any, xs: Any, o: Any, upper: bool, transposed: bool, unit: bool) -> Any:
    ta, tb = ts
    right = tb
    if ta is not None:
        moved = matmul_p((_triangle_of(ta, upper, unit), o), transposed, False)
        right = -moved if tb is None else tb - moved
    return triangular_p((xs[0], right), upper, transposed, unit)


triangular_p: Any = nary(
    "solve_triangular",
    _triangular,
    _triangular_vjp,
    saves=("0o", "0"),
    jvp=_triangular_jvp,
    doc="X in A X = B (or A^T X = B), reading one triangle of A; with `unit` its diagonal counts as ones.",
)


def solve_with(a: Any, b: Any, *, upper: bool, adjoint: bool = False, left: bool = True, unit: bool = False) -> Any:
    """X in op(A) X = B (left) or X op(A) = B for a triangular A, where op is the adjoint if `adjoint`."""
    if left:
        if not adjoint:
            return triangular_p((a, b), upper, False, unit)
        return triangular_p((adj(a), b), not upper, False, unit)
    if adjoint:  # X A^H = B  <=>  A X^H = B^H
        return adj(triangular_p((a, adj(b)), upper, False, unit))
    return mT(triangular_p((a, mT(b)), upper, True, unit))


# ---------------------------------------------------------------- public functions
def _check_triangular(A: Any, B: Any, left: bool, op: str, names: tuple[str, str] = ("A", "B")) -> tuple[Any, Any]:
    A, B = square(A, op, names[0]), matrices(B, op, names[1])
    same_type(op, (names[0], A), (names[1], B))
    if B._shape[-2 if left else -1] != A._shape[-1]:
        eq = "A X = B" if left else "X A = B"
        raise ShapeError(
            f"{op}: shapes {tuple(A._shape)} of {names[0]} and {tuple(B._shape)} of {names[1]} do not fit the equation {eq}"
        )
    batch = batch_shape(op, A._shape[:-2], B._shape[:-2])
    return A, batched(B, batch)


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3, 3, low=0.5), t(3, 2), upper=True),
        call(t(3, 3, low=0.5), t(3, 2), upper=False),
        call(t(2, 3, 3, low=0.5), t(3, 2), upper=False, unitriangular=True),
        call(t(3, 3, low=0.5), t(2, 2, 3), upper=True, left=False),
        call(t(3, 3, low=0.5), t(2, 3), upper=False, left=False, unitriangular=True),
        call(t(0, 0), t(0, 2), upper=True),
        call(t(2, 2, low=0.5), t(2, 0), upper=True),
    ],
    errors=lambda: [
        raises(RuntimeError, r"linalg\.solve_triangular: shapes \(2, 2\) of A and \(3, 2\)", t(2, 2), t(3, 2), upper=True),
        raises(RuntimeError, r"linalg\.solve_triangular: B must have at least 2", t(2, 2), t(2), upper=True),
        raises(TypeError, r"upper", t(2, 2), t(2, 2)),
    ],
)  # fmt: skip
def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False, out: Tensor | None = None
) -> Tensor:
    """X in A X = B, or with left=False in X A = B, for a triangular A, of which only one triangle is read.

    upper: which one. unitriangular: its diagonal counts as ones. A zero on the diagonal gives infinities, not an error.
    Shapes: `(*, N, N)` and `(*, N, K)` (`(*, K, N)` with left=False); batches broadcast.

    >>> import retrograd as rg
    >>> rg.linalg.solve_triangular(rg.tensor([[1.0, 1.0], [0.0, 2.0]]), rg.tensor([[2.0], [2.0]]), upper=True)
    tensor([[1.],
            [1.]])
    """
    op = "linalg.solve_triangular"
    A, B = _check_triangular(A, B, left, op)
    X = solve_with(A, B, upper=bool(upper), left=bool(left), unit=bool(unitriangular))
    return into(out, X, op)


@public(
    samples=lambda: [
        call(t(3, 2), t(3, 3, low=0.5)),
        call(t(3, 2), t(3, 3, low=0.5), upper=False, transpose=True),
        call(t(2, 3, 2), t(3, 3, low=0.5), unitriangular=True),
        call(t(3, 2), t(2, 3, 3, low=0.5), False),
    ],
    errors=lambda: [
        raises(RuntimeError, r"triangular_solve: b must have at least 2 dimensions", t(2), t(2, 2)),
        raises(RuntimeError, r"triangular_solve: A must be a square", t(2, 2), t(2, 3)),
    ],
)
def triangular_solve(
    input: Tensor,
    A: Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
    *,
    out: Any = None,
) -> types.triangular_solve:
    """X in A X = b, or A^T X = b, for a triangular A; the named tuple (solution, a copy of A).

    The older form of `linalg.solve_triangular`. Shapes: b `(*, N, K)`, A `(*, N, N)`; batches broadcast.

    >>> import retrograd as rg
    >>> rg.triangular_solve(rg.tensor([[2.0]]), rg.tensor([[4.0]])).solution
    tensor([[0.5000]])
    """
    op = "triangular_solve"
    A, b = _check_triangular(A, input, True, op, ("A", "b"))
    A = batched(A, b._shape[:-2])
    x = triangular_p((A, b), bool(upper), bool(transpose), bool(unitriangular))
    return into_all(out, types.triangular_solve(x, A.clone()), op)
