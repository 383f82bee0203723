"""Transforms of vectors and matrices: softmax, stick breaking, Cholesky factors; and of the parts of a tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.dtypes import finfo
from ...autograd.linalg import cholesky
from ...autograd.ops.join import cat, stack
from ...autograd.ops.ranges import arange, eye
from ...autograd.size import Size
from .. import functional as F
from . import constraints
from .constraints import Constraint
from .transform_core import Transform
from .transform_elementwise import _Stateless, clipped_sigmoid
from .utils import lazy_property, sum_rightmost, tril_matrix_to_vec, vec_to_tril_matrix

__all__ = [
    "CatTransform", "CorrCholeskyTransform", "LowerCholeskyTransform", "PositiveDefiniteTransform", "SoftmaxTransform",
    "StackTransform", "StickBreakingTransform",
]  # fmt: skip


def _at_least(shape: Any, n: int) -> Size:
    if len(shape) < n:
        raise ValueError("Too few dimensions on input")
    return Size(shape)


# ---------------------------------------------------------------- vectors
class SoftmaxTransform(_Stateless):
    """y = softmax(x) along the last dimension, onto the simplex; not bijective: its inverse gives log y.

    >>> import retrograd as rg
    >>> rg.distributions.SoftmaxTransform()(rg.zeros(2))
    tensor([0.5000, 0.5000])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex

    def _call(self, x: Any) -> Any:
        return x.softmax(-1)

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def forward_shape(self, shape: Any) -> Any:
        """The same, of at least one dimension."""
        return _at_least(shape, 1)

    def inverse_shape(self, shape: Any) -> Any:
        """The same, of at least one dimension."""
        return _at_least(shape, 1)


class StickBreakingTransform(_Stateless):
    """From K numbers to the simplex of K + 1: each takes a share z_i = sigmoid(x_i - log(K - i)) of what is left.

    y_i = z_i times the product of 1 - z_j for j < i, and the last is what remains; x = 0 gives equal parts. Bijective.

    >>> import retrograd as rg
    >>> rg.distributions.StickBreakingTransform()(rg.zeros(3))
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    domain = constraints.real_vector
    codomain = constraints.simplex
    bijective = True

    def _offset(self, x: Tensor) -> Tensor:
        """log(K), ..., log(1)."""
        return arange(x.shape[-1], 0, -1, dtype=x.dtype, device=x.device).log()

    def _call(self, x: Any) -> Any:
        z = clipped_sigmoid(x - self._offset(x))
        left = (1 - z).cumprod(-1)
        return F.pad(z, [0, 1], value=1) * F.pad(left, [1, 0], value=1)

    def _inverse(self, y: Any) -> Any:
        first = y[..., :-1]
        left = (1 - first.cumsum(-1)).clamp(min=finfo(y.dtype).tiny)  # rounding can make it negative
        return first.log() - left.log() + self._offset(first)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum of log(1 - z_i) + log y_i."""
        x = x - self._offset(x)
        return (-x + F.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        """One more element in the last dimension."""
        shape = _at_least(shape, 1)
        return shape[:-1] + (shape[-1] + 1,)

    def inverse_shape(self, shape: Any) -> Any:
        """One element less in the last dimension."""
        shape = _at_least(shape, 1)
        return shape[:-1] + (shape[-1] - 1,)


# ---------------------------------------------------------------- matrices
class CorrCholeskyTransform(Transform):
    """From D (D - 1) / 2 numbers to the Cholesky factor of a D x D correlation matrix: rows of length 1.

    r = tanh(x) fills the matrix below its diagonal, row by row; entry j of a row is r_j times the square root of what
    the squares before it leave, the product of 1 - r_k^2 for k < j. Reference: the Stan reference manual, "Cholesky
    factors of correlation matrices".

    >>> import retrograd as rg
    >>> rg.distributions.CorrCholeskyTransform()(rg.zeros(1))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Any) -> Any:
        x = x.tanh()
        eps = finfo(x.dtype).eps
        r = vec_to_tril_matrix(x.clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - r**2).sqrt().cumprod(-1)
        r = r + eye(r.shape[-1], dtype=r.dtype, device=r.device)
        return r * F.pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y: Any) -> Any:
        left = F.pad((1 - (y * y).cumsum(-1))[..., :-1], [1, 0], value=1)
        r = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (r.log1p() - r.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor, intermediates: Any = None) -> Tensor:
        """That of the map from x to the elements of y below the diagonal."""
        left = tril_matrix_to_vec(1 - (y * y).cumsum(-1), diag=-2)
        of_tanh = -2 * (x - F.logsigmoid(2 * x) - math.log(2.0)).sum(-1)
        return 0.5 * left.log().sum(-1) + of_tanh

    def forward_shape(self, shape: Any) -> Any:
        """(..., D (D - 1) / 2) -> (..., D, D)."""
        shape = _at_least(shape, 1)
        n = shape[-1]
        d = round(math.sqrt(0.25 + 2 * n) + 0.5)
        if d * (d - 1) // 2 != n:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return shape[:-1] + (d, d)

    def inverse_shape(self, shape: Any) -> Any:
        """(..., D, D) -> (..., D (D - 1) / 2)."""
        shape = _at_least(shape, 2)
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return shape[:-2] + (shape[-1] * (shape[-1] - 1) // 2,)


class LowerCholeskyTransform(_Stateless):
    """From matrices to lower triangular ones with a positive diagonal: what is above goes, the diagonal is exp'ed.

    >>> import retrograd as rg
    >>> rg.distributions.LowerCholeskyTransform()(rg.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.lower_cholesky

    def _call(self, x: Any) -> Any:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Any) -> Any:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_Stateless):
    """From matrices to positive definite ones: L L^T of the lower triangular matrix of `LowerCholeskyTransform`.

    >>> import retrograd as rg
    >>> rg.distributions.PositiveDefiniteTransform()(rg.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.independent(constraints.real, 2)
    codomain = constraints.positive_definite

    def _call(self, x: Any) -> Any:
        low = LowerCholeskyTransform()(x)
        return low @ low.mT

    def _inverse(self, y: Any) -> Any:
        return LowerCholeskyTransform().inv(cholesky(y))


# ---------------------------------------------------------------- parts
class _Parts(Transform):
    """Several transforms, each for a part of a tensor along `dim`."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        for f in tseq:
            if not isinstance(f, Transform):
                raise TypeError(f"{type(self).__name__}: Transforms are expected, got {type(f).__name__}")
        super().__init__(cache_size=cache_size)
        self.transforms = [f.with_cache(cache_size) for f in tseq] if cache_size else list(tseq)
        self.dim = dim

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        """Whether all parts are."""
        return all([f.bijective for f in self.transforms])

    def _split(self, x: Tensor, n: int) -> None:
        """Check that x has n elements along the dimension."""
        if not -x.dim() <= self.dim < x.dim():
            raise IndexError(
                f"{type(self).__name__}: dim {self.dim} out of range for a tensor with {x.dim()} dimensions"
            )
        if x.shape[self.dim] != n:
            raise ValueError(
                f"{type(self).__name__}: the tensor has size {x.shape[self.dim]} in dimension {self.dim}; the parts "
                f"make up {n}"
            )


