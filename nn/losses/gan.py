"""Losses of generative adversarial networks, and the gradient penalty of the Wasserstein form."""

from __future__ import annotations

from collections.abc import Callable

from ...autograd import Tensor, enable_grad, grad
from ...autograd.core import as_tensor_arg
from ...autograd.errors import GraphError, ShapeError
from ...autograd.ops.random import rand
from ...autograd.random import Generator
from .. import functional as F
from .base import Loss, check_equal_shapes, check_float, reduced, safe_norm

__all__ = [
    "GradientPenalty", "HingeGANLoss", "LeastSquaresGANLoss", "MinimaxGANLoss", "NonSaturatingGANLoss",
    "WassersteinGANLoss",
]  # fmt: skip


class _GANLoss(Loss):
    """Two losses, `discriminator(real, fake)` and `generator(fake)`, of the discriminator's scores (logits).

    A call with fake scores is the generator's loss, one with fake and real scores the discriminator's. Of the two parts
    of the discriminator's loss each is reduced by itself, so that the batches may differ; 'none' needs equal shapes.
    """

    def forward(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        return self.generator(fake) if real is None else self.discriminator(real, fake)

    def generator(self, fake: Tensor) -> Tensor:
        """What the generator minimizes, of the scores of its samples."""
        return reduced(self._generated(self._scores(fake=fake)[0]), self.reduction)

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """What the discriminator minimizes, of the scores of data and of samples; detach the samples from the generator."""
        r, f = self._scores(real=real, fake=fake)
        if self.reduction == "none":
            check_equal_shapes(type(self).__name__, real=r, fake=f)
        return reduced(self._of_real(r), self.reduction) + reduced(self._of_fake(f), self.reduction)

    def _scores(self, **scores: Tensor) -> list[Tensor]:
        op = type(self).__name__
        found = {name: as_tensor_arg(x, op) for name, x in scores.items()}
        check_float(op, **found)
        return list(found.values())

    def _generated(self, fake: Tensor) -> Tensor:
        raise NotImplementedError

    def _of_real(self, real: Tensor) -> Tensor:
        raise NotImplementedError

    def _of_fake(self, fake: Tensor) -> Tensor:
        raise NotImplementedError


class MinimaxGANLoss(_GANLoss):
    r"""The original game $\min_G \max_D E[\log D(x)] + E[\log(1 - D(G(z)))]$, D the sigmoid of the scores.

    `discriminator(real, fake)` is minus that value: log 4 where D is 1/2 everywhere, and for the best D log 4 minus twice
    the Jensen-Shannon divergence of data and samples. `generator(fake)` is $E[\log(1 - D(G(z)))]$, whose gradient
    vanishes while D rejects the samples surely: `NonSaturatingGANLoss` is for training.

    label_smoothing: D is to give data 1 minus that (one-sided, Salimans et al. 2016). Shapes: any.

    Goodfellow et al., "Generative adversarial nets", NeurIPS 2014.

    >>> import retrograd as rg
    >>> loss = rg.nn.MinimaxGANLoss()
    >>> loss.discriminator(rg.zeros(3), rg.zeros(3)), loss.generator(rg.zeros(3))
    (tensor(1.3863), tensor(-0.6931))
    """

    settings = ("label_smoothing",)

    def __init__(self, label_smoothing: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"{type(self).__name__}: label_smoothing must lie in [0, 1), got {label_smoothing}")
        self.label_smoothing = label_smoothing

    def _generated(self, fake: Tensor) -> Tensor:
        return -F.softplus(fake)  # log(1 - sigmoid(x))

    def _of_real(self, real: Tensor) -> Tensor:
        return -F.logsigmoid(real) + self.label_smoothing * real if self.label_smoothing else -F.logsigmoid(real)

    def _of_fake(self, fake: Tensor) -> Tensor:
        return -F.logsigmoid(-fake)


class NonSaturatingGANLoss(MinimaxGANLoss):
    r"""The minimax game with the generator's loss $-E[\log D(G(z))]$: strong where D rejects the samples surely.

    `discriminator(real, fake)` and label_smoothing are those of `MinimaxGANLoss`. Shapes: scores (logits), any.

    Goodfellow et al., "Generative adversarial nets", NeurIPS 2014, section 3.

    >>> import retrograd as rg
    >>> rg.nn.NonSaturatingGANLoss().generator(rg.zeros(3))
    tensor(0.6931)
    """

    def _generated(self, fake: Tensor) -> Tensor:
        return -F.logsigmoid(fake)


class LeastSquaresGANLoss(_GANLoss):
    r"""$\frac12 E[(D(x) - b)^2] + \frac12 E[(D(G(z)) - a)^2]$ for D, $\frac12 E[(D(G(z)) - c)^2]$ for G; no sigmoid.

    a, b, c: the scores for samples, for data, and what the generator aims at. b - c = 1 and b - a = 2 minimize the
    Pearson chi-squared divergence; 0, 1, 1 is the usual choice. Shapes: any.

    Mao, Li, Xie, Lau, Wang, Smolley, "Least squares generative adversarial networks", ICCV 2017.

    >>> import retrograd as rg
    >>> loss = rg.nn.LeastSquaresGANLoss()
    >>> loss.discriminator(rg.tensor([1.0]), rg.tensor([2.0])), loss.generator(rg.tensor([0.0]))
    (tensor(2.), tensor(0.5000))
    """

    settings = ("a", "b", "c")

    def __init__(self, a: float = 0.0, b: float = 1.0, c: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.a, self.b, self.c = a, b, c

    def _generated(self, fake: Tensor) -> Tensor:
        return (fake - self.c) ** 2 / 2

    def _of_real(self, real: Tensor) -> Tensor:
        return (real - self.b) ** 2 / 2

    def _of_fake(self, fake: Tensor) -> Tensor:
        return (fake - self.a) ** 2 / 2


class WassersteinGANLoss(_GANLoss):
    r"""$E[D(G(z))] - E[D(x)]$ for the critic D, $-E[D(G(z))]$ for the generator.

    Minus the critic's loss estimates the Wasserstein-1 distance of data and samples, if the critic is 1-Lipschitz: clip
    its weights, or add `GradientPenalty`. Shapes: any.

    Arjovsky, Chintala, Bottou, "Wasserstein generative adversarial networks", ICML 2017.

    >>> import retrograd as rg
    >>> loss = rg.nn.WassersteinGANLoss()
    >>> loss.discriminator(rg.tensor([1.0, 3.0]), rg.tensor([0.5])), loss.generator(rg.tensor([0.5]))
    (tensor(-1.5000), tensor(-0.5000))
    """

    def _generated(self, fake: Tensor) -> Tensor:
        return -fake

    def _of_real(self, real: Tensor) -> Tensor:
        return -real

    def _of_fake(self, fake: Tensor) -> Tensor:
        return fake * 1


class HingeGANLoss(_GANLoss):
    r"""$E[\max(0, 1 - D(x))] + E[\max(0, 1 + D(G(z)))]$ for the discriminator, $-E[D(G(z))]$ for the generator.

    Shapes: any. Lim, Ye, "Geometric GAN", 2017; Miyato, Kataoka, Koyama, Yoshida, "Spectral normalization for generative
    adversarial networks", ICLR 2018.

    >>> import retrograd as rg
    >>> rg.nn.HingeGANLoss().discriminator(rg.tensor([0.5]), rg.tensor([-3.0]))
    tensor(0.5000)
    """

    def _generated(self, fake: Tensor) -> Tensor:
        return -fake

    def _of_real(self, real: Tensor) -> Tensor:
        return (1 - real).relu()

    def _of_fake(self, fake: Tensor) -> Tensor:
        return (1 + fake).relu()


class GradientPenalty(Loss):
    r"""$\lambda E[(|\nabla D(\hat x)| - 1)^2]$ at random points $\hat x = \epsilon x + (1 - \epsilon) G(z)$ between the two.

    It keeps a Wasserstein critic near 1-Lipschitz. The penalty is differentiable (second order) in the critic's
    parameters. The critic must treat samples independently: no batch normalization in it.

    weight: lambda. center: the norm aimed at (0 for the zero-centered form). one_sided: only norms above count. Called
    as `penalty(critic, real, fake, generator=None)`: critic maps `(N, ...)` to one score for each sample; real and fake
    are equal in shape, `(N, ...)`; epsilon is uniform on [0, 1), one for each sample. reduction 'none' gives `(N,)`.

    Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved training of Wasserstein GANs", NeurIPS 2017.

    >>> import retrograd as rg
    >>> critic = rg.nn.Linear(2, 1)
    >>> _ = rg.nn.init.constant_(critic.weight, 3.0)  # the gradient has norm 3 sqrt(2) everywhere
    >>> rg.nn.GradientPenalty(weight=1.0)(critic, rg.ones(4, 2), rg.zeros(4, 2)).detach()
    tensor(10.5147)
    """

    settings = ("weight", "center", "one_sided")

    def __init__(
        self, weight: float = 10.0, center: float = 1.0, one_sided: bool = False, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.weight, self.center, self.one_sided = weight, center, one_sided

    def forward(
        self, critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, generator: Generator | None = None
    ) -> Tensor:
        op = "GradientPenalty"
        x, g = as_tensor_arg(real, op), as_tensor_arg(fake, op)
        check_equal_shapes(op, real=x, fake=g)
        check_float(op, real=x, fake=g)
        if x.ndim < 2:
            raise ShapeError(f"{op}: samples (N, ...) of at least 2 dimensions are expected, got {tuple(x.shape)}")
        share = rand((x.shape[0], *(1,) * (x.ndim - 1)), generator=generator, device=x.device, dtype=x.dtype)
        between = (share * x.detach() + (1 - share) * g.detach()).requires_grad_()
        with enable_grad():
            scores = critic(between)
            if scores.shape.numel() != x.shape[0]:
                raise ShapeError(
                    f"{op}: the critic gave {tuple(scores.shape)} for {x.shape[0]} samples; one score for each is expected"
                )
            if not scores.requires_grad:
                raise GraphError(
                    f"{op}: the critic's scores do not depend on its input, so they have no gradient in it"
                )
            (slope,) = grad(scores.sum(), between, create_graph=True)
            excess = safe_norm(slope.flatten(1)) - self.center
            return self.weight * reduced((excess.relu() if self.one_sided else excess) ** 2, self.reduction)
