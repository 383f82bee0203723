"""Filter response normalisation: each channel of each sample is divided by its own root mean square, and thresholded."""

from __future__ import annotations

from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.errors import ShapeError
from ...autograd.ops.blend import maximum
from ...autograd.ops.create import empty
from .. import init
from ..modules.module import Module

__all__ = ["TLU", "FilterResponseNorm"]


def _per_channel(name: str, input: Tensor, channels: int) -> tuple[int, ...]:
    """The shape in which (C,) parameters broadcast against the input (N, C, *)."""
    if input.ndim < 2 or input.shape[1] != channels:
        raise ShapeError(f"{name}: expected an input (N, {channels}, ...), got shape {tuple(input.shape)}")
    return (channels, *(1 for _ in input.shape[2:]))


class TLU(Module):
    """The thresholded linear unit `max(x, tau)`, with a learned threshold for each channel; tau starts at 0, as ReLU.

    Shapes: input and output `(N, C, *)` with C = num_features; `tau` `(C,)`.

    Singh & Krishnan, "Filter Response Normalization Layer", CVPR 2020.

    >>> import retrograd as rg
    >>> rg.nn.TLU(2)(rg.tensor([[-1.0, 3.0]])).tolist()
    [[0.0, 3.0]]
    """

    tau: Tensor

    def __init__(self, num_features: int, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_features = num_features
        self.tau = Parameter(empty(num_features, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Threshold 0."""
        init.zeros_(self.tau)

    def forward(self, input: Tensor) -> Tensor:
        return maximum(input, self.tau.reshape(_per_channel("TLU", input, self.num_features)))

    def extra_repr(self) -> str:
        return str(self.num_features)


class FilterResponseNorm(Module):
    """`y = x / sqrt(nu^2 + |eps|) * weight + bias`, nu^2 the mean of x^2 over the positions, then `max(y, tau)`.

    The set S_i of a coefficient is its own channel of its own sample, as in instance normalisation, but no mean is
    taken away, and there are no running statistics: training and evaluation are the same, whatever the batch.

    num_features: C. eps: a constant; with learnable_eps its place is taken by eps + |eps_l| with a learned `eps_l`
    `(C,)` that starts at 1e-4, as the paper advises where a map has one position. tlu=False leaves out the threshold.
    Shapes: input and output `(N, C, *)`; weight (starts at 1), bias (0) and tau (0) `(C,)`.

    Singh & Krishnan, "Filter Response Normalization Layer: Eliminating Batch Dependence in the Training of Deep Neural
    Networks", CVPR 2020.

    >>> import retrograd as rg
    >>> rg.nn.FilterResponseNorm(1)(rg.tensor([[[3.0, -3.0]]])).detach().round()
    tensor([[[1., 0.]]])
    """

    weight: Tensor
    bias: Tensor
    tau: Tensor | None
    eps_l: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-6,
        tlu: bool = True,
        learnable_eps: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if eps < 0:
            raise ValueError(f"FilterResponseNorm: eps must not be negative, got {eps}")
        self.num_features, self.eps, self.tlu, self.learnable_eps = num_features, eps, tlu, learnable_eps
        made = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty(num_features, **made))
        self.bias = Parameter(empty(num_features, **made))
        self.register_parameter("tau", Parameter(empty(num_features, **made)) if tlu else None)
        self.register_parameter("eps_l", Parameter(empty(num_features, **made)) if learnable_eps else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias and threshold 0, learned part of eps 1e-4."""
        init.ones_(self.weight)
        init.zeros_(self.bias)
        if self.tau is not None:
            init.zeros_(self.tau)
        if self.eps_l is not None:
            init.constant_(self.eps_l, 1e-4)

    def forward(self, input: Tensor) -> Tensor:
        shape = _per_channel("FilterResponseNorm", input, self.num_features)
        wide = input if input.dtype.itemsize > 2 else input.float()  # squares leave the range of float16
        squares = wide * wide
        if input.ndim > 2:
            squares = squares.mean(tuple(range(2, input.ndim)), keepdim=True)  # (N, C, 1, ...)
        eps: Any = self.eps if self.eps_l is None else self.eps_l.abs().reshape(shape) + self.eps
        y = input * (squares + eps).rsqrt().to(input.dtype) * self.weight.reshape(shape) + self.bias.reshape(shape)
        return y if self.tau is None else maximum(y, self.tau.reshape(shape))

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, tlu={self.tlu}, learnable_eps={self.learnable_eps}"
