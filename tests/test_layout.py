"""The house: package list, import direction, device libraries behind the backend, file names and lengths."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import retrograd as rg

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Folders at the root that are no part of the package.
OUTSIDE = {"tests", "benchmarks", "notebooks", "docs", "build", "dist", "runs", "venv"}

# Files over 500 lines, each with the reason why it is one subject that should not be cut.
LONG: dict[str, str] = {}

# A folder imports itself and those to its left. What stands at the root (the front door, the command line, the
# examples) imports any of them, and none of them imports the front door.
FOLDERS = ["autograd", "nn", "optim", "data"]

# The same inside autograd/: a module imports, at its top level, itself and the layers above it in this list. Modules
# that are not named (transforms, checking, inspection, interop, ...) make up the last layer.
LAYERS = [
    {"errors", "samples", "elements"},
    {"dtypes", "device", "layouts"},
    {"backend", "backend_cupy", "kernels"},
    {"core", "philox", "registry"},
    {"versions", "random", "sampled", "info", "size"},
    {"hooks", "nodes", "explain", "draws", "draws_gamma"},
    {"generic", "composed", "grad_mode", "passes"},
    {"engine"},
    {"op"},
    {"views"},
    {"ops"},
    {"function", "interop", "late", "repr", "methods", "methods_late", "conversions", "legacy"},
    {"tensor"},
]


def package_files() -> list[Path]:
    """The package's Python files, relative to the root."""
    files = [path.relative_to(ROOT) for path in ROOT.rglob("*.py")]
    return sorted(path for path in files if not (path.parts[0] in OUTSIDE or path.parts[0].startswith(".")))


def all_files() -> list[Path]:
    extra = (path.relative_to(ROOT) for name in ("tests", "benchmarks") for path in (ROOT / name).rglob("*.py"))
    return package_files() + sorted(extra)


def parsed(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path, top_level_only: bool = False) -> Iterator[tuple[int, str]]:
    """(line, absolute module name) of each import of a package file, those for type checkers apart."""
    package = ["retrograd", *path.parts[:-1]]
    for node in _import_nodes(parsed(path).body, top_level_only):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        else:
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def _import_nodes(body: list[ast.stmt], top_level_only: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _import_nodes(node.orelse, top_level_only)
        elif not (top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from _import_nodes(getattr(node, field, []), top_level_only)


def test_one_copy_of_the_package():
    copies = [name for name in sys.modules if name.endswith("autograd.tensor")]
    assert copies == ["retrograd.autograd.tensor"], copies
    assert not (ROOT / "tests" / "__init__.py").exists(), "tests/__init__.py makes pytest import the root twice"


@pytest.mark.parametrize("arguments", [["tests/test_layout.py"], ["."], [".", "--import-mode=importlib"]])
def test_one_copy_of_the_package_however_pytest_is_called(arguments):
    run = [sys.executable, "-m", "pytest", *arguments, "-q", "-p", "no:cacheprovider"]
    # Other test files are left out only because collecting them takes long.
    only = ["--ignore-glob=tests/test_[!l]*.py", "-k", "test_one_copy_of_the_package and not however"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run([*run, *only], cwd=ROOT, env=env, **_captured())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def _captured() -> dict:
    return {"capture_output": True, "text": True, "timeout": 300}


def test_package_list_names_every_folder():
    folders = {path.parent for path in package_files() if path.name == "__init__.py"}
    found = sorted(".".join(["retrograd", *folder.parts]) for folder in folders)
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == found, "pyproject.toml's list misses or adds a package"


def test_every_folder_with_code_is_a_package():
    bare = {path.parent.as_posix() for path in package_files() if not (ROOT / path.parent / "__init__.py").exists()}
    assert not bare, f"folders without __init__.py, which no wheel would contain: {sorted(bare)}"


def test_one_version():
    assert rg.__version__ == PROJECT["project"]["version"]
    assert f"## [{rg.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_folders_import_to_the_left_only():
    wrong = []
    for path in package_files():
        if path.parts[0] not in FOLDERS:
            continue
        allowed = FOLDERS[: FOLDERS.index(path.parts[0]) + 1]
        for line, name in imports(path):
            parts = name.split(".")
            if parts[0] == "retrograd" and (len(parts) == 1 or parts[1] not in allowed):
                wrong.append(f"{path}:{line} imports {name}; {path.parts[0]} may import {', '.join(allowed)}")
    assert not wrong, "\n".join(wrong)


def test_autograd_imports_its_lower_layers_only():
    ranks = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
    wrong = []
    for path in package_files():
        if path.parts[0] != "autograd" or path.parts == ("autograd", "__init__.py"):
            continue
        own = ranks.get(Path(path.parts[1]).stem, len(LAYERS))
        for line, name in imports(path, top_level_only=True):
            parts = name.split(".")
            if parts[:2] == ["retrograd", "autograd"] and len(parts) > 2 and ranks.get(parts[2], len(LAYERS)) > own:
                wrong.append(f"{path}:{line} imports {name}, which is a layer above it")
    assert not wrong, "\n".join(wrong)


def test_device_libraries_stay_behind_the_backend():
    wrong = []
    text = re.compile(r"(import|from) +(cupy|numba)|cupyx?\.|numba\.cuda")
    for path in package_files():
        if path.parts[0] in {"nn", "optim", "data"} or path.parts[:2] == ("autograd", "ops"):
            lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
            wrong += [f"{path}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if text.search(line)]
        elif path.parts[0] == "autograd" and not (path.name.startswith("backend") or path.parts[1] == "kernels"):
            library = re.compile(r"(cupyx?|numba)(\.|$)")
            wrong += [f"{path}:{line}: import {name}" for line, name in imports(path) if library.match(name)]
    assert not wrong, "\n".join(wrong)


def test_torch_is_never_imported():
    named = [(path, line, name.split(".")[0]) for path in package_files() for line, name in imports(path)]
    found = [f"{path}:{line}" for path, line, name in named if name == "torch"]
    assert not found, found


def test_nothing_shadows_the_standard_library():
    """Scripts and pytest put these folders on sys.path; a module there called `random` would break other packages."""
    wrong = []
    for folder in (ROOT, ROOT / "tests", ROOT / "benchmarks", ROOT / "notebooks"):
        if folder.is_dir():
            names = [path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
            wrong += [f"{folder.name}/{name}" for name in names if name in sys.stdlib_module_names]
    assert not wrong, wrong
    assert not (ROOT / "retrograd").exists(), "a folder `retrograd` in the root would shadow the installed package"


def test_long_files_say_why():
    lengths = {path.as_posix(): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in all_files()}
    unexplained = {name: length for name, length in lengths.items() if length > 500 and name not in LONG}
    assert not unexplained, f"over 500 lines: split where a seam shows, or give the reason in LONG: {unexplained}"
    stale = [name for name in LONG if lengths.get(name, 0) <= 500]
    assert not stale, f"listed as long, but they are not: {stale}"


def test_git_ignores_no_file_of_the_package():
    """Common templates ignore data/, build/ or env/."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = "\n".join(path.as_posix() for path in all_files())
    done = subprocess.run(["git", "check-ignore", "--no-index", "--stdin"], cwd=ROOT, input=names, **_captured())
    assert done.returncode == 1, f"ignored: {done.stdout}{done.stderr}"
