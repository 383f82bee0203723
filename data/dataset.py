"""Datasets: what can be indexed or iterated for samples, and what is made of other datasets."""

from __future__ import annotations

import itertools
import math
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from ..autograd import Tensor, draws
from ..autograd.backend import xp_of
from ..autograd.core import wrap
from ..autograd.errors import ShapeError
from ..autograd.ops.create import as_tensor
from ..autograd.random import Generator, as_generator

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "gather",
    "random_split",
]

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Dataset(Generic[T_co]):
    """Base class of datasets that are indexed: a subclass implements `__getitem__(index)` and usually `__len__()`.

    Two optional methods make batches fast:
    - `__getitems__(indices)` returns the list of samples of a list of indices, in one go (PyTorch's protocol);
    - `__getbatch__(index)` returns the collated batch of a slice or an int64 array at once, or NotImplemented. It is
      used when the DataLoader collates by default, and never where a subclass overrides `__getitem__` alone.

    >>> import retrograd as rg
    >>> class Squares(rg.utils.data.Dataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, i):
    ...         return i, float(i * i)
    >>> [y.tolist() for x, y in rg.utils.data.DataLoader(Squares(), batch_size=2)]
    [[0.0, 1.0], [4.0, 9.0]]
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must implement __getitem__(index)")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Base class of datasets that are streams: a subclass implements `__iter__()`.

    With several workers, every worker iterates: use `get_worker_info()` in `__iter__` to give each its share.

    >>> import retrograd as rg
    >>> class Count(rg.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(5))
    >>> [b.tolist() for b in rg.utils.data.DataLoader(Count(), batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must implement __iter__()")

    def __add__(self, other: Dataset[T_co]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples are rows of tensors of equal length: sample i is `tuple(t[i] for t in tensors)`.

    NumPy arrays are accepted as well and share their memory. A DataLoader gathers each batch at once; without shuffling
    its batches are views of the tensors, so clone a batch before writing into it.

    Raises ShapeError (a ValueError) when the lengths differ.

    >>> import retrograd as rg
    >>> data = rg.utils.data.TensorDataset(rg.arange(6).view(3, 2), rg.tensor([0, 1, 0]))
    >>> x, y = data[1]
    >>> x.tolist(), y.item(), len(data)
    ([2, 3], 1, 3)
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tuple(as_tensor(t) for t in tensors)
        if not self.tensors or any(t.ndim == 0 for t in self.tensors):
            raise ValueError("TensorDataset: expected one or more tensors with at least one dimension each")
        lengths = [t.shape[0] for t in self.tensors]
        if len(set(lengths)) > 1:
            raise ShapeError(
                f"TensorDataset: size mismatch between tensors: their first dimensions are {lengths}, but every "
                "tensor needs one row for each sample"
            )

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, ...]]:
        rows = [rows_of(t, np.asarray(indices, np.int64)) for t in self.tensors]
        return list(zip(*rows, strict=True))

    def __getbatch__(self, index: slice | np.ndarray) -> list[Tensor]:
        return [rows_of(t, index) for t in self.tensors]

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class Subset(Dataset[T_co]):
    """The samples of a dataset at the given indices, in that order.

    >>> import retrograd as rg
    >>> list(rg.utils.data.Subset(range(10, 20), [3, 1]))
    [13, 11]
    """

    dataset: Any
    indices: Sequence[int]

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        self._order: tuple[Any, np.ndarray] | None = None

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[T_co]:
        chosen = [self.indices[i] for i in indices]
        if callable(getattr(self.dataset, "__getitems__", None)):
            return self.dataset.__getitems__(chosen)
        return [self.dataset[i] for i in chosen]

    def __getbatch__(self, index: slice | np.ndarray) -> Any:
        batch = gather(self.dataset)
        if batch is None:
            return NotImplemented
        if self._order is None or self._order[0] is not self.indices:
            self._order = self.indices, np.asarray(self.indices, np.int64)
        return batch(self._order[1][index])

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T_co]):
    """Several indexed datasets one after the other.

    >>> import retrograd as rg
    >>> both = rg.utils.data.ConcatDataset([range(3), range(10, 12)])
    >>> len(both), both[3], both[-1]
    (5, 10, 11)
    """

    datasets: list[Any]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise ValueError(
                "ConcatDataset: a stream (IterableDataset) cannot be indexed; use ChainDataset for streams"
            )
        self.cumulative_sizes = self.cumsum(self.datasets)

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """The running total of the lengths."""
        return list(itertools.accumulate(len(d) for d in sequence))

    def _find(self, index: int) -> tuple[int, int]:
        """(which dataset, index in it)"""
        total = len(self)
        if not -total <= index < total:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {total} samples")
        index = index % total
        which = bisect_right(self.cumulative_sizes, index)
        return which, index - (self.cumulative_sizes[which - 1] if which else 0)

    def __getitem__(self, index: int) -> T_co:
        which, inner = self._find(index)
        return self.datasets[which][inner]

    def __getitems__(self, indices: Sequence[int]) -> list[T_co]:
        wanted: dict[int, list[tuple[int, int]]] = {}
        for position, index in enumerate(indices):
            which, inner = self._find(index)
            wanted.setdefault(which, []).append((position, inner))
        out: list[Any] = [None] * len(indices)
        for which, pairs in wanted.items():
            dataset = self.datasets[which]
            inner = [i for _, i in pairs]
            many: Any = getattr(dataset, "__getitems__", None)
            found = many(inner) if many is not None else [dataset[i] for i in inner]
            for (position, _), sample in zip(pairs, found, strict=True):
                out[position] = sample
        return out

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[Any]):
    """Several streams one after the other.

    >>> import retrograd as rg
    >>> class Count(rg.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         return iter(range(2))
    >>> list(rg.utils.data.ChainDataset([Count(), Count()]))
    [0, 1, 0, 1]
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError(f"ChainDataset: expected IterableDataset, got {type(dataset).__name__}")
            yield from dataset

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)  # type: ignore[arg-type]


