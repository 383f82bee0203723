"""Fans and gains, the functional forms, and a whole model at once: `fans`, `variance_gain`, `functional`, `apply`, `plan`."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from fake_cupy import backends

import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F
from retrograd.nn import init


# ---------------------------------------------------------------- fans, counted
def counted(layer, x):
    """(terms of one output, outputs with one input) away from the borders, from the Jacobian of the layer with ones."""
    for p in layer.parameters():
        p.data = rg.ones_like(p)
    jac = rg.func.jacrev(layer)(x).detach().numpy()
    ndim = x.ndim
    rows, columns = jac.sum(tuple(range(jac.ndim - ndim, jac.ndim))), jac.sum(tuple(range(jac.ndim - ndim)))
    # Whole periods of a stride of 2, 4 places from every border.
    inner = lambda a: a[(slice(None), *(slice(4, 4 + (n - 8) // 2 * 2) for n in a.shape[1:]))]
    return inner(rows).mean(), inner(columns).mean()


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Linear(3, 5), (3,)),
        (lambda: nn.Conv1d(4, 6, 3), (4, 20)),
        (lambda: nn.Conv1d(4, 6, 3, groups=2), (4, 20)),
        (lambda: nn.Conv1d(4, 6, 4, stride=2), (4, 30)),
        (lambda: nn.Conv1d(4, 6, 3, stride=2, dilation=1, groups=2), (4, 30)),
        (lambda: nn.Conv1d(2, 3, 3, dilation=2), (2, 24)),
        (lambda: nn.Conv2d(2, 3, (3, 2)), (2, 12, 12)),
        (lambda: nn.Conv2d(4, 4, 3, groups=4), (4, 12, 12)),
        (lambda: nn.ConvTranspose1d(4, 6, 4, stride=2), (4, 20)),
        (lambda: nn.ConvTranspose1d(4, 6, 3, stride=2, groups=2), (4, 20)),
        (lambda: nn.ConvTranspose2d(3, 2, 4, stride=2), (3, 12, 12)),
    ],
)
def test_fans_are_what_the_jacobian_shows(make, shape):
    layer = make().double()
    fan_in, fan_out = init.fans(layer)
    found = counted(layer, rg.zeros(*shape, dtype=rg.float64))
    np.testing.assert_allclose(found, (fan_in, fan_out), rtol=1e-12)


def test_fans_of_other_layers():
    assert init.fans(nn.Embedding(10, 4)) == init.fans(nn.EmbeddingBag(10, 4)) == (1, 4)
    assert init.fans(nn.Bilinear(3, 4, 5)) == (12, 20)
    for kind in (nn.RNN, nn.GRU, nn.LSTM):
        layer = kind(3, 5, num_layers=2, bidirectional=True)
        assert init.fans(layer, "weight_ih_l0") == (3, 5)
        assert init.fans(layer, "weight_hh_l1_reverse") == (5, 5)
        assert init.fans(layer, "weight_ih_l1") == (10, 5)
    assert init.fans(nn.LSTM(3, 5, proj_size=2), "weight_hr_l0") == (5, 2)
    assert init.fans(nn.LSTM(3, 5, proj_size=2), "weight_hh_l0") == (2, 5)
    assert init.fans(nn.LSTMCell(3, 5), "weight_ih") == (3, 5)
    assert init.fans(nn.MultiheadAttention(8, 2), "in_proj_weight") == (8, 8)
    assert init.fans(nn.MultiheadAttention(8, 2, kdim=3, vdim=8), "k_proj_weight") == (3, 8)
    assert init.fans(rg.empty(4, 3, 2)) == init._calculate_fan_in_and_fan_out(rg.empty(4, 3, 2)) == (6, 8)
    assert init.fans(nn.LocallyConnected2d(3, 4, (6, 6), 3)) == (27, 36)
    assert init.fans(nn.DeformConv2d(4, 6, 3, groups=2)) == (18, 27)
    assert init.fans(nn.GCNConv(3, 7)) == (3, 7)
    assert init.fans(nn.GraphFilter(3, 7, taps=4)) == (12, 28)
    assert init.fans(nn.Conv1d(1, 1, 3, stride=2)) == (3, 1.5)
    for bad in (nn.BatchNorm1d(3), nn.BatchNorm1d(3, affine=False)):
        with pytest.raises(ValueError, match="fewer than 2 dimensions"):
            init.fans(bad)
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.fans(rg.empty(3))


# ---------------------------------------------------------------- gains
@pytest.mark.parametrize(
    ("activation", "gain"),
    [
        ("relu", math.sqrt(2)),
        (nn.LeakyReLU(0.3), math.sqrt(2 / 1.09)),
        (lambda x: x, 1.0),
        (nn.SELU(), 1.0),
        (lambda x: 3 * x, 1 / 3),
        # E[clip(z)^2] = P(|z| < 1) - 2 phi(1) + P(|z| > 1)
        ("hardtanh", (1 - math.sqrt(2 / (math.pi * math.e))) ** -0.5),
    ],
)
def test_variance_gain_in_closed_form(activation, gain):
    assert init.variance_gain(activation) == pytest.approx(gain, rel=1e-6)


@pytest.mark.parametrize("name", ["gelu", "silu", "tanh", "elu", "mish", "sigmoid"])
def test_variance_gain_by_quadrature(name):
    from scipy.integrate import quad

    f = getattr(F, name)
    density = lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    moment = quad(lambda z: f(rg.tensor(z, dtype=rg.float64)).item() ** 2 * density(z), -12, 12, limit=200)[0]
    assert init.variance_gain(name) == pytest.approx(moment**-0.5, rel=1e-6)


def test_variance_gain_errors():
    with pytest.raises(ValueError, match="has no 'swoosh'"):
        init.variance_gain("swoosh")
    with pytest.raises(ValueError, match="0 almost everywhere"):
        init.variance_gain(lambda x: x * 0)


# ---------------------------------------------------------------- functional forms
ARGUMENTS = {"constant": (2.0,), "sparse": (0.3,)}
SHAPES = {"dirac": (4, 2, 3), "delta_orthogonal": (4, 2, 3, 3)}


@pytest.mark.parametrize("name", init.functional.__all__)
def test_functional_forms_draw_what_the_in_place_ones_do(name):
    f, in_place = getattr(init.functional, name), getattr(init, name + "_")
    shape, args = SHAPES.get(name, (4, 5)), ARGUMENTS.get(name, ())
    options = {"generator": rg.Generator().manual_seed(1)} if "generator" in inspect.signature(f).parameters else {}
    w = f(shape, *args, **options, dtype=rg.float64)
    assert tuple(w.shape) == shape and w.dtype is rg.float64 and not w.requires_grad
    options = {k: rg.Generator().manual_seed(1) for k in options}
    assert w.tolist() == in_place(rg.empty(shape, dtype=rg.float64), *args, **options).tolist()
    assert f(shape, *args).dtype is rg.float32


def test_functional_forms_take_the_same_arguments():
    for name in init.functional.__all__:
        a = list(inspect.signature(getattr(init.functional, name)).parameters.values())[1:]
        b = list(inspect.signature(getattr(init, name + "_")).parameters.values())[1:]
        assert [(p.name, p.default) for p in a if p.name not in ("device", "dtype")] == [
            (p.name, p.default) for p in b
        ], name


# ---------------------------------------------------------------- the other in-place ones
def test_delta_orthogonal_and_identity_errors():
    for call, text in (
        (lambda: init.delta_orthogonal_(rg.empty(3, 3)), "3, 4, or 5 dimensions"),
        (lambda: init.delta_orthogonal_(rg.empty(2, 3, 3)), "in_channels must not be larger"),
        (lambda: init.identity_(rg.empty(3)), "2, 3, 4, or 5 dimensions"),
        (lambda: init.lstm_forget_bias_(nn.LSTM(2, 2, bias=False)), "bias=False"),
    ):
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(TypeError, match="expected an LSTM or LSTMCell, got GRU"):
        init.lstm_forget_bias_(nn.GRU(2, 2))
    w = init.delta_orthogonal_(rg.empty(5, 3, 4, 2, dtype=rg.float64), gain=2.0)
    np.testing.assert_allclose((w[:, :, 2, 1].T @ w[:, :, 2, 1]).numpy(), 4 * np.eye(3), atol=1e-12)
    assert init.identity_(rg.empty(2, 2), 3.0).tolist() == [[3, 0], [0, 3]]
    assert init.lstm_forget_bias_(nn.LSTMCell(2, 3), 2.5).bias_ih[3:6].tolist() == [2.5] * 3


def test_skipped_is_left_again_and_keeps_to_its_thread():
    import threading

    elsewhere = []
    with init.skipped():
        for fill in (init.ones_, init.normal_, init.orthogonal_, init.eye_, init.trunc_normal_, init.xavier_uniform_,
                     init.identity_, lambda t: init.sparse_(t, 0.1), init.lecun_normal_):  # fmt: skip
            assert fill(rg.full((2, 2), 7.0)).tolist() == [[7.0] * 2] * 2
        thread = threading.Thread(target=lambda: elsewhere.append(init.ones_(rg.zeros(1)).item()))
        thread.start()
        thread.join()
    assert elsewhere == [1.0] and init.ones_(rg.zeros(1)).item() == 1.0


@pytest.mark.parametrize("name", ["uniform", "normal", "constant", "eye", "dirac", "xavier_uniform", "xavier_normal",
                                  "kaiming_uniform", "kaiming_normal", "orthogonal", "sparse"])  # fmt: skip
def test_deprecated_names(name):
    args = ARGUMENTS.get(name, ())
    rg.manual_seed(0)
    with pytest.warns(
        FutureWarning, match=rf"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`"
    ) as seen:
        w = getattr(init, name)(rg.empty(4, 2, 3) if name == "dirac" else rg.empty(4, 4), *args)
    assert seen[0].filename == __file__
    rg.manual_seed(0)
    assert w.tolist() == getattr(init, name + "_")(rg.empty(w.shape), *args).tolist()
    assert getattr(init, name).__name__ == name


# ---------------------------------------------------------------- a whole model
def schemes(model, *args, **kwargs):
    return {s.name: (s.activation, s.scheme) for s in init.plan(model, *args, **kwargs)}


def test_the_activation_that_follows_decides():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3), nn.Sequential(nn.GroupNorm(2, 8), nn.GELU()),
        nn.Flatten(), nn.Linear(8, 6), nn.SELU(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Sigmoid(),
        nn.Linear(4, 3), nn.LeCunTanh(), nn.Linear(3, 2), nn.LogSoftmax(1), nn.Linear(2, 1),
    )  # fmt: skip
    found = schemes(net)
    assert {k: v for k, v in found.items() if k.endswith("weight")} == {
        "0.weight": ("relu", "kaiming_normal"), "1.weight": ("linear", "ones"), "5.weight": ("gelu", "kaiming_normal"),
        "6.0.weight": ("linear", "ones"), "8.weight": ("selu", "lecun_normal"), "10.weight": ("tanh", "xavier_uniform"),
        "12.weight": ("sigmoid", "xavier_uniform"), "14.weight": ("lecun_tanh", "lecun_normal"),
        "16.weight": ("log_softmax", "xavier_uniform"), "18.weight": ("linear", "xavier_uniform"),
    }  # fmt: skip
    assert {v[1] for k, v in found.items() if k.endswith("bias")} == {"zeros"}


@pytest.mark.parametrize(
    ("activation", "gain"),
    [
        (nn.LeakyReLU(0.3), math.sqrt(2 / 1.09)), (nn.PReLU(init=0.5), math.sqrt(2 / 1.25)), (nn.ReLU(inplace=True), 2**0.5),
        (nn.RReLU(0.2, 0.2), math.sqrt(2 / 1.04)), (nn.SReLU(1), 2**0.5), (nn.Threshold(0.0, 0.0), 2**0.5),
    ],
)  # fmt: skip
def test_slopes_count(activation, gain):
    step = init.plan(nn.Sequential(nn.Linear(50, 20), activation))[0]
    assert step.scheme == "kaiming_normal" and step.std == pytest.approx(gain / math.sqrt(50), rel=1e-5)
    step = init.plan(nn.Sequential(nn.Linear(50, 20), activation), mode="fan_out")[0]
    assert step.std == pytest.approx(gain / math.sqrt(20), rel=1e-5)


def test_what_is_planned_is_drawn():
    rg.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(16, 64, 3, groups=2), nn.ReLU(), nn.ConvTranspose2d(64, 32, 4, stride=2), nn.Tanh(), nn.Linear(300, 200),
        nn.ELU(), nn.Bilinear(20, 30, 40), nn.Embedding(50, 60), nn.LSTM(60, 50), nn.MultiheadAttention(64, 4),
    )  # fmt: skip
    init.apply(net)
    for step in init.plan(net):
        w = net.get_parameter(step.name)
        assert tuple(w.shape) == step.shape
        if step.std is not None:
            assert w.std(correction=0).item() == pytest.approx(step.std, rel=0.06, abs=1e-9), step


@pytest.mark.parametrize("scheme", [s for s in init.SCHEMES if s not in ("auto", "identity")])
def test_named_schemes(scheme):
    rg.manual_seed(0)
    net = nn.Sequential(nn.Linear(200, 300), nn.ReLU(), nn.Conv2d(40, 60, 3), nn.GRU(30, 40))
    init.apply(net, scheme)
    variance = {"x": 2 / 500, "l": 1 / 200, "h": 2 / 200, "k": 2 / 200}.get(scheme[0])
    if variance is not None:
        w = net[0].weight
        assert w.var().item() == pytest.approx(variance, rel=0.03)
        assert bool((w.abs() <= math.sqrt(3 * variance) * 1.0001).all()) is scheme.endswith("uniform")
    else:
        w = net[0].weight / math.sqrt(2)  # the gain of the ReLU
        np.testing.assert_allclose((w.T @ w).detach().numpy(), np.eye(200), atol=1e-4)
        kernel = net[2].weight.detach().numpy()
        if scheme == "delta_orthogonal":
            assert np.count_nonzero(kernel) == 60 * 40
        for gate in net[3].weight_hh_l0.chunk(3):
            np.testing.assert_allclose(
                (gate @ gate.T).detach().numpy() / gate[0].square().sum().item(), np.eye(40), atol=1e-4
            )


def test_identity_scheme():
    net = nn.Sequential(nn.Linear(3, 3), nn.Conv1d(3, 3, 3, padding=1), nn.RNN(3, 3, nonlinearity="relu"))
    init.apply(net, "identity")
    x = rg.randn(4, 3)
    assert net[0](x).tolist() == x.tolist() and net[1](x.T).tolist() == x.T.tolist()
    assert net[2].weight_hh_l0.tolist() == np.eye(3).tolist()


def test_functions_as_schemes():
    net = init.apply(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), lambda w: init.constant_(w, 0.5))
    assert net[0].weight.tolist() == [[0.5] * 2] * 3 and net[0].bias.tolist() == [0.0] * 3
    assert init.plan(net, init.orthogonal_)[0].scheme == "orthogonal_"


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM, nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_recurrent_layers(kind):
    layer = init.apply(kind(6, 4))
    for name, p in layer.named_parameters():
        blocks = p.detach().chunk(p.shape[0] // 4)
        if name.startswith("weight_hh"):
            for block in blocks:
                np.testing.assert_allclose((block @ block.T).numpy(), np.eye(4), atol=1e-5)
        elif name.startswith("weight_ih"):
            assert all(b.abs().max() <= math.sqrt(6 / 10) for b in blocks)
        else:
            forget = "LSTM" in kind.__name__ and name.startswith("bias_ih")
            assert p.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8 if forget else not p.any()


def test_stacked_bidirectional_and_projected():
    layer = init.apply(nn.LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2))
    for direction in layer.all_weights:
        w_ih, w_hh, b_ih, b_hh, w_hr = direction
        assert b_ih[4:8].tolist() == [1.0] * 4 and not b_hh.any()
        for block in w_hh.detach().chunk(4):  # (4, 2): orthonormal columns
            np.testing.assert_allclose((block.T @ block).numpy(), np.eye(2), atol=1e-5)
        assert w_hr.abs().max() <= 1 and w_ih.abs().max() <= 1.01
    assert "weight_ch_l0" not in schemes(nn.LSTM(3, 4, peephole=True))


def test_attention_and_transformers():
    found = schemes(nn.TransformerEncoderLayer(8, 2, 16, activation="gelu"))
    assert found["self_attn.in_proj_weight"] == ("linear", "xavier_uniform")
    assert found["self_attn.out_proj.weight"] == ("linear", "xavier_uniform")
    assert found["linear1.weight"] == ("gelu", "kaiming_normal") and found["linear2.weight"] == (
        "linear",
        "xavier_uniform",
    )
    assert found["norm1.weight"] == ("linear", "ones")
    m = init.apply(nn.MultiheadAttention(16, 2, add_bias_kv=True))
    bound = math.sqrt(6 / 32)  # of each of the three matrices, not of the stack of them
    assert 0.95 * bound < m.in_proj_weight.abs().max().item() <= bound and not m.in_proj_bias.any() and m.bias_k.any()
    found = schemes(nn.MultiheadAttention(8, 2, kdim=3, vdim=5))
    assert {"q_proj_weight", "k_proj_weight", "v_proj_weight"} <= set(found)


def test_embeddings_norms_and_tied_weights():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(9, 4, padding_idx=2)
            self.norm = nn.LayerNorm(4)
            self.head = nn.Linear(4, 9, bias=False)
            self.head.weight = self.embed.weight
            self.free = nn.Parameter(rg.full((3, 3), 7.0))

    rg.manual_seed(0)
    m = Tied()
    with rg.no_grad():
        m.norm.weight.fill_(3)
    init.apply(m)
    assert m.embed.weight[2].tolist() == [0.0] * 4 and m.embed.weight.std().item() > 0.5
    assert m.norm.weight.tolist() == [1.0] * 4
    assert m.free.tolist() == [[7.0] * 3] * 3
    assert list(schemes(m)) == ["embed.weight", "norm.weight", "norm.bias"]


class Functional(nn.Module):
    """Activations as calls, registered in another order than they run."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 2)
        self.second = nn.Linear(6, 4)
        self.first = nn.Linear(3, 6)
        self.skip = nn.Linear(6, 4)
        self.act = nn.SELU()

    def forward(self, x):
        h = F.dropout(F.relu(self.first(x)), 0.5, self.training)
        h = rg.tanh(self.second(h) + self.skip(h))
        return F.leaky_relu(self.last(h), 0.2)


