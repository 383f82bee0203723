"""Linear algebra of the standard: its four main functions, and the extension `linalg`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .. import linalg as _linalg
from ..dtypes import dtype as Dtype
from ..errors import DtypeError, ShapeError
from ..ops import einsum, view
from ..ops import matmul as _matmul
from ..ops.axes import swapaxes
from ..ops.complex import abs as _abs
from ..ops.complex import conj
from ..ops.matmul import outer as _outer
from ..ops.parts import diagonal as _diagonal
from ..ops.reduce import sum as _sum
from .statistics import sum as _typed_sum
from .types import array, axes_of, common

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "matmul", "matrix_norm",
    "matrix_power", "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot",
    "trace", "vecdot", "vector_norm",
]  # fmt: skip


# ---------------------------------------------------------------- main namespace
def matmul(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The matrix product of the last two axes, the others broadcast; 1-d arrays are row and column vectors."""
    a, b = common("matmul", array(x1, "matmul"), array(x2, "matmul"))
    return _matmul.matmul(a, b)


def matrix_transpose(x: Tensor, /) -> Tensor:
    """Each matrix, in the last two axes, transposed."""
    x = array(x, "matrix_transpose")
    if len(x._shape) < 2:
        raise ShapeError(f"matrix_transpose: at least 2 dimensions are expected, got shape {tuple(x._shape)}")
    return swapaxes(x, -1, -2)


def tensordot(x1: Tensor, x2: Tensor, /, *, axes: Any = 2) -> Tensor:
    """The sum of products over the last `axes` axes of x1 and the first of x2, or over two sequences of axes."""
    a, b = common("tensordot", array(x1, "tensordot"), array(x2, "tensordot"))
    return einsum.tensordot(a, b, axes if isinstance(axes, int) else tuple(list(v) for v in axes))


