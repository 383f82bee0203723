"""The two containers of `torch.save`: a zip archive (since 1.6), and pickles followed by raw storages (before).

Both are read from bytes that are already there (a mapped file): the sizes they claim are compared with what lies behind
them before memory is taken. The archive's entries must be stored, not compressed, and lie apart from each other, so they
cannot unpack to more than the file; the checksums of those that are used are verified.
"""

from __future__ import annotations

import io
import itertools
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from .storage import TypedStorage
from .tensorfile import CheckpointError, read_array
from .unpickle import Machine, brief
from .unpickle_torch import StorageKind, TorchReader

__all__ = ["is_legacy", "is_zip", "read_legacy", "read_zip"]

Place = Callable[[Any, str], Any]

_MAGIC = 0x1950A86A20F9469CFC6C
_MAGIC_BYTES = _MAGIC.to_bytes(10, "little")
_PROTOCOL = 1001
_NEWEST = 10  # version of the archive's format; PyTorch itself reads up to this one
_SYS_INFO = ("little_endian", "protocol_version", "type_sizes")


# ---------------------------------------------------------------- the archive
class _Bytes(io.RawIOBase):
    """Bytes as a file that is read without a copy of the whole."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        at = offset + (0, self._at, len(self._data))[whence]
        if at < 0:
            raise ValueError("a position before the file begins")
        self._at = at
        return at

    def read(self, size: int | None = -1) -> bytes:  # type: ignore[override]
        end = len(self._data) if size is None or size < 0 else self._at + size
        found = bytes(self._data[self._at : end])
        self._at += len(found)
        return found


class _Archive:
    """The entries of a zip archive as parts of the bytes: name -> (first byte, end, checksum)."""

    def __init__(self, data: memoryview, source: str) -> None:
        self.data = data
        self.source = source
        self.entries: dict[str, tuple[int, int, int]] = {}
        try:
            with zipfile.ZipFile(_Bytes(data)) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, ValueError, LookupError, OSError, RuntimeError, OverflowError, struct.error) as e:
            raise self.damaged(f"the zip archive cannot be read ({e})") from e
        names = [info.filename for info in infos]
        if not any(_is_pickle(name) for name in names):
            raise CheckpointError(_no_checkpoint(names, source))
        taken = []
        for info in infos:
            begin, end = self._span(info)
            if info.filename in self.entries:
                raise self.damaged(f"the entry {brief(info.filename)} occurs twice")
            self.entries[info.filename] = begin, end, info.CRC
            taken.append((info.header_offset, end))
        taken.sort()
        for (_, end), (begin, _) in itertools.pairwise(taken):
            if begin < end:
                raise self.damaged("entries of the zip archive overlap")

    def damaged(self, what: str) -> CheckpointError:
        return CheckpointError(f"load: {self.source}: {what}; the file is damaged or incomplete")

    def _span(self, info: zipfile.ZipInfo) -> tuple[int, int]:
        """First byte and end of an entry's contents."""
        name, at = brief(info.filename), info.header_offset
        if info.flag_bits & 1 or info.compress_type != zipfile.ZIP_STORED:
            raise CheckpointError(
                f"load: {self.source}: the entry {name} is compressed or encrypted, which torch.save never writes; pack the "
                "archive again without compression (zip -0)"
            )
        head = bytes(self.data[at : at + 30]) if at >= 0 else b""
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            raise self.damaged(f"the entry {name} is not where the zip archive says")
        names, extra = struct.unpack("<HH", head[26:30])
        own = bytes(self.data[at + 30 : at + 30 + names])
        if own != info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437"):
            raise self.damaged(f"the entry {name} is called {brief(own)} where it lies")
        begin = at + 30 + names + extra
        if info.file_size != info.compress_size or begin + info.file_size > len(self.data):
            raise self.damaged(f"the entry {name} claims {info.file_size} bytes at byte {begin}")
        return begin, begin + info.file_size

    def part(self, name: str, verify: bool = True) -> memoryview:
        """The contents of an entry; verify: compare the checksum."""
        if name not in self.entries:
            raise self.damaged(f"the zip archive has no entry {brief(name)}")
        begin, end, checksum = self.entries[name]
        found = self.data[begin:end]
        if verify and zlib.crc32(found) != checksum:
            raise self.damaged(f"the checksum of the entry {brief(name)} does not fit its contents")
        return found


def _is_pickle(name: str) -> bool:
    return name == "data.pkl" or name.endswith("/data.pkl")


def _no_checkpoint(names: list[str], source: str) -> str:
    if any(n.endswith(".npy") for n in names):
        return f"load: {source} is a NumPy .npz archive; read it with numpy.load and turn the arrays into tensors"
    return f"load: {source} is a zip archive, but no checkpoint; unpack it first"


def is_zip(data: np.ndarray) -> bool:
    """Whether the file begins as a zip archive does."""
    return data[:4].tobytes() == b"PK\x03\x04"


