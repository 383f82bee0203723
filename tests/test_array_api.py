"""`retrograd.xp` against array-api-strict: drawn calls of every function of the array API standard give the same."""

from __future__ import annotations

import warnings

import array_api_cases  # noqa: F401 - enters its cases
import numpy as np
import pytest
from array_api_draws import CASES, Draw, Dtype
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd import xp

strict = pytest.importorskip("array_api_strict")


# ---------------------------------------------------------------- comparing
def build(lib, v):
    """A drawn argument in a namespace."""
    if isinstance(v, Dtype):
        return getattr(lib, v.name)
    if isinstance(v, np.ndarray):
        return lib.asarray(v, copy=True)
    if isinstance(v, (list, tuple)):
        return type(v)(build(lib, a) for a in v)
    return {k: build(lib, a) for k, a in v.items()} if isinstance(v, dict) else v


def find(lib, name):
    for part in name.split("."):
        lib = getattr(lib, part)
    return lib


def plain(v):
    """A result as NumPy arrays and Python values."""
    if isinstance(v, rg.Tensor):
        return v.detach().numpy()
    if type(v).__module__.startswith("array_api_strict") and hasattr(v, "shape"):
        return np.asarray(v)
    if isinstance(v, rg.dtype) or type(v).__name__ in ("DType", "_DType"):
        return str(v).rpartition(".")[2]
    if type(v).__name__ in ("finfo", "finfo_object", "iinfo", "iinfo_object"):
        names = ("bits", "max", "min", "dtype") + (("eps", "smallest_normal") if hasattr(v, "eps") else ())
        return {n: plain(getattr(v, n)) for n in names}
    if isinstance(v, (list, tuple)):
        return tuple(plain(a) for a in v)
    return v


def same(ours, theirs, what):
    if isinstance(theirs, tuple):
        assert len(ours) == len(theirs), what
        for a, b in zip(ours, theirs, strict=True):
            same(a, b, what)
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype, f"{what}: {ours.dtype}, not {theirs.dtype}"
        assert ours.shape == theirs.shape, f"{what}: {ours.shape}, not {theirs.shape}"
        if theirs.dtype.kind in "fc":
            single = theirs.dtype.name in ("float32", "complex64")
            tolerance = 2e-5 if single else 1e-11
            finite = np.abs(theirs[np.isfinite(theirs)])
            np.testing.assert_allclose(
                ours, theirs, tolerance, tolerance * max(1.0, finite.max(initial=0)), err_msg=what
            )
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=what)
    else:
        assert ours == theirs and type(ours) is type(theirs), f"{what}: {ours!r}, not {theirs!r}"


def check_eigh(x, r, other):
    same(r[0], other[0], "eigenvalues")
    np.testing.assert_allclose(x @ r[1], r[1] * r[0][..., None, :], rtol=1e-4, atol=1e-4)


def check_qr(x, r, other):
    assert [v.shape for v in r] == [v.shape for v in other]
    np.testing.assert_allclose(r[0] @ r[1], x, rtol=1e-4, atol=1e-4)
    q = np.swapaxes(r[0].conj(), -1, -2) @ r[0]
    np.testing.assert_allclose(q, np.broadcast_to(np.eye(q.shape[-1]), q.shape), atol=1e-5)


def check_svd(x, r, other):
    assert [v.shape for v in r] == [v.shape for v in other]
    same(r[1], other[1], "singular values")
    k = r[1].shape[-1]
    np.testing.assert_allclose(r[0][..., :k] * r[1][..., None, :] @ r[2][..., :k, :], x, rtol=1e-4, atol=1e-4)


def check_eig(x, r, other):
    same(r[0], other[0], "eigenvalues")
    np.testing.assert_allclose(x @ r[1], r[1] * r[0][..., None, :], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(r[1], axis=-2), 1, rtol=1e-4)


NOT_UNIQUE = {
    "linalg.eig": check_eig,
    "linalg.eigh": check_eigh,
    "linalg.qr": check_qr,
    "linalg.svd": check_svd,
}  # up to phases of the vectors


