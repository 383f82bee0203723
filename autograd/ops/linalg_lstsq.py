"""Least squares: lstsq with LAPACK's drivers. Its gradients are those of the pseudo-inverse and of the residual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import xp_of
from ..core import wrap
from ..errors import ShapeError
from ..op import nary, public
from ..samples import call, raises, t
from . import linalg_types as types
from .args import quiet
from .complex import conj_physical
from .linalg_core import (
    LinAlgError,
    adj,
    batch_shape,
    batched,
    each_matrix,
    floating,
    into_all,
    lapack,
    matrices,
    mm,
    real,
    same_type,
)
from .linalg_svd import pinv_p, pinv_vjp, threshold
from .shape import getitem_p, reshape_p, sum_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["lstsq", "lstsq_p"]

_DRIVERS = ("gels", "gelsd", "gelss", "gelsy")


# ---------------------------------------------------------------- the solution
def _gels(a: Any, b: Any) -> Any:
    """The solution for matrices of full rank, by QR or LQ."""
    gels, lwork = lapack(["gels", "gels_lwork"], a)
    m, n = a.shape
    tall = np.zeros((max(m, n), b.shape[1]), b.dtype, "F")
    tall[:m] = b
    work = int(np.real(lwork(m, n, b.shape[1])[0]))
    _, x, info = gels(a, tall, lwork=max(work, 1))
    if info > 0:
        raise LinAlgError(
            f"linalg.lstsq: driver='gels' needs matrices of full rank, but diagonal element {info} of R is zero; use 'gelsy'"
        )
    return x[:n]


def _lstsq(xp: Any, xs: Any, rcond: float, driver: str) -> Any:
    """Solutions, ranks and singular values (zeros where the driver has none)."""
    a, b = xs
    m, n = a.shape[-2:]
    k = min(m, n)
    x = xp.zeros((*a.shape[:-2], n, b.shape[-1]), a.dtype)
    rank = xp.zeros(a.shape[:-2], "int64")
    s = xp.zeros((*a.shape[:-2], k), a.real.dtype)
    if not a.size:
        return x, rank, s
    if xp is not np:
        return _by_svd(xp, a, b, rcond)
    from scipy.linalg import lstsq as solve

    ranks = []
    values = s.reshape(-1, k)
    for i, (p, q, w) in enumerate(each_matrix(a, b, x)):
        if driver == "gels":
            w[...] = _gels(p, q)
            continue
        if not q.size:
            q = np.zeros((m, 1), q.dtype)
        got: Any = solve(p, q, cond=rcond, lapack_driver=driver, check_finite=False)
        if x.size:
            w[...] = got[0]
        ranks.append(got[2])
        if got[3] is not None:
            values[i] = got[3]
    if ranks:
        rank = np.array(ranks, np.int64).reshape(rank.shape)
    return x, rank, s


@quiet
def _by_svd(xp: Any, a: Any, b: Any, rcond: float) -> Any:
    """The same for array libraries without LAPACK's drivers."""
    u, s, vh = xp.linalg.svd(a, full_matrices=False)
    keep = s > threshold(a, s, None, rcond, "linalg.lstsq")
    inverse = xp.where(keep, 1 / xp.where(keep, s, s.dtype.type(1)), s.dtype.type(0))
    x = xp.conj(vh.swapaxes(-1, -2)) @ (inverse[..., None] * (xp.conj(u.swapaxes(-1, -2)) @ b))
    return x, keep.sum(-1).astype("int64"), s


def _lstsq_vjp(g: Any, xs: Any, o: Any, needs: Any, rcond: float, driver: str) -> Any:
    a, b = xs
    g = g[0]  # rank and singular values have no gradient
    if g is None:
        return None, None
    p = pinv_p(a, None, rcond, False)
    ga = pinv_vjp(mm(g, adj(b)), a, p) if needs[0] else None
    return ga, mm(adj(p), g) if needs[1] else None


lstsq_p: Any = nary(
    "lstsq", _lstsq, _lstsq_vjp, saves=("01", "0"), outputs=3, holomorphic=False,
    doc="Least squares solutions, ranks and singular values of matrices with equal batches.",
)  # fmt: skip


