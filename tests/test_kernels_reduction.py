"""Kernels of sums and variances: as accurate as NumPy's, whatever the number of threads."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd.autograd.kernels.cpu import KERNELS, runtime
from retrograd.autograd.kernels.cpu import reduction as kernels

pytest.importorskip("numba")

SHAPES = [(1,), (17,), (1024,), (5000,), (3, 4), (65, 17), (64, 40), (130, 1025), (7, 2100), (4, 5, 16), (6, 70, 33),
          (2, 3, 4, 16), (3, 5, 7, 9), (1, 70, 1), (2, 1, 90)]  # fmt: skip


def every(shape: tuple[int, ...]) -> list[Any]:
    """All ways to name axes."""
    n = len(shape)
    sets = [s for k in range(1, n + 1) for s in itertools.combinations(range(n), k)]
    return [None, *sets, *range(n), -1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_and_variances(shape: tuple[int, ...], dtype: Any) -> None:
    x = (np.random.default_rng(0).standard_normal(shape) + 2).astype(dtype)
    eps = np.finfo(dtype).eps
    with runtime.forced():
        for axes, keep in itertools.product(every(shape), (False, True)):
            exact = np.sum(x.astype(np.longdouble), axes, keepdims=keep)
            scale = np.sum(np.abs(x.astype(np.longdouble)), axes, keepdims=keep)
            r = KERNELS["sums"](x, axes, keep)
            if r is not NotImplemented:
                assert r.dtype == dtype and r.shape == exact.shape
                # a sum of 64 rows in turn has the largest error: a few ulp
                assert np.all(np.abs(r - exact) <= 6 * eps * scale)
            v = KERNELS["variance"](x, axes if not isinstance(axes, int) else (axes % x.ndim,), keep, 1.0)
            if v is not NotImplemented:
                exact = np.var(x.astype(np.longdouble), axes, ddof=1, keepdims=keep)
                assert v.dtype == dtype and v.shape == exact.shape
                np.testing.assert_allclose(v, exact.astype(dtype), rtol=40 * eps, atol=4 * eps)


def test_the_forms_that_are_served() -> None:
    with runtime.forced():
        x = np.ones((4, 5, 6, 16), "f")
        served = {a for a in every(x.shape) if KERNELS["sums"](x, a, False) is not NotImplemented}
    assert served == {None, (0,), (1,), (2,), (3,), (0, 1), (0, 1, 2), (0, 1, 2, 3), (1, 2), (1, 2, 3), (2, 3), (0, 2, 3),
                      (0, 3), (0, 1, 3), 0, 1, 2, 3, -1}  # fmt: skip


def test_what_declines() -> None:
    with runtime.forced():
        x = np.ones((40, 50))
        for y in (x.T, x[:, ::2], x.astype(np.float16), x.astype(np.int64), x.astype(complex), np.ones((100, 4))):
            axes = (1,) if y.shape == (100, 4) else (0,)
            assert KERNELS["sums"](y, axes, False) is NotImplemented
            assert KERNELS["variance"](y, axes, False, 1.0) is NotImplemented
        assert KERNELS["variance"](x, (0,), False, 40.0) is NotImplemented  # no degree of freedom
    assert KERNELS["variance"](x, (0,), False, 1.0) is NotImplemented  # little work


def test_large_sums_are_shared_and_small_ones_not(monkeypatch: Any) -> None:
    calls: list[Any] = []
    kernel = KERNELS["sums"]
    monkeypatch.setitem(KERNELS, "sums", lambda *a: calls.append(kernel(*a)) or calls[-1])
    rg.ones(100, 100).sum()
    assert not calls
    assert rg.ones(400, 100).sum().item() == 40000 and rg.ones(400, 100).mean(0).tolist() == [1.0] * 100
    assert len(calls) == 2 and all(c is not NotImplemented for c in calls)
    with rg.use_backend("numpy"):
        rg.ones(400, 100).sum()
    assert len(calls) == 2


@pytest.mark.parametrize("shape", [(5000,), (130, 1025), (6, 70, 33), (70, 3, 40), (3, 4100)], ids=str)
def test_threads_change_nothing(shape: tuple[int, ...], monkeypatch: Any) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype("f")
    for axes in every(shape):
        found = []
        for nt in (1, 2, 3):
            monkeypatch.setattr(kernels, "threads", lambda work, serial_below, nt=nt: nt)
            with runtime.forced():
                found.append((KERNELS["sums"](x, axes, False), KERNELS["variance"](x, axes, False, 0.0)))
        for a, b, c in zip(*found, strict=True):
            assert a is b is c is NotImplemented or (np.array_equal(a, b) and np.array_equal(a, c))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_public_reductions_with_both_derivatives(dtype: str) -> None:
    def run() -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        x = rg.tensor(rng.standard_normal((6, 70, 33)).astype(dtype), requires_grad=True)
        b = rg.tensor(rng.standard_normal(33).astype(dtype), requires_grad=True)
        c = rg.tensor(rng.standard_normal((70, 1)).astype(dtype), requires_grad=True)
        ys = [
            x.sum(), x.mean(1), x.sum((0, 2)), x.var(2), x.std((0, 1)), x.var(), x.mean((1, 2), keepdim=True),
            x.nansum(0), (x + b) * c, x.norm(), x.var(1, correction=0), x.std((0, 2), keepdim=True),
        ]  # fmt: skip
        total: Any = 0
        for y in ys:
            total = total + (y * y).mean()
        gs = rg.autograd.grad(total, [x, b, c], create_graph=True)
        squares: Any = 0
        for g in gs:
            squares = squares + (g * g).sum()
        hs = rg.autograd.grad(squares, [x, b, c])
        return [t.detach().numpy() for t in (*ys, *gs, *hs)]

    with runtime.forced():
        ours = run()
    with rg.use_backend("numpy"):
        theirs = run()
    for p, q in zip(ours, theirs, strict=True):
        assert p.dtype == q.dtype and p.shape == q.shape
        scale = float(np.max(np.abs(q)))
        np.testing.assert_allclose(p, q, rtol=0, atol=scale * (1e-12 if dtype == "float64" else 3e-6))


@pytest.mark.parametrize("dtype", [rg.float16, rg.bfloat16])
def test_half_types_are_added_up_in_float32_and_rounded_once(dtype: Any) -> None:
    x = rg.tensor(np.random.default_rng(0).standard_normal((300, 200))).to(dtype)
    with runtime.forced():
        ours = [x.sum(), x.sum(0), x.mean(1), x.var(0)]
    with rg.use_backend("numpy"):
        theirs = [x.sum(), x.sum(0), x.mean(1), x.var(0)]
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype is b.dtype is dtype
        ulp = 2.0**-10 if dtype is rg.float16 else 2.0**-7
        np.testing.assert_allclose(a.double().numpy(), b.double().numpy(), rtol=ulp, atol=1e-4)


def test_nan_and_infinity() -> None:
    x = np.ones((200, 300), "f")
    x[3, 4], x[7, 5], x[9, 5], x[11, 6] = np.nan, np.inf, -np.inf, np.inf
    with runtime.forced(), np.errstate(invalid="ignore"):
        for axes in (None, (0,), (1,)):
            np.testing.assert_array_equal(KERNELS["sums"](x, axes, False), np.add.reduce(x, axes))
            v = KERNELS["variance"](x, axes, False, 1.0)
            np.testing.assert_array_equal(np.isnan(v), np.isnan(np.var(x, axes, ddof=1)))


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_drawn_shapes(data: Any) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=4)))
    axes = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))))
    x = np.random.default_rng(data.draw(st.integers(0, 9))).standard_normal(shape)
    with runtime.forced():
        r = KERNELS["sums"](x, axes, False)
    if r is not NotImplemented:
        np.testing.assert_allclose(r, np.sum(x, axes), rtol=1e-12, atol=1e-12)


def test_nothing_to_add_up() -> None:
    with runtime.forced():
        assert rg.zeros(0).sum().item() == 0 and rg.zeros(0, 3).sum(0).tolist() == [0.0] * 3
        assert rg.zeros(3, 0).sum(1).tolist() == [0.0] * 3 and np.isnan(rg.zeros(0).var().item())
