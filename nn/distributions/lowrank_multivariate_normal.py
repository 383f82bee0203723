"""LowRankMultivariateNormal: normal vectors whose covariance is a diagonal and few factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.linalg import cholesky, solve_triangular
from ...autograd.ops.matmul import matmul
from ...autograd.ops.parts import broadcast_tensors
from ...autograd.ops.ranges import eye
from ...autograd.size import Size
from . import constraints
from .distribution import Distribution
from .multivariate_normal import batch_mv, half_log_det, mahalanobis
from .utils import lazy_property, standard_normal

__all__ = ["LowRankMultivariateNormal"]


def _plus_identity(matrix: Tensor) -> Tensor:
    return matrix + eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)


def capacitance_tril(factor: Tensor, diag: Tensor) -> Tensor:
    """The Cholesky factor (..., M, M) of I + W^T D^-1 W."""
    return cholesky(_plus_identity(matmul(factor.mT / diag.unsqueeze(-2), factor)))


def lowrank_logdet(factor: Tensor, diag: Tensor, capacitance: Tensor) -> Tensor:
    """log det(W W^T + D), by the matrix determinant lemma."""
    return 2 * half_log_det(capacitance) + diag.log().sum(-1)


def lowrank_mahalanobis(factor: Tensor, diag: Tensor, x: Tensor, capacitance: Tensor) -> Tensor:
    """x^T (W W^T + D)^-1 x, by Woodbury's identity."""
    projected = batch_mv(factor.mT / diag.unsqueeze(-2), x)
    return (x.pow(2) / diag).sum(-1) - mahalanobis(capacitance, projected)


class LowRankMultivariateNormal(Distribution):
    """Normal vectors (..., N) of mean `loc` (..., N) and covariance W W^T + D.

    cov_factor: W (..., N, M), with M much smaller than N. cov_diag: the diagonal (..., N) of D, positive. The M x M
    matrix I + W^T D^-1 W is all that is factored. Raises ValueError for shapes that do not fit.

    >>> import retrograd as rg
    >>> d = rg.distributions.LowRankMultivariateNormal(rg.zeros(2), rg.tensor([[1.0], [0.0]]), rg.ones(2))
    >>> d.covariance_matrix, d.log_prob(rg.zeros(2))
    (tensor([[2., 0.],
            [0., 1.]]), tensor(-2.1845))
    """

    arg_constraints: Any = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event_shape = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        if cov_factor.shape[-2:-1] != event_shape:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {event_shape[0]} x m")
        if cov_diag.shape[-1:] != event_shape:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event_shape}")
        try:
            loc_, factor, diag_ = broadcast_tensors(loc.unsqueeze(-1), cov_factor, cov_diag.unsqueeze(-1))
        except RuntimeError as e:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag {cov_diag.shape}"
            ) from e
        self.loc, self.cov_factor, self.cov_diag = loc_[..., 0], factor, diag_[..., 0]
        self._unbroadcasted_cov_factor = cov_factor
        self._unbroadcasted_cov_diag = cov_diag
        self._capacitance_tril = capacitance_tril(cov_factor, cov_diag)
        super().__init__(self.loc.shape[:-1], event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded."""
        new = self._get_checked_instance(LowRankMultivariateNormal, _instance)
        shape = Size(batch_shape) + self.event_shape
        new.loc, new.cov_diag = self.loc.expand(shape), self.cov_diag.expand(shape)
        new.cov_factor = self.cov_factor.expand(shape + self.cov_factor.shape[-1:])
        new._unbroadcasted_cov_factor = self._unbroadcasted_cov_factor
        new._unbroadcasted_cov_diag = self._unbroadcasted_cov_diag
        new._capacitance_tril = self._capacitance_tril
        return self._expanded(new, batch_shape)

    def _parts(self) -> tuple[Tensor, Tensor]:
        return self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag

    def _matrix_shape(self) -> Size:
        return self._batch_shape + self._event_shape + self._event_shape

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
        """The diagonal of the covariance."""
        w, d = self._parts()
        return (w.pow(2).sum(-1) + d).expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The lower triangular factor of the covariance: sqrt D times that of I + D^-1/2 W W^T D^-1/2."""
        w, d = self._parts()
        root = d.sqrt().unsqueeze(-1)
        scaled = w / root
        return (root * cholesky(_plus_identity(matmul(scaled, scaled.mT)))).expand(self._matrix_shape())

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """W W^T + D."""
        w, d = self._parts()
        return (matmul(w, w.mT) + d.diag_embed()).expand(self._matrix_shape())

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance, by Woodbury's identity."""
        w, d = self._parts()
        a = solve_triangular(self._capacitance_tril, w.mT / d.unsqueeze(-2), upper=False)
        return (d.reciprocal().diag_embed() - a.mT @ a).expand(self._matrix_shape())

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + W eps + sqrt D delta, for standard normal eps and delta."""
        w, d = self._parts()
        shape = self._extended_shape(sample_shape)
        eps = standard_normal(shape[:-1] + self.cov_factor.shape[-1:], self.loc)
        return self.loc + batch_mv(w, eps) + d.sqrt() * standard_normal(shape, self.loc)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        w, d = self._parts()
        distance = lowrank_mahalanobis(w, d, self._checked(value) - self.loc, self._capacitance_tril)
        log_det = lowrank_logdet(w, d, self._capacitance_tril)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + log_det + distance)

    def entropy(self) -> Tensor:
        """(N (1 + log(2 pi)) + log det covariance) / 2."""
        log_det = lowrank_logdet(*self._parts(), self._capacitance_tril)
        return (0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + log_det)).expand(self._batch_shape)
