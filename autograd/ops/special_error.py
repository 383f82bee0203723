"""The error function's family: erfinv, erfcx, and the normal distribution's ndtr, log_ndtr and ndtri.

erfcx is one primitive with its derivatives as a parameter: far to the right, where the recurrence between them cancels,
they come from the asymptotic series. log_ndtr has its derivative from erfcx, so that tails are exact to any order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..backend import by_xp
from ..core import as_tensor_arg
from ..op import param, public, unary
from ..samples import call, t
from .args import into
from .math import exp
from .special_gamma import no_complex, on, real_only, scipy_ref, special_forward

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["erfcx", "erfinv", "log_ndtr", "ndtr", "ndtri"]

_ROOT_PI = math.sqrt(math.pi)
_ROOT_TWO_PI = math.sqrt(2 * math.pi)

erfinv = unary(
    "erfinv",
    special_forward("erfinv", "erfinv"),
    lambda g, x, o: g * exp(o * o) * (_ROOT_PI / 2),
    saves="o",
    inplace=True,
    samples=lambda: [
        *on(low=-0.9, high=0.9)(),
        call(t(4, values=[-1.0, 1.0, 1.5, 1e-8], grad=False)),
    ],
    errors=no_complex(),
    ref=lambda x: scipy_ref("ndtri")((x + 1) / 2) / math.sqrt(2),
    doc="""The inverse error function: erf(erfinv(x)) = x; infinite at -1 and 1, NaN beyond.

    Shapes: any. Integers become the default dtype. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.erfinv(rg.tensor([0.0, 0.5]))
    tensor([0.0000, 0.4769])
    """,
)

_FAR = 8.0  # from here on the asymptotic series is exact to the last bit
_TERMS = 20


def _erfcx(xp: Any, x: Any, n: int) -> Any:
    real_only(x, "erfcx")
    f = by_xp(xp).special("erfcx")
    if n == 0:
        return f(x)
    far = x >= _FAR
    z = xp.where(far, x.dtype.type(0), x)
    before, now = f(z), z * f(z) * 2 - 2 / _ROOT_PI
    for k in range(1, n):  # the derivatives D[k + 1] = 2 x D[k] + 2 k D[k - 1]
        before, now = now, z * now * 2 + before * (2.0 * k)
    z = xp.where(far, x, x.dtype.type(_FAR))
    return xp.where(far, _far_right(z, n), now)


def _far_right(x: Any, n: int) -> Any:
    """(-1)^n / sqrt(pi) sum over k of (-1)^k (2k - 1)!! / 2^k (2k + 1) ... (2k + n) x^-(2k + 1 + n)."""
    u = 1 / (x * x)
    s = u * 0
    for k in range(_TERMS, -1, -1):
        odd = math.prod(range(1, 2 * k, 2)) / (-2.0) ** k
        s = s * u + odd * math.prod(range(2 * k + 1, 2 * k + 1 + n))
    return s * (1 / x) ** (n + 1) * ((-1) ** n / _ROOT_PI)


erfcx_p: Any = param(
    "erfcx",
    _erfcx,
    lambda g, x, o, n: g * erfcx_p(x, n + 1),
    saves="x",
    jvp=lambda ts, xs, o, n: ts[0] * erfcx_p(xs[0], n + 1),
    doc="The n-th derivative of exp(x^2) erfc(x).",
)


@public(
    where="special",
    method=False,
    samples=lambda: [
        *on(low=-2.0, high=4.0)(),
        call(t(4, values=[7.5, 8.5, 40.0, 1e8])),
        call(t(2, values=[-3.0, 30.0])),
    ],
    errors=no_complex(),
    ref=scipy_ref("erfcx"),
)
def erfcx(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The scaled complementary error function exp(x^2) erfc(x), which neither overflows nor vanishes to the right.

    About 1 / (x sqrt(pi)) for large x. Shapes: any. Integers become the default dtype. Raises TypeError for complex
    tensors.

    >>> import retrograd as rg
    >>> rg.special.erfcx(rg.tensor([0.0, 10.0]))
    tensor([1.0000, 0.0561])
    """
    return into(out, erfcx_p(as_tensor_arg(input, "erfcx"), 0), "erfcx")


# ---------------------------------------------------------------- the normal distribution
ndtr = unary(
    "ndtr",
    special_forward("ndtr", "ndtr"),
    lambda g, x, o: g * exp(x * x * -0.5) * (1 / _ROOT_TWO_PI),
    saves="x",
    where="special",
    method=False,
    samples=lambda: [*on()(), call(t(3, values=[-12.0, -5.0, 9.0]))],
    errors=no_complex(),
    ref=lambda x: scipy_ref("erfc")(-x / math.sqrt(2)) / 2,
    doc="""The distribution function of the standard normal distribution, (1 + erf(x / sqrt(2))) / 2, exact in both tails.

    Shapes: any. Integers become the default dtype. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.ndtr(rg.tensor([0.0, 1.0]))
    tensor([0.5000, 0.8413])
    """,
)
ndtri = unary(
    "ndtri",
    special_forward("ndtri", "ndtri"),
    lambda g, x, o: g * exp(o * o * 0.5) * _ROOT_TWO_PI,
    saves="o",
    where="special",
    method=False,
    samples=lambda: [
        *on(low=0.05, high=0.95)()[:3],
        call(t(4, values=[0.0, 1.0, -0.5, 1e-30], grad=False)),
        call(t(2, dtype="int64", low=0, high=1)),
    ],
    errors=no_complex(),
    ref=scipy_ref("ndtri"),
    doc="""The quantile of the standard normal distribution, the inverse of `ndtr`; infinite at 0 and 1, NaN outside [0, 1].

    Shapes: any. Integers become the default dtype. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.ndtri(rg.tensor([0.5, 0.8413]))
    tensor([0.0000, 0.9998])
    """,
)
log_ndtr = unary(
    "log_ndtr",
    special_forward("log_ndtr", "log_ndtr"),
    lambda g, x, o: g / erfcx_p(x * -math.sqrt(0.5), 0) * math.sqrt(2 / math.pi),
    saves="x",
    where="special",
    method=False,
    samples=lambda: [*on()(), call(t(3, values=[-20.0, -5.0, 8.0])), call(t(2, values=[-1e3, -1e6]), torch=False)],
    errors=no_complex(),
    ref=scipy_ref("log_ndtr"),
    doc="""log(ndtr(x)), exact where ndtr(x) itself would be 0.

    Shapes: any. Integers become the default dtype. Raises TypeError for complex tensors. The derivative, the ratio of
    density and distribution function, is computed without either of them.

    >>> import retrograd as rg
    >>> rg.special.log_ndtr(rg.tensor([0.0, -40.0]))
    tensor([-6.9315e-01, -8.0461e+02])
    """,
)
