"""Distances between points: cdist, pdist, dist, and what is measured by a norm: renorm.

The distances of two sets take memory for the result, not for all differences of coordinates: those are made in blocks.
Where a distance is 0 its gradient is 0, as in PyTorch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import of as backend_of
from ..core import as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..op import composed, nary, param, public
from ..samples import call, raises, t
from .args import check_float, check_same_dtype, into, one_dim, quiet
from .matmul import matmul_p
from .norms import norm, norm_p
from .parts import broadcast
from .shape import expand_p, getitem_p, permute_p, reshape_p, sum_p
from .where import where_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["cdist", "cdist_p", "dist", "pdist", "renorm"]

_BLOCK = 1 << 21  # differences of coordinates that are in memory at a time


# ---------------------------------------------------------------- the distances of two sets
def _blocks(x: Any, y: Any) -> list[slice]:
    """The rows of x (*, N, D) in blocks whose differences to all rows of y (*, M, D) fit into memory."""
    per_row = max(math.prod(x.shape[:-2]) * y.shape[-2] * x.shape[-1], 1)
    step = max(_BLOCK // per_row, 1)
    return [slice(i, i + step) for i in range(0, x.shape[-2], step)]


def _differences(x: Any, y: Any) -> Any:
    """x_i - y_j (*, N, M, D), of arrays and tensors."""
    sx, sy = tuple(x.shape), tuple(y.shape)
    return reshape_p(x, (*sx[:-1], 1, sx[-1])) - reshape_p(y, (*sy[:-2], 1, *sy[-2:]))


@quiet
def _product_form(xp: Any, x: Any, y: Any) -> Any:
    """|x - y| from |x|^2 + |y|^2 - 2 x.y: one matrix product; on a CPU what cancels is made from x - y."""
    centre = y.mean(tuple(range(y.ndim - 1)))
    xc, yc = x - centre, y - centre
    total = (xc * xc).sum(-1)[..., :, None] + (yc * yc).sum(-1)[..., None, :]
    squares = total - 2 * xp.matmul(xc, yc.swapaxes(-1, -2))
    if xp is np:  # a GPU would make the host wait for the number of such pairs
        near = np.nonzero(squares < total * 2.0**-7)
        step = max(_BLOCK // x.shape[-1], 1)
        for i in range(0, near[0].size, step):
            at = tuple(a[i : i + step] for a in near)
            d = x[at[:-1]] - y[(*at[:-2], at[-1])]
            squares[at] = (d * d).sum(-1)
    return xp.sqrt(xp.maximum(squares, 0))


def _cdist(xp: Any, xs: Any, p: float, product: bool) -> Any:
    x, y = xs
    if product and x.size and y.size:
        return _product_form(xp, x, y)
    o = xp.zeros((*x.shape[:-1], y.shape[-2]), x.dtype)
    if x.shape[-1]:
        for rows in _blocks(x, y):
            o[..., rows, :] = norm_p(_differences(x[..., rows, :], y), p, (x.ndim,), False)
    return o


def _slopes(g: Any, x: Any, y: Any, o: Any, p: float) -> Any:
    """The cotangent of each difference of coordinates (*, N, M, D), for p that is not 0 or 2."""
    d = _differences(x, y)
    column = (*g.shape, 1)
    g, o = reshape_p(g, column), reshape_p(o, column)
    a = abs(d)
    sign = (d > 0) * 1.0 - (d < 0) * 1.0
    if p == 1:
        return g * sign
    if p == math.inf:
        return g * (sign * (a == o))
    safe = o + (o == 0)
    full = a + (a == 0)
    return d * (full ** (p - 2.0) * (a != 0)) * (g / safe ** (p - 1.0))


def _pulled(g: Any, x: Any, y: Any, o: Any, p: float) -> tuple[Any, Any]:
    v = _slopes(g, x, y, o, p)
    n = len(v.shape)
    return sum_p(v, (n - 2,), False), -sum_p(v, (n - 3,), False)


def _cdist_backward(xp: Any, xs: Any, p: float) -> Any:
    g, x, y, o = xs
    gx, gy = xp.zeros(x.shape, x.dtype), xp.zeros(y.shape, y.dtype)
    for rows in _blocks(x, y):
        gx[..., rows, :], more = _pulled(g[..., rows, :], x[..., rows, :], y, o[..., rows, :], p)
        gy += more
    return gx, gy


_pulled_vjp = composed(_pulled).nary_vjp()


def _cdist_backward_vjp(g: Any, xs: Any, o: Any, needs: Any, p: float) -> Any:
    if type(xs[0]) is tuple:  # linear in the first operand: where its value is not saved, zeros do as well
        xs = (xs[3] * 0.0, *xs[1:])
    return _pulled_vjp(g, xs, o, needs, p)


cdist_backward_p: Any = nary(
    "cdist_backward",
    _cdist_backward,
    _cdist_backward_vjp,
    saves=("123", "0123", "0123", "0123"),
    outputs=2,
    doc="The cotangents of x and y in cdist, for xs = (g, x, y, o).",
)


def _turned(x: Any) -> Any:
    n = len(x.shape)
    return permute_p(x, (*range(n - 2), n - 1, n - 2))


def _cdist_vjp(g: Any, xs: Any, o: Any, needs: Any, p: float, product: bool) -> Any:
    x, y = xs
    if p == 0:
        return x * 0.0 if needs[0] else None, y * 0.0 if needs[1] else None
    if p != 2:
        gx, gy = cdist_backward_p((g, x, y, o), p)
        return gx if needs[0] else None, gy if needs[1] else None
    # sum_j r_ij (x_i - y_j) with r = g / o: products of matrices in place of all the differences
    ratio = g * (o != 0) / (o + (o == 0))
    n = len(ratio.shape)
    gx = gy = None
    if needs[0]:
        gx = x * sum_p(ratio, (n - 1,), True) - matmul_p((ratio, y), False, False)
    if needs[1]:
        gy = y * _turned(sum_p(ratio, (n - 2,), True)) - matmul_p((ratio, x), True, False)
    return gx, gy


cdist_p: Any = nary(
    "cdist",
    _cdist,
    _cdist_vjp,
    saves=("01o", "01o"),
    doc="The p-norms of x_i - y_j for xs = (x (*, N, D), y (*, M, D)), equal batches: (*, N, M).",
)


def _exponent(p: Any, op: str) -> float:
    p = float(p)
    if p < 0 or p != p:
        raise ShapeError(f"{op}: p is {p:g}; it must be >= 0")
    return p


def _points(x: Any, op: str, name: str) -> None:
    if x._dtype.kind != "f":
        raise DtypeError(f"{op}: {name} is {x._dtype.name}; a floating-point dtype is expected, as in {name}.float()")


_MODES = (
    "use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist",
)  # fmt: skip


@public(
    method=False,
    samples=lambda: [
        call(t(3, 2), t(4, 2)),
        *(call(t(3, 2), t(4, 2), p=p) for p in (0.0, 0.5, 1.0, 1.5, 3.0, math.inf)),
        call(t(2, 3, 2), t(4, 2)),
        call(t(2, 1, 3, 2), t(5, 4, 2), p=1.5),
        call(t(3, 4), t(2, 4), compute_mode="use_mm_for_euclid_dist"),
        call(t(3, 4), t(2, 4), compute_mode="donot_use_mm_for_euclid_dist"),
        call(t(27, 3), t(2, 3)),
        call(
            t(2, 2, values=[[1.0, 2.0], [3.0, 4.0]], grad=False), t(2, 2, values=[[1.0, 2.0], [0.0, 0.5]], grad=False)
        ),
        call(t(0, 3), t(4, 3)),
        call(t(2, 0), t(4, 0)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"cdist: x1 \(2, 3\) and x2 \(4, 2\)", t(2, 3), t(4, 2)),
        raises(RuntimeError, r"cdist: x1 has the shape \(3,\)", t(3), t(4, 3)),
        raises(RuntimeError, r"cdist: p is -1", t(2, 3), t(4, 3), -1.0),
        raises(RuntimeError, r"cdist: x1 is int64", t(2, 3, dtype="int64"), t(4, 3, dtype="int64")),
        raises(RuntimeError, r"cdist: .*do not broadcast", t(2, 2, 3), t(3, 4, 3)),
        raises(ValueError, r"cdist: compute_mode='fast'", t(2, 3), t(4, 3), compute_mode="fast"),
    ],
)  # fmt: skip
def cdist(
    x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary"
) -> Tensor:
    """The distances of all pairs of points, (sum_k |x1_ik - x2_jk|^p)^(1/p): `(*, N, D)`, `(*, M, D)` to `(*, N, M)`.

    p: any number >= 0; 0 counts the coordinates that differ, inf takes the largest difference. Batches broadcast. With
    p = 2 and more than 25 points on a side the distances come from one matrix product (always or never, with
    compute_mode="use_mm_for_euclid_dist" or "donot_use_mm_for_euclid_dist"); on a CPU, pairs that are close to each
    other are computed from their differences even so. Where a distance is 0 so is its gradient. Raises RuntimeError for
    a negative p, dtypes that are not floating-point and shapes that do not fit.

    >>> import retrograd as rg
    >>> rg.cdist(rg.tensor([[0.0, 0.0]]), rg.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    op = "cdist"
    x, y = as_tensor_arg(x1, op), as_tensor_arg(x2, op)
    if compute_mode not in _MODES and compute_mode is not None:
        raise ValueError(f"{op}: compute_mode={compute_mode!r} is not known; give one of {', '.join(_MODES)}")
    for v, name in ((x, "x1"), (y, "x2")):
        if len(v._shape) < 2:
            raise ShapeError(f"{op}: {name} has the shape {tuple(v._shape)}; points as rows (*, N, D) are expected")
        _points(v, op, name)
    check_same_dtype((x, y), op, ("x1", "x2"))
    p = _exponent(p, op)
    sx, sy = tuple(x._shape), tuple(y._shape)
    if sx[-1] != sy[-1]:
        raise ShapeError(
            f"{op}: x1 {sx} and x2 {sy} are points with {sx[-1]} and {sy[-1]} coordinates; as many expected"
        )
    batch = broadcast(op, sx[:-2], sy[:-2])
    x = x if sx[:-2] == batch else expand_p(x, (*batch, *sx[-2:]))
    y = y if sy[:-2] == batch else expand_p(y, (*batch, *sy[-2:]))
    product = p == 2 and (
        compute_mode == _MODES[1] or compute_mode != _MODES[2] and (sx[-2] > 25 or sy[-2] > 25)
    )  # fmt: skip
    return cdist_p((x, y), p, product)


def _pdist_samples() -> list[Any]:
    return [
        call(t(4, 3)),
        *(call(t(4, 3), p) for p in (0.0, 1.0, 1.5, 3.0, math.inf)),
        call(t(3, 2, values=[[1.0, 2.0], [1.0, 2.0], [3.0, 0.5]], grad=False), p=2),
        call(t(1, 3)),
        call(t(0, 3), torch=False),  # PyTorch's backward divides by the number of points
        call(t(3, 0)),
    ]


@public(
    method=False,
    samples=_pdist_samples,
    errors=lambda: [
        raises(RuntimeError, r"pdist: input has the shape \(2, 2, 2\)", t(2, 2, 2)),
        raises(RuntimeError, r"pdist: p is -1", t(3, 2), -1.0),
        raises(RuntimeError, r"pdist: input is int64", t(3, 2, dtype="int64")),
    ],
)
def pdist(input: Tensor, p: float = 2) -> Tensor:
    """The distances of all pairs of different points of one set: (N, D) to (N (N - 1) / 2,).

    They are ordered as the upper triangle of `cdist(input, input, p)`, row by row. Raises RuntimeError for a negative p,
    for dtypes that are not floating-point and for other shapes.

    >>> import retrograd as rg
    >>> rg.pdist(rg.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    op = "pdist"
    x = as_tensor_arg(input, op)
    if len(x._shape) != 2:
        raise ShapeError(f"{op}: input has the shape {tuple(x._shape)}; points as rows (N, D) are expected")
    _points(x, op, "input")
    home = backend_of(x._data)
    pairs = tuple(home.from_numpy(i, None) for i in np.triu_indices(x._shape[0], 1))
    return getitem_p(cdist_p((x, x), _exponent(p, op), False), pairs)


# ---------------------------------------------------------------- two tensors
@public(
    samples=lambda: [
        call(t(3, 4), t(3, 4)),
        *(call(t(3, 4), t(3, 4), p) for p in (0.5, 1, 3.0, math.inf, -math.inf)),
        call(t(3, 4, grad=False), t(3, 4, grad=False), 0),
        call(t(3, 1), t(4), p=2),
        call(t(), t()),
        call(t(3), t(3, dtype="int64", low=3, high=6)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"dist: .*int64", t(3, dtype="int64"), t(3, dtype="int64")),
        raises(RuntimeError, r"broadcast", t(3), t(4)),
    ],
    ref=lambda x, y, p=2: np.linalg.norm((x - y).ravel(), p),
)
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other, over all elements: (sum |x - y|^p)^(1/p), 0-d; shapes broadcast.

    Raises RuntimeError for integers and for shapes that do not broadcast.

    >>> import retrograd as rg
    >>> rg.dist(rg.tensor([0.0, 0.0]), rg.tensor([3.0, 4.0]))
    tensor(5.)
    """
    d = as_tensor_arg(input, "dist") - as_tensor_arg(other, "dist")
    check_float(d, "dist", "cast input or other, as in input.float()")
    return norm(d, p)


def _scaled(x: Any, p: float, d: int, maxnorm: float) -> Any:
    n = norm_p(x, p, tuple(i for i in range(len(x.shape)) if i != d), True)
    over = getattr(n, "_data", n) > maxnorm
    return x * where_p((maxnorm / (n + 1e-7), n * 0.0 + 1.0), over)


renorm_p: Any = param(  # a primitive, so that renorm_ keeps what it overwrites
    "renorm",
    lambda xp, x, p, d, maxnorm: _scaled(x, p, d, maxnorm),
    composed(_scaled),
    holomorphic=False,
    doc="The slices of x along d scaled down to the p-norm maxnorm.",
)


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 4), 2, 0, 1.0),
        call(t(3, 4), 1, -1, 2.5),
        call(t(2, 3, 4), p=3, dim=1, maxnorm=1.5),
        call(t(3, 4), math.inf, 0, 1.1),
        call(t(3, 4), 2, 0, 100.0),
        call(t(2, 2, values=[[3.0, 4.0], [0.3, 0.4]], grad=False), 2, 0, 1),
    ],
    errors=lambda: [
        raises(RuntimeError, r"renorm: input has the shape \(3,\)", t(3), 2, 0, 1.0),
        raises(RuntimeError, r"renorm: p is 0", t(2, 3), 0, 0, 1.0),
        raises(RuntimeError, r"renorm: maxnorm is -1", t(2, 3), 2, 0, -1.0),
        raises(IndexError, r"renorm: dim 2", t(2, 3), 2, 2, 1.0),
        raises(RuntimeError, r"renorm: input is int64", t(2, 3, dtype="int64"), 2, 0, 1.0),
    ],
)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None) -> Tensor:
    """The slices along `dim`, those whose p-norm exceeds maxnorm scaled down to it.

    input: two dimensions or more; slice i is input[..., i, ...] at dimension `dim`. Raises RuntimeError for p <= 0, a
    negative maxnorm, integers and fewer dimensions.

    >>> import retrograd as rg
    >>> rg.renorm(rg.tensor([[3.0, 4.0], [0.3, 0.4]]), p=2, dim=0, maxnorm=1)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    op = "renorm"
    x = as_tensor_arg(input, op)
    nd = len(x._shape)
    if isinstance(p, complex) or isinstance(maxnorm, complex):
        raise DtypeError(f"{op}: p and maxnorm must be real numbers")
    if not p > 0:
        raise ShapeError(f"{op}: p is {p:g}; it must be > 0")
    if not maxnorm >= 0:
        raise ShapeError(f"{op}: maxnorm is {maxnorm:g}; it must be >= 0")
    if nd < 2:
        raise ShapeError(f"{op}: input has the shape {tuple(x._shape)}; 2 dimensions or more are expected")
    check_float(x, op)
    d = one_dim(dim, nd, op)
    return into(out, renorm_p(x, float(p), d, float(maxnorm)), op)


# ---------------------------------------------------------------- nn.functional's name of it
public(name="pdist", where="nn.functional", method=False, samples=_pdist_samples)(pdist)
