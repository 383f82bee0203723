"""New tensors from data (tensor, as_tensor, from_numpy, asarray) and of one value (zeros, ones, full, *_like)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import backend
from ..core import TensorBase, as_tensor_arg, wrap
from ..device import as_device
from ..dtypes import as_dtype, get_default_dtype, of, of_scalar
from ..errors import DtypeError, ShapeError
from ..layouts import layout as Layout
from ..layouts import strided
from ..op import public
from ..samples import D, call, raises, t
from .args import into, shape_arg
from .cast import cast_p, to_device
from .nested import NUMBERS, from_list
from .scalars import as_number, stored, stored_all

if TYPE_CHECKING:
    from ..device import device as Device
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = [
    "as_tensor", "asarray", "empty", "empty_like", "from_numpy", "full", "full_like", "legacy_tensor", "ones",
    "ones_like", "place", "tensor", "zeros", "zeros_like",
]  # fmt: skip


# ---------------------------------------------------------------- arguments that all of them share
def place(
    op: str, dtype: Any, device: Any, layout: Any = None, memory_format: Any = None, default: Any = None
) -> tuple[Any, Any]:
    """(dtype, array namespace) for a new tensor; what tensors here cannot be is refused."""
    if layout is not None and not str(layout).endswith("strided"):
        raise NotImplementedError(f"{op}: layout {layout} is not supported; tensors are strided")
    if memory_format is not None and not str(memory_format).endswith(("contiguous_format", "preserve_format")):
        raise NotImplementedError(
            f"{op}: memory_format {memory_format} is not supported; leave it away, tensors are made contiguous"
        )
    d = (default or get_default_dtype()) if dtype is None else as_dtype(dtype, op)
    return d, backend.xp_for(as_device(device))


def is_sparse(layout: Any) -> bool:
    """Whether a layout is one of the sparse ones."""
    return layout is not None and layout is not strided and isinstance(layout, Layout)


def _without_elements(shape: tuple[int, ...], dtype: Any, layout: Any, device: Any, requires_grad: bool) -> Tensor:
    """Zeros as a sparse tensor."""
    from ..sparse.build import sparse_coo_tensor

    x = sparse_coo_tensor(shape, dtype=dtype, device=device).to_sparse(layout=layout)
    return x.requires_grad_() if requires_grad else x


def finish(op: str, a: Any, device: Any, requires_grad: bool, out: Any = None) -> Tensor:
    """The tensor over a new array, on its device, a leaf if it shall require grad."""
    r = wrap(a)
    if device is not None and as_device(device).index is not None:
        r = to_device(r, device)
    r = into(out, r, op)
    return r.requires_grad_() if requires_grad else r


def sizes(given: Any, named: Any, op: str) -> tuple[int, ...]:
    """The shape written as `*size` or `size=`, without negative sizes."""
    if named is not None:
        if given:
            raise TypeError(f"{op}: the size was given both by position and as size=; give it once")
        given = (named,)
    elif not given:
        raise TypeError(f"{op}: a size is expected, such as {op}(2, 3), or {op}(()) for a 0-d tensor")
    shape = shape_arg(given, op)
    if any(n < 0 for n in shape):
        raise ShapeError(f"{op}: sizes must not be negative, got {shape}")
    return shape


# ---------------------------------------------------------------- from data
def _array(data: Any, d: Any, op: str) -> Any:
    """A new array with the values of data, of dtype d (None: inferred as PyTorch does)."""
    if isinstance(data, TensorBase):
        return cast_p(data._data, d).copy() if d is not None and d is not data._dtype else data._data.copy()
    if type(data) in NUMBERS:
        d = of_scalar(data) if d is None else d
        try:
            return np.asarray(data, dtype=d.np)
        except (OverflowError, ValueError):  # ValueError: NaN as an integer
            return stored_all(data, d, op)
    if isinstance(data, (list, tuple)):
        return from_list(data, d, op)
    if backend.is_array(data):
        a = np.array(data, order="C") if isinstance(data, (np.ndarray, np.generic)) else data.copy()
    elif isinstance(data, (str, bytes)):
        raise TypeError(f"{op}: data of type {type(data).__name__} is not a number; map strings to numbers first")
    elif hasattr(data, "__array__") or hasattr(data, "__array_interface__"):
        a = np.array(np.asarray(data), order="C")
    elif hasattr(data, "__dlpack__"):
        a = np.array(np.from_dlpack(data))
    elif hasattr(data, "__len__") and hasattr(data, "__getitem__") and not isinstance(data, dict):
        return from_list(list(data), d, op)
    elif isinstance(data, (bool, int, float, complex)):
        return _array(as_number(data), d, op)  # an enumeration, or another subclass
    else:
        raise DtypeError(
            f"{op}: cannot infer the dtype of data of type {type(data).__name__}; give numbers, lists or arrays"
        )
    if isinstance(a, np.ndarray) and not a.dtype.isnative:
        a = a.astype(a.dtype.newbyteorder("="))
    source = of(a.dtype)  # refuses what a tensor cannot hold
    return a if d is None or d is source else cast_p(a, d)


def _onto(a: Any, device: Any, data: Any) -> Tensor:
    """Array a as a tensor on a device: None is the device of the data if that is a tensor, else the default one."""
    if device is None and (isinstance(data, TensorBase) or not isinstance(a, np.ndarray)):
        return wrap(a)
    return to_device(wrap(a), as_device(device))


@public(
    method=False,
    samples=lambda: [
        call([[1.0, 2.0], [3.0, 4.0]]), call([1, 2]), call([True, False]), call([1, 2.5, True]), call(3), call(2.5),
        call(1j),
        call([]), call([[], []]), call([1.5], dtype=D("int64")), call([1, 2], dtype=D("float64")), call(range(3)),
        call([1, 2j]), call(True), call(((1, 2), (3, 4))),
    ],
    errors=lambda: [
        raises(ShapeError, r"expected sequence of length 1 at dim 1 \(got 2\)", [[1], [1, 2]]),
        raises(TypeError, r"data of type str", "a"),
        raises(DtypeError, r"data of type NoneType", None),
        raises(DtypeError, r"data of type NoneType", [1, None]),
        raises(ValueError, r"overflow", 2**70),
        raises(RuntimeError, r"floating", [1, 2], requires_grad=True),
    ],
    differentiable=False,
)  # fmt: skip
def tensor(
    data: Any, *, dtype: Dtype | None = None, device: Device | str | int | None = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A new tensor with a copy of data: a number, nested lists, an array, a tensor, or lists of arrays and tensors.

    Without dtype, Python floats become the default dtype, ints int64; arrays, NumPy scalars and tensors keep theirs; a
    mixture is promoted. No gradient flows from tensors in data (`rg.stack` keeps it). pin_memory has no effect.

    >>> import retrograd as rg
    >>> rg.tensor([[1, 2], [3, 4.5]])
    tensor([[1.0000, 2.0000],
            [3.0000, 4.5000]])
    """
    a = _array(data, None if dtype is None else as_dtype(dtype, "tensor"), "tensor")
    r = _onto(a, device, data)
    return r.requires_grad_() if requires_grad else r


