"""Losses of image synthesis: content and style of feature maps (neural style transfer), and total variation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import ShapeError
from .. import functional as F
from .base import Loss, check_equal_shapes, check_float, check_positive, reduced, reduction_arg, safe_pow, safe_sqrt

__all__ = ["ContentLoss", "StyleLoss", "TotalVariationLoss", "gram_matrix", "total_variation"]


def _maps(op: str, x: Any) -> Tensor:
    t = as_tensor_arg(x, op)
    check_float(op, input=t)
    if t.ndim not in (3, 4):
        raise ShapeError(f"{op}: feature maps (N, C, H, W) or (C, H, W) are expected, got {tuple(t.shape)}")
    return t


def gram_matrix(input: Tensor, normalize: bool = False) -> Tensor:
    r"""The products of all pairs of feature maps, $G_{ij} = \sum_k F_{ik} F_{jk}$ over all places k: `(N, C, C)`.

    It says which features occur together, not where. normalize: divide by C * H * W, so that maps of different sizes
    compare. Shapes: `(N, C, H, W)` gives `(N, C, C)`, `(C, H, W)` gives `(C, C)`.

    Gatys, Ecker, Bethge, "Image style transfer using convolutional neural networks", CVPR 2016.

    >>> import retrograd as rg
    >>> rg.nn.gram_matrix(rg.tensor([[[1.0, 2.0]], [[3.0, 4.0]]]))
    tensor([[ 5., 11.],
            [11., 25.]])
    """
    x = _maps("gram_matrix", input)
    rows = x.flatten(-2)  # (..., C, H * W)
    gram = rows @ rows.mT
    return gram / (rows.shape[-1] * rows.shape[-2]) if normalize else gram


def _layers(op: str, input: Any, target: Any, weights: Sequence[float] | None) -> list[tuple[Any, Any, float]]:
    """The pairs of feature maps with their weights, of one layer or of several."""
    one = not isinstance(input, (list, tuple))
    xs, ys = ([input], [target]) if one else (list(input), list(target))
    ws = [1.0] * len(xs) if weights is None else list(weights)
    if len(xs) != len(ys) or len(xs) != len(ws) or not xs:
        raise ShapeError(
            f"{op}: {len(xs)} layers of input, {len(ys)} of target and {len(ws)} layer_weights; give as many of each"
        )
    return list(zip(xs, ys, ws, strict=True))


class ContentLoss(Loss):
    r"""Half the squared error of feature maps, $\frac12 \sum_{ij} (F_{ij} - P_{ij})^2$, summed over the layers.

    layer_weights: a factor for each layer, None for 1. reduction acts on the images of a batch: 'none' gives `(N,)`,
    'mean' their mean. Shapes: input and target equal, `(N, C, H, W)` or `(C, H, W)`, or lists of such.

    Gatys, Ecker, Bethge, "Image style transfer using convolutional neural networks", CVPR 2016.

    >>> import retrograd as rg
    >>> rg.nn.ContentLoss()(rg.zeros(1, 1, 1, 2), rg.tensor([[[[3.0, 4.0]]]]))
    tensor(12.5000)
    """

    settings = ("layer_weights",)

    def __init__(self, layer_weights: Sequence[float] | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.layer_weights = None if layer_weights is None else tuple(layer_weights)

    def forward(self, input: Tensor | Sequence[Tensor], target: Tensor | Sequence[Tensor]) -> Tensor:
        total: Any = 0
        for x, y, weight in _layers("ContentLoss", input, target, self.layer_weights):
            x, y = _maps("ContentLoss", x), _maps("ContentLoss", y)
            check_equal_shapes("ContentLoss", input=x, target=y)
            total = total + ((x - y) ** 2).sum((-3, -2, -1)) * (weight / 2)
        return reduced(total, self.reduction)


class StyleLoss(Loss):
    r"""The squared error of Gram matrices, $\frac{1}{4 C^2 M^2} \sum_{ij} (G_{ij} - A_{ij})^2$, summed over the layers.

    C is the number of feature maps, M = H * W their size. The target may have another size (a style image of its own):
    each Gram matrix is divided by its own C * M, which is the same formula where the sizes are equal.

    layer_weights: a factor for each layer, None for 1 (the paper takes one over the number of layers). reduction acts
    on the images of a batch: 'none' gives `(N,)`, 'mean' their mean. Shapes: `(N, C, H, W)` or `(C, H, W)`, or lists
    of such; equal up to the size of the image.

    Gatys, Ecker, Bethge, "Image style transfer using convolutional neural networks", CVPR 2016.

    >>> import retrograd as rg
    >>> x = rg.rand(1, 2, 4, 4, generator=rg.Generator().manual_seed(0))
    >>> bool(rg.nn.StyleLoss()(x, x.flip(3)) < 1e-12)  # a mirrored image has the same style
    True
    """

    settings = ("layer_weights",)

    def __init__(self, layer_weights: Sequence[float] | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.layer_weights = None if layer_weights is None else tuple(layer_weights)

    def forward(self, input: Tensor | Sequence[Tensor], target: Tensor | Sequence[Tensor]) -> Tensor:
        total: Any = 0
        for x, y, weight in _layers("StyleLoss", input, target, self.layer_weights):
            x, y = _maps("StyleLoss", x), _maps("StyleLoss", y)
            if x.shape[:-2] != y.shape[:-2]:
                raise ShapeError(
                    f"StyleLoss: input {tuple(x.shape)} and target {tuple(y.shape)} differ in more than the size of "
                    "the image; the batches and the feature maps must match, expand a single style image yourself"
                )
            error = (gram_matrix(x, normalize=True) - gram_matrix(y, normalize=True)) ** 2
            total = total + error.sum((-2, -1)) * (weight / 4)
        return reduced(total, self.reduction)


def total_variation(input: Tensor, isotropic: bool = False, power: float = 1.0, reduction: str = "mean") -> Tensor:
    r"""How much neighbouring pixels differ: $\sum |\Delta_x|^\beta + |\Delta_y|^\beta$ for each image.

    isotropic: $\sum (\Delta_x^2 + \Delta_y^2)^{\beta/2}$, which does not prefer the axes; the difference across the
    image's border is 0. reduction acts on the images: 'none' gives `(N,)`. Shapes: `(N, C, H, W)` or `(C, H, W)`.

    Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms", 1992 (beta = 1); Mahendran,
    Vedaldi, "Understanding deep image representations by inverting them", CVPR 2015 (isotropic, beta).

    >>> import retrograd as rg
    >>> rg.nn.total_variation(rg.tensor([[[0.0, 3.0], [4.0, 4.0]]]))  # 3 + 0 along the rows, 4 + 1 down the columns
    tensor(8.)
    """
    check_positive("total_variation", power=power)
    reduction = reduction_arg("total_variation", reduction)
    x = _maps("total_variation", input)
    down, right = x[..., 1:, :] - x[..., :-1, :], x[..., :, 1:] - x[..., :, :-1]
    if isotropic:
        square = F.pad(down, (0, 0, 0, 1)) ** 2 + F.pad(right, (0, 1)) ** 2
        each = safe_sqrt(square) if power == 1 else safe_pow(square, power / 2)
        return reduced(each.sum((-3, -2, -1)), reduction)
    sums = [safe_pow(d.abs(), power).sum((-3, -2, -1)) for d in (down, right)]
    return reduced(sums[0] + sums[1], reduction)


class TotalVariationLoss(Loss):
    """Total variation as a penalty on an image, times weight; see `total_variation` for the formula and the arguments.

    Shapes: `(N, C, H, W)` or `(C, H, W)`. Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal
    algorithms", 1992.

    >>> import retrograd as rg
    >>> rg.nn.TotalVariationLoss(weight=0.5)(rg.tensor([[[0.0, 3.0], [4.0, 4.0]]]))
    tensor(4.)
    """

    settings = ("weight", "isotropic", "power")

    def __init__(
        self, weight: float = 1.0, isotropic: bool = False, power: float = 1.0, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        check_positive("TotalVariationLoss", power=power)
        self.weight, self.isotropic, self.power = weight, isotropic, power

    def forward(self, input: Tensor) -> Tensor:
        return self.weight * total_variation(input, self.isotropic, self.power, self.reduction)
