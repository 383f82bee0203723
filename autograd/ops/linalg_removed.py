"""Functions that PyTorch removed: each raises its RuntimeError, naming what replaces it."""

from __future__ import annotations

from typing import Any, NoReturn

from ..op import public
from ..samples import raises, t

__all__ = ["eig", "lstsq", "matrix_rank", "solve", "symeig"]


def _removed(name: str, instead: str) -> NoReturn:
    raise RuntimeError(f"{name}: was removed from PyTorch's API in version 1.9; {instead}")


@public(
    differentiable=False, errors=lambda: [raises(RuntimeError, r"solve: was removed .* linalg\.", t(2, 2), t(2, 2))]
)
def solve(*args: Any, **kwargs: Any) -> NoReturn:
    """Removed: use `linalg.solve(A, B)`, whose arguments are the other way round.

    >>> import retrograd as rg
    >>> rg.linalg.solve(rg.eye(2), rg.ones(2))
    tensor([1., 1.])
    """
    _removed("solve", "use linalg.solve(A, B), whose arguments are reversed; the LU factors come from linalg.lu_factor")


@public(
    differentiable=False, errors=lambda: [raises(RuntimeError, r"lstsq: was removed .* linalg\.", t(2, 2), t(2, 2))]
)
def lstsq(*args: Any, **kwargs: Any) -> NoReturn:
    """Removed: use `linalg.lstsq(A, B)`, whose arguments are the other way round.

    >>> import retrograd as rg
    >>> rg.linalg.lstsq(rg.eye(2), rg.ones(2, 1)).solution.shape
    retrograd.Size([2, 1])
    """
    _removed("lstsq", "use linalg.lstsq(A, B), whose arguments are reversed")


@public(differentiable=False, errors=lambda: [raises(RuntimeError, r"eig: was removed .* linalg\.", t(2, 2))])
def eig(*args: Any, **kwargs: Any) -> NoReturn:
    """Removed: use `linalg.eig` or `linalg.eigvals`, which return complex tensors.

    >>> import retrograd as rg
    >>> rg.linalg.eigvals(rg.eye(1))
    tensor([1.+0.j])
    """
    _removed("eig", "use linalg.eig, or linalg.eigvals for the eigenvalues alone; both return complex tensors")


@public(differentiable=False, errors=lambda: [raises(RuntimeError, r"symeig: was removed .* linalg\.", t(2, 2))])
def symeig(*args: Any, **kwargs: Any) -> NoReturn:
    """Removed: use `linalg.eigh` or `linalg.eigvalsh`, which read the lower triangle by default.

    >>> import retrograd as rg
    >>> rg.linalg.eigvalsh(rg.eye(2))
    tensor([1., 1.])
    """
    _removed(
        "symeig",
        "use linalg.eigh(A, UPLO='U' if upper else 'L'), or linalg.eigvalsh for the eigenvalues alone; the default "
        "triangle is now the lower one",
    )


@public(
    differentiable=False,
    method=False,
    errors=lambda: [raises(RuntimeError, r"matrix_rank: was removed .* linalg\.", t(2, 2))],
)
def matrix_rank(*args: Any, **kwargs: Any) -> NoReturn:
    """Removed: use `linalg.matrix_rank`, where `symmetric` is called `hermitian`.

    >>> import retrograd as rg
    >>> rg.linalg.matrix_rank(rg.eye(2))
    tensor(2)
    """
    _removed("matrix_rank", "use linalg.matrix_rank, where `symmetric` is called `hermitian`")
