"""Matrix products on the kernels' threads: equal to NumPy's for every layout that a slice or transpose can have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd.autograd.kernels.cpu import KERNELS, blas, runtime

pytest.importorskip("numba")
pytestmark = pytest.mark.skipif(not blas.available(), reason="SciPy here has no OpenBLAS of its own")

SIDES = st.integers(1, 40)
EPS = {"f": 2e-7, "d": 4e-16}


def operand(rng, lead, rows, columns, char, transposed, pad):
    """Matrices (rows, columns), stored transposed if so, as a slice of `pad` more columns."""
    m, n = (columns, rows) if transposed else (rows, columns)
    x = rng.standard_normal((*lead, m, n + pad)).astype(char)[..., :n]
    return x.swapaxes(-1, -2) if transposed else x


def check(x, y):
    with runtime.forced():
        got = KERNELS["matmul"](x, y)
    assert got is not NotImplemented, (x.shape, x.strides, y.shape, y.strides)
    want = np.matmul(x.astype(np.longdouble), y.astype(np.longdouble))
    bound = EPS[x.dtype.char] * np.matmul(np.abs(x).astype("d"), np.abs(y).astype("d")) * (2 + x.shape[-1] ** 0.5)
    assert got.shape == want.shape and got.dtype == x.dtype
    assert (np.abs(got - want) <= bound + np.finfo(x.dtype).tiny).all()


@settings(deadline=None, max_examples=200)
@given(
    m=SIDES, n=SIDES, k=SIDES, char=st.sampled_from("fd"), tx=st.booleans(), ty=st.booleans(),
    pads=st.tuples(st.integers(0, 2), st.integers(0, 2)), lead=st.sampled_from([(), (3,), (2, 3), (1,)]),
    shared=st.booleans(), seed=st.integers(0, 9),
)  # fmt: skip
def test_products_of_any_layout(m, n, k, char, tx, ty, pads, lead, shared, seed):
    rng = np.random.default_rng(seed)
    x = operand(rng, lead, m, k, char, tx, pads[0])
    check(x, operand(rng, () if shared else lead, k, n, char, ty, pads[1]))


@pytest.mark.parametrize("shape", [(64, 784, 256), (257, 1030, 65), (1, 700, 900), (900, 700, 1), (5, 3000, 7)])
@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
def test_large_products(shape, char, transposed):
    m, k, n = shape
    rng = np.random.default_rng(0)
    check(operand(rng, (), m, k, char, transposed[0], 0), operand(rng, (), k, n, char, transposed[1], 0))


@pytest.mark.parametrize("char", ["f", "d"])
def test_heads_of_a_projection_and_read_only_operands(char):
    x = np.random.default_rng(0).standard_normal((2, 30, 4, 8)).astype(char)
    heads = x.transpose(0, 2, 1, 3)  # (2, 4, 30, 8), neither contiguous nor collapsible
    check(heads, heads.swapaxes(-1, -2))
    fixed = x.reshape(60, 32)[:].copy()
    fixed.flags.writeable = False
    check(fixed, fixed.T)
    check(np.broadcast_to(fixed, (3, 60, 32)), fixed.T)


@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("shape", [(64, 84, 10), (10, 84, 64), (1, 5, 1), (33, 1, 17)])
def test_linear_adds_the_bias(char, shape):
    m, k, n = shape
    rng = np.random.default_rng(1)
    x, w, b = (rng.standard_normal(s).astype(char) for s in ((m, k), (n, k), (n,)))
    with runtime.forced():
        got = KERNELS["linear"](x, w, b)
    np.testing.assert_allclose(got, x @ w.T + b, rtol=0, atol=EPS[char] * 40 * k**0.5)


def test_what_is_declined():
    x = np.ones((8, 8), np.float32)
    with runtime.forced():
        for a, b in (
            (x.astype(np.float16), x.astype(np.float16)),
            (x.astype(np.int64), x.astype(np.int64)),
            (x, x.astype(np.float64)),
            (x[:, ::2], x[:4]),  # no contiguous rows or columns
            (x, x[:4]),  # sizes that do not fit: NumPy has the message
            (x[0], x),
            (np.ones((2, 3, 4), np.float32), np.ones((3, 4, 5), np.float32)),
            (x[:0], x),
            (x[:, :0], x[:0]),
        ):
            assert KERNELS["matmul"](a, b) is NotImplemented
    assert KERNELS["matmul"](x, x) is NotImplemented  # too small to pay
    raw = np.zeros(8 * 8 * 4 + 1, np.uint8)[1:].view(np.float32).reshape(8, 8)  # not aligned
    with runtime.forced():
        assert KERNELS["matmul"](raw, x) is NotImplemented


def test_nan_and_infinity_pass_through():
    x = np.ones((40, 40), np.float32)
    x[3, 5], x[7, 2] = np.nan, np.inf
    with runtime.forced():
        got = KERNELS["matmul"](x, np.ones((40, 40), np.float32))
    assert np.isnan(got[3]).all() and np.isposinf(got[7]).all() and np.isfinite(np.delete(got, (3, 7), 0)).all()


def test_the_tensor_api_goes_through_them(called):
    x = rg.randn(32, 32, requires_grad=True)
    w, b = rg.randn(16, 32, requires_grad=True), rg.randn(16, requires_grad=True)
    rg.nn.functional.linear(x, w, b).square().sum().backward()
    assert [n for n in called if n in ("linear", "matmul")] == ["linear", "matmul", "matmul"]
    (rg.randn(4, 32, 32) @ x).square().sum().backward()
    rg.einsum("ij,kj->ik", x, w)
    rg.nn.functional.linear(rg.randn(2, 32, 32), w)
    assert [n for n in called if n in ("linear", "matmul")] == ["linear", *["matmul"] * 6]
    before = len(called)
    with rg.use_backend("numpy"):
        x @ x
    assert len(called) == before


def test_threads_agree():
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((200, 200)).astype(np.float32) for _ in range(2))
    before = rg.get_num_threads()
    try:
        found = []
        for n in (1, 2, 3):
            rg.set_num_threads(n)
            assert rg.get_num_threads() == n
            found.append(KERNELS["matmul"](x, y))
    finally:
        rg.set_num_threads(before)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=0, atol=1e-4)
