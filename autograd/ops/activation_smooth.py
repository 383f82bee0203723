"""The smooth activation functions of `nn.functional`: gelu, silu, mish, softplus, elu and their relatives, glu.

Each multiplies its cotangent by its derivative, which is an operation of its own where one pass computes it; for most,
kernels compute value and product.
"""

from __future__ import annotations

import math as _math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import by_xp
from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import public
from ..samples import call, raises, t
from ..views import inplace as _inplace
from .activation import apply, logistic, sigmoid, slope_p, smooth
from .args import one_dim
from .complex import abs
from .math import exp, tanh
from .shape import getitem_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "celu", "elu", "gelu", "glu", "hardswish", "logsigmoid", "mish", "selu", "silu", "softplus", "softplus_p",
    "softsign", "tanhshrink",
]  # fmt: skip


def _on() -> list[Any]:
    """The calls that all functions of one tensor share."""
    return [call(t(3, 4)), call(t()), call(t(0, 3))]


# ---------------------------------------------------------------- gelu
_HALF = _math.sqrt(0.5)
_DENSITY = 1 / _math.sqrt(2 * _math.pi)
_K, _CUBE = _math.sqrt(2 / _math.pi), 0.044715


def _gelu(xp: Any, x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        h = x * x
        h *= _K * _CUBE
        h += _K
        h *= x
        h = xp.tanh(h)
    else:
        h = by_xp(xp).erf(x * _HALF)
    h += 1
    h *= x
    h *= 0.5
    return h


def _gelu_slope(xp: Any, x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        s = x * x
        h = xp.tanh(x * (s * (_K * _CUBE) + _K))
        s *= 3 * _CUBE * _K
        s += _K
        s *= x
        s *= 1 - h * h
    else:
        h = by_xp(xp).erf(x * _HALF)
        s = x * x
        s *= -0.5
        s = xp.exp(s)
        s *= x
        s *= 2 * _DENSITY
    s += h
    s += 1
    s *= 0.5
    return s


def _gelu_curve(x: Any, approximate: str) -> Any:
    """The second derivative."""
    s = x * x
    if approximate == "none":
        return exp(s * -0.5) * (2 - s) * _DENSITY
    u = _K + (3 * _K * _CUBE) * s
    h = tanh(x * (_K + (_K * _CUBE) * s))
    return (1 - h * h) * (u + x * ((3 * _K * _CUBE) * x - h * u * u))


gelu_slope_p = smooth("gelu_slope", _gelu_slope, _gelu_curve, "The derivative of gelu.")
gelu_p = smooth(
    "gelu", _gelu, lambda x, a: gelu_slope_p(x, a), "x times the normal distribution function of x.", fused=True
)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [*_on(), call(t(3, 4), approximate="tanh")],
    errors=lambda: [raises(RuntimeError, r"approximate must be 'none' or 'tanh', got 'erf'", t(2), approximate="erf")],
    ref=lambda x, approximate="none": (
        x * __import__("scipy.stats").stats.norm.cdf(x)
        if approximate == "none"
        else x / 2 * (1 + np.tanh(_K * (x + _CUBE * x**3)))
    ),
)
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x * Phi(x) with the normal distribution function Phi; approximate="tanh" for its usual approximation.

    (Hendrycks and Gimpel 2016)

    >>> import retrograd as rg
    >>> rg.nn.functional.gelu(rg.tensor([-1.0, 1.0]))
    tensor([-0.1587,  0.8413])
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return apply(gelu_p, False, input, approximate)


# ---------------------------------------------------------------- silu and mish
def _silu(xp: Any, x: Any) -> Any:
    return x * logistic(xp, x)


def _silu_slope(xp: Any, x: Any) -> Any:
    s = logistic(xp, x)
    return s * (1 + x * (1 - s))


def _silu_curve(x: Any) -> Any:
    s = sigmoid(x)
    return s * (1 - s) * (2 + x * (1 - 2 * s))


silu_slope_p = smooth("silu_slope", _silu_slope, _silu_curve, "The derivative of silu.")
silu_p = smooth("silu", _silu, lambda x: silu_slope_p(x), "x times sigmoid(x).", fused=True)


@public(
    where="nn.functional",
    method=False,
    samples=_on,
    ref=lambda x: x * __import__("scipy.special").special.expit(x),
)
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), also known as swish. (Elfwing et al. 2017; Ramachandran et al. 2017)

    >>> import retrograd as rg
    >>> rg.nn.functional.silu(rg.tensor([-1.0, 1.0]))
    tensor([-0.2689,  0.7311])
    """
    x = as_tensor_arg(input, "silu")
    if x._dtype.is_complex:
        return _complex_silu_(x) if inplace else _complex_silu(x)
    return apply(silu_p, inplace, x)


def _complex_silu(x: Tensor) -> Tensor:
    return x * sigmoid(x)


_complex_silu_ = _inplace(_complex_silu, "silu")


def _log1p_exp(xp: Any, x: Any) -> Any:
    """log(1 + exp(x)) without overflow."""
    h = xp.log1p(xp.exp(-xp.abs(x)))
    return h + xp.maximum(x, 0)


def _mish_slope(x: Any) -> Any:
    h, s = tanh(-logsigmoid_p(-x)), sigmoid(x)
    return h + x * s * (1 - h * h)


logsigmoid_p = smooth(
    "logsigmoid",
    lambda xp, x: -_log1p_exp(xp, -x),
    lambda x: sigmoid(-x),
    "log(sigmoid(x)) without overflow.",
    fused=True,
)
mish_p = smooth(
    "mish", lambda xp, x: x * xp.tanh(_log1p_exp(xp, x)), _mish_slope, "x * tanh(log(1 + exp(x))).", fused=True
)


@public(where="nn.functional", method=False, samples=_on, ref=lambda x: x * np.tanh(np.logaddexp(0, x)))
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)). (Misra 2019)

    >>> import retrograd as rg
    >>> rg.nn.functional.mish(rg.tensor([-1.0, 1.0]))
    tensor([-0.3034,  0.8651])
    """
    return apply(mish_p, inplace, input)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [*_on(), call(t(2, values=[-500.0, 500.0]))],
    ref=lambda x: -np.logaddexp(0, -x),
)
def logsigmoid(input: Tensor) -> Tensor:
    """log(1 / (1 + exp(-x))), exact for large |x|.

    >>> import retrograd as rg
    >>> rg.nn.functional.logsigmoid(rg.tensor([-100.0, 0.0]))
    tensor([-100.0000,   -0.6931])
    """
    return apply(logsigmoid_p, False, input)


