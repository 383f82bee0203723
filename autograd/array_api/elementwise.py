"""The elementwise functions of the standard: operands are promoted by its table, numbers take the arrays' type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..dtypes import bool_
from ..errors import DtypeError
from ..ops import arith, blend, compare, floats, math, rounding
from ..ops import complex as _complex
from ..ops import where as _where
from .types import array, cast, common, number, result_type

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_invert",
    "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "clip", "conj", "copysign", "cos",
    "cosh", "divide", "equal", "exp", "expm1", "floor", "floor_divide", "greater", "greater_equal", "hypot", "imag",
    "isfinite", "isinf", "isnan", "less", "less_equal", "log", "log10", "log1p", "log2", "logaddexp", "logical_and",
    "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "negative", "nextafter", "not_equal",
    "positive", "pow", "real", "reciprocal", "remainder", "round", "sign", "signbit", "sin", "sinh", "sqrt", "square",
    "subtract", "tan", "tanh", "trunc", "where",
]  # fmt: skip

_KIND = {
    "b": "boolean", "iu": "integer", "biu": "boolean or integer", "f": "real floating-point",
    "fc": "floating-point", "iuf": "real", "iufc": "numeric", "biufc": "any",
}  # fmt: skip


def _check(x: Any, kinds: str, op: str) -> None:
    if x._dtype.kind not in kinds:
        raise DtypeError(
            f"{op}: the array is {x._dtype.name}; a {_KIND[kinds]} type is expected, convert it with astype"
        )


def _unary(name: str, f: Callable[[Any], Any], kinds: str, says: str) -> Callable[[Tensor], Tensor]:
    def call(x: Tensor, /) -> Tensor:
        x = array(x, name)
        _check(x, kinds, name)
        return f(x)

    return _named(call, name, f"{says}, elementwise.\n\n    Takes arrays of {_KIND[kinds]} type.")


def _binary(name: str, f: Callable[[Any, Any], Any], kinds: str, says: str) -> Callable[[Any, Any], Tensor]:
    def call(x1: Any, x2: Any, /) -> Tensor:
        a, b = common(name, x1, x2)
        _check(a, kinds, name)
        return f(a, b)

    more = "Takes arrays (one of the two may be a number)"
    return _named(call, name, f"{says}, elementwise with broadcasting.\n\n    {more} of {_KIND[kinds]} type.")


def _named(call: Any, name: str, doc: str) -> Any:
    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    return call


def _of_integers(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """f for floats; integers are what they are already."""
    return lambda x: f(x) if x._dtype.kind == "f" else x.clone()


def _sign(x: Any) -> Any:
    if x._dtype.kind == "c":
        return _complex.sgn(x)
    s = rounding.sign(x)
    return _where.where(compare.isnan(x), x, s) if x._dtype.kind == "f" else s  # PyTorch's sign of NaN is 0


def _round(x: Any) -> Any:
    if x._dtype.kind == "c":
        return _complex.complex(rounding.round(_complex.real(x)), rounding.round(_complex.imag(x)))
    return rounding.round(x) if x._dtype.kind == "f" else x.clone()


def _imag(x: Any) -> Any:
    return _complex.imag(x) if x._dtype.kind == "c" else x * 0


# ---------------------------------------------------------------- one operand
abs = _unary("abs", _complex.abs, "iufc", "The absolute value")
acos = _unary("acos", math.acos, "fc", "The inverse cosine")
acosh = _unary("acosh", math.acosh, "fc", "The inverse hyperbolic cosine")
asin = _unary("asin", math.asin, "fc", "The inverse sine")
asinh = _unary("asinh", math.asinh, "fc", "The inverse hyperbolic sine")
atan = _unary("atan", math.atan, "fc", "The inverse tangent")
atanh = _unary("atanh", math.atanh, "fc", "The inverse hyperbolic tangent")
bitwise_invert = _unary("bitwise_invert", compare.bitwise_not, "biu", "Every bit inverted")
ceil = _unary("ceil", _of_integers(rounding.ceil), "iuf", "The smallest integer that is not less, in the same type")
conj = _unary("conj", _complex.conj, "iufc", "The complex conjugate")
cos = _unary("cos", math.cos, "fc", "The cosine")
cosh = _unary("cosh", math.cosh, "fc", "The hyperbolic cosine")
exp = _unary("exp", math.exp, "fc", "The exponential function")
expm1 = _unary("expm1", math.expm1, "fc", "exp(x) - 1, exact for small x")
floor = _unary(
    "floor", _of_integers(rounding.floor), "iuf", "The largest integer that is not greater, in the same type"
)
imag = _unary("imag", _imag, "iufc", "The imaginary part (0 for real arrays)")
isfinite = _unary("isfinite", compare.isfinite, "iufc", "Whether the element is neither infinite nor NaN")
isinf = _unary("isinf", compare.isinf, "iufc", "Whether the element is infinite")
isnan = _unary("isnan", compare.isnan, "iufc", "Whether the element is NaN")
log = _unary("log", math.log, "fc", "The natural logarithm")
log10 = _unary("log10", math.log10, "fc", "The logarithm to base 10")
log1p = _unary("log1p", math.log1p, "fc", "log(1 + x), exact for small x")
log2 = _unary("log2", math.log2, "fc", "The logarithm to base 2")
logical_not = _unary("logical_not", compare.logical_not, "b", "Not x")
negative = _unary("negative", arith.neg, "iufc", "-x")
positive = _unary("positive", arith.positive, "iufc", "+x")
real = _unary("real", _complex.real, "iufc", "The real part")
reciprocal = _unary("reciprocal", arith.reciprocal, "fc", "1 / x")
round = _unary("round", _round, "iufc", "The nearest integer (halves to the even one), in the same type")
sign = _unary("sign", _sign, "iufc", "-1, 0 or 1 (NaN for NaN), x / |x| for complex numbers")
signbit = _unary("signbit", compare.signbit, "f", "Whether the sign bit is set, as it is for -0")
sin = _unary("sin", math.sin, "fc", "The sine")
sinh = _unary("sinh", math.sinh, "fc", "The hyperbolic sine")
sqrt = _unary("sqrt", math.sqrt, "fc", "The square root")
square = _unary("square", math.square, "iufc", "x * x")
tan = _unary("tan", math.tan, "fc", "The tangent")
tanh = _unary("tanh", math.tanh, "fc", "The hyperbolic tangent")
trunc = _unary("trunc", _of_integers(rounding.trunc), "iuf", "The integer towards 0, in the same type")

# ---------------------------------------------------------------- two operands
add = _binary("add", arith.add, "iufc", "x1 + x2")
atan2 = _binary("atan2", math.atan2, "f", "The angle of the point (x2, x1)")
bitwise_and = _binary("bitwise_and", compare.bitwise_and, "biu", "The bits set in both")
bitwise_left_shift = _binary("bitwise_left_shift", compare.bitwise_left_shift, "iu", "x1 shifted left by x2 >= 0 bits")
bitwise_or = _binary("bitwise_or", compare.bitwise_or, "biu", "The bits set in either")
bitwise_right_shift = _binary(
    "bitwise_right_shift", compare.bitwise_right_shift, "iu", "x1 shifted right by x2 >= 0 bits, keeping the sign"
)
bitwise_xor = _binary("bitwise_xor", compare.bitwise_xor, "biu", "The bits set in one of the two")
copysign = _binary("copysign", floats.copysign, "f", "The magnitude of x1 with the sign of x2")
divide = _binary("divide", arith.div, "fc", "x1 / x2")
equal = _binary("equal", compare.eq, "biufc", "Whether x1 == x2")
floor_divide = _binary("floor_divide", arith.floor_divide, "iuf", "The quotient rounded down")
greater = _binary("greater", compare.gt, "iuf", "Whether x1 > x2")
greater_equal = _binary("greater_equal", compare.ge, "iuf", "Whether x1 >= x2")
hypot = _binary("hypot", math.hypot, "f", "sqrt(x1^2 + x2^2) without overflow")
less = _binary("less", compare.lt, "iuf", "Whether x1 < x2")
less_equal = _binary("less_equal", compare.le, "iuf", "Whether x1 <= x2")
logaddexp = _binary("logaddexp", math.logaddexp, "f", "log(exp(x1) + exp(x2)) without overflow")
logical_and = _binary("logical_and", compare.logical_and, "b", "x1 and x2")
logical_or = _binary("logical_or", compare.logical_or, "b", "x1 or x2")
logical_xor = _binary("logical_xor", compare.logical_xor, "b", "Whether one of x1 and x2 is true")
maximum = _binary("maximum", blend.maximum, "iuf", "The larger one, NaN if one is")
minimum = _binary("minimum", blend.minimum, "iuf", "The smaller one, NaN if one is")
multiply = _binary("multiply", arith.mul, "iufc", "x1 x2")
nextafter = _binary("nextafter", floats.nextafter, "f", "The next number after x1 towards x2")
not_equal = _binary("not_equal", compare.ne, "biufc", "Whether x1 != x2")
pow = _binary("pow", arith.pow, "iufc", "x1 to the power of x2")
remainder = _binary("remainder", arith.remainder, "iuf", "The remainder of the division, with the sign of x2")
subtract = _binary("subtract", arith.sub, "iufc", "x1 - x2")


# ---------------------------------------------------------------- three operands
def clip(x: Tensor, /, min: Any = None, max: Any = None) -> Tensor:
    """x with what is below min raised to it, and what is above max lowered to it; the type of x is kept.

    min, max: arrays (broadcast with x), numbers or None for no bound.

    >>> from retrograd import xp
    >>> xp.clip(xp.asarray([-2, 0, 5]), 0, 3)
    tensor([0, 0, 3])
    """
    r = array(x, "clip")
    _check(r, "iuf", "clip")
    d = r._dtype
    for bound, f in ((min, blend.maximum), (max, blend.minimum)):
        if bound is not None:
            b = bound if hasattr(bound, "_dtype") else number(bound, d, r)
            r = f(r, cast(b, d))
    return r.clone() if r is x else r


def where(condition: Tensor, x1: Any, x2: Any, /) -> Tensor:
    """x1 where the condition is true, x2 elsewhere, in their common type; one of the two may be a number.

    >>> from retrograd import xp
    >>> xp.where(xp.asarray([True, False]), xp.asarray([1, 2]), 0)
    tensor([1, 0])
    """
    c = array(condition, "where")
    if c._dtype is not bool_:
        raise DtypeError(f"where: the condition is {c._dtype.name}; bool is expected, as in x != 0")
    a, b = common("where", x1, x2) if any(hasattr(v, "_dtype") for v in (x1, x2)) else _numbers(c, x1, x2)
    return _where.where(c, a, b)


def _numbers(c: Any, x1: Any, x2: Any) -> list[Any]:
    d = result_type(bool_, x1, x2)
    return [number(v, d, c) for v in (x1, x2)]
