"""Which activation follows a layer, and which distribution suits the two: the knowledge behind `nn.init.apply`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..modules.attention import MultiheadAttention
from ..modules.conv_base import _ConvNd
from ..modules.linear import Bilinear, Linear
from ..modules.module import Module
from ..modules.rnn import RNNBase, RNNCellBase
from ..modules.sparse import Embedding, EmbeddingBag
from ..modules.transformer import _Layer
from .gains import variance_gain

__all__ = ["Following", "following", "is_weighted", "known", "traced"]

_LIBRARY = Module.__module__.rpartition(".modules.")[0] + "."

# The functional name of each activation module, by the name of its class.
_MODULES = {
    "APLU": "relu", "CELU": "celu", "ClippedReLU": "relu", "ELU": "elu", "FilterResponseNorm": "relu", "GELU": "gelu",
    "GaLU": "relu",
    "Hardshrink": "hardshrink", "Hardsigmoid": "hardsigmoid", "Hardswish": "hardswish", "Hardtanh": "hardtanh",
    "LeCunTanh": "lecun_tanh", "LeakyReLU": "leaky_relu", "LogSigmoid": "logsigmoid", "LogSoftmax": "log_softmax",
    "MeLU": "relu", "Mish": "mish", "PReLU": "prelu", "RReLU": "rrelu", "ReLU": "relu", "ReLU6": "relu6", "SELU": "selu",
    "SReLU": "relu", "ScaledTanh": "tanh", "SiLU": "silu", "Sigmoid": "sigmoid", "Softmax": "softmax",
    "Softmax2d": "softmax", "Softmin": "softmax", "Softplus": "softplus", "Softshrink": "softshrink",
    "Softsign": "softsign", "TLU": "relu", "Tanh": "tanh", "Tanhshrink": "tanhshrink", "Threshold": "threshold",
}  # fmt: skip

# The same by the name of the recorded operation, for functional calls.
_NODES = {
    "Elu": "elu", "Gelu": "gelu", "Hardshrink": "hardshrink", "Hardsigmoid": "hardsigmoid", "Hardswish": "hardswish",
    "Hardtanh": "hardtanh", "LeakyRelu": "leaky_relu", "LogSoftmax": "log_softmax", "Logsigmoid": "logsigmoid",
    "Mish": "mish", "Prelu": "leaky_relu", "Relu": "relu", "Sigmoid": "sigmoid", "Silu": "silu", "Softmax": "softmax",
    "Softplus": "softplus", "Softshrink": "softshrink", "Softsign": "softsign", "Tanh": "tanh", "Threshold": "threshold",
}  # fmt: skip

# What `nn.init.apply` draws before each: He's normal distribution where half of the signal is cut off, ...
_RECTIFIERS = frozenset((
    "celu", "elu", "gelu", "hardswish", "leaky_relu", "mish", "prelu", "relu", "relu6", "rrelu", "silu", "softplus",
    "threshold",
))  # fmt: skip
# ... LeCun's where the activation is made for variance 1 / fan_in, and Xavier's uniform one before all others.
_LECUN = frozenset(("lecun_tanh", "selu"))


class Following(NamedTuple):
    """An activation, as far as initialization is concerned."""

    name: str
    gain: float  # what keeps the second moment; 1 for all but rectifiers

    @property
    def scheme(self) -> str:
        """The named scheme that suits it."""
        if self.name in _RECTIFIERS:
            return "kaiming_normal"
        return "lecun_normal" if self.name in _LECUN else "xavier_uniform"


LINEAR = Following("linear", 1.0)


def known(activation: Any) -> Following | None:
    """What is known of a module, a function or a functional name; None if it is no activation that this knows."""
    if isinstance(activation, Module):
        for kind in type(activation).__mro__:
            if kind.__module__.startswith(_LIBRARY) and kind.__name__ in _MODULES:
                if kind.__name__ == "FilterResponseNorm" and getattr(activation, "tau", None) is None:
                    return None  # without its threshold
                return _of_module(_MODULES[kind.__name__], activation)
        return None
    name = activation if isinstance(activation, str) else getattr(activation, "__name__", "").removesuffix("_")
    if name == "linear":
        return LINEAR
    if name in ("prelu", "rrelu"):
        return Following(name, math.sqrt(2 / (1 + (0.25 if name == "prelu" else 11 / 48) ** 2)))
    if name == "threshold" or name not in (*_MODULES.values(), *_NODES.values()):
        return None
    return Following(name, variance_gain(name) if name in _RECTIFIERS else 1.0)


def _of_module(name: str, module: Any) -> Following:
    if name not in _RECTIFIERS:
        return Following(name, 1.0)
    # E[f(z)^2] = (1 + E[a^2]) / 2 with a slope that is learned (as it starts), or drawn.
    if name == "prelu":
        slope = module.weight.detach()
        return Following(name, math.sqrt(2 / (1 + float((slope * slope).mean()))))
    if name == "rrelu":
        low, high = module.lower, module.upper
        return Following(name, math.sqrt(2 / (1 + (low * low + low * high + high * high) / 3)))
    plain = next(module.parameters(), None) is None
    return Following(name, variance_gain(module if plain and not getattr(module, "inplace", False) else name))


def is_weighted(module: Any) -> bool:
    """Whether it is a layer with weights that `apply` draws: where the search for an activation ends."""
    if isinstance(module, Linear | Bilinear | _ConvNd | RNNBase | RNNCellBase | MultiheadAttention):
        return True
    if isinstance(module, Embedding | EmbeddingBag):
        return True
    # Layers that PyTorch lacks: they say how many inputs they have, and call their weight so.
    weight = module._parameters.get("weight")
    sized = hasattr(module, "in_channels") or hasattr(module, "in_features")
    return sized and weight is not None and weight.ndim >= 2 and type(module).__module__.startswith(_LIBRARY)


def following(model: Module) -> dict[int, Following]:
    """By the id of each layer with weights: the activation module that comes next in the order of definition.

    Normalization, dropout, pooling and the like in between are passed over.
    """
    order = list(model.modules())
    found: dict[int, Following] = {}
    for i, module in enumerate(order):
        if not is_weighted(module):
            continue
        for later in order[i + 1 :]:
            if is_weighted(later):
                break
            activation = known(later)
            if activation is not None:
                found[id(module)] = activation
                break
    for block in order:
        if isinstance(block, _Layer):  # the activation of a transformer layer is a function, not a child
            activation = known(block.activation)
            if activation is not None:
                found[id(block.linear1)] = activation
    return found


# ---------------------------------------------------------------- with an example
def traced(model: Module, example: Any) -> dict[int, Following]:
    """By the id of each layer with weights: the nearest activation in the graph of `model(*example)`.

    Functional calls count as modules do. A layer that is called several times has the activation after its first call.
    """
    layers: dict[int, int] = {}  # id of the node that is a layer's output -> id of the layer
    modules: dict[int, Following] = {}  # id of the node that is an activation module's output -> the activation
    kept: list[Any] = []  # keeps nodes alive, so that ids stay theirs

    def note(module: Any, args: Any, out: Any) -> None:
        for t in out if isinstance(out, tuple) else (out,):
            node = getattr(t, "grad_fn", None)
            if node is None:
                continue
            kept.append(node)
            if is_weighted(module):
                layers.setdefault(id(node), id(module))
            else:
                activation = known(module)
                if activation is not None:
                    modules[id(node)] = activation

    handles = [m.register_forward_hook(note) for m in model.modules()]
    modes = [(m, m.training) for m in model.modules()]
    try:
        model.eval()  # neither dropout nor the running statistics of normalizations
        result = model(*(example if isinstance(example, tuple) else (example,)))
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    consumers = _consumers(result)
    found: dict[int, Following] = {}
    for start in kept:
        layer = layers.get(id(start))
        if layer is not None and layer not in found:
            activation = _nearest(start, consumers, layers, modules)
            if activation is not None:
                found[layer] = activation
    return found


def _nodes(result: Any) -> Iterator[Any]:
    if isinstance(result, dict):
        result = tuple(result.values())
    if isinstance(result, list | tuple):
        for x in result:
            yield from _nodes(x)
    elif getattr(result, "grad_fn", None) is not None:
        yield result.grad_fn


def _consumers(result: Any) -> dict[int, list[Any]]:
    """By the id of each node below the result: the nodes that use it."""
    users: dict[int, list[Any]] = {}
    todo = list(_nodes(result))
    seen = {id(node) for node in todo}
    while todo:
        node = todo.pop()
        for parent, _ in node.next_functions:
            if parent is None:
                continue
            users.setdefault(id(parent), []).append(node)
            if id(parent) not in seen:
                seen.add(id(parent))
                todo.append(parent)
    return users


def _nearest(
    start: Any, users: dict[int, list[Any]], layers: dict[int, int], modules: dict[int, Following]
) -> Following | None:
    level, seen = users.get(id(start), []), set()
    while level:
        beyond = []
        for node in level:
            if id(node) in seen:
                continue
            seen.add(id(node))
            found = modules.get(id(node)) or _of_node(node)
            if found is not None:
                return found
            if id(node) not in layers:
                beyond += users.get(id(node), [])
        level = beyond
    return None


def _of_node(node: Any) -> Following | None:
    name = _NODES.get(node.name().removesuffix("Backward0"))
    if name is None:
        return None
    params = next((v for v in node.saved or () if isinstance(v, tuple)), ()) if name in ("elu", "leaky_relu") else ()
    if name == "leaky_relu" and len(params) == 1:
        return Following(name, math.sqrt(2 / (1 + float(params[0]) ** 2)))
    if name == "elu" and len(params) == 3 and params[1] != 1.0:
        return Following("selu", 1.0)  # elu with a scale
    if name == "threshold":
        return Following(name, math.sqrt(2.0))
    return known(name)
