"""Adadelta."""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from .optimizer import ParamsT
from .options import check_lr, check_not_negative, scalar
from .per_parameter import PerParameter, decayed, shrink
from .scratch import fresh

__all__ = ["Adadelta", "adadelta_update"]


def adadelta_update(
    xp: Any,
    p: Any,
    g: Any,
    square_avg: Any,
    acc_delta: Any,
    *,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """One step of Adadelta on real arrays of one shape, in place on all but g.

    >>> import numpy as np
    >>> from retrograd.optim.adadelta import adadelta_update
    >>> p, v, d = np.array([1.0]), np.array([4.0]), np.array([1.0])
    >>> adadelta_update(np, p, np.array([2.0]), v, d, rho=0.5, eps=0.0)
    >>> p.tolist(), v.tolist(), d.tolist()
    ([0.0], [4.0], [1.0])
    """
    g = decayed(xp, p, g, weight_decay, maximize, work)
    w, d = work(xp, p, 1), work(xp, p, 2)
    shrink(xp, square_avg, g, rho, w)
    xp.sqrt(xp.add(square_avg, eps, w), w)
    xp.sqrt(xp.add(acc_delta, eps, d), d)
    xp.divide(d, w, d)
    xp.multiply(d, g, d)
    shrink(xp, acc_delta, d, rho, w)
    xp.multiply(d, lr, d)
    xp.subtract(p, d, p)


class Adadelta(PerParameter):
    r"""Adadelta: steps in the parameters' own unit, from running averages of squared gradients and of squared steps.

    With gradient g (negated by `maximize`; plus weight_decay * p):

        v = rho * v + (1 - rho) * g * g
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d * d
        p = p - lr * d

    foreach is accepted for PyTorch's sake and changes no number; capturable=True and differentiable=True are refused
    (NotImplementedError). State: `step`, `square_avg` (v), `acc_delta` (u).

    Raises ValueError for a negative lr, eps or weight_decay and for rho outside [0, 1]. Zeiler, "ADADELTA: an adaptive
    learning rate method" (2012).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0, -2.0], dtype=rg.float64))
    >>> opt = rg.optim.Adadelta([w], eps=0.25, rho=0.0)
    >>> w.grad = rg.tensor([0.0, 1.5], dtype=rg.float64)
    >>> opt.step()
    >>> [round(v, 4) for v in w.tolist()]
    [1.0, -2.4743]
    """

    _rule = staticmethod(adadelta_update)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative(eps=eps, weight_decay=weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "capturable": capturable,
                "foreach": foreach,
                "differentiable": differentiable,
            },
        )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        names = ("lr", "rho", "eps", "weight_decay")
        return {"maximize": group["maximize"], **{name: scalar(group[name]) for name in names}}
