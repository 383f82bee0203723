"""Optimizers that PyTorch lacks (diffGrad, Lion, LARS, LAMB, YellowFin) against plain renditions of their papers."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd.optim.yellowfin import single_step

SHAPES = [(), (3,), (2, 3), (0, 2)]
NAMES = ["DiffGrad", "LAMB", "LARS", "Lion", "YellowFin"]


def norm(a):
    return math.sqrt(float((a * a).sum()))


def diffgrad(p, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    g = g + weight_decay * p
    m = s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    v = s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    xi = 1 / (1 + np.exp(-np.abs(s.get("g", 0) - g)))
    s["g"] = g
    return p - lr * xi * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)


def lion(p, g, s, t, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
    m = s.get("m", 0)
    c = betas[0] * m + (1 - betas[0]) * g
    s["m"] = betas[1] * m + (1 - betas[1]) * g
    return p - lr * (np.sign(c) + weight_decay * p)


def lars(p, g, s, t, lr=1e-3, momentum=0.9, weight_decay=0.0, trust_coefficient=1e-3, eps=0.0, nesterov=False):
    size, slope = norm(p), norm(g) + weight_decay * norm(p) + eps
    local = trust_coefficient * size / slope if trust_coefficient is not None and size > 0 and slope > 0 else 1.0
    step = lr * local * (g + weight_decay * p)
    v = s["v"] = momentum * s.get("v", 0) + step
    return p - (step + momentum * v if nesterov else v)


def lamb(p, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01, norm_bounds=None, adapt=True):
    m = s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    v = s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    r = (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps) + weight_decay * p
    size = norm(p) if norm_bounds is None else min(max(norm(p), norm_bounds[0]), norm_bounds[1])
    ratio = size / norm(r) if adapt and size > 0 and norm(r) > 0 else 1.0
    return p - lr * ratio * r


RULES = {"DiffGrad": diffgrad, "Lion": lion, "LARS": lars, "LAMB": lamb}
CASES = [
    ("DiffGrad", {}),
    ("DiffGrad", {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-2, "weight_decay": 0.1}),
    ("Lion", {}),
    ("Lion", {"lr": 0.05, "betas": (0.5, 0.9), "weight_decay": 0.1}),
    ("LARS", {}),
    ("LARS", {"lr": 1.0, "momentum": 0.0, "weight_decay": 0.1, "trust_coefficient": 0.01, "eps": 1e-3}),
    ("LARS", {"lr": 0.1, "momentum": 0.5, "nesterov": True, "trust_coefficient": 0.5}),
    ("LARS", {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1, "trust_coefficient": None}),
    ("LAMB", {}),
    ("LAMB", {"lr": 0.05, "betas": (0.5, 0.9), "eps": 1e-2, "weight_decay": 0.0}),
    ("LAMB", {"lr": 0.05, "weight_decay": 0.1, "norm_bounds": (0.5, 1.0)}),
    ("LAMB", {"lr": 0.05, "weight_decay": 0.1, "adapt": False}),
]


def parameters(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    start = [rng.normal(size=shape).astype(dtype) for shape in SHAPES]
    start.append(np.zeros(2, dtype))  # a tensor without norm
    return [rg.nn.Parameter(rg.tensor(a)) for a in start], rng


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("name,options", CASES, ids=str)
def test_steps_equal_the_papers_formula(name, options, maximize):
    params, rng = parameters()
    optimizer = getattr(rg.optim, name)(params, maximize=maximize, **options)
    expected, states = [p.detach().numpy().copy() for p in params], [{} for _ in params]
    for t in range(1, 31):
        for i, p in enumerate(params):
            g = rng.normal(size=tuple(p.shape))
            p.grad = rg.tensor(g)
            expected[i] = RULES[name](expected[i], -g if maximize else g, states[i], t, **options)
        optimizer.step()
    for p, e in zip(params, expected, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), e, rtol=1e-9, atol=1e-12)


def yellowfin(points, grads, lr=0.1, mu=0.0, beta=0.999, window=20, slow=True, logs=True, clip=False, factor=1.0):
    """Algorithms 1 to 4 of the paper, for one vector; yields the point after each gradient."""
    x, last = points.copy(), points.copy()
    log, exp = (lambda h: math.log(h + 1e-15), math.exp) if logs else ((lambda h: h), (lambda h: h))
    history, lo, hi, mean, g1, g2, d = [], 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for t, g in enumerate(grads, 1):
        scale = 1.0
        if clip and t > 1:
            scale = min(1.0, math.sqrt(exp(hi / (1 - beta ** (t - 1)))) / norm(g))
        g = g * scale
        history = [*history, norm(g) ** 2][-window:]
        lo = beta * lo + (1 - beta) * log(min(history))
        hi = beta * hi + (1 - beta) * log(max(history))
        mean = beta * mean + (1 - beta) * g
        g1, g2 = beta * g1 + (1 - beta) * norm(g), beta * g2 + (1 - beta) * norm(g) ** 2
        d = beta * d + (1 - beta) * g1 / g2
        if t > 1:
            share = 1 - beta**t
            c = max(g2 / share - norm(mean / share) ** 2, 1e-15)
            h_min, h_max = exp(lo / share), exp(hi / share)
            p = (d / share) ** 2 * h_min**2 / (2 * c)
            roots = np.roots([-1.0, 3.0, -3.0 - p, 1.0])  # (1 - x)^3 = p x
            x0 = float(min(roots, key=lambda r: abs(r.imag)).real)
            ratio = math.sqrt(h_max / h_min)
            best = max(x0**2, ((ratio - 1) / (ratio + 1)) ** 2)
            mu = beta * mu + (1 - beta) * best
            lr = beta * lr + (1 - beta) * (1 - math.sqrt(best)) ** 2 / h_min
        rate = factor * lr * (min(1.0, t / (10 * window)) if slow else 1.0)
        x, last = x - rate * g + mu * (x - last), x
        yield x, lr, mu


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"beta": 0.9, "window": 3, "lr": 0.02},
        {"beta": 0.95, "slow_start": False, "log_smoothing": False, "lr": 0.01, "lr_factor": 0.5},
        {"beta": 0.95, "adapt_clip": True, "momentum": 0.5},
    ],
    ids=str,
)
@pytest.mark.parametrize("maximize", [False, True])
def test_yellowfin_equals_the_papers_algorithm(options, maximize):
    rng = np.random.default_rng(0)
    start, grads = rng.normal(size=7), rng.normal(size=(60, 7)) + 1.0
    a, b = rg.nn.Parameter(rg.tensor(start[:3])), rg.nn.Parameter(rg.tensor(start[3:].reshape(2, 2)))
    optimizer = rg.optim.YellowFin([{"params": [a]}, {"params": [b]}], maximize=maximize, **options)
    renamed = {"slow_start": "slow", "log_smoothing": "logs", "adapt_clip": "clip", "lr_factor": "factor"}
    renamed["momentum"] = "mu"
    plain = yellowfin(start, grads, **{renamed.get(k, k): v for k, v in options.items()})
    sign = -1.0 if maximize else 1.0
    for g, (x, lr, mu) in zip(grads, plain, strict=True):
        a.grad, b.grad = rg.tensor(sign * g[:3]), rg.tensor(sign * g[3:].reshape(2, 2))
        optimizer.step()
        for group in optimizer.param_groups:
            assert (group["lr"], group["momentum"]) == (pytest.approx(lr, rel=1e-9), pytest.approx(mu, rel=1e-9))
        found = np.concatenate([a.detach().numpy(), b.detach().numpy().reshape(-1)])
        np.testing.assert_allclose(found, x, rtol=1e-9, atol=1e-12)


def test_yellowfins_step_minimizes_what_the_paper_minimizes():
    """mu D^2 + lr^2 C over the momenta that are robust, by search."""
    for c, d, low, high in [(1.0, 1.0, 1.0, 1.0), (0.1, 2.0, 0.5, 8.0), (30.0, 0.5, 2.0, 3.0)]:
        mu, lr = single_step(c, d, low, high)
        ratio = math.sqrt(high / low)
        grid = np.linspace(((ratio - 1) / (ratio + 1)) ** 2, 1.0, 200_001)
        cost = grid * d**2 + ((1 - np.sqrt(grid)) ** 2 / low) ** 2 * c
        assert mu == pytest.approx(grid[cost.argmin()], abs=1e-5)
        assert lr == pytest.approx((1 - math.sqrt(mu)) ** 2 / low)
    mu, lr = single_step(1.0, 0.0, 1.0, 1.0)  # already there: stand still
    assert mu == pytest.approx(1.0) and lr == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("noise", 10.0 ** np.arange(-140, 11, 15))
def test_yellowfins_step_is_exact_for_little_noise(noise):
    """p x = (1 - x)^3 to rounding, also where the closed form of the root would cancel."""
    mu, _ = single_step(noise, 1.0, 1.0, 1.0)
    p, x = 1 / (2 * noise), math.sqrt(mu)
    assert 0.0 <= x <= 1.0 and p * x == pytest.approx((1 - x) ** 3, rel=1e-7)


def test_yellowfin_keeps_its_options_in_copies():
    import copy
    import pickle

    p = rg.nn.Parameter(rg.ones(2))
    optimizer = rg.optim.YellowFin([p], beta=0.5, window=3, slow_start=False)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert (twin.beta, twin.window, twin.slow_start) == (0.5, 3, False)


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_continues_the_run(name):
    params, rng = parameters()
    grads = [[rng.normal(size=tuple(p.shape)) for p in params] for _ in range(12)]
    optimizer = getattr(rg.optim, name)(params, lr=0.05)

    def go(params, optimizer, grads):
        for row in grads:
            for p, g in zip(params, row, strict=True):
                p.grad = rg.tensor(g)
            optimizer.step()

    go(params, optimizer, grads[:6])
    copies = [rg.nn.Parameter(p.detach().clone()) for p in params]
    twin = getattr(rg.optim, name)(copies, lr=3.0)
    twin.load_state_dict(optimizer.state_dict())
    go(params, optimizer, grads[6:])
    go(copies, twin, grads[6:])
    for p, q in zip(params, copies, strict=True):
        assert np.array_equal(p.detach().numpy(), q.detach().numpy())
    assert twin.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("name", NAMES)
def test_groups_foreach_closures_and_missing_gradients(name):
    p, q, r = (rg.nn.Parameter(rg.ones(2, dtype=rg.float64)) for _ in range(3))
    groups = [{"params": [p], "lr": 0.5}, {"params": [q, r]}]
    optimizer = getattr(rg.optim, name)(groups, lr=0.01, foreach=True)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum() + (q * q).sum()
        loss.backward()
        return loss

    with rg.no_grad():
        assert optimizer.step(closure).item() == 4.0
    assert r.tolist() == [1.0, 1.0] and r not in optimizer.state
    assert 1.0 - p[0].item() > 1.0 - q[0].item() > 0.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["capturable", "differentiable"])
def test_modes_that_are_refused(name, mode):
    with pytest.raises(NotImplementedError, match=f"{name}: {mode}=True is not supported"):
        getattr(rg.optim, name)([rg.nn.Parameter(rg.ones(2))], **{mode: True})


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_other_dtypes(name, dtype):
    params, rng = parameters()
    d = getattr(rg, dtype)
    low = [rg.nn.Parameter(p.detach().to(d)) for p in params]
    a, b = getattr(rg.optim, name)(params, lr=0.05), getattr(rg.optim, name)(low, lr=0.05)
    for _ in range(4):
        for p, q in zip(params, low, strict=True):
            g = rg.tensor(rng.normal(size=tuple(p.shape))).to(d)
            p.grad, q.grad = g.double(), g
        a.step()
        b.step()
    tol = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}[dtype]
    for p, q in zip(params, low, strict=True):
        assert q.dtype is d
        np.testing.assert_allclose(q.detach().double().numpy(), p.detach().numpy(), rtol=tol, atol=tol)


@pytest.mark.parametrize("name", NAMES)
def test_complex_parameters(name):
    p = rg.nn.Parameter(rg.tensor([1.0 + 2.0j, -1.0 + 0.0j]))
    p.grad = rg.tensor([3.0 - 1.0j, 2.0 + 2.0j])
    optimizer = getattr(rg.optim, name)([p], lr=0.25)
    if name in ("LAMB", "LARS", "YellowFin"):  # their norms are those of a whole tensor
        with pytest.raises(RuntimeError, match=f"{name} does not support complex parameters"):
            optimizer.step()
        return
    real = rg.nn.Parameter(rg.view_as_real(p.detach().clone()))
    real.grad = rg.view_as_real(p.grad)
    getattr(rg.optim, name)([real], lr=0.25).step()
    optimizer.step()
    np.testing.assert_allclose(rg.view_as_real(p.detach()).numpy(), real.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "name,options,match",
    [
        ("DiffGrad", {"lr": -1.0}, "Invalid learning rate: -1.0"),
        ("DiffGrad", {"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
        ("DiffGrad", {"eps": -1.0}, "Invalid epsilon value: -1.0"),
        ("Lion", {"betas": (0.9, 1.0)}, "Invalid beta parameter at index 1: 1.0"),
        ("Lion", {"weight_decay": -1.0}, "Invalid weight_decay value: -1.0"),
        ("LARS", {"momentum": -1.0}, "Invalid momentum value: -1.0"),
        ("LARS", {"trust_coefficient": -1.0}, "Invalid trust_coefficient value: -1.0"),
        ("LARS", {"momentum": 0.0, "nesterov": True}, "needs a momentum"),
        ("LAMB", {"norm_bounds": (2.0, 1.0)}, r"norm_bounds is \(2.0, 1.0\)"),
        ("LAMB", {"lr": rg.ones(2)}, "Tensor lr must be 1-element"),
        ("YellowFin", {"beta": 1.0}, "beta is 1.0; expected"),
        ("YellowFin", {"window": 0}, "window is 0; expected"),
        ("YellowFin", {"lr_factor": -1.0}, "Invalid lr_factor value: -1.0"),
    ],
)
def test_options_that_are_refused(name, options, match):
    with pytest.raises(ValueError, match=match):
        getattr(rg.optim, name)([rg.nn.Parameter(rg.ones(2))], **options)


@pytest.mark.parametrize("name", NAMES)
def test_steps_on_a_device_equal_the_cpus(name, cuda_fake):
    start = [rg.randn(3, 2), rg.randn(4)]
    near, far = [rg.nn.Parameter(t.clone()) for t in start], [rg.nn.Parameter(t.to("cuda")) for t in start]
    a, b = getattr(rg.optim, name)(near, lr=0.05), getattr(rg.optim, name)(far, lr=0.05)
    for _ in range(3):
        for p, q in zip(near, far, strict=True):
            p.grad = rg.randn(tuple(p.shape))
            q.grad = p.grad.to("cuda")
        a.step()
        b.step()
    for p, q in zip(near, far, strict=True):
        np.testing.assert_allclose(q.detach().cpu().numpy(), p.detach().numpy(), rtol=1e-5, atol=1e-6)
