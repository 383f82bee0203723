"""Adagrad."""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from ..autograd.backend import xp_of
from ..autograd.core import wrap
from .optimizer import ParamsT
from .options import check_lr, check_not_negative, scalar
from .per_parameter import PerParameter, decayed, host_number
from .scratch import fresh

__all__ = ["Adagrad", "adagrad_update"]


def adagrad_update(
    xp: Any,
    p: Any,
    g: Any,
    sum: Any,
    *,
    t: float,
    lr: float,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    eps: float = 1e-10,
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """Step t (1, 2, ...) of Adagrad on real arrays of one shape, in place on p and sum.

    >>> import numpy as np
    >>> from retrograd.optim.adagrad import adagrad_update
    >>> p, s = np.array([1.0]), np.array([9.0])
    >>> adagrad_update(np, p, np.array([4.0]), s, t=1, lr=0.5, eps=0.0)
    >>> p.tolist(), s.tolist()
    ([0.6], [25.0])
    """
    g = decayed(xp, p, g, weight_decay, maximize, work)
    w = work(xp, p, 1)
    xp.multiply(g, g, w)
    xp.add(sum, w, sum)
    xp.sqrt(sum, w)
    xp.add(w, eps, w)
    xp.divide(g, w, w)
    xp.multiply(w, lr / (1.0 + (t - 1.0) * lr_decay), w)
    xp.subtract(p, w, p)


class Adagrad(PerParameter):
    r"""Adagrad: steps divided by the root of the sum of all squared gradients.

    With gradient g (negated by `maximize`; plus weight_decay * p), at step t:

        s = s + g * g                                 (s begins at initial_accumulator_value)
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    foreach and fused are accepted for PyTorch's sake and change no number; differentiable=True is refused
    (NotImplementedError). Sparse gradients are taken, without weight_decay. State, there from the beginning as in
    PyTorch: `step`, `sum` (s).

    Raises ValueError for negative options. Duchi, Hazan and Singer, "Adaptive subgradient methods for online learning
    and stochastic optimization" (2011).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0, -2.0], dtype=rg.float64))
    >>> opt = rg.optim.Adagrad([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> [round(v, 6) for v in w.tolist()]
    [0.5, -1.5]
    """

    _rule = staticmethod(adagrad_update)
    _late = {"foreach": None, "maximize": False, "differentiable": False, "fused": None}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative(
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "fused": fused,
            },
        )
        for group in self.param_groups:
            for p in group["params"]:
                self._begin(p, self.state[p], group)

    def _begin(self, p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        value = self.defaults["initial_accumulator_value"]  # as in PyTorch, the groups' own values are not asked
        a = p._data
        state["step"] = host_number(0.0, group)
        state["sum"] = wrap(xp_of(a).full_like(a, complex(value, value) if a.dtype.kind == "c" else value))

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("sum",)

    def _densified(self, grad: Any, group: dict[str, Any]) -> Tensor:
        if group["weight_decay"]:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        return grad.to_dense()

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        names = ("lr", "lr_decay", "weight_decay", "eps")
        return {"maximize": group["maximize"], **{name: scalar(group[name]) for name in names}}

    def _numbers(self, state: dict[str, Any], t: float, group: dict[str, Any]) -> dict[str, Any]:
        return {"t": t}
