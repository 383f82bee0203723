"""Blocks, capsules, graphs, time, containers (B17 to B22), row by row: the facts that the source documents state."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F
from retrograd import nn

D = rg.float64


def count(module):
    return sum(p.numel() for p in module.parameters())


def randn(seed, *shape, grad=False):
    return rg.tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=grad)


# ---------------------------------------------------------------- B17: blocks
def conv_parameters(*layers):
    """The weights of convolutions (c_in, c_out, k) without bias, and 2 c for each normalization c."""
    return sum(c[0] * c[1] * c[2] ** 2 if isinstance(c, tuple) else 2 * c for c in layers)


B17 = {
    # the numbers of ResNet-18 and -50, stage by stage
    "BasicBlock(64, 64)": ((2, 64, 8, 8), (2, 64, 8, 8), 73_984),
    "BasicBlock(64, 128, 2)": ((2, 64, 8, 8), (2, 128, 4, 4), 230_144),
    "Bottleneck(64, 64)": ((1, 64, 4, 4), (1, 256, 4, 4), 75_008),
    "Bottleneck(256, 64)": ((1, 256, 4, 4), (1, 256, 4, 4), 70_400),
    "Bottleneck(256, 128, 2)": ((1, 256, 5, 5), (1, 512, 3, 3), 379_392),
    "Bottleneck(64, 64, groups=32, base_width=4)": (
        (1, 64, 4, 4),
        (1, 256, 4, 4),
        conv_parameters((64, 128, 1), 128, (128, 4, 3), 128, (128, 256, 1), 256, (64, 256, 1), 256),
    ),
    "PreActBlock(16, 32, 2)": (
        (2, 16, 8, 8),
        (2, 32, 4, 4),
        conv_parameters(16, (16, 32, 3), 32, (32, 32, 3), (16, 32, 1)),
    ),
    "PreActBottleneck(64, 16)": (
        (2, 64, 4, 4),
        (2, 64, 4, 4),
        conv_parameters(64, (64, 16, 1), 16, (16, 16, 3), 16, (16, 64, 1)),
    ),
    "Highway(50)": ((3, 50), (3, 50), 2 * (50 * 50 + 50)),
    "DenseBlock(6, 64)": (
        (1, 64, 4, 4),
        (1, 256, 4, 4),  # the first block of DenseNet-121
        sum(conv_parameters(64 + 32 * i, (64 + 32 * i, 128, 1), 128, (128, 32, 3)) for i in range(6)),
    ),
    "Transition(256, 128)": ((1, 256, 8, 8), (1, 128, 4, 4), 256 * 128 + 2 * 256),
    # inception (3a) of GoogLeNet: the paper's table has 159K weights (without normalization)
    "Inception(192, 64, 96, 128, 16, 32, 32)": (
        (1, 192, 5, 5),
        (1, 256, 5, 5),
        conv_parameters((192, 64, 1), (192, 96, 1), (96, 128, 3), (192, 16, 1), (16, 32, 5), (192, 32, 1))
        + 2 * (64 + 96 + 128 + 16 + 32 + 32),
    ),
    "SqueezeExcitation(64, 4)": ((2, 64, 5, 5), (2, 64, 5, 5), 2 * 64 * 4 + 64 + 4),
    # 003's table of MobileNetV2: 112^2 x 16 -> 24 with t = 6 and s = 2, then 24 -> 24
    "InvertedResidual(16, 24, 2, 6)": ((1, 16, 8, 8), (1, 24, 4, 4), 5_136),
    "InvertedResidual(24, 24, 1, 6)": ((1, 24, 4, 4), (1, 24, 4, 4), 8_832),
    "InvertedResidual(32, 16, 1, 1)": ((1, 32, 4, 4), (1, 16, 4, 4), 896),
}


@pytest.mark.parametrize("made", sorted(B17))
def test_b17_shapes_and_parameter_counts(made):
    given, wanted, parameters = B17[made]
    block = eval(f"nn.{made}", {"nn": nn})
    assert block(rg.zeros(*given)).shape == wanted
    assert count(block) == parameters


def test_b17_inception_has_the_papers_159_thousand_weights():
    block = nn.Inception(192, 64, 96, 128, 16, 32, 32)
    weights = sum(m.weight.numel() for m in block.modules() if isinstance(m, nn.Conv2d))
    assert weights // 1024 == 159


def test_b17_gradients_pass_a_deep_residual_stack_and_not_a_plain_one():
    """002: the shortcut lets the gradient by; 40 layers with small weights stop it without one."""
    rg.manual_seed(0)
    x = randn(0, 2, 4, 5, 5, grad=True)
    sizes = []
    for residual in (True, False):
        blocks = [nn.PreActBlock(4, 4, norm_layer=lambda c: nn.Identity(), dtype=D) for _ in range(20)]
        y = x
        for block in blocks:
            y = block(y) if residual else block(y) - y
        sizes.append(rg.autograd.grad(y.sum(), x)[0].abs().mean().item())
    assert sizes[0] > 0.1 and sizes[1] < 1e-6


# ---------------------------------------------------------------- B18: capsules
def test_b18_couplings_sum_to_one_and_lengths_stay_below_one():
    rg.manual_seed(0)
    layer = nn.CapsuleLayer(20, 8, 5, 16, dtype=D)
    for scale in (1e-3, 1.0, 10.0):
        v, c = layer(scale * randn(0, 3, 20, 8), return_couplings=True)
        np.testing.assert_allclose(c.detach().sum(2), 1.0, rtol=1e-12)
        assert (c > 0).all() and (v.norm(dim=-1) < 1).all()
    s = randn(1, 100, 6) * rg.logspace(-3, 3, 100, dtype=D).unsqueeze(1)
    n = s.norm(dim=1)
    np.testing.assert_allclose(nn.squash(s).norm(dim=1), n**2 / (1 + n**2), rtol=1e-12)
    np.testing.assert_allclose(nn.squash(s) / nn.squash(s).norm(dim=1, keepdim=True), s / n.unsqueeze(1), rtol=1e-9)


def test_b18_routing_prefers_the_capsule_that_the_others_agree_on():
    u_hat = randn(0, 1, 8, 3, 4)
    u_hat[:, :, 1] = rg.tensor([1.0, -1.0, 0.5, 2.0], dtype=D)  # all predict the same vector for capsule 1
    couplings = [nn.dynamic_routing(u_hat, r)[1][0, :, 1].mean().item() for r in (1, 2, 3, 4)]
    assert couplings[0] == pytest.approx(1 / 3) and couplings == sorted(couplings) and couplings[-1] > 0.7


# ---------------------------------------------------------------- B19: graph convolution
@pytest.mark.parametrize("sparse", [False, True])
def test_b19_graph_convolutions_are_equivariant_to_permutations(sparse):
    """Nodes in another order, adjacency likewise: the same outputs in that order. f(P S P^T, P x) = P f(S, x)."""
    rg.manual_seed(0)
    rng = np.random.default_rng(0)
    a = np.triu(rng.uniform(size=(7, 7)) * (rng.uniform(size=(7, 7)) < 0.6), 1)
    a, x, p = a + a.T, rng.standard_normal((7, 3)), rng.permutation(7)
    matrix = lambda m: rg.tensor(m).to_sparse() if sparse else rg.tensor(m)
    h = rg.tensor([0.5, -1.0, 2.0, 0.3], dtype=D)
    layers = [nn.GCNConv(3, 4, dtype=D), nn.GraphFilter(3, 4, 3, dtype=D), lambda x, s: nn.graph_filter(x, s, h)]
    for layer in layers:
        y = layer(rg.tensor(x), matrix(a))
        moved = layer(rg.tensor(x[p]), matrix(a[p][:, p]))
        np.testing.assert_allclose(moved.detach(), y.detach()[rg.tensor(p)], rtol=1e-11, atol=1e-13)
        assert (y[rg.tensor(p)] - y).abs().max() > 0.1  # not because all nodes have the same output


def test_b19_a_filter_with_k_taps_sees_k_minus_one_edges():
    path = np.diag(np.ones(6), 1) + np.diag(np.ones(6), -1)
    x = rg.zeros(7, dtype=D, requires_grad=True)
    y = nn.graph_filter(x, rg.tensor(path), rg.ones(3, dtype=D))
    (g,) = rg.autograd.grad(y[0], x)
    assert [i for i, v in enumerate(g.tolist()) if v] == [0, 1, 2]


# ---------------------------------------------------------------- B20: time
def sees(f, channels, steps, at):
    """The times whose input changes output number `at`, by the gradient."""
    x = randn(0, 1, channels, steps, grad=True)
    y = f(x)
    (g,) = rg.autograd.grad(y[..., at].sum(), x)
    return [t for t in range(steps) if (g[0, :, t] != 0).any()]


@pytest.mark.parametrize(("f", "layers"), [(2, 1), (2, 4), (3, 3), (5, 2)])
def test_b20_the_receptive_field_of_dilated_causal_convolutions(f, layers):
    """004: K layers with the dilations 1, 2, ..., 2^(K-1) see R = (f - 1)(2^K - 1) + 1 steps, and nothing later."""
    rg.manual_seed(0)
    stack = nn.Sequential(*(nn.CausalConv1d(2, 2, f, dilation=2**k, dtype=D) for k in range(layers)))
    field = (f - 1) * (2**layers - 1) + 1
    assert nn.receptive_field(f, [2**k for k in range(layers)]) == field
    steps = field + 5
    for at in (steps - 1, steps - 3):
        assert sees(stack, 2, steps, at) == list(range(at - field + 1, at + 1))
    assert stack(rg.zeros(1, 2, steps, dtype=D)).shape == (1, 2, steps)


def test_b20_tcn_wavenet_and_tdnn_are_causal():
    rg.manual_seed(0)
    tcn = nn.TCN(2, [4, 4], kernel_size=2, dtype=D).eval()
    blocks = [nn.WaveNetBlock(2, kernel_size=2, dilation=2**k, dtype=D) for k in range(3)]

    def wavenet(x):
        skips = []
        for block in blocks:
            x, skip = block(x)
            skips.append(skip)
        return sum(skips)

    tdnn = nn.TDNN(2, 3, (-4, -1, 0), dtype=D)
    assert tcn.receptive_field == 7
    for f, field in ((tcn, 7), (wavenet, 8)):
        seen = sees(f, 2, 14, 11)
        assert max(seen) == 11 and min(seen) == 11 - field + 1
    assert sees(lambda x: tdnn(F.pad(x, (4, 0))), 2, 14, 11) == [7, 10, 11]


# ---------------------------------------------------------------- B22: containers
def test_b22_sequential_is_the_composition():
    rg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Sequential(nn.Linear(4, 2)))
    x = rg.randn(5, 3)
    np.testing.assert_array_equal(model(x).detach(), model[2](model[1](model[0](x))).detach())
    assert list(model.state_dict()) == ["0.weight", "0.bias", "2.0.weight", "2.0.bias"]
    assert len(model) == 3 and isinstance(model[:2], nn.Sequential) and model[-1] is model[2]


def test_b22_lists_and_dicts_of_modules_and_parameters_are_registered():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
            self.heads = nn.ModuleDict({"a": nn.Linear(2, 1), "b": nn.Identity()})
            self.scales = nn.ParameterList([rg.ones(2), nn.Parameter(rg.zeros(1))])
            self.shifts = nn.ParameterDict({"left": nn.Parameter(rg.ones(2))})

        def forward(self, x, head):
            for layer, scale in zip(self.layers, [self.scales[0]] * 3, strict=True):
                x = layer(x) * scale + self.scales[1]
            return self.heads[head](x + self.shifts["left"])

    model = Model()
    assert list(model.state_dict()) == [
        *(f"layers.{i}.{what}" for i in range(3) for what in ("weight", "bias")),
        "heads.a.weight", "heads.a.bias", "scales.0", "scales.1", "shifts.left",
    ]  # fmt: skip
    assert count(model) == 3 * 6 + 3 + 3 + 2
    model(rg.ones(1, 2), "a").sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model(rg.ones(1, 2), "b").shape == (1, 2)
    model.double()
    assert {p.dtype for p in model.parameters()} == {D}
    assert not model.eval().layers[1].training
    model.layers.append(nn.Linear(2, 2))
    model.heads["c"] = nn.Linear(2, 1)
    assert {"layers.3.weight", "heads.c.weight"} <= set(model.state_dict())
