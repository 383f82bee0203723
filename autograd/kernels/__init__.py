"""Compiled kernels, by device: `kernels.cpu` (Numba). An operation asks `backend.kernel(xp, name)` for one."""

from __future__ import annotations


def set_num_threads(n: int) -> None:
    """Let compiled kernels use at most n threads."""
    import os

    import numba

    limit = int(os.environ.get("NUMBA_NUM_THREADS", os.cpu_count() or 1))  # what Numba started with
    numba.set_num_threads(min(n, limit))
