"""Categorical: one of K categories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.dtypes import finfo, int64
from ...autograd.ops.create import full
from ...autograd.ops.parts import broadcast_tensors
from ...autograd.ops.ranges import arange
from ...autograd.ops.sample import multinomial
from ...autograd.size import Size
from . import constraints
from .bernoulli import spread
from .distribution import Distribution
from .utils import lazy_property, logits_to_probs, one_of, probs_to_logits

__all__ = ["Categorical"]


class Categorical(Distribution):
    """One of the categories 0 ... K - 1, with weights `probs` (..., K), or unnormalised logarithms of them, `logits`.

    probs need not sum to 1; `.probs` and `.logits` are normalised. Samples are int64. Raises ValueError unless one of the
    two is given, with at least one dimension.

    >>> import retrograd as rg
    >>> d = rg.distributions.Categorical(rg.tensor([1.0, 3.0]))
    >>> d.probs, d.log_prob(rg.tensor([0, 1])), d.entropy()
    (tensor([0.2500, 0.7500]), tensor([-1.3863, -0.2877]), tensor(0.5623))
    """

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        given = one_of(probs, logits)
        name = "logits" if probs is None else "probs"
        if given.dim() < 1:
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        if probs is None:
            self._param = given - given.logsumexp(dim=-1, keepdim=True)
        else:
            self._param = given / given.sum(-1, keepdim=True)
        vars(self)[name] = self._param
        self._num_events = self._param.shape[-1]
        super().__init__(self._param.shape[:-1], validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameter expanded."""
        new = self._get_checked_instance(Categorical, _instance)
        for name in ("probs", "logits"):
            if name in vars(self):
                vars(new)[name] = new._param = vars(self)[name].expand((*batch_shape, self._num_events))
        new._num_events = self._num_events
        return self._expanded(new, batch_shape)

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._param.new(*args, **kwargs)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """The integers from 0 to K - 1."""
        return constraints.integer_interval(0, self._num_events - 1)

    @lazy_property
    def logits(self) -> Tensor:
        """The logarithms of the probabilities."""
        return probs_to_logits(self.probs)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter, (..., K)."""
        return self._param.size()

    @property
    def mean(self) -> Tensor:
        """NaN: categories have none."""
        return full(self._extended_shape(), math.nan, dtype=self.probs.dtype, device=self.probs.device)

    @property
    def mode(self) -> Tensor:
        """The most probable category."""
        return self.probs.argmax(dim=-1)

    @property
    def variance(self) -> Tensor:
        """NaN: categories have none."""
        return self.mean

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Categories, int64."""
        n = Size(sample_shape).numel()
        shape = self._extended_shape(sample_shape)
        if shape.numel() == 0:
            return full(shape, 0, dtype=int64, device=self._param.device)
        drawn = multinomial(self.probs.detach().reshape(-1, self._num_events), n, True)
        return drawn.T.reshape(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of category `value`."""
        value = self._checked(value).long().unsqueeze(-1)
        value, log_probs = broadcast_tensors(value, self.logits)
        return log_probs.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        """-sum p log p, where 0 log 0 is 0."""
        logits = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 to K - 1."""
        values = arange(self._num_events, dtype=int64, device=self._param.device)
        return spread(values, self._batch_shape, expand)
