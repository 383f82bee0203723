"""Structured layers that PyTorch lacks: capsules, graph convolutions, residual and dense blocks, causal convolutions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.autograd import gradcheck, gradgradcheck

D = rg.float64


def randn(rng, *shape, grad=False):
    return rg.tensor(rng.standard_normal(shape), requires_grad=grad)


def count(module):
    return sum(p.numel() for p in module.parameters())


def functional(layer):
    """The layer as a function of its input and its parameters in turn, and these as leaves."""
    names = [n for n, _ in layer.named_parameters()]
    f = lambda x, *ps: rg.func.functional_call(layer, dict(zip(names, ps, strict=True)), (x,))
    return f, tuple(p.detach().clone().requires_grad_() for p in layer.parameters())


# ---------------------------------------------------------------- capsules
def squash_loop(s):
    n = np.linalg.norm(s)
    return n**2 / (1 + n**2) * s / n


def routing_loop(u_hat, iterations):
    """Procedure 1 of the paper for one sample, (I, J, D)."""
    i, j, _ = u_hat.shape
    b = np.zeros((i, j))
    for _ in range(iterations):
        c = np.exp(b) / np.exp(b).sum(1, keepdims=True)
        v = np.stack([squash_loop(sum(c[a, k] * u_hat[a, k] for a in range(i))) for k in range(j)])
        for a, k in itertools.product(range(i), range(j)):
            b[a, k] += u_hat[a, k] @ v[k]
    return v, c


@pytest.mark.parametrize("iterations", [1, 2, 3, 5])
def test_dynamic_routing(iterations):
    u = np.random.default_rng(0).standard_normal((2, 4, 3, 5))
    v, c = nn.dynamic_routing(rg.tensor(u), iterations)
    for n in range(2):
        want_v, want_c = routing_loop(u[n], iterations)
        np.testing.assert_allclose(v[n], want_v, rtol=1e-12)
        np.testing.assert_allclose(c[n], want_c, rtol=1e-12)


def test_capsule_layers():
    rg.manual_seed(0)
    layer = nn.CapsuleLayer(4, 3, 2, 5, dtype=D)
    x = np.random.default_rng(0).standard_normal((2, 4, 3))
    w = layer.weight.detach().numpy()
    v, c = layer(rg.tensor(x), return_couplings=True)
    for n in range(2):
        u_hat = np.array([[w[i, j] @ x[n, i] for j in range(2)] for i in range(4)])
        want_v, want_c = routing_loop(u_hat, 3)
        np.testing.assert_allclose(v[n].detach(), want_v, rtol=1e-12)
        np.testing.assert_allclose(c[n].detach(), want_c, rtol=1e-12)
        np.testing.assert_allclose(layer(rg.tensor(x[n])).detach(), want_v, rtol=1e-12)
    caps = nn.PrimaryCaps(2, 3, 4, kernel_size=2, stride=1, dtype=D)
    x = rg.tensor(np.random.default_rng(1).standard_normal((2, 2, 4, 5)))
    maps = caps.conv(x).detach().numpy()  # (N, 3 * 4, 3, 4)
    out = caps(x).detach().numpy()
    assert out.shape == (2, 3 * 3 * 4, 4)
    for k, i, j in itertools.product(range(3), range(3), range(4)):
        np.testing.assert_allclose(
            out[1, (k * 3 + i) * 4 + j], squash_loop(maps[1, 4 * k : 4 * k + 4, i, j]), rtol=1e-12
        )
    assert tuple(caps(x[0]).shape) == (36, 4)


def test_capsule_gradients_and_errors():
    rg.manual_seed(0)
    rng = np.random.default_rng(0)
    f, params = functional(nn.CapsuleLayer(3, 2, 2, 3, dtype=D))
    assert gradcheck(f, (randn(rng, 2, 3, 2, grad=True), *params))
    assert gradgradcheck(nn.squash, (randn(rng, 2, 3, grad=True),))
    zero = rg.zeros(2, 3, requires_grad=True)
    nn.squash(zero).sum().backward()
    assert zero.grad.tolist() == [[0.0] * 3] * 2
    assert tuple(nn.squash(rg.ones(4, 2), dim=0).norm(dim=0).shape) == (2,)
    u = randn(rng, 1, 3, 2, 4, grad=True)
    full = rg.autograd.grad(nn.dynamic_routing(u)[0].sum(), u)[0]
    v, c = nn.dynamic_routing(u, detach=True)
    cut = rg.autograd.grad(v.sum(), u)[0]
    want = rg.autograd.grad(nn.squash(rg.einsum("nij,nijd->njd", c, u)).sum(), u)[0]
    np.testing.assert_allclose(cut, want)
    assert (full - cut).abs().max() > 1e-3
    with pytest.raises(rg.ShapeError, match=r"expected an input \(N, \*\(3, 2\)\)"):
        nn.CapsuleLayer(3, 2, 2, 3)(rg.zeros(1, 2, 3))
    with pytest.raises(ValueError, match="at least 1"):
        nn.CapsuleLayer(3, 2, 2, 3, iterations=0)
    with pytest.raises(ValueError, match="at least 1"):
        nn.dynamic_routing(u, 0)
    with pytest.raises(rg.ShapeError, match=r"\(N, I, J, D\)"):
        nn.dynamic_routing(rg.zeros(2, 3, 4))
    assert repr(nn.CapsuleLayer(3, 2, 2, 3, detach_routing=True)) == (
        "CapsuleLayer(3, 2, 2, 3, iterations=3, detach_routing=True)"
    )


# ---------------------------------------------------------------- graphs
LAYOUTS = {"dense": lambda a: a, "coo": lambda a: a.to_sparse(), "csr": lambda a: a.to_sparse_csr()}


def graph(rng, n=6):
    a = np.triu(rng.uniform(size=(n, n)) * (rng.uniform(size=(n, n)) < 0.5), 1)
    a[:, -1] = 0  # the last node has no neighbours
    return a + a.T


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_polynomial_filters(layout):
    rng = np.random.default_rng(0)
    s, h, x = graph(rng), rng.standard_normal(4), rng.standard_normal((6, 2))
    shift = LAYOUTS[layout](rg.tensor(s))
    want = sum(h[k] * np.linalg.matrix_power(s, k) @ x for k in range(4))
    np.testing.assert_allclose(nn.graph_filter(rg.tensor(x), shift, rg.tensor(h)), want, rtol=1e-12)
    np.testing.assert_allclose(nn.graph_filter(rg.tensor(x[:, 0]), shift, rg.tensor(h)), want[:, 0], rtol=1e-12)
    batch = np.stack([x, 2 * x, -x])
    got = nn.graph_filter(rg.tensor(batch), shift, rg.tensor(h))
    np.testing.assert_allclose(got, np.stack([want, 2 * want, -want]), rtol=1e-12)
    rg.manual_seed(0)
    layer = nn.GraphFilter(2, 3, 4, dtype=D)
    w = layer.weight.detach().numpy()
    want = sum(np.linalg.matrix_power(s, k) @ x @ w[k] for k in range(4)) + layer.bias.detach().numpy()
    np.testing.assert_allclose(layer(rg.tensor(x), shift).detach(), want, rtol=1e-12)


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("out", [2, 5])
def test_gcn(layout, loops, out):
    rng = np.random.default_rng(0)
    a, x = graph(rng), rng.standard_normal((6, 3))
    hat = a + np.eye(6) * loops
    d = hat.sum(1)
    root = np.divide(1, np.sqrt(d), out=np.zeros(6), where=d > 0)
    norm = root[:, None] * hat * root
    adjacency = LAYOUTS[layout](rg.tensor(a))
    got = nn.gcn_norm(adjacency, loops)
    np.testing.assert_allclose(got if layout == "dense" else got.to_dense(), norm, rtol=1e-12)
    rg.manual_seed(0)
    layer = nn.GCNConv(3, out, add_self_loops=loops, dtype=D)
    layer.bias.data.fill_(0.5)
    want = norm @ x @ layer.weight.detach().numpy() + 0.5
    np.testing.assert_allclose(layer(rg.tensor(x), adjacency).detach(), want, rtol=1e-12, atol=1e-14)
    fixed = nn.GCNConv(3, out, normalize=False, dtype=D)
    fixed.load_state_dict(layer.state_dict())
    np.testing.assert_allclose(fixed(rg.tensor(x), got).detach(), want, rtol=1e-12, atol=1e-14)
    batch = layer(rg.tensor(np.stack([x, -x])), adjacency).detach()
    np.testing.assert_allclose(batch[0], want, rtol=1e-12, atol=1e-14)


def test_graph_gradients_also_of_edge_weights():
    rng = np.random.default_rng(0)
    places = rg.tensor([[0, 1, 1, 2, 3, 0], [1, 0, 2, 1, 0, 3]])
    weights = rg.tensor(rng.uniform(0.5, 1.5, 6), requires_grad=True)
    x = randn(rng, 4, 2, grad=True)
    params = functional(nn.GCNConv(2, 3, dtype=D))[1]
    layer = lambda x, v, *ps: rg.func.functional_call(
        nn.GCNConv(2, 3, dtype=D), {"weight": ps[0], "bias": ps[1]}, (x, rg.sparse_coo_tensor(places, v, (4, 4)))
    )
    assert gradcheck(layer, (x, weights, *params)) and gradgradcheck(layer, (x, weights, *params))
    dense = randn(rng, 4, 4).abs().requires_grad_()
    assert gradcheck(lambda x, a: nn.graph_filter(x, nn.gcn_norm(a), rg.tensor([1.0, -0.5, 0.25], dtype=D)), (x, dense))
    alone = rg.zeros(2, 2, requires_grad=True)
    nn.gcn_norm(alone, add_self_loops=False).sum().backward()
    assert rg.isfinite(alone.grad).all()


def test_graph_errors_and_repr():
    x, s = rg.zeros(4, 2), rg.eye(4)
    with pytest.raises(rg.ShapeError, match="must be square"):
        nn.GCNConv(2, 3)(x, rg.zeros(4, 3))
    with pytest.raises(rg.ShapeError, match="must be square"):
        nn.gcn_norm(rg.zeros(4, 3))
    with pytest.raises(rg.ShapeError, match="a graph of 4 nodes"):
        nn.GCNConv(2, 3)(rg.zeros(5, 2), s)
    with pytest.raises(rg.ShapeError, match="expected 3 features"):
        nn.GCNConv(3, 3)(x, s)
    with pytest.raises(rg.ShapeError, match="take 3 features"):
        nn.graph_filter(x, s, rg.zeros(2, 3, 3))
    with pytest.raises(rg.ShapeError, match="h must have shape"):
        nn.graph_filter(x, s, rg.zeros(2, 3))
    with pytest.raises(ValueError, match="taps"):
        nn.GraphFilter(2, 3, 0)
    assert repr(nn.GraphFilter(2, 3, 4, bias=False)) == "GraphFilter(2, 3, taps=4, bias=False)"
    assert repr(nn.GCNConv(2, 3, normalize=False)) == "GCNConv(2, 3, normalize=False)"
    assert (nn.GCNConv(2, 3).bias == 0).all()


# ---------------------------------------------------------------- blocks
def batch_norm(x):
    mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
    return (x - mean) / np.sqrt(var + 1e-5)


def conv(x, w, stride=1):
    k = w.shape[-1]
    y = nn.functional.conv2d(rg.tensor(x), w.detach(), None, stride, k // 2)
    return y.numpy()


def relu(x):
    return np.maximum(x, 0)


def test_residual_blocks_compute_their_formulas():
    rg.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((3, 4, 6, 6))
    t = rg.tensor(x)
    b = nn.BasicBlock(4, 6, 2, dtype=D)
    y = batch_norm(conv(relu(batch_norm(conv(x, b.conv1.weight, 2))), b.conv2.weight))
    want = relu(y + batch_norm(conv(x, b.downsample[0].weight, 2)))
    np.testing.assert_allclose(b(t).detach(), want, rtol=1e-9, atol=1e-10)
    b = nn.Bottleneck(4, 2, 2, dtype=D)
    y = relu(batch_norm(conv(relu(batch_norm(conv(x, b.conv1.weight))), b.conv2.weight, 2)))
    want = relu(batch_norm(conv(y, b.conv3.weight)) + batch_norm(conv(x, b.downsample[0].weight, 2)))
    np.testing.assert_allclose(b(t).detach(), want, rtol=1e-9, atol=1e-10)
    b = nn.PreActBlock(4, 6, 2, dtype=D)
    y = relu(batch_norm(x))
    want = conv(relu(batch_norm(conv(y, b.conv1.weight, 2))), b.conv2.weight) + conv(y, b.shortcut.weight, 2)
    np.testing.assert_allclose(b(t).detach(), want, rtol=1e-9, atol=1e-10)
    b = nn.PreActBottleneck(4, 1, dtype=D)
    y = relu(batch_norm(conv(relu(batch_norm(x)), b.conv1.weight)))
    want = conv(relu(batch_norm(conv(y, b.conv2.weight))), b.conv3.weight) + x  # the identity: nothing behind the sum
    np.testing.assert_allclose(b(t).detach(), want, rtol=1e-9, atol=1e-10)


def test_identity_shortcuts():
    """Zero weights in the last normalization make a residual block relu(x), a pre-activation block x."""
    x = rg.randn(2, 8, 5, 5)
    for block, last in ((nn.BasicBlock(8, 8), "bn2"), (nn.Bottleneck(8, 2), "bn3")):
        nn.init.zeros_(getattr(block, last).weight)
        np.testing.assert_array_equal(block(x).detach(), x.relu())
    for block, last in ((nn.PreActBlock(8, 8), "conv2"), (nn.PreActBottleneck(8, 2), "conv3")):
        nn.init.zeros_(getattr(block, last).weight)
        np.testing.assert_array_equal(block(x).detach(), x)
    own = nn.BasicBlock(8, 8, downsample=nn.Identity())
    assert isinstance(own.downsample, nn.Identity)
    with pytest.raises(ValueError, match="take Bottleneck"):
        nn.BasicBlock(8, 8, groups=2)


def test_blocks_with_other_normalizations_and_dtypes():
    norm = lambda channels: nn.GroupNorm(2, channels)
    for block in (nn.BasicBlock(4, 8, 2, norm_layer=norm, dtype=D), nn.InvertedResidual(4, 8, 2, 3, norm, dtype=D)):
        assert {p.dtype for p in block.parameters()} == {D}
        assert not any(isinstance(m, nn.BatchNorm2d) for m in block.modules())
        assert tuple(block(rg.zeros(1, 4, 6, 6, dtype=D)).shape) == (1, 8, 3, 3)
    next_block = nn.Bottleneck(64, 64, groups=32, base_width=4)
    assert next_block.conv2.weight.shape == (128, 4, 3, 3)  # ResNeXt 32x4d
    assert nn.Bottleneck(8, 4, dilation=2).conv2.dilation == (2, 2)


def test_highway():
    rg.manual_seed(0)
    layer = nn.Highway(3, rg.tanh, dtype=D)
    x = np.random.default_rng(0).standard_normal((4, 3))
    w, b, wt, bt = (p.detach().numpy() for p in layer.parameters())
    t = 1 / (1 + np.exp(-(x @ wt.T + bt)))
    want = t * np.tanh(x @ w.T + b) + (1 - t) * x
    np.testing.assert_allclose(layer(rg.tensor(x)).detach(), want, rtol=1e-12)
    assert (bt == -2).all()
    both = nn.Highway(3, carry=True, dtype=D)
    assert count(both) == 3 * 12 and (both.carry.bias == 2).all()
    t, c = both.gate(rg.tensor(x)).sigmoid(), both.carry(rg.tensor(x)).sigmoid()
    want = t * both.transform(rg.tensor(x)).relu() + c * rg.tensor(x)
    np.testing.assert_allclose(both(rg.tensor(x)).detach(), want.detach())
    nn.init.constant_(layer.gate.bias, 5.0)
    layer.reset_parameters()
    assert (layer.gate.bias == -2).all()
    f, params = functional(layer)
    args = (randn(np.random.default_rng(1), 2, 3, grad=True), *params)
    assert gradcheck(f, args) and gradgradcheck(f, args)


def test_dense_block_concatenates():
    rg.manual_seed(0)
    block = nn.DenseBlock(2, 3, bn_size=2, growth_rate=4, dtype=D)
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 5))

    def layer(f, x):
        return conv(relu(batch_norm(conv(relu(batch_norm(x)), f.conv1.weight))), f.conv2.weight)

    one = np.concatenate([x, layer(block["denselayer1"], x)], 1)
    want = np.concatenate([one, layer(block["denselayer2"], one)], 1)
    np.testing.assert_allclose(block(rg.tensor(x)).detach(), want, rtol=1e-9, atol=1e-10)
    down = nn.Transition(11, 4, dtype=D)
    y = conv(relu(batch_norm(want)), down.conv.weight)[:, :, :4, :4]
    want = y.reshape(2, 4, 2, 2, 2, 2).mean((3, 5))
    np.testing.assert_allclose(down(block(rg.tensor(x))).detach(), want, rtol=1e-8, atol=1e-9)
    dropped = nn.DenseBlock(1, 3, growth_rate=64, drop_rate=0.5)
    new = dropped(rg.randn(1, 3, 5, 5))[:, 3:].detach()
    assert 0.4 < (new == 0).float().mean() < 0.6
    assert (dropped.eval()(rg.randn(1, 3, 5, 5))[:, 3:] != 0).all()


def test_inception_squeeze_and_inverted_residual():
    rg.manual_seed(0)
    x = rg.randn(2, 6, 5, 5)
    block = nn.Inception(6, 2, 3, 4, 2, 5, 3).eval()
    a = [block.branch1, block.branch2, block.branch3]
    pooled = block.branch4[1](nn.functional.max_pool2d(x, 3, 1, 1))
    np.testing.assert_allclose(block(x).detach(), rg.cat([*(f(x) for f in a), pooled], 1).detach(), rtol=1e-6)
    assert block.branch3[1].conv.kernel_size == (5, 5) and block.branch1.bn.eps == 0.001
    assert nn.Inception(6, 2, 3, 4, 2, 5, 3, large_kernel=3).branch3[1].conv.padding == (1, 1)
    gate = nn.SqueezeExcitation(6, 2)
    w1, b1, w2, b2 = (p.detach().numpy() for p in gate.parameters())
    s = relu(x.numpy().mean((2, 3)) @ w1[:, :, 0, 0].T + b1) @ w2[:, :, 0, 0].T + b2
    want = x.numpy() / (1 + np.exp(-s))[:, :, None, None]
    np.testing.assert_allclose(gate(x).detach(), want, rtol=1e-5)
    wide = nn.InvertedResidual(6, 6, 1, 4)
    assert wide.use_res_connect and not nn.InvertedResidual(6, 6, 2, 4).use_res_connect
    np.testing.assert_allclose(wide(x).detach(), (x + wide.conv(x)).detach(), rtol=1e-6)
    assert wide.conv[1][0].groups == 24
    assert not any(isinstance(m, nn.ReLU6) for m in list(wide.conv)[2:])  # the bottleneck is linear
    assert len(nn.InvertedResidual(6, 6, 1, 1).conv) == 3
    with pytest.raises(ValueError, match="stride must be 1 or 2"):
        nn.InvertedResidual(6, 6, 3, 4)
    assert len(nn.Conv2dNormActivation(2, 3, norm_layer=None, activation_layer=None)) == 1
    assert nn.Conv2dNormActivation(2, 3, norm_layer=None)[0].bias is not None
    assert nn.Conv2dNormActivation(2, 3, (5, 3), dilation=(1, 2))[0].padding == (2, 2)


KEYS = {
    "BasicBlock": (
        lambda: nn.BasicBlock(4, 8, 2),
        "conv1.weight bn1.weight conv2.weight bn2.weight downsample.0.weight downsample.1.weight",
    ),
    "Bottleneck": (
        lambda: nn.Bottleneck(4, 8),
        "conv1.weight bn1.weight conv2.weight bn2.weight conv3.weight bn3.weight downsample.0.weight downsample.1.weight",
    ),
    "DenseBlock": (
        lambda: nn.DenseBlock(1, 4),
        "denselayer1.norm1.weight denselayer1.conv1.weight denselayer1.norm2.weight denselayer1.conv2.weight",
    ),
    "Inception": (
        lambda: nn.Inception(4, 1, 1, 1, 1, 1, 1),
        "branch1.conv.weight branch1.bn.weight branch2.0.conv.weight branch2.0.bn.weight branch2.1.conv.weight "
        "branch2.1.bn.weight branch3.0.conv.weight branch3.0.bn.weight branch3.1.conv.weight branch3.1.bn.weight "
        "branch4.1.conv.weight branch4.1.bn.weight",
    ),
    "InvertedResidual": (
        lambda: nn.InvertedResidual(4, 4, 1, 6),
        "conv.0.0.weight conv.0.1.weight conv.1.0.weight conv.1.1.weight conv.2.weight conv.3.weight",
    ),
    "SqueezeExcitation": (lambda: nn.SqueezeExcitation(4, 2), "fc1.weight fc2.weight"),
    "Transition": (lambda: nn.Transition(4, 2), "norm.weight conv.weight"),
}


@pytest.mark.parametrize("name", sorted(KEYS))
def test_state_dict_keys_are_torchvisions(name):
    make, keys = KEYS[name]
    model = make()
    assert [k for k in model.state_dict() if k.endswith("weight")] == keys.split()
    rg.manual_seed(1)
    other = make()
    other.load_state_dict(model.state_dict())
    x = rg.randn(2, 4, 6, 6)
    np.testing.assert_array_equal(model.eval()(x).detach(), other.eval()(x).detach())


# ---------------------------------------------------------------- causal
@pytest.mark.parametrize(("kernel", "stride", "dilation", "groups"), [(3, 1, 1, 1), (2, 2, 3, 2), (1, 1, 1, 1)])
def test_causal_convolution(kernel, stride, dilation, groups):
    rg.manual_seed(0)
    layer = nn.CausalConv1d(2, 4, kernel, stride, dilation, groups, dtype=D)
    x = np.random.default_rng(0).standard_normal((2, 2, 9))
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    steps = -(-9 // stride)
    want = np.zeros((2, 4, steps)) + b[:, None]
    for o, t, c, k in itertools.product(range(4), range(steps), range(2 // groups), range(kernel)):
        at = t * stride - (kernel - 1 - k) * dilation
        if at >= 0:
            want[:, o, t] += w[o, c, k] * x[:, o // (4 // groups) * (2 // groups) + c, at]
    np.testing.assert_allclose(layer(rg.tensor(x)).detach(), want, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer(rg.tensor(x[0])).detach(), want[0], rtol=1e-12, atol=1e-13)
    plain = nn.Conv1d(2, 4, kernel, stride, 0, dilation, groups, dtype=D)
    plain.load_state_dict(layer.state_dict())


def test_temporal_block():
    rg.manual_seed(0)
    block = nn.TemporalBlock(2, 3, 3, dilation=2, dropout=0.5, norm=None, dtype=D).eval()
    x = randn(np.random.default_rng(0), 2, 2, 12)
    y = block.conv2(block.conv1(x).relu()).relu()
    want = (y + block.downsample(x)).relu()
    np.testing.assert_allclose(block(x).detach(), want.detach(), rtol=1e-12)
    np.testing.assert_allclose(block(x[0]).detach(), want[0].detach(), rtol=1e-12)
    assert block.receptive_field == 9
    same = nn.TemporalBlock(3, 3, 2)
    assert same.downsample is None
    assert sorted(n for n, _ in same.conv1.named_parameters()) == [
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    ]  # fmt: skip
    batch = nn.TemporalBlock(3, 3, 2, norm="batch")
    assert isinstance(batch.norm1, nn.BatchNorm1d) and tuple(batch(rg.randn(2, 3, 7)).shape) == (2, 3, 7)
    with pytest.raises(ValueError, match="norm must be"):
        nn.TemporalBlock(3, 3, 2, norm="layer")
    dropped = nn.TemporalBlock(1, 64, 2, dropout=0.5, norm=None)
    inner = dropped.dropout1(rg.ones(1, 64, 10))
    assert set(inner.sum(-1).flatten().tolist()) == {0.0, 20.0}  # whole channels
    net = nn.TCN(2, [4, 4, 3], kernel_size=3, dtype=D).eval()
    assert net.receptive_field == 1 + 2 * 2 * (1 + 2 + 4)
    assert tuple(net(x).shape) == (2, 3, 12)
    other = nn.TCN(2, [4, 4, 3], kernel_size=3, dtype=D).eval()
    other.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(net(x).detach(), other(x).detach())


def test_wavenet_block():
    rg.manual_seed(0)
    rng = np.random.default_rng(0)
    block = nn.WaveNetBlock(3, 5, kernel_size=2, dilation=2, gate_channels=4, condition_channels=2, dtype=D)
    x, h = randn(rng, 2, 3, 7), randn(rng, 2, 2, 7)
    y = block.conv(x) + block.condition(h)
    z = y[:, :4].tanh() * y[:, 4:].sigmoid()
    out, skip = block(x, h)
    np.testing.assert_allclose(out.detach(), (x + block.residual(z)).detach(), rtol=1e-12)
    np.testing.assert_allclose(skip.detach(), block.skip(z).detach(), rtol=1e-12)
    held, _ = block(x, h[:, :, 0])
    want, _ = block(x, h[:, :, :1].expand(2, 2, 7))
    np.testing.assert_allclose(held.detach(), want.detach(), rtol=1e-12)
    single, _ = block(x[0], h[0])
    np.testing.assert_allclose(single.detach(), out[0].detach(), rtol=1e-12)
    with pytest.raises(rg.ShapeError, match="expected a condition with 2 channels"):
        block(x)
    with pytest.raises(rg.ShapeError, match="without condition_channels"):
        nn.WaveNetBlock(3)(x.float(), h.float())
    plain = nn.WaveNetBlock(2, dtype=D)
    f = lambda x: sum(v.sum() for v in plain(x))
    assert gradcheck(f, (randn(rng, 1, 2, 4, grad=True),))


@pytest.mark.parametrize("context", [(-2, -1, 0, 1, 2), (-3, 0, 3), (-1, 2), (0,), (-4, -1, 0), (-5, -3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_tdnn(context, stride):
    rg.manual_seed(0)
    layer = nn.TDNN(2, 3, context, stride, dtype=D)
    x = np.random.default_rng(0).standard_normal((2, 2, 11))
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    times = range(-context[0] if context[0] < 0 else 0, 11 - max(context[-1], 0), stride)
    if context == (-5, -3):
        times = range(5, 14, stride)  # time t sees t-5 and t-3: both lie in the input until 13
    want = np.stack(
        [b + sum(np.einsum("oc,nc->no", w[:, :, j], x[:, :, t + o]) for j, o in enumerate(context)) for t in times], -1
    )
    np.testing.assert_allclose(layer(rg.tensor(x)).detach(), want, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer(rg.tensor(x[0])).detach(), want[0], rtol=1e-12, atol=1e-13)


def test_tdnn_errors_and_gradients():
    for bad in ((), (1, 0), (0, 0)):
        with pytest.raises(ValueError, match="ascending offsets"):
            nn.TDNN(2, 3, bad)
    with pytest.raises(ValueError, match="stride"):
        nn.TDNN(2, 3, stride=0)
    with pytest.raises(rg.ShapeError, match="spans 5 steps, the input has 4"):
        nn.TDNN(2, 3)(rg.zeros(1, 2, 4))
    with pytest.raises(rg.ShapeError, match=r"expected an input \(N, 2, L\)"):
        nn.TDNN(2, 3)(rg.zeros(1, 3, 8))
    rg.manual_seed(0)
    f, params = functional(nn.TDNN(2, 2, (-1, 2), dtype=D))
    args = (randn(np.random.default_rng(0), 1, 2, 6, grad=True), *params)
    assert gradcheck(f, args) and gradgradcheck(f, args)
    assert repr(nn.TDNN(2, 3, (-1, 2), 3, bias=False)) == "TDNN(2, 3, context=(-1, 2), stride=3, bias=False)"
    assert nn.TDNN(2, 3, (-1, 2)).receptive_field == 4
    assert math.isclose(nn.TDNN(2, 300).weight.abs().max().item(), 1 / math.sqrt(10), rel_tol=0.05)
