"""Batch normalization folded into the layer before it, for evaluation."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from ...autograd import Parameter, Tensor
from ...autograd.ops.create import ones_like, zeros_like
from ..modules.batchnorm import _BatchNorm
from ..modules.conv_base import _ConvNd
from ..modules.linear import Linear

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

C = TypeVar("C", bound=_ConvNd)
L = TypeVar("L", bound=Linear)


def _check(layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval! Call eval() on both layers first")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")


def fuse_conv_bn_eval(conv: C, bn: _BatchNorm, transpose: bool = False) -> C:
    """A copy of the convolution that computes what it and the batch normalization after it compute, in eval mode.

    transpose: the convolution is a transposed one. Raises AssertionError for layers in training mode and for a
    normalization without running statistics.

    >>> import retrograd as rg
    >>> conv, bn = rg.nn.Conv2d(2, 3, 3).eval(), rg.nn.BatchNorm2d(3).eval()
    >>> x = rg.ones(1, 2, 4, 4)
    >>> rg.allclose(rg.nn.utils.fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-6)
    True
    """
    _check(conv, bn)
    fused: Any = copy.deepcopy(conv)
    mean, var = bn.running_mean, bn.running_var
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, mean, var, bn.eps, bn.weight, bn.bias, transpose  # type: ignore[arg-type]
    )  # fmt: skip
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """(weight, bias) of a convolution with the batch normalization after it folded in, in the convolution's dtypes."""
    bias_dtype = conv_w.dtype if conv_b is None else conv_b.dtype
    conv_b = zeros_like(bn_rm) if conv_b is None else conv_b
    bn_w = ones_like(bn_rm) if bn_w is None else bn_w
    bn_b = zeros_like(bn_rm) if bn_b is None else bn_b
    scale = bn_w * (bn_rv + bn_eps).rsqrt()
    shape = (1, -1) if transpose else (-1, 1)
    weight = (conv_w * scale.reshape(*shape, *[1] * (conv_w.ndim - 2))).to(conv_w.dtype)
    bias = ((conv_b - bn_rm) * scale + bn_b).to(bias_dtype)
    return Parameter(weight.detach(), conv_w.requires_grad), Parameter(bias.detach(), conv_b.requires_grad)


def fuse_linear_bn_eval(linear: L, bn: _BatchNorm) -> L:
    """A copy of the linear layer that computes what it and the batch normalization after it compute, in eval mode.

    Raises AssertionError for layers in training mode, for a normalization without running statistics, and when it has
    neither as many features as the layer's outputs nor one.
    """
    _check(linear, bn)
    if bn.num_features not in (linear.out_features, 1):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got linear.out_features="
            f"{linear.out_features} and bn.num_features={bn.num_features}"
        )
    fused: Any = copy.deepcopy(linear)
    mean, var = bn.running_mean, bn.running_var
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, mean, var, bn.eps, bn.weight, bn.bias  # type: ignore[arg-type]
    )  # fmt: skip
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """(weight, bias) of a linear layer with the batch normalization after it folded in, in the layer's dtypes."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
