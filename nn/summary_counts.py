"""Counting: the parameters of a model, and the floating-point operations of its forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, Literal, overload

from ..autograd import Tensor, enable_grad
from ..autograd.core import Node
from ..autograd.ops.matmul import shape_of
from .modules.module import Module
from .parameter import is_lazy
from .summary import prepared, unchanged

__all__ = ["count_flops", "count_parameters"]


def count_parameters(model: Module, trainable: bool | None = None) -> int:
    """The number of elements of a model's parameters; shared ones count once, lazy ones not at all.

    trainable: True counts those that require gradients, False the others, None (default) all.

    >>> import retrograd as rg
    >>> net = rg.nn.Sequential(rg.nn.Linear(3, 4), rg.nn.Linear(4, 2)).freeze("0")
    >>> rg.count_parameters(net), rg.count_parameters(net, trainable=True)
    (26, 10)
    """
    return sum(
        p.numel() for p in model.parameters() if not is_lazy(p) and (trainable is None or p.requires_grad is trainable)
    )


Shapes = list[tuple[int, ...]]


def _linear(shapes: Shapes, params: tuple[Any, ...]) -> int:
    return 2 * prod(shapes[0]) * shapes[1][0]  # (..., in) @ (out, in).T


def _matmul(shapes: Shapes, params: tuple[Any, ...]) -> int:
    x, y = shapes
    (m, k), n = (x[:-3:-1] if params[0] else x[-2:]), y[-2 if params[1] else -1]
    lead = max(len(x), len(y)) - 2
    batch = [
        max(a, b) for a, b in zip((1,) * (lead + 2 - len(x)) + x[:-2], (1,) * (lead + 2 - len(y)) + y[:-2], strict=True)
    ]
    return 2 * prod(batch) * m * k * n


def _conv(shapes: Shapes, params: tuple[Any, ...]) -> int:
    x, w = shapes[:2]  # (N, C, ...) and (out, C / groups, ...)
    return 2 * x[0] * w[0] * prod(params[1]) * prod(w[1:])


def _transposed_conv(shapes: Shapes, params: tuple[Any, ...]) -> int:
    return 2 * prod(shapes[0]) * prod(shapes[1][1:])  # every input element meets the whole kernel


def _dot(shapes: Shapes, params: tuple[Any, ...]) -> int:
    return 2 * shapes[0][0]


def _recurrent(weight: int) -> Callable[[Shapes, tuple[Any, ...]], int]:
    """The products of the input and the state with their weights, operands number `weight` and the next, in every row."""
    return lambda shapes, params: 2 * shapes[0][0] * (prod(shapes[weight]) + prod(shapes[weight + 1]))


def _attention(shapes: Shapes, params: tuple[Any, ...]) -> int:
    q, k, v = shapes
    return 2 * prod(q[:-1]) * k[-2] * (q[-1] + v[-1])  # the scores, and their product with the values


_OPERATIONS: dict[str, Callable[[Shapes, tuple[Any, ...]], int]] = {
    "attention": _attention,
    "conv": _conv,
    "conv_gx": _transposed_conv,
    "dot": _dot,
    "gru": _recurrent(2),
    "linear": _linear,
    "linear_relu": _linear,
    "lstm": _recurrent(3),
    "matmul": _matmul,
    "rnn": _recurrent(2),
}


@overload
def count_flops(model: Module, *args: Any, by_module: Literal[False] = False, **kwargs: Any) -> int: ...
@overload
def count_flops(model: Module, *args: Any, by_module: Literal[True], **kwargs: Any) -> dict[str, int]: ...
def count_flops(model: Module, *args: Any, by_module: bool = False, **kwargs: Any) -> int | dict[str, int]:
    """The floating-point operations of `model(*args, **kwargs)`: two for each multiplication and addition of a product.

    Counted as PyTorch's `FlopCounterMode` does: matrix products (attention and recurrent layers included) and convolutions,
    by the shapes that meet; biases, normalisation and other elementwise work are left out. A backward pass takes about
    twice as many. The model runs once in evaluation mode, recording; what its output does not depend on is not counted.
    by_module=True: a dictionary from the dotted names of the modules to what runs in each, children included; "" is
    the whole.

    >>> import retrograd as rg
    >>> net = rg.nn.Sequential(rg.nn.Linear(3, 4), rg.nn.ReLU(), rg.nn.Linear(4, 2))
    >>> rg.count_flops(net, rg.ones(10, 3))
    400
    >>> rg.count_flops(net, rg.ones(10, 3), by_module=True)
    {'': 400, '0': 240, '2': 160}
    """
    names: dict[int, str] = {}
    for name, module in model.named_modules():
        names.setdefault(id(module), name)

    def recorded(t: Tensor) -> Tensor:
        return t.detach().requires_grad_() if t.dtype.is_floating_point or t.dtype.is_complex else t

    with unchanged(model, train=False), _trained(model), enable_grad():
        out = model(*prepared(args, recorded), **prepared(kwargs, recorded))
        found = {"": 0}
        for node in _nodes(out):
            count = _OPERATIONS.get(node.op.name)
            if count is None:
                continue
            operands, params = node.saved[0], node.saved[1]
            n = count([() if a is None else shape_of(a) for a in operands], params)
            for name in {names[key] for key in _modules(node) if key in names} | {""}:
                found[name] = found.get(name, 0) + n
    order = {name: i for i, name in enumerate(names.values())}
    return {name: found[name] for name in sorted(found, key=order.__getitem__)} if by_module else found[""]


@contextmanager
def _trained(model: Module) -> Iterator[None]:
    """All parameters require gradients, so that every product with one is recorded."""
    frozen = [
        p for p in model.parameters() if not p.requires_grad and (p.dtype.is_floating_point or p.dtype.is_complex)
    ]
    for p in frozen:
        p.requires_grad_(True)
    try:
        yield
    finally:
        for p in frozen:
            p.requires_grad_(False)


def _nodes(out: Any) -> Iterator[Node]:
    """Every recorded operation that nested outputs depend on."""
    todo: list[Any] = []

    def start(t: Tensor) -> Tensor:
        todo.append(t._node)
        return t

    prepared(out, start)
    seen: set[int] = set()
    while todo:
        node = todo.pop()
        if type(node) is not Node or id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        todo.extend(parent for parent, _ in node.next_functions)


def _modules(node: Node) -> Iterator[int]:
    """The modules that an operation ran in, innermost first."""
    chain = node.module
    while chain is not None:
        chain, ref = chain
        module = ref()
        if module is not None:
            yield id(module)
