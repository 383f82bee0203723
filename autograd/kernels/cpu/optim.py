"""Optimizer steps for all tensors of a parameter group at once, and gradient clipping in two passes.

A step is the NumPy formula's, operation by operation, but for products and sums that the CPU fuses (one rounding less).
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from .runtime import Loops, enough, fits, threads

__all__ = ["Table", "adam_step", "norms_of", "rmsprop_step", "scale_all", "servable", "sgd_step", "worthwhile"]

_loops = Loops("optim")
_SERIAL_BELOW = 20_000  # elements of one step
_LEAST = 4096  # elements under which a formula for each tensor is not worth loading loops for
_PER_TENSOR = 512  # elements whose arithmetic takes as long as the calls for one tensor
_BLOCK = 4096  # elements of one partial sum, as in the loops
_NORM_SERIAL_BELOW = 100_000
_ONE = {"f": np.ones(1, np.float32), "d": np.ones(1, np.float64)}
_DTYPES = {c: one.dtype for c, one in _ONE.items()}  # NumPy has one object for each built-in dtype


@functools.cache
def _readable() -> bool:
    """Whether there is Numba, and array objects look as the loops expect that read them at their addresses."""
    if find_spec("numba") is None:
        return False
    a = np.zeros((2, 3), np.float32)
    at = id(a) + object.__basicsize__
    word, small = ctypes.c_int64.from_address, ctypes.c_int32.from_address
    if ctypes.sizeof(ctypes.c_void_p) != 8 or word(at).value != a.ctypes.data or small(at + 8).value != 2:
        return False
    shape = (ctypes.c_int64 * 2).from_address(word(at + 16).value)
    return tuple(shape) == a.shape and word(at + 40).value == id(a.dtype) and small(at + 48).value & 0x101 == 0x101


class Table:
    """Where tensors of one dtype lie that are updated together: a parameter and its state in each row.

    rows: for each parameter its array, and those of its state that have its shape; counters: for each its 0-d counter
    of steps, or None for all. Arrays are kept, so that their addresses stay theirs.
    """

    def __init__(self, rows: Sequence[Sequence[np.ndarray]], counters: Sequence[np.ndarray] | None = None) -> None:
        first = rows[0][0]
        self.rows, self.held = rows, counters
        self.n = len(rows)
        self.one = _ONE[first.dtype.char]
        self.dtype = id(first.dtype)
        self.sizes = np.array([r[0].size for r in rows])
        self.itemsize = first.itemsize
        self.work = int(self.sizes.sum())
        self.places = np.array([[_address(a) for a in column] for column in zip(*rows, strict=True)])
        self.objects = np.array([id(r[0]) for r in rows])
        self.at = np.empty(self.n, np.int64)
        self.counters = np.array([_address(c) for c in counters or ()], np.int64)
        self.wide = np.array([c.itemsize == 8 for c in counters or ()], np.bool_)
        begins = np.concatenate([*self.places, self.counters])
        sizes = [*[self.sizes * first.itemsize] * len(self.places), np.where(self.wide, 8, 4)]
        order = np.argsort(begins, kind="stable")
        self.begins, self.ends = begins[order], (begins + np.concatenate(sizes))[order]
        self.starts = np.empty(self.n + 1, np.int64)
        self.first, self.scale = np.empty(self.n), np.empty(self.n)

    @property
    def apart(self) -> bool:
        """Whether no two of the arrays share memory: otherwise the order of updates matters."""
        return bool(np.all(self.ends[:-1] <= self.begins[1:]))

    def covers(self, a: Any) -> bool:
        """Whether an array shares memory with one of these."""
        low, high = np.lib.array_utils.byte_bounds(a)
        k = int(np.searchsorted(self.ends, low, side="right"))
        return k < self.begins.size and int(self.begins[k]) < high

    def left(self) -> list[int]:
        """The rows that had no gradient in the last step, or one that does not fit."""
        return np.flatnonzero(self.at == 0).tolist()


def _address(a: np.ndarray) -> int:
    return a.__array_interface__["data"][0]


def servable(arrays: Iterable[Any]) -> bool:
    """Whether a parameter and its state, arrays of one shape, can be a row of a Table."""
    first = None
    for a in arrays:
        if type(a) is not np.ndarray or not fits(a) or not a.size or a.dtype is not _DTYPES[a.dtype.char]:
            return False
        if first is None:
            first = a
        elif a.shape != first.shape or a.dtype is not first.dtype:
            return False
    return True


def worthwhile(work: int, tensors: int) -> bool:
    """Whether a group with so many elements in so many tensors is updated faster by a loop."""
    return enough(work + tensors * _PER_TENSOR, _LEAST) and _readable()


def _look(table: Table, ids: list[int]) -> int:
    return _loops.look(
        np.fromiter(ids, np.int64, table.n), table.objects, table.dtype, table.sizes, table.itemsize, table.begins,
        table.ends, table.at, table.starts,
    )  # fmt: skip


def adam_step(
    table: Table, ids: list[int], lr: float, beta1: float, beta2: float, eps: float, weight_decay: float,
    decoupled: bool, maximize: bool,
) -> Any:  # fmt: skip
    """One step of Adam; ids: for each row the id of its gradient's array, or 0.

    This and the other steps return the number of gradients that did not fit, whose rows were left alone, or
    NotImplemented if nothing was done, since the updates depend on their order.
    """
    odd = _look(table, ids)
    if odd < 0:
        return NotImplemented
    coupled = weight_decay != 0 and not decoupled
    _loops.count(table.at, table.counters, table.wide, lr, beta1, beta2, eps, table.first, table.scale)
    run = _loops.adam_max if len(table.places) == 4 else _loops.adam_coupled if coupled else _loops.adam
    run(
        threads(table.work, _SERIAL_BELOW), table.one, table.at, table.starts, table.places, table.first, table.scale,
        beta1, beta2, weight_decay if coupled else 0.0, 1.0 if coupled else 1.0 - lr * weight_decay,
        -1.0 if maximize else 1.0,
    )  # fmt: skip
    return odd


def sgd_step(
    table: Table, ids: list[int], begin: np.ndarray, lr: float, momentum: float, dampening: float, weight_decay: float,
    nesterov: bool, maximize: bool,
) -> Any:  # fmt: skip
    """One step of SGD; begin: for each row whether its momentum buffer (if any) is to be filled."""
    odd = _look(table, ids)
    if odd < 0:
        return NotImplemented
    _loops.sgd(
        threads(table.work, _SERIAL_BELOW), table.one, table.at, table.starts, table.places, begin, lr, momentum,
        dampening, weight_decay, bool(nesterov), -1.0 if maximize else 1.0,
    )  # fmt: skip
    return odd


def rmsprop_step(
    table: Table, ids: list[int], lr: float, alpha: float, eps: float, weight_decay: float, momentum: float,
    centered: bool, rolling: bool, maximize: bool,
) -> Any:  # fmt: skip
    """One step of RMSprop; rolling: whether there are momentum buffers."""
    odd = _look(table, ids)
    if odd < 0:
        return NotImplemented
    _loops.count(table.at, table.counters, table.wide, 0.0, 0.0, 0.0, 0.0, table.first, table.scale)
    _loops.rmsprop(
        threads(table.work, _SERIAL_BELOW), table.one, table.at, table.starts, table.places, lr, alpha, eps,
        weight_decay, momentum, centered, rolling, -1.0 if maximize else 1.0,
    )  # fmt: skip
    return odd


def _gradients(arrays: Sequence[Any], least: int) -> Any:
    """(number of their type, addresses, sizes, blocks before each) of arrays of one dtype, or None."""
    first = arrays[0]
    if not servable((first,)) or not _readable():
        return None
    dtype = first.dtype
    for a in arrays:
        if type(a) is not np.ndarray or a.dtype is not dtype or not a.flags.carray:
            return None
    sizes = np.array([a.size for a in arrays], np.int64)
    if not enough(int(sizes.sum()) + len(arrays) * _PER_TENSOR, least):
        return None
    head = object.__basicsize__
    word = ctypes.c_int64.from_address
    places = np.array([word(id(a) + head).value for a in arrays], np.int64)
    blocks = np.zeros(sizes.size + 1, np.int64)
    np.cumsum((sizes + (_BLOCK - 1)) // _BLOCK, out=blocks[1:])
    return _ONE[dtype.char], places, sizes, blocks


def norms_of(arrays: Sequence[Any], p: float) -> Any:
    """The p-norms of arrays of one dtype, for p = 2 or infinity, as a vector of that dtype."""
    if p not in (2.0, math.inf):
        return NotImplemented
    found = _gradients(arrays, _LEAST)
    if found is None:
        return NotImplemented
    one, places, sizes, blocks = found
    if p != 2 and not sizes.all():
        return NotImplemented  # the largest of nothing: the formula says what is wrong
    out = np.empty(len(arrays), one.dtype)
    nt = threads(int(blocks[-1]) * _BLOCK, _NORM_SERIAL_BELOW)
    _loops.norms(nt, one, places, sizes, blocks, p == math.inf, np.empty(blocks[-1], one.dtype), out)
    return out


def scale_all(arrays: Sequence[Any], factor: Any) -> Any:
    """Multiply arrays of one dtype by a 0-d array of it, in place; None if done."""
    found = _gradients(arrays, _LEAST)
    if found is None or type(factor) is not np.ndarray or factor.dtype is not found[0].dtype:
        return NotImplemented
    one, places, sizes, blocks = found
    if factor == 1:
        return None  # nothing to clip: the product is what is there
    if blocks[-1]:
        order = np.argsort(places)
        ends = places + sizes * one.itemsize
        if np.any(ends[order][:-1] > places[order][1:]):  # shared memory is to be scaled more than once
            return NotImplemented
    _loops.scale(threads(int(blocks[-1]) * _BLOCK, _NORM_SERIAL_BELOW), one, places, sizes, blocks, factor[()])
    return None
