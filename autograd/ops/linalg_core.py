"""What the linear algebra operations share: checks of operands, adjoints, small structured matrices, failures.

Formulas run on arrays and on tensors alike, so the helpers for them (`adj`, `mm`, `low`, `up`, `off_diagonal`, `cols`)
use primitives only. Matrices stand in the last two dimensions; all dimensions before them are batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import generic
from ..backend import of, xp_of
from ..core import TensorBase, as_tensor_arg, wrap
from ..errors import DtypeError, ShapeError
from ..op import param
from .args import check_same_dtype, quiet
from .complex import conj_physical, imag_p, kind, real_p, to_complex_p
from .diag import tril_p, triu_p
from .matmul import matmul_p
from .shape import diagonal_backward_p, diagonal_p, expand_p, getitem_p, keep_p, permute_p, reshape_p, sum_p

if TYPE_CHECKING:
    from ..tensor import Tensor

Shape = tuple[int, ...]


class LinAlgError(np.linalg.LinAlgError, RuntimeError):
    """The data make a computation impossible: a singular matrix, one that is not positive-definite, no convergence.

    It is a RuntimeError, as in PyTorch, and a `numpy.linalg.LinAlgError`.

    >>> import retrograd as rg
    >>> try:
    ...     rg.linalg.inv(rg.zeros(2, 2))
    ... except rg.linalg.LinAlgError:
    ...     print("singular")
    singular
    """


# ---------------------------------------------------------------- checks
def floating(x: Any, op: str, name: str = "A") -> Tensor:
    """Operand `x` as a tensor of a type that matrices are factored in: float32, float64, complex64, complex128."""
    x = as_tensor_arg(x, op)
    d = x._dtype
    if d.kind not in "fc":
        raise DtypeError(
            f"{op}: {name} is {d.name}; a floating-point or complex dtype is expected; convert it, as in {name}.float()"
        )
    if d.kind == "f" and not d.fast:
        raise DtypeError(
            f"{op}: {name} is {d.name}; low precision dtypes are not supported; convert it, as in {name}.float()"
        )
    return x


def matrices(x: Any, op: str, name: str = "A") -> Tensor:
    """A matrix or a batch of them."""
    x = floating(x, op, name)
    if len(x._shape) < 2:
        raise ShapeError(
            f"{op}: {name} must have at least 2 dimensions, a matrix or a batch of them; got shape {tuple(x._shape)}"
        )
    return x


def square(x: Any, op: str, name: str = "A") -> Tensor:
    """A square matrix or a batch of them."""
    x = matrices(x, op, name)
    m, n = x._shape[-2:]
    if m != n:
        raise ShapeError(
            f"{op}: {name} must be a square matrix or a batch of them, but they are {m} by {n} "
            f"(shape {tuple(x._shape)})"
        )
    return x


def same_type(op: str, *named: tuple[str, Tensor]) -> None:
    """All operands must have one dtype."""
    check_same_dtype([x for _, x in named], op, [n for n, _ in named])


def batch_shape(op: str, *shapes: Shape) -> Shape:
    """The batch dimensions to which those of the operands broadcast."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        text = " and ".join(str(tuple(s)) for s in shapes)
        raise ShapeError(f"{op}: batch dimensions {text} do not broadcast; sizes must be equal or 1") from None


def batched(x: Any, batch: Shape) -> Any:
    """`x` with its batch dimensions expanded."""
    shape = (*batch, *x.shape[-2:])
    return x if tuple(x.shape) == shape else expand_p(x, shape)


def into_all(out: Any, results: Any, op: str) -> Any:
    """Several results, written into a tuple of tensors where one was given."""
    if out is None:
        return results
    if not isinstance(out, (tuple, list)) or len(out) != len(results):
        raise TypeError(f"{op}: out must be a tuple of {len(results)} tensors, got {type(out).__name__}")
    return type(results)(*(generic.into(o, r, op) for o, r in zip(out, results, strict=True)))


# ---------------------------------------------------------------- values that formulas build on
def mT(x: Any) -> Any:
    """The transposes."""
    n = len(x.shape)
    return permute_p(x, (*range(n - 2), n - 1, n - 2))


def adj(x: Any) -> Any:
    """The conjugate transposes."""
    return conj_physical(mT(x))


def mm(*xs: Any) -> Any:
    """The matrix product of all, from the left."""
    r = xs[0]
    for x in xs[1:]:
        r = matmul_p((r, x), False, False)
    return r


def low(x: Any, k: int = 0) -> Any:
    """The lower triangles."""
    return tril_p(x, k)


def up(x: Any, k: int = 0) -> Any:
    """The upper triangles."""
    return triu_p(x, k)


def cols(x: Any, start: int | None, stop: int | None) -> Any:
    """Some of the columns."""
    return getitem_p(x, (Ellipsis, slice(start, stop)))


def rows(x: Any, start: int | None, stop: int | None) -> Any:
    """Some of the rows."""
    return getitem_p(x, (Ellipsis, slice(start, stop), slice(None)))


def diagonals(x: Any) -> Any:
    """The main diagonals, as the last dimension."""
    n = len(x.shape)
    return diagonal_p(x, 0, n - 2, n - 1)


def embed(d: Any) -> Any:
    """Square matrices with `d` on their diagonals."""
    n = d.shape[-1]
    k = len(d.shape)
    if 0 in d.shape:
        return column(d) * row(d)
    return diagonal_backward_p(d, (*d.shape, n), 0, k - 1, k)


def column(d: Any) -> Any:
    """(..., N) as (..., N, 1), to scale rows."""
    return reshape_p(d, (*d.shape, 1))


def row(d: Any) -> Any:
    """(..., N) as (..., 1, N), to scale columns."""
    return reshape_p(d, (*d.shape[:-1], 1, d.shape[-1]))


