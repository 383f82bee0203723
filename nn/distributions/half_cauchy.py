"""HalfCauchy: the absolute value of a centred Cauchy number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.create import as_tensor, full_like, zeros_like
from ...autograd.ops.where import where
from . import constraints
from .cauchy import Cauchy
from .transformed_distribution import TransformedDistribution
from .transforms import AbsTransform

__all__ = ["HalfCauchy"]


class HalfCauchy(TransformedDistribution):
    """The distribution of |x| for Cauchy x of median 0 and half width `scale` > 0. Mean and variance are infinite.

    >>> import retrograd as rg
    >>> d = rg.distributions.HalfCauchy(1.0)
    >>> d.log_prob(rg.tensor(0.0)), d.cdf(rg.tensor(1.0))
    (tensor(-0.4516), tensor(0.5000))
    """

    arg_constraints: Any = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, scale: Tensor | float, validate_args: bool | None = None) -> None:
        super().__init__(Cauchy(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its base expanded."""
        return super().expand(batch_shape, self._get_checked_instance(HalfCauchy, _instance))

    @property
    def scale(self) -> Tensor:
        """The half width of x."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        """inf."""
        return full_like(self.scale, math.inf).expand(self._extended_shape())

    @property
    def mode(self) -> Tensor:
        """0."""
        return zeros_like(self.scale)

    @property
    def variance(self) -> Tensor:
        """inf."""
        return self.base_dist.variance

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, -inf below 0."""
        value = as_tensor(self._checked(value), dtype=self.scale.dtype, device=self.scale.device)
        return where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        """2 F(x) - 1 for the Cauchy F."""
        return 2 * self.base_dist.cdf(self._checked(value)) - 1

    def icdf(self, value: Tensor) -> Tensor:
        """The quantiles of the probabilities `value`."""
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Tensor:
        """The Cauchy's, less log 2."""
        return self.base_dist.entropy() - math.log(2)
