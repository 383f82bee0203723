"""`unfold` and `fold` of nn.functional: sliding blocks of images as columns, and the sum of such columns."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import param, public
from ..samples import call, raises, t
from .conv import sizes
from .pool_core import cut
from .shape import reshape_p

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..tensor import Tensor

    IntOrPair = int | Sequence[int]

__all__ = ["col2im_p", "fold", "im2col_p", "unfold"]

Ints = tuple[int, ...]


# ---------------------------------------------------------------- primitives
def _taps(shape: Ints, k: Ints, d: Ints, lo: Ints, s: Ints, o: Ints) -> Iterator[tuple[Any, Any]]:
    """(places in the columns (..., *k, *o), places in the image): of all windows, those whose tap is inside."""
    for tap in product(*(range(n) for n in k)):
        cuts = [cut(*v) for v in zip(tap, shape, o, s, d, lo, strict=True)]
        if None not in cuts:
            yield (..., *tap, *(c[0] for c in cuts if c)), (..., *(c[1] for c in cuts if c))


def _im2col(xp: Any, x: Any, k: Ints, d: Ints, lo: Ints, s: Ints, o: Ints) -> Any:
    n, c, *shape = x.shape
    out = xp.zeros((n, c, *k, *o), x.dtype)
    for column, element in _taps(tuple(shape), k, d, lo, s, o):
        out[column] = x[element]
    return out.reshape(n, c * prod(k), prod(o))


def _col2im(xp: Any, g: Any, shape: Ints, k: Ints, d: Ints, lo: Ints, s: Ints, o: Ints) -> Any:
    n, c = g.shape[0], g.shape[1] // prod(k)
    g = g.reshape(n, c, *k, *o)
    out = xp.zeros((n, c, *shape), g.dtype)
    for column, element in _taps(shape, k, d, lo, s, o):
        out[element] += g[column]
    return out


im2col_p: Any = param(
    "im2col",
    _im2col,
    lambda g, x, o, *p: col2im_p(g, tuple(x[2:]), *p),
    dtypes="same",
    jvp="linear",
    doc="The windows k of (N, C, *S) as columns (N, C * taps, windows): dilation d, padding lo, stride s, o windows.",
)
col2im_p: Any = param(
    "col2im",
    _col2im,
    lambda g, x, o, shape, *p: im2col_p(g, *p),
    dtypes="same",
    jvp="linear",
    doc="Columns added up at their places in (N, C, *shape): the adjoint of im2col_p.",
)


# ---------------------------------------------------------------- arguments
def _geometry(op: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> tuple[Ints, Ints, Ints, Ints]:
    try:
        return (
            sizes(kernel_size, 2, op, "kernel_size"),
            sizes(dilation, 2, op, "dilation"),
            sizes(padding, 2, op, "padding", 0),
            sizes(stride, 2, op, "stride"),
        )
    except ValueError as e:
        raise ShapeError(str(e)) from None


def _windows(shape: Ints, k: Ints, d: Ints, lo: Ints, s: Ints) -> Ints:
    """How many windows fit along each dimension."""
    return tuple((n + 2 * a - dd * (kk - 1) - 1) // ss + 1 for n, kk, dd, a, ss in zip(shape, k, d, lo, s, strict=True))


def _ref(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    k, d, lo, s = _geometry("ref", kernel_size, dilation, padding, stride)
    whole = x if x.ndim == 4 else x[None]
    p = np.pad(whole, ((0, 0), (0, 0), *((a, a) for a in lo)))
    o = _windows(whole.shape[2:], k, d, lo, s)
    columns = [
        p[:, :, y : y + d[0] * (k[0] - 1) + 1 : d[0], z : z + d[1] * (k[1] - 1) + 1 : d[1]].reshape(len(p), -1)
        for y in range(0, o[0] * s[0], s[0])
        for z in range(0, o[1] * s[1], s[1])
    ]
    out = np.stack(columns, 2)
    return out if x.ndim == 4 else out[0]


# ---------------------------------------------------------------- public
@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 5, 4), 2),
        call(t(1, 2, 6, 7), (3, 2), dilation=(1, 2), padding=(0, 1), stride=2),
        call(t(2, 4, 5), (2, 3), padding=1),
        call(t(1, 1, 4, 4), 3, 1, 1, 1),
    ],
    errors=lambda: [
        raises(RuntimeError, r"\(N, C, H, W\) or \(C, H, W\)", t(4, 4), 2),
        raises(RuntimeError, r"no block fits: .* gives \(0, 2\)", t(1, 1, 2, 4), 3),
        raises(RuntimeError, r"stride must be at least 1", t(1, 1, 4, 4), 2, stride=0),
        raises(RuntimeError, r"padding must be at least 0", t(1, 1, 4, 4), 2, padding=-1),
    ],
    ref=_ref,
)
def unfold(
    input: Tensor, kernel_size: IntOrPair, dilation: IntOrPair = 1, padding: IntOrPair = 0, stride: IntOrPair = 1
) -> Tensor:
    """The sliding blocks of an image as columns: (N, C, H, W) to (N, C * kh * kw, L), or (C, H, W) to (C * kh * kw, L).

    L = Lh * Lw blocks, Lh = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1; padding is 0. A convolution is the
    product of its flattened kernel with these columns. ShapeError where no block fits.

    >>> import retrograd as rg
    >>> rg.nn.functional.unfold(rg.arange(6.0).reshape(1, 1, 2, 3), 2)
    tensor([[[0., 1.],
             [1., 2.],
             [3., 4.],
             [4., 5.]]])
    """
    op = "unfold"
    x = as_tensor_arg(input, op)
    s = x._shape
    if len(s) not in (3, 4) or 0 in s[-3:]:
        raise ShapeError(f"{op}: input (N, C, H, W) or (C, H, W), only N of which may be 0, is expected, got shape {s}")
    p = _geometry(op, kernel_size, dilation, padding, stride)
    o = _windows(s[-2:], *p)
    if min(o) < 1:
        raise ShapeError(
            f"{op}: no block fits: input {s} with kernel_size {p[0]}, dilation {p[1]}, padding {p[2]}, stride {p[3]} "
            f"gives {o} blocks"
        )
    y = im2col_p(x if len(s) == 4 else reshape_p(x, (1, *s)), *p, o)
    return y if len(s) == 4 else reshape_p(y, y._shape[1:])


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 12, 12), (5, 4), 2),
        call(t(2, 6, 8), (6, 7), (3, 2), dilation=(1, 2), padding=(0, 1), stride=2),
        call(t(4, 6), output_size=(4, 6), kernel_size=2, stride=2),
        call(t(1, 9, 16), 4, 3, 1, 1, 1),
    ],
    errors=lambda: [
        raises(RuntimeError, r"5 rows of columns cannot be divided by the 4 elements", t(1, 5, 4), 3, 2),
        raises(RuntimeError, r"has 5 columns; output_size \(3, 3\) .* has 4 blocks \(2, 2\)", t(1, 4, 5), 3, 2),
        raises(RuntimeError, r"\(N, C \* kh \* kw, L\)", t(4), 3, 2),
    ],
)
def fold(
    input: Tensor, output_size: IntOrPair, kernel_size: IntOrPair, dilation: IntOrPair = 1, padding: IntOrPair = 0,
    stride: IntOrPair = 1,
) -> Tensor:  # fmt: skip
    """Columns (N, C * kh * kw, L) added up at the places of their blocks: images (N, C, *output_size).

    The adjoint of `unfold` with the same arguments: elements that several blocks share receive the sum. (C * kh * kw,
    L) gives (C, *output_size). ShapeError where the columns do not fit the geometry.

    >>> import retrograd as rg
    >>> rg.nn.functional.fold(rg.ones(1, 4, 2), (2, 3), 2)
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    op = "fold"
    x = as_tensor_arg(input, op)
    s = x._shape
    if len(s) not in (2, 3) or 0 in s[-2:]:
        raise ShapeError(
            f"{op}: input (N, C * kh * kw, L) or (C * kh * kw, L), only N of which may be 0, is expected, got shape {s}"
        )
    p = _geometry(op, kernel_size, dilation, padding, stride)
    try:
        size = sizes(output_size, 2, op, "output_size")
    except ValueError as e:
        raise ShapeError(str(e)) from None
    k = p[0]
    if s[-2] % prod(k):
        raise ShapeError(
            f"{op}: {s[-2]} rows of columns cannot be divided by the {prod(k)} elements of kernel_size {k} (input {s})"
        )
    o = _windows(size, *p)
    if min(o) < 1 or prod(o) != s[-1]:
        raise ShapeError(
            f"{op}: input {s} has {s[-1]} columns; output_size {size} with kernel_size {k}, dilation {p[1]}, padding "
            f"{p[2]}, stride {p[3]} has {max(0, prod(o))} blocks {o}"
        )
    y = col2im_p(x if len(s) == 3 else reshape_p(x, (1, *s)), size, *p, o)
    return y if len(s) == 3 else reshape_p(y, y._shape[1:])
