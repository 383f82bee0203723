"""Random tensors of a given shape: rand, randn, randint, randperm and their *_like forms.

All draw from `generator=`, or from the default generator that `manual_seed` seeds. The same seed gives the same
numbers on every backend and device; they are not PyTorch's numbers, whose streams differ from device to device too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import draws, generic
from .. import dtypes as dt
from ..backend import xp_for, xp_of
from ..core import TensorBase, as_tensor_arg, make_leaf, wrap
from ..device import as_device, device
from ..dtypes import as_dtype, dtype
from ..errors import DtypeError, ShapeError
from ..op import public
from ..random import Generator, as_generator
from ..samples import D, raises, t
from .args import as_int, shape_arg

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm"]


# ---------------------------------------------------------------- arguments
def place(op: str, dtype: Any, layout: Any, device: Any, out: Any, default: dtype) -> tuple[dtype, Any]:
    """The dtype and the array namespace to draw in."""
    if layout is not None and str(layout).rpartition(".")[2] != "strided":
        raise TypeError(f"{op}: layout {layout!r} is not supported; random tensors are strided, leave layout away")
    if out is not None:
        if not isinstance(out, TensorBase):
            raise TypeError(f"{op}: out must be a Tensor, got {type(out).__name__}")
        if dtype is not None and as_dtype(dtype, op) is not out._dtype:
            raise DtypeError(
                f"{op}: dtype {as_dtype(dtype, op).name} is not that of out ({out._dtype.name}); leave one of them away"
            )
        return out._dtype, xp_of(out._data)
    return (default if dtype is None else as_dtype(dtype, op)), xp_for(as_device(device))


def continuous(op: str, d: dtype) -> None:
    if d.kind not in "fc":
        raise DtypeError(
            f"{op}: dtype {d.name} cannot hold real numbers; use a floating-point dtype, or randint for integers"
        )


def _size(op: str, sizes: tuple[Any, ...], size: Any) -> tuple[int, ...]:
    if size is not None:
        if sizes:
            raise TypeError(f"{op}: sizes {sizes} and size={size!r} are the same argument; give one")
        sizes = (size,)
    elif not sizes:
        raise TypeError(f"{op}: no size was given; write {op}(2, 3), or {op}(()) for a single number")
    return non_negative(op, shape_arg(sizes, op))


def non_negative(op: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    for n in shape:
        if n < 0:
            raise ShapeError(f"{op}: size {n} in the shape {shape} is negative; sizes are 0 or more")
    return shape


def done(op: str, a: Any, out: Any, requires_grad: bool) -> Tensor:
    """The tensor over array a, written into `out` or made to require a gradient as asked."""
    r = wrap(a)
    if requires_grad and r._dtype.kind not in "fc":
        raise DtypeError(
            f"{op}: only Tensors of floating point and complex dtype can require gradients, and this is {r._dtype.name}"
        )
    if out is not None:
        return generic.into(out, r, op)
    if requires_grad:
        r._node = make_leaf(r)
    return r


def number(x: Any, op: str, name: str) -> float:
    """A Python, NumPy or 0-d tensor number as a float."""
    if isinstance(x, TensorBase):
        if x._shape == () and x._dtype.kind != "c":
            return float(x._data)
    elif isinstance(x, (int, float, np.integer, np.floating)):
        return float(x)
    raise TypeError(f"{op}: {name} must be a number, got {type(x).__name__} ({x!r})")


def check_std(std: float, op: str) -> None:
    """Refuse negative and NaN standard deviations."""
    if not std >= 0.0:
        raise RuntimeError(f"{op}: normal expects std >= 0.0, but found std {std:g}")


def check_range(op: str, low: int, high: int, d: dtype) -> None:
    """Refuse empty ranges [low, high) and those whose ends the dtype cannot hold."""
    if low >= high:
        raise RuntimeError(
            f"{op}: random_ expects 'from' to be less than 'to', but got from={low} >= to={high}; `high` is exclusive"
        )
    least, most = limits(d, op)
    for value, what in ((low, "the smallest value"), (high - 1, "the largest value")):
        if not least <= value <= most:
            raise RuntimeError(
                f"{op}: {what} {value} is out of bounds for {d.name} ({least} to {most}); use a wider dtype"
            )


def limits(d: dtype, op: str) -> tuple[int, int]:
    """The smallest and the largest integer of a dtype."""
    if d.kind == "b":
        return 0, 1
    if d.is_int:
        info = dt.iinfo(d)
        return info.min, info.max
    if d.kind == "f":
        most = int(dt.finfo(d).max)
        return max(-most, -(1 << 63)), min(most, (1 << 63) - 1)
    raise DtypeError(f"{op}: integers cannot be drawn as {d.name}; use an integer, bool or floating-point dtype")


DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}  # up to 2^this, all integers are exact


# ---------------------------------------------------------------- uniform and normal numbers
def _creation_errors() -> list[Any]:
    return [
        raises(RuntimeError, r"size -1 in the shape \(2, -1\) is negative", 2, -1),
        raises(TypeError, r"no size was given"),
        raises(TypeError, r"every size must be an int, got float", 2.5),
        raises(TypeError, r"generator must be a retrograd\.Generator", 2, generator=3),
        raises(RuntimeError, r"dtype int64 cannot hold real numbers", 2, dtype=D("int64")),
    ]


@public(method=False, errors=_creation_errors)
def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: str | int | device | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Uniform numbers in [0, 1), of the shape `*sizes` (ints, or one sequence of them).

    The numbers are multiples of 2^-24 (float32), 2^-53 (float64), 2^-11 (float16) or 2^-8 (bfloat16); of complex ones
    both parts are uniform. Raises ShapeError for a negative size, DtypeError for integer dtypes.

    >>> import retrograd as rg
    >>> x = rg.rand(2, 3)
    >>> tuple(x.shape), bool(((x >= 0) & (x < 1)).all())
    ((2, 3), True)
    """
    shape = _size("rand", sizes, size)
    gen = as_generator(generator, "rand")
    d, xp = place("rand", dtype, layout, device, out, dt.get_default_dtype())
    continuous("rand", d)
    return done("rand", draws.uniform(gen, shape, d, xp), out, requires_grad)


