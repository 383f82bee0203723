"""Stochastic gradient descent with momentum, Nesterov's variant and weight decay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import Tensor
from ..autograd.backend import xp_of
from ..autograd.core import wrap
from ..autograd.kernels.cpu import KERNELS
from ..autograd.views import mark_written
from .optimizer import Optimizer, ParamsT
from .options import check_fused, check_modes, check_tensor_option, run_closure, scalar
from .scratch import Scratch, is_half
from .together import Together

__all__ = ["SGD", "sgd_update"]


class SGD(Optimizer):
    r"""Stochastic gradient descent, optionally with momentum.

    With gradient g (negated by `maximize`), parameter p, momentum buffer b:

        g = g + weight_decay * p
        b = momentum * b + (1 - dampening) * g        (b = g at the first step)
        p = p - lr * (g + momentum * b   if nesterov else   b)

    Without momentum, p = p - lr * g. params: tensors, (name, tensor) pairs, or dictionaries of parameter groups.
    foreach and fused are accepted for PyTorch's sake and change no number; differentiable=True is refused
    (NotImplementedError). Sparse gradients are taken, without weight_decay.

    Raises ValueError for a negative lr, momentum or weight_decay, and for nesterov without momentum or with dampening.
    Nesterov's form is that of Sutskever et al., "On the importance of initialization and momentum in deep learning"
    (2013).

    >>> import retrograd as rg
    >>> w = rg.nn.Parameter(rg.tensor([1.0, -2.0], dtype=rg.float64))
    >>> opt = rg.optim.SGD([w], lr=0.25, momentum=0.5)
    >>> for _ in range(2):
    ...     opt.zero_grad()
    ...     (w * w).sum().backward()
    ...     opt.step()
    >>> w.tolist()
    [0.0, 0.0]
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_tensor_option("lr", lr)
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        check_modes(defaults, "SGD")
        super().__init__(params, defaults)
        self._scratch, self._together = Scratch(), Together()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._scratch, self._together = Scratch(), Together()
        for group in self.param_groups:
            group.setdefault("nesterov", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("differentiable", False)
            group.setdefault("fused", False)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        check_modes(self.param_groups[-1], "SGD")
        check_fused(self.param_groups[-1])

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = run_closure(closure)
        written: list[Any] = []
        for group in self.param_groups:
            lr, momentum = scalar(group["lr"]), scalar(group["momentum"])
            dampening, weight_decay = scalar(group["dampening"]), scalar(group["weight_decay"])
            nesterov, maximize = group["nesterov"], group["maximize"]
            names = ("momentum_buffer",) if momentum else ()

            def run(table: Any, ids: list[int], fresh: Any) -> Any:
                numbers = lr, momentum, dampening, weight_decay  # noqa: B023
                return KERNELS["sgd_step"](table, ids, fresh, *numbers, nesterov, maximize)  # noqa: B023

            for p in self._together.step(group, self.state, names, run, written, late=True):
                grad = p.grad
                if grad is None:
                    continue
                if grad.is_sparse:
                    if weight_decay:  # as in PyTorch: it would touch every element, stored or not
                        raise RuntimeError("weight_decay option is not compatible with sparse gradients")
                    grad = grad.to_dense()
                a = p._data
                xp = xp_of(a)
                state = self.state[p] if momentum else None
                buffer = state.get("momentum_buffer") if state is not None else None
                after = sgd_update(
                    xp, a, grad._data, None if buffer is None else buffer._data,
                    lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                    nesterov=nesterov, maximize=maximize, work=None if is_half(a) else self._scratch(xp, a),
                )  # fmt: skip
                if state is not None and buffer is None:
                    state["momentum_buffer"] = wrap(after)
                written.append(p)
        if written:
            mark_written(*written)  # once a step: the place is looked up once
        return loss


def sgd_update(
    xp: Any,
    p: Any,
    g: Any,
    buffer: Any = None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
    work: Any = None,
) -> Any:
    """One step of SGD on arrays, in place on p and buffer; returns the momentum buffer (None without momentum).

    p, g, buffer: parameter, gradient, momentum buffer (None at the first step), all of one shape. work: an array like p
    to compute in, or None. g is only read.

    >>> import numpy as np
    >>> from retrograd.optim.sgd import sgd_update
    >>> p = np.array([1.0, 2.0])
    >>> sgd_update(np, p, np.array([2.0, 4.0]), lr=0.25)
    >>> p.tolist()
    [0.5, 1.0]
    """
    if is_half(p):
        wide, wide_buffer = p.astype(xp.float32), None if buffer is None else buffer.astype(xp.float32)
        after = sgd_update(
            xp, wide, g.astype(xp.float32), wide_buffer, lr=lr, momentum=momentum, dampening=dampening,
            weight_decay=weight_decay, nesterov=nesterov, maximize=maximize,
        )  # fmt: skip
        p[...] = wide
        if after is None or buffer is None:
            return None if after is None else after.astype(p.dtype)
        buffer[...] = after
        return buffer
    multiply = xp.multiply
    w = xp.empty_like(p) if work is None else work
    sign = -1.0 if maximize else 1.0
    if weight_decay:
        multiply(p, weight_decay, w)
        g = (xp.subtract if maximize else xp.add)(w, g, w)
        sign = 1.0
    if momentum:
        if buffer is None:
            buffer = multiply(g, sign, xp.empty_like(p))
        else:
            multiply(buffer, momentum, buffer)
            share = sign * (1.0 - dampening)
            if share == 1.0:
                xp.add(buffer, g, buffer)
            else:  # Nesterov's step reads g again, so it must not be scaled where it lies
                xp.add(buffer, multiply(g, share, xp.empty_like(p) if nesterov and g is w else w), buffer)
        if not nesterov:
            xp.subtract(p, multiply(buffer, lr, w), p)
            return buffer
    xp.subtract(p, multiply(g, lr * sign, w), p)
    if momentum:
        xp.subtract(p, multiply(buffer, lr * momentum, w), p)
    return buffer
