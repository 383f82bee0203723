"""Uniform: equal density on an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.math import log
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, scalar_shape, standard_uniform

__all__ = ["Uniform"]


class Uniform(Distribution):
    """The uniform distribution on [low, high), with low < high, numbers or tensors that broadcast.

    >>> import retrograd as rg
    >>> d = rg.distributions.Uniform(1.0, 3.0)
    >>> d.mean, d.log_prob(rg.tensor(2.0)), d.cdf(rg.tensor(2.5))
    (tensor(2.), tensor(-0.6931), tensor(0.7500))
    """

    has_rsample = True

    def __init__(self, low: Tensor | float, high: Tensor | float, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(scalar_shape(self.low, low, high), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with low and high expanded."""
        return self._expand_into(Uniform, batch_shape, _instance, "low", "high")

    @property
    def arg_constraints(self) -> Any:
        """low lies below high."""
        return {"low": constraints.less_than(self.high), "high": constraints.greater_than(self.low)}

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """[low, high]."""
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        """(low + high) / 2."""
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        """NaN: every point is as good."""
        return math.nan * self.high

    @property
    def stddev(self) -> Tensor:
        """(high - low) / sqrt(12)."""
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self) -> Tensor:
        """(high - low)^2 / 12."""
        return (self.high - self.low).pow(2) / 12

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """low + u (high - low), for u uniform in [0, 1)."""
        return self.low + standard_uniform(self._extended_shape(sample_shape), self.low) * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        """-log(high - low) inside of [low, high), -inf outside."""
        value = self._checked(value)
        inside = self.low.le(value).type_as(self.low) * self.high.gt(value).type_as(self.low)
        return log(inside) - log(self.high - self.low)

    def cdf(self, value: Tensor) -> Tensor:
        """(x - low) / (high - low), between 0 and 1."""
        value = self._checked(value)
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value: Tensor) -> Tensor:
        """low + p (high - low)."""
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        """log(high - low)."""
        return log(self.high - self.low)
