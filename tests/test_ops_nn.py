"""Operations of neural networks: what the generated tests of the op table do not reach. PyTorch is the reference."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F
from retrograd.autograd.errors import ShapeError

torch = pytest.importorskip("torch")
TF = torch.nn.functional


def both(a, grad=True):
    """The array as a tensor of ours and of PyTorch's, both asking for a gradient if it can have one."""
    a = np.asarray(a)
    x, y = rg.tensor(a.copy()), torch.tensor(a.copy())
    if grad and a.dtype.kind in "fc":
        x.requires_grad_()
        y.requires_grad_()
    return x, y


def same(x, y, rtol=1e-9, atol=1e-10):
    assert tuple(x.shape) == tuple(y.shape)
    assert str(x.dtype).split(".")[-1] == str(y.dtype).split(".")[-1]
    np.testing.assert_allclose(x.detach().numpy(), y.detach().numpy(force=True), rtol=rtol, atol=atol)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


# ---------------------------------------------------------------- matrix products
RANKS = [(3,), (2, 3), (4, 2, 3), (5, 1, 2, 3), (0, 3), (2, 0, 3)]
OTHERS = [(3,), (3, 2), (4, 3, 2), (5, 4, 3, 2), (1, 3, 1), (3, 0)]


@pytest.mark.parametrize(("sx", "sy"), list(itertools.product(RANKS, OTHERS)))
def test_matmul_of_all_ranks(sx, sy):
    (x, tx), (y, ty) = both(draw(*sx)), both(draw(*sy, seed=1))
    try:
        expected = torch.matmul(tx, ty)
    except RuntimeError:
        with pytest.raises(ShapeError, match="matmul"):
            rg.matmul(x, y)
        return
    r = rg.matmul(x, y)
    same(r, expected)
    g = draw(*r.shape, seed=2)
    r.backward(rg.tensor(g))
    expected.backward(torch.tensor(g))
    same(x.grad, tx.grad)
    same(y.grad, ty.grad)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
def test_integer_products_keep_their_dtype(dtype):
    a, b = np.arange(6, dtype=dtype).reshape(2, 3), np.arange(12, dtype=dtype).reshape(3, 4)
    same(rg.tensor(a) @ rg.tensor(b), torch.tensor(a) @ torch.tensor(b))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_products_are_rounded_once(dtype):
    a, b = draw(4, 64).astype("f4"), draw(64, 3, seed=1).astype("f4")
    x, y = (rg.tensor(v).to(getattr(rg, dtype)) for v in (a, b))
    tx, ty = (torch.tensor(v).to(getattr(torch, dtype)) for v in (a, b))
    r = x @ y
    assert r.dtype is getattr(rg, dtype)
    np.testing.assert_allclose(r.float().numpy(), (tx @ ty).float().numpy(), rtol=1e-2, atol=1e-2)


def test_complex_products_conjugate_their_gradients():
    a, b = draw(2, 3) + 1j * draw(2, 3, seed=1), draw(3, 4, seed=2) + 1j * draw(3, 4, seed=3)
    (x, tx), (y, ty) = both(a), both(b)
    (x @ y).abs().sum().backward()
    (tx @ ty).abs().sum().backward()
    same(x.grad, tx.grad)
    same(y.grad, ty.grad)


@pytest.mark.parametrize(
    ("sx", "sy", "text"),
    [
        ((2, 3), (4, 5), r"x has 3 columns but y has 4 rows \(shapes \(2, 3\) and \(4, 5\)\)(\n|$)"),
        ((2, 3), (5, 3), r"transpose y, as in x @ y.mT\?"),
        ((3, 2), (3, 5), r"transpose x, as in x.mT @ y\?"),
        ((4, 3), (5, 4), r"swap them, as in y @ x\?"),
        ((3,), (4,), r"x has 3 elements but y has 4 elements"),
    ],
)
def test_matmul_suggests_only_what_fits(sx, sy, text):
    x, y = rg.ones(*sx), rg.ones(*sy)
    with pytest.raises(ShapeError, match=text) as e:
        x @ y
    if "as in" in str(e.value):
        words = str(e.value).split("as in ")[1].rstrip("?")
        eval(words, {"x": x, "y": y})


def test_products_of_two_dtypes_are_refused_with_the_way_out():
    with pytest.raises(RuntimeError, match=r"x is float32 but y is float64.*\.to\("):
        rg.ones(2, 2) @ rg.ones(2, 2, dtype=rg.float64)


