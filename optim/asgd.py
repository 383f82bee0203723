"""ASGD: averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from ..autograd.backend import xp_of
from ..autograd.core import wrap
from .optimizer import ParamsT
from .options import check_lr, check_not_negative, scalar
from .per_parameter import PerParameter, decayed, host_number, lerp
from .scratch import fresh

__all__ = ["ASGD", "asgd_update"]


def asgd_update(
    xp: Any,
    p: Any,
    g: Any,
    ax: Any,
    *,
    eta: float,
    mu: float,
    lambd: float = 1e-4,
    weight_decay: float = 0.0,
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """One step of ASGD on real arrays of one shape, in place on p and ax; eta and mu: the rates of step and average.

    >>> import numpy as np
    >>> from retrograd.optim.asgd import asgd_update
    >>> p, ax = np.array([2.0]), np.array([3.0])
    >>> asgd_update(np, p, np.array([2.0]), ax, eta=0.5, mu=0.5, lambd=0.0)
    >>> p.tolist(), ax.tolist()
    ([1.0], [2.0])
    """
    g = decayed(xp, p, g, weight_decay, maximize, work)
    w = work(xp, p, 1)
    xp.multiply(p, 1.0 - lambd * eta, p)
    xp.subtract(p, xp.multiply(g, eta, w), p)
    if mu == 1.0:
        xp.copyto(ax, p)
    else:
        lerp(xp, ax, p, mu, w)


class ASGD(PerParameter):
    r"""ASGD: gradient descent with a falling rate, and the average of its iterates beside it.

    With gradient g (negated by `maximize`; plus weight_decay * p), at step t:

        eta = lr / (1 + lambd * lr * (t - 1))**alpha
        p   = (1 - lambd * eta) * p - eta * g
        a   = a + (p - a) / max(1, t - 1 - t0)

    The average a is in the state, as `ax`; the parameters themselves are not averaged. foreach is accepted for PyTorch's
    sake and changes no number; capturable=True and differentiable=True are refused (NotImplementedError). State: `step`,
    `eta`, `mu`, `ax`.

    Raises ValueError for a negative lr or weight_decay. Polyak and Juditsky, "Acceleration of stochastic approximation by
    averaging" (1992).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0, -2.0], dtype=rg.float64))
    >>> opt = rg.optim.ASGD([w], lr=0.25, lambd=0.0)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.tolist()
    [0.5, -1.0]
    """

    _rule = staticmethod(asgd_update)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(weight_decay=weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("ax",)

    def _begin(self, p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["step"] = host_number(0.0, group)
        state["eta"] = host_number(scalar(group["lr"]), group)
        state["mu"] = host_number(1.0, group)
        state["ax"] = wrap(xp_of(p._data).zeros_like(p._data))

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        names = ("lambd", "weight_decay")
        return {"maximize": group["maximize"], **{name: scalar(group[name]) for name in names}}

    def _numbers(self, state: dict[str, Any], t: float, group: dict[str, Any]) -> dict[str, Any]:
        eta, mu = state["eta"]._data, state["mu"]._data
        now = {"eta": float(eta), "mu": float(mu)}  # as set by the step before, rounded as the state is
        lr = scalar(group["lr"])
        eta.fill(lr / (1.0 + scalar(group["lambd"]) * lr * t) ** scalar(group["alpha"]))
        mu.fill(1.0 / max(1.0, t - scalar(group["t0"])))
        return now
