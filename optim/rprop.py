"""Rprop: resilient backpropagation."""

from __future__ import annotations

from typing import Any

from ..autograd import Tensor
from ..autograd.backend import xp_of
from ..autograd.core import wrap
from .optimizer import ParamsT
from .options import check_lr, scalar
from .per_parameter import PerParameter, host_number
from .scratch import fresh

__all__ = ["Rprop", "rprop_update"]


def rprop_update(
    xp: Any,
    p: Any,
    g: Any,
    prev: Any,
    step_size: Any,
    *,
    etas: tuple[float, float] = (0.5, 1.2),
    step_sizes: tuple[float, float] = (1e-6, 50.0),
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """One step of Rprop on real arrays of one shape, in place on all but g.

    >>> import numpy as np
    >>> from retrograd.optim.rprop import rprop_update
    >>> p, prev, size = np.zeros(3), np.array([1.0, 1.0, 0.0]), np.full(3, 0.5)
    >>> rprop_update(np, p, np.array([2.0, -2.0, 2.0]), prev, size, etas=(0.5, 2.0))
    >>> p.tolist(), prev.tolist(), size.tolist()
    ([-1.0, 0.0, -0.5], [2.0, 0.0, 2.0], [1.0, 0.25, 0.5])
    """
    agree, factor = work(xp, p), work(xp, p, 1)
    xp.multiply(g, prev, agree)
    if maximize:
        xp.negative(agree, agree)
    turned = agree < 0.0
    factor.fill(1.0)
    xp.copyto(factor, etas[1], where=agree > 0.0)
    xp.copyto(factor, etas[0], where=turned)
    xp.multiply(step_size, factor, step_size)
    xp.clip(step_size, step_sizes[0], step_sizes[1], step_size)
    if maximize:
        xp.negative(g, prev)
    else:
        xp.copyto(prev, g)
    xp.copyto(prev, 0.0, where=turned)
    xp.multiply(xp.sign(prev, factor), step_size, factor)
    xp.subtract(p, factor, p)


class Rprop(PerParameter):
    r"""Rprop: only the sign of the gradient counts; every element has a step size of its own.

    With gradient g (negated by `maximize`) and the previous one g', for each element, from step size s = lr:

        g g' > 0:   s = min(s * etas[1], step_sizes[1])
        g g' < 0:   s = max(s * etas[0], step_sizes[0]),   g = 0
        p = p - sign(g) * s

    For full batches: the sign of a mini-batch's gradient is too noisy. foreach is accepted for PyTorch's sake and changes
    no number; capturable=True and differentiable=True are refused (NotImplementedError). State: `step`, `prev` (g'),
    `step_size` (s).

    Raises ValueError for a negative lr and unless 0 < etas[0] < 1 < etas[1]. Riedmiller and Braun, "A direct adaptive
    method for faster backpropagation learning: the RPROP algorithm" (1993).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0, -2.0], dtype=rg.float64))
    >>> opt = rg.optim.Rprop([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w.tolist()
    [0.75, -1.75]
    """

    _rule = staticmethod(rprop_update)

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(
            params,
            {
                "lr": lr,
                "etas": etas,
                "step_sizes": step_sizes,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("prev", "step_size")

    def _begin(self, p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        a, lr = p._data, scalar(group["lr"])
        xp = xp_of(a)
        state["step"] = host_number(0.0, group)
        state["prev"] = wrap(xp.zeros_like(a))
        # the parts of a complex number are two real ones, so the imaginary part needs a step size as well
        state["step_size"] = wrap(xp.full_like(a, complex(lr, lr) if a.dtype.kind == "c" else lr))

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        etas, sizes = group["etas"], group["step_sizes"]
        return {
            "etas": (scalar(etas[0]), scalar(etas[1])),
            "step_sizes": (scalar(sizes[0]), scalar(sizes[1])),
            "maximize": group["maximize"],
        }
