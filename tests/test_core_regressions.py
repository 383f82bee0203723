"""Cases of the graph's core that once went wrong: each would be a wrong gradient without an error, or a leak."""

import gc
import threading

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd import Function
from retrograd.autograd.core import Node
from retrograd.autograd.graph import saved_tensors_hooks


def leaf(*values):
    return rg.tensor(values if len(values) > 1 else values[0], dtype=rg.float64, requires_grad=True)


# ---------------------------------------------------------------- Function
class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class Triple(Function):
    @staticmethod
    def forward(ctx, x):
        x.mul_(3)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, g):
        return g * 3


def test_second_order_through_the_saved_output_of_a_function():
    x = leaf(0.5, 1.0)
    (g,) = rg.autograd.grad(Exp.apply(x).sum(), x, create_graph=True)
    (h,) = rg.autograd.grad((g * g).sum(), x)
    np.testing.assert_allclose(h.numpy(), 2 * np.exp(2 * np.array([0.5, 1.0])))
    assert rg.autograd.gradgradcheck(Exp.apply, (leaf(0.5, 1.0),))


def test_saved_outputs_are_counted_among_the_tensors():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            s, e = x.sin(), x.exp()
            ctx.save_for_backward(e)
            return "no tensor", s, e

        @staticmethod
        def backward(ctx, _, g, h):
            (e,) = ctx.saved_tensors
            return h * e

    x = leaf(0.5, 1.0)
    (g,) = rg.autograd.grad(Two.apply(x)[2].sum(), x, create_graph=True)
    (h,) = rg.autograd.grad(g.sum(), x)
    np.testing.assert_allclose(h.numpy(), np.exp([0.5, 1.0]))


def test_an_input_returned_as_it_is_is_saved_as_the_input():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x * x

    x = leaf(0.5, 2.0)
    (g,) = rg.autograd.grad(Same.apply(x).sum(), x, create_graph=True)
    assert rg.autograd.grad(g.sum(), x)[0].tolist() == [1.0, 4.0]


def test_a_function_that_writes_through_a_view_rebases_the_base():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    Triple.apply(y[:2])
    (y * y).sum().backward()
    assert x.grad.tolist() == [18.0, 36.0, 6.0]


def test_a_function_that_writes_into_a_base_re_records_its_views():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    v = y[:2]
    Triple.apply(y)
    (v * v).sum().backward()
    assert x.grad.tolist() == [18.0, 36.0, 0.0]
    with pytest.raises(rg.InplaceError, match="Triple: a view of a leaf"):
        Triple.apply(x[:2])


def test_the_name_of_a_functions_node_is_pytorchs():
    y = Exp.apply(leaf(1.0, 2.0))
    assert y.grad_fn.name() == "ExpBackward" and "ExpBackward>" in repr(y)


def test_outputs_of_one_call_share_their_node():
    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            return g * 2 + h * 3

    x = leaf(1.0, 2.0)
    a, b = Both.apply(x)
    assert a.grad_fn is b.grad_fn
    a.grad_fn.register_prehook(lambda gs: tuple(g * 10 for g in gs))
    seen = []
    a.grad_fn.register_hook(lambda ins, outs: seen.append([g.tolist() for g in outs]))
    a.register_hook(lambda g: g + 1)
    (a.sum() + b.sum()).backward()
    assert seen == [[[20.0, 20.0], [10.0, 10.0]]] and x.grad.tolist() == [70.0, 70.0]


