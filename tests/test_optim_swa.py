"""Averages of weights against PyTorch, and the optimizer that works on other parameters for a while."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest

import retrograd as rg
from retrograd.optim import swa_utils as ours

torch = pytest.importorskip("torch")
theirs = torch.optim.swa_utils


def models(seed=0):
    """The same small network in both libraries, in float64."""
    pair = []
    for lib in (rg, torch):
        nn = lib.nn
        pair.append(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)).to(lib.float64))
    rng = np.random.default_rng(seed)
    for p, q in zip(pair[0].parameters(), pair[1].parameters(), strict=True):
        a = rng.normal(size=tuple(p.shape))
        with rg.no_grad(), torch.no_grad():
            p.copy_(rg.tensor(a))
            q.copy_(torch.tensor(a))
    return pair


def same(mine, other):
    a, b = mine.state_dict(), other.state_dict()
    assert list(a) == list(b)
    for key in a:
        assert str(a[key].dtype).split(".")[-1] == str(b[key].dtype).split(".")[-1]
        np.testing.assert_allclose(a[key].numpy(), b[key].numpy(), rtol=1e-9, atol=1e-12)


AVERAGES = {
    "default": lambda lib: {},
    "swa": lambda lib: {"avg_fn": lib.get_swa_avg_fn()},
    "swa multi": lambda lib: {"multi_avg_fn": lib.get_swa_multi_avg_fn()},
    "ema": lambda lib: {"avg_fn": lib.get_ema_avg_fn(0.8)},
    "ema multi": lambda lib: {"multi_avg_fn": lib.get_ema_multi_avg_fn(0.8)},
    "buffers": lambda lib: {"use_buffers": True},
    "ema buffers": lambda lib: {"multi_avg_fn": lib.get_ema_multi_avg_fn(0.9), "use_buffers": True},
}


@pytest.mark.parametrize("name", sorted(AVERAGES))
def test_averaged_model_equals_torchs(name):
    m, t = models()
    a, b = ours.AveragedModel(m, **AVERAGES[name](ours)), theirs.AveragedModel(t, **AVERAGES[name](theirs))
    rng = np.random.default_rng(1)
    for _ in range(6):
        x = rng.normal(size=(5, 3))
        m(rg.tensor(x))
        t(torch.tensor(x))
        for p, q in zip(m.parameters(), t.parameters(), strict=True):
            g = rng.normal(size=tuple(p.shape))
            with rg.no_grad(), torch.no_grad():
                p.add_(rg.tensor(g))
                q.add_(torch.tensor(g))
        a.update_parameters(m)
        b.update_parameters(t)
    same(a, b)
    assert a.n_averaged.item() == 6
    a.eval(), b.eval()
    np.testing.assert_allclose(a(rg.tensor(x)).detach().numpy(), b(torch.tensor(x)).detach().numpy(), rtol=1e-9)
    twin = ours.AveragedModel(m)
    twin.load_state_dict(a.state_dict())
    same(twin, b)


def test_average_is_apart_from_the_model():
    m, _ = models()
    a = ours.AveragedModel(m)
    a.update_parameters(m)
    before = m[0].weight.tolist()
    with rg.no_grad():
        a.module[0].weight.zero_()
    assert m[0].weight.tolist() == before
    assert all(p.requires_grad for p in a.parameters())
    with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
        ours.AveragedModel(m, avg_fn=ours.get_swa_avg_fn(), multi_avg_fn=ours.get_swa_multi_avg_fn())
    for make in (ours.get_ema_avg_fn, ours.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match="Invalid decay value 1.5"):
            make(1.5)


@pytest.mark.parametrize("kind", [np.array, lambda x: (x, 0), lambda x: [x]])
def test_update_bn_equals_torchs(kind):
    m, t = models()
    m.eval(), t.eval()
    rng = np.random.default_rng(2)
    batches = [rng.normal(size=(n, 3)) for n in (4, 4, 3)]

    def loader(lib):
        for x in batches:
            item = kind(x)
            yield lib.tensor(x) if isinstance(item, np.ndarray) else type(item)([lib.tensor(x), *item[1:]])

    ours.update_bn(loader(rg), m)
    theirs.update_bn(loader(torch), t)
    same(m, t)
    assert not m.training and m[1].momentum == 0.1
    plain = rg.nn.Linear(1, 1)
    ours.update_bn(iter([None]), plain)  # nothing to do, so the loader is not even read


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs,rate", [(10, 0.05), (0, 0.5), (57, [0.5, 0.01])])
def test_swalr_equals_torchs(strategy, epochs, rate):
    pair = []
    for lib, swa in ((rg, ours), (torch, theirs)):
        groups = [{"params": [lib.nn.Parameter(lib.ones(1))], "lr": lr} for lr in (0.1, 0.3)]
        opt = lib.optim.SGD(groups, lr=1.0)
        first = lib.optim.lr_scheduler.ExponentialLR(opt, 0.97)
        pair.append((opt, first, swa.SWALR(opt, rate, anneal_epochs=epochs, anneal_strategy=strategy)))
    twin = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(300):
            for opt, first, swa in pair:
                opt.step()
                (first if i < 20 else swa).step()
            mine, other = ([g["lr"] for g in opt.param_groups] for opt, _, _ in pair)
            np.testing.assert_allclose(mine, other, rtol=0, atol=1e-12)
            if i == 25:
                twin = ours.SWALR(pair[0][0], 9.0)
                state = pair[0][2].state_dict()
                twin.load_state_dict(state)
                assert twin.anneal_epochs == epochs and twin.state_dict() == state
                for group, lr, goal in zip(pair[0][0].param_groups, mine, np.broadcast_to(rate, 2), strict=True):
                    group["lr"], group["swa_lr"] = lr, float(goal)
                pair[0] = (pair[0][0], pair[0][1], twin)


def test_swalr_errors():
    opt = rg.optim.SGD([rg.nn.Parameter(rg.ones(1))], lr=1.0)
    with pytest.raises(ValueError, match="anneal_strategy must be one of 'cos' or 'linear'"):
        ours.SWALR(opt, 0.1, anneal_strategy="exp")
    with pytest.raises(ValueError, match="anneal_epochs must be equal or greater than 0"):
        ours.SWALR(opt, 0.1, anneal_epochs=-1)
    with pytest.raises(ValueError, match="swa_lr must have the same length"):
        ours.SWALR(opt, [0.1, 0.2])


# ---------------------------------------------------------------- swapping
def stepped():
    w, other = (rg.nn.Parameter(rg.ones(2, dtype=rg.float64)) for _ in range(2))
    opt = rg.optim.Adam([w], lr=0.1)
    w.grad = rg.ones(2, dtype=rg.float64)
    opt.step()
    return opt, w, other


def test_swap_works_on_other_parameters_and_restores():
    opt, w, other = stepped()
    state = copy.deepcopy(opt.state_dict())
    state["param_groups"][0]["lr"] = 0.5
    before = w.tolist(), opt.state[w]["step"].item(), opt.param_groups[0]["params"]
    other.grad = w.grad
    with rg.optim.swap_in_optimizer_params_and_state(opt, {"w": other}, state):
        opt.step()
        assert opt.param_groups[0]["params"][0] is other
    assert (w.tolist(), opt.state[w]["step"].item()) == before[:2] and opt.param_groups[0]["params"] is before[2]
    assert opt.param_groups[0]["lr"] == 0.1 and state["state"][0]["step"].item() == 2.0
    assert other.tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    "change,match",
    [
        (lambda s: 3, "requires a dictionary as state_dict"),
        (lambda s: {**s, "state": 3}, "to be a dict mapping packed parameter ids"),
        (lambda s: {**s, "state": {0: 3}}, "per-parameter optimizer state entries to be dictionaries"),
        (lambda s: {**s, "state": {**s["state"], 7: {}}}, r"got extra keys \[7\]"),
        (lambda s: {**s, "param_groups": None}, "to be a list of param-group dicts"),
        (lambda s: {**s, "param_groups": []}, "different number of parameter groups"),
        (lambda s: {**s, "param_groups": [{**s["param_groups"][0], "params": [0, 1]}]}, "different number of params"),
        (lambda s: {**s, "param_groups": [{**s["param_groups"][0], "x": 1}]}, r"Keys only in swap-in: \['x'\]"),
        (lambda s: {**s, "param_groups": [{"params": ["w"]}]}, "keyed by packed parameter ids"),
    ],
)
def test_swap_errors(change, match):
    opt, _, other = stepped()
    with (
        pytest.raises(RuntimeError, match=match),
        rg.optim.swap_in_optimizer_params_and_state(opt, {"w": other}, change(opt.state_dict())),
    ):
        pass


def test_swap_wants_a_state_and_all_parameters():
    opt, _, other = stepped()
    state = opt.state_dict()
    for given in ({}, {"w": other, "x": other}):
        with (
            pytest.raises(RuntimeError, match="match optimizer.param_groups ordering"),
            rg.optim.swap_in_optimizer_params_and_state(opt, given, state),
        ):
            pass
    with (
        pytest.raises(RuntimeError, match="requires initialized optimizer state"),
        rg.optim.swap_in_optimizer_params_and_state(rg.optim.Adam([other]), {"w": other}, state),
    ):
        pass
