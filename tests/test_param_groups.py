"""Parameter groups by role: weight decay for matrices and kernels only."""

from __future__ import annotations

import pytest

import retrograd as rg
from retrograd import nn
from retrograd.optim import param_groups_weight_decay


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.conv = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.ln = nn.LayerNorm((4, 2))  # a matrix of scales
        self.gn = nn.GroupNorm(2, 4)
        self.rnn = nn.LSTM(4, 4, bidirectional=True)
        self.attention = nn.MultiheadAttention(4, 2, add_bias_kv=True)
        self.act = nn.PReLU(4)
        self.scale = nn.Parameter(rg.ones(()))
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = nn.Parameter(rg.ones(5, 4))
        self.tied = self.head


DECAYED = {
    "embedding.weight", "conv.weight", "rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.weight_ih_l0_reverse",
    "rnn.weight_hh_l0_reverse", "attention.in_proj_weight", "attention.out_proj.weight", "head.weight",
}  # fmt: skip


def names(model, group):
    of = {id(p): name for name, p in model.named_parameters()}
    return [of[id(p)] for p in group["params"]]


def test_biases_norms_and_vectors_are_left_out():
    model = Net()
    decayed, bare = param_groups_weight_decay(model, 0.1)
    assert set(names(model, decayed)) == DECAYED and decayed["weight_decay"] == 0.1
    assert set(names(model, bare)) == {n for n, _ in model.named_parameters()} - DECAYED and bare["weight_decay"] == 0.0
    everything = [*decayed["params"], *bare["params"]]
    assert len({id(p) for p in everything}) == len(everything) == len(list(model.parameters()))


def test_subclasses_of_norms_count_and_other_names_do_not():
    class LayerNorm2d(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(rg.ones(4, 1, 1))

    class NormalizedLinear(nn.Linear):
        pass

    class MyNorm(nn.LayerNorm):
        pass

    model = nn.Sequential(LayerNorm2d(), NormalizedLinear(2, 2), MyNorm((2, 2)))
    decayed, bare = param_groups_weight_decay(model)
    assert names(model, decayed) == ["1.weight"] and decayed["weight_decay"] == 1e-2
    assert names(model, bare) == ["0.weight", "1.bias", "2.weight", "2.bias"]


def test_skip_by_pattern_and_by_function():
    model = Net()
    decayed, bare = param_groups_weight_decay(model, 0.1, ("embedding.*", "rnn.*"))
    assert "embedding.weight" in names(model, bare) and "rnn.weight_hh_l0" in names(model, bare)
    assert "conv.weight" in names(model, decayed)
    decayed, _ = param_groups_weight_decay(model, 0.1, lambda name, p: p.dim() == 2)
    assert names(model, decayed) == ["conv.weight"]


def test_frozen_parameters_and_empty_groups_are_left_out():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1, bias=False))
    model[0].requires_grad_(False)
    (group,) = param_groups_weight_decay(model, 0.1, lr=0.5)
    assert names(model, group) == ["1.weight"] and group["lr"] == 0.5
    model.requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter of Sequential requires a gradient"):
        param_groups_weight_decay(model)
    with pytest.raises(ValueError, match="Invalid weight_decay value: -1"):
        param_groups_weight_decay(model, -1)


def test_only_the_first_group_decays():
    """Without gradients to follow, AdamW's decay alone moves the parameters."""
    model = nn.Linear(3, 2)
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = rg.optim.AdamW(param_groups_weight_decay(model, 0.5), lr=0.1)
    for p in model.parameters():
        p.grad = rg.zeros_like(p)
    optimizer.step()
    assert rg.allclose(model.weight, before[0] * 0.95) and model.bias.tolist() == before[1].tolist()
