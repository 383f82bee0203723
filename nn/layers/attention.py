"""Attention with one head, for encoders and decoders of sequences: additive, dot-product and bilinear scores."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.errors import DtypeError, ShapeError
from ...autograd.ops.create import empty, zeros_like
from ...autograd.ops.softmax import softmax
from ...autograd.ops.where import where
from .. import functional as F
from .. import init
from ..modules.linear import Linear
from ..modules.module import Module

__all__ = ["AdditiveAttention", "BilinearAttention", "DotProductAttention"]


def _additive_mask(name: str, label: str, mask: Tensor, like: Tensor) -> Tensor:
    """A mask as numbers to add to the scores: -inf where a bool mask is True."""
    if mask.dtype.is_floating_point:
        return mask.to(like.dtype)
    if str(mask.dtype).rsplit(".", 1)[-1] != "bool":
        raise DtypeError(f"{name}: {label} must be bool (True removes) or floating-point (added), got {mask.dtype}")
    return zeros_like(mask, dtype=like.dtype).masked_fill(mask, -math.inf)


class _Attention(Module):
    """What the kinds of attention share: masks, weights, and the mean of the values; they differ in the scores."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        if not 0.0 <= dropout <= 1.0:
            raise ValueError(f"{type(self).__name__}: dropout has to be between 0 and 1, got {dropout}")
        self.dropout = dropout

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """The scores (N, L, S) of queries (N, L, E_q) and keys (N, S, E_k)."""
        raise NotImplementedError

    def _sizes(self) -> tuple[int | None, int | None]:
        """The features of queries and keys that this layer takes, None for any."""
        return None, None

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        name, (query_size, key_size) = type(self).__name__, self._sizes()
        if key.ndim not in (2, 3) or query.ndim not in (key.ndim, key.ndim - 1):
            raise ShapeError(
                f"{name}: expected keys (N, S, E) and queries (N, L, E) or (N, E), or both without N; "
                f"got query {tuple(query.shape)} and key {tuple(key.shape)}"
            )
        if key.ndim == 3 and query.shape[0] != key.shape[0]:
            raise ShapeError(f"{name}: {query.shape[0]} queries but {key.shape[0]} keys in the batch")
        if value.shape[:-1] != key.shape[:-1]:
            raise ShapeError(
                f"{name}: there must be one value for each key, got key {tuple(key.shape)} and value {tuple(value.shape)}"
            )
        for label, x, size in (("query", query, query_size), ("key", key, key_size)):
            if size is not None and x.shape[-1] != size:
                raise ShapeError(f"{name}: {label}.size(-1) must be {label}_size {size}, got {x.shape[-1]}")

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor | None = None,
        attn_mask: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """(context, weights): the mean of the values, and the weight of each, for each query."""
        name = type(self).__name__
        value = key if value is None else value
        self._check(query, key, value)
        single, step = key.ndim == 2, query.ndim < key.ndim
        if step:
            query = query.unsqueeze(-2)  # (N, 1, E)
        if single:
            query, key, value = query.unsqueeze(0), key.unsqueeze(0), value.unsqueeze(0)
        scores = self.scores(query, key)  # (N, L, S)
        n, rows, keys = scores.shape
        masks = []
        if attn_mask is not None:
            if tuple(attn_mask.shape) not in ((rows, keys), (n, rows, keys)):
                raise ShapeError(
                    f"{name}: attn_mask must have shape {(rows, keys)} or {(n, rows, keys)}, got {tuple(attn_mask.shape)}"
                )
            masks.append(_additive_mask(name, "attn_mask", attn_mask, scores))
        if key_padding_mask is not None:
            padding = key_padding_mask.unsqueeze(0) if single else key_padding_mask
            if tuple(padding.shape) != (n, keys):
                expected = (keys,) if single else (n, keys)
                raise ShapeError(
                    f"{name}: key_padding_mask must have shape {expected}, got {tuple(key_padding_mask.shape)}"
                )
            masks.append(_additive_mask(name, "key_padding_mask", padding, scores).unsqueeze(1))
        if masks:
            mask = masks[0] + masks[1] if len(masks) == 2 else masks[0]
            removed = mask == -math.inf
            # A removed score is replaced, not just lowered, so that an infinite one is gone as well; and a query without
            # a single key gets weights of zero, not the NaN of 0 / 0.
            scores = where(removed, -math.inf, scores + where(removed, 0.0, mask))
            empty_rows = removed.all(-1, keepdim=True)
            weights = softmax(scores.masked_fill(empty_rows, 0.0), -1).masked_fill(removed, 0.0)
        else:
            weights = softmax(scores, -1)
        context = F.dropout(weights, self.dropout, self.training) @ value  # (N, L, E_v)
        if step:
            context, weights = context.squeeze(1), weights.squeeze(1)
        return (context.squeeze(0), weights.squeeze(0)) if single else (context, weights)

    def extra_repr(self) -> str:
        return f"dropout={self.dropout}" if self.dropout else ""