# ---------------------------------------------------------------- softplus
def _softplus(xp: Any, x: Any, beta: float, limit: float) -> Any:
    z = x * beta
    return xp.where(z > limit, x, _log1p_exp(xp, z) / beta)


def _softplus_slope(xp: Any, x: Any, beta: float, limit: float) -> Any:
    z = x * beta
    return xp.where(z > limit, x.dtype.type(1), logistic(xp, z))


def _softplus_curve(x: Any, beta: float, limit: float) -> Any:
    s = softplus_slope_p(x, beta, limit)  # 1, hence without curvature, above the limit
    return s * (1 - s) * beta


softplus_slope_p: Any = smooth("softplus_slope", _softplus_slope, _softplus_curve, "The derivative of softplus.")
softplus_p = smooth(
    "softplus",
    _softplus,
    lambda x, *p: softplus_slope_p(x, *p),
    "log(1 + exp(beta * x)) / beta, x above the limit.",
    fused=True,
)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        *_on(),
        call(t(3, 4), 2.0),
        call(t(3, 4), beta=3, threshold=2),
        call(t(2, values=[-500.0, 500.0])),
    ],
    ref=lambda x, beta=1, threshold=20: np.where(x * beta > threshold, x, np.logaddexp(0, beta * x) / beta),
)
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold.

    >>> import retrograd as rg
    >>> rg.nn.functional.softplus(rg.tensor([0.0, 50.0]))
    tensor([ 0.6931, 50.0000])
    """
    return apply(softplus_p, False, input, beta, threshold)


# ---------------------------------------------------------------- elu, celu, selu
def _elu(xp: Any, x: Any, alpha: float, scale: float, rate: float) -> Any:
    return xp.where(x > 0, x * scale, xp.expm1(xp.minimum(x, 0) * rate) * (alpha * scale))


def _elu_slope(xp: Any, x: Any, alpha: float, scale: float, rate: float) -> Any:
    return xp.where(x > 0, x.dtype.type(scale), xp.exp(xp.minimum(x, 0) * rate) * (alpha * scale * rate))


def _elu_curve(x: Any, alpha: float, scale: float, rate: float) -> Any:
    return slope_p((elu_slope_p(x, alpha, scale, rate) * rate, x), 0, None, 1, 0, 0, False)


elu_slope_p: Any = smooth("elu_slope", _elu_slope, _elu_curve, "The derivative of elu.")
elu_p = smooth(
    "elu",
    _elu,
    lambda x, *p: elu_slope_p(x, *p),
    "scale * x where x > 0, else scale * alpha * (exp(rate * x) - 1).",
    fused=True,
)

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4)), call(t(3, 4), 0.5), call(t(0, 2))],
    ref=lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)),
)
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1). (Clevert et al. 2015)

    >>> import retrograd as rg
    >>> rg.nn.functional.elu(rg.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])
    """
    return apply(elu_p, inplace, input, alpha, 1.0, 1.0)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4)), call(t(3, 4), 0.5)],
    errors=lambda: [raises(RuntimeError, r"alpha must not be 0", t(2), 0.0)],
    ref=lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x / alpha)),
)
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (exp(x / alpha) - 1). (Barron 2017)

    >>> import retrograd as rg
    >>> rg.nn.functional.celu(rg.tensor([-1.0, 1.0]), 2.0)
    tensor([-0.7869,  1.0000])
    """
    if alpha == 0:
        raise RuntimeError("celu: alpha must not be 0, x is divided by it")
    return apply(elu_p, inplace, input, alpha, 1.0, 1 / alpha)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4)), call(t(0, 2))],
    ref=lambda x: _SELU_SCALE * np.where(x > 0, x, _SELU_ALPHA * np.expm1(x)),
)
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """elu with the two constants that keep mean 0 and variance 1. (Klambauer et al. 2017)

    >>> import retrograd as rg
    >>> rg.nn.functional.selu(rg.tensor([-1.0, 1.0]))
    tensor([-1.1113,  1.0507])
    """
    return apply(elu_p, inplace, input, _SELU_ALPHA, _SELU_SCALE, 1.0)


# ---------------------------------------------------------------- hardswish, softsign, tanhshrink, glu
def _hardswish_slope(xp: Any, x: Any) -> Any:
    s = x / 3 + 0.5
    return xp.where(x <= -3, x.dtype.type(0), xp.where(x < 3, s, x.dtype.type(1)))


def _hardswish_curve(x: Any) -> Any:
    return slope_p((x * 0 + 1, x), -3, 3, 0, 1 / 3, 0, False)


hardswish_slope_p = smooth("hardswish_slope", _hardswish_slope, _hardswish_curve, "The derivative of hardswish.")
hardswish_p = smooth(
    "hardswish",
    lambda xp, x: x * xp.minimum(xp.maximum(x + 3, 0), 6) / 6,
    lambda x: hardswish_slope_p(x),
    "x * relu6(x + 3) / 6.",
    fused=True,
)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4, low=-6.0, high=6.0))],
    ref=lambda x: x * np.clip(x + 3, 0, 6) / 6,
)
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * relu6(x + 3) / 6. (Howard et al. 2019)

    >>> import retrograd as rg
    >>> rg.nn.functional.hardswish(rg.tensor([-4.0, 3.0]))
    tensor([-0., 3.])
    """
    return apply(hardswish_p, inplace, input)


