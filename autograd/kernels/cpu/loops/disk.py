"""Machine code of loops on disk: Numba's cache, for which a full disk or a broken file is no failure of the program.

Of two processes that need the same loop one compiles it and the other waits for that.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.runtime.nrt import rtsys

from .. import runtime

try:
    import fcntl
except ImportError:  # Windows, where two processes may compile the same loop
    fcntl = None

__all__ = ["Cache", "release", "warn_once"]

_ROOT = Path(__file__).resolve().parent
_DAMAGED = (EOFError, pickle.UnpicklingError, ValueError, KeyError, IndexError, AttributeError)
_LONGEST = 120.0  # seconds that a process waits for another one's compilation
_told: set[str] = set()


def warn_once(about: str, text: str) -> None:
    """A RuntimeWarning, the first time that it is about that."""
    if about not in _told:
        _told.add(about)
        warnings.warn(text, RuntimeWarning, stacklevel=3)


@functools.cache
def _stamp() -> tuple[Any, ...]:
    """Changes with any file of loops: one may inline functions of others, where Numba looks at its own file only."""
    return tuple((p.name, s.st_mtime, s.st_size) for p in sorted(_ROOT.glob("*.py")) for s in [p.stat()])


class _Form(CompileResultCacheImpl):
    """What is kept of a loop: what calling it from Python takes.

    Numba would also keep its bitcode for others to inline, and the environments of functions that it inlines itself,
    for which a process that loads the loop would import Numba's own implementation of arrays: 0.1 s.
    """

    def reduce(self, cres: Any) -> Any:
        code, fndesc, env, *others, environments = cres._reduce()
        name, kind, (machine_code, _) = code
        own = tuple(e for e in environments if not e.globals["__name__"].startswith("numba."))
        return (name, kind, (machine_code, _names(fndesc))), fndesc, env, *others, own


def _names(fndesc: Any) -> bytes:
    """Bitcode that defines the names by which Numba finds the machine code, and nothing else."""
    module: Any = ir.Module()
    for name in (fndesc.llvm_func_name, fndesc.llvm_cpython_wrapper_name):
        f: Any = ir.Function(module, ir.FunctionType(ir.VoidType(), []), name)
        ir.IRBuilder(f.append_basic_block()).unreachable()
    return llvm.parse_assembly(str(module)).as_bitcode()


class _Lock:
    """A byte of a file in the folder of the cache, for each loop; the system lets go of it when a process ends."""

    def __init__(self) -> None:
        self.files: dict[str, int] = {}
        self.held: tuple[int, int] | None = None

    def acquire(self, folder: str, name: str) -> bool:
        """Whether another process had the lock, and so may have written what is missing."""
        self.release()
        waited = False
        if fcntl is None:
            return waited
        with contextlib.suppress(OSError):  # a folder that cannot be written, or a file system without locks
            if folder not in self.files:
                os.makedirs(folder, exist_ok=True)
                self.files[folder] = os.open(os.path.join(folder, "retrograd.lock"), os.O_RDWR | os.O_CREAT, 0o666)
            file, place = self.files[folder], zlib.crc32(name.encode())
            end = time.monotonic() + _LONGEST
            while time.monotonic() < end:
                try:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                except BlockingIOError:
                    waited = True
                    time.sleep(0.01)
                else:
                    self.held = file, place
                    break
        return waited

    def release(self) -> None:
        if self.held is not None and fcntl is not None:
            file, place = self.held
            self.held = None
            with contextlib.suppress(OSError):
                fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


_lock = _Lock()  # one is enough: Numba compiles in one thread at a time


class Cache(FunctionCache):
    """The machine code of one loop, for all its signatures."""

    _impl_class = _Form

    def __init__(self, py_func: Callable[..., Any]) -> None:
        super().__init__(py_func)
        self._cache_file._source_stamp = _stamp()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        # Without `target_context.refresh()`: what it imports, in 0.2 s, is for compiling, and compiling calls it.
        rtsys.initialize(target_context)
        found = self._found(sig, target_context)
        if found is None:
            runtime.missed()
            if _lock.acquire(self.cache_path, self._impl.filename_base):
                found = self._found(sig, target_context)
                if found is not None:
                    _lock.release()
        return found

    def _found(self, sig: Any, target_context: Any) -> Any:
        try:
            with self._guard_against_spurious_io_errors():
                return self._load_overload(sig, target_context)
        except (OSError, *_DAMAGED):
            return None  # a damaged file: compile, and write it anew

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            try:
                super().save_overload(sig, data)
            except _DAMAGED:
                self.flush()
                super().save_overload(sig, data)
        except OSError as e:
            warn_once(
                "writing",
                f"compiled kernels cannot be kept in {self.cache_path} ({e}), so each process compiles them again; "
                "set NUMBA_CACHE_DIR to a folder with room",
            )
        finally:
            _lock.release()


def release() -> None:
    """Let other processes compile what could not be compiled here."""
    _lock.release()
