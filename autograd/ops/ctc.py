"""Connectionist temporal classification: the likelihood of a label sequence under all its alignments.

The labels of a sample, with blanks between and around them, make 2 S + 1 states. alpha[t, s] is the log-probability of
all paths through the first t + 1 steps that end in state s, beta[t, s] of all that go on from there; their sum, less
the likelihood, is the log of the posterior of being in state s at step t, whose sum over the states of a class is minus
the derivative with respect to that class's log-probability. All samples of a batch run through the recursions together.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import by_xp, of, xp_of
from ..composed import composed
from ..core import TensorBase, as_tensor_arg, wrap
from ..errors import DtypeError, ShapeError
from ..op import nary, public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from .args import as_int
from .index import index_put_p
from .join import cat, stack
from .loss_reduction import reduced, reduction_arg
from .math import exp, logaddexp
from .shape import getitem_p, keep_p, reshape_p, sum_p
from .softmax import logsumexp_p
from .where import masked_fill_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

    Lengths = Tensor | Sequence[int]

__all__ = ["ctc_losses", "ctc_loss"]

_NONE = -1e30  # the log of a probability of 0: finite, so that differences of two of them are numbers


# ---------------------------------------------------------------- the states
class _States:
    """What the recursions need of the labels, as arrays of the log-probabilities' library.

    label (N, K): the class of each state. skip (N, K): whether a path may come from two states before. last (N,): the
    number of states less 1; steps (N,): of the inputs.
    """

    __slots__ = ("active", "label", "last", "none", "skip", "steps", "total")

    def __init__(self, xp: Any, labels: Any, steps: Any, counts: Any, blank: int, total: int) -> None:
        n, s = labels.shape
        k = 2 * s + 1
        label = np.full((n, k), blank, np.int64)
        label[:, 1::2] = labels
        skip = np.zeros((n, k), bool)
        skip[:, 2:] = (label[:, 2:] != blank) & (label[:, 2:] != label[:, :-2])
        self.label, self.skip, self.total = xp.asarray(label), xp.asarray(skip), total
        self.last, self.steps = xp.asarray(2 * counts), xp.asarray(steps)
        self.none = xp.arange(k) > self.last[:, None]  # states beyond the labels
        self.active = xp.arange(total)[:, None] < self.steps  # (T, N)

    def ends(self, xp: Any) -> Any:
        """(N, K): the states that a path may end in: the last blank and the last label."""
        at = xp.arange(self.label.shape[1])
        return (at == self.last[:, None]) | (at == self.last[:, None] - 1)

    def where(self, xp: Any) -> tuple[Any, Any, Any]:
        """The index that reads the log-probabilities (T, N, C) of all states: (T, N, K)."""
        n = self.label.shape[0]
        return xp.arange(self.total)[:, None, None], xp.arange(n)[:, None], self.label


def _shifted(xp: Any, a: Any, by: int) -> Any:
    """a (N, K) moved by some states; what enters has probability 0."""
    out = xp.full(a.shape, _NONE, a.dtype)
    if by > 0:
        out[:, by:] = a[:, :-by]
    else:
        out[:, :by] = a[:, -by:]
    return out


def _lowered(xp: Any, a: Any, active: Any) -> tuple[Any, Any]:
    """(a less its largest element in each active row, what was taken away): numbers near 0 keep their digits."""
    top = a.max(1)
    top = xp.where(active & (top > _NONE / 2), top, a.dtype.type(0))
    return a - top[:, None], top


def _alphas(xp: Any, p: Any, states: _States) -> tuple[Any, Any]:
    """(T, N, K), each step less its largest element, those that a sample has not repeating its last one; and the sum of
    what was taken away, (N,) in double precision."""
    out = xp.empty_like(p)
    start = xp.where(xp.arange(p.shape[2]) < 2, p[0], _NONE)
    on = states.active[0]
    a, top = _lowered(xp, xp.where(states.none | ~on[:, None], _NONE, start).astype(p.dtype), on)
    out[0] = a
    taken = top.astype("float64")
    for i in range(1, len(p)):
        before = xp.logaddexp(a, _shifted(xp, a, 1))
        before = xp.logaddexp(before, xp.where(states.skip, _shifted(xp, a, 2), _NONE).astype(p.dtype))
        b = xp.where(states.none, p.dtype.type(_NONE), before + p[i])
        on = states.active[i]
        b, top = _lowered(xp, b, on)
        taken += top
        out[i] = a = xp.where(on[:, None], b, a)
    return out, taken


def _betas(xp: Any, p: Any, states: _States) -> Any:
    """(T, N, K): the paths from a state at a step on, without that step's own probability, less the largest element."""
    out = xp.full(p.shape, _NONE, p.dtype)
    end = xp.where(states.ends(xp), 0.0, _NONE).astype(p.dtype)
    b = out[-1]
    skip = xp.zeros_like(states.skip)
    skip[:, :-2] = states.skip[:, 2:]
    for i in range(len(p) - 1, -1, -1):
        if i + 1 < len(p):
            a = xp.where(states.none, p.dtype.type(_NONE), b + p[i + 1])
            after = xp.logaddexp(a, _shifted(xp, a, -1))
            b = xp.logaddexp(after, xp.where(skip, _shifted(xp, a, -2), _NONE).astype(p.dtype))
            b = _lowered(xp, b, states.active[i])[0]
        b = xp.where((states.steps == i + 1)[:, None], end, b)
        out[i] = b
    return out


