"""How a tensor prints: PyTorch's text, and an HTML table for notebooks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .backend import of
from .core import Leaf


class PrintOptions:
    """What `set_printoptions` sets."""

    precision = 4
    threshold = 1000
    edgeitems = 3
    linewidth = 80
    sci_mode: bool | None = None


options = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print, as in PyTorch. profile: "default", "short" or "full".

    >>> import retrograd as rg
    >>> rg.set_printoptions(precision=2); rg.tensor([1 / 3])
    tensor([0.33])
    >>> rg.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in ("default", "short", "full"):
            raise ValueError(f"set_printoptions: profile {profile!r} is unknown; choose 'default', 'short' or 'full'")
        options.precision = 2 if profile == "short" else 4
        options.threshold = int(1e18) if profile == "full" else 1000
        options.edgeitems = 2 if profile == "short" else 3
        options.linewidth = 80
    if precision is not None:
        options.precision = precision
    if threshold is not None:
        options.threshold = threshold
    if edgeitems is not None:
        options.edgeitems = edgeitems
    if linewidth is not None:
        options.linewidth = linewidth
    options.sci_mode = sci_mode


class _Formatter:
    """The common format of all elements of a tensor, by PyTorch's rules."""

    def __init__(self, a: np.ndarray) -> None:
        self.floating = a.dtype.kind == "f" or a.dtype.name == "bfloat16"
        self.whole = True
        self.sci = False
        self.width = 1
        a = a.reshape(-1)
        if not self.floating:
            self.width = max((len(str(v)) for v in a.tolist()), default=1)
            return
        a = a.astype("f8") if a.dtype.itemsize < 8 else a
        a = a[np.isfinite(a) & (a != 0)]
        if a.size:
            size = np.abs(a)
            top, low = float(size.max()), float(size.min())
            self.whole = bool((a == np.ceil(a)).all())
            if self.whole:
                self.sci = top / low > 1000.0 or top > 1.0e8
            else:
                self.sci = top / low > 1000.0 or top > 1.0e8 or low < 1.0e-4
            if self.whole and not (top / low > 1000.0 or top > 1.0e8):
                self.sci = False
        if options.sci_mode is not None:
            self.sci = options.sci_mode
        self.width = 1
        for v in a.tolist():
            self.width = max(self.width, len(self.text(v)))

    def text(self, v: Any) -> str:
        """One element, unpadded."""
        if not self.floating:
            return str(v)
        if not math.isfinite(v):
            return "nan" if math.isnan(v) else "inf" if v > 0 else "-inf"
        if self.sci:
            return f"{v:.{options.precision}e}"
        if self.whole:
            return f"{v:.0f}."
        return f"{v:.{options.precision}f}"

    def __call__(self, v: Any) -> str:
        return self.text(v).rjust(self.width)


class _ComplexFormatter:
    def __init__(self, a: Any) -> None:
        self.real, self.imag = _Formatter(a.real), _Formatter(a.imag)

    def __call__(self, v: Any) -> str:
        imag = self.imag(v.imag).lstrip()
        return f"{self.real(v.real)}{'' if imag.startswith('-') else '+'}{imag}j"


def _rows(a: Any, indent: int, show: Any, summarize: bool) -> str:
    if a.ndim == 0:
        return show(a.item() if a.dtype.kind != "V" else float(a))
    edge = options.edgeitems
    cut = summarize and a.shape[0] > 2 * edge
    if a.ndim == 1:
        items = [*a[:edge].tolist(), None, *a[-edge:].tolist()] if cut else a.tolist()
        words = [" ..." if v is None else show(v) for v in items]
        width = max((len(w) for w in words), default=1) + 2
        per_line = max(1, (options.linewidth - indent) // width)
        lines = [words[i : i + per_line] for i in range(0, len(words), per_line)] or [[]]
        return "[" + (",\n" + " " * (indent + 1)).join(", ".join(line) for line in lines) + "]"
    parts = [a[i] for i in range(a.shape[0])] if not cut else [a[i] for i in range(edge)]
    texts = [_rows(v, indent + 1, show, summarize) for v in parts]
    if cut:
        texts += ["..."] + [_rows(a[i], indent + 1, show, summarize) for i in range(a.shape[0] - edge, a.shape[0])]
    return "[" + ("," + "\n" * (a.ndim - 1) + " " * (indent + 1)).join(texts) + "]"


def _shown(a: np.ndarray, summarize: bool) -> np.ndarray:
    """The elements that will be printed, which decide the common format."""
    if not summarize:
        return a
    edge = options.edgeitems
    for axis in range(a.ndim):
        if a.shape[axis] > 2 * edge:
            a = np.concatenate([a.take(range(edge), axis), a.take(range(-edge, 0), axis)], axis)
    return a


def body(t: Any, indent: int) -> str:
    """The elements of a tensor over a plain array, `indent` columns from the left."""
    a = of(t._data).to_numpy(t._data)
    if t._dtype.name in ("bfloat16", "float16"):
        a = a.astype("f4")
    if a.size == 0:
        return "[]"
    summarize = a.size > options.threshold
    shown = _shown(a, summarize)
    show = _ComplexFormatter(shown) if a.dtype.kind == "c" else _Formatter(shown)
    return _rows(a, indent, show, summarize)


def to_text(t: Any, prefix: str = "tensor(") -> str:
    """PyTorch's text of a tensor."""
    from .dtypes import get_default_dtype

    if of(t._data).name == "lifted":
        from .lifting import text as lifted_text

        return lifted_text(t, to_text, prefix) or ""
    a = of(t._data).to_numpy(t._data)
    suffixes = []
    if a.size == 0 and a.ndim != 1:
        suffixes.append(f"size={tuple(t._shape)}")
    text = prefix + body(t, len(prefix))
    default = get_default_dtype()
    usual = ("int64", "bool", default.name, default.to_complex().name)
    if t._dtype.name not in usual or (a.size == 0 and t._dtype is not default):
        suffixes.append(f"dtype=retrograd.{t._dtype.name}")
    where = of(t._data).device_of(t._data)
    if where.type != "cpu":
        suffixes.insert(0, f"device='{where}'")
    n = t._node
    if type(n) is Leaf:
        suffixes.append("requires_grad=True")
    elif n is not None:
        suffixes.append(f"grad_fn=<{n.name()}>")
    for s in suffixes:  # PyTorch breaks the line before a suffix that would pass the width
        last = len(text) - text.rfind("\n") - 1
        text += f",\n{' ' * len(prefix)}{s}" if last + len(s) + 3 > options.linewidth else f", {s}"
    return text + ")"


def to_html(t: Any) -> str:
    """A table for notebooks: dtype, shape, device, where it was made, summary numbers, and the text."""
    import html

    a = of(t._data).to_numpy(t._data)
    facts = {"shape": str(tuple(t._shape)), "dtype": t._dtype.name, "device": str(of(t._data).device_of(t._data))}
    if a.size and a.dtype.kind in "fiu":
        finite = a[np.isfinite(a)] if a.dtype.kind == "f" else a
        if finite.size:
            facts["range"] = f"[{finite.min():.4g}, {finite.max():.4g}], mean {finite.mean():.4g}"
        if finite.size < a.size:
            facts["not finite"] = f"{a.size - finite.size} of {a.size}"
    if t._node is not None:
        facts["grad_fn" if type(t._node) is not Leaf else "leaf"] = f"{t._node.name()} at {t._node.where}"
    rows = "".join(f"<tr><th style='text-align:left'>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in facts.items())
    return f"<table>{rows}</table><pre>{html.escape(to_text(t))}</pre>"
