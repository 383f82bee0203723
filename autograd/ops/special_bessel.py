"""Bessel functions: i0, i0e, i1, i1e, the special.bessel_*, modified_bessel_*; and sinc, one in disguise.

Derivatives at 0 hide a quotient: I1(x) / x, J1(x) / x, sin(x) / x. Each is a member of a family f[n] of even functions,
x^-n times the function of order n, with f[n]'(x) = +-x f[n + 1](x): one primitive, exact at 0, of any order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..backend import by_xp
from ..op import param, public, unary
from ..samples import call, t
from .complex import sgn
from .special_gamma import no_complex, on, real_only, scipy_ref, special_forward, underived

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "i0", "i0e", "i1", "i1e", "modified_bessel_i0",
    "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1", "sinc", "spherical_bessel_j0",
]  # fmt: skip


# ---------------------------------------------------------------- the quotients
# kind -> (sign of x^2 in the recurrence, SciPy's functions of orders 0 and 1)
_KINDS = {"i": (1, ("i0", "i1")), "ie": (1, ("i0e", "i1e")), "j": (-1, ("j0", "j1"))}


def _quotient(xp: Any, x: Any, kind: str, n: int) -> Any:
    """Near 0 the power series; beyond, the recurrence in n from orders 0 and 1, which is stable there."""
    size = abs(x)
    near = size < (5.0 + n if kind in ("i", "ie") else 2.0 + 0.5 * n)
    series = _series(xp.where(near, x, x.dtype.type(0)), kind, n)
    if kind == "ie":
        series = series * xp.exp(-size)
    z = xp.where(near, x.dtype.type(9), x)
    z2 = z * z
    if kind == "spherical":
        before = xp.sin(z) / z
        now = (before - xp.cos(z)) / z2
        step, sign = 3, -1
    else:
        sign, names = _KINDS[kind]
        before, now = (by_xp(xp).special(name)(z) for name in names)
        now = now / z
        step = 2
    if n == 0:
        now = before
    for k in range(n - 1):
        before, now = now, (now * float(2 * k + step) - before) * (-sign / z2)
    return xp.where(near, series, now)


def _series(x: Any, kind: str, n: int) -> Any:
    spherical = kind == "spherical"
    u = x * x * (-0.5 if spherical else -0.25 if kind == "j" else 0.25)
    first = 1.0 / (math.prod(range(1, 2 * n + 2, 2)) if spherical else 2**n * math.factorial(n))
    s = u * 0
    for k in range(24 + 2 * n if kind in ("i", "ie") else 16 + n, 0, -1):
        s = (s + 1) * u / float(k * (2 * n + 2 * k + 1) if spherical else k * (n + k))
    return (s + 1) * first


def _quotient_slope(g: Any, x: Any, o: Any, kind: str, n: int) -> Any:
    d = x * quotient_p(x, kind, n + 1)
    if kind == "ie":
        return g * (d - sgn(x) * o)
    return g * d if kind == "i" else -g * d


quotient_p: Any = param(
    "bessel_quotient",
    _quotient,
    _quotient_slope,
    saves="xo",
    jvp=lambda ts, xs, o, kind, n: _quotient_slope(ts[0], xs[0], o, kind, n),
    doc="x^-n times the Bessel function of order n: modified ('i', scaled 'ie'), plain ('j') or spherical.",
)

_ABOUT = """
    Shapes: any. Integers become the default dtype. Raises TypeError for complex tensors.
