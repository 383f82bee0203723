"""Divergences of two distributions of different kinds.

KL(p || q) = -entropy of p - mean of log q(x) over p: each formula below is the second mean, in closed form. Where p puts
weight outside of q's support the divergence is infinite.
"""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.create import full_like
from ...autograd.ops.math import erf, exp, log1p
from ...autograd.ops.special_gamma import digamma, lgamma
from ...autograd.ops.special_logs import xlogy
from ...autograd.ops.where import where
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .continuous_bernoulli import ContinuousBernoulli
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel
from .kl import register_kl
from .laplace import Laplace
from .normal import Normal
from .pareto import Pareto
from .poisson import Poisson
from .uniform import Uniform
from .utils import euler_constant

__all__: list[str] = []

_INF = math.inf
_LOG_2PI = math.log(2 * math.pi)


# ---------------------------------------------------------------- infinite
_UNBOUNDED = (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)  # less than the real line as support
_NEVER_INSIDE: list[tuple[type, tuple[type, ...], str]] = [
    (Beta, (Pareto,), "concentration1"),
    (ContinuousBernoulli, (Pareto,), "probs"),
    (Exponential, (Beta, ContinuousBernoulli, Pareto, Uniform), "rate"),
    (Gamma, (Beta, ContinuousBernoulli, Pareto, Uniform), "concentration"),
    (Gumbel, _UNBOUNDED, "loc"),
    (Laplace, _UNBOUNDED, "loc"),
    (Normal, _UNBOUNDED, "loc"),
    (Pareto, (Beta, ContinuousBernoulli, Uniform), "scale"),
    (Poisson, (Bernoulli, Binomial), "rate"),
]


def _infinite(parameter: str) -> Any:
    return lambda p, q: full_like(getattr(p, parameter), _INF)


for _p, _others, _parameter in _NEVER_INSIDE:
    for _q in _others:
        register_kl(_p, _q)(_infinite(_parameter))


# ---------------------------------------------------------------- the mean of -log q(x), from moments of p
def _in_normal(q: Any, mean: Tensor, square: Tensor) -> Tensor:
    """For normal q, from the means of x and x^2."""
    return 0.5 * _LOG_2PI + q.scale.log() + (0.5 * square - q.loc * mean + 0.5 * q.loc.pow(2)) / q.scale.pow(2)


def _in_gamma(q: Any, mean: Tensor, mean_log: Tensor) -> Tensor:
    """For gamma q, from the means of x and log x."""
    a = q.concentration
    return lgamma(a) - a * q.rate.log() - (a - 1) * mean_log + q.rate * mean


def _in_exponential(q: Any, mean: Tensor) -> Tensor:
    return q.rate * mean - q.rate.log()


def _in_continuous_bernoulli(q: Any, mean: Tensor) -> Tensor:
    return -mean * q.logits - log1p(-q.probs) - q._cont_bern_log_norm()


def _in_gumbel(q: Any, mean: Tensor, mean_exp: Tensor) -> Tensor:
    """For Gumbel q, from the means of x and exp(-x / scale)."""
    return q.scale.log() + (mean - q.loc) / q.scale + exp(q.loc / q.scale) * mean_exp


# ---------------------------------------------------------------- Bernoulli, Beta, ContinuousBernoulli
@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Beta, ContinuousBernoulli)
def _beta_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    return -p.entropy() + _in_continuous_bernoulli(q, p.mean)


@register_kl(Beta, Exponential)
def _beta_exponential(p: Any, q: Any) -> Tensor:
    return -p.entropy() + _in_exponential(q, p.mean)


@register_kl(Beta, Gamma)
def _beta_gamma(p: Any, q: Any) -> Tensor:
    mean_log = digamma(p.concentration1) - digamma(p.concentration1 + p.concentration0)
    return -p.entropy() + _in_gamma(q, p.mean, mean_log)


@register_kl(Beta, Normal)
def _beta_normal(p: Any, q: Any) -> Tensor:
    return -p.entropy() + _in_normal(q, p.mean, p.variance + p.mean.pow(2))


@register_kl(Beta, Uniform)
def _beta_uniform(p: Any, q: Any) -> Tensor:
    kl = -p.entropy() + (q.high - q.low).log()
    return where((q.low > 0) | (q.high < 1), _INF, kl)


@register_kl(ContinuousBernoulli, Exponential)
def _continuous_bernoulli_exponential(p: Any, q: Any) -> Tensor:
    return -p.entropy() + _in_exponential(q, p.mean)


@register_kl(ContinuousBernoulli, Normal)
def _continuous_bernoulli_normal(p: Any, q: Any) -> Tensor:
    return -p.entropy() + _in_normal(q, p.mean, p.variance + p.mean.pow(2))


@register_kl(ContinuousBernoulli, Uniform)
def _continuous_bernoulli_uniform(p: Any, q: Any) -> Tensor:
    kl = -p.entropy() + (q.high - q.low).log()
    return where((q.low > 0) | (q.high < 1), _INF, kl)


# ---------------------------------------------------------------- Exponential, Gamma
@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Any, q: Any) -> Tensor:
    return -p.entropy() + _in_gamma(q, p.mean, -euler_constant - p.rate.log())


