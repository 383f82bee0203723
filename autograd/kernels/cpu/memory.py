"""Memory that steps reuse: with kernels in use, freed pages stay with the process instead of going back each time.

A fresh page costs about 1.5 us to fault in and zero, so an array of 1 MB takes longer to allocate than to fill. glibc
gives large blocks back at once by default; `keep_pages` raises its two thresholds, so that blocks of up to 32 MiB come
from the heap and are found there again by the next step. It is the allocator of NumPy (and of everything else in the
process): no array is ever shared or reused while anything refers to it.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

__all__ = ["empty_cache", "keep_pages", "stats"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_LARGEST = 32 << 20  # the largest threshold that glibc takes
_state = {"kept": False}


def _libc() -> Any:
    """glibc, or None where it is not the C library."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "gnu_get_libc_version") else None


def keep_pages() -> bool:
    """Keep freed blocks of up to 32 MiB in the process; whether that is possible here (glibc)."""
    libc = _libc()
    if libc is not None and not _state["kept"]:
        _state["kept"] = bool(libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST) and libc.mallopt(_M_TRIM_THRESHOLD, 1 << 30))
    return _state["kept"]


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keep",
        )
    ]


def stats() -> dict[str, int]:
    """Bytes of the C heap: "used" by live blocks, "cached" in freed ones, "mapped" in blocks too large to keep.

    Empty where the C library does not tell (glibc before 2.33, other systems).
    """
    libc = _libc()
    if libc is None or not hasattr(libc, "mallinfo2"):
        return {}
    libc.mallinfo2.restype = _Mallinfo2
    info = libc.mallinfo2()
    return {"used": info.uordblks + info.hblkhd, "cached": info.fordblks, "mapped": info.hblkhd}


def empty_cache() -> None:
    """Give the pages of freed blocks back to the system."""
    libc = _libc()
    if libc is not None:
        libc.malloc_trim(0)
