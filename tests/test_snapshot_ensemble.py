"""Snapshot ensembles: when snapshots are taken, what they hold, and the average of their probabilities."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.optim import SnapshotEnsemble
from retrograd.optim.lr_scheduler import CosineAnnealingWarmRestarts, CyclicLR, ExponentialLR


def run(make, steps=12, **options):
    """Train a little; the ensemble, and the model's weight after every step."""
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    optimizer = rg.optim.SGD(model.parameters(), lr=0.5)
    scheduler = make(optimizer)
    ensemble = SnapshotEnsemble(model, scheduler, **options)
    weights, taken = [], []
    for step in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(rg.randn(8, 2)), rg.randint(3, (8,))).backward()
        optimizer.step()
        scheduler.step()
        weights.append(model[0].weight.detach().numpy().copy())
        if ensemble.step():
            taken.append(step)
    return model, ensemble, weights, taken


@pytest.mark.parametrize(
    "make,expected",
    [
        (lambda o: CosineAnnealingWarmRestarts(o, T_0=4), [3, 7, 11]),
        (lambda o: CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2), [2, 8]),
        (lambda o: CyclicLR(o, 0.1, 0.5, step_size_up=1, step_size_down=3, cycle_momentum=False), [4, 8]),
        (lambda o: ExponentialLR(o, 0.9), []),
    ],
)
def test_snapshots_are_taken_where_the_rate_rises_again(make, expected):
    _, ensemble, weights, taken = run(make)
    assert taken == expected and len(ensemble) == len(expected)
    for step, state in zip(taken, ensemble.snapshots, strict=True):
        assert np.array_equal(state["0.weight"].numpy(), weights[step])  # copies: the run went on


def test_at_a_restart_the_last_step_was_the_one_at_the_least_rate():
    """The rates of a cycle fall from 0.5; the model that is kept has made all its steps, none of the next cycle's."""
    rates = []

    def make(optimizer):
        optimizer.register_step_pre_hook(lambda o, args, kwargs: rates.append(o.param_groups[0]["lr"]))
        return CosineAnnealingWarmRestarts(optimizer, T_0=4)

    _, _, _, taken = run(make)
    assert [rates[i] for i in taken] == [min(rates)] * 3


def test_probabilities_are_averaged():
    model, ensemble, _, _ = run(lambda o: CosineAnnealingWarmRestarts(o, T_0=4))
    x = rg.randn(5, 2)
    expected = []
    for state in ensemble.snapshots:
        twin = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).eval()
        twin.load_state_dict(state)
        logits = twin(x).detach().double().numpy()
        expected.append(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))
    weight, statistics = model[0].weight.detach().clone(), model[1].running_mean.clone()
    found = ensemble(x)
    np.testing.assert_allclose(found.numpy(), np.mean(expected, 0), rtol=1e-5)
    np.testing.assert_allclose(ensemble.members(x).numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(found.sum(1).numpy(), 1.0, rtol=1e-6)
    assert not found.requires_grad and model.training and model[1].training
    assert rg.equal(model[0].weight, weight) and rg.equal(model[1].running_mean, statistics)


def test_keep_and_other_probabilities():
    model, ensemble, weights, taken = run(
        lambda o: CosineAnnealingWarmRestarts(o, T_0=4), keep=2, probabilities=lambda output: output.sigmoid()
    )
    assert len(taken) == 3 and len(ensemble) == 2
    assert np.array_equal(ensemble.snapshots[0]["0.weight"].numpy(), weights[taken[1]])
    x = rg.randn(5, 2)
    ensemble.snapshots = ensemble.snapshots[1:]  # taken at the last step: the model as it is
    np.testing.assert_allclose(ensemble(x).numpy(), model.eval()(x).sigmoid().detach().numpy(), rtol=1e-6)


def test_state_dict_restores_snapshots_and_cycle():
    _, ensemble, _, _ = run(lambda o: CosineAnnealingWarmRestarts(o, T_0=4), steps=6)
    other = SnapshotEnsemble(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), ensemble.scheduler)
    other.load_state_dict(ensemble.state_dict())
    x = rg.randn(5, 2)
    assert rg.equal(other(x), ensemble(x))
    assert other.state_dict()["falling"] is True and other.state_dict()["last"] == ensemble.scheduler.get_last_lr()[0]
    other.snapshots[0]["0.weight"].zero_()
    assert not rg.equal(other(x), ensemble(x))


def test_what_is_refused():
    model = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="keep is 0"):
        SnapshotEnsemble(model, keep=0)
    ensemble = SnapshotEnsemble(model)
    with pytest.raises(RuntimeError, match="there is no scheduler to watch"):
        ensemble.step()
    with pytest.raises(RuntimeError, match="there are no snapshots yet"):
        ensemble(rg.ones(1, 2))
    ensemble.collect()
    assert ensemble(rg.ones(1, 2)).shape == (1, 2)
