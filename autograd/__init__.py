"""Differentiation: `backward`, `grad`, grad modes, custom functions, checks, hooks on saved values.

The names are those of `torch.autograd`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import engine
from .core import TensorBase, wrap
from .function import Function
from .grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from .gradcheck import gradcheck, gradgradcheck  # at once: the module of that name would take the function's place
from .tensor import Parameter, Tensor

if TYPE_CHECKING:  # loaded at first use
    from . import forward_ad, functional, graph
    from .anomaly import detect_anomaly, set_detect_anomaly

__all__ = [
    "Function", "Parameter", "Tensor", "Variable", "backward", "detect_anomaly", "enable_grad", "forward_ad", "function",
    "functional",
    "grad", "grad_mode", "gradcheck", "gradgradcheck", "graph", "inference_mode", "no_grad",
    "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip


def _list(x: Any) -> list[Any]:
    return [x] if isinstance(x, TensorBase) else list(x)


def _gradients(g: Any, n: int, what: str) -> list[Any]:
    if g is None:
        return [None] * n
    gs = [g] if isinstance(g, TensorBase) else list(g)
    if len(gs) != n:
        raise ValueError(f"{what}: {n} outputs but {len(gs)} gradients; give one (or None) for each output")
    return gs


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves (or of `inputs`).

    grad_tensors: a cotangent per tensor; None for a single element means 1.

    >>> import retrograd as rg
    >>> x = rg.tensor(3.0, requires_grad=True)
    >>> rg.autograd.backward([x * x, x]); x.grad
    tensor(7.)
    """
    ts = _list(tensors)
    if inputs is not None:
        inputs = _list(inputs)
        if not inputs:
            raise RuntimeError("backward: inputs is empty; leave it away to fill all leaves")
    engine.backward(ts, _gradients(grad_tensors, len(ts), "backward"), retain_graph, create_graph, inputs)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` with respect to `inputs`, in order, leaving every `.grad` alone.

    create_graph: the gradients can be differentiated again. allow_unused: None for an input that the outputs do not
    depend on (else GraphError); materialize_grads: zeros for it.

    >>> import retrograd as rg
    >>> x = rg.tensor(3.0, requires_grad=True)
    >>> (g,) = rg.autograd.grad(x**3, x, create_graph=True)
    >>> rg.autograd.grad(g, x)
    (tensor(18.),)
    """
    if not only_inputs:
        raise ValueError("grad: only_inputs=False is not supported (PyTorch removed it); use backward()")
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: materialize_grads=True needs allow_unused=True or None")
    outs, ins = _list(outputs), _list(inputs)
    if is_grads_batched:
        gs = _gradients(grad_outputs, len(outs), "grad")
        rows = next((g._shape[0] for g in gs if g is not None), 0)
        results = [
            engine.grad(
                outs,
                ins,
                [g if g is None else g[i] for g in gs],
                True,
                create_graph,
                bool(allow_unused) or materialize_grads,
                materialize_grads,
            )
            for i in range(rows)
        ]
        from .ops.join import stack

        return tuple(None if column[0] is None else stack(list(column)) for column in zip(*results, strict=True))
    gs = _gradients(grad_outputs, len(outs), "grad")
    return tuple(
        engine.grad(
            outs, ins, gs, retain_graph, create_graph, bool(allow_unused) or materialize_grads, materialize_grads
        )
    )


def Variable(data: Any, requires_grad: bool = False, volatile: bool | None = None) -> Tensor:
    """Before PyTorch 0.4, what a Tensor that records was called; returns a tensor over the same memory."""
    t = data.detach() if isinstance(data, Tensor) else wrap(data)
    return t.requires_grad_() if requires_grad else t


_LAZY = {
    "detect_anomaly": ("anomaly", "detect_anomaly"),
    "set_detect_anomaly": ("anomaly", "set_detect_anomaly"),
}


def __getattr__(name: str) -> Any:
    import importlib

    if name in _LAZY:
        module, attribute = _LAZY[name]
        found = getattr(importlib.import_module(f".{module}", __name__), attribute)
    elif name in ("forward_ad", "functional", "graph"):
        found = importlib.import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found
