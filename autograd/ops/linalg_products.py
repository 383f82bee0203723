"""Products and powers under `linalg`: matrix_exp, matrix_power, multi_dot, vecdot, cross, vander, diagonal, matmul."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..dtypes import float32
from ..errors import DtypeError, ShapeError
from ..generic import cast
from ..op import param, public
from ..samples import call, raises, t
from . import matmul as products
from .args import as_int, into, one_dim, quiet
from .complex import conj_physical
from .cumulative import cumprod
from .join import cat, stack
from .linalg_core import batch_shape, batched, cols, eye, mm, mT, plain, rows, same_type, square
from .linalg_solve import inv_p
from .parts import diagonal as diagonal_of
from .shape import expand_p, getitem_p, reshape_p, sum_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "cross", "diagonal", "matmul", "matrix_exp", "matrix_exp_p", "matrix_power", "multi_dot", "vander", "vecdot",
]  # fmt: skip

# Pade approximants [k/k] of exp: up to which 1-norm each is exact to double precision, and their coefficients
# (Higham, The Scaling and Squaring Method for the Matrix Exponential Revisited, 2005).
_PADE = (
    (1.495585217958292e-2, (120.0, 60.0, 12.0, 1.0)),
    (2.539398330063230e-1, (30240.0, 15120.0, 3360.0, 420.0, 30.0, 1.0)),
    (9.504178996162932e-1, (17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0)),
    (
        2.097847961257068e0,
        (17643225600.0, 8821612800.0, 2075673600.0, 302702400.0, 30270240.0, 2162160.0, 110880.0, 3960.0, 90.0, 1.0),
    ),
    (
        5.371920351148152e0,
        (
            64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
            10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
        ),
    ),
)  # fmt: skip


# ---------------------------------------------------------------- the exponential
@quiet
def _matrix_exp(xp: Any, x: Any) -> Any:
    n = x.shape[-1]
    if not x.size:
        return x.copy()
    size = float(abs(x).sum(-2).max())
    if not np.isfinite(size):
        return xp.full_like(x, np.nan)
    limit, c = next((pade for pade in _PADE if size <= pade[0]), _PADE[-1])
    squarings = max(0, int(np.ceil(np.log2(size / limit)))) if size > limit else 0
    a = x.astype(xp.result_type(x.dtype, "float64")) * 0.5**squarings  # squaring multiplies rounding errors
    one = xp.eye(n, dtype=a.dtype)
    a2 = a @ a
    power = xp.broadcast_to(one, a.shape)
    even, odd = c[0] * power, c[1] * power
    for k in range(2, len(c), 2):  # numerator and denominator are even + odd and even - odd parts
        power = power @ a2
        even = even + c[k] * power
        odd = odd + c[k + 1] * power
    odd = a @ odd
    r = xp.linalg.solve(even - odd, even + odd)
    for _ in range(squarings):
        r = r @ r
    return r.astype(x.dtype)


def _frechet(x: Any, e: Any) -> Any:
    """The derivative of the exponential at x in direction e: a block of the exponential of [[x, e], [0, x]]."""
    n = x.shape[-1]
    if plain(x) is x and plain(e) is e:
        xp = xp_of(x)
        block = xp.concatenate(
            [xp.concatenate([x, e], axis=-1), xp.concatenate([xp.zeros_like(x), x], axis=-1)], axis=-2
        )
    else:
        block = cat([cat([x, e], -1), cat([x * 0, x], -1)], -2)
    return cols(rows(matrix_exp_p(block), 0, n), n, None)


matrix_exp_p: Any = param(
    "matrix_exp",
    _matrix_exp,
    lambda g, x, o: _frechet(mT(x), g),
    saves="x",
    jvp=lambda ts, xs, o: _frechet(xs[0], ts[0]),
    doc="The exponentials of square matrices, by scaling, a Pade approximant and squaring.",
)


def _exp(A: Any, op: str) -> Any:
    """Half types are taken too, as in PyTorch, and computed in single precision."""
    A = as_tensor_arg(A, op)
    if A._dtype.kind == "f" and not A._dtype.fast:
        return cast(matrix_exp_p(square(cast(A, float32), op)), A._dtype)
    return matrix_exp_p(square(A, op))


def _exp_errors(op: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{op}: A must be a square matrix", t(2, 3)),
        raises(RuntimeError, rf"{op}: A must have at least 2 dimensions", t(3)),
        raises(RuntimeError, rf"{op}: A is int64", t(2, 2, dtype="int64", grad=False)),
    ]


def _exp_ref(A: Any) -> Any:
    import scipy.linalg

    return scipy.linalg.expm(A)


def _exp_samples() -> list[Any]:
    return [
        call(t(3, 3)),
        call(t(2, 2, 2, low=-0.1, high=0.1)),
        call(t(2, 2, low=-0.005, high=0.005)),
        call(t(2, 2, dtype="complex128")),
        call(t(2, 2, low=-8.0, high=4.0)),
        call(t(1, 1)),
        call(t(0, 0)),
        call(t(0, 2, 2)),
    ]


@public(where="linalg", method=False, samples=_exp_samples, errors=_exp_errors(r"linalg\.matrix_exp"), ref=_exp_ref)
def matrix_exp(A: Tensor) -> Tensor:
    """The exponential I + A + A^2 / 2 + ... of a square matrix.

    Computed by scaling, a Pade approximant and squaring (Higham 2005) in double precision; half types are taken too.
    Shapes: `(*, N, N)` to the same shape.

    >>> import retrograd as rg
    >>> rg.linalg.matrix_exp(rg.tensor([[0.0, 1.0], [0.0, 0.0]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return _exp(A, "linalg.matrix_exp")


@public(name="matrix_exp", samples=lambda: [call(t(2, 2))], errors=_exp_errors("matrix_exp"), ref=_exp_ref)
def root_matrix_exp(input: Tensor) -> Tensor:
    """The exponential of a square matrix, as `linalg.matrix_exp`.

    >>> import retrograd as rg
    >>> rg.matrix_exp(rg.zeros(1, 1))
    tensor([[1.]])
    """
    return _exp(input, "matrix_exp")


# ---------------------------------------------------------------- powers
def _power(A: Any, n: Any, op: str) -> Any:
    A, n = square(A, op), as_int(n, op, "n")
    if n == 0:
        return batched(eye(A, A._shape[-1]), A._shape[:-2]).clone() + A * 0
    if n < 0:
        A, n = inv_p(A, op), -n
    if n == 1:
        return A.clone()
    result = None
    while n:
        if n & 1:
            result = A if result is None else mm(result, A)
        n >>= 1
        if n:
            A = mm(A, A)
    return result


def _power_errors(op: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{op}: A must be a square matrix", t(2, 3), 2),
        raises(TypeError, rf"{op}: n must be an int", t(2, 2), 1.5),
        raises(RuntimeError, rf"{op}: the matrix is singular", t(1, 1, values=[[0.0]]), -1),
    ]


REGULAR = [[2.0, 0.5, -1.0], [0.25, -1.5, 0.75], [1.0, 0.5, 1.75]]


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        *(call(t(3, 3, values=REGULAR), n) for n in (0, 1, 2, 5, -1, -2)),
        call(t(2, 2, 2), 3),
        call(t(0, 2, 2), 2),
        call(t(2, 0, 0), -1),
    ],
    errors=_power_errors(r"linalg\.matrix_power"),
    ref=np.linalg.matrix_power,
)
def matrix_power(A: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """The n-th power of a square matrix by repeated squaring; of the inverse for n < 0, the identity for n = 0.

    Shapes: `(*, N, N)` to the same shape.

    >>> import retrograd as rg
    >>> rg.linalg.matrix_power(rg.tensor([[1.0, 1.0], [0.0, 1.0]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    return into(out, _power(A, n, "linalg.matrix_power"), "linalg.matrix_power")


@public(
    name="matrix_power",
    samples=lambda: [call(t(3, 3), 2)],
    errors=_power_errors("matrix_power"),
    ref=np.linalg.matrix_power,
)
def root_matrix_power(input: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """The n-th power of a square matrix, as `linalg.matrix_power`.

    >>> import retrograd as rg
    >>> rg.matrix_power(rg.tensor([[2.0]]), 3)
    tensor([[8.]])
    """
    return into(out, _power(input, n, "matrix_power"), "matrix_power")


# ---------------------------------------------------------------- products of many
def _best_order(sizes: list[int]) -> Any:
    """best[i][j]: where to split the product of matrices i..j for the fewest multiplications (Cormen et al., ch. 15)."""
    n = len(sizes) - 1
    cost = [[0] * n for _ in range(n)]
    best = [[0] * n for _ in range(n)]
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i][j], best[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return best


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call([t(2, 3), t(3, 4)]),
        call([t(2, 3), t(3, 4), t(4, 1), t(1, 2)]),
        call([t(3), t(3, 4), t(4)]),
        call([t(3), t(3, 4), t(4, 2)]),
        call([t(2, 3), t(3, 4), t(4)]),
        call([t(2, 0), t(0, 3)]),
    ],
    errors=lambda: [
        raises(RuntimeError, r"linalg\.multi_dot: at least two tensors are expected, got 1", [t(2, 2)]),
        raises(RuntimeError, r"linalg\.multi_dot: tensor 1 has shape \(3,\)", [t(2, 3), t(3), t(3, 2)]),
        raises(RuntimeError, r"linalg\.multi_dot: tensor 0 has shape \(2, 2, 2\)", [t(2, 2, 2), t(2, 2)]),
        raises(RuntimeError, r"linalg\.multi_dot: tensor 0 has 3 columns, tensor 1 2 rows", [t(2, 3), t(2, 2)]),
    ],
    ref=np.linalg.multi_dot,
)
def multi_dot(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    The first and the last may be vectors, a row and a column. Shapes: `(N, K)`, `(K, L)`, ..., `(P, M)` to `(N, M)`.

    >>> import retrograd as rg
    >>> rg.linalg.multi_dot([rg.ones(1, 10), rg.ones(10, 1), rg.ones(1, 3)])
    tensor([[10., 10., 10.]])
    """
    op = "linalg.multi_dot"
    xs = [as_tensor_arg(x, op) for x in tensors]
    if len(xs) < 2:
        raise ShapeError(f"{op}: at least two tensors are expected, got {len(xs)}")
    same_type(op, *((f"tensor {i}", x) for i, x in enumerate(xs)))
    last = len(xs) - 1
    for i, x in enumerate(xs):
        if len(x._shape) != 2 and not (len(x._shape) == 1 and i in (0, last)):
            raise ShapeError(
                f"{op}: tensor {i} has shape {tuple(x._shape)}; matrices are expected, and at both ends vectors too"
            )
    drop_row, drop_column = len(xs[0]._shape) == 1, len(xs[-1]._shape) == 1
    if drop_row:
        xs[0] = reshape_p(xs[0], (1, xs[0]._shape[0]))
    if drop_column:
        xs[-1] = reshape_p(xs[-1], (xs[-1]._shape[0], 1))
    for i in range(last):
        if xs[i]._shape[1] != xs[i + 1]._shape[0]:
            raise ShapeError(
                f"{op}: tensor {i} has {xs[i]._shape[1]} columns, tensor {i + 1} {xs[i + 1]._shape[0]} rows"
            )
    best = _best_order([xs[0]._shape[0], *(x._shape[1] for x in xs)])

    def product(i: int, j: int) -> Any:
        return xs[i] if i == j else mm(product(i, best[i][j]), product(best[i][j] + 1, j))

    r = product(0, last)
    shape = r._shape[1 if drop_row else 0 : 1 if drop_column else 2]
    return into(out, reshape_p(r, tuple(shape)) if shape != r._shape else r, op)


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(2, 3), t(3, 4)),
        call(t(2, 2, 3), t(3)),
        call(t(3), t(3)),
    ],
    errors=lambda: [raises(ValueError, r"x has 3 columns but y has 4 rows", t(2, 3), t(4, 5))],
    ref=np.matmul,
)
def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The matrix product, as `retrograd.matmul`.

    >>> import retrograd as rg
    >>> rg.linalg.matmul(rg.ones(2, 3), rg.ones(3))
    tensor([3., 3.])
    """
    return products.matmul(input, other, out=out)


# ---------------------------------------------------------------- vectors
def _vectors(x: Any, y: Any, dim: Any, op: str) -> tuple[Any, Any, int]:
    """Both expanded to a common shape, and the dimension of the vectors."""
    x, y = as_tensor_arg(x, op), as_tensor_arg(y, op)
    same_type(op, ("x", x), ("y", y))
    shape = batch_shape(op, x._shape, y._shape)
    return expand_p(x, shape), expand_p(y, shape), one_dim(dim, len(shape), op)


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3), t(3)),
        call(t(2, 3), t(3)),
        call(t(2, 3), t(2, 3), dim=0),
        call(t(3, dtype="complex128"), t(3, dtype="complex128")),
        call(t(0, 3), t(0, 3)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"linalg\.vecdot: .*\(2,\) and \(3,\) do not broadcast", t(2), t(3)),
        raises(IndexError, r"linalg\.vecdot: dim 2", t(2, 2), t(2, 2), dim=2),
        raises(RuntimeError, r"linalg\.vecdot: x is float32 but y is float64", t(2), t(2, dtype="float64")),
    ],
)
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """sum conj(x) y along `dim`: the dot products of two batches of vectors, which broadcast.

    Shapes: `(*, N)` twice to `(*)`.

    >>> import retrograd as rg
    >>> rg.linalg.vecdot(rg.tensor([[1.0, 2.0], [3.0, 4.0]]), rg.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    op = "linalg.vecdot"
    x, y, d = _vectors(x, y, dim, op)
    return into(out, sum_p(conj_physical(x) * y, (d,) if x._shape else (), False), op)


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3), t(3)),
        call(t(2, 3), t(1, 3)),
        call(t(3, 2), t(3, 2), dim=0),
        call(t(3, dtype="int64", low=-5, high=5), t(3, dtype="int64", low=-5, high=5)),
        call(t(0, 3), t(0, 3)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"linalg\.cross: dimension 0 has size 2; vectors of 3 elements", t(2), t(2)),
        raises(RuntimeError, r"linalg\.cross: x has 1 and y has 2 dimensions", t(3), t(2, 3)),
        raises(IndexError, r"linalg\.cross: dim 1", t(3), t(3), dim=1),
    ],
)
def cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The cross products of two batches of vectors with 3 elements along `dim`; the other dimensions broadcast.

    Shapes: `(*, 3)` twice, with as many dimensions, to `(*, 3)`.

    >>> import retrograd as rg
    >>> rg.linalg.cross(rg.tensor([1.0, 0.0, 0.0]), rg.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    op = "linalg.cross"
    x, y = as_tensor_arg(input, op), as_tensor_arg(other, op)
    if len(x._shape) != len(y._shape):
        raise ShapeError(
            f"{op}: x has {len(x._shape)} and y has {len(y._shape)} dimensions; as many are expected, add some with "
            "unsqueeze"
        )
    d = one_dim(dim, len(x._shape), op)
    for v in (x, y):
        if not v._shape or v._shape[d] != 3:
            size = v._shape[d] if v._shape else 0
            raise ShapeError(f"{op}: dimension {d} has size {size}; vectors of 3 elements are expected")
    batch_shape(op, x._shape, y._shape)

    def part(v: Any, i: int) -> Any:
        return getitem_p(v, ((slice(None),) * d) + (i,))

    a, b = [part(x, i) for i in range(3)], [part(y, i) for i in range(3)]
    r = stack([a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)], d)
    return into(out, r, op)


