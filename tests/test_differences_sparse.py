"""Deliberate differences from PyTorch in sparse tensors."""

from __future__ import annotations

import warnings

import pytest
from differences import Difference

import retrograd as rg


class TestSparseGradients(Difference):
    @staticmethod
    def gradient(lib):
        x = lib.tensor([[0.0, 2.0], [3.0, 0.0]], requires_grad=True)
        (x.to_sparse() @ lib.ones(2, 1)).sum().backward()
        return x.grad.tolist()

    def test_ours(self):
        assert self.gradient(rg) == [[0, 1], [1, 0]]

    def test_torch(self, torch):
        assert self.gradient(torch) == [[1, 1], [1, 1]]


class TestPiecesOfSparseTensors(Difference):
    @staticmethod
    def pieces(lib):
        x = lib.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse()
        return [f(x).to_dense().tolist() for f in (lambda x: x[1:], lambda x: x.reshape(4))]

    def test_ours(self):
        assert self.pieces(rg) == [[[3, 0]], [0, 2, 3, 0]]

    def test_torch(self, torch):
        with warnings.catch_warnings(), pytest.raises(RuntimeError):
            warnings.simplefilter("ignore")
            self.pieces(torch)
