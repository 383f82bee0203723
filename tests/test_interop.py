"""NumPy interop: the graph is kept, dtypes stay, memory is shared where it is said to be."""

import copy
import pickle

import numpy as np
import pytest

import retrograd as rg


def leaf(dtype="float32"):
    return rg.tensor(np.array([0.5, 1.5], dtype=dtype), requires_grad=True)


@pytest.mark.parametrize(
    "f",
    [
        lambda t: np.ones(2) * t,
        lambda t: np.ones(2) + t,
        lambda t: np.ones(2) - t,
        lambda t: np.ones(2) / t,
        lambda t: np.full(2, 2.0) ** t,
        lambda t: np.float64(2) * t,
        lambda t: np.float32(2) - t,
        lambda t: np.sum(t),
        lambda t: np.mean(t),
        lambda t: np.exp(t),
        lambda t: np.multiply(t, 3),
        lambda t: np.ones((3, 2)) @ t,
        lambda t: np.add.reduce(t),
        lambda t: np.maximum(t, 1.0),
        lambda t: np.concatenate([t, np.ones(1)]),
        lambda t: np.stack([t, t]),
        lambda t: np.reshape(t, (2, 1)),
        lambda t: np.transpose(t),
    ],
)
def test_numpy_functions_keep_the_graph(f):
    t = leaf("float64")
    out = f(t)
    assert isinstance(out, rg.Tensor) and out.requires_grad
    np.testing.assert_allclose(out.detach().numpy(), f(t.detach().numpy().copy()), rtol=1e-12)
    out.sum().backward()
    assert t.grad is not None and np.isfinite(t.grad.numpy()).all()


def test_scalars_are_weak_and_float32_stays():
    t = leaf()
    for out in (t * 2.5, 2.5 * t, t * np.float64(2), np.float64(2) * t, t + np.int64(1), 1 - t, t / 3, t**2, np.exp(t)):
        assert out.dtype == rg.float32
    assert (t * rg.tensor(2.0, dtype=rg.float64)).dtype == rg.float32  # 0-d tensors are weak too
    assert (t * np.ones(2)).dtype == rg.float64  # arrays are not


def test_an_array_on_the_left_of_an_in_place_operator_is_refused():
    a, t = np.ones(2), leaf()
    with pytest.raises(TypeError, match="would lose the graph"):
        a *= t
    with pytest.raises(TypeError, match="would lose the graph"):
        np.add(t, t, out=np.empty(2))
    assert a.tolist() == [1.0, 1.0]


def test_unknown_functions_name_the_way_out():
    with pytest.raises(TypeError, match=r"np.cbrt has no retrograd equivalent.*detach\(\)"):
        np.cbrt(leaf())
    with pytest.raises(TypeError, match=r"np.interp has no retrograd equivalent"):
        np.interp(leaf(), np.ones(2), np.ones(2))


def test_memory():
    a = np.zeros(3)
    shared, copied = rg.from_numpy(a), rg.tensor(a)
    a[0] = 7
    assert shared[0].item() == 7 and copied[0].item() == 0
    assert np.shares_memory(shared.numpy(), a) and np.shares_memory(np.asarray(shared), a)
    assert np.asarray(shared, dtype="f4").dtype == np.float32
    t = leaf()
    assert not t.numpy().flags.writeable and not np.asarray(t).flags.writeable
    assert t.detach().numpy().flags.writeable
    with pytest.raises(ValueError, match="copy"):
        np.array(shared, dtype="f4", copy=False)


def test_reversed_slices_are_views():
    x = rg.arange(6, dtype=rg.float64)
    v = x[::-1]
    assert np.shares_memory(v.numpy(), x.numpy()) and v.tolist() == [5, 4, 3, 2, 1, 0]
    w = rg.ones(2, 4, requires_grad=True)
    y = w * 1
    y[..., ::-2].mul_(3)
    y.sum().backward()
    assert w.grad.tolist() == [[1, 3, 1, 3]] * 2


def test_python_protocols():
    t = rg.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert len(t) == 2 and [r.tolist() for r in t] == [[1.0, 2.0], [3.0, 4.0]]
    assert 3.0 in t and 9.0 not in t
    assert float(rg.tensor(2)) == 2.0 and int(rg.tensor(2.7)) == 2 and [10, 20][rg.tensor(1)] == 20
    assert f"{rg.tensor(0.123456):.2f}" == "0.12"
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(t)
    with pytest.raises(TypeError):
        iter(rg.tensor(1.0))
    assert {t: 1}[t] == 1


def test_copies_and_pickles_keep_dtype_flag_and_values():
    for t in (leaf(), rg.nn.Parameter(rg.ones(2)), rg.ones(2, dtype=rg.bfloat16)):
        for u in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
            assert type(u) is type(t) and u.dtype is t.dtype and u.requires_grad == t.requires_grad
            assert u.tolist() == t.tolist() and not np.shares_memory(u.detach().numpy(), t.detach().numpy())
    with pytest.raises(RuntimeError, match="only leaves"):
        copy.deepcopy(leaf() * 2)


def test_repr_equals_pytorchs():
    torch = pytest.importorskip("torch", reason="PyTorch is the reference of the printed text")
    r = np.random.default_rng(0)
    arrays = [
        np.array(1.5, "f4"), np.arange(5), np.zeros((0, 3), "f4"), r.normal(size=(2, 3)), r.normal(size=40).astype("f4"),
        np.array([1e-6, 1.0], "f4"), np.array([1e10, 1.0], "f4"), np.array([np.nan, np.inf, -1.0], "f4"),
        np.array([True, False]), np.arange(2000, dtype="f4"), np.arange(4000.0).reshape(2, 40, 50),
        np.array([1 + 2j, -0.5j]), np.arange(24).reshape(2, 3, 4), np.array([1.0, 2.0, 3.0], "f4"),
        np.array([100000.0, 0.5], "f4"), np.array([], "f4"), np.array([0.0, 0.0]), np.int32(7) * np.ones((2, 2), "i4"),
    ]  # fmt: skip
    for a in arrays:
        want = repr(torch.from_numpy(a.copy())).replace("torch.", "retrograd.")
        assert repr(rg.tensor(a)) == want
    x = rg.tensor(arrays[3].astype("f4"), requires_grad=True)
    want = repr(torch.tensor(arrays[3].astype("f4"), requires_grad=True)).replace("torch.", "retrograd.")
    assert repr(x) == want
    assert "grad_fn=<MulBackward0>" in repr(x * 2)
    assert "<table>" in x._repr_html_() and "requires_grad" in x._repr_html_()
