"""index_reduce: products, means and extremes of the slices that an index sends to the same slice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import as_tensor_arg, wrap
from ..errors import ShapeError
from ..op import public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from .args import into, one_dim
from .gather import check_range, index_arg
from .index import dtype_error
from .scatter_reduce import scatter_reduce
from .shape import expand_p, reshape_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["index_reduce"]

_REDUCE = ("prod", "mean", "amax", "amin")
_INDEX = [0, 2, 0]


@public(
    inplace=True,
    samples=lambda: (
        [call(t(3, 4), 0, t(3, dtype="int64", values=_INDEX), t(3, 4), r) for r in _REDUCE]
        + [call(t(4, 3), -1, t(3, dtype="int64", values=_INDEX), t(4, 3), reduce=r, include_self=False) for r in _REDUCE]
        + [call(t(), 0, t(1, dtype="int64", values=[0]), t(), "prod"), call(t(3), 0, t(0, dtype="int64"), t(0), "mean")]
    ),
    errors=lambda: [
        raises(RuntimeError, r"reduce must be one of .* got 'sum'", t(3), 0, t(1, dtype="int64", values=[0]), t(1), "sum"),
        raises(
            ShapeError, r"source has shape \(2, 4\); \(3, 4\) is expected", t(3, 4), 0,
            t(3, dtype="int64", values=_INDEX), t(2, 4), "prod",
        ),
        raises(IndexError, r"index_reduce: index 3", t(3), 0, t(1, dtype="int64", values=[3]), t(1), "mean"),
    ],
)  # fmt: skip
@sample_by_sample
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A copy of `input` in which the slices of source are combined with the slices of `dim` that the index names.

    reduce: "prod", "mean", "amax" or "amin" ("sum" is `index_add`). With include_self=False the old slice does not take
    part; slices that receive nothing stay. Shapes: input `(*, N, *)`, index `(K,)`, source `(*, K, *)`.

    >>> import retrograd as rg
    >>> rg.index_reduce(rg.ones(3), 0, rg.tensor([0, 0, 2]), rg.tensor([2.0, 3.0, 4.0]), "prod")
    tensor([6., 1., 4.])
    """
    op = "index_reduce"
    x, s = as_tensor_arg(input, op), as_tensor_arg(source, op)
    if reduce not in _REDUCE:
        raise ShapeError(
            f"{op}: reduce must be one of 'prod', 'mean', 'amax', 'amin', got {reduce!r}; see rg.index_add"
        )
    d = one_dim(dim, len(x._shape), op)
    i: Any = index_arg(index, x, op)
    if i.ndim > 1:
        raise ShapeError(f"{op}: index must have one dimension, got shape {tuple(i.shape)}; flatten() it")
    i = i.reshape(-1)
    if s._dtype is not x._dtype:
        raise dtype_error(x, s, op, "source")
    shape = tuple(x._shape) or (1,)
    check_range(i, shape[d], d, op)
    want = (*shape[:d], i.size, *shape[d + 1 :])
    if s._shape != want and not (not s._shape and want == (1,)):
        raise ShapeError(f"{op}: source has shape {tuple(s._shape)}; {want} is expected ({i.size} indices in dim {d})")
    if not i.size:
        return into(out, x.clone(), op)
    at = expand_p(wrap(i.reshape((1,) * d + (-1,) + (1,) * (len(shape) - d - 1))), want)
    if x._shape:
        return into(out, scatter_reduce(x, d, at, s, reduce, include_self=include_self), op)
    r = scatter_reduce(x, d, at, reshape_p(s, want), reduce, include_self=include_self)
    return into(out, r, op)
