"""Causal convolutions in time: dilated, the TCN's residual block, the gated block of WaveNet, and the TDNN layer."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.errors import ShapeError
from ...autograd.ops.create import empty
from ...autograd.ops.join import stack
from .. import functional as F
from .. import init
from ..modules.activation import ReLU
from ..modules.batchnorm import BatchNorm1d
from ..modules.container import Sequential
from ..modules.conv import Conv1d
from ..modules.dropout import Dropout1d
from ..modules.linear import Identity
from ..modules.module import Module
from ..utils.parametrizations import weight_norm

__all__ = ["TCN", "TDNN", "CausalConv1d", "TemporalBlock", "WaveNetBlock", "receptive_field"]


def receptive_field(kernel_size: int, dilations: Sequence[int]) -> int:
    """How many steps of the input one output of a stack of convolutions sees: `1 + (kernel_size - 1) * sum(dilations)`.

    With the dilations 1, 2, 4, ..., 2^(K-1) of K layers this is `(kernel_size - 1) * (2^K - 1) + 1`. Strides are 1.

    >>> import retrograd as rg
    >>> rg.nn.receptive_field(2, [1, 2, 4, 8])
    16
    """
    return 1 + (kernel_size - 1) * sum(dilations)


class CausalConv1d(Conv1d):
    """A dilated `Conv1d` that does not see the future: output t depends on the inputs up to t * stride.

    `y[n, o, t] = bias[o] + sum over c, k of weight[o, c, k] * x[n, c, t*stride - (K - 1 - k)*dilation]`, with zeros
    before the first step: the input is padded by (K - 1)*dilation on the left. Parameters as in `Conv1d`, whose
    state_dicts load.
    Shapes: input `(N, C_in, L)` or `(C_in, L)`, output `(N, C_out, L_out)` with `L_out = (L - 1) // stride + 1`.

    van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016.

    >>> import retrograd as rg
    >>> layer = rg.nn.CausalConv1d(2, 4, kernel_size=3, dilation=2)
    >>> tuple(layer(rg.zeros(1, 2, 10)).shape), layer.receptive_field
    ((1, 4, 10), 5)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias, device=device, dtype=dtype
        )

    @property
    def receptive_field(self) -> int:
        """How many steps of the input one output sees."""
        return receptive_field(self.kernel_size[0], self.dilation)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, (self.receptive_field - 1, 0)))


