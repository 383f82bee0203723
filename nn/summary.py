"""`summary`: a table of a model's layers in torchinfo's format, from one forward pass that leaves no trace."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..autograd import Tensor, no_grad
from ..autograd.device import as_device
from ..autograd.dtypes import as_dtype, float32
from ..autograd.ops.create import from_numpy
from ..autograd.ops.random import rand
from ..autograd.random import fork_rng
from .modules.module import Module
from .summary_text import COLUMNS, ROWS, Format, Layer, ModelStatistics

__all__ = ["ModelStatistics", "summary"]

_NEED_INPUT = ("input_size", "output_size", "mult_adds")


def summary(
    model: Module,
    input_size: Any = None,
    input_data: Any = None,
    batch_dim: int | None = None,
    cache_forward_pass: bool | None = None,
    col_names: Iterable[str] | None = None,
    col_width: int = 25,
    depth: int = 3,
    device: Any = None,
    dtypes: Sequence[Any] | None = None,
    mode: str | None = None,
    row_settings: Iterable[str] | None = None,
    verbose: int | None = None,
    **kwargs: Any,
) -> ModelStatistics:
    """Layers, shapes, parameters, multiply-adds and memory of a model, as torchinfo tells them.

    model: any module. input_size: the shape of the input with its batch dimension, `(N, C, H, W)`, or a list of shapes
    for several inputs; or the input itself. input_data: the arguments of forward: a tensor or array, a list of
    arguments, a dictionary of keyword arguments. Without either, nothing is run and parameters alone are told.
    batch_dim: where `input_size` lacks a batch dimension; one of size 1 is put there. col_names: any of input_size,
    output_size, num_params, params_percent, kernel_size, mult_adds, trainable. col_width: characters of a column.
    depth: how deep nested layers are shown. device: move model and input there first. dtypes: of the inputs that
    `input_size` describes (float32). mode: "eval" (default) or "train". row_settings: any of depth, var_names,
    ascii_only, hide_recursive_layers. verbose: 0 prints nothing, 1 the table, 2 also each layer's own parameters; by
    default 1 in scripts and 0 where results are displayed. cache_forward_pass is accepted for torchinfo's sake; the model
    is run each time. Further keyword arguments go to forward.

    The result prints as the table, shows as HTML in notebooks, and gives its numbers as attributes (`total_params`,
    `trainable_params`, `total_mult_adds`, ...) and by `to_dict()`. The model is run without gradients, and modes, buffers
    and the random generator are as before.

    Numbers are torchinfo's, but for two: a parameter that several layers share is counted once in the totals ("(tied)" in
    the later row), and the size of the parameters includes those that containers hold themselves. Multiply-adds are its
    estimate from the shapes of parameters and outputs; `count_flops` counts the operations themselves. Raises ValueError or
    TypeError for arguments that do not fit, RuntimeError when the model fails, naming the layers that ran.

    >>> import retrograd as rg
    >>> net = rg.nn.Sequential(rg.nn.Conv2d(1, 4, 3), rg.nn.ReLU(), rg.nn.Flatten(), rg.nn.Linear(144, 10))
    >>> table = rg.summary(net, (2, 1, 8, 8), col_width=16, verbose=0)
    >>> print(table)
    ========================================================================
    Layer (type:depth-idx)                   Output Shape     Param #
    ========================================================================
    Sequential                               [2, 10]          --
    ├─Conv2d: 1-1                            [2, 4, 6, 6]     40
    ├─ReLU: 1-2                              [2, 4, 6, 6]     --
    ├─Flatten: 1-3                           [2, 144]         --
    ├─Linear: 1-4                            [2, 10]          1,450
    ========================================================================
    Total params: 1,490
    Trainable params: 1,490
    Non-trainable params: 0
    Total mult-adds (M): 0.01
    ========================================================================
    Input size (MB): 0.00
    Forward/backward pass size (MB): 0.00
    Params size (MB): 0.01
    Estimated Total Size (MB): 0.01
    ========================================================================
    >>> table.total_params, table.to_dict()["layers"][1]["output_size"]
    (1490, [2, 4, 6, 6])
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary: a Module is expected, got {type(model).__name__}")
    if input_size is not None and _has_tensor(input_size):
        if input_data is not None:
            raise RuntimeError("summary: the input was given twice, before and as input_data; give it once")
        input_size, input_data = None, input_size
    if input_size is not None and input_data is not None:
        raise RuntimeError("summary: only one of input_data and input_size should be given")
    runs = input_size is not None or input_data is not None
    columns = _chosen(col_names, COLUMNS, "col_names", ("output_size", "num_params") if runs else ("num_params",))
    rows = _chosen(row_settings, ROWS, "row_settings", ("depth",))
    if not runs and set(columns) & set(_NEED_INPUT):
        asked = ", ".join(c for c in columns if c in _NEED_INPUT)
        raise ValueError(f"summary: pass input_data or input_size in order to use the columns {asked}")
    if col_width <= 0:
        raise ValueError(f"summary: col_width must be greater than 0, got {col_width}")
    if mode not in (None, "train", "eval"):
        raise ValueError(f'summary: mode must be "train" or "eval", got {mode!r}')
    if verbose not in (None, 0, 1, 2):
        raise ValueError(f"summary: verbose must be 0 (quiet), 1 (the table) or 2 (parameters too), got {verbose!r}")
    if verbose is None:
        verbose = 0 if hasattr(sys, "ps1") else 1
    if device is not None:
        model.to(as_device(device))
    with fork_rng():
        x, sizes = _inputs(model, input_size, input_data, batch_dim, device, dtypes)
        layers = _run(model, x, batch_dim, mode == "train", kwargs)
    total = sum(t.numel() * t.element_size() for t in _tensors(x))
    found = ModelStatistics(layers, sizes, total, Format(depth, verbose, columns, col_width, rows))
    if verbose:
        print(found)
    return found


