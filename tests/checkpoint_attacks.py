"""Damaged and malicious checkpoints, and a process that loads them under guard. Used by test_checkpoint_safety.

Run as a program, `checkpoint_attacks.py FOLDER COUNT SEED`: it reads the good checkpoints in FOLDER, corrupts each COUNT
times and loads what comes out, then loads every attack, and prints a report as JSON. An audit hook notes whatever a load
does besides computing: imports, compiled or executed code, processes, files, sockets.
"""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import struct
import sys
import time
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np

import retrograd as rg
from retrograd.autograd.tensorfile import CheckpointError

# Events of the interpreter that no load of bytes in memory has a reason for.
FORBIDDEN = (
    "compile", "exec", "import", "open", "os.", "pickle.find_class", "shutil.", "socket.", "subprocess.", "ctypes.",
    "code.", "builtins.input", "marshal.", "function.__new__", "object.__setattr__", "sys.addaudithook",
)  # fmt: skip


class Named(io.BytesIO):
    """Bytes as a file with a name, which messages must mention."""

    name = "folder/model.bin"


# ---------------------------------------------------------------- random corruption
def corrupt(content: bytes, rng: np.random.Generator) -> tuple[bytes, int, int]:
    """(a damaged copy that differs, first changed byte, end of the change); the end is -1 where the length changed."""
    while True:
        data = bytearray(content)
        at = int(rng.integers(len(data)))
        # Half of the damage goes to the front and the back: headers, pickles, the directory of an archive.
        if rng.random() < 0.5:
            at = int(rng.integers(min(3000, len(data))))
            at = at if rng.random() < 0.5 else len(data) - 1 - at
        length = int(rng.choice([1, 1, 2, 4, 8, 64, 500]))
        kind = rng.integers(7)
        end = min(at + length, len(data))
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
            end = at + 1
        elif kind == 1:
            data[at:end] = rng.bytes(end - at)
        elif kind == 2:
            data[at:end] = bytes([int(rng.choice([0, 255]))]) * (end - at)
        elif kind == 3:
            del data[at:]
            end = -1
        elif kind == 4:
            del data[at:end]
            end = -1
        elif kind == 5:
            data[at:at] = rng.bytes(length)
            end = -1
        else:
            source = int(rng.integers(len(data)))
            data[at:end] = data[source : source + end - at].ljust(end - at, b"\0")
        if bytes(data) != content:
            return bytes(data), at, end


def signature(x, values: bool):
    """What a loaded object is: types, keys, shapes, dtypes, and with values=True every number and bit."""
    if isinstance(x, rg.Tensor) and x.layout is not rg.strided:
        return ["sparse", list(x.shape), signature(x.to_dense(), values)]
    if isinstance(x, rg.Tensor):
        found = [type(x).__name__, str(x.dtype), list(x.shape), list(x.stride()), x.requires_grad]
        return [*found, x.detach().numpy().tobytes().hex()] if values else found
    if isinstance(x, dict):
        metadata = getattr(x, "_metadata", None)
        pairs = [[repr(k), signature(v, values)] for k, v in x.items()]
        return [type(x).__name__, pairs, signature(metadata, values)]
    if isinstance(x, (list, tuple)):
        return [type(x).__name__, [signature(v, values) for v in x]]
    return [type(x).__name__, repr(x) if values else ""]


