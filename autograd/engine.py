"""The entry points of backward: what to start from, what is wanted, and which of the two loops of `passes` to take."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import hooks
from .backend import is_array, of
from .core import Leaf, TensorBase, line, tls, wrap
from .errors import DeviceError, GraphError, ShapeError
from .layouts import strided
from .passes import Pass, accumulating, fast, run_fast

ndarray = np.ndarray


def _cotangent(t: Any, g: Any, record: bool, what: str) -> Any:
    """The cotangent to start from at tensor t."""
    if t._node is None:
        raise GraphError(
            f"{what}: the tensor of shape {tuple(t._shape)} does not require grad and has no grad_fn; "
            "was it computed under no_grad(), or from tensors without requires_grad=True?"
        )
    if g is None:
        if t._data.size != 1:
            raise GraphError(
                f"{what}: grad can be implicitly created only for scalar outputs, but the tensor has shape "
                f"{tuple(t._shape)} (made at {line(t._node.code, t._node.lasti)}); reduce it with .sum() or .mean(), "
                "or pass gradient="
            )
        if t._dtype.kind != "f":
            raise GraphError(f"{what}: a {t._dtype.name} output needs an explicit gradient; pass gradient=")
        a = of(t._data).xp.ones(t._shape, dtype=t._dtype.np)
        return wrap(a) if record else a
    if not isinstance(g, TensorBase):
        if not is_array(g):
            raise TypeError(f"{what}: gradients must be Tensors or None, got {type(g).__name__}")
        g = wrap(np.asarray(g) if isinstance(g, np.generic) else g)
    if type(t._data) is not ndarray and t.layout is not strided:  # sparse: its values have the history
        g = t.values_of_gradient(g, what)
        return g if record else g._data
    if type(g._data) is not type(t._data) and of(g._data).device_type != of(t._data).device_type:
        raise DeviceError(
            f"{what}: the gradient is on {of(g._data).device_of(g._data)} but the output on "
            f"{of(t._data).device_of(t._data)}; move it with .to(device)"
        )
    if g._shape != t._shape:
        raise ShapeError(
            f"{what}: the gradient has shape {tuple(g._shape)} but the output has shape {tuple(t._shape)}; "
            "they must be equal"
        )
    if g._dtype is not t._dtype:
        if g._dtype.kind == "c" or t._dtype.kind == "c":
            raise GraphError(
                f"{what}: the gradient is {g._dtype.name} but the output {t._dtype.name}; where one of them is complex, "
                "they must be equal"
            )
        from .generic import cast

        g = cast(g, t._dtype)
    if type(t._data) is not ndarray and t.layout is not strided:  # sparse: its values have the history
        g = t.values_of_gradient(g, what)
    return g if record else g._data


def backward(tensors: Any, grads: Any, retain_graph: bool | None, create_graph: bool, inputs: Any = None) -> None:
    """Fill the `.grad` of the leaves (or of `inputs`) that the tensors were computed from."""
    keep = create_graph if retain_graph is None else retain_graph
    record = create_graph
    gs = [_cotangent(t, g, record, "backward") for t, g in zip(tensors, grads, strict=True)]
    roots = [t._node for t in tensors]
    if inputs is not None:
        nodes = [_node_of(t, "backward") for t in inputs]
        wanted = dict.fromkeys(nodes)
        run = Pass(record, keep, wanted, False)
        run.run(roots, gs)
        for n, t in dict(zip(nodes, inputs, strict=True)).items():
            g = wanted[n]
            if g is None:
                continue
            if type(n) is Leaf:
                run.accumulate(n, g)
            elif not hooks.retains(n, t):  # else the pass has put it there
                _accumulate(t, g, record)
        return
    plain = not (record or hooks.HOOKED or hooks.EXECUTION or tls.state.anomaly is not None)
    if plain and fast.acquire(False):
        try:
            run_fast(roots, gs, keep)
        finally:
            fast.release()
        return
    Pass(record, keep, None, True).run(roots, gs)


def _accumulate(t: Any, g: Any, record: bool) -> None:
    with accumulating:
        old = getattr(t, "_grad", None)
        g = g if isinstance(g, TensorBase) else wrap(np.array(g, t._dtype.np) if type(g) is not ndarray else g.copy())
        if not record and g._node is not None:
            g = wrap(g._data)
        t._grad = g if old is None else wrap(old._data + g._data) if not record else old + g


def _node_of(t: Any, what: str) -> Any:
    if not isinstance(t, TensorBase):
        raise TypeError(f"{what}: inputs must be Tensors, got {type(t).__name__}")
    if t._node is None:
        raise GraphError(
            f"{what}: one of the inputs (shape {tuple(t._shape)}) does not require grad; "
            "call requires_grad_() on it before it is used"
        )
    return t._node


def grad_arrays(outputs: list[Any], gs: list[Any], inputs: list[Any], record: bool) -> list[Any]:
    """Cotangents of `inputs` for given cotangents of `outputs`: arrays, or tensors with a history when recording."""
    wanted = dict.fromkeys(t._node for t in inputs)
    start = [
        (g if isinstance(g, TensorBase) else wrap(g)) if record else (g._data if isinstance(g, TensorBase) else g)
        for g in gs
    ]
    if outputs:
        Pass(record, record, wanted, False).run([t._node for t in outputs], start)
    return [wanted[t._node] for t in inputs]


def grad(
    outputs: list[Any],
    inputs: list[Any],
    grad_outputs: list[Any],
    retain_graph: bool | None,
    create_graph: bool,
    allow_unused: bool,
    materialize: bool = False,
) -> list[Any]:
    """Cotangents of `inputs`, without touching any .grad."""
    keep = create_graph if retain_graph is None else retain_graph
    gs = [_cotangent(t, g, create_graph, "grad") for t, g in zip(outputs, grad_outputs, strict=True)]
    nodes = [_node_of(t, "grad") for t in inputs]
    wanted = dict.fromkeys(nodes)
    Pass(create_graph, keep, wanted, False).run([t._node for t in outputs], gs)
    found = []
    for i, (t, n) in enumerate(zip(inputs, nodes, strict=True)):
        g = wanted[n]
        if g is None:
            if materialize:
                found.append(wrap(of(t._data).xp.zeros(t._shape, dtype=t._dtype.np)))
                continue
            if not allow_unused:
                raise GraphError(
                    f"grad: input {i} of shape {tuple(t._shape)} (made at {line(n.code, n.lasti)}) was not used in the "
                    "graph of the outputs; pass allow_unused=True if that is meant"
                )
            found.append(None)
            continue
        if not isinstance(g, TensorBase):
            shared = type(g) is not ndarray or g.base is not None or not g.flags.writeable
            g = wrap(np.array(g) if shared and isinstance(g, (ndarray, np.generic)) else g)
        elif not create_graph and g._node is not None:
            g = g.detach()  # type: ignore[attr-defined]
        if type(t._data) is not ndarray and t.layout is not strided:
            g = t.gradient_of_values(g)
        found.append(g)
    return found
