"""Divergences of two distributions of one kind."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Tensor, grad
from ...autograd.grad_mode import enable_grad
from ...autograd.linalg import solve_triangular
from ...autograd.ops.math import exp, log1p
from ...autograd.ops.parts import broadcast_shapes
from ...autograd.ops.special_gamma import digamma, lgamma
from ...autograd.ops.where import where
from .. import functional as F
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .continuous_bernoulli import ContinuousBernoulli
from .dirichlet import Dirichlet
from .exp_family import ExponentialFamily
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .kl import kl_divergence, register_kl
from .laplace import Laplace
from .lowrank_multivariate_normal import LowRankMultivariateNormal, lowrank_logdet, lowrank_mahalanobis
from .multivariate_normal import MultivariateNormal, half_log_det, mahalanobis
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .pareto import Pareto
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import euler_constant, sum_rightmost

__all__: list[str] = []

_INF = math.inf


# ---------------------------------------------------------------- counts and categories
def _trial(p: Tensor, one: Tensor) -> Tensor:
    """p one, where p = 0 makes 0 of infinity."""
    return where(p == 0, 0.0, p * one)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Tensor:
    yes = F.logsigmoid(p.logits) - F.logsigmoid(q.logits)
    no = F.logsigmoid(-p.logits) - F.logsigmoid(-q.logits)
    yes = _trial(p.probs, where(q.probs == 0, _INF, yes))
    return yes + _trial(1 - p.probs, where(q.probs == 1, _INF, no))


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Tensor:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    kl = p.total_count * (p.probs * (p.logits - q.logits) + log1p(-p.probs) - log1p(-q.probs))
    return where(p.total_count > q.total_count, _INF, kl)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Tensor:
    t = where(q.probs == 0, _INF, p.logits - q.logits)
    return _trial(p.probs, t).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Tensor:
    return -p.entropy() - log1p(-q.probs) / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


# ---------------------------------------------------------------- numbers
@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Tensor:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return distance / q.scale - ratio.log() + ratio * exp(-distance / p.scale) - 1


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Tensor:
    return ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log() - (4 * p.scale * q.scale).log()


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Tensor:
    ratio, shift = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return exp(shift + lgamma(1 + ratio)) - shift - ratio.log() + ratio * euler_constant - (1 + euler_constant)


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Tensor:
    kl = ((q.high - q.low) / (p.high - p.low)).log()
    return where((q.low > p.low) | (q.high < p.high), _INF, kl)


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    kl = b * (p.rate / q.rate).log() + lgamma(b) - lgamma(a) + (a - b) * digamma(a)
    return kl + (q.rate - p.rate) * (a / p.rate)


@register_kl(Pareto, Pareto)
def _pareto(p: Any, q: Any) -> Tensor:
    ratio = q.alpha / p.alpha
    kl = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return where(p.scale < q.scale, _INF, kl)


# ---------------------------------------------------------------- the interval and the simplex
def _log_beta(concentration: Tensor) -> Tensor:
    return lgamma(concentration).sum(-1) - lgamma(concentration.sum(-1))


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    mean_log = digamma(a) - digamma(a.sum(-1, True))
    return _log_beta(b) - _log_beta(a) + ((a - b) * mean_log).sum(-1)


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Tensor:
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: Any, q: Any) -> Tensor:
    kl = p.mean * (p.logits - q.logits) + p._cont_bern_log_norm() + log1p(-p.probs)
    return kl - q._cont_bern_log_norm() - log1p(-q.probs)


# ---------------------------------------------------------------- normal vectors
def _same_events(p: Any, q: Any) -> None:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"KL-divergence between two (Low Rank) Multivariate Normals with different event shapes, {p.event_shape} and "
            f"{q.event_shape}, cannot be computed"
        )


def _squares(matrix: Tensor) -> Tensor:
    """The sum of the squares of the elements of matrices (..., N, M): the trace of X X^T."""
    return matrix.pow(2).sum((-2, -1))


def _solved(low: Tensor, x: Tensor) -> Tensor:
    """L^-1 X for batches of matrices that broadcast."""
    batch = broadcast_shapes(tuple(low.shape[:-2]), tuple(x.shape[:-2]))
    return solve_triangular(low.expand((*batch, -1, -1)), x.expand((*batch, -1, -1)), upper=False)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Tensor:
    _same_events(p, q)
    low_p, low_q = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    trace = _squares(_solved(low_q, low_p))
    distance = mahalanobis(low_q, q.loc - p.loc)
    return half_log_det(low_q) - half_log_det(low_p) + 0.5 * (trace + distance - p.event_shape[0])


def _q_parts(q: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """W, D, the Cholesky factor C of I + W^T D^-1 W, and C^-1 W^T D^-1; W W^T + D has the inverse D^-1 - A^T A."""
    w, d, c = q._unbroadcasted_cov_factor, q._unbroadcasted_cov_diag, q._capacitance_tril
    return w, d, c, solve_triangular(c, w.mT / d.unsqueeze(-2), upper=False)


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _lowrank(p: Any, q: Any) -> Tensor:
    _same_events(p, q)
    w, d, c, a = _q_parts(q)
    v, e = p._unbroadcasted_cov_factor, p._unbroadcasted_cov_diag
    log_det = lowrank_logdet(w, d, c) - lowrank_logdet(v, e, p._capacitance_tril)
    trace = (e / d).sum(-1) + _squares(v * d.rsqrt().unsqueeze(-1))
    trace = trace - _squares(a * e.sqrt().unsqueeze(-2)) - _squares(a @ v)
    return 0.5 * (log_det + trace + lowrank_mahalanobis(w, d, q.loc - p.loc, c) - p.event_shape[0])


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _full_lowrank(p: Any, q: Any) -> Tensor:
    _same_events(p, q)
    w, d, c, a = _q_parts(q)
    low = p._unbroadcasted_scale_tril
    log_det = lowrank_logdet(w, d, c) - 2 * half_log_det(low)
    trace = _squares(low * d.rsqrt().unsqueeze(-1)) - _squares(a @ low)
    return 0.5 * (log_det + trace + lowrank_mahalanobis(w, d, q.loc - p.loc, c) - p.event_shape[0])


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _lowrank_full(p: Any, q: Any) -> Tensor:
    _same_events(p, q)
    low = q._unbroadcasted_scale_tril
    v, e = p._unbroadcasted_cov_factor, p._unbroadcasted_cov_diag
    log_det = 2 * half_log_det(low) - lowrank_logdet(v, e, p._capacitance_tril)
    trace = _squares(_solved(low, v)) + _squares(_solved(low, e.sqrt().diag_embed()))
    return 0.5 * (log_det + trace + mahalanobis(low, q.loc - p.loc) - p.event_shape[0])


# ---------------------------------------------------------------- made of others
@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p: Any, q: Any) -> Tensor:
    """A Bregman divergence of the log normalizer."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman divergences"
        )
    with enable_grad():
        given = [t if t.requires_grad else t.detach().requires_grad_() for t in p._natural_params]
        log_normal = p._log_normalizer(*given)
        slopes = grad([log_normal.sum()], given, create_graph=True)
    kl = q._log_normalizer(*q._natural_params) - log_normal
    for a, b, g in zip(given, q._natural_params, slopes, strict=True):
        kl = kl - sum_rightmost((b - a) * g, len(q.event_shape))
    return kl


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Tensor:
    if p.transforms != q.transforms:
        raise NotImplementedError("KL between distributions with different transforms is not implemented")
    if p.event_shape != q.event_shape:
        raise NotImplementedError("KL between transformed distributions of different event shapes is not implemented")
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL between Independents with different reinterpreted_batch_ndims is not implemented")
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)
