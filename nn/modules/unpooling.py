"""Pooling's inverses and rarer kinds: unpooling, fractional max pooling, p-norm pooling of volumes."""

from __future__ import annotations

from typing import Any

from ...autograd import Tensor
from .. import functional as F
from .module import Module
from .pooling import _LPPoolNd

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d", "LPPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"]


def _several(value: Any, n: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,) * n


class _MaxUnpoolNd(Module):
    _nd: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = _several(kernel_size, self._nd)
        self.stride = _several(kernel_size if stride is None else stride, self._nd)
        self.padding = _several(padding, self._nd)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        unpool = getattr(F, f"max_unpool{self._nd}d")
        return unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpoolNd):
    """Puts the values that `MaxPool1d(return_indices=True)` kept back in their places; zeros elsewhere.

    output_size: the size before pooling, where it is not unique.

    >>> import retrograd as rg
    >>> y, where = rg.nn.MaxPool1d(2, return_indices=True)(rg.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    >>> rg.nn.MaxUnpool1d(2)(y, where)
    tensor([[[0., 3., 2., 0.]]])
    """

    _nd = 1


class MaxUnpool2d(_MaxUnpoolNd):
    """`MaxUnpool1d` for images `(N, C, H, W)`.

    >>> import retrograd as rg
    >>> y, where = rg.nn.MaxPool2d(2, return_indices=True)(rg.arange(4.0).reshape(1, 1, 2, 2))
    >>> rg.nn.MaxUnpool2d(2)(y, where).flatten()
    tensor([0., 0., 0., 3.])
    """

    _nd = 2


class MaxUnpool3d(_MaxUnpoolNd):
    """`MaxUnpool1d` for volumes `(N, C, D, H, W)`.

    >>> import retrograd as rg
    >>> y, where = rg.nn.MaxPool3d(2, return_indices=True)(rg.arange(8.0).reshape(1, 1, 2, 2, 2))
    >>> rg.nn.MaxUnpool3d(2)(y, where).sum()
    tensor(7.)
    """

    _nd = 3


class _FractionalMaxPoolNd(Module):
    _nd: int

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        name, n = type(self).__name__, self._nd
        self.kernel_size = _several(kernel_size, n)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else _several(output_size, n)
        self.output_ratio = None if output_ratio is None else _several(output_ratio, n)
        if (output_size is None) == (output_ratio is None):
            raise ValueError(f"{name}: give either output_size or output_ratio")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"{name}: output_ratio must lie between 0 and 1, got {output_ratio}")

    def forward(self, input: Tensor) -> Any:
        pool = getattr(F, f"fractional_max_pool{self._nd}d")
        return pool(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            _random_samples=self._random_samples,
        )  # fmt: skip


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The maximum of windows whose places are drawn so that `(N, C, H, W)` shrinks by any factor. Graham, 2014.

    >>> import retrograd as rg
    >>> tuple(rg.nn.FractionalMaxPool2d(3, output_size=(13, 12))(rg.zeros(2, 4, 50, 32)).shape)
    (2, 4, 13, 12)
    """

    _nd = 2


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """`FractionalMaxPool2d` for volumes `(N, C, D, H, W)`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.FractionalMaxPool3d(3, output_size=(4, 5, 6))(rg.zeros(1, 2, 8, 10, 12)).shape)
    (1, 2, 4, 5, 6)
    """

    _nd = 3


class LPPool3d(_LPPoolNd):
    """(sum of x^p)^(1/p) over each window of `(N, C, D, H, W)`.

    >>> import retrograd as rg
    >>> rg.nn.LPPool3d(1, 2)(rg.ones(1, 1, 2, 2, 2)).flatten()
    tensor([8.])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool3d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)
