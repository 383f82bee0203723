"""Modules that PyTorch keeps for old code: Container and CrossMapLRN2d."""

from __future__ import annotations

import warnings
from typing import Any

from ...autograd import Tensor
from ...autograd.errors import ShapeError
from ...autograd.ops.join import cat
from .. import functional as F
from .module import Module

__all__ = ["Container", "CrossMapLRN2d"]


class Container(Module):
    """Holds the modules given by keyword; a subclass of `Module` does the same, as its FutureWarning says.

    >>> import warnings
    >>> import retrograd as rg
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     rg.nn.Container(first=rg.nn.ReLU())
    Container(
      (first): ReLU()
    )
    """

    def __init__(self, **kwargs: Any) -> None:
        warnings.warn(
            "`nn.Container` is deprecated. All of its functionality is now implemented in `nn.Module`. Subclass that "
            "instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__()
        for name, module in kwargs.items():
            self.add_module(name, module)


class CrossMapLRN2d(Module):
    """`y = x / (k + alpha / size * sum(x_j**2))**beta` over the channels near each, as PyTorch's older code sums them.

    With `r = int((size - 1) / 2)` the channels are those at a distance of at most r, and channel 0 as well: PyTorch's
    running sum never drops it, and checkpoints were trained so. The gradient is the derivative of that, which PyTorch's
    is not. `LocalResponseNorm` is the layer of Krizhevsky et al., 2012.

    Shapes: input and output `(N, C, H, W)`. Raises ShapeError for another number of dimensions.

    >>> import retrograd as rg
    >>> rg.nn.CrossMapLRN2d(3, alpha=3.0)(rg.ones(1, 4, 1, 1)).flatten() ** (-4 / 3)
    tensor([3.0000, 4.0000, 5.0000, 4.0000])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim != 4:
            raise ShapeError(f"CrossMapLRN2d: Expected input to be 4D, got {input.ndim}D instead.")
        r = int((self.size - 1) / 2)
        squares = input * input
        # (N, C + 2 r, H, W) -> (N, C, H, W, 2 r + 1)
        near = F.pad(squares, [0, 0, 0, 0, r, r]).unfold(1, 2 * r + 1, 1).sum(-1)
        if input.shape[1] > r + 1:
            near = cat([near[:, : r + 1], near[:, r + 1 :] + squares[:, :1]], 1)
        return input * (near * (self.alpha / self.size) + self.k) ** -self.beta

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