def _log_sum(xp: Any, a: Any) -> Any:
    """log(sum(exp(a))) over the last dimension."""
    top = a.max(-1)
    return top + xp.log(xp.exp(a - top[..., None]).sum(-1))


# ---------------------------------------------------------------- primitives
def _gathered(xp: Any, x: Any, states: _States) -> Any:
    return xp.maximum(x[states.where(xp)], x.dtype.type(_NONE))


def _ctc(xp: Any, xs: Any, states: _States) -> Any:
    (x,) = xs
    if not len(x):
        impossible = xp.full(states.last.shape, math.inf, x.dtype)
        return xp.where(states.last == 0, x.dtype.type(0), impossible), xp.empty((0, *states.label.shape), x.dtype)
    alpha, taken = _alphas(xp, _gathered(xp, x, states), states)
    found = _log_sum(xp, xp.where(states.ends(xp), alpha[-1], _NONE))
    possible = (found > _NONE / 2) & (states.steps > 0)
    found = xp.where(possible, -(found + taken), math.inf)
    found = xp.where((states.steps == 0) & (states.last == 0), 0.0, found)  # no steps spell no labels
    return found.astype(x.dtype), alpha


def _ctc_back(xp: Any, xs: Any, states: _States, alpha: Any) -> Any:
    g, x = xs
    out = xp.zeros(x.shape, x.dtype)
    if not len(x):
        return out
    both = alpha + _betas(xp, _gathered(xp, x, states), states)
    total = _log_sum(xp, both)  # the same likelihood at every step, less what was taken away
    possible = states.active & (total > _NONE / 2)
    both -= xp.where(possible, total, 0.0).astype(x.dtype)[:, :, None]
    posterior = xp.where(possible[:, :, None], xp.exp(xp.minimum(both, 0)), 0.0).astype(x.dtype)
    posterior *= -g[:, None]
    by_xp(xp).scatter_add(out, states.where(xp), posterior)
    return out