def test_addmm_does_not_read_its_input_if_beta_is_zero():
    x = rg.full((2, 2), float("nan"), requires_grad=True)
    r = rg.addmm(x, rg.ones(2, 3), rg.ones(3, 2), beta=0)
    assert (r == 3).all()
    r.sum().backward()
    assert (x.grad == 0).all()


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk,kl,lm->im", [(2, 3), (3, 4), (4, 5), (5, 2)]),
        ("...ab,...bc->...ac", [(2, 1, 3, 4), (5, 4, 2)]),
        ("a...b,b...->a...", [(2, 3, 4), (4, 3)]),
        ("iij->j", [(3, 3, 4)]),
        ("iii->i", [(3, 3, 3)]),
        ("ij,j,ik->k", [(2, 3), (3,), (2, 4)]),
        ("Aa,aB", [(2, 3), (3, 4)]),
        ("ij,kl->", [(2, 3), (4, 5)]),
        ("bij,bjk->ik", [(2, 3, 4), (2, 4, 5)]),
        (",ij->ji", [(), (2, 3)]),
        ("ij,ij,ij->i", [(2, 3), (2, 3), (2, 1)]),
        ("...->...", [(2, 3)]),
    ],
)
def test_einsum(equation, shapes):
    pairs = [both(draw(*s, seed=i)) for i, s in enumerate(shapes)]
    r, expected = rg.einsum(equation, *(p[0] for p in pairs)), torch.einsum(equation, *(p[1] for p in pairs))
    same(r, expected)
    g = draw(*r.shape, seed=9)
    r.backward(rg.tensor(g))
    expected.backward(torch.tensor(g))
    for x, y in pairs:
        same(x.grad, y.grad)


# ---------------------------------------------------------------- convolution and pooling
GEOMETRIES = list(itertools.product([1, 2, 3], [0, 1, 2], [1, 2], [1, 2], [1, 2, 3]))


