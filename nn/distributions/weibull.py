"""Weibull: lifetimes whose rate of failure is a power of their age."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.create import ones_like
from ...autograd.ops.math import exp, log
from ...autograd.ops.special_gamma import lgamma
from . import constraints
from .exponential import Exponential
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, PowerTransform
from .utils import broadcast_all, euler_constant

__all__ = ["Weibull"]


class Weibull(TransformedDistribution):
    """The Weibull distribution of `scale` > 0 and `concentration` c > 0: F(x) = 1 - exp(-(x / scale)^c).

    >>> import retrograd as rg
    >>> d = rg.distributions.Weibull(1.0, 2.0)
    >>> d.mean, d.log_prob(rg.tensor(1.0))
    (tensor(0.8862), tensor(-0.3069))
    """

    arg_constraints: Any = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    def __init__(self, scale: Tensor | float, concentration: Tensor | float, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        self.concentration_reciprocal = self.concentration.reciprocal()
        base = Exponential(ones_like(self.scale), validate_args=validate_args)
        super().__init__(base, self._made_of(), validate_args=validate_args)

    def _made_of(self) -> list[Any]:
        return [PowerTransform(self.concentration_reciprocal), AffineTransform(0, self.scale)]

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded."""
        new = self._get_checked_instance(Weibull, _instance)
        new.scale = self.scale.expand(tuple(batch_shape))
        new.concentration = self.concentration.expand(tuple(batch_shape))
        new.concentration_reciprocal = new.concentration.reciprocal()
        new.base_dist = self.base_dist.expand(batch_shape)
        new.transforms = new._made_of()
        return self._expanded(new, batch_shape)

    @property
    def mean(self) -> Tensor:
        """scale Gamma(1 + 1 / c)."""
        return self.scale * exp(lgamma(1 + self.concentration_reciprocal))

    @property
    def mode(self) -> Tensor:
        """scale (1 - 1 / c)^(1 / c)."""
        return self.scale * ((self.concentration - 1) / self.concentration) ** self.concentration_reciprocal

    @property
    def variance(self) -> Tensor:
        """scale^2 (Gamma(1 + 2 / c) - Gamma(1 + 1 / c)^2)."""
        r = self.concentration_reciprocal
        return self.scale.pow(2) * (exp(lgamma(1 + 2 * r)) - exp(2 * lgamma(1 + r)))

    def entropy(self) -> Tensor:
        """Euler's constant times (1 - 1 / c), plus log(scale / c) + 1."""
        r = self.concentration_reciprocal
        return euler_constant * (1 - r) + log(self.scale * r) + 1
