"""Elementwise mathematics on one tensor: exponentials, logarithms, trigonometric, hyperbolic, rounding, error function."""

from __future__ import annotations

import math as _math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import accelerated, by_xp
from ..core import as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..generic import into
from ..kernels.cpu.activation import LEAST, LEAST_LIGHT
from ..kernels.cpu.runtime import enough
from ..op import binary, public, unary
from ..samples import call, raises, t
from .complex import abs, absolute, sgn

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "abs", "absolute", "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin",
    "asinh", "atan", "atan2", "atanh", "cos", "cosh", "deg2rad", "erf",
    "erfc", "exp", "exp2", "expm1", "hypot", "log", "log10", "log1p", "log2", "logaddexp",
    "rad2deg", "rsqrt", "sgn", "sin", "sinh", "sqrt", "square", "tan", "tanh",

]  # fmt: skip


def _on(**kw: Any) -> Any:
    """Samples of a function of one tensor: 2-d, 0-d, size 0, integers (which become the default dtype)."""
    low, high = kw.get("low", -2.0), kw.get("high", 2.0)
    whole = t(3, dtype="int64", low=_math.ceil(low), high=_math.floor(high) + 1)
    return lambda: [call(t(3, 4, **kw)), call(t(**kw)), call(t(0, 3, **kw)), call(whole)]


exp = unary("exp", "exp", lambda g, x, o: g * o, saves="o", samples=_on(), ref=np.exp, inplace=True, doc="""e ** x.

    >>> import retrograd as rg
    >>> rg.exp(rg.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """)  # fmt: skip
exp2 = unary(
    "exp2", "exp2", lambda g, x, o: g * (o * _math.log(2)), saves="o", samples=_on(), ref=np.exp2, inplace=True,
    doc="""2 ** x.

    >>> import retrograd as rg
    >>> rg.exp2(rg.tensor([0.0, 3.0]))
    tensor([1., 8.])
    """,
)  # fmt: skip
expm1 = unary(
    "expm1", "expm1", lambda g, x, o: g * (o + 1), saves="o", samples=_on(), ref=np.expm1, inplace=True,
    doc="""e ** x - 1, accurate near 0.

    >>> import retrograd as rg
    >>> rg.expm1(rg.tensor([0.0, 1.0]))
    tensor([0.0000, 1.7183])
    """,
)  # fmt: skip
log = unary(
    "log", "log", lambda g, x, o: g / x, saves="x", samples=_on(low=1.0, high=3.0), ref=np.log, inplace=True,
    doc="""The natural logarithm; -inf at 0, NaN below.

    >>> import retrograd as rg
    >>> rg.log(rg.tensor([1.0, 0.0]))
    tensor([0., -inf])
    """,
)  # fmt: skip
log2 = unary(
    "log2", "log2", lambda g, x, o: g / (x * _math.log(2)), saves="x", samples=_on(low=1.0, high=3.0), ref=np.log2,
    inplace=True, doc="""The logarithm to base 2.

    >>> import retrograd as rg
    >>> rg.log2(rg.tensor([1.0, 8.0]))
    tensor([0., 3.])
    """,
)  # fmt: skip
log10 = unary(
    "log10", "log10", lambda g, x, o: g / (x * _math.log(10)), saves="x", samples=_on(low=1.0, high=3.0), ref=np.log10,
    inplace=True, doc="""The logarithm to base 10.

    >>> import retrograd as rg
    >>> rg.log10(rg.tensor([1.0, 1000.0]))
    tensor([0., 3.])
    """,
)  # fmt: skip
log1p = unary(
    "log1p", "log1p", lambda g, x, o: g / (x + 1), saves="x", samples=_on(low=0.0), ref=np.log1p, inplace=True,
    doc="""log(1 + x), accurate near 0.

    >>> import retrograd as rg
    >>> rg.log1p(rg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.6931])
    """,
)  # fmt: skip
sqrt = unary(
    "sqrt", "sqrt", lambda g, x, o: g / (o * 2), saves="o", samples=_on(low=1.0, high=3.0), ref=np.sqrt, inplace=True,
    doc="""The square root; NaN below 0.

    >>> import retrograd as rg
    >>> rg.sqrt(rg.tensor([4.0, 9.0]))
    tensor([2., 3.])
    """,
)  # fmt: skip
rsqrt = unary(
    "rsqrt", lambda xp, x: 1 / xp.sqrt(x), lambda g, x, o: g * (o * o * o) * -0.5, saves="o",
    samples=_on(low=1.0, high=3.0), ref=lambda x: 1 / np.sqrt(x), inplace=True, doc="""1 / sqrt(x).

    >>> import retrograd as rg
    >>> rg.rsqrt(rg.tensor([4.0, 16.0]))
    tensor([0.5000, 0.2500])
    """,
)  # fmt: skip
square = unary(
    "square", "square", lambda g, x, o: g * (x * 2), saves="x", dtypes="number", samples=_on(), ref=np.square,
    inplace=True, doc="""x * x.

    >>> import retrograd as rg
    >>> rg.square(rg.tensor([2.0, -3.0]))
    tensor([4., 9.])
    """,
)  # fmt: skip
sin = unary(
    "sin",
    "sin",
    lambda g, x, o: g * cos(x),
    saves="x",
    samples=_on(),
    ref=np.sin,
    inplace=True,
    doc="""The sine.

    >>> import retrograd as rg
    >>> rg.sin(rg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8415])
    """,
)
cos = unary(
    "cos",
    "cos",
    lambda g, x, o: g * -sin(x),
    saves="x",
    samples=_on(),
    ref=np.cos,
    inplace=True,
    doc="""The cosine.

    >>> import retrograd as rg
    >>> rg.cos(rg.tensor([0.0, 1.0]))
    tensor([1.0000, 0.5403])
    """,
)
tan = unary(
    "tan", "tan", lambda g, x, o: g * (o * o + 1), saves="o", samples=_on(low=-1.0, high=1.0), ref=np.tan, inplace=True,
    doc="""The tangent.

    >>> import retrograd as rg
    >>> rg.tan(rg.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5574])
    """,
)  # fmt: skip
asin = unary(
    "asin", "arcsin", lambda g, x, o: g / sqrt(1 - x * x), saves="x", samples=_on(low=-0.9, high=0.9), ref=np.arcsin,
    inplace=True, doc="""The inverse sine; NaN outside [-1, 1].

    >>> import retrograd as rg
    >>> rg.asin(rg.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5708])
    """,
)  # fmt: skip
acos = unary(
    "acos", "arccos", lambda g, x, o: -g / sqrt(1 - x * x), saves="x", samples=_on(low=-0.9, high=0.9), ref=np.arccos,
    inplace=True, doc="""The inverse cosine; NaN outside [-1, 1].

    >>> import retrograd as rg
    >>> rg.acos(rg.tensor([1.0, 0.0]))
    tensor([0.0000, 1.5708])
    """,
)  # fmt: skip
atan = unary(
    "atan", "arctan", lambda g, x, o: g / (x * x + 1), saves="x", samples=_on(), ref=np.arctan, inplace=True,
    doc="""The inverse tangent.

    >>> import retrograd as rg
    >>> rg.atan(rg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7854])
    """,
)  # fmt: skip
sinh = unary(
    "sinh", "sinh", lambda g, x, o: g * cosh(x), saves="x", samples=_on(), ref=np.sinh, inplace=True,
    doc="""The hyperbolic sine.

    >>> import retrograd as rg
    >>> rg.sinh(rg.tensor([0.0, 1.0]))
    tensor([0.0000, 1.1752])
    """,
)  # fmt: skip
cosh = unary(
    "cosh", "cosh", lambda g, x, o: g * sinh(x), saves="x", samples=_on(), ref=np.cosh, inplace=True,
    doc="""The hyperbolic cosine.

    >>> import retrograd as rg
    >>> rg.cosh(rg.tensor([0.0, 1.0]))
    tensor([1.0000, 1.5431])
    """,
)  # fmt: skip
_tanh_back: Any = accelerated("tanh_back")(lambda xp, xs: xs[0] * (1 - xs[1] * xs[1]))


