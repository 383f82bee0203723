"""Deliberate differences from PyTorch around training: layers, optimizers, data, files, switches, absent parts, errors."""

from __future__ import annotations

import sys
import threading
import warnings

import pytest
from differences import Difference

import retrograd as rg
from retrograd import nn


class TestClassWeightTypes(Difference):
    def test_ours(self):
        x, y = rg.zeros(2, 3), rg.tensor([0, 2])
        assert nn.functional.nll_loss(x, y, rg.ones(3, dtype=rg.float64)).dtype is rg.float32

    def test_torch(self, torch):
        with pytest.raises(RuntimeError, match="expected scalar type"):
            torch.nn.functional.nll_loss(torch.zeros(2, 3), torch.tensor([0, 2]), torch.ones(3).double())


class TestCrossMapGradient(Difference):
    def test_ours(self):
        x = rg.linspace(-1, 1, 12, dtype=rg.float64).reshape(1, 6, 2, 1).requires_grad_()
        assert rg.autograd.gradcheck(nn.CrossMapLRN2d(3, alpha=0.5), (x,))

    def test_torch(self, torch):
        x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(1, 6, 2, 1).requires_grad_()
        layer = torch.nn.CrossMapLRN2d(3, alpha=0.5)
        assert not torch.autograd.gradcheck(layer, (x,), raise_exception=False)
        assert torch.allclose(
            layer(x), torch.tensor(nn.CrossMapLRN2d(3, alpha=0.5)(rg.tensor(x.detach().numpy())).numpy())
        )


class TestPeepholes(Difference):
    def test_ours(self):
        assert {n for n, _ in nn.LSTM(2, 3, peephole=True).named_parameters()} > {
            n for n, _ in nn.LSTM(2, 3).named_parameters()
        }

    def test_torch(self, torch):
        with pytest.raises(TypeError, match="peephole"):
            torch.nn.LSTM(2, 3, peephole=True)


class TestResetGate(Difference):
    def test_ours(self):
        layers = [nn.GRU(2, 3, reset_after=after) for after in (True, False)]
        layers[1].load_state_dict(layers[0].state_dict())
        x = rg.rand(4, 1, 2)
        assert not rg.allclose(layers[0](x)[0], layers[1](x)[0])

    def test_torch(self, torch):
        with pytest.raises(TypeError, match="reset_after"):
            torch.nn.GRU(2, 3, reset_after=False)


