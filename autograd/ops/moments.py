"""Variance and standard deviation: var, std, var_mean, std_mean.

The formula subtracts the mean before it squares (two passes), so large offsets lose no digits. As in PyTorch the
standard deviation of equal numbers has gradient 0, and a variance with too few elements is NaN or infinite.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..backend import accelerated
from ..dtypes import dtype as Dtype
from ..errors import DtypeError
from ..op import param, public
from ..samples import call, raises, t
from .args import into
from .reduce import Dim, Shape, arguments, count, dim_errors, mean_p, reduction_samples, spread
from .sums import add_up

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["std", "std_mean", "std_p", "var", "var_mean", "var_p"]


# ---------------------------------------------------------------- primitives
@accelerated("variance")
def _var(xp: Any, x: Any, axes: Shape, keepdim: bool, correction: float) -> Any:
    n = count(x.shape, axes)
    d = x - add_up(x, axes, None, True) / n if n else x
    if d.dtype.kind == "c":
        squares = d.real * d.real + d.imag * d.imag
    else:
        squares = d * d
    s = add_up(squares, axes, None, keepdim)
    if n > correction:
        return s / (n - correction)
    # No degree of freedom: 0/0 is NaN and s/0 infinite, computed without a warning.
    return xp.where(s > 0, xp.full(s.shape, math.inf, s.dtype), xp.full(s.shape, math.nan, s.dtype))


def _deviation(g: Any, x: Any, axes: Shape, keepdim: bool, factor: float) -> Any:
    """spread(g * factor) * (x - mean): the shape of both gradients."""
    shape = tuple(x.shape)
    return spread(g * factor, shape, axes, keepdim) * (x - mean_p(x, axes, True))


def _var_vjp(g: Any, x: Any, o: Any, axes: Shape, keepdim: bool, correction: float) -> Any:
    dof = count(tuple(x.shape), axes) - correction
    return _deviation(g, x, axes, keepdim, 2.0 / dof if dof > 0 else math.inf)


var_p: Any = param(
    "var", _var, _var_vjp, saves="x", holomorphic=False, doc="The variance over a tuple of axes, with a correction."
)


def _std_vjp(g: Any, x: Any, o: Any, axes: Shape, keepdim: bool, correction: float) -> Any:
    dof = count(tuple(x.shape), axes) - correction
    # Where o is 0 the deviations are 0 as well: dividing by 1 there makes the gradient 0.
    return _deviation(g / (o + (o == 0)), x, axes, keepdim, 1.0 / dof if dof > 0 else math.inf)


std_p: Any = param(
    "std",
    lambda xp, x, axes, keepdim, correction: xp.sqrt(_var(xp, x, axes, keepdim, correction)),
    _std_vjp,
    saves="xo",
    holomorphic=False,
    doc="The standard deviation over a tuple of axes, with a correction.",
)


# ---------------------------------------------------------------- arguments
def _arguments(
    input: Any, dim: Any, unbiased: Any, keepdim: Any, correction: Any, axis: Any, keepdims: Any, op: str
) -> tuple[Tensor, Shape, bool, float]:
    """Both overloads: f(input, unbiased) and f(input, dim, unbiased, keepdim, *, correction)."""
    if isinstance(dim, bool):
        if unbiased is not None:
            raise TypeError(f"{op}: dim={dim} is a bool and unbiased={unbiased} is given too; dim must be ints")
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{op}: unbiased={unbiased} and correction={correction} say the same thing; give one of them")
    if isinstance(correction, Dtype) or isinstance(unbiased, Dtype):
        raise TypeError(f"{op}: takes no dtype; cast the input with .to(dtype)")
    x, axes, keepdim = arguments(input, dim, keepdim, axis, keepdims, None, op)
    if x._dtype.kind not in "fc":
        raise DtypeError(
            f"{op}: input is {x._dtype.name}; a floating-point or complex dtype is expected; cast it, as in x.float()"
        )
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    return x, axes, keepdim, correction


def _samples() -> list[Any]:
    return [
        # PyTorch's own gradient for dim=() divides by a count of none.
        *(c for c in reduction_samples() if c.args[0].shape not in ((), (1, 1)) and c.kwargs.get("dim") != ()),
        call(t(3, 4), dim=(), torch=False),
        call(t(3, 4), False),
        call(t(3, 4), unbiased=True),
        call(t(3, 4), 1, False),
        call(t(3, 4), 0, True, True),
        call(t(3, 4), (0, 1), unbiased=False, keepdim=True),
        call(t(3, 4), dim=1, correction=2),
        call(t(3, 4), correction=0, keepdim=True),
        call(t(3, 4), dim=None, correction=0.5),
        call(t(), correction=0),
        call(t(2, 1), 1, False),
        call(t(3, 4, low=999.0, high=1001.0), dim=1),
    ]


def _errors(name: str) -> Any:
    return lambda: [
        *dim_errors(name)(),
        raises(RuntimeError, rf"{name}: input is int64", t(3, dtype="int64", grad=False)),
        raises(TypeError, rf"{name}: unbiased=True and correction=0", t(3), 0, True, correction=0),
    ]


# ---------------------------------------------------------------- public functions
@public(samples=_samples, errors=_errors("var"))
def var(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    out: Tensor | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The variance: sum((x - mean)^2) / (N - correction), over all elements or the dimensions `dim`.

    `correction` is 1 (Bessel's) unless given; `unbiased=False` means 0. Also callable as `var(input, unbiased)`. The
    variance of complex numbers is real. Shapes: `(N, C, H, W)` with dim=(2, 3) to `(N, C)`, or `(N, C, 1, 1)` with
    keepdim. Raises DtypeError (a TypeError and RuntimeError) for integers, IndexError for a dim that does not exist.

    >>> import retrograd as rg
    >>> rg.var(rg.tensor([1.0, 2.0, 3.0])), rg.var(rg.tensor([1.0, 3.0]), correction=0)
    (tensor(1.), tensor(1.))
    """
    x, axes, keepdim, c = _arguments(input, dim, unbiased, keepdim, correction, axis, keepdims, "var")
    return into(out, var_p(x, axes, keepdim, c), "var")


@public(samples=_samples, errors=_errors("std"))
def std(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    out: Tensor | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> Tensor:
    """The standard deviation, the square root of `var` with the same arguments; its gradient is 0 where it is 0.

    >>> import retrograd as rg
    >>> rg.std(rg.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    x, axes, keepdim, c = _arguments(input, dim, unbiased, keepdim, correction, axis, keepdims, "std")
    return into(out, std_p(x, axes, keepdim, c), "std")


@public(samples=_samples, errors=_errors("var_mean"), method=False)
def var_mean(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """The pair (variance, mean), with the arguments of `var`.

    >>> import retrograd as rg
    >>> rg.var_mean(rg.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    x, axes, keepdim, c = _arguments(input, dim, unbiased, keepdim, correction, axis, keepdims, "var_mean")
    return var_p(x, axes, keepdim, c), mean_p(x, axes, keepdim)


@public(samples=_samples, errors=_errors("std_mean"), method=False)
def std_mean(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    axis: Dim = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """The pair (standard deviation, mean), with the arguments of `std`.

    >>> import retrograd as rg
    >>> rg.std_mean(rg.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    x, axes, keepdim, c = _arguments(input, dim, unbiased, keepdim, correction, axis, keepdims, "std_mean")
    return std_p(x, axes, keepdim, c), mean_p(x, axes, keepdim)
