"""Blocks of residual and dense networks: basic, bottleneck, pre-activation, highway, dense block and transition.

Where torchvision has the block, arguments, parameter names and numbers are its own, so that its state_dicts load.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.join import cat
from .. import functional as F
from .. import init
from ..modules.activation import ReLU
from ..modules.batchnorm import BatchNorm2d
from ..modules.container import ModuleDict, Sequential
from ..modules.conv import Conv2d
from ..modules.linear import Linear
from ..modules.module import Module
from ..modules.pooling import AvgPool2d

__all__ = ["BasicBlock", "Bottleneck", "DenseBlock", "Highway", "PreActBlock", "PreActBottleneck", "Transition"]

Norm = Callable[[int], Module]


def _norm(layer: Norm | None, channels: int, made: dict[str, Any]) -> Module:
    """A normalization of so many channels, on the device and of the dtype of the block."""
    norm = (layer or BatchNorm2d)(channels)
    return norm if made["device"] is None and made["dtype"] is None else norm.to(**made)


def _conv(
    ins: int, outs: int, kernel: int, made: dict[str, Any], stride: int = 1, groups: int = 1, dilation: int = 1
) -> Conv2d:
    """A convolution without bias that keeps the size, up to the stride."""
    return Conv2d(ins, outs, kernel, stride, dilation * (kernel // 2), dilation, groups, bias=False, **made)


def _downsample(ins: int, outs: int, stride: int, norm: Norm | None, made: dict[str, Any]) -> Module | None:
    """The shortcut where shapes change: a 1x1 convolution and a normalization, as in ResNet's option B."""
    if stride == 1 and ins == outs:
        return None
    return Sequential(_conv(ins, outs, 1, made, stride), _norm(norm, outs, made))


