"""Indexing and assignment against PyTorch where the generated tables do not go: mixes, views, writes, errors."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch")

SHAPE = (4, 3, 5)


def leaf(lib, values, dtype="float64"):
    return lib.tensor(values, dtype=getattr(lib, dtype), requires_grad=True)


def second_order(lib, loss, leaves):
    """First gradients, and the gradients of the sum of their squares."""
    first = lib.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
    squares = [(g * g).sum() for g in first if g is not None]
    second = lib.autograd.grad(sum(squares[1:], squares[0]), leaves, allow_unused=True)
    return [None if g is None else np.array(g.detach().numpy()) for g in (*first, *second)]


def assert_grads_equal(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        zero = np.zeros(())
        np.testing.assert_allclose(zero if a is None else a, zero if b is None else b, rtol=1e-10, atol=1e-12)


# ---------------------------------------------------------------- x[index]
INDICES = {
    "int": lambda t: 1,
    "negative int": lambda t: -2,
    "numpy int": lambda t: np.int64(2),
    "0-d tensor": lambda t: t.tensor(2),
    "slice": lambda t: slice(1, 3),
    "slice with step": lambda t: (slice(None, None, 2), slice(1, None)),
    "slice out of range": lambda t: slice(2, 99),
    "empty slice": lambda t: slice(3, 1),
    "none": lambda t: (None, 1, None),
    "ellipsis": lambda t: (..., 2),
    "ellipsis in the middle": lambda t: (1, ..., slice(0, 2)),
    "all ints": lambda t: (1, 2, 3),
    "empty tuple": lambda t: (),
    "list": lambda t: [0, 2, 2],
    "list of bools": lambda t: [True, False, True, False],
    "empty list": lambda t: [],
    "range": lambda t: range(3),
    "array": lambda t: np.array([3, 0]),
    "tensor": lambda t: t.tensor([[0, 1], [3, 3]]),
    "int32 tensor": lambda t: t.tensor([1, -1], dtype=t.int32),
    "two tensors": lambda t: (t.tensor([0, 3]), t.tensor([2, 1])),
    "broadcast tensors": lambda t: (t.tensor([[0], [3]]), t.tensor([2, 1, 0])),
    "tensor then slice": lambda t: (t.tensor([0, 3]), slice(None), slice(1, 3)),
    "slice then tensor": lambda t: (slice(1, 3), t.tensor([2, 0])),
    "tensor in the last place": lambda t: (..., t.tensor([4, 4, 0])),
    "tensors apart": lambda t: (t.tensor([0, 3]), slice(None), t.tensor([4, 0])),
    "tensors with none between": lambda t: (t.tensor([0, 3]), None, t.tensor([2, 0])),
    "int and tensor": lambda t: (1, t.tensor([2, 0])),
    "int, slice, tensor": lambda t: (0, slice(None), t.tensor([1, 2])),
    "tensor, slice, int": lambda t: (t.tensor([1, 2, 0]), slice(None), 2),
    "slice, int, tensor": lambda t: (slice(None), 1, t.tensor([4, 2])),
    "tensor, int, tensor": lambda t: (t.tensor([1, 2]), 0, t.tensor([4, 2])),
    "true": lambda t: True,
    "false": lambda t: False,
    "true and list": lambda t: (True, [0, 1]),
    "mask": lambda t: t.tensor(np.arange(60).reshape(SHAPE) % 7 == 2),
    "mask of one dimension": lambda t: t.tensor([True, False, True, False]),
    "mask of two dimensions": lambda t: t.tensor(np.arange(12).reshape(4, 3) % 5 == 1),
    "mask behind a slice": lambda t: (slice(1, None), t.tensor([True, False, True])),
    "mask and tensor": lambda t: (t.tensor([True, False, True, False]), t.tensor([2, 0])),
    "mask of nothing": lambda t: t.zeros(4, dtype=t.bool),
    "numpy mask": lambda t: np.array([True, False, True, True]),
    "0-d mask": lambda t: t.tensor(True),
    "empty index tensor": lambda t: t.zeros(0, dtype=t.int64),
}


@pytest.mark.parametrize("name", INDICES)
def test_getitem_like_torch(name):
    values = np.random.default_rng(0).normal(size=SHAPE)
    found = []
    for lib in (rg, torch):
        x = leaf(lib, values)
        y = x[INDICES[name](lib)]
        found.append((tuple(y.shape), np.array(y.detach().numpy()), second_order(lib, (y * y * y).sum(), [x])))
    (s, y, g), (st, yt, gt) = found
    assert s == st
    np.testing.assert_array_equal(y, yt)
    assert_grads_equal(g, gt)


def random_index(r, lib, shape):
    """A random index of all kinds, the same for both libraries when drawn from equal generators."""
    items, dim, width = [], 0, int(r.integers(1, 4))
    for _ in range(int(r.integers(1, len(shape) + 2))):
        kind = int(r.integers(0, 7))
        if kind == 0:
            items.append(None)
            continue
        if dim == len(shape):
            break
        n = shape[dim]
        if kind == 1:
            items.append(int(r.integers(-n, n)))
        elif kind in (2, 3):
            a, b = sorted(r.integers(-n, n + 1, 2).tolist())
            items.append(slice(a, b, int(r.integers(1, 3))))
        elif kind == 4:
            items.append(lib.tensor(r.integers(-n, n, width).tolist()))
        elif kind == 5:
            items.append(lib.tensor(r.integers(0, n, (2, 1)).tolist()))
        else:
            items.append(r.integers(-n, n, width).tolist())
        dim += 1
    if r.integers(0, 4) == 0:
        items.insert(int(r.integers(0, len(items) + 1)), Ellipsis)
        if sum(i is not None and i is not Ellipsis for i in items) > 1 and items[-1] is not Ellipsis:
            items = [i for i in items if i is not Ellipsis]
    return tuple(items)


@pytest.mark.parametrize("seed", range(150))
def test_random_indices_like_torch(seed):
    values = np.random.default_rng(1).normal(size=SHAPE)
    found = []
    for lib in (rg, torch):
        r = np.random.default_rng(seed)
        x = leaf(lib, values)
        y = x[random_index(r, lib, SHAPE)]
        found.append((np.array(y.detach().numpy()), second_order(lib, (y * y * y).sum(), [x])))
    assert found[0][0].shape == found[1][0].shape
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert_grads_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("seed", range(150))
def test_random_assignments_like_torch(seed):
    """Gradients of the old tensor, of a view taken before, and of the value that is written."""
    values = np.random.default_rng(1).normal(size=SHAPE)
    found = []
    for lib in (rg, torch):
        r = np.random.default_rng(seed)
        x, scalar = leaf(lib, values), bool(r.integers(0, 2))
        y = x * 1.5
        before = y[1:]
        index = random_index(r, lib, SHAPE)
        if lib is rg:  # repeated elements: who is written last is not defined
            n = np.arange(60).reshape(SHAPE)
            part = rg.tensor(n)[index].numpy()
            unique = len(set(part.ravel().tolist())) == part.size
        shape = () if scalar else tuple(y[index].shape)
        v = leaf(lib, np.random.default_rng(2).normal(size=shape))
        y[index] = v * 2.0
        loss = (y * y * y).sum() + (before * before).sum()
        found.append((np.array(y.detach().numpy()), second_order(lib, loss, [x, v])))
    if unique:
        np.testing.assert_array_equal(found[0][0], found[1][0])
        assert_grads_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("shape", [(), (4,), (4, 3), (1, 3)])
def test_only_values_that_remain_get_a_gradient(shape):
    """Row 0 is named twice: PyTorch would give both values a gradient; only the last one is in the result."""
    x = rg.tensor(np.random.default_rng(0).normal(size=(3, 3)), requires_grad=True)
    v = rg.tensor(np.random.default_rng(1).normal(size=shape), requires_grad=True)
    index = (rg.tensor([0, 2, 0, 1]),) if len(shape) != 1 else (rg.tensor([0, 2, 0, 1]), rg.tensor([1, 1, 1, 0]))

    def put(x, v):
        y = x * 1.0
        y[index] = v
        return y

    assert rg.autograd.gradcheck(put, (x, v)) and rg.autograd.gradgradcheck(put, (x, v))


def test_basic_indices_give_views_and_arrays_give_copies():
    x = rg.zeros(3, 4)
    for view in (x[1], x[1, 2], x[:, 1:3], x[..., 0], x[None], x[rg.tensor(1)], x[::-1, ::-2]):
        assert np.shares_memory(view.numpy(), x.numpy()), tuple(view.shape)
    x[1, 2].fill_(5.0)
    x[1][3] = 7.0
    assert x[1].tolist() == [0.0, 0.0, 5.0, 7.0]
    for copy in (x[[0]], x[x > 1], x[True], x[rg.tensor([0])]):
        assert not np.shares_memory(copy.numpy(), x.numpy())


def test_negative_steps_are_views_that_can_be_written():
    x = leaf(rg, np.arange(6.0))
    y = x * 1.0
    y[::-2] = rg.tensor([10.0, 20.0, 30.0], dtype=rg.float64)
    assert y.tolist() == [0.0, 30.0, 2.0, 20.0, 4.0, 10.0]
    v = y[::-1]
    v.mul_(2.0)
    (y * rg.arange(6)).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 4.0, 0.0, 8.0, 0.0]


def test_index_list_with_tensors_is_read_as_a_tuple_with_a_warning():
    x = rg.arange(6).reshape(2, 3)
    with pytest.warns(UserWarning, match=r"write x\[tuple\(index\)\]"):
        assert x[[[0, 1], [2, 0]]].tolist() == [2, 3]
    with pytest.warns(UserWarning, match="uint8 mask is deprecated"):
        assert x[rg.tensor([0, 1], dtype=rg.uint8)].tolist() == [[3, 4, 5]]


GETITEM_ERRORS = [
    (5, r"index 5 is out of bounds for dimension 0 with size 4"),
    ((0, -4), r"index -4 is out of bounds for dimension 1 with size 3"),
    ((0, 0, 0, 0), r"4 indices are too many for a tensor with 3 dimensions"),
    ((..., ...), r"only one Ellipsis"),
    ([0, 7], r"index 7 is out of bounds for dimension 0 with size 4"),
    ((slice(None), [0, -9]), r"index -9 is out of bounds for dimension 1 with size 3"),
    ((0, slice(None), [0, 7]), r"index 7 is out of bounds"),
    (([0, 1], [0, 1, 2]), r"shapes \(2,\) and \(3,\) do not broadcast"),
    ([True, False], r"a mask of shape \(2,\) does not fit dimensions 0 to 0 .* are \(4,\)"),
    (1.5, r"got float"),
    ("a", r"got str"),
    (np.array([1.0]), r"integer or bool dtype, got float64"),
]


@pytest.mark.parametrize("index, match", GETITEM_ERRORS, ids=[str(e[0]) for e in GETITEM_ERRORS])
def test_index_errors_name_index_dimension_and_size(index, match):
    x = rg.zeros(*SHAPE)
    with pytest.raises(IndexError, match=match):
        x[index]
    with pytest.raises(IndexError, match=match):
        x[index] = 1.0


def test_index_of_a_0d_tensor():
    x = rg.tensor(3.0)
    with pytest.raises(IndexError, match=r"0-d tensor .* item\(\)"):
        x[0]
    assert x[...].shape == () and x[None].tolist() == [3.0] and x[True].tolist() == [3.0] and x[False].shape == (0,)
    with pytest.raises(ValueError, match="step"):
        rg.zeros(3)[::0]


# ---------------------------------------------------------------- x[index] = value
def test_assignment_converts_and_broadcasts_like_torch():
    for lib in (rg, torch):
        x = lib.zeros(2, 3, dtype=lib.int64)
        x[0] = 2.7
        x[1, :2] = lib.tensor([[1.5, -1.5]])
        x[:, 2] = np.array([8, 9]) if lib is rg else lib.tensor([8, 9])
        assert x.tolist() == [[2, 2, 8], [1, -1, 9]]
        x[x > 7] = 0
        x[lib.tensor([0, 1]), lib.tensor([0, 1])] = lib.tensor([1, 0])
        assert x.tolist() == [[1, 2, 0], [1, 0, 0]]
        m = lib.tensor([[True, False, True], [False, True, False]])
        x[m] = lib.tensor([5, 6, 7])
        assert x.tolist() == [[5, 2, 6], [1, 7, 0]]
    y = rg.zeros(2)
    y[:] = [1, 2]
    y[0] = rg.tensor(3.0, dtype=rg.float64)
    assert y.tolist() == [3.0, 2.0]


def test_assignment_errors():
    x = rg.zeros(2, 3)
    with pytest.raises(rg.ShapeError, match=r"shape \(2,\) does not fit into \(3,\)"):
        x[0] = rg.ones(2)
    with pytest.raises(
        rg.ShapeError, match=r"setitem: a value of shape \(4,\) does not broadcast to the part selected, \(2, 3\)"
    ):
        x[[0, 1]] = rg.ones(4)
    with pytest.raises(rg.ShapeError, match=r"a value of shape \(2,\)"):
        x[x == 0] = rg.ones(2)
    with pytest.raises(TypeError):
        x[0] = "a"
    leaf_ = rg.zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf_[0] = 1.0
    with pytest.raises(RuntimeError, match="leaf"):
        leaf_[[0]] = 1.0
    with rg.no_grad():
        leaf_[[0, 2]] = 1.0
        leaf_[leaf_ == 0] = 5.0
    assert leaf_.tolist() == [1.0, 5.0, 1.0]
    with pytest.raises(RuntimeError, match="single memory location"):
        rg.zeros(1).expand(3)[[0]] = 1.0


def test_stale_saved_value_after_advanced_assignment_is_noticed():
    x = leaf(rg, [1.0, 2.0])
    y = x * 2.0
    z = (y * y).sum()
    y[[0]] = 5.0
    with pytest.raises(RuntimeError, match="changed in place"):
        z.backward()


# ---------------------------------------------------------------- along one dimension
@pytest.mark.parametrize("op", ["gather", "scatter", "scatter_add"])
def test_indices_that_are_out_of_range_are_named(op):
    x, src = rg.zeros(10), rg.ones(1)
    args = (x, 0, rg.tensor([10])) if op == "gather" else (x, 0, rg.tensor([10]), src)
    with pytest.raises(IndexError, match=rf"{op}: index 10 is out of range for dimension 0 with size 10"):
        getattr(rg, op)(*args)


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("include_self", [True, False])
def test_scatter_reduce_with_zeros_and_ties(reduce, include_self):
    src, index = [[0.0, 3.0, 1.0, 1.0, 0.0]], [[0, 1, 2, 2, 1]]
    values = (
        [[0.0, 2.0, 1.0]] if include_self else [[0.5, 2.0, 4.0]]
    )  # PyTorch counts ties with what does not take part
    found = []
    for lib in (rg, torch):
        x, s = leaf(lib, values), leaf(lib, src)
        y = x.scatter_reduce(1, lib.tensor(index), s, reduce, include_self=include_self)
        g = lib.autograd.grad((y * lib.tensor([[1.0, 2.0, 3.0]])).sum(), [x, s])
        found.append([np.array(v.detach().numpy()) for v in (y, *g)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_scatter_reduce_of_integers():
    for reduce in ("sum", "prod", "mean", "amax", "amin"):
        a, b = (
            lib.tensor([7, 7, 7]).scatter_reduce(0, lib.tensor([0, 0, 2]), lib.tensor([4, 9, -2]), reduce).tolist()
            for lib in (rg, torch)
        )
        assert a == b, reduce


@pytest.mark.filterwarnings("ignore:The reduce argument")
def test_scatter_forms():
    for lib in (rg, torch):
        x, i = lib.ones(3), lib.tensor([0, 2])
        assert x.scatter(0, i, lib.tensor([5.0, 6.0])).tolist() == [5.0, 1.0, 6.0]
        assert x.scatter(0, i, 4).tolist() == [4.0, 1.0, 4.0]
        assert x.scatter(0, i, value=3.0).tolist() == [3.0, 1.0, 3.0]
        assert x.scatter(0, i, lib.tensor([5.0, 6.0]), reduce="add").tolist() == [6.0, 1.0, 7.0]
        assert x.scatter(0, i, 2.0, reduce="multiply").tolist() == [2.0, 1.0, 2.0]
        assert x.scatter_(0, i, 9.0) is x and x.tolist() == [9.0, 1.0, 9.0]


INPLACE = {
    "index_add_": lambda lib, x, v: x.index_add_(0, lib.tensor([0, 2, 0]), v[:3], alpha=2.0),
    "index_copy_": lambda lib, x, v: x.index_copy_(0, lib.tensor([3, 1]), v[:2]),
    "index_fill_": lambda lib, x, v: x.index_fill_(0, lib.tensor([3, 1]), 2.0),
    "index_put_": lambda lib, x, v: x.index_put_((lib.tensor([3, 1, 3]),), v[:3], accumulate=True),
    "masked_fill_": lambda lib, x, v: x.masked_fill_(lib.tensor([True, False, False, True]), 3.0),
    "masked_scatter_": lambda lib, x, v: x.masked_scatter_(lib.tensor([True, False, False, True]), v),
    "scatter_add_": lambda lib, x, v: x.scatter_add_(0, lib.tensor([0, 2, 0]), v[:3]),
    "scatter_": lambda lib, x, v: x.scatter_(0, lib.tensor([0, 2]), v[:2]),
}


@pytest.mark.parametrize("name", INPLACE)
def test_inplace_forms_through_a_view(name):
    found = []
    for lib in (rg, torch):
        x, v = leaf(lib, np.arange(8.0).reshape(2, 4)), leaf(lib, [0.5, 1.5, 2.5, 3.5])
        y = x * 1.0
        INPLACE[name](lib, y[1], v * 1.0)
        g = lib.autograd.grad((y * y).sum(), [x, v], allow_unused=True)
        found.append([np.array(y.detach().numpy()), *(np.zeros(()) if a is None else a.numpy() for a in g)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b)


def test_where_promotes_like_torch():
    for lib in (rg, torch):
        c = lib.tensor([True, False])
        f, i, d = lib.ones(2), lib.ones(2, dtype=lib.int32), lib.tensor(2.0, dtype=lib.float64)
        kinds = [
            lib.where(c, f, i), lib.where(c, f, d), lib.where(c, i, 2.5), lib.where(c, i, 2), lib.where(c, 1, 0),
            lib.where(c, 1.0, 0), lib.where(c, f.half(), 1.0), lib.where(c, i, d), lib.where(c, True, False),
            lib.where(c, f, 1j),
        ]  # fmt: skip
        names = [str(k.dtype).split(".")[1] for k in kinds]
        if lib is rg:
            ours = names
    assert ours == names


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64", "float16", "bfloat16", "complex64"])
def test_structural_operations_keep_any_dtype(dtype):
    found = []
    for lib in (rg, torch):
        x = lib.arange(6).reshape(2, 3).to(getattr(lib, dtype))
        m, i = lib.tensor([True, False, True]), lib.tensor([2, 0])
        outs = [
            x[0], x[:, i], x[:, m], x.gather(1, lib.tensor([[2, 0], [1, 1]])), x.index_select(1, i), x.t(), x.flip(0),
            x.repeat(2, 1), x.masked_fill(m, 1), x.take(i), lib.cat([x, x]), lib.stack([x, x]), lib.where(m, x, x[:1]),
            x.tril(), lib.diag(x[0]), x.roll(1), x.expand(2, 2, 3), x.masked_select(m),
        ]  # fmt: skip
        y = x.clone()
        y[0, 1] = 1
        y[:, i] = x[:, :2]
        outs.append(y)
        assert all(o.dtype == x.dtype for o in outs)
        found.append([o.to(lib.complex128).tolist() for o in outs])
    assert found[0] == found[1]
