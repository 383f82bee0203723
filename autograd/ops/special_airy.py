"""Airy's function Ai and its derivative: from SciPy, and by quadrature on arrays of other libraries, which lack it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import by_xp
from ..op import unary
from ..samples import call, t
from .special_gamma import no_complex, on, real_only, scipy_ref, underived

__all__ = ["airy_ai"]

# Ai(0) and -Ai'(0)
_AT_0 = 1 / (3 ** (2 / 3) * math.gamma(2 / 3))
_SLOPE_AT_0 = 1 / (3 ** (1 / 3) * math.gamma(1 / 3))
_NODES = 40


def _series(x: Any, slope: bool) -> Any:
    """The Maclaurin series of Ai or Ai', for |x| <= 2."""
    cube = x * x * x
    even, odd = cube * 0, cube * 0
    for k in range(14, -1, -1):
        if slope:
            even = (even + 1) * cube / ((3 * k + 3) * (3 * k + 5))
            odd = (odd + 1) * cube / ((3 * k + 1) * (3 * k + 3))
        else:
            even = (even + 1) * cube / ((3 * k + 2) * (3 * k + 3))
            odd = (odd + 1) * cube / ((3 * k + 3) * (3 * k + 4))
    if slope:
        return (even + 1) * (x * x) * (_AT_0 / 2) - (odd + 1) * _SLOPE_AT_0
    return (even + 1) * _AT_0 - (odd + 1) * x * _SLOPE_AT_0


def _integral(xp: Any, x: Any, slope: bool) -> Any:
    """For |x| > 2, from the modified Bessel function K of order 1/3 (slope: 2/3) at z = 2/3 |x|^(3/2), or i z for x < 0.

    K(z) = sqrt(pi / 2 z) exp(-z) / gamma(v + 1/2) times the integral of exp(-t) t^(v - 1/2) (1 + t / 2 z)^(v - 1/2) over
    t > 0, by Gauss' and Laguerre's quadrature. Reference: Gil, Segura and Temme, Computing complex Airy functions by
    numerical quadrature, 2002.
    """
    from scipy.special import roots_genlaguerre

    v = 2 / 3 if slope else 1 / 3
    nodes, weights = roots_genlaguerre(_NODES, v - 0.5)
    r = abs(x)
    z = r * xp.sqrt(r) * (2 / 3)
    side = xp.where(x > 0, 1.0 + 0.0j, -1.0j)
    total = side * 0
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        total = total + (side * (node / 2) / z + 1) ** (v - 0.5) * weight
    size = (r / math.sqrt(3) if slope else xp.sqrt(r / 3)) * xp.sqrt(math.pi / 2 / z) / (math.pi * math.gamma(v + 0.5))
    turn = xp.exp(1j * (math.pi * (0.75 if slope else 0.25) - z)) * 2
    decay = xp.exp(-z) * (-1 if slope else 1)
    return size * xp.where(x > 0, decay * total.real, (turn * total).real)


def _airy(op: str, slope: bool) -> Any:
    def forward(xp: Any, x: Any) -> Any:
        real_only(x, op)
        if xp is np:
            return by_xp(xp).special("airy")(x)[slope]
        y = x.astype("float64")
        near = abs(y) <= 2
        far = _integral(xp, xp.where(near, 3.0, y), slope)
        return xp.where(near, _series(xp.where(near, y, 0.0), slope), far).astype(x.dtype)

    return forward


airy_ai = unary(
    "airy_ai",
    _airy("airy_ai", False),
    lambda g, x, o: g * airy_slope(x),
    saves="x",
    where="special",
    method=False,
    samples=underived(lambda: [*on(low=-4.0, high=4.0)(), call(t(4, values=[0.0, -12.5, 9.0, 30.0]))]),
    errors=no_complex(),
    ref=lambda x: scipy_ref("airy")(x)[0],
    doc="""Airy's function Ai(x), the solution of y'' = x y that vanishes to the right.

    Shapes: any. Integers become the default dtype. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.airy_ai(rg.tensor([0.0, 1.0]))
    tensor([0.3550, 0.1353])
    """,
)
airy_slope = unary(
    "airy_slope", _airy("airy_slope", True), lambda g, x, o: g * (x * airy_ai(x)), saves="x", public=False,
    doc="The derivative Ai'(x).",
)  # fmt: skip
