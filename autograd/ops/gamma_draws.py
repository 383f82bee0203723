"""Gamma and Dirichlet draws with implicit derivatives: what `distributions` reparameterises them by.

A draw x of the distribution function F(x; a) is kept at its probability when a changes, so dx/da = -(dF/da) / (dF/dx):
Figurnov, Mohamed, Mnih, "Implicit reparameterization gradients" (2018). The quotient is an integral without
cancellation, taken here over the tail on the side of x where the integrand keeps its sign, by Gauss's formula with 64
points; it holds to 1e-10 and better, and is composed of differentiable operations, so second derivatives exist too.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import draws_gamma
from ..backend import is_array, xp_of
from ..composed import composed
from ..core import TensorBase, as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..op import nary, param, public
from ..random import Generator, State, as_generator, branch
from ..samples import raises, t
from .math import exp, expm1, log, log1p
from .shape import reshape_p, sum_p
from .special_gamma import digamma
from .where import where_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["_sample_dirichlet", "_standard_gamma"]

_DEPTH = 40.0  # the integrand is cut where it has fallen to e^-40
_STEPS = 16  # of Newton's method, to find that place


# ---------------------------------------------------------------- the quadrature
@functools.cache
def _gauss() -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of Gauss and Legendre's formula on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(64)
    return 0.5 * (x + 1.0), 0.5 * w


def _raw(x: Any) -> Any:
    return x._data if isinstance(x, TensorBase) else x


def _points(xp: Any, length: Any) -> tuple[Any, Any]:
    """Points (..., 64) in [0, length] and their weights."""
    s, w = (xp.asarray(v) for v in _gauss())
    return (length[..., None] * s).astype(length.dtype), (length[..., None] * w).astype(length.dtype)


def _column(x: Any) -> Any:
    return reshape_p(x, (*x.shape, 1))


def _choose(mask: Any, x: Any, y: Any) -> Any:
    """where(mask, x, y) for arrays and Tensors of any shapes, as both kinds of value take it."""
    if not (isinstance(x, TensorBase) or isinstance(y, TensorBase)):
        return xp_of(mask).where(mask, x, y)
    return where_p([_like(x, y, mask), _like(y, x, mask)], mask)


def _like(x: Any, other: Any, mask: Any) -> Any:
    """x, if it is a number or an array, as a Tensor of the dtype of the other operand."""
    if isinstance(x, TensorBase):
        return x
    from ..core import wrap

    return wrap(xp_of(mask).asarray(x, dtype=_raw(other).dtype))


def _root(xp: Any, start: Any, f: Any) -> Any:
    """The root of a convex, at last increasing function, from a point on its right; f gives value and slope."""
    s = start
    for _ in range(_STEPS):
        value, slope = f(s)
        s = xp.where(value > 0.0, s - value / xp.where(slope > 0.0, slope, 1.0), s)
    return s


# ---------------------------------------------------------------- gamma
def _gamma_plan(xp: Any, a: Any, x: Any) -> tuple[Any, Any, Any]:
    """(length of the range, whether it is the lower tail, whether its limit is taken out) per element."""
    lower = x <= xp.maximum(a, 2.0)
    small = lower & (a < 2.0)

    def below(s: Any) -> Any:
        e = xp.exp(-s)
        return a * s - x * (1.0 - e) - _DEPTH, a - x * e

    def above(s: Any) -> Any:
        return s - (a - 1.0) * xp.log1p(s / x) - _DEPTH, 1.0 - (a - 1.0) / (x + s)

    down = _root(xp, (_DEPTH + x) / a, below)
    up = _root(xp, xp.where(a > 1.0, 80.0 + 4.0 * a, _DEPTH), above)
    return xp.where(small, _DEPTH / (a + 1.0), xp.where(lower, down, up)), lower, small


def _gamma_slope(a: Any, x: Any) -> Any:
    """dx/da of a Gamma(a, 1) draw x, for arrays and Tensors of one shape.

    Lower tail, t = x e^-s: x times the integral of (psi(a) - ln x + s) exp(-a s + x (1 - e^-s)) ds. Upper tail,
    t = x + s: the integral of (ln x - psi(a) + log1p(s / x)) exp((a - 1) log1p(s / x) - s) ds. For a < 2 the lower
    integrand falls slowly; its limit for large s, exp(x - a s), is integrated by itself.
    """
    xp = xp_of(_raw(a))
    length, lower, small = _gamma_plan(xp, _raw(a), _raw(x))
    s, w = _points(xp, length)
    a_, x_, down, limit = _column(a), _column(x), lower[..., None], small[..., None]
    far = log1p(s / _choose(down, 1.0, x_))
    k = _choose(down, x_ * -xp.expm1(-s) - a_ * s, (a_ - 1.0) * far - s)
    k = _choose(limit, x_ - a_ * s, k)
    c = digamma(a) - log(x)
    factor = _column(_choose(lower, c, -c)) + _choose(down, s, far)
    rest = _choose(limit, expm1(_choose(limit, x_, 0.0) * -xp.exp(-s)), 1.0)
    integral = sum_p(factor * exp(k) * rest * w, (a_.ndim - 1,), False)
    tail = exp(_choose(small, x, 0.0)) * (digamma(a + 1.0) - log(x)) / a
    return _choose(lower, x, 1.0) * (integral + _choose(small, tail, 0.0))


# ---------------------------------------------------------------- beta
def _beta_plan(xp: Any, x: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """As `_gamma_plan`, for a Beta(a, b) draw x."""
    psi = digamma(a) - digamma(a + b)
    y = 1.0 - x
    middle = x <= xp.exp(psi)  # both are large: the side where the integrand keeps its sign
    left = (x <= xp.exp(psi)) | (x <= xp.minimum(0.5, 4.0 / (b + 1.0)))
    right = (y <= -xp.expm1(psi)) | (y <= xp.minimum(0.5, 4.0 / (a + 1.0)))
    both = (a < 2.0) & (b < 2.0)
    lower = xp.where(both, x <= 0.5, xp.where(a < 2.0, left, xp.where(b < 2.0, ~right, middle)))
    p, q = xp.where(lower, a, b), xp.where(lower, b, a)
    u, v = xp.where(lower, x, y), xp.where(lower, y, x)
    small = p < 2.0

    def tail(s: Any) -> Any:
        e = xp.exp(-s)
        return p * s - (q - 1.0) * xp.log1p(u * (1.0 - e) / v) - _DEPTH, p - (q - 1.0) * u * e / (v + u * (1.0 - e))

    start = (_DEPTH - xp.maximum(q - 1.0, 0.0) * xp.log(v)) / p
    return xp.where(small, _DEPTH / (p + 1.0), _root(xp, start, tail)), lower, small


def _beta_slope(x: Any, a: Any, b: Any) -> Any:
    """(dx/da) / (1 - x) of a Beta(a, b) draw x, for arrays and Tensors of one shape.

    With p, q, u, v = a, b, x, 1 - x for the lower tail and b, a, 1 - x, x for the upper one, t or 1 - t is u e^-s, and
    l = log1p(-u e^-s): u times the integral of (psi(a) - psi(a + b) - ln u + s) exp(-p s + (q - 1) (l - ln v)) ds, and
    of (psi(a + b) - psi(a) + l) exp(...) ds for the upper one. For p < 2 the limit for large s, where l is 0, is
    integrated by itself.
    """
    xp = xp_of(_raw(a))
    length, lower, small = _beta_plan(xp, _raw(x), _raw(a), _raw(b))
    s, w = _points(xp, length)
    y = 1.0 - x
    p, q, u, v = (_choose(lower, m, n) for m, n in ((a, b), (b, a), (x, y), (y, x)))
    p_, q_, u_, v_ = (_column(m) for m in (p, q, u, v))
    down, limit = lower[..., None], small[..., None]
    near = log1p(u_ * -xp.expm1(-s) / v_)  # l - ln v, exact for small s
    far = log1p(u_ * -xp.exp(-s))  # l
    h = _choose(limit, (q_ - 1.0) * far, 0.0)
    e = exp((q_ - 1.0) * _choose(limit, -log(v_), near) - p_ * s)
    c = digamma(a) - digamma(a + b)
    first = _column(_choose(lower, c - log(u), -c)) + _choose(down, s, 0.0)
    term = first * _choose(limit, expm1(h), 1.0) + _choose(down, 0.0, far) * exp(h)
    integral = sum_p(term * e * w, (p_.ndim - 1,), False)
    head = _choose(lower, digamma(a + 1.0) - digamma(a + b) - log(u), -c)
    tail = exp((1.0 - q) * log(_choose(small, v, 1.0))) * head / p
    return _choose(lower, x / y, 1.0) * (integral + _choose(small, tail, 0.0))


# ---------------------------------------------------------------- primitives
def _in_parts(slope: Any) -> Any:
    """The forward of a slope: in float64, a few elements at a time, because each takes 64 points."""

    def forward(xp: Any, xs: Any) -> Any:
        shape, dtype = xs[0].shape, xs[0].dtype
        flat = [x.reshape(-1).astype(xp.float64) for x in xs]
        n, step = flat[0].size, 4096 if xp is np else 1 << 18
        out = xp.empty(n, dtype=dtype)
        for i in range(0, n, step):
            out[i : i + step] = slope(*(v[i : i + step] for v in flat))
        return out.reshape(shape)

    return forward


gamma_slope_p: Any = nary(
    "gamma_slope",
    _in_parts(_gamma_slope),
    composed(_gamma_slope),
    doc="dx/da of the Gamma(a, 1) draw x, for (a, x) of one shape.",
)
beta_slope_p: Any = nary(
    "beta_slope",
    _in_parts(_beta_slope),
    composed(_beta_slope),
    doc="(dx/da) / (1 - x) of the Beta(a, b) draw x, for (x, a, b) of one shape.",
)


def _tiny(dtype: Any) -> Any:
    return np.finfo(dtype).tiny


def _standard_gamma_forward(xp: Any, a: Any, state: State) -> Any:
    log_g = draws_gamma.log_gamma(branch(state), a.astype(xp.float64), xp)
    return xp.maximum(xp.exp(log_g), _tiny(a.dtype)).astype(a.dtype)


standard_gamma_p: Any = param(
    "standard_gamma",
    _standard_gamma_forward,
    lambda g, x, o, state: g * gamma_slope_p((x, o)),
    saves="xo",
    jvp=lambda ts, xs, o, state: ts[0] * gamma_slope_p((xs[0], o)),
    doc="Gamma numbers of the shape parameters x and scale 1, drawn at `state`.",
)


def _dirichlet_forward(xp: Any, a: Any, state: State) -> Any:
    if not a.size:
        return a.copy()
    log_g = draws_gamma.log_gamma(branch(state), a.astype(xp.float64), xp)
    g = xp.exp(log_g - log_g.max(axis=-1, keepdims=True))
    return xp.maximum(g / g.sum(axis=-1, keepdims=True), _tiny(a.dtype)).astype(a.dtype)


def _dirichlet_vjp(g: Any, x: Any, o: Any, state: State) -> Any:
    """Element i moves as a Beta draw, the others in proportion, so that the sum stays 1."""
    last = (len(x.shape) - 1,)
    others = sum_p(x, last, True) - x
    return beta_slope_p((o, x, others)) * (g - sum_p(o * g, last, True))


dirichlet_p: Any = param(
    "sample_dirichlet",
    _dirichlet_forward,
    _dirichlet_vjp,
    saves="xo",
    doc="Dirichlet numbers of the concentrations x along the last axis, drawn at `state`.",
)


# ---------------------------------------------------------------- public functions
def _start(op: str, x: Any, generator: Any) -> tuple[Any, State]:
    x = as_tensor_arg(x, op)
    gen = as_generator(generator, op)
    if x._dtype.kind != "f":
        raise DtypeError(f"{op}: input is {x._dtype.name}; concentrations are floating-point numbers, as in x.float()")
    if is_array(x._data) and type(x._data) is np.ndarray and not bool((x._data >= 0).all()):
        raise RuntimeError(f"{op}: concentrations must be 0 or more, but there are values down to {x._data.min()}")
    return x, gen.reserve(4)


@public(
    method=False,
    errors=lambda: [
        raises(RuntimeError, r"concentrations must be 0 or more", t(2, values=[1.0, -1.0])),
        raises(RuntimeError, r"input is int64", t(2, dtype="int64")),
    ],
    differentiable=False,
)
def _standard_gamma(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Gamma numbers of the concentrations in `input` (any shape, floating-point, 0 or more) and rate 1, in its dtype.

    The gradient is the implicit one, which keeps a draw at its quantile. Results are at least the dtype's smallest normal
    number. Raises DtypeError (a RuntimeError) for other dtypes, RuntimeError for negative concentrations.
    Reference: Marsaglia and Tsang, "A simple method for generating gamma variables" (2000).

    >>> import retrograd as rg
    >>> a = rg.full((1000,), 3.0, requires_grad=True)
    >>> x = rg._standard_gamma(a)
    >>> x.mean().backward()
    >>> bool((x > 0).all()), round(a.grad.sum().item(), 1)  # the mean of Gamma(a, 1) is a
    (True, 1.0)
    """
    return standard_gamma_p(*_start("_standard_gamma", input, generator))


@public(
    method=False,
    errors=lambda: [
        raises(RuntimeError, r"concentrations must be 0 or more", t(2, values=[1.0, -1.0])),
        raises(RuntimeError, r"0 dimensions", t(low=1.0)),
        raises(RuntimeError, r"input is int64", t(2, dtype="int64")),
    ],
    differentiable=False,
)
def _sample_dirichlet(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Points of the simplex with the concentrations in `input` (..., K) along the last dimension, in its dtype.

    The gradient is the implicit one: coordinate i moves with concentration i as a Beta draw at a fixed quantile, the
    others in proportion. Raises DtypeError for integers, ShapeError for 0 dimensions, RuntimeError for negative
    concentrations.

    >>> import retrograd as rg
    >>> x = rg._sample_dirichlet(rg.ones(5, 3))
    >>> bool(((x.sum(-1) - 1).abs() < 1e-6).all())
    True
    """
    x, state = _start("_sample_dirichlet", input, generator)
    if not x._shape:
        raise ShapeError(
            "_sample_dirichlet: input has 0 dimensions; the last one holds the concentrations: unsqueeze(0)?"
        )
    return dirichlet_p(x, state)
