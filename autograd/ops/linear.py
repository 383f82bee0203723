"""`linear`, `bilinear`, and the products added to something: `addmm` and its family."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from ..backend import accelerated, xp_of
from ..core import TensorBase, as_tensor_arg
from ..dtypes import bool_
from ..errors import ShapeError
from ..explain import linear_hint
from ..op import nary, public
from ..samples import call, raises, t
from . import arith
from .args import check_same_dtype, into
from .compare import logical_and, logical_or
from .matmul import check_bmm, fold_gemm_p, matmul, matmul_p, misfit, operands, outer, product, ranks, shape_of
from .shape import keep_p, permute_p, reshape_p, sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bilinear", "linear", "linear_array", "linear_p", "linear_vjp",
]  # fmt: skip


# ---------------------------------------------------------------- linear
@accelerated("linear")
def _affine(xp: Any, x: Any, w: Any, b: Any) -> Any:
    y = product(xp, x, w.T)
    if b is not None:
        y += b
    return y


def linear_array(xp: Any, xs: Any) -> Any:
    x, w, b = xs
    s = x.shape
    if len(s) == 2:
        return _affine(xp, x, w, b)
    return _affine(xp, x.reshape(prod(s[:-1]), s[-1]), w, b).reshape(*s[:-1], w.shape[0])  # (rows, in) @ (in, out)


def linear_vjp(g: Any, xs: Any, o: Any, needs: Any) -> Any:
    x, w, b = xs
    return (
        matmul_p((g, w), False, False) if needs[0] else None,
        fold_gemm_p((g, x)) if needs[1] else None,
        sum_to(g, shape_of(b)) if needs[2] else None,
    )


def _linear_jvp(ts: Any, xs: Any, o: Any) -> Any:
    (tx, tw, tb), (x, w, _) = ts, xs
    if tx is None and tw is None:
        return arith.add(linear_p((x, w, None)) * 0, tb)
    if tx is not None and tw is not None:
        return linear_p((tx, w, tb)) + linear_p((x, tw, None))
    return linear_p((tx, w, tb)) if tw is None else linear_p((x, tw, tb))


linear_p: Any = nary(
    "linear",
    linear_array,
    linear_vjp,
    saves=("1", "0", ""),
    dtypes="same",
    jvp=_linear_jvp,
    doc="x @ w.T + b for x (..., in), w (out, in) and b (out,) or None: one GEMM over the folded leading dimensions.",
)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(5, 3), t(4, 3), t(4)),
        call(t(5, 3), t(4, 3)),
        call(t(2, 5, 3), t(4, 3), bias=t(4)),
        call(t(3), t(4, 3), t(4)),
        call(t(5, 3), t(3)),
        call(t(0, 3), t(4, 3), t(4)),
    ],
    errors=lambda: [
        raises(ValueError, r"linear: input has 2 features but weight expects 3", t(5, 2), t(4, 3)),
        raises(ValueError, r"weight \(3, 4\) is \(out, in\); transpose it", t(5, 3), t(3, 4)),
        raises(ValueError, r"bias", t(5, 3), t(4, 3), t(3)),
    ],
    ref=lambda x, w, bias=None: x @ w.T + (0 if bias is None else bias),
)
def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The affine map `input @ weight.T + bias`: (..., in), (out, in), (out,) -> (..., out).

    One matrix product, over all leading dimensions at once. `ShapeError` if the features do not fit.

    >>> import retrograd as rg
    >>> rg.nn.functional.linear(rg.ones(2, 3), rg.ones(1, 3), rg.tensor([0.5]))
    tensor([[3.5000],
            [3.5000]])
    """
    x, w = operands("linear", input, weight, ("input", "weight"))
    sx, sw = x._shape, w._shape
    b = bias
    if b is not None:
        b = b if isinstance(b, TensorBase) else as_tensor_arg(b, "linear")
        if b._dtype is not w._dtype:
            check_same_dtype((w, b), "linear", ("weight", "bias"))
    if len(sw) != 2:
        return _linear_vector(x, w, b)
    if not sx or sx[-1] != sw[1]:
        got = f"{sx[-1]} features" if sx else "no dimensions"
        raise ShapeError(
            f"linear: input has {got} but weight expects {sw[1]} (shapes {sx} and {sw}){linear_hint(sx, sw)}"
        )
    if b is not None and b._shape != (sw[0],):
        if b._shape and b._shape != (1,):
            raise ShapeError(f"linear: bias has shape {b._shape}, weight {sw} asks for ({sw[0]},)")
        return arith.add(linear_p((x, w, None)) if len(sx) > 1 else matmul(w, x), b)
    if len(sx) == 1:  # one sample: (in,) -> (out,)
        return reshape_p(linear_p((reshape_p(x, (1, sx[0])), w, b)), (sw[0],))
    return linear_p((x, w, b))


