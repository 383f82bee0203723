"""Rounding: sign, floor, ceil, trunc, round and frac; but for frac, their gradient is zero almost everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import as_tensor_arg
from ..errors import DtypeError
from ..generic import into
from ..op import param, public, unary
from ..samples import call, t
from .complex import real_sign

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["ceil", "fix", "floor", "frac", "round", "sign", "trunc"]  # fmt: skip


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
