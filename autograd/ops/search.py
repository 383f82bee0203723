"""Finding places: searchsorted, bucketize, unravel_index, nonzero_static.

Places are integers without a gradient. NaN counts as the largest number, as in sorting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backend import of as backend_of
from ..backend import xp_of
from ..core import TensorBase, as_tensor_arg, wrap
from ..dtypes import SCALAR, TENSOR, ZERO_DIM, of_scalar, result_type
from ..errors import DtypeError, ShapeError
from ..generic import into as write_into
from ..op import public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from .args import as_int, into, same_library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

__all__ = ["bucketize", "nonzero_static", "searchsorted", "unravel_index"]


# ---------------------------------------------------------------- the search
def _below(v: Any, x: Any, right: bool) -> Any:
    """Whether element v of a sorted sequence comes before the place where x goes; NaN is the largest number."""
    if v.dtype.kind != "f":
        return v <= x if right else v < x
    last = x != x
    return ((v <= x) | last) if right else ((v < x) | (last & (v == v)))


def _search_rows(xp: Any, rows: Any, x: Any, right: bool) -> Any:
    """The search of each row of x (..., K) in the row of `rows` (..., N): log2(N) steps on all elements at once."""
    n = rows.shape[-1]
    low = xp.zeros(x.shape, "int64")
    if not n or not x.size:
        return low
    high = xp.full(x.shape, n, "int64")
    for _ in range(n.bit_length()):
        middle = (low + high) // 2
        go = _below(xp.take_along_axis(rows, xp.minimum(middle, n - 1), -1), x, right) & (low < high)
        low, high = xp.where(go, middle + 1, low), xp.where(go, high, middle)
    return low


def _search(op: str, rows: Any, value: Any, right: bool, out_int32: bool, out: Any) -> Tensor:
    """The search in a sequence tensor whose shape has been checked; value: a tensor or a number."""
    if isinstance(value, TensorBase):
        d = result_type((rows._dtype, TENSOR), (value._dtype, TENSOR if value._shape else ZERO_DIM))
    else:
        d = result_type((rows._dtype, TENSOR), (of_scalar(value), SCALAR))
    if d.kind not in "fiu":
        raise DtypeError(f"{op}: {d.name} has no order to search in; use a real dtype")
    xp = xp_of(rows._data)
    wide = d.np if d.fast or d.kind != "f" else xp.float32
    a = rows._data.astype(wide)
    x = same_library(value._data, xp, op, "values") if isinstance(value, TensorBase) else xp.asarray(value)
    x = x.astype(wide)
    if a.ndim == 1:
        r = xp.searchsorted(a, x, side="right" if right else "left")
    else:
        r = _search_rows(xp, a, x, right)
    r = wrap(xp.asarray(r).astype("int32" if out_int32 else "int64"))
    if out is not None and getattr(out, "_dtype", r._dtype) is not r._dtype:
        raise DtypeError(f"{op}: out is {out._dtype.name}; {r._dtype.name} is expected (out_int32={out_int32})")
    return r if out is None else write_into(out, r, op)


def _ordered(op: str, rows: Any, sorter: Any) -> Any:
    """The sequence in the order that sorter (int64, of its shape) gives."""
    s = as_tensor_arg(sorter, op)
    if s._dtype.name != "int64":
        raise DtypeError(f"{op}: sorter is {s._dtype.name}; int64 is expected, as argsort gives it")
    if s._shape != rows._shape:
        raise ShapeError(
            f"{op}: sorter has the shape {tuple(s._shape)}, the sequence {tuple(rows._shape)}; both must be equal"
        )
    xp = xp_of(rows._data)
    i = same_library(s._data, xp, op, "sorter")
    if i.size and backend_of(i).device_type == "cpu" and (int(i.min()) < 0 or int(i.max()) >= rows._shape[-1]):
        raise IndexError(f"{op}: sorter holds indices outside 0 to {rows._shape[-1] - 1}, the places of the sequence")
    return wrap(xp.take_along_axis(rows._data, i, -1))


_SORTED = [0.5, 1.0, 1.5, 1.5, 3.0]
_VALUES = [[1.5, 0.0, 9.0], [1.0, 2.0, 1.6]]
_ROWS = [[0.5, 1.0, 1.5, 1.5, 3.0], [-1.0, 0.0, 1.0, 2.0, 3.0]]


@public(
    method=False,
    samples=lambda: [
        call(t(5, values=_SORTED, grad=False), t(2, 3, values=_VALUES, grad=False)),
        call(t(5, values=_SORTED, grad=False), t(2, 3, values=_VALUES, grad=False), right=True, out_int32=True),
        call(t(2, 5, values=_ROWS, grad=False), t(2, 3, values=_VALUES, grad=False), side="left"),
        call(t(2, 5, values=_ROWS, grad=False), t(2, 3, values=_VALUES, grad=False), side="right"),
        call(t(5, values=_SORTED, grad=False), 1.5),
        call(t(5, values=_SORTED, grad=False), t(values=1.5, grad=False), side="right", right=True),
        call(t(3, values=[3.0, 1.0, 2.0], grad=False), t(2, values=[1.5, 2.0], grad=False),
             sorter=t(3, dtype="int64", values=[1, 2, 0])),
        call(t(3, dtype="int64", values=[1, 3, 5]), t(2, values=[2.5, 5.0], grad=False)),
        call(t(3, dtype="int64", values=[1, 3, 5]), 4),
        call(t(3, values=[1.0, 2.0, 3.0], grad=False), t(2, values=[float("nan"), 2.0], grad=False)),
        call(t(0, grad=False), t(2, grad=False)),
        call(t(2, 0, grad=False), t(2, 3, grad=False)),
        call(t(3, values=[1.0, 2.0, 3.0], grad=False), t(0, grad=False)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"sorted_sequence has 0 dimensions", t(grad=False), t(2, grad=False)),
        raises(RuntimeError, r"\(2, 4\).*\(3, 4\)", t(3, 4, grad=False), t(2, 4, grad=False)),
        raises(RuntimeError, r"a number .* 1-d", t(3, 4, grad=False), 0.5),
        raises(RuntimeError, r"side='middle'", t(3, grad=False), t(2, grad=False), side="middle"),
        raises(RuntimeError, r"side='left' .* right=True", t(3, grad=False), t(2, grad=False), side="left", right=True),
        raises(RuntimeError, r"bool", t(3, dtype="bool"), t(2, dtype="bool")),
    ],
    differentiable=False,
)  # fmt: skip
@sample_by_sample
def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | float,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Where each value goes in an ascending sequence, so that it stays ascending: in front of equal elements.

    With `right=True` (or `side="right"`) behind them: seq[i - 1] <= v < seq[i]. sorted_sequence: `(N,)`, then input is a
    number or a tensor of any shape, which the result has; or `(*, N)`, then input is `(*, K)` and searched row by row.
    sorter: the int64 order of a sequence that is not sorted itself. The result is int64, or int32 with `out_int32`.
    Dtypes are promoted. Raises RuntimeError for shapes that do not fit and where side and right contradict each other.

    >>> import retrograd as rg
    >>> rg.searchsorted(rg.tensor([1.0, 3.0, 5.0]), rg.tensor([[0.0, 3.0, 9.0]]), right=True)
    tensor([[0, 2, 3]])
    """
    op = "searchsorted"
    rows = as_tensor_arg(sorted_sequence, op)
    if side not in (None, "left", "right"):
        raise ShapeError(f"{op}: side={side!r} is not known; give 'left' or 'right'")
    if side == "left" and right:
        raise ShapeError(f"{op}: side='left' contradicts right=True; give one of them")
    if not rows._shape:
        raise ShapeError(f"{op}: sorted_sequence has 0 dimensions; (N,) or (*, N) is expected")
    value: Any = input if isinstance(input, (int, float)) else as_tensor_arg(input, op)
    shape = value._shape if isinstance(value, TensorBase) else ()
    if len(rows._shape) > 1:
        if not shape:
            raise ShapeError(
                f"{op}: a number is searched in a 1-d sequence; sorted_sequence has the shape {tuple(rows._shape)}"
            )
        if rows._shape[:-1] != shape[:-1]:
            raise ShapeError(
                f"{op}: rows of {tuple(shape)} are searched in rows of {tuple(rows._shape)}; all dimensions but the "
                "last must be equal, or the sequence 1-d"
            )
    if sorter is not None:
        rows = _ordered(op, rows, sorter)
    return _search(op, rows, value, bool(right) or side == "right", bool(out_int32), out)


