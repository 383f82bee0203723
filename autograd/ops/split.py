"""Taking tensors apart: split, chunk, tensor_split, unbind and their relatives. Every piece is a view.

All pieces of one call are outputs of one node, so that backward joins their cotangents once, in time and memory linear
in the tensor. As in PyTorch the pieces of `split`, `chunk` and `unbind` cannot be written to in place where gradients
are at stake (those of `tensor_split` can: they count as slices).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import xp_of
from ..core import Node, TensorBase, as_tensor_arg, tick, tls, wrap
from ..errors import ShapeError
from ..nodes import PICK, link, make_node
from ..op import nary, public
from ..registry import PRIMITIVES, Op
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from ..views import PIECE
from .args import as_int, one_dim
from .shape import getitem_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "chunk", "chunked", "cut", "dsplit", "equal", "hsplit", "join_p", "sized", "split", "split_with_sizes", "stack_p",
    "tensor_split", "unbind", "unsafe_split_p", "vsplit", "whole",
]  # fmt: skip

_GETITEM = PRIMITIVES["getitem"]


# ---------------------------------------------------------------- all pieces at once
def _slices(axis: int, edges: Sequence[int]) -> list[tuple[Any, ...]]:
    lead = (slice(None),) * axis
    return [(*lead, slice(a, b)) for a, b in pairwise(edges)]


def _joined(xp: Any, xs: Any, axis: int, edges: Sequence[int], shape: tuple[int, ...], which: Any) -> Any:
    if which is None:
        return xp.concatenate(xs, axis)
    out = xp.zeros(shape, xs[0].dtype)
    places = _slices(axis, edges)
    for k, x in zip(which, xs, strict=True):
        out[places[k]] = x
    return out


def _stacked(xp: Any, xs: Any, axis: int, shape: tuple[int, ...], which: Any) -> Any:
    if which is None:
        return xp.stack(xs, axis)
    out = xp.zeros(shape, xs[0].dtype)
    lead = (slice(None),) * axis
    for k, x in zip(which, xs, strict=True):
        out[(*lead, k)] = x
    return out


def _present(g: Sequence[Any]) -> tuple[list[Any], tuple[int, ...] | None]:
    """The cotangents of the pieces that were used, and which ones these are (None: all)."""
    which = tuple(i for i, v in enumerate(g) if v is not None)
    return [g[i] for i in which], None if len(which) == len(g) else which


def _wanted(pieces: Sequence[Any], which: Any, needs: Any) -> list[Any]:
    found = pieces if which is None else [pieces[k] for k in which]
    return [p if n is not None else None for p, n in zip(found, needs, strict=True)]


def _whole(pieces: Sequence[Any], axis: int, edges: Sequence[int], shape: tuple[int, ...]) -> Any:
    """The array that the pieces are, if they lie side by side in one, as a kernel may have written them; else None."""
    base = pieces[0].base
    if type(base) is not np.ndarray or not base.flags.c_contiguous or base.size != prod(shape):
        return None
    found = base.reshape(shape)
    start, step = found.__array_interface__["data"][0], found.strides[axis]
    for x, edge in zip(pieces, edges[:-1], strict=True):
        same = type(x) is np.ndarray and x.base is base and x.dtype == base.dtype and x.strides == found.strides
        if not same or x.__array_interface__["data"][0] != start + edge * step:
            return None
    return found


def _split_vjp(g: Any, xs: Any, o: Any, needs: Any, axis: int, edges: Sequence[int]) -> Any:
    some, which = _present(g)
    if which is None and type(some[0]) is np.ndarray:
        joined = _whole(some, axis, edges, xs[0])
        if joined is not None:
            return (joined,)
    return (join_p(some, axis, edges, xs[0], which),)


def _unbind_vjp(g: Any, xs: Any, o: Any, needs: Any, axis: int) -> Any:
    some, which = _present(g)
    return (stack_p(some, axis, xs[0], which),)


join_p: Any = nary(
    "join",
    _joined,
    lambda g, xs, o, needs, axis, edges, shape, which: _wanted(split_p([g], axis, edges), which, needs),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="Pieces side by side along axis, the k-th from edges[k] to edges[k + 1] (which: their numbers, the rest is 0).",
)

stack_p: Any = nary(
    "pile",
    _stacked,
    lambda g, xs, o, needs, axis, shape, which: _wanted(unbind_p([g], axis), which, needs),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="Slices on top of each other along a new axis (which: their numbers, the rest is 0).",
)

_SPLIT: dict[str, Any] = {
    "forward": lambda xp, xs, axis, edges: tuple([xs[0][at] for at in _slices(axis, edges)]),
    "vjp": _split_vjp,
    "dtypes": "copy",
    "holomorphic": False,
    "jvp": "linear",
    "outputs": None,
    "doc": "The pieces of x from edges[k] to edges[k + 1] along axis; the edges start at 0, rise, and end at its size.",
}
split_p: Any = nary("split", **_SPLIT)
split_with_sizes_p: Any = nary("split_with_sizes", **_SPLIT)
tensor_split_p: Any = nary("tensor_split", **_SPLIT)
unsafe_split_p: Any = nary("unsafe_split", **_SPLIT)
unbind_p: Any = nary(
    "unbind",
    lambda xp, xs, axis: tuple([xs[0][(slice(None),) * axis + (k, ...)] for k in range(xs[0].shape[axis])]),
    _unbind_vjp,
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    outputs=None,
    doc="All slices of x along axis.",
)


def cut(op: Op, x: Any, *p: Any, index: Sequence[Any] = (), safe: bool = True) -> tuple[Tensor, ...]:
    """The outputs of `op` on tensor x as views of it, all from one node.

    index: the pieces' indices, if they count as slices that may be written to. safe=False: they share memory, but to
    differentiation they are tensors of their own.
    """
    a, px = x._data, x._node
    m: Any = tls.state.grad
    outs = op.forward(xp_of(a), (a,), *p)
    k = len(outs)
    node: Any = None
    if px is not None and (m is True or m is not False and m.record) and x._dtype.kind in "fc":
        node = make_node(op, ([x._shape], p, (None,) * k), many=(px,))
    found = []
    for i, d in enumerate(outs):
        r = wrap(d)
        if safe:
            if index:
                link(_GETITEM, x, r, (index[i],), m)
            else:
                link(PIECE, x, r, (op.name, i), m)
        if node is not None:
            r._node = n = Node()
            n.op, n.seq, n.many, n.saved = PICK, tick(), (node,), (None, (k, i), None)
            n.px = n.py = n.fix = n.g = n.mark = None
            n.code, n.lasti, n.module = node.code, node.lasti, node.module
        if m is not True and m is not False:
            m.saw(op, (x,), p, r._node, r, i)
        found.append(r)
    return tuple(found)


def whole(input: Any, dim: Any, op: str) -> tuple[Any, int, int]:
    """The tensor, the dimension to cut, and its size."""
    x = as_tensor_arg(input, op)
    if not x._shape:
        raise ShapeError(f"{op}: a 0-d tensor has no dimension to take apart")
    d = one_dim(dim, len(x._shape), op)
    return x, d, x._shape[d]


def _pieces(x: Any, d: int, edges: Sequence[int], op: str = "split") -> tuple[Tensor, ...]:
    return cut(PRIMITIVES[op], x, d, tuple(edges), safe=op != "unsafe_split")


def _sized(x: Any, d: int, n: int, sizes: Sequence[Any], op: str) -> tuple[Tensor, ...]:
    return _pieces(x, d, sized(d, n, sizes, op), "split" if op == "split" else "split_with_sizes")


def sized(d: int, n: int, sizes: Sequence[Any], op: str) -> list[int]:
    """The edges of pieces of the given sizes in dimension d of size n."""
    edges = [0]
    for s in sizes:
        k = as_int(s, op, "every size")
        if k < 0:
            raise ShapeError(f"{op}: sizes {list(sizes)} must not be negative")
        edges.append(edges[-1] + k)
    if edges[-1] != n:
        raise ShapeError(f"{op}: sizes {list(sizes)} add up to {edges[-1]}; the size {n} of dim {d} is expected")
    return edges


@public(
    samples=lambda: [
        call(t(5, 2), 2), call(t(2, 5), 2, dim=1), call(t(2, 5), [1, 4], -1), call(t(5), (2, 0, 3)), call(t(5), 9),
        call(t(0, 2), 2),
        call(t(0, 2), 0),
    ],
    errors=lambda: [
        raises(ShapeError, r"split: sizes \[1, 1\] add up to 2; the size 3 of dim 1", t(2, 3), [1, 1], 1),
        raises(ShapeError, r"split: split_size 0 is possible only for a dimension of size 0", t(3), 0),
        raises(ShapeError, r"split_size must not be negative, got -1", t(3), -1),
        raises(ShapeError, r"split: a 0-d tensor", t(), 1),
        raises(IndexError, r"split: dim 2 is out of range", t(2, 3), 1, 2),
    ],
)  # fmt: skip
def split(
    input: Tensor,
    split_size_or_sections: int | Sequence[int] | None = None,
    dim: int = 0,
    *,
    split_size: int | Sequence[int] | None = None,
) -> tuple[Tensor, ...]:
    """Views of consecutive pieces along `dim`: of one size (the last may be smaller), or of the sizes of a list.

    The method's argument is called split_size.

    >>> import retrograd as rg
    >>> rg.split(rg.arange(5), 2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    x, d, n = whole(input, dim, "split")
    given = split_size_or_sections if split_size is None else split_size
    if given is None or not (split_size is None or split_size_or_sections is None):
        raise TypeError("split: give split_size_or_sections (or split_size) once")
    if isinstance(given, (tuple, list)):
        return _sized(x, d, n, given, "split")
    return _pieces(x, d, equal(d, n, given, "split"))


def equal(d: int, n: int, size: Any, op: str) -> list[int]:
    """The edges of pieces of one size in dimension d of size n."""
    k = as_int(size, op, "split_size")
    if k < 0:
        raise ShapeError(f"{op}: split_size must not be negative, got {k}")
    if k == 0 and n:
        raise ShapeError(f"{op}: split_size 0 is possible only for a dimension of size 0, but dim {d} has size {n}")
    return [*range(0, n, k), n] if n else [0, 0]


@public(samples=lambda: [call(t(5, 2), [1, 4]), call(t(2, 5), (2, 3), dim=-1)])
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive pieces of the given sizes along `dim`.

    >>> import retrograd as rg
    >>> rg.split_with_sizes(rg.arange(5), [1, 4])
    (tensor([0]), tensor([1, 2, 3, 4]))
    """
    x, d, n = whole(input, dim, "split_with_sizes")
    return _sized(x, d, n, split_sizes, "split_with_sizes")


@public(
    samples=lambda: [call(t(6), 3), call(t(2, 5), 3, dim=1), call(t(6), 4), call(t(0, 2), 3), call(t(2, 3), 2, -1)],
    errors=lambda: [
        raises(ShapeError, r"chunks must be positive, got 0", t(3), 0),
        raises(ShapeError, r"chunk: a 0-d", t(), 2),
    ],
)
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` views of equal size along `dim`; the last may be smaller, and there may be fewer.

    >>> import retrograd as rg
    >>> rg.chunk(rg.arange(5), 3)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    x, d, n = whole(input, dim, "chunk")
    return _pieces(x, d, chunked(n, chunks, "chunk"))


def chunked(n: int, chunks: Any, op: str) -> list[int]:
    """The edges of at most `chunks` pieces of a dimension of size n."""
    k = as_int(chunks, op, "chunks")
    if k <= 0:
        raise ShapeError(f"{op}: chunks must be positive, got {k}")
    return [*range(0, n, -(-n // k)), n] if n else [0] * (k + 1)


@public(
    samples=lambda: [
        call(t(7), 3), call(t(2, 5), (1, 3), dim=1), call(t(5), (1, 9, -1)), call(t(2, 4), 2, -1),
        call(t(5), t(2, dtype="int64", values=[1, 3], grad=False)), call(t(5), indices=(1, 3)), call(t(5), sections=2),
    ],
    errors=lambda: [raises(ShapeError, r"the number of sections must be positive, got 0", t(3), 0)],
)  # fmt: skip
@sample_by_sample
def tensor_split(
    input: Tensor,
    indices_or_sections: int | Sequence[int] | Tensor | None = None,
    dim: int = 0,
    *,
    indices: Sequence[int] | None = None,
    sections: int | None = None,
    tensor_indices_or_sections: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Views along `dim`: so many pieces of sizes that differ by one at most, or cut before the given indices.

    >>> import retrograd as rg
    >>> rg.tensor_split(rg.arange(5), (1, 3))
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    x, d, n = whole(input, dim, "tensor_split")
    given = _one((indices_or_sections, indices, sections, tensor_indices_or_sections), "tensor_split")
    return _tensor_split(x, d, n, given, "tensor_split")


def _one(given: tuple[Any, ...], op: str) -> Any:
    """The one argument of several names that was given."""
    found = [v for v in given if v is not None]
    if len(found) != 1:
        raise TypeError(f"{op}: give exactly one of indices_or_sections, indices and sections, got {len(found)}")
    return found[0]


def _tensor_split(x: Any, d: int, n: int, given: Any, op: str) -> tuple[Tensor, ...]:
    if isinstance(given, TensorBase) and given._shape:
        given = given.tolist()  # type: ignore[attr-defined]
    if isinstance(given, (tuple, list)):
        at = [as_int(i, op, "every index") for i in given]
        edges = [0, *at, n]
        if all(a <= b for a, b in pairwise(edges)):
            return _as_slices(x, d, edges)
        lead = (slice(None),) * d  # indices from the end, or pieces that overlap
        return tuple(getitem_p(x, (*lead, slice(a, b))) for a, b in pairwise(edges))
    k = as_int(given, op, "the number of sections")
    if k <= 0:
        raise ShapeError(f"{op}: the number of sections must be positive, got {k}")
    size, more = divmod(n, k)
    edges = [0]
    for i in range(k):
        edges.append(edges[-1] + size + (i < more))
    return _as_slices(x, d, edges)


def _as_slices(x: Any, d: int, edges: Sequence[int]) -> tuple[Tensor, ...]:
    return cut(PRIMITIVES["tensor_split"], x, d, tuple(edges), index=_slices(d, edges))


def _numpy_split(input: Any, given: Any, d: int, least: int, op: str) -> tuple[Tensor, ...]:
    x = as_tensor_arg(input, op)
    if len(x._shape) < least:
        raise ShapeError(f"{op}: a tensor of at least {least} dimensions is expected, got shape {tuple(x._shape)}")
    n = x._shape[d]
    if not isinstance(given, (tuple, list)) and as_int(given, op, "sections") > 0 and n % given:
        raise ShapeError(f"{op}: the size {n} of dim {d} is not divisible by {given}; see rg.tensor_split")
    return _tensor_split(x, d, n, given, op)


@public(samples=lambda: [call(t(4), 2), call(t(2, 4), 2), call(t(2, 4), (1, 3))])
def hsplit(
    input: Tensor,
    indices_or_sections: int | Sequence[int] | None = None,
    *,
    indices: Sequence[int] | None = None,
    sections: int | None = None,
) -> tuple[Tensor, ...]:
    """`tensor_split` along dimension 1 (0 for one-dimensional tensors), into equal sections.

    >>> import retrograd as rg
    >>> rg.hsplit(rg.arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """
    x = as_tensor_arg(input, "hsplit")
    given = _one((indices_or_sections, indices, sections), "hsplit")
    return _numpy_split(x, given, 0 if len(x._shape) == 1 else 1, 1, "hsplit")


@public(
    samples=lambda: [call(t(4, 2), 2), call(t(4, 2), (1, 3))],
    errors=lambda: [
        raises(ShapeError, r"vsplit: the size 3 of dim 0 is not divisible by 2", t(3, 2), 2),
        raises(ShapeError, r"at least 2 dimensions", t(4), 2),
    ],
)
def vsplit(
    input: Tensor,
    indices_or_sections: int | Sequence[int] | None = None,
    *,
    indices: Sequence[int] | None = None,
    sections: int | None = None,
) -> tuple[Tensor, ...]:
    """`tensor_split` along dimension 0 of a tensor of at least two dimensions, into equal sections.

    >>> import retrograd as rg
    >>> [x.shape for x in rg.vsplit(rg.zeros(4, 3), 2)]
    [retrograd.Size([2, 3]), retrograd.Size([2, 3])]
    """
    return _numpy_split(input, _one((indices_or_sections, indices, sections), "vsplit"), 0, 2, "vsplit")


@public(samples=lambda: [call(t(2, 2, 4), 2), call(t(2, 2, 4), (1, 3))])
def dsplit(
    input: Tensor,
    indices_or_sections: int | Sequence[int] | None = None,
    *,
    indices: Sequence[int] | None = None,
    sections: int | None = None,
) -> tuple[Tensor, ...]:
    """`tensor_split` along dimension 2 of a tensor of at least three dimensions, into equal sections.

    >>> import retrograd as rg
    >>> [x.shape for x in rg.dsplit(rg.zeros(1, 2, 4), 2)]
    [retrograd.Size([1, 2, 2]), retrograd.Size([1, 2, 2])]
    """
    return _numpy_split(input, _one((indices_or_sections, indices, sections), "dsplit"), 2, 3, "dsplit")


@public(
    samples=lambda: [call(t(2, 3)), call(t(2, 3), 1), call(t(2, 3), dim=-1), call(t(2)), call(t(0, 2))],
    errors=lambda: [
        raises(IndexError, r"unbind: a 0-d tensor", t()),
        raises(IndexError, r"unbind: dim 2 is out of range", t(2, 3), 2)
    ],
)  # fmt: skip
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of all slices along `dim`, which is removed: `x[0], x[1], ...` for dim=0.

    >>> import retrograd as rg
    >>> rg.unbind(rg.tensor([[1, 2], [3, 4]]), 1)
    (tensor([1, 3]), tensor([2, 4]))
    """
    x = as_tensor_arg(input, "unbind")
    if not x._shape:
        raise IndexError("unbind: a 0-d tensor has no dimension to take apart")
    d = one_dim(dim, len(x._shape), "unbind")
    return cut(PRIMITIVES["unbind"], x, d)
