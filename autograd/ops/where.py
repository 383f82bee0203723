"""Choosing by a condition: where, masked_fill, masked_select, masked_scatter, nonzero, argwhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from .. import backend, dtypes
from ..core import TensorBase, as_tensor_arg, wrap
from ..dtypes import SCALAR, bool_, result_type
from ..errors import DtypeError, ShapeError
from ..op import nary, param, public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from .args import into, same_library
from .index import dtype_error, index_put_p
from .parts import broadcast
from .scalars import stored
from .shape import expand_p, getitem_p, keep_p, reshape_p, sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "argwhere", "masked_fill", "masked_fill_p", "masked_scatter", "masked_select", "nonzero", "where",
    "where_p",
]  # fmt: skip

_MASK = [[True, False, True], [False, False, True]]


# ---------------------------------------------------------------- primitives
def _where_vjp(g: Any, xs: Any, o: Any, needs: Any, mask: Any) -> Any:
    return [sum_to(keep_p(g, mask, k == 0), xs[k]) if needs[k] else None for k in (0, 1)]


where_p: Any = nary(
    "where",
    lambda xp, xs, mask: xp.where(mask, xs[0], xs[1]),
    _where_vjp,
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="xs[0] where the raw bool array mask is true, else xs[1].",
)

masked_fill_p: Any = param(
    "masked_fill",
    lambda xp, x, mask, value: xp.where(mask, xp.asarray(value, dtype=x.dtype), x),
    lambda g, x, o, mask, value: sum_to(keep_p(g, mask, False), x),
    dtypes="copy",
    holomorphic=False,
    jvp=lambda ts, xs, o, mask, value: keep_p(ts[0], mask, False),
    doc="A Python number where the raw bool array mask is true, else x.",
)


def mask_arg(mask: Any, x: Any, op: str, name: str = "mask") -> Any:
    """A mask as a raw bool array on the device of tensor x (or of the mask itself for x = None)."""
    m = as_tensor_arg(mask, op)
    if m._dtype is not bool_:
        raise DtypeError(
            f"{op}: {name} must be a bool tensor, got {m._dtype.name}; write {name} != 0, or {name}.bool()"
        )
    return m._data if x is None else same_library(m._data, backend.xp_of(x._data), op, name)


# ---------------------------------------------------------------- where
@overload
def where(condition: Tensor) -> tuple[Tensor, ...]: ...
@overload
def where(condition: Tensor, input: Any, other: Any, *, out: Tensor | None = None) -> Tensor: ...
@public(
    method=False,
    samples=lambda: [
        call(t(2, 3, dtype="bool", values=_MASK), t(2, 3), t(2, 3)),
        call(t(2, 3, dtype="bool", values=_MASK), t(3), t(2, 1)),
        call(t(2, 3, dtype="bool", values=_MASK), t(2, 3), 0.5), call(t(2, 3, dtype="bool", values=_MASK), 2, t(2, 3)),
        call(t(2, 3, dtype="bool", values=_MASK), 1.0, 0.0), call(t(2, 3, dtype="bool", values=_MASK), 1, 0),
        call(t(3, dtype="bool", values=_MASK[0]), t(2, 3), t()), call(t(dtype="bool", values=True), t(), t()),
        call(t(2, 3, dtype="bool", values=_MASK)), call(t(0, dtype="bool"), t(0), t(1)),
        call(t(3, dtype="bool", values=_MASK[0]), t(3), t(3, dtype="int64", low=0, high=9, grad=False)),
    ],
    errors=lambda: [
        raises(DtypeError, r"where: condition must be a bool tensor, got float", t(3), t(3), t(3)),
        raises(ShapeError, r"where: \(2,\) and \(3,\) and \(\) do not broadcast", t(2, dtype="bool"), t(3), 1.0),
        raises(TypeError, r"both input and other", t(2, dtype="bool"), t(2)),
    ],
)  # fmt: skip
def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """`input` where `condition` is true, else `other`; all three broadcast. Alone, the condition's true places.

    input and other are tensors or numbers; dtypes are promoted. Alone: `nonzero(condition, as_tuple=True)`.
    Raises DtypeError if condition is not bool.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, -2.0])
    >>> rg.where(x > 0, x, 0.0)
    tensor([1., 0.])
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where: give both input and other, or neither for the places where the condition is true")
    tensors = [v for v in (input, other) if isinstance(v, TensorBase)]
    try:
        if tensors:
            mask = mask_arg(condition, tensors[0], "where", "condition")
            r = where_p((input, other), mask)
        else:
            mask = mask_arg(condition, None, "where", "condition")
            xp = backend.xp_of(mask)
            d = result_type(*[(dtypes.of_scalar(v), SCALAR) for v in (input, other)]).np
            r = where_p([wrap(xp.asarray(v, dtype=d)) for v in (input, other)], mask)
    except ValueError:
        shapes = [tuple(getattr(v, "shape", ())) for v in (condition, input, other)]
        broadcast("where", *shapes)  # raises, and says which dimension does not fit
        raise
    return r if out is None else into(out, r, "where")


