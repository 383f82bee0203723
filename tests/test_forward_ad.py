"""Dual tensors: make_dual and unpack_dual, what carries tangents and what stops them, both modes together."""

from __future__ import annotations

import numpy as np
import optable as ot
import pytest

import retrograd as rg
import retrograd.autograd.forward_ad as fwad
from retrograd.autograd.registry import FUNCTIONS

D = rg.float64
NO_FORWARD = {
    "as_strided", "as_strided_copy", "as_strided_scatter", "Tensor.as_strided", "Tensor.as_strided_scatter",
}  # fmt: skip


def t(*values):
    return rg.tensor(list(values), dtype=D)


def tangent(f, x, v):
    with fwad.dual_level():
        return fwad.unpack_dual(f(fwad.make_dual(x, v))).tangent


# ---------------------------------------------------------------- every function
@pytest.mark.parametrize("path", [p for p in ot.SAMPLED if FUNCTIONS[p].differentiable and p not in NO_FORWARD])
def test_tangents_are_the_products_with_the_jacobian(path):
    """<J v, u> = <v, J^T u>, the right side by reverse mode."""
    tried = 0
    for s in ot.samples(path, "float64")[:6]:
        wanted = [i for i in s.differentiable("f") if s.drawn[i][1].dtype == np.float64]
        if not wanted:
            continue
        leaves = s.inputs(wanted)
        rg.manual_seed(0)
        try:
            outs = [r for r in ot.recorded(s.run(leaves)) if r._dtype.kind == "f"]
            if not outs:
                continue
            us = ot.cotangents(outs)
            gs = rg.autograd.grad(outs, [leaves[i] for i in wanted], us, allow_unused=True)
        except RuntimeError:  # has no gradient there
            continue
        vs = ot.cotangents([leaves[i] for i in wanted], 1)
        right = sum(float((g * v).sum()) for g, v in zip(gs, vs, strict=True) if g is not None)
        with fwad.dual_level():
            duals = s.inputs(())
            for i, v in zip(wanted, vs, strict=True):
                duals[i] = fwad.make_dual(duals[i], v)
            rg.manual_seed(0)
            every = ot.tensors_of(s.run(duals))
            pairs = [fwad.unpack_dual(r) for r in every if r._dtype.kind == "f"]
        marks = [r for r in ot.tensors_of(s.run(s.inputs(wanted))) if r._dtype.kind == "f"]
        found = [p for p, m in zip(pairs, marks, strict=True) if m._node is not None]
        left = sum(float((p.tangent * u).sum()) for p, u in zip(found, us, strict=True) if p.tangent is not None)
        for p, o in zip(found, outs, strict=True):
            np.testing.assert_allclose(p.primal.numpy(), o.detach().numpy(), rtol=0, atol=ot.ROUNDED.get(path, 0))
        scale = max(1.0, abs(right))
        assert abs(left - right) < 1e-7 * scale, f"{s!r}: {left} and {right}"
        tried += 1
    if not tried:
        pytest.skip("no sample with a gradient")


# ---------------------------------------------------------------- the interface
def test_levels():
    with pytest.raises(RuntimeError, match="outside of forward mode"):
        fwad.make_dual(t(1.0), t(1.0))
    with pytest.raises(RuntimeError, match="no forward mode to leave"):
        fwad.exit_dual_level()
    level = fwad.enter_dual_level()
    try:
        assert level == 0
        with pytest.raises(RuntimeError, match="nested forward mode is not supported"):
            fwad.enter_dual_level()
        assert fwad.unpack_dual(fwad.make_dual(t(1.0), t(2.0))).tangent.tolist() == [2.0]
    finally:
        fwad.exit_dual_level(level=level)
    assert fwad.unpack_dual(t(1.0)).tangent is None


@pytest.mark.parametrize(
    ("x", "v", "error", "message"),
    [
        (rg.ones(2), rg.ones(3), RuntimeError, "shape"), (rg.ones(2), rg.ones(2, dtype=D), RuntimeError, "float64"),
        (rg.ones(2, dtype=rg.int64), rg.ones(2), ValueError, "floating point"), (1.0, rg.ones(1), TypeError, "Tensor"),
    ],
)  # fmt: skip
def test_wrong_pairs(x, v, error, message):
    with fwad.dual_level(), pytest.raises(error, match=message):
        fwad.make_dual(x, v)


def test_a_tensor_is_made_dual_once():
    with fwad.dual_level():
        d = fwad.make_dual(t(1.0), t(1.0))
        with pytest.raises(RuntimeError, match="already"):
            fwad.make_dual(d, t(1.0))


def test_dual_tensors_end_with_their_level():
    with fwad.dual_level():
        d = fwad.make_dual(t(2.0), t(1.0))
        e = d * d
    assert fwad.unpack_dual(e).tangent is None
    assert fwad.unpack_dual(e).primal.tolist() == [4.0]
    assert e.tolist() == [4.0]
    with fwad.dual_level():
        assert fwad.unpack_dual(e).tangent is None


def test_primals_share_memory_and_tangents_print():
    x = t(1.0)
    with fwad.dual_level():
        d = fwad.make_dual(x, t(3.0))
        assert fwad.unpack_dual(d).primal.data_ptr() == x.data_ptr()
        assert repr(d) == "tensor([1.], dtype=retrograd.float64, tangent=tensor([3.], dtype=retrograd.float64))"
        assert d.item() == 1.0 and bool(d > 0) and d.tolist() == [1.0]
        np.testing.assert_array_equal(np.asarray(d), [1.0])


