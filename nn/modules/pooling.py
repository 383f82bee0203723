"""Pooling layers: maximum, average, p-norm, and the adaptive ones that are told the size of the output."""

from __future__ import annotations

from typing import Any

from ...autograd import Tensor
from .. import functional as F
from .module import Module
from .utils import single

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "LPPool1d", "LPPool2d", "MaxPool1d", "MaxPool2d",
    "MaxPool3d",
]  # fmt: skip


class _MaxPoolNd(Module):
    return_indices: bool
    ceil_mode: bool

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """The largest value in each window of `(N, C, L)` or `(C, L)`.

    Output length `(L + 2*padding - dilation*(kernel_size - 1) - 1) // stride + 1` (rounded up with ceil_mode);
    stride defaults to kernel_size; padding counts as minus infinity. return_indices: also where the values were.

    >>> import retrograd as rg
    >>> rg.nn.MaxPool1d(2)(rg.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 2.]])
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.dilation,
            ceil_mode=self.ceil_mode, return_indices=self.return_indices,
        )  # fmt: skip


class MaxPool2d(_MaxPoolNd):
    """The largest value in each window of `(N, C, H, W)` or `(C, H, W)`; see `MaxPool1d`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.MaxPool2d(3, stride=2)(rg.zeros(20, 16, 50, 32)).shape)
    (20, 16, 24, 15)
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation,
            ceil_mode=self.ceil_mode, return_indices=self.return_indices,
        )  # fmt: skip


class MaxPool3d(_MaxPoolNd):
    """The largest value in each window of `(N, C, D, H, W)` or `(C, D, H, W)`; see `MaxPool1d`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.MaxPool3d(2)(rg.zeros(1, 2, 4, 6, 8)).shape)
    (1, 2, 2, 3, 4)
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool3d(
            input, self.kernel_size, self.stride, self.padding, self.dilation,
            ceil_mode=self.ceil_mode, return_indices=self.return_indices,
        )  # fmt: skip


class _AvgPoolNd(Module):
    kernel_size: Any
    stride: Any
    padding: Any
    ceil_mode: bool
    count_include_pad: bool

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The mean of each window of `(N, C, L)` or `(C, L)`.

    Output length `(L + 2*padding - kernel_size) // stride + 1` (rounded up with ceil_mode); stride defaults to
    kernel_size. count_include_pad: zeros of the padding count in the mean.

    >>> import retrograd as rg
    >>> rg.nn.AvgPool1d(2)(rg.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[2., 1.]])
    """

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = single(kernel_size)
        self.stride = single(stride if stride is not None else kernel_size)
        self.padding = single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class _AvgPoolOver(_AvgPoolNd):
    """Average pooling whose sizes are kept as they were given, with divisor_override."""

    divisor_override: int | None

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override


class AvgPool2d(_AvgPoolOver):
    """The mean of each window of `(N, C, H, W)` or `(C, H, W)`; see `AvgPool1d`.

    divisor_override: divide the sum of a window by this instead of by its size.

    >>> import retrograd as rg
    >>> tuple(rg.nn.AvgPool2d(3, stride=2)(rg.zeros(20, 16, 50, 32)).shape)
    (20, 16, 24, 15)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip


class AvgPool3d(_AvgPoolOver):
    """The mean of each window of `(N, C, D, H, W)` or `(C, D, H, W)`; see `AvgPool2d`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.AvgPool3d(2)(rg.zeros(1, 2, 4, 6, 8)).shape)
    (1, 2, 2, 3, 4)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool3d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip


class _LPPoolNd(Module):
    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """The p-norm of each window of `(N, C, L)` or `(C, L)`: `(sum of x**p)**(1/p)` with p = norm_type.

    >>> import retrograd as rg
    >>> rg.nn.LPPool1d(2, 2)(rg.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool1d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPoolNd):
    """The p-norm of each window of `(N, C, H, W)` or `(C, H, W)`; see `LPPool1d`.

    >>> import retrograd as rg
    >>> rg.nn.LPPool2d(1, 2)(rg.ones(1, 2, 2))
    tensor([[[4.]]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class _AdaptiveAvgPoolNd(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that `(N, C, L)` or `(C, L)` becomes output_size long, whatever L is.

    Window i covers `floor(i*L/out)` to `ceil((i+1)*L/out)`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.AdaptiveAvgPool1d(5)(rg.zeros(1, 64, 8)).shape)
    (1, 64, 5)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that `(N, C, H, W)` or `(C, H, W)` gets output_size, whatever H and W are.

    output_size: a number, or a pair in which None keeps the input's size.

    >>> import retrograd as rg
    >>> tuple(rg.nn.AdaptiveAvgPool2d((None, 7))(rg.zeros(1, 64, 10, 9)).shape)
    (1, 64, 10, 7)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that `(N, C, D, H, W)` or `(C, D, H, W)` gets output_size; see `AdaptiveAvgPool2d`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.AdaptiveAvgPool3d((1, 2, None))(rg.zeros(1, 3, 4, 5, 6)).shape)
    (1, 3, 1, 2, 6)
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMaxPoolNd(_AdaptiveAvgPoolNd):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest values of the windows of `AdaptiveAvgPool1d`; return_indices: also where they were.

    >>> import retrograd as rg
    >>> rg.nn.AdaptiveMaxPool1d(2)(rg.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 2.]])
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest values of the windows of `AdaptiveAvgPool2d`; return_indices: also where they were.

    >>> import retrograd as rg
    >>> tuple(rg.nn.AdaptiveMaxPool2d((5, None))(rg.zeros(1, 3, 8, 9)).shape)
    (1, 3, 5, 9)
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest values of the windows of `AdaptiveAvgPool3d`; return_indices: also where they were.

    >>> import retrograd as rg
    >>> tuple(rg.nn.AdaptiveMaxPool3d(2)(rg.zeros(1, 3, 4, 5, 6)).shape)
    (1, 3, 2, 2, 2)
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)
