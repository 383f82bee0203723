"""Losses of classification: cross_entropy and nll_loss, with class weights, ignored labels and label smoothing.

A label stands for a distribution q over the classes (a weight at the label, and the smoothing spread over all); the
loss of a row is -sum(q * log_softmax(x)), its gradient sum(q) * softmax(x) - q. One primitive computes it from logits
and labels and never builds q. Labels and class weights are parameters, not operands.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import core
from ..backend import accelerated, xp_of
from ..core import as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..op import nary, param, public
from ..samples import call, raises, t
from .args import same_library
from .arith import raw
from .loss_labels import Labels, beside, places
from .loss_reduction import reduced, reduction_arg
from .matmul import shape_of
from .shape import reshape_p, sum_p
from .softmax import log_softmax_p, softmax_p
from .sums import add_up

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["cross_entropy", "nll_loss"]

Shape = tuple[int, ...]


def _finish(xp: Any, loss: Any, labels: Labels, reduction: str) -> Any:
    if reduction == "none":
        return loss
    total = add_up(loss)
    if reduction == "sum":
        return total
    if type(labels.total) is int and labels.total:
        return xp.asarray(total / labels.total, dtype=loss.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):  # nothing counted: 0 / 0 is NaN, as in PyTorch
        return xp.asarray(total / xp.asarray(labels.total, dtype=loss.dtype), dtype=loss.dtype)


def _cotangent(g: Any, labels: Labels, reduction: str, dtype: Any) -> Any:
    """The cotangent of each single loss, of shape (N, *S) or 0-d."""
    if reduction != "mean":
        return g
    total = labels.total
    if isinstance(total, int):
        return g * (1 / total if total else np.nan)
    with np.errstate(divide="ignore"):
        return g * (1 / total.astype(dtype))


def _counted(g: Any, labels: Labels, reduction: str) -> Any:
    """The cotangents, 0 for ignored labels also where none counts: that mean is NaN, but must not spoil the weights."""
    valid, total = labels.valid, labels.total
    if reduction != "mean" or valid is None or (isinstance(total, np.generic) and total != 0):
        return g
    return xp_of(valid).where(valid, g, 0)


# ---------------------------------------------------------------- cross entropy of logits
@accelerated("cross_entropy_sums")
def _sums(xp: Any, x: Any, labels: Any, classes: Any, smoothing: float) -> Any:
    """(-log_softmax(x)[label], the largest logit of each row, log(sum(exp(x - largest))), sum((x - largest) * classes))."""
    top = x.max(1, keepdims=True) if x.size else x[:, :1]
    z = x - top
    picked = z[places(xp, labels)]
    smooth = add_up(z * beside(classes, x), 1) if smoothing else None
    logs = xp.log(add_up(xp.exp(z, out=z), 1))
    return logs - picked, top, logs, smooth


def _cross_entropy(xp: Any, xs: Any, labels: Labels, reduction: str) -> Any:
    (x,) = xs
    smoothing = labels.smoothing
    loss, top, logs, smooth = _sums(xp, x, labels.labels, labels.classes, smoothing)
    if labels.weight is not None:
        loss = loss * labels.weights(x.dtype)
    if smooth is not None:
        over = x.shape[1] if labels.classes is None else add_up(labels.classes)
        loss *= 1 - smoothing
        loss += (over * logs - smooth) * (labels.counted(x.dtype) * x.dtype.type(smoothing / x.shape[1]))
    return _finish(xp, loss, labels, reduction), top, logs


def _factors(g: Any, labels: Labels, reduction: str, dtype: Any, c: int) -> tuple[Any, Any, Any]:
    """What multiplies, in each row, the gradient of the logit at the label, the softmax, and the sum of all logits."""
    g = _counted(_cotangent(g, labels, reduction, dtype), labels, reduction)
    at_label = g * (labels.weights(dtype) * (1 - labels.smoothing))
    if not labels.smoothing:
        return at_label, at_label, None
    share = g * (labels.counted(dtype) * dtype.type(labels.smoothing / c))
    return at_label, at_label + share * (c if labels.classes is None else add_up(labels.classes)), share


@accelerated("cross_entropy_back")
def _spread_back(
    xp: Any, x: Any, labels: Any, classes: Any, top: Any, logs: Any, at_label: Any, mass: Any, share: Any
) -> Any:
    """softmax(x) * mass - share * classes, less at_label at the label: numbers, or one for each row."""
    out = x - top
    out -= logs[:, None]
    xp.exp(out, out=out)
    out *= xp.asarray(mass)[:, None] if getattr(mass, "ndim", 0) else mass
    out[places(xp, labels)] -= at_label
    if share is not None:
        out -= xp.broadcast_to(share, logs.shape)[:, None] * beside(classes, x)
    return out


def _cross_entropy_back(xp: Any, xs: Any, labels: Labels, reduction: str, top: Any, logs: Any) -> Any:
    g, x = xs
    at_label, mass, share = _factors(g, labels, reduction, x.dtype, x.shape[1])
    return _spread_back(xp, x, labels.labels, labels.classes, top, logs, at_label, mass, share)


def _distribution(labels: Labels, x: Any) -> Any:
    """The array q (N, C, *S) that the labels stand for."""
    xp = xp_of(x)
    q = xp.zeros(x.shape, x.dtype)
    q[labels.at] = labels.weights(x.dtype) * (1 - labels.smoothing)
    if labels.smoothing:
        n = labels.counted(x.dtype) * x.dtype.type(labels.smoothing / x.shape[1])
        q += (n if isinstance(n, np.generic) else n[:, None]) * labels.spread(x)
    return q


def _rows(v: Any) -> Any:
    """One number for each row (N, *S) shaped to multiply (N, C, *S); a number for all as it is."""
    s = shape_of(v)
    return reshape_p(v, (s[0], 1, *s[1:])) if s else v


def _cross_entropy_back_vjp(
    g: Any, xs: Any, o: Any, needs: Any, labels: Labels, reduction: str, top: Any, logs: Any
) -> Any:
    """The operation is r * (a * softmax(x) - q), with r from g, and a, q from the labels."""
    v, x = xs
    q = _distribution(labels, raw(x))
    a = add_up(q, 1, None, True)
    p = softmax_p(x, 1)
    gv = gx = None
    if needs[0]:
        gv = sum_p(g * (p * a - q), (1,), False)
        if reduction != "none":
            gv = _cotangent(sum_p(gv, tuple(range(len(gv.shape))), False), labels, reduction, q.dtype)
    if needs[1]:
        h = g * p * (_rows(_cotangent(v, labels, reduction, q.dtype)) * a)
        gx = h - p * sum_p(h, (1,), True)
    return gv, gx


cross_entropy_back_p: Any = nary(
    "cross_entropy_back",
    _cross_entropy_back,
    _cross_entropy_back_vjp,
    saves=("1", "01"),
    doc="The cotangent of the logits of cross_entropy_p, from (g, logits) and the saved normaliser.",
)
cross_entropy_p: Any = nary(
    "cross_entropy",
    _cross_entropy,
    lambda g, xs, o, needs, labels, reduction: (
        cross_entropy_back_p((g[0] if isinstance(g, list) else g, xs[0]), labels, reduction, *o[1:]),
    ),
    saves=("0",),
    extras=2,
    doc="The cross entropy of logits (N, C, *S) and labels.",
)


# ---------------------------------------------------------------- negative log likelihood
def _nll(xp: Any, x: Any, labels: Labels, reduction: str) -> Any:
    picked = -x[labels.at]
    return _finish(xp, picked if labels.weight is None else picked * labels.weights(x.dtype), labels, reduction)


def _nll_back(xp: Any, g: Any, labels: Labels, reduction: str, shape: Shape) -> Any:
    out = xp.zeros(shape, g.dtype)
    g = _counted(_cotangent(g, labels, reduction, g.dtype), labels, reduction)
    out[labels.at] = -g * labels.weights(out.dtype)
    return out


nll_p: Any = param(
    "nll",
    _nll,
    lambda g, x, o, labels, reduction: nll_back_p(g, labels, reduction, x),
    jvp="linear",
    doc="-x[label] of log-probabilities (N, C, *S).",
)
nll_back_p: Any = param(
    "nll_back",
    _nll_back,
    lambda g, x, o, labels, reduction, shape: nll_p(g, labels, reduction),
    jvp="linear",
    doc="The adjoint of nll_p.",
)


# ---------------------------------------------------------------- arguments
def _class_weight(weight: Any, x: Tensor, c: int, op: str) -> Any:
    if weight is None:
        return None
    w = as_tensor_arg(weight, op)
    if w._shape != (c,):
        raise ShapeError(f"{op}: weight has shape {w._shape}; one for each of the {c} classes is expected: ({c},)")
    return same_library(w._data, xp_of(x._data), op, "weight").astype(x._data.dtype)


def _logits(input: Any, op: str) -> Tensor:
    x = as_tensor_arg(input, op)
    if not x._dtype.is_floating_point:
        raise DtypeError(f"{op}: input is {x._dtype.name}; floating-point values for each class are expected")
    if not x._shape:
        raise ShapeError(f"{op}: input (N, C), (C,) or (N, C, d1, ...) is expected, got a 0-d tensor")
    return x


def _check_target(op: str, x: Tensor, target: Tensor) -> None:
    """Labels of shape () for (C,), and (N, d1, ...) for (N, C, d1, ...)."""
    s, given = x._shape, target._shape
    expected = () if len(s) == 1 else (s[0], *s[2:])
    if op == "cross_entropy" and len(given) == len(s) > 1 and given[0] != s[0] and target._dtype.is_floating_point:
        raise ShapeError(f"{op}: probabilities have shape {given} but the input has shape {s}; they must be equal")
    if target._dtype.kind not in "iu":
        raise DtypeError(
            f"{op}: labels are {target._dtype.name} of shape {given}; integers of shape {expected} are expected, as in "
            f"target.long()" + (f", or probabilities of shape {s}" if op == "cross_entropy" else "")
        )
    if given == expected:
        return
    hint = ""
    if given == s:
        hint = "; for one-hot labels give target.argmax(1)" + (
            ", or probabilities as target.float()" if op == "cross_entropy" else ""
        )
    elif given == (*expected, 1):
        hint = "; drop its last dimension with target.squeeze(-1)"
    elif len(s) > 2 and given == s[:-1]:
        hint = f"; classes are dimension 1: is the input (N, ..., C)? Move them with x.movedim(-1, 1) ({s[-1]} classes)"
    raise ShapeError(f"{op}: labels have shape {given} but input {s} expects {expected}{hint}")


def _classes(x: Tensor) -> int:
    shape: Shape = x._shape
    return shape[1 if len(shape) > 1 else 0]


def _canonical(x: Any, target: Any) -> tuple[Any, Any]:
    """(N, C, S) or (N, C) logits, and their labels as a raw array of shape (N, S) or (N,)."""
    s = x._shape
    labels = same_library(target._data, xp_of(x._data), "cross_entropy", "target")
    if labels.dtype != np.int64:
        labels = labels.astype(np.int64)  # so that a negative ignore_index compares as such
    if len(s) == 1:
        return reshape_p(x, (1, s[0])), labels.reshape(1)
    if len(s) > 3:
        return reshape_p(x, (*s[:2], prod(s[2:]))), labels.reshape(s[0], prod(s[2:]))
    return x, labels


def _ref(x: Any, *args: Any, **kwargs: Any) -> Any:
    from scipy.special import log_softmax

    return _ref_nll(log_softmax(x, 1 if x.ndim > 1 else 0), *args, **kwargs)


def _ref_nll(
    x: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """The definition, by a distribution over the classes in the last dimension."""
    if x.ndim == 1:
        out = _ref_nll(x[None], target[None], weight, ignore_index, reduction, label_smoothing)
        return out[0] if reduction == "none" else out
    x = np.moveaxis(x, 1, -1)
    c = x.shape[-1]
    w = np.ones(c) if weight is None else weight
    if target.dtype.kind == "f":
        q = np.moveaxis(target, 1, -1) * (1 - label_smoothing) + label_smoothing / c
        total = np.prod(target.shape) / c
        loss = -(x * q * w).sum(-1)
    else:
        keep = target != ignore_index
        safe = np.where(keep, target, 0)
        q = np.eye(c)[safe] * (1 - label_smoothing) * w + label_smoothing / c * w
        total = (w[safe] * keep).sum()
        loss = -(x * q).sum(-1) * keep
    return loss if reduction == "none" else loss.sum() / (1 if reduction == "sum" else total)


def _labels(*shape: int, c: int = 5, **kw: Any) -> Any:
    return t(*shape, dtype="int64", low=0, high=c, grad=False, **kw)


# ---------------------------------------------------------------- public
@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(4, 5), _labels(4)),
        call(t(4, 5), _labels(4), t(5, low=0.5, high=2.0, grad=False), reduction="sum"),
        call(t(4, 5), _labels(4, values=[1, -100, 4, 0]), reduction="none"),
        call(t(4, 5), _labels(4, values=[1, 2, 4, 2]), ignore_index=2, weight=t(5, low=0.5, high=2.0, grad=False)),
        call(t(4, 5), _labels(4, values=[1, -1, 4, 0]), ignore_index=-1, label_smoothing=0.2),
        call(t(4, 5), _labels(4), t(5, low=0.5, high=2.0, grad=False), label_smoothing=0.1),
        call(t(2, 5, 3), _labels(2, 3), label_smoothing=0.1, reduction="none"),
        call(t(2, 5, 3, 2), _labels(2, 3, 2)),
        call(t(5), _labels()),
        call(t(4, 5), t(4, 5, low=0.1, high=1.0)),
        call(t(2, 5, 3), t(2, 5, 3, low=0.1), t(5, low=0.5, high=2.0, grad=False), label_smoothing=0.1),
        call(t(5), t(5, low=0.1), reduction="sum"),
        call(t(4, 5), t(4, 5, low=0.1), reduction="none"),
    ],
    errors=lambda: [
        raises(IndexError, r"label 10 at position 3 is out of range", t(4, 5), _labels(4, values=[0, 1, 2, 10])),
        raises(ValueError, r"labels have shape \(3,\) but input \(4, 5\) expects \(4,\)", t(4, 5), _labels(3)),
        raises(ValueError, r"target.squeeze\(-1\)", t(4, 5), _labels(4, 1)),
        raises(ValueError, r"give target.argmax\(1\)", t(4, 5), _labels(4, 5)),
        raises(RuntimeError, r"as in target.long\(\), or probabilities of shape \(4, 5\)", t(4, 5), t(4)),
        raises(ValueError, r"'avg' is not a valid reduction", t(4, 5), _labels(4), reduction="avg"),
        raises(RuntimeError, r"label_smoothing must be between 0 and 1", t(4, 5), _labels(4), label_smoothing=2.0),
        raises(RuntimeError, r"weight has shape \(4,\)", t(4, 5), _labels(4), t(4)),
        raises(RuntimeError, r"ignore_index=1 has no meaning", t(4, 5), t(4, 5), ignore_index=1),
        raises(ValueError, r"probabilities have shape \(3, 5\)", t(4, 5), t(3, 5)),
    ],
    ref=_ref,
)
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log_softmax(input)[label]: the cross entropy of logits (N, C), (C,) or (N, C, d1, ...) and integer labels.

    target: labels (N, d1, ...) of any integer dtype, or probabilities of the input's shape. weight: one number for each
    class. Labels equal to ignore_index count nothing. label_smoothing mixes the label with the uniform distribution.
    reduction "mean" divides by the sum of the labels' weights (probabilities: by their number), "sum" does not, "none"
    gives each loss. `IndexError` names the first label out of range.

    >>> import retrograd as rg
    >>> rg.nn.functional.cross_entropy(rg.zeros(2, 4), rg.tensor([0, 3]))
    tensor(1.3863)
    """
    op = "cross_entropy"
    reduction = reduction_arg(op, reduction, size_average, reduce)
    x, y = _logits(input, op), as_tensor_arg(target, op)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"{op}: label_smoothing must be between 0 and 1, got {label_smoothing}")
    c = _classes(x)
    w = _class_weight(weight, x, c, op)
    if y._shape == x._shape and y._dtype.is_floating_point:
        if ignore_index >= 0:
            raise RuntimeError(f"{op}: ignore_index={ignore_index} has no meaning for probabilities as the target")
        return _soft(x, y, w, reduction, label_smoothing)
    _check_target(op, x, y)
    if core.lifting is not None:
        from .loss_gather import batched, by_gather

        if batched(x, y, w):
            logs = log_softmax_p(x, 1 if len(x._shape) > 1 else 0)
            return by_gather(logs, y, w, ignore_index, reduction, label_smoothing, op)
    v, labels = _canonical(x, y)
    loss = cross_entropy_p((v,), Labels(labels, c, w, ignore_index, label_smoothing, op), reduction)
    return loss if reduction != "none" or loss._shape == y._shape else reshape_p(loss, y._shape)