def _linear_vector(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """`linear` with a weight (in,): one output, whose dimension is dropped."""
    if len(w._shape) != 1:
        raise ShapeError(f"linear: weight has shape {w._shape}; (out, in) is expected")
    if not x._shape or x._shape[-1] != w._shape[0]:
        raise ShapeError(f"linear: input {x._shape} and weight {w._shape} differ in the number of features")
    r = matmul(x, w)
    return r if b is None else arith.add(r, b)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(5, 2), t(5, 3), t(4, 2, 3), t(4)),
        call(t(6, 5, 2), t(6, 5, 3), t(4, 2, 3)),
        call(t(2), t(3), t(4, 2, 3), bias=t(4)),
    ],
    errors=lambda: [
        raises(ValueError, r"bilinear: weight \(4, 2, 3\) expects", t(5, 3), t(5, 3), t(4, 2, 3)),
        raises(ValueError, r"bilinear: leading dimensions", t(5, 2), t(6, 3), t(4, 2, 3)),
    ],
    ref=lambda x, y, w, bias=None: (
        __import__("numpy").einsum("...i,oij,...j->...o", x, w, y) + (0 if bias is None else bias)
    ),
)
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The bilinear map `y[o] = x1 @ weight[o] @ x2 + bias[o]`: (..., I), (..., J), (O, I, J), (O,) -> (..., O).

    >>> import retrograd as rg
    >>> rg.nn.functional.bilinear(rg.ones(1, 2), rg.ones(1, 3), rg.ones(1, 2, 3))
    tensor([[6.]])
    """
    x, y = operands("bilinear", input1, input2, ("input1", "input2"))
    w, _ = operands("bilinear", weight, x, ("weight", "input1"))
    sx, sy, sw = x._shape, y._shape, w._shape
    if len(sw) != 3 or not sx or not sy or (sx[-1], sy[-1]) != sw[1:]:
        raise ShapeError(
            f"bilinear: weight {sw} expects (out, features of input1, features of input2), got inputs {sx} and {sy}"
        )
    if sx[:-1] != sy[:-1]:
        raise ShapeError(f"bilinear: leading dimensions of the inputs differ (shapes {sx} and {sy})")
    lead, (o, i, j) = sx[:-1], sw
    n = prod(lead)
    xw = matmul_p((reshape_p(x, (n, i)), reshape_p(permute_p(w, (1, 0, 2)), (i, o * j))), False, False)  # (n, o*j)
    r = matmul_p((reshape_p(xw, (n, o, j)), reshape_p(y, (n, j, 1))), False, False)  # (n, o, 1)
    r = reshape_p(r, (*lead, o))
    return r if bias is None else arith.add(r, as_tensor_arg(bias, "bilinear"))


# ---------------------------------------------------------------- products added to something
def _added(op: str, base: Any, product: Tensor, beta: Any, alpha: Any, out: Tensor | None) -> Tensor:
    """beta * base + alpha * product; base is not read at all if beta is 0, as in BLAS."""
    base = as_tensor_arg(base, op)
    if product._dtype.kind in "iu":
        beta, alpha = int(beta), int(alpha)
    if base._dtype is not product._dtype:
        check_same_dtype((base, product), op, ("input", "the product"))
    s, full = base._shape, product._shape
    lead = len(full) - len(s)
    if lead < 0 or any(n not in (1, m) for n, m in zip(s, full[lead:], strict=True)):
        raise ShapeError(f"{op}: input {s} does not broadcast to the product's shape {full}")
    if alpha != 1:
        product = product * alpha
    if beta != 0:
        product = arith.add(base if beta == 1 else base * beta, product)
    elif base._node is not None:  # its values (NaN too) do not matter, but its gradient is 0 rather than absent
        product = arith.add(keep_p(base, xp_of(base._data).zeros(s, bool), True), product)
    return into(out, product, op)


@public(
    inplace=True,
    samples=lambda: [
        call(t(2, 4), t(2, 3), t(3, 4)),
        call(t(4), t(2, 3), t(3, 4), beta=0.5, alpha=2.0),
        call(t(2, 1), t(2, 3), t(3, 4), beta=0),
    ],
    errors=lambda: [
        raises(ValueError, r"addmm: mat1 has 3 columns but mat2 has 4 rows", t(2), t(2, 3), t(4, 2)),
        raises(ValueError, r"does not broadcast", t(3), t(2, 3), t(3, 4)),
    ],
    ref=lambda b, x, y, beta=1, alpha=1: beta * b + alpha * (x @ y),
)
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """`beta * input + alpha * (mat1 @ mat2)` for matrices (N, K), (K, M); input broadcasts to (N, M).

    >>> import retrograd as rg
    >>> rg.addmm(rg.tensor([1.0]), rg.ones(1, 3), rg.ones(3, 2), alpha=2)
    tensor([[7., 7.]])
    """
    names = ("mat1", "mat2")
    x, y = operands("addmm", mat1, mat2, names)
    ranks("addmm", x, y, 2, 2, names)
    if x._shape[1] != y._shape[0]:
        raise misfit("addmm", x._shape, y._shape, names)
    return _added("addmm", input, matmul_p((x, y), False, False), beta, alpha, out)


@public(
    inplace=True,
    samples=lambda: [call(t(2), t(2, 3), t(3)), call(t(1), t(2, 3), t(3), beta=0.5, alpha=2.0)],
    errors=lambda: [raises(ValueError, r"addmv: mat has 3 columns but vec has 2 elements", t(2), t(2, 3), t(2))],
    ref=lambda b, x, y, beta=1, alpha=1: beta * b + alpha * (x @ y),
)
def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """`beta * input + alpha * (mat @ vec)` for (N, K), (K,); input broadcasts to (N,).

    >>> import retrograd as rg
    >>> rg.addmv(rg.tensor([1.0, 2.0]), rg.ones(2, 3), rg.ones(3))
    tensor([4., 5.])
    """
    names = ("mat", "vec")
    x, y = operands("addmv", mat, vec, names)
    ranks("addmv", x, y, 2, 1, names)
    if x._shape[1] != y._shape[0]:
        raise misfit("addmv", x._shape, y._shape, names)
    return _added("addmv", input, matmul(x, y), beta, alpha, out)


@public(
    inplace=True,
    samples=lambda: [call(t(2, 3), t(2), t(3)), call(t(3), t(2), t(3), beta=0.5, alpha=2.0)],
    errors=lambda: [raises(ValueError, r"addr: vec1 with 1", t(2, 3), t(2, 1), t(3))],
    ref=lambda b, x, y, beta=1, alpha=1: beta * b + alpha * __import__("numpy").outer(x, y),
)
def addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """`beta * input + alpha * outer(vec1, vec2)` for (N,), (M,); input broadcasts to (N, M).

    >>> import retrograd as rg
    >>> rg.addr(rg.zeros(2, 2), rg.tensor([1.0, 2.0]), rg.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    names = ("vec1", "vec2")
    x, y = as_tensor_arg(vec1, "addr"), as_tensor_arg(vec2, "addr")
    if x._dtype is y._dtype is bool_:
        ranks("addr", x, y, 1, 1, names)
        both = logical_and(reshape_p(x, (*x._shape, 1)), y)
        return into(out, logical_or(logical_and(as_tensor_arg(input, "addr"), bool(beta)), both * bool(alpha)), "addr")
    x, y = operands("addr", x, y, names)
    ranks("addr", x, y, 1, 1, names)
    return _added("addr", input, outer(x, y), beta, alpha, out)


@public(
    inplace=True,
    samples=lambda: [call(t(4, 2, 5), t(4, 2, 3), t(4, 3, 5)), call(t(5), t(4, 2, 3), t(4, 3, 5), beta=0.5, alpha=2.0)],
    errors=lambda: [raises(ValueError, r"2 matrices in x but 3 in y", t(2), t(2, 2, 3), t(3, 3, 2))],
    ref=lambda b, x, y, beta=1, alpha=1: beta * b + alpha * (x @ y),
)
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """`beta * input + alpha * bmm(batch1, batch2)`; input broadcasts to (B, N, M).

    >>> import retrograd as rg
    >>> rg.baddbmm(rg.ones(1), rg.ones(2, 1, 3), rg.ones(2, 3, 1)).flatten()
    tensor([4., 4.])
    """
    names = ("batch1", "batch2")
    x, y = operands("baddbmm", batch1, batch2, names)
    ranks("baddbmm", x, y, 3, 3, names)
    check_bmm("baddbmm", x._shape, y._shape)
    return _added("baddbmm", input, matmul_p((x, y), False, False), beta, alpha, out)


@public(
    inplace=True,
    samples=lambda: [call(t(2, 5), t(4, 2, 3), t(4, 3, 5)), call(t(5), t(4, 2, 3), t(4, 3, 5), beta=0.5, alpha=2.0)],
    errors=lambda: [raises(ValueError, r"2 matrices in x but 3 in y", t(2), t(2, 2, 3), t(3, 3, 2))],
    ref=lambda b, x, y, beta=1, alpha=1: beta * b + alpha * (x @ y).sum(0),
)
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """`beta * input + alpha * bmm(batch1, batch2).sum(0)`; input broadcasts to (N, M).

    >>> import retrograd as rg
    >>> rg.addbmm(rg.ones(1), rg.ones(2, 1, 3), rg.ones(2, 3, 1))
    tensor([[7.]])
    """
    names = ("batch1", "batch2")
    x, y = operands("addbmm", batch1, batch2, names)
    ranks("addbmm", x, y, 3, 3, names)
    check_bmm("addbmm", x._shape, y._shape)
    (b, n, k), m = x._shape, y._shape[2]
    rows = reshape_p(permute_p(x, (1, 0, 2)), (n, b * k))  # the sum over the batch is part of the contraction
    return _added("addbmm", input, matmul_p((rows, reshape_p(y, (b * k, m))), False, False), beta, alpha, out)
