"""QR decompositions and Householder reflectors: qr, geqrf, householder_product (orgqr), ormqr.

Products of reflectors are computed in the compact form I - V T V^H, which is made of matrix products and one triangular
system, and so is differentiable to any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import GraphError, ShapeError
from ..op import nary, public
from ..samples import call, raises, t
from . import linalg_types as types
from .args import into, quiet
from .linalg_core import (
    adj,
    as_type,
    batched,
    cols,
    column,
    diagonals,
    each_matrix,
    embed,
    eye,
    floating,
    into_all,
    low,
    matrices,
    mm,
    off_diagonal,
    plus_eye_p,
    real,
    rows,
    same_type,
    up,
)
from .linalg_lu import _join as join
from .linalg_triangular import solve_with

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["geqrf", "geqrf_p", "householder_product", "orgqr", "ormqr", "qr", "qr_p"]


# ---------------------------------------------------------------- the decomposition
@quiet
def _qr(xp: Any, xs: Any, mode: str) -> Any:
    (x,) = xs
    m, n = x.shape[-2:]
    if not x.size:
        k = m if mode == "complete" else min(m, n)
        q = xp.broadcast_to(xp.eye(m, k, dtype=x.dtype), (*x.shape[:-2], m, k)).copy()
        return q, xp.zeros((*x.shape[:-2], k, n), x.dtype)
    q, r = xp.linalg.qr(x, mode)
    return q, r


def _square_vjp(gq: Any, gr: Any, q: Any, r: Any) -> Any:
    """The cotangent of A = Q R with as many or more rows than columns."""
    m = None
    if gr is not None:
        m = mm(gr, adj(r))
    if gq is not None:
        inner = mm(adj(q), gq)
        m = -inner if m is None else m - inner
    m = up(m)
    d = as_type(real(diagonals(m)), m)
    m = off_diagonal(m)
    v = mm(q, m + adj(m) + embed(d))
    if gq is not None:
        v = v + gq
    return solve_with(r, v, upper=True, adjoint=True, left=False)


def _qr_vjp(g: Any, xs: Any, o: Any, needs: Any, mode: str) -> Any:
    gq, gr = g
    q, r = o
    m, n = q.shape[-2], r.shape[-1]
    if mode == "complete" and m > n:
        raise GraphError(
            "linalg.qr: mode='complete' of a matrix with more rows than columns has no gradient, because the last columns "
            "of Q are arbitrary; use mode='reduced'"
        )
    if gq is None and gr is None:
        return (None,)
    if m >= n:
        return (_square_vjp(gq, gr, q, r),)
    # A = [X | Y] with X = Q R1 square and R = [R1 | Q^H Y]
    g1 = None if gr is None else cols(gr, 0, m)
    if gr is None:
        v = _square_vjp(gq, None, q, cols(r, 0, m))
        return (join(v, cols(r, m, None) * 0, -1),)
    g2 = cols(gr, m, None)
    y = mm(q, cols(r, m, None))
    gq = mm(y, adj(g2)) if gq is None else gq + mm(y, adj(g2))
    return (join(_square_vjp(gq, g1, q, cols(r, 0, m)), mm(q, g2), -1),)


qr_p: Any = nary(
    "qr", _qr, _qr_vjp, saves=("o",), outputs=2, holomorphic=False,
    doc="Q and R of the matrices in the last two dimensions; mode: 'reduced' or 'complete'.",
)  # fmt: skip


@quiet
def _only_r(xp: Any, xs: Any) -> Any:
    (x,) = xs
    m, n = x.shape[-2:]
    return xp.linalg.qr(x, "r") if x.size else xp.zeros((*x.shape[:-2], min(m, n), n), x.dtype)


def _no_q(g: Any, xs: Any, o: Any, needs: Any) -> Any:
    raise GraphError("linalg.qr: mode='r' has no gradient, which needs Q; use mode='reduced'")


qr_r_p: Any = nary("qr_r", _only_r, _no_q, holomorphic=False)


def _errors(op: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{op}: A must have at least 2 dimensions", t(3)),
        raises(RuntimeError, rf"{op}: A is int64", t(2, 2, dtype="int64", grad=False)),
    ]


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3, 3)),
        call(t(4, 2)),
        call(t(2, 2, 4)),
        call(t(3, 2, 2), "complete"),
        call(t(4, 2, grad=False), mode="r"),
        call(t(3, 3, dtype="complex128")),
        call(t(0, 2)),
        call(t(2, 0)),
        call(t(0, 2, 2)),
    ],
    errors=lambda: [
        *_errors(r"linalg\.qr")(),
        raises(RuntimeError, r"linalg\.qr: mode='full' is not known", t(2, 2), mode="full"),
    ],
)
def qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> types.linalg_qr:
    """A = Q R with orthonormal columns in Q and an upper triangular R: the named tuple (Q, R).

    mode: "reduced" has k = min(M, N) columns in Q; "complete" M; "r" gives R alone, and an empty Q. Shapes: `(*, M, N)`
    to `(*, M, k)` and `(*, k, N)`. The gradient exists where the first k columns of A are independent, not for "r", nor
    for "complete" with M > N (GraphError).

    >>> import retrograd as rg
    >>> rg.linalg.qr(rg.tensor([[0.0, 2.0], [3.0, 0.0]])).R.abs()
    tensor([[3., 0.],
            [0., 2.]])
    """
    op = "linalg.qr"
    A = matrices(A, op)
    if mode == "r":
        r = qr_r_p((A,))
        return into_all(out, types.linalg_qr(A.detach().new_empty((0,)), r), op)
    if mode not in ("reduced", "complete"):
        raise ShapeError(f"{op}: mode={mode!r} is not known; give 'reduced', 'complete' or 'r'")
    return into_all(out, types.linalg_qr(*qr_p((A,), mode)), op)


@public(name="qr", samples=lambda: [call(t(4, 2)), call(t(2, 3), some=False)], errors=_errors("qr"))
def root_qr(input: Tensor, some: bool = True, *, out: Any = None) -> types.qr:
    """The QR decomposition, as `linalg.qr`: reduced if `some`, else complete.

    >>> import retrograd as rg
    >>> rg.qr(rg.ones(3, 2)).Q.shape
    retrograd.Size([3, 2])
    """
    return into_all(out, types.qr(*qr_p((matrices(input, "qr"),), "reduced" if some else "complete")), "qr")


# ---------------------------------------------------------------- reflectors
@quiet
def _geqrf(xp: Any, xs: Any) -> Any:
    (x,) = xs
    a = xp.zeros(x.shape, x.dtype)
    tau = xp.zeros((*x.shape[:-2], min(x.shape[-2:])), x.dtype)
    if x.size:
        flat = tau.reshape(-1, tau.shape[-1])
        for i, (m, w) in enumerate(each_matrix(x, a)):
            h, s = xp.linalg.qr(m, "raw")
            w[...] = h.swapaxes(-1, -2)
            flat[i] = s
    return a, tau


def _no_geqrf(g: Any, xs: Any, o: Any, needs: Any) -> Any:
    raise GraphError("geqrf: has no gradient; use linalg.qr, which has one")


geqrf_p: Any = nary("geqrf", _geqrf, _no_geqrf, outputs=2, holomorphic=False)


@public(
    samples=lambda: [
        call(t(3, 3, grad=False)), call(t(4, 2, grad=False)), call(t(2, 2, 4, grad=False)), call(t(0, 2, grad=False)),
        call(t(3, 2, dtype="complex128", grad=False)),
    ],
    errors=_errors("geqrf"),
)  # fmt: skip
def geqrf(input: Tensor, *, out: Any = None) -> types.geqrf:
    """The QR decomposition as LAPACK stores it: the named tuple (a, tau).

    a has R in its upper triangle and below it the reflectors' vectors v (their leading 1 left out); Q is the product of
    I - tau v v^H. No gradient; see `linalg.qr`. Shapes: `(*, M, N)` to `(*, M, N)` and `(*, min(M, N))`.

    >>> import retrograd as rg
    >>> rg.geqrf(rg.ones(3, 2)).tau.shape
    retrograd.Size([2])
    """
    return into_all(out, types.geqrf(*geqrf_p((matrices(input, "geqrf"),))), "geqrf")


def _reflectors(a: Any, tau: Any) -> tuple[Any, Any]:
    """V and T with the product of all reflectors = I - V T V^H, where T = (I + D striu(V^H V))^-1 D, D = diag(tau)."""
    k = tau._shape[-1]
    v = plus_eye_p(low(cols(a, 0, k), -1))
    d = column(tau)
    s = up(mm(adj(v), v), 1) * d
    return v, solve_with(s, embed(tau), upper=True, unit=True)


def _check_reflectors(A: Any, tau: Any, op: str, name: str = "A") -> tuple[Any, Any]:
    A, tau = matrices(A, op, name), floating(tau, op, "tau")
    same_type(op, (name, A), ("tau", tau))
    m, n = A._shape[-2:]
    if m < n:
        raise ShapeError(f"{op}: {name} must have at least as many rows as columns, got shape {tuple(A._shape)}")
    if len(tau._shape) != len(A._shape) - 1 or tau._shape[:-1] != A._shape[:-2]:
        raise ShapeError(
            f"{op}: tau has shape {tuple(tau._shape)}; {tuple(A._shape[:-2])} and one number per reflector are expected "
            f"for {name} of shape {tuple(A._shape)}"
        )
    if tau._shape[-1] > n:
        raise ShapeError(f"{op}: tau has {tau._shape[-1]} reflectors, but {name} only {n} columns")
    return A, tau


def _householder_errors(op: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{op}: tau has 3 reflectors", t(3, 2), t(3)),
        raises(RuntimeError, rf"{op}: A must have at least as many rows as columns", t(2, 3), t(2)),
        raises(RuntimeError, rf"{op}: tau has shape \(2, 2\)", t(3, 2), t(2, 2)),
        raises(RuntimeError, rf"{op}: A is float32 but tau is float64", t(3, 2), t(2, dtype="float64")),
    ]


def _householder(A: Any, tau: Any, op: str) -> Any:
    A, tau = _check_reflectors(A, tau, op)
    m, n = A._shape[-2:]
    v, T = _reflectors(A, tau)
    return batched(eye(A, m, n), A._shape[:-2]) - mm(v, T, adj(rows(v, 0, n)))


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3, 3), t(3)),
        call(t(4, 3), t(2)),
        call(t(2, 3, 2), t(2, 2)),
        call(t(3, 2, dtype="complex128"), t(2, dtype="complex128")),
        call(t(3, 2), t(0)),
        call(t(0, 0), t(0)),
    ],
    errors=_householder_errors(r"linalg\.householder_product"),
)
def householder_product(A: Tensor, tau: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The first N columns of the product of reflectors I - tau_i v_i v_i^H, whose v_i are the columns of A.

    Of column i the part below the diagonal is read; the diagonal counts as 1, what is above it as 0. A and tau are what
    `geqrf` gives; the product is then Q. Shapes: `(*, M, N)` with M >= N and `(*, k)` with k <= N, to `(*, M, N)`.

    >>> import retrograd as rg
    >>> rg.linalg.householder_product(rg.tensor([[0.0], [1.0]]), rg.tensor([1.0]))
    tensor([[ 0.],
            [-1.]])
    """
    op = "linalg.householder_product"
    return into(out, _householder(A, tau, op), op)


