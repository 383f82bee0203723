"""The Transformer: encoder and decoder layers, their stacks, and the whole model.

Vaswani et al., "Attention Is All You Need", 2017; norm_first: Xiong et al., "On Layer Normalization in the Transformer
Architecture", 2020.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ...autograd import Tensor
from ...autograd.errors import ShapeError
from ...autograd.ops.create import full
from ...autograd.ops.diag import triu
from .. import functional as F
from .. import init
from .attention import MultiheadAttention
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

__all__ = [
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer",
]  # fmt: skip

Activation = str | Callable[[Tensor], Tensor]


def _activation(given: Activation) -> Callable[[Tensor], Tensor]:
    if isinstance(given, str):
        if given not in ("relu", "gelu"):
            raise RuntimeError(f"activation should be relu/gelu, not {given}; pass any other as a function")
        return getattr(F, given)
    return given


def _is_causal(mask: Tensor | None, given: bool | None, steps: int) -> bool:
    """Whether the mask hides exactly what lies ahead; only asked where the caller does not say."""
    if given is not None or mask is None:
        return bool(given)
    if tuple(mask.shape[-2:]) != (steps, steps):
        return False
    ahead = _square_subsequent_mask(steps, mask.device, mask.dtype)
    return tuple(mask.shape) == tuple(ahead.shape) and bool((mask == ahead).all())


def _square_subsequent_mask(size: int, device: Any = None, dtype: Any = None) -> Tensor:
    """(size, size): minus infinity above the diagonal, 0 elsewhere; True and False for dtype bool."""
    from ...autograd.dtypes import bool_

    if dtype is bool_:
        return triu(full((size, size), True, dtype=bool_, device=device), 1)
    return triu(full((size, size), float("-inf"), device=device, dtype=dtype), 1)


class _Layer(Module):
    """What encoder and decoder layers share: the feed-forward block, norms, and the choice of where the norms stand."""

    self_attn: MultiheadAttention
    activation: Callable[[Tensor], Tensor]

    def _build(
        self, d_model: int, nhead: int, dim_feedforward: int, dropout: float, activation: Activation, eps: float,
        batch_first: bool, norm_first: bool, bias: bool, norms: int, made: dict[str, Any],
    ) -> None:  # fmt: skip
        def attention() -> MultiheadAttention:
            return MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, **made)

        self.self_attn = attention()
        if norms == 3:
            self.multihead_attn = attention()
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **made)
        self.norm_first = norm_first
        for i in range(1, norms + 1):
            setattr(self, f"norm{i}", LayerNorm(d_model, eps=eps, bias=bias, **made))
        for i in range(1, norms + 1):
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _activation(activation)

    def _add(self, i: int, x: Tensor, block: Callable[[Tensor], Tensor]) -> Tensor:
        """x + dropout_i(block(norm_i(x))), or norm_i(x + dropout_i(block(x))) after the original paper."""
        norm, dropout = getattr(self, f"norm{i}"), getattr(self, f"dropout{i}")
        return x + dropout(block(norm(x))) if self.norm_first else norm(x + dropout(block(x)))

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Self-attention, then a two-layer network at each position, each with a residual and a layer norm.

    Shapes: src (S, N, d_model), (N, S, d_model) with batch_first, or (S, d_model); the output as src. Masks as in
    `MultiheadAttention`. norm_first: norms before the blocks instead of after the sums.

    >>> import retrograd as rg
    >>> layer = rg.nn.TransformerEncoderLayer(d_model=8, nhead=2, dim_feedforward=16, batch_first=True)
    >>> tuple(layer(rg.zeros(3, 5, 8)).shape)
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._build(
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, 2,
            {"device": device, "dtype": dtype},
        )  # fmt: skip

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            return self.self_attn(
                x,
                x,
                x,
                attn_mask=src_mask,
                key_padding_mask=src_key_padding_mask,
                need_weights=False,
                is_causal=is_causal,
            )[0]

        return self._add(2, self._add(1, src, attend), self._feed_forward)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to an encoder's output, then a two-layer network, each with a residual and a layer norm.

    Shapes: tgt (T, N, d_model), memory (S, N, d_model), batch first with batch_first, unbatched without N; the output as
    tgt. Masks as in `MultiheadAttention`.

    >>> import retrograd as rg
    >>> layer = rg.nn.TransformerDecoderLayer(d_model=8, nhead=2, dim_feedforward=16)
    >>> tuple(layer(rg.zeros(4, 3, 8), rg.zeros(5, 3, 8)).shape)
    (4, 3, 8)
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._build(
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, 3,
            {"device": device, "dtype": dtype},
        )  # fmt: skip

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            return self.self_attn(
                x, x, x, attn_mask=tgt_mask, key_padding_mask=tgt_key_padding_mask, is_causal=tgt_is_causal,
                need_weights=False,
            )[0]  # fmt: skip

        def remember(x: Tensor) -> Tensor:
            return self.multihead_attn(
                x, memory, memory, attn_mask=memory_mask, key_padding_mask=memory_key_padding_mask,
                is_causal=memory_is_causal, need_weights=False,
            )[0]  # fmt: skip

        return self._add(3, self._add(2, self._add(1, tgt, attend), remember), self._feed_forward)


def _copies(layer: Module, n: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(n)])


class TransformerEncoder(Module):
    """num_layers copies of an encoder layer, one after the other, and an optional norm at the end.

    enable_nested_tensor and mask_check are accepted: there is no such fast path here. is_causal None: the mask itself
    tells.

    >>> import retrograd as rg
    >>> layer = rg.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> tuple(rg.nn.TransformerEncoder(layer, num_layers=2)(rg.zeros(3, 5, 8)).shape)
    (3, 5, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers, self.num_layers, self.norm = _copies(encoder_layer, num_layers), num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        first = self.layers[0].self_attn if self.num_layers else None
        steps = src.shape[1 if first is not None and first.batch_first and src.ndim == 3 else 0]
        causal = _is_causal(mask, is_causal, steps)
        x = src
        for layer in self.layers:
            x = layer(x, src_mask=mask, is_causal=causal, src_key_padding_mask=src_key_padding_mask)
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """num_layers copies of a decoder layer, one after the other, and an optional norm at the end.

    >>> import retrograd as rg
    >>> layer = rg.nn.TransformerDecoderLayer(8, 2, 16)
    >>> tuple(rg.nn.TransformerDecoder(layer, num_layers=2)(rg.zeros(4, 3, 8), rg.zeros(5, 3, 8)).shape)
    (4, 3, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers, self.num_layers, self.norm = _copies(decoder_layer, num_layers), num_layers, norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        first = self.layers[0].self_attn if self.num_layers else None
        steps = tgt.shape[1 if first is not None and first.batch_first and tgt.ndim == 3 else 0]
        causal = _is_causal(tgt_mask, tgt_is_causal, steps)
        x = tgt
        for layer in self.layers:
            x = layer(
                x, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=causal, memory_is_causal=memory_is_causal,
            )  # fmt: skip
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder over src and a decoder over tgt that attends to its output.

    Shapes: src (S, N, d_model), tgt (T, N, d_model), batch first with batch_first, unbatched without N; the output as
    tgt. Raises ShapeError when batch sizes or features do not fit.

    >>> import retrograd as rg
    >>> model = rg.nn.Transformer(d_model=8, nhead=2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16)
    >>> tuple(model(rg.zeros(5, 3, 8), rg.zeros(4, 3, 8)).shape)
    (4, 3, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        rest = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias,
        )  # fmt: skip

        def norm() -> LayerNorm:
            return LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **made)

        if custom_encoder is not None:
            self.encoder = custom_encoder
        else:
            self.encoder = TransformerEncoder(TransformerEncoderLayer(*rest, **made), num_encoder_layers, norm())
        if custom_decoder is not None:
            self.decoder = custom_decoder
        else:
            self.decoder = TransformerDecoder(TransformerDecoderLayer(*rest, **made), num_decoder_layers, norm())
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise ShapeError(
                f"Transformer: src has {src.shape[batch]} sequences and tgt {tgt.shape[batch]} (batch_first is "
                f"{self.batch_first})"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ShapeError(
                f"Transformer: src and tgt must have d_model {self.d_model} features, got {src.shape[-1]} and {tgt.shape[-1]}"
            )
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask, tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask, tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )  # fmt: skip

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask (sz, sz): minus infinity above the diagonal, 0 elsewhere.

        >>> import retrograd as rg
        >>> rg.nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return _square_subsequent_mask(sz, device, dtype)
