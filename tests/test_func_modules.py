"""Modules in function transforms: functional_call, stack_module_state, per-sample gradients, ensembles."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd.func import functional_call, grad, stack_module_state, vmap

D = rg.float64


def close(a, b):
    a, b = (v.detach().numpy() if isinstance(v, rg.Tensor) else v for v in (a, b))
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


class Tied(rg.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = rg.nn.Linear(2, 2, bias=False)
        self.b = rg.nn.Linear(2, 2, bias=False)
        self.b.weight = self.a.weight
        self.register_buffer("scale", rg.ones(1))

    def forward(self, x, shift=0.0):
        return self.b(self.a(x)) * self.scale + shift


def test_functional_call_replaces_for_the_call_only():
    m = Tied()
    old = m.a.weight
    x = rg.tensor([1.0, 2.0])
    w = rg.eye(2) * 3
    close(functional_call(m, {"a.weight": w}, x), [9, 18])
    close(functional_call(m, {"a.weight": w}, (x,), {"shift": 1.0}), [10, 19])
    close(functional_call(m, ({"a.weight": w}, {"scale": rg.tensor([2.0])}), (x,)), [18, 36])
    assert m.a.weight is old and m.b.weight is old
    close(functional_call(m, {"a.weight": w, "b.weight": rg.eye(2)}, (x,), tie_weights=False), [3, 6])
    with pytest.raises(ValueError, match="tied"):
        functional_call(m, {"a.weight": w, "b.weight": rg.eye(2)}, (x,))
    with pytest.raises(ValueError, match="more than one dictionary"):
        functional_call(m, ({"a.weight": w}, {"a.weight": w}), (x,))
    with pytest.raises(RuntimeError, match="missing"):
        functional_call(m, {"a.weight": w}, (x,), strict=True)
    with pytest.raises(RuntimeError, match="no parameter or buffer"):
        functional_call(m, {"c.weight": w}, (x,))
    with pytest.raises(TypeError, match="must be a Tensor"):
        functional_call(m, {"a.weight": 1.0}, (x,))
    assert m.a.weight is old


def test_functional_call_restores_after_an_error():
    m = Tied()
    old = m.a.weight
    with pytest.raises(ValueError):
        functional_call(m, {"a.weight": rg.eye(2)}, rg.ones(5))
    assert m.a.weight is old


def test_gradients_with_respect_to_parameters():
    m = rg.nn.Sequential(rg.nn.Linear(3, 4), rg.nn.Tanh(), rg.nn.Linear(4, 1)).double()
    params = {k: v.detach() for k, v in m.named_parameters()}
    x = rg.randn(5, 3, dtype=D)
    g = grad(lambda p: functional_call(m, p, (x,)).sum())(params)
    m(x).sum().backward()
    for k, p in m.named_parameters():
        close(g[k], p.grad)


def test_stacked_states_are_checked():
    with pytest.raises(RuntimeError, match="at least one"):
        stack_module_state([])
    a, b = rg.nn.Linear(2, 2), rg.nn.Linear(2, 2).eval()
    with pytest.raises(RuntimeError, match="same mode"):
        stack_module_state([a, b])
    with pytest.raises(RuntimeError, match="one class"):
        stack_module_state([a, rg.nn.Tanh()])
    params, buffers = stack_module_state([a, rg.nn.Linear(2, 2)])
    assert params["weight"].shape == (2, 2, 2) and params["weight"].requires_grad and buffers == {}


# ---------------------------------------------------------------- per-sample gradients, ensembles
def net():
    nn = rg.nn
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.GroupNorm(1, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.LayerNorm(8),
        nn.Linear(8, 3),
    ).double()  # fmt: skip


def test_per_sample_gradients_are_those_of_single_samples():
    rg.manual_seed(0)
    m = net()
    params = {k: v.detach() for k, v in m.named_parameters()}
    x, y = rg.randn(5, 1, 4, 4, dtype=rg.float64), rg.tensor([0, 2, 1, 1, 0])

    def loss(p, v, t):
        return rg.nn.functional.cross_entropy(functional_call(m, p, (v[None],)), t[None])

    got = vmap(grad(loss), in_dims=(None, 0, 0))(params, x, y)
    for i in range(5):
        one = grad(loss)(params, x[i], y[i])
        for k, g in one.items():
            np.testing.assert_allclose(got[k][i].numpy(), g.numpy(), rtol=1e-9, atol=1e-12, err_msg=k)
    mean = rg.nn.functional.cross_entropy(m(x), y)
    mean.backward()
    for k, p in m.named_parameters():
        np.testing.assert_allclose(got[k].mean(0).numpy(), p.grad.numpy(), rtol=1e-8, atol=1e-12)


def test_ensembles_run_at_once():
    models = [net().eval() for _ in range(3)]
    params, buffers = stack_module_state(models)
    x = rg.randn(4, 1, 4, 4, dtype=rg.float64)
    got = vmap(lambda p, b, v: functional_call(models[0], (p, b), (v,)), (0, 0, None))(params, buffers, x)
    for k, m in enumerate(models):
        np.testing.assert_allclose(got[k].detach().numpy(), m(x).detach().numpy(), rtol=1e-9, atol=1e-12)
    got.sum().backward()
    assert params["0.weight"].grad.shape == (3, 2, 1, 3, 3)


def test_batch_norm_in_training_refuses_to_mix_samples():
    m = rg.nn.BatchNorm1d(2)
    with pytest.raises(RuntimeError, match="running statistics"):
        vmap(lambda v: m(v))(rg.randn(3, 4, 2))
