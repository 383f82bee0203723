"""Multi-head attention: projections, masks and heads around scaled dot product attention."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..dtypes import bool_
from ..errors import DtypeError, ShapeError
from ..op import public
from ..samples import call, raises, t
from .attention import attend
from .dropout import dropout
from .join import cat
from .linear import linear
from .matmul import matmul_p
from .pad import pad_p
from .reduce import mean_p
from .shape import expand_p, getitem_p, permute_p, reshape_p
from .softmax import softmax_p
from .where import masked_fill_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["canonical_mask", "multi_head_attention_forward"]

_OP = "multi_head_attention_forward"


# ---------------------------------------------------------------- masks
def canonical_mask(
    mask: Any, name: str, dtype: Any, other_dtype: Any = None, other_name: str = "", check_other: bool = True
) -> Any:
    """The mask as numbers to add: a bool one (True: left out) becomes -inf and 0; None stays None."""
    if mask is None:
        return None
    m: Any = as_tensor_arg(mask, _OP)
    if m._dtype is not bool_ and not m._dtype.is_floating_point:
        raise DtypeError(f"{_OP}: {name} is {m._dtype.name}; bool (True: left out) or floating-point is expected")
    if check_other and other_dtype is not None and other_dtype is not m._dtype:
        warnings.warn(
            f"{_OP}: {name} is {m._dtype.name} but {other_name} {other_dtype.name}; mixing them is deprecated, use one "
            "dtype for both",
            stacklevel=3,
        )
    if m._dtype is not bool_:
        return m
    zeros = wrap(xp_of(m._data).zeros(m._shape, dtype.np))
    return masked_fill_p(zeros, m._data, -math.inf)


def _checked(q: Any, k: Any, v: Any, key_padding: Any, mask: Any, heads: int) -> bool:
    """Whether there is a batch dimension; ShapeError unless the numbers of dimensions fit."""
    n = len(q._shape)
    if n not in (2, 3):
        raise ShapeError(f"{_OP}: query (L, N, E) or (L, E) is expected, got shape {q._shape}")
    if len(k._shape) != n or len(v._shape) != n:
        raise ShapeError(
            f"{_OP}: query {q._shape} has {n} dimensions; key and value must have as many, got {k._shape} and {v._shape}"
        )
    if key_padding is not None and len(key_padding._shape) != n - 1:
        wanted = "(N, S)" if n == 3 else "(S,)"
        raise ShapeError(f"{_OP}: key_padding_mask {wanted} is expected, got shape {key_padding._shape}")
    if mask is not None:
        if len(mask._shape) not in (2, 3):
            raise ShapeError(f"{_OP}: attn_mask (L, S) or (N * num_heads, L, S) is expected, got shape {mask._shape}")
        wanted = (heads, q._shape[0], k._shape[0])
        if n == 2 and len(mask._shape) == 3 and mask._shape != wanted:
            raise ShapeError(f"{_OP}: attn_mask {wanted} is expected without a batch, got shape {mask._shape}")
    return n == 3


def _merged(mask: Any, key_padding: Any, batch: int, heads: int, length: int, source: int) -> Any:
    """The sum of attn_mask and key_padding_mask, (1 or N * heads, L or 1, S)."""
    if mask is not None:
        shape = mask._shape
        if len(shape) == 2:
            mask = reshape_p(mask, (1, *shape))
        wanted = (1 if len(shape) == 2 else batch * heads, length, source)
        if mask._shape != wanted:
            raise ShapeError(f"{_OP}: attn_mask has shape {shape}; {wanted[3 - len(shape) :]} is expected")
    if key_padding is None:
        return mask
    if key_padding._shape != (batch, source):
        raise ShapeError(f"{_OP}: key_padding_mask has shape {key_padding._shape}; {(batch, source)} is expected")
    padding = expand_p(reshape_p(key_padding, (batch, 1, 1, source)), (batch, heads, 1, source))
    padding = reshape_p(padding, (batch * heads, 1, source))
    return padding if mask is None else mask + padding


def _longer(x: Any) -> Any:
    """A mask with one more key, which nothing leaves out."""
    return None if x is None else pad_p(x, (*((0, 0),) * (len(x._shape) - 1), (0, 1)), 0)


# ---------------------------------------------------------------- projections
def _rows(x: Any, start: int, stop: int) -> Any:
    return None if x is None else getitem_p(x, (slice(start, stop),))


def _projected(q: Any, k: Any, v: Any, w: Any, b: Any) -> tuple[Any, Any, Any]:
    """The in-projections by one weight (3 E, E), in as few products as possible."""
    e = q._shape[-1]
    if k is v and q is k:
        packed = linear(q, w, b)
        last = (slice(None),) * (len(packed._shape) - 1)
        found = tuple(getitem_p(packed, (*last, slice(i * e, (i + 1) * e))) for i in range(3))
        return found[0], found[1], found[2]
    if k is v:
        packed = linear(k, _rows(w, e, 3 * e), _rows(b, e, 3 * e))
        last = (slice(None),) * (len(packed._shape) - 1)
        keys, values = (getitem_p(packed, (*last, slice(i * e, (i + 1) * e))) for i in range(2))
        return linear(q, _rows(w, 0, e), _rows(b, 0, e)), keys, values
    parts = (linear(x, _rows(w, i * e, (i + 1) * e), _rows(b, i * e, (i + 1) * e)) for i, x in enumerate((q, k, v)))
    q, k, v = parts
    return q, k, v


def _heads(x: Any, rows: int, size: int) -> Any:
    """(L, N, E) as (N * heads, L, E / heads)."""
    return permute_p(reshape_p(x, (x._shape[0], rows, size)), (1, 0, 2))


def _split_heads(x: Any, batch: int, heads: int, size: int) -> Any:
    """(L, N, E) as (N, heads, L, E / heads), where it is in memory."""
    return permute_p(reshape_p(x, (x._shape[0], batch, heads, size)), (1, 2, 0, 3))


def _static(x: Any, rows: int, size: int, name: str) -> Any:
    x = as_tensor_arg(x, _OP)
    if len(x._shape) != 3 or x._shape[0] != rows or x._shape[2] != size:
        raise ShapeError(
            f"{_OP}: {name} (N * num_heads, S, head size) = ({rows}, S, {size}) is expected, got {x._shape}"
        )
    return x


def _sample(n: int | None, e: int = 4, length: int = 2, source: int = 3) -> list[Any]:
    shapes = [(m, e) if n is None else (m, n, e) for m in (length, source, source)]
    return [*(t(*s) for s in shapes), e, 2, t(3 * e, e), t(3 * e)]


def _samples() -> list[Any]:
    out = (0.0, t(4, 4), t(4))
    return [
        call(*_sample(2), None, None, False, *out),
        call(*_sample(None), None, None, False, *out, average_attn_weights=False),
        call(*_sample(2), t(1, 1, 4), t(1, 1, 4), True, *out),
        call(*_sample(2), None, None, False, *out, attn_mask=t(2, 3)),
        call(*_sample(2), None, None, False, *out, attn_mask=t(4, 2, 3)),
        call(
            *_sample(2), None, None, False, *out,
            key_padding_mask=t(2, 3, dtype="bool", values=[[False, True, False], [False, False, True]], grad=False),
        ),
        call(*_sample(2)[:-2], None, None, None, None, False, 0.0, t(4, 4), None, use_separate_proj_weight=True,
             q_proj_weight=t(4, 4), k_proj_weight=t(4, 4), v_proj_weight=t(4, 4)),
        call(*_sample(2), None, None, False, *out, static_k=t(4, 5, 2), static_v=t(4, 5, 2)),
    ]  # fmt: skip


@public(
    where="nn.functional",
    method=False,
    samples=_samples,
    errors=lambda: [
        raises(RuntimeError, r"attn_mask has shape \(2, 2\); \(2, 3\) is expected", *_sample(2), None, None, False, 0.0,
               t(4, 4), None, attn_mask=t(2, 2)),
        raises(RuntimeError, r"attn_mask is needed", *_sample(2), None, None, False, 0.0, t(4, 4), None, is_causal=True),
    ],
)  # fmt: skip
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads: (output (L, N, E), weights (N, L, S) or None) of query (L, N, E), key, value (S, N, E).

    The operands are projected by in_proj_weight (3 E, E) (or by q_, k_ and v_proj_weight, with
    use_separate_proj_weight), cut into num_heads heads of E / num_heads features, attended, joined and projected by
    out_proj_weight. Without a batch: (L, E) and (S, E). bias_k and bias_v (1, 1, E) are appended as one more key and
    value, add_zero_attn appends one of zeros; static_k and static_v (N * num_heads, S, E / num_heads) replace the
    projections. attn_mask (L, S) or (N * num_heads, L, S) and key_padding_mask (N, S): bool (True is left out) or numbers
    that are added. need_weights=False saves memory; average_attn_weights=False gives the weights of each head, (N,
    num_heads, L, S). is_causal says that attn_mask is the causal one, which need not be read then. dropout_p applies
    if training.

    Vaswani et al.: "Attention is all you need" (NIPS 2017).

    >>> import retrograd as rg
    >>> x, eye = rg.ones(2, 1, 2), rg.eye(2)
    >>> w = rg.cat([eye, eye, eye])
    >>> y, weights = rg.nn.functional.multi_head_attention_forward(x, x, x, 2, 1, w, None, None, None, False, 0.0, eye, None)
    >>> y.flatten(), weights[0, 0]
    (tensor([1., 1., 1., 1.]), tensor([0.5000, 0.5000]))
    """
    same_kv, same_q = key is value, query is key
    q, k = as_tensor_arg(query, _OP), as_tensor_arg(key, _OP)
    v = k if same_kv else as_tensor_arg(value, _OP)
    mask: Any = None if attn_mask is None else as_tensor_arg(attn_mask, _OP)
    padding: Any = None if key_padding_mask is None else as_tensor_arg(key_padding_mask, _OP)
    is_batched = _checked(q, k, v, padding, mask, num_heads)
    if not is_batched:
        k = reshape_p(k, (k._shape[0], 1, k._shape[1]))
        v = k if same_kv else reshape_p(v, (v._shape[0], 1, v._shape[1]))
        q = k if same_q else reshape_p(q, (q._shape[0], 1, q._shape[1]))
        padding = None if padding is None else reshape_p(padding, (1, *padding._shape))
    length, batch, e = q._shape
    if is_causal and mask is None:
        raise RuntimeError(
            f"{_OP}: attn_mask is needed with is_causal, which only says that it is the causal one; make it with "
            "Transformer.generate_square_subsequent_mask(length)"
        )
    if e != embed_dim_to_check:
        raise ShapeError(f"{_OP}: query has {e} features but embed_dim_to_check is {embed_dim_to_check}")
    if e % num_heads:
        raise ShapeError(f"{_OP}: {e} features cannot be divided by {num_heads} heads")
    if (k._shape[:2] if use_separate_proj_weight else k._shape) != (
        v._shape[:2] if use_separate_proj_weight else v._shape
    ):
        raise ShapeError(f"{_OP}: key {k._shape} and value {v._shape} do not fit each other")
    padding = canonical_mask(padding, "key_padding_mask", q._dtype, None if mask is None else mask._dtype, "attn_mask")
    if is_causal and padding is None and not need_weights:
        mask = None
    else:
        mask = canonical_mask(mask, "attn_mask", q._dtype)
        is_causal = is_causal and padding is None
    q, k, v = _in_projection(
        q, k, v, in_proj_weight, in_proj_bias, (q_proj_weight, k_proj_weight, v_proj_weight), use_separate_proj_weight
    )
    if mask is not None and len(mask._shape) == 2 and mask._shape != (length, k._shape[0]):
        raise ShapeError(f"{_OP}: attn_mask has shape {mask._shape}; {(length, k._shape[0])} is expected")
    rows, size = batch * num_heads, e // num_heads
    if (bias_k is None) != (bias_v is None):
        raise ShapeError(f"{_OP}: bias_k and bias_v go together; one of them is None")
    if bias_k is not None and bias_v is not None:
        if static_k is not None or static_v is not None:
            raise ShapeError(f"{_OP}: bias_k and bias_v cannot be added to static_k and static_v")
        k, v = (cat((x, expand_p(as_tensor_arg(b, _OP), (1, batch, e)))) for x, b in ((k, bias_k), (v, bias_v)))
        mask, padding = _longer(mask), _longer(padding)
    p = dropout_p if training else 0.0
    if not (need_weights or add_zero_attn or static_k is not None or static_v is not None):
        mask = _merged(mask, padding, batch, num_heads, length, k._shape[0])
        q, k, v = (_split_heads(x, batch, num_heads, size) for x in (q, k, v))
        out = _without_weights(q, k, v, mask, p, is_causal)
        out = linear(reshape_p(permute_p(out, (2, 0, 1, 3)), (length * batch, e)), out_proj_weight, out_proj_bias)
        return reshape_p(out, (length, batch, out._shape[1]) if is_batched else (length, out._shape[1])), None
    q = _heads(q, rows, size)
    k = _heads(k, rows, size) if static_k is None else _static(static_k, rows, size, "static_k")
    v = _heads(v, rows, size) if static_v is None else _static(static_v, rows, size, "static_v")
    if add_zero_attn:
        zeros = wrap(xp_of(q._data).zeros((rows, 1, size), q._data.dtype))
        k, v = cat((k, zeros), 1), cat((v, zeros), 1)
        mask, padding = _longer(mask), _longer(padding)
    source = k._shape[1]
    mask = _merged(mask, padding, batch, num_heads, length, source)
    weights: Any = None
    if need_weights:
        scores = matmul_p((q * math.sqrt(1 / size), k), False, True)
        weights = softmax_p(scores if mask is None else scores + mask, 2)
        if p:
            weights = dropout(weights, p)
        out = matmul_p((weights, v), False, False)
    else:
        q, k, v = (reshape_p(x, (batch, num_heads, *x._shape[1:])) for x in (q, k, v))
        out = reshape_p(_without_weights(q, k, v, mask, p, is_causal), (rows, length, v._shape[-1]))
    out = linear(reshape_p(permute_p(out, (1, 0, 2)), (length * batch, e)), out_proj_weight, out_proj_bias)
    out = reshape_p(out, (length, batch, out._shape[1]))
    if weights is not None:
        weights = reshape_p(weights, (batch, num_heads, length, source))
        weights = mean_p(weights, (1,), False) if average_attn_weights else weights
    if is_batched:
        return out, weights
    return reshape_p(out, (length, out._shape[2])), None if weights is None else reshape_p(weights, weights._shape[1:])


