"""The named tuples of the linear algebra functions, with the field names of `torch.return_types`.

>>> import retrograd as rg
>>> rg.linalg.slogdet(rg.eye(2)).logabsdet
tensor(0.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "geqrf", "linalg_cholesky_ex", "linalg_eig", "linalg_eigh", "linalg_inv_ex", "linalg_ldl_factor",
    "linalg_ldl_factor_ex", "linalg_lstsq", "linalg_lu", "linalg_lu_factor", "linalg_lu_factor_ex", "linalg_qr",
    "linalg_slogdet", "linalg_solve_ex", "linalg_svd", "lu_unpack", "qr", "slogdet", "svd", "triangular_solve",
]  # fmt: skip


class linalg_eig(NamedTuple):
    """Eigenvalues, and eigenvectors as columns, of general matrices: both complex."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class linalg_eigh(NamedTuple):
    """Eigenvalues in ascending order, and eigenvectors as columns, of Hermitian matrices."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class linalg_svd(NamedTuple):
    """Left singular vectors (columns), singular values in descending order, right singular vectors (rows)."""

    U: Tensor
    S: Tensor
    Vh: Tensor


class svd(NamedTuple):
    """Left singular vectors, singular values in descending order, right singular vectors; all vectors are columns."""

    U: Tensor
    S: Tensor
    V: Tensor


class linalg_qr(NamedTuple):
    """A factor with orthonormal columns, and an upper triangular one."""

    Q: Tensor
    R: Tensor


class qr(NamedTuple):
    """A factor with orthonormal columns, and an upper triangular one."""

    Q: Tensor
    R: Tensor


class geqrf(NamedTuple):
    """R in the upper triangle and Householder vectors below it, and the scales of the reflectors."""

    a: Tensor
    tau: Tensor


class linalg_slogdet(NamedTuple):
    """The sign (or phase) of determinants, and the logarithm of their modulus."""

    sign: Tensor
    logabsdet: Tensor


class slogdet(NamedTuple):
    """The sign (or phase) of determinants, and the logarithm of their modulus."""

    sign: Tensor
    logabsdet: Tensor


class linalg_cholesky_ex(NamedTuple):
    """The triangular factor, and per matrix 0 or the order of the leading minor that is not positive-definite."""

    L: Tensor
    info: Tensor


class linalg_inv_ex(NamedTuple):
    """The inverse, and per matrix 0 or the number of the pivot that is zero."""

    inverse: Tensor
    info: Tensor


class linalg_solve_ex(NamedTuple):
    """The solution, and per matrix 0 or the number of the pivot that is zero."""

    result: Tensor
    info: Tensor


class linalg_lu(NamedTuple):
    """Permutation, unit lower triangular factor, upper triangular factor."""

    P: Tensor
    L: Tensor
    U: Tensor


class lu_unpack(NamedTuple):
    """Permutation, unit lower triangular factor, upper triangular factor."""

    P: Tensor
    L: Tensor
    U: Tensor


class linalg_lu_factor(NamedTuple):
    """Both triangular factors in one matrix, and the row exchanges, counted from 1."""

    LU: Tensor
    pivots: Tensor


class linalg_lu_factor_ex(NamedTuple):
    """Both triangular factors in one matrix, the row exchanges, and per matrix 0 or the number of the zero pivot."""

    LU: Tensor
    pivots: Tensor
    info: Tensor


class linalg_ldl_factor(NamedTuple):
    """The factors L and D in one matrix, and the pivots in LAPACK's coding."""

    LD: Tensor
    pivots: Tensor


class linalg_ldl_factor_ex(NamedTuple):
    """The factors L and D in one matrix, the pivots, and per matrix 0 or the number of the zero block."""

    LD: Tensor
    pivots: Tensor
    info: Tensor


class linalg_lstsq(NamedTuple):
    """Solution, squared residuals, rank and singular values; what a driver does not compute is empty."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


class triangular_solve(NamedTuple):
    """The solution, and a copy of the triangular matrix."""

    solution: Tensor
    cloned_coefficient: Tensor
