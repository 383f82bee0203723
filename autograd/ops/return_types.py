"""The named tuples that operations with several results return, as in `torch.return_types`.

>>> import retrograd as rg
>>> rg.max(rg.tensor([[1.0, 3.0], [4.0, 2.0]]), dim=1).indices
tensor([1, 0])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "aminmax",
    "cummax",
    "cummin",
    "frexp",
    "histogram",
    "histogramdd",
    "kthvalue",
    "max",
    "median",
    "min",
    "mode",
    "nanmedian",
    "sort",
    "topk",
]


class aminmax(NamedTuple):
    """Smallest and largest elements."""

    min: Tensor
    max: Tensor


class max(NamedTuple):
    """Largest elements along a dimension and where they are."""

    values: Tensor
    indices: Tensor


class min(NamedTuple):
    """Smallest elements along a dimension and where they are."""

    values: Tensor
    indices: Tensor


class median(NamedTuple):
    """Medians along a dimension and where they are."""

    values: Tensor
    indices: Tensor


class nanmedian(NamedTuple):
    """Medians of the numbers that are not NaN along a dimension, and where they are."""

    values: Tensor
    indices: Tensor


class mode(NamedTuple):
    """Most frequent elements along a dimension and where they are."""

    values: Tensor
    indices: Tensor


class kthvalue(NamedTuple):
    """k-th smallest elements along a dimension and where they are."""

    values: Tensor
    indices: Tensor


class sort(NamedTuple):
    """Sorted elements and where they were."""

    values: Tensor
    indices: Tensor


class topk(NamedTuple):
    """The k extreme elements and where they are."""

    values: Tensor
    indices: Tensor


class cummax(NamedTuple):
    """Running maxima and where they are."""

    values: Tensor
    indices: Tensor


class cummin(NamedTuple):
    """Running minima and where they are."""

    values: Tensor
    indices: Tensor


class histogram(NamedTuple):
    """Counts (or sums of weights, or densities) and the edges between which they are."""

    hist: Tensor
    bin_edges: Tensor


class histogramdd(NamedTuple):
    """Counts (or sums of weights, or densities) and the edges of every dimension."""

    hist: Tensor
    bin_edges: tuple[Tensor, ...]


class frexp(NamedTuple):
    """Mantissas and the exponents of 2."""

    mantissa: Tensor
    exponent: Tensor
