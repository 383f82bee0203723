"""Losses of distances, margins and rankings, and the distances they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..errors import ShapeError
from ..op import public
from ..samples import call, raises, t
from .activation import relu
from .activation_smooth import logsigmoid_p, softplus_p
from .args import into, one_dim, same_library
from .blend import minimum
from .clamp import clamp
from .compare import eq
from .gather import gather
from .loss import same_shape
from .loss_labels import check_labels
from .loss_reduction import reduced, reduction_arg
from .norms import norm
from .parts import broadcast
from .reduce import mean_p
from .shape import expand_p, reshape_p, sum_p
from .where import where

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "cosine_embedding_loss", "cosine_similarity", "hinge_embedding_loss", "margin_ranking_loss", "multi_margin_loss",
    "multilabel_soft_margin_loss", "normalize", "pairwise_distance", "soft_margin_loss", "triplet_margin_loss",
]  # fmt: skip


# ---------------------------------------------------------------- distances
@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4)),
        call(t(3, 4), 1.0, 0),
        call(t(2, 3, 4), p=3.0, dim=-1),
        call(t(2, 3), dim=(0, 1)),
        call(t(2, 3, values=np.zeros((2, 3)), grad=False)),
    ],
    errors=lambda: [raises(IndexError, r"dim 5", t(2, 3), dim=5)],
)
def normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """x / max(norm(x), eps), with the p-norm along dim.

    >>> import retrograd as rg
    >>> rg.nn.functional.normalize(rg.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    x = as_tensor_arg(input, "normalize")
    return into(out, x / clamp(norm(x, p, dim, True), min=eps), "normalize")


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4)),
        call(t(3, 4), t(4), dim=-1),
        call(t(2, 3, 4), t(2, 1, 4), dim=2, eps=1e-3),
    ],
    errors=lambda: [
        raises(IndexError, r"dim 5", t(2, 3), t(2, 3), dim=5),
        raises(RuntimeError, r"cosine_similarity", t(2, 3), t(2, 4)),
    ],
    ref=lambda x, y, dim=1, eps=1e-8: (
        (x * y).sum(dim)
        / (np.linalg.norm(x * np.ones_like(y), axis=dim) * np.linalg.norm(y * np.ones_like(x), axis=dim))
    ),
)
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(|x1|, eps) * max(|x2|, eps)) along dim; shapes broadcast.

    >>> import retrograd as rg
    >>> rg.nn.functional.cosine_similarity(rg.tensor([[1.0, 0.0]]), rg.tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """
    op = "cosine_similarity"
    x, y = as_tensor_arg(x1, op), as_tensor_arg(x2, op)
    s = broadcast(op, x._shape, y._shape)
    d = one_dim(dim, len(s), op)
    x = x if x._shape == s else expand_p(x, s)
    y = y if y._shape == s else expand_p(y, s)
    nx, ny = clamp(norm(x, 2.0, d, True), min=eps), clamp(norm(y, 2.0, d, True), min=eps)
    return sum_p((x / nx) * (y / ny), (d,) if s else (), False)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4)),
        call(t(3, 4), t(4), p=1.0, keepdim=True),
        call(t(4), t(4), 3.0, 1e-3),
    ],
    errors=lambda: [raises(RuntimeError, r"broadcast", t(2, 3), t(2, 4))],
    ref=lambda x, y, p=2.0, eps=1e-6, keepdim=False: np.linalg.norm(x - y + eps, p, -1, keepdims=keepdim),
)
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension; shapes broadcast.

    >>> import retrograd as rg
    >>> rg.nn.functional.pairwise_distance(rg.zeros(1, 2), rg.tensor([[3.0, 4.0]]), eps=0.0)
    tensor([5.])
    """
    x, y = as_tensor_arg(x1, "pairwise_distance"), as_tensor_arg(x2, "pairwise_distance")
    return norm(x - y + eps, p, -1, keepdim)


# ---------------------------------------------------------------- margins
def _signs(*shape: int) -> Any:
    values = np.resize([1.0, -1.0, -1.0], shape)
    return t(*shape, values=values, grad=False)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4), _signs(3, 4)), call(t(3), _signs(3), reduction="none")],
    errors=lambda: [raises(ValueError, r"losses do not broadcast", t(3, 4), t(4))],
    ref=lambda x, y, reduction="mean": (
        np.logaddexp(0, -x * y) if reduction == "none" else np.logaddexp(0, -x * y).mean()
    ),
)
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * input)) for targets of 1 and -1.

    >>> import retrograd as rg
    >>> rg.nn.functional.soft_margin_loss(rg.tensor([0.0]), rg.tensor([1.0]))
    tensor(0.6931)
    """
    reduction = reduction_arg("soft_margin_loss", reduction, size_average, reduce)
    x, y = same_shape("soft_margin_loss", input, target)
    return reduced(softplus_p(-y * x, 1.0, np.inf), reduction)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(3, 4), _signs(3, 4)), call(t(4), _signs(4), margin=0.5, reduction="sum")],
    errors=lambda: [raises(ValueError, r"losses do not broadcast", t(3, 4), t(4))],
)
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1.

    >>> import retrograd as rg
    >>> rg.nn.functional.hinge_embedding_loss(rg.tensor([0.25, 0.25]), rg.tensor([1.0, -1.0]), reduction="none")
    tensor([0.2500, 0.7500])
    """
    reduction = reduction_arg("hinge_embedding_loss", reduction, size_average, reduce)
    x, y = same_shape("hinge_embedding_loss", input, target)
    hinge = where(eq(y, 1), 0.0, relu(margin - x))
    return reduced(hinge + where(eq(y, -1), 0.0, x), reduction)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(4), t(4), _signs(4)),
        call(t(3, 4), t(3, 4), _signs(3, 4), margin=0.5, reduction="sum"),
    ],
    errors=lambda: [raises(ValueError, r"losses do not broadcast", t(3, 4), t(4), t(4))],
)
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin): input1 shall rank higher where target is 1, lower where it is -1.

    >>> import retrograd as rg
    >>> rg.nn.functional.margin_ranking_loss(rg.tensor([1.0]), rg.tensor([3.0]), rg.tensor([1.0]))
    tensor(2.)
    """
    op = "margin_ranking_loss"
    reduction = reduction_arg(op, reduction, size_average, reduce)
    x, y = same_shape(op, input1, input2)
    x, s = same_shape(op, x, target)
    return reduced(relu(-s * (x - y) + margin), reduction)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4), _signs(3)),
        call(t(3, 4), t(3, 4), _signs(3), margin=0.2, reduction="none"),
        call(t(4), t(4), _signs()),
    ],
    errors=lambda: [
        raises(RuntimeError, r"target has shape \(4,\); \(3,\) is expected", t(3, 4), t(3, 4), t(4)),
    ],
)
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(input1, input2) where target is 1, max(0, cos(input1, input2) - margin) where it is -1: (N, D), (N,).

    >>> import retrograd as rg
    >>> x = rg.tensor([[1.0, 0.0]])
    >>> rg.nn.functional.cosine_embedding_loss(x, x, rg.tensor([-1.0])).round(decimals=4)
    tensor(1.)
    """
    op = "cosine_embedding_loss"
    reduction = reduction_arg(op, reduction, size_average, reduce)
    x, y = same_shape(op, input1, input2)
    s = as_tensor_arg(target, op)
    if len(x._shape) not in (1, 2) or s._shape != x._shape[:-1]:
        raise ShapeError(
            f"{op}: target has shape {s._shape}; {x._shape[:-1]} is expected for inputs (N, D) or (D,), here {x._shape}"
        )
    # PyTorch adds its eps to the squares, not to the norms
    xx, yy = sum_p(x * x, (len(x._shape) - 1,), False) + 1e-12, sum_p(y * y, (len(x._shape) - 1,), False) + 1e-12
    cos = sum_p(x * y, (len(x._shape) - 1,), False) / (xx * yy) ** 0.5
    return reduced(where(eq(s, 1), 1 - cos, 0.0) + where(eq(s, -1), relu(cos - margin), 0.0), reduction)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4), t(3, 4)),
        call(t(3, 4), t(3, 4), t(3, 4), margin=0.5, p=1.0, swap=True, reduction="sum"),
        call(t(4), t(4), t(4), reduction="none"),
    ],
    errors=lambda: [raises(ValueError, r"losses do not broadcast", t(3, 4), t(4), t(3, 4))],
)
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) with the p-distance along the last dimension.

    swap: the distance from positive to negative counts where it is the smaller one. (Balntas et al. 2016)

    >>> import retrograd as rg
    >>> x, y = rg.tensor([[0.0, 0.0]]), rg.tensor([[3.0, 4.0]])
    >>> rg.nn.functional.triplet_margin_loss(x, y, x).round(decimals=3)
    tensor(6.)
    """
    op = "triplet_margin_loss"
    reduction = reduction_arg(op, reduction, size_average, reduce)
    if margin <= 0:
        raise ValueError(f"{op}: margin must be greater than 0, got {margin}")
    a, b = same_shape(op, anchor, positive)
    a, c = same_shape(op, a, negative)
    near, far = pairwise_distance(a, b, p, eps), pairwise_distance(a, c, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(b, c, p, eps))
    return reduced(relu(near - far + margin), reduction)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, dtype="int64", low=0, high=4, grad=False)),
        call(
            t(3, 4),
            t(3, dtype="int64", low=0, high=4, grad=False),
            p=2,
            margin=0.5,
            weight=t(4, low=0.5, grad=False),
            reduction="sum",
        ),
        call(t(4), t(dtype="int64", low=0, high=4, grad=False), reduction="none"),
    ],
    errors=lambda: [
        raises(ValueError, r"p must be 1 or 2", t(3, 4), t(3, dtype="int64", low=0, high=4), p=3),
        raises(
            IndexError,
            r"multi_margin_loss: label 4 at position 1 is out of range for 4 classes",
            t(2, 4),
            t(2, dtype="int64", values=[0, 4]),
        ),
    ],
)
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over the other classes j of max(0, margin - x[label] + x[j]) ** p / C: scores (N, C), labels (N,).

    >>> import retrograd as rg
    >>> rg.nn.functional.multi_margin_loss(rg.tensor([[1.0, 0.5]]), rg.tensor([0]))
    tensor(0.2500)
    """
    op = "multi_margin_loss"
    reduction = reduction_arg(op, reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"{op}: p must be 1 or 2, got {p}")
    x, y = as_tensor_arg(input, op), as_tensor_arg(target, op)
    x = x if x._shape else reshape_p(x, (1,))
    if len(x._shape) not in (1, 2) or y._shape not in (x._shape[:-1], (1,) if len(x._shape) == 1 else x._shape[:-1]):
        raise ShapeError(
            f"{op}: input (N, C) and labels (N,), or (C,) and (), are expected, got {x._shape} and {y._shape}"
        )
    c = x._shape[-1]
    v = x if len(x._shape) == 2 else reshape_p(x, (1, c))
    xp = xp_of(x._data)
    labels = same_library(y._data, xp, op, "target").reshape(-1)
    check_labels(op, labels, c)
    at = wrap(labels.reshape(-1, 1).astype(np.int64))
    other = wrap((xp.arange(c) != labels[:, None]).astype(x._data.dtype))
    loss: Any = relu(margin - gather(v, 1, at) + v)
    loss = (loss * loss if p == 2 else loss) * other
    if weight is not None:
        w = as_tensor_arg(weight, op)
        if w._shape != (c,):
            raise ShapeError(f"{op}: weight has shape {w._shape}; ({c},) is expected, one for each class")
        loss = loss * wrap(w._data[labels][:, None])
    loss = mean_p(loss, (1,), False)
    if len(x._shape) == 1:
        loss = reshape_p(loss, ())
    return reduced(loss, reduction)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4, low=0.0, high=1.0, grad=False)),
        call(t(3, 4), t(3, 4, low=0.0, high=1.0, grad=False), t(4, low=0.5, grad=False), reduction="none"),
    ],
    errors=lambda: [raises(ValueError, r"losses do not broadcast", t(3, 4), t(4))],
)
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over the classes (last dimension) of the binary cross entropy of sigmoid(input) and targets in [0, 1].

    >>> import retrograd as rg
    >>> rg.nn.functional.multilabel_soft_margin_loss(rg.zeros(1, 2), rg.ones(1, 2))
    tensor(0.6931)
    """
    op = "multilabel_soft_margin_loss"
    reduction = reduction_arg(op, reduction, size_average, reduce)
    x, y = same_shape(op, input, target)
    loss: Any = -(y * logsigmoid_p(x) + (1 - y) * logsigmoid_p(-x))
    if weight is not None:
        loss = loss * as_tensor_arg(weight, op)
    return reduced(mean_p(loss, (len(x._shape) - 1,), False), reduction)


# ---------------------------------------------------------------- the front door's names of what nn.functional has
for _f in (cosine_similarity, pairwise_distance):
    public(method=False)(_f)