class TestAutocast(Difference):
    @staticmethod
    def product(lib):
        with lib.autocast("cpu", dtype=lib.bfloat16):
            return (lib.ones(2, 2) @ lib.ones(2, 2)).dtype

    def test_ours(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says so once
            assert self.product(rg) is rg.float32

    def test_torch(self, torch):
        assert self.product(torch) is torch.bfloat16


class TestCompile(Difference):
    def test_ours(self):
        def f(x):
            return x + 1

        assert rg.compile(f) is f and rg.jit.script(f) is f and rg.jit.trace(f, rg.ones(1)) is f

    def test_torch(self, torch):
        def f(x):
            return x + 1

        assert torch.jit.trace(f, torch.ones(1)) is not f


class TestSaveIsData(Difference):
    def test_ours(self, tmp_path):
        file = tmp_path / "state.safetensors"
        rg.save({"w": rg.ones(2), "epoch": 3}, file)
        assert rg.load(file)["epoch"] == 3 and int.from_bytes(file.read_bytes()[:8], "little") < 10_000
        for thing in (nn.Linear(1, 1), {"a": object()}):
            with pytest.raises(TypeError, match="save"):
                rg.save(thing, file)

    def test_torch(self, torch, tmp_path):
        torch.save(torch.nn.Linear(1, 1), tmp_path / "m.pt")
        assert isinstance(torch.load(tmp_path / "m.pt", weights_only=False), torch.nn.Linear)


class TestPicklesAreNotRead(Difference):
    def test_ours(self, tmp_path):
        (tmp_path / "x.pkl").write_bytes(b"\x80\x04N.")
        with pytest.raises(RuntimeError, match="pickle"):
            rg.load(tmp_path / "x.pkl")

    def test_torch(self, torch, tmp_path):
        torch.save({"w": torch.ones(2), "epoch": 3}, tmp_path / "state.pt")
        ours = rg.load(tmp_path / "state.pt")  # data are read from PyTorch's files
        assert ours["w"].tolist() == [1, 1] and ours["epoch"] == 3
        torch.save(torch.nn.Linear(1, 1), tmp_path / "module.pt")
        assert isinstance(torch.load(tmp_path / "module.pt", weights_only=False), torch.nn.Linear)
        with pytest.raises(RuntimeError, match="it is a whole module, and code is never loaded"):
            rg.load(tmp_path / "module.pt")


class Where:
    """A data set of the thread that reads it: 1 if it is this process's, and not the main thread."""

    def __init__(self):
        self.seen = []

    def __len__(self):
        return 4

    def __getitem__(self, i):
        self.seen.append(threading.current_thread() is not threading.main_thread())
        return i


class TestLoaderWorkers(Difference):
    def test_ours(self):
        data = Where()
        assert [int(b) for b in rg.utils.data.DataLoader(data, batch_size=None, num_workers=1)] == [0, 1, 2, 3]
        assert data.seen == [True] * 4

    @pytest.mark.skipif(sys.platform != "linux", reason="worker processes start by fork on Linux only")
    def test_torch(self, torch):
        data = Where()
        assert len(list(torch.utils.data.DataLoader(data, batch_size=None, num_workers=1))) == 4
        assert data.seen == []  # they were read in another process


class TestAbsentParts(Difference):
    def test_ours(self):
        assert rg.distributed.is_available() is False
        for call in (
            lambda: rg.distributed.init_process_group("gloo"),
            lambda: rg.fx.symbolic_trace(nn.ReLU()),
            lambda: rg.multiprocessing.spawn(print),
            lambda: rg.onnx.export(nn.ReLU(), (rg.ones(1),), "x.onnx"),
            lambda: rg.hub.load("a/b", "c"),
        ):
            with pytest.raises(NotImplementedError, match="not part of this release"):
                call()

    def test_torch(self, torch):
        assert torch.fx.symbolic_trace(torch.nn.ReLU()) is not None
        assert all(callable(f) for f in (torch.multiprocessing.spawn, torch.onnx.export, torch.hub.load))


class TestSharedMemory(Difference):
    def test_ours(self):
        for thing in (rg.ones(1), nn.Linear(1, 1)):
            method = thing.share_memory_ if isinstance(thing, rg.Tensor) else thing.share_memory
            with pytest.raises(NotImplementedError, match="threads"):
                method()

    def test_torch(self, torch):
        assert torch.ones(1).share_memory_().is_shared()


class TestMatmulPrecision(Difference):
    def test_ours(self):
        before = rg.get_float32_matmul_precision()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says so once
            rg.set_float32_matmul_precision("medium")
        x = rg.full((1, 1), 1 + 2**-20)
        assert (x @ rg.ones(1, 1)).item() == x.item()
        rg.set_float32_matmul_precision(before)

    def test_torch(self, torch):
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("medium")  # products of float32 may now be those of bfloat16
        assert torch.get_float32_matmul_precision() == "medium"
        torch.set_float32_matmul_precision(before)


class TestDenormals(Difference):
    def test_ours(self):
        assert rg.set_flush_denormal(True) is False

    def test_torch(self, torch):
        try:
            assert isinstance(torch.set_flush_denormal(True), bool)  # True where the processor can
        finally:
            torch.set_flush_denormal(False)


class TestErrorClasses(Difference):
    def test_ours(self):
        with pytest.raises(RuntimeError) as e:
            rg.ones(2, 3) @ rg.ones(2, 3)
        assert isinstance(e.value, ValueError) and isinstance(e.value, rg.ShapeError)
        assert any("test_differences_training.py" in note for note in e.value.__notes__)

    def test_torch(self, torch):
        with pytest.raises(RuntimeError) as e:
            torch.ones(2, 3) @ torch.ones(2, 3)
        assert type(e.value) is RuntimeError and not hasattr(e.value, "__notes__")


class TestOptimizersOnTheHost(Difference):
    @staticmethod
    def made(lib, **options):
        return lib.optim.Adam([lib.ones(1, requires_grad=True)], **options)

    def test_ours(self):
        for option in ("differentiable", "capturable"):
            with pytest.raises(NotImplementedError, match=f"{option}=True is not supported"):
                self.made(rg, **{option: True})

    def test_torch(self, torch):
        assert all(self.made(torch, **{option: True}) for option in ("differentiable", "capturable"))
