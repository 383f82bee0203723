"""Optimizers, loaders and files with tensors on a device, on the strict stand-in for CuPy."""

from __future__ import annotations

import io

import numpy as np
import pytest
from fake_cupy import installed, sync_counter

import retrograd as rg
from retrograd.optim.optimizer import HOST
from retrograd.utils import data

SHAPES = [(), (3,), (2, 3)]


@pytest.fixture(autouse=True)
def stand_in():
    with installed():
        yield


def host(t):
    return t.detach().cpu().numpy()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "complex64"])
@pytest.mark.parametrize(
    "name,options",
    [
        ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True}),
        ("SGD", {}),
        ("Adam", {"amsgrad": True, "weight_decay": 0.1, "maximize": True}),
        ("AdamW", {}),
        ("Adadelta", {"weight_decay": 0.1}),
        ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.1}),
        ("Adamax", {"maximize": True}),
        ("ASGD", {"t0": 1}),
        ("NAdam", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
        ("RAdam", {"betas": (0.9, 0.5)}),
        ("RMSprop", {"centered": True, "momentum": 0.9, "eps": 1e-2}),
        ("Rprop", {"maximize": True}),
        ("Adafactor", {"weight_decay": 0.1}),
    ],
)
def test_steps_equal_the_cpus_and_never_wait(name, options, dtype):
    d = getattr(rg, dtype)
    if name == "Adafactor" and d.is_complex:
        pytest.skip("refused")
    start = [rg.randn(s).to(d) for s in SHAPES]
    near = [rg.nn.Parameter(t.clone()) for t in start]
    far = [rg.nn.Parameter(t.to("cuda")) for t in start]
    a, b = getattr(rg.optim, name)(near, lr=0.1, **options), getattr(rg.optim, name)(far, lr=0.1, **options)
    for _ in range(4):
        for p, q in zip(near, far, strict=True):
            g = rg.randn(tuple(p.shape)).to(d)
            p.grad, q.grad = g, g.to("cuda")
        a.step()
        with sync_counter() as waits:
            b.step()
        assert waits.count == 0, waits
    for p, q in zip(near, far, strict=True):
        np.testing.assert_allclose(host(q), host(p), rtol=1e-3 if dtype == "float16" else 1e-6, atol=1e-6)
    b.zero_grad(set_to_none=False)
    twin = getattr(rg.optim, name)(near, lr=5.0, **options)
    twin.load_state_dict(b.state_dict())
    for p in near:
        assert all(v.device.type == "cpu" for v in twin.state[p].values() if v is not None)
    b.load_state_dict(a.state_dict())
    for q in far:
        assert all(v.device.type == "cuda" for k, v in b.state[q].items() if k not in HOST)


@pytest.mark.parametrize("name", ["LBFGS", "Muon"])
def test_steps_with_vectors_and_matrices(name):
    start = rg.randn(3, 2)
    near, far = rg.nn.Parameter(start.clone()), rg.nn.Parameter(start.to("cuda"))
    options = {"line_search_fn": "strong_wolfe"} if name == "LBFGS" else {}
    for p in (near, far):
        opt = getattr(rg.optim, name)([p], lr=0.1, **options)

        def closure(p=p, opt=opt):
            opt.zero_grad()
            loss = ((p - 1) ** 2).sum() + (p**4).sum()
            loss.backward()
            return loss

        for _ in range(2):
            opt.step(closure)
    np.testing.assert_allclose(host(far), host(near), rtol=1e-4, atol=1e-4)


def test_loader_over_device_tensors():
    x, y = rg.arange(20).view(10, 2).float(), rg.arange(10)
    for shuffle in (False, True):
        loader = data.DataLoader(data.TensorDataset(x.to("cuda"), y.to("cuda")), 4, shuffle=shuffle)
        rows = []
        for a, b in loader:
            assert a.device.type == b.device.type == "cuda"
            assert host(a)[:, 0].tolist() == (2.0 * host(b)).tolist()
            rows += host(b).tolist()
        assert sorted(rows) == list(range(10))
    part = data.Subset(data.TensorDataset(x.to("cuda")), [3, 1])
    assert [host(b).tolist() for (b,) in data.DataLoader(part, 2)] == [[[6.0, 7.0], [2.0, 3.0]]]
    assert data.default_collate([x[0].to("cuda"), x[1].to("cuda")]).device.type == "cuda"


@pytest.mark.parametrize("dtype", ["bool", "int64", "float32", "bfloat16", "complex64"])
def test_files_with_device_tensors(dtype):
    t = rg.tensor([[0, 1, 1], [1, 0, 0]]).to(getattr(rg, dtype)).to("cuda:1")
    tied = {"a": t, "b": t, "c": t.cpu(), "view": t.to("cuda:0").transpose(0, 1)}
    buffer = io.BytesIO()
    rg.save(tied, buffer)
    content = buffer.getvalue()
    got = rg.load(io.BytesIO(content))
    assert got["a"] is got["b"] and str(got["a"].device) == "cuda:1" and got["c"].device.type == "cpu"
    for k in tied:
        assert np.array_equal(host(got[k]), host(tied[k])) and got[k].dtype is t.dtype
    for where, expected in (("cpu", "cpu"), ({"cuda:1": "cuda:0"}, "cuda:0"), (lambda t, saved: t, "cpu")):
        assert str(rg.load(io.BytesIO(content), map_location=where)["a"].device) == expected
