"""Cauchy: the distribution without moments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.create import full_like
from ...autograd.ops.math import atan, tan
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, scalar_shape

__all__ = ["Cauchy"]


class Cauchy(Distribution):
    """The Cauchy distribution of median `loc` and half width at half maximum `scale` > 0.

    p(x) = 1 / (pi scale (1 + ((x - loc) / scale)^2)). Mean (NaN) and variance (inf) do not exist.

    >>> import retrograd as rg
    >>> d = rg.distributions.Cauchy(0.0, 1.0)
    >>> d.log_prob(rg.tensor(0.0)), d.cdf(rg.tensor(1.0))
    (tensor(-1.1447), tensor(0.7500))
    """

    arg_constraints: Any = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(scalar_shape(self.loc, loc, scale), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with loc and scale expanded."""
        return self._expand_into(Cauchy, batch_shape, _instance, "loc", "scale")

    @property
    def mean(self) -> Tensor:
        """NaN."""
        return full_like(self.loc, math.nan).expand(self._extended_shape())

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """inf."""
        return full_like(self.loc, math.inf).expand(self._extended_shape())

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + scale eps, for standard Cauchy eps."""
        return self.loc + self.loc.new_empty(self._extended_shape(sample_shape)).cauchy_() * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        value = self._checked(value)
        return -math.log(math.pi) - self.scale.log() - ((value - self.loc) / self.scale).pow(2).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        """atan((x - loc) / scale) / pi + 1 / 2."""
        value = self._checked(value)
        return atan((value - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale tan(pi (p - 1 / 2))."""
        return tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Tensor:
        """log(4 pi scale)."""
        return math.log(4 * math.pi) + self.scale.log()
