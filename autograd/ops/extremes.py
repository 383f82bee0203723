"""Largest, smallest and middle elements: max, min, amax, amin, aminmax, argmax, argmin, median, nanmedian.

Who gets the gradient follows PyTorch: a reduction without indices shares it evenly among equal extremes; one that
returns indices gives it to the element that the index names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import TensorBase, as_tensor_arg, wrap
from ..errors import DtypeError, ShapeError
from ..op import nary, param, public
from ..samples import call, raises, t
from . import return_types
from .args import check_real, dims, into, into_pair, one_dim, pick
from .reduce import Dim, Shape, arguments, dim_errors, reduced, reduction_samples, spread
from .shape import reshape_p
from .sort import take_along_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "amax", "amax_p", "amin", "amin_p", "aminmax", "arg_p", "argmax", "argmin", "max", "median", "min", "nanmedian",
    "ties_p",
]  # fmt: skip


# ---------------------------------------------------------------- primitives
def _ties(xp: Any, xs: Any, axes: Shape, keepdim: bool) -> Any:
    x, o = xs
    o = o.reshape(reduced(x.shape, axes, True))
    same = (x == o) | ((x != x) & (o != o))
    return (same / same.sum(axes, None, None, True)).astype(x.dtype)


ties_p: Any = nary(
    "ties",
    _ties,
    dtypes="same",
    differentiable=False,
    doc="For xs = (x, an extreme of it over axes): 1/n at the n places where x equals the extreme, else 0.",
)


def _share(g: Any, x: Any, o: Any, axes: Shape, keepdim: bool) -> Any:
    return spread(g, tuple(x.shape), axes, keepdim) * ties_p((x, o), axes, keepdim)


def _extreme(name: str, method: str, doc: str) -> Any:
    return param(
        name,
        lambda xp, x, axes, keepdim: getattr(xp, method)(x, axes, keepdims=keepdim),
        _share,
        saves="xo",
        dtypes="same",
        doc=doc,
    )


amax_p: Any = _extreme("amax", "amax", "The largest element over a tuple of axes.")
amin_p: Any = _extreme("amin", "amin", "The smallest element over a tuple of axes.")


def _arg(xp: Any, x: Any, method: str, axis: int | None, keepdim: bool) -> Any:
    i = getattr(xp, method)(x, axis if x.ndim else None)
    if not keepdim:
        return i
    axes = tuple(range(x.ndim)) if axis is None else (axis,)
    return xp.asarray(i).reshape(reduced(x.shape, axes, True))


arg_p: Any = param(
    "arg_extreme",
    _arg,
    dtypes="fixed",
    differentiable=False,
    doc="The first place of an extreme along an axis, or flat.",
)


def _median_place(xp: Any, x: Any, axis: int, skip_nan: bool) -> Any:
    """Where the lower median is along axis (kept); the first NaN if there is one, unless those are skipped."""
    if not x.ndim:
        return xp.zeros((), "int64")
    n = x.shape[axis]
    numbers = (x == x).sum(axis, "int64", None, True)
    # In a stable order the first NaN follows the last number.
    k = xp.maximum((numbers - 1) // 2, 0) if skip_nan else xp.where(numbers < n, numbers, (n - 1) // 2)
    return xp.take_along_axis(xp.argsort(x, axis=axis, kind="stable"), k, axis)


median_place_p: Any = param("median_index", _median_place, dtypes="fixed", differentiable=False)
# The median of all elements shares its gradient as an extreme does; x is flat here.
median_p: Any = param(
    "median",
    lambda xp, x, skip_nan: xp.take_along_axis(x, _median_place(xp, x, 0, skip_nan), 0).reshape(()),
    lambda g, x, o, skip_nan: _share(g, x, o, (0,), False),
    saves="xo",
    dtypes="same",
)


# ---------------------------------------------------------------- arguments
def _not_empty(shape: Shape, axes: Shape, whole: bool, op: str) -> None:
    for d in axes:
        if shape[d] == 0:
            if whole:
                raise ShapeError(f"{op}: input of shape {tuple(shape)} has no elements; name a dim that is not empty")
            raise IndexError(f"{op}: dim {d} of shape {tuple(shape)} has size 0; an extreme needs at least one element")


def _along(input: Any, d: int, idx: Any, keepdim: bool) -> tuple[Tensor, Tensor]:
    """Values at indices that have kept dimension d, and the indices."""
    values = take_along_p(input, d, idx, True, not keepdim)
    return values, wrap(idx if keepdim or not input._shape else idx.reshape(values._shape))


def _max_or_min(input: Any, dim: Any, keepdim: Any, out: Any, axis: Any, keepdims: Any, other: Any, op: str) -> Any:
    """The three overloads of max and min: all elements, one dimension, two tensors."""
    input = as_tensor_arg(input, op)
    if other is None and isinstance(dim, TensorBase):
        other, dim = dim, None
    if other is not None:
        from .blend import maximum, minimum

        if dim is not None or axis is not None:
            raise TypeError(
                f"{op}: other and dim are both given; {op}(x, other) compares tensors, {op}(x, dim) reduces"
            )
        return (maximum if op == "max" else minimum)(input, other, out=out)
    check_real(input, op)
    dim = pick(dim, axis, op)
    keepdim = bool(pick(keepdim, keepdims, op, "keepdim", "keepdims"))
    largest = op == "max"
    if dim is None:
        axes = dims(None, len(input._shape), op)
        _not_empty(input._shape, axes, True, op)
        return into(out, (amax_p if largest else amin_p)(input, axes, keepdim), op)
    d = one_dim(dim, len(input._shape), op)
    if input._shape:
        _not_empty(input._shape, (d,), False, op)
    idx = arg_p(input, "argmax" if largest else "argmin", d, True)._data
    kind = return_types.max if largest else return_types.min
    return kind(*into_pair(out, _along(input, d, idx, keepdim), op))


def _three_overloads() -> list[Any]:
    return [
        call(t(3, 4)),
        call(t()),
        call(t(6, values=[3.0, 1.0, 3.0, 1.0, 2.0, 3.0], grad=False)),
        call(t(3, 4), 0),
        call(t(3, 4), -1, True),
        call(t(2, 3, 4), dim=1),
        call(t(2, 3), axis=1, keepdims=True),
        call(t(), 0),
        call(t(0, 3), 1),
        call(t(2, 4, values=[[3.0, 1.0, 3.0, 1.0], [0.5, 0.5, 0.5, 2.0]], grad=False), dim=1),
        call(t(3, 4), t(3, 4)),
        call(t(3, 4), other=t(4)),
        call(t(5, dtype="int64", low=-9, high=9, grad=False)),
        call(t(5, dtype="int32", values=[2, 7, 1, 7, 1], grad=False), 0),
        call(t(2, 3, dtype="bool", grad=False), dim=0),
        call(t(4, values=[1.0, float("nan"), 3.0, float("nan")], grad=False), 0),
        call(t(4, values=[1.0, float("nan"), 3.0, 0.0], grad=False)),
    ]


def _three_errors(name: str) -> Any:
    return lambda: [
        raises(IndexError, rf"{name}: dim 2 is out of range", t(2, 3), dim=2),
        raises(IndexError, rf"{name}: dim 0 of shape \(0, 3\) has size 0", t(0, 3), dim=0),
        raises(RuntimeError, rf"{name}: input of shape \(0, 3\) has no elements", t(0, 3)),
        raises(TypeError, rf"{name}: dim must be an int", t(2, 3), dim=(0, 1)),
        raises(TypeError, rf"{name}: complex numbers have no order", t(2, dtype="complex64", grad=False)),
    ]


# ---------------------------------------------------------------- max and min
@public(samples=_three_overloads, errors=_three_errors("max"))
def max(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
    out: Any = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Any:
    """The largest element of all; or along `dim` the named tuple (values, indices); or of two tensors elementwise.

    `max(x)` shares its gradient evenly among equal maxima; `max(x, dim)` returns the first of them and gives it the
    gradient; `max(x, other)` is `maximum`. NaN wins. Shapes: `(*, N, *)` with dim to `(*, *)`, or `(*, 1, *)` with
    keepdim. Raises RuntimeError for no elements, IndexError for an empty dimension or one that does not exist.

    >>> import retrograd as rg
    >>> rg.max(rg.tensor([[1.0, 5.0], [3.0, 2.0]]), dim=1).values
    tensor([5., 3.])
    """
    return _max_or_min(input, dim, keepdim, out, axis, keepdims, other, "max")


@public(samples=_three_overloads, errors=_three_errors("min"))
def min(
    input: Tensor,
    dim: Any = None,
    keepdim: bool = False,
    *,
    other: Tensor | None = None,
    out: Any = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Any:
    """The smallest element of all; or along `dim` the named tuple (values, indices); or of two tensors elementwise.

    `min(x)` shares its gradient evenly among equal minima; `min(x, dim)` returns the first of them and gives it the
    gradient; `min(x, other)` is `minimum`. NaN wins. Shapes and errors as in `max`.

    >>> import retrograd as rg
    >>> rg.min(rg.tensor([[1.0, 5.0], [3.0, 2.0]]), dim=1).indices
    tensor([0, 1])
    """
    return _max_or_min(input, dim, keepdim, out, axis, keepdims, other, "min")


# ---------------------------------------------------------------- amax, amin, aminmax
def _even_samples() -> list[Any]:
    return [
        *reduction_samples(),
        call(t(2, 4, values=[[3.0, 1.0, 3.0, 1.0], [0.5, 0.5, 0.5, 3.0]], grad=False), dim=1),
        call(t(2, 4, values=[[3.0, 1.0, 3.0, 1.0], [0.5, 0.5, 0.5, 3.0]], grad=False), dim=(0, 1)),
        call(t(0, 3), 1),
        call(t(5, dtype="uint8", low=0, high=200, grad=False), 0),
        call(t(2, 3, dtype="bool", grad=False), dim=0),
    ]


def _even_errors(name: str) -> Any:
    return lambda: [
        *dim_errors(name)(),
        raises(IndexError, rf"{name}: dim 0 of shape \(0, 3\) has size 0", t(0, 3), dim=0),
        raises(RuntimeError, rf"{name}: input of shape \(0, 3\) has no elements", t(0, 3)),
    ]


def _even(p: Any, input: Any, dim: Any, keepdim: Any, out: Any, axis: Any, keepdims: Any, op: str) -> Tensor:
    dim = pick(dim, axis, op)
    input, axes, keepdim = arguments(input, dim, keepdim, None, keepdims, None, op)
    check_real(input, op)
    _not_empty(input._shape, axes, dim is None or dim == (), op)
    return into(out, p(input, axes, keepdim), op)


@public(samples=_even_samples, errors=_even_errors("amax"))
def amax(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The largest element over all elements or the dimensions `dim`; equal maxima share the gradient evenly.

    Shapes: `(N, C, H, W)` with dim=(2, 3) to `(N, C)`, or `(N, C, 1, 1)` with keepdim. Raises RuntimeError for no
    elements, IndexError for an empty dimension or one that does not exist.

    >>> import retrograd as rg
    >>> rg.amax(rg.tensor([[1.0, 5.0], [3.0, 2.0]]), dim=0)
    tensor([3., 5.])
    """
    return _even(amax_p, input, dim, keepdim, out, axis, keepdims, "amax")


