"""Knowledge distillation: a small model learns from the soft answers of a large one."""

from __future__ import annotations

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import ShapeError
from .. import functional as F
from .base import Loss, check_class_labels, check_equal_shapes, check_float, check_positive, reduced

__all__ = ["DistillationLoss"]


class DistillationLoss(Loss):
    r"""$\alpha T^2\, KL(softmax(t/T)\,|\,softmax(s/T)) + (1 - \alpha)\, CE(s, y)$ of student and teacher logits s and t.

    The factor T^2 keeps the size of the soft part's gradient as T grows; for large T it tends to `(s - t) / C` for
    centred logits: matching the logits is a special case of distillation. The teacher gets no gradient.

    temperature: T > 0. alpha: the share of the soft part, in [0, 1]; without a target the loss is the soft part alone.
    Shapes: student and teacher equal, `(N, C)`, `(C,)` or `(N, C, d1, ...)`; target of class indices `(N,)`, `()` or
    `(N, d1, ...)`. reduction 'none' gives the target's shape.

    Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", 2015.

    >>> import retrograd as rg
    >>> loss = rg.nn.DistillationLoss(temperature=2.0, alpha=0.5)
    >>> same = rg.zeros(1, 2)
    >>> loss(same, same), loss(same, same, rg.tensor([0]))  # nothing to learn from the teacher; 0.5 log 2
    (tensor(0.), tensor(0.3466))
    """

    settings = ("temperature", "alpha")

    def __init__(self, temperature: float = 4.0, alpha: float = 0.5, reduction: str = "mean") -> None:
        super().__init__(reduction)
        check_positive("DistillationLoss", temperature=temperature)
        if not 0 <= alpha <= 1:
            raise ValueError(f"DistillationLoss: alpha is the share of the soft part, in [0, 1]; got {alpha}")
        self.temperature, self.alpha = temperature, alpha

    def forward(self, student: Tensor, teacher: Tensor, target: Tensor | None = None) -> Tensor:
        op = "DistillationLoss"
        s, t = as_tensor_arg(student, op), as_tensor_arg(teacher, op)
        check_equal_shapes(op, student=s, teacher=t)
        check_float(op, student=s, teacher=t)
        if not s.ndim:
            raise ShapeError(f"{op}: logits (N, C), (C,) or (N, C, d1, ...) are expected, got a 0-d tensor")
        dim = 1 if s.ndim > 1 else 0
        ours = F.log_softmax(s / self.temperature, dim)
        theirs = F.log_softmax(t.detach() / self.temperature, dim)
        soft = self.temperature**2 * F.kl_div(ours, theirs, reduction="none", log_target=True).sum(dim)
        if target is None:
            return reduced(soft, self.reduction)
        y = as_tensor_arg(target, op)
        check_class_labels(op, y, (*s.shape[:dim], *s.shape[dim + 1 :]), s.shape[dim])
        hard = F.cross_entropy(s, y, reduction="none")
        return reduced(self.alpha * soft + (1 - self.alpha) * hard, self.reduction)
