"""What all losses share: how the losses of the elements become one number, and the weights of classes."""

from __future__ import annotations

from ...autograd import Tensor
from ...autograd.ops.loss_reduction import reduction_arg
from .module import Module


class _Loss(Module):
    """reduction: 'mean', 'sum' or 'none'. size_average and reduce are PyTorch's old way to say the same."""

    reduction: str

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = reduction_arg(type(self).__name__, reduction, size_average, reduce)
        self.reduction = reduction


class _WeightedLoss(_Loss):
    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
