"""Losses of object detectors: YOLO's multi-part loss, and the multi-task losses of R-CNN's region proposals and heads."""

from __future__ import annotations

from typing import Any

from ...autograd import Tensor, no_grad
from ...autograd.core import as_tensor_arg
from ...autograd.errors import ShapeError
from ...autograd.ops.join import cat
from ...autograd.ops.where import where
from .. import functional as F
from .base import (
    Loss,
    check_class_labels,
    check_equal_shapes,
    check_float,
    check_positive,
    check_values,
    reduced,
    safe_sqrt,
)
from .boxes import _overlap

__all__ = ["FastRCNNLoss", "RPNLoss", "YOLOLoss"]


class YOLOLoss(Loss):
    r"""The multi-part squared error of YOLO v1, for a grid of S by S cells with B boxes and C classes each.

    $\lambda_{coord} \sum 1^{obj}_{ij} [(x - \hat x)^2 + (y - \hat y)^2 + (\sqrt w - \sqrt{\hat w})^2 +
    (\sqrt h - \sqrt{\hat h})^2] + \sum 1^{obj}_{ij} (c - \hat c)^2 + \lambda_{noobj} \sum 1^{noobj}_{ij} c^2 +
    \sum 1^{obj}_i \sum_k (p_k - \hat p_k)^2$

    Of the boxes of a cell with an object, the one with the highest IoU answers for it (1^obj), and is to be as confident
    as that IoU, a constant; all others are to say 0.

    Shapes: input `(N, S, S, 5 * B + C)`: B times (x, y, w, h, confidence), then the classes; target
    `(N, S, S, 5 + C)`: (x, y, w, h, 1 if there is an object) and the classes, anything where there is none. x, y are
    relative to the cell (0 to 1), w, h to the image. reduction 'none' gives `(N,)`.

    num_boxes, num_classes: B and C. sqrt_sizes: the network's w and h are roots already, as in the authors' code;
    otherwise a negative prediction counts by its signed root, so that its gradient leads back.

    Redmon, Divvala, Girshick, Farhadi, "You only look once: unified, real-time object detection", CVPR 2016.

    >>> import retrograd as rg
    >>> loss = rg.nn.YOLOLoss(num_boxes=1, num_classes=1)
    >>> there = rg.tensor([0.5, 0.5, 0.25, 0.25, 1.0, 1.0]).reshape(1, 1, 1, 6)
    >>> loss(there, there)
    tensor(0.)
    >>> loss(there, 0 * there)  # a confident box where there is no object
    tensor(0.5000)
    """

    settings = ("num_boxes", "num_classes", "lambda_coord", "lambda_noobj", "sqrt_sizes")

    def __init__(
        self,
        num_boxes: int = 2,
        num_classes: int = 20,
        lambda_coord: float = 5.0,
        lambda_noobj: float = 0.5,
        sqrt_sizes: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        check_positive("YOLOLoss", num_boxes=num_boxes, num_classes=num_classes)
        self.num_boxes, self.num_classes = num_boxes, num_classes
        self.lambda_coord, self.lambda_noobj, self.sqrt_sizes = lambda_coord, lambda_noobj, sqrt_sizes

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        x, y, has = self._operands(input, target)
        n, rows, columns = x.shape[:3]
        cells, b = (n, rows, columns), self.num_boxes
        boxes = x[..., : 5 * b].reshape(*cells, b, 5)
        wanted = y[..., :5].unsqueeze(3)  # (N, S, S, 1, 5)

        given = boxes[..., 2:4]
        sizes = given * given if self.sqrt_sizes else given
        roots = given if self.sqrt_sizes else given.sign() * safe_sqrt(given.abs())
        with no_grad():
            iou = self._iou(boxes[..., :2], sizes, wanted, rows, columns)  # (N, S, S, B)
        # The responsible box, 1 in (N, S, S, B); none where there is no object.
        best = F.one_hot(iou.argmax(3), b).to(x.dtype) * has.unsqueeze(3)

        place = ((boxes[..., :2] - wanted[..., :2]) ** 2).sum(4)
        wanted_roots = safe_sqrt(where(has.unsqueeze(3).unsqueeze(4) > 0, wanted[..., 2:4], 0.0))
        size = ((roots - wanted_roots) ** 2).sum(4)
        sure = boxes[..., 4]
        classes = ((x[..., 5 * b :] - y[..., 5:]) ** 2).sum(3)
        loss = (
            self.lambda_coord * (best * (place + size)).sum((1, 2, 3))
            + (best * (sure - iou) ** 2).sum((1, 2, 3))
            + self.lambda_noobj * ((1 - best) * sure**2).sum((1, 2, 3))
            + (has * classes).sum((1, 2))
        )
        return reduced(loss, self.reduction)

    def _operands(self, input: Any, target: Any) -> tuple[Tensor, Tensor, Tensor]:
        op = "YOLOLoss"
        x, y = as_tensor_arg(input, op), as_tensor_arg(target, op)
        check_float(op, input=x, target=y)
        depth, needed = 5 * self.num_boxes + self.num_classes, 5 + self.num_classes
        if x.ndim != 4 or x.shape[3] != depth or tuple(y.shape) != (*x.shape[:3], needed):
            raise ShapeError(
                f"{op}: input (N, S, S, {depth}) and target (N, S, S, {needed}) are expected for {self.num_boxes} boxes "
                f"and {self.num_classes} classes, got {tuple(x.shape)} and {tuple(y.shape)}"
            )
        has = y[..., 4]
        check_values(op, "the target's object flag", has, (0, 1))
        return x, y, has

    @staticmethod
    def _iou(centre: Tensor, size: Tensor, wanted: Tensor, rows: int, columns: int) -> Tensor:
        """The overlap of boxes and targets, both as centres in cells and sizes in images."""
        cells = centre.new_tensor([columns, rows])
        corners = []
        for at, wide in ((centre, size), (wanted[..., :2], wanted[..., 2:4])):
            half = wide.relu() * cells / 2  # in cells, as the centres are
            corners.append(cat([at - half, at + half], -1))
        shared, union = _overlap(*corners)
        empty = union <= 0
        return where(empty, 0.0, shared / where(empty, 1.0, union))


class RPNLoss(Loss):
    r"""The multi-task loss of a region proposal network: objectness of anchors and offsets of those with an object.

    $\frac{1}{N_{cls}} \sum_i L_{cls}(p_i, p_i^*) + \lambda \frac{1}{N_{reg}} \sum_i p_i^* L_{reg}(t_i, t_i^*)$ with
    the log loss and smooth L1 (summed over the four offsets); `encode_boxes` makes the offsets.

    Shapes: objectness `(N, A)` or `(A,)`, logits; offsets `(N, A, 4)`; labels `(N, A)`: 1 object, 0 background, -1
    neither (not sampled, counts nothing); target_offsets `(N, A, 4)`, anything where the label is not 1.

    n_cls, n_reg: what the parts are divided by (the paper: 256 sampled anchors, about 2400 places, balanced by
    lambda_reg = 10). None for n_cls: the number of labels 0 and 1; None for n_reg: n_cls, so that lambda_reg = 1
    weighs both about equally, as later versions do. beta: where smooth L1 turns linear.

    Ren, He, Girshick, Sun, "Faster R-CNN: towards real-time object detection with region proposal networks", 2015.

    >>> import retrograd as rg
    >>> labels, offsets = rg.tensor([1, 0, -1]), rg.zeros(3, 4)
    >>> rg.nn.RPNLoss()(rg.zeros(3), offsets, labels, offsets)  # log 2: two of the anchors count
    tensor(0.6931)
    """

    settings = ("lambda_reg", "n_cls", "n_reg", "beta")

    def __init__(
        self,
        lambda_reg: float = 1.0,
        n_cls: float | None = None,
        n_reg: float | None = None,
        beta: float = 1.0,
    ) -> None:
        super().__init__()
        for name, n in (("n_cls", n_cls), ("n_reg", n_reg)):
            if n is not None:
                check_positive("RPNLoss", **{name: n})
        self.lambda_reg, self.n_cls, self.n_reg, self.beta = lambda_reg, n_cls, n_reg, beta

    def forward(self, objectness: Tensor, offsets: Tensor, labels: Tensor, target_offsets: Tensor) -> Tensor:
        op = "RPNLoss"
        p, t, y, u = (as_tensor_arg(x, op) for x in (objectness, offsets, labels, target_offsets))
        check_equal_shapes(op, objectness=p, labels=y)
        check_equal_shapes(op, offsets=t, target_offsets=u)
        check_float(op, objectness=p, offsets=t)
        if tuple(t.shape) != (*p.shape, 4):
            raise ShapeError(f"{op}: offsets have shape {tuple(t.shape)} but the anchors ask for {(*p.shape, 4)}")
        check_values(op, "label", y, (-1, 0, 1))
        is_object, sampled = (y == 1).to(p.dtype), (y >= 0).to(p.dtype)
        cls = (F.binary_cross_entropy_with_logits(p, is_object, reduction="none") * sampled).sum()
        # Targets of no object may be anything, NaN too (the logarithm of no size): they are replaced, not multiplied.
        wanted = where((y == 1).unsqueeze(-1), u, t.detach())
        reg = F.smooth_l1_loss(t, wanted, reduction="sum", beta=self.beta)
        n_cls = sampled.sum().clamp(min=1) if self.n_cls is None else self.n_cls
        n_reg = n_cls if self.n_reg is None else self.n_reg
        return cls / n_cls + self.lambda_reg * reg / n_reg


class FastRCNNLoss(Loss):
    r"""The multi-task loss of a region's class and box: $-\log p_u + \lambda [u \geq 1]\, smooth_{L1}(t^u, v)$.

    u is the true class, 0 for background; each class has offsets of its own, of which those of class u count.

    Shapes: scores `(R, C)`, logits with the background first; offsets `(R, C, 4)`, or `(R, 4)` if all classes share
    them; labels `(R,)`; target_offsets `(R, 4)`, anything for background. Both parts are averaged over the regions.
    reduction 'none' gives `(R,)`. beta: where smooth L1 turns linear.

    Girshick, "Fast R-CNN", ICCV 2015.

    >>> import retrograd as rg
    >>> loss = rg.nn.FastRCNNLoss()
    >>> loss(rg.zeros(1, 2), rg.zeros(1, 2, 4), rg.tensor([1]), rg.tensor([[2.0, 0.0, 0.0, 0.0]]))  # log 2 + 1.5
    tensor(2.1931)
    """

    settings = ("lambda_reg", "beta")

    def __init__(self, lambda_reg: float = 1.0, beta: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.lambda_reg, self.beta = lambda_reg, beta

    def forward(self, scores: Tensor, offsets: Tensor, labels: Tensor, target_offsets: Tensor) -> Tensor:
        op = "FastRCNNLoss"
        p, t, y, v = (as_tensor_arg(x, op) for x in (scores, offsets, labels, target_offsets))
        check_float(op, scores=p, offsets=t)
        if p.ndim != 2:
            raise ShapeError(f"{op}: scores (R, C) are expected, got {tuple(p.shape)}")
        r, c = p.shape
        if tuple(t.shape) not in ((r, c, 4), (r, 4)) or tuple(v.shape) != (r, 4):
            raise ShapeError(
                f"{op}: offsets {(r, c, 4)} or {(r, 4)} and target_offsets {(r, 4)} are expected for scores {(r, c)}, got "
                f"{tuple(t.shape)} and {tuple(v.shape)}"
            )
        check_class_labels(op, y, (r,), c)
        if t.ndim == 3:
            t = t.gather(1, y.long().reshape(r, 1, 1).expand(r, 1, 4)).squeeze(1)
        wanted = where((y >= 1).unsqueeze(1), v, t.detach())
        reg = F.smooth_l1_loss(t, wanted, reduction="none", beta=self.beta).sum(1)
        return reduced(F.cross_entropy(p, y, reduction="none") + self.lambda_reg * reg, self.reduction)