@public(where="nn.functional", method=False, samples=lambda: [call(t(3, 4))], ref=lambda x: x / (1 + np.abs(x)))
def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|).

    >>> import retrograd as rg
    >>> rg.nn.functional.softsign(rg.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """
    x = as_tensor_arg(input, "softsign")
    return x / (abs(x) + 1) if x._dtype.is_complex else apply(softsign_p, False, x)


def _softsign_slope(x: Any) -> Any:
    a = 1 + abs(x)
    return 1 / (a * a)


softsign_p = smooth("softsign", lambda xp, x: x / (xp.abs(x) + 1), _softsign_slope, "x / (1 + |x|).")


@public(where="nn.functional", method=False, samples=_on, ref=lambda x: x - np.tanh(x))
def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x).

    >>> import retrograd as rg
    >>> rg.nn.functional.tanhshrink(rg.tensor([1.0]))
    tensor([0.2384])
    """
    x = as_tensor_arg(input, "tanhshrink")
    return x - tanh(x)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4)), call(t(4, 3), 0), call(t(2, 4, 3), dim=-2)],
    errors=lambda: [
        raises(RuntimeError, r"dimension 1 has size 3, which cannot be halved", t(2, 3)),
        raises(RuntimeError, r"0-d", t()),
        raises(IndexError, r"dim 5", t(2, 4), dim=5),
    ],
    ref=lambda x, dim=-1: (lambda v: v[0] / (1 + np.exp(-v[1])))(np.split(x, 2, dim)),
)
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The gated linear unit a * sigmoid(b), where a and b are the halves of the input along dim. (Dauphin et al. 2016)

    >>> import retrograd as rg
    >>> rg.nn.functional.glu(rg.tensor([4.0, 0.0]))
    tensor([2.])
    """
    x = as_tensor_arg(input, "glu")
    if not x._shape:
        raise ShapeError("glu: a 0-d tensor cannot be halved; at least one dimension is expected")
    d = one_dim(dim, len(x._shape), "glu")
    n = x._shape[d]
    if n % 2:
        raise ShapeError(f"glu: dimension {d} has size {n}, which cannot be halved (shape {x._shape})")
    lead = (slice(None),) * d
    return getitem_p(x, (*lead, slice(0, n // 2))) * sigmoid(getitem_p(x, (*lead, slice(n // 2, n))))
