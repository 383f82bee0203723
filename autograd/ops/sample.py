"""Random tensors drawn by the values of others: bernoulli, multinomial, normal, poisson.

PyTorch gives bernoulli, normal and poisson a gradient function whose gradients are zeros, so their primitives have one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import draws, generic
from .. import dtypes as dt
from ..backend import by_xp, xp_of
from ..core import TensorBase, as_tensor_arg, wrap
from ..device import device
from ..errors import DtypeError, ShapeError
from ..op import nary, param, public
from ..random import Generator, State, as_generator, at, branch
from ..samples import raises, t
from .args import as_int, shape_arg
from .random import check_std, continuous, done, non_negative, number, place
from .shape import expand_p, sum_to

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["bernoulli", "multinomial", "normal", "poisson"]


# ---------------------------------------------------------------- primitives
def _zero(g: Any, x: Any, o: Any, *p: Any) -> Any:
    return g * 0


bernoulli_p = param(
    "bernoulli",
    lambda xp, x, state: draws.bernoulli(at(state), x, x.shape, dt.of(x.dtype), xp),
    _zero,
    jvp=lambda ts, xs, o, state: ts[0] * 0,
    doc="Ones with the probabilities x, zeros elsewhere, drawn at `state`.",
)


def _poisson(xp: Any, x: Any, state: State) -> Any:
    return draws.poisson(branch(state), x.astype(xp.float64), xp, by_xp(xp).special("gammaln")).astype(x.dtype)


poisson_p = param(
    "poisson",
    _poisson,
    _zero,
    jvp=lambda ts, xs, o, state: ts[0] * 0,
    doc="Poisson counts of the rates x, drawn at `state`.",
)


def _normal(xp: Any, xs: Any, shape: tuple[int, ...], state: State) -> Any:
    mean, std = xs
    d = dt.of(mean.dtype)
    return (draws.normal(at(state), shape, d, xp) * std + mean).astype(d.np, copy=False)


def _normal_vjp(g: Any, xs: Any, o: Any, needs: Any, *p: Any) -> Any:
    zero = g * 0
    return tuple(sum_to(zero, x) if need is not None else None for x, need in zip(xs, needs, strict=True))


normal_p = nary(
    "normal",
    _normal,
    _normal_vjp,
    jvp=lambda ts, xs, o, shape, state: expand_p(next(t for t in ts if t is not None) * 0, shape),
    doc="Normal numbers of means and standard deviations (mean, std) that broadcast to `shape`, drawn at `state`.",
)


# ---------------------------------------------------------------- public functions
def check_probabilities(a: Any, op: str) -> None:
    """Refuse what is not in [0, 1]; on a GPU this is left away, because looking would stall it."""
    if type(a) is np.ndarray and not bool(((a >= 0) & (a <= 1)).all()):
        raise RuntimeError(
            f"{op}: probabilities must be between 0 and 1, but values from {a.min()} to {a.max()} were given; "
            "pass logits through sigmoid first"
        )


@public(
    errors=lambda: [
        raises(RuntimeError, r"between 0 and 1", t(2, values=[0.5, 2.0])),
        raises(RuntimeError, r"input is int64", t(2, dtype="int64")),
        raises(RuntimeError, r"p is 1\.5", t(2), 1.5),
        raises(TypeError, r"p must be a number", t(2), "a"),
    ],
    differentiable=False,
)
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Tensor | None = None
) -> Tensor:
    """Zeros and ones: ones with the probabilities in `input`, or with probability p everywhere.

    input: any shape, floating-point, values in [0, 1]; with p only its shape and dtype count. The result has the dtype
    of `input`, and no gradient flows through it (its gradients are zeros, as in PyTorch).

    >>> import retrograd as rg
    >>> rg.bernoulli(rg.tensor([0.0, 1.0])), rg.bernoulli(rg.zeros(2), 1.0)
    (tensor([0., 1.]), tensor([1., 1.]))
    """
    x = as_tensor_arg(input, "bernoulli")
    gen = as_generator(generator, "bernoulli")
    n = math.prod(x._shape)
    xp = xp_of(x._data)
    if p is not None:
        q = number(p, "bernoulli", "p")
        if not 0.0 <= q <= 1.0:
            raise RuntimeError(f"bernoulli: p is {q:g}; a probability between 0 and 1 is expected")
        d = x._dtype if out is None else out._dtype
        if d.kind == "c":
            raise DtypeError(f"bernoulli: {d.name} is not supported; use a real dtype")
        a = draws.below(xp, n, q, gen.reserve(n)).reshape(x._shape).astype(d.np)
        return done("bernoulli", a, out, False)
    if x._dtype.kind != "f":
        raise DtypeError(
            f"bernoulli: input is {x._dtype.name}; probabilities are floating-point numbers; cast them, or give p"
        )
    check_probabilities(x._data, "bernoulli")
    state = gen.reserve(n)
    if out is None:
        return bernoulli_p(x, state)
    return done("bernoulli", bernoulli_p(x._data, state).astype(out._dtype.np), out, False)


@public(
    errors=lambda: [
        raises(RuntimeError, r"shape \(2, 3, 4\).*1 or 2 dimensions", t(2, 3, 4, low=0.1), 2),
        raises(RuntimeError, r"num_samples is 0", t(3, low=0.1), 0),
        raises(RuntimeError, r"cannot draw 4 of 3 categories", t(3, low=0.1), 4),
        raises(RuntimeError, r"2 samples.*1 category", t(3, values=[1.0, 0.0, 0.0]), 2),
        raises(RuntimeError, r"infinite, NaN or negative", t(3, values=[1.0, -1.0, 0.0]), 1),
        raises(RuntimeError, r"sum to 0", t(3, values=[0.0, 0.0, 0.0]), 1, True),
        raises(RuntimeError, r"input is int64", t(3, dtype="int64", low=1, high=4), 1),
    ],
    differentiable=False,
)
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Draw num_samples categories from each row of weights, which need not sum to one; int64.

    input: (C,) gives (num_samples,), (N, C) gives (N, num_samples); floating-point, finite, not negative. Without
    replacement a row needs num_samples weights that are not zero, and the order is that of drawing one at a time.

    >>> import retrograd as rg
    >>> rg.multinomial(rg.tensor([0.0, 2.0, 0.0]), 3, replacement=True)
    tensor([1, 1, 1])
    """
    x = as_tensor_arg(input, "multinomial")
    k = as_int(num_samples, "multinomial", "num_samples")
    gen = as_generator(generator, "multinomial")
    if x._dtype.kind != "f":
        raise DtypeError(f"multinomial: input is {x._dtype.name}; only floating-point weights are supported")
    if len(x._shape) not in (1, 2):
        raise ShapeError(f"multinomial: the weights have shape {tuple(x._shape)}; 1 or 2 dimensions are expected")
    if k <= 0:
        raise RuntimeError(f"multinomial: num_samples is {k}; at least 1 is expected")
    if out is not None and out._dtype is not dt.int64:
        raise DtypeError(f"multinomial: out is {out._dtype.name}; categories are int64")
    categories = x._shape[-1]
    if not replacement and k > categories:
        raise RuntimeError(
            f"multinomial: cannot draw {k} of {categories} categories without replacement; pass replacement=True"
        )
    xp = xp_of(x._data)
    weights = x._data.astype(xp.float64).reshape(-1, categories)
    rows = weights.shape[0]
    if type(weights) is np.ndarray:  # on a GPU looking would stall
        _check_weights(weights, k, replacement)
    if rows == 0:
        found = xp.zeros((0, k), dtype=xp.int64)
    elif replacement:
        found = _with_replacement(gen, weights, k, xp)
    else:
        # The first of exponential clocks with these rates to ring is a category drawn by weight, and so on.
        u = draws.open_uniform(gen, rows * categories, xp).reshape(rows, categories)
        times = xp.where(weights > 0, -xp.log(u) / xp.where(weights > 0, weights, 1.0), math.inf)
        found = xp.argsort(times, axis=1)[:, :k]
    shape = (*x._shape[:-1], k)
    return done("multinomial", xp.ascontiguousarray(found.reshape(shape)).astype(xp.int64, copy=False), out, False)


