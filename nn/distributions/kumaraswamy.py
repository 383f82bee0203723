"""Kumaraswamy: numbers between 0 and 1 with a distribution function in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.create import ones_like, zeros_like
from ...autograd.ops.math import exp, log
from ...autograd.ops.special_gamma import digamma, lgamma
from ...autograd.ops.where import where
from . import constraints
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, PowerTransform
from .uniform import Uniform
from .utils import broadcast_all, euler_constant

__all__ = ["Kumaraswamy"]


class Kumaraswamy(TransformedDistribution):
    """The Kumaraswamy distribution of `concentration1` a > 0 and `concentration0` b > 0: F(x) = 1 - (1 - x^a)^b.

    The mode is NaN where a or b is below 1.

    >>> import retrograd as rg
    >>> d = rg.distributions.Kumaraswamy(2.0, 1.0)
    >>> d.mean, d.log_prob(rg.tensor(0.5))
    (tensor(0.6667), tensor(0.))
    """

    arg_constraints: Any = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self, concentration1: Tensor | float, concentration0: Tensor | float, validate_args: bool | None = None
    ) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        b = self.concentration0
        base = Uniform(zeros_like(b), ones_like(b), validate_args=validate_args)
        transforms = [
            PowerTransform(b.reciprocal()),
            AffineTransform(1.0, -1.0),
            PowerTransform(self.concentration1.reciprocal()),
        ]
        super().__init__(base, transforms, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded."""
        new = self._get_checked_instance(Kumaraswamy, _instance)
        new.concentration1 = self.concentration1.expand(tuple(batch_shape))
        new.concentration0 = self.concentration0.expand(tuple(batch_shape))
        return super().expand(batch_shape, new)

    def _moment(self, n: int) -> Tensor:
        """The mean of x^n, b B(1 + n / a, b)."""
        first, b = 1 + n / self.concentration1, self.concentration0
        return b * exp(lgamma(first) + lgamma(b) - lgamma(first + b))

    @property
    def mean(self) -> Tensor:
        """b B(1 + 1 / a, b)."""
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        """((a - 1) / (a b - 1))^(1 / a)."""
        a, b = self.concentration1, self.concentration0
        log_mode = a.reciprocal() * (log(a - 1) - log(a * b - 1))
        return where((a < 1) | (b < 1), math.nan, log_mode).exp()

    @property
    def variance(self) -> Tensor:
        """The mean of x^2, less the square of the mean."""
        return self._moment(2) - self.mean.pow(2)

    def entropy(self) -> Tensor:
        """1 - 1 / b + (1 - 1 / a) H(b) - log(a b), with the harmonic number H."""
        a, b = self.concentration1, self.concentration0
        harmonic = digamma(b + 1) + euler_constant
        return (1 - b.reciprocal()) + (1 - a.reciprocal()) * harmonic - log(a) - log(b)
