"""The workloads in MyGrad: tensors over NumPy arrays with `backward`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import workloads_data as data
from workloads_autograd import Adam

Step = Callable[[], float | None]


def load(library: str, backend: str | None) -> Any:
    return importlib.import_module(library)


def variants(library: Any, workload: str) -> list[str]:
    return [""] if workload in ("chain", "mlp", "mlp1024") else []


def make(library: Any, workload: str, variant: str, size: dict[str, Any]) -> Step:
    return chain(library, **size) if workload == "chain" else mlp(library, **size)


def chain(mg: Any, length: int, width: int) -> Step:
    x, w, b = data.chain(width)
    x, w, b = mg.tensor(x, constant=True), mg.tensor(w), mg.tensor(b)

    def step() -> None:
        h = x
        for _ in range(length):
            h = h * w
            h = h + b
        h.sum().backward()
        w.null_grad()
        b.null_grad()

    return step


def mlp(mg: Any, layers: list[int], batch: int) -> Step:
    from mygrad.nnet.losses import softmax_crossentropy

    arrays = [np.ascontiguousarray(array.T) for array in data.dense(layers)]
    x, labels = data.classes(batch, layers[0])
    adam = Adam(arrays)

    def step() -> float:
        # New tensors over the same memory: MyGrad would otherwise lock the arrays that Adam writes to.
        parameters = [mg.tensor(array, copy=False) for array in arrays]
        h: Any = x
        for i in range(0, len(parameters), 2):
            h = mg.matmul(h, parameters[i]) + parameters[i + 1]
            if i + 2 < len(parameters):
                h = mg.maximum(h, 0.0)
        loss = softmax_crossentropy(h, labels)
        loss.backward()
        gradients = [parameter.grad for parameter in parameters]
        value = loss.item()
        del h, loss, parameters  # unlocks the arrays
        adam.step(gradients)
        return value

    return step
