"""Pruning: masks and names as in PyTorch, one on top of another, several parameters at once, removal, errors."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.nn.utils import prune

torch = pytest.importorskip("torch", reason="the comparison needs torch")
theirs = pytest.importorskip("torch.nn.utils.prune", reason="the comparison needs torch")


def pair(make=lambda lib: lib.nn.Conv2d(4, 6, 3)):
    their, our = make(torch).double(), make(rg).double()
    our.load_state_dict({k: rg.tensor(v.detach().numpy().copy()) for k, v in their.state_dict().items()})
    return our, their


def same(our, their, x=(2, 4, 5, 5)):
    assert [n for n, _ in our.named_parameters()] == [n for n, _ in their.named_parameters()]
    assert list(our.state_dict()) == list(their.state_dict())
    for key, value in their.state_dict().items():
        np.testing.assert_array_equal(our.state_dict()[key].numpy(), value.numpy(), err_msg=key)
    a = np.random.default_rng(0).standard_normal(x)
    out, want = our(rg.tensor(a)), their(torch.tensor(a))
    np.testing.assert_allclose(out.detach().numpy(), want.detach().numpy(), atol=1e-12)
    (out**2).sum().backward()
    (want**2).sum().backward()
    for (n, p), q in zip(our.named_parameters(), their.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), atol=1e-10, err_msg=n)


STEPS = {
    "identity": lambda p, m, lib: p.identity(m, "weight"),
    "l1": lambda p, m, lib: p.l1_unstructured(m, "weight", 0.3),
    "l1_count": lambda p, m, lib: p.l1_unstructured(m, "bias", amount=2),
    "l1_nothing": lambda p, m, lib: p.l1_unstructured(m, "weight", amount=0.0),
    "l1_scores": lambda p, m, lib: p.l1_unstructured(
        m, "weight", 0.4, importance_scores=lib.tensor(np.random.default_rng(1).standard_normal(tuple(m.weight.shape)))
    ),
    "ln": lambda p, m, lib: p.ln_structured(m, "weight", 0.5, n=2, dim=0),
    "ln_inf": lambda p, m, lib: p.ln_structured(m, "weight", 1, n=float("inf"), dim=1),
    "ln_negative": lambda p, m, lib: p.ln_structured(m, "weight", 0.4, n=1, dim=-1),
    "ln_nothing": lambda p, m, lib: p.ln_structured(m, "weight", 0, n=1, dim=2),
    "mask": lambda p, m, lib: p.custom_from_mask(m, "bias", lib.tensor([1, 0, 1, 1, 0, 1])),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(STEPS))
def test_one_method(name):
    our, their = pair()
    assert STEPS[name](prune, our, rg) is our
    STEPS[name](theirs, their, torch)
    assert prune.is_pruned(our) and prune.is_pruned(nn.Sequential(our))
    same(our, their)


@pytest.mark.parametrize("second", sorted(STEPS))
@pytest.mark.parametrize("first", ["l1", "ln", "mask", "identity"])
def test_one_on_top_of_another(first, second):
    our, their = pair()
    for step in (first, second, "l1"):
        STEPS[step](prune, our, rg)
        STEPS[step](theirs, their, torch)
    same(our, their)
    container = next(h for h in our._forward_pre_hooks.values() if h._tensor_name == "weight")
    want = next(h for h in their._forward_pre_hooks.values() if h._tensor_name == "weight")
    assert type(container).__name__ == type(want).__name__
    if isinstance(container, prune.PruningContainer):
        assert [type(m).__name__ for m in container] == [type(m).__name__ for m in want]
        assert len(container) == len(want) and container[-1] is list(container)[-1]


def test_removal_keeps_the_zeros():
    our, their = pair()
    before = our.weight
    for lib, p, m in ((rg, prune, our), (torch, theirs, their)):
        STEPS["l1"](p, m, lib)
        STEPS["ln"](p, m, lib)
        assert p.remove(m, "weight") is m
    assert our.weight is before and not prune.is_pruned(our)
    assert sorted(our.state_dict()) == sorted(their.state_dict())
    np.testing.assert_array_equal(our.weight.detach().numpy(), their.weight.detach().numpy())
    with pytest.raises(ValueError, match="Parameter 'weight' of module .* has to be pruned before"):
        prune.remove(our, "weight")


def test_pruned_weights_stay_zero_while_they_train():
    rg.manual_seed(0)
    layer = prune.l1_unstructured(nn.Linear(6, 4), "weight", 0.5)
    optimizer = rg.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    for _ in range(5):
        optimizer.zero_grad()
        (layer(rg.randn(3, 6)) ** 2).sum().backward()
        optimizer.step()
    layer(rg.ones(1, 6))
    assert bool((layer.weight[layer.weight_mask == 0] == 0).all()) and int((layer.weight == 0).sum()) == 12
    assert bool((layer.weight_orig.grad[layer.weight_mask == 0] == 0).all())


@pytest.mark.parametrize("amount", [0.25, 5])
def test_random_methods_prune_as_many_as_asked(amount):
    rg.manual_seed(0)
    masks = []
    for _ in range(4):
        layer = prune.random_unstructured(nn.Linear(5, 4), "weight", amount)
        masks.append(layer.weight_mask.numpy())
        assert (masks[-1] == 0).sum() == 5
        prune.random_unstructured(layer, "weight", amount)  # of the 15 that are left
        assert int((layer.weight_mask == 0).sum()) == 5 + (4 if amount == 0.25 else 5)
    assert len({m.tobytes() for m in masks}) > 1
    for dim, size in ((0, 4), (1, 5), (-1, 5)):
        layer = prune.random_structured(nn.Linear(5, 4), "weight", 2, dim)
        gone = (layer.weight_mask == 0).all(1 if dim == 0 else 0)
        assert int(gone.sum()) == 2 and int((layer.weight_mask == 0).sum()) == 2 * (20 // size)


def test_several_parameters_as_one():
    make = lambda lib: lib.nn.Sequential(lib.nn.Linear(4, 8), lib.nn.Linear(8, 3))
    our, their = pair(make)
    for _ in range(2):
        for p, m in ((prune, our), (theirs, their)):
            p.global_unstructured([(m[0], "weight"), (m[1], "weight"), (m[1], "bias")], p.L1Unstructured, amount=0.3)
    same(our, their, (2, 4))
    scores = {}
    our, their = pair(make)
    for lib, p, m in ((rg, prune, our), (torch, theirs, their)):
        scores = {(m[0], "weight"): lib.tensor(np.arange(32.0).reshape(8, 4) + 100)}
        p.global_unstructured(
            ((m[0], "weight"), (m[1], "weight")), p.L1Unstructured, importance_scores=scores, amount=24
        )
    assert bool((our[1].weight == 0).all()) and bool((our[0].weight != 0).all())
    same(our, their, (2, 4))


def test_methods_work_on_tensors():
    t = rg.tensor([[1.0, -2.0], [3.0, -0.5]])
    method = prune.L1Unstructured(2)
    assert method.prune(t).tolist() == [[0, -2], [3, 0]]
    assert method.prune(t, importance_scores=rg.tensor([[9.0, 1.0], [2.0, 7.0]])).tolist() == [[1, 0], [0, -0.5]]
    assert prune.LnStructured(1, 2, 0).prune(t, default_mask=rg.ones(2, 2)).tolist() == [[0, 0], [3, -0.5]]
    with pytest.raises(AssertionError, match="importance_scores should have the same shape as tensor t"):
        method.prune(t, importance_scores=rg.ones(2))


def test_a_method_of_ones_own():
    class Rows(prune.BasePruningMethod):
        PRUNING_TYPE = "structured"

        def compute_mask(self, t, default_mask):
            mask = default_mask.clone()
            mask[0] = 0
            return mask

    layer = nn.Linear(2, 3)
    Rows.apply(layer, "weight")
    with pytest.raises(AttributeError, match="need to have the attribute `dim`"):
        Rows.apply(layer, "weight")

    class Odd(Rows):
        PRUNING_TYPE = "odd"

    layer = prune.identity(nn.Linear(2, 3), "weight")
    with pytest.raises(ValueError, match="Unrecognized PRUNING_TYPE odd"):
        Odd.apply(layer, "weight")
    with pytest.raises(TypeError, match="abstract"):
        prune.BasePruningMethod()


def test_errors():
    layer = nn.Linear(3, 2)
    for call, kind, text in (
        (lambda: prune.l1_unstructured(layer, "weight", 1.5), ValueError, "float in the range"),
        (lambda: prune.l1_unstructured(layer, "weight", -1), ValueError, "non-negative integer"),
        (lambda: prune.l1_unstructured(layer, "weight", "all"), TypeError, "Must be int or float"),
        (lambda: prune.l1_unstructured(layer, "weight", 7), ValueError, "smaller than the number of parameters"),
        (lambda: prune.random_structured(layer, "bias", 1, 0), ValueError, "multidimensional"),
        (lambda: prune.ln_structured(layer, "weight", 1, 2, 2), IndexError, "Invalid index 2"),
        (lambda: prune.custom_from_mask(layer, "weight", rg.ones(2)), AssertionError, "must match self.mask shape"),
        (lambda: prune.l1_unstructured(layer, "weight", 1, rg.ones(2)), AssertionError, "same shape as parameter weight"),
        (lambda: prune.global_unstructured(3, prune.L1Unstructured, amount=1), TypeError, "not an Iterable"),
        (lambda: prune.global_unstructured([], prune.L1Unstructured, [1], amount=1), TypeError, "must be of type dict"),
        (
            lambda: prune.global_unstructured([(layer, "weight")], prune.LnStructured, amount=1, n=1),
            TypeError, 'Only "unstructured" PRUNING_TYPE',
        ),
    ):  # fmt: skip
        with pytest.raises(kind, match=text):
            call()
        assert [n for n, _ in layer.named_parameters()] in (["weight", "bias"], ["bias", "weight"]), text
        assert not layer._forward_pre_hooks and not layer._buffers
    container = prune.PruningContainer(prune.L1Unstructured.apply(layer, "weight", 1))
    other = prune.L1Unstructured.apply(layer, "bias", 1)
    with pytest.raises(ValueError, match="Can only add pruning methods acting on the parameter named 'weight'"):
        container.add_pruning_method(other)
    with pytest.raises(TypeError, match="is not a BasePruningMethod subclass"):
        container.add_pruning_method(3)


def test_copies_and_states():
    layer = prune.ln_structured(nn.Linear(4, 4), "weight", 2, 2, 0)
    x = rg.ones(1, 4)
    with pytest.raises(RuntimeError, match="only leaves can be copied"):  # the pruned weight is computed; as in PyTorch
        copy.deepcopy(layer)
    fresh = prune.identity(nn.Linear(4, 4), "weight")
    fresh.load_state_dict(layer.state_dict())
    assert fresh(x).tolist() == layer(x).tolist()
