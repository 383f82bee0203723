"""Norms of vectors and matrices and condition numbers under `linalg`: norm, vector_norm, matrix_norm, cond."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..dtypes import as_dtype
from ..errors import DtypeError, ShapeError
from ..generic import cast
from ..op import public
from ..samples import D, call, raises, t
from .args import dims, into, one_dim
from .complex import abs as modulus
from .extremes import amax, amin
from .linalg_core import matrices, square
from .linalg_solve import inv_p
from .linalg_svd import svdvals_p
from .norms import norm_p, nuclear_p
from .reduce import Dim, Shape, count
from .shape import permute_p, reshape_p, sum_p

if TYPE_CHECKING:
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = ["cond", "matrix_norm", "norm", "vector_norm"]

_EXTREME = (math.inf, -math.inf)


# ---------------------------------------------------------------- arguments
def _operand(x: Any, dtype: Any, op: str, name: str) -> Tensor:
    """The operand in the type that the norm is computed in."""
    x = as_tensor_arg(x, op)
    if x._dtype.kind not in "fc":
        raise DtypeError(
            f"{op}: {name} is {x._dtype.name}; a floating-point or complex dtype is expected; convert it, as in "
            f"{name}.float()"
        )
    if dtype is None:
        return x
    d = as_dtype(dtype, op)
    if d.kind not in "fc" or (d.kind == "c") != (x._dtype.kind == "c"):
        raise DtypeError(f"{op}: dtype is {d.name}, but {name} is {x._dtype.name}; the two must be of one kind")
    if d.itemsize < x._dtype.itemsize:
        raise DtypeError(f"{op}: dtype {d.name} is narrower than {x._dtype.name} of {name}; convert the result instead")
    return cast(x, d)


def _order(ord: Any, op: str) -> float:
    if isinstance(ord, (str, bytes, complex)):
        raise ShapeError(f"{op}: ord={ord!r} is not a norm of vectors; give a number")
    return float(ord)


def _vector(x: Any, ord: Any, axes: Shape, keepdim: bool, op: str) -> Any:
    p = _order(ord, op)
    if (
        (p < 0 or p == math.inf)
        and count(x._shape, axes) == 0
        and math.prod(n for i, n in enumerate(x._shape) if i not in axes)
    ):
        raise ShapeError(
            f"{op}: ord={p:g} of no elements (shape {tuple(x._shape)}) is not defined; give 0 <= ord < inf"
        )
    if 0 in x._shape and (p < 0 or p == math.inf):  # the result has no elements
        return sum_p(modulus(x), axes, keepdim)
    return norm_p(x, p, axes, keepdim)


def _matrix(x: Any, ord: Any, axes: Shape, keepdim: bool, op: str) -> Any:
    """axes: rows and columns, in that order."""
    if ord == "fro":
        return norm_p(x, 2.0, tuple(sorted(axes)), keepdim)
    if isinstance(ord, str) and ord != "nuc":
        raise ShapeError(f"{op}: ord={ord!r} is not known; give 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2")
    if ord != "nuc" and abs(float(ord)) not in (1.0, 2.0, math.inf):
        raise ShapeError(f"{op}: ord={ord!r} is not a norm of matrices; give 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2")
    shape = x._shape
    rest = tuple(i for i in range(len(shape)) if i not in axes)
    y = permute_p(x, (*rest, *axes))
    m, n = y._shape[-2:]
    k = len(rest)
    if ord == "nuc":
        r = nuclear_p(y) if y._data.size else sum_p(modulus(y), (k, k + 1), False)
    else:
        p = float(ord)
        summed, other = ((m, n) if abs(p) == 1 else (n, m)) if abs(p) != 2 else (0, min(m, n))
        del summed
        if other == 0:
            if p < 0 and math.prod(y._shape[:-2]):
                raise ShapeError(f"{op}: ord={p:g} of a matrix without elements (shape {tuple(shape)}) is not defined")
            r = sum_p(modulus(y), (k, k + 1), False)
        else:
            if abs(p) == 2:
                found = svdvals_p(y)
            else:
                found = sum_p(modulus(y), (k if abs(p) == 1 else k + 1,), False)
            r = amax(found, -1) if p > 0 else amin(found, -1)
    return reshape_p(r, tuple(1 if i in axes else n for i, n in enumerate(shape))) if keepdim else r


def _two(dim: Any, ndim: int, op: str) -> Shape:
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise ShapeError(f"{op}: dim={dim!r} must name two dimensions, rows and columns")
    a, b = one_dim(dim[0], ndim, op), one_dim(dim[1], ndim, op)
    if a == b:
        raise ShapeError(f"{op}: dim={tuple(dim)} names dimension {a} twice; rows and columns must differ")
    return a, b


def _type_errors(op: str, name: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{op}: {name} is int64", t(2, 2, dtype="int64", grad=False)),
        raises(RuntimeError, rf"{op}: dtype is complex64", t(2, 2), dtype=D("complex64")),
        raises(RuntimeError, rf"{op}: dtype float32 is narrower", t(2, 2, dtype="float64"), dtype=D("float32")),
    ]


# ---------------------------------------------------------------- public functions
@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3, 4)),
        call(t(3)),
        *(call(t(2, 3), p) for p in (0, 0.5, 1, 2, 3.5, -1, math.inf, -math.inf)),
        call(t(2, 3, 4), 3, dim=(0, -1)),
        call(t(2, 3, 4), dim=1, keepdim=True),
        call(t(2, 3), dtype=D("float64")),
        call(t(3, dtype="complex128"), 3),
        call(t()),
        call(t(0)),
        call(t(0, 3), math.inf, dim=1),
    ],
    errors=lambda: [
        *_type_errors(r"linalg\.vector_norm", "x")(),
        raises(RuntimeError, r"linalg\.vector_norm: ord=inf of no elements", t(0), math.inf),
        raises(IndexError, r"linalg\.vector_norm: dim 2", t(2, 2), dim=2),
    ],
)
def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """(sum |x|^ord)^(1/ord) over the dimensions `dim` (None: all), however many they are.

    ord: a number; 0 counts the elements that are not zero, inf and -inf take the extreme moduli. dtype: converts x
    first. Shapes: `(N, C, H, W)` with dim=(2, 3) to `(N, C)`, or `(N, C, 1, 1)` with keepdim.

    >>> import retrograd as rg
    >>> rg.linalg.vector_norm(rg.tensor([3.0, 4.0]))
    tensor(5.)
    """
    op = "linalg.vector_norm"
    x = _operand(x, dtype, op, "x")
    return into(out, _vector(x, ord, dims(dim, len(x._shape), op), bool(keepdim), op), op)


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3, 4)),
        *(call(t(3, 4), p) for p in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)),
        call(t(2, 3, 4), "nuc", dim=(0, 2), keepdim=True),
        call(t(2, 3, 4), 1, dim=(2, 0)),
        call(t(2, 3, 4), 2, (-1, 0), True),
        call(t(3, 2, dtype="complex128"), 1),
        call(t(0, 3)),
        call(t(0, 2, 2), 2),
    ],
    errors=lambda: [
        *_type_errors(r"linalg\.matrix_norm", "A")(),
        raises(RuntimeError, r"linalg\.matrix_norm: A must have at least 2 dimensions", t(3)),
        raises(RuntimeError, r"linalg\.matrix_norm: ord=3 is not a norm of matrices", t(2, 2), 3),
        raises(RuntimeError, r"linalg\.matrix_norm: ord='max' is not known", t(2, 2), "max"),
        raises(RuntimeError, r"names dimension 1 twice", t(2, 2), dim=(1, -1)),
        raises(RuntimeError, r"must name two dimensions", t(2, 2), dim=(1,)),
    ],
)
def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: tuple[int, int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """A norm of the matrices in the two dimensions `dim`.

    ord: "fro" the root of the sum of squares; "nuc" the sum of the singular values; 2 and -2 the largest and smallest
    of them; 1 and -1 the largest and smallest sum of moduli of a column; inf and -inf of a row. Shapes: `(*, M, N)` to
    `(*)`, or `(*, 1, 1)` with keepdim.

    >>> import retrograd as rg
    >>> rg.linalg.matrix_norm(rg.tensor([[1.0, -2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    op = "linalg.matrix_norm"
    x = _operand(A, dtype, op, "A")
    if len(x._shape) < 2:
        raise ShapeError(f"{op}: A must have at least 2 dimensions, a matrix or a batch of them; got {tuple(x._shape)}")
    return into(out, _matrix(x, ord, _two(dim, len(x._shape), op), bool(keepdim), op), op)


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3, 4)),
        call(t(4), 3),
        call(t(3, 4), 2),
        call(t(3, 4), "nuc"),
        call(t(2, 3, 4), dim=1),
        call(t(2, 3, 4), 1, dim=(0, 2)),
        call(t(2, 3, 4), math.inf, 1, True),
        call(t(2, 3, 4), dim=(1, 2), dtype=D("float64")),
        call(t(2, 3, 4)),
    ],
    errors=lambda: [
        *_type_errors(r"linalg\.norm", "A")(),
        raises(RuntimeError, r"linalg\.norm: ord=2 without dim", t(2, 2, 2), 2),
        raises(RuntimeError, r"linalg\.norm: dim=\(0, 1, 2\)", t(2, 2, 2), 2, (0, 1, 2)),
        raises(RuntimeError, r"linalg\.norm: ord='fro' is not a norm of vectors", t(2, 2), "fro", 0),
    ],
)
def norm(
    A: Tensor,
    ord: float | str | None = None,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    dtype: Dtype | None = None,
) -> Tensor:
    """A norm of vectors (dim an int) or of matrices (dim a pair): `linalg.vector_norm` or `linalg.matrix_norm`.

    Without ord it is the 2-norm of all that `dim` names. Without dim, A must be a vector or a matrix unless ord is None.

    >>> import retrograd as rg
    >>> rg.linalg.norm(rg.tensor([[3.0, 4.0], [0.0, 0.0]])), rg.linalg.norm(rg.tensor([[1.0, 2.0]]), 1)
    (tensor(5.), tensor(2.))
    """
    op = "linalg.norm"
    x = _operand(A, dtype, op, "A")
    n = len(x._shape)
    if ord is None:
        return into(out, _vector(x, 2, dims(dim, n, op), bool(keepdim), op), op)
    if dim is None:
        if n not in (1, 2):
            raise ShapeError(
                f"{op}: ord={ord!r} without dim needs a vector or a matrix, got {tuple(x._shape)}; give dim"
            )
        dim = 0 if n == 1 else (0, 1)
    if isinstance(dim, (tuple, list)) and len(dim) != 1:
        if len(dim) != 2:
            raise ShapeError(f"{op}: dim={tuple(dim)} must be one dimension (vectors) or two (matrices)")
        return into(out, _matrix(x, ord, _two(dim, n, op), bool(keepdim), op), op)
    return into(out, _vector(x, ord, dims(dim, n, op), bool(keepdim), op), op)


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3, 3)),
        *(call(t(3, 3), p) for p in (2, -2)),
        *(call(t(3, 3), p, torch=False) for p in ("fro", "nuc", 1, -1, math.inf, -math.inf)),  # no gradient there
        *(call(t(3, 3, grad=False), p) for p in ("fro", "nuc", 1, -1, math.inf, -math.inf)),
        call(t(2, 3, 4)),
        call(t(2, 3, 4), -2),
        call(t(2, 2, values=[[1.0, 2.0], [2.0, 4.0]], grad=False), 1),
        call(t(0, 2, 2)),
        call(t(2, 0, 0), 1),
    ],
    errors=lambda: [
        raises(RuntimeError, r"linalg\.cond: A must be a square", t(2, 3), 1),
        raises(RuntimeError, r"linalg\.cond: A is int64", t(2, 2, dtype="int64", grad=False)),
        raises(RuntimeError, r"linalg\.cond: p=3", t(2, 2), 3),
    ],
)
def cond(A: Tensor, p: float | str | None = None, *, out: Tensor | None = None) -> Tensor:
    """The condition number norm(A, p) * norm(inv(A), p) for inverting A; inf for a singular matrix.

    p: None and 2 give the ratio of the largest to the smallest singular value, -2 its inverse, for other than square
    matrices too; else an ord of `linalg.matrix_norm`. Shapes: `(*, N, N)` to `(*)`.

    >>> import retrograd as rg
    >>> rg.linalg.cond(rg.tensor([[4.0, 0.0], [0.0, 2.0]]))
    tensor(2.)
    """
    op = "linalg.cond"
    if p not in (None, 2, -2, 1, -1, math.inf, -math.inf, "fro", "nuc"):
        raise ShapeError(f"{op}: p={p!r} is not known; give None, 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2")
    ratio = p in (None, 2, -2)
    x = matrices(A, op) if ratio else square(A, op)
    n = len(x._shape)
    if not x._data.size:
        return into(out, sum_p(modulus(x.detach()), (n - 2, n - 1), False), op)
    if ratio:
        s = svdvals_p(x)
        large, small = s[..., 0], s[..., -1]
        return into(out, small / large if p == -2 else large / small, op)
    axes = (n - 2, n - 1)
    inverse = inv_p(x, "")
    a, b = _matrix(x, p, axes, False, op), _inverse_norm(inverse, p, axes, op)
    r = a * b
    singular = np.isnan(b.detach()._data) if isinstance(b._data, np.ndarray) else b.isnan()._data
    bad = singular & ~_has_nan(x)
    if bool(bad.any()):
        from ..core import wrap

        r = r.masked_fill(wrap(bad), math.inf)
    return into(out, r, op)


def _inverse_norm(x: Any, p: Any, axes: Shape, op: str) -> Any:
    if p != "nuc":
        return _matrix(x, p, axes, False, op)
    from .where import where

    nan = x.isnan()  # the singular value decomposition does not take NaN
    return (
        _matrix(where(nan, x.new_zeros(()), x), p, axes, False, op)
        + (where(nan, x, x.new_zeros(())) * 0).sum((-2, -1)).abs()
    )


def _has_nan(x: Any) -> Any:
    return x.isnan()._data.any((-2, -1))
