"""Deliberate differences from PyTorch in distributions."""

from __future__ import annotations

import math

import numpy as np
import scipy.stats
from differences import Difference

import retrograd as rg


class TestLkjSamples(Difference):
    """A correlation of an LKJ matrix of dimension d is 2 b - 1 for a beta number b of two parameters c + d / 2 - 1."""

    @staticmethod
    def fit(lib):
        lib.manual_seed(0)
        low = lib.distributions.LKJCholesky(4, 3.0).sample((4000,))
        r = np.asarray((low @ low.mT)[:, 3, 2].tolist())
        return scipy.stats.kstest((r + 1) / 2, scipy.stats.beta(4, 4).cdf).pvalue

    def test_ours(self):
        assert self.fit(rg) > 1e-3

    def test_torch(self, torch):
        assert self.fit(torch) < 1e-6


class TestKumaraswamyMode(Difference):
    def test_ours(self):
        assert math.isclose(rg.distributions.Kumaraswamy(2.0, 2.0).mode.item(), math.sqrt(1 / 3), rel_tol=1e-6)

    def test_torch(self, torch):
        assert torch.distributions.Kumaraswamy(2.0, 2.0).mode.isnan()