# ---------------------------------------------------------------- attacks
def zipped(pkl: bytes, storages=None, version=b"3\n", **options) -> bytes:
    """A zip checkpoint with this pickle."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pkl, **options)
        archive.writestr("archive/byteorder", b"little")
        for key, raw in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", raw)
        archive.writestr("archive/version", version)
    return out.getvalue()


def legacy(pkl: bytes, storages=None, counts=None) -> bytes:
    """A checkpoint in the format before 1.6 with this pickle; storages: key -> float32 bytes."""
    storages = storages or {}
    info = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [0x1950A86A20F9469CFC6C, 1001, info]
    out = b"".join(pickle.dumps(p, 2) for p in parts) + pkl + pickle.dumps(list(storages), 2)
    for key, raw in storages.items():
        out += struct.pack("<q", len(raw) // 4 if counts is None else counts[key]) + raw
    return out


def text(s: str) -> bytes:
    return b"X" + struct.pack("<I", len(s.encode())) + s.encode()


def call(module: str, name: str, arguments: bytes) -> bytes:
    return f"c{module}\n{name}\n".encode() + b"(" + arguments + b"tR"


def number(n: int) -> bytes:
    raw = n.to_bytes((n.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(values) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def storage(kind="FloatStorage", key="0", location="cpu", numel=4, legacy_view=False) -> bytes:
    parts = text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text(location) + number(numel)
    return b"(" + parts + (b"N" if legacy_view else b"") + b"tQ"


def tensor(offset=0, size=(4,), stride=(1,), store=None, tail=b"\x89N", name="_rebuild_tensor_v2") -> bytes:
    store = storage() if store is None else store
    return call("torch._utils", name, store + number(offset) + numbers(size) + numbers(stride) + tail)


def whole(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


def laughing(first: bytes, more: bytes, levels: int) -> bytes:
    """An object of which each level holds the one below several times, by the memo."""
    found = first
    for i in range(levels):
        found += b"q%c0" % i + more.replace(b"%c", b"%c" % i)
    return found


FOUR = {"0": np.arange(4, dtype=np.float32).tobytes()}


def pickles() -> dict[str, bytes]:
    """Pickles that try to run something, or to take memory far beyond their size; name -> bytes."""
    empty = b"ccollections\nOrderedDict\n)R"
    laughs = laughing(b"]", b"(" + b"h%c" * 10 + b"l", 40)
    tuples = laughing(b")", b"h%ch%c\x86", 60)
    deep = b")" + b"\x85" * 30_000
    long_text = b"\x8d" + struct.pack("<Q", 20_000) + b"x" * 20_000
    encode = b"c_codecs\nencode\nq\x01" + long_text + text("latin1") + b"\x86q\x020"
    parts = storage() + number(0) + numbers((4,)) + numbers((1,)) + b"\x89N}" + text("neg") + b"\x88s"
    negate = b"ctorch._utils\n_rebuild_tensor_v2\nq\x01(" + parts + b"tq\x02R"
    return {
        "os.system": whole(call("os", "system", text("touch /tmp/owned"))),
        "posix.system": whole(call("posix", "system", text("touch /tmp/owned"))),
        "subprocess": whole(call("subprocess", "check_output", text("id"))),
        "eval": whole(call("builtins", "eval", text("__import__('os').system('id')"))),
        "eval of Python 2": whole(call("__builtin__", "eval", text("1"))),
        "exec": whole(call("builtins", "exec", text("x = 1"))),
        "import": whole(call("builtins", "__import__", text("os"))),
        "getattr of an allowed class": whole(
            call("builtins", "getattr", b"ccollections\nOrderedDict\n" + text("__init__"))
        ),
        "attribute of an allowed function": whole(b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n."),
        "dotted name on the stack": b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.",
        "operator.attrgetter": whole(call("operator", "attrgetter", text("x"))),
        "functools.partial": whole(call("functools", "partial", b"cos\nsystem\n")),
        "torch.load": whole(call("torch", "load", text("other.pt"))),
        "torch.hub": whole(call("torch.hub", "load", text("x"))),
        "_load_from_bytes": whole(call("torch.storage", "_load_from_bytes", text("x"))),
        "numpy.load": whole(call("numpy", "load", text("x"))),
        "runstring": whole(call("numpy.testing._private.utils", "runstring", text("import os"))),
        "copyreg": whole(call("copyreg", "_reconstructor", b"ccollections\nOrderedDict\nc__builtin__\nobject\nN")),
        "copy_reg": whole(call("copy_reg", "_reconstructor", b"N")),
        "extension": whole(b"\x82\x01"),
        "INST": whole(b"(" + text("id") + b"ios\nsystem\n"),
        "OBJ": whole(b"(cos\nsystem\n" + text("id") + b"o"),
        "NEWOBJ_EX": b"\x80\x04ccollections\nOrderedDict\n)}\x92.",
        "PERSID": b"Pstorage\n.",
        "a class of ours": whole(call("retrograd.autograd.serialization", "save", text("x"))),
        "call of a dtype": whole(b"ctorch\nfloat32\n)R"),
        "call of a list": whole(b"])R"),
        "call of a class that is only mentioned": whole(b"ctorch\nTensor\n)R"),
        "call with a list": whole(b"ccollections\nOrderedDict\n]R"),
        "BUILD with __setstate__": whole(empty + b"}" + text("__setstate__") + b"cos\nsystem\nsb"),
        "BUILD of a method": whole(empty + b"}" + text("items") + b"]sb"),
        "BUILD of a class": whole(empty + b"}" + text("__class__") + b"]sb"),
        "BUILD of slots": whole(empty + b"}}" + text("_metadata") + b"]s\x86b"),
        "BUILD of a dictionary": whole(b"}}" + text("a") + b"Nsb"),
        "BUILD of a tensor": whole(tensor() + b"}" + text("grad_fn") + b"Nsb"),
        "BUILD of a name": whole(b"ccollections\nOrderedDict\n}" + text("make") + b"Nsb"),
        "BUILD of None": whole(b"N}b"),
        "text of 2**62": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",
        "bytes of 2**63": b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"x.",
        "bytearray of 2**40": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",
        "text of 4 GB": whole(b"X\xff\xff\xff\xff"),
        "number of 2 GB": whole(b"\x8b\xff\xff\xff\x7f"),
        "string of -1": whole(b"T\xff\xff\xff\xff"),
        "name without an end": whole(b"c" + b"a" * 5000),
        "unreadable name": whole(b"c\xff\xfe\n\xfd\n"),
        "unreadable text": whole(b"X\x02\0\0\0\xff\xfe"),
        "protocol 200": b"\x80\xc8N.",
        "no end": b"\x80\x02N",
        "nothing": b"",
        "empty stack": whole(b"0"),
        "unknown memo": whole(b"j\xff\xff\xff\xff"),
        "tuple of too few": whole(b"N\x87"),
        "mark left": whole(b"(N"),
        "odd dictionary": whole(b"(Nd"),
        "append to None": whole(b"NNa"),
        "items of None": whole(b"N(NNu"),
        "add to None": b"\x80\x04N(N\x90.",
        "list as a key": whole(b"}]Ns"),
        "deep key": whole(b"}" + deep + b"Ns"),
        "wide key": whole(b"}(" + b"N" * 5000 + b"tNs"),
        "laughing key": whole(b"}" + tuples + b"Ns"),
        "laughing set": whole(call("builtins", "set", b"(" + tuples + b"l")),
        "laughing sparse tensor": whole(
            call("torch._utils", "_rebuild_sparse_tensor", call("torch.serialization", "_get_layout",
                 text("torch.sparse_coo")) + b"(" + laughs + laughs + numbers((2, 2)) + b"\x88t")
        ),
        "laughing hooks": whole(tensor(tail=b"\x89" + laughs)),
        "laughing arguments": whole(call("torch", "Size", laughs)),
        "text encoded over and over": whole(encode + b"](" + b"h\x01h\x02R" * 2000 + b"e"),
        "bytes encoded as utf-16": whole(call("_codecs", "encode", text("a") + text("utf-16"))),
        "negative offset": whole(tensor(offset=-1)),
        "offset beyond": whole(tensor(offset=1)),
        "offset of 2**200": whole(tensor(offset=2**200)),
        "negative size": whole(tensor(size=(-4,))),
        "size beyond": whole(tensor(size=(5,))),
        "size of 2**40": whole(tensor(size=(2**40,))),
        "sizes of 2**61 each": whole(tensor(size=(2**61, 2**61, 2**61), stride=(0, 0, 0))),
        "negative stride": whole(tensor(offset=3, stride=(-1,))),
        "stride beyond": whole(tensor(stride=(2,))),
        "stride of 2**61": whole(tensor(size=(2, 2), stride=(2**61, 2**61))),
        "strides missing": whole(tensor(size=(2, 2))),
        "a hundred dimensions": whole(tensor(size=(1,) * 100, stride=(1,) * 100)),
        "size of floats": whole(call("torch._utils", "_rebuild_tensor_v2",
                                     storage() + b"K\0G\x40\x10\0\0\0\0\0\0\x85K\x01\x85\x89N")),
        "hooks": whole(tensor(tail=b"\x89" + empty + b"K\0Ns")),
        "requires_grad is a number": whole(tensor(tail=b"K\x01N")),
        "integers that require grad": whole(tensor(store=storage("IntStorage"), tail=b"\x88N")),
        "conjugated repetition": whole(tensor(size=(2**40,), stride=(0,), tail=b"\x89N}" + text("conj") + b"\x88s")),
        "negated over and over": whole(b"](" + negate + b"h\x01h\x02R" * 5000 + b"e"),
        "unknown marks": whole(tensor(tail=b"\x89N}" + text("__class__") + b"\x88s")),
        "storage of 2**50": whole(tensor(store=storage(numel=2**50))),
        "storage of -1": whole(tensor(store=storage(numel=-1))),
        "storage of another size": whole(tensor(store=storage(numel=3))),
        "storage of another type": whole(tensor(store=storage("DoubleStorage"))),
        "quantised storage": whole(tensor(store=storage("QInt8Storage"))),
        "storage elsewhere": whole(tensor(store=storage(key="../../../etc/passwd"))),
        "storage on nowhere": whole(tensor(store=storage(location="x" * 1000))),
        "storage of a class": whole(b"(" + text("storage") + b"cos\nsystem\n" + text("0") + text("cpu") + b"K\x04tQ"),
        "a module": whole(b"(" + text("module") + b"N" + text("file.py") + text("import os") + b"tQ"),
        "a persistent number": whole(b"K\x01Q"),
        "quantised": whole(call("torch._utils", "_rebuild_qtensor", storage())),
        "meta": whole(call("torch._utils", "_rebuild_meta_tensor_no_storage", b"N")),
        "type by a class": whole(call("torch._tensor", "_rebuild_from_type_v2", b"cos\nsystem\nctorch\nTensor\n)N")),
        "type in itself": whole(b"ctorch._tensor\n_rebuild_from_type_v2\nq\x01(h\x01ctorch\nTensor\n)NtR"),
        "parameter of a list": whole(call("torch._utils", "_rebuild_parameter", b"]\x88N")),
        "sparse of repeated indices": whole(
            call("torch._utils", "_rebuild_sparse_tensor", call("torch.serialization", "_get_layout",
                 text("torch.sparse_coo")) + b"(" + tensor(size=(2, 2**40), stride=(0, 0), store=storage("LongStorage",
                 "1", numel=2)) + tensor() + numbers((2, 2)) + b"\x88t")
        ),
        "sparse of 2**61 rows": whole(
            call("torch._utils", "_rebuild_sparse_tensor", call("torch.serialization", "_get_layout",
                 text("torch.sparse_csr")) + b"(" + tensor(size=(2,), store=storage("LongStorage", "1", numel=2)) * 2
                 + tensor(size=(2,)) + numbers((2**61, 2)) + b"t")
        ),
        "layout": whole(call("torch.serialization", "_get_layout", text("os.system"))),
        "device": whole(call("torch", "device", text("tpu"))),
        "NumPy objects": whole(call("numpy", "dtype", text("O8") + b"\x89\x88")),
        "NumPy structures": whole(call("numpy", "dtype", text("V8") + b"\x89\x88")),
        "NumPy array too long": whole(
            call("numpy.core.multiarray", "_reconstruct", b"cnumpy\nndarray\n" + numbers((0,)) + call("_codecs", "encode",
                 text("b") + text("latin1"))) + b"(K\x01" + numbers((2**40,)) + call("numpy", "dtype", text("f8") + b"\x89\x88")
            + b"\x89" + call("_codecs", "encode", text("abc") + text("latin1")) + b"tb"
        ),
        "NumPy array of a class": whole(call("numpy.core.multiarray", "_reconstruct", b"cos\nsystem\n" + numbers((0,)) + b"N")),
    }  # fmt: skip


def harmless() -> dict[str, bytes]:
    """Pickles that look dangerous and are data: they must load, in no more memory than they describe."""
    laughs = laughing(b"]", b"(" + b"h%c" * 10 + b"l", 40)
    return {
        "nested ten to the fortieth": whole(laughs),
        "memo number 2**32-1": whole(b"Nr\xff\xff\xff\xffj\xff\xff\xff\xff0"),
        "thirty thousand tuples": whole(b")" + b"\x85" * 30_000),
        "fifteen thousand lists": whole(b"](" * 15_000 + b"e" * 15_000),
        "a list that holds itself": whole(b"]q\0h\0a"),
        "one element, repeated": whole(tensor(size=(2**40,), stride=(0,))),
    }


def archives() -> dict[str, bytes]:
    """Zip archives that lie about what they hold."""
    good = whole(tensor())

    def edited(change) -> bytes:
        data = bytearray(zipped(good, FOUR))
        change(data, data.rindex(b"PK\x05\x06"))
        return bytes(data)

    def directory(data, name: bytes) -> int:
        """Where the entry of the central directory is."""
        return data.rindex(name) - 46

    def claim(data, end):
        at = directory(data, b"archive/data/0")
        data[at + 20 : at + 28] = struct.pack("<II", 2**31, 2**31)

    def move(data, end):
        at, other = directory(data, b"archive/data/0"), directory(data, b"archive/data.pkl")
        data[at + 42 : at + 46] = data[other + 42 : other + 46]

    def overlap(data, end):
        at = directory(data, b"archive/data/0")
        size = struct.unpack("<I", data[at + 24 : at + 28])[0] + 40
        data[at + 20 : at + 28] = struct.pack("<II", size, size)

    def encrypt(data, end):
        data[directory(data, b"archive/data/0") + 8] |= 1

    def checksum(data, end):
        data[directory(data, b"archive/data/0") + 16] ^= 1

    def directory_size(data, end):
        data[end + 12 : end + 16] = b"\xff\xff\xff\x7f"

    def renamed(data, end):
        at = directory(data, b"archive/data/0") + 46
        data[at : at + 14] = b"archive/data.p\xff"[:14]

    twice = io.BytesIO(zipped(good, FOUR))
    with zipfile.ZipFile(twice, "a") as archive:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            archive.writestr("archive/data.pkl", whole(b"N"))
    bomb = zipped(
        b"\x80\x02X" + struct.pack("<I", 20_000_000) + b"x" * 20_000_000 + b".", compress_type=zipfile.ZIP_DEFLATED
    )
    script = io.BytesIO(zipped(good, FOUR))
    with zipfile.ZipFile(script, "a") as archive:
        archive.writestr("archive/constants.pkl", b"")
    return {
        "compressed": bomb,
        "twice": twice.getvalue(),
        "a program": script.getvalue(),
        "version 99": zipped(good, FOUR, version=b"99\n"),
        "version x": zipped(good, FOUR, version=b"x"),
        "no storage": zipped(good),
        "storage claims 2 GB": edited(claim),
        "storage lies on the pickle": edited(move),
        "entries overlap": edited(overlap),
        "encrypted": edited(encrypt),
        "checksum": edited(checksum),
        "directory of 2 GB": edited(directory_size),
        "renamed": edited(renamed),
        "cut": zipped(good, FOUR)[:-30],
        "only a beginning": b"PK\x03\x04" + b"\0" * 60,
    }  # fmt: skip


def legacies() -> dict[str, bytes]:
    """Files of the old format that lie about their storages."""
    good = whole(tensor(store=storage(legacy_view=True)))
    return {
        "no storage": legacy(good),
        "storage of 2**50": legacy(whole(tensor(store=storage(numel=2**50, legacy_view=True))), FOUR),
        "count of 2**62": legacy(good, FOUR, {"0": 2**62}),
        "count of -1": legacy(good, FOUR, {"0": -1}),
        "cut": legacy(good, FOUR)[:-3],
        "longer": legacy(good, FOUR) + b"\0",
        "one storage too many": legacy(good, {**FOUR, "1": b""}),
        "other types of one storage": legacy(
            whole(tensor(store=storage(legacy_view=True)), b"0", tensor(store=storage("IntStorage", legacy_view=True))),
            FOUR,
        ),
        "not that protocol": legacy(good, FOUR).replace(b"M\xe9\x03.", b"M\xe8\x03.", 1),
    }


# ---------------------------------------------------------------- under guard
class Guard:
    """Counts the forbidden events of the interpreter while it is on; an audit hook cannot be taken away again."""

    def __init__(self) -> None:
        self.on = False
        self.events: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args) -> None:
        if self.on and event.startswith(FORBIDDEN):
            self.events.append(f"{event} {str(args)[:100]}")


def attempt(guard: Guard, content: bytes) -> dict:
    """Load bytes once: how it ended, what it said, the memory and time that it took."""
    file = Named(content)
    found = {"loaded": None, "error": ""}
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    start = time.perf_counter()
    guard.on = True
    try:
        found["loaded"] = rg.load(file)
        found["how"] = "loaded"
    except CheckpointError as error:
        found["how"], found["error"] = "refused", str(error)
    except BaseException as error:
        found["how"], found["error"] = "crashed", f"{type(error).__name__}: {error}"
    guard.on = False
    found["seconds"] = time.perf_counter() - start
    found["peak"] = tracemalloc.get_traced_memory()[1] - before
    return found


def main(folder: str, count: int, seed: int) -> None:
    goods = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    for content in goods.values():  # what is imported at the first use is imported now
        rg.load(Named(content))
    for name, pkl in pickles().items():
        if "sparse" in name or "NumPy" in name:
            with contextlib.suppress(CheckpointError):
                rg.load(Named(zipped(pkl, FOUR)))
    guard = Guard()
    tracemalloc.start()
    report = {"formats": {}, "attacks": {}, "events": guard.events}
    for name, content in goods.items():
        rng = np.random.default_rng([seed, len(content)])
        exact, loose = (signature(rg.load(Named(content)), values) for values in (True, False))
        row = {
            "refused": 0, "same": 0, "same structure": 0, "other": 0, "bad": [], "spans": [], "seconds": 0.0, "peak": 0,
            "size": len(content), "peak when good": attempt(guard, content)["peak"],
        }  # fmt: skip
        for _ in range(count):
            damaged, at, end = corrupt(content, rng)
            found = attempt(guard, damaged)
            if found["peak"] > row["peak"]:  # or a module was imported to say what is wrong: that happens once
                row["peak"] = max(row["peak"], min(found["peak"], attempt(guard, damaged)["peak"]))
            row["seconds"] = max(row["seconds"], found["seconds"])
            if found["how"] == "refused":
                row["refused"] += 1
                if (
                    not found["error"].startswith("load: ")
                    or Named.name not in found["error"]
                    or len(found["error"]) > 1500
                ):
                    row["bad"].append(f"message: {found['error'][:300]}")
            elif found["how"] == "crashed":
                row["bad"].append(f"bytes {at} to {end}: {found['error'][:300]}")
            elif signature(found["loaded"], True) == exact:
                row["same"] += 1
            else:
                kept = signature(found["loaded"], False) == loose
                row["same structure" if kept else "other"] += 1
                row["spans"].append([at, end, kept])
        report["formats"][name] = row
    for kind, attacks in (
        ("zip", {k: zipped(p, {**FOUR, "1": b"\0" * 16}) for k, p in pickles().items()}),
        ("legacy", {k: legacy(p, FOUR) for k, p in pickles().items()}),
        ("archive", archives()),
        ("old file", legacies()),
        ("harmless", {k: zipped(p, FOUR) for k, p in harmless().items()}),
    ):
        for name, content in attacks.items():
            found = attempt(guard, content)
            del found["loaded"]
            report["attacks"][f"{kind}: {name}"] = {**found, "size": len(content)}
    print(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
