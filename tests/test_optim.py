"""Optimizers against PyTorch: numbers and state over 50 steps, for every option."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import retrograd as rg
from retrograd.optim.adam import adam_update
from retrograd.optim.sgd import sgd_update

torch = pytest.importorskip("torch")

SHAPES = [(), (3,), (2, 3), (0, 2), (4, 1, 2)]


def run(name, options, dtype="float64", steps=50, skip=None, switch=None):
    """Both libraries take `steps` steps with the same gradients; returns the two optimizers and their parameters."""
    rng = np.random.default_rng(0)

    def draw(shape):
        a = rng.normal(size=shape)
        if dtype.startswith("complex"):
            a = a + 1j * rng.normal(size=shape)
        return np.asarray(a, getattr(np, dtype))

    start = [draw(s) for s in SHAPES]
    ours = [rg.nn.Parameter(rg.tensor(a)) for a in start]
    theirs = [torch.nn.Parameter(torch.tensor(a)) for a in start]
    a, b = getattr(rg.optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
    for step in range(steps):
        for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            g = draw(SHAPES[i])
            absent = skip is not None and (step + i) % skip == 0
            p.grad = None if absent else rg.tensor(g)
            q.grad = None if absent else torch.tensor(g)
        if switch:
            switch(step, a.param_groups[0])
            switch(step, b.param_groups[0])
        a.step()
        b.step()
    return a, b, ours, theirs


def assert_same(ours, theirs, tol=1e-9):
    for p, q in zip(ours, theirs, strict=True):
        assert str(p.dtype).split(".")[-1] == str(q.dtype).split(".")[-1]
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=tol, atol=tol)


def assert_same_state(a, b, tol=1e-9):
    mine, other = a.state_dict(), b.state_dict()
    assert [list(g) for g in mine["param_groups"]] == [list(g) for g in other["param_groups"]]
    for g, h in zip(mine["param_groups"], other["param_groups"], strict=True):
        assert g == h
    assert list(mine["state"]) == list(other["state"])
    for i in mine["state"]:
        assert list(mine["state"][i]) == list(other["state"][i])
        for key, value in mine["state"][i].items():
            expected = other["state"][i][key]
            if expected is None:
                assert value is None
                continue
            assert tuple(value.shape) == tuple(expected.shape)
            assert str(value.dtype).split(".")[-1] == str(expected.dtype).split(".")[-1]
            np.testing.assert_allclose(value.numpy(), expected.numpy(), rtol=tol, atol=tol)


SGD_OPTIONS = [
    {"lr": lr, "momentum": m, "dampening": d, "weight_decay": w, "nesterov": n, "maximize": x}
    for lr, m, d, w, n, x in itertools.product([0.05], [0, 0.9], [0, 0.3], [0, 0.1], [False, True], [False, True])
    if not (n and (m == 0 or d != 0))
]
ADAM_OPTIONS = [
    {"lr": 0.05, "betas": b, "eps": e, "weight_decay": w, "amsgrad": a, "maximize": x}
    for b, e, w, a, x in itertools.product(
        [(0.9, 0.999), (0.0, 0.5)], [1e-8, 1e-2], [0, 0.1], [False, True], [False, True]
    )
]


@pytest.mark.parametrize("options", SGD_OPTIONS, ids=str)
def test_sgd_equals_torch(options):
    a, b, ours, theirs = run("SGD", options, skip=7)
    assert_same(ours, theirs)
    assert_same_state(a, b)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
@pytest.mark.parametrize("options", ADAM_OPTIONS, ids=str)
def test_adam_equals_torch(name, options):
    a, b, ours, theirs = run(name, options, skip=7)
    assert_same(ours, theirs)
    assert_same_state(a, b)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("flag", ["foreach", "fused"])
def test_foreach_and_fused_change_no_number(name, flag):
    more = {"momentum": 0.9} if name == "SGD" else {}
    a, _, ours, _ = run(name, {"lr": 0.05, flag: True, **more}, steps=5)
    _, _, plain, _ = run(name, {"lr": 0.05, **more}, steps=5)
    assert a.param_groups[0][flag] is True
    for p, q in zip(ours, plain, strict=True):
        assert np.array_equal(p.detach().numpy(), q.detach().numpy())


def test_adam_decoupled_option():
    _, _, ours, theirs = run("Adam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True})
    assert_same(ours, theirs)


@pytest.mark.parametrize("dtype,tol", [("float32", 2e-6), ("complex128", 1e-9), ("complex64", 2e-6)])
@pytest.mark.parametrize(
    "name,options",
    [
        ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("Adam", {"lr": 0.05, "weight_decay": 0.1}),
        ("AdamW", {"lr": 0.05, "amsgrad": True, "maximize": True}),
    ],
)
def test_other_dtypes(name, options, dtype, tol):
    a, b, ours, theirs = run(name, options, dtype)
    assert_same(ours, theirs, tol)
    assert_same_state(a, b, tol * 10)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_half_types_are_updated_in_float32(kind, name):
    options = {"momentum": 0.5, "weight_decay": 0.1} if name == "SGD" else {"amsgrad": True, "eps": 1e-3}
    dtype = getattr(rg, kind)
    p = rg.nn.Parameter(rg.tensor([1.0, -2.0, 3.0]).to(dtype))
    wide = rg.nn.Parameter(rg.tensor([1.0, -2.0, 3.0]))
    a, b = getattr(rg.optim, name)([p], lr=0.25, **options), getattr(rg.optim, name)([wide], lr=0.25, **options)
    for _ in range(3):
        p.grad = rg.tensor([0.5, 0.25, -1.0]).to(dtype)
        wide.grad = rg.tensor([0.5, 0.25, -1.0])
        a.step()
        b.step()
    assert p.dtype is dtype
    np.testing.assert_allclose(p.detach().float().numpy(), wide.detach().numpy(), rtol=0.03, atol=0.03)
    assert all(v.dtype is dtype for k, v in a.state[p].items() if k != "step")


def test_options_can_change_between_steps():
    def switch(step, group):
        group["lr"] = 0.1 / (step + 1)
        if "betas" in group:
            group["betas"] = (0.5 + step / 200, 0.99)
        else:
            group["momentum"] = 0.5 + step / 200

    for name, options in (("SGD", {"momentum": 0.5}), ("Adam", {})):
        _, _, ours, theirs = run(name, options, switch=switch)
        assert_same(ours, theirs)


def test_nesterov_with_dampening_given_by_a_group():
    g = np.array([1.0, -2.0])
    ours, theirs = rg.nn.Parameter(rg.tensor([1.0, 2.0], dtype=rg.float64)), torch.nn.Parameter(torch.tensor(
        [1.0, 2.0], dtype=torch.float64
    ))  # fmt: skip
    group = {"dampening": 0.5, "nesterov": True, "weight_decay": 0.1}
    a = rg.optim.SGD([{"params": [ours], **group}], lr=0.1, momentum=0.9)
    b = torch.optim.SGD([{"params": [theirs], **group}], lr=0.1, momentum=0.9)
    for _ in range(4):
        ours.grad, theirs.grad = rg.tensor(g), torch.tensor(g)
        a.step()
        b.step()
    assert_same([ours], [theirs])


def test_strided_parameters_and_gradients():
    for make, options in ((rg.optim.SGD, {"momentum": 0.9}), (rg.optim.Adam, {"weight_decay": 0.1})):
        base = np.arange(12.0).reshape(3, 4)
        p, q = rg.nn.Parameter(rg.from_numpy(base.copy().T)), rg.nn.Parameter(rg.tensor(base.T.copy()))
        a, b = make([p], lr=0.1, **options), make([q], lr=0.1, **options)
        for _ in range(3):
            p.grad, q.grad = rg.from_numpy(np.ones((8, 3))[::-2]), rg.ones(4, 3, dtype=rg.float64)
            a.step()
            b.step()
        assert np.array_equal(p.detach().numpy(), q.detach().numpy())


def test_gradients_are_only_read():
    for name, options in (
        ("SGD", {"weight_decay": 0.1, "momentum": 0.9, "nesterov": True}),
        ("Adam", {"weight_decay": 0.1}),
    ):
        p = rg.nn.Parameter(rg.ones(3))
        opt = getattr(rg.optim, name)([p], lr=0.1, maximize=True, **options)
        p.grad = rg.tensor([1.0, 2.0, 3.0])
        opt.step()
        opt.step()
        assert p.grad.tolist() == [1.0, 2.0, 3.0]


def test_update_is_in_place_and_no_part_of_the_graph():
    p = rg.nn.Parameter(rg.ones(3))
    array = p.detach().numpy()
    opt = rg.optim.SGD([p], lr=0.5)
    (p * p).sum().backward()
    opt.step()
    assert p.is_leaf and p.requires_grad and p.grad_fn is None
    assert array.tolist() == [0.0, 0.0, 0.0]


def test_a_step_between_forward_and_backward_is_noticed():
    p = rg.nn.Parameter(rg.ones(3))
    opt = rg.optim.SGD([p], lr=0.5)
    loss = (p * p).sum()
    p.grad = rg.ones(3)
    opt.step()
    with pytest.raises(RuntimeError):
        loss.backward()


def test_minimizes_in_a_loop():
    x = rg.nn.Parameter(rg.tensor([3.0, -4.0]))
    opt = rg.optim.Adam([x], lr=0.1)
    for _ in range(300):
        opt.zero_grad()
        loss = ((x - rg.tensor([1.0, 2.0])) ** 2).sum()
        loss.backward()
        opt.step()
    assert loss.item() < 1e-3


def test_closure_runs_with_recording_on():
    x = rg.nn.Parameter(rg.tensor(2.0))
    for opt in (rg.optim.SGD([x], lr=0.1), rg.optim.Adam([x], lr=0.1)):

        def closure(opt=opt):
            opt.zero_grad()
            loss = x * x
            loss.backward()
            return loss

        with rg.no_grad():
            before = x.item()
            assert opt.step(closure).item() == pytest.approx(before**2)
        assert x.item() != before


# ---------------------------------------------------------------- pure functions
def test_functions_need_no_class():
    p, g = np.array([1.0, 2.0]), np.array([0.5, -0.5])
    buffer = sgd_update(np, p, g, lr=1.0, momentum=0.5)
    assert buffer.tolist() == g.tolist() and buffer is not g
    sgd_update(np, p, g, buffer, lr=1.0, momentum=0.5)
    assert p.tolist() == [1.0 - 0.5 - 0.75, 2.0 + 0.5 + 0.75]
    m, v = np.zeros(2), np.zeros(2)
    adam_update(np, p, g, m, v, None, 1, lr=0.1)
    assert m == pytest.approx(0.1 * g) and v == pytest.approx(0.001 * g * g)


def test_an_update_allocates_no_array():
    """Parameters of one shape share the scratch; only the first step makes it."""
    import tracemalloc

    ps = [rg.nn.Parameter(rg.zeros(100_000)) for _ in range(3)]
    for opt in (rg.optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.1), rg.optim.Adam(ps, weight_decay=0.1)):
        for p in ps:
            p.grad = rg.ones(100_000)
        opt.step()
        tracemalloc.start()
        opt.step()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 100_000