# ---------------------------------------------------------------- residual
class BasicBlock(Module):
    """The residual block of ResNet-18 and -34: `y = relu(bn(conv3x3(relu(bn(conv3x3(x))))) + shortcut(x))`.

    inplanes, planes: channels of the input and the output; the first convolution has the stride. downsample: the
    shortcut; "auto" makes a 1x1 convolution with normalization where shapes change, None is the identity. norm_layer: a
    function of the number of channels, by default `BatchNorm2d`. groups and base_width other than 1 and 64, and dilation,
    are for `Bottleneck` only (ValueError).
    Shapes: input `(N, inplanes, H, W)`, output `(N, planes, ceil(H / stride), ceil(W / stride))`. Parameters:
    `9*inplanes*planes + 9*planes**2 + 4*planes`, and `inplanes*planes + 2*planes` for the shortcut.

    He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.

    >>> import retrograd as rg
    >>> tuple(rg.nn.BasicBlock(8, 16, stride=2)(rg.zeros(1, 8, 6, 6)).shape)
    (1, 16, 3, 3)
    """

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: Module | str | None = "auto",
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups != 1 or base_width != 64 or dilation != 1:
            raise ValueError(
                f"BasicBlock: groups, base_width and dilation must be 1, 64 and 1, got {groups}, {base_width} and "
                f"{dilation}; take Bottleneck"
            )
        made = {"device": device, "dtype": dtype}
        self.conv1 = _conv(inplanes, planes, 3, made, stride)
        self.bn1 = _norm(norm_layer, planes, made)
        self.relu = ReLU()
        self.conv2 = _conv(planes, planes, 3, made)
        self.bn2 = _norm(norm_layer, planes, made)
        self.downsample = (
            _downsample(inplanes, planes, stride, norm_layer, made) if isinstance(downsample, str) else downsample
        )
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(Module):
    """The residual block of ResNet-50 and deeper: 1x1 down to a width, 3x3, 1x1 up to 4 * planes, plus the shortcut.

    The 3x3 convolution has the stride, the dilation and the groups; the width is `planes * base_width / 64 * groups`, with
    which groups=32, base_width=4 give ResNeXt's block and base_width=128 wide ResNet's. downsample and norm_layer: see
    `BasicBlock`.
    Shapes: input `(N, inplanes, H, W)`, output `(N, 4 * planes, ceil(H / stride), ceil(W / stride))`. Parameters for the
    width w: `inplanes*w + 9*w*w/groups + 4*w*planes + 4*w + 8*planes`, and `4*inplanes*planes + 8*planes` for the shortcut.

    He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016; Xie et al., "Aggregated Residual
    Transformations for Deep Neural Networks", CVPR 2017.

    >>> import retrograd as rg
    >>> tuple(rg.nn.Bottleneck(16, 8, stride=2)(rg.zeros(1, 16, 6, 6)).shape)
    (1, 32, 3, 3)
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: Module | str | None = "auto",
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        width, outs = int(planes * (base_width / 64.0)) * groups, planes * self.expansion
        self.conv1 = _conv(inplanes, width, 1, made)
        self.bn1 = _norm(norm_layer, width, made)
        self.conv2 = _conv(width, width, 3, made, stride, groups, dilation)
        self.bn2 = _norm(norm_layer, width, made)
        self.conv3 = _conv(width, outs, 1, made)
        self.bn3 = _norm(norm_layer, outs, made)
        self.relu = ReLU()
        self.downsample = (
            _downsample(inplanes, outs, stride, norm_layer, made) if isinstance(downsample, str) else downsample
        )
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class PreActBlock(Module):
    """The residual block with normalization first: `y = conv3x3(relu(bn(conv3x3(relu(bn(x)))))) + shortcut(x)`.

    Nothing stands behind the sum, so that the identity goes through all blocks. Where shapes change, the shortcut is a
    1x1 convolution of the normalized input. norm_layer: see `BasicBlock`.
    Shapes: input `(N, inplanes, H, W)`, output `(N, planes, ceil(H / stride), ceil(W / stride))`. Parameters:
    `9*inplanes*planes + 9*planes**2 + 2*inplanes + 2*planes`, and `inplanes*planes` for the shortcut.

    He, Zhang, Ren & Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016.

    >>> import retrograd as rg
    >>> tuple(rg.nn.PreActBlock(8, 16, stride=2)(rg.zeros(1, 8, 6, 6)).shape)
    (1, 16, 3, 3)
    """

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        norm_layer: Norm | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.bn1 = _norm(norm_layer, inplanes, made)
        self.conv1 = _conv(inplanes, planes, 3, made, stride)
        self.bn2 = _norm(norm_layer, planes, made)
        self.conv2 = _conv(planes, planes, 3, made)
        self.shortcut = _conv(inplanes, planes, 1, made, stride) if stride != 1 or inplanes != planes else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(x))
        through = x if self.shortcut is None else self.shortcut(y)
        return self.conv2(F.relu(self.bn2(self.conv1(y)))) + through


class PreActBottleneck(Module):
    """The bottleneck with normalization first: 1x1 down to planes, 3x3 with the stride, 1x1 up to 4 * planes.

    Each convolution follows a normalization and a ReLU; see `PreActBlock`. Shapes: input `(N, inplanes, H, W)`, output
    `(N, 4 * planes, ceil(H / stride), ceil(W / stride))`. Parameters: `inplanes*planes + 13*planes**2 + 2*inplanes +
    4*planes`, and `4*inplanes*planes` for the shortcut.

    He, Zhang, Ren & Sun, "Identity Mappings in Deep Residual Networks", ECCV 2016.

    >>> import retrograd as rg
    >>> tuple(rg.nn.PreActBottleneck(32, 8)(rg.zeros(1, 32, 6, 6)).shape)
    (1, 32, 6, 6)
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        norm_layer: Norm | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made, outs = {"device": device, "dtype": dtype}, planes * self.expansion
        self.bn1 = _norm(norm_layer, inplanes, made)
        self.conv1 = _conv(inplanes, planes, 1, made)
        self.bn2 = _norm(norm_layer, planes, made)
        self.conv2 = _conv(planes, planes, 3, made, stride)
        self.bn3 = _norm(norm_layer, planes, made)
        self.conv3 = _conv(planes, outs, 1, made)
        self.shortcut = _conv(inplanes, outs, 1, made, stride) if stride != 1 or inplanes != outs else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(x))
        through = x if self.shortcut is None else self.shortcut(y)
        y = self.conv2(F.relu(self.bn2(self.conv1(y))))
        return self.conv3(F.relu(self.bn3(y))) + through


