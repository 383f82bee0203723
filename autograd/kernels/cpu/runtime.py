"""What CPU kernels share and what needs no Numba: the thread count, the loading of compiled loops, which arrays fit.

One pool of threads computes everything. Numba's OpenMP threads run the loops and the matrix products too (slices of one
product through a BLAS that itself uses one thread, see `blas`): two pools that wait actively, OpenMP's and OpenBLAS's,
would take the cores from each other (a product and a loop in turn: 22 times slower). Nothing has to be set by users.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

__all__ = [
    "Loops", "enough", "fits", "forced", "forget", "like", "num_threads", "same", "serial_here",
    "missed", "set_num_threads", "threads", "when_missed",
]  # fmt: skip


class _State:
    """count: threads of a kernel, None until first asked; forked: whether this process is a fork of one with kernels;
    main_only: whether only the main thread may start threads (Numba's workqueue layer aborts otherwise); always: whether
    kernels serve every size, on all threads, as tests want it."""

    count: int | None = None
    forked = False
    main_only = False
    always = False


_state = _State()


def _forked() -> None:
    # OpenMP's threads did not survive the fork, and entering a parallel region would end the process.
    if "numba" in sys.modules:
        _state.forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _default() -> int:
    """RETROGRAD_NUM_THREADS, NUMBA_NUM_THREADS or OMP_NUM_THREADS, at most the CPUs this process may use."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name in ("RETROGRAD_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "").strip()
        if value.isdigit() and int(value) > 0:
            return min(int(value), cpus)
    return cpus


def num_threads() -> int:
    """The number of threads that a kernel uses for enough work."""
    n = _state.count
    if n is None:
        n = _state.count = _default()
    return n


def set_num_threads(n: int) -> None:
    """Let kernels use n threads."""
    _state.count = n
    if "numba" in sys.modules:
        apply_threads()


def apply_threads() -> None:
    """Tell Numba: its own pool has as many threads as CPUs, and a parallel region wakes the first `num_threads()`."""
    numba: Any = import_module("numba")
    numba.set_num_threads(min(num_threads(), numba.config.NUMBA_NUM_THREADS))
    _state.main_only = numba.threading_layer() == "workqueue"


class _Here(threading.local):
    serial = False


_here = _Here()


def serial_here() -> None:
    """Let kernels that this Python thread calls use one thread: it is one of several that work side by side."""
    _here.serial = True


def threads(work: int, serial_below: int) -> int:
    """How many threads share `work`, given the measured size under which one is faster.

    One in a forked process and in a worker of a DataLoader.
    """
    if work < serial_below and not _state.always or _state.forked or _here.serial:
        return 1
    if _state.main_only and threading.current_thread() is not threading.main_thread():
        return 1
    return _state.count or num_threads()


def enough(work: int, least: int) -> bool:
    """Whether there is so much work that a kernel is faster than NumPy; never for nothing at all."""
    return work >= least or _state.always and work > 0


@contextlib.contextmanager
def forced() -> Iterator[None]:
    """For tests: kernels serve arrays of every size, and share them among threads."""
    before, _state.always = _state.always, True
    try:
        yield
    finally:
        _state.always = before


def fits(x: Any) -> bool:
    """Whether an array is float32 or float64, contiguous, aligned and writeable: what loops are compiled for.

    A read-only array would be a type of its own, and compiled for again.
    """
    return x.dtype.char in "fd" and x.flags.carray


def same(x: Any, *others: Any) -> bool:
    """Whether all arrays fit and have one dtype; None counts as fitting."""
    if not fits(x):
        return False
    dt = x.dtype
    return all(y is None or (y.dtype == dt and y.flags.carray) for y in others)


_waiting: list[Callable[[], None]] = []


def when_missed(f: Callable[[], None]) -> None:
    """Call f once, when a loop is not found on disk and has to be compiled."""
    _waiting.append(f)


def forget(f: Callable[[], None]) -> None:
    """Take `when_missed(f)` back."""
    if f in _waiting:
        _waiting.remove(f)


def missed() -> None:
    """A loop has to be compiled."""
    while _waiting:
        _waiting.pop()()


class Loops:
    """The compiled loops of a family, loaded at their first use: `Loops("norm").layer_norm` is `loops.norm.layer_norm`.

    Importing Numba takes about 0.2 s, so nothing may touch a loop before work has been seen that is worth it.
    """

    def __init__(self, family: str) -> None:
        self._family = family

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(import_module(f"{__package__}.loops.{self._family}"), name)
        value = getattr(value, "dispatcher", value)
        setattr(self, name, value)
        return value


def like(x: Any) -> np.ndarray:
    """An uninitialised contiguous array of x's shape and dtype."""
    return np.empty(x.shape, x.dtype)
