"""Dirichlet: points of the simplex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.gamma_draws import _sample_dirichlet
from ...autograd.ops.special_gamma import digamma, lgamma
from ...autograd.ops.special_logs import xlogy
from ...autograd.ops.where import where
from ...autograd.size import Size
from .. import functional as F
from . import constraints
from .exp_family import ExponentialFamily

__all__ = ["Dirichlet"]


class Dirichlet(ExponentialFamily):
    """The Dirichlet distribution of vectors (..., K) on the simplex, with `concentration` a (..., K) > 0.

    p(x) is proportional to the product of x_i^(a_i - 1). Samples are differentiable: coordinate i moves with a_i as a beta
    draw at a fixed quantile, the others in proportion. Raises ValueError for a concentration without dimensions.

    >>> import retrograd as rg
    >>> d = rg.distributions.Dirichlet(rg.tensor([1.0, 2.0, 5.0]))
    >>> d.mean, d.log_prob(rg.tensor([0.2, 0.3, 0.5]))
    (tensor([0.1250, 0.2500, 0.6250]), tensor(1.3705))
    """

    arg_constraints: Any = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameter expanded."""
        new = self._get_checked_instance(Dirichlet, _instance)
        new.concentration = self.concentration.expand(Size(batch_shape) + self.event_shape)
        return self._expanded(new, batch_shape)

    @property
    def mean(self) -> Tensor:
        """a_i / sum a."""
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        """(a_i - 1) / (sum a - K), with what is negative at 0; a corner where all a_i are below 1."""
        above = (self.concentration - 1).clamp(min=0.0)
        inside = above / above.sum(-1, True)
        corner = F.one_hot(inside.argmax(-1), above.shape[-1]).type_as(above)
        return where((self.concentration < 1).all(-1, keepdim=True), corner, inside)

    @property
    def variance(self) -> Tensor:
        """a_i (s - a_i) / (s^2 (s + 1)), with s = sum a."""
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Points of the simplex, differentiable in the concentration."""
        return _sample_dirichlet(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        value = self._checked(value)
        a = self.concentration
        return xlogy(a - 1.0, value).sum(-1) + lgamma(a.sum(-1)) - lgamma(a).sum(-1)

    def entropy(self) -> Tensor:
        """log B(a) + (s - K) psi(s) - sum (a_i - 1) psi(a_i), with s = sum a."""
        a, total = self.concentration, self.concentration.sum(-1)
        log_beta = lgamma(a).sum(-1) - lgamma(total)
        return log_beta + (total - a.shape[-1]) * digamma(total) - ((a - 1.0) * digamma(a)).sum(-1)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.concentration,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        (x,) = natural_params
        return x.lgamma().sum(-1) - lgamma(x.sum(-1))
