"""The gamma function's family: lgamma, digamma, polygamma, mvlgamma, igamma, igammac, zeta.

The derivatives form one chain, lgamma -> digamma -> polygamma(1) -> polygamma(2) -> ..., which never ends. The orders a
of igamma(a, x) and s of zeta(s, q) have no derivative, as in PyTorch: a backward pass that asks for one is refused.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..backend import by_xp
from ..core import TensorBase, as_tensor_arg
from ..errors import DtypeError, GraphError
from ..info import result_type
from ..op import nary, param, public, unary
from ..samples import call, raises, t
from .args import as_int, into
from .arith import rounded_once
from .math import exp, log
from .parts import broadcast
from .shape import sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "digamma", "gammainc", "gammaincc", "gammaln", "igamma", "igammac", "lgamma", "multigammaln", "mvlgamma", "polygamma",
    "psi", "zeta",
]  # fmt: skip


# ---------------------------------------------------------------- shared by the files of special functions
def real_only(x: Any, op: str) -> None:
    """Refuse complex arrays."""
    if x.dtype.kind == "c":
        raise DtypeError(f"{op}: not defined for complex tensors (input is {x.dtype.name}); use .real or abs()")


def special_forward(op: str, name: str) -> Any:
    """The forward of operation `op`: the array library's special function `name`, for real arrays."""

    def forward(xp: Any, x: Any) -> Any:
        real_only(x, op)
        return by_xp(xp).special(name)(x)

    return forward


def scipy_ref(name: str) -> Any:
    """SciPy's function of that name, as a reference."""

    def ref(*args: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*args)

    return ref


def on(**kw: Any) -> Any:
    """Samples of a function of one tensor: 2-d, 0-d, size 0, integers (which become the default dtype)."""
    low, high = kw.get("low", -2.0), kw.get("high", 2.0)
    whole = t(3, dtype="int64", low=math.ceil(low), high=max(math.floor(high), math.ceil(low)) + 1)
    return lambda: [call(t(3, 4, **kw)), call(t(**kw)), call(t(0, 3, **kw)), call(whole)]


def underived(samples: Any) -> Any:
    """`samples` for functions without a derivative in PyTorch: compared without one, and differentiated here alone."""

    def both() -> list[Any]:
        found = []
        for c in samples():
            plain = [_constant(a) for a in c.args]
            found += [call(*plain, **c.kwargs), call(*c.args, **c.kwargs, torch=False)]
        return found

    return both


def _constant(a: Any) -> Any:
    return (
        a if not hasattr(a, "draw") else t(*a.shape, low=a.low, high=a.high, dtype=a.dtype, grad=False, values=a.values)
    )


def no_complex(*rest: Any) -> Any:
    """The error that every function of real numbers raises."""
    return lambda: [raises(TypeError, "not defined for complex", t(2, dtype="complex64", grad=False), *rest)]


# ---------------------------------------------------------------- lgamma, digamma, polygamma
def _lgamma(xp: Any, x: Any) -> Any:
    real_only(x, "lgamma")
    return abs_infinity(xp, by_xp(xp).special("gammaln")(x))


def abs_infinity(xp: Any, y: Any) -> Any:
    """y with -inf turned into inf: log|gamma| is +inf at -inf, where SciPy says -inf."""
    return xp.where(y == -math.inf, -y, y)


lgamma = unary(
    "lgamma",
    _lgamma,
    lambda g, x, o: g * digamma(x),
    saves="x",
    inplace=True,
    samples=lambda: [*on(low=0.5, high=4.0)(), call(t(3, values=[-0.5, -1.3, 40.0]))],
    errors=no_complex(),
    ref=lambda x: scipy_ref("loggamma")(x + 0j).real,
    doc="""log |gamma(x)|, the logarithm of the gamma function; inf at 0, -1, -2, ...

    Shapes: any. Integers become the default dtype. Raises TypeError for complex tensors. The derivative is `digamma`.

    >>> import retrograd as rg
    >>> rg.lgamma(rg.tensor([1.0, 4.0]))
    tensor([0.0000, 1.7918])
    """,
)
digamma = unary(
    "digamma",
    special_forward("digamma", "psi"),
    lambda g, x, o: g * polygamma_p(x, 1),
    saves="x",
    inplace=True,
    samples=lambda: [*on(low=0.5, high=4.0)(), call(t(3, values=[-0.5, -1.3, 40.0]))],
    errors=no_complex(),
    ref=scipy_ref("digamma"),
    doc="""The logarithmic derivative of the gamma function, gamma'(x) / gamma(x).

    NaN at the poles -1, -2, ...; -inf at 0. Shapes: any. Integers become the default dtype. Raises TypeError for complex
    tensors. The derivative is `polygamma(1, x)`.

    >>> import retrograd as rg
    >>> rg.digamma(rg.tensor([1.0, 0.5]))
    tensor([-0.5772, -1.9635])
    """,
)


