"""Sorting and what follows from an order: sort, argsort, msort, topk, kthvalue, unique.

The order itself is an integer result without a gradient. The sorted values are gathered along it, so that their
cotangents go back to the places they came from, and the second derivative needs nothing of its own. Orders are stable
(equal elements keep their order) and NaN counts as the largest number, on every backend, as in PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backend import by_xp, xp_of
from ..core import as_tensor_arg, wrap
from ..errors import ShapeError
from ..op import param, public
from ..samples import call, raises, t
from . import return_types
from .args import as_int, check_real, into, into_pair, one_dim, pick

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["argsort", "kthvalue", "msort", "order_p", "put_along_p", "sort", "take_along_p", "topk", "unique"]


# ---------------------------------------------------------------- gathering along one dimension, and its adjoint
def _places(xp: Any, idx: Any, axis: int) -> tuple[Any, ...]:
    """The index tuple that reads `idx` along `axis` and every other dimension in place."""
    n = idx.ndim
    grid: list[Any] = [xp.arange(s).reshape((1,) * i + (s,) + (1,) * (n - 1 - i)) for i, s in enumerate(idx.shape)]
    if n:
        grid[axis] = idx
    return tuple(grid)


def _take_along(xp: Any, x: Any, axis: int, idx: Any, unique: bool, drop: bool) -> Any:
    if not x.ndim:
        return x.copy()
    v = xp.take_along_axis(x, idx, axis)
    return v.reshape(v.shape[:axis] + v.shape[axis + 1 :]) if drop else v


def _put_along(xp: Any, g: Any, shape: tuple[int, ...], axis: int, idx: Any, unique: bool, drop: bool) -> Any:
    z = xp.zeros(shape, g.dtype)
    if drop and shape:
        g = g.reshape(idx.shape)
    if unique or not shape:
        z[_places(xp, idx, axis)] = g
    else:
        by_xp(xp).scatter_add(z, _places(xp, idx, axis), g)
    return z


take_along_p: Any = param(
    "take_along",
    _take_along,
    lambda g, x, o, axis, idx, unique, drop: put_along_p(g, x, axis, idx, unique, drop),
    dtypes="copy",
    jvp="linear",
    doc="x at idx along axis. idx: array of x's rank. unique: no place is read twice. drop: remove axis (of length 1).",
)

put_along_p: Any = param(
    "put_along",
    _put_along,
    lambda g, x, o, shape, axis, idx, unique, drop: take_along_p(g, axis, idx, unique, drop),
    dtypes="same",
    jvp="linear",
    doc="Zeros of `shape` with x added at idx along axis: the adjoint of take_along.",
)


# ---------------------------------------------------------------- orders
def _order(xp: Any, x: Any, axis: int, descending: bool) -> Any:
    if not x.ndim:
        return xp.zeros((), "int64")
    if not descending:
        return xp.argsort(x, axis=axis, kind="stable")
    # Sorting the reversed array and reversing the answer keeps equal elements in order, for every dtype.
    back = (slice(None),) * axis + (slice(None, None, -1),)
    return xp.ascontiguousarray((x.shape[axis] - 1 - xp.argsort(x[back], axis=axis, kind="stable"))[back])


def _top(xp: Any, x: Any, k: int, axis: int, largest: bool) -> Any:
    """Indices of the k largest (or smallest) elements along axis, best first."""
    if not x.ndim:
        return xp.zeros((), "int64")
    n = x.shape[axis]
    head = (slice(None),) * axis + (slice(0, k),)
    if k == 0 or n < 64 or 4 * k > n:
        return xp.ascontiguousarray(_order(xp, x, axis, largest)[head])
    part = xp.argpartition(x, n - k if largest else k - 1, axis=axis)
    part = part[(slice(None),) * axis + (slice(n - k, n),)] if largest else part[head]
    part = xp.sort(part, axis=axis)  # equal elements in order of place before the stable sort by value
    best = _order(xp, xp.take_along_axis(x, part, axis), axis, largest)
    return xp.take_along_axis(part, best, axis)


order_p: Any = param("argsort", _order, dtypes="fixed", differentiable=False, doc="The stable order along an axis.")
top_p: Any = param("topk_indices", _top, dtypes="fixed", differentiable=False, doc="Where the k extreme elements are.")


# ---------------------------------------------------------------- public functions
@public(
    samples=lambda: [
        call(t(5)),
        call(t(3, 4), dim=0),
        call(t(3, 4), -2, True),
        call(t(2, 3, 4), dim=1, descending=True),
        call(t(3, 4), stable=True, dim=0),
        call(t(6, values=[1.0, 0.5, 1.0, 0.5, 2.0, 1.0], grad=False), stable=True, descending=True),
        call(t()),
        call(t(0)),
        call(t(2, 0, 3), dim=1),
        call(t(7, dtype="int64", low=-3, high=3, grad=False), stable=True),
        call(t(5, dtype="bool", grad=False), stable=True, descending=True),
    ],
    errors=lambda: [
        raises(IndexError, r"sort: dim 2 is out of range.*-2 to 1", t(2, 3), dim=2),
        raises(TypeError, r"sort: complex numbers have no order", t(2, dtype="complex64")),
    ],
)
def sort(
    input: Tensor,
    dim: int = -1,
    descending: bool = False,
    stable: bool = False,
    *,
    out: Any = None,
    axis: int | None = None,
) -> return_types.sort:
    """Sort the elements along a dimension; returns the named tuple (values, indices).

    Equal elements always keep their order, `stable` or not; NaN counts as the largest number. The gradient of the
    values goes to the places they came from.

    Shapes: input `(*, N, *)` of any real dtype or bool; values and indices (int64) have the same shape. Raises
    IndexError for a dim that does not exist, TypeError for complex numbers.

    >>> import retrograd as rg
    >>> rg.sort(rg.tensor([3.0, 1.0, 2.0])).indices
    tensor([1, 2, 0])
    """
    input = as_tensor_arg(input, "sort")
    check_real(input, "sort")
    d = one_dim(pick(dim, axis, "sort", default=-1), len(input._shape), "sort")
    order = order_p(input, d, bool(descending))
    values = take_along_p(input, d, order._data, True, False)
    return return_types.sort(*into_pair(out, (values, order), "sort"))


@public(
    samples=lambda: [
        call(t(5)),
        call(t(3, 4), dim=0),
        call(t(3, 4), -1, True),
        call(t(6, values=[1.0, 0.5, 1.0, 0.5, 2.0, 1.0], grad=False), stable=True),
        call(t()),
        call(t(0)),
        call(t(7, dtype="int32", low=-3, high=3, grad=False), stable=True, dim=0, descending=True),
    ],
    errors=lambda: [raises(IndexError, r"argsort: dim -3", t(2, 3), dim=-3)],
    differentiable=False,
)
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False, *, axis: int | None = None
) -> Tensor:
    """The indices (int64) that sort `input` along a dimension; equal elements keep their order.

    Shapes: `(*, N, *)` to the same shape. Raises IndexError for a dim that does not exist.

    >>> import retrograd as rg
    >>> rg.argsort(rg.tensor([3.0, 1.0, 2.0]), descending=True)
    tensor([0, 2, 1])
    """
    input = as_tensor_arg(input, "argsort")
    check_real(input, "argsort")
    d = one_dim(pick(dim, axis, "argsort", default=-1), len(input._shape), "argsort")
    return order_p(input, d, bool(descending))


@public(
    samples=lambda: [call(t(5)), call(t(3, 4)), call(t())],
    errors=lambda: [raises(TypeError, r"msort: complex", t(2, dtype="complex64"))],
)
def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements sorted along the first dimension: `sort(input, dim=0).values`.

    >>> import retrograd as rg
    >>> rg.msort(rg.tensor([[3.0, 1.0], [2.0, 4.0]]))
    tensor([[2., 1.],
            [3., 4.]])
    """
    input = as_tensor_arg(input, "msort")
    check_real(input, "msort")
    return into(out, take_along_p(input, 0, order_p(input, 0, False)._data, True, False), "msort")


