"""Methods that fill a tensor with random numbers in place: uniform_, normal_, random_, bernoulli_, exponential_, ...

Each overwrites the tensor, keeps its shape and dtype, and returns it. A leaf that requires a gradient is refused unless
under `no_grad()`, as in every write in place; no gradient flows to the values that are overwritten.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import draws
from .. import dtypes as dt
from ..backend import xp_of
from ..core import TensorBase
from ..errors import DtypeError, ShapeError
from ..op import public
from ..random import Generator, as_generator
from ..samples import raises, t
from ..views import refuse, write_data
from .args import as_int
from .random import DIGITS, check_range, check_std, limits, number
from .sample import check_probabilities

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_", "random_", "uniform_",
]  # fmt: skip

_UNSET: Any = object()  # None has a meaning in random_


def _start(x: Any, op: str, generator: Any, kinds: str) -> tuple[Generator, Any]:
    """The generator and the array namespace, once it is known that x may be written and holds such numbers."""
    if x._dtype.kind not in kinds:
        names = {"f": "floating-point", "fc": "floating-point or complex", "buif": "real", "uif": "numeric, real"}
        raise DtypeError(f"{op}: the tensor is {x._dtype.name}; a {names[kinds]} dtype is expected")
    gen = as_generator(generator, op)
    refuse(x, op)
    return gen, xp_of(x._data)


def _fill(x: Any, a: Any, op: str) -> Any:
    write_data(x, a, op)
    return x


@public(
    where="Tensor",
    errors=lambda: [
        raises(RuntimeError, r"from=2 > to=1", t(2, grad=False), 2, 1),
        raises(RuntimeError, r"to = inf is out of bounds for float(32|64)", t(2, grad=False), 0, math.inf),
        raises(RuntimeError, r"the tensor is int64", t(2, dtype="int64")),
    ],
    differentiable=False,
)
def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with uniform numbers in [from_, to); floating-point or complex (both parts uniform).

    Raises RuntimeError where from_ > to, or where the dtype cannot hold them or their difference.

    >>> import retrograd as rg
    >>> x = rg.empty(100).uniform_(-2, 3)
    >>> bool(((x >= -2) & (x < 3)).all())
    True
    """
    low, high = number(from_, "uniform_", "from_"), number(to, "uniform_", "to")
    gen, xp = _start(self, "uniform_", generator, "fc")
    most = dt.finfo(self._dtype).max
    for name, value in (("from_", low), ("to", high)):
        if not -most <= value <= most:
            raise RuntimeError(f"uniform_: {name} = {value} is out of bounds for {self._dtype.name}")
    if low > high:
        raise RuntimeError(f"uniform_: expects to return a [from, to) range, but found from={low:g} > to={high:g}")
    if high - low > most:
        raise RuntimeError(
            f"uniform_: to - from is {high - low:g}, which {self._dtype.name} cannot hold (at most {most:g})"
        )
    return _fill(self, draws.uniform(gen, self._shape, self._dtype, xp, low, high), "uniform_")


@public(
    where="Tensor",
    errors=lambda: [
        raises(RuntimeError, r"std >= 0\.0, but found std -1", t(2, grad=False), 0, -1),
        raises(RuntimeError, r"the tensor is int64", t(2, dtype="int64")),
    ],
    differentiable=False,
)
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers; complex ones have variance std^2, half of it in each part.

    Raises RuntimeError for a negative std.

    >>> import retrograd as rg
    >>> rg.empty(2).normal_(mean=3, std=0)
    tensor([3., 3.])
    """
    m, s = number(mean, "normal_", "mean"), number(std, "normal_", "std")
    check_std(s, "normal_")
    gen, xp = _start(self, "normal_", generator, "fc")
    return _fill(self, draws.normal(gen, self._shape, self._dtype, xp, m, s), "normal_")


@public(
    where="Tensor",
    errors=lambda: [
        raises(RuntimeError, r"from=5 >= to=3", t(2, grad=False), 5, 3),
        raises(RuntimeError, r"299 is out of bounds for uint8", t(2, dtype="uint8", low=0), 300),
    ],
    differentiable=False,
)
def random_(self: Tensor, from_: Any = _UNSET, to: Any = _UNSET, *, generator: Generator | None = None) -> Tensor:
    """Fill with integers: `random_(to)` in [0, to), `random_(from_, to)` in [from_, to), `random_()` as wide as exact.

    Without `to` (or with None for it) the largest value is the dtype's, and for floating-point dtypes 2^24 (float32),
    2^53, 2^11 or 2^8, up to which they hold every integer. Raises RuntimeError for an empty range or one that the
    dtype cannot hold.

    >>> import retrograd as rg
    >>> x = rg.empty(100, dtype=rg.int32).random_(3, 6)
    >>> sorted(set(x.tolist()))
    [3, 4, 5]
    """
    if to is _UNSET:
        from_, to = (0, None) if from_ is _UNSET else (0, from_)
    low = 0 if from_ is _UNSET else as_int(from_, "random_", "from_")
    gen, xp = _start(self, "random_", generator, "buif")
    d = self._dtype
    if to is None:
        high = 1 + (1 << DIGITS[d.name] if d.kind == "f" else limits(d, "random_")[1])
    else:
        high = as_int(to, "random_", "to")
    check_range("random_", low, high, d)
    return _fill(self, draws.randint(gen, low, high, self._shape, d, xp), "random_")


@public(
    where="Tensor",
    errors=lambda: [
        raises(RuntimeError, r"p is 1\.5", t(2, grad=False), 1.5),
        raises(RuntimeError, r"between 0 and 1", t(2, grad=False), t(2, values=[0.5, 2.0], grad=False)),
        raises(RuntimeError, r"shape \(2,\).*\(3,\)", t(3, grad=False), t(2, values=[0.5, 1.0], grad=False)),
    ],
    differentiable=False,
)
def bernoulli_(self: Tensor, p: Tensor | float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with zeros and ones; p is the probability of a one, a number or a tensor that broadcasts to this one.

    Any real dtype. Raises RuntimeError for probabilities outside [0, 1].

    >>> import retrograd as rg
    >>> rg.empty(2, dtype=rg.int64).bernoulli_(rg.tensor([0.0, 1.0]))
    tensor([0, 1])
    """
    gen, xp = _start(self, "bernoulli_", generator, "buif")
    if isinstance(p, TensorBase):
        if p._dtype.kind != "f":
            raise DtypeError(f"bernoulli_: p is {p._dtype.name}; probabilities are floating-point numbers")
        q = p._data.astype(xp.float64)
        check_probabilities(q, "bernoulli_")
        try:
            q = xp.broadcast_to(q, self._shape)
        except ValueError:
            raise ShapeError(
                f"bernoulli_: p has the shape {tuple(p._shape)}, which does not broadcast to {tuple(self._shape)}"
            ) from None
    else:
        q = number(p, "bernoulli_", "p")
        if not 0.0 <= q <= 1.0:
            raise RuntimeError(f"bernoulli_: p is {q:g}; a probability between 0 and 1 is expected")
    return _fill(self, draws.bernoulli(gen, q, self._shape, self._dtype, xp), "bernoulli_")


