"""Deliberate differences from PyTorch in derivatives and transforms: which exist, and their values at special places."""

from __future__ import annotations

import pytest
from differences import Difference, second

import retrograd as rg


class TestFloorDivideGradient(Difference):
    def test_ours(self):
        x = rg.tensor([3.0, 5.0], requires_grad=True)
        (x // 2).sum().backward()
        assert x.grad.tolist() == [0, 0]

    def test_torch(self, torch):
        x = torch.tensor([3.0, 5.0], requires_grad=True)
        with pytest.raises(RuntimeError, match="not implemented"):
            (x // 2).sum().backward()


class TestHeavisideIsConstant(Difference):
    @staticmethod
    def gradient(lib):
        x = lib.tensor([3.0, -5.0], requires_grad=True)
        (x * lib.heaviside(x, lib.ones(1))).sum().backward()
        return x.grad.tolist()

    def test_ours(self):
        assert self.gradient(rg) == [1, 0]

    def test_torch(self, torch):
        with pytest.raises(RuntimeError, match="not implemented"):
            self.gradient(torch)


class TestDerivativesNobodyHas(Difference):
    @staticmethod
    def gradient(lib):
        order = lib.tensor([1.0], requires_grad=True)
        lib.igamma(order, lib.tensor([2.0])).backward()

    def test_ours(self):
        with pytest.raises(rg.GraphError, match=r"first argument; detach\(\) it"):
            self.gradient(rg)

    def test_torch(self, torch):
        with pytest.raises(NotImplementedError, match="not implemented"):
            self.gradient(torch)


class TestHigherDerivatives(Difference):
    @staticmethod
    def functions(lib):
        f, bags, label = lib.nn.functional, lib.tensor([[0, 1]]), lib.tensor([0, 1])
        return {
            "cdist": lambda x: lib.cdist(x, x.flip(0) * 2, p=3.0) ** 2,
            "embedding_bag": lambda x: f.embedding_bag(bags, x, mode="max") ** 2,
            "hardsigmoid": lambda x: f.hardsigmoid(x) ** 2,
            "multi_margin_loss": lambda x: f.multi_margin_loss(x, label, p=2) ** 2,
            "multilabel_margin_loss": lambda x: f.multilabel_margin_loss(x, lib.tensor([[0, -1], [1, -1]])) ** 2,
            "pdist": lambda x: f.pdist(x, p=3.0) ** 2,
        }

    def test_ours(self):
        x = rg.tensor([[0.5, 1.0], [2.0, 2.5]], dtype=rg.float64, requires_grad=True)
        for name, f in self.functions(rg).items():
            assert rg.autograd.gradgradcheck(f, (x,)), name

    def test_torch(self, torch):
        x = torch.tensor([[0.5, 1.0], [2.0, 2.5]], requires_grad=True)
        for name, f in self.functions(torch).items():
            with pytest.raises(RuntimeError, match=r"derivative for .* is not implemented"):
                second(torch, lambda x, f=f: f(x).sum(), x)
                print(f"{name} has a second derivative")  # shown where nothing is raised


class TestSecondDerivativeOfCtc(Difference):
    @staticmethod
    def loss(lib):
        x = lib.linspace(0, 1, 12).reshape(4, 1, 3).requires_grad_()
        args = (lib.tensor([[1, 2]]), lib.tensor([4]), lib.tensor([2]))
        return second(lib, lambda x: lib.nn.functional.ctc_loss(x.log_softmax(-1), *args), x)

    def test_ours(self):
        assert self.loss(rg).abs().sum() > 0.01

    def test_torch(self, torch):
        with pytest.raises(RuntimeError, match="not implemented"):
            self.loss(torch)


class TestPowerAtExponentZero(Difference):
    @staticmethod
    def mixed(lib):
        x, p = (lib.tensor([v], requires_grad=True) for v in (2.0, 0.0))
        (g,) = lib.autograd.grad((x**p).sum(), x, create_graph=True)
        return lib.autograd.grad(g.sum(), p)[0].item()

    def test_ours(self):
        assert self.mixed(rg) == 0.5  # d/dp of p x^(p - 1) at p = 0 is 1 / x

    def test_torch(self, torch):
        assert self.mixed(torch) == 0


class TestStridedScatterGradient(Difference):
    @staticmethod
    def gradient(lib):
        x = lib.ones((2, 2), requires_grad=True)
        y = lib.as_strided_scatter(x, lib.zeros(2), (2,), (1,))
        return lib.autograd.grad(y.sum(), x)[0].tolist()

    def test_ours(self):
        assert self.gradient(rg) == [[0, 0], [1, 1]]  # the first row is overwritten

    def test_torch(self, torch):
        assert self.gradient(torch) == [[1, 1], [0, 0]]


class TestGradientsOfNothing(Difference):
    def test_ours(self):
        assert rg.autograd.grad(rg.ones(1, requires_grad=True).sum(), []) == ()

    def test_torch(self, torch):
        with pytest.raises(RuntimeError, match="cannot be empty"):
            torch.autograd.grad(torch.ones(1, requires_grad=True).sum(), [])


class TestMapsOverSetOperations(Difference):
    def test_ours(self):
        assert rg.func.vmap(rg.unique)(rg.tensor([[1.0, 1.0], [2.0, 2.0]])).tolist() == [[1], [2]]

    def test_torch(self, torch):
        with pytest.raises(RuntimeError, match="dynamic shape"):
            torch.func.vmap(torch.unique)(torch.tensor([[1.0, 1.0], [2.0, 2.0]]))


class TestSpecialDerivatives(Difference):
    """Functions with derivatives here and without in PyTorch: at 1.5, and polynomials of degree 2 at 0.5."""

    FUNCTIONS = (
        "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_i0", "modified_bessel_i1",
        "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1",
        "spherical_bessel_j0",
    )  # fmt: skip
    POLYNOMIALS = (
        *(f"{shifted}chebyshev_polynomial_{kind}" for shifted in ("", "shifted_") for kind in "tuvw"),
        "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l", "legendre_polynomial_p",
    )  # fmt: skip

    def test_ours(self):
        x = rg.tensor([1.5], dtype=rg.float64, requires_grad=True)
        for name in self.FUNCTIONS:
            assert rg.autograd.gradcheck(getattr(rg.special, name), (x,)), name
        x = rg.tensor([0.5], dtype=rg.float64, requires_grad=True)
        for name in self.POLYNOMIALS:
            assert rg.autograd.gradcheck(lambda x, name=name: getattr(rg.special, name)(x, 2), (x,)), name

    def test_torch(self, torch):
        x = torch.tensor([0.5], requires_grad=True)
        assert not any(getattr(torch.special, name)(x).requires_grad for name in self.FUNCTIONS)
        assert not any(getattr(torch.special, name)(x, 2).requires_grad for name in self.POLYNOMIALS)


class TestForwardModeOfAll(Difference):
    """Forward mode of functions that PyTorch has it not for."""

    @staticmethod
    def calls(lib):
        f, x = lib.nn.functional, lib.tensor([[1.0, 0.5], [0.25, 2.0]], dtype=lib.float64)
        label, zeros = lib.tensor([0, 1]), lib.zeros(1, 2, 2, 2, dtype=lib.float64)
        return {
            "cdist": (lambda x: lib.cdist(x, x * 2, p=3.0), x),
            "cholesky": (lambda x: lib.cholesky(x @ x.T), x),
            "ctc_loss": (lambda x: f.ctc_loss(x[:, None], lib.tensor([[1]]), lib.tensor([2]), lib.tensor([1])), x),
            "embedding_bag": (lambda x: f.embedding_bag(lib.tensor([[0, 1]]), x), x),
            "grid_sample": (lambda x: f.grid_sample(x[None, None], zeros, align_corners=False), x),
            "index_reduce": (lambda x: x.index_reduce(0, label, x * 2, "prod"), x),
            "multi_margin_loss": (lambda x: f.multi_margin_loss(x, label), x),
            "multilabel_margin_loss": (lambda x: f.multilabel_margin_loss(x, lib.tensor([[0, -1], [1, -1]])), x),
            "ormqr": (lambda x: lib.ormqr(x, x[0], x), x),
            "pdist": (lambda x: f.pdist(x), x),
        }

    @staticmethod
    def tangent(lib, f, x):
        with lib.autograd.forward_ad.dual_level():
            dual = lib.autograd.forward_ad.make_dual(x, lib.ones_like(x))
            return lib.autograd.forward_ad.unpack_dual(f(dual)).tangent

    def test_ours(self):
        for name, (f, x) in self.calls(rg).items():
            along = self.tangent(rg, f, x)
            slope = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6
            assert rg.allclose(along, slope, atol=1e-6), name

    def test_torch(self, torch):
        for name, (f, x) in self.calls(torch).items():
            with pytest.raises(NotImplementedError, match="forward AD"):
                self.tangent(torch, f, x)
                print(f"{name} has forward mode")  # shown where nothing is raised


class TestGradientsOfMixedOperands(Difference):
    """One operand real, the other complex."""

    @staticmethod
    def gradients(lib, f):
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        z = lib.tensor([1j, 2j], requires_grad=True)
        return [g.tolist() for g in lib.autograd.grad(f(lib, x, z).real.sum(), (x, z))]

    @staticmethod
    def where(lib, x, z):
        return lib.where(lib.tensor([True, False]), x, z)

    @staticmethod
    def logaddexp(lib, x, z):
        return lib.logaddexp(x, z)

    def test_ours(self):
        assert self.gradients(rg, self.where) == [[1, 0], [0, 1]]
        real, _ = self.gradients(rg, self.logaddexp)
        assert real == pytest.approx([(1 / (1 + 2.718281828**v)).real for v in (1j - 1, 2j - 2)], rel=1e-5)

    def test_torch(self, torch):
        for f in (self.where, self.logaddexp):
            with pytest.raises(RuntimeError, match="input_is_complex"):
                self.gradients(torch, f)


class TestSecondDerivativeOfNormsAtZero(Difference):
    @staticmethod
    def second(lib, norm):
        x = lib.zeros(2, requires_grad=True)
        (g,) = lib.autograd.grad(norm(x), x, create_graph=True)
        return lib.autograd.grad(g.sum(), x)[0]

    def test_ours(self):
        for norm in (rg.norm, rg.linalg.norm, rg.linalg.vector_norm):
            assert self.second(rg, norm).isfinite().all()

    def test_torch(self, torch):
        for norm in (torch.norm, torch.linalg.norm, torch.linalg.vector_norm):
            assert self.second(torch, norm).isnan().all()


class TestLeftOutExtremes(Difference):
    """scatter_reduce by "amax" where the element that is left out equals the result."""

    @staticmethod
    def gradients(lib):
        x, s = lib.tensor([2.0, 1.0], requires_grad=True), lib.tensor([2.0], requires_grad=True)
        y = x.scatter_reduce(0, lib.tensor([0]), s, "amax", include_self=False)
        return [g.tolist() for g in lib.autograd.grad(y.sum(), (x, s))]

    def test_ours(self):
        assert self.gradients(rg) == [[0, 1], [1]]

    def test_torch(self, torch):
        assert self.gradients(torch) == [[0, 1], [0.5]]


class TestAnomaliesInForward(Difference):
    @staticmethod
    def forward(lib):
        with lib.autograd.detect_anomaly():
            return lib.sqrt(lib.tensor([-1.0], requires_grad=True))

    def test_ours(self):
        with pytest.raises(
            rg.NumericsError, match=r"sqrt made nan at \[0\] in forward, at test_differences_gradients.py"
        ):
            self.forward(rg)

    def test_torch(self, torch):
        assert self.forward(torch).isnan().all()  # it raises in backward only


class TestFunctionsUnderVmap(Difference):
    """An autograd.Function with forward(ctx, ...), mapped."""

    @staticmethod
    def mapped(lib):
        class Square(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            def backward(ctx, g):
                return 2 * g * ctx.saved_tensors[0]

        return lib.func.vmap(Square.apply)(lib.tensor([1.0, 2.0])).tolist()

    def test_ours(self):
        assert self.mapped(rg) == [1, 4]

    def test_torch(self, torch):
        with pytest.raises(RuntimeError, match="setup_context"):
            self.mapped(torch)
