"""Singular values and vectors, pseudo-inverses, numerical ranks: svd, svdvals, pinv, matrix_rank.

Singular vectors are determined up to a sign, or for complex ones up to a common phase of each pair, on which what is
differentiated must not depend; that is checked, as in PyTorch. Equal singular values have no unique vectors: gradients
through these are then not finite. The pseudo-inverse is differentiated directly, without singular vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import of
from ..core import TensorBase, wrap
from ..errors import ShapeError
from ..op import nary, param, public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from . import linalg_types as types
from .args import into, quiet
from .complex import kind
from .linalg_core import (
    LinAlgError,
    adj,
    as_type,
    check_phase,
    cols,
    column,
    diagonals,
    embed,
    into_all,
    matrices,
    mm,
    off_diagonal,
    plain,
    row,
    rows,
    square,
)
from .linalg_eig import differences

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "matrix_rank", "pinv", "pinv_p", "pinverse", "svd", "svd_p", "svdvals", "svdvals_p",
]  # fmt: skip


# ---------------------------------------------------------------- the decomposition
@quiet
def _svd(xp: Any, xs: Any, full: bool) -> Any:
    (x,) = xs
    m, n = x.shape[-2:]
    if not x.size:
        k = min(m, n)
        batch = x.shape[:-2]

        def unit(i: int, j: int) -> Any:
            return xp.broadcast_to(xp.eye(i, j, dtype=x.dtype), (*batch, i, j)).copy()

        u, vh = unit(m, m if full else k), unit(n if full else k, n)
        return u, xp.zeros((*batch, k), x.real.dtype), vh
    try:
        u, s, vh = xp.linalg.svd(x, full_matrices=full)
    except np.linalg.LinAlgError as e:
        raise _no_convergence(e) from None
    return u, s, vh


def _no_convergence(e: Exception) -> LinAlgError:
    return LinAlgError(f"linalg.svd: the algorithm did not converge ({e}); are there infinities or NaN in A?")


def _svd_vjp(g: Any, xs: Any, o: Any, needs: Any, full: bool) -> Any:
    gu, gs, gvh = g
    u, s, vh = o
    if gu is None and gs is None and gvh is None:
        return (None,)
    m, n, k = u.shape[-2], vh.shape[-1], s.shape[-1]
    if full:  # the vectors beyond the k-th are arbitrary and get no gradient
        u, vh = cols(u, 0, k), rows(vh, 0, k)
        gu = None if gu is None else cols(gu, 0, k)
        gvh = None if gvh is None else rows(gvh, 0, k)
    sc = as_type(s, u)
    if gu is None and gvh is None:
        return (mm(u * row(as_type(gs, u)), vh),)
    uh, v = adj(u), adj(vh)
    a = None if gu is None else mm(uh, gu)
    b = None if gvh is None else mm(vh, adj(gvh))
    if kind(u) == "c":
        check_phase("linalg.svd", *(diagonals(w) for w in (a, b) if w is not None))
    gap = as_type(differences(s * s), u)
    core = None
    if a is not None:
        core = off_diagonal((a - adj(a)) / gap) * row(sc)
    if b is not None:
        right = column(sc) * off_diagonal((b - adj(b)) / gap)
        core = right if core is None else core + right
    if gs is not None:
        core = core + embed(as_type(gs, u))
    if a is not None and kind(u) == "c":
        d = diagonals(a - adj(a))
        core = core + embed(d / (2 * sc))
    r = mm(u, core, vh)
    if gu is not None and m > k:
        w = gu / row(sc)
        r = r + mm(w - mm(u, uh, w), vh)
    if gvh is not None and n > k:
        w = gvh / column(sc)
        r = r + mm(u, w - mm(w, v, vh))
    return (r,)


svd_p: Any = nary(
    "svd", _svd, _svd_vjp, saves=("o",), outputs=3, holomorphic=False,
    doc="U, the descending singular values, and V^H; full: square U and V.",
)  # fmt: skip


@quiet
def _svdvals(xp: Any, x: Any) -> Any:
    if not x.size:
        return xp.zeros((*x.shape[:-2], min(x.shape[-2:])), x.real.dtype)
    try:
        return xp.linalg.svd(x, compute_uv=False)
    except np.linalg.LinAlgError as e:
        raise _no_convergence(e) from None


def _svdvals_vjp(g: Any, x: Any, o: Any) -> Any:
    u, _, vh = svd_p((x,), False)
    return mm(u * row(as_type(g, u)), vh)


svdvals_p: Any = param(
    "svdvals",
    _svdvals,
    _svdvals_vjp,
    saves="x",
    holomorphic=False,
    doc="The singular values of svd_p alone; their vectors are computed in the backward.",
)


def _errors(op: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{op}: A must have at least 2 dimensions", t(3)),
        raises(RuntimeError, rf"{op}: A is int64", t(2, 2, dtype="int64", grad=False)),
    ]


def _driver(driver: Any, x: Any, op: str) -> None:
    if driver is None:
        return
    if of(x._data).device_type == "cpu":
        raise ShapeError(f"{op}: driver={driver!r} is for CUDA tensors only; leave it away on the CPU")
    if driver not in ("gesvd", "gesvdj", "gesvda"):
        raise ShapeError(f"{op}: driver={driver!r} is not known; give None, 'gesvd', 'gesvdj' or 'gesvda'")


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        # PyTorch's LAPACK may choose other signs of the vectors
        call(t(3, 3), torch=False),
        call(t(4, 2), full_matrices=False, torch=False),
        call(t(2, 2, 3), False, torch=False),
        call(t(4, 2, grad=False), torch=False),
        call(t(0, 2, grad=False)),
        call(t(2, 3, 0, grad=False), full_matrices=False),
        call(t(0, 2, 3)),
    ],
    errors=lambda: [
        *_errors(r"linalg\.svd")(),
        raises(RuntimeError, r"linalg\.svd: the algorithm did not converge", t(2, 2, values=[[float("nan")] * 2] * 2)),
    ],
)
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> types.linalg_svd:
    """A = U diag(S) V^H with orthonormal columns in U and V: the named tuple (U, S, Vh), S descending.

    full_matrices: square U and V; their columns beyond the k = min(M, N) first are arbitrary and get no gradient. What
    depends on the phase of complex vectors has no gradient (LinAlgError), nor have vectors of equal singular values a
    finite one; `linalg.svdvals` always has. driver: None on the CPU. Shapes: `(*, M, N)` to `(*, M, M)`, `(*, k)`,
    `(*, N, N)`; with full_matrices=False `(*, M, k)`, `(*, k)`, `(*, k, N)`.

    >>> import retrograd as rg
    >>> rg.linalg.svd(rg.tensor([[0.0, 2.0], [1.0, 0.0]])).S
    tensor([2., 1.])
    """
    op = "linalg.svd"
    x = matrices(A, op)
    _driver(driver, x, op)
    return into_all(out, types.linalg_svd(*svd_p((x,), bool(full_matrices))), op)


@public(
    where="linalg",
    method=False,
    samples=lambda: [call(t(3, 3)), call(t(2, 2, 4)), call(t(0, 2)), call(t(0, 2, 3))],
    errors=_errors(r"linalg\.svdvals"),
    ref=lambda A: np.linalg.svd(A, compute_uv=False),
)  # fmt: skip
def svdvals(A: Tensor, *, driver: str | None = None, out: Tensor | None = None) -> Tensor:
    """The singular values in descending order. Shapes: `(*, M, N)` to `(*, min(M, N))`.

    >>> import retrograd as rg
    >>> rg.linalg.svdvals(rg.tensor([[0.0, 2.0], [1.0, 0.0]]))
    tensor([2., 1.])
    """
    op = "linalg.svdvals"
    x = matrices(A, op)
    _driver(driver, x, op)
    return into(out, svdvals_p(x), op)


@public(
    name="svd",
    samples=lambda: [
        call(t(3, 2), torch=False),
        call(t(2, 3, grad=False), some=False, torch=False),
        call(t(3, 2, grad=False), compute_uv=False),
    ],
    errors=_errors("svd"),
)
def root_svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> types.svd:
    """The singular value decomposition as the named tuple (U, S, V), where V is not transposed; see `linalg.svd`.

    With compute_uv=False U and V are zeros.

    >>> import retrograd as rg
    >>> rg.svd(rg.ones(3, 2)).V.shape
    retrograd.Size([2, 2])
    """
    x = matrices(input, "svd")
    if compute_uv:
        u, s, vh = svd_p((x,), not some)
        return into_all(out, types.svd(u, s, adj(vh)), "svd")
    m, n = x._shape[-2:]
    batch = x._shape[:-2]
    zeros = x.detach().new_zeros
    return into_all(out, types.svd(zeros((*batch, m, m)), svdvals_p(x), zeros((*batch, n, n))), "svd")


# ---------------------------------------------------------------- tolerances
def _bound(value: Any, like: Any, op: str, name: str) -> Any:
    """A tolerance (number or tensor) as an array (..., 1) beside the singular values, or None."""
    if value is None:
        return None
    a = value._data if isinstance(value, TensorBase) else value
    xp = of(like).xp
    a = xp.asarray(a)
    if a.dtype.kind == "c":
        raise ShapeError(f"{op}: {name} is complex; a real number or tensor is expected")
    return a.astype(like.dtype)[..., None]


def threshold(x: Any, s: Any, atol: Any, rtol: Any, op: str) -> Any:
    """Below what the singular values s (an array) of x count as zero: max(atol, rtol * largest), PyTorch's defaults."""
    xp = of(s).xp
    a, r = _bound(atol, s, op, "atol"), _bound(rtol, s, op, "rtol")
    if r is None:
        eps = float(np.finfo(s.dtype).eps) * max(x.shape[-2:])
        r = xp.full((1,), eps, s.dtype) if a is None else xp.where(a > 0, s.dtype.type(0), s.dtype.type(eps))
    if a is None:
        a = xp.zeros((1,), s.dtype)
    return xp.maximum(a, r * xp.abs(s).max(-1, keepdims=True))


