"""DataLoader: PyTorch's batches, one gather for data in memory, workers, arguments."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import time

import numpy as np
import pytest

import retrograd as rg
from retrograd.utils import data as ours

torch = pytest.importorskip("torch")
theirs = torch.utils.data


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


def columns(loader):
    return [b["y"].tolist() for b in loader]


def arrays(n=10):
    return ours.TensorDataset(rg.arange(2 * n).view(n, 2).float(), rg.arange(n))


@pytest.mark.parametrize("batch_size,drop", [(3, False), (3, True), (10, False), (11, False), (11, True), (1, False)])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_equal_torchs(batch_size, drop, workers):
    class Theirs(theirs.Dataset):
        __len__ = Squares.__len__
        __getitem__ = Squares.__getitem__
        n = 10

    a = ours.DataLoader(Squares(), batch_size, drop_last=drop, num_workers=workers)
    b = theirs.DataLoader(Theirs(), batch_size, drop_last=drop)
    assert len(a) == len(b)
    for _ in range(2):
        for x, y in zip(a, b, strict=True):
            assert list(x) == list(y)
            assert all(x[k].tolist() == y[k].tolist() for k in x)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop", [False, True])
def test_arrays_in_memory(shuffle, drop):
    data = arrays()
    loader = ours.DataLoader(data, 4, shuffle=shuffle, drop_last=drop)
    batches = list(loader)
    assert len(batches) == len(loader) == (2 if drop else 3) and all(type(b) is list for b in batches)
    rows = [i for _, y in batches for i in y.tolist()]
    assert len(set(rows)) == (8 if drop else 10) and (shuffle or rows == list(range(len(rows))))
    for x, y in batches:
        assert x.tolist() == [[2.0 * i, 2.0 * i + 1] for i in y.tolist()]
    views = np.shares_memory(batches[0][0].numpy(), data.tensors[0].numpy())
    assert views == (not shuffle)


def test_one_gather_a_batch(monkeypatch):
    """Neither samples nor stacking are touched for data in memory."""

    def never(*_):
        raise AssertionError("fetched sample by sample")

    monkeypatch.setattr(ours.TensorDataset, "__getitem__", never)
    monkeypatch.setattr(ours.TensorDataset, "__getitems__", never)
    data = arrays()
    train, test = ours.random_split(data, [7, 3], rg.Generator().manual_seed(0))
    nested = ours.Subset(train, [5, 1, 0])
    for dataset, n in ((data, 10), (train, 7), (nested, 3), (test, 3)):
        for shuffle in (False, True):
            rows = [i for _, y in ours.DataLoader(dataset, 2, shuffle=shuffle) for i in y.tolist()]
            assert len(set(rows)) == n
    assert rows is not None
    order = [train.indices[i] for i in (5, 1, 0)]
    assert [i for _, y in ours.DataLoader(nested, 2) for i in y.tolist()] == order
    sampler = ours.WeightedRandomSampler(np.ones(10), 6)
    assert sum(len(y) for _, y in ours.DataLoader(data, 4, sampler=sampler)) == 6
    own = [[3, 1], [2]]
    assert [y.tolist() for _, y in ours.DataLoader(data, batch_sampler=own)] == own


def test_an_overridden_getitem_is_respected():
    class Doubled(ours.TensorDataset):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return 2 * x, y

        __getitems__ = None

    data = Doubled(rg.arange(4).float(), rg.arange(4))
    assert [x.tolist() for x, _ in ours.DataLoader(data, 2)] == [[0.0, 2.0], [4.0, 6.0]]
    assert [x.tolist() for x, _ in ours.DataLoader(ours.Subset(data, [3, 1]), 2, shuffle=False)] == [[6.0, 2.0]]


def test_tensors_and_ndarrays_are_datasets():
    for make in (rg.arange, np.arange):
        assert [b.tolist() for b in ours.DataLoader(make(5), 2)] == [[0, 1], [2, 3], [4]]
        assert sorted(i for b in ours.DataLoader(make(5), 2, shuffle=True) for i in b.tolist()) == list(range(5))
    words = np.array(["a", "b", "c"], dtype=object)
    assert list(ours.DataLoader(words, 2)) == [["a", "b"], ["c"]]
    assert list(ours.DataLoader(["a", "b", "c"], 2)) == [["a", "b"], ["c"]]
    assert [b.tolist() for b in ours.DataLoader(range(3), 2)] == [[0, 1], [2]]


def test_gradients_flow_into_a_dataset_that_wants_them():
    x = rg.ones(4, requires_grad=True)
    for shuffle in (False, True):
        x.grad = None
        sum(
            (b * i).sum() for i, (b,) in enumerate(ours.DataLoader(ours.TensorDataset(x), 2, shuffle=shuffle))
        ).backward()
        assert sorted(x.grad.tolist()) == [0.0, 0.0, 1.0, 1.0]


def test_getitems_protocol():
    class Many(Squares):
        def __getitems__(self, indices):
            assert type(indices) is list and all(type(i) is int for i in indices)
            return [super(Many, self).__getitem__(i) for i in indices]

        def __getitem__(self, i):
            raise AssertionError("one by one")

    for shuffle in (False, True):
        assert sorted(i for b in columns(ours.DataLoader(Many(), 3, shuffle=shuffle)) for i in b) == [
            i * i for i in range(10)
        ]


def test_collate_fn_and_no_batching():
    seen = list(ours.DataLoader(arrays(4), 2, collate_fn=lambda samples: samples))
    assert len(seen) == 2 and [s[1].item() for s in seen[1]] == [2, 3] and type(seen[0][0]) is tuple
    one = list(ours.DataLoader(Squares(3), batch_size=None))
    assert [s["y"] for s in one] == [0, 1, 4] and isinstance(one[0]["x"], rg.Tensor)
    assert [b.tolist() for b in ours.DataLoader(range(6), batch_sampler=[[5, 0], [3]])] == [[5, 0], [3]]
    slices = ours.DataLoader(arrays(6), sampler=ours.BatchSampler(range(6), 4, False), batch_size=None)
    assert [y.tolist() for _, y in slices] == [[0, 1, 2, 3], [4, 5]]


def test_streams():
    assert [b.tolist() for b in ours.DataLoader(Count(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in ours.DataLoader(Count(5), 2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(ours.DataLoader(Count(3), batch_size=None)) == [0, 1, 2]
    loader = ours.DataLoader(Count(5), 2)
    assert len(loader) == 3 and len(ours.DataLoader(Count(5), 2, drop_last=True)) == 2
    assert len(list(loader)) == len(list(loader)) == 3
    for n in (1, 2, 3):
        a = [b.tolist() for b in ours.DataLoader(Count(11), 2, num_workers=n)]
        assert sorted(i for b in a for i in b) == list(range(11))

        class Theirs(theirs.IterableDataset):
            def __iter__(self):
                return iter(range(theirs.get_worker_info().id, 11, theirs.get_worker_info().num_workers))

        if n == 2:  # the order in which PyTorch deals out the workers' batches
            assert a == [b.tolist() for b in theirs.DataLoader(Theirs(), 2, num_workers=n)]


# ---------------------------------------------------------------- shuffling
def test_seeds():
    def epochs(**kw):
        loader = ours.DataLoader(Squares(20), 4, shuffle=True, **kw)
        return [columns(loader) for _ in range(3)]

    rg.manual_seed(3)
    a = epochs()
    assert a[0] != a[1]
    following = set()
    for workers in (0, 2, 4):
        rg.manual_seed(3)
        assert epochs(num_workers=workers) == a
        following.add(rg.rand(1).item())
    assert len(following) == 1, "the number of workers changed the random numbers that follow"
    b = epochs(generator=rg.Generator().manual_seed(1))
    assert b == epochs(generator=rg.Generator().manual_seed(1)) != a


# ---------------------------------------------------------------- workers
def test_order_is_kept_whatever_the_timing():
    class Slow(Squares):
        def __getitem__(self, i):
            time.sleep(0.02 if i % 4 == 0 else 0)
            return super().__getitem__(i)

    expected = columns(ours.DataLoader(Squares(16), 2))
    assert columns(ours.DataLoader(Slow(16), 2, num_workers=3, prefetch_factor=3)) == expected
    free = columns(ours.DataLoader(Slow(16), 2, num_workers=3, in_order=False))
    assert sorted(free) == sorted(expected)


def test_worker_info_and_init():
    started = []

    class Info(ours.Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, i):
            info = ours.get_worker_info()
            assert info.dataset is self
            return info.id, info.num_workers, info.seed % 2**60

    loader = ours.DataLoader(Info(), 1, num_workers=2, worker_init_fn=started.append)
    rows = [tuple(int(v) for v in b) for b in loader]
    assert sorted(started) == [0, 1] and [r[0] for r in rows] == [0, 1] * 4 and {r[1] for r in rows} == {2}
    assert len({r[2] for r in rows}) == 2 and ours.get_worker_info() is None
    started.clear()
    kept = ours.DataLoader(Info(), 1, num_workers=2, worker_init_fn=started.append, persistent_workers=True)
    assert [list(map(int, b)) for b in kept] == [list(map(int, b)) for b in kept]
    assert sorted(started) == [0, 1]


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_name_the_sample(workers):
    class Bad(Squares):
        def __getitem__(self, i):
            if i == 5:
                raise ValueError("broken file")
            return super().__getitem__(i)

    loader = ours.DataLoader(Bad(), 2, num_workers=workers)
    got = []
    with pytest.raises(ValueError, match="broken file") as info:
        for b in loader:
            got.append(b["y"].tolist())
    assert got == [[0, 1], [4, 9]]
    notes = " ".join(info.value.__notes__)
    assert "sample 5 of Bad" in notes and ("DataLoader worker" in notes) == bool(workers)
    with pytest.raises(ValueError, match="broken file"):
        list(loader)

    def refuse(batch):
        raise KeyError("no")

    with pytest.raises(KeyError) as info:
        list(ours.DataLoader(Squares(), 4, num_workers=workers, collate_fn=refuse))
    assert "collating the samples [0, 1, 2, 3] of Squares" in " ".join(info.value.__notes__)


def test_failing_init_and_timeout():
    def fail(i):
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk") as info:
        list(ours.DataLoader(Squares(), 2, num_workers=1, worker_init_fn=fail))
    assert "worker_init_fn in DataLoader worker 0" in " ".join(info.value.__notes__)

    gate = threading.Event()

    class Stuck(Squares):
        def __getitem__(self, i):
            gate.wait(5)
            return super().__getitem__(i)

    with pytest.raises(RuntimeError, match=r"timed out after 0\.05 seconds"):
        list(ours.DataLoader(Stuck(), 2, num_workers=1, timeout=0.05))
    gate.set()


def threads():
    return sum(t.name.startswith("retrograd-loader") for t in threading.enumerate())


def settle(count):
    for _ in range(200):
        gc.collect()
        if threads() == count:
            return True
        time.sleep(0.01)
    return False


def test_threads_end():
    assert settle(0)
    list(ours.DataLoader(Squares(), 2, num_workers=2))
    assert settle(0)
    for _ in ours.DataLoader(Squares(), 2, num_workers=2):
        break
    assert settle(0)
    loader = ours.DataLoader(Squares(), 2, num_workers=2, persistent_workers=True)
    list(loader)
    assert threads() == 2
    for _ in loader:
        break
    assert columns(loader) == columns(ours.DataLoader(Squares(), 2))
    del loader
    assert settle(0)


# ---------------------------------------------------------------- arguments
@pytest.mark.parametrize(
    "options,match",
    [
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified"),
        ({"prefetch_factor": -2, "num_workers": 1}, "prefetch_factor option should be non-negative"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"sampler": range(3), "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[0]], "shuffle": True}, "batch_sampler option is mutually exclusive"),
        ({"batch_sampler": [[0]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "disables auto-batching"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"multiprocessing_context": "spawn"}, "can only be used with num_workers > 0"),
        ({"multiprocessing_context": "x", "num_workers": 1}, "valid start method"),
    ],
)
def test_argument_errors(options, match):
    with pytest.raises(ValueError, match=match):
        ours.DataLoader(Squares(), **options)


def test_more_argument_errors():
    for option in ({"shuffle": True}, {"sampler": range(3)}, {"batch_sampler": [[0]]}):
        with pytest.raises(ValueError, match="DataLoader with IterableDataset: expected unspecified"):
            ours.DataLoader(Count(), **option)
    ours.DataLoader(Count(), shuffle=False)
    with pytest.raises(TypeError, match="valid context object"):
        ours.DataLoader(Squares(), num_workers=1, multiprocessing_context=3)
    loader = ours.DataLoader(Squares(), 2)
    for name in ("batch_size", "sampler", "dataset", "drop_last"):
        with pytest.raises(ValueError, match=f"{name} attribute should not be set after DataLoader is initialized"):
            setattr(loader, name, 1)
    loader.num_workers = 1
    assert columns(loader) == columns(ours.DataLoader(Squares(), 2))


def test_signature_equals_torchs():
    import inspect

    for name in [
        "DataLoader",
        "Subset",
        "ConcatDataset",
        "StackDataset",
        "TensorDataset",
        "RandomSampler",
        "SequentialSampler",
        "SubsetRandomSampler",
        "WeightedRandomSampler",
        "BatchSampler",
        "ChainDataset",
        "random_split",
    ]:
        a, b = (inspect.signature(getattr(m, name)) for m in (ours, theirs))
        assert [(p.name, p.kind) for p in a.parameters.values()] == [(p.name, p.kind) for p in b.parameters.values()]
        for p, q in zip(a.parameters.values(), b.parameters.values(), strict=True):
            assert p.name == "generator" or p.default == q.default


def test_copies_and_pickles():
    loader = ours.DataLoader(Squares(), 2, num_workers=1, persistent_workers=True)
    list(loader)
    assert columns(copy.copy(loader)) == columns(loader)
    again = pickle.loads(pickle.dumps(ours.DataLoader(Squares(), 2, shuffle=True)))
    assert sorted(i for b in columns(again) for i in b) == [i * i for i in range(10)]
