"""The command line: training, interrupting and resuming it, info, and what a wrong call is told."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import retrograd as rg
from retrograd import __main__ as command_line
from retrograd.cli import info
from retrograd.examples import digits

ACCURACY = re.compile(r"test accuracy (\d+\.\d\d)%")

needs_demo = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("sklearn", "matplotlib")),
    reason="needs scikit-learn and matplotlib",
)


def accuracy(printed: str) -> float:
    """The accuracy in the last line printed."""
    found = ACCURACY.fullmatch(printed.strip().splitlines()[-1])
    assert found, printed
    return float(found[1])


def arrays(state: Any) -> Any:
    """Nested containers with tensors turned into lists, to be compared exactly."""
    if isinstance(state, dict):
        return {key: arrays(value) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return [arrays(value) for value in state]
    return state.tolist() if isinstance(state, rg.Tensor) else state


class Bar(digits.tqdm):
    """A progress bar that presses Ctrl-C after some steps."""

    press: dict[int, int] = {}  # steps done -> times pressed

    def update(self, n: float | None = 1) -> bool | None:
        done = super().update(n)
        for _ in range(self.press.get(int(self.n), 0)):
            signal.raise_signal(signal.SIGINT)
        return done


@needs_demo
def test_train_leaves_weights_and_pictures(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command_line.main(["train", "--epochs", "3"]) == 0
    printed = capsys.readouterr()
    assert accuracy(printed.out) > 85
    assert "loss=" in printed.err and "lr=" in printed.err and "accuracy=" in printed.err
    out = tmp_path / "retrograd-digits"
    names = {path.name for path in out.iterdir()}
    assert names == {"best.safetensors", "last.safetensors", "curves.png", "confusion.png", "filters.png"}
    for picture in out.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 2000
    model = digits.DigitsNet()
    assert sum(parameter.numel() for parameter in model.parameters()) == 25_978
    model.load_state_dict(rg.load(out / "best.safetensors"))
    *_, x_test, y_test = digits.load_data()
    _, again, _ = digits.evaluate(model, rg.from_numpy(x_test), rg.from_numpy(y_test))
    assert f"{again:.2%}" in printed.out.splitlines()[-1]


@needs_demo
def test_interrupted_and_resumed_is_bit_for_bit_the_uninterrupted_run(tmp_path, monkeypatch, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert digits.main(["--epochs", "2", "--seed", "5", "--out", str(whole)]) == 0
    expected = capsys.readouterr().out

    monkeypatch.setattr(digits, "tqdm", Bar)
    arguments = ["--epochs", "2", "--seed", "5"]
    # Early, after the last step of the first epoch, after the first step of the second, and within it.
    for stop in (4, 17, 18, 29):
        monkeypatch.setattr(Bar, "press", {stop: 1})
        assert digits.main([*arguments, "--out", str(parts)], prog="retrograd train") == 130
        printed = capsys.readouterr().out
        assert printed.splitlines()[-1] == f"continue with: retrograd train --out {parts} --resume"
        progress = rg.load(parts / "last.safetensors")["run"]
        assert progress["epoch"] * 17 + progress["step"] == stop
        rg.manual_seed(99)  # nothing may depend on the generator of the process that goes on
        arguments = ["--resume"]
    monkeypatch.setattr(Bar, "press", {})
    assert digits.main(["--resume", "--out", str(parts)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == expected.splitlines()[-1]

    for name in ("best.safetensors", "last.safetensors"):
        assert arrays(rg.load(parts / name)) == arrays(rg.load(whole / name))
    assert (parts / "curves.png").read_bytes() == (whole / "curves.png").read_bytes()

    # Resuming a run that is complete only reports it again.
    assert digits.main(["--resume", "--out", str(parts)]) == 0
    assert capsys.readouterr().out == expected.replace(str(whole), str(parts))


@needs_demo
def test_second_interrupt_ends_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(digits, "tqdm", Bar)
    monkeypatch.setattr(Bar, "press", {3: 2})
    handler = signal.getsignal(signal.SIGINT)
    assert command_line.main(["train", "--out", str(tmp_path)]) == 130
    assert "stopped" in capsys.readouterr().err
    assert not (tmp_path / "last.safetensors").exists()
    assert signal.getsignal(signal.SIGINT) is handler


@needs_demo
def test_the_printed_command_continues_the_run(tmp_path):
    out = tmp_path / "a folder"
    start = [sys.executable, "-m", "retrograd", "train", "--epochs", "6", "--out", str(out)]
    with subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stderr is not None and process.stdout is not None
        process.stderr.read(1)  # the bar is up, the handler set
        process.send_signal(signal.SIGINT)
        printed, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    command = shlex.split(printed.decode().splitlines()[-1].removeprefix("continue with: "))
    assert command[1:] == ["-m", "retrograd", "train", "--out", str(out), "--resume"]
    command[0] = sys.executable
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert accuracy(done.stdout) > 85


@needs_demo
def test_the_backend_is_switched_and_the_command_repeats_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(digits, "tqdm", Bar)
    monkeypatch.setattr(Bar, "press", {1: 1})
    with rg.use_backend(rg.get_backend()):  # restores the present one
        assert digits.main(["--backend", "numpy", "--out", str(tmp_path / "x y")], prog="p") == 130
        assert rg.get_backend() == "numpy"
    command = capsys.readouterr().out.splitlines()[-1].partition(": ")[2]
    assert shlex.split(command) == ["p", "--backend", "numpy", "--out", str(tmp_path / "x y"), "--resume"]


@needs_demo
def test_the_split_is_stratified_disjoint_and_fixed():
    x, y, x_val, y_val, x_test, y_test = digits.load_data()
    assert [len(x), len(x_val), len(x_test)] == [1077, 360, 360] == [len(y), len(y_val), len(y_test)]
    assert x.dtype == np.float32 and x.shape[1:] == (1, 8, 8) and x.min() == 0 and x.max() == 1
    for labels in (y, y_val, y_test):
        share = np.bincount(labels, minlength=10) / len(labels)
        assert abs(share - 0.1).max() < 0.01
    np.testing.assert_array_equal(digits.load_data()[4], x_test)


def test_shifts_move_whole_images_by_at_most_one_pixel():
    image = np.zeros((200, 1, 8, 8), np.float32)
    image[:, 0, 3, 4] = 1
    moved = digits.shifted(image, np.random.default_rng(0))
    assert moved.shape == image.shape and moved.dtype == image.dtype
    _, _, rows, columns = np.nonzero(moved)
    assert len(rows) == 200 and set(rows) == {2, 3, 4} and set(columns) == {3, 4, 5}
    corner = np.zeros((50, 1, 8, 8), np.float32)
    corner[:, 0, 0, 0] = 1
    assert set(digits.shifted(corner, np.random.default_rng(0)).sum((1, 2, 3))) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "--epochs 0: expected 1 or more"),
        (["--seed", "-1"], "--seed -1: expected 0 or more"),
        (["--resume"], "there is no nowhere"),
        (["--backend", "abacus"], "invalid choice: 'abacus'"),
    ],
)
@needs_demo
def test_wrong_options_of_train(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        command_line.main(["train", "--out", "nowhere", *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@needs_demo
def test_resume_keeps_the_run_as_it_was_started(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(digits, "tqdm", Bar)
    monkeypatch.setattr(Bar, "press", {1: 1})
    assert digits.main(["--epochs", "4", "--out", str(tmp_path)]) == 130
    with pytest.raises(SystemExit):
        digits.main(["--resume", "--epochs", "9", "--out", str(tmp_path)])
    assert "has a run with --epochs 4; --resume keeps that" in capsys.readouterr().err


@pytest.mark.parametrize("absent", [("sklearn",), ("matplotlib",), ("sklearn", "matplotlib")])
def test_missing_packages_are_named_with_the_line_that_installs_them(absent, tmp_path, monkeypatch, capsys):
    present = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in absent else present(name, *rest)
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        command_line.main(["train"])
    assert stop.value.code == 1
    message = capsys.readouterr().err
    assert 'pip install "retrograd[demo]"' in message
    for name in absent:
        assert name.replace("sklearn", "scikit-learn") in message
    assert not list(tmp_path.iterdir())


def test_cupy_backend_without_cupy_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    if "cupy" in rg.available_backends():
        pytest.skip("CuPy works here")
    monkeypatch.setattr(digits.importlib.util, "find_spec", lambda name: True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        command_line.main(["train", "--backend", "cupy"])
    assert stop.value.code == 1
    assert "CUDA" in (message := capsys.readouterr().err) or "CuPy" in message


def test_info(capsys):
    assert command_line.main(["info"]) == 0
    printed = capsys.readouterr().out
    assert f"retrograd {rg.__version__}" in printed
    for name in info.REQUIRED:
        assert re.search(rf"{name} +{re.escape(importlib.metadata.version(name))}", printed)
    assert f"{rg.get_backend()} (in use)" in printed
    for title in ("system", "BLAS", "Numba", "devices", "missing"):
        assert re.search(rf"^{title}$", printed, re.MULTILINE)
    assert re.search(r"devices\n  cpu\n  cuda", printed)


def test_info_names_what_is_missing(monkeypatch, capsys):
    present = importlib.util.find_spec
    absent = {"sklearn", "cupy", "threadpoolctl"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in absent else present(name, *rest)
    )
    monkeypatch.setattr(info, "CUPY", ())
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert command_line.main(["info"]) == 0
    printed = capsys.readouterr().out
    missing = printed.partition("\nmissing\n")[2]
    for line in ('pip install "retrograd[demo]"', 'pip install "retrograd[cuda12]"', "pip install threadpoolctl"):
        assert line in missing
    assert missing.count("[demo]") == 1
    assert "OPENBLAS_CORETYPE=Haswell" in printed and "unset it" in printed
    assert "NumPy's build" in printed


def test_help_version_and_unknown_commands(capsys):
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        assert command_line.main(arguments) == 0
        printed = capsys.readouterr().out
        assert all(name in printed for name in command_line.COMMANDS)
    for arguments in (["--version"], ["-V"]):
        assert command_line.main(arguments) == 0
        assert capsys.readouterr().out == f"retrograd {rg.__version__}\n"
    assert command_line.main(["trian"]) == 2
    error = capsys.readouterr().err
    assert "unknown command 'trian' (did you mean train?)" in error
    assert "train, info" in error and "--help" in error


def test_the_example_is_a_script_of_its_own(tmp_path):
    """A copy of the file runs without the command line; --help imports nothing that may be missing."""
    copy = tmp_path / "mine.py"
    copy.write_text(Path(digits.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(copy), "--help"], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "mine.py" in done.stdout and "--resume" in done.stdout


@pytest.mark.soak
@needs_demo
def test_five_seeds(tmp_path, capsys):
    reached = []
    for seed in range(5):
        assert digits.main(["--seed", str(seed), "--out", str(tmp_path / str(seed))]) == 0
        reached.append(accuracy(capsys.readouterr().out))
    assert np.mean(reached) >= 98.5 and min(reached) >= 98.0, reached
