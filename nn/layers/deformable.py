"""Deformable convolution: a kernel whose elements look where offsets send them, with bilinear interpolation."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.dtypes import bfloat16, float16, int64
from ...autograd.errors import DtypeError, ShapeError
from ...autograd.ops.create import empty
from ...autograd.ops.join import stack
from ...autograd.ops.ranges import arange
from ...autograd.ops.where import where
from .. import init
from ..modules.module import Module
from ..modules.utils import pair

__all__ = ["DeformConv2d", "deform_conv2d"]


def _ends(at: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """(pixel, weight) of the two neighbours of a coordinate along a side: 0 weight, and pixel 0, outside of the image.

    The lower one is floor(at), so that a derivative at a pixel is the one to the right.
    """
    low = at.detach().floor()
    found = []
    for pixel, weight in ((low, 1 - (at - low)), (low + 1, at - low)):
        inside = (pixel >= 0) & (pixel <= size - 1)
        outside = (pixel < 0) | (pixel > size - 1)  # not the contrary of `inside`: a NaN stays one
        found.append((where(inside, pixel, 0.0).to(int64), where(outside, 0.0, weight)))
    return found


def _interpolation(y: Tensor, x: Tensor, mask: Tensor | None, groups: int, height: int, width: int) -> Tensor:
    """The sparse matrix that takes pixels to samples: a row has the (four) weights of one sample.

    y, x, mask: (M, S), S samples from each of M images. Rows (M*S), columns (M*height*width).
    """
    from ...autograd.sparse import sparse_csr_tensor

    first = arange(groups, device=y.device).unsqueeze(1) * (height * width)  # (M, 1)
    columns, weights = [], []
    for row, weight_y in _ends(y, height):
        for column, weight_x in _ends(x, width):
            weight = weight_y * weight_x
            columns.append(first + row * width + column)
            weights.append(weight if mask is None else weight * mask)
    starts = arange(y.numel() + 1, device=y.device) * 4
    shape = (y.numel(), groups * height * width)
    return sparse_csr_tensor(
        starts, stack(columns, -1).flatten(), stack(weights, -1).flatten(), shape, check_invariants=False
    )


def _checked(
    input: Tensor, offset: Tensor, weight: Tensor, mask: Tensor | None, stride: Any, padding: Any, dilation: Any
) -> tuple[int, tuple[int, int]]:
    """(offset groups, output size), after every shape and dtype has been compared with the others."""
    name = "deform_conv2d"
    if input.ndim != 4 or weight.ndim != 4:
        raise ShapeError(
            f"{name}: expected an input (N, C_in, H, W) or (C_in, H, W) and a weight (C_out, C_in/groups, kh, kw), got "
            f"{tuple(input.shape)} and {tuple(weight.shape)}"
        )
    for what, t in (("offset", offset), ("weight", weight), ("mask", mask)):
        if t is not None and t.dtype != input.dtype:
            raise DtypeError(f"{name}: the input is {input.dtype} but {what} is {t.dtype}; convert one with .to()")
    (n, c, h, w), (out, per_group, kh, kw) = input.shape, weight.shape
    if per_group == 0 or c % per_group or out % (c // per_group or 1):
        raise ShapeError(
            f"{name}: {c} input channels and a weight {tuple(weight.shape)} do not fit: weight.shape[1] must divide the "
            "input channels, and the number of groups that makes the output channels"
        )
    size = tuple(
        (length + 2 * p - d * (k - 1) - 1) // s + 1
        for length, p, d, k, s in zip((h, w), padding, dilation, (kh, kw), stride, strict=True)
    )
    if min(size) < 1:
        raise ShapeError(
            f"{name}: the kernel {(kh, kw)} with dilation {dilation} is larger than the padded input {(h, w)}"
        )
    groups = offset.shape[1] // (2 * kh * kw) if offset.ndim == 4 else 0
    if groups == 0 or c % groups or tuple(offset.shape) != (n, 2 * groups * kh * kw, *size):
        raise ShapeError(
            f"{name}: offset must have shape {(n, 2 * kh * kw, *size)}, or a multiple of {2 * kh * kw} channels whose "
            f"factor divides the {c} input channels; got {tuple(offset.shape)}"
        )
    if mask is not None and tuple(mask.shape) != (n, groups * kh * kw, *size):
        raise ShapeError(f"{name}: mask must have shape {(n, groups * kh * kw, *size)}, got {tuple(mask.shape)}")
    return groups, size  # type: ignore[return-value]  # a pair


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = (1, 1),
    padding: int | tuple[int, int] = (0, 0),
    dilation: int | tuple[int, int] = (1, 1),
    mask: Tensor | None = None,
) -> Tensor:
    """Deformable convolution, version 1, or with a mask version 2.

    `y(p) = bias + sum over k of weight(k) * x(p*stride - padding + k*dilation + offset(k, p)) * mask(k, p)`, x between
    pixels by bilinear interpolation and 0 outside of the image. Gradients flow to all operands, to any order.

    Shapes: input `(N, C_in, H, W)`; weight `(C_out, C_in // groups, kh, kw)`, whose second size gives the groups;
    offset `(N, 2 * offset_groups * kh * kw, H_out, W_out)`, for each group of input channels and each kernel element its
    shift down, then right; mask `(N, offset_groups * kh * kw, H_out, W_out)`; output `(N, C_out, H_out, W_out)`. The
    operands of one image may be without N.

    Raises ShapeError (also a RuntimeError) where shapes do not fit, DtypeError for different dtypes.

    Dai et al., "Deformable Convolutional Networks", ICCV 2017; Zhu et al., "Deformable ConvNets v2: More Deformable,
    Better Results", CVPR 2019.

    >>> import retrograd as rg
    >>> x, w = rg.arange(16.0).reshape(1, 1, 4, 4), rg.ones(1, 1, 1, 1)
    >>> offset = rg.zeros(1, 2, 4, 4)
    >>> offset[:, 1] = 0.5  # half a pixel to the right
    >>> rg.nn.deform_conv2d(x, offset, w)[0, 0, 0]
    tensor([0.5000, 1.5000, 2.5000, 1.5000])
    """
    if input.ndim == 3:
        one = None if mask is None else mask.unsqueeze(0)
        args = (weight, bias, stride, padding, dilation, one)
        return deform_conv2d(input.unsqueeze(0), offset.unsqueeze(0), *args).squeeze(0)
    (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    groups, (out_h, out_w) = _checked(input, offset, weight, mask, (sh, sw), (ph, pw), (dh, dw))
    if input.dtype in (float16, bfloat16):  # coordinates need more than the 8 or 11 bits of these
        wide = [None if t is None else t.float() for t in (input, offset, weight, bias)]
        y = deform_conv2d(*wide, stride, padding, dilation, None if mask is None else mask.float())  # type: ignore[arg-type]
        return y.to(input.dtype)
    from ...autograd.sparse import mm

    (n, c, h, w), (out, per_group, kh, kw) = input.shape, weight.shape
    made = {"dtype": input.dtype, "device": input.device}
    rows = arange(out_h, **made) * sh - ph + arange(kh, **made).unsqueeze(1) * dh  # (kh, H_out)
    columns = arange(out_w, **made) * sw - pw + arange(kw, **made).unsqueeze(1) * dw  # (kw, W_out)
    shifts = offset.reshape(n * groups, kh, kw, 2, out_h, out_w)
    y = shifts[:, :, :, 0] + rows[:, None, :, None]  # (N*G, kh, kw, H_out, W_out)
    x = shifts[:, :, :, 1] + columns[:, None, :]
    flat = None if mask is None else mask.reshape(n * groups, -1)
    matrix = _interpolation(y.flatten(1), x.flatten(1), flat, n * groups, h, w)
    pixels = input.reshape(n * groups, c // groups, h * w).transpose(1, 2).reshape(n * groups * h * w, c // groups)
    samples = mm(matrix, pixels)  # (N*G*K*P, C/G)
    k, p, parts = kh * kw, out_h * out_w, c // per_group
    cols = samples.reshape(n, groups, k, p, c // groups).permute(0, 1, 4, 2, 3).reshape(n, parts, per_group * k, p)
    result = (weight.reshape(parts, out // parts, per_group * k) @ cols).reshape(n, out, out_h, out_w)
    return result if bias is None else result + bias.reshape(-1, 1, 1)


class DeformConv2d(Module):
    """A deformable convolution; offsets, and for version 2 a mask, are computed outside and given to `forward`.

    The formula, shapes and papers stand in `deform_conv2d`. Usually a small convolution of the same input, whose weights
    start at 0, gives the offsets: then training starts from an ordinary convolution (with a mask from its sigmoid, of
    half the values).

    >>> import retrograd as rg
    >>> x = rg.zeros(2, 3, 8, 8)
    >>> offsets = rg.nn.Conv2d(3, 2 * 3 * 3, 3, padding=1)
    >>> masks = rg.nn.Conv2d(3, 3 * 3, 3, padding=1)
    >>> layer = rg.nn.DeformConv2d(3, 4, 3, padding=1)
    >>> tuple(layer(x, offsets(x), masks(x).sigmoid()).shape)
    (2, 4, 8, 8)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        for what, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if groups < 1 or channels % groups:
                raise ValueError(f"DeformConv2d: {what} must be divisible by groups, got {channels} and {groups}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = pair(kernel_size), pair(stride)
        self.padding, self.dilation = pair(padding), pair(dilation)
        made = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty((out_channels, in_channels // groups, *self.kernel_size), **made))
        self.register_parameter("bias", Parameter(empty(out_channels, **made)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, as those of `Conv2d`."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        init.fan_in_uniform_(self.bias, self.weight)

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        return deform_conv2d(input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask)

    def extra_repr(self) -> str:
        s = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0, 0):
            s += f", padding={self.padding}"
        if self.dilation != (1, 1):
            s += f", dilation={self.dilation}"
        if self.groups != 1:
            s += f", groups={self.groups}"
        return s if self.bias is not None else s + ", bias=False"
