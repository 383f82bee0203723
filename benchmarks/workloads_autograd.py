"""The workloads in HIPS autograd: functions of NumPy arrays, differentiated by `value_and_grad`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import workloads_data as data
import workloads_formulas as formulas

Step = Callable[[], float | None]


def load(library: str, backend: str | None) -> Any:
    module = importlib.import_module(library)
    if not hasattr(module, "value_and_grad"):
        raise ImportError(f"the autograd in {module.__file__} is not HIPS autograd")
    return module


def variants(library: Any, workload: str) -> list[str]:
    return [""] if workload in ("chain", "mlp", "mlp1024", "elementwise", *formulas.NETWORKS) else []


def make(library: Any, workload: str, variant: str, size: dict[str, Any]) -> Step:
    if workload == "elementwise":
        return elementwise(library, **size)
    if workload in formulas.NETWORKS:
        return network(library, workload, size)
    return chain(library, **size) if workload == "chain" else mlp(library, **size)


def functions() -> formulas.Functions:
    """Autograd's functions. It has no convolution or pooling that anyone would train with: they are put together."""
    import autograd.numpy as anp
    import autograd.scipy.special
    from autograd.extend import notrace_primitive

    anp_: Any = anp  # its names are made at import

    def conv(x: Any, w: Any, stride: int, padding: int) -> Any:
        if padding:
            x = anp_.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)], mode="constant")
        k = w.shape[2]
        rows, columns = (x.shape[2] - k) // stride + 1, (x.shape[3] - k) // stride + 1
        taps = [
            x[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride]
            for i in range(k)
            for j in range(k)
        ]
        patches = anp_.stack(taps, axis=2).reshape(x.shape[0], x.shape[1] * k * k, rows * columns)
        return anp_.matmul(w.reshape(w.shape[0], -1), patches).reshape(x.shape[0], w.shape[0], rows, columns)

    def max_pool(x: Any) -> Any:
        n, c, h, w = x.shape
        return anp_.max(x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2), axis=(3, 5))

    def cross_entropy(h: Any, labels: Any) -> Any:
        top = h - anp_.max(h, axis=1, keepdims=True)
        return anp_.mean(anp_.log(anp_.sum(anp_.exp(top), axis=1)) - top[np.arange(labels.size), labels])

    def scan(step: Callable[[Any, Any], Any], state: Any, inputs: Any) -> Any:
        outputs = []
        for i in range(len(inputs)):
            state, out = step(state, inputs[i])
            outputs.append(out)
        return anp_.stack(outputs)

    return formulas.Functions(
        np=anp_,
        matmul=anp_.matmul,
        conv=conv,
        max_pool=max_pool,
        cross_entropy=cross_entropy,
        erf=autograd.scipy.special.erf,
        sigmoid=lambda x: 1 / (1 + anp_.exp(-x)),
        max=notrace_primitive(lambda x: np.max(x, axis=-1, keepdims=True)),
        scan=scan,
        asarray=lambda a: a,
    )


def network(ag: Any, workload: str, size: dict[str, Any]) -> Step:
    p = data.parameters(workload, **size)
    gradient = ag.value_and_grad(formulas.NETWORKS[workload](functions(), **size))
    optimizer = formulas.optimizer(workload, list(p.values()))

    def step() -> float:
        value, gradients = gradient(p)
        optimizer.step([gradients[name] for name in p])
        return float(value)

    return step


def elementwise(ag: Any, rows: int, width: int) -> Step:
    gradient = ag.value_and_grad(formulas.elementwise(functions(), rows, width))
    operands = data.elementwise(rows, width)[:3]
    return lambda: float(gradient(operands)[0])


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
    return lambda: float(gradient(parameters)[0])


def mlp(ag: Any, layers: list[int], batch: int) -> Step:
    import autograd.numpy as anp

    parameters = [np.ascontiguousarray(array.T) for array in data.dense(layers)]
    x, labels = data.classes(batch, layers[0])
    rows = np.arange(batch)

    def loss(parameters: list[np.ndarray]) -> Any:
        h = x
        for i in range(0, len(parameters), 2):
            h = anp.dot(h, parameters[i]) + parameters[i + 1]
            if i + 2 < len(parameters):
                h = anp.maximum(h, 0)
        top = h - anp.max(h, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(top), axis=1)) - top[rows, labels])

    gradient = ag.value_and_grad(loss)
    adam = formulas.Adam(parameters)

    def step() -> float:
        value, gradients = gradient(parameters)
        adam.step(gradients)
        return float(value)

    return step
