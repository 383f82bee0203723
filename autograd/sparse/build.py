"""New sparse tensors from indices and values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..backend import for_device, xp_of
from ..core import TensorBase, wrap
from ..device import as_device
from ..dtypes import as_dtype, get_default_dtype
from ..errors import DtypeError, GraphError, ShapeError
from ..layouts import sparse_coo, sparse_csc, sparse_csr
from ..op import param
from ..ops.args import shape_arg
from ..ops.cast import cast_p, to_device
from ..ops.create import as_tensor, tensor
from .places import keys, moved
from .tensor import SparseTensor, make

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "check_sparse_tensor_invariants", "sparse_bsc_tensor", "sparse_bsr_tensor", "sparse_compressed_tensor",
    "sparse_coo_tensor", "sparse_csc_tensor", "sparse_csr_tensor", "spdiags",
]  # fmt: skip


class check_sparse_tensor_invariants:
    """Whether new sparse tensors are checked for what this library does not need, such as sorted columns in CSR.

    That indices lie inside the tensor is always checked. As in PyTorch: `enable()`, `disable()`, `is_enabled()`, or a
    context manager `check_sparse_tensor_invariants(enable=True)`.

    >>> import retrograd as rg
    >>> with rg.sparse.check_sparse_tensor_invariants():
    ...     rg.sparse.check_sparse_tensor_invariants.is_enabled()
    True
    """

    _on = False

    def __init__(self, enable: bool = True) -> None:
        self._wanted, self._was = enable, self._on

    @staticmethod
    def is_enabled() -> bool:
        """Whether the checks are on."""
        return check_sparse_tensor_invariants._on

    @staticmethod
    def enable() -> None:
        """Switch the checks on."""
        check_sparse_tensor_invariants._on = True

    @staticmethod
    def disable() -> None:
        """Switch the checks off."""
        check_sparse_tensor_invariants._on = False

    def __enter__(self) -> check_sparse_tensor_invariants:
        self._was = check_sparse_tensor_invariants._on
        check_sparse_tensor_invariants._on = self._wanted
        return self

    def __exit__(self, *_: object) -> None:
        check_sparse_tensor_invariants._on = self._was


# The constructors' nodes: values become those of a sparse tensor.
_coo_p = param("sparse_coo_tensor", lambda xp, x: x, lambda g, x, o: g, dtypes="copy", jvp="linear")
_compressed_p = param("sparse_compressed_tensor", lambda xp, x: x, lambda g, x, o: g, dtypes="copy", jvp="linear")


def _indices(given: Any, op: str, what: str) -> Any:
    x = as_tensor(given)
    if x._dtype.kind not in "iu":
        if x._data.size and not (x._dtype.kind == "f" and op == "sparse_coo_tensor"):
            raise DtypeError(f"{op}: {what} must be integers, got {x._dtype.name}; convert with .long()")
    return x.detach()


def _values(given: Any, dtype: Any, device: Any, op: str, like: Any) -> Any:
    d = None if dtype is None else as_dtype(dtype, op)
    if isinstance(given, TensorBase):
        v: Any = given
        if len(v._shape) == 0:
            raise ShapeError(f"{op}: values must have a first dimension over the stored elements, got a 0-d tensor")
    else:
        v = tensor(given, dtype=d, device=device if device is not None else like.device)
    if d is not None:
        v = cast_p(v, d)
    return v if device is None else to_device(v, as_device(device))


def _finish(op: str, layout: Any, first: Any, second: Any, v: Any, shape: Any, once: bool, leaf: bool) -> SparseTensor:
    if leaf:
        if v._dtype.kind not in "fc":
            raise GraphError(
                f"{op}: only floating-point and complex tensors can require gradients, this one is {v._dtype.name}"
            )
        v = v.detach().requires_grad_() if v._node is None else (_coo_p if layout is sparse_coo else _compressed_p)(v)
    else:
        v = (_coo_p if layout is sparse_coo else _compressed_p)(v)
    return make(layout, first, second, v, shape, once)


def _size(given: Any, op: str) -> tuple[int, ...]:
    shape = shape_arg((given,), op)
    if any(n < 0 for n in shape):
        raise ShapeError(f"{op}: sizes must not be negative, got {shape}")
    return shape


def sparse_coo_tensor(
    indices: Any = None,
    values: Any = None,
    size: Sequence[int] | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> SparseTensor:
    """A sparse tensor in coordinate (COO) format: values at the places that the columns of indices name.

    indices: integers (sparse dimensions, nnz); a place may occur several times, its values add up. values: (nnz, ...),
    further dimensions are dense ones; its memory is shared, and gradients flow to it. size: the shape; left away, the
    smallest that holds all places. `sparse_coo_tensor(size)` has no elements. is_coalesced=True: the places are distinct
    and in order. Raises ShapeError (a RuntimeError) if the parts do not fit, or an index lies outside the size: the latter
    is always checked here, where PyTorch checks only with check_invariants=True.

    >>> import retrograd as rg
    >>> rg.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3))
    tensor(indices=tensor([[0, 1, 1],
                           [2, 0, 2]]),
           values=tensor([3., 4., 5.]),
           size=(2, 3), nnz=3, layout=retrograd.sparse_coo)
    """
    op = "sparse_coo_tensor"
    if values is None:
        shape = _size(indices if size is None else size, op)
        d = get_default_dtype() if dtype is None else as_dtype(dtype, op)
        back = for_device(as_device(device))
        first = wrap(back.from_numpy(np.zeros((len(shape), 0), np.int64), as_device(device).index))
        v = wrap(back.from_numpy(np.zeros(0, d.np), as_device(device).index))
        return _finish(op, sparse_coo, first, None, v, shape, True, requires_grad)
    i = _indices(indices, op, "indices")
    v = _values(values, dtype, device, op, i)
    i = moved(i, v.device)
    if len(i._shape) == 1:
        i = i.reshape(1, -1) if size is None or len(size) != 1 else i.reshape(len(size), -1)
    if len(i._shape) != 2:
        raise ShapeError(f"{op}: indices must be of shape (sparse dimensions, nnz), got {tuple(i._shape)}")
    k, nnz = i._shape
    if nnz != v._shape[0]:
        raise ShapeError(
            f"{op}: indices and values must have same nnz, but got nnz from indices: {nnz}, nnz from values: {v._shape[0]}"
        )
    a = i._data
    low, high = (a.min(axis=1).tolist(), a.max(axis=1).tolist()) if nnz else ([0] * k, [-1] * k)
    dense = v._shape[1:]
    shape = (*(n + 1 for n in high), *dense) if size is None else _size(size, op)
    if len(shape) != k + len(dense):
        raise ShapeError(
            f"{op}: 'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(shape)}, sparse_dim = {k}, "
            f"dense_dim = {len(dense)}"
        )
    if shape[k:] != tuple(dense):
        raise ShapeError(f"{op}: values of shape {tuple(v._shape)} do not fit size {shape} with {k} sparse dimensions")
    for dim in range(k):
        if low[dim] < 0 and nnz:
            raise ShapeError(f"{op}: found negative index {low[dim]} for dim {dim}")
        if high[dim] >= shape[dim]:
            raise ShapeError(
                f"{op}: size is inconsistent with indices: for dim {dim}, size is {shape[dim]} but found index {high[dim]}"
            )
    once = nnz < 2 if is_coalesced is None else bool(is_coalesced)
    check = check_sparse_tensor_invariants.is_enabled() if check_invariants is None else check_invariants
    if is_coalesced and check and nnz > 1:
        order = keys(a, shape[:k])
        if bool((order[1:] <= order[:-1]).any()):
            raise ShapeError(f"{op}: is_coalesced=True, but the places are not distinct and in order")
    return _finish(op, sparse_coo, i, None, v, shape, once, requires_grad)


def _compressed(
    op: str, layout: Any, first: Any, second: Any, values: Any, size: Any, dtype: Any, device: Any, requires_grad: bool,
    check: bool | None,
) -> SparseTensor:  # fmt: skip
    names = ("crow_indices", "col_indices") if layout is sparse_csr else ("ccol_indices", "row_indices")
    start, plain = _indices(first, op, names[0]), _indices(second, op, names[1])
    v = _values(values, dtype, device, op, start)
    start, plain = moved(start, v.device), moved(plain, v.device)
    if len(start._shape) != 1 or len(plain._shape) != 1 or len(v._shape) != 1:
        raise NotImplementedError(
            f"{op}: {names[0]}, {names[1]} and values must be vectors, got shapes {tuple(start._shape)}, "
            f"{tuple(plain._shape)} and {tuple(v._shape)}; batches and blocks of {layout} matrices are not supported"
        )
    a, b = start._data, plain._data
    n, nnz = a.size - 1, b.size
    if n < 0:
        raise ShapeError(f"{op}: {names[0]} must have at least one element")
    if nnz != v._shape[0]:
        raise ShapeError(f"{op}: {names[1]} has {nnz} elements but values {v._shape[0]}; they must be equal")
    if int(a[0]) != 0 or int(a[-1]) != nnz or bool((a[1:] < a[:-1]).any()):
        raise ShapeError(f"{op}: {names[0]} must rise from 0 to the number of elements ({nnz})")
    many = int(b.max()) + 1 if nnz else 0
    shape = ((n, many) if layout is sparse_csr else (many, n)) if size is None else _size(size, op)
    if len(shape) != 2:
        raise NotImplementedError(f"{op}: size {shape} is not that of a matrix; batches of {layout} are not supported")
    long, other = shape if layout is sparse_csr else shape[::-1]
    if n != long:
        raise ShapeError(f"{op}: {names[0]} has {n + 1} elements, size {shape} asks for {long + 1}")
    if many > other or nnz and int(b.min()) < 0:
        raise ShapeError(f"{op}: `0 <= {names[1]} < {other}` is not satisfied")
    once = True
    if nnz > 1:
        inside = xp_of(a).ones(nnz - 1, bool)
        ends = a[1:-1]
        inside[ends[(ends > 0) & (ends < nnz)] - 1] = False
        once = not bool(((b[1:] <= b[:-1]) & inside).any())
        if not once and (check_sparse_tensor_invariants.is_enabled() if check is None else check):
            raise ShapeError(f"{op}: {names[1]} of each row must be sorted and distinct")
    return _finish(op, layout, start, plain, v, shape, once, requires_grad)


def sparse_csr_tensor(
    crow_indices: Any,
    col_indices: Any,
    values: Any,
    size: Sequence[int] | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> SparseTensor:
    """A sparse matrix in compressed row (CSR) format.

    crow_indices: (rows + 1,), where each row starts in the other two; col_indices: (nnz,); values: (nnz,), whose memory
    is shared and to which gradients flow. size: (rows, columns); left away, as many columns as are named. Raises
    ShapeError (a RuntimeError) if the parts do not fit or a column lies outside; check_invariants=True also asks for
    sorted, distinct columns in each row. Batches are not supported.

    >>> import retrograd as rg
    >>> rg.sparse_csr_tensor([0, 1, 3], [2, 0, 2], [3.0, 4.0, 5.0]).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 5.]])
    """
    return _compressed(
        "sparse_csr_tensor", sparse_csr, crow_indices, col_indices, values, size, dtype, device, requires_grad,
        check_invariants,
    )  # fmt: skip


def sparse_csc_tensor(
    ccol_indices: Any,
    row_indices: Any,
    values: Any,
    size: Sequence[int] | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> SparseTensor:
    """A sparse matrix in compressed column (CSC) format; see `sparse_csr_tensor`, with rows and columns exchanged.

    >>> import retrograd as rg
    >>> rg.sparse_csc_tensor([0, 1, 2], [1, 0], [4.0, 3.0]).to_dense()
    tensor([[0., 3.],
            [4., 0.]])
    """
    return _compressed(
        "sparse_csc_tensor", sparse_csc, ccol_indices, row_indices, values, size, dtype, device, requires_grad,
        check_invariants,
    )  # fmt: skip


def sparse_compressed_tensor(
    compressed_indices: Any,
    plain_indices: Any,
    values: Any,
    size: Sequence[int] | None = None,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> SparseTensor:
    """`sparse_csr_tensor` or `sparse_csc_tensor`, as layout says; block formats are not supported.

    >>> import retrograd as rg
    >>> rg.sparse_compressed_tensor([0, 1, 2], [1, 0], [3.0, 4.0], layout=rg.sparse_csr).to_dense()
    tensor([[0., 3.],
            [4., 0.]])
    """
    op = "sparse_compressed_tensor"
    if layout not in (sparse_csr, sparse_csc):
        kind = NotImplementedError if "bs" in str(layout) else ShapeError
        raise kind(f"{op}: layout {layout} is not a supported compressed one; use sparse_csr or sparse_csc")
    return _compressed(
        op, layout, compressed_indices, plain_indices, values, size, dtype, device, requires_grad, check_invariants
    )


def sparse_bsr_tensor(*_: Any, **__: Any) -> NoReturn:
    """Not supported: block formats serve kernels that do not exist here; use `sparse_csr_tensor`."""
    raise NotImplementedError("sparse_bsr_tensor: block formats are not supported; use sparse_csr_tensor")


def sparse_bsc_tensor(*_: Any, **__: Any) -> NoReturn:
    """Not supported: block formats serve kernels that do not exist here; use `sparse_csc_tensor`."""
    raise NotImplementedError("sparse_bsc_tensor: block formats are not supported; use sparse_csc_tensor")


def spdiags(diagonals: Tensor, offsets: Tensor, shape: Sequence[int], layout: Any = None) -> SparseTensor:
    """The sparse matrix with the rows of diagonals (k, n) on the diagonals numbered by offsets (k,).

    Element j of a row stands in column j, as in PyTorch and SciPy. layout: sparse_coo (default), sparse_csr, sparse_csc.

    >>> import retrograd as rg
    >>> rg.sparse.spdiags(rg.ones(2, 3), rg.tensor([0, -1]), (3, 3)).to_dense()
    tensor([[1., 0., 0.],
            [1., 1., 0.],
            [0., 1., 1.]])
    """
    from ..core import as_tensor_arg
    from ..ops.shape import getitem_p, reshape_p
    from .places import coalesce, to_layout

    d, o = as_tensor_arg(diagonals, "spdiags"), as_tensor_arg(offsets, "spdiags")
    if len(d._shape) == 1:
        d = reshape_p(d, (1, d._shape[0]))
    o = o if o._shape else o.reshape(1)
    n, m = _size(shape, "spdiags")
    if len(d._shape) != 2 or o._shape != d._shape[:1] or o._dtype.kind not in "iu":
        raise ShapeError(
            f"spdiags: diagonals (k, n) and integer offsets (k,) are expected, got {tuple(d._shape)} and {tuple(o._shape)}"
        )
    xp = xp_of(d._data)
    if xp.unique(o._data).size != o._data.size:
        raise ShapeError("spdiags: offsets contain duplicates")
    cols = xp.broadcast_to(xp.arange(d._shape[1]), d._shape)
    rows = cols - o._data[:, None]
    (at,) = xp.nonzero(((rows >= 0) & (rows < n) & (cols < m)).reshape(-1))
    places = xp.stack([rows.reshape(-1)[at], cols.reshape(-1)[at]]).astype(np.int64)
    values = getitem_p(reshape_p(d, (math.prod(d._shape),)), (at,))
    r = make(sparse_coo, wrap(places), None, values, (n, m), False)
    return r if layout is None or layout is sparse_coo else to_layout(coalesce(r), layout, "spdiags")
