"""Functions that vmap runs sample by sample: those that look at values beside the primitives, such as a search."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from . import core

__all__ = ["sample_by_sample"]

F = TypeVar("F", bound=Callable[..., Any])


def sample_by_sample(f: F) -> F:
    """f as it is; inside a vmap with batched arguments it is called for each sample, recorded, and the results joined."""

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if core.lifting is None:
            return f(*args, **kwargs)
        from .lifting import each_sample

        return each_sample(f, args, kwargs)

    return call  # type: ignore[return-value]
