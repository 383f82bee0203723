"""Kernels of losses against the array formulas: values, gradients and second derivatives through the public API."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_checks import TOLERANCE, agree, close

import retrograd as rg
from retrograd.autograd.kernels.cpu import FAMILIES, runtime

pytest.importorskip("numba")
F = rg.nn.functional


def logits(dtype, *shape, seed=0):
    rs = np.random.RandomState(seed)
    return (rs.randn(*shape) * 3).astype(dtype), rs.randint(0, shape[1], (shape[0], *shape[2:]))


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
    assert [n for n in called if n in FAMILIES["loss"]] == [
        "cross_entropy_sums", "cross_entropy_back", "mse", "mse_back", "smooth_l1", "smooth_l1_back", "bce_logits",
        "bce_logits_back",
    ]  # fmt: skip
    del called[:]
    F.cross_entropy(rg.zeros(2, 5), rg.tensor([0, 1]))
    F.mse_loss(a, b)
    assert not set(called) & set(FAMILIES["loss"])  # too small to pay


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
