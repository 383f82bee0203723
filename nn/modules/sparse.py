"""Tables of vectors: Embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...autograd import Parameter, Tensor, no_grad
from ...autograd.ops.create import empty
from .. import functional as F
from .. import init
from .module import Module

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Embedding"]


class Embedding(Module):
    """A table of num_embeddings vectors; the input says which rows to take.

    Shapes: input `(*)` of integers, output `(*, embedding_dim)`, weight `(num_embeddings, embedding_dim)`, which
    starts normal(0, 1). padding_idx: this row starts at zero and receives no gradient. max_norm: rows that are used
    are first scaled, in place, so that their norm_type-norm is at most max_norm. scale_grad_by_freq: gradients are
    divided by how often their row occurs in the batch. sparse=True is refused: gradients are dense.

    Raises IndexError for an index outside 0 .. num_embeddings - 1.

    >>> import retrograd as rg
    >>> table = rg.nn.Embedding(10, 3, padding_idx=0)
    >>> tuple(table(rg.tensor([[1, 2, 4, 5], [4, 3, 2, 9]])).shape)
    (2, 4, 3)
    >>> table(rg.tensor(0)).tolist()
    [0.0, 0.0, 0.0]
    """

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None
    max_norm: float | None
    norm_type: float
    scale_grad_by_freq: bool
    sparse: bool
    weight: Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if sparse:
            raise NotImplementedError("Embedding: sparse=True is not supported, gradients are dense; leave it out")
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError(
                    f"Padding_idx must be within num_embeddings, got {padding_idx} for {num_embeddings} rows"
                )
            padding_idx %= num_embeddings
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            self.weight = Parameter(
                empty((num_embeddings, embedding_dim), device=device, dtype=dtype), requires_grad=not _freeze
            )
            self.reset_parameters()
        else:
            if tuple(_weight.shape) != (num_embeddings, embedding_dim):
                raise AssertionError(
                    f"Shape of weight {tuple(_weight.shape)} does not match num_embeddings and embedding_dim "
                    f"({num_embeddings}, {embedding_dim})"
                )
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight)
        self._fill_padding_idx_with_zero()

    def _fill_padding_idx_with_zero(self) -> None:
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        )

    def extra_repr(self) -> str:
        s = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            s += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            s += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            s += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq is not False:
            s += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        return s

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """An embedding whose table is `embeddings` `(num_embeddings, embedding_dim)`, which does not train if freeze.

        >>> import retrograd as rg
        >>> table = rg.nn.Embedding.from_pretrained(rg.tensor([[1.0, 2.3], [4.0, 5.1]]))
        >>> table(rg.tensor([1])).tolist(), table.weight.requires_grad
        ([[4.0, 5.099999904632568]], False)
        """
        if embeddings.ndim != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.shape
        return cls(
            rows, columns, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse,
            _weight=embeddings, _freeze=freeze,
        )  # fmt: skip
