"""Convolutions and transposed convolutions of one, two and three dimensions: arguments, checks and documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import as_tensor_arg
from ..errors import ShapeError
from ..explain import channels_hint
from ..op import public
from ..samples import call, raises, t
from .args import as_int, check_same_dtype
from .conv_core import conv_gx_p, conv_p
from .shape import reshape_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

    IntOrTuple = int | Sequence[int]

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]

Ints = tuple[int, ...]
_SPACE = {1: "L", 2: "H, W", 3: "D, H, W"}


# ---------------------------------------------------------------- arguments
def sizes(value: Any, nd: int, op: str, name: str, least: int = 1) -> Ints:
    """An int or a sequence of `nd` ints (or of one) as a tuple of `nd`, each at least `least`."""
    if isinstance(value, (tuple, list)):
        found = tuple(as_int(v, op, name) for v in value)
        if len(found) == 1:
            found *= nd
        if len(found) != nd:
            raise ShapeError(f"{op}: {name} {tuple(value)} has {len(found)} entries; an int or {nd} ints are expected")
    else:
        found = (as_int(value, op, name),) * nd
    if any(v < least for v in found):
        raise ValueError(f"{op}: {name} must be at least {least}, got {value}")
    return found


def batched(x: Tensor, nd: int, op: str, channels: int | None = None) -> tuple[Tensor, bool]:
    """x as (N, C, *S), and whether the N was there. channels: how many there must be, where that is known."""
    n = len(x._shape)
    if n == nd + 2:
        return x, True
    if n == nd + 1:
        return reshape_p(x, (1, *x._shape)), False
    space = _SPACE[nd]
    hint = ""
    if n == nd and channels in (None, 1):
        hint = "; add the channel dimension with unsqueeze(0) (one sample) or unsqueeze(1) (a batch)"
    elif n == nd + 3 and channels in (None, x._shape[2]):
        hint = "; if the first two dimensions are both batches, join them with flatten(0, 1)"
    raise ShapeError(f"{op}: input (N, C, {space}) or (C, {space}) is expected, got shape {x._shape}{hint}")


def _operands(op: str, input: Any, weight: Any, bias: Any) -> tuple[Tensor, Tensor, Tensor | None]:
    x, w = as_tensor_arg(input, op), as_tensor_arg(weight, op)
    b = None if bias is None else as_tensor_arg(bias, op)
    if x._dtype is not w._dtype or (b is not None and b._dtype is not w._dtype):
        check_same_dtype((x, w, b), op, ("input", "weight", "bias"))
    return x, w, b


def _check_bias(op: str, b: Tensor | None, channels: int) -> None:
    if b is not None and b._shape != (channels,):
        raise ShapeError(f"{op}: bias has shape {b._shape}; ({channels},) is expected, one for each output channel")


def _check_groups(op: str, groups: Any, channels: int, what: str) -> int:
    groups = as_int(groups, op, "groups")
    if groups < 1:
        raise ValueError(f"{op}: groups must be at least 1, got {groups}")
    if channels % groups:
        raise ShapeError(f"{op}: {channels} {what} channels cannot be divided into {groups} groups")
    return groups


# ---------------------------------------------------------------- convolution
def _conv(nd: int, input: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any) -> Tensor:
    op = f"conv{nd}d"
    x, w, b = _operands(op, input, weight, bias)
    if len(w._shape) != nd + 2:
        raise ShapeError(f"{op}: weight (out, in / groups, kernel sizes) has {nd + 2} dimensions, got {w._shape}")
    given, sw = x._shape, w._shape
    groups = _check_groups(op, groups, sw[0], "output")
    x, has_batch = batched(x, nd, op, sw[1] * groups)
    sx = x._shape
    if sx[1] != sw[1] * groups:
        raise ShapeError(
            f"{op}: input {given} has {sx[1]} channels but weight {sw} with groups={groups} expects {sw[1] * groups}"
            f"{channels_hint(given, sw[1] * groups, nd)}"
        )
    _check_bias(op, b, sw[0])
    k = sw[2:]
    s, d = sizes(stride, nd, op, "stride"), sizes(dilation, nd, op, "dilation")
    lo, both = _padding(op, padding, nd, k, s, d)
    o = tuple((n + p - dd * (kk - 1) - 1) // ss + 1 for n, p, kk, ss, dd in zip(sx[2:], both, k, s, d, strict=True))
    if any(v < 1 for v in o) or 0 in k:
        raise ShapeError(_too_small(op, sx[2:], both, k, s, d, o))
    y = conv_p((x, w, b), lo, o, s, d, groups)
    return y if has_batch else reshape_p(y, y._shape[1:])


def _padding(op: str, padding: Any, nd: int, k: Ints, s: Ints, d: Ints) -> tuple[Ints, Ints]:
    """(padding before, padding on both sides together) of each dimension."""
    if isinstance(padding, str):
        if padding == "valid":
            return (0,) * nd, (0,) * nd
        if padding != "same":
            raise ValueError(f"{op}: padding must be an int, {nd} ints, 'valid' or 'same', got {padding!r}")
        if any(v != 1 for v in s):
            raise ValueError(f"{op}: padding='same' needs stride 1, got stride {s}; give the padding as numbers")
        both = tuple(dd * (kk - 1) for kk, dd in zip(k, d, strict=True))
        return tuple(v // 2 for v in both), both
    p = sizes(padding, nd, op, "padding", 0)
    return p, tuple(2 * v for v in p)


def _too_small(op: str, x: Ints, both: Ints, k: Ints, s: Ints, d: Ints, o: Ints) -> str:
    """The arithmetic of the first dimension that has no output."""
    i = next((i for i, v in enumerate(o) if v < 1 or k[i] == 0), 0)
    if k[i] == 0:
        return f"{op}: the kernel has size 0 in spatial dimension {i}"
    reach = d[i] * (k[i] - 1) + 1
    return (
        f"{op}: the kernel is larger than the padded input in spatial dimension {i}: input {x[i]} + padding {both[i]} "
        f"= {x[i] + both[i]}, but the kernel covers dilation {d[i]} * (kernel {k[i]} - 1) + 1 = {reach}; "
        f"pad by at least {max(1, (reach - x[i] + 1) // 2)} on each side, or use a smaller kernel"
    )


def _ref(
    x: Any, w: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: Any = 1
) -> Any:
    """The definition, by loops over the kernel and einsum over channels."""
    import itertools

    import numpy as np

    nd = w.ndim - 2
    if x.ndim == nd + 1:
        return _ref(x[None], w, bias, stride, padding, dilation, groups)[0]
    s, d = (sizes(v, nd, "ref", "size") for v in (stride, dilation))
    lo, both = _padding("ref", padding, nd, w.shape[2:], s, d)
    x = np.pad(x, [(0, 0), (0, 0), *((a, p - a) for a, p in zip(lo, both, strict=True))])
    o = [(n - dd * (k - 1) - 1) // ss + 1 for n, k, ss, dd in zip(x.shape[2:], w.shape[2:], s, d, strict=True)]
    y = np.zeros((x.shape[0], groups, w.shape[0] // groups, *o), np.result_type(x, w))
    xg = x.reshape(x.shape[0], groups, w.shape[1], *x.shape[2:])
    wg = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    for tap in itertools.product(*(range(k) for k in w.shape[2:])):
        cut = tuple(slice(a * dd, a * dd + ss * (n - 1) + 1, ss) for a, dd, ss, n in zip(tap, d, s, o, strict=True))
        y += np.einsum("ngc...,goc->ngo...", xg[(..., *cut)], wg[(..., *tap)])
    y = y.reshape(x.shape[0], w.shape[0], *o)
    return y if bias is None else y + bias.reshape(-1, *(1 for _ in o))


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 7), t(4, 3, 3), t(4)),
        call(t(2, 4, 8), t(6, 2, 3), None, 2, 1, 1, 2),
        call(t(3, 9), t(4, 3, 3), t(4), padding="same", dilation=2),
        call(t(2, 3, 7), t(4, 3, 1), stride=3),
        call(t(0, 3, 7), t(4, 3, 3), t(4)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"conv1d: input \(N, C, L\) or \(C, L\) is expected, got shape \(7,\)", t(7), t(4, 3, 3)),
        raises(RuntimeError, r"has 2 channels but weight .* expects 3", t(2, 2, 7), t(4, 3, 3)),
        raises(RuntimeError, r"the kernel is larger than the padded input", t(2, 3, 2), t(4, 3, 3)),
    ],
    ref=_ref,
)
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrTuple = 1,
    padding: IntOrTuple | str = 0,
    dilation: IntOrTuple = 1,
    groups: int = 1,
) -> Tensor:
    """One-dimensional convolution (cross-correlation): (N, C, L) or (C, L), weight (O, C / groups, K), bias (O,).

    Output (N, O, L') with L' = (L + 2 * padding - dilation * (K - 1) - 1) // stride + 1. padding may be "valid" (none)
    or "same" (L' = L, stride 1). `ShapeError` shows the arithmetic of sizes that do not fit.

    >>> import retrograd as rg
    >>> rg.nn.functional.conv1d(rg.tensor([[1.0, 2.0, 4.0]]), rg.tensor([[[-1.0, 1.0]]]))
    tensor([[1., 2.]])
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 6, 7), t(4, 3, 3, 2), t(4)),
        call(t(2, 3, 6, 7), t(4, 3, 3, 3), t(4), 2, 1),
        call(t(2, 4, 6, 5), t(6, 2, 3, 3), t(6), (1, 2), (1, 0), (2, 1), 2),
        call(t(2, 4, 5, 5), t(4, 1, 3, 3), padding=1, groups=4),
        call(t(3, 6, 7), t(4, 3, 3, 2), t(4), padding="same"),
        call(t(2, 3, 5, 5), t(4, 3, 1, 1), t(4)),
        call(t(2, 3, 5, 5), t(4, 3, 1, 1), stride=2),
        call(t(2, 3, 4, 4), t(4, 3, 3, 3), padding="valid"),
        call(t(0, 3, 5, 5), t(4, 3, 3, 3), t(4)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"input \(N, C, H, W\) or \(C, H, W\) is expected", t(5, 5), t(4, 3, 3, 3)),
        raises(RuntimeError, r"channels-last, use x.permute\(0, 3, 1, 2\)", t(2, 8, 8, 3), t(4, 3, 3, 3)),
        raises(RuntimeError, r"input 2 \+ padding 0 = 2, but the kernel covers", t(2, 3, 2, 5), t(4, 3, 3, 3)),
        raises(RuntimeError, r"5 output channels cannot be divided into 2", t(2, 4, 5, 5), t(5, 2, 3, 3), groups=2),
        raises(RuntimeError, r"bias has shape \(3,\); \(4,\) is expected", t(2, 3, 5, 5), t(4, 3, 3, 3), t(3)),
        raises(ValueError, r"stride must be at least 1", t(2, 3, 5, 5), t(4, 3, 3, 3), stride=0),
        raises(ValueError, r"padding='same' needs stride 1", t(2, 3, 5, 5), t(4, 3, 3, 3), stride=2, padding="same"),
        raises(ValueError, r"'valid' or 'same'", t(2, 3, 5, 5), t(4, 3, 3, 3), padding="full"),
    ],
    ref=_ref,
)
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrTuple = 1,
    padding: IntOrTuple | str = 0,
    dilation: IntOrTuple = 1,
    groups: int = 1,
) -> Tensor:
    """Two-dimensional convolution (cross-correlation): (N, C, H, W) or (C, H, W), weight (O, C / groups, KH, KW).

    Output (N, O, H', W') with H' = (H + 2 * padding - dilation * (KH - 1) - 1) // stride + 1, and W' alike. stride,
    padding and dilation are ints or pairs; padding may be "valid" (none) or "same" (H' = H, stride 1). groups = C makes
    a depthwise convolution. `ShapeError` shows the arithmetic of sizes that do not fit.

    >>> import retrograd as rg
    >>> rg.nn.functional.conv2d(rg.ones(1, 1, 3, 3), rg.ones(1, 1, 2, 2))
    tensor([[[[4., 4.],
              [4., 4.]]]])
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 2, 3, 4, 3), t(3, 2, 2, 2, 2), t(3)),
        call(t(2, 2, 4, 4, 3), t(4, 1, 2, 3, 1), None, (2, 1, 1), (1, 1, 0), 1, 2),
    ],
    errors=lambda: [raises(RuntimeError, r"weight .* has 5 dimensions", t(2, 2, 3, 3, 3), t(3, 2, 2, 2))],
    ref=_ref,
)
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrTuple = 1,
    padding: IntOrTuple | str = 0,
    dilation: IntOrTuple = 1,
    groups: int = 1,
) -> Tensor:
    """Three-dimensional convolution: (N, C, D, H, W) or (C, D, H, W), weight (O, C / groups, KD, KH, KW).

    Sizes and arguments as in `conv2d`, with triples.

    >>> import retrograd as rg
    >>> rg.nn.functional.conv3d(rg.ones(1, 1, 2, 2, 2), rg.ones(1, 1, 2, 2, 2)).item()
    8.0
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


