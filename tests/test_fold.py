"""`unfold`, `fold` and the pixel rearrangements: what they are to convolution and to each other."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F

GEOMETRIES = [
    {"kernel_size": 2},
    {"kernel_size": (3, 2), "stride": 2, "padding": (1, 0)},
    {"kernel_size": 3, "dilation": (1, 2), "padding": 2},
    {"kernel_size": (1, 4), "stride": (3, 1)},
]
each = pytest.mark.parametrize("kw", GEOMETRIES, ids=str)


def drawn(*shape):
    return rg.tensor(np.random.default_rng(0).standard_normal(shape))


@each
def test_convolution_is_a_product_with_the_columns(kw):
    k = kw["kernel_size"] if isinstance(kw["kernel_size"], tuple) else (kw["kernel_size"],) * 2
    x, w = drawn(2, 3, 7, 8), drawn(4, 3, *k)
    rest = {n: v for n, v in kw.items() if n != "kernel_size"}
    wanted = F.conv2d(x, w, **rest)
    got = w.reshape(4, -1) @ F.unfold(x, **kw)
    np.testing.assert_allclose(got.reshape(*wanted.shape).numpy(), wanted.numpy(), rtol=1e-12)


@each
def test_fold_is_the_adjoint_of_unfold(kw):
    x = drawn(2, 3, 7, 8)
    columns = F.unfold(x, **kw)
    y = rg.tensor(np.random.default_rng(1).standard_normal(tuple(columns.shape)))
    left, right = (columns * y).sum(), (x * F.fold(y, (7, 8), **kw)).sum()
    np.testing.assert_allclose(left.item(), right.item(), rtol=1e-12)


@each
def test_fold_of_unfold_counts_the_blocks_of_each_element(kw):
    ones = rg.ones(1, 1, 7, 8, dtype=rg.float64)
    count = F.fold(F.unfold(ones, **kw), (7, 8), **kw)
    x = drawn(1, 1, 7, 8)
    np.testing.assert_allclose(F.fold(F.unfold(x, **kw), (7, 8), **kw).numpy(), (x * count).numpy(), rtol=1e-12)


def test_an_empty_batch_and_a_lone_image():
    assert F.unfold(rg.ones(0, 2, 4, 4), 2).shape == (0, 8, 9)
    assert F.fold(rg.ones(0, 8, 9), 4, 2).shape == (0, 2, 4, 4)
    x = drawn(2, 4, 4)
    np.testing.assert_array_equal(F.unfold(x, 2).numpy(), F.unfold(x[None], 2)[0].numpy())


@pytest.mark.parametrize("call", [
    lambda: F.unfold(rg.ones(1, 1, 4, 4), 2, dilation=0), lambda: F.fold(rg.ones(1, 4, 9), 4, 2, stride=-1),
    lambda: F.unfold(rg.ones(0, 4, 4), 2), lambda: F.fold(rg.ones(1, 4, 9), 0, 2),
])  # fmt: skip
def test_impossible_geometry_is_an_error_that_code_for_pytorch_catches(call):
    with pytest.raises(RuntimeError, match="fold"):
        call()


# ---------------------------------------------------------------- pixels and channels
@pytest.mark.parametrize("shape", [(2, 12, 3, 2), (4, 2, 2), (2, 3, 4, 1, 5)], ids=str)
def test_pixel_shuffle_and_its_reverse(shape):
    x = drawn(*shape)
    y = F.pixel_shuffle(x, 2)
    assert y.shape[-3:] == (shape[-3] // 4, shape[-2] * 2, shape[-1] * 2)
    np.testing.assert_array_equal(F.pixel_unshuffle(y, 2).numpy(), x.numpy())


def test_a_channel_shuffle_is_undone_by_the_shuffle_of_the_other_factor():
    x = drawn(2, 6, 2, 2)
    y = F.channel_shuffle(x, 2)
    assert not np.array_equal(y.numpy(), x.numpy())
    np.testing.assert_array_equal(F.channel_shuffle(y, 3).numpy(), x.numpy())
    assert F.native_channel_shuffle is F.channel_shuffle is rg.channel_shuffle


def test_integers_are_rearranged_too():
    x = rg.arange(8).reshape(1, 8, 1, 1)
    assert F.pixel_shuffle(x, 2).dtype is rg.int64
    assert F.unfold(rg.arange(4).reshape(1, 1, 2, 2), 2).flatten().tolist() == [0, 1, 2, 3]
