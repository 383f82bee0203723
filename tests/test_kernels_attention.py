"""The attention kernels against the NumPy formulas: values and derivatives, masks, layouts, NaN, and what they decline."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retrograd as rg
import retrograd.nn.functional as F
from retrograd.autograd.kernels.cpu import KERNELS, attention, runtime

pytest.importorskip("numba")
pytest.importorskip("scipy")

TOLERANCE = {np.float64: 1e-12, np.float32: 5e-6}


def drawn(shape, dtype, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def attended(arrays, mask=None, causal=False, gqa=False, second=False, view=None):
    """Output and gradients (and those of their squares) of q, k, v, each seen through `view`."""
    xs = [rg.tensor(a, requires_grad=True) for a in arrays]
    q, k, v = xs if view is None else [view(x) for x in xs]
    y = F.scaled_dot_product_attention(
        q, k, v, None if mask is None else rg.tensor(mask), is_causal=causal, scale=0.4, enable_gqa=gqa
    )
    g = rg.tensor(drawn(tuple(y.shape), arrays[0].dtype, 9))
    found = rg.autograd.grad((y * g).sum(), xs, create_graph=second)
    out = [y, *found]
    if second:
        out += rg.autograd.grad(rg.stack([(d * d).sum() for d in found]).sum(), xs)
    return [v.detach().numpy() for v in out]


def check(arrays, **options):
    with runtime.forced():
        got = attended(arrays, **options)
    with rg.use_backend("numpy"):
        wanted = attended(arrays, **options)
    tolerance = TOLERANCE[arrays[0].dtype.type]
    for i, (a, b) in enumerate(zip(got, wanted, strict=True)):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * (1 if i < 4 else 20) * max(1.0, np.abs(b).max()))


SHAPES = [  # leading dimensions, queries, keys, features, features of the values, heads of q per head of k
    ((), 3, 4, 5, 2, 1),
    ((1,), 1, 1, 1, 1, 1),
    ((2, 3), 5, 7, 4, 4, 1),
    ((1, 4), 70, 300, 8, 3, 2),
    ((3,), 130, 257, 16, 16, 1),
]


def masks(lead, length, source, dtype):
    keep = np.random.default_rng(3).random((length, source)) < 0.6
    keep[0] = False  # a row with nothing left
    found = [None, keep, np.where(keep, drawn((length, source), dtype), -np.inf).astype(dtype)]
    if lead:
        found += [np.random.default_rng(4).random((*lead, 1, source)) < 0.7, drawn((lead[-1], length, 1), dtype)]
    return found


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_and_derivatives_are_those_of_the_formula(dtype, shape, second):
    lead, length, source, e, ev, groups = shape
    fewer = lead if groups == 1 else (*lead[:-1], lead[-1] // groups)
    arrays = [
        drawn((*lead, length, e), dtype),
        drawn((*fewer, source, e), dtype, 1),
        drawn((*fewer, source, ev), dtype, 2),
    ]
    for mask in masks(lead, length, source, dtype):
        check(arrays, mask=mask, gqa=groups > 1, second=second)
    check(arrays, causal=True, gqa=groups > 1, second=second)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_operands_are_read_where_they_are(dtype):
    arrays = [drawn((2, 9, 3, 4), dtype, i) for i in range(3)]
    check(arrays, causal=True, view=lambda x: x.transpose(1, 2))
    check(arrays, view=lambda x: x.permute(2, 0, 1, 3))
    check(arrays, view=lambda x: x.mT)  # no contiguous last dimension: copied
    check(arrays, view=lambda x: x[..., ::2])
    check(arrays, view=lambda x: x.flip(-2))
    check([a[:, :1] for a in arrays], view=lambda x: x.expand(2, 5, 3, 4))
    with runtime.forced():
        q, k, v = (np.swapaxes(a, 1, 2) for a in arrays)
        out, _, _ = KERNELS["attention"]((q, k, v), None, False, 0.5)
    assert out.swapaxes(1, 2).flags.c_contiguous  # so that joining the heads is a view


@given(
    st.tuples(st.integers(1, 2), st.integers(1, 3)), st.integers(1, 140), st.integers(1, 300), st.integers(1, 9),
    st.booleans(),
)  # fmt: skip
@settings(max_examples=15, deadline=None)
def test_drawn_shapes(lead, length, source, e, causal):
    check([drawn((*lead, n, e), np.float32, i) for i, n in enumerate((length, source, source))], causal=causal)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("where", range(3))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_spread_as_in_the_formula(bad, where, causal):
    arrays = [drawn((2, 150, 4), np.float64, i) for i in range(3)]
    arrays[where][0, 70, 1] = bad
    keep = np.random.default_rng(0).random((150, 150)) < 0.7
    keep[3] = False
    for mask in [None] if causal else [None, keep, np.where(keep, 0.3, -np.inf)]:
        with np.errstate(all="ignore"):
            with runtime.forced():
                got = attended(arrays, mask=mask, causal=causal)
            with rg.use_backend("numpy"):
                wanted = attended(arrays, mask=mask, causal=causal)
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
            good = np.isfinite(b)
            np.testing.assert_allclose(a[good], b[good], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("value", [-np.inf, np.nan])
def test_a_row_of_the_sum_that_is_all_infinite(value):
    arrays = [drawn((1, 5, 4), np.float32, i) for i in range(3)]
    mask = np.zeros((5, 5), np.float32)
    mask[2] = value
    mask[3, 1:] = -np.inf
    with runtime.forced():
        got = attended(arrays, mask=mask)
    with rg.use_backend("numpy"):
        wanted = attended(arrays, mask=mask)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_one_thread_and_two_agree(monkeypatch):
    arrays = [drawn((2, 3, 100, 8), np.float32, i) for i in range(3)]
    with runtime.forced():
        two = attended(arrays, causal=True)
        monkeypatch.setattr(runtime, "threads", lambda work, below: 1)
        monkeypatch.setattr("retrograd.autograd.kernels.cpu.attention.threads", lambda work, below: 1)
        one = attended(arrays, causal=True)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_is_declined():
    with runtime.forced():
        run = KERNELS["attention"]
        q = np.ones((2, 3, 4), np.float32)
        assert run((q, q, q), None, False, 0.5) is not NotImplemented
        assert run((q, q, q), None, False, 0.0) is NotImplemented
        assert run((q[:, :0], q, q), None, False, 0.5) is NotImplemented
        for dtype in (np.float16, np.int64, np.complex64):
            x = q.astype(dtype)
            assert run((x, x, x), None, False, 0.5) is NotImplemented
        assert run((q, q, q), np.ones((3, 3)), False, 0.5) is NotImplemented


@pytest.mark.parametrize("dtype", [rg.float16, rg.bfloat16])
def test_half_types_stay_close(dtype):
    q, k, v = (rg.tensor(drawn((2, 9, 4), np.float32, i)).to(dtype) for i in range(3))
    with runtime.forced():
        y = F.scaled_dot_product_attention(q, k, v)
    with rg.use_backend("numpy"):
        wanted = F.scaled_dot_product_attention(q, k, v)
    assert y.dtype is dtype
    np.testing.assert_allclose(y.float().numpy(), wanted.float().numpy(), rtol=1e-2)


def test_a_mask_that_learns_and_dropout_take_the_way_in_parts():
    arrays = [drawn((1, 6, 4), np.float64, i) for i in range(3)]

    def run():
        mask = rg.tensor(drawn((6, 6), np.float64, 5), requires_grad=True)
        q, k, v = map(rg.tensor, arrays)
        y = F.scaled_dot_product_attention(q, k, v, mask)
        return rg.autograd.grad(y.square().sum(), [mask])[0].numpy()

    with runtime.forced():
        got = run()
    with rg.use_backend("numpy"):
        np.testing.assert_allclose(got, run(), rtol=1e-10)


def counting(monkeypatch, name):
    calls = []
    kernel = KERNELS[name]

    def counted(*args):
        found = kernel(*args)
        calls.append(found is not NotImplemented)
        return found

    monkeypatch.setitem(KERNELS, name, counted)
    return calls


@pytest.mark.parametrize("causal", [False, True])
def test_multi_head_attention_and_encoder_layers_arrive_at_the_kernel(monkeypatch, causal):
    layer = rg.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, dtype=rg.float64)
    x = drawn((3, 5, 8), np.float64)
    mask = rg.nn.Transformer.generate_square_subsequent_mask(5, dtype=rg.float64) if causal else None

    def run():
        inputs = rg.tensor(x, requires_grad=True)
        y = layer(inputs, src_mask=mask, is_causal=causal)
        return [
            y.detach().numpy(),
            *(g.numpy() for g in rg.autograd.grad(y.square().sum(), [inputs, *layer.parameters()])),
        ]

    forward, backward = counting(monkeypatch, "attention"), counting(monkeypatch, "attention_back")
    with runtime.forced():
        got = run()
    assert forward == [True] and backward == [True]
    with rg.use_backend("numpy"):
        wanted = run()
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


# ---------------------------------------------------------------- one projection for queries, keys and values
def heads(part):
    b, t, d = part.shape
    return part.view(b, t, 2, d // 2).transpose(1, 2)


PARTS = {
    "side by side": lambda x: [heads(p) for p in x.split(8, dim=2)],
    "values first": lambda x: [heads(p) for p in x.split(8, dim=2)][::-1],
    "piled": lambda x: list(x.view(2, 70, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)),
    "interleaved": lambda x: [x.view(2, 70, 2, 4, 3)[..., i].transpose(1, 2) for i in range(3)],
    "overlapping": lambda x: [heads(x[:, :, i : i + 8]) for i in (0, 4, 16)],
    "queries twice": lambda x: [heads(x[:, :, i : i + 8]) for i in (0, 0, 16)],
    "of two": lambda x: [heads(x[:, :, :8]), *[heads(p) for p in (x * 2).split(8, dim=2)][1:]],
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_gradients_of_one_projection(parts):
    def found():
        x = rg.tensor(drawn((2, 70, 24), np.float64), requires_grad=True)
        y = x * 1.5
        q, k, v = parts(y)
        for p in (q, k, v):
            p.retain_grad()
        F.scaled_dot_product_attention(q, k, v, is_causal=True).pow(2).sum().backward()
        grads = [x.grad, q.grad, k.grad, v.grad]
        before = [g.numpy().copy() for g in grads]
        x.grad.add_(1)  # nothing of it is shared with the others
        for g, old in zip(grads[1:], before[1:], strict=True):
            np.testing.assert_array_equal(g.numpy(), old)
        return before

    with runtime.forced():
        got = found()
    with rg.use_backend("numpy"):
        wanted = found()
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_gradients_of_one_projection_are_written_side_by_side(monkeypatch):
    from retrograd.autograd.ops import split

    joined = []
    monkeypatch.setattr(split, "join_p", lambda *a: joined.append(a))
    x = rg.tensor(drawn((2, 70, 24), np.float32), requires_grad=True)
    with runtime.forced():
        q, k, v = PARTS["side by side"](x)
        F.scaled_dot_product_attention(q, k, v).sum().backward()
    assert x.grad is not None and not joined


def test_a_retained_gradient_of_a_part_survives_accumulation():
    x = rg.tensor(drawn((2, 70, 24), np.float64), requires_grad=True)
    with runtime.forced():
        y = x * 1.0
        q, k, v = PARTS["side by side"](y)
        loss = F.scaled_dot_product_attention(q, k, v).sum() + (y * y).sum()  # y has two gradients, which are added
        gq, gy = rg.autograd.grad(loss, [q, y])
    with rg.use_backend("numpy"):
        y = x * 1.0
        q, k, v = PARTS["side by side"](y)
        loss = F.scaled_dot_product_attention(q, k, v).sum() + (y * y).sum()
        wanted = rg.autograd.grad(loss, [q, y])
    np.testing.assert_allclose(gq.numpy(), wanted[0].numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(gy.numpy(), wanted[1].numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("length,source", [(6, 6), (64, 64), (192, 192), (193, 400), (400, 193), (130, 577)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lengths_around_the_blocks(length, source, causal, dtype):
    check([drawn((2, n, f), dtype) for n, f in ((length, 17), (source, 17), (source, 9))], causal=causal)


@settings(deadline=None, max_examples=60)
@given(
    length=st.integers(1, 210), source=st.integers(1, 210), e=st.integers(1, 20), ev=st.integers(1, 20),
    groups=st.sampled_from([1, 2]), causal=st.booleans(), char=st.sampled_from("fd"),
)  # fmt: skip
def test_threads_stay_in_their_memory_and_read_what_they_wrote(length, source, e, ev, groups, causal, char):
    rooms = []
    numbers = attention._numbers

    def with_room(*args):
        p, work = numbers(*args)
        rooms.append(np.full(work.size + 200, np.nan, work.dtype))
        return p, rooms[-1][100:-100].reshape(work.shape)

    dtype = np.dtype(char).type
    shapes = ((2 * groups, length, e), (2, source, e), (2, source, ev))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attention, "_numbers", with_room)
        check([drawn(s, dtype) for s in shapes], causal=causal, gqa=groups == 2)
    assert len(rooms) == 2  # forward and backward
    for room in rooms:
        assert np.isnan(room[:100]).all() and np.isnan(room[-100:]).all()
