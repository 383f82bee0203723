"""Special functions and their first three derivatives against mpmath, at ordinary points, at 0, and in the tails."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg

mpmath = pytest.importorskip("mpmath")  # it comes with PyTorch


def d(f, x, n=1):
    """The n-th derivative of f at the numbers x, by n backward passes."""
    x = rg.tensor(x, dtype=rg.float64, requires_grad=True)
    y = f(x)
    for _ in range(n):
        (y,) = rg.autograd.grad(y.sum(), x, create_graph=True)
    return y.detach().numpy()


def exact(f, x, n):
    with mpmath.workdps(40):
        return [float(mpmath.diff(f, mpmath.mpf(v), n)) for v in x]


# function here, the same in mpmath, points (never at a kink), relative accuracy of derivatives up to the third
CHAINS = {
    "airy_ai": (rg.special.airy_ai, mpmath.airyai, [-7.5, -1.0, 0.0, 1.0, 6.0]),
    "bessel_j0": (rg.special.bessel_j0, lambda x: mpmath.besselj(0, x), [-6.0, 0.0, 1e-3, 1.9, 2.4, 40.0]),
    "bessel_j1": (rg.special.bessel_j1, lambda x: mpmath.besselj(1, x), [-6.0, 0.0, 1e-3, 1.9, 2.4, 40.0]),
    "bessel_y0": (rg.special.bessel_y0, lambda x: mpmath.bessely(0, x), [0.3, 2.0, 9.0]),
    "bessel_y1": (rg.special.bessel_y1, lambda x: mpmath.bessely(1, x), [0.3, 2.0, 9.0]),
    "digamma": (rg.digamma, mpmath.digamma, [-1.3, 0.2, 3.0, 50.0]),
    "entr": (rg.special.entr, lambda x: -x * mpmath.log(x), [0.1, 1.0, 7.0]),
    "erfcx": (rg.special.erfcx, lambda x: mpmath.exp(x * x) * mpmath.erfc(x), [-1.0, 0.0, 2.0, 7.9, 8.1, 60.0]),
    "erfinv": (rg.erfinv, mpmath.erfinv, [-0.9, 0.0, 0.5]),
    "i0": (rg.i0, lambda x: mpmath.besseli(0, x), [-7.0, 0.0, 1e-3, 4.9, 5.1, 30.0]),
    "i0e": (rg.special.i0e, lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(0, x), [-7.0, 0.01, 4.9, 30.0]),
    "i1": (rg.special.i1, lambda x: mpmath.besseli(1, x), [-7.0, 0.0, 1e-3, 4.9, 5.1, 30.0]),
    "i1e": (rg.special.i1e, lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(1, x), [-7.0, 0.01, 4.9, 30.0]),
    "lgamma": (rg.lgamma, mpmath.loggamma, [0.2, 3.0, 50.0]),
    "log_ndtr": (rg.special.log_ndtr, lambda x: mpmath.log(mpmath.ncdf(x)), [-30.0, -5.0, 0.0, 3.0]),
    "logit": (rg.logit, lambda x: mpmath.log(x / (1 - x)), [0.01, 0.5, 0.9]),
    "modified_bessel_k0": (rg.special.modified_bessel_k0, lambda x: mpmath.besselk(0, x), [0.2, 1.0, 9.0]),
    "modified_bessel_k1": (rg.special.modified_bessel_k1, lambda x: mpmath.besselk(1, x), [0.2, 1.0, 9.0]),
    "ndtr": (rg.special.ndtr, mpmath.ncdf, [-9.0, 0.0, 2.0]),
    "polygamma 2": (lambda x: rg.polygamma(2, x), lambda x: mpmath.polygamma(2, x), [0.2, 3.0, 50.0]),
    "scaled_modified_bessel_k0": (
        rg.special.scaled_modified_bessel_k0, lambda x: mpmath.exp(x) * mpmath.besselk(0, x), [0.2, 1.0, 9.0],
    ),
    "scaled_modified_bessel_k1": (
        rg.special.scaled_modified_bessel_k1, lambda x: mpmath.exp(x) * mpmath.besselk(1, x), [0.2, 1.0, 9.0],
    ),
    "sinc": (rg.sinc, mpmath.sincpi, [-2.3, 0.0, 1e-4, 0.5, 1.0, 12.5]),
    "spherical_bessel_j0": (rg.special.spherical_bessel_j0, mpmath.sinc, [-2.3, 0.0, 1e-4, 0.5, 30.0]),
}  # fmt: skip


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("name", sorted(CHAINS))
def test_values_and_derivatives_are_exact(name, order):
    f, right, points = CHAINS[name]
    expected = exact(right, points, order)
    np.testing.assert_allclose(d(f, points, order), expected, rtol=3e-11, atol=1e-12)


@pytest.mark.parametrize("kind", ["chebyshev_polynomial_t", "legendre_polynomial_p", "laguerre_polynomial_l"])
def test_polynomials_have_all_derivatives_also_at_the_ends(kind):
    right = {"t": mpmath.chebyt, "p": mpmath.legendre, "l": lambda n, x: mpmath.laguerre(n, 0, x)}[kind[-1]]
    points = [-1.0, -0.4, 0.0, 1.0]
    for order in range(4):
        found = d(lambda x: getattr(rg.special, kind)(x, 6), points, order)
        np.testing.assert_allclose(found, exact(lambda x: right(6, x), points, order), rtol=1e-10, atol=1e-12)
