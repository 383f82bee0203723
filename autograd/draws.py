"""Random draws as arrays: uniform, normal, integers, permutations and more, from a generator's words.

Most functions take a generator, a shape, a dtype and an array namespace. A `State` names a place in a stream: `below`
takes one, and gives the same numbers whenever it is called, which is how dropout can forget its mask.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from . import core
from . import philox as _philox
from .backend import kernel
from .dtypes import bool_, dtype, float64
from .random import Generator, State

F = TypeVar("F", bound=Callable[..., Any])
_MASK32, _MASK64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF


def _per_sample(f: F) -> F:
    """Inside a vmap, f draws for every sample, or refuses, as its randomness says."""

    @functools.wraps(f)
    def draw(*args: Any, **kwargs: Any) -> Any:
        if core.lifting is not None and core.lifting.active.levels:
            return core.lifting.drawn(f, args, kwargs)
        return f(*args, **kwargs)

    return draw  # type: ignore[return-value]


def bits(gen: Generator, n: int, xp: Any) -> Any:
    """n random 32-bit words (n,), uint32."""
    return _philox.words(xp, n, *gen.reserve(n))


def bits64(gen: Generator, n: int, xp: Any) -> Any:
    """n random 64-bit words (n,), uint64."""
    return bits(gen, 2 * n, xp).view(xp.uint64)


@_per_sample
def uniform(gen: Generator, shape: tuple[int, ...], dtype: dtype, xp: Any, low: float = 0.0, high: float = 1.0) -> Any:
    """Uniform numbers in [low, high), of 24 bits (float32), 53 (float64), 11 (float16) or 8 (bfloat16).

    Complex numbers have independent uniform parts. The multiples of 2^-24 (...) in [0, 1) are exact; elsewhere a value
    that rounds up to `high` is replaced by the largest number below it.
    """
    n = math.prod(shape)
    if dtype.kind == "c":
        parts = uniform(gen, (2 * n,), dtype.to_real(), xp, low, high)
        return parts.view(dtype.np).reshape(shape)
    u = _uniform01(xp, n, dtype, gen.reserve(2 * n if dtype is float64 else n))
    if low != 0.0 or high != 1.0:
        wide = np.float64 if dtype is float64 else np.float32
        u = u.astype(wide, copy=False)
        u *= wide(high - low)
        u += wide(low)
        top = dtype.np.type(high)
        if low < high:
            top = np.nextafter(top, dtype.np.type(-math.inf))
        u = u.astype(dtype.np, copy=False)
        u = xp.minimum(u, xp.asarray(top)) if xp is np else xp.minimum(u, top)
    return u.reshape(shape)


def _uniform01(xp: Any, n: int, dtype: dtype, state: State) -> Any:
    """n uniform numbers in [0, 1), at this place."""
    if dtype.fast:
        fused = kernel(xp, "philox_uniform")
        if fused is not None:
            u = fused(n, dtype.np, *state)
            if u is not NotImplemented:
                return u
    if dtype is float64:
        w = _philox.words(xp, 2 * n, *state).view(xp.uint64)
        w >>= np.uint64(11)
        u = w.astype(xp.float64)
        u *= 2.0**-53
        return u
    digits = {"float32": 24, "float16": 11, "bfloat16": 8}[dtype.name]
    w = _philox.words(xp, n, *state)
    w >>= np.uint32(32 - digits)
    u = w.astype(xp.float32)
    u *= np.float32(2.0**-digits)
    return u.astype(dtype.np, copy=False)


_CHUNK = 16384  # numbers at a time, so that the passes of one formula find them in the cache


def _open(xp: Any, w: Any, wide: bool) -> Any:
    """Words as float64 in the open interval (0, 1): 32 bits each, or 52 when `wide`, plus one half."""
    if wide:
        u = (w.view(xp.uint64) >> np.uint64(12)).astype(xp.float64)
        u += 0.5
        u *= 2.0**-52
    else:
        u = w.astype(xp.float64)
        u += 0.5
        u *= 2.0**-32
    return u


@_per_sample
def open_uniform(gen: Generator, n: int, xp: Any, wide: bool = True) -> Any:
    """n uniform float64 numbers (n,) that are neither 0 nor 1: of 52 bits when `wide`, else of 32."""
    return _open(xp, bits(gen, 2 * n if wide else n, xp), wide)


def normal_words(n: int, dtype: dtype) -> int:
    """How many 32-bit words `normal` takes for n numbers."""
    if dtype.kind == "c":
        return normal_words(2 * n, dtype.to_real())
    return (n + 1) // 2 * (4 if dtype is float64 else 2)


@_per_sample
def normal(gen: Generator, shape: tuple[int, ...], dtype: dtype, xp: Any, mean: float = 0.0, std: float = 1.0) -> Any:
    """Normal numbers by Box and Muller: pairs sqrt(-2 ln u) (cos 2 pi v, sin 2 pi v), computed in float64.

    u and v have 32 bits (52 for float64), so values reach 6.7 (8.6) standard deviations. float32 results are rounded
    once: right to half a unit in the last place. Complex numbers have variance std^2 in all, half of it in each part.
    """
    n = math.prod(shape)
    if dtype.kind == "c":
        parts = normal(gen, (2 * n,), dtype.to_real(), xp, 0.0, std * math.sqrt(0.5)).view(dtype.np)
        if mean:
            parts += dtype.np.type(mean)
        return parts.reshape(shape)
    wide = dtype is float64
    pairs = (n + 1) // 2
    key, low, high = gen.reserve(normal_words(n, dtype))
    out = xp.empty((pairs, 2), dtype=dtype.np if dtype.fast else xp.float32)
    per_block = 1 if wide else 2
    step = _CHUNK if xp is np else max(pairs, 1)
    for start in range(0, pairs, step):
        m = min(step, pairs - start)
        w = _philox.words(xp, m * (4 if wide else 2), key, (low + start // per_block) & _MASK64, high)
        u = _open(xp, w, wide).reshape(m, 2)
        angle = u[:, 1] * (2.0 * math.pi)
        radius = xp.log(u[:, 0])
        radius *= -2.0 * std * std
        xp.sqrt(radius, out=radius)
        for part, f in enumerate((xp.cos, xp.sin)):
            z = f(angle)
            z *= radius
            if mean:
                z += mean
            out[start : start + m, part] = z
    return out.reshape(-1)[:n].astype(dtype.np, copy=False).reshape(shape)


@_per_sample
def randint(gen: Generator, low: int, high: int, shape: tuple[int, ...], dtype: dtype, xp: Any) -> Any:
    """Integers in [low, high) by multiply and shift, floor(x (high - low) / 2^64) with 64 random bits x.

    The chances of two values differ by at most (high - low) / 2^64 of one of them: not measurable for ranges below
    2^32, and no more than in `x mod range` for any range.
    """
    n = math.prod(shape)
    x = bits64(gen, n, xp)
    r = high - low
    if r <= 1 << 32:
        x = ((x >> 32) * np.uint64(r) + (((x & _MASK32) * np.uint64(r)) >> 32)) >> 32
    elif r < 1 << 64:
        a, b, c, d = x >> 32, x & _MASK32, np.uint64(r >> 32), np.uint64(r & _MASK32)
        t = a * d + ((b * d) >> 32)
        x = a * c + (t >> 32) + ((b * c + (t & _MASK32)) >> 32)
    if low:
        x += np.uint64(low & _MASK64)  # modulo 2^64, which is right for the two's complement below
    if dtype.name != "uint64":
        x = x.view(xp.int64)
    return x.astype(dtype.np, copy=False).reshape(shape)


@_per_sample
def permutation(gen: Generator, n: int, xp: Any) -> Any:
    """The numbers 0 to n - 1 in random order (n,), int64.

    Every number goes into the low bits of a random 64-bit word and the words are sorted: one fast sort, without ties,
    so the order does not depend on the algorithm. Two words agree in all of their random bits once in 2^(64 - log2 n)
    pairs, and then stay in order.
    """
    word = bits64(gen, n, xp)
    low = np.uint64((1 << max(n - 1, 0).bit_length()) - 1)
    word &= ~low
    word |= xp.arange(n, dtype=xp.uint64)
    word.sort()
    word &= low
    return word.view(xp.int64)


def threshold(p: float) -> int:
    """How many of the 2^32 words stand for an event of probability p."""
    return round(p * 4294967296.0)


@_per_sample
def below(xp: Any, n: int, p: float, state: State) -> Any:
    """n booleans (n,), each True with probability p (rounded to a multiple of 2^-32), at this place."""
    limit = threshold(p)
    if limit >= 1 << 32:
        return xp.ones(n, dtype=xp.bool_)
    fused = kernel(xp, "philox_below")
    if fused is not None:
        found = fused(n, limit, *state)
        if found is not NotImplemented:
            return found
    return _philox.words(xp, n, *state) < np.uint32(limit)


@_per_sample
def bernoulli(gen: Generator, p: Any, shape: tuple[int, ...], dtype: dtype, xp: Any) -> Any:
    """Zeros and ones; p is the probability of a one, a number or an array that broadcasts to `shape`."""
    n = math.prod(shape)
    if isinstance(p, (int, float)):
        found = below(xp, n, float(p), gen.reserve(n)).reshape(shape)
    else:
        found = open_uniform(gen, n, xp, wide=False).reshape(shape) < p
    return found if dtype is bool_ else found.astype(dtype.np)


@_per_sample
def exponential(gen: Generator, shape: tuple[int, ...], dtype: dtype, xp: Any, lambd: float = 1.0) -> Any:
    """Exponential numbers, -ln(u) / lambd; never 0."""
    u = open_uniform(gen, math.prod(shape), xp, wide=dtype is float64)
    xp.log(u, out=u)
    u *= -1.0 / lambd
    return u.astype(dtype.np, copy=False).reshape(shape)


@_per_sample
def cauchy(gen: Generator, shape: tuple[int, ...], dtype: dtype, xp: Any, median: float, sigma: float) -> Any:
    """Cauchy numbers, median + sigma tan(pi (u - 1/2))."""
    u = open_uniform(gen, math.prod(shape), xp, wide=dtype is float64)
    u -= 0.5
    u *= math.pi
    return (xp.tan(u) * sigma + median).astype(dtype.np, copy=False).reshape(shape)


@_per_sample
def geometric(gen: Generator, shape: tuple[int, ...], dtype: dtype, xp: Any, p: float) -> Any:
    """How many trials until the first success, 1, 2, ...: ceil(ln u / ln(1 - p)) for 0 < p < 1."""
    u = open_uniform(gen, math.prod(shape), xp)
    k = xp.ceil(xp.log(u) / math.log1p(-p))
    if dtype.is_int:
        most = float(2 ** (8 * dtype.itemsize - dtype.is_signed))  # one more than the largest value
        k = xp.minimum(k, most - 1.0 if most < 2.0**53 else math.nextafter(most, 0.0))
    return xp.maximum(k, 1.0).astype(dtype.np).reshape(shape)


def poisson(gen: Generator, rate: Any, xp: Any, log_gamma: Any) -> Any:
    """Poisson counts, float64, for each element of the float64 array `rate` (>= 0); log_gamma(x) is ln Gamma(x)."""
    small = rate < 10.0
    out = xp.zeros(rate.shape, dtype=xp.float64)
    if bool(small.any()):
        out = _poisson_small(gen, xp.where(small, rate, 0.0), xp)
    if not bool(small.all()):
        out = xp.where(small, out, _poisson_big(gen, xp.where(small, 10.0, rate), xp, log_gamma))
    return out


def _poisson_small(gen: Generator, rate: Any, xp: Any) -> Any:
    """Inversion: count how many partial sums of e^-rate rate^k / k! lie below u."""
    u = open_uniform(gen, rate.size, xp).reshape(rate.shape)
    term = xp.exp(-rate)
    total = term.copy()
    k = xp.zeros(rate.shape, dtype=xp.float64)
    for i in range(1, 100):  # the sum for rate 10 is 1 in float64 well before
        more = u > total
        if not bool(more.any()):
            break
        k += more
        term *= rate / i
        total += term
    return k


def _poisson_big(gen: Generator, rate: Any, xp: Any, log_gamma: Any) -> Any:
    """Hormann's transformed rejection PTRS (1993), all elements at a time until the last is accepted."""
    b = 0.931 + 2.53 * xp.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2.0)
    log_rate = xp.log(rate)
    out = xp.zeros(rate.shape, dtype=xp.float64)
    open_ = xp.ones(rate.shape, dtype=xp.bool_)
    while bool(open_.any()):
        u, v = open_uniform(gen, 2 * rate.size, xp).reshape(2, *rate.shape)
        u = u - 0.5
        us = 0.5 - xp.abs(u)
        k = xp.floor((2.0 * a / us + b) * u + rate + 0.43)
        fast = (us >= 0.07) & (v <= v_r)
        inside = (k >= 0.0) & ((us >= 0.013) | (v <= us))
        kept = xp.maximum(k, 0.0)
        exact = xp.log(v * inverse_alpha / (a / (us * us) + b)) <= kept * log_rate - rate - log_gamma(kept + 1.0)
        take = open_ & (fast | (inside & exact))
        out = xp.where(take, k, out)
        open_ = open_ & ~take
    return out
