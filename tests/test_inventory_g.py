"""Initializers, row G of the inventory: what the source documents say that each of them does."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F
from retrograd.nn import init

DEPTH = 50


# ---------------------------------------------------------------- the list
SHAPE = (60, 40, 5)  # fan_in 200, fan_out 300
VARIANCES = [
    ("zeros_", {}, 0.0),
    ("ones_", {}, 0.0),
    ("constant_", {"val": 3.0}, 0.0),
    ("uniform_", {"a": -2.0, "b": 2.0}, 4 / 3),
    ("normal_", {"std": 0.5}, 0.25),
    ("trunc_normal_", {}, 0.87962566**2),
    ("truncated_normal_", {"std": 0.5}, 0.25),
    ("lecun_uniform_", {}, 1 / 200),
    ("lecun_normal_", {}, 1 / 200),
    ("xavier_uniform_", {}, 2 / 500),
    ("xavier_normal_", {}, 2 / 500),
    ("kaiming_uniform_", {"nonlinearity": "relu"}, 2 / 200),
    ("kaiming_normal_", {"nonlinearity": "relu"}, 2 / 200),
    ("kaiming_uniform_", {"nonlinearity": "relu", "mode": "fan_out"}, 2 / 300),
    ("kaiming_normal_", {"nonlinearity": "relu", "mode": "fan_out"}, 2 / 300),
    ("kaiming_normal_", {"a": 0.25}, 2 / (1 + 0.25**2) / 200),  # before a PReLU
    ("orthogonal_", {}, 1 / 200),
]


@pytest.mark.parametrize(("name", "kwargs", "variance"), VARIANCES)
def test_g_each_scheme_has_its_variance(name, kwargs, variance):
    rg.manual_seed(0)
    w = getattr(init, name)(rg.empty(SHAPE), **kwargs).numpy()
    assert w.var() == pytest.approx(variance, rel=0.04)
    assert abs(w.mean() - (kwargs.get("val", 1.0 if name == "ones_" else 0.0))) < 0.03 * max(math.sqrt(variance), 1e-9)


def test_g_structured_schemes():
    rg.manual_seed(0)
    x = rg.randn(2, 4, 6, 6)
    conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
    for fill in (init.dirac_, init.identity_):
        fill(conv.weight)
        assert conv(x).tolist() == x.tolist()
    line = nn.Linear(6, 6, bias=False)
    for fill in (init.eye_, init.identity_):
        fill(line.weight)
        assert line(x).tolist() == x.tolist()
    w = init.orthogonal_(rg.empty(5, 9, dtype=rg.float64))
    np.testing.assert_allclose((w @ w.T).numpy(), np.eye(5), atol=1e-12)
    assert ((init.sparse_(rg.empty(10, 7), 0.3) == 0).sum(0) == 3).all()


@pytest.mark.parametrize("kwargs", [{}, {"num_layers": 3, "bidirectional": True}])
def test_g_the_forget_gate_begins_open(kwargs):
    """The task of 003: the "learning to forget" regime for every layer and direction of an LSTM."""
    lstm = init.lstm_forget_bias_(nn.LSTM(3, 5, **kwargs))
    for layer in lstm.all_weights:
        _, _, bias_ih, bias_hh = layer
        assert (bias_ih + bias_hh)[5:10].tolist() == [1.0] * 5
        assert bias_ih[:5].abs().max() < 1 / math.sqrt(5)


# ---------------------------------------------------------------- variance through 50 layers
def through(activation, scheme, *, width=256, nets=30, scale=1.0):
    """Mean squares of pre-activations and of the gradients by them, for each of 50 layers, over several networks.

    One network of this width is off by a random factor: the logarithm of its last mean square has a variance of about
    5 DEPTH / width. The same layers in another order are another network, which costs no draws.
    """
    rg.manual_seed(0)
    net = init.apply(nn.Sequential(*(m for _ in range(DEPTH) for m in (nn.Linear(width, width), activation()))), scheme)
    net.requires_grad_(False)
    forward, backward = np.zeros(DEPTH), np.zeros(DEPTH)
    for _ in range(nets):
        h, kept = (rg.randn(8, width) * scale).requires_grad_(), []
        for i in rg.randperm(DEPTH).tolist():
            z = net[2 * i](h)
            z.retain_grad()
            kept.append(z)
            h = net[2 * i + 1](z)
        h.backward(rg.randn(8, width))
        forward += [z.detach().square().mean().item() for z in kept]
        backward += [z.grad.square().mean().item() for z in kept]
    return forward / nets, backward / nets


def spread(v):
    return v.max() / v.min()


SUITED = [
    (nn.ReLU, "auto", {}),
    (nn.ReLU, "he_uniform", {}),
    (lambda: nn.LeakyReLU(0.2), "auto", {}),
    (nn.PReLU, "auto", {}),
    (nn.Identity, "auto", {}),
    (nn.Identity, "lecun_normal", {"width": 128}),
    (nn.Identity, "orthogonal", {"width": 64}),
    # Xavier's is a theory of the linear regime: inputs small enough for tanh(z) = z to hold.
    (nn.Tanh, "auto", {"scale": 0.05, "width": 128}),
    (nn.Softsign, "auto", {"scale": 0.001, "width": 128}),
]


@pytest.mark.parametrize(("activation", "scheme", "options"), SUITED)
def test_g_the_suited_scheme_keeps_the_variance_through_50_layers(activation, scheme, options):
    forward, backward = through(activation, scheme, **options)
    assert spread(forward) < 2, forward
    assert spread(backward) < 2, backward


def test_g_lecun_normal_keeps_the_activations_of_selu():
    """And the gradients grow by E[selu'(z)^2] = 1.0716 in each layer, which is SELU's own doing at its fixed point."""
    forward, backward = through(nn.SELU, "auto")
    assert spread(forward) < 1.3
    assert backward[0] / backward[-1] == pytest.approx(1.0716 ** (DEPTH - 1), rel=0.5)


@pytest.mark.parametrize(
    ("activation", "scheme", "factor"),
    [
        (nn.ReLU, "xavier_normal", 0.5),  # half of the signal is cut off
        (nn.ReLU, "lecun_normal", 0.5),
        (nn.Identity, "he_uniform", 1.0),
        # 001: U(-1/sqrt(n), 1/sqrt(n)) is not sufficient, n Var[w] = 1/3
        (nn.Identity, lambda w: init.uniform_(w, -1 / math.sqrt(w.shape[1]), 1 / math.sqrt(w.shape[1])), 1 / 3),
        (nn.ReLU, lambda w: init.kaiming_uniform_(w, a=math.sqrt(5)), 1 / 6),  # what nn.Linear starts with
    ],
)
def test_g_other_schemes_lose_it_by_a_constant_factor_a_layer(activation, scheme, factor):
    forward, backward = through(activation, scheme, width=128)
    found = (forward[-1] / forward[0]) ** (1 / (DEPTH - 1))
    assert found == pytest.approx(factor, rel=0.06)
    assert (backward[0] / backward[-1]) ** (1 / (DEPTH - 1)) == pytest.approx(factor, rel=0.06)


def test_g_sigmoid_loses_the_gradient_whatever_the_scheme():
    """003: with the sigmoid, f' < 1."""
    for scheme in ("auto", "lecun_normal", "orthogonal"):
        _, backward = through(nn.Sigmoid, scheme, width=64)
        assert backward[0] < 1e-30 * backward[-1]


def test_g_delta_orthogonal_convolutions_keep_every_norm():
    rg.manual_seed(0)
    net = nn.Sequential(*(nn.Conv2d(6, 6, 3, padding=1) for _ in range(DEPTH))).double()
    init.apply(net, "delta_orthogonal")
    x = rg.randn(2, 6, 5, 5, dtype=rg.float64, requires_grad=True)
    y = net(x)
    np.testing.assert_allclose(y.detach().norm(dim=1).numpy(), x.detach().norm(dim=1).numpy(), rtol=1e-12)
    g = rg.randn(*y.shape, dtype=rg.float64)
    y.backward(g)
    np.testing.assert_allclose(x.grad.norm(dim=1).numpy(), g.norm(dim=1).numpy(), rtol=1e-12)


# ---------------------------------------------------------------- the starting point is important
XOR = rg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=rg.float64)
LABELS = rg.tensor([0.0, 1.0, 1.0, 0.0], dtype=rg.float64)