# ---------------------------------------------------------------- highway
class Highway(Module):
    """Gates between a transformation and the input: `y = T(x) H(x) + (1 - T(x)) x`, `T(x) = sigmoid(W_T x + b_T)`.

    H is `activation(W_H x + b_H)`, by default with relu. carry=True learns the carry gate `C(x) = sigmoid(W_C x + b_C)`
    in place of `1 - T(x)`. gate_bias: where b_T starts; a negative one lets the input through at first (and a learned
    carry gate starts at -gate_bias).
    Shapes: input and output `(*, size)`. Parameters: `2 * (size**2 + size)`, with carry three times the bracket.

    Srivastava, Greff & Schmidhuber, "Highway Networks", 2015.

    >>> import retrograd as rg
    >>> tuple(rg.nn.Highway(16)(rg.zeros(3, 16)).shape)
    (3, 16)
    """

    def __init__(
        self,
        size: int,
        activation: Callable[[Tensor], Tensor] = F.relu,
        gate_bias: float = -2.0,
        carry: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.activation, self.gate_bias = activation, gate_bias
        self.transform = Linear(size, size, **made)
        self.gate = Linear(size, size, **made)
        self.carry = Linear(size, size, **made) if carry else None
        self._start_gates()

    def _start_gates(self) -> None:
        init.constant_(self.gate.bias, self.gate_bias)  # type: ignore[arg-type]  # it has one
        if self.carry is not None:
            init.constant_(self.carry.bias, -self.gate_bias)  # type: ignore[arg-type]

    def reset_parameters(self) -> None:
        """Draw the weights anew, and set the biases of the gates."""
        for layer in self.children():
            layer.reset_parameters()
        self._start_gates()

    def forward(self, input: Tensor) -> Tensor:
        h, t = self.activation(self.transform(input)), self.gate(input).sigmoid()
        if self.carry is not None:
            return t * h + self.carry(input).sigmoid() * input
        return t * h + (1 - t) * input

    def extra_repr(self) -> str:
        return f"gate_bias={self.gate_bias}"


# ---------------------------------------------------------------- dense
class _DenseLayer(Module):
    """bn-relu-conv1x1 to bn_size * growth_rate channels, bn-relu-conv3x3 to growth_rate, dropout."""

    def __init__(self, ins: int, growth_rate: int, bn_size: int, drop_rate: float, made: dict[str, Any]) -> None:
        super().__init__()
        width = bn_size * growth_rate
        self.norm1, self.relu1, self.conv1 = _norm(None, ins, made), ReLU(), _conv(ins, width, 1, made)
        self.norm2, self.relu2, self.conv2 = _norm(None, width, made), ReLU(), _conv(width, growth_rate, 3, made)
        self.drop_rate = drop_rate

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu1(self.norm1(x)))
        y = self.conv2(self.relu2(self.norm2(y)))
        return F.dropout(y, self.drop_rate, self.training) if self.drop_rate else y


class DenseBlock(ModuleDict):
    """Layers that each read all before them: `x -> [x, f1(x), f2([x, f1(x)]), ...]`, joined along the channels.

    A layer f is bn-relu-conv1x1 to `bn_size * growth_rate` channels and bn-relu-conv3x3 to growth_rate; drop_rate: of a
    dropout behind it.
    Shapes: input `(N, num_input_features, H, W)`, output `(N, num_input_features + num_layers * growth_rate, H, W)`.
    Parameters of the layer that reads c channels, with b = bn_size and k = growth_rate: `2*c + c*b*k + 2*b*k + 9*b*k*k`.

    Huang, Liu, van der Maaten & Weinberger, "Densely Connected Convolutional Networks", CVPR 2017.

    >>> import retrograd as rg
    >>> tuple(rg.nn.DenseBlock(3, 16, bn_size=4, growth_rate=8, drop_rate=0.0)(rg.zeros(2, 16, 5, 5)).shape)
    (2, 40, 5, 5)
    """

    def __init__(
        self,
        num_layers: int,
        num_input_features: int,
        bn_size: int = 4,
        growth_rate: int = 32,
        drop_rate: float = 0.0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        for i in range(num_layers):
            ins = num_input_features + i * growth_rate
            self[f"denselayer{i + 1}"] = _DenseLayer(ins, growth_rate, bn_size, drop_rate, made)

    def forward(self, init_features: Tensor) -> Tensor:
        features = [init_features]
        for layer in self.values():
            features.append(layer(cat(features, 1)))
        return cat(features, 1)


class Transition(Sequential):
    """What stands between dense blocks: bn-relu-conv1x1 to num_output_features channels, and a 2x2 mean with stride 2.

    Shapes: input `(N, num_input_features, H, W)`, output `(N, num_output_features, H // 2, W // 2)`. Parameters:
    `2*num_input_features + num_input_features*num_output_features`.

    Huang, Liu, van der Maaten & Weinberger, "Densely Connected Convolutional Networks", CVPR 2017.

    >>> import retrograd as rg
    >>> tuple(rg.nn.Transition(40, 20)(rg.zeros(2, 40, 8, 8)).shape)
    (2, 20, 4, 4)
    """

    def __init__(
        self, num_input_features: int, num_output_features: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.norm = _norm(None, num_input_features, made)
        self.relu = ReLU()
        self.conv = _conv(num_input_features, num_output_features, 1, made)
        self.pool = AvgPool2d(2, 2)
