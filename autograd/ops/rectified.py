"""A linear map or a normalisation and the relu behind it as one operation, for containers that have the two adjacent.

Value and derivatives are those of the two: batch norm and channel factors take the larger of 0 and each number as they
compute it, the others overwrite what they computed, and the cotangent is masked by the result. Operands that are not
ordinary arrays (in vmap and forward mode, on other devices) get the two operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import TensorBase
from ..op import nary
from . import linear, norm, norm_core
from .activation import relu, through_slope

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["batch_norm_relu", "group_norm_relu", "layer_norm_relu", "linear_relu", "rms_norm_relu"]


def _masked(g: Any, y: Any) -> Any:
    return None if g is None else through_slope(g, y, 0, None, 0, 1, 1, False)


def _rectified(name: str, forward: Any, vjp: Any, saves: tuple[str, ...], several: bool = False, **options: Any) -> Any:
    """The primitive of relu after another: its forward pass already returns relu of the first output."""

    def back(g: Any, xs: Any, o: Any, needs: Any, *p: Any) -> Any:
        if several:
            return vjp((_masked(g[0], o[0]), *g[1:]), xs, o, needs, *p)
        y = o[0] if options else o  # with extras, o has them behind the output
        return vjp(_masked(g, y), xs, o, needs, *p)

    doc = f"relu of {name}_p, in one operation."
    return nary(f"{name}_relu", forward, back, saves=tuple(s + "o" for s in saves), doc=doc, **options)


def _linear(xp: Any, xs: Any) -> Any:
    y = linear.linear_array(xp, xs)
    return xp.maximum(y, 0, out=y)


def _layer_norm(xp: Any, xs: Any, *p: Any) -> Any:
    y, *rest = norm_core.layer_norm_array(xp, xs, *p)
    return xp.maximum(y, 0, out=y), *rest


linear_relu_p = _rectified("linear", _linear, linear.linear_vjp, ("1", "0", ""))
batch_norm_relu_p = _rectified(
    "batch_norm",
    lambda xp, xs, eps: norm_core.batch_norm_array(xp, xs, eps, True),
    norm_core.batch_norm_vjp,
    ("01", "0", ""),
    several=True,
    outputs=3,
    extras=2,
)
channel_affine_relu_p = _rectified(
    "channel_affine",
    lambda xp, xs: norm_core.channel_affine_array(xp, xs, True),
    norm_core.channel_affine_vjp,
    ("1", "0", ""),
)
layer_norm_relu_p = _rectified("layer_norm", _layer_norm, norm_core.layer_norm_vjp, ("01", "0", ""), extras=2)
_PAIRS = norm.Primitives(batch_norm_relu_p, channel_affine_relu_p, layer_norm_relu_p)


def _ordinary(*xs: Any) -> bool:
    return all(x is None or isinstance(x, TensorBase) and type(x._data) is np.ndarray and x._dtype.fast for x in xs)


def _both(f: Callable[..., Any], operands: tuple[Any, ...], *args: Any) -> Any:
    return f(*args, _PAIRS) if _ordinary(*operands) else relu(f(*args))


def linear_relu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """relu(linear(x, weight, bias))."""
    if _ordinary(x, weight, bias) and x._dtype is weight._dtype and len(x._shape) > 1 and len(weight._shape) == 2:
        features, fits = weight._shape[1], weight._shape[:1]
        if x._shape[-1] == features and (bias is None or bias._shape == fits and bias._dtype is x._dtype):
            return linear_relu_p((x, weight, bias))
    return relu(linear.linear(x, weight, bias))


def batch_norm_relu(
    x: Tensor, mean: Any, var: Any, weight: Any, bias: Any, training: bool, momentum: float, eps: float
) -> Tensor:
    """relu(batch_norm(...))."""
    args = x, mean, var, weight, bias, training, momentum, eps
    return _both(norm.batch_normalized, args[:5], *args)


def group_norm_relu(x: Tensor, groups: int, weight: Any, bias: Any, eps: float) -> Tensor:
    """relu(group_norm(...))."""
    if weight is None and bias is None:  # there is no last step for relu to be one with
        return relu(norm.group_normalized(x, groups, weight, bias, eps))
    return _both(norm.group_normalized, (x, weight, bias), x, groups, weight, bias, eps)


def layer_norm_relu(x: Tensor, shape: Any, weight: Any, bias: Any, eps: float) -> Tensor:
    """relu(layer_norm(...))."""
    return _both(norm.layer_normalized, (x, weight, bias), x, shape, weight, bias, eps)


def rms_norm_relu(x: Tensor, shape: Any, weight: Any, eps: float | None) -> Tensor:
    """relu(rms_norm(...))."""
    return _both(norm.rms_normalized, (x, weight), x, shape, weight, eps)
