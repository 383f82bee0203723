"""Running results along one dimension: cumsum, cumprod, cummax, cummin, logcumsumexp, diff.

All of these are scans. The derivatives of a running product and of a running logsumexp are first-order linear
recurrences, which `recurrence_p` solves exactly in log2(N) steps; so products need no division and zeros among the
factors no special case, to any order of derivative.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..core import as_tensor_arg
from ..dtypes import as_dtype, bool_
from ..errors import ShapeError
from ..generic import cast
from ..op import nary, param, public
from ..samples import D, call, raises, t
from . import return_types
from .args import as_int, check_float, check_real, into, into_pair, one_dim, pick
from .join import cat
from .math import exp
from .shape import getitem_p
from .sort import take_along_p
from .sums import running_product, running_sum

if TYPE_CHECKING:
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = [
    "cummax", "cummin", "cumprod", "cumprod_p", "cumsum", "cumsum_p", "diff", "logcumsumexp", "recurrence_p", "shift_p",
]  # fmt: skip


def _cut(axis: int, start: int | None, stop: int | None, step: int | None = None) -> tuple[slice, ...]:
    return (slice(None),) * axis + (slice(start, stop, step),)


def _back(axis: int) -> tuple[slice, ...]:
    return _cut(axis, None, None, -1)


# ---------------------------------------------------------------- building blocks
def _shift(xp: Any, x: Any, axis: int, k: int, fill: float) -> Any:
    z = xp.full(x.shape, fill, x.dtype)
    n = x.shape[axis] if x.ndim else 0
    if abs(k) < n:
        if k > 0:
            z[_cut(axis, k, None)] = x[_cut(axis, None, n - k)]
        else:
            z[_cut(axis, None, n + k)] = x[_cut(axis, -k, None)]
    return z


shift_p: Any = param(
    "shift",
    _shift,
    lambda g, x, o, axis, k, fill: shift_p(g, axis, -k, 0.0),
    dtypes="same",
    jvp=lambda ts, xs, o, axis, k, fill: shift_p(ts[0], axis, k, 0.0),
    doc="x moved by k places towards higher indices along axis; `fill` enters at the other end.",
)


def _recurrence(xp: Any, xs: Any, axis: int, reverse: bool) -> Any:
    """Hillis-Steele doubling: after the step of width w, s holds the last w terms and a the product of w factors."""
    b, a = xs
    s = b.copy()
    if not s.ndim:
        return s
    a = a.copy()
    n, w = s.shape[axis], 1
    while w < n:
        lo, hi = _cut(axis, None, n - w), _cut(axis, w, None)
        to, of = (lo, hi) if reverse else (hi, lo)
        s[to] += a[to] * s[of]
        a[to] = a[to] * a[of]
        w *= 2
    return s


def _recurrence_vjp(g: Any, xs: Any, o: Any, needs: Any, axis: int, reverse: bool) -> Any:
    back = 1 if reverse else -1  # from s[k] to the element that it feeds
    v = recurrence_p((g, shift_p(xs[1], axis, back, 0.0)), axis, not reverse)
    return None if needs[0] is None else v, None if needs[1] is None else v * shift_p(o, axis, -back, 0.0)


recurrence_p: Any = nary(
    "recurrence",
    _recurrence,
    _recurrence_vjp,
    saves=("1", "1o"),
    dtypes="same",
    doc="s[k] = b[k] + a[k] s[k - 1] along axis (s[k + 1] if reverse), for xs = (b, a): a linear scan.",
)


# ---------------------------------------------------------------- sums and products
def _cumsum(xp: Any, x: Any, axis: int, reverse: bool) -> Any:
    if not x.ndim:
        return x.astype("int64") if x.dtype.kind in "bui" else x.copy()
    dtype = "int64" if x.dtype.kind in "bui" else None
    if not reverse:
        return running_sum(xp, x, axis, dtype)
    back = _back(axis)
    return running_sum(xp, x[back], axis, dtype)[back]


cumsum_p: Any = param(
    "cumsum",
    _cumsum,
    lambda g, x, o, axis, reverse: cumsum_p(g, axis, not reverse),
    dtypes="fixed",
    jvp="linear",
    doc="Running sums along axis, from the end if reverse.",
)


def _cumprod(xp: Any, x: Any, axis: int, reverse: bool) -> Any:
    if not x.ndim:
        return x.astype("int64") if x.dtype.kind in "bui" else x.copy()
    dtype = "int64" if x.dtype.kind in "bui" else None
    if not reverse:
        return running_product(xp, x, axis, dtype)
    back = _back(axis)
    return running_product(xp, x[back], axis, dtype)[back]


def _cumprod_vjp(g: Any, x: Any, o: Any, axis: int, reverse: bool) -> Any:
    # dL/dx[k] = (product before k) * (g[k] + x[k+1] (g[k+1] + x[k+2] (...)))
    ahead = -1 if reverse else 1
    return shift_p(o, axis, ahead, 1.0) * recurrence_p((g, shift_p(x, axis, -ahead, 0.0)), axis, not reverse)


cumprod_p: Any = param(
    "cumprod",
    _cumprod,
    _cumprod_vjp,
    saves="xo",
    dtypes="fixed",
    doc="Running products along axis, from the end if reverse.",
)

_ERRORS = [
    (IndexError, r"dim 2 is out of range for a tensor with 2 dimensions \(expected -2 to 1\)", 2),
    (TypeError, r"dim must be an int", 1.5),
]


def _scan_errors(name: str) -> Any:
    return lambda: [raises(e, f"{name}: {text}", t(2, 3), dim) for e, text, dim in _ERRORS]


def _in_dtype(input: Any, dtype: Any, op: str) -> Any:
    input = as_tensor_arg(input, op)
    return input if dtype is None else cast(input, as_dtype(dtype, op))


@public(
    samples=lambda: [
        call(t(4), 0),
        call(t(3, 4), dim=-2),
        call(t(2, 3, 4), 1),
        call(t(), 0),
        call(t(0), 0),
        call(t(2, 0), 0),
        call(t(3), 0, dtype=D("float64")),
        call(t(4, dtype="bool", grad=False), 0),
        call(t(4, dtype="uint8", low=0, high=200, grad=False), dim=0),
    ],
    errors=_scan_errors("cumsum"),
    inplace=True,
)
def cumsum(
    input: Tensor,
    dim: int | None = None,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """Running sums: y[k] = x[0] + ... + x[k] along `dim`.

    Bools and integers become int64; `dtype` converts the input first. Shapes: `(*, N, *)` to the same shape. Raises
    TypeError without a dim, IndexError for one that does not exist.

    >>> import retrograd as rg
    >>> rg.cumsum(rg.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 3., 6.])
    """
    input = _in_dtype(input, dtype, "cumsum")
    r = cumsum_p(input, _needed(dim, axis, input, "cumsum"), False)
    return into(out, r if dtype is None else cast(r, as_dtype(dtype, "cumsum")), "cumsum")


def _needed(dim: Any, axis: Any, input: Any, op: str) -> int:
    dim = pick(dim, axis, op)
    if dim is None:
        raise TypeError(f"{op}: dim is missing; name the dimension to run along, as in {op}(x, dim=0)")
    return one_dim(dim, len(input._shape), op)


@public(
    samples=lambda: [
        call(t(4), 0),
        call(t(3, 4), dim=-2),
        call(t(5, values=[1.5, 0.0, -2.0, 0.5, 3.0]), 0),
        call(t(5, values=[1.5, 0.0, -2.0, 0.0, 3.0]), 0),
        call(t(2, 3, 4), 1),
        call(t(), 0),
        call(t(0), 0),
        call(t(3), 0, dtype=D("float64")),
        call(t(4, dtype="int8", low=-3, high=3, grad=False), dim=0),
    ],
    errors=_scan_errors("cumprod"),
    inplace=True,
)
def cumprod(
    input: Tensor,
    dim: int | None = None,
    *,
    dtype: Dtype | None = None,
    out: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """Running products: y[k] = x[0] x[1] ... x[k] along `dim`; gradients are exact where factors are zero.

    Bools and integers become int64; `dtype` converts the input first. Shapes: `(*, N, *)` to the same shape. Raises
    TypeError without a dim, IndexError for one that does not exist.

    >>> import retrograd as rg
    >>> rg.cumprod(rg.tensor([1.0, 2.0, 3.0]), dim=0)
    tensor([1., 2., 6.])
    """
    input = _in_dtype(input, dtype, "cumprod")
    r = cumprod_p(input, _needed(dim, axis, input, "cumprod"), False)
    return into(out, r if dtype is None else cast(r, as_dtype(dtype, "cumprod")), "cumprod")


# ---------------------------------------------------------------- running maxima and minima
def _running(xp: Any, x: Any, axis: int, largest: bool) -> Any:
    """Where the running extreme is: its last occurrence so far; the last NaN once there was one."""
    if not x.ndim:
        return xp.zeros((), "int64")
    best = xp.maximum if largest else xp.minimum
    v = _doubling(x, axis, best)
    n = x.shape[axis]
    place = xp.arange(n).reshape((n,) + (1,) * (x.ndim - axis - 1))
    return _doubling(xp.where((x == v) | (x != x), place, 0), axis, xp.maximum)


def _doubling(x: Any, axis: int, combine: Any) -> Any:
    """The inclusive scan of an associative function, in log2(N) steps (CuPy accumulates sums and products only)."""
    x = x.copy()
    n, w = x.shape[axis], 1
    while w < n:
        to, of = _cut(axis, w, None), _cut(axis, None, n - w)
        x[to] = combine(x[to], x[of])
        w *= 2
    return x


running_p: Any = param("cummax_indices", _running, dtypes="fixed", differentiable=False)


@public(
    samples=lambda: [
        call(t(6), 0),
        call(t(3, 4), dim=-2),
        call(t(7, values=[1.0, 3.0, 3.0, 2.0, 4.0, 3.0, 4.0], grad=False), 0),
        call(t(), 0),
        call(t(0), 0),
        call(t(5, dtype="int32", low=-3, high=3, grad=False), dim=0),
    ],
    errors=_scan_errors("cummax"),
)
def cummax(input: Tensor, dim: int | None = None, *, out: Any = None, axis: int | None = None) -> return_types.cummax:
    """Running maxima along `dim`; returns the named tuple (values, indices).

    Of equal maxima the index names the last one so far; that element gets the gradient. NaN stays once it came.
    Shapes: `(*, N, *)` to the same shape.

    >>> import retrograd as rg
    >>> rg.cummax(rg.tensor([1.0, 3.0, 2.0]), dim=0).values
    tensor([1., 3., 3.])
    """
    return return_types.cummax(*_cumulative_extreme(input, dim, axis, out, True, "cummax"))


@public(
    samples=lambda: [
        call(t(6), 0),
        call(t(3, 4), dim=-2),
        call(t(7, values=[3.0, 1.0, 1.0, 2.0, 0.5, 3.0, 0.5], grad=False), 0),
        call(t(), 0),
        call(t(0), 0),
        call(t(5, dtype="int32", low=-3, high=3, grad=False), dim=0),
    ],
    errors=_scan_errors("cummin"),
)
def cummin(input: Tensor, dim: int | None = None, *, out: Any = None, axis: int | None = None) -> return_types.cummin:
    """Running minima along `dim`; returns the named tuple (values, indices).

    Of equal minima the index names the last one so far; that element gets the gradient. NaN stays once it came.
    Shapes: `(*, N, *)` to the same shape.

    >>> import retrograd as rg
    >>> rg.cummin(rg.tensor([2.0, 3.0, 1.0]), dim=0).values
    tensor([2., 2., 1.])
    """
    return return_types.cummin(*_cumulative_extreme(input, dim, axis, out, False, "cummin"))


def _cumulative_extreme(input: Any, dim: Any, axis: Any, out: Any, largest: bool, op: str) -> tuple[Tensor, Tensor]:
    input = as_tensor_arg(input, op)
    check_real(input, op)
    d = _needed(dim, axis, input, op)
    idx = running_p(input, d, largest)
    return into_pair(out, (take_along_p(input, d, idx._data, False, False), idx), op)


# ---------------------------------------------------------------- logcumsumexp
def _logcumsumexp(xp: Any, x: Any, axis: int) -> Any:
    if x.dtype.kind == "c":
        return _complex_logcumsumexp(xp, x, axis)
    return _doubling(x, axis, xp.logaddexp) if x.ndim else x.copy()


def _complex_logcumsumexp(xp: Any, x: Any, axis: int) -> Any:
    """One after the other, as in PyTorch: the branch of the logarithm, a multiple of 2 pi i, depends on the order."""
    o = x.copy()
    for k in range(1, x.shape[axis] if x.ndim else 0):
        a, b = o[_cut(axis, k - 1, k)], o[_cut(axis, k, k + 1)]
        swap = b.real > a.real
        large, small = xp.where(swap, b, a), xp.where(swap, a, b)  # log(e^a + e^b) = a + log(1 + e^(b - a))
        o[_cut(axis, k, k + 1)] = large + xp.log1p(xp.exp(small - large))
    return o


def _logcumsumexp_vjp(g: Any, x: Any, o: Any, axis: int) -> Any:
    # dL/dx[k] = exp(x[k] - o[k]) v[k] with v[k] = g[k] + exp(o[k] - o[k+1]) v[k+1]; no exponent is positive
    return exp(x - o) * recurrence_p((g, exp(o - shift_p(o, axis, -1, math.inf))), axis, True)


logcumsumexp_p: Any = param(
    "logcumsumexp", _logcumsumexp, _logcumsumexp_vjp, saves="xo", doc="log of the running sum of exp(x) along axis."
)


@public(
    samples=lambda: [
        call(t(6), 0),
        call(t(3, 4), dim=-2),
        call(t(3, values=[1000.0, -1000.0, 999.0]), 0),
        call(t(), 0),
        call(t(0), 0),
    ],
    errors=lambda: [
        *_scan_errors("logcumsumexp")(),
        raises(TypeError, r"logcumsumexp: input is int64", t(3, dtype="int64", grad=False), 0),
    ],
)
def logcumsumexp(
    input: Tensor, dim: int | None = None, *, out: Tensor | None = None, axis: int | None = None
) -> Tensor:
    """log(exp(x[0]) + ... + exp(x[k])) along `dim`, without overflow.

    Shapes: `(*, N, *)` to the same shape. Raises TypeError for integers.

    >>> import retrograd as rg
    >>> rg.logcumsumexp(rg.tensor([1000.0, 1000.0]), dim=0)
    tensor([1000.0000, 1000.6932])
    """
    input = as_tensor_arg(input, "logcumsumexp")
    check_float(input, "logcumsumexp")
    return into(out, logcumsumexp_p(input, _needed(dim, axis, input, "logcumsumexp")), "logcumsumexp")


# ---------------------------------------------------------------- differences
@public(
    samples=lambda: [
        call(t(5)),
        call(t(3, 5), n=2),
        call(t(3, 5), 1, 0),
        call(t(3, 5), n=2, dim=0, prepend=t(1, 5), append=t(2, 5)),
        call(t(3), n=4),
        call(t(3), n=0),
        call(t(4, dtype="int64", low=-5, high=5, grad=False)),
        call(t(4, dtype="bool", grad=False)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"diff: input has 0 dimensions", t()),
        raises(RuntimeError, r"diff: n=-1", t(3), -1),
        raises(IndexError, r"diff: dim 1", t(3), 1, 1),
    ],
)
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    *,
    out: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """Differences of neighbours, n times: y[k] = x[k + 1] - x[k] along `dim`; exclusive or for bools.

    `prepend` and `append` are joined to the input first. Shapes: `(*, N, *)` to `(*, max(N - n, 0), *)`. Raises
    RuntimeError for a 0-d input or a negative n.

    >>> import retrograd as rg
    >>> rg.diff(rg.tensor([1.0, 4.0, 9.0]))
    tensor([3., 5.])
    """
    input = as_tensor_arg(input, "diff")
    if n == 0:
        return into(out, input.clone(), "diff")
    if not input._shape:
        raise ShapeError("diff: input has 0 dimensions; at least one is expected, as in x.reshape(1)")
    d = one_dim(pick(dim, axis, "diff", default=-1), len(input._shape), "diff")
    n = as_int(n, "diff", "n")
    if n < 0:
        raise ShapeError(f"diff: n={n} differences are not possible; give n >= 0")
    parts = [as_tensor_arg(x, "diff") for x in (prepend, input, append) if x is not None]
    if len(parts) > 1:
        input = cat(parts, d)
    if n >= input._shape[d]:
        return into(out, getitem_p(input, _cut(d, 0, 0)), "diff")
    for _ in range(n):
        lower, upper = getitem_p(input, _cut(d, None, -1)), getitem_p(input, _cut(d, 1, None))
        input = upper != lower if input._dtype is bool_ else upper - lower
    return into(out, input, "diff")
