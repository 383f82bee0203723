"""The errors of operations: what was given, where it came from, and a way out that was tried before it is offered."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import core
from .backend import of
from .core import TensorBase, describe, line, module_path, tls
from .errors import DeviceError, DtypeError, ShapeError
from .registry import BINARY, Op


def forward_error(op: Op, xs: Any, e: Exception) -> Exception:
    """The error to raise for one that the array library raised: names operation, operands, and where they come from."""
    if isinstance(e, RuntimeError):
        return e
    tensors = [x for x in xs if isinstance(x, TensorBase)]
    given = " and ".join(describe(x) for x in xs if x is not None)
    devices = {str(of(x._data).device_of(x._data)) for x in tensors}
    elsewhere = devices - {"cpu", *(str(of(x._data).current()) for x in tensors)}
    if elsewhere and isinstance(e, ValueError):
        return DeviceError(
            f"{op.name}: an operand is on {' and '.join(sorted(elsewhere))}, which is not the current CUDA device; "
            "call cuda.set_device(index) first"
        )
    if len(devices) > 1:
        error: Exception = DeviceError(
            f"{op.name}: operands are on different devices ({given}); move them with .to(device)"
        )
    elif isinstance(e, ValueError) and op.arity == BINARY:
        shapes = [tuple(x._shape) for x in tensors]
        error = ShapeError(f"{op.name}: {' and '.join(map(str, shapes))} do not broadcast{_misfit(shapes)}")
    elif isinstance(e, TypeError):
        return DtypeError(f"{op.name}: not possible for {given}: {e}")
    else:
        return e
    for x in tensors:
        n = x._node
        if n is not None:
            made = "as a leaf" if type(n) is core.Leaf else f"by {n.op.name}"
            error.add_note(f"the operand of shape {tuple(x._shape)} was made {made} at {line(n.code, n.lasti)}")
    path = module_path(tls.state.module)
    if path:
        error.add_note(f"in module {path}")
    return error


def _misfit(shapes: list[tuple[int, ...]]) -> str:
    """Which dimension does not fit, and what would, tried before it is offered."""
    if len(shapes) != 2:
        return ""
    x, y = shapes
    for i in range(1, min(len(x), len(y)) + 1):
        if x[-i] != y[-i] and 1 not in (x[-i], y[-i]):
            text = f": dimension -{i} is {x[-i]} and {y[-i]}"
            for name, other in (("second", y), ("first", x)):
                fixed, same = (other[::-1], x if name == "second" else y)
                if len(other) == 2 and fits(fixed, same):
                    return f"{text}; transpose the {name} one?"
                if len(other) == 1 and fits((*other, 1), same):
                    return f"{text}; unsqueeze(-1) the {name} one?"
            return f"{text}; sizes must be equal or 1"
    return ""


def fits(x: tuple[int, ...], y: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(x, y)
    except ValueError:
        return False
    return True


def dtypes_error(name: str, r: Any, out: Any) -> Exception:
    """A result that cannot be stored in the dtype of the target."""
    return DtypeError(
        f"{name}: a result of type {r._dtype.name} cannot be stored in a tensor of type {out._dtype.name}; "
        f"convert the target with .to(retrograd.{r._dtype.name})"
    )
