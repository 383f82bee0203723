"""Losses that compare input and target element by element: squares, distances, binary cross entropy.

Shapes must be equal: broadcasting would silently compare every element with every other one.
"""

from __future__ import annotations

import math as _math
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import accelerated, of
from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import binary, nary, public
from ..samples import call, raises, t
from .activation import hardtanh_p, sigmoid, smooth
from .activation_smooth import softplus_p
from .clamp import clamp_p
from .complex import abs
from .loss_reduction import reduced, reduction_arg
from .math import log
from .shape import sum_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "huber_loss", "l1_loss", "mse_loss", "same_shape",
    "smooth_l1_loss",
]  # fmt: skip

_NO_LIMIT = _math.inf


# ---------------------------------------------------------------- arguments
def same_shape(op: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Both operands, whose shapes must be equal; ShapeError with the way out otherwise."""
    x, y = as_tensor_arg(input, op), as_tensor_arg(target, op)
    a, b = x._shape, y._shape
    if a != b:
        hint = "give both the same shape"
        if prod(a) == prod(b):
            squeezed = len(a) > len(b) and tuple(n for n in a if n != 1) == tuple(n for n in b if n != 1)
            hint = f"use input.reshape({b})" if squeezed else f"use target.reshape({a})"
        else:
            try:
                np.broadcast_shapes(a, b)
                hint = "if every pair is meant, expand them yourself with broadcast_tensors(input, target)"
            except ValueError:
                pass
        raise ShapeError(f"{op}: input {a} and target {b} have different shapes, and losses do not broadcast; {hint}")
    return x, y


def _weighted(op: str, loss: Any, weight: Any, reduction: str, normalize: bool) -> Tensor:
    """The reduction of losses times weight; normalize: a mean divides by the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    w = as_tensor_arg(weight, op)
    if w._shape != loss._shape:
        raise ShapeError(f"{op}: weight has shape {w._shape}, the losses {loss._shape}; they must be equal")
    loss = loss * w
    if reduction == "mean" and normalize:
        axes = tuple(range(len(w._shape)))
        return sum_p(loss, axes, False) / sum_p(w, axes, False)
    return reduced(loss, reduction)


def _reference(f: Any) -> Any:
    """A reference f(x, y, **kw) of single losses, reduced."""

    def ref(x: Any, y: Any, *args: Any, reduction: str = "mean", weight: Any = None, **kw: Any) -> Any:
        v = f(x, y, *args, **kw)
        if weight is not None:
            v = v * weight
            if reduction == "mean" and kw.get("over", True):
                return v.sum() / weight.sum()
        return v if reduction == "none" else v.sum() if reduction == "sum" else v.mean()

    return ref


def _pairs(**kw: Any) -> list[Any]:
    return [
        call(t(3, 4), t(3, 4), **kw),
        call(t(3, 4), t(3, 4), reduction="sum", **kw),
        call(t(3, 4), t(3, 4), reduction="none", **kw),
        call(t(), t(), **kw),
    ]


def _errors(name: str) -> Any:
    return lambda: [
        raises(ValueError, rf"{name}: input \(3, 1\) and target \(3,\) .* use input.reshape\(\(3,\)\)", t(3, 1), t(3)),
        raises(ValueError, r"expand them yourself", t(3, 2), t(2)),
        raises(ValueError, r"'avg' is not a valid reduction", t(3), t(3), reduction="avg"),
    ]


# ---------------------------------------------------------------- squared error
@accelerated("mse")
def _mse(xp: Any, xs: Any, reduction: str) -> Any:
    d = xs[0] - xs[1]
    if reduction == "none":
        return d * d
    if not d.size:
        return xp.asarray(_math.nan if reduction == "mean" else 0, dtype=d.dtype)
    d = d.reshape(-1)
    total = d @ d
    return total / d.size if reduction == "mean" else total


def _mse_vjp(g: Any, xs: Any, o: Any, needs: Any, reduction: str) -> Any:
    x, y = xs
    factor = 2.0 / max(1, prod(x.shape)) if reduction == "mean" else 2.0
    if type(g) is type(x) is type(y) is np.ndarray:
        return _mse_back(np, (g, x, y), factor, (bool(needs[0]), bool(needs[1])))
    v = (x - y) * (g * factor)
    return v if needs[0] else None, -v if needs[1] else None


@accelerated("mse_back")
def _mse_back(xp: Any, xs: Any, factor: float, want: Any) -> Any:
    g, x, y = xs
    v = (x - y) * (g * factor)
    return v if want[0] else None, -v if want[1] else None


mse_p: Any = nary("mse", _mse, _mse_vjp, saves="01", doc="(x - y) ** 2 of equal shapes: each, the mean or the sum.")


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        *_pairs(),
        call(t(3), t(3), weight=t(3, low=0.5, grad=False)),
        call(t(3), t(3), weight=t(3, low=0.5, grad=False), reduction="sum"),
    ],
    errors=_errors("mse_loss"),
    ref=_reference(lambda x, y: (x - y) ** 2),
)
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target) ** 2 of equal shapes; the weighted mean divides by the sum of the weights.

    `ShapeError` where the shapes differ: losses do not broadcast.

    >>> import retrograd as rg
    >>> rg.nn.functional.mse_loss(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 4.0]))
    tensor(2.)
    """
    reduction = reduction_arg("mse_loss", reduction, size_average, reduce)
    x, y = same_shape("mse_loss", input, target)
    if weight is None:
        return mse_p((x, y), reduction)
    return _weighted("mse_loss", mse_p((x, y), "none"), weight, reduction, True)


# ---------------------------------------------------------------- absolute error and its smooth forms
@public(
    where="nn.functional",
    method=False,
    samples=lambda: [*_pairs(), call(t(3), t(3), weight=t(3, low=0.5, grad=False))],
    errors=_errors("l1_loss"),
    ref=_reference(lambda x, y: np.abs(x - y)),
)
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target| of equal shapes; the weighted mean divides by the sum of the weights.

    >>> import retrograd as rg
    >>> rg.nn.functional.l1_loss(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 4.0]))
    tensor(1.)
    """
    reduction = reduction_arg("l1_loss", reduction, size_average, reduce)
    x, y = same_shape("l1_loss", input, target)
    return _weighted("l1_loss", abs(x - y), weight, reduction, True)


