"""Compiled kernels, by device: `kernels.cpu` (Numba). An operation asks `backend.kernel(xp, name)` for one."""
