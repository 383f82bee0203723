"""Indexing: `x[index]` and `x[index] = value` with PyTorch's rules, and `index_put`.

A normalised index is what the primitives take: a tuple of slices, None, Ellipsis and either ints (then the result is a
view) or raw arrays: integer ones, or a single bool mask. Ints next to arrays are applied first, as a view: PyTorch's
`x[0, :, [1, 2]]` has shape (n, 2) where NumPy's has (2, n).
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import backend, core
from ..core import TensorBase, as_tensor_arg, tls, wrap
from ..dtypes import bool_, int64
from ..errors import DeviceError, DtypeError, ShapeError
from ..generic import cast
from ..op import nary, param, public
from ..registry import PRIMITIVES
from ..samples import call, raises, t
from ..versions import wrote
from ..views import refuse, writable, write
from .scalars import stored
from .shape import accumulate, getitem_p, is_basic, keep_p, sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["getitem", "index_put", "index_put_p", "index_select_p", "normalize_index", "setitem", "zero_at_p"]

Index = tuple[Any, ...]
ALL = slice(None)
_GETITEM = PRIMITIVES["getitem"]

# ---------------------------------------------------------------- primitives
index_select_p: Any = param(
    "index_select",
    lambda xp, x, axis, index: xp.take(x, index, axis=axis),
    lambda g, x, o, axis, index: _select_back(g, x, (*(ALL,) * axis, index)),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="x[:, ..., index] by one raw integer array on one axis: the fast form of getitem_p.",
)


def _select_back(g: Any, shape: tuple[int, ...], index: Index) -> Any:
    from .shape import getitem_backward_p

    return getitem_backward_p(g, shape, index)


def _index_put(xp: Any, xs: Any, index: Index, add: bool) -> Any:
    x, v = xs
    out = x.copy()
    if not add:
        out[index] = v
        return out
    if x.dtype.kind == "b":  # as in PyTorch, true where any of the values is
        out, v = out.astype("int64"), v.astype("int64")
    accumulate(xp, out, index, v)
    return out != 0 if x.dtype.kind == "b" else out


def _index_put_vjp(g: Any, xs: Any, o: Any, needs: Any, index: Index, add: bool) -> Any:
    gx = (g if add else zero_at_p(g, index)) if needs[0] else None
    gv = None
    if needs[1]:
        gv = getitem_p(g, index)
        if not add and not is_basic(index):
            gv = keep_p(gv, _winners(xs[0], index), True)
        gv = sum_to(gv, xs[1])
    return gx, gv


def _winners(shape: tuple[int, ...], index: Index) -> Any:
    """Where the assigned values remain: of those for an element that is named more than once, the last one does."""
    if core.lifting is not None and core.lifting.lifted_in(index):
        return core.lifting.call_each(lambda _: _winners, (shape, index), {})
    xp = backend.xp_of(next(i for i in index if not is_basic((i,))))
    place = xp.zeros(shape, "int64")
    number = xp.arange(place[index].size).reshape(place[index].shape)
    place[index] = number
    return place[index] == number


index_put_p: Any = nary(
    "index_put",
    _index_put,
    _index_put_vjp,
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="A copy of x in which x[index] is v, or (add) has v added, repeated indices adding up.",
)


def _zero_at(xp: Any, x: Any, index: Index) -> Any:
    out = x.copy()
    out[index] = 0
    return out


zero_at_p: Any = param(
    "zero_at",
    _zero_at,
    lambda g, x, o, index: zero_at_p(g, index),
    dtypes="copy",
    holomorphic=False,
    jvp="linear",
    doc="A copy of x in which x[index] is 0.",
)


# ---------------------------------------------------------------- normalisation
def _as_tuple(index: Any) -> Index:
    if isinstance(index, tuple):
        return index
    if isinstance(index, list) and len(index) <= 32:
        for i in index:
            if i is None or i is Ellipsis or isinstance(i, (list, tuple, slice, TensorBase, np.ndarray)):
                warnings.warn(
                    "indexing with a list that holds sequences, slices or tensors is read as indexing with a tuple; "
                    "write x[tuple(index)]",
                    UserWarning,
                    stacklevel=3,
                )
                return tuple(index)
    return (index,)


def _plain(sequence: Any) -> Any:
    """A (nested) sequence with its tensors and arrays turned into lists, for NumPy."""
    if isinstance(sequence, TensorBase):
        return backend.of(sequence._data).to_numpy(sequence._data)
    if isinstance(sequence, (list, tuple)):
        return [_plain(i) if isinstance(i, (list, tuple, TensorBase)) else i for i in sequence]
    return sequence


def _array_item(item: Any, xp: Any) -> Any:
    """An index that is neither a plain int, a slice, None nor Ellipsis: an int, a bool, or an array on xp's device."""
    if isinstance(item, (bool, np.bool_)):
        return bool(item)
    if isinstance(item, TensorBase):
        a = item._data
    elif backend.is_array(item):
        a = item
    elif isinstance(item, (list, tuple, range)):
        a = np.asarray(_plain(item))
        if a.size == 0 and a.dtype.kind == "f":
            a = a.astype(np.int64)
    elif hasattr(item, "__index__"):
        return operator.index(item)
    elif isinstance(item, (str, bytes)) or not hasattr(item, "__array__"):
        raise IndexError(
            "getitem: only integers, slices (`:`), ellipsis (`...`), None and integer or bool tensors, arrays and "
            f"lists are valid indices (got {type(item).__name__})"
        )
    else:
        a = np.asarray(item)
    kind = a.dtype.kind
    if kind not in "bui":
        raise IndexError(f"getitem: tensors used as indices must be of an integer or bool dtype, got {a.dtype}")
    if a.dtype == np.uint8:
        warnings.warn("indexing with a uint8 mask is deprecated; use a bool one", UserWarning, stacklevel=4)
        a = a.astype(bool)
        kind = "b"
    if a.ndim == 0 and backend.of(a).name != "lifted":
        return bool(a) if kind == "b" else int(a)
    return to_library(a, xp)


