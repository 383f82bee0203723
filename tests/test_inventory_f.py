"""Learning-rate schedules, as the source documents name them: the rates of a run against the closed form of each."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn, optim
from retrograd.optim import lr_scheduler as lrs

BASE, STEPS = 0.1, 120


def optimizer(**options):
    return optim.SGD([nn.Parameter(rg.zeros(1))], lr=BASE, **options)


def rates(make, key="lr", **options):
    opt = optimizer(**options)
    scheduler, found = make(opt), []
    for _ in range(STEPS):
        found.append(opt.param_groups[0][key])
        opt.step()
        scheduler.step()
    return found


def triangle(s, size):
    """The document's cyclic rate: cycle = floor(1 + s / (2 size)), x = |s / size - 2 cycle + 1|, max(0, 1 - x)."""
    cycle = math.floor(1 + s / (2 * size))
    return max(0.0, 1 - abs(s / size - 2 * cycle + 1)), cycle


def cosine(passed, high=BASE, low=0.01):
    return low + 0.5 * (high - low) * (1 + math.cos(math.pi * passed))


def restarted(s, first, factor):
    """Where s lies in periods of first, first * factor, ...: the share of its period."""
    period = first
    while s >= period:
        s, period = s - period, period * factor
    return s / period


def one_cycle(s, total=STEPS, share=0.3, high=1.0):
    start, end = high / 25, high / 25 / 1e4
    top = share * total - 1
    if s <= top:
        return cosine(s / top, start, high)
    return cosine((s - top) / (total - 1 - top), high, end)