def test_an_exception_in_a_backward_leaves_everything_clean():
    class Fails(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            raise KeyError("backward")

    from retrograd.autograd import core, passes

    x = leaf(1.0, 2.0)
    for create in (False, True):
        with pytest.raises(KeyError):
            Fails.apply(x * 2).sum().backward(create_graph=create)
        assert rg.is_grad_enabled() and core.tls.state.blame is None
        assert not passes.fast.locked() and not passes.accumulating.locked()
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


# ---------------------------------------------------------------- hooks on saved values, anomalies
def test_saved_tensors_hooks_see_what_a_function_saves_and_open_it_once():
    seen = []
    x = leaf(1.0, 2.0)
    with saved_tensors_hooks(lambda t: seen.append("pack") or t, lambda t: seen.append("unpack") or t):
        y = Exp.apply(x)
    y.sum().backward()
    assert seen == ["pack", "unpack"]
    np.testing.assert_allclose(x.grad.numpy(), np.exp([1.0, 2.0]))


def test_of_nested_saved_tensors_hooks_the_innermost_packs():
    seen = []
    x = leaf(1.0, 2.0)
    with saved_tensors_hooks(lambda t: seen.append("outer") or t, lambda t: t):
        with saved_tensors_hooks(lambda t: seen.append("inner") or t, lambda t: t):
            x.exp()
        x.sin()
    assert seen == ["inner", "outer"]


def test_in_place_operations_under_saved_tensors_hooks():
    x = leaf(1.0, 1.1)
    with saved_tensors_hooks(lambda t: t, lambda t: t):
        y = x * 1
        y.pow_(3)
        y.mul_(x)
        y.exp_()
        y.sin_()
    y.sum().backward()
    a = x.detach().numpy()
    np.testing.assert_allclose(x.grad.numpy(), np.cos(np.exp(a**4)) * np.exp(a**4) * 4 * a**3)


def test_anomaly_detection_sees_what_a_function_returns():
    class Log(Exp):
        @staticmethod
        def forward(ctx, x):
            return x.log()

    for record in (True, False):
        with pytest.raises(rg.NumericsError, match=r"Log made nan at \[0\] in forward, at test_core_regressions.py"):
            with rg.autograd.detect_anomaly(), rg.set_grad_enabled(record):
                Log.apply(leaf(-1.0, 2.0))


# ---------------------------------------------------------------- hooks
@pytest.mark.parametrize("kind", ["tensor hook", "metadata"])
def test_what_hangs_on_a_node_may_refer_to_its_tensor_without_a_leak(kind):
    def once():
        x = leaf(1.0, 2.0)
        y = x * 2
        if kind == "metadata":
            y.grad_fn.metadata["tensor"] = y
        else:
            y.register_hook(lambda g: y.detach() * g)
        y.sum().backward()

    once()
    gc.collect()
    before = sum(type(o) is Node for o in gc.get_objects())
    for _ in range(5):
        once()
    gc.collect()
    assert sum(type(o) is Node for o in gc.get_objects()) == before


def test_retain_grad_follows_a_tensor_that_is_written():
    x = leaf(1.0, 2.0)
    y = x * 1
    y.retain_grad()
    y.mul_(3)
    y[0].mul_(2)
    (y * y).sum().backward()
    assert y.retains_grad and y.grad.tolist() == [12.0, 12.0] and x.grad.tolist() == [72.0, 36.0]


def test_a_gradient_kept_by_a_hook_is_not_added_to():
    kept = []
    x = leaf(1.0, 2.0)
    x.register_hook(kept.append)
    for _ in range(2):
        (x * 2 + x * 3).sum().backward()
    assert [g.tolist() for g in kept] == [[5.0, 5.0], [5.0, 5.0]] and x.grad.tolist() == [10.0, 10.0]


def test_backward_into_inputs_is_as_backward():
    x = leaf(1.0, 2.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append((t.grad.tolist(), rg.is_grad_enabled())))
    (x * x).sum().backward(inputs=[x, x])  # named twice, filled once
    g = x.grad
    (x * x).sum().backward(inputs=[x])
    assert x.grad is g and seen == [([2.0, 4.0], False), ([4.0, 8.0], False)]
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward(inputs=[y])
    assert y.grad.tolist() == [4.0, 8.0]


def test_a_leaf_that_stopped_requiring_grad_gets_none():
    x = leaf(1.0, 2.0)
    y = (x * 2).sum()
    x.requires_grad_(False)
    y.backward()
    assert x.grad is None


def test_a_batch_of_gradients_tells_unused_inputs():
    x, z = leaf(1.0, 2.0), leaf(1.0, 2.0)
    rows = rg.eye(2, dtype=rg.float64)
    g, none = rg.autograd.grad(x * x, [x, z], rows, is_grads_batched=True, allow_unused=True)
    assert g.tolist() == [[2.0, 0.0], [0.0, 4.0]] and none is None
    with pytest.raises(rg.GraphError, match="input 1 .* was not used"):
        rg.autograd.grad(x * x, [x, z], rows, is_grads_batched=True)


def test_a_complex_gradient_of_a_real_output_is_refused():
    with pytest.raises(rg.GraphError, match="complex64 but the output float64"):
        (leaf(1.0, 2.0) * 1).backward(rg.tensor([1 + 1j, 2j]))


# ---------------------------------------------------------------- in place
def test_copying_a_leaf_into_a_plain_tensor_does_not_make_it_one():
    w = leaf(1.0, 2.0)
    b = rg.zeros(2, dtype=rg.float64)
    b.copy_(w)
    assert b.requires_grad and not b.is_leaf
    b.mul_(2)
    b.retain_grad()
    b.sum().backward()
    assert w.grad.tolist() == [2.0, 2.0] and b.grad.tolist() == [1.0, 1.0]


def test_hooks_of_a_copy_are_not_those_of_its_source():
    h = leaf(1.0, 2.0) * 2
    h.retain_grad()
    b = rg.zeros(2, dtype=rg.float64)
    b.copy_(h)
    b.retain_grad()
    (b * b + h).sum().backward()
    assert b.grad.tolist() == [4.0, 8.0] and h.grad.tolist() == [5.0, 9.0]


@pytest.mark.parametrize("name", ["getitem", "gather", "index_select", "masked_fill", "where", "embedding", "loss"])
def test_indices_and_masks_that_changed_since_are_noticed(name):
    x = rg.ones(3, 3, dtype=rg.float64, requires_grad=True)
    i = rg.tensor([0, 1, 1])
    m = rg.tensor([True, False, True])
    y = {
        "getitem": lambda: x[i],
        "gather": lambda: x.gather(0, i[None]),
        "index_select": lambda: x.index_select(0, i),
        "masked_fill": lambda: x.masked_fill(m, 0.0),
        "where": lambda: rg.where(m, x, x * 2),
        "embedding": lambda: rg.nn.functional.embedding(i, x),
        "loss": lambda: rg.nn.functional.cross_entropy(x, i),
    }[name]()
    i.add_(1)
    m[1] = True
    with pytest.raises(rg.InplaceError, match=r"changed in place at test_core_regressions.py"):
        y.sum().backward()


def test_a_gradient_that_was_added_to_is_stale_where_it_was_saved():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x * x).sum().backward()
    y = (w * x.grad).sum()
    (x * x).sum().backward()
    with pytest.raises(rg.InplaceError, match="changed in place at test_core_regressions.py"):
        y.backward()


def test_out_on_expanded_memory_is_refused():
    with pytest.raises(rg.InplaceError, match="single memory location"):
        rg.add(rg.ones(3), 1, out=rg.ones(1).expand(3))


def test_the_clock_of_writes_never_goes_back():
    from retrograd.autograd.versions import clock

    stop = []

    def write():
        b = rg.zeros(2)
        while not stop:
            b.add_(1)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for t in threads:
        t.start()
    seen = [clock.last for _ in range(20_000)]
    stop.append(True)
    for t in threads:
        t.join()
    assert seen == sorted(seen)


# ---------------------------------------------------------------- grad modes
def test_a_decorated_generator_sees_what_is_thrown_into_it():
    seen = []

    @rg.no_grad()
    def numbers():
        try:
            yield 1
        except ValueError:
            seen.append(rg.is_grad_enabled())
            yield 2
        finally:
            seen.append(rg.is_grad_enabled())

    g = numbers()
    assert next(g) == 1 and g.throw(ValueError()) == 2 and rg.is_grad_enabled()
    g.close()
    assert seen == [False, False] and rg.is_grad_enabled()
