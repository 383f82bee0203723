"""Losses of regression that `torch.nn` lacks (any power of the error, the root of the mean square), and 0-1 loss."""

from __future__ import annotations

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import ShapeError
from ...autograd.ops.loss import same_shape
from .base import Loss, check_class_labels, check_float, check_positive, reduced, reduction_arg, safe_pow, safe_sqrt

__all__ = ["LqLoss", "RMSELoss", "zero_one_loss"]


class LqLoss(Loss):
    r"""The q-th power of the error: `abs(input - target) ** q`, averaged over all elements.

    q = 1 is the mean absolute error, q = 2 the mean squared error; below 1 the loss is not convex and ignores outliers
    the more. Where the error is 0, so is the gradient, for every q.

    q: above 0. reduction: 'batchmean' sums over all but the first dimension and averages over that, the form
    $\frac{1}{N}\sum_i\sum_j |y_{ij} - f_{ij}|^q$. Shapes: input and target equal, any.

    >>> import retrograd as rg
    >>> rg.nn.LqLoss(q=3)(rg.tensor([0.0, 0.0]), rg.tensor([1.0, 2.0]))
    tensor(4.5000)
    """

    settings = ("q",)

    def __init__(self, q: float = 2.0, reduction: str = "mean") -> None:
        super().__init__("sum" if reduction == "batchmean" else reduction)
        check_positive("LqLoss", q=q)
        self.q, self.reduction = q, reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        x, y = same_shape("LqLoss", input, target)
        error = (x - y).abs()
        loss = error if self.q == 1 else safe_pow(error, self.q)
        if self.reduction != "batchmean":
            return reduced(loss, self.reduction)
        return loss.sum() / (x.shape[0] if x.ndim else 1)


class RMSELoss(Loss):
    r"""The root of the mean squared error, $\sqrt{\frac{1}{N}\sum_i (x_i - y_i)^2}$: an error in the target's own unit.

    Where the fit is exact the gradient is 0 (that of `sqrt(MSELoss())` is not a number there).

    dim: None for one root over all elements; else the dimensions to average over before the root, so that `dim=0`
    gives one error for each column, which reduction then averages ('mean'), adds ('sum') or returns ('none').
    Shapes: input and target equal, any.

    >>> import retrograd as rg
    >>> rg.nn.RMSELoss()(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 4.0]))
    tensor(1.4142)
    >>> rg.nn.RMSELoss(dim=0, reduction="none")(rg.tensor([[1.0, 2.0]]), rg.tensor([[1.0, 4.0]]))
    tensor([0., 2.])
    """

    settings = ("dim",)

    def __init__(self, dim: int | tuple[int, ...] | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.dim = dim

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        x, y = same_shape("RMSELoss", input, target)
        check_float("RMSELoss", input=x)
        square = (x - y) ** 2
        return reduced(safe_sqrt(square.mean() if self.dim is None else square.mean(self.dim)), self.reduction)


def zero_one_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """0-1 loss: the share of wrong predictions. A metric: it is flat, so it has no gradient.

    input: predicted classes of the target's shape (integers), or scores `(N, C, d1, ...)` of which the largest counts.
    target: classes `(N, d1, ...)`. reduction: 'sum' counts the errors, 'none' gives 0 or 1 for each.

    >>> import retrograd as rg
    >>> rg.nn.zero_one_loss(rg.tensor([[0.1, 0.9], [0.8, 0.2]]), rg.tensor([1, 1]))
    tensor(0.5000)
    >>> rg.nn.zero_one_loss(rg.tensor([1, 0, 2]), rg.tensor([1, 1, 2]), reduction="sum")
    tensor(1.)
    """
    op = "zero_one_loss"
    reduction = reduction_arg(op, reduction)
    x, y = as_tensor_arg(input, op), as_tensor_arg(target, op)
    scores = x.dtype.is_floating_point and x.ndim == y.ndim + 1
    if scores:
        dim = 1 if x.ndim > 1 else 0
        shape = tuple(n for i, n in enumerate(x.shape) if i != dim)
        check_class_labels(op, y, shape, x.shape[dim])
        x = x.argmax(dim)
    elif x.shape != y.shape:
        raise ShapeError(
            f"{op}: predictions {tuple(x.shape)} and target {tuple(y.shape)} do not fit; give classes of the target's "
            f"shape, or scores with the classes in dimension 1"
        )
    return reduced((x != y).float(), reduction)
