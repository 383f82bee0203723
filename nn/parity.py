"""`parity`: one input through PyTorch's model and ours, layer by layer, to find where they first part."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..autograd import enable_grad, no_grad
from ..autograd.random import fork_rng
from .modules.loading import as_source
from .modules.module import Module
from .parity_trace import OurLibrary, TorchLibrary, Tracer, buffers_kept, converted, to_ours, to_torch, wide

__all__ = ["LayerParity", "ParityReport", "parity"]

# Relative to the largest element: what products in another order do to deep models, with room.
_RTOL = {"float64": 1e-9, "complex128": 1e-9, "float16": 2e-2, "bfloat16": 5e-2}
_RTOL_OTHER = 1e-4


# ---------------------------------------------------------------- the report
class LayerParity:
    """One call of a layer in both models.

    name: dotted name ("" for the whole model). kind: its class. call: the how many-th call of that module. inputs, output,
    grad_output, grad_inputs, params: the largest difference of each, relative to the largest element; None where there
    is nothing to compare, infinite where shapes or NaN differ (`remark` says how). settings: how the two layers describe
    themselves, where that differs.
    """

    def __init__(self, name: str, kind: str, call: int) -> None:
        self.name = name
        self.kind = kind
        self.call = call
        self.inputs: float | None = None
        self.output: float | None = None
        self.grad_output: float | None = None
        self.grad_inputs: float | None = None
        self.params: dict[str, float] = {}
        self.remark = ""
        self.settings: tuple[str, str] | None = None

    @property
    def title(self) -> str:
        """`layer1.0.conv1 (Conv2d)`, with the number of the call from the second on."""
        again = f", call {self.call + 1}" if self.call else ""
        return f"{self.name or 'the model'} ({self.kind}{again})"

    def __repr__(self) -> str:
        parts = [
            f"{what} {value:.1e}"
            for what, value in (("inputs", self.inputs), ("output", self.output), ("grad_output", self.grad_output),
                                ("grad_inputs", self.grad_inputs), *self.params.items())
            if value is not None
        ]  # fmt: skip
        return f"{self.title}: {', '.join(parts) or 'nothing to compare'}"


class ParityReport:
    """What `parity` found; true if the models agree. Prints as a summary with the first layers that differ.

    layers: a `LayerParity` per call, in the order in which the calls ended. first_forward, first_backward: the first one
    that differs, in the order of the pass, or None. weights: what is wrong with the parameters and buffers, by name. notes:
    what else may explain a difference. rtol, atol: the tolerances.
    """

    def __init__(self, rtol: float, atol: float) -> None:
        self.rtol = rtol
        self.atol = atol
        self.layers: list[LayerParity] = []
        self.first_forward: LayerParity | None = None
        self.first_backward: LayerParity | None = None
        self.weights: dict[str, str] = {}
        self.notes: list[str] = []
        self.backward = True

    @property
    def ok(self) -> bool:
        """Whether weights, outputs and gradients agree."""
        return not self.weights and self.first_forward is None and self.first_backward is None

    def __bool__(self) -> bool:
        return self.ok

    def _worst(self, *fields: str) -> float:
        values = [getattr(layer, f) for layer in self.layers for f in fields]
        if "grad_output" in fields:
            values.extend(v for layer in self.layers for v in layer.params.values())
        return max((v for v in values if v is not None), default=0.0)

    def __repr__(self) -> str:
        lines = []
        if self.ok:
            said = f"forward to {self._worst('output'):.1e}"
            if self.backward:
                said += f", backward to {self._worst('grad_output', 'grad_inputs'):.1e}"
            lines.append(f"parity: the models agree in {len(self.layers)} layer calls: {said} (relative)")
        else:
            lines.append("parity: the models differ")
        if self.weights:
            shown = [f"{name}: {what}" for name, what in self.weights.items()]
            lines.append(
                f"weights: {'; '.join(shown[:5])}" + (f"; and {len(shown) - 5} more" if len(shown) > 5 else "")
            )
        if self.first_forward is not None:
            lines += self._forward(self.first_forward)
        elif not self.ok:
            lines.append(f"forward: agrees to {self._worst('output'):.1e}")
        if self.first_backward is not None:
            lines += self._backward(self.first_backward)
        elif not self.ok and self.backward and self.first_forward is None:
            lines.append(f"backward: agrees to {self._worst('grad_output', 'grad_inputs'):.1e}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n  ".join(lines)

    def _forward(self, layer: LayerParity) -> list[str]:
        lines = [f"forward: first at {layer.title}: output differs by {_said(layer.output, layer.remark)}"]
        if layer.inputs is None:
            lines.append("  it has no inputs to compare")
        elif layer.inputs <= self.rtol:
            lines.append(f"  its inputs agree to {layer.inputs:.1e}: the difference arises in it")
        else:
            lines.append(
                f"  its inputs differ by {layer.inputs:.1e}, and the outputs of all layers before agree: the difference arises "
                "in the code between layers"
            )
        if layer.settings is not None:
            lines.append(f"  settings: PyTorch's ({layer.settings[0]}), ours ({layer.settings[1]})")
        return lines

    def _backward(self, layer: LayerParity) -> list[str]:
        wrong = [f"gradient of {k} by {v:.1e}" for k, v in layer.params.items() if not v <= self.rtol]
        if layer.grad_inputs is not None and not layer.grad_inputs <= self.rtol:
            wrong.append(f"gradient of its inputs by {layer.grad_inputs:.1e}")
        given = layer.grad_output
        if given is not None and not given <= self.rtol:
            wrong.insert(0, f"gradient of its output by {given:.1e}, which the code after it gives")
        lines = [f"backward: first at {layer.title}: {', '.join(wrong)} {layer.remark}".rstrip()]
        if given is not None and given <= self.rtol:
            lines.append(f"  the gradient of its output agrees to {given:.1e}: the difference arises in it")
        return lines


def _said(error: float | None, remark: str) -> str:
    return remark or f"{error:.1e} of its largest element"


# ---------------------------------------------------------------- the comparison
def parity(
    torch_model: Any,
    our_model: Module,
    *args: Any,
    rtol: float | None = None,
    atol: float = 1e-12,
    backward: bool = True,
    names: Mapping[str, str] | None = None,
    **kwargs: Any,
) -> ParityReport:
    """Run one input through PyTorch's model and ours, and say where they first differ, forward and backward.

    torch_model, our_model: models whose modules have the same dotted names; they should have the same weights (load
    PyTorch's with `our_model.load_state_dict(torch_model.state_dict())`), or the report says which differ. args, kwargs:
    the arguments of forward, as arrays or tensors of either library; arrays of floating-point numbers take the model's
    dtype. rtol, atol: two tensors agree if no element differs by more than atol + rtol * (the largest element); rtol is
    1e-9 in float64, 1e-4 in float32, 2e-2 and 5e-2 in float16 and bfloat16. backward: compare gradients too, for a fixed
    random cotangent of every output. names: our dotted name -> PyTorch's, where they differ.

    Every call of every module is compared: its inputs, output, the gradients of both, and of its parameters. The models
    run as they are (put both in eval mode unless it is training that is compared); buffers, gradients and random
    generators are as before. PyTorch is not imported here: it is there if the model is.

    Returns a `ParityReport`. Raises TypeError for anything but two models; what a model's forward raises passes through.

    >>> import retrograd as rg
    >>> try:
    ...     import torch
    ... except ImportError:
    ...     print("parity: the models agree")
    ... else:
    ...     theirs, ours = torch.nn.Linear(3, 2), rg.nn.Linear(3, 2)
    ...     _ = ours.load_state_dict(theirs.state_dict())
    ...     print(repr(rg.parity(theirs, ours, rg.ones(4, 3)))[:24])
    parity: the models agree
    """
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(torch_model, torch.nn.Module):
        raise TypeError(f"parity: the first argument must be a torch.nn.Module, got {type(torch_model).__name__}")
    if not isinstance(our_model, Module):
        raise TypeError(f"parity: the second argument must be a retrograd.nn.Module, got {type(our_model).__name__}")
    first = next((p for p in our_model.parameters() if p.dtype.is_floating_point), None)
    kind = "float32" if first is None else first.dtype.name
    report = ParityReport(_RTOL.get(kind, _RTOL_OTHER) if rtol is None else rtol, atol)
    renamed = dict(names or {})
    _compare_weights(report, torch_model, our_model, renamed)
    _compare_modes(report, torch_model, our_model, renamed)
    where = next((p.device for p in torch_model.parameters()), None)
    theirs = Tracer(torch_model, TorchLibrary(torch), {})
    ours = Tracer(our_model, OurLibrary(), renamed)
    with buffers_kept(torch_model, torch.no_grad), torch.random.fork_rng(devices=[]), torch.enable_grad():
        theirs.run(*converted((args, kwargs), lambda x: to_torch(torch, x, kind, where)), backward)
    with buffers_kept(our_model, no_grad), fork_rng(), enable_grad():
        place = None if first is None else first.device
        ours.run(*converted((args, kwargs), lambda x: to_ours(x, kind, place)), backward)
    report.backward = backward and bool(theirs.param_grads or ours.param_grads or theirs.input_grads)
    if backward and not report.backward:
        report.notes.append("nothing requires a gradient, so backward was not compared")
    _compare_calls(report, theirs, ours)
    return report


# ---------------------------------------------------------------- differences
def _difference(
    ours: np.ndarray, theirs: np.ndarray, limits: tuple[float, float], scale: float = 0.0
) -> tuple[float, str]:
    """(the largest difference relative to the largest element, a remark where there is no such number).

    limits: rtol and atol; a difference within atol counts as no more than rtol. scale: a size to compare with at least.
    """
    if ours.shape != theirs.shape:
        return np.inf, f"shape {theirs.shape} in PyTorch, {ours.shape} here"
    if not theirs.size:
        return 0.0, ""
    odd = ~np.isfinite(theirs) | ~np.isfinite(ours)
    if odd.any():
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        if not same[odd].all():
            return np.inf, f"{int((odd & ~same).sum())} NaN or infinite elements that are not the same"
        ours, theirs = ours[~odd], theirs[~odd]
        if not theirs.size:
            return 0.0, ""
    gap = float(np.abs(ours - theirs).max())
    error = gap / max(float(np.abs(theirs).max()), scale, np.finfo(np.float64).tiny)
    return (error if gap > limits[1] else min(error, limits[0])), ""


def _worst(ours: list[np.ndarray], theirs: list[np.ndarray], limits: tuple[float, float]) -> tuple[float | None, str]:
    if len(ours) != len(theirs):
        return np.inf, f"{len(theirs)} tensors in PyTorch, {len(ours)} here"
    found = [_difference(a, b, limits) for a, b in zip(ours, theirs, strict=True)]
    return max(found, default=(None, ""), key=lambda pair: pair[0])  # type: ignore[return-value, arg-type]


def _worst_grad(
    ours: dict[int, np.ndarray], theirs: dict[int, np.ndarray], limits: tuple[float, float]
) -> tuple[float | None, str]:
    """As `_worst`, of gradients by number; one that never came is zero."""
    keys = sorted(ours.keys() | theirs.keys())
    pairs = [(ours.get(k), theirs.get(k)) for k in keys]
    full = [(np.zeros_like(b) if a is None else a, np.zeros_like(a) if b is None else b) for a, b in pairs]
    return _worst([a for a, _ in full], [b for _, b in full], limits)


def _compare_weights(report: ParityReport, theirs: Any, ours: Module, renamed: Mapping[str, str]) -> None:
    def name(full: str) -> str:
        owner, dot, last = full.rpartition(".")
        return renamed.get(owner, owner) + dot + last

    a = {name(k): v for k, v in ours.state_dict().items()}
    b = dict(theirs.state_dict())
    for key in sorted(a.keys() | b.keys()):
        if key not in a:
            report.weights[key] = "only in PyTorch's model"
        elif key not in b:
            report.weights[key] = "only in ours"
        else:
            x, y = as_source(a[key]), as_source(b[key])
            if x is None or y is None:
                continue
            error, remark = _difference(wide(x), wide(y), (report.rtol, report.atol))
            if not error <= report.rtol:
                report.weights[key] = remark or f"differs by {error:.1e}"


def _compare_modes(report: ParityReport, theirs: Any, ours: Module, renamed: Mapping[str, str]) -> None:
    b = dict(theirs.named_modules())
    a = {renamed.get(name, name): module for name, module in ours.named_modules()}
    for what, lost in (("only in PyTorch's model", b.keys() - a.keys()), ("only in ours", a.keys() - b.keys())):
        if lost:
            report.notes.append(f"modules {what}: {', '.join(sorted(lost)[:10])}")
    modes = [name for name in a if name in b and a[name].training != b[name].training]
    if modes:
        report.notes.append(
            f"one is in training mode and the other in eval mode: {', '.join(modes[:5]) or 'the model'}"
        )
    drops = [
        name for name, module in a.items()
        if module.training and ("Dropout" in type(module).__name__ and getattr(module, "p", 0) > 0 or _dropout(module) > 0)
    ]  # fmt: skip
    if drops:
        report.notes.append(
            f"dropout is active and draws differently in each library: {', '.join(drops[:5])}; call eval()"
        )


def _dropout(module: Any) -> float:
    """The `dropout` of recurrent and attention layers."""
    value = getattr(module, "dropout", 0)
    return value if isinstance(value, float) else 0.0


def _compare_calls(report: ParityReport, theirs: Tracer, ours: Tracer) -> None:
    known = {(call.name, call.number): call for call in ours.calls}
    counted = {(call.name, call.number) for call in theirs.calls}
    apart = sorted({name for name, _ in known.keys() ^ counted if name in theirs.modules and name in ours.modules})
    if apart:
        report.notes.append(f"modules not called the same number of times: {', '.join(apart[:10])}")
    limits = report.rtol, report.atol
    for call in theirs.calls:
        mine = known.get((call.name, call.number))
        if mine is None:
            continue
        layer = LayerParity(call.name, call.kind, call.number)
        layer.inputs, _ = _worst(mine.inputs, call.inputs, limits)
        layer.output, layer.remark = _worst(mine.output, call.output, limits)
        layer.grad_output, remark = _worst_grad(mine.grad_output, call.grad_output, limits)
        layer.grad_inputs, also = _worst_grad(mine.grad_inputs, call.grad_inputs, limits)
        layer.remark = layer.remark or remark or also
        if not call.number:
            scale = max((float(np.abs(g).max(initial=0.0)) for g in call.grad_output.values()), default=0.0)
            _compare_params(layer, theirs, ours, limits, scale)
        said = theirs.modules[call.name].extra_repr(), ours.modules[call.name].extra_repr()
        layer.settings = said if said[0] != said[1] else None
        report.layers.append(layer)

    def apart_by(value: float | None) -> bool:
        return value is not None and not value <= limits[0]

    report.first_forward = next((x for x in report.layers if apart_by(x.output)), None)
    if report.first_forward is None:
        backwards = list(reversed(report.layers))
        leaves = [x for x in backwards if _leaf(theirs, x.name)]
        # Where the gradient comes in right and goes out wrong; else where it comes in wrong; else in a container.
        own = (x for x in leaves if not apart_by(x.grad_output) and _out_wrong(x, apart_by))
        wrong = (x for x in (*leaves, *backwards) if apart_by(x.grad_output) or _out_wrong(x, apart_by))
        report.first_backward = next(own, None) or next(wrong, None)


def _compare_params(
    layer: LayerParity, theirs: Tracer, ours: Tracer, limits: tuple[float, float], scale: float
) -> None:
    """The gradients of the parameters that the module itself holds.

    Some are sums that cancel (a bias before batch norm): they are as exact as their terms, of the size `scale`, allow.
    """
    start = f"{layer.name}." if layer.name else ""
    for name in theirs.param_grads.keys() | ours.param_grads.keys():
        last = name.removeprefix(start)
        if not name.startswith(start) or "." in last:
            continue
        a, b = ours.param_grads.get(name), theirs.param_grads.get(name)
        b = np.zeros_like(a) if b is None else b
        a = np.zeros_like(b) if a is None else a
        layer.params[last] = _difference(a, b, limits, scale)[0]


def _leaf(tracer: Tracer, name: str) -> bool:
    return next(tracer.modules[name].children(), None) is None


def _out_wrong(layer: LayerParity, apart_by: Callable[[float | None], bool]) -> bool:
    return apart_by(layer.grad_inputs) or any(map(apart_by, layer.params.values()))
