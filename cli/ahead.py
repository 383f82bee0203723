"""Compile kernels in a second process, while the program compiles others: from an empty cache a training starts sooner."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import retrograd as rg
from retrograd.autograd.kernels.cpu import runtime

__all__ = ["compile_ahead", "from_the_end"]


@contextlib.contextmanager
def compile_ahead(f: Callable[[], Any]) -> Iterator[None]:
    """Inside of a `with` block: run f, a function of a module, in a process of its own once a kernel is not on disk.

    Of two processes that need the same kernel one compiles it and the other waits. The process ends with this one; where
    none can be started (f is no module's, there is no room), everything is compiled here.
    """
    start = functools.partial(_start, f)
    if runtime.num_threads() > 1 and getattr(sys.modules.get(f.__module__), f.__name__, None) is f:
        runtime.when_missed(start)
    try:
        yield
    finally:
        runtime.forget(start)


def _start(f: Callable[[], Any]) -> None:
    if not multiprocessing.current_process().daemon:  # such a process may not have children
        with contextlib.suppress(OSError, pickle.PicklingError, AttributeError):  # the last two: f cannot be sent
            multiprocessing.get_context("spawn").Process(target=_run, args=(f,), daemon=True).start()


def _run(f: Callable[[], Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program, which ends this process
    f()


def from_the_end(model: rg.nn.Module, x: rg.Tensor, loss: Callable[[rg.Tensor], rg.Tensor], optimizer: Any) -> None:
    """The parts of a training step, what it needs last coming first: a step of the optimizer, the loss, and the layers of
    the model from the first on, whose backward pass is the last. A process that goes through the step from its start
    meets this one half-way."""
    inputs: list[tuple[rg.nn.Module, rg.Tensor]] = []
    hooks = [
        layer.register_forward_pre_hook(lambda layer, given: inputs.append((layer, given[0])))
        for layer in model.modules()
        if not any(layer.children())
    ]
    with rg.use_backend("numpy"), rg.no_grad():
        y = model(x)
    for hook in hooks:
        hook.remove()
    for p in model.parameters():
        p.grad = rg.zeros_like(p)
    optimizer.step()
    loss(y.detach().requires_grad_()).backward()
    for layer, given in inputs:
        out = layer(given.detach().requires_grad_())
        out.backward(rg.ones_like(out))
