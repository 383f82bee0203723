"""Hard-negative mining: which triplets of a batch, or which negatives of many, are worth a gradient."""

from __future__ import annotations

from ...autograd import Tensor, no_grad
from ...autograd.core import as_tensor_arg
from ...autograd.errors import DtypeError, ShapeError
from ...autograd.ops.ranges import arange
from ...autograd.ops.search import searchsorted
from ...autograd.sampled import sample_by_sample

__all__ = ["batch_hard_triplets", "hard_negative_mask", "semi_hard_triplets"]

_FAR = float("inf")


def _same_class(distances: Tensor, labels: Tensor, op: str) -> Tensor:
    d, y = as_tensor_arg(distances, op), as_tensor_arg(labels, op)
    if d.ndim != 2 or d.shape[0] != d.shape[1]:
        raise ShapeError(f"{op}: distances (B, B) are expected, got {tuple(d.shape)}")
    if tuple(y.shape) != (d.shape[0],):
        raise ShapeError(f"{op}: labels have shape {tuple(y.shape)} but there are {d.shape[0]} embeddings")
    if y.dtype.is_floating_point:
        raise DtypeError(f"{op}: labels are {y.dtype.name}; integers are expected, as in target.long()")
    return y.unsqueeze(0) == y.unsqueeze(1)  # (B, B)


@sample_by_sample
def batch_hard_triplets(distances: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(anchors, positives, negatives): for every anchor the furthest of its class and the nearest of another.

    Anchors that are alone in their class, or whose class is the only one, are left out. Shapes: distances `(B, B)`,
    labels `(B,)`; the results are indices `(T,)`.

    Hermans, Beyer, Leibe, "In defense of the triplet loss for person re-identification", 2017.

    >>> import retrograd as rg
    >>> x = rg.tensor([[0.0], [1.0], [3.0]])
    >>> rg.nn.batch_hard_triplets(rg.cdist(x, x), rg.tensor([0, 0, 1]))
    (tensor([0, 1]), tensor([1, 0]), tensor([2, 2]))
    """
    with no_grad():
        same = _same_class(distances, labels, "batch_hard_triplets")
        d = distances.detach()
        itself = _diagonal(d)
        anchors = ((same & ~itself).any(1) & ~same.all(1)).nonzero().squeeze(1)
        if not anchors.shape[0]:
            return anchors, anchors, anchors
        positives = d.masked_fill(~same | itself, -_FAR).argmax(1)
        negatives = d.masked_fill(same, _FAR).argmin(1)
        return anchors, positives[anchors], negatives[anchors]


@sample_by_sample
def semi_hard_triplets(distances: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(anchors, positives, negatives): every pair of a class with the nearest negative beyond the positive.

    Where no negative is further than the positive, the furthest one serves. Shapes: distances `(B, B)`, labels `(B,)`;
    the results are indices `(T,)`.

    Schroff, Kalenichenko, Philbin, "FaceNet: a unified embedding for face recognition and clustering", CVPR 2015.

    >>> import retrograd as rg
    >>> x = rg.tensor([[0.0], [2.0], [1.0], [4.0]])  # the third lies between the pair: too near for semi-hard
    >>> rg.nn.semi_hard_triplets(rg.cdist(x, x), rg.tensor([0, 0, 1, 2]))
    (tensor([0, 1]), tensor([1, 0]), tensor([3, 3]))
    """
    with no_grad():
        same = _same_class(distances, labels, "semi_hard_triplets")
        d = distances.detach()
        pairs = same & ~_diagonal(d) & ~same.all(1, keepdim=True)
        anchors, positives = pairs.nonzero(as_tuple=True)
        if not anchors.shape[0]:
            return anchors, anchors, anchors
        # Each row's negatives in rising order, the others behind them: a binary search in place of B^3 comparisons.
        ordered, order = d.masked_fill(same, _FAR).sort(1)
        count = (~same).sum(1, keepdim=True)  # (B, 1)
        beyond = searchsorted(ordered, d, right=True)  # (B, B): how many are not further than each
        negatives = order.gather(1, beyond.minimum(count - 1).clamp(min=0))
        return anchors, positives, negatives[anchors, positives]


def _diagonal(d: Tensor) -> Tensor:
    at = arange(d.shape[0], device=d.device)
    return at.unsqueeze(0) == at.unsqueeze(1)


def hard_negative_mask(losses: Tensor, positive: Tensor, ratio: float = 3.0, minimum: int = 0) -> Tensor:
    """A mask of the positives and of the negatives with the largest losses, `ratio` of them for each positive.

    What a detector's many easy background boxes need: `(losses * mask).sum() / mask.sum()`. The count is taken along
    the last dimension, for each image. minimum: so many negatives even where there are few positives. Shapes: losses
    and positive (bool) `(..., A)`; the mask is bool.

    Shrivastava, Gupta, Girshick, "Training region-based object detectors with online hard example mining", CVPR 2016;
    Liu et al., "SSD: single shot multibox detector", ECCV 2016 (3 to 1).

    >>> import retrograd as rg
    >>> losses, positive = rg.tensor([0.1, 0.9, 0.5, 0.7]), rg.tensor([True, False, False, False])
    >>> rg.nn.hard_negative_mask(losses, positive, ratio=2)
    tensor([ True,  True, False,  True])
    """
    op = "hard_negative_mask"
    x, chosen = as_tensor_arg(losses, op), as_tensor_arg(positive, op)
    if x.shape != chosen.shape or not x.ndim:
        raise ShapeError(
            f"{op}: losses {tuple(x.shape)} and positive {tuple(chosen.shape)} must have one shape (..., A)"
        )
    if chosen.dtype.name != "bool":
        raise DtypeError(f"{op}: positive is {chosen.dtype.name}; a mask of bool is expected, as in labels > 0")
    if ratio < 0 or minimum < 0:
        raise ValueError(f"{op}: ratio and minimum must not be negative, got {ratio} and {minimum}")
    with no_grad():
        wanted = (chosen.sum(-1, keepdim=True) * ratio).floor().clamp(min=minimum)
        falling = x.detach().masked_fill(chosen, -_FAR).argsort(-1, descending=True)
        rank = falling.argsort(-1)  # the place of each in the falling order; positives stand last
        return chosen | (rank < wanted)
