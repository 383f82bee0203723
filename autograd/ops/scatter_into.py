"""Copies in which a part is replaced: select_scatter, slice_scatter, diagonal_scatter, put.

Each is the functional form of a write through a view: `x.select_scatter(v, 0, i)` is what `y = x.clone(); y[i] = v` makes
of y. Gradients flow to the values written and to what remains of the input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import backend
from ..core import as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..generic import cast
from ..op import public
from ..registry import PRIMITIVES
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from ..views import put_p
from .args import as_int, one_dim, same_library
from .index import dtype_error, index_put_p
from .parts import two_dims
from .shape import reshape_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["diagonal_scatter", "put", "select_scatter", "slice_bounds", "slice_scatter"]


def _fitting(x: Any, src: Any, shape: tuple[int, ...], op: str) -> Any:
    """src in the dtype of x, refused unless it has the shape of the part that it replaces."""
    v = as_tensor_arg(src, op)
    if v._shape != shape:
        raise ShapeError(
            f"{op}: src has shape {tuple(v._shape)}; that of the part it replaces, {shape}, is expected (it does not "
            "broadcast)"
        )
    return cast(v, x._dtype)


@public(
    samples=lambda: [
        call(t(3, 4), t(4), 0, 1), call(t(3, 4), t(3), -1, -4), call(t(3), t(), 0, 2), call(t(2, 3, 4), t(2, 4), dim=1, index=0)
    ],
    errors=lambda: [
        raises(RuntimeError, r"select_scatter: src has shape \(1,\); .* \(4,\)", t(3, 4), t(1), 0, 1),
        raises(IndexError, r"index 3 is out of range for dimension 0 with size 3", t(3, 4), t(4), 0, 3),
        raises(IndexError, r"select_scatter: dim 2 is out of range", t(3, 4), t(4), 2, 0),
    ],
)  # fmt: skip
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of `input` in which the slice `select(input, dim, index)` is src.

    src has the shape of that slice. Raises ShapeError otherwise, IndexError for an index or dim that does not exist.

    >>> import retrograd as rg
    >>> rg.select_scatter(rg.zeros(2, 2), rg.ones(2), 0, 1)
    tensor([[0., 0.],
            [1., 1.]])
    """
    op = "select_scatter"
    x = as_tensor_arg(input, op)
    if not x._shape:
        raise IndexError(f"{op}: a 0-d tensor has no dimension to select from")
    d = one_dim(dim, len(x._shape), op)
    n, i = x._shape[d], as_int(index, op, "index")
    if not -n <= i < n:
        raise IndexError(f"{op}: index {i} is out of range for dimension {d} with size {n}")
    v = _fitting(x, src, (*x._shape[:d], *x._shape[d + 1 :]), op)
    return index_put_p((x, v), (*(slice(None),) * d, i, ...), False)


def slice_bounds(n: int, start: Any, end: Any, step: Any, op: str) -> tuple[int, int, int]:
    """start, end and step of a slice of a dimension of size n, clamped as Python does."""
    a, b = 0 if start is None else as_int(start, op, "start"), n if end is None else as_int(end, op, "end")
    k = as_int(step, op, "step")
    if k <= 0:
        raise ShapeError(f"{op}: step must be positive, got {k}")
    a, b, k = slice(a, b, k).indices(n)
    return a, max(a, b), k


