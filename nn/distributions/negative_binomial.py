"""NegativeBinomial: successes before so many failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.grad_mode import no_grad
from ...autograd.ops.activation import sigmoid
from ...autograd.ops.math import exp
from ...autograd.ops.sample import poisson
from ...autograd.ops.special_gamma import lgamma
from .. import functional as F
from . import constraints
from .binary import BinaryParameter
from .gamma import Gamma
from .utils import broadcast_all, lazy_property, one_of

__all__ = ["NegativeBinomial"]


class NegativeBinomial(BinaryParameter):
    """The number of successes, of probability `probs` (or sigmoid(`logits`)), before `total_count` >= 0 failures.

    p(k) = Gamma(n + k) / (k! Gamma(n)) (1 - p)^n p^k for k = 0, 1, ...; n need not be whole.

    >>> import retrograd as rg
    >>> d = rg.distributions.NegativeBinomial(3, probs=rg.tensor([0.5]))
    >>> d.mean, d.log_prob(rg.tensor([0.0]))
    (tensor([3.]), tensor([-2.0794]))
    """

    arg_constraints: Any = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self,
        total_count: Tensor | float,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        n, param = broadcast_all(total_count, one_of(probs, logits))
        self.total_count = n.type_as(param)
        self._set_parameter(*((param, None) if logits is None else (None, param)))
        super().__init__(param.size(), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded."""
        new = self._get_checked_instance(NegativeBinomial, _instance)
        self._expand_parameter(new, batch_shape)
        return self._expand_into(NegativeBinomial, batch_shape, new, "total_count")

    @property
    def mean(self) -> Tensor:
        """n p / (1 - p)."""
        return self.total_count * exp(self.logits)

    @property
    def mode(self) -> Tensor:
        """floor((n - 1) p / (1 - p)), at least 0."""
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        """n p / (1 - p)^2."""
        return self.mean / sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Gamma:
        return Gamma(self.total_count, exp(-self.logits), validate_args=False)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Poisson counts of gamma rates."""
        with no_grad():
            return poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of `value` successes."""
        value = self._checked(value)
        n = self.total_count
        log_power = n * F.logsigmoid(-self.logits) + value * F.logsigmoid(self.logits)
        choices = lgamma(n + value) - lgamma(1.0 + value) - lgamma(n)
        return log_power + choices.masked_fill(n + value == 0.0, 0.0)
