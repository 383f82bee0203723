"""What the machine can do: a matrix product and a copy, the yardsticks for GFLOP/s and GB/s."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

Step = Callable[[], float | None]


def load(library: str, backend: str | None) -> Any:
    return np


def variants(library: Any, workload: str) -> list[str]:
    return ["sgemm", "copy"] if workload == "limits" else []


def make(library: Any, workload: str, variant: str, size: dict[str, Any]) -> Step:
    return sgemm(size["side"]) if variant == "sgemm" else copy(size["megabytes"])


def sgemm(side: int) -> Step:
    """A product of two square matrices."""
    rng = np.random.default_rng(0)
    a, b = rng.random((side, side), np.float32), rng.random((side, side), np.float32)
    out = np.empty_like(a)

    def step() -> None:
        np.matmul(a, b, out)

    return step


def copy(megabytes: int) -> Step:
    """A copy between two arrays that no cache holds, each thread a part of it."""
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    source = np.ones(megabytes << 18, np.float32)
    parts = list(zip(np.array_split(source, threads), np.array_split(np.empty_like(source), threads), strict=True))
    pool = ThreadPoolExecutor(threads)

    def step() -> None:
        for done in [pool.submit(np.copyto, there, here) for here, there in parts]:
            done.result()

    return step