@public(
    method=False,
    samples=lambda: [call([1.0, 2.0]), call(t(3)), call(t(3), dtype=D("float64")), call([1, 2], dtype=D("float32"))],
)
def as_tensor(data: Any, dtype: Dtype | None = None, device: Device | str | int | None = None) -> Tensor:
    """data as a tensor, without copying where possible: a tensor itself (with its graph), a NumPy array shared.

    >>> import numpy as np, retrograd as rg
    >>> a = np.zeros(2)
    >>> x = rg.as_tensor(a); a[0] = 1.0; x
    tensor([1., 0.], dtype=retrograd.float64)
    """
    if isinstance(data, TensorBase):
        x: Any = data
        if dtype is not None:
            x = cast_p(x, as_dtype(dtype, "as_tensor"))
        return x if device is None else to_device(x, as_device(device))
    if backend.is_array(data) and not isinstance(data, np.generic):
        a = np.asarray(data) if isinstance(data, np.ndarray) else data
        if of(a.dtype) is not None and (dtype is None or as_dtype(dtype, "as_tensor") is of(a.dtype)):
            return _onto(a, device, data)
    return tensor(data, dtype=dtype, device=device)


@public(method=False)
def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor over a NumPy array that shares its memory: writes into one are seen in the other.

    Raises TypeError for anything else and for dtypes that a tensor cannot hold.

    >>> import numpy as np, retrograd as rg
    >>> a = np.zeros(2, dtype="float32")
    >>> x = rg.from_numpy(a); a[0] = 1.0; x
    tensor([1., 0.])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(
            f"from_numpy: expected np.ndarray (got {type(ndarray).__name__}); rg.tensor takes anything else"
        )
    return wrap(np.asarray(ndarray))


