"""Pooling of one, two and three dimensions: maximum, average, and the power average."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import public
from ..samples import call, raises, t
from .args import as_int
from .complex import abs
from .conv import batched, sizes
from .gather import gather
from .pool_core import avg_pool_p, max_pool_index_p, max_pool_p, pooled_size
from .shape import reshape_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

    IntOrTuple = int | Sequence[int]

__all__ = [
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool1d", "lp_pool2d", "lp_pool3d", "max_pool1d", "max_pool2d", "max_pool3d",
]  # fmt: skip

Ints = tuple[int, ...]


# ---------------------------------------------------------------- arguments
def _windows(
    op: str, nd: int, x: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Kernel, stride, padding, dilation and output sizes, checked."""
    batched(x, nd, op)
    k = sizes(kernel_size, nd, op, "kernel_size")
    s = k if stride is None or (isinstance(stride, (list, tuple)) and not stride) else sizes(stride, nd, op, "stride")
    p, d = sizes(padding, nd, op, "padding", 0), sizes(dilation, nd, op, "dilation")
    shape = x._shape[len(x._shape) - nd :]
    for i in range(nd):
        if 2 * p[i] > d[i] * (k[i] - 1) + 1:
            kernel = f"{k[i]}, dilation {d[i]}" if d[i] > 1 else str(k[i])
            raise ShapeError(
                f"{op}: padding {p[i]} is more than half of the kernel ({kernel}), so a window could lie outside the "
                f"input; pad the input itself with pad()"
            )
    o = tuple(pooled_size(*v, bool(ceil_mode)) for v in zip(shape, k, s, p, d, strict=True))
    for i in range(nd):
        if o[i] < 1:
            raise ShapeError(
                f"{op}: no window fits into dimension {i - nd}: size {shape[i]} + padding 2 * {p[i]} is less than the "
                f"{d[i] * (k[i] - 1) + 1} that kernel {k[i]} with dilation {d[i]} covers (input {x._shape}); "
                f"use a smaller kernel or a larger input"
            )
    return k, s, p, d, o


def take_places(x: Tensor, index: Any, nd: int) -> Tensor:
    """The elements of x at places counted over its flattened last nd dimensions."""
    n = len(x._shape) - nd
    lead, o = x._shape[:n], index._shape[n:]
    flat = gather(reshape_p(x, (*lead, int(np.prod(x._shape[n:])))), -1, reshape_p(index, (*lead, int(np.prod(o)))))
    return reshape_p(flat, (*lead, *o))


def _max_pool(
    nd: int, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, indices: bool
) -> Any:
    op = f"max_pool{nd}d"
    x = as_tensor_arg(input, op)
    if nd != 2 and len(x._shape) == nd + 1 and not x._shape[0]:
        raise ShapeError(f"{op}: only the batch may be empty, got {tuple(x._shape)} without a batch")
    k, s, p, d, o = _windows(op, nd, x, kernel_size, stride, padding, dilation, ceil_mode)
    if not indices:
        return max_pool_p(x, k, s, p, d, o)
    places = max_pool_index_p(x, k, s, p, d, o)
    return take_places(x, places, nd), places


def _avg_pool(
    nd: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    include: bool,
    override: Any = None,
) -> Tensor:
    op = f"avg_pool{nd}d"
    x = as_tensor_arg(input, op)
    k, s, p, _, o = _windows(op, nd, x, kernel_size, stride, padding, 1, ceil_mode)
    if override is not None:
        override = as_int(override, op, "divisor_override")
        if override == 0:
            raise ValueError(f"{op}: divisor_override must not be 0")
    return avg_pool_p(x, k, s, p, o, bool(include), override)


def _ref(nd: int, f: Any) -> Any:
    """Pooling by a Python loop over windows: f(elements, window size) of each."""

    def ref(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, **kw: Any) -> Any:
        k = sizes(kernel_size, nd, "ref", "size")
        s = k if stride is None else sizes(stride, nd, "ref", "size")
        p, d = sizes(padding, nd, "ref", "size", 0), sizes(kw.get("dilation", 1), nd, "ref", "size")
        shape = x.shape[x.ndim - nd :]
        o = tuple(pooled_size(*v, kw.get("ceil_mode", False)) for v in zip(shape, k, s, p, d, strict=True))
        out = np.empty((*x.shape[: x.ndim - nd], *o), x.dtype)
        number = np.arange(int(np.prod(shape))).reshape(shape)
        where = np.empty(out.shape, np.int64)
        for at in np.ndindex(*o):
            places = [
                [j * ss - pp + a * dd for a in range(kk) if 0 <= j * ss - pp + a * dd < n]
                for j, ss, pp, kk, dd, n in zip(at, s, p, k, d, shape, strict=True)
            ]
            full = [
                min(j * ss - pp + kk, n + pp) - j * ss + pp for j, ss, pp, kk, n in zip(at, s, p, k, shape, strict=True)
            ]
            part = x[(..., *np.ix_(*places))].reshape(*x.shape[: x.ndim - nd], int(np.prod([len(v) for v in places])))
            out[(..., *at)] = f(part, int(np.prod(full)), kw)
            if part.size:
                where[(..., *at)] = number[np.ix_(*places)].reshape(-1)[part.argmax(-1)]
        return (out, where) if kw.get("return_indices") else out

    return ref


