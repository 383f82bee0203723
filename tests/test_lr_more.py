"""Schedulers against PyTorch: the listing, signatures, drawn arguments over 300 steps, nesting, state from PyTorch."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import retrograd as rg
from retrograd.optim import lr_scheduler as ours

torch = pytest.importorskip("torch", reason="compares with PyTorch")
theirs = torch.optim.lr_scheduler

NAMES = sorted(theirs.__all__)


def optimizers(kind):
    pair = []
    for lib in (rg, torch):
        groups = [{"params": [lib.nn.Parameter(lib.ones(1))], "lr": lr} for lr in (0.1, 0.03, 0.7)]
        pair.append(getattr(lib.optim, kind)(groups, **({"momentum": 0.9} if kind in ("SGD", "RMSprop") else {})))
    return pair


def settings(optimizer):
    rows = [(g["lr"], g.get("momentum", 0.0), *g.get("betas", ())) for g in optimizer.param_groups]
    return np.array(rows, np.float64)


def drawn(name, rng):
    """Arguments of a scheduler, drawn; the same whichever library they are for."""

    def f(low, high):
        return float(np.round(rng.uniform(low, high), 3))

    def i(low, high):
        return int(rng.integers(low, high))

    base, growth = f(0.001, 0.1), [f(0.1, 1.0) for _ in range(3)]
    return {
        "StepLR": lambda: {"step_size": i(1, 60), "gamma": f(0.1, 1.2)},
        "MultiStepLR": lambda: {"milestones": sorted(i(0, 250) for _ in range(4)), "gamma": f(0.1, 1.1)},
        "ConstantLR": lambda: {"factor": f(0.1, 1.0), "total_iters": i(1, 200)},
        "LinearLR": lambda: {"start_factor": f(0.1, 1.0), "end_factor": f(0.0, 1.0), "total_iters": i(1, 200)},
        "ExponentialLR": lambda: {"gamma": f(0.9, 1.01)},
        "PolynomialLR": lambda: {"total_iters": i(1, 299), "power": f(0.3, 3.0)},
        "CosineAnnealingLR": lambda: {"T_max": i(2, 400), "eta_min": f(0.0, 0.01)},
        "CosineAnnealingWarmRestarts": lambda: {"T_0": i(1, 80), "T_mult": i(1, 4), "eta_min": f(0.0, 0.01)},
        "LambdaLR": lambda: {"lr_lambda": [lambda e, g=g: g ** (e / 10) for g in growth]},
        "MultiplicativeLR": lambda: {"lr_lambda": lambda e, g=growth[0]: 1.0 - g / (e + 2)},
        "CyclicLR": lambda: {
            "base_lr": base,
            "max_lr": [base + g for g in growth],
            "step_size_up": i(1, 50),
            "step_size_down": i(1, 50),
            "mode": ["triangular", "triangular2", "exp_range"][i(0, 3)],
            "gamma": f(0.95, 1.0),
            "base_momentum": f(0.5, 0.8),
            "max_momentum": f(0.8, 0.99),
        },
        "OneCycleLR": lambda: {
            "max_lr": growth,
            "total_steps": i(301, 400),
            "pct_start": f(0.1, 0.45),
            "anneal_strategy": ["cos", "linear"][i(0, 2)],
            "div_factor": f(2.0, 30.0),
            "final_div_factor": f(1.0, 1e4),
            "three_phase": bool(i(0, 2)),
            "base_momentum": f(0.5, 0.8),
            "max_momentum": f(0.8, 0.99),
        },
    }[name]()


def run(make, kind="SGD", steps=300, then=None):
    a, b = optimizers(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        s, t = make(ours, a), make(theirs, b)
        for step in range(steps):
            np.testing.assert_allclose(settings(a), settings(b), rtol=1e-11, atol=1e-14)
            a.step(), b.step(), s.step(), t.step()
            if then is not None:
                a, s = then(step, a, s, b, t)
    np.testing.assert_allclose(settings(a), settings(b), rtol=1e-11, atol=1e-14)


PLAIN = [n for n in NAMES if n not in {"ChainedScheduler", "LRScheduler", "ReduceLROnPlateau", "SequentialLR"}]


def test_no_scheduler_of_pytorch_is_missing():
    """By the classes that the module holds, whatever its __all__ says; ours beyond them are named."""
    classes = {n for n, v in vars(theirs).items() if inspect.isclass(v) and issubclass(v, theirs.LRScheduler)}
    assert classes - {"LRScheduler", "_LRScheduler"} <= set(NAMES)
    assert set(ours.__all__) == set(NAMES) | {"WarmupLR"}
    assert all(issubclass(getattr(ours, name), ours.LRScheduler) for name in NAMES)
    assert issubclass(ours._LRScheduler, ours.LRScheduler)


def test_every_scheduler_is_here_with_its_arguments():
    for name in NAMES:
        mine, other = (inspect.signature(getattr(lib, name).__init__).parameters for lib in (ours, theirs))
        assert list(mine) == list(other), name
        for key in list(mine)[1:]:
            assert mine[key].default == other[key].default, (name, key)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["AdamW", "RMSprop"])
@pytest.mark.parametrize("name", PLAIN)
def test_drawn_arguments(name, kind, seed):
    run(lambda lib, o: getattr(lib, name)(o, **drawn(name, np.random.default_rng(seed))), kind)


@pytest.mark.parametrize("name", PLAIN)
def test_state_round_trip_in_the_middle(name):
    """A scheduler made anew, with other arguments where it may, continues from the state of the old one."""

    def then(step, a, s, b, t):
        if step != 120:
            return a, s
        state, groups = s.state_dict(), [dict(g) for g in a.param_groups]
        fresh, _ = optimizers("SGD")
        u = getattr(ours, name)(fresh, **drawn(name, np.random.default_rng(0)))
        fresh.load_state_dict(a.state_dict())
        u.load_state_dict(state)
        assert [g["lr"] for g in fresh.param_groups] == [g["lr"] for g in groups]
        return fresh, u

    run(lambda lib, o: getattr(lib, name)(o, **drawn(name, np.random.default_rng(0))), then=then)


@pytest.mark.parametrize("seed", range(4))
def test_chains_of_drawn_schedulers(seed):
    rng = np.random.default_rng(seed)
    names = list(rng.choice(["StepLR", "ConstantLR", "LinearLR", "ExponentialLR", "MultiStepLR"], 3, replace=False))
    options = [drawn(n, rng) for n in names]
    run(lambda lib, o: lib.ChainedScheduler([getattr(lib, n)(o, **k) for n, k in zip(names, options, strict=True)]))


@pytest.mark.parametrize("seed", range(4))
def test_sequences_of_drawn_schedulers(seed):
    rng = np.random.default_rng(seed)
    closed = ["StepLR", "LinearLR", "ExponentialLR", "CosineAnnealingLR", "LambdaLR", "CosineAnnealingWarmRestarts"]
    names = list(rng.choice(closed, 3, replace=False))
    options = [drawn(n, rng) for n in names]
    marks = sorted(int(m) for m in rng.choice(np.arange(1, 299), 2, replace=False))
    run(
        lambda lib, o: lib.SequentialLR(
            o, [getattr(lib, n)(o, **k) for n, k in zip(names, options, strict=True)], marks
        )
    )


def nested(lib, o, order):
    """A chain and a warm-up one after the other, and a sequence within the sequence."""
    warm = lib.LinearLR(o, 0.1, total_iters=10)
    chain = lib.ChainedScheduler([lib.ConstantLR(o, 0.5, 20), lib.ExponentialLR(o, 0.99), lib.StepLR(o, 40, 0.7)])
    if order == "chain first":
        return lib.SequentialLR(o, [chain, warm], [30])
    if order == "chain last":
        return lib.SequentialLR(o, [warm, chain], [10])
    inner = lib.SequentialLR(o, [lib.ConstantLR(o, 0.5, 5), lib.ExponentialLR(o, 0.9)], [5])
    return lib.SequentialLR(o, [warm, inner], [10])


def test_a_chain_at_the_beginning_of_a_sequence():
    """As in PyTorch the chain's members step once more when the sequence is made: the first rate has a factor 0.99."""
    run(lambda lib, o: nested(lib, o, "chain first"))