def vecdot(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """sum_i conj(x1_i) x2_i along an axis, the others broadcast."""
    a, b = common("vecdot", array(x1, "vecdot"), array(x2, "vecdot"))
    n = min(len(a._shape), len(b._shape))
    if not -n <= axis < 0:
        raise IndexError(f"vecdot: axis {axis} is out of range; -{n} to -1 is expected")
    if a._shape[axis] != b._shape[axis]:
        raise ShapeError(
            f"vecdot: {a._shape[axis]} and {b._shape[axis]} elements along axis {axis}; equally many are expected"
        )
    r = _sum(conj(a) * b, dim=axis)
    return r if r._dtype is a._dtype else r.to(a._dtype)


# ---------------------------------------------------------------- the extension
class EigResult(NamedTuple):
    """Results of `eig`."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class EighResult(NamedTuple):
    """Results of `eigh`."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """Results of `qr`."""

    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    """Results of `slogdet`."""

    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    """Results of `svd`."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def cholesky(x: Tensor, /, *, upper: bool = False) -> Tensor:
    """The lower (or upper) triangular factor L of Hermitian positive definite matrices L L^H."""
    return _linalg.cholesky(array(x, "cholesky"), upper=upper)


def cross(x1: Tensor, x2: Tensor, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors of 3 elements along an axis, the others broadcast."""
    a, b = common("cross", array(x1, "cross"), array(x2, "cross"))
    return _linalg.cross(a, b, dim=axis)


def det(x: Tensor, /) -> Tensor:
    """The determinants of square matrices."""
    return _linalg.det(array(x, "det"))


def diagonal(x: Tensor, /, *, offset: int = 0) -> Tensor:
    """The diagonals of the matrices in the last two axes."""
    return _diagonal(array(x, "diagonal"), offset, -2, -1)


def eig(x: Tensor, /) -> EigResult:
    """Eigenvalues, in no order, and eigenvectors of general matrices, both complex."""
    return EigResult(*_linalg.eig(array(x, "eig")))


def eigvals(x: Tensor, /) -> Tensor:
    """The complex eigenvalues of general matrices, in no order."""
    return _linalg.eigvals(array(x, "eigvals"))


def eigh(x: Tensor, /) -> EighResult:
    """The eigenvalues, in ascending order, and eigenvectors of Hermitian matrices."""
    return EighResult(*_linalg.eigh(array(x, "eigh")))


def eigvalsh(x: Tensor, /) -> Tensor:
    """The eigenvalues of Hermitian matrices in ascending order."""
    return _linalg.eigvalsh(array(x, "eigvalsh"))


def inv(x: Tensor, /) -> Tensor:
    """The inverses of square matrices."""
    return _linalg.inv(array(x, "inv"))


def matrix_norm(x: Tensor, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """Norms of matrices: "fro", "nuc", 1, 2, inf and their negatives."""
    return _linalg.matrix_norm(array(x, "matrix_norm"), ord, (-2, -1), keepdims)


def matrix_power(x: Tensor, n: int, /) -> Tensor:
    """The n-th power of square matrices; negative ones are powers of the inverse."""
    return _linalg.matrix_power(array(x, "matrix_power"), n)


def matrix_rank(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    """How many singular values are greater than rtol (None: max(M, N) eps) times the largest."""
    x = array(x, "matrix_rank")
    if len(x._shape) < 2:
        raise ShapeError(f"matrix_rank: at least 2 dimensions are expected, got shape {tuple(x._shape)}")
    return _linalg.matrix_rank(x, rtol=rtol)


def outer(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The products of all elements of one vector with all of another."""
    a, b = common("outer", array(x1, "outer"), array(x2, "outer"))
    return _outer(a, b)


def pinv(x: Tensor, /, *, rtol: Any = None) -> Tensor:
    """The pseudo-inverses of matrices, without singular values up to rtol (None: max(M, N) eps) times the largest."""
    return _linalg.pinv(array(x, "pinv"), rtol=rtol)


def qr(x: Tensor, /, *, mode: str = "reduced") -> QRResult:
    """Orthonormal Q and upper triangular R with x = Q R; mode "reduced" or "complete"."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode must be 'reduced' or 'complete', got {mode!r}")
    return QRResult(*_linalg.qr(array(x, "qr"), mode))


def slogdet(x: Tensor, /) -> SlogdetResult:
    """The sign and the logarithm of the absolute value of determinants."""
    return SlogdetResult(*_linalg.slogdet(array(x, "slogdet")))


def solve(x1: Tensor, x2: Tensor, /) -> Tensor:
    """The solution of x1 y = x2; x2 is one vector if it has one dimension, else matrices in its last two."""
    a, b = common("solve", array(x1, "solve"), array(x2, "solve"))
    if len(b._shape) == 1:
        y = _linalg.solve(a, view.reshape(b, (1,) * (len(a._shape) - 2) + (*b._shape, 1)))
        return view.reshape(y, y._shape[:-1])
    missing = len(a._shape) - len(b._shape)  # PyTorch would take (*batch, N) for vectors
    return _linalg.solve(a, view.reshape(b, (1,) * missing + b._shape) if missing > 0 else b)


def svd(x: Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """The singular value decomposition x = U diag(S) Vh, S in descending order."""
    return SVDResult(*_linalg.svd(array(x, "svd"), full_matrices))


def svdvals(x: Tensor, /) -> Tensor:
    """The singular values in descending order."""
    return _linalg.svdvals(array(x, "svdvals"))


def trace(x: Tensor, /, *, offset: int = 0, dtype: Dtype | None = None) -> Tensor:
    """The sums of the diagonals of matrices; types as for `sum`."""
    return _typed_sum(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def vector_norm(x: Tensor, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Tensor:
    """Norms of vectors along one or several axes (None: all)."""
    x = array(x, "vector_norm")
    if x._dtype.kind not in "fc":
        raise DtypeError(f"vector_norm: the array is {x._dtype.name}; a floating-point type is expected")
    dims = axes_of(axis, len(x._shape))
    if not dims:
        return _abs(x) if ord != 0 else (x != 0).to(x._dtype.to_real())
    return _linalg.vector_norm(x, ord, dims, keepdims)