def _recorded(g: Any, x: Any, states: _States, alpha: Any) -> Any:
    """The value of `ctc_back_p` by differentiable primitives, for its derivative."""
    xp = xp_of(x._data)
    where = states.where(xp)
    p = getitem_p(x, where)
    p = masked_fill_p(p, p._data < _NONE, _NONE)
    steps, n, k = p._shape
    all_states = slice(None)

    def moved(a: Any, by: int) -> Any:
        edge = wrap(xp.full((n, min(abs(by), k)), _NONE, x._data.dtype))
        cut = getitem_p(a, (all_states, slice(0, k - by) if by > 0 else slice(-by, k)))
        return cat((edge, cut), 1) if by > 0 else cat((cut, edge), 1)

    start = masked_fill_p(getitem_p(p, (0,)), (xp.arange(k) >= 2) | states.none | ~states.active[0][:, None], _NONE)
    alphas = [start]
    for i in range(1, steps):
        a = alphas[-1]
        before = logaddexp(a, moved(a, 1))
        before = logaddexp(before, masked_fill_p(moved(a, 2), ~states.skip, _NONE)) if k > 2 else before
        b = masked_fill_p(before + getitem_p(p, (i,)), states.none, _NONE)
        on = states.active[i][:, None]
        alphas.append(keep_p(b, on, True) + keep_p(a, on, False))
    skip = xp.zeros_like(states.skip)
    skip[:, :-2] = states.skip[:, 2:]
    end = wrap(xp.where(states.ends(xp), 0.0, _NONE).astype(x._data.dtype))
    betas: list[Any] = []
    b = wrap(xp.full((n, k), _NONE, x._data.dtype))
    for i in range(steps - 1, -1, -1):
        if betas:
            a = masked_fill_p(b + getitem_p(p, (i + 1,)), states.none, _NONE)
            after = logaddexp(a, moved(a, -1))
            b = logaddexp(after, masked_fill_p(moved(a, -2), ~skip, _NONE)) if k > 2 else after
        here = (states.steps == i + 1)[:, None]
        b = keep_p(end, here, True) + keep_p(b, here, False)
        betas.append(b)
    total = logsumexp_p(masked_fill_p(alphas[-1], ~states.ends(xp), _NONE), (1,), False)
    impossible = ~((total._data > _NONE / 2) & (states.steps > 0))
    both = stack(alphas) + stack(betas[::-1]) - reshape_p(total, (n, 1))
    left_out = impossible[:, None] | ~states.active[:, :, None] | xp.zeros((1, 1, k), bool)
    posterior = keep_p(exp(masked_fill_p(both, left_out, _NONE)), left_out, False)
    zeros = wrap(xp.zeros(x._shape, x._data.dtype))
    return index_put_p((zeros, -posterior * reshape_p(g, (n, 1))), where, True)


_by_inputs = composed(_recorded).nary_vjp()


def _ctc_back_vjp(v: Any, xs: Any, o: Any, needs: Any, states: _States, alpha: Any) -> Any:
    g, x = xs
    gg = gx = None
    if needs[0]:  # linear in g
        ones = xp_of(alpha).ones(g if type(g) is tuple else g.shape, alpha.dtype)
        each = ctc_back_p((wrap(ones) if isinstance(x, TensorBase) else ones, x), states, alpha)
        gg = sum_p(v * each, (0, 2), False)
    if needs[1]:
        gx = _by_inputs(v, xs, o, (None, True), states, alpha)[1]
    return gg, gx


ctc_back_p: Any = nary(
    "ctc_back",
    _ctc_back,
    _ctc_back_vjp,
    saves=("1", "01"),
    doc="The cotangent of the log-probabilities, from (g, log-probabilities).",
)
ctc_p: Any = nary(
    "ctc",
    _ctc,
    lambda g, xs, o, needs, states: (ctc_back_p((g[0] if isinstance(g, list) else g, xs[0]), states, o[1]),),
    saves=("0",),
    extras=1,
    doc="Minus the log-likelihood of each sample's labels under log-probabilities (T, N, C).",
)


