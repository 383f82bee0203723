"""`load` and hostile files: pickle bombs and randomly corrupted checkpoints of every format raise, run nothing, stay small."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import checkpoint_attacks as attacks
import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd.tensorfile import CheckpointError

torch = pytest.importorskip("torch", reason="the checkpoints to corrupt are written by PyTorch")
pytest.importorskip("safetensors", reason="rg.save writes with it")

SHARE, ALL = 50, 1000
CHECKED = {"zip.pt", "own.safetensors"}  # formats with checksums
PROGRAM = Path(attacks.__file__)


def training_state():
    """A state_dict of a small convolutional network and its optimizer's, as PyTorch saves them."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Flatten(), torch.nn.Linear(32, 40)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    net(torch.randn(2, 3, 4, 4)).square().sum().backward()
    optimizer.step()
    big = torch.arange(600, dtype=torch.float64).reshape(20, 30)
    extra = {
        "half": torch.ones(5).half(), "bf16": torch.ones(5).bfloat16(), "mask": torch.tensor([True, False]),
        "view": big[::2, 1::3], "whole": big, "text": "epoch", "numbers": [1, 2.5, None, True, (3, b"bytes")],
    }  # fmt: skip
    return {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "extra": extra}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The good checkpoints, one of each format."""
    from safetensors.numpy import save_file

    found = tmp_path_factory.mktemp("checkpoints")
    state = training_state()
    torch.save(state, found / "zip.pt")
    torch.save(state, found / "legacy.pt", _use_new_zipfile_serialization=False)
    ours = rg.load(found / "zip.pt")
    rg.save(ours, found / "own.safetensors")
    flat = {name: np.ascontiguousarray(t.numpy()) for name, t in ours["model"].items()}
    save_file(flat, found / "plain.safetensors")
    return found


def run(folder, count, seed):
    command = [sys.executable, str(PROGRAM), str(folder), str(count), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def report(folder):
    return run(folder, SHARE, 0)


def tensor_bytes(path):
    """Where the elements of tensors lie in a file without checksums, as (begin, end)."""
    content = path.read_bytes()
    if path.suffix == ".safetensors":
        return [(8 + int.from_bytes(content[:8], "little"), len(content))]
    sizes, state, seen = [], torch.load(path), set()

    def visit(x):
        if isinstance(x, torch.Tensor):
            storage = x.untyped_storage()
            if storage.data_ptr() not in seen:
                seen.add(storage.data_ptr())
                sizes.append(bytes(storage))
        elif isinstance(x, dict):
            for v in x.values():
                visit(v)

    visit(state)
    return [(content.index(raw), content.index(raw) + len(raw)) for raw in sizes if len(raw) > 40]


def check(report, folder, count):
    assert report["events"] == []
    assert set(report["formats"]) == {"zip.pt", "legacy.pt", "own.safetensors", "plain.safetensors"}
    for name, row in report["formats"].items():
        assert row["bad"] == [], name
        assert row["refused"] + row["same"] + row["same structure"] + row["other"] == count
        assert row["peak"] < 2 * row["peak when good"] + 100_000, (name, row["peak"])
        assert row["peak when good"] < 4 * row["size"] + 100_000
        assert row["seconds"] < 10
        if name in CHECKED:
            # Nothing wrong is ever loaded: an error, or damage to bytes that mean nothing (padding, dates).
            assert row["same structure"] == row["other"] == 0, name
            assert row["refused"] > 0.7 * count
        else:
            # No checksums: what cannot be noticed changes numbers, and only damage outside of them changes more.
            spans = tensor_bytes(folder / name)
            inside = [kept for at, end, kept in row["spans"] if any(a <= at < end <= b for a, b in spans)]
            assert all(inside), name
            assert row["refused"] > 0.3 * count


def test_corrupted_checkpoints_raise_or_load_the_same(report, folder):
    check(report, folder, SHARE)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_thousand_corrupted_checkpoints_of_each_format(folder, seed):
    found = run(folder, ALL, seed)
    for name, row in found["formats"].items():
        print(name, {k: v for k, v in row.items() if k not in ("bad", "spans")})
    check(found, folder, ALL)


def test_every_attack_is_refused_in_words(report):
    assert report["events"] == []
    for name, found in report["attacks"].items():
        if name.startswith("harmless: "):
            assert found["how"] == "loaded", (name, found)
        else:
            assert found["how"] == "refused", (name, found)
            assert found["error"].startswith("load: ") and attacks.Named.name in found["error"], (name, found)
            assert len(found["error"]) < 1500, name
        # An empty list is one byte in a pickle and 56 in memory, so the bound is a multiple of the size.
        assert found["peak"] < 100 * found["size"] + 500_000, (name, found)
        assert found["seconds"] < 10, (name, found)


def test_the_attacks_are_real():
    """The same bombs call what they name where Python's own unpickler loads them."""
    ran = []

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            ran.append(f"{module}.{name}")
            return lambda *args: None

    bombs = attacks.pickles()
    for name in ("os.system", "eval", "copyreg", "getattr of an allowed class", "INST", "OBJ"):
        Unpickler(io.BytesIO(bombs[name])).load()
    assert {"os.system", "builtins.eval", "copyreg._reconstructor", "builtins.getattr"} <= set(ran)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(2, 2)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("make", [lambda: torch.nn.Linear(2, 2), Net, lambda: {"net": torch.nn.ReLU()}])
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_whole_modules_say_what_to_save(make, zipped, tmp_path):
    torch.save(make(), tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    for weights_only in (True, False):
        with pytest.raises(CheckpointError, match=r"whole module.*torch\.save\(model\.state_dict\(\), path\)"):
            rg.load(tmp_path / "m.pt", weights_only=weights_only)


def test_scripted_modules_say_what_to_save(tmp_path):
    (tmp_path / "m.pt").write_bytes(attacks.archives()["a program"])
    with pytest.raises(CheckpointError, match="TorchScript archive.*state_dict"):
        rg.load(tmp_path / "m.pt")


def test_own_files_notice_every_changed_bit_that_matters(tmp_path):
    """Each bit of a small file: an error, or nothing changed."""
    rg.save(OrderedDict(a=rg.arange(3), b=[1.5, "x"]), tmp_path / "f")
    content = (tmp_path / "f").read_bytes()
    good = attacks.signature(rg.load(tmp_path / "f"), True)
    wrong = []
    for i in range(len(content) * 8):
        damaged = bytearray(content)
        damaged[i // 8] ^= 1 << i % 8
        try:
            found = attacks.signature(rg.load(attacks.Named(bytes(damaged))), True)
        except CheckpointError:
            continue
        if found != good:
            wrong.append((i, damaged[max(0, i // 8 - 10) : i // 8 + 10]))
    assert wrong == []
