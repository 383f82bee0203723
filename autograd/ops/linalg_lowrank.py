"""Few of many singular or eigenvalues of large matrices: svd_lowrank, pca_lowrank (randomised), lobpcg (iterative)."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..core import wrap
from ..errors import GraphError, ShapeError
from ..op import nary, public
from ..samples import call, raises, t
from .complex import kind
from .linalg_core import (
    adj,
    as_type,
    batched,
    check_phase,
    column,
    diagonals,
    embed,
    matrices,
    mm,
    off_diagonal,
    plus_eye_p,
    same_type,
    square,
)
from .linalg_eig import differences
from .linalg_qr import qr_p
from .linalg_solve import solve_p
from .linalg_svd import svd_p
from .random import randn
from .reduce import mean
from .shape import expand_p, permute_p, reshape_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["lobpcg", "lobpcg_p", "pca_lowrank", "svd_lowrank"]


# ---------------------------------------------------------------- randomised decompositions
def _basis(A: Any, q: int, niter: int) -> Any:
    """q orthonormal columns that nearly span the range of A (Halko et al. 2009, algorithms 4.4 and 5.1)."""
    n = A._shape[-1]
    R = randn((n, q), dtype=A._dtype, device=A.device)
    Q = qr_p((mm(A, R),), "reduced")[0]
    for _ in range(niter):
        Q = qr_p((mm(adj(A), Q),), "reduced")[0]
        Q = qr_p((mm(A, Q),), "reduced")[0]
    return Q


def _svd_lowrank(A: Any, q: int, niter: int) -> tuple[Any, Any, Any]:
    wide = A._shape[-2] < A._shape[-1]
    A = adj(A) if wide else A
    Q = _basis(A, q, niter)
    U, S, Vh = svd_p((mm(adj(Q), A),), False)
    U, V = mm(Q, U), adj(Vh)
    return (V, S, U) if wide else (U, S, V)


@public(method=False, errors=lambda: [raises(RuntimeError, r"svd_lowrank: A must have at least 2 dimensions", t(3))])
def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The q largest singular values of A - M and their vectors, approximately: (U, S, V) with A - M ~ U diag(S) V^H.

    A random basis is improved by niter subspace iterations, so the result depends on the generator. For matrices of
    rank at most q it is exact. Shapes: `(*, M, N)` to `(*, M, q)`, `(*, q)` and `(*, N, q)`. Reference: Halko,
    Martinsson, Tropp, Finding Structure with Randomness, 2009.

    >>> import retrograd as rg
    >>> rg.svd_lowrank(rg.ones(4, 3), q=1)[1]
    tensor([3.4641])
    """
    op = "svd_lowrank"
    x = matrices(A, op)
    if M is not None:
        m = matrices(M, op, "M")
        same_type(op, ("A", x), ("M", m))
        x = x - expand_p(m, x._shape)
    return _svd_lowrank(x, 6 if q is None else int(q), 2 if niter is None else int(niter))


