"""Inputs and first weights of the workloads, drawn by NumPy: every library starts from the same numbers."""

from __future__ import annotations

import zlib
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

F32 = np.float32

# Workload -> sizes: the measured ones; toy ones that only show that everything runs; and, where the cost of a step
# without its arithmetic is the question, bare ones: the same operations on next to nothing.
SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "chain": {"full": {"length": 500, "width": 16}, "toy": {"length": 20, "width": 16}},
    "mlp": {
        "full": {"layers": [784, 256, 128, 10], "batch": 64},
        "toy": {"layers": [784, 32, 16, 10], "batch": 8},
        "bare": {"layers": [4, 4, 4, 10], "batch": 2},
    },
    "mlp1024": {
        "full": {"layers": [1024, 1024, 1024, 1024, 10], "batch": 256},
        "toy": {"layers": [64, 64, 64, 64, 10], "batch": 16},
        "bare": {"layers": [4, 4, 4, 4, 10], "batch": 2},
    },
    "digits": {"full": {"batch": 64, "channels": [16, 32, 64]}, "toy": {"batch": 8, "channels": [4, 4, 8]}},
    "op": {"full": {"length": 200, "side": 4}, "toy": {"length": 10, "side": 4}},
    "lenet": {
        "full": {"batch": 64, "channels": [6, 16], "hidden": [120, 84], "side": 28},
        "toy": {"batch": 4, "channels": [2, 3], "hidden": [12, 8], "side": 16},
        "bare": {"batch": 1, "channels": [1, 1], "hidden": [2, 2], "side": 12},
    },
    "resnet": {
        "full": {"batch": 32, "channels": [16, 32, 64], "side": 32},
        "toy": {"batch": 4, "channels": [3, 4, 6], "side": 8},
        "bare": {"batch": 2, "channels": [1, 2, 2], "side": 4},
    },
    "rnn": {
        "full": {"batch": 32, "length": 60, "hidden": 64, "layers": 2, "vocabulary": 105},
        "toy": {"batch": 3, "length": 5, "hidden": 8, "layers": 2, "vocabulary": 11},
        "bare": {"batch": 1, "length": 60, "hidden": 2, "layers": 2, "vocabulary": 4},
    },
    "gpt": {
        "full": {"batch": 8, "length": 128, "width": 128, "heads": 4, "layers": 4, "vocabulary": 65},
        "toy": {"batch": 2, "length": 7, "width": 16, "heads": 4, "layers": 2, "vocabulary": 11},
        "bare": {"batch": 1, "length": 2, "width": 8, "heads": 4, "layers": 4, "vocabulary": 4},
    },
    "elementwise": {
        "full": {"rows": 4096, "width": 1024},
        "toy": {"rows": 6, "width": 16},
        "bare": {"rows": 2, "width": 4},
    },
    "mobilenet": {
        "full": {"batch": 16, "channels": 32, "expansion": 6, "side": 32},
        "toy": {"batch": 3, "channels": 4, "expansion": 2, "side": 6},
        "bare": {"batch": 2, "channels": 2, "expansion": 1, "side": 2},
    },
    "unet": {
        "full": {"batch": 8, "channels": [16, 32, 64], "side": 64},
        "toy": {"batch": 2, "channels": [2, 3, 4], "side": 8},
        "bare": {"batch": 1, "channels": [1, 1, 1], "side": 8},
    },
    "encoder": {
        "full": {"batch": 8, "length": 128, "width": 512, "heads": 8, "hidden": 2048},
        "toy": {"batch": 2, "length": 7, "width": 16, "heads": 2, "hidden": 24},
        "bare": {"batch": 1, "length": 2, "width": 4, "heads": 2, "hidden": 4},
    },
    "attention": {
        "full": {"batch": 4, "length": 512, "width": 512, "heads": 8},
        "toy": {"batch": 2, "length": 9, "width": 16, "heads": 2},
        "bare": {"batch": 1, "length": 2, "width": 4, "heads": 2},
    },
    "kernel": {"full": {"toy": False}, "toy": {"toy": True}},
    "limits": {"full": {"side": 2048, "megabytes": 128}, "toy": {"side": 64, "megabytes": 1}},
}


def size(workload: str, scale: str = "full") -> dict[str, Any]:
    """The sizes of a workload at the scale "full", "toy" or "bare"; those of ``op:NAME`` are those of ``op``."""
    return SIZES[workload.partition(":")[0].partition("-")[0]][scale]


