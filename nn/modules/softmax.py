"""Activations along one dimension: softmax and its kin, and the gated linear unit."""

from __future__ import annotations

from ...autograd import Tensor
from .. import functional as F
from .module import Module

__all__ = ["GLU", "LogSoftmax", "Softmax", "Softmax2d", "Softmin"]


class _Dim(Module):
    """A function along one dimension."""

    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class GLU(Module):
    """Splits `dim` in two halves a and b and returns `a * sigmoid(b)`.

    >>> import retrograd as rg
    >>> rg.nn.GLU()(rg.tensor([4.0, 0.0]))
    tensor([2.])
    """

    dim: int

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(_Dim):
    """`exp(-x) / sum(exp(-x))` along dim.

    >>> import retrograd as rg
    >>> rg.nn.Softmin(dim=0)(rg.tensor([1.0, 1.0]))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim)


class Softmax(_Dim):
    """`exp(x) / sum(exp(x))` along dim, computed stably.

    >>> import retrograd as rg
    >>> rg.nn.Softmax(dim=0)(rg.tensor([1.0, 1.0]))
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)


class LogSoftmax(_Dim):
    """`log(softmax(x))` along dim, computed stably.

    >>> import retrograd as rg
    >>> rg.nn.LogSoftmax(dim=0)(rg.tensor([1.0, 1.0]))
    tensor([-0.6931, -0.6931])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)


class Softmax2d(Module):
    """Softmax over the channels of `(N, C, H, W)` or `(C, H, W)` at every position.

    >>> import retrograd as rg
    >>> rg.nn.Softmax2d()(rg.zeros(1, 2, 1, 1)).flatten()
    tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)
