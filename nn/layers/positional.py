"""Positional encodings: what tells attention, which sees a set, in which order its inputs stand."""

from __future__ import annotations

import math
from typing import Any

from ...autograd import Parameter, Tensor
from ...autograd.dtypes import float64
from ...autograd.errors import ShapeError
from ...autograd.ops.create import empty, zeros
from ...autograd.ops.join import cat, stack
from ...autograd.ops.ranges import arange
from .. import functional as F
from .. import init
from ..modules.module import Module

__all__ = ["LearnedPositionalEncoding", "RotaryPositionalEncoding", "SinusoidalPositionalEncoding"]


class _Added(Module):
    """Adds rows of a table (max_len, d_model), from `offset` on, to a sequence."""

    def __init__(self, d_model: int, max_len: int, dropout: float, batch_first: bool) -> None:
        super().__init__()
        name = type(self).__name__
        if d_model <= 0 or max_len <= 0:
            raise ValueError(f"{name}: d_model and max_len must be positive, got {d_model} and {max_len}")
        if not 0.0 <= dropout <= 1.0:
            raise ValueError(f"{name}: dropout has to be between 0 and 1, got {dropout}")
        self.d_model, self.max_len, self.dropout, self.batch_first = d_model, max_len, dropout, batch_first

    def _table(self) -> Tensor:
        raise NotImplementedError

    def forward(self, input: Tensor, offset: int = 0) -> Tensor:
        name = type(self).__name__
        if input.ndim not in (2, 3) or input.shape[-1] != self.d_model:
            raise ShapeError(
                f"{name}: expected one sequence (T, {self.d_model}) or a 3-D batch of them, got shape {tuple(input.shape)}"
            )
        dim = 1 if self.batch_first and input.ndim == 3 else 0
        steps = input.shape[dim]
        if offset < 0 or offset + steps > self.max_len:
            raise ShapeError(
                f"{name}: positions {offset} to {offset + steps - 1} are outside of the table's {self.max_len}; "
                "raise max_len"
            )
        rows = self._table()[offset : offset + steps]  # (T, d_model)
        if input.ndim == 3 and dim == 0:
            rows = rows.unsqueeze(1)
        return F.dropout(input + rows.to(input.dtype), self.dropout, self.training)

    def extra_repr(self) -> str:
        return f"{self.d_model}, max_len={self.max_len}, dropout={self.dropout}, batch_first={self.batch_first}"


class SinusoidalPositionalEncoding(_Added):
    """Adds `PE(pos, 2i) = sin(pos / 10000^(2i / d))` and `PE(pos, 2i + 1) = cos(pos / 10000^(2i / d))`, then dropout.

    Shapes: input and output `(T, N, d_model)`, `(N, T, d_model)` with batch_first, or `(T, d_model)` for one sequence.
    offset: the position of the first step, for sequences that come in parts. The table is a buffer that is not saved.

    Vaswani et al., "Attention Is All You Need", NeurIPS 2017.

    >>> import retrograd as rg
    >>> rg.nn.SinusoidalPositionalEncoding(4)(rg.zeros(1, 4))
    tensor([[0., 1., 0., 1.]])
    """

    pe: Tensor

    def __init__(
        self,
        d_model: int,
        max_len: int = 5000,
        dropout: float = 0.0,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(d_model, max_len, dropout, batch_first)
        angles = _angles(max_len, d_model, 10000.0)
        pairs = stack([angles.sin(), angles.cos()], -1).reshape(max_len, -1)  # (max_len, d_model or one more)
        table = zeros(max_len, d_model, device=device, dtype=dtype)
        table.copy_(pairs[:, :d_model])
        self.register_buffer("pe", table, persistent=False)

    def _table(self) -> Tensor:
        return self.pe


class LearnedPositionalEncoding(_Added):
    """Adds a learned vector for each position up to max_len, then dropout.

    Shapes: input and output `(T, N, d_model)`, `(N, T, d_model)` with batch_first, or `(T, d_model)` for one sequence;
    `weight` `(max_len, d_model)`, drawn from N(0, 0.02^2). offset: the position of the first step.

    Gehring et al., "Convolutional Sequence to Sequence Learning", ICML 2017; Devlin et al., "BERT", NAACL 2019.

    >>> import retrograd as rg
    >>> tuple(rg.nn.LearnedPositionalEncoding(8, max_len=16)(rg.zeros(5, 2, 8)).shape)
    (5, 2, 8)
    """

    weight: Tensor

    def __init__(
        self,
        d_model: int,
        max_len: int = 512,
        dropout: float = 0.0,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(d_model, max_len, dropout, batch_first)
        self.weight = Parameter(empty((max_len, d_model), device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight, 0.0, 0.02)

    def _table(self) -> Tensor:
        return self.weight


class RotaryPositionalEncoding(Module):
    """Rotates pairs of features of queries and keys by angles that grow with the position, `pos / base^(2i / dim)`.

    The product of a rotated query and a rotated key then depends on the distance of their positions alone. Pairs are
    (x_2i, x_2i+1), as in the paper, or with interleaved=False (x_i, x_{i + dim/2}), as in GPT-NeoX and LLaMA.

    Shapes: input and output `(*, T, dim)`, as `(N, heads, T, dim)`; dim is even. offset: the position of the first step.

    Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", Neurocomputing 2024.

    >>> import retrograd as rg
    >>> rg.nn.RotaryPositionalEncoding(2)(rg.ones(2, 2))
    tensor([[ 1.0000,  1.0000],
            [-0.3012,  1.3818]])
    """

    def __init__(self, dim: int, base: float = 10000.0, interleaved: bool = True) -> None:
        super().__init__()
        if dim <= 0 or dim % 2:
            raise ValueError(f"RotaryPositionalEncoding: dim must be even and positive, got {dim}")
        self.dim, self.base, self.interleaved = dim, base, interleaved

    def forward(self, input: Tensor, offset: int = 0) -> Tensor:
        if input.ndim < 2 or input.shape[-1] != self.dim:
            raise ShapeError(
                f"RotaryPositionalEncoding: expected an input (*, T, {self.dim}), got shape {tuple(input.shape)}"
            )
        angles = _angles(input.shape[-2], self.dim, self.base, offset, device=input.device)
        cos, sin = angles.cos().to(input.dtype), angles.sin().to(input.dtype)  # (T, dim / 2)
        if self.interleaved:
            pairs = input.reshape(*input.shape[:-1], self.dim // 2, 2)
            x, y = pairs.select(-1, 0), pairs.select(-1, 1)
            return stack([x * cos - y * sin, x * sin + y * cos], -1).reshape(input.shape)
        x, y = input.chunk(2, -1)
        return cat([x * cos - y * sin, x * sin + y * cos], -1)

    def extra_repr(self) -> str:
        return f"{self.dim}, base={self.base}, interleaved={self.interleaved}"


def _angles(steps: int, dim: int, base: float, offset: int = 0, device: Any = None) -> Tensor:
    """pos / base^(2i / dim) for pos from `offset` and each pair i, (steps, dim / 2 rounded up), in float64."""

    position = arange(offset, offset + steps, dtype=float64, device=device)
    rates = (arange(0, dim, 2, dtype=float64, device=device) * (-math.log(base) / dim)).exp()
    return position.unsqueeze(1) * rates
