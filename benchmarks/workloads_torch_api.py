"""The workloads in PyTorch's API. Torch and retrograd run this same text: only the import differs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import workloads_data as data
from workloads_kernels import OPTIMIZERS, kernel
from workloads_networks import NETWORKS, Made

Step = Callable[[], float | None]


class Library:
    """A module with PyTorch's API, the device to work on, and the floating dtype (None: that of the data, float32)."""

    def __init__(self, module: Any, device: str = "cpu", dtype: str | None = None, compiled: bool = False) -> None:
        self.module, self.device, self.compiled = module, device, compiled
        self.dtype = getattr(module, dtype) if dtype else None
        self.__version__, self.__file__ = module.__version__, module.__file__

    def tensor(self, array: Any, requires_grad: bool = False) -> Any:
        dtype = self.dtype if array.dtype.kind == "f" else None
        return self.module.tensor(array, dtype=dtype, device=self.device, requires_grad=requires_grad)

    def place(self, model: Any) -> Any:
        """The model on the device and in the dtype."""
        return model.to(self.device) if self.dtype is None else model.to(self.device, self.dtype)


def load(library: str, backend: str | None) -> Library:
    module = importlib.import_module(library)
    if library == "torch":
        if backend == "cuda" and not module.cuda.is_available():
            raise ImportError("torch finds no CUDA device")
        compiled = backend == "compile"
        return Library(module, "cpu" if compiled else backend or "cpu", compiled=compiled)
    if backend:
        if backend not in module.available_backends():
            raise ImportError(f"the backend {backend} does not work here")
        module.use_backend(backend)
    return Library(module, "cuda" if backend == "cupy" else "cpu")


def variants(library: Library, workload: str) -> list[str]:
    """Torch has three implementations of its optimizers; the best of them is the opponent."""
    optimized = workload in TRAINED or workload.removeprefix("kernel:").partition(" ")[0] in OPTIMIZERS
    if library.module.__name__ != "torch" or not optimized:
        return [""]
    return ["fused"] if library.compiled else ["", "foreach", "fused"]


def make(library: Library, workload: str, variant: str, size: dict[str, Any]) -> Step:
    """One step of a workload as a function."""
    kind, _, name = workload.partition(":")
    if kind == "op":
        return operation(library, name, **size)
    if kind in PLAIN:
        return PLAIN[kind](library, **size)
    options = {variant: True} if variant else {}
    if kind == "kernel":
        return kernel(library, name, options, **size)
    return Training(library, *TRAINED[kind](library, options, **size))


class Training:
    """A training step as everyone writes it: zero_grad, forward, loss, backward, optimizer, loss.item()."""

    def __init__(
        self, library: Library, model: Any, optimizer: Any, loss: Callable[[], Any], inputs: tuple[Any, ...]
    ) -> None:
        self.library, self.model, self.optimizer, self.inputs = library, model, optimizer, inputs
        self.loss = library.module.compile(loss) if library.compiled else loss

    def __call__(self) -> float:
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def work(self) -> dict[str, float]:
        """The least that a step has to do: see `work`."""
        parameters = sum(p.numel() * p.element_size() for p in self.model.parameters())
        inputs = sum(x.numel() * x.element_size() for x in self.inputs)
        # A parameter is read and its gradient written; the optimizer reads the gradient, and reads and writes the
        # parameter and each of its moments.
        passes = 2 + 3 + (4 if "Adam" in type(self.optimizer).__name__ else 2)
        flops = 3 * self.library.module.count_flops(self.model, *self.inputs)
        return {"flops": flops, "bytes": inputs + passes * parameters}


def work(library: Library, step: Any) -> dict[str, float]:
    """What a step cannot do without: floating-point operations of products, and bytes that have to be moved.

    The backward pass takes twice the operations of the forward pass, which retrograd counts. The bytes are a bound
    from below: inputs, parameters, gradients and moments, as if everything between were kept in cache.
    """
    return step.work() if hasattr(library.module, "count_flops") and hasattr(step, "work") else {}


