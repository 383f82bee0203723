"""softmax, log_softmax, softmin and logsumexp: exponentials normalised along dimensions, without overflow.

The maximum is subtracted first, so no exponent is positive: inputs of +-1e4 are exact. A row of -inf gives NaN for the
softmaxes and -inf for logsumexp, as in PyTorch.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import accelerated
from ..core import TensorBase, as_tensor_arg
from ..dtypes import as_dtype
from ..errors import DtypeError
from ..generic import cast
from ..kernels.cpu.runtime import enough
from ..kernels.cpu.softmax import LEAST
from ..op import nary, param, public
from ..samples import D, call, raises, t
from .args import into, one_dim, pick
from .math import exp
from .reduce import Dim, Shape, arguments, spread, sum_p
from .sums import add_up

if TYPE_CHECKING:
    from ..dtypes import dtype as Dtype
    from ..tensor import Tensor

__all__ = ["log_softmax", "log_softmax_p", "logsumexp", "logsumexp_p", "softmax", "softmax_p", "softmin"]


# ---------------------------------------------------------------- primitives
def _exponentials(xp: Any, x: Any, axis: int) -> Any:
    e = x - x.max(axis, keepdims=True)
    return xp.exp(e, out=e)


@accelerated("softmax")
def _softmax(xp: Any, x: Any, axis: int) -> Any:
    if not x.size:
        return x.copy()
    if not x.ndim:
        return xp.asarray(xp.exp(x - x))  # 1, or NaN of an infinity or NaN
    e = _exponentials(xp, x, axis)
    e /= add_up(e, axis, None, True)
    return e


def _axes(o: Any, axis: int) -> Shape:
    return (axis,) if len(o.shape) else ()


def _softmax_composed(g: Any, o: Any, axis: int) -> Any:
    return o * (g - sum_p(g * o, _axes(o, axis), True))


@accelerated("softmax_back")
def _softmax_back(xp: Any, xs: Any, axis: int) -> Any:
    g, o = xs
    if not o.ndim:
        return _softmax_composed(g, o, axis)
    v = g * o
    v = xp.subtract(g, add_up(v, axis, None, True), out=v)
    v *= o
    return v


def _softmax_back_vjp(u: Any, xs: Any, out: Any, needs: Any, axis: int) -> Any:
    g, o = xs
    gx = go = None
    if needs[0]:
        gx = _softmax_vjp(u, None, o, axis)
    if needs[1]:
        axes = _axes(o, axis)
        go = u * (g - sum_p(g * o, axes, True)) - g * sum_p(u * o, axes, True)
    return gx, go


softmax_back_p: Any = nary(
    "softmax_back",
    _softmax_back,
    _softmax_back_vjp,
    saves=("1", "01"),
    doc="The cotangent of softmax_p, from (g, softmax(x)).",
)


def _through(formula: Any, back_p: Any, composition: Any) -> Any:
    """The vjp (g, x, o, axis) of a softmax by its primitive; by the composition on lifted arrays, whose parts have rules."""

    def vjp(g: Any, x: Any, o: Any, axis: int) -> Any:
        if type(o) is np.ndarray:
            if type(g) is np.ndarray and enough(o.size, LEAST):
                return formula(np, (g, o), axis)
        elif isinstance(g, TensorBase) and type(o._data) is type(g._data) is np.ndarray and o._dtype is g._dtype:
            return back_p((g, o), axis)
        return composition(g, o, axis)

    return vjp


_softmax_vjp = _through(_softmax_back, softmax_back_p, _softmax_composed)
softmax_p: Any = param(
    "softmax",
    _softmax,
    _softmax_vjp,
    saves="o",
    jvp=lambda ts, xs, o, axis: _softmax_vjp(ts[0], None, o, axis),
    doc="exp(x) / sum(exp(x)) along axis.",
)


@accelerated("log_softmax")
def _log_softmax(xp: Any, x: Any, axis: int) -> Any:
    if not x.size:
        return x.copy()
    if not x.ndim:
        return xp.asarray(x - x)
    d = x - x.max(axis, keepdims=True)
    d -= xp.log(add_up(xp.exp(d), axis, None, True))
    return d


def _log_softmax_composed(g: Any, o: Any, axis: int) -> Any:
    return g - exp(o) * sum_p(g, _axes(o, axis), True)


@accelerated("log_softmax_back")
def _log_softmax_back(xp: Any, xs: Any, axis: int) -> Any:
    g, o = xs
    return _log_softmax_composed(g, o, axis)


def _log_softmax_back_vjp(u: Any, xs: Any, out: Any, needs: Any, axis: int) -> Any:
    g, o = xs
    axes, v = _axes(o, axis), u * exp(o)
    return u - sum_p(v, axes, True) if needs[0] else None, -v * sum_p(g, axes, True) if needs[1] else None


log_softmax_back_p: Any = nary(
    "log_softmax_back",
    _log_softmax_back,
    _log_softmax_back_vjp,
    saves=("1", "01"),
    doc="The cotangent of log_softmax_p, from (g, log_softmax(x)).",
)
log_softmax_p: Any = param(
    "log_softmax",
    _log_softmax,
    _through(_log_softmax_back, log_softmax_back_p, _log_softmax_composed),
    saves="o",
    jvp=lambda ts, xs, o, axis: ts[0] - sum_p(exp(o) * ts[0], _axes(o, axis), True),
    doc="log(softmax(x)) along axis.",
)


@accelerated("logsumexp")
def _logsumexp(xp: Any, x: Any, axes: Shape, keepdim: bool) -> Any:
    if not x.size:
        return xp.log(add_up(xp.exp(x), axes, None, keepdim))
    m = (x.real if x.dtype.kind == "c" else x).max(axes, keepdims=True)
    m = xp.where(xp.isinf(m), xp.zeros((), m.dtype), m)  # inf - inf would be NaN
    s = xp.log(add_up(xp.exp(x - m), axes, None, True)) + m
    return s if keepdim else s.reshape(tuple(n for i, n in enumerate(x.shape) if i not in axes))


@accelerated("logsumexp_back")
def _logsumexp_back(xp: Any, g: Any, x: Any, o: Any, axes: Shape) -> Any:
    shape, keepdim = x.shape, len(o.shape) == len(x.shape)
    return spread(g, shape, axes, keepdim) * exp(x - spread(o, shape, axes, keepdim))


def _logsumexp_vjp(g: Any, x: Any, o: Any, axes: Shape, keepdim: bool) -> Any:
    if type(x) is type(g) is type(o) is np.ndarray:
        return _logsumexp_back(np, g, x, o, axes)
    shape = tuple(x.shape)
    return spread(g, shape, axes, keepdim) * exp(x - spread(o, shape, axes, keepdim))


logsumexp_p: Any = param(
    "logsumexp", _logsumexp, _logsumexp_vjp, saves="xo", doc="log(sum(exp(x))) over a tuple of axes."
)


# ---------------------------------------------------------------- arguments
def _prepared(input: Any, dim: Any, dtype: Any, axis: Any, op: str) -> tuple[Any, int]:
    input = as_tensor_arg(input, op)
    if axis is not None:
        dim = pick(dim, axis, op)
    if dtype is not None:
        input = cast(input, as_dtype(dtype, op))
    if input._dtype.kind != "f":
        raise DtypeError(
            f"{op}: input is {input._dtype.name}; a floating-point dtype is expected; pass dtype=retrograd.float32"
        )
    ndim = len(input._shape)
    if dim is None:
        dim = 0 if ndim in (0, 1, 3) else 1
        warnings.warn(
            f"{op}: dim was not given; dim={dim} is guessed from the rank as PyTorch does; pass dim explicitly",
            UserWarning,
            stacklevel=3,
        )
    return input, one_dim(dim, ndim, op)


_INF = float("inf")


def _samples() -> list[Any]:
    return [
        call(t(5), 0),
        call(t(3, 4), dim=1),
        call(t(3, 4), -2),
        call(t(2, 3, 4), dim=1),
        call(t(3, values=[1e4, -1e4, 1e4 - 1]), 0),
        call(t(2, 3, values=[[0.5, -_INF, 1.0], [2.0, 0.0, -_INF]], grad=False), dim=-1),
        call(t(), 0),
        call(t(0), 0),
        call(t(2, 0), dim=1),
        call(t(0, 3), dim=1),
        call(t(4), 0, dtype=D("float64")),
        call(t(3, dtype="int64", low=-3, high=3, grad=False), dim=0, dtype=D("float32")),
    ]


def _errors(name: str) -> Any:
    return lambda: [
        raises(IndexError, rf"{name}: dim 2 is out of range", t(2, 3), dim=2),
        raises(RuntimeError, rf"{name}: input is int64; .*dtype=", t(3, dtype="int64", grad=False), dim=0),
        raises(TypeError, rf"{name}: dim must be an int", t(2, 3), dim=1.5),
    ]


# ---------------------------------------------------------------- public functions
@public(samples=_samples, errors=_errors("softmax"))
def softmax(
    input: Tensor,
    dim: int | None = None,
    dtype: Dtype | None = None,
    *,
    out: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """softmax(x)[i] = exp(x[i]) / sum_j exp(x[j]) along `dim`: positive, sums to 1.

    `dtype` converts the input first; half types are computed in float32. Shapes: `(*, N, *)` to the same shape. Raises
    DtypeError (a TypeError and RuntimeError) for integers, IndexError for a dim that does not exist.

    >>> import retrograd as rg
    >>> rg.softmax(rg.tensor([1.0, 1.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    input, d = _prepared(input, dim, dtype, axis, "softmax")
    return into(out, softmax_p(input, d), "softmax")


@public(samples=_samples, errors=_errors("log_softmax"))
def log_softmax(
    input: Tensor,
    dim: int | None = None,
    dtype: Dtype | None = None,
    *,
    out: Tensor | None = None,
    axis: int | None = None,
) -> Tensor:
    """log_softmax(x)[i] = x[i] - log(sum_j exp(x[j])) along `dim`: more accurate than log(softmax(x)).

    Arguments, shapes and errors as in `softmax`.

    >>> import retrograd as rg
    >>> rg.log_softmax(rg.tensor([1.0, 1.0]), dim=0)
    tensor([-0.6931, -0.6931])
    """
    input, d = _prepared(input, dim, dtype, axis, "log_softmax")
    return into(out, log_softmax_p(input, d), "log_softmax")


@public(name="softmax", where="nn.functional", method=False, samples=_samples, errors=_errors("softmax"))
def functional_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """`retrograd.softmax` with the argument order of `torch.nn.functional`.

    >>> import retrograd as rg
    >>> rg.nn.functional.softmax(rg.tensor([1.0, 1.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    input, d = _prepared(input, dim, dtype, None, "softmax")
    return softmax_p(input, d)


@public(name="log_softmax", where="nn.functional", method=False, samples=_samples, errors=_errors("log_softmax"))
def functional_log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None
) -> Tensor:
    """`retrograd.log_softmax` with the argument order of `torch.nn.functional`.

    >>> import retrograd as rg
    >>> rg.nn.functional.log_softmax(rg.tensor([1.0, 1.0]), dim=0)
    tensor([-0.6931, -0.6931])
    """
    input, d = _prepared(input, dim, dtype, None, "log_softmax")
    return log_softmax_p(input, d)


@public(where="nn.functional", method=False, samples=_samples, errors=_errors("softmin"))
def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Dtype | None = None) -> Tensor:
    """softmin(x) = softmax(-x) along `dim`. Arguments, shapes and errors as in `softmax`.

    >>> import retrograd as rg
    >>> rg.nn.functional.softmin(rg.tensor([1.0, 1.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    input, d = _prepared(input, dim, dtype, None, "softmin")
    return softmax_p(-input, d)


@public(
    samples=lambda: [
        call(t(5), 0),
        call(t(3, 4), dim=1),
        call(t(3, 4), -1, True),
        call(t(2, 3, 4), dim=(0, 2)),
        call(t(2, 3, 4), dim=(-1, 0), keepdim=True),
        call(t(3, 4), axis=1, keepdims=True),
        call(t(3, values=[1e4, -1e4, 1e4 - 1]), 0),
        call(t(2, 2, values=[[-_INF, -_INF], [0.5, -_INF]], grad=False), dim=1),
        call(t(2, values=[_INF, 1.0], grad=False), 0),
        call(t(), 0),
        call(t(0), 0),
        call(t(2, 0), dim=1),
        call(t(3, dtype="int64", low=-3, high=3, grad=False), dim=0),
    ],
    errors=lambda: [
        raises(IndexError, r"logsumexp: dim 2 is out of range", t(2, 3), dim=2),
        raises(TypeError, r"logsumexp: dim is missing", t(2, 3)),
    ],
)
def logsumexp(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> Tensor:
    """log(sum(exp(x))) over the dimensions `dim`, without overflow; integers become the default dtype.

    Shapes: `(N, C, H, W)` with dim=(2, 3) to `(N, C)`, or `(N, C, 1, 1)` with keepdim. Raises TypeError without a dim,
    IndexError for one that does not exist.

    >>> import retrograd as rg
    >>> rg.logsumexp(rg.tensor([1000.0, 1000.0]), dim=0)
    tensor(1000.6932)
    """
    if dim is None and axis is None:
        raise TypeError("logsumexp: dim is missing; name the dimensions to sum over, as in logsumexp(x, dim=-1)")
    input, axes, keepdim = arguments(input, dim, keepdim, axis, keepdims, None, "logsumexp")
    return into(out, logsumexp_p(input, axes, keepdim), "logsumexp")
