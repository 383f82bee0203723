"""The layers that regularise by noise, filter response normalisation and maxout: masks, gradients, settings, errors."""

from __future__ import annotations

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn


def double(*shape):
    return rg.randn(*shape, dtype=rg.float64).requires_grad_()


# ---------------------------------------------------------------- masks
def test_drop_connect_drops_weights_and_leaves_them_as_they_are():
    layer = nn.DropConnect(nn.Linear(50, 40, dtype=rg.float64), 0.25, ("weight", "bias"))
    before = layer.module.weight.detach().clone()
    y = layer(rg.eye(50, dtype=rg.float64))
    assert rg.equal(layer.module.weight, before)
    # Row i of the output is column i of the weight that was used, plus the bias that was used.
    rg.manual_seed(3)
    used = layer(rg.eye(50, dtype=rg.float64)).T
    bias = layer(rg.zeros(1, 50, dtype=rg.float64))
    assert 0.1 < (bias == 0).double().mean().item() < 0.45
    with rg.no_grad():
        layer.module.bias.zero_()
    rg.manual_seed(3)
    used = layer(rg.eye(50, dtype=rg.float64)).T.detach().numpy()
    zero = used == 0
    assert abs(zero.mean() - 0.25) < 0.05
    np.testing.assert_allclose(used[~zero], before.numpy()[~zero] / 0.75)
    y.sum().backward()
    assert layer.module.weight.grad is not None
    with pytest.raises(ValueError, match="has no parameter 'weights'; it has weight, bias"):
        nn.DropConnect(nn.Linear(1, 1), names=("weights",))


def test_drop_connect_wraps_recurrent_weights():
    lstm = nn.LSTM(3, 4)
    layer = nn.DropConnect(lstm, 0.5, ("weight_hh_l0",))
    x = rg.randn(6, 2, 3)
    assert not rg.equal(layer(x)[0], layer(x)[0])
    assert rg.equal(layer.eval()(x)[0], lstm(x)[0])


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("block", [1, 2, 3, 4])
def test_drop_block_zeroes_whole_blocks(dims, block):
    """Each zero lies in a block of zeros that fits into the map, and the share of zeros is about p."""
    layer = getattr(nn, f"DropBlock{dims}d")(0.15, block)
    size = {1: 40, 2: 14, 3: 8}[dims]
    dropped = (layer(rg.ones(8, 12, *[size] * dims)) == 0).numpy()
    windows = np.lib.stride_tricks.sliding_window_view(dropped, [block] * dims, tuple(range(2, 2 + dims)))
    whole = windows.all(tuple(range(-dims, 0)))
    covered = np.zeros_like(dropped)
    for offset in np.ndindex(*[block] * dims):
        where = tuple(slice(o, o + n) for o, n in zip(offset, whole.shape[2:], strict=True))
        covered[(..., *where)] |= whole
    np.testing.assert_array_equal(covered, dropped)
    assert 0.07 < dropped.mean() < 0.2


def test_drop_block_in_place_and_on_maps_smaller_than_a_block():
    x = rg.ones(2, 3, 4, 5)
    rg.manual_seed(1)
    y = nn.DropBlock2d(0.5, 7)(x)
    assert set(np.unique((y == 0).numpy().reshape(6, 20).sum(1))) <= {0, 16, 20}
    rg.manual_seed(1)
    z = nn.DropBlock2d(0.5, 7, inplace=True)(x)
    assert z is x
    assert rg.equal(z, y)


def test_stochastic_depth_drops_samples_or_batches():
    x = rg.ones(200, 3, 2)
    rows = nn.StochasticDepth(0.25)(x)
    assert rg.equal(rows, rows[:, :1, :1].expand_as(x))
    assert set(np.unique(rows.numpy()).tolist()) == {0.0, np.float32(1 / 0.75)}
    for _ in range(20):
        batch = nn.StochasticDepth(0.5, "batch")(x)
        assert rg.equal(batch, batch[:1, :1, :1].expand_as(x))
    with pytest.raises(ValueError, match="mode must be 'batch'"):
        nn.StochasticDepth(0.5, "rows")
    with pytest.raises(ValueError, match="has no dimension"):
        nn.StochasticDepth(0.5)(rg.tensor(1.0))


def test_shake_drop_draws_its_gradient_apart_from_its_value():
    x = rg.ones(4000, dtype=rg.float64, requires_grad=True)
    y = nn.ShakeDrop(0.4)(x)
    y.sum().backward()
    alpha, beta = y.detach().numpy(), x.grad.numpy()
    through = alpha == 1
    assert abs(through.mean() - 0.6) < 0.04
    np.testing.assert_array_equal(beta[through], 1)
    assert alpha.min() < -0.9 and alpha[~through].max() < 1
    assert beta.min() >= 0 and abs(beta[~through].mean() - 0.5) < 0.05
    assert abs(np.corrcoef(alpha[~through], beta[~through])[0, 1]) < 0.1
    with pytest.raises(ValueError, match="alpha_range must be"):
        nn.ShakeDrop(alpha_range=(1, -1))


