"""The labels of classification losses: checked, weighted, and as an index into the logits."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..backend import of, xp_of
from ..errors import RangeError
from .sums import add_up

__all__ = ["Labels", "beside", "check_labels", "places"]


class Labels:
    """The labels (N, *S) of logits (N, C, *S), ready for use on arrays.

    labels: with 0 for ignored ones; at: the index of each label's logit; weight: of each label, with 0 for ignored
    ones, or None for all ones; total: the sum of the weights; valid: which labels count, None if all do; classes: the
    class weights or None; smoothing: the share spread over all classes.
    """

    __slots__ = ("classes", "labels", "smoothing", "total", "valid", "weight")

    def __init__(self, labels: Any, c: int, classes: Any, ignore: int, smoothing: float, op: str) -> None:
        xp = xp_of(labels)
        valid = None if of(labels).device_type == "cpu" else labels != ignore  # a check would wait for the device
        if valid is None and labels.size:
            # read without their sign, negative labels are large: one pass checks both ends
            if 0 <= ignore < c or np.maximum.reduce(labels.view(np.uint64), None) >= c:
                valid = labels != ignore
                _check_labels(labels, valid, c, op)
        if valid is not None:
            labels = xp.where(valid, labels, 0)
        self.labels = labels
        self.classes, self.smoothing, self.valid = classes, smoothing, valid
        if classes is None:
            self.weight = valid
            self.total = labels.size if valid is None else valid.sum()
        else:
            self.weight = classes[labels] if valid is None else classes[labels] * valid
            self.total = add_up(self.weight)

    @property
    def at(self) -> Any:
        return places(xp_of(self.labels), self.labels)

    def weights(self, dtype: Any) -> Any:
        """The weight of each label as an array of dtype, or 1."""
        return 1 if self.weight is None else self.weight.astype(dtype)

    def spread(self, x: Any) -> Any:
        """The class weights shaped to multiply (N, C, *S), 1 if there are none."""
        return beside(self.classes, x)

    def counted(self, dtype: Any) -> Any:
        """1 for labels that count, 0 for ignored ones; 1 if all do."""
        return 1 if self.valid is None else self.valid.astype(dtype)


def beside(classes: Any, x: Any) -> Any:
    return 1 if classes is None else classes.reshape(-1, *(1,) * (len(x.shape) - 2))


def places(xp: Any, labels: Any) -> Any:
    """The index of each label's logit in (N, C, *S)."""
    n = labels.shape
    counting = _counting if xp is np and max(n) <= 4096 else _counting.__wrapped__
    rest = [counting(xp, m, len(n) - 1 - i) for i, m in enumerate(n)]
    return (rest[0], labels, *rest[1:])


@lru_cache(maxsize=64)
def _counting(xp: Any, n: int, after: int) -> Any:
    """0, 1, ..., n - 1 along a dimension that so many others follow."""
    return xp.arange(n).reshape(n, *(1,) * after)


def check_labels(op: str, labels: Any, c: int) -> None:
    """IndexError that names the first label outside 0 to c - 1. On the CPU only: a device would have to be waited for."""
    if of(labels).device_type == "cpu" and labels.size:
        _check_labels(labels, True, c, op)


def _check_labels(labels: Any, valid: Any, c: int, op: str) -> None:
    bad = valid & ((labels < 0) | (labels >= c))
    if not bad.any():
        return
    at = tuple(int(v) for v in np.argwhere(bad)[0])
    place = at[0] if len(at) == 1 else at
    raise RangeError(f"{op}: label {int(labels[at])} at position {place} is out of range for {c} classes (0..{c - 1})")
