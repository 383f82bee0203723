"""scatter_reduce: sums, products, means and extremes of the values that an index sends to the same element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import backend
from ..core import as_tensor_arg, wrap
from ..errors import DtypeError
from ..op import nary, public
from ..sampled import sample_by_sample
from ..samples import call, raises, t
from .args import into
from .gather import _along, _places, source
from .index import index_put_p
from .join import cat_p
from .shape import getitem_p, keep_p, reshape_p
from .where import masked_fill_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["scatter_reduce"]


# ---------------------------------------------------------------- extremes
def _extreme(xp: Any, xs: Any, places: Any, largest: bool) -> Any:
    out = xs[0].copy()
    (xp.maximum if largest else xp.minimum).at(out, places, xs[1])
    return out, xs[0] == out, xs[1] == out[places]


def _extreme_vjp(g: Any, xs: Any, o: Any, needs: Any, places: Any, largest: bool) -> Any:
    """The gradient is shared evenly by all elements, of input and src, that attain the extreme."""
    at_x, at_s = _mask(o[1]), _mask(o[2])
    n = index_put_p((_as(at_x, g), _as(at_s, g)), places, True)
    share = g / masked_fill_p(n, _mask(n == 0.0), 1.0)
    gx = keep_p(share, at_x, True) if needs[0] else None
    gs = keep_p(getitem_p(share, places), at_s, True) if needs[1] else None
    return gx, gs


def _mask(m: Any) -> Any:
    """A comparison's result as a raw array: it is a constant to differentiation."""
    return getattr(m, "_data", m)


def _as(mask: Any, like: Any) -> Any:
    a = getattr(like, "_data", like)
    return mask.astype(a.dtype)


_extreme_p: Any = nary(
    "scatter_extreme",
    _extreme,
    _extreme_vjp,
    extras=2,
    dtypes="copy",
    doc="x with the elements at places raised (or lowered) to the extreme of themselves and of the values sent there.",
)


# ---------------------------------------------------------------- products
def _product(xp: Any, xs: Any, places: Any, axis: int) -> Any:
    out = xs[0].copy()
    for at, cut in _slices(xs[1], places, axis):
        out[at] = out[at] * xs[1][cut]
    return out


def _slices(s: Any, places: Any, axis: int) -> Any:
    """(places, where in src) of each slice of src; within one no element is named twice, so that assignment serves."""
    n = s.shape[axis]
    for k in range(n):
        cut = (slice(None),) * axis + (slice(k, k + 1),)
        yield tuple(i[cut] if i.shape[axis] != 1 or n == 1 else i for i in places), cut


def _product_vjp(g: Any, xs: Any, o: Any, needs: Any, places: Any, axis: int) -> Any:
    """g * (product of all other factors), which for a lone zero among the factors is the product without it.

    For a factor that is not zero it is the whole product divided by the factor. That is 0 beside a zero, but its derivative
    by that zero is not, so the products stay differentiable there instead of being cut out.
    """
    x, s = xs
    x_zero, s_zero = _mask(x == 0.0), _mask(s == 0.0)
    x1, s1 = masked_fill_p(x, x_zero, 1.0), masked_fill_p(s, s_zero, 1.0)
    whole, rest = g * _product_p((x, s), places, axis), g * _product_p((x1, s1), places, axis)
    zeros = index_put_p((_as(x_zero, _mask(x)), _as(s_zero, _mask(s))), places, True)
    if bool((zeros > 1.0).any()):
        return _product_vjp_exact(g, x, s, needs, places, axis)
    one = zeros == 1.0
    gx = gs = None
    if needs[0]:
        gx = keep_p(whole / x1, ~x_zero, True) + keep_p(rest, one & x_zero, True)
    if needs[1]:
        gs = keep_p(getitem_p(whole, places) / s1, ~s_zero, True)
        gs = gs + keep_p(getitem_p(rest, places), one[places] & s_zero, True)
    return gx, gs


def _product_vjp_exact(g: Any, x: Any, s: Any, needs: Any, places: Any, axis: int) -> Any:
    """The same slice by slice, without division: several zeros in one product give 0, but their derivatives do not."""
    partial = [x]
    slices = list(_slices(s, places, axis))
    for at, cut in slices[:-1]:
        v = getitem_p(partial[-1], at) * getitem_p(s, cut)
        partial.append(index_put_p((partial[-1], v), at, False))
    found = []
    for p, (at, cut) in zip(reversed(partial), reversed(slices), strict=True):
        here = getitem_p(g, at)
        found.append(here * getitem_p(p, at))
        g = index_put_p((g, here * getitem_p(s, cut)), at, False)
    return g if needs[0] else None, cat_p(found[::-1], axis) if needs[1] else None


