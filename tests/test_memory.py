"""Storages, tensors over buffers and files, old tensor types, and methods as functions of the front door."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd.root_forms import INPLACE

torch = pytest.importorskip("torch")


# ---------------------------------------------------------------- storages
@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storages_answer_like_torchs():
    for lib in (rg, torch):
        x = lib.arange(6, dtype=lib.int16).reshape(2, 3)
        v = x.t()[1:]
        u, s = v.untyped_storage(), v.storage()
        assert (u.size(), len(u), u.nbytes(), u.element_size()) == (12, 12, 12, 1)
        assert (s.size(), len(s), s.nbytes(), s.element_size()) == (6, 6, 12, 2)
        assert u.data_ptr() == s.data_ptr() == x.data_ptr() != v.data_ptr()
        assert s.tolist() == list(range(6)) and list(s) == s.tolist() and s[4] == 4 and u.tolist()[2] == 1
        assert str(s.dtype).endswith("int16") and not u.is_cuda and str(u.device) == "cpu"
        s[5] = 9
        assert x[1, 2] == 9
        assert isinstance(s, lib.ShortStorage) and not isinstance(s, lib.FloatStorage)
        assert s.clone().tolist() == s.tolist() and s.clone().data_ptr() != s.data_ptr()
        s.fill_(3)
        assert x.eq(3).all()


def test_views_share_a_storage_and_copies_do_not():
    x = rg.arange(4.0)
    same = [x[1:], x.reshape(2, 2), x.detach(), *x.split(2), x.expand(3, 4), x.unfold(0, 2, 1), x.view(rg.int32)]
    assert all(v.untyped_storage() == x.untyped_storage() for v in same)
    assert {v.untyped_storage() for v in same} == {x.untyped_storage()}
    for copy in (x.clone(), x + 0, x[rg.tensor([0])]):
        assert copy.untyped_storage() != x.untyped_storage()


@pytest.mark.parametrize("name", ["FloatStorage", "LongStorage", "TypedStorage", "UntypedStorage"])
def test_storages_are_made_by_tensors_only(name):
    with pytest.raises(NotImplementedError, match=r"untyped_storage\(\); make a tensor with"):
        getattr(rg, name)(3)


# ---------------------------------------------------------------- buffers and files
def test_frombuffer_shares_memory_like_torch():
    data = bytearray(np.arange(5, dtype="int16").tobytes())
    for lib in (rg, torch):
        x = lib.frombuffer(data, dtype=lib.int16, count=2, offset=4)
        assert x.tolist() == [2, 3]
        x[0] = 7
        assert data[4] == 7
        data[4] = 2
        assert lib.frombuffer(data, dtype=lib.uint8).numel() == 10


@pytest.mark.parametrize("count, offset", [(-1, 1), (6, 0), (0, 0), (-1, 10), (-1, -1), (3, 6)])
def test_frombuffer_refuses_what_torch_refuses(count, offset):
    for lib in (rg, torch):
        with pytest.raises(ValueError, match="buffer|offset"):
            lib.frombuffer(bytearray(10), dtype=lib.int16, count=count, offset=offset)
        with pytest.raises(ValueError, match="buffer"):
            lib.frombuffer(3, dtype=lib.int16)


def test_from_file_maps_privately_or_shared(tmp_path):
    for lib in (rg, torch):
        path = tmp_path / lib.__name__
        path.write_bytes(np.arange(3.0).tobytes())
        x = lib.from_file(str(path), size=3, dtype=lib.float64)
        x[0] = 5
        assert x.tolist() == [5, 1, 2] and np.frombuffer(path.read_bytes())[0] == 0
        y = lib.from_file(str(path), shared=True, size=4, dtype=lib.float64)
        y[3] = 8
        assert y.tolist() == [0, 1, 2, 8]
        del y
        assert np.frombuffer(path.read_bytes()).tolist() == [0, 1, 2, 8]
        for wrong in (
            lambda lib=lib, path=path: lib.from_file(str(path), size=99),
            lambda lib=lib: lib.from_file("/none", size=1),
        ):
            with pytest.raises(RuntimeError, match="from_file|file"):
                wrong()


def test_fill_gives_its_value_a_gradient():
    for lib in (rg, torch):
        x, v = lib.ones((2, 3), requires_grad=True), lib.tensor(2.0, requires_grad=True)
        y = lib.fill(x, v)
        (y * y).sum().backward()
        assert y.eq(2).all() and v.grad == 24 and x.grad.eq(0).all()


# ---------------------------------------------------------------- old types and constructors
TYPES = "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor ShortTensor"


@pytest.mark.parametrize("name", TYPES.split())
def test_tensor_types_like_torch(name):
    kind, theirs = getattr(rg, name), getattr(torch, name)
    assert str(kind.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    x = kind([[1, 0]])
    assert x.dtype is kind.dtype and x.tolist() == theirs([[1, 0]]).tolist() and type(x) is rg.Tensor
    assert kind(2, 3).shape == (2, 3) and kind().shape == (0,) and kind(rg.Size([4])).shape == (4,)
    assert kind(size=(5,)).shape == (5,) and kind(np.zeros(2)).dtype is kind.dtype
    assert isinstance(x, kind) and [n for n in TYPES.split() if isinstance(x, getattr(rg, n))] == [name]
    assert not isinstance(x, getattr(rg.cuda, name)) and not isinstance(3, kind)
    assert rg.ones(1).type(kind).dtype is kind.dtype and x.type() == f"retrograd.{name}"
    assert kind(x).data_ptr() == x.data_ptr()
    other = rg.LongTensor if name != "LongTensor" else rg.IntTensor
    with pytest.raises(TypeError):
        kind(other([1]))
    with pytest.raises(TypeError):
        kind(1.5)


def test_new_takes_the_type_of_the_tensor():
    for lib in (rg, torch):
        x = lib.zeros(3, dtype=lib.int16)
        assert x.new([1, 2]).dtype == lib.int16 and tuple(x.new(2, 3).shape) == (2, 3) and x.new().numel() == 0
        assert x.new((4, 5)).tolist() == [4, 5] and x.new(x).data_ptr() == x.data_ptr()
        with pytest.raises(TypeError):
            x.new(lib.zeros(1))


def test_old_methods_like_torch():
    for lib in (rg, torch):
        x = lib.arange(6)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            y, z = x.resize(2, 3), x.resize_as(lib.zeros((3, 2)))
        assert tuple(y.shape) == (2, 3) and tuple(z.shape) == (3, 2) and len(caught) == 2
        a, b = (lib.ones((3,), requires_grad=True) * 2).split(2)
        assert (a.output_nr, b.output_nr, x.output_nr, x.name) == (0, 1, 0, None)
        assert lib.tensor([2]).is_nonzero() and not lib.tensor(0.0).is_nonzero()
        with pytest.raises(RuntimeError):
            x.is_nonzero()


# ---------------------------------------------------------------- methods as functions
@pytest.mark.parametrize("name", sorted(INPLACE))
def test_in_place_functions_are_the_methods(name):
    assert name in dir(torch) and inspect.isfunction(getattr(rg, name)) and callable(getattr(rg.Tensor, name))
    with pytest.raises(TypeError, match=rf"{name}: a Tensor is expected, got int"):
        getattr(rg, name)(3)


def test_in_place_functions_write_their_tensor():
    x = rg.tensor([-1.5, 2.0])
    assert rg.abs_(x) is x and x.tolist() == [1.5, 2.0]
    assert rg.clamp_(x, max=1.75) is x and rg.fill_(x[:1], 3) is not x and x.tolist() == [3.0, 1.75]
    assert rg.index_put_(x, (rg.tensor([1]),), rg.tensor(5.0)).tolist() == [3.0, 5.0] and rg.zero_(x).sum() == 0
    assert rg.resize_as_(x, rg.zeros(2, 1)).shape == (2, 1)
    missing = [n for n in dir(torch) if n[-1] == "_" != n[0] and hasattr(rg.Tensor, n) and not hasattr(rg, n)]
    assert missing == []


def test_questions_as_functions():
    for lib in (rg, torch):
        x = lib.ones((2,), requires_grad=True)
        y = x * 2
        assert not lib.detach(y).requires_grad and lib.detach(y).data_ptr() == y.data_ptr()
        assert lib.detach_(y) is y and not y.requires_grad
        assert lib.get_device(x) == -1 and lib.is_signed(x) and not lib.is_signed(lib.ones(1, dtype=lib.uint8))
        assert lib.is_same_size(x, y) and not lib.is_inference(x) and not lib.is_conj(x) and not lib.is_neg(x)
        assert lib.resolve_conj(x) is x and lib.resolve_neg(x) is x
