"""Dropout: zero a random part of the elements (or of the channels) in training, and scale up the rest.

The mask is a function of three integers, the place in the generator's stream, so nothing is kept for backward: the mask
is computed again there. That costs a nanosecond an element and thread with kernels (8 without) and saves a byte an
element, or four where a float mask would be kept; and as the operation is linear and its own transpose, the formula of its
gradient is the operation itself, to any order.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from .. import draws
from ..backend import kernel
from ..core import as_tensor_arg
from ..errors import DtypeError, ShapeError
from ..op import param, public
from ..random import default_generator
from ..samples import raises, t
from ..views import inplace

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]


# ---------------------------------------------------------------- primitives
def _mask(xp: Any, keep: float, shape: tuple[int, ...], state: draws.State) -> Any:
    return draws.below(xp, math.prod(shape), keep, state).reshape(shape)


def _dropout(xp: Any, x: Any, keep: float, scale: float, shape: tuple[int, ...], state: draws.State) -> Any:
    if shape == x.shape:
        fused = kernel(xp, "dropout")
        if fused is not None:
            out = fused(x, draws.threshold(keep), scale, *state)
            if out is not NotImplemented:
                return out
    # Products, not a choice: 0 times NaN is NaN, as in PyTorch.
    out = x * _mask(xp, keep, shape, state)
    out *= x.dtype.type(scale)
    return out


dropout_p = param(
    "dropout",
    _dropout,
    lambda g, x, o, keep, scale, shape, state: dropout_p(g, keep, scale, shape, state),
    jvp="linear",
    doc="x * mask * scale; the mask has `shape`, keeps an element with probability `keep`, and is drawn at `state`.",
)


def _alpha_dropout(
    xp: Any, x: Any, keep: float, scale: float, shape: tuple[int, ...], state: draws.State, shift: tuple[float, float]
) -> Any:
    mask = _mask(xp, keep, shape, state)
    out = x * mask
    out *= x.dtype.type(scale)
    out += xp.where(mask, x.dtype.type(shift[0]), x.dtype.type(shift[1]))
    return out


alpha_dropout_p = param(
    "alpha_dropout",
    _alpha_dropout,
    lambda g, x, o, keep, scale, shape, state, shift: dropout_p(g, keep, scale, shape, state),
    jvp=lambda ts, xs, o, keep, scale, shape, state, shift: dropout_p(ts[0], keep, scale, shape, state),
    doc="x * mask * scale + (shift[0] where the mask keeps, else shift[1]).",
)

_dropout_inplace = inplace(dropout_p, "dropout")
_alpha_dropout_inplace = inplace(alpha_dropout_p, "alpha_dropout")


# ---------------------------------------------------------------- arguments
def _checked(input: Any, p: Any, op: str) -> Tensor:
    x = as_tensor_arg(input, op)
    if not isinstance(p, (int, float)) or isinstance(p, bool):
        raise TypeError(f"{op}: p must be a float, got {type(p).__name__} ({p!r})")
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{op}: dropout probability has to be between 0 and 1, but got {p}")
    return x


def _run(x: Tensor, p: float, training: bool, inplace: bool, lead: int, op: str, alpha: bool = False) -> Tensor:
    """Draw a place for the mask and call the primitive; the input itself where there is nothing to do.

    lead: how many leading dimensions the mask has, (N, C, 1, ...) for 2; 0 stands for all.
    """
    if not training or p == 0.0 or 0 in x._shape:
        return x
    if x._dtype.kind not in "fc":
        raise DtypeError(f"{op}: input is {x._dtype.name}; a floating-point dtype is expected, as in x.float()")
    if len(x._shape) < lead:
        raise ShapeError(
            f"{op}: the input has shape {tuple(x._shape)}; at least {lead} dimensions are expected, batch and channels "
            "first; use dropout for tensors without channels"
        )
    shape = (*x._shape[:lead], *(1 for _ in x._shape[lead:])) if lead else x._shape
    state = default_generator.reserve(math.prod(shape))
    keep = 1.0 - p
    if alpha and keep:
        scale = 1.0 / math.sqrt((_ALPHA * _ALPHA * p + 1.0) * keep)
        shift = _ALPHA * scale * p, _ALPHA * scale * (p - 1.0)
        return (_alpha_dropout_inplace if inplace else alpha_dropout_p)(x, keep, scale, shape, state, shift)
    scale = 1.0 / keep if keep else 0.0
    return (_dropout_inplace if inplace else dropout_p)(x, keep, scale, shape, state)


_ALPHA = 1.7580993408473766  # minus the value at which SELU saturates, its scale 1.0507... times its alpha 1.6732...


# ---------------------------------------------------------------- public functions
def feature_dropout(input: Any, p: float, training: bool, inplace: bool) -> Tensor:
    """dropout of whole channels of (N, C, ...) with any number of further dimensions."""
    return _run(_checked(input, p, "feature_dropout"), p, training, inplace, 2, "feature_dropout")


def _errors() -> list[Any]:
    return [
        raises(ValueError, r"between 0 and 1, but got 1\.5", t(3), 1.5, True),
        raises(ValueError, r"between 0 and 1, but got -0\.5", t(3), p=-0.5, training=True),
        raises(RuntimeError, r"input is int64; a floating-point dtype", t(2, 3, 2, dtype="int64"), 0.5, True),
    ]


@public(where="nn.functional", method=False, errors=_errors)
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability p in training, and divide the others by 1 - p, which keeps the mean.

    input: any shape, floating-point or complex. Without training, or with p = 0, the input itself is returned. The
    mask comes from the default generator, so `manual_seed` repeats it, on every backend. With `inplace` the input is
    overwritten. Raises ValueError for p outside [0, 1].

    Srivastava et al.: "Dropout: a simple way to prevent neural networks from overfitting" (JMLR 2014).

    >>> import retrograd as rg
    >>> _ = rg.manual_seed(0)
    >>> y = rg.nn.functional.dropout(rg.ones(1000), 0.25)
    >>> sorted(set(y.tolist())) == [0.0, rg.tensor(4 / 3).item()], 650 < int((y > 0).sum()) < 850
    (True, True)
    """
    x = _checked(input, p, "dropout")
    return _run(x, p, training, inplace, 0, "dropout")