# ---------------------------------------------------------------- arguments
def _lengths(op: str, value: Any, name: str, n: int) -> Any:
    """Lengths as a NumPy vector of n integers."""
    if isinstance(value, (tuple, list)):
        found = np.asarray([as_int(v, op, name) for v in value], np.int64)
    else:
        v = as_tensor_arg(value, op)
        if v._dtype.kind not in "iu":
            raise DtypeError(f"{op}: {name} are {v._dtype.name}; integers are expected")
        found = np.asarray(of(v._data).to_numpy(v._data), np.int64)
        found = found.reshape(1) if not found.ndim else found
    if found.shape != (n,):
        raise ShapeError(f"{op}: {name} have shape {found.shape}; one for each of the {n} samples is expected")
    if (found < 0).any():
        raise ValueError(f"{op}: {name} must not be negative, got {int(found.min())}")
    return found


def _labels(op: str, targets: Any, counts: Any, blank: int, c: int) -> Any:
    """The labels as a NumPy array (N, S), padded with blanks."""
    y = as_tensor_arg(targets, op)
    if y._dtype.kind not in "iu":
        raise DtypeError(f"{op}: targets are {y._dtype.name}; integer labels are expected, as in targets.long()")
    a = np.asarray(of(y._data).to_numpy(y._data), np.int64)
    n, most = len(counts), int(counts.max()) if len(counts) else 0
    labels = np.full((n, most), blank, np.int64)
    inside = np.arange(most) < counts[:, None]
    if a.ndim == 1:
        if a.size < counts.sum():
            raise ShapeError(f"{op}: targets has {a.size} labels, but target_lengths add up to {int(counts.sum())}")
        labels[inside] = a[: int(counts.sum())]
    elif a.ndim == 2 and a.shape[0] == n:
        if a.shape[1] < most:
            raise ShapeError(f"{op}: targets {a.shape} has {a.shape[1]} columns, but a target_length is {most}")
        labels[inside] = a[:, :most][inside]
    else:
        raise ShapeError(
            f"{op}: targets (N, S) or concatenated (sum of lengths,) are expected for {n} samples, got {a.shape}"
        )
    bad = inside & ((labels < 0) | (labels >= c))
    if bad.any():
        at = tuple(int(v) for v in np.argwhere(bad)[0])
        raise IndexError(
            f"{op}: label {int(labels[at])} of sample {at[0]} at position {at[1]} is out of range for {c} classes (0..{c - 1})"
        )
    return labels


def ctc_losses(log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any, blank: Any) -> tuple[Any, Any]:
    """The losses (N,) and the lengths of the targets, a NumPy vector; all arguments are checked."""
    op = "ctc_loss"
    x = as_tensor_arg(log_probs, op)
    if not x._dtype.is_floating_point:
        raise DtypeError(f"{op}: log_probs are {x._dtype.name}; a floating-point dtype is expected")
    if len(x._shape) not in (2, 3):
        raise ShapeError(f"{op}: log_probs (T, N, C) or (T, C) are expected, got shape {x._shape}")
    alone = len(x._shape) == 2
    v = reshape_p(x, (x._shape[0], 1, x._shape[1])) if alone else x
    total, n, c = v._shape
    blank = as_int(blank, op, "blank")
    if not 0 <= blank < c:
        raise RuntimeError(f"{op}: blank must be one of the {c} classes (0..{c - 1}), got {blank}")
    steps, counts = _lengths(op, input_lengths, "input_lengths", n), _lengths(op, target_lengths, "target_lengths", n)
    if not n:
        raise RuntimeError(f"{op}: log_probs {x._shape} have no samples; a batch must not be empty")
    if (steps > total).any():
        raise ValueError(f"{op}: input_lengths must be at most the {total} steps of log_probs, got {int(steps.max())}")
    labels = _labels(op, targets, counts, blank, c)
    return ctc_p((v,), _States(xp_of(x._data), labels, steps, counts, blank, total)), counts


