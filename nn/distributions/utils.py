"""What distributions share: broadcasting of parameters, probabilities and logits, lazy properties, triangular vectors."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Final

from ...autograd import Tensor
from ...autograd.dtypes import finfo, get_default_dtype
from ...autograd.grad_mode import enable_grad
from ...autograd.ops.activation import sigmoid
from ...autograd.ops.create import tensor
from ...autograd.ops.math import log, log1p
from ...autograd.ops.parts import broadcast_tensors
from ...autograd.ops.random import rand, randn
from ...autograd.ops.ranges import arange
from ...autograd.ops.softmax import softmax
from ...autograd.size import Size

__all__ = [
    "broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits", "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]  # fmt: skip

euler_constant: Final[float] = 0.57721566490153286060  # Euler and Mascheroni's


def is_number(x: Any) -> bool:
    """Whether x is a real number of Python or NumPy rather than a tensor."""
    return isinstance(x, numbers.Real)


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors and numbers as tensors of one shape.

    Numbers take the dtype and device of the first tensor; without one they become 0-d tensors of the default dtype.
    Raises ValueError for anything else.

    >>> import retrograd as rg
    >>> from retrograd.distributions.utils import broadcast_all
    >>> broadcast_all(rg.zeros(2), 1.0)
    (tensor([0., 0.]), tensor([1., 1.]))
    """
    first = next((v for v in values if isinstance(v, Tensor)), None)
    found: list[Any] = []
    for v in values:
        if isinstance(v, Tensor):
            found.append(v)
        elif is_number(v):
            like: dict[str, Any] = (
                {"dtype": get_default_dtype()} if first is None else {"dtype": first.dtype, "device": first.device}
            )
            found.append(tensor(v, **like))
        else:
            raise ValueError(
                f"Input arguments must all be instances of Number or Tensor, but got {type(v).__name__}; "
                "make a tensor of it"
            )
    shape = found[0].shape
    return tuple(found) if all(v.shape == shape for v in found) else tuple(broadcast_tensors(*found))


def all_true(valid: Tensor) -> bool:
    """Whether every element is True; inside a vmap those of all samples, which its arrays' `all` looks at."""
    return bool(valid._data.all())


def scalar_shape(value: Tensor, *given: Any) -> Size:
    """The batch shape of a distribution whose broadcast parameter is `value` and whose arguments were `given`."""
    return Size() if all(is_number(v) for v in given) else value.shape


def one_of(probs: Any, logits: Any) -> Any:
    """The one of the two that was given; ValueError unless it is exactly one."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")
    return logits if probs is None else probs


def standard_normal(shape: Any, like: Tensor) -> Tensor:
    """Standard normal numbers of this shape, with the dtype and device of `like`."""
    return randn(tuple(shape), dtype=like.dtype, device=like.device)


def standard_uniform(shape: Any, like: Tensor) -> Tensor:
    """Uniform numbers in [0, 1) of this shape, with the dtype and device of `like`."""
    return rand(tuple(shape), dtype=like.dtype, device=like.device)


def sum_rightmost(value: Tensor, dim: int) -> Tensor:
    """Sum over the last `dim` dimensions."""
    return value if dim == 0 else value.sum(tuple(range(-dim, 0)))


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of logits: sigmoid where each is the log odds of an event, else softmax along the last dimension.

    >>> import retrograd as rg
    >>> from retrograd.distributions.utils import logits_to_probs
    >>> logits_to_probs(rg.zeros(2)), logits_to_probs(rg.zeros(1), is_binary=True)
    (tensor([0.5000, 0.5000]), tensor([0.5000]))
    """
    return sigmoid(logits) if is_binary else softmax(logits, -1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities moved into [eps, 1 - eps], where eps is that of their dtype.

    >>> import retrograd as rg
    >>> from retrograd.distributions.utils import clamp_probs
    >>> clamp_probs(rg.tensor([0.0, 0.5, 1.0]))
    tensor([1.1921e-07, 5.0000e-01, 1.0000e+00])
    """
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Logits of probabilities, which are clamped first: log odds where binary, else logarithms.

    >>> import retrograd as rg
    >>> from retrograd.distributions.utils import probs_to_logits
    >>> probs_to_logits(rg.tensor([0.5]), is_binary=True)
    tensor([0.])
    """
    p = clamp_probs(probs)
    return log(p) - log1p(-p) if is_binary else log(p)


class _LazyProperty:
    """A property that is computed at its first use, recorded, and then kept in the instance."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        update_wrapper(self, wrapped)  # type: ignore[arg-type]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with enable_grad():
            value = self.wrapped(instance)
        vars(instance)[self.wrapped.__name__] = value
        return value


lazy_property: Any = _LazyProperty


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements (..., L) on and below diagonal `diag` of matrices (..., D, D), row by row.

    Raises ValueError for a diagonal outside of the matrix.

    >>> import retrograd as rg
    >>> from retrograd.distributions.utils import tril_matrix_to_vec
    >>> tril_matrix_to_vec(rg.tensor([[1, 0], [2, 3]]))
    tensor([1, 2, 3])
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    i = arange(n, device=mat.device)
    return mat[..., i < i.view(-1, 1) + (diag + 1)]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Matrices (..., D, D) that are zero above diagonal `diag` and hold `vec` (..., L) elsewhere, row by row.

    Raises ValueError where no D fits to L.

    >>> import retrograd as rg
    >>> from retrograd.distributions.utils import vec_to_tril_matrix
    >>> vec_to_tril_matrix(rg.tensor([1, 2, 3]))
    tensor([[1, 0],
            [2, 3]])
    """
    m = vec.shape[-1]
    # the positive root of D^2 + (1 + 2 diag) D - |diag| (diag + 1) - 2 L = 0
    root = (-(1 + 2 * diag) + math.sqrt((1 + 2 * diag) ** 2 + 8 * m + 4 * abs(diag) * (diag + 1))) / 2
    n = round(root)
    if abs(root - n) > 1e-9 * max(root, 1.0):
        raise ValueError(
            f"The size of last dimension is {m} which cannot be expressed as the lower triangular part of a square "
            "D x D matrix."
        )
    i = arange(n, device=vec.device)
    where = (i < i.view(-1, 1) + (diag + 1)).nonzero(as_tuple=True)
    mat = vec.new_zeros((*vec.shape[:-1], n, n))
    mat[(..., *where)] = vec
    return mat
