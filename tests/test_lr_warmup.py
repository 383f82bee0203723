"""Warm-up with the decays that follow it: the closed form, chaining, resuming, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd.optim import schedules
from retrograd.optim.lr_scheduler import ChainedScheduler, ExponentialLR, PolynomialLR, SequentialLR, WarmupLR


def optimizer(lrs=(0.1, 0.03)):
    return rg.optim.SGD([{"params": [rg.nn.Parameter(rg.ones(1))], "lr": lr} for lr in lrs])


def rates(opt, scheduler, steps):
    found = []
    for _ in range(steps):
        found.append([group["lr"] for group in opt.param_groups])
        opt.step()
        scheduler.step()
    return np.array(found)


def shape(step, warmup, total, start, decay, power, end, base):
    """The schedule as its papers draw it."""
    if step < warmup:
        return base * (start + (1 - start) * step / warmup)
    r = min(1.0, (step - warmup) / (total - warmup)) if total else 0.0
    return {
        "constant": lambda: base,
        "polynomial": lambda: end + (base - end) * (1 - r) ** power,
        "cosine": lambda: end + (base - end) * 0.5 * (1 + math.cos(math.pi * r)),
        "inverse_sqrt": lambda: (
            base / math.sqrt(max(step, 1) / max(warmup, 1)) if warmup else base / math.sqrt(1 + step)
        ),
    }[decay]()


@pytest.mark.parametrize("warmup,total", [(0, 40), (1, 40), (10, 50), (30, 31)])
@pytest.mark.parametrize("decay", ["constant", "polynomial", "cosine", "inverse_sqrt"])
def test_the_sequence_is_the_closed_form(decay, warmup, total):
    opt = optimizer()
    found = rates(opt, WarmupLR(opt, warmup, total, 0.2, decay, 1.7, 0.001), 80)
    for i, base in enumerate((0.1, 0.03)):
        expected = [shape(s, warmup, total, 0.2, decay, 1.7, 0.001, base) for s in range(80)]
        np.testing.assert_allclose(found[:, i], expected, rtol=1e-12)


def test_without_warm_up_it_is_pytorchs_polynomial():
    a, b = optimizer(), optimizer()
    np.testing.assert_allclose(
        rates(a, WarmupLR(a, 0, 40, decay="polynomial", power=2.0), 60),
        rates(b, PolynomialLR(b, 40, 2.0), 60),
        atol=1e-17,
    )


def test_chained_effects_multiply_and_sequences_begin_at_the_start():
    opt = optimizer((0.1,))
    found = rates(opt, ChainedScheduler([WarmupLR(opt, 10), ExponentialLR(opt, 0.9)]), 30)
    expected = [schedules.warmup_lr(s, 0.1, 10) * 0.9**s for s in range(30)]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-9)
    opt = optimizer((0.1,))
    found = rates(opt, SequentialLR(opt, [WarmupLR(opt, 5), ExponentialLR(opt, 0.9)], [5]), 10)
    expected = [*(0.1 * (0.1 + 0.9 * s / 5) for s in range(5)), *(0.1 * 0.9**s for s in range(5))]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-9)


def test_state_dict_and_last_epoch_resume():
    opt = optimizer()
    scheduler = WarmupLR(opt, 10, 60, decay="cosine")
    rates(opt, scheduler, 25)
    twin = optimizer()
    other = WarmupLR(twin, 3)
    twin.load_state_dict(opt.state_dict())
    other.load_state_dict(scheduler.state_dict())
    resumed = optimizer()
    resumed.load_state_dict(opt.state_dict())
    third = WarmupLR(resumed, 10, 60, decay="cosine", last_epoch=24)
    expected = rates(opt, scheduler, 40)
    np.testing.assert_allclose(rates(twin, other, 40), expected, rtol=1e-12)
    np.testing.assert_allclose(rates(resumed, third, 40), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "options,match",
    [
        ({"warmup_steps": -1}, "warmup_steps is -1"),
        ({"warmup_steps": 3, "start_factor": 0.0}, r"start_factor is 0.0; expected a factor in \(0, 1\]"),
        ({"warmup_steps": 3, "decay": "step"}, "decay is 'step'"),
        ({"warmup_steps": 3, "decay": "cosine"}, "total_steps is None"),
        ({"warmup_steps": 3, "total_steps": 3, "decay": "polynomial"}, "needs a total_steps above warmup_steps"),
    ],
)
def test_options_that_are_refused(options, match):
    opt = optimizer()
    with pytest.raises(ValueError, match=match):
        WarmupLR(opt, **options)
    assert [group["lr"] for group in opt.param_groups] == [0.1, 0.03]
