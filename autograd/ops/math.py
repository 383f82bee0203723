"""Elementwise mathematics on one tensor: exponentials, logarithms, trigonometric, hyperbolic, rounding, error function."""

from __future__ import annotations

import math as _math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import by_xp
from ..core import TensorBase, as_tensor_arg
from ..dtypes import get_default_dtype, int64
from ..errors import DtypeError, ShapeError
from ..generic import cast, into
from ..op import binary, nary, param, public, unary
from ..samples import call, raises, t
from .args import fitting
from .arith import keep_p, raw
from .complex import abs, absolute, real_sign, sgn

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "abs", "absolute", "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin",
    "asinh", "atan", "atan2", "atanh", "ceil", "clamp", "clamp_max", "clamp_min", "clip", "cos", "cosh", "deg2rad", "erf",
    "erfc", "exp", "exp2", "expm1", "fix", "floor", "frac", "hypot", "log", "log10", "log1p", "log2", "logaddexp",
    "nan_to_num", "rad2deg", "round", "rsqrt", "sgn", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh",
    "trunc",
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
    "square", "square", lambda g, x, o: g * (x * 2), saves="x", dtypes="same", samples=_on(), ref=np.square,
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
tanh = unary("tanh", "tanh", lambda g, x, o: g * (1 - o * o), saves="o", samples=_on(), ref=np.tanh, inplace=True,
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


# ---------------------------------------------------------------- steps: their gradient is zero almost everywhere
def _step(name: str, forward: Any, doc: str, ref: Any, dtypes: str = "same") -> Any:
    return unary(
        name, forward, lambda g, x, o: g * 0, dtypes=dtypes, inplace=True, ref=ref, doc=doc,
        samples=lambda: [call(t(3, 4)), call(t()), call(t(0)), call(t(3, dtype="int64", low=-3, high=3))],
    )  # fmt: skip


def _sign(xp: Any, x: Any) -> Any:
    if x.dtype.kind == "c":
        raise DtypeError("sign: complex numbers have no sign; use sgn() for x / |x|")
    return real_sign(xp, x)


sign = _step(
    "sign",
    _sign,
    """-1, 0 or 1 by the sign of each element; 0 for NaN.

    >>> import retrograd as rg
    >>> rg.sign(rg.tensor([-2.0, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """,
    np.sign,
)
floor = _step(
    "floor",
    "floor",
    """The largest integer not above each element.

    >>> import retrograd as rg
    >>> rg.floor(rg.tensor([-1.5, 1.5]))
    tensor([-2.,  1.])
    """,
    np.floor,
)
ceil = _step(
    "ceil",
    "ceil",
    """The smallest integer not below each element.

    >>> import retrograd as rg
    >>> rg.ceil(rg.tensor([-1.5, 1.5]))
    tensor([-1.,  2.])
    """,
    np.ceil,
)
trunc = _step(
    "trunc",
    "trunc",
    """Each element without its fraction.

    >>> import retrograd as rg
    >>> rg.trunc(rg.tensor([-1.5, 1.5]))
    tensor([-1.,  1.])
    """,
    np.trunc,
)
fix = trunc


def _round(xp: Any, x: Any, decimals: int) -> Any:
    if x.dtype.kind == "c":
        raise DtypeError("round: complex numbers are not rounded; round .real and .imag")
    return x.round(decimals)


round_p = param("round", _round, lambda g, x, o, decimals: g * 0, dtypes="same")


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 4)),
        call(t(3), decimals=1),
        call(t(2, low=100, high=900), decimals=-1),
        call(t(3, dtype="int64")),
    ],
    ref=lambda x, decimals=0: np.round(x, decimals),
)
def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """Each element rounded to `decimals` places, half to even.

    >>> import retrograd as rg
    >>> rg.round(rg.tensor([0.5, 1.5, 2.5]))
    tensor([0., 2., 2.])
    """
    x = as_tensor_arg(input, "round")
    if decimals and x._dtype.kind in "biu":
        raise RuntimeError("round: decimals is not supported for integer tensors; convert with .float() first")
    r = round_p(x, decimals)
    return r if out is None else into(out, r, "round")


