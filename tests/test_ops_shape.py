"""Views, joins, arrangements and creation where the generated tables do not go: aliasing, strides, kinds of data."""

from __future__ import annotations

import enum

import numpy as np
import pytest

import retrograd as rg
import retrograd.nn.functional as F

torch = pytest.importorskip("torch")

VIEWS = {
    "view": lambda x: x.view(4, 6),
    "reshape": lambda x: x.reshape(-1),
    "flatten": lambda x: x.flatten(1),
    "unflatten": lambda x: x.unflatten(2, (2, -1)),
    "ravel": lambda x: x.ravel(),
    "squeeze": lambda x: x[:1].squeeze(),
    "squeeze dim": lambda x: x[:1].squeeze(0),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "transpose": lambda x: x.transpose(0, 2),
    "permute": lambda x: x.permute(1, 2, 0),
    "permute of ints": lambda x: x.permute((1, -1, 0)),
    "movedim": lambda x: x.movedim(0, -1),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "t": lambda x: x[0].t(),
    "T": lambda x: x[0].T,
    "mT": lambda x: x.mT,
    "H": lambda x: x[0].H,
    "mH": lambda x: x.mH,
    "adjoint": lambda x: x.adjoint(),
    "expand": lambda x: x.expand(5, 2, 3, 4),
    "expand_as": lambda x: x[:1].expand_as(x),
    "broadcast_to": lambda x: x.broadcast_to((2, 2, 3, 4)),
    "narrow": lambda x: x.narrow(1, 1, 2),
    "select": lambda x: x.select(-1, 2),
    "diagonal": lambda x: x.diagonal(1, 1, 2),
    "diagonal below": lambda x: x.diagonal(-1, 2, 0),
    "unfold": lambda x: x.unfold(2, 3, 1),
    "unfold apart": lambda x: x.unfold(2, 2, 2),
    "split": lambda x: x.split(2, 1)[1],
    "chunk": lambda x: x.chunk(2, 2)[1],
    "unbind": lambda x: x.unbind(1)[2],
    "tensor_split": lambda x: x.tensor_split((1, 3), 2)[1],
    "view of a view": lambda x: x.transpose(0, 1)[1:].transpose(0, 1)[:, 0],
    "view dtype": lambda x: x.view(torch.int64 if isinstance(x, torch.Tensor) else rg.int64),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_share_memory_with_torchs_strides(name):
    values = np.arange(24.0).reshape(2, 3, 4)
    x, xt = rg.tensor(values), torch.tensor(values)
    y, yt = VIEWS[name](x), VIEWS[name](xt)
    assert tuple(y.shape) == tuple(yt.shape)
    real = [k for k, n in enumerate(y.shape) if n != 1]  # strides of single elements mean nothing
    assert [y.stride()[k] for k in real] == [yt.stride(k) for k in real]
    assert np.shares_memory(y.numpy(), x.numpy())
    np.testing.assert_array_equal(y.numpy(), yt.numpy())


PIECES = ("split", "chunk", "unbind")  # outputs of operations that return several views: no writes where gradients are
NOT_WRITABLE = ("expand", "expand_as", "broadcast_to", "unfold", "view dtype", *PIECES)
WRITABLE = [n for n in VIEWS if n not in NOT_WRITABLE]


@pytest.mark.parametrize("name", WRITABLE)
def test_writes_through_views_give_torchs_gradients(name):
    values, found = np.random.default_rng(0).normal(size=(2, 3, 4)), []
    for lib in (rg, torch):
        x = lib.tensor(values, requires_grad=True)
        w = lib.tensor([0.5], dtype=lib.float64, requires_grad=True)
        y = x * 2.0
        v = VIEWS[name](y)
        v.mul_(w)
        v.add_(1.0)
        loss = (y * y * y).sum() + v.sum()
        found.append([y.detach().numpy(), *(g.numpy() for g in lib.autograd.grad(loss, [x, w]))])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("name", PIECES)
def test_pieces_are_written_only_without_gradients_like_torchs(name):
    for lib in (rg, torch):
        x = lib.zeros((2, 3, 4))
        VIEWS[name](x).add_(1)
        assert x.sum() == VIEWS[name](x).numel()
        y = lib.ones((2, 3, 4), requires_grad=True) * 2
        with pytest.raises(RuntimeError, match="is a view and is being modified inplace"):
            VIEWS[name](y).mul_(2)
        with lib.no_grad():
            VIEWS[name](y).zero_()
        assert y.sum() == 48 - 2 * VIEWS[name](y).numel()


SHARED = {
    "expand": lambda: rg.zeros(3, 1).expand(3, 4),
    "broadcast_to": lambda: rg.broadcast_to(rg.zeros(1), (2,)),
    "unfold": lambda: rg.zeros(5).unfold(0, 3, 1),
    "as_strided": lambda: rg.zeros(6).as_strided((3, 3), (1, 1)),
    "as_strided with interleaving strides": lambda: rg.zeros(13).as_strided((4, 3), (2, 3)),
    "part of an expanded tensor": lambda: rg.zeros(3, 1).expand(3, 4)[1:],
}


@pytest.mark.parametrize("name", SHARED)
def test_writes_into_shared_elements_are_refused(name):
    v = SHARED[name]()
    for write in (
        lambda: v.add_(1), lambda: v.copy_(rg.ones(v.shape)), lambda: v.uniform_(), lambda: rg.add(v, 1, out=v),
        lambda: v.__setitem__(Ellipsis, 1.0),
    ):  # fmt: skip
        with pytest.raises(rg.InplaceError, match="more than one element of the written-to tensor"):
            write()
    assert v.count_nonzero() == 0


@pytest.mark.parametrize("name", SHARED)
def test_one_number_for_shared_elements_is_no_ambiguity(name):
    v = SHARED[name]()
    assert v.fill_(2).eq(2).all() and v.zero_().eq(0).all()


def test_parts_of_overlapping_views_that_do_not_overlap_are_written():
    for lib in (rg, torch):
        x = lib.zeros((5,))
        x.unfold(0, 3, 1)[1] = 1.0
        x.as_strided((3, 3), (1, 1))[2] += 1.0
        assert x.tolist() == [0, 1, 2, 2, 1]
        y = lib.zeros((3,))
        y.expand(2, 3)[0] = 5.0
        assert y.tolist() == [5, 5, 5]
        z = lib.zeros((14,))
        z.as_strided((3, 4), (2, 3)).add_(1.0)  # interleaving strides, and yet every place once
        assert z.sum() == 12 and z.max() == 1


# ---------------------------------------------------------------- view
def test_view_refuses_to_copy_and_names_the_way_out():
    x = rg.arange(6).reshape(2, 3)
    for bad in (lambda: x.t().view(6), lambda: x.t().view(-1), lambda: x[:, :2].view(4)):
        with pytest.raises(rg.ShapeError, match=r"without copying; use reshape"):
            bad()
    assert x.t().reshape(6).tolist() == [0, 3, 1, 4, 2, 5]
    assert x.t().view(3, 1, 2).shape == (3, 1, 2) and x.t().view(3, 2).stride() == (1, 3)
    assert rg.zeros(0, 3).t().view(0, 1, 3).shape == (0, 1, 3)
    assert x[::-1].view(2, 3, 1).tolist() == [[[3], [4], [5]], [[0], [1], [2]]]
    assert x.view(size=(3, 2)).shape == (3, 2) and rg.reshape(x, shape=(6,)).shape == (6,)


def test_view_as_another_dtype_like_torch():
    for lib in (rg, torch):
        x = lib.tensor([[1.0, 2.0], [3.0, 4.0]])
        assert x.view(lib.int32).tolist() == [[1065353216, 1073741824], [1077936128, 1082130432]]
        assert tuple(x.view(lib.float64).shape) == (2, 1) and tuple(x.view(dtype=lib.uint8).shape) == (2, 8)
        y = x.clone()
        y.view(lib.int32)[0] = 0
        assert y.tolist() == [[0.0, 0.0], [3.0, 4.0]]
        z = lib.ones(2, requires_grad=True)
        assert not z.view(lib.int32).requires_grad
        for bad in (lambda x=x, lib=lib: x[:, :1].view(lib.float64), lambda x=x, lib=lib: x.t().view(lib.int16)):
            with pytest.raises(RuntimeError):
                bad()


@pytest.mark.parametrize("order", ["C", "F"])
def test_reshape_copies_only_where_it_must(order):
    a = np.asarray(np.arange(24.0).reshape(2, 3, 4), order=order)
    for shape in ((4, 6), (8, 3), (24,), (2, 2, 2, 3), (4, 2, 1, 3)):
        y, yt = (lib.from_numpy(a).permute(2, 0, 1).reshape(shape) for lib in (rg, torch))
        assert np.shares_memory(y.numpy(), a) == np.shares_memory(yt.numpy(), a)
        assert y.tolist() == yt.tolist()


# ---------------------------------------------------------------- joins and pieces
def test_cat_skips_legacy_empty_tensors_and_promotes():
    for lib in (rg, torch):
        x = lib.ones(2, 3)
        y = lib.cat([lib.zeros(0), x, lib.zeros(0, dtype=lib.float64)], dim=1)
        assert tuple(y.shape) == (2, 3) and y.dtype == lib.float64
        assert tuple(lib.cat([lib.zeros(0), lib.zeros(0)], 1).shape) == (0,)
        assert lib.cat([lib.ones(1, dtype=lib.int32), lib.tensor([0.5])]).dtype == lib.float32
        assert lib.stack([lib.tensor(1), lib.tensor(2.5)]).tolist() == [1.0, 2.5]
        assert lib.cat([x, x], axis=1).shape == (2, 6)
    out = rg.zeros(4, 3)
    assert rg.cat([rg.ones(2, 3), rg.zeros(2, 3)], out=out) is out and out[0].tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(TypeError, match="two names of one argument"):
        rg.cat([rg.ones(1)], dim=1, axis=1)


def test_unneeded_operands_of_cat_get_no_gradient():
    x, c = rg.ones(2, requires_grad=True), rg.ones(3)
    rg.cat([c, x, c]).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0] and c.grad is None


