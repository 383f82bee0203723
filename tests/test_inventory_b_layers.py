"""Section B of the inventory, rows 11, 12 and 22: normalisation, dropout and its kin, maxout and mixtures."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch):
    """Each test draws the same numbers, whichever others run."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(0))


def array(x):
    return x.detach().numpy()


# ---------------------------------------------------------------- B11 normalisation
EPS = 1e-3
SHAPE = (3, 4, 5)  # three samples, four channels, five positions, as in document 002 with two
IN = {
    # index (n, c, s) -> is (m, d, r) in its set S_i?
    "batch": lambda i, j: i[1] == j[1],
    "layer": lambda i, j: i[0] == j[0],
    "instance": lambda i, j: i[:2] == j[:2],
    "group": lambda i, j: i[0] == j[0] and i[1] // 2 == j[1] // 2,
}
NORMS = {
    "batch": lambda: nn.BatchNorm1d(4, eps=EPS, affine=False),
    "layer": lambda: nn.LayerNorm((4, 5), eps=EPS, elementwise_affine=False),
    "instance": lambda: nn.InstanceNorm1d(4, eps=EPS),
    "group": lambda: nn.GroupNorm(2, 4, eps=EPS, affine=False),
}


def index_set(kind, i):
    return [j for j in np.ndindex(*SHAPE) if IN[kind](i, j)]


