"""Boxes: their overlap, their encoding against anchors, and the losses made of the overlap (IoU, GIoU, DIoU, CIoU)."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import ShapeError
from ...autograd.ops.join import stack
from .base import Loss, check_equal_shapes, check_float, reduced

__all__ = ["CIoULoss", "DIoULoss", "GIoULoss", "IoULoss", "box_iou", "decode_boxes", "encode_boxes"]


def _boxes(op: str, **boxes: Any) -> list[Tensor]:
    found = []
    for name, value in boxes.items():
        x = as_tensor_arg(value, op)
        if not x.ndim or x.shape[-1] != 4:
            raise ShapeError(f"{op}: {name} (..., 4) is expected, got {tuple(x.shape)}")
        check_float(op, **{name: x})
        found.append(x)
    return found


def _areas(x: Tensor) -> Tensor:
    return (x[..., 2] - x[..., 0]) * (x[..., 3] - x[..., 1])


def _overlap(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The areas of intersection and union of boxes (..., 4) with corners (x1, y1, x2, y2)."""
    low, high = x[..., :2].maximum(y[..., :2]), x[..., 2:].minimum(y[..., 2:])
    sides = (high - low).relu()
    shared = sides[..., 0] * sides[..., 1]
    return shared, _areas(x) + _areas(y) - shared


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """The intersection over union of every pair of boxes `(x1, y1, x2, y2)`: `(N, 4)` and `(M, 4)` give `(N, M)`.

    >>> import retrograd as rg
    >>> rg.nn.box_iou(rg.tensor([[0.0, 0.0, 2.0, 2.0]]), rg.tensor([[1.0, 0.0, 3.0, 2.0], [0.0, 0.0, 2.0, 2.0]]))
    tensor([[0.3333, 1.0000]])
    """
    x, y = _boxes("box_iou", boxes1=boxes1, boxes2=boxes2)
    if x.ndim != 2 or y.ndim != 2:
        raise ShapeError(f"box_iou: boxes (N, 4) and (M, 4) are expected, got {tuple(x.shape)} and {tuple(y.shape)}")
    shared, union = _overlap(x.unsqueeze(1), y.unsqueeze(0))  # (N, 1, 4) with (1, M, 4)
    return shared / union


def _centres(x: Tensor) -> tuple[Tensor, Tensor]:
    """Centres and sizes, (..., 2) each, of boxes given by corners."""
    return (x[..., :2] + x[..., 2:]) / 2, x[..., 2:] - x[..., :2]


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    r"""Boxes as offsets from anchors: $t_x = (x - x_a)/w_a$, $t_y = (y - y_a)/h_a$, $t_w = \log(w/w_a)$, $t_h$ alike.

    x, y are centres. Both hold corners `(x1, y1, x2, y2)` in equal shapes `(..., 4)`; so does the result (t_x, t_y, t_w,
    t_h).

    Girshick, Donahue, Darrell, Malik, "Rich feature hierarchies for accurate object detection", CVPR 2014.

    >>> import retrograd as rg
    >>> rg.nn.encode_boxes(rg.tensor([[1.0, 0.0, 3.0, 2.0]]), rg.tensor([[0.0, 0.0, 2.0, 2.0]]))
    tensor([[0.5000, 0.0000, 0.0000, 0.0000]])
    """
    x, a = _boxes("encode_boxes", boxes=boxes, anchors=anchors)
    check_equal_shapes("encode_boxes", boxes=x, anchors=a)
    (centre, size), (at, unit) = _centres(x), _centres(a)
    shift, scale = (centre - at) / unit, (size / unit).log()
    return stack([shift[..., 0], shift[..., 1], scale[..., 0], scale[..., 1]], -1)


def decode_boxes(offsets: Tensor, anchors: Tensor) -> Tensor:
    """The boxes `(x1, y1, x2, y2)` that `encode_boxes` turned into these offsets from the anchors.

    >>> import retrograd as rg
    >>> rg.nn.decode_boxes(rg.tensor([[0.5, 0.0, 0.0, 0.0]]), rg.tensor([[0.0, 0.0, 2.0, 2.0]]))
    tensor([[1., 0., 3., 2.]])
    """
    t, a = _boxes("decode_boxes", offsets=offsets, anchors=anchors)
    check_equal_shapes("decode_boxes", offsets=t, anchors=a)
    at, unit = _centres(a)
    centre, half = at + t[..., :2] * unit, unit * t[..., 2:].exp() / 2
    low, high = centre - half, centre + half
    return stack([low[..., 0], low[..., 1], high[..., 0], high[..., 1]], -1)


