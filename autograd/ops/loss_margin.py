"""multilabel_margin_loss, triplet_margin_with_distance_loss and linear_cross_entropy."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import of, xp_of
from ..core import as_tensor_arg, wrap
from ..errors import DtypeError, RangeError, ShapeError
from ..op import public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from .activation import relu
from .args import same_library
from .blend import minimum
from .clamp import clamp_min
from .linear import linear
from .loss_class import cross_entropy
from .loss_pairs import pairwise_distance
from .loss_reduction import reduced, reduction_arg
from .shape import reshape_p, sum_p
from .sort import take_along_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["linear_cross_entropy", "multilabel_margin_loss", "triplet_margin_with_distance_loss"]


# ---------------------------------------------------------------- multilabel_margin_loss
def _label_sets(target: Any, n: int, c: int, op: str) -> tuple[Any, Any, Any]:
    """(labels (N, K) with 0 in unused places, which places are used, which classes are labels (N, C))."""
    xp = xp_of(target)
    y = target.reshape(n, c)
    used = xp.cumprod(y >= 0, axis=1).astype(bool) if y.size else y >= 0  # the first negative number ends the list
    if of(y).device_type == "cpu" and y.size:
        bad = (y < -1) | (y >= c)
        if bad.any():
            at = tuple(int(v) for v in np.argwhere(bad)[0])
            raise RangeError(
                f"{op}: label {int(y[at])} at position {at} is out of range for {c} classes (0..{c - 1}, or -1 after the last)"
            )
        most = int(used.sum(1).max())
        y, used = y[:, :most], used[:, :most]
    y = xp.where(used, y, 0)
    is_label = xp.zeros((n, c + 1), bool)
    is_label[xp.arange(n)[:, None], xp.where(used, y, c)] = True
    return y, used, is_label[:, :c]


def _ref_multilabel(x: Any, y: Any, reduction: str = "mean") -> Any:
    rows, labels = np.atleast_2d(x), np.atleast_2d(y)
    losses = np.zeros(len(rows))
    for n, (v, w) in enumerate(zip(rows, labels, strict=True)):
        known = list(w[: list(w).index(-1)] if -1 in w else w)
        for j in known:
            losses[n] += sum(max(0.0, 1 - (v[j] - v[i])) for i in range(len(v)) if i not in known) / len(v)
    if reduction == "none":
        return losses if x.ndim == 2 else losses[0]
    return losses.mean() if reduction == "mean" else losses.sum()


def _labels(values: Any) -> Any:
    return t(*np.shape(values), dtype="int64", values=values, grad=False)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 4), _labels([[3, 0, -1, 1], [2, -1, 0, 0]])),
        call(t(2, 3), _labels([[0, 1, 2], [-1, 0, 0]]), reduction="none"),
        call(t(4), _labels([1, 2, -1, -1]), reduction="sum"),
    ],
    errors=lambda: [
        raises(IndexError, r"label 4 at position \(0, 1\) is out of range for 4 classes", t(1, 4), _labels([[0, 4, -1, -1]])),
        raises(RuntimeError, r"target has shape \(2, 3\) but input \(2, 4\)", t(2, 4), _labels([[0, 1, 2]] * 2)),
        raises(RuntimeError, r"input \(N, C\) or \(C,\)", t(2, 2, 2), t(2, 2, 2, dtype="int64")),
        raises(RuntimeError, r"target is float", t(2, 4), t(2, 4)),
    ],
    ref=_ref_multilabel,
)  # fmt: skip
@sample_by_sample
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over labels y and classes i that are no labels of max(0, 1 - (x[y] - x[i])) / C: scores and labels (N, C).

    The labels of a sample stand at the front of its row of `target` (int64); the first -1 ends them. (C,) for a single
    sample. IndexError names a label out of range.

    >>> import retrograd as rg
    >>> rg.nn.functional.multilabel_margin_loss(rg.tensor([[0.25, 0.5]]), rg.tensor([[1, -1]]))
    tensor(0.3750)
    """
    op = "multilabel_margin_loss"
    reduction = reduction_arg(op, reduction, size_average, reduce)
    x, y = as_tensor_arg(input, op), as_tensor_arg(target, op)
    if len(x._shape) > 2 or len(x._shape) == 2 and not x._shape[1] or x._shape == (0,):
        raise ShapeError(f"{op}: input (N, C) or (C,) with C > 0 is expected, got shape {x._shape}")
    if y._shape != x._shape:
        raise ShapeError(
            f"{op}: target has shape {y._shape} but input {x._shape}; they must be equal (fill up with -1)"
        )
    if y._dtype.kind not in "iu":
        raise DtypeError(f"{op}: target is {y._dtype.name}; integer labels are expected, as in target.long()")
    n, c = x._shape if len(x._shape) == 2 else (1, prod(x._shape))
    v: Any = reshape_p(x, (n, c))
    xp = xp_of(x._data)
    labels, used, is_label = _label_sets(same_library(y._data, xp, op, "target").astype("int64"), n, c, op)
    others = wrap((~is_label).astype(x._data.dtype))
    loss: Any = None
    for k in range(labels.shape[1]):  # a pass for each place in the lists, instead of all pairs of classes in memory
        at = xp.ascontiguousarray(labels[:, k : k + 1])
        margins = relu(1 - take_along_p(v, 1, at, True, False) + v) * others
        term = sum_p(margins * wrap(used[:, k : k + 1].astype(x._data.dtype)), (1,), False)
        loss = term if loss is None else loss + term
    loss = sum_p(v * 0, (1,), False) if loss is None else loss / c
    return reduced(loss if len(x._shape) == 2 else reshape_p(loss, ()), reduction)


