"""RAdam: Adam with a rectified variance."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Tensor
from .optimizer import ParamsT
from .options import check_betas, check_lr, check_not_negative, scalar
from .per_parameter import PerParameter, decayed, lerp, shrink
from .scratch import fresh

__all__ = ["RAdam", "radam_update"]


def radam_update(
    xp: Any,
    p: Any,
    g: Any,
    exp_avg: Any,
    exp_avg_sq: Any,
    *,
    t: float,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """Step t (1, 2, ...) of RAdam on real arrays of one shape, in place on all but g.

    >>> import numpy as np
    >>> from retrograd.optim.radam import radam_update
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> radam_update(np, p, np.array([2.0]), m, v, t=1, lr=0.25, beta1=0.5)
    >>> p.tolist()
    [0.5]
    """
    if weight_decay and decoupled:
        xp.multiply(p, 1.0 - lr * weight_decay, p)
        weight_decay = 0.0
    g = decayed(xp, p, g, weight_decay, maximize, work)
    w = work(xp, p, 1)
    lerp(xp, exp_avg, g, 1.0 - beta1, w)
    shrink(xp, exp_avg_sq, g, beta2, w)
    rate = lr / (1.0 - beta1**t)
    correction = 1.0 - beta2**t
    longest = 2.0 / (1.0 - beta2) - 1.0  # the length of the simple average that v stands for, in the limit and now
    length = longest - 2.0 * t * beta2**t / correction
    if length > 5.0:
        variance = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length)
        xp.sqrt(exp_avg_sq, w)
        xp.add(w, eps, w)
        xp.divide(exp_avg, w, w)
        xp.multiply(w, rate * math.sqrt(variance * correction), w)
    else:
        xp.multiply(exp_avg, rate, w)
    xp.subtract(p, w, p)


class RAdam(PerParameter):
    r"""RAdam: Adam that waits with its adaptive rate until the variance of that rate is small enough.

    With gradient g (negated by `maximize`; plus weight_decay * p), at step t:

        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        n = 2 / (1 - b2) - 1,   k = n - 2 t b2**t / (1 - b2**t)
        r = sqrt((k - 4) (k - 2) n / ((n - 4) (n - 2) k))
        p = p - lr * m / (1 - b1**t) * (r * sqrt(1 - b2**t) / (sqrt(v) + eps)   if k > 5 else   1)

    decoupled_weight_decay shrinks p by lr * weight_decay instead. foreach is accepted for PyTorch's sake and changes no
    number; capturable=True and differentiable=True are refused (NotImplementedError). State: `step`, `exp_avg` (m),
    `exp_avg_sq` (v).

    Raises ValueError for negative options and for betas outside [0, 1). Liu et al., "On the variance of the adaptive
    learning rate and beyond" (2020).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0, -2.0], dtype=rg.float64))
    >>> opt = rg.optim.RAdam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> [round(v, 6) for v in w.tolist()]
    [0.5, -1.0]
    """

    _rule = staticmethod(radam_update)
    _late = {**PerParameter._late, "decoupled_weight_decay": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
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
        check_not_negative(weight_decay=weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "decoupled_weight_decay": decoupled_weight_decay,
                "differentiable": differentiable,
            },
        )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

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
        return {"t": t}
