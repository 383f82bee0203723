"""What the tests of kernels share: a function with kernels and without, on all threads and on one, and its derivatives."""

from __future__ import annotations

import numpy as np

import retrograd as rg
from retrograd.autograd.kernels.cpu import runtime

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


def everything(f, arrays, second=True):
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
