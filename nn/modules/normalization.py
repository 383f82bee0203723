"""Normalization within each sample: LayerNorm, RMSNorm, GroupNorm, LocalResponseNorm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.ops.create import empty
from .. import functional as F
from .. import init
from .module import Module
from .pairs import relu_of

__all__ = ["GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


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
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
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

    @relu_of(forward)
    def _rectified(self, input: Tensor) -> Tensor:
        from ...autograd.ops.rectified import layer_norm_relu

        return layer_norm_relu(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divides by the root mean square over the last dimensions: `y = x / sqrt(mean(x**2) + eps) * weight`.

    Shapes: input and output `(*, *normalized_shape)`, weight normalized_shape. eps=None takes the machine epsilon of
    the input's dtype.

    Zhang & Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019.

    >>> import retrograd as rg
    >>> rg.nn.RMSNorm(2)(rg.tensor([[3.0, 3.0]])).tolist()
    [[1.0, 1.0]]
    """

    normalized_shape: tuple[int, ...]
    eps: float | None
    elementwise_affine: bool
    weight: Tensor | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        param = Parameter(empty(self.normalized_shape, device=device, dtype=dtype)) if elementwise_affine else None
        self.register_parameter("weight", param)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    @relu_of(forward)
    def _rectified(self, input: Tensor) -> Tensor:
        from ...autograd.ops.rectified import rms_norm_relu

        return rms_norm_relu(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Normalizes groups of channels together: `y = (x - mean) / sqrt(var + eps) * weight + bias`.

    Shapes: input and output `(N, C, *)` with C = num_channels, a multiple of num_groups; weight and bias `(C,)`.

    Wu & He, "Group Normalization", ECCV 2018.

    >>> import retrograd as rg
    >>> tuple(rg.nn.GroupNorm(3, 6)(rg.ones(2, 6, 4, 4)).shape)
    (2, 6, 4, 4)
    """

    num_groups: int
    num_channels: int
    eps: float
    affine: bool
    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            param = Parameter(empty(num_channels, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, param)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    @relu_of(forward)
    def _rectified(self, input: Tensor) -> Tensor:
        from ...autograd.ops.rectified import group_norm_relu

        return group_norm_relu(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """Divides by a power of the neighbouring channels: `y = x / (k + alpha * mean(x**2 over size channels))**beta`.

    Shapes: input and output `(N, C, *)`.

    Krizhevsky, Sutskever & Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", NeurIPS 2012.

    >>> import retrograd as rg
    >>> tuple(rg.nn.LocalResponseNorm(2)(rg.ones(2, 5, 4, 4)).shape)
    (2, 5, 4, 4)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
