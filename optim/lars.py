"""LARS: momentum with a rate for each tensor, for very large batches."""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from .optimizer import ParamsT
from .options import check_lr, check_not_negative, scalar
from .per_parameter import PerParameter, decayed
from .scratch import fresh

__all__ = ["LARS", "lars_update"]


def lars_update(
    xp: Any,
    p: Any,
    g: Any,
    momentum_buffer: Any = None,
    *,
    lr: float = 1e-3,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    trust_coefficient: float | None = 1e-3,
    eps: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """One step of LARS on real arrays of one shape, in place on p and momentum_buffer (None without momentum).

    >>> import numpy as np
    >>> from retrograd.optim.lars import lars_update
    >>> p = np.array([3.0, 4.0])
    >>> lars_update(np, p, np.array([0.0, 100.0]), lr=1.0, trust_coefficient=0.1)  # a tenth of |p| = 5, whatever |g|
    >>> p.tolist()
    [3.0, 3.5]
    """
    rate: Any = lr
    if trust_coefficient is not None:
        w = work(xp, p, 1)
        size = xp.sqrt(xp.sum(xp.multiply(p, p, w)))
        slope = xp.sqrt(xp.sum(xp.multiply(g, g, w))) + weight_decay * size + eps
        # a tensor of zeros, or one that gets no gradient, keeps the rate as it is
        usable = (size > 0.0) & (slope > 0.0)
        rate = lr * xp.where(usable, trust_coefficient * size / xp.where(usable, slope, 1.0), 1.0)
    step = xp.multiply(decayed(xp, p, g, weight_decay, maximize, work), rate, work(xp, p))
    if momentum_buffer is not None:
        xp.multiply(momentum_buffer, momentum, momentum_buffer)
        xp.add(momentum_buffer, step, momentum_buffer)
        if nesterov:
            xp.add(step, xp.multiply(momentum_buffer, momentum, work(xp, p, 1)), step)
        else:
            step = momentum_buffer
    xp.subtract(p, step, p)


class LARS(PerParameter):
    r"""LARS (layer-wise adaptive rate scaling): SGD with momentum whose step is a share of the parameter's own norm.

    For a parameter tensor p with gradient g (negated by `maximize`):

        trust = trust_coefficient * |p| / (|g| + weight_decay * |p| + eps)        1 where either norm is 0
        v = momentum * v + lr * trust * (g + weight_decay * p)
        p = p - v                                                 nesterov: p - (momentum * v + the last term of v)

    So each layer moves at its own pace and batches of many thousands train. A parameter group with
    trust_coefficient=None takes plain momentum steps: the usual choice for biases and norms, which
    `param_groups_weight_decay` sets apart. foreach is accepted and changes no number; capturable=True and
    differentiable=True are refused (NotImplementedError). State: `momentum_buffer` (v), if there is momentum.

    Raises ValueError for negative options and for nesterov without momentum, RuntimeError for complex parameters. You,
    Gitman and Ginsburg, "Large batch training of convolutional networks" (2017).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([3.0, 4.0], dtype=rg.float64))
    >>> opt = rg.optim.LARS([w], lr=1.0, trust_coefficient=0.5)
    >>> (1000 * w).sum().backward()
    >>> opt.step()
    >>> round(float((w - rg.tensor([3.0, 4.0])).norm()), 6)
    2.5
    """

    _rule = staticmethod(lars_update)
    _counted = False
    _complex = False

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float | None = 1e-3,
        eps: float = 0.0,
        nesterov: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(momentum=momentum, weight_decay=weight_decay, eps=eps)
        if trust_coefficient is not None:
            check_not_negative(trust_coefficient=trust_coefficient)
        if nesterov and momentum == 0:
            raise ValueError("LARS: nesterov=True with momentum=0; Nesterov's step needs a momentum, such as 0.9")
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "weight_decay": weight_decay,
                "trust_coefficient": trust_coefficient,
                "eps": eps,
                "nesterov": nesterov,
                "foreach": foreach,
                "maximize": maximize,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        trust = group["trust_coefficient"]
        return {
            "trust_coefficient": None if trust is None else scalar(trust),
            "nesterov": group["nesterov"],
            "maximize": group["maximize"],
            **{name: scalar(group[name]) for name in ("lr", "momentum", "weight_decay", "eps")},
        }
