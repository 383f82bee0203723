"""Bernoulli: 0 or 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.grad_mode import no_grad
from ...autograd.ops.ranges import arange
from ...autograd.ops.sample import bernoulli
from ...autograd.ops.special_logs import logit
from ...autograd.ops.where import where
from .. import functional as F
from . import constraints
from .binary import BinaryParameter
from .exp_family import ExponentialFamily
from .utils import broadcast_all

__all__ = ["Bernoulli"]


class Bernoulli(BinaryParameter, ExponentialFamily):
    """1 with probability `probs` (or sigmoid(`logits`)), else 0; give one of the two, a number or a tensor.

    >>> import retrograd as rg
    >>> d = rg.distributions.Bernoulli(0.25)
    >>> d.log_prob(rg.tensor(1.0)), d.entropy()
    (tensor(-1.3863), tensor(0.5623))
    """

    arg_constraints: Any = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(self._set_parameter(probs, logits), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameter expanded."""
        new = self._get_checked_instance(Bernoulli, _instance)
        self._expand_parameter(new, batch_shape)
        return self._expanded(new, batch_shape)

    @property
    def mean(self) -> Tensor:
        """p."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The more probable of 0 and 1; NaN for p = 1 / 2."""
        return where(self.probs == 0.5, math.nan, (self.probs >= 0.5).type_as(self.probs))

    @property
    def variance(self) -> Tensor:
        """p (1 - p)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Zeros and ones."""
        with no_grad():
            return bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """log p for 1, log(1 - p) for 0."""
        logits, value = broadcast_all(self.logits, self._checked(value))
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """-p log p - (1 - p) log(1 - p)."""
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1."""
        values = arange(2, dtype=self._param.dtype, device=self._param.device)
        return spread(values, self._batch_shape, expand)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (logit(self.probs),)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        return -F.logsigmoid(-natural_params[0])


def spread(values: Tensor, batch_shape: Sequence[int], expand: bool) -> Tensor:
    """Values (n,) along dimension 0 of a batch: its other dimensions are 1, or the batch's if `expand`."""
    values = values.view((-1, *(1 for _ in batch_shape)))
    return values.expand((-1, *batch_shape)) if expand else values
