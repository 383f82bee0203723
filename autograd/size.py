"""Size: what `Tensor.shape` returns."""

from __future__ import annotations

from typing import Any


class Size(tuple[int, ...]):
    """A shape: a tuple of ints with `numel()`.

    >>> import retrograd as rg
    >>> rg.ones(2, 3).shape, rg.ones(2, 3).shape.numel()
    (retrograd.Size([2, 3]), 6)
    """

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements."""
        n = 1
        for s in self:
            n *= s
        return n

    def __repr__(self) -> str:
        return f"retrograd.Size({list(self)})"

    def __getitem__(self, i: Any) -> Any:
        v = tuple.__getitem__(self, i)
        return Size(v) if type(i) is slice else v

    def __add__(self, other: Any) -> Size:  # type: ignore[override]
        return Size(tuple.__add__(self, tuple(other)))
