"""Matrix products: `matmul` and its named cases.

Two bilinear primitives are closed under differentiation: the product with optional transpositions, and the product
`x.T @ y` summed over all leading dimensions. A right operand of two dimensions makes one large GEMM of however many
leading dimensions the left one has.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from ..backend import accelerated
from ..core import as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..explain import product_hint
from ..op import nary, public
from ..samples import call, raises, t
from . import arith
from .args import check_same_dtype, into
from .shape import reshape_p, sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["bmm", "dot", "fold_gemm_p", "ger", "inner", "matmul", "matmul_p", "mm", "mv", "outer", "vdot"]


def shape_of(v: Any) -> tuple[int, ...]:
    """The shape of an operand of a formula, which is the operand itself or (where it is not saved) its shape."""
    return v if type(v) is tuple else tuple(v.shape)


@accelerated("matmul")
def product(xp: Any, x: Any, y: Any) -> Any:
    """x @ y of arrays."""
    return xp.matmul(x, y)


# ---------------------------------------------------------------- primitives
def _matmul(xp: Any, xs: Any, tx: bool, ty: bool) -> Any:
    x, y = xs
    if tx:
        x = x.swapaxes(-1, -2)
    if ty:
        y = y.swapaxes(-1, -2)
    if x.ndim > 2 and y.ndim == 2:
        s = x.shape
        return product(xp, x.reshape(prod(s[:-1]), s[-1]), y).reshape(*s[:-1], y.shape[1])  # (..., K) -> (rows, K)
    return product(xp, x, y)


def _matmul_vjp(g: Any, xs: Any, o: Any, needs: Any, tx: bool, ty: bool) -> Any:
    x, y = xs
    sx, sy = shape_of(x), shape_of(y)
    gx = gy = None
    if needs[0]:
        gx = matmul_p((y, g), ty, True) if tx else matmul_p((g, y), False, not ty)
        gx = sum_to(gx, sx)
    if needs[1]:
        if len(sy) == 2 and len(sx) > 2 and not tx:  # the batch is summed inside one GEMM
            gy = fold_gemm_p((g, x) if ty else (x, g))
        else:
            gy = matmul_p((g, x), True, tx) if ty else matmul_p((x, g), not tx, False)
            gy = sum_to(gy, sy)
    return gx, gy


matmul_p: Any = nary(
    "matmul",
    _matmul,
    _matmul_vjp,
    saves=("1", "0"),
    dtypes="same",
    jvp="multilinear",
    doc="op(x) @ op(y) of operands with two dimensions or more, where op transposes the last two if tx (ty) says so.",
)


def _fold_gemm(xp: Any, xs: Any) -> Any:
    x, y = xs
    rows = prod(x.shape[:-1])
    return product(xp, x.reshape(rows, x.shape[-1]).T, y.reshape(rows, y.shape[-1]))  # (M, rows) @ (rows, N)


def _fold_gemm_vjp(g: Any, xs: Any, o: Any, needs: Any) -> Any:
    x, y = xs
    return (
        matmul_p((y, g), False, True) if needs[0] else None,  # (..., N) @ (N, M)
        matmul_p((x, g), False, False) if needs[1] else None,  # (..., M) @ (M, N)
    )


fold_gemm_p: Any = nary(
    "fold_gemm",
    _fold_gemm,
    _fold_gemm_vjp,
    saves=("1", "0"),
    dtypes="same",
    jvp="multilinear",
    doc="x.T @ y of (..., M) and (..., N), summed over all leading dimensions: (M, N), one GEMM.",
)


def _dot(g: Any, xs: Any, o: Any, needs: Any) -> Any:
    x, y = xs
    return (g * y if needs[0] else None, g * x if needs[1] else None)


dot_p: Any = nary(
    "dot",
    lambda xp, xs: xp.dot(xs[0], xs[1]),
    _dot,
    saves=("1", "0"),
    dtypes="same",
    jvp="multilinear",
    doc="The sum of products of two vectors.",
)


# ---------------------------------------------------------------- checks
def operands(op: str, x: Any, y: Any, names: tuple[str, str] = ("x", "y")) -> tuple[Tensor, Tensor]:
    x, y = as_tensor_arg(x, op), as_tensor_arg(y, op)
    if x._dtype is not y._dtype:
        check_same_dtype((x, y), op, names)
    if x._dtype.kind == "b":
        raise DtypeError(f"{op}: {names[0]} and {names[1]} are bool; cast them, as in x.int() or x.float()")
    return x, y


def ranks(op: str, x: Tensor, y: Tensor, rx: int, ry: int, names: tuple[str, str] = ("x", "y")) -> None:
    if len(x._shape) != rx or len(y._shape) != ry:
        raise ShapeError(
            f"{op}: {names[0]} with {rx} and {names[1]} with {ry} dimension(s) are expected, got shapes "
            f"{x._shape} and {y._shape}; for other ranks use matmul"
        )


def misfit(op: str, sx: tuple[int, ...], sy: tuple[int, ...], names: tuple[str, str] = ("x", "y")) -> ShapeError:
    """The inner sizes differ: say so, and offer the transposition that would fit, if one does."""
    nx, ny = names
    if len(sx) == 1:
        left = f"{nx} has {sx[0]} elements"
    else:
        left = f"{nx} has {sx[-1]} columns"
    right = f"{ny} has {sy[0]} elements" if len(sy) == 1 else f"{ny} has {sy[-2]} rows"
    return ShapeError(f"{op}: {left} but {right} (shapes {sx} and {sy}){product_hint(sx, sy, names)}")


def _check_batch(op: str, sx: tuple[int, ...], sy: tuple[int, ...]) -> None:
    for i in range(3, min(len(sx), len(sy)) + 1):
        if sx[-i] != sy[-i] and 1 not in (sx[-i], sy[-i]):
            raise ShapeError(
                f"{op}: batch dimensions {sx[:-2]} of x and {sy[:-2]} of y do not broadcast: dimension -{i} is "
                f"{sx[-i]} and {sy[-i]} (shapes {sx} and {sy}); sizes must be equal or 1"
            )


# ---------------------------------------------------------------- products
@public(
    samples=lambda: [
        call(t(2, 3), t(3, 4)),
        call(t(3), t(3)),
        call(t(2, 3), t(3)),
        call(t(3), t(3, 2)),
        call(t(4, 2, 3), t(3)),
        call(t(3), t(4, 3, 2)),
        call(t(4, 2, 3), t(3, 5)),
        call(t(2, 3), t(4, 3, 2)),
        call(t(4, 2, 3), t(4, 3, 5)),
        call(t(2, 1, 2, 3), t(4, 3, 2)),
        call(t(0, 3), t(3, 2)),
        call(t(2, 0), t(0, 3)),
        call(t(2, 0, 3), t(3, 2)),
        call(t(2, 3, dtype="int64", low=-5, high=5), t(3, 2, dtype="int64", low=-5, high=5)),
    ],
    errors=lambda: [
        raises(ValueError, r"x has 3 columns but y has 4 rows \(shapes \(2, 3\) and \(4, 5\)\)(?!;)", t(2, 3), t(4, 5)),
        raises(ValueError, r"transpose y, as in x @ y.mT", t(2, 3), t(5, 3)),
        raises(ValueError, r"do not broadcast", t(2, 2, 3), t(4, 3, 2)),
        raises(ValueError, r"0-d", t(), t(3)),
        raises(TypeError, r"bool", t(2, 2, dtype="bool"), t(2, 2, dtype="bool")),
    ],
    ref=lambda x, y: __import__("numpy").matmul(x, y),
)
def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The matrix product `input @ other`; leading dimensions are batches and broadcast.

    Two vectors give their dot product (0-d). A vector on the left counts as a row (1, K), on the right as a column
    (K, 1), and that dimension is dropped from the result. (..., N, K) @ (..., K, M) -> (..., N, M). Both must have the
    same dtype (`DtypeError`), integers included; `ShapeError` names the sizes that do not fit.

    >>> import retrograd as rg
    >>> rg.matmul(rg.tensor([[1.0, 2.0], [3.0, 4.0]]), rg.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    x, y = operands("matmul", input, other)
    sx, sy = x._shape, y._shape
    nx, ny = len(sx), len(sy)
    if nx == 2 and ny == 2:
        if sx[1] != sy[0]:
            raise misfit("matmul", sx, sy)
        return into(out, matmul_p((x, y), False, False), "matmul")
    if nx == 0 or ny == 0:
        raise ShapeError(f"matmul: a 0-d tensor has no rows or columns (shapes {sx} and {sy}); multiply with *")
    if sx[-1] != sy[max(0, ny - 2)]:
        raise misfit("matmul", sx, sy)
    if nx == 1 and ny == 1:
        return into(out, dot_p((x, y)), "matmul")
    _check_batch("matmul", sx, sy)
    if ny == 1:
        r = reshape_p(matmul_p((x, reshape_p(y, (sy[0], 1))), False, False), sx[:-1])
    elif nx == 1:
        r = reshape_p(matmul_p((reshape_p(x, (1, sx[0])), y), False, False), (*sy[:-2], sy[-1]))
    else:
        r = matmul_p((x, y), False, False)
    return into(out, r, "matmul")


@public(
    samples=lambda: [call(t(2, 3), t(3, 4)), call(t(0, 3), t(3, 4))],
    errors=lambda: [
        raises(ValueError, r"mm: x with 2 and y with 2", t(2, 3), t(3)),
        raises(ValueError, r"mm: x has 3 columns", t(2, 3), t(4, 2)),
    ],
    ref=lambda x, y: x @ y,
)
def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices: (N, K) @ (K, M) -> (N, M), without broadcasting.

    >>> import retrograd as rg
    >>> rg.mm(rg.ones(2, 3), rg.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    x, y = operands("mm", input, mat2)
    ranks("mm", x, y, 2, 2)
    if x._shape[1] != y._shape[0]:
        raise misfit("mm", x._shape, y._shape)
    return into(out, matmul_p((x, y), False, False), "mm")


@public(
    samples=lambda: [call(t(4, 2, 3), t(4, 3, 5)), call(t(0, 2, 3), t(0, 3, 2))],
    errors=lambda: [
        raises(ValueError, r"bmm: x with 3 and y with 3", t(2, 3), t(3, 2)),
        raises(ValueError, r"2 matrices in x but 3 in y", t(2, 2, 3), t(3, 3, 2)),
    ],
    ref=lambda x, y: x @ y,
)
def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of two batches of matrices: (B, N, K) @ (B, K, M) -> (B, N, M), without broadcasting.

    >>> import retrograd as rg
    >>> rg.bmm(rg.ones(4, 2, 3), rg.ones(4, 3, 5)).shape
    retrograd.Size([4, 2, 5])
    """
    x, y = operands("bmm", input, mat2)
    ranks("bmm", x, y, 3, 3)
    check_bmm("bmm", x._shape, y._shape)
    return into(out, matmul_p((x, y), False, False), "bmm")


