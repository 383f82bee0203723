"""Attention: masks, groups of heads, rows with nothing left, dropout, and multi-head attention against its parts."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F

attend = F.scaled_dot_product_attention


def drawn(*shape, seed=0, grad=False):
    return rg.tensor(np.random.default_rng([seed, *shape]).standard_normal(shape), requires_grad=grad)


def qkv(*lead, length=3, source=4, e=5, ev=2, grad=False):
    return (
        drawn(*lead, length, e, grad=grad),
        drawn(*lead, source, e, seed=1, grad=grad),
        drawn(*lead, source, ev, seed=2, grad=grad),
    )


def test_causal_is_the_triangular_mask():
    q, k, v = qkv(2)
    mask = rg.ones(3, 4, dtype=rg.bool).tril()
    np.testing.assert_allclose(attend(q, k, v, is_causal=True).numpy(), attend(q, k, v, mask).numpy(), rtol=1e-12)
    np.testing.assert_allclose(attend(q, k, v, is_causal=True).numpy()[:, 0], v.numpy()[:, 0], rtol=1e-12)


def test_a_bool_mask_is_a_mask_of_infinities():
    q, k, v = qkv(2, 3)
    keep = np.random.default_rng(1).random((3, 3, 4)) < 0.7
    bias = rg.tensor(np.where(keep, 0.0, -np.inf))
    np.testing.assert_allclose(attend(q, k, v, rg.tensor(keep)).numpy(), attend(q, k, v, bias).numpy(), rtol=1e-12)


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_row_with_nothing_left_is_zero_and_so_is_its_gradient(kind):
    q, k, v = qkv(1, grad=True)
    keep = np.ones((3, 4), bool)
    keep[1] = False
    mask = rg.tensor(keep) if kind == "bool" else rg.tensor(np.where(keep, 0.5, -np.inf))
    y = attend(q, k, v, mask)
    assert not y.detach().numpy()[0, 1].any()
    y.sum().backward()
    for x in (q, k, v):
        assert x.grad is not None and np.isfinite(x.grad.numpy()).all()
    assert q.grad is not None and not q.grad.numpy()[0, 1].any() and q.grad.numpy()[0, 0].any()


@pytest.mark.parametrize("heads, fewer", [(4, 1), (4, 2), (4, 4), (6, 3)])
def test_groups_of_heads_share_keys_and_values(heads, fewer):
    q, k, v = drawn(2, heads, 3, 5), drawn(2, fewer, 4, 5, seed=1), drawn(2, fewer, 4, 2, seed=2)
    times = heads // fewer
    wanted = attend(q, k.repeat_interleave(times, 1), v.repeat_interleave(times, 1), is_causal=True)
    np.testing.assert_allclose(attend(q, k, v, is_causal=True, enable_gqa=True).numpy(), wanted.numpy(), rtol=1e-12)
    mask = drawn(2, heads, 3, 4, seed=3)
    wanted = attend(q, k.repeat_interleave(times, 1), v.repeat_interleave(times, 1), mask)
    np.testing.assert_allclose(attend(q, k, v, mask, enable_gqa=True).numpy(), wanted.numpy(), rtol=1e-12)


def test_derivatives_with_everything():
    q, k, v = drawn(1, 4, 2, 3, grad=True), drawn(1, 2, 3, 3, seed=1, grad=True), drawn(1, 2, 3, 2, seed=2, grad=True)
    mask = drawn(4, 2, 3, seed=3, grad=True)

    def f(q, k, v, m):
        return attend(q, k, v, m, scale=0.7, enable_gqa=True)

    assert rg.autograd.gradcheck(f, (q, k, v, mask))
    assert rg.autograd.gradgradcheck(f, (q, k, v, mask))


def test_scores_of_thousands_do_not_overflow():
    q = rg.tensor([[1e4, 0.0]])
    y = attend(q, rg.tensor([[1e4, 0.0], [0.0, 1e4]]), rg.tensor([[1.0], [2.0]]))
    assert y.item() == 1.0


def test_dropout_scales_what_it_keeps():
    q, k, v = rg.zeros(1, 64, 4), rg.zeros(1, 64, 4), rg.ones(1, 64, 1)
    with rg.fork_rng():
        rg.manual_seed(0)
        y = attend(q, k, v, dropout_p=0.5)
    counts = y.numpy() * 64 / 2
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-4)
    assert 0.8 < y.mean().item() < 1.2 and y.std().item() > 0.01
    assert not attend(q, k, v, dropout_p=1.0).numpy().any()


def test_half_types_are_computed_in_single_precision():
    q, k, v = (x.half() for x in qkv(1, length=8, source=64, e=16))
    y = attend(q, k, v)
    assert y.dtype is rg.float16
    wanted = attend(q.double(), k.double(), v.double()).numpy()
    np.testing.assert_allclose(y.double().numpy(), wanted, atol=1e-3)


def test_an_empty_batch_and_no_queries():
    assert attend(rg.ones(0, 2, 3), rg.ones(0, 4, 3), rg.ones(0, 4, 5)).shape == (0, 2, 5)
    assert attend(rg.ones(1, 0, 3), rg.ones(1, 4, 3), rg.ones(1, 4, 5)).shape == (1, 0, 5)


# ---------------------------------------------------------------- several heads
def parts(e=4, length=3, source=3, batch=2):
    return {
        "x": drawn(length, batch, e), "w": drawn(3 * e, e, seed=1), "b": drawn(3 * e, seed=2), "ow": drawn(e, e, seed=3),
        "ob": drawn(e, seed=4),
    }  # fmt: skip


def forward(p, heads=2, **kw):
    return F.multi_head_attention_forward(
        p["x"], p["x"], p["x"], p["x"].shape[2], heads, p["w"], p["b"], None, None, False, 0.0, p["ow"], p["ob"], **kw
    )


def test_several_heads_are_attention_of_each():
    p = parts()
    y, weights = forward(p, average_attn_weights=False)
    q, k, v = F.linear(p["x"], p["w"], p["b"]).chunk(3, -1)

    def heads(x):
        return x.reshape(3, 2, 2, 2).permute(1, 2, 0, 3)

    wanted = attend(heads(q), heads(k), heads(v)).permute(2, 0, 1, 3).reshape(3, 2, 4)
    np.testing.assert_allclose(y.numpy(), F.linear(wanted, p["ow"], p["ob"]).numpy(), rtol=1e-10)
    assert weights is not None and weights.shape == (2, 2, 3, 3)
    np.testing.assert_allclose(weights.sum(-1).numpy(), 1.0)


@pytest.mark.parametrize("mask", ["2d", "3d", "bool", "causal", "padding"])
def test_the_output_does_not_depend_on_wanting_the_weights(mask):
    p, kw = parts(), {}
    if mask == "2d":
        kw["attn_mask"] = drawn(3, 3, seed=7)
    elif mask == "3d":
        kw["attn_mask"] = drawn(4, 3, 3, seed=7)
    elif mask == "padding":
        kw["key_padding_mask"] = rg.tensor([[False, True, False], [False, False, True]])
    else:
        kw["attn_mask"] = rg.ones(3, 3, dtype=rg.bool).triu(1)
        kw["is_causal"] = mask == "causal"
    (a, w), (b, none) = forward(p, **kw), forward(p, need_weights=False, **kw)
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10)
    assert none is None and w is not None and w.shape == (2, 3, 3)


def test_one_tensor_and_three_equal_ones_give_the_same():
    p = parts()
    x = p["x"]
    wanted = forward(p)[0]
    rest = (4, 2, p["w"], p["b"], None, None, False, 0.0, p["ow"], p["ob"])
    for q, k, v in ((x, x.clone(), x.clone()), (x, *[x.clone()] * 2)):
        np.testing.assert_allclose(
            F.multi_head_attention_forward(q, k, v, *rest)[0].numpy(), wanted.numpy(), rtol=1e-10
        )


def test_dropout_only_in_training():
    p = parts()
    args = (p["x"],) * 3 + (4, 2, p["w"], p["b"], None, None, False, 0.9, p["ow"], p["ob"])
    np.testing.assert_allclose(F.multi_head_attention_forward(*args, training=False)[0].numpy(), forward(p)[0].numpy())
    assert not np.allclose(F.multi_head_attention_forward(*args, training=True)[0].numpy(), forward(p)[0].numpy())


def test_mixed_kinds_of_masks_warn():
    p = parts()
    with pytest.warns(UserWarning, match="key_padding_mask is bool but attn_mask float64"):
        forward(p, attn_mask=drawn(3, 3), key_padding_mask=rg.zeros(2, 3, dtype=rg.bool))


def test_what_does_not_fit_is_named():
    p = parts()
    rest = (p["w"], None, None, None, False, 0.0, p["ow"], None)
    x = p["x"]
    for message, args, kw in (
        (r"embed_dim_to_check is 5", (x, x, x, 5, 2, *rest), {}),
        (r"4 features cannot be divided by 3 heads", (x, x, x, 4, 3, *rest), {}),
        (r"query \(L, N, E\) or \(L, E\)", (x[0, 0], x, x, 4, 2, *rest), {}),
        (r"in_proj_weight is needed", (x, x, x, 4, 2, None, *rest[1:]), {}),
        (r"bias_k and bias_v go together", (x, x, x, 4, 2, p["w"], None, x[:1, :1], None, *rest[4:]), {}),
        (r"key_padding_mask \(N, S\)", (x, x, x, 4, 2, *rest), {"key_padding_mask": rg.zeros(3, dtype=rg.bool)}),
        (r"attn_mask is int64; bool", (x, x, x, 4, 2, *rest), {"attn_mask": rg.zeros(3, 3, dtype=rg.int64)}),
        (r"static_k .* = \(4, S, 2\) is expected", (x, x, x, 4, 2, *rest), {"static_k": x, "static_v": x}),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            F.multi_head_attention_forward(*args, **kw)


def test_random_calls_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for _ in range(40):
        lead = tuple(int(n) for n in rng.integers(1, 4, rng.integers(0, 3)))
        length, source, e, ev = (int(n) for n in rng.integers(1, 6, 4))
        arrays = [rng.standard_normal((*lead, *s)) for s in ((length, e), (source, e), (source, ev))]
        kw, mask = {}, None
        choice = rng.random()
        if choice < 0.35:
            mask = rng.random((length, source)) < 0.5
        elif choice < 0.7:
            mask = np.where(rng.random((length, source)) < 0.3, -math.inf, 1.0)
        else:
            kw["is_causal"] = True
        results = []
        for make, f in ((rg.tensor, attend), (torch.tensor, torch.nn.functional.scaled_dot_product_attention)):
            xs = [make(a, requires_grad=True) for a in arrays]
            y = f(*xs, None if mask is None else make(mask), **kw)
            (y * y).sum().backward()
            results.append([v.detach().numpy() for v in (y, *(x.grad for x in xs))])
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)