def _chosen(given: Iterable[str] | None, known: Sequence[str], what: str, default: tuple[str, ...]) -> tuple[str, ...]:
    if given is None:
        return default
    chosen = tuple(given)
    for name in chosen:
        if name not in known:
            raise ValueError(f"summary: {what} has {name!r}; known are {', '.join(known)}")
    return chosen


# ---------------------------------------------------------------- inputs
def _has_tensor(x: Any) -> bool:
    if isinstance(x, (Tensor, np.ndarray)):
        return True
    if isinstance(x, Mapping):
        return True  # keyword arguments; shapes are never given so
    return isinstance(x, (list, tuple)) and any(map(_has_tensor, x))


def _tensors(x: Any) -> list[Tensor]:
    """All tensors in nested data."""
    if isinstance(x, Tensor):
        return [x]
    if isinstance(x, Mapping):
        x = list(x.values())
    return [t for part in x for t in _tensors(part)] if isinstance(x, (list, tuple)) else []


def prepared(x: Any, move: Callable[[Tensor], Tensor]) -> Any:
    """Nested data with arrays as tensors, moved."""
    if isinstance(x, Tensor):
        return move(x)
    if isinstance(x, np.ndarray):
        return move(from_numpy(x if x.flags.writeable else x.copy()))
    if isinstance(x, Mapping):
        return {k: prepared(v, move) for k, v in x.items()}
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(prepared(v, move) for v in x))
    if type(x) in (list, tuple):
        return type(x)(prepared(v, move) for v in x)
    return x


def _sizes(x: Any) -> Any:
    """Nested data with shapes in the place of tensors."""
    if isinstance(x, Tensor):
        return list(x.shape)
    if isinstance(x, Mapping):
        return {k: _sizes(v) for k, v in x.items()}
    return [_sizes(v) for v in x] if isinstance(x, (list, tuple)) else x


def _inputs(
    model: Module, input_size: Any, input_data: Any, batch_dim: int | None, device: Any, dtypes: Sequence[Any] | None
) -> tuple[Any, Any]:
    """(the arguments of forward as a list or a dictionary, their shapes); (None, []) without input."""
    if input_data is not None:
        x = prepared(input_data, (lambda t: t) if device is None else lambda t: t.to(as_device(device)))
        x = x if isinstance(x, (list, tuple, dict)) else [x]
        return x, _sizes(x)
    if input_size is None:
        return None, []
    shapes = _shapes(input_size)
    if dtypes is not None and len(dtypes) != len(shapes):
        raise ValueError(f"summary: {len(dtypes)} dtypes were given for {len(shapes)} inputs; give one for each")
    first = next(model.parameters(), None)
    where = as_device(device) if device is not None else None if first is None else first.device
    made = []
    for shape, kind in zip(shapes, dtypes or [float32] * len(shapes), strict=True):
        t = rand(*shape)
        t = t if batch_dim is None else t.unsqueeze(batch_dim)
        made.append(t.to(as_dtype(kind)).to(where) if where is not None else t.to(as_dtype(kind)))
    return made, [list(shape) for shape in shapes]