@pytest.mark.parametrize("order", ["chain last", "sequence last"])
def test_compositions_that_begin_later(order):
    """PyTorch refuses these with an empty NotImplementedError: against the closed forms."""
    optimizer, other = optimizers("SGD")
    scheduler = nested(ours, optimizer, order)
    with pytest.raises(NotImplementedError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refused = nested(theirs, other, order)
        for _ in range(10):
            other.step(), refused.step()
    for step in range(300):
        s = step - 10
        if s < 0:
            factor = 0.1 + 0.9 * step / 10
        elif order == "chain last":
            factor = (0.5 if s < 20 else 1.0) * 0.99**s * 0.7 ** (s // 40)
        else:
            factor = 0.5 if s < 5 else 0.9 ** (s - 5)
        np.testing.assert_allclose(settings(optimizer)[:, 0], factor * np.array([0.1, 0.03, 0.7]), rtol=1e-9)
        optimizer.step(), scheduler.step()
    assert scheduler.get_last_lr() == [g["lr"] for g in optimizer.param_groups]


@pytest.mark.parametrize("name", PLAIN)
def test_state_of_torchs_scheduler_loads(name):
    def then(step, a, s, b, t):
        if step == 100:
            s.load_state_dict(t.state_dict())
        return a, s

    run(lambda lib, o: getattr(lib, name)(o, **drawn(name, np.random.default_rng(5))), then=then)


COMPOSED = {
    "ChainedScheduler": lambda lib, o: lib.ChainedScheduler(
        [lib.LinearLR(o, 0.2, total_iters=150), lib.MultiStepLR(o, [40, 200], 0.5), lib.ExponentialLR(o, 0.99)]
    ),
    "SequentialLR": lambda lib, o: lib.SequentialLR(
        o, [lib.LinearLR(o, 0.2, total_iters=50), lib.StepLR(o, 30, 0.8), lib.ExponentialLR(o, 0.99)], [50, 200]
    ),
}


@pytest.mark.parametrize("source", ["ours", "torch"])
@pytest.mark.parametrize("name", COMPOSED)
def test_composed_schedulers_continue_from_a_state(name, source):
    """At step 120, new objects take the state of the old ones, or of PyTorch's."""

    def then(step, a, s, b, t):
        if step != 120:
            return a, s
        fresh, _ = optimizers("SGD")
        u = COMPOSED[name](ours, fresh)
        fresh.load_state_dict(a.state_dict() if source == "ours" else b.state_dict())
        u.load_state_dict(s.state_dict() if source == "ours" else t.state_dict())
        fresh._opt_called = True
        return fresh, u

    run(lambda lib, o: COMPOSED[name](lib, o), then=then)


@pytest.mark.parametrize("seed", range(4))
def test_plateaus_of_drawn_losses(seed):
    """ReduceLROnPlateau over 300 losses, its state taken from PyTorch's in the middle and given to a new object."""
    rng = np.random.default_rng(seed)
    options = {
        "mode": ["min", "max"][seed % 2],
        "threshold_mode": ["rel", "abs"][seed // 2],
        "factor": float(rng.uniform(0.1, 0.9)),
        "patience": int(rng.integers(0, 8)),
        "cooldown": int(rng.integers(0, 5)),
        "threshold": float(rng.uniform(0, 0.05)),
        "min_lr": [1e-4, 1e-3, 1e-2],
        "eps": 1e-6,
    }
    losses = rng.normal(size=300).cumsum() + rng.normal(size=300)
    a, b = optimizers("AdamW")
    s, t = ours.ReduceLROnPlateau(a, **options), theirs.ReduceLROnPlateau(b, **options)
    for step, loss in enumerate(losses):
        s.step(loss), t.step(loss)
        np.testing.assert_allclose(settings(a), settings(b), rtol=1e-12)
        if step == 150:
            s = ours.ReduceLROnPlateau(a)
            s.load_state_dict(t.state_dict())
    assert settings(a)[0, 0] < 0.1