@public(method=False)
def asarray(
    obj: Any, *, dtype: Dtype | None = None, device: Device | str | int | None = None, copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """obj (tensor, array, number, nested lists) as a tensor: shared if possible, or always or never copied (copy).

    Unless requires_grad, a tensor that is copied or converted keeps its graph. ValueError if copy=False fails.

    >>> import retrograd as rg
    >>> rg.asarray([1, 2], dtype=rg.float32)
    tensor([1., 2.])
    """
    x = as_tensor(obj, dtype, device)
    shared = x is obj or (backend.is_array(obj) and (x._data is obj or np.may_share_memory(x._data, obj)))
    if copy is False and not shared:
        raise ValueError("asarray: obj cannot be shared with this type, dtype and device, which copy=False demands")
    if copy and shared:
        x = x.clone()
    if requires_grad and not x.requires_grad:
        x = (x.detach() if x is obj else x).requires_grad_()
    return x


def legacy_tensor(args: tuple[Any, ...], device: Any, d: Any = None) -> Tensor:
    """What `rg.Tensor(*args)` makes: no values for sizes, else the data in dtype d; a tensor of it is shared."""
    own = d is not None
    d = d if own else get_default_dtype()
    data = args[0] if len(args) == 1 else 0
    if isinstance(data, TensorBase):
        if own and data._dtype is not d:
            raise DtypeError(f"Tensor: a {data._dtype.name} tensor is not one of {d.name}; convert it with .to(...)")
        return wrap(data._data)
    if isinstance(data, (float, complex)):
        raise TypeError(f"Tensor: sizes or a sequence of values are expected, got {data!r}; use retrograd.tensor()")
    if backend.is_array(data) or not (hasattr(data, "__index__") or type(data).__name__ == "Size"):
        return tensor(data, dtype=d, device=device)
    return empty(shape_arg(args or (0,), "Tensor"), dtype=d, device=device)


# ---------------------------------------------------------------- of one value
@public(
    method=False,
    differentiable=False,
    samples=lambda: [
        call(2, 3),
        call((2, 3)),
        call(()),
        call(0, 2),
        call(2, dtype=D("int64")),
        call([2]),
        call(size=(2,)),
    ],
    errors=lambda: [
        raises(ShapeError, r"zeros: sizes must not be negative, got \(-1,\)", -1),
        raises(TypeError, r"every size must be an int", 2.5),
        raises(TypeError, r"a size is expected"),
        raises(NotImplementedError, r"layout", 2, layout="sparse_coo"),
    ],
)
def zeros(
    *given: int | Sequence[int], size: Sequence[int] | None = None, out: Tensor | None = None,
    dtype: Dtype | None = None, layout: Any = None, device: Device | str | int | None = None, pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of zeros: `zeros(2, 3)` or `zeros((2, 3))`.

    >>> import retrograd as rg
    >>> rg.zeros(2, 2)
    tensor([[0., 0.],
            [0., 0.]])
    """
    shape = sizes(given, size, "zeros")
    if is_sparse(layout):
        return _without_elements(shape, dtype, layout, device, requires_grad)
    d, xp = place("zeros", dtype, device, layout, default=None if out is None else out._dtype)
    return finish("zeros", xp.zeros(shape, d.np), device, requires_grad, out)


@public(
    method=False,
    differentiable=False,
    samples=lambda: [call(2, 3), call((2, 3)), call(()), call(2, dtype=D("bool"))],
    errors=lambda: [raises(ShapeError, r"ones: sizes must not be negative", 2, -1)],
)
def ones(
    *given: int | Sequence[int], size: Sequence[int] | None = None, out: Tensor | None = None,
    dtype: Dtype | None = None, layout: Any = None, device: Device | str | int | None = None, pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of ones: `ones(2, 3)` or `ones((2, 3))`.

    >>> import retrograd as rg
    >>> rg.ones(2, dtype=rg.int64)
    tensor([1, 1])
    """
    shape = sizes(given, size, "ones")
    d, xp = place("ones", dtype, device, layout, default=None if out is None else out._dtype)
    return finish("ones", xp.ones(shape, d.np), device, requires_grad, out)


@public(method=False, differentiable=False)
def empty(
    *given: int | Sequence[int], size: Sequence[int] | None = None, out: Tensor | None = None,
    dtype: Dtype | None = None, layout: Any = None, device: Device | str | int | None = None, pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor whose values are not set: whatever the memory held.

    >>> import retrograd as rg
    >>> rg.empty(2, 3).shape
    retrograd.Size([2, 3])
    """
    shape = sizes(given, size, "empty")
    if is_sparse(layout):
        return _without_elements(shape, dtype, layout, device, requires_grad)
    d, xp = place("empty", dtype, device, layout, memory_format, None if out is None else out._dtype)
    return finish("empty", xp.empty(shape, d.np), device, requires_grad, out)


def _fill(value: Any, op: str) -> Any:
    """A fill value as a Python number."""
    value = value._data if isinstance(value, TensorBase) else value
    if backend.is_array(value):
        if value.shape != ():
            raise ShapeError(f"{op}: fill_value must be a number or a 0-d tensor, got shape {tuple(value.shape)}")
        return value.item()
    if not isinstance(value, (bool, int, float, complex)):
        raise TypeError(f"{op}: fill_value must be a number, got {type(value).__name__}")
    return value


@public(
    method=False,
    differentiable=False,
    samples=lambda: [
        call((2, 3), 1.5), call((2,), 3), call((2,), True), call((), 1j), call((2,), 3, dtype=D("float64")),
        call([2, 0], 1.0),
        call(size=(2,), fill_value=2.0),
    ],
    errors=lambda: [
        raises(ShapeError, r"full: sizes must not be negative", (-1,), 1.0),
        raises(TypeError, r"fill_value must be a number, got str", (2,), "a"),
    ],
)  # fmt: skip
def full(
    size: Sequence[int], fill_value: float | Tensor, *, out: Tensor | None = None, dtype: Dtype | None = None,
    layout: Any = None, device: Device | str | int | None = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor filled with one number, whose type decides the dtype: bool, int (int64), float (default dtype), complex.

    >>> import retrograd as rg
    >>> rg.full((2, 2), 7)
    tensor([[7, 7],
            [7, 7]])
    """
    v = _fill(fill_value, "full")
    shape = sizes((size,), None, "full")
    d, xp = place("full", dtype, device, layout, default=of_scalar(v) if out is None else out._dtype)
    return finish("full", xp.full(shape, stored(v, d, "full"), d.np), device, requires_grad, out)


# ---------------------------------------------------------------- like another tensor
def _like(
    op: str, make: str, input: Any, dtype: Any, layout: Any, device: Any, grad: bool, memory_format: Any
) -> Tensor:
    x = as_tensor_arg(input, op)
    if is_sparse(x.layout if layout is None else layout) and op != "ones_like":
        return _without_elements(x._shape, dtype or x._dtype, layout or x.layout, device or x.device, grad)
    d, xp = place(op, dtype or x._dtype, device or x.device, layout, memory_format)
    same = xp is backend.xp_of(x._data)
    a = getattr(xp, make + "_like")(x._data, dtype=d.np) if same else getattr(xp, make)(x._shape, d.np)
    return finish(op, a, device, grad)


@public(
    method=False,
    differentiable=False,
    samples=lambda: [call(t(2, 3)), call(t(2), dtype=D("int64")), call(t())],
    errors=lambda: [raises(TypeError, r"zeros_like: a Tensor is expected", [1.0])],
)
def zeros_like(
    input: Tensor, *, dtype: Dtype | None = None, layout: Any = None, device: Device | str | int | None = None,
    requires_grad: bool = False, memory_format: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros of the shape, dtype and device of `input`.

    >>> import retrograd as rg
    >>> rg.zeros_like(rg.tensor([1, 2]))
    tensor([0, 0])
    """
    return _like("zeros_like", "zeros", input, dtype, layout, device, requires_grad, memory_format)


@public(method=False, differentiable=False, samples=lambda: [call(t(2, 3)), call(t(2), dtype=D("int64"))])
def ones_like(
    input: Tensor, *, dtype: Dtype | None = None, layout: Any = None, device: Device | str | int | None = None,
    requires_grad: bool = False, memory_format: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones of the shape, dtype and device of `input`.

    >>> import retrograd as rg
    >>> rg.ones_like(rg.tensor([3, 4]))
    tensor([1, 1])
    """
    return _like("ones_like", "ones", input, dtype, layout, device, requires_grad, memory_format)


@public(method=False, differentiable=False)
def empty_like(
    input: Tensor, *, dtype: Dtype | None = None, layout: Any = None, device: Device | str | int | None = None,
    requires_grad: bool = False, memory_format: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of the shape, dtype and device of `input` whose values are not set.

    >>> import retrograd as rg
    >>> rg.empty_like(rg.zeros(2, 3)).shape
    retrograd.Size([2, 3])
    """
    return _like("empty_like", "empty", input, dtype, layout, device, requires_grad, memory_format)


@public(method=False, differentiable=False, samples=lambda: [call(t(2, 3), 2), call(t(2), 1.5, dtype=D("float64"))])
def full_like(
    input: Tensor, fill_value: float | Tensor, *, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | int | None = None, requires_grad: bool = False, memory_format: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of the shape, dtype and device of `input`, filled with one number.

    >>> import retrograd as rg
    >>> rg.full_like(rg.zeros(2), 7)
    tensor([7., 7.])
    """
    v = _fill(fill_value, "full_like")
    r = _like("full_like", "empty", input, dtype, layout, device, False, memory_format)
    r._data.fill(stored(v, r._dtype, "full_like"))
    return r.requires_grad_() if requires_grad else r
