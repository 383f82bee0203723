"""The graph: order, depth, accumulation, freeing, errors with lines, threads, nested passes."""

import gc
import threading

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd.core import Leaf, Node


def live(*kinds):
    return sum(type(o) in kinds for o in gc.get_objects())


def test_gradient_of_the_introductory_example():
    # d/dx of x**2 / x + 1 / x**2 is 1 - 2 / x**3: many paths summed
    x = rg.tensor(1.7, dtype=rg.float64, requires_grad=True)
    (x**2 / x + 1 / x**2).backward()
    np.testing.assert_allclose(x.grad.item(), 1 - 2 / 1.7**3, rtol=1e-12)


def test_worked_graph():
    # C = y - max(0, w * x + b) at y = 5, w = 2, x = 1, b = 1
    y, w, x, b = (rg.tensor(v, requires_grad=True) for v in (5.0, 2.0, 1.0, 1.0))
    c = y - rg.clamp(w * x + b, min=0)
    c.backward()
    assert c.item() == 2.0
    assert [t.grad.item() for t in (w, x, b, y)] == [-1.0, -2.0, -1.0, 1.0]


def test_a_chain_of_300_000_operations_differentiates_and_is_freed():
    x = rg.ones(2, dtype=rg.float64, requires_grad=True)
    h = x
    for _ in range(150_000):
        h = h * 1.0
        h = h + x
    h.sum().backward()
    assert x.grad.tolist() == [150_001.0, 150_001.0]
    gc.collect()
    gc.disable()
    try:
        before = live(Node)
        del h
        assert live(Node) <= before - 300_000
    finally:
        gc.enable()


def test_a_diamond_20_000_wide():
    x = rg.ones(2, dtype=rg.float64, requires_grad=True)
    total = rg.zeros(2, dtype=rg.float64)
    for i in range(20_000):
        total = total + x * float(i % 3)
    total.sum().backward()
    assert x.grad.tolist() == [19_999.0, 19_999.0]


def step(model, opt, x, y):
    opt.zero_grad()
    loss = rg.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    opt.step()
    return loss.item()


def test_training_leaves_no_live_node_and_no_memory_with_the_collector_off():
    tracemalloc = pytest.importorskip("tracemalloc")
    nn = rg.nn
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))
    opt = rg.optim.Adam(model.parameters(), lr=1e-3)
    x, y = rg.randn(32, 8), rg.randint(0, 3, (32,))
    for _ in range(20):
        step(model, opt, x, y)
    gc.collect()
    gc.disable()
    try:
        nodes = live(Node)
        tracemalloc.start()
        for _ in range(100):
            step(model, opt, x, y)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(900):
            step(model, opt, x, y)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        assert live(Node) == nodes
        assert grown < 100_000, f"{grown} bytes grew in 900 steps"
    finally:
        gc.enable()


def test_views_in_place_and_second_order_leave_no_cycle():
    def once():
        x = rg.ones(3, 3, requires_grad=True)
        y = x * x
        v = y[0]
        v.mul_(2.0)
        y += x
        y[1] = v
        a, b = y.split([1, 2])
        z = rg.where(y > 0, a.exp(), b.sum(0, keepdim=True)).sum()
        (g,) = rg.autograd.grad(z, x, create_graph=True)
        (g * g).sum().backward()

    once()
    gc.collect()
    gc.disable()
    try:
        before = live(rg.Tensor, Node, Leaf)
        for _ in range(30):
            once()
        # a leaf's second-order .grad may hold the last graph, as PyTorch warns; nothing may add up
        assert live(rg.Tensor, Node, Leaf) <= before + 3
    finally:
        gc.enable()


def test_gradients_accumulate_and_zero_grad_clears():
    x = rg.ones(3, requires_grad=True)
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5.0] * 3
    x.grad.zero_()
    (x * 4).sum().backward()
    assert x.grad.tolist() == [4.0] * 3
    x.grad = None
    (x * 4).sum().backward()
    assert x.grad.tolist() == [4.0] * 3


