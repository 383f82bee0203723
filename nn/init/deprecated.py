"""PyTorch's old names of the initializers, without the underscore: they fill in place too, and warn (FutureWarning)."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec

from ...autograd import Tensor
from .fill import (
    constant_,
    kaiming_normal_,
    kaiming_uniform_,
    normal_,
    uniform_,
    xavier_normal_,
    xavier_uniform_,
)
from .structured import dirac_, eye_, orthogonal_, sparse_

__all__ = [
    "constant", "dirac", "eye", "kaiming_normal", "kaiming_uniform", "normal", "orthogonal", "sparse", "uniform",
    "xavier_normal", "xavier_uniform",
]  # fmt: skip

P = ParamSpec("P")


def _deprecated(f: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """PyTorch's old name of an initializer."""
    new = f.__name__
    old = new[:-1]

    @functools.wraps(f)
    def call(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2)
        return f(*args, **kwargs)

    call.__name__ = call.__qualname__ = old
    call.__doc__ = f"Old name of `{new}`."
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
