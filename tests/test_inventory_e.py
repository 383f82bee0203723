"""Optimizers, as the source documents name them: each by its formula or its fact, and every one trains something."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn, optim

START = [10.0, 5.0]  # the document's start, of theta in f(x) = theta . (1, x)
LR = 0.005


def regression(seed=0):
    """y = 3 x + 2 + U(-0.1, 0.1), 30 samples: the rows (1, x), y, and the least-squares solution."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-5, 5, 30)
    rows, y = np.stack([np.ones(30), x], 1), 3 * x + 2 + rng.uniform(-0.1, 0.1, 30)
    return rows, y, np.linalg.lstsq(rows, y, rcond=None)[0]


def descend(make, steps, rows, y, minibatch=None):
    """The path of theta, one entry per step."""
    theta = nn.Parameter(rg.tensor(START, dtype=rg.float64))
    optimizer, path = make([theta]), []
    for step in range(steps):
        chosen = slice(None) if minibatch is None else [step % len(y)]
        optimizer.zero_grad()
        ((rg.tensor(y[chosen]) - rg.tensor(rows[chosen]) @ theta) ** 2).mean().backward()
        optimizer.step()
        path.append(theta.detach().numpy().copy())
    return np.array(path)


REGRESSIONS = {
    "sgd": lambda params: optim.SGD(params, lr=LR),
    "momentum 0.6": lambda params: optim.SGD(params, lr=LR, momentum=0.6),
    "nesterov 0.8": lambda params: optim.SGD(params, lr=LR, momentum=0.8, nesterov=True),
}


@pytest.mark.parametrize("minibatch", [None, 1], ids=["batch", "stochastic"])
@pytest.mark.parametrize("name", REGRESSIONS)
def test_E_the_regression_converges_to_2_and_3(name, minibatch):
    rows, y, best = regression()
    path = descend(REGRESSIONS[name], 3000, rows, y, minibatch)
    np.testing.assert_allclose(path[-1], [1.99, 3.00], atol=0.05)
    if minibatch is None:
        np.testing.assert_allclose(path[-1], best, atol=1e-6)


def test_E_momentum_converges_faster_than_plain_descent():
    rows, y, best = regression()
    needed = {}
    for name, make in REGRESSIONS.items():
        away = np.abs(descend(make, 1500, rows, y) - best).max(1)
        needed[name] = int(np.argmax(away < 1e-2))
    assert 0 < needed["nesterov 0.8"] < needed["momentum 0.6"] < needed["sgd"]


@pytest.mark.parametrize("name,mu", [("momentum 0.6", 0.6), ("nesterov 0.8", 0.8)])
def test_E_momentum_and_nesterov_follow_the_documents_recursion(name, mu):
    """v = mu v - eps grad J, theta = theta + v; Nesterov's gradient is that at theta + mu v, where ours then stands."""
    rows, y, _ = regression()
    path, theta, v = descend(REGRESSIONS[name], 50, rows, y), np.array(START), np.zeros(2)
    for found in path:
        at = theta + mu * v if "nesterov" in name else theta
        v = mu * v - LR * 2 * rows.T @ (rows @ at - y) / 30
        theta = theta + v
        np.testing.assert_allclose(found, theta + mu * v if "nesterov" in name else theta, rtol=1e-9)


def test_E_the_ema_momentum_of_a_constant_gradient():
    """v(t) = -eps g (1 - mu^t) / (1 - mu); as an average, with dampening mu, the limit is the gradient itself."""
    for dampening, limit in ((0.0, 10.0), (0.9, 1.0)):
        p = nn.Parameter(rg.zeros(1, dtype=rg.float64))
        optimizer = optim.SGD([p], lr=0.1, momentum=0.9, dampening=dampening)
        for t in range(1, 201):
            before = p.item()
            p.grad = rg.ones(1, dtype=rg.float64)
            optimizer.step()
            if not dampening:
                assert p.item() - before == pytest.approx(-0.1 * (1 - 0.9**t) / (1 - 0.9))
        assert optimizer.state[p]["momentum_buffer"].item() == pytest.approx(limit, rel=1e-8)


# ---------------------------------------------------------------- the adaptive ones, by their formulas
def first_steps(make, grads, start=1.0):
    p = nn.Parameter(rg.tensor(start, dtype=rg.float64))
    optimizer, path = make([p]), []
    for g in grads:
        p.grad = rg.tensor(g, dtype=rg.float64)
        optimizer.step()
        path.append(p.item())
    return path


GRADS = [1.0, -2.0, 0.5, 3.0, -1.0]


def adagrad():
    r = 0.0
    for g in GRADS:
        r += g * g
        yield 0.1 * g / (1e-10 + math.sqrt(r))


def adadelta():
    r = s = 0.0
    for g in GRADS:
        r = 0.9 * r + 0.1 * g * g
        d = math.sqrt(s + 1e-6) / math.sqrt(r + 1e-6) * g
        s = 0.9 * s + 0.1 * d * d
        yield 0.1 * d


def rmsprop(centered=False, momentum=0.0):
    r = m = v = 0.0
    for g in GRADS:
        r, m = 0.99 * r + 0.01 * g * g, 0.99 * m + 0.01 * g
        v = momentum * v + g / (math.sqrt(r - m * m if centered else r) + 1e-8)
        yield 0.1 * v


def adam(kind="adam"):
    m = v = u = most = 0.0
    for t, g in enumerate(GRADS, 1):
        m, v, u = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g, max(0.999 * u, abs(g) + 1e-8)
        most = max(most, v)
        if kind == "adamax":
            yield 0.1 / (1 - 0.9**t) * m / u
        else:
            yield 0.1 * m / (1 - 0.9**t) / (math.sqrt((most if kind == "amsgrad" else v) / (1 - 0.999**t)) + 1e-8)


def nadam():
    m = v = 0.0
    product = 1.0
    for t, g in enumerate(GRADS, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        now, later = (0.9 * (1 - 0.5 * 0.96 ** (s * 0.004)) for s in (t, t + 1))
        product *= now
        h = later * m / (1 - product * later) + (1 - now) * g / (1 - product)
        yield 0.1 * h / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)


def radam(beta2=0.9):
    m = v = 0.0
    longest = 2 / (1 - beta2) - 1
    for t, g in enumerate(GRADS, 1):
        m, v = 0.9 * m + 0.1 * g, beta2 * v + (1 - beta2) * g * g
        rho, step = longest - 2 * t * beta2**t / (1 - beta2**t), m / (1 - 0.9**t)
        if rho > 5:
            r = math.sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
            step *= r * math.sqrt(1 - beta2**t) / (math.sqrt(v) + 1e-8)
        yield 0.1 * step


def diffgrad():
    last = 0.0
    for g, step in zip(GRADS, adam(), strict=True):
        yield step / (1 + math.exp(-abs(last - g)))
        last = g


FORMULAS = {
    "Adagrad": (lambda p: optim.Adagrad(p, lr=0.1), adagrad),
    "Adadelta": (lambda p: optim.Adadelta(p, lr=0.1), adadelta),
    "RMSprop": (lambda p: optim.RMSprop(p, lr=0.1), rmsprop),
    "RMSprop with momentum": (lambda p: optim.RMSprop(p, lr=0.1, momentum=0.9), lambda: rmsprop(False, 0.9)),
    "RMSprop, centred": (lambda p: optim.RMSprop(p, lr=0.1, centered=True), lambda: rmsprop(True)),
    "Adam": (lambda p: optim.Adam(p, lr=0.1), adam),
    "AMSGrad": (lambda p: optim.Adam(p, lr=0.1, amsgrad=True), lambda: adam("amsgrad")),
    "Adamax": (lambda p: optim.Adamax(p, lr=0.1), lambda: adam("adamax")),
    "NAdam": (lambda p: optim.NAdam(p, lr=0.1), nadam),
    "RAdam": (lambda p: optim.RAdam(p, lr=0.1, betas=(0.9, 0.9)), radam),
    "diffGrad": (lambda p: optim.DiffGrad(p, lr=0.1), diffgrad),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_E_adaptive_updates_equal_the_papers_formula(name):
    make, formula = FORMULAS[name]
    tol = 1e-7 if name == "NAdam" else 1e-9  # as in PyTorch its product of factors is a float32 number
    np.testing.assert_allclose(first_steps(make, GRADS), 1.0 - np.cumsum(list(formula())), rtol=tol, atol=1e-12)


def test_E_adamw_decays_apart_from_the_gradient():
    """p shrinks by lr * weight_decay, whatever the gradient; in Adam the decay is scaled away with it."""
    plain = first_steps(lambda p: optim.Adam(p, lr=0.1), [1e3])
    decoupled = first_steps(lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.5), [1e3])
    coupled = first_steps(lambda p: optim.Adam(p, lr=0.1, weight_decay=0.5), [1e3])
    assert decoupled[0] == pytest.approx(plain[0] - 0.1 * 0.5) and coupled[0] == pytest.approx(plain[0], abs=1e-6)


