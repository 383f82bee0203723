"""Wishart: random positive definite matrices."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.dtypes import finfo
from ...autograd.linalg import slogdet
from ...autograd.ops.create import tensor
from ...autograd.ops.linalg_cholesky import cholesky_inverse, cholesky_solve
from ...autograd.ops.ranges import arange
from ...autograd.ops.special_gamma import digamma, mvlgamma
from ...autograd.ops.where import where
from ...autograd.size import Size
from . import constraints
from .chi2 import Chi2
from .exp_family import ExponentialFamily
from .multivariate_normal import half_log_det, one_matrix, scale_tril_of
from .utils import all_true, is_number, lazy_property, standard_normal

__all__ = ["Wishart"]

_LOG_2 = math.log(2)
_TRIES = 10  # how often singular samples are drawn again


class Wishart(ExponentialFamily):
    """The Wishart distribution of `df` > N - 1 degrees of freedom: sums of x x^T of df normal vectors x.

    One of covariance_matrix, precision_matrix and scale_tril (..., N, N) gives the covariance V of x. p(X) is proportional
    to det(X)^((df - N - 1) / 2) exp(-trace(V^-1 X) / 2). Samples by Bartlett's decomposition. Raises ValueError for a
    small df, and unless exactly one matrix is given.

    >>> import retrograd as rg
    >>> d = rg.distributions.Wishart(rg.tensor(3.0), covariance_matrix=rg.eye(2))
    >>> d.mean, d.log_prob(rg.eye(2))
    (tensor([[3., 0.],
            [0., 3.]]), tensor(-3.5310))
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        df: Tensor | float,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = {
            "covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril
        }  # fmt: skip
        shape = () if is_number(df) else df.shape  # type: ignore[union-attr]
        name, matrix, batch_shape = one_matrix(shape, given)
        n = matrix.shape[-1]
        if is_number(df):
            df = tensor(df, dtype=matrix.dtype, device=matrix.device)
        self.df: Tensor = df.expand(batch_shape)  # type: ignore[union-attr]
        if not all_true(self.df > n - 1):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        if not all_true(self.df >= n):
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        vars(self)[name] = matrix.expand((*batch_shape, -1, -1))
        super().__init__(batch_shape, matrix.shape[-2:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = scale_tril_of(name, matrix)
        self._dist_chi2 = self._squares()

    def _squares(self) -> Chi2:
        """The squares of the diagonal of Bartlett's matrix, with df, df - 1, ... degrees of freedom."""
        k = arange(self._event_shape[-1], dtype=self.df.dtype, device=self.df.device)
        return Chi2(self.df.unsqueeze(-1) - k, validate_args=False)

    @property
    def arg_constraints(self) -> Any:
        """A matrix that is positive definite, and df > N - 1."""
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self.event_shape[-1] - 1),
        }

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded."""
        new = self._get_checked_instance(Wishart, _instance)
        shape = Size(batch_shape) + self.event_shape
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril.expand(shape)
        new.df = self.df.expand(tuple(batch_shape))
        for name in ("covariance_matrix", "scale_tril", "precision_matrix"):
            if name in vars(self):
                vars(new)[name] = vars(self)[name].expand(shape)
        self._expanded(new, batch_shape)
        new._dist_chi2 = new._squares()
        return new

    def _shape(self) -> Size:
        return self._batch_shape + self._event_shape

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The lower triangular factor of V."""
        return self._unbroadcasted_scale_tril.expand(self._shape())

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """V."""
        low = self._unbroadcasted_scale_tril
        return (low @ low.mT).expand(self._shape())

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of V."""
        return cholesky_inverse(self._unbroadcasted_scale_tril).expand(self._shape())

    def _column(self, x: Tensor) -> Tensor:
        return x.reshape((*self._batch_shape, 1, 1))

    @property
    def mean(self) -> Tensor:
        """df V."""
        return self._column(self.df) * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        """(df - N - 1) V, NaN where the factor is not positive."""
        factor = self.df - self._event_shape[-1] - 1
        return self._column(where(factor <= 0, math.nan, factor)) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        """df (V_ij^2 + V_ii V_jj)."""
        v = self.covariance_matrix
        d = v.diagonal(dim1=-2, dim2=-1)
        return self._column(self.df) * (v.pow(2) + d.unsqueeze(-1) * d.unsqueeze(-2))

    def _bartlett_sampling(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """L A A^T L^T, with chi-distributed numbers on the diagonal of the lower triangular A, normal ones below."""
        diagonal = self._dist_chi2.rsample(sample_shape).sqrt().clamp(min=finfo(self.df.dtype).eps)
        below = standard_normal(self._extended_shape(sample_shape), self.df).tril(-1)
        low = self._unbroadcasted_scale_tril @ (below + diagonal.diag_embed())
        return low @ low.mT

    def rsample(self, sample_shape: Sequence[int] = (), max_try_correction: int | None = None) -> Tensor:
        """Positive definite matrices; singular ones are drawn again, `max_try_correction` (10) times at most."""
        sample = self._bartlett_sampling(sample_shape)
        singular = ~self.support.check(sample.detach())
        if all_true(~singular):
            return sample
        warnings.warn("Singular sample detected.", stacklevel=2)
        for _ in range(_TRIES if max_try_correction is None else max_try_correction):
            again = self._bartlett_sampling(sample_shape)
            sample = where(singular.unsqueeze(-1).unsqueeze(-1), again, sample)
            singular = ~self.support.check(sample.detach())
            if all_true(~singular):
                break
        return sample

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        value = self._checked(value)
        n, low = self._event_shape[-1], self._unbroadcasted_scale_tril
        norm = self.df * (n * _LOG_2 / 2 + half_log_det(low)) + mvlgamma(self.df / 2, n)
        trace = cholesky_solve(value, low).diagonal(dim1=-2, dim2=-1).sum(-1)
        return (self.df - n - 1) / 2 * slogdet(value).logabsdet - trace / 2 - norm

    def entropy(self) -> Tensor:
        """In closed form, with multivariate digamma functions."""
        n, half = self._event_shape[-1], self.df / 2
        steps = arange(n, dtype=half.dtype, device=half.device) / 2
        slope = digamma(half.unsqueeze(-1) - steps).sum(-1)
        log_det = n * _LOG_2 / 2 + half_log_det(self._unbroadcasted_scale_tril)
        return (n + 1) * log_det + mvlgamma(half, n) - (self.df - n - 1) / 2 * slope + self.df * n / 2

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        n = self._event_shape[-1]
        half = y + (n + 1) / 2
        return half * (n * _LOG_2 - slogdet(-2 * x).logabsdet) + mvlgamma(half, n)
