"""Operations that are loaded at their first use, so that `import retrograd` stays light: the method standing in for one.

Python calls the `__get__` of a class attribute at each access; the first one imports the operation's module and puts
the function itself in its own place, so that later calls cost what they would have cost anyway.
"""

from __future__ import annotations

import importlib
from typing import Any


class LateModule:
    """Stands for `ops/<name>.py` in the class body: its attributes are methods that load it."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> LateMethod:
        return LateMethod(self._name, attribute, False)


class LateMethod:
    """A method (or with `written` the in-place twin of one) that replaces itself by the function at its first use."""

    __slots__ = ("attribute", "module", "name", "owner", "written")

    def __init__(self, module: str, attribute: str, written: bool) -> None:
        self.module, self.attribute, self.written = module, attribute, written

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        f = getattr(importlib.import_module(f".ops.{self.module}", __package__), self.attribute)
        if self.written:
            from .views import inplace as in_place

            f = in_place(f, self.name[:-1])
        setattr(self.owner, self.name, f)
        return f.__get__(instance, owner)


late = LateModule


def inplace(method: LateMethod) -> LateMethod:
    """The in-place twin of a late method, as `views.inplace` is of a function."""
    return LateMethod(method.module, method.attribute, True)
