"""Section B of the inventory, rows 15, 16 and 21: attention, transformers and positions, external memories."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import retrograd as rg
from retrograd import nn
from retrograd.nn import functional as F
from retrograd.nn.layers import addressing

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch):
    """Each test draws the same numbers, whichever others run."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(0))


def array(x):
    return x.detach().numpy()


# ---------------------------------------------------------------- B15 attention
ATTENTION = {
    "additive": lambda: nn.AdditiveAttention(4, 4, 5, dtype=rg.float64),
    "bilinear": lambda: nn.BilinearAttention(4, 4, dtype=rg.float64),
    "dot": lambda: nn.DotProductAttention(),
    "scaled": lambda: nn.DotProductAttention(scaled=True),
    "multi-head": lambda: nn.MultiheadAttention(4, 2, batch_first=True, dtype=rg.float64),
    "functional": lambda: None,
}


def attend(layer, q, k, v, mask):
    if layer is None:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask), None
    return layer(q, k, v, attn_mask=mask)


@pytest.mark.parametrize("name", sorted(ATTENTION))
@pytest.mark.parametrize("boolean", [False, True])
def test_b15_a_mask_of_minus_infinity_removes_the_connection(name, boolean):
    layer = ATTENTION[name]()
    q, k, v = (rg.tensor(RNG.normal(size=(2, n, 4)), requires_grad=True) for n in (3, 5, 5))
    removed = np.zeros((3, 5), bool)
    removed[:, 1] = removed[0, 3:] = removed[2, 0] = True
    mask = rg.tensor(removed) if boolean else rg.tensor(np.where(removed, -np.inf, 0.0))
    if name == "functional" and boolean:
        mask = ~mask  # there True takes part, as in PyTorch
    out, weights = attend(layer, q, k, v, mask)
    if weights is not None:
        assert (array(weights)[:, removed] == 0).all()
        np.testing.assert_allclose(array(weights).sum(-1), 1)
    # Zero gradient through each removed connection, and some through the others.
    for row in range(3):
        grads = rg.autograd.grad(out[:, row].square().sum(), (k, v), retain_graph=True)
        for g in grads:
            assert (array(g)[:, removed[row]] == 0).all()
            assert (array(g)[:, ~removed[row]] != 0).any()
    # As good as not being there: key 1 is removed for every query.
    left = [0, 2, 3, 4]
    less, _ = attend(layer, q, k[:, left], v[:, left], mask[:, left])
    np.testing.assert_allclose(array(less), array(out), rtol=1e-10)
    other = k.detach().clone()
    other[:, 1] = 1e6
    np.testing.assert_allclose(array(attend(layer, q, other, v, mask)[0]), array(out), rtol=1e-10)


@pytest.mark.parametrize("name", ["additive", "bilinear", "dot", "scaled"])
def test_b15_a_query_without_keys_gets_nothing(name):
    layer = ATTENTION[name]()
    q, k = (rg.tensor(RNG.normal(size=(2, 3, 4)), requires_grad=True) for _ in range(2))
    out, weights = layer(q, k, key_padding_mask=rg.tensor([[True] * 3, [False, False, True]]))
    assert (out[0] == 0).all() and (weights[0] == 0).all() and (weights[1, :, 2] == 0).all()
    out.sum().backward()
    assert (k.grad[0] == 0).all() and (q.grad[0] == 0).all() and k.grad.isfinite().all()
    assert (k.grad[1, 2] == 0).all() and (k.grad[1, :2] != 0).any()


