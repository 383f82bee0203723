"""Helpers around modules: skip_init, fusion, stateless calls, memory formats, SyncBatchNorm; hooks against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

torch = pytest.importorskip("torch", reason="the comparison needs torch")


def mirrored(make):
    """The same module of both libraries with the same state, in double precision and with running statistics."""
    torch.default_generator.manual_seed(0)
    their = make(torch).double()
    for m in their.modules():
        if getattr(m, "running_mean", None) is not None:
            m.running_mean.normal_()
            m.running_var.uniform_(0.5, 2)
            if m.weight is not None:
                torch.nn.init.normal_(m.weight)
                torch.nn.init.normal_(m.bias)
    our = make(rg).double()
    our.load_state_dict({k: rg.tensor(v.detach().numpy().copy()) for k, v in their.state_dict().items()})
    return our, their


# ---------------------------------------------------------------- skip_init
def test_skip_init_draws_nothing():
    state = rg.get_rng_state()
    for args in (
        (nn.Linear, 3, 4),
        (nn.Conv2d, 3, 4, 3),
        (nn.LSTM, 3, 4),
        (nn.Embedding, 5, 2),
        (nn.Bilinear, 2, 3, 4),
    ):
        layer = nn.utils.skip_init(*args)
        assert type(layer) is args[0]
        assert [tuple(p.shape) for p in layer.parameters()] == [tuple(p.shape) for p in args[0](*args[1:]).parameters()]
        rg.set_rng_state(state)
    for args in ((nn.Linear, 3, 4), (nn.LSTM, 3, 4)):
        nn.utils.skip_init(*args, dtype=rg.float64)
    assert bool((rg.get_rng_state() == state).all())
    assert nn.utils.skip_init(nn.Linear, 3, 4, bias=False, dtype=rg.float64).weight.dtype is rg.float64
    assert not bool((nn.Linear(3, 4).weight == 0).all())  # later layers are initialized again


def test_skip_init_errors():
    for bad in (3, rg.Tensor):
        with pytest.raises(RuntimeError, match="Expected a Module"):
            nn.utils.skip_init(bad)
    with pytest.raises(RuntimeError, match="must support a 'device' arg"):
        nn.utils.skip_init(nn.ReLU)
    with pytest.raises(TypeError):
        nn.utils.skip_init(nn.Linear, 3)
    assert nn.init.ones_(rg.zeros(1)).item() == 1  # the block was left


# ---------------------------------------------------------------- fusion
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d"])
def test_fused_convolutions(name, bias, affine):
    n = int(name[-2])
    make = lambda lib: lib.nn.Sequential(
        getattr(lib.nn, name)(3, 4, 2, bias=bias), getattr(lib.nn, f"BatchNorm{n}d")(4, affine=affine)
    )
    our, their = mirrored(make)
    our.eval()
    their.eval()
    transposed = "Transpose" in name
    fused = nn.utils.fuse_conv_bn_eval(our[0], our[1], transposed)
    want = torch.nn.utils.fuse_conv_bn_eval(their[0], their[1], transposed)
    x = rg.tensor(np.random.default_rng(0).standard_normal((2, 3, *[5] * n)))
    np.testing.assert_allclose(fused(x).detach().numpy(), our(x).detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(fused.weight.detach().numpy(), want.weight.detach().numpy(), atol=1e-13)
    np.testing.assert_allclose(fused.bias.detach().numpy(), want.bias.detach().numpy(), atol=1e-13)
    assert type(fused) is type(our[0]) and our[0].weight is not fused.weight
    assert [p.requires_grad for p in fused.parameters()] == [p.requires_grad for p in want.parameters()]


def test_fused_linear_layers():
    our, their = mirrored(lambda lib: lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4)))
    our.eval()
    their.eval()
    fused, want = nn.utils.fuse_linear_bn_eval(*our), torch.nn.utils.fuse_linear_bn_eval(*their)
    np.testing.assert_allclose(fused.weight.detach().numpy(), want.weight.detach().numpy(), atol=1e-13)
    x = rg.tensor(np.random.default_rng(0).standard_normal((2, 3)))
    np.testing.assert_allclose(fused(x).detach().numpy(), our(x).detach().numpy(), atol=1e-12)


def test_fusion_errors():
    conv, bn = nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)
    with pytest.raises(AssertionError, match="only for eval"):
        nn.utils.fuse_conv_bn_eval(conv, bn)
    with pytest.raises(AssertionError, match="running_mean and bn.running_var"):
        nn.utils.fuse_conv_bn_eval(conv.eval(), nn.BatchNorm2d(3, track_running_stats=False).eval())
    with pytest.raises(AssertionError, match="linear.out_features == bn.num_features"):
        nn.utils.fuse_linear_bn_eval(nn.Linear(2, 5).eval(), nn.BatchNorm1d(3).eval())


def test_old_path_of_functional_call():
    net = nn.Linear(2, 1)
    state = {"weight": rg.ones(1, 2), "bias": rg.zeros(1)}
    with pytest.warns(FutureWarning, match="func.functional_call"):
        assert nn.utils.stateless.functional_call(net, state, rg.ones(1, 2)).tolist() == [[2.0]]
    with pytest.warns(FutureWarning), pytest.raises(RuntimeError, match="DataParallel"):
        nn.utils.stateless.functional_call(nn.DataParallel(net), {}, rg.ones(1, 2))


def test_memory_formats_change_nothing():
    net = nn.Conv2d(2, 3, 1)
    assert nn.utils.convert_conv2d_weight_memory_format(net, rg.preserve_format) is net
    assert nn.utils.convert_conv3d_weight_memory_format(net, rg.contiguous_format) is net


# ---------------------------------------------------------------- SyncBatchNorm
def test_sync_batch_norm_is_batch_norm_in_one_process():
    rg.manual_seed(0)
    x = rg.randn(4, 3, 5, 5)
    a, b = nn.BatchNorm2d(3), nn.SyncBatchNorm(3)
    for _ in range(3):
        assert a(x).tolist() == b(x).tolist()
    assert {k: v.tolist() for k, v in a.state_dict().items()} == {k: v.tolist() for k, v in b.state_dict().items()}
    assert a.eval()(x).tolist() == b.eval()(x).tolist()
    assert "one process" in nn.SyncBatchNorm.__doc__
    with pytest.raises(ValueError, match="at least 2D"):
        b(rg.ones(3))
    with pytest.raises(ValueError, match="should be non-zero"):
        b(rg.ones(3, 0))


def test_conversion_to_sync_batch_norm():
    make = lambda lib: lib.nn.Sequential(
        lib.nn.Conv2d(1, 2, 1), lib.nn.BatchNorm2d(2), lib.nn.Sequential(lib.nn.BatchNorm1d(3, affine=False))
    )
    our, their = make(rg), make(torch)
    our[1].eval()
    weight, mean = our[1].weight, our[1].running_mean
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(our, process_group="all")
    assert repr(converted) == repr(torch.nn.SyncBatchNorm.convert_sync_batchnorm(their))
    assert converted[1].weight is weight and converted[1].running_mean is mean
    assert not converted[1].training and converted[1].process_group == "all"


# ---------------------------------------------------------------- hooks, event by event
def trace(lib):
    """What every kind of hook sees on a small network, in order, as plain numbers."""
    events = []
    say = lambda *what: events.append(what)
    numbers = lambda x: (
        None
        if x is None
        else [numbers(v) for v in x]
        if isinstance(x, tuple | list)
        else np.round(x.detach().numpy(), 9).tolist()
    )
    net = lib.nn.Sequential(lib.nn.Linear(2, 2), lib.nn.Tanh(), lib.nn.Linear(2, 1)).double()
    with lib.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(lib.arange(p.numel()).reshape(p.shape) / 7 - i / 5)

    class Scaled(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x, *, scale=1.0):
            return self.net(x) * scale

    m = Scaled()
    m.register_forward_pre_hook(lambda mod, a, k: say("pre", numbers(a), k["scale"]), with_kwargs=True)
    m.register_forward_pre_hook(lambda mod, a, k: ((a[0] * 2,), {"scale": 3.0}), with_kwargs=True, prepend=True)
    m.register_forward_hook(lambda mod, a, k, o: say("post", numbers(a), k, numbers(o)), with_kwargs=True)
    m.register_forward_hook(lambda mod, a, o: o + 1)
    m.register_full_backward_pre_hook(lambda mod, g: say("backward pre", numbers(g)))
    m.register_full_backward_hook(lambda mod, g, h: say("backward", numbers(g), numbers(h)))
    for i, layer in enumerate(net):
        layer.register_full_backward_pre_hook(lambda mod, g: (g[0] * 2,))
        layer.register_full_backward_hook(lambda mod, g, h, i=i: say("layer", i, numbers(g), numbers(h)))
        layer.register_full_backward_hook(
            lambda mod, g, h: tuple(None if v is None else v / 2 for v in g), prepend=True
        )
    kept = net[1].register_forward_hook(lambda mod, a, o: say("removed"))
    kept.remove()
    net._register_state_dict_hook(lambda mod, state, prefix, meta: say("state", prefix, sorted(state)))
    m.register_state_dict_pre_hook(lambda mod, prefix, keep: say("state pre", prefix, keep))
    m.register_state_dict_post_hook(lambda mod, state, prefix, meta: say("state post", prefix, len(state)))
    m.register_load_state_dict_pre_hook(lambda mod, state, prefix, *rest: say("load pre", prefix, len(rest)))
    m.register_load_state_dict_post_hook(lambda mod, keys: say("load post", list(keys.missing_keys)))
    x = lib.tensor([[1.0, -0.5]], dtype=lib.float64, requires_grad=True)
    out = m(x, scale=1.0)
    out.sum().backward()
    say("result", numbers(out), numbers(x.grad), [numbers(p.grad) for p in net.parameters()])
    m.load_state_dict(m.state_dict())
    everywhere = lib.nn.modules.module
    handles = [
        everywhere.register_module_forward_pre_hook(lambda mod, a: say("all pre", type(mod).__name__)),
        everywhere.register_module_forward_hook(lambda mod, a, o: say("all post", type(mod).__name__)),
        everywhere.register_module_full_backward_pre_hook(lambda mod, g: say("all backward pre", type(mod).__name__)),
        everywhere.register_module_full_backward_hook(
            lambda mod, g, h: say("all backward", type(mod).__name__, numbers(h))
        ),
    ]
    try:
        m(x).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    say("once more", numbers(m(x)))
    return events


def test_hooks_see_what_they_see_in_pytorch():
    ours, theirs = trace(rg), trace(torch)
    assert len(ours) > 20
    assert [e[0] for e in ours] == [e[0] for e in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a == b
