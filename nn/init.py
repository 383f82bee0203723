"""Initializers: they fill a tensor in place, outside the graph, and return it.

Every random one takes `generator=`; without it, the default generator that `manual_seed` sets is used.
"""

from __future__ import annotations

import functools
import math
import warnings
from typing import Any

import numpy as np

from ..autograd import Tensor, no_grad
from ..autograd.ops.create import from_numpy
from ..autograd.ops.random import randperm
from ..autograd.ops.where import where
from ..autograd.random import Generator

__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "fan_in_uniform_", "kaiming_normal_", "kaiming_uniform_",
    "lecun_normal_", "lecun_uniform_", "normal_", "ones_", "orthogonal_", "sparse_", "trunc_normal_", "uniform_",
    "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip

_LINEAR = frozenset(
    ("linear", "sigmoid", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights grow to make up for what a nonlinearity does to the variance.

    1 for linear maps, convolutions and 'sigmoid', 5/3 for 'tanh', sqrt(2) for 'relu', sqrt(2 / (1 + param**2)) for
    'leaky_relu' (param is its slope, 0.01 by default), 3/4 for 'selu'. Raises ValueError for others.

    >>> import retrograd as rg
    >>> round(rg.nn.init.calculate_gain("leaky_relu", 0.2), 4)
    1.3868
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(
        f"Unsupported nonlinearity {nonlinearity}; expected one of {sorted(_LINEAR)}, 'tanh', 'relu', 'leaky_relu', "
        "'selu'"
    )


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """(inputs of one output, outputs of one input) of a weight `(out, in, *kernel)`."""
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ValueError(
            f"Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, got shape {shape}"
        )
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


# ---------------------------------------------------------------- constants
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with a number.

    >>> import retrograd as rg
    >>> rg.nn.init.constant_(rg.empty(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix: a Linear layer that passes its inputs on.

    >>> import retrograd as rg
    >>> rg.nn.init.eye_(rg.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got {tensor.ndim}")
    rows, columns = tensor.shape
    return _write(tensor, np.eye(rows, columns))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution weight `(C_out, C_in // groups, *kernel)` that passes as many channels on as it can.

    >>> import retrograd as rg
    >>> rg.nn.init.dirac_(rg.empty(1, 1, 3))
    tensor([[[0., 1., 0.]]])
    """
    shape = tuple(tensor.shape)
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, got {len(shape)}")
    if shape[0] % groups:
        raise ValueError(f"dim 0 must be divisible by groups, got {shape[0]} and {groups}")
    a = np.zeros(shape)
    per_group = shape[0] // groups
    center = tuple(k // 2 for k in shape[2:])
    for g in range(groups):
        for c in range(min(per_group, shape[1])):
            a[(g * per_group + c, c, *center)] = 1
    return _write(tensor, a)


def _write(tensor: Tensor, a: np.ndarray) -> Tensor:
    """Copy a host array into a tensor, whatever its dtype and device."""
    with no_grad():
        return tensor.copy_(from_numpy(a))


# ---------------------------------------------------------------- plain distributions
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from the uniform distribution on `[a, b)`."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from the normal distribution."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Draw from the normal distribution limited to `[a, b]` (values, not standard deviations).

    >>> import retrograd as rg
    >>> bool((rg.nn.init.trunc_normal_(rg.empty(1000)).abs() <= 2).all())
    True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be "
            "incorrect.",
            stacklevel=2,
        )
    kept = _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std)
    with no_grad():
        if kept > 0.3:
            result = tensor.detach().clone().normal_(mean, std, generator=generator)
            redraw = tensor.detach().clone()
            # In the tensor's own precision: a bound that rounds inwards would otherwise let values slip past it.
            low, high = float(tensor.new_tensor(a)), float(tensor.new_tensor(b))
            while True:
                outside = (result < low) | (result > high)
                if not outside.any():
                    return tensor.copy_(result)
                result = where(outside, redraw.normal_(mean, std, generator=generator), result)
        # Few normal draws would hit [a, b]: draw uniformly and keep each with the density relative to its peak.
        peak = max(a, min(mean, b))
        result = tensor.detach().clone().uniform_(a, b, generator=generator)
        candidates, chance = result, result.clone()
        todo = None
        while True:
            log_density = -0.5 * (((candidates - mean) / std) ** 2 - ((peak - mean) / std) ** 2)
            refused = chance.uniform_(0, 1, generator=generator).log() > log_density
            todo = refused if todo is None else todo & refused
            if not todo.any():
                return tensor.copy_(result)
            candidates = tensor.detach().clone().uniform_(a, b, generator=generator)
            result = where(todo, candidates, result)


def _normal_cdf(x: float) -> float:
    return 0.5 * (1.0 + math.erf(x / math.sqrt(2.0)))


# ---------------------------------------------------------------- scaled by fan
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in `+-gain * sqrt(6 / (fan_in + fan_out))`: for tanh and other functions symmetric about 0.

    Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

    >>> import retrograd as rg
    >>> bool((rg.nn.init.xavier_uniform_(rg.empty(3, 3)).abs() <= 1).all())
    True
    """
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation `gain * sqrt(2 / (fan_in + fan_out))`; see `xavier_uniform_`."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform in `+-gain * sqrt(3 / fan)`: for ReLU and its kin. Also called He initialization.

    a: slope of the leaky ReLU. mode: 'fan_in' keeps the variance of activations, 'fan_out' that of gradients.

    He et al., "Delving Deep into Rectifiers", ICCV 2015.

    >>> import retrograd as rg
    >>> bool((rg.nn.init.kaiming_uniform_(rg.empty(3, 6), nonlinearity="relu").abs() <= 1).all())
    True
    """
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / _calculate_correct_fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with standard deviation `gain / sqrt(fan)`; see `kaiming_uniform_`."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=2)
        return tensor
    return normal_(
        tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode)), generator
    )


def lecun_uniform_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Uniform in `+-sqrt(3 / fan_in)`: variance `1 / fan_in`, for sigmoid, tanh and SELU.

    LeCun et al., "Efficient BackProp", 1998.

    >>> import retrograd as rg
    >>> bool((rg.nn.init.lecun_uniform_(rg.empty(5, 3)).abs() <= 1).all())
    True
    """
    bound = math.sqrt(3.0 / max(_calculate_fan_in_and_fan_out(tensor)[0], 1))
    return uniform_(tensor, -bound, bound, generator)


def lecun_normal_(tensor: Tensor, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation `1 / sqrt(fan_in)`; see `lecun_uniform_`."""
    return normal_(tensor, 0.0, 1 / math.sqrt(max(_calculate_fan_in_and_fan_out(tensor)[0], 1)), generator)


def fan_in_uniform_(bias: Tensor | None, weight: Tensor, generator: Generator | None = None) -> Tensor | None:
    """Uniform in `+-1/sqrt(fan_in of weight)`: how biases of Linear and convolutions start. None passes through."""
    if bias is None:
        return None
    fan_in = _calculate_fan_in_and_fan_out(weight)[0]
    bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0.0
    return uniform_(bias, -bound, bound, generator)


# ---------------------------------------------------------------- structured
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """A random (semi-)orthogonal matrix of the tensor seen as `(shape[0], the rest)`, times gain.

    Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks", ICLR 2014.

    >>> import retrograd as rg
    >>> w = rg.nn.init.orthogonal_(rg.empty(3, 5, dtype=rg.float64))
    >>> rg.allclose(w @ w.T, rg.eye(3, dtype=rg.float64))
    True
    """
    if tensor.ndim < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, got {tensor.ndim}")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    # On the host, in double precision: a QR decomposition in the weights' precision is not orthogonal to it.
    drawn = tensor.detach().clone().normal_(0, 1, generator=generator).cpu().numpy()
    flat = drawn.astype(np.float64).reshape(rows, columns)
    q, r = np.linalg.qr(flat.T if rows < columns else flat)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # makes the distribution uniform over orthogonal matrices
    return _write(tensor, (gain * (q.T if rows < columns else q)).reshape(tuple(tensor.shape)))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """A normal matrix in which the share `sparsity` of every column is zero.

    Martens, "Deep learning via Hessian-free optimization", ICML 2010.

    >>> import retrograd as rg
    >>> int((rg.nn.init.sparse_(rg.empty(10, 3), sparsity=0.4) == 0).sum())
    12
    """
    if tensor.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got {tensor.ndim}")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    normal_(tensor, 0.0, std, generator)
    with no_grad():
        for column in range(columns):
            tensor[randperm(rows, generator=generator)[:zeros].to(tensor.device), column] = 0
    return tensor


def _deprecated(f: Any) -> Any:
    """PyTorch's old name of an initializer, without the underscore."""
    old = f.__name__[:-1]

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{f.__name__}`.", FutureWarning, stacklevel=2
        )
        return f(*args, **kwargs)

    call.__name__ = call.__qualname__ = old
    call.__doc__ = f"Old name of `{f.__name__}`."
    return call


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
