"""Convolution with kernels of one element, which is a matrix product per image: `loops.blas.gemm` on each thread's share."""

from __future__ import annotations

from .blas import N, T, gemm
from .conv import address
from .jit import loop, part
from .share import each

__all__ = ["mix", "mix_weight"]


@part
def _mix(t, nt, n, transposed, groups, rows, channels, points, src, w, bias, has_bias, dst):
    z = src.itemsize
    one, nil = src.dtype.type(1), src.dtype.type(0)
    x, y, k = address(src), address(dst), address(w)
    for i in range(n * groups * t // nt, n * groups * (t + 1) // nt):
        g = i % groups
        if has_bias:
            at = i * rows * points
            for o in range(rows):
                for _ in range(points):
                    dst[at] = bias[g * rows + o]
                    at += 1
        gemm(
            T if transposed else N, N, rows, points, channels, one, k + g * rows * channels * z,
            rows if transposed else channels, x + i * channels * points * z, points, one if has_bias else nil,
            y + i * rows * points * z, points,
        )  # fmt: skip


@loop
def mix(nt, n, transposed, groups, rows, channels, points, src, w, bias, has_bias, dst):
    """dst (n, groups, rows, points) = w (groups, rows, channels), or (groups, channels, rows) transposed, @ src, + bias."""
    each(_mix, nt, (n, transposed, groups, rows, channels, points, src, w, bias, has_bias, dst))


@part
def _weight(t, nt, n, groups, rows, channels, points, src, grad, parts):
    z = src.itemsize
    one, nil = src.dtype.type(1), src.dtype.type(0)
    x, g, p = address(src), address(grad), address(parts) + t * parts.shape[1] * z
    lo = n * t // nt
    for i in range(lo, n * (t + 1) // nt):
        for q in range(groups):
            gemm(
                N, T, rows, channels, points, one, g + (i * groups + q) * rows * points * z, points,
                x + (i * groups + q) * channels * points * z, points, nil if i == lo else one,
                p + q * rows * channels * z, channels,
            )  # fmt: skip


@loop
def mix_weight(nt, n, groups, rows, channels, points, src, grad, parts):
    """parts (nt, groups * rows * channels): the sums over a thread's images of grad @ src^T; n >= nt."""
    each(_weight, nt, (n, groups, rows, channels, points, src, grad, parts))
