"""Kernels of the optimizers and of clipping: the numbers of the NumPy formulas, and what is left to those."""

from __future__ import annotations

import copy
import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd import versions
from retrograd.autograd.kernels.cpu import KERNELS, runtime
from retrograd.autograd.kernels.cpu import optim as kernels

pytest.importorskip("numba")

SHAPES = ((37, 5), (1,), (300,), (64, 65), (), (7, 3, 2))
CASES = [
    *(
        (rg.optim.SGD, {"lr": 0.1, "momentum": m, "dampening": d, "nesterov": n, "maximize": x, "weight_decay": w})
        for m, d, n in ((0.0, 0.0, False), (0.9, 0.0, False), (0.9, 0.1, False), (0.9, 0.0, True))
        for x, w in itertools.product((False, True), (0.0, 0.01))
    ),
    *(
        (make, {"lr": 0.1, "amsgrad": a, "maximize": x, "weight_decay": w})
        for make in (rg.optim.Adam, rg.optim.AdamW)
        for a, x, w in itertools.product((False, True), (False, True), (0.0, 0.01))
    ),
    *(
        (rg.optim.RMSprop, {"lr": 0.1, "centered": c, "momentum": m, "maximize": x, "weight_decay": w})
        for c, m, x, w in itertools.product((False, True), (0.0, 0.9), (False, True), (0.0, 0.01))
    ),
]


def parameters(dtype: str, shapes: Any = SHAPES) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rg.nn.Parameter(rg.tensor(rng.standard_normal(s).astype(dtype))) for s in shapes]


def train(make: Any, options: Any, ps: list[Any], backend: str, steps: int = 4, gaps: bool = True) -> list[np.ndarray]:
    """Parameters and state after some steps in which gradients are missing here and there."""
    rng = np.random.default_rng(1)
    opt = make(ps, **options)
    with rg.use_backend(backend), runtime.forced():
        for k in range(steps):
            for i, p in enumerate(ps):
                g = rng.standard_normal(p.shape).astype(p.detach().numpy().dtype)
                p.grad = None if gaps and (k + i) % 5 == 0 else rg.tensor(g)
            opt.step()
    found = [p.detach().numpy() for p in ps]
    for number, state in opt.state_dict()["state"].items():
        found += [np.asarray(number), *(v.numpy() for v in state.values())]
    return found


def assert_near(ours: list[np.ndarray], theirs: list[np.ndarray]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        wide = a.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=1e-12 if wide else 2e-6, atol=1e-13 if wide else 5e-6)


def count(monkeypatch: Any, name: str) -> list[Any]:
    calls: list[Any] = []
    kernel = KERNELS[name]

    def run(*args: Any) -> Any:
        r = kernel(*args)
        calls.append(r)
        return r

    monkeypatch.setitem(KERNELS, name, run)
    return calls


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", range(len(CASES)))
def test_steps_equal_the_formulas(number: int, dtype: str) -> None:
    make, options = CASES[number]
    results = [train(make, options, parameters(dtype), backend) for backend in ("numba", "numpy")]
    assert_near(*results)


@pytest.mark.parametrize("number", [5, 17, 25, 40])
def test_threads_change_nothing(number: int, monkeypatch: Any) -> None:
    make, options = CASES[number]
    one = train(make, options, parameters("float32"), "numba")
    monkeypatch.setattr(kernels, "threads", lambda work, serial_below: 1)
    for a, b in zip(one, train(make, options, parameters("float32"), "numba"), strict=True):
        assert np.array_equal(a, b)


def test_one_call_for_each_group_and_dtype(monkeypatch: Any) -> None:
    calls = count(monkeypatch, "adam_step")
    ps = [*parameters("float32"), *parameters("float64")]
    train(rg.optim.Adam, {}, ps, "numba", steps=3, gaps=False)
    assert calls == [0] * 6
    calls.clear()
    train(rg.optim.Adam, {}, ps, "numpy", steps=1)
    assert not calls


