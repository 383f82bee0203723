"""Radial basis functions: a layer of Gaussian kernels, the network on top of it, and its training in phases."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...autograd import Parameter, Tensor, no_grad
from ...autograd.errors import ShapeError
from ...autograd.ops.create import empty, zeros
from ...autograd.ops.join import cat, stack
from ...autograd.ops.ranges import eye
from ...autograd.ops.where import where
from ...autograd.random import Generator
from .. import init
from ..modules.linear import Linear
from ..modules.module import Module

__all__ = ["RBF", "RBFNetwork"]


def _square_distances(x: Tensor, centers: Tensor) -> Tensor:
    """|x - c|**2 for x (..., D) and centers (K, D): (..., K). From differences: exactly 0 where x is a centre."""
    d = x.unsqueeze(-2) - centers
    return (d * d).sum(-1)


def _k_means_seeds(x: Tensor, k: int, generator: Generator | None) -> Tensor:
    """k-means++: a random row of x, then each next with a probability proportional to D(x)**2."""
    from ...autograd.ops.sample import multinomial

    one = (x[:, 0] * 0 + 1).to(x.dtype)
    chosen, nearest = [], None
    for _ in range(k):
        # all rows are centres already, if some occur repeatedly: any row will do then
        weight = one if nearest is None or not bool(nearest.sum() > 0) else nearest
        center = x[multinomial(weight, 1, generator=generator)]
        chosen.append(center[0])
        d = _square_distances(x, center)[:, 0]
        nearest = d if nearest is None else nearest.minimum(d)
    return stack(chosen)


class RBF(Module):
    """A layer of Gaussian kernels: `phi_j(x) = exp(-|x - mu_j|**2 / (2 sigma_j**2))`, with trained centres and widths.

    Shapes: input `(*, in_features)`, output `(*, num_kernels)`; `centers` (num_kernels, in_features), at the start
    standard normal; `log_widths` (num_kernels,), the logarithm of sigma, so that widths stay positive; at the start 0.
    `fit_centers` places the kernels by the data.

    Broomhead & Lowe, "Multivariable Functional Interpolation and Adaptive Networks", 1988.

    >>> import retrograd as rg
    >>> layer = rg.nn.RBF(2, num_kernels=5)
    >>> tuple(layer(rg.zeros(7, 2)).shape)
    (7, 5)
    """

    centers: Tensor
    log_widths: Tensor

    def __init__(self, in_features: int, num_kernels: int, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        if in_features < 1 or num_kernels < 1:
            raise ValueError(f"RBF: expected positive sizes, got {in_features} features and {num_kernels} kernels")
        self.in_features, self.num_kernels = in_features, num_kernels
        self.centers = Parameter(empty((num_kernels, in_features), device=device, dtype=dtype))
        self.log_widths = Parameter(empty(num_kernels, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the centres anew, set the widths to 1."""
        init.normal_(self.centers)
        init.zeros_(self.log_widths)

    @property
    def widths(self) -> Tensor:
        """sigma of each kernel, (num_kernels,)."""
        return self.log_widths.exp()

    def forward(self, input: Tensor) -> Tensor:
        if not input.ndim or input.shape[-1] != self.in_features:
            raise ShapeError(f"RBF: expected an input (*, {self.in_features}), got {tuple(input.shape)}")
        return (_square_distances(input, self.centers) * (-2 * self.log_widths).exp() * -0.5).exp()

    def fit_centers(self, x: Tensor, max_iter: int = 100, generator: Generator | None = None) -> RBF:
        """Phase one: place the centres by k-means, seeded by k-means++, and set the widths by `fit_widths`.

        x: data `(N, in_features)` with N >= num_kernels; with N = num_kernels every sample becomes a centre. max_iter: at
        most so many steps of Lloyd's algorithm, which stops when nothing moves; 0 keeps the seeds. Returns the layer.

        Arthur & Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007.

        >>> import retrograd as rg
        >>> x = rg.tensor([[0.0], [1.0], [10.0], [11.0]])
        >>> rg.nn.RBF(1, 2).fit_centers(x).centers.flatten().sort().values.tolist()
        [0.5, 10.5]
        """
        if x.ndim != 2 or x.shape[1] != self.in_features:
            raise ShapeError(f"RBF.fit_centers: expected data (N, {self.in_features}), got {tuple(x.shape)}")
        if x.shape[0] < self.num_kernels:
            raise ShapeError(
                f"RBF.fit_centers: {self.num_kernels} kernels need as many samples, got {x.shape[0]}; take fewer kernels"
            )
        with no_grad():
            x = x.detach().to(device=self.centers.device, dtype=self.centers.dtype)
            centers = _k_means_seeds(x, self.num_kernels, generator)
            for _ in range(max_iter):
                nearest = _square_distances(x, centers).argmin(1)
                counts = zeros(self.num_kernels, dtype=x.dtype, device=x.device).index_add(0, nearest, x[:, 0] * 0 + 1)
                sums = zeros(centers.shape, dtype=x.dtype, device=x.device).index_add(0, nearest, x)
                moved = where(counts.unsqueeze(1) > 0, sums / counts.clamp(min=1).unsqueeze(1), centers)
                if bool((moved == centers).all()):
                    break
                centers = moved
            self.centers.copy_(centers)
        return self.fit_widths()

    def fit_widths(self, neighbors: int = 2, scale: float = 1.0) -> RBF:
        """Set each width to scale times the mean distance of its centre to the nearest `neighbors` other centres.

        A kernel whose neighbours are all at its own place, or the only kernel, keeps its width. Returns the layer.

        Moody & Darken, "Fast Learning in Networks of Locally-Tuned Processing Units", 1989.

        >>> import retrograd as rg
        >>> layer = rg.nn.RBF(1, 3)
        >>> layer.centers.data.copy_(rg.tensor([[0.0], [1.0], [4.0]])).flatten().tolist()
        [0.0, 1.0, 4.0]
        >>> layer.fit_widths(neighbors=1).widths.tolist()
        [1.0, 1.0, 3.0]
        """
        if neighbors < 1 or not scale > 0:
            raise ValueError(f"RBF.fit_widths: neighbors and scale must be positive, got {neighbors} and {scale}")
        with no_grad():
            distances = _square_distances(self.centers, self.centers).sqrt().sort(1).values
            near = distances[:, 1 : neighbors + 1]  # the first is the distance to itself
            if near.shape[1]:
                mean = near.mean(1) * scale
                apart = mean > 0
                self.log_widths.copy_(where(apart, where(apart, mean, 1.0).log(), self.log_widths))
        return self

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, num_kernels={self.num_kernels}"