@public(
    where="Tensor",
    errors=lambda: [
        raises(RuntimeError, r"lambd is 0", t(2, grad=False), 0),
        raises(RuntimeError, r"the tensor is int64", t(2, dtype="int64")),
    ],
    differentiable=False,
)
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with exponential numbers of density lambd e^(-lambd x), x > 0; floating-point.

    Raises RuntimeError for lambd <= 0.

    >>> import retrograd as rg
    >>> bool((rg.empty(100).exponential_() > 0).all())
    True
    """
    rate = number(lambd, "exponential_", "lambd")
    gen, xp = _start(self, "exponential_", generator, "f")
    if not rate > 0.0:
        raise RuntimeError(f"exponential_: lambd is {rate:g}; a rate above 0 is expected")
    return _fill(self, draws.exponential(gen, self._shape, self._dtype, xp, rate), "exponential_")


@public(
    where="Tensor",
    errors=lambda: [
        raises(RuntimeError, r"std is 0", t(2, grad=False), 1, 0),
        raises(RuntimeError, r"the tensor is int64", t(2, dtype="int64")),
    ],
    differentiable=False,
)
def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with e^z of normal numbers z of this mean and standard deviation; floating-point.

    Raises RuntimeError for std <= 0.

    >>> import retrograd as rg
    >>> bool((rg.empty(100).log_normal_() > 0).all())
    True
    """
    m, s = number(mean, "log_normal_", "mean"), number(std, "log_normal_", "std")
    if not s > 0.0:
        raise RuntimeError(f"log_normal_: std is {s:g}; a standard deviation above 0 is expected")
    gen, xp = _start(self, "log_normal_", generator, "f")
    wide = self._dtype if self._dtype.fast else dt.float32
    a = xp.exp(draws.normal(gen, self._shape, wide, xp, m, s)).astype(self._dtype.np, copy=False)
    return _fill(self, a, "log_normal_")


@public(
    where="Tensor",
    errors=lambda: [
        raises(RuntimeError, r"sigma is 0", t(2, grad=False), sigma=0),
        raises(RuntimeError, r"the tensor is int64", t(2, dtype="int64")),
    ],
    differentiable=False,
)
def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with Cauchy numbers of density sigma / (pi ((x - median)^2 + sigma^2)); floating-point.

    Raises RuntimeError for sigma <= 0.

    >>> import retrograd as rg
    >>> tuple(rg.empty(2, 3).cauchy_().shape)
    (2, 3)
    """
    m, s = number(median, "cauchy_", "median"), number(sigma, "cauchy_", "sigma")
    if not s > 0.0:
        raise RuntimeError(f"cauchy_: sigma is {s:g}; a scale above 0 is expected")
    gen, xp = _start(self, "cauchy_", generator, "f")
    return _fill(self, draws.cauchy(gen, self._shape, self._dtype, xp, m, s), "cauchy_")


@public(
    where="Tensor",
    errors=lambda: [raises(RuntimeError, r"p is 1;", t(2, grad=False), 1)],
    differentiable=False,
)
def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill with the number of trials, 1, 2, ..., until the first success of probability p; not for bool and complex.

    Raises RuntimeError unless 0 < p < 1.

    >>> import retrograd as rg
    >>> bool((rg.empty(100).geometric_(0.5) >= 1).all())
    True
    """
    q = number(p, "geometric_", "p")
    if not 0.0 < q < 1.0:
        raise RuntimeError(f"geometric_: p is {q:g}; a probability in (0, 1) is expected")
    gen, xp = _start(self, "geometric_", generator, "uif")
    return _fill(self, draws.geometric(gen, self._shape, self._dtype, xp, q), "geometric_")
