"""Function transforms: derivatives of any order and nesting, their agreement, containers, custom functions, modules."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd.func import (
    debug_unwrap,
    functionalize,
    grad,
    grad_and_value,
    hessian,
    hvp,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    value_and_grad,
    vjp,
    vmap,
)

D = rg.float64


def t(*values):
    return rg.tensor(values[0] if len(values) == 1 else list(values), dtype=D)


def close(a, b, rtol=1e-9, atol=1e-11):
    a = a.detach().numpy() if isinstance(a, rg.Tensor) else a
    b = b.detach().numpy() if isinstance(b, rg.Tensor) else b
    np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


# ---------------------------------------------------------------- perturbation confusion
@pytest.mark.parametrize("inner", ["grad", "jvp", "vjp", "jacrev", "jacfwd"])
@pytest.mark.parametrize("outer", ["grad", "jvp", "vjp", "jacrev", "jacfwd"])
def test_perturbations_are_not_confused(outer, inner):
    """d/dx (x * d/dy (x + y)) at x = y = 1 is 1; a confused implementation says 2."""

    def derivative(kind, f, x):
        one = t(1.0)
        if kind == "jvp":
            return jvp(f, (x,), (one,))[1]
        if kind == "vjp":
            return vjp(f, x)[1](one)[0]
        return {"grad": grad, "jacrev": jacrev, "jacfwd": jacfwd}[kind](f)(x)

    got = derivative(outer, lambda x: x * derivative(inner, lambda y: x + y, t(1.0)), t(1.0))
    assert got.item() == 1.0


def test_an_inner_variable_made_of_the_outer_one():
    """d/dx [d/dy (x * y) at y = x] = d/dx x = 1, for all four combinations of modes."""
    for outer in (grad, jacfwd):
        for inner in (grad, jacfwd):
            assert outer(lambda x, d=inner: d(lambda y: x * y)(x))(t(3.0)).item() == 1.0
            assert outer(lambda x, d=inner: d(lambda y: y * y * x)(x))(t(3.0)).item() == 12.0


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("mode", ["reverse", "forward", "mixed"])
def test_derivatives_of_any_order(order, mode):
    f = rg.sin
    for k in range(order):
        f = (jacfwd if mode == "forward" or mode == "mixed" and k % 2 else grad)(f)
    want = [np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin][order]
    close(f(t(0.7)), want(0.7))


# ---------------------------------------------------------------- agreement of the modes
def program(kind, w):
    """A function of a vector of length 3 to one of length 4, smooth."""
    programs = {
        "mlp": lambda x: rg.tanh(w @ rg.sigmoid(w.T @ rg.tanh(w @ x))),
        "softmax": lambda x: rg.softmax(w @ x, 0) * x.sum(),
        "norm": lambda x: rg.nn.functional.layer_norm(w @ x, (4,)) + (x * x).mean(),
        "inplace": _inplace(w),
        "sorted": lambda x: (w @ x).sort()[0].cumsum(0) * x[1],
        "solve": lambda x: rg.linalg.solve(rg.eye(4, dtype=D) * 3 + rg.outer(w @ x, w @ x), w @ x),
        "split": lambda x: rg.cat([p * k for k, p in enumerate((w @ x).split([1, 2, 1]), 1)]).exp(),
    }
    return programs[kind]


def _inplace(w):
    def f(x):
        y = w @ x
        y[1:3] *= x[0]
        y[0] = x.prod()
        y.view(2, 2)[1].sin_()
        return y

    return f


KINDS = ["inplace", "mlp", "norm", "softmax", "solve", "sorted", "split"]
points = st.lists(st.floats(-1.5, 1.5, allow_subnormal=False), min_size=3, max_size=3)
seeds = st.integers(0, 10_000)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS), points, seeds)
def test_forward_and_reverse_jacobians_agree(kind, point, seed):
    rng = np.random.default_rng(seed)
    f = program(kind, rg.tensor(rng.uniform(-1, 1, (4, 3))))
    x = t(*point)
    a, b = jacfwd(f)(x), jacrev(f)(x)
    assert a.shape == b.shape == (4, 3)
    close(a, b, 1e-7, 1e-9)
    close(a, jacrev(f, chunk_size=3)(x), 1e-7, 1e-9)
    v, u = rg.tensor(rng.standard_normal(3)), rg.tensor(rng.standard_normal(4))
    close(jvp(f, (x,), (v,))[1], a @ v, 1e-7, 1e-9)
    close(vjp(f, x)[1](u)[0], u @ a, 1e-7, 1e-9)
    close(linearize(f, x)[1](v), a @ v, 1e-7, 1e-9)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(KINDS), points, seeds)
def test_hessian_vector_products_agree(kind, point, seed):
    rng = np.random.default_rng(seed)
    w = rg.tensor(rng.uniform(-1, 1, (4, 3)))
    f = lambda x: (program(kind, w)(x) ** 2).sum()
    x, v = t(*point), rg.tensor(rng.standard_normal(3))
    h = hessian(f)(x)
    close(hvp(f, x, v), h @ v, 1e-6, 1e-7)
    close(jacrev(jacfwd(f))(x), h, 1e-6, 1e-7)
    close(jacrev(jacrev(f))(x), h, 1e-6, 1e-7)
    close(jacfwd(jacfwd(f))(x), h, 1e-6, 1e-7)
    close(h, h.T, 1e-6, 1e-7)
    close(vjp(grad(f), x)[1](v)[0], h @ v, 1e-6, 1e-7)


def test_third_derivatives_in_every_nesting():
    f = lambda x: (x[0] * x[1] ** 2 * x[2].exp()).sin()
    x = t(0.3, -0.4, 0.2)
    want = None
    for a in (jacfwd, jacrev):
        for b in (jacfwd, jacrev):
            for c in (jacfwd, jacrev):
                got = a(b(c(f)))(x)
                want = got if want is None else want
                close(got, want, 1e-9, 1e-10)
    assert want is not None and want.shape == (3, 3, 3) and abs(want[0, 1, 2].item()) > 1e-3


def test_vmap_of_derivatives_and_derivatives_of_vmap():
    w = rg.randn(4, 3, dtype=D)
    f = lambda x: (w @ x).sin().prod()
    xs = rg.randn(5, 3, dtype=D)
    for d in (grad(f), hessian(f), jacfwd(f), lambda x: hvp(f, x, rg.ones_like(x))):
        close(vmap(d)(xs), rg.stack([d(x) for x in xs]))
    whole = lambda xs: vmap(f)(xs).sum()
    close(grad(whole)(xs), vmap(grad(f))(xs))
    h = hessian(whole)(xs)
    assert h.shape == (5, 3, 5, 3)
    close(h[1, :, 1], hessian(f)(xs[1]))
    close(h[1, :, 2], np.zeros((3, 3)))
    close(jvp(vmap(f), (xs,), (xs,))[1], vmap(lambda x: jvp(f, (x,), (x,))[1])(xs))


# ---------------------------------------------------------------- with ordinary gradients around and inside
def test_transforms_are_differentiated_by_backward():
    w = t(2.0).requires_grad_()
    x = t(3.0).requires_grad_()
    g = grad(lambda a: w * a**3)(x)  # 3 w x^2
    g.backward()
    assert (w.grad.item(), x.grad.item()) == (27.0, 36.0)
    w.grad = x.grad = None
    _, v = jvp(lambda a: w * a**3, (x,), (t(1.0),))
    v.backward()
    assert (w.grad.item(), x.grad.item()) == (27.0, 36.0)
    w.grad = x.grad = None
    hessian(lambda a: w * a**3)(x).backward()  # 6 w x
    assert (w.grad.item(), x.grad.item()) == (18.0, 12.0)


def test_results_have_no_history_without_need():
    x = t(1.0, 2.0)
    g, value = grad_and_value(lambda a: (a * a).sum())(x)
    assert not g.requires_grad and not value.requires_grad
    y, f = vjp(rg.sin, x)
    assert not y.requires_grad and not f(x)[0].requires_grad
    assert not jvp(rg.sin, (x,), (x,))[1].requires_grad


def test_grad_modes_are_those_of_the_transform():
    x = t(3.0)
    with rg.no_grad():
        assert grad(lambda a: a * a)(x).item() == 6.0
        w = t(2.0).requires_grad_()
        assert not grad(lambda a: w * a * a)(x).requires_grad

    def f(a):
        with rg.no_grad():
            b = a * a
        return a * b

    assert grad(f)(x).item() == 9.0  # b is a constant to reverse mode
    assert jvp(f, (x,), (t(1.0),))[1].item() == 27.0  # but not to forward mode, as in PyTorch
    assert jvp(lambda a: a * (a * a).detach(), (x,), (t(1.0),))[1].item() == 9.0


def test_autograd_inside_a_transform():
    def f(x):
        y = (x**3).sum()
        (g,) = rg.autograd.grad(y, x, create_graph=True)
        return (g * g).sum()

    x = t(1.0, 2.0)
    close(grad(f)(x), 36 * x**3)
    close(hessian(f)(x), np.diag(108 * x.numpy() ** 2))


def test_inputs_are_not_changed_in_history():
    x = t(1.0, 2.0).requires_grad_()
    before = x._node
    grad(lambda a: (a * a).sum())(x)
    assert x._node is before and x.grad is None


# ---------------------------------------------------------------- arguments and containers
Point = namedtuple("Point", "x y")


def test_containers_go_in_and_come_out():
    def f(p, scale):
        return p["a"].x.sum() * scale[0] + (p["b"][1] ** 2).sum() * scale[1]

    p = {"a": Point(t(1.0, 2.0), t(0.0)), "b": [t(1.0), t(3.0, 4.0)]}
    g = grad(f)(p, (t(2.0), t(3.0)))
    assert type(g["a"]) is Point
    close(g["a"].x, [2, 2])
    close(g["a"].y, 0)
    close(g["b"][0], 0)
    close(g["b"][1], [18, 24])
    both = grad(f, argnums=(1, 0))(p, (t(2.0), t(3.0)))
    close(both[0][0], 3)
    close(both[1]["b"][1], [18, 24])


def test_argnums_negative_and_tuple():
    f = lambda a, b, c: a * b**2 * c**3
    args = (t(2.0), t(3.0), t(1.0))
    assert grad(f, argnums=-1)(*args).item() == 54.0
    assert [v.item() for v in grad(f, argnums=(0, -1))(*args)] == [9.0, 54.0]
    assert [v.shape for v in jacrev(lambda a, b: rg.outer(a, b), argnums=(0, 1))(t(1.0, 2.0), t(1.0, 2.0, 3.0))] == [
        (2, 3, 2),
        (2, 3, 3),
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grad(rg.sin, argnums=1)(t(1.0)), "argnums has 1"),
        (lambda: grad(rg.sin, argnums=(0, 0))(t(1.0)), "twice"),
        (lambda: grad(rg.sin, argnums=())(t(1.0)), "non-empty"),
        (lambda: grad(rg.sin)(t(1.0, 2.0)), "0-d tensor"),
        (lambda: grad(lambda x: 1.0)(t(1.0)), "must return a Tensor"),
        (lambda: grad(lambda x: x, has_aux=True)(t(1.0)), "has_aux"),
        (lambda: grad(rg.sin)(rg.tensor(1)), "floating-point"),
        (lambda: jvp(rg.sin, (t(1.0),), (t(1.0, 2.0),)), "tangent of shape"),
        (lambda: jvp(rg.sin, t(1.0), t(1.0)), "must be tuples"),
        (lambda: jvp(rg.sin, (t(1.0),), (t(1.0), t(1.0))), "structure"),
        (lambda: jvp(lambda x: t(1.0), (t(1.0),), (t(1.0),), strict=True), "strict=True"),
        (lambda: vjp(rg.sin, t(1.0))[1](t(1.0, 2.0)), "cotangent of shape"),
        (lambda: vjp(rg.sin, t(1.0))[1]((t(1.0),)), "structure"),
        (lambda: vjp(lambda x: (), t(1.0)), "no tensors"),
    ],
)
def test_wrong_calls(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()


def test_non_tensors_are_refused_by_name():
    with pytest.raises(ValueError, match="must be Tensors"):
        grad(lambda x: x)(2.0)
    with pytest.raises(ValueError, match="chunk_size"):
        jacrev(rg.sin, chunk_size=0)


def test_aux_passes_through():
    f = lambda x: ((x * x).sum(), {"twice": x * 2, "name": "aux"})
    x = t(1.0, 2.0)
    g, aux = grad(f, has_aux=True)(x)
    close(g, [2, 4])
    close(aux["twice"], [2, 4])
    assert aux["name"] == "aux" and not aux["twice"].requires_grad
    g, (value, aux) = grad_and_value(f, has_aux=True)(x)
    assert value.item() == 5.0
    assert value_and_grad(f, has_aux=True)(x)[0][0].item() == 5.0
    h = lambda x: (x * x, {"s": x.sum()})
    for transform in (jacrev, jacfwd):
        j, aux = transform(h, has_aux=True)(x)
        close(j, [[2, 0], [0, 4]])
        assert aux["s"].item() == 3.0
    y, v, aux = jvp(h, (x,), (x,), has_aux=True)
    close(v, [2, 8])
    assert aux["s"].item() == 3.0
    y, f_vjp, aux = vjp(h, x, has_aux=True)
    close(f_vjp(rg.ones_like(y))[0], [2, 4])


def test_outputs_that_do_not_depend_on_the_input_have_zero_derivatives():
    x = t(1.0, 2.0)
    close(grad(lambda a: t(1.0))(x), [0, 0])
    _y, v = jvp(lambda a: (a, t(5.0)), (x,), (x,))
    close(v[1], 0)
    close(jacrev(lambda a: (a * 2, rg.ones(2, dtype=D)))(x)[1], np.zeros((2, 2)))
    close(jacfwd(lambda a: (a * 2, rg.ones(2, dtype=D)))(x)[1], np.zeros((2, 2)))


def test_shapes_of_jacobians():
    x, y = rg.randn(2, 3, dtype=D), rg.randn(3, dtype=D)
    f = lambda a, b: {"p": a @ b, "q": (a * b).sum()}
    for transform in (jacrev, jacfwd):
        j = transform(f, argnums=(0, 1))(x, y)
        assert [v.shape for v in (*j["p"], *j["q"])] == [(2, 2, 3), (2, 3), (2, 3), (3,)]
    j, k = jacrev(f, (0, 1))(x, y), jacfwd(f, (0, 1), chunk_size=2)(x, y)
    for name in ("p", "q"):
        for a, b in zip(j[name], k[name], strict=True):
            close(a, b)
    h = hessian(lambda a, b: (a @ b).sin().sum(), argnums=(0, 1))(x, y)
    assert h[0][1].shape == (2, 3, 3) and h[1][0].shape == (3, 2, 3)
    close(h[0][1].movedim(2, 0), h[1][0])


def test_vjp_may_be_called_again_and_mapped():
    x = t(1.0, 2.0, 3.0)
    _y, f = vjp(lambda a: a.cumsum(0) ** 2, x)
    rows = vmap(f)(rg.eye(3, dtype=D))[0]
    close(rows, jacrev(lambda a: a.cumsum(0) ** 2)(x))
    close(rg.stack([f(e)[0] for e in rg.eye(3, dtype=D)]), rows)


def test_hvp_takes_what_the_function_takes():
    f = lambda a, b: (a**2 * b).sum()
    a, b = t(1.0, 2.0), t(3.0, 4.0)
    ha, hb = hvp(f, (a, b), (rg.ones_like(a), rg.zeros_like(b)))
    close(ha, 2 * b)
    close(hb, 2 * a)


def test_complex_inputs():
    z = rg.tensor([1 + 2j, 0.5 - 1j], dtype=rg.complex128)
    f = lambda z: (z * z.conj()).real.sum()
    close(grad(f)(z).real, 2 * z.real)
    close(grad(f)(z).imag, 2 * z.imag)
    v = rg.tensor([1j, 1.0], dtype=rg.complex128)
    _y, tangent = jvp(lambda z: z**3, (z,), (v,))
    np.testing.assert_allclose(tangent.numpy(), (3 * z.numpy() ** 2) * v.numpy())


def test_half_precision_is_kept():
    x = rg.tensor([1.0, 2.0], dtype=rg.float16)
    assert grad(lambda a: (a * a).sum())(x).dtype is rg.float16
    assert jvp(lambda a: a * a, (x,), (x,))[1].dtype is rg.float16


# ---------------------------------------------------------------- custom functions
class Square(rg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 10 * g * x  # not the derivative: the tests see which formula was used


class SquareWithJvp(Square):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return x * x

    @staticmethod
    def jvp(ctx, tangent):
        (x,) = ctx.saved_tensors
        return 7 * tangent * x


def test_custom_functions_give_their_own_derivatives():
    x = t(3.0)
    assert grad(Square.apply)(x).item() == 30.0
    assert jvp(Square.apply, (x,), (t(1.0),))[1].item() == 30.0  # the backward, transposed
    assert jvp(SquareWithJvp.apply, (x,), (t(1.0),))[1].item() == 21.0
    close(vmap(lambda v: jvp(SquareWithJvp.apply, (v,), (t(1.0),))[1])(t(1.0, 2.0)), [7, 14])
    assert jvp(lambda a: jvp(Square.apply, (a,), (t(1.0),))[1], (x,), (t(1.0),))[1].item() == 10.0


def test_straight_through_estimators_pass_tangents():
    class Round(rg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.round()

        @staticmethod
        def backward(ctx, g):
            return g

    x = t(0.3, 1.7)
    close(jvp(lambda a: Round.apply(a) * a, (x,), (rg.ones_like(x),))[1], [0.3, 3.7])


# ---------------------------------------------------------------- helpers
def test_small_helpers():
    assert functionalize(rg.sin) is rg.sin
    with pytest.raises(RuntimeError, match="remove"):
        functionalize(rg.sin, remove="x")
    seen = []
    x = t(1.0, 2.0)
    vmap(lambda a: (seen.append(debug_unwrap(a)), a)[1])(x)
    jvp(lambda a: (seen.append(debug_unwrap(a)), a)[1], (x,), (x,))
    for s in seen:
        close(s, [1, 2])
    assert debug_unwrap(x) is x


# ---------------------------------------------------------------- parity
@pytest.mark.parametrize("index", range(6))
def test_transforms_agree_with_pytorch(index):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(index)
    w, x, v = rng.standard_normal((3, 3)), rng.standard_normal(3), rng.standard_normal(3)

    def run(m, f, tensor):
        w_, x_, v_ = tensor(w), tensor(x), tensor(v)
        g = lambda y: m.tanh(w_ @ y) * y.prod()
        s = lambda y: (g(y) ** 2).sum()
        return [
            lambda: f.jacrev(f.jacfwd(g))(x_),
            lambda: f.hessian(s)(x_),
            lambda: f.jvp(f.grad(s), (x_,), (v_,))[1],
            lambda: f.vmap(f.hessian(s))(w_),
            lambda: f.vjp(f.vmap(s), w_)[1](v_)[0],
            lambda: f.jvp(lambda y: f.vjp(g, y)[1](v_)[0], (x_,), (v_,))[1],
        ][index]()

    close(run(rg, rg.func, rg.tensor), run(torch, torch.func, torch.tensor).numpy(), 1e-9, 1e-10)
