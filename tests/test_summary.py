"""`summary`, `count_parameters`, `count_flops`: torchinfo's table line by line, what it adds, and nothing left behind."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import test_weights_in as models

import retrograd as rg
from retrograd import nn

ALL = ("input_size", "output_size", "num_params", "params_percent", "kernel_size", "mult_adds", "trainable")


# ---------------------------------------------------------------- models, for either library L
def sequence(L):
    net = L.nn.Sequential(
        L.nn.Conv2d(3, 8, 3, padding=1), L.nn.BatchNorm2d(8), L.nn.ReLU(), L.nn.MaxPool2d(2),
        L.nn.Sequential(L.nn.Conv2d(8, 4, 1, bias=False), L.nn.Dropout()), L.nn.Flatten(), L.nn.Linear(256, 10),
    )  # fmt: skip
    for p in net[0].parameters():
        p.requires_grad_(False)
    net[6].bias.requires_grad_(False)
    return net


def shared(L):
    """A layer called twice, a list of layers, a parameter of its own, a layer that never runs."""

    class Shared(L.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = L.nn.Linear(4, 4)
            self.act = L.nn.ReLU()
            self.layers = L.nn.ModuleList([L.nn.Linear(4, 4), L.nn.Sequential(L.nn.Linear(4, 3), L.nn.BatchNorm1d(3))])
            self.scale = L.nn.Parameter(L.ones(3))
            self.unused = L.nn.Linear(2, 2)

        def forward(self, x):
            x = self.act(self.a(x))
            x = self.act(self.a(x))
            return self.layers[1](self.layers[0](x)) * self.scale

    return Shared()


def two_inputs(L):
    class Two(L.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = L.nn.Bilinear(3, 4, 2)

        def forward(self, x, y):
            return {"first": x, "second": self.fc(x, y)}

    return Two()


CASES = {
    "sequence": (sequence, {"input_size": (2, 3, 16, 16)}),
    "shared": (shared, {"input_size": (2, 4)}),
    "resnet18": (lambda L: models.resnet18(L, 8), {"input_size": (2, 3, 33, 33)}),
    "lstm": (lambda L: L.nn.LSTM(4, 3, 2, bidirectional=True, batch_first=True), {"input_size": (2, 5, 4)}),
    "gru": (lambda L: L.nn.GRU(4, 3), {"input_size": [(5, 2, 4)]}),
    "conv1d": (
        lambda L: L.nn.Sequential(L.nn.Conv1d(2, 3, 3), L.nn.ConvTranspose1d(3, 2, 3), L.nn.GroupNorm(1, 2)),
        {"input_size": (2, 2, 9)},
    ),
    "two_inputs": (two_inputs, {"input_size": [(5, 3), (5, 4)]}),
    "without_batch": (lambda L: models.resnet18(L, 4), {"input_size": (3, 33, 33), "batch_dim": 0}),
    "nothing_run": (sequence, {}),
    "shared_not_run": (shared, {}),
}
FORMS = {
    "default": {},
    "all": {"col_names": ALL},
    "flat": {"col_names": ALL, "depth": 1, "col_width": 18},
    "names": {"row_settings": ("var_names",), "depth": 2},
    "ascii": {"row_settings": ("ascii_only", "depth", "var_names", "hide_recursive_layers")},
}


@pytest.fixture(scope="module")
def torchinfo():
    pytest.importorskip("torch", reason="torchinfo describes PyTorch's models")
    return pytest.importorskip("torchinfo", reason="the table is compared with torchinfo's")


def plain(text):
    """torchinfo prints the name of an enumeration in place of its value on Python 3.11."""
    for name, value in (("MEGABYTES", "M"), ("GIGABYTES", "G"), ("TERABYTES", "T")):
        text = text.replace(f"Units.{name}", value)
    return text.split("\n")


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("case", list(CASES))
def test_the_table_is_torchinfos(case, form, torchinfo):
    import torch

    make, given = CASES[case]
    options = dict(FORMS[form])
    if not given and "col_names" in options:
        options["col_names"] = ("num_params", "params_percent", "kernel_size", "trainable")
    theirs = torchinfo.summary(make(torch), verbose=0, **given, **options)
    ours = rg.summary(make(rg), verbose=0, **given, **options)
    a, b = plain(str(ours)), plain(str(theirs))
    if case.startswith("shared"):  # torchinfo leaves the parameters of containers out of these two
        a, b = ([line for line in x if not line.startswith(("Params size", "Estimated"))] for x in (a, b))
    assert a == b
    assert (ours.total_params, ours.trainable_params) == (theirs.total_params, theirs.trainable_params)
    assert (ours.total_mult_adds, ours.total_output_bytes) == (theirs.total_mult_adds, theirs.total_output_bytes)


def test_verbose_shows_every_parameter(torchinfo, capsys):
    import torch

    theirs = torchinfo.summary(sequence(torch), input_size=(2, 3, 16, 16), verbose=2, col_names=ALL)
    capsys.readouterr()
    ours = rg.summary(sequence(rg), (2, 3, 16, 16), verbose=2, col_names=ALL)
    assert capsys.readouterr().out == f"{ours}\n"
    assert plain(str(ours)) == plain(str(theirs))


def test_nested_models_with_tokens(torchinfo):
    import torch

    for make, data in (models.MODELS["gpt"], models.MODELS["lstm"]):
        x, _ = data(np.random.default_rng(0))
        theirs = torchinfo.summary(
            make(torch), input_data=torch.tensor(x), verbose=0, depth=5, col_names=("mult_adds",)
        )
        ours = rg.summary(make(rg), x, verbose=0, depth=5, col_names=("mult_adds",))
        rows = [line for line in plain(str(theirs)) if "─" in line]
        assert [line for line in str(ours).split("\n") if "─" in line] == rows


# ---------------------------------------------------------------- what it adds
def test_tied_parameters_count_once():
    net = models.gpt(rg)
    found = rg.summary(net, rg.zeros(2, 5, dtype=rg.int64), verbose=0)
    assert found.total_params == rg.count_parameters(net) == sum(p.numel() for p in net.parameters())
    assert found.total_param_bytes == 4 * found.total_params
    row = next(line for line in str(found).split("\n") if "Linear: 1-5" in line)
    assert row.split()[-1] == "(tied)"
    assert [layer.path for layer in found.summary_list if layer.is_tied] == ["lm_head"]


def test_parameters_of_containers_have_a_size():
    net = nn.MultiheadAttention(8, 2, batch_first=True)
    x = rg.ones(2, 5, 8)
    found = rg.summary(net, [x, x, x], verbose=0)
    assert found.total_params == 288 and found.total_param_bytes == 4 * 288


def test_pruned_parameters_count_what_is_left():
    net = nn.Linear(4, 2, bias=False)
    mask = rg.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
    net.weight_orig = net.weight
    del net.weight
    net.register_buffer("weight_mask", mask)
    net.weight = net.weight_orig.detach() * mask
    assert rg.summary(net, (3, 4), verbose=0).total_params == 4


@pytest.mark.parametrize(
    "given",
    [
        lambda x: {"input_size": x}, lambda x: {"input_data": x}, lambda x: {"input_data": [x]},
        lambda x: {"input_data": {"input": x}}, lambda x: {"input_data": x.numpy()}, lambda x: {"input_size": (5, 3)},
    ],
)  # fmt: skip
def test_every_way_to_give_the_input(given):
    found = rg.summary(nn.Linear(3, 2), verbose=0, **given(rg.ones(5, 3)))
    layer = found.summary_list[0]
    assert layer.input_size == [5, 3] and layer.output_size == [5, 2] and found.total_input == 60


def test_dtypes_and_devices_of_made_inputs():
    net = nn.Embedding(10, 4)
    found = rg.summary(net, (2, 7), dtypes=[rg.int64], device="cpu", verbose=0)
    assert found.summary_list[0].output_size == [2, 7, 4] and found.total_input == 2 * 7 * 8
    kept = rg.summary(nn.Linear(3, 2).double(), (2, 3), dtypes=[rg.float64], verbose=0)
    assert kept.total_input == 48


def test_lazy_layers_are_counted_once_they_have_a_shape():
    net = nn.Sequential(nn.LazyLinear(4), nn.ReLU())
    assert rg.count_parameters(net) == 0
    assert rg.summary(net, (2, 3), verbose=0).total_params == 16


def test_data_and_html():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    found = rg.summary(net, (1, 1, 5, 5), col_names=ALL, row_settings=("var_names", "depth"), verbose=0)
    data = json.loads(json.dumps(found.to_dict()))
    assert data["total_params"] == 20 and data["param_bytes"] == 80 and data["input_size"] == [[1, 1, 5, 5]]
    assert [layer["name"] for layer in data["layers"]] == ["", "0", "1"]
    conv = data["layers"][1]
    assert conv["type"] == "Conv2d" and conv["kernel_size"] == [3, 3] and conv["mult_adds"] == 9 * 20
    assert conv["output_size"] == [1, 2, 3, 3] and conv["executed"] and not conv["recursive"]
    page = found._repr_html_()
    assert page.count("<tr>") == 4 and page.count("<td") == 3 * (1 + len(ALL)) and "Conv2d (0): 1-1" in page
    assert "Total params: 20" in page

    class Odd(nn.Linear):
        pass

    Odd.__name__ = "<script>"
    assert "<script>" not in rg.summary(Odd(2, 2), (1, 2), verbose=0)._repr_html_()


def test_printing(capsys, monkeypatch):
    import sys

    net = nn.Linear(2, 1)
    monkeypatch.delattr(sys, "ps1", raising=False)
    found = rg.summary(net, (1, 2))
    assert capsys.readouterr().out == f"{found}\n"
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    rg.summary(net, (1, 2))
    assert capsys.readouterr().out == ""


# ---------------------------------------------------------------- nothing is left behind
@pytest.mark.parametrize("mode", [None, "eval", "train"])
def test_the_model_is_as_before(mode):
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    net[1].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    rg.manual_seed(3)
    rg.summary(net, (6, 3), mode=mode, verbose=0)
    drawn = rg.rand(2).tolist()
    rg.manual_seed(3)
    assert rg.rand(2).tolist() == drawn
    assert [m.training for m in net] == [True, False, True] and net.training
    for k, v in net.state_dict().items():
        assert rg.equal(v, before[k]), k
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in net.modules())
    assert all(p.grad is None for p in net.parameters())


def test_a_failing_model_says_which_layers_ran():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(5, 2))
    net[1].eval()
    with pytest.raises(RuntimeError, match=r"summary: the model failed.*layers that ran: 0, 1$"):
        rg.summary(net, (2, 3), verbose=0)
    assert [m.training for m in net] == [True, False, True]
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in net.modules())


@pytest.mark.parametrize(
    "options,error,match",
    [
        ({"input_size": (0, 3)}, ValueError, "positive whole numbers"),
        ({"input_size": (2.0, 3)}, ValueError, "positive whole numbers|2.0"),
        ({"input_size": 3}, TypeError, "input_size must be a shape"),
        ({"input_size": (2, 3), "input_data": rg.ones(2, 3)}, RuntimeError, "only one"),
        ({"input_size": rg.ones(2, 3), "input_data": rg.ones(2, 3)}, RuntimeError, "twice"),
        ({"col_names": ("size",)}, ValueError, "known are input_size"),
        ({"row_settings": ("bold",)}, ValueError, "known are ascii_only"),
        ({"col_names": ("mult_adds",)}, ValueError, "pass input_data or input_size"),
        ({"col_width": 0}, ValueError, "col_width"),
        ({"mode": "test"}, ValueError, "train"),
        ({"verbose": 3}, ValueError, "verbose"),
        ({"input_size": [(2, 3)], "dtypes": [rg.float32] * 2}, ValueError, "2 dtypes"),
    ],
)
def test_errors(options, error, match):
    with pytest.raises(error, match=match):
        rg.summary(nn.Linear(3, 2), **{"verbose": 0, **options})
    with pytest.raises(TypeError, match="a Module is expected"):
        rg.summary(3)


# ---------------------------------------------------------------- counts
def test_count_parameters():
    net = sequence(rg)
    assert rg.count_parameters(net) == sum(p.numel() for p in net.parameters())
    assert rg.count_parameters(net, trainable=True) + rg.count_parameters(net, trainable=False) == rg.count_parameters(
        net
    )
    assert rg.count_parameters(net, trainable=False) == 3 * 8 * 9 + 8 + 10


FLOPS = {
    "linear": (lambda L: L.nn.Linear(3, 4), (5, 7, 3)),
    "conv1d": (lambda L: L.nn.Conv1d(4, 6, 3, groups=2, stride=2), (2, 4, 9)),
    "conv2d": (lambda L: L.nn.Conv2d(2, 3, (3, 2), padding=1, dilation=2), (2, 2, 9, 8)),
    "conv3d": (lambda L: L.nn.Conv3d(2, 3, 2), (1, 2, 4, 4, 4)),
    "transposed": (lambda L: L.nn.ConvTranspose2d(4, 6, 3, groups=2, stride=2, output_padding=1), (2, 4, 5, 5)),
    "resnet18": (lambda L: models.resnet18(L, 8), (2, 3, 33, 33)),
    "transformer": (lambda L: L.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8)),
}


@pytest.mark.parametrize("name", list(FLOPS))
def test_flops_are_pytorchs(name):
    torch = pytest.importorskip("torch", reason="its FlopCounterMode counts too")
    from torch.utils.flop_counter import FlopCounterMode

    make, shape = FLOPS[name]
    with FlopCounterMode(display=False) as counter:
        make(torch)(torch.zeros(shape))
    assert rg.count_flops(make(rg), rg.zeros(shape)) == counter.get_total_flops()


def test_flops_of_attention_and_recurrence():
    """By hand: these are what a count by parameters misses."""
    n, t, width, layers, vocabulary = 2, 12, 32, 2, 50
    tokens = rg.zeros(n, t, dtype=rg.int64)
    dense = 2 * n * t * width * (3 * width + width + 4 * width + 4 * width)
    attention = 2 * 2 * n * t * t * width
    assert rg.count_flops(models.gpt(rg), tokens) == layers * (dense + attention) + 2 * n * t * width * vocabulary
    rows, inside, h = 10, 4, 3
    x = rg.ones(5, 2, inside)
    for kind, gates in ((nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)):
        one = 2 * rows * gates * h * (inside + h)
        assert rg.count_flops(kind(inside, h), x) == one
        assert rg.count_flops(kind(inside, h, bidirectional=True), x) == 2 * one
    projected = nn.LSTM(inside, 6, proj_size=2)
    assert rg.count_flops(projected, x) == 2 * rows * (24 * inside + 24 * 2 + 6 * 2)


def test_flops_by_module_and_of_frozen_parameters():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 2))).freeze()
    found = rg.count_flops(net, rg.ones(10, 3), by_module=True)
    assert found == {"": 480, "0": 240, "2": 240, "2.0": 160, "2.1": 80}
    assert not any(p.requires_grad for p in net.parameters()) and net.training
    with rg.no_grad():
        assert rg.count_flops(net, rg.ones(10, 3)) == 480


def test_flops_of_products_that_broadcast():
    class Product(nn.Module):
        def forward(self, x, y):
            return x @ y

    net = Product()
    for a, b in (((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((5, 1, 2, 3), (7, 3, 4)), ((3,), (3,)), ((2, 3), (3,))):
        x, y = rg.ones(a), rg.ones(b)
        rows = math.prod((x @ y).shape)
        assert rg.count_flops(net, x, y) == 2 * rows * a[-1], (a, b)
        assert rg.count_flops(net, x, y=y) == 2 * rows * a[-1]
