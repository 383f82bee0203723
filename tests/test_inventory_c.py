"""Section C of the inventory, activations: each against its formula, the identities between them, and the learned ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import retrograd as rg
from retrograd import nn

X = np.concatenate([np.linspace(-6, 6, 25), [-0.5, 0.0, 0.25, 1.0]]).reshape(1, -1)
E = np.exp


def sigma(x):
    return 1 / (1 + E(-x))


def norm_cdf(x):
    return special.ndtr(x)


def softplus(x, beta=1.0):
    return np.where(beta * x > 20, x, np.log1p(E(np.minimum(beta * x, 20))) / beta)


ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805
FIXED = {
    "ReLU": (nn.ReLU(), lambda x: np.maximum(x, 0)),
    "LeakyReLU": (nn.LeakyReLU(0.1), lambda x: np.where(x < 0, 0.1 * x, x)),
    "PReLU": (nn.PReLU(init=0.3), lambda x: np.maximum(x, 0) + np.float32(0.3) * np.minimum(x, 0)),
    "RReLU": (nn.RReLU(0.1, 0.3).eval(), lambda x: np.where(x < 0, 0.2 * x, x)),
    "ReLU6": (nn.ReLU6(), lambda x: np.clip(x, 0, 6)),
    "ClippedReLU": (nn.ClippedReLU(2.5), lambda x: np.minimum(np.maximum(x, 0), 2.5)),
    "ELU": (nn.ELU(0.7), lambda x: np.where(x > 0, x, 0.7 * (E(x) - 1))),
    "SELU": (nn.SELU(), lambda x: SCALE * np.where(x > 0, x, ALPHA * (E(x) - 1))),
    "CELU": (nn.CELU(0.7), lambda x: np.maximum(0, x) + np.minimum(0, 0.7 * (E(x / 0.7) - 1))),
    "GELU": (nn.GELU(), lambda x: x * norm_cdf(x)),
    "GELU-tanh": (
        nn.GELU(approximate="tanh"),
        lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    ),
    "SiLU": (nn.SiLU(), lambda x: x * special.expit(x)),
    "Mish": (nn.Mish(), lambda x: x * np.tanh(np.log1p(E(x)))),
    "Softplus": (nn.Softplus(2.0), lambda x: softplus(x, 2.0)),
    "Softsign": (nn.Softsign(), lambda x: x / (1 + np.abs(x))),
    "Softshrink": (nn.Softshrink(0.5), lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0)),
    "Hardshrink": (nn.Hardshrink(0.5), lambda x: np.where(np.abs(x) > 0.5, x, 0)),
    "Tanhshrink": (nn.Tanhshrink(), lambda x: x - np.tanh(x)),
    "Hardtanh": (nn.Hardtanh(-1.5, 0.5), lambda x: np.clip(x, -1.5, 0.5)),
    "Hardsigmoid": (nn.Hardsigmoid(), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "Hardswish": (nn.Hardswish(), lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "Sigmoid": (nn.Sigmoid(), special.expit),
    "LogSigmoid": (nn.LogSigmoid(), lambda x: -np.logaddexp(0, -x)),
    "Tanh": (nn.Tanh(), lambda x: (E(x) - E(-x)) / (E(x) + E(-x))),
    "ScaledTanh": (nn.ScaledTanh(1.5, 0.5), lambda x: 1.5 * np.tanh(0.5 * x)),
    "LeCunTanh": (nn.LeCunTanh(), lambda x: 1.7159 * np.tanh(2 * x / 3)),
    "Threshold": (nn.Threshold(0.2, -3.0), lambda x: np.where(x > 0.2, x, -3.0)),
    "Heaviside": (nn.Heaviside(0.25), lambda x: np.heaviside(x, 0.25)),
    "Softmax": (nn.Softmax(-1), lambda x: special.softmax(x, -1)),
    "LogSoftmax": (nn.LogSoftmax(-1), lambda x: special.log_softmax(x, -1)),
    "Softmin": (nn.Softmin(-1), lambda x: special.softmax(-x, -1)),
}


@pytest.mark.parametrize("name", sorted(FIXED))
def test_c_values_are_those_of_the_formula(name):
    module, formula = FIXED[name]
    x = rg.tensor(X)
    np.testing.assert_allclose(module.to(rg.float64)(x).detach().numpy(), formula(X), rtol=1e-12, atol=1e-13)
    single = module.to(rg.float32)(x.float())
    assert single.dtype == rg.float32
    np.testing.assert_allclose(single.detach().numpy(), formula(X), rtol=3e-6, atol=3e-6)


def test_c_glu_and_maxout_take_several_inputs_for_one_output():
    x = np.random.default_rng(0).normal(size=(3, 6))
    np.testing.assert_allclose(nn.GLU()(rg.tensor(x)).numpy(), x[:, :3] * special.expit(x[:, 3:]), rtol=1e-12)
    np.testing.assert_array_equal(nn.ChannelMaxout(3)(rg.tensor(x)).numpy(), x.reshape(3, 2, 3).max(2))


def test_c_rrelu_draws_its_slopes_in_training():
    x = -rg.ones(20_000, dtype=rg.float64)
    slopes = -nn.RReLU(0.1, 0.3)(x)
    assert slopes.min() >= 0.1 and slopes.max() <= 0.3
    assert abs(slopes.mean().item() - 0.2) < 0.002


# ---------------------------------------------------------------- identities
def test_c_lecun_tanh_maps_one_to_one():
    f = nn.LeCunTanh()
    at = f(rg.tensor([1.0, -1.0, 0.0], dtype=rg.float64)).numpy()
    np.testing.assert_allclose(at, [1, -1, 0], atol=1e-4)
    # "where its second derivative is largest": at 1 within the precision of the constants.
    x = rg.linspace(0.2, 2.0, 361, dtype=rg.float64).requires_grad_()
    (first,) = rg.autograd.grad(f(x).sum(), x, create_graph=True)
    (second,) = rg.autograd.grad(first.sum(), x)
    assert abs(x[second.abs().argmax()].item() - 1.0) < 0.02


def test_c_derivative_of_softplus_is_sigmoid():
    x = rg.tensor(X[0], requires_grad=True)
    (g,) = rg.autograd.grad(nn.Softplus()(x).sum(), x)
    np.testing.assert_allclose(g.numpy(), special.expit(X[0]), rtol=1e-12)


def test_c_tanh_is_a_scaled_sigmoid():
    x = rg.tensor(X)
    np.testing.assert_allclose(nn.Tanh()(x).numpy(), (2 * nn.Sigmoid()(2 * x) - 1).numpy(), atol=1e-15)


def test_c_step_has_gradient_zero_everywhere():
    x = rg.tensor([-np.inf, -1.0, 0.0, 2.0, np.inf], requires_grad=True)
    y = nn.Heaviside()(x)
    y.sum().backward()
    assert y.tolist() == [0, 0, 1, 1, 1]
    assert x.grad.tolist() == [0, 0, 0, 0, 0]


# ---------------------------------------------------------------- learned
def srelu(x, t_r, a_r, t_l, a_l):
    return t_r + a_r * (x - t_r) if x >= t_r else t_l + a_l * (x - t_l) if x <= t_l else x


def aplu(x, a, b):
    return max(0.0, x) + sum(ai * max(0.0, -x + bi) for ai, bi in zip(a, b, strict=True))


def prelu(x, c):
    return x if x > 0 else c * x


MELU_A, MELU_L = [2, 1, 3, 0.5, 1.5, 2.5, 3.5], [2, 1, 1, 0.5, 0.5, 0.5, 0.5]  # for max_input 1
GALU_A, GALU_L = [1, 0.5, 2.5, 0.25, 1.25, 2.25, 3.25], [1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]


def melu(x, c, m):
    hats = [max(m * lam - abs(x - m * a), 0) for a, lam in zip(MELU_A, MELU_L, strict=True)]
    return prelu(x, c[0]) + sum(cj * hat for cj, hat in zip(c[1:], hats, strict=False))


def galu(x, c, m):
    waves = [
        max(m * lam - abs(x - m * a), 0) + min(abs(x - m * a - 2 * m * lam) - m * lam, 0)
        for a, lam in zip(GALU_A, GALU_L, strict=True)
    ]
    return prelu(x, c[0]) + sum(cj * wave for cj, wave in zip(c[1:], waves, strict=False))


LEARNED = {
    "SReLU": (lambda n: nn.SReLU(n, 1.5, 0.3, -0.5, 0.2, dtype=rg.float64), lambda x, p: srelu(x, *p)),
    "APLU": (lambda n: nn.APLU(n, 3, 2.0, dtype=rg.float64), lambda x, p: aplu(x, *p)),
    "MeLU": (lambda n: nn.MeLU(n, 4, 0.7, dtype=rg.float64), lambda x, p: melu(x, *p, 0.7)),
    "MeLU-wide": (lambda n: nn.MeLU(n, 8, dtype=rg.float64), lambda x, p: melu(x, *p, 1.0)),
    "GaLU": (lambda n: nn.GaLU(n, 4, 0.7, dtype=rg.float64), lambda x, p: galu(x, *p, 0.7)),
    "GaLU-wide": (lambda n: nn.GaLU(n, 8, dtype=rg.float64), lambda x, p: galu(x, *p, 1.0)),
}


def shaken(make, n):
    """A module whose parameters have left their start."""
    module = make(n)
    with rg.no_grad():
        for p in module.parameters():
            p += rg.randn_like(p) * 0.1
    return module


@pytest.mark.parametrize("name", sorted(LEARNED))
def test_c_learned_activations_follow_the_paper_for_each_channel(name):
    make, formula = LEARNED[name]
    for channels, x in ((3, np.random.default_rng(1).normal(size=(4, 3, 5)) * 2), (1, X)):
        module = shaken(make, channels)
        params = [p.detach().numpy() for p in module.parameters()]
        wanted = np.empty_like(x)
        for i in np.ndindex(*x.shape):
            c = i[1] if channels > 1 else 0
            own = [p[..., c].tolist() for p in params]
            wanted[i] = formula(float(x[i]), own)
        np.testing.assert_allclose(module(rg.tensor(x)).detach().numpy(), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", sorted(LEARNED))
def test_c_learned_activations_have_right_gradients_for_input_and_parameters(name):
    module = shaken(LEARNED[name][0], 2)
    names, params = zip(*module.named_parameters(), strict=True)
    x = (rg.randn(4, 2, 3, dtype=rg.float64) * 2).requires_grad_()

    def run(x, *values):
        return rg.func.functional_call(module, dict(zip(names, values, strict=True)), (x,))

    values = [p.detach().clone().requires_grad_() for p in params]
    assert rg.autograd.gradcheck(run, (x, *values))


@pytest.mark.parametrize("make", [nn.SReLU, nn.APLU, nn.MeLU, nn.GaLU], ids=lambda c: c.__name__)
def test_c_learned_activations_start_as_relu_and_travel_in_a_state_dict(make):
    x = rg.randn(5, 3, 4)
    module = make(3)
    np.testing.assert_array_equal(module(x).detach().numpy(), np.maximum(x.numpy(), 0))
    source = shaken(make, 3)
    module.load_state_dict(source.state_dict())
    assert rg.equal(module(x), source(x))
    module.reset_parameters()
    np.testing.assert_array_equal(module(x).detach().numpy(), np.maximum(x.numpy(), 0))
    with pytest.raises(ValueError, match=r"\(N, 3, \.\.\.\), got shape \(5, 2\)"):
        module(rg.zeros(5, 2))
    with pytest.raises(ValueError, match="num_parameters must be positive"):
        make(0)


def test_c_learned_activations_learn():
    """Each fits a wave that ReLU alone cannot have."""
    x = rg.linspace(-1, 4, 200)
    y = nn.functional.relu(x) + rg.sin(x * (np.pi / 2)) * (x > 0)
    for module in (nn.APLU(segments=6, max_input=4.0), nn.MeLU(k=8), nn.GaLU(k=8)):
        optimizer = rg.optim.Adam(module.parameters(), lr=0.05)
        losses = []
        for _ in range(60):
            loss = ((module(x) - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0], type(module).__name__


def test_c_bad_settings_are_named():
    for make, message in (
        (lambda: nn.ClippedReLU(0), "max_value must be positive, got 0"),
        (lambda: nn.SReLU(left_threshold=2.0), "left_threshold must not exceed"),
        (lambda: nn.APLU(segments=0), "segments must be positive"),
        (lambda: nn.MeLU(k=0), "k, the parameters of a channel, must be at least 1"),
        (lambda: nn.GaLU(max_input=-1), "max_input must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