def to_library(a: Any, xp: Any) -> Any:
    """Index array a as an array of namespace xp: CPU indices may select from a tensor on a device, not the reverse."""
    have = backend.xp_of(a)
    if have is xp or "lifted" in (backend.of(a).name, backend.by_xp(xp).name):
        return a
    if backend.of(a).device_type == "cpu":
        return backend.by_xp(xp).from_numpy(a, None)
    raise DeviceError("getitem: the index is on a CUDA device but the tensor is on the CPU; move the index with .cpu()")


def normalize_index(index: Any, shape: tuple[int, ...], xp: Any = np) -> tuple[Index | None, Index | None]:
    """The index as up to two steps: a basic one (a view, or None) and then an advanced one (arrays, or None).

    Raises IndexError naming index, dimension and size for ints out of range, for masks that do not fit the shape, and
    for too many indices.
    """
    basic_kinds = (int, slice, type(None), type(Ellipsis))
    items = [i if type(i) in basic_kinds else _array_item(i, xp) for i in _as_tuple(index)]
    arrays = [i for i in items if type(i) not in basic_kinds and type(i) is not bool]
    masks = [i for i in arrays if i.dtype.kind == "b"]
    used = sum(i.ndim if any(i is m for m in masks) else 1 for i in items if _takes_dim(i))
    if used > len(shape):
        if not shape:
            raise IndexError("getitem: a 0-d tensor has no dimension to index; use item() to get its number")
        raise IndexError(f"getitem: {used} indices are too many for a tensor with {len(shape)} dimensions ({shape})")
    lone_mask = len(masks) == 1 == len(arrays) and not any(type(i) is bool for i in items)
    first: list[Any] = []  # the basic step
    second: list[Any] = []  # the advanced step, on the result of the first
    merged: list[Any] = []  # both in one, if there is no int or bool next to arrays
    two_steps = False
    dim, filled = 0, False
    for i in items:
        if i is Ellipsis:
            if filled:
                raise IndexError("getitem: an index can have only one Ellipsis (`...`)")
            filled = True
            n = len(shape) - used
            for step in (first, second, merged):
                step.extend([ALL] * n)
            dim += n
        elif i is None:
            first.append(None)
            second.append(ALL)
            merged.append(None)
        elif i is True or i is False:  # a new dimension of size 1 or 0
            two_steps = True
            first.append(None)
            second.append(xp.zeros(1 if i else 0, "int64"))
        elif type(i) is int:
            _check_int(i, dim, shape)
            two_steps = True
            first.append(i)
            dim += 1
        elif type(i) is slice:
            first.append(i)
            second.append(ALL)
            merged.append(i)
            dim += 1
        else:
            found = [i]
            if i.dtype.kind == "b":
                _check_mask(i, dim, shape)
                found = [i] if lone_mask else list(xp.nonzero(i))
            first.extend([ALL] * (i.ndim if i.dtype.kind == "b" else 1))
            second.extend(found)
            merged.extend(found)
            dim += i.ndim if i.dtype.kind == "b" else 1
    if not arrays and not any(type(i) is bool for i in items):
        return (tuple(first) if filled else (*first, ...)), None
    if two_steps:
        return (*first, ...), tuple(second)
    return None, tuple(merged)


def _takes_dim(i: Any) -> bool:
    return i is not None and i is not Ellipsis and i is not True and i is not False


def _check_int(i: int, dim: int, shape: tuple[int, ...]) -> None:
    n = shape[dim]
    if not -n <= i < n:
        raise IndexError(f"getitem: index {i} is out of bounds for dimension {dim} with size {n} (shape {shape})")


def _check_mask(mask: Any, dim: int, shape: tuple[int, ...]) -> None:
    want = shape[dim : dim + mask.ndim]
    if tuple(mask.shape) != tuple(want):
        raise IndexError(
            f"getitem: a mask of shape {tuple(mask.shape)} does not fit dimensions {dim} to {dim + mask.ndim - 1} of "
            f"a tensor of shape {shape}, which are {tuple(want)}"
        )


def _explain(shape: tuple[int, ...], steps: tuple[Index | None, Index | None], e: IndexError) -> IndexError:
    """The error for an IndexError of the array library: it names the index, the dimension and the size."""
    first, second = steps
    if second is None:
        return e
    shape = _shape_after(shape, first)
    dim = 0
    arrays = [i for i in second if not is_basic((i,))]
    for i in second:
        if i is None:
            continue
        if is_basic((i,)):
            dim += 1
            continue
        if i.dtype.kind == "b":
            dim += i.ndim
            continue
        n = shape[dim]
        bad = i[(i < -n) | (i >= n)]
        if bad.size:
            return IndexError(
                f"getitem: index {int(bad.reshape(-1)[0])} is out of bounds for dimension {dim} with size {n} "
                f"(tensor of shape {shape})"
            )
        dim += 1
    given = " and ".join(str(tuple(i.shape)) for i in arrays)
    return IndexError(f"getitem: shape mismatch: index arrays of shapes {given} do not broadcast")


def _shape_after(shape: tuple[int, ...], first: Index | None) -> tuple[int, ...]:
    return shape if first is None else np.broadcast_to(np.int8(0), shape)[first].shape


