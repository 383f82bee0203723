"""Every optimizer of PyTorch in every configuration of its OptimizerInfo table: numbers, state, state from PyTorch.

Muon orthogonalizes with bfloat16 matrix products, whose last bit depends on the order in which a BLAS adds up: PyTorch's
own result for 200 random matrices of shape (16, 40) changes in one case, by 2**-10, when the columns are permuted. So
the trajectories are compared to 1e-9 with one orthogonalization for both (ours), and that is compared with PyTorch's in
units of bfloat16's rounding.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import retrograd as rg
from retrograd.optim.muon import newton_schulz

torch = pytest.importorskip("torch", reason="compares with PyTorch")
common = pytest.importorskip("torch.testing._internal.common_optimizers", reason="PyTorch's table needs expecttest")
muon = pytest.importorskip("torch.optim._muon", reason="compares with PyTorch")

SHAPES = [(), (3,), (2, 3), (0, 2), (4, 1, 2)]
MATRICES = [(3, 3), (2, 5), (4, 1)]
SKIP = {"SparseAdam"}  # sparse gradients: test_optim_sparse.py
# Options that each table leaves out, so that every argument of every class is in a run.
MORE = {
    "Adadelta": [{"eps": 1e-2, "foreach": True}],
    "Adafactor": [{"eps": (1e-2, 1e-1)}, {"lr": 3.0}],
    "Adagrad": [{"eps": 1e-2, "fused": True}, {"initial_accumulator_value": 0.5, "maximize": True}],
    "Adamax": [{"betas": (0.5, 0.9), "eps": 1e-2}],
    "ASGD": [{"alpha": 0.5, "lambd": 1e-2, "t0": 3, "lr": 0.1}],
    "LBFGS": [
        {"history_size": 3, "max_iter": 7},
        {"line_search_fn": "strong_wolfe", "max_eval": 9, "tolerance_change": 1e-12, "lr": 0.5},
        {"line_search_fn": "strong_wolfe", "max_iter": 1},
    ],
    "Muon": [{"nesterov": False, "eps": 1e-3}, {"adjust_lr_fn": "match_rms_adamw"}, {"adjust_lr_fn": "original"}],
    "NAdam": [{"betas": (0.5, 0.9), "eps": 1e-2, "lr": 0.05}],
    "RAdam": [{"betas": (0.5, 0.9), "lr": 0.05}, {"betas": (0.9, 0.5), "maximize": True}],
    "RMSprop": [{"alpha": 0.5, "eps": 1e-2, "momentum": 0.9}],
    "Rprop": [{"lr": 0.3, "step_sizes": (0.1, 0.4), "maximize": True}],
}


def configurations():
    rows = []
    for info in sorted(common.optim_db, key=lambda info: info.optim_cls.__name__):
        name = info.optim_cls.__name__
        if name in SKIP:
            continue
        options = [given.kwargs for given in info.optim_inputs_func("cpu")] + MORE.get(name, [])
        rows += [(name, i) for i in range(len(options))]
    return rows


def options_of(name, i, lib):
    info = next(info for info in common.optim_db if info.optim_cls.__name__ == name)
    given = ([given.kwargs for given in info.optim_inputs_func("cpu")] + MORE.get(name, []))[i]
    return {k: rg.tensor(v.numpy()) if lib is rg and isinstance(v, torch.Tensor) else v for k, v in given.items()}


THEIR_NEWTON_SCHULZ = muon._zeropower_via_newtonschulz


def orthogonalized(grad, coefficients, steps, eps):
    """Our Newton-Schulz iteration in the place of PyTorch's."""
    return torch.tensor(newton_schulz(np, grad.numpy(), coefficients, steps, eps)).bfloat16()


@pytest.fixture(autouse=True)
def _one_newton_schulz(monkeypatch):
    monkeypatch.setattr(muon, "_zeropower_via_newtonschulz", orthogonalized)


