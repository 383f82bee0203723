"""What the stand-in counts and knows: host synchronisations, the current device, and the names that CuPy has."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

NAMES: dict[str, Any] = json.loads(Path(__file__).with_name("names.json").read_text(encoding="utf-8"))
DEVICES = 2
_HERE = os.path.dirname(os.path.abspath(__file__))


# ---------------------------------------------------------------- synchronisations
class Syncs:
    """Host synchronisations: how many, and what made each of them (`item at ops/reduce.py:12`)."""

    def __init__(self) -> None:
        self.events: list[str] = []

    @property
    def count(self) -> int:
        return len(self.events)

    def __repr__(self) -> str:
        return f"{self.count} synchronisations: {', '.join(self.events)}"


_counters: list[Syncs] = []


@contextlib.contextmanager
def sync_counter() -> Iterator[Syncs]:
    """Count the host synchronisations inside the block."""
    c = Syncs()
    _counters.append(c)
    try:
        yield c
    finally:
        _counters.remove(c)


def sync(what: str) -> None:
    """Note that the host waits for the device here."""
    if not _counters:
        return
    f = sys._getframe(1)
    while f.f_back is not None and f.f_code.co_filename.startswith(_HERE):
        f = f.f_back
    place = "/".join(Path(f.f_code.co_filename).parts[-2:])
    for c in _counters:
        c.events.append(f"{what} at {place}:{f.f_lineno}")


# ---------------------------------------------------------------- devices
class _Current(threading.local):
    def __init__(self) -> None:
        self.id = 0


current = _Current()


class Device:
    """A device, as a context manager or by `use()` the current one of the thread."""

    def __init__(self, device: int | None = None) -> None:
        self.id = current.id if device is None else int(device)
        self._was: list[int] = []

    def use(self) -> None:
        self._check()
        current.id = self.id

    def _check(self) -> None:
        if not 0 <= self.id < DEVICES:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def synchronize(self) -> None:
        sync("Device.synchronize")

    def __enter__(self) -> Device:
        self._check()
        self._was.append(current.id)
        current.id = self.id
        return self

    def __exit__(self, *_: object) -> None:
        current.id = self._was.pop()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"


# ---------------------------------------------------------------- signatures
@cache
def signature(parameters: str) -> inspect.Signature:
    """The signature of CuPy's function, defaults apart."""
    return inspect.signature(eval(f"lambda {parameters}: None"))


def check_arguments(name: str, parameters: str | None, args: Any, kwargs: dict[str, Any]) -> None:
    """TypeError for arguments that CuPy's function does not have."""
    if parameters is None:
        return
    try:
        signature(parameters).bind(*args, **kwargs)
    except TypeError as e:
        raise TypeError(f"{name}: {e} (CuPy's parameters: {parameters})") from None
