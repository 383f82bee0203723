"""Losses that are divergences or likelihoods of distributions: kl_div, poisson_nll_loss, gaussian_nll_loss."""

from __future__ import annotations

import math as _math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import of
from ..core import as_tensor_arg
from ..errors import ShapeError
from ..op import binary, public
from ..samples import call, raises, t
from .loss import same_shape
from .loss_reduction import reduced, reduction_arg
from .math import exp, log
from .shape import expand_p
from .where import where

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["gaussian_nll_loss", "kl_div", "poisson_nll_loss"]


def _kl(xp: Any, x: Any, y: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp.where(y == 0, x.dtype.type(0), y * xp.log(y)) - y * x


def _kl_y(g: Any, x: Any, y: Any, o: Any) -> Any:
    empty = y == 0  # 0 * log(0) counts as 0, and so does its derivative
    return g * ((log(y + empty) + 1) * (y != 0) - x)


kl_p = binary(
    "kl",
    _kl,
    lambda g, x, y, o: -g * y,
    _kl_y,
    saves=("y", "xy"),
    dtypes="float",
    public=False,
    doc="y * (log(y) - x), with 0 * log(0) = 0.",
)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4, low=0.1, high=1.0), reduction="batchmean"),
        call(t(3, 4), t(3, 4, low=0.1, high=1.0), reduction="sum"),
        call(t(3, 4), t(3, 4), log_target=True, reduction="none"),
        call(t(3), t(3, values=[0.0, 0.5, 0.5], grad=False), reduction="sum"),
    ],
    errors=lambda: [
        raises(ValueError, r"losses do not broadcast", t(3, 4), t(4)),
        raises(ValueError, r"'avg' is not a valid reduction", t(3), t(3), reduction="avg"),
    ],
)
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target * (log(target) - input) of log-probabilities input: the Kullback-Leibler divergence, element by element.

    reduction="batchmean" (the sum divided by the size of dimension 0) is the divergence itself; log_target: the target
    is given as its logarithm.

    >>> import retrograd as rg
    >>> rg.nn.functional.kl_div(rg.tensor([[0.5, 0.5]]).log(), rg.tensor([[1.0, 0.0]]), reduction="batchmean")
    tensor(0.6931)
    """
    batch = reduction == "batchmean"
    reduction = reduction_arg("kl_div", "sum" if batch else reduction, size_average, reduce)
    x, y = same_shape("kl_div", input, target)
    total = reduced(exp(y) * (y - x) if log_target else kl_p(x, y), reduction)
    return total / x._shape[0] if batch and x._shape else total


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4, low=0.1, high=3.0, grad=False)),
        call(t(3, low=0.5), t(3, low=0.1, high=3.0, grad=False), log_input=False),
        call(t(3), t(3, values=[0.5, 1.5, 4.0], grad=False), full=True, reduction="sum"),
    ],
    errors=lambda: [raises(ValueError, r"losses do not broadcast", t(3, 4), t(4))],
)
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(input) - target * input, the negative log likelihood of a Poisson rate given as its logarithm.

    log_input=False: input is the rate, input - target * log(input + eps). full: with Stirling's term for target > 1.

    >>> import retrograd as rg
    >>> rg.nn.functional.poisson_nll_loss(rg.tensor([0.0]), rg.tensor([2.0]))
    tensor(1.)
    """
    reduction = reduction_arg("poisson_nll_loss", reduction, size_average, reduce)
    x, y = same_shape("poisson_nll_loss", input, target)
    loss: Any = exp(x) - y * x if log_input else x - y * log(x + eps)
    if full:
        safe = where(y > 1, y, 1.0)
        loss = loss + where(y > 1, safe * log(safe) - safe + 0.5 * log(2 * _math.pi * safe), 0.0)
    return reduced(loss, reduction)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(3, 4), t(3, 4), t(3, 4, low=0.5, high=2.0)),
        call(t(3, 4), t(3, 4), t(3, 1, low=0.5, high=2.0), full=True),
        call(t(3, 4), t(3, 4), t(1, 4, low=0.5, high=2.0)),
        call(t(3, 4), t(3, 4), t(3, low=0.5, high=2.0), reduction="none"),
    ],
    errors=lambda: [
        raises(ValueError, r"var has shape \(2,\)", t(3, 4), t(3, 4), t(2, low=0.5)),
        raises(ValueError, r"var has negative entries", t(3), t(3), t(3, low=-2.0, high=-1.0)),
    ],
)
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log(var) + (input - target) ** 2 / var) / 2: the negative log likelihood of a normal distribution.

    var: of the input's shape, with one dimension of 1, without the last one, or a number; raised to eps at least, unseen
    by its gradient. full adds log(2 * pi) / 2. (Nix and Weigend 1994)

    >>> import retrograd as rg
    >>> rg.nn.functional.gaussian_nll_loss(rg.tensor([0.0]), rg.tensor([2.0]), rg.tensor([1.0]))
    tensor(2.)
    """
    op = "gaussian_nll_loss"
    reduction = reduction_arg(op, reduction)
    x, y = same_shape(op, input, target)
    if isinstance(var, (int, float)):
        var = x.new_full((), float(var))
    v = as_tensor_arg(var, op)
    s = x._shape
    if v._shape not in ((), s):
        if v._shape == s[:-1]:
            v = v.unsqueeze(-1)
        elif len(v._shape) != len(s) or [a for a, b in zip(v._shape, s, strict=True) if a != b] != [1]:
            raise ShapeError(
                f"{op}: var has shape {v._shape}; {s}, the same with one dimension of 1, or {s[:-1]} is expected"
            )
    if of(v._data).device_type == "cpu" and (v._data < 0).any():
        raise ValueError(f"{op}: var has negative entries; give the variance, not its logarithm")
    v = v + (v.detach().clamp(min=eps) - v.detach())  # the value is clamped, the gradient is not
    if v._shape != s:
        v = expand_p(v, s)
    loss = 0.5 * (log(v) + (x - y) ** 2 / v)
    if full:
        loss = loss + 0.5 * _math.log(2 * _math.pi)
    return reduced(loss, reduction)
