"""Layouts: how a tensor keeps its elements. Every layout is one object, as in PyTorch."""

from __future__ import annotations

__all__ = ["layout", "sparse_bsc", "sparse_bsr", "sparse_coo", "sparse_csc", "sparse_csr", "strided"]


class layout:
    """The type of `rg.strided`, `rg.sparse_coo` and the like: compare them with `is` or `==`.

    >>> import retrograd as rg
    >>> rg.ones(2).layout, rg.ones(2).to_sparse().layout
    (retrograd.strided, retrograd.sparse_coo)
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"retrograd.{self.name}"

    def __reduce__(self) -> str:
        return self.name


strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")
sparse_csc = layout("sparse_csc")
sparse_bsr = layout("sparse_bsr")
sparse_bsc = layout("sparse_bsc")
