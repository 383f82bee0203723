"""rrelu, and the activations of nn.functional that overwrite their input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..errors import DtypeError
from ..op import public
from ..samples import call, raises, t
from ..views import inplace
from .activation import hardtanh, leaky_relu, relu, threshold
from .activation_smooth import celu, elu_p, selu

if TYPE_CHECKING:
    from ..random import Generator
    from ..tensor import Tensor

__all__ = [
    "celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu", "rrelu_", "rrelu_root", "selu_",
    "threshold_",
]  # fmt: skip

_relu_ = inplace(relu)
_threshold = threshold


# ---------------------------------------------------------------- rrelu
def _rrelu(input: Any, lower: float, upper: float, training: bool, generator: Any) -> Tensor:
    x = as_tensor_arg(input, "rrelu")
    if not x._dtype.is_floating_point:
        raise DtypeError(f"rrelu: input is {x._dtype.name}; a floating-point dtype is expected, as in x.float()")
    if not lower <= upper:
        raise ValueError(f"rrelu: lower must not exceed upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(x, (lower + upper) / 2)
    xp = xp_of(x._data)
    slope: Any = x.new_empty(x._shape).uniform_(lower, upper, generator=generator)
    return x * wrap(xp.where(x._data > 0, x._data.dtype.type(1), slope._data))


_rrelu_ = inplace(_rrelu, "rrelu")
_LOWER, _UPPER = 1.0 / 8, 1.0 / 3


def _samples() -> list[Any]:
    return [call(t(3, 4)), call(t(3, 4), 0.1, 0.5), call(t(0, 2))]


def _errors() -> list[Any]:
    return [
        raises(ValueError, r"lower must not exceed upper, got 1.0 and 0.5", t(2), 1.0, 0.5),
        raises(TypeError, r"rrelu: input is int64", t(2, dtype="int64")),
    ]


def _ref_rrelu(x: Any, lower: float = _LOWER, upper: float = _UPPER) -> Any:
    return np.where(x > 0, x, x * ((lower + upper) / 2))


@public(where="nn.functional", method=False, samples=_samples, errors=_errors, ref=_ref_rrelu)
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """x where positive, else x times a slope: drawn for each element from `[lower, upper]` if training, else the mean.

    Shapes: any, floating-point. ValueError for lower > upper.

    Xu et al.: "Empirical evaluation of rectified activations in convolutional network" (2015).

    >>> import retrograd as rg
    >>> rg.nn.functional.rrelu(rg.tensor([-1.0, 2.0]), 0.25, 0.75)
    tensor([-0.5000,  2.0000])
    """
    return (_rrelu_ if inplace else _rrelu)(input, lower, upper, training, None)


@public(name="rrelu", method=False, samples=_samples, errors=_errors, ref=_ref_rrelu)
def rrelu_root(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """`nn.functional.rrelu` with a generator to draw the slopes from instead of `inplace`.

    >>> import retrograd as rg
    >>> rg.rrelu(rg.tensor([-1.0, 2.0]), 0.25, 0.75)
    tensor([-0.5000,  2.0000])
    """
    return _rrelu(input, lower, upper, training, generator)


@public(where="nn.functional", method=False, samples=_samples, errors=_errors)
def rrelu_(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """In-place version of `rrelu`: overwrites the input and returns it.

    >>> import retrograd as rg
    >>> rg.nn.functional.rrelu_(rg.tensor([-1.0, 2.0]), 0.25, 0.75)
    tensor([-0.5000,  2.0000])
    """
    return _rrelu_(input, lower, upper, training, generator)


# ---------------------------------------------------------------- in place
@public(where="nn.functional", method=False, samples=lambda: [call(t(3, 4))])
def relu_(input: Tensor) -> Tensor:
    """In-place version of `relu`: overwrites the input and returns it.

    >>> import retrograd as rg
    >>> rg.nn.functional.relu_(rg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return _relu_(input)


@public(where="nn.functional", method=False, samples=lambda: [call(t(3, 4)), call(t(3, 4), 0.2)])
def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place version of `leaky_relu`: overwrites the input and returns it.

    >>> import retrograd as rg
    >>> rg.nn.functional.leaky_relu_(rg.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return leaky_relu(input, negative_slope, True)


@public(where="nn.functional", method=False, samples=lambda: [call(t(3, 4)), call(t(3, 4), -1 / 3, 2 / 3)])
def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place version of `hardtanh`: overwrites the input and returns it.

    >>> import retrograd as rg
    >>> rg.nn.functional.hardtanh_(rg.tensor([-3.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    return hardtanh(input, min_val, max_val, True)


@public(where="nn.functional", method=False, samples=lambda: [call(t(3, 4), 0, 1.5), call(t(3, 4), -1 / 3, 20)])
def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place version of `threshold`: overwrites the input and returns it.

    >>> import retrograd as rg
    >>> rg.nn.functional.threshold_(rg.tensor([0.1, 2.0]), 1, -5)
    tensor([-5.,  2.])
    """
    return _threshold(input, threshold, value, True)


def _elu(input: Any, alpha: float, scale: float, input_scale: float) -> Tensor:
    x = as_tensor_arg(input, "elu_")
    if not x._dtype.is_floating_point:
        raise DtypeError(f"elu_: input is {x._dtype.name}; a floating-point dtype is expected, as in x.float()")
    return elu_p(x, float(alpha), float(scale), float(input_scale))


_elu_ = inplace(_elu, "elu")


@public(where="nn.functional", method=False, samples=lambda: [call(t(3, 4)), call(t(3, 4), 0.5), call(t(3), 0.5, 2, 3)])
def elu_(input: Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Tensor:
    """In-place `elu`: scale * x where x > 0, else scale * alpha * (exp(input_scale * x) - 1).

    >>> import retrograd as rg
    >>> rg.nn.functional.elu_(rg.tensor([-1.0, 1.0]))
    tensor([-0.6321,  1.0000])
    """
    return _elu_(input, alpha, scale, input_scale)


@public(where="nn.functional", method=False, samples=lambda: [call(t(3, 4)), call(t(3, 4), 0.5)])
def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place version of `celu`: overwrites the input and returns it.

    >>> import retrograd as rg
    >>> rg.nn.functional.celu_(rg.tensor([-1.0, 1.0]), 2.0)
    tensor([-0.7869,  1.0000])
    """
    return celu(input, alpha, True)


@public(where="nn.functional", method=False, samples=lambda: [call(t(3, 4))])
def selu_(input: Tensor) -> Tensor:
    """In-place version of `selu`: overwrites the input and returns it.

    >>> import retrograd as rg
    >>> rg.nn.functional.selu_(rg.tensor([-1.0, 1.0]))
    tensor([-1.1113,  1.0507])
    """
    return selu(input, True)
