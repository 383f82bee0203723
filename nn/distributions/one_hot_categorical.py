"""OneHotCategorical: one of K categories, as a vector with a single 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.ranges import eye
from ...autograd.size import Size
from .. import functional as F
from . import constraints
from .categorical import Categorical
from .distribution import Distribution

__all__ = ["OneHotCategorical", "OneHotCategoricalStraightThrough"]


class OneHotCategorical(Distribution):
    """One of K categories as a one-hot vector (..., K), with weights `probs` or their logarithms `logits` (..., K).

    >>> import retrograd as rg
    >>> d = rg.distributions.OneHotCategorical(rg.tensor([1.0, 3.0]))
    >>> d.mode, d.log_prob(rg.tensor([0.0, 1.0]))
    (tensor([0., 1.]), tensor(-0.2877))
    """

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        self._categorical = Categorical(probs, logits)
        shape = self._categorical.param_shape
        super().__init__(self._categorical.batch_shape, shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameter expanded."""
        new = self._get_checked_instance(OneHotCategorical, _instance)
        new._categorical = self._categorical.expand(batch_shape)
        return self._expanded(new, batch_shape)

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._categorical._new(*args, **kwargs)

    @property
    def _param(self) -> Tensor:
        return self._categorical._param

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
        """p."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The most probable category."""
        return F.one_hot(self.probs.argmax(dim=-1), self.probs.shape[-1]).type_as(self.probs)

    @property
    def variance(self) -> Tensor:
        """p (1 - p)."""
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """One-hot vectors, in the dtype of the parameter."""
        drawn = self._categorical.sample(sample_shape)
        return F.one_hot(drawn, self._categorical._num_events).type_as(self.probs.detach())

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of the category that is 1."""
        return self._categorical.log_prob(self._checked(value).argmax(-1))

    def entropy(self) -> Tensor:
        """-sum p log p."""
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """The K one-hot vectors, (K, ..., K)."""
        n = self.event_shape[0]
        values = eye(n, dtype=self._param.dtype, device=self._param.device)
        values = values.view((n, *(1 for _ in self.batch_shape), n))
        return values.expand((n, *self.batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """OneHotCategorical whose `rsample` passes the gradient on to the probabilities, as if it had returned them.

    The estimator is biased. Reference: Bengio, Leonard, Courville, "Estimating or propagating gradients through stochastic
    neurons for conditional computation" (2013).

    >>> import retrograd as rg
    >>> p = rg.tensor([0.5, 0.5], requires_grad=True)
    >>> x = rg.distributions.OneHotCategoricalStraightThrough(p).rsample()
    >>> x.sum().item(), x.requires_grad
    (1.0, True)
    """

    has_rsample = True

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """One-hot vectors with the gradient of the probabilities."""
        return self.sample(sample_shape) + (self.probs - self.probs.detach())
