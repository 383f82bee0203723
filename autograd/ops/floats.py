"""How numbers are made: copysign, frexp, ldexp, nextafter, heaviside, fmax, fmin, isreal, conj_physical; gcd and lcm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..errors import DtypeError
from ..op import binary, nary, param, public, unary
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from . import complex as _complex
from . import return_types
from .args import into, into_pair
from .arith import mul, pow_p, raw
from .complex import sgn
from .parts import broadcast
from .shape import keep_p, sum_to
from .special_gamma import real_only

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "conj_physical", "copysign", "fmax", "fmin", "frexp", "gcd", "heaviside", "isreal", "lcm", "ldexp", "nextafter",
]  # fmt: skip


def _misfit(*rest: Any) -> list[Any]:
    return [raises(ValueError, r"\(2,\) and \(3,\) do not broadcast", t(2, **_FIXED), t(3, **_FIXED), *rest)]


_FIXED: dict[str, Any] = {"grad": False}


# ---------------------------------------------------------------- sign, mantissa and exponent
def _copysign(xp: Any, x: Any, y: Any) -> Any:
    real_only(x, "copysign")
    return xp.copysign(x, y)


copysign_p = binary(
    "copysign",
    _copysign,
    lambda g, x, y, o: g * (sgn(x) * sgn(o)),
    lambda g, x, y, o: g * 0,
    saves=("xo", ""),
    dtypes="float",
    public=False,
    doc="|x| with the sign of y.",
)


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 4), t(3, 4)),
        call(t(3, 1), t(4)),
        call(t(3), -2.0),
        call(t(), t()),
        call(t(0, 3), t(3)),
        call(t(3, values=[0.0, 1.0, -2.0], grad=False), t(3, values=[-0.0, -0.0, 0.0], grad=False)),
        call(t(3, dtype="int64", low=-3, high=4), t(3, dtype="int64", low=-3, high=4)),
    ],
    errors=lambda: [
        *_misfit(),
        raises(TypeError, "copysign: a Tensor is expected, got float", 2.0, t(2)),
        raises(TypeError, "not defined for complex", t(2, dtype="complex64", grad=False), t(2)),
    ],
    ref=np.copysign,
)
def copysign(input: Tensor, other: Any, *, out: Tensor | None = None) -> Tensor:
    """|x| with the sign of y (that of a zero or NaN too).

    Shapes: both broadcast; other may be a number. Integers become the default dtype. The gradient goes to x, 0 at 0.
    Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.copysign(rg.tensor([1.0, -2.0]), rg.tensor([-0.0, 3.0]))
    tensor([-1.,  2.])
    """
    return copysign_p(as_tensor_arg(input, "copysign"), other, out=out)


scale_p: Any = param(
    "scale_by_power",
    lambda xp, x, e: xp.ldexp(x, e),
    lambda g, x, o, e: scale_p(g, e),
    jvp="linear",
    doc="x * 2^e for a raw int32 array e, exact.",
)


@public(
    samples=lambda: [
        call(t(3, 4, low=-9.0, high=9.0)),
        call(t()),
        call(t(0, 3)),
        call(t(4, values=[0.0, 0.75, -1e-30, 1e30], grad=False)),
    ],
    errors=lambda: [
        raises(RuntimeError, "frexp: input is int64; .*floating-point", t(3, dtype="int64", high=3)),
        raises(RuntimeError, "frexp: input is complex64; .*floating-point", t(3, dtype="complex64", grad=False)),
    ],
    ref=np.frexp,
)
@sample_by_sample
def frexp(input: Tensor, *, out: Any = None) -> return_types.frexp:
    """x = mantissa * 2^exponent with 1/2 <= |mantissa| < 1; returns the named tuple (mantissa, exponent).

    Zero has mantissa and exponent 0. The exponent is int32; the gradient of the mantissa is 2^-exponent. Shapes: any.
    Raises DtypeError (a TypeError and RuntimeError) for anything but floating-point tensors.

    >>> import retrograd as rg
    >>> tuple(rg.frexp(rg.tensor([3.0, 0.25])))
    (tensor([0.7500, 0.5000]), tensor([ 2, -1], dtype=retrograd.int32))
    """
    x = as_tensor_arg(input, "frexp")
    if x._dtype.kind != "f":
        raise DtypeError(f"frexp: input is {x._dtype.name}; a floating-point dtype is expected, as in x.float()")
    a = x._data.astype("float32") if x._dtype.itemsize == 2 else x._data
    _, e = xp_of(a).frexp(a)
    e = xp_of(a).asarray(e, dtype="int32")
    return return_types.frexp(*into_pair(out, (scale_p(x, -e), wrap(e)), "frexp"))


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 4), t(3, 4)),
        call(t(3, 1), t(4, dtype="int64", low=0, high=4)),
        call(t(3, 1, grad=False), t(4, dtype="int64", low=-3, high=1)),
        call(t(), t()),
        call(t(0, 3), t(3)),
        call(t(3, dtype="int64", low=-3, high=4), t(3, dtype="int64", low=-3, high=4)),
    ],
    errors=lambda: [
        raises(TypeError, "ldexp: a Tensor is expected, got int", t(3), 2),
        *_misfit(),
    ],
    ref=lambda x, y: (x * np.exp2(y)).astype("f4" if x.dtype.kind in "iu" else x.dtype),
)
def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x * 2^other, for any tensor of exponents; both get gradients.

    Shapes: both broadcast. Integers become the default dtype.

    >>> import retrograd as rg
    >>> rg.ldexp(rg.tensor([1.0, 3.0]), rg.tensor([2, -1]))
    tensor([4.0000, 1.5000])
    """
    x, y = as_tensor_arg(input, "ldexp"), as_tensor_arg(other, "ldexp")
    broadcast("ldexp", tuple(x._shape), tuple(y._shape))
    return mul(x, pow_p(2.0, y), out=out)