def _soft(x: Tensor, q: Any, w: Any, reduction: str, smoothing: float) -> Tensor:
    """Cross entropy with probabilities as the target, differentiable in both."""
    axis = 1 if len(x._shape) > 1 else 0
    c = x._shape[axis]
    if smoothing:
        q = q * (1 - smoothing) + smoothing / c
    terms = log_softmax_p(x, axis) * q
    if w is not None:
        terms = terms * w.reshape(-1, *(1,) * (len(x._shape) - axis - 1))
    loss = -sum_p(terms, (axis,), False)
    return reduced(loss, reduction)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(4, 5), _labels(4)),
        call(t(4, 5), _labels(4), t(5, low=0.5, high=2.0, grad=False), reduction="sum"),
        call(t(4, 5), _labels(4), t(5, low=0.5, high=2.0, grad=False)),
        call(t(4, 5), _labels(4, values=[1, -100, 4, 0]), reduction="none"),
        call(t(2, 5, 3), _labels(2, 3), ignore_index=1),
        call(t(2, 5, 3, 2), _labels(2, 3, 2), reduction="none"),
        call(t(5), _labels()),
    ],
    errors=lambda: [
        raises(IndexError, r"label -1 at position 1 is out of range", t(2, 5), _labels(2, values=[0, -1])),
        raises(ValueError, r"nll_loss: labels have shape", t(4, 5), _labels(3)),
        raises(RuntimeError, r"labels are float", t(4, 5), t(4)),
    ],
    ref=_ref_nll,
)
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input[label]: the negative log likelihood of log-probabilities (N, C), (C,) or (N, C, d1, ...) and labels.

    The arguments are those of `cross_entropy`, which takes logits instead.

    >>> import retrograd as rg
    >>> rg.nn.functional.nll_loss(rg.tensor([[-1.0, -2.0]]), rg.tensor([1]))
    tensor(2.)
    """
    op = "nll_loss"
    reduction = reduction_arg(op, reduction, size_average, reduce)
    x, y = _logits(input, op), as_tensor_arg(target, op)
    _check_target(op, x, y)
    c = _classes(x)
    w = _class_weight(weight, x, c, op)
    if core.lifting is not None:
        from .loss_gather import batched, by_gather

        if batched(x, y, w):
            return by_gather(x, y, w, ignore_index, reduction, 0.0, op)
    v, labels = _canonical(x, y)
    loss = nll_p(v, Labels(labels, c, w, ignore_index, 0.0, op), reduction)
    return loss if reduction != "none" or loss._shape == y._shape else reshape_p(loss, y._shape)
