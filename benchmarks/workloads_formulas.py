"""The suite's networks as formulas of arrays, for libraries that bring functions rather than layers: JAX, autograd, MyGrad.

A library is a record of its functions (`Functions`). Parameters are dictionaries of arrays by their names in PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import workloads_data as data

Loss = Callable[[Any], Any]
F32 = data.F32  # of the constants too: MyGrad takes Python's for float64, and computes in it from then on


@dataclass
class Functions:
    """np: exp, tanh, sqrt, mean, maximum and concatenate on the library's arrays; the others say what their names do.

    conv(x, w, stride, padding); max_pool(x): 2 x 2; cross_entropy(logits, labels); max(x): over the last axis, kept, a
    constant for the gradient; scan(step, state, inputs): state, output = step(state, input) over the first axis of
    inputs, returning the outputs stacked.
    """

    np: Any
    matmul: Callable[[Any, Any], Any]
    conv: Callable[[Any, Any, int, int], Any]
    max_pool: Callable[[Any], Any]
    cross_entropy: Callable[[Any, Any], Any]
    erf: Callable[[Any], Any]
    sigmoid: Callable[[Any], Any]
    max: Callable[[Any], Any]
    scan: Callable[[Callable[[Any, Any], Any], Any, Any], Any]
    asarray: Callable[[Any], Any]


def linear(f: Functions, p: Any, name: str, x: Any, bias: bool = True) -> Any:
    """x @ weight.T + bias, as one product of two matrices."""
    w = p[f"{name}.weight"]
    y = f.matmul(x.reshape(-1, w.shape[1]), w.T)
    return (y + p[f"{name}.bias"] if bias else y).reshape(*x.shape[:-1], w.shape[0])


def relu(f: Functions, x: Any) -> Any:
    return f.np.maximum(x, F32(0))


def gelu(f: Functions, x: Any) -> Any:
    return F32(0.5) * x * (F32(1) + f.erf(x * F32(math.sqrt(0.5))))


def softmax(f: Functions, x: Any) -> Any:
    e = f.np.exp(x - f.max(x))
    return e / f.np.sum(e, axis=-1, keepdims=True)


def normalize(f: Functions, x: Any, axis: Any) -> Any:
    d = x - f.np.mean(x, axis=axis, keepdims=True)
    return d / f.np.sqrt(f.np.mean(d * d, axis=axis, keepdims=True) + F32(1e-5))


def layer_norm(f: Functions, x: Any, scale: Any, shift: Any) -> Any:
    return normalize(f, x, -1) * scale + shift


def batch_norm(f: Functions, p: Any, name: str, x: Any) -> Any:
    channels = (1, -1, 1, 1)
    return normalize(f, x, (0, 2, 3)) * p[f"{name}.weight"].reshape(channels) + p[f"{name}.bias"].reshape(channels)


def lenet(f: Functions, batch: int, side: int, **_: Any) -> Loss:
    x, y = map(f.asarray, data.classes(batch, 1, side, side))

    def loss(p: Any) -> Any:
        h = x
        for name, padding in (("0", 2), ("3", 0)):
            h = f.conv(h, p[f"{name}.weight"], 1, padding) + p[f"{name}.bias"].reshape(1, -1, 1, 1)
            h = f.max_pool(relu(f, h))
        h = h.reshape(batch, -1)
        for name in ("7", "9"):
            h = relu(f, linear(f, p, name, h))
        return f.cross_entropy(linear(f, p, "11", h), y)

    return loss


def resnet(f: Functions, batch: int, channels: list[int], side: int) -> Loss:
    x, y = map(f.asarray, data.classes(batch, 3, side, side))
    strides = [1] + [2] * len(list(pairwise(channels)))

    def loss(p: Any) -> Any:
        h = relu(f, batch_norm(f, p, "1", f.conv(x, p["0.weight"], 1, 1)))
        for number, stride in enumerate(strides):
            name = f"{number + 3}"
            r = relu(f, batch_norm(f, p, f"{name}.norm1", f.conv(h, p[f"{name}.conv1.weight"], stride, 1)))
            r = batch_norm(f, p, f"{name}.norm2", f.conv(r, p[f"{name}.conv2.weight"], 1, 1))
            if stride > 1:
                h = batch_norm(f, p, f"{name}.shortcut.1", f.conv(h, p[f"{name}.shortcut.0.weight"], stride, 0))
            h = relu(f, r + h)
        return f.cross_entropy(linear(f, p, "8", f.np.mean(h, axis=(2, 3))), y)

    return loss


def rnn(f: Functions, batch: int, length: int, hidden: int, layers: int, vocabulary: int) -> Loss:
    x, y = data.text(batch, length, vocabulary)
    # Time first, so that a step's inputs lie together; the labels in the same order.
    x, y = f.asarray(np.ascontiguousarray(x.T)), f.asarray(np.ascontiguousarray(y.T).ravel())
    zeros = f.asarray(np.zeros((batch, hidden), F32))

    def cell(w: Any, state: Any, projected: Any) -> Any:
        h, c = state
        gates = projected + f.matmul(h, w.T)
        i, forget, new, out = (gates[:, k * hidden : (k + 1) * hidden] for k in range(4))
        c = f.sigmoid(forget) * c + f.sigmoid(i) * f.np.tanh(new)
        h = f.sigmoid(out) * f.np.tanh(c)
        return (h, c), h

    def loss(p: Any) -> Any:
        h = p["embedding.weight"][x]
        for layer in range(layers):
            w, bias = p[f"lstm.weight_ih_l{layer}"], p[f"lstm.bias_ih_l{layer}"] + p[f"lstm.bias_hh_l{layer}"]
            projected = (f.matmul(h.reshape(-1, hidden), w.T) + bias).reshape(length, batch, 4 * hidden)
            h = f.scan(partial(cell, p[f"lstm.weight_hh_l{layer}"]), (zeros, zeros), projected)
        return f.cross_entropy(linear(f, p, "head", h).reshape(-1, vocabulary), y)

    return loss


def gpt(f: Functions, batch: int, length: int, width: int, heads: int, layers: int, vocabulary: int) -> Loss:
    x, y = data.text(batch, length, vocabulary)
    x, y = f.asarray(x), f.asarray(y.ravel())
    split = (batch, length, heads, width // heads)
    mask = f.asarray(np.triu(np.full((length, length), -1e30, F32), 1))

    def attend(p: Any, block: str, h: Any) -> Any:
        qkv = linear(f, p, f"{block}.attention.qkv", h)
        q, k, v = (
            qkv[:, :, part * width : (part + 1) * width].reshape(*split).transpose((0, 2, 1, 3)) for part in range(3)
        )
        scores = f.matmul(q, k.transpose((0, 1, 3, 2))) * F32((width // heads) ** -0.5) + mask
        mixed = f.matmul(softmax(f, scores), v).transpose((0, 2, 1, 3)).reshape(batch, length, width)
        return linear(f, p, f"{block}.attention.out", mixed)

    def norm(p: Any, name: str, h: Any) -> Any:
        return layer_norm(f, h, p[f"{name}.weight"], p[f"{name}.bias"])

    def loss(p: Any) -> Any:
        h = p["tokens.weight"][x] + p["positions.weight"]
        for layer in range(layers):
            block = f"blocks.{layer}"
            h = h + attend(p, block, norm(p, f"{block}.norm1", h))
            wide = gelu(f, linear(f, p, f"{block}.mlp.0", norm(p, f"{block}.norm2", h)))
            h = h + linear(f, p, f"{block}.mlp.2", wide)
        return f.cross_entropy(linear(f, p, "head", norm(p, "norm", h), bias=False).reshape(-1, vocabulary), y)

    return loss


def elementwise(f: Functions, rows: int, width: int) -> Loss:
    """The loss as a function of [x, scale, shift]."""
    c = f.asarray(data.elementwise(rows, width)[3])

    def loss(p: Any) -> Any:
        x, scale, shift = p
        return f.np.sum(softmax(f, layer_norm(f, gelu(f, x), scale, shift)) * c)

    return loss


NETWORKS: dict[str, Callable[..., Loss]] = {"lenet": lenet, "resnet": resnet, "rnn": rnn, "gpt": gpt}
# learning rate and weight decay of AdamW (Adam: 0), or None: SGD with momentum 0.9 and learning rate 0.01
OPTIMIZERS: dict[str, tuple[float, float] | None] = {
    "lenet": (1e-3, 0.0),
    "resnet": None,
    "rnn": (2e-3, 0.0),
    "gpt": (3e-4, 0.01),
}


class Adam:
    """Adam (and AdamW) in plain NumPy, in place, for the libraries that bring no optimizer."""

    def __init__(self, parameters: list[np.ndarray], rate: float = 1e-3, decay: float = 0.0) -> None:
        self.parameters, self.rate, self.decay, self.count = parameters, rate, decay, 0
        self.first = [np.zeros_like(p) for p in parameters]
        self.second = [np.zeros_like(p) for p in parameters]

    def step(self, gradients: list[np.ndarray]) -> None:
        self.count += 1
        scale = 1 / (1 - 0.999**self.count) ** 0.5
        rate = self.rate / (1 - 0.9**self.count)
        for p, g, m, v in zip(self.parameters, gradients, self.first, self.second, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            if self.decay:
                p *= 1 - self.rate * self.decay
            p -= rate * m / (np.sqrt(v) * scale + 1e-8)


class SGD:
    """Gradient descent with momentum in plain NumPy, in place."""

    def __init__(self, parameters: list[np.ndarray], rate: float = 0.01, momentum: float = 0.9) -> None:
        self.parameters, self.rate, self.momentum = parameters, rate, momentum
        self.buffers = [np.zeros_like(p) for p in parameters]

    def step(self, gradients: list[np.ndarray]) -> None:
        for p, g, m in zip(self.parameters, gradients, self.buffers, strict=True):
            m *= self.momentum
            m += g
            p -= self.rate * m


def optimizer(workload: str, parameters: list[np.ndarray]) -> Adam | SGD:
    """The optimizer of a workload over arrays that it changes in place."""
    settings = OPTIMIZERS[workload]
    return SGD(parameters) if settings is None else Adam(parameters, *settings)