@public(
    where="linalg",
    method=False,
    samples=lambda: [
        call(t(3)),
        call(t(2, 3), N=4),
        call(t(3), N=2),
        call(t(2, dtype="int64", low=-3, high=3)),
        call(t(3, dtype="complex128"), N=3),
    ],
    errors=lambda: [
        raises(RuntimeError, r"linalg\.vander: N=1", t(3), N=1),
        raises(RuntimeError, r"linalg\.vander: x has no dimensions", t()),
    ],
    ref=lambda x, N=None: x[..., None] ** np.arange(x.shape[-1] if N is None else N),
)
def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The Vandermonde matrices x_i^j for j < N (None: as many as x has elements): `(*, M)` to `(*, M, N)`.

    >>> import retrograd as rg
    >>> rg.linalg.vander(rg.tensor([2, 3]), N=3)
    tensor([[1, 2, 4],
            [1, 3, 9]])
    """
    op = "linalg.vander"
    x = as_tensor_arg(x, op)
    if x._dtype.kind == "b":
        raise DtypeError(f"{op}: x is bool; numbers are expected, as in x.int()")
    if N is None and not x._shape:
        raise ShapeError(f"{op}: x has no dimensions; a vector or a batch of them is expected, as in x.reshape(1)")
    if not x._shape:
        x = reshape_p(x, (1,))
    n = x._shape[-1] if N is None else as_int(N, op, "N")
    if n < 2 and N is not None:
        raise ShapeError(f"{op}: N={n} columns are too few; give N > 1")
    a = x._data
    shape = (*x._shape, 1)
    ones = wrap(xp_of(a).ones(shape, dtype=a.dtype))
    if n <= 1:
        return ones
    factors = expand_p(reshape_p(x, shape), (*x._shape, n - 1))
    powers = cumprod(factors, -1)
    return cat([ones if ones._dtype is powers._dtype else ones.to(powers.dtype), powers], -1)


@public(
    where="linalg",
    method=False,
    samples=lambda: [call(t(3, 4)), call(t(2, 3, 4), offset=1), call(t(2, 3, 4), offset=-1, dim1=0, dim2=2)],
    errors=lambda: [raises(IndexError, r"dim 3", t(2, 3), dim1=3)],
    ref=lambda A, offset=0, dim1=-2, dim2=-1: np.diagonal(A, offset, dim1, dim2),
)
def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """A view of the diagonals of the matrices in two dimensions, by default the last two, as the last dimension.

    >>> import retrograd as rg
    >>> rg.linalg.diagonal(rg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 4.])
    """
    return diagonal_of(A, offset, dim1, dim2)
