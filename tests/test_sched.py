"""Learning-rate schedulers against PyTorch: 300 steps, momentum, chaining, state, warnings."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import retrograd as rg
from retrograd.optim import lr_scheduler as ours
from retrograd.optim import schedules

torch = pytest.importorskip("torch")
theirs = torch.optim.lr_scheduler

STEPS = 300


def optimizers(kind="SGD", groups=2):
    """An optimizer of each library, with groups of different rates."""
    rates = [0.1, 0.03][:groups]
    options = {"SGD": {"momentum": 0.9}, "Adam": {}, "AdamW": {}}[kind]
    pair = []
    for lib in (rg, torch):
        params = [lib.nn.Parameter(lib.ones(1)) for _ in rates]
        pair.append(
            getattr(lib.optim, kind)(
                [{"params": [p], "lr": lr} for p, lr in zip(params, rates, strict=True)], lr=1.0, **options
            )
        )
    return pair


def settings(optimizer):
    return [(float(g["lr"]), g.get("momentum"), g.get("betas")) for g in optimizer.param_groups]


def flat(values):
    return [x for group in values for v in group if v is not None for x in (v if isinstance(v, tuple) else (v,))]


def compare(make, kind="SGD", steps=STEPS, tol=1e-12):
    """Step both and compare rates and momenta after each step; make(lib, optimizer) makes the scheduler."""
    a, b = optimizers(kind)
    s, t = make(ours, a), make(theirs, b)
    for _ in range(steps):
        np.testing.assert_allclose(flat(settings(a)), flat(settings(b)), rtol=0, atol=tol)
        np.testing.assert_allclose(s.get_last_lr(), t.get_last_lr(), rtol=0, atol=tol)
        assert getattr(s, "last_epoch", None) == getattr(t, "last_epoch", None)
        a.step()
        b.step()
        s.step()
        t.step()
    return a, b, s, t


CASES = {
    "step": lambda lib, o: lib.StepLR(o, 7, 0.8),
    "step default": lambda lib, o: lib.StepLR(o, step_size=30),
    "multistep": lambda lib, o: lib.MultiStepLR(o, [10, 10, 55, 200], 0.3),
    "constant": lambda lib, o: lib.ConstantLR(o, 0.3, 20),
    "constant 0": lambda lib, o: lib.ConstantLR(o, total_iters=0),
    "linear": lambda lib, o: lib.LinearLR(o, 0.2, 0.7, 40),
    "exponential": lambda lib, o: lib.ExponentialLR(o, 0.97),
    "polynomial": lambda lib, o: lib.PolynomialLR(o, 50, 1.7),
    "cosine": lambda lib, o: lib.CosineAnnealingLR(o, 50, 0.001),
    "cosine odd": lambda lib, o: lib.CosineAnnealingLR(o, 37),
    "cosine long": lambda lib, o: lib.CosineAnnealingLR(o, 1000),
    "restarts": lambda lib, o: lib.CosineAnnealingWarmRestarts(o, 10),
    "restarts 2": lambda lib, o: lib.CosineAnnealingWarmRestarts(o, 5, 2, 0.001),
    "restarts 3": lambda lib, o: lib.CosineAnnealingWarmRestarts(o, 1, 3),
    "cyclic": lambda lib, o: lib.CyclicLR(o, 0.001, 0.1, 20),
    "cyclic down": lambda lib, o: lib.CyclicLR(o, [0.001, 0.01], [0.1, 0.2], 13, 29, "triangular2"),
    "cyclic exp": lambda lib, o: lib.CyclicLR(o, 0.001, 0.1, 20, mode="exp_range", gamma=0.99),
    "cyclic fn": lambda lib, o: lib.CyclicLR(o, 0.001, 0.1, 20, scale_fn=lambda c: 0.5 + 0.5 / c),
    "cyclic fn iterations": lambda lib, o: lib.CyclicLR(
        o, 0.001, 0.1, 20, scale_fn=lambda i: 0.999**i, scale_mode="iterations", base_momentum=0.7, max_momentum=0.95
    ),
    "cyclic still": lambda lib, o: lib.CyclicLR(o, 0.001, 0.1, 20, cycle_momentum=False),
    "onecycle": lambda lib, o: lib.OneCycleLR(o, 0.5, 300),
    "onecycle linear": lambda lib, o: lib.OneCycleLR(
        o, [0.5, 0.2], epochs=30, steps_per_epoch=10, anneal_strategy="linear"
    ),
    "onecycle three": lambda lib, o: lib.OneCycleLR(o, 0.5, 400, three_phase=True, pct_start=0.25, div_factor=10.0),
    "onecycle three linear": lambda lib, o: lib.OneCycleLR(
        o, 0.5, 301, three_phase=True, anneal_strategy="linear", final_div_factor=100.0, base_momentum=0.8
    ),
    "onecycle still": lambda lib, o: lib.OneCycleLR(o, 0.5, 300, cycle_momentum=False),
    "lambda": lambda lib, o: lib.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)]),
    "multiplicative": lambda lib, o: lib.MultiplicativeLR(o, lambda e: 0.97 if e % 3 else 1.01),
    "sequential": lambda lib, o: lib.SequentialLR(
        o, [lib.LinearLR(o, 0.1, 1.0, 10), lib.CosineAnnealingLR(o, 90), lib.ExponentialLR(o, 0.9)], [10, 100]
    ),
    "chained": lambda lib, o: lib.ChainedScheduler([lib.ConstantLR(o, 0.1, 5), lib.ExponentialLR(o, 0.99)]),
    "chained 3": lambda lib, o: lib.ChainedScheduler(
        [lib.LinearLR(o, 0.5, 1.0, 20), lib.StepLR(o, 30, 0.5), lib.PolynomialLR(o, 250, 2.0)], o
    ),
    "chained cosine": lambda lib, o: lib.ChainedScheduler(
        [lib.CosineAnnealingLR(o, 20), lib.MultiStepLR(o, [15, 18], 0.5)], o
    ),
}


@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
@pytest.mark.parametrize("name", CASES)
def test_sequence_equals_torchs(name, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR's own use of step(epoch) and its members' first steps
        compare(CASES[name], kind, steps=60 if name == "chained cosine" else STEPS, tol=1e-12)


@pytest.mark.parametrize(
    "name", [n for n in CASES if n not in ("chained", "chained 3", "chained cosine", "sequential")]
)
def test_state_dict_resumes(name):
    make = CASES[name]
    (a, _), (c, _) = optimizers(), optimizers()
    s, t = make(ours, a), make(ours, c)
    for _ in range(20):
        a.step()
        s.step()
    t.load_state_dict(s.state_dict())
    c.load_state_dict(a.state_dict())
    for _ in range(50):
        a.step()
        c.step()
        s.step()
        t.step()
        assert settings(a) == settings(c) and s.get_last_lr() == t.get_last_lr()


def test_composed_state_dict_resumes():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("sequential", "chained 3"):
            (a, _), (c, _) = optimizers(), optimizers()
            s, t = CASES[name](ours, a), CASES[name](ours, c)
            for _ in range(20):
                s.step()
            t.load_state_dict(s.state_dict())
            c.load_state_dict(a.state_dict())
            for _ in range(100):
                s.step()
                t.step()
                assert settings(a) == settings(c)


@pytest.mark.parametrize("name", [n for n in CASES if "fn" not in n and "lambda" not in n and "multip" not in n])
def test_state_dict_has_torchs_keys_where_they_matter(name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        a, b = optimizers()
        s, t = CASES[name](ours, a), CASES[name](theirs, b)
    ignored = {"_get_lr_called_within_step", "_is_initial", "_schedule_phases", "_scale_fn_ref"}
    assert set(t.state_dict()) - ignored <= set(s.state_dict()) | {"optimizer"}
    rg.save(s.state_dict(), tmp_path / "s")
    assert rg.load(tmp_path / "s") == s.state_dict()


def test_last_epoch_resumes_as_torch_does():
    for make in (
        lambda lib, o: lib.StepLR(o, 7, 0.8, last_epoch=44),
        lambda lib, o: lib.CosineAnnealingLR(o, 50, last_epoch=20),
        lambda lib, o: lib.ExponentialLR(o, 0.9, last_epoch=3),
        lambda lib, o: lib.LinearLR(o, 0.5, total_iters=30, last_epoch=3),
        lambda lib, o: lib.OneCycleLR(o, 0.5, 300, last_epoch=3, cycle_momentum=False),
        lambda lib, o: lib.LambdaLR(o, lambda e: 0.9**e, last_epoch=3),
    ):

        def prepared(lib, o, make=make):
            for g in o.param_groups:
                g["initial_lr"], g["max_lr"], g["min_lr"] = g["lr"], 0.5, 1e-4
            return make(lib, o)

        compare(prepared, steps=60)
    with pytest.raises(KeyError, match="initial_lr"):
        ours.StepLR(optimizers()[0], 7, last_epoch=3)


def test_a_rate_changed_by_hand_is_respected():
    """As in PyTorch, a scheduler multiplies what it finds."""
    for name in ("step", "exponential", "multistep", "linear", "polynomial", "cosine"):
        a, b = optimizers()
        s, t = CASES[name](ours, a), CASES[name](theirs, b)
        for i in range(45):
            if i == 9:
                for o in (a, b):
                    o.param_groups[0]["lr"] *= 0.5
            for x in (a, b, s, t):
                x.step()
            np.testing.assert_allclose(flat(settings(a)), flat(settings(b)), rtol=0, atol=1e-12)


def test_explicit_epochs():
    for name in ("step", "multistep", "exponential", "cosine", "linear", "polynomial", "constant"):
        a, b = optimizers()
        s, t = CASES[name](ours, a), CASES[name](theirs, b)
        for epoch in (3, 40, 11, 200, 0):
            with pytest.warns(UserWarning, match="epoch parameter"):
                a.step()
                s.step(epoch)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                b.step()
                t.step(epoch)
            np.testing.assert_allclose(flat(settings(a)), flat(settings(b)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("t0,mult", [(10, 1), (5, 2), (7, 3)])
def test_fractional_epochs_of_warm_restarts(t0, mult):
    a, b = optimizers()
    s, t = ours.CosineAnnealingWarmRestarts(a, t0, mult), theirs.CosineAnnealingWarmRestarts(b, t0, mult)
    for i in range(STEPS):
        epoch = i * 0.37
        s.step(epoch)
        t.step(epoch)
        np.testing.assert_allclose(s.get_last_lr(), t.get_last_lr(), rtol=0, atol=1e-12)
        assert s.last_epoch == t.last_epoch
    for _ in range(20):  # mixed with plain steps
        s.step()
        t.step()
        np.testing.assert_allclose(s.get_last_lr(), t.get_last_lr(), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="non-negative"):
        s.step(-1)


@pytest.mark.parametrize("t0,mult", [(1, 2), (5, 2), (3, 3), (10, 1), (7, 5)])
def test_restarts_are_exact(t0, mult):
    """At a restart the rate is the full one, also where a logarithm of the step would round down."""
    begin, period = 0, t0
    while begin < 10**7:
        assert schedules.restart_position(begin, t0, mult) == (0, period)
        if begin:
            passed, before = schedules.restart_position(begin - 1, t0, mult)
            assert passed == before - 1
        begin, period = begin + period, period * mult
        if mult == 1 and begin > 1000:
            break


def test_pure_functions_equal_the_holders():
    b, _ = optimizers(groups=1)
    s = ours.OneCycleLR(b, 1.0, 40)
    c, _ = optimizers(groups=1)
    r = ours.CosineAnnealingWarmRestarts(c, 3, 2)
    for step in range(40):
        assert s.get_last_lr() == [schedules.one_cycle_lr(step, 40, 1 / 25, 1.0, 1 / 25 / 1e4)]
        assert b.param_groups[0]["momentum"] == schedules.one_cycle_momentum(step, 40)
        assert r.get_last_lr() == [schedules.cosine_annealing_warm_restarts(step, 0.1, 3, 2)]
        b.step(), s.step(), r.step()


def test_closed_forms_do_not_drift():
    a, _ = optimizers(groups=1)
    s = ours.CosineAnnealingLR(a, 10)
    for _ in range(10_000):
        a.step()
        s.step()
    assert s.get_last_lr() == [schedules.cosine_annealing_lr(10_000, 0.1, 10)]


def test_onecycle_ends():
    a, b = optimizers()
    s, t = ours.OneCycleLR(a, 0.5, 10), theirs.OneCycleLR(b, 0.5, 10)
    for _ in range(10):
        for x in (a, b, s, t):
            x.step()
    with pytest.raises(ValueError, match=r"Tried to step 11 times\. The specified number of total steps is 10"):
        s.step()
    short, _ = optimizers()
    ours.OneCycleLR(short, 0.5, 10, pct_start=0.1)  # a first phase of no length divides by zero elsewhere
    assert short.param_groups[0]["lr"] == pytest.approx(0.5)


@pytest.mark.parametrize("mode,threshold_mode", [("min", "rel"), ("min", "abs"), ("max", "rel"), ("max", "abs")])
def test_plateau_equals_torchs(mode, threshold_mode):
    a, b = optimizers()
    options = {
        "mode": mode, "threshold_mode": threshold_mode, "factor": 0.5, "patience": 3, "cooldown": 2,
        "min_lr": [0.001, 0.01], "threshold": 0.01,
    }  # fmt: skip
    s, t = ours.ReduceLROnPlateau(a, **options), theirs.ReduceLROnPlateau(b, **options)
    values = np.random.default_rng(0).normal(size=120).cumsum()
    for i, v in enumerate(values):
        s.step(rg.tensor(v) if i % 2 else float(v))
        t.step(float(v))
        assert settings(a) == settings(b)
        assert (s.num_bad_epochs, s.cooldown_counter, s.best) == (t.num_bad_epochs, t.cooldown_counter, t.best)
    c, _ = optimizers()
    u = ours.ReduceLROnPlateau(c, **options)
    u.load_state_dict(s.state_dict())
    assert u.best == s.best and u.in_cooldown == s.in_cooldown


def test_tensor_rates_are_filled_in_place():
    lr = rg.tensor(0.5, dtype=rg.float64)
    opt = rg.optim.SGD([rg.nn.Parameter(rg.ones(1))], lr=lr)
    s = ours.ExponentialLR(opt, 0.5)
    last = s.get_last_lr()[0]
    opt.step()
    s.step()
    assert opt.param_groups[0]["lr"] is lr and lr.item() == 0.25 and last.item() == 0.5


# ---------------------------------------------------------------- warnings and errors
def test_order_warning():
    opt, _ = optimizers()
    s = ours.StepLR(opt, 3)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        s.step()
    opt, _ = optimizers()
    s = ours.StepLR(opt, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt.step()
        s.step()
        s.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        s.get_lr()


@pytest.mark.parametrize(
    "make,error,match",
    [
        (lambda o: ours.StepLR(3, 3), TypeError, "int is not an Optimizer"),
        (lambda o: ours.LambdaLR(o, [lambda e: e]), ValueError, "Expected 2 lr_lambdas, but got 1"),
        (lambda o: ours.MultiplicativeLR(o, 3), TypeError, "should be a function, but got int"),
        (lambda o: ours.ConstantLR(o, 2.0), ValueError, "between 0 and 1"),
        (lambda o: ours.LinearLR(o, 0.0), ValueError, "greater than 0"),
        (lambda o: ours.LinearLR(o, 0.5, 2.0), ValueError, "Ending"),
        (lambda o: ours.CyclicLR(o, 0.1, 0.2, mode="square"), ValueError, "mode is invalid"),
        (lambda o: ours.CyclicLR(o, [0.1], 0.2), ValueError, "base_lr must have the same length"),
        (lambda o: ours.CosineAnnealingWarmRestarts(o, 0), ValueError, "positive integer T_0"),
        (lambda o: ours.CosineAnnealingWarmRestarts(o, 2, 0), ValueError, "T_mult >= 1"),
        (lambda o: ours.CosineAnnealingWarmRestarts(o, 2, 1, "0"), ValueError, "eta_min"),
        (lambda o: ours.OneCycleLR(o, 0.1), ValueError, "either total_steps OR"),
        (lambda o: ours.OneCycleLR(o, 0.1, 1.5), ValueError, "positive integer total_steps"),
        (lambda o: ours.OneCycleLR(o, 0.1, epochs=2, steps_per_epoch=0), ValueError, "steps_per_epoch"),
        (lambda o: ours.OneCycleLR(o, 0.1, 10, pct_start=1), ValueError, "pct_start"),
        (lambda o: ours.OneCycleLR(o, 0.1, 10, anneal_strategy="x"), ValueError, "anneal_strategy"),
        (lambda o: ours.SequentialLR(o, [], []), ValueError, "at least one scheduler"),
        (lambda o: ours.SequentialLR(o, [ours.StepLR(o, 3)], [3]), ValueError, "one more than the number"),
        (lambda o: ours.ChainedScheduler([]), ValueError, "at least one scheduler to be chained"),
        (lambda o: ours.ChainedScheduler([ours.ReduceLROnPlateau(o)]), ValueError, "does not support"),
        (lambda o: ours.ChainedScheduler([o]), TypeError, "should have `optimizer`"),
        (lambda o: ours.ChainedScheduler([ours.StepLR(o, 3)], optimizers()[0]), ValueError, "same optimizer"),
        (lambda o: ours.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0"),
        (lambda o: ours.ReduceLROnPlateau(o, "best"), ValueError, "mode best is unknown"),
        (lambda o: ours.ReduceLROnPlateau(o, min_lr=[0.1]), ValueError, "expected 2 min_lrs, got 1"),
        (lambda o: ours.LRScheduler(o), NotImplementedError, "get_lr"),
    ],
)
def test_errors(make, error, match):
    with pytest.raises(error, match=match):
        make(optimizers()[0])


def test_no_momentum_to_cycle():
    class Bare(rg.optim.Optimizer):
        def step(self, closure=None):
            pass

    opt = Bare([rg.nn.Parameter(rg.ones(1))], {"lr": 0.1})
    for make in (lambda: ours.CyclicLR(opt, 0.1, 0.2), lambda: ours.OneCycleLR(opt, 0.1, 10)):
        with pytest.raises(ValueError, match="must support momentum or beta1"):
            make()
    ours.OneCycleLR(opt, 0.1, 10, cycle_momentum=False)


def test_own_scheduler():
    class Half(ours.LRScheduler):
        def get_lr(self):
            return [base / (1 + self.last_epoch) for base in self.base_lrs]

    opt, _ = optimizers()
    s = Half(opt)
    opt.step()
    s.step()
    assert s.get_last_lr() == [0.05, 0.015]
    assert s.state_dict()["last_epoch"] == 1


def test_lambda_state_keeps_attributes_of_callables():
    class Decay:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, epoch):
            return self.rate**epoch

    a, _ = optimizers()
    b, _ = optimizers()
    s = ours.LambdaLR(a, [Decay(0.5), lambda e: 1.0])
    t = ours.LambdaLR(b, [Decay(0.9), lambda e: 1.0])
    state = s.state_dict()
    assert state["lr_lambdas"] == [{"rate": 0.5}, None]
    t.load_state_dict(state)
    b.step()
    t.step()
    assert math.isclose(b.param_groups[0]["lr"], 0.05)
