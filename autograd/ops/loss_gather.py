"""Losses of labels for vmap, where the labels differ from sample to sample: by a gather instead of a fused operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import wrap
from ..errors import RangeError
from .gather import gather
from .shape import reshape_p, sum_p
from .where import where

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["batched", "by_gather"]


def batched(*values: Any) -> bool:
    """Whether one of the tensors or arrays holds the samples of a vmap."""
    from ..lifted import Batched, levels_of

    return any(level.kind is Batched for v in values if v is not None for level in levels_of(getattr(v, "_data", v)))


def by_gather(
    lp: Tensor, labels: Tensor, weight: Any, ignore: int, reduction: str, smoothing: float, op: str
) -> Tensor:
    """The loss of log-probabilities (N, C, *S) or (C,) and labels (N, *S) or ()."""
    if len(lp._shape) == 1:
        one = by_gather(
            reshape_p(lp, (1, *lp._shape)), reshape_p(labels, (1,)), weight, ignore, reduction, smoothing, op
        )
        return reshape_p(one, ()) if reduction == "none" else one
    n, c, *s = lp._shape
    labels = labels.long()
    keep = labels != ignore
    safe = where(keep, labels, 0)
    low, high = (int(getattr(safe._data, name)()) if safe._data.size else 0 for name in ("min", "max"))
    if low < 0 or high >= c:
        raise RangeError(f"{op}: label {low if low < 0 else high} is out of range for {c} classes")
    at = reshape_p(safe, (n, 1, *s))
    picked = reshape_p(gather(lp, 1, at), (n, *s))
    counted = keep.to(lp._dtype)
    column: Any = None if weight is None else wrap(weight)
    w = counted if column is None else column[safe] * counted
    loss = -picked * w
    if smoothing:
        every = lp if column is None else lp * reshape_p(column, (c, *(1,) * len(s)))
        loss = loss * (1 - smoothing) - sum_p(every, (1,), False) * counted * (smoothing / c)
    if reduction == "none":
        return loss
    total = sum_p(loss, None, False)
    return total if reduction == "sum" else total / sum_p(w, None, False)
