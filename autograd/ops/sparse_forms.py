"""The methods that lead to sparse tensors and those that only sparse tensors have.

Sparse tensors themselves are in `autograd/sparse`, which is imported at the first use of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from ..core import as_tensor_arg
from ..errors import GraphError
from ..op import public

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "ccol_indices", "coalesce", "col_indices", "crow_indices", "dense_dim", "indices", "is_coalesced", "row_indices",
    "sparse_dim", "sparse_mask", "to_dense", "to_sparse", "to_sparse_coo", "to_sparse_csc", "to_sparse_csr", "values",
]  # fmt: skip


@public(where="Tensor")
def to_sparse(
    self: Tensor,
    sparse_dim: int | None = None,
    *,
    layout: Any = None,
    blocksize: Any = None,
    dense_dim: int | None = None,
) -> Tensor:
    """The elements that are not zero as a sparse tensor; differentiable.

    sparse_dim: how many of the first dimensions are sparse, in a COO tensor (default: all). layout: `rg.sparse_coo`
    (default), `rg.sparse_csr`, `rg.sparse_csc` or `rg.strided`. A sparse tensor is converted between layouts. Raises
    ShapeError (a RuntimeError) for a sparse_dim that does not exist, NotImplementedError for block layouts.

    >>> import retrograd as rg
    >>> rg.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse().indices()
    tensor([[0, 1],
            [1, 0]])
    """
    from ..sparse import places

    x = as_tensor_arg(self, "to_sparse")
    if sparse_dim is not None:
        if layout is not None:
            raise TypeError("to_sparse: sparse_dim and layout cannot both be given")
        if places.is_sparse(x):
            return places.to_layout(x, places.sparse_coo, "to_sparse")
        return places.to_sparse(x, sparse_dim, "to_sparse")
    if blocksize is not None:
        raise NotImplementedError("to_sparse: block layouts are not supported; leave blocksize away")
    out = places.sparse_coo if layout is None else places.as_layout(layout, "to_sparse")
    return places.convert(x, out, dense_dim, "to_sparse")


@public(where="Tensor")
def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """The dense tensor of a sparse one; a dense tensor is returned as it is, or in another dtype.

    The gradient of a sparse tensor comes back at its own places, whatever masked_grad says.

    >>> import retrograd as rg
    >>> rg.tensor([0.0, 2.0]).to_sparse().to_dense()
    tensor([0., 2.])
    """
    from .cast import to

    x = as_tensor_arg(self, "to_dense")
    return x if dtype is None else to(x, dtype)


@public(where="Tensor")
def to_sparse_coo(self: Tensor) -> Tensor:
    """The elements that are not zero (or those of a sparse tensor) in coordinate format.

    >>> import retrograd as rg
    >>> rg.tensor([0.0, 2.0]).to_sparse_coo().values()
    tensor([2.])
    """
    return to_sparse(self)


@public(where="Tensor")
def to_sparse_csr(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """A matrix in compressed row format: the elements that are not zero, or those of a sparse matrix.

    >>> import retrograd as rg
    >>> rg.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse_csr().crow_indices()
    tensor([0, 1, 2])
    """
    from ..sparse import places

    return places.convert(as_tensor_arg(self, "to_sparse_csr"), places.sparse_csr, dense_dim, "to_sparse_csr")


@public(where="Tensor")
def to_sparse_csc(self: Tensor, dense_dim: int | None = None) -> Tensor:
    """A matrix in compressed column format: the elements that are not zero, or those of a sparse matrix.

    >>> import retrograd as rg
    >>> rg.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse_csc().row_indices()
    tensor([1, 0])
    """
    from ..sparse import places

    return places.convert(as_tensor_arg(self, "to_sparse_csc"), places.sparse_csc, dense_dim, "to_sparse_csc")


@public(where="Tensor")
def sparse_mask(self: Tensor, mask: Tensor) -> Tensor:
    """The elements at the places of the sparse tensor mask, whose values do not matter; differentiable.

    A place that a sparse `self` lacks gets 0. Raises ShapeError (a RuntimeError) if the shapes differ.

    >>> import retrograd as rg
    >>> rg.tensor([[1.0, 2.0], [3.0, 4.0]]).sparse_mask(rg.eye(2).to_sparse()).values()
    tensor([1., 4.])
    """
    from ..sparse import places

    return places.sparse_mask(as_tensor_arg(self, "sparse_mask"), as_tensor_arg(mask, "sparse_mask"))


@public(where="Tensor")
def sparse_dim(self: Tensor) -> int:
    """How many dimensions are sparse: 0 for a dense tensor."""
    return 0


@public(where="Tensor")
def dense_dim(self: Tensor) -> int:
    """How many dimensions are dense: all of a dense tensor."""
    return len(self._shape)


def _only_sparse(op: str, kind: str) -> NoReturn:
    raise GraphError(
        f"{op}: a {kind} tensor is expected, got a dense one; convert with {_WAYS.get(kind, 'to_sparse')}()"
    )


_WAYS = {"sparse CSR": "to_sparse_csr", "sparse CSC": "to_sparse_csc"}


@public(where="Tensor")
def indices(self: Tensor) -> Tensor:
    """The places of a coalesced sparse COO tensor; a dense tensor has none (RuntimeError)."""
    _only_sparse("indices", "sparse COO")


@public(where="Tensor")
def values(self: Tensor) -> Tensor:
    """The values of a sparse tensor; a dense tensor has no separate ones (RuntimeError)."""
    _only_sparse("values", "sparse")


@public(where="Tensor")
def coalesce(self: Tensor) -> Tensor:
    """A sparse COO tensor with the values of equal places added up; a dense tensor has none (RuntimeError)."""
    _only_sparse("coalesce", "sparse COO")


@public(where="Tensor")
def is_coalesced(self: Tensor) -> bool:
    """Whether a sparse COO tensor names no place twice; a dense tensor has none (RuntimeError)."""
    _only_sparse("is_coalesced", "sparse COO")


@public(where="Tensor")
def crow_indices(self: Tensor) -> Tensor:
    """Where each row of a CSR matrix starts; a dense tensor has no such indices (RuntimeError)."""
    _only_sparse("crow_indices", "sparse CSR")


@public(where="Tensor")
def col_indices(self: Tensor) -> Tensor:
    """The columns of a CSR matrix's elements; a dense tensor has no such indices (RuntimeError)."""
    _only_sparse("col_indices", "sparse CSR")


@public(where="Tensor")
def ccol_indices(self: Tensor) -> Tensor:
    """Where each column of a CSC matrix starts; a dense tensor has no such indices (RuntimeError)."""
    _only_sparse("ccol_indices", "sparse CSC")


@public(where="Tensor")
def row_indices(self: Tensor) -> Tensor:
    """The rows of a CSC matrix's elements; a dense tensor has no such indices (RuntimeError)."""
    _only_sparse("row_indices", "sparse CSC")
