"""Gradient clipping, by the norm of all gradients together or by value."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

from ...autograd import Tensor, no_grad
from ...autograd.backend import kernels_enabled
from ...autograd.core import wrap
from ...autograd.kernels.cpu import KERNELS
from ...autograd.ops.create import tensor
from ...autograd.ops.join import stack
from ...autograd.ops.norms import norm
from ...autograd.views import mark_written

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _listed(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _at_once(name: str, tensors: list[Tensor], argument: Any) -> Any:
    """What the kernel `name` returns for all tensors, none of which may be part of a graph; else NotImplemented."""
    if not kernels_enabled() or any(t._node is not None for t in tensors):
        return NotImplemented
    return KERNELS[name]([t._data for t in tensors], argument)


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors together, as if they were one vector.

    error_if_nonfinite: raise RuntimeError when it is not finite. foreach: accepted for PyTorch's sake, no effect.

    >>> import retrograd as rg
    >>> rg.nn.utils.get_total_norm([rg.tensor([3.0]), rg.tensor([4.0])])
    tensor(5.)
    """
    found = _listed(tensors)
    norm_type = float(norm_type)
    if not found:
        return tensor(0.0)
    with no_grad():
        norms = _at_once("norms_of", found, norm_type)
        if norms is NotImplemented:
            norms = stack([norm(t, norm_type).to(found[0].device) for t in found])
        else:
            norms = wrap(norms)
        total = norm(norms, norm_type)
        if error_if_nonfinite and not bool(total.isfinite()):
            raise RuntimeError(
                f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
                "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
                "`error_if_nonfinite=False`"
            )
    return total


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Multiply all gradients by `min(1, max_norm / (total_norm + 1e-6))`, in place."""
    grads = [p.grad for p in _listed(parameters) if p.grad is not None]
    if not grads:
        return
    with no_grad():
        # Always multiplied, never branched on: asking whether the norm is too large would wait for a GPU.
        factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
        if _at_once("scale_all", grads, factor._data) is NotImplemented:
            for grad in grads:
                grad.mul_(factor.to(grad.device))
        else:
            mark_written(*grads)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients, in place, so that their common norm is at most max_norm; returns the norm before.

    Raises RuntimeError for a norm that is not finite if error_if_nonfinite.

    Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.

    >>> import retrograd as rg
    >>> w = rg.zeros(2, requires_grad=True)
    >>> (w * rg.tensor([3.0, 4.0])).sum().backward()
    >>> rg.nn.utils.clip_grad_norm_([w], 1.0), w.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    params = _listed(parameters)
    if not params and isinstance(parameters, types.GeneratorType):
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    grads = [p.grad for p in params if p.grad is not None]
    total = get_total_norm(grads, norm_type, error_if_nonfinite)
    clip_grads_with_norm_(params, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Old name of `clip_grad_norm_`."""
    warnings.warn(
        "`nn.utils.clip_grad_norm` is now deprecated in favor of `nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of every gradient to `[-clip_value, clip_value]`, in place.

    >>> import retrograd as rg
    >>> w = rg.zeros(2, requires_grad=True)
    >>> (w * rg.tensor([3.0, -0.5])).sum().backward()
    >>> rg.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([ 1.0000, -0.5000])
    """
    bound = float(clip_value)
    with no_grad():
        for param in _listed(parameters):
            if param.grad is not None:
                param.grad.clamp_(min=-bound, max=bound)
