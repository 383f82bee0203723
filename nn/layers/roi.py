"""Features of boxes: RoI pooling, RoI align, and the position-sensitive form of each, under torchvision's names.

Averages (all but `roi_pool`) are one product with a sparse matrix, whose row has the weights of the pixels of one bin.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...autograd import Tensor, no_grad
from ...autograd.dtypes import bfloat16, float16, float32, int64
from ...autograd.errors import DtypeError, RangeError, ShapeError
from ...autograd.ops.create import full, zeros
from ...autograd.ops.join import cat, stack
from ...autograd.ops.ranges import arange
from ...autograd.ops.where import where
from ..modules.module import Module
from ..modules.utils import pair

__all__ = [
    "PSRoIAlign", "PSRoIPool", "RoIAlign", "RoIPool", "ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool",
]  # fmt: skip

_AT_ONCE = 1 << 22  # elements that the search for maxima holds at a time


# ---------------------------------------------------------------- what the four share
def _rois(name: str, input: Tensor, boxes: Tensor | Sequence[Tensor]) -> Tensor:
    """The boxes as one tensor (K, 5): index of the image, x1, y1, x2, y2; checked against the input."""
    if not isinstance(input, Tensor) or input.ndim != 4:
        given = tuple(input.shape) if isinstance(input, Tensor) else type(input).__name__
        raise ShapeError(f"{name}: expected an input (N, C, H, W), got {given}; for one image unsqueeze(0)")
    if isinstance(boxes, Tensor):
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise ShapeError(
                f"{name}: boxes in one tensor must have shape (K, 5), the image's index and x1, y1, x2, y2, got "
                f"{tuple(boxes.shape)}; give a list with one (L, 4) tensor an image instead?"
            )
        rois = boxes
    elif isinstance(boxes, list | tuple) and boxes and all(isinstance(b, Tensor) for b in boxes):
        for b in boxes:
            if b.ndim != 2 or b.shape[1] != 4:
                raise ShapeError(
                    f"{name}: each tensor in the list of boxes must have shape (L, 4), got {tuple(b.shape)}"
                )
        ids = [full((b.shape[0], 1), i, dtype=b.dtype, device=b.device) for i, b in enumerate(boxes)]
        rois = cat([cat([i, b], 1) for i, b in zip(ids, boxes, strict=True)], 0)
    else:
        raise TypeError(
            f"{name}: boxes must be a tensor (K, 5) or a list of tensors (L, 4), got {type(boxes).__name__}"
        )
    if rois.dtype != input.dtype:
        raise DtypeError(f"{name}: the input is {input.dtype} but the boxes are {rois.dtype}; convert one with .to()")
    if rois.shape[0]:
        image = rois[:, 0].detach()
        if bool(((image < 0) | (image >= input.shape[0])).any()):
            raise RangeError(f"{name}: a box names an image that is not among the {input.shape[0]} of the input")
    return rois


def _sizes(name: str, output_size: int | Sequence[int]) -> tuple[int, int]:
    size = pair(output_size)
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"{name}: output_size must be a positive number or a pair (height, width), got {output_size}")
    return size  # type: ignore[return-value]  # two numbers


def _check_groups(name: str, input: Tensor, size: tuple[int, int]) -> None:
    """Whether a position-sensitive form finds channels for every bin."""
    if input.shape[1] % (size[0] * size[1]):
        raise ShapeError(
            f"{name}: the input must have a multiple of {size[0]} * {size[1]} channels, one for each bin, got "
            f"{input.shape[1]}"
        )


def _exact(*tensors: Tensor) -> list[Tensor]:
    """Half-precision operands as float32: a coordinate over 256 has no place for a fraction in bfloat16."""
    return [t.to(float32) if t.dtype in (float16, bfloat16) else t for t in tensors]


def _spread(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For counts (n,): (to which of the n each of the sum(counts) elements belongs, its number among those)."""
    owner = arange(counts.shape[0], device=counts.device).repeat_interleave(counts)
    before = counts.cumsum(0) - counts
    return owner, arange(owner.shape[0], device=counts.device) - before[owner]


