"""The errors of operations: what was given, where it came from, and a way out that was tried before it is offered.

Nothing here runs unless something has failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from types import FrameType
from typing import Any

import numpy as np

from . import core, errors
from .backend import of
from .core import TensorBase, describe, line
from .errors import DeviceError, DtypeError, ShapeError
from .registry import BINARY, Op

Shape = tuple[int, ...]

MOST = 6  # operands that an error lists
VARARGS = 0x04  # the flag of a code object that takes *args
THREADS = ("threading", "concurrent.futures.thread")  # where a thread of the library begins: nobody's line


# ---------------------------------------------------------------- where it happened
def tell(error: BaseException) -> None:
    """Note the user's line that failed, and the operands of the call made there: shape, dtype, and who made them.

    The operands are the tensors among the arguments of the operation that the user (or a module) called: the outermost
    frame of the engine before the user's own. Nothing is noted for an error that no code of the library raised.
    """
    f: FrameType | None = core.getframe(2)
    inside = False
    called: list[tuple[str, Any]] = []
    engine = False
    while f is not None and core.LIBRARY[f.f_code.co_filename]:
        inside = True
        is_engine = f.f_globals.get("__name__", "").startswith(_ENGINE)
        if is_engine or not called:
            found = list(_arguments(f))
            if found and (is_engine or not engine):
                called, engine = found, is_engine
        f = f.f_back
    if not inside:
        return
    if f is not None and f.f_globals.get("__name__") not in THREADS:
        error.add_note(f"at {line(f.f_code, f.f_lasti)}")
    for name, x in called[:MOST]:
        error.add_note(f"  {name}: {describe(x)}{origin(x)}")
    if len(called) > MOST:
        error.add_note(f"  and {len(called) - MOST} more tensors")


_ENGINE = __name__.rpartition(".")[0] + "."


def _arguments(f: FrameType) -> Iterator[tuple[str, Any]]:
    """The tensors among a call's arguments, by name; those of sequences by number."""
    code = f.f_code
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & VARARGS)
    given = f.f_locals
    for name in code.co_varnames[:count]:
        x = given.get(name)
        if isinstance(x, TensorBase):
            if hasattr(x, "_shape"):
                yield name, x
        elif isinstance(x, tuple | list) and type(x) in (tuple, list):
            yield from ((f"{name}[{i}]", v) for i, v in enumerate(x) if isinstance(v, TensorBase))


def origin(x: Any) -> str:
    """`, made by mul at train.py:12 in step`, or nothing for a tensor that nothing was recorded of."""
    n = getattr(x, "_node", None)
    if n is None:
        return ""
    if type(n) is core.Leaf:
        return f", a leaf made at {line(n.code, n.lasti)}"
    op = n.many[0].op if n.op.name == "pick" else n.op
    return f", made by {op.name} at {line(n.code, n.lasti)}"


# ---------------------------------------------------------------- what the array library refused
def forward_error(op: Op, xs: Any, e: Exception) -> Exception:
    """The error to raise for one that the array library raised: names the operation and its operands."""
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
        return DeviceError(f"{op.name}: operands are on different devices ({given}); move them with .to(device)")
    if isinstance(e, ValueError) and op.arity == BINARY:
        shapes = [tuple(x._shape) for x in tensors]
        return ShapeError(f"{op.name}: {' and '.join(map(str, shapes))} do not broadcast{_misfit(shapes)}")
    if isinstance(e, TypeError):
        return DtypeError(f"{op.name}: not possible for {given}: {e}")
    return e


def dtypes_error(name: str, r: Any, out: Any) -> Exception:
    """A result that cannot be stored in the dtype of the target."""
    return DtypeError(
        f"{name}: a result of type {r._dtype.name} cannot be stored in a tensor of type {out._dtype.name}; "
        f"convert the target with .to(retrograd.{r._dtype.name})"
    )


