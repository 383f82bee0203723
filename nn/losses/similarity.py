"""Structural similarity of images, on one scale and on several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import ShapeError
from ...autograd.ops.join import cat
from ...autograd.ops.ranges import arange
from .. import functional as F
from .base import Loss, check_equal_shapes, check_float, check_positive, reduced, reduction_arg, safe_pow

__all__ = ["MSSSIMLoss", "SSIMLoss", "ms_ssim", "ssim"]

# The exponents that observers' judgements gave for the five scales (Wang et al. 2003).
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def _window(size: int, sigma: float, like: Tensor) -> Tensor:
    """A Gaussian `(size,)` of sum 1."""
    at = arange(size, device=like.device, dtype=like.dtype) - (size - 1) / 2
    g = (at * at / (-2 * sigma * sigma)).exp()
    return g / g.sum()


def _images(op: str, input: Any, target: Any, window_size: int, scales: int = 1) -> tuple[Tensor, Tensor, bool]:
    """Both as (N, C, H, W), and whether they came without a batch."""
    x, y = as_tensor_arg(input, op), as_tensor_arg(target, op)
    check_equal_shapes(op, input=x, target=y)
    check_float(op, input=x, target=y)
    if x.ndim not in (3, 4):
        raise ShapeError(f"{op}: images (N, C, H, W) or (C, H, W) are expected, got {tuple(x.shape)}")
    needed = (window_size - 1) * 2 ** (scales - 1) + 1
    if min(x.shape[-2:]) < needed:
        ways = "a smaller window_size" + (" or fewer scales (weights)" if scales > 1 else "")
        raise ShapeError(
            f"{op}: images of {x.shape[-2]} by {x.shape[-1]} pixels are too small; a window of {window_size}"
            f"{f' on {scales} scales' if scales > 1 else ''} needs {needed} in either direction: give {ways}"
        )
    return (x.unsqueeze(0), y.unsqueeze(0), True) if x.ndim == 3 else (x, y, False)


def _check_settings(op: str, data_range: float, window_size: int, sigma: float) -> None:
    check_positive(op, data_range=data_range, window_size=window_size, sigma=sigma)
    if window_size % 2 == 0:
        raise ValueError(f"{op}: window_size must be odd, so that the window has a centre; got {window_size}")


def _terms(x: Tensor, y: Tensor, window: Tensor, data_range: float, k1: float, k2: float) -> tuple[Tensor, Tensor]:
    """The means over the map of l * cs and of cs (luminance; contrast and structure) for each channel: (N, C) twice."""
    n, c, h, w = x.shape
    stack = cat([x, y, x * x, y * y, x * y]).reshape(5 * n * c, 1, h, w)
    size = window.shape[0]
    # The Gaussian separates: down the columns, then along the rows; only where the window fits ('valid').
    stack = F.conv2d(F.conv2d(stack, window.reshape(1, 1, size, 1)), window.reshape(1, 1, 1, size))
    mx, my, xx, yy, xy = stack.reshape(5, n, c, *stack.shape[2:]).unbind(0)
    c1, c2 = (k1 * data_range) ** 2, (k2 * data_range) ** 2
    mxy, squares = mx * my, mx * mx + my * my
    contrast_structure = (2 * (xy - mxy) + c2) / (xx + yy - squares + c2)
    luminance = (2 * mxy + c1) / (squares + c1)
    return (luminance * contrast_structure).mean((2, 3)), contrast_structure.mean((2, 3))


def ssim(
    input: Tensor,
    target: Tensor,
    data_range: float = 1.0,
    window_size: int = 11,
    sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    reduction: str = "mean",
) -> Tensor:
    r"""Structural similarity of two images, 1 for equal ones.

    The mean over all places of the window and all channels of
    $\frac{(2\mu_x\mu_y + C_1)(2\sigma_{xy} + C_2)}{(\mu_x^2 + \mu_y^2 + C_1)(\sigma_x^2 + \sigma_y^2 + C_2)}$ with
    $C_i = (k_i L)^2$ and moments under a Gaussian window. The window stays inside the image, as in the authors' code.

    data_range: L, the distance between the smallest and the largest possible value (1 for images in [0, 1], 255 for
    bytes). reduction 'none' gives `(N,)`. Shapes: input and target equal, `(N, C, H, W)` or `(C, H, W)`.

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity", 2004.

    >>> import retrograd as rg
    >>> x = rg.linspace(0, 1, 256).reshape(1, 1, 16, 16)
    >>> rg.nn.ssim(x, x), rg.nn.ssim(x, 1 - x) < 0
    (tensor(1.), tensor(True))
    """
    _check_settings("ssim", data_range, window_size, sigma)
    reduction = reduction_arg("ssim", reduction)
    x, y, single = _images("ssim", input, target, window_size)
    both, _ = _terms(x, y, _window(window_size, sigma, x), data_range, k1, k2)
    index = both.mean(1)
    return reduced(index.squeeze(0) if single else index, reduction)


def ms_ssim(
    input: Tensor,
    target: Tensor,
    data_range: float = 1.0,
    window_size: int = 11,
    sigma: float = 1.5,
    weights: Sequence[float] = SCALES,
    k1: float = 0.01,
    k2: float = 0.03,
    reduction: str = "mean",
) -> Tensor:
    r"""Structural similarity on several scales, each half as fine as the one before, 1 for equal images.

    $l_M^{w_M} \prod_{j=1}^M (c_j s_j)^{w_j}$: contrast and structure count on each scale, luminance on the coarsest.
    Halving averages 2 by 2 pixels; an odd side repeats its last row. Negative terms, whose powers are not real, count
    as 0. One index for each channel, then their mean.

    weights: the exponents, one for each scale; with the five of the paper images need 161 pixels in either direction.
    data_range, reduction, shapes: as for `ssim`.

    Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment", 2003.

    >>> import retrograd as rg
    >>> x = rg.rand(1, 3, 48, 48, generator=rg.Generator().manual_seed(0))
    >>> rg.nn.ms_ssim(x, x, weights=(0.5, 0.5))
    tensor(1.)
    """
    _check_settings("ms_ssim", data_range, window_size, sigma)
    reduction = reduction_arg("ms_ssim", reduction)
    _check_weights("ms_ssim", weights)
    x, y, single = _images("ms_ssim", input, target, window_size, len(weights))
    window = _window(window_size, sigma, x)
    index: Any = None
    for j, weight in enumerate(weights):
        both, contrast_structure = _terms(x, y, window, data_range, k1, k2)
        last = j == len(weights) - 1
        term = safe_pow((both if last else contrast_structure).relu(), weight)
        index = term if index is None else index * term
        if not last:
            x, y = _halved(x), _halved(y)
    index = index.mean(1)
    return reduced(index.squeeze(0) if single else index, reduction)


def _check_weights(op: str, weights: Sequence[float]) -> None:
    if not len(weights) or any(not w > 0 or not math.isfinite(w) for w in weights):
        raise ValueError(f"{op}: weights are exponents above 0, one for each scale, got {tuple(weights)}")


def _halved(x: Tensor) -> Tensor:
    odd = (x.shape[-2] % 2, x.shape[-1] % 2)
    return F.avg_pool2d(F.pad(x, (0, odd[1], 0, odd[0]), mode="replicate") if any(odd) else x, 2)


class SSIMLoss(Loss):
    """`1 - ssim(input, target)`: 0 for equal images, at most 2; see `ssim` for the formula and the arguments.

    reduction 'none' gives one loss for each image, `(N,)`. Shapes: input and target equal, `(N, C, H, W)` or
    `(C, H, W)`.

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural similarity", 2004.

    >>> import retrograd as rg
    >>> x = rg.linspace(0, 1, 256).reshape(1, 1, 16, 16)
    >>> rg.nn.SSIMLoss()(x, x)
    tensor(0.)
    """

    settings = ("data_range", "window_size", "sigma")

    def __init__(
        self,
        data_range: float = 1.0,
        window_size: int = 11,
        sigma: float = 1.5,
        k1: float = 0.01,
        k2: float = 0.03,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        _check_settings("SSIMLoss", data_range, window_size, sigma)
        self.data_range, self.window_size, self.sigma, self.k1, self.k2 = data_range, window_size, sigma, k1, k2

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        loss = 1 - ssim(input, target, self.data_range, self.window_size, self.sigma, self.k1, self.k2, "none")
        return reduced(loss, self.reduction)


class MSSSIMLoss(Loss):
    """`1 - ms_ssim(input, target)`: 0 for equal images, at most 1; see `ms_ssim` for the formula and the arguments.

    reduction 'none' gives one loss for each image, `(N,)`. Shapes: input and target equal, `(N, C, H, W)` or
    `(C, H, W)`.

    Wang, Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment", 2003; Zhao, Gallo, Frosio,
    Kautz, "Loss functions for image restoration with neural networks", 2017.

    >>> import retrograd as rg
    >>> x = rg.rand(1, 3, 48, 48, generator=rg.Generator().manual_seed(0))
    >>> bool(rg.nn.MSSSIMLoss(weights=(0.5, 0.5))(x, x).abs() < 1e-6)
    True
    """

    settings = ("data_range", "window_size", "sigma", "weights")

    def __init__(
        self,
        data_range: float = 1.0,
        window_size: int = 11,
        sigma: float = 1.5,
        weights: Sequence[float] = SCALES,
        k1: float = 0.01,
        k2: float = 0.03,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        _check_settings("MSSSIMLoss", data_range, window_size, sigma)
        _check_weights("MSSSIMLoss", weights)
        self.data_range, self.window_size, self.sigma, self.k1, self.k2 = data_range, window_size, sigma, k1, k2
        self.weights = tuple(weights)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        index = ms_ssim(
            input, target, self.data_range, self.window_size, self.sigma, self.weights, self.k1, self.k2, "none"
        )
        return reduced(1 - index, self.reduction)