def _check_weights(weights: np.ndarray, k: int, replacement: bool) -> None:
    if not bool((np.isfinite(weights) & (weights >= 0)).all()):
        raise RuntimeError("multinomial: a weight is infinite, NaN or negative; pass logits through softmax first")
    if not weights.shape[0]:
        return
    positive = (weights > 0).sum(axis=1)
    if not bool((positive > 0).all()):
        raise RuntimeError(
            f"multinomial: the weights of row {int(positive.argmin())} sum to 0; at least one must be positive"
        )
    if not replacement and int(positive.min()) < k:
        raise RuntimeError(
            f"multinomial: {k} samples without replacement were asked of row {int(positive.argmin())}, which has "
            f"{int(positive.min())} {'category' if positive.min() == 1 else 'categories'} of positive weight; pass "
            "replacement=True or draw fewer"
        )


def _with_replacement(gen: Generator, weights: Any, k: int, xp: Any) -> Any:
    """Inversion, one search for all rows: row r has its distribution function in r to r + 1.

    A category of weight 0 is an empty step of the function and never found. u has 32 bits, so that r + u is exact.
    """
    rows, categories = weights.shape
    cdf = xp.cumsum(weights / weights.max(axis=1, keepdims=True), axis=1)
    cdf /= cdf[:, -1:]
    row = xp.arange(rows, dtype=xp.float64)[:, None]
    u = draws.open_uniform(gen, rows * k, xp, wide=False).reshape(rows, k)
    found = xp.searchsorted((cdf + row).reshape(-1), (u + row).reshape(-1), side="right").reshape(rows, k)
    return found - (xp.arange(rows) * categories)[:, None]


