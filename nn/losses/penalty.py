"""Penalties to be added to a loss: on weights (L1, L2, elastic net), on activities, on attention that overlooks places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import ShapeError
from ..modules.module import Module
from .base import Loss, check_float, reduced

__all__ = [
    "ActivityPenalty", "DoublyStochasticPenalty", "ElasticNetPenalty", "L1Penalty", "L2Penalty", "SparsityPenalty",
]  # fmt: skip


def _weights(op: str, weights: Any, biases: bool) -> list[Tensor]:
    """The tensors to be penalized: of a module its parameters with 2 dimensions or more, or all."""
    if isinstance(weights, Module):
        found: list[Tensor] = [p for p in weights.parameters() if p.requires_grad and (biases or p.ndim > 1)]
    elif isinstance(weights, Tensor):
        found = [weights]
    else:
        found = list(weights)
    if not found:
        raise ValueError(f"{op}: there are no weights to penalize; give a module with trainable weights, or tensors")
    for x in found:
        check_float(op, weights=as_tensor_arg(x, op))
    return found


class ElasticNetPenalty(Module):
    r"""$\lambda_1 \sum |w| + \frac{\lambda_2}{2} \sum w^2$ over all weights: zeroes of L1 with the stability of L2.

    Call it with a module (its trainable parameters of 2 dimensions or more; with biases=True all of them: penalizing
    biases and the scales of normalizations makes a model underfit), with a tensor, or with several.

    Zou, Hastie, "Regularization and variable selection via the elastic net", 2005.

    >>> import retrograd as rg
    >>> rg.nn.ElasticNetPenalty(l1=1.0, l2=1.0)(rg.tensor([3.0, -4.0]))  # 7 + 25 / 2
    tensor(19.5000)
    """

    def __init__(self, l1: float = 0.01, l2: float = 0.01, biases: bool = False) -> None:
        super().__init__()
        if not l1 >= 0 or not l2 >= 0:
            raise ValueError(f"{type(self).__name__}: the factors must not be negative, got l1={l1} and l2={l2}")
        self.l1, self.l2, self.biases = l1, l2, biases

    def extra_repr(self) -> str:
        return f"l1={self.l1}, l2={self.l2}, biases={self.biases}"

    def forward(self, weights: Module | Tensor | Iterable[Tensor]) -> Tensor:
        total: Any = 0
        for w in _weights(type(self).__name__, weights, self.biases):
            if self.l1:
                total = total + self.l1 * w.abs().sum()
            if self.l2 or not self.l1:
                total = total + (self.l2 / 2) * (w * w).sum()
        return total


class L1Penalty(ElasticNetPenalty):
    r"""$\lambda \sum |w|$ over all weights, which draws many of them to exactly 0 (the lasso).

    Its gradient is $\lambda\,sign(w)$, 0 at 0. What it is called with, and biases: see `ElasticNetPenalty`.

    Tibshirani, "Regression shrinkage and selection via the lasso", 1996.

    >>> import retrograd as rg
    >>> rg.nn.L1Penalty(0.5)(rg.tensor([3.0, -4.0]))
    tensor(3.5000)
    """

    def __init__(self, weight: float = 0.01, biases: bool = False) -> None:
        super().__init__(l1=weight, l2=0.0, biases=biases)


class L2Penalty(ElasticNetPenalty):
    r"""$\frac{\lambda}{2} \sum w^2$ over all weights (ridge, Tikhonov): its gradient is $\lambda w$, plain weight decay.

    With SGD it equals `weight_decay=weight`; with adaptive optimizers it differs from decoupled decay (AdamW). What it
    is called with, and biases: see `ElasticNetPenalty`.

    Krogh, Hertz, "A simple weight decay can improve generalization", 1991.

    >>> import retrograd as rg
    >>> rg.nn.L2Penalty(0.5)(rg.tensor([3.0, -4.0]))
    tensor(6.2500)
    """

    def __init__(self, weight: float = 0.01, biases: bool = False) -> None:
        super().__init__(l1=0.0, l2=weight, biases=biases)


class ActivityPenalty(Loss):
    r"""$\lambda \sum_j |a_j|^p$ of a layer's output, for each sample: keeps activities small (p = 2) or sparse (p = 1).

    weight: lambda. p: 1 or 2. Shapes: activities `(N, ...)`; reduction 'none' gives `(N,)`, 'mean' their mean.

    >>> import retrograd as rg
    >>> rg.nn.ActivityPenalty(0.1)(rg.tensor([[1.0, -2.0], [0.0, 3.0]]))  # 0.1 * (3 + 3) / 2
    tensor(0.3000)
    """

    settings = ("weight", "p")

    def __init__(self, weight: float = 0.01, p: int = 1, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if p not in (1, 2):
            raise ValueError(f"ActivityPenalty: p must be 1 or 2, got {p}")
        self.weight, self.p = weight, p

    def forward(self, input: Tensor) -> Tensor:
        x = _activities("ActivityPenalty", input)
        each = x.abs() if self.p == 1 else x * x
        return self.weight * reduced(each.flatten(1).sum(1), self.reduction)


class SparsityPenalty(Module):
    r"""$\beta \sum_j \rho\log\frac{\rho}{\hat\rho_j} + (1-\rho)\log\frac{1-\rho}{1-\hat\rho_j}$: each unit is to be rarely on.

    $\hat\rho_j$ is the mean of unit j over the batch (and over all dimensions but the second); the sum is the
    Kullback-Leibler divergence from the wanted rate $\rho$ and 0 where every unit has it. Activities lie in (0, 1), as
    those of a sigmoid do; means are kept eps away from 0 and 1.

    rho: the wanted rate in (0, 1). weight: beta. Shapes: activities `(N, C)` or `(N, C, d1, ...)`.

    Ng, "Sparse autoencoder", CS294A lecture notes, 2011.

    >>> import retrograd as rg
    >>> rg.nn.SparsityPenalty(rho=0.5)(rg.tensor([[0.25, 0.0], [0.75, 1.0]]))
    tensor(0.)
    """

    def __init__(self, rho: float = 0.05, weight: float = 1.0, eps: float = 1e-7) -> None:
        super().__init__()
        if not 0 < rho < 1:
            raise ValueError(f"SparsityPenalty: rho is a rate in (0, 1), got {rho}")
        self.rho, self.weight, self.eps = rho, weight, eps

    def extra_repr(self) -> str:
        return f"rho={self.rho}, weight={self.weight}"

    def forward(self, input: Tensor) -> Tensor:
        x = _activities("SparsityPenalty", input)
        mean = x.mean(tuple(d for d in range(x.ndim) if d != 1)).clamp(self.eps, 1 - self.eps)  # (C,)
        rho = self.rho
        divergence = rho * (rho / mean).log() + (1 - rho) * ((1 - rho) / (1 - mean)).log()
        return self.weight * divergence.sum()


def _activities(op: str, input: Any) -> Tensor:
    x = as_tensor_arg(input, op)
    check_float(op, input=x)
    if x.ndim < 2:
        raise ShapeError(f"{op}: activities (N, C) or (N, C, d1, ...) are expected, got {tuple(x.shape)}")
    return x


class DoublyStochasticPenalty(Loss):
    r"""$\lambda \sum_i (1 - \sum_t \alpha_{ti})^2$: over all steps t, attention is to visit every place i about equally.

    Attention weights sum to 1 over the places at each step (softmax); this asks that they sum to `target` over the
    steps as well.

    weight: lambda. target: 1 in the paper; T / L for T steps over L places is what can be reached. Shapes: attention
    `(N, T, L)` or `(T, L)`; reduction 'none' gives `(N,)`, 'mean' their mean.

    Xu et al., "Show, attend and tell: neural image caption generation with visual attention", ICML 2015.

    >>> import retrograd as rg
    >>> even, stuck = rg.eye(2), rg.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> rg.nn.DoublyStochasticPenalty()(rg.stack([even, stuck])), rg.nn.DoublyStochasticPenalty()(stuck)
    (tensor(1.), tensor(2.))
    """

    settings = ("weight", "target")

    def __init__(self, weight: float = 1.0, target: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight, self.target = weight, target

    def forward(self, attention: Tensor) -> Tensor:
        op = "DoublyStochasticPenalty"
        a = as_tensor_arg(attention, op)
        check_float(op, attention=a)
        if a.ndim not in (2, 3):
            raise ShapeError(f"{op}: attention (N, T, L) or (T, L) is expected, got {tuple(a.shape)}")
        return self.weight * reduced(((self.target - a.sum(-2)) ** 2).sum(-1), self.reduction)
