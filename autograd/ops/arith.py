"""Arithmetic: add, sub, mul, div and their relatives, with broadcasting and weak Python numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..backend import is_array
from ..core import TensorBase, as_tensor_arg
from ..errors import IntegerDivisionError, ShapeError
from ..generic import HALF, cast, into
from ..info import result_type
from ..op import binary, public, unary
from ..samples import call, raises, t

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "add", "div", "divide", "float_power", "floor_divide", "fmod", "mul",
    "multiply", "neg", "negative", "positive", "pow", "raw", "reciprocal", "remainder", "rsub", "sub", "subtract",
    "true_divide",
]  # fmt: skip


def raw(v: Any) -> Any:
    """The array of a tensor, an array as it is: for masks and indices, which no gradient passes."""
    return v._data if isinstance(v, TensorBase) else v


def pairs(**kw: Any) -> list[Any]:
    """Calls that binary functions share: equal shapes, broadcasting, numbers, 0-d, size 0."""
    return [
        call(t(3, 4, **kw), t(3, 4, **kw)),
        call(t(3, 1, **kw), t(4, **kw)),
        call(t(2, 3, **kw), 1.5),
        call(t(2, 3, **kw), t(**kw)),
        call(t(**kw), t(**kw)),
        call(t(0, 3), t(1, 3)),
    ]


def misfit() -> list[Any]:
    """Shapes that do not broadcast, and an operand that is no number."""
    return [
        raises(ShapeError, r"\(2, 3\) and \(4,\) do not broadcast", t(2, 3), t(4)),
        raises(TypeError, "Tensor or a number is expected, got str", t(2), "x"),
    ]


add_p = binary("add", "add", None, None, public=False, doc="x + y.")
mul = binary(
    "mul",
    "multiply",
    lambda g, x, y, o: g * y,
    lambda g, x, y, o: g * x,
    saves=("y", "x"),
    samples=lambda: [*pairs(), call(t(3, dtype="int64", low=-3, high=3), 2.5), call(t(2, dtype="bool"), 3)],
    errors=misfit,
    ref=np.multiply,
    inplace=True,
    doc="""The product x * y of two tensors, or of a tensor and a number, broadcast.

    >>> import retrograd as rg
    >>> rg.mul(rg.tensor([1.0, 2.0]), 3)
    tensor([3., 6.])
    """,
)


sub_p = binary("sub", "subtract", None, lambda g, x, y, o: -g, public=False, doc="x - y.")
div_p = binary(
    "div",
    "true_divide",
    lambda g, x, y, o: g / y,
    lambda g, x, y, o: -g * (x / y) / y,
    saves=("y", "xy"),
    dtypes="float",
    public=False,
    doc="x / y.",
)


def _floor_divide(xp: Any, x: Any, y: Any) -> Any:
    _refuse_zero("floor_divide", x, y)
    return xp.floor_divide(x, y)


def _refuse_zero(name: str, x: Any, y: Any) -> None:
    """Raise for an integer division by zero; not on a GPU, where looking would stall (PyTorch does not look there)."""
    integers = getattr(x, "dtype", np.dtype("i8")).kind in "biu" and getattr(y, "dtype", np.dtype("i8")).kind in "biu"
    if integers and not isinstance(y, float) and (type(y) is np.ndarray or not is_array(y)) and not np.all(y):
        raise IntegerDivisionError(f"{name}: integer division by zero; divide floating-point tensors for inf and nan")


floor_divide_p = binary(
    "floor_divide", _floor_divide, lambda g, x, y, o: g * 0, lambda g, x, y, o: g * 0, public=False,
    doc="floor(x / y).",
)  # fmt: skip


def _trunc_divide(xp: Any, x: Any, y: Any) -> Any:
    _refuse_zero("div", x, y)
    if x.dtype.kind in "biu":  # floor, but one more where it went past a negative quotient's fraction
        return xp.floor_divide(x, y) + (((x < 0) != (y < 0)) & (xp.remainder(x, y) != 0))
    return xp.trunc(xp.true_divide(x, y))


trunc_divide_p = binary(
    "trunc_divide", _trunc_divide, lambda g, x, y, o: g * 0, lambda g, x, y, o: g * 0, public=False,
    doc="trunc(x / y).",
)  # fmt: skip


def rounded_once(f: Any, *xs: Any) -> Any:
    """f(*xs) of several steps, for half types in float32 throughout: rounded once at the end, as PyTorch does."""
    kinds = {x._dtype for x in xs if isinstance(x, TensorBase)}
    if len(kinds) != 1 or not kinds <= HALF or any(isinstance(x, complex) for x in xs):
        return f(*xs)
    (d,) = kinds
    return cast(f(*(cast(x, dtypes.float32) if isinstance(x, TensorBase) else x for x in xs)), d)


def scaled(op: str, input: Any, other: Any, alpha: Any) -> Any:
    """alpha * other in the type of the result, for the functions that have `alpha`."""
    d = result_type(input, other)
    if d.kind == "b" and not isinstance(other, TensorBase):
        return bool(other) and bool(alpha)
    if d.kind in "biu" and isinstance(alpha, (float, complex)):
        raise RuntimeError(f"{op}: for integer tensors alpha must be an integer, got {alpha}; convert with .float()")
    if isinstance(alpha, bool) and d.kind != "b":
        raise RuntimeError(
            f"{op}: alpha {alpha} is a bool, which only a bool result takes, not {d.name}; pass {int(alpha)}"
        )
    if isinstance(alpha, complex) and d.kind != "c":
        raise RuntimeError(
            f"{op}: for real tensors alpha must be real, got {alpha}; convert with .to(retrograd.complex64)"
        )
    if d.kind == "b":
        alpha = bool(alpha)
    return (cast(other, d) if isinstance(other, TensorBase) else other) * alpha


@public(
    inplace=True,
    samples=lambda: [
        *pairs(),
        call(t(2, 3), t(3), alpha=-2),
        call(t(2, 3, dtype="int64", low=-3, high=3), t(3, dtype="int64", low=-3, high=3), alpha=2),
        call(t(2, dtype="bool"), t(2, dtype="bool")),
    ],
    errors=misfit,
    ref=lambda x, y, alpha=1: x + alpha * y if alpha != 1 else x + y,
)
def add(input: Tensor, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """The sum x + alpha * y of two tensors, or of a tensor and a number, broadcast.

    >>> import retrograd as rg
    >>> rg.add(rg.tensor([1.0, 2.0]), 1, alpha=10)
    tensor([11., 12.])
    """
    if alpha == 1 and alpha is not True:
        return add_p(input, other, out=out)
    r = rounded_once(lambda x, y: add_p(x, scaled("add", x, y, alpha)), input, other)
    return r if out is None else into(out, r, "add")


@public(
    inplace=True,
    samples=lambda: [*pairs(), call(t(2, 3), t(3), alpha=-2)],
    errors=misfit,
    ref=lambda x, y, alpha=1: x - alpha * y,
)
def sub(input: Tensor, other: Any, *, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """The difference x - alpha * y of two tensors, or of a tensor and a number, broadcast.

    >>> import retrograd as rg
    >>> rg.sub(rg.tensor([1.0, 2.0]), 1)
    tensor([0., 1.])
    """
    if isinstance(input, TensorBase) and input._dtype is dtypes.bool_:
        if isinstance(other, bool) or isinstance(other, TensorBase) and other._dtype is dtypes.bool_:
            raise RuntimeError("sub: subtraction of bool tensors is not defined; use ^ or logical_xor()")
    if alpha == 1 and alpha is not True:
        return sub_p(input, other, out=out)
    r = rounded_once(lambda x, y: sub_p(x, scaled("sub", x, y, alpha)), input, other)
    return r if out is None else into(out, r, "sub")


@public(samples=lambda: pairs()[:2], ref=lambda x, y: y - x)
def rsub(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """The reversed difference y - alpha * x.

    >>> import retrograd as rg
    >>> rg.rsub(rg.tensor([1.0, 2.0]), 10)
    tensor([9., 8.])
    """
    x = as_tensor_arg(input, "rsub")
    return sub_p(other, x if alpha == 1 else scaled("rsub", other, x, alpha))


def _away(**kw: Any) -> list[Any]:
    return pairs(low=0.5, high=2.0, **kw)


@public(
    inplace=True,
    samples=lambda: [
        *_away(),
        call(t(4, low=1, high=9), t(4, low=1, high=3), rounding_mode="floor"),
        call(t(4, low=-9, high=-1), t(4, low=1, high=3), rounding_mode="trunc"),
        call(t(4, dtype="int64", low=-9, high=9), t(4, dtype="int64", low=1, high=4)),
        call(t(4, dtype="int64", low=-9, high=9), t(4, dtype="int64", low=1, high=4), rounding_mode="trunc"),
        call(t(4, dtype="int64", low=-9, high=9), 4, rounding_mode="floor"),
    ],
    errors=lambda: [
        *misfit(),
        raises(RuntimeError, "rounding_mode", t(2), t(2), rounding_mode="up"),
    ],
    ref=lambda x, y, rounding_mode=None: {None: np.true_divide, "floor": np.floor_divide}.get(
        rounding_mode, lambda a, b: np.trunc(a / b).astype(np.result_type(a, b))
    )(x, y),
)
def div(input: Tensor, other: Any, *, rounding_mode: str | None = None, out: Tensor | None = None) -> Tensor:
    """The quotient x / y, broadcast; integers give the default dtype. rounding_mode: None, "trunc" or "floor".

    >>> import retrograd as rg
    >>> rg.div(rg.tensor([7, -7]), 2, rounding_mode="floor")
    tensor([ 3, -4])
    """
    if rounding_mode is None:
        return div_p(input, other, out=out)
    if rounding_mode == "floor":
        return floor_divide_p(input, other, out=out)
    if rounding_mode == "trunc":
        return trunc_divide_p(input, other, out=out)
    raise RuntimeError(f"div: rounding_mode {rounding_mode!r} is unknown; choose None, 'trunc' or 'floor'")


@public(inplace=True, samples=lambda: [call(t(4, low=1, high=9), t(4, low=1, high=3))], ref=np.floor_divide)
def floor_divide(input: Tensor, other: Any, *, out: Tensor | None = None) -> Tensor:
    """floor(x / y), elementwise; integers stay integers.

    >>> import retrograd as rg
    >>> rg.floor_divide(rg.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    return floor_divide_p(input, other, out=out)


def _remainder(xp: Any, x: Any, y: Any) -> Any:
    _refuse_zero("remainder", x, y)
    return xp.remainder(x, y)


remainder = binary(
    "remainder",
    _remainder,
    None,
    lambda g, x, y, o: -g * floor_divide_p(x, y),
    saves=("", "xy"),
    samples=lambda: [
        call(t(4, low=-9, high=9), t(4, low=2.0, high=3.0)),
        call(t(4, low=-9, high=9), 2.5),
        call(t(4, dtype="int64", low=-9, high=9), 4),
    ],
    errors=misfit,
    ref=np.remainder,
    inplace=True,
    doc="""The remainder of x / y with the sign of y (Python's `%`): x - y * floor(x / y).

    >>> import retrograd as rg
    >>> rg.remainder(rg.tensor([-3.0, 3.0]), 2)
    tensor([1., 1.])
    """,
)


def _fmod(xp: Any, x: Any, y: Any) -> Any:
    _refuse_zero("fmod", x, y)
    return xp.fmod(x, y)


fmod = binary(
    "fmod",
    _fmod,
    None,
    lambda g, x, y, o: -g * trunc_divide_p(x, y),
    saves=("", "xy"),
    samples=lambda: [call(t(4, low=-9, high=9), t(4, low=2.0, high=3.0)), call(t(4, low=-9, high=9), 2.5)],
    errors=misfit,
    ref=np.fmod,
    inplace=True,
    doc="""The remainder of x / y with the sign of x (C's fmod): x - y * trunc(x / y).

    >>> import retrograd as rg
    >>> rg.fmod(rg.tensor([-3.0, 3.0]), 2)
    tensor([-1.,  1.])
    """,
)


def _pow(xp: Any, x: Any, y: Any) -> Any:
    if is_array(x) and x.dtype.kind == "i" and is_array(y) and y.dtype.kind == "i":
        whole = x ** xp.maximum(y, 0)  # 1 / x ** -y is a whole number for 1 and -1 only; PyTorch gives 0 for the others
        return xp.where(y < 0, xp.where(x == 1, x, xp.where(x == -1, 1 - y % 2 * 2, 0).astype(whole.dtype)), whole)
    if is_array(x) and x.dtype == bool:
        return x.astype("u1") ** (y.astype("u1") if is_array(y) else int(y)) != 0
    return x**y


def _check_pow(x: Any, y: Any) -> None:
    if isinstance(y, int) and y < 0 and isinstance(x, TensorBase) and x._dtype.kind in "iub":
        raise RuntimeError("pow: integers to negative integer powers are not allowed; convert to float first")


def _pow_x(g: Any, x: Any, y: Any, o: Any) -> Any:
    if isinstance(y, (int, float)):
        return g * 0 if y == 0 else g * 2 * x if y == 2 else g * (y * x ** (y - 1))
    return g * (y * (x + (x == 0) * (y == 0)) ** (y - 1))  # at x = y = 0 the derivative is 0, not 0 * 0**-1


def _pow_y(g: Any, x: Any, y: Any, o: Any) -> Any:
    from .math import log

    return g * (o * log(x + (x == 0)))  # at x = 0 the derivative is 0, not 0 * log(0)


pow_p = binary("pow", _pow, _pow_x, _pow_y, saves=("xy", "xo"), check=_check_pow, public=False, doc="x ** y.")


@public(
    inplace=True,
    samples=lambda: [
        *_away(),
        call(t(3, 2), 2),
        call(t(3, 2), 3),
        call(t(3, 2, low=0.5), 0.5),
        call(t(3, 2, low=0.5), -1),
        call(t(3, 2), 0),
        call(2.0, t(3)),
        call(t(3, dtype="int64", low=0, high=5), 2),
        call(t(2, values=[0.0, 2.0]), t(2, values=[2.0, 0.0])),
    ],
    errors=lambda: [
        *misfit(),
        raises(RuntimeError, "negative integer powers", t(2, dtype="int64", low=1, high=3), -1),
    ],
    ref=lambda x, y: np.power(x, y),
)
def pow(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """x ** exponent, elementwise, broadcast; either may be a number. Integers to a negative number are refused.

    Integers to negative integers of a tensor give what is left of 1 / x ** -exponent without its fraction: 0, 1 or -1.

    >>> import retrograd as rg
    >>> rg.pow(rg.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])
    """
    return pow_p(input, exponent, out=out)


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, low=0.5), 2),
        call(t(3, low=0.5), t(3)),
        call(2.0, t(3)),
        call(t(3, dtype="int64", low=1), -1),
    ],
    errors=lambda: [raises(TypeError, "at least one Tensor", 2.0, 3.0)],
    ref=np.float_power,
)
def float_power(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """x ** exponent in double precision: float64, or complex128 where either is complex.

    >>> import retrograd as rg
    >>> rg.float_power(rg.tensor([1, 2]), -1)
    tensor([1.0000, 0.5000], dtype=retrograd.float64)
    """
    xs = (input, exponent)
    if not any(isinstance(x, TensorBase) for x in xs):
        raise TypeError("float_power: at least one Tensor is expected, got two numbers; use **")
    cplx = any(isinstance(x, complex) or isinstance(x, TensorBase) and x._dtype.kind == "c" for x in xs)
    d = dtypes.complex128 if cplx else dtypes.float64
    return pow_p(*(cast(x, d) if isinstance(x, TensorBase) else x for x in xs), out=out)


neg = unary(
    "neg",
    "negative",
    lambda g, x, o: -g,
    dtypes="same",
    samples=lambda: [call(t(3, 4)), call(t()), call(t(3, dtype="int64", low=-3, high=3))],
    ref=np.negative,
    inplace=True,
    doc="""-x.

    >>> import retrograd as rg
    >>> rg.neg(rg.tensor([1, -2]))
    tensor([-1,  2])
    """,
)
reciprocal = unary(
    "reciprocal",
    "reciprocal",
    lambda g, x, o: -g * (o * o),
    saves="o",
    samples=lambda: [call(t(3, 4, low=0.5)), call(t(2, dtype="int64", low=1, high=5))],
    ref=lambda x: 1.0 / x,
    inplace=True,
    doc="""1 / x.

    >>> import retrograd as rg
    >>> rg.reciprocal(rg.tensor([2.0, 4.0]))
    tensor([0.5000, 0.2500])
    """,
)


@public(samples=lambda: [call(t(3))], ref=np.positive)
def positive(input: Tensor) -> Tensor:
    """The tensor itself; bool tensors are refused.

    >>> import retrograd as rg
    >>> rg.positive(rg.tensor([1.0, -2.0]))
    tensor([ 1., -2.])
    """
    x = as_tensor_arg(input, "positive")
    if x._dtype is dtypes.bool_:
        raise RuntimeError("positive: not defined for bool tensors; convert with .int() first")
    return x


multiply = mul
divide = true_divide = div
subtract = sub
negative = neg
