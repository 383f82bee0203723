"""The extension `fft` of the standard: `retrograd.fft` with axis and axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import fft as _fft
from ..errors import DtypeError
from .types import array

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft",
    "rfftfreq", "rfftn",
]  # fmt: skip


def _floating(x: Any, op: str) -> Any:
    x = array(x, op)
    if x._dtype.kind not in "fc":
        raise DtypeError(
            f"{op}: the array is {x._dtype.name}; a floating-point type is expected, convert it with astype"
        )
    return x


def fft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The discrete Fourier transform along an axis."""
    return _fft.fft(_floating(x, "fft"), n, axis, norm)


def ifft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `fft`."""
    return _fft.ifft(_floating(x, "ifft"), n, axis, norm)


def fftn(x: Tensor, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """The discrete Fourier transform over some axes (None: all, or the last len(s))."""
    return _fft.fftn(_floating(x, "fftn"), s, axes, norm)


def ifftn(x: Tensor, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """The inverse of `fftn`."""
    return _fft.ifftn(_floating(x, "ifftn"), s, axes, norm)


def rfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The first half of `fft` of a real array."""
    return _fft.rfft(_floating(x, "rfft"), n, axis, norm)


def irfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `rfft`; n is the number of elements of the result."""
    return _fft.irfft(_floating(x, "irfft"), n, axis, norm)


def rfftn(x: Tensor, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """The first half, along the last of the axes, of `fftn` of a real array."""
    return _fft.rfftn(_floating(x, "rfftn"), s, axes, norm)


def irfftn(x: Tensor, /, *, s: Any = None, axes: Any = None, norm: str = "backward") -> Tensor:
    """The inverse of `rfftn`; s are the sizes of the result."""
    return _fft.irfftn(_floating(x, "irfftn"), s, axes, norm)


def hfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """`fft` of a Hermitian signal given by its first half: a real array."""
    return _fft.hfft(_floating(x, "hfft"), n, axis, norm)


def ihfft(x: Tensor, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
    """The inverse of `hfft`."""
    return _fft.ihfft(_floating(x, "ihfft"), n, axis, norm)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of the elements of `fft` of n samples at distance d."""
    return _fft.fftfreq(n, d, dtype=dtype, device=device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies of the elements of `rfft` of n samples at distance d."""
    return _fft.rfftfreq(n, d, dtype=dtype, device=device)


def fftshift(x: Tensor, /, *, axes: Any = None) -> Tensor:
    """The elements in the order of their frequencies, 0 in the middle."""
    return _fft.fftshift(array(x, "fftshift"), axes)


def ifftshift(x: Tensor, /, *, axes: Any = None) -> Tensor:
    """The inverse of `fftshift`."""
    return _fft.ifftshift(array(x, "ifftshift"), axes)