def _without_weights(q: Any, k: Any, v: Any, mask: Any, p: float, causal: bool) -> Any:
    """The attention (N, heads, L, E / heads), which leaves the weights to be forgotten."""
    if mask is not None:
        shape = mask._shape  # (N * heads or 1, L or 1, S)
        mask = reshape_p(mask, shape[1:] if shape[0] == 1 else (*q._shape[:2], *shape[1:]))
    return attend(q, k, v, mask, p, causal and mask is None, 1 / math.sqrt(q._shape[-1]))


def _in_projection(q: Any, k: Any, v: Any, w: Any, b: Any, separate: Any, use_separate: bool) -> tuple[Any, Any, Any]:
    b = None if b is None else as_tensor_arg(b, _OP)
    if not use_separate:
        if w is None:
            raise ShapeError(f"{_OP}: in_proj_weight is needed unless use_separate_proj_weight=True")
        return _projected(q, k, v, as_tensor_arg(w, _OP), b)
    if any(x is None for x in separate):
        raise ShapeError(
            f"{_OP}: q_proj_weight, k_proj_weight and v_proj_weight are needed with use_separate_proj_weight"
        )
    e = q._shape[-1]
    parts = (
        linear(x, y, _rows(b, i * e, (i + 1) * e)) for i, (x, y) in enumerate(zip((q, k, v), separate, strict=True))
    )
    q, k, v = parts
    return q, k, v