def test_a_new_gradient_is_not_copied(monkeypatch):
    from retrograd.autograd import passes

    given = []

    def seen(leaf, g, alone):
        given.append(g)
        return deposit(leaf, g, alone)

    deposit = passes._deposit
    monkeypatch.setattr(passes, "_deposit", seen)
    x = rg.randn(50, 40, requires_grad=True)
    y = rg.randn(50, 40, requires_grad=True)
    (rg.tanh(x) * 2 + x * y).sum().backward()
    assert len(given) == 2
    for g in given:
        owner = x if np.shares_memory(g, x.grad.numpy()) else y
        assert owner.grad.numpy() is g or np.shares_memory(owner.grad.numpy(), g)


def test_a_gradient_owns_its_memory():
    x, y = rg.ones(3, requires_grad=True), rg.ones(3, requires_grad=True)
    g = rg.ones(3)
    (x + y).backward(g)
    x.grad.mul_(5)
    assert y.grad.tolist() == [1.0] * 3 and g.tolist() == [1.0] * 3


def test_higher_derivatives():
    x = rg.tensor([0.3, -1.2], dtype=rg.float64, requires_grad=True)
    d = x.sin()
    for _ in range(3):
        (d,) = rg.autograd.grad(d.sum(), x, create_graph=True)
    np.testing.assert_allclose(d.detach().numpy(), -np.cos(x.detach().numpy()), rtol=1e-12)


def test_gradient_penalty_trains():
    rg.manual_seed(0)
    w = rg.randn(4, requires_grad=True)
    x = rg.randn(16, 4, requires_grad=True)
    first = None
    for _ in range(200):
        (g,) = rg.autograd.grad((x @ w).tanh().sum(), x, create_graph=True)
        penalty = ((g.norm(dim=1) - 1) ** 2).mean()
        w.grad = None
        penalty.backward()
        with rg.no_grad():
            w -= 0.3 * w.grad
        first = penalty.item() if first is None else first
    assert penalty.item() < 0.5 * first


def test_grad_returns_in_order_and_leaves_grad_alone():
    x, y, z = (rg.tensor(v, requires_grad=True) for v in (2.0, 3.0, 4.0))
    out = x * y
    assert [g.item() for g in rg.autograd.grad(out, [y, x], retain_graph=True)] == [2.0, 3.0]
    assert x.grad is None
    with pytest.raises(rg.GraphError, match=r"input 1 of shape \(\) .* was not used .*allow_unused=True"):
        rg.autograd.grad(out, [x, z], retain_graph=True)
    assert rg.autograd.grad(out, [x, z], retain_graph=True, allow_unused=True)[1] is None
    assert rg.autograd.grad(out, [x, z], materialize_grads=True)[1].item() == 0.0


def test_grad_of_an_intermediate_and_backward_inputs():
    x = rg.tensor(2.0, requires_grad=True)
    h = x * 3
    out = h * h
    assert rg.autograd.grad(out, h, retain_graph=True)[0].item() == 12.0
    out.backward(inputs=[h])
    assert h.grad.item() == 12.0 and x.grad is None


def test_only_what_is_wanted_is_computed():
    calls = []

    class Costly(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            calls.append(1)
            return g

    x, y = rg.tensor(1.0, requires_grad=True), rg.tensor(1.0, requires_grad=True)
    out = Costly.apply(x) + y
    rg.autograd.grad(out, y)
    assert calls == []


# ---------------------------------------------------------------- errors
def here():
    import sys

    return sys._getframe(1).f_lineno


def test_backward_twice_names_the_operation_and_its_line():
    x = rg.ones(2, requires_grad=True)
    y, at = x.exp(), here()
    y.sum().backward()
    with pytest.raises(rg.GraphError) as e:
        y.sum().backward()
    assert f"exp at test_graph.py:{at}" in str(e.value) and "retain_graph=True" in str(e.value)
    y = x.exp()
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    z = (x + 1).reshape(2, 1).sum()  # nothing saved, nothing freed: as in PyTorch, twice is allowed
    z.backward()
    z.backward()


def test_a_changed_saved_value_names_three_lines():
    x = rg.ones(2, requires_grad=True)
    y, made = x * 2, here()
    z, used = y * x, here()
    y.add_(1)
    changed = here() - 1
    with pytest.raises(rg.InplaceError) as e:
        z.sum().backward()
    for n in (made, used, changed):
        assert f"test_graph.py:{n} in" in str(e.value)
    assert "clone()" in str(e.value) and "(2,)" in str(e.value)


def test_in_place_on_leaves_is_refused():
    x, at = rg.ones(2, requires_grad=True), here()
    with pytest.raises(rg.InplaceError, match=rf"leaf .*test_graph.py:{at} .*no_grad"):
        x.add_(1)
    with pytest.raises(rg.InplaceError, match="view of a leaf"):
        x[:1].mul_(2)
    with pytest.raises(rg.InplaceError, match="leaf"):
        x[0] = 1.0
    assert x.tolist() == [1.0, 1.0]
    with rg.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0, 2.0]


