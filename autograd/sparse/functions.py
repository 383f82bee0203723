"""The functions of `rg.sparse`: products, sums, softmax and products at given places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..dtypes import as_dtype
from ..errors import DtypeError, ShapeError
from ..layouts import sparse_coo, sparse_csr
from ..ops import arith, linear, matmul, scatter_reduce
from ..ops import softmax as dense_softmax
from ..ops.args import dims, one_dim
from ..ops.cast import cast_p
from ..ops.math import exp, log
from ..ops.shape import getitem_p, permute_p, reshape_p
from .data import refuse
from .pattern import sampled_mm_p
from .places import add_up, coalesce, is_sparse, keys, pick_rows
from .rules import sum_over
from .tensor import SparseTensor, coordinates, pattern_of, with_values

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["addmm", "from_scipy", "log_softmax", "mm", "sampled_addmm", "softmax", "spmm", "sum", "to_scipy"]


def mm(mat1: Tensor, mat2: Tensor, reduce: str = "sum") -> Tensor:
    """The matrix product mat1 @ mat2, (N, K) @ (K, M) -> (N, M), where one or both are sparse.

    A sparse and a dense matrix give a dense one, two sparse ones a sparse one (of the layout of mat1). The gradient of
    a sparse operand is sparse, at its own places. reduce: "sum"; for a CSR mat1 and a dense mat2 also "mean", "amax" or
    "amin" over the stored elements of each row, 0 where there are none. Same dtype on both sides (DtypeError).

    >>> import retrograd as rg
    >>> s = rg.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3))
    >>> rg.sparse.mm(s, rg.ones(3, 1))
    tensor([[3.],
            [4.]])
    """
    if reduce == "sum":
        return matmul.mm(mat1, mat2)
    if reduce not in ("mean", "amax", "amin"):
        raise ValueError(f"mm: reduce must be 'sum', 'mean', 'amax' or 'amin', got {reduce!r}")
    x, y = matmul.operands("mm", mat1, mat2)
    if not is_sparse(x) or x._data.layout is not sparse_csr or is_sparse(y):
        raise ShapeError(f"mm: reduce={reduce!r} takes a CSR matrix and a dense one; convert with to_sparse_csr()")
    matmul.ranks("mm", x, y, 2, 2)
    if x._shape[1] != y._shape[0]:
        raise matmul.misfit("mm", x._shape, y._shape)
    rows, cols = coordinates(x)
    xp = xp_of(rows)
    n, m = x._shape[0], y._shape[1]
    if reduce == "mean":
        many = xp.maximum(xp.bincount(rows, minlength=n)[:n], 1).astype(y._data.dtype)
        return arith.div(matmul.mm(x, y), wrap(many[:, None]))
    terms = reshape_p(x._data.values, (rows.size, 1)) * getitem_p(y, (cols,))
    index = wrap(xp.broadcast_to(rows[:, None], (rows.size, m)).copy())
    zeros = wrap(xp.zeros((n, m), y._data.dtype))
    return scatter_reduce.scatter_reduce(zeros, 0, index, terms, reduce, include_self=False)


def spmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The matrix product of a sparse and a dense matrix: another name of `mm`.

    >>> import retrograd as rg
    >>> rg.spmm(rg.eye(2).to_sparse(), rg.tensor([[1.0], [2.0]]))
    tensor([[1.],
            [2.]])
    """
    return matmul.mm(input, mat2)


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0) -> Tensor:
    """`beta * mat + alpha * (mat1 @ mat2)` for a dense mat (N, M), a sparse mat1 (N, K) and a dense mat2 (K, M).

    >>> import retrograd as rg
    >>> rg.sparse.addmm(rg.ones(2, 1), rg.eye(2).to_sparse(), rg.tensor([[1.0], [2.0]]), alpha=10)
    tensor([[11.],
            [21.]])
    """
    return linear.addmm(mat, mat1, mat2, beta=beta, alpha=alpha)


