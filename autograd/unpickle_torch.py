"""What a PyTorch checkpoint may name, exactly, and how each name becomes a value: tensors, sizes, dtypes, plain data.

`Builders` is the allow-list of `load`. Every entry checks its arguments itself: a tensor's shape, strides and offset must
lie inside its storage, whose bytes the container (`unpickle_files`) has compared with the file. A name that is not listed
raises, with what to do about it: whole modules, quantised and nested tensors, code.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes, layouts
from .backend import of
from .core import TensorBase, wrap
from .dtypes import dtype
from .storage import _TYPES, TypedStorage, UntypedStorage, _over
from .tensorfile import CheckpointError
from .unpickle import Builder, Machine, brief, find_in, names_in
from .unpickle_plain import (
    LIMIT,
    NumPyCode,
    counter,
    encode,
    make_bytearray,
    make_complex,
    make_device,
    make_frozenset,
    make_layout,
    make_set,
    make_size,
    not_called,
    numpy_array,
    numpy_buffer,
    numpy_dtype,
    numpy_scalar,
    once,
    pairs,
    set_array,
    whole_numbers,
)  # fmt: skip
from .views import overlaps

__all__ = ["StorageKind", "TorchReader"]


class StorageKind:
    """The type of a storage in a persistent id: its elements' dtype, None for bytes."""

    __slots__ = ("dtype", "name")

    def __init__(self, name: str, kind: dtype | None) -> None:
        self.name = name
        self.dtype = kind

    @property
    def element(self) -> np.dtype[Any]:
        """NumPy's dtype of the elements."""
        return np.dtype(np.uint8) if self.dtype is None else self.dtype.np

    def storage(self, flat: Any) -> TypedStorage:
        """The storage over a flat array."""
        if self.dtype is None:
            return _over(UntypedStorage, flat, None)
        return _over(_TYPES.get(self.dtype, TypedStorage), flat, self.dtype)


_DTYPES: dict[str, dtype] = {
    "float32": dtypes.float32, "float": dtypes.float32, "float64": dtypes.float64, "double": dtypes.float64,
    "float16": dtypes.float16, "half": dtypes.float16, "bfloat16": dtypes.bfloat16, "uint8": dtypes.uint8,
    "uint16": dtypes.uint16, "uint32": dtypes.uint32, "uint64": dtypes.uint64, "int8": dtypes.int8,
    "int16": dtypes.int16, "short": dtypes.int16, "int32": dtypes.int32, "int": dtypes.int32, "int64": dtypes.int64,
    "long": dtypes.int64, "bool": dtypes.bool_, "complex64": dtypes.complex64, "cfloat": dtypes.complex64,
    "complex128": dtypes.complex128, "cdouble": dtypes.complex128,
}  # fmt: skip
# Where PyTorch's storages can lie; a map_location may send them elsewhere.
_LOCATION = re.compile(
    r"(cpu|cuda|fpga|hip|hpu|ipu|lazy|maia|meta|mkldnn|mlu|mps|mtia|musa|npu|privateuseone|ve|vulkan|xla|xpu)(:[0-9]{1,3})?"
)

_REASONS = {
    "torch._utils._rebuild_qtensor": "quantised tensors do not exist here; dequantize() them before saving",
    "torch._utils._rebuild_nested_tensor": "nested tensors do not exist here; unbind() them before saving",
    "torch._utils._rebuild_meta_tensor_no_storage": "the file holds tensors of the meta device, which have no values",
    "torch._utils._rebuild_wrapper_subclass": "it is a tensor subclass; save plain tensors",
    "torch.storage._load_from_bytes": "it was written with pickle.dump; write it with torch.save",
}


