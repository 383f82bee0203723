"""Sets and runs: isin, unique_consecutive, combinations."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import of as backend_of
from ..backend import xp_of
from ..core import TensorBase, as_tensor_arg, wrap
from ..dtypes import SCALAR, TENSOR, ZERO_DIM, of_scalar, result_type
from ..errors import DtypeError, ShapeError
from ..op import public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from .args import as_int, into, one_dim, pick
from .index import index_select_p, to_library

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["combinations", "isin", "unique_consecutive"]


# ---------------------------------------------------------------- isin
@public(
    method=False,
    samples=lambda: [
        call(t(2, 3, dtype="int64", values=[[1, 2, 3], [4, 5, 1]]), t(3, dtype="int64", values=[1, 4, 7])),
        call(t(2, 3, dtype="int64", values=[[1, 2, 3], [4, 5, 1]]), t(2, values=[2.0, 2.5], grad=False), invert=True),
        call(t(3, values=[1.0, float("nan"), 2.0], grad=False), t(2, values=[float("nan"), 2.0], grad=False)),
        call(t(3, dtype="int64", values=[1, 2, 3]), t(2, dtype="int64", values=[3, 1]), assume_unique=True),
        call(t(3, dtype="int64", values=[1, 2, 3]), 2),
        call(2, t(3, dtype="int64", values=[1, 2, 3])),
        call(t(3, dtype="int64", values=[1, 2, 3]), t(0, grad=False)),
        call(t(values=1.0, grad=False), t(2, 2, values=[[0.0, 1.0], [2.0, 3.0]], grad=False)),
        call(t(2, 0, grad=False), t(3, grad=False)),
    ],
    errors=lambda: [
        raises(TypeError, r"isin: .* two numbers", 1, 2),
        raises(RuntimeError, r"isin: elements are bool", t(2, dtype="bool"), t(2, dtype="bool")),
        raises(RuntimeError, r"isin: elements are complex", t(2, dtype="complex64", grad=False), t(2, grad=False)),
    ],
    differentiable=False,
)
@sample_by_sample
def isin(
    elements: Tensor | float,
    test_elements: Tensor | float,
    *,
    assume_unique: bool = False,
    invert: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """Whether each element is one of `test_elements`: bools in the shape of `elements`; the opposite with `invert`.

    Either may be a number. Dtypes are promoted; NaN equals nothing. `assume_unique` is a promise that is not needed.
    Raises RuntimeError (a DtypeError) for bool and complex tensors.

    >>> import retrograd as rg
    >>> rg.isin(rg.tensor([[1, 2], [3, 4]]), rg.tensor([2, 3]))
    tensor([[False,  True],
            [ True, False]])
    """
    op = "isin"
    pair: list[Any] = [v if isinstance(v, (int, float)) else as_tensor_arg(v, op) for v in (elements, test_elements)]
    tensors = [v for v in pair if isinstance(v, TensorBase)]
    if not tensors:
        raise TypeError(f"{op}: elements and test_elements are two numbers; one of them must be a tensor")
    for v, name in zip(pair, ("elements", "test_elements"), strict=True):
        if isinstance(v, TensorBase) and v._dtype.kind not in "fiu":
            raise DtypeError(f"{op}: {name} are {v._dtype.name}; a real dtype other than bool is expected")
    d = result_type(
        *[
            (v._dtype, TENSOR if v._shape else ZERO_DIM) if isinstance(v, TensorBase) else (of_scalar(v), SCALAR)
            for v in pair
        ]
    )
    xp = xp_of(tensors[0]._data)
    wide = d.np if d.fast or d.kind != "f" else xp.float32
    a, b = (
        to_library(v._data, xp).astype(wide) if isinstance(v, TensorBase) else xp.asarray(v, dtype=wide) for v in pair
    )
    if not b.size:
        r = xp.full(a.shape, bool(invert), bool)
    else:
        b = xp.sort(b.reshape(-1))
        at = xp.minimum(xp.searchsorted(b, a.reshape(-1)), b.size - 1).reshape(a.shape)
        r = (b[at] != a) if invert else (b[at] == a)
    return into(out, wrap(xp.asarray(r)), op)


# ---------------------------------------------------------------- runs
@public(
    samples=lambda: [
        call(t(7, dtype="int64", values=[1, 1, 2, 2, 2, 1, 3])),
        call(t(2, 3, dtype="int64", values=[[1, 1, 2], [2, 2, 1]]), return_inverse=True, return_counts=True),
        call(t(4, 2, dtype="int64", values=[[1, 2], [1, 2], [1, 3], [1, 2]]), True, True, 0),
        call(t(2, 4, dtype="int64", values=[[1, 1, 0, 0], [2, 2, 1, 0]]), dim=-1, return_counts=True),
        call(t(4, values=[0.5, 0.5, float("nan"), float("nan")], grad=False), return_counts=True),
        call(t(values=1.0, grad=False), return_inverse=True, return_counts=True),
        call(t(0, grad=False), return_inverse=True, return_counts=True),
        call(t(0, 2, grad=False), dim=0),
        call(t(3, dtype="bool", values=[True, True, False])),
    ],
    errors=lambda: [
        raises(IndexError, r"unique_consecutive: dim 1", t(3, grad=False), dim=1),
        raises(RuntimeError, r"unique_consecutive: .* \(2, 0\)", t(2, 0, grad=False), dim=0),
        raises(RuntimeError, r"unique_consecutive: input is complex", t(2, dtype="complex64", grad=False)),
    ],
    differentiable=False,
)
@sample_by_sample
def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
    *,
    axis: int | None = None,
) -> Any:
    """The first element of each run of equal ones, in the flattened input; or the first slice of each run along `dim`.

    With `return_inverse` also the number of the run (int64) that each element is in (in the shape of `input`, or of the
    dimension), with `return_counts` the length of each run. No NaN equals another. There is no gradient; a GPU is
    waited for, because the size depends on the values. Raises RuntimeError where other dimensions than `dim` are empty.

    >>> import retrograd as rg
    >>> rg.unique_consecutive(rg.tensor([1, 1, 2, 1]), return_counts=True)
    (tensor([1, 2, 1]), tensor([2, 1, 1]))
    """
    op = "unique_consecutive"
    x = as_tensor_arg(input, op)
    if x._dtype.kind == "c":
        raise DtypeError(f"{op}: input is {x._dtype.name}; a real dtype is expected")
    xp = xp_of(x._data)
    dim = pick(dim, axis, op)
    a, d, shape = x._data, 0, x._shape
    if dim is None:
        a = a.reshape(-1)
    else:
        d = one_dim(dim, len(shape), op)
        if not shape:
            raise IndexError(f"{op}: dim {dim} is given for a tensor with 0 dimensions; leave it away")
        if any(n == 0 for i, n in enumerate(shape) if i != d):
            raise ShapeError(f"{op}: shape {tuple(shape)} is empty in another dimension than dim {d}; it has no slices")
        shape = (shape[d],)
    n = a.shape[d]
    rows = xp.moveaxis(a, d, 0).reshape(n, -1) if n else a.reshape(0, 1)
    new = xp.ones(n, bool)
    if n:
        new[1:] = (rows[1:] != rows[:-1]).any(1)
    starts = xp.nonzero(new)[0]
    found = [wrap(xp.take(a, starts, d))]
    if return_inverse:
        found.append(wrap((xp.cumsum(new.astype(xp.int64)) - 1).reshape(shape)))
    if return_counts:
        ends = xp.concatenate([starts[1:], xp.full(min(n, 1), n, starts.dtype)])
        found.append(wrap((ends - starts).astype(xp.int64)))
    return found[0] if len(found) == 1 else tuple(found)


# ---------------------------------------------------------------- combinations
@public(
    method=False,
    samples=lambda: [
        call(t(4)),
        call(t(4), 3),
        call(t(3), r=2, with_replacement=True),
        call(t(3), 1),
        call(t(3), 0),
        call(t(2), 3),
        call(t(0)),
        call(t(4, dtype="int64", low=0, high=9)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"combinations: input has the shape \(2, 2\)", t(2, 2)),
        raises(RuntimeError, r"combinations: r is -1", t(3), -1),
    ],
)
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """The combinations of r elements, in the order of `itertools.combinations`: (N,) to (number of them, r).

    With `with_replacement` those of `itertools.combinations_with_replacement`. Raises RuntimeError (a ShapeError) for
    inputs that are not 1-d and for a negative r.

    >>> import retrograd as rg
    >>> rg.combinations(rg.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    op = "combinations"
    x = as_tensor_arg(input, op)
    if len(x._shape) != 1:
        raise ShapeError(f"{op}: input has the shape {tuple(x._shape)}; a 1-d tensor is expected")
    k = as_int(r, op, "r")
    if k < 0:
        raise ShapeError(f"{op}: r is {k}; the number of elements must be >= 0")
    if k == 0:  # as in PyTorch, where itertools has one empty combination
        return wrap(xp_of(x._data).zeros(0, x._dtype.np))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = itertools.chain.from_iterable(choose(range(x._shape[0]), k))
    index = np.fromiter(places, np.int64).reshape(-1, k)
    return index_select_p(x, 0, backend_of(x._data).from_numpy(index, None))