# ---------------------------------------------------------------- ways out, tried before they are offered
def _misfit(shapes: list[Shape]) -> str:
    """Which dimension does not broadcast, and what would."""
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


def fits(x: Shape, y: Shape) -> bool:
    """Whether two shapes broadcast."""
    try:
        np.broadcast_shapes(x, y)
    except ValueError:
        return False
    return True


def multiplies(x: Shape, y: Shape) -> bool:
    """Whether tensors of these shapes have a matrix product."""
    if not x or not y or x[-1] != y[max(0, len(y) - 2)]:
        return False
    return fits(x[:-2], y[:-2])


def _turned(s: Shape) -> Shape:
    return (*s[:-2], s[-1], s[-2])


def _flattened(s: Shape, features: int) -> int | None:
    """The dimension from which flattening leaves that many features, not the first one (those are samples)."""
    return next((i for i in range(1, len(s) - 1) if prod(s[i:]) == features), None)


def product_hint(x: Shape, y: Shape, names: tuple[str, str] = ("x", "y")) -> str:
    """What makes a matrix product of two that do not fit: a transposition, an exchange, flattening; or nothing."""
    nx, ny = names
    if len(y) > 1 and multiplies(x, _turned(y)):
        return f"; transpose {ny}, as in {nx} @ {ny}.mT?"
    if len(x) > 1 and multiplies(_turned(x), y):
        return f"; transpose {nx}, as in {nx}.mT @ {ny}?"
    if len(x) > 1 and len(y) > 1 and multiplies(y, x):
        return f"; {'swap them' if len(x) == len(y) == 2 else 'transpose both'}, as in {ny} @ {nx}?"
    at = _flattened(x, y[-2]) if len(y) > 1 else None
    if at is not None and multiplies((*x[:at], prod(x[at:])), y):
        return f"; flatten {nx}, as in {nx}.flatten({at}) @ {ny}?"
    return ""


def linear_hint(x: Shape, weight: Shape) -> str:
    """What makes (..., in) of an input for a weight (out, in), or a weight for the input; or nothing."""
    if x and x[-1] == weight[0]:
        return f"; weight {weight} is (out, in); transpose it?"
    at = _flattened(x, weight[1])
    if at is not None:
        return f"; flatten the input, as in x.flatten({at})?"
    if len(x) > 1 and weight[1] in x[:-1]:
        d = max(i for i in range(len(x) - 1) if x[i] == weight[1])
        way = "x.mT" if d == len(x) - 2 else f"x.movedim({d}, -1)"
        return f"; features are the last dimension, and dimension {d} has {weight[1]}: {way}?"
    if weight[1] == 1 and x:
        return "; add a dimension of one feature, as in x.unsqueeze(-1)?"
    if prod(x) == weight[1]:
        return "; this is one sample: flatten it, as in x.flatten()?"
    return ""


def channels_hint(given: Shape, channels: int, nd: int) -> str:
    """What makes (N, C, *S) or (C, *S) with that many channels of an input, if a reordering or a new dimension does."""
    n = len(given)
    if n in (nd + 1, nd + 2) and given[-1] == channels:
        first = n - nd - 1  # where the channels go
        order = ", ".join(map(str, (*range(first), n - 1, *range(first, n - 1))))
        return f"; the last dimension is {channels}: if the input is channels-last, use x.permute({order})"
    if n == nd + 1 and channels == 1:
        return "; for a batch of samples with one channel add the channel's dimension, as in x.unsqueeze(1)"
    if n == nd + 2 and given[0] == channels:
        return f"; dimension 0 has {channels}: if it holds the channels, use x.transpose(0, 1)"
    return ""


def features_hint(given: Shape, tail: Shape) -> str:
    """What brings the one dimension of size `tail` to the end of the input, if there is exactly one."""
    if len(tail) == 1 and given.count(tail[0]) == 1:
        d = given.index(tail[0])
        return f"; dimension {d} has that size: use x.movedim({d}, -1)"
    return ""


errors.bind_teller(tell)