@public(method=False, errors=_creation_errors)
def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: str | int | device | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal numbers of mean 0 and variance 1, of the shape `*sizes` (ints, or one sequence of them).

    Computed in float64 by Box and Muller and rounded once. Complex numbers have variance 1/2 in each part. Raises
    ShapeError for a negative size, DtypeError for integer dtypes.

    >>> import retrograd as rg
    >>> rg.randn(2, 3).dtype, tuple(rg.randn((4,), dtype=rg.float64).shape)
    (retrograd.float32, (4,))
    """
    shape = _size("randn", sizes, size)
    gen = as_generator(generator, "randn")
    d, xp = place("randn", dtype, layout, device, out, dt.get_default_dtype())
    continuous("randn", d)
    return done("randn", draws.normal(gen, shape, d, xp), out, requires_grad)


def _like(input: Any, op: str, dtype: Any, layout: Any, device: Any) -> tuple[Any, dtype, Any]:
    x = as_tensor_arg(input, op)
    if device is None:
        d, _ = place(op, dtype, layout, "cpu", None, x._dtype)
        return x, d, xp_of(x._data)
    return x, *place(op, dtype, layout, device, None, x._dtype)


@public(method=False, errors=lambda: [raises(RuntimeError, "dtype int64 cannot hold", t(2, dtype="int64"))])
def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: str | int | device | None = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Uniform numbers in [0, 1), of the shape, dtype and device of `input`; see `rand`.

    >>> import retrograd as rg
    >>> rg.rand_like(rg.zeros(2, 3, dtype=rg.float64)).dtype
    retrograd.float64
    """
    x, d, xp = _like(input, "rand_like", dtype, layout, device)
    continuous("rand_like", d)
    a = draws.uniform(as_generator(generator, "rand_like"), x._shape, d, xp)
    return done("rand_like", a, None, requires_grad)