@pytest.mark.parametrize("nd", [1, 2])
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups", "kernel"), GEOMETRIES)
def test_convolutions_of_many_geometries(nd, stride, padding, dilation, groups, kernel):
    (x, tx), (b, tb) = both(draw(2, 4, *(9,) * nd)), both(draw(6, seed=2))
    w, tw = both(draw(6, 4 // groups, *(kernel,) * nd, seed=1))
    name = f"conv{nd}d"
    r = getattr(F, name)(x, w, b, stride, padding, dilation, groups)
    expected = getattr(TF, name)(tx, tw, tb, stride, padding, dilation, groups)
    same(r, expected)
    assert r.is_contiguous()
    g = draw(*r.shape, seed=3)
    r.backward(rg.tensor(g))
    expected.backward(torch.tensor(g))
    for v, tv in ((x, tx), (w, tw), (b, tb)):
        same(v.grad, tv.grad)


def test_convolution_in_chunks_of_samples(monkeypatch):
    from retrograd.autograd.ops import conv_core

    (x, tx), (w, tw) = both(draw(7, 2, 6, 6)), both(draw(3, 2, 3, 3, seed=1))
    monkeypatch.setattr(conv_core, "_CHUNK", 2 * 18 * 36)
    F.conv2d(x, w, padding=1).square().sum().backward()
    TF.conv2d(tx, tw, padding=1).square().sum().backward()
    same(x.grad, tx.grad)
    same(w.grad, tw.grad)


def test_convolution_of_strided_inputs():
    a, k = draw(6, 6, 3, 2), draw(3, 3, 3, 4, seed=1)
    x, w = rg.tensor(a).permute(3, 2, 0, 1), rg.tensor(k).permute(3, 2, 0, 1)
    same(F.conv2d(x, w), TF.conv2d(torch.tensor(a).permute(3, 2, 0, 1), torch.tensor(k).permute(3, 2, 0, 1)))


@pytest.mark.parametrize("dtype", ["int64", "float16", "complex128"])
def test_convolution_of_other_dtypes(dtype):
    a, k = (draw(1, 2, 5, 5) * 3).astype(dtype), (draw(3, 2, 3, 3, seed=1) * 3).astype(dtype)
    same(F.conv2d(rg.tensor(a), rg.tensor(k)), TF.conv2d(torch.tensor(a), torch.tensor(k)), 2e-2, 2e-2)


@pytest.mark.parametrize("args", [(2,), (3, 2, 1), (3, 1, 1, 2), (2, 2, 0, 1, True)])
def test_max_pool_indices_and_ties(args):
    a = np.maximum(np.round(draw(2, 3, 9, 7)), 0)  # many equal values: the first of a window wins
    (x, tx), names = both(a), ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    kw = dict(zip(names, args, strict=False))
    r, i = F.max_pool2d(x, **kw, return_indices=True)
    expected, ti = TF.max_pool2d(tx, **kw, return_indices=True)
    same(r, expected)
    same(i, ti)
    g = draw(*r.shape, seed=1)
    F.max_pool2d(x, **kw).backward(rg.tensor(g))
    expected.backward(torch.tensor(g))
    same(x.grad, tx.grad)


def test_pools_pass_nan_on_and_take_integers():
    a = draw(1, 1, 4, 4)
    a[0, 0, 1, 1] = np.nan
    same(F.max_pool2d(rg.tensor(a), 2), TF.max_pool2d(torch.tensor(a), 2))
    n = np.arange(-8, 8).reshape(1, 1, 4, 4)
    same(F.max_pool2d(rg.tensor(n), 2), TF.max_pool2d(torch.tensor(n), 2))
    same(F.avg_pool2d(rg.tensor(n), 2), TF.avg_pool2d(torch.tensor(n), 2))


# ---------------------------------------------------------------- normalisation
@pytest.mark.parametrize("shape", [(8, 3), (4, 3, 5), (4, 3, 2, 6)])
def test_batch_norm_moves_its_running_statistics(shape):
    (x, tx), (m, tm), (v, tv) = both(draw(*shape)), both(np.zeros(3), False), both(np.ones(3), False)
    for momentum in (0.1, 0.3):
        same(F.batch_norm(x, m, v, None, None, True, momentum), TF.batch_norm(tx, tm, tv, None, None, True, momentum))
        same(m, tm)
        same(v, tv)
    same(F.batch_norm(x, m, v), TF.batch_norm(tx, tm, tv))


def test_writing_running_statistics_is_seen_by_the_graph():
    m, v = rg.zeros(3), rg.ones(3)
    w = rg.ones(3, requires_grad=True)
    r = (m * w).sum()
    F.batch_norm(rg.tensor(draw(4, 3)).float(), m, v, training=True)
    with pytest.raises(RuntimeError, match="changed in place"):
        r.backward()


def test_norms_of_large_offsets_keep_their_digits():
    a = (draw(4, 64) + 1e4).astype("f4")
    exact = (a.astype("f8") - a.astype("f8").mean(1, keepdims=True)) / a.astype("f8").std(1, keepdims=True)
    np.testing.assert_allclose(F.layer_norm(rg.tensor(a), (64,), eps=0.0).numpy(), exact, atol=2e-3)


def test_instance_norm_moves_its_running_statistics():
    (x, tx), (m, tm), (v, tv) = both(draw(4, 3, 5)), both(np.zeros(3), False), both(np.ones(3), False)
    same(F.instance_norm(x, m, v), TF.instance_norm(tx, tm, tv))
    same(m, tm)
    same(v, tv)


# ---------------------------------------------------------------- activations
IN_PLACE = [
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "silu",
    "mish",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
]


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_activations(name):
    x, tx = both(draw(3, 4) * 3)
    y, ty = x * 1.5, tx * 1.5
    r = getattr(F, name)(y, inplace=True)
    assert r is y
    expected = getattr(TF, name)(ty)
    same(r, expected)
    r.square().sum().backward()
    expected.square().sum().backward()
    same(x.grad, tx.grad, 1e-6, 1e-7)  # PyTorch's hardsigmoid has 1 / 6 in float32


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("relu", [0.0]),
        ("relu6", [0.0, 6.0]),
        ("leaky_relu", [0.0]),
        ("hardtanh", [-1.0, 1.0]),
        ("hardshrink", [-0.5, 0.5]),
        ("softshrink", [-0.5, 0.5]),
        ("hardsigmoid", [-3.0, 3.0]),
        ("hardswish", [-3.0, 3.0]),
        ("elu", [0.0]),
        ("threshold", [0.5]),
    ],
)
def test_derivatives_at_kinks_are_pytorchs(name, points):
    (x, tx), args = both(points), (0.5, 0.1) if name == "threshold" else ()
    getattr(F, name)(x, *args).sum().backward()
    getattr(TF, name)(tx, *args).sum().backward()
    same(x.grad, tx.grad, 1e-6)


def test_relu_stops_infinite_cotangents():
    x = rg.tensor([-1.0, 1.0], requires_grad=True)
    rg.relu(x).backward(rg.tensor([float("inf"), 2.0]))
    assert x.grad.tolist() == [0.0, 2.0]


