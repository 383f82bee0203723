"""Losses of pairs, triplets and margins as layers; the functions are in `nn.functional`."""

from __future__ import annotations

from ...autograd import Tensor
from .. import functional as F
from .reduction import _Loss, _WeightedLoss

__all__ = [
    "CosineEmbeddingLoss", "HingeEmbeddingLoss", "MarginRankingLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss",
    "SoftMarginLoss", "TripletMarginLoss",
]  # fmt: skip


class _MarginLoss(_Loss):
    margin: float

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin


class HingeEmbeddingLoss(_MarginLoss):
    """x where the label is 1, `max(0, margin - x)` where it is -1; x is a distance.

    >>> import retrograd as rg
    >>> rg.nn.HingeEmbeddingLoss()(rg.tensor([0.25, 0.25]), rg.tensor([1.0, -1.0]))
    tensor(0.5000)
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_MarginLoss):
    """`1 - cos(x1, x2)` where the label is 1, `max(0, cos(x1, x2) - margin)` where it is -1.

    Shapes: inputs `(N, D)` or `(D,)`, target `(N,)` or `()`.

    >>> import retrograd as rg
    >>> x = rg.tensor([[1.0, 0.0]])
    >>> rg.nn.CosineEmbeddingLoss()(x, x, rg.tensor([1.0]))
    tensor(0.)
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_MarginLoss):
    """`max(0, -y * (x1 - x2) + margin)`: y = 1 asks x1 to rank above x2, y = -1 below.

    >>> import retrograd as rg
    >>> rg.nn.MarginRankingLoss()(rg.tensor([1.0]), rg.tensor([3.0]), rg.tensor([1.0]))
    tensor(2.)
    """

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """`log(1 + exp(-y * x))` for labels 1 and -1.

    >>> import retrograd as rg
    >>> rg.nn.SoftMarginLoss()(rg.tensor([0.0]), rg.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """Binary cross-entropy of raw scores, averaged over the classes, for samples with several labels.

    Shapes: input and target `(N, C)`; weight `(C,)`.

    >>> import retrograd as rg
    >>> rg.nn.MultiLabelSoftMarginLoss()(rg.zeros(1, 3), rg.ones(1, 3))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """Multi-class hinge: `sum over i != y of max(0, margin - x[y] + x[i])**p / C`.

    Shapes: input `(N, C)` or `(C,)`, target `(N,)` or `()`; weight `(C,)`.

    >>> import retrograd as rg
    >>> rg.nn.MultiMarginLoss()(rg.tensor([[0.0, 2.0]]), rg.tensor([0]))
    tensor(1.5000)
    """

    p: int
    margin: float

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if weight is not None and weight.ndim != 1:
            raise ValueError(f"MultiMarginLoss: expected weight to be None or 1D tensor, got {weight.ndim}D instead")
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


class TripletMarginLoss(_MarginLoss):
    """`max(0, d(anchor, positive) - d(anchor, negative) + margin)` with the p-norm distance d.

    swap: take the smaller of d(anchor, negative) and d(positive, negative). Shapes: `(N, D)` or `(D,)`.

    Balntas et al., "Learning shallow convolutional feature descriptors with triplet losses", BMVC 2016.

    >>> import retrograd as rg
    >>> a, b = rg.zeros(1, 2), rg.tensor([[3.0, 4.0]])
    >>> rg.nn.TripletMarginLoss(margin=6.0, eps=0.0)(a, a, b)
    tensor(1.)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead")
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor, positive, negative, margin=self.margin, p=self.p, eps=self.eps, swap=self.swap,
            reduction=self.reduction,
        )  # fmt: skip
