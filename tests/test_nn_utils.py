"""Clipping and parameter vectors, against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

torch = pytest.importorskip("torch")
SHAPES = ((3, 2), (4,), ())


def with_grads(lib, seed=0):
    rng = np.random.default_rng(seed)
    out = []
    for shape in SHAPES:
        p = lib.tensor(rng.normal(size=shape), requires_grad=True)
        p.grad = lib.tensor(rng.normal(size=shape))
        out.append(p)
    out.append(lib.tensor(0.0, requires_grad=True))  # without a gradient
    return out


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf"), "inf"])
@pytest.mark.parametrize("max_norm", [0.1, 100.0])
def test_norm(norm_type, max_norm):
    ours, theirs = with_grads(rg), with_grads(torch)
    a = nn.utils.clip_grad_norm_(ours, max_norm, norm_type)
    b = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert a.item() == pytest.approx(b.item(), rel=1e-12)
    for p, q in zip(ours[:-1], theirs[:-1], strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-12)
    assert ours[-1].grad is None


def test_norm_of_one_tensor_and_of_none():
    p = with_grads(rg)[0]
    assert nn.utils.clip_grad_norm_(p, 1.0).ndim == 0
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0.0
    with pytest.warns(UserWarning, match="empty generator"):
        nn.utils.clip_grad_norm_((p for p in []), 1.0)
    with pytest.warns(FutureWarning, match="in favor of"):
        nn.utils.clip_grad_norm([p], 1.0)


def test_nonfinite():
    p = with_grads(rg)[0]
    p.grad = p.grad / 0
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    assert not np.isfinite(nn.utils.clip_grad_norm_([p], 1.0).item())


def test_value():
    ours, theirs = with_grads(rg), with_grads(torch)
    nn.utils.clip_grad_value_(ours, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    for p, q in zip(ours[:-1], theirs[:-1], strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())


def test_vectors():
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    v = nn.utils.parameters_to_vector(net.parameters())
    assert tuple(v.shape) == (11,)
    (v * v).sum().backward()
    np.testing.assert_allclose(net[0].weight.grad.numpy(), 2 * net[0].weight.detach().numpy(), rtol=1e-6)
    nn.utils.vector_to_parameters(rg.arange(11.0), net.parameters())
    assert net[0].weight.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert net[1].bias.tolist() == [10.0]
    assert net[1].bias.requires_grad
    with pytest.raises(ValueError, match="10 elements but the parameters have 11"):
        nn.utils.vector_to_parameters(rg.arange(10.0), net.parameters())
    with pytest.raises(TypeError, match="expected a Tensor"):
        nn.utils.vector_to_parameters([1.0], net.parameters())
