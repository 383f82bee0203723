# ruff: noqa: N999  (the name of the module in PyTorch)
"""StudentT: the distribution of a mean divided by its estimated error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.math import log1p, rsqrt
from ...autograd.ops.special_gamma import digamma, lgamma
from ...autograd.ops.where import where
from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .utils import broadcast_all, standard_normal

__all__ = ["StudentT"]


class StudentT(Distribution):
    """Student's t distribution with `df` > 0 degrees of freedom, shifted by `loc` and stretched by `scale` > 0.

    p(x) is proportional to (1 + y^2 / df)^(-(df + 1) / 2) for y = (x - loc) / scale. The mean exists for df > 1 (else it
    is NaN), the variance for df > 2 (inf down to 1, then NaN).

    >>> import retrograd as rg
    >>> d = rg.distributions.StudentT(4.0)
    >>> d.variance, d.log_prob(rg.tensor(0.0))
    (tensor(2.), tensor(-0.9808))
    """

    arg_constraints: Any = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(
        self,
        df: Tensor | float,
        loc: Tensor | float = 0.0,
        scale: Tensor | float = 1.0,
        validate_args: bool | None = None,
    ) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df, validate_args=False)
        super().__init__(self.df.size(), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded."""
        new = self._get_checked_instance(StudentT, _instance)
        new._chi2 = self._chi2.expand(batch_shape)
        return self._expand_into(StudentT, batch_shape, new, "df", "loc", "scale")

    @property
    def mean(self) -> Tensor:
        """loc, NaN for df <= 1."""
        return where(self.df <= 1, math.nan, self.loc)

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """scale^2 df / (df - 2), inf for df <= 2, NaN for df <= 1."""
        exists = self.df > 2
        df = where(exists, self.df, 3.0)
        value = where(exists, self.scale.pow(2) * df / (df - 2), math.inf)
        return where(self.df <= 1, math.nan, value)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + scale x / sqrt(z / df), for standard normal x and chi-squared z."""
        x = standard_normal(self._extended_shape(sample_shape), self.df)
        z = self._chi2.rsample(sample_shape)
        return self.loc + self.scale * (x * rsqrt(z / self.df))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        y = (self._checked(value) - self.loc) / self.scale
        half = 0.5 * (self.df + 1.0)
        norm = self.scale.log() + 0.5 * (self.df.log() + math.log(math.pi)) + lgamma(0.5 * self.df) - lgamma(half)
        return -half * log1p(y**2 / self.df) - norm

    def entropy(self) -> Tensor:
        """log scale + (df + 1) / 2 (psi((df + 1) / 2) - psi(df / 2)) + log(df) / 2 + log B(df / 2, 1 / 2)."""
        half = 0.5 * (self.df + 1)
        log_beta = lgamma(0.5 * self.df) + math.lgamma(0.5) - lgamma(half)
        return self.scale.log() + half * (digamma(half) - digamma(0.5 * self.df)) + 0.5 * self.df.log() + log_beta
