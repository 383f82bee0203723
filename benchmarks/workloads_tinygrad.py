"""The workloads in tinygrad, with `TinyJit`, on its CPU device (which compiles with clang)."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import workloads_data as data

Step = Callable[[], float | None]


def load(library: str, backend: str | None) -> Any:
    os.environ.setdefault("DEV", "CPU")  # the processor, even where there is a GPU
    module = importlib.import_module(library)
    if shutil.which("clang") is None:
        raise ImportError("tinygrad needs clang to compile for the CPU")
    return module


def variants(library: Any, workload: str) -> list[str]:
    return ["jit"] if workload in ("mlp", "mlp1024", "lenet") else []


def make(library: Any, workload: str, variant: str, size: dict[str, Any]) -> Step:
    return lenet(library, **size) if workload == "lenet" else mlp(library, **size)


def mlp(tg: Any, layers: list[int], batch: int) -> Step:
    parameters = [tg.Tensor(array) for array in data.dense(layers)]

    def forward(x: Any) -> Any:
        for i in range(0, len(parameters), 2):
            x = x @ parameters[i].T + parameters[i + 1]
            if i + 2 < len(parameters):
                x = x.relu()
        return x

    return training(tg, forward, parameters, *data.classes(batch, layers[0]))


def lenet(tg: Any, **size: Any) -> Step:
    p = {name: tg.Tensor(array) for name, array in data.parameters("lenet", **size).items()}

    def forward(x: Any) -> Any:
        for name, padding in (("0", 2), ("3", 0)):
            x = x.conv2d(p[f"{name}.weight"], p[f"{name}.bias"], padding=padding).relu().max_pool2d()
        x = x.flatten(1)
        for name, after in pairwise(("7", "9", "11", "")):
            x = x @ p[f"{name}.weight"].T + p[f"{name}.bias"]
            x = x.relu() if after else x
        return x

    return training(tg, forward, list(p.values()), *data.classes(size["batch"], 1, size["side"], size["side"]))


def training(tg: Any, forward: Callable[[Any], Any], parameters: list[Any], x: Any, y: Any) -> Step:
    from tinygrad.helpers import Context
    from tinygrad.nn.optim import Adam

    optimizer = Adam(parameters, lr=1e-3)
    x, y = tg.Tensor(x).realize(), tg.Tensor(y.astype("int32")).realize()

    @tg.TinyJit
    def update() -> Any:
        optimizer.zero_grad()
        loss = forward(x).sparse_categorical_crossentropy(y).backward()
        return loss.realize(*optimizer.schedule_step())

    def step() -> float:
        with Context(TRAINING=1):
            return update().item()

    return step
