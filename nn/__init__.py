"""Neural networks: modules, layers, losses, initializers. The names are those of `torch.nn`, and some that it lacks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import functional, init, modules, parallel, parameter, utils
from .modules import *  # noqa: F403  the layers are listed once, in modules/__init__.py
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

if TYPE_CHECKING:
    from . import layers, losses
    from .layers import *  # noqa: F403
    from .losses import *  # noqa: F403

__all__ = [
    "Buffer", "DataParallel", "Parameter", "UninitializedBuffer", "UninitializedParameter", "functional", "init",
    "layers", "losses", "modules", "parallel", "parameter", "utils",
]  # fmt: skip
__all__ += modules.__all__

# What PyTorch lacks is imported at its first use.
_BEYOND = ("layers", "losses")


def __getattr__(name: str) -> Any:
    if name in _BEYOND:
        return importlib.import_module(f"{__name__}.{name}")
    if not name.startswith("_"):
        for folder in _BEYOND:
            found = importlib.import_module(f"{__name__}.{folder}")
            if name in found.__all__:
                globals()[name] = value = getattr(found, name)
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    beyond = [name for folder in _BEYOND for name in importlib.import_module(f"{__name__}.{folder}").__all__]
    return sorted({*globals(), *beyond})