def test_pieces_are_numbered_like_torchs():
    for n in range(8):
        x, xt = rg.arange(n), torch.arange(n)
        for k in range(1, 6):
            for name in ("split", "chunk", "tensor_split"):
                ours = [p.tolist() for p in getattr(x, name)(k)]
                assert ours == [p.tolist() for p in getattr(xt, name)(k)], (name, n, k)


# ---------------------------------------------------------------- padding
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad_like_torch_for_all_small_widths(mode):
    values = np.arange(8.0).reshape(1, 2, 4)
    x, xt = rg.tensor(values), torch.tensor(values)
    for a in range(-2, 4):
        for b in range(-2, 4):
            if mode == "circular" and max(a, b) > 4 + min(a, b, 0):
                continue  # around more often than once: PyTorch reads memory that nobody wrote
            found = []
            for pad, v in ((F.pad, x), (torch.nn.functional.pad, xt)):
                try:
                    found.append(pad(v, (a, b), mode=mode).tolist())
                except RuntimeError:
                    found.append("refused")
            assert found[0] == found[1], (a, b)


# ---------------------------------------------------------------- creation
class Colour(enum.IntEnum):
    RED = 3


DATA = {
    "float": 2.5,
    "int": 3,
    "bool": True,
    "complex": 1 + 2j,
    "nested": [[1, 2], [3, 4.5]],
    "tuples": ((1, 2), (3, 4)),
    "bools and ints": [True, 2],
    "ints and complex": [1, 2j],
    "empty": [],
    "empty rows": [[], []],
    "numpy scalar": np.float64(2.5),
    "numpy scalars": [np.float32(1), np.float32(2)],
    "numpy scalar and float": [np.float64(1), 2.0],
    "numpy scalar and int": [np.int32(1), 2],
    "half scalar": np.float16(1.5),
    "array": np.arange(3, dtype="int16"),
    "array of bools": np.array([True, False]),
    "strided array": np.arange(12.0).reshape(3, 4)[::2, ::-1],
    "fortran array": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "list of arrays": [np.arange(2.0), np.ones(2)],
    "list of int arrays": [np.arange(2), np.ones(2, dtype="int32")],
    "array and list": [np.arange(2), [0.5, 1.5]],
    "range": range(3),
    "enumeration": [Colour.RED, 1],
    "0-d array": np.array(2.0),
    "unsigned": np.array([1, 2], dtype="uint16"),
}


