"""Recurrent layers against PyTorch: outputs, states, and every gradient, from the same weights."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import retrograd as rg

torch = pytest.importorskip("torch", reason="the comparison needs torch")

LAYERS = sorted(
    itertools.product(
        ("GRU", "LSTM", "RNN", "RNN-relu", "LSTM-proj"), (1, 2), (False, True), (False, True), (False, True)
    ),
    key=repr,
)


def pair(kind: str, layers: int, bidirectional: bool, bias: bool, batch_first: bool):
    name, _, option = kind.partition("-")
    given = {"num_layers": layers, "bidirectional": bidirectional, "bias": bias, "batch_first": batch_first}
    given |= {"relu": {"nonlinearity": "relu"}, "proj": {"proj_size": 2}}.get(option, {})
    theirs = getattr(torch.nn, name)(3, 4, dtype=torch.float64, **given)
    ours = getattr(rg.nn, name)(3, 4, dtype=rg.float64, **given)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({k: rg.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    assert repr(ours) == repr(theirs)
    return ours, theirs


def flat(x):
    """Tensors in an output, packed or not, with their states."""
    if isinstance(x, list | tuple) and not hasattr(x, "batch_sizes"):
        return [t for v in x for t in flat(v)]
    return [x.data] if hasattr(x, "batch_sizes") else [x]


def compare(ours, theirs, x, state, wrap_ours=lambda t: t, wrap_theirs=lambda t: t):
    rng = np.random.default_rng(1)
    results = []
    weights = None
    for lib, model, pack in ((rg, ours, wrap_ours), (torch, theirs, wrap_theirs)):
        xs = lib.tensor(x).requires_grad_()
        states = None if state is None else [lib.tensor(s).requires_grad_() for s in state]
        hx = None if states is None else (tuple(states) if len(states) == 2 else states[0])
        outs = flat(model(pack(xs), hx))
        if weights is None:
            weights = [rng.normal(size=tuple(o.shape)) for o in outs]
        loss = sum((o * lib.tensor(w)).sum() for o, w in zip(outs, weights, strict=True))
        model.zero_grad()
        loss.backward()
        grads = [p.grad for p in (xs, *(states or []), *model.parameters())]
        results.append([t.detach().numpy() for t in (*outs, *grads)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def states_of(theirs, batch):
    n = theirs.num_layers * (2 if theirs.bidirectional else 1)
    rng = np.random.default_rng(2)
    h = rng.normal(size=(n, batch, theirs.proj_size or theirs.hidden_size))
    return [h, rng.normal(size=(n, batch, theirs.hidden_size))] if theirs.mode == "LSTM" else [h]


@pytest.mark.parametrize(("kind", "layers", "bidirectional", "bias", "batch_first"), LAYERS)
def test_padded_batches(kind, layers, bidirectional, bias, batch_first):
    ours, theirs = pair(kind, layers, bidirectional, bias, batch_first)
    x = np.random.default_rng(0).normal(size=(2, 5, 3) if batch_first else (5, 2, 3))
    compare(ours, theirs, x, states_of(theirs, 2))
    compare(ours, theirs, x, None)
    one = [s[:, 0] for s in states_of(theirs, 2)]
    compare(ours, theirs, x[0] if batch_first else x[:, 0], one)


@pytest.mark.parametrize("sort", [False, True])
@pytest.mark.parametrize(("kind", "layers", "bidirectional"), sorted({k[:3] for k in LAYERS}))
def test_packed_batches(kind, layers, bidirectional, sort):
    ours, theirs = pair(kind, layers, bidirectional, True, False)
    lengths = [5, 3, 1] if sort else [2, 5, 3]
    x = np.random.default_rng(0).normal(size=(5, 3, 3))

    def pack(module):
        return lambda t: module.pack_padded_sequence(t, lengths, enforce_sorted=sort)

    compare(ours, theirs, x, states_of(theirs, 3), pack(rg.nn.utils.rnn), pack(torch.nn.utils.rnn))
    compare(ours, theirs, x, None, pack(rg.nn.utils.rnn), pack(torch.nn.utils.rnn))


@pytest.mark.parametrize("name", ["GRUCell", "LSTMCell", "RNNCell"])
@pytest.mark.parametrize("bias", [False, True])
def test_cells(name, bias):
    theirs = getattr(torch.nn, name)(3, 4, bias=bias, dtype=torch.float64)
    ours = getattr(rg.nn, name)(3, 4, bias=bias, dtype=rg.float64)
    ours.load_state_dict({k: rg.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    assert repr(ours) == repr(theirs)
    rng = np.random.default_rng(0)
    x, state = rng.normal(size=(2, 3)), [rng.normal(size=(2, 4)) for _ in range(2 if name == "LSTMCell" else 1)]
    compare(ours, theirs, x, state)
    compare(ours, theirs, x, None)
    compare(ours, theirs, x[0], [s[0] for s in state])


@pytest.mark.parametrize("name", ["GRU", "LSTM", "RNN"])
def test_second_order(name):
    """The gradient of a gradient's norm, as PyTorch computes it from the single steps of a cell."""
    theirs = getattr(torch.nn, name + "Cell")(2, 3, dtype=torch.float64)
    ours = getattr(rg.nn, name)(2, 3, dtype=rg.float64)
    ours.load_state_dict({f"{k}_l0": rg.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(4, 2, 2))
    xs, xt = rg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out = ours(xs)[0]
    h, steps = None, []
    for t in range(4):
        h = theirs(xt[t], h)
        steps.append(h[0] if name == "LSTM" else h)
    found = []
    for lib, o, v, model in ((rg, out, xs, ours), (torch, torch.stack(steps), xt, theirs)):
        (g,) = lib.autograd.grad((o * o).sum(), v, create_graph=True)
        found.append([p.detach().numpy() for p in lib.autograd.grad((g * g).sum(), [v, *model.parameters()])])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_dropout_acts_between_layers_in_training_only():
    rg.manual_seed(0)
    m = rg.nn.GRU(3, 4, 2, dropout=0.5)
    x = rg.randn(5, 2, 3)
    assert not rg.equal(m(x)[0], m(x)[0])
    m.eval()
    assert rg.equal(m(x)[0], m(x)[0])
    with pytest.warns(UserWarning, match="no effect"):
        rg.nn.GRU(3, 4, dropout=0.5)


def test_options_that_pytorch_lacks():
    """Peepholes and the paper's reset gate, against the formulas written out."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 2, 3))

    def sigma(v):
        return 1 / (1 + np.exp(-v))

    lstm = rg.nn.LSTM(3, 2, dtype=rg.float64, peephole=True)
    wi, wh, bi, bh, wc = (p.detach().numpy() for p in lstm.parameters())
    h = c = np.zeros((2, 2))
    for t in range(4):
        i, f, g, o = np.split(x[t] @ wi.T + bi + h @ wh.T + bh, 4, 1)
        i, f = sigma(i + wc[0] * c), sigma(f + wc[1] * c)
        c = f * c + i * np.tanh(g)
        h = sigma(o + wc[2] * c) * np.tanh(c)
    np.testing.assert_allclose(lstm(rg.tensor(x))[0][-1].detach().numpy(), h, rtol=1e-12)

    gru = rg.nn.GRU(3, 2, dtype=rg.float64, reset_after=False)
    wi, wh, bi, bh = (p.detach().numpy() for p in gru.parameters())
    h = np.zeros((2, 2))
    for t in range(4):
        a = x[t] @ wi.T + bi + bh
        r, z = np.split(sigma(a[:, :4] + h @ wh[:4].T), 2, 1)
        n = np.tanh(a[:, 4:] + (r * h) @ wh[4:].T)
        h = (1 - z) * n + z * h
    np.testing.assert_allclose(gru(rg.tensor(x))[0][-1].detach().numpy(), h, rtol=1e-12)


def test_bad_input_is_named():
    m = rg.nn.LSTM(3, 4)
    with pytest.raises(ValueError, match="input_size 3, got 2"):
        m(rg.zeros(5, 1, 2))
    with pytest.raises(RuntimeError, match=r"h_0 must have shape \(1, 1, 4\)"):
        m(rg.zeros(5, 1, 3), (rg.zeros(1, 2, 4), rg.zeros(1, 1, 4)))
    with pytest.raises(TypeError, match="pair"):
        m(rg.zeros(5, 1, 3), rg.zeros(1, 1, 4))
    with pytest.raises(TypeError, match=r"float64.*float32"):
        m(rg.zeros(5, 1, 3, dtype=rg.float64))
    with pytest.raises(ValueError, match="no steps"):
        m(rg.zeros(0, 1, 3))
    with pytest.raises(ValueError, match="nonlinearity"):
        rg.nn.RNN(1, 1, nonlinearity="gelu")
    with pytest.raises(ValueError, match="proj_size"):
        rg.nn.LSTM(3, 4, proj_size=4)


# ---------------------------------------------------------------- sequences
def test_padding_and_packing_agree_with_pytorch():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(n, 2)) for n in (2, 4, 3)]
    ours, theirs = rg.nn.utils.rnn, torch.nn.utils.rnn
    a, b = [rg.tensor(p) for p in parts], [torch.tensor(p) for p in parts]
    for given in ({}, {"batch_first": True}, {"padding_value": -1.5, "padding_side": "left"}):
        np.testing.assert_array_equal(ours.pad_sequence(a, **given).numpy(), theirs.pad_sequence(b, **given).numpy())
    p, q = ours.pack_sequence(a, enforce_sorted=False), theirs.pack_sequence(b, enforce_sorted=False)
    for u, v in zip(p, q, strict=True):
        np.testing.assert_array_equal(u.numpy(), v.numpy())
        assert str(u.dtype).split(".")[1] == str(v.dtype).split(".")[1]
    for given in ({}, {"batch_first": True, "total_length": 6, "padding_value": 9.0}):
        for u, v in zip(ours.pad_packed_sequence(p, **given), theirs.pad_packed_sequence(q, **given), strict=True):
            np.testing.assert_array_equal(u.numpy(), v.numpy())
    for u, v in zip(ours.unpack_sequence(p), theirs.unpack_sequence(q), strict=True):
        np.testing.assert_array_equal(u.numpy(), v.numpy())


def test_packing_refuses_what_does_not_fit():
    r = rg.nn.utils.rnn
    x = rg.zeros(4, 2, 1)
    with pytest.raises(RuntimeError, match="enforce_sorted=False"):
        r.pack_padded_sequence(x, [2, 4])
    with pytest.raises(RuntimeError, match="at least 1"):
        r.pack_padded_sequence(x, [2, 0])
    with pytest.raises(RuntimeError, match="only 4 steps"):
        r.pack_padded_sequence(x, [5, 1])
    with pytest.raises(RuntimeError, match="2 sequences in the batch but 3 lengths"):
        r.pack_padded_sequence(x, [4, 2, 1])
    with pytest.raises(ValueError, match="total_length"):
        r.pad_packed_sequence(r.pack_padded_sequence(x, [4, 2]), total_length=3)
