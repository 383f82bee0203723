"""Layers that enlarge their input at the borders: with a constant, by reflection, by repetition, or around a circle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ...autograd import Tensor
from .. import functional as F
from .module import Module

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _PadNd(Module):
    """padding: one number for all sides, or `(left, right, top, bottom, ...)`, from the last dimension on."""

    _dims: ClassVar[int]
    _mode: ClassVar[str]
    padding: Sequence[int]

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self._dims) if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_PadNd):
    _mode = "constant"
    value: float

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPadNd(_PadNd):
    _mode = "constant"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (self._dims + 1, self._dims + 2):
            raise ValueError(f"expected {self._dims + 1}D or {self._dims + 2}D input (got {input.ndim}D input)")
        return super().forward(input)


class ConstantPad1d(_ConstantPadNd):
    """Enlarges `(N, C, W)` or `(C, W)` with `value`.

    >>> import retrograd as rg
    >>> rg.nn.ConstantPad1d(1, 9.0)(rg.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[9.0, 1.0, 2.0, 3.0, 9.0]]
    """

    _dims = 1


class ConstantPad2d(_ConstantPadNd):
    """Enlarges `(N, C, H, W)` or `(C, H, W)` with `value`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.ConstantPad2d(1, 9.0)(rg.ones(1, 2, 2)).shape)
    (1, 4, 4)
    """

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """Enlarges `(N, C, D, H, W)` or `(C, D, H, W)` with `value`.

    >>> import retrograd as rg
    >>> tuple(rg.nn.ConstantPad3d(1, 9.0)(rg.ones(1, 2, 2, 2)).shape)
    (1, 4, 4, 4)
    """

    _dims = 3


class ZeroPad1d(_ZeroPadNd):
    """Enlarges `(N, C, W)` or `(C, W)` with zeros.

    >>> import retrograd as rg
    >>> rg.nn.ZeroPad1d(1)(rg.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[0.0, 1.0, 2.0, 3.0, 0.0]]
    """

    _dims = 1


class ZeroPad2d(_ZeroPadNd):
    """Enlarges `(N, C, H, W)` or `(C, H, W)` with zeros.

    >>> import retrograd as rg
    >>> tuple(rg.nn.ZeroPad2d(1)(rg.ones(1, 2, 2)).shape)
    (1, 4, 4)
    """

    _dims = 2


class ZeroPad3d(_ZeroPadNd):
    """Enlarges `(N, C, D, H, W)` or `(C, D, H, W)` with zeros.

    >>> import retrograd as rg
    >>> tuple(rg.nn.ZeroPad3d(1)(rg.ones(1, 2, 2, 2)).shape)
    (1, 4, 4, 4)
    """

    _dims = 3


class ReflectionPad1d(_PadNd):
    """Enlarges `(N, C, W)` or `(C, W)` by reflection at the border elements, which are not repeated.

    >>> import retrograd as rg
    >>> rg.nn.ReflectionPad1d(1)(rg.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[2.0, 1.0, 2.0, 3.0, 2.0]]
    """

    _dims = 1
    _mode = "reflect"


class ReflectionPad2d(_PadNd):
    """Enlarges `(N, C, H, W)` or `(C, H, W)` by reflection at the border elements, which are not repeated.

    >>> import retrograd as rg
    >>> tuple(rg.nn.ReflectionPad2d(1)(rg.ones(1, 2, 2)).shape)
    (1, 4, 4)
    """

    _dims = 2
    _mode = "reflect"


class ReflectionPad3d(_PadNd):
    """Enlarges `(N, C, D, H, W)` or `(C, D, H, W)` by reflection at the border elements, which are not repeated.

    >>> import retrograd as rg
    >>> tuple(rg.nn.ReflectionPad3d(1)(rg.ones(1, 2, 2, 2)).shape)
    (1, 4, 4, 4)
    """

    _dims = 3
    _mode = "reflect"


class ReplicationPad1d(_PadNd):
    """Enlarges `(N, C, W)` or `(C, W)` by repeating the border elements.

    >>> import retrograd as rg
    >>> rg.nn.ReplicationPad1d(1)(rg.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[1.0, 1.0, 2.0, 3.0, 3.0]]
    """

    _dims = 1
    _mode = "replicate"


class ReplicationPad2d(_PadNd):
    """Enlarges `(N, C, H, W)` or `(C, H, W)` by repeating the border elements.

    >>> import retrograd as rg
    >>> tuple(rg.nn.ReplicationPad2d(1)(rg.ones(1, 2, 2)).shape)
    (1, 4, 4)
    """

    _dims = 2
    _mode = "replicate"


class ReplicationPad3d(_PadNd):
    """Enlarges `(N, C, D, H, W)` or `(C, D, H, W)` by repeating the border elements.

    >>> import retrograd as rg
    >>> tuple(rg.nn.ReplicationPad3d(1)(rg.ones(1, 2, 2, 2)).shape)
    (1, 4, 4, 4)
    """

    _dims = 3
    _mode = "replicate"


class CircularPad1d(_CircularPadNd):
    """Enlarges `(N, C, W)` or `(C, W)` by going on at the other side.

    >>> import retrograd as rg
    >>> rg.nn.CircularPad1d(1)(rg.tensor([[1.0, 2.0, 3.0]])).tolist()
    [[3.0, 1.0, 2.0, 3.0, 1.0]]
    """

    _dims = 1


class CircularPad2d(_CircularPadNd):
    """Enlarges `(N, C, H, W)` or `(C, H, W)` by going on at the other side.

    >>> import retrograd as rg
    >>> tuple(rg.nn.CircularPad2d(1)(rg.ones(1, 2, 2)).shape)
    (1, 4, 4)
    """

    _dims = 2


class CircularPad3d(_CircularPadNd):
    """Enlarges `(N, C, D, H, W)` or `(C, D, H, W)` by going on at the other side.

    >>> import retrograd as rg
    >>> tuple(rg.nn.CircularPad3d(1)(rg.ones(1, 2, 2, 2)).shape)
    (1, 4, 4, 4)
    """

    _dims = 3
