"""The orthogonal parametrization: its three maps, with and without trivialization, against PyTorch and by Q^T Q = I."""

from __future__ import annotations

import numpy as np
import pytest
from test_parametrize import load, same

import retrograd as rg
from retrograd import nn
from retrograd.nn.utils import parametrizations

torch = pytest.importorskip("torch", reason="the comparison needs torch")
their_parametrizations = torch.nn.utils.parametrizations
SHAPES = {"tall": (3, 5), "wide": (5, 3), "square": (4, 4)}  # (in_features, out_features)


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("kind", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_orthogonal(shape, kind, trivial):
    ins, outs = SHAPES[shape]
    their, our = torch.nn.Linear(ins, outs).double(), nn.Linear(ins, outs).double()
    load(our, their)
    their_parametrizations.orthogonal(their, orthogonal_map=kind, use_trivialization=trivial)
    parametrizations.orthogonal(our, orthogonal_map=kind, use_trivialization=trivial)
    q = our.weight.detach().numpy()
    small = q @ q.T if outs <= ins else q.T @ q
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-12)
    same(our, their, (2, ins), tolerance=1e-9)


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
def test_orthogonal_weights_stay_so_while_they_train(kind, trivial):
    rg.manual_seed(0)
    layer = parametrizations.orthogonal(nn.Linear(3, 5).double(), orthogonal_map=kind, use_trivialization=trivial)
    optimizer = rg.optim.SGD(layer.parameters(), lr=0.1)
    before = layer.weight.detach().clone()
    for _ in range(5):
        optimizer.zero_grad()
        (layer(rg.randn(4, 3, dtype=rg.float64)) ** 3).mean().backward()
        optimizer.step()
    q = layer.weight.detach().numpy()
    np.testing.assert_allclose(q.T @ q, np.eye(3), atol=1e-10)
    assert abs(q - before.numpy()).max() > 1e-2


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 5, 3), (2, 3, 3, 3)])
def test_orthogonal_starts_at_an_orthogonal_weight_and_takes_assignments(shape):
    rg.manual_seed(1)
    m = nn.Module()
    w = nn.init.orthogonal_(rg.empty(shape[-2:], dtype=rg.float64)).expand(*shape).clone()
    m.weight = nn.Parameter(w.clone())
    parametrizations.orthogonal(m)
    np.testing.assert_allclose(m.weight.detach().numpy(), w.numpy(), atol=1e-12)
    other = nn.init.orthogonal_(rg.empty(shape[-2:], dtype=rg.float64)).expand(*shape).clone()
    m.weight = other
    np.testing.assert_allclose(m.weight.detach().numpy(), other.numpy(), atol=1e-12)


@pytest.mark.parametrize("kind", ["matrix_exp", "cayley"])
def test_unitary_matrices(kind):
    rg.manual_seed(0)
    m = nn.Module()
    m.weight = nn.Parameter(rg.randn(4, 3, dtype=rg.complex128))
    parametrizations.orthogonal(m, orthogonal_map=kind)
    q = m.weight.detach().numpy()
    np.testing.assert_allclose(q.conj().T @ q, np.eye(3), atol=1e-12)
    with pytest.raises(ValueError, match="householder parametrization does not support complex"):
        n = nn.Module()
        n.weight = nn.Parameter(rg.randn(3, 3, dtype=rg.complex128))
        parametrizations.orthogonal(n, orthogonal_map="householder")


def test_orthogonal_errors():
    with pytest.raises(ValueError, match="has no parameter or buffer with name 'w'"):
        parametrizations.orthogonal(nn.Linear(2, 2), "w")
    with pytest.raises(ValueError, match="Expected a matrix or batch of matrices"):
        parametrizations.orthogonal(nn.Linear(2, 2), "bias")
    with pytest.raises(ValueError, match="orthogonal_map has to be one of"):
        parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="qr")
    layer = parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="cayley", use_trivialization=False)
    with pytest.raises(NotImplementedError, match="not possible to assign to the matrix exponential or the Cayley"):
        layer.weight = rg.eye(2)
    layer = parametrizations.orthogonal(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="Expected a matrix or batch of matrices of shape"):
        layer.weight = rg.eye(3)