# ---------------------------------------------------------------- tensors
def _view(machine: Machine, flat: Any, offset: Any, size: Any, stride: Any) -> Any:
    """The array of a geometry, counted in elements, in a flat array."""
    shape = whole_numbers(machine, size, "the shape of a tensor")
    strides = whole_numbers(machine, stride, "the strides of a tensor")
    (start,) = whole_numbers(machine, (offset,), "the offset of a tensor")
    if len(shape) != len(strides):
        raise machine.damaged(f"a tensor has {len(shape)} sizes and {len(strides)} strides")
    numel = math.prod(shape)
    if numel == 0:
        return flat[:0].reshape(shape)
    last = start + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if last >= flat.size or numel * flat.dtype.itemsize >= LIMIT:
        raise machine.damaged(
            f"a tensor of shape {brief(shape)}, strides {brief(strides)} and offset {start} needs {last + 1} elements of a "
            f"storage that has {flat.size}"
        )
    dense, step = True, 1
    for n, s in zip(reversed(shape), reversed(strides), strict=True):
        dense = dense and (s == step or n == 1)
        step *= n
    if dense:
        return flat[start : start + numel].reshape(shape)
    item = flat.dtype.itemsize
    if type(flat) is not np.ndarray:
        xp = of(flat).xp
        return xp.lib.stride_tricks.as_strided(flat[start:], shape, tuple(s * item for s in strides))
    found = np.ndarray(shape, flat.dtype, flat, start * item, tuple(s * item for s in strides))
    # More elements than memory overlap; asking `overlaps` would count them one by one.
    if numel > flat.size or overlaps(found):
        found.setflags(write=False)
    return found


def _finish(machine: Machine, array: Any, room: int, requires_grad: Any, hooks: Any, metadata: Any) -> TensorBase:
    """The tensor over an array whose storage has `room` elements."""
    if type(requires_grad) is not bool:
        raise machine.damaged(f"a tensor's requires_grad is {brief(requires_grad)}")
    if hooks is not None and (type(hooks) is not OrderedDict or hooks):
        raise machine.damaged("a tensor has hooks, which are code")
    marks = {} if metadata is None else metadata
    if type(marks) is not dict or any(k not in ("conj", "neg") or type(v) is not bool for k, v in marks.items()):
        raise machine.damaged(f"the marks of a tensor are {brief(metadata)}")
    if marks.get("conj") or marks.get("neg"):
        if array.size > room:
            raise machine.damaged("a tensor to be conjugated or negated repeats its elements")
        machine.spend(array.nbytes)
        array = array.conj() if marks.get("conj") else array
        array = -array if marks.get("neg") else array
    t = wrap(array)
    return t.requires_grad_() if requires_grad else t


def _tensor(machine: Machine, args: tuple[Any, ...]) -> TensorBase:
    """_rebuild_tensor(storage, offset, size, stride) and _rebuild_tensor_v2 (..., requires_grad, hooks, metadata)."""
    storage, offset, size, stride, *rest = args
    if not isinstance(storage, TypedStorage) or storage.dtype is None or len(rest) > 3:
        raise machine.damaged(f"a tensor stands over {brief(storage)}")
    requires_grad, hooks, metadata = (*rest, *(False, None, None)[len(rest) :])
    flat = storage._data
    return _finish(machine, _view(machine, flat, offset, size, stride), flat.size, requires_grad, hooks, metadata)


def _tensor_of_bytes(machine: Machine, args: tuple[Any, ...]) -> TensorBase:
    """_rebuild_tensor_v3(untyped storage, offset, size, stride, requires_grad, hooks, dtype, metadata)."""
    storage, offset, size, stride, requires_grad, hooks, kind, *rest = args
    if not isinstance(storage, TypedStorage) or not isinstance(kind, dtype) or len(rest) > 1:
        raise machine.damaged(f"a tensor of dtype {brief(kind)} stands over {brief(storage)}")
    flat = storage._data
    if storage.dtype is None:
        whole = flat.size // kind.itemsize * kind.itemsize
        flat = flat[:whole].view(kind.np)
        if kind is dtypes.bool_ and flat.size and bool(flat.view(np.uint8).max() > 1):
            raise machine.damaged("a tensor of bools has other values")
    elif storage.dtype is not kind:
        raise machine.damaged(f"a tensor of dtype {kind} stands over a storage of {storage.dtype}")
    array = _view(machine, flat, offset, size, stride)
    return _finish(machine, array, flat.size, requires_grad, hooks, rest[0] if rest else None)


def _parameter(machine: Machine, args: tuple[Any, ...]) -> Any:
    """_rebuild_parameter(data, requires_grad, hooks); a fourth part, attributes that a program hung on it, is left out."""
    from .tensor import Parameter

    data, requires_grad, hooks, *state = args
    if not isinstance(data, TensorBase) or type(requires_grad) is not bool or hooks or len(state) > 1:
        raise machine.damaged(f"a parameter is made of {brief(data)}")
    return Parameter(data, requires_grad=requires_grad)  # type: ignore[arg-type]


