"""Counting, searching, sets and order statistics beyond the samples of their records: edges, NaN, layouts, gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg

NAN = math.nan


def rand(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# ---------------------------------------------------------------- counting
@pytest.mark.parametrize("dtype", ["int16", "int32", "int64", "int8", "uint8"])
def test_bincount_takes_every_integer_type(dtype):
    a = np.array([3, 0, 3, 1], dtype)
    assert rg.bincount(rg.tensor(a)).tolist() == [1, 1, 0, 2]
    assert rg.tensor(a).bincount(minlength=6).tolist() == [1, 1, 0, 2, 0, 0]


def test_bincount_of_float32_weights_is_summed_in_double():
    n = 100_000
    w = np.full(n, 0.1, np.float32)
    r = rg.bincount(rg.zeros(n, dtype=rg.int64), rg.tensor(w))
    assert r.dtype is rg.float32
    assert r.item() == np.float32(w.astype(np.float64).sum())


@pytest.mark.parametrize("bins", [1, 7, 100])
def test_histc_counts_every_element_in_range_once(bins):
    x = rand(1000)
    assert rg.histc(rg.tensor(x), bins).sum().item() == 1000
    assert rg.histc(rg.tensor(x), bins, -1, 1).sum().item() == ((x >= -1) & (x <= 1)).sum()


def test_the_last_bin_has_its_right_edge():
    x = rg.tensor([0.0, 1.0, 2.0])
    assert rg.histc(x, 2, 0, 2).tolist() == [1, 2]
    assert rg.histogram(x, rg.tensor([0.0, 1.0, 2.0])).hist.tolist() == [1, 2]


def test_histogram_agrees_with_numpy_on_ragged_edges():
    x, w, edges = rand(500), np.abs(rand(500, seed=1)), np.array([-2.0, -0.5, -0.25, 1.0, 1.5])
    for density in (False, True):
        expected, _ = np.histogram(x, edges, weights=w, density=density)
        got = rg.histogram(rg.tensor(x), rg.tensor(edges), weight=rg.tensor(w), density=density)
        np.testing.assert_allclose(got.hist.numpy(), expected, rtol=1e-12)
        np.testing.assert_array_equal(got.bin_edges.numpy(), edges)


def test_a_density_integrates_to_one():
    r = rg.histogramdd(rg.tensor(rand(200, 2)), [3, 4], density=True)
    areas = rg.outer(rg.diff(r.bin_edges[0]), rg.diff(r.bin_edges[1]))
    assert (r.hist * areas).sum().item() == pytest.approx(1.0)


def test_histogramdd_agrees_with_numpy():
    x = rand(300, 3)
    expected, edges = np.histogramdd(x, [2, 3, 4], [(-1, 1), (-2, 2), (0, 1)])
    got = rg.histogramdd(rg.tensor(x), [2, 3, 4], range=[-1.0, 1.0, -2.0, 2.0, 0.0, 1.0])
    np.testing.assert_array_equal(got.hist.numpy(), expected)
    for a, b in zip(got.bin_edges, edges, strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-15, atol=1e-15)


def test_counts_have_no_gradient():
    x = rg.rand(5, requires_grad=True)
    assert not rg.histc(x, 3).requires_grad
    assert not rg.histogram(x, 3).hist.requires_grad


def test_histogram_writes_into_out():
    hist, edges = rg.empty(2), rg.empty(3)
    r = rg.histogram(rg.tensor([0.0, 1.0, 1.0]), 2, out=(hist, edges))
    assert r.hist is hist and hist.tolist() == [1, 2] and edges.tolist() == [0, 0.5, 1]


# ---------------------------------------------------------------- searching
@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 9, 100])
def test_rows_are_searched_as_single_sequences_are(n, right):
    rows = np.sort(np.random.default_rng(n).integers(0, 20, (3, n)).astype(float), axis=-1)
    values = np.random.default_rng(n + 1).integers(-2, 23, (3, 5)).astype(float)
    got = rg.searchsorted(rg.tensor(rows), rg.tensor(values), right=right).numpy()
    for row, v, r in zip(rows, values, got, strict=True):
        np.testing.assert_array_equal(r, np.searchsorted(row, v, side="right" if right else "left"))


def test_nan_counts_as_the_largest_number_in_a_search():
    for rows in ([1.0, 2.0, NAN], [[1.0, 2.0, NAN]]):
        seq = rg.tensor(rows)
        values = rg.tensor([[0.0, 5.0, NAN]])
        assert rg.searchsorted(seq, values).tolist() == [[0, 2, 2]]
        assert rg.searchsorted(seq, values, side="right").tolist() == [[0, 2, 3]]


def test_a_sorter_stands_for_the_sorted_sequence():
    a = rand(2, 9)
    order = np.argsort(a, -1)
    v = rand(2, 4, seed=1)
    got = rg.searchsorted(rg.tensor(a), rg.tensor(v), sorter=rg.tensor(order))
    assert rg.equal(got, rg.searchsorted(rg.tensor(np.sort(a, -1)), rg.tensor(v)))
    with pytest.raises(IndexError, match="outside 0 to 8"):
        rg.searchsorted(rg.tensor(a), rg.tensor(v), sorter=rg.tensor(order + 1))


def test_a_search_gives_the_index_type_asked_for():
    seq, v = rg.tensor([1.0, 2.0]), rg.tensor([1.5])
    assert rg.searchsorted(seq, v).dtype is rg.int64
    assert rg.searchsorted(seq, v, out_int32=True).dtype is rg.int32
    out = rg.empty(1, dtype=rg.int32)
    assert rg.bucketize(v, seq, out_int32=True, out=out) is out
    with pytest.raises(RuntimeError, match="out is int32; int64 is expected"):
        rg.bucketize(v, seq, out=out)


def test_unravel_index_is_the_inverse_of_flat_indexing():
    shape = (3, 4, 5)
    flat = rg.arange(60)
    i, j, k = rg.unravel_index(flat, shape)
    assert rg.equal(i * 20 + j * 5 + k, flat)


@pytest.mark.parametrize("size", [0, 2, 6, 9])
def test_nonzero_static_is_nonzero_cut_or_filled(size):
    x = rg.tensor([[0, 1, 1], [1, 0, 1]])
    found = x.nonzero()
    r = x.nonzero_static(size=size, fill_value=-7)
    n = min(size, len(found))
    assert r.shape == (size, 2) and r.dtype is rg.int64
    assert rg.equal(r[:n], found[:n]) and bool((r[n:] == -7).all())


# ---------------------------------------------------------------- sets
def test_isin_promotes_and_no_nan_is_equal():
    assert rg.isin(rg.tensor([1, 2, 3]), rg.tensor([2.0, 2.5])).tolist() == [False, True, False]
    assert rg.isin(rg.tensor([1, 2]), 1.5).tolist() == [False, False]
    assert rg.isin(rg.tensor([NAN]), rg.tensor([NAN])).tolist() == [False]
    assert rg.isin(rg.tensor([NAN, 1.0]), rg.tensor([1.0]), invert=True).tolist() == [True, False]


def test_unique_consecutive_can_be_undone():
    a = np.random.default_rng(0).integers(0, 2, 50)
    u, inverse, counts = rg.unique_consecutive(rg.tensor(a), return_inverse=True, return_counts=True)
    assert rg.equal(u[inverse], rg.tensor(a))
    assert rg.equal(rg.repeat_interleave(u, counts), rg.tensor(a))
    assert bool((u[1:] != u[:-1]).all())


def test_combinations_pass_gradients_to_every_place():
    x = rg.arange(4.0, requires_grad=True)
    rg.combinations(x, 2).sum().backward()
    assert x.grad.tolist() == [3.0] * 4


# ---------------------------------------------------------------- order statistics
METHODS = {"higher": "higher", "linear": "linear", "lower": "lower", "midpoint": "midpoint", "nearest": "nearest"}


@pytest.mark.parametrize("interpolation", sorted(METHODS))
def test_quantiles_are_numpys(interpolation):
    a = rand(4, 11)
    q = np.array([0.0, 0.13, 0.5, 0.77, 1.0])
    got = rg.quantile(rg.tensor(a), rg.tensor(q), dim=1, interpolation=interpolation)
    np.testing.assert_allclose(got.numpy(), np.quantile(a, q, axis=1, method=METHODS[interpolation]), rtol=1e-14)
    a[0, 3] = a[1, :] = NAN
    got = rg.nanquantile(rg.tensor(a), rg.tensor(q), dim=1, interpolation=interpolation)
    kept = [np.quantile(row[~np.isnan(row)], q, method=interpolation) for row in a[[0, 2, 3]]]
    np.testing.assert_allclose(got.numpy()[:, [0, 2, 3]], np.stack(kept, 1), rtol=1e-14)
    assert bool(got[:, 1].isnan().all())


def test_a_quantile_of_nan_is_nan_in_its_row_only():
    x = rg.tensor([[1.0, NAN], [1.0, 3.0]])
    assert rg.quantile(x, 0.5, dim=1)[1].item() == 2.0
    assert math.isnan(rg.quantile(x, 0.0, dim=1)[0].item())


def test_the_gradient_of_a_quantile_goes_to_its_two_neighbours_and_to_q():
    x = rg.tensor([5.0, 1.0, 3.0, 2.0], requires_grad=True)
    q = rg.tensor(0.5, requires_grad=True)  # rank 1.5: between 2 and 3
    rg.quantile(x, q).backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.5, 0.5]
    assert q.grad.item() == 3.0 * (3.0 - 2.0)  # (N - 1) times the gap


def test_mode_takes_the_smallest_of_several_and_its_last_place():
    r = rg.mode(rg.tensor([[3, 1, 3, 1, 2], [5, 5, 0, 0, 0]]), dim=1)
    assert r.values.tolist() == [1, 0] and r.indices.tolist() == [3, 4]


@pytest.mark.parametrize("seed", range(5))
def test_mode_is_the_most_frequent(seed):
    a = np.random.default_rng(seed).integers(0, 4, (20, 13))
    values, indices = rg.mode(rg.tensor(a))
    for row, v, i in zip(a, values.tolist(), indices.tolist(), strict=True):
        u, counts = np.unique(row, return_counts=True)
        assert v == u[counts.argmax()] and i == np.flatnonzero(row == v)[-1]


def test_the_gradient_of_mode_goes_to_the_place_it_names():
    x = rg.tensor([2.0, 1.0, 2.0], requires_grad=True)
    rg.mode(x).values.backward()
    assert x.grad.tolist() == [0.0, 0.0, 1.0]