"""


def _bessel(name: str, scipy_name: str, vjp: Any, saves: str, doc: str, **kw: Any) -> Any:
    """A function of one tensor that SciPy has; samples of it: see below."""
    samples = kw.pop("samples", on(low=-4.0, high=4.0))
    example, derived = kw.pop("example"), kw.pop("derived", False)
    text = f"{doc}\n{_ABOUT}\n    >>> import retrograd as rg\n    {example}\n    "
    return unary(
        name, special_forward(name, scipy_name), vjp, saves=saves, doc=text, errors=no_complex(),
        samples=samples if derived else underived(samples), ref=kw.pop("ref", scipy_ref(scipy_name)),
        **{"where": "special", "method": False, **kw},
    )  # fmt: skip


def _wide() -> list[Any]:
    return [*on(low=-4.0, high=4.0)(), call(t(5, values=[0.0, 1e-9, -8.5, 30.0, 80.0]))]


def _right() -> list[Any]:
    return [
        *on(low=0.5, high=6.0)(),
        call(t(3, values=[8.5, 20.0, 90.0])),
        call(t(3, values=[1e-9, 0.0, -1.0], grad=False)),
    ]


def _scaled() -> list[Any]:
    extreme = t(3, values=[-9.0, 30.0, 800.0])
    return [*on(low=-4.0, high=4.0)(), call(extreme), call(t(2, values=[0.0, 1e-9], grad=False))]


# ---------------------------------------------------------------- modified, of the first kind
i0 = _bessel(
    "i0", "i0", lambda g, x, o: g * i1(x), "x", "The modified Bessel function of the first kind of order 0.",
    samples=_wide, derived=True, where="", method=True, inplace=True,
    example=">>> rg.i0(rg.tensor([0.0, 1.0]))\n    tensor([1.0000, 1.2661])",
)  # fmt: skip
i1 = _bessel(
    "i1", "i1", lambda g, x, o: g * (i0(x) - quotient_p(x, "i", 1)), "x",
    "The modified Bessel function of the first kind of order 1.", samples=_wide, derived=True,
    example=">>> rg.special.i1(rg.tensor([0.0, 1.0]))\n    tensor([0.0000, 0.5652])",
)  # fmt: skip
i0e = _bessel(
    "i0e", "i0e", lambda g, x, o: g * (i1e(x) - sgn(x) * o), "xo",
    "exp(-|x|) i0(x), the modified Bessel function of order 0, scaled so that it does not overflow.",
    derived=True, samples=_scaled,
    example=">>> rg.special.i0e(rg.tensor([0.0, 1.0]))\n    tensor([1.0000, 0.4658])",
)  # fmt: skip
i1e = _bessel(
    "i1e", "i1e", lambda g, x, o: g * (i0e(x) - quotient_p(x, "ie", 1) - sgn(x) * o), "xo",
    "exp(-|x|) i1(x), the modified Bessel function of order 1, scaled so that it does not overflow.",
    derived=True, samples=_scaled,
    example=">>> rg.special.i1e(rg.tensor([0.0, 1.0]))\n    tensor([0.0000, 0.2079])",
)  # fmt: skip


@public(where="special", method=False, samples=underived(_wide), errors=no_complex(), ref=scipy_ref("i0"))
def modified_bessel_i0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the first kind of order 0; the same function as `retrograd.i0`.

    >>> import retrograd as rg
    >>> rg.special.modified_bessel_i0(rg.tensor([0.0, 1.0]))
    tensor([1.0000, 1.2661])
    """
    return i0(input, out=out)


