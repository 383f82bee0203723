"""Samplers: in which order the samples of a dataset are visited, and how they are grouped into batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from ..autograd import Tensor, draws
from ..autograd.dtypes import float64, int64
from ..autograd.ops.create import as_tensor
from ..autograd.ops.sample import multinomial
from ..autograd.random import Generator, default_generator, keyed

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """Base class of samplers: a subclass implements `__iter__`, which yields indices or lists of indices.

    `__len__` is wanted by `len(loader)`. A sampler whose order changes from epoch to epoch lets a DataLoader resume in
    mid-epoch if it has `state_dict()`, which describes the next epoch, and `load_state_dict(state)`.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must implement __iter__()")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ...: always in order.

    >>> import retrograd as rg
    >>> list(rg.utils.data.SequentialSampler("abc"))
    [0, 1, 2]
    """

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomOrder(Sampler[int]):
    """What the random samplers share: where the randomness of an epoch comes from, and how it is restored.

    With a generator, each epoch draws from it. Without one, a seed is drawn from the global generator at the first
    epoch, and epoch k is a function of (seed, k): later epochs depend on nothing else that is drawn in between. After
    `retrograd.manual_seed` the next epoch draws a seed anew, so the same program gives the same order.
    """

    generator: Generator | None

    def __init__(self, generator: Generator | None) -> None:
        self.generator = generator
        self._next: dict[str, Any] | None = None  # what the next epoch is, once that is settled
        self._last: dict[str, Any] | None = None  # what the epoch that began last is
        self._restored = False  # whether that came from load_state_dict
        self._seen = (0, 0)  # where the global generator was then

    def prepare(self) -> dict[str, Any]:
        """Settle what the next epoch will be, and return it as a state."""
        if self._next is None:
            if self.generator is not None:
                self._next = {"generator": self.generator.get_state()}
            elif self._last is None or "seed" not in self._last or _restarted(self._seen):
                self._next = {"seed": draw_seed(), "epoch": 0}
            else:
                self._next = self._after(self._last)
        self._seen = _place()
        return self._next

    @staticmethod
    def _after(state: dict[str, Any]) -> dict[str, Any]:
        return {"seed": state["seed"], "epoch": state["epoch"] + 1}

    def _begin(self) -> Generator:
        """The generator of an epoch that begins."""
        state = self.prepare()
        restored, self._restored = self._restored, False
        self._next, self._last = None, state
        if self.generator is None:
            return keyed(state["seed"], state["epoch"])
        if restored:
            self.generator.set_state(state["generator"])
        return self.generator

    def order(self) -> np.ndarray:
        """Begin an epoch: its indices as an int64 array."""
        raise NotImplementedError(f"{type(self).__name__} must implement order()")

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())

    def state_dict(self) -> dict[str, Any]:
        """What the next epoch will be, as far as it is settled: a seed and a number, or the generator's state."""
        if self._next is not None:
            return dict(self._next)
        if self.generator is not None:
            return {"generator": self.generator.get_state()}
        return {} if self._last is None else self._after(self._last)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Make the next epoch the one that `state_dict` describes."""
        expected = "seed" if self.generator is None else "generator"
        if state_dict and expected not in state_dict:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: the state has {sorted(state_dict)} but needs {expected!r}; it "
                f"was saved by a sampler {'with' if self.generator is None else 'without'} a generator of its own"
            )
        self._next = dict(state_dict) or None
        self._restored = bool(state_dict)


class RandomSampler(RandomOrder):
    """All samples in random order; or num_samples of them, drawn with or without replacement.

    Without replacement, num_samples beyond the length of the data go through it again in a new order. generator: where
    the order comes from; None takes a seed from the global generator (see `DataLoader.state_dict`).

    Raises TypeError unless replacement is a bool, ValueError unless num_samples is a positive integer.

    >>> import retrograd as rg
    >>> sampler = rg.utils.data.RandomSampler(range(5), generator=rg.Generator().manual_seed(1))
    >>> sorted(sampler)
    [0, 1, 2, 3, 4]
    """

    data_source: Sized
    replacement: bool

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={self.num_samples}")

    @property
    def num_samples(self) -> int:
        """How many samples an epoch has; follows the length of the data unless it was given."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def order(self) -> np.ndarray:
        generator = self._begin()
        n, wanted = len(self.data_source), self.num_samples
        if self.replacement:
            return draws.randint(generator, 0, n, (wanted,), int64, np)
        rounds = [draws.permutation(generator, n, np) for _ in range(-(-wanted // n))]
        return rounds[0][:wanted] if len(rounds) == 1 else np.concatenate(rounds)[:wanted]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(RandomOrder):
    """The given indices in random order, without replacement.

    >>> import retrograd as rg
    >>> sorted(rg.utils.data.SubsetRandomSampler([3, 5, 8]))
    [3, 5, 8]
    """

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        super().__init__(generator)
        self.indices = indices

    def order(self) -> np.ndarray:
        return np.asarray(self.indices, np.int64)[draws.permutation(self._begin(), len(self.indices), np)]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(RandomOrder):
    """num_samples indices from 0 to len(weights) - 1, drawn with probabilities in proportion to the weights.

    Raises ValueError unless num_samples is a positive integer, replacement a bool and weights one-dimensional.

    >>> import retrograd as rg
    >>> list(rg.utils.data.WeightedRandomSampler([0.0, 1.0, 0.0], 3))
    [1, 1, 1]
    """

    weights: Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(generator)
        check_positive("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = as_tensor(weights, dtype=float64)
        if self.weights.ndim != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement

    def order(self) -> np.ndarray:
        return multinomial(self.weights, self.num_samples, self.replacement, generator=self._begin()).cpu().numpy()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of batch_size indices of another sampler; with drop_last, never a shorter one.

    Raises ValueError unless batch_size is a positive integer and drop_last a bool.

    >>> import retrograd as rg
    >>> list(rg.utils.data.BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool) -> None:
        check_positive("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def draw_seed() -> int:
    """A fresh seed from the global generator, so that `manual_seed` governs what is seeded with it."""
    return int(draws.randint(default_generator, 0, 2**63 - 1, (), int64, np))


def _place() -> tuple[int, int]:
    return default_generator.initial_seed(), default_generator.get_offset()


def _restarted(seen: tuple[int, int]) -> bool:
    """Whether the global generator has been seeded since it was at `seen`: it only ever goes forward otherwise."""
    seed, offset = _place()
    return seed != seen[0] or offset < seen[1]


def check_positive(name: str, value: Any) -> None:
    """Refuse what is no positive integer (a bool is none)."""
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")
