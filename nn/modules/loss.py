"""Losses as layers, with their settings as attributes; the functions are in `nn.functional`."""

from __future__ import annotations

from ...autograd import Tensor
from .. import functional as F
from .margin import (
    CosineEmbeddingLoss,
    HingeEmbeddingLoss,
    MarginRankingLoss,
    MultiLabelSoftMarginLoss,
    MultiMarginLoss,
    SoftMarginLoss,
    TripletMarginLoss,
)
from .reduction import _Loss, _WeightedLoss

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CosineEmbeddingLoss", "CrossEntropyLoss", "GaussianNLLLoss",
    "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "MarginRankingLoss",
    "MultiLabelSoftMarginLoss", "MultiMarginLoss", "NLLLoss", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss",
    "TripletMarginLoss",
]  # fmt: skip


class L1Loss(_Loss):
    """Mean absolute error: `mean(abs(input - target))`.

    >>> import retrograd as rg
    >>> rg.nn.L1Loss()(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 4.0]))
    tensor(1.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """Mean squared error: `mean((input - target)**2)`.

    >>> import retrograd as rg
    >>> rg.nn.MSELoss()(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """`0.5 * d**2 / beta` where `d = abs(input - target) < beta`, else `d - 0.5 * beta`.

    >>> import retrograd as rg
    >>> rg.nn.SmoothL1Loss()(rg.tensor([0.0]), rg.tensor([1.0]))
    tensor(0.5000)
    """

    beta: float

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """`0.5 * d**2` where `d = abs(input - target) <= delta`, else `delta * (d - 0.5 * delta)`.

    >>> import retrograd as rg
    >>> rg.nn.HuberLoss(delta=2.0)(rg.tensor([0.0]), rg.tensor([4.0]))
    tensor(6.)
    """

    delta: float

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        if not isinstance(delta, (float, int)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class CrossEntropyLoss(_WeightedLoss):
    """Cross-entropy of raw scores (logits) against classes; softmax is inside, so do not apply one before.

    Shapes: input `(C,)`, `(N, C)` or `(N, C, d1, ...)`; target of class indices `()`, `(N,)` or `(N, d1, ...)`, or of
    class probabilities in the shape of the input. weight `(C,)` scales the classes; targets equal to ignore_index
    count nothing; label_smoothing mixes the target with the uniform distribution.

    >>> import retrograd as rg
    >>> rg.nn.CrossEntropyLoss()(rg.zeros(2, 4), rg.tensor([1, 3]))
    tensor(1.3863)
    """

    ignore_index: int
    label_smoothing: float

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """`-input[class]` for log-probabilities, such as `LogSoftmax` gives; shapes as in `CrossEntropyLoss`.

    >>> import retrograd as rg
    >>> rg.nn.NLLLoss()(rg.tensor([[-1.0, -2.0]]), rg.tensor([1]))
    tensor(2.)
    """

    ignore_index: int

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCELoss(_WeightedLoss):
    """`-(y*log(p) + (1-y)*log(1-p))` for probabilities p in `[0, 1]`; logarithms are limited to -100.

    >>> import retrograd as rg
    >>> rg.nn.BCELoss()(rg.tensor([0.5]), rg.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of raw scores; sigmoid is inside, so do not apply one before.

    weight scales the elements, pos_weight the positive part (above 1 raises recall, below 1 precision).

    >>> import retrograd as rg
    >>> rg.nn.BCEWithLogitsLoss()(rg.tensor([0.0]), rg.tensor([1.0]))
    tensor(0.6931)
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """`target * (log(target) - input)` for log-probabilities `input`; log_target says that target is one as well.

    Use reduction='batchmean' for the divergence; 'mean' also divides by the number of classes.

    >>> import retrograd as rg
    >>> p = rg.tensor([[0.5, 0.5]])
    >>> rg.nn.KLDivLoss(reduction="batchmean")(p.log(), p)
    tensor(0.)
    """

    log_target: bool

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(_Loss):
    """`exp(x) - y*x` for counts y and a rate whose logarithm is x (log_input), else `x - y*log(x + eps)`.

    full: add Stirling's approximation of `log(y!)`.

    >>> import retrograd as rg
    >>> rg.nn.PoissonNLLLoss()(rg.tensor([0.0]), rg.tensor([2.0]))
    tensor(1.)
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(_Loss):
    """`0.5 * (log(var) + (input - target)**2 / var)` for a mean and a variance (at least eps) that are predicted.

    full: add the constant `0.5*log(2*pi)`.

    >>> import retrograd as rg
    >>> rg.nn.GaussianNLLLoss()(rg.tensor([0.0]), rg.tensor([2.0]), rg.tensor([1.0]))
    tensor(2.)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(None, None, reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)