class Plain:
    """Forward and backward of a loss in some operands, without a model."""

    def __init__(self, library: Library, operands: list[Any], loss: Callable[[], Any], passes: int = 0) -> None:
        self.operands, self.passes = operands, passes
        self.loss = library.module.compile(loss) if library.compiled else loss

    def __call__(self) -> float:
        loss = self.loss()
        loss.backward()
        for x in self.operands:
            x.grad = None
        return loss.item()

    def work(self) -> dict[str, float]:
        """The passes over memory that the first operand takes at least."""
        return {"flops": 0, "bytes": self.passes * self.operands[0].numel() * self.operands[0].element_size()}


def chain(library: Library, length: int, width: int) -> Step:
    """2 * length elementwise operations on `width` floats."""
    x, w, b = data.chain(width)
    x, w, b = library.tensor(x), library.tensor(w, True), library.tensor(b, True)

    def loss() -> Any:
        h = x
        for _ in range(length):
            h = h * w
            h = h + b
        return h.sum()

    return Plain(library, [w, b], loss)


def elementwise(library: Library, rows: int, width: int) -> Step:
    """GELU, LayerNorm and softmax: x and the gradient of the result are read, the gradient of x is written."""
    F = library.module.nn.functional
    *operands, c = data.elementwise(rows, width)
    operands, c = [library.tensor(array, True) for array in operands], library.tensor(c)
    x, scale, shift = operands

    def loss() -> Any:
        return (F.softmax(F.layer_norm(F.gelu(x), (width,), scale, shift), -1) * c).sum()

    return Plain(library, operands, loss, passes=3)


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


def mlp(library: Library, options: dict[str, bool], layers: list[int], batch: int) -> Made:
    """Linear and ReLU layers, cross-entropy, Adam."""
    rg = library.module
    nn, F = rg.nn, rg.nn.functional
    modules: list[Any] = []
    for fan_in, fan_out in pairwise(layers):
        modules += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    model = nn.Sequential(*modules[:-1])
    arrays = data.dense(layers)
    model.load_state_dict(dict(zip(model.state_dict(), map(library.tensor, arrays), strict=True)))
    library.place(model)
    optimizer = rg.optim.Adam(model.parameters(), lr=1e-3, **options)
    x, y = map(library.tensor, data.classes(batch, layers[0]))
    return model, optimizer, lambda: F.cross_entropy(model(x), y), (x,)


def digits(library: Library, options: dict[str, bool], batch: int, channels: list[int]) -> Made:
    """The network in examples/digits.py, without its dropout so that losses can be compared."""
    rg = library.module
    nn, F = rg.nn, rg.nn.functional
    a, b, c = channels
    model = nn.Sequential(
        nn.Conv2d(1, a, 3, padding=1, bias=False), nn.BatchNorm2d(a), nn.ReLU(),
        nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(b, c, 3, padding=1, bias=False), nn.BatchNorm2d(c), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(4 * c, 10),
    )  # fmt: skip
    state = model.state_dict()
    for name, tensor in state.items():
        if tensor.ndim == 4:
            state[name] = library.tensor(data.convolution(*tensor.shape))
        elif tensor.ndim == 2:
            state[name] = library.tensor(data.dense([4 * c, 10])[0])
    model.load_state_dict(state)
    library.place(model)
    with rg.no_grad():
        model[-1].bias.zero_()
    optimizer = rg.optim.AdamW(model.parameters(), lr=1e-3, **options)
    x, y = map(library.tensor, data.classes(batch, 1, 8, 8))
    return model, optimizer, lambda: F.cross_entropy(model(x), y, label_smoothing=0.1), (x,)


PLAIN: dict[str, Callable[..., Step]] = {
    "chain": chain,
    "chain-forward": chain_forward,
    "chain-nograd": chain_nograd,
    "elementwise": elementwise,
}
TRAINED: dict[str, Callable[..., Made]] = {"mlp": mlp, "digits": digits, **NETWORKS}
TRAINED["mlp1024"] = mlp