@pytest.mark.parametrize("name", DATA)
@pytest.mark.filterwarnings("ignore:Creating a tensor from a list")
def test_tensor_infers_torchs_dtype(name):
    data = DATA[name]
    copy = data.copy() if isinstance(data, np.ndarray) else data
    x, y = (
        rg.tensor(data),
        torch.tensor(copy if not isinstance(copy, np.ndarray) else np.ascontiguousarray(copy).reshape(copy.shape)),
    )
    assert str(x.dtype).split(".")[1] == str(y.dtype).split(".")[1] and x.tolist() == y.tolist()
    assert x.numpy().flags.c_contiguous and x.is_leaf and not x.requires_grad
    if isinstance(data, np.ndarray):
        assert not np.shares_memory(x.numpy(), data)
    z, w = (
        rg.tensor(data, dtype=rg.complex64),
        torch.tensor(copy.tolist() if isinstance(copy, np.ndarray) else copy, dtype=torch.complex64),
    )
    assert z.tolist() == w.tolist()


def test_tensor_of_tensors_copies_values():
    a, b = rg.ones(2, requires_grad=True), rg.tensor([3, 4])
    x = rg.tensor([a, b])
    assert x.tolist() == [[1.0, 1.0], [3.0, 4.0]] and x.dtype == rg.float32 and not x.requires_grad
    assert rg.tensor([rg.tensor(1), 2.5, np.float64(3)]).dtype == rg.float64
    y = rg.tensor(a)
    assert y.is_leaf and not y.requires_grad and not np.shares_memory(y.numpy(), a.detach().numpy())
    assert rg.tensor([[rg.tensor(1), rg.tensor(2)], [3, 4]]).tolist() == [[1, 2], [3, 4]]


