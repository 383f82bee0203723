"""Fourier transforms: identities, types, memory, and what the generated tests of each function do not show."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")

COMPLEX = ["fft", "fft2", "fftn", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "irfft", "irfft2", "irfftn"]
REAL = ["ihfft", "ihfft2", "ihfftn", "rfft", "rfft2", "rfftn"]
NORMS = [None, "backward", "forward", "ortho"]


def draw(*shape, dtype="complex128", seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape)).astype(dtype) if dtype.startswith("c") else x.astype(dtype)


# ---------------------------------------------------------------- types
@pytest.mark.parametrize("name", sorted(COMPLEX + REAL))
@pytest.mark.parametrize("dtype", ["bool", "complex128", "complex64", "float32", "float64", "int16", "uint8"])
def test_types_are_pytorchs(name, dtype):
    a = np.abs(draw(4, 4, dtype=dtype if dtype[0] in "fc" else "float64") * 3).astype(dtype)
    f, g = getattr(rg.fft, name), getattr(torch.fft, name)
    if name in REAL and dtype.startswith("c"):
        with pytest.raises(RuntimeError, match="a real input tensor is expected"):
            f(rg.tensor(a))
        return
    r, other = f(rg.tensor(a)), g(torch.tensor(a))
    assert r.dtype.name == str(other.dtype).removeprefix("torch.")
    single = r.dtype.name in ("float32", "complex64")
    np.testing.assert_allclose(r.numpy(), other.numpy(force=True), atol=2e-5 if single else 1e-12)


@pytest.mark.parametrize("name", ["fft", "irfft", "rfft"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_types_are_refused_as_on_pytorchs_cpu(name, dtype):
    with pytest.raises(RuntimeError):
        getattr(torch.fft, name)(torch.ones(4, dtype=getattr(torch, dtype)))
    with pytest.raises(TypeError, match=rf"{name}: {dtype} is not supported; use float32, as in x.float\(\)"):
        getattr(rg.fft, name)(rg.ones(4, dtype=getattr(rg, dtype)))


# ---------------------------------------------------------------- identities
@pytest.mark.parametrize("norm", NORMS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_inverses(n, norm):
    z, x = rg.tensor(draw(3, n)), rg.tensor(draw(3, n, dtype="float64"))
    np.testing.assert_allclose(rg.fft.ifft(rg.fft.fft(z, norm=norm), norm=norm).numpy(), z.numpy(), atol=1e-13)
    np.testing.assert_allclose(rg.fft.irfft(rg.fft.rfft(x, norm=norm), n, norm=norm).numpy(), x.numpy(), atol=1e-13)
    np.testing.assert_allclose(rg.fft.hfft(rg.fft.ihfft(x, norm=norm), n, norm=norm).numpy(), x.numpy(), atol=1e-13)
    s = (3, n)
    np.testing.assert_allclose(rg.fft.irfftn(rg.fft.rfftn(x, norm=norm), s, norm=norm).numpy(), x.numpy(), atol=1e-13)
    np.testing.assert_allclose(rg.fft.hfft2(rg.fft.ihfft2(x, norm=norm), s, norm=norm).numpy(), x.numpy(), atol=1e-13)


def test_convolution_theorem_and_parseval():
    x, y = rg.tensor(draw(8, dtype="float64")), rg.tensor(draw(8, dtype="float64", seed=1))
    product = rg.fft.irfft(rg.fft.rfft(x) * rg.fft.rfft(y))
    circular = [sum(x[j].item() * y[(k - j) % 8].item() for j in range(8)) for k in range(8)]
    np.testing.assert_allclose(product.numpy(), circular, atol=1e-12)
    energy = rg.fft.fft(x, norm="ortho").abs().square().sum()
    assert energy.item() == pytest.approx(x.square().sum().item())


def test_gradient_of_a_spectral_loss_is_the_known_one():
    """d/dx of sum |fft(x)|^2 is 2 n x; of Re X[k] the k-th row of cosines."""
    x = rg.tensor(draw(6, dtype="float64"), requires_grad=True)
    (g,) = rg.autograd.grad(rg.fft.fft(x).abs().square().sum(), [x])
    np.testing.assert_allclose(g.numpy(), 12 * x.detach().numpy(), atol=1e-12)
    (g,) = rg.autograd.grad(rg.fft.rfft(x)[2].real, [x])
    np.testing.assert_allclose(g.numpy(), np.cos(2 * np.pi * 2 * np.arange(6) / 6), atol=1e-14)
    (g,) = rg.autograd.grad(rg.fft.rfft(x)[2].imag, [x])
    np.testing.assert_allclose(g.numpy(), -np.sin(2 * np.pi * 2 * np.arange(6) / 6), atol=1e-14)


@pytest.mark.parametrize("n", [5, 6])
def test_bins_without_mirror_image_get_the_right_gradient(n):
    """The imaginary parts of bin 0, and of n / 2, are not read: their gradient is 0."""
    z = rg.tensor(draw(n // 2 + 1), requires_grad=True)
    (g,) = rg.autograd.grad((rg.fft.irfft(z, n) ** 3).sum(), [z])
    assert g[0].imag == 0 and g[1].imag != 0
    assert (g[-1].imag == 0) == (n % 2 == 0)


@pytest.mark.parametrize("name", sorted(COMPLEX + REAL))
def test_forward_mode_is_the_transform_of_the_tangent(name):
    dtype = "float64" if name in REAL else "complex128"
    x, v = rg.tensor(draw(4, 4, dtype=dtype)), rg.tensor(draw(4, 4, dtype=dtype, seed=1))
    f = getattr(rg.fft, name)
    _, tangent = rg.autograd.functional.jvp(f, x, v) if hasattr(rg.autograd, "functional") else (None, f(v))
    np.testing.assert_allclose(tangent.numpy(), f(v).numpy(), atol=1e-12)


def test_a_transform_saves_nothing():
    x = rg.tensor(draw(4, 4, dtype="float64"), requires_grad=True)
    for y in (rg.fft.rfftn(x), rg.fft.fft2(x), rg.fft.irfft(rg.fft.rfft(x))):
        assert not any(isinstance(a, np.ndarray) for a in y._node.saved)


@pytest.mark.parametrize("name", ["fft", "fft2", "irfft", "rfft", "rfftn"])
def test_layouts_do_not_matter(name):
    a = draw(4, 6, dtype="float64" if name in REAL else "complex128")
    f = getattr(rg.fft, name)
    for view in (a.T, a[::-1, ::-1], a[::2, 1:4]):
        np.testing.assert_allclose(f(rg.from_numpy(view)).numpy(), f(rg.tensor(view.copy())).numpy(), atol=1e-13)


def test_out_is_written_and_its_type_checked():
    x = rg.tensor(draw(4))
    out = rg.empty(4, dtype=rg.complex128)
    assert rg.fft.fft(x, out=out) is out
    np.testing.assert_allclose(out.numpy(), np.fft.fft(x.numpy()))
    with pytest.raises(RuntimeError, match="a complex output tensor is expected"):
        rg.fft.fft(x, out=rg.empty(4))
    with pytest.raises(RuntimeError, match="a floating-point output tensor is expected"):
        rg.fft.irfftn(x, out=rg.empty(6, dtype=rg.complex64))
    half = rg.empty(3)
    assert rg.fft.rfftfreq(4, out=half) is half and half.tolist() == [0, 0.25, 0.5]


def test_empty_transforms():
    assert rg.fft.fftn(rg.ones(2, 3), dim=()).dtype is rg.complex64
    x = rg.zeros(0, 3, requires_grad=True)
    y = rg.fft.rfft(x, 5)
    assert y.shape == (0, 3) and y.dtype is rg.complex64
    y.abs().sum().backward()
    assert x.grad.shape == (0, 3)


def test_the_module_is_importable_under_pytorchs_path():
    module = importlib.import_module("retrograd.fft")
    assert module is rg.fft and module.fft is rg.fft.fft
    assert sorted(set(torch.fft.__all__) - set(module.__all__) - {"Tensor"}) == []


# ---------------------------------------------------------------- stft
STFT = [
    {"n_fft": 8},
    {"n_fft": 8, "hop_length": 3, "win_length": 6},
    {"n_fft": 9, "hop_length": 4, "center": False},
    {"n_fft": 8, "normalized": True, "onesided": False, "pad_mode": "constant"},
    {"n_fft": 6, "hop_length": 6, "pad_mode": "replicate"},
]


@pytest.mark.parametrize("kwargs", STFT, ids=str)
@pytest.mark.parametrize("shape", [(20,), (3, 20)])
@pytest.mark.parametrize("dtype", ["complex128", "float32", "float64"])
def test_stft_is_pytorchs_with_gradients_of_signal_and_window(kwargs, shape, dtype):
    kwargs = {k: v for k, v in kwargs.items() if not (k == "pad_mode" and dtype[0] == "c")}
    a = draw(*shape, dtype=dtype)
    w = np.random.default_rng(2).uniform(0.1, 1, kwargs.get("win_length", kwargs["n_fft"]))
    w = w.astype("float32" if dtype == "float32" else "float64")
    grads = []
    for lib, tensor in ((rg, rg.tensor), (torch, torch.tensor)):
        x, win = tensor(a, requires_grad=True), tensor(w, requires_grad=True)
        y = lib.stft(x, window=win, return_complex=True, **kwargs)
        y.abs().sum().backward()
        method = x.stft(window=win, return_complex=True, **kwargs)
        grads.append((y.detach().numpy(), method.detach().numpy(), x.grad.numpy(), win.grad.numpy()))
    for mine, other in zip(*grads, strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine, other, rtol=2e-4, atol=2e-4 if dtype == "float32" else 1e-10)


@pytest.mark.filterwarnings("ignore:The length of signal is shorter")
@pytest.mark.parametrize("length", [None, 18, 25])
@pytest.mark.parametrize("normalized", [False, True])
def test_istft_is_the_inverse_of_stft(normalized, length):
    x = rg.tensor(draw(2, 20, dtype="float64"), requires_grad=True)
    w = rg.hann_window(8, dtype=rg.float64)
    z = rg.stft(x, 8, 2, window=w, normalized=normalized, return_complex=True)
    y = rg.istft(z, 8, 2, window=w, normalized=normalized, length=length)
    n = length or 20
    expected = np.zeros((2, n))
    expected[:, : min(n, 20)] = x.detach().numpy()[:, :n]
    if n <= 20:
        np.testing.assert_allclose(y.detach().numpy(), expected, atol=1e-12)
    other = torch.istft(
        torch.tensor(z.detach().numpy()),
        8,
        2,
        window=torch.hann_window(8, dtype=torch.float64),
        normalized=normalized,
        length=length,
    )
    np.testing.assert_allclose(y.detach().numpy(), other.numpy(), atol=1e-12)
    (g,) = rg.autograd.grad(y.sum(), [x])
    if length is None:
        np.testing.assert_allclose(g.numpy(), np.ones((2, 20)), atol=1e-12)


def test_istft_of_complex_signals():
    z = rg.tensor(draw(20))
    w = rg.hann_window(8, dtype=rg.float64).to(rg.complex128)
    s = rg.stft(z, 8, 2, window=w)
    y = s.istft(8, 2, window=w, return_complex=True)
    np.testing.assert_allclose(y.numpy(), z.numpy(), atol=1e-12)


def test_istft_without_an_inverse_is_refused():
    z = rg.tensor(draw(5, 11, dtype="complex64"))
    for kwargs in ({"window": rg.zeros(8)}, {"window": rg.hann_window(8), "center": False}):
        with pytest.raises(RuntimeError, match="the windows that overlap add up to 0"):
            rg.istft(z, 8, **kwargs)


def test_a_padded_window_gets_its_gradient():
    """PyTorch cuts the graph at a window that is shorter than n_fft in istft; here it is differentiated."""
    z = rg.tensor(draw(5, 9))
    w = rg.tensor(np.random.default_rng(0).uniform(0.5, 1, 6), requires_grad=True)
    assert rg.autograd.gradcheck(lambda w: rg.istft(z, 8, 2, 6, w), (w,))


def test_stft_as_pairs_of_reals():
    x = rg.tensor(draw(20, dtype="float64"))
    pairs = rg.stft(x, 8, return_complex=False)
    assert pairs.shape == (5, 11, 2) and pairs.dtype is rg.float64
    np.testing.assert_array_equal(rg.view_as_complex(pairs).numpy(), rg.stft(x, 8, return_complex=True).numpy())
