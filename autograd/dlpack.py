"""DLPack: tensors of other libraries as tensors here and the other way round, over the same memory.

Also reachable as `retrograd.utils.dlpack`. NumPy and CuPy arrays speak the protocol themselves; this is what lies around
them. Writing to either side shows on the other; gradients do not cross.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

from .backend import cuda_backend, of
from .core import TensorBase, as_tensor_arg, wrap
from .device import as_device
from .errors import DeviceError

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["from_dlpack", "to_dlpack"]

_CPU = (1, 3)  # kDLCPU, and host memory that CUDA has pinned
_CUDA = (2, 13)  # kDLCUDA, and CUDA's managed memory


def export(t: Tensor, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None) -> Any:
    """A DLPack capsule over the tensor's memory: `Tensor.__dlpack__`.

    stream: the consumer's CUDA stream. max_version, dl_device, copy: as in the Python array API standard. Raises
    BufferError for a tensor that requires grad, and for types that NumPy does not export (bfloat16).

    >>> import numpy as np
    >>> import retrograd as rg
    >>> t = rg.zeros(2)
    >>> np.from_dlpack(t)[0] = 1
    >>> t
    tensor([1., 0.])
    """
    if t._node is not None:
        raise BufferError("__dlpack__: the tensor requires grad, which would be lost; export t.detach()")
    if t._dtype.name == "bfloat16":
        raise BufferError("__dlpack__: bfloat16 cannot be exported; convert the tensor, as in t.float()")
    given = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
    if isinstance(t._data, np.ndarray):
        if stream is not None:
            raise BufferError(f"__dlpack__: the tensor is on the CPU, which has no streams; got stream={stream!r}")
        del given["stream"]
    wanted = {k: v for k, v in given.items() if v is not None}
    try:
        return t._data.__dlpack__(**wanted)
    except TypeError:  # an array library from before version 1 of the protocol
        if dl_device is not None or copy is not None:
            raise BufferError("__dlpack__: the installed array library knows neither dl_device nor copy") from None
        return t._data.__dlpack__(**{k: v for k, v in wanted.items() if k == "stream"})


def device(t: Tensor) -> tuple[int, int]:
    """(DLPack's number of the kind of device, ordinal): `Tensor.__dlpack_device__`.

    >>> import retrograd as rg
    >>> tuple(int(n) for n in rg.zeros(2).__dlpack_device__())
    (1, 0)
    """
    kind, index = t._data.__dlpack_device__()
    return int(kind), int(index)


class _Capsule:
    """A bare capsule as the object that array libraries expect."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        """Read from the structure itself: DLTensor begins with the data pointer, then kind and ordinal."""
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype, get.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
        named = ctypes.pythonapi.PyCapsule_IsValid
        named.restype, named.argtypes = ctypes.c_int, (ctypes.py_object, ctypes.c_char_p)
        for name, offset in ((b"dltensor", 0), (b"dltensor_versioned", 32)):
            if named(self.capsule, name):
                at = get(self.capsule, name) + offset + ctypes.sizeof(ctypes.c_void_p)
                kind, index = (ctypes.c_int32 * 2).from_address(at)
                return kind, index
        raise ValueError("from_dlpack: this capsule has been used already; a capsule can be read once")


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of another library's tensor: an object with `__dlpack__`, or a DLPack capsule.

    device: where the result shall be (None: where the memory is). copy: True always copies, False never does (a
    ValueError where it must), None only to reach `device`. Raises DeviceError for memory that is neither the host's nor
    CUDA's, TypeError for anything else than a DLPack object, BufferError for what its library does not export.

    >>> import numpy as np
    >>> import retrograd as rg
    >>> a = np.zeros(2)
    >>> t = rg.from_dlpack(a)
    >>> a[0] = 1
    >>> t
    tensor([1., 0.], dtype=retrograd.float64)
    """
    from .ops.cast import to_device

    x: Any = ext_tensor
    if type(x).__name__ == "PyCapsule":
        x = _Capsule(x)
    if isinstance(x, TensorBase):
        r: Any = wrap(x._data)
    elif not hasattr(x, "__dlpack__") or not hasattr(x, "__dlpack_device__"):
        raise TypeError(f"from_dlpack: an object with __dlpack__ or a capsule is expected, got {type(x).__name__}")
    else:
        kind = int(x.__dlpack_device__()[0])
        if kind in _CPU:
            r = wrap(np.from_dlpack(x))
        elif kind in _CUDA:
            r = wrap(cuda_backend().xp.from_dlpack(x))
        else:
            raise DeviceError(
                f"from_dlpack: the memory is on a device of DLPack's kind {kind}; only CPU and CUDA are known"
            )
    if device is not None:
        d = as_device(device)
        here = of(r._data).device_of(r._data)
        if here.type != d.type or d.index is not None and here.index != d.index:
            if copy is False:
                raise ValueError(f"from_dlpack: {here} to {d} needs a copy, which copy=False forbids")
            return to_device(r, d)
    return r.clone() if copy else r


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule over the tensor's memory, which another library can read once; newer ones take the tensor itself.

    >>> import retrograd as rg
    >>> rg.from_dlpack(rg.to_dlpack(rg.ones(2)))
    tensor([1., 1.])
    """
    return export(as_tensor_arg(tensor, "to_dlpack"))
