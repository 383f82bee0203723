"""Saving and loading: `save` writes one safetensors file; `load` reads it, other safetensors files, and PyTorch's `.pt`.

The file holds every array once, under a readable name, so that any safetensors reader can open it; how the arrays hang
together (dictionaries, lists, scalars, ties) is JSON in the file's metadata, and so are checksums of all of it. Nothing is
ever pickled; PyTorch's pickles are read by a machine of our own that builds data only (`unpickle`).
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from . import backend
from .core import TensorBase, wrap
from .device import as_device, device
from .dtypes import as_dtype, bfloat16, dtype
from .errors import DeviceError
from .tensorfile import HEADER_LIMIT, CheckpointError, Span, check_entries, read_array, read_header, write_whole

__all__ = ["CheckpointError", "load", "save"]

MARK = "retrograd"

PathOrFile = str | os.PathLike[str] | IO[bytes]
MapLocation = str | device | dict[str, str] | Callable[[Any, str], Any] | None


# ---------------------------------------------------------------- saving
def save(obj: Any, f: PathOrFile) -> None:
    """Save nested data to one safetensors file.

    obj: dictionaries (keys: str, int, float, bool, None, tuples of these), OrderedDict, Counter, lists, tuples, str,
    bytes, int, float, complex, bool, None, tensors, parameters, NumPy arrays and scalars, dtypes and devices, nested as
    you like. f: a path, or a file opened for writing bytes.

    A tensor that occurs several times is stored once and is one tensor again after `load`; so are tensors over the same
    memory. Tensors keep dtype, device, requires_grad and whether they are parameters, but not their graph. The file
    appears under its name only when it is complete: a failure on the way leaves an older file as it was.

    Raises TypeError for a module, an optimizer or a scheduler (save its `state_dict()`) and for other objects, naming
    the place in the structure; ValueError for a structure that contains itself.

    >>> import os, tempfile
    >>> import retrograd as rg
    >>> path = os.path.join(tempfile.mkdtemp(), "state.safetensors")
    >>> rg.save({"weight": rg.ones(2), "epoch": 3}, path)
    >>> rg.load(path)
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    writer = _Writer()
    try:
        structure = json.dumps(writer.encode(obj, "state", ""), allow_nan=False)
    except RecursionError:
        raise ValueError("save: the structure is nested too deeply (hundreds of levels); flatten it") from None
    metadata = {"format": MARK, "version": "1", "structure": structure}
    if writer.aliases:
        metadata["aliases"] = json.dumps(writer.aliases)
    metadata["checksums"] = json.dumps(
        {k: zlib.crc32(a.reshape(-1).view(np.uint8).data) for k, a in writer.entries.items()}
    )
    metadata["checksum"] = _checksum(metadata, {name: (a.dtype, a.shape) for name, a in writer.entries.items()})
    if sum(map(len, metadata.values())) + 200 * len(writer.entries) > HEADER_LIMIT:
        raise ValueError(
            f"save: the structure without its arrays needs more than {HEADER_LIMIT // 10**6} MB of text, which no "
            "safetensors reader accepts; put long lists of numbers into arrays"
        )
    if hasattr(f, "write"):
        from safetensors.numpy import save as to_bytes

        f.write(to_bytes(writer.entries, metadata))  # type: ignore[union-attr]
        return
    write_whole(os.path.realpath(os.fsdecode(f)), writer.entries, metadata)  # type: ignore[arg-type]


def _checksum(metadata: dict[str, str], kinds: dict[str, tuple[np.dtype[Any], tuple[int, ...]]]) -> str:
    """One number for all that the header says, except where the arrays lie."""
    texts = sorted([k, v] for k, v in metadata.items() if k != "checksum")
    arrays = [[name, kind.name, *shape] for name, (kind, shape) in sorted(kinds.items())]
    return str(zlib.crc32(json.dumps([texts, arrays]).encode()))


