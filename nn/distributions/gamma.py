"""Gamma: sums of exponential numbers, and what lies between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.dtypes import finfo
from ...autograd.grad_mode import no_grad
from ...autograd.ops.create import as_tensor
from ...autograd.ops.gamma_draws import _standard_gamma
from ...autograd.ops.math import log
from ...autograd.ops.special_gamma import digamma, igamma, lgamma
from ...autograd.ops.special_logs import xlogy
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all, scalar_shape

__all__ = ["Gamma"]


class Gamma(ExponentialFamily):
    """The gamma distribution of `concentration` a > 0 and `rate` b > 0.

    p(x) = b^a x^(a - 1) exp(-b x) / Gamma(a) for x > 0. The gradient of `rsample` with respect to the concentration is
    the implicit one. Reference: Figurnov, Mohamed, Mnih, "Implicit reparameterization gradients" (2018).

    >>> import retrograd as rg
    >>> d = rg.distributions.Gamma(2.0, 4.0)
    >>> d.mean, d.mode, d.log_prob(rg.tensor(1.0))
    (tensor(0.5000), tensor(0.2500), tensor(-1.2274))
    """

    arg_constraints: Any = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, concentration: Tensor | float, rate: Tensor | float, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(scalar_shape(self.rate, concentration, rate), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded."""
        return self._expand_into(Gamma, batch_shape, _instance, "concentration", "rate")

    @property
    def mean(self) -> Tensor:
        """a / b."""
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        """(a - 1) / b, at least 0."""
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        """a / b^2."""
        return self.concentration / self.rate.pow(2)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Gamma numbers, differentiable in both parameters; at least the dtype's smallest normal number."""
        shape = self._extended_shape(sample_shape)
        value = _standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        with no_grad():
            value.detach().clamp_(min=finfo(value.dtype).tiny)
        return value

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        value = self._checked(as_tensor(value, dtype=self.rate.dtype, device=self.rate.device))
        a, b = self.concentration, self.rate
        return xlogy(a, b) + xlogy(a - 1, value) - b * value - lgamma(a)

    def cdf(self, value: Tensor) -> Tensor:
        """The regularised incomplete gamma function P(a, b x)."""
        return igamma(self.concentration, self.rate * self._checked(value))

    def entropy(self) -> Tensor:
        """a - log b + log Gamma(a) + (1 - a) psi(a)."""
        a = self.concentration
        return a - log(self.rate) + lgamma(a) + (1.0 - a) * digamma(a)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        return lgamma(x + 1) + (x + 1) * log(-y.reciprocal())
