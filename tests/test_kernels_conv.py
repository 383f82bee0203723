"""Convolution kernels equal the NumPy formulas: values, gradients, second derivatives, non-finite values, and tuning."""

from __future__ import annotations

import json
import math
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd.autograd.kernels.cpu import KERNELS, blas, conv, conv_plan, runtime
from retrograd.autograd.ops import conv_core

pytest.importorskip("numba")
F = rg.nn.functional
EPS = {"f": 6e-7, "d": 1e-14}

# x, w, stride, padding, dilation, groups
CASES: list[Any] = [
    ((1, 1, 1, 1), (1, 1, 1, 1), 1, 0, 1, 1),
    ((2, 3, 6, 7), (4, 3, 3, 3), 1, 1, 1, 1),
    ((3, 1, 28, 28), (6, 1, 5, 5), 1, 2, 1, 1),
    ((2, 6, 14, 14), (16, 6, 5, 5), 1, 0, 1, 1),
    ((3, 16, 32, 32), (32, 16, 3, 3), 2, 1, 1, 1),
    ((2, 16, 9, 9), (32, 16, 1, 1), 2, 0, 1, 1),
    ((5, 16, 8, 8), (24, 16, 1, 1), 1, 0, 1, 1),
    ((5, 64, 8, 8), (64, 64, 3, 3), 1, 1, 1, 1),
    ((2, 12, 10, 11), (12, 1, 3, 3), 1, 1, 1, 12),
    ((2, 12, 11, 10), (24, 1, 3, 3), 2, 1, 1, 12),
    ((2, 6, 12, 13), (9, 2, 3, 2), (2, 3), (1, 0), (2, 1), 3),
    ((1, 4, 40, 70), (20, 4, 3, 3), 1, 1, 1, 1),
    ((3, 2, 4, 4), (3, 2, 2, 2), 3, 4, 1, 1),
    ((2, 3, 9, 9), (2, 3, 3, 3), 3, 0, 2, 1),
    ((40, 8, 6, 6), (7, 8, 3, 3), 1, (2, 0), 1, 1),
]


def two(v):
    return v if isinstance(v, tuple) else (v, v)


