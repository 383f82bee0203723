"""Window functions: against PyTorch in every type, their symmetry, sums and limits, and the arguments of factories."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")

ROOT = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]
SIGNAL = {
    "bartlett": {}, "blackman": {}, "cosine": {}, "exponential": {"tau": 3.0}, "gaussian": {"std": 1.5},
    "general_cosine": {"a": [0.4, 0.3, 0.2]}, "general_hamming": {"alpha": 0.6}, "hamming": {}, "hann": {},
    "kaiser": {"beta": 5.0}, "nuttall": {},
}  # fmt: skip


@pytest.mark.parametrize("name", ROOT)
@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_windows_of_the_front_door_are_pytorchs(name, periodic, dtype):
    for n in (0, 1, 2, 3, 8, 65):
        mine = getattr(rg, name)(n, periodic, dtype=getattr(rg, dtype))
        other = getattr(torch, name)(n, periodic, dtype=getattr(torch, dtype))
        assert mine.dtype.name == dtype and mine.shape == (n,)
        atol = {"bfloat16": 2e-2, "float16": 2e-3, "float32": 2e-6, "float64": 1e-14}[dtype]
        np.testing.assert_allclose(mine.double().numpy(), other.double().numpy(), atol=atol)


@pytest.mark.parametrize("name", sorted(SIGNAL))
@pytest.mark.parametrize("sym", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_windows_of_signal_are_pytorchs(name, sym, dtype):
    for n in (0, 1, 2, 3, 8, 65):
        mine = getattr(rg.signal.windows, name)(n, sym=sym, dtype=getattr(rg, dtype), **SIGNAL[name])
        other = getattr(torch.signal.windows, name)(n, sym=sym, dtype=getattr(torch, dtype), **SIGNAL[name])
        assert mine.dtype.name == dtype and mine.shape == (n,)
        np.testing.assert_allclose(mine.numpy(), other.numpy(), atol=2e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("name", sorted(SIGNAL))
def test_symmetric_and_periodic(name):
    f, more = getattr(rg.signal.windows, name), {**SIGNAL[name], "dtype": rg.float64}
    w = f(9, **more).numpy()
    np.testing.assert_allclose(w, w[::-1], atol=1e-15)
    np.testing.assert_allclose(f(8, sym=False, **more).numpy(), w[:8], atol=1e-15)


@pytest.mark.parametrize("name", ["hamming_window", "hann_window"])
def test_periodic_windows_overlap_to_a_constant(name):
    w = getattr(rg, name)(16, dtype=rg.float64).numpy()
    np.testing.assert_allclose(w[:8] + w[8:], (w[:8] + w[8:])[0], atol=1e-14)


def test_limits():
    np.testing.assert_array_equal(rg.kaiser_window(5, beta=0.0).numpy(), np.ones(5))
    np.testing.assert_allclose(rg.signal.windows.gaussian(5, std=1e6).numpy(), np.ones(5), rtol=1e-6)
    np.testing.assert_array_equal(rg.signal.windows.general_cosine(5, a=[1.0]).numpy(), np.ones(5))
    w = rg.signal.windows.exponential(5, center=0.0, sym=False, tau=1.0, dtype=rg.float64)
    np.testing.assert_allclose(w.numpy(), np.exp(-np.arange(5.0)))


def test_arguments_of_factories():
    with rg.default_dtype(rg.float64):
        assert rg.hann_window(3).dtype is rg.float64 and rg.signal.windows.hann(3).dtype is rg.float64
    w = rg.hann_window(4, requires_grad=True, device="cpu", layout=rg.strided, pin_memory=False)
    assert w.requires_grad and w.is_leaf
    w.sum().backward()
    assert w.grad.tolist() == [1, 1, 1, 1]
    assert rg.hamming_window(5, True, 0.5, 0.5).numpy() == pytest.approx(rg.hann_window(5).numpy())
    with pytest.raises(rg.DtypeError, match="dtype is complex64"):
        rg.hann_window(4, dtype=rg.complex64)
    with pytest.raises(NotImplementedError, match="layout"):
        rg.hann_window(4, layout="sparse_coo")


def test_modules_are_importable_under_pytorchs_paths():
    assert importlib.import_module("retrograd.signal.windows") is rg.signal.windows
    assert sorted(set(torch.signal.windows.__all__) - set(rg.signal.windows.__all__)) == []
