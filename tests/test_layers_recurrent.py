"""Recurrent, attention, positional and memory layers beyond PyTorch: gradients, shapes, options, errors."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.nn.layers import addressing


def double(*shape):
    return rg.randn(*shape, dtype=rg.float64).requires_grad_()


def with_parameters(module):
    """(function of the input and the parameters' values, those values), for gradcheck."""
    names, params = zip(*module.named_parameters(), strict=True)

    def run(x, *values):
        out = rg.func.functional_call(module, dict(zip(names, values, strict=True)), (x,))
        return out[0] if isinstance(out, tuple) else out

    return run, [p.detach().clone().requires_grad_() for p in params]


def travels(make):
    """A state_dict carries the whole layer to another."""
    a, b = make(), make()
    b.load_state_dict(a.state_dict())
    return a, b


# ---------------------------------------------------------------- recurrent
RECURRENT = {
    "JordanRNN": lambda: nn.JordanRNN(3, 4, 2, "tanh", "sigmoid", dtype=rg.float64),
    "EchoState": lambda: nn.EchoState(3, 6, 2, leak=0.5, density=0.5, bias_scale=0.1, dtype=rg.float64),
    "Unroll-peephole": lambda: nn.Unroll(nn.PeepholeLSTMCell(3, 2, dtype=rg.float64)),
    "Unroll-gru": lambda: nn.Unroll(nn.ResetBeforeGRUCell(3, 2, dtype=rg.float64)),
    "Unroll-ntm": lambda: nn.Unroll(nn.NTMCell(3, 4, 2, slots=4, width=3, write_heads=2, dtype=rg.float64)),
    "Unroll-dnc": lambda: nn.Unroll(nn.DNCCell(3, 4, 2, slots=4, width=3, read_heads=2, dtype=rg.float64)),
}


@pytest.mark.parametrize("name", sorted(RECURRENT))
def test_recurrent_gradients_and_state_dicts(name):
    a, b = travels(RECURRENT[name])
    x = double(3, 2, 3)
    assert rg.equal(a(x)[0], b(x)[0])
    run, values = with_parameters(a)
    # The machines have some hundred parameters: they are checked along a random direction.
    assert rg.autograd.gradcheck(run, (x, *values), fast_mode=len(values) > 5)


@pytest.mark.parametrize("name", ["JordanRNN", "Unroll-peephole", "Unroll-gru"])
def test_recurrent_second_order(name):
    layer = RECURRENT[name]()
    assert rg.autograd.gradgradcheck(lambda x: layer(x)[0], (double(2, 1, 3),))


@pytest.mark.parametrize("name", ["EchoState", "JordanRNN", "Unroll-peephole", "Unroll-gru"])
def test_sequences_come_alone_in_batches_and_batch_first(name):
    layer = RECURRENT[name]()
    x = rg.randn(5, 2, 3, dtype=rg.float64)
    out, _ = layer(x)
    assert out.shape[:2] == (5, 2)
    np.testing.assert_allclose(layer(x[:, 1])[0].detach().numpy(), out[:, 1].detach().numpy(), atol=1e-14)
    with pytest.raises(ValueError, match="no steps"):
        layer(x[:0])
    with pytest.raises(ValueError, match="2-D"):
        layer(x[0, 0])
    layer.batch_first = True
    first = layer(x.transpose(0, 1))[0]
    np.testing.assert_allclose(first.transpose(0, 1).detach().numpy(), out.detach().numpy(), atol=1e-14)


@pytest.mark.parametrize("name", ["EchoState", "JordanRNN", "Unroll-peephole", "Unroll-gru"])
def test_a_sequence_in_two_parts_is_the_sequence(name):
    layer, x = RECURRENT[name](), rg.randn(6, 2, 3, dtype=rg.float64)
    out, end = layer(x)
    first, state = layer(x[:4])
    second, last = layer(x[4:], state)
    np.testing.assert_allclose(rg.cat([first, second]).detach().numpy(), out.detach().numpy(), atol=1e-14)
    for a, b in zip(*((v if isinstance(v, tuple) else (v,)) for v in (end, last)), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-14)


def test_unroll_is_the_layer_of_its_cell():
    for cell, layer in ((nn.LSTMCell, nn.LSTM), (nn.GRUCell, nn.GRU), (nn.RNNCell, nn.RNN)):
        one, many = cell(3, 4, dtype=rg.float64), layer(3, 4, dtype=rg.float64)
        many.load_state_dict({f"{k}_l0": v for k, v in one.state_dict().items()})
        x = rg.randn(5, 2, 3, dtype=rg.float64)
        np.testing.assert_allclose(nn.Unroll(one)(x)[0].detach().numpy(), many(x)[0].detach().numpy(), atol=1e-13)


def test_jordan_with_targets_runs_on_the_targets_before():
    layer = nn.JordanRNN(3, 4, 2)
    x, targets = rg.randn(5, 2, 3), rg.randn(5, 2, 2)
    out, last = layer(x, targets=targets)
    y = rg.zeros(2, 2)
    for t in range(5):
        step = nn.JordanRNNCell.forward(layer, x[t], y)
        np.testing.assert_allclose(step.detach().numpy(), out[t].detach().numpy(), atol=1e-6)
        y = targets[t]
    assert rg.equal(last, out[-1])
    own = layer(x)[0].detach()
    np.testing.assert_allclose(layer(x, targets=own)[0].detach().numpy(), own.numpy(), atol=1e-6)
    for call, message in (
        (lambda: layer(x, targets=targets[1:]), r"targets must have shape \(5, 2, 2\)"),
        (lambda: layer(x, rg.zeros(2, 3)), r"last output must have shape \(2, 2\)"),
        (lambda: layer(x[..., :2]), "input_size 3, got 2"),
        (lambda: nn.JordanRNN(3, 4, 2, "gelu"), "nonlinearity must be one of 'tanh'"),
        (lambda: nn.JordanRNN(3, 0, 2), "hidden_size must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert (
        repr(nn.JordanRNN(3, 4, 2, "relu", batch_first=True))
        == "JordanRNN(3, 4, 2, nonlinearity=relu, batch_first=True)"
    )


def test_echo_state_weights_are_scaled_sparse_and_repeat_from_a_generator():
    def make(seed):
        return nn.EchoState(
            2, 100, 1, spectral_radius=0.8, density=0.2, input_scale=0.3, generator=rg.Generator().manual_seed(seed)
        )

    net = make(1)
    w = net.weight_hh.numpy()
    assert abs(np.abs(np.linalg.eigvals(w)).max() - 0.8) < 1e-4
    assert abs((w != 0).mean() - 0.2) < 0.02
    assert np.abs(net.weight_in.numpy()).max() <= 0.3
    assert (net.bias_hh == 0).all()
    assert rg.equal(make(1).weight_hh, net.weight_hh)
    assert not rg.equal(make(2).weight_hh, net.weight_hh)
    with pytest.raises(ValueError, match="without a cycle"):
        nn.EchoState(1, 2, 1, density=1e-9)
    with pytest.raises(ValueError, match=r"leak and density must lie in \(0, 1\]"):
        nn.EchoState(1, 2, 1, leak=0)
    with pytest.raises(ValueError, match="washout must be less than the 4 steps"):
        net.fit(rg.zeros(4, 2), rg.zeros(4, 1), washout=4)


def test_echo_state_forgets_its_first_state():
    """The echo state property: with a spectral radius below 1 and leak 1, two starts end in the same state."""
    net = nn.EchoState(1, 50, 1, spectral_radius=0.7, dtype=rg.float64)
    x = rg.randn(200, 1, 1, dtype=rg.float64)
    a, b = (net.states(x, rg.randn(1, 50, dtype=rg.float64)) for _ in range(2))
    assert (a[0] - b[0]).abs().max() > 0.1
    assert (a[-1] - b[-1]).abs().max() < 1e-8


# ---------------------------------------------------------------- attention
ATTENTION = {
    "additive": (lambda: nn.AdditiveAttention(3, 4, 5, dtype=rg.float64), 3),
    "bilinear": (lambda: nn.BilinearAttention(3, 4, dtype=rg.float64), 3),
    "dot": (lambda: nn.DotProductAttention(), 4),
    "scaled": (lambda: nn.DotProductAttention(scaled=True), 4),
}


@pytest.mark.parametrize("name", sorted(ATTENTION))
def test_attention_shapes_gradients_and_second_order(name):
    make, e = ATTENTION[name]
    layer = make()
    q, k, v = double(2, 3, e), double(2, 5, 4), double(2, 5, 6)
    context, weights = layer(q, k, v)
    assert context.shape == (2, 3, 6) and weights.shape == (2, 3, 5)
    np.testing.assert_allclose(weights.sum(-1).detach().numpy(), 1)
    np.testing.assert_allclose(context.detach().numpy(), (weights @ v).detach().numpy(), atol=1e-14)
    mask = rg.tensor([[False, True, False, False, True], [False] * 5])
    for run in (lambda q, k, v: layer(q, k, v)[0], lambda q, k, v: layer(q, k, v, key_padding_mask=mask)[0]):
        assert rg.autograd.gradcheck(run, (q, k, v))
    assert rg.autograd.gradgradcheck(lambda q: layer(q, k[:1], v[:1])[0], (double(1, 1, e),))
    for one, given in (
        (context[0], (q[0], k[0], v[0])),
        (context[:, 1], (q[:, 1], k, v)),
        (context[0, 1], (q[0, 1], k[0], v[0])),
    ):
        np.testing.assert_allclose(layer(*given)[0].detach().numpy(), one.detach().numpy(), atol=1e-14)


def test_attention_is_pytorchs_scaled_product_and_its_dropout_acts_in_training():
    q, k, v = rg.randn(2, 3, 4), rg.randn(2, 5, 4), rg.randn(2, 5, 6)
    ours = nn.DotProductAttention(scaled=True, dropout=0.5)
    assert not rg.equal(ours(q, k, v)[0], ours(q, k, v)[0])
    np.testing.assert_allclose(
        ours.eval()(q, k, v)[0].numpy(), nn.functional.scaled_dot_product_attention(q, k, v).numpy(), atol=1e-6
    )


def test_masks_add_to_the_scores_and_combine():
    """A finite mask is a bias, as of distances, with a gradient; with a padding mask, both act."""
    q, k, v, bias = double(2, 3, 4), double(2, 5, 4), double(2, 5, 6), double(3, 5)
    layer = nn.DotProductAttention(scaled=True)
    wanted = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    np.testing.assert_allclose(layer(q, k, v, bias)[0].detach().numpy(), wanted.detach().numpy(), atol=1e-12)
    padding = rg.tensor([[False, True, False, False, True], [False] * 5])
    both = layer(q, k, v, bias, padding)[0]
    np.testing.assert_allclose(both[1].detach().numpy(), wanted[1].detach().numpy(), atol=1e-12)
    kept = [0, 2, 3]
    one = nn.functional.scaled_dot_product_attention(q[0], k[0, kept], v[0, kept], attn_mask=bias[:, kept])
    np.testing.assert_allclose(both[0].detach().numpy(), one.detach().numpy(), atol=1e-12)
    assert rg.autograd.gradcheck(lambda b: layer(q, k, v, b, padding)[0], (bias,))


def test_attention_errors():
    layer, x = nn.AdditiveAttention(3, 4, 5), rg.zeros
    for call, message in (
        (lambda: layer(x(2, 3, 4), x(2, 5, 4)), r"query\.size\(-1\) must be query_size 3, got 4"),
        (lambda: layer(x(2, 3, 3), x(2, 5, 3)), r"key\.size\(-1\) must be key_size 4, got 3"),
        (lambda: layer(x(2, 3, 3), x(3, 5, 4)), "2 queries but 3 keys"),
        (lambda: layer(x(2, 3, 3), x(2, 5, 4), x(2, 4, 4)), "one value for each key"),
        (lambda: layer(x(3), x(2, 5, 4)), "expected keys"),
        (lambda: layer(x(2, 3, 3), x(2, 5, 4), attn_mask=x(5, 3)), r"attn_mask must have shape \(3, 5\)"),
        (lambda: layer(x(2, 3, 3), x(2, 5, 4), key_padding_mask=x(5)), r"key_padding_mask must have shape \(2, 5\)"),
        (lambda: nn.DotProductAttention()(x(2, 3, 3), x(2, 5, 4)), "BilinearAttention takes different sizes"),
        (lambda: nn.DotProductAttention(dropout=2.0), "between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match="attn_mask must be bool"):
        layer(x(2, 3, 3), x(2, 5, 4), attn_mask=rg.zeros(3, 5, dtype=rg.int64))


# ---------------------------------------------------------------- positions
@pytest.mark.parametrize("cls", [nn.SinusoidalPositionalEncoding, nn.LearnedPositionalEncoding])
def test_positional_encodings_take_batches_parts_and_dropout(cls):
    layer = cls(6, max_len=10)
    x = rg.randn(4, 2, 6)
    out = layer(x)
    assert rg.equal(layer(x[:, 1]), out[:, 1])
    assert rg.equal(rg.cat([layer(x[:3]), layer(x[3:], offset=3)]), out)
    first = cls(6, max_len=10, batch_first=True)
    if cls is nn.LearnedPositionalEncoding:
        first.load_state_dict(layer.state_dict())
    assert rg.equal(first(x.transpose(0, 1)), out.transpose(0, 1))
    assert rg.equal(cls(6, 10, 1.0)(x), rg.zeros_like(x))
    for call, message in (
        (lambda: layer(rg.zeros(11, 6)), "positions 0 to 10 are outside of the table's 10; raise max_len"),
        (lambda: layer(x, offset=7), "positions 7 to 10"),
        (lambda: layer(rg.zeros(4, 5)), r"\(T, 6\)"),
        (lambda: cls(0), "must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_learned_positions_train_and_sinusoidal_ones_are_not_saved():
    layer = nn.LearnedPositionalEncoding(6, 10)
    layer(rg.zeros(4, 3, 6)).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad.numpy()[:, 0], [3] * 4 + [0] * 6)
    assert not nn.SinusoidalPositionalEncoding(6).state_dict()
    assert nn.SinusoidalPositionalEncoding(6, dtype=rg.float64).pe.dtype == rg.float64


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_encoding_rotates_pairs_and_depends_on_distances(interleaved):
    layer = nn.RotaryPositionalEncoding(6, interleaved=interleaved)
    x = double(2, 3, 5, 6)
    a = x.detach().numpy()
    pairs = a.reshape(2, 3, 5, 3, 2) if interleaved else np.stack([a[..., :3], a[..., 3:]], -1)
    turned = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * np.outer(np.arange(5), 10000.0 ** (-np.arange(3) / 3)))
    halves = [turned.real, turned.imag]
    wanted = np.stack(halves, -1).reshape(a.shape) if interleaved else np.concatenate(halves, -1)
    np.testing.assert_allclose(layer(x).detach().numpy(), wanted, atol=1e-12)
    q, k = rg.randn(6, dtype=rg.float64), rg.randn(6, dtype=rg.float64)
    turned_q, turned_k = layer(q.expand(9, 6)), layer(k.expand(9, 6))
    products = (turned_q @ turned_k.T).numpy()
    for i in range(1, 9):
        np.testing.assert_allclose(np.diag(products, i), products[0, i], atol=1e-12)
    assert rg.allclose(layer(x[:, :, 2:], offset=2), layer(x)[:, :, 2:])
    assert rg.autograd.gradcheck(layer, (x,))
    with pytest.raises(ValueError, match="dim must be even"):
        nn.RotaryPositionalEncoding(5)
    with pytest.raises(ValueError, match=r"\(\*, T, 6\)"):
        layer(rg.zeros(5, 4))


# ---------------------------------------------------------------- memory
def test_memory_addressing_gradients():
    """Every formula of the memory in one function, away from ties of the sort."""
    memory, key, strength, gate, gamma = double(2, 5, 3), double(2, 2, 3), double(2, 2), double(2, 2), double(2, 2)
    previous, moves = double(2, 2, 5), double(2, 2, 3)

    def ntm(memory, key, strength, gate, gamma, previous, moves):
        w = addressing.content_weights(memory, key, strength.exp())
        w = addressing.interpolate_weights(w, previous.softmax(-1), gate.sigmoid())
        w = addressing.sharpen_weights(addressing.shift_weights(w, moves.softmax(-1)), gamma.exp() + 1)
        return addressing.read_memory(addressing.erase_and_add(memory, w, key.sigmoid(), key), w)

    assert rg.autograd.gradcheck(ntm, (memory, key, strength, gate, gamma, previous, moves))
    usage, write, links, precedence = (
        rg.rand(*s, dtype=rg.float64).requires_grad_() for s in ((2, 5), (2, 5), (2, 5, 5), (2, 5))
    )

    def dnc(usage, write, links, precedence, previous, gate):
        used = addressing.update_usage(usage, write, previous.softmax(-1), gate.sigmoid())
        linked = addressing.update_links(links, precedence, write)
        return addressing.allocation_weights(used), linked, addressing.update_precedence(precedence, write)

    assert rg.autograd.gradcheck(dnc, (usage, write, links, precedence, previous, gate))


def test_content_of_an_empty_memory_has_finite_gradients():
    memory, key = rg.zeros(1, 4, 3, requires_grad=True), rg.zeros(1, 1, 3, requires_grad=True)
    w = addressing.content_weights(memory, key, rg.ones(1, 1))
    np.testing.assert_allclose(w.detach().numpy(), 0.25)
    (w * rg.arange(4)).sum().backward()
    assert memory.grad.isfinite().all() and key.grad.isfinite().all()


def test_memory_errors():
    ones = rg.ones
    for call, message in (
        (lambda: addressing.shift_weights(ones(1, 1, 4), ones(1, 1, 2)), "an odd number is expected"),
        (lambda: addressing.shift_weights(ones(1, 1, 4), ones(1, 1, 5)), "5 moves, but only 4 slots"),
        (lambda: addressing.content_weights(ones(1, 4, 3), ones(1, 1, 2), ones(1, 1)), r"memory \(N, S, W\)"),
        (lambda: nn.NTMCell(3, 4, 2, slots=4)(ones(2, 4)), r"expected an input \(N, 3\)"),
        (lambda: nn.NTMCell(3, 4, 2, slots=2), "shift_range 1 needs more than 2 slots"),
        (lambda: nn.NTMCell(3, 4, 0), "output_size must be positive"),
        (lambda: nn.NTMCell(3, 4, 2, write_heads=0), "write_heads must be positive"),
        (lambda: nn.DNCCell(3, 4, 2, controller="gru"), "'lstm' or 'feedforward'"),
        (lambda: nn.NTMAddressing(3, 0), "must be positive"),
        (lambda: nn.NTMAddressing(3, 2)(ones(1, 3), ones(1, 4, 2), ones(1, 4)), r"must have shape \(1, 1, 4\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("cls", [nn.DNCCell, nn.NTMCell])
@pytest.mark.parametrize("controller", ["feedforward", "lstm"])
def test_memory_cells_reset_and_keep_distributions(cls, controller):
    cell = cls(3, 8, 2, slots=6, width=4, read_heads=2, controller=controller)
    before = {k: v.clone() for k, v in cell.state_dict().items()}
    cell.reset_parameters()
    assert all(not rg.equal(v, before[k]) for k, v in cell.state_dict().items())
    state = None
    for _ in range(4):
        output, state = cell(rg.randn(5, 3), state)
    assert output.shape == (5, 2)
    assert state.reads.shape == (5, 2, 4) and state.read_weights.shape == (5, 2, 6)
    sums = state.read_weights.sum(-1)
    assert (sums <= 1 + 1e-5).all() and (state.read_weights >= 0).all()
    if cls is nn.NTMCell:
        np.testing.assert_allclose(sums.detach().numpy(), 1, rtol=1e-5)
