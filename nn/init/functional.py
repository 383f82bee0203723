"""Initializers as functions of a shape: each returns a new tensor, drawn as its namesake with an underscore fills one.

Shapes are those of weights, `(out, in, *kernel)`. The results need no gradient; wrap them in `nn.Parameter`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.ops.create import empty
from ...autograd.random import Generator
from . import fill, structured

__all__ = [
    "constant", "delta_orthogonal", "dirac", "eye", "identity", "kaiming_normal", "kaiming_uniform", "lecun_normal",
    "lecun_uniform", "normal", "ones", "orthogonal", "sparse", "trunc_normal", "truncated_normal", "uniform",
    "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip


def zeros(shape: Sequence[int], *, device: Any = None, dtype: Any = None) -> Tensor:
    """A tensor of zeros."""
    return fill.zeros_(empty(shape, device=device, dtype=dtype))


def ones(shape: Sequence[int], *, device: Any = None, dtype: Any = None) -> Tensor:
    """A tensor of ones."""
    return fill.ones_(empty(shape, device=device, dtype=dtype))


def constant(shape: Sequence[int], val: float, *, device: Any = None, dtype: Any = None) -> Tensor:
    """A tensor filled with a number."""
    return fill.constant_(empty(shape, device=device, dtype=dtype), val)


def eye(shape: Sequence[int], *, device: Any = None, dtype: Any = None) -> Tensor:
    """The identity matrix of a shape `(rows, columns)`; see `eye_`.

    >>> import retrograd as rg
    >>> rg.nn.init.functional.eye((2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return structured.eye_(empty(shape, device=device, dtype=dtype))


def dirac(shape: Sequence[int], groups: int = 1, *, device: Any = None, dtype: Any = None) -> Tensor:
    """A convolution weight that passes channels on; see `dirac_`."""
    return structured.dirac_(empty(shape, device=device, dtype=dtype), groups)


def identity(shape: Sequence[int], gain: float = 1.0, *, device: Any = None, dtype: Any = None) -> Tensor:
    """gain times the map that passes its inputs on; see `identity_`."""
    return structured.identity_(empty(shape, device=device, dtype=dtype), gain)


def uniform(
    shape: Sequence[int],
    a: float = 0.0,
    b: float = 1.0,
    *,
    generator: Generator | None = None,
    device: Any = None,
    dtype: Any = None,
) -> Tensor:
    """Draws from the uniform distribution on `[a, b)`."""
    return fill.uniform_(empty(shape, device=device, dtype=dtype), a, b, generator)


def normal(
    shape: Sequence[int],
    mean: float = 0.0,
    std: float = 1.0,
    *,
    generator: Generator | None = None,
    device: Any = None,
    dtype: Any = None,
) -> Tensor:
    """Draws from the normal distribution."""
    return fill.normal_(empty(shape, device=device, dtype=dtype), mean, std, generator)


def trunc_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    generator: Generator | None = None,
    device: Any = None,
    dtype: Any = None,
) -> Tensor:
    """Draws from the normal distribution limited to `[a, b]`; see `trunc_normal_`."""
    return fill.trunc_normal_(empty(shape, device=device, dtype=dtype), mean, std, a, b, generator)


def truncated_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    std: float = 1.0,
    *,
    generator: Generator | None = None,
    device: Any = None,
    dtype: Any = None,
) -> Tensor:
    """Draws from the normal distribution cut at two standard deviations; see `truncated_normal_`."""
    return fill.truncated_normal_(empty(shape, device=device, dtype=dtype), mean, std, generator)


def xavier_uniform(
    shape: Sequence[int],
    gain: float = 1.0,
    *,
    generator: Generator | None = None,
    device: Any = None,
    dtype: Any = None,
) -> Tensor:
    """Uniform in `+-gain * sqrt(6 / (fan_in + fan_out))`; see `xavier_uniform_`.

    >>> import retrograd as rg
    >>> w = rg.nn.init.functional.xavier_uniform((3, 3), dtype=rg.float64)
    >>> tuple(w.shape), w.dtype, bool((w.abs() <= 1).all())
    ((3, 3), retrograd.float64, True)
    """
    return fill.xavier_uniform_(empty(shape, device=device, dtype=dtype), gain, generator)


def xavier_normal(
    shape: Sequence[int],
    gain: float = 1.0,
    *,
    generator: Generator | None = None,
    device: Any = None,
    dtype: Any = None,
) -> Tensor:
    """Normal with standard deviation `gain * sqrt(2 / (fan_in + fan_out))`; see `xavier_normal_`."""
    return fill.xavier_normal_(empty(shape, device=device, dtype=dtype), gain, generator)


def kaiming_uniform(
    shape: Sequence[int],
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: Generator | None = None,
    device: Any = None,
    dtype: Any = None,
) -> Tensor:
    """Uniform in `+-gain * sqrt(3 / fan)`; see `kaiming_uniform_`."""
    return fill.kaiming_uniform_(empty(shape, device=device, dtype=dtype), a, mode, nonlinearity, generator)


def kaiming_normal(
    shape: Sequence[int],
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: Generator | None = None,
    device: Any = None,
    dtype: Any = None,
) -> Tensor:
    """Normal with standard deviation `gain / sqrt(fan)`; see `kaiming_normal_`."""
    return fill.kaiming_normal_(empty(shape, device=device, dtype=dtype), a, mode, nonlinearity, generator)


def lecun_uniform(
    shape: Sequence[int], *, generator: Generator | None = None, device: Any = None, dtype: Any = None
) -> Tensor:
    """Uniform in `+-sqrt(3 / fan_in)`; see `lecun_uniform_`."""
    return fill.lecun_uniform_(empty(shape, device=device, dtype=dtype), generator)


def lecun_normal(
    shape: Sequence[int], *, generator: Generator | None = None, device: Any = None, dtype: Any = None
) -> Tensor:
    """Normal with standard deviation `1 / sqrt(fan_in)`; see `lecun_normal_`."""
    return fill.lecun_normal_(empty(shape, device=device, dtype=dtype), generator)


def orthogonal(
    shape: Sequence[int], gain: float = 1, *, generator: Generator | None = None, device: Any = None, dtype: Any = None
) -> Tensor:
    """A random (semi-)orthogonal matrix, times gain; see `orthogonal_`."""
    return structured.orthogonal_(empty(shape, device=device, dtype=dtype), gain, generator)


def delta_orthogonal(
    shape: Sequence[int],
    gain: float = 1.0,
    *,
    generator: Generator | None = None,
    device: Any = None,
    dtype: Any = None,
) -> Tensor:
    """A convolution weight, orthogonal at its centre; see `delta_orthogonal_`."""
    return structured.delta_orthogonal_(empty(shape, device=device, dtype=dtype), gain, generator)


def sparse(
    shape: Sequence[int],
    sparsity: float,
    std: float = 0.01,
    *,
    generator: Generator | None = None,
    device: Any = None,
    dtype: Any = None,
) -> Tensor:
    """A normal matrix with a share `sparsity` of zeros in every column; see `sparse_`."""
    return structured.sparse_(empty(shape, device=device, dtype=dtype), sparsity, std, generator)
