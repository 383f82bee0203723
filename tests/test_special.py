"""Special functions beyond the generated tests: the namespace, tails, edges, what is refused; numbers as they are stored."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special

import retrograd as rg


def test_the_namespace_is_pytorchs():
    torch = pytest.importorskip("torch")
    names = {n for n in dir(torch.special) if not n.startswith("_") and n not in ("torch", "Tensor")}
    names -= {"common_args", "multi_dim_common"}
    assert names - set(rg.special.__all__) == set()


def test_aliases():
    s = rg.special
    assert s.psi is s.digamma is rg.digamma
    assert (s.gammaln, s.multigammaln, s.gammainc, s.gammaincc) == (rg.lgamma, rg.mvlgamma, rg.igamma, rg.igammac)
    assert (s.expit, s.round, s.softmax) == (rg.sigmoid, rg.round, rg.softmax)


# ---------------------------------------------------------------- tails
def test_tails_keep_their_accuracy():
    x = rg.tensor([-1e4, -1e2], dtype=rg.float64, requires_grad=True)
    y = rg.special.log_ndtr(x)
    np.testing.assert_allclose(y.detach().numpy(), scipy.special.log_ndtr([-1e4, -1e2]), rtol=1e-14)
    y.sum().backward()  # the inverse Mills ratio: -x - 1 / x + ...
    np.testing.assert_allclose(x.grad.numpy(), [1e4 + 1e-4, 100.00999800099926], rtol=1e-12)
    y = rg.special.erfcx(rg.tensor([1e8, 1e200], dtype=rg.float64))
    np.testing.assert_allclose(y.numpy(), [1e-8 / math.sqrt(math.pi), 1e-200 / math.sqrt(math.pi)], rtol=1e-15)
    y = rg.igammac(rg.tensor([2.0], dtype=rg.float64), rg.tensor([80.0], dtype=rg.float64))
    np.testing.assert_allclose(y.numpy(), 81 * math.exp(-80), rtol=1e-13)


def test_logaddexp2_of_far_apart_and_infinite_values():
    x = rg.tensor([1e4, -math.inf, 3.0], requires_grad=True)
    y = rg.tensor([-1e4, 2.0, math.inf], requires_grad=True)
    rg.logaddexp2(x, y).sum().backward()
    assert x.grad.tolist() == [1.0, 0.0, 0.0] and y.grad.tolist() == [0.0, 1.0, 1.0]


# ---------------------------------------------------------------- edges
def test_poles_and_edges():
    nan, inf = math.nan, math.inf
    assert rg.lgamma(rg.tensor([-inf, inf, 0.0, -1.0])).tolist() == [inf] * 4
    assert rg.digamma(rg.tensor([0.0, -0.0])).tolist() == [-inf, inf]
    assert rg.special.entr(rg.tensor([0.0, -1.0])).tolist() == [0.0, -inf]
    assert rg.erfinv(rg.tensor([-1.0, 1.0])).tolist() == [-inf, inf]
    np.testing.assert_equal(rg.logit(rg.tensor([0.0, 1.0, 1.5])).numpy(), np.float32([-inf, inf, nan]))
    np.testing.assert_equal(rg.xlogy(rg.tensor([0.0, 0.0]), rg.tensor([0.0, nan])).numpy(), np.float32([0, nan]))
    assert rg.special.spherical_bessel_j0(rg.tensor([0.0, inf])).tolist() == [1.0, 0.0]


def test_gradients_at_edges():
    x = rg.tensor([0.0, 0.0, 2.0], requires_grad=True)
    y = rg.tensor([0.0, 4.0, 4.0], requires_grad=True)
    rg.xlogy(x, y).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0.0, math.log(4), math.log(4)], rtol=1e-6)
    assert math.isnan(y.grad[0].item()) and y.grad[1:].tolist() == [0.0, 0.5]
    x = rg.tensor([0.0, 0.25, 1.0], requires_grad=True)
    rg.logit(x, eps=0.1).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0.0, 16 / 3, 0.0], rtol=1e-6)
    x = rg.tensor([1.0, 2.0, math.nan], requires_grad=True)
    y = rg.tensor([1.0, math.nan, 3.0], requires_grad=True)
    rg.fmax(x, y).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0, 0.0] and y.grad.tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("name", ["igamma", "igammac", "zeta"])
def test_the_order_has_no_derivative(name):
    f = getattr(rg, name, None) or getattr(rg.special, name)
    a = rg.tensor([2.0], dtype=rg.float64, requires_grad=True)
    x = rg.tensor([1.5], dtype=rg.float64, requires_grad=True)
    (g,) = rg.autograd.grad(f(a, x), x)  # asking for x alone is fine
    assert g.item() != 0
    with pytest.raises(rg.GraphError, match=f"{name}: there is no derivative with respect to its first argument"):
        f(a, x).sum().backward()


def test_igamma_written_into_its_own_order_keeps_the_gradient_of_x():
    a, x = rg.tensor([2.0, 0.5]), rg.tensor([1.0, 3.0], requires_grad=True)
    expected = rg.autograd.grad(rg.igamma(a, x).sum(), x)[0]
    a.igamma_(x).sum().backward()
    assert x.grad.tolist() == expected.tolist()


# ---------------------------------------------------------------- polynomials
def test_degrees_in_a_tensor():
    n = rg.tensor([[0, 1], [2, -3]])
    x = rg.tensor([0.5, 2.0], dtype=rg.float64)
    assert rg.special.chebyshev_polynomial_t(x, n).tolist() == [[1.0, 2.0], [-0.5, 0.0]]
    assert rg.special.hermite_polynomial_he(x, 2).tolist() == [-0.75, 3.0]
    assert rg.special.legendre_polynomial_p(2, rg.tensor([0, 1])).tolist() == [1.0, 2.0]
    assert rg.special.chebyshev_polynomial_u(x, 2.9).tolist() == [0.0, 15.0]


# ---------------------------------------------------------------- numbers as they are stored
def test_frexp_and_ldexp_are_inverse():
    x = rg.tensor([0.0, -3.0, 5e-324, 1e300], dtype=rg.float64)
    m, e = rg.frexp(x)
    assert e.dtype is rg.int32 and e.tolist() == [0, 2, -1073, 997]
    assert rg.ldexp(m[:2], e[:2]).tolist() == [0.0, -3.0]
    h = rg.frexp(rg.tensor([6.0], dtype=rg.float16))
    assert h.mantissa.dtype is rg.float16 and (h.mantissa.item(), h.exponent.item()) == (0.75, 3)


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32", "float64"])
def test_nextafter_moves_by_one_unit_of_the_dtype(name):
    dtype = getattr(rg, name)
    one = rg.ones(1, dtype=dtype)
    above = rg.nextafter(one, one * 2)
    assert above.dtype is dtype and (above.double() - 1).item() == rg.finfo(dtype).eps


def test_half_types_round_once():
    x = rg.tensor([0.3, 2.7], dtype=rg.bfloat16)
    assert rg.digamma(x).tolist() == rg.digamma(x.float()).bfloat16().tolist()
    assert rg.special.erfcx(x).tolist() == rg.special.erfcx(x.float()).bfloat16().tolist()


def test_in_place_forms():
    x = rg.tensor([2.0, 3.0])
    y = x.clone()
    assert y.lgamma_() is y and y.tolist() == rg.lgamma(x).tolist()
    assert x.clone().polygamma_(1).tolist() == rg.polygamma(1, x).tolist()
    assert rg.tensor([12, 18]).gcd_(rg.tensor([8, 12])).tolist() == [4, 6]
    with pytest.raises(RuntimeError, match="digamma_"):
        rg.tensor([2, 3]).digamma_()
