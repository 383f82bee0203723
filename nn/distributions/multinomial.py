"""Multinomial: how often each of K categories comes up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.create import ones_like
from ...autograd.ops.math import exp
from ...autograd.ops.special_gamma import lgamma
from ...autograd.ops.where import where
from ...autograd.size import Size
from . import constraints
from .binomial import Binomial
from .categorical import Categorical
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """The counts (..., K) of `total_count` draws of K categories with weights `probs` or their logarithms `logits`.

    p(x) = n! / (x_1! ... x_K!) p_1^x_1 ... p_K^x_K. total_count is an int, the same for the whole batch; another type
    raises NotImplementedError.

    >>> import retrograd as rg
    >>> d = rg.distributions.Multinomial(4, rg.tensor([1.0, 1.0]))
    >>> d.mean, d.log_prob(rg.tensor([2.0, 2.0]))
    (tensor([2., 2.]), tensor(-0.9808))
    """

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        shape = self._categorical.param_shape
        super().__init__(self._categorical.batch_shape, shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameter expanded."""
        new = self._get_checked_instance(Multinomial, _instance)
        new.total_count = self.total_count
        new._categorical = self._categorical.expand(batch_shape)
        return self._expanded(new, batch_shape)

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._categorical._new(*args, **kwargs)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        """Counts that sum to at most n."""
        return constraints.multinomial(self.total_count)

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return self._categorical.logits

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter, (..., K)."""
        return self._categorical.param_shape

    @property
    def mean(self) -> Tensor:
        """n p."""
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        """n p (1 - p)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Counts, in the dtype of the parameter."""
        drawn = self._categorical.sample((self.total_count, *sample_shape)).movedim(0, -1)  # (..., n)
        counts = drawn.new_zeros(self._extended_shape(sample_shape))
        if drawn.numel() == 0:
            return counts.type_as(self.probs.detach())
        return counts.scatter_add(-1, drawn, ones_like(drawn)).type_as(self.probs.detach())

    def entropy(self) -> Tensor:
        """By sums over the binomial distributions of the single counts."""
        n = self.total_count
        binomial = Binomial(n, probs=self.probs, validate_args=False)
        counts = binomial.enumerate_support(expand=False)[1:]
        repeats = (exp(binomial.log_prob(counts)) * lgamma(counts + 1)).sum((0, -1))
        return n * self._categorical.entropy() - math.lgamma(n + 1) + repeats

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of the counts `value`."""
        logits, value = broadcast_all(self.logits, self._checked(value))
        logits = where((value == 0) & (logits == -math.inf), 0.0, logits)  # 0 log 0 is 0
        return lgamma(value.sum(-1) + 1) - lgamma(value + 1).sum(-1) + (logits * value).sum(-1)
