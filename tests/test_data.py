"""Datasets, samplers and collation against PyTorch, and one gather per batch."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import retrograd as rg
from retrograd.utils import data as ours

torch = pytest.importorskip("torch")
theirs = torch.utils.data

Point = namedtuple("Point", ["x", "y"])


def plain(x):
    """Tensors of either library as (dtype, nested list), containers kept."""
    if isinstance(x, (rg.Tensor, torch.Tensor)):
        return str(x.dtype).split(".")[-1], x.tolist()
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*map(plain, x))
    if isinstance(x, (list, tuple)):
        return type(x)(map(plain, x))
    return x


# ---------------------------------------------------------------- collation
BATCHES = {
    "ints": [1, 2, 3],
    "floats": [1.0, 2.5],
    "bools": [True, False],
    "strings": ["a", "b"],
    "bytes": [b"a", b"b"],
    "arrays": [np.arange(3.0), np.ones(3)],
    "arrays int8": [np.arange(3, dtype=np.int8), np.ones(3, np.int8)],
    "arrays 0-d": [np.array(1.5), np.array(2.5)],
    "numpy scalars": [np.float32(1.5), np.float32(2.5)],
    "numpy bools": [np.bool_(True), np.bool_(False)],
    "numpy float64": [np.float64(1.5), np.float64(2.5)],
    "tuples": [(1, 2.0), (3, 4.0)],
    "lists": [[1, 2.0, "a"], [3, 4.0, "b"]],
    "dicts": [{"a": 1, "b": [2.0, 3]}, {"a": 4, "b": [5.0, 6]}],
    "ordered": [OrderedDict(a=1, b=2), OrderedDict(a=3, b=4)],
    "named": [Point(1, 2.0), Point(3, 4.0)],
    "nested": [{"p": Point(np.arange(2), [1, (2, 3)])}, {"p": Point(np.ones(2, np.int64), [4, (5, 6)])}],
    "ranges": [range(3), range(3, 6)],
    "empty strings": ["", ""],
}


@pytest.mark.parametrize("name", BATCHES)
def test_default_collate_equals_torchs(name):
    assert plain(ours.default_collate(BATCHES[name])) == plain(theirs.default_collate(BATCHES[name]))
    assert type(ours.default_collate(BATCHES[name])).__name__ == type(theirs.default_collate(BATCHES[name])).__name__


@pytest.mark.parametrize("name", BATCHES)
def test_default_convert_equals_torchs(name):
    for sample in BATCHES[name]:
        assert plain(ours.default_convert(sample)) == plain(theirs.default_convert(sample))


def test_collate_of_tensors_keeps_dtype_and_graph():
    for dtype in (rg.float32, rg.bfloat16, rg.uint8, rg.bool, rg.complex64):
        ts = [rg.ones(2, 3).to(dtype), rg.zeros(2, 3).to(dtype)]
        out = ours.default_collate(ts)
        assert out.dtype is dtype and tuple(out.shape) == (2, 2, 3)
    x = rg.ones(3, requires_grad=True)
    ours.default_collate([x, 2 * x]).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0, 3.0]


def test_collate_errors():
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal size"):
        ours.default_collate([[1, 2], [3]])
    with pytest.raises(TypeError, match=r"default_collate: batch must contain tensors.*found"):
        ours.default_collate([object()])
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors"):
        ours.default_collate([np.array(["a"])])
    for make in (rg.ones, np.ones):
        with pytest.raises(RuntimeError, match=r"equal size, but got \[2\] at entry 0 and \[3\] at entry 1"):
            ours.default_collate([make(2), make(3)])


def test_collate_table_can_be_extended():
    class Special:
        pass

    ours.default_collate_fn_map[Special] = lambda batch, collate_fn_map: len(batch)
    try:
        assert ours.default_collate([(Special(), 1), (Special(), 2)])[0] == 2
    finally:
        del ours.default_collate_fn_map[Special]


# ---------------------------------------------------------------- datasets
def test_tensor_dataset():
    x, y = rg.arange(10).view(5, 2), rg.arange(5)
    data = ours.TensorDataset(x, y)
    assert len(data) == 5 and [t.tolist() for t in data[3]] == [[6, 7], 3]
    assert [t.tolist() for t in data[1:3]] == [[[2, 3], [4, 5]], [1, 2]]
    assert plain(data.__getitems__([4, 0])) == plain([data[4], data[0]])
    with pytest.raises(ValueError, match=r"first dimensions are \[5, 4\]"):
        ours.TensorDataset(x, y[:4])
    with pytest.raises(ValueError, match="one or more tensors"):
        ours.TensorDataset()
    array = np.zeros((3, 2))
    shared = ours.TensorDataset(array)
    array[1] = 7
    assert shared[1][0].tolist() == [7.0, 7.0]


def test_subset_concat_stack_chain():
    data = ours.TensorDataset(rg.arange(10))
    subset = ours.Subset(data, [7, 2, 5])
    assert [s[0].item() for s in subset] == [7, 2, 5] and len(subset) == 3
    assert [s[0].item() for s in ours.Subset(subset, [2, 0])] == [5, 7]
    assert [s.item() for (s,) in subset.__getitems__([2, 1])] == [5, 2]
    assert subset[[0, 1]][0].tolist() == [7, 2]
    both = data + ours.TensorDataset(rg.arange(10, 13))
    assert len(both) == 13 and both[11][0].item() == 11 and both[-1][0].item() == 12
    assert [s.item() for (s,) in both.__getitems__([12, 0, 10, 9])] == [12, 0, 10, 9]
    for bad in (13, -14):
        with pytest.raises(IndexError, match="out of range for 13 samples"):
            both[bad]
    with pytest.raises(ValueError, match="empty iterable"):
        ours.ConcatDataset([])
    assert ours.StackDataset(range(3), "abc")[1] == (1, "b")
    named = ours.StackDataset(n=range(3), c="abc")
    assert named.__getitems__([2, 0]) == [{"n": 2, "c": "c"}, {"n": 0, "c": "a"}] and len(named) == 3
    with pytest.raises(ValueError, match="size mismatch"):
        ours.StackDataset(range(3), range(4))
    with pytest.raises(ValueError, match="either in order"):
        ours.StackDataset()

    class Stream(ours.IterableDataset):
        def __iter__(self):
            return iter("ab")

        def __len__(self):
            return 2

    chain = Stream() + Stream()
    assert list(chain) == ["a", "b", "a", "b"] and len(chain) == 4
    with pytest.raises(ValueError, match="ChainDataset"):
        ours.ConcatDataset([Stream()])
    with pytest.raises(TypeError, match="expected IterableDataset"):
        list(ours.ChainDataset([range(3)]))


@pytest.mark.parametrize(
    "size,lengths", [(10, [3, 7]), (30, [0.3, 0.3, 0.4]), (11, [0.5, 0.5]), (7, [0.8, 0.2]), (100, [0.33, 0.33, 0.34])]
)
def test_random_split_lengths_equal_torchs(size, lengths):
    parts = ours.random_split(range(size), lengths, rg.Generator().manual_seed(3))
    assert [len(p) for p in parts] == [len(p) for p in theirs.random_split(range(size), lengths)]
    assert sorted(i for p in parts for i in p) == list(range(size))
    again = ours.random_split(range(size), lengths, rg.Generator().manual_seed(3))
    assert [list(p) for p in parts] == [list(p) for p in again]


def test_random_split_errors():
    with pytest.raises(ValueError, match="Sum of input lengths does not equal"):
        ours.random_split(range(10), [3, 3])
    with pytest.raises(ValueError, match="Fraction at index 0"):
        ours.random_split(range(10), [-0.5, 1.5])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        ours.random_split(range(3), [0.99, 0.01])
    rg.manual_seed(5)
    a = list(ours.random_split(range(20), [10, 10])[0])
    rg.manual_seed(5)
    assert a == list(ours.random_split(range(20), [10, 10])[0])


# ---------------------------------------------------------------- samplers
def test_samplers():
    assert list(ours.SequentialSampler(range(4))) == [0, 1, 2, 3]
    sampler = ours.RandomSampler(range(100))
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(100)) and first != second
    assert len(list(ours.RandomSampler(range(3), replacement=True, num_samples=50))) == 50
    more = list(ours.RandomSampler(range(3), num_samples=8))
    assert len(more) == 8 and sorted(more[:3]) == sorted(more[3:6]) == [0, 1, 2]
    assert sorted(ours.SubsetRandomSampler([5, 9, 2])) == [2, 5, 9]
    weighted = list(ours.WeightedRandomSampler([0.0, 3.0, 1.0], 4000))
    assert set(weighted) == {1, 2} and abs(weighted.count(1) / 4000 - 0.75) < 0.04
    assert sorted(ours.WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)) == [0, 1, 2]
    for drop in (False, True):
        a = ours.BatchSampler(range(7), 3, drop)
        b = theirs.BatchSampler(range(7), 3, drop)
        assert list(a) == list(b) and len(a) == len(b)


def test_sampler_randomness_comes_from_the_seed():
    def epochs(n=3):
        sampler = ours.RandomSampler(range(30))
        return [list(sampler) for _ in range(n)]

    rg.manual_seed(1)
    a = epochs()
    rg.manual_seed(1)
    assert epochs() == a
    sampler = ours.RandomSampler(range(30))
    rg.manual_seed(1)
    b = [list(sampler) for _ in range(3)]
    rg.manual_seed(1)  # also when one sampler lives on, as in a notebook
    assert [list(sampler) for _ in range(3)] == b == a
    g = rg.Generator().manual_seed(4)
    c = list(ours.RandomSampler(range(30), generator=g))
    assert list(ours.RandomSampler(range(30), generator=g.manual_seed(4))) == c


@pytest.mark.parametrize("seeded", [False, True])
def test_sampler_state_is_the_next_epoch(seeded):
    def make(seed=0):
        return ours.RandomSampler(range(30), generator=rg.Generator().manual_seed(seed) if seeded else None)

    sampler = make()
    list(sampler)
    state = sampler.state_dict()
    following = [list(sampler) for _ in range(2)]
    other = make(9)
    other.load_state_dict(state)
    assert [list(other) for _ in range(2)] == following
    with pytest.raises(ValueError, match=r"needs 'seed'|needs 'generator'"):
        other.load_state_dict({"other": 1})


@pytest.mark.parametrize(
    "make,error,match",
    [
        (lambda: ours.RandomSampler(range(3), replacement=1), TypeError, "boolean value"),
        (lambda: ours.RandomSampler([]), ValueError, "num_samples=0"),
        (lambda: ours.RandomSampler(range(3), num_samples=0), ValueError, "positive integer"),
        (lambda: ours.WeightedRandomSampler([1.0], True), ValueError, "positive integer"),
        (lambda: ours.WeightedRandomSampler([1.0], 1, 0), ValueError, "boolean value"),
        (lambda: ours.WeightedRandomSampler([[1.0]], 1), ValueError, "1d sequence"),
        (lambda: ours.BatchSampler(range(3), 0, False), ValueError, "batch_size=0"),
        (lambda: ours.BatchSampler(range(3), 1.5, False), ValueError, "batch_size=1.5"),
        (lambda: ours.BatchSampler(range(3), 1, 0), ValueError, "drop_last"),
        (lambda: iter(ours.Sampler()), NotImplementedError, "__iter__"),
        (lambda: ours.Dataset()[0], NotImplementedError, "__getitem__"),
        (lambda: iter(ours.IterableDataset()), NotImplementedError, "__iter__"),
    ],
)
def test_errors(make, error, match):
    with pytest.raises(error, match=match):
        make()
