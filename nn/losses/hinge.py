"""Hinge losses: the binary one, the perceptron's criterion, and both multi-class forms."""

from __future__ import annotations

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import ShapeError
from ...autograd.ops.loss import same_shape
from .base import Loss, check_class_labels, check_float, check_values, reduced

__all__ = ["HingeLoss", "MultiClassHingeLoss", "PerceptronLoss"]


class HingeLoss(Loss):
    r"""The loss of a support vector machine: $\max(0, m - y x)$ for labels y of 1 and -1.

    squared: its square, which has a continuous gradient. Shapes: input and target equal, any. Raises ValueError that
    names a label other than 1 and -1.

    Cortes, Vapnik, "Support-vector networks", Machine Learning 1995.

    >>> import retrograd as rg
    >>> rg.nn.HingeLoss()(rg.tensor([0.5, -2.0]), rg.tensor([1.0, -1.0]))
    tensor(0.2500)
    """

    settings = ("margin", "squared")

    def __init__(self, margin: float = 1.0, squared: bool = False, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin, self.squared = margin, squared

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        op = type(self).__name__
        x, y = same_shape(op, input, target)
        check_float(op, input=x)
        check_values(op, "label", y, (-1, 1))
        loss = (self.margin - y * x).relu()
        return reduced(loss * loss if self.squared else loss, self.reduction)


class PerceptronLoss(HingeLoss):
    r"""The perceptron's criterion $\max(0, -y x)$ for labels y of 1 and -1: a hinge without a margin.

    A subgradient step of size 1 on one sample is Rosenblatt's rule: `w += y * x` after an error, nothing otherwise.
    Shapes: input and target equal, any.

    Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in the brain", 1958.

    >>> import retrograd as rg
    >>> rg.nn.PerceptronLoss()(rg.tensor([0.5, 2.0]), rg.tensor([1.0, -1.0]))
    tensor(1.)
    """

    settings = ()

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(margin=0.0, reduction=reduction)


class MultiClassHingeLoss(Loss):
    r"""Hinge loss of one class y out of C, in either form.

    form 'sum': $\sum_{j \neq y} \max(0, f_j - f_y + \Delta)$ (Weston and Watkins): C times `MultiMarginLoss`.
    form 'max': $\max(0, \max_{j \neq y} f_j - f_y + \Delta)$ (Crammer and Singer), as in scikit-learn's `hinge_loss`.

    Shapes: scores `(N, C)` or `(C,)`, classes `(N,)` or `()`. IndexError names a label out of range.

    Weston, Watkins, "Support vector machines for multi-class pattern recognition", 1999; Crammer, Singer, "On the
    algorithmic implementation of multiclass kernel-based vector machines", 2001.

    >>> import retrograd as rg
    >>> x, y = rg.tensor([[0.0, 2.0, 1.0]]), rg.tensor([0])
    >>> rg.nn.MultiClassHingeLoss()(x, y), rg.nn.MultiClassHingeLoss(form="max")(x, y)
    (tensor(5.), tensor(3.))
    """

    settings = ("margin", "form")

    def __init__(self, margin: float = 1.0, form: str = "sum", reduction: str = "mean") -> None:
        super().__init__(reduction)
        if form not in ("sum", "max"):
            raise ValueError(f"MultiClassHingeLoss: form must be 'sum' or 'max', got {form!r}")
        self.margin, self.form = margin, form

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        op = "MultiClassHingeLoss"
        x, y = as_tensor_arg(input, op), as_tensor_arg(target, op)
        check_float(op, input=x)
        if x.ndim not in (1, 2) or x.shape[-1] < 2:
            raise ShapeError(f"{op}: scores (N, C) or (C,) of at least 2 classes are expected, got {tuple(x.shape)}")
        check_class_labels(op, y, tuple(x.shape[:-1]), x.shape[-1])
        at = y.long().unsqueeze(-1)  # (N, 1)
        own = x.gather(-1, at)
        excess = (x - own + self.margin).scatter(-1, at, -float("inf"))  # (N, C), the own class out of it
        loss = excess.relu().sum(-1) if self.form == "sum" else excess.amax(-1).relu()
        return reduced(loss, self.reduction)
