"""Focal losses: cross-entropy that counts well-classified samples less, for a sigmoid and for a softmax."""

from __future__ import annotations

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import ShapeError
from ...autograd.ops.loss import same_shape
from ...autograd.ops.where import where
from .. import functional as F
from .base import Loss, check_class_labels, check_float, reduced, safe_pow

__all__ = ["FocalLoss", "SigmoidFocalLoss"]


def _check_gamma(op: str, gamma: float) -> None:
    if not gamma >= 0:
        raise ValueError(f"{op}: gamma must not be negative, got {gamma}; 0 gives plain cross-entropy")


class SigmoidFocalLoss(Loss):
    r"""Focal loss of independent yes-no scores (logits): $-\alpha_t (1 - p_t)^\gamma \log p_t$.

    $p_t$ is the probability `sigmoid(input)` of the right answer: p where the target is 1, 1 - p where it is 0;
    $\alpha_t$ is alpha or 1 - alpha alike. gamma = 0 without alpha is `BCEWithLogitsLoss`. Targets between 0 and 1 mix
    the two, as in `torchvision.ops.sigmoid_focal_loss`; 1 - p_t is computed without cancellation.

    alpha: the weight of the ones in [0, 1], None for none. gamma: not negative. Shapes: input and target equal, any.

    Lin, Goyal, Girshick, He, Dollár, "Focal loss for dense object detection", ICCV 2017.

    >>> import retrograd as rg
    >>> rg.nn.SigmoidFocalLoss()(rg.tensor([0.0, 4.0]), rg.tensor([1.0, 1.0]))
    tensor(0.0217)
    """

    settings = ("alpha", "gamma")

    def __init__(self, alpha: float | None = 0.25, gamma: float = 2.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        _check_gamma("SigmoidFocalLoss", gamma)
        if alpha is not None and not 0 <= alpha <= 1:
            raise ValueError(f"SigmoidFocalLoss: alpha must lie in [0, 1], or be None for no weighting, got {alpha}")
        self.alpha, self.gamma = alpha, gamma

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        x, y = same_shape("SigmoidFocalLoss", input, target)
        check_float("SigmoidFocalLoss", input=x)
        y = y.to(x.dtype)
        loss = F.binary_cross_entropy_with_logits(x, y, reduction="none")
        if self.gamma:
            # sigmoid(-x) for 1 - p: the difference would lose all digits of a sure answer.
            wrong = y * (-x).sigmoid() + (1 - y) * x.sigmoid()
            loss = loss * safe_pow(wrong, self.gamma)
        if self.alpha is not None:
            loss = loss * (self.alpha * y + (1 - self.alpha) * (1 - y))
        return reduced(loss, self.reduction)


class FocalLoss(Loss):
    r"""Focal loss of one class out of C: $-w_y (1 - p_y)^\gamma \log p_y$ with p the softmax of the scores (logits).

    gamma = 0 is `CrossEntropyLoss`: the weights and the mean (divided by the sum of the weights that count) are those
    of that loss.

    gamma: how fast sure samples fade, not negative. weight: `(C,)`, for the classes ($\alpha$ in the paper).
    ignore_index: targets that count nothing. Shapes: input `(C,)`, `(N, C)` or `(N, C, d1, ...)`; target of class
    indices `()`, `(N,)` or `(N, d1, ...)`.

    Lin, Goyal, Girshick, He, Dollár, "Focal loss for dense object detection", ICCV 2017.

    >>> import retrograd as rg
    >>> rg.nn.FocalLoss(gamma=2.0)(rg.zeros(2, 4), rg.tensor([1, 3]))  # (3/4)^2 log 4
    tensor(0.7798)
    """

    weight: Tensor | None
    settings = ("gamma", "ignore_index")

    def __init__(
        self, gamma: float = 2.0, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        _check_gamma("FocalLoss", gamma)
        self.gamma, self.ignore_index = gamma, ignore_index
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        op = "FocalLoss"
        x, y = as_tensor_arg(input, op), as_tensor_arg(target, op)
        check_float(op, input=x)
        if x.ndim == 0:
            raise ShapeError(f"{op}: input (C,), (N, C) or (N, C, d1, ...) is expected, got a 0-d tensor")
        dim = 1 if x.ndim > 1 else 0
        c = x.shape[dim]
        check_class_labels(op, y, (*x.shape[:dim], *x.shape[dim + 1 :]), c, self.ignore_index)
        weight = self.weight
        if weight is not None and tuple(weight.shape) != (c,):
            raise ShapeError(
                f"{op}: weight has shape {tuple(weight.shape)}; one for each of the {c} classes is expected"
            )
        # -log p_y, and 0 for what is ignored
        loss = F.cross_entropy(x, y, ignore_index=self.ignore_index, reduction="none")
        if self.gamma:
            loss = loss * safe_pow(-(-loss).expm1(), self.gamma)
        keep = y != self.ignore_index
        if weight is None:
            counted = keep.to(loss.dtype)
        else:
            counted = where(keep, weight.to(loss.dtype)[where(keep, y, 0)], 0.0)
        loss = loss * counted
        return loss.sum() / counted.sum() if self.reduction == "mean" else reduced(loss, self.reduction)
