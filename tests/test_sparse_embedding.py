"""Tables with sparse gradients: what embedding gives, how gradients add up, and training, all against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

torch = pytest.importorskip("torch", reason="compares with PyTorch, which is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # PyTorch's, once a process

TABLE = np.random.default_rng(0).normal(size=(6, 3))
IDS = np.array([[1, 2, 2], [5, 0, 1]])
SCALE = np.random.default_rng(1).uniform(0.5, 1.5, (2, 3, 3))


def both(f):
    """f(library, table, ids) for PyTorch and for retrograd."""
    found = []
    for lib in (torch, rg):
        found.append(f(lib, lib.tensor(TABLE, requires_grad=True), lib.tensor(IDS)))
    return found


def same(a, b):
    """Equal sparse gradients, element by element as they are stored."""
    assert a.is_sparse and b.is_sparse and a.is_coalesced() == b.is_coalesced() and tuple(a.shape) == tuple(b.shape)
    np.testing.assert_array_equal(a._indices().numpy(), b._indices().numpy())
    np.testing.assert_allclose(a._values().numpy(), b._values().numpy(), rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}, {"padding_idx": -1}, {"max_norm": 1.0}])
def test_the_gradient_is_that_of_pytorch(options):
    def f(lib, w, ids):
        w = w.detach().clone().requires_grad_()
        out = lib.nn.functional.embedding(ids, w, sparse=True, **options)
        (out * lib.tensor(SCALE)).sum().backward()
        return w.grad

    same(*both(f))


def test_gradients_add_up_as_in_pytorch():
    def f(lib, w, ids):
        look = lambda: (lib.nn.functional.embedding(ids, w, sparse=True) ** 2).sum()
        (look() + look()).backward()
        once = w.grad.coalesce().to_dense().clone()
        look().backward()
        twice = w.grad.coalesce().to_dense().clone()
        w.grad = None
        (look() + w.sum()).backward()
        mixed = w.grad.clone()
        look().backward()
        later = w.grad.clone()
        w.grad = None
        look().backward()
        (w * 2).sum().backward()
        return [once, twice, mixed, later, w.grad]

    for a, b in zip(*both(f), strict=True):
        assert not a.is_sparse and b.layout is rg.strided
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-12)


def test_a_dense_gradient_stays_the_same_tensor():
    w = rg.tensor(TABLE, requires_grad=True)
    w.sum().backward()
    held = w.grad
    rg.nn.functional.embedding(rg.tensor([1, 1]), w, sparse=True).sum().backward()
    assert w.grad is held and held[:, 0].tolist() == [1, 3, 1, 1, 1, 1]


def test_the_gradient_owns_its_memory():
    w = rg.tensor(TABLE, requires_grad=True)
    out = rg.nn.functional.embedding(rg.tensor([1, 2]), w, sparse=True)
    g = rg.ones(2, 3, dtype=rg.float64)
    out.backward(g)
    g.zero_()
    assert w.grad._values().tolist() == [[1.0] * 3] * 2


def test_by_grad_and_for_given_inputs():
    def f(lib, w, ids):
        look = lambda: (lib.nn.functional.embedding(ids, w, sparse=True) ** 2).sum()
        (g,) = lib.autograd.grad(look(), w)
        look().backward(inputs=[w])
        return g, w.grad

    for a, b in zip(*both(f), strict=True):
        same(a, b)


def test_hooks_see_and_change_sparse_gradients():
    def f(lib, w, ids):
        seen = []
        w.register_hook(lambda g: seen.append(g.is_sparse) or g * 2)
        w.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.is_sparse))
        lib.nn.functional.embedding(ids, w, sparse=True).sum().backward()
        assert seen == [True, True]
        return w.grad

    same(*both(f))


def test_a_table_that_is_no_leaf_has_a_dense_gradient():
    w = rg.tensor(TABLE, requires_grad=True)
    rg.nn.functional.embedding(rg.tensor(IDS), w * 2, sparse=True).sum().backward()
    assert w.grad.layout is rg.strided and w.grad[:, 0].tolist() == [2, 4, 4, 0, 0, 2]


def test_transforms_of_a_sparse_lookup():
    f = lambda w, i: (rg.nn.functional.embedding(i, w, sparse=True) ** 2).sum()
    w, ids = rg.tensor(TABLE), rg.tensor(IDS)
    expected = rg.func.grad(lambda w, i: (rg.nn.functional.embedding(i, w) ** 2).sum())(w, ids)
    found = rg.func.grad(f)(w, ids)
    np.testing.assert_allclose((found.to_dense() if found.is_sparse else found).numpy(), expected.numpy())
    rows = rg.func.vmap(rg.func.grad(f), in_dims=(None, 0))(w, ids)
    assert rows.shape == (2, 6, 3)
    np.testing.assert_allclose(rows.sum(0).numpy(), expected.numpy())


def test_anomaly_detection_lets_it_pass():
    w = rg.tensor(TABLE, requires_grad=True)
    with rg.autograd.detect_anomaly():
        rg.nn.functional.embedding(rg.tensor(IDS), w, sparse=True).sum().backward()
    assert w.grad.is_sparse


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("padding", [None, 2])
def test_bags(mode, padding):
    def f(lib, w, ids):
        bag = lib.nn.functional.embedding_bag(ids, w, mode=mode, sparse=True, padding_idx=padding)
        (bag * lib.tensor(SCALE[:, 0])).sum().backward()
        return w.grad.coalesce().to_dense()

    theirs, mine = both(f)
    np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-12)


def test_what_does_not_go_together():
    w, ids = rg.tensor(TABLE, requires_grad=True), rg.tensor(IDS)
    with pytest.raises(NotImplementedError, match="scale_grad_by_freq"):
        rg.nn.functional.embedding(ids, w, scale_grad_by_freq=True, sparse=True)
    for option in ("sparse", "scale_grad_by_freq"):
        for lib in (torch, rg):
            with pytest.raises(ValueError, match="max"):
                args = (lib.tensor(IDS), lib.tensor(TABLE, requires_grad=True))
                lib.nn.functional.embedding_bag(*args, mode="max", **{option: True})


MODELS = {
    "Embedding": lambda lib: lib.nn.Embedding(6, 3, sparse=True),
    "Embedding with padding": lambda lib: lib.nn.Embedding(6, 3, padding_idx=2, sparse=True),
    "EmbeddingBag": lambda lib: lib.nn.EmbeddingBag(6, 3, sparse=True, mode="sum"),
    "from_pretrained": lambda lib: lib.nn.Embedding.from_pretrained(lib.tensor(TABLE), freeze=False, sparse=True),
}
OPTIMIZERS = {
    "Adagrad": lambda lib, ps: lib.optim.Adagrad(ps, lr=0.1),
    "SGD": lambda lib, ps: lib.optim.SGD(ps, lr=0.1),
    "SGD with momentum": lambda lib, ps: lib.optim.SGD(ps, lr=0.02, momentum=0.9),
    "SparseAdam": lambda lib, ps: lib.optim.SparseAdam(list(ps), lr=0.1),
}


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_training_equals_pytorchs(model, optimizer):
    losses = []
    for lib in (torch, rg):
        m = MODELS[model](lib).double()
        with lib.no_grad():
            m.weight.copy_(lib.tensor(TABLE))
        opt = OPTIMIZERS[optimizer](lib, m.parameters())
        rng = np.random.default_rng(2)
        found = []
        for _ in range(8):
            opt.zero_grad()
            loss = ((m(lib.tensor(rng.integers(0, 6, (4, 2)))) - 1) ** 2).sum()
            loss.backward()
            opt.step()
            found.append(loss.item())
        losses.append((found, m.weight.detach().numpy().copy()))
    (a, w), (b, v) = losses
    np.testing.assert_allclose(b, a, rtol=1e-9)
    np.testing.assert_allclose(v, w, rtol=1e-9, atol=1e-12)
    assert a[-1] < a[0]


def test_adam_says_what_to_use_instead():
    m = nn.Embedding(4, 2, sparse=True)
    m(rg.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="SparseAdam"):
        rg.optim.Adam(m.parameters()).step()


def test_only_the_rows_that_were_used_change():
    rg.manual_seed(0)
    m = nn.Embedding(1000, 4, sparse=True)
    before = m.weight.detach().clone()
    opt = rg.optim.SparseAdam(m.parameters(), lr=0.1)
    m(rg.tensor([3, 7, 3])).sum().backward()
    opt.step()
    changed = (m.weight.detach() != before).any(1)
    assert changed.nonzero().flatten().tolist() == [3, 7]
