"""Train a small convolutional network on scikit-learn's handwritten digits: a whole program to read and copy.

    python -m retrograd train                    # 30 epochs; results in retrograd-digits/
    python -m retrograd train --seed 3 --epochs 20 --out run-3
    python -m retrograd train --resume           # go on after a Ctrl-C, to the same result bit for bit

The loop is the plain PyTorch loop: with ``import torch as rg`` and torch's ``nn`` the same file trains in PyTorch (call
the checkpoints .pt then: torch saves another format).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

import retrograd as rg
import retrograd.nn as nn
import retrograd.nn.functional as F
from retrograd.cli.ahead import compile_ahead, from_the_end

BATCH = 64
MAX_LR = 5e-3
SMOOTHING = 0.1
BEST, LAST = "best.safetensors", "last.safetensors"  # weights; weights, optimizer, schedule, generator, progress


class DigitsNet(nn.Module):
    """26,000 parameters: three 3x3 convolutions, two poolings, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(  # (N, 1, 8, 8) -> (N, 64, 2, 2)
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 2 * 2, 10))

    def forward(self, x: rg.Tensor) -> rg.Tensor:
        return self.head(self.features(x))


def load_data() -> tuple[np.ndarray, ...]:
    """Images (N, 1, 8, 8) in [0, 1] and labels (N,) for training (1077), validation (360) and test (360).

    The split is stratified and the same for every seed, so that runs can be compared.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    x, x_test, y, y_test = train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=0)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, stratify=y, random_state=0)
    return tuple(map(np.asarray, (x, y, x_val, y_val, x_test, y_test)))


def shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image (N, 1, 8, 8) moved by -1, 0 or 1 pixel along both axes; what comes in at the edge is black."""
    n, _, height, width = images.shape
    rows = rng.integers(0, 3, (n, 1)) + np.arange(height)  # (N, 8)
    columns = rng.integers(0, 3, (n, 1)) + np.arange(width)  # (N, 8)
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return padded[np.arange(n)[:, None, None], 0, rows[:, :, None], columns[:, None, :]][:, None]


@rg.no_grad()
def evaluate(model: nn.Module, x: rg.Tensor, y: rg.Tensor) -> tuple[float, float, np.ndarray]:
    """Loss, accuracy and predicted classes (N,) of the model in evaluation mode."""
    model.eval()
    logits = model(x)
    predicted = logits.argmax(1)
    return F.cross_entropy(logits, y).item(), (predicted == y).float().mean().item(), predicted.cpu().numpy()


class Interrupt:
    """``with Interrupt() as ctrl_c``: the first Ctrl-C only sets `ctrl_c.asked`, the second one ends the program."""

    asked = False

    def __enter__(self) -> Interrupt:
        self.main = threading.current_thread() is threading.main_thread()  # only it may set signal handlers
        if self.main:
            self.previous = signal.signal(signal.SIGINT, self.ask)
        return self

    def ask(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: Any) -> None:
        if self.main:
            signal.signal(signal.SIGINT, self.previous)


def train(epochs: int, seed: int, out: Path, resume: bool = False, device: str = "cpu") -> dict[str, Any] | None:
    """Train and leave weights and pictures in `out`; the run's record, or None when Ctrl-C stopped it."""
    x, y, *held_out = load_data()
    x_val, y_val, x_test, y_test = (rg.from_numpy(array).to(device) for array in held_out)

    rg.manual_seed(seed)
    model = DigitsNet().to(device)
    steps = -(-len(x) // BATCH)
    optimizer = rg.optim.AdamW(model.parameters(), lr=MAX_LR)
    scheduler = rg.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=MAX_LR, total_steps=epochs * steps)
    run: dict[str, Any] = {"epochs": epochs, "seed": seed, "epoch": 0, "step": 0, "loss": 0.0, "history": []}

    if resume:
        saved = rg.load(out / LAST)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        scheduler.load_state_dict(saved["scheduler"])
        rg.set_rng_state(saved["rng"])  # drives dropout
        run = saved["run"]

    def save() -> None:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
        rg.save({**state, "rng": rg.get_rng_state(), "run": run}, out / LAST)

    done = run["epoch"] * steps + run["step"]
    with Interrupt() as ctrl_c, tqdm(total=epochs * steps, initial=done, unit="step", dynamic_ncols=True) as bar:
        while run["epoch"] < epochs:
            # Order and shifts depend on seed and epoch alone: a resumed epoch goes on where it stopped.
            rng = np.random.default_rng([seed, run["epoch"]])
            order, images = rng.permutation(len(x)), shifted(x, rng)
            model.train()
            while run["step"] < steps:
                batch = order[run["step"] * BATCH : (run["step"] + 1) * BATCH]
                inputs, targets = rg.from_numpy(images[batch]).to(device), rg.from_numpy(y[batch]).to(device)

                loss = F.cross_entropy(model(inputs), targets, label_smoothing=SMOOTHING)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                rate = scheduler.get_last_lr()[0]
                scheduler.step()

                run["step"] += 1
                run["loss"] += loss.item() * len(batch)
                shown = {"epoch": run["epoch"] + 1, "loss": f"{loss.item():.3f}", "lr": f"{rate:.1e}"}
                if run["history"]:
                    shown["accuracy"] = f"{run['history'][-1]['accuracy']:.2%}"
                bar.set_postfix(shown, refresh=False)
                bar.update()
                if ctrl_c.asked:
                    save()
                    return None

            val_loss, accuracy, _ = evaluate(model, x_val, y_val)
            run["history"].append({"loss": run["loss"] / len(x), "val_loss": val_loss, "accuracy": accuracy})
            if accuracy >= max(row["accuracy"] for row in run["history"]):  # ties: the later epoch, at a smaller rate
                run["best"] = run["epoch"] + 1
                rg.save(model.state_dict(), out / BEST)
            run.update(epoch=run["epoch"] + 1, step=0, loss=0.0)
            save()

    model.load_state_dict(rg.load(out / BEST))
    _, run["test_accuracy"], predicted = evaluate(model, x_test, y_test)
    draw(run, y_test.cpu().numpy(), predicted, model.features[0].weight.detach().cpu().numpy(), out)
    return run