def test_tensor_of_the_other_byte_order_and_of_foreign_arrays():
    assert rg.tensor(np.array([1, 2], dtype=">i4")).tolist() == [1, 2]
    assert rg.tensor(torch.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]

    class Series:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3.0)

    assert rg.tensor(Series()).tolist() == [0.0, 1.0, 2.0]


TENSOR_ERRORS = [
    ([[1], [1, 2]], ValueError, r"expected sequence of length 1 at dim 1 \(got 2\)"),
    ([[1, 2], 3], ValueError, r"expected sequence"),
    ([[[1], [2]], [[1], [2, 3]]], ValueError, r"expected sequence of length 1 at dim 2 \(got 2\)"),
    ("abc", TypeError, r"data of type str"),
    (["a"], TypeError, r"data of type str"),
    (None, RuntimeError, r"NoneType"),
    ({1: 2}, RuntimeError, r"dict"),
    (np.array(["a"]), TypeError, r"labels first"),
    (np.array([None]), TypeError, r"object array"),
    (2**70, ValueError, r"overflow"),
    ([2**70], ValueError, r"overflow"),
]


@pytest.mark.parametrize("data, error, match", TENSOR_ERRORS, ids=range(len(TENSOR_ERRORS)))
def test_tensor_refuses_what_is_no_array(data, error, match):
    with pytest.raises(error, match=match):
        rg.tensor(data)