@pytest.mark.parametrize(
    ("shape", "batch_first", "dim"), [((6, 3, 4), False, 0), ((3, 6, 4), True, 1), ((6, 4), True, 0)]
)
def test_locked_dropout_repeats_its_mask_over_time(shape, batch_first, dim):
    x = rg.ones(shape)
    y = nn.LockedDropout(0.5, batch_first)(x)
    first = y.narrow(dim, 0, 1)
    assert rg.equal(y, first.expand(shape))
    assert set(np.unique(y.numpy()).tolist()) == {0.0, 2.0}
    with pytest.raises(ValueError, match="expected a sequence"):
        nn.LockedDropout()(rg.ones(3))


# ---------------------------------------------------------------- recurrences
@pytest.mark.parametrize("name", ["RNNCell", "GRUCell", "LSTMCell"])
def test_zoneout_keeps_units_of_the_old_state(name):
    cell = getattr(nn, name)(3, 50, dtype=rg.float64)
    x = rg.randn(8, 3, dtype=rg.float64)
    pair = name == "LSTMCell"
    old = tuple(rg.randn(8, 50, dtype=rg.float64) for _ in range(2))
    hx = old if pair else old[0]
    zone = nn.Zoneout(cell, 0.3, 0.6)
    new, got = cell(x, hx), zone(x, hx)
    zone.eval()
    mean = zone(x, hx)
    for o, n, g, m, p in zip(old, *((v if pair else [v]) for v in (new, got, mean)), (0.3, 0.6), strict=False):
        kept = g == o
        assert rg.equal(g, rg.where(kept, o, n))
        assert abs(kept.double().mean().item() - p) < 0.08
        np.testing.assert_allclose(m.detach().numpy(), (p * o + (1 - p) * n).detach().numpy(), rtol=1e-12)
    assert rg.equal(nn.Zoneout(cell, 0.0, 0.0)(x)[0], cell(x)[0])
    zone.train()
    first = zone(x)
    assert ((first[0] if pair else first) == 0).any(), "a missing state is zero, and some units keep it"


def test_rnn_drop_has_one_mask_on_the_memory_for_all_steps():
    cell = nn.LSTMCell(3, 40, dtype=rg.float64)
    layer = nn.RNNDrop(cell, 0.25)
    x = rg.randn(7, 5, 3, dtype=rg.float64)
    out, (h, c) = layer(x)
    assert rg.equal(out[-1], h)
    dead = c == 0
    assert rg.equal((out == 0).all(0), dead)
    assert rg.equal((out == 0).any(0), dead)
    assert abs(dead.double().mean().item() - 0.25) < 0.1
    # The paper's recurrence, with the mask that was drawn.
    m = (~dead).double().numpy()
    wi, wh, bi, bh = (p.detach().numpy() for p in cell.parameters())
    hs, cs = np.zeros((5, 40)), np.zeros((5, 40))
    for t in range(7):
        i, f, g, o = np.split(x[t].numpy() @ wi.T + bi + hs @ wh.T + bh, 4, 1)
        i, f, o = (1 / (1 + np.exp(-v)) for v in (i, f, o))
        cs = m * (f * cs + i * np.tanh(g))
        hs = m / 0.75 * o * np.tanh(cs)
        np.testing.assert_allclose(out[t].detach().numpy(), hs, atol=1e-12)
    layer.eval()
    lstm = nn.LSTM(3, 40, dtype=rg.float64)
    lstm.load_state_dict({f"{k}_l0": v for k, v in cell.state_dict().items()})
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), lstm(x)[0].detach().numpy(), atol=1e-12)
    batch_first = nn.RNNDrop(cell, 0.25, batch_first=True).eval()(x.transpose(0, 1))[0]
    np.testing.assert_allclose(batch_first.transpose(0, 1).detach().numpy(), layer(x)[0].detach().numpy(), atol=1e-14)
    assert layer(x[:, 0])[0].shape == (7, 40)
    with pytest.raises(TypeError, match=r"must return \(h, c\)"):
        nn.RNNDrop(nn.GRUCell(3, 4))(x.float())
    with pytest.raises(ValueError, match="no steps"):
        layer(x[:0])


# ---------------------------------------------------------------- what all share
NOISY = {
    "GaussianDropout": lambda: nn.GaussianDropout(0.3),
    "DropBlock1d": lambda: nn.DropBlock1d(0.3, 2),
    "StochasticDepth": lambda: nn.StochasticDepth(0.3),
    "LockedDropout": lambda: nn.LockedDropout(0.3),
    "DropConnect": lambda: nn.DropConnect(nn.Linear(6, 5, dtype=rg.float64), 0.3),
}


