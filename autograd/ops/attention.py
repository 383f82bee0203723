"""Scaled dot product attention."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import accelerated, xp_of
from ..core import as_tensor_arg, make_leaf, wrap
from ..dtypes import bool_, float32
from ..errors import DtypeError, ShapeError
from ..generic import HALF, cast
from ..op import composed, nary, public
from ..samples import call, raises, t
from .args import same_library
from .arith import raw
from .dropout import dropout
from .matmul import matmul_p
from .parts import broadcast
from .shape import expand_p, reshape_p
from .softmax import softmax_p
from .sums import add_up
from .where import masked_fill_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["attend", "scaled_dot_product_attention"]

_OP = "scaled_dot_product_attention"


# ---------------------------------------------------------------- the computation, shared with multi-head attention
def _grouped(x: Any, groups: int) -> Any:
    """Heads (..., H, M, D) as (..., H / groups, groups * M, D): the queries of a group of heads under each other."""
    s = x._shape
    return reshape_p(x, (*s[:-3], s[-3] // groups, groups * s[-2], s[-1]))


def _causal(xp: Any, rows: int, columns: int) -> Any:
    return xp.arange(columns) > xp.arange(rows)[:, None]


def _masked(scores: Any, mask: Any, causal: bool) -> tuple[Any, Any]:
    """The scores with the mask applied, and which of their rows it leaves nothing of (None: none)."""
    xp = xp_of(scores._data)
    if causal:
        return masked_fill_p(scores, _causal(xp, *scores._shape[-2:]), -math.inf), None
    if mask is None:
        return scores, None
    m = same_library(mask._data, xp, _OP, "attn_mask")
    if mask._dtype is bool_:
        empty = ~m.any(-1, keepdims=True) if m.shape[-1] else None
        scores = masked_fill_p(scores, ~m, -math.inf)
    else:
        empty = (m == -math.inf).all(-1, keepdims=True) if m.shape[-1] else None
        scores = scores + mask
    if empty is None or xp is np and not empty.any():  # on a GPU looking would stall
        return scores, None
    # softmax of -inf alone is NaN, and so is its derivative: such a row is given zeros first and taken out after
    return masked_fill_p(scores, empty, 0.0), empty


def _composed(q: Any, k: Any, v: Any, mask: Any, dropout_p: float, causal: bool, scale: float) -> tuple[Any, Any]:
    """`attend` by operations of their own."""
    heads, fewer = (x._shape[-3] if len(x._shape) > 2 else 1 for x in (q, k))
    groups = heads // fewer if fewer not in (0, 1, heads) else 1
    length = q._shape[-2]
    q = q * scale
    if groups > 1:
        q = _grouped(q, groups)
    scores = matmul_p((q, k), False, True)
    lead = scores._shape[:-2]
    if groups > 1:
        scores = reshape_p(scores, (*lead[:-1], heads, length, k._shape[-2]))
    scores, empty = _masked(scores, mask, causal)
    weights = softmax_p(scores, len(scores._shape) - 1) if scores._data.size else scores
    if empty is not None:
        weights = masked_fill_p(weights, empty, 0.0)
    if dropout_p:
        weights = dropout(weights, dropout_p)
    if groups == 1:
        return matmul_p((weights, v), False, False), weights
    out = matmul_p((_grouped(weights, groups), v), False, False)
    return reshape_p(out, (*out._shape[:-3], heads, length, v._shape[-1])), weights


def attend(q: Any, k: Any, v: Any, mask: Any, dropout_p: float, causal: bool, scale: float) -> Any:
    """weights @ v of (..., L, E), (..., S, E), (..., S, Ev), where k and v may have fewer heads than q.

    One operation that keeps no weights, unless they are needed for dropout or for the derivative of the mask.
    """
    arrays = [x._data for x in (q, k, v) if x._dtype is q._dtype and x._dtype.fast]
    plain = len(arrays) == 3 and all(type(a) is np.ndarray and a.size for a in arrays)
    if mask is not None and (mask._node is not None or type(mask._data) is not np.ndarray):
        plain = False
    if dropout_p or not plain or not q._shape[:-2] == k._shape[:-2] == v._shape[:-2] and len(q._shape) < 3:
        return _composed(q, k, v, mask, dropout_p, causal, scale)[0]
    return attention_p((q, k, v), None if mask is None or causal else mask._data, causal, scale)


def _weights(xp: Any, q: Any, k: Any, mask: Any, causal: bool, scale: float) -> tuple[Any, Any, Any, Any]:
    """(weights, largest score of each row, 1 / sum of its exponentials, k with as many heads as q)."""
    k = _repeated(xp, k, q)
    scores = xp.matmul(q * scale, xp.swapaxes(k, -1, -2))
    empty = None
    if causal:
        mask = ~_causal(xp, *scores.shape[-2:])
    if mask is not None:
        if mask.dtype == bool:
            scores = xp.where(mask, scores, -math.inf)
            empty = ~mask.any(-1, keepdims=True)
        else:
            scores = scores + mask
            empty = (mask == -math.inf).all(-1, keepdims=True)
        scores = xp.where(empty, 0.0, scores)
    top = scores.max(-1, keepdims=True)
    scores = xp.exp(scores - top)
    inverse = 1 / add_up(scores, -1)[..., None]
    if empty is not None:
        inverse = xp.where(empty, 0.0, inverse)
    scores *= inverse
    return scores, top[..., 0], inverse[..., 0], k


def _repeated(xp: Any, x: Any, q: Any) -> Any:
    return x if x.shape[:-2] == q.shape[:-2] else xp.repeat(x, q.shape[-3] // x.shape[-3], -3)


def _summed(x: Any, shape: tuple[int, ...]) -> Any:
    """The sum over the heads that share one."""
    if x.shape == shape:
        return x
    return add_up(x.reshape(*shape[:-2], x.shape[-3] // shape[-3], *shape[-2:]), -3)


@accelerated("attention")
def _attention(xp: Any, xs: Any, mask: Any, causal: bool, scale: float) -> Any:
    q, k, v = xs
    weights, top, inverse, _ = _weights(xp, q, k, mask, causal, scale)
    return xp.matmul(weights, _repeated(xp, v, q)), top, inverse


@accelerated("attention_back")
def _attention_back(xp: Any, xs: Any, mask: Any, causal: bool, scale: float, out: Any, top: Any, inverse: Any) -> Any:
    g, q, k, v = xs
    weights, _, _, long = _weights(xp, q, k, mask, causal, scale)
    dv = _summed(xp.matmul(xp.swapaxes(weights, -1, -2), g), v.shape)
    d = xp.matmul(g, xp.swapaxes(_repeated(xp, v, q), -1, -2))
    d -= add_up(d * weights, -1)[..., None]  # as sums of g * out, but with less to cancel
    d *= weights
    if causal:
        mask = ~_causal(xp, *d.shape[-2:])
    if mask is not None:
        d = xp.where(mask if mask.dtype == bool else inverse[..., None] != 0, d, 0.0)
    d *= scale
    return xp.matmul(d, long), _summed(xp.matmul(xp.swapaxes(d, -1, -2), q), k.shape), dv


def _attention_again(g: Any, q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float, *_: Any) -> Any:
    """The value of `attention_back_p`, recorded."""
    from ..engine import grad_arrays

    xs = []
    for x in (q, k, v):
        y = x
        if x._node is None:
            y = wrap(x._data)
            y._node = make_leaf(y)
        xs.append(y)
    q, k, v = xs
    out = _composed(q, k, v, None if mask is None else wrap(mask), 0.0, causal, scale)[0]
    return tuple(grad_arrays([out], [g], xs, record=True))


def _attention_vjp(g: Any, xs: Any, o: Any, needs: Any, mask: Any, causal: bool, scale: float) -> Any:
    found = attention_back_p((g, *xs), mask, causal, scale, *(raw(a) for a in o))
    return [v if n else None for v, n in zip(found, needs, strict=True)]


attention_back_p: Any = nary(
    "attention_back",
    _attention_back,
    composed(_attention_again),
    outputs=3,
    doc="The cotangents of q, k and v from (g, q, k, v), the mask and what the forward pass gave.",
)
attention_p: Any = nary(
    "attention",
    _attention,
    _attention_vjp,
    saves="012o",
    extras=2,
    doc="softmax(q @ k^T * scale, masked) @ v, where k and v may have fewer heads, without keeping the weights.",
)


# ---------------------------------------------------------------- arguments
def _operands(query: Any, key: Any, value: Any, gqa: bool) -> tuple[Any, Any, Any]:
    named = {n: as_tensor_arg(x, _OP) for n, x in (("query", query), ("key", key), ("value", value))}
    q, k, v = named.values()
    for name, x in named.items():
        if len(x._shape) < 2:
            raise ShapeError(
                f"{_OP}: {name} (..., length, features) with at least 2 dimensions is expected, got {x._shape}"
            )
        if x._dtype is not q._dtype or not x._dtype.is_floating_point:
            raise DtypeError(
                f"{_OP}: query is {q._dtype.name}, key {k._dtype.name}, value {v._dtype.name}; the same floating-point "
                "dtype is expected, cast them with .to(...)"
            )
    if q._shape[-1] != k._shape[-1]:
        raise ShapeError(f"{_OP}: query {q._shape} and key {k._shape} must have as many features (the last dimension)")
    if k._shape[-2] != v._shape[-2]:
        raise ShapeError(f"{_OP}: key {k._shape} and value {v._shape} must have the same length (dimension -2)")
    if not gqa:
        lead = broadcast(_OP, broadcast(_OP, q._shape[:-2], k._shape[:-2]), v._shape[:-2])
        # matmul broadcasts by itself, but a lone head of the keys must not look like a group
        found = (x if x._shape[:-2] == lead else expand_p(x, (*lead, *x._shape[-2:])) for x in (q, k, v))
        q, k, v = found
        return q, k, v
    if min(len(x._shape) for x in (q, k, v)) < 3:
        raise ShapeError(
            f"{_OP}: enable_gqa needs a dimension of heads (..., H, length, features), got query {q._shape}, key "
            f"{k._shape}, value {v._shape}"
        )
    hq, hk, hv = (x._shape[-3] for x in (q, k, v))
    if hk != hv or not hk or hq % hk:
        raise ShapeError(
            f"{_OP}: with enable_gqa key and value need the same number of heads and a divisor of the query's, got "
            f"{hq}, {hk} and {hv}"
        )
    lead = broadcast(_OP, broadcast(_OP, q._shape[:-3], k._shape[:-3]), v._shape[:-3])
    found = (x if x._shape[:-3] == lead else expand_p(x, (*lead, *x._shape[-3:])) for x in (q, k, v))
    q, k, v = found
    if hk == 1 and hq > 1:
        k, v = (expand_p(x, (*lead, hq, *x._shape[-2:])) for x in (k, v))
    return q, k, v


def _mask(attn_mask: Any, q: Any, shape: tuple[int, ...]) -> Any:
    m = as_tensor_arg(attn_mask, _OP)
    if m._dtype is not bool_ and m._dtype is not q._dtype:
        if not m._dtype.is_floating_point:
            raise DtypeError(
                f"{_OP}: attn_mask is {m._dtype.name}; bool (True: takes part) or {q._dtype.name} (added to the scores) "
                "is expected"
            )
        if m._dtype.name != "float32":
            raise DtypeError(f"{_OP}: attn_mask is {m._dtype.name} but query {q._dtype.name}; cast one with .to(...)")
        m = m.to(q._dtype)
    if len(m._shape) > len(shape) or broadcast(_OP, m._shape, shape) != shape:
        raise ShapeError(f"{_OP}: attn_mask {m._shape} does not broadcast to the scores {shape}")
    return m


def _ref(
    q: Any, k: Any, v: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False, scale: Any = None,
    enable_gqa: bool = False,
) -> Any:  # fmt: skip
    if enable_gqa:
        k, v = (np.repeat(x, q.shape[-3] // x.shape[-3], -3) for x in (k, v))
    s = q @ np.swapaxes(k, -1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if is_causal:
        attn_mask = np.tril(np.ones(s.shape[-2:], bool))
    if attn_mask is not None:
        s = np.where(attn_mask, s, -np.inf) if attn_mask.dtype == bool else s + attn_mask
    top = s.max(-1, keepdims=True)
    e = np.exp(s - np.where(np.isfinite(top), top, 0))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1, total) @ v


_INF = math.inf
_SOME = [[True, False, True], [False, False, False]]
_BIAS = [[0.5, -_INF, -1.0], [-_INF, -_INF, -_INF]]


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 4, 5), t(2, 3, 6, 5), t(2, 3, 6, 2)),
        call(t(4, 5), t(6, 5), t(6, 3), scale=0.3),
        call(t(2, 4, 5), t(2, 4, 5), t(2, 4, 3), is_causal=True),
        call(t(2, 2, 5), t(2, 3, 5), t(2, 3, 2), is_causal=True),
        call(t(2, 2, 5), t(2, 3, 5), t(2, 3, 2), t(2, 3, dtype="bool", values=[[True, False, True]] * 2, grad=False)),
        call(t(1, 2, 2, 5), t(1, 2, 3, 5), t(1, 2, 3, 2), attn_mask=t(2, 3, dtype="bool", values=_SOME, grad=False)),
        call(t(2, 2, 5), t(2, 3, 5), t(2, 3, 2), attn_mask=t(2, 1, 3)),
        call(t(1, 1, 2, 5), t(1, 1, 3, 5), t(1, 1, 3, 2), attn_mask=t(2, 3, values=_BIAS, grad=False)),
        call(t(2, 4, 3, 5), t(2, 2, 3, 5), t(2, 2, 3, 5), enable_gqa=True),
        call(t(1, 4, 3, 5), t(1, 2, 3, 5), t(1, 2, 3, 5), is_causal=True, enable_gqa=True),
        call(t(1, 4, 2, 5), t(1, 1, 3, 5), t(1, 1, 3, 5), t(1, 4, 2, 3), enable_gqa=True),
    ],
    errors=lambda: [
        raises(RuntimeError, r"at least 2 dimensions", t(3), t(2, 3), t(2, 3)),
        raises(RuntimeError, r"as many features", t(2, 3), t(2, 4), t(2, 4)),
        raises(RuntimeError, r"the same length", t(2, 3), t(2, 3), t(4, 3)),
        raises(RuntimeError, r"the same floating-point dtype", t(2, 3), t(2, 3, dtype="int64"), t(2, 3)),
        raises(
            RuntimeError, r"is_causal and attn_mask", t(2, 3), t(2, 3), t(2, 3), t(2, 2, dtype="bool"), is_causal=True
        ),
        raises(RuntimeError, r"does not broadcast to the scores \(2, 2\)", t(2, 3), t(2, 3), t(2, 3), t(3, 2, 2)),
        raises(RuntimeError, r"attn_mask is int64; bool", t(2, 3), t(2, 3), t(2, 3), t(2, 2, dtype="int64")),
        raises(
            RuntimeError, r"a divisor of the query's, got 3, 2 and 2", t(1, 3, 2, 4), t(1, 2, 2, 4), t(1, 2, 2, 4),
            enable_gqa=True,
        ),
        raises(ValueError, r"between 0 and 1", t(2, 3), t(2, 3), t(2, 3), dropout_p=1.5),
    ],
    ref=_ref,
)  # fmt: skip
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ key^T * scale + mask) @ value: (..., L, E), (..., S, E) and (..., S, Ev) to (..., L, Ev).

    scale is 1 / sqrt(E) by default. attn_mask broadcasts to the scores (..., L, S): bool (True takes part) or numbers
    that are added; a row with nothing left gives zeros. is_causal: query i sees keys 0 ... i. dropout_p applies to the
    weights, always: give 0 when not training. enable_gqa: key and value may have fewer heads (dimension -3) than the
    query, each of which serves a group of them; keys are not repeated in memory. ShapeError and DtypeError name what
    does not fit.

    Vaswani et al.: "Attention is all you need" (NIPS 2017).

    >>> import retrograd as rg
    >>> q, k, v = rg.zeros(1, 4), rg.ones(2, 4), rg.tensor([[1.0], [3.0]])
    >>> rg.nn.functional.scaled_dot_product_attention(q, k, v)
    tensor([[2.]])
    """
    if not 0.0 <= dropout_p <= 1.0:
        raise ValueError(f"{_OP}: dropout_p has to be between 0 and 1, got {dropout_p}")
    q, k, v = _operands(query, key, value, enable_gqa)
    if is_causal and attn_mask is not None:
        raise RuntimeError(f"{_OP}: is_causal and attn_mask are both given; give one of them")
    heads = q._shape[:-2]
    mask = None if attn_mask is None else _mask(attn_mask, q, (*heads, q._shape[-2], k._shape[-2]))
    if scale is None:
        scale = 1 / math.sqrt(q._shape[-1]) if q._shape[-1] else 1.0
    half = q._dtype if q._dtype in HALF else None
    if half is not None:
        q, k, v = cast(q, float32), cast(k, float32), cast(v, float32)
        mask = mask if mask is None or mask._dtype is bool_ else cast(mask, float32)
    out = attend(q, k, v, mask, dropout_p, is_causal, float(scale))
    return out if half is None else cast(out, half)