def failures(fill, seeds=200, epochs=1000):
    """How many of the networks (2-4-1, sigmoid; 17 parameters) misclassify a point after training; all train at once."""
    hidden, out = [], []
    for seed in range(seeds):
        generator = rg.Generator().manual_seed(seed)
        hidden.append(fill(rg.empty(4, 2, dtype=rg.float64), generator))
        out.append(fill(rg.empty(1, 4, dtype=rg.float64), generator))
    w1, w2 = (rg.stack(w).requires_grad_() for w in (hidden, out))
    b1, b2 = (rg.zeros(seeds, 1, n, dtype=rg.float64, requires_grad=True) for n in (4, 1))
    optimizer = rg.optim.SGD([w1, b1, w2, b2], lr=0.1, momentum=0.99)
    x, y = XOR.expand(seeds, 4, 2), LABELS.expand(seeds, 4)
    logits = rg.zeros(seeds, 4)
    for _ in range(epochs):
        optimizer.zero_grad()
        logits = rg.baddbmm(b2, rg.sigmoid(rg.baddbmm(b1, x, w1.mT)), w2.mT)[..., 0]
        # The networks share no parameter, so the sum over them has the gradient of each one's own mean.
        F.binary_cross_entropy_with_logits(logits, y, reduction="none").mean(1).sum().backward()
        optimizer.step()
    return int(((logits > 0) != (y > 0.5)).any(1).sum())


def test_g_xor_fails_from_wide_weights_and_not_from_lecun_normal():
    """003 shows 6 failures of 20 with U(-10, 10) and none with LeCun normal."""
    wide = failures(lambda w, g: init.uniform_(w, -10, 10, generator=g))
    lecun = failures(lambda w, g: init.lecun_normal_(w, generator=g))
    assert lecun < 0.03 * 200
    assert wide >= 10 * lecun and wide > 20


def test_g_constant_weights_make_all_units_the_same():
    """003: an initialization must break the symmetry."""
    x, y = XOR, LABELS.unsqueeze(1)
    net = nn.Sequential(nn.Linear(2, 4), nn.Sigmoid(), nn.Linear(4, 1)).double()
    init.apply(net, lambda w: init.constant_(w, 0.5))
    optimizer = rg.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(20):
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(net(x), y).backward()
        optimizer.step()
    w = net[0].weight.detach().numpy()
    np.testing.assert_allclose(w, np.broadcast_to(w[:1], w.shape), rtol=1e-12)
    assert abs(w - 0.5).max() > 1e-4
