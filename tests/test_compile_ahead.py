"""Kernels compiled by a second process: what it compiles is what a training step calls, and it starts only when needed."""

from __future__ import annotations

import functools
import gc
import multiprocessing

import pytest

import retrograd as rg
from retrograd.autograd.kernels.cpu import runtime
from retrograd.cli import ahead
from retrograd.examples import digits

F = rg.nn.functional
pytest.importorskip("numba")


def called(f, monkeypatch):
    """The names of the loops that f() calls."""
    names = set()
    find = runtime.Loops.__getattr__

    def watched(self, name):
        value = find(self, name)
        if hasattr(value, "signatures"):
            names.add(f"{self._family}.{name}")
        vars(self).pop(name, None)  # so that the next use is seen too
        return value

    with monkeypatch.context() as patch:
        patch.setattr(runtime.Loops, "__getattr__", watched)
        for family in (x for x in gc.get_objects() if type(x) is runtime.Loops):
            for name in [n for n in vars(family) if n != "_family"]:
                delattr(family, name)
        f()
    return names


def step():
    model = digits.DigitsNet()
    optimizer = rg.optim.AdamW(model.parameters(), lr=1e-3)
    loss = F.cross_entropy(model(rg.rand(64, 1, 8, 8)), rg.arange(64) % 10, label_smoothing=0.1)
    loss.backward()
    optimizer.step()


def test_what_is_compiled_ahead_is_what_a_step_calls(monkeypatch):
    wanted = called(step, monkeypatch)
    assert {"conv.convolve", "conv.weight_gradient", "loss.label_rows_back", "optim.adam"} <= wanted
    # One by one, relu is a loop of its own; in the step it is part of the normalisation before it.
    assert called(digits.rehearse, monkeypatch) == wanted | {"activation.hardtanh"}


def test_layers_come_after_the_loss_and_the_optimizer():
    seen = []
    model = rg.nn.Sequential(rg.nn.Linear(3, 4), rg.nn.Sequential(rg.nn.ReLU(), rg.nn.Linear(4, 2)))
    for i, layer in enumerate((model[0], model[1][0], model[1][1])):
        layer.register_full_backward_hook(lambda *_, i=i: seen.append(i))

    class Optimizer:
        def step(self):
            seen.append("optimizer")
            assert all((p.grad == 0).all() for p in model.parameters())

    def loss(y):
        seen.append("loss")
        assert y.shape == (5, 2)
        return y.square().sum()

    ahead.from_the_end(model, rg.rand(5, 3), loss, Optimizer())
    assert seen == ["optimizer", "loss", 0, 1, 2]


@pytest.fixture
def started(monkeypatch):
    seen = []
    monkeypatch.setattr(ahead, "_start", seen.append)
    monkeypatch.setattr(runtime, "_waiting", [])
    return seen


def test_it_starts_once_and_only_when_something_has_to_be_compiled(started):
    before = rg.get_num_threads()
    try:
        rg.set_num_threads(1)
        with ahead.compile_ahead(step):
            runtime.missed()
        assert started == []  # there is no second processor
        rg.set_num_threads(2)
        with ahead.compile_ahead(step):
            assert started == []
            runtime.missed()
            runtime.missed()
        assert started == [step]
        with ahead.compile_ahead(step):
            pass
        runtime.missed()  # too late
        assert started == [step]
    finally:
        rg.set_num_threads(before)


def test_a_function_that_no_other_process_would_find_is_not_run(started):
    script = {"__name__": "no_module_of_that_name"}
    exec("def f(): pass", script)
    with ahead.compile_ahead(script["f"]):
        runtime.missed()
    assert started == []


def test_what_cannot_be_started_is_no_error():
    ahead._start(lambda: None)  # cannot be pickled
    assert multiprocessing.active_children() == []


def leave(path):
    path.write_text("done")


def test_a_function_runs_in_a_process_of_its_own(tmp_path):
    ahead._start(functools.partial(leave, tmp_path / "x"))
    (process,) = multiprocessing.active_children()
    process.join(60)
    assert process.exitcode == 0 and (tmp_path / "x").read_text() == "done"
