"""Laplace: two exponential tails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.dtypes import finfo
from ...autograd.ops.math import expm1, log, log1p
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, scalar_shape

__all__ = ["Laplace"]


class Laplace(Distribution):
    """The Laplace distribution of median `loc` and mean distance `scale` > 0 from it.

    p(x) = exp(-|x - loc| / scale) / (2 scale).

    >>> import retrograd as rg
    >>> d = rg.distributions.Laplace(0.0, 1.0)
    >>> d.log_prob(rg.tensor(0.0)), d.cdf(rg.tensor(0.0)), d.variance
    (tensor(-0.6931), tensor(0.5000), tensor(2.))
    """

    arg_constraints: Any = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(scalar_shape(self.loc, loc, scale), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with loc and scale expanded."""
        return self._expand_into(Laplace, batch_shape, _instance, "loc", "scale")

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """2 scale^2."""
        return 2 * self.scale.pow(2)

    @property
    def stddev(self) -> Tensor:
        """sqrt 2 scale."""
        return 2**0.5 * self.scale

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc - scale sign(u) log(1 - |u|), for u uniform in (-1, 1)."""
        u = self.loc.new_empty(self._extended_shape(sample_shape)).uniform_(finfo(self.loc.dtype).eps - 1, 1)
        return self.loc - self.scale * u.sign() * log1p(-u.abs())

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        value = self._checked(value)
        return -log(2 * self.scale) - (value - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        """1 / 2 - sign(x - loc) (exp(-|x - loc| / scale) - 1) / 2."""
        far = self._checked(value) - self.loc
        return 0.5 - 0.5 * far.sign() * expm1(-far.abs() / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        """The quantiles of the probabilities `value`."""
        term = value - 0.5
        return self.loc - self.scale * term.sign() * log1p(-2 * term.abs())

    def entropy(self) -> Tensor:
        """1 + log(2 scale)."""
        return 1 + log(2 * self.scale)
