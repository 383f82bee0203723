"""Writes names.json: what CuPy 14.2.0 has, with signatures and ufunc loops. No GPU is needed, only the package.

    pip install cupy-cuda13x==14.2.0
    python tests/fake_cupy/generate.py

Run it again when the supported CuPy changes, and read the difference.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("names.json")


def parameters(signature: str) -> str | None:
    """`a, axis=None, *, out=None` of a signature's text: defaults and types do not matter here."""
    found = re.match(r"[\w.]*\((.*?)\)(\s*->.*)?$", signature.strip(), re.S)
    if not found:
        return None
    names = []
    for part in _split(found.group(1)):
        head, equals, _ = part.partition("=")
        name = head.split(":")[0].split()[-1]
        names.append(name + ("=None" if equals else ""))
    return ", ".join(names)


def _split(text: str) -> list[str]:
    """The text at the commas that are in no brackets and no quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "([{<":
            depth += 1
        elif c in ")]}>":
            depth -= 1
        elif c == "," and not depth:
            parts.append(text[start:i])
            start = i + 1
    return [p.strip() for p in [*parts, text[start:]] if p.strip()]


def describe(o: Any, ufunc: type) -> Any:
    """Loops of a ufunc, parameters of a function, the value of a constant, or what kind of thing it is."""
    if isinstance(o, ufunc):
        return {"ufunc": " ".join(o.types), "at": bool(o._scatter_op)}
    if isinstance(o, type):
        return {"type": f"{o.__module__}.{o.__name__}"}
    if isinstance(o, (bool, float, int)) or o is None:
        return {"value": repr(o)}
    if callable(o):
        try:
            text = str(inspect.signature(o))
        except (TypeError, ValueError):
            text = (o.__doc__ or "").strip().split("\n")[0]
        return {"function": parameters(text)}
    return {"other": type(o).__name__}


def namespace(module: Any, ufunc: type) -> dict[str, Any]:
    """What stands in a module."""
    return {n: describe(getattr(module, n), ufunc) for n in sorted(dir(module)) if not n.startswith("_")}


def main() -> None:
    import cupy
    import cupyx
    import cupyx.scipy.special

    ufunc = type(cupy.exp)
    methods, attributes, special = {}, [], []
    for name in dir(cupy.ndarray):
        o = getattr(cupy.ndarray, name)
        if name.startswith("__"):
            special.append(name)
        elif name.startswith("_"):
            continue
        elif callable(o):
            methods[name] = (describe(o, ufunc)["function"] or "").removeprefix("self").removeprefix(", ")
        else:
            attributes.append(name)
    found = {
        "version": cupy.__version__,
        "cupy": namespace(cupy, ufunc),
        "linalg": namespace(cupy.linalg, ufunc),
        "fft": namespace(cupy.fft, ufunc),
        "lib.stride_tricks": namespace(cupy.lib.stride_tricks, ufunc),
        "cupyx": namespace(cupyx, ufunc),
        "cupyx.scipy.special": namespace(cupyx.scipy.special, ufunc),
        "methods": methods,
        "attributes": attributes,
        "special": special,
    }
    lines = []
    for section, value in found.items():
        if isinstance(value, dict):
            rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            lines.append(f"{json.dumps(section)}: {{\n{rows}\n}}")
        else:
            lines.append(f"{json.dumps(section)}: {json.dumps(value)}")
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
