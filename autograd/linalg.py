"""Linear algebra, as `torch.linalg`: decompositions, solvers, inverses, determinants, norms.

Matrices stand in the last two dimensions, all dimensions before them are batches.

>>> import retrograd as rg
>>> rg.linalg.solve(rg.tensor([[2.0, 0.0], [0.0, 4.0]]), rg.tensor([2.0, 2.0]))
tensor([1.0000, 0.5000])
"""

from __future__ import annotations

from .ops.linalg_cholesky import cholesky, cholesky_ex
from .ops.linalg_core import LinAlgError
from .ops.linalg_det import det, slogdet
from .ops.linalg_eig import eig, eigh, eigvals, eigvalsh
from .ops.linalg_ldl import ldl_factor, ldl_factor_ex, ldl_solve
from .ops.linalg_lstsq import lstsq
from .ops.linalg_lu import lu, lu_factor, lu_factor_ex, lu_solve
from .ops.linalg_norms import cond, matrix_norm, norm, vector_norm
from .ops.linalg_products import cross, diagonal, matmul, matrix_exp, matrix_power, multi_dot, vander, vecdot
from .ops.linalg_qr import householder_product, qr
from .ops.linalg_solve import inv, inv_ex, solve, solve_ex, tensorinv, tensorsolve
from .ops.linalg_svd import matrix_rank, pinv, svd, svdvals
from .ops.linalg_triangular import solve_triangular

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh",
    "householder_product", "inv", "inv_ex", "ldl_factor", "ldl_factor_ex", "ldl_solve", "lstsq", "lu", "lu_factor",
    "lu_factor_ex", "lu_solve", "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm",
    "pinv", "qr", "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve",
    "vander", "vecdot", "vector_norm",
]  # fmt: skip

_LinAlgError = LinAlgError  # what scripts import from `torch._C`
