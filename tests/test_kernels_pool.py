"""Pooling kernels equal the NumPy formulas: values, gradients, places, ties, padding, and values that are not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd.autograd.kernels.cpu import KERNELS, runtime
from retrograd.autograd.ops import pool_core

pytest.importorskip("numba")
F = rg.nn.functional
NAMES = ("avg_pool", "avg_pool_back", "max_pool", "max_pool_back", "max_pool_index")
FORMULAS = {name: getattr(pool_core, f"_{name}").__wrapped__ for name in NAMES}


def same(name, args, exact=True):
    with np.errstate(all="ignore"):
        want = FORMULAS[name](np, *args)
    with runtime.forced():
        got = KERNELS[name](*args)
    assert got is not NotImplemented and got.shape == want.shape and got.dtype == want.dtype, name
    if exact:
        assert np.array_equal(got, want, equal_nan=got.dtype.kind == "f"), name
    else:
        tolerance = 4e-6 if want.dtype == np.float32 else 1e-13
        fine = np.isfinite(want)
        assert (fine == np.isfinite(got)).all() and np.allclose(got[fine], want[fine], tolerance, tolerance), name
    return got


def check(ceil_mode, pad, over, x, k, s, lo, d):
    """All five kernels on one input."""
    nd, rng = len(k), np.random.default_rng(0)
    shape = x.shape[x.ndim - nd :]
    o = tuple(pool_core.pooled_size(*v, ceil_mode) for v in zip(shape, k, s, lo, d, strict=True))
    if min(o) >= 1:
        y = same("max_pool", (x, k, s, lo, d, o))
        same("max_pool_index", (x, k, s, lo, d, o))
        same("max_pool_back", ((rng.standard_normal(y.shape).astype(x.dtype), x, y), k, s, lo, d), exact=False)
    o = tuple(pool_core.pooled_size(n, kk, ss, a, 1, ceil_mode) for n, kk, ss, a in zip(shape, k, s, lo, strict=True))
    if min(o) >= 1 and all(2 * a <= kk for a, kk in zip(lo, k, strict=True)):
        y = same("avg_pool", (x, k, s, lo, o, pad, over), exact=False)
        same(
            "avg_pool_back", (rng.standard_normal(y.shape).astype(x.dtype), shape, k, s, lo, o, pad, over), exact=False
        )


# shape, kernel, stride, padding, dilation
CASES: list[Any] = [
    ((1, 1, 1, 1), (1, 1), (1, 1), (0, 0), (1, 1)),
    ((2, 3, 8, 8), (2, 2), (2, 2), (0, 0), (1, 1)),
    ((2, 3, 9, 7), (2, 2), (2, 2), (0, 0), (1, 1)),
    ((2, 3, 9, 7), (3, 3), (2, 2), (1, 1), (1, 1)),
    ((2, 3, 11, 9), (3, 2), (1, 3), (1, 0), (2, 1)),
    ((3, 64, 8, 8), (8, 8), (8, 8), (0, 0), (1, 1)),
    ((2, 2, 70, 130), (5, 5), (3, 3), (2, 2), (1, 1)),
    ((4, 5, 33), (3,), (2,), (1,), (1,)),
    ((4, 5, 32), (2,), (2,), (0,), (1,)),
    ((7, 32), (32,), (1,), (0,), (1,)),
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("ties", [False, True])
def test_kernels_equal_formulas(case, char, ties):
    shape, *p = case
    rng = np.random.default_rng(0)
    x = (rng.integers(-2, 3, shape) if ties else rng.standard_normal(shape)).astype(char)
    before = runtime.num_threads()
    try:
        for nt in (1, 2, 3):
            runtime.set_num_threads(nt)
            check(False, True, None, x, *p)
    finally:
        runtime.set_num_threads(before)


@settings(deadline=None, max_examples=150)
@given(data=st.data(), nd=st.integers(1, 2), char=st.sampled_from("fd"), odd=st.booleans(), ceil_mode=st.booleans(),
       pad=st.booleans(), over=st.sampled_from([None, None, 3, -2]))  # fmt: skip
def test_drawn_shapes(data, nd, char, odd, ceil_mode, pad, over):
    def draw(low, high):
        return tuple(data.draw(st.integers(low, high)) for _ in range(nd))

    shape, k, s, d = draw(1, 14), draw(1, 4), draw(1, 3), draw(1, 2)
    lo = tuple(data.draw(st.integers(0, (b * (a - 1) + 1) // 2)) for a, b in zip(k, d, strict=True))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    x = rng.integers(-3, 4, (2, 3, *shape)).astype(char)
    if odd:
        for value in (np.nan, np.inf, -np.inf):
            x[rng.random(x.shape) < 0.15] = value
    check(ceil_mode, pad, over, x, k, s, lo, d)


def test_nan_wins_and_gets_no_gradient():
    x = np.zeros((1, 1, 2, 8), "f")
    x[0, 0, 0, 0], x[0, 0, 1, 3], x[0, 0, 0, 4], x[0, 0, 1, 5] = np.nan, np.nan, np.inf, np.nan
    x[0, 0, :, 6:] = -np.inf
    check(False, True, None, x, (2, 2), (2, 2), (0, 0), (1, 1))
    check(False, True, None, x, (1, 3), (1, 2), (0, 1), (1, 1))


def both(f):
    with runtime.forced():
        got = f()
    with rg.use_backend("numpy"):
        want = f()
    return got, want


@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.max_pool2d(x, 3, 2, 1, 2, ceil_mode=True),
        lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True)[0],
        lambda x: F.max_pool1d(x.flatten(2), 3, 2, 1),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        lambda x: F.avg_pool2d(x, 2, 2, divisor_override=3),
        lambda x: F.avg_pool1d(x.flatten(2), 4, 3, 2, ceil_mode=True),
        lambda x: F.adaptive_avg_pool2d(x, 1),
        lambda x: F.adaptive_avg_pool2d(x, (3, 5)),
        lambda x: F.adaptive_max_pool2d(x, (3, 5)),
        lambda x: F.lp_pool2d(x, 2.0, 2),
        lambda x: F.max_pool2d(x.permute(0, 1, 3, 2), 2),
    ],
)
def test_derivatives_of_the_public_api(pool, char):
    a = np.random.default_rng(0).standard_normal((2, 3, 9, 10)).astype(char)

    def run():
        x = rg.tensor(a, requires_grad=True)
        y = pool(x)
        (first,) = rg.autograd.grad((y**3).sum(), [x], create_graph=True)
        (second,) = rg.autograd.grad((first**2).sum(), [x])
        return [v.detach().numpy() for v in (y, first, second)]

    got, want = both(run)
    tolerance = 1e-5 if char == "f" else 1e-12
    for p, q in zip(got, want, strict=True):
        assert p.shape == q.shape and p.dtype == q.dtype
        assert np.abs(p - q).max() <= tolerance * max(1.0, float(np.abs(q).max()))


def test_places_are_those_of_the_formula():
    a = np.random.default_rng(0).integers(0, 3, (2, 3, 9, 10)).astype("f")
    got, want = both(lambda: F.max_pool2d(rg.tensor(a), 3, 2, 1, return_indices=True))
    assert all(p.equal(q) for p, q in zip(got, want, strict=True)) and got[1].dtype == rg.int64


def test_the_public_api_runs_the_kernels(monkeypatch):
    ran = []
    for name in NAMES:
        kernel = KERNELS[name]

        def record(*args, kernel=kernel, name=name):
            r = kernel(*args)
            ran.append((name, r is not NotImplemented))
            return r

        monkeypatch.setitem(rg.autograd.backend.numpy_backend.kernels, name, record)
    x = rg.randn(4, 8, 16, 16, requires_grad=True)
    (F.max_pool2d(x, 2).sum() + F.adaptive_avg_pool2d(x, 1).sum()).backward()
    F.max_pool2d(x, 2, return_indices=True)
    assert sorted(ran) == [(name, True) for name in NAMES]


def test_what_is_left_to_the_formula():
    p = ((2, 2), (2, 2), (0, 0), (1, 1), (4, 4))
    x = np.ones((2, 3, 8, 8), "f")
    with runtime.forced():
        for other in (x.astype("e"), x.astype("i"), x.transpose(0, 1, 3, 2), x[:, :, ::2], x[:0]):
            assert KERNELS["max_pool"](other, *p) is NotImplemented
            assert KERNELS["max_pool_index"](other, *p) is NotImplemented
            assert KERNELS["avg_pool"](other, *p[:3], p[4], True, None) is NotImplemented
        three = (2,) * 3
        assert KERNELS["max_pool"](x, three, three, (0,) * 3, (1,) * 3, (1, 4, 4)) is NotImplemented
    small = np.ones((1, 1, 4, 4), "f")
    assert KERNELS["max_pool"](small, *p[:4], (2, 2)) is NotImplemented


def test_half_precision_and_integers_are_the_formula():
    a = np.random.default_rng(0).integers(-9, 9, (2, 3, 16, 16))
    for dtype in (rg.float16, rg.bfloat16, rg.int32):
        x = rg.tensor(a).to(dtype)
        got, want = both(lambda x=x: F.max_pool2d(x, 2))
        assert got.equal(want)
