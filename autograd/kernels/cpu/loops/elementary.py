"""exp, tanh, sigmoid and erf as polynomials, which loops vectorise; calls of the C library would not be. Keys for maxima.

Largest errors seen over 3 million arguments, in units in the last place: float32 exp 1.0, tanh 1.3, sigmoid 2.4, erf
5.5; float64 exp 1.7, tanh 1.4, sigmoid 4 (where it is tiny), erf 3. NaN stays NaN, infinities have their limits, and exp
reaches 0 through the subnormal numbers. Coefficients: Moshier's
Cephes library (expf.c, tanhf.c, exp.c, tanh.c); erf of float32: the rational function of Eigen.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float32, types
from numba.extending import overload

from .jit import precise

__all__ = ["by_width", "erf", "exp", "key", "number", "sigmoid", "tanh"]

f4, i4, i8 = np.float32, np.int32, np.int64


@precise
def exp32(x: Any) -> Any:
    x = max(x, f4(-104.0))
    x = min(x, f4(89.0))
    k = np.floor(x * f4(1.44269504) + f4(0.5))
    r = x - k * f4(0.693359375)
    r = r - k * f4(-2.12194440e-4)
    p = f4(1.9875691500e-4)
    p = p * r + f4(1.3981999507e-3)
    p = p * r + f4(8.3334519073e-3)
    p = p * r + f4(4.1665795894e-2)
    p = p * r + f4(1.6666665459e-1)
    p = p * r + f4(5.0000001201e-1)
    p = p * (r * r) + r + f4(1.0)
    n = i4(k)
    h = n >> i4(1)  # 2^k in two factors: k = 128 and -149 are no exponents of float32
    return p * i4((h + i4(127)) << i4(23)).view(np.float32) * i4((n - h + i4(127)) << i4(23)).view(np.float32)


@precise
def exp64(x: Any) -> Any:
    x = max(x, -746.0)
    x = min(x, 710.0)
    k = np.floor(x * 1.4426950408889634 + 0.5)
    r = x - k * 6.93145751953125e-1
    r = r - k * 1.42860682030941723212e-6
    z = r * r
    p = r * ((1.26177193074810590878e-4 * z + 3.02994407707441961300e-2) * z + 9.99999999999999999910e-1)
    q = (3.00198505138664455042e-6 * z + 2.52448340349684104192e-3) * z + 2.27265548208155028766e-1
    q = q * z + 2.00000000000000000005
    y = 1.0 + 2.0 * (p / (q - p))
    n = i8(k)
    h = n >> i8(1)
    return y * i8((h + i8(1023)) << i8(52)).view(np.float64) * i8((n - h + i8(1023)) << i8(52)).view(np.float64)


@precise
def tanh32(x: Any) -> Any:
    z = x * x
    p = f4(-5.70498872745e-3)
    p = p * z + f4(2.06390887954e-2)
    p = p * z + f4(-5.37397155531e-2)
    p = p * z + f4(1.33314422036e-1)
    p = p * z + f4(-3.33332819422e-1)
    small = p * z * x + x
    a = abs(x)
    large = f4(1.0) - f4(2.0) / (exp32(a + a) + f4(1.0))
    large = -large if x < f4(0.0) else large
    return small if a < f4(0.625) else large


@precise
def tanh64(x: Any) -> Any:
    z = x * x
    p = (-9.64399179425052238628e-1 * z - 9.92877231001918586564e1) * z - 1.61468768441708447952e3
    q = ((z + 1.12811678491632931402e2) * z + 2.23548839060100448583e3) * z + 4.84406305325125486048e3
    small = x + x * z * (p / q)
    a = abs(x)
    large = 1.0 - 2.0 / (exp64(a + a) + 1.0)
    large = -large if x < 0.0 else large
    return small if a < 0.625 else large


@precise
def sigmoid32(x: Any) -> Any:
    return f4(1.0) / (f4(1.0) + exp32(-x))


@precise
def sigmoid64(x: Any) -> Any:
    return 1.0 / (1.0 + exp64(-x))


@precise
def erf32(x: Any) -> Any:
    v = max(x, f4(-4.0))
    v = min(v, f4(4.0))
    z = v * v
    p = f4(-2.72614225801306e-10)
    p = p * z + f4(2.77068142495902e-08)
    p = p * z + f4(-2.10102402082508e-06)
    p = p * z + f4(-5.69250639462346e-05)
    p = p * z + f4(-7.34990630326855e-04)
    p = p * z + f4(-2.95459980854025e-03)
    p = p * z + f4(-1.60960333262415e-02)
    q = f4(-1.45660718464996e-05)
    q = q * z + f4(-2.13374055278905e-04)
    q = q * z + f4(-1.68282697438203e-03)
    q = q * z + f4(-7.37332916720468e-03)
    q = q * z + f4(-1.42647390514189e-02)
    return v * p / q


@precise
def erf64(x: Any) -> Any:
    return math.erf(x)


def exp(x: Any) -> Any:
    """e^x of a float32 or float64 in a loop."""
    raise NotImplementedError


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of a float32 or float64 in a loop."""
    raise NotImplementedError


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x) of a float32 or float64 in a loop."""
    raise NotImplementedError


def erf(x: Any) -> Any:
    """The error function of a float32 or float64 in a loop."""
    raise NotImplementedError


# ---------------------------------------------------------------- the largest number
# LLVM vectorises the maximum of integers, that of floats only if told that there is no NaN. As integers, the bits of
# positive numbers are in order, and those of negative ones are with all bits but the sign turned over. Whatever becomes
# the maximum where there is a NaN, exp carries the NaN into the sum, and the sum to all.
@precise
def key32(x: Any) -> Any:
    b = f4(x).view(np.int32)
    return i4(b ^ ((b >> i4(31)) & i4(0x7FFFFFFF)))  # Numba computes with 64 bits otherwise


@precise
def key64(x: Any) -> Any:
    b = np.float64(x).view(np.int64)
    return b ^ ((b >> i8(63)) & i8(0x7FFFFFFFFFFFFFFF))


@precise
def number32(k: Any) -> Any:
    return i4(k ^ (i4(k >> i4(31)) & i4(0x7FFFFFFF))).view(np.float32)


@precise
def number64(k: Any) -> Any:
    return i8(k ^ ((k >> i8(63)) & i8(0x7FFFFFFFFFFFFFFF))).view(np.float64)


def key(x: Any) -> Any:
    """An integer that grows with the float32 or float64 x, in a loop."""
    raise NotImplementedError


def number(k: Any) -> Any:
    """The number whose key is k, in a loop."""
    raise NotImplementedError


@overload(number, inline="always")
def _number_of(k):
    if k == types.int32:
        return lambda k: number32(k)
    return lambda k: number64(k)


def by_width(function: Any, narrow: Any, wide: Any) -> None:
    """Let `function` be one formula for float32 and another for wider numbers."""

    @overload(function, inline="always")
    def choose(x):
        if x == float32:
            return lambda x: narrow(x)
        if isinstance(x, types.Float):
            return lambda x: wide(x)
        return None


by_width(exp, exp32, exp64)
by_width(tanh, tanh32, tanh64)
by_width(sigmoid, sigmoid32, sigmoid64)
by_width(erf, erf32, erf64)
by_width(key, key32, key64)
