"""GeneralizedPareto: what exceeds a high threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.compare import isclose
from ...autograd.ops.create import zeros_like
from ...autograd.ops.math import exp, expm1, log, log1p
from ...autograd.ops.where import where
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, scalar_shape, standard_uniform

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """The generalized Pareto distribution of threshold `loc`, `scale` > 0 and shape `concentration` c.

    F(x) = 1 - (1 + c z)^(-1 / c) with z = (x - loc) / scale >= 0, and 1 - exp(-z) for c = 0. For c < 0 it ends at
    loc - scale / c. The mean exists for c < 1, the variance for c < 1 / 2; else they are NaN.

    >>> import retrograd as rg
    >>> d = rg.distributions.GeneralizedPareto(0.0, 1.0, 0.5)
    >>> d.mean, d.cdf(rg.tensor(2.0))
    (tensor(2.), tensor(0.7500))
    """

    arg_constraints: Any = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True

    def __init__(
        self,
        loc: Tensor | float,
        scale: Tensor | float,
        concentration: Tensor | float,
        validate_args: bool | None = None,
    ) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(scalar_shape(self.loc, loc, scale, concentration), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded."""
        return self._expand_into(GeneralizedPareto, batch_shape, _instance, "loc", "scale", "concentration")

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        """From loc on, up to loc - scale / c for c < 0."""
        upper = where(self.concentration < 0, self.loc - self.scale / self.concentration, math.inf)
        return constraints.interval(self.loc, upper)

    def _shape(self) -> tuple[Tensor, Tensor]:
        """(where c is 0, c with 1 in these places)."""
        zero = isclose(self.concentration, zeros_like(self.concentration))
        return zero, where(zero, 1.0, self.concentration)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Quantiles of uniform numbers."""
        return self.icdf(standard_uniform(self._extended_shape(sample_shape), self.loc))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        z = (self._checked(value) - self.loc) / self.scale
        zero, c = self._shape()
        power = 1 / c + 1
        term = where(power == 0, 0.0, power * log1p(c * z))  # c = -1 is the uniform distribution
        return -self.scale.log() - where(zero, z, term)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """log(1 - F(x))."""
        z = (self._checked(value) - self.loc) / self.scale
        zero, c = self._shape()
        return where(zero, -z, -log1p(c * z) / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """log F(x)."""
        return log1p(-exp(self.log_survival_function(value)))

    def cdf(self, value: Tensor) -> Tensor:
        """F(x)."""
        return -expm1(self.log_survival_function(value))

    def icdf(self, value: Tensor) -> Tensor:
        """The quantiles of the probabilities `value`."""
        zero, c = self._shape()
        log_rest = log1p(-value)
        return self.loc + where(zero, -self.scale * log_rest, self.scale / c * expm1(-c * log_rest))

    @property
    def mean(self) -> Tensor:
        """loc + scale / (1 - c)."""
        valid = self.concentration < 1
        c = where(valid, self.concentration, 0.5)
        return where(valid, self.loc + self.scale / (1 - c), math.nan)

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """scale^2 / ((1 - c)^2 (1 - 2 c))."""
        valid = self.concentration < 0.5
        c = where(valid, self.concentration, 0.25)
        return where(valid, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), math.nan)

    def entropy(self) -> Tensor:
        """log scale + c + 1."""
        return log(self.scale) + self.concentration + 1
