"""`load` of what torch.save wrote: every kind of value, in both formats and all pickle protocols, equal to torch.load's."""

from __future__ import annotations

import io
import zipfile
from collections import Counter, OrderedDict

import checkpoint_attacks as attacks
import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd.tensorfile import CheckpointError

torch = pytest.importorskip("torch", reason="the files are written by PyTorch")

FORMATS = [(True, 2), (True, 3), (True, 4), (True, 5), (False, 2), (False, 4)]
DTYPES = [
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
    "float64", "complex64", "complex128",
]  # fmt: skip


@pytest.fixture(params=FORMATS, ids=lambda p: f"{'zip' if p[0] else 'legacy'}-{p[1]}")
def through(request):
    """What comes back from a file that torch.save wrote."""
    zipped, protocol = request.param

    def back(x, **options):
        buffer = io.BytesIO()
        torch.save(x, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
        buffer.seek(0)
        return rg.load(buffer, **options)

    return back


def saved(x, **options):
    buffer = io.BytesIO()
    torch.save(x, buffer, **options)
    buffer.seek(0)
    return buffer


def same(ours, theirs):
    """Equal type, dtype, shape, strides, flags and bits."""
    assert type(ours).__name__ == type(theirs).__name__
    assert str(ours.dtype).removeprefix("retrograd.") == str(theirs.dtype).removeprefix("torch.")
    assert tuple(ours.shape) == tuple(theirs.shape) and ours.requires_grad == theirs.requires_grad
    if theirs.numel():
        assert ours.stride() == theirs.stride() and ours.storage_offset() == theirs.storage_offset()
    plain = theirs.detach().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
    raw = torch.empty(0, dtype=torch.uint8).set_(plain.untyped_storage()).numpy()
    assert ours.detach().contiguous().numpy().tobytes() == raw.tobytes()


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0, 3)])
def test_every_dtype_and_shape(through, name, shape):
    kind = getattr(torch, name)
    x = torch.from_numpy(np.asarray(np.random.default_rng(0).integers(0, 2, shape))).to(kind)
    same(through(x), x)


def test_views_keep_their_strides_and_share_memory(through):
    base = torch.arange(60.0).reshape(3, 4, 5)
    parts = {
        "base": base, "t": base.permute(2, 0, 1), "step": base[::2, 1:, ::3], "one": base[1, 2], "diagonal": base[0].diagonal(),
        "last": base.reshape(-1)[59:], "empty": base[:0], "window": base.reshape(-1).unfold(0, 7, 2), "scalar": base[2, 3, 4],
    }  # fmt: skip
    found = through(parts)
    for name, theirs in parts.items():
        same(found[name], theirs)
        if theirs.numel():
            assert np.shares_memory(found[name].numpy(), found["base"].numpy()), name
    found["base"].fill_(7.0)
    assert found["step"].eq(7.0).all()


def test_an_expanded_tensor_stays_one_element(through):
    x = torch.ones(1).expand(1000, 1000)
    found = through(x)
    same(found, x)
    assert found.untyped_storage().nbytes() == 4


def test_parameters_ties_and_gradients(through):
    w = torch.nn.Parameter(torch.randn(3, 2))
    leaf = torch.randn(2, dtype=torch.float64, requires_grad=True)
    found = through({"a": w, "b": w, "frozen": torch.nn.Parameter(torch.ones(1), requires_grad=False), "leaf": leaf})
    same(found["a"], w)
    same(found["leaf"], leaf)
    assert found["a"] is found["b"] and isinstance(found["frozen"], rg.nn.Parameter)
    assert not found["frozen"].requires_grad
    (found["a"].sum() + found["leaf"].sum()).backward()
    assert found["a"].grad is not None and found["leaf"].grad is not None


def test_attributes_of_parameters_are_left_out(through):
    w = torch.nn.Parameter(torch.randn(3))
    w.no_decay = True
    x = torch.ones(2)
    x.note = "kept by torch"
    found = through([w, x])
    same(found[0], torch.nn.Parameter(w.data))
    assert isinstance(found[0], rg.nn.Parameter) and found[1].tolist() == [1.0, 1.0]


