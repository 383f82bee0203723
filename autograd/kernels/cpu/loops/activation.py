"""Loops of the activation functions: each value in one pass, and each cotangent g * f'(x) in one pass.

A function here is two formulas of one number and up to three parameters, its value and its slope; the loops around them
are two templates, bound to the formulas by `_loops`. The formulas follow those of NumPy step by step where infinities
meet, so that NaN appears at the same places.
"""

# ruff: noqa: FURB136  max and min are another thing where there is a NaN
from __future__ import annotations

from typing import Any

import numpy as np

from .elementary import by_width, erf, exp, sigmoid, tanh
from .jit import bound, loop, part, precise
from .philox import _MASK, _S, _block
from .share import divide

__all__ = [
    "dropout", "elu", "elu_back", "gelu_erf", "gelu_erf_back", "gelu_tanh", "gelu_tanh_back", "hardswish",
    "hardswish_back", "hardtanh", "leaky_relu", "logsigmoid", "logsigmoid_back", "mish", "mish_back", "sigmoid_back",
    "sigmoid_of", "silu", "silu_back", "slope", "softplus", "softplus_back", "tanh_back",
    "tanh_of",
]  # fmt: skip

f4, i4, i8 = np.float32, np.int32, np.int64


# ---------------------------------------------------------------- expm1 and log1p on the ranges that occur
@precise
def expm1_32(x: Any) -> Any:
    # as exp32, for x <= 0: 2^k (e^r - 1) + (2^k - 1)
    x = f4(-80.0) if x < f4(-80.0) else x
    k = np.floor(x * f4(1.44269504) + f4(0.5))
    r = x - k * f4(0.693359375)
    r = r - k * f4(-2.12194440e-4)
    p = f4(1.9875691500e-4)
    p = p * r + f4(1.3981999507e-3)
    p = p * r + f4(8.3334519073e-3)
    p = p * r + f4(4.1665795894e-2)
    p = p * r + f4(1.6666665459e-1)
    p = p * r + f4(5.0000001201e-1)
    s = i4((i4(k) + i4(127)) << i4(23)).view(np.float32)
    return s * (p * (r * r) + r) + (s - f4(1.0))


@precise
def expm1_64(x: Any) -> Any:
    x = -700.0 if x < -700.0 else x
    k = np.floor(x * 1.4426950408889634 + 0.5)
    r = x - k * 6.93145751953125e-1
    r = r - k * 1.42860682030941723212e-6
    z = r * r
    p = r * ((1.26177193074810590878e-4 * z + 3.02994407707441961300e-2) * z + 9.99999999999999999910e-1)
    q = (3.00198505138664455042e-6 * z + 2.52448340349684104192e-3) * z + 2.27265548208155028766e-1
    q = q * z + 2.00000000000000000005
    s = i8((i8(k) + i8(1023)) << i8(52)).view(np.float64)
    return s * (2.0 * (p / (q - p))) + (s - 1.0)


@precise
def log1p_32(u: Any) -> Any:
    # for u in [0, 1]: 2 artanh(u / (2 + u)), whose argument is at most 1/3
    t = u / (f4(2.0) + u)
    z = t * t
    p = f4(2.0 / 15)
    p = p * z + f4(2.0 / 13)
    p = p * z + f4(2.0 / 11)
    p = p * z + f4(2.0 / 9)
    p = p * z + f4(2.0 / 7)
    p = p * z + f4(2.0 / 5)
    p = p * z + f4(2.0 / 3)
    return t * (p * z) + (t + t)


@precise
def log1p_64(u: Any) -> Any:
    t = u / (2.0 + u)
    z = t * t
    p = 2.0 / 35
    p = p * z + 2.0 / 33
    p = p * z + 2.0 / 31
    p = p * z + 2.0 / 29
    p = p * z + 2.0 / 27
    p = p * z + 2.0 / 25
    p = p * z + 2.0 / 23
    p = p * z + 2.0 / 21
    p = p * z + 2.0 / 19
    p = p * z + 2.0 / 17
    p = p * z + 2.0 / 15
    p = p * z + 2.0 / 13
    p = p * z + 2.0 / 11
    p = p * z + 2.0 / 9
    p = p * z + 2.0 / 7
    p = p * z + 2.0 / 5
    p = p * z + 2.0 / 3
    return t * (p * z) + (t + t)


def expm1(x: Any) -> Any:
    """e^x - 1 for x <= 0."""
    raise NotImplementedError


def log1p(u: Any) -> Any:
    """log(1 + u) for 0 <= u <= 1."""
    raise NotImplementedError


