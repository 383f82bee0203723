"""The primitives that move values between the levels of transforms: what they give, and their derivatives of any kind."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd.lifted import Batched, Dual, Level
from retrograd.autograd.lifted_run import STRUCTURAL
from retrograd.autograd.lifting import batch_p, drop_p, dual_p, lift_p, part_p, unbatch_p
from retrograd.autograd.registry import PRIMITIVES
from retrograd.func import jacfwd, jacrev

N = 3
X = np.random.default_rng(0).uniform(-1, 1, (2, N, 4))
T = np.random.default_rng(1).uniform(-1, 1, (2, N, 4))
C = rg.tensor(np.random.default_rng(2).uniform(0.5, 1.5, (N, 2)))


def leaf(a):
    return rg.tensor(a, requires_grad=True)


def samples():
    return Level(Batched, N)


def tangents():
    return Level(Dual)


def through_samples(x, start=1, end=2):
    with samples() as level:
        return unbatch_p(rg.sin(batch_p(x, level, start)), level, end)


def same_for_all(x):
    """x, which is the same for all samples, times one row of C for each."""
    with samples() as level:
        return unbatch_p(lift_p(x, (level,), False).sin() * batch_p(C, level, 0)[0], level, 0)


def summed(x):
    """The adjoint of the same for all."""
    with samples() as level:
        return drop_p(batch_p(x, level, 1).sin(), (level,))


def tangent(x, t):
    with tangents() as level:
        return part_p(rg.sin(dual_p((x, t), level, False)), level, 1, False)


def value(x, t):
    with tangents() as level:
        return part_p(rg.sin(dual_p((x, t), level, False)), level, 0, False)


def without_tangent(x, t):
    """The tangent of x * y, where y has none."""
    with tangents() as level:
        y = lift_p(x * 2, (level,), False)
        return part_p(dual_p((x, t), level, False) * y.sin(), level, 1, False)


def both_kinds(x, t):
    """Tangents of samples."""
    with samples() as outer:
        with tangents() as inner:
            d = dual_p((batch_p(x, outer, 1), batch_p(t, outer, 1)), inner, False)
            r = part_p(rg.exp(d) * lift_p(C[0], (outer, inner), False)[0], inner, 1, False)
        return unbatch_p(r, outer, 0)


FUNCTIONS = [both_kinds, same_for_all, summed, tangent, through_samples, value, without_tangent]


def arguments(f):
    return (leaf(X), leaf(T)) if f.__code__.co_argcount == 2 else (leaf(X),)


def test_these_are_all_of_them():
    assert {"batch", "drop", "dual", "lift", "part", "unbatch"} == STRUCTURAL and set(PRIMITIVES) >= STRUCTURAL


@pytest.mark.parametrize("start", [0, 1, 2])
@pytest.mark.parametrize("end", [0, 1, 2])
def test_dimensions_become_samples_and_come_back(start, end):
    x = np.moveaxis(X, 1, start)
    np.testing.assert_array_equal(through_samples(rg.tensor(x), start, end).numpy(), np.moveaxis(np.sin(x), start, end))
    with samples() as level:
        inside = batch_p(rg.tensor(x), level, start)
    assert inside.shape == (2, 4) and isinstance(inside._data, Batched)


def test_values_of_the_others():
    np.testing.assert_allclose(same_for_all(rg.tensor(X)).numpy(), np.sin(X) * C.numpy()[:, :1, None, None])
    np.testing.assert_allclose(summed(rg.tensor(X)).numpy(), np.sin(X).sum(1))
    x, t = rg.tensor(X), rg.tensor(T)
    np.testing.assert_allclose(tangent(x, t).numpy(), np.cos(X) * T)
    np.testing.assert_allclose(value(x, t).numpy(), np.sin(X))
    np.testing.assert_allclose(without_tangent(x, t).numpy(), T * np.sin(2 * X))
    np.testing.assert_allclose(both_kinds(x, t).numpy(), np.moveaxis(np.exp(X) * T, 1, 0) * C[0, 0].item())


@pytest.mark.parametrize("f", FUNCTIONS)
def test_first_and_second_derivatives(f):
    small = tuple(rg.tensor(x.detach().numpy()[:1, :, :2], requires_grad=True) for x in arguments(f))
    assert rg.autograd.gradcheck(f, small)
    assert rg.autograd.gradgradcheck(f, small)


@pytest.mark.parametrize("f", FUNCTIONS)
def test_forward_mode_is_the_transpose_of_reverse_mode(f):
    xs = [x.detach() for x in arguments(f)]
    which = tuple(range(len(xs)))
    for a, b in zip(jacfwd(f, which)(*xs), jacrev(f, which)(*xs), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-12)
    assert any(np.abs(a.numpy()).max() > 0.1 for a in jacfwd(f, which)(*xs))


def test_the_tangent_of_a_sum_over_samples_is_the_sum_of_tangents():
    """drop and lift are each other's transpose: <g, drop(x)> == <lift(g), x>."""
    g = np.random.default_rng(3).uniform(-1, 1, (2, 4))
    x = leaf(X)
    with samples() as level:
        (back,) = rg.autograd.grad(drop_p(batch_p(x, level, 1), (level,)), x, rg.tensor(g))
    np.testing.assert_array_equal(back.numpy(), np.repeat(g[:, None], N, 1))
    x = leaf(X[:, 0])
    with samples() as level:
        (back,) = rg.autograd.grad(unbatch_p(lift_p(x, (level,), False), level, 1), x, rg.tensor(T))
    np.testing.assert_allclose(back.numpy(), T.sum(1))
