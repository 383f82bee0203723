"""LDL^T decompositions of symmetric and Hermitian matrices: ldl_factor, ldl_solve. As in PyTorch, without gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import of
from ..core import as_tensor_arg
from ..errors import DtypeError, GraphError, ShapeError
from ..op import nary, public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from . import linalg_types as types
from .args import into
from .linalg_core import (
    LinAlgError,
    batch_shape,
    batched,
    each_matrix,
    failing,
    flat_batch,
    into_all,
    lapack,
    matrices,
    same_type,
    square,
)

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["ldl_factor", "ldl_factor_ex", "ldl_solve"]


def _names(a: Any, hermitian: bool) -> list[str]:
    kind = "he" if hermitian and a.dtype.kind == "c" else "sy"
    return [f"{kind}trf", f"{kind}trf_lwork", f"{kind}trs"]


def _factor(xp: Any, xs: Any, hermitian: bool) -> Any:
    home = of(xs[0])
    x = home.to_numpy(xs[0])
    n = x.shape[-1]
    f = np.empty(x.shape, x.dtype)
    pivots = np.zeros(x.shape[:-1], np.int32)
    info = np.zeros(x.shape[:-2], np.int32)
    if x.size:
        trf, lwork, _ = lapack(_names(x, hermitian), x)
        work = int(np.real(lwork(n, lower=True)[0]))
        found = []
        for a, w, p in zip(flat_batch(x), flat_batch(f), pivots.reshape(-1, n), strict=True):
            w[...], order, bad = trf(a, lower=True, lwork=work)
            w[...] = np.tril(w)
            p[...] = order
            found.append(bad)
        info = np.array(found, np.int32).reshape(info.shape)
    return tuple(xp.asarray(a) for a in (f, pivots, info))


def _no_gradient(g: Any, xs: Any, o: Any, needs: Any, hermitian: bool) -> Any:
    raise GraphError("linalg.ldl_factor: has no gradient; linalg.solve and linalg.cholesky have")


ldl_factor_p: Any = nary(
    "ldl_factor", _factor, _no_gradient, outputs=3, holomorphic=False,
    doc="L and D of A = L D L^T (L^H) in one matrix, LAPACK's pivots, and per matrix the number of a zero block or 0.",
)  # fmt: skip

SYMMETRIC = [[1.0, 2.0, 0.5], [2.0, -1.0, 0.25], [0.5, 0.25, 3.0]]


def _errors(op: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{op}: A must be a square matrix", t(2, 3)),
        raises(RuntimeError, rf"{op}: A is int64", t(2, 2, dtype="int64", grad=False)),
    ]


def _samples() -> list[Any]:
    return [
        call(t(3, 3, values=SYMMETRIC, grad=False)),
        call(t(2, 3, 3, values=[SYMMETRIC, SYMMETRIC], grad=False), hermitian=True),
        call(t(2, 2, dtype="complex128", values=[[1.0, 2j], [-2j, 0.5]], grad=False), hermitian=True),
        call(t(2, 2, dtype="complex128", values=[[1.0, 2j], [2j, 0.5]], grad=False)),
        call(t(0, 0, grad=False)),
        call(t(0, 2, 2, grad=False)),
    ]


def _factors(A: Any, hermitian: bool, check: bool, op: str) -> Any:
    A = square(A, op)
    found = ldl_factor_p((A,), bool(hermitian))
    info = of(A._data).to_numpy(found[2]._data)
    if check and info.any():
        place, k = failing(info)
        raise LinAlgError(f"{op}: {place}block {k} of D is zero, so ldl_solve would divide by it")
    return found


@public(where="linalg", method=False, samples=_samples, errors=_errors(r"linalg\.ldl_factor"))
@sample_by_sample
def ldl_factor(A: Tensor, *, hermitian: bool = False, out: Any = None) -> types.linalg_ldl_factor:
    """A = L D L^T (L D L^H if hermitian) in compact form, for `linalg.ldl_solve`: the named tuple (LD, pivots).

    A is symmetric (Hermitian) and need not be definite; its lower triangle is read. pivots are LAPACK's. It is computed
    on the CPU, for tensors of a device too; no gradient. Shapes: `(*, N, N)` to `(*, N, N)` and `(*, N)`. Raises
    LinAlgError for a zero block.

    >>> import retrograd as rg
    >>> rg.linalg.ldl_factor(rg.tensor([[2.0]])).LD
    tensor([[2.]])
    """
    op = "linalg.ldl_factor"
    f, pivots, _ = _factors(A, hermitian, True, op)
    return into_all(out, types.linalg_ldl_factor(f, pivots), op)


@public(where="linalg", method=False, samples=_samples, errors=_errors(r"linalg\.ldl_factor_ex"))
@sample_by_sample
def ldl_factor_ex(
    A: Tensor, *, hermitian: bool = False, check_errors: bool = False, out: Any = None
) -> types.linalg_ldl_factor_ex:
    """`linalg.ldl_factor` without an error for zero blocks: the named tuple (LD, pivots, info).

    info (int32) has per matrix 0 or the number of the zero block. With `check_errors` it raises LinAlgError.

    >>> import retrograd as rg
    >>> rg.linalg.ldl_factor_ex(rg.zeros(1, 1)).info
    tensor(1, dtype=retrograd.int32)
    """
    op = "linalg.ldl_factor_ex"
    return into_all(out, types.linalg_ldl_factor_ex(*_factors(A, hermitian, check_errors, op)), op)


def _solve(xp: Any, xs: Any, pivots: Any, hermitian: bool) -> Any:
    f, b = (of(a).to_numpy(a) for a in xs)
    pivots = of(pivots).to_numpy(pivots)
    x = np.empty(b.shape, b.dtype)
    if b.size:
        trs = lapack(_names(f, hermitian), f)[2]
        flat = pivots.reshape(-1, pivots.shape[-1])
        for i, (a, v, w) in enumerate(each_matrix(f, b, x)):
            w[...] = trs(a, flat[i], v, lower=True)[0]
    return xp.asarray(x)


def _no_solve(g: Any, xs: Any, o: Any, needs: Any, pivots: Any, hermitian: bool) -> Any:
    raise GraphError("linalg.ldl_solve: has no gradient; linalg.solve and cholesky_solve have")


ldl_solve_p: Any = nary(
    "ldl_solve", _solve, _no_solve, holomorphic=False, doc="X in A X = B, given the LDL decomposition of A."
)


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(2, 2, values=[[2.0, 0.0], [0.5, 1.5]], grad=False), t(2, dtype="int32", values=[1, 2]), t(2, 3, grad=False)),
        call(t(2, 2, values=[[2.0, 0.0], [0.5, 1.5]], grad=False), t(2, dtype="int32", values=[1, 2]), t(3, 2, 1, grad=False)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"linalg\.ldl_solve: pivots are float32", t(2, 2), t(2), t(2, 1)),
        raises(RuntimeError, r"linalg\.ldl_solve: B must have", t(2, 2), t(2, dtype="int32", values=[1, 2]), t(2)),
        raises(RuntimeError, r"linalg\.ldl_solve: shapes", t(2, 2), t(2, dtype="int32", values=[1, 2]), t(3, 1)),
    ],
)  # fmt: skip
@sample_by_sample
def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False, out: Tensor | None = None) -> Tensor:
    """X in A X = B, given the decomposition of A that `linalg.ldl_factor` gives; no gradient.

    Shapes: `(*, N, N)`, `(*, N)` and `(*, N, K)`; batches broadcast.

    >>> import retrograd as rg
    >>> rg.linalg.ldl_solve(*rg.linalg.ldl_factor(rg.tensor([[2.0]])), rg.tensor([[4.0]]))
    tensor([[2.]])
    """
    op = "linalg.ldl_solve"
    LD, B = square(LD, op, "LD"), matrices(B, op, "B")
    same_type(op, ("LD", LD), ("B", B))
    p = as_tensor_arg(pivots, op)
    n = LD._shape[-1]
    if p._dtype.name not in ("int32", "int64"):
        raise DtypeError(f"{op}: pivots are {p._dtype.name}; int32 is expected, as linalg.ldl_factor gives them")
    if B._shape[-2] != n or p._shape != LD._shape[:-1]:
        raise ShapeError(
            f"{op}: shapes {tuple(LD._shape)} of LD, {tuple(p._shape)} of pivots and {tuple(B._shape)} of B do not fit"
        )
    batch = batch_shape(op, LD._shape[:-2], B._shape[:-2])
    order = of(p._data).xp.broadcast_to(p._data, (*batch, n)).astype("int32")
    return into(out, ldl_solve_p((batched(LD, batch), batched(B, batch)), order, bool(hermitian)), op)
