"""The Tensor class against PyTorch's: properties, conversions, protocols, Parameter, Size; and what is ours alone."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")


# ---------------------------------------------------------------- deliberately another
def test_numpy_of_a_tensor_that_requires_grad_is_read_only():
    w = rg.ones(2, requires_grad=True)
    a = w.numpy()
    assert a.tolist() == [1, 1] and np.asarray(w).ctypes.data == w.data_ptr()
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 5


def test_lists_of_tensors_are_stacked():
    x = rg.ones(2, 3)
    assert rg.tensor([x[0], x[1]]).shape == (2, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int8", "uint8", "bool", "complex64"])
def test_type_names(dtype):
    ours, theirs = rg.ones(1, dtype=getattr(rg, dtype)), torch.ones(1, dtype=getattr(torch, dtype))
    assert ours.type() == theirs.type().replace("torch.", "retrograd.") == rg.typename(ours)
    assert ours.float().type(theirs.type()).dtype is ours.dtype
    assert rg.typename(3) == "int" and rg.typename(rg.device("cpu")).startswith("retrograd.")


# ---------------------------------------------------------------- memory
def test_views_share_memory_and_copies_do_not():
    x = rg.arange(6.0).reshape(2, 3)
    for v in (x[0], x.t(), x.view(-1), x.detach(), x.data, x[:, ::2], x.expand(4, 2, 3), x.to(rg.float32), x.cpu()):
        assert np.shares_memory(v.numpy(), x.numpy())
    for v in (x.clone(), x.to(rg.float32, copy=True), x.double(), x.t().contiguous(), copy.deepcopy(x), rg.tensor(x)):
        assert not np.shares_memory(v.numpy(), x.numpy())


def test_negative_steps_are_views():
    x = rg.arange(4.0)
    x[::-1][0] = 9
    assert x.tolist() == [0, 1, 2, 9] and x[::-1].stride() == (-1,)


# ---------------------------------------------------------------- identity, attributes, copies
def test_a_tensor_dies_with_its_last_reference():
    gc.disable()
    try:
        x = rg.ones(2, requires_grad=True)
        y = (x * 2).exp()
        y.sum().backward()
        x.note = "kept"
        refs = [weakref.ref(x), weakref.ref(y)]
        del x, y
        assert [r() for r in refs] == [None, None]
    finally:
        gc.enable()


def test_hash_is_by_identity_and_equality_by_element():
    x, y = rg.ones(2), rg.ones(2)
    assert hash(x) == hash(x) and len({x, y}) == 2 and {x: 1}[x] == 1
    assert (x == y).all() and (x == None) is False and x != "a" and (x == [1, 1]) is False  # noqa: E711


def test_deepcopy_keeps_attributes_gradients_and_shared_memory_apart():
    x = rg.ones(2, requires_grad=True)
    x.tags = ["a"]
    (x * 3).sum().backward()
    y = copy.deepcopy(x)
    assert y.requires_grad and y.is_leaf and y.tags == ["a"] and y.tags is not x.tags and y.grad.tolist() == [3, 3]
    y.data[0], y.grad[0] = 7, 7
    assert x.tolist() == [1, 1] and x.grad.tolist() == [3, 3]
    both = copy.deepcopy([x, x])
    assert both[0] is both[1]
    with pytest.raises(RuntimeError, match=r"deepcopy: only leaves.*made by mul at test_tensor\.py"):
        copy.deepcopy(x * 2)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    p = rg.nn.Parameter(rg.arange(6.0).reshape(2, 3).t())
    p.note = "n"
    q = pickle.loads(pickle.dumps(p, protocol))
    assert type(q) is rg.nn.Parameter and q.requires_grad and q.note == "n" and q.tolist() == p.tolist()
    assert pickle.loads(pickle.dumps(rg.tensor(3), protocol)).item() == 3
    assert pickle.loads(pickle.dumps(rg.zeros(0, 2), protocol)).shape == (0, 2)
    with pytest.raises(RuntimeError, match="pickle: only leaves"):
        pickle.dumps(p * 2, protocol)


# ---------------------------------------------------------------- subclasses
class Angle(rg.Tensor):
    """What a user may write."""

    def degrees(self):
        return self * (180 / np.pi)


def test_a_users_subclass_works_in_operations():
    a = Angle([0.0, np.pi])
    assert type(a) is Angle and isinstance(a, rg.Tensor) and rg.is_tensor(a)
    assert a.degrees().tolist() == pytest.approx([0, 180])
    a.requires_grad_()
    r = rg.stack([a, rg.ones(2)]).sin() @ a
    r.sum().backward()
    assert a.grad is not None and a.grad.shape == (2,)
    a.unit = "rad"
    assert type(copy.deepcopy(a)) is Angle and copy.deepcopy(a).unit == "rad"
    assert type(pickle.loads(pickle.dumps(a.data))) is rg.Tensor
    with rg.no_grad():
        a += 1
    assert type(a) is Angle


class Bound(rg.nn.Parameter):
    def __new__(cls, data, limit):
        self = super().__new__(cls, data)
        self.limit = limit
        return self


def test_a_subclass_of_parameter_is_registered():
    m = rg.nn.Module()
    m.weight = Bound(rg.ones(2), limit=3)
    assert dict(m.named_parameters())["weight"].limit == 3
    assert copy.deepcopy(m).weight.limit == 3


# ---------------------------------------------------------------- Parameter
def test_parameter():
    p = rg.nn.Parameter(rg.tensor([1.0]))
    assert repr(p) == repr(torch.nn.Parameter(torch.tensor([1.0])))
    assert p.is_leaf and p.requires_grad and p.grad is None and p.grad_fn is None
    assert type(p * 2) is rg.Tensor and type(p.data) is rg.Tensor
    with pytest.raises(RuntimeError, match="only floating-point and complex tensors can require gradients"):
        rg.nn.Parameter(rg.tensor([1]))
    assert rg.nn.Parameter(rg.tensor([1]), requires_grad=False).dtype is rg.int64
    q = rg.nn.Parameter(p)
    assert q is not p and q.data_ptr() == p.data_ptr()
    q.data = rg.zeros(3)
    assert q.shape == (3,) and p.shape == (1,)


# ---------------------------------------------------------------- Size
def test_size():
    s = rg.ones(2, 3).shape
    assert isinstance(s, tuple) and s == (2, 3) and s.numel() == 6 and s[-1] == 3
    assert repr(s) == "retrograd.Size([2, 3])" and type(s[:1]) is type(s + (1,)) is rg.Size
    assert rg.zeros(s).shape == rg.ones(*s).shape == s and hash(s) == hash((2, 3))
    assert pickle.loads(pickle.dumps(s)) == s and copy.deepcopy(s) == s
    a, b = s
    assert (a, b) == (2, 3) and rg.Size([4]).numel() == 4 and rg.Size([]).numel() == 1


# ---------------------------------------------------------------- errors name what was given and the way out
@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda x: x.item(), ValueError, r"item: a tensor with 2 elements.*shape \(2,\)"),
        (lambda x: bool(x), RuntimeError, r"truth value of a tensor with 2 elements is ambiguous; use \.any\(\)"),
        (lambda x: len(x[0]), TypeError, "0-d tensor has no length"),
        (lambda x: iter(x[0]), TypeError, r"cannot be iterated over; use item\(\)"),
        (lambda x: [1, 2][x[0]], TypeError, "only integer tensors of one element can be an index"),
        (lambda x: x.to(3.5), TypeError, "expected a dtype"),
        (lambda x: x.to(rg.float32, nonsense=1), TypeError, "unknown argument 'nonsense'"),
        (lambda x: x.long().requires_grad_(), RuntimeError, r"this one is int64; convert it with \.float\(\)"),
        (lambda x: x.backward(), RuntimeError, "backward"),
        (lambda x: x.retain_grad(), RuntimeError, "retain_grad: the tensor does not require grad"),
        (lambda x: setattr(x, "grad", rg.ones(3)), RuntimeError, r"shape \(3,\) does not fit.*\(2,\)"),
        (lambda x: setattr(x, "grad", rg.ones(2).double()), RuntimeError, "float64 gradient does not fit a float32"),
        (lambda x: setattr(x, "grad", 5), TypeError, "a Tensor or None is expected, got int"),
        (lambda x: setattr(x, "data", 5), TypeError, "a Tensor is expected, got int"),
        (lambda x: "a" in x, RuntimeError, "a Tensor or a number is expected on the left, got str"),
        (lambda x: x + "a", TypeError, "got str"),
        (lambda x: x + None, TypeError, "got NoneType"),
        (lambda x: x.view(5), RuntimeError, "view"),
        (lambda x: x.sum_to_size(3), RuntimeError, r"\(3,\) does not broadcast to the shape \(2,\)"),
        (lambda x: x.share_memory_(), NotImplementedError, "use threads"),
        (lambda x: (x.requires_grad_() * 1).requires_grad_(False), RuntimeError, r"made by mul at test_tensor.py.*detach"),
        (lambda x: x.requires_grad_().apply_(abs), RuntimeError, r"use detach\(\) first"),
    ],
)  # fmt: skip
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(rg.tensor([1.0, 2.0]))


def test_integer_copies_of_a_leaf_have_no_gradient():
    w = rg.tensor([1.5, 2.5], requires_grad=True)
    for v in (w.long(), w.to(rg.int32), w.bool(), w > 1, w.argmax()):
        assert not v.requires_grad and v.grad_fn is None
    assert w.double().requires_grad and w.half().requires_grad and w.cfloat().requires_grad


def test_formatting_shows_the_number_of_a_0d_tensor():
    assert f"{rg.tensor(2.5)}" == "2.5" and f"{rg.tensor(2.5, requires_grad=True) * 2:.3f}" == "5.000"
    assert f"{rg.tensor(3):>4d}" == "   3" and f"{rg.ones(2)}" == "tensor([1., 1.])"
    with pytest.raises(TypeError, match="format"):
        f"{rg.ones(2):.2f}"


def test_threads_that_read_one_tensor():
    from concurrent.futures import ThreadPoolExecutor

    x = rg.arange(1000.0)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda k: (x * k).sum().item() == 499500.0 * k, range(50))) == {True}
