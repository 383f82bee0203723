"""Deliberate differences from PyTorch in tensors themselves: views, NumPy, dtypes, devices, subclasses."""

from __future__ import annotations

import numpy as np
import pytest
from differences import Difference

import retrograd as rg


class TestNegativeSteps(Difference):
    def test_ours(self):
        x = rg.arange(4.0, requires_grad=True)
        back = x[::-2]
        back[0].backward()
        assert back.tolist() == [3, 1] and x.grad.tolist() == [0, 0, 0, 1]
        base = rg.arange(3.0)
        base[::-1][0] = 9.0
        assert base.tolist() == [0, 1, 9]

    def test_torch(self, torch):
        with pytest.raises(ValueError, match="step must be greater than zero"):
            torch.arange(4.0)[::-2]


class TestNumpyOfGradients(Difference):
    def test_ours(self):
        x = rg.ones(2, requires_grad=True)
        for a in (x.numpy(), np.asarray(x)):
            assert a.tolist() == [1, 1] and np.shares_memory(a, x.detach().numpy())
            with pytest.raises(ValueError, match="read-only"):
                a[0] = 5
        assert rg.ones(2).numpy().flags.writeable

    def test_torch(self, torch):
        with pytest.raises(RuntimeError, match="requires grad"):
            torch.ones(2, requires_grad=True).numpy()


class TestNumpyFunctions(Difference):
    def test_ours(self):
        x = rg.ones(2, requires_grad=True)
        (np.ones(2, np.float32) * np.exp(x)).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), np.exp([1, 1]), rtol=1e-6)

    def test_torch(self, torch):
        with pytest.raises(RuntimeError, match="requires grad"):
            np.exp(torch.ones(2, requires_grad=True))


class TestSplitOfChangedBase(Difference):
    @staticmethod
    def pieces(lib):
        y = lib.ones(4, requires_grad=True) * 1
        pieces = y.split(2)
        y.mul_(2)
        return pieces[0]

    def test_ours(self):
        piece = self.pieces(rg)
        assert piece.tolist() == [2, 2]
        with pytest.raises(rg.InplaceError, match="modified inplace"):
            piece.sum().backward()

    def test_torch(self, torch):
        with pytest.raises(RuntimeError, match="modified inplace"):
            self.pieces(torch) * 1


class TestRepeatedIndices(Difference):
    @staticmethod
    def gradient(lib):
        v = lib.tensor([1.0, 2.0], requires_grad=True)
        x = lib.zeros(3)
        x[lib.tensor([0, 0])] = v
        return x.detach()[0].item(), lib.autograd.grad(x.sum(), v)[0].tolist()

    def test_ours(self):
        assert self.gradient(rg) == (2, [0, 1])

    def test_torch(self, torch):
        assert self.gradient(torch)[1] == [1, 1]


class TestLazyConjugates(Difference):
    def test_ours(self):
        z = rg.tensor([1 + 2j])
        assert z.conj().is_conj() is False and z.conj().tolist() == [1 - 2j]

    def test_torch(self, torch):
        assert torch.tensor([1 + 2j]).conj().is_conj() is True


class TestTensorOfTensors(Difference):
    def test_ours(self):
        assert rg.tensor([rg.ones(2), rg.zeros(2)]).tolist() == [[1, 1], [0, 0]]

    def test_torch(self, torch):
        with pytest.raises(ValueError, match="only one element"):
            torch.tensor([torch.ones(2), torch.zeros(2)])


class TestDtypeNames(Difference):
    def test_ours(self):
        for d in ("float64", np.float64, np.dtype("f8")):
            assert rg.zeros(1, dtype=d).dtype is rg.float64

    def test_torch(self, torch):
        for d in ("float64", np.float64):
            with pytest.raises(TypeError, match=r"must be torch\.dtype"):
                torch.zeros(1, dtype=d)


class TestNumbersAsOperands(Difference):
    def test_ours(self):
        x = rg.tensor([1.0, 3.0])
        assert rg.maximum(2.0, x).tolist() == [2, 3] and rg.atan2(x, 1.0).shape == (2,)

    def test_torch(self, torch):
        for call in (lambda x: torch.maximum(2.0, x), lambda x: torch.atan2(x, 1.0)):
            with pytest.raises(TypeError, match="must be Tensor"):
                call(torch.ones(2))


class TestBoolMinusNumber(Difference):
    def test_ours(self):
        assert (rg.tensor([True, False]) - 1).tolist() == [0, -1]
        with pytest.raises(rg.DtypeError):
            rg.tensor([True]) - rg.tensor([True])

    def test_torch(self, torch):
        with pytest.raises(RuntimeError, match="bool tensor is not supported"):
            torch.tensor([True, False]) - 1


class TestSmallUnsignedArithmetic(Difference):
    def test_ours(self):
        x = rg.ones(2, dtype=rg.uint16)
        assert (x + x).tolist() == [2, 2] and (x + x).dtype is rg.uint16

    def test_torch(self, torch):
        x = torch.ones(2, dtype=torch.uint16)
        with pytest.raises(NotImplementedError, match="not implemented for 'UInt16'"):
            x + x


