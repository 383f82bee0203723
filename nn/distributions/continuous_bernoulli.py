"""ContinuousBernoulli: numbers in [0, 1] with the density of a Bernoulli distribution's formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.grad_mode import no_grad
from ...autograd.ops.create import full_like
from ...autograd.ops.math import expm1, log, log1p
from ...autograd.ops.where import where
from .. import functional as F
from . import constraints
from .binary import BinaryParameter
from .exp_family import ExponentialFamily
from .utils import all_true, broadcast_all, clamp_probs, lazy_property, logits_to_probs, standard_uniform

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(BinaryParameter, ExponentialFamily):
    """p(x) = C(p) p^x (1 - p)^(1 - x) for x in [0, 1], with `probs` p in (0, 1) or its log odds `logits`.

    Between `lims`, around 1 / 2, where the formulas are 0 / 0, Taylor's are used. Reference: Loaiza-Ganem and Cunningham,
    "The continuous Bernoulli: fixing a pervasive error in variational autoencoders" (2019).

    >>> import retrograd as rg
    >>> d = rg.distributions.ContinuousBernoulli(0.5)
    >>> d.mean, d.log_prob(rg.tensor(0.3))
    (tensor(0.5000), tensor(0.))
    """

    arg_constraints: Any = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    _mean_carrier_measure = 0
    has_rsample = True

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        shape = self._set_parameter(probs, logits)
        if probs is not None:
            if validate_args is not None and not all_true(constraints.unit_interval.check(self._param)):
                raise ValueError("The parameter probs has invalid values")
            self._param = clamp_probs(self._param)
            vars(self)["probs"] = self._param
        self._lims = lims
        super().__init__(shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameter expanded."""
        new = self._get_checked_instance(ContinuousBernoulli, _instance)
        new._lims = self._lims
        self._expand_parameter(new, batch_shape)
        return self._expanded(new, batch_shape)

    @lazy_property
    def probs(self) -> Tensor:
        """sigmoid(logits), moved into the open interval (0, 1)."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _outside_unstable_region(self) -> Tensor:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut_probs(self) -> Tensor:
        """The probabilities, moved out of the region around 1 / 2."""
        return where(self._outside_unstable_region(), self.probs, self._lims[0])

    def _cont_bern_log_norm(self) -> Tensor:
        """log C(p) = log |2 atanh(1 - 2 p) / (1 - 2 p)|."""
        p = self._cut_probs()
        far = log((log1p(-p) - log(p)).abs()) - log((1.0 - 2.0 * p).abs())
        x = (self.probs - 0.5).pow(2)
        return where(self._outside_unstable_region(), far, math.log(2.0) + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self) -> Tensor:
        """p / (2 p - 1) + 1 / log((1 - p) / p)."""
        p = self._cut_probs()
        far = p / (2.0 * p - 1.0) + 1.0 / (log1p(-p) - log(p))
        x = self.probs - 0.5
        return where(self._outside_unstable_region(), far, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.pow(2)) * x)

    @property
    def variance(self) -> Tensor:
        """p (p - 1) / (1 - 2 p)^2 + 1 / log((1 - p) / p)^2."""
        p = self._cut_probs()
        far = p * (p - 1.0) / (1.0 - 2.0 * p).pow(2) + 1.0 / (log1p(-p) - log(p)).pow(2)
        x = (self.probs - 0.5).pow(2)
        return where(self._outside_unstable_region(), far, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Quantiles of uniform numbers, without a gradient."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Quantiles of uniform numbers."""
        return self.icdf(standard_uniform(self._extended_shape(sample_shape), self.probs))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        logits, value = broadcast_all(self.logits, self._checked(value))
        return self._cont_bern_log_norm() - F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def cdf(self, value: Tensor) -> Tensor:
        """(p^x (1 - p)^(1 - x) + p - 1) / (2 p - 1)."""
        value = self._checked(value)
        p = self._cut_probs()
        far = (p.pow(value) * (1.0 - p).pow(1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inside = where(self._outside_unstable_region(), far, value)
        return where(value <= 0.0, 0.0, where(value >= 1.0, 1.0, inside))

    def icdf(self, value: Tensor) -> Tensor:
        """The quantiles of the probabilities `value`."""
        p = self._cut_probs()
        far = (log1p(-p + value * (2.0 * p - 1.0)) - log1p(-p)) / (log(p) - log1p(-p))
        return where(self._outside_unstable_region(), far, value)

    def entropy(self) -> Tensor:
        """mean (log(1 - p) - log p) - log C(p) - log(1 - p)."""
        fail = log1p(-self.probs)
        return self.mean * (fail - log(self.probs)) - self._cont_bern_log_norm() - fail

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        (x,) = natural_params
        outside = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        cut = where(outside, x, full_like(x, self._lims[0] - 0.5))
        far = log(expm1(cut).abs()) - log(cut.abs())
        return where(outside, far, 0.5 * x + x.pow(2) / 24.0 - x.pow(4) / 2880.0)
