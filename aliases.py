"""PyTorch's other module paths (`retrograd.utils.data`, ...): one table, and the finder that makes them importable."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

# path below the package -> where its code lives; None: a package that only holds other paths; `module:key`: what
# `module(name, key)` of that module makes
TABLE: dict[str, str | None] = {
    "memory": "autograd.kernels.cpu.memory",
    "utils": None,
    "utils.data": "data",
    "utils.data.dataset": "data.dataset",
    "utils.data.dataloader": "data.loader",
    "utils.data.sampler": "data.sampler",
    "utils.data.distributed": "data.distributed",
    "utils.model_zoo": "autograd.absent:utils.model_zoo",
    "_C": "autograd.linalg",  # for `_C._LinAlgError`
    "accelerator": "autograd.accelerator",
    "amp": "optim.amp",
    "backends": None,
    "backends.cpu": "autograd.backend_flags:cpu",
    "backends.cuda": "autograd.backend_flags:cuda",
    "backends.cuda.matmul": "autograd.backend_flags:cuda.matmul",
    "backends.cudnn": "autograd.backend_flags:cudnn",
    "backends.mkl": "autograd.backend_flags:mkl",
    "backends.mkldnn": "autograd.backend_flags:mkldnn",
    "backends.mps": "autograd.backend_flags:mps",
    "backends.openmp": "autograd.backend_flags:openmp",
    "backends.opt_einsum": "autograd.backend_flags:opt_einsum",
    "cuda": "autograd.cuda",
    "cuda.amp": "optim.amp_cuda",
    "distributed": "autograd.absent:distributed",
    "distributions": "nn.distributions",
    "fx": "autograd.absent:fx",
    "hub": "autograd.absent:hub",
    "jit": "nn.jit",
    "multiprocessing": "autograd.absent:multiprocessing",
    "onnx": "autograd.absent:onnx",
    "ops": "autograd.absent:ops",
    "fft": "autograd.fft",
    "func": "autograd.func",
    "linalg": "autograd.linalg",
    "random": "autograd.random",
    "serialization": "autograd.serialization",
    "testing": "autograd.testing",
    "utils._pytree": "autograd.pytree",
    "utils.checkpoint": "autograd.checkpoint",
    "utils.dlpack": "autograd.dlpack",
    "xp": "autograd.array_api",
    "xp.fft": "autograd.array_api.fft",
    "xp.linalg": "autograd.array_api.linalg",
    "signal": "autograd.signal",
    "signal.windows": "autograd.windows",
    "sparse": "autograd.sparse",
    "special": "autograd.special",
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
        if fullname == _EINOPS:
            return _followed(
                importlib.machinery.PathFinder.find_spec(fullname, path), f"{self.package}.autograd.einops"
            )
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
        home, _, key = target.partition(":")
        module = importlib.import_module(home)
        if key:
            return module.module(spec.name, key)
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


_EINOPS = "einops._backends"  # where einops keeps its list of libraries


class _Followed:
    """A module's loader, which imports another module after it."""

    def __init__(self, loader: Any, then: str) -> None:
        self.loader, self.then = loader, then

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: Any) -> Any:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = module.__spec__.loader = self.loader  # type: ignore[union-attr]
        self.loader.exec_module(module)
        with suppress(ImportError):  # another einops: its import must not fail because of us
            importlib.import_module(self.then)


def _followed(spec: Any, then: str) -> Any:
    if spec is not None:
        spec.loader = _Followed(spec.loader, then)
    return spec


def install(package: str) -> frozenset[str]:
    """Make the paths importable; returns them."""
    if not any(isinstance(f, _Finder) and f.package == package for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder(package))  # type: ignore[arg-type]
        if _EINOPS in sys.modules:  # imported before us
            importlib.import_module(f"{package}.autograd.einops")
    return frozenset(f"{package}.{k}" for k in TABLE)
