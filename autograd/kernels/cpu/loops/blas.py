"""`gemm` for loops: BLAS on row-major matrices at addresses; and whole products shared among threads."""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding as llvm
from numba import float32, types
from numba.extending import overload

from .. import blas
from .jit import loop, part
from .share import divide, each
from .views import view

__all__ = ["N", "T", "gemm", "product", "products"]

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
def _product(t, nt, x, tx, y, ty, b, out):
    # The longer side is cut, at multiples of 16, so that each thread packs less of the other operand than of its own.
    m, n = out.shape
    k = x.shape[0] if tx else x.shape[1]
    z, one = out.itemsize, out.dtype.type(1)
    top, bottom, left, right = 0, m, 0, n
    if m >= n:
        step = ((m + nt - 1) // nt + 15) // 16 * 16
        top, bottom = min(m, t * step), min(m, (t + 1) * step)
    else:
        step = ((n + nt - 1) // nt + 15) // 16 * 16
        left, right = min(n, t * step), min(n, (t + 1) * step)
    if bottom <= top or right <= left:
        return
    if b.size:
        source = view(b.ctypes.data + left * z, right - left, one)
        for i in range(top, bottom):
            row = view(out.ctypes.data + (i * n + left) * z, right - left, one)
            for j in range(right - left):
                row[j] = source[j]
    gemm(
        T if tx else N, T if ty else N, bottom - top, right - left, k, one,
        x.ctypes.data + top * (1 if tx else k) * z, m if tx else k,
        y.ctypes.data + left * (k if ty else 1) * z, k if ty else n,
        one if b.size else out.dtype.type(0), out.ctypes.data + (top * n + left) * z, n,
    )  # fmt: skip


@loop
def product(nt, x, tx, y, ty, b, out):
    """out = op(x) @ op(y) + b for contiguous matrices, where tx and ty say which are stored transposed.

    b: (n,), or of size 0 for none.
    """
    each(_product, nt, (x, tx, y, ty, b, out))


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
    if count >= nt:
        divide(_some, nt, count, (ax, tx, ldx, ay, ty, ldy, out, k))
    else:
        divide(_split, nt, m, (ax, tx, ldx, ay, ty, ldy, out, k))