@public(method=False, errors=lambda: [raises(RuntimeError, "dtype int64 cannot hold", t(2, dtype="int64"))])
def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: str | int | device | None = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Normal numbers of mean 0 and variance 1, of the shape, dtype and device of `input`; see `randn`.

    >>> import retrograd as rg
    >>> tuple(rg.randn_like(rg.zeros(2, 3)).shape)
    (2, 3)
    """
    x, d, xp = _like(input, "randn_like", dtype, layout, device)
    continuous("randn_like", d)
    a = draws.normal(as_generator(generator, "randn_like"), x._shape, d, xp)
    return done("randn_like", a, None, requires_grad)


# ---------------------------------------------------------------- integers
def _integers(gen: Generator, low: int, high: int, shape: tuple[int, ...], d: dtype, xp: Any, op: str) -> Any:
    check_range(op, low, high, d)
    return draws.randint(gen, low, high, shape, d, xp)


@public(
    method=False,
    errors=lambda: [
        raises(RuntimeError, r"from=7 >= to=5", 7, 5, (2,)),
        raises(RuntimeError, r"largest value 299 is out of bounds for uint8", 300, (2,), dtype=D("uint8")),
        raises(RuntimeError, r"smallest value -1 is out of bounds for uint8", -1, 5, (2,), dtype=D("uint8")),
        raises(TypeError, r"high must be an int, got float", 10.5, (2,)),
        raises(TypeError, r"size must be a tuple of ints, got int", 10, 3),
        raises(RuntimeError, r"can require gradients", 10, (2,), requires_grad=True),
    ],
)
def randint(
    *args: Any,
    low: Any = None,
    high: Any = None,
    size: Any = None,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: str | int | device | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Integers in [low, high): `randint(high, size)` or `randint(low, high, size)`; int64 unless `dtype` says more.

    size: a tuple. Every value has the same chance up to (high - low) / 2^64 of it. Floating-point dtypes hold whole
    numbers. Raises a RuntimeError that is also a ValueError for an empty range or a bound that the dtype cannot hold.

    >>> import retrograd as rg
    >>> x = rg.randint(3, 10, (2, 2))
    >>> x.dtype, bool(((x >= 3) & (x < 10)).all())
    (retrograd.int64, True)
    """
    names = {0: (), 1: ("high",), 2: ("high", "size"), 3: ("low", "high", "size")}
    if len(args) == 1 and (high is not None or low is not None):  # randint(3, high=10, ...), randint(10, low=3, ...)
        names[1] = ("low",) if high is not None else ("high",)
    elif len(args) == 2 and size is not None:  # randint(3, 10, size=...)
        names[2] = ("low", "high")
    if len(args) > 3:
        raise TypeError(f"randint: expected (high, size) or (low, high, size), got {len(args)} arguments")
    given: dict[str, Any] = {"low": low, "high": high, "size": size}
    for name, value in zip(names[len(args)], args, strict=True):
        if given[name] is not None:
            raise TypeError(f"randint: {name} was given twice, as {value!r} and as {name}={given[name]!r}")
        given[name] = value
    if given["high"] is None or given["size"] is None:
        raise TypeError("randint: high and size are needed; write randint(high, size) or randint(low, high, size)")
    size = given["size"]
    if isinstance(size, (int, float, str)):
        raise TypeError(f"randint: size must be a tuple of ints, got {type(size).__name__}; write ({size!r},)")
    first = as_int(0 if given["low"] is None else given["low"], "randint", "low")
    last = as_int(given["high"], "randint", "high")
    shape = non_negative("randint", shape_arg((size,), "randint"))
    gen = as_generator(generator, "randint")
    d, xp = place("randint", dtype, layout, device, out, dt.int64)
    return done("randint", _integers(gen, first, last, shape, d, xp, "randint"), out, requires_grad)


@public(method=False, errors=lambda: [raises(RuntimeError, r"from=7 >= to=5", t(2), 7, 5)])
def randint_like(
    input: Tensor,
    low: Any = None,
    high: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: str | int | device | None = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Integers in [low, high), of the shape, dtype and device of `input`: `randint_like(x, high)` or `(x, low, high)`.

    >>> import retrograd as rg
    >>> x = rg.randint_like(rg.zeros(4), 3)
    >>> x.dtype, bool((x < 3).all())
    (retrograd.float32, True)
    """
    if high is None:
        low, high = 0, low
    if high is None:
        raise TypeError("randint_like: high is needed; write randint_like(x, high) or randint_like(x, low, high)")
    first, last = as_int(low or 0, "randint_like", "low"), as_int(high, "randint_like", "high")
    x, d, xp = _like(input, "randint_like", dtype, layout, device)
    a = _integers(as_generator(generator, "randint_like"), first, last, x._shape, d, xp, "randint_like")
    return done("randint_like", a, None, requires_grad)


@public(
    method=False,
    errors=lambda: [
        raises(RuntimeError, r"n is -1", -1),
        raises(TypeError, r"n must be an int, got float", 2.5),
        raises(RuntimeError, r"largest value 299 is out of bounds for uint8", 300, dtype=D("uint8")),
    ],
)
def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: str | int | device | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The numbers 0 to n - 1 in random order, (n,); int64 unless `dtype` says otherwise.

    Raises ShapeError for a negative n, RuntimeError where the dtype cannot tell all of the numbers apart.

    >>> import retrograd as rg
    >>> sorted(rg.randperm(5).tolist())
    [0, 1, 2, 3, 4]
    """
    n = as_int(n, "randperm", "n")
    if n < 0:
        raise ShapeError(f"randperm: n is {n}; 0 or more is expected")
    gen = as_generator(generator, "randperm")
    d, xp = place("randperm", dtype, layout, device, out, dt.int64)
    if d.kind not in "uif":
        raise DtypeError(f"randperm: dtype {d.name} is not supported; use an integer or floating-point dtype")
    if n and d.kind == "f" and n - 1 > 1 << DIGITS[d.name]:
        raise DtypeError(f"randperm: {d.name} cannot tell {n} numbers apart; use a wider dtype, such as int64")
    if n:
        check_range("randperm", 0, n, d)
    return done("randperm", draws.permutation(gen, n, xp).astype(d.np, copy=False), out, requires_grad)