def _tanh_vjp(g: Any, x: Any, o: Any) -> Any:
    if type(o) is type(g) is np.ndarray and enough(o.size, LEAST_LIGHT):
        return _tanh_back(np, (g, o))
    return g * (1 - o * o)


_fused_tanh: Any = accelerated("tanh")(lambda xp, x: xp.tanh(x))


def _tanh(xp: Any, x: Any) -> Any:
    return _fused_tanh(xp, x) if enough(x.size, LEAST) else xp.tanh(x)


tanh = unary("tanh", _tanh, _tanh_vjp, saves="o", samples=_on(), ref=np.tanh, inplace=True,
             doc="""The hyperbolic tangent.

    >>> import retrograd as rg
    >>> rg.tanh(rg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """)  # fmt: skip
asinh = unary(
    "asinh", "arcsinh", lambda g, x, o: g / sqrt(x * x + 1), saves="x", samples=_on(), ref=np.arcsinh, inplace=True,
    doc="""The inverse hyperbolic sine.

    >>> import retrograd as rg
    >>> rg.asinh(rg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8814])
    """,
)  # fmt: skip
acosh = unary(
    "acosh", "arccosh", lambda g, x, o: g / (sqrt(x - 1) * sqrt(x + 1)), saves="x",
    samples=_on(low=1.5, high=3.0), ref=np.arccosh,
    inplace=True, doc="""The inverse hyperbolic cosine; NaN below 1.

    >>> import retrograd as rg
    >>> rg.acosh(rg.tensor([1.0, 2.0]))
    tensor([0.0000, 1.3170])
    """,
)  # fmt: skip
atanh = unary(
    "atanh", "arctanh", lambda g, x, o: g / (1 - x * x), saves="x", samples=_on(low=-0.9, high=0.9), ref=np.arctanh,
    inplace=True, doc="""The inverse hyperbolic tangent; infinite at -1 and 1.

    >>> import retrograd as rg
    >>> rg.atanh(rg.tensor([0.0, 0.5]))
    tensor([0.0000, 0.5493])
    """,
)  # fmt: skip