def test_E_yellowfin_tunes_rate_and_momentum():
    made = []

    def make(params):
        made.append(optim.YellowFin(params, lr=LR))
        return made[0]

    rows, y, best = regression()
    path = descend(make, 1500, rows, y)
    group = made[0].param_groups[0]
    assert group["lr"] != LR and 0.1 < group["momentum"] < 1.0
    np.testing.assert_allclose(path[-1], best, atol=0.01)


# ---------------------------------------------------------------- second order
def valley(kind, **options):
    """Minimize Rosenbrock's function; (the point, the values and step lengths at which the loss was computed)."""
    w = nn.Parameter(rg.tensor([-1.2, 1.0], dtype=rg.float64))
    optimizer = getattr(optim, kind)([w], max_iter=200, tolerance_change=0.0, **options)

    def closure():
        optimizer.zero_grad()
        loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
        if kind != "NewtonCG":
            loss.backward()
        return loss

    optimizer.step(closure)
    return w.detach().numpy(), optimizer.state[w]


@pytest.mark.parametrize(
    "kind,options,iterations",
    [
        ("LBFGS", {"line_search_fn": "strong_wolfe"}, 60),
        ("NonlinearCG", {"method": "fletcher-reeves"}, 120),
        ("NonlinearCG", {"method": "polak-ribiere+"}, 60),
        ("NewtonCG", {}, 90),
    ],
)
def test_E_second_order_methods_go_through_the_valley(kind, options, iterations):
    found, state = valley(kind, **options)
    np.testing.assert_allclose(found, 1.0, atol=1e-5)
    assert state["n_iter"] <= iterations


def test_E_the_line_search_satisfies_the_strong_wolfe_conditions():
    from retrograd.optim.line_search import strong_wolfe

    f, slope = (lambda t: math.sin(3 * t) + 0.1 * (t - 4) ** 2), (lambda t: 3 * math.cos(3 * t) + 0.2 * (t - 4))
    for shift in np.linspace(0.6, 3.0, 9):
        if slope(shift) >= 0:
            continue
        for first in (1e-3, 1.0, 30.0):
            trial = lambda t, s=shift: (f(s + t), None, slope(s + t))
            value, _, t, _ = strong_wolfe(trial, first, f(shift), None, slope(shift), c1=1e-4, c2=0.9)
            assert value <= f(shift) + 1e-4 * t * slope(shift) and abs(slope(shift + t)) <= 0.9 * abs(slope(shift))