def _from_type(machine: Machine, args: tuple[Any, ...]) -> Any:
    """_rebuild_from_type_v2(function, type, arguments, state): a tensor with attributes, which are left out."""
    builder, kind, arguments, _ = args
    if type(kind) is not Builder or kind.name not in ("torch.Tensor", "torch.nn.parameter.Parameter"):
        raise machine.damaged(f"a tensor is of the class {brief(kind)}, which is not known here")
    if type(builder) is not Builder or builder.make is _from_type:
        raise machine.damaged(f"a tensor is made by {brief(builder)}")
    return machine.build(builder, arguments)


def _sparse(machine: Machine, args: tuple[Any, ...]) -> Any:
    """_rebuild_sparse_tensor(layout, (indices, values, size, is_coalesced) or (compressed, plain, values, size))."""
    from . import sparse

    layout, parts = args
    if type(parts) is not tuple or not 3 <= len(parts) <= 4:
        raise machine.damaged(f"a sparse tensor is made of {brief(parts)}")
    tensors = parts[: 2 if layout is layouts.sparse_coo else 3]
    for t in tensors:
        # Dense in memory, so that checking the indices takes no more of it than they do.
        if not isinstance(t, TensorBase) or not t._data.flags.c_contiguous:
            raise machine.damaged(f"a sparse tensor has {brief(t)} among its parts")
        machine.spend(t._data.nbytes)
    size = whole_numbers(
        machine, parts[2] if layout is layouts.sparse_coo else parts[3], "the shape of a sparse tensor"
    )
    if layout is layouts.sparse_coo:
        coalesced = parts[3] if len(parts) == 4 else None
        return sparse.sparse_coo_tensor(tensors[0], tensors[1], size, is_coalesced=coalesced)
    if layout in (layouts.sparse_csr, layouts.sparse_csc):
        return sparse.sparse_compressed_tensor(tensors[0], tensors[1], tensors[2], size, layout=layout)
    raise machine.damaged(f"a sparse tensor has the layout {brief(layout)}")


# ---------------------------------------------------------------- the list
def _table() -> dict[tuple[str, str], Any]:
    makers: dict[str, Callable[[Machine, tuple[Any, ...]], Any]] = {
        "collections.OrderedDict": pairs,
        "collections.Counter": counter,
        "_codecs.encode": encode,
        "builtins.bytearray": make_bytearray,
        "builtins.bytes": once(bytes),
        "builtins.complex": make_complex,
        "builtins.frozenset": make_frozenset,
        "builtins.set": make_set,
        "numpy.dtype": numpy_dtype,
        "numpy.ndarray": not_called,
        "numpy.core.multiarray.scalar": numpy_scalar,
        "numpy._core.multiarray.scalar": numpy_scalar,
        "numpy.core.multiarray._reconstruct": numpy_array,
        "numpy._core.multiarray._reconstruct": numpy_array,
        "numpy.core.numeric._frombuffer": numpy_buffer,
        "numpy._core.numeric._frombuffer": numpy_buffer,
        "torch.Size": make_size,
        "torch.Tensor": not_called,
        "torch.device": make_device,
        "torch.nn.parameter.Parameter": not_called,
        "torch.serialization._get_layout": make_layout,
        "torch._tensor._rebuild_from_type_v2": _from_type,
        "torch._utils._rebuild_parameter": _parameter,
        "torch._utils._rebuild_parameter_with_state": _parameter,
        "torch._utils._rebuild_sparse_tensor": _sparse,
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_tensor_v3": _tensor_of_bytes,
    }
    found: dict[tuple[str, str], Any] = {}
    for path, make in makers.items():
        module, _, name = path.rpartition(".")
        found[module, name] = Builder(path, make)
    for name, kind in _DTYPES.items():
        found["torch", name] = kind
    for kind, storage in _TYPES.items():
        for module in ("torch", "torch.cuda"):
            found[module, storage.__name__] = StorageKind(storage.__name__, kind)
    for module in ("torch", "torch.storage"):
        found[module, "UntypedStorage"] = StorageKind("UntypedStorage", None)
    return found


