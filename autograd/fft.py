"""`retrograd.fft`: discrete Fourier transforms, with PyTorch's names and arguments."""

from __future__ import annotations

from .ops.fourier import fft, fftfreq, hfft, ifft, ihfft, irfft, rfft, rfftfreq
from .ops.fourier_nd import (
    fft2,
    fftn,
    fftshift,
    hfft2,
    hfftn,
    ifft2,
    ifftn,
    ifftshift,
    ihfft2,
    ihfftn,
    irfft2,
    irfftn,
    rfft2,
    rfftn,
)

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "ifftshift",
    "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip
