"""Rearrangements of channels and pixels: pixel_shuffle, pixel_unshuffle, channel_shuffle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import public
from ..samples import call, raises, t
from .args import as_int
from .shape import permute_p, reshape_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def _image(input: Any, factor: Any, op: str, name: str) -> tuple[Any, int]:
    x, r = as_tensor_arg(input, op), as_int(factor, op, name)
    if len(x._shape) < 3:
        raise ShapeError(f"{op}: input (..., C, H, W) with at least 3 dimensions is expected, got shape {x._shape}")
    if r < 1:
        raise ShapeError(f"{op}: {name} must be at least 1, got {r}")
    return x, r


def _moved(x: Any, split: tuple[int, ...], order: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """x seen with its last three dimensions split up, those reordered, and merged again."""
    lead = x._shape[:-3]
    n = len(lead)
    y = permute_p(reshape_p(x, (*lead, *split)), (*range(n), *(n + i for i in order)))
    return reshape_p(y, (*lead, *shape))


def _ref_shuffle(x: Any, r: int) -> Any:
    *lead, c, h, w = x.shape
    out = np.empty((*lead, c // (r * r), h * r, w * r), x.dtype)
    for i in range(r):
        for j in range(r):
            out[..., i::r, j::r] = x[..., i * r + j :: r * r, :, :]
    return out


def _ref_unshuffle(x: Any, r: int) -> Any:
    *lead, c, h, w = x.shape
    out = np.empty((*lead, c * r * r, h // r, w // r), x.dtype)
    for i in range(r):
        for j in range(r):
            out[..., i * r + j :: r * r, :, :] = x[..., i::r, j::r]
    return out


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 8, 2, 3), 2),
        call(t(9, 1, 2), 3),
        call(t(2, 1, 4, 1, 1), 2),
        call(t(0, 4, 2, 2), 2, torch=False),
    ],
    errors=lambda: [
        raises(RuntimeError, r"3 channels cannot be divided by 4", t(1, 3, 2, 2), 2),
        raises(RuntimeError, r"upscale_factor must be at least 1", t(1, 4, 2, 2), 0),
        raises(RuntimeError, r"at least 3 dimensions", t(2, 2), 1),
    ],
    ref=_ref_shuffle,
)
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., C r^2, H, W) to (..., C, H r, W r): channels become the r x r pixels of a block, r = upscale_factor.

    out[..., c, h r + i, w r + j] = in[..., c r^2 + i r + j, h, w]. ShapeError where r^2 does not divide the channels.

    Shi et al.: "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural
    network" (CVPR 2016).

    >>> import retrograd as rg
    >>> rg.nn.functional.pixel_shuffle(rg.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    x, r = _image(input, upscale_factor, "pixel_shuffle", "upscale_factor")
    c, h, w = x._shape[-3:]
    if c % (r * r):
        raise ShapeError(
            f"pixel_shuffle: {c} channels cannot be divided by {r * r}, the square of upscale_factor {r} (input {x._shape})"
        )
    return _moved(x, (c // (r * r), r, r, h, w), (0, 3, 1, 4, 2), (c // (r * r), h * r, w * r))


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(2, 2, 4, 6), 2), call(t(1, 3, 6), 3), call(t(2, 1, 2, 2, 2), 2)],
    errors=lambda: [
        raises(RuntimeError, r"size \(3, 2\) cannot be divided by downscale_factor 2", t(1, 1, 3, 2), 2),
        raises(RuntimeError, r"downscale_factor must be at least 1", t(1, 4, 2, 2), -1),
    ],
    ref=_ref_unshuffle,
)
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(..., C, H r, W r) to (..., C r^2, H, W): the reverse of `pixel_shuffle`, r = downscale_factor.

    ShapeError where r does not divide height and width.

    >>> import retrograd as rg
    >>> rg.nn.functional.pixel_unshuffle(rg.arange(4.0).reshape(1, 2, 2), 2).flatten()
    tensor([0., 1., 2., 3.])
    """
    x, r = _image(input, downscale_factor, "pixel_unshuffle", "downscale_factor")
    c, h, w = x._shape[-3:]
    if h % r or w % r:
        raise ShapeError(
            f"pixel_unshuffle: size {(h, w)} cannot be divided by downscale_factor {r} (input {x._shape}); pad it first"
        )
    return _moved(x, (c, h // r, r, w // r, r), (0, 2, 4, 1, 3), (c * r * r, h // r, w // r))


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(2, 6, 2, 3), 3), call(t(1, 4, 5), 2), call(t(0, 4, 2, 2), 2)],
    errors=lambda: [
        raises(RuntimeError, r"5 channels cannot be divided into 2 groups", t(1, 5, 2, 2), 2),
        raises(RuntimeError, r"groups must be at least 1", t(1, 4, 2, 2), 0),
        raises(RuntimeError, r"more than 2 dimensions", t(1, 4), 2),
    ],
    ref=lambda x, g: x.reshape(x.shape[0], g, x.shape[1] // g, *x.shape[2:]).swapaxes(1, 2).reshape(x.shape),
)
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """(N, C, ...) with the channels of the groups dealt out in turn: group g's k-th channel becomes k * groups + g.

    ShapeError where groups does not divide C. Zhang et al.: "ShuffleNet" (CVPR 2018).

    >>> import retrograd as rg
    >>> rg.nn.functional.channel_shuffle(rg.arange(4.0).reshape(1, 4, 1), 2).flatten()
    tensor([0., 2., 1., 3.])
    """
    op = "channel_shuffle"
    x, g = as_tensor_arg(input, op), as_int(groups, op, "groups")
    s = x._shape
    if len(s) < 3:
        raise ShapeError(f"{op}: input (N, C, ...) with more than 2 dimensions is expected, got shape {s}")
    if g < 1:
        raise ShapeError(f"{op}: groups must be at least 1, got {g}")
    if s[1] % g:
        raise ShapeError(f"{op}: {s[1]} channels cannot be divided into {g} groups (input {s})")
    y = reshape_p(x, (s[0], g, s[1] // g, *s[2:]))
    return reshape_p(permute_p(y, (0, 2, 1, *range(3, len(s) + 1))), s)


native_channel_shuffle = channel_shuffle
