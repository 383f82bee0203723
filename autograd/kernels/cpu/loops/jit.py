"""How loops are compiled: `loop` for a function called from Python, `part` for one called from loops.

A loop takes the number of threads first and lets them call a part, each for its share of the range:

    @part
    def _scale(lo, hi, x, a, y):
        for i in range(lo, hi):
            y[i] = a * x[i]

    @loop
    def scale(nt, x, a, y):
        divide(_scale, nt, x.size, (x, a, y))

One compilation serves small arrays (for one thread no parallel region is entered), large ones, and forked processes. Only
loops get wrappers for Python and machine code on disk (NUMBA_CACHE_DIR, or beside the source, or in the user's cache
folder), which contains that of their parts; a folder that cannot be written, or a full disk, costs the time of compiling
and nothing else.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from types import FunctionType
from typing import Any

import llvmlite.binding as llvm
import numba
import numba.extending
from llvmlite import ir
from numba import types
from numba.core import event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher

from .. import memory, runtime
from . import disk

__all__ = ["COMPILED", "Later", "bound", "exact", "exact_loop", "inlined", "loop", "part", "precise"]

# Sums may be reordered and products fused, and -0.0 may become 0.0; NaN and infinities stay.
FAST = {"contract", "reassoc", "nsz", "arcp"}
COMPILED: list[tuple[str, float]] = []  # what this process had to compile: name, seconds
_kept_ones: set[Any] = set()  # dispatchers of loops


class _Draft(JITCodeLibrary):
    """What loops link with: not optimised by itself nor translated to machine code, which is done with the loop.

    Numba would do both for every function that a loop calls, and again for the loop: half of the time of compiling.
    """

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        # Numba looks for the variables by which functions find their environments.
        pointer: Any = ir.IntType(8).as_pointer()
        module = ir.Module()
        for variable in self._final_module.global_variables:
            if variable.name.startswith("_ZN08NumbaEnv"):
                own: Any = ir.GlobalVariable(module, pointer, variable.name)
                own.linkage, own.initializer = "common", ir.Constant(pointer, None)
        codegen: Any = self._codegen
        codegen._add_module(llvm.parse_assembly(str(module)))
        codegen._engine.finalize_object()
        self._finalized = True


class _Inner(Compiler):
    """Numba's compiler, but for where it puts the code."""

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        super().__init__(typingctx, targetctx, _Draft(targetctx.codegen(), "part"), *rest)


def _compiled(f: Callable[..., Any], **options: Any) -> Any:
    return numba.njit(nogil=True, error_model="numpy", **options)(f)


class Later:
    """A function that is given to Numba at its first use: a program uses few of the many that it imports.

    called: whether Python calls it.
    """

    def __init__(self, make: Callable[..., Any], f: Callable[..., Any], **options: Any) -> None:
        self.f, self.called = f, make is _kept
        self.make = functools.partial(make, f, **options)

    @functools.cached_property
    def dispatcher(self) -> Any:
        """What Numba made of the function."""
        return self.make()

    def __call__(self, *args: Any) -> Any:
        return self.dispatcher(*args)


@numba.extending.typeof_impl.register(Later)
def _type(value: Later, context: Any) -> Any:
    return numba.extending.typeof_impl(value.dispatcher, context)


def _kept(f: Callable[..., Any], **options: Any) -> Any:
    """f compiled at its first call, for Python to call, and kept on disk."""
    dispatcher = _compiled(f, no_cfunc_wrapper=True, **options)
    if isinstance(dispatcher, CPUDispatcher):  # not with NUMBA_DISABLE_JIT
        _kept_ones.add(dispatcher)
        try:
            dispatcher._cache = disk.Cache(f)  # type: ignore[attr-defined]
        except RuntimeError:  # Numba finds no folder it can write to
            disk.warn_once(
                "folder",
                "no folder for compiled kernels can be written, so each process compiles them again; set NUMBA_CACHE_DIR",
            )
    return dispatcher


def _inner(f: Callable[..., Any], **options: Any) -> Any:
    """f for loops to call, without what Python would call it by; compiled for types and not for values.

    (A literal 0 as an argument is a type of its own for Numba, which would compile f for it again.)
    """
    dispatcher = _compiled(f, no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=_Inner, **options)
    if isinstance(dispatcher, CPUDispatcher):
        template: Any = dispatcher.get_call_template

        def of(args: Any, kws: Any) -> Any:
            return template(tuple(types.unliteral(a) for a in args), kws)

        dispatcher.get_call_template = of  # type: ignore[method-assign]
    return dispatcher


def loop(f: Callable[..., Any]) -> Any:
    """A function for Python to call, which calls parts by `share.divide` and `share.each`."""
    return Later(_kept, f, fastmath=FAST)


def exact_loop(f: Callable[..., Any]) -> Any:
    """A loop without parts, on one thread, whose operations are not reordered."""
    return Later(_kept, f)


def part(f: Callable[..., Any]) -> Any:
    """A function for loops to call: it runs on one thread."""
    return Later(_inner, f, fastmath=FAST)


def exact(f: Callable[..., Any]) -> Any:
    """A part whose operations are not reordered: infinities come out as in NumPy."""
    return Later(_inner, f)


def bound(template: Any, name: str, **names: Any) -> Any:
    """The template with global names of its own, under a name of its own, by which its machine code is kept."""
    f = FunctionType(template.__code__, {**template.__globals__, **names}, name)
    f.__qualname__ = name
    return f


def inlined(f: Callable[..., Any]) -> Any:
    """An exact part whose code takes the place of its call before types are found."""
    return _compiled(f, inline="always")


def precise(f: Callable[..., Any]) -> Any:
    """A function of numbers for loops to call, inlined, whose sums are computed in the order written."""
    return Later(_inner, f, fastmath={"contract", "nsz"}, forceinline=True)


class _Watch(event.Listener):
    """Says which kernel was compiled, if that took long enough to wonder."""

    def __init__(self) -> None:
        self.began: dict[Any, float] = {}

    def on_start(self, event: Any) -> None:
        self.began[event.data["dispatcher"]] = time.perf_counter()

    def on_end(self, event: Any) -> None:
        dispatcher = event.data["dispatcher"]
        seconds = time.perf_counter() - self.began.pop(dispatcher, time.perf_counter())
        if dispatcher not in _kept_ones:
            return
        if tuple(event.data["args"]) not in dispatcher.overloads:
            disk.release()  # an error, or Ctrl-C: nothing will be kept
            return
        name = dispatcher.py_func.__name__
        COMPILED.append((name, seconds))
        if seconds > 1:
            sys.stderr.write(f"retrograd: compiled kernel {name} in {seconds:.1f} s\n")


def _start() -> None:
    """Once for the process: the thread layer and the allocator that kernels want."""
    event.register("numba:compile", _Watch())
    runtime.apply_threads()
    memory.keep_pages()


_start()
