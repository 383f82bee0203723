"""Inputs and first weights of the workloads, drawn by NumPy: every library starts from the same numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

F32 = np.float32

# Workload -> sizes: the measured ones, and toy ones that only show that everything runs.
SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "chain": {"full": {"length": 500, "width": 16}, "toy": {"length": 20, "width": 16}},
    "mlp": {"full": {"layers": [784, 256, 128, 10], "batch": 64}, "toy": {"layers": [784, 32, 16, 10], "batch": 8}},
    "mlp1024": {
        "full": {"layers": [1024, 1024, 1024, 1024, 10], "batch": 256},
        "toy": {"layers": [64, 64, 64, 64, 10], "batch": 16},
    },
    "digits": {"full": {"batch": 64, "channels": [16, 32, 64]}, "toy": {"batch": 8, "channels": [4, 4, 8]}},
    "op": {"full": {"length": 200, "side": 4}, "toy": {"length": 10, "side": 4}},
}


def size(workload: str, toy: bool) -> dict[str, Any]:
    """The sizes of a workload; those of ``op:NAME`` are those of ``op``."""
    return SIZES[workload.partition(":")[0].partition("-")[0]]["toy" if toy else "full"]


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
