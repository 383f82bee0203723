"""SparseAdam: Adam for sparse gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..autograd import Tensor
from ..autograd.backend import xp_of
from ..autograd.core import wrap
from ..autograd.views import mark_written
from .optimizer import Optimizer, ParamsT
from .options import check_betas, check_tensor_option, run_closure, scalar

__all__ = ["SparseAdam", "sparse_adam_update"]


def sparse_adam_update(
    xp: Any,
    p: Any,
    index: Any,
    values: Any,
    exp_avg: Any,
    exp_avg_sq: Any,
    *,
    t: float,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    maximize: bool = False,
) -> None:
    """Step t (1, 2, ...) of Adam on the elements of p that index names, in place on p, exp_avg and exp_avg_sq.

    index: integers (D, K), the coordinates in the first D dimensions of p of K places, none named twice; values: the
    gradient there, (K, ...).

    >>> import numpy as np
    >>> from retrograd.optim.sparse_adam import sparse_adam_update
    >>> p, m, v = np.ones(3), np.zeros(3), np.zeros(3)
    >>> sparse_adam_update(np, p, np.array([[1]]), np.array([4.0]), m, v, t=1, lr=0.5)
    >>> [round(x, 6) for x in p.tolist()]
    [1.0, 0.5, 1.0]
    """
    at = tuple(index)
    g = -values if maximize else values
    m, v = exp_avg[at], exp_avg_sq[at]
    m = m + (g - m) * (1.0 - beta1)
    v = v + (g * g - v) * (1.0 - beta2)
    exp_avg[at] = m
    exp_avg_sq[at] = v
    rate = lr * math.sqrt(1.0 - beta2**t) / (1.0 - beta1**t)
    p[at] = p[at] - rate * (m / (xp.sqrt(v) + eps))


class SparseAdam(Optimizer):
    r"""Adam that touches only what a sparse gradient names: rows of an embedding, say.

    For the elements that the gradient g (negated by `maximize`) stores, at step t:

        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        p = p - lr * sqrt(1 - b2**t) / (1 - b1**t) * m / (sqrt(v) + eps)

    All other elements of p, m and v stay as they are, where Adam would let the averages decay. State: `step` (an int),
    `exp_avg` (m), `exp_avg_sq` (v).

    Raises ValueError for options out of range and for sparse or complex parameters, RuntimeError at the step for dense
    gradients. Kingma and Ba, "Adam: a method for stochastic optimization" (2015).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.ones(3))
    >>> opt = rg.optim.SparseAdam([w])
    >>> w.grad = rg.ones(3)
    >>> opt.step()
    Traceback (most recent call last):
      ...
    RuntimeError: SparseAdam does not support dense gradients, please consider Adam instead
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_tensor_option("lr", lr)
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        places = [(p, [i, j]) for i, group in enumerate(self.param_groups) for j, p in enumerate(group["params"])]
        wrong = [at for p, at in places if p.is_sparse]
        if wrong:
            raise ValueError(f"Sparse params at indices {wrong}: SparseAdam requires dense parameter tensors")
        wrong = [at for p, at in places if p.is_complex()]
        if wrong:
            raise ValueError(f"Complex params at indices {wrong}: SparseAdam does not support complex parameters")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = run_closure(closure)
        written: list[Any] = []
        for group in self.param_groups:
            lr, eps = scalar(group["lr"]), scalar(group["eps"])
            beta1, beta2 = (scalar(beta) for beta in group["betas"])
            for p in group["params"]:
                grad: Any = p.grad
                if grad is None:
                    continue
                if not grad.is_sparse:
                    raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
                a, state = p._data, self.state[p]
                xp = xp_of(a)
                if not state:
                    state.update(step=0, exp_avg=wrap(xp.zeros_like(a)), exp_avg_sq=wrap(xp.zeros_like(a)))
                state["step"] += 1
                grad = grad.coalesce()  # the update is not linear, so no place may be named twice
                index, values = grad.indices()._data, grad.values()._data
                if values.size == 0:
                    continue
                sparse_adam_update(
                    xp, a, index, values, state["exp_avg"]._data, state["exp_avg_sq"]._data, t=state["step"], lr=lr,
                    beta1=beta1, beta2=beta2, eps=eps, maximize=group.get("maximize", False),
                )  # fmt: skip
                written.append(p)
        if written:
            mark_written(*written)
        return loss
