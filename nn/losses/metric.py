"""Losses that learn a distance: contrastive pairs, squared triplets, and triplets chosen inside a batch."""

from __future__ import annotations

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import ShapeError
from ...autograd.ops.distance import cdist
from .. import functional as F
from .base import Loss, check_equal_shapes, check_float, check_positive, check_values, reduced, safe_sqrt
from .mining import batch_hard_triplets, semi_hard_triplets

__all__ = ["BatchTripletLoss", "ContrastiveLoss", "SquaredTripletLoss"]


class ContrastiveLoss(Loss):
    r"""Pairs that belong together are drawn together, others pushed apart: $\frac{y}{2}d^2 + \frac{1-y}{2}\max(0, m-d)^2$.

    d is the Euclidean distance of the pair; y = 1 says that it belongs together (the paper numbers the labels the other
    way round). At d = 0, where a pair that should part has no direction to part in, the gradient is 0.

    margin: m > 0; pairs further apart count nothing. Shapes: inputs `(N, D)` or `(D,)`, target `(N,)` or `()`. Raises
    ValueError that names a label other than 0 and 1.

    Hadsell, Chopra, LeCun, "Dimensionality reduction by learning an invariant mapping", CVPR 2006.

    >>> import retrograd as rg
    >>> a, b = rg.tensor([[0.0, 0.0], [0.0, 0.0]]), rg.tensor([[3.0, 4.0], [0.6, 0.0]])
    >>> rg.nn.ContrastiveLoss(reduction="none")(a, b, rg.tensor([1, 0]))
    tensor([12.5000,  0.0800])
    """

    settings = ("margin",)

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        check_positive("ContrastiveLoss", margin=margin)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        op = "ContrastiveLoss"
        a, b, y = (as_tensor_arg(x, op) for x in (input1, input2, target))
        check_equal_shapes(op, input1=a, input2=b)
        check_float(op, input1=a, input2=b)
        if a.ndim not in (1, 2) or tuple(y.shape) != tuple(a.shape[:-1]):
            raise ShapeError(
                f"{op}: inputs (N, D) with target (N,), or (D,) with (), are expected, got {tuple(a.shape)} with "
                f"{tuple(y.shape)}"
            )
        check_values(op, "label", y, (0, 1))
        y = y.to(a.dtype)
        square = ((a - b) ** 2).sum(-1)
        apart = (self.margin - safe_sqrt(square)).relu() ** 2
        return reduced((y * square + (1 - y) * apart) / 2, self.reduction)


class SquaredTripletLoss(Loss):
    r"""FaceNet's triplet loss, of squared distances: $\max(0, |a - p|^2 - |a - n|^2 + \alpha)$.

    `TripletMarginLoss` is the form with plain distances. normalize: put the embeddings on the unit sphere first, as the
    paper does. margin: $\alpha > 0$. Shapes: anchor, positive and negative equal, `(N, D)` or `(D,)`.

    Schroff, Kalenichenko, Philbin, "FaceNet: a unified embedding for face recognition and clustering", CVPR 2015.

    >>> import retrograd as rg
    >>> a, p, n = rg.tensor([0.0, 0.0]), rg.tensor([3.0, 0.0]), rg.tensor([0.0, 2.0])
    >>> rg.nn.SquaredTripletLoss(margin=1.0)(a, p, n)  # 9 - 4 + 1
    tensor(6.)
    """

    settings = ("margin", "normalize")

    def __init__(self, margin: float = 0.2, normalize: bool = False, reduction: str = "mean") -> None:
        super().__init__(reduction)
        check_positive("SquaredTripletLoss", margin=margin)
        self.margin, self.normalize = margin, normalize

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        op = "SquaredTripletLoss"
        a, p, n = (as_tensor_arg(x, op) for x in (anchor, positive, negative))
        check_equal_shapes(op, anchor=a, positive=p, negative=n)
        check_float(op, anchor=a, positive=p, negative=n)
        if a.ndim not in (1, 2):
            raise ShapeError(f"{op}: embeddings (N, D) or (D,) are expected, got {tuple(a.shape)}")
        if self.normalize:
            a, p, n = (F.normalize(x, dim=-1) for x in (a, p, n))
        near, far = ((a - p) ** 2).sum(-1), ((a - n) ** 2).sum(-1)
        return reduced((near - far + self.margin).relu(), self.reduction)


class BatchTripletLoss(Loss):
    r"""Triplet loss over triplets that are chosen inside a batch of labelled embeddings.

    mining 'hard': every anchor with the furthest of its class and the nearest of another (Hermans et al.).
    mining 'semi-hard': every pair of a class with the nearest negative that is further than the positive, or, where
    there is none, with the furthest negative (Schroff et al.).

    distance 'euclidean' or 'squared'. margin: the number added, or 'soft' for `log(1 + exp(d_ap - d_an))` in place of
    the hinge. reduction: 'none' gives one loss for each triplet, 'mean' of a batch without any triplet is 0. Shapes:
    embeddings `(B, D)`, labels `(B,)` of integers.

    Hermans, Beyer, Leibe, "In defense of the triplet loss for person re-identification", 2017; Schroff, Kalenichenko,
    Philbin, "FaceNet: a unified embedding for face recognition and clustering", CVPR 2015.

    >>> import retrograd as rg
    >>> x = rg.tensor([[0.0], [1.0], [3.0], [4.0]])
    >>> rg.nn.BatchTripletLoss(margin=2.0, reduction="none")(x, rg.tensor([0, 0, 1, 1]))
    tensor([0., 1., 1., 0.])
    """

    settings = ("margin", "mining", "distance")

    def __init__(
        self,
        margin: float | str = 0.2,
        mining: str = "hard",
        distance: str = "euclidean",
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        op = "BatchTripletLoss"
        if mining not in ("hard", "semi-hard"):
            raise ValueError(f"{op}: mining must be 'hard' or 'semi-hard', got {mining!r}")
        if distance not in ("euclidean", "squared"):
            raise ValueError(f"{op}: distance must be 'euclidean' or 'squared', got {distance!r}")
        if isinstance(margin, str):
            if margin != "soft":
                raise ValueError(f"{op}: margin must be a number or 'soft', got {margin!r}")
        else:
            check_positive(op, margin=margin)
        self.margin, self.mining, self.distance = margin, mining, distance

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        op = "BatchTripletLoss"
        x, y = as_tensor_arg(input, op), as_tensor_arg(target, op)
        check_float(op, input=x)
        if x.ndim != 2:
            raise ShapeError(f"{op}: embeddings (B, D) are expected, got {tuple(x.shape)}")
        distances = cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")  # exact for near and equal rows
        a, p, n = (batch_hard_triplets if self.mining == "hard" else semi_hard_triplets)(distances, y)
        near, far = distances[a, p], distances[a, n]
        if self.distance == "squared":
            near, far = near**2, far**2
        loss = F.softplus(near - far) if isinstance(self.margin, str) else (near - far + self.margin).relu()
        if self.reduction == "mean" and not loss.shape[0]:
            return loss.sum()  # 0, and differentiable
        return reduced(loss, self.reduction)