def check(name, data):
    args, kwargs = CASES[name](Draw(data))
    what = f"xp.{name}{args!r} {kwargs!r}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = plain(find(strict, name)(*build(strict, args), **build(strict, kwargs)))
        ours = plain(find(xp, name)(*build(xp, args), **build(xp, kwargs)))
    if name in NOT_UNIQUE:
        NOT_UNIQUE[name](args[0], ours, theirs)
    elif name.startswith("empty"):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), what
    else:
        same(ours, theirs, what)


EVERY = pytest.mark.parametrize("name", sorted(CASES))
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@EVERY
@settings(max_examples=6, derandomize=True, phases=[Phase.generate], **QUIET)
@given(data=st.data())
def test_drawn_calls_agree_with_array_api_strict(name, data):
    check(name, data)


@pytest.mark.soak
@EVERY
@settings(max_examples=400, **QUIET)
@given(data=st.data())
def test_many_drawn_calls_agree_with_array_api_strict(name, data):
    check(name, data)


# ---------------------------------------------------------------- the namespace
def names_of(lib, prefix=""):
    return {prefix + n for n in lib.__all__ if not n.startswith("_")}


NO_FUNCTIONS = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "complex64",
    "complex128", "e", "inf", "nan", "newaxis", "pi", "linalg", "fft",
}  # fmt: skip
# what array-api-strict exports beside the standard
ITS_OWN = {
    "set_array_api_strict_flags", "get_array_api_strict_flags", "reset_array_api_strict_flags", "ArrayAPIStrictFlags",
    "Device", "astype_array", "ALL_DEVICES", "DType",
}  # fmt: skip
UNLISTED = {"linalg.eig", "linalg.eigvals"}  # functions of the standard that array-api-strict has, and does not list


def test_the_namespace_has_every_name_of_the_standard_and_no_other():
    theirs = names_of(strict) | names_of(strict.linalg, "linalg.") | names_of(strict.fft, "fft.")
    ours = names_of(xp) | names_of(xp.linalg, "linalg.") | names_of(xp.fft, "fft.")
    assert sorted(theirs - ITS_OWN - ours) == []
    assert sorted(ours - theirs - UNLISTED) == [] and all(find(strict, name) for name in UNLISTED)


def test_every_function_of_the_standard_is_drawn():
    functions = names_of(xp) | names_of(xp.linalg, "linalg.") | names_of(xp.fft, "fft.")
    assert sorted(functions - NO_FUNCTIONS - set(CASES)) == [] and set(CASES) <= functions
    assert len(CASES) > 170


def drawn(name, n):
    """(kind, shape) of the arrays in n draws."""
    seen = set()

    @settings(max_examples=n, derandomize=True, phases=[Phase.generate], **QUIET)
    @given(data=st.data())
    def draw(data):
        seen.update((a.dtype.kind, a.shape) for a in CASES[name](Draw(data))[0] if isinstance(a, np.ndarray))

    draw()
    return seen


def test_draws_reach_every_kind_of_type():
    """What is drawn is not one type in one shape: types of every kind that a function takes, and several shapes."""
    for name, kinds in (("add", "iufc"), ("sum", "iufc"), ("equal", "biufc"), ("linalg.inv", "fc"), ("fft.fft", "c")):
        seen = drawn(name, 40)
        assert {kind for kind, _ in seen} == set(kinds), name
        assert len({shape for _, shape in seen}) > 3, name


def test_constants_and_version():
    for name in ("e", "pi", "inf"):
        assert getattr(xp, name) == getattr(strict, name)
    assert (
        xp.nan != xp.nan
        and xp.newaxis is None
        and xp.__array_api_version__ == strict.__array_api_version__ == "2025.12"
    )


def test_tensors_know_the_namespace():
    x = rg.ones(2)
    assert x.__array_namespace__() is xp is rg.xp
    assert x.__array_namespace__(api_version="2023.12") is xp
    with pytest.raises(ValueError, match="version '2019.01'"):
        x.__array_namespace__(api_version="2019.01")
    assert x.to_device("cpu").device == x.device
    with pytest.raises(ValueError, match="stream must be None"):
        x.to_device("cpu", stream=1)


