"""The names that PyTorch has and this library does not: the list in docs/differences.md against PyTorch, both ways."""

from __future__ import annotations

import contextlib
import fnmatch
import importlib
import importlib.util
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from differences import Difference

import retrograd as rg

PAGE = Path(__file__).parents[1] / "docs" / "differences.md"

# Where PyTorch says itself what is public, or (Tensor, functions) what a tensor-like class may override.
LISTED = (
    "autograd", "autograd.forward_ad", "autograd.functional", "autograd.graph", "distributions", "func", "nn.init",
    "nn.parameter", "nn.utils", "nn.utils.parametrizations", "nn.utils.parametrize", "nn.utils.rnn", "optim",
    "optim.lr_scheduler", "signal.windows", "sparse", "special", "utils.data",
)  # fmt: skip
# Modules of PyTorch's that are files of its own house, and names that only lead elsewhere.
HOUSE = {
    "contrib", "cpu", "functional", "nativert", "numa", "quasirandom", "return_types", "storage", "torch_version", "types",
    "version", "nn.backends", "nn.common_types", "nn.cpp",
}  # fmt: skip


def patterns() -> list[str]:
    """What the first column of the page's second table names."""
    table = PAGE.read_text(encoding="utf-8").partition("## Names that are absent")[2]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def exists(lib, path) -> bool:
    """Whether a path names an attribute or a module, which need not be importable."""
    found = lib
    for k, part in enumerate(path.split(".")):
        if not hasattr(found, part):
            if not inspect.ismodule(found) or not hasattr(found, "__path__"):
                return False
            name = ".".join([lib.__name__, *path.split(".")[: k + 1]])
            if importlib.util.find_spec(name) is None:
                return False
            with contextlib.suppress(ImportError):  # it wants a package that is not installed
                found = importlib.import_module(name)
            continue
        found = getattr(found, part)
    return True


def names_of(torch) -> set[str]:
    """PyTorch's public names, as paths below the package."""
    found = set()
    for home, functions in torch.overrides.get_overridable_functions().items():
        if home is torch.Tensor or inspect.ismodule(home):
            where = "Tensor" if home is torch.Tensor else home.__name__.partition(".")[2]
            names = {getattr(f, "__name__", "") for f in functions}
            where = "" if where == "functional" else where
            found |= {f"{where}.{n}".strip(".") for n in names if n and not n.startswith("_") and hasattr(home, n)}
    for where in LISTED:
        home = importlib.import_module(f"torch.{where}")
        found |= {f"{where}.{n}" for n in home.__all__}
    for where in ("nn", "nn.functional"):  # these list nothing: what is defined there
        home = importlib.import_module(f"torch.{where}")
        own = (n for n, v in vars(home).items() if str(getattr(v, "__module__", "")).startswith("torch.nn"))
        found |= {f"{where}.{n}" for n in own if not n.startswith("_")}
    for where in ("", "nn"):
        home = importlib.import_module(f"torch.{where}".strip("."))
        found |= {f"{where}.{m.name}".strip(".") for m in pkgutil.iter_modules(home.__path__) if m.name[0] != "_"}
    return found - HOUSE


class TestAbsentNames(Difference):
    def test_ours(self):
        present = [name for name in patterns() if "*" not in name and exists(rg, name)]
        assert not present, f"the page says that these are absent: {present}"
        with pytest.raises(AttributeError, match="quantize_per_tensor"):
            rg.quantize_per_tensor

    def test_torch(self, torch):
        theirs = names_of(torch)
        for pattern in patterns():
            # a path that no list of PyTorch's has, such as cuda.Stream, is asked for itself
            meant = fnmatch.filter(theirs, pattern) or [pattern] * (exists(torch, pattern))
            assert meant, f"PyTorch has no {pattern}"
            present = [name for name in meant if exists(rg, name)]
            assert not present, f"{pattern} is said to be absent: {present}"

    def test_nothing_else_is_absent(self, torch):
        listed = patterns()
        absent = sorted(name for name in names_of(torch) if not exists(rg, name))
        assert len(absent) > 50
        unsaid = [name for name in absent if not any(fnmatch.fnmatchcase(name, p) for p in listed)]
        assert not unsaid, f"absent, and not on the page: {unsaid}"
