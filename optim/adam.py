"""Adam and AdamW."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..autograd import Tensor
from ..autograd.backend import xp_of
from ..autograd.core import wrap
from ..autograd.kernels.cpu import KERNELS
from ..autograd.views import mark_written
from .optimizer import Optimizer, ParamsT
from .options import check_fused, check_modes, check_tensor_option, run_closure, scalar
from .per_parameter import host_number
from .scratch import Scratch, is_half
from .together import Together

__all__ = ["Adam", "AdamW", "adam_update"]

_AVERAGES = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")  # the last one for amsgrad


class Adam(Optimizer):
    r"""Adam: steps scaled by running averages of the gradient and of its square.

    With gradient g (negated by `maximize`; plus weight_decay * p), at step t:

        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        p = p - lr * (m / (1 - b1**t)) / (sqrt(v / (1 - b2**t)) + eps)

    amsgrad uses the largest v so far instead of v. decoupled_weight_decay=True shrinks p by lr * weight_decay instead
    of adding to the gradient: that is AdamW. foreach and fused are accepted for PyTorch's sake and change no number;
    capturable=True and differentiable=True are refused (NotImplementedError).

    State of each parameter, named as in PyTorch: `step`, `exp_avg` (m), `exp_avg_sq` (v), `max_exp_avg_sq` (amsgrad).

    Raises ValueError for a negative lr, eps or weight_decay and for betas outside [0, 1). Kingma and Ba, "Adam: a
    method for stochastic optimization" (2015); Reddi, Kale and Kumar, "On the convergence of Adam and beyond" (2018).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0, -2.0], dtype=rg.float64))
    >>> opt = rg.optim.Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> [round(v, 6) for v in w.tolist()]
    [0.5, -1.5]
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_tensor_option("lr", lr)
        if not lr >= 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps >= 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i in (0, 1):
            if not 0.0 <= betas[i] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")
        if not weight_decay >= 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if {isinstance(b, float) for b in betas} != {True} and {isinstance(b, Tensor) for b in betas} != {True}:
            raise ValueError("betas must be either both floats or both Tensors")
        for i in (0, 1):
            if isinstance(betas[i], Tensor) and foreach and not capturable:
                raise ValueError(f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
            check_tensor_option(f"betas[{i}]", betas[i])
        defaults = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        check_modes(defaults, type(self).__name__)
        super().__init__(params, defaults)
        self._scratch, self._together = Scratch(), Together()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._scratch, self._together = Scratch(), Together()
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("capturable", False)
            group.setdefault("differentiable", False)
            group.setdefault("decoupled_weight_decay", False)
            group.setdefault("fused", None)
            for p in group["params"]:
                kept = self.state.get(p)
                if kept and not isinstance(kept["step"], Tensor):  # checkpoints of old PyTorch hold plain numbers
                    kept["step"] = host_number(float(kept["step"]), group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        check_modes(self.param_groups[-1], type(self).__name__)
        check_fused(self.param_groups[-1])

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = run_closure(closure)
        written: list[Any] = []
        scratch = self._scratch
        for group in self.param_groups:
            lr, eps, weight_decay = scalar(group["lr"]), scalar(group["eps"]), scalar(group["weight_decay"])
            beta1, beta2 = scalar(group["betas"][0]), scalar(group["betas"][1])
            amsgrad, maximize, decoupled = group["amsgrad"], group["maximize"], group["decoupled_weight_decay"]
            names = _AVERAGES if amsgrad else _AVERAGES[:2]

            def run(table: Any, ids: list[int], fresh: Any) -> Any:
                return KERNELS["adam_step"](table, ids, lr, beta1, beta2, eps, weight_decay, decoupled, maximize)  # noqa: B023

            for p in self._together.step(group, self.state, names, run, written, begin=_begin):
                grad = p.grad
                if grad is None:
                    continue
                if grad.is_sparse:
                    raise RuntimeError("Adam does not support sparse gradients, please consider SparseAdam instead")
                state = self.state[p]
                a = p._data
                xp = xp_of(a)
                if not state:
                    _begin(p, state, group)
                count = state["step"]._data
                t = float(count) + 1.0
                count.fill(t)  # adding in place to a 0-d array takes ten times as long
                plain = a.dtype.kind == "f" and not is_half(a)
                adam_update(
                    xp, a, grad._data, state["exp_avg"]._data, state["exp_avg_sq"]._data,
                    state["max_exp_avg_sq"]._data if amsgrad else None, t,
                    lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay,
                    decoupled=decoupled, maximize=maximize,
                    work=scratch(xp, a) if plain else None,
                    work2=scratch(xp, a, 1) if plain and weight_decay and not decoupled else None,
                )  # fmt: skip
                written.append(p)
        if written:
            mark_written(*written)  # once a step: the place is looked up once
        return loss


class AdamW(Adam):
    r"""AdamW: Adam whose weight decay shrinks the parameter itself and does not enter the averages.

        p = p - lr * weight_decay * p, then Adam's step with the bare gradient

    Options, state and errors are those of Adam; weight_decay is 0.01 unless given. Loshchilov and Hutter, "Decoupled
    weight decay regularization" (2019).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0], dtype=rg.float64))
    >>> opt = rg.optim.AdamW([w], lr=0.5, weight_decay=0.1)
    >>> w.grad = rg.tensor([4.0], dtype=rg.float64)
    >>> opt.step()
    >>> round(w.item(), 6)
    0.45
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # whatever was loaded, AdamW decouples
            group["decoupled_weight_decay"] = True


def _begin(p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """The state of a parameter before its first step."""
    state["step"] = host_number(0.0, group)
    zeros = xp_of(p._data).zeros_like
    for name in _AVERAGES if group["amsgrad"] else _AVERAGES[:2]:
        state[name] = wrap(zeros(p._data))


def adam_update(
    xp: Any,
    p: Any,
    g: Any,
    m: Any,
    v: Any,
    v_max: Any,
    t: float,
    *,
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    maximize: bool = False,
    work: Any = None,
    work2: Any = None,
) -> None:
    """Step t (1, 2, ...) of Adam on arrays of one shape, in place on p, m, v and, for AMSGrad, v_max (else None).

    Complex parameters are treated as pairs of real ones. work, work2: arrays like p to compute in, or None; g is only
    read.

    >>> import numpy as np
    >>> from retrograd.optim.adam import adam_update
    >>> p, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
    >>> adam_update(np, p, np.array([3.0]), m, v, None, 1, lr=0.125, eps=0.0)
    >>> p.tolist()
    [0.875]
    """
    if p.dtype.kind == "c":
        for part in ("real", "imag"):
            pr, gr, mr, vr = (getattr(a, part) for a in (p, g, m, v))
            adam_update(
                xp, pr, gr, mr, vr, getattr(v_max, part, None), t, lr=lr, beta1=beta1, beta2=beta2, eps=eps,
                weight_decay=weight_decay, decoupled=decoupled, maximize=maximize,
            )  # fmt: skip
        return
    if is_half(p):
        p32, g32, m32, v32 = (a.astype(xp.float32) for a in (p, g, m, v))
        max32 = None if v_max is None else v_max.astype(xp.float32)
        adam_update(
            xp, p32, g32, m32, v32, max32, t, lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay,
            decoupled=decoupled, maximize=maximize,
        )  # fmt: skip
        p[...], m[...], v[...] = p32, m32, v32
        if v_max is not None:
            v_max[...] = max32
        return
    add, subtract, multiply = xp.add, xp.subtract, xp.multiply
    w = xp.empty_like(p) if work is None else work
    if weight_decay:
        if decoupled:
            multiply(p, 1.0 - lr * weight_decay, p)
        else:
            d = multiply(p, weight_decay, xp.empty_like(p) if work2 is None else work2)
            g = (subtract if maximize else add)(d, g, d)
            maximize = False
    if maximize:
        multiply(add(g, m, w), beta1 - 1.0, w)  # (-g - m) * (1 - b1)
    else:
        multiply(subtract(g, m, w), 1.0 - beta1, w)
    add(m, w, m)
    multiply(multiply(g, g, w), 1.0 - beta2, w)
    multiply(v, beta2, v)
    add(v, w, v)
    if v_max is not None:
        v = xp.maximum(v_max, v, out=v_max)
    # m / c1 / (sqrt(v / c2) + eps), with c2 taken out of the root of the array
    root2 = math.sqrt(1.0 - beta2**t)
    xp.sqrt(v, w)
    add(w, eps * root2, w)
    xp.divide(m, w, w)
    multiply(w, lr * root2 / (1.0 - beta1**t), w)
    subtract(p, w, p)