@public(samples=_even_samples, errors=_even_errors("amin"))
def amin(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The smallest element over all elements or the dimensions `dim`; equal minima share the gradient evenly.

    Shapes and errors as in `amax`.

    >>> import retrograd as rg
    >>> rg.amin(rg.tensor([[1.0, 5.0], [3.0, 2.0]]), dim=0)
    tensor([1., 2.])
    """
    return _even(amin_p, input, dim, keepdim, out, axis, keepdims, "amin")


@public(
    samples=lambda: [
        call(t(3, 4)),
        call(t(3, 4), dim=-1),
        call(t(3, 4), dim=0, keepdim=True),
        call(t(2, 4, values=[[3.0, 1.0, 3.0, 1.0], [0.5, 0.5, 0.5, 3.0]], grad=False), dim=1),
        call(t()),
        call(t(5, dtype="int64", low=-9, high=9, grad=False)),
    ],
    errors=lambda: [
        raises(IndexError, r"aminmax: dim 2", t(2, 3), dim=2),
        raises(RuntimeError, r"aminmax: input of shape \(0,\) has no elements", t(0)),
    ],
)
def aminmax(
    input: Tensor,
    *,
    dim: int | None = None,
    keepdim: bool = False,
    out: Any = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> return_types.aminmax:
    """Smallest and largest elements, of all or along `dim`, as the named tuple (min, max).

    >>> import retrograd as rg
    >>> rg.aminmax(rg.tensor([2.0, 5.0, 1.0])).max
    tensor(5.)
    """
    input = as_tensor_arg(input, "aminmax")
    dim = pick(dim, axis, "aminmax")
    if dim is not None:
        dim = one_dim(dim, len(input._shape), "aminmax")
    low = _even(amin_p, input, dim, keepdim, None, None, keepdims, "aminmax")
    high = _even(amax_p, input, dim, keepdim, None, None, keepdims, "aminmax")
    for o in out or ():
        if o._dtype is not low._dtype:
            raise DtypeError(
                f"aminmax: out is {o._dtype.name}, but the result {low._dtype.name}; give an out of its dtype"
            )
    return return_types.aminmax(*into_pair(out, (low, high), "aminmax"))


# ---------------------------------------------------------------- argmax and argmin
def _arg_samples() -> list[Any]:
    return [
        call(t(3, 4)),
        call(t(3, 4), 0),
        call(t(3, 4), -1, True),
        call(t(2, 3, 4), dim=1, keepdim=True),
        call(t(3, 4), dim=None, keepdim=True),
        call(t(3, 4), axis=0, keepdims=True),
        call(t()),
        call(t(), 0),
        call(t(5, dtype="int64", values=[2, 7, 1, 7, 1], grad=False)),
        call(t(4, values=[1.0, float("nan"), 3.0, float("nan")], grad=False), 0),
    ]


def _arg_errors(name: str) -> Any:
    return lambda: [
        raises(IndexError, rf"{name}: dim 2 is out of range", t(2, 3), dim=2),
        raises(IndexError, rf"{name}: input of shape \(0, 3\) has no elements", t(0, 3)),
        raises(IndexError, rf"{name}: dim 0 of shape \(0, 3\) has size 0", t(0, 3), dim=0),
        raises(TypeError, rf"{name}: dim must be an int", t(2, 3), dim=(0, 1)),
    ]


def _arg_extreme(input: Any, dim: Any, keepdim: Any, axis: Any, keepdims: Any, out: Any, op: str) -> Tensor:
    input = as_tensor_arg(input, op)
    check_real(input, op)
    dim = pick(dim, axis, op)
    keepdim = bool(pick(keepdim, keepdims, op, "keepdim", "keepdims"))
    shape = input._shape
    if dim is None:
        if 0 in shape:
            raise IndexError(f"{op}: input of shape {tuple(shape)} has no elements; name a dim that is not empty")
        return into(out, arg_p(input, op, None, keepdim), op)
    d = one_dim(dim, len(shape), op)
    if shape:
        _not_empty(shape, (d,), False, op)
    return into(out, arg_p(input, op, d if shape else None, keepdim), op)


@public(samples=_arg_samples, errors=_arg_errors("argmax"), differentiable=False)
def argmax(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The index (int64) of the first largest element: along `dim`, or in the flattened input. NaN is largest.

    Shapes: `(*, N, *)` with dim to `(*, *)`, or `(*, 1, *)` with keepdim. Raises IndexError for no elements.

    >>> import retrograd as rg
    >>> rg.argmax(rg.tensor([[1.0, 5.0], [3.0, 2.0]]), dim=1)
    tensor([1, 0])
    """
    return _arg_extreme(input, dim, keepdim, axis, keepdims, out, "argmax")


@public(samples=_arg_samples, errors=_arg_errors("argmin"), differentiable=False)
def argmin(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The index (int64) of the first smallest element: along `dim`, or in the flattened input. NaN is smallest here.

    Shapes and errors as in `argmax`.

    >>> import retrograd as rg
    >>> rg.argmin(rg.tensor([[1.0, 5.0], [3.0, 2.0]]), dim=1)
    tensor([0, 1])
    """
    return _arg_extreme(input, dim, keepdim, axis, keepdims, out, "argmin")


# ---------------------------------------------------------------- median
def _median_samples() -> list[Any]:
    return [
        call(t(5)),
        call(t(2, 3)),
        call(t(2, 4), 1),
        call(t(3, 4), 0, True),
        call(t(3, 4), dim=-1, keepdim=True),
        call(t()),
        call(t(), 0),
        call(t(5, values=[1.0, 2.0, 2.0, 3.0, 0.0], grad=False)),
        call(t(4, dtype="int64", values=[4, 2, 9, 7], grad=False)),
        call(t(2, 4, values=[[3.0, float("nan"), 2.0, 4.0], [1.0, 0.0, 5.0, 3.0]], grad=False), dim=1),
        call(t(4, values=[3.0, float("nan"), 2.0, 4.0], grad=False)),
    ]


def _median(input: Any, dim: Any, keepdim: Any, out: Any, axis: Any, keepdims: Any, skip_nan: bool, op: str) -> Any:
    input = as_tensor_arg(input, op)
    check_real(input, op)
    dim = pick(dim, axis, op)
    if dim is None:
        if 0 in input._shape:
            raise ShapeError(f"{op}: input of shape {tuple(input._shape)} has no elements")
        return into(out, median_p(reshape_p(input, (-1,)), skip_nan), op)
    keepdim = bool(pick(keepdim, keepdims, op, "keepdim", "keepdims"))
    d = one_dim(dim, len(input._shape), op)
    if input._shape:
        _not_empty(input._shape, (d,), False, op)
    kind = return_types.nanmedian if skip_nan else return_types.median
    return kind(*into_pair(out, _along(input, d, median_place_p(input, d, skip_nan)._data, keepdim), op))


@public(samples=_median_samples, errors=lambda: [raises(IndexError, r"median: dim 2", t(2, 3), dim=2)])
def median(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    out: Any = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Any:
    """The median (the lower of two middle elements) of all elements; along `dim` the named tuple (values, indices).

    NaN if any element is NaN. Raises IndexError for an empty dimension or one that does not exist.

    >>> import retrograd as rg
    >>> rg.median(rg.tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    return _median(input, dim, keepdim, out, axis, keepdims, False, "median")


@public(samples=_median_samples, errors=lambda: [raises(IndexError, r"nanmedian: dim 2", t(2, 3), dim=2)])
def nanmedian(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    out: Any = None,
    axis: int | None = None,
    keepdims: bool | None = None,
) -> Any:
    """As `median`, of the elements that are not NaN; NaN only if all of them are.

    >>> import retrograd as rg
    >>> rg.nanmedian(rg.tensor([4.0, float("nan"), 3.0]))
    tensor(3.)
    """
    return _median(input, dim, keepdim, out, axis, keepdims, True, "nanmedian")