class Run:
    """A pair of optimizers over equal parameters, which get equal gradients."""

    def __init__(self, name, i, dtype="float64", seed=0):
        self.name, self.dtype, self.rng = name, dtype, np.random.default_rng(seed)
        self.shapes = {"Muon": MATRICES, "Adafactor": SHAPES[1:3], "LBFGS": SHAPES[2:3]}.get(name, SHAPES)
        start = [self.draw(s) for s in self.shapes]
        self.ours = [rg.nn.Parameter(rg.tensor(a)) for a in start]
        self.theirs = [torch.nn.Parameter(torch.tensor(a)) for a in start]
        self.a = getattr(rg.optim, name)(self.ours, **options_of(name, i, rg))
        self.b = getattr(torch.optim, name)(self.theirs, **options_of(name, i, torch))
        self.target = [self.draw(s) for s in self.shapes]
        self.weight = [1.0 + np.abs(self.draw(s)) for s in self.shapes]

    def draw(self, shape):
        a = self.rng.normal(size=shape)
        if self.dtype.startswith("complex"):
            a = a + 1j * self.rng.normal(size=shape)
        return np.asarray(a, self.dtype)

    def closure(self, lib, params, optimizer):
        """A convex loss that is no quadratic, the same in both libraries."""

        def closure():
            optimizer.zero_grad()
            loss = 0.0
            for p, t, w in zip(params, self.target, self.weight, strict=True):
                away = p - lib.tensor(t)
                square = (away * away.conj()).real if p.is_complex() else away * away
                loss = loss + (lib.tensor(np.abs(w)) * (square + 0.5 * (1.0 + square).sqrt())).sum()
            loss.backward()
            return loss

        return closure

    def step(self):
        if self.name == "LBFGS":
            a = self.a.step(self.closure(rg, self.ours, self.a))
            b = self.b.step(self.closure(torch, self.theirs, self.b))
            np.testing.assert_allclose(a.item(), b.item(), rtol=1e-5 if self.dtype == "float32" else 1e-9)
            return
        for p, q in zip(self.ours, self.theirs, strict=True):
            g = self.draw(tuple(p.shape)) + 0.1 * p.detach().numpy()
            p.grad, q.grad = rg.tensor(g), torch.tensor(g)
        self.a.step()
        self.b.step()

    def check(self, tol=1e-9):
        for p, q in zip(self.ours, self.theirs, strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=tol, atol=tol)


def same_value(value, expected, tol=1e-9):
    if isinstance(expected, (list, tuple)):
        assert len(value) == len(expected)
        for v, e in zip(value, expected, strict=True):
            same_value(v, e, tol)
    elif expected is None:
        assert value is None
    else:
        if isinstance(expected, torch.Tensor) and isinstance(value, rg.Tensor):
            assert tuple(value.shape) == tuple(expected.shape)
            assert str(value.dtype).split(".")[-1] == str(expected.dtype).split(".")[-1]
        value, expected = np.asarray(value), expected.numpy() if isinstance(expected, torch.Tensor) else expected
        np.testing.assert_allclose(value, expected, rtol=tol, atol=tol)


def same_state(a, b, tol=1e-9):
    mine, other = a.state_dict(), b.state_dict()
    for g, h in zip(mine["param_groups"], other["param_groups"], strict=True):
        assert list(g) == list(h)
        assert all(g[k] == (v.item() if isinstance(v, torch.Tensor) else v) for k, v in h.items())
    assert list(mine["state"]) == list(other["state"])
    for i, kept in other["state"].items():
        if "al" in kept or "d" in kept:  # L-BFGS fills its state in another order
            assert set(mine["state"][i]) == set(kept)
        else:
            assert list(mine["state"][i]) == list(kept)
        for key, value in kept.items():
            same_value(mine["state"][i][key], value, tol)


def converted(value, convert):
    """A state dictionary with every tensor converted."""
    if isinstance(value, (rg.Tensor, torch.Tensor)):
        return convert(value)
    if isinstance(value, dict):
        return {k: converted(v, convert) for k, v in value.items()}
    return type(value)(converted(v, convert) for v in value) if isinstance(value, (list, tuple)) else value


def test_the_table_has_every_optimizer_of_pytorch():
    classes = {n for n in torch.optim.__all__ if isinstance(getattr(torch.optim, n), type) and n != "Optimizer"}
    assert {info.optim_cls.__name__ for info in common.optim_db} == classes
    assert all(issubclass(getattr(rg.optim, name), rg.optim.Optimizer) for name in classes)


@pytest.mark.parametrize("name,i", configurations())
def test_numbers_and_state_equal_torchs_over_50_steps(name, i):
    run = Run(name, i)
    for _ in range(50):
        run.step()
    run.check()
    same_state(run.a, run.b)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (8, 8), (16, 40)])