def chain(width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, w, b (width,) whose 500-fold h = h * w + b stays finite."""
    rng = np.random.default_rng(0)
    return (
        rng.normal(size=width).astype(F32),
        rng.uniform(0.99, 1.01, width).astype(F32),
        rng.normal(scale=0.01, size=width).astype(F32),
    )


def classes(batch: int, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (batch, *shape) and labels (batch,) of 10 classes."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(batch, *shape)).astype(F32), rng.integers(0, 10, batch)


def pair(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of one shape."""
    rng = np.random.default_rng(3)
    return rng.normal(size=shape).astype(F32), rng.normal(size=shape).astype(F32)


def text(batch: int, length: int, vocabulary: int) -> tuple[np.ndarray, np.ndarray]:
    """Characters (batch, length) and the ones that follow them."""
    line = np.random.default_rng(4).integers(0, vocabulary, (batch, length + 1))
    return np.ascontiguousarray(line[:, :-1]), np.ascontiguousarray(line[:, 1:])


def picture(batch: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (batch, 1, side, side) and the class of every pixel, 0 or 1."""
    rng = np.random.default_rng(5)
    return rng.normal(size=(batch, 1, side, side)).astype(F32), rng.integers(0, 2, (batch, side, side))


def elementwise(rows: int, width: int) -> list[np.ndarray]:
    """x (rows, width), scale and shift (width,), and the gradient (rows, width) of the result."""
    rng = np.random.default_rng(6)
    shapes: list[tuple[float, tuple[int, ...]]] = [(0, (rows, width)), (1, (width,)), (0, (width,)), (0, (rows, width))]
    return [
        (rng.normal(size=shape) * (0.1 if mean or len(shape) == 1 else 1) + mean).astype(F32) for mean, shape in shapes
    ]


def dense(layers: list[int]) -> list[np.ndarray]:
    """Weights (out, in) and biases (out,) in turn, as He et al. draw them."""
    rng = np.random.default_rng(2)
    arrays = []
    for fan_in, fan_out in pairwise(layers):
        arrays.append((rng.normal(size=(fan_out, fan_in)) * np.sqrt(2 / fan_in)).astype(F32))
        arrays.append(np.zeros(fan_out, F32))
    return arrays


def convolution(*shape: int) -> np.ndarray:
    """Weights (out, in, kernel, kernel)."""
    rng = np.random.default_rng(list(shape))
    return (rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(F32)


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The first value of a parameter: zeros for a bias, ones for a scale, normal numbers over the fan-in otherwise."""
    if len(shape) < 2:
        return np.zeros(shape, F32) if "bias" in name else np.ones(shape, F32)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    fan_in, gain = prod(shape[1:]), 2 if len(shape) > 2 else 1
    return (rng.normal(size=shape) * np.sqrt(gain / fan_in)).astype(F32)


Shapes = dict[str, tuple[int, ...]]


def shapes(workload: str, **size: Any) -> Shapes:
    """The shapes of a network's parameters by their names in PyTorch."""
    return {"lenet": _lenet, "resnet": _resnet, "rnn": _rnn, "gpt": _gpt}[workload](**size)


def parameters(workload: str, **size: Any) -> dict[str, np.ndarray]:
    """The parameters of a network, for libraries without modules."""
    return {name: weight(name, shape) for name, shape in shapes(workload, **size).items()}


def flat(channels: list[int], side: int) -> int:
    """The features that LeNet's convolutions leave."""
    return channels[1] * ((side // 2 - 4) // 2) ** 2


def _layer(name: str, *shape: int) -> Shapes:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def _lenet(batch: int, channels: list[int], hidden: list[int], side: int) -> Shapes:
    a, b = channels
    first, second = hidden
    return {
        **_layer("0", a, 1, 5, 5), **_layer("3", b, a, 5, 5), **_layer("7", first, flat(channels, side)),
        **_layer("9", second, first), **_layer("11", 10, second),
    }  # fmt: skip


def _resnet(batch: int, channels: list[int], side: int) -> Shapes:
    def convolved(name: str, norm: str, *shape: int) -> Shapes:
        return {f"{name}.weight": shape, **_layer(norm, shape[0])}

    a = channels[0]
    shapes = convolved("0", "1", a, 3, 3, 3)
    for number, (before, after) in enumerate([(a, a), *pairwise(channels)]):
        block = f"{number + 3}"
        shapes |= convolved(f"{block}.conv1", f"{block}.norm1", after, before, 3, 3)
        shapes |= convolved(f"{block}.conv2", f"{block}.norm2", after, after, 3, 3)
        if before != after:
            shapes |= convolved(f"{block}.shortcut.0", f"{block}.shortcut.1", after, before, 1, 1)
    return shapes | _layer("8", 10, channels[-1])


def _rnn(batch: int, length: int, hidden: int, layers: int, vocabulary: int) -> Shapes:
    shapes: Shapes = {"embedding.weight": (vocabulary, hidden)}
    for layer in range(layers):
        shapes |= {f"lstm.weight_{kind}_l{layer}": (4 * hidden, hidden) for kind in ("ih", "hh")}
        shapes |= {f"lstm.bias_{kind}_l{layer}": (4 * hidden,) for kind in ("ih", "hh")}
    return shapes | _layer("head", vocabulary, hidden)


def _gpt(batch: int, length: int, width: int, heads: int, layers: int, vocabulary: int) -> Shapes:
    shapes: Shapes = {"tokens.weight": (vocabulary, width), "positions.weight": (length, width)}
    for layer in range(layers):
        block = f"blocks.{layer}"
        shapes |= _layer(f"{block}.norm1", width) | _layer(f"{block}.attention.qkv", 3 * width, width)
        shapes |= _layer(f"{block}.attention.out", width, width) | _layer(f"{block}.norm2", width)
        shapes |= _layer(f"{block}.mlp.0", 4 * width, width) | _layer(f"{block}.mlp.2", width, 4 * width)
    return {**shapes, **_layer("norm", width), "head.weight": (vocabulary, width)}
