"""Adamax: Adam with the infinity norm."""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from .optimizer import ParamsT
from .options import check_betas, check_lr, check_not_negative, scalar
from .per_parameter import PerParameter, decayed, lerp
from .scratch import fresh

__all__ = ["Adamax", "adamax_update"]


def adamax_update(
    xp: Any,
    p: Any,
    g: Any,
    exp_avg: Any,
    exp_inf: Any,
    *,
    t: float,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """Step t (1, 2, ...) of Adamax on real arrays of one shape, in place on all but g.

    >>> import numpy as np
    >>> from retrograd.optim.adamax import adamax_update
    >>> p, m, u = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> adamax_update(np, p, np.array([-3.0]), m, u, t=1, lr=0.5, beta1=0.5, eps=0.0)
    >>> p.tolist(), u.tolist()
    ([1.5], [3.0])
    """
    g = decayed(xp, p, g, weight_decay, maximize, work)
    w = work(xp, p, 1)
    lerp(xp, exp_avg, g, 1.0 - beta1, w)
    xp.add(xp.abs(g, w), eps, w)
    xp.multiply(exp_inf, beta2, exp_inf)
    xp.maximum(exp_inf, w, out=exp_inf)
    xp.divide(exp_avg, exp_inf, w)
    xp.multiply(w, lr / (1.0 - beta1**t), w)
    xp.subtract(p, w, p)


class Adamax(PerParameter):
    r"""Adamax: Adam whose steps are divided by a decaying maximum of the gradient's size.

    With gradient g (negated by `maximize`; plus weight_decay * p), at step t:

        m = b1 * m + (1 - b1) * g
        u = max(b2 * u, |g| + eps)
        p = p - lr / (1 - b1**t) * m / u

    foreach is accepted for PyTorch's sake and changes no number; capturable=True and differentiable=True are refused
    (NotImplementedError). State: `step`, `exp_avg` (m), `exp_inf` (u).

    Raises ValueError for a negative lr, eps or weight_decay and for betas outside [0, 1). Kingma and Ba, "Adam: a
    method for stochastic optimization" (2015), section 7.1.

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0, -2.0], dtype=rg.float64))
    >>> opt = rg.optim.Adamax([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> [round(v, 6) for v in w.tolist()]
    [0.5, -1.5]
    """

    _rule = staticmethod(adamax_update)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
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
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

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
