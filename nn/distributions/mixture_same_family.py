"""MixtureSameFamily: a mixture of distributions of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.grad_mode import no_grad
from ...autograd.size import Size
from . import constraints
from .categorical import Categorical
from .constraints import MixtureSameFamilyConstraint
from .distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """A mixture of the K distributions along the last batch dimension of `component_distribution`.

    mixture_distribution: a Categorical over K, whose batch broadcasts with the components'. p(x) = sum of p_k p(x | k).
    There is no rsample. Raises ValueError for what is no such distribution, and for shapes that do not fit.

    >>> import retrograd as rg
    >>> d = rg.distributions
    >>> m = d.MixtureSameFamily(d.Categorical(rg.ones(2)), d.Normal(rg.tensor([-1.0, 1.0]), rg.ones(2)))
    >>> m.mean, m.variance, m.log_prob(rg.tensor(0.0))
    (tensor(0.), tensor(2.), tensor(-1.4189))
    """

    arg_constraints: Any = {}
    has_rsample = False

    def __init__(
        self, mixture_distribution: Any, component_distribution: Any, validate_args: bool | None = None
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError("The Mixture distribution needs to be an instance of distributions.Categorical")
        if not isinstance(component_distribution, Distribution):
            raise ValueError("The Component distribution needs to be an instance of distributions.Distribution")
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        mixture, component = mixture_distribution.batch_shape, component_distribution.batch_shape
        for m, c in zip(reversed(mixture), reversed(component[:-1]), strict=False):
            if m != 1 and c != 1 and m != c:
                raise ValueError(
                    f"`mixture_distribution.batch_shape` ({mixture}) is not compatible with "
                    f"`component_distribution.batch_shape`({component[:-1]})"
                )
        k = mixture_distribution.param_shape[-1]
        if k != component[-1]:
            raise ValueError(
                f"`mixture_distribution component` ({k}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({component[-1]})"
            )
        self._num_component = k
        event_shape = component_distribution.event_shape
        self._event_ndims = len(event_shape)
        super().__init__(component[:-1], event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with both of its parts expanded."""
        new = self._get_checked_instance(MixtureSameFamily, _instance)
        new._component_distribution = self._component_distribution.expand(Size(batch_shape) + (self._num_component,))
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._num_component = self._num_component
        new._event_ndims = self._event_ndims
        return self._expanded(new, batch_shape)

    @constraints.dependent_property
    def support(self) -> Any:
        """The components'."""
        return MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Categorical:
        """The distribution of the component."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Any:
        """The distributions of the components."""
        return self._component_distribution

    @property
    def mean(self) -> Tensor:
        """sum of p_k mean_k."""
        probs = self._pad_mixture_dimensions(self.mixture_distribution.probs)
        return (probs * self.component_distribution.mean).sum(-1 - self._event_ndims)

    @property
    def variance(self) -> Tensor:
        """The mean of the components' variances, plus the variance of their means."""
        probs = self._pad_mixture_dimensions(self.mixture_distribution.probs)
        inside = (probs * self.component_distribution.variance).sum(-1 - self._event_ndims)
        distance = self.component_distribution.mean - self._pad(self.mean)
        return inside + (probs * distance.pow(2.0)).sum(-1 - self._event_ndims)

    def cdf(self, value: Tensor) -> Tensor:
        """sum of p_k F_k(x)."""
        return (self.component_distribution.cdf(self._pad(value)) * self.mixture_distribution.probs).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """log of the sum of p_k p(x | k)."""
        terms = self.component_distribution.log_prob(self._pad(self._checked(value)))
        return (terms + self.mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """A draw of every component, from which one is taken."""
        with no_grad():
            dim = len(sample_shape) + len(self.batch_shape)
            choice = self.mixture_distribution.sample(sample_shape)
            draws = self.component_distribution.sample(sample_shape)
            missing = dim - choice.dim()  # where the mixture has fewer batch dimensions than the components
            shape = Size(sample_shape) + (1,) * missing + choice.shape[len(sample_shape) :]
            choice = choice.reshape(shape + (1,) * (self._event_ndims + 1))
            index = choice.expand((*draws.shape[:dim], 1, *self.event_shape))
            return draws.gather(dim, index).squeeze(dim)

    def _pad(self, x: Tensor) -> Tensor:
        """x with a dimension for the components."""
        return x.unsqueeze(-1 - self._event_ndims)

    def _pad_mixture_dimensions(self, x: Tensor) -> Tensor:
        """Probabilities (..., K) that broadcast with the components' means."""
        return x.reshape(x.shape + (1,) * self._event_ndims)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
