"""Adaptive pooling: the output size is given, and the windows divide the input as evenly as possible.

Window i of o over n elements is floor(i * n / o) to ceil((i + 1) * n / o). Where o divides n this is ordinary pooling;
else averages are contractions with a small matrix per dimension, and maxima are taken window by window.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..errors import ShapeError
from ..op import param, public
from ..samples import call, raises, t
from .args import as_int
from .cast import contiguous_p
from .conv import batched
from .einsum import contract_p
from .pool import take_places
from .pool_core import avg_pool_p, max_pool_index_p, max_pool_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

    Sizes = int | None | Sequence[int | None]

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool2d",
    "adaptive_max_pool3d",
]  # fmt: skip

Ints = tuple[int, ...]


def _output(op: str, nd: int, x: Tensor, size: Any) -> tuple[Ints, Ints]:
    """(input sizes, output sizes); None in the output keeps the input's size."""
    batched(x, nd, op)
    shape = x._shape[len(x._shape) - nd :]
    given = tuple(size) if isinstance(size, (tuple, list)) else (size,) * nd
    if len(given) != nd:
        raise ShapeError(f"{op}: output_size {given} has {len(given)} entries; an int or {nd} of them are expected")
    o = tuple(n if v is None else as_int(v, op, "output_size") for v, n in zip(given, shape, strict=True))
    if any(v < 0 for v in o):
        raise ShapeError(f"{op}: output_size must not be negative, got {size}")
    if 0 in shape:
        raise ShapeError(f"{op}: the pooled dimensions must not be empty, got input {x._shape}")
    return shape, o


def _edges(n: int, o: int) -> list[tuple[int, int]]:
    return [(i * n // o, -(-(i + 1) * n // o)) for i in range(o)]


@lru_cache(maxsize=256)
def _weights(n: int, o: int) -> np.ndarray:
    """The matrix (o, n) whose rows average the windows."""
    w = np.zeros((o, n))
    for i, (a, b) in enumerate(_edges(n, o)):
        w[i, a:b] = 1 / (b - a)
    return w


def _avg(nd: int, input: Any, size: Any) -> Tensor:
    op = f"adaptive_avg_pool{nd}d"
    x = as_tensor_arg(input, op)
    n, o = _output(op, nd, x, size)
    if all(v and m % v == 0 for m, v in zip(n, o, strict=True)):
        k = tuple(m // v for m, v in zip(n, o, strict=True))
        return avg_pool_p(x, k, k, (0,) * nd, o, True, None)
    first = len(x._shape) - nd
    labels = tuple(range(len(x._shape)))
    y: Any = x
    for i in range(nd):
        if n[i] == o[i]:
            continue
        xp, axis = xp_of(x._data), first + i
        w = wrap(xp.asarray(_weights(n[i], o[i]), dtype=x._data.dtype))
        new = len(labels)
        out = (*labels[:axis], new, *labels[axis + 1 :])
        y = contract_p((y, w), labels, (new, axis), out)
    return contiguous_p(y)


def _max_places(xp: Any, x: Any, o: Ints) -> Any:
    nd = len(o)
    n = x.shape[x.ndim - nd :]
    lead = x.shape[: x.ndim - nd]
    number = xp.arange(prod(n)).reshape(n)
    out = xp.empty((*lead, *o), np.int64)
    edges = [_edges(m, v) for m, v in zip(n, o, strict=True)]
    for at in np.ndindex(*o):
        window = tuple(slice(*edges[i][j]) for i, j in enumerate(at))
        best = x[(..., *window)].reshape(*lead, -1).argmax(-1)
        out[(..., *at)] = number[window].reshape(-1)[best]
    return out


adaptive_max_index_p: Any = param(
    "adaptive_max_index",
    _max_places,
    dtypes="fixed",
    differentiable=False,
    doc="The place of the maximum of each adaptive window, counted over the flattened pooled dimensions.",
)


def _max(nd: int, input: Any, size: Any, indices: bool) -> Any:
    op = f"adaptive_max_pool{nd}d"
    x = as_tensor_arg(input, op)
    n, o = _output(op, nd, x, size)
    if all(v and m % v == 0 for m, v in zip(n, o, strict=True)):
        k = tuple(m // v for m, v in zip(n, o, strict=True))
        p = (k, k, (0,) * nd, (1,) * nd, o)
        if not indices:
            return max_pool_p(x, *p)
        places = max_pool_index_p(x, *p)
    else:
        places = adaptive_max_index_p(x, o)
    values = take_places(x, places, nd)
    return (values, places) if indices else values


def _ref(nd: int, f: Any) -> Any:
    def ref(x: Any, output_size: Any) -> Any:
        n = x.shape[x.ndim - nd :]
        o = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * nd
        o = tuple(m if v is None else v for v, m in zip(o, n, strict=True))
        out = np.empty((*x.shape[: x.ndim - nd], *o), x.dtype)
        for at in np.ndindex(*o):
            window = tuple(slice(i * m // v, -(-(i + 1) * m // v)) for i, m, v in zip(at, n, o, strict=True))
            out[(..., *at)] = f(x[(..., *window)].reshape(*x.shape[: x.ndim - nd], -1), -1)
        return out

    return ref


# ---------------------------------------------------------------- average
@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(2, 3, 8), 4), call(t(2, 3, 7), 3), call(t(3, 7), 9)],
    errors=lambda: [raises(RuntimeError, r"input \(N, C, L\)", t(4), 2)],
    ref=_ref(1, np.mean),
)
def adaptive_avg_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """The mean of `output_size` windows that divide the last dimension evenly: (N, C, L) or (C, L).

    >>> import retrograd as rg
    >>> rg.nn.functional.adaptive_avg_pool1d(rg.tensor([[1.0, 2.0, 3.0]]), 2)
    tensor([[1.5000, 2.5000]])
    """
    return _avg(1, input, output_size)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 6, 8), (3, 2)),
        call(t(2, 3, 6, 8), 1),
        call(t(2, 3, 7, 5), (3, None)),
        call(t(3, 5, 4), (2, 3)),
        call(t(2, 2, 3, 3), 5),
    ],
    errors=lambda: [
        raises(RuntimeError, r"output_size \(1, 2, 3\) has 3 entries", t(1, 1, 4, 4), (1, 2, 3)),
        raises(RuntimeError, r"must not be empty", t(1, 1, 0, 4), 2),
    ],
    ref=_ref(2, np.mean),
)
def adaptive_avg_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    """The mean of windows that divide the last two dimensions evenly: (N, C, H, W) or (C, H, W).

    output_size: an int or a pair; None keeps the input's size.

    >>> import retrograd as rg
    >>> rg.nn.functional.adaptive_avg_pool2d(rg.arange(4.0).reshape(1, 2, 2), 1)
    tensor([[[1.5000]]])
    """
    return _avg(2, input, output_size)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(1, 2, 4, 3, 2), (2, 2, 1)), call(t(2, 4, 4, 2), 2)],
    errors=lambda: [raises(RuntimeError, r"adaptive_avg_pool3d: input", t(4, 4), 2)],
    ref=_ref(3, np.mean),
)
def adaptive_avg_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    """The mean of windows that divide the last three dimensions evenly: (N, C, D, H, W) or (C, D, H, W).

    >>> import retrograd as rg
    >>> rg.nn.functional.adaptive_avg_pool3d(rg.ones(1, 2, 2, 2), 1).item()
    1.0
    """
    return _avg(3, input, output_size)


