"""The layers of space, time and graphs on a device, with the numbers that the CPU gives; and in half precision."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn


def boxes(x):
    return rg.tensor([[0, 1.2, 0.4, 5.3, 4.1], [1, -2.0, 2.0, 9.0, 9.5]], dtype=x.dtype, device=x.device)


def ring(x, sparse):
    a = rg.eye(6, dtype=x.dtype, device=x.device).roll(1, 0)
    return a.to_sparse() if sparse else a


class Call(nn.Module):
    """A function of a layer's input and of what is made on its device."""

    def __init__(self, f, layer=None):
        super().__init__()
        self.f, self.layer = f, layer

    def forward(self, *x):
        return self.f(*x) if self.layer is None else self.f(self.layer, *x)


CASES = {
    # name: layer, shapes of its inputs
    "BasicBlock": (lambda: nn.BasicBlock(3, 4, 2), [(2, 3, 6, 6)]),
    "Bottleneck": (lambda: nn.Bottleneck(3, 2, 2), [(2, 3, 6, 6)]),
    "CapsuleLayer": (lambda: nn.CapsuleLayer(4, 3, 2, 5), [(2, 4, 3)]),
    "CausalConv1d": (lambda: nn.CausalConv1d(2, 3, 3, dilation=2), [(2, 2, 9)]),
    "DeformConv2d": (
        lambda: nn.DeformConv2d(2, 3, 3, padding=1),
        [(2, 2, 5, 5), (2, 18, 5, 5), (2, 9, 5, 5)],
    ),
    "DenseBlock": (lambda: nn.DenseBlock(2, 3, growth_rate=2), [(2, 3, 5, 5)]),
    "DepthwiseSeparableConv2d": (lambda: nn.DepthwiseSeparableConv2d(2, 3, 3), [(2, 2, 5, 5)]),
    "FactorizedConv2d": (lambda: nn.FactorizedConv2d(2, 3, 3), [(2, 2, 5, 5)]),
    "GCNConv": (lambda: Call(lambda f, x: f(x, ring(x, False)), nn.GCNConv(2, 3)), [(6, 2)]),
    "GCNConv, sparse": (lambda: Call(lambda f, x: f(x, ring(x, True)), nn.GCNConv(2, 3)), [(4, 6, 2)]),
    "GraphFilter, sparse": (lambda: Call(lambda f, x: f(x, ring(x, True)), nn.GraphFilter(2, 3, 3)), [(6, 2)]),
    "Highway": (lambda: nn.Highway(4), [(3, 4)]),
    "Inception": (lambda: nn.Inception(3, 1, 2, 2, 1, 2, 1), [(2, 3, 5, 5)]),
    "InvertedResidual": (lambda: nn.InvertedResidual(4, 4, 1, 2), [(2, 4, 5, 5)]),
    "LocallyConnected1d": (lambda: nn.LocallyConnected1d(2, 3, 7, 3, padding=1), [(2, 2, 7)]),
    "LocallyConnected2d": (lambda: nn.LocallyConnected2d(2, 3, 5, 3, padding="same"), [(2, 2, 5, 5)]),
    "PreActBlock": (lambda: nn.PreActBlock(3, 4, 2), [(2, 3, 6, 6)]),
    "PrimaryCaps": (lambda: nn.PrimaryCaps(2, 2, 3, 3), [(2, 2, 6, 6)]),
    "RBFNetwork": (lambda: nn.RBFNetwork(2, 4, 3), [(5, 2)]),
    "SqueezeExcitation": (lambda: nn.SqueezeExcitation(4, 2), [(2, 4, 5, 5)]),
    "TCN": (lambda: nn.TCN(2, [3, 3], dropout=0.0), [(2, 2, 9)]),
    "TDNN": (lambda: nn.TDNN(2, 3, (-1, 2)), [(2, 2, 9)]),
    "Transition": (lambda: nn.Transition(4, 2), [(2, 4, 6, 6)]),
    "WaveNetBlock": (lambda: nn.WaveNetBlock(3, 2), [(2, 3, 9)]),
    "ps_roi_align": (lambda: Call(lambda x: nn.ps_roi_align(x, boxes(x), 2)), [(2, 4, 7, 8)]),
    "ps_roi_pool": (lambda: Call(lambda x: nn.ps_roi_pool(x, boxes(x), 2)), [(2, 4, 7, 8)]),
    "roi_align": (lambda: Call(lambda x: nn.roi_align(x, boxes(x), 2, sampling_ratio=2)), [(2, 3, 7, 8)]),
    "roi_align, adaptive": (lambda: Call(lambda x: nn.roi_align(x, boxes(x), 2, aligned=True)), [(2, 3, 7, 8)]),
    "roi_pool": (lambda: Call(lambda x: nn.roi_pool(x, boxes(x), 2)), [(2, 3, 7, 8)]),
}