@public(where="special", method=False, samples=underived(_wide), errors=no_complex(), ref=scipy_ref("i1"))
def modified_bessel_i1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the first kind of order 1; the same function as `retrograd.special.i1`.

    >>> import retrograd as rg
    >>> rg.special.modified_bessel_i1(rg.tensor([0.0, 1.0]))
    tensor([0.0000, 0.5652])
    """
    return i1(input, out=out)


# ---------------------------------------------------------------- modified, of the second kind
modified_bessel_k0 = _bessel(
    "modified_bessel_k0", "k0", lambda g, x, o: -g * modified_bessel_k1(x), "x",
    "The modified Bessel function of the second kind of order 0; inf at 0, NaN below.", samples=_right,
    example=">>> rg.special.modified_bessel_k0(rg.tensor([0.5, 1.0]))\n    tensor([0.9244, 0.4210])",
)  # fmt: skip
modified_bessel_k1 = _bessel(
    "modified_bessel_k1", "k1", lambda g, x, o: -g * (modified_bessel_k0(x) + o / x), "xo",
    "The modified Bessel function of the second kind of order 1; inf at 0, NaN below.", samples=_right,
    example=">>> rg.special.modified_bessel_k1(rg.tensor([0.5, 1.0]))\n    tensor([1.6564, 0.6019])",
)  # fmt: skip
scaled_modified_bessel_k0 = _bessel(
    "scaled_modified_bessel_k0", "k0e", lambda g, x, o: g * (o - scaled_modified_bessel_k1(x)), "xo",
    "exp(x) K0(x), the modified Bessel function of the second kind of order 0 without its decay.", samples=_right,
    example=">>> rg.special.scaled_modified_bessel_k0(rg.tensor([0.5, 1.0]))\n    tensor([1.5241, 1.1445])",
)  # fmt: skip
scaled_modified_bessel_k1 = _bessel(
    "scaled_modified_bessel_k1", "k1e", lambda g, x, o: g * (o - scaled_modified_bessel_k0(x) - o / x), "xo",
    "exp(x) K1(x), the modified Bessel function of the second kind of order 1 without its decay.", samples=_right,
    example=">>> rg.special.scaled_modified_bessel_k1(rg.tensor([0.5, 1.0]))\n    tensor([2.7310, 1.6362])",
)  # fmt: skip

# ---------------------------------------------------------------- of the first and second kind
bessel_j0 = _bessel(
    "bessel_j0", "j0", lambda g, x, o: -g * bessel_j1(x), "x", "The Bessel function of the first kind of order 0.",
    samples=_wide, example=">>> rg.special.bessel_j0(rg.tensor([0.0, 1.0]))\n    tensor([1.0000, 0.7652])",
)  # fmt: skip
bessel_j1 = _bessel(
    "bessel_j1", "j1", lambda g, x, o: g * (bessel_j0(x) - quotient_p(x, "j", 1)), "x",
    "The Bessel function of the first kind of order 1.", samples=_wide,
    example=">>> rg.special.bessel_j1(rg.tensor([0.0, 1.0]))\n    tensor([0.0000, 0.4401])",
)  # fmt: skip
bessel_y0 = _bessel(
    "bessel_y0", "y0", lambda g, x, o: -g * bessel_y1(x), "x",
    "The Bessel function of the second kind of order 0; -inf at 0, NaN below.", samples=_right,
    example=">>> rg.special.bessel_y0(rg.tensor([1.0, 2.0]))\n    tensor([0.0883, 0.5104])",
)  # fmt: skip
bessel_y1 = _bessel(
    "bessel_y1", "y1", lambda g, x, o: g * (bessel_y0(x) - o / x), "xo",
    "The Bessel function of the second kind of order 1; -inf at 0, NaN below.", samples=_right,
    example=">>> rg.special.bessel_y1(rg.tensor([1.0, 2.0]))\n    tensor([-0.7812, -0.1070])",
)  # fmt: skip


def _spherical(xp: Any, x: Any) -> Any:
    real_only(x, "spherical_bessel_j0")
    at_0, far = x == 0, xp.isinf(x)
    z = xp.where(at_0 | far, x.dtype.type(1), x)
    return xp.where(at_0, x.dtype.type(1), xp.where(far, x.dtype.type(0), xp.sin(z) / z))


spherical_bessel_j0 = unary(
    "spherical_bessel_j0",
    _spherical,
    lambda g, x, o: -g * (x * quotient_p(x, "spherical", 1)),
    saves="x",
    where="special",
    method=False,
    samples=underived(_wide),
    errors=no_complex(),
    ref=lambda x: scipy_ref("spherical_jn")(0, x),
    doc="""The spherical Bessel function of order 0, sin(x) / x; 1 at 0.

    Shapes: any. Integers become the default dtype. Raises TypeError for complex tensors.

    >>> import retrograd as rg
    >>> rg.special.spherical_bessel_j0(rg.tensor([0.0, 1.0]))
    tensor([1.0000, 0.8415])
    """,
)


def _sinc(xp: Any, x: Any) -> Any:
    z = xp.where(x == 0, x.dtype.type(1), x * math.pi)
    return xp.where(x == 0, x.dtype.type(1), xp.sin(z) / z)


sinc = unary(
    "sinc",
    _sinc,
    lambda g, x, o: g * (x * quotient_p(x * math.pi, "spherical", 1) * -(math.pi**2)),
    saves="x",
    inplace=True,
    samples=lambda: [
        *on()(),
        call(t(3, values=[0.6, 1.0, -7.3])),
        call(t(2, values=[0.0, 1e-8]), torch=False),  # PyTorch's derivatives are inexact there
        call(t(3, dtype="complex128")),
    ],
    ref=lambda x: __import__("numpy").sinc(x),
    doc="""sin(pi x) / (pi x), and 1 at 0.

    Shapes: any. Integers become the default dtype; complex tensors are taken too.

    >>> import retrograd as rg
    >>> rg.sinc(rg.tensor([0.0, 0.5, 0.75]))
    tensor([1.0000, 0.6366, 0.3001])
    """,
)