@public(samples=lambda: [call(t(3, 2), t(2))], errors=_householder_errors("orgqr"))
def orgqr(input: Tensor, input2: Tensor) -> Tensor:
    """The product of Householder reflectors; another name of `linalg.householder_product`.

    >>> import retrograd as rg
    >>> rg.orgqr(rg.tensor([[0.0], [1.0]]), rg.tensor([1.0]))
    tensor([[ 0.],
            [-1.]])
    """
    return _householder(input, input2, "orgqr")


@public(
    samples=lambda: [
        call(t(3, 2), t(2), t(3, 4)),
        call(t(3, 2), t(2), t(4, 3), left=False),
        call(t(2, 3, 2), t(2, 2), t(2, 3, 1), transpose=True),
        call(t(3, 3), t(3), t(2, 3), False, True),
    ],
    errors=lambda: [
        raises(RuntimeError, r"ormqr: other has 2 rows, the reflectors 3", t(3, 2), t(2), t(2, 3)),
        raises(RuntimeError, r"ormqr: other has 2 columns", t(3, 2), t(2), t(3, 2), left=False),
        raises(RuntimeError, r"ormqr: tau has 3 reflectors", t(3, 2), t(3), t(3, 2)),
    ],
)
def ormqr(
    input: Tensor,
    tau: Tensor,
    other: Tensor,
    left: bool = True,
    transpose: bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The product of `other` with the full (M, M) matrix Q of Householder reflectors: Q @ other, or other @ Q.

    left: on which side Q stands. transpose: Q^H instead of Q. Shapes: `(*, M, k)`, `(*, k)` and `(*, M, N)`
    (`(*, N, M)` with left=False).

    >>> import retrograd as rg
    >>> rg.ormqr(rg.tensor([[0.0], [1.0]]), rg.tensor([1.0]), rg.tensor([[1.0], [2.0]]))
    tensor([[-2.],
            [-1.]])
    """
    op = "ormqr"
    A, tau = matrices(input, op, "input"), floating(tau, op, "tau")
    other = matrices(other, op, "other")
    same_type(op, ("input", A), ("tau", tau), ("other", other))
    if tau._shape[-1:] and tau._shape[-1] > A._shape[-1]:
        raise ShapeError(f"{op}: tau has {tau._shape[-1]} reflectors, but input only {A._shape[-1]} columns")
    if tau._shape[:-1] != A._shape[:-2] or len(tau._shape) != len(A._shape) - 1:
        raise ShapeError(
            f"{op}: tau has shape {tuple(tau._shape)}, input {tuple(A._shape)}; their batches must be equal"
        )
    if other._shape[:-2] != A._shape[:-2]:
        raise ShapeError(
            f"{op}: other has shape {tuple(other._shape)}, input {tuple(A._shape)}; their batches must be equal"
        )
    m, side = A._shape[-2], "rows" if left else "columns"
    if other._shape[-2 if left else -1] != m:
        raise ShapeError(f"{op}: other has {other._shape[-2 if left else -1]} {side}, the reflectors {m} rows")
    v, T = _reflectors(A, tau)
    if transpose:
        T = adj(T)
    if left:
        return into(out, other - mm(v, T, mm(adj(v), other)), op)
    return into(out, other - mm(mm(other, v), T, adj(v)), op)
