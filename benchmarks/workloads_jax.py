"""The workloads in JAX, compiled (`jit`) and, where the cost per operation is the question, op by op (`eager`)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import workloads_data as data

Step = Callable[[], float | None]


def load(library: str, backend: str | None) -> Any:
    return importlib.import_module(library)


def variants(library: Any, workload: str) -> list[str]:
    if workload == "chain":
        return ["jit", "eager"]
    return ["jit"] if workload in ("mlp", "mlp1024") else []


def make(library: Any, workload: str, variant: str, size: dict[str, Any]) -> Step:
    return chain(library, variant, **size) if workload == "chain" else mlp(library, **size)


def chain(jax: Any, variant: str, length: int, width: int) -> Step:
    x, w, b = map(jax.numpy.asarray, data.chain(width))

    def loss(parameters: Any) -> Any:
        w, b = parameters
        h = x
        for _ in range(length):
            h = h * w
            h = h + b
        return h.sum()

    gradient = jax.grad(loss)
    if variant == "jit":
        gradient = jax.jit(gradient)

    def step() -> None:
        jax.block_until_ready(gradient((w, b)))

    return step


def mlp(jax: Any, layers: list[int], batch: int) -> Step:
    jnp = jax.numpy
    parameters: Any = [jnp.asarray(np.ascontiguousarray(array.T)) for array in data.dense(layers)]
    x, labels = map(jnp.asarray, data.classes(batch, layers[0]))

    def loss(parameters: Any) -> Any:
        h = x
        for i in range(0, len(parameters), 2):
            h = h @ parameters[i] + parameters[i + 1]
            if i + 2 < len(parameters):
                h = jax.nn.relu(h)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(h), labels[:, None], 1))

    @jax.jit
    def update(parameters: Any, first: Any, second: Any, count: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(parameters)
        count = count + 1
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradients, strict=True)]
        rate, scale = 1e-3 / (1 - 0.9**count), 1 / jnp.sqrt(1 - 0.999**count)
        moments = zip(parameters, first, second, strict=True)
        parameters = [p - rate * m / (jnp.sqrt(v) * scale + 1e-8) for p, m, v in moments]
        return value, parameters, first, second, count

    zeros = [jnp.zeros_like(p) for p in parameters]
    state = [parameters, zeros, zeros, jnp.zeros(())]

    def step() -> float:
        value, *state[:] = update(*state)
        return float(value)

    return step
