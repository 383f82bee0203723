"""`functional_call` under its older path."""

from __future__ import annotations

import warnings
from typing import Any

from ...autograd import Tensor
from ..modules.module import Module
from ..parallel import DataParallel

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other parameters and buffers; use `func.functional_call`, as the FutureWarning says.

    Raises RuntimeError for a DataParallel module.
    """
    from ...autograd.func.modules import functional_call as call

    warnings.warn(
        "`nn.utils.stateless.functional_call` is deprecated; use `func.functional_call`, which takes the same arguments.",
        FutureWarning,
        stacklevel=2,
    )
    if isinstance(module, DataParallel):
        raise RuntimeError("The stateless API can't be used with nn.DataParallel module")
    return call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)