# ---------------------------------------------------------------- x[index]
def getitem(input: Tensor, index: Any) -> Tensor:
    """`input[index]`, for ints, slices (with negative steps too), None, Ellipsis, masks, and integer tensors or lists.

    Without arrays the result is a view. Arrays broadcast against each other and select copies; their dimensions stay in
    place when they are neighbours, else they come first. Raises IndexError naming index, dimension and size.

    >>> import retrograd as rg
    >>> x = rg.arange(6).reshape(2, 3)
    >>> x[:, ::-1][0], x[x > 3], x[[0, 1], [2, 0]]
    (tensor([2, 1, 0]), tensor([4, 5]), tensor([2, 3]))
    """
    kind = type(index)
    try:
        if kind is int:
            return getitem_p(input, (index, ...))
        if kind is slice:
            return getitem_p(input, (index,))
        if kind is tuple and is_basic(index):
            return getitem_p(input, index if Ellipsis in index else (*index, ...))
        if isinstance(index, TensorBase) and type(index._data) is type(input._data) and index._shape and input._shape:
            if index._dtype is int64:
                return index_select_p(input, 0, index._data)
            if index._dtype is bool_ and index._shape == input._shape[: len(index._shape)]:
                return getitem_p(input, (index._data,))
    except IndexError:
        pass  # said better below
    shape = tuple(input._shape)
    first, second = steps = normalize_index(index, shape, backend.xp_of(input._data))
    try:
        x = input if first is None else getitem_p(input, first)
        if second is None:
            return x
        last = second[-1]
        if last.__class__ is not slice and last is not None and last.dtype.kind != "b":
            if all(i.__class__ is slice and i == ALL for i in second[:-1]):
                return index_select_p(x, len(second) - 1, last)
        return getitem_p(x, second)
    except IndexError as e:
        raise _explain(shape, steps, e) from None


# ---------------------------------------------------------------- x[index] = value
def _value(value: Any, x: Any, op: str = "setitem") -> Any:
    """The value to be written as a tensor on x's device; its dtype is converted by the write."""
    if not isinstance(value, TensorBase):
        if isinstance(value, (bool, int, float, complex)):
            d = x._dtype
            if op == "setitem" and isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
                raise ValueError(f"setitem: overflow, {value} has more than 64 bits; write a tensor of its dtype")
            return wrap(backend.xp_of(x._data).asarray(stored(value, d, op, exact=op != "setitem"), dtype=d.np))
        if isinstance(value, (list, tuple)):
            value = wrap(np.asarray(_plain(value)))
        else:
            value = as_tensor_arg(value, "setitem")
    if backend.xp_of(value._data) is not backend.xp_of(x._data):
        from .cast import to_backend_p

        value = to_backend_p(value, backend.of(x._data))
    return value


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """`input[index] = value`: the value (tensor, array, list, number) is converted, and broadcast to the part selected.

    Gradients flow to the value and to what remains of the old tensor. Where integer arrays name an element more than
    once, the last value counts.

    >>> import retrograd as rg
    >>> x = rg.zeros(2, 3)
    >>> x[:, 1] = rg.tensor([1.0, 2.0])
    >>> x
    tensor([[0., 1., 0.],
            [0., 2., 0.]])
    """
    v = _value(value, input)
    kind = type(index)
    steps: tuple[Index | None, Index | None]
    if kind is int or kind is slice:
        steps = (index,), None
    elif kind is tuple and is_basic(index):
        steps = index, None
    else:
        steps = normalize_index(index, tuple(input._shape), backend.xp_of(input._data))
    first, second = steps
    if second is None:
        assert first is not None
        try:
            write(input, v, ((_GETITEM, (first if Ellipsis in first else (*first, ...),)),), "setitem")
        except IndexError as e:
            normalize_index(index, tuple(input._shape), backend.xp_of(input._data))  # raises, and says it better
            raise e
        return
    try:
        _set_arrays(input, first, second, v)
    except IndexError as e:
        raise _explain(tuple(input._shape), steps, e) from None
    except ValueError as e:
        if isinstance(e, ShapeError):
            raise
        part = getitem(input.detach(), index)._shape
        raise ShapeError(
            f"setitem: a value of shape {tuple(v._shape)} does not broadcast to the part selected, {tuple(part)}"
        ) from None


