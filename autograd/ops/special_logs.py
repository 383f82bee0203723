"""Logarithms with care at the edges: logit, entr, xlogy, xlog1py, logaddexp2."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import by_xp, is_array
from ..core import as_tensor_arg
from ..op import binary, param, public, unary
from ..samples import call, raises, t
from .activation import sigmoid
from .args import into
from .arith import raw
from .math import log
from .shape import keep_p
from .special_gamma import no_complex, on, real_only, scipy_ref, special_forward
from .where import masked_fill_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["entr", "logaddexp2", "logit", "xlog1py", "xlogy"]


# ---------------------------------------------------------------- logit
def _logit(xp: Any, x: Any, low: float | None, high: float | None) -> Any:
    real_only(x, "logit")
    if low is not None:
        x = xp.where(x < low, x.dtype.type(low), xp.where(x > high, x.dtype.type(high), x))
    return by_xp(xp).special("logit")(x)


def _logit_vjp(g: Any, x: Any, o: Any, low: float | None, high: float | None) -> Any:
    a, v = raw(x), g / (x * (1 - x))
    if low is None:
        return masked_fill_p(v, (a < 0) | (a > 1), math.nan)
    return keep_p(v, (a < low) | (a > high), False)


logit_p: Any = param(
    "logit",
    _logit,
    _logit_vjp,
    saves="x",
    jvp=lambda ts, xs, o, low, high: _logit_vjp(ts[0], xs[0], o, low, high),
    doc="log(x / (1 - x)), of x clamped to [low, high] unless they are None.",
)


@public(
    inplace=True,
    samples=lambda: [
        *on(low=0.1, high=0.9)()[:3],
        call(t(5, low=0.05, high=0.95), eps=0.2),
        call(t(3, values=[0.3, -0.5, 1.5]), 1e-3),
        call(t(3, dtype="int64", low=0, high=2), 0.25),
        call(t(4, values=[0.0, 1.0, -0.5, 2.0], grad=False)),
    ],
    errors=no_complex(),
    ref=lambda x, eps=None: scipy_ref("logit")(x if eps is None else np.clip(x, eps, 1 - eps)),
)
def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(x / (1 - x)), the inverse of sigmoid; x is clamped to [eps, 1 - eps] first where eps is given.

    Without eps infinite at 0 and 1 and NaN outside; with it the gradient of clamped elements is 0. Shapes: any. Integers
    become the default dtype. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.logit(rg.tensor([0.5, 0.9, 1.0]), eps=0.1)
    tensor([0.0000, 2.1972, 2.1972])
    """
    x = as_tensor_arg(input, "logit")
    return into(out, logit_p(x, None, None) if eps is None else logit_p(x, float(eps), 1 - float(eps)), "logit")


entr = unary(
    "entr",
    special_forward("entr", "entr"),
    lambda g, x, o: g * (-1 - log(x)),
    saves="x",
    where="special",
    method=False,
    samples=lambda: [*on(low=0.5, high=3.0)(), call(t(3, values=[0.0, -1.0, math.nan], grad=False))],
    errors=no_complex(),
    ref=scipy_ref("entr"),
    doc="""-x log(x), the terms of an entropy: 0 at 0, -inf below.

    Shapes: any. Integers become the default dtype. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.entr(rg.tensor([0.0, 0.5, 2.0]))
    tensor([ 0.0000,  0.3466, -1.3863])
    """,
)


# ---------------------------------------------------------------- products with a logarithm
def _refuse_complex(op: str, *xs: Any) -> None:
    for x in xs:
        if is_array(x):
            real_only(x, op)


def _product(name: str) -> Any:
    def forward(xp: Any, x: Any, y: Any) -> Any:
        _refuse_complex(name, x, y)
        if not is_array(y):
            y = x.dtype.type(y)  # SciPy takes a Python number for a float64
        return by_xp(xp).special(name)(x, y)

    return forward


