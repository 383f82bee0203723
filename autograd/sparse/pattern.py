"""Where the elements of a sparse matrix stand, and the three products that know it.

A product takes values as an ordinary operand and places as a parameter, so values are differentiated like any other
tensor. The three are closed under differentiation:

- `sparse_mm_p`: A @ D, a sparse matrix times a dense one; the gradient of A's values is `sampled_mm_p`, that of D is
  another `sparse_mm_p`.
- `sampled_mm_p`: the elements of G @ D.T at A's places only; its gradients are two `sparse_mm_p`.
- `sparse_sparse_p`: the elements of A @ B at the places of C; its gradients are two of the same kind.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import by_xp, xp_of
from ..op import nary

__all__ = ["Pattern", "product_places", "sampled_mm_p", "sparse_mm_p", "sparse_sparse_p"]

_ROWS_AT_ONCE = 1 << 22  # elements of the gathered rows that `sampled_mm_p` holds at a time


class _Places:
    """Row and column of each element in the order of the values, and (made when needed) their order by rows."""

    __slots__ = ("cols", "compressed", "rows", "shape")

    def __init__(self, rows: Any, cols: Any, shape: tuple[int, int]) -> None:
        self.rows, self.cols, self.shape = rows, cols, shape
        self.compressed: Any = None

    def order(self) -> tuple[Any, Any, Any]:
        """(order of the elements by rows or None if they stand so, columns in that order, start of each row)."""
        if self.compressed is None:
            xp = xp_of(self.rows)
            rows, cols, order = self.rows, self.cols, None
            if rows.size > 1 and bool((rows[1:] < rows[:-1]).any()):
                order = xp.argsort(rows, kind="stable") if xp is np else xp.argsort(rows)
                cols = cols[order]
            start = xp.zeros(self.shape[0] + 1, np.int64)
            start[1:] = xp.cumsum(xp.bincount(rows, minlength=self.shape[0])[: self.shape[0]])
            if max(*self.shape, rows.size) < 2**31:  # what both libraries would convert to at each product
                cols, start = cols.astype(np.int32), start.astype(np.int32)
            self.compressed = order, cols, start
        return self.compressed


class Pattern:
    """The places of the elements of a matrix of a given shape; `T` is the same of the transposed matrix."""

    __slots__ = ("places", "transposed")

    def __init__(self, places: _Places, transposed: bool = False) -> None:
        self.places, self.transposed = places, transposed

    @classmethod
    def of(cls, rows: Any, cols: Any, shape: tuple[int, int]) -> Pattern:
        """The pattern of raw int64 vectors of rows and columns."""
        return cls(_Places(rows, cols, shape))

    @property
    def T(self) -> Pattern:
        """The transposed pattern, over the same vectors."""
        return Pattern(self.places, not self.transposed)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        n, m = self.places.shape
        return (m, n) if self.transposed else (n, m)

    @property
    def rows(self) -> Any:
        """The row of each element."""
        return self.places.cols if self.transposed else self.places.rows

    @property
    def cols(self) -> Any:
        """The column of each element."""
        return self.places.rows if self.transposed else self.places.cols

    def keys(self) -> Any:
        """The number of each place, counted along the rows."""
        return self.rows * self.shape[1] + self.cols

    def matrix(self, values: Any) -> Any:
        """SciPy's (CuPy's) matrix with these values, which are not copied if they stand in the order of rows."""
        order, cols, start = self.places.order()
        lib = by_xp(xp_of(values)).sparse()
        m = lib.csr_matrix((values if order is None else values[order], cols, start), shape=self.places.shape)
        return m.T if self.transposed else m


# ---------------------------------------------------------------- a sparse matrix times a dense one
def _sparse_mm(xp: Any, xs: Any, pattern: Pattern) -> Any:
    v, d = xs
    if xp is np or v.dtype.kind in "fc":
        return pattern.matrix(v) @ d
    out = xp.zeros((pattern.shape[0], d.shape[1]), v.dtype)  # CuPy's matrices hold floating-point numbers only
    by_xp(xp).scatter_add(out, pattern.rows, v[:, None] * d[pattern.cols])
    return out


sparse_mm_p: Any = nary(
    "sparse_mm",
    _sparse_mm,
    lambda g, xs, o, needs, pattern: (
        sampled_mm_p((g, xs[1]), pattern) if needs[0] else None,
        sparse_mm_p((xs[0], g), pattern.T) if needs[1] else None,
    ),
    saves=("1", "0"),
    dtypes="same",
    jvp="multilinear",
    doc="A @ D for the matrix A of values (nnz,) at the places of a pattern (N, K), and a dense D (K, M).",
)


def _sampled_mm(xp: Any, xs: Any, pattern: Pattern) -> Any:
    g, d = xs
    rows, cols = pattern.rows, pattern.cols
    out = xp.empty(rows.shape, g.dtype)
    step = max(1, _ROWS_AT_ONCE // max(1, g.shape[1]))
    for k in range(0, rows.size, step):
        part = slice(k, k + step)
        out[part] = xp.einsum("ek,ek->e", g[rows[part]], d[cols[part]])
    return out


sampled_mm_p: Any = nary(
    "sampled_mm",
    _sampled_mm,
    lambda g, xs, o, needs, pattern: (
        sparse_mm_p((g, xs[1]), pattern) if needs[0] else None,
        sparse_mm_p((g, xs[0]), pattern.T) if needs[1] else None,
    ),
    saves=("1", "0"),
    dtypes="same",
    jvp="multilinear",
    doc="The elements of G @ D.T, for dense G (N, M) and D (K, M), at the places of a pattern (N, K): (nnz,).",
)


# ---------------------------------------------------------------- a sparse matrix times a sparse one
def product_places(x: Pattern, y: Pattern) -> tuple[Any, Any, Any]:
    """(rows, columns, start of each row) of the product of two patterns: every place that some pair of elements meets."""
    xp = xp_of(x.rows)
    # ones, in a type that never comes back to 0: what is found does not depend on values that cancel
    m = (x.matrix(xp.ones(x.rows.shape, np.float32)) @ y.matrix(xp.ones(y.rows.shape, np.float32))).tocsr()
    m.sort_indices()
    start = m.indptr.astype(np.int64)
    counts = np.diff(start) if xp is np else start[1:] - start[:-1]
    rows = xp.repeat(xp.arange(m.shape[0]), counts if xp is np else counts.tolist())
    return rows.astype(np.int64), m.indices.astype(np.int64), start


def _sparse_sparse(xp: Any, xs: Any, x: Pattern, y: Pattern, out: Pattern) -> Any:
    a, b = xs
    kind = a.dtype
    if xp is not np and kind.kind not in "fc":
        a, b = a.astype(np.float64), b.astype(np.float64)
    m = (x.matrix(a) @ y.matrix(b)).tocsr()
    m.sum_duplicates()
    found = xp.zeros(out.rows.shape, kind)
    if not m.nnz:
        return found
    start = m.indptr
    counts = start[1:] - start[:-1]
    rows = xp.repeat(xp.arange(m.shape[0]), counts if xp is np else counts.tolist())
    have = rows.astype(np.int64) * m.shape[1] + m.indices
    want = out.keys()
    at = xp.minimum(xp.searchsorted(have, want), have.size - 1)
    return xp.where(have[at] == want, m.data[at], found).astype(kind, copy=False)


sparse_sparse_p: Any = nary(
    "sparse_sparse",
    _sparse_sparse,
    lambda g, xs, o, needs, x, y, out: (
        sparse_sparse_p((g, xs[1]), out, y.T, x) if needs[0] else None,
        sparse_sparse_p((xs[0], g), x.T, out, y) if needs[1] else None,
    ),
    saves=("1", "0"),
    dtypes="same",
    jvp="multilinear",
    doc="The elements of A @ B, for values at the places of two patterns, at the places of a third one.",
)