@public(
    name="where",
    where="Tensor",
    samples=lambda: [
        call(t(2, 3), t(2, 3, dtype="bool", values=_MASK), t(2, 3)),
        call(t(2, 3), t(2, 3, dtype="bool", values=_MASK), 0.5),
    ],
)
def where_method(input: Tensor, condition: Tensor, other: Any) -> Tensor:
    """`x.where(condition, other)`: x where the condition is true, else other.

    >>> import retrograd as rg
    >>> x = rg.tensor([1.0, -2.0])
    >>> x.where(x > 0, 0.0)
    tensor([1., 0.])
    """
    return where(condition, input, other)


# ---------------------------------------------------------------- masked_fill, masked_select, masked_scatter
@public(
    inplace=True,
    samples=lambda: [
        call(t(2, 3), t(2, 3, dtype="bool", values=_MASK), 0.5), call(t(2, 3), t(3, dtype="bool", values=_MASK[0]), -1),
        call(t(3), t(2, 3, dtype="bool", values=_MASK), 2.0), call(t(2, 3), t(2, 3, dtype="bool", values=_MASK), t()),
        call(t(2, 3, grad=False), t(2, 3, dtype="bool", values=_MASK), float("-inf")),
        call(t(), t(dtype="bool", values=True), 1.0),
    ],
    errors=lambda: [
        raises(DtypeError, r"mask must be a bool tensor", t(3), t(3), 1.0),
        raises(ShapeError, r"masked_fill: \(3,\) and \(2,\) do not broadcast", t(3), t(2, dtype="bool"), 1.0),
        raises(ShapeError, r"value must be a number or a 0-d tensor", t(2), t(2, dtype="bool"), t(2)),
        raises(RuntimeError, r"300.* int8 ", t(2, dtype="int8", low=0, high=5), t(2, dtype="bool"), 300),
    ],
)  # fmt: skip
def masked_fill(input: Tensor, mask: Tensor, value: float | Tensor) -> Tensor:
    """`value` (a number or 0-d tensor) where the bool mask is true, else `input`; both broadcast.

    >>> import retrograd as rg
    >>> rg.masked_fill(rg.zeros(3), rg.tensor([True, False, True]), 1.0)
    tensor([1., 0., 1.])
    """
    x = as_tensor_arg(input, "masked_fill")
    m = mask_arg(mask, x, "masked_fill")
    try:
        if isinstance(value, TensorBase):
            if value._shape != ():
                raise ShapeError(
                    f"masked_fill: value must be a number or a 0-d tensor, got shape {tuple(value._shape)}"
                )
            if not dtypes.can_cast(value._dtype, x._dtype):
                raise _cannot_hold(x, value._dtype.name)
            from ..generic import cast

            return where_p((cast(value, x._dtype), x), m)
        return masked_fill_p(x, m, stored(value, x._dtype, "masked_fill", exact=True))
    except ValueError as e:
        if not isinstance(e, ShapeError):
            broadcast("masked_fill", tuple(x._shape), tuple(m.shape))
        raise


def _cannot_hold(x: Tensor, what: str) -> DtypeError:
    return DtypeError(f"masked_fill: a tensor of {x._dtype.name} cannot hold {what}; convert the tensor first")


