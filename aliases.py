"""PyTorch's other module paths (`retrograd.utils.data`, ...): one table, and the finder that makes them importable."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from types import ModuleType
from typing import Any

# path below the package -> where its code lives; None: a package that only holds other paths
TABLE: dict[str, str | None] = {
    "utils": None,
    "utils.data": "data",
    "utils.data.dataset": "data.dataset",
    "utils.data.dataloader": "data.loader",
    "utils.data.sampler": "data.sampler",
    "cuda": "autograd.cuda",
    "random": "autograd.random",
    "serialization": "autograd.serialization",
}


class _Finder:
    """Finder and loader in one: imports a path of the table as the module it stands for.

    Not a subclass of `importlib.abc`'s classes, whose import alone costs milliseconds.
    """

    def __init__(self, package: str) -> None:
        self.package = package
        self.specs: dict[str, Any] = {}
        self.paths = {f"{package}.{k}": v and f"{package}.{v}" for k, v in TABLE.items()}

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname not in self.paths and not self._below(fullname):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)  # type: ignore[arg-type]

    def _below(self, fullname: str) -> bool:
        """Whether it is a module below an alias: then the one below the package it stands for, not a second copy."""
        parent, _, leaf = fullname.rpartition(".")
        home = self.paths.get(parent)
        below = home and getattr(sys.modules.get(home), "__path__", None)
        if not below or importlib.machinery.PathFinder.find_spec(f"{home}.{leaf}", below) is None:
            return False
        self.paths[fullname] = f"{home}.{leaf}"
        return True

    def create_module(self, spec: Any) -> ModuleType:
        target = self.paths[spec.name]
        if target is None:
            m = ModuleType(spec.name, f"Holds {', '.join(k for k in self.paths if k.startswith(spec.name + '.'))}.")
            m.__getattr__ = lambda name: self._member(spec.name, name)  # type: ignore[method-assign]
            return m
        module = importlib.import_module(target)
        self.specs[spec.name] = module.__spec__
        return module

    def _member(self, package: str, name: str) -> Any:
        if f"{package}.{name}" in self.paths:
            return importlib.import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def exec_module(self, module: ModuleType) -> None:
        """The module was executed under its own name; its own spec comes back, or its relative imports would warn."""
        spec = self.specs.pop(module.__spec__.name if module.__spec__ else "", None)
        if spec is not None:
            module.__spec__ = spec


def install(package: str) -> frozenset[str]:
    """Make the paths importable; returns them."""
    if not any(isinstance(f, _Finder) and f.package == package for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder(package))  # type: ignore[arg-type]
    return frozenset(f"{package}.{k}" for k in TABLE)
