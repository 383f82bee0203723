"""The wheel: built from the sdist, small, pure Python, with every package and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("build", reason="the package `build` makes the sdist and the wheel")

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the sdist and the wheel made from it; both come from a copy, so that the tree stays clean."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    _copy(ROOT, source)
    # No isolation: the build backend is in the test extra, so the test needs no network.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def _copy(root: Path, target: Path) -> None:
    """Copies the tree without what tools leave in it: an old build/ would slip removed modules into the wheel."""
    skipped = {"build", "dist", "runs", "venv", "__pycache__"}

    def leave_out(folder: str, names: list[str]) -> list[str]:
        return [n for n in names if n in skipped or n.endswith(".egg-info") or n.startswith(".")]

    shutil.copytree(root, target, ignore=leave_out)


def test_wheel_is_small_and_pure(built):
    [wheel] = built.glob("*.whl")
    assert wheel.name == f"retrograd-{PROJECT['project']['version']}-py3-none-any.whl"
    assert wheel.stat().st_size < 2_500_000  # Python only: about 80,000 lines take 1.1 MB


def test_wheel_contains_the_package_and_nothing_else(built):
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    folders = [Path(*package.split(".")[1:]) for package in PROJECT["tool"]["setuptools"]["packages"]]
    modules = [path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).glob("*.py")]
    assert names == {f"retrograd/{path.as_posix()}" for path in modules} | {"retrograd/py.typed"}


def test_wheel_metadata(built):
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert "License-Expression: MIT" in text
    assert "Requires-Python: >=3.11" in text
    required = [line for line in text.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    names = {line.split()[1].split(">")[0].split(";")[0] for line in required}
    assert names == {"numpy", "scipy", "numba", "ml_dtypes", "safetensors", "tqdm"}


def test_sdist_can_test_itself(built):
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    wanted = {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "py.typed",
        "docs/design.md",
        "tests/conftest.py",
    }
    assert not wanted - names
    assert not [name for name in names if "__pycache__" in name]
