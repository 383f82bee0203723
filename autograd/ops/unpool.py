"""`max_unpool1d`, `2d` and `3d`: values put back to the places that max pooling took them from."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import of, xp_of
from ..core import as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..op import param, public
from ..samples import call, raises, t
from .args import as_int, same_library
from .conv import sizes
from .shape import reshape_p
from .sort import take_along_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

    IntOrTuple = int | Sequence[int]

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]

Ints = tuple[int, ...]


def _unpool(xp: Any, x: Any, places: Any, size: int) -> Any:
    out = xp.zeros((x.shape[0], size), x.dtype)
    out[xp.arange(x.shape[0])[:, None], places] = x
    return out


unpool_p: Any = param(
    "unpool",
    _unpool,
    lambda g, x, o, places, size: take_along_p(g, 1, places, False, False),
    dtypes="same",
    jvp="linear",
    doc="Rows (n, k) put to their places in rows of zeros (n, size); of several values for a place one remains.",
)


def _output_size(op: str, nd: int, shape: Ints, k: Ints, s: Ints, p: Ints, given: Any) -> Ints:
    """The size before pooling: the smallest one that fits, or the one given, which may be larger by less than a stride."""
    base = tuple((n - 1) * ss + kk - 2 * a for n, ss, kk, a in zip(shape, s, k, p, strict=True))
    if given is None:
        found = base
    else:
        found = tuple(as_int(n, op, "output_size") for n in given)
        if len(found) == nd + 2:
            found = found[2:]
        if len(found) != nd:
            raise ValueError(f"{op}: output_size has {len(found)} entries; {nd} or {nd + 2} are expected")
        for d, (n, b, ss) in enumerate(zip(found, base, s, strict=True)):
            if not b - ss < n < b + ss:
                raise ValueError(
                    f"{op}: output_size {found} is impossible: dimension {d} must be between {b - ss} and {b + ss} "
                    "(exclusive)"
                )
    if min(found) < 0:
        raise ValueError(f"{op}: the output size {found} must not be negative")
    return found


def _check_places(op: str, index: Any, size: int, space: Ints) -> None:
    if index.size and of(index).device_type == "cpu":
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= size:
            raise IndexError(
                f"{op}: index {low if low < 0 else high} is out of range for an output of size {space} (0..{size - 1}); "
                "give the output_size that was pooled"
            )


def _max_unpool(
    nd: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    op = f"max_unpool{nd}d"
    x, i = as_tensor_arg(input, op), as_tensor_arg(indices, op)
    if i._dtype.name != "int64":
        raise DtypeError(
            f"{op}: indices are {i._dtype.name}; int64 is expected, as max_pool{nd}d(return_indices=True) gives"
        )
    if len(x._shape) not in (nd + 1, nd + 2) or 0 in x._shape[1:] and len(x._shape) == nd + 2 or 0 in x._shape[-nd:]:
        raise ShapeError(
            f"{op}: input (N, C, ...) or (C, ...) with {nd} non-empty spatial dimension(s) is expected, got {x._shape}"
        )
    if i._shape != x._shape:
        raise ShapeError(f"{op}: indices have shape {i._shape} but input {x._shape}; they must be equal")
    k, p = sizes(kernel_size, nd, op, "kernel_size"), sizes(padding, nd, op, "padding", 0)
    s = k if stride is None or (isinstance(stride, (list, tuple)) and not stride) else sizes(stride, nd, op, "stride")
    lead, shape = x._shape[:-nd], x._shape[-nd:]
    space = _output_size(op, nd, shape, k, s, p, output_size)
    size = prod(space)
    places = same_library(i._data, xp_of(x._data), op, "indices").reshape(prod(lead), prod(shape))
    _check_places(op, places, size, space)
    return reshape_p(unpool_p(reshape_p(x, places.shape), places, size), (*lead, *space))


def _ref(nd: int) -> Any:
    def ref(x: Any, index: Any, k: Any, stride: Any = None, padding: Any = 0, output_size: Any = None) -> Any:
        k, p = sizes(k, nd, "ref", "k"), sizes(padding, nd, "ref", "p", 0)
        s = k if stride is None else sizes(stride, nd, "ref", "s")
        space = tuple((n - 1) * a + b - 2 * c for n, a, b, c in zip(x.shape[-nd:], s, k, p, strict=True))
        space = space if output_size is None else tuple(output_size[-nd:])
        out = np.zeros((*x.shape[:-nd], prod(space)), x.dtype)
        np.put_along_axis(out, index.reshape(*out.shape[:-1], -1), x.reshape(*out.shape[:-1], -1), -1)
        return out.reshape(*x.shape[:-nd], *space)

    return ref


def _places(*shape: int, size: int) -> Any:
    """Distinct places for a sample."""
    rows, count = (prod(shape[:1]), prod(shape[1:]))
    values = [[(j * 2 + i) % size for j in range(count)] for i in range(rows)]
    return np.array(values).reshape(shape)


def _index(lead: Ints, shape: Ints, size: int) -> Any:
    values = _places(prod(lead), *shape, size=size).reshape(*lead, *shape)
    return t(*lead, *shape, dtype="int64", values=values, grad=False)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 4), _index((2, 3), (4,), 8), 2),
        call(t(3, 4), _index((3,), (4,), 9), 2, output_size=(9,)),
        call(t(2, 3, 4), _index((2, 3), (4,), 7), 3, 2, 1),
    ],
    errors=lambda: [
        raises(IndexError, r"index 9 is out of range", t(1, 1, 2), t(1, 1, 2, dtype="int64", values=[[[0, 9]]]), 2),
        raises(RuntimeError, r"indices have shape \(1, 1, 3\)", t(1, 1, 2), t(1, 1, 3, dtype="int64"), 2),
        raises(RuntimeError, r"indices are float", t(1, 1, 2), t(1, 1, 2), 2),
        raises(ValueError, r"dimension 0 must be between 2 and 6", t(1, 1, 2), t(1, 1, 2, dtype="int64"), 2, None, 0, (9,)),
    ],
    ref=_ref(1),
)  # fmt: skip
def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The reverse of `max_pool1d(..., return_indices=True)`: (N, C, L) or (C, L). Arguments as in `max_unpool2d`.

    >>> import retrograd as rg
    >>> rg.nn.functional.max_unpool1d(rg.tensor([[3.0, 5.0]]), rg.tensor([[1, 2]]), 2)
    tensor([[0., 3., 5., 0.]])
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 2, 2), _index((2, 3), (2, 2), 16), 2),
        call(t(3, 2, 3), _index((3,), (2, 3), 35), 2, output_size=(5, 7)),
        call(t(1, 2, 2, 2), _index((1, 2), (2, 2), 9), (3, 3), 2, (1, 1)),
        call(t(1, 2, 2, 2), _index((1, 2), (2, 2), 20), 2, None, 0, (1, 2, 4, 5)),
    ],
    errors=lambda: [
        raises(ValueError, r"output_size has 3 entries", t(1, 1, 2, 2), t(1, 1, 2, 2, dtype="int64"), 2, None, 0, (4, 4, 4)),
        raises(RuntimeError, r"max_unpool2d: input", t(2, 2), t(2, 2, dtype="int64"), 2),
    ],
    ref=_ref(2),
)  # fmt: skip
def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The reverse of `max_pool2d(..., return_indices=True)`: values at their places, 0 elsewhere: (N, C, H, W).

    indices (int64, shape of the input) count over the flattened output. Its size is (H - 1) * stride + kernel_size -
    2 * padding, or output_size (with or without N and C), since pooling floors. IndexError for indices out of range.

    >>> import retrograd as rg
    >>> rg.nn.functional.max_unpool2d(rg.tensor([[[5.0]]]), rg.tensor([[[3]]]), 2)
    tensor([[[0., 0.],
             [0., 5.]]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(1, 2, 2, 1, 2), _index((1, 2), (2, 1, 2), 32), 2),
        call(t(2, 1, 2, 2), _index((2,), (1, 2, 2), 60), 2, output_size=(3, 5, 4)),
    ],
    errors=lambda: [raises(RuntimeError, r"max_unpool3d: input", t(2, 2), t(2, 2, dtype="int64"), 2)],
    ref=_ref(3),
)
def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The reverse of `max_pool3d(..., return_indices=True)`: (N, C, D, H, W). Arguments as in `max_unpool2d`.

    >>> import retrograd as rg
    >>> rg.nn.functional.max_unpool3d(rg.tensor([[[[5.0]]]]), rg.tensor([[[[7]]]]), 2).flatten()
    tensor([0., 0., 0., 0., 0., 0., 0., 5.])
    """
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)