@public(
    method=False,
    errors=lambda: [
        raises(ValueError, r"pca_lowrank: q=4 must lie between 0 and min\(M, N\) = 3", t(4, 3), 4),
        raises(ValueError, r"pca_lowrank: niter=-1", t(4, 3), niter=-1),
    ],
)
def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Principal components: `svd_lowrank` of A with the mean of each column taken away (unless center=False).

    The columns of V are the principal directions, S^2 / (M - 1) the variances along them, A @ V[:, :k] the projection.
    q is min(6, M, N) by default. Shapes: `(*, M, N)`, M samples of N features, to `(*, M, q)`, `(*, q)`, `(*, N, q)`.

    >>> import retrograd as rg
    >>> rg.pca_lowrank(rg.tensor([[1.0, 0.0], [-1.0, 0.0]]), q=1)[1]
    tensor([1.4142])
    """
    op = "pca_lowrank"
    x = matrices(A, op)
    m, n = x._shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ShapeError(f"{op}: q={q} must lie between 0 and min(M, N) = {min(m, n)}")
    if niter < 0:
        raise ShapeError(f"{op}: niter={niter} iterations are not possible; give niter >= 0")
    return _svd_lowrank(x - mean(x, -2, True) if center else x, q, niter)


# ---------------------------------------------------------------- locally optimal block preconditioned conjugate gradient
def _orthonormal(xp: Any, s: Any, b: Any) -> Any:
    """T such that the columns of s T are orthonormal with respect to b; nearly dependent directions are dropped."""
    g = s.conj().T @ (s if b is None else b @ s)
    d = xp.sqrt(xp.abs(xp.diagonal(g).real))
    d = xp.where(d > 0, 1 / xp.where(d > 0, d, 1), 0).astype(g.real.dtype)
    w, v = xp.linalg.eigh(d[:, None] * g * d[None, :])
    keep = w > float(np.finfo(g.dtype).eps) * 10 * w[-1]
    return d[:, None] * v[:, keep] / xp.sqrt(w[keep])


def _iterate(
    xp: Any, a: Any, b: Any, x: Any, k: int, ik: Any, niter: int, tol: float, largest: bool, tracker: Any
) -> tuple[Any, Any]:
    """Knyazev's method on one pencil: k extreme eigenpairs, starting from the columns of x."""
    n = x.shape[1]
    p = xp.zeros((x.shape[0], 0), x.dtype)
    s = x
    step = 0
    scale = None
    while True:
        T = _orthonormal(xp, s, b)
        u = s @ T
        e, z = xp.linalg.eigh(u.conj().T @ (a @ u))
        order = slice(None, None, -1) if largest else slice(None)
        e, z = e[order][:n], z[:, order][:, :n]
        c = T @ z
        if step:
            p = s[:, n:] @ c[n:]
        x = s @ c
        bx = x if b is None else b @ x
        r = a @ x - bx * e
        if scale is None:
            size = xp.linalg.norm(x)  # an array scalar: 0 / 0 of a start without values is NaN, no error
            scale = (xp.linalg.norm(a @ x) / size, xp.linalg.norm(bx) / size)
        error = xp.sqrt((xp.abs(r) ** 2).sum(0)) / xp.sqrt((xp.abs(x) ** 2).sum(0)) / (scale[0] + xp.abs(e) * scale[1])
        done = (error < tol)[:k]
        if tracker is not None:
            tracker(_Worker(wrap(e), wrap(x), wrap(r), wrap(error), step, int(done.sum()), k, n))
        if bool(done.all()) or 0 <= niter <= step:
            return e[:k], x[:, :k]
        w = r if ik is None else ik @ r
        s = xp.concatenate([x, w - x @ (bx.conj().T @ w), p], axis=1)
        step += 1


class _Worker(SimpleNamespace):
    """What a tracker is shown after every iteration: E, X, R, and the counts under PyTorch's names."""

    def __init__(self, e: Any, x: Any, r: Any, error: Any, step: int, done: int, k: int, n: int) -> None:
        super().__init__(
            E=e, X=x, R=r, tvars={"rerr": error}, ivars={"istep": step, "converged_count": done, "k": k, "n": n},
            fvars={}, bvars={},
        )  # fmt: skip


def _lobpcg(xp: Any, xs: Any, k: int, ik: Any, niter: int, tol: float, largest: bool, tracker: Any) -> Any:
    a, b, x = xs
    batch = a.shape[:-2]
    m = a.shape[-1]
    es = xp.zeros((*batch, k), a.real.dtype)
    vs = xp.zeros((*batch, m, k), a.dtype)

    def part(v: Any, i: int) -> Any:
        if v is None:
            return None
        return xp.broadcast_to(v, (*batch, *v.shape[-2:])).reshape(-1, *v.shape[-2:])[i]

    flat_e, flat_v = es.reshape(-1, k), vs.reshape(-1, m, k)
    for i in range(len(flat_e)):
        flat_e[i], flat_v[i] = _iterate(
            xp, part(a, i), part(b, i), part(x, i), k, part(ik, i), niter, tol, largest, tracker
        )
    return es, vs


def _no_pencil() -> NoReturn:
    raise GraphError(
        "lobpcg: a generalised problem (B is given) has no gradient; reduce it with linalg.cholesky(B) and linalg.eigh"
    )


def _lobpcg_vjp(g: Any, xs: Any, o: Any, needs: Any, *p: Any) -> Any:
    if needs[1]:
        _no_pencil()
    ge, gx = g
    if not needs[0] or ge is None and gx is None:
        return (None, None, None)
    a, b, _ = xs
    e, x = o
    if b is not None:
        _no_pencil()
    xh = adj(x)
    core = None if ge is None else embed(as_type(ge, x))
    if gx is None:
        return (mm(x, core, xh), None, None)
    inner = mm(xh, gx)
    if kind(x) == "c":
        check_phase("lobpcg", diagonals(inner))
    turned = off_diagonal(inner) / as_type(differences(e), x)
    core = turned if core is None else core + turned
    # the rest of gx moves x out of its span: y_j = (e_j - A)^-1 there, with the identity put in on the span itself
    rest = gx - mm(x, inner)
    k, m = e.shape[-1], a.shape[-1]
    lead = len(e.shape) - 1
    shift = e * 0 + 1
    shift = reshape_p(shift - e, (*e.shape, 1)) + reshape_p(e, (*e.shape[:-1], 1, k))  # (.., j, i): 1 - (e_j - e_i)
    projected = reshape_p(x, (*x.shape[:-2], 1, m, k)) * as_type(reshape_p(shift, (*e.shape, 1, k)), x)
    span = mm(projected, reshape_p(xh, (*x.shape[:-2], 1, k, m)))
    scaled = plus_eye_p(reshape_p(a * 0, (*a.shape[:-2], 1, m, m))) * as_type(column(column(e)), x)
    system = scaled - reshape_p(a, (*a.shape[:-2], 1, m, m)) + span
    axes = (*range(lead), lead + 1, lead)
    y = solve_p((system, column(permute_p(rest, axes))), False, "lobpcg")
    y = permute_p(reshape_p(y, (*e.shape, m)), axes)
    r = mm(x, core, xh) + mm(y, xh)
    return ((r + adj(r)) * 0.5, None, None)


lobpcg_p: Any = nary(
    "lobpcg", _lobpcg, _lobpcg_vjp, saves=("0o1", "", ""), outputs=2, holomorphic=False,
    doc="Extreme eigenpairs of Hermitian matrices (A, B or None, starting vectors).",
)  # fmt: skip


_SPREAD = [[float(i == j) * 2.0**i + 0.1 for j in range(6)] for i in range(6)]


@public(
    method=False,
    samples=lambda: [
        call(t(6, 6, values=_SPREAD, grad=False), X=t(6, 2, grad=False), tol=1e-7, torch=False),
        call(t(6, 6, values=_SPREAD, grad=False), 1, X=t(6, 2, grad=False), tol=1e-7, largest=False, torch=False),
    ],
    errors=lambda: [
        raises(ValueError, r"lobpcg: A has 5 rows, fewer than 3 times the 2 eigenpairs", t(5, 5), 2),
    ],
)
def lobpcg(
    A: Tensor,
    k: int | None = None,
    B: Tensor | None = None,
    X: Tensor | None = None,
    n: int | None = None,
    iK: Tensor | None = None,
    niter: int | None = None,
    tol: float | None = None,
    largest: bool | None = None,
    method: str | None = None,
    tracker: Callable[[Any], None] | None = None,
    ortho_iparams: dict[str, int] | None = None,
    ortho_fparams: dict[str, float] | None = None,
    ortho_bparams: dict[str, bool] | None = None,
) -> tuple[Tensor, Tensor]:
    """The k largest (largest=False: smallest) eigenvalues of A x = w B x for Hermitian A and positive-definite B: (E, X).

    Locally optimal block preconditioned conjugate gradients (Knyazev 2001) from the columns of X, or n random ones
    (default: k). iK: an approximate inverse of A to precondition with. niter: most iterations (1000; -1: no limit).
    tol: relative residual to stop at (the root of the type's epsilon). tracker: called after every iteration with an
    object that has E, X, R, ivars and tvars. method and the ortho parameters choose between PyTorch's ways to
    orthogonalise; here there is one. A has a gradient where B is None. Shapes: `(*, M, M)` with M >= 3 n to `(*, k)` and
    `(*, M, k)`.

    >>> import retrograd as rg
    >>> rg.lobpcg(rg.diag(rg.tensor([1.0, 2.0, 7.0])), k=1)[0].round(decimals=4)
    tensor([7.])
    """
    op = "lobpcg"
    A = square(A, op)
    B = None if B is None else square(B, op, "B")
    if method not in (None, "basic", "ortho"):
        raise ShapeError(f"{op}: method={method!r} is not known; give 'ortho' or 'basic'")
    X = None if X is None else matrices(X, op, "X")
    same_type(op, *((name, v) for name, v in (("A", A), ("B", B), ("X", X)) if v is not None))
    m = A._shape[-1]
    if k is None:
        k = 1 if X is None else X._shape[-1]
    n = (k if n is None else n) if X is None else X._shape[-1]
    if m < 3 * n:
        raise ShapeError(
            f"{op}: A has {m} rows, fewer than 3 times the {n} eigenpairs asked for; use linalg.eigh for so many"
        )
    if not 0 < k <= n:
        raise ShapeError(f"{op}: k={k} eigenpairs from {n} columns are not possible; 0 < k <= n is expected")
    if X is None:
        X = randn((*A._shape[:-2], m, n), dtype=A._dtype, device=A.device)
    else:
        X = batched(X, A._shape[:-2]).detach()
    if A._node is not None:
        A = (A + adj(A)) * 0.5
    tol = float(np.finfo(A._dtype.np).eps) ** 0.5 if tol is None else float(tol)
    ik = None if iK is None else iK._data
    return lobpcg_p((A, B, X), int(k), ik, 1000 if niter is None else int(niter), tol, largest is not False, tracker)
