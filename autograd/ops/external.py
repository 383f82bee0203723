"""Tensors over memory that others own, and single numbers: frombuffer, from_file, scalar_tensor, fill."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import backend
from ..core import TensorBase, as_tensor_arg, wrap
from ..dtypes import as_dtype, get_default_dtype
from ..errors import ShapeError
from ..generic import cast
from ..op import public
from ..samples import D, call, raises, t
from .create import finish, place
from .scalars import stored
from .shape import expand_p
from .where import where_p

if TYPE_CHECKING:
    from ..device import device as Device
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = ["fill", "from_file", "frombuffer", "scalar_tensor"]


@public(method=False, differentiable=False)
def frombuffer(buffer: Any, *, dtype: Dtype, count: int = -1, offset: int = 0, requires_grad: bool = False) -> Tensor:
    """A one-dimensional tensor over the memory of an object with Python's buffer protocol, which it shares.

    count: how many elements (-1: all that follow), offset: bytes to skip. Over a read-only buffer such as bytes the
    tensor is read-only. Raises ValueError where the buffer is empty, too short, or no whole number of elements.

    >>> import retrograd as rg
    >>> rg.frombuffer(bytearray(b"\\x01\\x00\\x02\\x00"), dtype=rg.int16)
    tensor([1, 2], dtype=retrograd.int16)
    """
    d = as_dtype(dtype, "frombuffer")
    try:
        n = memoryview(buffer).nbytes
    except TypeError:
        raise ValueError(
            f"frombuffer: an object of type {type(buffer).__name__} does not implement Python's buffer protocol"
        ) from None
    if not n or not count:
        raise ValueError(f"frombuffer: both buffer length ({n}) and count ({count}) must not be 0")
    if not 0 <= offset < n:
        raise ValueError(
            f"frombuffer: offset ({offset} bytes) must be non-negative and no greater than buffer length ({n} bytes) "
            "minus 1"
        )
    if count > 0 and offset + count * d.itemsize > n:
        raise ValueError(
            f"frombuffer: requested buffer length ({count} * {d.itemsize} bytes) after offset ({offset} bytes) must not be "
            f"greater than actual buffer length ({n} bytes)"
        )
    if count < 0 and (n - offset) % d.itemsize:
        raise ValueError(
            f"frombuffer: buffer length ({n - offset} bytes) after offset ({offset} bytes) must be a multiple of element "
            f"size ({d.itemsize})"
        )
    r = wrap(np.frombuffer(buffer, d.np, count if count > 0 else -1, offset))
    return r.requires_grad_() if requires_grad else r


@public(method=False, differentiable=False)
def from_file(
    filename: str, shared: bool | None = None, size: int | None = 0, *, dtype: Dtype | None = None, layout: Any = None,
    device: Device | str | int | None = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of `size` elements over the contents of a file, mapped into memory.

    With shared=True, writes go to the file, which is made or enlarged if need be; else they stay private. Raises
    RuntimeError where the file cannot be opened or, if not shared, is too short.

    >>> import numpy as np, retrograd as rg, tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "numbers")
    ...     _ = path.write_bytes(np.arange(3.0).tobytes())
    ...     x = rg.from_file(str(path), size=3, dtype=rg.float64).clone()
    >>> x
    tensor([0., 1., 2.], dtype=retrograd.float64)
    """
    d, _ = place("from_file", dtype, "cpu", layout)
    n = (size or 0) * d.itemsize
    try:
        if shared:
            with open(filename, "ab") as f:
                if f.tell() < n:
                    f.truncate(n)
        elif os.path.getsize(filename) < n:
            raise RuntimeError(
                f"from_file: file <{filename}> size <{os.path.getsize(filename)}> is smaller than the required mapping "
                f"size <{n}>"
            )
        if not n:
            return finish("from_file", np.empty(0, d.np), device, requires_grad)
        a = np.memmap(filename, np.uint8, "r+" if shared else "c", 0, (n,))
    except OSError as e:
        raise RuntimeError(f"from_file: unable to open file <{filename}>: {e}") from e
    return finish("from_file", np.asarray(a).view(d.np), device, requires_grad)


@public(
    method=False,
    differentiable=False,
    samples=lambda: [call(2.5), call(3), call(3, dtype=D("int64")), call(True, dtype=D("bool"))],
    errors=lambda: [raises(RuntimeError, r"without overflow", 1j)],
)
def scalar_tensor(
    s: Any, *, dtype: Dtype | None = None, layout: Any = None, device: Device | str | int | None = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A 0-d tensor of one number, of the default dtype unless another is given.

    >>> import retrograd as rg
    >>> rg.scalar_tensor(3)
    tensor(3.)
    """
    d, xp = place("scalar_tensor", dtype, device, layout, default=get_default_dtype())
    value = s._data.item() if isinstance(s, TensorBase) else s
    return finish("scalar_tensor", xp.asarray(stored(value, d, "scalar_tensor"), dtype=d.np), device, requires_grad)


@public(
    method=False,
    samples=lambda: [call(t(2, 3), 2.5), call(t(2, 3), t()), call(t(2, dtype="int64", grad=False), 3), call(t(), 1.0)],
    errors=lambda: [raises(RuntimeError, r"fill: a number or a 0-d tensor is expected, .* \(2,\)", t(2), t(2))],
)
def fill(input: Tensor, value: float | Tensor) -> Tensor:
    """A tensor of the shape, dtype and device of `input`, filled with a number or a 0-d tensor (which gets a gradient).

    >>> import retrograd as rg
    >>> rg.fill(rg.zeros(2), 3)
    tensor([3., 3.])
    """
    x = as_tensor_arg(input, "fill")
    xp = backend.xp_of(x._data)
    if isinstance(value, TensorBase):
        if value._shape:
            raise ShapeError(f"fill: a number or a 0-d tensor is expected, got a tensor of shape {tuple(value._shape)}")
        v: Any = cast(value, x._dtype)
    else:
        v = wrap(xp.asarray(stored(value, x._dtype, "fill"), dtype=x._dtype.np))
    return where_p((expand_p(v, x._shape), x), xp.ones(x._shape, bool))