@pytest.mark.parametrize("name", sorted(NOISY))
def test_noise_repeats_from_a_seed_and_has_the_gradient_of_its_value(name):
    layer, x = NOISY[name](), double(4, 5, 6)

    def run(x):
        rg.manual_seed(7)
        return layer(x)

    assert rg.equal(run(x), run(x))
    assert not rg.equal(layer(x), layer(x))
    assert rg.autograd.gradcheck(run, (x,))
    with pytest.raises(ValueError, match=r"p has to be a probability"):
        type(layer)(*([nn.Linear(1, 1)] if name == "DropConnect" else []), p=1.5)
    with pytest.raises(TypeError, match="p must be a float"):
        type(layer)(*([nn.Linear(1, 1)] if name == "DropConnect" else []), p="0.5")


@pytest.mark.parametrize("name", sorted(NOISY))
def test_probability_zero_is_the_identity_and_names_show_in_reprs(name):
    layer = NOISY[name]()
    layer.p = 0.0
    x = double(4, 5, 6)
    assert rg.equal(layer(x), layer.module(x)) if name == "DropConnect" else layer(x) is x
    assert "p=0.0" in repr(layer)


@pytest.mark.parametrize("dtype", [rg.float16, rg.bfloat16])
def test_half_precision_keeps_share_mean_and_dtype(dtype):
    """More elements than float16 can count, a small probability, and squares beyond its range."""
    x = rg.ones(2, 40, 32, 32, dtype=dtype)
    y = nn.DropBlock2d(0.05, 3)(x)
    assert y.dtype == dtype
    assert abs(y.float().mean().item() - 1) < 0.01
    assert abs((y == 0).float().mean().item() - 0.05) < 0.01
    shaken = nn.ShakeDrop(0.0005)(rg.ones(40_000, dtype=dtype))
    assert shaken.dtype == dtype
    assert abs((shaken != 1).float().mean().item() - 0.0005) < 0.0004
    z = nn.FilterResponseNorm(3, tlu=False, dtype=dtype)(rg.full((2, 3, 8), 300.0, dtype=dtype))
    assert z.dtype == dtype
    np.testing.assert_allclose(z.detach().float().numpy(), 1, rtol=0.01)


def test_integers_are_refused():
    for layer in (nn.GaussianDropout(), nn.DropBlock1d(), nn.StochasticDepth(), nn.ShakeDrop(), nn.LockedDropout()):
        with pytest.raises(TypeError, match=r"int64; a floating-point dtype is expected, as in x\.float"):
            layer(rg.ones(2, 3, 4, dtype=rg.int64))


# ---------------------------------------------------------------- filter response normalisation
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (4, 3, 5, 2)])
@pytest.mark.parametrize("learnable", [False, True])
def test_filter_response_norm_has_right_gradients(shape, learnable):
    layer = nn.FilterResponseNorm(3, eps=1e-2, learnable_eps=learnable, dtype=rg.float64)
    with rg.no_grad():
        for p in layer.parameters():
            p += rg.randn_like(p) * 0.2
    names, params = zip(*layer.named_parameters(), strict=True)
    assert list(names) == ["weight", "bias", "tau", *(["eps_l"] if learnable else [])]

    def run(x, *values):
        return rg.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    values = [p.detach().clone().requires_grad_() for p in params]
    assert rg.autograd.gradcheck(run, (double(*shape), *values))


def test_filter_response_norm_is_the_same_for_any_batch_and_mode():
    layer, x = nn.FilterResponseNorm(3), rg.randn(4, 3, 6)
    assert rg.allclose(layer(x)[1:2], layer.eval()(x[1:2]))
    assert not list(layer.buffers())
    plain = nn.FilterResponseNorm(3, tlu=False)
    assert "tau" not in plain.state_dict()
    assert rg.allclose(nn.TLU(3)(plain(x)), layer(x))
    np.testing.assert_allclose((plain(x) ** 2).mean(-1).detach().numpy(), np.ones((4, 3)), rtol=1e-4)
    with pytest.raises(ValueError, match=r"expected an input \(N, 3, \.\.\.\), got shape \(4, 2, 6\)"):
        layer(x[:, :2])
    with pytest.raises(ValueError, match="eps must not be negative"):
        nn.FilterResponseNorm(3, eps=-1.0)


# ---------------------------------------------------------------- maxout
def test_maxout_shapes_gradients_and_errors():
    layer = nn.Maxout(4, 3, 5, dtype=rg.float64)
    x = double(2, 6, 4)
    assert layer(x).shape == (2, 6, 3)
    assert rg.autograd.gradcheck(layer, (x,))
    assert sum(p.numel() for p in layer.parameters()) == 5 * (4 * 3 + 3)
    assert nn.Maxout(4, 3, bias=False).bias is None
    bound = layer.weight.abs().max().item()
    assert 0.4 < bound <= 0.5
    y = nn.ChannelMaxout(2)(rg.randn(2, 6, 5, 5))
    assert y.shape == (2, 3, 5, 5)
    with pytest.raises(ValueError, match="must be a multiple of num_pieces 4"):
        nn.ChannelMaxout(4)(rg.zeros(2, 6))
    with pytest.raises(ValueError, match="has no dimension 1"):
        nn.ChannelMaxout(2)(rg.zeros(2))
    with pytest.raises(ValueError, match="num_pieces must be at least 1"):
        nn.Maxout(2, 2, 0)