class _Writer:
    """Takes a structure apart into JSON and arrays.

    entries: name -> contiguous array. aliases: place -> name, for arrays that were stored already. JSON values stand
    for themselves, lists for lists; everything else is an object with one key that says what it is.
    """

    def __init__(self) -> None:
        self.entries: dict[str, np.ndarray] = {}
        self.aliases: dict[str, str] = {}
        self._names: dict[Any, str] = {}
        self._kept: list[Any] = []  # addresses are compared, so the memory must stay taken until the end
        self._above: set[int] = set()

    def encode(self, x: Any, place: str, path: str) -> Any:
        """place: where x is, as Python would write it (for messages); path: the same as a tensor's name."""
        kind = type(x)
        if x is None or kind in (bool, int, str):
            return x
        if kind is float:
            return x if math.isfinite(x) else {"float": repr(x)}
        if kind is complex:
            return {"complex": [self.encode(x.real, place, path), self.encode(x.imag, place, path)]}
        if kind is bytes:
            return {"bytes": base64.b64encode(x).decode("ascii")}
        if isinstance(x, TensorBase):
            return self._tensor(x, place, path)
        if isinstance(x, np.ndarray):
            return {"array": self._store(x, place, path), **self._marks(x)}
        if isinstance(x, np.generic):
            return {"scalar": self._store(np.asarray(x), place, path), **self._marks(np.asarray(x))}
        if isinstance(x, dtype):
            return {"dtype": x.name}
        if isinstance(x, device):
            return {"device": str(x)}
        if kind in (dict, OrderedDict, Counter, list, tuple):
            if id(x) in self._above:
                raise ValueError(f"save: {place} contains itself; a file can only hold a tree")
            self._above.add(id(x))
            try:
                return self._container(x, kind, place, path)
            finally:
                self._above.discard(id(x))
        raise TypeError(_refusal(x, place))

    def _container(self, x: Any, kind: type, place: str, path: str) -> Any:
        if kind is list or kind is tuple:
            parts = [self.encode(v, f"{place}[{i}]", _join(path, i)) for i, v in enumerate(x)]
            return parts if kind is list else {"tuple": parts}
        keys = [self._key(k, place) for k in x]
        values = [self.encode(v, f"{place}[{k!r}]", _join(path, k)) for k, v in x.items()]
        if kind is dict and all(type(k) is str for k in keys):
            return {"dict": dict(zip(keys, values, strict=True))}
        name = {dict: "items", OrderedDict: "ordered", Counter: "counter"}[kind]
        return {name: [list(pair) for pair in zip(keys, values, strict=True)]}

    def _key(self, key: Any, place: str) -> Any:
        if type(key) is tuple:
            return {"tuple": [self._key(k, place) for k in key]}
        if key is None or type(key) in (bool, int, float, str):
            return self.encode(key, place, "")
        raise TypeError(
            f"save: {place} has the key {key!r} of type {type(key).__name__}; keys can be str, int, float, bool, None "
            "or tuples of these"
        )

    def _tensor(self, t: Any, place: str, path: str) -> dict[str, Any]:
        a = t._data
        found: dict[str, Any] = {"tensor": self._store(a, place, path), **self._marks(a)}
        if t.requires_grad:
            found["requires_grad"] = True
        if type(t).__name__ != "Tensor":
            found["parameter"] = True
        where = backend.of(a).device_of(a)
        if where.type != "cpu":
            found["device"] = str(where)
        return found

    @staticmethod
    def _marks(a: Any) -> dict[str, str]:
        """Complex numbers are stored as pairs of real ones, because the format lacks complex128."""
        return {"complex": a.dtype.name} if a.dtype.kind == "c" else {}

    def _store(self, a: Any, place: str, path: str) -> str:
        """The name under which an array is stored, storing it if that memory has not been stored yet."""
        address = a.__array_interface__["data"][0] if isinstance(a, np.ndarray) else a.data.ptr
        key = (type(a), address, a.shape, a.strides, a.dtype.str, a.dtype.name) if a.size else id(a)
        if key in self._names:
            self.aliases[path] = self._names[key]
            return self._names[key]
        self._kept.append(a)
        host = np.asarray(backend.of(a).to_numpy(a))
        if host.dtype.kind not in "biufc" and host.dtype != bfloat16.np:
            raise TypeError(
                f"save: {place} is an array of dtype {host.dtype}; arrays of numbers and bools can be saved "
                "(.tolist() turns text into lists)"
            )
        if host.dtype.itemsize > 8 and host.dtype.kind == "f" or host.dtype.itemsize > 16:
            raise TypeError(f"save: {place} is an array of dtype {host.dtype}; cast it to float64 or complex128")
        # safetensors writes the memory as it lies: a strided array would be written wrongly without a word.
        host = np.array(host, dtype=host.dtype.newbyteorder("="), order="C", copy=None)
        if host.dtype.kind == "c":
            host = host.reshape(*host.shape, 1).view(f"f{host.dtype.itemsize // 2}")  # (...) complex -> (..., 2) real
        name = base = _printable(path) or "value"
        count = 1
        while name in self.entries or name == "__metadata__":
            count += 1
            name = f"{base}#{count}"
        self.entries[name] = host
        self._names[key] = name
        return name


def _join(path: str, key: Any) -> str:
    part = ",".join(map(str, key)) if isinstance(key, tuple) else str(key)
    return f"{path}.{part}" if path else part


