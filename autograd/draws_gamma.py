"""Gamma numbers as arrays: the logarithms of draws, so that small shape parameters do not underflow."""

from __future__ import annotations

from typing import Any

from .draws import normal, open_uniform
from .dtypes import float64
from .random import Generator

__all__ = ["log_gamma"]


def log_gamma(gen: Generator, shape_parameter: Any, xp: Any) -> Any:
    """ln g, float64, of a Gamma(a, 1) number g for each element a > 0 of the float64 array.

    Marsaglia and Tsang's rejection ("A simple method for generating gamma variables", 2000), which accepts more than 95 %
    at a time, for a >= 1; for a < 1 a draw for a + 1 times u^(1 / a), which is a sum of logarithms here. NaN and infinity
    give NaN, 0 gives -inf.
    """
    a = shape_parameter.reshape(-1)
    known = xp.isfinite(a) & (a >= 0.0)
    small = a < 1.0
    d = xp.where(known, a + xp.where(small, 1.0, 0.0), 1.0) - 1.0 / 3.0
    c = 1.0 / xp.sqrt(9.0 * d)
    out = xp.empty(a.shape, dtype=xp.float64)
    left = xp.arange(a.size)  # the elements without an accepted draw
    while left.size:
        dd = d[left]
        z = normal(gen, (left.size,), float64, xp)
        u = open_uniform(gen, left.size, xp)
        v = 1.0 + c[left] * z
        inside = v > 0.0
        v = xp.where(inside, v, 1.0) ** 3
        log_v = xp.log(v)
        taken = inside & (xp.log(u) < 0.5 * z * z + dd * (1.0 - v + log_v))
        out[left[taken]] = (xp.log(dd) + log_v)[taken]
        left = left[~taken]
    boost = xp.log(open_uniform(gen, a.size, xp)) / xp.where(small & (a > 0.0), a, 1.0)
    out = xp.where(small, out + boost, out)
    out = xp.where(a == 0.0, -xp.inf, out)
    return xp.where(known, out, xp.nan).reshape(shape_parameter.shape)