def _smooth_l1(xp: Any, x: Any, beta: float) -> Any:
    a = xp.abs(x)
    return xp.where(a < beta, a * a * (0.5 / beta), a - 0.5 * beta)


smooth_l1_p = smooth(
    "smooth_l1",
    _smooth_l1,
    lambda x, beta: hardtanh_p(x * (1 / beta), -1.0, 1.0),
    "x ** 2 / (2 * beta) where |x| < beta, else |x| - beta / 2.",
    fused=True,
)


def _ref_smooth(x: Any, y: Any, beta: float = 1.0) -> Any:
    a = np.abs(x - y)
    return np.where(a < beta, a * a / (2 * (beta or 1)), a - beta / 2)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [*_pairs(), call(t(3), t(3), beta=0.3), call(t(3), t(3), beta=0.0)],
    errors=lambda: [
        *_errors("smooth_l1_loss")(),
        raises(RuntimeError, r"beta must not be negative, got -1", t(3), t(3), beta=-1.0),
    ],
    ref=_reference(_ref_smooth),
)
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """With d = |input - target|: d ** 2 / (2 * beta) where d < beta, else d - beta / 2. (Girshick 2015)

    >>> import retrograd as rg
    >>> rg.nn.functional.smooth_l1_loss(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 4.0]), reduction="none")
    tensor([0.0000, 1.5000])
    """
    reduction = reduction_arg("smooth_l1_loss", reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    x, y = same_shape("smooth_l1_loss", input, target)
    return reduced(abs(x - y) if beta == 0 else smooth_l1_p(x - y, beta), reduction)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [*_pairs(), call(t(3), t(3), delta=0.3), call(t(3), t(3), weight=t(3, low=0.5, grad=False))],
    errors=lambda: [*_errors("huber_loss")(), raises(RuntimeError, r"delta must be positive", t(3), t(3), delta=0.0)],
    ref=lambda x, y, reduction="mean", delta=1.0, weight=None: _reference(
        lambda x, y: delta * _ref_smooth(x, y, delta) * (1 if weight is None else weight)
    )(x, y, reduction=reduction),
)
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """With d = |input - target|: d ** 2 / 2 where d <= delta, else delta * (d - delta / 2). (Huber 1964)

    >>> import retrograd as rg
    >>> rg.nn.functional.huber_loss(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 4.0]), reduction="none")
    tensor([0.0000, 1.5000])
    """
    reduction = reduction_arg("huber_loss", reduction)
    if delta <= 0:
        raise RuntimeError(f"huber_loss: delta must be positive, got {delta}")
    x, y = same_shape("huber_loss", input, target)
    loss = smooth_l1_p(x - y, delta)
    return _weighted("huber_loss", loss if delta == 1 else loss * delta, weight, reduction, False)


# ---------------------------------------------------------------- binary cross entropy
def _clipped_log(xp: Any, x: Any) -> Any:
    with np.errstate(divide="ignore"):
        return xp.maximum(xp.log(x), -100)


def _bce(xp: Any, x: Any, y: Any) -> Any:
    with np.errstate(divide="ignore"):
        other = xp.maximum(xp.log1p(-x), -100)
    return (y - 1) * other - y * _clipped_log(xp, x)


def _bce_x(g: Any, x: Any, y: Any, o: Any) -> Any:
    return g * (x - y) / clamp_p(x * (1 - x), 1e-12, None)


