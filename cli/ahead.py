"""Compile kernels in a second process, while the program compiles others: from an empty cache a training starts sooner."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable
from typing import Any

import retrograd as rg
from retrograd.autograd.kernels.cpu import runtime

__all__ = ["compile_ahead", "from_the_end"]


def compile_ahead(f: Callable[[], Any]) -> None:
    """Run f, a function of a module, in a process of its own once a kernel turns out not to be on disk.

    Of two processes that need the same kernel one compiles it and the other waits. The process ends with this one.
    """
    if runtime.num_threads() > 1:
        runtime.when_missed(lambda: _start(f))


def _start(f: Callable[[], Any]) -> None:
    if not multiprocessing.current_process().daemon:  # such a process may not have children
        with contextlib.suppress(OSError):  # no room for another process: everything is compiled here
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