def _printable(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _refusal(x: Any, place: str) -> str:
    kind = type(x).__name__
    if callable(getattr(x, "state_dict", None)):
        return (
            f"save: {place} is a whole {kind}, and code is never saved; save its state_dict() and load it with "
            f"load_state_dict() into a {kind} made by the program"
        )
    if isinstance(x, dict):
        return f"save: {place} is a {kind}, which would lose its type; convert it with dict(...)"
    if isinstance(x, tuple):
        return f"save: {place} is a {kind}, which would lose its type; convert it with tuple(...) or ._asdict()"
    if isinstance(x, (int, float, str)):
        return f"save: {place} is a {kind}, which would lose its type; convert it to int, float or str"
    return (
        f"save: {place} is a {type(x).__module__}.{type(x).__qualname__}; tensors, arrays, numbers, strings, bytes, "
        "None, dtypes and devices in dictionaries, lists and tuples can be saved"
    )


# ---------------------------------------------------------------- loading
def load(
    f: PathOrFile, map_location: MapLocation = None, *, weights_only: bool = True, mmap: bool | None = None
) -> Any:
    """Load what `save` wrote, any other safetensors file (as a dictionary of tensors), or what torch.save wrote.

    f: a path, or a file opened for reading bytes. map_location: where tensors go: a device, a dictionary from saved to
    wanted device, or `f(tensor, saved_device)` that returns a tensor (None: where they were saved). mmap: map the file
    instead of reading it; parts are read when they are used, and writes stay private to the process.

    PyTorch's `.pt` and `.pth` files are read without PyTorch, in the zip format and in the one before version 1.6, as
    torch.load(weights_only=True) reads them: tensors of all dtypes that exist here, with their strides and shared
    memory, parameters, sparse tensors, containers, numbers, text, sizes, dtypes, devices, and NumPy's numbers and arrays.
    Nothing that such a file names is ever imported or called, so weights_only=False changes nothing. There map_location
    as a function is given each storage, as a flat tensor.

    Raises CheckpointError (a ValueError and a RuntimeError) for another format, a whole module in place of a state_dict,
    and a damaged file (checksums are verified, but not with mmap=True); DeviceError when a saved device is absent and
    map_location is None.

    >>> import io
    >>> import retrograd as rg
    >>> buffer = io.BytesIO()
    >>> rg.save([rg.arange(3), {"lr": 0.1}], buffer)
    >>> _ = buffer.seek(0)
    >>> rg.load(buffer)
    [tensor([0, 1, 2]), {'lr': 0.1}]
    """
    if hasattr(f, "read"):
        if mmap:
            raise ValueError("load: mmap=True needs a path, not an open file")
        data = np.frombuffer(f.read(), np.uint8)  # type: ignore[union-attr]
        return _read(data, getattr(f, "name", "the file"), map_location, copy=True)
    path = os.fsdecode(f)  # type: ignore[arg-type]
    size = os.path.getsize(path)
    if size == 0:
        raise CheckpointError(f"load: {path} is empty; the program that wrote it was cut off")
    if mmap:
        return _read(np.memmap(path, np.uint8, mode="c"), path, map_location, copy=False)
    # Mapped for reading too: the checks touch only the header, and each array is copied once.
    return _read(np.memmap(path, np.uint8, mode="r"), path, map_location, copy=True)


def _read(data: np.ndarray, source: str, map_location: MapLocation, copy: bool) -> Any:
    """The structure in the bytes of a file, by the format that its first bytes show."""
    if data[:1].tobytes() in (b"P", b"\x80"):
        from . import unpickle_files

        if unpickle_files.is_zip(data):
            return unpickle_files.read_zip(data, source, _placer(map_location), copy)
        if unpickle_files.is_legacy(data):
            if not copy:
                raise CheckpointError(
                    f"load: {source} is in PyTorch's format before version 1.6, which cannot be mapped; leave mmap=True out"
                )
            return unpickle_files.read_legacy(data, source, _placer(map_location))
    return _read_safetensors(data, source, map_location, copy)


def _read_safetensors(data: np.ndarray, source: str, map_location: MapLocation, copy: bool) -> Any:
    header, begin = read_header(data, source)
    metadata = header.pop("__metadata__", {})
    spans = check_entries(header, data.size - begin, source)
    body = data[begin:]
    arrays: dict[str, np.ndarray] = {}
    checksums = _verified(metadata, spans, source)

    def array(name: str) -> np.ndarray:
        if name not in arrays:
            kind, shape, start, end = spans[name]
            if copy and checksums is not None and zlib.crc32(body[start:end].data) != checksums.get(name):
                raise CheckpointError(
                    f"load: {source}: the checksum of tensor {name!r} does not fit its bytes; the file is damaged"
                )
            arrays[name] = read_array(body[start:end], kind, shape, copy, f"load: {source}: tensor {name!r}")
        return arrays[name]

    place = _placer(map_location)
    if not isinstance(metadata, dict) or "structure" not in metadata:  # written by another program
        return {name: place(wrap(array(name)), "cpu") for name in spans}
    reader = _Reader(array, place)
    try:
        if metadata.get("version") != "1":
            raise CheckpointError(
                f"load: {source} was written by a newer version of this library (format version "
                f"{metadata.get('version')!r}, known: '1'); update it"
            )
        return reader.decode(json.loads(metadata["structure"]))
    except CheckpointError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, DeviceError, StopIteration) as error:
        if reader.placing:  # the error is map_location's
            raise
        raise CheckpointError(
            f"load: {source}: the description of the structure is damaged ({type(error).__name__}: {error}); the "
            "arrays can still be read with safetensors.numpy.load_file"
        ) from error


