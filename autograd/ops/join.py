"""Joining tensors: cat, stack and their relatives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from .. import backend
from ..core import TensorBase, as_tensor_arg
from ..dtypes import promote_types
from ..errors import ShapeError
from ..generic import cast
from ..op import nary, public
from ..samples import call, raises, t
from .args import into, one_dim, pick
from .shape import getitem_p, reshape_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "cat", "cat_p", "column_stack", "concat", "concatenate",
    "dstack",
    "hstack", "row_stack", "stack", "stack_p", "vstack",
]  # fmt: skip


# ---------------------------------------------------------------- primitives
def _cat_vjp(g: Any, xs: Any, o: Any, needs: Any, axis: int) -> Any:
    shapes = [x if isinstance(x, tuple) else x.shape for x in xs]
    lead = (slice(None),) * axis
    ends = accumulate(s[axis] for s in shapes)
    return [
        getitem_p(g, (*lead, slice(end - s[axis], end))) if need else None
        for end, s, need in zip(ends, shapes, needs, strict=True)
    ]


def _row_major(xp: Any, a: Any) -> Any:
    """Joins of column-major arrays come out of NumPy column-major; PyTorch's are contiguous, so that views of them work."""
    return a if a.flags.c_contiguous else xp.ascontiguousarray(a)


cat_p: Any = nary(
    "cat",
    lambda xp, xs, axis: _row_major(xp, xp.concatenate(xs, axis)),
    _cat_vjp,
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="The operands one after another along axis (non-negative).",
)

stack_p: Any = nary(
    "stack",
    lambda xp, xs, axis: _row_major(xp, xp.stack(xs, axis)),
    lambda g, xs, o, needs, axis: [
        getitem_p(g, (*(slice(None),) * axis, k, ...)) if need else None for k, need in enumerate(needs)
    ],
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="The operands along a new axis (non-negative).",
)


def _tensors(tensors: Any, op: str) -> list[Any]:
    """The tensors to be joined, all of one dtype (promoted without regard to 0-d, as PyTorch does here)."""
    if not isinstance(tensors, (tuple, list)):
        if isinstance(tensors, TensorBase) or not hasattr(tensors, "__iter__"):
            raise TypeError(f"{op}: a tuple or list of tensors is expected, got {type(tensors).__name__}; write [x, y]")
        tensors = list(tensors)
    if not tensors:
        raise ShapeError(f"{op}: a non-empty list of tensors is expected")
    first = tensors[0]
    if isinstance(first, TensorBase):
        d = first._dtype
        for x in tensors:
            if not isinstance(x, TensorBase) or x._dtype is not d:
                break
        else:
            return tensors  # type: ignore[return-value]
    xs = []
    for k, x in enumerate(tensors):
        if not isinstance(x, TensorBase) and not backend.is_array(x):
            raise TypeError(f"{op}: element {k} of the list is a {type(x).__name__}; a Tensor is expected")
        xs.append(as_tensor_arg(x, op))
    d = xs[0]._dtype
    for x in xs[1:]:
        d = promote_types(d, x._dtype)
    return [cast(x, d) for x in xs]


# ---------------------------------------------------------------- cat
@public(
    method=False,
    samples=lambda: [
        call([t(2, 3), t(1, 3)]), call((t(2, 3), t(2, 1), t(2, 3)), dim=1), call([t(2, 3), t(2, 3)], -1),
        call([t(2, 3), t(0), t(1, 3)]), call([t(2), t(3, dtype="int64", low=0, high=9, grad=False)]), call([t(2)]),
        call([t(0, 3), t(2, 3)]),
    ],
    errors=lambda: [
        raises(ShapeError, r"cat: shapes \(2, 3\) and \(2, 4\) differ in dimension 1", [t(2, 3), t(2, 4)]),
        raises(ShapeError, r"cat: tensor 1 has 1 dimensions, tensor 0 has 2", [t(2, 3), t(2)]),
        raises(ShapeError, r"0-d tensor, .*use rg.stack", [t(2), t()]),
        raises(ShapeError, r"non-empty", []),
        raises(TypeError, r"a tuple or list of tensors is expected, got Tensor", t(2)),
        raises(TypeError, r"element 1 of the list is a float", [t(2), 1.0]),
        raises(IndexError, r"cat: dim 2 is out of range", [t(2, 3), t(2, 3)], 2),
    ],
)  # fmt: skip
def cat(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None, out: Tensor | None = None) -> Tensor:
    """The tensors one after another along `dim`; they agree in all other sizes. dtypes are promoted.

    Tensors of shape (0,) are skipped, as in PyTorch.

    >>> import retrograd as rg
    >>> rg.cat([rg.tensor([[1, 2]]), rg.tensor([[3, 4]])], dim=1)
    tensor([[1, 2, 3, 4]])
    """
    return _cat(tensors, pick(dim, axis, "cat", default=0), "cat", out)


