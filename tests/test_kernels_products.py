"""Products by tiles: every way to share them among threads, blocks, edges, bias, and nothing written beside the result."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("numba")

from retrograd.autograd.kernels.cpu.loops import products

EPS = {"f": 2e-7, "d": 4e-16}
SIDES = st.one_of(st.integers(1, 20), st.sampled_from([48, 49, 64, 96, 100]))


@pytest.fixture(scope="module", autouse=True)
def small_blocks():
    """Blocks of 16 terms and 2 KiB, so that small matrices have several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "_TERMS", 16)
        patch.setattr(products, "_BYTES", 2048)
        yield


def computed(way, nt, x, tx, y, ty, b):
    """op(x) @ op(y) + b, in an array with NaN around it and in memory that begins as NaN."""
    (m, k), n = (x.shape[::-1] if tx else x.shape), y.shape[0] if ty else y.shape[1]
    p, size = products.shares(way, m, n, k, tx, ty, x.itemsize, nt)
    room = np.full(m * n + 64, np.nan, x.dtype)
    work = np.full(size + 64, np.nan, x.dtype)
    out = room[32:-32].reshape(m, n)
    products.product(nt, p, x, y, b, out, work[:size])
    assert np.isnan(room[:32]).all() and np.isnan(room[-32:]).all() and np.isnan(work[size:]).all()
    return out


@settings(deadline=None, max_examples=300)
@given(
    m=SIDES, n=SIDES, k=SIDES, char=st.sampled_from("fd"), tx=st.booleans(), ty=st.booleans(), bias=st.booleans(),
    way=st.integers(0, 2), nt=st.integers(1, 3), seed=st.integers(0, 9),
)  # fmt: skip
def test_equal_to_the_sums(m, n, k, char, tx, ty, bias, way, nt, seed):
    assume(way < 2 or k >= 8 * nt)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((k, m) if tx else (m, k)).astype(char)
    y = rng.standard_normal((n, k) if ty else (k, n)).astype(char)
    b = rng.standard_normal(n if bias else 0).astype(char)
    got = computed(way, nt, x, tx, y, ty, b)
    left, right = (x.T if tx else x).astype(np.longdouble), (y.T if ty else y).astype(np.longdouble)
    want = left @ right + (b if bias else 0)
    bound = EPS[char] * (np.abs(left) @ np.abs(right) + 1) * (2 + k**0.5)
    assert (np.abs(got - want) <= bound).all()


@pytest.mark.parametrize("way", [0, 1, 2])
@pytest.mark.parametrize("tx", [False, True])
@pytest.mark.parametrize("ty", [False, True])
def test_what_is_not_finite_stays_in_its_row_and_column(way, tx, ty):
    x, y = np.ones((23, 40), "f"), np.ones((40, 37), "f")
    x[22, 39], y[0, 36] = np.nan, np.inf
    got = computed(
        way, 2, np.ascontiguousarray(x.T) if tx else x, tx, np.ascontiguousarray(y.T) if ty else y, ty, x[:0, 0]
    )
    assert np.isnan(got[22]).all() and np.isposinf(got[:22, 36]).all() and (got[:22, :36] == 40).all()


def test_rows_and_columns_give_the_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    x, y, b = (rng.standard_normal(s).astype("f") for s in ((50, 70), (70, 90), 90))
    one = computed(0, 1, x, False, y, False, b)
    for way in (0, 1):
        for nt in (2, 3):
            np.testing.assert_array_equal(computed(way, nt, x, False, y, False, b), one)


def test_rows_at_a_distance_that_caches_do_not_like():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((13, 256)).astype("f"), rng.standard_normal((256, 200)).astype("f")
    np.testing.assert_allclose(computed(0, 2, x, False, y, False, x[:0, 0]), x @ y, rtol=0, atol=1e-4)


def test_shapes_of_the_suite_go_to_tiles_and_large_or_tiny_ones_to_the_blas():
    def plan(m, n, k, tx=False, ty=False):
        return products.plan(m, n, k, tx, ty, 4, 2)

    assert plan(64, 256, 784, ty=True) and plan(1024, 512, 128) and plan(256, 64, 1920, tx=True)
    for m, n, k in ((1024, 1024, 1024), (64, 10, 128), (360, 10, 256), (1, 4096, 1024)):
        assert plan(m, n, k, ty=True) is None
