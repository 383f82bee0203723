"""Lion: the sign of a momentum."""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from .optimizer import ParamsT
from .options import check_betas, check_lr, check_not_negative, scalar
from .per_parameter import PerParameter, lerp
from .scratch import fresh

__all__ = ["Lion", "lion_update"]


def lion_update(
    xp: Any,
    p: Any,
    g: Any,
    exp_avg: Any,
    *,
    lr: float = 1e-4,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """One step of Lion on real arrays of one shape, in place on p and exp_avg.

    >>> import numpy as np
    >>> from retrograd.optim.lion import lion_update
    >>> p, m = np.array([1.0, 1.0, 1.0]), np.array([0.0, -10.0, 0.0])
    >>> lion_update(np, p, np.array([3.0, 3.0, 0.0]), m, lr=0.25)
    >>> p.tolist()
    [0.75, 1.25, 1.0]
    """
    if maximize:
        g = xp.negative(g, work(xp, p))
    w = work(xp, p, 1)
    xp.subtract(g, exp_avg, w)
    xp.multiply(w, 1.0 - beta1, w)
    xp.add(exp_avg, w, w)  # between momentum and gradient, b1 of the first
    xp.sign(w, w)
    if weight_decay:
        xp.multiply(p, 1.0 - lr * weight_decay, p)
    xp.multiply(w, lr, w)
    xp.subtract(p, w, p)
    lerp(xp, exp_avg, g, 1.0 - beta2, w)


class Lion(PerParameter):
    r"""Lion (evolved sign momentum): every element moves by lr, to the side that momentum and gradient point to.

    With gradient g (negated by `maximize`):

        u = sign(b1 * m + (1 - b1) * g)
        p = p - lr * (u + weight_decay * p)
        m = b2 * m + (1 - b2) * g

    The step is larger than Adam's for the same lr: rates are usually 3 to 10 times smaller than AdamW's, weight decays as
    many times larger. The real and imaginary parts of a complex parameter move each by itself. foreach is accepted and
    changes no number; capturable=True and differentiable=True are refused (NotImplementedError). State: `exp_avg` (m).

    Raises ValueError for a negative lr or weight_decay and for betas outside [0, 1). Chen et al., "Symbolic discovery of
    optimization algorithms" (2023).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0, -2.0], dtype=rg.float64))
    >>> opt = rg.optim.Lion([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.tolist()
    [0.75, -1.75]
    """

    _rule = staticmethod(lion_update)
    _counted = False

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("exp_avg",)

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        beta1, beta2 = group["betas"]
        return {
            "lr": scalar(group["lr"]),
            "beta1": scalar(beta1),
            "beta2": scalar(beta2),
            "weight_decay": scalar(group["weight_decay"]),
            "maximize": group["maximize"],
        }