class TestHalfComplex(Difference):
    def test_ours(self):
        assert not hasattr(rg, "complex32")
        assert rg.complex(rg.ones(1).half(), rg.ones(1).half()).dtype is rg.complex64

    def test_torch(self, torch):
        assert torch.complex(torch.ones(1).half(), torch.ones(1).half()).dtype is torch.complex32


class TestDtypesLeftOut(Difference):
    NAMES = ("float8_e4m3fn", "float8_e5m2", "qint8", "quint8", "quantize_per_tensor")

    def test_ours(self):
        assert [name for name in self.NAMES if hasattr(rg, name)] == []

    def test_torch(self, torch):
        assert all(hasattr(torch, name) for name in self.NAMES)


class TestKindsLeftOut(Difference):
    def test_ours(self):
        assert not hasattr(rg.Tensor, "to_mkldnn") and not hasattr(rg, "nested")
        with pytest.raises(rg.DeviceError, match="unknown device 'meta'"):
            rg.zeros(1, device="meta")

    def test_torch(self, torch):
        assert hasattr(torch.Tensor, "to_mkldnn") and hasattr(torch, "nested")
        assert torch.zeros(1, device="meta").device.type == "meta"


class TestViewsOfLaterHistory(Difference):
    """A view made before its base had a history, written to afterwards."""

    @staticmethod
    def gradient(lib):
        x = lib.ones(4, requires_grad=True)
        base = lib.full((4,), 2.0)
        view = base[:2]
        base.mul_(x)
        view.mul_(3)
        return lib.autograd.grad(base.sum(), x)[0].tolist()

    def test_ours(self):
        assert self.gradient(rg) == [6, 6, 2, 2]

    def test_torch(self, torch):
        with pytest.raises(RuntimeError, match="in-place operation"):
            self.gradient(torch)


class TestOverlappingOperands(Difference):
    @staticmethod
    def added(lib):
        x = lib.arange(4.0)
        x[1:].add_(x[:-1])
        return x.tolist()

    @staticmethod
    def taken(lib):
        x = lib.tensor([3, 1, 2])
        return lib.take(x, lib.tensor([2, 1, 0]), out=x).tolist()

    def test_ours(self):
        assert self.added(rg) == [0, 1, 3, 5] and self.taken(rg) == [2, 1, 3]

    def test_torch(self, torch):
        for f in (self.added, self.taken):
            with pytest.raises(RuntimeError, match="refer to a single memory location"):
                f(torch)


class TestBfloat16Arrays(Difference):
    def test_ours(self):
        a = rg.ones(2, dtype=rg.bfloat16).numpy()
        assert a.dtype.name == "bfloat16" and rg.from_numpy(a).dtype is rg.bfloat16

    def test_torch(self, torch):
        import ml_dtypes

        with pytest.raises(TypeError, match="BFloat16"):
            torch.ones(2, dtype=torch.bfloat16).numpy()
        with pytest.raises(TypeError, match="can't convert"):
            torch.from_numpy(np.ones(2, ml_dtypes.bfloat16))


class TestFractionsAsUnsigned(Difference):
    def test_ours(self):
        assert rg.tensor([255.5, -0.5], dtype=rg.uint8).tolist() == [255, 0]

    def test_torch(self, torch):
        for v in (255.5, -0.5):
            with pytest.raises(RuntimeError, match="without overflow"):
                torch.tensor(v, dtype=torch.uint8)


class TestSubclasses(Difference):
    @staticmethod
    def name(lib):
        class Mine(lib.Tensor):
            pass

        x = lib.ones(1).as_subclass(Mine) if hasattr(lib.Tensor, "as_subclass") else Mine([1.0])
        return type(x + 1).__name__

    def test_ours(self):
        assert self.name(rg) == "Tensor" and not hasattr(rg.Tensor, "__torch_function__")

    def test_torch(self, torch):
        assert self.name(torch) == "Mine" and hasattr(torch.Tensor, "__torch_function__")


class TestMemoryFormats(Difference):
    def test_ours(self):
        assert not hasattr(rg, "channels_last")
        x = rg.ones(1, 2, 2, 2)
        assert x.contiguous(memory_format=rg.contiguous_format) is x
        assert x.contiguous(memory_format="channels_last").stride() == (8, 4, 2, 1)
        with pytest.raises(NotImplementedError, match="leave it away"):
            rg.zeros_like(x, memory_format="channels_last")

    def test_torch(self, torch):
        x = torch.ones(1, 2, 2, 2)
        assert x.contiguous(memory_format=torch.channels_last).stride() == (8, 1, 4, 2)


class TestSparseIndicesAreChecked(Difference):
    def test_ours(self):
        with pytest.raises(rg.ShapeError, match="size is 3 but found index 5"):
            rg.sparse_coo_tensor([[5]], [1.0], (3,))

    def test_torch(self, torch):
        assert torch.sparse_coo_tensor([[5]], [1.0], (3,)).shape == (3,)  # check_invariants=False is the default


class TestNoAccelerator(Difference):
    def test_ours(self):
        if rg.cuda.is_available():
            pytest.skip("this machine has an accelerator")
        with pytest.raises(rg.DeviceError, match="CuPy"):
            rg.ones(1).cuda()

    def test_torch(self, torch):
        if torch.cuda.is_available():
            pytest.skip("this machine has an accelerator")
        with pytest.raises((AssertionError, RuntimeError), match=r"CUDA|NVIDIA"):
            torch.ones(1).cuda()
