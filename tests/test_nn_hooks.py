"""Hooks of modules: order, what they are given, what they may change, removal; forward, backward, on one or on all."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn


class Two(nn.Module):
    """Two inputs, two outputs."""

    def forward(self, x, y, scale=1.0):
        return x * y * scale, x + y


def double_output(module, args, out):
    return out * 2


class TestForward:
    def test_order_and_arguments(self):
        seen = []
        m = nn.Identity()
        m.register_forward_pre_hook(lambda mod, args: seen.append(("pre1", mod is m, len(args))))
        m.register_forward_pre_hook(lambda mod, args: seen.append("pre0"), prepend=True)
        m.register_forward_hook(lambda mod, args, out: seen.append(("post1", mod is m, out is args[0])))
        m.register_forward_hook(lambda mod, args, out: seen.append("post0"), prepend=True)
        m(rg.ones(1))
        assert seen == ["pre0", ("pre1", True, 1), "post0", ("post1", True, True)]

    def test_changing_arguments_and_output(self):
        m = nn.Identity()
        m.register_forward_pre_hook(lambda mod, args: args[0] + 1)
        m.register_forward_pre_hook(lambda mod, args: (args[0] * 10,))
        m.register_forward_hook(double_output)
        m.register_forward_hook(lambda mod, args, out: out + args[0])
        assert m(rg.ones(1)).tolist() == [60.0]

    def test_keyword_arguments(self):
        m = Two()
        m.register_forward_pre_hook(lambda mod, args, kw: (args, {"scale": kw["scale"] * 2}), with_kwargs=True)
        seen = []
        m.register_forward_hook(lambda mod, args, kw, out: seen.append(kw), with_kwargs=True)
        assert m(rg.ones(1), rg.ones(1), scale=3.0)[0].tolist() == [6.0]
        assert seen == [{"scale": 6.0}]
        m.register_forward_pre_hook(lambda mod, args, kw: args[0], with_kwargs=True)
        with pytest.raises(RuntimeError, match="must return None or a tuple of"):
            m(rg.ones(1), rg.ones(1), scale=3.0)

    def test_always_called(self):
        class Broken(nn.Module):
            def forward(self, x):
                raise KeyError("broken")

        m, seen = Broken(), []
        m.register_forward_hook(lambda mod, args, out: seen.append("never"))
        m.register_forward_hook(lambda mod, args, out: seen.append(out), always_call=True)
        m.register_forward_hook(lambda mod, args, kw, out: 1 / 0, always_call=True, with_kwargs=True)
        with pytest.raises(KeyError, match="broken"), pytest.warns(UserWarning, match="silenced as another error"):
            m(rg.ones(1))
        assert seen == [None]

    def test_handles(self):
        m = nn.Identity()
        handle = m.register_forward_hook(double_output)
        twin = copy.deepcopy(m)
        again = pickle.loads(pickle.dumps(m))
        handle.remove()
        handle.remove()
        assert m(rg.ones(1)).tolist() == [1.0]
        assert twin(rg.ones(1)).tolist() == again(rg.ones(1)).tolist() == [2.0]
        with m.register_forward_hook(double_output):
            assert m(rg.ones(1)).tolist() == [2.0]
        assert m(rg.ones(1)).tolist() == [1.0]
        pickle.loads(pickle.dumps(handle)).remove()
        del m
        handle.remove()

    def test_global(self):
        seen = []
        net = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
        with (
            nn.modules.module.register_module_forward_pre_hook(lambda m, a: seen.append(("pre", type(m).__name__))),
            nn.modules.module.register_module_forward_hook(lambda m, a, o: seen.append(("post", type(m).__name__))),
            nn.modules.module.register_module_forward_hook(lambda m, a, k, o: seen.append(k), with_kwargs=True),
        ):
            net(rg.ones(1, 1))
        assert seen == [
            ("pre", "Sequential"), ("pre", "Linear"), ("post", "Linear"), {}, ("pre", "ReLU"), ("post", "ReLU"), {},
            ("post", "Sequential"), {},
        ]  # fmt: skip
        net(rg.ones(1, 1))
        assert len(seen) == 9


def both(build, hook_name, hook, xs, out=lambda r: r if not isinstance(r, tuple) else r[0].sum() + 2 * r[1].sum()):
    """Gradients of the inputs and what the hook saw, in retrograd and in torch."""
    torch = pytest.importorskip("torch")
    results = []
    for lib, tensor in ((rg, rg.tensor), (torch, torch.tensor)):
        seen = []
        m = build(lib)

        def recorded(module, *grads, seen=seen):
            seen.append([[None if g is None else np.array(g.tolist()) for g in gs] for gs in grads])
            return hook(*grads)

        getattr(m, hook_name)(recorded)
        ts = [tensor(x, requires_grad=True) if isinstance(x, np.ndarray) else x for x in xs]
        out(m(*ts)).sum().backward()
        results.append(([t.grad.tolist() for t in ts if hasattr(t, "grad")], seen))
    return results


def assert_same(results):
    (grads, seen), (grads2, seen2) = results
    np.testing.assert_allclose(grads, grads2, rtol=1e-10)
    assert len(seen) == len(seen2) == 1
    for a, b in zip(seen[0], seen2[0], strict=True):
        for x, y in zip(a, b, strict=True):
            assert (x is None) == (y is None)
            if x is not None:
                np.testing.assert_allclose(x, y, rtol=1e-10)


def linear(lib):
    m = lib.nn.Linear(3, 2).double()
    with lib.no_grad():
        for i, p in enumerate(m.parameters()):
            p.fill_(0.5 + i)
    return m


def two(lib):
    class Two(lib.nn.Module):
        def forward(self, x, y, scale=1.0):
            return x * y * scale, x + y

    return Two()


class TestBackward:
    X = np.arange(6.0).reshape(2, 3) + 1

    def test_full_hook_as_in_torch(self):
        assert_same(both(linear, "register_full_backward_hook", lambda gx, gy: None, [self.X]))
        assert_same(both(linear, "register_full_backward_hook", lambda gx, gy: (gx[0] * 3,), [self.X]))
        assert_same(both(two, "register_full_backward_hook", lambda gx, gy: None, [self.X, self.X + 1]))
        assert_same(both(two, "register_full_backward_hook", lambda gx, gy: gx[::-1], [self.X, self.X + 1]))
        assert_same(both(two, "register_full_backward_hook", lambda gx, gy: None, [self.X, 2.0]))

    def test_pre_hook_as_in_torch(self):
        assert_same(both(linear, "register_full_backward_pre_hook", lambda gy: (gy[0] * 2,), [self.X]))
        assert_same(both(two, "register_full_backward_pre_hook", lambda gy: (gy[1], gy[0]), [self.X, self.X + 1]))

    def test_order(self):
        seen = []
        net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        for i, m in enumerate(net):
            m.register_full_backward_pre_hook(lambda m, g, i=i: seen.append(f"pre {i}"))
            m.register_full_backward_hook(lambda m, gx, gy, i=i: seen.append(f"post {i}"))
            m.register_full_backward_hook(lambda m, gx, gy, i=i: seen.append(f"first {i}"), prepend=True)
        x = rg.ones(1, 2, requires_grad=True)
        net(x).sum().backward()
        assert seen == ["pre 1", "first 1", "post 1", "pre 0", "first 0", "post 0"]

    def test_no_input_requires_grad(self):
        m, seen = nn.Linear(2, 1), []
        m.register_full_backward_hook(lambda mod, gx, gy: seen.append((gx, gy[0].tolist())))
        with pytest.warns(UserWarning, match="no inputs of Linear require gradients"):
            m(rg.ones(1, 2)).sum().backward()
        assert seen == [((None,), [[1.0]])]
        assert m.weight.grad is not None
        m.register_full_backward_hook(lambda mod, gx, gy: (rg.ones(1, 2),))
        with pytest.raises(RuntimeError, match="should always return None"), pytest.warns(UserWarning):
            m(rg.ones(1, 2)).sum().backward()

    def test_without_graph_hooks_stay_silent(self):
        m, seen = nn.Linear(2, 1), []
        m.register_full_backward_hook(lambda *a: seen.append(1))
        with rg.no_grad():
            assert not m(rg.ones(1, 2)).requires_grad
        assert seen == []

    def test_wrong_number(self):
        m = nn.Linear(2, 1)
        m.register_full_backward_hook(lambda mod, gx, gy: (gx[0], gx[0]))
        with pytest.raises(RuntimeError, match="invalid number of grad_input, got 2, but expected 1"):
            m(rg.ones(1, 2, requires_grad=True)).sum().backward()
        m = nn.Linear(2, 1)
        m.register_full_backward_pre_hook(lambda mod, gy: (gy[0], gy[0]))
        with pytest.raises(RuntimeError, match="invalid number of grad_output, got 2, but expected 1"):
            m(rg.ones(1, 2, requires_grad=True)).sum().backward()

    def test_output_that_is_no_tensor(self):
        class Dict(nn.Module):
            def forward(self, x):
                return {"y": x * 2}

        m = Dict()
        m.register_full_backward_hook(lambda *a: None)
        with pytest.warns(UserWarning, match="module output should be a Tensor or a tuple of Tensors"):
            m(rg.ones(1, requires_grad=True))

    def test_inplace_module_leaves_its_input_right(self):
        m = nn.ReLU(inplace=True)
        m.register_full_backward_hook(lambda *a: None)
        x = rg.tensor([-1.0, 2.0], requires_grad=True)
        h = x * 3
        (m(h) + h * h).sum().backward()
        assert x.grad.tolist() == [0 + 2 * -3.0 * 3, 3 + 2 * 6.0 * 3]

    def test_second_order(self):
        m, seen = nn.Tanh(), []
        m.register_full_backward_hook(lambda mod, gx, gy: seen.append(gx[0].item()))
        x = rg.tensor(0.5, dtype=rg.float64, requires_grad=True)
        (g,) = rg.autograd.grad(m(x), x, create_graph=True)
        (gg,) = rg.autograd.grad(g, x)
        t = np.tanh(0.5)
        assert g.item() == pytest.approx(1 - t * t)
        assert gg.item() == pytest.approx(-2 * t * (1 - t * t))
        assert seen[0] == pytest.approx(1 - t * t)

    def test_global(self):
        seen = []
        net = nn.Sequential(nn.Linear(1, 1), nn.Tanh())
        with (
            nn.modules.module.register_module_full_backward_pre_hook(lambda m, g: seen.append(type(m).__name__)),
            nn.modules.module.register_module_full_backward_hook(lambda m, gx, gy: seen.append(len(gx))),
        ):
            net(rg.ones(1, 1, requires_grad=True)).sum().backward()
        assert seen == ["Sequential", "Tanh", 1, "Linear", 1, 1]
