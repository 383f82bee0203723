"""The losses of capsule networks: the margin of each class's length, and reconstruction as a regularizer."""

from __future__ import annotations

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import ShapeError
from .. import functional as F
from .base import Loss, check_class_labels, check_equal_shapes, check_float, check_values, reduced, safe_norm

__all__ = ["CapsuleLoss", "CapsuleMarginLoss"]


class CapsuleMarginLoss(Loss):
    r"""The margin loss of capsules, whose lengths say how likely their classes are present; summed over the classes.

    $T_c \max(0, m^+ - |v_c|)^2 + \lambda (1 - T_c) \max(0, |v_c| - m^-)^2$ with T_c = 1 for a class that is there.

    m_pos, m_neg: the lengths beyond which a present and an absent class cost nothing. down_weight: lambda, which keeps
    absent classes from shrinking all capsules early on. Shapes: capsules `(N, C, D)`, or their lengths `(N, C)`;
    target classes `(N,)`, or 0 and 1 `(N, C)` where several classes may be present. reduction 'none' gives `(N,)`.

    Sabour, Frosst, Hinton, "Dynamic routing between capsules", NeurIPS 2017.

    >>> import retrograd as rg
    >>> rg.nn.CapsuleMarginLoss()(rg.tensor([[0.9, 0.3]]), rg.tensor([0]))  # 0.5 * (0.3 - 0.1)^2
    tensor(0.0200)
    """

    settings = ("m_pos", "m_neg", "down_weight")

    def __init__(
        self, m_pos: float = 0.9, m_neg: float = 0.1, down_weight: float = 0.5, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.m_pos, self.m_neg, self.down_weight = m_pos, m_neg, down_weight

    def margins(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of each sample, `(N,)`."""
        op = type(self).__name__
        v, y = as_tensor_arg(input, op), as_tensor_arg(target, op)
        check_float(op, input=v)
        if v.ndim not in (2, 3):
            raise ShapeError(f"{op}: capsules (N, C, D) or lengths (N, C) are expected, got {tuple(v.shape)}")
        length = safe_norm(v) if v.ndim == 3 else v  # (N, C)
        if y.ndim == 2:
            check_equal_shapes(op, lengths=length, target=y)
            check_values(op, "target", y, (0, 1))
            present = y.to(length.dtype)
        else:
            check_class_labels(op, y, (length.shape[0],), length.shape[1])
            present = F.one_hot(y.long(), length.shape[1]).to(length.dtype)
        short, long = (self.m_pos - length).relu(), (length - self.m_neg).relu()
        loss = present * short**2 + self.down_weight * (1 - present) * long**2
        return loss.sum(1)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return reduced(self.margins(input, target), self.reduction)


class CapsuleLoss(CapsuleMarginLoss):
    r"""The margin loss of capsules plus `reconstruction_weight` times the squared error of the reconstruction.

    The error is summed over each image, so the paper's weight 0.0005 is 0.392 on the mean of 28 by 28 pixels.

    Shapes: capsules and target as for `CapsuleMarginLoss`; reconstruction and images equal, `(N, ...)`.

    Sabour, Frosst, Hinton, "Dynamic routing between capsules", NeurIPS 2017.

    >>> import retrograd as rg
    >>> x = rg.zeros(1, 784)
    >>> rg.nn.CapsuleLoss()(rg.tensor([[0.9, 0.3]]), rg.tensor([0]), x + 1, x)  # 0.02 + 0.0005 * 784
    tensor(0.4120)
    """

    settings = ("m_pos", "m_neg", "down_weight", "reconstruction_weight")

    def __init__(
        self,
        m_pos: float = 0.9,
        m_neg: float = 0.1,
        down_weight: float = 0.5,
        reconstruction_weight: float = 0.0005,
        reduction: str = "mean",
    ) -> None:
        super().__init__(m_pos, m_neg, down_weight, reduction)
        self.reconstruction_weight = reconstruction_weight

    def forward(  # type: ignore[override]
        self, input: Tensor, target: Tensor, reconstruction: Tensor, images: Tensor
    ) -> Tensor:
        op = "CapsuleLoss"
        r, x = as_tensor_arg(reconstruction, op), as_tensor_arg(images, op)
        check_equal_shapes(op, reconstruction=r, images=x)
        margins = self.margins(input, target)
        if r.ndim < 2 or r.shape[0] != margins.shape[0]:
            raise ShapeError(
                f"{op}: {margins.shape[0]} samples of capsules but reconstructions of shape {tuple(r.shape)}; one for "
                "each is expected, (N, ...)"
            )
        error = ((r - x) ** 2).flatten(1).sum(1)
        return reduced(margins + self.reconstruction_weight * error, self.reduction)
