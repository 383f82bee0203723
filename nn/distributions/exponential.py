"""Exponential: waiting times of a constant rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.create import zeros_like
from ...autograd.ops.math import expm1, log, log1p
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all, scalar_shape

__all__ = ["Exponential"]


class Exponential(ExponentialFamily):
    """The exponential distribution of `rate` > 0: p(x) = rate exp(-rate x) for x >= 0.

    >>> import retrograd as rg
    >>> d = rg.distributions.Exponential(2.0)
    >>> d.mean, d.log_prob(rg.tensor(0.0))
    (tensor(0.5000), tensor(0.6931))
    """

    arg_constraints: Any = {"rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, rate: Tensor | float, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(scalar_shape(self.rate, rate), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with the rate expanded."""
        return self._expand_into(Exponential, batch_shape, _instance, "rate")

    @property
    def mean(self) -> Tensor:
        """1 / rate."""
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        """0."""
        return zeros_like(self.rate)

    @property
    def stddev(self) -> Tensor:
        """1 / rate."""
        return self.rate.reciprocal()

    @property
    def variance(self) -> Tensor:
        """1 / rate^2."""
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """eps / rate, for standard exponential eps."""
        return self.rate.new_empty(self._extended_shape(sample_shape)).exponential_() / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        """log rate - rate x."""
        value = self._checked(value)
        return self.rate.log() - self.rate * value

    def cdf(self, value: Tensor) -> Tensor:
        """1 - exp(-rate x)."""
        return -expm1(-self.rate * self._checked(value))

    def icdf(self, value: Tensor) -> Tensor:
        """-log(1 - p) / rate."""
        return -log1p(-value) / self.rate

    def entropy(self) -> Tensor:
        """1 - log rate."""
        return 1.0 - log(self.rate)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (-self.rate,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        return -log(-natural_params[0])
