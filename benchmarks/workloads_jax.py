"""The workloads in JAX, compiled (`jit`) and, where the cost per operation is the question, op by op (`eager`)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import workloads_data as data
import workloads_formulas as formulas

Step = Callable[[], float | None]


def load(library: str, backend: str | None) -> Any:
    return importlib.import_module(library)


def variants(library: Any, workload: str) -> list[str]:
    if workload == "chain":
        return ["jit", "eager"]
    return ["jit"] if workload in ("mlp", "mlp1024", "elementwise", *formulas.NETWORKS) else []


def make(library: Any, workload: str, variant: str, size: dict[str, Any]) -> Step:
    if workload == "elementwise":
        return elementwise(library, **size)
    if workload in formulas.NETWORKS:
        return network(library, workload, size)
    return chain(library, variant, **size) if workload == "chain" else mlp(library, **size)


def functions(jax: Any) -> formulas.Functions:
    jnp, lax = jax.numpy, jax.lax

    def conv(x: Any, w: Any, stride: int, padding: int) -> Any:
        return lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2)

    def max_pool(x: Any) -> Any:
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def cross_entropy(h: Any, labels: Any) -> Any:
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(h), labels[:, None], 1))

    return formulas.Functions(
        np=jnp,
        matmul=jnp.matmul,
        conv=conv,
        max_pool=max_pool,
        cross_entropy=cross_entropy,
        erf=lax.erf,
        sigmoid=jax.nn.sigmoid,
        max=lambda x: lax.stop_gradient(jnp.max(x, -1, keepdims=True)),
        scan=lambda step, state, inputs: lax.scan(step, state, inputs)[1],
        asarray=jnp.asarray,
    )


def chain(jax: Any, variant: str, length: int, width: int) -> Step:
    x, w, b = map(jax.numpy.asarray, data.chain(width))

    def loss(parameters: Any) -> Any:
        w, b = parameters
        h = x
        for _ in range(length):
            h = h * w
            h = h + b
        return h.sum()

    gradient = jax.value_and_grad(loss)
    if variant == "jit":
        gradient = jax.jit(gradient)

    def step() -> float:
        value, gradients = gradient((w, b))
        jax.block_until_ready(gradients)
        return float(value)

    return step


def elementwise(jax: Any, rows: int, width: int) -> Step:
    operands = [jax.numpy.asarray(array) for array in data.elementwise(rows, width)[:3]]
    gradient = jax.jit(jax.value_and_grad(formulas.elementwise(functions(jax), rows, width)))

    def step() -> float:
        value, gradients = gradient(operands)
        jax.block_until_ready(gradients)
        return float(value)

    return step


def network(jax: Any, workload: str, size: dict[str, Any]) -> Step:
    parameters = {name: jax.numpy.asarray(array) for name, array in data.parameters(workload, **size).items()}
    return training(jax, formulas.NETWORKS[workload](functions(jax), **size), parameters, formulas.OPTIMIZERS[workload])


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

    return training(jax, loss, parameters, (1e-3, 0.0))


def training(jax: Any, loss: Callable[[Any], Any], parameters: Any, settings: tuple[float, float] | None) -> Step:
    """A compiled step of AdamW (rate, decay), or of SGD with momentum, that gives its buffers back to the next."""
    jnp, each = jax.numpy, jax.tree.map

    def update(parameters: Any, first: Any, second: Any, count: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(parameters)
        count = count + 1
        if settings is None:
            first = each(lambda m, g: 0.9 * m + g, first, gradients)
            return value, each(lambda p, m: p - 0.01 * m, parameters, first), first, second, count
        base, decay = settings
        first = each(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
        second = each(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
        rate, scale = base / (1 - 0.9**count), 1 / jnp.sqrt(1 - 0.999**count)
        parameters = each(
            lambda p, m, v: p * (1 - base * decay) - rate * m / (jnp.sqrt(v) * scale + 1e-8), parameters, first, second
        )
        return value, parameters, first, second, count

    compiled = jax.jit(update, donate_argnums=(0, 1, 2))
    # Copies: what is given back may not be given back twice.
    state = [
        each(jnp.array, parameters),
        each(jnp.zeros_like, parameters),
        each(jnp.zeros_like, parameters),
        jnp.zeros(()),
    ]

    def step() -> float:
        value, *state[:] = compiled(*state)
        return float(value)

    return step
