"""Initializers that fill with a constant or draw every element alike: constants, uniform, normal, scaled by fan."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ...autograd import Tensor, no_grad
from ...autograd.ops.create import from_numpy
from ...autograd.ops.where import where
from ...autograd.random import Generator
from .gains import _calculate_correct_fan, _calculate_fan_in_and_fan_out, calculate_gain

__all__ = [
    "constant_", "fan_in_uniform_", "kaiming_normal_", "kaiming_uniform_", "lecun_normal_", "lecun_uniform_", "normal_",
    "ones_", "skipped", "trunc_normal_", "truncated_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip


class _Skip(threading.local):
    on = False


_skip = _Skip()


@contextmanager
def skipped() -> Iterator[None]:
    """A block in which initializers return their tensors as they are, and draw nothing; other threads go on.

    >>> import retrograd as rg
    >>> with rg.nn.init.skipped():
    ...     rg.nn.init.ones_(rg.zeros(2))
    tensor([0., 0.])
    """
    was, _skip.on = _skip.on, True
    try:
        yield
    finally:
        _skip.on = was


# ---------------------------------------------------------------- constants
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with a number.

    >>> import retrograd as rg
    >>> rg.nn.init.constant_(rg.empty(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    if _skip.on:
        return tensor
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def _write(tensor: Tensor, a: np.ndarray) -> Tensor:
    """Copy a host array into a tensor, whatever its dtype and device."""
    if _skip.on:
        return tensor
    with no_grad():
        return tensor.copy_(from_numpy(a))


# ---------------------------------------------------------------- plain distributions
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from the uniform distribution on `[a, b)`."""
    if _skip.on:
        return tensor
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from the normal distribution."""
    if _skip.on:
        return tensor
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Draw from the normal distribution limited to `[a, b]` (values, not standard deviations).

    >>> import retrograd as rg
    >>> bool((rg.nn.init.trunc_normal_(rg.empty(1000)).abs() <= 2).all())
    True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be "
            "incorrect.",
            stacklevel=2,
        )
    if _skip.on:
        return tensor
    kept = _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std)
    with no_grad():
        if kept > 0.3:
            result = tensor.detach().clone().normal_(mean, std, generator=generator)
            redraw = tensor.detach().clone()
            # In the tensor's own precision: a bound that rounds inwards would otherwise let values slip past it.
            low, high = float(tensor.new_tensor(a)), float(tensor.new_tensor(b))
            while True:
                outside = (result < low) | (result > high)
                if not outside.any():
                    return tensor.copy_(result)
                result = where(outside, redraw.normal_(mean, std, generator=generator), result)
        # Few normal draws would hit [a, b]: draw uniformly and keep each with the density relative to its peak.
        peak = max(a, min(mean, b))
        result = tensor.detach().clone().uniform_(a, b, generator=generator)
        candidates, chance = result, result.clone()
        todo = None
        while True:
            log_density = -0.5 * (((candidates - mean) / std) ** 2 - ((peak - mean) / std) ** 2)
            refused = chance.uniform_(0, 1, generator=generator).log() > log_density
            todo = refused if todo is None else todo & refused
            if not todo.any():
                return tensor.copy_(result)
            candidates = tensor.detach().clone().uniform_(a, b, generator=generator)
            result = where(todo, candidates, result)


def truncated_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Draw from the normal distribution cut at two standard deviations and widened so that `std` is the one it has.

    Cutting alone leaves 0.8796 of the standard deviation; this is what TensorFlow's and Flax's scaled initializers draw.

    >>> import retrograd as rg
    >>> w = rg.nn.init.truncated_normal_(rg.empty(1000), std=0.5)
    >>> bool((w.abs() <= 0.5 * 2 / 0.8796).all())
    True
    """
    wide = std / _CUT
    return trunc_normal_(tensor, mean, wide, mean - 2 * wide, mean + 2 * wide, generator)


# The standard deviation of a standard normal variable between -2 and 2.
_CUT = 0.87962566103423978


def _normal_cdf(x: float) -> float:
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


# ---------------------------------------------------------------- scaled by fan
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in `+-gain * sqrt(6 / (fan_in + fan_out))`: for tanh and other functions symmetric about 0.

    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

    >>> import retrograd as rg
    >>> bool((rg.nn.init.xavier_uniform_(rg.empty(3, 3)).abs() <= 1).all())
    True
    """
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation `gain * sqrt(2 / (fan_in + fan_out))`; see `xavier_uniform_`."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform in `+-gain * sqrt(3 / fan)`: for ReLU and its kin. Also called He initialization.

    a: slope of the leaky ReLU. mode: 'fan_in' keeps the variance of activations, 'fan_out' that of gradients.

    He et al., "Delving Deep into Rectifiers", ICCV 2015.

    >>> import retrograd as rg
    >>> bool((rg.nn.init.kaiming_uniform_(rg.empty(3, 6), nonlinearity="relu").abs() <= 1).all())
    True
    """
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / _calculate_correct_fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with standard deviation `gain / sqrt(fan)`; see `kaiming_uniform_`."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    return normal_(
        tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode)), generator
    )


def lecun_uniform_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Uniform in `+-sqrt(3 / fan_in)`: variance `1 / fan_in`, for sigmoid, tanh and SELU.

    LeCun et al., "Efficient BackProp", 1998.

    >>> import retrograd as rg
    >>> bool((rg.nn.init.lecun_uniform_(rg.empty(5, 3)).abs() <= 1).all())
    True
    """
    bound = math.sqrt(3.0 / max(_calculate_fan_in_and_fan_out(tensor)[0], 1))
    return uniform_(tensor, -bound, bound, generator)


def lecun_normal_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation `1 / sqrt(fan_in)`; see `lecun_uniform_`."""
    return normal_(tensor, 0.0, 1 / math.sqrt(max(_calculate_fan_in_and_fan_out(tensor)[0], 1)), generator)


def fan_in_uniform_(bias: Tensor | None, weight: Tensor, generator: Generator | None = None) -> Tensor | None:
    """Uniform in `+-1/sqrt(fan_in of weight)`: how biases of Linear and convolutions start. None passes through."""
    if bias is None:
        return None
    fan_in = _calculate_fan_in_and_fan_out(weight)[0]
    bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0.0
    return uniform_(bias, -bound, bound, generator)