# ---------------------------------------------------------------- triplet_margin_with_distance_loss
@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4), t(3, 4)),
        call(t(3, 4), t(3, 4), t(3, 4), margin=0.5, swap=True, reduction="none"),
        call(t(2, 4), t(2, 4), t(2, 4), reduction="sum", distance_function=lambda x, y: ((x - y) * (x - y)).sum(-1)),
    ],
    errors=lambda: [
        raises(ValueError, r"margin must be greater than 0", t(3), t(3), t(3), margin=-1),
        raises(ValueError, r"'avg' is not a valid reduction", t(3), t(3), t(3), reduction="avg"),
        raises(RuntimeError, r"2, 1 and 2 dimensions", t(3, 4), t(4), t(3, 4)),
    ],
)
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) with any distance d (default: `pairwise_distance`).

    distance_function takes two tensors of the operands' shape, (N, D) say, and returns their distances (N,). swap: the
    distance from positive to negative counts where it is the smaller one. (Balntas et al. 2016)

    >>> import retrograd as rg
    >>> x, y = rg.tensor([[0.0, 0.0]]), rg.tensor([[3.0, 4.0]])
    >>> d = lambda a, b: (a - b).abs().sum(1)
    >>> rg.nn.functional.triplet_margin_with_distance_loss(x, y, x, distance_function=d)
    tensor(8.)
    """
    op = "triplet_margin_with_distance_loss"
    reduction = reduction_arg(op, reduction)
    if margin <= 0:
        raise ValueError(f"{op}: margin must be greater than 0, got {margin}")
    a, p, n = (as_tensor_arg(x, op) for x in (anchor, positive, negative))
    ranks = [len(x._shape) for x in (a, p, n)]
    if len(set(ranks)) > 1:
        raise ShapeError(
            f"{op}: anchor, positive and negative have {ranks[0]}, {ranks[1]} and {ranks[2]} dimensions; as many are "
            "expected"
        )
    distance: Any = pairwise_distance if distance_function is None else distance_function
    near, far = distance(a, p), distance(a, n)
    if swap:
        far = minimum(far, distance(p, n))
    return reduced(clamp_min(near - far + margin, 0), reduction)


# ---------------------------------------------------------------- linear_cross_entropy
def _classes(*shape: int, c: int = 4) -> Any:
    return t(*shape, dtype="int64", low=0, high=c, grad=False)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 5), t(4, 5), _classes(3)),
        call(t(3, 5), t(4, 5), _classes(3), linear_bias=t(4), weight=t(4, low=0.5, grad=False), reduction="sum"),
        call(t(5), t(4, 5), _classes(), label_smoothing=0.1),
        call(t(3, 5), t(4, 2, 5), _classes(3, 2), linear_bias=t(4, 2), reduction="none"),
        call(t(3, 5), t(4, 5), t(3, 4, low=0.1)),
        call(t(3, 5), t(4, 5), _classes(3), ignore_index=1),
    ],
    errors=lambda: [
        raises(RuntimeError, r"input \(N, in_features\) or \(in_features,\)", t(2, 3, 5), t(4, 5), _classes(2)),
        raises(RuntimeError, r"5 and 6 in_features", t(3, 5), t(4, 6), _classes(3)),
        raises(RuntimeError, r"linear_bias \(4,\) is expected", t(3, 5), t(4, 5), _classes(3), linear_bias=t(3)),
        raises(RuntimeError, r"ignore_index has no meaning", t(3, 5), t(4, 5), t(3, 4), ignore_index=1),
        raises(RuntimeError, r"needs a batch", t(5), t(4, 2, 5), _classes(2)),
    ],
)
def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy` of the logits input @ linear_weight^T + linear_bias: (N, in), (C, in) or (C, d1, ..., in), (N,).

    target, weight, reduction and label_smoothing are those of `cross_entropy`; ignore_index is -100 by default and only
    for labels. options (chunking, which saves memory in PyTorch) change nothing here, with a warning. ShapeError where
    features or bias do not fit.

    >>> import retrograd as rg
    >>> rg.nn.functional.linear_cross_entropy(rg.ones(2, 3), rg.zeros(4, 3), rg.tensor([0, 3]))
    tensor(1.3863)
    """
    op = "linear_cross_entropy"
    x, w, y = (as_tensor_arg(v, op) for v in (input, linear_weight, target))
    if len(x._shape) not in (1, 2):
        raise ShapeError(f"{op}: input (N, in_features) or (in_features,) is expected, got shape {x._shape}")
    if len(w._shape) < 2:
        raise ShapeError(f"{op}: linear_weight (C, ..., in_features) is expected, got shape {w._shape}")
    if x._shape[-1] != w._shape[-1]:
        raise ShapeError(
            f"{op}: input and linear_weight have {x._shape[-1]} and {w._shape[-1]} in_features (the last dimension)"
        )
    outer = w._shape[:-1]
    b = None if linear_bias is None else as_tensor_arg(linear_bias, op)
    if b is not None and b._shape != outer:
        raise ShapeError(f"{op}: linear_bias {outer} is expected for linear_weight {w._shape}, got shape {b._shape}")
    if len(outer) > 1 and len(x._shape) == 1:
        raise ShapeError(f"{op}: linear_weight {w._shape} needs a batch (N, in_features), got input {x._shape}")
    shape = (*x._shape[:-1], *outer)
    if y._shape == shape and ignore_index is not None:
        raise ShapeError(f"{op}: ignore_index has no meaning for probabilities (target {y._shape}); leave it away")
    if options is not None:
        warnings.warn(f"{op}: options are ignored; the logits are computed at once", stacklevel=2)
    if len(outer) > 1:
        w = reshape_p(w, (prod(outer), w._shape[-1]))
        b = None if b is None else reshape_p(b, (prod(outer),))
    logits = reshape_p(linear(x, w, b), shape)
    return cross_entropy(
        logits,
        y,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