def check_bmm(op: str, sx: tuple[int, ...], sy: tuple[int, ...]) -> None:
    if sx[0] != sy[0]:
        raise ShapeError(f"{op}: {sx[0]} matrices in x but {sy[0]} in y (shapes {sx} and {sy}); matmul would broadcast")
    if sx[2] != sy[1]:
        raise misfit(op, sx, sy)


@public(
    samples=lambda: [call(t(2, 3), t(3))],
    errors=lambda: [
        raises(ValueError, r"mv: x with 2 and y with 1", t(2, 3), t(3, 1)),
        raises(ValueError, r"x has 3 columns but y has 2 elements", t(2, 3), t(2)),
    ],
    ref=lambda x, y: x @ y,
)
def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of a matrix and a vector: (N, K) @ (K,) -> (N,).

    >>> import retrograd as rg
    >>> rg.mv(rg.ones(2, 3), rg.tensor([1.0, 2.0, 3.0]))
    tensor([6., 6.])
    """
    x, y = operands("mv", input, vec)
    ranks("mv", x, y, 2, 1)
    return into(out, matmul(x, y), "mv")


@public(
    samples=lambda: [call(t(3), t(3)), call(t(0), t(0))],
    errors=lambda: [
        raises(ValueError, r"dot: x with 1 and y with 1", t(2, 3), t(3)),
        raises(ValueError, r"dot: x has 3 elements but y has 2", t(3), t(2)),
    ],
    ref=lambda x, y: __import__("numpy").dot(x, y),
)
def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The dot product of two vectors of the same length, without conjugation: a 0-d tensor.

    >>> import retrograd as rg
    >>> rg.dot(rg.tensor([1.0, 2.0]), rg.tensor([3.0, 4.0]))
    tensor(11.)
    """
    x, y = operands("dot", input, tensor)
    ranks("dot", x, y, 1, 1)
    if x._shape != y._shape:
        raise misfit("dot", x._shape, y._shape)
    return into(out, dot_p((x, y)), "dot")


