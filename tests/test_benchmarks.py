"""The benchmarks run, compare equal computations, and import the right `autograd` and the right `retrograd`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import retrograd as rg

ROOT = Path(__file__).resolve().parents[1]


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A benchmark started from the repository root, as its users do."""
    command = [sys.executable, f"benchmarks/{script}.py", *arguments]
    variables = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=variables, timeout=300)


@pytest.mark.parametrize("script", ["overhead", "steps", "backends"])
def test_toy_run(script, tmp_path):
    libraries = "retrograd:numpy,retrograd:numba" if script == "backends" else "retrograd"
    file = tmp_path / "new folder" / "result.json"
    done = run(
        script, "--toy", "--rounds", "1", "--libraries", libraries, "--json", str(file), OPENBLAS_CORETYPE="Haswell"
    )
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