def test_conjugated_and_negated_views(through):
    z = torch.tensor([1 + 2j, 3 - 4j])
    negated = torch.tensor([1 + 2j]).conj().imag
    assert negated.is_neg()
    found = through([z.conj(), z, negated])
    assert found[0].tolist() == [1 - 2j, 3 + 4j] and found[1].tolist() == z.tolist() and found[2].tolist() == [-2.0]


PLAIN = [
    None, True, 3, -1, 255, 65536, -(2**31), 2**62, -(10**40), 0.1, float("inf"), -0.0, 1 + 2j, "text", "", "ümläut 日本",
    "\0", b"", b"\x00\xff", bytearray(b"ab"), [], (), {}, [[]], ((),), {"": {}}, (1, 2), (1, 2, 3), (1, 2, 3, 4), {1, 2}, set(),
    frozenset([1]), {1: "a", "1": "b", 1.5: "c", None: "d", (1, ("x", None)): "e"}, OrderedDict([("b", 1), ("a", {})]),
    Counter([3, 3, 5]), [1, (2, [3, {"k": (4,)}])], "x" * 300, list(range(2000)), {str(i): i for i in range(2000)},
]  # fmt: skip


def test_plain_values(through):
    for x, y in zip(PLAIN, through(PLAIN), strict=True):
        assert type(x) is type(y) and x == y and repr(x) == repr(y)


def test_sizes_devices_dtypes_layouts(through):
    found = through([torch.Size([2, 3]), torch.device("cpu"), torch.device("cuda:1"), torch.bfloat16, torch.strided])
    assert found == [rg.Size([2, 3]), rg.device("cpu"), rg.device("cuda:1"), rg.bfloat16, rg.strided]
    assert type(found[0]) is rg.Size and found[3] is rg.bfloat16


def test_numpy_numbers_and_arrays(through):
    """PyTorch loads these with weights_only=False only; they are data."""
    x = [
        np.float64(1.5), np.int8(-3), np.bool_(True), np.float32("nan"), np.complex128(1j), np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(3, dtype=">i4"), np.array(2.0), np.zeros((0, 2)),
    ]  # fmt: skip
    for a, b in zip(x, through(x), strict=True):
        assert type(a) is type(b) and b.dtype == a.dtype.newbyteorder("=") and a.shape == b.shape
        np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore:Sparse CS")
def test_sparse_tensors(through):
    x = torch.tensor([[0.0, 2.0, 0.0], [3.0, 0.0, 4.0]])
    coo, csr, csc = through([x.to_sparse(), x.to_sparse_csr(), x.to_sparse_csc()])
    assert (coo.layout, csr.layout, csc.layout) == (rg.sparse_coo, rg.sparse_csr, rg.sparse_csc)
    for found in (coo, csr, csc):
        assert found.to_dense().tolist() == x.tolist()


def test_state_dicts_keep_their_metadata(through):
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    state = through(net.state_dict())
    assert type(state) is OrderedDict and state._metadata == net.state_dict()._metadata
    ours = rg.nn.Sequential(rg.nn.Linear(2, 3), rg.nn.BatchNorm1d(3))
    assert str(ours.load_state_dict(state)) == "<All keys matched successfully>"


def test_optimizer_state(through):
    net = torch.nn.Linear(2, 3)
    theirs = torch.optim.Adam([{"params": [net.weight]}, {"params": [net.bias], "lr": 0.5}], lr=0.1, betas=(0.8, 0.9))
    net(torch.ones(4, 2)).sum().backward()
    theirs.step()
    state = through(theirs.state_dict())
    assert state["param_groups"] == theirs.state_dict()["param_groups"]
    ours = rg.nn.Linear(2, 3)
    optimizer = rg.optim.Adam([{"params": [ours.weight]}, {"params": [ours.bias]}])
    optimizer.load_state_dict(state)
    same(optimizer.state_dict()["state"][0]["exp_avg"], theirs.state_dict()["state"][0]["exp_avg"])


