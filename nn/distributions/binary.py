"""What the distributions of yes and no share: parameters `probs` or `logits`, each computed from the other."""

from __future__ import annotations

from typing import Any

from ...autograd import Tensor
from ...autograd.size import Size
from .distribution import Distribution
from .utils import broadcast_all, lazy_property, logits_to_probs, one_of, probs_to_logits, scalar_shape

__all__ = ["BinaryParameter"]


class BinaryParameter(Distribution):
    """A distribution given by probabilities, or by log odds, of an event.

    >>> import retrograd as rg
    >>> rg.distributions.Bernoulli(logits=0.0).probs
    tensor(0.5000)
    """

    def _set_parameter(self, probs: Any, logits: Any) -> Size:
        """Store the one that was given; the batch shape."""
        given = one_of(probs, logits)
        (self._param,) = broadcast_all(given)
        vars(self)["logits" if probs is None else "probs"] = self._param
        return scalar_shape(self._param, given)

    def _expand_parameter(self, new: Any, batch_shape: Any) -> None:
        for name in ("probs", "logits"):
            if name in vars(self):
                vars(new)[name] = new._param = vars(self)[name].expand(tuple(batch_shape))

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._param.new(*args, **kwargs)

    @lazy_property
    def logits(self) -> Tensor:
        """The log odds, log p - log(1 - p)."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities, sigmoid(logits)."""
        return logits_to_probs(self.logits, is_binary=True)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter."""
        return self._param.size()