def test_small_groups_load_no_loops(monkeypatch: Any) -> None:
    calls = count(monkeypatch, "sgd_step")
    p = rg.nn.Parameter(rg.zeros(10))
    p.grad = rg.ones(10)
    rg.optim.SGD([p], lr=0.1).step()
    assert not calls
    p = rg.nn.Parameter(rg.zeros(5000))
    p.grad = rg.ones(5000)
    rg.optim.SGD([p], lr=0.1).step()
    assert calls == [0]


def test_what_does_not_fit_is_left_to_the_formula(monkeypatch: Any) -> None:
    def model() -> list[Any]:
        rng = np.random.default_rng(0)
        return [
            *parameters("float32", ((40, 30), (7,))),
            rg.nn.Parameter(rg.tensor(rng.standard_normal((6, 4)).astype("f")).half()),
            rg.nn.Parameter(rg.from_numpy(rng.standard_normal((6, 4)).T)),  # strided
            rg.nn.Parameter(rg.tensor(rng.standard_normal(5) + 1j)),
            rg.nn.Parameter(rg.zeros(0)),
        ]

    for make, options in ((rg.optim.SGD, {"lr": 0.1, "momentum": 0.9}), (rg.optim.Adam, {"weight_decay": 0.1})):
        name = "sgd_step" if make is rg.optim.SGD else "adam_step"
        results = []
        for backend in ("numba", "numpy"):
            calls = count(monkeypatch, name)
            ps = model()
            opt = make(ps, **options)
            with rg.use_backend(backend), runtime.forced():
                for _ in range(3):
                    for p in ps:
                        p.grad = rg.ones_like(p).detach() * 0.5
                    ps[0].grad = rg.from_numpy(np.full((30, 40), 0.5, "f").T)  # a gradient of another layout
                    opt.step()
            assert (calls == [1, 1, 1] or calls == [1, 1]) if backend == "numba" else not calls
            state = opt.state_dict()["state"]
            assert list(state) == list(range(len(ps)))
            results.append([p.detach().numpy() for p in ps])
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-6)


def test_state_may_be_replaced_and_cleared() -> None:
    def run(backend: str) -> list[np.ndarray]:
        ps = parameters("float64", ((50, 3), (9,)))
        opt: Any = rg.optim.Adam(ps, lr=0.1)
        rng = np.random.default_rng(2)

        def step() -> None:
            for p in ps:
                p.grad = rg.tensor(rng.standard_normal(p.shape))
            opt.step()

        with rg.use_backend(backend), runtime.forced():
            step()
            opt.state[ps[0]]["exp_avg"] = rg.zeros(50, 3, dtype=rg.float64)
            step()
            ps[1].data = rg.ones(9, dtype=rg.float64)
            step()
            opt.state.clear()
            step()
            opt.load_state_dict(copy.deepcopy(opt.state_dict()))
            step()
            opt = copy.deepcopy(opt)
            ps = opt.param_groups[0]["params"]
            step()
            opt.add_param_group({"params": [rg.nn.Parameter(rg.ones(4, dtype=rg.float64))], "lr": 0.5})
            ps = [*ps, opt.param_groups[1]["params"][0]]
            step()
            opt.param_groups[0]["params"].pop()
            step()
        return [p.detach().numpy() for p in ps]

    assert_near(run("numba"), run("numpy"))


def test_memory_stays_where_it_is_and_writes_are_dated() -> None:
    p = rg.nn.Parameter(rg.ones(40, 30))
    array, alias, view = p._data, p.detach(), p.data[3]
    p.grad = rg.ones(40, 30)
    before = versions.version(p._data)
    with runtime.forced():
        rg.optim.SGD([p], lr=0.5).step()
    assert p._data is array and versions.version(p._data) == before + 1
    assert alias.numpy().ravel()[0] == 0.5 and view.numpy()[0] == 0.5
    x = (p * p).sum()
    with runtime.forced():
        rg.optim.SGD([p], lr=0.5).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        x.backward()


