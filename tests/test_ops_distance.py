"""Distances, products, integrals, covariances, segments and what goes with them, beyond the samples of their records."""

from __future__ import annotations

import math
import tracemalloc
import warnings

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd.ops import distance


def rand(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def norms(x, y, p):
    d = np.abs(x[..., :, None, :] - y[..., None, :, :])
    if p == 0:
        return (d != 0).sum(-1)
    return d.max(-1) if p == math.inf else (d**p).sum(-1) ** (1 / p)


# ---------------------------------------------------------------- cdist
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 2.0, 3.5, math.inf])
def test_blocks_do_not_change_distances_or_gradients(p, monkeypatch):
    x, y = rand(2, 7, 3), rand(2, 5, 3, seed=1)
    g = rand(2, 7, 5, seed=2)

    def run():
        a, b = (rg.tensor(v, requires_grad=True) for v in (x, y))
        d = rg.cdist(a, b, p)
        d.backward(rg.tensor(g))
        return d.detach().numpy(), a.grad.numpy(), b.grad.numpy()

    whole = run()
    monkeypatch.setattr(distance, "_BLOCK", 40)  # one row at a time
    for a, b in zip(whole, run(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(whole[0], norms(x, y, p), rtol=1e-12)


def test_distances_take_memory_for_the_result_and_not_for_all_differences():
    x = rg.rand(600, 64, requires_grad=True)
    tracemalloc.start()
    try:
        rg.cdist(x, x, p=1.0).sum().backward()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    everything = 600 * 600 * 64 * 4
    assert peak < everything, f"{peak / 1e6:.0f} MB at most, all differences are {everything / 1e6:.0f} MB"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_product_form_is_exact_for_points_that_coincide_or_lie_far_off(dtype):
    x = (rand(40, 3) + 1000).astype(dtype)
    d = rg.cdist(rg.tensor(x), rg.tensor(x))
    assert d.diagonal().abs().max().item() == 0.0
    exact = norms(x.astype(np.float64), x.astype(np.float64), 2)
    np.testing.assert_allclose(d.numpy(), exact, rtol=2e-4 if dtype == "float32" else 1e-11)


@pytest.mark.parametrize("p", [0.5, 1.0, 1.5, 2.0, 3.0, math.inf])
def test_where_a_distance_is_zero_so_are_its_gradients_to_second_order(p):
    x = rg.tensor([[1.0, 2.0], [3.0, 5.0]], dtype=rg.float64, requires_grad=True)
    y = rg.tensor([[1.0, 2.0]], dtype=rg.float64)
    (g,) = rg.autograd.grad(rg.cdist(x, y, p).sum(), x, create_graph=True)
    assert g[0].tolist() == [0.0, 0.0] and float(g.detach()[1].abs().sum()) > 0
    (h,) = rg.autograd.grad((g * g).sum(), x, allow_unused=True)
    assert h is None or bool(h.isfinite().all())


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_cdist_differentiates_to_third_order(p):
    x = rg.tensor(rand(3, 2), requires_grad=True)
    y = rg.tensor(rand(2, 2, seed=1), requires_grad=True)

    def second(x, y):
        (g,) = rg.autograd.grad(rg.cdist(x, y, p).square().sum(), x, create_graph=True)
        return g

    assert rg.autograd.gradgradcheck(second, (x, y))


def test_a_tie_for_the_largest_coordinate_gives_each_the_gradient():
    x = rg.tensor([[1.0, -1.0]], requires_grad=True)
    rg.cdist(x, rg.zeros(1, 2), p=math.inf).backward()
    assert x.grad.tolist() == [[1.0, -1.0]]


def test_pdist_is_the_upper_triangle_of_cdist():
    x = rg.tensor(rand(6, 3))
    i, j = np.triu_indices(6, 1)
    for p in (0.0, 1.0, 2.0, math.inf):
        np.testing.assert_allclose(rg.pdist(x, p).numpy(), rg.cdist(x, x, p).numpy()[i, j], rtol=1e-12)


def test_the_front_door_and_functional_share_their_distances():
    import retrograd.nn.functional as F

    for name in ("cosine_similarity", "pairwise_distance", "pdist"):
        assert getattr(rg, name) is getattr(F, name)


def test_a_0d_cosine_similarity_is_the_sign():
    assert rg.cosine_similarity(rg.tensor(2.0), rg.tensor(-3.0), dim=0).item() == -1.0


# ---------------------------------------------------------------- renorm
def test_renorm_scales_long_slices_only_and_in_place():
    x = rg.tensor([[3.0, 4.0], [0.3, 0.4]])
    same = x.renorm_(2, 0, 1)
    assert same is x
    np.testing.assert_allclose(x.numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    assert rg.renorm(rg.tensor([[3.0, 4.0]]), 2, 0, 0).tolist() == [[0.0, 0.0]]


def test_renorm_in_place_has_the_gradient_of_renorm():
    a = rg.tensor(rand(3, 4), requires_grad=True)
    b = rg.tensor(rand(3, 4), requires_grad=True)
    rg.renorm(a, 2, 0, 1.0).square().sum().backward()
    (b * 1.0).renorm_(2, 0, 1.0).square().sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy())


# ---------------------------------------------------------------- products
def test_cross_without_dim_says_so_where_it_is_ambiguous():
    x, y = rg.tensor(rand(3, 3)), rg.tensor(rand(3, 3, seed=1))
    with pytest.warns(UserWarning, match="dimension 0 is taken"):
        r = rg.cross(x, y)
    np.testing.assert_allclose(r.numpy(), np.cross(x.numpy(), y.numpy(), axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(x.cross(y, dim=1).numpy(), np.cross(x.numpy(), y.numpy()))
        rg.cross(rg.ones(2, 3), rg.ones(2, 3))


def test_a_cross_product_is_orthogonal_to_its_factors():
    x, y = rg.tensor(rand(5, 3)), rg.tensor(rand(5, 3, seed=1))
    c = rg.cross(x, y, dim=1)
    for v in (x, y):
        assert (c * v).sum(1).abs().max().item() < 1e-14


def test_kron_of_products_is_the_product_of_krons():
    a, b, c, d = (rg.tensor(rand(2, 2, seed=i)) for i in range(4))
    np.testing.assert_allclose((rg.kron(a, b) @ rg.kron(c, d)).numpy(), rg.kron(a @ c, b @ d).numpy(), rtol=1e-12)


def test_a_chain_is_multiplied_in_the_cheapest_order():
    xs = [rg.tensor(rand(*s, seed=i)) for i, s in enumerate([(20, 2), (2, 30), (30, 1), (1, 25)])]
    expected = xs[0].numpy() @ xs[1].numpy() @ xs[2].numpy() @ xs[3].numpy()
    np.testing.assert_allclose(rg.chain_matmul(*xs).numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("increasing", [False, True])
def test_vander_is_numpys_also_at_zero(increasing):
    x = np.array([0.0, -1.5, 2.0])
    r = rg.vander(rg.tensor(x), 4, increasing)
    np.testing.assert_array_equal(r.numpy(), np.vander(x, 4, increasing))
    v = rg.tensor(x, requires_grad=True)
    rg.vander(v, 4).sum().backward()
    np.testing.assert_allclose(v.grad.numpy(), 1 + 2 * x + 3 * x**2)


# ---------------------------------------------------------------- integrals and derivatives
@pytest.mark.parametrize("n", [2, 3, 8])
def test_the_trapezoidal_rule_is_exact_for_lines_and_runs_to_its_total(n):
    x = np.sort(rand(n))
    y = 3 * x + 1
    total = 1.5 * (x[-1] ** 2 - x[0] ** 2) + x[-1] - x[0]
    a, b = rg.tensor(y), rg.tensor(x)
    assert rg.trapezoid(a, b).item() == pytest.approx(total)
    running = rg.cumulative_trapezoid(a, b)
    assert running.shape == (n - 1,) and running[-1].item() == pytest.approx(total)


def test_an_integral_differentiates_by_its_places():
    x = rg.tensor([0.0, 1.0, 3.0], dtype=rg.float64, requires_grad=True)
    rg.trapezoid(rg.tensor([2.0, 2.0, 2.0], dtype=rg.float64), x).backward()
    assert x.grad.tolist() == [-2.0, 0.0, 2.0]


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradient_is_numpys_for_every_spacing(edge_order):
    a = rand(4, 5)
    for spacing, given in ((0.5, (0.5,)), ([2.0, 0.25], (2.0, 0.25))):
        expected = np.gradient(a, *given, edge_order=edge_order)
        for r, e in zip(rg.gradient(rg.tensor(a), spacing=spacing, edge_order=edge_order), expected, strict=True):
            np.testing.assert_allclose(r.numpy(), e, rtol=1e-12, atol=1e-13)
    at = [np.array([0.0, 1.0, 1.5, 4.0]), np.array([-1.0, 0.0, 2.0, 2.5, 7.0])]
    expected = np.gradient(a, *at, edge_order=edge_order)
    found = rg.gradient(rg.tensor(a), spacing=[rg.tensor(v) for v in at], edge_order=edge_order)
    for r, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(r.numpy(), e, rtol=1e-12, atol=1e-13)


def test_gradient_at_places_is_exact_for_parabolas():
    x = rg.tensor([0.0, 1.0, 1.5, 4.0, 4.25], dtype=rg.float64)
    (r,) = rg.gradient(2 * x * x - x, spacing=[x], edge_order=2)
    np.testing.assert_allclose(r.numpy(), (4 * x - 1).numpy(), atol=1e-12)


# ---------------------------------------------------------------- covariance
def test_weights_of_cov_mean_what_numpy_means():
    x = rand(3, 6)
    f, a = np.array([1, 2, 0, 3, 1, 1]), np.array([0.5, 1.0, 2.0, 0.25, 1.5, 1.0])
    for correction in (0, 1, 2):
        r = rg.cov(rg.tensor(x), correction=correction, fweights=rg.tensor(f), aweights=rg.tensor(a))
        np.testing.assert_allclose(r.numpy(), np.cov(x, ddof=correction, fweights=f, aweights=a), rtol=1e-12)
    again = rg.cov(rg.tensor(np.repeat(x, f, 1)))
    np.testing.assert_allclose(rg.cov(rg.tensor(x), fweights=rg.tensor(f)).numpy(), again.numpy(), rtol=1e-12)


def test_cov_without_degrees_of_freedom_warns():
    with pytest.warns(UserWarning, match="no degree of freedom"):
        assert bool(rg.cov(rg.ones(2, 1)).isnan().all())


def test_correlations_lie_in_their_range_with_ones_on_the_diagonal():
    x = rg.tensor(rand(4, 3).astype(np.float32))
    r = rg.corrcoef(x)
    assert r.abs().max().item() <= 1.0
    np.testing.assert_allclose(r.numpy(), np.corrcoef(x.numpy()), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(r.diagonal().numpy(), 1.0, rtol=1e-6)


# ---------------------------------------------------------------- segments
@pytest.mark.parametrize("reduce", ["max", "mean", "min", "prod", "sum"])
def test_segments_are_the_reductions_of_their_slices(reduce):
    x = rand(7, 2)
    lengths = [3, 1, 0, 3]
    r = rg.segment_reduce(rg.tensor(x), reduce, lengths=rg.tensor(lengths)).numpy()
    f = {"max": np.max, "mean": np.mean, "min": np.min, "prod": np.prod, "sum": np.sum}[reduce]
    at = 0
    for n, row in zip(lengths, r, strict=True):
        if n:
            np.testing.assert_allclose(row, f(x[at : at + n], 0), rtol=1e-12)
        at += n
    empty = {"max": -math.inf, "mean": math.nan, "min": math.inf, "prod": 1.0, "sum": 0.0}[reduce]
    np.testing.assert_array_equal(r[2], empty)


def test_offsets_leave_out_what_is_before_and_behind():
    r = rg.segment_reduce(rg.arange(6.0), "sum", offsets=rg.tensor([1, 3, 5]))
    assert r.tolist() == [3.0, 7.0]


def test_the_product_of_a_segment_with_a_zero_has_its_gradient():
    x = rg.tensor([2.0, 0.0, 5.0], requires_grad=True)
    rg.segment_reduce(x, "prod", lengths=rg.tensor([3])).backward()
    assert x.grad.tolist() == [0.0, 10.0, 0.0]


# ---------------------------------------------------------------- norms by name, binomial, map_
def test_named_norms_are_norm():
    x = rg.tensor(rand(2, 3, 4))
    np.testing.assert_allclose(rg.nuclear_norm(x).numpy(), rg.norm(x, "nuc", dim=(1, 2)).numpy())
    np.testing.assert_allclose(rg.frobenius_norm(x, (0, 2)).numpy(), np.linalg.norm(x.numpy(), axis=(0, 2)))
    assert rg.norm_except_dim(x, 2, 1).shape == (1, 3, 1)


@pytest.mark.parametrize("n, p", [(5, 0.3), (15, 0.9), (60, 0.5), (1000, 0.02), (1000, 0.7)])
def test_binomial_counts_have_their_distribution(n, p):
    rg.manual_seed(1)
    size = 40_000
    k = rg.binomial(rg.full((size,), float(n)), rg.full((size,), p)).numpy()
    assert np.array_equal(k, np.round(k)) and k.min() >= 0 and k.max() <= n
    deviation = math.sqrt(n * p * (1 - p))
    assert abs(k.mean() - n * p) < 5 * deviation / math.sqrt(size)
    assert k.std() == pytest.approx(deviation, rel=0.03)
    stats = pytest.importorskip("scipy.stats")
    for at in (n * p - deviation, n * p, n * p + deviation):
        share = stats.binom.cdf(at, n, p)
        assert abs((k <= at).mean() - share) < 5 * math.sqrt(share * (1 - share) / size)


def test_binomial_at_the_edges_and_again():
    count = rg.tensor([3.0, 3.0, 0.0, math.nan, 4.0])
    prob = rg.tensor([0.0, 1.0, 0.5, 0.5, math.nan])
    r = rg.binomial(count, prob)
    assert r[:3].tolist() == [0.0, 3.0, 0.0] and bool(r[3:].isnan().all())
    draws = [rg.binomial(rg.full((9,), 50.0), rg.tensor(0.4), rg.Generator().manual_seed(3)).tolist() for _ in range(2)]
    assert draws[0] == draws[1]


def test_map_calls_python_with_numbers():
    x = rg.tensor([[1, 2], [3, 4]])
    seen = []
    r = x.map_(rg.tensor([10, 20]), lambda a, b: seen.append((a, b)) or a + b)
    assert r is x and x.tolist() == [[11, 22], [13, 24]]
    assert seen == [(1, 10), (2, 20), (3, 10), (4, 20)] and type(seen[0][0]) is int
    with pytest.raises(RuntimeError, match="requires grad"):
        rg.zeros(2, requires_grad=True).map_(rg.zeros(2), max)


def test_a_tensordot_of_broadcast_integers_keeps_their_type():
    r = rg.tensordot(rg.ones(1, 1, 1, dtype=rg.uint8), rg.ones(2, 1, 2, dtype=rg.uint8), dims=((0, 1), (2, 0)))
    assert r.dtype is rg.uint8 and r.tolist() == [[4]]