def test_b15_scores_are_those_of_the_papers():
    q, k, v = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 4)), RNG.normal(size=(5, 2))
    additive, bilinear = ATTENTION["additive"](), ATTENTION["bilinear"]()
    w_q, b, w_k, w = (array(p) for p in additive.parameters())
    m = array(bilinear.weight)
    scores = {
        "additive": lambda s, t: w[0] @ np.tanh(w_q @ s + b + w_k @ t),
        "bilinear": lambda s, t: s @ m @ t,
        "dot": lambda s, t: s @ t,
        "scaled": lambda s, t: s @ t / 2,
    }
    for name, layer in (
        ("additive", additive),
        ("bilinear", bilinear),
        ("dot", ATTENTION["dot"]()),
        ("scaled", ATTENTION["scaled"]()),
    ):
        context, weights = layer(rg.tensor(q), rg.tensor(k), rg.tensor(v))
        for i in range(3):
            e = np.exp([scores[name](q[i], key) for key in k])
            np.testing.assert_allclose(array(weights)[i], e / e.sum(), rtol=1e-10)
            np.testing.assert_allclose(array(context)[i], e / e.sum() @ v, rtol=1e-10)


def test_b15_a_decoder_with_attention_learns_to_reverse():
    """Encoder-decoder use: at each step the decoder's state asks the encoder's outputs; only attention carries them."""
    rg.manual_seed(0)
    encoder = nn.GRU(6, 16, batch_first=True, bidirectional=True)
    cell, look, read = nn.GRUCell(32, 16), nn.AdditiveAttention(16, 32, 16), nn.Linear(32, 4)
    parts = nn.ModuleList([encoder, cell, look, read])
    optimizer = rg.optim.Adam(parts.parameters(), lr=0.02)
    position = rg.eye(4)[None]
    for _ in range(80):
        symbols = rg.randint(0, 2, (32, 4))
        x = rg.cat([nn.functional.one_hot(symbols, 2).float(), position.expand(32, -1, -1)], -1)
        memory, _ = encoder(x)
        state, context, loss = rg.zeros(32, 16), rg.zeros(32, 32), 0.0
        for t in range(4):
            state = cell(context, state)
            context, weights = look(state, memory)
            loss = loss + F.cross_entropy(read(context), symbols[:, 3 - t]) / 4
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if loss.item() < 0.05:
            break
    assert loss.item() < 0.2, "chance is log 2 = 0.69"
    assert weights.shape == (32, 4)


