"""VonMises: angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.dtypes import float64
from ...autograd.grad_mode import no_grad
from ...autograd.ops.math import cos
from ...autograd.ops.random import rand
from ...autograd.ops.special_bessel import i0e, i1e
from ...autograd.ops.where import where
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property

__all__ = ["VonMises"]


class VonMises(Distribution):
    """The von Mises distribution of angles around `loc`, with `concentration` c > 0.

    p(x) = exp(c cos(x - loc)) / (2 pi I0(c)), for x in an interval of length 2 pi; samples lie in [-pi, pi). `variance` is
    the circular one, 1 - I1(c) / I0(c). There is no rsample. Reference: Best and Fisher, "Efficient simulation of the von
    Mises distribution" (1979).

    >>> import retrograd as rg
    >>> d = rg.distributions.VonMises(0.0, 1.0)
    >>> d.log_prob(rg.tensor(0.0)), d.variance
    (tensor(-1.0738), tensor(0.5536))
    """

    arg_constraints: Any = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: Tensor | float, concentration: Tensor | float, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded."""
        return self._expand_into(VonMises, batch_shape, _instance, "loc", "concentration")

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        value = self._checked(value)
        c = self.concentration
        return c * (cos(value - self.loc) - 1) - math.log(2 * math.pi) - i0e(c).log()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Angles in [-pi, pi), by rejection from a wrapped Cauchy distribution in float64."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            c = self.concentration.detach().to(float64).expand(shape)
            tau = 1 + (1 + 4 * c**2).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * c)
            r = where(c < 1e-5, 1 / c + c, (1 + rho**2) / (2 * rho))
            left = c == c  # not NaN, for which no draw would be accepted
            angle = where(left, 0.0, c)
            while bool(left.any()):
                u1, u2, u3 = rand((3, *shape), dtype=float64, device=c.device).unbind()
                z = cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                e = c * (r - f)
                taken = left & ((e * (2 - e) - u2 > 0) | ((e / u2).log() + 1 - e >= 0))
                angle = where(taken, (u3 - 0.5).sign() * f.clamp(-1, 1).acos(), angle)
                left = left & ~taken
            return ((angle + math.pi + self.loc.to(float64)) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:
        """1 - I1(c) / I0(c)."""
        return 1 - i1e(self.concentration) / i0e(self.concentration)
