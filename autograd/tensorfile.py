"""The safetensors format: a file written whole or not at all, and a header checked before a byte is allocated for it.

The format is an 8-byte little-endian length, a JSON header of that length, and the raw arrays. Writing is left to the
safetensors package; reading is done here, because the package's NumPy reader lacks bfloat16 in bytes and says little
about what is wrong with a file.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from typing import Any

import numpy as np

from .dtypes import bfloat16

__all__ = ["HEADER_LIMIT", "CheckpointError", "Span", "check_entries", "read_array", "read_header", "write_whole"]

HEADER_LIMIT = 100_000_000  # bytes; the limit of the safetensors package
_DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_), "U8": np.dtype(np.uint8), "U16": np.dtype(np.uint16), "U32": np.dtype(np.uint32),
    "U64": np.dtype(np.uint64), "I8": np.dtype(np.int8), "I16": np.dtype(np.int16), "I32": np.dtype(np.int32),
    "I64": np.dtype(np.int64), "F16": np.dtype(np.float16), "F32": np.dtype(np.float32), "F64": np.dtype(np.float64),
    "C64": np.dtype(np.complex64),
}  # fmt: skip

Span = tuple[np.dtype[Any], tuple[int, ...], int, int]  # dtype, shape, first byte, end


class CheckpointError(ValueError, RuntimeError):
    """A file is no checkpoint that can be read here: another format, or damaged; with what was found, and a way out."""


def write_whole(target: str, entries: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write under a temporary name in the same folder, then rename, so that the name never shows half a file."""
    from safetensors.numpy import save_file

    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:100]}.{os.urandom(6).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            mode = os.stat(target if os.path.exists(target) else file.fileno()).st_mode & 0o777
        save_file(entries, temporary, metadata)
        os.chmod(temporary, mode)  # the package makes files that only their owner can read
        _sync(temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    if os.name == "posix":
        _sync(folder)


def _sync(path: str) -> None:
    """Have the operating system put a file, or a folder's list of names, on the disk."""
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_header(data: np.ndarray, source: str) -> tuple[dict[str, Any], int]:
    """(the parsed header, where the arrays begin); every size in it is checked before anything is allocated."""
    size = data.size
    length = int.from_bytes(data[:8].tobytes(), "little")
    if size < 9 or data[8] != ord("{") or length > size - 8:
        raise CheckpointError(_other_format(data, length, source))
    if length > HEADER_LIMIT:
        raise CheckpointError(
            f"load: {source}: the header claims {length} bytes; more than {HEADER_LIMIT} is refused as damaged"
        )
    try:
        header = json.loads(data[8 : 8 + length].tobytes().decode("utf-8"), object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"load: {source}: the header is damaged ({error})") from error
    return header, 8 + length


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def check_entries(header: dict[str, Any], room: int, source: str) -> dict[str, Span]:
    """name -> (dtype, shape, first byte, end) of every tensor, if they fill the file without gap or overlap."""

    def damaged(name: str, what: str) -> CheckpointError:
        return CheckpointError(f"load: {source}: tensor {name!r} {what}; the file is damaged or incomplete")

    found = {}
    for name, entry in header.items():
        try:
            code, shape, (start, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
            kind = bfloat16.np if code == "BF16" else _DTYPES.get(code)
            numbers = (*shape, start, end)
        except (KeyError, TypeError, ValueError):
            raise damaged(name, f"is described by {str(entry)[:80]}") from None
        if any(type(n) is not int or n < 0 for n in numbers):
            raise damaged(name, f"has shape {shape} at bytes {start} to {end}")
        if kind is None:
            raise CheckpointError(
                f"load: {source}: tensor {name!r} has the dtype {code!r}, which is not supported; cast it to one of "
                f"{', '.join(sorted([*_DTYPES, 'BF16']))} where the file was written"
            )
        if end - start != math.prod(shape) * kind.itemsize:
            raise damaged(name, f"of shape {shape} and dtype {code} has {end - start} bytes")
        if end > room:
            raise damaged(name, f"ends at byte {end} of {room}")
        found[name] = (kind, shape, start, end)
    at = 0
    for name, (_, _, start, end) in sorted(found.items(), key=lambda item: item[1][2:]):
        if start != at:
            raise damaged(name, f"begins at byte {start} and not at {at}")
        at = end
    if at != room:
        raise CheckpointError(
            f"load: {source}: the tensors take {at} bytes but the file has {room}; it is damaged or incomplete"
        )
    return found


def read_array(raw: np.ndarray, kind: np.dtype[Any], shape: tuple[int, ...], copy: bool, what: str) -> np.ndarray:
    if kind.kind == "b" and raw.size and raw.max() > 1:
        raise CheckpointError(f"{what} has values other than true and false; the file is damaged")
    if copy:
        raw = np.array(raw, subok=False)  # owned, aligned and writable
    else:
        raw = raw.view(np.ndarray)
    found = raw.view(kind).reshape(shape)
    return found if sys.byteorder == "little" else found.byteswap()


def _other_format(data: np.ndarray, length: int, source: str) -> str:
    """The message about a file that is no safetensors file, by what its first bytes say it is."""
    head = data[:300].tobytes()
    if head[:6] == b"\x93NUMPY":
        return f"load: {source} is a NumPy .npy file; read it with numpy.load and from_numpy"
    if head[:1] == b"\x80" and head[1:2] <= b"\x05" or head[257:262] == b"ustar":
        return (
            f"load: {source} is a pickle, and not one that torch.save wrote (or older than 2017): it can run code, so it is "
            "not read. Load it where you trust it, and write it again with torch.save or safetensors"
        )
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        return f"load: {source} is an HDF5 file; read it with h5py"
    if data.size >= 9 and data[8] == ord("{"):
        return f"load: {source}: the header claims {length} bytes, the file has {data.size}: damaged or incomplete"
    return f"load: {source} is no safetensors file (it begins with {head[:9]!r}); files written by save() are"
