"""`parity`: models that agree, and every way in which they can part: the report names the layer and the reason."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import test_weights_in as models

import retrograd as rg

torch = pytest.importorskip("torch", reason="compares with PyTorch's models")


def net(L, **options):
    class Net(L.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = L.nn.Sequential(
                L.nn.Conv2d(2, 4, 3), L.nn.BatchNorm2d(4, eps=options.get("eps", 1e-5)), L.nn.ReLU(inplace=True)
            )
            self.act = L.nn.GELU(approximate=options.get("gelu", "none"))
            self.head = L.nn.Linear(4, 3)

        def forward(self, x, scale=1.0):
            y = self.act(self.body(x)) * options.get("between", 1.0)
            return self.head(y.mean((2, 3))) * scale

    return Net()


def pair(make=net, ours=None, double=True, **options):
    torch.manual_seed(0)
    a, b = make(torch), (ours or make)(rg, **options)
    a, b = (a.double(), b.double()) if double else (a, b)
    b.load_state_dict(a.state_dict())
    return a, b


X = np.random.default_rng(0).normal(size=(5, 2, 6, 6))


# ---------------------------------------------------------------- agreement
@pytest.mark.parametrize("name", list(models.MODELS))
def test_equal_models_agree(name):
    make, data = models.MODELS[name]
    a, b = pair(make)
    report = rg.parity(a, b, data(np.random.default_rng(0))[0])
    assert report and report.ok and report.first_forward is None and report.first_backward is None
    assert repr(report).startswith("parity: the models agree in ") and "backward to " in repr(report)
    called = {layer.name for layer in report.layers}
    assert "" in called and {n for n, m in b.named_modules() if not list(m.children())} <= called
    assert all(layer.output is not None and layer.output <= report.rtol for layer in report.layers)
    if name == "resnet18":
        assert len([layer for layer in report.layers if layer.name == "layer1.0.relu"]) == 2


@pytest.mark.parametrize("mode", [True, False])
def test_single_precision_in_both_modes(mode):
    a, b = pair(double=False)
    a.train(mode)
    b.train(mode)
    report = rg.parity(a, b, X)
    assert report and report.rtol == 1e-4


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_half_precision(kind):
    class Small:
        def __new__(cls, L):
            return L.nn.Sequential(L.nn.Linear(3, 4), L.nn.ReLU(), L.nn.Linear(4, 2))

    a, b = pair(Small, double=False)
    a, b = a.to(getattr(torch, kind)), b.to(getattr(rg, kind))
    b.load_state_dict(a.state_dict())
    assert rg.parity(a, b, np.random.default_rng(0).normal(size=(4, 3)))


@pytest.mark.parametrize("make", [lambda: X, lambda: torch.tensor(X), lambda: rg.tensor(X)])
def test_inputs_of_any_library_and_keywords(make):
    a, b = pair()
    x = make()
    assert rg.parity(a, b, x) and rg.parity(a, b, x=x, scale=2.0) and rg.parity(a, b, x, scale=np.full(3, 2.0))
    assert getattr(x, "grad", None) is None and getattr(x, "requires_grad", False) is False


def test_renamed_modules():
    a, b = pair()

    class Renamed(rg.nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk, self.act, self.out = b.body, b.act, b.head

        def forward(self, x):
            return self.out(self.act(self.trunk(x)).mean((2, 3)))

    names = {"trunk": "body", "trunk.0": "body.0", "trunk.1": "body.1", "trunk.2": "body.2", "out": "head"}
    report = rg.parity(a, Renamed().double(), X, names=names)
    assert report, report
    assert {layer.name for layer in report.layers} == {"body.0", "body.1", "body.2", "body", "act", "head", ""}
    without = rg.parity(a, Renamed().double(), X)
    assert not without and "modules only in PyTorch's model: body" in repr(without)


def test_what_is_left_behind_is_nothing():
    a, b = pair()
    a.train()
    b.train()
    states = [{k: v.clone() for k, v in m.state_dict().items()} for m in (a, b)]
    torch.manual_seed(5)
    rg.manual_seed(5)
    drawn = torch.rand(2).tolist(), rg.rand(2).tolist()
    torch.manual_seed(5)
    rg.manual_seed(5)
    assert rg.parity(a, b, X)
    assert drawn == (torch.rand(2).tolist(), rg.rand(2).tolist())
    for m, before in zip((a, b), states, strict=True):
        for k, v in m.state_dict().items():
            assert np.array_equal(v.numpy(), before[k].numpy()), k
        assert all(p.grad is None for p in m.parameters())
        assert all(not x._forward_hooks and not x._forward_pre_hooks for x in m.modules())


# ---------------------------------------------------------------- forward
def test_a_setting_that_differs_is_named():
    a, b = pair(eps=1e-2)
    report = rg.parity(a, b, X)
    assert not report
    assert report.first_forward.name == "body.1" and report.first_forward.kind == "BatchNorm2d"
    assert report.first_forward.inputs <= 1e-9 < report.first_forward.output
    text = repr(report)
    assert "forward: first at body.1 (BatchNorm2d): output differs by" in text
    assert "its inputs agree" in text and "the difference arises in it" in text
    assert "eps=1e-05" in text and "eps=0.01" in text
    assert report.first_backward is None  # what follows from it is not told


def test_a_function_that_differs_is_named():
    a, b = pair(gelu="tanh")
    report = rg.parity(a, b, X)
    assert report.first_forward.name == "act" and "approximate='none'" in repr(report)
    assert rg.parity(a, b, X, rtol=0.1)


def test_code_between_layers_is_told_apart():
    a, b = pair(between=1.5)
    report = rg.parity(a, b, X)
    assert report.first_forward.name == "head" and report.first_forward.inputs > 0.1
    assert "the difference arises in the code between layers" in repr(report)


def test_weights_that_differ_are_listed():
    a, b = pair()
    with rg.no_grad():
        b.body[0].weight[0, 0, 0, 0] += 1.0
    report = rg.parity(a, b, X)
    assert list(report.weights) == ["body.0.weight"] and report.first_forward.name == "body.0"
    assert "weights: body.0.weight: differs by" in repr(report)
    small = rg.parity(a, rg.nn.Sequential(rg.nn.Conv2d(2, 3, 3)).double(), X)
    assert "only in PyTorch's model" in small.weights["head.bias"] and small.weights["0.bias"] == "only in ours"


def test_shapes_and_nan():
    def flat(L, **options):
        class Flat(L.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = L.nn.Flatten(options.get("start", 1))
                self.log = Log()

            def forward(self, x):
                return self.log(self.inner(x))

        class Log(L.nn.Module):
            def forward(self, x):
                return L.log(x.abs()) if options.get("sign") else L.log(x)

        return Flat()

    assert rg.parity(flat(torch), flat(rg), X)  # the same elements are NaN
    report = rg.parity(flat(torch), flat(rg, sign=True), X)
    assert report.first_forward.name == "log" and "NaN or infinite elements that are not the same" in repr(report)
    report = rg.parity(flat(torch), flat(rg, start=2), X)
    assert report.first_forward.name == "inner"
    assert "shape (5, 72) in PyTorch, (5, 2, 36) here" in repr(report)


def test_modes_and_dropout_are_noted():
    a, b = pair()
    b.train()
    a.eval()
    report = rg.parity(a, b, X)
    assert not report and "one is in training mode and the other in eval mode" in repr(report)
    drop = rg.parity(torch.nn.Dropout(0.5), rg.nn.Dropout(0.5), X)
    assert not drop and "dropout is active" in repr(drop)
    assert rg.parity(torch.nn.Dropout(0.5).eval(), rg.nn.Dropout(0.5).eval(), X)


def test_modules_called_a_different_number_of_times():
    def twice(L, **options):
        class Twice(L.nn.Module):
            def __init__(self):
                super().__init__()
                self.fc = L.nn.Linear(3, 3)

            def forward(self, x):
                for _ in range(options.get("times", 2)):
                    x = self.fc(x)
                return x

        return Twice()

    a, b = pair(twice)
    x = np.ones((2, 3))
    report = rg.parity(a, b, x)
    assert report and [layer.call for layer in report.layers if layer.name == "fc"] == [0, 1]
    a, b = pair(twice, times=3)
    report = rg.parity(a, b, x)
    assert not report and report.first_forward.name == "" and "not called the same number of times: fc" in repr(report)


# ---------------------------------------------------------------- backward
class WrongBackward(rg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return 1.25 * g


def test_a_wrong_gradient_inside_a_layer():
    class Wrong(rg.nn.GELU):
        def forward(self, x):
            return super().forward(WrongBackward.apply(x))

    a, b = pair()
    b.act = Wrong()
    report = rg.parity(a, b, X)
    assert report.first_forward is None and not report
    assert report.first_backward.name == "act" and report.first_backward.grad_output <= 1e-9
    assert report.first_backward.grad_inputs == pytest.approx(0.25)
    text = repr(report)
    assert "forward: agrees to" in text and "backward: first at act (GELU): gradient of its inputs by 2.5e-01" in text
    assert "the difference arises in it" in text
    assert rg.parity(a, b, X, backward=False)


def test_a_wrong_gradient_of_a_parameter():
    class Wrong(rg.nn.Linear):
        def forward(self, x):
            return rg.nn.functional.linear(x, WrongBackward.apply(self.weight), self.bias)

    a, b = pair()
    wrong = Wrong(4, 3).double()
    wrong.load_state_dict(b.head.state_dict())
    b.head = wrong
    report = rg.parity(a, b, X)
    assert report.first_backward.name == "head" and set(report.first_backward.params) == {"weight", "bias"}
    assert "backward: first at head (Linear): gradient of weight by" in repr(report)


def test_a_wrong_gradient_between_layers():
    def between(L, **options):
        class Between(L.nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = L.nn.Linear(3, 3), L.nn.Linear(3, 2)

            def forward(self, x):
                y = self.a(x)
                return self.b(WrongBackward.apply(y) if options.get("wrong") else y)

        return Between()

    a, b = pair(between, wrong=True)
    report = rg.parity(a, b, np.ones((2, 3)))
    assert report.first_forward is None and report.first_backward.name == "a"
    assert "gradient of its output by 2.5e-01, which the code after it gives" in repr(report)


def test_nothing_to_differentiate_is_noted():
    report = rg.parity(torch.nn.Flatten(), rg.nn.Flatten(), np.ones((2, 3, 4), np.int64))
    assert report and "nothing requires a gradient" in repr(report)


# ---------------------------------------------------------------- errors
def test_errors():
    with pytest.raises(TypeError, match=r"first argument must be a torch\.nn\.Module, got Linear"):
        rg.parity(rg.nn.Linear(1, 1), rg.nn.Linear(1, 1), X)
    with pytest.raises(TypeError, match=r"second argument must be a retrograd\.nn\.Module, got Linear"):
        rg.parity(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1), X)
    a, b = pair()
    with pytest.raises(RuntimeError):
        rg.parity(a, b, X[:, :1])
    assert all(not x._forward_hooks for m in (a, b) for x in m.modules())


def test_pytorch_is_not_imported(tmp_path):
    code = (
        "import sys, retrograd as rg\n"
        "try: rg.parity(rg.nn.Linear(1, 1), rg.nn.Linear(1, 1), rg.ones(1, 1))\n"
        "except TypeError: print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