def test_functional_activations_need_an_example():
    net = Functional()
    net.second.eval()
    assert set(schemes(net).values()) == {("linear", "xavier_uniform"), ("linear", "zeros"), ("selu", "lecun_normal"),
                                          ("selu", "zeros")}  # fmt: skip
    found = {s.name: s for s in init.plan(net, example=rg.ones(1, 3))}
    assert {k: s.activation for k, s in found.items() if k.endswith("weight")} == {
        "last.weight": "leaky_relu", "second.weight": "tanh", "first.weight": "relu", "skip.weight": "tanh",
    }  # fmt: skip
    assert found["last.weight"].std == pytest.approx(math.sqrt(2 / 1.04 / 4))
    assert net.training and not net.second.training
    assert not any(m._forward_hooks for m in net.modules())
    assert schemes(net, nonlinearity="gelu")["last.weight"] == ("gelu", "kaiming_normal")


@pytest.mark.parametrize(
    ("f", "name"),
    [(F.relu, "relu"), (F.relu6, "hardtanh"), (F.elu, "elu"), (F.selu, "selu"), (F.gelu, "gelu"), (F.silu, "silu"),
     (rg.tanh, "tanh"), (rg.sigmoid, "sigmoid"), (F.softplus, "softplus"), (F.mish, "mish"), (F.hardswish, "hardswish"),
     (nn.SELU(), "selu"), (nn.ReLU6(), "relu6"), (nn.PReLU(), "prelu")],
)  # fmt: skip
def test_calls_are_recognized_in_the_graph(f, name):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.line, self.norm = nn.Linear(3, 4), nn.LayerNorm(4)
            self.f = f

        def forward(self, x):
            return self.f(self.norm(self.line(x)).reshape(-1))

    assert schemes(Net(), example=(rg.ones(2, 3),))["line.weight"][0] == name


