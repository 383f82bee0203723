"""Maxout: the largest of several linear functions of the input, as a layer, and as a pooling over channels."""

from __future__ import annotations

from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.errors import ShapeError
from ...autograd.ops.create import empty
from .. import functional as F
from .. import init
from ..modules.module import Module

__all__ = ["ChannelMaxout", "Maxout"]


class Maxout(Module):
    """`y_o = max over j of (x . W_oj + b_oj)`: a linear layer of num_pieces outputs for each of its own, and their max.

    Shapes: input `(*, in_features)`, output `(*, out_features)`; weight `(out_features * num_pieces, in_features)`,
    the pieces of one output in adjacent rows, and bias `(out_features * num_pieces,)`, drawn as those of `Linear`.
    Parameters: num_pieces times those of `Linear`.

    Goodfellow et al., "Maxout Networks", ICML 2013.

    >>> import retrograd as rg
    >>> tuple(rg.nn.Maxout(10, 4, num_pieces=3)(rg.ones(2, 10)).shape)
    (2, 4)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        num_pieces: int = 2,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if num_pieces < 1:
            raise ValueError(f"Maxout: num_pieces must be at least 1, got {num_pieces}")
        self.in_features, self.out_features, self.num_pieces = in_features, out_features, num_pieces
        rows = out_features * num_pieces
        self.weight = Parameter(empty((rows, in_features), device=device, dtype=dtype))
        self.register_parameter("bias", Parameter(empty(rows, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform in +-1/sqrt(in_features), as `Linear`."""
        init.kaiming_uniform_(self.weight, a=5**0.5)
        init.fan_in_uniform_(self.bias, self.weight)

    def forward(self, input: Tensor) -> Tensor:
        z = F.linear(input, self.weight, self.bias)  # (*, out_features * num_pieces)
        return z.reshape(*z.shape[:-1], self.out_features, self.num_pieces).amax(-1)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, num_pieces={self.num_pieces}, "
            f"bias={self.bias is not None}"
        )


class ChannelMaxout(Module):
    """The max over groups of num_pieces adjacent channels: after a convolution, a convolutional maxout layer.

    Shapes: input `(N, C, *)` with C a multiple of num_pieces (dim says which dimension that is), output
    `(N, C / num_pieces, *)`. It has no parameters. Goodfellow et al., "Maxout Networks", ICML 2013.

    >>> import retrograd as rg
    >>> rg.nn.ChannelMaxout(2)(rg.tensor([[1.0, 3.0, 2.0, -1.0]]))
    tensor([[3., 2.]])
    """

    def __init__(self, num_pieces: int = 2, dim: int = 1) -> None:
        super().__init__()
        if num_pieces < 1:
            raise ValueError(f"ChannelMaxout: num_pieces must be at least 1, got {num_pieces}")
        self.num_pieces, self.dim = num_pieces, dim

    def forward(self, input: Tensor) -> Tensor:
        shape = tuple(input.shape)
        if not -len(shape) <= self.dim < len(shape):
            raise ShapeError(f"ChannelMaxout: the input has no dimension {self.dim}: its shape is {shape}")
        dim = self.dim % len(shape)
        if shape[dim] % self.num_pieces:
            raise ShapeError(
                f"ChannelMaxout: dimension {dim} must be a multiple of num_pieces {self.num_pieces}, got shape {shape}"
            )
        # (N, C, *) -> (N, C / num_pieces, num_pieces, *)
        split = input.reshape(*shape[:dim], shape[dim] // self.num_pieces, self.num_pieces, *shape[dim + 1 :])
        return split.amax(dim + 1)

    def extra_repr(self) -> str:
        return f"num_pieces={self.num_pieces}, dim={self.dim}"