frac = unary(
    "frac", lambda xp, x: x - xp.trunc(x), lambda g, x, o: g, inplace=True, samples=lambda: [call(t(3, 4)), call(t())],
    ref=lambda x: x - np.trunc(x), doc="""The fraction of each element, with its sign: x - trunc(x).

    >>> import retrograd as rg
    >>> rg.frac(rg.tensor([1.5, -2.25]))
    tensor([ 0.5000, -0.2500])
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


# ---------------------------------------------------------------- clamping
def _between(x: Any, low: Any, high: Any) -> Any:
    x = raw(x)
    if low is None:
        return x <= high
    return x >= low if high is None else (x >= low) & (x <= high)


def _clip(xp: Any, x: Any, low: Any, high: Any) -> Any:
    if low is not None and high is not None and low > high:
        return xp.where(x == x, x.dtype.type(high), x)  # PyTorch: min > max gives max
    return xp.clip(x, low, high)


clamp_p = param("clamp", _clip, lambda g, x, o, low, high: keep_p(g, _between(x, low, high)), saves="x", dtypes="same")


def _clamp_tensors(xp: Any, xs: Any) -> Any:
    x, low, high = xs
    x = x if low is None else xp.maximum(x, low)
    return x if high is None else xp.minimum(x, high)


def _clamp_tensors_vjp(g: Any, xs: Any, o: Any, needs: Any) -> Any:
    x, low, high = (None if v is None else raw(v) for v in xs)
    from .shape import sum_to

    def part(i: int, mask: Any) -> Any:
        return None if needs[i] is None else sum_to(keep_p(g, mask), tuple(xs[i].shape))

    inside = _between(x, low, high) if low is not None or high is not None else None
    under = None if low is None else (x < low) if high is None else (x < low) & (low < high)
    over = None if high is None else (x > high) if low is None else (x > high) | (low >= high)
    if low is not None and high is not None:
        inside = inside & ~(low >= high) | (x == low) & (low == high)
        over = over & ~((x == low) & (low == high))
    return part(0, inside), part(1, under), part(2, over)


clamp_tensors_p = nary("clamp_tensors", _clamp_tensors, _clamp_tensors_vjp, saves="012", dtypes="same")


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 4), -1, 1),
        call(t(3, 4), min=-0.5),
        call(t(3, 4), max=0.5),
        call(t(3, 4), t(3, 4, low=-1, high=0), t(4, low=0.1, high=1)),
        call(t(3, 4), min=t(3, 1)),
        call(t(3, dtype="int64", low=-5, high=5), 0, 2),
        call(t(3, dtype="int64", low=-5, high=5), min=0.5),
    ],
    errors=lambda: [raises(RuntimeError, "at least one of min or max", t(3))],
    ref=lambda x, min=None, max=None: np.clip(x, min, max),
)
def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Each element moved into [min, max]; the bounds are numbers or tensors. The gradient passes where min <= x <= max.

    >>> import retrograd as rg
    >>> rg.clamp(rg.tensor([-2.0, 0.5, 2.0]), -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    x = as_tensor_arg(input, "clamp")
    if x._dtype.kind == "c" or isinstance(min, complex) or isinstance(max, complex):
        raise DtypeError("clamp: complex numbers have no order; clamp .real and .imag, or abs()")
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min or max is expected, got neither")
    if isinstance(min, TensorBase) or isinstance(max, TensorBase):
        from .create import as_tensor

        low, high = (v if v is None or isinstance(v, TensorBase) else as_tensor(v) for v in (min, max))
        r = clamp_tensors_p((x, low, high))
    else:
        low, high = (v.item() if isinstance(v, np.generic) else v for v in (min, max))
        if x._dtype.kind in "biu":
            if isinstance(low, float) or isinstance(high, float):
                x = cast(x, get_default_dtype())
            else:
                d = x._dtype if x._dtype.kind != "b" else int64
                x = cast(x, d)
                low, high = (v if v is None else fitting(v, d, "clamp") for v in (low, high))
        r = clamp_p(x, low, high)
    return r if out is None else into(out, r, "clamp")


@public(inplace=True, samples=lambda: [call(t(3, 4), -0.5), call(t(3), t(3))], ref=lambda x, min: np.maximum(x, min))
def clamp_min(input: Tensor, min: Any, *, out: Tensor | None = None) -> Tensor:
    """Each element, at least `min`.

    >>> import retrograd as rg
    >>> rg.clamp_min(rg.tensor([1.0, 3.0]), 2)
    tensor([2., 3.])
    """
    return clamp(input, min, out=out)


@public(inplace=True, samples=lambda: [call(t(3, 4), 0.5), call(t(3), t(3))], ref=lambda x, max: np.minimum(x, max))
def clamp_max(input: Tensor, max: Any, *, out: Tensor | None = None) -> Tensor:
    """Each element, at most `max`.

    >>> import retrograd as rg
    >>> rg.clamp_max(rg.tensor([1.0, 3.0]), 2)
    tensor([1., 2.])
    """
    return clamp(input, None, max, out=out)


def _nan_to_num(xp: Any, x: Any, nan: float, posinf: Any, neginf: Any) -> Any:
    if x.dtype.kind in "biu":
        return x.copy()
    return xp.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


nan_to_num_p = param(
    "nan_to_num", _nan_to_num, lambda g, x, o, *p: keep_p(g, np.isfinite(raw(x)) if isinstance(raw(x), np.ndarray) else
                                                          raw(x) - raw(x) == 0), saves="x", dtypes="same",
)  # fmt: skip


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, values=[float("nan"), 1.0, 2.0])),
        call(t(4, values=[float("nan"), float("inf"), -float("inf"), 2.0]), nan=1.0, posinf=2.0, neginf=-3.0),
    ],
    ref=lambda x, nan=0.0, posinf=None, neginf=None: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
)
def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None,
    *, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """NaN and infinities replaced by numbers: by default 0, and the largest and smallest finite ones.

    >>> import retrograd as rg
    >>> rg.nan_to_num(rg.tensor([float("nan"), 1.0]))
    tensor([0., 1.])
    """
    r = nan_to_num_p(as_tensor_arg(input, "nan_to_num"), 0.0 if nan is None else nan, posinf, neginf)
    return r if out is None else into(out, r, "nan_to_num")


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
arctan, arctan2, arctanh, clip = atan, atan2, atanh, clamp