SCHEDULES = {
    "constant": (lambda o: lrs.ConstantLR(o, 0.5, 40), lambda s: BASE * (0.5 if s < 40 else 1.0)),
    "linear": (
        lambda o: lrs.LinearLR(o, 1.0, 0.2, 60),
        lambda s: BASE * (1.0 - 0.8 * min(s, 60) / 60),
    ),
    "step (halved every 50)": (lambda o: lrs.StepLR(o, 50, 0.5), lambda s: BASE * 0.5 ** (s // 50)),
    "multi-step": (lambda o: lrs.MultiStepLR(o, [30, 80], 0.1), lambda s: BASE * 0.1 ** ((s >= 30) + (s >= 80))),
    "exponential": (lambda o: lrs.ExponentialLR(o, 0.97), lambda s: BASE * 0.97**s),
    "polynomial": (lambda o: lrs.PolynomialLR(o, 100, 2.0), lambda s: BASE * max(0.0, 1 - s / 100) ** 2),
    "polynomial to an end": (
        lambda o: lrs.WarmupLR(o, 0, 100, decay="polynomial", power=2.0, end_lr=0.01),
        lambda s: 0.01 + (BASE - 0.01) * max(0.0, 1 - s / 100) ** 2,
    ),
    "lambda": (lambda o: lrs.LambdaLR(o, lambda s: 1 / (1 + s)), lambda s: BASE / (1 + s)),
    "multiplicative": (
        lambda o: lrs.MultiplicativeLR(o, lambda s: s / (s + 1)),
        lambda s: BASE / (s + 1),  # the product telescopes
    ),
    "cosine": (lambda o: lrs.CosineAnnealingLR(o, 60, 0.01), lambda s: cosine(s / 60)),
    "cosine with warm restarts": (
        lambda o: lrs.CosineAnnealingWarmRestarts(o, 10, 2, 0.01),
        lambda s: cosine(restarted(s, 10, 2)),
    ),
    "cyclic, triangular": (
        lambda o: lrs.CyclicLR(o, 0.01, BASE, 15, cycle_momentum=False),
        lambda s: 0.01 + (BASE - 0.01) * triangle(s, 15)[0],
    ),
    "cyclic, triangular2": (
        lambda o: lrs.CyclicLR(o, 0.01, BASE, 15, mode="triangular2", cycle_momentum=False),
        lambda s: 0.01 + (BASE - 0.01) * triangle(s, 15)[0] / 2 ** (triangle(s, 15)[1] - 1),
    ),
    "cyclic, exp_range": (
        lambda o: lrs.CyclicLR(o, 0.01, BASE, 15, mode="exp_range", gamma=0.98, cycle_momentum=False),
        lambda s: 0.01 + (BASE - 0.01) * triangle(s, 15)[0] * 0.98**s,
    ),
    "1cycle": (lambda o: lrs.OneCycleLR(o, 1.0, STEPS + 1), lambda s: one_cycle(s, STEPS + 1)),
    "warm-up": (
        lambda o: lrs.WarmupLR(o, 20, start_factor=0.1),
        lambda s: BASE * min(1.0, 0.1 + 0.9 * s / 20),
    ),
    "warm-up, then cosine": (
        lambda o: lrs.WarmupLR(o, 20, 100, start_factor=0.1, decay="cosine", end_lr=0.01),
        lambda s: BASE * (0.1 + 0.9 * s / 20) if s < 20 else cosine(min(1.0, (s - 20) / 80)),
    ),
    "warm-up, then 1 / sqrt": (
        lambda o: lrs.WarmupLR(o, 20, start_factor=0.1, decay="inverse_sqrt"),
        lambda s: BASE * (0.1 + 0.9 * s / 20) if s < 20 else BASE * math.sqrt(20 / s),
    ),
    "sequential": (
        lambda o: lrs.SequentialLR(o, [lrs.LinearLR(o, 0.1, 1.0, 20), lrs.ExponentialLR(o, 0.97)], [20]),
        lambda s: BASE * (0.1 + 0.9 * s / 20) if s < 20 else BASE * 0.97 ** (s - 20),
    ),
    "chained": (
        lambda o: lrs.ChainedScheduler([lrs.StepLR(o, 50, 0.5), lrs.ExponentialLR(o, 0.97)]),
        lambda s: BASE * 0.5 ** (s // 50) * 0.97**s,
    ),
}


@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")
@pytest.mark.parametrize("name", SCHEDULES)
def test_F_the_schedule_is_its_closed_form(name):
    make, formula = SCHEDULES[name]
    np.testing.assert_allclose(rates(make), [formula(s) for s in range(STEPS)], rtol=1e-9, atol=1e-15)


def test_F_momentum_is_cycled_against_the_rate():
    cyclic = rates(
        lambda o: lrs.CyclicLR(o, 0.01, BASE, 15, base_momentum=0.8, max_momentum=0.9), "momentum", momentum=0.9
    )
    np.testing.assert_allclose(cyclic, [0.9 - 0.1 * triangle(s, 15)[0] for s in range(STEPS)])
    make = lambda o: lrs.OneCycleLR(o, 1.0, STEPS + 1, base_momentum=0.8, max_momentum=0.9)
    rate, momentum = (np.array(rates(make, key, momentum=0.9)) for key in ("lr", "momentum"))
    top = int(rate.argmax())
    assert momentum.argmin() == top and momentum[0] == 0.9
    assert (np.diff(momentum[: top + 1]) < 0).all() and (np.diff(momentum[top:]) > 0).all()


def test_F_the_plateau_lowers_the_rate_after_patience():
    """The rate is halved when the loss has not improved for more than `patience` epochs, and not otherwise."""
    opt = optimizer()
    scheduler = lrs.ReduceLROnPlateau(opt, factor=0.5, patience=3)
    found = []
    for loss in [5, 4, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2]:
        scheduler.step(loss)
        found.append(opt.param_groups[0]["lr"] / BASE)
    assert found == [1.0] * 6 + [0.5] * 5 + [0.25] * 2


def test_F_the_warm_restarts_begin_at_the_full_rate_again():
    found = rates(lambda o: lrs.CosineAnnealingWarmRestarts(o, 10, 2))
    assert [s for s in range(STEPS) if found[s] == BASE] == [0, 10, 30, 70]


def test_F_the_range_test_finds_the_border_of_stability():
    """On a quadratic of curvature 2, descent diverges beyond a rate of 2 / 2 = 1: there the loss leaves its minimum."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 3.0)
    loader = [(rg.ones(1, 1), rg.zeros(1, 1))]  # loss w^2
    found = optim.lr_range_test(model, loader, nn.functional.mse_loss, start_lr=1e-3, end_lr=3.0, smoothing=1.0)
    lr, loss = np.array(found.lrs), np.array(found.losses)
    first_rise = lr[1:][np.diff(loss) > 0][0]
    assert 1.0 < first_rise < 1.2 and found.steepest() < 1.0 and model.weight.item() == 3.0


def test_F_the_range_test_is_drawn():
    figure = pytest.importorskip("matplotlib.figure", reason="draws").Figure()
    ax = optim.LRRange([1e-3, 1e-2, 1e-1], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]).plot(figure.add_subplot())
    assert ax.get_xscale() == "log" and len(ax.get_lines()) == 3


def test_F_snapshots_at_the_restarts_beat_their_average_member():
    """The ensemble's loss is at most the mean of its members' (the logarithm is concave), on a noisy problem less."""
    rg.manual_seed(0)
    x = rg.randn(200, 2)
    y = ((x[:, 0] * x[:, 1] + 0.3 * rg.randn(200)) > 0).long()
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    opt = optim.SGD(model.parameters(), lr=0.5)
    scheduler = lrs.CosineAnnealingWarmRestarts(opt, T_0=40)
    ensemble = optim.SnapshotEnsemble(model, scheduler)
    for step in range(200):
        rows = rg.randint(200, (16,))
        opt.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        opt.step()
        scheduler.step()
        assert ensemble.step() is ((step + 1) % 40 == 0)
    assert len(ensemble) == 5
    nll = lambda p: -p.gather(-1, y.expand(*p.shape[:-1]).unsqueeze(-1)).log().mean().item()
    members = ensemble.members(x)
    assert nll(ensemble(x)) < np.mean([nll(p) for p in members])