def test_parametrized_weights_are_assigned_through_their_inverse():
    rg.manual_seed(0)
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(100, 80))
    init.apply(nn.Sequential(layer, nn.ReLU()))
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / 100), rel=0.05)
    assert nn.utils.parametrize.is_parametrized(layer)


def test_generators_and_repetition():
    nets = [init.apply(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.LSTM(3, 2)), generator=rg.Generator().manual_seed(s))
            for s in (1, 1, 2)]  # fmt: skip
    flat = [nn.utils.parameters_to_vector(n.parameters()).tolist() for n in nets]
    assert flat[0] == flat[1] != flat[2]
    assert all(p.requires_grad and p.is_leaf for p in nets[0].parameters())


def test_apply_errors():
    net = nn.Sequential(nn.Linear(2, 2))
    for call, kind, text in (
        (lambda: init.apply(net, "best"), ValueError, "unknown scheme 'best'; expected a function or one of auto"),
        (lambda: init.apply(net, 3), TypeError, "scheme must be a name or a function, got int"),
        (lambda: init.apply(net, nonlinearity="best"), ValueError, "unknown nonlinearity 'best'"),
        (lambda: init.apply(net, mode="fan"), ValueError, "Mode fan not supported"),
        (lambda: init.apply(nn.LazyLinear(3)), ValueError, "LazyLinear has parameters without a shape; call the model"),
    ):
        with pytest.raises(kind, match=text):
            call()


