"""CPU kernels by name: plain functions that load Numba when they are first needed, or decline with NotImplemented.

Importing this module is free. A kernel that declines (Numba missing, too little work, a dtype or layout it does not
serve) leaves the operation to its NumPy formula.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["KERNELS"]


class _Loader:
    """Loads a module of kernels once that pays: importing Numba takes about as long as 2^26 words without it.

    Only kernels whose results are the same to the last bit as NumPy's may be loaded late in this way.
    """

    def __init__(self, module: str, pays_after: int) -> None:
        self.name, self.pays_after = module, pays_after
        self.module: Any = None
        self.work = 0

    def get(self, work: int) -> Any:
        """The module with the kernels, or None while less than `pays_after` units of work have been asked for."""
        if self.module is not None:
            return self.module
        self.work += work
        if self.work < (self.pays_after >> 3 if "numba" in sys.modules else self.pays_after):
            return None
        try:
            self.module = import_module(self.name, __name__)
        except ImportError:
            self.work = -(1 << 62)  # no Numba here: do not look for it again
        return self.module


_philox = _Loader(".philox", 1 << 25)


def philox_words(n: int, key: int, low: int, high: int) -> Any:
    """`philox.words` for NumPy."""
    m = _philox.get(n)
    return NotImplemented if m is None else m.words(n, key, low, high)


def philox_uniform(n: int, dtype: Any, key: int, low: int, high: int) -> Any:
    """Uniform numbers in [0, 1): float32 of one word each, float64 of two."""
    m = _philox.get(n)
    return NotImplemented if m is None else m.uniform(n, dtype, key, low, high)


def philox_below(n: int, threshold: int, key: int, low: int, high: int) -> Any:
    """The words that are less than threshold, as bool."""
    m = _philox.get(n)
    return NotImplemented if m is None else m.below(n, threshold, key, low, high)


def philox_mask(x: Any, threshold: int, scale: float, key: int, low: int, high: int) -> Any:
    """x * (word < threshold) * scale in one pass; float32 or float64, contiguous."""
    if x.dtype.char not in "fd" or not x.flags.c_contiguous:
        return NotImplemented
    m = _philox.get(x.size)
    return NotImplemented if m is None else m.mask(x, threshold, scale, key, low, high)


KERNELS: dict[str, Callable[..., Any]] = {
    "philox_below": philox_below,
    "philox_mask": philox_mask,
    "philox_uniform": philox_uniform,
    "philox_words": philox_words,
}
