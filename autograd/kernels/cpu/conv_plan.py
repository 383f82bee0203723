"""Which variant of a convolution runs: a rule made from measurements, and a table that `tune` can add to.

Variants: "direct" (tiles over padded planes, `loops.conv_direct`; serves everything), "gemm" (kernels of one element with
stride 1 and no padding: a matrix product per image) and "numpy" (the kernel declines, the formula computes). The choice is
a function of the shape and of the table in force; nothing changes it during a run but a call of `tune`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from . import blas

__all__ = ["KINDS", "VARIANTS", "choose", "clear", "key", "load", "save", "tune"]

KINDS = ("conv", "gx", "gw")
VARIANTS = ("direct", "gemm", "numpy")
Shape = tuple[int, ...]

_table: dict[str, str] = {}


def key(kind: str, x: Shape, w: Shape, lo: Shape, o: Shape, s: Shape, d: Shape, groups: int, char: str) -> str:
    """The name of a shape in the table: x (N, C, H, W), w (O, C / groups, KH, KW), o (OH, OW)."""
    parts = (x, w, lo, o, s, d, (groups,))
    return f"{kind} {char} " + " ".join("x".join(map(str, p)) for p in parts)


def pointwise(x: Shape, w: Shape, lo: Shape, o: Shape, s: Shape) -> bool:
    """Whether "gemm" serves the shape."""
    return w[2:] == (1, 1) and s == (1, 1) and lo == (0, 0) and x[2:] == o and blas.available()


def choose(kind: str, x: Shape, w: Shape, lo: Shape, o: Shape, s: Shape, d: Shape, groups: int, char: str) -> str:
    """The variant that serves a shape.

    The rule: a matrix product per image where the kernel has one element and the matrices are no slivers (8 channels in
    and out, 32 positions), direct otherwise. Against columns with a matrix product, direct took 0.4 to 0.8 of the time
    on the layers of LeNet and ResNet (3 to 64 channels, planes of 8 to 56).
    """
    if _table:
        found = _table.get(key(kind, x, w, lo, o, s, d, groups, char))
        if found is not None and (found != "gemm" or pointwise(x, w, lo, o, s)):
            return found
    if min(w[0] // groups, w[1]) >= 8 and o[0] * o[1] >= 32 and pointwise(x, w, lo, o, s):
        return "gemm"
    return "direct"


def clear() -> None:
    """Forget what was tuned or loaded: the shipped rule is in force."""
    _table.clear()


def save(path: Any) -> None:
    """Write the table in force as JSON."""
    Path(path).write_text(json.dumps({"version": 1, "conv": _table}, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load(path: Any) -> int:
    """Add the rows of a file that `save` wrote to the table in force; how many there were."""
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    rows = found.get("conv") if isinstance(found, dict) and found.get("version") == 1 else None
    if not isinstance(rows, dict) or any(v not in VARIANTS for v in rows.values()):
        raise ValueError(f"{path} is not a table of convolution variants that tune() saved")
    _table.update(rows)
    return len(rows)


def tune(shapes: Iterable[dict[str, Any]], path: Any = None, seconds: float = 0.05) -> list[dict[str, Any]]:
    """Measure the variants for convolutions and put the fastest of each in the table in force.

    shapes: dictionaries with input (N, C, H, W), weight (O, C / groups, KH, KW), and if not the default stride, padding,
    dilation (pairs or ints), groups and dtype. path: a JSON file that is read first, if it exists, and written at the
    end. seconds: how long to measure each variant. Returns what was measured, one row for each operation: the key, the
    milliseconds of each variant, the choice and the choice of the shipped rule. Results differ between variants by
    rounding, so tune before a run and not within it. ValueError for shapes that are no convolution.

    >>> import retrograd as rg
    >>> from retrograd.autograd.kernels.cpu import conv_plan
    >>> report = rg.tune([{"input": (2, 3, 8, 8), "weight": (4, 3, 3, 3), "padding": 1}], seconds=0.001)
    >>> len(report), sorted(report[0])[:2]  # the forward pass and the gradients of input and weight
    (3, ['chosen', 'key'])
    >>> conv_plan.clear()
    """
    if path is not None and Path(path).exists():
        load(path)
    report = [row for shape in shapes for row in _measure(shape, seconds)]
    _table.update((row["key"], row["chosen"]) for row in report)
    if path is not None:
        save(path)
    return report


def _pair(v: Any) -> Shape:
    return (int(v), int(v)) if isinstance(v, (int, np.integer)) else tuple(int(i) for i in v)


def _measure(shape: dict[str, Any], seconds: float) -> list[dict[str, Any]]:
    from ...ops import conv_core
    from . import conv

    x, w = tuple(shape["input"]), tuple(shape["weight"])
    s, lo, d = _pair(shape.get("stride", 1)), _pair(shape.get("padding", 0)), _pair(shape.get("dilation", 1))
    groups, dtype = int(shape.get("groups", 1)), np.dtype(shape.get("dtype", "float32"))
    if len(x) != 4 or len(w) != 4 or x[1] != w[1] * groups or w[0] % groups or dtype.char not in "fd":
        raise ValueError(f"tune: input {x} and weight {w} with groups={groups} and {dtype} are no convolution to tune")
    o = tuple((n + 2 * p - dd * (k - 1) - 1) // ss + 1 for n, p, dd, k, ss in zip(x[2:], lo, d, w[2:], s, strict=True))
    if min(o) < 1:
        raise ValueError(f"tune: the kernel {w} is larger than the padded input {x}")
    rng = np.random.default_rng(0)
    xa, wa, ga = (rng.standard_normal(v).astype(dtype) for v in (x, w, (x[0], w[0], *o)))
    calls: dict[str, tuple[Any, Any, Any]] = {
        "conv": (conv.conv, conv_core.conv_formula, ((xa, wa, None), lo, o, s, d, groups)),
        "gx": (conv.conv_gx, conv_core.conv_gx_formula, ((ga, wa), lo, x[2:], s, d, groups)),
        "gw": (conv.conv_gw, conv_core.conv_gw_formula, ((xa, ga), lo, w[2:], s, d, groups)),
    }
    rows = []
    for kind, (kernel, formula, args) in calls.items():
        name = key(kind, x, w, lo, o, s, d, groups, dtype.char)
        before = _table.pop(name, None)
        rule = choose(kind, x, w, lo, o, s, d, groups, dtype.char)
        times: dict[str, float] = {"numpy": _time(lambda f=formula, a=args: f(np, *a), seconds)}
        for variant in ("direct", "gemm") if pointwise(x, w, lo, o, s) else ("direct",):
            _table[name] = variant
            if kernel(*args) is not NotImplemented:
                times[variant] = _time(lambda f=kernel, a=args: f(*a), seconds)
        del _table[name]
        if before is not None:
            _table[name] = before
        chosen = min(times, key=lambda v: times[v])
        rows.append({"key": name, "ms": times, "chosen": chosen, "rule": rule})
    return rows


def _time(call: Any, seconds: float) -> float:
    """The smallest time of a call, in milliseconds."""
    call()
    best, end = float("inf"), time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        call()
        now = time.perf_counter()
        best = min(best, now - start)
        if now > end:
            return best * 1000