def test_sharing_and_copying():
    a = np.zeros(3)
    x, y = rg.from_numpy(a), rg.as_tensor(a)
    a[0] = 1.0
    assert x.tolist() == y.tolist() == [1.0, 0.0, 0.0] and x.dtype == rg.float64
    assert rg.as_tensor(x) is x and rg.as_tensor(x, dtype=rg.float64) is x
    assert not np.shares_memory(rg.as_tensor(a, dtype=rg.float32).numpy(), a)
    record = np.ones(2).view(np.recarray)
    assert type(rg.from_numpy(record).numpy()) is np.ndarray and np.shares_memory(rg.from_numpy(record).numpy(), record)
    p = rg.ones(2, requires_grad=True)
    assert (rg.as_tensor(p, dtype=rg.float64) * 2).requires_grad
    with pytest.raises(TypeError, match=r"expected np.ndarray \(got list\)"):
        rg.from_numpy([1])
    with pytest.raises(TypeError, match=r"longdouble|float128"):
        rg.from_numpy(np.zeros(2, dtype=np.longdouble))
    assert rg.asarray(a).numpy() is not None and np.shares_memory(rg.asarray(a).numpy(), a)
    assert not np.shares_memory(rg.asarray(a, copy=True).numpy(), a)
    with pytest.raises(ValueError, match="copy=False"):
        rg.asarray([1, 2], copy=False)
    assert rg.asarray([1.0], requires_grad=True).requires_grad


def test_creation_follows_defaults_and_arguments():
    with rg.default_dtype(rg.float64):
        assert (
            rg.zeros(1).dtype
            == rg.tensor([1.0]).dtype
            == rg.full((1,), 0.5).dtype
            == rg.arange(0.5).dtype
            == rg.float64
        )
        assert rg.tensor(1j).dtype == rg.complex128
    x = rg.zeros(2, 3, dtype=rg.int32)
    assert rg.ones_like(x).dtype == x.new_zeros(4).dtype == x.new_tensor([1.5]).dtype == rg.int32
    assert x.new_full((2,), 7, dtype=rg.float32).tolist() == [7.0, 7.0]
    assert (
        rg.ones(2, requires_grad=True).requires_grad
        and rg.full_like(x, 2.0, dtype=rg.float16, requires_grad=True).is_leaf
    )
    assert rg.zeros(2, layout=rg.strided, device="cpu", pin_memory=True).device == rg.device("cpu")
    out = rg.ones(3)
    assert rg.zeros(3, out=out) is out and out.tolist() == [0.0] * 3
    assert rg.arange(3, out=rg.empty(0, dtype=rg.int64)).tolist() == [0, 1, 2]
    f = rg.zeros(2, 3).t()
    assert rg.empty_like(f).stride() == torch.empty_like(torch.zeros(2, 3).t()).stride()
    with pytest.raises(NotImplementedError, match="channels_last"):
        rg.zeros_like(x, memory_format="channels_last")
    with pytest.raises(RuntimeError):
        rg.zeros(2, dtype=rg.int64, requires_grad=True)


@pytest.mark.parametrize(
    "args", [(5,), (1, 6), (0, 1, 0.1), (5, 0, -2), (1.5, 7), (0, -1, -0.3), (3, 3), (2**40, 2**40 + 3)]
)
def test_arange_like_torch(args):
    for dtype in (None, "float64", "int64", "int32", "float16"):
        if dtype == "int32" and 0 < abs(args[-1]) < 1:
            continue  # a step that is converted to 0 is refused for every integer type here, in PyTorch for int64 only
        found = []
        for lib in (rg, torch):
            try:
                found.append(lib.arange(*args, dtype=dtype and getattr(lib, dtype)))
            except (RuntimeError, ValueError):
                found.append(None)
        a, b = found
        assert (a is None) == (b is None), dtype
        if a is not None:
            assert str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


def test_linspace_ends_are_exact():
    for n in range(7):
        a, b = (lib.linspace(-0.3, 7.1, n, dtype=lib.float64).tolist() for lib in (rg, torch))
        assert a == b
        i, j = (lib.linspace(0, 10, n, dtype=lib.int64).tolist() for lib in (rg, torch))
        assert i == j
