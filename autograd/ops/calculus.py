"""Integrals and derivatives of sampled functions: trapezoid, trapz, cumulative_trapezoid, gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import xp_of
from ..core import TensorBase, as_tensor_arg, wrap
from ..dtypes import uint8
from ..errors import DtypeError, ShapeError
from ..op import public
from ..samples import call, raises, t
from .args import as_int, one_dim
from .arith import div, mul
from .cumulative import cumsum_p
from .join import cat
from .parts import broadcast
from .shape import getitem_p, reshape_p, sum_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["cumulative_trapezoid", "gradient", "trapezoid", "trapz"]


def _cut(x: Any, d: int, start: int | None, stop: int | None) -> Any:
    """x[..., start:stop, ...] along dimension d."""
    return getitem_p(x, (*(slice(None),) * d, slice(start, stop)))


# ---------------------------------------------------------------- integrals
def _step(dx: Any, op: str) -> float:
    if isinstance(dx, TensorBase) and dx._shape == () and dx._dtype.kind in "fiu":
        dx = dx._data.item()
    if isinstance(dx, (bool, complex)) or not isinstance(dx, (int, float)):
        raise DtypeError(f"{op}: dx must be a real number, got {type(dx).__name__}")
    return float(dx)


def _samples_of(y: Any, x: Any, dx: Any, dim: Any, op: str) -> tuple[Any, int, Any]:
    """The checked samples, the dimension, and the widths between them: a number, or a tensor that broadcasts."""
    y = as_tensor_arg(y, op)
    if y._dtype.kind == "b":
        raise DtypeError(f"{op}: y is bool; cast it, as in y.float()")
    nd = len(y._shape)
    if not nd:
        raise IndexError(f"{op}: y has 0 dimensions; at least one is expected, to integrate along")
    d = one_dim(dim, nd, op)
    if x is None:
        return y, d, _step(1 if dx is None else dx, op)
    if dx is not None:
        raise TypeError(f"{op}: x and dx are both given; they say the same thing, give one")
    x = as_tensor_arg(x, op)
    if x._dtype.kind == "b":
        raise DtypeError(f"{op}: x is bool; cast it, as in x.float()")
    n = y._shape[d]
    if len(x._shape) == 1:
        if x._shape[0] != n:
            raise ShapeError(f"{op}: x has {x._shape[0]} points but y {n} in dimension {d}; one for each is expected")
        x = reshape_p(x, (*(1,) * d, n, *(1,) * (nd - d - 1)))
    elif len(x._shape) < nd:
        x = reshape_p(x, (1,) * (nd - len(x._shape)) + tuple(x._shape))
    if n == 0:
        return y, d, 0.0
    if d >= len(x._shape):
        raise ShapeError(f"{op}: x of shape {tuple(x._shape)} has no dimension {d}")
    widths = _cut(x, d, 1, None) - _cut(x, d, None, -1)
    left = (*y._shape[:d], n - 1, *y._shape[d + 1 :])
    broadcast(op, tuple(widths._shape), left)  # an error that names both shapes
    return y, d, widths


def _trapezoid(y: Any, x: Any, dx: Any, dim: Any, op: str) -> Tensor:
    y, d, widths = _samples_of(y, x, dx, dim, op)
    if y._shape[d] == 0:
        return wrap(xp_of(y._data).zeros(y._shape[:d] + y._shape[d + 1 :], y._dtype.np))
    if isinstance(widths, float):
        ends = _cut(y, d, 0, 1) + _cut(y, d, -1, None)
        return (sum_p(y, (d,), False) - sum_p(ends, (d,), False) * 0.5) * widths
    return sum_p((_cut(y, d, None, -1) + _cut(y, d, 1, None)) * widths, (d,), False) / 2.0


def _integral_samples() -> list[Any]:
    return [
        call(t(5)),
        call(t(3, 5), dx=0.5, dim=0),
        call(t(3, 5), dim=-1, dx=2),
        call(t(2, 3, 4), t(3), dim=1),
        call(t(3, 5), t(5)),
        call(t(3, 5), t(3, 5)),
        call(t(2, 3, 4), t(3, 4), dim=-1),
        call(t(3, 5), t(1, 5), dim=1),
        call(t(1)),
        call(t(4, dtype="int64", low=-5, high=5)),
        call(t(4, dtype="int64", low=-5, high=5), t(4, dtype="int64", values=[0, 1, 3, 7])),
    ]


def _integral_errors(name: str) -> Any:
    return lambda: [
        raises(RuntimeError, rf"{name}: x has 2 points but y 3", t(3), t(2)),
        raises(RuntimeError, rf"{name}: .*do not broadcast", t(3, 4), t(2, 4)),
        raises(IndexError, rf"{name}: dim 2", t(2, 3), dim=2),
        raises(IndexError, rf"{name}: y has 0 dimensions", t()),
        raises(RuntimeError, rf"{name}: y is bool", t(3, dtype="bool")),
        raises(TypeError, rf"{name}: x and dx are both given", t(3), t(3), dx=1.0),
    ]


@public(
    method=False,
    samples=lambda: [*_integral_samples(), call(t(0)), call(t(0, 2), dim=0), call(t(2, 0), t(0))],
    errors=_integral_errors("trapezoid"),
    ref=lambda y, x=None, dx=None, dim=-1: np.trapezoid(y, x, 1.0 if dx is None else dx, dim),
)
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The integral by the trapezoidal rule, sum_k (y[k] + y[k + 1]) / 2 (x[k + 1] - x[k]), along `dim`.

    x: the places of the samples, (N,) or a shape whose differences broadcast with those of y; or dx, the distance of
    equally spaced ones (1 by default). Shapes: y `(*, N, *)` to `(*, *)`; no sample gives 0. Integers become the default
    dtype. Differentiable in y and x. Raises RuntimeError for bools and for an x that does not fit.

    >>> import retrograd as rg
    >>> rg.trapezoid(rg.tensor([1.0, 2.0, 4.0])), rg.trapezoid(rg.tensor([1.0, 2.0]), rg.tensor([0.0, 3.0]))
    (tensor(4.5000), tensor(4.5000))
    """
    return _trapezoid(y, x, dx, dim, "trapezoid")


@public(method=False, samples=_integral_samples, errors=_integral_errors("trapz"))
def trapz(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """Another name of `trapezoid`.

    >>> import retrograd as rg
    >>> rg.trapz(rg.tensor([1.0, 2.0, 4.0]), dx=2)
    tensor(9.)
    """
    return _trapezoid(y, x, dx, dim, "trapz")


@public(method=False, samples=_integral_samples, errors=_integral_errors("cumulative_trapezoid"))
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The running integrals of `trapezoid`, from the first sample to each later one: `(*, N, *)` to `(*, N - 1, *)`.

    Arguments and errors as in `trapezoid`.

    >>> import retrograd as rg
    >>> rg.cumulative_trapezoid(rg.tensor([1.0, 2.0, 4.0]))
    tensor([1.5000, 4.5000])
    """
    y, d, widths = _samples_of(y, x, dx, dim, "cumulative_trapezoid")
    pairs = _cut(y, d, None, -1) + _cut(y, d, 1, None)
    if isinstance(widths, float):
        return cumsum_p(pairs * (widths / 2.0), d, False)
    return cumsum_p(pairs * widths, d, False) / 2.0


# ---------------------------------------------------------------- derivatives
def _uniform(x: Any, d: int, h: float, edge_order: int) -> Any:
    """Differences of samples at the distance h: central inside, one-sided at the edges."""
    inner = div(_cut(x, d, 2, None) - _cut(x, d, None, -2), h) / 2
    if edge_order == 1:
        first = div(_cut(x, d, 1, 2) - _cut(x, d, 0, 1), h)
        last = div(_cut(x, d, -1, None) - _cut(x, d, -2, -1), h)
    else:
        first = (_cut(x, d, 0, 1) * -1.5 + _cut(x, d, 1, 2) * 2.0 - _cut(x, d, 2, 3) * 0.5) / h
        last = (_cut(x, d, -1, None) * 1.5 - _cut(x, d, -2, -1) * 2.0 + _cut(x, d, -3, -2) * 0.5) / h
    return cat((first, inner, last), d)


def _placed(x: Any, d: int, at: Any, edge_order: int) -> Any:
    """Differences of samples at the places `at` (N,): of second order inside, where the parabola through three goes."""
    h = getitem_p(at, (slice(1, None),)) - getitem_p(at, (slice(None, -1),))

    def three(h1: Any, h2: Any, a: Any, b: Any, c: Any, side: int) -> Any:
        """The slope of the parabola through three neighbours at the first (-1), middle (0) or last (1) of them."""
        both = h1 + h2
        if side < 0:
            wa, wb, wc = -(h1 + both) / (h1 * both), both / (h1 * h2), -h1 / (h2 * both)
        elif side == 0:
            wa, wb, wc = -h2 / (h1 * both), (h2 - h1) / (h1 * h2), h1 / (h2 * both)
        else:
            wa, wb, wc = h2 / (h1 * both), -both / (h1 * h2), (h2 + both) / (h2 * both)
        shape = (*(1,) * d, -1, *(1,) * (len(x._shape) - d - 1))
        return reshape_p(wa, shape) * a + reshape_p(wb, shape) * b + reshape_p(wc, shape) * c

    before, after = getitem_p(h, (slice(None, -1),)), getitem_p(h, (slice(1, None),))
    inner = three(before, after, _cut(x, d, None, -2), _cut(x, d, 1, -1), _cut(x, d, 2, None), 0)
    h_first, h_last = getitem_p(h, (slice(0, 1),)), getitem_p(h, (slice(-1, None),))
    if edge_order == 1:
        shape = (1,) * len(x._shape)
        first = div(_cut(x, d, 1, 2) - _cut(x, d, 0, 1), reshape_p(h_first, shape))
        last = div(_cut(x, d, -1, None) - _cut(x, d, -2, -1), reshape_p(h_last, shape))
    else:
        h_second, h_before = getitem_p(h, (slice(1, 2),)), getitem_p(h, (slice(-2, -1),))
        first = three(h_first, h_second, _cut(x, d, 0, 1), _cut(x, d, 1, 2), _cut(x, d, 2, 3), -1)
        last = three(h_before, h_last, _cut(x, d, -3, -2), _cut(x, d, -2, -1), _cut(x, d, -1, None), 1)
    return cat((first, inner, last), d)


def _spacings(spacing: Any, dims: tuple[int, ...]) -> list[Any]:
    """One number or tensor of places for each dimension."""
    spacing = 1 if spacing is None else spacing
    if isinstance(spacing, (tuple, list)):
        if len(spacing) != len(dims):
            raise ShapeError(
                f"gradient: spacing has {len(spacing)} entries for {len(dims)} dimensions; give one for each, or a number"
            )
        return list(spacing)
    if isinstance(spacing, TensorBase) and spacing._shape:
        raise TypeError("gradient: spacing is a tensor; give a number, or a sequence of numbers or of 1-d tensors")
    return [spacing] * len(dims)


@public(
    method=False,
    samples=lambda: [
        call(t(5)),
        call(t(3, 4)),
        call(t(3, 4), spacing=2.0),
        call(t(3, 4), spacing=0.5, edge_order=2),
        call(t(3, 4), spacing=[2, 3.0], dim=(1, 0)),
        call(t(3, 4), dim=-1, edge_order=2),
        call(t(3, 4), spacing=(t(4, values=[0.0, 1.0, 3.0, 4.5]),), dim=1),
        call(t(3, 5), spacing=(t(3, values=[0.0, 2.0, 3.0]), t(5, values=[0.0, 1.0, 3.0, 3.5, 5.0])), edge_order=2),
        call(t(4, dtype="int64", values=[1, 2, 4, 7])),
        call(t(2)),
        call(t()),
    ],
    errors=lambda: [
        raises(RuntimeError, r"gradient: edge_order is 3", t(4), edge_order=3),
        raises(RuntimeError, r"gradient: dimension 0 .* size 1; .* 2", t(1)),
        raises(RuntimeError, r"gradient: dimension 0 .* size 2; .* 3", t(2, 3), edge_order=2),
        raises(RuntimeError, r"gradient: spacing has 1 entries for 2", t(3, 4), spacing=[2.0]),
        raises(RuntimeError, r"gradient: dim 0 appears more than once", t(3, 4), dim=(0, -2)),
        raises(RuntimeError, r"gradient: input is uint8", t(4, dtype="uint8", low=0)),
        raises(RuntimeError, r"gradient: .*\(2, 2\).* 1-d", t(4), spacing=[t(2, 2)]),
        raises(TypeError, r"gradient: spacing is a tensor", t(4), spacing=t(4)),
    ],
)
def gradient(
    input: Tensor,
    *,
    spacing: float | Sequence[Any] | None = 1,
    dim: int | Sequence[int] | None = None,
    edge_order: int = 1,
) -> tuple[Tensor, ...]:
    """The derivatives of a sampled function along dimensions (all by default), a tuple of tensors like `input`.

    Inside from both neighbours, exact for parabolas; at the edges one-sided from edge_order + 1 samples (1 or 2).
    spacing: the distance of the samples, a number for all dimensions or one for each; or for each the places of its
    samples, a 1-d tensor. Integers become the default dtype. Raises RuntimeError for dimensions with fewer than
    edge_order + 1 samples and for spacings that do not fit.

    Reference: Fornberg, Generation of Finite Difference Formulas on Arbitrarily Spaced Grids, 1988.

    >>> import retrograd as rg
    >>> rg.gradient(rg.tensor([1.0, 2.0, 4.0, 7.0]))
    (tensor([1.0000, 1.5000, 2.5000, 3.0000]),)
    """
    x = as_tensor_arg(input, "gradient")
    if x._dtype is uint8 or x._dtype.kind == "b":
        raise DtypeError(f"gradient: input is {x._dtype.name}, which has no negative differences; cast it")
    nd = len(x._shape)
    k = as_int(edge_order, "gradient", "edge_order")
    if k not in (1, 2):
        raise ShapeError(f"gradient: edge_order is {k}; 1 and 2 are possible")
    if dim is None:
        where = tuple(range(nd))
    else:
        where = tuple(one_dim(d, nd, "gradient") for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    for i, d in enumerate(where):
        if d in where[:i]:
            raise ShapeError(f"gradient: dim {d} appears more than once in {dim}; name every dimension once")
        if not nd or x._shape[d] < k + 1:
            n = x._shape[d] if nd else 1
            raise ShapeError(
                f"gradient: dimension {d} of shape {tuple(x._shape)} has size {n}; edge_order={k} needs {k + 1} or more"
            )
    found = []
    for d, s in zip(where, _spacings(spacing, where), strict=True):
        if isinstance(s, TensorBase) and s._shape:
            if s._shape != (x._shape[d],):
                raise ShapeError(
                    f"gradient: the places in spacing have the shape {tuple(s._shape)}; a 1-d tensor ({x._shape[d]},) is "
                    f"expected for dimension {d}"
                )
            found.append(_placed(x, d, s if s._dtype.kind in "fc" else mul(s, 1.0), k))
        else:
            found.append(_uniform(x, d, s._data.item() if isinstance(s, TensorBase) else s, k))
    return tuple(found)
