"""DataLoader: batches of a dataset, in order or shuffled, fetched at once where the data lie in memory, resumable."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.context import BaseContext
from typing import Any, Generic, TypeVar

import numpy as np

from ..autograd import Tensor
from ..autograd.philox import fold
from ..autograd.random import Generator, initial_seed
from .collate import collate_tensor_fn, default_collate, default_collate_fn_map, default_convert
from .dataset import IterableDataset, gather
from .sampler import (
    BatchSampler,
    RandomOrder,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from .workers import Workers

__all__ = ["DataLoader"]

T_co = TypeVar("T_co", covariant=True)
_FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}
_OURS = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)


class DataLoader(Generic[T_co]):
    """Iterates over the batches of a dataset; every `for` begins a new epoch.

    dataset: anything with `__getitem__` and `__len__`, an IterableDataset, a tensor or a NumPy array.
    batch_size: samples in a batch; None passes samples on one by one, converted to tensors.
    shuffle: a new random order in every epoch. sampler: indices to visit instead. batch_sampler: lists of indices.
    num_workers: 0 fetches in the loop itself, more fetches ahead in as many threads; the batches are the same.
    collate_fn: makes a batch out of a list of samples; `default_collate` unless given.
    drop_last: leave out a last batch that is too short.
    timeout: seconds to wait for a batch from the workers, 0 for ever. worker_init_fn: called with each worker's number.
    generator: where shuffling takes its randomness from; None takes a seed from the global generator.
    prefetch_factor: batches fetched ahead by each worker (2). persistent_workers: keep the threads between epochs.
    in_order: False hands batches over as they are finished.
    pin_memory, pin_memory_device, multiprocessing_context: accepted for PyTorch's sake; they change nothing, since
    workers are threads.

    Over tensors and arrays (a TensorDataset, a Subset of one) a batch is one gather. Without shuffling it is a view of
    the data, so clone it before writing into it.

    `state_dict()` says where the loop is (epoch, position in it, and what its order came from), and after
    `load_state_dict` the next `for` goes on with the batch that was next.

    Raises ValueError for options that exclude each other.

    >>> import retrograd as rg
    >>> from retrograd.utils.data import DataLoader, TensorDataset
    >>> loader = DataLoader(TensorDataset(rg.arange(5), rg.arange(5) * 2), batch_size=2)
    >>> [(x.tolist(), y.tolist()) for x, y in loader]
    [([0, 1], [0, 2]), ([2, 3], [4, 6]), ([4], [8])]
    >>> len(loader)
    3
    """

    _ready = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: str | BaseContext | None = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(
                "num_workers option should be non-negative; use num_workers=0 to fetch batches in the loop itself."
            )
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified with workers. "
                "let num_workers > 0 to enable them, otherwise set prefetch_factor to None."
            )
        if prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        _check_context(multiprocessing_context, num_workers)
        self._stream = isinstance(dataset, IterableDataset)
        if self._stream:
            for option, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {option} option, but got "
                        f"{option}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")

        if sampler is None:
            if self._stream:
                sampler = _Forever()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)

        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.persistent_workers = persistent_workers
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)
        self._workers: Workers | None = None
        self._epoch = 0
        self._position = 0  # batches of this epoch that the loop has received
        self._open = False  # inside an epoch
        self._order: dict[str, Any] | None = None  # what the order of this epoch comes from
        self._ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._ready and name in _FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        if self._stream:
            count = len(self.dataset)
            if self.batch_size is None:
                return count
            return count // self.batch_size if self.drop_last else -(-count // self.batch_size)
        return len(self._index_sampler)

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    # ------------------------------------------------------------ one epoch
    def __iter__(self) -> Iterator[T_co]:
        if self._open:  # the last epoch was left before its end
            self._epoch += 1
            self._position = 0
        self._open = True
        skip = self._position  # not 0 where a state was restored
        sampler = self._stateful()
        if sampler is not None:
            self._order = sampler.prepare() if isinstance(sampler, RandomOrder) else sampler.state_dict()
        tasks, fetch = self._plan()
        if self._stream:
            batches = self._stream_batches(tasks)
            _drop(batches, skip)  # a stream can only be read up to the place
        else:
            _drop(tasks, skip)
            batches = self._parallel(tasks, lambda: fetch) if self.num_workers else map(fetch, tasks)
        return self._counted(batches)

    def _counted(self, batches: Iterator[Any]) -> Iterator[T_co]:
        """Pass batches on and keep account of where the epoch is, as long as no later one has begun."""
        epoch = self._epoch
        for batch in batches:
            if self._epoch == epoch:
                self._position += 1
            yield batch
        if self._epoch == epoch and self._open:
            self._epoch += 1
            self._position = 0
            self._open = False

    def _plan(self) -> tuple[Iterator[Any], Callable[[Any], Any]]:
        """(what to fetch, batch by batch; the function that fetches it)"""
        if self.batch_sampler is None:
            return iter(self.sampler), self._one
        fetch = self._many
        if self.collate_fn is default_collate and default_collate_fn_map.get(Tensor) is collate_tensor_fn:
            whole = None if self._stream else gather(self.dataset)
            fetch = fetch if whole is None else self._whole(whole)
        if type(self.batch_sampler) is BatchSampler:
            size, drop, inner = self.batch_sampler.batch_size, self.batch_sampler.drop_last, self.batch_sampler.sampler
            if type(inner) is SequentialSampler:
                return _slices(len(inner), size, drop), fetch
            if isinstance(inner, RandomOrder) and type(inner) in _OURS:
                return _pieces(inner.order(), size, drop), fetch
        return iter(self.batch_sampler), fetch

    def _whole(self, whole: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A fetch of whole batches, which falls back to sample by sample where the dataset declines."""

        def fetch(index: Any) -> Any:
            batch = whole(index if isinstance(index, slice) else np.asarray(index, np.int64))
            return self._many(index) if batch is NotImplemented else batch

        return fetch

    def _many(self, indices: Any) -> Any:
        """The batch of a list (slice, array) of indices, sample by sample or by the dataset's `__getitems__`."""
        if isinstance(indices, slice):
            indices = list(range(indices.start, indices.stop))
        elif isinstance(indices, np.ndarray):
            indices = indices.tolist()
        dataset = self.dataset
        many = getattr(dataset, "__getitems__", None)
        if callable(many):
            try:
                samples = many(indices)
            except Exception as error:
                error.add_note(f"raised by {type(dataset).__name__}.__getitems__ for indices {_short(indices)}")
                raise
        else:
            samples = []
            for index in indices:
                try:
                    samples.append(dataset[index])
                except Exception as error:
                    error.add_note(f"raised while fetching sample {index!r} of {type(dataset).__name__}")
                    raise
        return self._collate(samples, f"the samples {_short(indices)}")

    def _one(self, index: Any) -> Any:
        """One sample, without batching."""
        try:
            sample = self.dataset[index]
        except Exception as error:
            error.add_note(f"raised while fetching sample {_short(index)} of {type(self.dataset).__name__}")
            raise
        return self._collate(sample, f"sample {_short(index)}")

    def _collate(self, samples: Any, what: str) -> Any:
        try:
            return self.collate_fn(samples)
        except Exception as error:
            error.add_note(f"raised while collating {what} of {type(self.dataset).__name__}")
            raise

    # ------------------------------------------------------------ streams and workers
    def _stream_batches(self, tasks: Iterator[Any]) -> Iterator[Any]:
        if self.num_workers:
            return self._parallel(tasks, lambda: _StreamFetch(self))
        return _until_end(_StreamFetch(self), tasks)

    def _parallel(self, tasks: Iterator[Any], make_fetch: Callable[[], Callable[[Any], Any]]) -> Iterator[Any]:
        workers = self._workers
        if workers is None:
            # The workers' seed must not draw from the global generator: their number would change all that follows.
            seed = self._order["seed"] if self._order and "seed" in self._order else initial_seed()
            seed = fold(seed, self._epoch) >> 2
            workers = Workers(self.dataset, self.num_workers, seed, self.worker_init_fn)
            if self.persistent_workers:
                self._workers = workers
        try:
            yield from workers.run(tasks, make_fetch, self.prefetch_factor or 1, self.timeout, self.in_order)
        finally:
            if workers is not self._workers:
                workers.close()

    def __del__(self) -> None:
        workers = self.__dict__.get("_workers")
        if workers is not None:
            workers.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_workers": None}

    # ------------------------------------------------------------ resuming
    def _stateful(self) -> Any:
        """The sampler that the order comes from, if its state can be kept."""
        for sampler in (self.batch_sampler, getattr(self.batch_sampler, "sampler", None), self.sampler):
            if hasattr(sampler, "state_dict") and hasattr(sampler, "load_state_dict"):
                return sampler
        return None

    def state_dict(self) -> dict[str, Any]:
        """Where the loop is: `epoch`, `position` (batches received in it) and `sampler`, what its order comes from.

        For a shuffling loader the latter is a seed and a number, or the state of the `generator` it was given: a few
        numbers however large the data are, and all that later epochs depend on. `retrograd.save` can store them.

        >>> import retrograd as rg
        >>> from retrograd.utils.data import DataLoader, TensorDataset
        >>> loader = DataLoader(TensorDataset(rg.arange(6)), batch_size=2, shuffle=True)
        >>> batches = iter(loader)
        >>> _ = next(batches)
        >>> state, rest = loader.state_dict(), [b[0].tolist() for b in batches]
        >>> again = DataLoader(TensorDataset(rg.arange(6)), batch_size=2, shuffle=True)
        >>> again.load_state_dict(state)
        >>> [b[0].tolist() for b in again] == rest
        True
        """
        sampler = self._stateful()
        if self._open or sampler is None:
            order = self._order
        else:
            order = sampler.state_dict()
        return {"epoch": self._epoch, "position": self._position, "sampler": order or None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next `for` go on where `state_dict` was taken; the data and the options must be the same.

        Raises ValueError when the state holds a random order and this loader has none, or one of another kind.
        """
        order = state_dict["sampler"]
        sampler = self._stateful()
        if order and sampler is None:
            raise ValueError(
                "DataLoader.load_state_dict: the state holds a random order, but this loader's sampler has none; make "
                "the loader with the options (shuffle, sampler, generator) that it was saved with"
            )
        if sampler is not None:
            sampler.load_state_dict(order or {})
        self._epoch = int(state_dict["epoch"])
        self._position = int(state_dict["position"])
        self._open = False
        self._order = order


class _Forever:
    """The sampler of a stream, which decides itself what comes next."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class _StreamFetch:
    """Fetches the batches of one iteration over an IterableDataset."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.loader = loader
        self.samples = iter(loader.dataset)

    def __call__(self, task: Any) -> Any:
        loader = self.loader
        if loader.batch_sampler is None:
            return loader._collate(next(self.samples), "a sample")
        samples = []
        for _ in task:
            try:
                samples.append(next(self.samples))
            except StopIteration:
                break
        if not samples or (loader.drop_last and len(samples) < len(task)):
            raise StopIteration
        return loader._collate(samples, "a batch")


def _until_end(fetch: Callable[[Any], Any], tasks: Iterator[Any]) -> Iterator[Any]:
    for task in tasks:
        try:
            batch = fetch(task)
        except StopIteration:
            return
        yield batch


def _drop(iterator: Iterator[Any], count: int) -> None:
    for _ in range(count):
        if next(iterator, _drop) is _drop:
            return


def _slices(total: int, n: int, drop: bool) -> Iterator[slice]:
    for begin in range(0, total - n + 1 if drop else total, n):
        yield slice(begin, min(begin + n, total))


def _pieces(order: np.ndarray, n: int, drop: bool) -> Iterator[np.ndarray]:
    for piece in _slices(len(order), n, drop):
        yield order[piece]


def _short(indices: Any) -> str:
    text = repr(indices)
    return text if len(text) <= 80 else text[:77] + "..."


def _check_context(context: Any, num_workers: int) -> None:
    if context is None:
        return
    if num_workers == 0:
        raise ValueError(f"multiprocessing_context can only be used with num_workers > 0, but got {num_workers=}")
    if isinstance(context, str):
        known = multiprocessing.get_all_start_methods()
        if context not in known:
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in {known!r}, but got {context!r}"
            )
    elif not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying the start method, "
            f"but got {context!r}"
        )