@public(
    method=False,
    samples=lambda: [
        call(t(2, 3, values=_VALUES, grad=False), t(5, values=_SORTED, grad=False)),
        call(t(2, 3, values=_VALUES, grad=False), t(5, values=_SORTED, grad=False), right=True, out_int32=True),
        call(1.5, t(5, values=_SORTED, grad=False)),
        call(t(3, dtype="int64", values=[1, 3, 5]), t(2, dtype="int32", values=[2, 5]), right=True),
    ],
    errors=lambda: [
        raises(RuntimeError, r"bucketize: boundaries has the shape \(2, 3\)", t(3, grad=False), t(2, 3, grad=False)),
        raises(TypeError, r"bucketize: .*list", [1.0], t(3, grad=False)),
    ],
    differentiable=False,
)
@sample_by_sample
def bucketize(
    input: Tensor | float,
    boundaries: Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """The number i of the bucket of each value: boundaries[i - 1] < v <= boundaries[i].

    With `right=True` boundaries[i - 1] <= v < boundaries[i]. boundaries: ascending `(N,)`. The result has the shape of
    `input` and is int64, or int32 with `out_int32`. Raises RuntimeError where boundaries are not 1-d.

    >>> import retrograd as rg
    >>> rg.bucketize(rg.tensor([0.0, 3.0, 9.0]), rg.tensor([1.0, 3.0, 5.0]))
    tensor([0, 1, 3])
    """
    op = "bucketize"
    rows = as_tensor_arg(boundaries, op)
    if len(rows._shape) != 1:
        raise ShapeError(f"{op}: boundaries has the shape {tuple(rows._shape)}; a 1-d tensor is expected")
    value: Any = input if isinstance(input, (int, float)) else as_tensor_arg(input, op)
    return _search(op, rows, value, bool(right), bool(out_int32), out)


# ---------------------------------------------------------------- places
@public(
    method=False,
    samples=lambda: [
        call(t(2, dtype="int64", values=[5, 3]), (2, 3)),
        call(t(2, 2, dtype="int64", values=[[23, 0], [6, 7]]), shape=(2, 3, 4)),
        call(t(dtype="int64", values=5), 6),
        call(t(2, dtype="int64", values=[-1, 7]), (2, 3)),
        call(t(1, dtype="int8", values=[3]), [2, 3]),
        call(t(0, dtype="int64"), (0, 3)),
        call(t(dtype="int64", values=0), ()),
    ],
    errors=lambda: [
        raises(TypeError, r"unravel_index: indices are float(32|64)", t(2, grad=False), (2, 3)),
        raises(TypeError, r"unravel_index: .*must be an int", t(2, dtype="int64", low=0), (2.0, 3)),
        raises(ValueError, r"unravel_index: size -2", t(2, dtype="int64", low=0), (-2, 3)),
    ],
    differentiable=False,
)
def unravel_index(indices: Tensor, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Flat indices as a tuple of coordinates in a tensor of this shape, one int64 tensor for each dimension.

    Indices outside the shape wrap around, as in PyTorch. Raises TypeError for indices that are not integers.

    >>> import retrograd as rg
    >>> rg.unravel_index(rg.tensor([5, 3]), (2, 3))
    (tensor([1, 1]), tensor([2, 0]))
    """
    op = "unravel_index"
    x = as_tensor_arg(indices, op)
    if x._dtype.kind not in "iu":
        raise DtypeError(f"{op}: indices are {x._dtype.name}; integers are expected, as in indices.long()")
    if isinstance(shape, TensorBase):
        raise TypeError(f"{op}: shape must be an int or a sequence of ints, got a tensor; write tuple(shape.tolist())")
    sizes = tuple(as_int(n, op, "every size") for n in (shape if isinstance(shape, (tuple, list)) else (shape,)))
    for n in sizes:
        if n < 0:
            raise ShapeError(f"{op}: size {n} in shape {sizes} is negative")
    xp, rest = xp_of(x._data), x._data.astype("int64")
    if 0 in sizes and rest.size:
        raise ShapeError(f"{op}: a tensor of shape {sizes} has no elements to name")
    found = []
    for n in reversed(sizes):
        found.append(wrap(xp.asarray(rest % max(n, 1))))
        rest = rest // max(n, 1)
    return tuple(reversed(found))


@public(
    samples=lambda: [
        call(t(3, dtype="int64", values=[0, 1, 1]), size=4),
        call(t(2, 2, dtype="int64", values=[[0, 1], [1, 0]]), size=1, fill_value=7),
        call(t(2, 2, values=[[0.0, 1.0], [1.0, 0.0]], grad=False), size=0),
        call(t(values=1.0, grad=False), size=3),
    ],
    errors=lambda: [raises(RuntimeError, r"nonzero_static: size is -1", t(2, grad=False), size=-1)],
    differentiable=False,
)
@sample_by_sample
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1, out: Tensor | None = None) -> Tensor:
    """As `nonzero`, with a fixed number of rows: the first `size` places, and rows of `fill_value` where fewer exist.

    Shapes: `(*)` with D dimensions to `(size, D)`, int64. Raises RuntimeError for a negative size.

    >>> import retrograd as rg
    >>> rg.nonzero_static(rg.tensor([0, 1, 1]), size=3)
    tensor([[ 1],
            [ 2],
            [-1]])
    """
    op = "nonzero_static"
    n = as_int(size, op, "size")
    if n < 0:
        raise ShapeError(f"{op}: size is {n}; it must be >= 0")
    x = as_tensor_arg(input, op)
    xp = xp_of(x._data)
    fill = as_int(fill_value, op, "fill_value")
    hit = x._data.reshape(-1) != 0
    place = xp.cumsum(hit.astype(xp.int64)) - 1  # the row of each hit; all else goes to a last one that is dropped
    rows = xp.where(hit & (place < n), place, n)
    flat = xp.full(n + 1, -1, "int64")
    flat[rows] = xp.arange(hit.size)
    rest = flat[:n]
    found = xp.empty((n, len(x._shape)), "int64")
    for d in reversed(range(len(x._shape))):
        size = max(x._shape[d], 1)
        found[:, d] = xp.where(flat[:n] < 0, fill, rest % size)
        rest = rest // size
    return into(out, wrap(found), op)
