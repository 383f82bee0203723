"""Geometric: failures before the first success."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.dtypes import finfo
from ...autograd.grad_mode import no_grad
from ...autograd.ops.create import zeros_like
from ...autograd.ops.where import where
from .. import functional as F
from . import constraints
from .binary import BinaryParameter
from .utils import all_true, broadcast_all

__all__ = ["Geometric"]


class Geometric(BinaryParameter):
    """The number of failures before the first success, of probability `probs` in (0, 1] (or sigmoid(`logits`)).

    p(k) = (1 - p)^k p for k = 0, 1, ...

    >>> import retrograd as rg
    >>> d = rg.distributions.Geometric(0.5)
    >>> d.mean, d.log_prob(rg.tensor(1.0))
    (tensor(1.), tensor(-1.3863))
    """

    arg_constraints: Any = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(self._set_parameter(probs, logits), validate_args=validate_args)
        if self._validate_args and probs is not None and not all_true(self.probs > 0):
            raise ValueError(
                f"Expected parameter probs ({type(self.probs).__name__} of shape {tuple(self.probs.shape)}) of "
                f"distribution {self!r} to be positive but found invalid values:\n"
                f"{self.probs.detach()[~(self.probs > 0)]}"
            )

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The distribution with its parameter expanded."""
        new = self._get_checked_instance(Geometric, _instance)
        self._expand_parameter(new, batch_shape)
        return self._expanded(new, batch_shape)

    @property
    def mean(self) -> Tensor:
        """1 / p - 1."""
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        """0."""
        return zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        """(1 - p) / p^2."""
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """floor(log u / log(1 - p)), for u uniform in (0, 1)."""
        with no_grad():
            u = self.probs.new_empty(self._extended_shape(sample_shape)).uniform_(finfo(self.probs.dtype).tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        """k log(1 - p) + log p."""
        value, probs = broadcast_all(self._checked(value), self.probs)
        surely = where((probs == 1) & (value == 0), 0.0, probs)  # 0 log 0 is 0
        return value * (-surely).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        """The entropy of one trial, divided by p."""
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs
