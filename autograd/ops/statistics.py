"""Covariance and correlation of variables that are observed together: cov, corrcoef."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import TensorBase, as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..op import public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from .args import as_int
from .arith import div, mul
from .clamp import clamp
from .complex import complex as to_complex
from .complex import conj
from .math import sqrt
from .matmul import matmul_p
from .reduce import mean_p
from .shape import diagonal_p, permute_p, reshape_p, sum_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["corrcoef", "cov"]


def _variables(input: Any, op: str) -> Any:
    x = as_tensor_arg(input, op)
    if len(x._shape) > 2:
        raise ShapeError(
            f"{op}: input has the shape {tuple(x._shape)}; variables as rows (V, N), or one variable (N,), are expected"
        )
    if x._dtype.kind == "b":
        raise DtypeError(f"{op}: input is bool; cast it, as in x.float()")
    return x if len(x._shape) == 2 else reshape_p(x, (1, x._shape[0] if x._shape else 1))


def _weights(op: str, w: Any, name: str, kind: str, n: int) -> Any:
    w = as_tensor_arg(w, op)
    if len(w._shape) > 1 or w._data.size != n:
        raise ShapeError(f"{op}: {name} has the shape {tuple(w._shape)}; one weight for each of the {n} observations")
    if w._dtype.kind not in kind:
        expected = "an integer" if kind == "iu" else "a floating-point"
        raise DtypeError(f"{op}: {name} is {w._dtype.name}; {expected} dtype is expected")
    if n and type(w._data) is np.ndarray and bool((w._data < 0).any()):  # a GPU is not waited for
        raise ShapeError(f"{op}: {name} has negative elements; weights must be >= 0")
    return reshape_p(w, (n,))


def _cov(op: str, x: Any, correction: int, fweights: Any, aweights: Any) -> Any:
    """The covariance matrix (V, V) of the rows of x (V, N)."""
    n = x._shape[1]
    f = None if fweights is None else _weights(op, fweights, "fweights", "iu", n)
    a = None if aweights is None else _weights(op, aweights, "aweights", "f", n)
    w = f if a is None else a if f is None else mul(f, a)
    if w is None:
        degrees: Any = n - correction
        centred = x - _mean(x)
        weighted = centred
    else:
        total = sum_p(w, (0,), False)
        if not n or type(total._data) is np.ndarray and float(total._data) == 0:
            raise ShapeError(f"{op}: the weights sum to 0; at least one observation must count")
        centred = x - reshape_p(div(sum_p(mul(x, w), (1,), False), total), (x._shape[0], 1))
        weighted = mul(centred, w)
        if a is None or not correction:
            degrees = total - correction
        else:
            degrees = total - correction * (sum_p(mul(w, a), (0,), False) / total)
    known: Any = degrees
    if isinstance(degrees, TensorBase):
        known = float(degrees._data) if type(degrees._data) is np.ndarray else None
    if known is None:
        degrees = clamp(as_tensor_arg(degrees, op), min=0)
    elif known <= 0:
        warnings.warn(
            f"{op}: there are {n} observations and a correction of {correction}: no degree of freedom is left, so the "
            "result is infinite or NaN",
            UserWarning,
            stacklevel=4,
        )
        degrees = 0
    right = permute_p(conj(weighted) if weighted._dtype.kind == "c" else weighted, (1, 0))
    return div(matmul_p((centred, right), False, False), degrees)


def _mean(x: Any) -> Any:
    if x._dtype.kind in "fc":
        return mean_p(x, (1,), True)
    n = x._shape[1]
    return div(sum_p(x, (1,), True), n)


def _plain(c: Any) -> Any:
    """The covariance of one variable is 0-d."""
    return reshape_p(c, ()) if c._shape == (1, 1) else c


_COUNTS = [1, 3, 2, 1]


@public(
    samples=lambda: [
        call(t(3, 4)),
        call(t(3, 4), correction=0),
        call(t(5)),
        call(t(2, 4), fweights=t(4, dtype="int64", values=_COUNTS)),
        call(t(2, 4), aweights=t(4, low=0.5, high=2.0)),
        call(t(2, 4), correction=2, fweights=t(4, dtype="int64", values=_COUNTS), aweights=t(4, low=0.5, high=2.0)),
        call(t(2, 4, dtype="int64", low=-5, high=5)),
        call(t(2, 4, dtype="complex128")),
        call(t(0, 3)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"cov: input has the shape \(2, 2, 2\)", t(2, 2, 2)),
        raises(RuntimeError, r"cov: input is bool", t(2, 2, dtype="bool")),
        raises(RuntimeError, r"cov: fweights is float", t(2, 2), fweights=t(2, low=0.5)),
        raises(RuntimeError, r"cov: aweights is int64", t(2, 2), aweights=t(2, dtype="int64", low=1, high=3)),
        raises(RuntimeError, r"cov: aweights has the shape \(3,\).* 2 observations", t(2, 2), aweights=t(3, low=0.5)),
        raises(RuntimeError, r"cov: fweights has negative", t(2, 2), fweights=t(2, dtype="int64", values=[1, -1])),
        raises(RuntimeError, r"cov: the weights sum to 0", t(2, 2), aweights=t(2, values=[0.0, 0.0])),
    ],
    ref=lambda x, correction=1, fweights=None, aweights=None: np.cov(
        x, ddof=correction, fweights=fweights, aweights=aweights
    ),
)
@sample_by_sample
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of variables: sum_k w_k (x_ik - mean_i) (x_jk - mean_j)* / degrees of freedom.

    input: V variables as rows and their N observations as columns, (V, N), which gives (V, V); or one variable, (N,)
    or 0-d, which gives its variance, 0-d. fweights: how often each observation was made, integers (N,). aweights: how
    much it counts, floating-point (N,). The degrees of freedom are N - correction, or with w = fweights aweights
    sum w - correction (sum w aweights) / (sum w). Integers become the default dtype. Raises RuntimeError for bools, more
    than two dimensions, and weights that are negative or sum to 0.

    >>> import retrograd as rg
    >>> rg.cov(rg.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    x = _variables(input, "cov")
    return _plain(_cov("cov", x, as_int(correction, "cov", "correction"), fweights, aweights))


@public(
    samples=lambda: [
        call(t(3, 5)),
        call(t(5)),
        call(t(2, 4, dtype="int64", values=[[1, 2, 5, 3], [2, 2, 1, 0]])),
        call(t(2, 4, dtype="complex128")),
    ],
    errors=lambda: [
        raises(RuntimeError, r"corrcoef: input has the shape \(2, 2, 2\)", t(2, 2, 2)),
        raises(RuntimeError, r"corrcoef: input is bool", t(2, 2, dtype="bool")),
    ],
)
def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlation coefficients of variables: C_ij / sqrt(C_ii C_jj) with their covariances C.

    input: V variables as rows, (V, N), which gives (V, V); or one variable, (N,), which gives 1 (0-d). Values lie in
    [-1, 1]; a variable without variance gives NaN. Raises RuntimeError for bools and more than two dimensions.

    >>> import retrograd as rg
    >>> rg.corrcoef(rg.tensor([[0.0, 1.0, 2.0], [4.0, 2.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    c = _plain(_cov("corrcoef", _variables(input, "corrcoef"), 1, None, None))
    if not c._shape:
        return c / c
    n = c._shape[0]
    variances = diagonal_p(c, 0, 0, 1)
    d = sqrt(variances.real if c._dtype.kind == "c" else variances)
    c = c / reshape_p(d, (n, 1)) / d
    if c._dtype.kind == "c":
        return to_complex(clamp(c.real, -1.0, 1.0), clamp(c.imag, -1.0, 1.0))
    return clamp(c, -1.0, 1.0)