def sampled_addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0, out: Tensor | None = None
) -> Tensor:
    """`alpha * (mat1 @ mat2) + beta * input` at the places of the CSR matrix input (N, M): (N, K), (K, M) -> (N, M).

    Only the elements at those places are computed.

    >>> import retrograd as rg
    >>> s = rg.tensor([[0.0, 1.0], [2.0, 0.0]]).to_sparse_csr()
    >>> rg.sparse.sampled_addmm(s, rg.ones(2, 3), rg.ones(3, 2)).to_dense()
    tensor([[0., 4.],
            [5., 0.]])
    """
    op = "sampled_addmm"
    s = as_tensor_arg(input, op)
    if not is_sparse(s) or s._data.layout is not sparse_csr:
        raise ShapeError(f"{op}: input must be a CSR matrix, got layout {s.layout}; convert with to_sparse_csr()")
    x, y = matmul.operands(op, mat1, mat2, ("mat1", "mat2"))
    matmul.ranks(op, x, y, 2, 2, ("mat1", "mat2"))
    if x._shape[1] != y._shape[0]:
        raise matmul.misfit(op, x._shape, y._shape, ("mat1", "mat2"))
    if s._shape != (x._shape[0], y._shape[1]):
        raise ShapeError(
            f"{op}: input has shape {tuple(s._shape)}, the product {(x._shape[0], y._shape[1])}; they must be equal"
        )
    if s._dtype is not x._dtype:
        raise DtypeError(f"{op}: input is {s._dtype.name}, mat1 and mat2 are {x._dtype.name}; convert one of them")
    v = sampled_mm_p((x, permute_p(y, (1, 0))), pattern_of(s, op)) * alpha
    if beta != 0:
        v = v + s._data.values * beta
    r = with_values(s, v)
    if out is None:
        return r
    if not isinstance(out, SparseTensor):
        refuse(op, "out must be a CSR matrix")
    return out._replace(r, op)


def sum(input: Tensor, dim: Any = None, dtype: Any = None) -> Tensor:
    """The sum of a sparse tensor: of all elements (0-d, dense), or over dimensions.

    Over some of the sparse dimensions (and any dense ones) the result is sparse, over all of them dense. The gradient
    has the places of input.

    >>> import retrograd as rg
    >>> s = rg.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3))
    >>> rg.sparse.sum(s), rg.sparse.sum(s, 0).to_dense()
    (tensor(12.), tensor([4., 0., 8.]))
    """
    x = as_tensor_arg(input, "sum")
    if not is_sparse(x):
        raise ShapeError("sum: rg.sparse.sum takes a sparse tensor; use rg.sum for dense ones")
    if dtype is not None:
        x = cast_p(x, as_dtype(dtype, "sum"))
    return sum_over(x, dims(dim, len(x._shape), "sum"), False)


def _groups(x: Any, dim: int) -> tuple[Any, int]:
    """(the number of the line along a sparse dim that each value belongs to, how many lines there are)."""
    indices = coordinates(x)
    xp = xp_of(indices)
    rest = [i for i in range(indices.shape[0]) if i != dim]
    found, at = xp.unique(keys(pick_rows(indices, rest), tuple(x._shape[i] for i in rest)), return_inverse=True)
    return at.reshape(-1), found.size


