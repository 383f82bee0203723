"""The older interface `autograd.functional`: Jacobians, Hessians and products, compared with PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg

D = rg.float64
FN = rg.autograd.functional


def t(*values):
    return rg.tensor(values[0] if len(values) == 1 else list(values), dtype=D)


def close(a, b):
    a = a.detach().numpy() if isinstance(a, rg.Tensor) else a
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("strategy", "vectorize"), [("reverse-mode", False), ("reverse-mode", True), ("forward-mode", True)]
)
def test_jacobian_and_hessian_of_tuples(strategy, vectorize):
    torch = pytest.importorskip("torch")
    xs = (np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.1]))
    f = lambda a, b: (a.sin() * b[0], (a[:2] * b).exp().sum())
    got = FN.jacobian(f, tuple(map(rg.tensor, xs)), strategy=strategy, vectorize=vectorize)
    want = torch.autograd.functional.jacobian(f, tuple(map(torch.tensor, xs)))
    for a, b in zip(got, want, strict=True):
        for c, d in zip(a, b, strict=True):
            close(c, d.numpy())
    s = lambda a, b: (a.sin() * b[0]).sum() * b.prod()
    got = FN.hessian(s, tuple(map(rg.tensor, xs)), outer_jacobian_strategy=strategy, vectorize=vectorize)
    want = torch.autograd.functional.hessian(s, tuple(map(torch.tensor, xs)))
    for a, b in zip(got, want, strict=True):
        for c, d in zip(a, b, strict=True):
            close(c, d.numpy())


@pytest.mark.parametrize("name", ["hvp", "jvp", "vhp", "vjp"])
def test_products_of_the_older_interface(name):
    torch = pytest.importorskip("torch")
    x, v = np.array([0.3, 0.6, -0.2]), np.array([1.0, -1.0, 0.5])
    f = (lambda a: (a.sin() ** 2).sum()) if name in ("hvp", "vhp") else (lambda a: a.sin() * a[0])
    got = getattr(FN, name)(f, rg.tensor(x), rg.tensor(v))
    want = getattr(torch.autograd.functional, name)(f, torch.tensor(x), torch.tensor(v))
    for a, b in zip(got, want, strict=True):
        close(a, b.numpy())
        assert not a.requires_grad
    x_ = rg.tensor(x).requires_grad_()
    again = getattr(FN, name)(f, x_, rg.tensor(v), create_graph=True)
    assert again[1].requires_grad
    again[1].sum().backward()
    assert x_.grad is not None


def test_strict_names_what_is_independent():
    x = t(1.0, 2.0)
    for f in (FN.jacobian, FN.vjp, FN.jvp):
        with pytest.raises(RuntimeError, match="independent"):
            args = () if f is FN.jacobian else (x,)
            f(lambda a: rg.ones(2, dtype=D), x, *args, strict=True)
    close(FN.jacobian(lambda a: rg.ones(2, dtype=D), x), np.zeros((2, 2)))
    with pytest.raises(RuntimeError, match="single element"):
        FN.hessian(lambda a: a * a, x)
    with pytest.raises(RuntimeError, match="single Tensor"):
        FN.hvp(lambda a: (a.sum(), a), x, x)
    with pytest.raises(RuntimeError, match="shape"):
        FN.vjp(lambda a: a * a, x, t(1.0))
    with pytest.raises(RuntimeError, match="v may only be left away"):
        FN.vjp(lambda a: a * a, x)
    with pytest.raises(ValueError, match="strategy"):
        FN.jacobian(rg.sin, x, strategy="sideways")
    with pytest.raises(NotImplementedError, match="vectorize"):
        FN.jacobian(rg.sin, x, strategy="forward-mode")
    with pytest.raises(TypeError, match="must be a Tensor"):
        FN.jacobian(rg.sin, 1.0)
