"""Class SparseTensor: a tensor that keeps the elements it was given, and their places.

Its values are an ordinary tensor with the history of the sparse one: `requires_grad`, `grad_fn` and `backward` are
theirs. So every operation on sparse tensors is written in ordinary operations on values, and gradients have the places
of the tensor they belong to.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .. import core, device, hooks
from ..backend import for_device, of
from ..core import Leaf, Node, TensorBase, new, wrap
from ..errors import GraphError, ShapeError
from ..layouts import sparse_coo, sparse_csc, sparse_csr
from ..ops.cast import cast_p, identity_p, to, to_device
from ..ops.shape import getitem_p
from ..tensor import Tensor
from .data import SparseData, refuse
from .pattern import Pattern

__all__ = ["SparseTensor", "compressed_names", "coordinates", "make", "pattern_of", "with_values"]


def make(layout: Any, first: Any, second: Any, values: Any, shape: Any, coalesced: bool) -> SparseTensor:
    """The sparse tensor over given (checked) parts."""
    t = new(SparseTensor)
    t._data = SparseData(layout, first, second, values, tuple(shape), coalesced)
    t._dtype, t._shape = values._dtype, tuple(shape)
    return t


def with_values(x: Any, values: Any) -> SparseTensor:
    """Other values at the places of x."""
    d = x._data
    r = make(d.layout, d.first, d.second, values, d.shape, d.coalesced)
    r._data.pattern = d.pattern
    return r


def compressed_names(layout: Any) -> tuple[str, str]:
    """The methods that give the two kinds of indices."""
    return ("crow_indices", "col_indices") if layout is sparse_csr else ("ccol_indices", "row_indices")


def coordinates(x: Any) -> Any:
    """The raw indices (sparse dimensions, nnz) in the order of the values."""
    d = x._data
    if d.layout is sparse_coo:
        return d.first._data
    start, plain = d.first._data, d.second._data
    xp = of(start).xp
    counts = start[1:] - start[:-1]
    long = xp.repeat(xp.arange(counts.size), counts if xp is np else counts.tolist())
    return xp.stack([long, plain] if d.layout is sparse_csr else [plain, long]).astype(np.int64)


def pattern_of(x: Any, op: str) -> Pattern:
    """The places of a sparse matrix, for products."""
    d = x._data
    if d.pattern is None:
        if len(d.shape) != 2 or len(d.values._shape) != 1:
            dense = len(d.values._shape) - 1
            raise ShapeError(
                f"{op}: a sparse operand must be a matrix with two sparse dimensions, got shape {d.shape} with {dense} "
                "dense dimension(s); use to_dense()"
            )
        rows, cols = coordinates(x)
        d.pattern = Pattern.of(rows, cols, d.shape)
    return d.pattern


class SparseTensor(Tensor):
    """A sparse tensor: COO (any number of dimensions, the last ones may be dense), CSR or CSC (matrices).

    Made by `sparse_coo_tensor`, `sparse_csr_tensor`, `to_sparse` and the like. Operations that have no sparse form
    raise an error that names them; none of them makes a sparse tensor dense on its own but where PyTorch does.

    >>> import retrograd as rg
    >>> s = rg.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3), requires_grad=True)
    >>> (s @ rg.ones(3, 1)).sum().backward(); s.grad.to_dense()
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """

    __slots__ = ()
    __array_ufunc__ = None  # type: ignore[assignment]  # array + sparse and array += sparse are `__radd__`'s

    def __new__(cls, *args: Any, **kwargs: Any) -> SparseTensor:
        raise TypeError("SparseTensor: use sparse_coo_tensor, sparse_csr_tensor or Tensor.to_sparse to make one")

    @property
    def _node(self) -> Any:  # type: ignore[override]
        return self._data.values._node

    @_node.setter
    def _node(self, value: None) -> None:
        if value is not None:
            raise GraphError("a sparse tensor has the history of its values; record operations on .values()")
        self._data.values = self._data.values.detach()

    # ------------------------------------------------------------ what it is
    layout = property(lambda self: self._data.layout)  # type: ignore[assignment]
    is_sparse = property(lambda self: self._data.layout is sparse_coo)  # type: ignore[assignment]
    is_sparse_csr = property(lambda self: self._data.layout is sparse_csr)  # type: ignore[assignment]
    device = property(lambda self: self._data.values.device)  # type: ignore[assignment]
    is_cuda = property(lambda self: self._data.values.is_cuda)  # type: ignore[assignment]
    is_cpu = property(lambda self: self._data.values.is_cpu)  # type: ignore[assignment]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """False: there is no memory of all elements."""
        return False

    def contiguous(self, memory_format: Any = None) -> SparseTensor:
        """The tensor itself: its values stand one after the other already."""
        return self

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The name of the type without arguments, else the tensor in another dtype."""
        if dtype is not None:
            from ..legacy import type_of

            return cast_p(self, type_of(dtype))
        place, _, name = self._data.values.type().rpartition(".")
        return f"{place}.sparse.{name}"

    # ------------------------------------------------------------ differentiation
    def requires_grad_(self, requires_grad: bool = True) -> SparseTensor:
        """Start (or stop) recording operations on a leaf; returns the tensor."""
        self._data.values.requires_grad_(requires_grad)
        return self

    def gradient_of_values(self, g: Any) -> SparseTensor:
        """The gradient of this tensor whose values' gradient is g: at its own places, each named once."""
        d = self._data
        if d.layout is not sparse_coo or d.coalesced:
            return with_values(self, g)
        from .places import first_of_each

        at, indices = first_of_each(self)
        return make(sparse_coo, wrap(indices), None, getitem_p(g, (at,)), d.shape, True)

    def values_of_gradient(self, g: Any, what: str) -> Any:
        """The values of a gradient (sparse or dense) at the places of this tensor: the inverse of `gradient_of_values`."""
        from .places import sparse_mask

        if not isinstance(g, TensorBase) or g._shape != self._shape:
            shape = tuple(getattr(g, "shape", ()))
            raise ShapeError(f"{what}: a gradient of shape {shape} does not fit a tensor of shape {self._shape}")
        return sparse_mask(g, self)._data.values

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward accumulated: sparse, at the places of this tensor; or None."""
        g = self._data.values.grad
        return None if g is None else self.gradient_of_values(g)

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        self._data.values.grad = None if value is None else self.values_of_gradient(value, "grad")

    @grad.deleter
    def grad(self) -> None:
        self._data.values.grad = None

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Add the gradient to the `.grad` of the leaves; gradient: a sparse or dense tensor of this shape."""
        if gradient is None:
            raise GraphError(
                f"backward: grad can be implicitly created only for scalar outputs, but this tensor is sparse, of shape "
                f"{self._shape}; reduce it with .sum(), or pass gradient="
            )
        self._data.values.backward(self.values_of_gradient(gradient, "backward"), retain_graph, create_graph, inputs)

    def detach(self) -> SparseTensor:
        """The same places and the same memory of values, without history."""
        return with_values(self, self._data.values.detach())

    data = property(detach)  # type: ignore[assignment]

    def detach_(self) -> SparseTensor:
        """Forget the history; returns the tensor."""
        self._data.values = self._data.values.detach()
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of this non-leaf tensor in `.grad` when backward passes."""
        self._data.values.retain_grad()

    @property
    def retains_grad(self) -> bool:
        """Whether retain_grad is in force."""
        return self._data.values.retains_grad

    def register_hook(self, hook: Callable[[Any], Any]) -> hooks.RemovableHandle:
        """Call `hook(grad)` with the sparse gradient when it has been computed; it may return another one."""

        def inner(g: Any) -> Any:
            r = hook(self.gradient_of_values(g))
            return None if r is None else self.values_of_gradient(r, "register_hook")

        return self._data.values.register_hook(inner)

    # ------------------------------------------------------------ parts
    def indices(self) -> Tensor:
        """The places of a coalesced COO tensor: int64 (sparse dimensions, nnz)."""
        self._coo("indices")
        self._once("indices")
        return self._data.first.detach()

    def _indices(self) -> Tensor:
        """The places of a COO tensor, which may occur more than once."""
        self._coo("_indices")
        return self._data.first.detach()

    def values(self) -> Tensor:
        """The values (nnz, ...) with their history; a COO tensor must be coalesced."""
        if self._data.layout is sparse_coo:
            self._once("values")
        return identity_p(self._data.values)

    def _values(self) -> Tensor:
        """The values without history; places may occur more than once."""
        return self._data.values.detach()

    def _nnz(self) -> int:
        """How many elements are stored."""
        return self._data.values._shape[0]

    def sparse_dim(self) -> int:
        """How many dimensions the places have."""
        return len(self._shape) - self.dense_dim()

    def dense_dim(self) -> int:
        """How many dimensions each stored element has."""
        return len(self._data.values._shape) - 1

    def is_coalesced(self) -> bool:
        """Whether a COO tensor is known to name no place twice, in order."""
        self._coo("is_coalesced")
        return self._data.coalesced

    def coalesce(self) -> SparseTensor:
        """The COO tensor with the values of equal places added up, in order of the places."""
        self._coo("coalesce")
        from .places import coalesce

        return coalesce(self)

    def crow_indices(self) -> Tensor:
        """Where each row of a CSR matrix starts: (rows + 1,)."""
        return self._compressed(sparse_csr, "crow_indices").first.detach()

    def col_indices(self) -> Tensor:
        """The columns of a CSR matrix's elements: (nnz,)."""
        return self._compressed(sparse_csr, "col_indices").second.detach()

    def ccol_indices(self) -> Tensor:
        """Where each column of a CSC matrix starts: (columns + 1,)."""
        return self._compressed(sparse_csc, "ccol_indices").first.detach()

    def row_indices(self) -> Tensor:
        """The rows of a CSC matrix's elements: (nnz,)."""
        return self._compressed(sparse_csc, "row_indices").second.detach()

    def _coo(self, op: str) -> None:
        if self._data.layout is not sparse_coo:
            raise GraphError(
                f"{op}: a sparse COO tensor is expected, got {self._data.layout}; convert with to_sparse_coo()"
            )

    def _once(self, op: str) -> None:
        if not self._data.coalesced:
            raise GraphError(f"{op}: cannot get {op} on an uncoalesced tensor; call .coalesce() first, or use _{op}()")

    def _compressed(self, layout: Any, op: str) -> SparseData:
        if self._data.layout is not layout:
            raise GraphError(
                f"{op}: a {layout} matrix is expected, got {self._data.layout}; convert with to_{layout.name}()"
            )
        return self._data

    # ------------------------------------------------------------ conversion
    def to_dense(self, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
        """The dense tensor: zeros, and the values added up at their places. The gradient comes back at the places."""
        from .places import to_dense

        r = to_dense(self)
        return r if dtype is None else r.to(dtype)

    def to(self, *args: Any, **kwargs: Any) -> SparseTensor:
        """Convert dtype and/or device, as `Tensor.to`."""
        v = to(self._data.values, *args, **kwargs)
        if v is self._data.values:
            return self
        d, home = self._data, v.device
        first, second = (p if p is None else to_device(p, home) for p in (d.first, d.second))
        return make(d.layout, first, second, v, d.shape, d.coalesced)

    def to_device(self, device: Any, /, *, stream: Any = None) -> SparseTensor:
        """The tensor on another device."""
        return self.to(device=device)

    def cpu(self, memory_format: Any = None) -> SparseTensor:
        """The tensor in the CPU's memory."""
        return self.to(device="cpu")

    def cuda(self, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> SparseTensor:
        """The tensor on a CUDA device."""
        return self.to(device="cuda" if device is None else device)

    def type_as(self, other: Tensor) -> SparseTensor:
        """The tensor in the dtype of another."""
        return self.to(other._dtype)

    def numpy(self, *, force: bool = False) -> Any:
        """Not available: NumPy's arrays are dense."""
        refuse("numpy")

    def norm(self, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
        """The norm of all elements, which zeros do not change."""
        if dim is not None:
            refuse("norm", "over dimensions is not available for sparse tensors")
        from .places import coalesce

        v = coalesce(self)._data.values.reshape(-1)
        return v.norm(2 if p == "fro" else p, dtype=dtype)

    def index_select(self, dim: int, index: Any) -> SparseTensor:
        """The slices of a sparse dimension that the one-dimensional index names, of a COO tensor."""
        from .places import index_select

        return index_select(self, dim, index)

    def unsqueeze(self, dim: int) -> SparseTensor:
        """A COO tensor with a sparse dimension of size 1 more."""
        from .places import unsqueeze

        return unsqueeze(self, dim)

    def __getitem__(self, index: Any) -> Any:
        from .rules import getitem

        return getitem(self, index if isinstance(index, tuple) else (index,))

    # ------------------------------------------------------------ in place
    def _replace(self, r: Any, op: str) -> SparseTensor:
        """Let this tensor become r."""
        if type(self._node) is Leaf and core.recording():
            raise GraphError(
                f"{op}: a leaf that requires grad is being used in an in-place operation; wrap the write in no_grad(), "
                "or clone() the tensor first"
            )
        if not isinstance(r, SparseTensor) or r._shape != self._shape or r._data.layout is not self._data.layout:
            refuse(op, f"cannot put this result into a sparse tensor of shape {self._shape}")
        if r._dtype is not self._dtype:
            r = cast_p(r, self._dtype)
        leaf = self._node if type(self._node) is Leaf else None
        if leaf is not None:  # outside the graph: the values change, the leaf stays what it is
            r = r.detach()
            core.set_data(self._data.values, r._data.values._data)
            r._data.values = self._data.values
        self._data = r._data
        return self

    def add_(self, other: Any, *, alpha: Any = 1) -> SparseTensor:
        """In-place version of `add`."""
        return self._replace(self.add(other, alpha=alpha), "add_")

    def sub_(self, other: Any, *, alpha: Any = 1) -> SparseTensor:
        """In-place version of `sub`."""
        return self._replace(self.sub(other, alpha=alpha), "sub_")

    def mul_(self, other: Any) -> SparseTensor:
        """In-place version of `mul`."""
        return self._replace(self.mul(other), "mul_")

    def div_(self, other: Any) -> SparseTensor:
        """In-place version of `div`."""
        return self._replace(self.div(other), "div_")

    def neg_(self) -> SparseTensor:
        """In-place version of `neg`."""
        return self._replace(self.neg(), "neg_")

    def zero_(self) -> SparseTensor:
        """Set every value to 0, in place; the places stay."""
        return self._replace(with_values(self, self._data.values.detach() * 0), "zero_")

    def copy_(self, src: Any, non_blocking: bool = False) -> SparseTensor:
        """Become a copy of another sparse tensor of this shape, in this dtype."""
        return self._replace(src.clone() if isinstance(src, SparseTensor) else src, "copy_")

    __iadd__, __isub__, __imul__, __itruediv__ = add_, sub_, mul_, div_

    # ------------------------------------------------------------ protocols
    def __iter__(self) -> Iterator[Any]:
        if not self._shape:
            raise TypeError("iter: a 0-d tensor cannot be iterated over")
        return (self[i] for i in range(self._shape[0]))

    def __bool__(self) -> bool:
        raise GraphError(
            f"bool: the truth value of a sparse tensor of shape {self._shape} is ambiguous; use to_dense()"
        )

    def __repr__(self) -> str:
        from .text import to_text

        return to_text(self)

    def _repr_html_(self) -> str:
        import html

        return f"<pre>{html.escape(repr(self))}</pre>"

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec)

    def _leaf_only(self, what: str) -> None:
        n = self._node
        if type(n) is Node:
            raise GraphError(
                f"{what}: only leaves can be copied with their attributes, this tensor was made by {n.op.name} at "
                f"{n.where}; use clone() or detach()"
            )

    def __deepcopy__(self, memo: dict[Any, Any]) -> SparseTensor:
        self._leaf_only("deepcopy")
        d = self._data
        first, second, values = (p if p is None else copy.deepcopy(p, memo) for p in (d.first, d.second, d.values))
        t = memo[id(self)] = make(d.layout, first, second, values, d.shape, d.coalesced)
        t.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return t

    def __copy__(self) -> SparseTensor:
        t = with_values(self, self._data.values)
        t.__dict__.update(self.__dict__)
        return t

    def __reduce_ex__(self, protocol: Any) -> Any:
        self._leaf_only("pickle")
        d = self._data
        arrays = [p if p is None else of(p._data).to_numpy(p._data) for p in (d.first, d.second, d.values)]
        rest = (self._node is not None, dict(self.__dict__), self.device)
        return _rebuild, (d.layout, *arrays, d.shape, d.coalesced, *rest)


def _rebuild(
    layout: Any, first: Any, second: Any, values: Any, shape: Any, coalesced: bool, requires_grad: bool,
    attributes: dict[str, Any], home: device.device,
) -> SparseTensor:  # fmt: skip
    back = for_device(home)
    first, second, values = (p if p is None else wrap(back.from_numpy(p, home.index)) for p in (first, second, values))
    t = make(layout, first, second, values, shape, coalesced)
    t.__dict__.update(attributes)
    return t.requires_grad_() if requires_grad else t