def test_expanded_memory_is_refused():
    x = rg.ones(3, 1).expand(3, 4)
    with pytest.raises(rg.InplaceError, match=r"single memory location .*clone\(\)"):
        x.add_(1)


def test_non_scalar_and_no_grad_losses():
    x = rg.ones(2, requires_grad=True)
    with pytest.raises(rg.GraphError, match=r"only for scalar outputs.*\(2,\).*test_graph.py.*\.sum\(\)"):
        (x * 2).backward()
    with pytest.raises(rg.GraphError, match="does not require grad.*no_grad"):
        rg.ones(2).sum().backward()
    with pytest.raises(rg.ShapeError, match=r"\(3,\).*\(2,\)"):
        (x * 2).backward(rg.ones(3))


def test_a_shape_error_names_shapes_operand_lines_and_a_way_out():
    x, at = rg.ones(2, 3, requires_grad=True) * 1, here()
    with pytest.raises(rg.ShapeError, match=r"add: \(2, 3\) and \(3, 2\) do not broadcast.*transpose the second") as e:
        x + rg.ones(3, 2)
    assert any(f"made by mul at test_graph.py:{at}" in n for n in e.value.__notes__)


# ---------------------------------------------------------------- concurrency
def shared_leaves(runs):
    w = rg.tensor(np.random.default_rng(0).uniform(-1, 1, (4, 4)), requires_grad=True)

    def work(k):
        h = w
        for _ in range(5):
            h = (h * w).tanh()
        (h * float(k)).sum().backward()

    work(10)
    want = w.grad.numpy().copy()
    right = 0
    for _ in range(runs):
        w.grad = None
        threads = [threading.Thread(target=work, args=(k,)) for k in (1, 2, 3, 4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        right += np.allclose(w.grad.numpy(), want, rtol=1e-9)
    return right


def nested(runs):
    """A backward inside a tensor hook, and inside a Function's backward, over graphs that share leaves."""
    w = rg.tensor([0.5, -0.3], dtype=rg.float64, requires_grad=True)
    other = rg.tensor([1.0, 2.0], dtype=rg.float64, requires_grad=True)

    class Inner(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            with rg.enable_grad():
                (w * other).sum().backward(inputs=[other])
            return g * 2

    def hook(g):
        with rg.enable_grad():
            (w * w * other).sum().backward(inputs=[other])

    right = 0
    for i in range(runs):
        w.grad = other.grad = None
        h = w * 3
        if i % 2:
            h.register_hook(hook)
        (Inner.apply(h) * w).sum().backward()
        d = w.detach().numpy()
        want = d + d * d if i % 2 else d
        right += np.allclose(w.grad.numpy(), 12 * d) and np.allclose(other.grad.numpy(), want)
    return right


def test_threads_over_shared_leaves():
    assert shared_leaves(100) == 100


def test_backward_inside_a_hook_and_inside_a_backward():
    assert nested(100) == 100


@pytest.mark.soak
def test_concurrency_in_1000_runs():
    assert shared_leaves(1000) == 1000
    assert nested(1000) == 1000


def test_grad_mode_is_per_thread():
    seen = []
    with rg.no_grad():
        t = threading.Thread(target=lambda: seen.append(rg.is_grad_enabled()))
        t.start()
        t.join()
        assert not rg.is_grad_enabled()
    assert seen == [True]
