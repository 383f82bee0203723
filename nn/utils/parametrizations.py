"""Weights that are normalized, or kept orthogonal, through parametrizations."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from ...autograd import Tensor, no_grad
from ...autograd.dtypes import finfo
from ...autograd.errors import ShapeError
from ...autograd.ops.create import zeros_like
from ...autograd.ops.ranges import eye
from .. import functional as F
from ..modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..modules.module import Module
from . import parametrize
from .weight_norm import norm_except, normed

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


# ---------------------------------------------------------------- orthogonal matrices
def _is_orthogonal(q: Tensor) -> bool:
    """Whether the columns are orthonormal, up to ten roundings a row."""
    n, k = q.shape[-2], q.shape[-1]
    near = 10.0 * n * finfo(q.dtype).eps
    return bool((q.mH @ q).allclose(eye(k, dtype=q.dtype, device=q.device).expand(*q.shape[:-2], k, k), atol=near))


def _make_orthogonal(a: Tensor) -> Tensor:
    """The Q of A = Q R with a non-negative diagonal of R; A is tall."""
    from ...autograd.linalg import qr

    q, r = qr(a)
    return q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _OrthMaps(Enum):
    matrix_exp = auto()
    cayley = auto()
    householder = auto()


class _Orthogonal(Module):
    base: Tensor

    def __init__(self, weight: Tensor, orthogonal_map: _OrthMaps, *, use_trivialization: bool = True) -> None:
        super().__init__()
        # Reflectors hold n (n - 1) real numbers, a unitary matrix has n^2: the phases of tau would be lost.
        if weight.is_complex() and orthogonal_map is _OrthMaps.householder:
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        from ...autograd.linalg import householder_product, solve
        from ...autograd.ops.join import cat

        wide = x.shape[-2] < x.shape[-1]
        if wide:
            x = x.mT
        n, k = x.shape[-2], x.shape[-1]
        if self.orthogonal_map is _OrthMaps.householder:
            a = x.tril(diagonal=-1)
            tau = 2.0 / (1.0 + (a * a).sum(dim=-2))
            # The diagonal of x holds signs, which do not train: hence the integers.
            q = householder_product(a, tau) * x.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            a = x.tril()
            if n != k:
                a = cat([a, x.new_zeros((*x.shape[:-2], n, n - k))], dim=-1)
            a = a - a.mH  # skew
            if self.orthogonal_map is _OrthMaps.matrix_exp:
                q = a.matrix_exp()
            else:
                one = eye(n, dtype=a.dtype, device=a.device)
                q = solve(one - 0.5 * a, one + 0.5 * a)
            q = q[..., :k] if n != k else q
        if hasattr(self, "base"):
            q = self.base @ q
        return q.mT if wide else q

    @no_grad()
    def right_inverse(self, q: Tensor) -> Tensor:
        """The original for an orthogonal matrix, or for the one nearest to `q` in the sense of its QR decomposition."""
        from ...autograd.ops.join import cat
        from ...autograd.ops.where import where

        if q.shape != self.shape:
            raise ShapeError(
                f"Expected a matrix or batch of matrices of shape {tuple(self.shape)}. Got a tensor of shape "
                f"{tuple(q.shape)}."
            )
        given = q
        wide = q.shape[-2] < q.shape[-1]
        if wide:
            q = q.mT
        n, k = q.shape[-2], q.shape[-1]
        if not hasattr(self, "base"):
            if self.orthogonal_map is not _OrthMaps.householder:
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                    "use_trivialization=False."
                )
            a, tau = q.geqrf()
            # Signs on the diagonal, turned where LAPACK returned no reflection (tau exactly 0).
            signs = a.diagonal(dim1=-2, dim2=-1).sign()
            signs = where(tau == 0, -signs, signs)
            a = a.clone()
            a.diagonal(dim1=-2, dim2=-1).copy_(signs)
            return a.mT if wide else a
        if n != k:  # completed by random columns to a square
            extra = q.new_empty((*q.shape[:-2], n, n - k)).normal_()
            q = _make_orthogonal(cat([q, extra], dim=-1))
        else:
            q = q.clone() if _is_orthogonal(q) else _make_orthogonal(q)
        self.base = q
        # -1 on the diagonal: the Householder map of zeros below it is then the identity.
        minus = zeros_like(given)
        minus.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return minus


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a weight `(*, m, n)` orthogonal: `Q^T Q = I` where m >= n, `Q Q^T = I` otherwise (unitary, if complex).

    orthogonal_map: 'matrix_exp' (`Q = exp(A)`) or 'cayley' (`Q = (I + A/2) (I - A/2)^-1`) of a skew-symmetric A, or
    'householder' (a product of reflections). None: 'matrix_exp' for square and complex weights, else 'householder'.
    use_trivialization: the map is multiplied by a matrix kept in `parametrizations.<name>[0].base`, which starts at the
    weight given (made orthogonal), and training begins there.

    Raises ValueError for a weight of fewer than two dimensions and for an unknown map. Lezcano-Casado,
    "Trivializations for Gradient-Based Optimization on Manifolds", NeurIPS 2019.

    >>> import retrograd as rg
    >>> layer = rg.nn.utils.parametrizations.orthogonal(rg.nn.Linear(3, 5, dtype=rg.float64))
    >>> rg.allclose(layer.weight.T @ layer.weight, rg.eye(3, dtype=rg.float64))
    True
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    chosen = getattr(_OrthMaps, orthogonal_map, None)
    if chosen is None:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    made = _Orthogonal(weight, chosen, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, made, unsafe=True)


# ---------------------------------------------------------------- weight normalization
class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return normed(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """(the norms, the weight)."""
        return norm_except(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Split a weight into its length and direction: `w = g * v / |v|`, with g and v trained.

    dim: the dimension whose slices have a length each (0: output channels); None: one length for all. The originals
    are `parametrizations.<name>.original0` (g) and `original1` (v); state_dicts of the older `utils.weight_norm` load.
    Salimans & Kingma, "Weight Normalization", NeurIPS 2016.

    >>> import retrograd as rg
    >>> layer = rg.nn.utils.parametrizations.weight_norm(rg.nn.Linear(20, 40))
    >>> tuple(layer.parametrizations.weight.original0.shape)
    (40, 1)
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def compatible(state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        g, v = f"{prefix}{name}_g", f"{prefix}{name}_v"
        if g in state_dict and v in state_dict:
            state_dict[f"{prefix}parametrizations.{name}.original0"] = state_dict.pop(g)
            state_dict[f"{prefix}parametrizations.{name}.original1"] = state_dict.pop(v)

    module._register_load_state_dict_pre_hook(compatible)
    return module


# ---------------------------------------------------------------- spectral normalization
class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        n = weight.ndim
        if not -n <= dim < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{n}, {n - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % n
        self.eps = eps
        if n > 1:  # the norm of a vector needs no iterations
            self.n_power_iterations = n_power_iterations
            matrix = self._reshape_weight_to_matrix(weight.detach())
            for key, size in zip(("_u", "_v"), matrix.shape, strict=True):
                drawn = matrix.new_empty(size).normal_(0, 1)
                self.register_buffer(key, F.normalize(drawn, dim=0, eps=eps))
            self._power_method(matrix, 15)

    def _reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        if self.dim != 0:
            weight = weight.permute(self.dim, *(d for d in range(weight.ndim) if d != self.dim))
        return weight.flatten(1)

    @no_grad()
    def _power_method(self, matrix: Tensor, n_power_iterations: int) -> None:
        for _ in range(n_power_iterations):
            self._u.copy_(F.normalize(matrix.mv(self._v), dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.mH.mv(self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._reshape_weight_to_matrix(weight)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # Copies: the next forward writes on the buffers, and there may be two before a backward.
        u, v = self._u.clone(), self._v.clone()
        return weight / u.vdot(matrix.mv(v))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value itself."""
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value (a vector by its length), estimated by power iteration.

    Each reading in training mode makes n_power_iterations steps more. dim: the dimension of the outputs, 0 but for
    transposed convolutions (1); the others are joined to the columns of a matrix. Miyato et al., "Spectral Normalization
    for Generative Adversarial Networks", ICLR 2018.

    >>> import retrograd as rg
    >>> layer = rg.nn.utils.parametrizations.spectral_norm(rg.nn.Linear(3, 3, dtype=rg.float64), n_power_iterations=99)
    >>> round(rg.linalg.matrix_norm(layer.weight, 2).item(), 3)
    1.0
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        dim = 1 if isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d) else 0
    return parametrize.register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
