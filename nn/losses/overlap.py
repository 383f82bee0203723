"""Losses of overlap between predicted and true regions (segmentation): Dice, generalised Dice, Tversky, Jaccard."""

from __future__ import annotations

from typing import Any

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import DtypeError, ShapeError
from ...autograd.ops.where import where
from .. import functional as F
from .base import Loss, check_class_labels, check_float, reduced, safe_pow

__all__ = ["DiceLoss", "GeneralizedDiceLoss", "JaccardLoss", "TverskyLoss"]


class _OverlapLoss(Loss):
    """Predictions as probabilities, targets as a mask for each class, and the sums that all overlaps are made of.

    activation: None if the input holds probabilities, 'softmax' (over dimension 1) or 'sigmoid' if it holds logits.
    smooth: added above and below the fraction. batch: count over the whole batch at once, not image by image.
    ignore_index: pixels of that label count nothing (index targets only).
    """

    def __init__(
        self,
        activation: str | None = None,
        smooth: float = 1e-5,
        batch: bool = False,
        ignore_index: int | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        op = type(self).__name__
        if activation not in (None, "softmax", "sigmoid"):
            raise ValueError(f"{op}: activation must be None, 'softmax' or 'sigmoid', got {activation!r}")
        if not smooth >= 0:
            raise ValueError(f"{op}: smooth must not be negative, got {smooth}")
        self.activation, self.smooth, self.batch, self.ignore_index = activation, smooth, batch, ignore_index

    def operands(self, input: Any, target: Any) -> tuple[Tensor, Tensor]:
        """Probabilities and masks, both `(N, C, pixels)`, or `(1, C, N * pixels)` with `batch`."""
        op = type(self).__name__
        x, y = as_tensor_arg(input, op), as_tensor_arg(target, op)
        check_float(op, input=x)
        if x.ndim < 3:
            raise ShapeError(f"{op}: predictions (N, C, d1, ...) are expected, got {tuple(x.shape)}")
        n, c = x.shape[:2]
        if self.activation is not None:
            x = x.softmax(1) if self.activation == "softmax" else x.sigmoid()
        keep: Any = None
        if x.shape == y.shape:
            if self.ignore_index is not None:
                raise DtypeError(f"{op}: ignore_index={self.ignore_index} needs a target of class indices, not masks")
            y = y.to(x.dtype)
        elif y.ndim == x.ndim - 1:
            check_class_labels(op, y, (n, *x.shape[2:]), c, self.ignore_index)
            if self.ignore_index is not None:
                keep = y != self.ignore_index
                y = where(keep, y, 0)
            y = F.one_hot(y.long(), c).movedim(-1, 1).to(x.dtype)  # (N, d1, ..., C) -> (N, C, d1, ...)
        else:
            raise ShapeError(
                f"{op}: input {tuple(x.shape)} and target {tuple(y.shape)} do not fit; give masks of the input's shape "
                f"or class indices {(n, *x.shape[2:])}"
            )
        if keep is not None:
            kept = keep.unsqueeze(1).to(x.dtype)
            x, y = x * kept, y * kept
        x, y = x.flatten(2), y.flatten(2)
        if self.batch:
            x, y = (t.movedim(1, 0).reshape(1, c, -1) for t in (x, y))
        return x, y

    def ratio(self, above: Tensor, below: Tensor) -> Tensor:
        """above / below, smoothed; 1 where both are 0: nothing there and nothing found is a perfect answer."""
        above, below = above + self.smooth, below + self.smooth
        empty = below == 0
        return where(empty, 1.0, above / where(empty, 1.0, below))


class DiceLoss(_OverlapLoss):
    r"""One minus the Dice coefficient $\frac{2 TP}{2 TP + FP + FN} = \frac{2\sum p t}{\sum p + \sum t}$ of each class.

    squared: $\sum p^2 + \sum t^2$ below, as in V-Net.

    activation: None if the input holds probabilities, 'softmax' or 'sigmoid' if logits. smooth: added above and below
    the fraction. batch: sums over the whole batch, not image by image. ignore_index: pixels with that label count
    nothing. reduction 'none' gives `(N, C)` (`(1, C)` with batch). Shapes: input `(N, C, d1, ...)`; target masks of that
    shape, or class indices `(N, d1, ...)`.

    Milletari, Navab, Ahmadi, "V-Net: fully convolutional neural networks for volumetric medical image segmentation",
    2016.

    >>> import retrograd as rg
    >>> p, t = rg.tensor([[[1.0, 1.0, 0.0]]]), rg.tensor([[[1.0, 0.0, 0.0]]])
    >>> rg.nn.DiceLoss(smooth=0.0)(p, t)  # 1 - 2 / (2 + 1)
    tensor(0.3333)
    """

    settings = ("activation", "smooth", "batch", "ignore_index", "squared")

    def __init__(
        self,
        activation: str | None = None,
        smooth: float = 1e-5,
        squared: bool = False,
        batch: bool = False,
        ignore_index: int | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(activation, smooth, batch, ignore_index, reduction)
        self.squared = squared

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        p, t = self.operands(input, target)
        size = (p * p + t * t if self.squared else p + t).sum(2)
        return reduced(1 - self.ratio(2 * (p * t).sum(2), size), self.reduction)


class TverskyLoss(_OverlapLoss):
    r"""One minus the Tversky index $\frac{TP}{TP + \alpha FP + \beta FN}$ of each class.

    alpha = beta = 1/2 is the Dice loss, alpha = beta = 1 the Jaccard loss; beta above alpha raises the recall. gamma:
    the exponent of the focal Tversky loss, $(1 - TI)^\gamma$. (Some texts swap alpha and beta; here alpha weighs false
    positives, as in the paper.)

    activation, smooth, batch, ignore_index, reduction, shapes: as for `DiceLoss`; smooth is halved, so that the equality
    with Dice is exact.

    Salehi, Erdogmus, Gholipour, "Tversky loss function for image segmentation using 3D fully convolutional deep
    networks", 2017; Abraham, Khan, "A novel focal Tversky loss function with improved attention U-Net", 2019.

    >>> import retrograd as rg
    >>> p, t = rg.tensor([[[1.0, 1.0, 0.0]]]), rg.tensor([[[1.0, 0.0, 0.0]]])
    >>> rg.nn.TverskyLoss(alpha=0.25, beta=0.75, smooth=0.0)(p, t)  # 1 - 1 / (1 + 0.25)
    tensor(0.2000)
    """

    settings = ("alpha", "beta", "gamma", "activation", "smooth", "batch", "ignore_index")

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        gamma: float = 1.0,
        activation: str | None = None,
        smooth: float = 1e-5,
        batch: bool = False,
        ignore_index: int | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(activation, smooth, batch, ignore_index, reduction)
        if not alpha >= 0 or not beta >= 0 or not gamma > 0:
            raise ValueError(
                f"TverskyLoss: alpha and beta must not be negative and gamma be above 0, got {alpha}, {beta}, {gamma}"
            )
        self.alpha, self.beta, self.gamma = alpha, beta, gamma

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        p, t = self.operands(input, target)
        both = (p * t).sum(2)
        wrong, missed = p.sum(2) - both, t.sum(2) - both
        # Twice the fraction's parts: with alpha = beta = 1/2 these are Dice's own sums and smooth.
        index = self.ratio(2 * both, 2 * both + 2 * self.alpha * wrong + 2 * self.beta * missed)
        loss = 1 - index if self.gamma == 1 else safe_pow((1 - index).relu(), self.gamma)
        return reduced(loss, self.reduction)


class JaccardLoss(_OverlapLoss):
    r"""One minus intersection over union, $1 - \frac{TP}{TP + FP + FN}$, of each class's soft masks.

    activation, smooth, batch, ignore_index, reduction, shapes: as for `DiceLoss`. (`IoULoss` is the loss of boxes.)

    Rahman, Wang, "Optimizing intersection-over-union in deep neural networks for image segmentation", 2016.

    >>> import retrograd as rg
    >>> p, t = rg.tensor([[[1.0, 1.0, 0.0]]]), rg.tensor([[[1.0, 0.0, 0.0]]])
    >>> rg.nn.JaccardLoss(smooth=0.0)(p, t)
    tensor(0.5000)
    """

    settings = ("activation", "smooth", "batch", "ignore_index")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        p, t = self.operands(input, target)
        both = (p * t).sum(2)
        return reduced(1 - self.ratio(both, (p + t).sum(2) - both), self.reduction)


class GeneralizedDiceLoss(_OverlapLoss):
    r"""Dice over all classes at once, rare ones weighted up: $1 - \frac{2\sum_k w_k \sum p t}{\sum_k w_k \sum (p + t)}$.

    $w_k = 1 / (\sum t_k)^2$, one over the squared size of class k in the target. A class that is absent there would
    weigh infinitely: it gets the largest weight of the others.

    weighting: 'square' as above, 'simple' for $1 / \sum t_k$, 'uniform' for 1. activation, smooth, batch, ignore_index,
    shapes: as for `DiceLoss`; reduction 'none' gives `(N,)` (`(1,)` with batch).

    Sudre, Li, Vercauteren, Ourselin, Cardoso, "Generalised Dice overlap as a deep learning loss function for highly
    unbalanced segmentations", 2017.

    >>> import retrograd as rg
    >>> p = rg.tensor([[[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]]])
    >>> rg.nn.GeneralizedDiceLoss(smooth=0.0)(p, rg.tensor([[0, 0, 0, 1]]))  # 1 - 2 (2/9 + 1) / (5/9 + 3)
    tensor(0.3125)
    """

    settings = ("activation", "smooth", "batch", "ignore_index", "weighting")

    def __init__(
        self,
        activation: str | None = None,
        smooth: float = 1e-5,
        weighting: str = "square",
        batch: bool = False,
        ignore_index: int | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(activation, smooth, batch, ignore_index, reduction)
        if weighting not in ("square", "simple", "uniform"):
            raise ValueError(
                f"GeneralizedDiceLoss: weighting must be 'square', 'simple' or 'uniform', got {weighting!r}"
            )
        self.weighting = weighting

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        p, t = self.operands(input, target)
        size = t.sum(2)  # (N, C)
        if self.weighting == "uniform":
            weight = size * 0 + 1
        else:
            absent = size == 0
            weight = where(absent, 0.0, 1 / where(absent, 1.0, size * size if self.weighting == "square" else size))
            weight = where(absent, weight.amax(1, keepdim=True), weight)
        both = (weight * (p * t).sum(2)).sum(1)
        return reduced(1 - self.ratio(2 * both, (weight * (p + t).sum(2)).sum(1)), self.reduction)