def _shapes(input_size: Any) -> list[tuple[int, ...]]:
    """One shape, or several, as a list of shapes."""
    if not isinstance(input_size, (list, tuple)) or not input_size:
        raise TypeError(
            "summary: input_size must be a shape such as (N, C, H, W), a list of shapes, or the input itself; got "
            f"{input_size!r}"
        )
    several = isinstance(input_size[0], (list, tuple))
    shapes = [tuple(shape) for shape in input_size] if several else [tuple(input_size)]
    for n in (n for shape in shapes for n in shape):
        if not isinstance(n, int) or n <= 0:
            raise ValueError(f"summary: input_size {input_size!r} has {n!r}; sizes are positive whole numbers")
    return shapes


# ---------------------------------------------------------------- the forward pass
def _run(model: Module, x: Any, batch_dim: int | None, train: bool, kwargs: dict[str, Any]) -> list[Layer]:
    """The layers in the order in which they ran, with the containers around them."""
    layers: list[Layer] = []
    seen: set[int] = set()
    handles: dict[int, list[Any]] = {}
    open_layers: dict[int, list[Layer]] = {}
    last: dict[int, Layer] = {}  # the place of every module in the tree: a shared one's last

    def add(layer: Layer) -> None:
        layer.count()
        layer.is_recursive = layer.layer_id in seen
        seen.add(layer.layer_id)
        layers.append(layer)

    def hooks(place: Layer) -> list[Any]:
        def before(module: Module, args: Any) -> None:
            parent = last[id(place.parent_info.module)] if place.parent_info is not None else None
            layer = Layer(place.var_name, module, place.depth, parent)
            add(layer)
            last[id(module)] = layer
            open_layers.setdefault(id(module), []).append(layer)

        def after(module: Module, args: Any, given: Any, out: Any) -> None:
            layer = open_layers[id(module)].pop()
            layer.count()
            layer.measure(args or tuple(given.values())[:1], out, batch_dim)

        return [
            place.module.register_forward_pre_hook(before),
            place.module.register_forward_hook(after, with_kwargs=True),
        ]

    stack = [Layer(type(model).__name__, model, 0, None)]
    while stack:
        place = stack.pop()
        module = place.module
        last[id(module)] = place
        if x is None:
            add(place)
        else:
            for handle in handles.get(id(module), ()):
                handle.remove()
            handles[id(module)] = hooks(place)
        children = [(name, child) for name, child in module._modules.items() if child is not None]
        stack.extend(Layer(name, child, place.depth + 1, place) for name, child in reversed(children))
    if x is not None:
        try:
            with unchanged(model, train), no_grad():
                model(**x, **kwargs) if isinstance(x, dict) else model(*x, **kwargs)
        except Exception as e:
            ran = ", ".join(layer.path for layer in layers if layer.executed and layer.depth) or "none"
            raise RuntimeError(f"summary: the model failed on the input ({e}); layers that ran: {ran}") from e
        finally:
            for pair in handles.values():
                for handle in pair:
                    handle.remove()
        _add_containers(layers, seen)
    numbers: dict[int, int] = {}
    for i, layer in enumerate(layers):
        layer.depth_index = numbers[layer.depth] = numbers.get(layer.depth, 0) + 1
        end = next((j for j in range(i + 1, len(layers)) if layers[j].depth <= layer.depth), len(layers))
        layer.children = layers[i + 1 : end]
    return layers


@contextmanager
def unchanged(model: Module, train: bool) -> Any:
    """The model in one mode; afterwards every module's mode, and the buffers, are as they were."""
    modes = [(module, module.training) for module in model.modules()]
    kept = [(b, b.detach().clone()) for b in model.buffers()] if train else []
    model.train(train)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        with no_grad():
            for b, before in kept:
                b.copy_(before)


def _add_containers(layers: list[Layer], seen: set[int]) -> None:
    """Put in the modules whose forward never runs (ModuleList and the like), before the first layer in them."""
    current: dict[int, Layer] = {}
    i = 0
    while i < len(layers):
        layer = layers[i]
        above: dict[int, Layer] = {}
        parent = layer.parent_info
        while parent is not None and parent.depth > 0:
            above[parent.depth] = parent
            parent = parent.parent_info
        for d in range(1, layer.depth):
            known = current.get(d)
            if (known is None or known.module is not above[d].module) and above[d] is not layers[i - 1]:
                container = above[d]
                container.count()
                container.is_recursive = container.layer_id in seen
                seen.add(container.layer_id)
                layers.insert(i, container)
                current[d] = container
                i += 1
        current[layer.depth] = layer
        for d in [d for d in current if d > layer.depth]:
            del current[d]
        i += 1
