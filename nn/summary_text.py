"""What `summary` found, layer by layer and in total, and its table as text, HTML and plain data (torchinfo's format)."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..autograd import Tensor
from .modules.module import Module
from .parameter import is_lazy

__all__ = ["COLUMNS", "ROWS", "Format", "Layer", "ModelStatistics"]

COLUMNS = ("input_size", "output_size", "num_params", "params_percent", "kernel_size", "mult_adds", "trainable")
ROWS = ("ascii_only", "depth", "var_names", "hide_recursive_layers")
_TITLES = {
    "kernel_size": "Kernel Shape", "input_size": "Input Shape", "output_size": "Output Shape", "num_params": "Param #",
    "params_percent": "Param %", "mult_adds": "Mult-Adds", "trainable": "Trainable",
}  # fmt: skip


# ---------------------------------------------------------------- layers
class Layer:
    """One call of a module, or a container around calls.

    class_name, var_name, path: what it is and where in the model. depth, depth_index: how deep, and the how many-th there.
    input_size, output_size: shapes, empty where there is none. kernel_size: the layer's, if it has one. num_params,
    trainable_params, param_bytes: of its parameters, children included. macs: multiply-adds by torchinfo's estimate.
    output_bytes: size of the output. executed: whether it ran. is_recursive: whether an earlier row is the same module.
    is_tied: whether earlier rows hold all of its parameters. children: the rows below it.
    """

    def __init__(self, var_name: str, module: Module, depth: int, parent_info: Layer | None) -> None:
        self.layer_id = id(module)
        self.module = module
        self.class_name = type(module).__name__
        self.var_name = var_name
        self.depth = depth
        self.depth_index: int | None = None
        self.parent_info = parent_info
        self.children: list[Layer] = []
        self.is_leaf_layer = next(module.children(), None) is None
        self.is_recursive = False
        self.is_tied = False
        self.executed = False
        self.input_size: list[int] = []
        self.output_size: list[int] = []
        self.kernel_size = _kernel_size(module)
        self.own: dict[int, tuple[int, int, bool]] = {}  # parameter -> elements, bytes, whether it is trained
        self.inner_layers: dict[str, dict[str, str]] = {}
        self.output_bytes = 0
        self.macs = 0

    def __repr__(self) -> str:
        return f"{self.class_name}: {self.depth}"

    @property
    def path(self) -> str:
        """The dotted name of the module in the model, "" for the model itself."""
        above = "" if self.parent_info is None else self.parent_info.path
        name = "" if self.parent_info is None else self.var_name
        return f"{above}.{name}" if above else name

    @property
    def num_params(self) -> int:
        """Elements of all parameters."""
        return sum(n for n, _, _ in self.own.values())

    @property
    def trainable_params(self) -> int:
        """Elements of the parameters that require gradients."""
        return sum(n for n, _, trained in self.own.values() if trained)

    @property
    def param_bytes(self) -> int:
        """Memory of all parameters."""
        return sum(b for _, b, _ in self.own.values())

    @property
    def trainable(self) -> str:
        """Whether the parameters are trained: "True", "False", "Partial", "--" without any."""
        if not self.num_params:
            return "--"
        trained = self.trainable_params
        return "False" if not trained else "True" if trained == self.num_params else "Partial"

    def count(self) -> None:
        """Count the parameters, as they are now; a lazy one has none yet."""
        self.own.clear()
        self.inner_layers = {}
        last = ""
        for full_name, param in self.module.named_parameters():
            if is_lazy(param):
                continue
            n, name = _unmasked(self.module, full_name, param)
            self.own[id(param)] = n, n * param.element_size(), param.requires_grad
            size = list(param.shape)
            if name == "weight" and len(size) > 1:
                size[0], size[1] = size[1], size[0]  # (in, out, ...), as torchinfo shows it
            if self.parent_info is not None or "." not in name:
                self.inner_layers[name] = {"kernel_size": str(size), "num_params": f"├─{n:,}"}
                last = name
        if last:
            row = self.inner_layers[last]
            row["num_params"] = "└─" + row["num_params"][2:]

    def measure(self, inputs: Any, outputs: Any, batch_dim: int | None) -> None:
        """Note shapes, bytes and multiply-adds of a call."""
        self.input_size, _ = _shape_of(inputs, batch_dim)
        self.output_size, element = _shape_of(outputs, batch_dim)
        self.output_bytes = element * math.prod(self.output_size)
        self.executed = True
        self.macs = 0
        out = self.output_size
        for full_name, param in self.module.named_parameters():
            if is_lazy(param) or not out:
                continue
            n, name = _unmasked(self.module, full_name, param)
            if name in ("weight", "bias"):
                self.macs += n * (math.prod(out[:1] + out[2:]) if "Conv" in self.class_name else out[0])
            elif "weight" in name or "bias" in name:  # recurrent layers: weight_ih_l0
                self.macs += n * math.prod(out[:2])

    def leftover(self) -> dict[int, tuple[int, int, bool]]:
        """The parameters that no row below shows."""
        below = {key for child in self.children for key in child.own}
        return {key: value for key, value in self.own.items() if key not in below}

    def to_dict(self) -> dict[str, Any]:
        """The row as plain data."""
        return {
            "name": self.path, "type": self.class_name, "depth": self.depth, "index": self.depth_index,
            "input_size": list(self.input_size), "output_size": list(self.output_size),
            "kernel_size": self.kernel_size, "num_params": self.num_params, "trainable_params": self.trainable_params,
            "mult_adds": self.macs, "output_bytes": self.output_bytes, "executed": self.executed,
            "recursive": self.is_recursive, "tied": self.is_tied,
        }  # fmt: skip


def _kernel_size(module: Module) -> int | list[int] | None:
    size = getattr(module, "kernel_size", None)
    return size if size is None or isinstance(size, int) else list(size)


def _unmasked(module: Module, name: str, param: Tensor) -> tuple[int, str]:
    """(elements that a pruned parameter has left, its name without the suffix of pruning); others as they are."""
    if name.endswith("_orig"):
        plain = name.removesuffix("_orig")
        mask = dict(module.named_buffers()).get(f"{plain}_mask")
        if mask is not None:
            return int(mask.sum().item()), plain
    return param.numel(), name


def _shape_of(x: Any, batch_dim: int | None) -> tuple[list[int], int]:
    """(shape of the first tensor in what a layer was given or gave, bytes of an element); ([], 0) without one."""
    found = _first(x)
    if found is None:
        return [], 0
    shape, element = list(found.shape), found.element_size()
    if batch_dim is not None and batch_dim < len(shape):
        shape[batch_dim] = 1
    return shape, element


def _first(x: Any) -> Tensor | None:
    if isinstance(x, Tensor):
        return x
    if isinstance(x, np.ndarray):
        return None
    data = getattr(x, "data", None)  # packed sequences
    if isinstance(data, Tensor):
        return data
    if isinstance(x, Mapping):
        x = list(x.values())[-1:]  # as torchinfo does: models put their result last
    if isinstance(x, (list, tuple)):
        return next((t for t in map(_first, x) if t is not None), None)
    return None


# ---------------------------------------------------------------- the table
class Format:
    """How the table looks: depth, verbosity, columns, widths and settings of rows."""

    def __init__(
        self, max_depth: int, verbose: int, col_names: tuple[str, ...], col_width: int, rows: tuple[str, ...]
    ) -> None:
        self.max_depth = max_depth
        self.verbose = verbose
        self.col_names = col_names
        self.col_width = col_width
        self.ascii_only = "ascii_only" in rows
        self.show_var_name = "var_names" in rows
        self.show_depth = "depth" in rows
        self.hide_recursive = "hide_recursive_layers" in rows
        self.layer_name_width = 40

    def fit(self, layers: list[Layer]) -> None:
        """Widen the first column to the longest name, in steps of five."""
        longest = max((len(self.name(layer)) + layer.depth * 5 + 1 for layer in layers), default=0)
        if longest >= self.layer_name_width:
            self.layer_name_width = math.ceil(longest / 5) * 5

    @property
    def width(self) -> int:
        """Characters of a line."""
        return len(self.col_names) * self.col_width + self.layer_name_width

    def indent(self, depth: int) -> str:
        """What stands before a layer's name."""
        if depth == 0:
            return ""
        if depth == 1:
            return "+ " if self.ascii_only else "├─"
        return ("|    " if self.ascii_only else "│    ") * (depth - 1) + ("+ " if self.ascii_only else "└─")

    def name(self, layer: Layer) -> str:
        """`Conv2d (conv1): 1-2`."""
        found = layer.class_name
        if self.show_var_name and layer.var_name:
            found += f" ({layer.var_name})"
        if self.show_depth and layer.depth > 0:
            found += f": {layer.depth}" + ("" if layer.depth_index is None else f"-{layer.depth_index}")
        return found

    def title(self) -> str:
        """The head of the first column."""
        return f"Layer (type{' (var_name)' if self.show_var_name else ''}{':depth-idx' if self.show_depth else ''})"

    def line(self, name: str, values: Mapping[str, str]) -> str:
        """A line of the table."""
        cells = "".join(f"{values.get(column, ''):<{self.col_width}} " for column in self.col_names)
        return f"{name:<{self.layer_name_width}} {cells}".rstrip() + "\n"

    def shown(self, layers: list[Layer]) -> list[Layer]:
        """The layers that have a row."""
        return [x for x in layers if x.depth <= self.max_depth and not (self.hide_recursive and x.is_recursive)]

    def values(self, layer: Layer, total: int) -> dict[str, str]:
        """The cells of a layer's row."""
        whole = layer.is_leaf_layer or layer.depth == self.max_depth
        n = layer.num_params if whole else sum(k for k, _, _ in layer.leftover().values())
        shared = "(recursive)" if layer.is_recursive else "(tied)" if layer.is_tied else ""
        params, percent = "--", "     --"
        if shared:
            params = shared if layer.num_params else params
            percent = shared if total else percent
        elif n:
            params = f"({n:,})" if whole and not layer.trainable_params else f"{n:,}"
            percent = f"{n / total:>7.2%}"
        macs = "--"
        if layer.macs and layer.is_leaf_layer:
            macs = f"{layer.macs:,}"
        elif layer.macs and whole:
            macs = f"{sum(child.macs for child in layer.children if child.is_leaf_layer):,}"
        return {
            "kernel_size": str(layer.kernel_size) if layer.kernel_size else "--",
            "input_size": str(layer.input_size) if layer.input_size else "--",
            "output_size": str(layer.output_size) if layer.output_size else "--",
            "num_params": params,
            "params_percent": percent,
            "mult_adds": macs,
            "trainable": layer.trainable,
        }


