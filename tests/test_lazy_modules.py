"""Lazy modules: what may be done before the first call, what the first call makes of them, and their state."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

# class -> (arguments, input shape, the first dimensions that are then known)
LAZY = {
    "LazyLinear": ((4,), (2, 5), {"in_features": 5}),
    "LazyConv1d": ((4, 2), (2, 3, 6), {"in_channels": 3}),
    "LazyConv2d": ((4, 2), (2, 3, 6, 6), {"in_channels": 3}),
    "LazyConv3d": ((4, 2), (2, 3, 4, 4, 4), {"in_channels": 3}),
    "LazyConvTranspose1d": ((4, 2), (2, 3, 6), {"in_channels": 3}),
    "LazyConvTranspose2d": ((4, 2), (3, 6, 6), {"in_channels": 3}),
    "LazyConvTranspose3d": ((4, 2), (2, 3, 4, 4, 4), {"in_channels": 3}),
    "LazyBatchNorm1d": ((), (2, 3), {"num_features": 3}),
    "LazyBatchNorm2d": ((), (2, 3, 4, 4), {"num_features": 3}),
    "LazyBatchNorm3d": ((), (2, 3, 4, 4, 4), {"num_features": 3}),
    "LazyInstanceNorm1d": ((), (2, 3, 4), {"num_features": 3}),
    "LazyInstanceNorm2d": ((), (2, 3, 4, 4), {"num_features": 3}),
    "LazyInstanceNorm3d": ((), (2, 3, 4, 4, 4), {"num_features": 3}),
}
NAMES = sorted(LAZY)


def make(name, **kwargs):
    args, shape, known = LAZY[name]
    return getattr(nn, name)(*args, **kwargs), rg.ones(*shape), known


@pytest.mark.parametrize("name", NAMES)
def test_the_first_call_makes_it_an_ordinary_layer(name):
    layer, x, known = make(name)
    assert layer.has_uninitialized_params() and all(is_lazy(p) for p in layer.parameters())
    parameters = list(layer.parameters())
    layer(x)
    kind = getattr(nn, name.removeprefix("Lazy"))
    assert type(layer) is kind is layer.cls_to_become if hasattr(layer, "cls_to_become") else type(layer) is kind
    assert not layer._forward_pre_hooks and not layer._load_state_dict_pre_hooks
    for key, value in known.items():
        assert getattr(layer, key) == value
    for before, after in zip(parameters, layer.parameters(), strict=True):
        assert before is after and type(after) is nn.Parameter and after.requires_grad
    assert pickle.loads(pickle.dumps(layer))(x).tolist() == layer(x).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_it_starts_as_the_ordinary_layer_does(name):
    rg.manual_seed(3)
    layer, x, known = make(name)
    layer(x)
    rg.manual_seed(3)
    kind = getattr(nn, name.removeprefix("Lazy"))
    options = {"affine": True, "track_running_stats": True} if "Norm" in name else {}
    plain = kind(*known.values(), *LAZY[name][0], **options)
    plain(x)
    assert list(layer.state_dict()) == list(plain.state_dict())
    for key, value in plain.state_dict().items():
        np.testing.assert_array_equal(layer.state_dict()[key].numpy(), value.numpy(), err_msg=key)
    assert repr(layer) == repr(plain)


@pytest.mark.parametrize("name", NAMES)
def test_dtypes_and_copies_before_the_first_call(name):
    layer, x, _ = make(name, dtype=rg.float64)
    assert layer(x.double()).dtype is rg.float64
    layer, x, _ = make(name)
    layer.double()
    assert layer(x.double()).dtype is rg.float64
    layer, x, _ = make(name)
    twin, third = copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))
    layer(x)
    for other in (twin, third):
        assert other.has_uninitialized_params()
        other(x)
        assert type(other) is type(layer) and not other._forward_pre_hooks


@pytest.mark.parametrize("name", NAMES)
def test_states_give_the_shapes(name):
    source, x, _ = make(name)
    source(x)
    lazy, _, _ = make(name)
    lazy.load_state_dict(source.state_dict())
    assert not lazy.has_uninitialized_params()
    source.eval()
    lazy.eval()
    assert lazy(x).tolist() == source(x).tolist()
    assert type(lazy) is type(source) and repr(lazy) == repr(source)


@pytest.mark.parametrize("name", NAMES)
def test_states_without_shapes(name):
    """An uninitialized state goes into an uninitialized module, and into no other."""
    source, x, _ = make(name)
    lazy, _, _ = make(name)
    lazy.load_state_dict(source.state_dict())
    assert lazy.has_uninitialized_params()
    lazy(x)
    with pytest.raises(RuntimeError):
        lazy.load_state_dict(source.state_dict())


def test_a_failed_load_leaves_it_lazy():
    layer = nn.LazyLinear(3)
    with pytest.raises(RuntimeError):
        layer.load_state_dict({"weight": rg.ones(3, 2)})
    assert layer.has_uninitialized_params()
    layer(rg.ones(1, 5))
    assert tuple(layer.weight.shape) == (3, 5)


def test_without_bias_and_affine():
    for layer in (nn.LazyLinear(3, bias=False), nn.LazyConv2d(3, 2, bias=False), nn.LazyBatchNorm2d(affine=False)):
        assert layer.bias is None
        layer(rg.ones(2, 4, 4, 4))
        assert layer.bias is None
    layer = nn.LazyBatchNorm1d(track_running_stats=False)
    layer(rg.ones(2, 3))
    assert layer.running_mean is None and layer.num_batches_tracked is None


def test_wrong_inputs_are_refused():
    with pytest.raises(RuntimeError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input to LazyConv2d"):
        nn.LazyConv2d(3, 2)(rg.ones(2, 3))
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        nn.LazyConv1d(4, 2, groups=2)(rg.ones(1, 3, 5))
    layer = nn.LazyLinear(3)
    layer.load_state_dict(nn.Linear(2, 3).state_dict())
    with pytest.raises(AssertionError, match="in_features inferred from input: 4"):
        layer(rg.ones(1, 4))


def test_nothing_can_be_computed_before():
    p = UninitializedParameter()
    for use in (lambda: p + 1, lambda: p.sum(), lambda: nn.functional.linear(rg.ones(1, 1), p)):
        with pytest.raises((ValueError, RuntimeError), match="call the module that holds it|shape of an uninitialized"):
            use()
    with pytest.raises(RuntimeError, match="Can't access the shape"):
        _ = p.shape
    with pytest.raises(RuntimeError, match="share memory"):
        p.share_memory_()
    assert repr(p) == "<UninitializedParameter>" and p.requires_grad and p.is_leaf
    assert p.to(rg.float64).dtype is rg.float64 and p.to(rg.float32) is p and p.detach() is p
    assert [q.dtype for q in (p.double(), p.half(), p.bfloat16(), p.float())] == [
        rg.float64,
        rg.float16,
        rg.bfloat16,
        rg.float32,
    ]
    with pytest.raises(RuntimeError, match="only floating-point"):
        UninitializedParameter(dtype=rg.int64)
    assert UninitializedBuffer(dtype=rg.int64).dtype is rg.int64


def test_materialize():
    p = UninitializedParameter(dtype=rg.float64)
    p.materialize((2, 3), dtype=rg.float32)
    assert type(p) is nn.Parameter and tuple(p.shape) == (2, 3) and p.dtype is rg.float32
    b = UninitializedBuffer(persistent=False)
    assert not b.persistent
    b.materialize((2,))
    assert type(b) is nn.Buffer and not b.requires_grad and not b.persistent


def test_summing_up_parameters_says_what_to_do():
    net = nn.Sequential(nn.LazyLinear(4), nn.ReLU())
    with pytest.raises((ValueError, RuntimeError), match="uninitialized|no shape"):
        sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_an_optimizer_may_be_made_before(kind):
    rg.manual_seed(0)
    net = nn.Sequential(nn.LazyLinear(4), nn.Tanh(), nn.LazyLinear(1))
    optimizer = getattr(rg.optim, kind)(net.parameters(), lr=0.02)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = (net(rg.ones(2, 3)) - 1).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_a_lazy_module_of_ones_own():
    class Scale(nn.modules.lazy.LazyModuleMixin, nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = UninitializedParameter()

        def initialize_parameters(self, x, factor=1.0):
            if self.has_uninitialized_params():
                self.weight.materialize((x.shape[-1],))
                nn.init.constant_(self.weight, factor)

        def forward(self, x, factor=1.0):
            return x * self.weight

    m = Scale()
    assert m(rg.ones(2, 3), factor=2.0).tolist() == [[2.0] * 3] * 2
    assert type(m) is Scale and not m.has_uninitialized_params()

    class Forgetful(Scale):
        def initialize_parameters(self, x):
            pass

    with pytest.raises(RuntimeError, match="has not been fully initialized"):
        Forgetful()(rg.ones(1))

    class Silent(nn.modules.lazy.LazyModuleMixin, nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="initialize_parameters is not implemented for Silent"):
        Silent()(rg.ones(1))


def test_data_parallel_wants_shapes_first():
    layer = nn.LazyLinear(2)
    with pytest.raises(RuntimeError, match="uninitialized parameters can't be used with `DataParallel`"):
        layer._replicate_for_data_parallel()