def rehearse() -> None:
    """A training step from its end, for `compile_ahead`."""
    model = DigitsNet()
    targets = rg.arange(BATCH) % 10
    optimizer = rg.optim.AdamW(model.parameters(), lr=MAX_LR)
    from_the_end(
        model,
        rg.rand(BATCH, 1, 8, 8),
        lambda logits: F.cross_entropy(logits, targets, label_smoothing=SMOOTHING),
        optimizer,
    )


def draw(run: dict[str, Any], actual: np.ndarray, predicted: np.ndarray, filters: np.ndarray, out: Path) -> None:
    """Save curves.png, confusion.png (actual classes down, predicted across) and filters.png, (16, 1, 3, 3) weights."""
    from matplotlib.figure import Figure

    history = run["history"]
    epochs = range(1, len(history) + 1)
    figure = Figure((9, 3.5), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    for key, label in (("loss", "training (shifted, smoothed labels)"), ("val_loss", "validation")):
        losses.plot(epochs, [row[key] for row in history], label=label)
    losses.set(xlabel="epoch", ylabel="cross-entropy", yscale="log")
    losses.legend()
    accuracies.plot(epochs, [100 * row["accuracy"] for row in history])
    accuracies.set(xlabel="epoch", ylabel="validation accuracy (%)")
    figure.savefig(out / "curves.png", dpi=120)

    counts = np.zeros((10, 10), int)
    np.add.at(counts, (actual, predicted), 1)
    figure = Figure((4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts, cmap="Blues")
    axes.set(xlabel="predicted", ylabel="actual", xticks=range(10), yticks=range(10))
    for (i, j), count in np.ndenumerate(counts):
        if count:
            axes.text(j, i, str(count), ha="center", va="center", color="white" if i == j else "black")
    figure.savefig(out / "confusion.png", dpi=120)

    figure = Figure((6, 1.8), layout="constrained")
    for axes, kernel in zip(figure.subplots(2, 8).flat, filters[:, 0], strict=True):
        axes.imshow(kernel, cmap="RdBu", vmin=-abs(filters).max(), vmax=abs(filters).max())
        axes.axis("off")
    figure.savefig(out / "filters.png", dpi=120)


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Command line of the program; `prog` is how help texts and the line after a Ctrl-C call it."""
    python = Path(sys.executable).name or "python"
    parser = argparse.ArgumentParser(
        prog=prog or f"{python} {sys.argv[0]}",
        description="Train a small convolutional network on scikit-learn's 1,797 handwritten digits.",
    )
    parser.add_argument("--backend", choices=["numpy", "numba", "cupy"], help="default: the current one")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the training images (default: 30)")
    parser.add_argument("--seed", type=int, metavar="S", help="of weights, order, shifts and dropout (default: 0)")
    parser.add_argument("--out", type=Path, metavar="DIR", default="retrograd-digits", help="default: %(default)s")
    parser.add_argument("--resume", action="store_true", help=f"go on from DIR/{LAST}")
    args = parser.parse_args(argv)

    missing = [name for name in ("sklearn", "matplotlib") if importlib.util.find_spec(name) is None]
    if missing:
        names = " and ".join(name.replace("sklearn", "scikit-learn") for name in missing)
        parser.exit(1, f'{parser.prog}: needs {names}; install with: pip install "retrograd[demo]"\n')

    last = args.out / LAST
    run: dict[str, Any] = {"epochs": 30, "seed": 0}
    if args.resume:
        if not last.exists():
            parser.error(f"--resume: there is no {last}; leave --resume out to start, or name another --out")
        run = rg.load(last)["run"]
    for name, least in (("epochs", 1), ("seed", 0)):
        asked = getattr(args, name)
        if asked is not None and asked < least:
            parser.error(f"--{name} {asked}: expected {least} or more")
        if asked is not None and args.resume and asked != run[name]:
            parser.error(f"--{name} {asked}: {args.out} has a run with --{name} {run[name]}; --resume keeps that")
        run[name] = run[name] if asked is None else asked

    if args.backend:
        try:
            rg.use_backend(args.backend)
        except rg.DeviceError as error:
            parser.exit(1, f"{parser.prog}: {error}\n")
    args.out.mkdir(parents=True, exist_ok=True)
    device = "cuda" if args.backend == "cupy" else "cpu"
    with compile_ahead(rehearse):
        finished = train(run["epochs"], run["seed"], args.out, args.resume, device)
    if finished is None:
        options = [*(["--backend", args.backend] if args.backend else []), "--out", str(args.out), "--resume"]
        print(f"stopped; everything is saved in {last}\ncontinue with: {parser.prog} {shlex.join(options)}")
        return 130
    kept = finished["best"]
    print(f"kept epoch {kept} of {run['epochs']}: validation accuracy {finished['history'][kept - 1]['accuracy']:.2%}")
    print(f"in {args.out}{os.sep}: {BEST} (weights), {LAST}, curves.png, confusion.png, filters.png")
    print(f"test accuracy {finished['test_accuracy']:.2%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
