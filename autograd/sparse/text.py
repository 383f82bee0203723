"""How a sparse tensor prints: PyTorch's text."""

from __future__ import annotations

from typing import Any

from ..core import Leaf, wrap
from ..dtypes import get_default_dtype
from ..layouts import sparse_coo
from ..repr import body, options

__all__ = ["to_text"]


def to_text(t: Any) -> str:
    """PyTorch's text of a sparse tensor."""
    from .tensor import compressed_names

    d = t._data
    coo = d.layout is sparse_coo
    indent = len("tensor(")
    parts = [("indices", d.first)] if coo else list(zip(compressed_names(d.layout), (d.first, d.second), strict=True))
    lines = []
    for name, part in [*parts, ("values", d.values)]:
        prefix = f"{name}=tensor("
        text = body(wrap(part._data), indent + len(prefix))
        lines.append(f"{prefix}{text}{f', size={tuple(part._shape)}' if not part._data.size else ''})")
    suffixes = [f"size={tuple(t._shape)}", f"nnz={t._nnz()}"]
    default = get_default_dtype()
    if t._dtype.name not in ("int64", "bool", default.name, default.to_complex().name):
        suffixes.append(f"dtype=retrograd.{t._dtype.name}")
    if t.device.type != "cpu":
        suffixes.insert(0, f"device='{t.device}'")
    suffixes.append(f"layout={d.layout!r}")
    n = t._node
    if type(n) is Leaf:
        suffixes.append("requires_grad=True")
    elif n is not None:
        suffixes.append(f"grad_fn=<{n.name()}>")
    text = "tensor(" + (",\n" + " " * indent).join(lines)
    last = len(text) - text.rfind("\n") + 1
    new_line = coo
    for s in suffixes:
        if new_line or last + len(s) + 2 > options.linewidth:
            text += f",\n{' ' * indent}{s}"
            last, new_line = indent + len(s), False
        else:
            text += f", {s}"
            last += len(s) + 2
    return text + ")"