def test_newton_schulz_equals_torchs_up_to_bfloat16(shape):
    """Singular values in [0.5, 1], so that the iteration does not amplify a rounding of tiny ones."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        u, _, v = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
        g = (u * rng.uniform(0.5, 1.0, min(shape))) @ v
        arguments = ((3.4445, -4.7750, 2.0315), 5, 1e-7)
        theirs = THEIR_NEWTON_SCHULZ(torch.tensor(g), *arguments).float().numpy()
        np.testing.assert_allclose(newton_schulz(np, g, *arguments), theirs, rtol=0, atol=4 * 2.0**-8)


def test_muon_with_torchs_own_newton_schulz(monkeypatch):
    """The whole of Muon, bfloat16 included: 20 steps along well-conditioned gradients end at most 1 % of the way apart."""
    monkeypatch.setattr(muon, "_zeropower_via_newtonschulz", THEIR_NEWTON_SCHULZ)
    rng = np.random.default_rng(0)
    start, away = rng.normal(size=(3, 5)), np.eye(3, 5)
    p, q = rg.nn.Parameter(rg.tensor(start)), torch.nn.Parameter(torch.tensor(start))
    a, b = rg.optim.Muon([p], lr=0.1, weight_decay=0.0), torch.optim.Muon([q], lr=0.1, weight_decay=0.0)
    for _ in range(20):
        g = away + 0.1 * rng.normal(size=(3, 5))
        p.grad, q.grad = rg.tensor(g), torch.tensor(g)
        a.step()
        b.step()
    way = np.abs(p.detach().numpy() - start).max()
    assert way > 1.0 and np.abs(p.detach().numpy() - q.detach().numpy()).max() <= 0.01 * way


@pytest.mark.parametrize("name,i", configurations())
def test_state_of_torch_continues_the_same_trajectory(name, i):
    """Torch runs alone, a new optimizer here takes its parameters and state, and both go on alike."""
    run = Run(name, i)
    for _ in range(7):
        run.step()
    with rg.no_grad():
        for p, q in zip(run.ours, run.theirs, strict=True):
            p.copy_(rg.tensor(q.detach().numpy()))
    run.a = getattr(rg.optim, name)(run.ours)
    run.a.load_state_dict(converted(run.b.state_dict(), lambda t: rg.tensor(t.numpy())))
    for _ in range(10):
        run.step()
    run.check()
    same_state(run.a, run.b)


@pytest.mark.parametrize("name", sorted({name for name, _ in configurations()}))
def test_our_state_loads_into_torch(name):
    run = Run(name, 0)
    for _ in range(5):
        run.step()
    run.b = getattr(torch.optim, name)(run.theirs)
    with torch.no_grad():
        for p, q in zip(run.ours, run.theirs, strict=True):
            q.copy_(torch.tensor(p.detach().numpy()))
    run.b.load_state_dict(converted(run.a.state_dict(), lambda t: torch.tensor(t.numpy())))
    for _ in range(5):
        run.step()
    # PyTorch converts float32 numbers such as NAdam's mu_product to the parameters' float64 when it loads them
    run.check(1e-6 if name in {"NAdam", "ASGD"} else 1e-9)


@pytest.mark.parametrize("name", ["Adam", "NAdam", "LBFGS"])
def test_tensors_of_torch_in_a_state_dict(name):
    """A state dictionary straight from PyTorch, its tensors unconverted."""
    run = Run(name, 2)
    for _ in range(3):
        run.step()
    run.a = getattr(rg.optim, name)(run.ours)
    state = run.b.state_dict()
    run.a.load_state_dict(state)
    for _ in range(3):
        run.step()
    run.check()


@pytest.mark.parametrize("dtype,tol", [("float32", 1e-5), ("complex128", 1e-9)])
@pytest.mark.parametrize("name,i", configurations())
def test_other_dtypes(name, i, dtype, tol):
    info = next(info for info in common.optim_db if info.optim_cls.__name__ == name)
    if dtype.startswith("complex") and not info.supports_complex:
        run = Run("SGD", 0, dtype)
        params = [rg.nn.Parameter(rg.ones(2, 2, dtype=rg.complex128))]
        params[0].grad = rg.ones(2, 2, dtype=rg.complex128)
        with pytest.raises(RuntimeError, match=f"{name} does not support complex parameters"):
            getattr(rg.optim, name)(params).step()
        return
    if options_of(name, i, torch).get("fused") and dtype.startswith("complex"):
        with pytest.raises(RuntimeError, match="requires all the params to be floating point"):
            Run(name, i, dtype)
        return
    run = Run(name, i, dtype)
    for _ in range(3 if name == "LBFGS" else 10):
        run.step()
    if not (name == "LBFGS" and dtype == "float32"):  # float32 ends its iterations where rounding says
        run.check(tol)


def error_rows():
    rows = []
    for info in sorted(common.optim_db, key=lambda info: info.optim_cls.__name__):
        given = info.optim_error_inputs_func("cpu", torch.float64)
        rows += [
            pytest.param(info.optim_cls.__name__, i, id=f"{info.optim_cls.__name__}-{i}") for i in range(len(given))
        ]
    return rows


def ours(value):
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided:
            return None
        t = rg.tensor(value.detach().numpy())
        if value.grad is not None:
            t.grad = rg.tensor(value.grad.numpy())
        return rg.nn.Parameter(t) if isinstance(value, torch.nn.Parameter) else t
    if isinstance(value, dict):
        return {k: ours(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        known: dict = {}
        return type(value)(known.setdefault(id(v), ours(v)) if isinstance(v, torch.Tensor) else ours(v) for v in value)
    return value


@pytest.mark.parametrize("name,i", error_rows())
def test_errors_equal_torchs(name, i):
    info = next(info for info in common.optim_db if info.optim_cls.__name__ == name)
    row = info.optim_error_inputs_func("cpu", torch.float64)[i]
    given = row.optimizer_error_input
    if "sparse" in str(given.params):
        pytest.skip("sparse parameters do not exist here")
    if "more than one" in row.error_regex or "parameter groups either" in given.desc:
        p = rg.nn.Parameter(rg.ones(1, 1))
        params = [{"params": p}, {"params": p}]
    elif given.params is None:
        params = [rg.nn.Parameter(rg.ones(2, 2)), rg.nn.Parameter(rg.ones(1, 1))]
    else:
        params = ours(given.params)
    make = getattr(rg.optim, name)
    if issubclass(row.error_type, Warning):
        with pytest.warns(row.error_type, match=row.error_regex):
            make(params, **ours(given.kwargs))
        return
    with pytest.raises(row.error_type, match=row.error_regex):
        optimizer = make(params, **ours(given.kwargs))
        if row.error_on == common.OptimizerErrorEnum.STEP_ERROR:
            for p in params:
                p.grad = rg.ones_like(p)
            optimizer.step()


MODES = [
    (name, mode)
    for name in sorted({name for name, _ in configurations()} | SKIP)
    for mode in ("foreach", "fused", "capturable", "differentiable", "maximize")
    if mode in inspect.signature(getattr(torch.optim, name).__init__).parameters
]


@pytest.mark.parametrize("name,mode", MODES)
def test_modes_are_accepted_or_refused_clearly(name, mode):
    """foreach, fused and maximize are accepted; capturable and differentiable are refused, in groups as well."""
    make, p, q = getattr(rg.optim, name), rg.nn.Parameter(rg.ones(2)), rg.nn.Parameter(rg.ones(2))
    if mode in ("foreach", "fused", "maximize"):
        assert make([p], **{mode: True}).param_groups[0][mode] is True
        return
    with pytest.raises(NotImplementedError, match=f"{name}: {mode}=True is not supported"):
        make([p], **{mode: True})
    optimizer = make([p])
    with pytest.raises(NotImplementedError, match=f"{name}: {mode}=True is not supported"):
        optimizer.add_param_group({"params": [q], mode: True})


@pytest.mark.parametrize("name", sorted({name for name, _ in configurations()} - {"LBFGS"}))
def test_closures(name):
    """A closure is called once a step, with recording on, and its loss is returned; the numbers are PyTorch's."""
    run = Run(name, 0)
    for _ in range(5):
        with rg.no_grad():
            a = run.a.step(run.closure(rg, run.ours, run.a))
        b = run.b.step(run.closure(torch, run.theirs, run.b))
        assert a.item() == pytest.approx(b.item(), rel=1e-9)
    run.check()