class _BoxLoss(Loss):
    """A loss of pairs of boxes with corners; eps keeps empty boxes from a division by zero."""

    settings = ("eps",)

    def __init__(self, eps: float = 1e-7, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not eps >= 0:
            raise ValueError(f"{type(self).__name__}: eps must not be negative, got {eps}")
        self.eps = eps

    def pairs(self, input: Any, target: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Both, their intersection over union, and their union."""
        x, y = _boxes(type(self).__name__, input=input, target=target)
        check_equal_shapes(type(self).__name__, input=x, target=y)
        shared, union = _overlap(x, y)
        return x, y, shared / (union + self.eps), union

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        raise NotImplementedError


def _hull(x: Tensor, y: Tensor) -> Tensor:
    """Width and height (..., 2) of the smallest box around two."""
    return x[..., 2:].maximum(y[..., 2:]) - x[..., :2].minimum(y[..., :2])


def _distance(x: Tensor, y: Tensor, eps: float) -> Tensor:
    """The squared distance of the centres in units of the squared diagonal of the box around both."""
    (p, _), (q, _) = _centres(x), _centres(y)
    return ((p - q) ** 2).sum(-1) / ((_hull(x, y) ** 2).sum(-1) + eps)


class IoULoss(_BoxLoss):
    r"""One minus the intersection over union of two boxes, or minus its logarithm.

    form: 'linear' for $1 - IoU$, 'log' for $-\log IoU$ (UnitBox). Boxes that do not touch give no gradient in either:
    `GIoULoss` does. eps: added to the union (and under the logarithm). Shapes: input and target equal, `(..., 4)`,
    corners `(x1, y1, x2, y2)` with x1 <= x2 and y1 <= y2.

    Yu, Jiang, Wang, Cao, Huang, "UnitBox: an advanced object detection network", 2016.

    >>> import retrograd as rg
    >>> rg.nn.IoULoss()(rg.tensor([0.0, 0.0, 2.0, 2.0]), rg.tensor([1.0, 0.0, 3.0, 2.0]))
    tensor(0.6667)
    """

    settings = ("form", "eps")

    def __init__(self, form: str = "linear", eps: float = 1e-7, reduction: str = "mean") -> None:
        super().__init__(eps, reduction)
        if form not in ("linear", "log"):
            raise ValueError(f"IoULoss: form must be 'linear' or 'log', got {form!r}")
        self.form = form

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        _, _, iou, _ = self.pairs(input, target)
        return reduced(1 - iou if self.form == "linear" else -(iou + self.eps).log(), self.reduction)


class GIoULoss(_BoxLoss):
    r"""Generalised IoU: $1 - IoU + \frac{|C| - |A \cup B|}{|C|}$ with C the smallest box around both; 0 to 2.

    It has a gradient for boxes that do not touch. Shapes: input and target equal, `(..., 4)`, corners (x1, y1, x2, y2)
    with x1 <= x2 and y1 <= y2.

    Rezatofighi et al., "Generalized intersection over union: a metric and a loss for bounding box regression", 2019.

    >>> import retrograd as rg
    >>> rg.nn.GIoULoss()(rg.tensor([0.0, 0.0, 1.0, 1.0]), rg.tensor([3.0, 0.0, 4.0, 1.0]))
    tensor(1.5000)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        x, y, iou, union = self.pairs(input, target)
        sides = _hull(x, y)
        around = sides[..., 0] * sides[..., 1]
        return reduced(1 - iou + (around - union) / (around + self.eps), self.reduction)


class DIoULoss(_BoxLoss):
    r"""Distance IoU: $1 - IoU + d^2 / c^2$, d between the centres, c the diagonal of the smallest box around both.

    Shapes: input and target equal, `(..., 4)`, corners (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2.

    Zheng, Wang, Liu, Li, Ye, Ren, "Distance-IoU loss: faster and better learning for bounding box regression", 2020.

    >>> import retrograd as rg
    >>> rg.nn.DIoULoss()(rg.tensor([0.0, 0.0, 1.0, 1.0]), rg.tensor([2.0, 0.0, 3.0, 1.0]))  # 1 + 4 / 10
    tensor(1.4000)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        x, y, iou, _ = self.pairs(input, target)
        return reduced(1 - iou + _distance(x, y, self.eps), self.reduction)


class CIoULoss(_BoxLoss):
    r"""Complete IoU: the distance IoU loss plus $\alpha v$, $v = \frac{4}{\pi^2}(\arctan\frac{w'}{h'} - \arctan\frac wh)^2$.

    $\alpha = v / (1 - IoU + v)$ is a factor without a gradient, as in the paper. Shapes: input and target equal,
    `(..., 4)`, corners (x1, y1, x2, y2) with x1 <= x2 and y1 < y2.

    Zheng, Wang, Liu, Li, Ye, Ren, "Distance-IoU loss: faster and better learning for bounding box regression", 2020.

    >>> import retrograd as rg
    >>> rg.nn.CIoULoss()(rg.tensor([0.0, 0.0, 1.0, 1.0]), rg.tensor([2.0, 0.0, 3.0, 1.0]))  # the shapes are equal
    tensor(1.4000)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        x, y, iou, _ = self.pairs(input, target)
        (_, size), (_, wanted) = _centres(x), _centres(y)
        turn = (wanted[..., 0] / wanted[..., 1]).atan() - (size[..., 0] / size[..., 1]).atan()
        v = turn * turn * (4 / math.pi**2)
        alpha = (v / (1 - iou + v + self.eps)).detach()
        return reduced(1 - iou + _distance(x, y, self.eps) + alpha * v, self.reduction)
