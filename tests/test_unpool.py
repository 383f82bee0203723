"""`max_unpool*`, fractional pooling and the names that always return the places."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F

POOLS = {1: (F.max_pool1d, F.max_unpool1d), 2: (F.max_pool2d, F.max_unpool2d), 3: (F.max_pool3d, F.max_unpool3d)}


def drawn(*shape, seed=0):
    return rg.tensor(np.random.default_rng(seed).permutation(np.arange(float(np.prod(shape)))).reshape(shape))


@pytest.mark.parametrize("nd", sorted(POOLS))
def test_unpooling_puts_maxima_back_and_nothing_else(nd):
    pool, unpool = POOLS[nd]
    x = drawn(2, 3, *(6, 4, 8)[:nd]) + 1
    values, places = pool(x, 2, return_indices=True)
    y = unpool(values, places, 2).numpy()
    assert y.shape == tuple(x.shape)
    assert (y[y != 0] == x.numpy()[y != 0]).all() and (y != 0).sum() == values.numel()
    np.testing.assert_array_equal(pool(rg.tensor(y), 2).numpy(), values.numpy())


def test_the_output_size_that_pooling_floored():
    x = drawn(1, 1, 5, 7)
    values, places = F.max_pool2d(x, 2, return_indices=True)
    assert F.max_unpool2d(values, places, 2, output_size=x.shape).shape == x.shape
    assert F.max_unpool2d(values, places, 2, output_size=(5, 7)).shape == x.shape
    with pytest.raises(ValueError, match=r"dimension 1 must be between 4 and 8"):
        F.max_unpool2d(values, places, 2, output_size=(5, 8))


def test_a_place_named_twice_gives_its_gradient_to_both():
    x = rg.tensor([[[1.0, 2.0]]], requires_grad=True)
    y = F.max_unpool1d(x, rg.tensor([[[1, 1]]]), 2)
    assert y.flatten().tolist() == [0.0, 2.0, 0.0, 0.0]
    (y * rg.tensor([1.0, 3.0, 5.0, 7.0])).sum().backward()
    assert x.grad is not None and x.grad.flatten().tolist() == [3.0, 3.0]


def test_derivatives_of_pooling_and_unpooling():
    x = rg.tensor(drawn(1, 2, 4, 4).numpy() / 7, requires_grad=True)
    assert rg.autograd.gradcheck(lambda v: F.max_unpool2d(*F.max_pool2d(v, 2, return_indices=True), 2), (x,))
    assert rg.autograd.gradgradcheck(lambda v: F.max_unpool2d(*F.max_pool2d(v, 2, return_indices=True), 2) ** 2, (x,))


# ---------------------------------------------------------------- names that return the pair
@pytest.mark.parametrize("nd", sorted(POOLS))
def test_with_indices_returns_the_pair_whatever_it_is_told(nd):
    x = drawn(2, 3, *(6, 5, 8)[:nd])
    f = getattr(F, f"max_pool{nd}d_with_indices")
    g = getattr(F, f"adaptive_max_pool{nd}d_with_indices")
    for pair, wanted in (
        (f(x, 3, 2, 1), POOLS[nd][0](x, 3, 2, 1, return_indices=True)),
        (g(x, 3, False), getattr(F, f"adaptive_max_pool{nd}d")(x, 3, True)),
    ):
        assert len(pair) == 2 and pair[1].dtype is rg.int64
        for a, b in zip(pair, wanted, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


# ---------------------------------------------------------------- fractional pooling
def test_fractional_windows_are_read_by_their_rule():
    x, u = drawn(1, 1, 9, 9), 0.4
    samples = rg.tensor([[[0.0, u]]], dtype=rg.float64)  # the second number is for the height
    y, places = F.fractional_max_pool2d(x, 2, output_size=(4, 9 - 1), return_indices=True, _random_samples=samples)
    a = (9 - 2) / (4 - 1)
    starts = [int((i + u) * a) - int(u * a) for i in range(3)] + [7]
    image = x.numpy()[0, 0]
    for i, s in enumerate(starts):
        np.testing.assert_array_equal(y.numpy()[0, 0, i], [image[s : s + 2, j : j + 2].max() for j in range(8)])
    np.testing.assert_array_equal(image.ravel()[places.numpy().ravel()], y.numpy().ravel())


def test_fractional_pooling_follows_the_generator():
    x = drawn(2, 3, 20, 20)
    with rg.fork_rng():
        rg.manual_seed(5)
        a = F.fractional_max_pool2d(x, 3, output_ratio=0.5)
        b = F.fractional_max_pool2d(x, 3, output_ratio=0.5)
        rg.manual_seed(5)
        c = F.fractional_max_pool2d(x, 3, output_ratio=0.5)
    assert a.shape == (2, 3, 10, 10)
    np.testing.assert_array_equal(a.numpy(), c.numpy())
    assert not np.array_equal(a.numpy(), b.numpy())


def test_fractional_pooling_keeps_nan():
    x = rg.zeros(1, 6, 6)
    x[0, 2, 2] = float("nan")
    y = F.fractional_max_pool2d(x, 3, 4)
    assert bool(y.isnan().any()) and not bool(y.isnan().all())


def test_an_infinite_norm_is_the_largest_magnitude():
    x = drawn(1, 2, 4, 4) - 10
    np.testing.assert_array_equal(F.lp_pool2d(x, float("inf"), 2).numpy(), F.max_pool2d(x.abs(), 2).numpy())
    np.testing.assert_array_equal(F.lp_pool2d(x, -float("inf"), 2).numpy(), -F.max_pool2d(-x.abs(), 2).numpy())