def _nextafter_vjp(g: Any, xs: Any, o: Any, needs: Any) -> Any:
    x, y = xs
    return (
        None if needs[0] is None else sum_to(keep_p(g, raw(x) == raw(y), False), tuple(x.shape)),
        None if needs[1] is None else sum_to(g * 0, tuple(getattr(y, "shape", y))),
    )


def _nextafter_jvp(ts: Any, xs: Any, o: Any) -> Any:
    x, y = xs
    return None if ts[0] is None else keep_p(ts[0], x == y, False)


nextafter_p: Any = nary(
    "nextafter",
    lambda xp, xs: xp.nextafter(xs[0], xs[1]),
    _nextafter_vjp,
    saves=("01", ""),
    dtypes="copy",
    jvp=_nextafter_jvp,
    doc="The next number of x's own type.",
)


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 4), t(3, 4)),
        call(t(3, 1), t(4)),
        call(t(), t(0)),
        call(t(3, values=[0.0, 1.0, np.inf], grad=False), t(3, values=[1.0, 1.0, 0.0], grad=False)),
    ],
    errors=lambda: [
        *_misfit(),
        raises(RuntimeError, "nextafter: int64", t(2, dtype="int64", high=3), t(2, dtype="int64", high=3)),
    ],
    ref=np.nextafter,
)
def nextafter(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The next representable number after x in the direction of other, in the tensors' own dtype.

    Shapes: both broadcast. The gradient goes to x where it differs from other. Raises DtypeError for anything but
    floating-point tensors.

    >>> import retrograd as rg
    >>> rg.nextafter(rg.tensor([1.0]), rg.tensor([2.0])) - 1 == rg.finfo(rg.float32).eps
    tensor([True])
    """
    x, y = as_tensor_arg(input, "nextafter"), as_tensor_arg(other, "nextafter")
    for v in (x, y):
        if v._dtype.kind != "f":
            raise DtypeError(f"nextafter: {v._dtype.name} is no floating-point dtype; convert with .float()")
    broadcast("nextafter", tuple(x._shape), tuple(y._shape))
    return into(out, nextafter_p((x, y)), "nextafter")


# ---------------------------------------------------------------- steps and extremes
def _heaviside(xp: Any, x: Any, y: Any) -> Any:
    return xp.where(x == 0, y, (x > 0).astype(x.dtype))


heaviside_p = binary("heaviside", _heaviside, differentiable=False, public=False, doc="0, y or 1 by the sign of x.")


@public(
    inplace=True,
    differentiable=False,
    samples=lambda: [
        call(t(3, 4, grad=False), t(4, grad=False)),
        call(t(4, values=[0.0, -0.0, -1.0, 2.0], grad=False), t(4, grad=False)),
        call(t(3, dtype="int64", low=-1, high=2), t(3, dtype="int64", low=0, high=9)),
        call(t(3, dtype="bool"), t(3, dtype="bool")),
        call(t(grad=False), t(0, grad=False)),
    ],
    errors=lambda: [
        raises(RuntimeError, "heaviside: input is float32 but values is int64", t(2), t(2, dtype="int64", high=3)),
        raises(RuntimeError, "not defined for complex", *[t(2, dtype="complex64", grad=False)] * 2),
        *_misfit(),
    ],
    ref=lambda x, v: np.where(x == 0, v, x > 0).astype(x.dtype),
)
def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The step function: 0 where x < 0, `values` where x is 0, 1 where x > 0.

    Shapes: both broadcast. Without a gradient. Raises DtypeError for complex tensors and for two different dtypes.

    >>> import retrograd as rg
    >>> rg.heaviside(rg.tensor([-1.5, 0.0, 2.0]), rg.tensor([0.5]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    x, y = as_tensor_arg(input, "heaviside"), as_tensor_arg(values, "heaviside")
    if x._dtype.kind == "c" or y._dtype.kind == "c":
        raise DtypeError("heaviside: not defined for complex tensors, which have no order; use .real or abs()")
    if x._dtype is not y._dtype:
        raise DtypeError(
            f"heaviside: input is {x._dtype.name} but values is {y._dtype.name}; the same dtype is expected, convert one"
        )
    return heaviside_p(x, y, out=out)


def _extreme(name: str, larger: bool) -> Any:
    """fmax and fmin: the whole gradient goes to one operand, to x at ties, as in PyTorch."""

    def first(x: Any, y: Any) -> Any:
        x, y = raw(x), raw(y)
        return (x >= y if larger else x <= y) | (y != y)

    def forward(xp: Any, x: Any, y: Any) -> Any:
        if x.dtype.kind == "c":
            raise DtypeError(f"{name}: not defined for complex tensors, which have no order; use abs() or .real")
        return getattr(xp, name)(x, y)

    return binary(
        name,
        forward,
        lambda g, x, y, o: keep_p(g, first(x, y), True),
        lambda g, x, y, o: keep_p(g, first(x, y), False),
        saves=("xy", "xy"),
        public=False,
        doc=f"As {'maximum' if larger else 'minimum'}, but of a number and NaN the number.",
    )


def _extreme_samples() -> list[Any]:
    nan = np.nan
    return [
        call(t(3, 4), t(3, 4)),
        call(t(3, 1), t(4)),
        call(t(), t(0, 2)),
        call(t(4, values=[1.0, nan, 2.0, nan], grad=False), t(4, values=[nan, 3.0, 2.0, nan], grad=False)),
        call(t(3, dtype="int64", low=-3, high=4), t(3, dtype="int64", low=-3, high=4)),
        call(t(3, dtype="bool"), t(3, dtype="bool")),
    ]


def _extreme_errors(name: str) -> Any:
    return lambda: [
        *_misfit(),
        raises(TypeError, f"{name}: a Tensor is expected, got float", t(2), 1.0),
        raises(TypeError, "not defined for complex", *[t(2, dtype="complex64", grad=False)] * 2),
    ]


fmax_p, fmin_p = _extreme("fmax", True), _extreme("fmin", False)


@public(samples=_extreme_samples, errors=_extreme_errors("fmax"), ref=np.fmax)
def fmax(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of x and y, elementwise; of a number and NaN the number.

    Shapes: both broadcast. At ties the gradient goes to x. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.fmax(rg.tensor([1.0, rg.nan]), rg.tensor([3.0, 2.0]))
    tensor([3., 2.])
    """
    return fmax_p(as_tensor_arg(input, "fmax"), as_tensor_arg(other, "fmax"), out=out)


@public(samples=_extreme_samples, errors=_extreme_errors("fmin"), ref=np.fmin)
def fmin(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of x and y, elementwise; of a number and NaN the number.

    Shapes: both broadcast. At ties the gradient goes to x. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.fmin(rg.tensor([1.0, rg.nan]), rg.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return fmin_p(as_tensor_arg(input, "fmin"), as_tensor_arg(other, "fmin"), out=out)


# ---------------------------------------------------------------- integers
def _whole(op: str, *xs: Any) -> list[Any]:
    found = [as_tensor_arg(x, op) for x in xs]
    for x in found:
        if x._dtype.kind not in "iu":
            raise DtypeError(f"{op}: tensors of integers are expected, got {x._dtype.name}; convert with .long()")
    return found


def _divisor_samples() -> list[Any]:
    return [
        call(t(3, 4, dtype="int64", low=-30, high=30), t(3, 4, dtype="int64", low=-30, high=30)),
        call(t(3, 1, dtype="int32", low=0, high=30), t(4, dtype="int32", low=1, high=30)),
        call(t(3, dtype="uint8", low=0, high=12), t(3, dtype="uint8", low=0, high=12)),
        call(t(2, dtype="int64", values=[0, 5]), t(2, dtype="int64", values=[0, 0])),
    ]


def _divisor_errors(name: str) -> Any:
    n = {"dtype": "int64", "low": 1, "high": 5}
    return lambda: [
        raises(RuntimeError, f"{name}: .*integers .* float32", t(2), t(2)),
        raises(RuntimeError, f"{name}: .*integers .* bool", t(2, dtype="bool"), t(2, dtype="bool")),
        raises(TypeError, f"{name}: a Tensor is expected, got int", t(2, **n), 2),
        raises(ValueError, "do not broadcast", t(2, **n), t(3, **n)),
    ]


gcd_p = binary("gcd", "gcd", differentiable=False, public=False, doc="The greatest common divisor.")
lcm_p = binary("lcm", "lcm", differentiable=False, public=False, doc="The least common multiple.")


@public(inplace=True, differentiable=False, samples=_divisor_samples, errors=_divisor_errors("gcd"), ref=np.gcd)
def gcd(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The greatest common divisor of |x| and |y|, elementwise; gcd(0, 0) is 0.

    Shapes: both broadcast. Raises DtypeError (a TypeError and RuntimeError) for anything but tensors of integers.

    >>> import retrograd as rg
    >>> rg.gcd(rg.tensor([12, -9]), rg.tensor([8, 6]))
    tensor([4, 3])
    """
    return gcd_p(*_whole("gcd", input, other), out=out)


@public(inplace=True, differentiable=False, samples=_divisor_samples, errors=_divisor_errors("lcm"), ref=np.lcm)
def lcm(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The least common multiple of |x| and |y|, elementwise; 0 where either is 0.

    Shapes: both broadcast. Raises DtypeError (a TypeError and RuntimeError) for anything but tensors of integers.

    >>> import retrograd as rg
    >>> rg.lcm(rg.tensor([12, -9]), rg.tensor([8, 6]))
    tensor([24, 18])
    """
    return lcm_p(*_whole("lcm", input, other), out=out)


# ---------------------------------------------------------------- complex numbers
isreal = unary(
    "isreal",
    lambda xp, x: x.imag == 0 if x.dtype.kind == "c" else xp.ones(x.shape, "bool"),
    dtypes="bool",
    samples=lambda: [
        call(t(3, grad=False)),
        call(t(3, dtype="complex128", values=[1 + 1j, 2, 3j], grad=False)),
        call(t(2, 0, grad=False)),
        call(t(dtype="int64", high=3)),
    ],
    ref=np.isreal,
    doc="""Whether the imaginary part is 0, elementwise: true for all real tensors. Shapes: any.

    >>> import retrograd as rg
    >>> rg.isreal(rg.tensor([1 + 1j, 2 + 0j]))
    tensor([False,  True])
    """,
)


@public(
    inplace=True,
    samples=lambda: [call(t(3, 2, dtype="complex128")), call(t(3)), call(t(dtype="complex128"))],
    ref=np.conj,
)
def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate; a real tensor is returned as it is. Shapes: any.

    >>> import retrograd as rg
    >>> rg.conj_physical(rg.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return into(out, _complex.conj_physical(as_tensor_arg(input, "conj_physical")), "conj_physical")
