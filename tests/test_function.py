"""autograd.Function, hooks on tensors, nodes and saved values, grad modes, anomaly detection."""

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd import Function
from retrograd.autograd.function import once_differentiable


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


def leaf(*values):
    return rg.tensor(values if len(values) > 1 else values[0], dtype=rg.float64, requires_grad=True)


def test_first_and_second_order():
    x = leaf(2.0, 3.0)
    y = Cube.apply(x)
    assert type(y.grad_fn).__name__ == "Node" and y.requires_grad
    (g,) = rg.autograd.grad(y.sum(), x, create_graph=True)
    assert g.tolist() == [12.0, 27.0]
    (h,) = rg.autograd.grad(g.sum(), x)
    assert h.tolist() == [12.0, 18.0]
    assert rg.autograd.gradcheck(Cube.apply, (leaf(2.0, 3.0),))
    assert rg.autograd.gradgradcheck(Cube.apply, (leaf(2.0, 3.0),))


def test_setup_context_several_outputs_and_attributes():
    class Both(Function):
        @staticmethod
        def forward(x, k):
            return x * k, x + k, k

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.k = inputs[1]
            assert ctx.needs_input_grad == (True, False)

        @staticmethod
        def backward(ctx, g, h, _):
            return g * ctx.k + h, None

    x = leaf(2.0, 3.0)
    a, b, k = Both.apply(x, 5.0)
    assert k == 5.0
    (a.sum() + 2 * b.sum()).backward()
    assert x.grad.tolist() == [7.0, 7.0]
    x.grad = None
    Both.apply(x, 5.0)[0].sum().backward()  # the unused output's gradient arrives as zeros
    assert x.grad.tolist() == [5.0, 5.0]


def test_unused_gradients_are_none_on_request():
    seen = []

    class F(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, g, h):
            seen.append((g is None, h is None))
            return g if h is None else h

    F.apply(leaf(1.0, 2.0))[0].sum().backward()
    assert seen == [(False, True)]


def test_mark_dirty_non_differentiable_and_saved_outputs():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            x.exp_()
            ctx.mark_dirty(x)
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = leaf(0.5, 1.0)
    y = x * 1
    z = Exp.apply(y)
    assert z is y
    z.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([0.5, 1.0]))
    with pytest.raises(rg.InplaceError, match="Exp: a leaf"):
        Exp.apply(leaf(1.0, 2.0))

    class Sort(Function):
        @staticmethod
        def forward(ctx, x):
            v, i = x.sort()
            ctx.mark_non_differentiable(i)
            ctx.save_for_backward(i)
            return v, i

        @staticmethod
        def backward(ctx, g, _):
            (i,) = ctx.saved_tensors
            return rg.zeros_like(g).scatter(0, i, g)

    x = leaf(3.0, 1.0)
    v, i = Sort.apply(x)
    assert not i.requires_grad
    (v * rg.tensor([10.0, 20.0])).sum().backward()
    assert x.grad.tolist() == [20.0, 10.0]


def test_saved_tensors_are_checked_for_changes_and_freed():
    x = leaf(2.0, 3.0)
    h = x * 1
    y = Cube.apply(h)
    h.add_(1)
    with pytest.raises(rg.InplaceError, match="saved for the gradient of Cube"):
        y.sum().backward()
    y = Cube.apply(x)
    y.sum().backward()
    with pytest.raises(rg.GraphError, match="Cube at test_function.py"):
        y.sum().backward()


