"""NAdam: Adam with Nesterov momentum."""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from ..autograd.backend import xp_of
from ..autograd.core import wrap
from .optimizer import ParamsT
from .options import check_betas, check_lr, check_not_negative, scalar
from .per_parameter import PerParameter, decayed, host_number, lerp, shrink
from .scratch import fresh

__all__ = ["NAdam", "nadam_update"]


def nadam_update(
    xp: Any,
    p: Any,
    g: Any,
    exp_avg: Any,
    exp_avg_sq: Any,
    *,
    t: float,
    mu: float,
    mu_next: float,
    mu_product: float,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """Step t (1, 2, ...) of NAdam on real arrays of one shape, in place on all but g.

    mu, mu_next: the momentum of this step and of the next; mu_product: the product of those up to this step.

    >>> import numpy as np
    >>> from retrograd.optim.nadam import nadam_update
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> nadam_update(
    ...     np, p, np.array([3.0]), m, v, t=1, mu=0.5, mu_next=0.5, mu_product=0.5, lr=0.25, beta1=0.5, eps=0.0
    ... )
    >>> [round(x, 6) for x in p.tolist()]
    [0.666667]
    """
    if weight_decay and decoupled:
        xp.multiply(p, 1.0 - lr * weight_decay, p)
        weight_decay = 0.0
    g = decayed(xp, p, g, weight_decay, maximize, work)
    w, d = work(xp, p, 1), work(xp, p, 2)
    lerp(xp, exp_avg, g, 1.0 - beta1, w)
    shrink(xp, exp_avg_sq, g, beta2, w)
    xp.divide(exp_avg_sq, 1.0 - beta2**t, d)
    xp.sqrt(d, d)
    xp.add(d, eps, d)
    xp.multiply(xp.divide(g, d, w), lr * (1.0 - mu) / (1.0 - mu_product), w)
    xp.subtract(p, w, p)
    xp.multiply(xp.divide(exp_avg, d, w), lr * mu_next / (1.0 - mu_product * mu_next), w)
    xp.subtract(p, w, p)


class NAdam(PerParameter):
    r"""NAdam: Adam whose first moment looks one step ahead, as Nesterov's momentum does.

    With gradient g (negated by `maximize`; plus weight_decay * p), at step t, where
    mu_t = b1 * (1 - 0.96**(t * momentum_decay) / 2):

        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        h = mu_{t+1} * m / (1 - mu_1 ... mu_{t+1}) + (1 - mu_t) * g / (1 - mu_1 ... mu_t)
        p = p - lr * h / (sqrt(v / (1 - b2**t)) + eps)

    decoupled_weight_decay shrinks p by lr * weight_decay instead (NAdamW). foreach is accepted for PyTorch's sake and
    changes no number; capturable=True and differentiable=True are refused (NotImplementedError). State: `step`,
    `mu_product`, `exp_avg` (m), `exp_avg_sq` (v).

    Raises ValueError for negative options and for betas outside [0, 1). Dozat, "Incorporating Nesterov momentum into
    Adam" (2016).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0, -2.0], dtype=rg.float64))
    >>> opt = rg.optim.NAdam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> [round(v, 4) for v in w.tolist()]
    [0.4718, -1.4718]
    """

    _rule = staticmethod(nadam_update)
    _late = {**PerParameter._late, "decoupled_weight_decay": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay, momentum_decay=momentum_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _begin(self, p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["step"] = host_number(0.0, group)
        state["mu_product"] = host_number(1.0, group)
        for name in self._buffers(group, p):
            state[name] = wrap(xp_of(p._data).zeros_like(p._data))

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        beta1, beta2 = group["betas"]
        names = ("lr", "eps", "weight_decay")
        return {
            "beta1": scalar(beta1),
            "beta2": scalar(beta2),
            "decoupled": group["decoupled_weight_decay"],
            "maximize": group["maximize"],
            **{name: scalar(group[name]) for name in names},
        }

    def _numbers(self, state: dict[str, Any], t: float, group: dict[str, Any]) -> dict[str, Any]:
        beta1, decay = scalar(group["betas"][0]), scalar(group["momentum_decay"])
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (t * decay))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((t + 1.0) * decay))
        product = state["mu_product"]._data
        product *= product.dtype.type(mu)  # rounded as the state is, in float32 as a rule: PyTorch's numbers
        return {"t": t, "mu": mu, "mu_next": mu_next, "mu_product": float(product)}
