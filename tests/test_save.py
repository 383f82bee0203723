"""`save` and `load`: round trips of everything that can be saved, one file or none, what is refused, devices."""

from __future__ import annotations

import io
import json
import os
import struct
from collections import Counter, OrderedDict, namedtuple
from enum import IntEnum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import retrograd as rg

safetensors_numpy = pytest.importorskip("safetensors.numpy")

DTYPES = [
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
    "float16", "bfloat16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip


def through(x, **options):
    """What comes back from a file in memory."""
    buffer = io.BytesIO()
    rg.save(x, buffer)
    buffer.seek(0)
    return rg.load(buffer, **options)


def same(a, b):
    """Equal types, values, bits (NaN included), flags, and order of keys."""
    if isinstance(a, rg.Tensor):
        return (
            type(a) is type(b) and a.dtype is b.dtype and a.requires_grad == b.requires_grad and same(a._data, b._data)
        )
    if isinstance(a, (np.ndarray, np.generic)):
        kind = np.ndarray if isinstance(a, np.ndarray) else type(a)
        bits = np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()
        return isinstance(b, kind) and a.dtype == b.dtype and a.shape == b.shape and bits
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        pairs = zip(a.items(), b.items(), strict=True)
        return len(a) == len(b) and all(same(k, j) and same(v, w) for (k, v), (j, w) in pairs)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (a != a and b != b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    return a == b


# ---------------------------------------------------------------- round trips
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0, 3), (1, 1)])
def test_every_dtype_and_shape(dtype, shape, tmp_path):
    d = getattr(rg, dtype)
    values = np.random.default_rng(0).integers(0, 2, size=shape) * (1 + 1j if d.is_complex else 1)
    t = rg.tensor(np.asarray(values)).to(d)
    for x in (t, t._data):
        assert same(through({"t": x})["t"], x)
        rg.save({"t": x}, tmp_path / "f")
        for mmap in (False, True):
            assert same(rg.load(tmp_path / "f", mmap=mmap)["t"], x)


@pytest.mark.parametrize(
    "x",
    [
        None, True, 3, -(10**40), 0.1, float("inf"), float("-inf"), float("nan"), -0.0, 1 + 2j, complex("nan+infj"),
        "text", "", "ümläut 日本", "\ud800", "\0", b"", b"\x00\xff", [], (), {}, [[]], ((),), {"": {}},
        {1: "a", "1": "b", 1.5: "c", None: "d", (1, ("x", None)): "e"}, {True: 1}, {float("inf"): 1},
        OrderedDict([("b", 1), ("a", OrderedDict())]), Counter([3, 3, 5]), [1, (2, [3, {"k": (4,)}])],
        np.float64(1.5), np.float32("nan"), np.int8(3), np.bool_(True), np.complex128(1 + 2j),
    ],
    ids=repr,
)  # fmt: skip
def test_plain_values(x):
    assert same(through(x), x)


def test_dtypes_and_devices():
    x = [rg.float32, rg.bfloat16, rg.bool, rg.device("cpu"), rg.device("cuda:1")]
    assert through(x) == x and through(x)[0] is rg.float32


def test_tensors_parameters_and_flags():
    p, t = rg.nn.Parameter(rg.ones(2)), rg.ones(3, requires_grad=True)
    frozen = rg.nn.Parameter(rg.ones(2), requires_grad=False)
    inner = (t * 2).sum()
    a, b, c, d, e = through([p, t, frozen, inner, rg.zeros(1)])
    assert type(a) is rg.nn.Parameter and a.requires_grad and type(c) is rg.nn.Parameter and not c.requires_grad
    assert type(b) is rg.Tensor and b.requires_grad and b.is_leaf
    assert d.requires_grad and d.is_leaf and d.item() == 6.0 and not e.requires_grad
    (a.sum() + b.sum()).backward()
    a.data.add_(1)