class TemporalBlock(Module):
    """The residual block of a temporal convolutional network: two causal convolutions of one dilation.

    `y = relu(f(f(x)) + x)` with `f = dropout(relu(norm(causal convolution)))`; x goes through a 1-wide convolution where
    the channels change. Dropout leaves out whole channels (spatial dropout). norm: "weight" normalizes the weights, as in
    the paper; "batch" the channels by `BatchNorm1d` (in training its mean is over time, so that outputs then depend on
    later steps through it); None neither.
    Shapes: input `(N, C_in, L)` or `(C_in, L)`, output `(N, C_out, L)`; the block sees `2*(kernel_size - 1)*dilation + 1`
    steps.

    Bai, Kolter & Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence
    Modeling", 2018.

    >>> import retrograd as rg
    >>> block = rg.nn.TemporalBlock(2, 8, kernel_size=3, dilation=4)
    >>> tuple(block(rg.zeros(5, 2, 20)).shape), block.receptive_field
    ((5, 8, 20), 17)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        dilation: int = 1,
        dropout: float = 0.2,
        norm: str | None = "weight",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if norm not in ("weight", "batch", None):
            raise ValueError(f"TemporalBlock: norm must be 'weight', 'batch' or None, got {norm!r}")
        self.norm = norm
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        for i, channels in enumerate((in_channels, out_channels), 1):
            conv: Module = CausalConv1d(channels, out_channels, kernel_size, dilation=dilation, **made)
            self.add_module(f"conv{i}", weight_norm(conv) if norm == "weight" else conv)
            self.add_module(f"norm{i}", BatchNorm1d(out_channels, **made) if norm == "batch" else Identity())
            self.add_module(f"dropout{i}", Dropout1d(dropout))
        self.relu = ReLU()
        self.downsample = Conv1d(in_channels, out_channels, 1, **made) if in_channels != out_channels else None

    @property
    def receptive_field(self) -> int:
        """How many steps of the input one output sees."""
        return 2 * self.conv1.receptive_field - 1

    def forward(self, input: Tensor) -> Tensor:
        x = input if input.ndim == 3 else input.unsqueeze(0)
        y = self.dropout1(self.relu(self.norm1(self.conv1(x))))
        y = self.dropout2(self.relu(self.norm2(self.conv2(y))))
        y = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return y if input.ndim == 3 else y.squeeze(0)


class TCN(Sequential):
    """A temporal convolutional network: `TemporalBlock`s with the dilations 1, 2, 4, ..., one for each number of channels.

    Shapes: input `(N, C_in, L)` or `(C_in, L)`, output `(N, channels[-1], L)`. `receptive_field` says how many steps one
    output sees: `2*(kernel_size - 1)*(2^len(channels) - 1) + 1`. Arguments and paper: `TemporalBlock`.

    >>> import retrograd as rg
    >>> tcn = rg.nn.TCN(1, [8, 8, 8], kernel_size=3)
    >>> tuple(tcn(rg.zeros(4, 1, 50)).shape), tcn.receptive_field
    ((4, 8, 50), 29)
    """

    def __init__(
        self,
        in_channels: int,
        channels: Sequence[int],
        kernel_size: int = 2,
        dropout: float = 0.2,
        norm: str | None = "weight",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        widths = (in_channels, *channels)
        super().__init__(
            *(
                TemporalBlock(ins, outs, kernel_size, 2**i, dropout, norm, device, dtype)
                for i, (ins, outs) in enumerate(itertools.pairwise(widths))
            )
        )

    @property
    def receptive_field(self) -> int:
        """How many steps of the input one output sees."""
        return 1 + sum(block.receptive_field - 1 for block in self)  # type: ignore[attr-defined]  # TemporalBlocks


class WaveNetBlock(Module):
    """The gated residual block of WaveNet: `z = tanh(W_f * x + V_f h) sigmoid(W_g * x + V_g h)`, * causal and dilated.

    It gives `(x + W_r z, W_s z)`: what the next block reads, and its share of the skip connections, whose sum over the
    blocks the output layers read (W_r and W_s are 1-wide convolutions). h is an optional condition.
    gate_channels: the channels of z, by default those of x. skip_channels: by default those of x. condition_channels:
    those of h, 0 for none; h is `(N, C_h, L)`, or `(N, C_h)` for one that holds at all times.
    Shapes: input `(N, C, L)`, outputs `(N, C, L)` and `(N, skip_channels, L)`; all may be without N.

    van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016.

    >>> import retrograd as rg
    >>> block = rg.nn.WaveNetBlock(16, skip_channels=32, kernel_size=2, dilation=4)
    >>> x, skip = block(rg.zeros(1, 16, 20))
    >>> tuple(x.shape), tuple(skip.shape)
    ((1, 16, 20), (1, 32, 20))
    """

    def __init__(
        self,
        channels: int,
        skip_channels: int | None = None,
        kernel_size: int = 2,
        dilation: int = 1,
        gate_channels: int | None = None,
        condition_channels: int = 0,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        gates = channels if gate_channels is None else gate_channels
        rest: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        # filter and gate are computed together: the first half of the outputs, and the second
        self.conv = CausalConv1d(channels, 2 * gates, kernel_size, dilation=dilation, **rest)
        rest_1x1 = {**rest, "bias": False}
        self.condition = Conv1d(condition_channels, 2 * gates, 1, **rest_1x1) if condition_channels else None
        self.residual = Conv1d(gates, channels, 1, **rest)
        self.skip = Conv1d(gates, channels if skip_channels is None else skip_channels, 1, **rest)

    @property
    def receptive_field(self) -> int:
        """How many steps of the input one output sees."""
        return self.conv.receptive_field

    def forward(self, input: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = self.conv(input)
        if (condition is None) != (self.condition is None):
            raise ShapeError(
                "WaveNetBlock: a condition was given to a block without condition_channels"
                if self.condition is None
                else f"WaveNetBlock: expected a condition with {self.condition.in_channels} channels, got none"
            )
        if self.condition is not None and condition is not None:
            y = y + self.condition(condition.unsqueeze(-1) if condition.ndim < input.ndim else condition)
        f, g = y.chunk(2, dim=-2)
        z = f.tanh() * g.sigmoid()
        return input + self.residual(z), self.skip(z)


class TDNN(Module):
    """A time-delay layer: `y[n, o, t] = bias[o] + sum over c, j of weight[o, c, j] * x[n, c, t*stride + context[j]]`.

    context: the offsets in time that each output sees, ascending, such as (-2, -1, 0, 1, 2) or, subsampled, (-3, 0, 3)
    or (-1, 2). Only outputs whose context lies in the input are computed: `L_out = (L - (context[-1] - context[0]) - 1)
    // stride + 1`. Offsets up to 0 make the layer causal. A nonlinearity follows outside.
    Shapes: input `(N, C_in, L)` or `(C_in, L)`, output `(N, C_out, L_out)`, weight `(C_out, C_in, len(context))`.

    Waibel et al., "Phoneme Recognition Using Time-Delay Neural Networks", 1989; Peddinti, Povey & Khudanpur, "A Time
    Delay Neural Network Architecture for Efficient Modeling of Long Temporal Contexts", Interspeech 2015.

    >>> import retrograd as rg
    >>> layer = rg.nn.TDNN(4, 8, context=(-1, 2))
    >>> tuple(layer(rg.zeros(3, 4, 20)).shape)
    (3, 8, 17)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        context: Sequence[int] = (-2, -1, 0, 1, 2),
        stride: int = 1,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        context = tuple(context)
        if not context or list(context) != sorted(set(context)):
            raise ValueError(f"TDNN: context must be ascending offsets, each once, got {context}")
        if stride < 1:
            raise ValueError(f"TDNN: stride must be positive, got {stride}")
        self.in_channels, self.out_channels, self.context, self.stride = in_channels, out_channels, context, stride
        made = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty((out_channels, in_channels, len(context)), **made))
        self.register_parameter("bias", Parameter(empty(out_channels, **made)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, as those of `Conv1d`."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        init.fan_in_uniform_(self.bias, self.weight)

    @property
    def receptive_field(self) -> int:
        """The steps from the first to the last offset."""
        return self.context[-1] - self.context[0] + 1

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (2, 3) or input.shape[-2] != self.in_channels:
            raise ShapeError(
                f"TDNN: expected an input (N, {self.in_channels}, L) or ({self.in_channels}, L), got {tuple(input.shape)}"
            )
        first, span = self.context[0], self.receptive_field
        outs = input.shape[-1] - span + 1
        if outs < 1:
            raise ShapeError(
                f"TDNN: the context {self.context} spans {span} steps, the input has {input.shape[-1]}; pad it"
            )
        gaps = {b - a for a, b in itertools.pairwise(self.context)}
        if len(gaps) < 2:  # evenly spaced: a dilated convolution
            return F.conv1d(input, self.weight, self.bias, self.stride, 0, max(gaps, default=1))
        starts = [offset - first for offset in self.context]
        shifted = stack([input[..., s : s + outs : self.stride] for s in starts], dim=-2)  # (N, C, J, L_out)
        rows = self.weight.reshape(self.out_channels, -1)  # (O, C*J)
        y = rows @ shifted.flatten(-3, -2)
        return y if self.bias is None else y + self.bias.unsqueeze(-1)

    def extra_repr(self) -> str:
        s = f"{self.in_channels}, {self.out_channels}, context={self.context}"
        if self.stride != 1:
            s += f", stride={self.stride}"
        return s if self.bias is not None else s + ", bias=False"
