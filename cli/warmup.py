"""``python -m retrograd warmup``: compile all CPU kernels now, so that no program has to at its first step."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import retrograd as rg
from retrograd.autograd.kernels.cpu import loops, runtime
from retrograd.autograd.kernels.cpu.loops.jit import Later

F = rg.nn.functional


def _grad(f: Callable[..., Any], *inputs: Any, **options: Any) -> None:
    """Forward, without and with a record, and backward with a cotangent that is a full array."""
    with rg.no_grad():
        f(*inputs, **options)
    leaves = [x.requires_grad_() if isinstance(x, rg.Tensor) and x.is_floating_point() else x for x in inputs]
    y = f(*leaves, **options)
    for part in y if isinstance(y, tuple) else (y,):
        if isinstance(part, rg.Tensor) and part.requires_grad:
            part.backward(rg.ones_like(part), retain_graph=True)


def _products(r: Callable[..., Any]) -> None:
    _grad(F.linear, r(4, 3), r(5, 3), r(5))
    _grad(F.linear, r(96, 96), r(96, 96), r(96))  # large enough for tiles
    _grad(rg.matmul, r(2, 4, 3), r(2, 3, 5))


def _activations(r: Callable[..., Any]) -> None:
    smooth = (F.silu, F.mish, F.softplus, F.elu, F.hardswish, F.logsigmoid, rg.sigmoid, rg.tanh)
    for f in (*smooth, F.gelu, rg.relu, F.leaky_relu, F.relu6, F.hardtanh):
        _grad(f, r(4, 5))
    _grad(F.gelu, r(4, 5), approximate="tanh")
    _grad(F.dropout, r(4, 5), 0.5, True)
    for dim in (0, 1):
        for f in (F.softmax, F.log_softmax, rg.logsumexp):
            _grad(f, r(4, 5), dim)


def _norms(r: Callable[..., Any]) -> None:
    for shape in ((4, 3), (4, 3, 5), (4, 3, 5, 5)):
        for training in (True, False):
            _grad(F.batch_norm, r(*shape), rg.zeros(3), rg.ones(3), r(3), r(3), training)
    for weight in (None, r(5)):
        _grad(F.layer_norm, r(4, 5), (5,), weight, weight)
        _grad(F.rms_norm, r(4, 5), (5,), weight)
    _grad(F.group_norm, r(2, 4, 5), 2, r(4), r(4))


def _losses(r: Callable[..., Any]) -> None:
    target = rg.arange(6) % 4
    for reduction in ("mean", "sum", "none"):
        for weight in (None, rg.rand(4)):
            for smoothing in (0.0, 0.1):
                _grad(F.cross_entropy, r(6, 4), target, weight, reduction=reduction, label_smoothing=smoothing)
        _grad(F.cross_entropy, r(2, 4, 3), target.reshape(2, 3), reduction=reduction)
        _grad(F.nll_loss, r(6, 4), target, reduction=reduction)
        for f in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.binary_cross_entropy_with_logits):
            _grad(f, r(6, 4), rg.rand(6, 4), reduction=reduction)
        _grad(F.binary_cross_entropy, rg.rand(6, 4), rg.rand(6, 4), reduction=reduction)


def _convolutions(r: Callable[..., Any]) -> None:
    for kernel, stride, padding, groups in (
        (3, 1, 1, 1), (5, 1, 2, 1), (1, 1, 0, 1), (1, 2, 0, 1), (3, 2, 1, 1), (3, 1, 1, 4), (3, 2, 1, 4), (7, 1, 0, 1),
        (3, 1, 1, 2),
    ):  # fmt: skip
        for channels in (4, 16):
            x, w = r(2, channels, 16, 16), r(channels, channels // groups, kernel, kernel)
            if groups in (1, channels) or channels == 4:
                _grad(F.conv2d, x, w, r(channels), stride, padding, 1, groups if groups < 4 else channels)
    _grad(F.conv1d, r(2, 4, 16), r(4, 4, 3), r(4))
    _grad(F.conv_transpose2d, r(2, 4, 8, 8), r(4, 4, 3, 3), r(4), 2)
    for f in (F.max_pool2d, F.avg_pool2d):
        _grad(f, r(2, 4, 8, 8), 2)
        _grad(f, r(2, 4, 8, 8), 3, 2, 1)
    _grad(F.max_pool2d, r(2, 4, 8, 8), 2, return_indices=True)
    _grad(F.adaptive_avg_pool2d, r(2, 4, 8, 8), 1)


def _sequences(r: Callable[..., Any]) -> None:
    dtype = rg.get_default_dtype()
    layers = (rg.nn.LSTM, rg.nn.GRU, rg.nn.RNN, partial(rg.nn.RNN, nonlinearity="relu"))
    for make in (partial(layer, 4, 16) for layer in layers):  # as many as fill panels
        for bias in (True, False):
            made = make(bias=bias)
            _grad(lambda x, made=made: made(x)[0], r(6, 3, 4))
            lengths = rg.tensor([6, 4, 3])
            packed = rg.nn.utils.rnn.pack_padded_sequence(r(6, 3, 4).requires_grad_(), lengths)
            made(packed)[0].data.square().sum().backward()
    for causal in (False, True):
        _grad(F.scaled_dot_product_attention, r(2, 2, 8, 4), r(2, 2, 8, 4), r(2, 2, 8, 4), is_causal=causal)
    for mask in (rg.ones(8, 8, dtype=rg.bool), rg.zeros(8, 8, dtype=dtype)):
        _grad(F.scaled_dot_product_attention, r(2, 2, 8, 4), r(2, 2, 8, 4), r(2, 2, 8, 4), mask)


def _indexing(r: Callable[..., Any]) -> None:
    index = rg.tensor([0, 2, 2, 1])
    _grad(lambda w: F.embedding(index, w), r(3, 4))
    _grad(lambda x: x[index], r(3, 4))
    _grad(lambda x: rg.index_select(x, 0, index), r(3, 4))
    _grad(lambda x: rg.index_select(x, 1, index), r(3, 4))
    _grad(lambda x: rg.gather(x, 1, index.reshape(2, 2)), r(2, 4))
    _grad(lambda x, y: rg.index_add(x, 0, index, y), r(3, 4), r(4, 4))
    _grad(lambda x, y: rg.scatter_add(x, 1, index.reshape(2, 2), y), r(2, 4), r(2, 2))


def _reductions(r: Callable[..., Any]) -> None:
    for dim in (0, 1, 2, (0, 2), (0, 1, 2)):
        for f in (rg.sum, rg.mean, rg.amax, rg.amin, rg.var, rg.std):
            _grad(f, r(3, 4, 5), dim)
    for f in (rg.argmax, rg.argmin, rg.prod):
        for dim in (0, 1, 2):
            f(r(3, 4, 5), dim)
    for f in (rg.sum, rg.mean, rg.max, rg.min, rg.argmax, rg.argmin, rg.prod, rg.var):
        f(r(3, 4, 5))


def _optimizers(r: Callable[..., Any]) -> None:
    o = rg.optim
    for make in (
        lambda p: o.SGD(p, 0.1), lambda p: o.SGD(p, 0.1, momentum=0.9), lambda p: o.Adam(p), lambda p: o.AdamW(p),
        lambda p: o.Adam(p, weight_decay=0.1),
        lambda p: o.Adam(p, amsgrad=True), lambda p: o.RMSprop(p), lambda p: o.RMSprop(p, centered=True, momentum=0.9),
    ):  # fmt: skip
        p = [r(3, 4).requires_grad_(), r(4).requires_grad_()]
        optimizer = make(p)
        for _ in range(2):
            for q in p:
                q.grad = rg.ones_like(q)
            rg.nn.utils.clip_grad_norm_(p, 0.5)
            rg.nn.utils.clip_grad_norm_(p, 0.5, float("inf"))
            optimizer.step()


def _random(r: Callable[..., Any]) -> None:
    # Words are drawn by kernels after many have been drawn: called here without their API.
    loops = importlib.import_module("retrograd.autograd.kernels.cpu.loops.philox")
    loops.words(5, 0, 0, 0)
    loops.below(5, 1 << 31, 0, 0, 0)
    for dtype in (np.float32, np.float64):
        loops.uniform(5, dtype, 0, 0, 0)


GROUPS = {
    "products": _products,
    "activations": _activations,
    "norms": _norms,
    "losses": _losses,
    "convolutions": _convolutions,
    "sequences": _sequences,
    "indexing": _indexing,
    "reductions": _reductions,
    "optimizers": _optimizers,
    "random": _random,
}


def dispatchers() -> Iterator[tuple[str, Any]]:
    """Every loop that Python calls: its name as `family.loop`, and Numba's dispatcher."""
    for module in pkgutil.iter_modules(loops.__path__):
        found = importlib.import_module(f"{loops.__name__}.{module.name}")
        for name, value in vars(found).items():
            if isinstance(value, Later) and value.called and value.f.__module__ == found.__name__:
                yield f"{module.name}.{name}", value.dispatcher


def compile_all(dtype: Any, said: Callable[[str], None] = print) -> list[str]:
    """Compile the loops for one dtype by calling what uses them; the names of loops that nothing reached."""
    before = {name: set(d.signatures) for name, d in dispatchers()}
    state = rg.get_rng_state()
    try:
        with rg.default_dtype(dtype), runtime.forced(), rg.use_backend("numba"):
            for group, run in GROUPS.items():
                began = time.perf_counter()
                run(rg.randn)
                said(f"{dtype} {group}: {time.perf_counter() - began:.1f} s")
    finally:
        rg.set_rng_state(state)
    return [name for name, d in dispatchers() if not set(d.signatures) - before[name] and not before[name]]


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog=prog, description="Compile all CPU kernels and keep them on disk.")
    parser.add_argument("--dtype", choices=("float32", "float64"), help="only this one (both unless given)")
    options = parser.parse_args(argv)
    began = time.perf_counter()
    for name in (options.dtype,) if options.dtype else ("float32", "float64"):
        compile_all(getattr(rg, name))
    from retrograd.autograd.kernels.cpu.loops.jit import COMPILED

    print(f"{len(COMPILED)} kernels compiled in {time.perf_counter() - began:.1f} s; the others were on disk already")
    return 0
