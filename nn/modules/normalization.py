"""Normalization within each sample: LayerNorm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.ops.create import empty
from .. import functional as F
from .. import init
from .module import Module

__all__ = ["LayerNorm"]


class LayerNorm(Module):
    """Normalizes over the last dimensions: `y = (x - mean) / sqrt(var + eps) * weight + bias`.

    Shapes: input and output `(*, *normalized_shape)`; weight and bias have normalized_shape. The variance is the
    biased one. elementwise_affine=False leaves out weight and bias, bias=False only the bias.

    Raises ShapeError when the input does not end in normalized_shape.

    Ba, Kiros & Hinton, "Layer Normalization", 2016.

    >>> import retrograd as rg
    >>> tuple(rg.nn.LayerNorm(10)(rg.ones(20, 5, 10)).shape)
    (20, 5, 10)
    """

    normalized_shape: tuple[int, ...]
    eps: float
    elementwise_affine: bool
    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (
            (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        )
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name, wanted in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            param = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, param)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )
