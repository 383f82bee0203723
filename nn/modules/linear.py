"""Fully connected layers: Identity, Linear, Bilinear."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.ops.create import empty
from .. import functional as F
from .. import init
from .module import Module

__all__ = ["Bilinear", "Identity", "Linear"]


class Identity(Module):
    """Returns its input; arguments are accepted and ignored, so that it can stand in for any layer.

    >>> import retrograd as rg
    >>> rg.nn.Identity(54, unused=True)(rg.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """An affine map of the last dimension: `y = x @ weight.T + bias`.

    Shapes: input `(*, in_features)`, output `(*, out_features)`, weight `(out_features, in_features)`,
    bias `(out_features,)`. Both start uniform in `+-1/sqrt(in_features)`.

    Raises ShapeError when the last dimension of the input is not in_features.

    >>> import retrograd as rg
    >>> layer = rg.nn.Linear(20, 30)
    >>> tuple(layer(rg.zeros(128, 20)).shape)
    (128, 30)
    """

    in_features: int
    out_features: int
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        # a=sqrt(5) makes the He bound 1/sqrt(fan_in).
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        init.fan_in_uniform_(self.bias, self.weight)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """A bilinear map of two inputs: `y_k = x1 @ weight[k] @ x2 + bias_k`.

    Shapes: inputs `(*, in1_features)` and `(*, in2_features)`, output `(*, out_features)`,
    weight `(out_features, in1_features, in2_features)`. Starts uniform in `+-1/sqrt(in1_features)`.

    >>> import retrograd as rg
    >>> layer = rg.nn.Bilinear(20, 30, 40)
    >>> tuple(layer(rg.zeros(128, 20), rg.zeros(128, 30)).shape)
    (128, 40)
    """

    in1_features: int
    in2_features: int
    out_features: int
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = Parameter(empty((out_features, in1_features, in2_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