def test_loaded_tensors_own_their_memory(tmp_path):
    rg.save({"a": rg.zeros(3), "b": rg.ones(3)}, tmp_path / "f")
    x, y = rg.load(tmp_path / "f"), rg.load(tmp_path / "f")
    x["a"] += 5
    assert y["a"].tolist() == [0.0, 0.0, 0.0] and x["b"].tolist() == [1.0, 1.0, 1.0]
    m = rg.load(tmp_path / "f", mmap=True)
    m["a"] += 5
    assert m["a"].tolist() == [5.0, 5.0, 5.0] and rg.load(tmp_path / "f")["a"].tolist() == [0.0, 0.0, 0.0]
    buffer = io.BytesIO()
    rg.save(rg.zeros(2), buffer)
    buffer.seek(0)
    z = rg.load(buffer)
    z += 1
    assert z.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T, lambda a: a[::2], lambda a: a[::-1], lambda a: a[:, 1], lambda a: a[1:, ::-2],
        lambda a: np.broadcast_to(a[0], (5, 4)), lambda a: a.astype(">f4"), lambda a: np.asfortranarray(a),
    ],
)  # fmt: skip
def test_strided_arrays(view, tmp_path):
    """The package writes the memory order of a strided array: save makes arrays contiguous first."""
    a = view(np.arange(12, dtype=np.float32).reshape(3, 4))
    for x in (a, rg.from_numpy(a) if a.dtype.isnative else a):
        got = through({"x": x})["x"]
        assert np.array_equal(np.asarray(got.tolist()), a)
    rg.save({"x": a}, tmp_path / "f")
    assert np.array_equal(safetensors_numpy.load_file(tmp_path / "f")["x"], a)


def test_ties_are_stored_once_and_stay_tied(tmp_path):
    w = rg.nn.Parameter(rg.randn(200, 200))
    x = {"encoder": {"weight": w}, "decoder": {"weight": w}, "plain": w.detach(), "array": w.detach().numpy()}
    rg.save(x, tmp_path / "f")
    assert os.path.getsize(tmp_path / "f") < 1.2 * 160_000
    got = rg.load(tmp_path / "f")
    assert got["encoder"]["weight"] is got["decoder"]["weight"]
    assert np.shares_memory(got["plain"].numpy(), got["encoder"]["weight"].detach().numpy())
    with open(tmp_path / "f", "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    assert set(header) == {"__metadata__", "encoder.weight"}
    assert json.loads(header["__metadata__"]["aliases"])["decoder.weight"] == "encoder.weight"
    a = rg.zeros(4)
    parts = through([a, a[:2], a[2:], rg.zeros(4), rg.zeros(0), rg.zeros(0)])  # overlap is no tie
    parts[0] += 1
    assert parts[1].tolist() == [0.0, 0.0] and parts[3].tolist() == [0.0] * 4 and parts[4] is not parts[5]


def test_other_programs_can_read_the_file(tmp_path):
    state = OrderedDict([("layer.weight", rg.ones(2, 3)), ("layer.bias", rg.zeros(2)), ("n", rg.tensor(3))])
    rg.save(state, tmp_path / "f")
    got = safetensors_numpy.load_file(tmp_path / "f")
    assert set(got) == set(state) and got["n"] == 3
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    theirs = load_file(tmp_path / "f")
    assert theirs["layer.weight"].shape == (2, 3)
    save_file(
        {"w": torch.arange(6.0, dtype=torch.bfloat16).reshape(2, 3), "c": torch.ones(2, dtype=torch.complex64)},
        tmp_path / "g",
    )
    ours = rg.load(tmp_path / "g")
    assert ours["w"].dtype is rg.bfloat16 and ours["w"].float().tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert ours["c"].dtype is rg.complex64


def test_names_are_unique_and_readable(tmp_path):
    x = {"a": {"b": rg.zeros(1)}, "a.b": rg.ones(1), 1: rg.full((1,), 2.0), "1": rg.full((1,), 3.0)}
    x |= {"__metadata__": rg.full((1,), 4.0), "": rg.full((1,), 5.0), "\ud800": rg.full((1,), 6.0)}
    got = through(x)
    assert [got["a"]["b"].item(), *(got[k].item() for k in list(x)[1:])] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_training_state(tmp_path):
    """The state dictionaries of a model, an optimizer, a scheduler, a loader and the generator, as one file."""
    model = rg.nn.Linear(2, 3)
    opt = rg.optim.Adam([{"params": [model.weight], "lr": 0.5}, {"params": [model.bias]}], amsgrad=True)
    sched = rg.optim.lr_scheduler.MultiStepLR(opt, [2, 5])
    loader = rg.utils.data.DataLoader(range(4), shuffle=True, generator=rg.Generator().manual_seed(0))
    for batch in loader:
        opt.zero_grad()
        model(rg.ones(1, 2) * batch).sum().backward()
        opt.step()
        sched.step()
        if batch.item() == 2:
            break
    state = {
        "model": model.state_dict(), "optimizer": opt.state_dict(), "scheduler": sched.state_dict(),
        "loader": loader.state_dict(), "rng": rg.get_rng_state(), "step": 3,
    }  # fmt: skip
    rg.save(state, tmp_path / "f")
    got = rg.load(tmp_path / "f")
    for key in state:
        if key != "model":
            assert same(got[key], state[key]), key
    rg.nn.Linear(2, 3).load_state_dict(got["model"])
    opt.load_state_dict(got["optimizer"])
    sched.load_state_dict(got["scheduler"])
    loader.load_state_dict(got["loader"])
    rg.set_rng_state(got["rng"])


leaf = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.binary(max_size=8),
    st.complex_numbers(),
    hnp.arrays(
        st.sampled_from([np.bool_, np.int8, np.uint16, np.int64, np.float16, np.float32, np.float64, np.complex64]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    ).flatmap(lambda a: st.sampled_from([a, rg.tensor(a), a.T, rg.tensor(a).requires_grad_(a.dtype.kind in "fc")])),
)  # fmt: skip
key = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda k: st.tuples(k, k),
    max_leaves=3,
)
tree = st.recursive(
    leaf,
    lambda x: st.one_of(
        st.lists(x, max_size=4),
        st.lists(x, max_size=3).map(tuple),
        st.dictionaries(key, x, max_size=4),
        st.dictionaries(st.text(max_size=4), x, max_size=4).map(OrderedDict),
    ),
    max_leaves=12,
)


