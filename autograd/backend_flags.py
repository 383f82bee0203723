"""`retrograd.backends.*`: PyTorch's switches of the libraries underneath, for scripts that set them.

Most choose between kernels of PyTorch, and are accepted: `cudnn.benchmark = True` changes no result. A switch that would
change results in PyTorch and does not here warns once, when it is set to another value than its default.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

# module -> switch -> (default, what setting it to something else would have done; None: nothing that results show)
FLAGS: dict[str, dict[str, tuple[Any, str | None]]] = {
    "cudnn": {
        "enabled": (True, None),
        "benchmark": (False, None),
        "benchmark_limit": (10, None),
        "deterministic": (False, None),  # operations here are deterministic anyway
        "allow_tf32": (True, None),
        "fp32_precision": ("none", "products keep the precision of their operands"),
    },
    "cuda": {"preferred_linalg_library": ("default", None)},
    "cuda.matmul": {
        "allow_tf32": (False, "products keep the precision of their operands"),
        "allow_fp16_reduced_precision_reduction": (True, None),
        "allow_bf16_reduced_precision_reduction": (True, None),
        "fp32_precision": ("none", "products keep the precision of their operands"),
    },
    "mkldnn": {"enabled": (True, None), "deterministic": (False, None), "allow_tf32": (False, None)},
    "opt_einsum": {"enabled": (True, None), "strategy": ("auto", None)},
    "mkl": {},
    "mps": {},
    "openmp": {},
    "cpu": {},
}


def _no() -> bool:
    """False: this library is not used."""
    return False


def _none() -> None:
    """None: this library is not used."""
    return


def _capability() -> str:
    """The instruction sets are NumPy's business: 'DEFAULT'."""
    return "DEFAULT"


def _einsum() -> bool:
    """Whether the package opt_einsum is installed."""
    return importlib.util.find_spec("opt_einsum") is not None


class flags:
    """Set switches within a `with` block, and put the old values back."""

    def __init__(self, module: Any, values: dict[str, Any]) -> None:
        self.module, self.values, self.before = module, values, {}

    def __enter__(self) -> None:
        self.before = {name: getattr(self.module, name) for name in self.values}
        for name, value in self.values.items():
            setattr(self.module, name, value)

    def __exit__(self, *exc: Any) -> None:
        for name, value in self.before.items():
            setattr(self.module, name, value)


class _Switches(ModuleType):
    """A module whose known attributes are switches: unknown ones are refused, so that a misspelling is seen."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name, f"PyTorch's switches of {path}; see retrograd.backends.")
        values = vars(self)
        values["_path"], values["_warned"] = path, set()
        values.update({switch: default for switch, (default, _) in FLAGS[path].items()})
        for question, answer in QUESTIONS.get(path, {}).items():
            values[question] = answer
        if path == "cudnn":
            values["flags"] = lambda **given: flags(self, given)

    def __getattr__(self, name: str) -> Any:
        if f"{vars(self)['_path']}.{name}" in FLAGS:
            return importlib.import_module(f"{self.__name__}.{name}")
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("__"):
            path = vars(self).get("_path", "")
            known = FLAGS.get(path, {})
            if name not in known and not isinstance(value, ModuleType):
                raise AttributeError(
                    f"backends.{path} has no switch {name!r}; known: {', '.join(sorted(known)) or 'none'}"
                )
            if name in known:
                default, effect = known[name]
                if effect is not None and value != default and name not in vars(self)["_warned"]:
                    vars(self)["_warned"].add(name)
                    warnings.warn(f"backends.{path}.{name} = {value!r} has no effect here: {effect}", stacklevel=2)
        super().__setattr__(name, value)


QUESTIONS: dict[str, dict[str, Callable[[], Any]]] = {
    "cudnn": {"is_available": _no, "version": _none, "is_acceptable": _no},
    "cuda": {"is_built": _no},
    "mkldnn": {"is_available": _no},
    "mkl": {"is_available": _no},
    "mps": {"is_available": _no, "is_built": _no},
    "openmp": {"is_available": _no},
    "cpu": {"get_cpu_capability": _capability},
    "opt_einsum": {"is_available": _einsum},
}


def module(name: str, path: str) -> ModuleType:
    """The module object called `name` that holds the switches of `path`, a key of FLAGS."""
    return _Switches(name, path)