by_width(expm1, expm1_32, expm1_64)
by_width(log1p, log1p_32, log1p_64)


# ---------------------------------------------------------------- values and slopes, of (x, a, b, c)
@precise
def _gelu_tanh(x, a, b, c):
    f = type(x)  # (1 + tanh(u)) / 2 is the sigmoid of 2 u
    return x * sigmoid(x * (x * x * f(2 * 0.044715 * 0.7978845608028654) + f(2 * 0.7978845608028654)))


@precise
def _gelu_tanh_slope(x, a, b, c):
    f = type(x)
    z = x * x
    s = sigmoid(x * (z * f(2 * 0.044715 * 0.7978845608028654) + f(2 * 0.7978845608028654)))
    d = (z * f(6 * 0.044715 * 0.7978845608028654) + f(2 * 0.7978845608028654)) * x
    return s + d * (s * (f(1) - s))


@precise
def _gelu_erf(x, a, b, c):
    f = type(x)
    return (erf(x * f(0.7071067811865476)) + f(1)) * x * f(0.5)


@precise
def _gelu_erf_slope(x, a, b, c):
    f = type(x)
    return (exp(x * x * f(-0.5)) * x * f(0.7978845608028654) + erf(x * f(0.7071067811865476)) + f(1)) * f(0.5)


@precise
def _sigmoid(x, a, b, c):
    return sigmoid(x)


@precise
def _sigmoid_slope(o, a, b, c):
    return o * (type(o)(1) - o)  # o: the value


@precise
def _tanh(x, a, b, c):
    return tanh(x)


@precise
def _tanh_slope(o, a, b, c):
    return type(o)(1) - o * o


@precise
def _silu(x, a, b, c):
    return x * sigmoid(x)


@precise
def _silu_slope(x, a, b, c):
    f = type(x)
    s = sigmoid(x)
    return s * (f(1) + x * (f(1) - s))


@precise
def _log1p_exp(x):
    f = type(x)
    return log1p(exp(-abs(x))) + (f(0) if x < f(0) else x)


@precise
def _tanh_log1p_exp(x):
    # of e = e^x it is n / (n + 2) with n = e (e + 2), which is 1 from e^20 on
    f = type(x)
    e = exp(f(20) if x > f(20) else x)
    n = e * (e + f(2))
    return n / (n + f(2))


@precise
def _mish(x, a, b, c):
    return x * _tanh_log1p_exp(x)


@precise
def _mish_slope(x, a, b, c):
    h = _tanh_log1p_exp(x)
    return h + x * sigmoid(x) * (type(x)(1) - h * h)


@precise
def _softplus(x, beta, limit, c):
    z = x * beta
    return x if z > limit else _log1p_exp(z) / beta


@precise
def _softplus_slope(x, beta, limit, c):
    z = x * beta
    return type(x)(1) if z > limit else sigmoid(z)


@precise
def _logsigmoid(x, a, b, c):
    return -_log1p_exp(-x)


@precise
def _logsigmoid_slope(x, a, b, c):
    return sigmoid(-x)


@precise
def _elu(x, below, scale, rate):
    f = type(x)
    return x * scale if x > f(0) else expm1(f(0) if x > f(0) else x * rate) * below


@precise
def _elu_slope(x, below, scale, rate):
    f = type(x)
    return scale if x > f(0) else exp(f(0) if x > f(0) else x * rate) * below


@precise
def _hardswish(x, a, b, c):
    f = type(x)
    v = x + f(3)
    v = f(0) if v < f(0) else v
    return x * (f(6) if v > f(6) else v) / f(6)


@precise
def _hardswish_slope(x, a, b, c):
    f = type(x)
    return f(0) if x <= f(-3) else (x / f(3) + f(0.5) if x < f(3) else f(1))


@precise
def _hardtanh(x, lo, hi, c):
    v = lo if x < lo else x
    return hi if v > hi else v


@precise
def _leaky_relu(x, s, b, c):
    return x if x > type(x)(0) else x * s


# ---------------------------------------------------------------- the loops
formula: Any = None  # these two names stand for others in what `bound` makes of the templates
run: Any = None


def _value_part(lo, hi, x, a, b, c, y):
    for i in range(np.uintp(lo), np.uintp(hi)):  # an index that may count from the end is not vectorised
        y[i] = formula(x[i], a, b, c)


def _back_part(lo, hi, g, x, a, b, c, y):
    for i in range(np.uintp(lo), np.uintp(hi)):
        y[i] = g[i] * formula(x[i], a, b, c)


