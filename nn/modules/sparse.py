"""Tables of vectors: Embedding, EmbeddingBag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...autograd import Parameter, Tensor, no_grad
from ...autograd.ops.create import empty
from .. import functional as F
from .. import init
from .module import Module

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Embedding", "EmbeddingBag"]


def _padding(padding_idx: int | None, rows: int) -> int | None:
    """padding_idx counted from the front."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise AssertionError(f"Padding_idx must be within num_embeddings, got {padding_idx} for {rows} rows")
    return padding_idx % rows


def _table(weight: Tensor | None, rows: int, columns: int, trains: bool, device: Any, dtype: Any) -> Parameter:
    """The table as a parameter: the one given, or a new one."""
    if weight is None:
        weight = empty((rows, columns), device=device, dtype=dtype)
    elif tuple(weight.shape) != (rows, columns):
        raise AssertionError(
            f"Shape of weight {tuple(weight.shape)} does not match num_embeddings and embedding_dim ({rows}, {columns})"
        )
    return Parameter(weight, requires_grad=trains)


def _draw(weight: Tensor, padding_idx: int | None) -> None:
    init.normal_(weight)
    if padding_idx is not None:
        with no_grad():
            weight[padding_idx] = 0


class Embedding(Module):
    """A table of num_embeddings vectors; the input says which rows to take.

    Shapes: input `(*)` of integers, output `(*, embedding_dim)`, weight `(num_embeddings, embedding_dim)`, which
    starts normal(0, 1). padding_idx: this row starts at zero and receives no gradient. max_norm: rows that are used
    are first scaled, in place, so that their norm_type-norm is at most max_norm. scale_grad_by_freq: gradients are
    divided by how often their row occurs in the batch. sparse: the weight's gradient is a sparse tensor of the rows that
    were used, which `optim.SparseAdam`, `optim.SGD` and `optim.Adagrad` take.

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
        padding_idx = _padding(padding_idx, num_embeddings)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self.weight = _table(_weight, num_embeddings, embedding_dim, not _freeze, device, dtype)
        if _weight is None:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        _draw(self.weight, self.padding_idx)

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


class EmbeddingBag(Module):
    """Sums, means or maxima of bags of rows of a table, without the rows themselves.

    Shapes: input `(B, n)` of integers (B bags of n), or `(N,)` with offsets `(B,)` that say where bags start; output
    `(B, embedding_dim)`. mode: 'sum', 'mean' or 'max'. per_sample_weights (mode 'sum'): factors in the input's shape.
    Rows padding_idx do not count. The other arguments are those of `Embedding`.

    >>> import retrograd as rg
    >>> bag = rg.nn.EmbeddingBag.from_pretrained(rg.eye(3), mode="sum")
    >>> bag(rg.tensor([0, 1, 1, 2]), rg.tensor([0, 3])).tolist()
    [[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
    """

    num_embeddings: int
    embedding_dim: int
    weight: Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        padding_idx = _padding(padding_idx, num_embeddings)
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.padding_idx = padding_idx
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset
        self.weight = _table(_weight, num_embeddings, embedding_dim, True, device, dtype)
        if _weight is None:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        _draw(self.weight, self.padding_idx)

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        return F.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode,
            self.sparse, per_sample_weights, self.include_last_offset, self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        s = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.max_norm is not None:
            s += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            s += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq is not False:
            s += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        s += f", mode={self.mode!r}"
        if self.padding_idx is not None:
            s += f", padding_idx={self.padding_idx}"
        return s

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """An EmbeddingBag whose table is `embeddings`, which does not train if freeze."""
        if embeddings.ndim != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        rows, columns = embeddings.shape
        bag = cls(
            rows, columns, max_norm, norm_type, scale_grad_by_freq, mode, sparse, embeddings, include_last_offset,
            padding_idx,
        )  # fmt: skip
        bag.weight.requires_grad_(not freeze)
        return bag