@public(
    samples=lambda: [
        call(t(2, 3), t(2, 3, dtype="bool", values=_MASK)), call(t(3), t(2, 3, dtype="bool", values=_MASK)),
        call(t(2, 3), t(3, dtype="bool", values=_MASK[0])), call(t(), t(dtype="bool", values=True)),
    ],
    errors=lambda: [raises(DtypeError, r"mask must be a bool tensor", t(3), t(3))],
)  # fmt: skip
def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements of `input` where the mask is true, in one dimension; both broadcast.

    >>> import retrograd as rg
    >>> rg.masked_select(rg.tensor([1, 2, 3]), rg.tensor([True, False, True]))
    tensor([1, 3])
    """
    x = as_tensor_arg(input, "masked_select")
    m = mask_arg(mask, x, "masked_select")
    if m.shape != x._shape:
        shape = broadcast("masked_select", tuple(x._shape), tuple(m.shape))
        x, m = expand_p(x, shape), backend.xp_of(m).broadcast_to(m, shape)
    if not m.ndim:
        x, m = reshape_p(x, (1,)), m.reshape(1)
    r = getitem_p(x, (m,))
    return r if out is None else into(out, r, "masked_select")


@public(
    inplace=True,
    samples=lambda: [
        call(t(2, 3), t(2, 3, dtype="bool", values=_MASK), t(4)),
        call(t(3), t(2, 3, dtype="bool", values=_MASK), t(2, 2)),
        call(t(2, 3), t(3, dtype="bool", values=_MASK[0]), t(2, 3)),
    ],
    errors=lambda: [
        raises(
            ShapeError, r"the mask has 3 true elements but source only 2", t(2, 3), t(2, 3, dtype="bool", values=_MASK),
            t(2),
        ),
    ],
)  # fmt: skip
@sample_by_sample
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """The elements of `source`, in order, put where the mask is true; else `input`. input and mask broadcast.

    >>> import retrograd as rg
    >>> rg.masked_scatter(rg.zeros(3), rg.tensor([True, False, True]), rg.tensor([1.0, 2.0]))
    tensor([1., 0., 2.])
    """
    x, s = as_tensor_arg(input, "masked_scatter"), as_tensor_arg(source, "masked_scatter")
    if x._dtype is not s._dtype:
        raise dtype_error(x, s, "masked_scatter", "source")
    m = mask_arg(mask, x, "masked_scatter")
    if m.shape != x._shape:
        shape = broadcast("masked_scatter", tuple(x._shape), tuple(m.shape))
        x, m = expand_p(x, shape), backend.xp_of(m).broadcast_to(m, shape)
    shape = tuple(x._shape)
    if not shape:
        x, m = reshape_p(x, (1,)), m.reshape(1)
    n, have = int(m.sum()), s._data.size
    if n > have:
        raise ShapeError(f"masked_scatter: the mask has {n} true elements but source only {have}; give as many")
    s = getitem_p(reshape_p(s, (have,)), (slice(n),))
    return reshape_p(index_put_p((x, s), (m,), False), shape)


# ---------------------------------------------------------------- nonzero
@public(
    differentiable=False,
    samples=lambda: [
        call(t(2, 3, dtype="bool", values=_MASK)),
        call(t(2, 3, dtype="int64", values=[[0, 1, 0], [2, 0, 3]]), as_tuple=True),
        call(t(values=1.0, grad=False)), call(t(0)), call(t(4, values=[0.0, 1.0, 0.0, -2.0], grad=False)),
    ],
)  # fmt: skip
def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False) -> Any:
    """The places of the nonzero elements (int64): an (n, ndim) tensor, or with as_tuple a tuple of ndim tensors (n,).

    >>> import retrograd as rg
    >>> rg.nonzero(rg.tensor([0, 5, 7]))
    tensor([[1],
            [2]])
    """
    x = as_tensor_arg(input, "nonzero")
    xp = backend.xp_of(x._data)
    if as_tuple:
        return tuple(wrap(a) for a in xp.nonzero(x._data if x._shape else x._data.reshape(1)))
    r = wrap(_places(xp, x))
    return r if out is None else into(out, r, "nonzero")


def _places(xp: Any, x: Any) -> Any:
    if not x._shape:  # (1, 0) or (0, 0): there is no dimension to number
        return xp.zeros((int(bool(x._data)), 0), "int64")
    return xp.ascontiguousarray(xp.stack(xp.nonzero(x._data), axis=1)).astype("int64", copy=False)


@public(
    differentiable=False, samples=lambda: [call(t(2, 3, dtype="bool", values=_MASK)), call(t(values=1.0, grad=False))]
)
def argwhere(input: Tensor) -> Tensor:
    """The places of the nonzero elements, an (n, ndim) tensor of int64: the same as `nonzero(input)`.

    >>> import retrograd as rg
    >>> rg.argwhere(rg.tensor([[0, 5], [7, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    return nonzero(input)
