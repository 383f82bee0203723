"""LAMB: Adam with a rate for each tensor, for very large batches."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Tensor
from .optimizer import ParamsT
from .options import check_betas, check_lr, check_not_negative, scalar
from .per_parameter import PerParameter, lerp, shrink
from .scratch import fresh

__all__ = ["LAMB", "lamb_update"]


def lamb_update(
    xp: Any,
    p: Any,
    g: Any,
    exp_avg: Any,
    exp_avg_sq: Any,
    *,
    t: float,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    norm_bounds: tuple[float, float] | None = None,
    adapt: bool = True,
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """Step t (1, 2, ...) of LAMB on real arrays of one shape, in place on all but g.

    >>> import numpy as np
    >>> from retrograd.optim.lamb import lamb_update
    >>> p, m, v = np.array([3.0, 4.0]), np.zeros(2), np.zeros(2)
    >>> lamb_update(np, p, np.array([0.0, 1e6]), m, v, t=1, lr=0.5, eps=0.1)  # half of |p| = 5, whatever |g|
    >>> p.round(6).tolist()
    [3.0, 1.5]
    """
    if maximize:
        g = xp.negative(g, work(xp, p))
    w, update = work(xp, p, 1), work(xp, p, 2)
    lerp(xp, exp_avg, g, 1.0 - beta1, w)
    shrink(xp, exp_avg_sq, g, beta2, w)
    xp.sqrt(exp_avg_sq, w)
    xp.divide(w, math.sqrt(1.0 - beta2**t), w)
    xp.add(w, eps, w)
    xp.divide(exp_avg, w, update)
    xp.divide(update, 1.0 - beta1**t, update)
    if weight_decay:
        xp.add(update, xp.multiply(p, weight_decay, w), update)
    rate: Any = lr
    if adapt:
        size = xp.sqrt(xp.sum(xp.multiply(p, p, w)))
        if norm_bounds is not None:
            size = xp.clip(size, norm_bounds[0], norm_bounds[1])
        length = xp.sqrt(xp.sum(xp.multiply(update, update, w)))
        # a tensor of zeros, or one that would not move, keeps the rate as it is
        usable = (size > 0.0) & (length > 0.0)
        rate = lr * xp.where(usable, size / xp.where(usable, length, 1.0), 1.0)
    xp.subtract(p, xp.multiply(update, rate, w), p)


class LAMB(PerParameter):
    r"""LAMB (layer-wise adaptive moments): Adam's direction, as long as lr times the parameter's own norm.

    For a parameter tensor p with gradient g (negated by `maximize`), at step t:

        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        r = (m / (1 - b1**t)) / (sqrt(v / (1 - b2**t)) + eps) + weight_decay * p
        p = p - lr * phi(|p|) / |r| * r                                            lr * r where either norm is 0

    phi clips the norm to norm_bounds = (least, greatest), or leaves it alone (None). A parameter group with adapt=False
    takes AdamW's steps, lr * r: the usual choice for biases and norms, which `param_groups_weight_decay` sets apart.
    foreach is accepted and changes no number; capturable=True and differentiable=True are refused
    (NotImplementedError). State: `step`, `exp_avg` (m), `exp_avg_sq` (v).

    Raises ValueError for negative options, betas outside [0, 1) and bounds out of order, RuntimeError for complex
    parameters. You et al., "Large batch optimization for deep learning: training BERT in 76 minutes" (2020).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([3.0, 4.0], dtype=rg.float64))
    >>> opt = rg.optim.LAMB([w], lr=0.1, weight_decay=0.0)
    >>> (1000 * w).sum().backward()
    >>> opt.step()
    >>> round(float((w - rg.tensor([3.0, 4.0])).norm()), 6)
    0.5
    """

    _rule = staticmethod(lamb_update)
    _complex = False

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        norm_bounds: tuple[float, float] | None = None,
        adapt: bool = True,
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
        if norm_bounds is not None and not 0.0 <= norm_bounds[0] <= norm_bounds[1]:
            raise ValueError(
                f"LAMB: norm_bounds is {norm_bounds}; expected (least, greatest) with 0 <= least <= greatest"
            )
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "norm_bounds": None if norm_bounds is None else tuple(norm_bounds),
                "adapt": adapt,
                "foreach": foreach,
                "maximize": maximize,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        beta1, beta2 = group["betas"]
        return {
            "beta1": scalar(beta1),
            "beta2": scalar(beta2),
            **{name: scalar(group[name]) for name in ("lr", "eps", "weight_decay")},
            **{name: group[name] for name in ("norm_bounds", "adapt", "maximize")},
        }

    def _numbers(self, state: dict[str, Any], t: float, group: dict[str, Any]) -> dict[str, Any]:
        return {"t": t}
