"""Binomial counts drawn by the values of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backend import by_xp, xp_of
from ..core import as_tensor_arg, wrap
from ..draws import open_uniform
from ..errors import DtypeError
from ..op import public
from ..random import Generator, as_generator, branch
from ..samples import raises, t
from .args import into, same_library
from .parts import broadcast

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["binomial"]


def _few(gen: Generator, n: Any, q: Any, xp: Any) -> Any:
    """Inversion, for n q < 10 and q <= 1/2: count how many partial sums of the probabilities lie below u."""
    u = open_uniform(gen, n.size, xp).reshape(n.shape)
    odds = q / (1.0 - q)
    term = xp.exp(n * xp.log1p(-q))
    total = term.copy()
    k = xp.zeros(n.shape, dtype=xp.float64)
    for i in range(1, 110):  # by then the sum is 1 in float64
        more = (u > total) & (k < n)
        if not bool(more.any()):
            break
        k += more
        term = term * (xp.maximum(n - (i - 1), 0.0) / i * odds)
        total = total + term
    return k


def _many(gen: Generator, n: Any, q: Any, xp: Any, log_gamma: Any) -> Any:
    """Hormann's transformed rejection BTRS, for n q >= 10 and q <= 1/2, until the last element is accepted."""
    deviation = xp.sqrt(n * q * (1.0 - q))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * q
    v_r = 0.92 - 4.2 / b
    alpha = (2.83 + 5.1 / b) * deviation
    middle = xp.floor((n + 1.0) * q)
    peak = log_gamma(middle + 1.0) + log_gamma(n - middle + 1.0)
    log_odds = xp.log(q / (1.0 - q))
    out = xp.zeros(n.shape, dtype=xp.float64)
    open_ = xp.ones(n.shape, dtype=xp.bool_)
    while bool(open_.any()):
        u, v = open_uniform(gen, 2 * n.size, xp).reshape(2, *n.shape)
        u = u - 0.5
        us = 0.5 - xp.abs(u)
        k = xp.floor((2.0 * a / us + b) * u + n * q + 0.5)
        inside = (k >= 0.0) & (k <= n)
        kept = xp.minimum(xp.maximum(k, 0.0), n)
        ratio = peak - log_gamma(kept + 1.0) - log_gamma(n - kept + 1.0) + (kept - middle) * log_odds
        exact = xp.log(v * alpha / (a / (us * us) + b)) <= ratio
        take = open_ & inside & (((us >= 0.07) & (v <= v_r)) | exact)
        out = xp.where(take, k, out)
        open_ = open_ & ~take
    return out


def _counts(gen: Generator, count: Any, prob: Any, xp: Any) -> Any:
    """Counts, float64, of the float64 arrays count and prob (equal shapes)."""
    unknown = ~(xp.isfinite(count) & (prob == prob))
    none, all_ = (count <= 0) | (prob <= 0), prob >= 1
    plain = ~(unknown | none | all_)
    n = xp.where(plain, xp.floor(xp.where(plain, count, 1.0)), 1.0)
    p = xp.where(plain, prob, 0.25)
    flip = p > 0.5
    q = xp.where(flip, 1.0 - p, p)
    few = n * q < 10.0
    k = xp.zeros(n.shape, xp.float64)
    if bool(few.any()):
        k = _few(gen, xp.where(few, n, 1.0), xp.where(few, q, 0.25), xp)
    if not bool(few.all()):
        big = _many(gen, xp.where(few, 100.0, n), xp.where(few, 0.25, q), xp, by_xp(xp).special("gammaln"))
        k = xp.where(few, k, big)
    k = xp.where(flip, n - k, k)
    k = xp.where(none, 0.0, xp.where(all_, count, k))
    return xp.where(unknown, xp.nan, k)


@public(
    method=False,
    errors=lambda: [
        raises(RuntimeError, r"binomial: count is int64", t(2, dtype="int64", low=1, high=5), t(2, grad=False)),
        raises(RuntimeError, r"binomial: prob is float64 but count float32", t(2, grad=False), t(2, dtype="float64")),
        raises(RuntimeError, r"binomial: .*do not broadcast", t(2, grad=False), t(3, grad=False)),
        raises(TypeError, r"binomial: a Tensor is expected", t(2, grad=False), 0.5),
    ],
    differentiable=False,
)
def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None, *, out: Tensor | None = None) -> Tensor:
    """Numbers of successes in `count` trials, each with the probability `prob`; both floating-point, of one dtype.

    Shapes broadcast, and the result has the dtype of `count`. Below 10 expected successes by inversion, else by
    transformed rejection: Hormann, "The generation of binomial random variates" (1993). Probabilities outside [0, 1]
    count as 0 or 1; NaN gives NaN. There is no gradient. Raises RuntimeError for other dtypes.

    >>> import retrograd as rg
    >>> rg.binomial(rg.tensor([10.0, 10.0]), rg.tensor([0.0, 1.0]))
    tensor([ 0., 10.])
    """
    op = "binomial"
    n, p = as_tensor_arg(count, op), as_tensor_arg(prob, op)
    gen = as_generator(generator, op)
    for v, name in ((n, "count"), (p, "prob")):
        if v._dtype.kind != "f":
            raise DtypeError(
                f"{op}: {name} is {v._dtype.name}; a floating-point dtype is expected, as in {name}.float()"
            )
    if n._dtype is not p._dtype:
        raise DtypeError(f"{op}: prob is {p._dtype.name} but count {n._dtype.name}; the same dtype is expected")
    xp = xp_of(n._data)
    shape = broadcast(op, tuple(n._shape), tuple(p._shape))
    trials = xp.broadcast_to(n._data.astype(xp.float64), shape)
    chances = xp.broadcast_to(same_library(p._data, xp, op, "prob").astype(xp.float64), shape)
    r = _counts(branch(gen.reserve(4)), trials, chances, xp)
    return into(out, wrap(xp.asarray(r).astype(n._dtype.np)), op)
