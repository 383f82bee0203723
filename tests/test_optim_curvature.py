"""Nonlinear conjugate gradients and Newton-CG: the minima and the rates of convergence that their theory promises."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

import retrograd as rg
from retrograd.autograd.errors import GraphError

METHODS = ["fletcher-reeves", "polak-ribiere+"]


def quadratic(n=12, seed=0):
    """A positive definite matrix, a right-hand side, and where 1/2 x'Ax - b'x is least."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    a = (q * np.linspace(1.0, 50.0, n)) @ q.T
    b = rng.normal(size=n)
    return a, b, np.linalg.solve(a, b)


def logistic(seed=0):
    """A penalized logistic regression: (loss of parameters, in rg; the same in NumPy with its gradient; dimension)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 4))
    y = np.sign(x @ rng.normal(size=4) + 0.5 * rng.normal(size=60))

    def ours(w):
        return rg.nn.functional.softplus(rg.tensor(-y) * (rg.tensor(x) @ w)).sum() + 0.5 * (w * w).sum()

    def plain(w):
        z = -y * (x @ w)
        return np.logaddexp(0, z).sum() + 0.5 * w @ w, x.T @ (-y / (1 + np.exp(-z))) + w

    return ours, plain, 4


def rosenbrock(w):
    return (100.0 * (w[1:] - w[:-1] ** 2) ** 2 + (1 - w[:-1]) ** 2).sum()


def minimized(optimizer, w, loss, backward):
    def closure():
        if not backward:
            return loss(w)
        optimizer.zero_grad()
        value = loss(w)
        value.backward()
        return value

    return optimizer.step(closure)


def cg(w, **options):
    return rg.optim.NonlinearCG([w], **{"max_iter": 500, "tolerance_grad": 1e-9, "tolerance_change": 0.0, **options})


def newton(w, **options):
    return rg.optim.NewtonCG([w], **{"max_iter": 100, "tolerance_grad": 1e-10, "tolerance_change": 0.0, **options})


# ---------------------------------------------------------------- nonlinear conjugate gradients
@pytest.mark.parametrize("method", METHODS)
def test_cg_solves_a_quadratic_in_about_as_many_iterations_as_dimensions(method):
    a, b, solution = quadratic()
    w = rg.nn.Parameter(rg.zeros(12, dtype=rg.float64))
    optimizer = cg(w, method=method, tolerance_grad=1e-7)
    minimized(optimizer, w, lambda w: 0.5 * w @ rg.tensor(a) @ w - rg.tensor(b) @ w, True)
    np.testing.assert_allclose(w.detach().numpy(), solution, atol=1e-6)
    descent = np.zeros(12)
    for _ in range(optimizer.state[w]["n_iter"]):  # steepest descent with exact line searches gets nowhere near
        g = a @ descent - b
        descent -= (g @ g) / (g @ a @ g) * g
    assert optimizer.state[w]["n_iter"] <= 30 and np.abs(descent - solution).max() > 1e-5


def test_cg_takes_fletchers_and_reeves_directions():
    """After one line search the next direction is -g + (g.g / g'.g') d', for Polak and Ribiere with (g - g') in it."""
    a, b, _ = quadratic()
    loss = lambda w: 0.5 * w @ rg.tensor(a) @ w - rg.tensor(b) @ w
    for method in METHODS:
        w = rg.nn.Parameter(rg.zeros(12, dtype=rg.float64))
        optimizer = cg(w, method=method, max_iter=1)
        minimized(optimizer, w, loss, True)
        before, g = -b, a @ w.detach().numpy() - b
        np.testing.assert_allclose(optimizer.state[w]["d"].numpy(), b)
        minimized(optimizer, w, loss, True)
        share = g @ g if method == "fletcher-reeves" else max(0.0, g @ (g - before))
        np.testing.assert_allclose(optimizer.state[w]["d"].numpy(), -g + share / (before @ before) * b, rtol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_cg_finds_scipys_minimum(method):
    ours, plain, n = logistic()
    expected = minimize(plain, np.zeros(n), jac=True, method="CG", options={"gtol": 1e-9}).x
    w = rg.nn.Parameter(rg.zeros(n, dtype=rg.float64))
    minimized(cg(w, method=method), w, ours, True)
    np.testing.assert_allclose(w.detach().numpy(), expected, atol=1e-7)


@pytest.mark.parametrize("options", [{}, {"restart_every": 5}, {"method": "fletcher-reeves", "restart_every": 5}])
def test_cg_goes_through_rosenbrocks_valley(options):
    w = rg.nn.Parameter(rg.tensor([-1.2, 1.0, 0.8, -0.5], dtype=rg.float64))
    optimizer = cg(w, **options)
    first = minimized(optimizer, w, rosenbrock, True)
    assert first.item() == pytest.approx(rosen([-1.2, 1.0, 0.8, -0.5]))
    found = w.detach().numpy()
    assert np.abs(rosen_der(found)).max() < 1e-6  # four dimensions have two minima
    assert optimizer.state[w]["func_evals"] < 1000


def test_cg_in_short_calls_equals_one_long_call():
    points = []
    for calls, each in ((1, 12), (12, 1)):
        w = rg.nn.Parameter(rg.tensor([-1.2, 1.0], dtype=rg.float64))
        optimizer = cg(w, max_iter=each, max_eval=10_000)
        for _ in range(calls):
            minimized(optimizer, w, rosenbrock, True)
        points.append(w.tolist())
    assert points[0] == points[1]


# ---------------------------------------------------------------- Newton-CG
def test_newton_solves_a_quadratic_in_a_few_steps():
    a, b, solution = quadratic()
    w = rg.nn.Parameter(rg.zeros(12, dtype=rg.float64))
    optimizer = newton(w)
    minimized(optimizer, w, lambda w: 0.5 * w @ rg.tensor(a) @ w - rg.tensor(b) @ w, False)
    np.testing.assert_allclose(w.detach().numpy(), solution, atol=1e-9)
    assert optimizer.state[w]["n_iter"] <= 10


def test_newton_directions_solve_the_newton_system():
    """With an inner loop that runs to its end the first step is -H^-1 g; the products are with the true Hessian."""
    ours, _, n = logistic()
    w = rg.nn.Parameter(rg.full((n,), 0.1, dtype=rg.float64))
    h = rg.func.hessian(ours)(w.detach()).numpy()
    g = rg.autograd.grad(ours(w), w)[0].numpy()
    optimizer = newton(w, max_iter=1)
    before = w.detach().numpy().copy()
    minimized(optimizer, w, ours, False)
    step = (w.detach().numpy() - before) / optimizer.state[w]["t"]
    assert np.linalg.norm(h @ step + g) <= min(0.5, np.linalg.norm(g) ** 0.5) * np.linalg.norm(g)


def test_newton_finds_scipys_minimum():
    ours, plain, n = logistic()
    expected = minimize(plain, np.zeros(n), jac=True, method="Newton-CG", options={"xtol": 1e-12}).x
    w = rg.nn.Parameter(rg.zeros(n, dtype=rg.float64))
    minimized(newton(w), w, ours, False)
    np.testing.assert_allclose(w.detach().numpy(), expected, atol=1e-8)


def test_newton_converges_quadratically():
    """Near the minimum the error falls faster than by any factor: in four steps from 0.1 to rounding."""
    ours, plain, n = logistic()
    best = minimize(plain, np.zeros(n), jac=True, method="BFGS", options={"gtol": 1e-12}).x
    w = rg.nn.Parameter(rg.tensor(best + 0.1))
    optimizer, gradients = newton(w, max_iter=1), []
    for _ in range(6):
        minimized(optimizer, w, ours, False)
        gradients.append(np.abs(plain(w.detach().numpy())[1]).max())
    assert gradients[-1] < 1e-10
    later = [(np.log(b) / np.log(a)) for a, b in itertools.pairwise(gradients) if 1e-7 < a < 1e-1]
    assert later and max(later) > 1.4  # the order of convergence


def test_newton_leaves_a_saddle_and_goes_through_rosenbrocks_valley():
    w = rg.nn.Parameter(rg.tensor([-1.2, 1.0], dtype=rg.float64))
    minimized(newton(w), w, rosenbrock, False)
    np.testing.assert_allclose(w.detach().numpy(), 1.0, atol=1e-9)
    v = rg.nn.Parameter(rg.tensor([0.5, 0.01], dtype=rg.float64))  # x^2 + (y^2 - 1)^2: negative curvature at y = 0
    minimized(newton(v), v, lambda v: v[0] ** 2 + (v[1] ** 2 - 1) ** 2, False)
    np.testing.assert_allclose(v.detach().numpy(), [0.0, 1.0], atol=1e-8)


def test_newton_with_parameters_of_every_role():
    """Several shapes, one parameter in a linear term only (no curvature row), one that the loss does not depend on."""
    a, b, c = (rg.nn.Parameter(rg.ones(shape, dtype=rg.float64)) for shape in ((2, 3), (), (2,)))
    optimizer = rg.optim.NewtonCG([a, b, c], tolerance_change=0.0)
    optimizer.step(lambda: ((a - 3.0) ** 2).sum() + (b - 2.0) ** 4)
    np.testing.assert_allclose(a.detach().numpy(), 3.0, atol=1e-6)
    assert abs(b.item() - 2.0) < 0.02 and c.tolist() == [1.0, 1.0]
    d = rg.nn.Parameter(rg.ones((), dtype=rg.float64))
    rg.optim.NewtonCG([d], max_iter=1).step(lambda: 2.0 * d)  # no Hessian at all: steepest descent
    assert d.item() < 1.0 and d.grad is None


# ---------------------------------------------------------------- both
@pytest.mark.parametrize("kind", ["NonlinearCG", "NewtonCG"])
def test_maximize_finds_the_same_point_of_the_negated_loss(kind):
    backward = kind == "NonlinearCG"
    points = []
    for sign in (1.0, -1.0):
        w = rg.nn.Parameter(rg.tensor([-1.2, 1.0], dtype=rg.float64))
        optimizer = getattr(rg.optim, kind)([w], max_iter=30, maximize=sign < 0)
        first = minimized(optimizer, w, lambda w, sign=sign: sign * rosenbrock(w), backward)
        assert first.item() == pytest.approx(sign * 24.2)
        points.append(w.tolist())
    assert points[0] == points[1]


@pytest.mark.parametrize("kind", ["NonlinearCG", "NewtonCG"])
def test_state_dict_continues_the_run(kind):
    backward = kind == "NonlinearCG"
    w = rg.nn.Parameter(rg.tensor([-1.2, 1.0], dtype=rg.float64))
    optimizer = getattr(rg.optim, kind)([w], max_iter=4)
    minimized(optimizer, w, rosenbrock, backward)
    v = rg.nn.Parameter(w.detach().clone())
    twin = getattr(rg.optim, kind)([v])
    twin.load_state_dict(optimizer.state_dict())
    minimized(optimizer, w, rosenbrock, backward)
    minimized(twin, v, rosenbrock, backward)
    assert w.tolist() == v.tolist() and optimizer.state[w]["n_iter"] == twin.state[v]["n_iter"] > 4


@pytest.mark.parametrize("kind", ["NonlinearCG", "NewtonCG"])
def test_on_a_device(kind, cuda_fake):
    near = rg.nn.Parameter(rg.tensor([-1.2, 1.0], dtype=rg.float64))
    far = rg.nn.Parameter(near.detach().to("cuda"))
    for w in (near, far):
        minimized(getattr(rg.optim, kind)([w], max_iter=5), w, rosenbrock, kind == "NonlinearCG")
    np.testing.assert_allclose(far.detach().cpu().numpy(), near.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "make,error,match",
    [
        (
            lambda p: rg.optim.NonlinearCG([p], method="newton"),
            ValueError,
            "method is 'newton'; expected one of fletcher",
        ),
        (lambda p: rg.optim.NonlinearCG([p], restart_every=0), ValueError, "restart_every is 0"),
        (lambda p: rg.optim.NonlinearCG([p], lr=-1.0), ValueError, "Invalid learning rate"),
        (lambda p: rg.optim.NonlinearCG([{"params": [p]}, {"params": [p.detach()]}]), ValueError, "parameter groups"),
        (lambda p: rg.optim.NewtonCG([p], max_cg=0), ValueError, "max_cg is 0"),
        (lambda p: rg.optim.NewtonCG([{"params": [p]}, {"params": [p.detach()]}]), ValueError, "parameter groups"),
        (lambda p: rg.optim.NewtonCG([p]).step(lambda: 3.0), TypeError, r"returned float \(3.0\); expected the loss"),
        (lambda p: rg.optim.NewtonCG([p]).step(lambda: p * p), TypeError, r"a tensor of shape \(2,\)"),
        (lambda p: rg.optim.NewtonCG([p]).step(lambda: rg.ones(())), TypeError, "requires no gradient"),
    ],
)
def test_what_is_refused(make, error, match):
    with pytest.raises(error, match=match):
        make(rg.nn.Parameter(rg.ones(2)))


def test_newton_says_that_the_closure_must_not_call_backward():
    w = rg.nn.Parameter(rg.ones(2))
    optimizer = rg.optim.NewtonCG([w])
    with pytest.raises(GraphError, match="return the loss without calling backward"):
        minimized(optimizer, w, rosenbrock, True)
