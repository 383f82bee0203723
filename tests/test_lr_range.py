"""The learning-rate range test: the rates, the losses, what it suggests, and that it leaves no trace."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.optim import LRRange, lr_range_test

mse = nn.functional.mse_loss


def problem():
    rg.manual_seed(0)
    x = rg.randn(64, 3)
    loader = [(x[i : i + 16], (x @ rg.tensor([[1.0], [2.0], [3.0]]))[i : i + 16]) for i in range(0, 64, 16)]
    return nn.Linear(3, 1), loader


def test_rates_and_losses_are_those_of_the_run():
    model, loader = problem()
    weight, bias = model.weight.detach().double().numpy()[0], model.bias.item()
    found = lr_range_test(model, loader, mse, start_lr=1e-3, end_lr=0.1, steps=9, smoothing=0.2)
    np.testing.assert_allclose(found.lrs, np.geomspace(1e-3, 0.1, 9))
    average = 0.0
    for i, lr in enumerate(found.lrs):  # the same run by hand
        x, y = (t.double().numpy() for t in loader[i % 4])
        error = x @ weight + bias - y[:, 0]
        assert found.losses[i] == pytest.approx((error**2).mean(), rel=1e-4)
        average = 0.2 * found.losses[i] + 0.8 * average
        assert found.smoothed[i] == pytest.approx(average / (1 - 0.8 ** (i + 1)))
        weight, bias = weight - lr * 2 * error @ x / 16, bias - lr * 2 * error.mean()
    linear = lr_range_test(model, loader, mse, start_lr=0.01, end_lr=0.05, steps=5, mode="linear")
    np.testing.assert_allclose(linear.lrs, [0.01, 0.02, 0.03, 0.04, 0.05])


def test_it_ends_where_the_loss_diverges_and_suggests_a_rate_that_trains():
    model, loader = problem()
    found = lr_range_test(model, loader, mse, start_lr=1e-5, end_lr=100.0)
    assert len(found.lrs) < 100 and found.smoothed[-1] > 5.0 * min(found.smoothed)
    largest = 2.0 / np.linalg.eigvalsh(2 * np.cov(np.vstack([x.numpy() for x, _ in loader]).T)).max()
    assert 0.01 < found.steepest() < largest < found.lowest()  # beyond 2 / curvature steps diverge
    optimizer = rg.optim.SGD(model.parameters(), lr=found.steepest())
    for _ in range(30):
        for x, y in loader:
            optimizer.zero_grad()
            loss = mse(model(x), y)
            loss.backward()
            optimizer.step()
    assert loss.item() < 0.01 * found.losses[0]


class Noisy(nn.Module):
    """Everything that a training step may change: buffers, a buffer that is replaced, dropout's random numbers."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
        self.register_buffer("seen", rg.zeros(()), persistent=False)

    def forward(self, x):
        self.seen = self.seen + len(x)
        return self.body(x)


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_as_before(fails):
    _, loader = problem()
    model = Noisy()
    model.body[2].eval()
    optimizer = rg.optim.Adam(model.parameters(), lr=0.5)
    mse(model(loader[0][0]), loader[0][1]).backward()
    optimizer.step()
    seen, grads = model.seen, [p.grad for p in model.parameters()]
    values = [t.detach().clone() for t in (*model.parameters(), *model.buffers())]
    moments = [optimizer.state[p]["exp_avg"].clone() for p in model.parameters()]
    steps, modes, rng = dict(optimizer.param_groups[0]), [m.training for m in model.modules()], rg.get_rng_state()

    def loss(output, target):
        loss.calls += 1
        if fails and loss.calls == 5:
            raise KeyError("broken")
        return mse(output, target)

    loss.calls = 0
    if fails:
        with pytest.raises(KeyError, match="broken"):
            lr_range_test(model, loader, loss, optimizer)
    else:
        found = lr_range_test(model, loader, loss, optimizer, start_lr=1e-4, steps=10)
        assert len(found.lrs) == loss.calls == 10
    assert model.seen is seen and [p.grad for p in model.parameters()] == grads
    for t, before in zip((*model.parameters(), *model.buffers()), values, strict=True):
        assert np.array_equal(t.detach().numpy(), before.numpy())
    for p, before in zip(model.parameters(), moments, strict=True):
        assert np.array_equal(optimizer.state[p]["exp_avg"].numpy(), before.numpy())
        assert optimizer.state[p]["step"].item() == 1
    assert optimizer.param_groups[0] == steps and [m.training for m in model.modules()] == modes
    assert np.array_equal(rg.get_rng_state().numpy(), rng.numpy())


def test_a_run_that_blows_up_keeps_finite_values_only():
    model, loader = problem()
    found = lr_range_test(model, loader, lambda a, b: mse(a, b) ** 8, start_lr=1e3, end_lr=1e9, diverge=float("inf"))
    assert found.lrs and np.isfinite(found.losses).all()


def test_the_plot():
    figure = pytest.importorskip("matplotlib.figure", reason="draws").Figure()
    model, loader = problem()
    found = lr_range_test(model, loader, mse, start_lr=1e-4, steps=40)
    ax = found.plot(figure.add_subplot())
    assert ax.get_xscale() == "log" and ax.get_xlabel() == "learning rate"
    drawn = {line.get_label().split(":")[0]: line for line in ax.get_lines()}
    assert set(drawn) == {"loss", "smoothed", "steepest"}
    np.testing.assert_allclose(drawn["loss"].get_xdata(), found.lrs)
    np.testing.assert_allclose(drawn["smoothed"].get_ydata(), found.smoothed)
    assert drawn["steepest"].get_xdata()[0] == found.steepest()
    rising = LRRange([0.1, 1.0], [1.0, 2.0], [1.0, 2.0]).plot(figure.add_subplot())
    assert len(rising.get_lines()) == 2


def test_a_new_figure(monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot", reason="draws")
    plt.switch_backend("Agg")
    ax = LRRange([0.1, 1.0], [2.0, 1.0], [2.0, 1.0]).plot()
    assert ax.figure.get_axes() == [ax]
    plt.close(ax.figure)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"LRRange.plot needs matplotlib.*pip install"):
        LRRange([0.1, 1.0], [2.0, 1.0], [2.0, 1.0]).plot()


@pytest.mark.parametrize(
    "options,match",
    [
        ({"start_lr": 0.0}, "expected 0 < start_lr < end_lr"),
        ({"start_lr": 2.0, "end_lr": 1.0}, "start_lr=2.0, end_lr=1.0"),
        ({"steps": 1}, "steps is 1"),
        ({"mode": "cosine"}, "mode is 'cosine'"),
        ({"smoothing": 0.0}, "smoothing is 0.0"),
    ],
)
def test_options_that_are_refused(options, match):
    model, loader = problem()
    with pytest.raises(ValueError, match=match):
        lr_range_test(model, loader, mse, **options)


def test_loaders_and_runs_without_a_result():
    model, loader = problem()
    with pytest.raises(ValueError, match="the loader gave no batch"):
        lr_range_test(model, [], mse)
    with pytest.raises(ValueError, match="an iterator is exhausted after one pass"):
        lr_range_test(model, iter(loader), mse)
    with pytest.raises(ValueError, match="the loss never falls"):
        LRRange([0.1, 1.0], [1.0, 2.0], [1.0, 2.0]).steepest()