# ---------------------------------------------------------------- what carries tangents
def test_views_and_writes_in_place_carry_tangents():
    def f(x):
        y = x.clone()
        y[0] = y[1] * 3
        z = y.view(2, 2)
        z[1] *= 2
        y.sin_()
        return y

    x, v = t(0.1, 0.2, 0.3, 0.4), t(1.0, 2.0, 3.0, 4.0)
    base = lambda x: rg.stack([x[1] * 3, x[1], x[2] * 2, x[3] * 2]).sin()
    np.testing.assert_allclose(tangent(f, x, v).numpy(), tangent(base, x, v).numpy())
    np.testing.assert_allclose(tangent(base, x, v)[0].item(), np.cos(0.6) * 6)


def test_a_plain_tensor_takes_tangents_in_place():
    def f(x):
        y = rg.zeros(3, dtype=D)
        part = y[1:]
        part[0] = x[0] * 2
        y[2] = x[1]
        return y * 1, part * 1

    with fwad.dual_level():
        whole, part = f(fwad.make_dual(t(1.0, 2.0), t(1.0, 10.0)))
        np.testing.assert_array_equal(fwad.unpack_dual(whole).tangent.numpy(), [0, 2, 10])
        np.testing.assert_array_equal(fwad.unpack_dual(part).tangent.numpy(), [2, 10])


def test_writing_constants_clears_tangents():
    def f(x):
        y = x * 2
        y[0] = 5.0
        y[1:].zero_()
        return y

    np.testing.assert_array_equal(tangent(f, t(1.0, 2.0, 3.0), t(1.0, 1.0, 1.0)).numpy(), [0, 0, 0])


def test_no_grad_does_not_stop_tangents_and_detach_does():
    x, v = t(3.0), t(1.0)
    with rg.no_grad():
        assert tangent(lambda a: a * a, x, v).tolist() == [6.0]
    assert tangent(lambda a: a * a.detach(), x, v).tolist() == [3.0]
    with fwad.dual_level():
        assert fwad.unpack_dual(fwad.make_dual(x, v).detach()).tangent is None


def test_comparisons_and_integers_have_no_tangent():
    with fwad.dual_level():
        d = fwad.make_dual(t(1.0, -1.0), t(1.0, 1.0))
        assert fwad.unpack_dual(d > 0).tangent is None
        assert fwad.unpack_dual(d.argmax()).tangent is None
        y = rg.where(d > 0, d * d, -d) if bool((d[0] > 0).item()) else d
        np.testing.assert_array_equal(fwad.unpack_dual(y).tangent.numpy(), [2, -1])


def test_decisions_take_the_branch_of_the_value():
    f = lambda x: x * 2 if x.sum() > 0 else x * 3
    assert tangent(f, t(1.0), t(1.0)).tolist() == [2.0]
    assert tangent(f, t(-1.0), t(1.0)).tolist() == [3.0]


# ---------------------------------------------------------------- with reverse mode
def test_gradients_of_tangents_and_tangents_of_gradients():
    x = t(1.0, 2.0).requires_grad_()
    v = t(1.0, -1.0)
    with fwad.dual_level():
        d = fwad.make_dual(x, v)
        out = (d**3).sum()
        fwad.unpack_dual(out).tangent.backward(retain_graph=True)  # reverse over forward, inside the level
        np.testing.assert_allclose(x.grad.numpy(), [6, -12])
        (g,) = rg.autograd.grad((d**3).sum(), d)  # forward over reverse
        np.testing.assert_allclose(fwad.unpack_dual(g).tangent.numpy(), [6, -12])
        np.testing.assert_allclose(fwad.unpack_dual(g).primal.numpy(), [3, 12])
    x.grad = None
    fwad.unpack_dual(out).primal.backward()
    np.testing.assert_allclose(x.grad.numpy(), [3, 12])


def test_gradients_reach_the_tangent_too():
    x, v = t(2.0).requires_grad_(), t(5.0).requires_grad_()
    tangent(lambda a: a * a, x, v).backward()
    assert v.grad.tolist() == [4.0] and x.grad.tolist() == [10.0]


def test_modules_carry_tangents():
    m = rg.nn.Sequential(
        rg.nn.Conv2d(1, 2, 3), rg.nn.BatchNorm2d(2), rg.nn.GELU(), rg.nn.MaxPool2d(2), rg.nn.Flatten(),
        rg.nn.LayerNorm(8), rg.nn.Linear(8, 3),
    ).double()  # fmt: skip
    x, v = rg.randn(2, 1, 6, 6, dtype=D), rg.randn(2, 1, 6, 6, dtype=D)
    for training in (True, False):
        m.train(training)
        got = tangent(m, x, v)
        h = 1e-6
        with rg.no_grad():
            want = (m(x + h * v) - m(x - h * v)) / (2 * h)
        np.testing.assert_allclose(got.detach().numpy(), want.numpy(), rtol=1e-4, atol=1e-6)


def test_parameters_are_made_dual_by_assignment():
    m = rg.nn.Linear(2, 1, bias=False).double()
    w = m.weight
    with fwad.dual_level():
        del m.weight
        m.weight = fwad.make_dual(w, rg.ones_like(w))
        out = m(t(3.0, 4.0))
        assert fwad.unpack_dual(out).tangent.tolist() == [7.0]


def test_agreement_with_pytorch():
    torch = pytest.importorskip("torch")
    import torch.autograd.forward_ad as theirs

    x, v = np.array([[0.3, -0.2], [1.0, 0.5]]), np.array([[1.0, 2.0], [-1.0, 0.5]])
    f = lambda m, a: m.linalg.inv(m.softmax(a, 1) + m.eye(2, dtype=m.float64)).cumsum(0).exp()
    with theirs.dual_level():
        want = theirs.unpack_dual(f(torch, theirs.make_dual(torch.tensor(x), torch.tensor(v)))).tangent
    got = tangent(lambda a: f(rg, a), rg.tensor(x), rg.tensor(v))
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-10)