@public(
    where="linalg",
    method=False,
    differentiable=False,
    samples=lambda: [
        call(t(3, 3)),
        call(t(2, 4, 3)),
        call(t(2, 2, values=[[1.0, 2.0], [2.0, 4.0]])),
        call(t(3, 3), 1.5),
        call(t(3, 3), atol=1.5),
        call(t(3, 3), rtol=0.9),
        call(t(2, 3, 3), atol=t(2, values=[0.5, 2.5], grad=False)),
        call(t(2, 2, values=[[1.0, 0.5], [0.5, -2.0]]), hermitian=True),
        call(t(0, 3)),
        call(t(0, 2, 2)),
        call(t(2, 0, 3)),
    ],
    errors=lambda: [*_errors(r"linalg\.matrix_rank")(), raises(RuntimeError, r"square", t(2, 3), hermitian=True)],
)
@sample_by_sample
def matrix_rank(
    A: Tensor,
    tol: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """How many singular values are above max(atol, rtol * the largest): int64.

    atol, rtol: numbers or tensors that broadcast with the batch; rtol is max(M, N) times the type's epsilon unless a
    positive atol is given. tol: the older name of atol. hermitian: the moduli of eigenvalues instead. Shapes:
    `(*, M, N)` to `(*)`.

    >>> import retrograd as rg
    >>> rg.linalg.matrix_rank(rg.tensor([[1.0, 2.0], [2.0, 4.0]]))
    tensor(1)
    """
    op = "linalg.matrix_rank"
    x = square(A, op) if hermitian else matrices(A, op)
    a = x._data
    xp = of(a).xp
    if tol is not None:
        atol, rtol = tol, 0.0
    if not a.size:
        return into(out, wrap(xp.zeros(a.shape[:-2], "int64")), op)
    with np.errstate(all="ignore"):
        s = xp.abs(xp.linalg.eigvalsh(a)) if hermitian else _svdvals(xp, a)
    return into(out, wrap(xp.asarray((s > threshold(a, s, atol, rtol, op)).sum(-1), "int64")), op)


# ---------------------------------------------------------------- pseudo-inverses
@quiet
def _pinv(xp: Any, x: Any, atol: Any, rtol: Any, hermitian: bool) -> Any:
    m, n = x.shape[-2:]
    if not x.size:
        return xp.zeros((*x.shape[:-2], n, m), x.dtype)
    if hermitian:
        s, u = xp.linalg.eigh(x)
        vh = xp.conj(u.swapaxes(-1, -2))
    else:
        u, s, vh = _svd(xp, (x,), False)
    keep = xp.abs(s) > threshold(x, s, atol, rtol, "linalg.pinv")
    inverse = xp.where(keep, 1 / xp.where(keep, s, s.dtype.type(1)), s.dtype.type(0))
    return xp.conj(vh.swapaxes(-1, -2)) @ (inverse[..., None] * xp.conj(u.swapaxes(-1, -2)))


def pinv_vjp(g: Any, x: Any, o: Any, *p: Any) -> Any:
    # dP = -P dA P + P P^H dA^H (I - A P) + (I - P A) dA^H P^H P, the rank being fixed
    gh, oh = adj(g), adj(o)
    if x.shape[-2] <= x.shape[-1]:
        k = mm(gh, o)
        kh = mm(k, oh)
        return -adj(mm(o, k)) + kh - mm(mm(x, o), kh) + mm(mm(oh, o), gh - mm(k, x))
    k = mm(o, gh)
    kh = mm(oh, k)
    return -adj(mm(k, o)) + mm(mm(gh - mm(x, k), o), oh) + kh - mm(mm(kh, o), x)


def _pinv_jvp(ts: Any, xs: Any, o: Any, *p: Any) -> Any:
    x, oh, th = xs[0], adj(o), adj(ts[0])
    a, b = mm(mm(o, oh), th), mm(th, mm(oh, o))
    return -mm(o, ts[0], o) + a - mm(mm(a, x), o) + b - mm(o, mm(x, b))


pinv_p: Any = param(
    "pinv",
    _pinv,
    pinv_vjp,
    saves="xo",
    jvp=_pinv_jvp,
    holomorphic=False,
    doc="The pseudo-inverses; singular values (moduli of eigenvalues if hermitian) below the tolerances count as zero.",
)


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3, 3)),
        call(t(4, 2)),
        call(t(2, 2, 3)),
        call(t(3, 2, dtype="complex128")),
        call(t(3, 2), rcond=1e-3),
        call(t(3, 2), atol=0.1, rtol=1e-4),
        call(t(2, 2, values=[[1.0, 0.5], [0.5, -2.0]], grad=False), hermitian=True),
        call(t(2, 2, values=[[1.0, 2.0], [2.0, 4.0]], grad=False)),
        call(t(0, 3)),
        call(t(0, 2, 3)),
    ],
    errors=lambda: [*_errors(r"linalg\.pinv")(), raises(RuntimeError, r"square", t(2, 3), hermitian=True)],
)
def pinv(
    A: Tensor,
    rcond: Any = None,
    hermitian: bool = False,
    *,
    atol: Any = None,
    rtol: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """The Moore-Penrose inverse V diag(1 / S) U^H, where singular values of at most max(atol, rtol * largest) are dropped.

    atol, rtol: as in `linalg.matrix_rank`; rcond: the older name of rtol. hermitian: A is Hermitian, and its lower
    triangle is read. The gradient holds the rank fixed. Shapes: `(*, M, N)` to `(*, N, M)`.

    >>> import retrograd as rg
    >>> rg.linalg.pinv(rg.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    op = "linalg.pinv"
    x = square(A, op) if hermitian else matrices(A, op)
    atol, rtol = plain(atol), plain(rtol if rcond is None else rcond)
    return into(out, pinv_p(x, atol, rtol, bool(hermitian)), op)


@public(samples=lambda: [call(t(3, 2)), call(t(2, 2, 3), rcond=1e-3)], errors=_errors("pinverse"))
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The Moore-Penrose inverse, as `linalg.pinv` with rtol=rcond.

    >>> import retrograd as rg
    >>> rg.pinverse(rg.tensor([[2.0], [0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    return pinv_p(matrices(input, "pinverse"), None, plain(rcond), False)
