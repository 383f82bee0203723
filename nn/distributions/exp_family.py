"""ExponentialFamily: distributions whose entropy and divergence follow from their log normalizer."""

from __future__ import annotations

from typing import Any

from ...autograd import Tensor, grad
from ...autograd.grad_mode import enable_grad
from .distribution import Distribution, _missing

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Distributions with a density exp(<t(x), theta> - F(theta) + k(x)).

    A subclass that gives its natural parameters theta (`_natural_params`), log normalizer F (`_log_normalizer`) and the
    mean of the carrier measure k (`_mean_carrier_measure`) gets the entropy F(theta) - <theta, grad F(theta)> - E k(x),
    and its divergence as a Bregman divergence of F. Reference: Nielsen and Nock, "Entropies and cross-entropies of
    exponential families" (2010).

    >>> import retrograd as rg
    >>> d = rg.distributions.Exponential(rg.tensor(1.0))
    >>> rg.distributions.ExponentialFamily.entropy(d).item()
    1.0
    """

    _natural_params = _missing("_natural_params", "The natural parameters, a tuple of tensors.")
    _mean_carrier_measure = _missing("_mean_carrier_measure", "The mean of the carrier measure.")

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        """F of the natural parameters."""
        raise NotImplementedError(f"{type(self)} does not implement _log_normalizer")

    def entropy(self) -> Tensor:
        """The entropy, in nats, of shape batch_shape, by a Bregman divergence of the log normalizer."""
        result: Any = -self._mean_carrier_measure
        with enable_grad():
            given = [p if p.requires_grad else p.detach().requires_grad_() for p in self._natural_params]
            log_normal = self._log_normalizer(*given)
            slopes = grad([log_normal.sum()], given, create_graph=True)
        result = result + log_normal
        for p, g in zip(given, slopes, strict=True):
            result = result - (p * g).reshape((*self._batch_shape, -1)).sum(-1)
        return result