@public(where="nn.functional", method=False, errors=_errors)
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels with probability p in training, and divide the others by 1 - p.

    input: (N, C, L) or (C, L). Other numbers of dimensions raise ShapeError, p outside [0, 1] ValueError.

    Tompson et al.: "Efficient object localization using convolutional networks" (CVPR 2015).

    >>> import retrograd as rg
    >>> y = rg.nn.functional.dropout1d(rg.ones(2, 3, 4))
    >>> bool(((y == 0) | (y == 2)).all()), bool((y == y[:, :, :1]).all())
    (True, True)
    """
    x = _checked(input, p, "dropout1d")
    if len(x._shape) not in (2, 3):
        raise ShapeError(
            f"dropout1d: the input has shape {tuple(x._shape)}; (N, C, L) or (C, L) is expected; use dropout2d or "
            "dropout3d for images and volumes, dropout for single elements"
        )
    return _run(x, p, training, inplace, len(x._shape) - 1, "dropout1d")


@public(where="nn.functional", method=False, errors=_errors)
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels with probability p in training, and divide the others by 1 - p.

    input: (N, C, H, W). As in PyTorch, three dimensions are taken for (N, C, L), with a warning, and so are other
    numbers of dimensions from 2 on: the first two count.

    Tompson et al.: "Efficient object localization using convolutional networks" (CVPR 2015).

    >>> import retrograd as rg
    >>> y = rg.nn.functional.dropout2d(rg.ones(2, 3, 4, 4))
    >>> bool(((y == 0) | (y == 2)).all()), bool((y == y[:, :, :1, :1]).all())
    (True, True)
    """
    x = _checked(input, p, "dropout2d")
    ndim = len(x._shape)
    if ndim == 3:
        warnings.warn(
            "dropout2d: a 3-D input is taken for (N, C, L), not for one image (C, H, W); use dropout1d for the former "
            "and unsqueeze(0) for the latter",
            stacklevel=2,
        )
    elif ndim != 4:
        warnings.warn(
            f"dropout2d: the input has {ndim} dimensions where (N, C, H, W) is expected; use dropout for other shapes",
            stacklevel=2,
        )
    return _run(x, p, training, inplace, 2, "dropout2d")


@public(where="nn.functional", method=False, errors=lambda: _errors()[:2])
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels with probability p in training, and divide the others by 1 - p.

    input: (N, C, D, H, W), or with fewer dimensions one sample (C, ...), as in PyTorch, which warns below (C, D, H, W).

    Tompson et al.: "Efficient object localization using convolutional networks" (CVPR 2015).

    >>> import retrograd as rg
    >>> y = rg.nn.functional.dropout3d(rg.ones(2, 3, 4, 4, 4))
    >>> bool(((y == 0) | (y == 2)).all()), bool((y == y[:, :, :1, :1, :1]).all())
    (True, True)
    """
    x = _checked(input, p, "dropout3d")
    ndim = len(x._shape)
    if ndim not in (4, 5):
        warnings.warn(
            f"dropout3d: the input has {ndim} dimensions where (N, C, D, H, W) or (C, D, H, W) is expected; "
            "use dropout for other shapes",
            stacklevel=2,
        )
    return _run(x, p, training, inplace, 2 if ndim == 5 else 1, "dropout3d")


@public(where="nn.functional", method=False, errors=_errors)
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout for SELU: set elements to SELU's negative limit with probability p, then restore mean 0 and variance 1.

    y = a (x m + alpha' (1 - m)) + b with alpha' = -1.7581, a = ((1 - p)(1 + p alpha'^2))^(-1/2), b = -a alpha' p.
    input: any shape, floating-point. Raises ValueError for p outside [0, 1].

    Klambauer et al.: "Self-normalizing neural networks" (NIPS 2017).

    >>> import retrograd as rg
    >>> y = rg.nn.functional.alpha_dropout(rg.zeros(100), 0.5, training=True)
    >>> len(set(y.tolist()))
    2
    """
    x = _checked(input, p, "alpha_dropout")
    return _run(x, p, training, inplace, 0, "alpha_dropout", True)


@public(where="nn.functional", method=False, errors=_errors)
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels: input (N, C, ...), of which every (n, c) is kept or replaced as one.

    Raises ShapeError for fewer than two dimensions, ValueError for p outside [0, 1].

    Klambauer et al.: "Self-normalizing neural networks" (NIPS 2017).

    >>> import retrograd as rg
    >>> y = rg.nn.functional.feature_alpha_dropout(rg.zeros(2, 3, 4), 0.5, training=True)
    >>> bool((y == y[:, :, :1]).all())
    True
    """
    x = _checked(input, p, "feature_alpha_dropout")
    return _run(x, p, training, inplace, 2, "feature_alpha_dropout", True)