# ---------------------------------------------------------------- the perceptron
def test_E_the_perceptrons_delta_rule():
    """w = w + alpha (t - y) x with a threshold unit is gradient descent on -(t - y) w.x; it separates in finitely many."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(40, 2)) + [3, 3], rng.normal(size=(40, 2)) - [3, 3]])
    x, t = np.concatenate([x, np.ones((80, 1))], 1), np.repeat([1.0, 0.0], 40)
    w, rule = nn.Parameter(rg.zeros(3, dtype=rg.float64)), np.zeros(3)
    optimizer = optim.SGD([w], lr=0.1)
    for _ in range(20):
        errors = 0
        for i in rng.permutation(80):
            y = float(rg.tensor(x[i]) @ w.detach() > 0)
            optimizer.zero_grad()
            (-(t[i] - y) * (rg.tensor(x[i]) @ w)).backward()
            optimizer.step()
            rule = rule + 0.1 * (t[i] - float(x[i] @ rule > 0)) * x[i]
            np.testing.assert_allclose(w.detach().numpy(), rule, atol=1e-12)
            errors += y != t[i]
        if not errors:
            break
    assert errors == 0 and ((x @ rule > 0) == t).all()


# ---------------------------------------------------------------- averages of weights
def test_E_polyak_and_stochastic_weight_averages_and_the_moving_average():
    from retrograd.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    model = nn.Linear(1, 1, bias=False)
    mean = AveragedModel(model)
    ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    values = [1.0, 5.0, 3.0, -2.0]
    for v in values:
        nn.init.constant_(model.weight, v)
        mean.update_parameters(model)
        ema.update_parameters(model)
    expected = values[0]
    for v in values[1:]:
        expected = 0.9 * expected + 0.1 * v
    assert mean.module.weight.item() == pytest.approx(np.mean(values))
    assert ema.module.weight.item() == pytest.approx(expected)


def test_E_the_average_of_noisy_weights_is_nearer_to_the_minimum():
    """Polyak: stochastic descent with a constant rate wanders around the minimum; the mean of its weights does not."""
    rng, best = np.random.default_rng(0), rg.tensor([1.0, -2.0])
    model = nn.Linear(2, 1, bias=False)
    mean = optim.swa_utils.AveragedModel(model)
    optimizer, away = optim.SGD(model.parameters(), lr=0.2), []
    for step in range(600):
        optimizer.zero_grad()
        model.weight.grad = (model.weight.detach() - best) + rg.tensor(rng.normal(size=(1, 2)).astype(np.float32))
        optimizer.step()
        if step >= 100:
            mean.update_parameters(model)
            away.append(float((model.weight.detach() - best).norm()))
    assert float((mean.module.weight.detach() - best).norm()) < 0.3 * np.mean(away)


# ---------------------------------------------------------------- groups
def test_E_layers_have_rates_of_their_own():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    groups = [{"params": model[0].parameters(), "lr": 0.0}, {"params": model[1].parameters()}]
    optimizer = optim.SGD(groups, lr=0.1)
    before = [p.detach().clone() for p in model.parameters()]
    model(rg.ones(1, 2)).sum().backward()
    optimizer.step()
    moved = [float((p.detach() - b).abs().max()) for p, b in zip(model.parameters(), before, strict=True)]
    assert moved[:2] == [0.0, 0.0] and moved[3] == pytest.approx(0.1)


def test_E_weight_decay_skips_biases_and_norms():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    decayed, bare = optim.param_groups_weight_decay(model, 0.1)
    assert [id(p) for p in decayed["params"]] == [id(model[0].weight), id(model[3].weight)]
    assert {id(p) for p in bare["params"]} == {id(p) for p in (model[0].bias, *model[1].parameters(), model[3].bias)}


# ---------------------------------------------------------------- every optimizer
EVERY = sorted(
    name
    for name in optim.__all__
    if inspect.isclass(getattr(optim, name))
    and issubclass(getattr(optim, name), optim.Optimizer)
    and name != "Optimizer"
)
RATES = {
    "Adadelta": 1.0, "Adagrad": 0.1, "Adafactor": 0.3, "ASGD": 0.5, "LARS": 5.0, "Lion": 0.01, "Muon": 0.05,
    "NewtonCG": 1.0, "NonlinearCG": 1.0, "LBFGS": 1.0, "SGD": 0.3, "SparseAdam": 0.02, "YellowFin": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_E_every_optimizer_trains_a_network(name):
    """Two rings, a small network without biases: the loss falls to a third at most."""
    rng = np.random.default_rng(0)
    angle, label = rng.uniform(0, 2 * np.pi, 128), np.repeat([0.0, 1.0], 64)
    ring = (1 + label)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.1 * rng.normal(size=(128, 2))
    x, y = rg.tensor(np.concatenate([ring, np.ones((128, 1))], 1)), rg.tensor(label)
    rg.manual_seed(0)
    first, second = (nn.Parameter(rg.randn(*shape, dtype=rg.float64) / 2) for shape in ((3, 16), (16, 1)))
    model = lambda: rg.tanh(x @ first) @ second
    optimizer = getattr(optim, name)([first, second], lr=RATES.get(name, 0.02))

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model()[:, 0], y)
        if name != "NewtonCG":
            loss.backward()
        if name == "SparseAdam":
            for p in (first, second):
                p.grad = p.grad.to_sparse()
        return loss

    with rg.no_grad():
        before = nn.functional.binary_cross_entropy_with_logits(model()[:, 0], y).item()
    for _ in range(5 if name in ("LBFGS", "NewtonCG", "NonlinearCG") else 300):
        optimizer.step(closure)
    assert closure().item() < before / 3, (before, closure().item())


@pytest.mark.parametrize("name", [n for n in EVERY if n not in ("LBFGS", "Muon", "SparseAdam")])
def test_E_updates_equal_pytorchs(name):
    """The regression with default options; every configuration over 50 steps: test_optim_table.py."""
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    if not hasattr(torch.optim, name):
        assert name in {"DiffGrad", "LAMB", "LARS", "Lion", "NewtonCG", "NonlinearCG", "YellowFin"}
        return
    rows, y, _ = regression()
    path = descend(lambda p: getattr(optim, name)(p, lr=0.01), 50, rows, y)
    theta = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
    optimizer = getattr(torch.optim, name)([theta], lr=0.01)
    for found in path:
        optimizer.zero_grad()
        ((torch.tensor(y) - torch.tensor(rows) @ theta) ** 2).mean().backward()
        optimizer.step()
        np.testing.assert_allclose(found, theta.detach().numpy(), rtol=1e-9, atol=1e-9)