class Csr:
    """What the layers use of CuPy's sparse matrices, which the stand-in does not have: A @ D, and A.T."""

    def __init__(self, parts, shape):
        from fake_cupy import cupy

        self.values, self.columns, start = parts
        counts = (start[1:] - start[:-1]).get().tolist()
        self.rows, self.shape = cupy.repeat(cupy.arange(shape[0]), counts), shape

    @property
    def T(self):
        other = object.__new__(Csr)
        other.values, other.rows, other.columns, other.shape = self.values, self.columns, self.rows, self.shape[::-1]
        return other

    def __matmul__(self, d):
        from fake_cupy import cupy, cupyx

        out = cupy.zeros((self.shape[0], d.shape[1]), d.dtype)
        cupyx.scatter_add(out, self.rows, self.values[:, None] * d[self.columns])
        return out


@pytest.fixture
def device(cuda_fake, monkeypatch):
    monkeypatch.setattr(cuda_fake, "sparse", lambda: SimpleNamespace(csr_matrix=Csr))


def tensors(x):
    return [t for v in x for t in tensors(v)] if isinstance(x, tuple) else [x]


@pytest.mark.parametrize("name", sorted(CASES))
def test_layers_on_a_device_give_the_numbers_of_the_cpu(name, device):
    """Values and gradients, on the strict stand-in for CuPy."""
    make, shapes = CASES[name]
    rg.manual_seed(0)
    layer, results = make(), []
    values = [rg.randn(*shape) for shape in shapes]
    for where in ("cpu", "cuda"):
        layer.to(where)
        layer.zero_grad()
        inputs = [v.detach().to(where).requires_grad_() for v in values]
        outs = tensors(layer(*inputs))
        assert all(o.device.type == where for o in outs)
        sum((o * o).sum() for o in outs).backward()
        grads = [t.grad for t in (*inputs, *layer.parameters())]
        assert all(g is not None and g.device.type == where for g in grads)
        results.append([t.detach().cpu().numpy() for t in (*outs, *grads)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_radial_basis_functions_are_fitted_on_a_device(cuda_fake):
    x = rg.rand(40, 1, device="cuda") * 6
    for penalty in ({"l2": 1e-4}, {"l1": 1e-4}):
        model = nn.RBFNetwork(1, 8, 1, device="cuda").fit_two_phases(x, x.sin(), **penalty)
        assert all(p.device.type == "cuda" for p in model.parameters())
        assert ((model(x) - x.sin()) ** 2).mean().item() < 0.02


@pytest.mark.parametrize("dtype", [rg.float16, rg.bfloat16])
@pytest.mark.parametrize("name", sorted(CASES))
def test_layers_in_half_precision(name, dtype):
    make, shapes = CASES[name]
    rg.manual_seed(0)
    layer = make().to(dtype=dtype)
    inputs = [(0.5 * rg.randn(*shape)).to(dtype).requires_grad_() for shape in shapes]
    outs = tensors(layer(*inputs))
    assert all(o.dtype == dtype for o in outs)
    sum(o.float().sum() for o in outs).backward()
    assert all(i.grad.dtype == dtype and rg.isfinite(i.grad).all() for i in inputs)


def test_numbers_and_devices_of_parameters(cuda_fake):
    for make in (
        lambda **k: nn.RBF(2, 3, **k), lambda **k: nn.LocallyConnected2d(1, 2, 4, 2, **k),
        lambda **k: nn.DeformConv2d(2, 2, 3, **k), lambda **k: nn.CapsuleLayer(2, 2, 2, 2, **k),
        lambda **k: nn.PrimaryCaps(2, **k), lambda **k: nn.GCNConv(2, 2, **k), lambda **k: nn.GraphFilter(2, 2, 2, **k),
        lambda **k: nn.TCN(2, [2], **k), lambda **k: nn.WaveNetBlock(2, condition_channels=1, **k),
        lambda **k: nn.TDNN(2, 2, **k), lambda **k: nn.Bottleneck(2, 2, **k), lambda **k: nn.PreActBottleneck(2, 2, **k),
        lambda **k: nn.Highway(2, carry=True, **k), lambda **k: nn.DenseBlock(1, 2, **k),
        lambda **k: nn.Transition(2, 2, **k), lambda **k: nn.Inception(2, 1, 1, 1, 1, 1, 1, **k),
        lambda **k: nn.SqueezeExcitation(2, 2, **k), lambda **k: nn.InvertedResidual(2, 2, 1, 2, **k),
        lambda **k: nn.DepthwiseSeparableConv1d(2, 2, 3, **k), lambda **k: nn.FactorizedConv2d(2, 2, 3, **k),
    ):  # fmt: skip
        model = make(device="cuda", dtype=rg.float64)
        assert {(p.device.type, p.dtype) for p in model.parameters()} == {("cuda", rg.float64)}
