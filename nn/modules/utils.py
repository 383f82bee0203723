"""Sizes given as one number or as one number a dimension."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["pair", "single", "triple"]


def _ntuple(x: Any, n: int) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, Iterable) else (x,) * n


def single(x: Any) -> tuple[Any, ...]:
    """(x,), or x itself if it is a sequence already."""
    return _ntuple(x, 1)


def pair(x: Any) -> tuple[Any, ...]:
    """(x, x), or x itself if it is a sequence already."""
    return _ntuple(x, 2)


def triple(x: Any) -> tuple[Any, ...]:
    """(x, x, x), or x itself if it is a sequence already."""
    return _ntuple(x, 3)


def _quadruple(x: Any) -> tuple[Any, ...]:
    return _ntuple(x, 4)


# PyTorch's names, which programs import.
_single, _pair, _triple = single, pair, triple


def _reverse_repeat_tuple(t: Iterable[Any], n: int) -> tuple[Any, ...]:
    """(a, b) -> (b, b, a, a) for n=2: per-dimension padding in the order that `pad` takes it."""
    return tuple(x for x in reversed(tuple(t)) for _ in range(n))
