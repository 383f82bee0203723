"""Softmax losses with a margin between the angles of classes, for embeddings: SphereFace, CosFace and ArcFace."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import ShapeError
from ...autograd.ops.create import empty
from ...autograd.ops.where import where
from .. import functional as F
from .. import init
from .base import Loss, check_class_labels, check_float, check_positive

__all__ = ["ArcFaceLoss", "CosFaceLoss", "SphereFaceLoss"]


class _AngularLoss(Loss):
    """The classes' directions, a learnable weight `(C, D)`, and the cross-entropy of logits with a margin."""

    weight: Parameter

    def __init__(
        self, embedding_dim: int, num_classes: int, reduction: str = "mean", device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(reduction)
        check_positive(type(self).__name__, embedding_dim=embedding_dim, num_classes=num_classes)
        self.embedding_dim, self.num_classes = embedding_dim, num_classes
        self.weight = Parameter(empty((num_classes, embedding_dim), device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the directions anew (Glorot's normal distribution: only the angles matter)."""
        init.xavier_normal_(self.weight)

    def cosine(self, input: Tensor) -> Tensor:
        """The cosines between embeddings `(N, D)` and the classes' directions: `(N, C)`."""
        x = as_tensor_arg(input, type(self).__name__)
        check_float(type(self).__name__, input=x)
        if x.ndim != 2 or x.shape[1] != self.embedding_dim:
            raise ShapeError(
                f"{type(self).__name__}: embeddings (N, {self.embedding_dim}) are expected, got {tuple(x.shape)}"
            )
        return F.normalize(x, dim=1) @ F.normalize(self.weight, dim=1).T

    def logits(self, input: Tensor, target: Tensor | None = None) -> Tensor:
        """The scores `(N, C)`: without a target those to classify by, with one those that the loss is made of."""
        cosine = self.cosine(input)
        scale = self._scale(input)
        if target is None:
            return cosine * scale
        y = as_tensor_arg(target, type(self).__name__)
        check_class_labels(type(self).__name__, y, tuple(cosine.shape[:1]), self.num_classes)
        at = y.long().unsqueeze(1)  # (N, 1)
        return cosine.scatter(1, at, self._with_margin(cosine.gather(1, at))) * scale

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(self.logits(input, target), target, reduction=self.reduction)

    def _scale(self, input: Tensor) -> Any:
        """What the cosines are multiplied by, a number or `(N, 1)`."""
        raise NotImplementedError

    def _with_margin(self, cosine: Tensor) -> Tensor:
        """What stands in place of the cosine of the right class."""
        raise NotImplementedError


class CosFaceLoss(_AngularLoss):
    r"""Large margin cosine loss: softmax cross-entropy of $s(\cos\theta_j - m\,[j = y])$.

    $\theta_j$ is the angle between the embedding and the learnable direction `weight[j]`; both are normalized.

    margin: m, in cosine. scale: s > 0, the radius of the sphere. Shapes: embeddings `(N, D)`, classes `(N,)`; weight
    `(C, D)`. `logits(x)` gives the scores without a margin, to classify by.

    Wang et al., "CosFace: large margin cosine loss for deep face recognition", CVPR 2018.

    >>> import retrograd as rg
    >>> loss = rg.nn.CosFaceLoss(2, 2, scale=1.0, margin=0.5)
    >>> _ = rg.nn.init.eye_(loss.weight)
    >>> loss.logits(rg.tensor([[3.0, 0.0]]), rg.tensor([0]))
    tensor([[0.5000, 0.0000]], grad_fn=<MulBackward0>)
    """

    settings = ("embedding_dim", "num_classes", "scale", "margin")

    def __init__(
        self,
        embedding_dim: int,
        num_classes: int,
        scale: float = 64.0,
        margin: float = 0.35,
        reduction: str = "mean",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(embedding_dim, num_classes, reduction, device, dtype)
        check_positive("CosFaceLoss", scale=scale)
        self.scale, self.margin = scale, margin

    def _scale(self, input: Tensor) -> float:
        return self.scale

    def _with_margin(self, cosine: Tensor) -> Tensor:
        return cosine - self.margin


class ArcFaceLoss(_AngularLoss):
    r"""Additive angular margin loss: cross-entropy of $s\cos(\theta_y + m)$ for the right class, $s\cos\theta_j$ else.

    $\theta_j$ is the angle between the embedding and the learnable direction `weight[j]`; both are normalized. Where
    $\theta_y + m$ would pass $\pi$, and the cosine rise again, the score goes on as $\cos\theta_y - m\sin m$, as in the
    authors' code; easy_margin leaves the margin out there and wherever $\theta_y > \pi/2$.

    margin: m in radians, 0 to pi. scale: s > 0. Shapes: embeddings `(N, D)`, classes `(N,)`; weight `(C, D)`.
    `logits(x)` gives the scores without a margin, to classify by.

    Deng, Guo, Xue, Zafeiriou, "ArcFace: additive angular margin loss for deep face recognition", CVPR 2019.

    >>> import retrograd as rg
    >>> loss = rg.nn.ArcFaceLoss(2, 2, scale=1.0, margin=0.5)
    >>> _ = rg.nn.init.eye_(loss.weight)
    >>> loss.logits(rg.tensor([[1.0, 1.0]]), rg.tensor([0])).detach()  # cos(45 degrees + 0.5), cos(45 degrees)
    tensor([[0.2815, 0.7071]])
    """

    settings = ("embedding_dim", "num_classes", "scale", "margin", "easy_margin")

    def __init__(
        self,
        embedding_dim: int,
        num_classes: int,
        scale: float = 64.0,
        margin: float = 0.5,
        easy_margin: bool = False,
        reduction: str = "mean",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(embedding_dim, num_classes, reduction, device, dtype)
        check_positive("ArcFaceLoss", scale=scale)
        if not 0 <= margin < math.pi:
            raise ValueError(f"ArcFaceLoss: margin is an angle in radians, 0 <= margin < pi; got {margin}")
        self.scale, self.margin, self.easy_margin = scale, margin, easy_margin

    def _scale(self, input: Tensor) -> float:
        return self.scale

    def _with_margin(self, cosine: Tensor) -> Tensor:
        m = self.margin
        # At an angle of 0 or pi the sine has no finite slope in the cosine: a clamp gives it none at all.
        sine = (1 - cosine * cosine).clamp(min=1e-12).sqrt()
        further = cosine * math.cos(m) - sine * math.sin(m)
        if self.easy_margin:
            return where(cosine > 0, further, cosine)
        return where(cosine > math.cos(math.pi - m), further, cosine - m * math.sin(m))


class SphereFaceLoss(_AngularLoss):
    r"""Angular softmax: cross-entropy of $|x|\,\psi(\theta_y)$ for the right class, $|x|\cos\theta_j$ for the others.

    $\psi(\theta) = (-1)^k \cos(m\theta) - 2k$ for $\theta \in [k\pi/m, (k+1)\pi/m]$ falls monotonically and is
    $\cos(m\theta)$ in its first piece. $\theta_j$ is the angle between the embedding and the learnable direction
    `weight[j]`; only the latter is normalized. margin = 1 is softmax with normalized weights.

    margin: the integer m >= 1. annealing: the paper's $\lambda$, which eases the start of training: the score is
    $|x|(\lambda\cos\theta_y + \psi(\theta_y)) / (1 + \lambda)$. The paper lets it fall from 1000 to 5; assign to
    `loss.annealing` in the training loop. Shapes: embeddings `(N, D)`, classes `(N,)`; weight `(C, D)`.

    Liu, Wen, Yu, Li, Raj, Song, "SphereFace: deep hypersphere embedding for face recognition", CVPR 2017.

    >>> import retrograd as rg
    >>> loss = rg.nn.SphereFaceLoss(2, 2, margin=2)
    >>> _ = rg.nn.init.eye_(loss.weight)
    >>> loss.logits(rg.tensor([[0.0, 2.0]]), rg.tensor([0])).detach()  # psi(pi/2) = cos(pi), times the norm 2
    tensor([[-2.,  2.]])
    """

    settings = ("embedding_dim", "num_classes", "margin", "annealing")

    def __init__(
        self,
        embedding_dim: int,
        num_classes: int,
        margin: int = 4,
        annealing: float = 0.0,
        reduction: str = "mean",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(embedding_dim, num_classes, reduction, device, dtype)
        if int(margin) != margin or margin < 1:
            raise ValueError(
                f"SphereFaceLoss: margin multiplies the angle and is an integer of at least 1, got {margin}"
            )
        if not annealing >= 0:
            raise ValueError(f"SphereFaceLoss: annealing must not be negative, got {annealing}")
        self.margin, self.annealing = int(margin), annealing

    def _scale(self, input: Tensor) -> Tensor:
        return input.norm(dim=1, keepdim=True)  # (N, 1)

    def _with_margin(self, cosine: Tensor) -> Tensor:
        m = self.margin
        # cos(m theta) is the Chebyshev polynomial T_m of cos(theta): T_m = 2 c T_(m-1) - T_(m-2).
        before, multiple = cosine * 0 + 1, cosine
        for _ in range(m - 1):
            before, multiple = multiple, 2 * cosine * multiple - before
        theta = cosine.detach().clamp(-1, 1).acos()
        k = (theta * (m / math.pi)).floor().clamp(0, m - 1)
        psi = (1 - 2 * (k % 2)) * multiple - 2 * k
        return (self.annealing * cosine + psi) / (1 + self.annealing) if self.annealing else psi