def test_wrong_backwards_are_named():
    class TooMany(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g, g

    class WrongShape(TooMany):
        @staticmethod
        def backward(ctx, g):
            return rg.ones(7, dtype=rg.float64)

    with pytest.raises(rg.GraphError, match="TooMany: backward returned 2 gradients but forward took 1"):
        TooMany.apply(leaf(1.0, 2.0)).sum().backward()
    with pytest.raises(rg.ShapeError, match=r"WrongShape: gradient 0 has shape \(7,\)"):
        WrongShape.apply(leaf(1.0, 2.0)).sum().backward()
    with pytest.raises(rg.GraphError, match="apply"):
        Cube()


def test_once_differentiable():
    class F(Cube):
        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x * x

    x = leaf(2.0, 3.0)
    (g,) = rg.autograd.grad(F.apply(x).sum(), x, create_graph=True)
    assert g.tolist() == [12.0, 27.0]
    with pytest.raises(rg.GraphError, match="once_differentiable"):
        g.sum().backward()


# ---------------------------------------------------------------- hooks
def test_tensor_hooks_change_gradients_in_order():
    x = leaf(1.0, 2.0)
    y = x * 3
    first = y.register_hook(lambda g: g * 2)
    y.register_hook(lambda g: g + 1)
    y.sum().backward()
    assert x.grad.tolist() == [9.0, 9.0]
    first.remove()
    x.grad = None
    y = x * 3
    with y.register_hook(lambda g: g * 0):
        y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


def test_leaf_hooks_see_the_whole_gradient_once():
    x = leaf(1.0, 2.0)
    seen, after = [], []
    x.register_hook(lambda g: seen.append(g.tolist()))
    x.register_post_accumulate_grad_hook(lambda t: after.append(t.grad.tolist()))
    (x * 2 + x * 3).sum().backward()
    assert seen == [[5.0, 5.0]] and after == [[5.0, 5.0]]
    (x * 2).sum().backward()
    assert after[-1] == [7.0, 7.0]


def test_retain_grad():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    assert y.retains_grad and not x.retains_grad
    (y * y).sum().backward()
    assert y.grad.tolist() == [6.0, 12.0]
    with pytest.raises(rg.GraphError, match="retain_grad"):
        rg.ones(2).retain_grad()


def test_node_hooks():
    x = leaf(1.0, 2.0)
    y = x * 3
    log = []
    y.grad_fn.register_prehook(lambda g: log.append(("pre", g[0].tolist())))
    y.grad_fn.register_hook(lambda ins, outs: log.append(("post", ins[0].tolist(), outs[0].tolist())))
    y.sum().backward()
    assert log == [("pre", [1.0, 1.0]), ("post", [3.0, 3.0], [1.0, 1.0])]
    assert y.grad_fn.name() == "MulBackward0" and y.grad_fn.next_functions[0][0].name() == "AccumulateGrad"
    assert y.grad_fn.next_functions[0][0].variable is x


def test_hooks_must_return_the_right_shape():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.register_hook(lambda g: g.sum())
    with pytest.raises(rg.GraphError, match=r"register_hook.*shape \(2,\)"):
        y.sum().backward()
    with pytest.raises(TypeError):
        x.register_hook(3)


def test_saved_tensors_hooks_see_what_is_saved_and_may_replace_it():
    packed = []

    def pack(t):
        packed.append(tuple(t.shape))
        return t.numpy().copy()

    x = leaf(1.0, 2.0)
    with rg.autograd.graph.saved_tensors_hooks(pack, rg.from_numpy):
        y = (x * x).exp().sum()
    h = x * x
    assert packed and all(s == (2,) for s in packed)
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy() * np.exp(x.detach().numpy() ** 2))
    h.sum().backward()
    with rg.autograd.graph.save_on_cpu():
        x.exp().sum().backward()
    with rg.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: 3):
        z = x.exp().sum()
    with pytest.raises(rg.GraphError, match="unpack hook must return a Tensor"):
        z.backward()


# ---------------------------------------------------------------- modes
def test_grad_modes():
    x = leaf(1.0, 2.0)
    with rg.no_grad():
        assert not (x * 2).requires_grad and not rg.is_grad_enabled()
        with rg.enable_grad():
            assert (x * 2).requires_grad
    with rg.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    rg.set_grad_enabled(False)
    assert not rg.is_grad_enabled()
    rg.set_grad_enabled(True)

    @rg.no_grad()
    def f(t):
        return t * 2

    @rg.no_grad
    def g(t):
        return t * 2

    @rg.set_grad_enabled(False)
    def h(t):
        return t * 2

    @rg.inference_mode()
    def i(t):
        assert rg.is_inference_mode_enabled()
        return t * 2

    assert not any(k(x).requires_grad for k in (f, g, h, i)) and rg.is_grad_enabled()

    @rg.no_grad()
    def numbers():
        yield rg.is_grad_enabled()
        yield rg.is_grad_enabled()

    seen = []
    for v in numbers():
        seen += [v, rg.is_grad_enabled()]
    assert seen == [False, True, False, True]
    with pytest.raises(ZeroDivisionError), rg.no_grad():
        1 / 0
    assert rg.is_grad_enabled()


# ---------------------------------------------------------------- anomalies
def test_the_first_producer_of_a_nan_is_named_with_module_and_line():
    class Bad(rg.nn.Module):
        def forward(self, x):
            return (x - 5).log()

    class Net(rg.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = rg.nn.Identity()
            self.bad = Bad()

        def forward(self, x):
            return self.bad(self.first(x)) * 2

    where = r"log made nan at \[0\] in forward, at test_function.py:\d+ in forward, in module Net.bad"
    with pytest.raises(rg.NumericsError, match=where):
        with rg.autograd.detect_anomaly():
            Net()(leaf(1.0, 9.0))
    with rg.autograd.detect_anomaly():
        rg.log(rg.zeros(2))  # an infinity is allowed unless asked for
    with pytest.raises(rg.NumericsError, match="log made -inf"), rg.autograd.detect_anomaly(inf=True):
        rg.log(rg.zeros(2))


def test_a_nan_of_the_backward_pass_is_named():
    x = leaf(0.0, 1.0)
    with pytest.raises(rg.NumericsError, match=r"gradient of sqrt .*made nan.* backward; .*test_function.py"):
        with rg.autograd.detect_anomaly():
            y = x.sqrt() * rg.tensor([0.0, 1.0], dtype=rg.float64)
            y.sum().backward()
    y = x.sqrt().sum()
    y.backward()  # outside, nothing is checked


def test_set_detect_anomaly_is_undone():
    with rg.autograd.set_detect_anomaly(True), pytest.raises(rg.NumericsError):
        rg.sqrt(rg.tensor(-1.0))
    rg.sqrt(rg.tensor(-1.0))
    rg.autograd.set_detect_anomaly(True)
    try:
        with pytest.raises(rg.NumericsError):
            rg.sqrt(rg.tensor(-1.0))
    finally:
        rg.autograd.set_detect_anomaly(False)
    rg.sqrt(rg.tensor(-1.0))
