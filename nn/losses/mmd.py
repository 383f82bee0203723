"""Maximum mean discrepancy: a distance between two distributions that is computed from samples alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...autograd import Tensor
from ...autograd.core import as_tensor_arg
from ...autograd.errors import DtypeError, ShapeError
from ...autograd.ops.diag import triu_indices
from ...autograd.ops.distance import cdist
from ...autograd.ops.join import cat
from .base import Loss, check_float, check_positive

__all__ = ["MMDLoss"]

Kernel = Callable[[Tensor, Tensor], Tensor]


_OF_DISTANCE: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "gaussian": lambda d, s: ((d / s) ** 2 / -2).exp(),
    "laplacian": lambda d, s: (d / -s).exp(),
    "multiquadric": lambda d, s: 1 / (1 + (d / s) ** 2),
}


class MMDLoss(Loss):
    r"""The squared maximum mean discrepancy, $E[k(x, x')] + E[k(y, y')] - 2 E[k(x, y)]$, of samples x and y.

    With a characteristic kernel it is 0 only where both come from one distribution; a generator trained on it is a
    generative moment matching network.

    kernel: 'gaussian' $e^{-d^2 / 2\sigma^2}$, 'laplacian' $e^{-d / \sigma}$, 'multiquadric'
    $(1 + d^2/\sigma^2)^{-1}$ (the inverse one), 'linear' $x \cdot y$ (compares the means only), or a function of two
    tensors `(N, D)`, `(M, D)` that gives `(N, M)`. bandwidth: sigma, or several whose kernels are averaged; None for the
    median distance in the pooled samples, a constant for the gradient. unbiased: leave k(x, x) of a sample with itself
    out; the estimate may then be negative.

    Shapes: x `(N, D)`, y `(M, D)`; further dimensions are flattened. The result is a number; there is no reduction.

    Gretton, Borgwardt, Rasch, Schölkopf, Smola, "A kernel two-sample test", JMLR 2012; Li, Swersky, Zemel, "Generative
    moment matching networks", ICML 2015.

    >>> import retrograd as rg
    >>> x = rg.tensor([[0.0, 1.0], [2.0, 1.0]])
    >>> rg.nn.MMDLoss()(x, x), rg.nn.MMDLoss(kernel="linear")(x, x + 2)  # the means are sqrt(8) apart
    (tensor(0.), tensor(8.))
    """

    settings = ("kernel", "bandwidth", "unbiased")

    def __init__(
        self,
        kernel: str | Kernel = "gaussian",
        bandwidth: float | Sequence[float] | None = None,
        unbiased: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(kernel, str) and kernel not in (*_OF_DISTANCE, "linear"):
            known = ", ".join(repr(k) for k in (*_OF_DISTANCE, "linear"))
            raise ValueError(f"MMDLoss: kernel must be one of {known}, or a function, got {kernel!r}")
        for sigma in _several(bandwidth):
            check_positive("MMDLoss", bandwidth=sigma)
        self.kernel, self.bandwidth, self.unbiased = kernel, bandwidth, unbiased

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        x, y = self._samples(input, target)
        n, m = x.shape[0], y.shape[0]
        both = self._gram(cat([x, y]))  # (N + M, N + M)
        within_x, within_y, between = both[:n, :n], both[n:, n:], both[:n, n:]
        if not self.unbiased:
            return within_x.mean() + within_y.mean() - 2 * between.mean()
        found = -2 * between.mean()
        for k, size in ((within_x, n), (within_y, m)):
            found = found + (k.sum() - k.diagonal().sum()) / (size * (size - 1))
        return found

    def _samples(self, input: Any, target: Any) -> tuple[Tensor, Tensor]:
        op = "MMDLoss"
        x, y = as_tensor_arg(input, op), as_tensor_arg(target, op)
        check_float(op, input=x, target=y)
        if x.dtype is not y.dtype:
            raise DtypeError(f"{op}: input is {x.dtype.name} but target {y.dtype.name}; give both the same dtype")
        if x.ndim < 2 or x.shape[1:] != y.shape[1:]:
            raise ShapeError(f"{op}: samples (N, D) and (M, D) are expected, got {tuple(x.shape)} and {tuple(y.shape)}")
        least = 2 if self.unbiased else 1
        if min(x.shape[0], y.shape[0]) < least:
            raise ShapeError(f"{op}: at least {least} samples of each are needed, got {x.shape[0]} and {y.shape[0]}")
        return x.flatten(1), y.flatten(1)

    def _gram(self, z: Tensor) -> Tensor:
        if not isinstance(self.kernel, str):
            return self.kernel(z, z)
        if self.kernel == "linear":
            return z @ z.T
        distance = cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")  # exact for near and equal samples
        sigmas: Any = _several(self.bandwidth)
        if not sigmas:
            sigmas = [self._median(distance)]
        total: Any = 0
        for sigma in sigmas:
            total = total + _OF_DISTANCE[self.kernel](distance, sigma)
        return total / len(sigmas)

    @staticmethod
    def _median(distance: Tensor) -> Tensor:
        """The median distance of different samples; 1 where more than half of them coincide."""
        n = distance.shape[0]
        rows, columns = triu_indices(n, n, 1, device=distance.device).unbind(0)
        median = distance.detach()[rows, columns].median()
        return median + (median == 0).to(median.dtype)


def _several(bandwidth: float | Sequence[float] | None) -> list[float]:
    if bandwidth is None:
        return []
    return [float(bandwidth)] if isinstance(bandwidth, (int, float)) else [float(s) for s in bandwidth]
