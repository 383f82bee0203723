"""A module and the ReLU behind it in a Sequential: one operation, with the values and derivatives of the two."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.autograd.kernels.cpu import runtime

F = nn.functional
CASES = {
    "linear": (lambda: nn.Linear(6, 5), (7, 6)),
    "linear without bias": (lambda: nn.Linear(6, 5, bias=False), (2, 3, 6)),
    "batch norm 1d": (lambda: nn.BatchNorm1d(6), (7, 6)),
    "batch norm 1d of sequences": (lambda: nn.BatchNorm1d(3), (4, 3, 5)),
    "batch norm 2d": (lambda: nn.BatchNorm2d(3), (4, 3, 5, 2)),
    "batch norm 3d": (lambda: nn.BatchNorm3d(2), (3, 2, 2, 2, 2)),
    "batch norm without parameters": (lambda: nn.BatchNorm2d(3, affine=False), (4, 3, 5, 2)),
    "batch norm without statistics": (lambda: nn.BatchNorm2d(3, track_running_stats=False), (4, 3, 5, 2)),
    "group norm": (lambda: nn.GroupNorm(2, 4), (3, 4, 5)),
    "group norm without parameters": (lambda: nn.GroupNorm(2, 4, affine=False), (3, 4, 5)),
    "layer norm": (lambda: nn.LayerNorm((3, 5)), (4, 3, 5)),
    "rms norm": (lambda: nn.RMSNorm(5), (4, 3, 5)),
}


def names(y):
    """The names of the nodes that y came out of."""
    found, todo = [], [y.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None:
            found.append(node.name())
            todo += [n for n, _ in node.next_functions]
    return found


def drawn(make, shape, dtype, training):
    """The pair, its two modules apart, and an input; parameters and statistics are arbitrary."""
    rg.manual_seed(0)
    module = make().to(dtype).train(training)
    with rg.no_grad():
        for p in module.parameters():
            p.copy_(rg.randn(p.shape, dtype=dtype))
        for name, b in module.named_buffers():
            if "running" in name:
                b.copy_(rg.rand(b.shape, dtype=dtype) + 0.5)
    return nn.Sequential(module, nn.ReLU()), copy.deepcopy(module), rg.randn(shape, dtype=dtype, requires_grad=True)


def derivatives(y, x, module):
    """The first derivatives of a loss, and those of the sum of their squares."""
    over = [x, *module.parameters()]
    first = rg.autograd.grad((y * y.detach().cos()).sum(), over, create_graph=True)
    squares = [g.square().sum() for g in first if g.requires_grad]
    second = rg.autograd.grad(sum(squares), over, allow_unused=True) if squares else ()
    return [*first, *(s for s in second if s is not None)]


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [rg.float32, rg.float64])
@pytest.mark.parametrize("case", CASES)
def test_equal_to_the_two(case, dtype, training, kernels):
    if kernels:
        pytest.importorskip("numba")
    pair, module, x = drawn(*CASES[case], dtype, training)
    with rg.use_backend("numba" if kernels else "numpy"), runtime.forced():
        together, apart = pair(x), F.relu(module(x))
        assert together.dtype is dtype
        tol = {"rtol": 0, "atol": 0} if dtype is rg.float64 and not kernels else {"rtol": 1e-5, "atol": 1e-5}
        np.testing.assert_allclose(together.detach().numpy(), apart.detach().numpy(), **tol)
        if case != "group norm without parameters":
            assert not any(name.startswith("Relu") for name in names(together)), names(together)
        assert any(name.startswith("Relu") for name in names(apart))
        given, wanted = derivatives(together, x, pair[0]), derivatives(apart, x, module)
    assert len(given) == len(wanted) >= 1
    tol = {"rtol": 1e-4, "atol": 1e-4} if dtype is rg.float32 else {"rtol": 1e-9, "atol": 1e-9}
    for a, b in zip(given, wanted, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), **tol)
    for a, b in zip(pair[0].buffers(), module.buffers(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("case", ["linear", "batch norm 1d", "batch norm 2d", "group norm", "layer norm"])
def test_nan_and_infinities(case, kernels):
    if kernels:
        pytest.importorskip("numba")
    pair, module, x = drawn(*CASES[case], rg.float32, False)
    with rg.no_grad():
        x.view(-1)[0], x.view(-1)[-1] = float("nan"), float("-inf")
    with rg.use_backend("numba" if kernels else "numpy"), runtime.forced(), np.errstate(invalid="ignore"):
        together, apart = pair(x), F.relu(module(x))
        assert apart.isnan().any()
        np.testing.assert_allclose(together.detach().numpy(), apart.detach().numpy(), rtol=1e-5, atol=1e-6)
        (a,), (b,) = (rg.autograd.grad(y, x, rg.ones_like(y)) for y in (together, apart))
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-5)


def is_one(model, x):
    return not any(name.startswith("Relu") for name in names(model(x)))


def test_what_somebody_would_see_is_called_apart():
    x = rg.randn(3, 4)
    make = lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    assert is_one(make(), x) and is_one(nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True)), x)
    for i in (0, 1):
        model, seen = make(), []
        handle = model[i].register_forward_hook(lambda m, args, out, seen=seen: seen.append(out))
        assert not is_one(model, x)
        assert len(seen) == 1 and (i == 0) == bool((seen[0] < 0).any())
        handle.remove()
        assert is_one(model, x)
    handle = nn.modules.module.register_module_forward_pre_hook(lambda m, args: None)
    assert not is_one(make(), x)
    handle.remove()


def test_other_forwards_are_respected():
    class Doubled(nn.Linear):
        def forward(self, input):
            return 2 * super().forward(input)

    class Leaky(nn.ReLU):
        def forward(self, input):
            return F.leaky_relu(input)

    class Named(nn.Linear):
        pass

    x = rg.randn(3, 4)
    assert not is_one(nn.Sequential(Doubled(4, 4), nn.ReLU()), x)
    model = nn.Sequential(nn.Linear(4, 4), Leaky())
    assert (model(x) < 0).any()
    assert is_one(nn.Sequential(Named(4, 4), nn.ReLU()), x)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    model[0].forward = lambda input: -rg.ones(3, 4) + 0 * input
    assert (model(x) == 0).all()
    normed = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.ReLU())
    np.testing.assert_allclose(normed(x).detach().numpy(), F.relu(normed[0](x)).detach().numpy(), rtol=1e-6)


def test_each_module_runs_once_and_in_order():
    a, b, c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
    relu, x = nn.ReLU(), rg.randn(3, 4)
    for modules in ([relu, a], [a, relu, relu, b], [a, b, relu, c, relu], [a], [relu], [a, relu, nn.Identity(), relu]):
        y = x
        for module in modules:
            y = module(y)
        np.testing.assert_allclose(nn.Sequential(*modules)(x).detach().numpy(), y.detach().numpy(), rtol=1e-6)
    assert nn.Sequential()(x) is x


def test_transforms_and_other_dtypes():
    pair, module, x = drawn(*CASES["batch norm 2d"], rg.float64, False)
    both = lambda x: F.relu(module(x))
    x = x.detach()
    np.testing.assert_allclose(
        rg.func.vmap(lambda x: pair(x[None])[0])(x).detach().numpy(), both(x).detach().numpy(), rtol=1e-9
    )
    np.testing.assert_allclose(
        rg.func.jvp(pair, (x,), (rg.ones_like(x),))[1].detach().numpy(),
        rg.func.jvp(both, (x,), (rg.ones_like(x),))[1].detach().numpy(),
        rtol=1e-9,
    )
    for dtype in (rg.float16, rg.bfloat16):
        pair, module, x = drawn(*CASES["linear"], dtype, False)
        np.testing.assert_array_equal(pair(x).float().detach().numpy(), F.relu(module(x)).float().detach().numpy())


def test_errors_are_those_of_the_module():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    with pytest.raises(rg.ShapeError, match="linear: input has 5 features but weight expects 4") as e:
        model(rg.zeros(2, 5))
    assert any(note.startswith("in module Sequential.0 (Linear(in_features=4") for note in e.value.__notes__)
    with pytest.raises(TypeError):
        model("text")
    norm = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())
    with pytest.raises(ValueError, match="4D"):
        norm(rg.zeros(2, 3))
