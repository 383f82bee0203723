"""The sampler that deals a dataset out to several processes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

import numpy as np

from ..autograd import draws
from ..autograd.random import keyed
from .sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every num_replicas-th index, from `rank` on: each process its own share, all of one length.

    Without drop_last the last indices are filled up from the front. With shuffle the order is drawn from (seed, epoch),
    so call `set_epoch(epoch)` before each epoch. num_replicas and rank must be given: there is no process group to ask
    (RuntimeError).

    >>> import retrograd as rg
    >>> list(rg.utils.data.distributed.DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError(
                "DistributedSampler: there is no process group to ask for the number of processes; give num_replicas= "
                "and rank="
            )
        if not 0 <= rank < num_replicas:
            raise ValueError(f"DistributedSampler: rank {rank} is not in the range 0 to {num_replicas - 1}")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last, self.epoch = shuffle, seed, drop_last, 0

    @property
    def num_samples(self) -> int:
        """How many indices each process gets."""
        n, k = len(self.dataset), self.num_replicas
        return n // k if self.drop_last else math.ceil(n / k)

    @property
    def total_size(self) -> int:
        """How many indices all processes get."""
        return self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        order = draws.permutation(keyed(self.seed, self.epoch), n, np).tolist() if self.shuffle else list(range(n))
        if n and not self.drop_last:
            order = (order * math.ceil(self.total_size / n))[: self.total_size]
        return iter(order[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's order."""
        self.epoch = epoch
