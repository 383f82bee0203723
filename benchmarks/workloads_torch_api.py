"""The workloads in PyTorch's API. Torch and retrograd run this same text: only the import differs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import workloads_data as data

Step = Callable[[], float | None]


class Library:
    """A module with PyTorch's API, and the device to work on."""

    def __init__(self, module: Any, device: str) -> None:
        self.module, self.device = module, device
        self.__version__, self.__file__ = module.__version__, module.__file__

    def tensor(self, array: Any, requires_grad: bool = False) -> Any:
        return self.module.tensor(array, device=self.device, requires_grad=requires_grad)


def load(library: str, backend: str | None) -> Library:
    module = importlib.import_module(library)
    if library == "torch":
        if backend == "cuda" and not module.cuda.is_available():
            raise ImportError("torch finds no CUDA device")
        return Library(module, backend or "cpu")
    if backend:
        if backend not in module.available_backends():
            raise ImportError(f"the backend {backend} does not work here")
        module.use_backend(backend)
    return Library(module, "cuda" if backend == "cupy" else "cpu")


def variants(library: Library, workload: str) -> list[str]:
    """Torch has three implementations of its optimizers; the best of them is the opponent."""
    if library.module.__name__ == "torch" and workload in ("mlp", "mlp1024", "digits"):
        return ["", "foreach", "fused"]
    return [""]


def make(library: Library, workload: str, variant: str, size: dict[str, Any]) -> Step:
    """One step of a workload as a function."""
    kind, _, name = workload.partition(":")
    makers = {"chain": chain, "chain-forward": chain_forward, "chain-nograd": chain_nograd}
    if kind == "op":
        return operation(library, name, **size)
    if kind in makers:
        return makers[kind](library, **size)
    options = {variant: True} if variant else {}
    if kind == "digits":
        return digits(library, options, **size)
    return mlp(library, options, **size)


def chain(library: Library, length: int, width: int) -> Step:
    """2 * length elementwise operations on `width` floats, forward and backward."""
    x, w, b = data.chain(width)
    x, w, b = library.tensor(x), library.tensor(w, True), library.tensor(b, True)

    def step() -> None:
        h = x
        for _ in range(length):
            h = h * w
            h = h + b
        h.sum().backward()
        w.grad = b.grad = None

    return step


def chain_forward(library: Library, length: int, width: int) -> Step:
    """The chain's forward pass, recorded and dropped."""
    x, w, b = data.chain(width)
    x, w, b = library.tensor(x), library.tensor(w, True), library.tensor(b, True)

    def step() -> None:
        h = x
        for _ in range(length):
            h = h * w
            h = h + b

    return step


def chain_nograd(library: Library, length: int, width: int) -> Step:
    """The chain's forward pass without a graph."""
    run = chain_forward(library, length, width)

    def step() -> None:
        with library.module.no_grad():
            run()

    return step


OPERATIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "mul": lambda F, h, w: h * w,
    "add scalar": lambda F, h, w: h + 0.5,
    "tanh": lambda F, h, w: h.tanh(),
    "relu": lambda F, h, w: h.relu(),
    "matmul": lambda F, h, w: h @ w,
    "transpose": lambda F, h, w: h.t(),
    "reshape": lambda F, h, w: h.reshape(h.shape),
    "slice": lambda F, h, w: h[:4],
    "softmax": lambda F, h, w: F.softmax(h, 1),
    "sum": lambda F, h, w: h.sum(1, keepdim=True).expand(h.shape),
}


def operation(library: Library, name: str, length: int, side: int) -> Step:
    """One operation on a (side, side) matrix, applied to its own result `length` times, forward and backward."""
    apply, F = OPERATIONS[name], library.module.nn.functional
    w, _ = data.classes(side, side)
    w = library.tensor(w / abs(w).sum(1, keepdims=True), True)

    def step() -> None:
        h = w
        for _ in range(length):
            h = apply(F, h, w)
        h.sum().backward()
        w.grad = None

    return step


def mlp(library: Library, options: dict[str, bool], layers: list[int], batch: int) -> Step:
    """A training step of linear and ReLU layers: zero_grad, forward, cross-entropy, backward, Adam, loss.item()."""
    rg = library.module
    nn, F = rg.nn, rg.nn.functional
    modules: list[Any] = []
    for fan_in, fan_out in pairwise(layers):
        modules += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    model = nn.Sequential(*modules[:-1]).to(library.device)
    arrays = data.dense(layers)
    model.load_state_dict(dict(zip(model.state_dict(), map(library.tensor, arrays), strict=True)))
    optimizer = rg.optim.Adam(model.parameters(), lr=1e-3, **options)
    x, y = map(library.tensor, data.classes(batch, layers[0]))

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def digits(library: Library, options: dict[str, bool], batch: int, channels: list[int]) -> Step:
    """A training step of the network in examples/digits.py, without its dropout so that losses can be compared."""
    rg = library.module
    nn, F = rg.nn, rg.nn.functional
    a, b, c = channels
    model = nn.Sequential(
        nn.Conv2d(1, a, 3, padding=1, bias=False), nn.BatchNorm2d(a), nn.ReLU(),
        nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(b, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(4 * c, 10),
    ).to(library.device)  # fmt: skip
    state = model.state_dict()
    for name, tensor in state.items():
        if tensor.ndim == 4:
            state[name] = library.tensor(data.convolution(*tensor.shape))
        elif tensor.ndim == 2:
            state[name] = library.tensor(data.dense([4 * c, 10])[0])
    model.load_state_dict(state)
    with rg.no_grad():
        model[-1].bias.zero_()
    optimizer = rg.optim.AdamW(model.parameters(), lr=1e-3, **options)
    x, y = map(library.tensor, data.classes(batch, 1, 8, 8))

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
