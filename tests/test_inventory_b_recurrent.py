"""Section B of the inventory, rows 13 and 14: simple and gated recurrences, against loops of the documents' equations."""

from __future__ import annotations

import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch):
    """Each test draws the same numbers, whichever others run."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(0))


def sigma(x):
    return 1 / (1 + np.exp(-x))


def array(x):
    return x.detach().numpy()


# ---------------------------------------------------------------- B13 simple recurrences
def test_b13_elman_follows_document_003():
    for nonlinearity, f in (("tanh", np.tanh), ("relu", lambda v: np.maximum(v, 0))):
        rnn = nn.RNN(3, 4, nonlinearity=nonlinearity, dtype=rg.float64)
        w_in, w_h, b_in, b_h = (array(p) for p in rnn.parameters())
        x, h = RNG.normal(size=(5, 2, 3)), np.zeros((2, 4))
        out, last = rnn(rg.tensor(x))
        for t in range(5):
            h = f(x[t] @ w_in.T + h @ w_h.T + b_in + b_h)
            np.testing.assert_allclose(array(out[t]), h, rtol=1e-10)
        np.testing.assert_allclose(array(last[0]), h, rtol=1e-10)


def test_b13_jordan_follows_document_003():
    """h(t) = f(W_in x(t) + W_back y(t-1) + b_h); y(t) = g(W_out h(t) + b_y)."""
    net = nn.JordanRNN(3, 4, 2, output_nonlinearity="sigmoid", dtype=rg.float64)
    w_in, w_back, w_out, b_h, b_y = (array(p) for p in net.parameters())
    x, y = RNG.normal(size=(5, 2, 3)), RNG.normal(size=(2, 2))
    out, last = net(rg.tensor(x), rg.tensor(y))
    for t in range(5):
        h = np.tanh(x[t] @ w_in.T + y @ w_back.T + b_h)
        y = sigma(h @ w_out.T + b_y)
        np.testing.assert_allclose(array(out[t]), y, rtol=1e-10)
    np.testing.assert_allclose(array(last), y, rtol=1e-10)


def test_b13_echo_state_is_an_elman_network_with_fixed_weights():
    net = nn.EchoState(3, 20, 2, leak=0.7, density=0.5, bias_scale=0.2, dtype=rg.float64)
    x, h = RNG.normal(size=(5, 2, 3)), np.zeros((2, 20))
    out, last = net(rg.tensor(x))
    w_in, w, b = net.weight_in.numpy(), net.weight_hh.numpy(), net.bias_hh.numpy()
    for t in range(5):
        h = 0.3 * h + 0.7 * np.tanh(x[t] @ w_in.T + h @ w.T + b)
        np.testing.assert_allclose(array(out[t]), h @ array(net.readout.weight).T + array(net.readout.bias), rtol=1e-9)
    np.testing.assert_allclose(array(last), h, rtol=1e-10)


def test_b13_recurrent_weights_of_an_echo_state_network_never_train():
    net = nn.EchoState(1, 30, 1)
    fixed = {k: v.clone() for k, v in net.state_dict().items() if not k.startswith("readout")}
    assert sorted(fixed) == ["bias_hh", "weight_hh", "weight_in"]
    assert {name for name, _ in net.named_parameters()} == {"readout.weight", "readout.bias"}
    optimizer = rg.optim.AdamW(net.parameters(), lr=0.1, weight_decay=0.5)
    readout = net.readout.weight.detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        (net(rg.randn(10, 4, 1))[0] ** 2).mean().backward()
        optimizer.step()
    assert not rg.equal(net.readout.weight, readout)
    for name, value in fixed.items():
        now = getattr(net, name)
        assert rg.equal(now, value) and not now.requires_grad and now.grad is None


def test_b13_a_fitted_echo_state_network_remembers():
    """A readout by ridge regression gives back the input of three steps ago, as least squares on the states does."""
    net = nn.EchoState(1, 60, 1, input_scale=0.3, dtype=rg.float64)
    u = rg.rand(600, 1, 1, dtype=rg.float64) - 0.5
    x, y = u[3:], u[:-3]
    net.fit(x[:400], y[:400], ridge=1e-8, washout=20)
    error = (net(x)[0][400:] - y[400:]).var() / y[400:].var()
    assert error < 0.01
    h = np.c_[net.states(x[:400]).numpy()[20:, 0], np.ones(380)]
    ridge = np.diag([1e-8] * 60 + [0.0])
    wanted = np.linalg.solve(h.T @ h + ridge, h.T @ y[20:400, 0].numpy())
    np.testing.assert_allclose(array(net.readout.weight)[0], wanted[:-1, 0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(array(net.readout.bias), wanted[-1], rtol=1e-4, atol=1e-6)


# ---------------------------------------------------------------- B14 gated recurrences
def lstm_steps(x, h, c, w):
    """Document 001, equations 61 to 66, for one sequence x (T, I); gates in the order i, f, g, o."""
    out = []
    for row in x:
        a = w["weight_ih"] @ row + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"]
        a_i, a_f, a_g, a_o = np.split(a, 4)
        peep = w.get("weight_ch", np.zeros((3, len(c))))
        i, f, g = sigma(a_i + peep[0] * c), sigma(a_f + peep[1] * c), np.tanh(a_g)
        c = f * c + i * g
        h = sigma(a_o + peep[2] * c) * np.tanh(c)
        if "weight_hr" in w:
            h = w["weight_hr"] @ h
        out.append(h)
    return np.array(out), h, c


def gru_steps(x, h, c, w, after=True):
    """Document 003 (reset gate after the product), or document 004 (before)."""
    out = []
    for row in x:
        r_x, z_x, n_x = np.split(w["weight_ih"] @ row + w["bias_ih"], 3)
        r_h, z_h, n_h = np.split(w["weight_hh"] @ h + w["bias_hh"], 3)
        r, z = sigma(r_x + r_h), sigma(z_x + z_h)
        if not after:
            k = len(h)
            n_h = w["weight_hh"][2 * k :] @ (r * h) + w["bias_hh"][2 * k :]
        n = np.tanh(n_x + (r * n_h if after else n_h))
        h = z * h + (1 - z) * n
        out.append(h)
    return np.array(out), h, c


KINDS = {
    "lstm": (lambda **k: nn.LSTM(3, 4, dtype=rg.float64, **k), lstm_steps),
    "lstm-peephole": (lambda **k: nn.LSTM(3, 4, dtype=rg.float64, peephole=True, **k), lstm_steps),
    "lstm-projected": (lambda **k: nn.LSTM(3, 4, dtype=rg.float64, proj_size=2, **k), lstm_steps),
    "gru": (lambda **k: nn.GRU(3, 4, dtype=rg.float64, **k), gru_steps),
    "gru-reset-before": (
        lambda **k: nn.GRU(3, 4, dtype=rg.float64, reset_after=False, **k),
        lambda x, h, c, w: gru_steps(x, h, c, w, after=False),
    ),
}


def reference(layer, steps, x):
    """Outputs and last states of one sequence, layer by layer, forward and backward in time."""
    params, ends = {k: array(v) for k, v in layer.named_parameters()}, []
    for number in range(layer.num_layers):
        parts = []
        for suffix in ("", "_reverse")[: 2 if layer.bidirectional else 1]:
            end = f"_l{number}{suffix}"
            w = {k[: -len(end)]: v for k, v in params.items() if k.endswith(end)}
            start = np.zeros(layer.proj_size or layer.hidden_size), np.zeros(layer.hidden_size)
            out, h, c = steps(x[::-1] if suffix else x, *start, w)
            parts.append(out[::-1] if suffix else out)
            ends.append((h, c))
        x = np.concatenate(parts, 1)
    return x, ends


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (1, True), (2, False), (3, True)])
def test_b14_gated_layers_follow_the_documents(kind, layers, bidirectional):
    """Padded and packed batches of sequences of different lengths, stacked, in both directions."""
    make, steps = KINDS[kind]
    layer = make(num_layers=layers, bidirectional=bidirectional)
    sequences = [RNG.normal(size=(n, 3)) for n in (2, 6, 4)]
    packed = nn.utils.rnn.pack_sequence([rg.tensor(s) for s in sequences], enforce_sorted=False)
    out, state = layer(packed)
    outs, lengths = nn.utils.rnn.pad_packed_sequence(out)
    assert lengths.tolist() == [2, 6, 4]
    for b, s in enumerate(sequences):
        wanted, ends = reference(layer, steps, s)
        np.testing.assert_allclose(array(outs[: len(s), b]), wanted, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(array(layer(rg.tensor(s))[0]), wanted, rtol=1e-9, atol=1e-12)
        for i, (h, c) in enumerate(ends):
            np.testing.assert_allclose(array(state[0] if kind.startswith("lstm") else state)[i, b], h, atol=1e-12)
            if kind.startswith("lstm"):
                np.testing.assert_allclose(array(state[1])[i, b], c, atol=1e-12)


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("GRUCell", "gru"),
        ("LSTMCell", "lstm"),
        ("PeepholeLSTMCell", "lstm-peephole"),
        ("ResetBeforeGRUCell", "gru-reset-before"),
    ],
)
def test_b14_cells_are_one_step_of_their_layers(cell, kind):
    one, many = getattr(nn, cell)(3, 4, dtype=rg.float64), KINDS[kind][0]()
    many.load_state_dict({f"{k}_l0": v for k, v in one.state_dict().items()})
    x = RNG.normal(size=(5, 3))
    wanted = KINDS[kind][1](x, np.zeros(4), np.zeros(4), {k: array(v) for k, v in one.named_parameters()})[0]
    np.testing.assert_allclose(array(many(rg.tensor(x))[0]), wanted, atol=1e-12)
    np.testing.assert_allclose(array(nn.Unroll(one)(rg.tensor(x))[0]), wanted, atol=1e-12)
    batch = nn.Unroll(one)(rg.tensor(x).unsqueeze(1))[0]
    np.testing.assert_allclose(array(batch[:, 0]), wanted, atol=1e-12)
    no_bias = getattr(nn, cell)(3, 4, bias=False)
    assert "bias_ih" not in no_bias.state_dict()
    no_bias(rg.zeros(2, 3))


@pytest.mark.parametrize("cell", ["LSTMCell", "PeepholeLSTMCell"])
def test_b14_gates_stand_in_the_order_i_f_g_o(cell):
    layer = getattr(nn, cell)(1, 1, dtype=rg.float64)
    with rg.no_grad():
        for p in layer.parameters():
            p.zero_()
        layer.bias_ih.copy_(rg.tensor([0.3, -0.2, 0.7, 1.1], dtype=rg.float64))
    zero = rg.zeros(1, 1, dtype=rg.float64)
    h, c = layer(zero, (zero, zero + 2.0))
    wanted = sigma(-0.2) * 2.0 + sigma(0.3) * math.tanh(0.7)
    assert abs(c.item() - wanted) < 1e-12
    assert abs(h.item() - sigma(1.1) * math.tanh(wanted)) < 1e-12
