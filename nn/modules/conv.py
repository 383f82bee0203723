"""Convolution layers of one, two and three dimensions, and their transposes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.ops.create import empty
from .. import functional as F
from .. import init
from .module import Module
from .utils import _reverse_repeat_tuple, pair, single, triple

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What the convolution layers share: checks, parameters, padding modes, repr."""

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Any  # numbers, or a string where the layer is not transposed
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups:
            raise ValueError(f"in_channels must be divisible by groups, got {in_channels} and {groups}")
        if out_channels % groups:
            raise ValueError(f"out_channels must be divisible by groups, got {out_channels} and {groups}")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of 'same', 'valid'")
            if padding == "same" and any(s != 1 for s in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _MODES:
            raise ValueError(f"padding_mode must be one of {_MODES}, but got padding_mode='{padding_mode}'")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._pads()
        channels = (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(empty((*channels, *kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _pads(self) -> list[int]:
        """The padding as `pad` takes it: (before, after) of each dimension, last dimension first."""
        if not isinstance(self.padding, str):
            return list(_reverse_repeat_tuple(self.padding, 2))
        if self.padding == "valid":
            return [0] * (2 * len(self.kernel_size))
        pads: list[int] = []
        for d, k in zip(reversed(self.dilation), reversed(self.kernel_size), strict=True):
            total = d * (k - 1)
            pads += [total // 2, total - total // 2]
        return pads

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        # a=sqrt(5) makes the He bound 1/sqrt(fan_in).
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        init.fan_in_uniform_(self.bias, self.weight)

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input and the padding that is left for the convolution: none, when the border is not zeros."""
        if self.padding_mode == "zeros":
            return input, self.padding
        return F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), 0

    def extra_repr(self) -> str:
        n = len(self.kernel_size)
        s = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * n:
            s += f", padding={self.padding}"
        if self.dilation != (1,) * n:
            s += f", dilation={self.dilation}"
        if self.output_padding != (0,) * n:
            s += f", output_padding={self.output_padding}"
        if self.groups != 1:
            s += f", groups={self.groups}"
        if self.bias is None:
            s += ", bias=False"
        if self.padding_mode != "zeros":
            s += f", padding_mode={self.padding_mode}"
        return s


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


# ---------------------------------------------------------------- transposed
class _ConvTransposeNd(_ConvNd):
    """What the transposed layers share: a constructor with output_padding, and the choice of an output size."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        name = type(self).__name__
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {name}')
        if isinstance(padding, str):
            raise ValueError(f"{name}: padding must be given in numbers, got {padding!r}")
        n = self._tuple
        super().__init__(
            in_channels, out_channels, n(kernel_size), n(stride), n(padding), n(dilation),
            True, n(output_padding), groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    @staticmethod
    def _tuple(x: Any) -> tuple[Any, ...]:
        raise NotImplementedError

    def _output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The output_padding that leads to `output_size`, of the spatial dimensions or of all."""
        if output_size is None:
            return self.output_padding
        n = len(self.kernel_size)
        sizes = tuple(output_size)
        if len(sizes) == input.ndim:
            sizes = sizes[-n:]
        if len(sizes) != n:
            raise ValueError(
                f"{type(self).__name__}: for {input.ndim}D input, output_size must have {n} or {input.ndim} elements "
                f"(got {len(sizes)})"
            )
        least = [
            (size - 1) * s - 2 * p + d * (k - 1) + 1
            for size, s, p, d, k in zip(
                input.shape[-n:], self.stride, self.padding, self.dilation, self.kernel_size, strict=True
            )
        ]
        most = [low + s - 1 for low, s in zip(least, self.stride, strict=True)]
        if any(not low <= size <= high for size, low, high in zip(sizes, least, most, strict=True)):
            raise ValueError(
                f"requested an output size of {sizes}, but valid sizes range from {least} to {most} "
                f"(for an input of {tuple(input.shape[-n:])})"
            )
        return tuple(size - low for size, low in zip(sizes, least, strict=True))


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
