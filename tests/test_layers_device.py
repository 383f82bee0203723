"""The layers of noise, activation, recurrence, attention and memory on a device, with the numbers that the CPU gives."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

CASES = {
    # name: layer, shapes of its inputs
    "APLU": (lambda: nn.APLU(3), [(2, 3, 4)]),
    "AdditiveAttention": (lambda: nn.AdditiveAttention(3, 4, 5), [(2, 3, 3), (2, 5, 4)]),
    "BilinearAttention": (lambda: nn.BilinearAttention(3, 4), [(2, 3, 3), (2, 5, 4)]),
    "ChannelMaxout": (lambda: nn.ChannelMaxout(2), [(2, 4, 3)]),
    "ClippedReLU": (lambda: nn.ClippedReLU(1.0), [(2, 3)]),
    "DNCCell": (lambda: nn.Unroll(nn.DNCCell(3, 4, 2, slots=5, width=4)), [(3, 2, 3)]),
    "DotProductAttention": (lambda: nn.DotProductAttention(), [(2, 3, 4), (2, 5, 4)]),
    "DropBlock2d": (lambda: nn.DropBlock2d(0.2, 2), [(2, 3, 6, 6)]),
    "DropConnect": (lambda: nn.DropConnect(nn.Linear(4, 3)), [(2, 4)]),
    "EchoState": (lambda: nn.EchoState(3, 9, 2, density=0.5), [(4, 2, 3)]),
    "FilterResponseNorm": (lambda: nn.FilterResponseNorm(3, learnable_eps=True), [(2, 3, 4)]),
    "GaLU": (lambda: nn.GaLU(3), [(2, 3, 4)]),
    "GaussianDropout": (lambda: nn.GaussianDropout(), [(2, 3)]),
    "Heaviside": (lambda: nn.Heaviside(), [(2, 3)]),
    "JordanRNN": (lambda: nn.JordanRNN(3, 4, 2), [(4, 2, 3)]),
    "LearnedPositionalEncoding": (lambda: nn.LearnedPositionalEncoding(4, 9), [(5, 2, 4)]),
    "LeCunTanh": (lambda: nn.LeCunTanh(), [(2, 3)]),
    "LockedDropout": (lambda: nn.LockedDropout(), [(4, 2, 3)]),
    "Maxout": (lambda: nn.Maxout(4, 3), [(2, 4)]),
    "MeLU": (lambda: nn.MeLU(3), [(2, 3, 4)]),
    "NTMCell": (lambda: nn.Unroll(nn.NTMCell(3, 4, 2, slots=5, width=4)), [(3, 2, 3)]),
    "PeepholeLSTMCell": (lambda: nn.Unroll(nn.PeepholeLSTMCell(3, 4)), [(4, 2, 3)]),
    "RNNDrop": (lambda: nn.RNNDrop(nn.LSTMCell(3, 4)), [(4, 2, 3)]),
    "ResetBeforeGRUCell": (lambda: nn.Unroll(nn.ResetBeforeGRUCell(3, 4)), [(4, 2, 3)]),
    "RotaryPositionalEncoding": (lambda: nn.RotaryPositionalEncoding(4), [(2, 5, 4)]),
    "SReLU": (lambda: nn.SReLU(3), [(2, 3, 4)]),
    "ShakeDrop": (lambda: nn.ShakeDrop(), [(6, 3)]),
    "SinusoidalPositionalEncoding": (lambda: nn.SinusoidalPositionalEncoding(4), [(5, 2, 4)]),
    "StochasticDepth": (lambda: nn.StochasticDepth(), [(6, 3)]),
    "Zoneout": (lambda: nn.Unroll(nn.Zoneout(nn.LSTMCell(3, 4), 0.3, 0.4)), [(4, 2, 3)]),
}


def tensors(x):
    return [t for v in x for t in tensors(v)] if isinstance(x, tuple) else [] if x is None else [x]


@pytest.mark.parametrize("name", sorted(CASES))
def test_layers_on_a_device_give_the_numbers_of_the_cpu(name, cuda_fake):
    """Values, gradients and random draws, on the strict stand-in for CuPy."""
    make, shapes = CASES[name]
    layer, results = make(), []
    values = [rg.randn(*shape) for shape in shapes]
    for device in ("cpu", "cuda"):
        layer.to(device)
        layer.zero_grad()
        rg.manual_seed(5)
        inputs = [v.detach().to(device).requires_grad_() for v in values]
        outs = tensors(layer(*inputs))
        assert all(o.device.type == device for o in outs)
        sum((o * o).sum() for o in outs).backward()
        grads = [t.grad for t in (*inputs, *layer.parameters())]
        results.append([t.detach().cpu().numpy() for t in (*outs, *(g for g in grads if g is not None))])
    assert len(results[0]) == len(results[1])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_masks_and_readouts_on_a_device(cuda_fake):
    q, k = rg.randn(2, 3, 4, device="cuda"), rg.randn(2, 5, 4, device="cuda")
    mask = rg.tensor([[False] * 4 + [True], [True] * 5], device="cuda")
    context, weights = nn.DotProductAttention()(q, k, key_padding_mask=mask)
    assert (weights[..., 4] == 0).all() and (context[1] == 0).all()
    net = nn.EchoState(1, 20, 1, device="cuda")
    assert net.weight_hh.device.type == "cuda"
    net.fit(rg.randn(30, 1, 1, device="cuda"), rg.randn(30, 1, 1, device="cuda"), washout=5)
    assert net.readout.weight.device.type == "cuda"
