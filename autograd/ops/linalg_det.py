"""Determinants: det, slogdet, logdet.

The derivative of a determinant is the matrix of cofactors, which exists for singular matrices as well: there it comes
from the singular value decomposition. The second derivative is then computed the same way, so det can be
differentiated twice anywhere; a third time it can where the matrix is regular.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..dtypes import complex128, float64
from ..generic import cast
from ..op import composed, nary, param, public
from ..samples import call, raises, t
from . import linalg_types as types
from .args import into, quiet
from .complex import conj_physical, kind
from .linalg_core import adj, as_type, column, imag, into_all, mm, mT, square, total
from .linalg_solve import inv_p
from .math import log

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["cofactor_p", "det", "det_p", "logdet", "slogdet", "slogdet_p"]


# ---------------------------------------------------------------- primitives
def _others(xp: Any, s: Any, skip: int) -> Any:
    """The products of all but one (skip=1: (..., N)) or two different (skip=2: (..., N, N)) of the values s (..., N)."""
    n = s.shape[-1]
    one = s.dtype.type(1)
    out = xp.eye(n, dtype=bool)
    if skip == 1:
        return xp.where(out, one, s[..., None, :]).prod(-1)
    both = out[:, None, :] | out[None, :, :]  # (N, N, N): row i, column j leave out i and j
    return xp.where(out, s.dtype.type(0), xp.where(both, one, s[..., None, None, :]).prod(-1))


@quiet
def _svd(xp: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    u, s, vh = xp.linalg.svd(x)
    return u, s, vh, xp.linalg.det(u) * xp.linalg.det(vh)


def _double(xp: Any, x: Any) -> Any:
    """Cofactors are small differences of large products: they are computed in double precision."""
    return x.astype(xp.result_type(x.dtype, "float64"))


@quiet
def _inverse_transposed(xp: Any, x: Any) -> Any:
    """The transposed inverses where all of them are accurate enough to give the cofactors, else None."""
    try:
        c = xp.linalg.inv(x)
    except np.linalg.LinAlgError:
        return None
    condition = abs(x).sum(-1).max(-1) * abs(c).sum(-1).max(-1)
    return c.swapaxes(-1, -2) if bool((condition < 1e-3 / np.finfo(x.dtype).eps).all()) else None


@np.errstate(all="ignore")  # NaN and infinities are values
def _cofactor(xp: Any, x: Any) -> Any:
    if not x.size:
        return xp.zeros(x.shape, x.dtype)
    kept, x = x.dtype, _double(xp, x)
    c = _inverse_transposed(xp, x)
    if c is not None:
        return (xp.linalg.det(x)[..., None, None] * c).astype(kept)
    u, s, vh, d = _svd(xp, x)
    return (d[..., None, None] * ((u.conj() * _others(xp, s, 1)[..., None, :]) @ vh.conj())).astype(kept)


@np.errstate(all="ignore")  # NaN and infinities are values
def _cofactor_step(xp: Any, xs: Any) -> Any:
    """The derivative of the cofactors of x in direction g: the second derivative of det, a symmetric bilinear form."""
    g, x = xs
    if x.shape[-1] < 2 or not x.size:
        return xp.zeros(x.shape, x.dtype)
    kept, g, x = x.dtype, _double(xp, g), _double(xp, x)
    c = _inverse_transposed(xp, x)
    if c is not None:
        d = xp.linalg.det(x)[..., None, None]
        return (d * ((g * c).sum((-2, -1), keepdims=True) * c - c @ g.swapaxes(-1, -2) @ c)).astype(kept)
    u, s, vh, d = _svd(xp, x)
    m = u.conj().swapaxes(-1, -2) @ g @ vh.conj().swapaxes(-1, -2)  # g in the bases of the singular vectors
    pairs = _others(xp, s, 2)
    trace = (pairs * xp.diagonal(m, 0, -2, -1)[..., None, :]).sum(-1)  # (..., N): what the diagonal gets
    core = xp.eye(s.shape[-1], dtype=x.dtype) * trace[..., None, :] - pairs * m.swapaxes(-1, -2)
    # cofactors of U D V^H are det(U) det(V^H) times U^-T cof(D) (V^H)^-T
    return (d[..., None, None] * (u.conj() @ core @ vh.conj())).astype(kept)


def _regular_step(g: Any, x: Any) -> Any:
    kept = x._dtype
    double = complex128 if kept.is_complex else float64
    g, x = cast(g, double), cast(x, double)
    c = mT(inv_p(x, "det"))
    trace = column(column(total(g * c)))
    return cast(column(column(det_p(x))) * (trace * c - mm(c, mT(g), c)), kept)


_third = composed(_regular_step).nary_vjp()


def _step_vjp(v: Any, xs: Any, o: Any, needs: Any) -> Any:
    g, x = xs
    gg = cofactor_step_p((v, x)) if needs[0] else None
    return gg, _third(v, (g, x), o, (None, True))[1] if needs[1] else None


cofactor_step_p: Any = nary("cofactor_step", _cofactor_step, _step_vjp, saves=("1", "01"))
cofactor_p: Any = param(
    "cofactor",
    _cofactor,
    lambda g, x, o: cofactor_step_p((g, x)),
    saves="x",
    jvp=lambda ts, xs, o: cofactor_step_p((ts[0], xs[0])),
    doc="The cofactors of square matrices: the derivative of the determinant, for singular matrices too.",
)


@np.errstate(all="ignore")  # NaN and infinities are values
def _det_value(xp: Any, x: Any) -> Any:
    return xp.linalg.det(x)


def _det_jvp(ts: Any, xs: Any, o: Any) -> Any:
    return total(cofactor_p(xs[0]) * ts[0])


det_p: Any = param(
    "det",
    _det_value,
    lambda g, x, o: column(column(g)) * cofactor_p(x),
    saves="x",
    jvp=_det_jvp,
    doc="The determinants of square matrices.",
)


@np.errstate(all="ignore")  # NaN and infinities are values
def _slogdet(xp: Any, xs: Any) -> Any:
    sign, logabs = xp.linalg.slogdet(xs[0])
    return xp.asarray(sign), xp.asarray(logabs)


def _slogdet_vjp(g: Any, xs: Any, o: Any, needs: Any) -> Any:
    x = xs[0]
    gs, gl = g
    v = None if gl is None else as_type(gl, x)
    if kind(x) == "c" and gs is not None:  # the sign is exp(i phi), whose cotangent is that of phi
        phase = as_type(imag(gs * conj_physical(slogdet_p((x,))[0])), x) * 1j
        v = phase if v is None else v + phase
    if v is None:
        return (x * 0,)
    return (column(column(v)) * adj(inv_p(x, "")),)


slogdet_p: Any = nary(
    "slogdet", _slogdet, _slogdet_vjp, saves=("0",), outputs=2, holomorphic=False,
    doc="The signs (or phases) of determinants, and the logarithms of their moduli.",
)  # fmt: skip


# ---------------------------------------------------------------- public functions
REGULAR = [[2.0, 0.5, -1.0], [0.25, -1.5, 0.75], [1.0, 0.5, 1.75]]
COMPLEX = [[1 + 1j, 0.5, 0.25j], [2j, -1.5, 1.0], [0.5, 1 - 1j, 2.0]]


def _samples() -> list[Any]:
    return [
        call(t(3, 3)),
        call(t(2, 2, 2)),
        call(t(2, 1, 3, 3)),
        call(t(3, 3, dtype="complex128", values=COMPLEX)),
        call(t(1, 1)),
        call(t(0, 0)),
        call(t(0, 2, 2)),
    ]


def _errors(op: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{op}: A must be a square matrix or a batch of them, but they are 2 by 3", t(2, 3)),
        raises(RuntimeError, rf"{op}: A must have at least 2 dimensions", t(3)),
        raises(RuntimeError, rf"{op}: A is int64", t(2, 2, dtype="int64", grad=False)),
    ]


def _det(A: Any, op: str) -> Any:
    A = square(A, op)
    return det_p(A) if A._shape[-1] else total(A) + 1


@public(where="linalg", method=False, samples=_samples, errors=_errors(r"linalg\.det"), ref=np.linalg.det)
def det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The determinant; 1 for a matrix of size 0.

    Its gradient, the matrix of cofactors, is right for singular matrices too. Shapes: `(*, N, N)` to `(*)`.

    >>> import retrograd as rg
    >>> rg.linalg.det(rg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(-2.)
    """
    return into(out, _det(A, "linalg.det"), "linalg.det")