class RBFNetwork(Module):
    """A radial basis function network: `y = W phi(x) + b`, phi the kernels of an `RBF` layer.

    Training in phases (Schwenker, Kestler & Palm, "Three Learning Phases for Radial-Basis-Function Networks", 2001):
    one, `rbf.fit_centers(x)`; two, `fit_weights(x, y)` with the kernels as they are; three, gradient descent on
    everything. `fit_two_phases` and `fit_three_phases` run them; nothing keeps one from training all by gradient descent.
    Shapes: input `(*, in_features)`, output `(*, out_features)`. A nonlinearity for classification follows outside.

    Broomhead & Lowe, "Multivariable Functional Interpolation and Adaptive Networks", 1988.

    >>> import retrograd as rg
    >>> x = rg.linspace(0, 6, 50).unsqueeze(1)
    >>> model = rg.nn.RBFNetwork(1, 10, 1).fit_two_phases(x, x.sin(), l2=1e-6)
    >>> bool((model(x) - x.sin()).abs().max() < 0.05)
    True
    """

    def __init__(
        self,
        in_features: int,
        num_kernels: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.rbf = RBF(in_features, num_kernels, device, dtype)
        self.linear = Linear(num_kernels, out_features, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return self.linear(self.rbf(input))

    def fit_weights(
        self, x: Tensor, y: Tensor, l2: float = 0.0, l1: float = 0.0, max_iter: int = 10_000, tol: float = 1e-9
    ) -> RBFNetwork:
        """Phase two: the best weights for the kernels as they are, in one step.

        Minimizes `1/N sum over n of |y_n - W phi(x_n) - b|**2 + l2 * |W|**2 + l1 * sum |W_ij|`; the bias is not penalized.
        Without l1 by least squares (the smallest W where several are best); with l1 by FISTA, at most max_iter steps, until
        no weight moves by more than tol times the largest. x `(N, in_features)`, y `(N, out_features)` or, for one
        output, `(N,)`. Returns the network.

        Beck & Teboulle, "A Fast Iterative Shrinkage-Thresholding Algorithm for Linear Inverse Problems", 2009.
        """
        weight = self.linear.weight
        if y.ndim == 1:
            y = y.unsqueeze(1)
        if x.ndim != 2 or tuple(y.shape) != (x.shape[0], weight.shape[0]):
            raise ShapeError(
                f"RBFNetwork.fit_weights: expected x (N, {self.rbf.in_features}) and y (N, {weight.shape[0]}), got "
                f"{tuple(x.shape)} and {tuple(y.shape)}"
            )
        if l2 < 0 or l1 < 0:
            raise ValueError(f"RBFNetwork.fit_weights: penalties must not be negative, got l2={l2} and l1={l1}")
        from ...autograd.linalg import lstsq

        with no_grad():
            x, y = (t.detach().to(device=weight.device, dtype=weight.dtype) for t in (x, y))
            phi = self.rbf(x)  # (N, K)
            # with a bias, the best weights are those of centred data, and the bias makes the means equal
            biased = self.linear.bias is not None
            mean_phi, mean_y = (t.mean(0) if biased else t.new_zeros(t.shape[1]) for t in (phi, y))
            a, b, n, k = phi - mean_phi, y - mean_y, phi.shape[0], phi.shape[1]
            if l1:
                w = _fista(a.T @ a / n + l2 * eye(k, dtype=a.dtype, device=a.device), a.T @ b / n, l1, max_iter, tol)
            else:
                if l2:
                    a = cat([a, eye(k, dtype=a.dtype, device=a.device) * math.sqrt(n * l2)])
                    b = cat([b, b.new_zeros((k, b.shape[1]))])
                w = lstsq(a, b).solution
            weight.copy_(w.T)
            if self.linear.bias is not None:
                self.linear.bias.copy_(mean_y - mean_phi @ w)
        return self

    def fit_two_phases(
        self, x: Tensor, y: Tensor, l2: float = 0.0, l1: float = 0.0, generator: Generator | None = None
    ) -> RBFNetwork:
        """`rbf.fit_centers(x)`, then `fit_weights(x, y, l2, l1)`. Returns the network."""
        self.rbf.fit_centers(x, generator=generator)
        return self.fit_weights(x, y, l2, l1)

    def fit_three_phases(
        self,
        x: Tensor,
        y: Tensor,
        optimizer: Callable[[Any], Any],
        steps: int = 100,
        l2: float = 0.0,
        l1: float = 0.0,
        generator: Generator | None = None,
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> list[float]:
        """`fit_two_phases`, then steps of gradient descent on everything, over all data. Returns the loss of each step.

        optimizer: a function of the parameters, such as `lambda params: rg.optim.Adam(params, lr=0.01)`. loss: of output
        and target, by default the sum over outputs of the mean squared error; the penalties of phase two are added.

        >>> import retrograd as rg
        >>> x = rg.linspace(0, 6, 50).unsqueeze(1)
        >>> model = rg.nn.RBFNetwork(1, 5, 1)
        >>> losses = model.fit_three_phases(x, x.sin(), lambda p: rg.optim.Adam(p, lr=0.01), steps=20)
        >>> losses[-1] < losses[0]
        True
        """
        self.fit_two_phases(x, y, l2, l1, generator)
        y = y.unsqueeze(1) if y.ndim == 1 else y
        descent, losses, weight = optimizer(self.parameters()), [], self.linear.weight
        for _ in range(steps):
            descent.zero_grad()
            out = self(x)
            value = ((out - y) ** 2).sum(1).mean() if loss is None else loss(out, y)
            if l2:
                value = value + l2 * (weight * weight).sum()
            if l1:
                value = value + l1 * weight.abs().sum()
            value.backward()
            descent.step()
            losses.append(value.item())
        return losses


def _fista(gram: Tensor, target: Tensor, l1: float, max_iter: int, tol: float) -> Tensor:
    """The minimum over w of `w^T gram w - 2 w^T target + l1 |w|_1`, for each column of target."""
    from ...autograd.linalg import eigvalsh

    largest = float(eigvalsh(gram)[-1])
    w = momentum = target * 0
    if largest <= 0:
        return w
    t = 1.0
    for _ in range(max_iter):
        step = momentum - (gram @ momentum - target) / largest
        new = step.sign() * (step.abs() - l1 / (2 * largest)).clamp(min=0)
        t, before = (1 + math.sqrt(1 + 4 * t * t)) / 2, t
        moved = new - w
        # a restart where the momentum points uphill: convergence is linear then, as for strongly convex functions
        if bool(((momentum - new) * moved).sum() > 0):
            t, before = 1.0, 1.0
        momentum, w = new + ((before - 1) / t) * moved, new
        if bool(moved.abs().max() <= tol * w.abs().max()):
            break
    return w
