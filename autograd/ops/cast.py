"""Copies and conversions: clone, contiguous, casts between dtypes, transfers between array libraries, identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import Backend, by_xp, for_device, of
from ..core import TensorBase, as_tensor_arg
from ..device import as_device
from ..dtypes import as_dtype, dtype
from ..dtypes import of as dtype_of
from ..errors import DeviceError
from ..op import param, public
from ..samples import call, t

if TYPE_CHECKING:
    from ..tensor import Tensor


def _cast(x: Any, d: dtype) -> Any:
    if x.dtype.kind == "c" and d.kind != "c":
        x = x.real if d.kind != "b" else x != 0
    return x.astype(d.np)


_cast_p = param(
    "cast",
    lambda xp, x, d, source: _cast(x, d),
    lambda g, x, o, d, source: cast_p(g, source),  # the real part, when x is real and d complex
    dtypes="copy",
    jvp="linear",
    holomorphic=False,
)


def cast_p(x: Any, d: dtype) -> Any:
    """x (tensor or array) in dtype d; its cotangent comes back in x's dtype."""
    source = x._dtype if isinstance(x, TensorBase) else dtype_of(x.dtype)
    if source is d:
        return x
    r = _cast_p(x, d, source)
    if d.kind not in "fc" and isinstance(r, TensorBase):
        r._node = None  # integers have no gradient
    return r


identity_p = param("identity", lambda xp, x: x, lambda g, x, o: g, dtypes="copy", jvp="linear")


def _clone(xp: Any, x: Any) -> Any:
    return x.copy(order="K") if xp is np else x.copy()


clone_p = param("clone", _clone, lambda g, x, o: g, dtypes="copy", jvp="linear")
contiguous_p = param(
    "contiguous", lambda xp, x: xp.ascontiguousarray(x).reshape(x.shape), lambda g, x, o: g, dtypes="copy", jvp="linear"
)


@public(
    samples=lambda: [call(t(3, 4)), call(t()), call(t(0, 2)), call(t(3, dtype="int64"))],
    ref=lambda x: x.copy(),
)
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy of the tensor, differentiable, sharing no memory with it.

    >>> import retrograd as rg
    >>> x = rg.ones(2)
    >>> y = rg.clone(x); y[0] = 5.0; x
    tensor([1., 1.])
    """
    return clone_p(as_tensor_arg(input, "clone"))


@public(where="Tensor", samples=lambda: [call(t(3, 4))], ref=lambda x: x)
def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself if its memory is in row-major order, else a row-major copy."""
    x = as_tensor_arg(input, "contiguous")
    if not isinstance(x._data, np.ndarray) or not x._data.flags.c_contiguous:
        return contiguous_p(x)
    return x


to_backend_p = param(
    "to_backend",
    lambda xp, x, home: _move(x, home, None),
    lambda g, x, o, home: to_backend_p(g, _home_of_other(g, home)),
    dtypes="copy",
    jvp="linear",
)
to_device_p = param(
    "to_device",
    lambda xp, x, index, home, source: _move(x, home, index),
    lambda g, x, o, index, home, source: to_device_p(g, source[1], source[0], (home, index)),
    dtypes="copy",
    jvp="linear",
)


def _home_of_other(g: Any, home: Backend) -> Backend:
    """A cotangent of a CPU-to-device move goes back to the CPU: moves by promotion start nowhere else."""
    return by_xp(np)


def _move(x: Any, home: Backend, index: int | None) -> Any:
    """Array x on backend `home`, on device number `index` (None: the current one)."""
    here = of(x)
    if "lifted" in (here.name, home.name):  # inside a function transform; where its arrays are does not change
        return x
    if here is home:
        return x if index is None or home.device_of(x).index == index else home.to_index(x, index)
    return home.from_numpy(here.to_numpy(x), index)


def to_device(x: Tensor, target: Any) -> Tensor:
    """x on a device, x itself if it is there."""
    d = as_device(target)
    here = of(x._data)
    home = for_device(d)
    now = here.device_of(x._data)
    if here.name == "lifted":
        if d.type != now.type or d.index not in (None, now.index):
            raise DeviceError(f"to: a tensor on {now} cannot move to {d} inside a function transform; move it before")
        return x
    if here is home and d.index in (None, now.index):
        return x
    return to_device_p(x, d.index, home, (here, now.index))


def to_dtype(x: Tensor, d: dtype) -> Tensor:
    """x in dtype d, x itself if it is."""
    return x if x._dtype is d else cast_p(x, d)


def to(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Convert dtype and/or device: `to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`, `copy=True`.

    Returns the tensor itself when nothing changes and `copy` is not set. `non_blocking` and `memory_format` are accepted.

    >>> import retrograd as rg
    >>> rg.ones(2).to(rg.float64).dtype
    retrograd.float64
    """
    x = as_tensor_arg(input, "to")
    d: Any = kwargs.pop("dtype", None)
    where: Any = kwargs.pop("device", None)
    other: Any = kwargs.pop("other", None)
    copy = kwargs.pop("copy", False)
    kwargs.pop("non_blocking", None)
    kwargs.pop("memory_format", None)
    if kwargs:
        raise TypeError(
            f"to: unknown argument {next(iter(kwargs))!r}; expected dtype, device, other, copy, non_blocking"
        )
    rest = list(args)
    if rest and isinstance(rest[0], TensorBase):
        other = rest.pop(0)
    elif rest and (isinstance(rest[0], (str, int)) and not isinstance(rest[0], bool) or hasattr(rest[0], "index")):
        where = rest.pop(0)
        if rest and (rest[0] is None or not isinstance(rest[0], bool)):
            d = rest.pop(0)
    elif rest and rest[0] is None:
        rest.pop(0)
        if rest and not isinstance(rest[0], bool):
            d = rest.pop(0)
    elif rest:
        d = rest.pop(0)
    if rest:
        rest.pop(0)  # non_blocking
    if rest:
        copy = rest.pop(0)
    if other is not None:
        d, where = other._dtype, of(other._data).device_of(other._data)
    r = x
    if where is not None:
        r = to_device(r, where)
    if d is not None:
        r = to_dtype(r, as_dtype(d, "to"))
    return clone_p(r) if copy and r is x else r