@given(tree)
@settings(max_examples=150)
def test_round_trip_of_anything(x):
    assert same(through(x), x)


# ---------------------------------------------------------------- the file appears whole or not at all
def leftovers(folder):
    return sorted(p.name for p in folder.iterdir())


def test_failures_leave_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "f"
    rg.save({"v": 1}, path)
    real = safetensors_numpy.save_file

    def half(entries, filename, metadata=None):
        real(entries, filename, metadata)
        with open(filename, "r+b") as file:
            file.truncate(20)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors_numpy, "save_file", half)
    with pytest.raises(OSError, match="No space left"):
        rg.save({"v": rg.ones(100)}, path)
    assert rg.load(path) == {"v": 1} and leftovers(tmp_path) == ["f"]
    monkeypatch.setattr(safetensors_numpy, "save_file", real)

    def interrupted(*_):
        raise KeyboardInterrupt

    for name in ("fsync", "replace", "chmod"):
        with monkeypatch.context() as m:
            m.setattr(os, name, interrupted)
            with pytest.raises(KeyboardInterrupt):
                rg.save({"v": rg.ones(100)}, path)
        assert rg.load(path) == {"v": 1} and leftovers(tmp_path) == ["f"]
    with pytest.raises(TypeError):
        rg.save({"v": object()}, path)
    assert rg.load(path) == {"v": 1} and leftovers(tmp_path) == ["f"]
    rg.save({"v": 2}, path)
    assert rg.load(path) == {"v": 2} and leftovers(tmp_path) == ["f"]


@pytest.mark.skipif(os.name != "posix", reason="permissions and links as on POSIX")
def test_permissions_and_links(tmp_path):
    path, link = tmp_path / "f", tmp_path / "link"
    was = os.umask(0o022)
    try:
        rg.save({}, path)
    finally:
        os.umask(was)
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    link.symlink_to(path)
    rg.save({"v": 1}, link)
    assert link.is_symlink() and rg.load(path) == {"v": 1} and path.stat().st_mode & 0o777 == 0o600


def test_kinds_of_path(tmp_path):
    for path in (tmp_path / "a", str(tmp_path / "b"), os.fsencode(tmp_path / "c")):
        rg.save([1], path)
        assert rg.load(path) == [1]
    with open(tmp_path / "d", "wb") as file:
        rg.save([2], file)
    with open(tmp_path / "d", "rb") as file:
        assert rg.load(file) == [2]
    with pytest.raises(FileNotFoundError):
        rg.load(tmp_path / "absent")
    with pytest.raises(FileNotFoundError):
        rg.save([1], tmp_path / "absent" / "f")


