"""The kernel layer: where compiled code is kept, threads, forks, what is said, memory that stays with the process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd.kernels import cpu
from retrograd.autograd.kernels.cpu import blas, memory, runtime

pytest.importorskip("numba")

PRODUCT = """
    import numpy as np, sys
    from retrograd.autograd.kernels.cpu import KERNELS, blas
    x = np.arange(4096.0, dtype=np.float32).reshape(64, 64) / 4096
    y = KERNELS["matmul"](x, x)
    assert y is not NotImplemented and np.allclose(y, x @ x)
    from retrograd.autograd.kernels.cpu.loops.jit import COMPILED
"""
needs_blas = pytest.mark.skipif(not blas.available(), reason="SciPy here has no OpenBLAS of its own")


def program(code, before="", **environment):
    """Run a program in a process of its own; its output."""
    text = textwrap.dedent(before) + textwrap.dedent(code)
    env = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=300, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


# ---------------------------------------------------------------- machine code on disk
@needs_blas
def test_compiled_once_for_all_processes(tmp_path):
    code = PRODUCT + "\n    print(len(COMPILED))"
    assert program(code, NUMBA_CACHE_DIR=tmp_path)[0] == "1\n"
    assert program(code, NUMBA_CACHE_DIR=tmp_path)[0] == "0\n"
    for file in tmp_path.rglob("*.nbc"):
        file.write_bytes(file.read_bytes()[:100])  # as a full disk may leave it
    assert program(code, NUMBA_CACHE_DIR=tmp_path)[0] == "1\n"
    for file in tmp_path.rglob("*.nbi"):
        file.write_bytes(b"")
    assert program(code, NUMBA_CACHE_DIR=tmp_path)[0] == "1\n"
    assert program(code, NUMBA_CACHE_DIR=tmp_path)[0] == "0\n"


@needs_blas
def test_two_processes_compile_at_once(tmp_path):
    text = textwrap.dedent(PRODUCT + "\n    print(len(COMPILED))")
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    pipes: dict = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([sys.executable, "-c", text], env=env, **pipes) for _ in range(2)]
    compiled = []
    for process in running:
        printed, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        compiled.append(int(printed))
    if sys.platform != "win32":
        assert sorted(compiled) == [0, 1]  # the other one waits
    assert program(PRODUCT + "\n    print(len(COMPILED))", NUMBA_CACHE_DIR=tmp_path)[0] == "0\n"


def test_what_cannot_be_compiled_keeps_no_other_process_waiting(tmp_path):
    code = """
        from retrograd.autograd.kernels.cpu.loops import disk
        from retrograd.autograd.kernels.cpu.loops.jit import loop, numba

        @loop
        def nonsense(x):
            return x.nothing_of_that_name

        try:
            nonsense(1.0)
        except numba.TypingError:
            print(disk._lock.held)
    """
    (tmp_path / "module.py").write_text(textwrap.dedent(code))
    before = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    assert program("import module", before + "\n", NUMBA_CACHE_DIR=tmp_path)[0] == "None\n"


@needs_blas
@pytest.mark.skipif(not hasattr(os, "fork"), reason="file size limits are POSIX")
def test_a_full_disk_costs_a_warning_only(tmp_path):
    full = """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    """
    two = PRODUCT + "\n    KERNELS['relu'](np.ones(100_000, np.float32))"
    _, said = program(two, before=full, NUMBA_CACHE_DIR=tmp_path)
    assert said.count("compiled kernels cannot be kept in") == 1 and "set NUMBA_CACHE_DIR to a folder with room" in said
    assert program(PRODUCT + "\n    print(len(COMPILED))", NUMBA_CACHE_DIR=tmp_path)[0] == "1\n"


@needs_blas
def test_without_any_folder_to_write(tmp_path):
    nowhere = """
        import numba.core.caching as c
        c.CacheImpl._locator_classes = []
    """
    _, said = program(PRODUCT, before=nowhere)
    assert "no folder for compiled kernels can be written" in said


@needs_blas
def test_a_long_compilation_is_announced(tmp_path):
    slow = """
        import itertools, types
        from retrograd.autograd.kernels.cpu.loops import jit
        ticks = itertools.count(0, 2)
        jit.time = types.SimpleNamespace(perf_counter=lambda: next(ticks))
    """
    _, said = program(PRODUCT, before=slow, NUMBA_CACHE_DIR=tmp_path)
    assert re.fullmatch(r"retrograd: compiled kernel product in \d+\.0 s\n", said)
    _, said = program(PRODUCT, before=slow, NUMBA_CACHE_DIR=tmp_path)
    assert said == ""


@pytest.mark.parametrize("dtype", [rg.float32, rg.float64])
def test_warmup_compiles_every_loop(dtype):
    from retrograd.cli import warmup

    said = []
    assert warmup.compile_all(dtype, said.append) == []
    assert [line.split()[1].rstrip(":") for line in said] == list(warmup.GROUPS)
    width = {rg.float32: "float32", rg.float64: "float64"}[dtype]
    found = dict(warmup.dispatchers())
    assert len(found) > 80 and {"optim.adam", "conv.convolve", "activation.gelu_erf"} <= set(found)
    for name, dispatcher in found.items():
        if not name.startswith(("optim.", "philox.")):  # these take addresses, or make integers
            assert any(width in str(signature) for signature in dispatcher.signatures), name


# ---------------------------------------------------------------- on and off
def test_off_means_no_numba():
    code = """
        import sys, retrograd as rg
        x = rg.randn(64, 64, requires_grad=True)
        (x @ x).relu().square().sum().backward()
        print("numba" in sys.modules, rg.get_backend())
    """
    assert program(code, RETROGRAD_KERNELS="numpy")[0] == "False numpy\n"


def test_small_work_loads_no_numba():
    code = """
        import sys, retrograd as rg
        x = rg.randn(4, 4, requires_grad=True)
        y = rg.nn.functional.softmax(rg.nn.functional.gelu(x @ x), -1)
        y.square().sum().backward()
        print("numba" in sys.modules, rg.get_backend())
    """
    assert program(code)[0] == "False numba\n"


def test_every_kernel_is_a_function_of_its_module():
    from importlib import import_module

    for family, names in cpu.FAMILIES.items():
        module = import_module(f"retrograd.autograd.kernels.cpu.{family}")
        for name in names:
            assert callable(getattr(module, name)) and cpu.KERNELS[name].__name__ == name


# ---------------------------------------------------------------- threads
def test_threads_of_the_environment():
    code = "import retrograd as rg; print(rg.get_num_threads())"
    assert program(code, RETROGRAD_NUM_THREADS=1)[0] == "1\n"
    blas = """
        import retrograd as rg
        from threadpoolctl import threadpool_info
        print({p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"})
    """
    pytest.importorskip("threadpoolctl")
    assert program(blas, RETROGRAD_NUM_THREADS=1)[0] == "{1}\n"


def test_set_num_threads_refuses_nonsense():
    for bad in (0, -1, 1.5, "2", True):
        with pytest.raises(RuntimeError, match="a positive integer is expected"):
            rg.set_num_threads(bad)


def test_work_decides_on_threads():
    before = rg.get_num_threads()
    try:
        rg.set_num_threads(2)
        assert runtime.threads(10, 100) == 1 and runtime.threads(100, 100) == 2
        with runtime.forced():
            assert runtime.threads(1, 100) == 2 and runtime.enough(1, 100) and not runtime.enough(0, 100)
        assert not runtime.enough(99, 100) and runtime.enough(100, 100)
    finally:
        rg.set_num_threads(before)


def test_workers_of_a_loader_compute_on_one_thread():
    class Seen(rg.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return runtime.threads(1 << 30, 1)

    loader = rg.utils.data.DataLoader(Seen(), num_workers=2, batch_size=2)
    assert [x.tolist() for x in loader] == [[1, 1], [1, 1]]


def same(a, b):
    return all(np.allclose(x, y, rtol=1e-4, atol=1e-6) for x, y in zip(a, b, strict=True))


def test_python_threads_use_kernels_side_by_side():
    inputs, found = _inputs(), []
    reference = _forward_backward(inputs)
    threads = [
        threading.Thread(target=lambda: found.extend(_forward_backward(inputs) for _ in range(5))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert len(found) == 20 and all(same(f, reference) for f in found)


def _inputs():
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s).astype(np.float32) for s in ((256, 64), (128, 64), (128,), (10, 128))]


def _forward_backward(arrays):
    f = rg.nn.functional
    x, w, b, v = (rg.tensor(a, requires_grad=True) for a in arrays)
    h = f.layer_norm(f.gelu(f.linear(x, w, b)), (128,))
    loss = f.cross_entropy(h @ v.T, rg.arange(256) % 10)
    loss.backward()
    return [loss.item(), *(t.grad.numpy() for t in (x, w, b, v))]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_goes_on_with_kernels():
    reference = _forward_backward(_inputs())  # OpenMP's threads run now
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if same(_forward_backward(_inputs()), reference) and runtime.threads(1 << 30, 1) == 1:
                status = 0
        finally:
            os._exit(status)
    deadline = threading.Timer(120, lambda: os.kill(child, 9))
    deadline.start()
    _, status = os.waitpid(child, 0)
    deadline.cancel()
    assert os.waitstatus_to_exitcode(status) == 0
    assert runtime.threads(1 << 30, 1) == rg.get_num_threads()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method):
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    code = f"""
        import multiprocessing, numpy as np, retrograd as rg
        from retrograd.autograd.kernels.cpu import KERNELS

        def work(n):
            x = rg.ones(200, 200)
            return float((x @ x).sum()) * n

        if __name__ == "__main__":
            work(1)
            with multiprocessing.get_context("{method}").Pool(2) as pool:
                print(pool.map(work, [1, 2, 3]))
    """
    # a file, because spawn imports the main module again
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "main.py"
        file.write_text(textwrap.dedent(code))
        done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[8000000.0, 16000000.0, 24000000.0]\n"


# ---------------------------------------------------------------- memory
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults are counted on Linux")
def test_steps_fault_no_pages():
    if not memory.keep_pages():
        pytest.skip("not glibc")
    code = """
        import gc, resource, retrograd as rg
        nn = rg.nn
        net = nn.Sequential(nn.Linear(256, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))
        optimizer = rg.optim.Adam(net.parameters())
        x, y = rg.randn(512, 256), rg.randint(0, 10, (512,))

        def step():
            optimizer.zero_grad()
            loss = rg.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss.item()

        for _ in range(10):
            step()
        faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        before = faults()
        for _ in range(20):
            step()
        print((faults() - before) / 20)
    """
    assert float(program(code)[0]) <= 20


def test_memory_statistics():
    found = rg.memory.stats()
    if not found:
        pytest.skip("this C library does not tell")
    assert set(found) == {"used", "cached", "mapped"} and found["used"] > 0
    keep = np.ones(3 << 20, np.uint8)
    assert rg.memory.stats()["used"] >= found["used"] + keep.nbytes
    del keep
    rg.memory.empty_cache()
    assert rg.memory.stats()["used"] < found["used"] + (3 << 20)