_product_p: Any = nary(
    "scatter_product",
    _product,
    _product_vjp,
    saves=("01", "01"),
    dtypes="copy",
    doc="x with the elements at places multiplied by the values sent there.",
)

_INDEX = [[0, 1, 1], [2, 0, 0]]


@public(
    inplace=True,
    samples=lambda: (
        [
            call(t(3, 3), 1, t(2, 3, dtype="int64", values=_INDEX), t(2, 3), reduce)
            for reduce in ("sum", "prod", "mean", "amax", "amin")
        ]
        + [
            call(t(3, 3), 1, t(2, 3, dtype="int64", values=_INDEX), t(2, 3), reduce=reduce, include_self=False)
            for reduce in ("sum", "prod", "mean", "amax", "amin")
        ]
        + [call(t(3), 0, t(4, dtype="int64", values=[0, 0, 2, 0]), t(4), "sum")]
    ),
    errors=lambda: [
        raises(ValueError, r"reduce must be one of", t(3), 0, t(1, dtype="int64", values=[0]), t(1), "max"),
        raises(IndexError, r"scatter_reduce: index 3", t(3), 0, t(1, dtype="int64", values=[3]), t(1), "sum"),
    ],
)
@sample_by_sample
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """A copy of `input` in which the values of src sent to an element by `index` along `dim` are combined with it.

    reduce: "sum", "prod", "mean", "amax" or "amin". With include_self=False the old value does not take part (elements
    that receive nothing keep it). Where several attain amax or amin, they share the gradient.

    >>> import retrograd as rg
    >>> rg.scatter_reduce(rg.zeros(3), 0, rg.tensor([0, 0, 2]), rg.tensor([1.0, 2.0, 3.0]), "mean", include_self=False)
    tensor([1.5000, 0.0000, 3.0000])
    """
    op = "scatter_reduce"
    x = as_tensor_arg(input, op)
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise ValueError(f"{op}: reduce must be one of 'sum', 'prod', 'mean', 'amax', 'amin', got {reduce!r}")
    if reduce in ("amax", "amin") and x._dtype.is_complex:
        raise DtypeError(f"{op}: {reduce} is not defined for {x._dtype.name}, complex numbers have no order")
    d, i = _places(x, dim, index, op)
    s = source(x, src, i, op)
    shape = tuple(x._shape)
    x = x if shape else reshape_p(x.clone(), (1,))  # a copy: the in-place form overwrites x
    if not i.size:
        return into(out, reshape_p(x, shape).clone(), op)
    places = _along(i, d)
    neutral: Any = {"sum": 0, "mean": 0, "prod": 1}.get(reduce)
    if not include_self:
        if neutral is None:
            neutral = _lowest(x._dtype, reduce == "amin")
        xp = backend.xp_of(x._data)
        x = index_put_p((x, wrap(xp.asarray(neutral, dtype=x._dtype.np))), places, False)
    if reduce in ("sum", "mean"):
        r: Any = index_put_p((x, s), places, True)
        if reduce == "mean":
            r = _divide(r, _counts(x, places, i, include_self))
    elif reduce == "prod":
        r = _product_p((x, s), places, d)
    else:
        r = _extreme_p((x, s), places, reduce == "amax")
    return into(out, r if shape else reshape_p(r, ()), op)


def _lowest(d: Any, negate: bool) -> Any:
    """What never wins a maximum (or with negate a minimum)."""
    from ..dtypes import iinfo

    if d.kind == "f":
        return float("inf") if negate else float("-inf")
    if d.kind == "b":
        return negate
    return iinfo(d).max if negate else iinfo(d).min


def _counts(x: Any, places: Any, i: Any, include_self: bool) -> Any:
    """How many values every element is the mean of, at least 1."""
    xp = backend.xp_of(x._data)
    n = xp.full(x._shape, int(include_self), "int64")
    backend.by_xp(xp).scatter_add(n, places, xp.ones(i.shape, "int64"))
    return xp.maximum(n, 1)


def _divide(r: Any, n: Any) -> Any:
    if r._dtype.kind in "iu":
        return wrap(r._data // n.astype(r._data.dtype))
    return r / wrap(n.astype(r._data.dtype))
