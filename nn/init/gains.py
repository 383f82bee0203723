"""Fans and gains: how many terms a layer sums, and what its activation does to their variance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from ...autograd import Tensor, no_grad
from ...autograd.ops.create import from_numpy

__all__ = ["calculate_gain", "fans", "variance_gain"]

_LINEAR = frozenset(
    ("linear", "sigmoid", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights grow to make up for what a nonlinearity does to the variance.

    1 for linear maps, convolutions and 'sigmoid', 5/3 for 'tanh', sqrt(2) for 'relu', sqrt(2 / (1 + param**2)) for
    'leaky_relu' (param is its slope, 0.01 by default), 3/4 for 'selu'. Raises ValueError for others, of which
    `variance_gain` computes a gain.

    >>> import retrograd as rg
    >>> round(rg.nn.init.calculate_gain("leaky_relu", 0.2), 4)
    1.3868
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(
        f"Unsupported nonlinearity {nonlinearity}; expected one of {sorted(_LINEAR)}, 'tanh', 'relu', 'leaky_relu', "
        "'selu'"
    )


def variance_gain(activation: str | Callable[[Tensor], Tensor]) -> float:
    """The gain that keeps the second moment through an activation f: `1 / sqrt(E[f(z)^2])` for a standard normal z.

    activation: a module, a function of a tensor, or the name of one in `nn.functional`. It is sqrt(2) for ReLU and
    sqrt(2 / (1 + a^2)) with a slope a, as in He et al., 2015; 1 for SELU, which is made so; and what the integral is for
    GELU, SiLU, tanh and any other. Raises ValueError for a name that there is not, and for a function that is 0 almost
    everywhere.

    >>> import retrograd as rg
    >>> round(rg.nn.init.variance_gain("relu"), 4), round(rg.nn.init.variance_gain(rg.nn.SELU()), 4)
    (1.4142, 1.0)
    >>> round(rg.nn.init.variance_gain("gelu"), 4)
    1.5335
    """
    if isinstance(activation, str):
        from .. import functional as F

        f = getattr(F, activation, None)
        if not callable(f):
            raise ValueError(f"variance_gain: nn.functional has no {activation!r}; give the function itself")
    else:
        f = activation
    # The integral over +-12 standard deviations; the midpoint rule is exact to 1e-7 even where f has a kink.
    z = (np.arange(48_000) + 0.5) / 2000 - 12
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) / 2000
    with no_grad():
        y = cast(Tensor, f(from_numpy(z))).cpu().numpy()
    moment = float((y * y * density).sum())
    if not moment > 0:
        raise ValueError(f"variance_gain: {activation!r} is 0 almost everywhere, so no gain keeps the variance")
    return 1 / math.sqrt(moment)


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """(inputs of one output, outputs of one input) of a weight `(out, in, *kernel)`."""
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ValueError(
            f"Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, got shape {shape}"
        )
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def fans(layer: Any, name: str = "weight") -> tuple[float, float]:
    """(fan_in, fan_out) of a layer: how many terms one output sums, and in how many outputs one input is a term.

    layer: a module, or a weight `(out, in, *kernel)` alone. A weight does not say what its layer does with it, and a
    layer does:

    - convolutions, deformable and locally connected ones too: groups share out the channels, and with a stride s one
      input is a term of 1/s of the outputs (each dimension): `fan_in = C_in / groups * prod(kernel)` and
      `fan_out = C_out / groups * prod(kernel) / prod(stride)`;
    - transposed convolutions: the two are exchanged, stride included;
    - recurrent layers (name 'weight_ih_l0', ...) and the projection of attention ('in_proj_weight'): the matrices of the
      gates, or of query, key and value, are stacked, and the fans are those of one;
    - embeddings: an output is one entry, so `fan_in = 1` and `fan_out = embedding_dim`;
    - bilinear layers: `in1 * in2` terms, of which one input is in `out * in2`.

    At borders, where zeros are padded, there are fewer. Raises ValueError for a tensor of fewer than two dimensions.

    >>> import retrograd as rg
    >>> rg.nn.init.fans(rg.nn.Conv2d(8, 16, 3, groups=4))
    (18, 36)
    >>> rg.nn.init.fans(rg.nn.ConvTranspose2d(8, 16, 4, stride=2))
    (32, 256)
    >>> rg.nn.init.fans(rg.nn.LSTM(3, 5), "weight_ih_l0")
    (3, 5)
    """
    if isinstance(layer, Tensor):
        return _calculate_fan_in_and_fan_out(layer)
    from ..modules.attention import MultiheadAttention
    from ..modules.rnn import RNNBase, RNNCellBase
    from ..modules.sparse import Embedding, EmbeddingBag

    if all(hasattr(layer, key) for key in ("in_channels", "out_channels", "kernel_size")):
        groups, field = getattr(layer, "groups", 1), math.prod(layer.kernel_size)
        steps = math.prod(getattr(layer, "stride", (1,)))
        ins, outs = layer.in_channels // groups * field, layer.out_channels // groups * field
        return (_ratio(ins, steps), outs) if getattr(layer, "transposed", False) else (ins, _ratio(outs, steps))
    if isinstance(layer, Embedding | EmbeddingBag):
        return 1, layer.embedding_dim
    weight = getattr(layer, name)
    if weight is None or weight.ndim < 2:
        shape = None if weight is None else tuple(weight.shape)
        raise ValueError(
            f"Fan in and fan out can not be computed for tensor with fewer than 2 dimensions: {name} of "
            f"{type(layer).__name__} has shape {shape}"
        )
    if isinstance(layer, RNNBase | RNNCellBase) and not name.startswith("weight_hr"):
        return weight.shape[1], layer.hidden_size
    if isinstance(layer, MultiheadAttention) and name == "in_proj_weight":
        return weight.shape[1], weight.shape[0] // 3
    ins, outs = getattr(layer, "in_features", None), getattr(layer, "out_features", None)
    if ins and outs and not (weight.ndim == 2 and weight.shape[1] == ins):  # (in, out), or several such
        return ins * (weight.numel() // (ins * outs)), outs * (weight.numel() // (ins * outs))
    return _calculate_fan_in_and_fan_out(weight)


def _ratio(a: int, b: int) -> float:
    return a // b if a % b == 0 else a / b
