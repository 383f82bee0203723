"""Running PyTorch's model or ours under hooks that keep what passes through every module; inputs for either."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..autograd import grad as our_grad
from ..autograd.device import as_device
from ..autograd.dtypes import as_dtype
from ..autograd.ops.create import from_numpy
from .modules.loading import as_source

__all__ = ["Call", "OurLibrary", "TorchLibrary", "Tracer", "buffers_kept", "converted", "to_ours", "to_torch", "wide"]


class TorchLibrary:
    """What the tracer needs of PyTorch."""

    def __init__(self, torch: Any) -> None:
        self.Tensor = torch.Tensor
        self.grad = torch.autograd.grad

    def array(self, t: Any) -> np.ndarray:
        found = as_source(t)
        assert found is not None
        return wide(found)

    def like(self, array: np.ndarray, t: Any) -> Any:
        return t.new_tensor(array)


class OurLibrary:
    """What the tracer needs of this library."""

    Tensor = Tensor
    grad = staticmethod(our_grad)

    def array(self, t: Tensor) -> np.ndarray:
        return wide(t.detach())

    def like(self, array: np.ndarray, t: Tensor) -> Tensor:
        return from_numpy(array).to(t.dtype).to(t.device)


def wide(t: Tensor) -> np.ndarray:
    """A copy of the values, in float64 or complex128 (integers and bools too)."""
    a = np.asarray(t.cpu().numpy())
    return a.astype(np.complex128 if a.dtype.kind == "c" else np.float64)


class Call:
    """What passed through one call of a module: values in, values out, and their gradients by number."""

    def __init__(self, name: str, kind: str, number: int, inputs: list[np.ndarray]) -> None:
        self.name = name
        self.kind = kind
        self.number = number
        self.inputs = inputs
        self.output: list[np.ndarray] = []
        self.grad_inputs: dict[int, np.ndarray] = {}
        self.grad_output: dict[int, np.ndarray] = {}


class Tracer:
    """Runs one of the models and keeps what passes through its modules. renamed: its names -> the names to use."""

    def __init__(self, model: Any, library: Any, renamed: Mapping[str, str]) -> None:
        self.model = model
        self.library = library
        self.renamed = renamed
        self.calls: list[Call] = []  # in the order in which they ended
        self.param_grads: dict[str, np.ndarray] = {}
        self.input_grads: list[np.ndarray | None] = []
        self.modules = {renamed.get(name, name): module for name, module in model.named_modules()}

    def run(self, data: tuple[Any, dict[str, Any]], inputs: list[Any], backward: bool) -> None:
        args, kwargs = data
        handles = []
        numbers: dict[str, int] = {}
        running: list[Call] = []

        def hooks(name: str, module: Any) -> None:
            def before(module: Any, args: Any, kwargs: Any) -> None:
                given = list(self._leaves((args, kwargs)))
                number = numbers[name] = numbers.get(name, -1) + 1
                call = Call(name, type(module).__name__, number, [self.library.array(t) for t in given])
                if backward:
                    self._listen(given, call.grad_inputs)
                running.append(call)

            def after(module: Any, args: Any, kwargs: Any, out: Any) -> None:
                call = running.pop()
                found = list(self._leaves(out))
                call.output = [self.library.array(t) for t in found]
                if backward:
                    self._listen(found, call.grad_output)
                self.calls.append(call)

            handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
            handles.append(module.register_forward_hook(after, with_kwargs=True))

        for name, module in self.modules.items():
            hooks(name, module)
        try:
            out = self.model(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
        if backward:
            self._backward(out, inputs)

    def _backward(self, out: Any, inputs: list[Any]) -> None:
        ends = [t for t in self._leaves(out) if t.requires_grad]
        named = [(self._param_name(n), p) for n, p in self.model.named_parameters() if p.requires_grad]
        wanted = [p for _, p in named] + [t for t in inputs if t.requires_grad]
        if not ends or not wanted:
            return
        rng = np.random.default_rng(0)
        cotangents = [self.library.like(rng.standard_normal(tuple(t.shape)), t) for t in ends]
        found = self.library.grad(ends, wanted, cotangents, allow_unused=True)
        arrays = [None if g is None else self.library.array(g) for g in found]
        self.param_grads = {n: a for (n, _), a in zip(named, arrays, strict=False) if a is not None}
        self.input_grads = arrays[len(named) :]

    def _param_name(self, name: str) -> str:
        owner, dot, last = name.rpartition(".")
        return self.renamed.get(owner, owner) + dot + last

    def _listen(self, tensors: list[Any], into: dict[int, np.ndarray]) -> None:
        """Note the gradients of tensors when they become known."""
        for i, t in enumerate(tensors):
            if t.requires_grad:
                t.register_hook(lambda g, i=i: into.__setitem__(i, self.library.array(g)))

    def _leaves(self, x: Any) -> Iterator[Any]:
        if isinstance(x, self.library.Tensor):
            yield x
        elif isinstance(x, Mapping):
            for v in x.values():
                yield from self._leaves(v)
        elif isinstance(x, (list, tuple)):
            for v in x:
                yield from self._leaves(v)


# ---------------------------------------------------------------- inputs and state
def converted(data: tuple[Any, dict[str, Any]], convert: Callable[[Any], Any]) -> tuple[Any, list[Any]]:
    """(nested arguments as tensors of a library, the tensors among them)."""
    found = []

    def visit(x: Any) -> Any:
        if isinstance(x, Mapping):
            return {k: visit(v) for k, v in x.items()}
        if type(x) in (list, tuple):
            return type(x)(visit(v) for v in x)
        t = convert(x)
        if t is not x:
            found.append(t)
        return t

    return visit(data), found


def _host(x: Any, kind: str) -> np.ndarray | None:
    """The values of an array or a tensor of any library, None for anything else; plain arrays take the model's dtype."""
    t = as_source(x)
    if t is None or isinstance(x, np.generic):
        return None
    if isinstance(x, np.ndarray) and t.dtype.is_floating_point:
        t = t.to(as_dtype(kind))
    return t.detach().cpu().numpy()


def to_torch(torch: Any, x: Any, kind: str, where: Any) -> Any:
    a = _host(x, kind)
    if a is None:
        return x
    if a.dtype.name == "bfloat16":
        t = torch.from_numpy(a.view(np.int16).copy()).view(torch.bfloat16)
    else:
        t = torch.from_numpy(a.copy())
    t = t if where is None else t.to(where)
    return t.requires_grad_() if t.is_floating_point() or t.is_complex() else t


def to_ours(x: Any, kind: str, where: Any) -> Any:
    a = _host(x, kind)
    if a is None:
        return x
    t = from_numpy(a.copy())
    t = t if where is None else t.to(as_device(where))
    return t.requires_grad_() if t.dtype.is_floating_point or t.dtype.is_complex else t


@contextmanager
def buffers_kept(model: Any, without_grad: Callable[[], Any]) -> Iterator[None]:
    kept = [(b, b.detach().clone()) for b in model.buffers()]
    try:
        yield
    finally:
        with without_grad():
            for b, before in kept:
                b.copy_(before)
