"""Adafactor: second moments of matrices kept as rows and columns."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Tensor
from ..autograd.backend import xp_of
from ..autograd.core import wrap
from ..autograd.dtypes import finfo
from .optimizer import ParamsT
from .options import check_tensor_option, scalar
from .per_parameter import PerParameter, host_number, lerp
from .scratch import fresh

__all__ = ["Adafactor", "adafactor_update"]


def adafactor_update(
    xp: Any,
    p: Any,
    g: Any,
    row_var: Any = None,
    col_var: Any = None,
    variance: Any = None,
    *,
    t: float,
    lr: float = 1e-2,
    beta2_decay: float = -0.8,
    eps1: float,
    eps2: float = 1e-3,
    d: float = 1.0,
    weight_decay: float = 0.0,
    maximize: bool = False,
    work: Any = fresh,
) -> None:
    """Step t (1, 2, ...) of Adafactor on real arrays, in place on all but g.

    row_var, col_var: the factors (..., R, 1) and (..., 1, C) for p of shape (..., R, C); for vectors and scalars they
    are None and variance has the shape of p.

    >>> import numpy as np
    >>> from retrograd.optim.adafactor import adafactor_update
    >>> p, v = np.array([1.0, -1.0]), np.zeros(2)
    >>> adafactor_update(np, p, np.array([3.0, 3.0]), variance=v, t=1, lr=0.25, eps1=1e-7)
    >>> p.tolist(), v.tolist()
    ([0.75, -1.25], [9.0, 9.0])
    """
    if p.size == 0:
        return
    w = work(xp, p)
    root = math.sqrt(p.size)
    alpha = xp.maximum(xp.sqrt(xp.sum(xp.multiply(p, p, w))) / root, eps2) * min(lr, 1.0 / math.sqrt(t))
    if weight_decay:
        xp.multiply(p, 1.0 - lr * weight_decay, p)
    share = t**beta2_decay
    xp.multiply(g, g, w)
    if variance is None:
        for kept, axis in ((row_var, -1), (col_var, -2)):
            lerp(xp, kept, xp.mean(w, axis=axis, keepdims=True), share, xp.empty_like(kept))
        xp.multiply(row_var, col_var, w)
        xp.divide(w, xp.maximum(xp.mean(row_var, axis=-2, keepdims=True), eps1), w)
    else:
        lerp(xp, variance, w, share, work(xp, p, 1))
        xp.copyto(w, variance)
    xp.sqrt(xp.maximum(w, eps1 * eps1, out=w), w)
    update = xp.divide(g, w, w)
    norm = xp.sqrt(xp.sum(xp.multiply(update, update, work(xp, p, 1)))) / (root * d)
    xp.multiply(update, alpha / xp.maximum(norm, 1.0), update)
    (xp.add if maximize else xp.subtract)(p, update, p)


class Adafactor(PerParameter):
    r"""Adafactor: Adam's scaling with memory for R + C numbers instead of R * C, and steps relative to the parameter.

    With gradient g (negated by `maximize`) of a matrix, at step t, where b = 1 - t**beta2_decay:

        r = b * r + (1 - b) * mean of g * g along rows,   c = b * c + (1 - b) * mean of g * g along columns
        u = g / sqrt(max(r c^T / max(mean(r), eps[0]), eps[0]**2))
        p = p - max(eps[1], rms(p)) * min(lr, 1 / sqrt(t)) * u / max(1, rms(u) / d)

    Vectors and scalars keep their whole variance v = b * v + (1 - b) * g * g; more dimensions are batches of matrices.
    weight_decay shrinks p by lr * weight_decay. eps[0] None: the dtype's machine epsilon. foreach is accepted for
    PyTorch's sake and changes no number. State: `step`, `row_var` (r) and `col_var` (c), or `variance` (v).

    Raises ValueError for options out of range, RuntimeError for complex parameters. Shazeer and Stern, "Adafactor:
    adaptive learning rates with sublinear memory cost" (2018).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.ones(2, 3, dtype=rg.float64))
    >>> opt = rg.optim.Adafactor([w], lr=0.25)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.tolist()
    [[0.75, 0.75, 0.75], [0.75, 0.75, 0.75]]
    >>> {name: tuple(v.shape) for name, v in opt.state[w].items()}
    {'step': (), 'row_var': (2, 1), 'col_var': (1, 3)}
    """

    _rule = staticmethod(adafactor_update)
    _complex = False
    _late = {"foreach": None}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_tensor_option("lr", lr)
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
            },
        )

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        return ("row_var", "col_var") if p.dim() > 1 else ("variance",)

    def _begin(self, p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        a = p._data
        state["step"] = host_number(0.0, group)
        shapes = {"row_var": (*a.shape[:-1], 1), "col_var": (*a.shape[:-2], 1, *a.shape[-1:]), "variance": a.shape}
        for name in self._buffers(group, p):
            state[name] = wrap(xp_of(a).zeros(shapes[name], a.dtype))

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        names = ("lr", "beta2_decay", "d", "weight_decay")
        return {"maximize": group["maximize"], **{name: scalar(group[name]) for name in names}}

    def _numbers(self, state: dict[str, Any], t: float, group: dict[str, Any]) -> dict[str, Any]:
        eps1, eps2 = group["eps"]
        if eps1 is None:
            eps1 = finfo(state["variance" if "variance" in state else "row_var"].dtype).eps
        return {"t": t, "eps1": float(eps1), "eps2": float(eps2)}
