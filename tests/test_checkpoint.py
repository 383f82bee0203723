"""Checkpointing: the same gradients from less memory, with random numbers, nesting, and what it refuses."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import pytest

import retrograd as rg
from retrograd.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    noop_context_fn,
    set_checkpoint_early_stop,
)

D = rg.float64


def net():
    nn = rg.nn
    return nn.Sequential(
        nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3)
    ).double()


def gradients(m, x, run):
    rg.manual_seed(7)
    m.zero_grad()
    x.grad = None
    (run(x) ** 2).sum().backward()
    return [x.grad.numpy().copy(), *(p.grad.numpy().copy() for p in m.parameters())]


def nested(m):
    inner = lambda z: checkpoint(lambda w: m[3](m[2](w)), z, use_reentrant=False)
    return lambda x: checkpoint(lambda z: m[4:](inner(m[:2](z))), x, use_reentrant=False)


WAYS = {
    "not reentrant": lambda m: lambda x: checkpoint(m, x, use_reentrant=False),
    "reentrant": lambda m: lambda x: checkpoint(m, x, use_reentrant=True),
    "no early stop": lambda m: lambda x: checkpoint(m, x, use_reentrant=False, early_stop=False),
    "nested": nested,
    "sequential": lambda m: lambda x: checkpoint_sequential(m, 3, x, use_reentrant=False),
    "sequential reentrant": lambda m: lambda x: checkpoint_sequential(m, 3, x, use_reentrant=True),
    "keyword": lambda m: lambda x: checkpoint(lambda *, v: m(v), v=x, use_reentrant=False),
}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_gradients_are_those_without(way):
    rg.manual_seed(0)
    m = net()
    x = rg.randn(5, 4, dtype=D, requires_grad=True)
    want = gradients(m, x, m)
    for a, b in zip(want, gradients(m, x, WAYS[way](m)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("reentrant", [False, True])
def test_random_numbers_are_replayed_or_not(reentrant):
    x = rg.ones(1000, dtype=D, requires_grad=True)
    drop = lambda v: rg.nn.functional.dropout(v, 0.5)
    y = checkpoint(lambda v: drop(v) * v, x, use_reentrant=reentrant)
    y.sum().backward()
    np.testing.assert_array_equal((x.grad == 0).numpy(), (y == 0).numpy())
    before = rg.get_rng_state()
    y = checkpoint(lambda v: drop(v) * v, x, use_reentrant=reentrant)
    after = rg.get_rng_state()
    assert not bool((before == after).all())
    y.sum().backward()
    assert bool((rg.get_rng_state() == after).all())  # backward leaves the stream as it was
    x.grad = None
    y = checkpoint(lambda v: drop(v) * v, x, use_reentrant=reentrant, preserve_rng_state=False)
    y.sum().backward()
    assert not bool((rg.get_rng_state() == after).all())


def saved_bytes(f, *args):
    """What the graph of f keeps."""
    from retrograd.autograd.hooks import Packed
    from retrograd.autograd.passes import order_shared

    out = f(*args)
    kept = {}
    for n in order_shared([out._node]):
        if n.saved is None or isinstance(n.saved, Packed):
            continue
        for v in n.saved:
            for a in v if isinstance(v, (list, tuple)) else [v]:
                if isinstance(a, np.ndarray):
                    kept[id(a)] = a.nbytes
    return sum(kept.values())


def test_nothing_is_kept_inside():
    x = rg.ones(1000, dtype=D, requires_grad=True)

    def deep(v):
        for _ in range(10):
            v = v.sin()
        return v

    assert saved_bytes(deep, x) == 80_000
    assert saved_bytes(lambda v: checkpoint(deep, v, use_reentrant=False), x) == 0
    assert saved_bytes(lambda v: checkpoint(deep, v, use_reentrant=True), x) == 8_000


def test_the_part_runs_once_more():
    calls = []

    def f(v):
        calls.append(1)
        return v.sin().exp().sum()

    x = rg.ones(3, requires_grad=True)
    y = checkpoint(f, x, use_reentrant=False)
    assert len(calls) == 1
    y.backward()
    assert len(calls) == 2


def test_early_stop_leaves_the_rest_away():
    calls = []

    def f(v):
        y = v.sin()
        calls.append("a")
        y = y + 1
        y = (y * 2).sum()
        calls.append("b")
        return y

    x = rg.ones(3, requires_grad=True)
    checkpoint(f, x, use_reentrant=False).backward()
    assert calls == ["a", "b"]  # the only saved value is that of sin, the first thing that is computed again
    calls.clear()
    with set_checkpoint_early_stop(False):
        checkpoint(f, x, use_reentrant=False).backward()
    assert calls == ["a", "b", "a", "b"]


def test_higher_derivatives_and_grad():
    x = rg.tensor([0.3, 0.4], dtype=D, requires_grad=True)
    y = checkpoint(lambda v: (v.sin() * v).sum(), x, use_reentrant=False)
    (g,) = rg.autograd.grad(y, x, create_graph=True)
    (h,) = rg.autograd.grad(g.sum(), x)
    v = x.detach().numpy()
    np.testing.assert_allclose(h.numpy(), 2 * np.cos(v) - v * np.sin(v))


def test_backward_twice_computes_twice():
    x = rg.tensor([0.5], requires_grad=True)
    y = checkpoint(lambda v: v.exp().sin(), x, use_reentrant=False)
    y.backward(retain_graph=True)
    first = x.grad.item()
    y.backward()
    assert x.grad.item() == pytest.approx(2 * first)


def test_several_outputs_and_inputs_and_structures():
    a, b = rg.tensor(2.0, requires_grad=True), rg.tensor(3.0, requires_grad=True)
    out = checkpoint(lambda p, k: {"s": p[0] * p[1], "d": (p[0] - p[1]) * k}, (a, b), 4.0, use_reentrant=False)
    (out["s"] * out["d"]).backward()
    assert (a.grad.item(), b.grad.item()) == (-12.0 + 24.0, -8.0 - 24.0)


def test_parameters_only():
    m = rg.nn.Linear(2, 1)
    x = rg.ones(3, 2)
    checkpoint(m, x, use_reentrant=False).sum().backward()
    assert m.weight.grad.tolist() == [[3.0, 3.0]]
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad"):
        checkpoint(m, x, use_reentrant=True)


def test_without_recording_nothing_is_remembered():
    with rg.no_grad():
        y = checkpoint(lambda v: v.sin(), rg.ones(2, requires_grad=True), use_reentrant=False)
    assert not y.requires_grad


def test_a_function_that_changes_is_found_out():
    sizes = iter([3, 2])

    def f(v):
        return (v[: next(sizes)].sin() * 2).sum()

    x = rg.ones(4, requires_grad=True)
    with pytest.raises(CheckpointError, match="different metadata"):
        checkpoint(f, x, use_reentrant=False).backward()
    steps = iter([3, 1])

    def g(v):
        for _ in range(next(steps)):
            v = v.sin()
        return v.sum()

    with pytest.raises(CheckpointError, match="different number of tensors"):
        checkpoint(g, x, use_reentrant=False).backward()


def test_contexts_surround_both_runs():
    seen = []

    @contextlib.contextmanager
    def note(name):
        seen.append(f"{name} in")
        yield
        seen.append(f"{name} out")

    x = rg.ones(2, requires_grad=True)
    y = checkpoint(lambda v: v.sin().sum(), x, use_reentrant=False, context_fn=lambda: (note("forward"), note("again")))
    assert seen == ["forward in", "forward out"]
    y.backward()
    assert seen == ["forward in", "forward out", "again in", "again out"]
    assert len(noop_context_fn()) == 2


def test_arguments_are_checked():
    x = rg.ones(1, requires_grad=True)
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(rg.sin, x)
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint_sequential([rg.sin, rg.cos], 2, x)
    with pytest.raises(ValueError, match="keyword"):
        checkpoint(rg.sin, x, use_reentrant=True, other=1)
    with pytest.raises(ValueError, match="context_fn"):
        checkpoint(rg.sin, x, use_reentrant=True, debug=True)
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(rg.sin, x, use_reentrant=False, determinism_check="much")
    with pytest.raises(ValueError, match="keyword"):
        checkpoint_sequential([rg.sin], 1, x, use_reentrant=False, other=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checkpoint(rg.sin, x, use_reentrant=False)


def test_it_is_where_pytorch_has_it():
    import retrograd.utils.checkpoint as module
    from retrograd.utils import checkpoint as same

    assert module is same and module.checkpoint is checkpoint


def test_it_nests_with_transforms():
    f = lambda x: checkpoint(lambda v: (v.sin() * v).sum(), x, use_reentrant=False)
    x = rg.tensor([0.3, 0.4], dtype=D)
    g = lambda v: (v.sin() * v).sum()
    np.testing.assert_allclose(rg.func.grad(f)(x).numpy(), rg.func.grad(g)(x).numpy())
    np.testing.assert_allclose(rg.func.hessian(f)(x).numpy(), rg.func.hessian(g)(x).numpy(), atol=1e-12)
