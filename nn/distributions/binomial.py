"""Binomial: how many of n trials succeed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.grad_mode import no_grad
from ...autograd.ops.binomial import binomial
from ...autograd.ops.math import exp
from ...autograd.ops.ranges import arange
from ...autograd.ops.special_gamma import lgamma
from .. import functional as F
from . import constraints
from .bernoulli import spread
from .binary import BinaryParameter
from .utils import broadcast_all, one_of

__all__ = ["Binomial"]


class Binomial(BinaryParameter):
    """The number of successes in `total_count` trials, each of probability `probs` (or sigmoid(`logits`)).

    p(k) = n! / (k! (n - k)!) p^k (1 - p)^(n - k) for k = 0 ... n.

    >>> import retrograd as rg
    >>> d = rg.distributions.Binomial(4, probs=rg.tensor([0.5, 1.0]))
    >>> d.mean, d.log_prob(rg.tensor([2.0, 4.0]))
    (tensor([2., 4.]), tensor([-0.9808,  0.0000]))
    """

    arg_constraints: Any = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self,
        total_count: Tensor | int = 1,
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
        new = self._get_checked_instance(Binomial, _instance)
        self._expand_parameter(new, batch_shape)
        return self._expand_into(Binomial, batch_shape, new, "total_count")

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """The integers from 0 to n."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        """n p."""
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        """floor((n + 1) p), at most n."""
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Tensor:
        """n p (1 - p)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Counts, in the dtype of the parameter."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of `value` successes."""
        value = self._checked(value)
        n = self.total_count
        choices = lgamma(n + 1) - lgamma(value + 1) - lgamma(n - value + 1)
        return choices + value * self.logits + n * F.logsigmoid(-self.logits)

    def _one_count(self, what: str) -> int:
        n = int(self.total_count.max())
        if not self.total_count.min() == n:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{what}`.")
        return n

    def entropy(self) -> Tensor:
        """By a sum over the support; NotImplementedError where the total counts differ."""
        self._one_count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(exp(log_prob) * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 to n; NotImplementedError where the total counts differ."""
        n = self._one_count("enumerate_support")
        return spread(arange(1 + n, dtype=self._param.dtype, device=self._param.device), self._batch_shape, expand)
