"""The workloads in MyGrad: tensors over NumPy arrays with `backward`."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import workloads_data as data
import workloads_formulas as formulas

Step = Callable[[], float | None]


def load(library: str, backend: str | None) -> Any:
    return importlib.import_module(library)


def variants(library: Any, workload: str) -> list[str]:
    # Its convolution refuses a stride that leaves a column over, as ResNet's has it.
    return [""] if workload in ("chain", "mlp", "mlp1024", "elementwise", "lenet", "rnn", "gpt") else []


def make(library: Any, workload: str, variant: str, size: dict[str, Any]) -> Step:
    if workload == "elementwise":
        return elementwise(library, **size)
    if workload in formulas.NETWORKS:
        return network(library, workload, size)
    return chain(library, **size) if workload == "chain" else mlp(library, **size)


def functions(mg: Any) -> formulas.Functions:
    """MyGrad's functions, and the error function, which it lacks, written as its users write an operation."""
    from mygrad.nnet.activations import sigmoid
    from mygrad.nnet.layers import conv_nd, max_pool
    from mygrad.nnet.losses import softmax_crossentropy
    from mygrad.operation_base import Operation
    from scipy.special import erf

    class Erf(Operation):
        def __call__(self, x: Any) -> Any:
            self.variables = (x,)
            return erf(x.data)

        def backward_var(self, grad: Any, index: int, **_: Any) -> Any:
            return grad * np.float32(2 / math.sqrt(math.pi)) * np.exp(-np.square(self.variables[index].data))

    def scan(step: Callable[[Any, Any], Any], state: Any, inputs: Any) -> Any:
        outputs = []
        for i in range(len(inputs)):
            state, out = step(state, inputs[i])
            outputs.append(out)
        return mg.stack(outputs)

    return formulas.Functions(
        np=mg,
        matmul=mg.matmul,
        conv=lambda x, w, stride, padding: conv_nd(x, w, stride=stride, padding=padding),
        max_pool=lambda x: max_pool(x, (2, 2), 2),
        cross_entropy=softmax_crossentropy,
        erf=lambda x: mg.Tensor._op(Erf, x),
        sigmoid=sigmoid,
        max=lambda x: x.data.max(axis=-1, keepdims=True),
        scan=scan,
        asarray=lambda a: a,
    )


def network(mg: Any, workload: str, size: dict[str, Any]) -> Step:
    arrays = data.parameters(workload, **size)
    optimizer = formulas.optimizer(workload, list(arrays.values()))
    return training(mg, formulas.NETWORKS[workload](functions(mg), **size), arrays, optimizer)


def elementwise(mg: Any, rows: int, width: int) -> Step:
    loss_of = formulas.elementwise(functions(mg), rows, width)
    operands = [mg.tensor(array) for array in data.elementwise(rows, width)[:3]]

    def step() -> float:
        loss = loss_of(operands)
        loss.backward()
        for x in operands:
            x.null_grad()
        return loss.item()

    return step


def chain(mg: Any, length: int, width: int) -> Step:
    x, w, b = data.chain(width)
    x, w, b = mg.tensor(x, constant=True), mg.tensor(w), mg.tensor(b)

    def step() -> float:
        h = x
        for _ in range(length):
            h = h * w
            h = h + b
        loss = h.sum()
        loss.backward()
        w.null_grad()
        b.null_grad()
        return loss.item()

    return step


def mlp(mg: Any, layers: list[int], batch: int) -> Step:
    from mygrad.nnet.losses import softmax_crossentropy

    arrays = dict(enumerate(np.ascontiguousarray(array.T) for array in data.dense(layers)))
    x, labels = data.classes(batch, layers[0])

    def loss(parameters: Any) -> Any:
        h: Any = x
        for i in range(0, len(parameters), 2):
            h = mg.matmul(h, parameters[i]) + parameters[i + 1]
            if i + 2 < len(parameters):
                h = mg.maximum(h, np.float32(0))
        return softmax_crossentropy(h, labels)

    return training(mg, loss, arrays, formulas.Adam(list(arrays.values())))


def training(mg: Any, loss_of: Callable[[Any], Any], arrays: dict[Any, np.ndarray], optimizer: Any) -> Step:
    """A step that changes the arrays in place."""

    def step() -> float:
        # New tensors over the same memory: MyGrad would otherwise lock the arrays that the optimizer writes to.
        parameters = {name: mg.tensor(array, copy=False) for name, array in arrays.items()}
        loss = loss_of(parameters)
        loss.backward()
        gradients = [parameter.grad for parameter in parameters.values()]
        value = loss.item()
        del loss, parameters  # unlocks the arrays
        optimizer.step(gradients)
        return value

    return step
