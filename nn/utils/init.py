"""`skip_init`: a module whose parameters are not initialized."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from .. import init
from ..modules.module import Module

__all__ = ["skip_init"]

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """`module_cls(*args, **kwargs)` without the initialization: its parameters hold arbitrary values.

    For weights that will be loaded or drawn otherwise. The functions of `nn.init` do nothing meanwhile, so no random
    number is drawn. Raises RuntimeError when the class is no Module or its constructor takes no `device`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.utils.skip_init(rg.nn.Linear, 5, 1).weight.shape)
    (1, 5)
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    with init.skipped():
        return module_cls(*args, **kwargs)
