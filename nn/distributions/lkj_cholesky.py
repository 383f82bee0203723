"""LKJCholesky: random correlation matrices, as their Cholesky factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.dtypes import finfo
from ...autograd.grad_mode import no_grad
from ...autograd.ops.ranges import arange
from ...autograd.ops.special_gamma import lgamma, mvlgamma
from ...autograd.size import Size
from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all, standard_normal

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """Lower triangular Cholesky factors (..., dim, dim) of correlation matrices M with density ~ det(M)^(c - 1).

    dim: at least 2, else ValueError. concentration: c > 0; all correlation matrices are equally probable for c = 1.
    Samples by the onion method. Reference: Lewandowski, Kurowicka, Joe, "Generating random correlation matrices based on
    vines and extended onion method" (2009).

    >>> import retrograd as rg
    >>> d = rg.distributions.LKJCholesky(3, 0.5)
    >>> low = d.sample()
    >>> bool(((low @ low.mT).diagonal() - 1 < 1e-6).all()), d.log_prob(rg.eye(3))
    (True, tensor(-2.5310))
    """

    arg_constraints: Any = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Tensor | float = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        c = self.concentration
        # Row k: the squared length of the k numbers left of the diagonal, Beta(k / 2, c + (dim - 1 - k) / 2). Row 0 has
        # none; its draw is not used. (PyTorch takes k - 1/2 as the first parameter, and misses the density for dim > 2.)
        half = 0.5 * arange(dim, dtype=c.dtype, device=c.device).clamp(min=1)
        first, second = half, (c + 0.5 * (dim - 1)).unsqueeze(-1) - half
        self._beta = Beta(first, second, validate_args=False)
        super().__init__(c.size(), (dim, dim), validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameter expanded."""
        new = self._get_checked_instance(LKJCholesky, _instance)
        new.dim = self.dim
        new._beta = self._beta.expand(Size(batch_shape) + (self.dim,))
        return self._expand_into(LKJCholesky, batch_shape, new, "concentration")

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Cholesky factors: each row a random direction of a random length, and the diagonal that is left."""
        with no_grad():
            y = self._beta.sample(sample_shape).unsqueeze(-1)
            z = standard_normal(self._extended_shape(sample_shape), y).tril(-1)
            length = z.norm(dim=-1, keepdim=True)
            w = y.sqrt() * (z / length.clamp(min=finfo(z.dtype).tiny))
            diagonal = (1 - w.pow(2).sum(-1)).clamp(min=finfo(w.dtype).tiny).sqrt()
            return w + diagonal.diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density of the factor."""
        c = self.concentration
        diagonal = self._checked(value).diagonal(dim1=-1, dim2=-2)[..., 1:]
        order = 2 * (c - 1).unsqueeze(-1) + self.dim - arange(2, self.dim + 1, dtype=c.dtype, device=c.device)
        n = self.dim - 1
        alpha = c + 0.5 * n
        norm = 0.5 * n * math.log(math.pi) + mvlgamma(alpha - 0.5, n) - lgamma(alpha) * n
        return (order * diagonal.log()).sum(-1) - norm
