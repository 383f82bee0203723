"""Sums, means and products of arrays by NumPy's ufuncs themselves.

NumPy's methods (`x.sum()`) go through Python helpers of its own, so that the warning of an overflow would be attributed
to NumPy and reach the user. In a ufunc that is called from here it is the library's, which filters it: as in PyTorch,
infinity and NaN are values. The ufunc also has half the overhead.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import kernels_enabled
from ..kernels.cpu import KERNELS
from ..kernels.cpu.runtime import enough

__all__ = ["add_up", "average", "multiply_up", "running_product", "running_sum"]

_add: Any = np.add.reduce
_multiply: Any = np.multiply.reduce


def add_up(x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The sum over axes (None: all)."""
    if type(x) is np.ndarray:
        if dtype is None and enough(x.size, 32_768) and kernels_enabled():  # below this NumPy is as fast
            r = KERNELS["sums"](x, axis, keepdims)
            if r is not NotImplemented:
                return r
        return _add(x, axis, dtype, None, keepdims)
    return x.sum(axis, dtype, None, keepdims)


def average(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean over axes (None: all); NaN over none."""
    if axis is None:
        n = x.size
    else:
        n = x.shape[axis] if isinstance(axis, int) else math.prod([x.shape[i] for i in axis])
    return add_up(x, axis, None, keepdims) / (n or x.dtype.type(0))


def multiply_up(xp: Any, x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The product over axes (None: all)."""
    if xp is np:
        return _multiply(x, axis, dtype, None, keepdims)
    return xp.prod(x, axis, dtype, keepdims=keepdims)


def running_sum(xp: Any, x: Any, axis: int, dtype: Any = None) -> Any:
    """Running sums along an axis."""
    return np.add.accumulate(x, axis, dtype) if xp is np else xp.cumsum(x, axis, dtype)


def running_product(xp: Any, x: Any, axis: int, dtype: Any = None) -> Any:
    """Running products along an axis."""
    return np.multiply.accumulate(x, axis, dtype) if xp is np else xp.cumprod(x, axis, dtype)