def _polygamma(xp: Any, x: Any, n: int) -> Any:
    real_only(x, "polygamma")
    factor = math.gamma(n + 1.0) if n < 170 else math.inf
    return (factor if n % 2 else -factor) * by_xp(xp).special("zeta")(x.dtype.type(n + 1), x)


polygamma_p: Any = param(
    "polygamma",
    _polygamma,
    lambda g, x, o, n: g * polygamma_p(x, n + 1),
    saves="x",
    jvp=lambda ts, xs, o, n: ts[0] * polygamma_p(xs[0], n + 1),
    doc="The n-th derivative of digamma, n >= 1: (-1)^(n + 1) n! zeta(n + 1, x).",
)


def _order(n: Any) -> int:
    n = as_int(n, "polygamma", "n")
    if n < 0:
        raise RuntimeError(f"polygamma: n={n} is negative; give n >= 0, the number of derivatives of digamma")
    return n


@public(
    method=False,
    samples=lambda: [
        call(0, t(3, 4, low=0.5, high=4.0)),
        call(1, t(3, low=0.5, high=4.0)),
        call(2, t(low=0.5, high=4.0)),
        call(4, t(0, 3)),
        call(1, t(3, dtype="int64", low=1, high=5)),
    ],
    errors=lambda: [
        raises(RuntimeError, "polygamma: n=-1 is negative", -1, t(2)),
        raises(TypeError, "polygamma: n must be an int", 1.5, t(2)),
        raises(TypeError, "not defined for complex", 1, t(2, dtype="complex64", grad=False)),
    ],
    ref=scipy_ref("polygamma"),
)
def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The n-th derivative of digamma: (-1)^(n + 1) n! zeta(n + 1, x) for n >= 1, digamma itself for n = 0.

    Shapes: any. Integers become the default dtype. Raises RuntimeError for a negative n, TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.polygamma(1, rg.tensor([1.0, 0.5]))
    tensor([1.6449, 4.9348])
    """
    n = _order(n)
    x = as_tensor_arg(input, "polygamma")
    return digamma(x, out=out) if n == 0 else into(out, polygamma_p(x, n), "polygamma")


@public(
    name="polygamma",
    where="Tensor",
    inplace=True,
    samples=lambda: [call(t(3, low=0.5, high=4.0), 1), call(t(3, low=0.5, high=4.0), 0)],
    ref=lambda x, n: scipy_ref("polygamma")(n, x),
)
def polygamma_method(input: Tensor, n: int) -> Tensor:
    """`x.polygamma(n)`: the n-th derivative of digamma at x; see `retrograd.polygamma`.

    >>> import retrograd as rg
    >>> rg.tensor([1.0, 0.5]).polygamma(1)
    tensor([1.6449, 4.9348])
    """
    return polygamma(n, input)


@public(
    inplace=True,
    samples=lambda: [
        call(t(3, 4, low=3.0, high=6.0), 3),
        call(t(low=3.0, high=6.0), p=1),
        call(t(0, 3), 2),
        call(t(3, dtype="int64", low=3, high=6), 4),
    ],
    errors=lambda: [
        raises(RuntimeError, "mvlgamma: p=0 .* p >= 1", t(2, low=1.0), 0),
        raises(TypeError, "not defined for complex", t(2, dtype="complex64", grad=False), 2),
    ],
    ref=lambda x, p: (
        sum(scipy_ref("loggamma")(x - j / 2 + 0j).real for j in range(p)) + p * (p - 1) / 4 * math.log(math.pi)
    ),
)
def mvlgamma(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p.

    p (p - 1) / 4 log(pi) + sum of lgamma(x - j / 2) for j = 0 ... p - 1, meant for x > (p - 1) / 2. Shapes: any. Integers
    become the default dtype. Raises RuntimeError for p < 1.

    >>> import retrograd as rg
    >>> rg.mvlgamma(rg.tensor([2.0, 3.0]), 2)
    tensor([0.4516, 1.5502])
    """
    x, p = as_tensor_arg(input, "mvlgamma"), as_int(p, "mvlgamma", "p")
    if p < 1:
        raise RuntimeError(f"mvlgamma: p={p} is no dimension; p >= 1 is expected")

    def value(x: Any) -> Any:
        r: Any = 0.0
        for j in range(p):
            r = lgamma(x - 0.5 * j) + r  # never of x itself, which the in-place form overwrites
        return r + p * (p - 1) / 4 * math.log(math.pi)

    return into(out, rounded_once(value, x), "mvlgamma")


