"""Losses over sequences, label sets and large vocabularies: CTC, multi-label margin, adaptive softmax, ..."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ...autograd import Tensor
from ...autograd.errors import ShapeError
from .. import functional as F
from .container import ModuleList, Sequential
from .distance import PairwiseDistance
from .linear import Linear
from .loss import NLLLoss
from .module import Module
from .reduction import _Loss, _WeightedLoss

__all__ = [
    "AdaptiveLogSoftmaxWithLoss", "CTCLoss", "LinearCrossEntropyLoss", "LinearCrossEntropyOptions",
    "MultiLabelMarginLoss", "NLLLoss2d", "TripletMarginWithDistanceLoss",
]  # fmt: skip


class NLLLoss2d(NLLLoss):
    """The older name of `NLLLoss` for images.

    >>> import retrograd as rg
    >>> rg.nn.NLLLoss2d()(rg.zeros(1, 2, 1, 1), rg.zeros(1, 1, 1, dtype=rg.int64))
    tensor(0.)
    """


class CTCLoss(_Loss):
    """-log of the probability of a label sequence, summed over its alignments with the input; see `F.ctc_loss`.

    Shapes: log_probs (T, N, C) or (T, C), targets (N, S) or all in one (sum of lengths,), lengths (N,). zero_infinity:
    0 instead of infinity where no alignment fits. Graves et al., "Connectionist Temporal Classification", 2006.

    >>> import retrograd as rg
    >>> log_probs = rg.full((2, 1, 2), 0.5).log()
    >>> rg.nn.CTCLoss()(log_probs, rg.tensor([[1]]), [2], [1])  # three of four paths spell it
    tensor(0.2877)
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any) -> Tensor:
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )


class MultiLabelMarginLoss(_Loss):
    """`sum of max(0, 1 - (x[y_j] - x[i])) / C` over labels y_j and classes i that are none, up to the first -1.

    Shapes: input and target (N, C) or (C,); target int64.

    >>> import retrograd as rg
    >>> rg.nn.MultiLabelMarginLoss()(rg.tensor([[0.1, 0.2, 0.4, 0.8]]), rg.tensor([[3, 0, -1, 1]]))
    tensor(0.8500)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class TripletMarginWithDistanceLoss(_Loss):
    """`max(0, d(anchor, positive) - d(anchor, negative) + margin)` with any distance; pairwise by default.

    swap: the negative's distance is that to the nearer of anchor and positive. Balntas et al., 2016.

    >>> import retrograd as rg
    >>> loss = rg.nn.TripletMarginWithDistanceLoss(distance_function=lambda x, y: (x - y).abs().sum(-1))
    >>> loss(rg.zeros(1, 2), rg.ones(1, 2), rg.zeros(1, 2))
    tensor(3.)
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginWithDistanceLoss: margin must be greater than 0, got {margin}")
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin, self.swap = margin, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor, positive, negative, distance_function=self.distance_function, margin=self.margin, swap=self.swap,
            reduction=self.reduction,
        )  # fmt: skip


