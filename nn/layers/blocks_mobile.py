"""Blocks of parallel and cheap convolutions: inception, squeeze-and-excitation, inverted residual.

Arguments, parameter names and numbers are torchvision's, so that its state_dicts load.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.join import cat
from ..modules.activation import ReLU, ReLU6, Sigmoid
from ..modules.batchnorm import BatchNorm2d
from ..modules.container import Sequential
from ..modules.conv import Conv2d
from ..modules.module import Module
from ..modules.pooling import AdaptiveAvgPool2d, MaxPool2d
from .blocks import Norm, _norm

__all__ = ["Conv2dNormActivation", "Inception", "InvertedResidual", "SqueezeExcitation"]


class Conv2dNormActivation(Sequential):
    """A convolution, a normalization and an activation, in this order.

    padding=None keeps the size up to the stride: `(kernel_size - 1) // 2 * dilation`. norm_layer: a function of the number
    of channels, activation_layer: one without arguments; None leaves either out. bias=None: a bias where no normalization
    follows.
    Shapes: input `(N, in_channels, H, W)`, output `(N, out_channels, H_out, W_out)` as `Conv2d`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.Conv2dNormActivation(3, 8, stride=2)(rg.zeros(1, 3, 8, 8)).shape)
    (1, 8, 4, 4)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str | None = None,
        groups: int = 1,
        norm_layer: Norm | None = BatchNorm2d,
        activation_layer: Callable[[], Module] | None = ReLU,
        dilation: int | tuple[int, int] = 1,
        bias: bool | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        made = {"device": device, "dtype": dtype}
        if padding is None:
            sizes = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
            steps = (dilation, dilation) if isinstance(dilation, int) else dilation
            padding = ((sizes[0] - 1) // 2 * steps[0], (sizes[1] - 1) // 2 * steps[1])
        has_bias = norm_layer is None if bias is None else bias
        layers: list[Module] = [
            Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, has_bias, **made)
        ]
        if norm_layer is not None:
            layers.append(_norm(norm_layer, out_channels, made))
        if activation_layer is not None:
            layers.append(activation_layer())
        super().__init__(*layers)
        self.out_channels = out_channels


class _BasicConv2d(Module):
    """A convolution without bias, a normalization with eps 0.001, a ReLU: what GoogLeNet is made of."""

    def __init__(self, ins: int, outs: int, kernel_size: int, made: dict[str, Any]) -> None:
        super().__init__()
        self.conv = Conv2d(ins, outs, kernel_size, padding=kernel_size // 2, bias=False, **made)
        self.bn = BatchNorm2d(outs, eps=0.001, **made)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu()


class Inception(Module):
    """Four parallel branches over the same input, joined along the channels: several scales at once.

    1x1 to ch1x1; 1x1 to ch3x3red and 3x3 to ch3x3; 1x1 to ch5x5red and 5x5 to ch5x5; 3x3 maximum and 1x1 to pool_proj.
    Each convolution is followed by a `BatchNorm2d` and a ReLU. The 1x1 convolutions before the larger ones reduce the
    channels and so the cost. large_kernel: of the third branch; torchvision's trained GoogLeNet has 3 there, not 5.
    Shapes: input `(N, in_channels, H, W)`, output `(N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W)`.

    Szegedy et al., "Going Deeper with Convolutions", CVPR 2015.

    >>> import retrograd as rg
    >>> block = rg.nn.Inception(192, 64, 96, 128, 16, 32, 32)
    >>> tuple(block(rg.zeros(1, 192, 7, 7)).shape)
    (1, 256, 7, 7)
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        large_kernel: int = 5,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.branch1 = _BasicConv2d(in_channels, ch1x1, 1, made)
        self.branch2 = Sequential(_BasicConv2d(in_channels, ch3x3red, 1, made), _BasicConv2d(ch3x3red, ch3x3, 3, made))
        self.branch3 = Sequential(
            _BasicConv2d(in_channels, ch5x5red, 1, made), _BasicConv2d(ch5x5red, ch5x5, large_kernel, made)
        )
        self.branch4 = Sequential(MaxPool2d(3, 1, 1, ceil_mode=True), _BasicConv2d(in_channels, pool_proj, 1, made))

    def forward(self, x: Tensor) -> Tensor:
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class SqueezeExcitation(Module):
    """Channels weighted by what the whole image says: `y = x * sigmoid(W_2 relu(W_1 mean(x) + b_1) + b_2)`.

    The mean is over all pixels (squeeze), squeeze_channels is the width between the two 1x1 convolutions (excitation).
    activation, scale_activation: classes for the relu and the sigmoid.
    Shapes: input and output `(N, input_channels, H, W)`. Parameters, c and s channels: `2*c*s + c + s`.

    Hu, Shen & Sun, "Squeeze-and-Excitation Networks", CVPR 2018.

    >>> import retrograd as rg
    >>> tuple(rg.nn.SqueezeExcitation(16, 4)(rg.zeros(2, 16, 5, 5)).shape)
    (2, 16, 5, 5)
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Callable[[], Module] = ReLU,
        scale_activation: Callable[[], Module] = Sigmoid,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.avgpool = AdaptiveAvgPool2d(1)
        self.fc1 = Conv2d(input_channels, squeeze_channels, 1, device=device, dtype=dtype)
        self.fc2 = Conv2d(squeeze_channels, input_channels, 1, device=device, dtype=dtype)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(input))))
        return self.scale_activation(scale) * input


class InvertedResidual(Module):
    """MobileNetV2's block: 1x1 up to `inp * expand_ratio`, 3x3 depthwise, 1x1 down to oup without activation.

    The sum with the input is taken where shapes are equal (stride 1, inp = oup). Activations are ReLU6; the last
    convolution is linear, because a ReLU on few channels loses information. With expand_ratio 1 the first 1x1 is left out.
    stride: 1 or 2. norm_layer: a function of the number of channels, by default `BatchNorm2d`.
    Shapes: input `(N, inp, H, W)`, output `(N, oup, ceil(H / stride), ceil(W / stride))`. Parameters for the width
    w = inp*expand_ratio: `inp*w + 2*w + 9*w + 2*w + w*oup + 2*oup`.

    Sandler, Howard, Zhu, Zhmoginov & Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.

    >>> import retrograd as rg
    >>> tuple(rg.nn.InvertedResidual(16, 24, stride=2, expand_ratio=6)(rg.zeros(1, 16, 8, 8)).shape)
    (1, 24, 4, 4)
    """

    def __init__(
        self,
        inp: int,
        oup: int,
        stride: int,
        expand_ratio: float,
        norm_layer: Norm | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"InvertedResidual: stride must be 1 or 2, got {stride}")
        self.stride, self.out_channels = stride, oup
        self.use_res_connect = stride == 1 and inp == oup
        width, norm, made = round(inp * expand_ratio), norm_layer or BatchNorm2d, {"device": device, "dtype": dtype}
        layers: list[Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, width, 1, norm_layer=norm, activation_layer=ReLU6, **made))
        layers += [
            Conv2dNormActivation(
                width, width, stride=stride, groups=width, norm_layer=norm, activation_layer=ReLU6, **made
            ),
            Conv2d(width, oup, 1, bias=False, **made),
            _norm(norm, oup, made),
        ]
        self.conv = Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)