class DotProductAttention(_Attention):
    """Attention by products: `weights = softmax(q . k)`, `context = weights @ value`; scaled divides by sqrt(E).

    Shapes: query `(N, L, E)`, or `(N, E)` for one step of a decoder; key `(N, S, E)`; value `(N, S, E_v)`, the keys if
    left away; all without N for one sequence. Returns the context `(N, L, E_v)` and the weights `(N, L, S)`, before
    dropout. attn_mask `(L, S)` or `(N, L, S)`, key_padding_mask `(N, S)`: True, or -inf where floating-point, removes
    a connection: its weight is 0 and no gradient passes. A query whose keys are all removed gets 0.

    Luong, Pham & Manning, "Effective Approaches to Attention-based Neural Machine Translation", EMNLP 2015 ("dot");
    scaled: Vaswani et al., 2017.

    >>> import retrograd as rg
    >>> attend = rg.nn.DotProductAttention()
    >>> mask = rg.tensor([[False, False, True]])
    >>> attend(rg.zeros(1, 2), rg.tensor([[[1.0, 1.0], [3.0, 5.0], [9.0, 9.0]]]), key_padding_mask=mask)
    (tensor([[2., 3.]]), tensor([[0.5000, 0.5000, 0.0000]]))
    """

    def __init__(self, scaled: bool = False, dropout: float = 0.0) -> None:
        super().__init__(dropout)
        self.scaled = scaled

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        if query.shape[-1] != key.shape[-1]:
            raise ShapeError(
                f"DotProductAttention: queries have {query.shape[-1]} features but keys have {key.shape[-1]}; "
                "BilinearAttention takes different sizes"
            )
        found = query @ key.transpose(-2, -1)
        return found / math.sqrt(query.shape[-1]) if self.scaled else found

    def extra_repr(self) -> str:
        return f"scaled={self.scaled}" + (f", dropout={self.dropout}" if self.dropout else "")


class BilinearAttention(_Attention):
    """Attention by a learned product: `weights = softmax(q^T W k)`; weight `(query_size, key_size)`.

    Shapes, masks and results as in `DotProductAttention`, with queries `(N, L, query_size)` and keys
    `(N, S, key_size)`. weight starts Xavier uniform.

    Luong, Pham & Manning, "Effective Approaches to Attention-based Neural Machine Translation", EMNLP 2015 ("general").

    >>> import retrograd as rg
    >>> context, weights = rg.nn.BilinearAttention(4, 6)(rg.zeros(2, 3, 4), rg.zeros(2, 5, 6))
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 3, 6), (2, 3, 5))
    """

    weight: Tensor

    def __init__(
        self, query_size: int, key_size: int, dropout: float = 0.0, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(dropout)
        self.query_size, self.key_size = query_size, key_size
        self.weight = Parameter(empty((query_size, key_size), device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight anew."""
        init.xavier_uniform_(self.weight)

    def _sizes(self) -> tuple[int | None, int | None]:
        return self.query_size, self.key_size

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        return query @ self.weight @ key.transpose(-2, -1)

    def extra_repr(self) -> str:
        return f"{self.query_size}, {self.key_size}" + (f", dropout={self.dropout}" if self.dropout else "")


class AdditiveAttention(_Attention):
    """Attention by a small network: `weights = softmax(v . tanh(W_q q + W_k k))`, `context = weights @ value`.

    Shapes, masks and results as in `DotProductAttention`, with queries `(N, L, query_size)`, as the states of a decoder,
    and keys `(N, S, key_size)`, as the outputs of an encoder. The layers query_proj (with a bias), key_proj and
    score_proj hold W_q, W_k and v.

    Bahdanau, Cho & Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate", ICLR 2015.

    >>> import retrograd as rg
    >>> attend = rg.nn.AdditiveAttention(query_size=4, key_size=6, hidden_size=8)
    >>> context, weights = attend(rg.zeros(2, 4), rg.ones(2, 5, 6))
    >>> tuple(context.shape), tuple(weights.shape)
    ((2, 6), (2, 5))
    """

    def __init__(
        self,
        query_size: int,
        key_size: int,
        hidden_size: int,
        bias: bool = True,
        dropout: float = 0.0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dropout)
        self.query_size, self.key_size, self.hidden_size = query_size, key_size, hidden_size
        made = {"device": device, "dtype": dtype}
        self.query_proj = Linear(query_size, hidden_size, bias=bias, **made)
        self.key_proj = Linear(key_size, hidden_size, bias=False, **made)
        self.score_proj = Linear(hidden_size, 1, bias=False, **made)

    def reset_parameters(self) -> None:
        """Draw the three layers anew."""
        for layer in (self.query_proj, self.key_proj, self.score_proj):
            layer.reset_parameters()

    def _sizes(self) -> tuple[int | None, int | None]:
        return self.query_size, self.key_size

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        # (N, L, 1, H) + (N, 1, S, H) -> (N, L, S, H) -> (N, L, S)
        joint = self.query_proj(query).unsqueeze(2) + self.key_proj(key).unsqueeze(1)
        return self.score_proj(joint.tanh()).squeeze(-1)

    def extra_repr(self) -> str:
        return f"{self.query_size}, {self.key_size}, {self.hidden_size}" + (
            f", dropout={self.dropout}" if self.dropout else ""
        )
