"""How loops are compiled: `loop` for a function called from Python, `part` for one called from loops.

A loop takes the number of threads first and shares its range among them, or runs it all itself for one thread:

    @part
    def _scale(lo, hi, x, a, y):
        for i in range(lo, hi):
            y[i] = a * x[i]

    @loop
    def scale(nt, x, a, y):
        if nt == 1:
            _scale(0, x.size, x, a, y)
        else:
            for t in prange(nt):
                _scale(x.size * t // nt, x.size * (t + 1) // nt, x, a, y)

So one compilation serves small arrays (no parallel region is entered), large ones, and forked processes. Machine code is
kept on disk (NUMBA_CACHE_DIR, or beside the source, or in the user's cache folder); a folder that cannot be written, or
a full disk, costs the time of compiling and nothing else.
"""

from __future__ import annotations

import pickle
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import types
from numba.core import event
from numba.core.caching import FunctionCache
from numba.core.registry import CPUDispatcher

from .. import memory, runtime

__all__ = ["COMPILED", "compiled", "exact", "loop", "part", "prange", "precise"]

prange = numba.prange

# Sums may be reordered and products fused, and -0.0 may become 0.0; NaN and infinities stay.
FAST = {"contract", "reassoc", "nsz", "arcp"}
COMPILED: list[tuple[str, float]] = []  # what this process had to compile: name, seconds
_told: set[str] = set()
_ROOT = Path(__file__).resolve().parent
_SHARED = ("blas.py", "elementary.py", "jit.py")


def _stamp(file: Path) -> tuple[Any, ...]:
    """Changes with the files whose functions one of `file` may inline, where Numba looks at `file` only.

    These are the modules that all loops share, and those of the family: conv.py and conv_direct.py.
    """
    family = file.stem.split("_")[0]
    files = {*_SHARED, *(p.name for p in _ROOT.glob(f"{family}*.py"))}
    return tuple((name, s.st_mtime, s.st_size) for name in sorted(files) for s in [(_ROOT / name).stat()])


_DAMAGED = (EOFError, pickle.UnpicklingError, ValueError, KeyError, IndexError, AttributeError)


class _Cache(FunctionCache):
    """Numba's cache on disk, for which a failure to write or a broken file is no failure of the program."""

    def __init__(self, py_func: Callable[..., Any]) -> None:
        super().__init__(py_func)
        self._cache_file._source_stamp = _stamp(Path(py_func.__code__.co_filename))

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            try:
                super().save_overload(sig, data)
            except _DAMAGED:
                self.flush()
                super().save_overload(sig, data)
        except OSError as e:
            if "cache" not in _told:
                _told.add("cache")
                warnings.warn(
                    f"compiled kernels cannot be kept in {self.cache_path} ({e}), so each process compiles them again; "
                    "set NUMBA_CACHE_DIR to a folder with room",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except (OSError, *_DAMAGED):
            return None  # a damaged file: compile, and write it anew


def compiled(f: Callable[..., Any], **options: Any) -> Any:
    """f as Numba compiles it at its first call, kept on disk. `loop`, `part`, `exact` and `precise` give the options."""
    dispatcher: Any = numba.njit(nogil=True, error_model="numpy", **options)(f)
    if isinstance(dispatcher, CPUDispatcher):  # not with NUMBA_DISABLE_JIT
        try:
            dispatcher._cache = _Cache(f)  # type: ignore[attr-defined]
        except RuntimeError:  # Numba finds no folder it can write to
            _no_cache()
    return dispatcher


def _no_cache() -> None:
    if "folder" not in _told:
        _told.add("folder")
        warnings.warn(
            "no folder for compiled kernels can be written, so each process compiles them again; set NUMBA_CACHE_DIR",
            RuntimeWarning,
            stacklevel=2,
        )


def loop(f: Callable[..., Any]) -> Any:
    """A function for Python to call, whose `prange` runs on all threads."""
    return compiled(f, parallel=True, fastmath=FAST)


def _once(dispatcher: Any) -> Any:
    """Compile for types and not for values: a literal 0 as a first index would be a type of its own, compiled again."""
    if isinstance(dispatcher, CPUDispatcher):
        template: Any = dispatcher.get_call_template

        def of(args: Any, kws: Any) -> Any:
            return template(tuple(types.unliteral(a) for a in args), kws)

        dispatcher.get_call_template = of  # type: ignore[method-assign]
    return dispatcher


def part(f: Callable[..., Any]) -> Any:
    """A function for loops to call: it runs on one thread."""
    return _once(compiled(f, fastmath=FAST))


def exact(f: Callable[..., Any]) -> Any:
    """A `part` (or a function for Python to call) whose operations are not reordered: infinities come out as in NumPy."""
    return _once(compiled(f))


def precise(f: Callable[..., Any]) -> Any:
    """A function of numbers for loops to call, inlined, whose sums are computed in the order written."""
    return compiled(f, fastmath={"contract", "nsz"}, forceinline=True)


class _Watch(event.Listener):
    """Says which kernel was compiled, if that took long enough to wonder."""

    def __init__(self) -> None:
        self.began: dict[Any, float] = {}

    def on_start(self, event: Any) -> None:
        self.began[event.data["dispatcher"]] = time.perf_counter()

    def on_end(self, event: Any) -> None:
        dispatcher = event.data["dispatcher"]
        seconds = time.perf_counter() - self.began.pop(dispatcher, time.perf_counter())
        f = dispatcher.py_func
        if (f.__module__ or "").startswith(__package__ or "") and "parallel" in dispatcher.targetoptions:
            COMPILED.append((f.__name__, seconds))
            if seconds > 1:
                sys.stderr.write(f"retrograd: compiled kernel {f.__name__} in {seconds:.1f} s\n")


def _start() -> None:
    """Once for the process: the thread layer and the allocator that kernels want."""
    event.register("numba:compile", _Watch())
    runtime.apply_threads()
    memory.keep_pages()


_start()
