"""gradcheck and gradgradcheck themselves: what they find, what they say, what they refuse; and forward mode of functions."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd import gradcheck, gradgradcheck
from retrograd.autograd.forward import push_forward
from retrograd.autograd.gradcheck import GradcheckError


def leaf(values, dtype=rg.float64):
    return rg.tensor(values, dtype=dtype, requires_grad=True)


@pytest.fixture
def x():
    return leaf([[0.5, -1.0, 2.0], [1.0, 2.0, 3.0]])


class WrongSine(rg.autograd.Function):
    """sin with the derivative x."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


@pytest.mark.parametrize("fast", [False, True])
def test_right_gradients_pass(x, fast):
    y = leaf([[0.3, -0.2, 0.9], [0.1, 1.5, -0.4]])
    every = {
        "check_grad_dtypes": True,
        "check_batched_grad": True,
        "check_forward_ad": True,
        "check_batched_forward_grad": True,
        "fast_mode": fast,
    }
    assert gradcheck(lambda x, y: ((x * y).sin(), x @ y.t(), x.amax(1), x.sum()), (x, y), **every)
    assert gradgradcheck(
        lambda x, y: ((x * y).sin(), x.softmax(1)), (x, y), fast_mode=fast, check_fwd_over_rev=True,
        gen_non_contig_grad_outputs=True,
    )  # fmt: skip


@pytest.mark.parametrize("fast", [False, True])
def test_a_wrong_gradient_is_named_with_place_and_both_values(x, fast):
    with pytest.raises(
        GradcheckError, match=r"output 0 with respect to input 0: d output\[1, 2\] / d input\[1, 2\] is 3 ana"
    ) as e:
        gradcheck(WrongSine.apply, (x,), fast_mode=fast)
    assert "-0.98999" in str(e.value) and "6 of 36 elements" in str(e.value)
    assert gradcheck(WrongSine.apply, (x,), raise_exception=False, fast_mode=fast) is False
    assert isinstance(e.value, RuntimeError)


def test_a_wrong_second_gradient_is_found(x):
    class Square(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0].detach()

    assert gradcheck(Square.apply, (x,))
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        gradgradcheck(Square.apply, (x,))


def test_complex_inputs_count_as_pairs_of_reals():
    z = leaf([1 + 2j, 3 - 1j], rg.complex128)
    assert gradcheck(lambda z: (z * z, z.abs(), z.exp(), rg.real(z), z.sgn(), z.angle()), (z,), check_forward_ad=True)
    assert gradgradcheck(lambda z: (z * z, z.abs(), z.exp(), z.sgn()), (z,))
    with pytest.raises(GradcheckError, match=r"d input\[\d\]\.(real|imag)"):
        gradcheck(WrongSine.apply, (z,))


def test_low_precision_is_refused_with_the_way_out(x):
    with pytest.raises(TypeError, match=r"input 1 is float32; .* \.to\(retrograd\.float64\)"):
        gradcheck(lambda a, b: a + b, (x, leaf([1.0], rg.float32)))
    with pytest.raises(TypeError, match=r"complex64.*complex128"):
        gradgradcheck(lambda a: a * a, leaf([1j], rg.complex64))


def test_inputs_that_cannot_be_checked_are_refused(x):
    with pytest.raises(ValueError, match="no input requires grad"):
        gradcheck(rg.sin, (x.detach(),))
    with pytest.raises(RuntimeError, match=r"expanded.*contiguous"):
        gradcheck(rg.sin, (leaf([1.0]).expand(3),))
    with pytest.raises(ValueError, match="2 differentiable outputs but there are 1 grad_outputs"):
        gradgradcheck(lambda x: (x, x * 2), (x,), (x.detach(),))


def test_a_detached_output_is_found(x):
    with pytest.raises(GradcheckError, match="does not require grad, but it changes with input 0"):
        gradcheck(lambda x: x.detach() * 2, (x,))
    assert gradcheck(lambda x: x.detach() * 0, (x,))


def test_backward_that_differs_from_pass_to_pass_is_found(x):
    passes = iter(range(10**6))

    class Noisy(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2.0

        @staticmethod
        def backward(ctx, g):
            return g * (2.0 + 1e-7 * (next(passes) % 2))

    with pytest.raises(GradcheckError, match="not reentrant"):
        gradcheck(Noisy.apply, (x,))
    assert gradcheck(Noisy.apply, (x,), nondet_tol=1e-5)


def test_an_output_without_cotangent_must_count_as_zero(x):
    class Two(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1.0, x * 2.0

        @staticmethod
        def backward(ctx, g, h):
            return g if h is None else (0 if g is None else 3 * g) + 2 * h

    with pytest.raises(GradcheckError, match="no cotangent instead of zeros"):
        gradcheck(Two.apply, (x,))
    assert gradcheck(Two.apply, (x,), check_undefined_grad=False)


def test_inputs_are_restored_and_may_be_reached_through_a_module(x):
    before = x.detach().clone()
    layer = rg.nn.Linear(3, 2).double()
    assert gradcheck(lambda *_: layer(x), (x, *layer.parameters()))
    np.testing.assert_array_equal(x.detach().numpy(), before.numpy())


def test_in_place_writes_and_views_are_checked(x):
    def f(x):
        a = x.clone()
        a[0].mul_(3)
        a[:, 1] = a[:, 0].clone() ** 2
        return a

    assert gradcheck(f, (x,), check_forward_ad=True)
    assert gradgradcheck(f, (x,))


def test_forward_mode_pushes_tangents_through_a_function(x):
    t = np.ones((2, 3))
    (y, z), (dy, dz) = push_forward(lambda x: ((x * x).sum(1), x.detach()), (x,), (t,))
    np.testing.assert_allclose(dy, 2 * x.detach().numpy().sum(1))
    assert y.shape == (2,) and z.shape == (2, 3) and dz is None


def test_forward_mode_names_what_it_cannot_do(x):
    with pytest.raises(RuntimeError, match="forward mode: WrongSine at test_gradcheck.py:.* has no forward formula"):
        gradcheck(WrongSine.apply, (x,), check_forward_ad=True, check_backward_ad=False)
