"""Multi-head attention and the Transformer against PyTorch: outputs, weights and every gradient, from the same weights."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch", reason="the comparison needs torch")

pytestmark = pytest.mark.filterwarnings(
    "ignore:enable_nested_tensor:UserWarning", "ignore:Support for mismatched:UserWarning"
)
RNG = np.random.default_rng(0)


def both(name, *args, **kwargs):
    theirs = getattr(torch.nn, name)(*args, dtype=torch.float64, **kwargs)
    ours = getattr(rg.nn, name)(*args, dtype=rg.float64, **kwargs)
    copy(ours, theirs)
    return ours, theirs


def copy(ours, theirs):
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({k: rg.tensor(v.numpy()) for k, v in theirs.state_dict().items()})


def compare(ours, theirs, inputs, **masks):
    """inputs: arrays; masks: arrays (or other arguments) by name."""
    found, cotangents = [], None
    for lib, model in ((rg, ours), (torch, theirs)):
        xs = [lib.tensor(x).requires_grad_() for x in inputs]
        given = {k: lib.tensor(v) if isinstance(v, np.ndarray) else v for k, v in masks.items()}
        out = model(*xs, **given)
        outs = [o for o in (out if isinstance(out, tuple) else (out,)) if o is not None]
        if cotangents is None:
            cotangents = [RNG.normal(size=tuple(o.shape)) for o in outs]
        model.zero_grad()
        sum((o * lib.tensor(c)).sum() for o, c in zip(outs, cotangents, strict=True)).backward()
        grads = [p.grad for p in (*xs, *model.parameters())]
        found.append([t.detach().numpy() for t in (*outs, *(g for g in grads if g is not None))])
    assert len(found[0]) == len(found[1])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


CONFIGS = sorted(
    [
        {},
        {"bias": False},
        {"batch_first": True},
        {"kdim": 3, "vdim": 5},
        {"add_bias_kv": True},
        {"add_zero_attn": True},
        {"kdim": 3, "add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
    ],
    key=repr,
)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("masked", ["none", "attn", "heads", "padding", "both"])
@pytest.mark.parametrize("weights", [False, True])
def test_multihead_attention(config, masked, weights):
    ours, theirs = both("MultiheadAttention", 4, 2, **config)
    for model in (ours, theirs):
        model.eval()
    n, length, source = 3, 4, 5
    shapes = [(length, n, 4), (source, n, config.get("kdim", 4)), (source, n, config.get("vdim", 4))]
    if config.get("batch_first"):
        shapes = [(b, a, c) for a, b, c in shapes]
    xs = [RNG.normal(size=s) for s in shapes]
    masks = {}
    if masked in ("attn", "both"):
        masks["attn_mask"] = RNG.normal(size=(length, source))
    if masked == "heads":
        masks["attn_mask"] = RNG.random((n * 2, length, source)) < 0.3
        masks["attn_mask"][..., 0] = False
    if masked in ("padding", "both"):
        padding = RNG.random((n, source)) < 0.3
        padding[:, 0] = False
        masks["key_padding_mask"] = np.where(padding, -np.inf, 0.0) if masked == "both" else padding
    compare(ours, theirs, xs, need_weights=weights, **masks)
    compare(ours, theirs, xs, need_weights=weights, average_attn_weights=False, **masks)
    if masked == "none":
        one = [x[0] if config.get("batch_first") else x[:, 0] for x in xs]
        compare(ours, theirs, one, need_weights=weights)


@pytest.mark.parametrize(
    ("norm_first", "batch_first", "bias", "activation"),
    sorted(itertools.product((False, True), (False, True), (False, True), ("gelu", "relu"))),
)
def test_layers(norm_first, batch_first, bias, activation):
    given = {
        "norm_first": norm_first,
        "batch_first": batch_first,
        "bias": bias,
        "activation": activation,
        "dropout": 0.0,
    }
    swap = (lambda x: x.swapaxes(0, 1)) if batch_first else (lambda x: x)
    src, tgt = swap(RNG.normal(size=(5, 2, 8))), swap(RNG.normal(size=(4, 2, 8)))
    ours, theirs = both("TransformerEncoderLayer", 8, 2, 16, **given)
    padding = np.zeros((2, 5), bool)
    padding[1, 3:] = True
    compare(ours, theirs, [src])
    compare(ours, theirs, [src], src_key_padding_mask=padding)
    ours, theirs = both("TransformerDecoderLayer", 8, 2, 16, **given)
    causal = np.triu(np.full((4, 4), -np.inf), 1)
    compare(ours, theirs, [tgt, src], tgt_mask=causal, tgt_is_causal=True)
    compare(ours, theirs, [tgt, src], memory_key_padding_mask=padding)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
def test_stacks_and_the_whole_model(batch_first, norm_first):
    given = {"norm_first": norm_first, "batch_first": batch_first, "dropout": 0.0}
    swap = (lambda x: x.swapaxes(0, 1)) if batch_first else (lambda x: x)
    src, tgt = swap(RNG.normal(size=(5, 2, 8))), swap(RNG.normal(size=(4, 2, 8)))
    stacks = []
    for lib in (rg, torch):
        layer = lib.nn.TransformerEncoderLayer(8, 2, 16, dtype=lib.float64, **given)
        stacks.append(lib.nn.TransformerEncoder(layer, 2, lib.nn.LayerNorm(8, dtype=lib.float64)))
    copy(*stacks)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64).numpy()
    np.testing.assert_array_equal(rg.nn.Transformer.generate_square_subsequent_mask(5, dtype=rg.float64).numpy(), mask)
    compare(*stacks, [src], mask=mask)
    compare(*stacks, [src], mask=mask, is_causal=True)
    ours, theirs = both("Transformer", 8, 2, 1, 2, 16, **given)
    compare(ours, theirs, [src, tgt])
    compare(ours, theirs, [src, tgt], tgt_mask=mask[:4, :4], tgt_is_causal=True)


def test_initial_distributions_match():
    rg.manual_seed(0)
    ours, theirs = (
        rg.nn.MultiheadAttention(256, 4, add_bias_kv=True),
        torch.nn.MultiheadAttention(256, 4, add_bias_kv=True),
    )
    for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert a.std().item() == pytest.approx(b.std().item(), rel=0.3, abs=1e-6), name
        if not name.startswith("bias_"):  # uniform, so that the bound says more than the spread; those are normal
            assert a.abs().max().item() == pytest.approx(b.abs().max().item(), rel=0.05, abs=1e-6), name


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="embed_dim 5 must be divisible by num_heads 2"):
        rg.nn.MultiheadAttention(5, 2)
    with pytest.raises(RuntimeError, match="relu/gelu, not tanh"):
        rg.nn.TransformerEncoderLayer(4, 2, activation="tanh")
    model = rg.nn.Transformer(4, 2, 1, 1, 8)
    with pytest.raises(ValueError, match="d_model 4 features, got 3 and 4"):
        model(rg.zeros(2, 1, 3), rg.zeros(2, 1, 4))
    with pytest.raises(RuntimeError, match="src has 2 sequences and tgt 1"):
        model(rg.zeros(2, 2, 4), rg.zeros(2, 1, 4))


def test_dropout_changes_the_output_in_training_only():
    rg.manual_seed(0)
    layer = rg.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5)
    x = rg.randn(4, 2, 8)
    assert not rg.equal(layer(x), layer(x))
    layer.eval()
    assert rg.equal(layer(x), layer(x))
