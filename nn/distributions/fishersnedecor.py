"""FisherSnedecor: quotients of chi-squared numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.dtypes import finfo
from ...autograd.ops.math import log, log1p
from ...autograd.ops.where import where
from . import constraints
from .distribution import Distribution
from .gamma import Gamma
from .utils import broadcast_all, scalar_shape

__all__ = ["FisherSnedecor"]


class FisherSnedecor(Distribution):
    """The F distribution of `df1` > 0 and `df2` > 0 degrees of freedom: (x1 / df1) / (x2 / df2) for chi-squared x1, x2.

    The mean exists for df2 > 2, the variance for df2 > 4, the mode for df1 > 2; else they are NaN.

    >>> import retrograd as rg
    >>> d = rg.distributions.FisherSnedecor(4.0, 6.0)
    >>> d.mean, d.log_prob(rg.tensor(1.0))
    (tensor(1.5000), tensor(-0.8802))
    """

    arg_constraints: Any = {"df1": constraints.positive, "df2": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, df1: Tensor | float, df2: Tensor | float, validate_args: bool | None = None) -> None:
        self.df1, self.df2 = broadcast_all(df1, df2)
        self._gamma1 = Gamma(self.df1 * 0.5, self.df1, validate_args=False)
        self._gamma2 = Gamma(self.df2 * 0.5, self.df2, validate_args=False)
        super().__init__(scalar_shape(self.df1, df1, df2), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded."""
        new = self._get_checked_instance(FisherSnedecor, _instance)
        new._gamma1, new._gamma2 = self._gamma1.expand(batch_shape), self._gamma2.expand(batch_shape)
        return self._expand_into(FisherSnedecor, batch_shape, new, "df1", "df2")

    @property
    def mean(self) -> Tensor:
        """df2 / (df2 - 2)."""
        df2 = where(self.df2 <= 2, math.nan, self.df2)
        return df2 / (df2 - 2)

    @property
    def mode(self) -> Tensor:
        """(df1 - 2) / df1 df2 / (df2 + 2)."""
        return where(self.df1 <= 2, math.nan, (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2))

    @property
    def variance(self) -> Tensor:
        """2 df2^2 (df1 + df2 - 2) / (df1 (df2 - 2)^2 (df2 - 4))."""
        df2 = where(self.df2 <= 4, math.nan, self.df2)
        return 2 * df2.pow(2) * (self.df1 + df2 - 2) / (self.df1 * (df2 - 2).pow(2) * (df2 - 4))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A quotient of gamma numbers, differentiable in both parameters."""
        tiny = finfo(self.df1.dtype).tiny
        x1, x2 = self._gamma1.rsample(sample_shape), self._gamma2.rsample(sample_shape)
        return (x1 / x2.clamp(min=tiny)).clamp(min=tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        value = self._checked(value)
        a, b, ratio = self.df1 * 0.5, self.df2 * 0.5, self.df1 / self.df2
        norm = (a + b).lgamma() - a.lgamma() - b.lgamma()
        return norm + a * ratio.log() + (a - 1) * log(value) - (a + b) * log1p(ratio * value)
