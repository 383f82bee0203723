"""Initializers: bounds, moments, structure, generators, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd.nn import init

SHAPE = (60, 40, 5)
FAN_IN, FAN_OUT = 200, 300


def drawn(f, *args, shape=SHAPE, **kwargs):
    w = rg.empty(*shape)
    assert f(w, *args, **kwargs) is w
    return w.numpy()


@pytest.mark.parametrize(
    ("f", "args", "bound"),
    [
        (init.uniform_, (-2.0, 2.0), 2.0),
        (init.xavier_uniform_, (), math.sqrt(6 / 500)),
        (init.xavier_uniform_, (2.0,), 2 * math.sqrt(6 / 500)),
        (init.kaiming_uniform_, (), math.sqrt(2) * math.sqrt(3 / FAN_IN)),
        (init.kaiming_uniform_, (1.0, "fan_out"), math.sqrt(3 / FAN_OUT)),
        (init.lecun_uniform_, (), math.sqrt(3 / FAN_IN)),
    ],
)
def test_uniform(f, args, bound):
    w = drawn(f, *args)
    assert abs(w).max() <= bound
    assert abs(w).max() > 0.99 * bound
    assert abs(w.std() - bound / math.sqrt(3)) < 0.02 * bound
    assert abs(w.mean()) < 0.03 * bound


@pytest.mark.parametrize(
    ("f", "args", "std"),
    [
        (init.normal_, (), 1.0),
        (init.xavier_normal_, (), math.sqrt(2 / 500)),
        (init.kaiming_normal_, (0, "fan_in", "relu"), math.sqrt(2 / FAN_IN)),
        (init.kaiming_normal_, (0.5, "fan_out"), math.sqrt(2 / 1.25 / FAN_OUT)),
        (init.lecun_normal_, (), math.sqrt(1 / FAN_IN)),
    ],
)
def test_normal(f, args, std):
    w = drawn(f, *args)
    assert abs(w.std() / std - 1) < 0.03
    assert abs(w.mean()) < 0.03 * std
    assert abs((abs(w) < std).mean() - 0.683) < 0.02


def test_trunc_normal():
    from scipy.stats import truncnorm

    for mean, std, a, b in ((0.0, 1.0, -2.0, 2.0), (1.0, 0.5, 0.0, 1.2), (0.0, 1.0, 1.5, 4.0), (0.0, 2.0, -0.1, 0.1)):
        w = drawn(init.trunc_normal_, mean, std, a, b, shape=(100, 100))
        assert a <= w.min() < w.max() <= b
        law = truncnorm((a - mean) / std, (b - mean) / std, mean, std)
        assert abs(w.mean() - law.mean()) < 0.03 * law.std() + 1e-6
        assert abs(w.std() / law.std() - 1) < 0.03
    with pytest.warns(UserWarning, match="more than 2 std"):
        drawn(init.trunc_normal_, 0.0, 1.0, 3.0, 4.0, shape=(2, 2))
    assert drawn(init.trunc_normal_, shape=(0, 3)).shape == (0, 3)


def test_constants():
    assert (drawn(init.constant_, 0.25) == 0.25).all()
    assert (drawn(init.ones_) == 1).all()
    assert (drawn(init.zeros_) == 0).all()
    np.testing.assert_array_equal(drawn(init.eye_, shape=(2, 3)), np.eye(2, 3))
    for shape, groups in (((4, 2, 3), 1), ((4, 2, 3, 5), 2), ((3, 3, 3, 3, 3), 1)):
        torch = pytest.importorskip("torch")
        ours, theirs = drawn(init.dirac_, groups, shape=shape), torch.nn.init.dirac_(torch.empty(shape), groups)
        np.testing.assert_array_equal(ours, theirs.numpy())


def test_orthogonal():
    for shape in ((4, 7), (7, 4), (5, 5), (3, 2, 4)):
        w = drawn(init.orthogonal_, 2.0, shape=shape).reshape(shape[0], -1)
        small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)
    assert drawn(init.orthogonal_, shape=(0, 3)).size == 0


def test_sparse():
    w = drawn(init.sparse_, 0.31, shape=(10, 30))
    assert ((w == 0).sum(0) == 4).all()
    assert len({tuple(np.flatnonzero(c)) for c in (w == 0).T}) > 10
    assert w.std() < 0.02


@pytest.mark.parametrize(
    "f",
    [init.uniform_, init.normal_, init.trunc_normal_, init.xavier_uniform_, init.xavier_normal_, init.kaiming_uniform_,
     init.kaiming_normal_, init.lecun_uniform_, init.lecun_normal_, init.orthogonal_],
)  # fmt: skip
def test_generator(f):
    draws = [drawn(f, generator=rg.Generator().manual_seed(s), shape=(4, 5)) for s in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()
    rg.manual_seed(4)
    a = drawn(f, shape=(4, 5))
    rg.manual_seed(4)
    np.testing.assert_array_equal(drawn(f, shape=(4, 5)), a)


def test_sparse_generator():
    a, b = (drawn(init.sparse_, 0.5, generator=rg.Generator().manual_seed(1), shape=(6, 4)) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_parameters_are_filled_outside_the_graph():
    w = rg.nn.Parameter(rg.zeros(3, 4))
    for f in (init.xavier_uniform_, init.orthogonal_, init.ones_, init.eye_, init.trunc_normal_):
        assert f(w) is w
        assert w.is_leaf
        assert w.requires_grad
    half = rg.empty(4, 4, dtype=rg.float16)
    assert init.kaiming_normal_(half).dtype is rg.float16
    assert init.orthogonal_(half).dtype is rg.float16


@pytest.mark.parametrize(
    ("name", "param"),
    [("linear", None), ("conv2d", None), ("sigmoid", None), ("tanh", None), ("relu", None), ("leaky_relu", None),
     ("leaky_relu", 0.3), ("leaky_relu", 1), ("selu", None)],
)  # fmt: skip
def test_gain(name, param):
    torch = pytest.importorskip("torch")
    assert init.calculate_gain(name, param) == pytest.approx(torch.nn.init.calculate_gain(name, param))


def test_errors():
    for call, text in (
        (lambda: init.calculate_gain("swish"), "Unsupported nonlinearity swish"),
        (lambda: init.calculate_gain("leaky_relu", True), "not a valid number"),
        (lambda: init.xavier_normal_(rg.zeros(3)), "fewer than 2 dimensions"),
        (lambda: init.kaiming_normal_(rg.zeros(3, 3), mode="fan"), "Mode fan not supported"),
        (lambda: init.eye_(rg.zeros(3)), "2 dimensions"),
        (lambda: init.dirac_(rg.zeros(3, 3)), "3, 4, or 5 dimensions"),
        (lambda: init.dirac_(rg.zeros(3, 3, 3), 2), "divisible by groups"),
        (lambda: init.orthogonal_(rg.zeros(3)), "2 or more dimensions"),
        (lambda: init.sparse_(rg.zeros(3), 0.1), "2 dimensions"),
    ):
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.warns(UserWarning, match="zero-element"):
        init.kaiming_uniform_(rg.zeros(0, 3))
    with pytest.warns(FutureWarning, match="in favor of `nn.init.xavier_normal_`"):
        init.xavier_normal(rg.zeros(3, 3))