# ---------------------------------------------------------------- refusals when saving
Pair = namedtuple("Pair", ["x", "y"])


class Level(IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    "x,match",
    [
        (lambda: rg.nn.Linear(1, 1), r"state is a whole Linear.*state_dict\(\)"),
        (lambda: {"nets": [rg.nn.Linear(1, 1)]}, r"state\['nets'\]\[0\] is a whole Linear"),
        (lambda: {"o": rg.optim.SGD([rg.nn.Parameter(rg.ones(1))])}, r"state\['o'\] is a whole SGD.*load_state_dict"),
        (lambda: {"optimizer": [0, 1, 2, object()]}, r"state\['optimizer'\]\[3\] is a builtins.object"),
        (lambda: {"f": (lambda: 0)}, r"state\['f'\] is a builtins.function"),
        (lambda: {"s": {1, 2}}, r"state\['s'\] is a builtins.set"),
        (lambda: [Pair(1, 2)], r"state\[0\] is a Pair.*tuple\(\.\.\.\)"),
        (lambda: {"level": Level.LOW}, r"state\['level'\] is a Level.*convert it to int"),
        (lambda: {"a": np.array(["x"])}, r"state\['a'\] is an array of dtype <U1"),
        (lambda: {"a": np.array([None])}, r"state\['a'\] is an array of dtype object"),
        (lambda: {"a": np.zeros(2, "M8[s]")}, "datetime64"),
        (lambda: {"a": {np.int64(3): 1}}, r"state\['a'\] has the key .*3.* of type int64"),
        (lambda: {frozenset(): 1}, "of type frozenset"),
    ],
)
def test_what_cannot_be_saved_is_named(x, match):
    with pytest.raises(TypeError, match=match):
        rg.save(x(), io.BytesIO())


def test_dict_subclasses_and_cycles():
    from collections import defaultdict

    with pytest.raises(TypeError, match=r"is a defaultdict.*dict\(\.\.\.\)"):
        rg.save(defaultdict(list), io.BytesIO())
    x = {"a": []}
    x["a"].append(x)
    with pytest.raises(ValueError, match=r"state\['a'\]\[0\] contains itself"):
        rg.save(x, io.BytesIO())
    shared = [1]
    assert through([shared, shared]) == [[1], [1]]
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        rg.save(deep, io.BytesIO())


# ---------------------------------------------------------------- map_location
def test_map_location():
    x = {"a": rg.ones(2), "n": 1}
    for where in ("cpu", rg.device("cpu"), {"cuda:0": "cpu"}, lambda t, saved: None, lambda t, saved: t, None):
        assert through(x, map_location=where)["a"].device == rg.device("cpu")
    seen = []
    through(x, map_location=lambda t, saved: seen.append(saved))
    assert seen == ["cpu"]

    def refuse(t, saved):
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        through(x, map_location=refuse)
    with pytest.raises(RuntimeError, match="tpu"):
        through(x, map_location="tpu")


def file_of(header, body=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def test_a_file_from_another_device():
    buffer = io.BytesIO()
    rg.save({"a": rg.ones(2)}, buffer)
    text = buffer.getvalue()
    header = json.loads(text[8 : 8 + struct.unpack("<Q", text[:8])[0]])
    del header["__metadata__"]["checksum"]
    header["__metadata__"]["structure"] = '{"dict": {"a": {"tensor": "a", "device": "cuda:0"}}}'
    content = file_of(header, np.ones(2, np.float32).tobytes())
    for where in ("cpu", {"cuda:0": "cpu"}, lambda t, saved: t):
        assert rg.load(io.BytesIO(content), map_location=where)["a"].device.type == "cpu"
    if "cupy" not in rg.available_backends():
        with pytest.raises(RuntimeError):
            rg.load(io.BytesIO(content))


def test_nothing_heavy_is_imported():
    import subprocess
    import sys

    code = "import sys, retrograd; assert not {'safetensors', 'pickle5'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd="/")