@pytest.mark.parametrize("kind", sorted(NORMS))
def test_b11_mean_and_variance_are_those_of_the_set(kind):
    """y_i = (x_i - mean over S_i) / sqrt(var over S_i + eps), for every single coefficient."""
    x = RNG.normal(2.0, 3.0, SHAPE)
    wanted = np.empty(SHAPE)
    for i in np.ndindex(*SHAPE):
        members = np.array([x[j] for j in index_set(kind, i)])
        wanted[i] = (x[i] - members.mean()) / math.sqrt(members.var() + EPS)
    np.testing.assert_allclose(array(NORMS[kind]()(rg.tensor(x))), wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", sorted(NORMS))
def test_b11_a_coefficient_depends_on_its_set_alone(kind):
    x = rg.tensor(RNG.normal(size=SHAPE), requires_grad=True)
    y = NORMS[kind]()(x)
    for i in ((0, 0, 0), (1, 3, 2), (2, 2, 4)):
        (g,) = rg.autograd.grad(y[i], x, retain_graph=True)
        assert {j for j in np.ndindex(*SHAPE) if g[j] != 0} == set(index_set(kind, i))


def test_b11_sets_of_batch_norm_in_one_two_and_three_dimensions():
    for dims in (1, 2, 3):
        x = RNG.normal(1.0, 2.0, (3, 4, *[5, 3, 2][:dims]))
        axes = (0, *range(2, 2 + dims))
        mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        norm = getattr(nn, f"BatchNorm{dims}d")(4, eps=EPS, affine=False)
        np.testing.assert_allclose(array(norm(rg.tensor(x))), (x - mean) / np.sqrt(var + EPS), rtol=1e-10)


def test_b11_rms_norm_and_filter_response_norm_take_no_mean_away():
    x = RNG.normal(2.0, 3.0, SHAPE)
    rms, frn = np.empty(SHAPE), np.empty(SHAPE)
    for i in np.ndindex(*SHAPE):
        rms[i] = x[i] / math.sqrt(np.mean([x[j] ** 2 for j in index_set("layer", i)]) + EPS)
        frn[i] = x[i] / math.sqrt(np.mean([x[j] ** 2 for j in index_set("instance", i)]) + EPS)
    np.testing.assert_allclose(
        array(nn.RMSNorm((4, 5), eps=EPS, elementwise_affine=False)(rg.tensor(x))), rms, rtol=1e-10
    )
    layer = nn.FilterResponseNorm(4, eps=EPS, dtype=rg.float64)
    gamma, beta, tau = np.arange(1.0, 5), np.array([0.1, -0.2, 0.3, 0.0]), np.array([-1.0, 0.0, 0.5, 0.2])
    layer.load_state_dict({"weight": rg.tensor(gamma), "bias": rg.tensor(beta), "tau": rg.tensor(tau)})
    gamma, beta, tau = (p[:, None] for p in (gamma, beta, tau))
    np.testing.assert_allclose(array(layer(rg.tensor(x))), np.maximum(gamma * frn + beta, tau), rtol=1e-10)


def test_b11_local_response_norm_looks_at_neighbouring_channels():
    x = RNG.normal(size=(2, 7, 3))
    for size in (1, 2, 3, 5):
        wanted = np.empty_like(x)
        for n, c, s in np.ndindex(*x.shape):
            near = range(max(0, c - size // 2), min(7, c + (size - 1) // 2 + 1))
            wanted[n, c, s] = x[n, c, s] / (1.5 + 0.3 / size * sum(x[n, d, s] ** 2 for d in near)) ** 0.6
        np.testing.assert_allclose(array(nn.LocalResponseNorm(size, 0.3, 0.6, 1.5)(rg.tensor(x))), wanted, rtol=1e-10)


def test_b11_running_statistics_and_evaluation():
    norm = nn.BatchNorm1d(4, eps=EPS, momentum=0.2, affine=False, dtype=rg.float64)
    average = nn.BatchNorm1d(4, momentum=None, affine=False, dtype=rg.float64)
    instance = nn.InstanceNorm1d(4, eps=EPS, momentum=0.2, track_running_stats=True, dtype=rg.float64)
    mean, var, own_mean, own_var, means = np.zeros(4), np.ones(4), np.zeros(4), np.ones(4), []
    for _ in range(3):
        x = RNG.normal(2.0, 3.0, SHAPE)
        for layer in (norm, average, instance):
            layer(rg.tensor(x))
        mean, var = 0.8 * mean + 0.2 * x.mean((0, 2)), 0.8 * var + 0.2 * x.var((0, 2), ddof=1)
        own_mean = 0.8 * own_mean + 0.2 * x.mean(2).mean(0)
        own_var = 0.8 * own_var + 0.2 * x.var(2, ddof=1).mean(0)
        means.append(x.mean((0, 2)))
    np.testing.assert_allclose(norm.running_mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(norm.running_var.numpy(), var, rtol=1e-12)
    np.testing.assert_allclose(average.running_mean.numpy(), np.mean(means, 0), rtol=1e-12)
    np.testing.assert_allclose(instance.running_mean.numpy(), own_mean, rtol=1e-12)
    np.testing.assert_allclose(instance.running_var.numpy(), own_var, rtol=1e-12)
    assert norm.num_batches_tracked.item() == 3
    x = RNG.normal(size=SHAPE)
    for layer, m, v in ((norm, mean, var), (instance, own_mean, own_var)):
        y = layer.eval()(rg.tensor(x))
        np.testing.assert_allclose(array(y), (x - m[:, None]) / np.sqrt(v[:, None] + EPS), rtol=1e-10)
        one = array(layer(rg.tensor(x[:1])))
        np.testing.assert_allclose(one, array(y)[:1], rtol=1e-12)  # the batch does not matter
    assert norm.num_batches_tracked.item() == 3


# ---------------------------------------------------------------- B12 dropout
N = 20_000
ROW = np.array([1.0, -2.0, 0.5, 3.0, -0.25, 0.0])
INVERTED = {
    # name: layer, shape of one sample, largest ratio of its standard deviation to |x|
    "Dropout": (lambda: nn.Dropout(0.3), (6,), 1.0),
    "Dropout1d": (lambda: nn.Dropout1d(0.3), (6, 1), 1.0),
    "Dropout2d": (lambda: nn.Dropout2d(0.3), (3, 2, 1), 1.0),
    "Dropout3d": (lambda: nn.Dropout3d(0.3), (3, 2, 1, 1), 1.0),
    "GaussianDropout": (lambda: nn.GaussianDropout(0.3), (6,), 1.0),
    "StochasticDepth": (lambda: nn.StochasticDepth(0.3), (6,), 1.0),
    "LockedDropout": (lambda: nn.LockedDropout(0.3, batch_first=True), (2, 3), 1.0),
}


@pytest.mark.parametrize("name", sorted(INVERTED))
def test_b12_inverted_dropout_keeps_the_mean_and_is_the_identity_in_evaluation(name):
    make, shape, spread = INVERTED[name]
    layer = make()
    x = rg.tensor(ROW.reshape(shape)).expand(N, *shape).contiguous()
    y = layer(x)
    assert not rg.equal(y, x)
    error = np.abs(y.numpy().mean(0) - ROW.reshape(shape))
    assert (error <= 5 * spread * np.abs(ROW).reshape(shape) / math.sqrt(N)).all()
    assert layer.eval()(x) is x


@pytest.mark.parametrize("name", ["AlphaDropout", "FeatureAlphaDropout"])
def test_b12_alpha_dropout_keeps_mean_and_variance_of_selus_fixed_point(name):
    x = rg.randn(N, 20, dtype=rg.float64)
    y = getattr(nn, name)(0.2)(x)
    assert abs(y.mean().item()) < 0.02 and abs(y.var().item() - 1) < 0.03
    assert not rg.equal(y, x)
    assert getattr(nn, name)(0.2).eval()(x) is x


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_b12_drop_block_keeps_the_mean_of_each_map_that_it_draws(dims):
    layer = getattr(nn, f"DropBlock{dims}d")(0.2, 2)
    x = rg.full((4, 6, *[6] * dims), 2.0, dtype=rg.float64)
    for _ in range(5):
        y = layer(x)
        assert 0 < (y == 0).double().mean().item() < 0.4
        assert abs(y.mean().item() - 2.0) < 1e-5
    assert layer.eval()(x) is x


def test_b12_drop_connect_keeps_the_mean_of_a_linear_layer():
    linear = nn.Linear(6, N, dtype=rg.float64)
    with rg.no_grad():
        linear.weight.copy_(rg.tensor(ROW).expand(N, 6))
        linear.bias.zero_()
    layer = nn.DropConnect(linear, 0.3)
    x = rg.tensor([[1.0, 0.5, -1.0, 2.0, 1.0, 1.0]], dtype=rg.float64)
    y, full = layer(x), linear(x)
    assert y.var() > 0.1
    assert abs(y.mean().item() - full[0, 0].item()) < 5 * y.std().item() / math.sqrt(N)
    assert rg.equal(layer.eval()(x), full)


def test_b12_shake_drop_and_zoneout_give_in_evaluation_the_mean_of_training():
    x = rg.tensor(ROW).expand(N, 6)
    for alpha in ((-1.0, 1.0), (0.0, 1.0)):
        layer = nn.ShakeDrop(0.4, alpha)
        mean = layer(x).numpy().mean(0)
        np.testing.assert_allclose(mean, layer.eval()(x)[0].numpy(), atol=5 * 3 / math.sqrt(N))
        np.testing.assert_allclose(layer(x)[0].numpy(), ROW * (0.6 + 0.4 * sum(alpha) / 2))
    layer = nn.Zoneout(nn.LSTMCell(6, 5, dtype=rg.float64), 0.3, 0.5)
    hx = tuple(rg.randn(5, dtype=rg.float64).expand(N, 5) for _ in range(2))
    drawn, mean = layer(x, hx), layer.eval()(x, hx)
    for a, b in zip(drawn, mean, strict=True):
        np.testing.assert_allclose(array(a).mean(0), array(b)[0], atol=5 * 2 / math.sqrt(N))
        assert (array(a).std(0) > 0.01).any()


def test_b12_rnn_drop_keeps_the_mean_of_a_step_and_is_the_cell_in_evaluation():
    cell = nn.LSTMCell(6, 5, dtype=rg.float64)
    layer, x = nn.RNNDrop(cell, 0.3), rg.tensor(ROW).expand(1, N, 6)
    out, h = layer(x)[0], cell(x[0])[0]
    assert ((out == 0).double().mean() - 0.3).abs() < 0.02
    np.testing.assert_allclose(array(out)[0].mean(0), array(h)[0], atol=5 * 0.7 / math.sqrt(N))
    assert rg.equal(layer.eval()(x)[0][0], h)


# ---------------------------------------------------------------- B22 maxout and mixtures
def test_b22_maxout_is_the_largest_of_its_linear_pieces():
    layer = nn.Maxout(3, 2, num_pieces=4, dtype=rg.float64)
    w, b, x = array(layer.weight).reshape(2, 4, 3), array(layer.bias).reshape(2, 4), RNG.normal(size=(5, 3))
    wanted = [[max(w[o, j] @ row + b[o, j] for j in range(4)) for o in range(2)] for row in x]
    np.testing.assert_allclose(array(layer(rg.tensor(x))), wanted, rtol=1e-12)


def test_b22_two_pieces_are_relu_and_absolute_value():
    """Document 001: a whole linear model on both sides of the max; ReLU is the case of one side zero."""
    x = RNG.normal(size=(6, 1))
    for rows, f in (([[1.0], [0.0]], lambda v: np.maximum(v, 0)), ([[1.0], [-1.0]], np.abs)):
        layer = nn.Maxout(1, 1, 2, bias=False, dtype=rg.float64)
        layer.load_state_dict({"weight": rg.tensor(rows, dtype=rg.float64)})
        np.testing.assert_allclose(array(layer(rg.tensor(x))), f(x))


def test_b22_mixtures_of_these_layers_in_containers_train_and_travel():
    def build():
        class Mixture(nn.Module):
            def __init__(self):
                super().__init__()
                self.stem = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.FilterResponseNorm(8), nn.ChannelMaxout(2))
                self.branches = nn.ModuleList(
                    [nn.SReLU(4), nn.MeLU(4), nn.Sequential(nn.DropBlock2d(0.1, 3), nn.APLU(4))]
                )
                self.scales = nn.ParameterList([nn.Parameter(rg.ones(1)) for _ in range(3)])
                self.heads = nn.ModuleDict(
                    {"maxout": nn.Maxout(4, 3, 3), "linear": nn.DropConnect(nn.Linear(4, 3), 0.2)}
                )

            def forward(self, x):
                x = self.stem(x)
                x = sum(s * branch(x) for s, branch in zip(self.scales, self.branches, strict=True))
                x = x.mean((2, 3))
                return self.heads["maxout"](x) + self.heads["linear"](x)

        return Mixture()

    model = build()
    x, y = rg.randn(12, 2, 6, 6), rg.arange(12) % 3
    optimizer = rg.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None for p in model.parameters())
    assert np.mean(losses[-5:]) < 0.7 * losses[0]
    other = build()
    missing = other.load_state_dict(model.state_dict())
    assert not missing.missing_keys and not missing.unexpected_keys
    assert {"stem.1.tau", "branches.2.1.a", "scales.0", "heads.linear.module.weight"} <= set(model.state_dict())
    assert rg.equal(other.eval()(x), model.eval()(x))
