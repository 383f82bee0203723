"""What optimizers share that treat each parameter by itself: the loop, the step counter, complex and half types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..autograd import Tensor
from ..autograd.backend import xp_of
from ..autograd.core import wrap
from ..autograd.dtypes import float64, get_default_dtype
from ..autograd.views import mark_written
from .optimizer import HOST, Optimizer, ParamsT
from .options import check_fused, check_modes, run_closure
from .scratch import Scratch, fresh, is_half
from .together import Together

__all__ = ["PerParameter", "apply", "decayed", "host_number", "lerp", "shrink"]


class PerParameter(Optimizer):
    """Base class of optimizers whose update of a parameter needs only its gradient, its state and options of its group.

    A subclass has `_rule`, the update as a function over arrays, and says with `_buffers` which state that takes, with
    `_options` which numbers. State arrays go to the rule under their names, `work` is a `Scratch`. A rule need not know
    of complex parameters, which are pairs of real ones, nor of half types, which are updated in float32.
    """

    _rule: Callable[..., None]
    # options that checkpoints of older versions lack
    _late: Mapping[str, Any] = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}
    _counted = True  # whether the state has a counter of steps
    _complex = True  # whether complex parameters are allowed

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        check_modes(defaults, type(self).__name__)
        super().__init__(params, defaults)
        self._scratch, self._together = Scratch(), Together()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._scratch, self._together = Scratch(), Together()
        for group in self.param_groups:
            for name, value in self._late.items():
                group.setdefault(name, value)
            for p in group["params"]:
                for name, value in self.state.get(p, {}).items():
                    if name in HOST and not isinstance(value, Tensor):  # old checkpoints hold plain numbers
                        self.state[p][name] = host_number(value, group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        check_modes(self.param_groups[-1], type(self).__name__)
        check_fused(self.param_groups[-1])

    def _buffers(self, group: dict[str, Any], p: Tensor) -> tuple[str, ...]:
        """The names of the state tensors that the rule takes; all begin as zeros unless `_begin` says otherwise."""
        raise NotImplementedError

    def _options(self, group: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments of the rule that are the same for all parameters of a group."""
        raise NotImplementedError

    def _begin(self, p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Fill the state of a parameter before its first step."""
        if self._counted:
            state["step"] = host_number(0.0, group)
        zeros = xp_of(p._data).zeros_like
        for name in self._buffers(group, p):
            state[name] = wrap(zeros(p._data))

    def _numbers(self, state: dict[str, Any], t: float, group: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments of the rule that depend on the parameter's own count of steps, t (1, 2, ...)."""
        return {}

    def _densified(self, grad: Any, group: dict[str, Any]) -> Tensor:
        """What stands for a sparse gradient: refused, unless a subclass's rule does nothing where the gradient is 0."""
        raise RuntimeError(f"{type(self).__name__} does not support sparse gradients")

    def _at_once(self, group: dict[str, Any], options: dict[str, Any], written: list[Any]) -> Sequence[Tensor]:
        """Update parameters of a group by one call, add them to `written`, and return the others: here all of them."""
        return group["params"]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = run_closure(closure)
        written: list[Any] = []
        rule, scratch = type(self)._rule, self._scratch
        for group in self.param_groups:
            options = self._options(group)
            for p in self._at_once(group, options, written):
                grad = p.grad
                if grad is None:
                    continue
                if grad.is_sparse:
                    grad = self._densified(grad, group)
                a = p._data
                if not self._complex and a.dtype.kind == "c":
                    raise RuntimeError(f"{type(self).__name__} does not support complex parameters")
                state = self.state[p]
                if not state:
                    self._begin(p, state, group)
                t = 0.0
                if self._counted:
                    count = state["step"]._data
                    t = float(count) + 1.0
                    count.fill(t)  # adding in place to a 0-d array takes ten times as long
                kept = {name: state[name]._data for name in self._buffers(group, p)}
                numbers = self._numbers(state, t, group)
                apply(rule, xp_of(a), a, grad._data, kept, scratch, **options, **numbers)
                written.append(p)
        if written:
            mark_written(*written)  # once a step: the place is looked up once
        return loss


def apply(rule: Callable[..., None], xp: Any, p: Any, g: Any, kept: dict[str, Any], work: Any, **options: Any) -> None:
    """Call `rule(xp, p, g, **kept, work=work, **options)` with real arrays of at least single precision.

    p, kept: arrays to be overwritten; g: the gradient, only read. Complex arrays are given as their real, then as their
    imaginary parts; half types are converted to float32 and back.
    """
    if p.dtype.kind == "c":
        for part in ("real", "imag"):
            parts = {name: getattr(a, part) for name, a in kept.items()}
            apply(rule, xp, getattr(p, part), getattr(g, part), parts, work, **options)
    elif is_half(p):
        wide = {name: a.astype(xp.float32) for name, a in kept.items()}
        p32 = p.astype(xp.float32)
        rule(xp, p32, g.astype(xp.float32), **wide, work=work, **options)
        p[...] = p32
        for name, a in kept.items():
            a[...] = wide[name]
    else:
        rule(xp, p, g, **kept, work=work, **options)


def decayed(xp: Any, p: Any, g: Any, weight_decay: float, maximize: bool, work: Any = fresh, slot: int = 0) -> Any:
    """The gradient to descend along: g, or -g to maximize, plus weight_decay * p; g itself is not written."""
    if weight_decay:
        d = xp.multiply(p, weight_decay, work(xp, p, slot))
        return (xp.subtract if maximize else xp.add)(d, g, d)
    return xp.negative(g, work(xp, p, slot)) if maximize else g


def lerp(xp: Any, a: Any, b: Any, weight: float, w: Any) -> None:
    """a = a + weight * (b - a), in place; w: an array like a to compute in."""
    xp.subtract(b, a, w)
    xp.multiply(w, weight, w)
    xp.add(a, w, a)


def shrink(xp: Any, a: Any, g: Any, beta: float, w: Any) -> None:
    """a = beta * a + (1 - beta) * g * g, in place; w: an array like a to compute in."""
    xp.multiply(g, g, w)
    xp.multiply(w, 1.0 - beta, w)
    xp.multiply(a, beta, a)
    xp.add(a, w, a)


def host_number(value: float, group: dict[str, Any]) -> Tensor:
    """A number of the state, such as the step counter: a 0-d tensor on the host, as PyTorch keeps it."""
    wide = get_default_dtype() is float64 and not group.get("fused")
    return wrap(np.array(value, np.float64 if wide else np.float32))
