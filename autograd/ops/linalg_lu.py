"""LU decompositions with row exchanges: lu, lu_factor, lu_solve, lu_unpack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import of, xp_of
from ..core import as_tensor_arg, wrap
from ..errors import DtypeError, ShapeError
from ..op import nary, public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from . import linalg_types as types
from .args import into
from .join import cat
from .linalg_core import (
    LinAlgError,
    adj,
    batch_shape,
    batched,
    cols,
    failing,
    flat_batch,
    into_all,
    lapack,
    low,
    matrices,
    mm,
    plain,
    plus_eye_p,
    rows,
    same_type,
    square,
    up,
)
from .linalg_triangular import solve_with
from .sort import take_along_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["lu", "lu_factor", "lu_factor_ex", "lu_factor_p", "lu_solve", "lu_unpack"]


# ---------------------------------------------------------------- row exchanges
def permutation(pivots: Any, n: int) -> np.ndarray:
    """The rows' order (..., n) on the host that LAPACK's exchanges (..., k), counted from 1, lead to: A[order] = L U."""
    a = plain(pivots)
    p = np.asarray(of(a).to_numpy(a)).astype(np.int64) - 1
    flat = p.reshape(int(np.prod(p.shape[:-1])), p.shape[-1])
    order = np.tile(np.arange(n), (len(flat), 1))
    every = np.arange(len(flat))
    for i in range(flat.shape[1]):
        j = flat[:, i]
        order[every, i], order[every, j] = order[every, j], order[every, i].copy()
    return order.reshape(*p.shape[:-1], n)


def permuted(x: Any, order: np.ndarray, inverse: bool) -> Any:
    """x with its rows taken in that order, or brought back from it."""
    if inverse:
        order = np.argsort(order, -1)
    a = plain(x)
    idx = of(a).from_numpy(np.broadcast_to(order[..., None], a.shape).copy(), None)
    return take_along_p(x, len(a.shape) - 2, idx, True, False)


# ---------------------------------------------------------------- the factorization
def _eliminate(xp: Any, a: Any, pivot: bool) -> Any:
    """Gaussian elimination of all matrices at once, for array libraries without a batched one."""
    a = a.copy()
    m, n = a.shape[-2:]
    k = min(m, n)
    pivots = xp.zeros((*a.shape[:-2], k), "int32")
    one = a.dtype.type(1)
    every = xp.arange(m)
    for i in range(k):
        if pivot:
            j = i + xp.abs(a[..., i:, i]).argmax(-1)
            pivots[..., i] = j + 1
            j = j[..., None]
            order = xp.where(every == i, j, xp.where(every == j, i, every))
            a = xp.take_along_axis(a, xp.broadcast_to(order[..., None], a.shape), -2)
        else:
            pivots[..., i] = i + 1
        p = a[..., i, i]
        zero = p == 0
        f = a[..., i + 1 :, i] / xp.where(zero, one, p)[..., None]
        a[..., i + 1 :, i] = f
        a[..., i + 1 :, i + 1 :] -= f[..., :, None] * a[..., i, None, i + 1 :]
    return a, pivots


def _factor(xp: Any, xs: Any, pivot: bool) -> Any:
    (x,) = xs
    if xp is not np or not pivot:
        return _eliminate(xp, x, pivot)
    f = np.empty(x.shape, x.dtype)
    pivots = np.zeros((*x.shape[:-2], min(x.shape[-2:])), np.int32)
    if x.size:
        (getrf,) = lapack(["getrf"], x)
        for a, w, p in zip(flat_batch(x), flat_batch(f), pivots.reshape(-1, pivots.shape[-1]), strict=True):
            w[...], order, _ = getrf(a)
            p[...] = order + 1
    return f, pivots


def _zero_pivots(f: Any) -> Any:
    """Per matrix the number (from 1) of the first zero on the diagonal of U, or 0: int32."""
    xp = xp_of(f)
    zero = xp.diagonal(f, 0, -2, -1) == 0
    if not zero.shape[-1]:
        return xp.zeros(zero.shape[:-1], "int32")
    return xp.asarray(xp.where(zero.any(-1), zero.argmax(-1) + 1, 0)).astype("int32")


def _parts(f: Any) -> tuple[Any, Any]:
    """L and U from both in one matrix."""
    m, n = f.shape[-2:]
    k = min(m, n)
    return plus_eye_p(low(cols(f, 0, k), -1)), up(rows(f, 0, k))


def _factor_vjp(g: Any, xs: Any, o: Any, needs: Any, pivot: bool) -> Any:
    """With A[order] = L U: dA = P L^-H (strictly lower of L^H gL + upper of gU U^H) U^-H, more for other than square."""
    f, pivots = o
    if g[0] is None:
        return (None,)
    m, n = f.shape[-2:]
    k = min(m, n)
    L, U = _parts(f)
    gL, gU = low(cols(g[0], 0, k), -1), up(rows(g[0], 0, k))
    L1, U1 = rows(L, 0, k), cols(U, 0, k)
    gL1, gU1 = rows(gL, 0, k), cols(gU, 0, k)
    lower, upper = mm(adj(L1), gL1), mm(gU1, adj(U1))
    if n > k:
        lower = lower - mm(cols(gU, k, None), adj(cols(U, k, None)))
    if m > k:
        upper = upper - mm(adj(rows(L, k, None)), rows(gL, k, None))
    v = low(lower, -1) + up(upper)
    v = solve_with(L1, v, upper=False, adjoint=True, unit=True)
    v = solve_with(U1, v, upper=True, adjoint=True, left=False)
    if n > k:
        v = _join(v, solve_with(L1, cols(gU, k, None), upper=False, adjoint=True, unit=True), -1)
    if m > k:
        v = _join(v, solve_with(U1, rows(gL, k, None), upper=True, adjoint=True, left=False), -2)
    return (permuted(v, permutation(pivots, m), True),)


def _join(a: Any, b: Any, axis: int) -> Any:
    a_, b_ = plain(a), plain(b)
    if a is a_ and b is b_:
        return xp_of(a).concatenate([a, b], axis=axis)
    return cat([a, b], axis)


lu_factor_p: Any = nary(
    "lu_factor", _factor, _factor_vjp, saves=("o",), outputs=2, holomorphic=False,
    doc="L and U in one matrix, and the row exchanges (int32, from 1).",
)  # fmt: skip


# ---------------------------------------------------------------- public functions
def _errors(op: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{op}: A must have at least 2 dimensions", t(3)),
        raises(RuntimeError, rf"{op}: A is int64", t(2, 2, dtype="int64", grad=False)),
    ]


def _samples() -> list[Any]:
    return [
        call(t(3, 3)),
        call(t(2, 3, 3)),
        call(t(4, 2)),
        call(t(2, 2, 4)),
        call(t(3, 3, dtype="complex128")),
        call(t(0, 3)),
        call(t(0, 2, 2)),
    ]


def permutation_matrix(like: Any, order: np.ndarray) -> Any:
    """P with A = P L U, of the type of `like`."""
    n = order.shape[-1]
    a = plain(like)
    p = np.zeros((*order.shape, n), a.dtype)
    np.put_along_axis(p, order[..., None, :], 1, -2)
    return wrap(of(a).from_numpy(p, of(a).device_of(a).index))


@public(where="linalg", method=False, samples=_samples, errors=_errors(r"linalg\.lu"))
@sample_by_sample
def lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> types.linalg_lu:
    """A = P L U: a permutation, a unit lower and an upper triangular matrix; the named tuple (P, L, U).

    With pivot=False there are no row exchanges, P is the identity, and zero pivots are likely. The gradient exists
    where the leading k columns of A are independent. Shapes: `(*, M, N)` to `(*, M, M)`, `(*, M, k)` and `(*, k, N)`
    with k = min(M, N).

    >>> import retrograd as rg
    >>> rg.linalg.lu(rg.tensor([[0.0, 2.0], [4.0, 0.0]])).P
    tensor([[0., 1.],
            [1., 0.]])
    """
    A = matrices(A, "linalg.lu")
    f, pivots = lu_factor_p((A,), bool(pivot))
    P = permutation_matrix(A, permutation(pivots, A._shape[-2]))
    return into_all(out, types.linalg_lu(P, *_parts(f)), "linalg.lu")


@public(
    where="linalg",
    method=False,
    samples=_samples,
    errors=lambda: [
        *_errors(r"linalg\.lu_factor")(),
        raises(RuntimeError, r"linalg\.lu_factor: pivot 1 of U is zero", t(2, 2, values=[[0.0, 0.0], [0.0, 1.0]])),
    ],
)
@sample_by_sample
def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> types.linalg_lu_factor:
    """The LU decomposition in compact form, for `linalg.lu_solve`: the named tuple (LU, pivots).

    LU has U in its upper triangle and L, without its ones, below; pivots (int32) are the rows, counted from 1, that
    were exchanged in turn. Shapes: `(*, M, N)` to `(*, M, N)` and `(*, min(M, N))`. Raises LinAlgError for a zero pivot.

    >>> import retrograd as rg
    >>> rg.linalg.lu_factor(rg.tensor([[1.0, 2.0], [2.0, 8.0]])).LU
    tensor([[ 2.0000,  8.0000],
            [ 0.5000, -2.0000]])
    """
    f, pivots, info = _checked(A, pivot, True, "linalg.lu_factor")
    del info
    return into_all(out, types.linalg_lu_factor(f, pivots), "linalg.lu_factor")


def _checked(A: Any, pivot: bool, check: bool, op: str) -> Any:
    A = matrices(A, op)
    f, pivots = lu_factor_p((A,), bool(pivot))
    found = f, pivots, wrap(_zero_pivots(f._data))
    if check:
        a = found[2]._data
        info = np.asarray(of(a).to_numpy(a))
        if info.any():
            place, k = failing(info)
            raise LinAlgError(
                f"{op}: {place}pivot {k} of U is zero, so lu_solve would divide by it; linalg.lu and linalg.lu_factor_ex "
                "take such matrices"
            )
    return found


@public(
    where="linalg",
    method=False,
    samples=_samples,
    errors=_errors(r"linalg\.lu_factor_ex"),
)
@sample_by_sample
def lu_factor_ex(
    A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: Any = None
) -> types.linalg_lu_factor_ex:
    """`linalg.lu_factor` without an error for zero pivots: the named tuple (LU, pivots, info).

    info (int32) has per matrix 0 or the number of the first zero pivot. With `check_errors` it raises LinAlgError.

    >>> import retrograd as rg
    >>> rg.linalg.lu_factor_ex(rg.zeros(2, 2)).info
    tensor(1, dtype=retrograd.int32)
    """
    op = "linalg.lu_factor_ex"
    return into_all(out, types.linalg_lu_factor_ex(*_checked(A, pivot, check_errors, op)), op)


@public(
    name="lu",
    samples=lambda: [call(t(3, 3)), call(t(2, 3, 2)), call(t(2, 2), get_infos=True)],
    errors=_errors("lu"),
)
@sample_by_sample
def root_lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> tuple[Tensor, ...]:
    """The LU decomposition in compact form: (LU, pivots), with `get_infos` (LU, pivots, infos).

    >>> import retrograd as rg
    >>> rg.tensor([[2.0]]).lu()[0]
    tensor([[2.]])
    """
    f, pivots, info = _checked(A, pivot, not get_infos, "lu")
    found = (f, pivots, info) if get_infos else (f, pivots)
    if out is None:
        return found
    return tuple(into(o, r, "lu") for o, r in zip(out, found, strict=True))


def _check_pivots(pivots: Any, shape: Any, op: str) -> Tensor:
    p = as_tensor_arg(pivots, op)
    if p._dtype.name != "int32":
        raise DtypeError(
            f"{op}: pivots are {p._dtype.name}; int32 is expected, as linalg.lu_factor gives them; convert with .int()"
        )
    if tuple(p._shape) != (*shape[:-2], min(shape[-2:])):
        raise ShapeError(
            f"{op}: pivots have shape {tuple(p._shape)}, but LU of shape {tuple(shape)} has {(*shape[:-2], min(shape[-2:]))}"
        )
    a = np.asarray(of(p._data).to_numpy(p._data))
    if a.size and (a.min() < 1 or a.max() > shape[-2]):
        raise RuntimeError(f"{op}: pivots must lie between 1 and {shape[-2]}, got {a.min()} to {a.max()}")
    return p


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3, 3, low=0.5), t(3, dtype="int32", values=[2, 3, 3]), t(3, 2)),
        call(t(3, 3, low=0.5), t(3, dtype="int32", values=[2, 3, 3]), t(2, 3, 2), adjoint=True),
        call(t(3, 3, low=0.5), t(3, dtype="int32", values=[3, 2, 3]), t(2, 3), left=False),
        call(t(3, 3, low=0.5), t(3, dtype="int32", values=[3, 2, 3]), t(2, 3), left=False, adjoint=True),
        call(t(0, 0), t(0, dtype="int32", values=[]), t(0, 2)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"linalg\.lu_solve: pivots are int64", t(2, 2), t(2, dtype="int64", values=[1, 2]), t(2, 1)),
        raises(RuntimeError, r"linalg\.lu_solve: shapes", t(2, 2), t(2, dtype="int32", values=[1, 2]), t(3, 1)),
        raises(RuntimeError, r"linalg\.lu_solve: B must have", t(2, 2), t(2, dtype="int32", values=[1, 2]), t(2)),
    ],
)  # fmt: skip
@sample_by_sample
def lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False, out: Tensor | None = None
) -> Tensor:
    """X in A X = B (X A = B with left=False; A^H instead of A with adjoint=True), given the LU decomposition of A.

    LU, pivots: what `linalg.lu_factor` gives. Shapes: `(*, N, N)`, `(*, N)` and B `(*, N, K)` (`(*, K, N)` with
    left=False); batches broadcast.

    >>> import retrograd as rg
    >>> LU, pivots = rg.linalg.lu_factor(rg.tensor([[0.0, 2.0], [4.0, 0.0]]))
    >>> rg.linalg.lu_solve(LU, pivots, rg.tensor([[2.0], [4.0]]))
    tensor([[1.],
            [1.]])
    """
    return into(out, _solve(LU, pivots, B, left, adjoint, "linalg.lu_solve"), "linalg.lu_solve")


def _solve(LU: Any, pivots: Any, B: Any, left: bool, adjoint: bool, op: str) -> Any:
    LU, B = square(LU, op, "LU"), matrices(B, op, "B")
    same_type(op, ("LU", LU), ("B", B))
    p = _check_pivots(pivots, LU._shape, op)
    n = LU._shape[-1]
    if B._shape[-2 if left else -1] != n:
        raise ShapeError(f"{op}: shapes {tuple(LU._shape)} of LU and {tuple(B._shape)} of B do not fit the equation")
    batch = batch_shape(op, LU._shape[:-2], B._shape[:-2])
    order = np.broadcast_to(permutation(p, n), (*batch, n))
    B = batched(B, batch)
    if not left:  # X A = B  <=>  A^H X^H = B^H
        return adj(_systems(LU, order, adj(B), not adjoint))
    return _systems(LU, order, B, adjoint)


def _systems(LU: Any, order: np.ndarray, B: Any, adjoint: bool) -> Any:
    if adjoint:  # A^H = U^H L^H P^T
        y = solve_with(LU, B, upper=True, adjoint=True)
        return permuted(solve_with(LU, y, upper=False, adjoint=True, unit=True), order, True)
    return solve_with(LU, solve_with(LU, permuted(B, order, False), upper=False, unit=True), upper=True)


@public(
    name="lu_solve",
    samples=lambda: [call(t(3, 2), t(3, 3, low=0.5), t(3, dtype="int32", values=[2, 3, 3]))],
    errors=lambda: [raises(RuntimeError, r"lu_solve: pivots are int64", t(2, 1), t(2, 2), t(2, dtype="int64", values=[1, 2]))],
)  # fmt: skip
@sample_by_sample
def root_lu_solve(input: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = None) -> Tensor:
    """X in A X = input, given the LU decomposition of A; the older form of `linalg.lu_solve`.

    >>> import retrograd as rg
    >>> rg.lu_solve(rg.tensor([[4.0]]), *rg.linalg.lu_factor(rg.tensor([[2.0]])))
    tensor([[2.]])
    """
    return into(out, _solve(LU_data, LU_pivots, input, True, False, "lu_solve"), "lu_solve")


@public(
    method=False,
    samples=lambda: [
        call(t(3, 3), t(3, dtype="int32", values=[2, 3, 3])),
        call(t(3, 2), t(2, dtype="int32", values=[3, 2])),
        call(t(2, 2, 4), t(2, 2, dtype="int32", values=[[2, 2], [1, 2]])),
    ],
    errors=lambda: [
        raises(RuntimeError, r"lu_unpack: pivots are int64", t(2, 2), t(2, dtype="int64", values=[1, 2])),
        raises(RuntimeError, r"lu_unpack: pivots must lie between 1 and 2", t(2, 2), t(2, dtype="int32", values=[1, 3])),
    ],
)  # fmt: skip
@sample_by_sample
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True, *, out: Any = None
) -> types.lu_unpack:
    """P, L and U from the compact form that `linalg.lu_factor` gives; what is not asked for is empty.

    Shapes: `(*, M, N)` and `(*, k)` to `(*, M, M)`, `(*, M, k)` and `(*, k, N)` with k = min(M, N).

    >>> import retrograd as rg
    >>> rg.lu_unpack(*rg.linalg.lu_factor(rg.tensor([[4.0, 2.0], [1.0, 1.0]]))).U
    tensor([[4.0000, 2.0000],
            [0.0000, 0.5000]])
    """
    op = "lu_unpack"
    f = matrices(LU_data, op, "LU_data")
    p = _check_pivots(LU_pivots, f._shape, op) if unpack_pivots else None
    empty = f.detach().new_empty((0,))
    P = empty if p is None else permutation_matrix(f, permutation(p, f._shape[-2]))
    L, U = _parts(f) if unpack_data else (empty, empty)
    return into_all(out, types.lu_unpack(P, L, U), op)
