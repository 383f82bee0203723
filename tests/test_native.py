"""The front door's forms of nn.functional: other argument orders, numbers for reductions, statistics, in-place names."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F


def drawn(*shape, seed=0):
    return rg.tensor(np.random.default_rng([seed, *shape]).standard_normal(shape))


# ---------------------------------------------------------------- the same object where the arguments are the same
SAME = """
avg_pool1d bilinear celu channel_shuffle conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d
cosine_similarity hardshrink max_pool1d max_pool2d max_pool3d native_channel_shuffle pairwise_distance pixel_shuffle
pixel_unshuffle prelu rms_norm rrelu_ selu threshold threshold_
""".split()


@pytest.mark.parametrize("name", sorted(SAME))
def test_one_function_under_two_names(name):
    assert getattr(rg, name) is getattr(F, name)


def test_methods():
    x = drawn(2, 3)
    np.testing.assert_array_equal(x.prelu(rg.tensor(0.25)).numpy(), F.prelu(x, rg.tensor(0.25)).numpy())
    np.testing.assert_array_equal(x.hardshrink(0.3).numpy(), F.hardshrink(x, 0.3).numpy())


# ---------------------------------------------------------------- losses
def test_reductions_are_numbers():
    x, y = drawn(3, 4), drawn(3, 4, seed=1).sigmoid()
    s = drawn(3, seed=2).sign()
    calls = {
        "binary_cross_entropy_with_logits": (x, y),
        "cosine_embedding_loss": (x, y, s),
        "hinge_embedding_loss": (x, drawn(3, 4, seed=3).sign()),
        "kl_div": (x, y),
        "margin_ranking_loss": (x, y, drawn(3, 4, seed=3).sign()),
        "triplet_margin_loss": (x, y, x + 1),
    }
    for name, args in calls.items():
        root, functional = getattr(rg, name), getattr(F, name)
        for number, word in enumerate(("none", "mean", "sum")):
            wanted = functional(*args, reduction=word).numpy()
            np.testing.assert_allclose(root(*args, reduction=number).numpy(), wanted, err_msg=name)
        np.testing.assert_allclose(root(*args).numpy(), functional(*args, reduction="none").numpy(), err_msg=name)
        with pytest.raises(ValueError, match=rf"{name}: reduction must be 0 \(none\), 1 \(mean\) or 2 \(sum\), got 3"):
            root(*args, reduction=3)


# ---------------------------------------------------------------- embeddings
def test_the_table_comes_first_and_minus_one_is_no_padding():
    w, ids = drawn(4, 2).requires_grad_(), rg.tensor([3, 0, 3])
    rg.embedding(w, ids).sum().backward()
    assert w.grad is not None and w.grad[:, 0].tolist() == [1.0, 0.0, 0.0, 2.0]
    w.grad = None
    rg.embedding(w, ids, 3).sum().backward()
    assert w.grad is not None and w.grad[:, 0].tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("mode, name", [(0, "sum"), (1, "mean"), (2, "max")])
def test_bags_and_what_goes_with_them(mode, name):
    w, ids, offsets = drawn(5, 3), rg.tensor([4, 0, 2, 2]), rg.tensor([0, 1])
    out, bag, sizes, places = rg.embedding_bag(w, ids, offsets, mode=mode)
    np.testing.assert_array_equal(out.numpy(), F.embedding_bag(ids, w, offsets, mode=name).numpy())
    if mode:
        assert bag.tolist() == [0, 1, 1, 1] and sizes.tolist() == [1, 3]
    if mode == 2:
        np.testing.assert_array_equal(np.take_along_axis(w.numpy(), places.numpy(), 0), out.numpy())


def test_max_norm_scales_only_the_rows_that_are_read():
    w = rg.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]])
    y = F.embedding(rg.tensor([0, 1]), w, max_norm=1.0)
    np.testing.assert_allclose(y.numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-5)
    np.testing.assert_allclose(w.numpy(), [[0.6, 0.8], [0.3, 0.4], [6.0, 8.0]], rtol=1e-5)
    rg.embedding_renorm_(w, rg.tensor([2]), 2.0, 1.0)
    np.testing.assert_allclose(w[2].numpy(), [6 / 7, 8 / 7], rtol=1e-5)


def test_sparse_gradients_have_the_values_of_dense_ones():
    w, ids = drawn(4, 2).requires_grad_(), rg.tensor([3, 0, 3])
    for f in (lambda s: F.embedding(ids, w, sparse=s), lambda s: F.embedding_bag(ids[None], w, sparse=s)):
        a, b = (rg.autograd.grad(f(s).sum(), w)[0] for s in (False, True))
        assert b.is_sparse
        np.testing.assert_array_equal(a.numpy(), b.to_dense().numpy())


def test_a_padding_that_is_no_row():
    with pytest.raises(ValueError, match=r"padding_idx 7 is out of range for 5 rows"):
        F.embedding(rg.tensor([0]), rg.ones(5, 2), padding_idx=7)


# ---------------------------------------------------------------- normalisation
def test_statistics_that_go_with_the_norms():
    x = drawn(4, 6, 5)
    y, mean, rstd = rg.native_layer_norm(x, (5,), None, None, 1e-5)
    np.testing.assert_allclose(((x - mean) * rstd).numpy(), y.numpy(), rtol=1e-10)
    y, mean, rstd = rg.native_group_norm(x, None, None, 4, 6, 5, 3, 1e-5)
    v = (x.reshape(4, 3, 10) - mean[..., None]) * rstd[..., None]
    np.testing.assert_allclose(v.reshape(4, 6, 5).numpy(), y.numpy(), rtol=1e-10)
    y, mean, rstd = rg.native_batch_norm(x, None, None, None, None, True, 0.1, 1e-5)
    np.testing.assert_allclose(((x - mean[:, None]) * rstd[:, None]).numpy(), y.numpy(), rtol=1e-10)


def test_running_statistics_move_under_every_name():
    x = drawn(8, 3)
    means = []
    for call in (
        lambda m, v: F.batch_norm(x, m, v, training=True),
        lambda m, v: rg.batch_norm(x, None, None, m, v, True, 0.1, 1e-5, True),
        lambda m, v: rg.native_batch_norm(x, None, None, m, v, True, 0.1, 1e-5),
    ):
        m, v = rg.zeros(3, dtype=rg.float64), rg.ones(3, dtype=rg.float64)
        call(m, v)
        means.append(m.numpy())
    np.testing.assert_allclose(means[0], 0.1 * x.mean(0).numpy(), rtol=1e-10)
    np.testing.assert_array_equal(means[0], means[1])
    np.testing.assert_array_equal(means[0], means[2])


# ---------------------------------------------------------------- dropouts and slopes
@pytest.mark.parametrize("name", ["alpha_dropout", "dropout", "feature_alpha_dropout", "feature_dropout"])
def test_dropouts_in_place_and_not(name):
    x = rg.ones(4, 5, 6)
    with rg.fork_rng():
        rg.manual_seed(1)
        y = getattr(rg, name)(x, p=0.5, train=True)
        rg.manual_seed(1)
        z = x.clone()
        assert getattr(rg, name + "_")(z, 0.5, True) is z
    np.testing.assert_array_equal(y.numpy(), z.numpy())
    assert len(np.unique(y.numpy())) == 2 and x.numpy().all()
    if name.startswith("feature"):
        assert (y.numpy() == y.numpy()[:, :, :1]).all()
    assert getattr(rg, name)(x, 0.5, False) is x


def test_native_dropout_returns_what_it_kept():
    x = drawn(50, 4).requires_grad_()
    y, mask = rg.native_dropout(x, 0.25, True)
    assert mask.dtype is rg.bool and 0.6 < mask.double().mean().item() < 0.9
    np.testing.assert_allclose(y.detach().numpy(), np.where(mask.numpy(), x.detach().numpy() / 0.75, 0.0))
    y, mask = rg.native_dropout(x, 0.25, False)
    assert bool(mask.all())


@pytest.mark.parametrize("f", [F.rrelu, rg.rrelu], ids=["F", "root"])
def test_random_slopes(f):
    x = rg.tensor(-np.ones(2000)).requires_grad_()
    with rg.fork_rng():
        rg.manual_seed(0)
        y = f(x, 0.2, 0.6, True)
    slopes = -y.detach().numpy()
    assert slopes.min() >= 0.2 and slopes.max() <= 0.6 and abs(slopes.mean() - 0.4) < 0.02
    (g,) = rg.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(g.numpy(), slopes)
    assert f(rg.tensor([2.0]), 0.2, 0.6, True).item() == 2.0


def test_random_slopes_follow_a_generator():
    x = -rg.ones(10)
    a, b = (rg.rrelu(x, training=True, generator=rg.Generator().manual_seed(4)) for _ in range(2))
    np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_activations_that_overwrite():
    for name, args in (
        ("celu_", (0.5,)), ("elu_", ()), ("hardtanh_", ()), ("leaky_relu_", (0.2,)), ("relu_", ()), ("rrelu_", ()),
        ("selu_", ()), ("threshold_", (0.1, 3.0)),
    ):  # fmt: skip
        x = drawn(3, 4)
        wanted = getattr(F, name[:-1])(x, *args).numpy()
        assert getattr(F, name)(x, *args) is x
        np.testing.assert_allclose(x.numpy(), wanted, err_msg=name)


# ---------------------------------------------------------------- convolutions
def test_convolution_is_every_convolution():
    for n in (1, 2, 3):
        x, w = drawn(2, 4, *(5, 4, 3)[:n]), drawn(4, 2, *(2,) * n)
        ones, zeros = [1] * n, [0] * n
        a = rg.convolution(x, w, None, ones, ones, ones, False, zeros, 2)
        np.testing.assert_array_equal(a.numpy(), getattr(F, f"conv{n}d")(x, w, None, 1, 1, 1, 2).numpy())
        b = rg.convolution(x, w, None, [2] * n, zeros, ones, True, ones, 2)
        np.testing.assert_array_equal(b.numpy(), getattr(F, f"conv_transpose{n}d")(x, w, None, 2, 0, 1, 2).numpy())


# ---------------------------------------------------------------- labels that do not exist
@pytest.mark.parametrize("call, message", [
    (lambda: F.multi_margin_loss(rg.ones(2, 3), rg.tensor([0, 3])), r"label 3 at position 1 is out of range for 3"),
    (lambda: F.multilabel_margin_loss(rg.ones(2, 3), rg.tensor([[0, -1, 0], [5, -1, -1]])), r"label 5 at position \(1, 0\)"),
    (lambda: F.cross_entropy(rg.ones(2, 3), rg.tensor([0, 3])), r"label 3 at position 1 is out of range for 3"),
    (lambda: F.nll_loss(rg.ones(2, 3), rg.tensor([-1, 0])), r"label -1 at position 0"),
    (lambda: F.embedding(rg.tensor([0, 9]), rg.ones(3, 2)), r"id 9 at position 1 is out of range for 3 rows"),
    (lambda: F.max_unpool1d(rg.ones(1, 1, 2), rg.tensor([[[0, 4]]]), 2), r"index 4 is out of range"),
], ids=range(6))  # fmt: skip
def test_labels_and_indices_out_of_range_are_named(call, message):
    with pytest.raises(IndexError, match=message):
        call()
