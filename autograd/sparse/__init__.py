"""Sparse COO, CSR and CSC tensors with gradients, over SciPy's and CuPy's matrix products.

A sparse tensor's values are an ordinary tensor, and its operations are ordinary operations on values; so gradients of
any order are those of the values, and a gradient has the places of the tensor it belongs to.
"""

from __future__ import annotations

from .. import generic as _generic
from . import rules as _rules
from .build import (
    check_sparse_tensor_invariants,
    sparse_bsc_tensor,
    sparse_bsr_tensor,
    sparse_compressed_tensor,
    sparse_coo_tensor,
    sparse_csc_tensor,
    sparse_csr_tensor,
    spdiags,
)
from .data import SparseError
from .functions import addmm, from_scipy, log_softmax, mm, sampled_addmm, softmax, spmm, sum, to_scipy
from .tensor import SparseTensor
from .types import (
    BFloat16Tensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
)

__all__ = [
    "BFloat16Tensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor", "IntTensor", "LongTensor",
    "ShortTensor", "SparseError", "SparseTensor", "addmm", "check_sparse_tensor_invariants", "from_scipy", "log_softmax",
    "mm", "sampled_addmm", "softmax", "sparse_bsc_tensor", "sparse_bsr_tensor", "sparse_compressed_tensor",
    "sparse_coo_tensor", "sparse_csc_tensor", "sparse_csr_tensor", "spdiags", "spmm", "sum", "to_scipy",
]  # fmt: skip

_generic.sparse = _rules  # from now on, the generic call path asks for rules