@public(
    method=False,
    errors=lambda: [
        raises(RuntimeError, r"std >= 0\.0, but found std -1", 0.0, -1.0, (2,)),
        raises(RuntimeError, r"all elements of std >= 0", t(2), t(2, values=[1.0, -1.0])),
        raises(TypeError, r"size is needed", 0.0, 1.0),
        raises(RuntimeError, r"shapes \(2,\) and \(3,\)", t(2), t(3, low=0.5)),
        raises(RuntimeError, r"mean is int64", t(2, dtype="int64"), t(2, low=0.5)),
        raises(TypeError, r"size, dtype and device belong to", t(2), 1.0, (2,)),
    ],
    differentiable=False,
)
def normal(
    mean: Tensor | float = 0.0,
    std: Tensor | float = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: str | int | device | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal numbers of these means and standard deviations.

    `normal(mean, std)` with one or two tensors broadcasts them and has the dtype of `mean` (of `std` where mean is a
    number); `normal(mean, std, size)` with two numbers makes a tensor of that shape. Raises a RuntimeError that is also
    a ValueError for a negative std. No gradient flows (the gradients are zeros, as in PyTorch).

    >>> import retrograd as rg
    >>> tuple(rg.normal(rg.zeros(2, 1), rg.ones(3)).shape), tuple(rg.normal(2.0, 3.0, (1, 4)).shape)
    ((2, 3), (1, 4))
    """
    gen = as_generator(generator, "normal")
    if not isinstance(mean, TensorBase) and not isinstance(std, TensorBase):
        if size is None:
            raise TypeError("normal: size is needed where mean and std are numbers; write normal(mean, std, (2, 3))")
        if isinstance(size, (int, float, str)):
            raise TypeError(f"normal: size must be a tuple of ints, got {type(size).__name__}; write ({size!r},)")
        m, s = number(mean, "normal", "mean"), number(std, "normal", "std")
        check_std(s, "normal")
        shape = non_negative("normal", shape_arg((size,), "normal"))
        d, xp = place("normal", dtype, layout, device, out, dt.get_default_dtype())
        continuous("normal", d)
        return done("normal", draws.normal(gen, shape, d, xp, m, s), out, requires_grad)
    if size is not None or dtype is not None or device is not None or requires_grad:
        raise TypeError(
            "normal: size, dtype and device belong to normal(number, number, size); tensors bring their own"
        )
    x, y = _pair(mean, std)
    try:
        shape = np.broadcast_shapes(x._shape, y._shape)
    except ValueError:
        raise ShapeError(
            f"normal: mean and std have the shapes {tuple(x._shape)} and {tuple(y._shape)}, which do not broadcast"
        ) from None
    if type(y._data) is np.ndarray and not bool((y._data >= 0).all()):
        raise RuntimeError("normal: normal expects all elements of std >= 0.0; take abs() or exp() of it")
    state = gen.reserve(draws.normal_words(math.prod(shape), x._dtype))
    if out is None:
        return normal_p((x, y), shape, state)
    return done("normal", normal_p((x._data, y._data), shape, state), out, False)


def _pair(mean: Any, std: Any) -> tuple[Any, Any]:
    """Mean and standard deviation as tensors of one dtype."""
    if not isinstance(mean, TensorBase):
        d, xp = std._dtype, xp_of(std._data)
        mean = wrap(xp.asarray(np.asarray(number(mean, "normal", "mean"), dtype=d.np)))
    elif not isinstance(std, TensorBase):
        s = number(std, "normal", "std")
        check_std(s, "normal")
        d, xp = mean._dtype, xp_of(mean._data)
        std = wrap(xp.asarray(np.asarray(s, dtype=d.np)))
    if mean._dtype.kind not in "fc":
        raise DtypeError(f"normal: mean is {mean._dtype.name}; a floating-point dtype is expected, as in mean.float()")
    if std._dtype.kind == "c":
        raise DtypeError("normal: std is complex; a real dtype is expected")
    if std._dtype is not mean._dtype:
        std = generic.cast(std, mean._dtype)
    return mean, std


@public(
    method=False,
    errors=lambda: [
        raises(RuntimeError, r"rates must be 0 or more", t(2, values=[1.0, -1.0])),
        raises(RuntimeError, r"input is int64", t(2, dtype="int64")),
    ],
    differentiable=False,
)
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson counts of the rates in `input` (any shape, floating-point, 0 or more), in its dtype.

    Rates below 10 by inversion, others by transformed rejection: Hormann, "The transformed rejection method for
    generating Poisson random variables" (1993). No gradient flows (the gradients are zeros, as in PyTorch).

    >>> import retrograd as rg
    >>> rg.poisson(rg.zeros(2))
    tensor([0., 0.])
    """
    x = as_tensor_arg(input, "poisson")
    gen = as_generator(generator, "poisson")
    if x._dtype.kind != "f":
        raise DtypeError(f"poisson: input is {x._dtype.name}; rates are floating-point numbers, as in x.float()")
    a = x._data
    if type(a) is np.ndarray and not bool((a >= 0).all()):
        raise RuntimeError("poisson: invalid Poisson rate; rates must be 0 or more")
    return poisson_p(x, gen.reserve(4))
