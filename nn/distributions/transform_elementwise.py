"""Transforms of single numbers: exp, power, sigmoid, softplus, tanh, abs, affine, a distribution function."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Tensor
from ...autograd.dtypes import finfo
from ...autograd.ops.activation import sigmoid
from ...autograd.ops.create import full_like
from ...autograd.ops.math import atanh
from ...autograd.ops.parts import broadcast_shapes
from ...autograd.size import Size
from .. import functional as F
from . import constraints
from .constraints import Constraint
from .transform_core import Transform
from .utils import broadcast_all, is_number, lazy_property

__all__ = [
    "AbsTransform", "AffineTransform", "CumulativeDistributionTransform", "ExpTransform", "PowerTransform",
    "SigmoidTransform", "SoftplusTransform", "TanhTransform",
]  # fmt: skip


class _Stateless(Transform):
    """A transform without parameters: two of a class are equal."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self))

    __hash__ = object.__hash__


def _joined(shape: Any, *parameters: Any) -> Size:
    """A shape, broadcast with those of the parameters that are tensors."""
    return Size(broadcast_shapes(tuple(shape), *(tuple(p.shape) for p in parameters if isinstance(p, Tensor))))


class ExpTransform(_Stateless):
    """y = exp(x).

    >>> import retrograd as rg
    >>> rg.distributions.ExpTransform()(rg.zeros(1))
    tensor([1.])
    """

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign = +1

    def _call(self, x: Any) -> Any:
        return x.exp()

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """x."""
        return x