class ModelStatistics:
    """What `summary` returns: the layers, the totals, and the table as text, HTML and plain data.

    summary_list: the layers, in the order in which they ran. input_size: the shapes of the inputs. total_params,
    trainable_params: elements, each parameter once. total_mult_adds: of the layers without children. total_input,
    total_output_bytes (outputs of layers with parameters, twice, for their gradients), total_param_bytes: bytes.

    >>> import retrograd as rg
    >>> found = rg.summary(rg.nn.Linear(3, 2), rg.ones(5, 3), verbose=0)
    >>> found.total_params, found.total_mult_adds, found.total_param_bytes
    (8, 40, 32)
    """

    def __init__(self, summary_list: list[Layer], input_size: Any, total_input: int, formatting: Format) -> None:
        self.summary_list = summary_list
        self.input_size = input_size
        self.total_input = total_input
        self.formatting = formatting
        self.total_mult_adds = 0
        self.total_output_bytes = 0
        params: dict[int, tuple[int, int, bool]] = {}
        for layer in summary_list:
            if layer.is_leaf_layer:
                layer.is_tied = bool(layer.own) and not layer.is_recursive and layer.own.keys() <= params.keys()
                params.update(layer.own)
                self.total_mult_adds += layer.macs
                self.total_output_bytes += 2 * layer.output_bytes if layer.num_params else 0
        for layer in summary_list:  # parameters that containers hold themselves, or layers that did not run
            params.update(layer.own)
        self.total_params = sum(n for n, _, _ in params.values())
        self.trainable_params = sum(n for n, _, trained in params.values() if trained)
        self.total_param_bytes = sum(b for _, b, _ in params.values())
        formatting.fit(summary_list)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data, ready for JSON."""
        return {
            "layers": [layer.to_dict() for layer in self.summary_list],
            "input_size": self.input_size,
            **dict(self._totals()),
        }

    def _totals(self) -> list[tuple[str, int]]:
        total = self.total_input + self.total_output_bytes + self.total_param_bytes
        return [
            ("total_params", self.total_params),
            ("trainable_params", self.trainable_params),
            ("non_trainable_params", self.total_params - self.trainable_params),
            ("total_mult_adds", self.total_mult_adds),
            ("input_bytes", self.total_input),
            ("forward_backward_bytes", self.total_output_bytes),
            ("param_bytes", self.total_param_bytes),
            ("total_bytes", total),
        ]

    def _footer(self) -> list[list[str]]:
        """The lines below the table, in groups."""
        totals = dict(self._totals())
        first = [
            f"Total params: {self.total_params:,}",
            f"Trainable params: {self.trainable_params:,}",
            f"Non-trainable params: {totals['non_trainable_params']:,}",
        ]
        if not self.input_size:
            return [first]
        sizes = [
            f"Input size (MB): {totals['input_bytes'] / 1e6:0.2f}",
            f"Forward/backward pass size (MB): {totals['forward_backward_bytes'] / 1e6:0.2f}",
            f"Params size (MB): {totals['param_bytes'] / 1e6:0.2f}",
            f"Estimated Total Size (MB): {totals['total_bytes'] / 1e6:0.2f}",
        ]
        return [[*first, f"Total mult-adds{_readable(self.total_mult_adds)}"], sizes]

    def __str__(self) -> str:
        f = self.formatting
        bar = "=" * f.width
        text = [bar + "\n", f.line(f.title(), _TITLES), bar + "\n"]
        for layer in f.shown(self.summary_list):
            text.append(f.line(f.indent(layer.depth) + f.name(layer), f.values(layer, self.total_params)))
            if f.verbose == 2:
                start = f.indent(layer.depth + 1)
                text.extend(f.line(start + name, values) for name, values in layer.inner_layers.items())
        text.append(bar + "\n")
        text.extend("\n".join(group) + f"\n{bar}\n" for group in self._footer())
        return "".join(text)[:-1]

    __repr__ = __str__

    def _repr_html_(self) -> str:
        f = self.formatting
        right = ' style="text-align:right"'
        head = "".join(f"<th{right}>{_TITLES[c]}</th>" for c in f.col_names)
        rows = []
        for layer in f.shown(self.summary_list):
            values = f.values(layer, self.total_params)
            cells = "".join(f"<td{right}>{html.escape(values[c].strip())}</td>" for c in f.col_names)
            name = html.escape(f.name(layer))
            title = html.escape(layer.path, quote=True)
            style = f"text-align:left;padding-left:{0.5 + 1.5 * layer.depth}em"
            rows.append(f'<tr><td style="{style}" title="{title}">{name}</td>{cells}</tr>')
        footer = "".join(f"<p>{'<br>'.join(map(html.escape, group))}</p>" for group in self._footer())
        return (
            f'<table><thead><tr><th style="text-align:left">{html.escape(f.title())}</th>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table>{footer}"
        )


def _readable(n: int) -> str:
    """` (M): 1.23`, in millions, billions or trillions."""
    unit, value = ("T", n / 1e12) if n >= 1e12 else ("G", n / 1e9) if n >= 1e9 else ("M", n / 1e6)
    return f" ({unit}): {int(value):,}" if value.is_integer() else f" ({unit}): {value:,.2f}"
