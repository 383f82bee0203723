"""Activation functions: values, and cotangents g * f'(x), in one pass; the cotangents of relu and its like; dropout.

Every kernel serves contiguous float32 and float64 arrays of at least `LEAST` elements, or `LEAST_LIGHT` where the formula
is two or three cheap passes. A cotangent that is not
contiguous (that of a sum has strides of 0) is copied first: the formula would pass over it several times. What is
computed for one element does not depend on its place, so results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .runtime import Loops, enough, fits, like, threads

_loops = Loops("activation")
LEAST = 2048  # elements; under this NumPy's passes cost no more than 10 us, and nothing needs to be compiled
LEAST_LIGHT = 8192
LEAST_WIDE = 65_536  # where NumPy has a loop as good, and threads have to pay for the kernel
SERIAL_BELOW, SERIAL_BELOW_LIGHT = 16_384, 65_536  # elements, of 0.5 ns and of 0.1 ns
_LIGHT = {"hardtanh", "hardswish", "hardswish_back", "leaky_relu", "sigmoid_back", "slope", "tanh_back"}


def _threads(loop: str, x: Any) -> int:
    """How many threads share the loop over x: 0 if NumPy is as good."""
    light = loop in _LIGHT
    if not enough(x.size, LEAST_LIGHT if light else LEAST) or not fits(x):
        return 0
    return threads(x.size, SERIAL_BELOW_LIGHT if light else SERIAL_BELOW)


def _value(loop: str, x: Any, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> Any:
    nt = _threads(loop, x)
    if not nt:
        return NotImplemented
    y = like(x)
    t = x.dtype.type
    getattr(_loops, loop)(nt, x.reshape(-1), t(a), t(b), t(c), y.reshape(-1))
    return y


def _pair(loop: str, xs: Any) -> Any:
    """The number of threads, g and x, flat, where a kernel serves them; else None."""
    g, x = xs
    nt = _threads(loop, x)
    if not nt or g.dtype != x.dtype or g.shape != x.shape:
        return None
    if not g.flags.carray:
        g = g.copy()
    return nt, g.reshape(-1), x.reshape(-1)


def _back(loop: str, xs: Any, a: float = 0.0, b: float = 0.0, c: float = 0.0) -> Any:
    pair = _pair(loop, xs)
    if pair is None:
        return NotImplemented
    nt, g, x = pair
    y = like(xs[1])
    t = x.dtype.type
    getattr(_loops, loop)(nt, g, x, t(a), t(b), t(c), y.reshape(-1))
    return y


def _named(run: Callable[..., Any], loop: str) -> Callable[..., Any]:
    return lambda x, *p: run(loop, x, *p)


silu, silu_back = _named(_value, "silu"), _named(_back, "silu_back")
mish, mish_back = _named(_value, "mish"), _named(_back, "mish_back")
softplus, softplus_back = _named(_value, "softplus"), _named(_back, "softplus_back")
logsigmoid, logsigmoid_back = _named(_value, "logsigmoid"), _named(_back, "logsigmoid_back")
hardswish, hardswish_back = _named(_value, "hardswish"), _named(_back, "hardswish_back")
hardtanh, leaky_relu = _named(_value, "hardtanh"), _named(_value, "leaky_relu")
sigmoid, sigmoid_back = _named(_value, "sigmoid_of"), _named(_back, "sigmoid_back")  # the cotangent from the value
tanh, tanh_back = _named(_value, "tanh_of"), _named(_back, "tanh_back")  # likewise


def relu(x: Any) -> Any:
    """max(x, 0)."""
    return _value("hardtanh", x, 0.0, np.inf) if enough(x.size, LEAST_WIDE) else NotImplemented


def gelu(x: Any, approximate: str) -> Any:
    """x times the normal distribution function, or its approximation by tanh."""
    return _value("gelu_tanh" if approximate == "tanh" else "gelu_erf", x)


def gelu_back(xs: Any, approximate: str) -> Any:
    """g * gelu'(x)."""
    return _back("gelu_tanh_back" if approximate == "tanh" else "gelu_erf_back", xs)


def elu(x: Any, alpha: float, scale: float, rate: float) -> Any:
    """scale * x where x > 0, else scale * alpha * (exp(rate * x) - 1)."""
    return _value("elu", x, alpha * scale, scale, rate) if rate > 0 else NotImplemented


def elu_back(xs: Any, alpha: float, scale: float, rate: float) -> Any:
    """g times the slope of elu."""
    return _back("elu_back", xs, alpha * scale * rate, scale, rate) if rate > 0 else NotImplemented


def slope(xs: Any, lo: Any, hi: Any, below: float, mid: float, above: float, closed: bool) -> Any:
    """g times `below` where x <= lo, `above` where x >= hi (None: nowhere), else `mid`."""
    pair = _pair("slope", xs)
    if pair is None:
        return NotImplemented
    nt, g, x = pair
    y = like(xs[1])
    t = x.dtype.type
    edges = t(np.nan if lo is None else lo), t(np.nan if hi is None else hi)
    _loops.slope(nt, g, x, *edges, t(below), t(mid), t(above), closed, y.reshape(-1))
    return y


def dropout(x: Any, threshold: int, scale: float, key: int, low: int, high: int) -> Any:
    """x * (word < threshold) * scale, where the words are those of Philox blocks low, low + 1, ... of stream high."""
    nt = _threads("dropout", x)
    if not nt:
        return NotImplemented
    y = like(x)
    u = np.uint64
    _loops.dropout(
        nt, x.reshape(-1), y.reshape(-1), u(threshold), x.dtype.type(scale), u(key), u(low),
        u(high),
    )  # fmt: skip
    return y