class ASMoutput(NamedTuple):
    """What `AdaptiveLogSoftmaxWithLoss` returns: the log probability of each target, and the loss."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Softmax over many classes sorted by falling frequency: frequent ones in the head, rare ones in cheaper clusters.

    cutoffs: where each cluster begins; each has a projection to in_features / div_value^i features. Shapes: input
    (N, in_features) or (in_features,), target (N,) or (). Raises ValueError for cutoffs that do not rise within
    1 ... n_classes - 1. Grave et al., "Efficient softmax approximation for GPUs", 2017.

    >>> import retrograd as rg
    >>> softmax = rg.nn.AdaptiveLogSoftmaxWithLoss(32, 20, cutoffs=[5, 10])
    >>> tuple(softmax(rg.zeros(3, 32), rg.tensor([0, 7, 19])).output.shape)
    (3,)
    >>> tuple(softmax.log_prob(rg.zeros(3, 32)).shape)
    (3, 20)
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cuts = list(cutoffs)
        rising = all(a < b for a, b in itertools.pairwise(cuts))
        if not cuts or not rising or cuts[0] <= 0 or cuts[-1] > n_classes - 1 or any(int(c) != c for c in cuts):
            raise ValueError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs must be unique integers in rising order between 1 and "
                f"n_classes-1 = {n_classes - 1}, got {cuts}"
            )
        made = {"device": device, "dtype": dtype}
        self.in_features, self.n_classes, self.cutoffs = in_features, n_classes, [*cuts, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = cuts[0], len(cuts)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail: Any = ModuleList()
        for i, (start, stop) in enumerate(itertools.pairwise(self.cutoffs)):
            size = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, size, bias=False, **made), Linear(size, stop - start, bias=False, **made)
                )
            )

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        self.head.reset_parameters()
        for cluster in self.tail:
            cluster[0].reset_parameters()
            cluster[1].reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> ASMoutput:
        if target_.ndim > 1 or input_.ndim != target_.ndim + 1:
            raise ShapeError(
                "AdaptiveLogSoftmaxWithLoss: expected input (N, in_features) with target (N,), or (in_features,) with (), "
                f"got {tuple(input_.shape)} and {tuple(target_.shape)}"
            )
        single = target_.ndim == 0
        x, target = (input_.unsqueeze(0), target_.unsqueeze(0)) if single else (input_, target_)
        if x.shape[0] != target.shape[0]:
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss: {x.shape[0]} inputs but {target.shape[0]} targets; they need one batch size"
            )
        if bool(((target < 0) | (target >= self.n_classes)).any()):
            raise RuntimeError(
                f"AdaptiveLogSoftmaxWithLoss: target values must lie in [0, {self.n_classes - 1}], found "
                f"[{target.min().item()}, {target.max().item()}]"
            )
        column, found = target.clone(), x.new_zeros(target.shape[0])
        for i, (start, stop) in enumerate(itertools.pairwise(self.cutoffs)):
            rows = ((target >= start) & (target < stop)).nonzero().squeeze(1)
            if rows.numel():
                column = column.index_fill(0, rows, self.shortlist_size + i)
                inside = F.log_softmax(self.tail[i](x.index_select(0, rows)), dim=1)
                own = inside.gather(1, (target.index_select(0, rows) - start).unsqueeze(1)).squeeze(1)
                found = found.index_copy(0, rows, own)
        head = F.log_softmax(self.head(x), dim=1)
        output = found + head.gather(1, column.unsqueeze(1)).squeeze(1)
        loss = -output.mean()
        return ASMoutput(output.squeeze(0) if single else output, loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """The log probabilities of all classes, (N, n_classes), for input (N, in_features)."""
        from ...autograd.ops.join import cat

        head = F.log_softmax(self.head(input), dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i in range(self.n_clusters):
            inside = F.log_softmax(self.tail[i](input), dim=1)
            parts.append(inside + head[:, self.shortlist_size + i].unsqueeze(1))
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row, (N,)."""
        from ...autograd.ops.extremes import argmax

        output = argmax(self.head(input), dim=1)
        rare = output >= self.shortlist_size
        if not bool(rare.any()):
            return output
        rows = rare.nonzero().squeeze(1)
        return output.index_copy(0, rows, argmax(self.log_prob(input.index_select(0, rows)), dim=1))


class LinearCrossEntropyOptions:
    """How PyTorch splits the work of `linear_cross_entropy` into chunks: accepted, and without effect on results here."""

    def __init__(
        self,
        allow_retain_graph: bool = False,
        batch_chunk_size: int | None = None,
        chunking_method: str | None = "auto",
        acc_policy: str = "auto",
        acc_dtype: Any = None,
    ) -> None:
        self.allow_retain_graph, self.batch_chunk_size = allow_retain_graph, batch_chunk_size
        self.chunking_method, self.acc_policy, self.acc_dtype = chunking_method, acc_policy, acc_dtype


class LinearCrossEntropyLoss(_WeightedLoss):
    """Cross-entropy of `linear(input)`: (N, in_features) and classes (N,) -> the loss; see `F.linear_cross_entropy`.

    >>> import retrograd as rg
    >>> loss = rg.nn.LinearCrossEntropyLoss(4, 2)
    >>> loss(rg.zeros(3, 4), rg.tensor([0, 1, 1]))
    tensor(0.6931, grad_fn=<CrossEntropyBackward0>)
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(
                f"LinearCrossEntropyLoss: weight must have shape {(num_classes,)}, got {tuple(weight.shape)}"
            )
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(f"LinearCrossEntropyLoss: label_smoothing must lie in [0, 1], got {label_smoothing}")
        super().__init__(weight=weight, reduction=reduction)
        self.num_classes, self.out_features, self.ignore_index = num_classes, tuple(out_features), ignore_index
        self.label_smoothing, self.options = label_smoothing, options
        rows = math.prod(self.out_features, start=num_classes)
        self.linear = Linear(in_features, rows, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        lead, own = (self.num_classes, *self.out_features), self.linear
        return F.linear_cross_entropy(
            input, own.weight.reshape(*lead, own.in_features), target,
            linear_bias=None if own.bias is None else own.bias.reshape(lead), weight=self.weight,
            reduction=self.reduction, ignore_index=self.ignore_index, label_smoothing=self.label_smoothing,
            options=self.options,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, out_features={self.out_features}, "
            f"bias={self.linear.bias is not None}, reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )
