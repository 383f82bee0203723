"""Working memory for updates in place."""

from __future__ import annotations

from typing import Any

__all__ = ["Scratch", "fresh", "is_half"]


class Scratch:
    """Working memory for updates: one buffer for each dtype, as large as the largest parameter, seen in every shape.

    An update runs in place with one or two such buffers instead of a fresh temporary for every operation.
    """

    def __init__(self) -> None:
        self._views: dict[tuple[Any, ...], Any] = {}
        self._buffers: dict[tuple[Any, ...], Any] = {}

    def __call__(self, xp: Any, a: Any, slot: int = 0) -> Any:
        """An array like `a`, with arbitrary contents; different slots never overlap."""
        key = (a.shape, type(a), a.dtype.num, slot)  # the number hashes faster than the dtype
        found = self._views.get(key)
        return self._grow(xp, key, a) if found is None else found

    def _grow(self, xp: Any, key: tuple[Any, ...], a: Any) -> Any:
        buffer = self._buffers.get(key[1:])
        if buffer is None or buffer.size < a.size:
            buffer = self._buffers[key[1:]] = xp.empty(a.size, a.dtype)
            self._views = {k: v for k, v in self._views.items() if k[1:] != key[1:]}
        self._views[key] = view = buffer[: a.size].reshape(a.shape)
        return view

    def __deepcopy__(self, memo: Any) -> Scratch:
        return Scratch()

    def __reduce__(self) -> tuple[Any, ...]:
        return (Scratch, ())


def fresh(xp: Any, a: Any, slot: int = 0) -> Any:
    """What a Scratch returns, without one: a new array like `a`."""
    return xp.empty_like(a)


def is_half(a: Any) -> bool:
    """Whether an array is float16 or bfloat16, whose updates are computed in float32."""
    return a.dtype.itemsize == 2
