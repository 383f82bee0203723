"""Parametrizations, and the older weight_norm and spectral_norm: values, gradients, state and errors as in PyTorch."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.nn.utils import parametrizations, parametrize

torch = pytest.importorskip("torch", reason="the comparison needs torch")
their_parametrizations = torch.nn.utils.parametrizations
their_parametrize = torch.nn.utils.parametrize

LAYERS = {
    "Linear": ((4, 3), (2, 4)),
    "Conv1d": ((2, 4, 3), (2, 2, 6)),
    "Conv2d": ((3, 4, (2, 3)), (2, 3, 4, 5)),
    "ConvTranspose2d": ((3, 2, 2), (2, 3, 4, 4)),
    "Bilinear": ((3, 4, 2), None),
}


def pair(name, **kwargs):
    """A layer of each library, with the same weights, in double precision."""
    args, shape = LAYERS[name]
    their = getattr(torch.nn, name)(*args, **kwargs).double()
    our = getattr(nn, name)(*args, **kwargs).double()
    load(our, their)
    return our, their, shape


def load(our, their):
    our.load_state_dict({k: rg.tensor(v.detach().numpy().copy()) for k, v in their.state_dict().items()})


def same(our, their, shape, *, rounds=1, tolerance=1e-10):
    """Outputs, gradients by input and parameters, and state after several calls."""
    assert list(our.state_dict()) == list(their.state_dict())
    load(our, their)
    for i in range(rounds):
        a = np.random.default_rng(i).standard_normal(shape or (2, 3))
        x, y = rg.tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
        extra = () if shape else (np.random.default_rng(i).standard_normal((2, 4)),)
        out, want = our(x, *map(rg.tensor, extra)), their(y, *map(torch.tensor, extra))
        np.testing.assert_allclose(out.detach().numpy(), want.detach().numpy(), atol=tolerance)
        (out**2).sum().backward()
        (want**2).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), atol=tolerance * 10)
        for (n, p), (m, q) in zip(our.named_parameters(), their.named_parameters(), strict=True):
            assert n == m
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), atol=tolerance * 10, err_msg=n)
        our.zero_grad()
        their.zero_grad()
    for key, value in their.state_dict().items():
        np.testing.assert_allclose(our.state_dict()[key].numpy(), value.numpy(), atol=tolerance)


# ---------------------------------------------------------------- weight normalization
@pytest.mark.parametrize("dim", [0, 1, -1, None])
@pytest.mark.parametrize("name", sorted(LAYERS))
def test_weight_norm(name, dim):
    our, their, shape = pair(name)
    parametrizations.weight_norm(our, dim=dim)
    their_parametrizations.weight_norm(their, dim=dim)
    assert type(our).__name__ == type(their).__name__
    same(our, their, shape)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("name", ["Conv2d", "ConvTranspose2d", "Linear"])
@pytest.mark.filterwarnings("ignore:`?(torch.)?nn.utils.weight_norm:FutureWarning")
def test_old_weight_norm(name, dim):
    our, their, shape = pair(name)
    nn.utils.weight_norm(our, dim=dim)
    torch.nn.utils.weight_norm(their, dim=dim)
    same(our, their, shape)
    x = rg.ones(*shape, dtype=rg.float64)
    before = our(x)
    nn.utils.remove_weight_norm(our)
    torch.nn.utils.remove_weight_norm(their)
    assert sorted(our.state_dict()) == sorted(their.state_dict())
    np.testing.assert_allclose(our(x).detach().numpy(), before.detach().numpy(), atol=1e-12)
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found"):
        nn.utils.remove_weight_norm(our)


def test_old_weight_norm_warns_and_refuses_a_second():
    layer = nn.Linear(2, 2)
    with pytest.warns(FutureWarning, match="parametrizations.weight_norm"):
        nn.utils.weight_norm(layer)
    with pytest.warns(FutureWarning), pytest.raises(RuntimeError, match="two weight_norm hooks on the same parameter"):
        nn.utils.weight_norm(layer)
    with pytest.warns(FutureWarning), pytest.raises(ValueError, match="uninitialized parameters"):
        nn.utils.weight_norm(nn.LazyLinear(2))


@pytest.mark.filterwarnings("ignore:`?(torch.)?nn.utils.weight_norm:FutureWarning")
def test_state_of_the_old_weight_norm_loads_into_the_new():
    old = nn.utils.weight_norm(nn.Linear(3, 4))
    new = parametrizations.weight_norm(nn.Linear(3, 4))
    new.load_state_dict(old.state_dict())
    x = rg.ones(2, 3)
    np.testing.assert_allclose(new(x).detach().numpy(), old(x).detach().numpy(), rtol=1e-6)


# ---------------------------------------------------------------- spectral normalization
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kwargs", [{}, {"n_power_iterations": 3}, {"dim": 1, "eps": 1e-6}])
@pytest.mark.parametrize("name", sorted(LAYERS))
def test_spectral_norm(name, kwargs, training):
    our, their, shape = pair(name)
    parametrizations.spectral_norm(our, **kwargs)
    their_parametrizations.spectral_norm(their, **kwargs)
    our.train(training)
    their.train(training)
    same(our, their, shape, rounds=3)


def test_spectral_norm_of_a_vector():
    our, their, shape = pair("Linear")
    parametrizations.spectral_norm(our, "bias")
    their_parametrizations.spectral_norm(their, "bias")
    same(our, their, shape)
    assert our.bias.norm().item() == pytest.approx(1)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kwargs", [{}, {"n_power_iterations": 2, "dim": 1}])
@pytest.mark.parametrize("name", ["Linear", "Conv2d", "ConvTranspose2d"])
def test_old_spectral_norm(name, kwargs, training):
    our, their, shape = pair(name)
    nn.utils.spectral_norm(our, **kwargs)
    torch.nn.utils.spectral_norm(their, **kwargs)
    our.train(training)
    their.train(training)
    same(our, their, shape, rounds=3)
    our.eval()
    x = rg.ones(*shape, dtype=rg.float64)
    before = our(x)
    nn.utils.remove_spectral_norm(our)
    assert not our._forward_pre_hooks and not our._state_dict_hooks and not our._load_state_dict_pre_hooks
    np.testing.assert_allclose(our(x).detach().numpy(), before.detach().numpy(), atol=1e-12)
    with pytest.raises(ValueError, match="spectral_norm of 'weight' not found"):
        nn.utils.remove_spectral_norm(our)


def test_spectral_norm_converges_to_one():
    rg.manual_seed(0)
    for make in (parametrizations.spectral_norm, nn.utils.spectral_norm):
        layer = make(nn.Linear(6, 5).double(), n_power_iterations=200)
        layer(rg.ones(1, 6, dtype=rg.float64))
        assert rg.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=1e-8)


def test_spectral_norm_trains_through_two_calls_before_backward():
    """The buffers move at every call: what the first saved must not change under its backward."""
    for make in (parametrizations.spectral_norm, nn.utils.spectral_norm):
        layer = make(nn.Linear(3, 3))
        (layer(rg.ones(1, 3)) + layer(rg.zeros(1, 3))).sum().backward()
        assert all(p.grad is not None for p in layer.parameters())


def test_spectral_norm_errors():
    for make in (parametrizations.spectral_norm, nn.utils.spectral_norm):
        with pytest.raises(ValueError, match="n_power_iterations to be positive"):
            make(nn.Linear(2, 2), n_power_iterations=0)
    with pytest.raises(IndexError, match="Dimension out of range"):
        parametrizations.spectral_norm(nn.Linear(2, 2), dim=3)
    with pytest.raises(ValueError, match="no parameter or buffer with name 'w'"):
        parametrizations.spectral_norm(nn.Linear(2, 2), "w")
    layer = nn.utils.spectral_norm(nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="two spectral_norm hooks"):
        nn.utils.spectral_norm(layer)
    with pytest.raises(ValueError, match="uninitialized"):
        nn.utils.spectral_norm(nn.LazyLinear(2))


def test_old_spectral_norm_reads_states_from_before_its_first_version():
    """They hold the weight instead of v; v follows from it."""
    layer = nn.utils.spectral_norm(nn.Linear(5, 4).double(), n_power_iterations=50)
    layer(rg.ones(1, 5, dtype=rg.float64))
    layer.eval()
    x = rg.ones(2, 5, dtype=rg.float64)
    want = layer(x)
    state = dict(layer.state_dict())
    state["weight"] = layer.weight.detach()
    del state["weight_v"]
    fresh = nn.utils.spectral_norm(nn.Linear(5, 4).double()).eval()
    fresh.load_state_dict(state)
    np.testing.assert_allclose(fresh(x).detach().numpy(), want.detach().numpy(), atol=1e-8)


# ---------------------------------------------------------------- register_parametrization
def symmetric(lib):
    class Symmetric(lib.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).mT

        def right_inverse(self, x):
            return x.triu()

    return Symmetric()


def exponential(lib):
    class Exponential(lib.nn.Module):
        def forward(self, x):
            return x.exp()

        def right_inverse(self, x):
            return x.log()

    return Exponential()


def rank_one(lib):
    """Made from two tensors."""

    class RankOne(lib.nn.Module):
        def forward(self, u, v):
            return u.unsqueeze(1) * v.unsqueeze(0)

        def right_inverse(self, x):
            return x[:, 0].clone(), x[0] / x[0, 0]

    return RankOne()


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


@pytest.mark.parametrize("makers", [(symmetric,), (symmetric, exponential), (rank_one,), (rank_one, symmetric)])
def test_chains(makers):
    our, their = nn.Linear(3, 3).double(), torch.nn.Linear(3, 3).double()
    with torch.no_grad():
        their.weight.abs_()
    load(our, their)
    for make in makers:
        parametrize.register_parametrization(our, "weight", make(rg))
        their_parametrize.register_parametrization(their, "weight", make(torch))
    np.testing.assert_allclose(our.weight.detach().numpy(), their.weight.detach().numpy(), atol=1e-12)
    assert repr(our).replace("retrograd", "torch") == repr(their)
    same(our, their, (2, 3))
    parametrize.remove_parametrizations(our, "weight")
    their_parametrize.remove_parametrizations(their, "weight")
    assert type(our) is nn.Linear and [n for n, _ in our.named_parameters()] == [n for n, _ in their.named_parameters()]
    np.testing.assert_allclose(our.weight.detach().numpy(), their.weight.detach().numpy(), atol=1e-12)


def test_assignment_goes_through_the_inverse():
    layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", symmetric(rg))
    value = rg.ones(3, 3)
    layer.weight = value
    assert layer.parametrizations.weight.original.tolist() == value.triu().tolist()
    assert layer.weight.tolist() == value.tolist()
    other = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Doubled())
    with pytest.raises(RuntimeError, match="Doubled does not implement right_inverse"):
        other.weight = value


def test_originals_are_what_trains():
    layer = nn.Linear(3, 3)
    before = layer.weight
    parametrize.register_parametrization(layer, "weight", symmetric(rg))
    assert layer.parametrizations.weight.original is before
    assert "weight" not in layer._parameters
    layer(rg.ones(1, 3)).sum().backward()
    assert before.grad is not None
    assert parametrize.is_parametrized(layer) and parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias") and not parametrize.is_parametrized(nn.ReLU())
    assert (
        parametrize.type_before_parametrizations(layer)
        is nn.Linear
        is parametrize.type_before_parametrizations(nn.Linear(1, 1))
    )


def test_buffers_and_frozen_parameters():
    m = nn.Module()
    m.register_buffer("scale", rg.ones(2, 2))
    parametrize.register_parametrization(m, "scale", Doubled())
    assert m.scale.tolist() == [[2.0, 2.0]] * 2 and list(m.state_dict()) == ["parametrizations.scale.original"]
    assert not list(m.parameters())
    parametrize.remove_parametrizations(m, "scale")
    assert "scale" in m._buffers and m.scale.tolist() == [[2.0, 2.0]] * 2
    layer = nn.Linear(2, 2)
    layer.weight.requires_grad_(False)
    parametrizations.weight_norm(layer)
    assert not layer.parametrizations.weight.original0.requires_grad


def test_the_mode_of_the_module_is_that_of_the_parametrization():
    layer = nn.Linear(2, 2).eval()
    given = nn.Dropout(0.5)
    parametrize.register_parametrization(layer, "weight", given)
    assert not given.training
    layer.train()
    assert given.training


def test_removal_may_leave_the_original():
    layer = nn.Linear(2, 2)
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert layer.weight.tolist() == (2 * before).tolist()
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert layer.weight.tolist() == before.tolist()
    assert isinstance(layer.weight, nn.Parameter)
    parametrize.register_parametrization(layer, "weight", rank_one(rg))
    with pytest.raises(ValueError, match="in terms of a sequence of tensors"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    with pytest.raises(ValueError, match="does not have a parametrization on bias"):
        parametrize.remove_parametrizations(layer, "bias")


def test_several_tensors_of_a_module():
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.register_parametrization(layer, "bias", Doubled())
    kind = type(layer)
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is kind and parametrize.is_parametrized(layer, "bias")
    parametrize.remove_parametrizations(layer, "bias")
    assert type(layer) is nn.Linear and not hasattr(layer, "parametrizations")


def test_cached_computes_once_and_only_inside():
    calls = []

    class Counting(nn.Module):
        def forward(self, x):
            calls.append(1)
            return x * 1

    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Counting())
    calls.clear()
    with parametrize.cached():
        with parametrize.cached():
            assert layer.weight is layer.weight
        assert layer.weight is layer.weight
        elsewhere = []
        thread = threading.Thread(target=lambda: elsewhere.append(layer.weight is layer.weight))
        thread.start()
        thread.join()
    assert len(calls) == 3 and elsewhere == [False]  # one here, two in the thread, which has no cache
    assert layer.weight is not layer.weight


def test_copies():
    layer = parametrizations.weight_norm(nn.Linear(3, 2))
    twin = copy.deepcopy(layer)
    assert twin.weight.tolist() == layer.weight.tolist()
    with rg.no_grad():
        twin.parametrizations.weight.original0.mul_(2)
    assert twin.weight.tolist() != layer.weight.tolist()
    assert parametrize.is_parametrized(twin) and parametrize.type_before_parametrizations(twin) is nn.Linear
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        pickle.dumps(layer)
    again = parametrizations.weight_norm(nn.Linear(3, 2))
    again.load_state_dict(layer.state_dict())
    assert again.weight.tolist() == layer.weight.tolist()


def test_transfer():
    a = nn.Linear(3, 3)
    parametrize.register_parametrization(a, "weight", symmetric(rg))
    parametrize.register_parametrization(a, "bias", Doubled())
    b = parametrize.transfer_parametrizations_and_params(a, nn.Linear(3, 3))
    assert b.weight.tolist() == a.weight.tolist() and b.bias.tolist() == a.bias.tolist()
    assert b.parametrizations.weight.original is a.parametrizations.weight.original
    c = parametrize.transfer_parametrizations_and_params(a, nn.Linear(3, 3), "weight")
    assert parametrize.is_parametrized(c, "weight") and not parametrize.is_parametrized(c, "bias")
    assert parametrize.transfer_parametrizations_and_params(nn.ReLU(), c) is c


@pytest.mark.parametrize(
    ("forward", "inverse", "text"),
    [
        (lambda x: 1.0, None, "must return a tensor"),
        (lambda x: x.double(), None, "may not change the dtype"),
        (lambda x: x[0], None, "may not change the shape"),
        (lambda x: x, lambda x: 1.0, "'right_inverse' must return a Tensor or a Sequence"),
        (lambda x: x, lambda x: [1.0], "Got element 0 of the sequence with type float"),
        (lambda x: x, lambda x: x.double(), "it may not change the dtype"),
    ],
)
def test_refused(forward, inverse, text):
    m = nn.Module()
    m.forward = forward
    if inverse is not None:
        m.right_inverse = inverse
    layer = nn.Linear(2, 2)
    before = layer.weight
    with pytest.raises(ValueError, match=text):
        parametrize.register_parametrization(layer, "weight", m)
    assert layer.weight is before and type(layer) is nn.Linear
    parametrize.register_parametrization(layer, "weight", Doubled())
    if inverse is None:
        with pytest.raises(ValueError, match=text):
            parametrize.register_parametrization(layer, "weight", m)


def test_unknown_names_are_refused():
    with pytest.raises(
        ValueError, match="does not have a parameter, a buffer, or a parametrized element with name 'w'"
    ):
        parametrize.register_parametrization(nn.Linear(2, 2), "w", Doubled())
    with pytest.raises(ValueError, match="requires one or more modules"):
        parametrize.ParametrizationList([], rg.ones(2))


def test_unsafe_may_change_shapes():
    class Wider(nn.Module):
        def forward(self, x):
            return rg.cat([x, x], 1)

    layer = parametrize.register_parametrization(nn.Linear(2, 3), "weight", Wider(), unsafe=True)
    assert tuple(layer(rg.ones(1, 4)).shape) == (1, 3)


def test_second_derivatives_pass_through():
    rg.manual_seed(0)
    layer = parametrizations.weight_norm(nn.Linear(3, 2).double())
    x = rg.randn(2, 3, dtype=rg.float64, requires_grad=True)
    g, v = (layer.parametrizations.weight.original0, layer.parametrizations.weight.original1)

    def f(g, v, x):
        from retrograd.func import functional_call

        names = ("parametrizations.weight.original0", "parametrizations.weight.original1")
        return functional_call(layer, dict(zip(names, (g, v), strict=True)), (x,)).tanh()

    assert rg.autograd.gradgradcheck(f, (g.detach().requires_grad_(), v.detach().requires_grad_(), x))