class PowerTransform(Transform):
    """y = x^exponent, for x > 0.

    >>> import retrograd as rg
    >>> rg.distributions.PowerTransform(2.0)(rg.tensor([3.0]))
    tensor([9.])
    """

    domain = constraints.positive
    codomain = constraints.positive
    bijective = True

    def __init__(self, exponent: Tensor | float, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        (self.exponent,) = broadcast_all(exponent)

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with this cache size."""
        return self if self._cache_size == cache_size else PowerTransform(self.exponent, cache_size=cache_size)

    @lazy_property
    def sign(self) -> Any:
        """That of the exponent."""
        return self.exponent.sign()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PowerTransform) and bool(self.exponent.eq(other.exponent).all())

    __hash__ = object.__hash__

    def _call(self, x: Any) -> Any:
        return x.pow(self.exponent)

    def _inverse(self, y: Any) -> Any:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |exponent y / x|."""
        return (self.exponent * y / x).abs().log()

    def forward_shape(self, shape: Any) -> Any:
        """Broadcast with the exponent's."""
        return _joined(shape, self.exponent)

    def inverse_shape(self, shape: Any) -> Any:
        """Broadcast with the exponent's."""
        return _joined(shape, self.exponent)


def clipped_sigmoid(x: Tensor) -> Tensor:
    """sigmoid(x), moved into the open interval (0, 1)."""
    info = finfo(x.dtype)
    return sigmoid(x).clamp(min=info.tiny, max=1.0 - info.eps)


class SigmoidTransform(_Stateless):
    """y = 1 / (1 + exp(-x)), moved into the open interval (0, 1).

    >>> import retrograd as rg
    >>> rg.distributions.SigmoidTransform()(rg.zeros(1))
    tensor([0.5000])
    """

    domain = constraints.real
    codomain = constraints.unit_interval
    bijective = True
    sign = +1

    def _call(self, x: Any) -> Any:
        return clipped_sigmoid(x)

    def _inverse(self, y: Any) -> Any:
        info = finfo(y.dtype)
        y = y.clamp(min=info.tiny, max=1.0 - info.eps)
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log y (1 - y)."""
        return F.logsigmoid(x) + F.logsigmoid(-x)


class SoftplusTransform(_Stateless):
    """y = log(1 + exp(x)), which is x for x > 20.

    >>> import retrograd as rg
    >>> rg.distributions.SoftplusTransform()(rg.zeros(1))
    tensor([0.6931])
    """

    domain = constraints.real
    codomain = constraints.positive
    bijective = True
    sign = +1

    def _call(self, x: Any) -> Any:
        return F.softplus(x)

    def _inverse(self, y: Any) -> Any:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log sigmoid(x)."""
        return F.logsigmoid(x)


class TanhTransform(_Stateless):
    """y = tanh(x). Far from 0, where y rounds to 1, use cache_size=1 to invert it.

    >>> import retrograd as rg
    >>> rg.distributions.TanhTransform().inv(rg.zeros(1))
    tensor([0.])
    """

    domain = constraints.real
    codomain = constraints.interval(-1.0, 1.0)
    bijective = True
    sign = +1

    def _call(self, x: Any) -> Any:
        return x.tanh()

    def _inverse(self, y: Any) -> Any:
        return atanh(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log(1 - tanh(x)^2) = 2 (log 2 - x - softplus(-2 x)), which does not cancel."""
        return 2.0 * (math.log(2.0) - x + F.logsigmoid(2.0 * x))


class AbsTransform(_Stateless):
    """y = |x|, which is not bijective: its inverse gives y.

    >>> import retrograd as rg
    >>> rg.distributions.AbsTransform()(rg.tensor([-2.0]))
    tensor([2.])
    """

    domain = constraints.real
    codomain = constraints.positive

    def _call(self, x: Any) -> Any:
        return x.abs()

    def _inverse(self, y: Any) -> Any:
        return y


class AffineTransform(Transform):
    """y = loc + scale x; event_dim of the last dimensions make up an event.

    >>> import retrograd as rg
    >>> rg.distributions.AffineTransform(1.0, 2.0)(rg.ones(1))
    tensor([3.])
    """

    bijective = True

    def __init__(self, loc: Tensor | float, scale: Tensor | float, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.loc: Any = loc
        self.scale: Any = scale
        self._event_dim = event_dim

    @property
    def event_dim(self) -> int:
        """How many dimensions make up an event."""
        return self._event_dim

    @constraints.dependent_property(is_discrete=False)
    def domain(self) -> Constraint:
        """Real numbers, with event_dim dimensions."""
        return constraints.independent(constraints.real, self.event_dim) if self.event_dim else constraints.real

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Constraint:
        """Real numbers, with event_dim dimensions."""
        return constraints.independent(constraints.real, self.event_dim) if self.event_dim else constraints.real

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with this cache size."""
        if self._cache_size == cache_size:
            return self
        return AffineTransform(self.loc, self.scale, self.event_dim, cache_size=cache_size)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AffineTransform) and _same(self.loc, other.loc) and _same(self.scale, other.scale)

    __hash__ = object.__hash__

    @property
    def sign(self) -> Any:
        """That of the scale."""
        if is_number(self.scale):
            return (self.scale > 0) - (self.scale < 0)
        return self.scale.sign()

    def _call(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def _inverse(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """log |scale|, summed over the dimensions of an event."""
        shape = x.shape
        if is_number(self.scale):
            result = full_like(x, math.log(abs(self.scale)))
        else:
            result = self.scale.abs().log()
        if self.event_dim:
            result = result.reshape((*result.shape[: -self.event_dim], -1)).sum(-1)
            shape = shape[: -self.event_dim]
        return result.expand(shape)

    def forward_shape(self, shape: Any) -> Any:
        """Broadcast with loc's and scale's."""
        return _joined(shape, self.loc, self.scale)

    def inverse_shape(self, shape: Any) -> Any:
        """Broadcast with loc's and scale's."""
        return _joined(shape, self.loc, self.scale)


def _same(x: Any, y: Any) -> bool:
    same = x == y
    return bool(same.all()) if isinstance(same, Tensor) else bool(same)


class CumulativeDistributionTransform(Transform):
    """y = F(x), the distribution function of a distribution that has `cdf` and `icdf`.

    >>> import retrograd as rg
    >>> d = rg.distributions
    >>> d.CumulativeDistributionTransform(d.Normal(0.0, 1.0))(rg.zeros(1))
    tensor([0.5000])
    """

    bijective = True
    codomain = constraints.unit_interval
    sign = +1

    def __init__(self, distribution: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.distribution = distribution

    @property
    def domain(self) -> Any:  # type: ignore[override]
        """The distribution's support."""
        return self.distribution.support

    def _call(self, x: Any) -> Any:
        return self.distribution.cdf(x)

    def _inverse(self, y: Any) -> Any:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of the density."""
        return self.distribution.log_prob(x)

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with this cache size."""
        if self._cache_size == cache_size:
            return self
        return CumulativeDistributionTransform(self.distribution, cache_size=cache_size)
