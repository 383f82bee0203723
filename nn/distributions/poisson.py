"""Poisson: counts of independent events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.grad_mode import no_grad
from ...autograd.ops.math import exp, log
from ...autograd.ops.sample import poisson
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all, scalar_shape

__all__ = ["Poisson"]


class Poisson(ExponentialFamily):
    """The Poisson distribution of `rate` >= 0: p(k) = rate^k exp(-rate) / k! for k = 0, 1, ...

    >>> import retrograd as rg
    >>> d = rg.distributions.Poisson(2.0)
    >>> d.mean, d.log_prob(rg.tensor(3.0))
    (tensor(2.), tensor(-1.7123))
    """

    arg_constraints: Any = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Tensor | float, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(scalar_shape(self.rate, rate), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with the rate expanded."""
        return self._expand_into(Poisson, batch_shape, _instance, "rate")

    @property
    def mean(self) -> Tensor:
        """rate."""
        return self.rate

    @property
    def mode(self) -> Tensor:
        """floor(rate)."""
        return self.rate.floor()

    @property
    def variance(self) -> Tensor:
        """rate."""
        return self.rate

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Counts, in the dtype of the rate."""
        with no_grad():
            return poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """k log rate - rate - log k!."""
        rate, value = broadcast_all(self.rate, self._checked(value))
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (log(self.rate),)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        return exp(natural_params[0])