class StackDataset(Dataset[Any]):
    """Several indexed datasets of equal length side by side: samples are tuples, or dictionaries if given by name.

    >>> import retrograd as rg
    >>> rg.utils.data.StackDataset(image=range(3), label=range(10, 13))[1]
    {'image': 1, 'label': 11}
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError(
                "StackDataset: give datasets either in order (samples are tuples) or by name (dictionaries)"
            )
        self.datasets = args or kwargs
        lengths = [len(d) for d in self._parts()]
        if len(set(lengths)) > 1:
            raise ValueError(f"StackDataset: size mismatch between datasets: their lengths are {lengths}")
        self._length = lengths[0]

    def _parts(self) -> list[Any]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def _join(self, values: Sequence[Any]) -> Any:
        return dict(zip(self.datasets, values, strict=True)) if isinstance(self.datasets, dict) else tuple(values)

    def __getitem__(self, index: Any) -> Any:
        return self._join([d[index] for d in self._parts()])

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        columns = []
        for dataset in self._parts():
            many: Any = getattr(dataset, "__getitems__", None)
            column = many(indices) if many is not None else [dataset[i] for i in indices]
            if len(column) != len(indices):
                raise ValueError(
                    f"StackDataset: __getitems__ of {type(dataset).__name__} returned {len(column)} samples for "
                    f"{len(indices)} indices"
                )
            columns.append(column)
        return [self._join(row) for row in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None) -> list[Subset[Any]]:
    """Split a dataset at random into parts that do not overlap, of the given lengths or fractions that add up to 1.

    Of fractions, each part gets floor(fraction * len(dataset)) samples, and what is left over goes to the parts in
    turn, one each. generator: makes the split repeatable; None is the global one.

    Raises ValueError when the lengths do not add up to the length of the dataset, or a fraction is not in [0, 1].

    >>> import retrograd as rg
    >>> train, test = rg.utils.data.random_split(range(10), [0.75, 0.25], rg.Generator().manual_seed(0))
    >>> len(train), len(test), sorted([*train, *test]) == list(range(10))
    (8, 2, True)
    """
    size = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        for i, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1")
        counts = [math.floor(size * fraction) for fraction in lengths]
        for i in range(size - sum(counts)):
            counts[i % len(counts)] += 1
        for i, count in enumerate(counts):
            if count == 0:
                warnings.warn(
                    f"Length of split at index {i} is 0. This might result in an empty dataset.", stacklevel=2
                )
        lengths = counts
    if sum(lengths) != size:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"(random_split: lengths {list(lengths)} add up to {sum(lengths)}, the dataset has {size} samples)"
        )
    order = draws.permutation(as_generator(generator, "random_split"), size, np).tolist()
    ends = itertools.accumulate(int(n) for n in lengths)
    return [Subset(dataset, order[end - int(n) : end]) for end, n in zip(ends, lengths, strict=True)]


# ---------------------------------------------------------------- batches at once
def rows_of(t: Tensor, index: slice | np.ndarray) -> Tensor:
    """Rows of a tensor: a view for a slice, one gather for an array of positions; the graph is kept if there is one."""
    if t.requires_grad:
        return t[index]
    a = t._data
    if isinstance(index, slice):
        return wrap(a[index])
    xp = xp_of(a)
    return wrap(xp.take(a, xp.asarray(index), axis=0))


def gather(dataset: Any) -> Callable[[slice | np.ndarray], Any] | None:
    """What fetches a whole batch of the dataset by slice or by array of indices, or None where samples go one by one.

    `__getbatch__` may stand for `__getitem__` only if no subclass has overridden `__getitem__` alone since.
    """
    kind = type(dataset)
    if isinstance(dataset, Tensor):
        return lambda index: rows_of(dataset, index)
    if kind is np.ndarray:
        return lambda index: rows_of(as_tensor(dataset), index) if dataset.dtype.kind in "biufc" else NotImplemented
    for cls in kind.__mro__:
        if "__getbatch__" in cls.__dict__:
            return dataset.__getbatch__
        if "__getitem__" in cls.__dict__ or "__getitems__" in cls.__dict__:
            return None
    return None
