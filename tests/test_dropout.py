"""Dropout: masks, means, gradients of any order, channels, in place, PyTorch's results and errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F

ELEMENTS = [F.dropout, F.alpha_dropout]
CHANNELS = [
    (F.dropout1d, (6, 5, 4)),
    (F.dropout1d, (5, 4)),
    (F.dropout2d, (6, 5, 4, 3)),
    (F.dropout3d, (6, 5, 2, 3, 4)),
    (F.dropout3d, (5, 2, 3, 4)),
    (F.feature_alpha_dropout, (6, 5, 4)),
]


@pytest.fixture(autouse=True)
def _seeded():
    with rg.fork_rng():
        rg.manual_seed(0)
        yield


def test_kept_elements_are_scaled_and_the_mean_stays():
    for p in (0.1, 0.5, 0.9):
        y = F.dropout(rg.ones(200, 200), p).numpy()
        assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - p))}
        assert abs((y == 0).mean() - p) < 0.01
        assert abs(y.mean() - 1) < 0.05


def test_alpha_dropout_keeps_mean_and_variance():
    y = F.alpha_dropout(rg.randn(400, 400), 0.3, training=True).numpy()
    assert abs(y.mean()) < 0.01 and abs(y.var() - 1) < 0.02


def test_the_seed_fixes_the_mask():
    x = rg.ones(100)
    a = F.dropout(x)
    b = F.dropout(x)
    rg.manual_seed(0)
    assert np.array_equal(F.dropout(x).numpy(), a.numpy())
    assert not np.array_equal(a.numpy(), b.numpy())


def test_backends_agree(monkeypatch):
    pytest.importorskip("numba")
    from retrograd.autograd.kernels import cpu

    loader = cpu._Loader(".loops.philox", 0)  # for the mask of dropout2d
    monkeypatch.setattr(cpu, "_philox", loader)
    results = []
    for backend in ("numpy", "numba"):
        with rg.use_backend(backend):
            rg.manual_seed(3)
            x = rg.linspace(-1, 1, 3003).reshape(3, 1001).requires_grad_()
            y = F.dropout(x, 0.3)
            (y * y).sum().backward()
            z = F.dropout2d(rg.ones(4, 5, 6, 7), 0.3)
            results.append([y.detach().numpy(), x.grad.numpy(), z.numpy()])
    assert loader.module is not None
    for a, b in zip(*results, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("f", ELEMENTS)
@pytest.mark.parametrize("dtype", [rg.float32, rg.float64, rg.float16, rg.bfloat16])
def test_gradients_use_the_same_mask(f, dtype):
    x = rg.randn(40, 30, dtype=dtype).requires_grad_()
    y = f(x, 0.4, True)
    assert y.dtype == dtype
    (slope,) = rg.autograd.grad(y.sum(), x)
    moved = f(rg.zeros(40, 30, dtype=dtype), 0.4, True)  # another mask
    assert not np.array_equal(moved.float().numpy() == 0, y.detach().float().numpy() == 0) or f is F.alpha_dropout
    kept = slope.float().numpy() != 0
    assert 0.5 < kept.mean() < 0.7
    if f is F.dropout:
        assert np.array_equal(kept, y.detach().float().numpy() != 0)
        assert np.allclose(slope.float().numpy()[kept], 1 / 0.6, rtol=rg.finfo(dtype).eps)


@pytest.mark.parametrize("f", ELEMENTS)
def test_gradcheck(f):
    def fixed(x):
        rg.manual_seed(11)
        return f(x, 0.4, True)

    x = rg.randn(3, 4, dtype=rg.float64, requires_grad=True)
    assert rg.autograd.gradcheck(fixed, (x,))
    assert rg.autograd.gradgradcheck(lambda x: fixed(x) * x * x, (x,))


@pytest.mark.parametrize(("f", "shape"), CHANNELS)
def test_channels_are_kept_or_dropped_as_one(f, shape):
    x = rg.ones(*shape, requires_grad=True)
    y = f(x, 0.5, training=True)
    lead = 1 if (f, len(shape)) in ((F.dropout1d, 2), (F.dropout3d, 4)) else 2
    for a in (y.detach().numpy(), rg.autograd.grad(y.sum(), x)[0].numpy()):
        flat = a.reshape(*shape[:lead], -1)
        assert (flat == flat[..., :1]).all()
        assert 1 < len(np.unique(flat[..., 0])) < 3


def test_nothing_is_done_without_training():
    x = rg.ones(3)
    assert F.dropout(x, 0.5, False) is x
    assert F.dropout(x, 0.0) is x
    assert F.alpha_dropout(x) is x
    assert F.feature_alpha_dropout(x, 0.5) is x
    empty = rg.ones(0, 3)
    assert F.dropout(empty) is empty
    before = rg.get_rng_state()
    F.dropout(x, 0.5, False)
    assert np.array_equal(before.numpy(), rg.get_rng_state().numpy())


def test_p_one_and_special_values():
    x = rg.tensor([float("nan"), float("inf"), 1.0])
    y = F.dropout(x, 1.0).numpy()
    assert np.isnan(y[:2]).all() and y[2] == 0
    x = rg.ones(3, requires_grad=True)
    F.dropout(x, 1.0).sum().backward()
    assert x.grad.tolist() == [0, 0, 0]
    assert F.alpha_dropout(x, 1.0, training=True).tolist() == [0, 0, 0]


@pytest.mark.parametrize("f", ELEMENTS)
def test_inplace(f):
    x = rg.ones(100)
    y = f(x, 0.5, True, True)
    assert y is x and len(np.unique(x.numpy())) == 2
    with pytest.raises(RuntimeError, match="requires grad"):
        f(rg.ones(3, requires_grad=True), 0.5, True, True)
    leaf = rg.ones(100, requires_grad=True)
    z = leaf * 3
    f(z, 0.5, True, inplace=True)
    z.sum().backward()
    assert set(np.round(leaf.grad.numpy(), 4)) == {
        0,
        np.round(3 * (2 if f is F.dropout else 0.8864054), 4).astype("f4"),
    }


def test_nothing_is_saved_for_backward():
    x = rg.ones(100, requires_grad=True)
    saved = F.dropout(x).grad_fn.saved
    assert not any(isinstance(s, np.ndarray) for s in saved)


CALLS = [
    "F.dropout(m.ones(2, 3))", "F.dropout(m.ones(3), 1.5)", "F.dropout(m.ones(3), -0.1)", "F.dropout(m.ones(3), p=1)",
    "F.dropout(m.ones(3), 0.5, False)", "F.dropout(m.ones(3, dtype=m.int64))", "F.dropout(m.ones(3, dtype=m.bool))",
    "F.dropout([1.0])", "F.dropout(m.ones(3), 'a')", "F.dropout(m.ones(3, dtype=m.float16))", "F.dropout(m.ones(()))",
    "F.dropout1d(m.ones(2, 3, 4))", "F.dropout1d(m.ones(3, 4))", "F.dropout1d(m.ones(3))",
    "F.dropout1d(m.ones(1, 2, 3, 4))", "F.dropout2d(m.ones(2, 3, 4, 5))", "F.dropout2d(m.ones(2, 3, 4))",
    "F.dropout2d(m.ones(2, 3))", "F.dropout2d(m.ones(3))", "F.dropout2d(m.ones(3), training=False)",
    "F.dropout3d(m.ones(2, 3, 4, 5, 6))", "F.dropout3d(m.ones(3, 4, 5, 6))", "F.dropout3d(m.ones(3, 4))",
    "F.alpha_dropout(m.ones(3), training=True)", "F.alpha_dropout(m.ones(3), 2.0)",
    "F.alpha_dropout(m.ones(3), 1.0, True)", "F.feature_alpha_dropout(m.ones(3))",
    "F.feature_alpha_dropout(m.ones(3), training=True)", "F.feature_alpha_dropout(m.ones(3, 2, 4), training=True)",
]  # fmt: skip


def outcome(expression, module, functional):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            r = eval(expression, {"m": module, "F": functional})
        except (TypeError, RuntimeError, ValueError) as e:
            kinds = (RuntimeError, ValueError, TypeError)
            return next(k.__name__ for k in kinds if isinstance(e, k))
    return tuple(r.shape), str(r.dtype).rpartition(".")[2], r.requires_grad, len(caught)


@pytest.mark.parametrize("expression", CALLS)
def test_parity(expression):
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng():
        theirs = outcome(expression, torch, torch.nn.functional)
    assert outcome(expression, rg, F) == theirs


def kept(values):
    """Which elements alpha dropout kept: all but those of the most frequent value."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return inverse != counts.argmax()


def test_alpha_dropout_equals_torch_where_both_keep_or_both_drop():
    torch = pytest.importorskip("torch")
    x = rg.randn(50, dtype=rg.float64)
    mine = F.alpha_dropout(x, 0.3, training=True).numpy()
    theirs = torch.nn.functional.alpha_dropout(torch.from_numpy(x.numpy()), 0.3, training=True).numpy()
    both = kept(mine) & kept(theirs)
    assert both.sum() > 10
    assert np.allclose(mine[both], theirs[both], rtol=1e-12)
    assert np.isclose(mine[~kept(mine)][0], theirs[~kept(theirs)][0], rtol=1e-12)