def _value_loop(nt, x, a, b, c, y):
    n = x.size
    divide(run, nt, n, (x, a, b, c, y))


def _back_loop(nt, g, x, a, b, c, y):
    n = x.size
    divide(run, nt, n, (g, x, a, b, c, y))


def _value(name: str, formula: Any) -> Any:
    """loop(nt, x, a, b, c, y): y = formula(x, a, b, c), for flat x and y."""
    return loop(bound(_value_loop, name, run=part(bound(_value_part, f"{name}_part", formula=formula))))


def _back(name: str, slope: Any) -> Any:
    """loop(nt, g, x, a, b, c, y): y = g * slope(x, a, b, c), for flat g, x and y."""
    return loop(bound(_back_loop, name, run=part(bound(_back_part, f"{name}_part", formula=slope))))


gelu_tanh, gelu_tanh_back = _value("gelu_tanh", _gelu_tanh), _back("gelu_tanh_back", _gelu_tanh_slope)
gelu_erf, gelu_erf_back = _value("gelu_erf", _gelu_erf), _back("gelu_erf_back", _gelu_erf_slope)
silu, silu_back = _value("silu", _silu), _back("silu_back", _silu_slope)
mish, mish_back = _value("mish", _mish), _back("mish_back", _mish_slope)
softplus, softplus_back = _value("softplus", _softplus), _back("softplus_back", _softplus_slope)
logsigmoid, logsigmoid_back = _value("logsigmoid", _logsigmoid), _back("logsigmoid_back", _logsigmoid_slope)
elu, elu_back = _value("elu", _elu), _back("elu_back", _elu_slope)
hardswish, hardswish_back = _value("hardswish", _hardswish), _back("hardswish_back", _hardswish_slope)
hardtanh, leaky_relu = _value("hardtanh", _hardtanh), _value("leaky_relu", _leaky_relu)
sigmoid_of, sigmoid_back = _value("sigmoid_of", _sigmoid), _back("sigmoid_back", _sigmoid_slope)
tanh_of, tanh_back = _value("tanh_of", _tanh), _back("tanh_back", _tanh_slope)


# ---------------------------------------------------------------- the cotangent of a piecewise linear function
@part
def _slope_part(start, stop, g, x, lo, hi, below, mid, above, closed, y):
    # Choices and no branches: signs that cannot be foreseen would cost 50 times as much.
    zero = g.dtype.type(0)
    start, stop = np.uintp(start), np.uintp(stop)
    if closed:
        for i in range(start, stop):
            v, d = x[i], g[i]
            f = above if v > hi else (below if v < lo else mid)
            y[i] = zero if f == zero else d * f
    else:
        for i in range(start, stop):
            v, d = x[i], g[i]
            f = above if v >= hi else (below if v <= lo else mid)
            y[i] = zero if f == zero else d * f


@loop
def slope(nt, g, x, lo, hi, below, mid, above, closed, y):
    """y = g times one of three factors by the place of x; a factor of 0 gives 0. An edge that is NaN is none."""
    n = x.size
    divide(_slope_part, nt, n, (g, x, lo, hi, below, mid, above, closed, y))


# ---------------------------------------------------------------- dropout
@part
def _dropout_part(start, stop, x, out, threshold, scale, key, low, high):
    # blocks [start, stop) of four words; what is left of the last one is kept apart, so that the loop vectorises
    zero = x.dtype.type(0)
    c2, c3, k0, k1 = high & _MASK, high >> _S, key & _MASK, key >> _S
    n = min(stop, x.size // 4)
    for i in range(start, n):
        a, b, c, d = _block(low + np.uint64(i), c2, c3, k0, k1)
        out[4 * i] = x[4 * i] * (scale if a < threshold else zero)
        out[4 * i + 1] = x[4 * i + 1] * (scale if b < threshold else zero)
        out[4 * i + 2] = x[4 * i + 2] * (scale if c < threshold else zero)
        out[4 * i + 3] = x[4 * i + 3] * (scale if d < threshold else zero)
    if 4 * stop > x.size:
        last = _block(low + np.uint64(n), c2, c3, k0, k1)
        for j in range(4 * n, x.size):
            out[j] = x[j] * (scale if last[j - 4 * n] < threshold else zero)


@loop
def dropout(nt, x, out, threshold, scale, key, low, high):
    """out = x * scale where the word of the element is less than threshold, else x * 0, whatever nt is."""
    blocks = (x.size + 3) // 4
    divide(_dropout_part, nt, blocks, (x, out, threshold, scale, key, low, high))