def _verified(metadata: Any, spans: dict[str, Span], source: str) -> dict[str, int] | None:
    """The checksums of the arrays, once that of the header is right; None in a file without them."""
    if not isinstance(metadata, dict) or "checksum" not in metadata:
        return None
    checksums = None
    with contextlib.suppress(LookupError, TypeError, ValueError, RecursionError):
        if metadata["checksum"] == _checksum(metadata, {name: span[:2] for name, span in spans.items()}):
            checksums = json.loads(metadata["checksums"])
    if not isinstance(checksums, dict):
        raise CheckpointError(f"load: {source}: the checksum of the header does not fit; the file is damaged")
    return checksums


class _Reader:
    """Puts a structure together again from its JSON and the arrays."""

    def __init__(self, array: Callable[[str], np.ndarray], place: Callable[[Any, str], Any]) -> None:
        self._array = array
        self._place = place
        self._made: dict[str, Any] = {}  # tied tensors become one object again
        self.placing = False

    def decode(self, x: Any) -> Any:
        if isinstance(x, list):
            return [self.decode(v) for v in x]
        if not isinstance(x, dict):
            return x
        tag = next(iter(x))
        value = x[tag]
        if tag == "dict":
            return {k: self.decode(v) for k, v in value.items()}
        if tag in ("items", "ordered", "counter"):
            pairs = [(self.decode(k), self.decode(v)) for k, v in value]
            return {"items": dict, "ordered": OrderedDict, "counter": lambda p: Counter(dict(p))}[tag](pairs)
        if tag == "tuple":
            return tuple(self.decode(v) for v in value)
        if tag in ("tensor", "array", "scalar"):
            key = json.dumps(x, sort_keys=True)
            if key not in self._made:
                self._made[key] = self._leaf(tag, self._complex(self._array(value), x.get("complex")), x)
            return self._made[key]
        if tag == "float":
            return float(value)
        if tag == "complex":
            return complex(self.decode(value[0]), self.decode(value[1]))
        if tag == "bytes":
            return base64.b64decode(value, validate=True)
        if tag == "dtype":
            return as_dtype(value)
        if tag == "device":
            return device(value)
        raise ValueError(f"unknown kind of value {tag!r}")

    @staticmethod
    def _complex(a: np.ndarray, name: str | None) -> np.ndarray:
        """(..., 2) real -> (...) complex, where the structure says so."""
        return a if name is None else a.view(np.dtype(name)).reshape(a.shape[:-1])

    def _leaf(self, tag: str, a: np.ndarray, marks: dict[str, Any]) -> Any:
        if tag == "array":
            return a
        if tag == "scalar":
            return a[()]
        where = str(device(marks.get("device", "cpu")))
        self.placing = True
        t = self._place(wrap(a), where)
        self.placing = False
        if marks.get("parameter"):
            from .tensor import Parameter

            return Parameter(t, requires_grad=bool(marks.get("requires_grad")))
        return t.requires_grad_() if marks.get("requires_grad") else t


def _placer(map_location: MapLocation) -> Callable[[Any, str], Any]:
    """What brings a loaded tensor to its device, from (tensor on the CPU, name of the device it was saved from)."""
    if map_location is None:

        def stay(t: Any, saved: str) -> Any:
            try:
                return t if saved == "cpu" else t.to(saved)
            except DeviceError as e:
                raise DeviceError(
                    f"load: tensors were saved on {saved!r}, which cannot be used here; pass map_location='cpu' ({e})"
                ) from e

        return stay
    if isinstance(map_location, dict):
        wanted = {str(k): str(v) for k, v in map_location.items()}
        return lambda t, saved: t.to(wanted.get(saved, saved))
    if callable(map_location) and not isinstance(map_location, device):

        def ask(t: Any, saved: str) -> Any:
            found = map_location(t, saved)
            return t.to(saved) if found is None else found

        return ask
    target = as_device(map_location)
    return lambda t, saved: t.to(target)