def test_storages(through):
    x = torch.arange(4.0)
    found = through([x.untyped_storage()])[0]
    assert isinstance(found, rg.UntypedStorage) and found.nbytes() == 16


# ---------------------------------------------------------------- files
def test_a_path_and_a_mapped_file(tmp_path):
    x = {
        "a": torch.arange(5.0),
        "b": torch.tensor([True, False]),
        "c": torch.tensor([1, 2], dtype=torch.uint16),
        "e": torch.ones(0),
    }
    torch.save(x, tmp_path / "m.pt")
    for mmap in (False, True):
        found = rg.load(tmp_path / "m.pt", mmap=mmap)
        for name, theirs in x.items():
            same(found[name], theirs)
        found["a"] += 1  # writes stay in this process
    same(rg.load(str(tmp_path / "m.pt"))["a"], x["a"])
    torch.save(x, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    same(rg.load(tmp_path / "old.pth")["a"], x["a"])
    with pytest.raises(RuntimeError, match="cannot be mapped; leave mmap=True out"):
        rg.load(tmp_path / "old.pth", mmap=True)


def test_a_mapped_file_is_not_read_and_need_not_be_aligned(tmp_path):
    x = np.arange(4, dtype=np.float32)
    for pad in range(8):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("p" * pad + "/data.pkl", attacks.whole(attacks.tensor()))
            archive.writestr("p" * pad + "/data/0", x.tobytes())
            archive.writestr("p" * pad + "/version", b"3")
        (tmp_path / "m.pt").write_bytes(out.getvalue())
        assert rg.load(tmp_path / "m.pt", mmap=True).tolist() == [0.0, 1.0, 2.0, 3.0]
    damaged = bytearray(out.getvalue())
    damaged[damaged.index(x.tobytes()) + 3] ^= 0x40  # a bit of a number
    (tmp_path / "m.pt").write_bytes(damaged)
    with pytest.raises(CheckpointError, match="checksum"):
        rg.load(tmp_path / "m.pt")
    assert rg.load(tmp_path / "m.pt", mmap=True).tolist() == [2.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("kind", ["<f4", "<f8", "<c16", "<i2"])
def test_the_other_byte_order(kind):
    x = np.arange(4).astype(kind)
    name = {"<f4": "FloatStorage", "<f8": "DoubleStorage", "<c16": "ComplexDoubleStorage", "<i2": "ShortStorage"}[kind]
    content = attacks.zipped(
        attacks.whole(attacks.tensor(store=attacks.storage(name))), {"0": x.astype(kind.replace("<", ">")).tobytes()}
    )
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"big" if name.endswith("byteorder") else old.read(name))
    out.seek(0)
    assert rg.load(out).tolist() == x.tolist()


def test_a_file_of_python_2():
    """Text as byte strings, dictionaries of long numbers, tensors by the oldest function."""
    storage = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpu" + attacks.number(4) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"K\0K\x02K\x02\x86K\x02K\x01\x86tR"
    ordered = b"ccollections\nOrderedDict\n(](](U\x01w" + tensor + b"eetR"
    found = rg.load(attacks.Named(attacks.zipped(attacks.whole(ordered), attacks.FOUR)))
    assert type(found) is OrderedDict and found["w"].tolist() == [[0.0, 1.0], [2.0, 3.0]]


def test_a_part_of_a_storage_in_the_old_format():
    """Before version 0.4, a storage could be a part of another."""
    part = (
        attacks.text("storage")
        + b"ctorch\nFloatStorage\n"
        + attacks.text("0")
        + attacks.text("cpu")
        + attacks.number(4)
    )
    view = b"(" + part + b"(" + attacks.text("1") + b"K\x01K\x02ttQ"
    content = attacks.legacy(attacks.whole(attacks.tensor(size=(2,), store=view)), attacks.FOUR)
    assert rg.load(attacks.Named(content)).tolist() == [1.0, 2.0]
    outside = b"(" + part + b"(" + attacks.text("1") + b"K\x03K\x02ttQ"
    content = attacks.legacy(attacks.whole(attacks.tensor(size=(1,), store=outside)), attacks.FOUR)
    with pytest.raises(CheckpointError, match="part of the storage '0' lies outside it"):
        rg.load(attacks.Named(content))


# ---------------------------------------------------------------- map_location
def test_map_location(through):
    x = torch.arange(6.0).reshape(2, 3)
    seen = []

    def keep(t, saved):
        seen.append((tuple(t.shape), saved))
        return t

    for where in (None, "cpu", rg.device("cpu"), {"cuda:0": "cpu"}, keep, lambda t, saved: None):
        found = through([x, x.t()], map_location=where)
        same(found[0], x)
        assert np.shares_memory(found[0].numpy(), found[1].numpy())
    assert seen == [((6,), "cpu")]
    with pytest.raises(ValueError, match=r"^mine$"):
        through(x, map_location=_refuse)
    with pytest.raises(TypeError, match="map_location returned"):
        through(x, map_location=lambda t, saved: t[:2])
    with pytest.raises(RuntimeError, match="tpu"):
        through(x, map_location="tpu")


def _refuse(t, saved):
    raise ValueError("mine")


@pytest.mark.parametrize("pack", [attacks.zipped, attacks.legacy])
def test_a_file_from_a_gpu(pack):
    store = attacks.storage(location="cuda:0", legacy_view=pack is attacks.legacy)
    content = pack(attacks.whole(attacks.tensor(store=store)), attacks.FOUR)
    for where in ("cpu", {"cuda:0": "cpu"}, lambda t, saved: t):
        assert rg.load(attacks.Named(content), map_location=where).tolist() == [0.0, 1.0, 2.0, 3.0]
    if "cupy" not in rg.available_backends():
        with pytest.raises(rg.DeviceError, match=r"saved on 'cuda:0'.*pass map_location='cpu'"):
            rg.load(attacks.Named(content))


@pytest.mark.parametrize("where", ["cuda", {"cpu": "cuda"}, lambda t, saved: t.to("cuda")])
def test_storages_move_to_a_device_as_a_whole(through, where, cuda_fake):
    base = torch.arange(12.0).reshape(3, 4)
    parts = {"t": base.t(), "step": base[::2, 1:], "dense": base[1:], "bits": torch.tensor([1, 2], dtype=torch.uint16)}
    found = through(parts, map_location=where)
    for name, theirs in parts.items():
        assert found[name].device.type == "cuda" and found[name].tolist() == theirs.tolist(), name
    found["dense"].fill_(5.0)
    assert found["step"].tolist() == [[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]


def test_a_gpu_checkpoint_stays_on_the_gpu(cuda_fake):
    for pack in (attacks.zipped, attacks.legacy):
        store = attacks.storage(location="cuda:0", legacy_view=pack is attacks.legacy)
        found = rg.load(attacks.Named(pack(attacks.whole(attacks.tensor(store=store)), attacks.FOUR)))
        assert found.device.type == "cuda" and found.tolist() == [0.0, 1.0, 2.0, 3.0]


# ---------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    "make,match",
    [
        (
            lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
            "quantised tensors.*dequantize|element type",
        ),
        (
            lambda: torch.ones(2).to(torch.float8_e5m2),
            "element type does not exist here|not on the list|names torch.float8",
        ),
        (lambda: torch.ones(2, device="meta"), "meta device, which have no values"),
        (lambda: slice(1, 2), "slice, which is not on the list"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_does_not_exist_here_is_named(make, match):
    with pytest.raises(CheckpointError, match=match):
        rg.load(saved(make()))


def test_nothing_of_torch_is_needed(tmp_path):
    import subprocess
    import sys

    torch.save({"a": torch.arange(3)}, tmp_path / "m.pt")
    code = (
        "import sys; sys.modules['torch'] = None; import retrograd as rg; "
        "print(rg.load('m.pt'), {'numba', 'scipy', 'safetensors'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'a': tensor([0, 1, 2])} set()"
