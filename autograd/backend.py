"""Backends: the record of what differs between array libraries, and the one-line switch between them.

A backend is one record. Which kernel runs is a pure function of (operation, shapes, dtypes, layout, threads): results
never depend on timing or on what was compiled before.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from .device import device
from .errors import DeviceError
from .kernels.cpu import KERNELS

__all__ = [
    "Backend",
    "accelerated",
    "available_backends",
    "by_xp",
    "get_backend",
    "kernel",
    "of",
    "use_backend",
    "xp_for",
    "xp_of",
]

_missing = object()


class Backend:
    """One array library and exactly what differs in it.

    name; xp: the array namespace; array_type; device_type: "cpu" or "cuda"; to_numpy(array), from_numpy(array, index):
    transfers; to_index(array, index): a copy on another device of this kind; device_of(array); current(): the device of
    new arrays; scatter_add(target, index, values): target[index] += values with repeated indices added up; special:
    functions that the namespace lacks (erf, ...) by name; matmul; kernels: operation name -> function that may return
    NotImplemented.
    """

    def __init__(
        self,
        name: str,
        xp: Any,
        array_type: type,
        device_type: str,
        *,
        to_numpy: Callable[[Any], np.ndarray],
        from_numpy: Callable[[np.ndarray, int | None], Any],
        to_index: Callable[[Any, int], Any],
        scatter_add: Callable[[Any, Any, Any], None],
        special: Callable[[str], Callable[..., Any]],
        matmul: Callable[[Any, Any], Any],
        device_of: Callable[[Any], device],
        current: Callable[[], device],
        kernels: dict[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.name, self.xp, self.array_type, self.device_type = name, xp, array_type, device_type
        self.to_numpy, self.from_numpy, self.to_index = to_numpy, from_numpy, to_index
        self.scatter_add = scatter_add
        self.special, self.matmul, self.device_of, self.current = special, matmul, device_of, current
        self.kernels: dict[str, Callable[..., Any]] = {} if kernels is None else kernels

    @property
    def erf(self) -> Callable[..., Any]:
        """The error function on arrays."""
        return self.special("erf")

    def sparse(self) -> Any:
        """The module of sparse matrices over these arrays, loaded at the first use of one."""
        import scipy.sparse

        return scipy.sparse

    def __repr__(self) -> str:
        return f"<backend {self.name} on {self.device_type}>"


# ---------------------------------------------------------------- numpy
def _scatter_add(target: np.ndarray, index: Any, values: Any) -> None:
    """target[index] += values, adding up repeated indices.

    `np.add.at` on rows is about 8 times slower than sorting the ids and adding up runs, so rows go that way.
    """
    parts = index if isinstance(index, tuple) else (index,)
    first = parts[0]
    rest_full = all(isinstance(p, slice) and p == slice(None) for p in parts[1:])
    if _switch.kernels and rest_full and isinstance(first, np.ndarray):
        if KERNELS["add_rows"](target, first, values) is not NotImplemented:
            return
    if isinstance(first, np.ndarray) and first.dtype.kind in "iu" and rest_full and target.ndim > 1 and first.size:
        ids = first.ravel()
        rows = np.broadcast_to(values, first.shape + target.shape[1:]).reshape(ids.size, -1)
        n = target.shape[0]
        ids = np.where(ids < 0, ids + n, ids)
        order = np.argsort(ids, kind="stable")
        ids = ids[order]
        starts = np.flatnonzero(np.concatenate(([True], ids[1:] != ids[:-1])))
        sums = np.add.reduceat(rows[order], starts, axis=0)
        target[ids[starts]] += sums.reshape(-1, *target.shape[1:])
        return
    np.add.at(target, index, values)


def _special(name: str) -> Callable[..., Any]:
    import scipy.special  # loaded at the first operation that needs it

    return getattr(scipy.special, name)


_CPU = device("cpu")

numpy_backend = Backend(
    "numpy",
    np,
    np.ndarray,
    "cpu",
    to_numpy=lambda a: a,
    from_numpy=lambda a, index: a,
    to_index=lambda a, index: a,
    scatter_add=_scatter_add,
    special=_special,
    matmul=np.matmul,
    device_of=lambda a: _CPU,
    current=lambda: _CPU,
    kernels=KERNELS,
)

_BY_TYPE: dict[type, Backend] = {np.ndarray: numpy_backend}
ARRAYS = _BY_TYPE.keys()  # the array types of all known backends
_BY_XP: dict[int, Backend] = {id(np): numpy_backend}


def register(backend: Backend) -> None:
    """Make a backend known by its array type and namespace."""
    _BY_TYPE[backend.array_type] = backend
    _BY_XP[id(backend.xp)] = backend


def unregister(backend: Backend) -> None:
    """Forget a backend again."""
    _BY_TYPE.pop(backend.array_type, None)
    _BY_XP.pop(id(backend.xp), None)


def of(a: Any) -> Backend:
    """The backend of an array."""
    b = _BY_TYPE.get(type(a))
    if b is not None:
        return b
    if isinstance(a, (np.ndarray, np.generic)):
        return numpy_backend
    raise _unknown(a)


def _unknown(a: Any) -> TypeError:
    refuse = getattr(type(a), "refuse_as_array", None)  # what stands in place of an array says why it is none
    if refuse is not None:
        refuse(a)
    return TypeError(f"no backend for arrays of type {type(a).__module__}.{type(a).__qualname__}")


def xp_of(a: Any, default: Any = _missing) -> Any:
    """The array namespace (numpy, cupy, ...) of an array."""
    b = _BY_TYPE.get(type(a))
    if b is not None:
        return b.xp
    if isinstance(a, (np.ndarray, np.generic)):
        return np
    if default is not _missing:
        return default
    raise _unknown(a)


def by_xp(xp: Any) -> Backend:
    """The backend of an array namespace."""
    return _BY_XP[id(xp)]


def is_array(a: Any) -> bool:
    """Whether `a` is an array (or NumPy scalar) of a known backend."""
    return type(a) in _BY_TYPE or isinstance(a, (np.ndarray, np.generic))


# ---------------------------------------------------------------- devices
_cuda: Backend | None = None  # set by tests to a stand-in, by `cuda_backend` to CuPy


def cuda_backend() -> Backend:
    """The backend of CUDA devices, loading CuPy at the first call."""
    global _cuda
    if _cuda is None:
        from .backend_cupy import make_backend

        _cuda = make_backend()
        register(_cuda)
    return _cuda


def set_cuda_backend(backend: Backend | None) -> Backend | None:
    """Let `backend` serve device "cuda" (None: CuPy again, when it is next needed); returns the one before."""
    global _cuda
    was, _cuda = _cuda, backend
    return was


def cuda_device_count() -> int:
    """How many CUDA devices can be used."""
    if _cuda is not None:
        return int(_cuda.xp.cuda.runtime.getDeviceCount())
    from .backend_cupy import device_count

    return device_count()


def for_device(d: device) -> Backend:
    """The backend that holds arrays of a device."""
    return numpy_backend if d.type == "cpu" else cuda_backend()


def xp_for(d: device) -> Any:
    """The array namespace that makes arrays of a device."""
    return for_device(d).xp


# ---------------------------------------------------------------- the switch
_NAMES = ("numpy", "numba", "cupy")


class _Switch:
    """The backend chosen for the process: kernels on or off, and the default device."""

    kernels = os.environ.get("RETROGRAD_KERNELS", "numba") != "numpy"


_switch = _Switch()


class use_backend(AbstractContextManager[None]):
    """Switch the backend: `use_backend("numpy" | "numba" | "cupy")`, as a statement or as a context manager.

    `numpy` is the plain reference. `numba` (the default) is NumPy arrays with compiled CPU kernels where they exist.
    `cupy` makes CUDA the default device. Tensors that exist already stay where they are. A process that is started with
    the environment variable RETROGRAD_KERNELS=numpy begins with `numpy`. Raises ValueError for an unknown name, and
    DeviceError, leaving everything as it was, where CuPy, a CUDA device or Numba is missing.

    >>> import retrograd as rg
    >>> with rg.use_backend("numpy"):
    ...     rg.get_backend()
    'numpy'
    """

    def __init__(self, name: str) -> None:
        from . import device as devices
        from .device import set_default_device

        if name not in _NAMES:
            raise ValueError(f"use_backend: unknown backend {name!r}; choose one of {', '.join(map(repr, _NAMES))}")
        self._was = (_switch.kernels, devices._default)  # not that of a `with device(...)` around this
        if name == "cupy":
            cuda_backend()  # fails here, with the way out, rather than at the first tensor
            set_default_device("cuda")
        else:
            if name == "numba":
                _require_numba()
            set_default_device("cpu")
        _switch.kernels = name != "numpy"

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        from .device import set_default_device

        _switch.kernels = self._was[0]
        set_default_device(self._was[1])


def _require_numba() -> None:
    from importlib.util import find_spec

    if find_spec("numba") is None:
        raise DeviceError('use_backend: "numba" needs the package numba, which is not installed; run pip install numba')


def get_backend() -> str:
    """The name of the backend in use: "numpy", "numba" or "cupy".

    >>> import retrograd as rg
    >>> rg.get_backend()
    'numba'
    """
    from .device import get_default_device

    if get_default_device().type == "cuda":
        return "cupy"
    return "numba" if _switch.kernels else "numpy"


def available_backends() -> list[str]:
    """The backends that would work on this machine, by name.

    >>> import retrograd as rg
    >>> "numpy" in rg.available_backends()
    True
    """
    from importlib.util import find_spec

    found = ["numpy"]
    if find_spec("numba") is not None:
        found.append("numba")
    if cuda_device_count():
        found.append("cupy")
    return found


def kernels_enabled() -> bool:
    """Whether compiled CPU kernels may be used now."""
    return _switch.kernels


def accelerated(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let an array formula f(xp, ...) try CPU kernels first: `names`, called with its arguments after xp, in turn.

    A kernel serves the call or declines with NotImplemented; the formula computes what all decline.
    """

    def bind(formula: Callable[..., Any]) -> Callable[..., Any]:
        kernels = numpy_backend.kernels

        @functools.wraps(formula)
        def run(xp: Any, *args: Any) -> Any:
            if xp is np and _switch.kernels:
                for name in names:
                    r = kernels[name](*args)
                    if r is not NotImplemented:
                        return r
            return formula(xp, *args)

        return run

    return bind


def kernel(xp: Any, name: str) -> Callable[..., Any] | None:
    """The kernel of an operation for arrays of namespace `xp`, or None; it may still decline with NotImplemented."""
    b = _BY_XP[id(xp)]
    if b is numpy_backend and not _switch.kernels:
        return None
    return b.kernels.get(name)


if os.environ.get("RETROGRAD_NUM_THREADS", "").isdigit():  # governs the products that kernels leave to NumPy, too
    from .kernels.cpu.blas import limit_numpy

    limit_numpy(max(1, int(os.environ["RETROGRAD_NUM_THREADS"])))
