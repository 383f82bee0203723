"""Kernels of normalisation against the array formulas: values, gradients and second derivatives through the public API."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_checks import TOLERANCE, agree, close

import retrograd as rg
from retrograd.autograd.kernels.cpu import FAMILIES, runtime

pytest.importorskip("numba")
F = rg.nn.functional


def drawn(dtype, *shapes, seed=0):
    rs = np.random.RandomState(seed)
    return [rs.randn(*s).astype(dtype) for s in shapes]


# ---------------------------------------------------------------- layer and rms norm
ROWS = [(1, 1), (1, 5), (7, 1), (3, 16), (5, 33), (17, 130), (2, 3, 7)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", ROWS)
def test_layer_norm(dtype, shape):
    x, w, b = drawn(dtype, shape, shape[-1:], shape[-1:])
    # a row of one element has no gradient but rounding
    second = shape[-1] > 1
    agree(lambda x, w, b: F.layer_norm(x, shape[-1:], w, b), (x, w, b), second)
    agree(lambda x, w: F.layer_norm(x, shape[-1:], w), (x, w), second)
    agree(lambda x, b: F.layer_norm(x, shape[-1:], None, b), (x, b), second)
    agree(lambda x: F.layer_norm(x, shape[-1:]), (x,), second)
    agree(lambda x, w: F.rms_norm(x, shape[-1:], w, 1e-5), (x, w))


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_layer_norm_over_several_dimensions(dtype):
    x, w, b = drawn(dtype, (5, 3, 4, 5), (3, 4, 5), (3, 4, 5))
    agree(lambda x, w, b: F.layer_norm(x, (3, 4, 5), w, b), (x, w, b))
    agree(lambda x, w: F.rms_norm(x, (3, 4, 5), w), (x, w))


@pytest.mark.parametrize("only", [0, 1, 2])
def test_layer_norm_for_one_operand(only):
    arrays = drawn("float64", (6, 9), (9,), (9,))
    ts = [rg.tensor(a, requires_grad=i == only) for i, a in enumerate(arrays)]
    with rg.use_backend("numpy"):
        expected = rg.autograd.grad((F.layer_norm(ts[0], (9,), ts[1], ts[2]) ** 2).sum(), ts[only])[0]
    with runtime.forced():
        found = rg.autograd.grad((F.layer_norm(ts[0], (9,), ts[1], ts[2]) ** 2).sum(), ts[only])[0]
    close(found.numpy(), expected.numpy(), 1e-12)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 40), st.integers(4, 70), st.booleans(), st.booleans(), st.sampled_from(sorted(TOLERANCE)),
    st.integers(0, 1000),
)  # fmt: skip
def test_layer_norm_of_any_shape(n, d, weight, bias, dtype, seed):
    x, w, b = drawn(dtype, (n, d), (d,), (d,), seed=seed)
    arrays = [x, *([w] if weight else []), *([b] if bias else [])]

    def f(x, *rest):
        rest = list(rest)
        return F.layer_norm(x, (d,), rest.pop(0) if weight else None, rest.pop(0) if bias else None)

    agree(f, arrays, second=False, tol=1e-10 if dtype == "float64" else 1e-4)


def test_variance_in_two_passes():
    """The mean of the squares less the square of the mean would leave nothing here."""
    x = (np.random.RandomState(0).randn(4, 512) + 1e4).astype("float32")
    exact = x.astype("float64")
    exact = (exact - exact.mean(1, keepdims=True)) / np.sqrt(exact.var(1, keepdims=True) + 1e-5)
    columns = np.ascontiguousarray(x.T)
    planes = np.ascontiguousarray(x.reshape(4, 8, 64).transpose(1, 0, 2))  # (8, 4, 64)
    errors = []
    for backend in ("numpy", "numba"):
        with rg.use_backend(backend), runtime.forced():
            a = F.layer_norm(rg.tensor(x), (512,)).numpy()
            b = F.batch_norm(rg.tensor(columns), None, None, training=True).numpy().T
            c = F.batch_norm(rg.tensor(planes), None, None, training=True).numpy().transpose(1, 0, 2).reshape(4, 512)
            errors.append([np.abs(v - exact).max() for v in (a, b, c)])
    for formula, kernel in zip(*errors, strict=True):
        assert kernel < 0.05 and kernel <= 2 * formula


# ---------------------------------------------------------------- batch norm
BATCHES = [(2, 1), (5, 3), (64, 37), (9, 130), (2, 3, 1), (3, 4, 7), (4, 3, 5, 5), (2, 5, 2, 3, 4), (1, 2, 70)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", BATCHES)
def test_batch_norm(dtype, shape):
    c = shape[1:2]
    x, w, b = drawn(dtype, shape, c, c)
    tol = 1e-11 if dtype == "float64" else 1e-5
    agree(lambda x, w, b: F.batch_norm(x, None, None, w, b, True, eps=0.1), (x, w, b), tol=tol)
    agree(lambda x, w: F.batch_norm(x, None, None, w, None, True, eps=0.1), (x, w), tol=tol)
    agree(lambda x: F.batch_norm(x, None, None, None, None, True, eps=0.1), (x,), tol=tol)
    mean, var = drawn(dtype, c, c, seed=1)
    var = var * var + 1
    agree(lambda x, w, b: F.batch_norm(x, rg.tensor(mean), rg.tensor(var), w, b), (x, w, b))
    agree(lambda x: F.batch_norm(x, rg.tensor(mean), rg.tensor(var)), (x,))


@pytest.mark.parametrize("shape", [(6, 5), (3, 4, 7)])
def test_running_statistics(shape):
    found = []
    for backend in ("numpy", "numba"):
        with rg.use_backend(backend), runtime.forced():
            m = rg.nn.BatchNorm1d(shape[1], dtype=rg.float64)
            for seed in range(3):
                m(rg.tensor(drawn("float64", shape, seed=seed)[0]))
            found.append(
                [
                    m.running_mean.numpy(),
                    m.running_var.numpy(),
                    m.eval()(rg.ones(*shape, dtype=rg.float64)).numpy(force=True),
                ]
            )
    for a, b in zip(*found, strict=True):
        close(b, a, 1e-12)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_group_and_instance_norm(dtype):
    x, w, b = drawn(dtype, (3, 6, 4, 5), (6,), (6,))
    tol = 1e-11 if dtype == "float64" else 1e-5
    agree(lambda x, w, b: F.group_norm(x, 3, w, b), (x, w, b), tol=tol)
    agree(lambda x, b: F.group_norm(x, 2, None, b), (x, b), tol=tol)
    agree(lambda x, w, b: F.instance_norm(x, weight=w, bias=b), (x, w, b), tol=tol)
    agree(lambda x, w: F.instance_norm(x, weight=w), (x, w), tol=tol)


# ---------------------------------------------------------------- what runs, and what does not
def test_kernels_run(called):
    with runtime.forced():
        x, w, b = (rg.tensor(a, requires_grad=True) for a in drawn("float32", (8, 4, 6), (4,), (4,)))
        F.batch_norm(x, None, None, w, b, True).sum().backward()
        F.batch_norm(x, rg.zeros(4), rg.ones(4), w, b).sum().backward()
        x, w = (rg.tensor(a, requires_grad=True) for a in drawn("float64", (8, 6), (6,)))
        F.layer_norm(x, (6,), w).sum().backward()
    assert [n for n in called if n in FAMILIES["norm"]] == [
        "batch_norm",
        "batch_norm_back",
        "channel_affine",
        "channel_affine_back",
        "layer_norm",
        "layer_norm_back",
    ]
    del called[:]
    F.layer_norm(rg.ones(2, 3), (3,))
    assert not set(called) & set(FAMILIES["norm"])  # too small to pay
    F.layer_norm(rg.ones(64, 3), (3,))
    assert [n for n in called if n in FAMILIES["norm"]] == ["layer_norm"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_declined(dtype, called):
    dt = getattr(rg, dtype)
    found = []
    for backend in ("numpy", "numba"):
        with rg.use_backend(backend), runtime.forced():
            x = rg.tensor(drawn("float32", (4, 6))[0], dtype=dt, requires_grad=True)
            y = F.layer_norm(x, (6,))
            y.float().square().sum().backward()
            found.append((y.detach().float().numpy(), x.grad.float().numpy()))
    for a, b in zip(*found, strict=True):
        close(b, a, 1e-2)  # widened to float32, which a kernel may serve, and rounded


def test_layouts():
    wide = np.random.RandomState(0).randn(12, 10)
    frozen = wide.copy()
    frozen.setflags(write=False)
    for x in (wide.T, wide[::2], wide[:, ::-1], frozen):
        agree(lambda x: F.layer_norm(x, x.shape[-1:]), (x,), tol=1e-11)
        agree(lambda x: F.batch_norm(x, None, None, training=True), (x,), tol=1e-11)
    x, w = (rg.tensor(a, requires_grad=True) for a in (wide, wide[0]))
    with runtime.forced():
        F.layer_norm(x, (10,), w).sum().backward()  # an expanded cotangent
        found = x.grad.numpy(), w.grad.numpy()
    x.grad = w.grad = None
    with rg.use_backend("numpy"):
        F.layer_norm(x, (10,), w).sum().backward()
    close(found[1], w.grad.numpy(), 1e-12)
    assert np.abs(found[0] - x.grad.numpy()).max() < 1e-12


def test_empty():
    with runtime.forced():
        for shape in ((0, 3), (3, 0), (0, 3, 4)):
            x = rg.zeros(*shape, requires_grad=True)
            y = F.layer_norm(x, shape[-1:])
            y.sum().backward()
            assert y.shape == x.grad.shape == shape
        x = rg.zeros(0, 3, 2, requires_grad=True)
        F.batch_norm(x, rg.zeros(3), rg.ones(3)).sum().backward()
        assert x.grad.shape == (0, 3, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_not_finite(value, dtype):
    x, w, b = drawn(dtype, (5, 20), (20,), (20,))
    x[2, 3] = value
    agree(lambda x, w, b: F.layer_norm(x, (20,), w, b), (x, w, b), second=False)
    agree(lambda x, w: F.rms_norm(x, (20,), w), (x, w), second=False)
    agree(lambda x, w, b: F.batch_norm(x, None, None, w, b, True), (x, w, b), second=False)
    x = x.reshape(5, 4, 5)
    agree(lambda x: F.batch_norm(x, None, None, training=True), (x,), second=False)
    agree(
        lambda x: F.batch_norm(x, rg.zeros(4, dtype=getattr(rg, dtype)), rg.ones(4, dtype=getattr(rg, dtype))),
        (x,),
        second=False,
    )