def _ref(
    x: Any, targets: Any, steps: Any, counts: Any, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
) -> Any:
    """By summing over all alignments."""
    from itertools import product

    alone = x.ndim == 2
    x = x[:, None] if alone else x
    steps, counts = np.atleast_1d(steps), np.atleast_1d(counts)
    losses = []
    for n in range(x.shape[1]):
        start = int(counts[:n].sum()) if targets.ndim == 1 else 0
        wanted = list((targets if targets.ndim == 1 else targets[n])[start : start + counts[n]])
        total = 0.0
        for path in product(range(x.shape[2]), repeat=int(steps[n])):
            labels = [a for i, a in enumerate(path) if a != blank and (i == 0 or path[i - 1] != a)]
            if labels == wanted:
                total += np.exp(sum(x[i, n, a] for i, a in enumerate(path)))
        losses.append(-np.log(total) if total else np.inf)
    v = np.array(losses)
    v = np.where(np.isinf(v), 0.0, v) if zero_infinity else v
    if reduction == "mean":
        return (v / np.maximum(counts, 1)).mean()
    return v.sum() if reduction == "sum" else v[0] if alone else v


def _some(values: Any) -> Any:
    return t(*np.shape(values), dtype="int64", values=values, grad=False)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(4, 2, 3), _some([[1, 2], [2, 2]]), _some([4, 4]), _some([2, 2]), torch=False),
        call(t(4, 2, 3), _some([1, 2, 2]), _some([4, 3]), _some([2, 1]), reduction="none", torch=False),
        call(t(4, 2, 3), _some([[1, 0], [0, 0]]), (4, 3), (2, 1), blank=2, reduction="sum", zero_infinity=True, torch=False),
        call(t(3, 2, 3), _some([[1, 1, 2], [2, 0, 0]]), (3, 2), (3, 0), reduction="none", zero_infinity=True, torch=False),
        call(t(4, 3), _some([1, 2]), (4,), (2,), reduction="none", torch=False),
    ],
    errors=lambda: [
        raises(RuntimeError, r"blank must be one of the 3 classes", t(4, 1, 3), _some([[1, 2]]), (4,), (2,), 3),
        raises(ValueError, r"input_lengths must be at most the 4 steps", t(4, 1, 3), _some([[1, 2]]), (5,), (2,)),
        raises(RuntimeError, r"one for each of the 1 samples", t(4, 1, 3), _some([[1, 2]]), (4, 4), (2,)),
        raises(RuntimeError, r"target_lengths add up to 3", t(4, 2, 3), _some([1, 2]), (4, 4), (2, 1)),
        raises(ValueError, r"'avg' is not a valid reduction", t(4, 1, 3), _some([[1, 2]]), (4,), (2,), reduction="avg"),
    ],
    ref=_ref,
)  # fmt: skip
@sample_by_sample
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability that the steps' classes, repeats merged and blanks removed, spell the targets.

    log_probs: (T, N, C), log-probabilities such as log_softmax gives, or (T, C). targets: labels (N, S), or those of
    all samples one after another; target_lengths and input_lengths: (N,), how many labels and steps count. reduction
    "mean" divides each loss by its number of labels first. Targets that no alignment spells have an infinite loss,
    or with zero_infinity one of 0; in both cases their gradient is 0. The gradient is the derivative with respect to
    log_probs themselves; through log_softmax it is PyTorch's. IndexError names a label out of range.

    Graves et al.: "Connectionist temporal classification" (ICML 2006).

    >>> import retrograd as rg
    >>> p = rg.full((2, 1, 2), 0.5).log()  # of the four paths --, -a, a- and aa three spell a
    >>> rg.nn.functional.ctc_loss(p, rg.tensor([[1]]), [2], [1]).exp() * 3
    tensor(4.)
    """
    reduction = reduction_arg("ctc_loss", reduction)
    loss, counts = ctc_losses(log_probs, targets, input_lengths, target_lengths, blank)
    xp = xp_of(loss._data)
    if zero_infinity:
        loss = masked_fill_p(loss, xp.isinf(loss._data), 0.0)
    if reduction == "none":
        return loss if len(log_probs.shape) == 3 else reshape_p(loss, ())
    if reduction == "mean":
        loss = loss / wrap(xp.asarray(np.maximum(counts, 1), dtype=loss._data.dtype))
    return reduced(loss, reduction)