_TWO_OVER_ROOT_PI = 2 / _math.sqrt(_math.pi)


def _scipy(name: str) -> Any:
    def ref(x: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(x)

    return ref


erf = unary(
    "erf", lambda xp, x: by_xp(xp).special("erf")(x), lambda g, x, o: g * exp(-(x * x)) * _TWO_OVER_ROOT_PI, saves="x",
    samples=_on(), ref=lambda x: np.vectorize(_math.erf, otypes="d")(x), inplace=True,
    doc="""The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    >>> import retrograd as rg
    >>> rg.erf(rg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8427])
    """,
)  # fmt: skip
erfc = unary(
    "erfc", lambda xp, x: by_xp(xp).special("erfc")(x), lambda g, x, o: -g * exp(-(x * x)) * _TWO_OVER_ROOT_PI, saves="x",
    samples=_on(), ref=lambda x: np.vectorize(_math.erfc, otypes="d")(x), inplace=True,
    doc="""1 - erf(x), accurate for large x.

    >>> import retrograd as rg
    >>> rg.erfc(rg.tensor([0.0, 1.0]))
    tensor([1.0000, 0.1573])
    """,
)  # fmt: skip


# ---------------------------------------------------------------- two operands
atan2 = binary(
    "atan2",
    "arctan2",
    lambda g, x, y, o: g * (y / (x * x + y * y)),
    lambda g, x, y, o: -g * (x / (x * x + y * y)),
    saves=("xy", "xy"),
    dtypes="float",
    inplace=True,
    samples=lambda: [call(t(3, 4), t(3, 4)), call(t(3, 1), t(4)), call(t(), t())],
    errors=lambda: [raises(ShapeError, "do not broadcast", t(2), t(3))],
    ref=np.arctan2,
    doc="""The angle of the point (y, x) = (other, input) in radians, by quadrant: atan2(input, other).

    >>> import retrograd as rg
    >>> rg.atan2(rg.tensor([1.0, 0.0]), rg.tensor([0.0, -1.0]))
    tensor([1.5708, 3.1416])
    """,
)
hypot = binary(
    "hypot",
    "hypot",
    lambda g, x, y, o: g * (x / o),
    lambda g, x, y, o: g * (y / o),
    saves=("xo", "yo"),
    inplace=True,
    samples=lambda: [call(t(3, 4), t(3, 4)), call(t(3, 1), t(4))],
    ref=np.hypot,
    doc="""sqrt(x^2 + y^2) without overflow.

    >>> import retrograd as rg
    >>> rg.hypot(rg.tensor([3.0]), rg.tensor([4.0]))
    tensor([5.])
    """,
)


def _logaddexp(xp: Any, x: Any, y: Any) -> Any:
    if getattr(y, "dtype", x.dtype).kind != "c":
        return xp.logaddexp(x, y)
    larger = x.real >= y.real
    high, low = xp.where(larger, x, y), xp.where(larger, y, x)
    return high + xp.where(
        high == low, x.dtype.type(_math.log(2)), xp.log1p(xp.exp(low - high))
    )  # equal infinities: no inf - inf


logaddexp = binary(
    "logaddexp",
    _logaddexp,
    lambda g, x, y, o: g * exp(x - o),
    lambda g, x, y, o: g * exp(y - o),
    saves=("xo", "yo"),
    samples=lambda: [call(t(3, 4), t(3, 4)), call(t(3, 1), t(4))],
    ref=np.logaddexp,
    doc="""log(exp(x) + exp(y)) without overflow.

    >>> import retrograd as rg
    >>> rg.logaddexp(rg.tensor([0.0]), rg.tensor([0.0]))
    tensor([0.6931])
    """,
)


def _real(input: Any, name: str) -> Any:
    x = as_tensor_arg(input, name)
    if x._dtype.kind == "c":
        raise DtypeError(f"{name}: an angle is real, got a {x._dtype.name} tensor; use .real")
    return x


@public(samples=lambda: [call(t(3))], ref=np.deg2rad, inplace=True)
def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees in radians.

    >>> import retrograd as rg
    >>> rg.deg2rad(rg.tensor([180.0]))
    tensor([3.1416])
    """
    r = _real(input, "deg2rad") * (_math.pi / 180)
    return r if out is None else into(out, r, "deg2rad")


@public(samples=lambda: [call(t(3))], ref=np.rad2deg, inplace=True)
def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians in degrees.

    >>> import retrograd as rg
    >>> rg.rad2deg(rg.tensor([rg.pi]))
    tensor([180.])
    """
    r = _real(input, "rad2deg") * (180 / _math.pi)
    return r if out is None else into(out, r, "rad2deg")


arccos, arccosh, arcsin, arcsinh = acos, acosh, asin, asinh
arctan, arctan2, arctanh = atan, atan2, atanh
