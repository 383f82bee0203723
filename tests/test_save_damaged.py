"""`load` of other formats and of damaged files: a clear error, nothing executed, nothing absurd allocated.

Files of torch.save, and the random corruption of every format, are in test_checkpoint_safety.
"""

from __future__ import annotations

import io
import itertools
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
from retrograd.autograd.serialization import CheckpointError

pytest.importorskip("safetensors")


@given(st.binary(max_size=200), st.integers(0, 300), st.data())
@settings(max_examples=150)
def test_damaged_bytes_never_do_worse_than_an_error(noise, at, data):
    """A file with bytes overwritten loads or raises CheckpointError, and nothing else."""
    buffer = io.BytesIO()
    rg.save({"a": rg.arange(6).view(2, 3), "b": [1, (2.5, None)], "c": {"k": rg.ones(2).bool()}}, buffer)
    content = bytearray(buffer.getvalue())
    at %= len(content)
    content[at : at + len(noise)] = noise
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    try:
        rg.load(io.BytesIO(bytes(content)))
    except CheckpointError as error:
        assert str(error).startswith("load: ")


# ---------------------------------------------------------------- refusals when loading
class Evil:
    ran = False

    def __reduce__(self):
        return (setattr, (Evil, "ran", True))


def torch_zip():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Evil()))
        archive.writestr("archive/version", "3")
    return out.getvalue()


def npz():
    out = io.BytesIO()
    np.savez(out, a=np.ones(2))
    return out.getvalue()


def npy():
    out = io.BytesIO()
    np.save(out, np.ones(2))
    return out.getvalue()


def plain_zip():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "x")
    return out.getvalue()


@pytest.mark.parametrize(
    "content,match",
    [
        (torch_zip, "not on the list of what may be built: loading never runs code"),
        (lambda: pickle.dumps(Evil()), "pickle.*can run code"),
        (lambda: pickle.dumps({"a": 1}, protocol=2), "pickle"),
        (npz, "numpy.load"),
        (npy, "numpy.load"),
        (plain_zip, "zip archive"),
        (lambda: b"PK\x03\x04" + b"\0" * 50, "zip archive"),
        (lambda: b"\x89HDF\r\n\x1a\n" + b"\0" * 50, "HDF5"),
        (lambda: b"", "empty|no safetensors file"),
        (lambda: b"abc", "no safetensors file"),
        (lambda: b"hello world, this is text", "no safetensors file"),
        (lambda: b"\0" * 257 + b"ustar" + b"\0" * 200, "pickle"),
    ],
)
def test_other_formats_are_recognised_and_refused(content, match, tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(content())
    for weights_only in (True, False):
        with pytest.raises(CheckpointError, match=match):
            rg.load(path, weights_only=weights_only)
    with pytest.raises(ValueError, match=match):
        rg.load(io.BytesIO(content()))
    assert not Evil.ran


def file_of(header, body=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


F4 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "content,match",
    [
        (file_of({"a": F4}, b"\0" * 7), "ends at byte 8 of 7"),
        (file_of({"a": F4}, b"\0" * 9), "take 8 bytes but the file has 9"),
        (file_of({"a": F4}, b"\0" * 8, 2**62), "header claims 4611686018427387904 bytes"),
        (file_of({"a": F4}, b"\0" * 8, 10), "header is damaged"),
        (file_of(b"{]", b""), "header is damaged"),
        (file_of(b"{" + b'"a":[' * 20_000, b""), "header is damaged"),
        (file_of(b'{"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, "a": 1}'), "a name occurs twice"),
        (file_of({"a": 3}), "is described by 3"),
        (file_of({"a": {"dtype": "F32"}}), "is described by"),
        (file_of({"a": F4 | {"dtype": "F8_E4M3"}}, b"\0" * 8), "dtype 'F8_E4M3', which is not supported"),
        (file_of({"a": F4 | {"dtype": []}}, b"\0" * 8), "described|not supported"),
        (file_of({"a": F4 | {"shape": [3]}}, b"\0" * 8), "has 8 bytes"),
        (file_of({"a": F4 | {"shape": [-2]}}, b"\0" * 8), "has shape"),
        (file_of({"a": F4 | {"shape": [2.0]}}, b"\0" * 8), "has shape"),
        (file_of({"a": F4 | {"shape": [True]}}, b"\0" * 8), "has shape"),
        (file_of({"a": F4 | {"shape": [10**18, 10**18]}}, b"\0" * 8), "has 8 bytes"),
        (file_of({"a": F4 | {"shape": [2**61], "data_offsets": [0, 2**63]}}, b"\0" * 8), "ends at byte"),
        (file_of({"a": F4 | {"data_offsets": [8, 0]}}, b"\0" * 8), "has -8 bytes"),
        (file_of({"a": F4 | {"data_offsets": [0]}}, b"\0" * 8), "is described by"),
        (file_of({"a": F4, "b": F4}, b"\0" * 8), "begins at byte 0 and not at 8"),
        (file_of({"a": F4, "b": F4 | {"data_offsets": [12, 20]}}, b"\0" * 20), "begins at byte 12 and not at 8"),
        (file_of({"a": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}, b"\2"), "other than true and false"),
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_damaged_headers(content, match, tmp_path):
    with pytest.raises(CheckpointError, match=match):
        rg.load(io.BytesIO(content))
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(CheckpointError, match=match):
        rg.load(tmp_path / "f", mmap=True)


def test_a_huge_header_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "f"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", 200_000_000) + b"{")
        file.truncate(300_000_000)  # a file with a hole takes no space
    with pytest.raises(CheckpointError, match="more than 100000000 is refused"):
        rg.load(path)


@pytest.mark.parametrize(
    "structure",
    ["{", '{"tensor": "absent"}', '{"what": 1}', "{}", '{"dict": [1]}', '{"dtype": "float33"}', '{"items": [[1]]}',
     '{"items": [[[1], 2]]}', '{"complex": [1]}', '{"bytes": "%%%"}', '{"device": "tpu"}', '{"float": "x"}',
     '{"tensor": "a", "complex": "complex64"}', '{"tensor": "a", "device": "tpu"}', "[" * 100_000],
    ids=itertools.count(),
)  # fmt: skip
def test_damaged_structures(structure):
    header = {"__metadata__": {"format": "retrograd", "version": "1", "structure": structure}}
    header["a"] = {"dtype": "F64", "shape": [3], "data_offsets": [0, 24]}
    with pytest.raises(CheckpointError, match="description of the structure is damaged"):
        rg.load(io.BytesIO(file_of(header, b"\0" * 24)))


def test_newer_versions_are_refused():
    header = {"__metadata__": {"format": "retrograd", "version": "2", "structure": "null"}}
    with pytest.raises(CheckpointError, match="newer version"):
        rg.load(io.BytesIO(file_of(header)))
