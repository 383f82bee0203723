"""Kernels of losses against the array formulas: values, gradients and second derivatives through the public API."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd.autograd.kernels.cpu import KERNELS, runtime

pytest.importorskip("numba")
F = rg.nn.functional
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}  # of the largest element


def close(a, b, tol, what=""):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape and a.dtype == b.dtype, what
    finite = np.isfinite(b)
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b), err_msg=what)
    np.testing.assert_array_equal(a[~finite], b[~finite], err_msg=what)
    if finite.any():
        scale = max(1e-30, float(np.abs(b[finite]).max()))
        assert float(np.abs(a[finite] - b[finite]).max()) <= tol * scale, what


def everything(f, arrays, second):
    """The value of f, its gradients, and the gradients of the sum of their squares."""
    ts = [rg.tensor(a, requires_grad=True) for a in arrays]
    y = f(*ts)
    g = rg.tensor(np.cos(np.arange(y.numel())).reshape(y.shape).astype(arrays[0].dtype), requires_grad=second)
    alone = rg.autograd.grad(y, ts[0], g, retain_graph=True)  # of the first operand only
    first = rg.autograd.grad(y, ts, g, create_graph=second)
    with rg.no_grad():
        unrecorded = f(*ts)
    out = [y.detach().numpy(), unrecorded.numpy(), alone[0].numpy(), *(v.detach().numpy() for v in first)]
    if second:
        total = sum((v * v).sum() for v in first)
        out += [v.numpy() for v in rg.autograd.grad(total, [*ts, g], allow_unused=True) if v is not None]
    return out


def agree(f, arrays, second=True, tol=None):
    tol = TOLERANCE[str(arrays[0].dtype)] if tol is None else tol
    with np.errstate(all="ignore"):
        with rg.use_backend("numpy"):
            expected = everything(f, arrays, second)
        with runtime.forced():
            found = everything(f, arrays, second)
            before = runtime.num_threads()
            runtime.set_num_threads(1)
            try:
                alone = everything(f, arrays, second)
            finally:
                runtime.set_num_threads(before)
    assert len(found) == len(expected) == len(alone)
    for i, (a, b, c) in enumerate(zip(found, expected, alone, strict=True)):
        close(a, b, tol, f"kernel and formula, {i}")
        close(a, c, tol, f"all threads and one, {i}")


def logits(dtype, *shape, seed=0):
    rs = np.random.RandomState(seed)
    return (rs.randn(*shape) * 3).astype(dtype), rs.randint(0, shape[1], (shape[0], *shape[2:]))


@pytest.fixture
def called(monkeypatch):
    """The kernels that served a call, by name."""
    names = []

    def watch(name, kernel):
        def run(*args):
            r = kernel(*args)
            if r is not NotImplemented:
                names.append(name)
            return r

        return run

    for name in (
        "bce_logits", "bce_logits_back", "cross_entropy_back", "cross_entropy_sums", "mse", "mse_back", "smooth_l1",
        "smooth_l1_back",
    ):  # fmt: skip
        monkeypatch.setitem(KERNELS, name, watch(name, KERNELS[name]))
    return names


# ---------------------------------------------------------------- cross entropy
SHAPES = [(1, 1), (1, 7), (5, 7), (64, 10), (3, 130), (2, 3000), (3, 5, 7), (1, 3, 1), (2, 4, 300), (2, 3, 4, 5)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy(dtype, shape):
    x, y = logits(dtype, *shape)
    c = shape[1]
    w = rg.tensor((np.random.RandomState(1).rand(c) + 0.5).astype(dtype))
    ignored = y.copy()
    ignored.flat[::3] = -100
    y, ignored = rg.tensor(y), rg.tensor(ignored)
    for reduction in ("mean", "sum", "none"):
        agree(lambda x, r=reduction: F.cross_entropy(x, y, reduction=r), (x,), second=c > 1)
        agree(lambda x, r=reduction: F.cross_entropy(x, ignored, w, reduction=r), (x,), second=c > 1)
    if c > 1:  # of one class nothing is left but rounding
        agree(lambda x: F.cross_entropy(x, y, w, label_smoothing=0.2), (x,))
        agree(lambda x: F.cross_entropy(x, ignored, label_smoothing=0.1, reduction="none"), (x,))
        agree(lambda x: F.cross_entropy(x, y, ignore_index=0), (x,))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 50), st.integers(2, 70), st.sampled_from([(), (1,), (9,), (131,)]), st.sampled_from(sorted(TOLERANCE)),
    st.sampled_from(["mean", "none"]), st.integers(0, 1000),
)  # fmt: skip
def test_cross_entropy_of_any_shape(n, c, rest, dtype, reduction, seed):
    x, y = logits(dtype, n, c, *rest, seed=seed)
    agree(
        lambda x: F.cross_entropy(x, rg.tensor(y), reduction=reduction),
        (x,),
        second=False,
        tol=1e-11 if dtype == "float64" else 1e-5,
    )


@pytest.mark.parametrize("rest", [(), (5,)])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_logits_that_are_large_or_not_finite(dtype, rest):
    x, y = logits(dtype, 6, 20, *rest)
    x[0] += 1e4
    x[1] -= 1e4
    x[2, 3:] = -np.inf  # masked
    y[2] = 1
    agree(lambda x: F.cross_entropy(x, rg.tensor(y), reduction="none"), (x,), second=False)
    for value in (np.nan, np.inf, -np.nan):
        z = x.copy()
        z[4, 7] = value
        agree(lambda x: F.cross_entropy(x, rg.tensor(y), reduction="none"), (z,), second=False)
        agree(lambda x: F.cross_entropy(x, rg.tensor(y)), (z,), second=False)
    x[5] = -np.inf
    agree(lambda x: F.cross_entropy(x, rg.tensor(y), reduction="none"), (x,), second=False)


def test_labels_of_other_kinds():
    x, y = logits("float64", 12, 5)
    frozen = y.copy()
    frozen.setflags(write=False)
    for labels in (y.astype("int32"), y.astype("uint8"), y[::-1], np.repeat(y, 2)[::2], frozen):
        agree(lambda x, y=labels: F.cross_entropy(x, y), (x,))
    for v in (x.T.copy().T, np.repeat(x, 2, 0)[::2], x[:, ::-1]):
        agree(lambda x: F.cross_entropy(x, rg.tensor(y)), (v,))


def test_labels_out_of_range():
    with runtime.forced():
        for label in (-1, 5, 2**62, -(2**62)):
            with pytest.raises(IndexError, match=f"label {label} at position 1 is out of range for 5 classes"):
                F.cross_entropy(rg.zeros(3, 5), rg.tensor([0, label, 1]))
        for reduction in ("mean", "none"):
            y = rg.tensor([0, 4, 1])
            x = rg.zeros(3, 5, requires_grad=True)
            loss = F.cross_entropy(x, y, reduction=reduction).sum()
            y._data[:] = 2**40  # unseen; nothing may be written there
            loss.backward()
            assert np.isfinite(x.grad.numpy()).all()


def test_nothing_counts():
    x, y = logits("float32", 4, 5)
    y[:] = -100
    for reduction in ("mean", "sum", "none"):
        agree(lambda x, r=reduction: F.cross_entropy(x, rg.tensor(y), reduction=r), (x,), second=False)


# ---------------------------------------------------------------- pairs of elements
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", [(), (1,), (37,), (3, 5, 7), (5003,)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_pairs(dtype, shape, reduction):
    rs = np.random.RandomState(0)
    x, y = (np.asarray(rs.rand(*shape) * 2 - 0.5).astype(dtype) for _ in range(2))
    agree(lambda x, y: F.mse_loss(x, y, reduction=reduction), (x, y))
    agree(lambda x, y: F.smooth_l1_loss(x, y, reduction=reduction, beta=0.3), (x, y))
    agree(lambda x, y: F.huber_loss(x, y, reduction=reduction, delta=0.7), (x, y))
    agree(lambda x, y: F.binary_cross_entropy_with_logits(x * 20, y, reduction=reduction), (x, y))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_pairs_not_finite(dtype, value):
    rs = np.random.RandomState(0)
    x, y = (rs.rand(40).astype(dtype) for _ in range(2))
    x[[3, 39]] = value
    for reduction in ("mean", "none"):
        agree(lambda x, y, r=reduction: F.mse_loss(x, y, reduction=r), (x, y), second=False)
        agree(lambda x, y, r=reduction: F.smooth_l1_loss(x, y, reduction=r, beta=0.3), (x, y), second=False)
        agree(lambda x, y, r=reduction: F.binary_cross_entropy_with_logits(x, y, reduction=r), (x, y), second=False)


# ---------------------------------------------------------------- what runs, and what does not
def test_kernels_run(called):
    with runtime.forced():
        x, y = logits("float32", 8, 5)
        F.cross_entropy(rg.tensor(x, requires_grad=True), rg.tensor(y)).backward()
        a, b = rg.rand(20, requires_grad=True), rg.rand(20)
        F.mse_loss(a, b).backward()
        F.smooth_l1_loss(a, b).backward()
        F.binary_cross_entropy_with_logits(a, b).backward()
    assert called == [
        "cross_entropy_sums", "cross_entropy_back", "mse", "mse_back", "smooth_l1", "smooth_l1_back", "bce_logits",
        "bce_logits_back",
    ]  # fmt: skip
    del called[:]
    F.cross_entropy(rg.zeros(2, 5), rg.tensor([0, 1]))
    F.mse_loss(a, b)
    assert not called  # too small to pay


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_declined(dtype):
    dt = getattr(rg, dtype)
    x, y = logits("float32", 6, 5)
    found = []
    for backend in ("numpy", "numba"):
        with rg.use_backend(backend), runtime.forced():
            t = rg.tensor(x, dtype=dt, requires_grad=True)
            F.cross_entropy(t, rg.tensor(y)).backward()
            found.append(t.grad.float().numpy())
    close(found[1], found[0], 1e-2)


def test_empty():
    with runtime.forced():
        x = rg.zeros(0, 5, requires_grad=True)
        F.cross_entropy(x, rg.zeros(0, dtype=rg.int64), reduction="sum").backward()
        assert x.grad.shape == (0, 5)
        for f in (F.mse_loss, F.smooth_l1_loss, F.binary_cross_entropy_with_logits):
            x = rg.zeros(0, 3, requires_grad=True)
            f(x, rg.zeros(0, 3), reduction="sum").backward()
            assert x.grad.shape == (0, 3)
