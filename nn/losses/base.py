"""What the losses share: their reduction and its check, the checks of shapes and labels, roots and powers at zero."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...autograd import Tensor
from ...autograd.backend import of
from ...autograd.errors import DtypeError, RangeError, ShapeError
from ...autograd.lifted import Lifted
from ...autograd.ops.loss_reduction import reduced, reduction_arg
from ...autograd.ops.where import where
from ..modules.reduction import _Loss

__all__ = [
    "Loss", "check_class_labels", "check_equal_shapes", "check_float", "check_positive", "check_values", "reduced",
    "reduction_arg", "safe_norm", "safe_pow", "safe_sqrt",
]  # fmt: skip


class Loss(_Loss):
    """A loss with reduction 'mean', 'sum' or 'none', checked here; `settings` names what `repr` shows."""

    settings: ClassVar[tuple[str, ...]] = ()

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction_arg(type(self).__name__, reduction))

    def extra_repr(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in self.settings]
        return ", ".join(shown if self.reduction == "mean" else [*shown, f"reduction={self.reduction!r}"])


# ---------------------------------------------------------------- shapes and dtypes
def check_equal_shapes(op: str, **tensors: Tensor) -> None:
    """ShapeError that names all shapes, unless they are equal: nothing broadcasts silently."""
    shapes = {name: tuple(x.shape) for name, x in tensors.items()}
    if len(set(shapes.values())) > 1:
        given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ShapeError(
            f"{op}: {given} have different shapes, and losses do not broadcast; give all the same shape, with reshape "
            "or expand where that is meant"
        )


def check_float(op: str, **tensors: Tensor) -> None:
    """DtypeError that names a tensor of integers where real numbers belong."""
    for name, x in tensors.items():
        if not x.dtype.is_floating_point:
            raise DtypeError(
                f"{op}: {name} is {x.dtype.name}; floating-point values are expected, as in {name}.float()"
            )


def check_positive(op: str, **values: float) -> None:
    """ValueError that names a setting that is not above 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{op}: {name} must be greater than 0, got {value}")


# ---------------------------------------------------------------- labels
def _readable(x: Tensor) -> bool:
    """Whether values can be looked at for free: not on a device, which would be waited for, nor inside a transform."""
    return not isinstance(x._data, Lifted) and of(x._data).device_type == "cpu"


def _place(bad: Any) -> Any:
    at = tuple(int(v) for v in np.argwhere(bad)[0])
    return at, at[0] if len(at) == 1 else at


def check_class_labels(
    op: str, labels: Tensor, shape: tuple[int, ...], classes: int, ignore_index: int | None = None
) -> None:
    """Integers of that shape in 0 ... classes - 1: DtypeError, ShapeError, or RangeError that names the first bad one.

    ignore_index: a label that is let through. The range is checked on the CPU only, where that costs no waiting.
    """
    if labels.dtype.is_floating_point or labels.dtype.is_complex or labels.dtype.name == "bool":
        raise DtypeError(f"{op}: labels are {labels.dtype.name}; integers are expected, as in target.long()")
    if tuple(labels.shape) != tuple(shape):
        raise ShapeError(
            f"{op}: labels have shape {tuple(labels.shape)} but the scores ask for {tuple(shape)}; give one class index "
            "for each"
        )
    if not _readable(labels):
        return
    a = labels._data
    bad = (a < 0) | (a >= classes)
    if ignore_index is not None:
        bad &= a != ignore_index
    if bad.any():
        at, place = _place(bad)
        raise RangeError(
            f"{op}: label {int(a[at])} at position {place} is out of range for {classes} classes (0..{classes - 1})"
        )


def check_values(op: str, name: str, x: Tensor, allowed: tuple[float, ...]) -> None:
    """ValueError that names the first value of x that is none of those allowed; on the CPU only."""
    if not _readable(x):
        return
    a = x._data
    bad = ~np.isin(a, allowed)
    if bad.any():
        at, place = _place(bad)
        raise ValueError(
            f"{op}: {name} {a[at].item():g} at position {place} is none of {', '.join(f'{v:g}' for v in allowed)}"
        )


# ---------------------------------------------------------------- roots and powers with a gradient at zero
def safe_sqrt(x: Tensor) -> Tensor:
    """The square root of x >= 0 whose gradient at 0 is 0, the subgradient of least norm, where it would be infinite."""
    zero = x <= 0
    return where(zero, 0.0, where(zero, 1.0, x).sqrt())


def safe_norm(x: Tensor, dim: int = -1) -> Tensor:
    """The Euclidean norm along a dimension, with the gradient 0 for a vector of zeros."""
    return safe_sqrt((x * x).sum(dim))


def safe_pow(x: Tensor, exponent: float) -> Tensor:
    """x ** exponent for x >= 0; derivatives that are infinite at 0 are 0 there."""
    if exponent == int(exponent) and exponent >= 0:
        return x ** int(exponent)
    zero = x <= 0
    return where(zero, 0.0, where(zero, 1.0, x) ** exponent)
