"""Deliberate differences from PyTorch in single operations: what they take, what they refuse, their values."""

from __future__ import annotations

import pytest
from differences import Difference

import retrograd as rg
from retrograd.nn import functional as F


class TestStableOrder(Difference):
    def test_ours(self):
        assert rg.sort(rg.zeros(100)).indices.tolist() == list(range(100))
        assert rg.topk(rg.ones(5), 2).indices.tolist() == [0, 1]
        assert rg.kthvalue(rg.ones(4), 2).indices.item() == 1

    def test_torch(self, torch):
        assert torch.topk(torch.ones(5), 2).indices.tolist() != [0, 1]  # any two, as its documentation says
        assert torch.kthvalue(torch.ones(4), 2).indices.item() != 1


class TestLossesDoNotBroadcast(Difference):
    LOSSES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div", "poisson_nll_loss")

    def test_ours(self):
        for name in self.LOSSES:
            with pytest.raises(rg.ShapeError, match=r"\(3, 1\) and target \(3,\).*do not broadcast; use input.reshape"):
                getattr(F, name)(rg.ones(3, 1), rg.ones(3))
        with pytest.raises(rg.ShapeError, match="do not broadcast"):
            F.gaussian_nll_loss(rg.ones(3, 2), rg.ones(2), rg.ones(3, 2))

    def test_torch(self, torch):
        for name in self.LOSSES:
            assert getattr(torch.nn.functional, name)(torch.ones(3, 1), torch.ones(3)).shape == ()


class TestReflectPadding(Difference):
    def test_ours(self):
        assert F.pad(rg.arange(6).reshape(2, 3), (1, 0, 1, 0), mode="reflect").tolist() == [
            [4, 3, 4, 5], [1, 0, 1, 2], [4, 3, 4, 5]
        ]  # fmt: skip

    def test_torch(self, torch):
        with pytest.raises(NotImplementedError):
            torch.nn.functional.pad(torch.ones(2, 3), (1, 0, 1, 0), mode="reflect")


class TestResponseNormOfIntegers(Difference):
    def test_ours(self):
        with pytest.raises(rg.DtypeError, match=r"int64.*x\.float\(\)"):
            F.local_response_norm(rg.ones(1, 3, 3, dtype=rg.int64), 2)

    def test_torch(self, torch):
        x = torch.full((1, 3, 3), 3)
        lrn = torch.nn.functional.local_response_norm
        assert not torch.allclose(lrn(x, 2, alpha=1.0), lrn(x.float(), 2, alpha=1.0))


class TestMultinomialOfNothing(Difference):
    def test_ours(self):
        with pytest.raises(RuntimeError, match="1 category of positive weight"):
            rg.multinomial(rg.tensor([0.0, 1.0, 0.0]), 2)

    def test_torch(self, torch):
        assert torch.multinomial(torch.tensor([0.0, 1.0, 0.0]), 2).shape == (2,)


class TestScatterReduceNames(Difference):
    def test_ours(self):
        with pytest.raises(ValueError, match="'amax', 'amin', got 'max'"):
            rg.zeros(2).scatter_reduce(0, rg.tensor([0]), rg.ones(1), "max")

    def test_torch(self, torch):
        assert torch.zeros(2).scatter_reduce(0, torch.tensor([0]), torch.ones(1), "max").tolist() == [1, 0]


class TestInPlaceKeepsTheShape(Difference):
    def test_ours(self):
        with pytest.raises(rg.ShapeError, match="does not fit the tensor's shape"):
            rg.ones(1).addbmm_(rg.ones(1, 2, 2), rg.ones(1, 2, 2))

    def test_torch(self, torch):
        assert torch.ones(1).addbmm_(torch.ones(1, 2, 2), torch.ones(1, 2, 2)).shape == (2, 2)


class TestBesselAccuracy(Difference):
    AT = 7.7
    EXACT = 0.16580163242389648

    def test_ours(self):
        assert rg.special.bessel_y0(rg.tensor(self.AT, dtype=rg.float64)).item() == pytest.approx(self.EXACT, rel=1e-14)

    def test_torch(self, torch):
        off = abs(torch.special.bessel_y0(torch.tensor(self.AT, dtype=torch.float64)).item() - self.EXACT)
        assert 1e-11 < off < 1e-6


class TestRandomStreams(Difference):
    def test_ours(self):
        rg.manual_seed(0)
        first = rg.rand(4)
        rg.manual_seed(0)
        assert (rg.rand(4) == first).all()
        assert first.tolist() != pytest.approx([0.4963, 0.7682, 0.0885, 0.1320], abs=1e-4)

    def test_torch(self, torch):
        torch.manual_seed(0)
        assert torch.rand(4).tolist() == pytest.approx([0.4963, 0.7682, 0.0885, 0.1320], abs=1e-4)