def read_zip(data: np.ndarray, source: str, place: Place, copy: bool) -> Any:
    """The object in a zip archive of torch.save. copy=False: the tensors stay in `data`, and are not checked first."""
    archive = _Archive(data.data, source)
    root = next(name for name in archive.entries if _is_pickle(name)).removesuffix("data.pkl")
    if f"{root}constants.pkl" in archive.entries:
        raise CheckpointError(
            f"load: {source} is a TorchScript archive, which is a program. Where PyTorch is installed, save its weights: "
            "torch.save(torch.jit.load(path).state_dict(), 'model.pt')"
        )
    version = bytes(archive.part(f"{root}version")[:20]).strip()
    if not version.isdigit():
        raise archive.damaged(f"the version of the format is {version!r}")
    if int(version) > _NEWEST:
        raise CheckpointError(
            f"load: {source} has version {int(version)} of PyTorch's format, and {_NEWEST} is the newest known here; write "
            "it again with safetensors"
        )
    order = "little"
    if f"{root}byteorder" in archive.entries:
        order = bytes(archive.part(f"{root}byteorder")[:20]).decode("latin-1")
        if order not in ("little", "big"):
            raise archive.damaged(f"the byte order is {order!r}")
    storages: dict[str, tuple[StorageKind, int, TypedStorage]] = {}

    def storage(kind: StorageKind, key: str, location: str, rest: tuple[Any, ...]) -> TypedStorage:
        numel = rest[0]
        if len(rest) != 1:
            raise archive.damaged(f"the storage {brief(key)} is described by too many values")
        if key in storages:
            if storages[key][:2] != (kind, numel):
                raise archive.damaged(f"the storage {brief(key)} is described twice, and not the same")
            return storages[key][2]
        raw = archive.part(f"{root}data/{key}", verify=copy)
        if numel * kind.element.itemsize != len(raw):
            raise archive.damaged(f"the storage {brief(key)} has {len(raw)} bytes for {numel} elements of {kind.name}")
        flat = np.frombuffer(raw, np.uint8) if raw else np.empty(0, np.uint8)
        aligned = not raw or flat.__array_interface__["data"][0] % kind.element.alignment == 0
        must_copy = copy or not aligned or order == "big" or not flat.flags.writeable
        flat = _swapped(flat, kind.element) if order == "big" else flat
        what = f"load: {source}: storage {key!r}"
        array = read_array(flat, kind.element, (numel,), must_copy, what)
        found = kind.storage(reader.place(place, array, location))
        storages[key] = kind, numel, found
        return found

    reader = TorchReader(archive.part(f"{root}data.pkl"), 0, source, len(archive.data), storage)
    return reader.read()


def _swapped(raw: np.ndarray, element: np.dtype[Any]) -> np.ndarray:
    """The bytes of elements in the other byte order; a complex number is two."""
    unit = element.itemsize // 2 if element.kind == "c" else element.itemsize
    return raw.copy().view(f"u{unit}").byteswap().view(np.uint8)


# ---------------------------------------------------------------- pickles and raw storages
def is_legacy(data: np.ndarray) -> bool:
    """Whether the file begins with the number that torch.save put first before version 1.6."""
    head = data[:40].tobytes()
    return head[:1] == b"\x80" and _MAGIC_BYTES in head


def read_legacy(data: np.ndarray, source: str, place: Place) -> Any:
    """The object in a file that torch.save wrote before version 1.6."""
    view = data.data

    def damaged(what: str) -> CheckpointError:
        return CheckpointError(f"load: {source}: {what}; the file is damaged or incomplete")

    def plain(at: int) -> tuple[Any, int]:
        machine = Machine(view, at, source)
        return machine.load(), machine.at

    magic, at = plain(0)
    protocol, at = plain(at)
    info, at = plain(at)
    if type(magic) is not int or magic != _MAGIC or type(protocol) is not int or protocol != _PROTOCOL:
        raise damaged(f"the file begins with {brief(magic)} and {brief(protocol)}")
    if type(info) is not dict or set(info) != set(_SYS_INFO):
        raise damaged("the description of the computer that wrote the file is not there")
    # The storages follow after the pickle that uses them, so it is gone through twice: for their types, then for all.
    declared: dict[str, tuple[StorageKind, int]] = {}

    def declare(kind: StorageKind, key: str, location: str, rest: tuple[Any, ...]) -> None:
        if declared.setdefault(key, (kind, rest[0])) != (kind, rest[0]):
            raise damaged(f"the storage {brief(key)} is described twice, and not the same")

    scan = TorchReader(view, at, source, len(view), declare, tensors=False)
    scan.read()
    end = scan.machine.at
    keys, begin = plain(end)
    if type(keys) is not list or any(type(k) is not str for k in keys) or sorted(keys) != sorted(declared):
        raise damaged(f"it describes {len(declared)} storages, and the list of those that follow is not the same")
    spans: dict[str, tuple[int, int]] = {}
    for key in keys:
        kind, numel = declared[key]
        count = int.from_bytes(view[begin : begin + 8], "little")
        begin, after = begin + 8, begin + 8 + numel * kind.element.itemsize
        if count != numel or after > len(view):
            raise damaged(f"the storage {brief(key)} of {numel} elements has {count} at byte {begin} of {len(view)}")
        spans[key] = begin, after
        begin = after
    if begin != len(view):
        raise damaged(f"{len(view) - begin} bytes follow after the last storage")
    whole: dict[str, Any] = {}
    parts: dict[tuple[str, Any, Any], TypedStorage] = {}

    def storage(kind: StorageKind, key: str, location: str, rest: tuple[Any, ...]) -> TypedStorage:
        numel, part = rest if len(rest) == 2 else (rest[0], None)
        if key not in whole:
            raw = data[slice(*spans[key])]
            array = read_array(raw, kind.element, (numel,), True, f"load: {source}: storage {key!r}")
            whole[key] = reader.place(place, array, location)
        _, offset, size = (None, 0, numel) if part is None else part
        if type(offset) is not int or type(size) is not int or not 0 <= offset <= offset + size <= numel:
            raise damaged(f"a part of the storage {brief(key)} lies outside it")
        if (key, offset, size) not in parts:
            parts[key, offset, size] = kind.storage(whole[key][offset : offset + size])
        return parts[key, offset, size]

    reader = TorchReader(view[:end], at, source, len(view), storage)
    return reader.read()