def _cat(tensors: Any, dim: int, op: str, out: Any) -> Any:
    xs = _tensors(tensors, op)
    n = len(xs[0]._shape)
    if not n or any(len(x._shape) != n for x in xs):
        xs = [x for x in xs if x._shape != (0,)] or xs[:1]
        n = len(xs[0]._shape)
        for k, x in enumerate(xs):
            if not x._shape:
                raise ShapeError(
                    f"{op}: tensor {k} is a 0-d tensor, which has no dimension to join along; use rg.stack"
                )
            if len(x._shape) != n:
                raise ShapeError(
                    f"{op}: tensor {k} has {len(x._shape)} dimensions, tensor 0 has {n} "
                    f"(shapes {tuple(x._shape)} and {tuple(xs[0]._shape)}); as many are expected"
                )
    d = (
        dim
        if type(dim) is int and 0 <= dim < n
        else 0
        if xs[0]._shape == (0,) == xs[-1]._shape
        else one_dim(dim, n, op)
    )
    try:
        r = cat_p(xs, d)
    except ValueError as e:
        raise _cat_error(xs, d, op) or e from None
    if out is not None and any(x is out for x in tensors):
        raise RuntimeError(f"{op}: out is one of the tensors to be joined; give a tensor of its own")
    return r if out is None else into(out, r, op)


def _cat_error(xs: Any, d: int, op: str) -> Exception | None:
    first = tuple(xs[0]._shape)
    for x in xs:
        for k, (a, b) in enumerate(zip(first, x._shape, strict=True)):
            if a != b and k != d:
                return ShapeError(
                    f"{op}: shapes {first} and {tuple(x._shape)} differ in dimension {k}; along dim {d} only sizes of "
                    "that dimension may differ"
                )
    return None


@public(method=False, samples=lambda: [call([t(2, 3), t(1, 3)]), call([t(2, 3), t(2, 1)], dim=1)])
def concat(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None, out: Tensor | None = None) -> Tensor:
    """The same as `cat`.

    >>> import retrograd as rg
    >>> rg.concat([rg.tensor([1]), rg.tensor([2])])
    tensor([1, 2])
    """
    return _cat(tensors, pick(dim, axis, "concat", default=0), "concat", out)


@public(method=False, samples=lambda: [call([t(2, 3), t(1, 3)]), call([t(2, 3), t(2, 1)], dim=1)])
def concatenate(
    tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None, out: Tensor | None = None
) -> Tensor:
    """The same as `cat`.

    >>> import retrograd as rg
    >>> rg.concatenate([rg.tensor([1]), rg.tensor([2])])
    tensor([1, 2])
    """
    return _cat(tensors, pick(dim, axis, "concatenate", default=0), "concatenate", out)


# ---------------------------------------------------------------- stack
@public(
    method=False,
    samples=lambda: [
        call([t(2, 3), t(2, 3)]), call([t(2, 3), t(2, 3), t(2, 3)], dim=1), call((t(2), t(2)), -1), call([t(), t()]),
        call([t(2), t(2, dtype="int64", low=0, high=9, grad=False)], 0),
    ],
    errors=lambda: [
        raises(ShapeError, r"stack: tensor 1 has shape \(3,\), tensor 0 has \(2,\)", [t(2), t(3)]),
        raises(ShapeError, r"non-empty", []),
        raises(TypeError, r"a tuple or list of tensors is expected", t(2)),
        raises(IndexError, r"stack: dim 2 is out of range", [t(2), t(2)], 2),
    ],
)  # fmt: skip
def stack(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None, out: Tensor | None = None) -> Tensor:
    """The tensors, all of one shape, along a new dimension at `dim`. dtypes are promoted.

    >>> import retrograd as rg
    >>> rg.stack([rg.tensor([1, 2]), rg.tensor([3, 4])], dim=1)
    tensor([[1, 3],
            [2, 4]])
    """
    xs = _tensors(tensors, "stack")
    d = one_dim(pick(dim, axis, "stack", default=0), len(xs[0]._shape) + 1, "stack")
    try:
        r = stack_p(xs, d)
    except ValueError:
        for k, x in enumerate(xs):
            if x._shape != xs[0]._shape:
                raise ShapeError(
                    f"stack: tensor {k} has shape {tuple(x._shape)}, tensor 0 has {tuple(xs[0]._shape)}; equal ones "
                    "are expected (rg.cat joins along a dimension that exists)"
                ) from None
        raise
    return r if out is None else into(out, r, "stack")


# ---------------------------------------------------------------- at least so many dimensions
def _each(tensors: tuple[Any, ...], op: str, shape: Any) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        return tuple(reshape_p(as_tensor_arg(x, op), shape(tuple(x._shape))) for x in tensors[0])
    found = tuple(reshape_p(as_tensor_arg(x, op), shape(tuple(x._shape))) for x in tensors)
    return found[0] if len(found) == 1 else found


def _one(s: tuple[int, ...]) -> tuple[int, ...]:
    return s or (1,)


def _two(s: tuple[int, ...]) -> tuple[int, ...]:
    return s if len(s) > 1 else (1, *_one(s))


def _three(s: tuple[int, ...]) -> tuple[int, ...]:
    return s if len(s) > 2 else (*_two(s), 1)