# ---------------------------------------------------------------- B16 transformers and positions
def test_b16_sinusoidal_encoding_is_the_formula():
    for d in (6, 7):
        layer = nn.SinusoidalPositionalEncoding(d, max_len=50, dtype=rg.float64)
        wanted = np.empty((50, d))
        for pos, j in np.ndindex(50, d):
            angle = pos / 10000 ** (2 * (j // 2) / d)
            wanted[pos, j] = math.sin(angle) if j % 2 == 0 else math.cos(angle)
        np.testing.assert_allclose(layer(rg.zeros(50, d, dtype=rg.float64)).numpy(), wanted, atol=1e-13)


def test_b16_the_same_word_differs_by_its_position_and_attention_alone_does_not_see_it():
    encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, dtype=rg.float64)
    x = rg.randn(1, 5, 8, dtype=rg.float64)
    order = [3, 0, 4, 1, 2]
    np.testing.assert_allclose(array(encoder(x[:, order])), array(encoder(x)[:, order]), atol=1e-12)
    for layer in (
        nn.SinusoidalPositionalEncoding(8, batch_first=True, dtype=rg.float64),
        nn.LearnedPositionalEncoding(8, batch_first=True, dtype=rg.float64),
    ):
        assert not np.allclose(array(encoder(layer(x[:, order]))), array(encoder(layer(x))[:, order]), atol=1e-4)


@pytest.mark.parametrize("stack", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("part", ["Encoder", "Decoder"])
def test_b16_encoder_and_decoder_layers_agree_with_pytorch(part, norm_first, stack):
    torch = pytest.importorskip("torch", reason="the comparison needs torch")
    torch.manual_seed(0)

    def build(lib):
        given = {
            "dropout": 0.0,
            "batch_first": True,
            "norm_first": norm_first,
            "dtype": lib.float64,
            "activation": "gelu",
        }
        layer = getattr(lib.nn, f"Transformer{part}Layer")(8, 2, 12, **given)
        if not stack:
            return layer
        extra = {"enable_nested_tensor": False} if part == "Encoder" else {}
        return getattr(lib.nn, f"Transformer{part}")(layer, 2, lib.nn.LayerNorm(8, dtype=lib.float64), **extra)

    theirs, ours = build(torch), build(rg)
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(0.1 * torch.randn_like(p))
    ours.load_state_dict({k: rg.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x, memory, w = RNG.normal(size=(2, 4, 8)), RNG.normal(size=(2, 5, 8)), RNG.normal(size=(2, 4, 8))
    causal = np.triu(np.full((4, 4), -np.inf), 1)
    padding = np.where([[False] * 4, [False, False, False, True]], -np.inf, 0.0)
    found = []
    for lib, model in ((rg, ours), (torch, theirs)):
        xs, m = lib.tensor(x, requires_grad=True), lib.tensor(memory, requires_grad=True)
        if part == "Encoder":
            name = "mask" if stack else "src_mask"
            out = model(xs, **{name: lib.tensor(causal)}, src_key_padding_mask=lib.tensor(padding))
        else:
            out = model(xs, m, tgt_mask=lib.tensor(causal), tgt_key_padding_mask=lib.tensor(padding))
        (out * lib.tensor(w)).sum().backward()
        inputs = [xs] if part == "Encoder" else [xs, m]
        found.append([t.detach().numpy() for t in (out, *(p.grad for p in (*inputs, *model.parameters())))])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


# ---------------------------------------------------------------- B21 memory
def copy_batch(n, length, bits):
    """Inputs (2 L + 1, N, bits + 1), where the last channel says 'now', and the targets (L, N, bits) to give back."""
    y = (rg.rand(length, n, bits) < 0.5).float()
    x = rg.zeros(2 * length + 1, n, bits + 1)
    x[:length, :, :bits] = y
    x[length, :, bits] = 1.0
    return x, y


@pytest.mark.parametrize(("cls", "seed"), [(nn.NTMCell, 2), (nn.DNCCell, 1)], ids=["ntm", "dnc"])
def test_b21_a_memory_learns_to_copy(cls, seed):
    """The controller is feed-forward: nothing but the memory carries the bits over."""
    rg.manual_seed(seed)
    bits, length = 4, 2
    net = nn.Unroll(cls(bits + 1, 32, bits, slots=6, width=6, controller="feedforward"))
    optimizer = rg.optim.Adam(net.parameters(), lr=0.03)
    for step in range(200):
        x, y = copy_batch(32, length, bits)
        loss = F.binary_cross_entropy_with_logits(net(x)[0][-length:], y)
        if step == 0:
            assert abs(loss.item() - math.log(2)) < 0.05, "it starts at chance"
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        if loss.item() < 0.03:
            break
    x, y = copy_batch(64, length, bits)
    with rg.no_grad():
        answer = net(x)[0][-length:]
        assert F.binary_cross_entropy_with_logits(answer, y).item() < 0.15
        assert ((answer > 0) == (y > 0.5)).float().mean().item() > 0.95
        # The same network with an emptied memory knows nothing.
        _, state = net(x[: length + 1])
        lost = net(x[length + 1 :], state._replace(memory=state.memory * 0, reads=state.reads * 0))[0]
        assert F.binary_cross_entropy_with_logits(lost, y).item() > 0.6


def test_b21_ntm_addressing_is_that_of_the_paper():
    memory, key, previous = RNG.normal(size=(6, 3)), RNG.normal(size=3), RNG.dirichlet(np.ones(6))
    beta, g, gamma, s = 2.5, 0.3, 1.7, RNG.dirichlet(np.ones(3))
    cosine = [key @ row / (np.linalg.norm(key) * np.linalg.norm(row)) for row in memory]
    content = np.exp(beta * np.array(cosine))
    content /= content.sum()
    gated = g * content + (1 - g) * previous
    moved = [sum(gated[j] * s[(i - j + 1) % 6] for j in range(6) if (i - j + 1) % 6 < 3) for i in range(6)]
    sharp = np.array(moved) ** gamma
    sharp /= sharp.sum()

    def batched(*values):
        return [rg.tensor(np.asarray(v, float)[None, None]) for v in values]

    k, b, p, gate, shifts, power = batched(key, beta, previous, g, s, gamma)
    m = rg.tensor(memory[None])
    w = addressing.content_weights(m, k, b)
    np.testing.assert_allclose(w[0, 0].numpy(), content, rtol=1e-5)
    w = addressing.shift_weights(addressing.interpolate_weights(w, p, gate), shifts)
    np.testing.assert_allclose(w[0, 0].numpy(), moved, rtol=1e-5)
    w = addressing.sharpen_weights(w, power)
    np.testing.assert_allclose(w[0, 0].numpy(), sharp, rtol=1e-5)
    np.testing.assert_allclose(addressing.read_memory(m, w)[0, 0].numpy(), sharp @ memory, rtol=1e-5)
    erase, add = RNG.uniform(size=(2, 3)), RNG.normal(size=(2, 3))
    heads = RNG.dirichlet(np.ones(6), 2)
    wanted = memory.copy()
    for i in range(6):
        wanted[i] *= (1 - heads[0, i] * erase[0]) * (1 - heads[1, i] * erase[1])
        wanted[i] += heads[0, i] * add[0] + heads[1, i] * add[1]
    given = [rg.tensor(v[None]) for v in (memory, heads, erase, add)]
    np.testing.assert_allclose(addressing.erase_and_add(*given)[0].numpy(), wanted, rtol=1e-10)


def test_b21_dnc_addressing_is_that_of_the_paper():
    n = 5
    usage, write, precedence = RNG.uniform(size=n), RNG.dirichlet(np.ones(n)) * 0.8, RNG.dirichlet(np.ones(n))
    reads, free, links = RNG.dirichlet(np.ones(n), 2), RNG.uniform(size=2), RNG.uniform(size=(n, n)) / n
    retained = np.prod([1 - free[r] * reads[r] for r in range(2)], 0)
    used = (usage + write - usage * write) * retained
    order = sorted(range(n), key=lambda i: used[i])
    allocation = np.empty(n)
    for j, slot in enumerate(order):
        allocation[slot] = (1 - used[slot]) * math.prod(used[i] for i in order[:j])
    linked = np.zeros((n, n))
    for i, j in itertools.permutations(range(n), 2):
        linked[i, j] = (1 - write[i] - write[j]) * links[i, j] + write[i] * precedence[j]

    u, w, p, r, f, link = (rg.tensor(v[None]) for v in (usage, write, precedence, reads, free, links))
    got = addressing.update_usage(u, w, r, f)
    np.testing.assert_allclose(got[0].numpy(), used, rtol=1e-12)
    np.testing.assert_allclose(addressing.allocation_weights(got)[0].numpy(), allocation, rtol=1e-12)
    np.testing.assert_allclose(addressing.update_links(link, p, w)[0].numpy(), linked, rtol=1e-12)
    wanted = (1 - write.sum()) * precedence + write
    np.testing.assert_allclose(addressing.update_precedence(p, w)[0].numpy(), wanted, rtol=1e-12)


def test_b21_links_walk_in_the_order_of_writing():
    """Slots 2, 0, 3 are written in turn: forward from 2 leads to 0, then to 3, and backward returns."""
    links, precedence = rg.zeros(1, 4, 4), rg.zeros(1, 4)
    for slot in (2, 0, 3):
        write = rg.eye(4)[slot][None]
        links, precedence = (
            addressing.update_links(links, precedence, write),
            addressing.update_precedence(precedence, write),
        )
    read, walk = rg.eye(4)[2], [2]
    for step in (links[0].T, links[0].T, links[0], links[0]):
        read = read @ step
        walk.append(int(read.argmax()))
        assert read.sum() == 1
    assert walk == [2, 0, 3, 0, 2]
