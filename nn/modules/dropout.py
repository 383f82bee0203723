"""Dropout: layers that switch off part of their input while training."""

from __future__ import annotations

from ...autograd import Tensor
from .. import functional as F
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    p: float
    inplace: bool

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """In training, zeroes each element with probability p and multiplies the others by `1 / (1 - p)`.

    Shapes: any. In evaluation it is the identity.

    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 2014.

    >>> import retrograd as rg
    >>> rg.nn.Dropout(0.5).eval()(rg.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """In training, zeroes whole channels of `(N, C, L)` or `(C, L)` with probability p and scales the others.

    >>> import retrograd as rg
    >>> tuple(rg.nn.Dropout1d(0.2)(rg.ones(2, 3, 4)).shape)
    (2, 3, 4)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """In training, zeroes whole channels of `(N, C, H, W)` with probability p and scales the others.

    Tompson et al., "Efficient Object Localization Using Convolutional Networks", CVPR 2015.

    >>> import retrograd as rg
    >>> tuple(rg.nn.Dropout2d(0.2)(rg.ones(2, 3, 4, 4)).shape)
    (2, 3, 4, 4)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """In training, zeroes whole channels of `(N, C, D, H, W)` with probability p and scales the others.

    >>> import retrograd as rg
    >>> tuple(rg.nn.Dropout3d(0.2)(rg.ones(2, 3, 2, 4, 4)).shape)
    (2, 3, 2, 4, 4)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout for SELU networks: dropped elements take SELU's negative limit; mean and variance are kept.

    Klambauer et al., "Self-Normalizing Neural Networks", NeurIPS 2017.

    >>> import retrograd as rg
    >>> tuple(rg.nn.AlphaDropout(0.2)(rg.ones(2, 3)).shape)
    (2, 3)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels of `(N, C, ...)`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.FeatureAlphaDropout(0.2)(rg.ones(2, 3, 4)).shape)
    (2, 3, 4)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training)
