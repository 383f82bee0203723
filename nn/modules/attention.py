"""Multi-head attention as a layer."""

from __future__ import annotations

from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.ops.attention_heads import canonical_mask
from ...autograd.ops.create import empty
from .. import functional as F
from .. import init
from .linear import NonDynamicallyQuantizableLinear
from .module import Module

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """softmax(Q K^T / sqrt(d)) V in num_heads parts of the features, projected in and out.

    Shapes: query (L, N, E), key (S, N, kdim), value (S, N, vdim), with batch_first (N, L, E) and so on, unbatched without
    N; output as query; weights (N, L, S), or (N, num_heads, L, S) with average_attn_weights=False. Masks are True where
    attention is forbidden, or floats to be added: attn_mask (L, S) or (N * num_heads, L, S), key_padding_mask (N, S).

    Parameters: `in_proj_weight` (3 E, E) (or `q_proj_weight`, `k_proj_weight`, `v_proj_weight` with kdim or vdim),
    `in_proj_bias` (3 E,), `bias_k`, `bias_v` (1, 1, E) with add_bias_kv, `out_proj`. Raises ValueError when embed_dim is
    not divisible by num_heads. Vaswani et al., "Attention Is All You Need", 2017.

    >>> import retrograd as rg
    >>> attention = rg.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = rg.zeros(3, 5, 8)
    >>> out, weights = attention(x, x, x)
    >>> tuple(out.shape), tuple(weights.shape)
    ((3, 5, 8), (3, 5, 5))
    """

    bias_k: Tensor | None
    bias_v: Tensor | None
    in_proj_bias: Tensor | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"MultiheadAttention: embed_dim and num_heads must be positive, got {embed_dim} and {num_heads}"
            )
        if embed_dim % num_heads:
            raise ValueError(
                f"MultiheadAttention: embed_dim {embed_dim} must be divisible by num_heads {num_heads}, so that each head "
                "gets an equal part"
            )
        made = {"device": device, "dtype": dtype}
        self.embed_dim, self.num_heads, self.dropout, self.batch_first = embed_dim, num_heads, dropout, batch_first
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.head_dim = embed_dim // num_heads
        shapes = {"q_proj_weight": embed_dim, "k_proj_weight": self.kdim, "v_proj_weight": self.vdim}
        for name, ins in shapes.items():
            absent = self._qkv_same_embed_dim
            self.register_parameter(name, None if absent else Parameter(empty((embed_dim, ins), **made)))
        same = Parameter(empty((3 * embed_dim, embed_dim), **made)) if self._qkv_same_embed_dim else None
        self.register_parameter("in_proj_weight", same)
        self.register_parameter("in_proj_bias", Parameter(empty(3 * embed_dim, **made)) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **made)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, Parameter(empty((1, 1, embed_dim), **made)) if add_bias_kv else None)
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            weight = getattr(self, name)
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            if self.out_proj.bias is not None:
                init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        swap = self.batch_first and query.ndim == 3
        if swap:  # (N, L, E) -> (L, N, E), once for tensors given twice
            moved = {id(x): x.transpose(0, 1) for x in (query, key, value)}
            query, key, value = (moved[id(x)] for x in (query, key, value))
        padding = canonical_mask(key_padding_mask, "key_padding_mask", query.dtype)
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias,
            training=self.training, key_padding_mask=padding, need_weights=need_weights, attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim, q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight, v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights, is_causal=is_causal,
        )  # fmt: skip
        return (out.transpose(0, 1) if swap else out), weights
