"""`gumbel_softmax`: differentiable samples of a categorical distribution."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from ..backend import xp_of
from ..core import as_tensor_arg, wrap
from ..errors import DtypeError
from ..op import public
from ..samples import raises, t
from .args import one_dim
from .softmax import softmax_p
from .sort import put_along_p

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["gumbel_softmax"]


@public(
    where="nn.functional",
    method=False,
    errors=lambda: [
        raises(IndexError, r"gumbel_softmax: dim 3", t(2, 3), dim=3),
        raises(RuntimeError, r"logits are int64", t(2, 3, dtype="int64")),
    ],
)
def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """softmax((logits + g) / tau) with Gumbel noise g = -log(e), e exponential: a relaxed one-hot sample along `dim`.

    logits: any shape, unnormalised log-probabilities. Small tau come near one-hot vectors. hard: the result is one-hot,
    and its gradient that of the soft sample (straight through). The noise comes from the default generator. eps is
    deprecated and has no effect.

    Jang et al.: "Categorical reparameterization with Gumbel-softmax" (ICLR 2017); Maddison et al.: "The concrete
    distribution" (ICLR 2017).

    >>> import retrograd as rg
    >>> y = rg.nn.functional.gumbel_softmax(rg.zeros(2, 4), hard=True)
    >>> y.sum(1)
    tensor([1., 1.])
    """
    if eps != 1e-10:
        warnings.warn("gumbel_softmax: `eps` is deprecated and has no effect.", stacklevel=2)
    x: Any = as_tensor_arg(logits, "gumbel_softmax")
    if not x._dtype.is_floating_point:
        raise DtypeError(f"gumbel_softmax: logits are {x._dtype.name}; a floating-point dtype is expected")
    d = one_dim(dim, len(x._shape), "gumbel_softmax")
    noise = x.new_empty(x._shape).exponential_().log()
    soft = softmax_p((x - noise) / tau, d)
    if not hard:
        return soft
    xp = xp_of(x._data)
    if not x._data.size:
        return soft
    index = xp.expand_dims(xp.argmax(soft._data, d), d) if x._shape else xp.zeros((), "int64")
    one = put_along_p(wrap(xp.ones(index.shape, soft._data.dtype)), x._shape, d, index, True, False)
    return one - soft.detach() + soft