@public(
    samples=lambda: [
        call(t(6), 2),
        call(t(3, 5), 3, 1, False),
        call(t(3, 5), k=2, dim=0, largest=True, sorted=True),
        call(t(2, 100), 4),
        call(t(100, 2), 5, dim=0, largest=False),
        call(t(4), 0),
        call(t(4), 4, largest=False),
        call(t(), 1),
        call(t(2, 0), 0),
        call(t(80, dtype="int64", values=[(37 * i) % 80 - 40 for i in range(80)], grad=False), 3),
    ],
    errors=lambda: [
        raises(RuntimeError, r"topk: k=4 .* dimension 0 of size 3", t(3), 4),
        raises(RuntimeError, r"topk: k=-1", t(3), -1),
        raises(IndexError, r"topk: dim 1", t(3), 2, dim=1),
        raises(TypeError, r"topk: k must be an int", t(3), 1.5),
    ],
)
def topk(
    input: Tensor,
    k: int,
    dim: int = -1,
    largest: bool = True,
    sorted: bool = True,
    *,
    out: Any = None,
    axis: int | None = None,
) -> return_types.topk:
    """The k largest (or smallest) elements along a dimension; returns the named tuple (values, indices).

    Always sorted, best first, also with `sorted=False`. NaN counts as the largest number. The gradient of the values
    goes to the places they came from.

    Shapes: `(*, N, *)` to `(*, k, *)`. Raises RuntimeError (a ShapeError) unless 0 <= k <= N.

    >>> import retrograd as rg
    >>> rg.topk(rg.tensor([1.0, 4.0, 3.0]), 2).values
    tensor([4., 3.])
    """
    input = as_tensor_arg(input, "topk")
    check_real(input, "topk")
    d = one_dim(pick(dim, axis, "topk", default=-1), len(input._shape), "topk")
    k = as_int(k, "topk", "k")
    n = input._shape[d] if input._shape else 1
    if not 0 <= k <= n:
        raise ShapeError(f"topk: k={k} elements of dimension {d} of size {n} are not possible; give 0 <= k <= {n}")
    idx = top_p(input, k, d, bool(largest))
    values = take_along_p(input, d, idx._data, True, False)
    return return_types.topk(*into_pair(out, (values, idx), "topk"))


