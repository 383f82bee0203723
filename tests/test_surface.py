"""PyTorch's switches, compilers and absent parts: scripts that name them run, and using what is absent says so."""

from __future__ import annotations

import importlib
import itertools
import os
import subprocess
import sys
import warnings

import pytest

import retrograd as rg
from retrograd.autograd import absent, amp


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork: a fresh process for each path takes too long")
def test_every_path_of_the_table_is_a_real_import(tmp_path):
    """`import retrograd.x.y` works as the first import of a process, and is what the attributes lead to."""
    code = """
import importlib, os, sys
import retrograd as rg
from retrograd.aliases import TABLE
for path in sorted(TABLE):
    child = os.fork()
    if child == 0:
        m = importlib.import_module(f"retrograd.{path}")
        found = rg
        for part in path.split("."):
            found = getattr(found, part)
        os._exit(found is not m)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"retrograd.{path} is no real import")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted(absent.REASONS))
def test_absent_parts_import_and_raise_when_used(path):
    m = importlib.import_module(f"retrograd.{path}")
    with pytest.raises(
        NotImplementedError, match=rf"retrograd\.{path}\.some_name: .*not part of this release|need PyTorch"
    ):
        m.some_name(1)
    assert "not part of this release" in repr(m.some_name.member)
    with pytest.raises(NotImplementedError, match="base class"):
        exec("class Sub(m.some_name): pass", {"m": m})
    assert not hasattr(m, "__wrapped__")


def test_guards_around_absent_parts_answer_no():
    import retrograd.distributed as dist

    assert dist.is_available() is False
    assert dist.is_initialized() is False


def test_backend_switches_are_set_and_misspellings_refused():
    import retrograd.backends.cudnn as cudnn

    with cudnn.flags(benchmark=True):
        assert cudnn.benchmark is True and rg.backends.cudnn.benchmark is True
    assert cudnn.benchmark is False
    with pytest.raises(AttributeError, match=r"backends\.cudnn has no switch 'benchmrk'"):
        cudnn.benchmrk = True
    assert cudnn.is_available() is False and cudnn.version() is None
    assert rg.backends.mps.is_available() is False


def test_a_switch_that_would_change_results_warns_once():
    matmul = importlib.import_module("retrograd.backends.cuda.matmul")
    vars(matmul)["_warned"].clear()
    try:
        with pytest.warns(UserWarning, match="allow_tf32 = True has no effect"):
            matmul.allow_tf32 = True
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            matmul.allow_tf32 = True
    finally:
        matmul.allow_tf32 = False
    assert rg.backends.cuda.matmul is matmul


def test_compile_is_an_identity():
    f = rg.nn.Linear(2, 2)
    assert rg.compile(f, mode="max-autotune") is f
    assert rg.compile(dynamic=True)(f) is f
    with pytest.raises(NotImplementedError, match="captured graph"):
        rg.compile(f, backend=lambda graph, inputs: graph)
    with pytest.raises(TypeError, match="function or module"):
        rg.compile(3)


def test_jit_decorators_return_what_they_are_given():
    from retrograd import jit

    def f(x):
        return x

    for decorate in (jit.script, jit.export, jit.unused, jit.ignore, jit.script_method, jit.ignore(drop=True)):
        assert decorate(f) is f
    assert jit.trace(f, (1,)) is f
    assert not jit.is_scripting() and not jit.is_tracing()
    assert issubclass(jit.ScriptModule, rg.nn.Module)
    assert jit.wait(jit.fork(f, 3)) == 3
    with pytest.raises(NotImplementedError, match="state_dict"):
        jit.save(f, "x")
    with pytest.raises(RuntimeError, match="eval"):
        jit.freeze(rg.nn.Linear(1, 1))


def test_global_switches():
    rg.use_deterministic_algorithms(True, warn_only=True)
    try:
        assert rg.are_deterministic_algorithms_enabled() and rg.is_deterministic_algorithms_warn_only_enabled()
    finally:
        rg.use_deterministic_algorithms(False)
    with pytest.raises(RuntimeError, match="'highest'"):
        rg.set_float32_matmul_precision("low")
    rg.set_default_tensor_type("torch.DoubleTensor")
    try:
        assert rg.zeros(1).dtype == rg.float64
    finally:
        rg.set_default_tensor_type("torch.FloatTensor")
    with pytest.raises(TypeError, match="floating-point"):
        rg.set_default_tensor_type("torch.LongTensor")


def test_accelerator_without_one():
    if rg.cuda.is_available():
        pytest.skip("this machine has an accelerator")
    assert rg.accelerator.current_accelerator() is None
    assert rg.accelerator.device_count() == 0
    assert rg.cuda.max_memory_allocated() == 0 and not rg.cuda.is_bf16_supported()
    with rg.accelerator.device_index(None):
        rg.accelerator.synchronize()


def test_autocast_warns_once_and_checks_its_dtype():
    amp._warned.clear()
    x = rg.ones(2, 2)
    with pytest.warns(UserWarning, match="keep the precision"), rg.autocast("cpu"):
        assert (x @ x).dtype == rg.float32
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rg.autocast("cpu", dtype=rg.bfloat16)(lambda: 1)() == 1
    with pytest.raises(RuntimeError, match="float16 or bfloat16"):
        rg.autocast("cpu", dtype=rg.float64)


def test_data_parallel_runs_on_the_one_device():
    inner = rg.nn.Linear(3, 2)
    model = rg.nn.DataParallel(inner)
    x = rg.randn(4, 3)
    assert rg.equal(model(x), inner(x)) and model.module is inner
    with pytest.raises(NotImplementedError, match="several devices"):
        rg.nn.DataParallel(inner, device_ids=[0, 1])
    with pytest.raises(NotImplementedError, match="use the module itself"):
        rg.nn.parallel.DistributedDataParallel(inner)


def test_distributed_sampler_deals_like_pytorch():
    torch = pytest.importorskip("torch", reason="the comparison needs torch")
    from torch.utils.data import DistributedSampler as Theirs

    from retrograd.utils.data.distributed import DistributedSampler

    for n in (0, 1, 5, 8):
        for drop_last in (False, True):
            for rank in range(3):
                given = {"num_replicas": 3, "rank": rank, "shuffle": False, "drop_last": drop_last}
                if n or not drop_last:
                    ours = DistributedSampler(range(n), **given)
                    assert list(ours) == list(Theirs(range(n), **given)) if n else list(ours) == []
                    assert len(ours) == len(list(ours))
    shares = [list(DistributedSampler(range(9), 3, r, seed=4)) for r in range(3)]
    assert sorted(itertools.chain(*shares)) == list(range(9))
    again = DistributedSampler(range(9), 3, 0, seed=4)
    assert list(again) == shares[0]
    again.set_epoch(1)
    assert list(again) != shares[0]
    with pytest.raises(RuntimeError, match="num_replicas"):
        DistributedSampler(range(3))
    assert torch is not None


def test_grad_scaler_follows_pytorch_s():
    torch = pytest.importorskip("torch", reason="the comparison needs torch")

    def run(lib, scaler):
        w = lib.tensor([1.0, -2.0], dtype=lib.float64, requires_grad=True)
        optimizer = lib.optim.SGD([w], lr=0.1)
        trace = []
        for step in range(8):
            optimizer.zero_grad()
            loss = (w * w).sum() * (float("inf") if step == 3 else 1.0)
            scaler.scale(loss).backward()
            if step % 2:
                scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
            trace.append((w.tolist(), scaler.get_scale()))
        return trace, scaler.state_dict()

    given = {"init_scale": 8.0, "growth_interval": 2}
    (ours, state), (theirs, wanted) = (
        run(rg, rg.amp.GradScaler("cpu", **given)),
        run(torch, torch.amp.GradScaler("cpu", **given)),
    )
    assert state == wanted
    for (w, scale), (v, expected) in zip(ours, theirs, strict=True):
        assert w == pytest.approx(v, rel=1e-15) and scale == expected


def test_grad_scaler_refuses_calls_out_of_order():
    w = rg.tensor([1.0], requires_grad=True)
    optimizer, scaler = rg.optim.SGD([w], lr=0.1), rg.amp.GradScaler("cpu")
    with pytest.raises(RuntimeError, match="no gradients were checked"):
        scaler.update()
    scaler.scale(w.sum()).backward()
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="already called"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"after step\(\)"):
        scaler.unscale_(optimizer)
    with pytest.raises(ValueError, match="growth_factor"):
        rg.amp.GradScaler("cpu", growth_factor=1.0)
    if not rg.cuda.is_available():
        passing = rg.cuda.amp.GradScaler()
        assert not passing.is_enabled() and passing.scale(w) is w and passing.get_scale() == 1.0