@pytest.mark.parametrize("name", ["sigmoid", "silu", "softplus", "logsigmoid", "mish", "gelu", "elu", "selu"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_smooth_activations_far_out(name, dtype):
    a = np.array([-1e4, -800, -90, -30, -1e-8, 0, 1e-8, 30, 90, 800, 1e4], dtype)
    x, tx = both(a)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        r = getattr(F, name)(x)
        r.sum().backward()
    expected = getattr(TF, name)(tx)
    expected.sum().backward()
    tolerance = 2e-6 if dtype == "float32" else 1e-12
    same(r, expected, tolerance, 1e-30)
    same(x.grad, tx.grad, tolerance, 1e-7 if dtype == "float32" else 1e-15)


# ---------------------------------------------------------------- losses
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_labels_of_any_integer_dtype(dtype):
    x, labels = draw(3, 5), np.array([0, 4, 2])
    r = F.cross_entropy(rg.tensor(x), rg.tensor(labels.astype(dtype)))
    same(r, TF.cross_entropy(torch.tensor(x), torch.tensor(labels)))


def test_cross_entropy_of_large_logits():
    a = np.array([[1e4, -1e4, 0.0], [-1e30, 1e30, 5.0]], "f4")
    (x, tx), labels = both(a), np.array([1, 1])
    r, expected = F.cross_entropy(x, rg.tensor(labels)), TF.cross_entropy(tx, torch.tensor(labels))
    same(r, expected, 1e-6)
    r.backward()
    expected.backward()
    same(x.grad, tx.grad, 1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_labels_that_are_all_ignored(name, reduction):
    x, labels = draw(2, 3), np.array([-100, -100])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        r = getattr(F, name)(rg.tensor(x), rg.tensor(labels), reduction=reduction)
    np.testing.assert_array_equal(
        r.numpy(), getattr(TF, name)(torch.tensor(x), torch.tensor(labels), reduction=reduction)
    )


def test_a_label_is_named_with_its_place():
    with pytest.raises(IndexError, match=r"label 10 at position 3 is out of range for 10 classes \(0..9\)"):
        F.cross_entropy(rg.zeros(4, 10), rg.tensor([0, 1, 2, 10]))
    with pytest.raises(IndexError, match=r"label 7 at position \(1, 0\)"):
        F.cross_entropy(rg.zeros(2, 3, 2), rg.tensor([[0, 1], [7, 0]]))


def test_losses_refuse_to_broadcast():
    with pytest.raises(ShapeError, match=r"input \(3, 1\) and target \(3,\).*use input.reshape\(\(3,\)\)"):
        F.mse_loss(rg.zeros(3, 1), rg.zeros(3))


@pytest.mark.parametrize(("average", "reduce"), [(True, True), (False, True), (None, False), (False, None)])
def test_the_old_names_of_reductions(average, reduce):
    x, y = draw(3), draw(3, seed=1)
    with pytest.warns(UserWarning, match="reduction="):
        r = F.mse_loss(rg.tensor(x), rg.tensor(y), average, reduce)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(r, TF.mse_loss(torch.tensor(x), torch.tensor(y), average, reduce))


def test_binary_cross_entropy_at_its_ends():
    a, b = np.array([0.0, 1.0, 0.5, 1.0]), np.array([0.0, 0.0, 1.0, 1.0])
    x, tx = both(a)
    r, expected = (
        F.binary_cross_entropy(x, rg.tensor(b), reduction="none"),
        TF.binary_cross_entropy(tx, torch.tensor(b), reduction="none"),
    )
    same(r, expected)
    r.sum().backward()
    expected.sum().backward()
    same(x.grad, tx.grad, 1e-8)  # PyTorch's smallest divisor is the float32 nearest to 1e-12


# ---------------------------------------------------------------- embedding
@pytest.mark.parametrize("kw", [{"padding_idx": 2}, {"padding_idx": -1}, {"scale_grad_by_freq": True}])
def test_gradients_of_embeddings(kw):
    (w, tw), ids = both(draw(5, 3)), np.array([[0, 2, 2], [4, 2, 0]])
    g = draw(2, 3, 3, seed=1)
    F.embedding(rg.tensor(ids), w, **kw).backward(rg.tensor(g))
    TF.embedding(torch.tensor(ids), tw, **kw).backward(torch.tensor(g))
    same(w.grad, tw.grad)


def test_embedding_scales_rows_down_to_max_norm_in_place():
    (w, tw), ids = both(draw(5, 3) * 4, False), np.array([0, 2, 2])
    same(F.embedding(rg.tensor(ids), w, max_norm=1.0), TF.embedding(torch.tensor(ids), tw, max_norm=1.0), 1e-6)
    same(w, tw, 1e-6)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_with_padding_and_empty_ones(mode):
    (w, tw), ids, starts = both(draw(5, 3)), np.array([0, 2, 2, 1, 4]), np.array([0, 2, 2, 4])
    kw = {"mode": mode, "padding_idx": 2}
    r = F.embedding_bag(rg.tensor(ids), w, rg.tensor(starts), **kw)
    expected = TF.embedding_bag(torch.tensor(ids), tw, torch.tensor(starts), **kw)
    same(r, expected)
    g = draw(4, 3, seed=1)
    r.backward(rg.tensor(g))
    expected.backward(torch.tensor(g))
    same(w.grad, tw.grad)
