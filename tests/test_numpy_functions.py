"""NumPy's functions on tensors: values, shapes and kinds of results are NumPy's, and the graph is kept."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd.numpy_functions import TABLE

A = np.array([[3.0, -1.0, 2.0], [0.5, 4.0, -2.5]])
B = np.array([[1.0, 2.0, 0.5], [-1.0, 0.25, 3.0]])
S = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]])
V = np.array([3.0, 1.0, 2.0, 5.0])
C = np.array([1.0 + 2.0j, -0.5j, 3.0])
I = np.array([2, 0, 2, 1])
N = np.array([[1.0, np.nan, np.inf], [-np.inf, 2.0, 0.0]])


def reductions(*more):
    return [(A,), (A, 0), (A, -1), (A, None), *((A,) + m for m in more)]


def keep(f):
    return [((A,), {"axis": 1, "keepdims": True}), ((A,), {"keepdims": True})] + [(a, {}) for a in f]


# name -> calls: positional arguments, or (positional arguments, keyword arguments)
CALLS = {
    "all": keep([(A > 0,), (A > -9,), (A, 0)]), "any": keep([(A > 9,), (A, 1)]),
    "amax": keep(reductions()), "amin": keep(reductions()), "max": keep([(A, (0, 1))]), "min": keep(reductions()),
    "argmax": reductions(), "argmin": [*reductions(), ((A,), {"axis": 1, "keepdims": True})],
    "sum": keep([*reductions(), (A, (0, 1)), (I,), (A > 0,), (A, 0, np.float32)]), "nansum": [(N[:1],), (N, 0)],
    "mean": keep([*reductions(), (I,), (A > 0, 0)]), "nanmean": [(N[:1], 1), (N[:, :1],)],
    "prod": keep([*reductions(), (A, (0, 1))]),
    "std": keep([*reductions(), (I,), ((A,), {"ddof": 1, "axis": 0}), ((A,), {"axis": (0, 1)})][:5]),
    "var": [*keep(reductions()), ((A,), {"ddof": 1, "axis": 0}), ((C,), {})],
    "median": keep([(A,), (A, 0), (A, 1), (V,)]), "quantile": [(A, 0.3), (A, [0.1, 0.7], 1), ((V, 0.4), {"method": "lower"})],
    "percentile": [(A, 30), (A, [10, 70], 0), ((A, 50), {"axis": 1, "keepdims": True})],
    "count_nonzero": [(A > 0,), (A > 0, 1), ((A > 0,), {"axis": 0, "keepdims": True})],
    "cumsum": [(A,), (A, 1), (I, 0)], "cumprod": [(A,), (A, 0)],
    "sort": [(V,), (A,), (A, 0), (A, None)], "argsort": [(V,), (A, 0), (A, None)],
    "unique": [(I,), ((I,), {"return_inverse": True, "return_counts": True})],
    "searchsorted": [(np.sort(V), A), ((np.sort(V), V), {"side": "right"})],
    "nonzero": [(A > 0,), (V,)], "flatnonzero": [(A > 0,)], "argwhere": [(A > 0,)],
    "where": [(A > 0, A, B), (A > 0, A, 0.0), (A > 0,)],
    "shape": [(A,)], "ndim": [(A,)], "size": [(A,), (A, 1)], "transpose": [(A,), (A, (1, 0))],
    "permute_dims": [(A, (1, 0))], "matrix_transpose": [(A,)], "reshape": [(A, (3, 2)), (A, -1)], "ravel": [(A,)],
    "squeeze": [(A[None],), (A[None, :, None], 0)], "expand_dims": [(A, 0), (A, -1), (A, (0, 2))],
    "swapaxes": [(A, 0, 1)], "moveaxis": [(A, 0, -1)], "flip": [(A,), (A, 0), (A, (0, 1))], "fliplr": [(A,)],
    "flipud": [(A,)], "roll": [(A, 2), (A, 1, 1), (A, (1, 2), (0, 1))], "rot90": [(A,), (A, 2)],
    "tile": [(A, 2), (A, (2, 1, 3))], "repeat": [(A, 2), (A, 2, 1), (V, np.array([1, 0, 2, 1]))],
    "split": [(V, 2), (V, [1, 3]), (A, 3, 1)], "array_split": [(V, 3), (A, [1], 1)],
    "concatenate": [([A, B],), ([A, B], 1), ([A, B], None)], "concat": [([A, B],)], "stack": [([A, B],), ([A, B], -1)],
    "hstack": [([A, B],), ([V, V],)], "vstack": [([A, B],), ([V, V],)], "dstack": [([A, B],)],
    "column_stack": [([V, V],)], "take": [(V, I), (A, [2, 0], 1), (A, 4)],
    "take_along_axis": [(A, np.argsort(A, 1), 1), (A, np.argsort(A, 0), 0)],
    "meshgrid": [(V, I), ((V, V), {"indexing": "ij"})],
    "pad": [(A, 1), (A, ((0, 1), (2, 0))), ((V, 2), {"constant_values": 7.0})],
    "broadcast_to": [(V, (2, 4))], "broadcast_arrays": [(V, V[:, None])], "atleast_1d": [(V,)],
    "atleast_2d": [(V,)], "atleast_3d": [(A,)], "clip": [(A, -1, 2), (A, None, 1), (A, B, 3.0), ((A,), {"min": 0})],
    "round": [(A * 1.26,), (A * 1.26, 1)], "around": [(A * 1.26, 1)],
    "nan_to_num": [(N,), ((N,), {"nan": 5.0, "posinf": 1.0, "neginf": -1.0})], "real": [(A,), (C,)], "imag": [(A,), (C,)],
    "angle": [(C,), (C, True)], "astype": [(A, np.float32)], "real_if_close": [(A,)], "iscomplexobj": [(A,), (C,)],
    "isrealobj": [(A,), (C,)], "sinc": [(A,)], "i0": [(A,)], "isposinf": [(N,)], "isneginf": [(N,)],
    "isclose": [(A, A + 1e-9), (A, B), ((N, N), {"equal_nan": True})], "allclose": [(A, A), (A, B)],
    "array_equal": [(A, A), (A, V), (N, N), ((N, N), {"equal_nan": True})], "copy": [(A,)],
    "zeros_like": [(A,), (A, np.int64)], "ones_like": [(A,), ((A,), {"dtype": np.float32})], "full_like": [(A, 3)],
    "empty_like": [], "dot": [(V, V), (A, S), (S, A.T), (A, 2.0)], "vdot": [(V, V), (C, C)], "inner": [(A, B), (V, V)],
    "outer": [(V, A)], "tensordot": [(A, B.T, 1), ((A, B), {"axes": 2}), ((A, B), {"axes": ([0], [0])}),
        ((A, B), {"axes": (1, 1)})],
    "einsum": [("ij,kj->ik", A, B), ("ii", S)], "kron": [(A, B)], "trace": [(S,), (A, 1)], "diag": [(V,), (S, 1)],
    "diagonal": [(S,), (A, 1)], "diff": [(V,), (A, 1, 0), ((V,), {"prepend": np.array([0.0])}), (V, 2)],
    "tril": [(S,), (S, -1)], "triu": [(S, 1)], "cov": [(A,), ((A,), {"rowvar": False}), ((A,), {"ddof": 0})],
    "corrcoef": [(A,), ((A,), {"rowvar": False})], "cross": [(A, B)],
    "trapezoid": [(V,), ((A,), {"dx": 0.5, "axis": 0}), (V, np.sort(V))],
    "bincount": [(I,), ((I,), {"minlength": 5}), (I, V)], "isin": [(I, np.array([2, 7]))],
    "linalg.norm": [(A,), (V, 1), (A, "fro"), (A, "nuc"), (A, np.inf),
        (A, 2, 1), ((A,), {"axis": 0}), ((A,), {"keepdims": True})],
    "linalg.svd": [((A,), {"compute_uv": False}), ((A,), {"full_matrices": False})], "linalg.cholesky": [(S,)],
    "linalg.det": [(S,)], "linalg.eig": [], "linalg.eigh": [], "linalg.eigvals": [], "linalg.eigvalsh": [(S,)],
    "linalg.inv": [(S,)], "linalg.matrix_power": [(S, 3)], "linalg.matrix_rank": [(A,)], "linalg.multi_dot": [([A, S, A.T],)],
    "linalg.pinv": [(A,)], "linalg.qr": [], "linalg.slogdet": [(S,)], "linalg.solve": [(S, S[:, :2])],
    "linalg.tensorinv": [(np.eye(6).reshape(2, 3, 6),)], "linalg.tensorsolve": [(np.eye(6).reshape(2, 3, 2, 3), A)],
    "fft.fft": [(V,), (A, 4, 0), ((V,), {"norm": "ortho"})], "fft.ifft": [(V,)], "fft.rfft": [(V,), (A, None, 0)],
    "fft.irfft": [(C,), (C, 5)], "fft.hfft": [(C,)], "fft.ihfft": [(V,)], "fft.fftshift": [(V,), (A, 0)],
    "fft.ifftshift": [(V,)],
}  # fmt: skip


def numpy_function(name):
    f = np
    for part in name.split("."):
        f = getattr(f, part)
    return f


def given(v):
    if isinstance(v, np.ndarray):
        return rg.tensor(v)
    return [given(a) for a in v] if isinstance(v, list) and any(isinstance(a, np.ndarray) for a in v) else v


def plain(v):
    """Nested tuples of arrays and Python values."""
    if isinstance(v, (tuple, list)):
        return tuple(plain(a) for a in v)
    return v.detach().numpy() if isinstance(v, rg.Tensor) else np.asarray(v)


def calls():
    for name, found in sorted(CALLS.items()):
        for i, c in enumerate(found):
            args, kwargs = c if len(c) == 2 and isinstance(c[0], tuple) and isinstance(c[1], dict) else (c, {})
            yield pytest.param(name, args, kwargs, id=f"{name}-{i}")


def compare(a, e, name):
    if isinstance(e, tuple):
        assert isinstance(a, tuple) and len(a) == len(e), f"{name}: {len(a)} results, NumPy {len(e)}"
        for x, y in zip(a, e, strict=True):
            compare(x, y, name)
        return
    assert a.shape == e.shape, f"{name}: shape {a.shape}, NumPy {e.shape}"
    assert a.dtype.kind == e.dtype.kind, f"{name}: {a.dtype}, NumPy {e.dtype}"
    np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(("name", "args", "kwargs"), list(calls()))
def test_value_and_shape_are_numpys(name, args, kwargs):
    f = numpy_function(name)
    compare(plain(f(*(given(a) for a in args), **kwargs)), plain(f(*args, **kwargs)), name)


def test_every_row_is_tested():
    assert set(CALLS) == set(TABLE)
    assert all(callable(numpy_function(name)) for name in TABLE if name not in NEWER)


# Not in NumPy 2.0, the oldest version that is supported.
NEWER = {name for name in ("astype",) if not hasattr(np, name)}


def test_decompositions_rebuild_the_matrix():
    s = rg.tensor(S)
    w, v = np.linalg.eigh(s)
    np.testing.assert_allclose((v * w) @ v.T, S, atol=1e-12)
    q, r = np.linalg.qr(s)
    np.testing.assert_allclose(q @ r, S, atol=1e-12)
    w, v = np.linalg.eig(s)
    np.testing.assert_allclose(v @ np.diag(w) @ np.linalg.inv(v), S, atol=1e-12)
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(s).real), np.linalg.eigvalsh(S), atol=1e-12)
    assert np.empty_like(s).shape == s.shape


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda t: np.sort(t)[1], [0.0, 0.0, 1.0, 0.0]),
        (lambda t: np.std(t), (V - V.mean()) / (4 * V.std())),
        (lambda t: np.median(t), [0.5, 0.0, 0.5, 0.0]),
        (lambda t: np.clip(t, 0, 2.5).sum(), [0.0, 1.0, 1.0, 0.0]),
        (lambda t: np.concatenate([t, np.ones(2)]).sum(), np.ones(4)),
        (lambda t: np.fft.fft(t)[0].real, np.ones(4)),
        (lambda t: np.linalg.norm(t), V / np.linalg.norm(V)),
        (lambda t: np.cumsum(t)[2], [1.0, 1.0, 1.0, 0.0]),
    ],
)
def test_gradients_flow(f, slope):
    t = rg.tensor(V, requires_grad=True)
    f(t).backward()
    np.testing.assert_allclose(t.grad, slope, atol=1e-12)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda t: np.convolve(t, t), r"np\.convolve has no retrograd equivalent; use np\.convolve\(t\.detach"),
        (lambda t: np.unique(t, return_index=True), "has no return_index"),
        (lambda t: np.split(t, 3), "equal division by 3"),
        (lambda t: np.reshape(t, (2, 2), order="F"), "row-major order"),
        (lambda t: np.pad(t, 1, mode="reflect"), "mode='constant'"),
        (lambda t: np.take(t, [9], mode="clip"), "mode='raise'"),
        (lambda t: np.bincount(t), "integers are expected"),
        (lambda t: np.einsum(t, [0], t, [0]), "subscripts as text"),
        (lambda t: np.zeros_like(t, shape=(2,)), "no shape="),
    ],
)
def test_what_is_not_served_is_refused(f, message):
    with pytest.raises((TypeError, ValueError), match=message):
        f(rg.tensor(V))