def _pairs(low: float) -> Any:
    return lambda: [
        call(t(3, 4), t(3, 4, low=low, high=3.0)),
        call(t(3, 1), t(4, low=low, high=3.0)),
        call(t(3), 1.5),
        call(2.0, t(3, low=low, high=3.0)),
        call(t(), t(low=low, high=3.0)),
        call(t(0, 3), t(1, 3)),
        call(t(3, dtype="int64", low=0, high=3), t(3, dtype="int64", low=1, high=4)),
        call(t(2, values=[0.0, 1.0], grad=False), -1.5),
        call(t(4, values=[0.0, 0.0, 0.0, 1.0], grad=False), t(4, values=[0.0, math.nan, -1.5, 0.0], grad=False)),
    ]


def _pair_errors() -> list[Any]:
    return [
        raises(ValueError, r"\(2,\) and \(3,\) do not broadcast", t(2), t(3, low=1.0)),
        raises(TypeError, "not defined for complex", t(2, dtype="complex64", grad=False), t(2)),
        raises(TypeError, "Tensor or a number is expected, got str", t(2), "x"),
    ]


xlogy = binary(
    "xlogy",
    _product("xlogy"),
    # as x log(y) is 0 at x = 0 whatever y is, so is its derivative there, except that y > 0 has a finite one
    lambda g, x, y, o: keep_p(xlogy(g, y), (raw(x) == 0) & (raw(y) <= 0), False),
    lambda g, x, y, o: g * (x / y),
    saves=("xy", "xy"),
    dtypes="float",
    inplace=True,
    samples=_pairs(0.5),
    errors=_pair_errors,
    ref=scipy_ref("xlogy"),
    doc="""x log(y), and 0 where x is 0, whatever y is (NaN excepted).

    Shapes: both broadcast; either may be a number. Integers become the default dtype. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.xlogy(rg.tensor([0.0, 2.0]), rg.tensor([0.0, 3.0]))
    tensor([0.0000, 2.1972])
    """,
)
xlog1py = binary(
    "xlog1py",
    _product("xlog1py"),
    lambda g, x, y, o: keep_p(xlog1py(g, y), (raw(x) == 0) & (raw(y) <= -1), False),
    lambda g, x, y, o: g * (x / (y + 1)),
    saves=("xy", "xy"),
    dtypes="float",
    where="special",
    method=False,
    samples=_pairs(-0.5),
    errors=_pair_errors,
    ref=scipy_ref("xlog1py"),
    doc="""x log(1 + y), accurate for small y, and 0 where x is 0, whatever y is (NaN excepted).

    Shapes: both broadcast; either may be a number. Integers become the default dtype. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.xlog1py(rg.tensor([0.0, 2.0]), rg.tensor([-1.0, 2.0]))
    tensor([0.0000, 2.1972])
    """,
)


def _logaddexp2(xp: Any, x: Any, y: Any) -> Any:
    _refuse_complex("logaddexp2", x, y)
    return xp.logaddexp2(x, y)


_LOG_2 = math.log(2)

logaddexp2 = binary(
    "logaddexp2",
    _logaddexp2,
    lambda g, x, y, o: g * sigmoid((x - y) * _LOG_2),
    lambda g, x, y, o: g * sigmoid((y - x) * _LOG_2),
    saves=("xy", "xy"),
    dtypes="float",
    samples=lambda: [
        call(t(3, 4), t(3, 4)),
        call(t(3, 1), t(4)),
        call(t(2, values=[1000.0, -1000.0]), t(2, values=[999.0, 5.0])),
        call(t(0), t(0)),
    ],
    errors=lambda: _pair_errors()[:2],
    ref=np.logaddexp2,
    doc="""log2(2^x + 2^y) without overflow.

    Shapes: both broadcast. Integers become the default dtype. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.logaddexp2(rg.tensor([100.0]), rg.tensor([100.0]))
    tensor([101.])
    """,
)
