"""The benchmarks run, compare equal computations, and import the right `autograd` and the right `retrograd`."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.special

import retrograd as rg

ROOT = Path(__file__).resolve().parents[1]


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A benchmark started from the repository root, as its users do."""
    command = [sys.executable, f"benchmarks/{script}.py", *arguments]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=variables, timeout=300)


# script -> its libraries, and what it is kept to: .ci/run runs all of it
SCRIPTS = {
    "overhead": ["retrograd"],
    "steps": ["retrograd"],
    "backends": ["retrograd:numpy,retrograd:numba"],
    "suite": ["retrograd", "--only", "mlp,resnet,elementwise"],
    "kernels": ["retrograd,retrograd:numpy", "--only", "layer_norm,cross_entropy,depthwise,SGD"],
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_toy_run(script, tmp_path):
    libraries, *only = SCRIPTS[script]
    file = tmp_path / "new folder" / "result.json"
    options = ("--toy", "--rounds", "1", "--libraries", libraries, *only, "--json", str(file))
    done = run(script, *options, OPENBLAS_CORETYPE="Haswell")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "toy sizes" in done.stdout and "unset for the libraries: OPENBLAS_CORETYPE" in done.stdout
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content["benchmark"] == script
    for facts in content["environment"]["libraries"].values():
        assert Path(facts["file"]).resolve() == Path(rg.__file__).resolve()
        assert facts["environment"] == []
    for result in content["results"]:
        assert result["seconds"] > 0 and result["low"] <= result["ratio"] <= result["high"]
    assert sum(result["baseline"] for result in content["results"]) == len({r["workload"] for r in content["results"]})


def test_markdown_and_plot(tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "steps.png"
    options = ("--toy", "--rounds", "1", "--libraries", "retrograd", "--markdown", "--plot", str(picture))
    done = run("steps", *options)
    assert done.returncode == 0, done.stderr
    assert "| library | step | ratio | quartiles |" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_suite_measures_more_than_time(tmp_path):
    file = tmp_path / "suite.json"
    options = ("--toy", "--rounds", "2", "--processes", "2", "--only", "chain,mlp", "--json", str(file))
    done = run("suite", *options, "--libraries", "retrograd,retrograd:numpy")
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads(file.read_text(encoding="utf-8"))
    assert content["limits"]["sgemm"] > 0 and content["limits"]["copy"] > 0
    assert content["skipped"] == content["failed"] == []
    for result in content["results"]:
        assert [len(ratios) for ratios in result["repetitions"]] == [2, 2] and result["rounds"] == 4
        assert len(result["first"]) == 2 and min(result["first"]) > 0
        assert result["low"] <= result["ratio"] <= result["high"] and result["worst"] > 0
        if sys.platform == "linux":
            assert result["faults"] >= 0 and result["cpu"] >= 0
            assert result["peak"] >= result["warm"] * 0.9 and result["warm"] >= result["imported"] * 0.9 > 0
        assert (result["gflops"] is None) == (result["workload"] == "chain")
    assert "minor page faults of a steady step" in done.stdout


def test_suite_tells_of_unknown_workloads_and_of_absent_ones():
    done = run("suite", "--toy", "--only", "mlp,alexnet")
    assert done.returncode == 2 and "unknown alexnet; choose from chain, mlp" in done.stderr
    done = run("kernels", "--toy", "--only", "alexnet")
    assert done.returncode == 2 and "no such case" in done.stderr


def test_work_of_a_step(benchmarks):
    api = importlib.import_module("workloads_torch_api")
    library = api.Library(rg)
    step = api.make(library, "mlp", "", {"layers": [8, 4, 10], "batch": 3})
    assert api.work(library, step) == {
        "flops": 3 * 2 * 3 * (8 * 4 + 4 * 10),
        "bytes": 4 * (3 * 8 + 9 * (8 * 4 + 4 + 4 * 10 + 10)),  # Adam: nine passes over the parameters
    }
    step = api.make(library, "elementwise", "", {"rows": 5, "width": 4})
    assert api.work(library, step) == {"flops": 0, "bytes": 3 * 4 * 20}


@pytest.mark.parametrize("workload", ["lenet", "resnet", "rnn", "gpt", "elementwise"])
def test_the_formulas_for_other_libraries_are_the_networks(workload, benchmarks):
    """What JAX, autograd and MyGrad are given to compute, computed by NumPy."""
    api, data, formulas = map(importlib.import_module, ("workloads_torch_api", "workloads_data", "workloads_formulas"))
    size = data.size(workload, "toy")
    expected = api.make(api.Library(rg), workload, "", size)()
    if workload == "elementwise":
        loss = formulas.elementwise(plain(formulas), **size)(data.elementwise(**size)[:3])
    else:
        loss = formulas.NETWORKS[workload](plain(formulas), **size)(data.parameters(workload, **size))
    assert loss.dtype == np.float32
    assert loss == pytest.approx(expected, rel=1e-5)


def plain(formulas):
    """NumPy's functions."""

    def conv(x, w, stride, padding):
        x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
        windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))[:, :, ::stride, ::stride]
        return np.einsum("nchwij,ocij->nohw", windows, w)

    def cross_entropy(h, labels):
        return (np.log(np.exp(h).sum(1)) - h[np.arange(labels.size), labels]).mean()

    def scan(step, state, inputs):
        outputs = []
        for x in inputs:
            state, out = step(state, x)
            outputs.append(out)
        return np.stack(outputs)

    return formulas.Functions(
        np=np,
        matmul=np.matmul,
        conv=conv,
        max_pool=lambda x: np.maximum.reduce([x[:, :, i::2, j::2] for i in range(2) for j in range(2)]),
        cross_entropy=cross_entropy,
        erf=scipy.special.erf,
        sigmoid=scipy.special.expit,
        max=lambda x: x.max(-1, keepdims=True),
        scan=scan,
        asarray=np.asarray,
    )


@pytest.fixture
def benchmarks(monkeypatch):
    """The folder's modules can be imported."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def test_from_the_root_autograd_is_the_other_project(tmp_path):
    """Even with the root on PYTHONPATH, where the folder `autograd` lies."""
    other = tmp_path / "autograd"
    other.mkdir()
    (other / "__init__.py").write_text("__version__ = '9.9'\nvalue_and_grad = None\n")
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, "benchmarks/worker.py", "autograd", "1"],
        input='{"do": "describe"}\n',
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        timeout=60,
    )
    answer = json.loads(done.stdout)
    assert answer["version"] == "9.9", done.stderr
    assert Path(answer["file"]).parent == other


def test_a_missing_library_is_skipped_and_an_unknown_one_refused(tmp_path):
    done = run("steps", "--toy", "--libraries", "numpy")
    assert done.returncode == 2
    assert "unknown numpy; choose from torch, retrograd" in done.stderr
    done = run("backends", "--toy", "--rounds", "1", "--libraries", "retrograd:abacus,retrograd:numpy")
    assert done.returncode == 0, done.stderr
    assert "retrograd:abacus: skipped, the backend abacus does not work here" in done.stdout


def test_different_losses_stop_the_comparison():
    code = (
        "import sys; sys.path.insert(0, 'benchmarks')\n"
        "import harness\n"
        "harness.check_losses('mlp', {'a': [2.0, None], 'b': [2.0001, 1.0]})\n"
        "harness.check_losses('mlp', {'a': [2.0, 1.0], 'b': [2.0001, 1.1]})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert "mlp: at step 1 b has loss 1.1, a 1.0" in done.stderr