def test_inspection():
    info, other = xp.__array_namespace_info__(), strict.__array_namespace_info__()
    assert set(info.capabilities()) == set(other.capabilities())
    assert info.default_device() in info.devices() and isinstance(info.devices(), tuple)
    assert info.default_dtypes() == {
        "real floating": rg.float32, "complex floating": rg.complex64, "integral": rg.int64, "indexing": rg.int64,
    }  # fmt: skip
    for kind in (None, "bool", "integral", "real floating", ("signed integer", "complex floating")):
        assert sorted(info.dtypes(kind=kind)) == sorted(other.dtypes(kind=kind))


# ---------------------------------------------------------------- what draws do not show
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TypeError, "xp.sin([1.0])"),
        (TypeError, "xp.sin(xp.asarray([1]))"),
        (TypeError, "xp.add(1, 2)"),
        (TypeError, "xp.add(xp.asarray([1]), 'a')"),
        (TypeError, "xp.add(xp.asarray([1]), xp.asarray([1], dtype=xp.uint64))"),
        (TypeError, "xp.where(xp.asarray([1]), 1, 2)"),
        (TypeError, "xp.astype(xp.asarray([1j]), xp.float32)"),
        (TypeError, "xp.mean(xp.asarray([1]))"),
        (TypeError, "xp.sort(xp.asarray([1j]))"),
        (TypeError, "xp.take(xp.ones(3), xp.ones(1), axis=0)"),
        (TypeError, "xp.fft.fft(xp.asarray([1]))"),
        (TypeError, "xp.isin(xp.ones(2), xp.ones(2))"),
        (TypeError, "xp.linalg.eig(xp.asarray([[1]]))"),
        (ValueError, "xp.broadcast_shapes((2,), (3,))"),
        (ValueError, "xp.squeeze(xp.ones((2, 1)), 0)"),
        (ValueError, "xp.take(xp.ones((2, 1)), xp.asarray([0]))"),
        (ValueError, "xp.cumulative_sum(xp.ones((2, 1)))"),
        (ValueError, "xp.isdtype(xp.int8, 'float')"),
        (ValueError, "xp.asarray([1], copy=False)"),
        (ValueError, "xp.asarray(xp.ones(2), dtype=xp.float64, copy=False)"),
        (ValueError, "xp.reshape(xp.ones((2, 3)).T, (6,), copy=False)"),
        (ValueError, "xp.concat([])"),
        (ValueError, "xp.nonzero(xp.asarray(1))"),
        (ValueError, "xp.searchsorted(xp.ones(2), xp.ones(1), side='middle')"),
        (ValueError, "xp.sum(xp.ones((2, 2)), axis=(0, -2))"),
        (ValueError, "xp.linalg.qr(xp.ones((2, 2)), mode='full')"),
        (IndexError, "xp.sum(xp.ones(2), axis=1)"),
        (IndexError, "xp.expand_dims(xp.ones(2), axis=3)"),
        (IndexError, "xp.vecdot(xp.ones(2), xp.ones(2), axis=0)"),
    ],
)
def test_what_is_refused(error, text):
    with pytest.raises(error):
        eval(text, {"xp": xp})


def test_where_it_differs_from_pytorch():
    x = xp.asarray([[1.0, 3.0], [2.0, 2.0]])
    assert float(xp.std(x[0])) == 1.0 and float(rg.std(x[0])) == pytest.approx(2**0.5)
    assert isinstance(xp.sort(x), rg.Tensor) and isinstance(xp.max(x, axis=0), rg.Tensor)
    assert (
        xp.sum(xp.ones(2, dtype=xp.uint8)).dtype is rg.uint64 and rg.sum(xp.ones(2, dtype=xp.uint8)).dtype is rg.int64
    )
    assert xp.add(xp.ones(2), xp.asarray(1.0, dtype=xp.float64)).dtype is rg.float64  # a 0-d tensor is weak in PyTorch
    assert (xp.ones(2) + xp.asarray(1.0, dtype=xp.float64)).dtype is rg.float32
    assert xp.sum(x, axis=()).shape == (2, 2) and rg.sum(x, dim=()).shape == ()
    assert np.isnan(float(xp.sign(xp.asarray(xp.nan))))
    assert xp.arange(3, 0).shape == (0,)
    nans = xp.asarray([xp.nan, xp.nan, 1.0])
    assert xp.unique_values(nans).shape == (3,) and xp.unique_counts(nans).counts.tolist() == [1, 1, 1]


