"""Modules and parameters that sit in a plain list, tuple or dict, where no `parameters()` finds them.

Registration is PyTorch's: only attributes, ModuleList and their kind register. A plain container is therefore the
commonest reason why part of a network does not train. Setting one notes the line; walking the parameters looks into
the containers noted, and warns once for each that holds something registered nowhere in the tree.
"""

from __future__ import annotations

import sys
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ...autograd import Parameter
from ...autograd.core import LIBRARY

__all__ = ["PENDING", "PLAIN", "remember", "warn_below"]

PLAIN = frozenset((list, tuple, dict, OrderedDict))
PENDING: weakref.WeakSet[Any] = weakref.WeakSet()
_LOOKED_AT = 1000  # items of one container: a list of a million numbers must not slow down every zero_grad()
_DEPTH = 3  # a list of dicts of lists; deeper nestings are data, not layers


def remember(module: Any, name: str, value: Any) -> None:
    """Note where a plain container became attribute `name`; a list or dict may be filled later."""
    f: Any = sys._getframe(2)
    if LIBRARY[f.f_code.co_filename]:
        return  # the library's own layers keep sizes in tuples, never modules
    if type(value) is tuple and not any(_found(value)):
        return
    places = module.__dict__.get("_plain")
    if places is None:
        places = module.__dict__["_plain"] = {}
    places[name] = f.f_code.co_filename, f.f_lineno
    PENDING.add(module)


def _found(value: Any, depth: int = _DEPTH) -> Iterator[Any]:
    """The modules and parameters inside nested plain containers."""
    from .registry import Registry

    for item in islice(value.values() if isinstance(value, dict) else value, _LOOKED_AT):
        if isinstance(item, (Parameter, Registry)):
            yield item
        elif depth > 1 and type(item) in PLAIN:
            yield from _found(item, depth - 1)


def warn_below(root: Any) -> None:
    """Warn about every noted container in the tree of `root` that holds what the tree has not registered."""
    registered: set[int] = set()
    for path, module in list(root.named_modules()):
        places = module.__dict__.get("_plain")
        if not places:
            continue
        for name, (file, at) in list(places.items()):
            value = module.__dict__.get(name)
            if type(value) not in PLAIN:
                del places[name]  # reassigned or deleted since
                continue
            found = list(_found(value))
            if not found:
                continue
            if not registered:
                for m in root.modules():
                    registered.add(id(m))
                    registered.update(map(id, m._parameters.values()))
            lost = [x for x in found if id(x) not in registered and not _holds(x, root)]
            if lost:
                del places[name]
                _warn(root, f"{path}.{name}" if path else name, value, lost, file, at)


def _holds(x: Any, root: Any) -> bool:
    """Whether x is a module around root: a list is the usual way to keep a reference to one's parent."""
    return not isinstance(x, Parameter) and any(m is root for m in x.modules())


def _warn(root: Any, name: str, value: Any, lost: list[Any], file: str, at: int) -> None:
    kinds = ", ".join(dict.fromkeys(type(x).__name__ for x in lost))
    plain = "list" if isinstance(value, (list, tuple)) else "dict"
    better = ("Parameter" if isinstance(lost[0], Parameter) else "Module") + plain.capitalize()
    warnings.warn_explicit(
        f"{type(root).__name__}.{name} (set at line {at}) is a plain {type(value).__name__} that holds {len(lost)} "
        f"unregistered ({kinds}): parameters(), state_dict() and to() do not see what is in it, so it will not train. "
        f"Use nn.{better}; or, to hide it on purpose, object.__setattr__(self, {name.rpartition('.')[2]!r}, ...).",
        UserWarning,
        file,
        at,
    )