@register_kl(Exponential, Gumbel)
def _exponential_gumbel(p: Any, q: Any) -> Tensor:
    product = p.rate * q.scale
    return -p.entropy() + _in_gumbel(q, p.mean, product / (product + 1))


@register_kl(Exponential, Normal)
def _exponential_normal(p: Any, q: Any) -> Tensor:
    return -p.entropy() + _in_normal(q, p.mean, 2 * p.variance)


@register_kl(Gamma, Exponential)
def _gamma_exponential(p: Any, q: Any) -> Tensor:
    return -p.entropy() + _in_exponential(q, p.mean)


@register_kl(Gamma, Gumbel)
def _gamma_gumbel(p: Any, q: Any) -> Tensor:
    mean_exp = (1 + (p.rate * q.scale).reciprocal()).pow(-p.concentration)
    return -p.entropy() + _in_gumbel(q, p.mean, mean_exp)


@register_kl(Gamma, Normal)
def _gamma_normal(p: Any, q: Any) -> Tensor:
    return -p.entropy() + _in_normal(q, p.mean, p.variance + p.mean.pow(2))


# ---------------------------------------------------------------- Gumbel, Laplace, Normal
@register_kl(Gumbel, Normal)
def _gumbel_normal(p: Any, q: Any) -> Tensor:
    return -p.entropy() + _in_normal(q, p.mean, p.variance + p.mean.pow(2))


@register_kl(Laplace, Normal)
def _laplace_normal(p: Any, q: Any) -> Tensor:
    return -p.entropy() + _in_normal(q, p.mean, p.variance + p.mean.pow(2))


@register_kl(Normal, Gumbel)
def _normal_gumbel(p: Any, q: Any) -> Tensor:
    y = p.scale / q.scale
    return -p.entropy() + _in_gumbel(q, p.mean, exp(0.5 * y.pow(2) - p.loc / q.scale))


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Tensor:
    distance = p.loc - q.loc
    y = distance / p.scale
    mean_abs = math.sqrt(2 / math.pi) * p.scale * exp(-0.5 * y.pow(2)) + distance * erf(math.sqrt(0.5) * y)
    return -p.entropy() + (2 * q.scale).log() + mean_abs / q.scale


# ---------------------------------------------------------------- Pareto
@register_kl(Pareto, Exponential)
def _pareto_exponential(p: Any, q: Any) -> Tensor:
    mean = p.alpha * p.scale / (p.alpha - 1)
    return where(p.alpha <= 1, _INF, -p.entropy() + _in_exponential(q, mean))


@register_kl(Pareto, Gamma)
def _pareto_gamma(p: Any, q: Any) -> Tensor:
    mean, mean_log = p.alpha * p.scale / (p.alpha - 1), p.scale.log() + p.alpha.reciprocal()
    return where(p.alpha <= 1, _INF, -p.entropy() + _in_gamma(q, mean, mean_log))


@register_kl(Pareto, Normal)
def _pareto_normal(p: Any, q: Any) -> Tensor:
    mean, square = p.alpha * p.scale / (p.alpha - 1), p.alpha * p.scale.pow(2) / (p.alpha - 2)
    return where(p.alpha <= 2, _INF, -p.entropy() + _in_normal(q, mean, square))


# ---------------------------------------------------------------- Uniform
def _mean_log(low: Tensor, high: Tensor) -> Tensor:
    """The mean of log x over an interval."""
    return (xlogy(high, high) - xlogy(low, low)) / (high - low) - 1


@register_kl(Uniform, Beta)
def _uniform_beta(p: Any, q: Any) -> Tensor:
    a, b = q.concentration1, q.concentration0
    log_beta = lgamma(a) + lgamma(b) - lgamma(a + b)
    kl = log_beta - (a - 1) * _mean_log(p.low, p.high) - (b - 1) * _mean_log(1 - p.high, 1 - p.low)
    return where((p.high > 1) | (p.low < 0), _INF, kl - (p.high - p.low).log())


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    kl = -p.entropy() + _in_continuous_bernoulli(q, p.mean)
    return where((p.high > 1) | (p.low < 0), _INF, kl)


@register_kl(Uniform, Exponential)
def _uniform_exponential(p: Any, q: Any) -> Tensor:
    return where(p.low < 0, _INF, -p.entropy() + _in_exponential(q, p.mean))


@register_kl(Uniform, Gamma)
def _uniform_gamma(p: Any, q: Any) -> Tensor:
    return where(p.low < 0, _INF, -p.entropy() + _in_gamma(q, p.mean, _mean_log(p.low, p.high)))


@register_kl(Uniform, Gumbel)
def _uniform_gumbel(p: Any, q: Any) -> Tensor:
    mean_exp = (exp(-p.low / q.scale) - exp(-p.high / q.scale)) * q.scale / (p.high - p.low)
    return -p.entropy() + _in_gumbel(q, p.mean, mean_exp)


@register_kl(Uniform, Normal)
def _uniform_normal(p: Any, q: Any) -> Tensor:
    return -p.entropy() + _in_normal(q, p.mean, p.variance + p.mean.pow(2))


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Any, q: Any) -> Tensor:
    kl = -p.entropy() + (q.alpha + 1) * _mean_log(p.low, p.high) - q.alpha.log() - q.alpha * q.scale.log()
    return where(p.low < q.scale, _INF, kl)