def draw(char, x, w, stride, padding, dilation, groups):
    """Operands and parameters of the three kernels."""
    rng = np.random.default_rng(0)
    s, lo, d = two(stride), two(padding), two(dilation)
    o = tuple((n + 2 * p - b * (k - 1) - 1) // a + 1 for n, p, b, k, a in zip(x[2:], lo, d, w[2:], s, strict=True))
    xa, wa, ba, ga = (rng.standard_normal(v).astype(char) for v in (x, w, (w[0],), (x[0], w[0], *o)))
    return {
        "conv": ((xa, wa, ba), lo, o, s, d, groups),
        "conv_gx": ((ga, wa), lo, x[2:], s, d, groups),
        "conv_gw": ((xa, ga), lo, w[2:], s, d, groups),
    }


FORMULAS = {
    "conv": conv_core.conv_formula,
    "conv_gx": conv_core.conv_gx_formula,
    "conv_gw": conv_core.conv_gw_formula,
}


def check(calls, char):
    for name, args in calls.items():
        with rg.use_backend("numpy"):
            want = FORMULAS[name](np, *args)
        got = KERNELS[name](*args)
        assert got is not NotImplemented and got.shape == want.shape and got.dtype == want.dtype, name
        scale = max(1.0, float(np.abs(want).max()))
        assert np.abs(got - want).max() <= EPS[char] * scale * 4, (name, np.abs(got - want).max() / scale)


@pytest.fixture
def threads():
    """Sets the number of threads of kernels, and what it was at the end."""
    before = runtime.num_threads()
    yield runtime.set_num_threads
    runtime.set_num_threads(before)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("char", ["f", "d"])
def test_kernels_equal_formulas(case, char, threads):
    for nt in (1, 2):
        threads(nt)
        with runtime.forced():
            check(draw(char, *case), char)


PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(deadline=None, max_examples=150)
@given(
    n=st.integers(1, 5), c=st.integers(1, 8), o=st.integers(1, 19), g=st.sampled_from([1, 1, 2, 3]),
    x=st.tuples(st.integers(1, 30), st.integers(1, 30)), k=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    s=PAIRS, d=PAIRS, lo=st.tuples(st.integers(0, 3), st.integers(0, 3)), char=st.sampled_from("fd"),
)  # fmt: skip
def test_drawn_shapes(n, c, o, g, x, k, s, d, lo, char):
    if any(m + 2 * p < b * (kk - 1) + 1 for m, p, b, kk in zip(x, lo, d, k, strict=True)):
        return
    with runtime.forced():
        check(draw(char, (n, c * g, *x), (o * g, c, *k), s, lo, d, g), char)


def both(f):
    """f() with kernels and with the formulas."""
    with runtime.forced():
        got = f()
    with rg.use_backend("numpy"):
        want = f()
    return got, want


def close(got, want, char):
    for a, b in zip(got, want, strict=True):
        a, b = a.numpy(), b.numpy()
        assert a.shape == b.shape and a.dtype == b.dtype
        assert np.abs(a - b).max() <= EPS[char] * 40 * max(1.0, float(np.abs(b).max()))


@pytest.mark.parametrize("char", ["f", "d"])
@pytest.mark.parametrize("case", [c for c in CASES if math.prod(c[0]) < 4000], ids=str)
def test_first_and_second_derivatives(case, char):
    stride, padding, dilation, groups = case[2:]
    xa, wa, ba = draw(char, *case)["conv"][0]

    def run():
        x, w, b = (rg.tensor(v, requires_grad=True) for v in (xa, wa, ba))
        y = F.conv2d(x, w, b, stride, padding, dilation, groups)
        first = rg.autograd.grad((y * y).sum() / y.numel(), [x, w, b], create_graph=True)
        second = rg.autograd.grad([(v * v).sum() for v in first], [x, w, b])
        return [y.detach(), *(v.detach() for v in first), *second]

    got, want = both(run)
    close(got, want, char)


@pytest.mark.parametrize("char", ["f", "d"])
def test_one_dimension_and_transposed(char):
    rng = np.random.default_rng(0)
    x1, w1 = rng.standard_normal((3, 4, 33)).astype(char), rng.standard_normal((6, 2, 4)).astype(char)
    x2, w2, b2 = (rng.standard_normal(v).astype(char) for v in ((2, 6, 7, 5), (6, 4, 3, 2), (8,)))
    x3, w3 = rng.standard_normal((2, 5, 9)).astype(char), rng.standard_normal((5, 3, 4)).astype(char)

    def run():
        a = [rg.tensor(v, requires_grad=True) for v in (x1, w1, x2, w2, b2, x3, w3)]
        y1 = F.conv1d(a[0], a[1], None, 3, 2, 2, 2)
        y2 = F.conv_transpose2d(a[2], a[3], a[4], (2, 3), (1, 0), (1, 1), 2)
        y3 = F.conv_transpose1d(a[5], a[6], None, 2)
        grads = rg.autograd.grad((y1**2).sum() + (y2**2).sum() + (y3**2).sum(), a)
        return [y1.detach(), y2.detach(), y3.detach(), *grads]

    got, want = both(run)
    close(got, want, char)


def test_the_public_api_runs_the_kernels(monkeypatch):
    ran = []
    for name in ("conv", "conv_gx", "conv_gw"):
        kernel = KERNELS[name]

        def record(*args, kernel=kernel, name=name):
            r = kernel(*args)
            ran.append((name, r is not NotImplemented))
            return r

        monkeypatch.setitem(KERNELS, name, record)
        monkeypatch.setitem(rg.autograd.backend.numpy_backend.kernels, name, record)
    x = rg.randn(4, 8, 16, 16, requires_grad=True)
    F.conv2d(x, rg.randn(8, 8, 3, 3, requires_grad=True), padding=1).sum().backward()
    assert ran == [("conv", True), ("conv_gx", True), ("conv_gw", True)]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("where", ["x", "w", "g"])
@pytest.mark.parametrize("case", [CASES[1], CASES[4], CASES[6], CASES[8]], ids=str)
def test_values_that_are_not_finite(value, where, case):
    calls = draw("f", *case)
    (x, w, _), (g, _) = calls["conv"][0], calls["conv_gx"][0]
    {"x": x, "w": w, "g": g}[where].reshape(-1)[5] = value
    calls["conv_gw"] = ((x, g), *calls["conv_gw"][1:])
    calls["conv_gx"] = ((g, w), *calls["conv_gx"][1:])
    for name, args in calls.items():
        with runtime.forced(), np.errstate(all="ignore"):
            got = KERNELS[name](*args)
            want = FORMULAS[name](np, *args)
        if got is NotImplemented:  # results or weights that are not finite are left to the formula
            continue
        assert (np.isfinite(got) == np.isfinite(want)).all(), name
        fine = np.isfinite(want)
        assert np.allclose(got[fine], want[fine], 1e-4, 1e-4)


def test_what_is_left_to_the_formula():
    calls = draw("f", *CASES[1])
    for char in ("e", "i", "F"):
        with runtime.forced():
            for name, (xs, *p) in calls.items():
                other = tuple(v.astype(char) for v in xs)
                assert KERNELS[name](other, *p) is NotImplemented
                assert KERNELS[name]((xs[0], other[1], *other[2:]), *p) is NotImplemented
    with runtime.forced():
        x, w = np.ones((2, 3, 4, 4, 4), "f"), np.ones((2, 3, 2, 2, 2), "f")
        p = ((0,) * 3, (3,) * 3, (1,) * 3, (1,) * 3, 1)
        assert KERNELS["conv"]((x, w, None), *p) is NotImplemented
        empty = np.ones((0, 3, 4, 4), "f")
        assert KERNELS["conv"]((empty, w[..., 0], None), (0, 0), (3, 3), (1, 1), (1, 1), 1) is NotImplemented
    small = draw("f", (1, 1, 4, 4), (1, 1, 2, 2), 1, 0, 1, 1)
    assert all(KERNELS[name](*args) is NotImplemented for name, args in small.items())


def test_half_precision_computes_in_single():
    """Results are rounded from float32, which may fall to either side."""
    rng = np.random.default_rng(0)
    xa, wa = rng.standard_normal((4, 8, 12, 12)), rng.standard_normal((8, 8, 3, 3))
    for dtype, eps in ((rg.float16, 2**-10), (rg.bfloat16, 2**-7)):
        x, w = rg.tensor(xa).to(dtype), rg.tensor(wa).to(dtype)
        got, want = both(lambda x=x, w=w: F.conv2d(x, w, padding=1))
        assert got.dtype is dtype
        got, want = got.float().numpy(), want.float().numpy()
        assert (np.abs(got - want) <= eps * np.abs(want) + 1e-6).all()


def test_layouts(threads):
    """Views, read-only arrays and gradients that were broadcast are copied; operands stay as they are."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((4, 12, 12, 8)).astype("f")
    x, w = base.transpose(0, 3, 1, 2), rng.standard_normal((8, 8, 3, 3)).astype("f").transpose(1, 0, 3, 2)
    fixed = np.ascontiguousarray(x)
    fixed.flags.writeable = False
    g = np.broadcast_to(np.float32(2), (4, 8, 12, 12))
    kept = base.copy()
    for nt in (1, 2, 3):
        threads(nt)
        for source in (x, fixed, x[::-1]):
            p = ((1, 1), (1, 1), (1, 1), 1)
            calls = {
                "conv": ((source, w, None), p[0], (12, 12), *p[1:]),
                "conv_gx": ((g, w), p[0], (12, 12), *p[1:]),
                "conv_gw": ((source, g), p[0], (3, 3), *p[1:]),
            }
            with runtime.forced():
                check(calls, "f")
    assert (base == kept).all()


def test_threads_of_python(threads):
    """Kernels run in several threads of Python at once."""
    calls = draw("f", *CASES[7])
    want = {name: KERNELS[name](*args) for name, args in calls.items()}
    wrong = []

    def work():
        for _ in range(20):
            wrong.extend(n for n, a in calls.items() if np.abs(KERNELS[n](*a) - want[n]).max() > 1e-3)

    threads(1)
    running = [threading.Thread(target=work) for _ in range(3)]
    for t in running:
        t.start()
    for t in running:
        t.join()
    assert not wrong


def test_runs_are_repeatable():
    calls = draw("f", *CASES[4])
    first, again = ({n: KERNELS[n](*a) for n, a in calls.items()} for _ in range(2))
    assert all(np.array_equal(first[n], again[n]) for n in calls)


# ---------------------------------------------------------------- the table of variants
SHAPES = [
    {"input": (4, 8, 8, 8), "weight": (16, 8, 1, 1)},
    {"input": (2, 3, 9, 9), "weight": (4, 3, 3, 3), "padding": 1, "stride": (2, 1), "dtype": "float64"},
]


@pytest.fixture
def table():
    yield conv_plan
    conv_plan.clear()


def test_tune_measures_and_keeps(table, tmp_path):
    path = tmp_path / "plan.json"
    with runtime.forced():
        report = table.tune(SHAPES, path, 0.001)
    assert [r["key"].split()[0] for r in report] == ["conv", "gx", "gw"] * 2
    for row in report:
        assert row["chosen"] == min(row["ms"], key=row["ms"].get) and set(row["ms"]) <= set(table.VARIANTS)
        assert row["rule"] in ("direct", "gemm") and {"numpy", "direct"} <= set(row["ms"])
    table.clear()
    assert table.load(path) == 6
    args = ((4, 8, 8, 8), (16, 8, 1, 1), (0, 0), (8, 8), (1, 1), (1, 1), 1, "f")
    assert table.choose("conv", *args) == report[0]["chosen"]
    table.clear()
    assert table.choose("conv", *args) == report[0]["rule"] == ("gemm" if blas.available() else "direct")


@pytest.mark.parametrize("variant", conv_plan.VARIANTS)
def test_each_variant_gives_the_same(table, variant, tmp_path):
    path = tmp_path / "plan.json"
    x, w = (4, 8, 8, 8), (16, 8, 1, 1)
    keys = [table.key(kind, x, w, (0, 0), (8, 8), (1, 1), (1, 1), 1, "d") for kind in table.KINDS]
    path.write_text(json.dumps({"version": 1, "conv": dict.fromkeys(keys, variant)}))
    table.load(path)
    calls = draw("d", x, w, 1, 0, 1, 1)
    with runtime.forced():
        if variant == "numpy":
            assert all(KERNELS[n](*a) is NotImplemented for n, a in calls.items())
        else:
            check(calls, "d")


def test_tune_says_what_is_wrong(table, tmp_path):
    with pytest.raises(ValueError, match="no convolution to tune"):
        table.tune([{"input": (1, 3, 4, 4), "weight": (2, 2, 1, 1)}])
    with pytest.raises(ValueError, match="larger than the padded input"):
        table.tune([{"input": (1, 2, 2, 2), "weight": (2, 2, 3, 3)}])
    path = tmp_path / "other.json"
    path.write_text('{"conv": {"a": "b"}}')
    with pytest.raises(ValueError, match="is not a table"):
        table.load(path)


def test_plans_cover_every_element():
    """Rows of tables: all positions of an input belong to one output of the gradient, and windows stay inside rows."""
    for n in range(1, 12):
        for k in range(1, 5):
            for s in range(1, 4):
                for lo in range(3):
                    for d in (1, 2):
                        o = (n + 2 * lo - d * (k - 1) - 1) // s + 1
                        if o < 1:
                            continue
                        back = conv._backward(n, k, o, lo, s, d)
                        made = sorted(a + b * r for a, b, count, _ in back.outputs for r in range(count))
                        assert made == list(range(n))
                        for axis in (back, conv._forward(n, k, o, lo, s, d)):
                            for first, end, _ in axis.phases:
                                assert 0 <= first <= end <= axis.end <= axis.pitch
