"""RelaxedBernoulli: differentiable numbers near 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.create import as_tensor
from .. import functional as F
from . import constraints
from .binary import BinaryParameter
from .transformed_distribution import TransformedDistribution
from .transforms import SigmoidTransform
from .utils import broadcast_all, clamp_probs, standard_uniform

__all__ = ["LogitRelaxedBernoulli", "RelaxedBernoulli"]


class LogitRelaxedBernoulli(BinaryParameter):
    """The log odds of a RelaxedBernoulli number: (logits + logistic noise) / temperature.

    Reference: Maddison, Mnih, Teh, "The concrete distribution" (2017).

    >>> import retrograd as rg
    >>> d = rg.distributions.relaxed_bernoulli.LogitRelaxedBernoulli(rg.tensor(1.0), probs=0.5)
    >>> d.log_prob(rg.tensor(0.0))
    tensor(-1.3863)
    """

    arg_constraints: Any = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.real
    has_rsample = True

    def __init__(
        self,
        temperature: Tensor,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self.temperature = temperature
        super().__init__(self._set_parameter(probs, logits), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameter expanded."""
        new = self._get_checked_instance(LogitRelaxedBernoulli, _instance)
        new.temperature = self.temperature
        self._expand_parameter(new, batch_shape)
        return self._expanded(new, batch_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """(logit(u) + logits) / temperature, for u uniform in (0, 1)."""
        shape = self._extended_shape(sample_shape)
        p = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(standard_uniform(shape, p))
        return (u.log() - (-u).log1p() + p.log() - (-p).log1p()) / self.temperature

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        logits, value = broadcast_all(self.logits, self._checked(value))
        diff = logits - value * self.temperature
        return as_tensor(self.temperature, dtype=value.dtype).log() + diff + 2 * F.logsigmoid(-diff)


class RelaxedBernoulli(TransformedDistribution):
    """Numbers in (0, 1) that approach a Bernoulli distribution for small `temperature`, and have a gradient.

    probs, or logits, are its parameters. Reference: Maddison, Mnih, Teh, "The concrete distribution" (2017).

    >>> import retrograd as rg
    >>> d = rg.distributions.RelaxedBernoulli(rg.tensor(0.5), probs=0.5)
    >>> d.log_prob(rg.tensor(0.5))
    tensor(-0.6931)
    """

    arg_constraints: Any = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self,
        temperature: Tensor,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        base = LogitRelaxedBernoulli(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its base expanded."""
        return super().expand(batch_shape, self._get_checked_instance(RelaxedBernoulli, _instance))

    @property
    def temperature(self) -> Tensor:
        """The temperature."""
        return self.base_dist.temperature

    @property
    def logits(self) -> Tensor:
        """The log odds."""
        return self.base_dist.logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self.base_dist.probs