def _product(
    input: Tensor, image: Tensor, size: tuple[int, int], per_bin: Tensor, pixels: Tensor, weights: Tensor, each: bool
) -> Tensor:
    """The weighted sum of pixels in each bin, (K, C, PH, PW).

    image: (K,). per_bin: (K*PH*PW,), how many pixels each bin has. pixels, weights: over all bins in turn, pixels as
    row * W + column. each: every bin has channels of its own (position-sensitive).
    """
    from ...autograd.sparse import mm, sparse_csr_tensor

    (n, c, h, w), (ph, pw) = input.shape, size
    bins, parts = image.shape[0] * ph * pw, ph * pw if each else 1
    x = input.reshape(n, c // parts, parts, h * w).permute(0, 2, 3, 1).reshape(n * parts * h * w, c // parts)
    if not bins:
        return x[:0].reshape(0, c // parts, ph, pw)
    first = image.unsqueeze(1) * parts  # (K, 1), then of each bin
    first = first + (arange(ph * pw, device=image.device) if each else zeros(ph * pw, dtype=int64, device=image.device))
    columns = (first.flatten() * (h * w)).repeat_interleave(per_bin) + pixels
    starts = cat([zeros(1, dtype=int64, device=image.device), per_bin.cumsum(0)])
    matrix = sparse_csr_tensor(starts, columns, weights, (bins, x.shape[0]), check_invariants=False)
    return mm(matrix, x).reshape(image.shape[0], ph, pw, c // parts).permute(0, 3, 1, 2)


# ---------------------------------------------------------------- align
def _ends(at: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """(pixel, weight) of the two neighbours of a coordinate; from -1 to 0 and to size the border is repeated, then 0."""
    inside = (at >= -1) & (at <= size)
    near = at.clamp(min=0)
    low = near.detach().floor().clamp(max=size - 1)
    part = where(low >= size - 1, 0.0, near - low)
    found = []
    for pixel, weight in ((low, 1 - part), ((low + 1).clamp(max=size - 1), part)):
        found.append((where(inside, pixel, 0.0).to(int64), where(inside, weight, 0.0)))
    return found


def _align(
    input: Tensor,
    rois: Tensor,
    size: tuple[int, int],
    scale: float,
    ratio: int,
    half: bool,
    at_least_one: bool,
    each: bool,
) -> Tensor:
    (ph, pw), (h, w) = size, input.shape[2:]
    image = rois[:, 0].detach().to(int64)
    corners = rois[:, 1:] * scale - (0.5 if half else 0.0)
    extent = corners[:, 2:] - corners[:, :2]  # (K, 2): width, height
    if at_least_one:
        extent = extent.clamp(min=1.0)
    bin_w, bin_h = extent[:, 0] / pw, extent[:, 1] / ph
    if ratio > 0:
        grid_w = grid_h = full(image.shape, ratio, dtype=int64, device=image.device)
    else:
        grid_w, grid_h = (b.detach().ceil().clamp(min=0).to(int64) for b in (bin_w, bin_h))
    counts = grid_w * grid_h  # (K,) samples in each bin of a box
    per_bin = counts.repeat_interleave(ph * pw)
    owner, number = _spread(per_bin)
    box = owner // (ph * pw)
    row, column = number // grid_w[box], number % grid_w[box]
    row, column = row.to(input.dtype) + 0.5, column.to(input.dtype) + 0.5
    y = corners[:, 1][box] + (owner // pw % ph) * bin_h[box] + row * (bin_h / grid_h)[box]
    x = corners[:, 0][box] + (owner % pw) * bin_w[box] + column * (bin_w / grid_w)[box]
    share = (1 / counts.to(input.dtype))[box]
    pixels, weights = [], []
    for low, weight_y in _ends(y, h):
        for left, weight_x in _ends(x, w):
            pixels.append(low * w + left)
            weights.append(weight_y * weight_x * share)
    return _product(input, image, size, per_bin * 4, stack(pixels, -1).flatten(), stack(weights, -1).flatten(), each)


def roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """The mean of each bin of each box, from samples between pixels by bilinear interpolation: nothing is rounded.

    A box is divided into output_size bins, a bin is sampled at a regular grid of sampling_ratio x sampling_ratio points,
    or of ceil(bin height) x ceil(bin width) for sampling_ratio <= 0. spatial_scale takes the boxes to the input: 1/16 for
    a feature map of that scale. aligned=True: pixel i covers i - 0.5 to i + 0.5 (boxes are shifted by half a pixel);
    False, as in the first implementations, without shift, and boxes are at least 1 wide and high.

    Shapes: input `(N, C, H, W)`; boxes `(K, 5)` (index of the image, x1, y1, x2, y2), or a list of N tensors `(L, 4)`;
    output `(K, C, output_size[0], output_size[1])`. Gradients flow to the input, and to boxes that require one (in
    torchvision they do not; detach the boxes for that).

    He, Gkioxari, Dollar & Girshick, "Mask R-CNN", ICCV 2017.

    >>> import retrograd as rg
    >>> x = rg.arange(16.0).reshape(1, 1, 4, 4)
    >>> rg.nn.roi_align(x, [rg.tensor([[0.0, 0.0, 2.0, 2.0]])], output_size=2)
    tensor([[[[2.5000, 3.5000],
              [6.5000, 7.5000]]]])
    """
    rois, size = _rois("roi_align", input, boxes), _sizes("roi_align", output_size)
    x, rois = _exact(input, rois)
    return _align(x, rois, size, spatial_scale, sampling_ratio, aligned, not aligned, False).to(input.dtype)


def ps_roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
) -> Tensor:
    """Position-sensitive RoI align: as `roi_align` with aligned=True, but each bin reads channels of its own.

    Bin (i, j) of output channel c reads input channel `(c * output_size[0] + i) * output_size[1] + j`.

    Shapes: input `(N, C * output_size[0] * output_size[1], H, W)`; boxes as in `roi_align`; output
    `(K, C, output_size[0], output_size[1])`.

    Li et al., "Light-Head R-CNN: In Defense of Two-Stage Object Detector", 2017; Dai et al., "R-FCN", NeurIPS 2016.

    >>> import retrograd as rg
    >>> x = rg.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 6, 6)
    >>> rg.nn.ps_roi_align(x, [rg.tensor([[1.0, 1.0, 5.0, 5.0]])], 2)
    tensor([[[[0., 1.],
              [2., 3.]]]])
    """
    rois, size = _rois("ps_roi_align", input, boxes), _sizes("ps_roi_align", output_size)
    _check_groups("ps_roi_align", input, size)
    x, rois = _exact(input, rois)
    return _align(x, rois, size, spatial_scale, sampling_ratio, True, False, True).to(input.dtype)


# ---------------------------------------------------------------- pool
def _rounded(x: Tensor) -> Tensor:
    """The nearest integer, as a floating-point number; halves go away from 0, as in C."""
    return x.sign() * (x.abs() + 0.5).floor()


def _windows(corners: Tensor, low: int, high: int, extra: int, bins: int, limit: int) -> tuple[Tensor, Tensor]:
    """(start, length) of each bin along one side of the boxes, (K, bins), cut to 0 ... limit. corners: rounded, (K, 4)."""
    start = corners[:, low]
    step = (corners[:, high] - start + extra).clamp(min=1) / bins
    at = arange(bins, dtype=corners.dtype, device=corners.device)
    first = (at * step.unsqueeze(1)).floor() + start.unsqueeze(1)
    last = ((at + 1) * step.unsqueeze(1)).ceil() + start.unsqueeze(1)
    first, last = (edge.clamp(0, limit).to(int64) for edge in (first, last))
    return first, (last - first).clamp(min=0)


def roi_pool(
    input: Tensor, boxes: Tensor | Sequence[Tensor], output_size: int | Sequence[int], spatial_scale: float = 1.0
) -> Tensor:
    """The maximum of each bin of each box, whose corners and bins are rounded to pixels; 0 for an empty bin.

    A box covers the pixels from round(x1 * spatial_scale) to round(x2 * spatial_scale), both included, at least one; bin
    i of n from floor(i * width / n) to ceil((i + 1) * width / n). The gradient goes to the first maximum of a bin, and
    none to the boxes.

    Shapes: input `(N, C, H, W)`; boxes `(K, 5)` (index of the image, x1, y1, x2, y2), or a list of N tensors `(L, 4)`;
    output `(K, C, output_size[0], output_size[1])`.

    Girshick, "Fast R-CNN", ICCV 2015.

    >>> import retrograd as rg
    >>> x = rg.arange(16.0).reshape(1, 1, 4, 4)
    >>> rg.nn.roi_pool(x, [rg.tensor([[0.0, 0.0, 3.0, 3.0]])], output_size=2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    (rois,), (ph, pw) = _exact(_rois("roi_pool", input, boxes).detach()), _sizes("roi_pool", output_size)
    n, c, h, w = input.shape
    x = input.permute(0, 2, 3, 1).reshape(n * h * w, c)
    if not rois.shape[0] or not c:
        return x[:0].reshape(rois.shape[0], c, ph, pw)
    image, corners = rois[:, 0].to(int64), _rounded(rois[:, 1:] * spatial_scale)
    top, height = _windows(corners, 1, 3, 1, ph, h)
    left, width = _windows(corners, 0, 2, 1, pw, w)
    tallest, widest = max(1, int(height.max())), max(1, int(width.max()))
    down, right = arange(tallest, device=x.device), arange(widest, device=x.device)
    step = max(1, _AT_ONCE // (ph * pw * tallest * widest * c))
    found = []
    with no_grad():
        for k in range(0, rois.shape[0], step):
            s = slice(k, k + step)
            rows = (top[s].unsqueeze(-1) + down).clamp(max=h - 1)  # (k, PH, tallest)
            columns = (left[s].unsqueeze(-1) + right).clamp(max=w - 1)  # (k, PW, widest)
            here = image[s].reshape(-1, 1, 1) * h + rows
            at = here[:, :, None, :, None] * w + columns[:, None, :, None, :]  # (k, PH, PW, tallest, widest)
            taken = (down < height[s].unsqueeze(-1))[:, :, None, :, None] & (right < width[s].unsqueeze(-1))[
                :, None, :, None, :
            ]
            values = where(taken.unsqueeze(-1), x[at], -float("inf")).flatten(3, 4)  # (k, PH, PW, window, C)
            found.append(at.flatten(3, 4).gather(3, values.argmax(3)))  # (k, PH, PW, C)
    pixels = cat(found) * c + arange(c, device=x.device)
    empty = ((height == 0).unsqueeze(2) | (width == 0).unsqueeze(1)).unsqueeze(-1)  # (K, PH, PW, 1)
    return where(empty, 0.0, x.flatten()[pixels]).permute(0, 3, 1, 2)


def ps_roi_pool(
    input: Tensor, boxes: Tensor | Sequence[Tensor], output_size: int | Sequence[int], spatial_scale: float = 1.0
) -> Tensor:
    """Position-sensitive RoI pooling: the mean of each bin of each box, from channels of its own; 0 for an empty bin.

    Bin (i, j) of output channel c reads input channel `(c * output_size[0] + i) * output_size[1] + j`. A box covers the
    pixels from round(x1 * spatial_scale) up to, without, round(x2 * spatial_scale), at least one; as in torchvision, the
    last row and column of the input are never read. No gradient goes to the boxes.

    Shapes: input `(N, C * output_size[0] * output_size[1], H, W)`; boxes as in `roi_pool`; output
    `(K, C, output_size[0], output_size[1])`.

    Dai, Li, He & Sun, "R-FCN: Object Detection via Region-based Fully Convolutional Networks", NeurIPS 2016.

    >>> import retrograd as rg
    >>> x = rg.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, 6, 6)
    >>> rg.nn.ps_roi_pool(x, [rg.tensor([[1.0, 1.0, 5.0, 5.0]])], 2)
    tensor([[[[0., 1.],
              [2., 3.]]]])
    """
    name = "ps_roi_pool"
    rois, size = _rois(name, input, boxes).detach(), _sizes(name, output_size)
    _check_groups(name, input, size)
    x, rois = _exact(input, rois)
    (ph, pw), (h, w) = size, input.shape[2:]
    corners = _rounded(rois[:, 1:] * spatial_scale)
    top, height = _windows(corners, 1, 3, 0, ph, h - 1)
    left, width = _windows(corners, 0, 2, 0, pw, w - 1)
    area = (height.unsqueeze(2) * width.unsqueeze(1)).flatten()  # (K*PH*PW,)
    owner, number = _spread(area)
    across = width.unsqueeze(1).expand(-1, ph, -1).flatten()[owner]
    row = top.unsqueeze(2).expand(-1, -1, pw).flatten()[owner] + number // across
    column = left.unsqueeze(1).expand(-1, ph, -1).flatten()[owner] + number % across
    weights = (1 / area.to(x.dtype))[owner]
    y = _product(x, rois[:, 0].to(int64), size, area, row * w + column, weights, True)
    return y.to(input.dtype)


# ---------------------------------------------------------------- layers
class _RoI(Module):
    """What the four layers share: the arguments of their functions, and how they are shown."""

    _shown: tuple[str, ...] = ("output_size", "spatial_scale")

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)


class RoIPool(_RoI):
    """`roi_pool` as a layer: the maximum of each bin of each box.

    >>> import retrograd as rg
    >>> pool = rg.nn.RoIPool(output_size=(7, 7), spatial_scale=1 / 16)
    >>> tuple(pool(rg.zeros(1, 8, 20, 20), [rg.tensor([[16.0, 16.0, 160.0, 240.0]])]).shape)
    (1, 8, 7, 7)
    """

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)


class RoIAlign(_RoI):
    """`roi_align` as a layer: the mean of each bin of each box, without rounding.

    >>> import retrograd as rg
    >>> align = rg.nn.RoIAlign(output_size=7, spatial_scale=1 / 16, sampling_ratio=2, aligned=True)
    >>> tuple(align(rg.zeros(1, 8, 20, 20), [rg.tensor([[16.0, 16.0, 160.0, 240.0]])]).shape)
    (1, 8, 7, 7)
    """

    _shown = ("output_size", "spatial_scale", "sampling_ratio", "aligned")

    def __init__(
        self, output_size: int | Sequence[int], spatial_scale: float, sampling_ratio: int, aligned: bool = False
    ) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)


class PSRoIPool(_RoI):
    """`ps_roi_pool` as a layer: the mean of each bin of each box, from channels of its own.

    >>> import retrograd as rg
    >>> pool = rg.nn.PSRoIPool(output_size=3, spatial_scale=1.0)
    >>> tuple(pool(rg.zeros(1, 18, 20, 20), [rg.tensor([[1.0, 1.0, 9.0, 9.0]])]).shape)
    (1, 2, 3, 3)
    """

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)


class PSRoIAlign(_RoI):
    """`ps_roi_align` as a layer: the mean of each bin of each box, without rounding, from channels of its own.

    >>> import retrograd as rg
    >>> align = rg.nn.PSRoIAlign(output_size=3, spatial_scale=1.0, sampling_ratio=2)
    >>> tuple(align(rg.zeros(1, 18, 20, 20), [rg.tensor([[1.0, 1.0, 9.0, 9.0]])]).shape)
    (1, 2, 3, 3)
    """

    _shown = ("output_size", "spatial_scale", "sampling_ratio")

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size, self.spatial_scale, self.sampling_ratio = output_size, spatial_scale, sampling_ratio

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        return ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)