bce_p = binary(
    "bce",
    _bce,
    _bce_x,
    lambda g, x, y, o: g * (log(1 - x) - log(x)),
    saves=("xy", "x"),
    dtypes="float",
    public=False,
    doc="-(y * log(x) + (1 - y) * log(1 - x)) with logs not below -100.",
)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4, low=0.05, high=0.95), t(3, 4, low=0.0, high=1.0)),
        call(t(3, low=0.05, high=0.95), t(3, low=0.0, high=1.0), t(3, low=0.5, grad=False)),
        call(t(3, low=0.05, high=0.95), t(3, low=0.0, high=1.0), reduction="sum"),
        call(t(3, low=0.05, high=0.95), t(3, low=0.0, high=1.0), reduction="none"),
    ],
    errors=lambda: [
        raises(ValueError, r"losses do not broadcast", t(3, 1, low=0.1, high=0.9), t(3, low=0.1, high=0.9)),
        raises(RuntimeError, r"between 0 and 1", t(3, values=[0.5, 1.5, 0.1]), t(3, low=0.1, high=0.9)),
    ],
    ref=lambda x, y, weight=None, reduction="mean": (
        _reference(
            lambda x, y: (
                -(y * np.log(np.maximum(x, 1e-300)).clip(-100) + (1 - y) * np.log1p(-np.minimum(x, 1 - 1e-16)))
                * (1 if weight is None else weight)
            )
        )(x, y, reduction=reduction)
        if ((x > 0) & (x < 1)).all()
        else np.array((0 + 100 - np.log(0.5)) / 3)
    ),
)
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(target * log(input) + (1 - target) * log(1 - input)) of probabilities; logs are not below -100.

    Inputs outside [0, 1] raise RuntimeError. weight broadcasts. For logits use `binary_cross_entropy_with_logits`.

    >>> import retrograd as rg
    >>> rg.nn.functional.binary_cross_entropy(rg.tensor([0.5, 1.0]), rg.tensor([1.0, 1.0]), reduction="sum")
    tensor(0.6931)
    """
    op = "binary_cross_entropy"
    reduction = reduction_arg(op, reduction, size_average, reduce)
    x, y = same_shape(op, input, target)
    a = x._data
    if a.size and of(a).device_type == "cpu" and not (a.min() >= 0 and a.max() <= 1):
        raise RuntimeError(
            f"{op}: all elements of input should be between 0 and 1, got {float(a.min()):g} to {float(a.max()):g}; "
            f"for logits use binary_cross_entropy_with_logits"
        )
    loss = bce_p(x, y)
    return reduced(loss if weight is None else loss * as_tensor_arg(weight, op), reduction)


@accelerated("bce_logits")
def _bce_logits(xp: Any, x: Any, y: Any) -> Any:
    return xp.maximum(x, 0) - x * y + xp.log1p(xp.exp(-xp.abs(x)))


@accelerated("bce_logits_back")
def _bce_logits_back(xp: Any, xs: Any) -> Any:
    g, x, y = xs
    return g * (sigmoid(x) - y)


def _bce_logits_x(g: Any, x: Any, y: Any, o: Any) -> Any:
    if type(g) is type(x) is type(y) is np.ndarray:
        return _bce_logits_back(np, (g, x, y))
    return g * (sigmoid(x) - y)


bce_logits_p = binary(
    "bce_logits",
    _bce_logits,
    _bce_logits_x,
    lambda g, x, y, o: -g * x,
    saves=("xy", "x"),
    dtypes="float",
    public=False,
    doc="-(y * log(sigmoid(x)) + (1 - y) * log(1 - sigmoid(x))), without overflow.",
)


def _ref_logits(x: Any, y: Any, pos_weight: Any = 1.0) -> Any:
    return pos_weight * y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4, low=0.0, high=1.0)),
        call(t(3), t(3, low=0.0, high=1.0), t(3, low=0.5, grad=False), reduction="sum"),
        call(t(3), t(3, low=0.0, high=1.0), reduction="none"),
        call(t(3, 4), t(3, 4, low=0.0, high=1.0), pos_weight=t(4, low=0.5, grad=False)),
        call(t(2, values=[-500.0, 500.0]), t(2, values=[0.0, 0.25])),
    ],
    errors=lambda: [
        raises(ValueError, r"losses do not broadcast", t(3, 1), t(3)),
        raises(ValueError, r"'avg' is not a valid reduction", t(3), t(3), reduction="avg"),
    ],
    ref=lambda x, y, weight=None, reduction="mean", pos_weight=1.0: _reference(
        lambda x, y: _ref_logits(x, y, pos_weight) * (1 if weight is None else weight)
    )(x, y, reduction=reduction),
)
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """The binary cross entropy of sigmoid(input) and target, exact for large |input|.

    pos_weight multiplies the positive term (broadcast, one for each class, say); weight multiplies the losses.

    >>> import retrograd as rg
    >>> rg.nn.functional.binary_cross_entropy_with_logits(rg.tensor([0.0, 100.0]), rg.tensor([1.0, 1.0]))
    tensor(0.3466)
    """
    op = "binary_cross_entropy_with_logits"
    reduction = reduction_arg(op, reduction, size_average, reduce)
    x, y = same_shape(op, input, target)
    if pos_weight is None:
        loss: Any = bce_logits_p(x, y)
    else:  # (1 - y) * x + (1 + (pos_weight - 1) * y) * softplus(-x)
        lift = 1 + (as_tensor_arg(pos_weight, op) - 1) * y
        loss = (1 - y) * x + lift * softplus_p(-x, 1.0, _NO_LIMIT)
    return reduced(loss if weight is None else loss * as_tensor_arg(weight, op), reduction)