class CatTransform(_Parts):
    """Transforms for consecutive parts, of `lengths`, along `dim`, as `retrograd.cat` joins them.

    >>> import retrograd as rg
    >>> d = rg.distributions
    >>> d.CatTransform([d.ExpTransform(), d.identity_transform], lengths=[1, 2])(rg.zeros(3))
    tensor([1., 0., 0.])
    """

    def __init__(
        self, tseq: Sequence[Transform], dim: int = 0, lengths: Sequence[int] | None = None, cache_size: int = 0
    ) -> None:
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise ValueError(f"lengths ({len(self.lengths)}) must match transforms ({len(self.transforms)})")

    @lazy_property
    def event_dim(self) -> int:
        """The largest of the parts'."""
        return max(f.event_dim for f in self.transforms)

    @lazy_property
    def length(self) -> int:
        """The sum of the lengths."""
        return sum(self.lengths)

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with this cache size, in all parts."""
        if self._cache_size == cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _slices(self, x: Tensor) -> list[Tensor]:
        self._split(x, self.length)
        return list(x.split(self.lengths, self.dim))

    def _call(self, x: Any) -> Any:
        return cat([f(v) for f, v in zip(self.transforms, self._slices(x), strict=True)], dim=self.dim)

    def _inverse(self, y: Any) -> Any:
        return cat([f.inv(v) for f, v in zip(self.transforms, self._slices(y), strict=True)], dim=self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The parts', joined, or summed where `dim` belongs to an event."""
        terms = []
        for f, u, v in zip(self.transforms, self._slices(x), self._slices(y), strict=True):
            terms.append(sum_rightmost(f.log_abs_det_jacobian(u, v), self.event_dim - f.event_dim))
        dim = (self.dim - x.dim() if self.dim >= 0 else self.dim) + self.event_dim
        if dim < 0:
            return cat(terms, dim=dim)
        total: Any = 0
        for term in terms:
            total = total + term
        return total

    @constraints.dependent_property
    def domain(self) -> Constraint:
        """The parts'."""
        return constraints.cat([f.domain for f in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self) -> Constraint:
        """The parts'."""
        return constraints.cat([f.codomain for f in self.transforms], self.dim, self.lengths)


class StackTransform(_Parts):
    """Transforms for the slices along `dim`, as `retrograd.stack` joins them.

    >>> import retrograd as rg
    >>> d = rg.distributions
    >>> d.StackTransform([d.ExpTransform(), d.identity_transform])(rg.zeros(2, 3))
    tensor([[1., 1., 1.],
            [0., 0., 0.]])
    """

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with this cache size, in all parts."""
        return self if self._cache_size == cache_size else StackTransform(self.transforms, self.dim, cache_size)

    def _slices(self, x: Tensor) -> tuple[Tensor, ...]:
        self._split(x, len(self.transforms))
        return tuple(x.unbind(self.dim))

    def _call(self, x: Any) -> Any:
        return stack([f(v) for f, v in zip(self.transforms, self._slices(x), strict=True)], dim=self.dim)

    def _inverse(self, y: Any) -> Any:
        return stack([f.inv(v) for f, v in zip(self.transforms, self._slices(y), strict=True)], dim=self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The parts', stacked."""
        parts = zip(self.transforms, self._slices(x), self._slices(y), strict=True)
        return stack([f.log_abs_det_jacobian(u, v) for f, u, v in parts], dim=self.dim)

    @constraints.dependent_property
    def domain(self) -> Constraint:
        """The parts'."""
        return constraints.stack([f.domain for f in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self) -> Constraint:
        """The parts'."""
        return constraints.stack([f.codomain for f in self.transforms], self.dim)
