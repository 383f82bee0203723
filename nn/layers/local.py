"""Locally connected layers: convolutions in which every output position has weights of its own."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.errors import ShapeError
from ...autograd.ops.create import empty
from .. import functional as F
from .. import init
from ..modules.module import Module
from ..modules.utils import pair, single

__all__ = ["LocallyConnected1d", "LocallyConnected2d"]


class _LocallyConnectedNd(Module):
    """What the two layers share: sizes, parameters, checks; one dimension is two with a height of 1."""

    _dims: int
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_size: tuple[int, ...],
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        bias: bool,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        given: dict[str, Any] = {
            "input_size": input_size, "kernel_size": kernel_size, "stride": stride, "dilation": dilation,
        }  # fmt: skip
        if not isinstance(padding, str):
            given["padding"] = padding
        elif padding not in ("same", "valid"):
            raise ValueError(f"{name}: padding must be numbers, 'same' or 'valid', got {padding!r}")
        elif padding == "same" and any(s != 1 for s in stride):
            raise ValueError(f"{name}: padding='same' needs stride 1, got {stride}; give the padding in numbers")
        for what, sizes in given.items():
            if len(sizes) != self._dims:
                raise ShapeError(f"{name}: {what} must have {self._dims} number(s), got {sizes}")
            if min(sizes) < (0 if what == "padding" else 1):
                raise ValueError(
                    f"{name}: {what} must not be {'negative' if what == 'padding' else '< 1'}, got {sizes}"
                )
        if in_channels < 1 or out_channels < 1:
            raise ValueError(f"{name}: the channels must be positive, got {in_channels} and {out_channels}")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.input_size, self.kernel_size, self.stride = input_size, kernel_size, stride
        self.padding, self.dilation = padding, dilation
        totals = [sum(p) for p in self._pads()]
        self.output_size = tuple(
            (n + p - d * (k - 1) - 1) // s + 1
            for n, p, d, k, s in zip(input_size, totals, dilation, kernel_size, stride, strict=True)
        )
        if min(self.output_size) < 1:
            raise ShapeError(
                f"{name}: an input of {input_size} with padding {padding} is smaller than the kernel {kernel_size} with "
                f"dilation {dilation}; pad more, or take a smaller kernel"
            )
        made = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty((*self.output_size, out_channels, in_channels, *kernel_size), **made))
        self.register_parameter("bias", Parameter(empty((out_channels, *self.output_size), **made)) if bias else None)
        self.reset_parameters()

    def _pads(self) -> list[tuple[int, int]]:
        """(before, after) of each dimension."""
        if self.padding == "valid":
            return [(0, 0)] * self._dims
        if self.padding == "same":
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            return [(t // 2, t - t // 2) for t in totals]
        return [(p, p) for p in self.padding]  # type: ignore[misc]  # numbers, since it is no string

    def reset_parameters(self) -> None:
        """Draw the weights anew, uniform in +-1/sqrt(in_channels * kernel elements): the fan-in of one output."""
        bound = 1 / math.sqrt(self.in_channels * math.prod(self.kernel_size))
        for param in self.parameters():
            init.uniform_(param, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        name, dims = type(self).__name__, self._dims
        expected = (self.in_channels, *self.input_size)
        if input.ndim not in (dims + 1, dims + 2) or tuple(input.shape[-dims - 1 :]) != expected:
            raise ShapeError(
                f"{name}: expected an input (N, {', '.join(map(str, expected))}) or {expected}, got "
                f"{tuple(input.shape)}; the layer has weights for this size only"
            )
        x = input if input.ndim == dims + 2 else input.unsqueeze(0)
        pads = self._pads()
        if any(map(any, pads)):
            x = F.pad(x, [n for p in reversed(pads) for n in p])
        if dims == 1:
            x = x.unsqueeze(2)  # (N, C, 1, L)
        one = (1,) * (2 - dims)
        cols = F.unfold(x, one + self.kernel_size, one + self.dilation, 0, one + self.stride)  # (N, C*K, P)
        rows = math.prod(self.output_size)
        weight = self.weight.reshape(rows, self.out_channels, -1)  # (P, O, C*K)
        out = cols.permute(2, 0, 1) @ weight.transpose(1, 2)  # (P, N, C*K) @ (P, C*K, O)
        out = out.permute(1, 2, 0).reshape(-1, self.out_channels, *self.output_size)
        if self.bias is not None:
            out = out + self.bias
        return out if input.ndim == dims + 2 else out.squeeze(0)

    def extra_repr(self) -> str:
        s = (
            f"{self.in_channels}, {self.out_channels}, input_size={self.input_size}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if self.padding not in ("valid", (0,) * self._dims):
            s += f", padding={self.padding!r}"
        if self.dilation != (1,) * self._dims:
            s += f", dilation={self.dilation}"
        return s if self.bias is not None else s + ", bias=False"


class LocallyConnected1d(_LocallyConnectedNd):
    """A one-dimensional convolution with unshared weights: each output position has a kernel and a bias of its own.

    `y[n, o, l] = bias[o, l] + sum over c, k of weight[l, o, c, k] * x[n, c, l*stride + k*dilation]` (x padded)

    Arguments as in `Conv1d`, and input_size, the length L, because there are weights for each position. padding: a
    number, 'valid' (none) or 'same' (output as long as the input, stride 1).
    Shapes: input `(N, C_in, L)` or `(C_in, L)`, output `(N, C_out, L_out)` with L_out as in `Conv1d`, weight
    `(L_out, C_out, C_in, kernel_size)`, bias `(C_out, L_out)`: L_out times the parameters of `Conv1d`.
    Raises ShapeError for an input of another length.

    LeCun, "Generalization and Network Design Strategies", 1989.

    >>> import retrograd as rg
    >>> layer = rg.nn.LocallyConnected1d(2, 4, input_size=10, kernel_size=3, stride=2)
    >>> tuple(layer(rg.zeros(5, 2, 10)).shape), tuple(layer.weight.shape)
    ((5, 4, 4), (4, 4, 2, 3))
    """

    _dims = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_size: int | tuple[int],
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: str | int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, single(input_size), single(kernel_size), single(stride),
            padding if isinstance(padding, str) else single(padding), single(dilation), bias, device, dtype,
        )  # fmt: skip


class LocallyConnected2d(_LocallyConnectedNd):
    """A two-dimensional convolution with unshared weights: each output pixel has a kernel and a bias of its own.

    `y[n, o, i, j] = bias[o, i, j] + sum over c, k, l of weight[i, j, o, c, k, l] * x[n, c, i*stride + k, j*stride + l]`
    with the padded x and dilation 1. `weight[i, j]` has the shape of the weight of a `Conv2d`.

    Arguments as in `Conv2d`, and input_size (H, W). padding: numbers, 'valid' (none) or 'same' (stride 1).
    Shapes: input `(N, C_in, H, W)` or `(C_in, H, W)`, output `(N, C_out, H_out, W_out)` with sizes as in `Conv2d`, weight
    `(H_out, W_out, C_out, C_in, kernel_size[0], kernel_size[1])`, bias `(C_out, H_out, W_out)`: together
    `H_out * W_out * (kh * kw * C_in + 1) * C_out` parameters. Raises ShapeError for an input of another size.

    Taigman et al., "DeepFace: Closing the Gap to Human-Level Performance in Face Verification", CVPR 2014.

    >>> import retrograd as rg
    >>> layer = rg.nn.LocallyConnected2d(3, 8, input_size=(6, 7), kernel_size=3, padding=1, stride=2)
    >>> tuple(layer(rg.zeros(2, 3, 6, 7)).shape)
    (2, 8, 3, 4)
    """

    _dims = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_size: int | tuple[int, int],
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, pair(input_size), pair(kernel_size), pair(stride),
            padding if isinstance(padding, str) else pair(padding), pair(dilation), bias, device, dtype,
        )  # fmt: skip
