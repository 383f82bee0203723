"""Single operations at sizes where their arithmetic counts, in PyTorch's API, forward and backward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import workloads_data as data

Step = Callable[[], float | None]
Shape = tuple[int, ...]
TOY = 6  # no dimension is larger than this in a toy run


@dataclass
class Case:
    """formula(F, *operands): operands of these shapes with gradients, then integers below `classes` in these shapes."""

    formula: Callable[..., Any]
    shapes: Sequence[Shape]
    indices: Sequence[Shape] = ()
    classes: int = 0


def _conv(stride: int = 1, padding: int = 0) -> Callable[..., Any]:
    return lambda F, x, w: F.conv2d(x, w, stride=stride, padding=padding)


def _attention(F: Any, q: Any, k: Any, v: Any) -> Any:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def _norm_relu(F: Any, x: Any, w: Any, b: Any) -> Any:
    return F.relu(F.batch_norm(x, None, None, w, b, training=True))


def _cases() -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for rows, width in ((1024, 512), (4096, 1024)):
        shape, at = (rows, width), f"{rows}x{width}"
        for name in ("relu", "gelu", "silu", "tanh", "sigmoid", "softplus"):
            cases[f"{name} {at}"] = Case(lambda F, x, name=name: getattr(F, name)(x), [shape])
        cases[f"softmax {at}"] = Case(lambda F, x: F.softmax(x, -1), [shape])
        cases[f"log_softmax {at}"] = Case(lambda F, x: F.log_softmax(x, -1), [shape])
        layer_norm = Case(lambda F, x, w, b: F.layer_norm(x, w.shape, w, b), [shape, (width,), (width,)])
        cases[f"layer_norm {at}"] = layer_norm
        cases[f"rms_norm {at}"] = Case(lambda F, x, w: F.rms_norm(x, w.shape, w), [shape, (width,)])
        cases[f"linear {at} to {width}"] = Case(lambda F, x, w, b: F.linear(x, w, b), [shape, (width, width), (width,)])
        cases[f"sum {at}"] = Case(lambda F, x: x.sum(-1), [shape])
        cases[f"x * y + x {at}"] = Case(lambda F, x, y: x * y + x, [shape, shape])
    for rows, classes in ((64, 10), (1920, 105), (512, 32000)):
        cross_entropy = Case(lambda F, x, y: F.cross_entropy(x, y), [(rows, classes)], [(rows,)], classes)
        cases[f"cross_entropy {rows}x{classes}"] = cross_entropy
    mse = Case(lambda F, x, y: F.mse_loss(x, y), [(4096, 1024), (4096, 1024)])
    cases["mse_loss 4096x1024"] = mse
    for shape, weight, stride, padding in (
        ((64, 1, 28, 28), (6, 1, 5, 5), 1, 2), ((64, 6, 14, 14), (16, 6, 5, 5), 1, 0),
        ((32, 3, 32, 32), (16, 3, 3, 3), 1, 1), ((32, 16, 32, 32), (16, 16, 3, 3), 1, 1),
        ((32, 32, 16, 16), (32, 32, 3, 3), 1, 1), ((32, 64, 8, 8), (64, 64, 3, 3), 1, 1),
        ((8, 64, 56, 56), (64, 64, 3, 3), 1, 1), ((32, 16, 32, 32), (32, 16, 3, 3), 2, 1),
        ((32, 64, 16, 16), (128, 64, 1, 1), 1, 0), ((32, 16, 32, 32), (32, 16, 1, 1), 2, 0),
    ):  # fmt: skip
        kernel = f"conv {weight[2]}x{weight[3]} {weight[1]}->{weight[0]} on {shape[2]}x{shape[3]}"
        cases[kernel + (f" stride {stride}" if stride > 1 else "")] = Case(_conv(stride, padding), [shape, weight])
    for shape in ((32, 32, 32, 32), (16, 192, 32, 32)):
        depthwise = Case(lambda F, x, w: F.conv2d(x, w, padding=1, groups=x.shape[1]), [shape, (shape[1], 1, 3, 3)])
        cases[f"depthwise 3x3 {shape[1]} on {shape[2]}x{shape[3]}"] = depthwise
    cases["conv_transpose 2x2 64->32 on 16x16"] = Case(
        lambda F, x, w: F.conv_transpose2d(x, w, stride=2), [(8, 64, 16, 16), (64, 32, 2, 2)]
    )
    for shape in ((64, 6, 28, 28), (32, 64, 32, 32)):
        at = "x".join(map(str, shape))
        cases[f"max_pool 2x2 {at}"] = Case(lambda F, x: F.max_pool2d(x, 2), [shape])
        cases[f"avg_pool 2x2 {at}"] = Case(lambda F, x: F.avg_pool2d(x, 2), [shape])
    for shape in ((32, 16, 32, 32), (32, 64, 8, 8)):
        at = "x".join(map(str, shape))
        cases[f"batch_norm + relu {at}"] = Case(_norm_relu, [shape, (shape[1],), (shape[1],)])
    for batch, heads, length, width in ((8, 4, 128, 32), (4, 8, 512, 64)):
        at = f"{batch}x{heads}x{length}x{width}"
        cases[f"causal attention {at}"] = Case(_attention, [(batch, heads, length, width)] * 3)
    for count, width, length in ((105, 64, 1920), (50000, 128, 4096)):
        embedding = Case(lambda F, w, i: F.embedding(i, w), [(count, width)], [(length,)], count)
        cases[f"embedding {count}x{width}, {length} ids"] = embedding
    return cases


CASES = _cases()


def _dense(*layers: int) -> list[Shape]:
    return [shape for a, b in pairwise(layers) for shape in ((b, a), (b,))]


OPTIMIZED: dict[str, list[Shape]] = {
    "235 k in 6 tensors": _dense(784, 256, 128, 10),
    "818 k in 53 tensors": list(data.shapes("gpt", **data.size("gpt")).values()),
    "4.2 M in 8 tensors": _dense(1024, 1024, 1024, 1024, 1024),
}
OPTIMIZERS = {"Adam": {}, "AdamW": {}, "SGD": {"momentum": 0.9}}
for _name in OPTIMIZERS:
    for _sizes in OPTIMIZED:
        CASES[f"{_name} {_sizes}"] = Case(lambda F: None, OPTIMIZED[_sizes])


def capped(shape: Shape, toy: bool) -> Shape:
    """The shape, or the one of a toy run."""
    return tuple(min(n, TOY) for n in shape) if toy else shape


def kernel(library: Any, name: str, options: dict[str, bool], toy: bool) -> Step:
    """A step of the case: forward, and backward from random gradients; for an optimizer, its step."""
    case, rg = CASES[name], library.module
    shapes = [capped(shape, toy) for shape in case.shapes]
    # Close to what a network has there: normal values, small weights, scales and shifts.
    arrays = [
        data.pair(*shape)[i % 2] * (1 if i == 0 or "attention" in name else 0.1) for i, shape in enumerate(shapes)
    ]
    operands = [library.tensor(array, True) for array in arrays]
    optimizer = name.partition(" ")[0]
    if optimizer in OPTIMIZERS:
        for x in operands:
            x.grad = x.detach() * 0.1
        made = getattr(rg.optim, optimizer)(operands, lr=1e-3, **OPTIMIZERS[optimizer], **options)
        return made.step
    rng, classes = np.random.default_rng(8), min(case.classes, TOY) if toy else case.classes
    indices = [library.tensor(rng.integers(0, classes, capped(shape, toy))) for shape in case.indices]
    F, formula = rg.nn.functional, case.formula
    out = formula(F, *operands, *indices)
    gradient = library.tensor(data.pair(*out.shape)[0])

    def step() -> None:
        formula(F, *operands, *indices).backward(gradient)
        for x in operands:
            x.grad = None

    return step
