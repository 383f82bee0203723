"""The scans of recurrent layers against the NumPy formulas: values and derivatives, packed rows, both directions, NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd.autograd.kernels.cpu import KERNELS, runtime
from retrograd.nn.utils.rnn import pack_padded_sequence

pytest.importorskip("numba")
pytest.importorskip("scipy")

KINDS = ["LSTM", "GRU", "RNN_TANH", "RNN_RELU"]
TOLERANCE = {np.float64: 1e-12, np.float32: 2e-5}


def layer_of(kind, i, h, dtype, **options):
    rg.manual_seed(0)
    dt = rg.float64 if dtype == np.float64 else rg.float32
    if kind.startswith("RNN"):
        return rg.nn.RNN(i, h, nonlinearity=kind[4:].lower(), dtype=dt, **options)
    return getattr(rg.nn, kind)(i, h, dtype=dt, **options)


def run(layer, x, lengths=None, second=False, states=True):
    """Outputs, last states, and the gradients of input, first states and parameters (and those of their squares)."""
    dt = x.dtype
    r = np.random.default_rng(1)
    inputs = rg.tensor(x, requires_grad=True)
    batch = x.shape[1]
    directions = 2 if layer.bidirectional else 1
    n = directions * layer.num_layers
    given = inputs if lengths is None else pack_padded_sequence(inputs, rg.tensor(lengths))
    first = [
        rg.tensor(r.standard_normal((n, batch, layer.hidden_size)).astype(dt), requires_grad=True)
        for _ in range(2 if isinstance(layer, rg.nn.LSTM) else 1)
    ]
    hx = None if not states else tuple(first) if len(first) == 2 else first[0]
    y, last = layer(given, hx)
    y = y if lengths is None else y.data
    last = last if isinstance(last, tuple) else (last,)
    loss = (y * rg.tensor(r.standard_normal(tuple(y.shape)).astype(dt))).sum() + sum((v * v).sum() for v in last)
    wanted = [inputs, *(first if states else []), *layer.parameters()]
    found = rg.autograd.grad(loss, wanted, create_graph=second)
    out = [y, *last, *found]
    if second:
        out += rg.autograd.grad(rg.stack([(g * g).sum() for g in found]).sum(), wanted)
    return [v.detach().numpy() for v in out]


def check(kind, dtype, batch, steps, i, h, lengths=None, second=False, states=True, **options):
    layer = layer_of(kind, i, h, dtype, **options)
    x = np.random.default_rng(2).standard_normal((steps, batch, i)).astype(dtype)
    with runtime.forced():
        got = run(layer, x, lengths, second, states)
    with rg.use_backend("numpy"):
        wanted = run(layer, x, lengths, second, states)
    for a, b in zip(got, wanted, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE[dtype] * max(1e-3, np.abs(b).max(initial=0)))


SIZES = [  # batch, steps, input, hidden, lengths
    (1, 1, 1, 1, None),
    (3, 4, 2, 5, None),
    (2, 1, 3, 4, None),
    (4, 5, 3, 6, [5, 3, 3, 1]),
    (9, 3, 4, 17, [3, 3, 3, 2, 2, 2, 1, 1, 1]),
    (11, 4, 3, 32, [4, 4, 4, 4, 3, 3, 3, 2, 2, 1, 1]),  # the weight in panels
]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_derivatives_are_those_of_the_formula(kind, dtype, size):
    for options in ({}, {"bias": False, "bidirectional": True}):
        check(kind, dtype, *size, **options)
        check(kind, dtype, *size, states=False, **options)


@pytest.mark.parametrize("size", SIZES[1::2], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives(kind, size):
    check(kind, np.float64, *size, second=True, bidirectional=True)


@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 5), st.integers(1, 35), st.sampled_from(KINDS))
@settings(max_examples=15, deadline=None)
def test_drawn_shapes(batch, steps, i, h, kind):
    check(kind, np.float64, batch, steps, i, h, num_layers=2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_nan_and_infinity_spread_as_in_the_formula(kind, bad):
    layer = layer_of(kind, 3, 5, np.float64)
    x = np.random.default_rng(2).standard_normal((4, 6, 3))
    x[1, 2, 0] = bad
    with np.errstate(all="ignore"):
        with runtime.forced():
            got = run(layer, x)
        with rg.use_backend("numpy"):
            wanted = run(layer, x)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        good = np.isfinite(b)
        np.testing.assert_allclose(a[good], b[good], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_one_thread_and_two_agree(kind, monkeypatch):
    layer = layer_of(kind, 3, 8, np.float64)
    x = np.random.default_rng(2).standard_normal((4, 8, 3))
    with runtime.forced():
        two = run(layer, x)
        monkeypatch.setattr("retrograd.autograd.kernels.cpu.recurrent.threads", lambda work, below: 1)
        one = run(layer, x)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernels_run_and_only_wanted_cotangents_are_made(kind, monkeypatch):
    name = kind.lower().split("_")[0]
    calls = []
    for each in (name, f"{name}_back"):

        def counted(*args, kernel=KERNELS[each], each=each):
            found = kernel(*args)
            calls.append((each, found is not NotImplemented))
            return found

        monkeypatch.setitem(KERNELS, each, counted)
    layer = layer_of(kind, 3, 4, np.float32)
    with runtime.forced():
        y, _ = layer(rg.ones(2, 3, 3))
        y.sum().backward()
    assert calls == [(name, True), (f"{name}_back", True)]
    assert all(p.grad is not None for p in layer.parameters())


@pytest.mark.parametrize("dtype", [rg.float16, rg.bfloat16])
def test_half_types_stay_close(dtype):
    rg.manual_seed(0)
    layer = rg.nn.LSTM(3, 4, dtype=dtype)
    x = rg.tensor(np.random.default_rng(0).standard_normal((5, 2, 3)), dtype=dtype)
    with runtime.forced():
        y, _ = layer(x)
    with rg.use_backend("numpy"):
        wanted, _ = layer(x)
    assert y.dtype is dtype
    np.testing.assert_allclose(y.float().numpy(), wanted.float().numpy(), rtol=1e-2, atol=1e-3)


def test_what_is_declined():
    a = np.ones
    f = np.float32
    good = (a((6, 3), f), a((2, 4), f), a((2, 4), f), a((16, 3), f), a((16, 4), f), a(16, f))
    with runtime.forced():
        run_lstm = KERNELS["lstm"]
        assert run_lstm(good, (2, 2, 2), False) is not NotImplemented
        assert run_lstm(good, (2, 2, 1), False) is NotImplemented  # rows that do not fit
        for i, bad in enumerate(((6, 4), (2, 5), (3, 4), (16, 2), (12, 4), (15,))):
            assert run_lstm((*good[:i], a(bad, f), *good[i + 1 :]), (2, 2, 2), False) is NotImplemented
            assert run_lstm((*good[:i], good[i].astype(float), *good[i + 1 :]), (2, 2, 2), False) is NotImplemented
        half = tuple(x.astype(np.float16) for x in good)
        assert run_lstm(half, (2, 2, 2), False) is NotImplemented
        turned = a((3, 6), f).T
        assert run_lstm((turned, *good[1:]), (2, 2, 2), False) is NotImplemented


def test_nothing_to_do():
    layer = rg.nn.LSTM(3, 4)
    with runtime.forced():
        y, (h, _) = layer(rg.ones(5, 0, 3))
    assert y.shape == (5, 0, 4) and h.shape == (1, 0, 4)