def test_the_inverted_form_of_isin():
    """array-api-strict 2.6 ignores `invert`, so the draws leave it out."""
    x = xp.asarray([[1, 2], [3, 4]])
    assert xp.isin(x, xp.asarray([4, 1]), invert=True).tolist() == [[False, True], [True, False]]
    assert xp.isin(2, x).tolist() is True and xp.isin(x, 2, invert=True).tolist() == [[True, False], [True, True]]


def test_copies_are_copies_and_views_are_views():
    x = xp.ones(4)
    same_one, other = xp.asarray(x), xp.asarray(x, copy=True)
    view, copied = xp.reshape(x, (2, 2), copy=False), xp.reshape(x, (2, 2), copy=True)
    x[0] = 5
    assert same_one is x and view[0, 0] == 5 and other[0] == 1 and copied[0, 0] == 1
    assert xp.astype(x, xp.float32, copy=False) is x and xp.astype(x, xp.float32) is not x
    buffer = bytearray(np.arange(3.0).tobytes())
    assert xp.asarray(memoryview(buffer).cast("d")).tolist() == [0, 1, 2]


def test_everything_is_recorded():
    """Code written for the standard gets gradients: a standardised layer, checked by finite differences."""

    def f(x, w):
        ns = x.__array_namespace__()
        z = (x - ns.mean(x, axis=0, keepdims=True)) / ns.sqrt(ns.var(x, axis=0, keepdims=True) + 0.1)
        h = ns.where(z > 0, z, ns.expm1(z))
        y = ns.concat([ns.matmul(h, w), ns.take(h, ns.asarray([1, 0]), axis=1)], axis=1)
        y = ns.sort(ns.abs(ns.fft.rfft(y, axis=0)), axis=0)
        return ns.linalg.vector_norm(y) + ns.sum(ns.unique_values(x)) + ns.max(y)

    rng = np.random.default_rng(3)
    x, w = (rg.tensor(rng.standard_normal(s), requires_grad=True) for s in ((5, 3), (3, 2)))
    assert rg.autograd.gradcheck(f, (x, w))


ON_A_DEVICE = {
    "add": lambda x: xp.add(x, 1),
    "arange": lambda x: xp.arange(3, device=x.device),
    "argmax": xp.argmax,
    "clip": lambda x: xp.clip(x, 0, 2),
    "cumulative_sum": lambda x: xp.cumulative_sum(x, include_initial=True),
    "eye": lambda x: xp.eye(3, k=1, device=x.device),
    "imag": xp.imag,
    "linspace": lambda x: xp.linspace(0, 1, 3, endpoint=False, device=x.device),
    "repeat": lambda x: xp.repeat(x, 2),
    "rfft": xp.fft.rfft,
    "searchsorted": lambda x: xp.searchsorted(xp.sort(x), x),
    "sum over nothing": lambda x: xp.sum(x, axis=()),
    "take": lambda x: xp.take(x, xp.asarray([-1, 0], device=x.device)),
    "unique_all": lambda x: xp.unique_all(x).inverse_indices,
    "where": lambda x: xp.where(x > 1, x, 0.0),
}


@pytest.mark.parametrize("name", sorted(ON_A_DEVICE))
def test_results_stay_on_the_device_with_the_same_values(name, cuda_fake):
    x = rg.tensor([3.0, 1.0, 3.0])
    here, there = ON_A_DEVICE[name](x), ON_A_DEVICE[name](x.cuda())
    assert here.is_cpu and there.is_cuda and there.dtype is here.dtype
    np.testing.assert_allclose(there.to_device("cpu").numpy(), here.numpy(), rtol=1e-6)