def test_a_deep_network_trains_where_the_default_does_not():
    """What the function is for: 20 layers of ReLU learn from `apply` and not from what nn.Linear starts with."""
    losses = {}
    for scheme in ("auto", None):
        rg.manual_seed(0)
        x = rg.randn(64, 8)
        y = (x[:, :1] * x[:, 1:2] > 0).float()
        net = nn.Sequential(
            *(m for i in range(20) for m in (nn.Linear(8 if i == 0 else 32, 32), nn.ReLU())), nn.Linear(32, 1)
        )
        if scheme:
            init.apply(net, scheme)
        optimizer = rg.optim.Adam(net.parameters(), lr=1e-3)
        for _ in range(60):
            optimizer.zero_grad()
            loss = F.binary_cross_entropy_with_logits(net(x), y)
            loss.backward()
            optimizer.step()
        losses[scheme] = loss.item()
    assert losses["auto"] < 0.3 < 0.6 < losses[None]


@backends
def test_on_a_device(on_backend):
    """Nothing is drawn or computed on the host behind a device's back."""
    device = on_backend
    rg.manual_seed(0)
    for name in init.functional.__all__:
        w = getattr(init.functional, name)(SHAPES.get(name, (4, 5)), *ARGUMENTS.get(name, ()), device=device)
        assert w.device.type == rg.zeros(1, device=device).device.type, name
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, device=device), nn.PReLU(device=device), nn.Flatten(),
        nn.utils.parametrizations.weight_norm(nn.Linear(16, 6, device=device)), nn.ReLU(),
        nn.utils.parametrizations.spectral_norm(nn.Linear(6, 5, device=device)),
        nn.utils.prune.ln_structured(nn.Linear(5, 4, device=device), "weight", 2, 2, 0), nn.CrossMapLRN2d(3),
    )  # fmt: skip
    init.apply(net[:7])
    init.apply(nn.LSTM(2, 3, device=device))
    init.lstm_forget_bias_(nn.LSTMCell(2, 3, device=device))
    out = net[:7](rg.ones(2, 1, 2, 2, device=device))
    out.square().sum().backward()
    assert all(p.grad is not None for p in net.parameters()) and out.device == net[0].weight.device
    assert nn.CrossMapLRN2d(3)(rg.ones(1, 5, 2, 2, device=device)).device == out.device