# ---------------------------------------------------------------- functions of an order that has no derivative
def _no_derivative(op: str) -> GraphError:
    return GraphError(f"{op}: there is no derivative with respect to its first argument; detach() it")


def _with_order(op: str, order: Any, x: Any) -> None:
    """Check the arguments of an elementwise function of x and an order, tensors or numbers."""
    if not isinstance(x, TensorBase) and not isinstance(order, TensorBase):
        raise TypeError(f"{op}: at least one Tensor is expected, got {type(order).__name__} and {type(x).__name__}")
    for v in (order, x):
        if not isinstance(v, (bool, int, float, complex)):
            as_tensor_arg(v, op)
    if result_type(order, x).kind == "c":
        raise DtypeError(f"{op}: not defined for complex tensors; use .real or abs()")
    broadcast(op, *(tuple(getattr(v, "_shape", ())) for v in (order, x)))


def _gammainc(xp: Any, xs: Any, upper: bool) -> Any:
    return by_xp(xp).special("gammaincc" if upper else "gammainc")(*xs)


def _gammainc_slope(g: Any, a: Any, x: Any, upper: bool) -> Any:
    density = exp(log(x) * (a - 1) - x - lgamma(a))
    return -g * density if upper else g * density


def _gammainc_vjp(g: Any, xs: Any, o: Any, needs: Any, upper: bool) -> Any:
    if needs[0]:
        raise _no_derivative("igammac" if upper else "igamma")
    return None, sum_to(_gammainc_slope(g, xs[0], xs[1], upper), tuple(xs[1].shape))


def _gammainc_jvp(ts: Any, xs: Any, o: Any, upper: bool) -> Any:
    if ts[0] is not None:
        raise _no_derivative("igammac" if upper else "igamma")
    return _gammainc_slope(ts[1], xs[0], xs[1], upper)


gammainc_p: Any = nary(
    "gammainc",
    _gammainc,
    _gammainc_vjp,
    saves=("", "01"),
    jvp=_gammainc_jvp,
    doc="The regularised incomplete gamma function of (a, x), the upper one if upper.",
)


def _igamma_samples() -> list[Any]:
    a = {"low": 0.5, "high": 3.0, "grad": False}
    return [
        call(t(3, 4, **a), t(3, 4, low=0.2, high=4.0)),
        call(t(3, 1, **a), t(4, low=0.2, high=4.0)),
        call(t(4, **a), t(low=0.2, high=4.0)),
        call(t(**a), t(low=0.2, high=4.0)),
        call(t(0, 3, **a), t(3, low=0.2, high=4.0)),
        call(t(3, values=[30.0, 200.0, 0.1], grad=False), t(3, values=[20.0, 220.0, 5.0])),
    ]


def _igamma(op: str, a: Any, x: Any, upper: bool) -> Any:
    _with_order(op, a, x)
    d = result_type(a, x)
    if d.kind in "biu":
        raise DtypeError(f"{op}: floating-point tensors are expected, got {d.name}; convert with .float()")
    return gammainc_p((a, x), upper)