# ---------------------------------------------------------------- maximum
@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(2, 3, 8), 4), call(t(2, 3, 7), 3), call(t(3, 7), 5)],
    errors=lambda: [raises(RuntimeError, r"input \(N, C, L\)", t(4), 2)],
    ref=_ref(1, np.max),
)
def adaptive_max_pool1d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The maximum of `output_size` windows that divide the last dimension evenly; return_indices: also their places.

    >>> import retrograd as rg
    >>> rg.nn.functional.adaptive_max_pool1d(rg.tensor([[1.0, 2.0, 3.0]]), 2)
    tensor([[2., 3.]])
    """
    return _max(1, input, output_size, return_indices)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 6, 8), (3, 2)),
        call(t(2, 3, 6, 8), 1),
        call(t(2, 3, 7, 5), (3, None)),
        call(t(3, 5, 4), (2, 3)),
    ],
    errors=lambda: [raises(RuntimeError, r"output_size", t(1, 1, 4, 4), (1, 2, 3))],
    ref=_ref(2, np.max),
)
def adaptive_max_pool2d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The maximum of windows that divide the last two dimensions evenly; return_indices: also their places.

    >>> import retrograd as rg
    >>> rg.nn.functional.adaptive_max_pool2d(rg.arange(4.0).reshape(1, 2, 2), 1)
    tensor([[[3.]]])
    """
    return _max(2, input, output_size, return_indices)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(1, 2, 4, 3, 2), (2, 2, 1)), call(t(2, 4, 4, 2), 2)],
    errors=lambda: [raises(RuntimeError, r"adaptive_max_pool3d: input", t(4, 4), 2)],
    ref=_ref(3, np.max),
)
def adaptive_max_pool3d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The maximum of windows that divide the last three dimensions evenly; return_indices: also their places.

    >>> import retrograd as rg
    >>> rg.nn.functional.adaptive_max_pool3d(rg.arange(8.0).reshape(1, 2, 2, 2), 1).item()
    7.0
    """
    return _max(3, input, output_size, return_indices)
