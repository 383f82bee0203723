"""The workloads in HIPS autograd: functions of NumPy arrays, differentiated by `value_and_grad`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import workloads_data as data

Step = Callable[[], float | None]


def load(library: str, backend: str | None) -> Any:
    module = importlib.import_module(library)
    if not hasattr(module, "value_and_grad"):
        raise ImportError(f"the autograd in {module.__file__} is not HIPS autograd")
    return module


def variants(library: Any, workload: str) -> list[str]:
    return [""] if workload in ("chain", "mlp", "mlp1024") else []


def make(library: Any, workload: str, variant: str, size: dict[str, Any]) -> Step:
    return chain(library, **size) if workload == "chain" else mlp(library, **size)


def chain(ag: Any, length: int, width: int) -> Step:
    import autograd.numpy as anp

    x, *parameters = data.chain(width)

    def loss(parameters: list[np.ndarray]) -> Any:
        w, b = parameters
        h = x
        for _ in range(length):
            h = h * w
            h = h + b
        return anp.sum(h)

    gradient = ag.value_and_grad(loss)

    def step() -> None:
        gradient(parameters)

    return step


def mlp(ag: Any, layers: list[int], batch: int) -> Step:
    import autograd.numpy as anp

    parameters = [np.ascontiguousarray(array.T) for array in data.dense(layers)]
    x, labels = data.classes(batch, layers[0])
    rows = np.arange(batch)

    def loss(parameters: list[np.ndarray]) -> Any:
        h: Any = x
        for i in range(0, len(parameters), 2):
            h = anp.dot(h, parameters[i]) + parameters[i + 1]
            if i + 2 < len(parameters):
                h = anp.maximum(h, 0)
        top = h - anp.max(h, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(top), axis=1)) - top[rows, labels])

    gradient = ag.value_and_grad(loss)
    adam = Adam(parameters)

    def step() -> float:
        value, gradients = gradient(parameters)
        adam.step(gradients)
        return float(value)

    return step


class Adam:
    """Adam in plain NumPy, in place, for the libraries that bring no optimizer."""

    def __init__(self, parameters: list[np.ndarray], rate: float = 1e-3) -> None:
        self.parameters, self.rate, self.count = parameters, rate, 0
        self.first = [np.zeros_like(p) for p in parameters]
        self.second = [np.zeros_like(p) for p in parameters]

    def step(self, gradients: list[np.ndarray]) -> None:
        self.count += 1
        scale = 1 / (1 - 0.999**self.count) ** 0.5
        rate = self.rate / (1 - 0.9**self.count)
        for p, g, m, v in zip(self.parameters, gradients, self.first, self.second, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            p -= rate * m / (np.sqrt(v) * scale + 1e-8)
