"""Sparse gradients: SparseAdam in every configuration of PyTorch's table, and what the other optimizers do with them."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd.optim.sparse_adam import sparse_adam_update

torch = pytest.importorskip("torch", reason="compares with PyTorch")
common = pytest.importorskip("torch.testing._internal.common_optimizers", reason="PyTorch's table needs expecttest")

TABLE = [
    given.kwargs
    for info in common.optim_db
    if info.optim_cls is torch.optim.SparseAdam
    for given in info.optim_inputs_func("cpu")
]


def sparse(lib, index, values, shape):
    return lib.sparse_coo_tensor(lib.tensor(index), lib.tensor(values), shape, check_invariants=True)


def steps(pairs, optimizers, count, rng):
    """Steps with equal sparse gradients, some rows of them named twice, one of them empty."""
    for step in range(count):
        for p, q in pairs:
            shape = tuple(p.shape)
            index = rng.integers(0, shape[0], (1, 0 if step == 2 else 4))
            values = rng.normal(size=(index.shape[1], *shape[1:]))
            p.grad, q.grad = sparse(rg, index, values, shape), sparse(torch, index, values, shape)
        for optimizer in optimizers:
            optimizer.step()


def pairs_of(rng):
    start = [rng.normal(size=shape) for shape in ((6, 3), (5,))]
    return [(rg.nn.Parameter(rg.tensor(a)), torch.nn.Parameter(torch.tensor(a))) for a in start]


def same(pairs, tol=1e-9):
    for p, q in pairs:
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=tol, atol=tol)


@pytest.mark.parametrize("i", range(len(TABLE)))
def test_sparse_adam_equals_torchs_over_50_steps(i):
    rng = np.random.default_rng(i)
    pairs = pairs_of(rng)
    options = {k: rg.tensor(v.numpy()) if isinstance(v, torch.Tensor) else v for k, v in TABLE[i].items()}
    a = rg.optim.SparseAdam([p for p, _ in pairs], **options)
    b = torch.optim.SparseAdam([q for _, q in pairs], **TABLE[i])
    steps(pairs, (a, b), 50, rng)
    same(pairs)
    for index, kept in b.state_dict()["state"].items():
        mine = a.state_dict()["state"][index]
        assert list(mine) == list(kept) and mine["step"] == kept["step"]
        for name in ("exp_avg", "exp_avg_sq"):
            np.testing.assert_allclose(mine[name].numpy(), kept[name].numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("i", range(len(TABLE)))
def test_sparse_adam_continues_from_torchs_state_and_back(i):
    rng = np.random.default_rng(i)
    pairs = pairs_of(rng)
    b = torch.optim.SparseAdam([q for _, q in pairs], **TABLE[i])
    steps(pairs, (b,), 7, rng)
    for p, q in pairs:
        p.detach().copy_(rg.tensor(q.detach().numpy()))
    a = rg.optim.SparseAdam([p for p, _ in pairs])
    a.load_state_dict(b.state_dict())
    steps(pairs, (a, b), 10, rng)
    same(pairs)
    b = torch.optim.SparseAdam([q for _, q in pairs])
    state = a.state_dict()
    state["state"] = {
        k: {n: torch.tensor(v.numpy()) if isinstance(v, rg.Tensor) else v for n, v in kept.items()}
        for k, kept in state["state"].items()
    }
    for group in state["param_groups"]:
        group["lr"] = float(group["lr"])
    b.load_state_dict(state)
    steps(pairs, (a, b), 10, rng)
    same(pairs)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")  # of torch's Adagrad
@pytest.mark.parametrize(
    "name,options",
    [
        ("SGD", {"lr": 0.1}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "maximize": True}),
        ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        ("Adagrad", {"lr": 0.1, "lr_decay": 0.1}),
        ("Adagrad", {"lr": 0.1, "maximize": True}),
    ],
)
def test_optimizers_that_take_sparse_gradients_equal_torchs(name, options):
    rng = np.random.default_rng(0)
    pairs = pairs_of(rng)
    a = getattr(rg.optim, name)([p for p, _ in pairs], **options)
    b = getattr(torch.optim, name)([q for _, q in pairs], **options)
    steps(pairs, (a, b), 20, rng)
    same(pairs)


@pytest.mark.parametrize(
    "name,options,match",
    [
        ("Adam", {}, "Adam does not support sparse gradients, please consider SparseAdam instead"),
        ("AdamW", {}, "Adam does not support sparse gradients, please consider SparseAdam instead"),
        ("RMSprop", {}, "RMSprop does not support sparse gradients"),
        ("Lion", {}, "Lion does not support sparse gradients"),
        ("YellowFin", {}, "YellowFin does not support sparse gradients"),
        ("SGD", {"weight_decay": 0.1}, "weight_decay option is not compatible with sparse gradients"),
        ("Adagrad", {"weight_decay": 0.1}, "weight_decay option is not compatible with sparse gradients"),
    ],
)
def test_optimizers_that_refuse_sparse_gradients(name, options, match):
    p = rg.nn.Parameter(rg.ones(4, 2))
    p.grad = sparse(rg, [[1]], [[1.0, 2.0]], (4, 2))
    with pytest.raises(RuntimeError, match=match):
        getattr(rg.optim, name)([p], **options).step()


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("dims", [1, 2])
def test_rows_equal_torchs(maximize, dims):
    rng = np.random.default_rng(0)
    p = rng.normal(size=(6, 3))
    q = torch.nn.Parameter(torch.tensor(p))
    theirs = torch.optim.SparseAdam([q], lr=0.1, betas=(0.8, 0.9), eps=1e-4, maximize=maximize)
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t in range(1, 21):
        index = np.stack([rng.permutation(6)[:3], rng.integers(0, 3, 3)][:dims])
        values = rng.normal(size=(3, 3)[: 3 - dims] if dims == 2 else (3, 3))
        q.grad = torch.sparse_coo_tensor(torch.tensor(index), torch.tensor(values), (6, 3), check_invariants=True)
        theirs.step()
        sparse_adam_update(np, p, index, values, m, v, t=t, lr=0.1, beta1=0.8, beta2=0.9, eps=1e-4, maximize=maximize)
    np.testing.assert_allclose(p, q.detach().numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(m, theirs.state[q]["exp_avg"].numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "options,match",
    [
        ({"lr": 0.0}, "Invalid learning rate: 0.0"),
        ({"eps": 0.0}, "Invalid epsilon value: 0.0"),
        ({"betas": (1.0, 0.0)}, "Invalid beta parameter at index 0: 1.0"),
        ({"lr": rg.ones(2)}, "Tensor lr must be 1-element"),
    ],
)
def test_options_that_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        rg.optim.SparseAdam([rg.nn.Parameter(rg.ones(2))], **options)


def test_parameters_and_gradients_that_are_refused():
    with pytest.raises(ValueError, match=r"Complex params at indices \[\[0, 1\]\]"):
        rg.optim.SparseAdam([rg.ones(2, requires_grad=True), rg.ones(2, dtype=rg.complex64, requires_grad=True)])
    p = rg.nn.Parameter(rg.ones(2))
    opt = rg.optim.SparseAdam([p])
    opt.step()
    p.grad = rg.ones(2)
    with pytest.raises(RuntimeError, match="SparseAdam does not support dense gradients, please consider Adam instead"):
        opt.step()
    assert p.tolist() == [1.0, 1.0] and opt.state_dict()["state"] == {}
