"""RMSprop, plain, centred and with momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..autograd import Tensor
from ..autograd.kernels.cpu import KERNELS
from .optimizer import ParamsT
from .options import check_lr, check_not_negative, scalar
from .per_parameter import PerParameter, decayed, lerp, shrink
from .scratch import fresh

__all__ = ["RMSprop", "rmsprop_update"]


def rmsprop_update(
    xp: Any,
    p: Any,
    g: Any,
    square_avg: Any,
    grad_avg: Any = None,
    momentum_buffer: Any = None,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """One step of RMSprop on real arrays of one shape, in place on all but g.

    grad_avg: the running average of the gradient for the centred form, else None. momentum_buffer: None without
    momentum. work: a `Scratch`.

    >>> import numpy as np
    >>> from retrograd.optim.rmsprop import rmsprop_update
    >>> p, v = np.array([1.0]), np.array([4.0])
    >>> rmsprop_update(np, p, np.array([2.0]), v, lr=0.25, alpha=0.5, eps=0.0)
    >>> p.tolist(), v.tolist()
    ([0.75], [4.0])
    """
    g = decayed(xp, p, g, weight_decay, maximize, work)
    w = work(xp, p, 1)
    shrink(xp, square_avg, g, alpha, w)
    if grad_avg is None:
        xp.sqrt(square_avg, w)
    else:
        lerp(xp, grad_avg, g, 1.0 - alpha, w)
        xp.multiply(grad_avg, grad_avg, w)
        xp.subtract(square_avg, w, w)
        xp.sqrt(w, w)
    xp.add(w, eps, w)
    xp.divide(g, w, w)
    if momentum_buffer is not None:
        xp.multiply(momentum_buffer, momentum, momentum_buffer)
        xp.add(momentum_buffer, w, momentum_buffer)
        xp.multiply(momentum_buffer, lr, w)
    else:
        xp.multiply(w, lr, w)
    xp.subtract(p, w, p)


class RMSprop(PerParameter):
    r"""RMSprop: steps divided by the root of a running average of the squared gradient.

    With gradient g (negated by `maximize`; plus weight_decay * p):

        v = alpha * v + (1 - alpha) * g * g
        a = alpha * a + (1 - alpha) * g              (centered only, else a = 0)
        b = momentum * b + g / (sqrt(v - a * a) + eps)
        p = p - lr * b

    foreach is accepted for PyTorch's sake and changes no number; capturable=True and differentiable=True are refused
    (NotImplementedError). State, named as in PyTorch: `step`, `square_avg` (v), `momentum_buffer` (b, with momentum),
    `grad_avg` (a, when centered).

    Raises ValueError for a negative lr, alpha, eps, weight_decay or momentum. Tieleman and Hinton, "Lecture 6.5: rmsprop"
    (2012); the centred form is that of Graves, "Generating sequences with recurrent neural networks" (2013).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0, -2.0], dtype=rg.float64))
    >>> opt = rg.optim.RMSprop([w], lr=0.05)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> [round(v, 6) for v in w.tolist()]
    [0.5, -1.5]
    """

    _rule = staticmethod(rmsprop_update)
    _late = {**PerParameter._late, "momentum": 0, "centered": False}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative(eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "capturable": capturable,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
            },
        )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        names = ("square_avg",)
        if group["momentum"] > 0:
            names += ("momentum_buffer",)
        return (*names, "grad_avg") if group["centered"] else names

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        names = ("lr", "alpha", "eps", "weight_decay", "momentum")
        return {"maximize": group["maximize"], **{name: scalar(group[name]) for name in names}}

    def _at_once(self, group: dict[str, Any], options: dict[str, Any], written: list[Any]) -> Sequence[Tensor]:
        names = self._buffers(group, group["params"][0]) if group["params"] else ()
        o = options

        def run(table: Any, ids: list[int], fresh: Any) -> Any:
            return KERNELS["rmsprop_step"](
                table, ids, o["lr"], o["alpha"], o["eps"], o["weight_decay"], o["momentum"], bool(group["centered"]),
                "momentum_buffer" in names, bool(o["maximize"]),
            )  # fmt: skip

        return self._together.step(group, self.state, names, run, written, begin=self._begin)
