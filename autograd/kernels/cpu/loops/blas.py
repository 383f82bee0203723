"""`gemm` for loops: BLAS on row-major matrices at addresses; and whole products shared among threads."""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding as llvm
from numba import float32, types
from numba.extending import overload

from .. import blas
from .jit import loop, part, prange

__all__ = ["N", "T", "affine", "gemm", "product", "products"]

N, T = 111, 112  # CBLAS: a matrix as it is, or transposed
_ROWS = 101  # row-major

_library = blas.library()
if _library is None:
    raise ImportError("SciPy's own OpenBLAS was not found; the caller has to ask kernels.cpu.blas.available() first")
for _name in ("sgemm", "dgemm"):
    llvm.add_symbol(f"retrograd_{_name}", ctypes.cast(getattr(_library, f"scipy_cblas_{_name}"), ctypes.c_void_p).value)


def _external(name: str, number: Any) -> Any:
    i, p = types.int32, types.uintp
    return types.ExternalFunction(name, types.void(i, i, i, i, i, i, number, p, i, p, i, number, p, i))


_sgemm = _external("retrograd_sgemm", types.float32)
_dgemm = _external("retrograd_dgemm", types.float64)


def gemm(ta: int, tb: int, m: int, n: int, k: int, alpha: Any, a: int, lda: int, b: int, ldb: int, beta: Any, c: int,
         ldc: int) -> None:  # fmt: skip
    """C (m, n) = alpha * op(A) (m, k) @ op(B) (k, n) + beta * C, row-major, for loops only.

    ta, tb: N or T; a, b, c: addresses; lda, ldb, ldc: elements from one row to the next; alpha and beta are of the
    element type, which they choose.
    """
    raise NotImplementedError


@overload(gemm)
def _gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    if alpha == float32:

        def single(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
            _sgemm(_ROWS, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)

        return single

    def double(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
        _dgemm(_ROWS, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)

    return double


@part
def _rows(lo, hi, x, tx, y, ty, out, beta):
    # rows [lo, hi) of the product
    n = out.shape[1]
    m, k = out.shape[0], x.shape[0] if tx else x.shape[1]
    z = out.itemsize
    if hi > lo:
        gemm(
            T if tx else N, T if ty else N, hi - lo, n, k, out.dtype.type(1), x.ctypes.data + lo * (1 if tx else k) * z,
            m if tx else k, y.ctypes.data, k if ty else n, beta, out.ctypes.data + lo * n * z, n,
        )  # fmt: skip


@part
def _columns(lo, hi, x, tx, y, ty, out, beta):
    # columns [lo, hi) of the product
    m, n = out.shape
    k = x.shape[0] if tx else x.shape[1]
    z = out.itemsize
    if hi > lo:
        gemm(
            T if tx else N, T if ty else N, m, hi - lo, k, out.dtype.type(1), x.ctypes.data, m if tx else k,
            y.ctypes.data + lo * (k if ty else 1) * z, k if ty else n, beta, out.ctypes.data + lo * z, n,
        )  # fmt: skip


@part
def _fill(r0, r1, c0, c1, b, out):
    for i in range(r0, r1):
        for j in range(c0, c1):
            out[i, j] = b[j]


@loop
def product(nt, x, tx, y, ty, out):
    """out = op(x) @ op(y) for contiguous matrices, where tx and ty say which are stored transposed.

    The longer side is cut, at multiples of 16, so that each thread packs less of the other operand than of its own.
    """
    m, n = out.shape
    nil = out.dtype.type(0)
    if nt == 1:
        _rows(0, m, x, tx, y, ty, out, nil)
    elif m >= n:
        step = ((m + nt - 1) // nt + 15) // 16 * 16
        for t in prange(nt):
            _rows(min(m, t * step), min(m, (t + 1) * step), x, tx, y, ty, out, nil)
    else:
        step = ((n + nt - 1) // nt + 15) // 16 * 16
        for t in prange(nt):
            _columns(min(n, t * step), min(n, (t + 1) * step), x, tx, y, ty, out, nil)


@loop
def affine(nt, x, w, b, out):
    """out = x @ w.T + b for contiguous x (m, k), w (n, k) and b (n,)."""
    m, n = out.shape
    one = out.dtype.type(1)
    if nt == 1:
        _fill(0, m, 0, n, b, out)
        _rows(0, m, x, False, w, True, out, one)
    elif m >= n:
        step = ((m + nt - 1) // nt + 15) // 16 * 16
        for t in prange(nt):
            lo, hi = min(m, t * step), min(m, (t + 1) * step)
            _fill(lo, hi, 0, n, b, out)
            _rows(lo, hi, x, False, w, True, out, one)
    else:
        step = ((n + nt - 1) // nt + 15) // 16 * 16
        for t in prange(nt):
            lo, hi = min(n, t * step), min(n, (t + 1) * step)
            _fill(0, m, lo, hi, b, out)
            _columns(lo, hi, x, False, w, True, out, one)


@part
def _some(lo, hi, ax, tx, ldx, ay, ty, ldy, out, k):
    # products [lo, hi) of the batch
    m, n = out.shape[1:]
    one, nil = out.dtype.type(1), out.dtype.type(0)
    step = m * n * out.itemsize
    for i in range(lo, hi):
        gemm(T if tx else N, T if ty else N, m, n, k, one, ax[i], ldx, ay[i], ldy, nil, out.ctypes.data + i * step, n)


@part
def _split(lo, hi, ax, tx, ldx, ay, ty, ldy, out, k):
    # rows [lo, hi) of each product of a batch of fewer products than threads
    count, m, n = out.shape
    z = out.itemsize
    for i in range(count):
        if hi > lo:
            gemm(
                T if tx else N, T if ty else N, hi - lo, n, k, out.dtype.type(1), ax[i] + lo * (1 if tx else ldx) * z,
                ldx, ay[i], ldy, out.dtype.type(0), out.ctypes.data + (i * m + lo) * n * z, n,
            )  # fmt: skip


@loop
def products(nt, ax, tx, ldx, ay, ty, ldy, out, k):
    """out[i] = op(x[i]) @ op(y[i]) for matrices at the addresses ax and ay; out (batch, m, n) contiguous."""
    count, m, _ = out.shape
    if nt == 1:
        _some(0, count, ax, tx, ldx, ay, ty, ldy, out, k)
    elif count >= nt:
        for t in prange(nt):
            _some(count * t // nt, count * (t + 1) // nt, ax, tx, ldx, ay, ty, ldy, out, k)
    else:
        for t in prange(nt):
            _split(m * t // nt, m * (t + 1) // nt, ax, tx, ldx, ay, ty, ldy, out, k)
