"""Reductions, scans and orders where the generated tables do not go: ties, zeros, infinities, accuracy, `out=`."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")

NAN, INF = float("nan"), float("inf")


def first(r):
    return r[0] if isinstance(r, tuple) else r


def both(f, values, dtype="float64"):
    """Value and gradient of the first result of `f(library, x)`, by retrograd and by PyTorch."""
    found = []
    for lib in (rg, torch):
        x = lib.tensor(values, dtype=getattr(lib, dtype), requires_grad=True)
        o = first(f(lib, x))
        g = np.linspace(1.0, 2.0, o.numel()).reshape(tuple(o.shape))
        o.backward(lib.tensor(g, dtype=getattr(lib, dtype)))
        found.append((o.detach().numpy(), x.grad.numpy()))
    return found


def assert_same(f, values, dtype="float64", **tol):
    (v, g), (vt, gt) = both(f, values, dtype)
    np.testing.assert_allclose(v, vt, **tol)
    np.testing.assert_allclose(g, gt, **tol)


# ---------------------------------------------------------------- ties: who gets the gradient
TIED = [[3.0, 1.0, 3.0, 1.0], [0.5, 0.5, 0.5, 3.0]]


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin", "median", "nanmedian"])
@pytest.mark.parametrize("values", [TIED, TIED[0], TIED[1], 2.0, [5.0] * 7])
def test_a_full_reduction_shares_the_gradient_among_ties(name, values):
    assert_same(lambda lib, x: getattr(lib, name)(x), values)


@pytest.mark.parametrize("name", ["amax", "amin"])
@pytest.mark.parametrize("dim", [0, 1, (0, 1), -1])
@pytest.mark.parametrize("keepdim", [False, True])
def test_amax_shares_the_gradient_among_ties_of_each_slice(name, dim, keepdim):
    assert_same(lambda lib, x: getattr(lib, name)(x, dim, keepdim), TIED)


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("dim", [0, 1])
def test_max_along_a_dimension_gives_the_gradient_to_the_index(name, dim):
    assert_same(lambda lib, x: getattr(lib, name)(x, dim), TIED)
    i, it = (getattr(lib, name)(lib.tensor(TIED), dim).indices for lib in (rg, torch))
    assert i.tolist() == it.tolist()


@pytest.mark.parametrize("name", ["cummax", "cummin"])
def test_running_extremes_accumulate_at_the_last_of_equal_elements(name):
    values = [1.0, 3.0, 3.0, 2.0, 0.5, 0.5, 3.0]
    assert_same(lambda lib, x: getattr(lib, name)(x, 0), values)
    for v in (values, [NAN, 1.0, NAN, 2.0], [1.0, NAN, 0.0, NAN]):
        i, it = (getattr(lib, name)(lib.tensor(v), 0).indices for lib in (rg, torch))
        assert i.tolist() == it.tolist()


def test_sorting_is_stable_both_ways_with_or_without_asking():
    values = [1.0, 0.5, 1.0, 0.5, NAN, 2.0, 1.0, NAN]
    for descending in (False, True):
        want = torch.sort(torch.tensor(values), stable=True, descending=descending).indices.tolist()
        for stable in (False, True):
            assert rg.sort(rg.tensor(values), descending=descending, stable=stable).indices.tolist() == want
            assert rg.argsort(rg.tensor(values), descending=descending, stable=stable).tolist() == want


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("shape", [(3, 500), (500, 3), (64,)])
def test_topk_of_many_takes_the_partial_order(largest, shape):
    x = np.random.default_rng(0).integers(0, 40, shape).astype("float32")
    x.reshape(-1)[7] = NAN
    dim = int(np.argmax(shape))
    for k in (1, 5, 16, 60):
        v, i = rg.topk(rg.tensor(x), k, dim, largest)
        vt, _ = torch.topk(torch.tensor(x), k, dim, largest)
        np.testing.assert_array_equal(v.numpy(), vt.numpy())
        np.testing.assert_array_equal(np.take_along_axis(x, i.numpy(), dim), v.numpy())


def test_topk_by_partition_and_by_sorting_agree_on_ties():
    x = rg.tensor(np.repeat(np.arange(20.0), 10))
    part, full = rg.topk(x, 40).indices, rg.sort(x, descending=True).indices[:40]
    assert sorted(part.tolist()) == sorted(full.tolist())


# ---------------------------------------------------------------- zeros
@pytest.mark.parametrize("values", [[1.5, 0, -2, 3], [1.5, 0, 0, 3], [0, 0, 0, 0], [0, 1, 2, 0], [1, 2, 3, 4]])
@pytest.mark.parametrize("name", ["prod", "cumprod"])
def test_products_with_zeros_to_third_order(name, values):
    found = []
    for lib in (rg, torch):
        x = lib.tensor(values, dtype=lib.float64, requires_grad=True)
        w = lib.tensor([0.3, -1.0, 0.7, 2.0], dtype=lib.float64)
        o = (lib.prod(x) if name == "prod" else (lib.cumprod(x, 0) * w).sum()) * 1.0
        orders = []
        for _ in range(3):
            (g,) = lib.autograd.grad(o, [x], create_graph=True)
            orders.append(g.detach().numpy().copy())
            o = (g * w).sum()
        found.append(orders)
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3, INF, "fro"])
def test_the_gradient_of_a_norm_that_is_zero_is_zero(p):
    assert_same(lambda lib, x: lib.norm(x, p, dim=1), [[0.0, 0.0, 0.0], [0.5, 0.0, -1.0]])


@pytest.mark.parametrize("p", [INF, -INF])
def test_norms_share_the_gradient_among_ties(p):
    assert_same(lambda lib, x: lib.norm(x, p), [2.0, -2.0, 0.5, 2.0, -0.5])


def test_the_gradient_of_a_standard_deviation_that_is_zero_is_zero():
    assert_same(lambda lib, x: lib.std(x, dim=1), [[2.0, 2.0, 2.0], [1.0, 2.0, 4.0]])


# ---------------------------------------------------------------- infinities, NaN, accuracy
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
@pytest.mark.parametrize(
    "row",
    [[1e4, -1e4, 9999.0], [-INF, 0.5, 1.0], [-INF, -INF, -INF], [INF, 1.0, 0.0], [NAN, 1.0, 0.0], [-INF, 3.0, -INF]],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_softmax_family_at_the_ends_of_the_range(name, row):
    for dtype in ("float32", "float64"):
        r, t = (
            getattr(lib, name)(lib.tensor([row, [0.5, 1.0, 2.0]], dtype=getattr(lib, dtype)), -1).numpy()
            for lib in (rg, torch)
        )
        np.testing.assert_allclose(r, t, rtol=1e-6)


def test_softmax_gradients_with_masked_entries_are_finite():
    assert_same(lambda lib, x: lib.softmax(x, 0), [-INF, 0.5, 1.0], rtol=1e-12)
    assert_same(lambda lib, x: lib.logsumexp(x, 0), [-INF, 0.5, 1.0], rtol=1e-12)


def test_variance_of_a_large_offset_keeps_its_digits():
    x = 1e4 + np.random.default_rng(0).normal(size=(64, 100))
    v = rg.var(rg.tensor(x.astype("float32")), dim=1).numpy()
    np.testing.assert_allclose(v, x.astype("float32").astype("float64").var(1, ddof=1), rtol=1e-4)


@pytest.mark.parametrize("values, correction", [([2.0], 1), ([1.0, 3.0], 2), ([1.0, 3.0], 5), ([2.0, 2.0], 2)])
@pytest.mark.filterwarnings("ignore:.*degrees of freedom:UserWarning")
def test_variance_without_a_degree_of_freedom(values, correction):
    r, t = (lib.var(lib.tensor(values), correction=correction).item() for lib in (rg, torch))
    np.testing.assert_equal(r, t)


def test_half_types_are_added_in_float32():
    x = rg.full((4096,), 1.0, dtype=rg.float16)
    assert rg.sum(x).item() == 4096 and rg.sum(x).dtype is rg.float16
    assert rg.sum(x.to(rg.bfloat16)).item() == 4096
    assert rg.mean(rg.full((100_000,), 3.0, dtype=rg.float16)).item() == 3.0


# ---------------------------------------------------------------- arguments
def test_dims_may_be_numpy_integers_and_integer_tensors():
    x = rg.tensor(np.arange(24.0).reshape(2, 3, 4))
    want = rg.sum(x, dim=(0, 2)).tolist()
    assert rg.sum(x, dim=(np.int64(0), np.int32(-1))).tolist() == want
    assert rg.sum(x, dim=rg.tensor(1)).tolist() == rg.sum(x, dim=1).tolist()


def test_out_receives_the_result():
    x = rg.tensor([[3.0, 1.0], [2.0, 4.0]])
    y = rg.empty(2)
    assert rg.sum(x, 0, out=y) is y and y.tolist() == [5.0, 5.0]
    y = rg.empty(0)
    assert rg.mean(x, 1, out=y) is y and y.tolist() == [2.0, 3.0]
    v, i = rg.empty(2), rg.empty(2, dtype=rg.int64)
    r = rg.max(x, 1, out=(v, i))
    assert r.values is v and r.indices is i and v.tolist() == [3.0, 4.0] and i.tolist() == [0, 1]
    with pytest.raises(RuntimeError, match="out"):
        rg.sum(x, 0, out=rg.empty(3))
    with pytest.raises(RuntimeError, match="out"):
        rg.sum(rg.ones(2, requires_grad=True), out=rg.empty(()))
    with pytest.raises(TypeError, match="two tensors"):
        rg.sort(x, out=v)


def test_results_are_named_as_in_pytorch():
    x = rg.tensor([[3.0, 1.0], [2.0, 4.0]])
    for f in (rg.max, rg.min, rg.sort, rg.median, rg.cummax, rg.cummin):
        r = f(x, dim=1)
        assert r._fields == ("values", "indices") and type(r).__name__ == f.__name__
        assert r.values is r[0] and r.indices is r[1]
    assert rg.aminmax(x)._fields == ("min", "max")


def test_softmax_without_dim_warns_and_guesses_as_pytorch_does():
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    with pytest.warns(UserWarning, match="softmax: dim was not given; dim=0"):
        r = rg.nn.functional.softmax(rg.tensor(x))
    np.testing.assert_allclose(r.numpy().sum(0), 1.0)


# ---------------------------------------------------------------- complex numbers, nuclear norm, long scans
@pytest.mark.parametrize(
    "f",
    [
        lambda lib, x: lib.sum(x, 0),
        lambda lib, x: lib.mean(x),
        lambda lib, x: lib.prod(x, 0),
        lambda lib, x: lib.cumsum(x, 0),
        lambda lib, x: lib.cumprod(x, 0),
        lambda lib, x: lib.var(x, 0),
        lambda lib, x: lib.std(x),
        lambda lib, x: lib.norm(x),
        lambda lib, x: lib.norm(x, 3),
        lambda lib, x: lib.norm(x, 1),
    ],
)
def test_complex_reductions(f):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2))
    found = []
    for lib in (rg, torch):
        x = lib.tensor(values, requires_grad=True)
        o = f(lib, x)
        g = np.linspace(1.0, 2.0, o.numel()).reshape(tuple(o.shape))
        o.backward(lib.tensor(g + (0.5j * g if o.is_complex() else 0)))
        found.append((o.detach().numpy(), x.grad.numpy()))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-12)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_the_nuclear_norm_differentiates_twice_and_refuses_a_third_time(shape):
    values, w = np.random.default_rng(0).normal(size=(2, *shape))
    found = []
    for lib in (rg, torch):
        x = lib.tensor(values, requires_grad=True)
        (g,) = lib.autograd.grad(lib.norm(x, "nuc"), [x], create_graph=True)
        (h,) = lib.autograd.grad((g * lib.tensor(w)).sum(), [x], retain_graph=True)
        found.append((g.detach().numpy(), h.numpy()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    x = rg.tensor(values, requires_grad=True)
    (g,) = rg.autograd.grad(rg.norm(x, "nuc"), [x], create_graph=True)
    (h,) = rg.autograd.grad((g * rg.tensor(w)).sum(), [x], create_graph=True)
    with pytest.raises(rg.GraphError, match="nuclear norm has no third derivative"):
        h.sum().backward()


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 1000])
def test_scans_of_any_length(n):
    values = np.random.default_rng(n).uniform(0.9, 1.1, n)
    for f in (
        lambda lib, x: lib.cumprod(x, 0),
        lambda lib, x: lib.logcumsumexp(x, 0),
        lambda lib, x: lib.cummax(x, 0),
        lambda lib, x: lib.prod(x),
    ):
        assert_same(f, values, rtol=1e-9)
