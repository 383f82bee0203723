"""The norm of vectors and matrices: norm(x, p) for numbers p, "fro" and "nuc".

Gradients where a norm is 0 are 0, the smallest subgradient, as in PyTorch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..dtypes import as_dtype
from ..errors import DtypeError, GraphError, ShapeError
from ..generic import cast
from ..op import nary, param, public
from ..samples import D, call, raises, t
from .args import check_float, into, quiet
from .extremes import ties_p
from .reduce import Dim, Shape, arguments, count, spread
from .shape import permute_p, reshape_p
from .sums import add_up

if TYPE_CHECKING:
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = ["norm", "norm_p", "nuclear_p"]


# ---------------------------------------------------------------- p-norms of vectors
def _norm(xp: Any, x: Any, p: float, axes: Shape, keepdim: bool) -> Any:
    if p == 2:
        squares = x.real * x.real + x.imag * x.imag if x.dtype.kind == "c" else x * x
        return xp.sqrt(add_up(squares, axes, None, keepdim))
    if p == 0:
        return (x != 0).sum(axes, x.real.dtype, None, keepdim)
    a = xp.abs(x)
    if p == math.inf:
        return a.max(axes, keepdims=keepdim)
    if p == -math.inf:
        return a.min(axes, keepdims=keepdim)
    if p == 1:
        return add_up(a, axes, None, keepdim)
    return add_up(a**p, axes, None, keepdim) ** (1.0 / p)


def _signed(v: Any, x: Any) -> Any:
    """v * sign(x), with a derivative of exactly 0 with respect to x."""
    if x.dtype.kind == "c":
        a = abs(x)
        return v * (x / (a + (a == 0)))
    return v * (x > 0) - v * (x < 0)


def _norm_vjp(g: Any, x: Any, o: Any, p: float, axes: Shape, keepdim: bool) -> Any:
    shape = tuple(x.shape)
    if p == 0:
        return spread(g, shape, axes, keepdim) * (x * 0)
    if p == 1:
        return _signed(spread(g, shape, axes, keepdim), x)
    if p in (math.inf, -math.inf):
        a = abs(x)
        return _signed(spread(g, shape, axes, keepdim) * ties_p((a, o), axes, keepdim), x)
    safe = o + (o == 0)  # where the norm is 0 all of x is, so dividing by 1 gives gradient 0
    if p == 2:
        return spread(g / safe, shape, axes, keepdim) * x
    a = abs(x)
    a = a + (a == 0)
    return spread(g * safe ** (1.0 - p), shape, axes, keepdim) * (x * a ** (p - 2.0))


norm_p: Any = param(
    "norm",
    _norm,
    _norm_vjp,
    saves="xo",
    holomorphic=False,
    doc="(sum |x|^p)^(1/p) over a tuple of axes; p = 0 counts, p = inf and -inf take the extreme.",
)


# ---------------------------------------------------------------- nuclear norm of matrices
def _finite(xp: Any, x: Any) -> tuple[Any, Any]:
    """x with its infinite matrices replaced by zeros, and where they are (None: nowhere): LAPACK would complain.

    NaN raises, as in PyTorch. On a device nothing is checked: it would have to be waited for, and nothing is printed.
    """
    if xp is not np or not x.size or np.isfinite(x).all():
        return x, None
    if np.isnan(x).any():
        from .linalg_core import LinAlgError

        raise LinAlgError("norm: the nuclear norm of a matrix with NaN does not exist; the decomposition fails")
    wrong = ~np.isfinite(x).all((-2, -1))
    return np.where(wrong[..., None, None], np.zeros((), x.dtype), x), wrong


@quiet
def _nuclear(xp: Any, x: Any) -> Any:
    x, wrong = _finite(xp, x)
    total = add_up(xp.linalg.svd(x, compute_uv=False), -1)
    return total if wrong is None else np.where(wrong, np.array(np.nan, total.dtype), total)


@quiet
def _polar(xp: Any, x: Any) -> Any:
    x, wrong = _finite(xp, x)
    u, _, vh = xp.linalg.svd(x, full_matrices=False)
    p = xp.matmul(u, vh)
    return p if wrong is None else np.where(wrong[..., None, None], np.array(np.nan, p.dtype), p)


def _adjoint(xp: Any, x: Any) -> Any:
    return xp.conj(xp.swapaxes(x, -1, -2))


@quiet
def _polar_step(xp: Any, xs: Any) -> Any:
    """The derivative of the polar factor of x in direction g, which is its own adjoint."""
    g, x = xs
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    uh, v = _adjoint(xp, u), _adjoint(xp, vh)
    m = uh @ g @ v
    inner = (m - _adjoint(xp, m)) / (s[..., :, None] + s[..., None, :])
    left = (g @ v - u @ m) / s[..., None, :]
    right = (uh @ g - m @ vh) / s[..., :, None]
    return u @ inner @ vh + left @ vh + u @ right


def _no_third(g: Any, xs: Any, o: Any, needs: Any) -> Any:
    raise GraphError("norm: the nuclear norm has no third derivative here; differentiate it twice at most")


polar_step_p: Any = nary("polar_step", _polar_step, _no_third, holomorphic=False)
polar_p: Any = param(
    "polar",
    _polar,
    lambda g, x, o: polar_step_p((g, x)),
    saves="x",
    holomorphic=False,
    doc="U V^H of the singular value decomposition of the matrices in the last two dimensions.",
)
nuclear_p: Any = param(
    "nuclear_norm",
    _nuclear,
    lambda g, x, o: spread(g, tuple(x.shape), (len(x.shape) - 2, len(x.shape) - 1), False) * polar_p(x),
    saves="x",
    holomorphic=False,
    doc="The sum of the singular values of the matrices in the last two dimensions.",
)


def _nuclear_norm(x: Tensor, axes: Shape, keepdim: bool) -> Tensor:
    shape = x._shape
    if len(axes) != 2:
        raise ShapeError(
            f"norm: 'nuc' is a norm of matrices, but {len(axes)} dimensions of shape {tuple(shape)} are named; "
            f"pass dim=(rows, columns)"
        )
    rest = tuple(i for i in range(len(shape)) if i not in axes)
    r = nuclear_p(permute_p(x, (*rest, *axes)))
    return reshape_p(r, tuple(1 if i in axes else n for i, n in enumerate(shape))) if keepdim else r


# ---------------------------------------------------------------- public function
_P_SAMPLES = (1, 2, 3, 0.5, 1.5, -1, 0, math.inf, -math.inf)


@public(
    samples=lambda: [
        call(t(3, 4)),
        call(t(3, 4), "fro", 1),
        call(t(2, 3, 4), dim=(0, -1), keepdim=True),
        call(t(3, 4), "nuc"),
        call(t(2, 3, 4), "nuc", dim=(0, 2), keepdim=True),
        *(call(t(3, 4), p) for p in _P_SAMPLES),
        *(call(t(2, 3, 4), p, dim=(1, 2)) for p in (1, 2, 3, math.inf)),
        call(t(3, 4), 2, 0, True),
        call(t(2, 3), p=1, axis=1, keepdims=True, torch=False),
        call(t(2, 3, values=[[0.0, 0.0, 0.0], [0.5, 0.0, -1.0]], grad=False), dim=1),
        call(t(4, values=[2.0, -2.0, 0.5, 2.0], grad=False), math.inf),
        call(t()),
        call(t(0)),
        call(t(3), p=3, dtype=D("float64")),
    ],
    errors=lambda: [
        raises(IndexError, r"norm: dim 5", t(2, 3), dim=5),
        raises(RuntimeError, r"norm: input is int64", t(3, dtype="int64", grad=False)),
        raises(RuntimeError, r"norm: p='max'", t(3), "max"),
        raises(RuntimeError, r"norm: 'nuc' is a norm of matrices", t(2, 3), "nuc", dim=0),
        raises(RuntimeError, r"norm: p=inf of no elements", t(0), math.inf),
    ],
)
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dim = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
    *,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The p-norm (sum |x|^p)^(1/p) of all elements, or over the dimensions `dim`.

    p: a number; 0 counts the elements that are not zero, inf and -inf take the largest and smallest |x|; "fro" and None
    mean 2; "nuc" is the sum of the singular values of a matrix (two dimensions; differentiable twice). `dtype` converts
    the input first. Shapes: `(N, C, H, W)` with dim=(2, 3) to `(N, C)`, or `(N, C, 1, 1)` with keepdim. Raises
    DtypeError for integers, RuntimeError for an unknown p, IndexError for a dim that does not exist.

    >>> import retrograd as rg
    >>> rg.norm(rg.tensor([3.0, 4.0])), rg.norm(rg.tensor([3.0, -4.0]), 1)
    (tensor(5.), tensor(7.))
    """
    check_float(as_tensor_arg(input, "norm"), "norm")
    x, axes, keepdim = arguments(input, dim, keepdim, axis, keepdims, None, "norm")
    if dtype is not None:
        d = as_dtype(dtype, "norm")
        if d.kind not in "fc" or (x._dtype.kind == "c") != (d.kind == "c"):
            raise DtypeError(f"norm: dtype is {d.name}, but input is {x._dtype.name}; the two must be of one kind")
        x = cast(x, d)
    if p is None or p == "fro":
        p = 2
    elif p == "nuc":
        return into(out, _nuclear_norm(x, axes, keepdim), "norm")
    elif isinstance(p, str):
        raise ShapeError(f"norm: p={p!r} is not known; give a number, 'fro' or 'nuc'")
    p = float(p)
    if (p < 0 or p == math.inf) and count(x._shape, axes) == 0:
        raise ShapeError(f"norm: p={p:g} of no elements (shape {tuple(x._shape)}) is not defined; give 0 <= p < inf")
    return into(out, norm_p(x, p, axes, keepdim), "norm")
