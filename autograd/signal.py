"""`retrograd.signal`: the window functions, in `windows`."""

from __future__ import annotations

from . import windows

__all__ = ["windows"]
