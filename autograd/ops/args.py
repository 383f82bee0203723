"""Arguments that many operations share: dimensions, shapes, aliases, dtype demands and `out=`.

The functions here turn what a user may write into the one form that primitives take (non-negative dimensions, plain
tuples of ints) and raise the error that names the operation, the value given and the values expected.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import backend, generic
from ..core import TensorBase
from ..dtypes import dtype
from ..errors import DeviceError, DtypeError, ShapeError

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "as_int", "check_float", "check_real", "check_same_dtype", "check_same_float", "dims", "fitting", "into", "into_pair",
    "one_dim", "pick", "quiet", "same_library", "shape_arg",
]  # fmt: skip

# Decorates forwards that go through Python code of NumPy's: NaN and infinities are values, and show no warning. (The
# package's filter of warnings sees those only that its own lines raise.)
quiet = np.errstate(all="ignore")


def same_library(a: Any, xp: Any, op: str, name: str) -> Any:
    """Array a (an index, mask or label) for tensors of namespace xp: refused on another device, unless 0-d on the CPU."""
    if backend.xp_of(a) is xp:
        return a
    have, want = backend.of(a), backend.by_xp(xp)
    if "lifted" in (have.name, want.name):  # inside a function transform
        return a
    if have.device_type == "cpu" and not a.ndim:
        return want.from_numpy(a, None)
    raise DeviceError(
        f"{op}: operands are on different devices: {name} on {have.device_type}, the others on {want.device_type}; "
        "move them with .to(device)"
    )


def fitting(n: Any, d: dtype, op: str) -> Any:
    """Number `n` as a value of integer type d; as in PyTorch, unsigned types take negative numbers modulo 2 ** bits."""
    if d.kind not in "iu":
        return n
    n = int(n)
    limit = 1 << (8 * d.itemsize - (d.kind == "i"))
    if n >= limit or n < -limit or n == -limit and d.kind == "u":
        raise RuntimeError(f"{op}: {n} does not fit into {d.name} (overflow); convert the tensor to a larger type")
    return n % limit if d.kind == "u" else n


def as_int(n: Any, op: str, what: str) -> int:
    """`n` (int, NumPy integer, 0-d integer tensor) as a Python int; TypeError naming the argument otherwise."""
    if type(n) is int:
        return n
    if isinstance(n, TensorBase):
        if n._shape == () and n._dtype.kind in "iu":
            return int(n._data)
        raise TypeError(f"{op}: {what} must be an int, got a tensor {tuple(n._shape)} of {n._dtype.name}")
    try:
        return operator.index(n)
    except TypeError:
        raise TypeError(f"{op}: {what} must be an int, got {type(n).__name__} ({n!r})") from None


# ---------------------------------------------------------------- dimensions
def one_dim(dim: Any, ndim: int, op: str) -> int:
    """`dim` as a non-negative dimension of a tensor with `ndim` dimensions; a 0-d tensor allows 0 and -1.

    >>> one_dim(-1, 3, "sum")
    2
    """
    d = dim if type(dim) is int else as_int(dim, op, "dim")
    n = ndim or 1
    if -n <= d < n:
        return d + n if d < 0 else d
    raise IndexError(
        f"{op}: dim {d} is out of range for a tensor with {ndim} dimension{'' if ndim == 1 else 's'} "
        f"(expected {-n} to {n - 1})"
    )


def dims(dim: Any, ndim: int, op: str) -> tuple[int, ...]:
    """`dim` (int, sequence of ints, None) as a sorted tuple of dimensions; None and () stand for all of them.

    A 0-d tensor has none, so its result is always (): every reduction of it is over nothing.

    >>> dims((2, -3), 3, "sum"), dims(None, 2, "sum"), dims(-1, 0, "sum")
    ((0, 2), (0, 1), ())
    """
    if dim is None:
        return tuple(range(ndim))
    if type(dim) is int:
        d = one_dim(dim, ndim, op)
        return (d,) if ndim else ()
    if isinstance(dim, (tuple, list)):
        found = sorted(one_dim(d, ndim, op) for d in dim)
        for a, b in itertools.pairwise(found):
            if a == b:
                raise ShapeError(f"{op}: dim {a} appears more than once in {tuple(dim)}; name every dimension once")
        return tuple(found if found and ndim else range(ndim))
    if isinstance(dim, (float, str, bytes, complex)):
        raise TypeError(f"{op}: dim must be an int, a tuple of ints or None, got {type(dim).__name__} ({dim!r})")
    d = one_dim(dim, ndim, op)
    return (d,) if ndim else ()


def pick(value: Any, alias: Any, op: str, name: str = "dim", alias_name: str = "axis", default: Any = None) -> Any:
    """The one of `value` and its NumPy-style `alias` that was given; TypeError if both were.

    Not given is None for the alias; for the value it is None, False (flags such as keepdim) or `default`.

    >>> pick(None, 1, "sum"), pick(0, None, "sum"), pick(-1, 0, "sort", default=-1)
    (1, 0, 0)
    """
    if alias is None:
        return value
    if value is None or value is False or (default is not None and value == default):
        return alias
    raise TypeError(f"{op}: {name}={value!r} and {alias_name}={alias!r} are two names of one argument; give one")


# ---------------------------------------------------------------- shapes
def shape_arg(sizes: Any, op: str = "shape") -> tuple[int, ...]:
    """The shape written as `*sizes`: several ints, or one tuple, list or Size; -1 is left for the caller to judge.

    >>> shape_arg((2, 3)), shape_arg(((2, 3),)), shape_arg(([4],)), shape_arg(())
    ((2, 3), (2, 3), (4,), ())
    """
    if len(sizes) == 1:
        only: Any = sizes[0]
        if isinstance(only, TensorBase):
            only = only._data
        if isinstance(only, (tuple, list)):
            sizes = only
        elif getattr(only, "shape", ()):  # an array, 1-d unless one of its rows is refused below
            sizes = only.tolist()
    return tuple(n if type(n) is int else as_int(n, op, "every size") for n in sizes)


# ---------------------------------------------------------------- dtypes
def check_float(x: Tensor, op: str, way_out: str = "cast it, as in x.float()") -> None:
    """Refuse tensors that are neither floating-point nor complex."""
    d = x._dtype
    if not (d.is_floating_point or d.is_complex):
        raise DtypeError(f"{op}: input is {d.name}; a floating-point or complex dtype is expected; {way_out}")


def check_real(x: Tensor, op: str) -> None:
    """Refuse complex tensors where an order of the values is needed."""
    if x._dtype.is_complex:
        raise DtypeError(f"{op}: complex numbers have no order (input is {x._dtype.name}); use abs() or .real")


def check_same_dtype(xs: Sequence[Tensor | None], op: str, names: Sequence[str]) -> dtype:
    """The common dtype of the operands that are present; DtypeError naming the first two that differ."""
    first: dtype | None = None
    first_name = ""
    for x, name in zip(xs, names, strict=True):
        if x is None:
            continue
        if first is None:
            first, first_name = x._dtype, name
        elif x._dtype is not first:
            raise DtypeError(
                f"{op}: {first_name} is {first.name} but {name} is {x._dtype.name}; the same dtype is expected, "
                f"cast one with .to(...)"
            )
    assert first is not None, "check_same_dtype needs one operand"
    return first


def check_same_float(xs: Sequence[Tensor | None], op: str, names: Sequence[str]) -> dtype:
    """As `check_same_dtype`, and the common dtype must be floating-point or complex."""
    d = check_same_dtype(xs, op, names)
    if not (d.is_floating_point or d.is_complex):
        raise DtypeError(f"{op}: {', '.join(names)} are {d.name}; a floating-point dtype is expected, as in x.float()")
    return d


# ---------------------------------------------------------------- out=
def into(out: Tensor | None, result: Tensor, op: str) -> Tensor:
    """`result`, written into `out` where one was given."""
    return result if out is None else generic.into(out, result, op)


def into_pair(out: Any, results: tuple[Tensor, Tensor], op: str) -> tuple[Tensor, Tensor]:
    """Two results, written into a pair of tensors where one was given."""
    if out is None:
        return results
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise TypeError(f"{op}: out must be a tuple of two tensors, got {type(out).__name__}")
    return generic.into(out[0], results[0], op), generic.into(out[1], results[1], op)
