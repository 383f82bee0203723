"""Convolutions with fewer weights: depthwise, depthwise-separable, and factorised into a row and a column."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Tensor
from ...autograd.errors import ShapeError
from ..modules.conv import Conv1d, Conv2d
from ..modules.module import Module
from ..modules.utils import pair, single

__all__ = [
    "DepthwiseConv1d", "DepthwiseConv2d", "DepthwiseSeparableConv1d", "DepthwiseSeparableConv2d", "FactorizedConv2d",
]  # fmt: skip


class DepthwiseConv1d(Conv1d):
    """A convolution of each channel by itself: a `Conv1d` with as many groups as channels.

    Each channel gives depth_multiplier outputs, with kernel_size * depth_multiplier weights. See `DepthwiseConv2d`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.DepthwiseConv1d(4, 3, padding=1)(rg.zeros(2, 4, 10)).shape)
    (2, 4, 10)
    """

    def __init__(
        self,
        in_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        depth_multiplier: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, in_channels * depth_multiplier, kernel_size, stride, padding, dilation, in_channels, bias,
            padding_mode, device, dtype,
        )  # fmt: skip


class DepthwiseConv2d(Conv2d):
    """A convolution of each channel by itself: a `Conv2d` with as many groups as channels.

    `y[n, c*m + j] = x[n, c] * weight[c*m + j]` for j < m, the depth_multiplier: kh * kw * m weights a channel.
    Shapes: input `(N, C, H, W)` or `(C, H, W)`, output `(N, C*m, H_out, W_out)`, weight `(C*m, 1, kh, kw)`.

    Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications", 2017.

    >>> import retrograd as rg
    >>> layer = rg.nn.DepthwiseConv2d(4, 3, depth_multiplier=2)
    >>> tuple(layer(rg.zeros(1, 4, 5, 5)).shape), tuple(layer.weight.shape)
    ((1, 8, 3, 3), (8, 1, 3, 3))
    """

    def __init__(
        self,
        in_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        depth_multiplier: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, in_channels * depth_multiplier, kernel_size, stride, padding, dilation, in_channels, bias,
            padding_mode, device, dtype,
        )  # fmt: skip


class DepthwiseSeparableConv1d(Module):
    """A depthwise convolution over one dimension, then a 1-wide one over the channels; see `DepthwiseSeparableConv2d`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.DepthwiseSeparableConv1d(4, 6, 3)(rg.zeros(2, 4, 10)).shape)
    (2, 6, 8)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        depth_multiplier: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv1d(
            in_channels, single(kernel_size), stride, padding, dilation, depth_multiplier, bias, padding_mode, device,
            dtype,
        )  # fmt: skip
        self.pointwise = Conv1d(in_channels * depth_multiplier, out_channels, 1, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(input))


class DepthwiseSeparableConv2d(Module):
    """A convolution in two steps: each channel by itself in space, then a 1x1 convolution over the channels.

    `y = pointwise(depthwise(x))`: `kh*kw*C_in*m + C_in*m*C_out` weights for a depth_multiplier m, in place of
    `kh*kw*C_in*C_out`. Arguments otherwise as in `Conv2d`; bias is for both steps, nothing stands between them.
    Shapes: input `(N, C_in, H, W)` or `(C_in, H, W)`, output `(N, C_out, H_out, W_out)`.

    Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017.

    >>> import retrograd as rg
    >>> layer = rg.nn.DepthwiseSeparableConv2d(16, 32, 3, padding=1, bias=False)
    >>> sum(p.numel() for p in layer.parameters()) == 3 * 3 * 16 + 16 * 32
    True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        depth_multiplier: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv2d(
            in_channels,
            pair(kernel_size),
            stride,
            padding,
            dilation,
            depth_multiplier,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.pointwise = Conv2d(in_channels * depth_multiplier, out_channels, 1, bias=bias, device=device, dtype=dtype)

    def forward(self, input: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(input))


class FactorizedConv2d(Module):
    """A kh x kw convolution factorised into a row and a column: 1 x kw to mid_channels, then kh x 1.

    mid_channels: by default `sqrt(C_in * C_out)` rounded, so that the channels grow by the same factor in both steps:
    `kw*C_in*mid + kh*mid*C_out` weights in place of `kh*kw*C_in*C_out`. stride, padding and dilation (numbers, or a pair
    for height and width) go to the step of their dimension; padding may be 'same' or 'valid'.
    Shapes: input `(N, C_in, H, W)` or `(C_in, H, W)`, output `(N, C_out, H_out, W_out)` with sizes as in `Conv2d`.

    Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016.

    >>> import retrograd as rg
    >>> layer = rg.nn.FactorizedConv2d(8, 32, 3, padding=1, bias=False)
    >>> layer.mid_channels, sum(p.numel() for p in layer.parameters()) == 3 * 8 * 16 + 3 * 16 * 32
    (16, True)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        mid_channels: int | None = None,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = {"kernel_size": pair(kernel_size), "stride": pair(stride), "dilation": pair(dilation)}
        pads: Any = (padding, padding) if isinstance(padding, str) else pair(padding)
        for what, size in {**sizes, "padding": pads}.items():
            if len(size) != 2:
                raise ShapeError(f"FactorizedConv2d: {what} must be a number or a pair, got {size}")
        if mid_channels is None:
            mid_channels = max(1, round(math.sqrt(in_channels * out_channels)))
        self.mid_channels = mid_channels
        (kh, kw), (sh, sw), (dh, dw) = sizes.values()
        ph, pw = pads

        def one(p: Any, place: int) -> Any:
            return p if isinstance(p, str) else (p, 0) if place == 0 else (0, p)

        rest: dict[str, Any] = {"bias": bias, "padding_mode": padding_mode, "device": device, "dtype": dtype}
        self.row = Conv2d(in_channels, mid_channels, (1, kw), (1, sw), one(pw, 1), (1, dw), **rest)
        self.column = Conv2d(mid_channels, out_channels, (kh, 1), (sh, 1), one(ph, 0), (dh, 1), **rest)

    def forward(self, input: Tensor) -> Tensor:
        return self.column(self.row(input))