def _softmax(op: str, input: Any, dim: int, dtype: Any) -> SparseTensor:
    x = as_tensor_arg(input, op)
    if not is_sparse(x):
        raise ShapeError(f"{op}: rg.sparse.{op} takes a sparse tensor; use rg.{op} for dense ones")
    if dtype is not None:
        x = cast_p(x, as_dtype(dtype, op))
    if x._dtype.kind != "f":
        raise NotImplementedError(f"{op}: not available for {x._dtype.name} tensors; pass dtype=, such as rg.float32")
    d = one_dim(dim, len(x._shape), op)
    x = coalesce(x)
    v = x._data.values
    k = x.sparse_dim()
    if d >= k:
        return with_values(x, (dense_softmax.softmax if op == "softmax" else dense_softmax.log_softmax)(v, d - k + 1))
    at, n = _groups(x, d)
    a = v._data
    xp = xp_of(a)
    top = xp.full((n, *a.shape[1:]), -np.inf, a.dtype)  # the largest of each line, a constant: it drops out
    xp.maximum.at(top, at, a)
    top = xp.where(xp.isfinite(top), top, xp.zeros((), a.dtype))
    shifted = v - wrap(top[at])
    e = exp(shifted)
    total = add_up(e, at, n)
    if op == "softmax":
        return with_values(x, e / getitem_p(total, (at,)))
    return with_values(x, shifted - getitem_p(log(total), (at,)))


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Softmax along dim over the stored elements only: places without an element count as minus infinity.

    input: a sparse tensor of floating-point values (coalesced first). dtype: convert before.

    >>> import retrograd as rg
    >>> s = rg.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 4.0], (2, 3))
    >>> rg.sparse.softmax(s, 1).to_dense()
    tensor([[0.0000, 0.0000, 1.0000],
            [0.5000, 0.0000, 0.5000]])
    """
    return _softmax("softmax", input, dim, dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax(input, dim)`, in a stable form.

    >>> import retrograd as rg
    >>> s = rg.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 4.0], (2, 3))
    >>> rg.sparse.log_softmax(s, 1).values()
    tensor([ 0.0000, -0.6931, -0.6931])
    """
    return _softmax("log_softmax", input, dim, dtype)


# ---------------------------------------------------------------- SciPy
def to_scipy(input: Tensor) -> Any:
    """The SciPy matrix (coo_array, csr_array or csc_array) over a sparse matrix's memory, without its history.

    >>> import retrograd as rg
    >>> rg.sparse.to_scipy(rg.eye(2).to_sparse_csr()).toarray().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    import scipy.sparse

    x = as_tensor_arg(input, "to_scipy")
    if not is_sparse(x):
        raise ShapeError("to_scipy: a sparse matrix is expected; convert with to_sparse()")
    d = x._data
    pattern_of(x, "to_scipy")
    v = d.values.detach().numpy()
    if d.layout is sparse_coo:
        return scipy.sparse.coo_array((v, tuple(d.first.numpy())), shape=d.shape)
    kind = scipy.sparse.csr_array if d.layout is sparse_csr else scipy.sparse.csc_array
    return kind((v, d.second.numpy(), d.first.numpy()), shape=d.shape)


def from_scipy(matrix: Any, requires_grad: bool = False) -> SparseTensor:
    """A SciPy sparse matrix as a tensor: CSR and CSC stay what they are, other formats become COO.

    >>> import retrograd as rg, scipy.sparse
    >>> rg.sparse.from_scipy(scipy.sparse.csr_array([[0.0, 2.0]])).to_dense()
    tensor([[0., 2.]], dtype=retrograd.float64)
    """
    from .build import sparse_coo_tensor, sparse_csc_tensor, sparse_csr_tensor

    kind = getattr(matrix, "format", None)
    if kind is None or not hasattr(matrix, "tocoo"):
        raise TypeError(f"from_scipy: a SciPy sparse matrix is expected, got {type(matrix).__name__}")
    values = wrap(np.asarray((m := matrix if kind in ("csr", "csc") else matrix.tocoo()).data))
    if kind in ("csr", "csc"):
        build = sparse_csr_tensor if kind == "csr" else sparse_csc_tensor
        return build(wrap(m.indptr), wrap(m.indices), values, m.shape, requires_grad=requires_grad)
    indices = wrap(np.stack([m.row, m.col]).astype(np.int64))
    return sparse_coo_tensor(indices, values, m.shape, requires_grad=requires_grad)
