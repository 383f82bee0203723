"""Normalisation layers: batch_norm, layer_norm, rms_norm, group_norm, instance_norm, local_response_norm."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import core, generic
from ..core import as_tensor_arg
from ..dtypes import finfo
from ..errors import DeviceError, DtypeError, ShapeError, TransformError
from ..explain import channels_hint, features_hint
from ..op import public
from ..samples import call, raises, t
from ..views import mark_written
from .math import rsqrt
from .norm_core import batch_norm_p, channel_affine_p, layer_norm_p
from .pool_core import avg_pool_p
from .shape import reshape_p
from .sums import average

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..tensor import Tensor

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"]


# ---------------------------------------------------------------- arguments
def _float(x: Any, op: str) -> Tensor:
    x = as_tensor_arg(x, op)
    if not x._dtype.is_floating_point:
        raise DtypeError(f"{op}: input is {x._dtype.name}; a floating-point dtype is expected, as in x.float()")
    return x


def _per_channel(v: Any, name: str, channels: int, op: str) -> Tensor | None:
    if v is None:
        return None
    v = as_tensor_arg(v, op)
    if v._shape != (channels,):
        raise ShapeError(f"{op}: {name} has shape {v._shape}; ({channels},) is expected, one for each channel")
    return v


class Primitives(NamedTuple):
    """What computes: the primitives of `norm_core`, or those with a relu behind them of `rectified`."""

    batch: Any = batch_norm_p
    affine: Any = channel_affine_p
    layer: Any = layer_norm_p


_PLAIN = Primitives()


def _affine(y: Any, w: Any, b: Any, p: Any = channel_affine_p) -> Any:
    """y * w + b with one w and b for each channel (dimension 1)."""
    return y if w is None and b is None else p((y, w, b))


def _update(running: Any, value: Any, momentum: float) -> None:
    """running = (1 - momentum) * running + momentum * value, in place, unseen by the graph."""
    a = running._data
    if core.lifting is not None:
        a, value = generic.stopped(a), generic.stopped(value)
        if core.lifting.lifted_in((a, value)):
            if not isinstance(a, core.lifting.Lifted):
                raise TransformError(
                    "batch_norm: inside vmap the running statistics are one for all samples, but each sample would change "
                    "them; use eval(), track_running_stats=False, or map over the buffers too"
                )
            a[...] = a * (1 - momentum) + value * momentum
            mark_written(running)
            return
    if type(value) is not type(a):
        raise DeviceError("batch_norm: the running statistics are on another device than x; move them with .to(device)")
    a *= 1 - momentum
    a += value * momentum
    mark_written(running)


def _squares(v: Any) -> Any:
    d = v - average(v, 2, True)
    return d * d


def _ref_norm(x: Any, axes: Any, eps: float) -> Any:
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def _ref_channels(y: Any, weight: Any, bias: Any) -> Any:
    one = (-1, *(1,) * (y.ndim - 2))
    y = y if weight is None else y * weight.reshape(one)
    return y if bias is None else y + bias.reshape(one)


def _ref_batch(
    x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, training: bool = False, *rest: Any
) -> Any:
    eps = rest[1] if len(rest) > 1 else 1e-5
    one = (-1, *(1,) * (x.ndim - 2))
    if training:
        y = _ref_norm(x, (0, *range(2, x.ndim)), eps)
    else:
        y = (x - mean.reshape(one)) / np.sqrt(var.reshape(one) + eps)
    return _ref_channels(y, weight, bias)


# ---------------------------------------------------------------- with or without a relu behind
def batch_normalized(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: bool,
    momentum: float,
    eps: float,
    then: Primitives = _PLAIN,
) -> Any:
    """`batch_norm`, by the primitives given."""
    x = _float(input, "batch_norm")
    s = x._shape
    if s == (0,):  # an empty batch whose channels were forgotten passes through, as in PyTorch
        return x.clone()
    if len(s) < 2:
        raise ShapeError(f"batch_norm: input (N, C, ...) is expected, got shape {s}")
    c = s[1]
    if running_mean is not None and len(running_mean.shape) == 1 and running_mean.shape[0] != c:
        layer = running_mean.shape[0]
        raise ShapeError(
            f"batch_norm: input {s} has {c} channels, the running statistics are of {layer}"
            f"{channels_hint(s, layer, len(s) - 2)}"
        )
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"batch_norm: eps must be positive{'' if training else ' or 0'}, got {eps}")
    w, b = _per_channel(weight, "weight", c, "batch_norm"), _per_channel(bias, "bias", c, "batch_norm")
    running_mean = _per_channel(running_mean, "running_mean", c, "batch_norm")
    running_var = _per_channel(running_var, "running_var", c, "batch_norm")
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("batch_norm: running_mean and running_var are needed unless training=True")
        half, (x, w, b, mean, var) = generic.widened(x, w, b, running_mean.detach(), running_var.detach())
        scale = generic.cast(rsqrt(var + eps), x._dtype)
        if w is not None:
            scale = scale * w
        shift = mean * scale
        y = _affine(x, scale, -shift if b is None else b - shift, then.affine)
        return y if half is None else generic.cast(y, half)
    n = x._data.size // c if c else 0
    if n == 1:
        raise ValueError(
            f"batch_norm: more than 1 value per channel is expected in training, got input {s}; the variance of one "
            f"value is 0: use a larger batch (drop_last=True) or eval mode"
        )
    y, mean, var = then.batch((x, w, b), eps)
    if running_mean is not None and n:  # an empty batch says nothing about the statistics
        _update(running_mean, mean._data, momentum)
    if running_var is not None and n:
        _update(running_var, var._data * (n / (n - 1)), momentum)
    return y


def _normalized(op: str, x: Tensor, shape: Any, given: dict[str, Any]) -> tuple[int, list[Any]]:
    """The number of normalised dimensions, and the affine parameters, checked."""
    tail = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    n = len(tail)
    if n == 0:
        raise ShapeError(f"{op}: normalized_shape must name at least one dimension")
    if x._shape[len(x._shape) - n :] != tail or n > len(x._shape):
        raise ShapeError(
            f"{op}: normalized_shape {tail} must be the last dimension(s) of the input, which has shape {x._shape}"
            f"{features_hint(x._shape, tail)}"
        )
    found = []
    for name, v in given.items():
        v = None if v is None else as_tensor_arg(v, op)
        if v is not None and v._shape != tail:
            raise ShapeError(f"{op}: {name} has shape {v._shape}; normalized_shape {tail} is expected")
        found.append(v)
    return n, found


def group_normalized(input: Any, num_groups: int, weight: Any, bias: Any, eps: float, then: Primitives = _PLAIN) -> Any:
    """`group_norm`, by the primitives given, the last of which is that of weight and bias."""
    x = _float(input, "group_norm")
    s = x._shape
    if len(s) < 2:
        raise ShapeError(f"group_norm: input (N, C, ...) is expected, got shape {s}")
    if num_groups < 1 or s[1] % num_groups:
        raise ShapeError(f"group_norm: {s[1]} channels cannot be divided into {num_groups} groups")
    w, b = _per_channel(weight, "weight", s[1], "group_norm"), _per_channel(bias, "bias", s[1], "group_norm")
    half, (x, w, b) = generic.widened(x, w, b)
    v = reshape_p(x, (s[0], num_groups, prod(s[1:]) // num_groups))
    y = _affine(reshape_p(layer_norm_p((v, None, None), 1, eps, True), s), w, b, then.affine)
    return y if half is None else generic.cast(y, half)


def layer_normalized(input: Any, shape: Any, weight: Any, bias: Any, eps: float, then: Primitives = _PLAIN) -> Any:
    """`layer_norm`, by the primitives given."""
    x = _float(input, "layer_norm")
    n, (w, b) = _normalized("layer_norm", x, shape, {"weight": weight, "bias": bias})
    return then.layer((x, w, b), n, eps, True)


def rms_normalized(input: Any, shape: Any, weight: Any, eps: float | None, then: Primitives = _PLAIN) -> Any:
    """`rms_norm`, by the primitives given."""
    x = as_tensor_arg(input, "rms_norm")
    if not x._dtype.is_complex:
        x = _float(x, "rms_norm")
    n, (w,) = _normalized("rms_norm", x, shape, {"weight": weight})
    if x._dtype.is_complex:
        mean = (x * x).mean(tuple(range(-n, 0)), keepdim=True)
        y = x * rsqrt(mean + (finfo(x._dtype).eps if eps is None else eps))
        return y if w is None else y * w
    return then.layer((x, w, None), n, finfo(x._dtype).eps if eps is None else eps, False)


# ---------------------------------------------------------------- public
@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(4, 3), None, None, t(3), t(3), True),
        call(t(4, 3, 2, 2), None, None, t(3), t(3), True, 0.1, 1e-3),
        call(t(4, 3, 5), None, None, training=True),
        call(t(4, 3, 5), None, None, t(3), training=True),
        call(t(4, 3, 5), t(3, grad=False), t(3, low=0.5, high=2.0, grad=False), t(3), t(3)),
        call(t(4, 3), t(3, grad=False), t(3, low=0.5, high=2.0, grad=False)),
    ],
    errors=lambda: [
        raises(ValueError, r"more than 1 value per channel", t(1, 3), None, None, training=True),
        raises(RuntimeError, r"running_mean and running_var are needed", t(4, 3), None, None),
        raises(RuntimeError, r"weight has shape \(2,\); \(3,\) is expected", t(4, 3), None, None, t(2), training=True),
        raises(RuntimeError, r"\(N, C, \.\.\.\) is expected", t(4), None, None, training=True),
    ],
    ref=_ref_batch,
)
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of (N, C) or (N, C, ...).

    training: mean and (biased) variance of the batch, and the running statistics, if given, move towards it in place:
    running = (1 - momentum) * running + momentum * new, with the unbiased variance. Otherwise the running statistics
    normalise. (Ioffe and Szegedy 2015)

    >>> import retrograd as rg
    >>> rg.nn.functional.batch_norm(rg.tensor([[1.0], [3.0]]), None, None, training=True, eps=1e-12)
    tensor([[-1.],
            [ 1.]])
    """
    return batch_normalized(input, running_mean, running_var, weight, bias, training, momentum, eps)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(4, 3), (3,), t(3), t(3)),
        call(t(2, 4, 3), [4, 3], t(4, 3), t(4, 3), 1e-3),
        call(t(2, 4, 3), (3,)),
        call(t(2, 4, 3), (3,), t(3)),
        call(t(3), (3,), None, t(3)),
        call(t(0, 3), (3,), t(3), t(3)),
    ],
    errors=lambda: [
        raises(RuntimeError, r"normalized_shape \(4,\) must be the last", t(4, 3), (4,)),
        raises(RuntimeError, r"weight has shape \(4,\); normalized_shape \(3,\)", t(4, 3), (3,), t(4)),
        raises(TypeError, r"input is int64", t(4, 3, dtype="int64"), (3,)),
    ],
    ref=lambda x, shape, weight=None, bias=None, eps=1e-5: (
        _ref_norm(x, tuple(range(x.ndim - len(shape), x.ndim)), eps) * (1 if weight is None else weight)
        + (0 if bias is None else bias)
    ),
)
def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, which normalized_shape names.

    The variance is the biased one; weight and bias have normalized_shape. (Ba et al. 2016)

    >>> import retrograd as rg
    >>> rg.nn.functional.layer_norm(rg.tensor([[1.0, 3.0]]), (2,), eps=0.0)
    tensor([[-1.,  1.]])
    """
    return layer_normalized(input, normalized_shape, weight, bias, eps)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(4, 3), (3,), t(3)), call(t(2, 4, 3), [4, 3], None, 1e-3), call(t(2, 3), (3,), eps=1e-5)],
    errors=lambda: [raises(RuntimeError, r"rms_norm: normalized_shape \(4,\)", t(4, 3), (4,))],
    ref=lambda x, shape, weight=None, eps=None: (
        x
        / np.sqrt(
            (x * x).mean(tuple(range(x.ndim - len(shape), x.ndim)), keepdims=True) + (eps or np.finfo(x.dtype).eps)
        )
        * (1 if weight is None else weight)
    ),
)
def rms_norm(
    input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean(x ** 2) + eps) * weight over the last dimensions, which normalized_shape names.

    eps is the dtype's machine epsilon by default. (Zhang and Sennrich 2019)

    >>> import retrograd as rg
    >>> rg.nn.functional.rms_norm(rg.tensor([[3.0, 3.0]]), (2,))
    tensor([[1., 1.]])
    """
    return rms_normalized(input, normalized_shape, weight, eps)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 4, 3), 2, t(4), t(4)),
        call(t(2, 6, 2, 2), 3),
        call(t(3, 4), 2, t(4), None, 1e-3),
    ],
    errors=lambda: [
        raises(RuntimeError, r"5 channels cannot be divided into 2 groups", t(2, 5, 3), 2),
        raises(RuntimeError, r"group_norm: weight has shape \(2,\)", t(2, 4, 3), 2, t(2)),
    ],
    ref=lambda x, g, weight=None, bias=None, eps=1e-5: _ref_channels(
        _ref_norm(x.reshape(x.shape[0], g, -1), (2,), eps).reshape(x.shape), weight, bias
    ),
)
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalise (N, C, ...) over each of num_groups groups of channels together; weight and bias are (C,).

    (Wu and He 2018)

    >>> import retrograd as rg
    >>> rg.nn.functional.group_norm(rg.tensor([[1.0, 3.0]]), 1, eps=0.0)
    tensor([[-1.,  1.]])
    """
    return group_normalized(input, num_groups, weight, bias, eps)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [
        call(t(2, 3, 5)),
        call(t(2, 3, 4, 2), weight=t(3), bias=t(3), eps=1e-3),
        call(t(2, 3, 5), t(3, grad=False), t(3, low=0.5, grad=False), t(3), t(3), False),
    ],
    errors=lambda: [
        raises(ValueError, r"more than 1 spatial element", t(2, 3, 1)),
        raises(RuntimeError, r"\(N, C, \.\.\.\)", t(2, 3)),
    ],
)
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample of (N, C, ...) over its spatial dimensions; weight and bias are (C,).

    use_input_stats=False normalises with the running statistics, which are otherwise moved towards the mean over the
    batch of the samples' statistics. (Ulyanov et al. 2016)

    >>> import retrograd as rg
    >>> rg.nn.functional.instance_norm(rg.tensor([[[1.0, 3.0]]]), eps=0.0)
    tensor([[[-1.,  1.]]])
    """
    x = _float(input, "instance_norm")
    s = x._shape
    if len(s) < 3:
        raise ShapeError(f"instance_norm: input (N, C, ...) with spatial dimensions is expected, got shape {s}")
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    size = prod(s[2:])
    if size == 1:
        raise ValueError(f"instance_norm: more than 1 spatial element is expected in training, got input {s}")
    w, b = _per_channel(weight, "weight", s[1], "instance_norm"), _per_channel(bias, "bias", s[1], "instance_norm")
    v = x._data.reshape(s[0], s[1], size)
    if running_mean is not None:
        _update(running_mean, average(average(v, 2), 0), momentum)
    if running_var is not None:
        _update(running_var, average(average(_squares(v), 2), 0) * (size / (size - 1)), momentum)
    half, (x, w, b) = generic.widened(x, w, b)
    y = _affine(layer_norm_p((x, None, None), len(s) - 2, eps, True), w, b)
    return y if half is None else generic.cast(y, half)


@public(
    where="nn.functional",
    method=False,
    samples=lambda: [call(t(2, 5, 3), 3), call(t(2, 5, 2, 2), 2, 1e-2, 0.5, 2.0), call(t(2, 4, 1), 3, alpha=0.1)],
    errors=lambda: [raises(RuntimeError, r"at least 3 dimensions", t(2, 4), 2)],
)
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha * mean of x ** 2 over `size` neighbouring channels) ** beta. (Krizhevsky et al. 2012)

    >>> import retrograd as rg
    >>> rg.nn.functional.local_response_norm(rg.ones(1, 2, 1), 1, alpha=1.0, beta=1.0)
    tensor([[[0.5000],
             [0.5000]]])
    """
    x = _float(input, "local_response_norm")
    s = x._shape
    if len(s) < 3:
        raise ShapeError(f"local_response_norm: input with at least 3 dimensions (N, C, ...) is expected, got {s}")
    if not x._data.size:
        return x
    rest = len(s) - 2
    pooled = (size, *(1,) * rest), (1,) * (rest + 1), (size // 2, *(0,) * rest)
    mean = avg_pool_p(x * x, *pooled, s[1:], True, None)
    return x / (mean * alpha + k) ** beta