@public(
    samples=lambda: [
        call(t(6), 2),
        call(t(3, 5), 3, 0, True),
        call(t(3, 5), k=1, dim=-1),
        call(t(), 1),
        call(t(5, dtype="int64", values=[4, 2, 9, 7, 1], grad=False), 2),
    ],
    errors=lambda: [
        raises(RuntimeError, r"kthvalue: k=4 .* dimension 0 of size 3", t(3), 4),
        raises(IndexError, r"kthvalue: dimension 0 of shape \(0, 2\) is empty", t(0, 2), 1, dim=0),
    ],
)
def kthvalue(
    input: Tensor,
    k: int,
    dim: int = -1,
    keepdim: bool = False,
    *,
    out: Any = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> return_types.kthvalue:
    """The k-th smallest element (k counts from 1) along a dimension; returns the named tuple (values, indices).

    Shapes: `(*, N, *)` to `(*, *)`, or `(*, 1, *)` with `keepdim`. Raises RuntimeError (a ShapeError) unless
    1 <= k <= N, IndexError for an empty dimension.

    >>> import retrograd as rg
    >>> rg.kthvalue(rg.tensor([3.0, 1.0, 2.0]), 2).values
    tensor(2.)
    """
    input = as_tensor_arg(input, "kthvalue")
    check_real(input, "kthvalue")
    d = one_dim(pick(dim, axis, "kthvalue", default=-1), len(input._shape), "kthvalue")
    keepdim = pick(keepdim, keepdims, "kthvalue", "keepdim", "keepdims")
    k = as_int(k, "kthvalue", "k")
    n = input._shape[d] if input._shape else 1
    if n == 0:
        raise IndexError(f"kthvalue: dimension {d} of shape {tuple(input._shape)} is empty; it has no {k}-th value")
    if not 1 <= k <= n:
        raise ShapeError(f"kthvalue: k={k} of dimension {d} of size {n} does not exist; give 1 <= k <= {n}")
    idx = order_p(input, d, False)._data
    if input._shape:
        idx = idx[(slice(None),) * d + (slice(k - 1, k),)]
    values = take_along_p(input, d, idx, True, not keepdim)
    where = idx if keepdim or not input._shape else idx.reshape(values._shape)
    return return_types.kthvalue(*into_pair(out, (values, wrap(where)), "kthvalue"))


def _unique(xp: Any, x: Any, dim: int | None) -> tuple[Any, Any, Any]:
    """Distinct elements (or slices along dim) in ascending order, where each went, and how often it occurs."""
    if dim is None or not x.ndim:
        u, inverse, counts = xp.unique(x.ravel(), return_inverse=True, return_counts=True, equal_nan=False)
        return u, inverse.reshape(x.shape), counts
    u, inverse, counts = xp.unique(x, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    return u, inverse.reshape(-1), counts


@public(
    samples=lambda: [
        call(t(6, dtype="int64", values=[3, 1, 3, 2, 1, 1], grad=False)),
        call(t(2, 2, dtype="int64", values=[[3, 1], [2, 1]], grad=False), return_inverse=True, return_counts=True),
        call(t(3, 2, dtype="int64", values=[[3, 1], [2, 0], [3, 1]], grad=False), dim=0, return_inverse=True),
        call(t(2, 3, values=[[0.5, 0.5, 2.0], [1.0, 1.0, 0.5]], grad=False), dim=-1, return_counts=True),
    ],
    errors=lambda: [
        raises(IndexError, r"unique: dim 1", t(3, grad=False), dim=1),
        raises(IndexError, r"unique: dim 0 .* 0 dimensions", t(grad=False), dim=0),
        raises(RuntimeError, r"unique: shape \(2, 0\)", t(2, 0, grad=False), dim=0),
    ],
    differentiable=False,
)
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
    *,
    axis: int | None = None,
) -> Any:
    """The distinct elements in ascending order, or the distinct slices along `dim`; it has no gradient.

    With `return_inverse` also the index (int64) of each element in the result, with `return_counts` how often each
    occurs. Always sorted, also with `sorted=False`; every NaN is distinct. On a GPU the host waits for its size.

    >>> import retrograd as rg
    >>> rg.unique(rg.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    input = as_tensor_arg(input, "unique")
    dim = pick(dim, axis, "unique")
    d = None if dim is None else one_dim(dim, len(input._shape), "unique")
    if d is not None:
        if not input._shape:
            raise IndexError(f"unique: dim {dim} is given for a tensor that has 0 dimensions; leave it away")
        if any(n == 0 for i, n in enumerate(input._shape) if i != d):
            raise ShapeError(
                f"unique: shape {tuple(input._shape)} is empty in another dimension than dim {d}; it has no slices"
            )
    u, inverse, counts = (wrap(a) for a in _unique(xp_of(input._data), input._data, d))
    if not (return_inverse or return_counts):
        return u
    return (u, *([inverse] if return_inverse else []), *([counts] if return_counts else []))