@public(
    samples=lambda: [
        call(t(5, 2), t(2, 2), 0, 1, 3), call(t(2, 5), t(2, 2), 1, 0, -2, 2), call(t(4), t(4)), call(t(4), t(1), 0, -1, 99),
        call(t(4), t(0), 0, 3, 1), call(t(4), t(2), start=2),
    ],
    errors=lambda: [
        raises(RuntimeError, r"slice_scatter: src has shape \(3,\); .* \(2,\)", t(4), t(3), 0, 2),
        raises(RuntimeError, r"step must be positive, got 0", t(4), t(4), 0, 0, 4, 0),
    ],
)  # fmt: skip
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of `input` in which the elements start:end:step of dimension `dim` are src.

    src has the shape of that slice. Raises ShapeError otherwise.

    >>> import retrograd as rg
    >>> rg.slice_scatter(rg.zeros(4), rg.ones(2), start=2)
    tensor([0., 0., 1., 1.])
    """
    op = "slice_scatter"
    x = as_tensor_arg(input, op)
    if not x._shape:
        raise ShapeError(f"{op}: a 0-d tensor has no dimension to slice")
    d = one_dim(dim, len(x._shape), op)
    a, b, k = slice_bounds(x._shape[d], start, end, step, op)
    v = _fitting(x, src, (*x._shape[:d], -((a - b) // k), *x._shape[d + 1 :]), op)
    return index_put_p((x, v), (*(slice(None),) * d, slice(a, b, k)), False)


@public(
    samples=lambda: [
        call(t(3, 3), t(3)), call(t(3, 4), t(3), 1), call(t(3, 4), t(2), -1), call(t(2, 3, 4), t(3, 2), 0, 0, 2),
        call(t(2, 3, 4), t(2, 2), offset=2, dim1=1, dim2=2), call(t(2, 2), t(0), 5),
    ],
    errors=lambda: [
        raises(RuntimeError, r"diagonal_scatter: src has shape \(2,\); .* \(3,\)", t(3, 3), t(2)),
        raises(RuntimeError, r"dim1 and dim2 are both dimension 1", t(3, 3), t(3), 0, 1, 1),
        raises(IndexError, r"diagonal_scatter: dim 1 is out of range", t(3), t(3)),
    ],
)  # fmt: skip
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of `input` in which `diagonal(input, offset, dim1, dim2)` is src.

    src has the shape of that diagonal. Raises ShapeError otherwise.

    >>> import retrograd as rg
    >>> rg.diagonal_scatter(rg.zeros(2, 2), rg.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    op = "diagonal_scatter"
    x = as_tensor_arg(input, op)
    k = as_int(offset, op, "offset")
    a, b = two_dims(dim1, dim2, len(x._shape), op)
    rest = tuple(n for i, n in enumerate(x._shape) if i not in (a, b))
    n = max(0, min(x._shape[a], x._shape[b] - k) if k >= 0 else min(x._shape[a] + k, x._shape[b]))
    v = _fitting(x, src, (*rest, n), op)
    return put_p((x, v), ((PRIMITIVES["diagonal"], (k, a, b)),))


@public(
    inplace=True,
    samples=lambda: [
        call(t(2, 3), t(2, dtype="int64", values=[4, 0]), t(2)),
        call(t(2, 3), t(2, 2, dtype="int64", values=[[-1, 1], [2, 0]]), t(4)),
        call(t(2, 3), t(3, dtype="int64", values=[1, 1, 5]), t(3), accumulate=True),
        call(t(), t(1, dtype="int64", values=[0]), t(1)), call(t(3), t(0, dtype="int64"), t(0)),
    ],
    errors=lambda: [
        raises(
            IndexError, r"put: index 6 is out of range for a tensor with 6 elements", t(2, 3),
            t(1, dtype="int64", values=[6]), t(1),
        ),
        raises(IndexError, r"put: source has 1 elements but index 2", t(3), t(2, dtype="int64", values=[0, 1]), t(1)),
        raises(RuntimeError, r"put: index must be a tensor of int64", t(3), t(1), t(1)),
        raises(RuntimeError, r"put: source is", t(3), t(1, dtype="int64", values=[0]), t(1, dtype="int64", grad=False)),
    ],
)  # fmt: skip
@sample_by_sample
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of `input` in which the elements of the flattened tensor at `index` are those of source, or get them added.

    index and source have as many elements; negative indices count from the end. With accumulate, elements named more than
    once receive all their values; without it, the last one. Raises IndexError for an index out of range.

    >>> import retrograd as rg
    >>> rg.put(rg.zeros(2, 2), rg.tensor([3, 0]), rg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 1.]])
    """
    x, i, v = (as_tensor_arg(a, "put") for a in (input, index, source))
    if i._dtype.name != "int64":
        raise DtypeError(f"put: index must be a tensor of int64, got {i._dtype.name}; write index.long()")
    if v._dtype is not x._dtype:
        raise dtype_error(x, v, "put", "source")
    at = same_library(i._data, backend.xp_of(x._data), "put", "index").reshape(-1)
    n = x._data.size
    if v._data.size != at.size:
        raise IndexError(f"put: source has {v._data.size} elements but index {at.size}; as many are expected")
    if at.size and backend.of(at).device_type == "cpu" and (int(at.max()) >= n or int(at.min()) < -n):
        bad = int(at.max()) if int(at.max()) >= n else int(at.min())
        raise IndexError(f"put: index {bad} is out of range for a tensor with {n} elements")
    at = backend.xp_of(at).where(at < 0, at + n, at)
    flat, v = reshape_p(x, (n,)), reshape_p(v, (at.size,))
    return reshape_p(index_put_p((flat, v), (at,), bool(accumulate)), tuple(x._shape))
