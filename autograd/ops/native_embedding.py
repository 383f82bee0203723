"""`embedding`, `embedding_bag` and `embedding_renorm_` of the front door: the table comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..errors import ShapeError
from ..op import public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from . import embedding as _table
from .args import as_int

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["embedding", "embedding_bag", "embedding_renorm_"]

_MODES = ("sum", "mean", "max")


def _ids(*values: int) -> Any:
    return t(len(values), dtype="int64", values=list(values), grad=False)


@public(
    method=False,
    samples=lambda: [call(t(5, 3), _ids(0, 2, 2)), call(t(5, 3), _ids(0, 2, 1), -1, True, False)],
    errors=lambda: [raises(IndexError, r"id 5 at position 1", t(5, 2), _ids(0, 5))],
)
@sample_by_sample
def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    """`nn.functional.embedding` with the table first; padding_idx=-1 stands for none.

    >>> import retrograd as rg
    >>> rg.embedding(rg.eye(2), rg.tensor([1, 0]))
    tensor([[0., 1.],
            [1., 0.]])
    """
    padding = as_int(padding_idx, "embedding", "padding_idx")
    return _table.embedding(indices, weight, None if padding < 0 else padding, None, 2.0, scale_grad_by_freq, sparse)


@public(
    method=False,
    samples=lambda: [
        call(t(5, 3), _ids(0, 2, 2, 1), _ids(0, 1), mode=0, torch=False),
        call(t(5, 3), _ids(0, 2, 2, 1), _ids(0, 1, 3), False, 1, torch=False),
        call(t(5, 3), _ids(0, 2, 2, 1), _ids(0, 1, 4), False, 2, False, None, True, torch=False),
    ],
    errors=lambda: [raises(ValueError, r"mode must be 0 \(sum\)", t(5, 3), _ids(0), _ids(0), mode=3)],
)
@sample_by_sample
def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`nn.functional.embedding_bag` with the table first and a number for the mode: 0 sum, 1 mean, 2 max.

    Returns (bags, the number of each id's bag, the bags' sizes, the ids of the maxima), of which the last three are
    only meaningful for mean and max, as in PyTorch.

    >>> import retrograd as rg
    >>> rg.embedding_bag(rg.eye(2), rg.tensor([0, 1]), rg.tensor([0]), mode=1)[0]
    tensor([[0.5000, 0.5000]])
    """
    op = "embedding_bag"
    i = as_int(mode, op, "mode")
    if not 0 <= i <= 2:
        raise ValueError(f"{op}: mode must be 0 (sum), 1 (mean) or 2 (max), got {i}")
    out = _table.embedding_bag(
        indices, weight, offsets, None, 2.0, scale_grad_by_freq, _MODES[i], sparse, per_sample_weights,
        include_last_offset, padding_idx,
    )  # fmt: skip
    ids = as_tensor_arg(indices, op)._data
    xp = xp_of(ids)
    bags, n = _table.bags(ids, offsets, include_last_offset, op)
    counts = (bags[:, None] == xp.arange(n)).sum(0) if i else xp.zeros(n, "int64")
    places = counts
    if i == 2:
        at, feature = xp.nonzero(as_tensor_arg(weight, op)._data[ids] == out._data[bags])
        places = xp.zeros(out._shape, "int64")
        places[bags[at[::-1]], feature[::-1]] = ids[at[::-1]]  # of equal maxima the first one is written last
    return out, wrap(bags if i else xp.zeros(0, "int64")), wrap(counts), wrap(places.copy())


@public(
    method=False,
    errors=lambda: [raises(RuntimeError, r"weight \(rows, features\)", t(5), _ids(0), 1.0, 2.0)],
)
def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Scale the rows of input (rows, features) that indices name down to max_norm where their p-norm is larger, in place.

    The graph does not see it, as with max_norm in `nn.functional.embedding`.

    >>> import retrograd as rg
    >>> rg.embedding_renorm_(rg.tensor([[3.0, 4.0], [3.0, 4.0]]), rg.tensor([1]), 1.0, 2.0).round(decimals=4)
    tensor([[3.0000, 4.0000],
            [0.6000, 0.8000]])
    """
    w = as_tensor_arg(input, "embedding_renorm_")
    if len(w._shape) != 2:
        raise ShapeError(f"embedding_renorm_: weight (rows, features) is expected, got shape {w._shape}")
    return _table.renorm(w, indices, max_norm, norm_type)