def _igamma_errors(op: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{op}: floating-point tensors .* int64", *[t(2, dtype="int64", low=1, high=4)] * 2),
        raises(ValueError, r"\(2,\) and \(3,\) do not broadcast", t(2, low=1.0), t(3, low=1.0)),
        raises(RuntimeError, "not defined for complex", *[t(2, dtype="complex64", grad=False)] * 2),
    ]


@public(inplace=True, samples=_igamma_samples, errors=_igamma_errors("igamma"), ref=scipy_ref("gammainc"))
def igamma(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The regularised lower incomplete gamma function P(a, x) for a = input, x = other.

    P(a, x) = 1 / gamma(a) times the integral of t^(a - 1) e^(-t) from 0 to x, for a, x >= 0 (NaN otherwise). The gradient
    goes to x; backward raises GraphError (a RuntimeError) when a's is asked for. Shapes: both broadcast. Raises DtypeError
    for integers and complex numbers.

    >>> import retrograd as rg
    >>> rg.igamma(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 2.0]))
    tensor([0.6321, 0.5940])
    """
    return into(out, _igamma("igamma", input, other, False), "igamma")


@public(inplace=True, samples=_igamma_samples, errors=_igamma_errors("igammac"), ref=scipy_ref("gammaincc"))
def igammac(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The regularised upper incomplete gamma function Q(a, x) = 1 - P(a, x) for a = input, x = other, without cancellation.

    Arguments, shapes and errors as in `igamma`.

    >>> import retrograd as rg
    >>> rg.igammac(rg.tensor([1.0, 2.0]), rg.tensor([1.0, 2.0]))
    tensor([0.3679, 0.4060])
    """
    return into(out, _igamma("igammac", input, other, True), "igammac")


def _zeta_slope(g: Any, s: Any, q: Any) -> Any:
    return g * (zeta_p((s + 1, q)) * -s)


def _zeta_vjp(g: Any, xs: Any, o: Any, needs: Any) -> Any:
    if needs[0]:
        raise _no_derivative("zeta")
    return None, sum_to(_zeta_slope(g, xs[0], xs[1]), tuple(xs[1].shape))


def _zeta_jvp(ts: Any, xs: Any, o: Any) -> Any:
    if ts[0] is not None:
        raise _no_derivative("zeta")
    return _zeta_slope(ts[1], xs[0], xs[1])


zeta_p: Any = nary(
    "zeta",
    lambda xp, xs: by_xp(xp).special("zeta")(*xs),
    _zeta_vjp,
    saves=("", "01"),
    jvp=_zeta_jvp,
    doc="The Hurwitz zeta function of (s, q).",
)


@public(
    where="special",
    method=False,
    samples=lambda: [
        call(t(3, 4, low=1.5, high=4.0, grad=False), t(3, 4, low=0.5, high=4.0)),
        call(t(3, 1, low=1.5, high=4.0, grad=False), t(4, low=0.5, high=4.0)),
        call(2.5, t(3, low=0.5, high=4.0)),
        call(t(3, low=1.5, high=4.0, grad=False), 1.0),
        call(t(3, dtype="int64", low=2, high=5), t(3, dtype="int64", low=1, high=5)),
        call(t(0, grad=False), t(0)),
    ],
    errors=lambda: [
        raises(TypeError, "zeta: at least one Tensor", 2.0, 3.0),
        raises(ValueError, "do not broadcast", t(2, low=2.0, high=3.0), t(3, low=1.0)),
        raises(RuntimeError, "not defined for complex", 2, t(2, dtype="complex64", grad=False)),
    ],
    ref=scipy_ref("zeta"),
)
def zeta(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """The Hurwitz zeta function zeta(s, q) = sum of 1 / (k + q)^s over k = 0, 1, ... for s = input, q = other.

    q = 1 gives Riemann's. Defined for s > 1; the gradient goes to q (-s zeta(s + 1, q)); backward raises GraphError when
    that of s is asked for. Shapes: both broadcast, either may be a number. Integers become the default dtype.

    >>> import retrograd as rg
    >>> rg.special.zeta(rg.tensor([2.0, 4.0]), 1)
    tensor([1.6449, 1.0823])
    """
    _with_order("zeta", input, other)
    return into(out, zeta_p((input, other)), "zeta")


gammaln, psi, multigammaln = lgamma, digamma, mvlgamma
gammainc, gammaincc = igamma, igammac
