"""Parts of PyTorch that do not exist here yet: scripts may import them, and using one raises an error that says so."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NoReturn

# module path below the package -> what it is, and the way out
REASONS = {
    "distributed": (
        "training in several processes is not part of this release; guard it with is_available(), which is False, and "
        "run in one process"
    ),
    "fx": "graph capture is not part of this release; call the module itself",
    "multiprocessing": (
        "sharing tensors between processes is not part of this release; use Python's multiprocessing with NumPy arrays "
        "(tensor.numpy()), or DataLoader(num_workers=...)"
    ),
    "onnx": "export to ONNX is not part of this release; save state_dict() with retrograd.save",
    "hub": "downloads are not part of this release; fetch the file yourself and read it with retrograd.load(path)",
    "utils.model_zoo": (
        "downloads are not part of this release; fetch the file yourself and read it with retrograd.load(path)"
    ),
    "ops": "operators registered by other libraries (torchvision's ops, ...) need PyTorch; write them with tensor functions",
}

# What scripts ask before they use it, and the answer.
ANSWERS: dict[str, dict[str, Any]] = {
    "distributed": {
        "is_available": False,
        "is_initialized": False,
        "is_nccl_available": False,
        "is_mpi_available": False,
    },
}


class Absent:
    """A name that can be imported, passed around and asked for members; calling it or making an instance raises."""

    def __init__(self, path: str, reason: str) -> None:
        self.__name__ = self.__qualname__ = path
        self._reason = reason

    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self.__name__}.{name}", self._reason)

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"retrograd.{self.__name__}: {self._reason}")

    def __mro_entries__(self, bases: Any) -> NoReturn:
        raise NotImplementedError(f"retrograd.{self.__name__} as a base class: {self._reason}")

    def __repr__(self) -> str:
        return f"<retrograd.{self.__name__}: not part of this release>"


class _AbsentModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        path = self.__name__.split(".", 1)[1]
        if name in ANSWERS.get(path, {}):
            answer = ANSWERS[path][name]
            return lambda: answer
        return Absent(f"{path}.{name}", REASONS[path])


def module(name: str, path: str) -> ModuleType:
    """The module object called `name` that stands for `path`, a key of REASONS."""
    return _AbsentModule(name, f"Not part of this release: {REASONS[path]}.")