# ---------------------------------------------------------------- transposed convolution
def _conv_transpose(
    nd: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
) -> Tensor:
    op = f"conv_transpose{nd}d"
    x, w, b = _operands(op, input, weight, bias)
    if len(w._shape) != nd + 2:
        raise ShapeError(f"{op}: weight (in, out / groups, kernel sizes) has {nd + 2} dimensions, got {w._shape}")
    given, sw = x._shape, w._shape
    groups = _check_groups(op, groups, sw[0], "input")
    x, has_batch = batched(x, nd, op, sw[0])
    sx = x._shape
    if sx[1] != sw[0]:
        raise ShapeError(
            f"{op}: input {given} has {sx[1]} channels but weight {sw}, which is (in, out / groups, ...), expects {sw[0]}"
            f"{channels_hint(given, sw[0], nd)}"
        )
    _check_bias(op, b, sw[1] * groups)
    k = sw[2:]
    s, d = sizes(stride, nd, op, "stride"), sizes(dilation, nd, op, "dilation")
    lo, extra = sizes(padding, nd, op, "padding", 0), sizes(output_padding, nd, op, "output_padding", 0)
    for e, ss, dd in zip(extra, s, d, strict=True):
        if e >= max(ss, dd):
            raise ShapeError(
                f"{op}: output_padding {e} must be smaller than stride {ss} or dilation {dd}; it only chooses among "
                f"the input sizes that a convolution maps to the same output"
            )
    o = tuple(
        (n - 1) * ss - 2 * p + dd * (kk - 1) + e + 1
        for n, ss, p, dd, kk, e in zip(sx[2:], s, lo, d, k, extra, strict=True)
    )
    if any(v < 1 for v in o):
        raise ShapeError(
            f"{op}: the output would have sizes {o} = (input - 1) * stride - 2 * padding + dilation * (kernel - 1) + "
            f"output_padding + 1 (input {sx[2:]}, stride {s}, padding {lo}, kernel {k})"
        )
    y = conv_gx_p((x, w), lo, o, s, d, groups)
    if b is not None:
        y = y + reshape_p(b, (b._shape[0], *(1,) * nd))
    return y if has_batch else reshape_p(y, y._shape[1:])


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 5), t(3, 4, 3), t(4)),
        call(t(2, 4, 5), t(4, 3, 3), t(6), 2, 1, 1, 2),
        call(t(3, 5), t(3, 4, 2), stride=1, dilation=2, output_padding=1),
    ],
    errors=lambda: [
        raises(RuntimeError, r"output_padding 2 must be smaller", t(2, 3, 5), t(3, 4, 3), stride=2, output_padding=2),
        raises(RuntimeError, r"has 2 channels but weight", t(2, 2, 5), t(3, 4, 3)),
    ],
)
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrTuple = 1,
    padding: IntOrTuple = 0,
    output_padding: IntOrTuple = 0,
    groups: int = 1,
    dilation: IntOrTuple = 1,
) -> Tensor:
    """One-dimensional transposed convolution: (N, C, L) or (C, L), weight (C, O / groups, K) -> (N, O, L').

    L' = (L - 1) * stride - 2 * padding + dilation * (K - 1) + output_padding + 1. It is the gradient of `conv1d` with
    respect to its input.

    >>> import retrograd as rg
    >>> rg.nn.functional.conv_transpose1d(rg.tensor([[1.0, 2.0]]), rg.ones(1, 1, 2), stride=2)
    tensor([[1., 1., 2., 2.]])
    """
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 4, 5), t(3, 4, 3, 2), t(4)),
        call(t(2, 4, 4, 3), t(4, 3, 3, 3), t(6), (2, 1), 1, (1, 0), 2, 1),
        call(t(3, 4, 4), t(3, 2, 2, 2), None, 2),
        call(t(2, 3, 4, 4), t(3, 2, 3, 3), padding=2),
    ],
    errors=lambda: [
        raises(RuntimeError, r"the output would have sizes", t(2, 3, 1, 1), t(3, 4, 1, 1), padding=1),
        raises(RuntimeError, r"bias has shape \(3,\); \(4,\) is expected", t(2, 3, 5, 5), t(3, 4, 3, 3), t(3)),
    ],
)
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrTuple = 1,
    padding: IntOrTuple = 0,
    output_padding: IntOrTuple = 0,
    groups: int = 1,
    dilation: IntOrTuple = 1,
) -> Tensor:
    """Two-dimensional transposed convolution: (N, C, H, W) or (C, H, W), weight (C, O / groups, KH, KW).

    Sizes as in `conv_transpose1d`. It is the gradient of `conv2d` with respect to its input.

    >>> import retrograd as rg
    >>> rg.nn.functional.conv_transpose2d(rg.ones(1, 1, 2, 2), rg.ones(1, 1, 2, 2), stride=2).shape
    retrograd.Size([1, 1, 4, 4])
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(1, 2, 3, 2, 3), t(2, 3, 2, 2, 2), t(3), 2, 1, 1)],
    errors=lambda: [raises(RuntimeError, r"weight .* has 5 dimensions", t(2, 2, 3, 3, 3), t(3, 2, 2, 2))],
)
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrTuple = 1,
    padding: IntOrTuple = 0,
    output_padding: IntOrTuple = 0,
    groups: int = 1,
    dilation: IntOrTuple = 1,
) -> Tensor:
    """Three-dimensional transposed convolution: (N, C, D, H, W) or (C, D, H, W), weight (C, O / groups, KD, KH, KW).

    >>> import retrograd as rg
    >>> rg.nn.functional.conv_transpose3d(rg.ones(1, 1, 1, 1, 1), rg.ones(1, 1, 2, 2, 2)).shape
    retrograd.Size([1, 1, 2, 2, 2])
    """
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