def _set_arrays(x: Any, first: Index | None, second: Index, v: Any) -> None:
    """Assignment through integer arrays or a mask."""
    root = getattr(x, "_base", None)
    root = x if root is None else root
    mode = tls.state.grad
    mask = _whole_mask(second, x, first) if v._shape == () else None
    if mode is False or (mode is True and v._node is None and root._node is None):
        refuse(x, "setitem")
        target = writable(x._data if first is None else x._data[first], "setitem")
        if mask is not None:  # no count of elements is needed, so a device is not waited for
            backend.xp_of(target).copyto(target, v._data.astype(target.dtype), where=mask)
        else:
            target[second] = v._data
        wrote(target)
        return
    refuse(x, "setitem")
    part = x if first is None else getitem_p(x, first)
    v = cast(v, x._dtype)
    if mask is not None:
        from .where import where_p

        write(part, where_p((v, part), mask), (), "setitem")
    else:
        write(part, index_put_p((part, v), second, False), (), "setitem")


def _whole_mask(second: Index, x: Any, first: Index | None) -> Any:
    """The mask, if it alone is the index, as an array that broadcasts to the target."""
    if first is not None or len(second) != 1 or second[0].dtype.kind != "b":
        return None
    mask = second[0]
    return mask.reshape(mask.shape + (1,) * (len(x._shape) - mask.ndim))


# ---------------------------------------------------------------- index_put
@public(
    inplace=True,
    samples=lambda: [
        call(t(4, 3), (t(2, dtype="int64", values=[0, 3]),), t(2, 3)),
        call(t(4, 3), (t(3, dtype="int64", values=[0, 3, 1]), t(3, dtype="int64", values=[0, 1, 2])), t(3)),
        call(t(4, 3), (t(3, dtype="int64", values=[0, 3, 0]),), t(3), accumulate=True),
        call(t(4), (t(4, dtype="bool", values=[True, False, True, False]),), t()),
    ],
    errors=lambda: [
        raises(
            IndexError, r"index 4 is out of bounds for dimension 0 with size 4", t(4),
            (t(1, dtype="int64", values=[4]),), t(),
        ),
        raises(TypeError, r"indices must be a tuple", t(4), t(1, dtype="int64", values=[0]), t()),
        raises(ShapeError, r"values of shape \(3,\)", t(4), (t(2, dtype="int64", values=[0, 1]),), t(3)),
    ],
)  # fmt: skip
def index_put(input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False) -> Tensor:
    """A copy of `input` in which `input[indices]` is `values`, or has them added with accumulate=True.

    With accumulate, elements named more than once receive all their values; without it, the last one.

    >>> import retrograd as rg
    >>> rg.index_put(rg.zeros(3), (rg.tensor([0, 0, 2]),), rg.tensor([1.0, 2.0, 3.0]), accumulate=True)
    tensor([3., 0., 3.])
    """
    x, v = as_tensor_arg(input, "index_put"), as_tensor_arg(values, "index_put")
    if not isinstance(indices, (tuple, list)):
        raise TypeError(f"index_put: indices must be a tuple of tensors, got {type(indices).__name__}; write (index,)")
    if v._dtype is not x._dtype:
        raise dtype_error(x, v, "index_put", "values")
    index = tuple(ALL if i is None else _at_least_1d(i) for i in indices)
    steps = normalize_index(index, tuple(x._shape), backend.xp_of(x._data))
    try:
        return index_put_p((x, v), steps[1] or steps[0], bool(accumulate))
    except IndexError as e:
        raise _explain(tuple(x._shape), steps, e) from None
    except ValueError as e:
        part = getitem(x.detach(), index)._shape
        raise ShapeError(
            f"index_put: values of shape {tuple(v._shape)} do not broadcast to the part selected, {tuple(part)}"
        ) from e


def _at_least_1d(i: Any) -> Any:
    """A 0-d index as an array: it shall not become a step of its own."""
    a = i._data if isinstance(i, TensorBase) else i
    return wrap(a.reshape(1)) if getattr(a, "ndim", 1) == 0 else i


def dtype_error(x: Any, y: Any, op: str, name: str) -> DtypeError:
    """The error for an operand whose dtype must be the input's."""
    return DtypeError(
        f"{op}: {name} is {core.describe(y)} but input is {core.describe(x)}; the same dtype is expected, "
        f"write {name}.to(input.dtype)"
    )