def _mean(part: Any, full: int, kw: dict[str, Any]) -> Any:
    return part.sum(-1) / (
        kw.get("divisor_override") or (full if kw.get("count_include_pad", True) else part.shape[-1])
    )


def _max(part: Any, full: int, kw: dict[str, Any]) -> Any:
    return part.max(-1)


# ---------------------------------------------------------------- maximum
@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 8), 2),
        call(t(2, 3, 9), 3, 2, padding=1, dilation=2),
        call(t(3, 7), 2, ceil_mode=True),
        call(t(2, 3, 9), 3, 2, padding=1, return_indices=True),
    ],
    errors=lambda: [
        raises(RuntimeError, r"padding 2 is more than half of the kernel", t(1, 1, 8), 3, padding=2),
        raises(RuntimeError, r"no window fits", t(1, 1, 2), 3),
        raises(ValueError, r"kernel_size must be at least 1", t(1, 1, 2), 0),
    ],
    ref=_ref(1, _max),
)
def max_pool1d(
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of the last dimension: (N, C, L) or (C, L). Arguments as in `max_pool2d`.

    >>> import retrograd as rg
    >>> rg.nn.functional.max_pool1d(rg.tensor([[1.0, 3.0, 2.0, 5.0]]), 2)
    tensor([[3., 5.]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 6, 8), 2),
        call(t(2, 2, 7, 6), (3, 2), (2, 1), (1, 0)),
        call(t(2, 2, 7, 7), 3, 2, 1, dilation=2),
        call(t(3, 7, 5), 2, ceil_mode=True),
        call(t(2, 1, 5, 5), 3, stride=2, padding=1, ceil_mode=True),
        call(t(2, 1, 5, 5), 3, 1),
        call(t(2, 1, 4, 4), 4),
        call(t(0, 1, 4, 4), 2),
        call(t(2, 1, 5, 6), (3, 2), return_indices=True, padding=1),
    ],
    errors=lambda: [
        raises(RuntimeError, r"max_pool2d: input \(N, C, H, W\) or \(C, H, W\) is expected", t(4, 4), 2),
        raises(RuntimeError, r"no window fits into dimension -2: size 2", t(1, 1, 2, 5), 3),
        raises(RuntimeError, r"kernel_size .* has 3 entries", t(1, 1, 4, 4), (2, 2, 2)),
    ],
    ref=_ref(2, _max),
)
def max_pool2d(
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of the last two dimensions: (N, C, H, W) or (C, H, W).

    stride is kernel_size by default; padding (at most half of the kernel) counts as -inf; ceil_mode keeps windows that
    reach past the end. H' = (H + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1. The gradient goes to the
    first maximum of a window. return_indices: also the places, counted over H * W (int64).

    >>> import retrograd as rg
    >>> rg.nn.functional.max_pool2d(rg.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(2, 2, 4, 4, 2), 2), call(t(2, 3, 4, 3), (2, 3, 1), 1, (1, 1, 0))],
    errors=lambda: [raises(RuntimeError, r"max_pool3d: input", t(4, 4), 2)],
    ref=_ref(3, _max),
)
def max_pool3d(
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    dilation: IntOrTuple = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window of the last three dimensions: (N, C, D, H, W). Arguments as in `max_pool2d`.

    >>> import retrograd as rg
    >>> rg.nn.functional.max_pool3d(rg.arange(8.0).reshape(1, 2, 2, 2), 2).item()
    7.0
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


# ---------------------------------------------------------------- average
@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 8), 2),
        call(t(2, 3, 9), 3, 2, padding=1, count_include_pad=False),
        call(t(3, 7), 2, ceil_mode=True),
    ],
    errors=lambda: [raises(RuntimeError, r"no window fits", t(1, 1, 2), 3)],
    ref=_ref(1, _mean),
)
def avg_pool1d(
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of the last dimension: (N, C, L) or (C, L). Arguments as in `avg_pool2d`.

    >>> import retrograd as rg
    >>> rg.nn.functional.avg_pool1d(rg.tensor([[1.0, 3.0, 2.0, 5.0]]), 2)
    tensor([[2.0000, 3.5000]])
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 6, 8), 2),
        call(t(2, 2, 7, 6), (3, 2), (2, 1), (1, 0)),
        call(t(2, 2, 7, 7), 3, 2, padding=1, count_include_pad=False),
        call(t(3, 7, 5), 2, ceil_mode=True),
        call(t(2, 1, 5, 5), 3, 2, padding=1, ceil_mode=True, count_include_pad=False),
        call(t(2, 1, 6, 6), 3, divisor_override=2),
        call(t(2, 1, 4, 4), 4),
        call(t(2, 1, 5, 5), 3, 1),
        call(t(0, 1, 4, 4), 2),
    ],
    errors=lambda: [
        raises(RuntimeError, r"avg_pool2d: input \(N, C, H, W\) or \(C, H, W\) is expected", t(4, 4), 2),
        raises(ValueError, r"divisor_override must not be 0", t(1, 1, 4, 4), 2, divisor_override=0),
    ],
    ref=_ref(2, _mean),
)
def avg_pool2d(
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of the last two dimensions: (N, C, H, W) or (C, H, W).

    stride is kernel_size by default; padding counts as zeros, in the divisor too unless count_include_pad is False;
    ceil_mode keeps windows that reach past the end; divisor_override replaces the number of elements.

    >>> import retrograd as rg
    >>> rg.nn.functional.avg_pool2d(rg.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 2.5000,  4.5000],
              [10.5000, 12.5000]]]])
    """
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(2, 2, 4, 4, 2), 2), call(t(2, 3, 4, 3), (2, 3, 1), 1, (1, 1, 0))],
    errors=lambda: [raises(RuntimeError, r"avg_pool3d: input", t(4, 4), 2)],
    ref=_ref(3, _mean),
)
def avg_pool3d(
    input: Tensor,
    kernel_size: IntOrTuple,
    stride: IntOrTuple | None = None,
    padding: IntOrTuple = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of the last three dimensions: (N, C, D, H, W). Arguments as in `avg_pool2d`.

    >>> import retrograd as rg
    >>> rg.nn.functional.avg_pool3d(rg.arange(8.0).reshape(1, 2, 2, 2), 2).item()
    3.5
    """
    return _avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _lp_pool(nd: int, input: Any, p: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Tensor:
    op = f"lp_pool{nd}d"
    x = as_tensor_arg(input, op)
    k = sizes(kernel_size, nd, op, "kernel_size")
    if p in (np.inf, -np.inf):
        sign = 1.0 if p > 0 else -1.0
        return _max_pool(nd, abs(x) * sign, k, stride, 0, 1, ceil_mode, False) * sign
    mean = _avg_pool(nd, x**p, k, stride, 0, ceil_mode, True)
    return (mean.sign() * mean.abs().relu() * float(np.prod(k))) ** (1.0 / p)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(2, 3, 8, low=0.5), 2, 3), call(t(3, 7, low=0.5), 3, 2, 1)],
    ref=lambda x, p, kernel_size, stride=None: _ref(1, lambda v, *_: (v**p).sum(-1) ** (1 / p))(x, kernel_size, stride),
)
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of the last dimension, with p = norm_type: (sum of x ** p) ** (1 / p).

    >>> import retrograd as rg
    >>> rg.nn.functional.lp_pool1d(rg.tensor([[3.0, 4.0]]), 2, 2)
    tensor([[5.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(2, 3, 4, 4, low=0.5), 2, 2)],
    ref=lambda x, p, kernel_size, stride=None: _ref(2, lambda v, *_: (v**p).sum(-1) ** (1 / p))(x, kernel_size, stride),
)
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of the last two dimensions, with p = norm_type.

    >>> import retrograd as rg
    >>> rg.nn.functional.lp_pool2d(rg.ones(1, 2, 2), 2, 2)
    tensor([[[2.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 4, 4, 2, low=0.5), 2, 2),
        call(t(2, 4, 4, 3, low=0.5), 3, (2, 1, 3), stride=1),
        call(t(1, 2, 4, 4, 4), np.inf, 2),
    ],
    errors=lambda: [raises(RuntimeError, r"lp_pool3d|avg_pool3d: input", t(4, 4), 2, 2)],
    ref=lambda x, p, kernel_size, stride=None: _ref(
        3, lambda v, *_: np.abs(v).max(-1) if p == np.inf else (v**p).sum(-1) ** (1 / p)
    )(x, kernel_size, stride),
)
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: IntOrTuple, stride: IntOrTuple | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of the last three dimensions, with p = norm_type: (N, C, D, H, W) or (C, D, H, W).

    >>> import retrograd as rg
    >>> rg.nn.functional.lp_pool3d(rg.ones(1, 2, 2, 1), 2, (2, 2, 1))
    tensor([[[[2.]]]])
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