def test_parameters_that_share_memory_are_updated_in_turn(monkeypatch: Any) -> None:
    calls = count(monkeypatch, "sgd_step")

    def run(backend: str) -> np.ndarray:
        base = np.arange(2000.0)
        p, q = rg.nn.Parameter(rg.from_numpy(base)), rg.nn.Parameter(rg.from_numpy(base[500:]))
        opt = rg.optim.SGD([p, q], lr=0.5, momentum=0.5, weight_decay=0.1)
        with rg.use_backend(backend), runtime.forced():
            for _ in range(3):
                p.grad, q.grad = rg.ones(2000, dtype=rg.float64), rg.ones(1500, dtype=rg.float64)
                opt.step()
        return base

    assert np.array_equal(run("numba"), run("numpy")) and not calls
    # a gradient that is another parameter's memory: nothing is done at once

    def crossed(backend: str) -> list[np.ndarray]:
        ps = parameters("float64", ((900,), (900,)))
        opt = rg.optim.SGD(ps, lr=0.5)
        with rg.use_backend(backend), runtime.forced():
            ps[0].grad, ps[1].grad = rg.ones(900, dtype=rg.float64), ps[0].detach()
            opt.step()
        return [p.detach().numpy() for p in ps]

    for a, b in zip(crossed("numba"), crossed("numpy"), strict=True):
        assert np.array_equal(a, b)
    assert calls == [NotImplemented]


def test_a_parameter_twice_is_updated_twice() -> None:
    def run(backend: str) -> np.ndarray:
        p = rg.nn.Parameter(rg.ones(1200))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opt = rg.optim.SGD([p, p], lr=0.25)
        p.grad = rg.ones(1200)
        with rg.use_backend(backend), runtime.forced():
            opt.step()
        return p.detach().numpy()

    assert np.array_equal(run("numba"), run("numpy")) and run("numba")[0] == 0.5


def test_infinities_and_nan_pass_as_in_the_formula() -> None:
    special = np.array([math.inf, -math.inf, math.nan, 0.0, -0.0, 1e30, 1e-40, 3e38], "f")
    for make, options in CASES:
        results = []
        for backend in ("numba", "numpy"):
            p, q = rg.nn.Parameter(rg.tensor(np.tile(special, 200))), rg.nn.Parameter(rg.ones(1600))
            opt = make([p, q], **options)
            with rg.use_backend(backend), runtime.forced():
                for _ in range(2):
                    p.grad, q.grad = rg.ones(1600), rg.tensor(np.repeat(special, 200))
                    opt.step()
            results.append([p.detach().numpy(), q.detach().numpy()])
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=3e-6, atol=1e-6, err_msg=f"{make} {options}")


def test_sparse_gradients_are_refused_or_taken_as_before() -> None:
    e = rg.nn.Embedding(50, 4, sparse=True)
    w = rg.nn.Parameter(rg.ones(2000))
    with runtime.forced():
        opt = rg.optim.SGD([w, e.weight], lr=0.5)
        before = e.weight.detach().numpy().copy()
        e(rg.tensor([1, 1, 3])).sum().backward()
        w.grad = rg.ones(2000)
        opt.step()
        moved = np.flatnonzero((e.weight.detach().numpy() != before).any(1))
        assert moved.tolist() == [1, 3] and w[0].item() == 0.5
        with pytest.raises(RuntimeError, match="sparse"):
            rg.optim.Adam([w, e.weight]).step()


def test_steps_count_in_both_widths() -> None:
    for default in (rg.float32, rg.float64):
        was = rg.get_default_dtype()
        rg.set_default_dtype(default)
        try:
            results = [train(rg.optim.Adam, {}, parameters("float32"), b) for b in ("numba", "numpy")]
        finally:
            rg.set_default_dtype(was)
        assert_near(*results)


def test_array_objects_can_be_read_at_their_addresses() -> None:
    assert kernels._readable()


