"""Kernels of the activation functions and of dropout: the values and derivatives of the NumPy formulas, at every size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
import retrograd.nn.functional as F
from retrograd.autograd.kernels.cpu import KERNELS, activation, runtime

pytest.importorskip("numba")

# name -> function, the kernels of its value and of its cotangent
FUNCTIONS = {
    "gelu": (F.gelu, "gelu", "gelu_back"),
    "gelu-tanh": (lambda x: F.gelu(x, approximate="tanh"), "gelu", "gelu_back"),
    "silu": (F.silu, "silu", "silu_back"),
    "mish": (F.mish, "mish", "mish_back"),
    "softplus": (F.softplus, "softplus", "softplus_back"),
    "softplus-2": (lambda x: F.softplus(x, 2.0, 1.5), "softplus", "softplus_back"),
    "logsigmoid": (F.logsigmoid, "logsigmoid", "logsigmoid_back"),
    "elu": (lambda x: F.elu(x, 0.7), "elu", "elu_back"),
    "celu": (lambda x: F.celu(x, 1.7), "elu", "elu_back"),
    "selu": (F.selu, "elu", "elu_back"),
    "hardswish": (F.hardswish, "hardswish", "hardswish_back"),
    "sigmoid": (rg.sigmoid, "sigmoid", "sigmoid_back"),
    "tanh": (rg.tanh, "tanh", "tanh_back"),
    "relu": (rg.relu, "relu", "slope"),
    "relu6": (F.relu6, "hardtanh", "slope"),
    "hardtanh": (lambda x: F.hardtanh(x, -1 / 3, 2.0), "hardtanh", "slope"),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), "leaky_relu", "slope"),
    "leaky_relu-0": (lambda x: F.leaky_relu(x, 0.0), "leaky_relu", "slope"),
    "leaky_relu-2": (lambda x: F.leaky_relu(x, -2.0), "leaky_relu", "slope"),
    "threshold": (lambda x: F.threshold(x, 0.5, 3.0), None, "slope"),
    "hardsigmoid": (F.hardsigmoid, None, "slope"),
    "softshrink": (F.softshrink, None, "slope"),
    "hardshrink": (F.hardshrink, None, "slope"),
}
SHAPES = [(), (1,), (7,), (3, 5), (2, 3, 11), (0, 4), (33, 65)]
TOLERANCE = {"f": 5e-7, "d": 1e-14}


def derivatives(f, x, c, orders=3):
    """The value, and the gradients of c * value, c * gradient, ..."""
    t = rg.tensor(x, requires_grad=True)
    y = f(t)
    found = [y]
    for order in range(1, orders):
        (y,) = rg.autograd.grad((y * c + t * 0).sum(), t, create_graph=order < orders - 1)
        found.append(y)
    return [v.detach().numpy() for v in found]


def both(f, x, c, orders=3):
    with runtime.forced():
        got = derivatives(f, x, c, orders)
    with rg.use_backend("numpy"):
        want = derivatives(f, x, c, orders)
    return got, want


def check(got, want, factor=1.0):
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        scale = max(1.0, np.abs(b).max(initial=0.0))
        np.testing.assert_allclose(a, b, rtol=0, atol=factor * scale * TOLERANCE[b.dtype.char])


def grad_of(x):
    assert x.grad is not None
    return x.grad


def draw(shape, char, seed=0):
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(0, 3, shape), char), rg.tensor(np.asarray(rng.normal(size=shape), char))


@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_two_derivatives(name, char, called):
    f, value, back = FUNCTIONS[name]
    for shape in SHAPES:
        del called[:]
        got, want = both(f, *draw(shape, char))
        check(got, want, 10 if name == "gelu-tanh" else 4)  # 1 - tanh(u)^2 has lost digits in both where u is near -4
        for kernel in (value, back):
            if kernel and shape and 0 not in shape:
                assert kernel in called, (kernel, shape)


@pytest.mark.parametrize("name", ["gelu", "gelu-tanh", "silu", "mish", "softplus-2", "celu", "hardswish", "sigmoid"])
def test_third_derivative(name):
    got, want = both(FUNCTIONS[name][0], *draw((5, 9), "d"), orders=4)
    check(got, want, 10)


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(sorted(FUNCTIONS)), shape=st.lists(st.integers(0, 40), max_size=3),
    char=st.sampled_from("fd"), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_shape(name, shape, char, seed):
    check(*both(FUNCTIONS[name][0], *draw(tuple(shape), char, seed), orders=2), 4)


@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_infinities_nan_and_large_numbers(name, char):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30, 100, -100, 20, -20, 3, -3, 1e-30], char)
    c = rg.tensor(np.ones_like(x))
    for size in (x.size, x.size * 5 + 3):  # alone, and in whole vectors
        got, want = both(FUNCTIONS[name][0], np.resize(x, size), rg.tensor(np.resize(c.numpy(), size)), orders=2)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
            np.testing.assert_allclose(a, b, rtol=TOLERANCE[char] * 4, atol=TOLERANCE[char])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_infinite_cotangents(name):
    x = np.resize(np.array([-4.0, -1.0, 0.0, 0.25, 1.0, 7.0], "f"), 100)
    c = rg.tensor(np.resize(np.array([np.inf, -np.inf, np.nan, 1.0, 1e38], "f"), 100))

    def run():
        t = rg.tensor(x, requires_grad=True)
        return rg.autograd.grad(FUNCTIONS[name][0](t), t, c)[0].numpy()

    with runtime.forced():
        got = run()
    with rg.use_backend("numpy"):
        want = run()
    np.testing.assert_allclose(got, want, rtol=2e-3, atol=1e-6)  # gelu at -4: 1 + tanh has lost digits in the formula


@pytest.mark.parametrize("char", ["f", "d"])
def test_small_results_keep_their_digits(char):
    """Where 1 + x or x - 1 would lose them."""
    x = -np.logspace(-12, -1, 50).astype(char)
    with runtime.forced():
        got = F.elu(rg.tensor(x)).numpy()
        flat = F.softplus(rg.tensor(x * 0 - np.linspace(1, 60, 50).astype(char))).numpy()
    np.testing.assert_allclose(got, np.expm1(x), rtol=4 * np.finfo(char).eps)
    want = np.log1p(np.exp(-np.linspace(1, 60, 50).astype(char).astype("d")))
    np.testing.assert_allclose(flat, want, rtol=8 * np.finfo(char).eps)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_layouts(name):
    """Slices and transposes go to the formula; cotangents of any layout are served."""
    f = FUNCTIONS[name][0]
    base = draw((12, 10), "f")[0]
    wide = np.ascontiguousarray(base.T)
    for x in (base[::2, 1:7], wide.T, base[:, ::-1], np.broadcast_to(base[0], (4, 10))):
        found = []
        for backend in ("numba", "numpy"):
            with rg.use_backend(backend), runtime.forced():
                t = rg.from_numpy(np.asarray(x)).requires_grad_()
                y = f(t)
                found.append([y, *(rg.autograd.grad(y, t, g, retain_graph=True)[0] for g in cotangents(x.shape))])
        got, want = ([v.detach().numpy() for v in row] for row in found)
        check(got, want, 4)


def cotangents(shape):
    full = draw((*shape[::-1],), "f", 5)[1]
    return full.permute(*range(len(shape) - 1, -1, -1)), rg.ones(()).expand(shape), full.flip(0).t()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_half_types_round_the_same_numbers(name, dtype):
    x = draw((6, 50), "f")[0]
    found = []
    for backend in ("numba", "numpy"):
        with rg.use_backend(backend), runtime.forced():
            t = rg.tensor(x).to(getattr(rg, dtype)).requires_grad_()
            y = FUNCTIONS[name][0](t)
            y.backward(rg.ones_like(y))
            found.append((y.detach().float().numpy(), grad_of(t).float().numpy()))
            assert y.dtype == t.dtype
    step = 2.0**-10 if dtype == "float16" else 2.0**-7  # one last place, where the float32 numbers round differently
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=step, atol=4e-6)


def test_what_is_declined():
    x = np.ones((128, 128), np.float32)
    for bad in (x.astype(np.float16), x.astype(np.int64), x.astype(np.complex64), x.T[1:], x[:3, :3], x[:0]):
        for name in ("silu", "sigmoid", "hardtanh", "leaky_relu"):
            assert KERNELS[name](bad, *{"hardtanh": (0, 1), "leaky_relu": (0.1,)}.get(name, ())) is NotImplemented
        assert KERNELS["gelu"](bad, "tanh") is NotImplemented
        assert KERNELS["silu_back"]((bad, bad)) is NotImplemented
        assert KERNELS["slope"]((bad, bad), 0, None, 0, 1, 1, False) is NotImplemented
        assert KERNELS["dropout"](bad, 1 << 31, 2.0, 0, 0, 0) is NotImplemented
    assert KERNELS["silu_back"]((x[:1], x)) is NotImplemented  # a cotangent to broadcast
    assert KERNELS["silu_back"]((x.astype("d"), x)) is NotImplemented
    assert KERNELS["elu"](x, 1.0, 1.0, -1.0) is NotImplemented
    small = np.ones(activation.LEAST - 1, np.float32)
    assert KERNELS["silu"](small) is NotImplemented
    assert KERNELS["silu"](np.ones(activation.LEAST, np.float32)) is not NotImplemented
    assert KERNELS["hardtanh"](np.ones(activation.LEAST_LIGHT - 1, np.float32), 0, 1) is NotImplemented
    assert KERNELS["hardtanh"](np.ones(activation.LEAST_LIGHT, np.float32), 0, 1) is not NotImplemented


@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("size", [1, 2, 5, 4099])
def test_any_number_of_threads(char, size, monkeypatch):
    x, g = draw(size, char)[0], draw(size, char, 1)[0]
    calls = {
        "gelu": lambda: KERNELS["gelu"](x, "none"),
        "gelu_back": lambda: KERNELS["gelu_back"]((g, x), "tanh"),
        "mish_back": lambda: KERNELS["mish_back"]((g, x)),
        "tanh_back": lambda: KERNELS["tanh_back"]((g, x)),
        "slope": lambda: KERNELS["slope"]((g, x), -0.5, 0.5, 2.0, 0.0, 1.0, True),
        "dropout": lambda: KERNELS["dropout"](x, 1 << 30, 4.0, 12345, 1 << 40, 3),
    }
    for name, call in calls.items():
        found = []
        for nt in (1, 2, 3):
            monkeypatch.setattr(activation, "threads", lambda work, below, nt=nt: nt)
            with runtime.forced():
                found.append(call())
        for other in found[1:]:
            np.testing.assert_array_equal(found[0], other, err_msg=name)


def test_tanh_back():
    g, o = draw((100, 100), "d")[0], np.tanh(draw((100, 100), "d", 1)[0])
    np.testing.assert_allclose(KERNELS["tanh_back"]((g, o)), g * (1 - o * o), rtol=1e-14, atol=1e-14)


# ---------------------------------------------------------------- transforms see the product of cotangent and slope
@pytest.mark.parametrize("name", ["gelu", "silu", "elu", "sigmoid", "relu6"])
def test_vmap_and_forward_mode(name):
    f = FUNCTIONS[name][0]
    x = rg.tensor(draw((6, 4), "d")[0])
    with runtime.forced():
        rows = rg.func.vmap(rg.func.grad(lambda v: f(v).sum()))(x)
        _, tangent = rg.func.jvp(lambda v: f(v), (x,), (rg.ones_like(x),))
        curve = rg.func.jvp(rg.func.grad(lambda v: f(v).sum()), (x,), (rg.ones_like(x),))[1]
    with rg.use_backend("numpy"):
        _, first, second = derivatives(f, x.numpy(), 1.0)
    for got, want in ((rows, first), (tangent, first), (curve, second)):
        np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- dropout
@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (5, 7), (33, 65), (3, 1367)])
def test_dropout_forward_and_backward(char, shape, called):
    x, c = draw(shape, char)
    found = []
    for backend in ("numba", "numpy"):
        with rg.use_backend(backend), runtime.forced(), rg.fork_rng():
            rg.manual_seed(3)
            t = rg.tensor(x, requires_grad=True)
            y = F.dropout(t, 0.3)
            (g,) = rg.autograd.grad(y, t, c, create_graph=True)
            found.append((y.detach().numpy(), g.detach().numpy()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
    assert called.count("dropout") >= 2


def test_dropout_keeps_no_mask():
    x = rg.randn(64, 64, requires_grad=True)
    y = F.dropout(x, 0.5)
    assert not any(isinstance(v, np.ndarray) for v in (y._node.saved[0], y._node.saved[2]))
    kept = y.detach().numpy() != 0
    y.backward(rg.ones(64, 64))
    np.testing.assert_array_equal(grad_of(x).numpy(), kept * np.float32(2))


def test_dropout_of_nan_and_infinity():
    x = np.resize(np.array([np.nan, np.inf, 1.0], "f"), 3000)
    found = []
    for backend in ("numba", "numpy"):
        with rg.use_backend(backend), rg.fork_rng():
            rg.manual_seed(1)
            found.append(F.dropout(rg.tensor(x), 0.5).numpy())
    np.testing.assert_array_equal(*found)