@public(
    name="det",
    samples=lambda: [
        call(t(3, 3)),
    ],
    errors=_errors("det"),
    ref=np.linalg.det,
)
def root_det(input: Tensor) -> Tensor:
    """The determinant, as `linalg.det`.

    >>> import retrograd as rg
    >>> rg.det(rg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(-2.)
    """
    return _det(input, "det")


def _slog(A: Any, op: str) -> tuple[Any, Any]:
    return slogdet_p((square(A, op),))


@public(
    where="linalg",
    method=False,
    samples=_samples,
    errors=_errors(r"linalg\.slogdet"),
    ref=lambda A: tuple(np.linalg.slogdet(A)),
)
def slogdet(A: Tensor, *, out: Any = None) -> types.linalg_slogdet:
    """The sign and the logarithm of the modulus of the determinant: the named tuple (sign, logabsdet).

    det = sign * exp(logabsdet) without overflow. The sign of complex matrices is det / |det|. A singular matrix gives
    (0, -inf). Shapes: `(*, N, N)` to `(*)` twice.

    >>> import retrograd as rg
    >>> rg.linalg.slogdet(rg.tensor([[0.0, 1.0], [1.0, 0.0]])).sign
    tensor(-1.)
    """
    return into_all(out, types.linalg_slogdet(*_slog(A, "linalg.slogdet")), "linalg.slogdet")


@public(name="slogdet", samples=lambda: [call(t(3, 3))], errors=_errors("slogdet"))
def root_slogdet(input: Tensor) -> types.slogdet:
    """The sign and the logarithm of the modulus of the determinant, as `linalg.slogdet`.

    >>> import retrograd as rg
    >>> rg.slogdet(rg.tensor([[0.0, 1.0], [1.0, 0.0]])).sign
    tensor(-1.)
    """
    return types.slogdet(*_slog(input, "slogdet"))


@public(
    samples=lambda: [
        call(t(3, 3, values=REGULAR, grad=False)),
        call(t(2, 2, 2, values=[[[2.0, 0.5], [0.0, 1.0]], [[1.0, 2.0], [-2.0, 1.0]]])),
        call(t(3, 3, dtype="complex128", values=COMPLEX)),
        call(t(2, 2, values=[[1.0, 2.0], [2.0, 1.0]], grad=False)),
        call(t(0, 0)),
    ],
    errors=_errors("logdet"),
)
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant: NaN where it is negative, -inf where it is 0.

    Shapes: `(*, N, N)` to `(*)`. For determinants of any sign see `linalg.slogdet`.

    >>> import retrograd as rg
    >>> rg.logdet(rg.eye(3))
    tensor(0.)
    """
    sign, logabs = _slog(input, "logdet")
    if sign._dtype.kind == "c":
        return as_type(logabs, sign) + log(sign)
    return logabs.masked_fill(sign < 0, float("nan"))
