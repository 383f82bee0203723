"""DataLoader: `state_dict` in mid-epoch, and a resumed run that is bit-equal, for every kind of order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import retrograd as rg
from retrograd.utils import data as ours


class Squares(ours.Dataset):
    def __init__(self, n=10):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(i)
        return {"x": np.full(2, i, np.float32), "y": i * i}


class Count(ours.IterableDataset):
    def __init__(self, n=10):
        self.n = n

    def __iter__(self):
        info = ours.get_worker_info()
        step, first = (1, 0) if info is None else (info.num_workers, info.id)
        return iter(range(first, self.n, step))

    def __len__(self):
        return self.n


def arrays(n=10):
    return ours.TensorDataset(rg.arange(2 * n).view(n, 2).float(), rg.arange(n))


# ---------------------------------------------------------------- resuming
SETTINGS = {
    "plain": {},
    "shuffled": {"shuffle": True},
    "generator": {"shuffle": True, "generator": True},
    "subset": {"sampler": "subset"},
    "weighted": {"sampler": "weighted"},
    "own sampler": {"sampler": "own"},
    "own batches": {"batch_sampler": "own"},
    "wrapped": {"batch_sampler": "wrapped"},
}


class Rotating(ours.Sampler):
    """An order that differs by epoch, with a state."""

    def __init__(self):
        self.turn = 0

    def __iter__(self):
        turn = self.turn
        self.turn += 1
        for i in range(10):
            yield (i + turn) % 10

    def __len__(self):
        return 10

    def state_dict(self):
        return {"turn": self.turn}

    def load_state_dict(self, state):
        self.turn = state["turn"]


class Pairs(ours.Sampler):
    def __init__(self, inner):
        self.sampler = inner

    def __iter__(self):
        indices = iter(self.sampler)
        while pair := list(itertools.islice(indices, 2)):
            yield pair

    def __len__(self):
        return 5


def make_loader(dataset, name, workers=0, seed=1):
    options = dict(SETTINGS[name])
    if options.pop("generator", None):
        options["generator"] = rg.Generator().manual_seed(seed)
    kind = options.pop("sampler", None)
    if kind:
        options["sampler"] = {
            "subset": lambda: ours.SubsetRandomSampler(range(10)),
            "weighted": lambda: ours.WeightedRandomSampler([1.0] * 10, 10),
            "own": Rotating,
        }[kind]()
    batches = options.pop("batch_sampler", None)
    if batches:
        inner = ours.RandomSampler(range(10)) if batches == "wrapped" else range(10)
        options["batch_sampler"] = Pairs(inner)
    else:
        options["batch_size"] = 2
    return ours.DataLoader(dataset, num_workers=workers, **options)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("position", [0, 1, 3, 5])
@pytest.mark.parametrize("name", SETTINGS)
def test_resume_in_mid_epoch(name, position, workers, tmp_path):
    """What is left of this epoch and the two that follow are bit-equal, whatever else was drawn in between."""
    loader = make_loader(arrays() if position % 2 else Squares(), name, workers)

    def rows(batches):
        return [(b[1] if isinstance(b, list) else b["y"]).tolist() for b in batches]

    rows(loader)  # a first epoch
    batches = iter(loader)
    rows(itertools.islice(batches, position))
    rg.save(loader.state_dict(), tmp_path / "state")
    expected = [rows(batches), rows(loader), rows(loader)]
    if position == 5:  # the end of the epoch has not been seen yet: nothing is left of it
        assert expected[0] == []

    rg.manual_seed(99)
    rg.rand(1000)
    other = make_loader(arrays() if position % 2 else Squares(), name, 2 - workers, seed=7)
    other.load_state_dict(rg.load(tmp_path / "state"))
    got = [rows(other)]
    rg.rand(17)
    got += [rows(other), rows(other)]
    assert got == expected
    assert other.state_dict()["epoch"] == loader.state_dict()["epoch"]


def test_state_between_epochs():
    loader = ours.DataLoader(arrays(), 3, shuffle=True)
    assert loader.state_dict() == {"epoch": 0, "position": 0, "sampler": None}
    list(loader)
    state = loader.state_dict()
    assert (state["epoch"], state["position"]) == (1, 0)
    expected = [y.tolist() for _, y in loader]
    other = ours.DataLoader(arrays(), 3, shuffle=True)
    other.load_state_dict(state)
    assert other.state_dict() == state
    assert [y.tolist() for _, y in other] == expected
    with pytest.raises(ValueError, match="random order, but this loader's sampler has none"):
        ours.DataLoader(arrays(), 3).load_state_dict(state)


def test_an_epoch_left_early_is_over():
    loader = ours.DataLoader(arrays(), 3, shuffle=True)
    for _ in loader:
        break
    assert loader.state_dict()["position"] == 1
    first = [y.tolist() for _, y in loader]
    assert len(first) == 4 and loader.state_dict()["epoch"] == 2
    pairs = list(zip(loader, loader, strict=True))
    assert len(pairs) == 4 and loader.state_dict()["position"] == 0


def test_stream_resumes_by_reading():
    loader = ours.DataLoader(Count(10), 2)
    batches = iter(loader)
    next(batches), next(batches)
    state = loader.state_dict()
    other = ours.DataLoader(Count(10), 2)
    other.load_state_dict(state)
    assert [b.tolist() for b in other] == [b.tolist() for b in batches]
