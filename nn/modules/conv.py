"""Convolution layers of one, two and three dimensions, their transposes, and the lazy form of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from .. import functional as F
from .conv_base import _ConvNd, _ConvTransposeNd, _LazyConvNd, _LazyConvTransposeNd
from .utils import pair, single, triple

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "LazyConv1d", "LazyConv2d",
    "LazyConv3d", "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d",
]  # fmt: skip


class Conv1d(_ConvNd):
    """Cross-correlation over one dimension, such as time.

    Shapes: input `(N, C_in, L)` or `(C_in, L)`, output `(N, C_out, L_out)` with
    `L_out = (L + 2*padding - dilation*(kernel_size - 1) - 1) // stride + 1`,
    weight `(C_out, C_in // groups, kernel_size)`, bias `(C_out,)`.
    padding: a number, 'valid' (none) or 'same' (output as long as input, stride 1).
    padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.

    >>> import retrograd as rg
    >>> tuple(rg.nn.Conv1d(16, 33, 3, stride=2)(rg.zeros(20, 16, 50)).shape)
    (20, 33, 24)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, single(kernel_size), single(stride),
            padding if isinstance(padding, str) else single(padding), single(dilation),
            False, single(0), groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        input, padding = self._padded(input)
        return F.conv1d(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv2d(_ConvNd):
    """Cross-correlation over two dimensions, such as the height and width of images.

    Shapes: input `(N, C_in, H, W)` or `(C_in, H, W)`, output `(N, C_out, H_out, W_out)` with
    `H_out = (H + 2*padding[0] - dilation[0]*(kernel_size[0] - 1) - 1) // stride[0] + 1`, W_out likewise,
    weight `(C_out, C_in // groups, kernel_size[0], kernel_size[1])`, bias `(C_out,)`.
    padding: numbers, 'valid' (none) or 'same' (output as large as input, stride 1).
    padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.

    >>> import retrograd as rg
    >>> layer = rg.nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))
    >>> tuple(layer(rg.zeros(2, 16, 50, 100)).shape)
    (2, 33, 28, 100)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, pair(kernel_size), pair(stride),
            padding if isinstance(padding, str) else pair(padding), pair(dilation),
            False, pair(0), groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        input, padding = self._padded(input)
        return F.conv2d(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv3d(_ConvNd):
    """Cross-correlation over three dimensions, such as volumes or video; see `Conv2d`.

    Shapes: input `(N, C_in, D, H, W)` or `(C_in, D, H, W)`, output `(N, C_out, D_out, H_out, W_out)`,
    weight `(C_out, C_in // groups, *kernel_size)`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.Conv3d(2, 3, 3, padding=1)(rg.zeros(1, 2, 4, 5, 6)).shape)
    (1, 3, 4, 5, 6)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int],
        stride: int | tuple[int, int, int] = 1,
        padding: str | int | tuple[int, int, int] = 0,
        dilation: int | tuple[int, int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, triple(kernel_size), triple(stride),
            padding if isinstance(padding, str) else triple(padding), triple(dilation),
            False, triple(0), groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        input, padding = self._padded(input)
        return F.conv3d(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of `Conv1d`: what its gradient does, used to enlarge.

    Shapes: input `(N, C_in, L)` or `(C_in, L)`, output `(N, C_out, L_out)` with
    `L_out = (L - 1)*stride - 2*padding + dilation*(kernel_size - 1) + output_padding + 1`,
    weight `(C_in, C_out // groups, kernel_size)`. `forward` takes an output_size, of which stride leaves a choice.

    >>> import retrograd as rg
    >>> tuple(rg.nn.ConvTranspose1d(3, 2, 3, stride=2)(rg.zeros(1, 3, 4), output_size=[10]).shape)
    (1, 2, 10)
    """

    _tuple = staticmethod(single)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        extra = self._output_padding(input, output_size)
        return F.conv_transpose1d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of `Conv2d`; see `ConvTranspose1d`.

    Shapes: input `(N, C_in, H, W)` or `(C_in, H, W)`, weight `(C_in, C_out // groups, *kernel_size)`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.ConvTranspose2d(3, 2, 2, stride=2)(rg.zeros(1, 3, 4, 5)).shape)
    (1, 2, 8, 10)
    """

    _tuple = staticmethod(pair)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        extra = self._output_padding(input, output_size)
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of `Conv3d`; see `ConvTranspose1d`.

    Shapes: input `(N, C_in, D, H, W)` or `(C_in, D, H, W)`, weight `(C_in, C_out // groups, *kernel_size)`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.ConvTranspose3d(3, 2, 2, stride=2)(rg.zeros(1, 3, 2, 2, 2)).shape)
    (1, 2, 4, 4, 4)
    """

    _tuple = staticmethod(triple)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        extra = self._output_padding(input, output_size)
        return F.conv_transpose3d(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


# ---------------------------------------------------------------- lazy
class LazyConv1d(_LazyConvNd, Conv1d):
    """A `Conv1d` that takes in_channels from its first input, and then is one; see `LazyModuleMixin`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.LazyConv1d(3, 3)(rg.zeros(1, 2, 9)).shape)
    (1, 3, 7)
    """

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvNd, Conv2d):
    """A `Conv2d` that takes in_channels from its first input, and then is one; see `LazyModuleMixin`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.LazyConv2d(3, 3)(rg.zeros(1, 2, 5, 6)).shape)
    (1, 3, 3, 4)
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvNd, Conv3d):
    """A `Conv3d` that takes in_channels from its first input, and then is one; see `LazyModuleMixin`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.LazyConv3d(3, 3)(rg.zeros(1, 2, 3, 4, 5)).shape)
    (1, 3, 1, 2, 3)
    """

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTransposeNd, ConvTranspose1d):
    """A `ConvTranspose1d` that takes in_channels from its first input, and then is one; see `LazyModuleMixin`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.LazyConvTranspose1d(3, 3)(rg.zeros(1, 2, 5)).shape)
    (1, 3, 7)
    """

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTransposeNd, ConvTranspose2d):
    """A `ConvTranspose2d` that takes in_channels from its first input, and then is one; see `LazyModuleMixin`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.LazyConvTranspose2d(3, 3)(rg.zeros(1, 2, 3, 4)).shape)
    (1, 3, 5, 6)
    """

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTransposeNd, ConvTranspose3d):
    """A `ConvTranspose3d` that takes in_channels from its first input, and then is one; see `LazyModuleMixin`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.LazyConvTranspose3d(3, 3)(rg.zeros(1, 2, 1, 2, 3)).shape)
    (1, 3, 3, 4, 5)
    """

    cls_to_become = ConvTranspose3d
