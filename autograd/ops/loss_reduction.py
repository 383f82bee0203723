"""What every loss does with its losses: all of them, their mean or their sum; and the arguments that say so."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from .reduce import mean_p
from .shape import sum_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["reduced", "reduction_arg"]


def reduction_arg(op: str, reduction: str, size_average: Any = None, reduce: Any = None) -> str:
    """The reduction, checked; the arguments that it has replaced are still understood, with PyTorch's warning."""
    if size_average is not None or reduce is not None:
        average, whole = (True if v is None else v for v in (size_average, reduce))
        reduction = "none" if not whole else "mean" if average else "sum"
        warnings.warn(
            f"{op}: size_average and reduce will be deprecated, please use reduction={reduction!r} instead.",
            stacklevel=3,
        )
    elif reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{op}: {reduction!r} is not a valid reduction; choose 'none', 'mean' or 'sum'")
    return reduction


def reduced(loss: Any, reduction: str) -> Tensor:
    """The losses themselves, their mean or their sum."""
    if reduction == "none":
        return loss
    axes = tuple(range(len(loss._shape)))
    return mean_p(loss, axes, False) if reduction == "mean" else sum_p(loss, axes, False)
