"""Choosing a backend and a device: the switch, its errors where something is missing, and what is said about a machine."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd import backend as backends
from retrograd.autograd import backend_cupy


@pytest.fixture
def restored():
    """The switch and the default device as they were."""
    with rg.use_backend(rg.get_backend()):
        yield


@pytest.fixture
def no_cupy(monkeypatch):
    """As on a machine where CuPy is not installed."""
    was = backends.set_cuda_backend(None)
    monkeypatch.setitem(sys.modules, "cupy", None)
    yield
    backends.set_cuda_backend(was)


@pytest.fixture
def no_gpu(monkeypatch):
    """As on a machine with CuPy but without a driver."""
    was = backends.set_cuda_backend(None)
    stub = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False), __spec__=SimpleNamespace())
    monkeypatch.setitem(sys.modules, "cupy", stub)
    yield
    backends.set_cuda_backend(was)


# ---------------------------------------------------------------- the switch
@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_as_a_statement_it_stays(restored, name):
    rg.use_backend(name)
    assert rg.get_backend() == name
    assert backends.kernels_enabled() is (name == "numba")
    assert rg.zeros(2).device == rg.device("cpu")


def test_as_a_context_manager_it_is_restored():
    before = rg.get_backend()
    with rg.use_backend("numpy"):
        assert rg.get_backend() == "numpy"
        with rg.use_backend("numba"):
            assert rg.get_backend() == "numba"
        assert rg.get_backend() == "numpy"
    assert rg.get_backend() == before


def test_it_is_restored_after_an_exception():
    before = rg.get_backend()
    with pytest.raises(KeyError), rg.use_backend("numpy"):
        raise KeyError
    assert rg.get_backend() == before


def test_cupy_makes_cuda_the_default_device(cuda_fake):
    with rg.use_backend("cupy"):
        assert rg.get_backend() == "cupy"
        assert rg.get_default_device() == rg.device("cuda")
        x = rg.ones(2, requires_grad=True)
        assert x.is_cuda and rg.tensor([1.0]).is_cuda and rg.arange(3).is_cuda and rg.rand(2).is_cuda
        with rg.use_backend("numpy"):
            assert not rg.ones(2).is_cuda and x.is_cuda
        assert rg.ones(2).is_cuda
        (x * 2).sum().backward()
        assert x.grad.is_cuda
    assert not rg.ones(2).is_cuda


def test_a_device_block_around_it_is_not_taken_for_the_default(cuda_fake):
    with rg.device("cuda"):
        with rg.use_backend("numpy"):
            pass
        assert rg.ones(1).is_cuda
    assert rg.get_default_device() == rg.device("cpu")


@pytest.mark.parametrize("name", ["torch", "cuda", "", None])
def test_unknown_names_are_refused(name):
    before = rg.get_backend()
    with pytest.raises(ValueError, match="unknown backend .*'numpy', 'numba', 'cupy'"):
        rg.use_backend(name)
    assert rg.get_backend() == before


def test_numba_missing(monkeypatch):
    before = rg.get_backend()
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(rg.DeviceError, match="numba.*pip install numba"):
        rg.use_backend("numba")
    assert rg.get_backend() == before
    assert "numba" not in rg.available_backends()


def test_kernels_are_off_for_numpy(monkeypatch):
    monkeypatch.setitem(backends.numpy_backend.kernels, "probe", len)
    with rg.use_backend("numpy"):
        assert backends.kernel(np, "probe") is None
    with rg.use_backend("numba"):
        assert backends.kernel(np, "probe") is len
        assert backends.kernel(np, "missing") is None


@pytest.mark.parametrize(("value", "name"), [("numpy", "numpy"), ("numba", "numba"), (None, "numba")])
def test_the_environment_chooses_the_first_backend(value, name):
    env = {k: v for k, v in os.environ.items() if k != "RETROGRAD_KERNELS"}
    if value is not None:
        env["RETROGRAD_KERNELS"] = value
    code = "import retrograd as rg; print(rg.get_backend())"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == name, done.stderr


# ---------------------------------------------------------------- what is there
def test_backends_of_this_machine():
    names = rg.available_backends()
    assert names[0] == "numpy" and set(names) <= {"numpy", "numba", "cupy"}
    assert ("cupy" in names) is (rg.cuda.device_count() > 0)


def test_the_stand_in_counts_as_cupy(cuda_fake):
    assert "cupy" in rg.available_backends()
    assert rg.cuda.is_available() and rg.cuda.device_count() == 2 and rg.cuda.current_device() == 0


@pytest.mark.parametrize("missing", ["no_cupy", "no_gpu"])
def test_nothing_is_claimed_without_cuda(request, missing):
    request.getfixturevalue(missing)
    assert "cupy" not in rg.available_backends()
    assert not rg.cuda.is_available() and rg.cuda.device_count() == 0 == backend_cupy.device_count()
    rg.cuda.synchronize()
    rg.cuda.empty_cache()


# ---------------------------------------------------------------- errors where CUDA is missing
NEEDS_CUDA = {
    "use_backend": lambda: rg.use_backend("cupy"),
    "cuda()": lambda: rg.ones(2).cuda(),
    "to": lambda: rg.ones(2).to("cuda:0"),
    "tensor": lambda: rg.tensor([1.0], device="cuda"),
    "zeros": lambda: rg.zeros(2, device="cuda"),
    "rand": lambda: rg.rand(2, device="cuda"),
    "arange": lambda: rg.arange(2, device="cuda"),
    "module": lambda: rg.nn.Linear(2, 2).cuda(),
    "current_device": lambda: rg.cuda.current_device(),
}


@pytest.mark.parametrize("what", NEEDS_CUDA)
def test_without_cupy_the_error_says_what_to_install(no_cupy, what):
    with pytest.raises(rg.DeviceError, match=r'CuPy is not installed.*pip install "retrograd\[cuda13\]".*cpu'):
        NEEDS_CUDA[what]()
    assert rg.get_default_device() == rg.device("cpu")


@pytest.mark.parametrize("what", NEEDS_CUDA)
def test_without_a_gpu_the_error_says_so(no_gpu, what):
    with pytest.raises(rg.DeviceError, match="no CUDA device is available.*cpu"):
        NEEDS_CUDA[what]()


def test_naming_a_device_needs_nothing(no_cupy):
    assert str(rg.device("cuda:1")) == "cuda:1"
    with rg.device("cuda"), pytest.raises(rg.DeviceError, match="not installed"):
        rg.zeros(1)


def test_a_device_that_does_not_exist(cuda_fake):
    with pytest.raises(rg.DeviceError, match=r"no device cuda:7; the last of the 2 present is cuda:1"):
        rg.ones(2).to("cuda:7")


# ---------------------------------------------------------------- the default device
def test_default_device(cuda_fake):
    rg.set_default_device("cuda")
    try:
        assert rg.get_default_device() == rg.device("cuda")
        assert rg.zeros(2).is_cuda and rg.randn(2).is_cuda and rg.tensor(1.0).is_cuda and rg.eye(2).is_cuda
        assert not rg.zeros(2, device="cpu").is_cuda
        assert not rg.from_numpy(np.ones(2)).is_cuda
        with rg.device("cpu"):
            assert not rg.zeros(2).is_cuda
    finally:
        rg.set_default_device(None)
    assert rg.get_default_device() == rg.device("cpu") and not rg.zeros(2).is_cuda


def test_an_unknown_default_device_changes_nothing():
    with pytest.raises(rg.DeviceError, match="unknown device"):
        rg.set_default_device("tpu")
    assert rg.get_default_device() == rg.device("cpu")


# ---------------------------------------------------------------- the table of backends
def test_arrays_find_their_backend(cuda_fake):
    a = cuda_fake.xp.zeros(2)
    assert backends.of(a) is cuda_fake and backends.xp_of(a) is cuda_fake.xp
    assert backends.by_xp(cuda_fake.xp) is cuda_fake and backends.by_xp(np) is backends.numpy_backend
    assert backends.of(np.float32(1)) is backends.numpy_backend and backends.xp_of(np.zeros(2)) is np
    assert backends.xp_of("text", None) is None
    for f in (backends.of, backends.xp_of):
        with pytest.raises(TypeError, match=r"no backend for arrays of type builtins\.list"):
            f([1.0])


def test_a_backend_is_forgotten_again():
    import fake_cupy

    with fake_cupy.installed() as b:
        a = b.xp.zeros(2)
        assert backends.is_array(a)
    assert not backends.is_array(a)
    with pytest.raises(TypeError, match="no backend"):
        backends.of(a)
