"""Cholesky factors, and what is solved and inverted with them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import of
from ..errors import ShapeError
from ..generic import stopped
from ..op import nary, param, public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from . import linalg_types as types
from .args import into, quiet
from .linalg_core import (
    LinAlgError,
    adj,
    batch_shape,
    batched,
    each_matrix,
    eye,
    failing,
    flat_batch,
    info_tensor,
    into_all,
    lapack,
    low,
    matrices,
    mm,
    same_type,
    square,
)
from .linalg_triangular import solve_with
from .matmul import shape_of
from .shape import sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["cholesky", "cholesky_ex", "cholesky_inverse", "cholesky_p", "cholesky_solve", "cholesky_solve_p"]


# ---------------------------------------------------------------- the factorization
def _orders(a: Any) -> np.ndarray:
    """Per matrix 0, or the order of the first leading minor that is not positive-definite: int32 on the host."""
    host = of(a).to_numpy(a)
    if not host.size:
        return np.zeros(host.shape[:-2], np.int32)
    (potrf,) = lapack(["potrf"], host)
    return np.array([potrf(m, lower=True)[1] for m in flat_batch(host)], np.int32).reshape(host.shape[:-2])


def not_definite(op: str, info: np.ndarray) -> LinAlgError:
    place, k = failing(info)
    return LinAlgError(
        f"{op}: {place}the matrix is not positive-definite (its leading minor of order {k} is not); "
        "linalg.ldl_factor and linalg.eigh take such matrices"
    )


def _potrf(xp: Any, a: Any) -> Any:
    """What LAPACK gives, also of matrices that are not positive-definite."""
    host = of(a).to_numpy(a)
    (potrf,) = lapack(["potrf"], host)
    r = np.empty(host.shape, host.dtype)
    for m, w in each_matrix(host, r):
        w[...] = np.tril(potrf(m, lower=True, clean=True)[0])
    return xp.asarray(r)


@quiet
def _cholesky(xp: Any, x: Any, upper: bool, op: str) -> Any:
    a = xp.conj(x.swapaxes(-1, -2)) if upper else x  # of a Hermitian matrix only this triangle is read
    r: Any = None
    with contextlib.suppress(np.linalg.LinAlgError):
        r = xp.linalg.cholesky(a)
    if r is None or (xp is not np and not bool(xp.isfinite(r).all())):  # CuPy gives NaN where NumPy raises
        info = _orders(a)
        if op and info.any():
            raise not_definite(op, info) from None
        r = _potrf(xp, a)
    return xp.conj(r.swapaxes(-1, -2)) if upper else r


def _half(o: Any, m: Any) -> Any:
    """L^-H m L^-1 for a lower triangular L."""
    return solve_with(o, solve_with(o, m, upper=False, adjoint=True), upper=False, left=False)


def _cholesky_vjp(g: Any, x: Any, o: Any, upper: bool, op: str) -> Any:
    if upper:
        g, o = adj(g), adj(o)
    p = low(mm(adj(o), g))
    return _half(o, (p + adj(low(p, -1))) * 0.5)


def _cholesky_jvp(ts: Any, xs: Any, o: Any, upper: bool, op: str) -> Any:
    (t_,) = ts
    if upper:
        o = adj(o)
    m = solve_with(o, solve_with(o, t_, upper=False), upper=False, adjoint=True, left=False)
    r = mm(o, (low(m) + low(adj(m), -1)) * 0.5)
    return adj(r) if upper else r


cholesky_p: Any = param(
    "cholesky",
    _cholesky,
    _cholesky_vjp,
    saves="o",
    jvp=_cholesky_jvp,
    holomorphic=False,
    doc="The lower (upper) Cholesky factors; for others LAPACK's partial result if op is '', else an error.",
)

DEFINITE = [[4.0, 1.0, 0.5], [1.0, 3.0, -0.25], [0.5, -0.25, 2.0]]
DEFINITES = [DEFINITE, [[1.0, 0.5, 0.0], [0.5, 2.0, 0.25], [0.0, 0.25, 1.5]]]
INDEFINITE = [[1.0, 2.0], [2.0, 1.0]]
HERMITIAN = [[3.0, 1 + 1j], [1 - 1j, 2.0]]


def _errors(op: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{op}: A must be a square matrix", t(2, 3)),
        raises(RuntimeError, rf"{op}: A must have at least 2 dimensions", t(3)),
        raises(RuntimeError, rf"{op}: A is int64", t(2, 2, dtype="int64", grad=False)),
    ]


def _samples() -> list[Any]:
    return [
        call(t(3, 3, values=DEFINITE, grad=False)),
        call(t(2, 3, 3, values=DEFINITES, grad=False), upper=True),
        call(t(2, 2, dtype="complex128", values=HERMITIAN, grad=False)),
        call(t(0, 0)),
        call(t(0, 2, 2)),
    ]


def _ref(A: Any, upper: bool = False) -> Any:
    r = np.linalg.cholesky(A)
    return np.conj(np.swapaxes(r, -1, -2)) if upper else r


@public(
    where="linalg",
    method=False,
    samples=_samples,
    errors=lambda: [
        *_errors(r"linalg\.cholesky")(),
        raises(RuntimeError, r"not positive-definite \(its leading minor of order 2 is not\)", t(2, 2, values=INDEFINITE)),
        raises(np.linalg.LinAlgError, r"linalg\.cholesky: \(batch element 1\)", t(2, 1, 1, values=[[[1.0]], [[-1.0]]])),
    ],
    ref=_ref,
)  # fmt: skip
def cholesky(A: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """The lower triangular L with A = L L^H (with `upper` U with A = U^H U) of a positive-definite Hermitian matrix.

    Only one triangle of A is read; the gradient is Hermitian. Shapes: `(*, N, N)` to the same shape. Raises
    LinAlgError with the order of the first leading minor that is not positive-definite.

    >>> import retrograd as rg
    >>> rg.linalg.cholesky(rg.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    op = "linalg.cholesky"
    return into(out, cholesky_p(square(A, op), bool(upper), op), op)


@public(name="cholesky", samples=_samples, errors=_errors("cholesky"), ref=_ref)
def root_cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The Cholesky factor of a positive-definite Hermitian matrix, as `linalg.cholesky`.

    >>> import retrograd as rg
    >>> rg.cholesky(rg.tensor([[4.0]]))
    tensor([[2.]])
    """
    return into(out, cholesky_p(square(input, "cholesky"), bool(upper), "cholesky"), "cholesky")


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(2, 3, 3, values=DEFINITES, grad=False)),
        call(t(3, 3, values=DEFINITE, grad=False), upper=True, check_errors=True),
    ],
    errors=lambda: [
        *_errors(r"linalg\.cholesky_ex")(),
        raises(RuntimeError, r"order 1", t(1, 1, values=[[-1.0]]), check_errors=True),
    ],
)
@sample_by_sample
def cholesky_ex(
    A: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None
) -> types.linalg_cholesky_ex:
    """The Cholesky factor without an error for matrices that have none: the named tuple (L, info).

    info (int32) has per matrix 0, or the order of the leading minor that is not positive-definite; L is then what was
    computed until there. With `check_errors` it raises LinAlgError. Shapes: `(*, N, N)` to `(*, N, N)` and `(*)`.

    >>> import retrograd as rg
    >>> rg.linalg.cholesky_ex(-rg.eye(2)).info
    tensor(1, dtype=retrograd.int32)
    """
    op = "linalg.cholesky_ex"
    A = square(A, op)
    plain = stopped(A._data)
    info = _orders(plain.swapaxes(-1, -2).conj() if upper else plain)
    if check_errors and info.any():
        raise not_definite(op, info)
    return into_all(out, types.linalg_cholesky_ex(cholesky_p(A, bool(upper), ""), info_tensor(A, info)), op)


# ---------------------------------------------------------------- with a factor at hand
def _with_factor(xp: Any, xs: Any, upper: bool) -> Any:
    f, b = xs
    y = solve_with(f, b, upper=upper, adjoint=upper)
    return solve_with(f, y, upper=upper, adjoint=not upper)


def _with_factor_vjp(g: Any, xs: Any, o: Any, needs: Any, upper: bool) -> Any:
    f, b = xs
    gb = cholesky_solve_p((f, g), upper)
    gf = None
    if needs[0]:  # of the product f f^H as a whole, as in PyTorch: the other triangle is not masked
        m = mm(gb, adj(o))
        m = m + adj(m)
        gf = sum_to(-(mm(f, m) if upper else mm(m, f)), shape_of(f))
    return gf, sum_to(gb, shape_of(b)) if needs[1] else None


cholesky_solve_p: Any = nary(
    "cholesky_solve", _with_factor, _with_factor_vjp, saves=("0o", "0"), holomorphic=False,
    doc="X in L L^H X = B (upper: U^H U X = B), of which factor one triangle is read.",
)  # fmt: skip


@public(
    samples=lambda: [
        call(t(3, 2), t(3, 3, low=0.5, grad=False)),
        call(t(3, 2), t(3, 3, low=0.5, grad=False), upper=True),
        call(t(2, 3, 1), t(3, 3, low=0.5, grad=False)),
        call(t(0, 2), t(0, 0)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"cholesky_solve: B must have at least 2 dimensions", t(2), t(2, 2)),
        raises(RuntimeError, r"cholesky_solve: shapes \(3, 1\) of B and \(2, 2\) of L", t(3, 1), t(2, 2)),
        raises(RuntimeError, r"cholesky_solve: L must be a square", t(2, 1), t(2, 3)),
    ],
)
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """X in A X = B, given the Cholesky factor L of A (with `upper` the factor U in A = U^H U).

    Only one triangle of L is read; its gradient is that of A = L L^H, not masked, as in PyTorch. Shapes: B
    `(*, N, K)`, L `(*, N, N)`; batches broadcast.

    >>> import retrograd as rg
    >>> rg.cholesky_solve(rg.tensor([[4.0]]), rg.tensor([[2.0]]))
    tensor([[1.]])
    """
    op = "cholesky_solve"
    B, L = matrices(B, op, "B"), square(L, op, "L")
    same_type(op, ("B", B), ("L", L))
    if B._shape[-2] != L._shape[-1]:
        raise ShapeError(
            f"{op}: shapes {tuple(B._shape)} of B and {tuple(L._shape)} of L do not fit; they must have as many rows"
        )
    batch_shape(op, B._shape[:-2], L._shape[:-2])
    return into(out, cholesky_solve_p((L, B), bool(upper)), op)


@public(
    samples=lambda: [
        call(t(3, 3, low=0.5, grad=False)),
        call(t(2, 3, 3, low=0.5, grad=False), upper=True),
        call(t(0, 0)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"cholesky_inverse: L must be a square", t(2, 3)),
        raises(RuntimeError, r"cholesky_inverse: L must have at least 2", t(3)),
    ],
)
def cholesky_inverse(L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The inverse of A, given its Cholesky factor L (with `upper` the factor U in A = U^H U).

    Only one triangle of L is read; its gradient is that of A = L L^H, not masked, as in PyTorch. Shapes: `(*, N, N)`
    to the same shape.

    >>> import retrograd as rg
    >>> rg.cholesky_inverse(rg.tensor([[2.0]]))
    tensor([[0.2500]])
    """
    op = "cholesky_inverse"
    L = square(L, op, "L")
    n = L._shape[-1]
    return into(out, cholesky_solve_p((L, batched(eye(L, n), L._shape[:-2])), bool(upper)), op)
