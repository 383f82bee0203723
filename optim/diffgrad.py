"""diffGrad: Adam that slows down where the gradient no longer changes."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Tensor
from .optimizer import ParamsT
from .options import check_betas, check_lr, check_not_negative, scalar
from .per_parameter import PerParameter, decayed, lerp, shrink
from .scratch import fresh

__all__ = ["DiffGrad", "diffgrad_update"]


def diffgrad_update(
    xp: Any,
    p: Any,
    g: Any,
    exp_avg: Any,
    exp_avg_sq: Any,
    previous_grad: Any,
    *,
    t: float,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """Step t (1, 2, ...) of diffGrad on real arrays of one shape, in place on all but g.

    >>> import numpy as np
    >>> from retrograd.optim.diffgrad import diffgrad_update
    >>> p, m, v, last = np.array([1.0]), np.zeros(1), np.zeros(1), np.array([4.0])
    >>> diffgrad_update(np, p, np.array([4.0]), m, v, last, t=1, lr=0.5, eps=0.0)  # no change: half of Adam's step
    >>> p.tolist()
    [0.75]
    """
    g = decayed(xp, p, g, weight_decay, maximize, work)
    w, friction = work(xp, p, 1), work(xp, p, 2)
    lerp(xp, exp_avg, g, 1.0 - beta1, w)
    shrink(xp, exp_avg_sq, g, beta2, w)
    # sigmoid(|change|): the exponent is never positive, so nothing overflows
    xp.subtract(previous_grad, g, friction)
    xp.abs(friction, friction)
    xp.exp(xp.negative(friction, friction), friction)
    xp.add(friction, 1.0, friction)
    xp.copyto(previous_grad, g)
    xp.sqrt(exp_avg_sq, w)
    xp.divide(w, math.sqrt(1.0 - beta2**t), w)
    xp.add(w, eps, w)
    xp.multiply(w, friction, w)
    xp.divide(exp_avg, w, w)
    xp.multiply(w, lr / (1.0 - beta1**t), w)
    xp.subtract(p, w, p)


class DiffGrad(PerParameter):
    r"""diffGrad: Adam's step times a friction that falls from one to a half where the gradient stays as it was.

    With gradient g (negated by `maximize`; plus weight_decay * p) and the previous one g' (zeros at first), at step t:

        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        xi = 1 / (1 + exp(-|g' - g|))
        p = p - lr * xi * (m / (1 - b1**t)) / (sqrt(v / (1 - b2**t)) + eps)

    Where the loss is steep and bent, gradients change and steps are Adam's; in flat places, near a minimum, they are half
    as long and overshoot less. foreach is accepted and changes no number; capturable=True and differentiable=True are
    refused (NotImplementedError). State: `step`, `exp_avg` (m), `exp_avg_sq` (v), `previous_grad` (g').

    Raises ValueError for a negative lr, eps or weight_decay and for betas outside [0, 1). Dubey et al., "diffGrad: an
    optimization method for convolutional neural networks" (2020).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0, -2.0], dtype=rg.float64))
    >>> opt = rg.optim.DiffGrad([w], lr=0.5)
    >>> (100 * w * w).sum().backward()
    >>> opt.step()
    >>> [round(v, 6) for v in w.tolist()]
    [0.5, -1.5]
    """

    _rule = staticmethod(diffgrad_update)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "previous_grad")

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        beta1, beta2 = group["betas"]
        names = ("lr", "eps", "weight_decay")
        return {
            "beta1": scalar(beta1),
            "beta2": scalar(beta2),
            "maximize": group["maximize"],
            **{name: scalar(group[name]) for name in names},
        }

    def _numbers(self, state: dict[str, Any], t: float, group: dict[str, Any]) -> dict[str, Any]:
        return {"t": t}