@public(
    samples=lambda: [call(t(3), t(3)), call(t(3, dtype="complex128"), t(3, dtype="complex128"))],
    errors=lambda: [raises(ValueError, r"vdot: x with 1", t(2, 3), t(3))],
    ref=lambda x, y: __import__("numpy").vdot(x, y),
)
def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The dot product of two vectors with the first one conjugated: a 0-d tensor.

    >>> import retrograd as rg
    >>> rg.vdot(rg.tensor([1.0, 2.0]), rg.tensor([3.0, 4.0]))
    tensor(11.)
    """
    x, y = operands("vdot", input, other)
    ranks("vdot", x, y, 1, 1)
    if x._shape != y._shape:
        raise misfit("vdot", x._shape, y._shape)
    if x._dtype.is_complex:
        x = x.conj()
    return into(out, dot_p((x, y)), "vdot")


@public(
    samples=lambda: [call(t(3), t(3)), call(t(2, 3), t(4, 3)), call(t(2, 3), t(3)), call(t(), t(2, 3))],
    errors=lambda: [raises(ValueError, r"inner: the last dimensions differ", t(2, 3), t(3, 2))],
    ref=lambda x, y: __import__("numpy").inner(x, y),
)
def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sum of products over the last dimension of both: (..., K), (***, K) -> (..., ***); a 0-d operand scales.

    >>> import retrograd as rg
    >>> rg.inner(rg.tensor([1.0, 2.0]), rg.tensor([3.0, 4.0]))
    tensor(11.)
    """
    x, y = operands("inner", input, other)
    sx, sy = x._shape, y._shape
    if not sx or not sy:
        return into(out, arith.mul(x, y), "inner")
    if sx[-1] != sy[-1]:
        raise ShapeError(
            f"inner: the last dimensions differ (shapes {sx} and {sy}); matmul contracts columns with rows"
        )
    flat = matmul_p((reshape_p(x, (prod(sx[:-1]), sx[-1])), reshape_p(y, (prod(sy[:-1]), sy[-1]))), False, True)
    return into(out, reshape_p(flat, (*sx[:-1], *sy[:-1])), "inner")


@public(
    samples=lambda: [call(t(3), t(2)), call(t(3, dtype="int64", low=0, high=5), t(2))],
    errors=lambda: [raises(ValueError, r"outer: x with 1 and y with 1", t(2, 3), t(3))],
    ref=lambda x, y: __import__("numpy").outer(x, y),
)
def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The outer product of two vectors: (N,), (M,) -> (N, M).

    >>> import retrograd as rg
    >>> rg.outer(rg.tensor([1.0, 2.0]), rg.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    x, y = as_tensor_arg(input, "outer"), as_tensor_arg(vec2, "outer")
    ranks("outer", x, y, 1, 1)
    return into(out, arith.mul(reshape_p(x, (x._shape[0], 1)), y), "outer")


@public(samples=lambda: [call(t(3), t(2))], ref=lambda x, y: __import__("numpy").outer(x, y))
def ger(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The outer product of two vectors; another name of `outer`.

    >>> import retrograd as rg
    >>> rg.ger(rg.tensor([1.0, 2.0]), rg.tensor([3.0]))
    tensor([[3.],
            [6.]])
    """
    return outer(input, vec2, out=out)