ALLOWED = _table()
_NO_TENSOR = Builder("a tensor", lambda machine, args: None)


class TorchReader:
    """Reads one pickle of a PyTorch checkpoint.

    budget: how many bytes may be taken beyond what the pickle itself describes. storage: from (kind, key, location, the
    rest of the persistent id) to the storage. tensors=False: build everything but them, in order to see the storages.
    """

    def __init__(
        self,
        data: memoryview,
        at: int,
        source: str,
        budget: int,
        storage: Callable[[StorageKind, str, str, tuple[Any, ...]], TypedStorage | None],
        tensors: bool = True,
    ) -> None:
        self.machine = Machine(data, at, source, self._find, self._persistent, self._attach, budget)
        self._begin = at
        self._storage = storage
        self._tensors = tensors

    def read(self) -> Any:
        """The object that was saved."""
        return self.machine.load()

    def place(self, function: Callable[[Any, str], Any], flat: Any, location: str) -> Any:
        """The flat array on the device where function(tensor, location) puts it; what that raises is not wrapped."""
        self.machine.calling = True
        found = function(wrap(flat), location)
        if not isinstance(found, TensorBase) or found._data.shape != flat.shape or found._data.dtype != flat.dtype:
            raise TypeError(
                f"load: map_location returned {brief(found)} for a storage of {flat.size} elements; return the tensor "
                "that it was given, moved to a device"
            )
        self.machine.calling = False
        return found._data

    def _find(self, module: str, name: str) -> Any:
        found = find_in(ALLOWED, module, name)
        if found is None:
            raise CheckpointError(self._refusal(module, name))
        return found if self._tensors or module not in ("torch._utils", "torch._tensor") else _NO_TENSOR

    def _refusal(self, module: str, name: str) -> str:
        machine = self.machine
        start = f"load: {machine.source}: the pickle names {module}.{name}"
        path = f"{module}.{name}"
        if path in _REASONS:
            return f"{start}: {_REASONS[path]}"
        others = names_in(machine.data, self._begin, machine.source)
        if any(n.startswith("torch.nn.modules.") for n in others):
            return (
                f"{start}: it is a whole module, and code is never loaded. Where it was made, write "
                "torch.save(model.state_dict(), path), and load that with load_state_dict() into a model made here"
            )
        if module == "torch" and (name.startswith(("float8", "float4", "quint", "qint", "complex32", "bits"))
                                  or name.endswith("Storage")):  # fmt: skip
            return f"{start}: that element type does not exist here; convert the tensors where the file was written"
        return (
            f"{start}, which is not on the list of what may be built: loading never runs code. Where you trust the file, "
            "save what is data in it: torch.save(model.state_dict(), path)"
        )

    def _persistent(self, pid: Any) -> TypedStorage | None:
        machine = self.machine
        if type(pid) is not tuple or not pid or pid[0] not in ("storage", "module"):
            raise machine.damaged(f"the pickle refers to {brief(pid)} outside it")
        if pid[0] == "module":
            raise CheckpointError(
                f"load: {machine.source} is a whole module, and code is never loaded. Where it was made, write "
                "torch.save(model.state_dict(), path), and load that with load_state_dict() into a model made here"
            )
        if not 5 <= len(pid) <= 6 or type(pid[1]) is not StorageKind:
            raise machine.damaged(f"a storage is of the type {brief(pid[1] if len(pid) > 1 else None)}")
        kind, key, location, numel = pid[1:5]
        if type(key) is not str or len(key) > 100 or type(location) is not str or not _LOCATION.fullmatch(location):
            raise machine.damaged(f"a storage is called {brief(key)} and lies on {brief(location)}")
        whole_numbers(machine, (numel,), "the size of a storage")
        return self._storage(kind, key, location, pid[4:])

    def _attach(self, target: Any, state: Any) -> None:
        machine = self.machine
        if type(target) is OrderedDict and type(state) is dict and set(state) <= {"_metadata"}:
            target.__dict__.update(state)  # the versions of the modules, which a state_dict carries
        elif type(target) is NumPyCode and type(state) is tuple and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            target.order = state[1]
        elif type(target) is np.ndarray:
            set_array(machine, target, state)
        else:
            raise machine.damaged(f"the pickle sets the state of {brief(target)} to {brief(state)}")
