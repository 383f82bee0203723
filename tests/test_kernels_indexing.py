"""Kernels that read and add up rows: the numbers of the NumPy formulas, in an order that threads do not change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd.autograd import backend
from retrograd.autograd.kernels.cpu import KERNELS, runtime
from retrograd.autograd.kernels.cpu import indexing as kernels

pytest.importorskip("numba")

F = rg.nn.functional


def tolerance(dtype: Any) -> dict[str, Any]:
    return {"rtol": 1e-12, "atol": 1e-12} if np.dtype(dtype) == np.float64 else {"rtol": 2e-6, "atol": 1e-5}


def squared(gs: Any) -> Any:
    total: Any = 0
    for g in gs:
        total = total + (g * g).sum()
    return total


def both(run: Any) -> None:
    """The arrays that run() returns are the same with and without kernels; half types are computed in float32."""
    with runtime.forced():
        ours = run()
    with rg.use_backend("numpy"):
        theirs = run()
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        scale = max(1.0, float(np.max(np.abs(b.astype(np.float64)))))
        np.testing.assert_allclose(a, b, rtol=0, atol=scale * {2: 2e-3, 4: 3e-6, 8: 1e-12}[a.dtype.itemsize])


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", [(5, 3), (1, 1), (40, 33), (7, 128), (300, 64)])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 0}, {"scale_grad_by_freq": True}, {"max_norm": 1.0}])
def test_embedding_with_both_derivatives(dtype: str, shape: tuple[int, int], options: Any) -> None:
    def run() -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        w = rg.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)
        ids = rg.tensor(rng.integers(0, shape[0], (6, 37)))
        c = rg.tensor(rng.standard_normal((6, 37, shape[1])).astype(dtype))
        y = F.embedding(ids, w, **options)
        (g,) = rg.autograd.grad((y * y * c).sum(), [w], create_graph=True)
        (h,) = rg.autograd.grad((g * g).sum(), [w])
        return [y.detach().numpy(), g.detach().numpy(), h.numpy()]

    both(run)


def test_the_kernels_run() -> None:
    rng = np.random.default_rng(0)
    w, ids = rng.standard_normal((50, 8)).astype("f"), rng.integers(0, 50, (3, 100))
    with runtime.forced():
        rows = KERNELS["take_rows"](w, ids, None)
        if runtime.num_threads() > 1:
            assert np.array_equal(rows, w[ids])
        assert KERNELS["take_rows"](w, ids, np.ones(ids.shape)) is NotImplemented
        table = KERNELS["put_rows"](w[ids], ids, 50, None)
        np.testing.assert_allclose(table, w * np.bincount(ids.ravel(), minlength=50)[:, None].astype("f"), rtol=1e-5)
        target = w.copy()
        assert KERNELS["add_rows"](target, ids.astype(np.int32), w[ids]) is None
        np.testing.assert_allclose(target, w + table, rtol=1e-5)


def test_what_declines() -> None:
    w, ids = np.zeros((50, 8), "f"), np.zeros(300, np.int64)
    assert KERNELS["add_rows"](w, ids[:10], np.zeros((10, 8), "f")) is NotImplemented  # little work
    with runtime.forced():
        for a in (w.astype(np.float16), w.astype(np.int64), w.astype(complex), w.T):
            assert KERNELS["take_rows"](a, ids, None) is NotImplemented
            assert KERNELS["add_rows"](a, ids, np.zeros((300, *a.shape[1:]), a.dtype)) is NotImplemented
        assert KERNELS["add_rows"](w, ids, np.zeros((300, 8))) is NotImplemented  # another dtype
        assert KERNELS["add_rows"](w, ids, 1) is NotImplemented
        assert KERNELS["add_rows"](w, ids.astype(np.uint8), np.zeros((300, 8), "f")) is NotImplemented
        assert KERNELS["add_rows"](w, np.arange(50), w) is NotImplemented  # its own memory
        for bad in (50, -51, 2**40, -(2**62)):
            ids[7] = bad
            assert KERNELS["add_rows"](w, ids, np.ones((300, 8), "f")) is NotImplemented
            assert KERNELS["take_rows"](w, ids, None) is NotImplemented
            assert KERNELS["put_rows"](np.ones((300, 8), "f"), ids, 50, None) is NotImplemented
        assert not w.any()
        with pytest.raises(IndexError):
            backend._scatter_add(w, (ids,), np.ones((300, 8), "f"))


def test_errors_are_those_of_the_operations() -> None:
    with runtime.forced():
        with pytest.raises(IndexError, match="id 5 at position 1 is out of range"):
            F.embedding(rg.tensor([0, 5]), rg.zeros(5, 3))
        with pytest.raises(IndexError, match="index 9 is out of range"):
            rg.zeros(4, 3).index_add(0, rg.tensor([9]), rg.ones(1, 3))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_adding_up_rows(data: Any) -> None:
    rest = tuple(data.draw(st.lists(st.integers(1, 9), max_size=2))) + data.draw(
        st.sampled_from([(), (16,), (33,), (70,)])
    )
    n = data.draw(st.integers(1, 40))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    ids = rng.integers(-n, n, data.draw(st.sampled_from([(1,), (50,), (7, 11), (0,), (200,)])))
    target = rng.standard_normal((n, *rest)).astype(dtype)
    values = rng.standard_normal(ids.shape + rest).astype(dtype)
    exact = target.astype(np.float64)
    np.add.at(exact, ids, values.astype(np.float64))
    with runtime.forced():
        backend._scatter_add(target, (ids,), values)
    np.testing.assert_allclose(target, exact, **tolerance(dtype))


@pytest.mark.parametrize("d", [1, 3, 16, 33, 64, 300])
def test_threads_change_nothing(d: int, monkeypatch: Any) -> None:
    rng = np.random.default_rng(0)
    ids, values = rng.integers(0, 20, 700), rng.standard_normal((700, d)).astype("f")
    found = []
    for nt in (1, 2, 3):
        monkeypatch.setattr(kernels, "threads", lambda work, serial_below, nt=nt: nt)
        with runtime.forced():
            found.append(KERNELS["put_rows"](values, ids, 20, None))
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_nan_and_infinity_stay_in_their_rows() -> None:
    g = np.ones((400, 20), "f")
    ids = np.arange(400) % 4
    g[1, 3], g[2, 4], g[6, 4], g[3, 5] = np.nan, np.inf, -np.inf, np.inf
    with runtime.forced():
        table = KERNELS["put_rows"](g, ids, 5, None)
    expected = np.zeros((5, 20), "f")
    np.add.at(expected, ids, g)
    np.testing.assert_array_equal(table, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_operations_that_add_up_rows(dtype: str) -> None:
    def run() -> list[np.ndarray]:
        rng = np.random.default_rng(0)

        def draw(*shape: int) -> Any:
            return rg.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)

        x, s, v, flat = draw(30, 20), draw(90, 20), draw(30, 45), draw(50)
        i, j = rg.tensor(rng.integers(0, 30, 90)), rg.tensor(rng.integers(0, 20, (30, 45)))
        ys = [
            x.index_add(0, i, s), x.index_select(0, i), x[i], x.gather(1, j), x.scatter_add(1, j, v),
            x.index_select(1, j[0]), flat[j % 50], flat.index_add(0, i[:50], flat * 2), x[j % 20, i[:45] % 20],
        ]  # fmt: skip
        total: Any = 0
        for y in ys:
            total = total + (y * y * y).sum()
        gs = rg.autograd.grad(total, [x, s, v, flat], create_graph=True)
        hs = rg.autograd.grad(squared(gs), [x, s, v, flat])
        return [t.detach().numpy() for t in (*ys, *gs, *hs)]

    both(run)
