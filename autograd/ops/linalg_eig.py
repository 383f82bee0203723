"""Eigenvalues and eigenvectors: eigh, eigvalsh, eig, eigvals.

Eigenvectors are determined up to a factor: a sign, or for complex ones a phase. What is differentiated must not depend
on a phase; that is checked, as in PyTorch. Equal eigenvalues have no unique vectors: gradients through these are then
not finite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import core
from ..core import recording
from ..errors import DeviceError, ShapeError
from ..op import nary, param, public
from ..samples import call, raises, t
from . import linalg_types as types
from .args import into, quiet
from .complex import conj_physical, kind
from .linalg_core import (
    LinAlgError,
    adj,
    as_type,
    check_phase,
    column,
    diagonals,
    embed,
    into_all,
    mm,
    off_diagonal,
    plus_eye_p,
    real,
    row,
    square,
)
from .linalg_solve import solve_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["eig", "eig_p", "eigh", "eigh_p", "eigvals", "eigvalsh"]


def differences(w: Any) -> Any:
    """w_j - w_i at place (i, j), with ones on the diagonal."""
    return plus_eye_p(row(w) - column(w))


# ---------------------------------------------------------------- Hermitian matrices
@quiet
def _eigh(xp: Any, xs: Any, lower: bool) -> Any:
    (x,) = xs
    if not x.size:
        return xp.zeros(x.shape[:-1], x.real.dtype), xp.zeros(x.shape, x.dtype)
    try:
        w, v = xp.linalg.eigh(x, "L" if lower else "U")
    except np.linalg.LinAlgError as e:
        raise LinAlgError(
            f"linalg.eigh: the algorithm did not converge ({e}); are there infinities or NaN in A?"
        ) from None
    return w, v


def _eigh_vjp(g: Any, xs: Any, o: Any, needs: Any, lower: bool) -> Any:
    gw, gv = g
    w, v = o
    vh = adj(v)
    if gv is None:
        return (None,) if gw is None else (mm(v * row(as_type(gw, v)), vh),)
    m = mm(vh, gv)
    if kind(v) == "c":
        check_phase("linalg.eigh", diagonals(m))
    m = off_diagonal(m - adj(m)) * 0.5 / as_type(differences(w), v)
    if gw is not None:
        m = m + embed(as_type(gw, v))
    return (mm(v, m, vh),)


eigh_p: Any = nary(
    "eigh", _eigh, _eigh_vjp, saves=("o",), outputs=2, holomorphic=False,
    doc="Ascending eigenvalues and orthonormal eigenvectors of Hermitian matrices, reading their lower or upper triangle.",
)  # fmt: skip


@quiet
def _eigvalsh(xp: Any, x: Any, lower: bool) -> Any:
    if not x.size:
        return xp.zeros(x.shape[:-1], x.real.dtype)
    return xp.linalg.eigvalsh(x, "L" if lower else "U")


def _eigvalsh_vjp(g: Any, x: Any, o: Any, lower: bool) -> Any:
    _, v = eigh_p((x,), lower)
    return mm(v * row(as_type(g, v)), adj(v))


eigvalsh_p: Any = param(
    "eigvalsh",
    _eigvalsh,
    _eigvalsh_vjp,
    saves="x",
    holomorphic=False,
    doc="The eigenvalues of eigh_p alone; their vectors are computed in the backward.",
)


# ---------------------------------------------------------------- general matrices
def _no_eig(xp: Any) -> None:
    if not hasattr(xp.linalg, "eig"):
        raise DeviceError("linalg.eig: this CuPy has none (version 14 has); move the tensor with .cpu()")


@quiet
def _eig(xp: Any, xs: Any, complex_: bool) -> Any:
    (x,) = xs
    c = xp.result_type(x.dtype, "complex64")
    if not x.size:
        return xp.zeros(x.shape[:-1], c), xp.zeros(x.shape, c)
    _no_eig(xp)
    if not bool(xp.isfinite(x).all()):
        raise LinAlgError("linalg.eig: A has infinities or NaN; finite numbers are expected")
    w, v = xp.linalg.eig(x)
    return w.astype(c), v.astype(c)


def _eig_vjp(g: Any, xs: Any, o: Any, needs: Any, complex_: bool) -> Any:
    gw, gv = g
    w, v = o
    if gw is None and gv is None:
        return (None,)
    vh = adj(v)
    if gv is None:
        m = embed(gw)
    else:
        m = mm(vh, gv)
        d = diagonals(m)
        check_phase("linalg.eig", d)
        m = m - mm(vh, v) * row(as_type(real(d), v))  # the vectors' lengths are fixed at 1
        m = off_diagonal(m) / conj_physical(differences(w))
        if gw is not None:
            m = m + embed(gw)
    m = solve_p((vh, mm(m, vh)), False, "linalg.eig")
    return (m if complex_ else real(m),)


eig_p: Any = nary(
    "eig", _eig, _eig_vjp, saves=("o",), outputs=2, holomorphic=False,
    doc="Eigenvalues and normalised eigenvectors of general matrices, all complex; complex_: whether the matrices are.",
)  # fmt: skip


@quiet
def _eigvals(xp: Any, x: Any) -> Any:
    c = xp.result_type(x.dtype, "complex64")
    if not x.size:
        return xp.zeros(x.shape[:-1], c)
    _no_eig(xp)
    if not bool(xp.isfinite(x).all()):
        raise LinAlgError("linalg.eigvals: A has infinities or NaN; finite numbers are expected")
    return xp.linalg.eigvals(x).astype(c)


eigvals_p: Any = param(
    "eigvals",
    _eigvals,
    dtypes="fixed",
    differentiable=False,
    doc="The eigenvalues of eig_p alone, without a gradient.",
)


# ---------------------------------------------------------------- public functions
SYMMETRIC = [[2.0, 0.5, -1.0], [0.5, -1.5, 0.75], [-1.0, 0.75, 0.25]]


def _errors(op: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{op}: A must be a square matrix", t(2, 3)),
        raises(RuntimeError, rf"{op}: A must have at least 2 dimensions", t(3)),
        raises(RuntimeError, rf"{op}: A is int64", t(2, 2, dtype="int64", grad=False)),
    ]


def _hermitian_errors(op: str) -> Any:
    return lambda: [*_errors(op)(), raises(RuntimeError, rf"{op}: UPLO='X'", t(2, 2), UPLO="X")]


def _uplo(uplo: Any, op: str) -> bool:
    u = uplo.upper() if isinstance(uplo, str) else uplo
    if u not in ("L", "U"):
        raise ShapeError(f"{op}: UPLO={uplo!r} is not known; give 'L' or 'U', the triangle of A to read")
    return u == "L"


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        # PyTorch's LAPACK may choose other signs of the vectors
        call(t(3, 3, values=SYMMETRIC, grad=False), torch=False),
        call(t(3, 3, values=SYMMETRIC, grad=False), UPLO="U", torch=False),
        call(t(0, 0, grad=False)),
        call(t(2, 0, 0, grad=False)),
        call(t(0, 2, 2)),
    ],
    errors=_hermitian_errors(r"linalg\.eigh"),
)
def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> types.linalg_eigh:
    """A = V diag(w) V^H of a Hermitian matrix: the named tuple (eigenvalues, eigenvectors).

    The eigenvalues w are real and ascend, the columns of V are orthonormal. Only one triangle of A is read: the lower
    (UPLO="L") or the upper ("U"). The gradient is that for a Hermitian A. What depends on the phase of complex vectors
    has no gradient (LinAlgError). Shapes: `(*, N, N)` to `(*, N)` and `(*, N, N)`.

    >>> import retrograd as rg
    >>> rg.linalg.eigh(rg.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    tensor([1., 2.])
    """
    op = "linalg.eigh"
    return into_all(out, types.linalg_eigh(*eigh_p((square(A, op),), _uplo(UPLO, op))), op)


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3, 3, values=SYMMETRIC, grad=False)),
        call(t(3, 3, values=SYMMETRIC, grad=False), UPLO="u"),
        call(t(0, 2, 2)),
    ],
    errors=_hermitian_errors(r"linalg\.eigvalsh"),
    ref=lambda A, UPLO="L": np.linalg.eigvalsh(A),
)
def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of a Hermitian matrix in ascending order, of which one triangle is read, as in `linalg.eigh`.

    Shapes: `(*, N, N)` to `(*, N)`.

    >>> import retrograd as rg
    >>> rg.linalg.eigvalsh(rg.tensor([[0.0, 1.0], [1.0, 0.0]]))
    tensor([-1.,  1.])
    """
    op = "linalg.eigvalsh"
    x, lower = square(A, op), _uplo(UPLO, op)
    return into(out, eigvalsh_p(x, lower), op)


GENERAL = [[1.0, 2.0, 0.0], [-1.5, 0.5, 0.25], [0.0, 1.0, -2.0]]


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        # PyTorch's LAPACK may choose other phases of the vectors
        call(t(3, 3, values=GENERAL, grad=False), torch=False),
        call(t(2, 2, dtype="complex128", values=[[1 + 1j, 0.5], [2j, -1.5]], grad=False), torch=False),
        call(t(0, 0)),
        call(t(0, 2, 2)),
    ],
    errors=lambda: [
        *_errors(r"linalg\.eig")(),
        raises(RuntimeError, r"linalg\.eig: A has infinities or NaN", t(1, 1, values=[[float("nan")]])),
    ],
)
def eig(A: Tensor, *, out: Any = None) -> types.linalg_eig:
    """A = V diag(w) V^-1 of a general matrix: the named tuple (eigenvalues, eigenvectors), both complex.

    The columns of V have length 1; the order of the eigenvalues is not specified. What depends on the phase of the
    vectors has no gradient (LinAlgError); a matrix that cannot be diagonalised has none. For Hermitian matrices
    `linalg.eigh` is faster. Shapes: `(*, N, N)` to `(*, N)` and `(*, N, N)`.

    >>> import retrograd as rg
    >>> rg.linalg.eig(rg.tensor([[0.0, 1.0], [-1.0, 0.0]])).eigenvalues.imag.abs()
    tensor([1., 1.])
    """
    op = "linalg.eig"
    return into_all(out, types.linalg_eig(*_eig_of(square(A, op))), op)


def _eig_of(A: Any) -> Any:
    return eig_p((A,), A._dtype.kind == "c")


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3, 3, values=GENERAL, grad=False)),
        call(t(2, 2, dtype="complex128", values=[[1 + 1j, 0.5], [2j, -1.5]])),
        call(t(2, 2, values=[[1.0, 2.0], [-1.5, 0.5]])),
        call(t(0, 2, 2)),
    ],
    errors=_errors(r"linalg\.eigvals"),
)
def eigvals(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex eigenvalues of a general matrix, in no specified order. Shapes: `(*, N, N)` to `(*, N)`.

    >>> import retrograd as rg
    >>> rg.linalg.eigvals(rg.tensor([[2.0]]))
    tensor([2.+0.j])
    """
    op = "linalg.eigvals"
    x = square(A, op)
    followed = x._node is not None and recording() or core.lifting is not None and core.lifting.lifted_in((x._data,))
    return into(out, _eig_of(x)[0] if followed else eigvals_p(x), op)