@public(method=False, samples=lambda: [call(t()), call(t(2, 3)), call(t(), t(2)), call((t(), t(2)))])
def atleast_1d(*tensors: Any) -> Any:
    """Views with at least one dimension: of one tensor, or a tuple of those of several.

    >>> import retrograd as rg
    >>> rg.atleast_1d(rg.tensor(5))
    tensor([5])
    """
    return _each(tensors, "atleast_1d", _one)


@public(method=False, samples=lambda: [call(t()), call(t(2)), call(t(2), t(2, 3))])
def atleast_2d(*tensors: Any) -> Any:
    """Views with at least two dimensions, new ones in front.

    >>> import retrograd as rg
    >>> rg.atleast_2d(rg.tensor([5, 6]))
    tensor([[5, 6]])
    """
    return _each(tensors, "atleast_2d", _two)


@public(method=False, samples=lambda: [call(t()), call(t(2)), call(t(2, 3)), call(t(2, 3, 4))])
def atleast_3d(*tensors: Any) -> Any:
    """Views with at least three dimensions: (N,) becomes (1, N, 1), and (M, N) becomes (M, N, 1).

    >>> import retrograd as rg
    >>> rg.atleast_3d(rg.zeros(2, 3)).shape
    retrograd.Size([2, 3, 1])
    """
    return _each(tensors, "atleast_3d", _three)


# ---------------------------------------------------------------- hstack and the like
def _as_least(tensors: Any, op: str, shape: Any) -> list[Any]:
    return [reshape_p(x, shape(tuple(x._shape))) for x in _tensors(tensors, op)]


@public(method=False, samples=lambda: [call([t(2), t(3)]), call([t(2, 1), t(2, 3)]), call([t(), t(2)])])
def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors joined horizontally: along dimension 1, or 0 for one-dimensional ones.

    >>> import retrograd as rg
    >>> rg.hstack([rg.tensor([1]), rg.tensor([2, 3])])
    tensor([1, 2, 3])
    """
    xs = _as_least(tensors, "hstack", _one)
    return _cat(xs, 0 if len(xs[0]._shape) == 1 else 1, "hstack", out)


@public(method=False, samples=lambda: [call([t(3), t(3)]), call([t(1, 3), t(2, 3)]), call([t(), t()])])
def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors joined vertically, along dimension 0; one-dimensional ones are rows.

    >>> import retrograd as rg
    >>> rg.vstack([rg.tensor([1, 2]), rg.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return _cat(_as_least(tensors, "vstack", _two), 0, "vstack", out)


@public(method=False, samples=lambda: [call([t(3), t(3)]), call([t(1, 3), t(2, 3)])])
def row_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The same as `vstack`.

    >>> import retrograd as rg
    >>> rg.row_stack([rg.tensor([1, 2]), rg.tensor([3, 4])]).shape
    retrograd.Size([2, 2])
    """
    return _cat(_as_least(tensors, "row_stack", _two), 0, "row_stack", out)


@public(method=False, samples=lambda: [call([t(3), t(3)]), call([t(2, 3), t(2, 3)]), call([t(), t()])])
def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors joined along the third dimension, after `atleast_3d`.

    >>> import retrograd as rg
    >>> rg.dstack([rg.tensor([1, 2]), rg.tensor([3, 4])]).shape
    retrograd.Size([1, 2, 2])
    """
    return _cat(_as_least(tensors, "dstack", _three), 2, "dstack", out)


@public(method=False, samples=lambda: [call([t(3), t(3)]), call([t(2), t(2, 3)]), call([t(), t()])])
def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors as columns: tensors of up to one dimension become (N, 1), then all are joined along dimension 1.

    >>> import retrograd as rg
    >>> rg.column_stack([rg.tensor([1, 2]), rg.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    return _cat(
        _as_least(tensors, "column_stack", lambda s: s if len(s) > 1 else (*_one(s), 1)), 1, "column_stack", out
    )


@public(
    method=False,
    samples=lambda: [call(t(2, 3), t(1, 2)), call(t(), t(3), t(2, 2)), call(t(2, 2))],
    errors=lambda: [raises(ShapeError, r"block_diag: tensor 0 has shape \(2, 2, 2\)", t(2, 2, 2))],
)
def block_diag(*tensors: Tensor) -> Tensor:
    """The block-diagonal matrix of the tensors: matrices, rows (N,) or numbers.

    >>> import retrograd as rg
    >>> rg.block_diag(rg.tensor([[1, 2]]), rg.tensor(3))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    from .pad import pad_p

    for k, x in enumerate(tensors):
        if len(as_tensor_arg(x, "block_diag")._shape) > 2:
            raise ShapeError(f"block_diag: tensor {k} has shape {tuple(x._shape)}; at most 2 dimensions are expected")
    xs = _as_least(tensors, "block_diag", _two)
    width, at, rows = sum(x._shape[1] for x in xs), 0, []
    for x in xs:
        n = x._shape[1]
        rows.append(pad_p(x, ((0, 0), (at, width - at - n)), 0))
        at += n
    return _cat(rows, 0, "block_diag", None)