def total(x: Any) -> Any:
    """The sums of all elements of the matrices."""
    n = len(x.shape)
    return sum_p(x, (n - 2, n - 1), False)


def plain(x: Any) -> Any:
    """The array of a tensor, or the array itself."""
    return x._data if isinstance(x, TensorBase) else x


def eye_of(x: Any, n: int, m: int | None = None) -> Any:
    """The identity as a constant array of x's library and type."""
    a = plain(x)
    return xp_of(a).eye(n, n if m is None else m, dtype=a.dtype)


def eye(x: Any, n: int, m: int | None = None) -> Any:
    """The identity as a constant of x's kind: a tensor for a tensor."""
    e = eye_of(x, n, m)
    return wrap(e) if isinstance(x, TensorBase) else e


def off_diagonal(x: Any) -> Any:
    """`x` with zeros on the main diagonals."""
    a = plain(x)
    xp = xp_of(a)
    return keep_p(x, xp.eye(x.shape[-2], x.shape[-1], dtype=bool), False)


def _plus_eye(xp: Any, x: Any) -> Any:
    return x + xp.eye(x.shape[-2], x.shape[-1], dtype=x.dtype)


plus_eye_p: Any = param(
    "plus_eye",
    _plus_eye,
    lambda g, x, o: g,
    dtypes="same",
    jvp=lambda ts, xs, o: ts[0],
    doc="x + I for the matrices in the last two dimensions.",
)


def real(x: Any) -> Any:
    """The real part of a tensor or array; a real one as it is."""
    return real_p(x) if kind(x) == "c" else x


def imag(x: Any) -> Any:
    """The imaginary part of a complex tensor or array."""
    return imag_p(x)


def as_type(x: Any, like: Any) -> Any:
    """A real value as a complex one where `like` is complex."""
    return to_complex_p(x, 0) if kind(like) == "c" and kind(x) != "c" else x


# ---------------------------------------------------------------- matrix by matrix
def flat_batch(a: Any) -> Any:
    """An array (..., M, N) as (B, M, N)."""
    return a.reshape(math.prod(a.shape[:-2]), *a.shape[-2:])


def each_matrix(*arrays: Any) -> Iterator[tuple[Any, ...]]:
    """The matrices of arrays that have equal batch dimensions, side by side."""
    return zip(*(flat_batch(a) for a in arrays), strict=True)


def lapack(names: Sequence[str], a: Any) -> list[Any]:
    """LAPACK's functions of these names for the type of array `a`."""
    from scipy.linalg import get_lapack_funcs  # loaded at the first factorization that needs it

    return get_lapack_funcs(tuple(names), (a,))  # type: ignore[return-value]


def zero_pivots(xp: Any, x: Any) -> np.ndarray:
    """Per matrix the number (from 1) of the first zero pivot of Gaussian elimination, 0 for none: int32 on the host."""
    if not x.size:
        return np.zeros(x.shape[:-2], np.int32)
    host = of(x).to_numpy(x)
    (getrf,) = lapack(["getrf"], host)
    return np.array([getrf(m)[2] for m in flat_batch(host)], np.int32).reshape(x.shape[:-2])


def failing(info: np.ndarray) -> tuple[str, int]:
    """Of the first matrix that failed: its place in the batch, for a message, and its number in `info`."""
    flat = info.reshape(-1)
    i = int(np.flatnonzero(flat)[0])
    place = "" if info.ndim == 0 else f"(batch element {', '.join(str(k) for k in np.unravel_index(i, info.shape))}) "
    return place, int(flat[i])


def singular(op: str, info: np.ndarray) -> LinAlgError:
    """The error for matrices that have no inverse."""
    place, k = failing(info)
    return LinAlgError(
        f"{op}: {place}the matrix is singular (pivot {k} is zero), so it has no inverse; "
        "linalg.pinv and linalg.lstsq take such matrices"
    )


@quiet
def unless_singular(xp: Any, op: str, compute: Callable[..., Any], a: Any, *rest: Any) -> Any:
    """compute(a, *rest); LinAlgError naming the matrix if one in `a` is singular, or not finite for `op` = "".

    CuPy does not report singular matrices, so there the result is looked at.
    """
    try:
        r = compute(a, *rest)
        if xp is np or not op or bool(xp.isfinite(r).all()) or not all(bool(xp.isfinite(v).all()) for v in (a, *rest)):
            return r
    except np.linalg.LinAlgError:
        pass
    info = zero_pivots(xp, a)
    if not info.any():
        return compute(a, *rest)
    if op:
        raise singular(op, info) from None
    batch = info.shape
    ok = xp.asarray(info == 0).reshape(*batch, 1, 1)
    r = compute(xp.where(ok, a, xp.eye(a.shape[-1], dtype=a.dtype)), *rest)
    return xp.where(ok, r, r.dtype.type(math.nan))


def info_tensor(x: Tensor, info: np.ndarray) -> Tensor:
    """LAPACK's reports as an int32 tensor beside x."""
    home = of(x._data)
    return wrap(home.from_numpy(np.asarray(info, np.int32), home.device_of(x._data).index))


def check_phase(op: str, *diagonal: Any) -> None:
    """Refuse gradients of what depends on the arbitrary phase of complex vectors (given: what has to be real)."""
    total: Any = None
    for d in diagonal:
        a = plain(d).imag
        total = a if total is None else total + a
    if total is None or not total.size:
        return
    if not bool((abs(total) <= 1e-2).all()):
        raise LinAlgError(
            f"{op}: complex vectors are determined up to a factor exp(i phi), and what is differentiated depends on it, "
            "so it has no gradient; use only what does not change with that factor, such as the modulus"
        )
