"""The walking path in a minute: a network learns, its checkpoint loads, the command line works."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn, optim
from retrograd.nn import functional as F


def small_network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))


XOR = rg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
LABELS = rg.tensor([0, 1, 1, 0])


def test_a_network_learns_xor():
    model = small_network()
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(XOR), LABELS)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.5
    assert losses[-1] < 0.05
    assert (model(XOR).argmax(1) == LABELS).all().item()


def test_a_checkpoint_gives_the_same_outputs(tmp_path):
    model, other = small_network(), small_network()
    rg.save(model.state_dict(), tmp_path / "model.safetensors")
    other.load_state_dict(rg.load(tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(other(XOR).detach().numpy(), model(XOR).detach().numpy())


def command(*arguments: str, cwd) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "retrograd", *arguments], cwd=cwd, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_command_line_trains(tmp_path):
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    pytest.importorskip("matplotlib", reason="the pictures are drawn with matplotlib")
    out = tmp_path / "out"
    printed = command("train", "--epochs", "1", "--seed", "0", "--out", str(out), cwd=tmp_path)
    assert re.search(r"test accuracy\D+\d+\.\d+", printed.strip().splitlines()[-1])
    assert len(list(out.rglob("*.png"))) >= 3
    assert list(out.rglob("*.safetensors"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "it writes nothing outside --out"


def test_command_line_tells_about_itself(tmp_path):
    assert rg.__version__ in command("info", cwd=tmp_path)
    assert "train" in command("--help", cwd=tmp_path)


def test_wrong_command_is_refused(tmp_path):
    done = subprocess.run([sys.executable, "-m", "retrograd", "fly"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "train" in done.stderr