# ---------------------------------------------------------------- public function
@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(4, 2), t(4, 3)),
        call(t(4, 2), t(4)),
        call(t(2, 4, 2), t(2, 4, 1), driver="gels"),
        call(t(2, 4), t(2, 1), driver="gelsd"),
        call(t(3, 3), t(3, 2), driver="gelss"),
        call(t(4, 2), t(4, 1), rcond=1e-3, driver="gelsy"),
        call(t(0, 3, 2), t(0, 3, 1)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"linalg\.lstsq: A must have at least 2 dimensions", t(3), t(3)),
        raises(RuntimeError, r"linalg\.lstsq: A has 3 rows but B 2", t(3, 2), t(2, 1)),
        raises(RuntimeError, r"linalg\.lstsq: A is float32 but B is float64", t(3, 2), t(3, 1, dtype="float64")),
        raises(RuntimeError, r"linalg\.lstsq: driver='qr' is not known", t(3, 2), t(3, 1), driver="qr"),
    ],
)
def lstsq(
    A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None, out: Any = None
) -> types.linalg_lstsq:
    """X with the least |A X - B|, of these the shortest: the named tuple (solution, residuals, rank, singular_values).

    driver: "gelsy" (the default: pivoted QR), "gels" (A has full rank), "gelsd" and "gelss" (singular value
    decomposition). rcond: singular values up to rcond times the largest count as zero; None is max(M, N) times the
    type's epsilon. residuals are the sums of squares per column of B, where M > N, the rank is full and the driver not
    "gelsy"; rank is empty for "gels"; singular_values is for "gelsd" and "gelss" alone. Gradients go through the
    solution, the rank being fixed. Shapes: `(*, M, N)` and `(*, M, K)` (or `(*, M)`, a batch of vectors) to `(*, N, K)`.

    >>> import retrograd as rg
    >>> rg.linalg.lstsq(rg.tensor([[1.0], [1.0]]), rg.tensor([[1.0], [3.0]])).solution.round(decimals=4)
    tensor([[2.]])
    """
    op = "linalg.lstsq"
    A, B = matrices(A, op), floating(B, op, "B")
    same_type(op, ("A", A), ("B", B))
    if driver is None:
        driver = "gelsy"
    if driver not in _DRIVERS:
        raise ShapeError(f"{op}: driver={driver!r} is not known; give one of {', '.join(map(repr, _DRIVERS))}")
    m, n = A._shape[-2:]
    vector = len(B._shape) == 1 or (len(B._shape) == len(A._shape) - 1 and B._shape == A._shape[:-1])
    if vector:
        B = reshape_p(B, (*B._shape, 1))
    if len(B._shape) < 2 or B._shape[-2] != m:
        got = B._shape[-2] if len(B._shape) > 1 else "none"
        raise ShapeError(f"{op}: A has {m} rows but B {got} (shapes {tuple(A._shape)} and {tuple(B._shape)})")
    batch = batch_shape(op, A._shape[:-2], B._shape[:-2])
    A, B = batched(A, batch), batched(B, batch)
    if rcond is None:
        rcond = float(np.finfo(A._dtype.np).eps) * max(m, n)
    x, rank, s = lstsq_p((A, B), float(rcond), driver)
    res = _residuals(A, B, x, rank, driver)
    rank_empty = wrap(xp_of(A._data).zeros(0, "int64"))
    found = types.linalg_lstsq(
        reshape_p(x, x._shape[:-1]) if vector else x,
        res,
        rank_empty if driver == "gels" else rank.detach(),
        s.detach() if driver in ("gelsd", "gelss") else s.detach().new_empty((0,)),
    )
    return into_all(out, found, op)


def _residuals(A: Any, B: Any, x: Any, rank: Any, driver: str) -> Any:
    m, n = A._shape[-2:]
    full = driver == "gels" or bool((rank._data == n).all())
    if m <= n or driver == "gelsy" or not full:
        return getitem_p(reshape_p(real(x), (x._data.size,)), (slice(0, 0),))
    d = mm(A, x) - B
    k = len(d._shape)
    return sum_p(real(d * conj_physical(d)), (k - 2,), False)
