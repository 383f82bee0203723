"""Mixing tensors: maximum, minimum, lerp, addcmul and addcdiv."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..errors import DtypeError
from ..generic import into
from ..op import binary, public
from ..samples import call, t
from .arith import misfit, rounded_once

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["addcdiv", "addcmul", "lerp", "maximum", "minimum"]  # fmt: skip


def _ties(name: str, larger: bool, doc: str) -> Any:
    """maximum and minimum: at ties each operand gets half of the gradient, as in PyTorch."""

    def share(g: Any, mine: Any, other: Any) -> Any:
        wins = mine > other if larger else mine < other
        return g * wins + (g * 0.5) * (mine == other)

    def ordered(xp: Any, x: Any, y: Any) -> Any:
        if x.dtype.kind == "c":
            raise DtypeError(f"{name}: complex numbers have no order; use abs() or .real")
        return getattr(xp, name)(x, y)

    return binary(
        name,
        ordered,
        lambda g, x, y, o: share(g, x, y),
        lambda g, x, y, o: share(g, y, x),
        saves=("xy", "xy"),
        samples=lambda: [
            call(t(3, 4), t(3, 4)),
            call(t(3, 1), t(4)),
            call(t(3, values=[1.0, 2.0, 3.0]), t(3, values=[1.0, 5.0, 0.0])),
            call(t(3, dtype="int64", low=-3, high=3), t(3, dtype="int64", low=-3, high=3)),
        ],
        errors=lambda: misfit()[:1],
        ref=getattr(np, name),
        doc=doc,
    )


maximum = _ties(
    "maximum",
    True,
    """The larger of x and y, elementwise; NaN where either is.

    >>> import retrograd as rg
    >>> rg.maximum(rg.tensor([1.0, 4.0]), rg.tensor([3.0, 2.0]))
    tensor([3., 4.])
    """,
)
minimum = _ties(
    "minimum",
    False,
    """The smaller of x and y, elementwise; NaN where either is.

    >>> import retrograd as rg
    >>> rg.minimum(rg.tensor([1.0, 4.0]), rg.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """,
)


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 4), t(3, 4), 0.3),
        call(t(3, 4), t(4), t(3, 1, low=0.0, high=1.0)),
        call(t(3), t(3), 0.8),
    ],
    ref=lambda x, y, w: x + w * (y - x),
)
def lerp(input: Tensor, end: Tensor, weight: Any, *, out: Tensor | None = None) -> Tensor:
    """Linear interpolation x + w * (end - x); the weight is a number or a tensor.

    >>> import retrograd as rg
    >>> rg.lerp(rg.zeros(2), rg.ones(2), 0.25)
    tensor([0.2500, 0.2500])
    """
    x, y = as_tensor_arg(input, "lerp"), as_tensor_arg(end, "lerp")
    if x._dtype is not y._dtype:
        raise RuntimeError(f"lerp: input is {x._dtype.name} but end is {y._dtype.name}; convert one of them")
    r = rounded_once(lambda x, y, w: x + w * (y - x), x, y, weight)
    return r if out is None else into(out, r, "lerp")


@public(
    inplace=True,
    samples=lambda: [call(t(3, 4), t(3, 1), t(4)), call(t(2), t(2), t(2), value=-0.5)],
    ref=lambda x, a, b, value=1: x + value * a * b,
)
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1, out: Tensor | None = None) -> Tensor:
    """x + value * a * b, elementwise, broadcast.

    >>> import retrograd as rg
    >>> rg.addcmul(rg.ones(2), rg.tensor([1.0, 2.0]), rg.tensor([3.0, 4.0]), value=0.5)
    tensor([2.5000, 5.0000])
    """
    r = rounded_once(lambda x, a, b: x + (a * b if value == 1 else a * b * value), input, tensor1, tensor2)
    return r if out is None else into(out, r, "addcmul")


@public(
    inplace=True,
    samples=lambda: [call(t(3, 4), t(3, 1), t(4, low=0.5)), call(t(2), t(2), t(2, low=0.5), value=-0.5)],
    ref=lambda x, a, b, value=1: x + value * a / b,
)
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1, out: Tensor | None = None) -> Tensor:
    """x + value * a / b, elementwise, broadcast.

    >>> import retrograd as rg
    >>> rg.addcdiv(rg.ones(2), rg.tensor([1.0, 2.0]), rg.tensor([2.0, 4.0]), value=10)
    tensor([6., 6.])
    """
    a, b = as_tensor_arg(tensor1, "addcdiv"), as_tensor_arg(tensor2, "addcdiv")
    if a._dtype.kind in "biu" and b._dtype.kind in "biu":
        raise RuntimeError("addcdiv: two integer tensors; convert one with .float() (integer division is not meant)")
    r = rounded_once(lambda x, a, b: x + (a / b if value == 1 else a / b * value), input, a, b)
    return r if out is None else into(out, r, "addcdiv")
