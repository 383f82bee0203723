"""MultivariateNormal: the normal distribution of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.linalg import cholesky, solve_triangular
from ...autograd.ops.linalg_cholesky import cholesky_inverse
from ...autograd.ops.matmul import matmul
from ...autograd.ops.parts import broadcast_shapes
from ...autograd.ops.ranges import eye
from ...autograd.size import Size
from . import constraints
from .distribution import Distribution
from .utils import lazy_property, standard_normal

__all__ = ["MultivariateNormal"]


def batch_mv(matrix: Tensor, vector: Tensor) -> Tensor:
    """The products (..., N) of matrices (..., N, M) and vectors (..., M), whose batches broadcast."""
    return matmul(matrix, vector.unsqueeze(-1)).squeeze(-1)


def mahalanobis(tril: Tensor, x: Tensor) -> Tensor:
    """x^T (L L^T)^-1 x of lower triangular L (..., N, N) and x (..., N), whose batches broadcast."""
    if tril.dim() == 2:  # one factor: all vectors at a time are its right-hand sides
        y = solve_triangular(tril, x.reshape(-1, x.shape[-1]).mT, upper=False)
        return y.pow(2).sum(0).reshape(x.shape[:-1])
    return solve_triangular(tril, x.unsqueeze(-1), upper=False).squeeze(-1).pow(2).sum(-1)


def half_log_det(tril: Tensor) -> Tensor:
    """log |det L| of triangular matrices (..., N, N)."""
    return tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def precision_to_scale_tril(precision: Tensor) -> Tensor:
    """The lower triangular L with L L^T = P^-1, for positive definite P (..., N, N).

    With J the matrix that reverses the order, J P J = F F^T gives P = U U^T for the upper triangular U = J F J, and
    L = U^-T.
    """
    inverse = cholesky(precision.flip((-2, -1))).flip((-2, -1)).mT
    n = precision.shape[-1]
    return solve_triangular(inverse, eye(n, dtype=precision.dtype, device=precision.device), upper=False)


def one_matrix(loc_shape: Sequence[int], given: dict[str, Any]) -> tuple[str, Any, Size]:
    """The one matrix that was given: its name, itself, and the batch shape together with that of loc."""
    named = [(name, matrix) for name, matrix in given.items() if matrix is not None]
    if len(named) != 1:
        raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
    ((name, matrix),) = named
    if matrix.dim() < 2:
        raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
    return name, matrix, Size(broadcast_shapes(tuple(matrix.shape[:-2]), tuple(loc_shape)))


def scale_tril_of(name: str, matrix: Tensor) -> Tensor:
    """The lower triangular factor of the covariance that the matrix of this name stands for."""
    if name == "scale_tril":
        return matrix
    return cholesky(matrix) if name == "covariance_matrix" else precision_to_scale_tril(matrix)


class MultivariateNormal(Distribution):
    """The normal distribution of vectors (..., N) of mean `loc` (..., N), with one of three matrices (..., N, N).

    covariance_matrix or precision_matrix (its inverse), positive definite, or scale_tril, the lower triangular L with a
    positive diagonal and covariance L L^T, which is the cheapest. log p(x) = -((x - loc)^T covariance^-1 (x - loc) +
    N log(2 pi)) / 2 - log det L. Raises ValueError unless exactly one matrix is given, of at least two dimensions.

    >>> import retrograd as rg
    >>> d = rg.distributions.MultivariateNormal(rg.zeros(2), rg.tensor([[2.0, 0.0], [0.0, 0.5]]))
    >>> d.log_prob(rg.zeros(2)), d.variance
    (tensor(-1.8379), tensor([2.0000, 0.5000]))
    """

    arg_constraints: Any = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {
            "covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix, "scale_tril": scale_tril
        }  # fmt: skip
        name, matrix, batch_shape = one_matrix(loc.shape[:-1], given)
        vars(self)[name] = matrix.expand((*batch_shape, -1, -1))
        self.loc = loc.expand((*batch_shape, -1))
        super().__init__(batch_shape, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = scale_tril_of(name, matrix)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameters expanded."""
        new = self._get_checked_instance(MultivariateNormal, _instance)
        shape = Size(batch_shape) + self.event_shape
        new.loc = self.loc.expand(shape)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        for name in ("covariance_matrix", "scale_tril", "precision_matrix"):
            if name in vars(self):
                vars(new)[name] = vars(self)[name].expand(shape + self.event_shape)
        return self._expanded(new, batch_shape)

    def _matrix_shape(self) -> Size:
        return self._batch_shape + self._event_shape + self._event_shape

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The lower triangular L with covariance L L^T."""
        return self._unbroadcasted_scale_tril.expand(self._matrix_shape())

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """L L^T."""
        low = self._unbroadcasted_scale_tril
        return matmul(low, low.mT).expand(self._matrix_shape())

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        return cholesky_inverse(self._unbroadcasted_scale_tril).expand(self._matrix_shape())

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The diagonal of the covariance, (..., N)."""
        return self._unbroadcasted_scale_tril.pow(2).sum(-1).expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """loc + L eps, for standard normal eps."""
        eps = standard_normal(self._extended_shape(sample_shape), self.loc)
        return self.loc + batch_mv(self._unbroadcasted_scale_tril, eps)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        low = self._unbroadcasted_scale_tril
        distance = mahalanobis(low, self._checked(value) - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - half_log_det(low)

    def entropy(self) -> Tensor:
        """N (1 + log(2 pi)) / 2 + log det L."""
        half = half_log_det(self._unbroadcasted_scale_tril)
        value = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + half
        return value.expand(self._batch_shape)
