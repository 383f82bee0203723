"""Differentiation, row by row: the facts that the source documents state (A1 to A14), under their numbers."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F
from retrograd.func import hessian, hvp, jacfwd, jacrev, jvp, vjp

D = rg.float64


def leaf(a):
    return rg.tensor(a, dtype=D, requires_grad=True)


@pytest.mark.parametrize("point", [-1.5, 0.5, 2.0])
def test_A1_many_paths_are_summed(point):
    x = leaf(point)
    (x**2 / x + 1 / x**2).backward()
    assert x.grad.item() == pytest.approx(1 - 2 / point**3)


def a2():
    y, w, x, b = leaf(5.0), leaf(2.0), leaf(1.0), leaf(1.0)
    return y, w, x, b, y - F.relu(w * x + b)


def test_A2_the_worked_graph():
    y, w, x, b, cost = a2()
    assert cost.item() == 2
    cost.backward()
    assert [v.grad.item() for v in (w, x, b, y)] == [-1, -2, -1, 1]


def test_A3_the_batch_cost():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20, 3)), rng.standard_normal(20)
    w, b = leaf(rng.standard_normal(3)), leaf(0.1)
    cost = ((rg.tensor(y) - F.relu(rg.tensor(X) @ w + b)) ** 2).mean()
    cost.backward()
    z = X @ w.detach().numpy() + b.item()
    active = z > 0  # the piecewise gradient: 0 where max(0, .) is flat, else 2/N sum (z - y) x
    error = np.where(active, z - y, 0.0)
    np.testing.assert_allclose(cost.item(), ((y - np.maximum(0, z)) ** 2).mean())
    np.testing.assert_allclose(w.grad.numpy(), 2 / 20 * X.T @ error)
    np.testing.assert_allclose(b.grad.item(), 2 / 20 * error.sum())
    assert 0 < active.sum() < 20


def test_A4_forward_and_reverse_agree():
    rng = np.random.default_rng(1)
    W = rg.tensor(rng.standard_normal((4, 3)))
    f = lambda x: rg.softmax(rg.tanh(W @ x), 0)
    x, v, u = (rg.tensor(rng.standard_normal(n)) for n in (3, 3, 4))
    J = jacfwd(f)(x)
    np.testing.assert_allclose(J.numpy(), jacrev(f)(x).numpy(), atol=1e-12)
    np.testing.assert_allclose(jvp(f, (x,), (v,))[1].numpy(), (J @ v).numpy(), atol=1e-12)
    np.testing.assert_allclose(vjp(f, x)[1](u)[0].numpy(), (u @ J).numpy(), atol=1e-12)


def test_A4_the_hessian_of_softmax_regression_is_positive_semidefinite():
    rng = np.random.default_rng(2)
    X, y = rg.tensor(rng.standard_normal((30, 4))), rg.tensor(rng.integers(0, 3, 30))
    loss = lambda w: F.cross_entropy(X @ w.reshape(4, 3), y)
    w, v = rg.tensor(rng.standard_normal(12)), rg.tensor(rng.standard_normal(12))
    H = hessian(loss)(w)
    eigenvalues = np.linalg.eigvalsh(H.numpy())
    assert eigenvalues.min() > -1e-12 and eigenvalues.max() > 1e-3
    np.testing.assert_allclose(hvp(loss, w, v).numpy(), (H @ v).numpy(), atol=1e-12)


@pytest.mark.parametrize("point", [0.0, 0.3, 2.0])
def test_A5_the_third_derivative_of_the_sine(point):
    x = leaf(point)
    y = rg.sin(x)
    for _ in range(3):
        (y,) = rg.autograd.grad(y, x, create_graph=True)
    assert y.item() == pytest.approx(-np.cos(point))


def test_A5_a_gradient_norm_penalty_trains():
    rg.manual_seed(0)
    m = rg.nn.Sequential(rg.nn.Linear(2, 16), rg.nn.Tanh(), rg.nn.Linear(16, 1))
    optimizer = rg.optim.Adam(m.parameters(), lr=1e-2)
    x = rg.randn(64, 2)
    sizes = []
    for _ in range(150):
        v = x.clone().requires_grad_()
        (g,) = rg.autograd.grad(m(v).sum(), v, create_graph=True)
        penalty = ((g.norm(dim=1) - 1) ** 2).mean()
        optimizer.zero_grad()
        penalty.backward()
        optimizer.step()
        sizes.append(penalty.item())
    assert sizes[-1] < 0.02 * sizes[0]


def test_A6_custom_functions():
    class LegendrePolynomial3(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return 0.5 * (5 * x**3 - 3 * x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 1.5 * (5 * x**2 - 1)

    x = leaf([0.1, 0.5, -0.7])
    y = LegendrePolynomial3.apply(x)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 1.5 * (5 * x.detach().numpy() ** 2 - 1))
    assert rg.autograd.gradcheck(LegendrePolynomial3.apply, (leaf([0.2, 0.4]),))


def test_A7_memory_returns_to_the_level_before():
    x = leaf(np.ones(1000))
    gc.collect()
    gc.disable()
    try:
        y = x.sin()
        z = (y * y).sum()
        inside = weakref.ref(y._node)
        arrays = weakref.ref(y._data)
        z.backward()
        del y, z
        assert inside() is None and arrays() is None  # by reference count: the collector is off
    finally:
        gc.enable()


def test_A7_no_grad_detach_and_retain_graph():
    x = leaf(2.0)
    with rg.no_grad():
        assert not (x * 2).requires_grad
    assert not (x * 2).detach().requires_grad
    y = x**3
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 24.0
    with pytest.raises(RuntimeError, match="retain_graph"):
        y.backward()


def test_A8_the_graph_has_its_nodes_edges_and_local_derivatives():
    _y, _w, _x, _b, cost = a2()
    names = []
    edges = []
    stack = [cost.grad_fn]
    while stack:
        n = stack.pop()
        names.append(n.name())
        for p, _ in n.next_functions:
            if p is not None:
                edges.append((n.name(), p.name()))
                stack.append(p)
    assert sorted(names) == ["AccumulateGrad"] * 4 + ["AddBackward0", "MulBackward0", "ReluBackward0", "SubBackward0"]
    assert ("SubBackward0", "ReluBackward0") in edges and ("MulBackward0", "AccumulateGrad") in edges
    local = {}
    handles = []
    stack = [cost.grad_fn]
    while stack:
        n = stack.pop()
        if n.name() != "AccumulateGrad":
            note = lambda given, cotangent, n=n: local.__setitem__(n.name(), [g.item() for g in given if g is not None])
            handles.append(n.register_hook(note))
            stack += [p for p, _ in n.next_functions if p is not None]
    cost.backward()
    assert local == {  # the table of the document: what each node hands to its parents
        "SubBackward0": [1, -1], "ReluBackward0": [-1], "AddBackward0": [-1, -1], "MulBackward0": [-1, -2],
    }  # fmt: skip


def test_A9_truncated_back_propagation_through_time():
    w = leaf(0.9)
    inputs = [leaf(float(k + 1)) for k in range(6)]
    h = rg.zeros((), dtype=D)
    for k, v in enumerate(inputs):
        if k == 3:
            h = h.detach()  # the window begins here
        h = w * h + v
    h.backward()
    assert [v.grad for v in inputs[:3]] == [None] * 3
    np.testing.assert_allclose([v.grad.item() for v in inputs[3:]], [0.81, 0.9, 1.0])
    state = 0.0
    for k in range(3):
        state = 0.9 * state + (k + 1)
    # dh/dw with the state before the window as a constant: s3 = w s + 4, s4 = w s3 + 5, s5 = w s4 + 6
    s3 = 0.9 * state + 4
    s4 = 0.9 * s3 + 5
    np.testing.assert_allclose(w.grad.item(), s4 + 0.9 * (s3 + 0.9 * state))


@pytest.mark.parametrize("limit", [0.5, 5.0, 50.0])
def test_A10_clipping_by_norm_and_by_value(limit):
    g = np.array([3.0, -4.0, 12.0])  # norm 13
    p = rg.nn.Parameter(rg.zeros(3, dtype=D))
    p.grad = rg.tensor(g)
    norm = rg.nn.utils.clip_grad_norm_([p], limit)
    assert norm.item() == pytest.approx(13)
    np.testing.assert_allclose(p.grad.numpy(), g * limit / 13 if limit < 13 else g, rtol=1e-6)
    p.grad = rg.tensor(g)
    rg.nn.utils.clip_grad_value_([p], limit)
    np.testing.assert_array_equal(p.grad.numpy(), np.clip(g, -limit, limit))


def test_A11_the_gradient_of_the_fused_cross_entropy():
    rng = np.random.default_rng(3)
    z, y = leaf(rng.standard_normal((6, 5)) * 3), rng.integers(0, 5, 6)
    F.cross_entropy(z, rg.tensor(y), reduction="sum").backward()
    e = np.exp(z.detach().numpy())
    np.testing.assert_allclose(z.grad.numpy(), e / e.sum(1, keepdims=True) - np.eye(5)[y], atol=1e-12)


@pytest.mark.parametrize("dtype", [rg.float32, rg.float64])
def test_A12_exponentials_are_stable(dtype):
    z = rg.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype=dtype, requires_grad=True)
    y = rg.tensor([1, 2])
    p, loss = rg.softmax(z, 1), F.cross_entropy(z, y)
    assert bool(rg.isfinite(p).all()) and bool(rg.isfinite(loss))
    np.testing.assert_array_equal(p.detach().numpy(), [[1, 0, 0], [0, 0.5, 0.5]])
    assert loss.item() == pytest.approx((2e4 + np.log(2)) / 2, rel=1e-6)
    loss.backward()
    np.testing.assert_allclose(z.grad.numpy(), [[0.5, -0.5, 0], [0, 0.25, -0.25]])


def relu_net():
    rg.manual_seed(4)
    nn = rg.nn
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)).double()


def backward_by_hand(m, x, rule):
    """The map from the score of class 0 to the input, with a rule of its own at each ReLU."""
    zs, h = [], x
    for layer in m:
        if isinstance(layer, rg.nn.ReLU):
            zs.append(h)
            h = np.maximum(h, 0)
        else:
            h = h @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    g = np.zeros(3)
    g[0] = 1
    for layer in reversed(list(m)):
        g = rule(g, zs.pop()) if isinstance(layer, rg.nn.ReLU) else g @ layer.weight.detach().numpy()
    return g


RULES = {
    "saliency": (lambda g, z: g * (z > 0), None),
    "deconvnet": (lambda g, z: np.maximum(g, 0), lambda given, g: (g[0].clamp(min=0),)),
    "guided": (lambda g, z: np.maximum(g, 0) * (z > 0), lambda given, g: (given[0].clamp(min=0),)),
}


@pytest.mark.parametrize("name", sorted(RULES))
def test_A13_saliency_deconvnet_and_guided_backpropagation_by_hooks(name):
    by_hand, hook = RULES[name]
    m = relu_net()
    x = leaf(np.random.default_rng(5).standard_normal(6))
    if hook is not None:
        for layer in m:
            if isinstance(layer, rg.nn.ReLU):
                layer.register_full_backward_hook(lambda module, given, g: hook(given, g))
    m(x)[0].backward()
    want = backward_by_hand(m, x.detach().numpy(), by_hand)
    np.testing.assert_allclose(x.grad.numpy(), want, atol=1e-12)
    assert np.abs(want).max() > 0


def test_A13_hooks_on_tensors():
    x = leaf([1.0, 2.0])
    seen = []
    y = x * 3
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    assert seen == [[1.0, 1.0]] and x.grad.tolist() == [6.0, 6.0]


def test_A14_the_delta_recursions_of_a_two_layer_perceptron():
    rng = np.random.default_rng(6)
    x, target = rng.standard_normal(4), rng.standard_normal(2)
    W1, W2 = leaf(rng.standard_normal((5, 4))), leaf(rng.standard_normal((2, 5)))
    h = rg.sigmoid(W1 @ rg.tensor(x))
    o = rg.sigmoid(W2 @ h)
    loss = 0.5 * ((o - rg.tensor(target)) ** 2).sum()
    loss.backward()
    hidden, out = h.detach().numpy(), o.detach().numpy()
    delta2 = (out - target) * out * (1 - out)
    delta1 = (W2.detach().numpy().T @ delta2) * hidden * (1 - hidden)
    np.testing.assert_allclose(W2.grad.numpy(), np.outer(delta2, hidden), atol=1e-14)
    np.testing.assert_allclose(W1.grad.numpy(), np.outer(delta1, x), atol=1e-14)
