"""Kernels of softmax, log_softmax and logsumexp: the values and derivatives of the NumPy formulas, along every axis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd.autograd.kernels.cpu import KERNELS, runtime, softmax

pytest.importorskip("numba")

FUNCTIONS = {
    "softmax": rg.softmax,
    "log_softmax": rg.log_softmax,
    "logsumexp": rg.logsumexp,
}
SHAPES = [(1,), (7,), (3, 5), (1, 1), (33, 65), (2, 3, 11), (3, 4, 2, 5), (2, 9, 300), (0, 4), (4, 0)]
TOLERANCE = {"f": 1e-6, "d": 1e-14}


def draw(shape, char, seed=0):
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(0, 3, shape), char), np.asarray(rng.normal(size=shape), char)


def derivatives(f, x, c, dim, orders=3):
    """The value, and the gradients of c * value, c * gradient, ..."""
    t = rg.tensor(x, requires_grad=True)
    y = f(t, dim)
    found = [y]
    for order in range(1, orders):
        weights = rg.tensor(np.resize(c, y.shape)) if y.shape != t.shape else rg.tensor(c)
        (y,) = rg.autograd.grad((y * weights).sum(), t, create_graph=order < orders - 1)
        found.append(y)
    return [v.detach().numpy() for v in found]


def both(f, x, c, dim, orders=3):
    with runtime.forced():
        got = derivatives(f, x, c, dim, orders)
    with rg.use_backend("numpy"):
        want = derivatives(f, x, c, dim, orders)
    return got, want


def check(got, want, factor=1.0):
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        scale = max(1.0, np.abs(b).max(initial=0.0))
        np.testing.assert_allclose(a, b, rtol=0, atol=factor * scale * TOLERANCE[b.dtype.char])


@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_two_derivatives_along_every_axis(name, shape, char):
    x, c = draw(shape, char)
    for dim in range(len(shape)):
        if x.size or name != "logsumexp":
            check(*both(FUNCTIONS[name], x, c, dim), 10)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_third_derivative(name, dim):
    check(*both(FUNCTIONS[name], *draw((4, 3, 5), "d"), dim, orders=4), 30)


@pytest.mark.parametrize("axes", [(0, 1), (1, 2), (0, 1, 2), (0, 2)])
@pytest.mark.parametrize("keepdim", [False, True])
def test_logsumexp_over_several_axes(axes, keepdim):
    check(*both(lambda x, dim: rg.logsumexp(x, dim, keepdim), *draw((4, 3, 70), "d"), axes), 10)


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(sorted(FUNCTIONS)), shape=st.lists(st.integers(1, 30), min_size=1, max_size=3),
    char=st.sampled_from("fd"), seed=st.integers(0, 99), data=st.data(),
)  # fmt: skip
def test_any_shape(name, shape, char, seed, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    check(*both(FUNCTIONS[name], *draw(tuple(shape), char, seed), dim, orders=2), 4)


@pytest.mark.parametrize("shape", [(3, 5000), (5000, 3), (2, 700, 40), (1, 3, 3000), (2, 2100, 130), (40_000,)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_large_arrays(name, shape):
    x, c = draw(shape, "f")
    wide = x.astype("d")
    for dim in range(len(shape)):
        got = derivatives(FUNCTIONS[name], x, c, dim, 2)
        with rg.use_backend("numpy"):
            want = derivatives(FUNCTIONS[name], wide, c.astype("d"), dim, 2)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=3e-6 * max(1.0, np.abs(b).max()))


INF, NAN = np.inf, np.nan
ROWS = [
    [NAN, 1.0, 2.0],
    [1.0, 2.0, NAN],
    [-NAN, 1.0, -INF],
    [NAN, NAN, NAN],
    [INF, 1.0, 2.0],
    [INF, INF, 0.0],
    [INF, NAN, -INF],
    [-INF, -INF, -INF],
    [-INF, 0.0, 1.0],
    [1e4, -1e4, 1e4 - 1],
    [-1e4, -1e4 - 90, -1e4 - 200],
    [1e38, -1e38, 0.0],
    [-0.0, 0.0, -0.0],
    [-5.0, -6.0, -7.0],
]


@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("repeat", [1, 9])
def test_infinities_nan_and_large_numbers(name, char, repeat):
    x = np.tile(np.array(ROWS, char), (1, repeat))
    c = np.ones_like(x) * np.linspace(1, 2, x.shape[1]).astype(char)
    for dim, a, b in ((1, x, c), (0, np.ascontiguousarray(x.T), np.ascontiguousarray(c.T))):
        got, want = both(FUNCTIONS[name], a, b, dim, orders=2)
        for v, w in zip(got, want, strict=True):
            np.testing.assert_array_equal(np.isnan(v), np.isnan(w))
            np.testing.assert_allclose(v, w, rtol=1e-5 if char == "f" else 1e-12, atol=TOLERANCE[char])


def test_differences_of_large_numbers_are_exact():
    x = np.full((8, 256), 1e6, np.float32)
    with runtime.forced():
        for a, dim in ((x, 1), (np.ascontiguousarray(x.T), 0)):
            got = rg.log_softmax(rg.tensor(a), dim).numpy()
            np.testing.assert_allclose(got, -np.log(256), rtol=1e-6)


def test_layouts():
    base = draw((12, 10), "f")[0]
    for x in (base[::2, 1:7], base.T, base[:, ::-1], np.broadcast_to(base[0], (4, 10))):
        for f in FUNCTIONS.values():
            for dim in (0, 1):
                found = []
                for backend in ("numba", "numpy"):
                    with rg.use_backend(backend), runtime.forced():
                        t = rg.from_numpy(np.asarray(x)).requires_grad_()
                        y = f(t, dim)
                        spread = rg.tensor(0.5).expand(y.shape)
                        turned = rg.tensor(np.resize(base, y.shape[::-1])).permute(*range(y.ndim - 1, -1, -1))
                        gs = [rg.autograd.grad(y, t, g, retain_graph=True)[0] for g in (spread, turned)]
                        found.append([v.detach().numpy() for v in (y, *gs)])
                check(found[0], found[1], 4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_half_types_round_the_same_numbers(name, dtype):
    x, found = draw((6, 50), "f")[0], []
    for backend in ("numba", "numpy"):
        with rg.use_backend(backend), runtime.forced():
            t = rg.tensor(x).to(getattr(rg, dtype)).requires_grad_()
            y = FUNCTIONS[name](t, 1)
            found.append((y.detach().float().numpy(), rg.autograd.grad(y.float().pow(2).sum(), t)[0].float().numpy()))
            assert y.dtype == t.dtype
    step = 2.0**-10 if dtype == "float16" else 2.0**-7
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=step, atol=1e-4)


def test_what_runs_and_what_is_declined():
    x = np.ones((64, 64), np.float32)
    for name in ("softmax", "log_softmax"):
        for axis in (0, 1, -1):
            assert KERNELS[name](x, axis) is not NotImplemented
            assert KERNELS[f"{name}_back"]((x, x), axis) is not NotImplemented
        for bad in (x.astype(np.float16), x.astype(np.complex64), x[:, 1:], x.T[1:], x[:3, :3].copy(), x[:0]):
            assert KERNELS[name](bad, 1) is NotImplemented
            assert KERNELS[f"{name}_back"]((bad, bad), 1) is NotImplemented
        assert KERNELS[f"{name}_back"]((x[:1], x), 1) is NotImplemented
        assert KERNELS[f"{name}_back"]((x.astype("d"), x), 1) is NotImplemented
        with runtime.forced():
            assert KERNELS[name](np.ones((), np.float32), 0) is NotImplemented
    assert KERNELS["logsumexp"](x, (1,), False).shape == (64,)
    assert KERNELS["logsumexp"](x, (0, 1), True).shape == (1, 1)
    assert KERNELS["logsumexp"](x.reshape(16, 4, 64), (0, 2), False) is NotImplemented
    assert KERNELS["logsumexp"](x, (), False) is NotImplemented
    assert KERNELS["logsumexp_back"](x[:, 0], x, x[:, 0], (1,)) is not NotImplemented


@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("shape", [(1, 9), (2, 300), (5, 70, 33), (3, 1100, 7)])
def test_any_number_of_threads(char, shape, monkeypatch):
    x, g = draw(shape, char)
    for axis in range(len(shape)):
        found = []
        for nt in (1, 2, 3):
            monkeypatch.setattr(softmax, "threads", lambda work, below, nt=nt: nt)
            with runtime.forced():
                row = []
                for name in ("softmax", "log_softmax"):
                    y = KERNELS[name](x, axis)
                    row += [y, KERNELS[f"{name}_back"]((g, y), axis)]
                o = KERNELS["logsumexp"](x, (axis,), False)
                row += [o, KERNELS["logsumexp_back"](o, x, o, (axis,))]
            found.append(row)
        for other in found[1:]:
            for a, b in zip(found[0], other, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vmap_and_forward_mode(name):
    f = FUNCTIONS[name]
    x = rg.tensor(draw((6, 5), "d")[0])
    w = rg.tensor(np.linspace(1, 2, 5))

    def loss(v):
        return (f(v, 0) * w).sum()

    with runtime.forced():
        rows = rg.func.vmap(rg.func.grad(loss))(x)
        bent = rg.func.jvp(rg.func.grad(loss), (x[0],), (w,))[1]
    with rg.use_backend("numpy"):
        for i in range(6):
            t = x[i].detach().requires_grad_()
            (g,) = rg.autograd.grad(loss(t), t, create_graph=True)
            np.testing.assert_allclose(rows[i].detach().numpy(), g.detach().numpy(), rtol=1e-12, atol=1e-13)
            if i == 0:
                (h,) = rg.autograd.grad((g * w).sum(), t)
                np.testing.assert_allclose(bent.detach().numpy(), h.numpy(), rtol=1e-11, atol=1e-12)