# ---------------------------------------------------------------- clipping
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [2.0, math.inf, 1.0])
@pytest.mark.parametrize("kind", ["plain", "nan", "inf"])
def test_clipping_equals_the_formula(dtype: str, p: float, kind: str) -> None:
    results = []
    for backend in ("numba", "numpy"):
        rng = np.random.default_rng(0)
        ps = parameters(dtype, ((5000,), (3, 4), (), (64, 65), *(() if p == math.inf else ((0,),))))
        for q in ps:
            q.grad = rg.tensor(rng.standard_normal(q.shape).astype(dtype))
        if kind != "plain":
            ps[0].grad[4500] = float(kind)
        with rg.use_backend(backend), runtime.forced():
            norm = rg.nn.utils.clip_grad_norm_(ps, 1.5, p)
            if kind != "plain":
                with pytest.raises(RuntimeError, match="non-finite"):
                    rg.nn.utils.clip_grad_norm_(ps, 1.5, p, error_if_nonfinite=True)
        results.append([norm.numpy(), *(q.grad.numpy() for q in ps)])
    for a, b in zip(*results, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-13 if dtype == "float64" else 1e-6)


def test_clipping_runs_in_two_calls_and_dates_its_writes(monkeypatch: Any) -> None:
    norms, scales = count(monkeypatch, "norms_of"), count(monkeypatch, "scale_all")
    ps = parameters("float32", ((50, 50), (3000,)))
    for p in ps:
        p.grad = rg.ones_like(p).detach()
    before = versions.version(ps[0].grad._data)
    rg.nn.utils.clip_grad_norm_(ps, 1.0)
    assert len(norms) == 1 and norms[0] is not NotImplemented and scales == [None]
    assert versions.version(ps[0].grad._data) == before + 1
    total = rg.nn.utils.get_total_norm([p.grad for p in ps])
    assert abs(total.item() - 1) < 1e-5
    small = [p.grad.numpy().copy() for p in ps]
    rg.nn.utils.clip_grad_norm_(ps, 10.0)  # nothing to do
    assert all(np.array_equal(a, p.grad.numpy()) for a, p in zip(small, ps, strict=True))


def test_clipping_declines_what_it_cannot_do(monkeypatch: Any) -> None:
    norms, scales = count(monkeypatch, "norms_of"), count(monkeypatch, "scale_all")
    with runtime.forced():
        p, q = parameters("float32", ((30, 40),))[0], parameters("float64", ((30, 40),))[0]
        p.grad, q.grad = rg.ones(30, 40), rg.ones(30, 40, dtype=rg.float64)
        assert abs(rg.nn.utils.clip_grad_norm_([p, q], 1.0).item() - math.sqrt(2400)) < 1e-3  # two dtypes
        p.grad = rg.ones(40, 30).T  # strided
        rg.nn.utils.clip_grad_norm_([p], 1.0)
        p.grad = q.detach().float()
        q.grad = None
        shared = rg.ones(30, 40)
        other = parameters("float32", ((30, 40),))[0]
        p.grad, other.grad = shared, shared  # is scaled twice, as by the formula
        rg.nn.utils.clip_grad_norm_([p, other], 1.0)
    assert shared.numpy()[0, 0] == pytest.approx(1 / 2400, rel=1e-4)
    assert scales == [NotImplemented] * 3
    assert norms[0] is NotImplemented and norms[1] is NotImplemented


def test_sums_of_squares_do_not_depend_on_threads(monkeypatch: Any) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(n).astype("f") for n in (1, 4096, 4097, 50_000)]
    with runtime.forced():
        two = kernels.norms_of(arrays, 2.0)
        monkeypatch.setattr(kernels, "threads", lambda work, serial_below: 1)
        one = kernels.norms_of(arrays, 2.0)
    assert np.array_equal(one, two)
    exact = [math.sqrt(np.sum(a.astype(np.float64) ** 2)) for a in arrays]
    np.testing.assert_allclose(one, exact, rtol=3e-7)
