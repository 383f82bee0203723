"""Random numbers: Philox's known answers, generators and their state, distributions, PyTorch's shapes and errors."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import retrograd as rg
from retrograd.autograd import draws, philox
from retrograd.autograd import dtypes as dt
from retrograd.autograd import random as rnd

stats = pytest.importorskip("scipy.stats")
N = 40_000
ALL_ONES = 2**64 - 1
REAL = [rg.float32, rg.float64, rg.float16, rg.bfloat16]


@pytest.fixture(autouse=True)
def _seeded():
    with rg.fork_rng():
        rg.manual_seed(1234)
        yield


def gen(seed=0):
    return rg.Generator().manual_seed(seed)


# ---------------------------------------------------------------- Philox
KNOWN = [
    ((0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ALL_ONES, ALL_ONES, ALL_ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x299F31D0A4093822, 0x85A308D3243F6A88, 0x0370734413198A2E),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("place", "answer"), KNOWN)
def test_known_answers(place, answer):
    key, low, high = place
    assert philox.block(key, low, high) == answer
    streams = np.array([high, 5], np.uint64)
    for n in (3, 4, 40):  # by Python's integers, and by arrays
        assert tuple(philox.words(np, n, key, low, high)[:4]) == answer[:n]
        assert tuple(philox.rows(np, n, key, low, streams)[0][:4]) == answer[:n]


PLACES = [(0, 0, 0), (1, 2**64 - 3, 2), (3, 2**32 - 2, 2**64 - 1), (2**63 + 5, 7, 2**32)]


@pytest.mark.parametrize("place", PLACES)
def test_words_are_those_of_the_blocks(place):
    key, low, high = place
    blocks = [w for i in range(10) for w in philox.block(key, (low + i) % 2**64, high)]
    for n in (0, 1, 5, 16, 17, 39):
        words = philox.words(np, n, key, low, high)
        assert words.dtype == np.uint32
        assert words.tolist() == blocks[:n]
    assert philox.rows(np, 9, key, low, np.array([1, high], np.uint64))[1].tolist() == blocks[:9]


def test_chunks_do_not_show():
    long = philox.words(np, 100_001, 7, 3, 0)
    assert np.array_equal(long[:99], philox.words(np, 99, 7, 3, 0))
    assert np.array_equal(long[80_000:], philox.words(np, 20_001, 7, 20_003, 0))
    rows = philox.rows(np, 30_001, 7, 3, np.array([0, 9], np.uint64))
    assert np.array_equal(rows[0], long[:30_001])
    assert philox.rows(np, 3, 7, 3, np.array([], np.uint64)).shape == (0, 3)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 7, 1001])
@pytest.mark.parametrize("place", PLACES)
def test_numba_makes_the_same_bits(n, place):
    pytest.importorskip("numba")
    from retrograd.autograd.kernels.cpu.loops import philox as compiled

    words = philox.words(np, n, *place)
    with rg.use_backend("numpy"):
        singles = draws._uniform01(np, n, dt.float32, place)
        doubles = draws._uniform01(np, n, dt.float64, place)
    assert np.array_equal(compiled.words(n, *place), words)
    assert np.array_equal(compiled.uniform(n, np.float32, *place), singles)
    assert np.array_equal(compiled.uniform(n, np.float64, *place), doubles)
    assert np.array_equal(compiled.below(n, 1 << 31, *place), words < 1 << 31)


def test_kernels_are_used_once_they_pay_and_change_nothing(monkeypatch):
    pytest.importorskip("numba")
    from retrograd.autograd.kernels import cpu

    loader = cpu._Loader(".loops.philox", 0)
    monkeypatch.setattr(cpu, "_philox", loader)
    with rg.use_backend("numpy"):
        plain = [rg.rand(1000), rg.rand(999, dtype=rg.float64), rg.bernoulli(rg.zeros(1000), 0.3), rg.randn(501)]
    assert loader.module is None
    rg.manual_seed(1234)
    with rg.use_backend("numba"):
        fused = [rg.rand(1000), rg.rand(999, dtype=rg.float64), rg.bernoulli(rg.zeros(1000), 0.3), rg.randn(501)]
    assert loader.module is not None
    for a, b in zip(plain, fused, strict=True):
        assert np.array_equal(a.numpy(), b.numpy())


def test_kernels_decline_without_numba(monkeypatch):
    from retrograd.autograd.kernels import cpu

    monkeypatch.setattr(cpu, "_philox", cpu._Loader(".absent", 0))
    assert cpu.philox_words(100, 0, 0, 0) is NotImplemented
    assert rg.rand(100).shape == (100,)


def test_import_loads_no_numba():
    code = (
        "import sys, retrograd as rg; rg.rand(1000); assert 'numba' not in sys.modules and 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---------------------------------------------------------------- generators
def test_seeds():
    assert rg.manual_seed(7) is rg.default_generator
    assert rg.initial_seed() == rg.default_generator.initial_seed() == 7
    a = rg.rand(5)
    rg.manual_seed(7)
    assert np.array_equal(a.numpy(), rg.rand(5).numpy())
    assert not np.array_equal(a.numpy(), rg.rand(5).numpy())
    assert rg.manual_seed(-1).initial_seed() == 2**64 - 1
    assert rg.seed() == rg.initial_seed() != rg.seed()
    assert gen(3).seed() < 2**53
    for wrong in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="does not fit into 64 bits"):
            rg.manual_seed(wrong)
    with pytest.raises(TypeError, match="the seed must be an int, got str"):
        gen("a")


def test_state_round_trips():
    g = gen(5)
    rg.randn(7, generator=g)
    state = g.get_state()
    assert state.dtype == rg.uint8 and state.shape == (24,)
    a = rg.rand(9, generator=g)
    other = rg.Generator()
    other.set_state(state)
    copies = [other, g.clone_state(), pickle.loads(pickle.dumps(g)), copy.deepcopy(g)]
    g.set_state(state)
    assert np.array_equal(a.numpy(), rg.rand(9, generator=g).numpy())
    assert np.array_equal(a.numpy(), rg.rand(9, generator=other).numpy())
    b = rg.rand(9, generator=g)
    for c in copies[1:]:
        assert np.array_equal(b.numpy(), rg.rand(9, generator=c).numpy())
    other.graphsafe_set_state(g)
    assert (other.get_offset(), other.initial_seed()) == (g.get_offset(), 5)
    other.set_offset(0)
    assert np.array_equal(rg.rand(3, generator=other).numpy(), rg.rand(3, generator=gen(5)).numpy())


def test_bad_states():
    for wrong in (rg.zeros(24), rg.zeros(5056, dtype=rg.uint8)):
        with pytest.raises(TypeError, match=r"expected the \(24,\) of uint8"):
            gen().set_state(wrong)
    with pytest.raises(TypeError, match="got bytes"):
        gen().set_state(b"abc")
    with pytest.raises(ValueError, match="expected 0 to"):
        gen().set_offset(-1)


def test_default_state_and_fork():
    state = rg.get_rng_state()
    a = rg.rand(3)
    with rg.fork_rng():
        rg.manual_seed(99)
        rg.rand(100)
    b = rg.rand(3)
    rg.set_rng_state(state)
    assert np.array_equal(rg.rand(6).numpy()[:3], a.numpy())
    rg.set_rng_state(state)
    rg.rand(3)
    assert np.array_equal(rg.rand(3).numpy(), b.numpy())
    with pytest.raises(ZeroDivisionError), rg.fork_rng():
        rg.manual_seed(5)
        raise ZeroDivisionError
    assert rg.initial_seed() == 1234
    with rg.fork_rng(enabled=False):
        rg.manual_seed(5)
    assert rg.initial_seed() == 5


def test_generators_are_independent_of_the_default():
    a = rg.rand(4)
    rg.manual_seed(1234)
    for fill in (rg.rand, rg.randn):
        fill(10, generator=gen())
    rg.randperm(10, generator=gen())
    rg.empty(4).uniform_(generator=gen())
    assert np.array_equal(a.numpy(), rg.rand(4).numpy())
    g = rg.Generator("cuda:1")
    assert g.device == rg.device("cuda:1")
    assert rg.rand(2, generator=g).shape == (2,)
    with pytest.raises(TypeError, match=r"rand: generator must be a retrograd\.Generator, got int"):
        rg.rand(2, generator=3)


def test_threads_share_a_generator_without_repeating():
    g = gen(0)
    found: list[np.ndarray] = []

    def work():
        found.extend(rg.rand(8, generator=g, dtype=rg.float64).numpy() for _ in range(200))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = np.concatenate(found)
    alone = rg.rand(4 * 200 * 8, generator=gen(0), dtype=rg.float64).numpy()
    assert np.array_equal(np.sort(numbers), np.sort(alone))


def test_keyed_streams():
    rows = rnd.keyed_bits(3, 4, index=[9, 0, 2**40], n=6)
    for row, i in zip(rows, [9, 0, 2**40], strict=True):
        assert np.array_equal(row, draws.bits(rnd.keyed(3, 4, i), 6, np))
    uniform = rnd.keyed_uniform(3, 4, index=np.array([9]), n=6)
    assert np.array_equal(uniform[0], rg.rand(6, generator=rnd.keyed(3, 4, 9)).numpy())
    seen = {
        tuple(draws.bits(rnd.keyed(s, *k), 4, np)) for s in (0, 1) for k in [(), (0,), (1,), (0, 0), (0, 1), (1, 0)]
    }
    assert len(seen) == 12
    assert np.array_equal(draws.bits(rnd.keyed(5), 4, np), draws.bits(gen(5), 4, np))
    many = rnd.keyed_uniform(0, 1, index=np.arange(N), n=1)[:, 0]
    assert stats.kstest(many, "uniform").pvalue > 1e-3


# ---------------------------------------------------------------- distributions
@pytest.mark.parametrize("dtype", REAL)
def test_rand(dtype):
    u = rg.rand(N, dtype=dtype).to(rg.float64).numpy()
    assert u.min() >= 0 and u.max() < 1
    step = {"float32": 2.0**-24, "float64": 2.0**-53, "float16": 2.0**-11, "bfloat16": 2.0**-8}[dtype.name]
    assert np.array_equal(u / step, np.round(u / step))
    if dtype.fast:
        assert stats.kstest(u, "uniform").pvalue > 1e-3
    else:
        assert stats.chisquare(np.histogram(u, 64, (0, 1))[0]).pvalue > 1e-3


@pytest.mark.parametrize("dtype", REAL)
def test_randn(dtype):
    z = rg.randn(N + 1, dtype=dtype).to(rg.float64).numpy()
    z = z + np.random.default_rng(0).uniform(-0.5, 0.5, z.shape) * np.maximum(np.abs(z), 1e-3) * rg.finfo(dtype).eps
    assert stats.kstest(z, "norm").pvalue > 1e-3
    assert stats.kstest(z[1:] - z[:-1], "norm", (0, 2**0.5)).statistic < 0.02  # neighbours are independent


def test_randn_is_box_muller_rounded_once():
    words = philox.words(np, 64, 0, 0, 0).astype(np.float64).reshape(-1, 2)
    u, v = (words.T + 0.5) / 2**32
    exact = np.sqrt(-2 * np.log(u)) * np.array([np.cos(2 * np.pi * v), np.sin(2 * np.pi * v)])
    np.testing.assert_array_max_ulp(rg.randn(64, generator=gen()).numpy(), exact.T.reshape(-1).astype(np.float32), 1)


def test_draws_do_not_depend_on_how_many_follow():
    for dtype in (rg.float32, rg.float64):
        for draw in (rg.rand, rg.randn):
            long = draw(40_000, generator=gen(), dtype=dtype).numpy()
            assert np.array_equal(long[:34], draw(34, generator=gen(), dtype=dtype).numpy())
            assert np.array_equal(long[:7], draw(7, generator=gen(), dtype=dtype).numpy())


def test_complex_numbers():
    z = rg.randn(N, dtype=rg.complex64).numpy()
    assert z.dtype == np.complex64
    for part in (z.real, z.imag):
        assert stats.kstest(part, "norm", (0, 0.5**0.5)).pvalue > 1e-3
    assert abs(np.corrcoef(z.real, z.imag)[0, 1]) < 0.02
    u = rg.rand(N, dtype=rg.complex128).numpy()
    assert stats.kstest(u.real, "uniform").pvalue > 1e-3 and stats.kstest(u.imag, "uniform").pvalue > 1e-3
    assert rg.empty(3, dtype=rg.complex64).normal_(2.0, 0.0).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("fill", "args", "law"),
    [
        ("uniform_", (-2.0, 3.0), ("uniform", (-2, 5))),
        ("normal_", (2.0, 3.0), ("norm", (2, 3))),
        ("exponential_", (2.0,), ("expon", (0, 0.5))),
        ("cauchy_", (1.0, 2.0), ("cauchy", (1, 2))),
        ("log_normal_", (1.0, 0.5), ("lognorm", (0.5, 0, np.e))),
    ],
)
@pytest.mark.parametrize("dtype", [rg.float32, rg.float64])
def test_continuous_fills(fill, args, law, dtype):
    x = rg.empty(N // 100, 100, dtype=dtype)
    assert getattr(x, fill)(*args) is x
    assert stats.kstest(x.numpy().reshape(-1), *law).pvalue > 1e-3
    with pytest.raises(RuntimeError, match="requires grad"):
        getattr(rg.zeros(2, requires_grad=True), fill)()
    with rg.no_grad():
        getattr(rg.zeros(2, requires_grad=True), fill)()


@pytest.mark.parametrize("dtype", REAL)
def test_uniform_never_reaches_the_upper_end(dtype):
    x = rg.empty(N, dtype=dtype).uniform_(1.0, 1.0 + 4 * rg.finfo(dtype).eps)
    assert bool((x < 1.0 + 4 * rg.finfo(dtype).eps).all()) and bool((x >= 1.0).all())
    assert rg.empty(2, dtype=dtype).uniform_(1, 1).tolist() == [1.0, 1.0]
    for fill in ("normal_", "exponential_", "cauchy_", "log_normal_"):
        assert bool(rg.isfinite(getattr(rg.empty(100, dtype=dtype), fill)().float()).any())


@pytest.mark.parametrize(("p", "dtype"), [(0.3, rg.float32), (0.01, rg.int64), (0.9, rg.float16)])
def test_geometric(p, dtype):
    k = rg.empty(N, dtype=dtype).geometric_(p).to(rg.int64).numpy()
    assert k.min() == 1
    edges = np.arange(1, stats.geom.ppf(0.995, p).astype(int))
    counts = np.array([(k == e).sum() for e in edges] + [(k > edges[-1]).sum()])
    expected = N * np.append(stats.geom.pmf(edges, p), stats.geom.sf(edges[-1], p))
    assert stats.chisquare(counts, expected).pvalue > 1e-3
    assert rg.empty(1000, dtype=rg.int8).geometric_(1e-9).max().item() == 127


@pytest.mark.parametrize(("low", "high"), [(0, 2), (-7, 3), (0, 10), (5, 6), (0, 256)])
def test_randint(low, high):
    x = rg.randint(low, high, (N,)).numpy()
    assert x.dtype == np.int64
    counts = np.bincount(x - low, minlength=high - low)
    assert counts.size == high - low
    assert high - low == 1 or stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        (-(2**63), 2**63 - 1, "int64"),
        (0, 2**64, "uint64"),
        (2**62, 2**62 + 2**33 + 1, "int64"),
        (0, 2**32, "uint32"),
        (-100, 2**45, "int64"),
        (-128, 128, "int8"),
        (0, 2**24, "float32"),
    ],
)
def test_randint_of_wide_ranges(low, high, dtype):
    x = rg.randint(low, high, (N,), dtype=getattr(rg, dtype)).numpy()
    assert x.dtype == dtype
    values = np.array([(int(v) - low) / (high - low) for v in x])
    assert values.min() >= 0 and values.max() < 1
    assert stats.kstest(values, "uniform", method="asymp").pvalue > 1e-3 or high - low < 1000


def test_randint_is_multiply_and_shift():
    words = [w for i in range(2) for w in philox.block(0, i, 0)]
    x = [words[2 * i] | words[2 * i + 1] << 32 for i in range(4)]
    for r in (10, 2**31, 2**32, 2**32 + 1, 3 * 2**61, 2**64):
        assert rg.randint(0, r, (4,), dtype=rg.uint64, generator=gen()).tolist() == [v * r >> 64 for v in x]


def test_random_():
    assert set(rg.empty(100, dtype=rg.bool).random_().tolist()) == {True, False}
    assert rg.empty(N, dtype=rg.uint8).random_().max().item() == 255
    assert rg.empty(N, dtype=rg.int8).random_().min().item() == 0
    assert rg.empty(N, dtype=rg.float32).random_().max().item() > 2**23
    assert set(rg.empty(100).random_(3).tolist()) == set(rg.empty(100).random_(to=3).tolist()) == {0, 1, 2}
    assert set(rg.empty(100).random_(3, 5).tolist()) == {3, 4}
    assert rg.empty(100, dtype=rg.int64).random_(2**62, None).min().item() >= 2**62


def test_randperm():
    for n in (0, 1, 2, 1000):
        assert sorted(rg.randperm(n).tolist()) == list(range(n))
    orders = np.array([rg.randperm(4).numpy() for _ in range(4800)])
    _, counts = np.unique(orders @ [64, 16, 4, 1], return_counts=True)
    assert counts.size == 24 and stats.chisquare(counts).pvalue > 1e-3
    big = rg.randperm(N).numpy()
    assert np.array_equal(np.sort(big), np.arange(N))
    assert abs(stats.spearmanr(big, np.arange(N)).statistic) < 0.02
    assert rg.randperm(300, dtype=rg.float16).dtype == rg.float16
    assert sorted(rg.randperm(256, dtype=rg.uint8).tolist()) == list(range(256))


def test_bernoulli():
    p = rg.tensor([[0.0, 0.1, 0.5, 0.9, 1.0]]).expand(N, 5)
    means = rg.bernoulli(p).numpy().mean(axis=0)
    assert means[0] == 0 and means[-1] == 1
    assert np.abs(means - [0, 0.1, 0.5, 0.9, 1]).max() < 4 * 0.5 / N**0.5
    assert abs(rg.bernoulli(rg.zeros(N), 0.25).mean().item() - 0.25) < 0.01
    assert abs(rg.zeros(N).bernoulli_(0.25).mean().item() - 0.25) < 0.01
    assert abs(rg.zeros(N).bernoulli().mean().item()) == 0
    assert rg.bernoulli(rg.zeros(4, dtype=rg.int64), 1.0).tolist() == [1, 1, 1, 1]
    assert rg.empty(2, 3).bernoulli_(rg.tensor([0.0, 1.0, 1.0])).tolist() == [[0, 1, 1]] * 2
    assert rg.bernoulli(rg.ones(2, dtype=rg.bfloat16)).dtype == rg.bfloat16


def test_multinomial_with_replacement():
    w = rg.tensor([[0.0, 1.0, 3.0, 0.0, 6.0], [2.0, 0.0, 0.0, 2.0, 0.0], [0.0, 0.0, 1e-30, 0.0, 0.0]])
    x = rg.multinomial(w, N, replacement=True)
    assert x.shape == (3, N) and x.dtype == rg.int64
    for row, weights in zip(x.numpy(), w.numpy(), strict=True):
        counts = np.bincount(row, minlength=5)
        some = weights > 0
        assert (counts[~some] == 0).all()
        if some.sum() > 1:
            assert stats.chisquare(counts[some], N * weights[some] / weights[some].sum()).pvalue > 1e-3
    assert rg.multinomial(w[0], 7, True).shape == (7,)
    assert rg.multinomial(rg.zeros(0, 4), 7, True).shape == (0, 7)


def test_multinomial_without_replacement():
    w = np.array([1.0, 2.0, 0.0, 5.0])
    x = rg.multinomial(rg.tensor(w).expand(N, 4), 2).numpy()
    assert (x[:, 0] != x[:, 1]).all() and (x != 2).all()
    p = w / w.sum()
    expected = np.array([[p[i] * p[j] / (1 - p[i]) if i != j else 0 for j in range(4)] for i in range(4)]) * N
    counts = np.zeros((4, 4))
    np.add.at(counts, (x[:, 0], x[:, 1]), 1)
    some = expected > 0
    assert stats.chisquare(counts[some], expected[some]).pvalue > 1e-3
    assert sorted(rg.multinomial(rg.rand(50) + 0.1, 50).tolist()) == list(range(50))


@pytest.mark.parametrize("rate", [0.5, 9.5, 10.0, 37.0, 1000.0])
def test_poisson(rate):
    k = rg.poisson(rg.full((N,), rate, dtype=rg.float64)).numpy()
    edges = np.unique(stats.poisson.ppf(np.linspace(0.02, 0.98, 25), rate))
    found = np.diff(np.concatenate([[0], np.searchsorted(np.sort(k), edges, side="right"), [N]]))
    expected = N * np.diff(np.concatenate([[0], stats.poisson.cdf(edges, rate), [1]]))
    assert stats.chisquare(found, expected).pvalue > 1e-3


def test_poisson_mixes_small_and_big_rates():
    k = rg.poisson(rg.tensor([0.0, 3.0, 100.0, 1e6]).expand(N, 4)).numpy()
    assert k.dtype == np.float32 and (k[:, 0] == 0).all()
    assert np.allclose(k.mean(axis=0)[1:], [3, 100, 1e6], rtol=0.01)
    assert np.allclose(k.astype(np.float64).var(axis=0)[1:], [3, 100, 1e6], rtol=0.05)


def test_normal_overloads():
    mean, std = rg.tensor([[0.0], [100.0]]), rg.tensor([1.0, 2.0, 0.0])
    x = rg.normal(mean.expand(2, 3).reshape(1, 2, 3).expand(N // 10, 2, 3), std).numpy()
    assert np.allclose(x.mean(axis=0), mean.numpy() + np.zeros(3), atol=0.2)
    assert np.allclose(x.std(axis=0), std.numpy() + np.zeros((2, 1)), atol=0.1)
    z = rg.normal(2.0, 3.0, (N,)).numpy()
    assert stats.kstest(z, "norm", (2, 3)).pvalue > 1e-3
    assert (
        rg.normal(rg.tensor([1.0, 2.0]), 0.0).tolist()
        == rg.normal(mean=rg.tensor([1.0, 2.0]), std=0).tolist()
        == [1, 2]
    )
    assert rg.normal(5.0, rg.zeros(2, dtype=rg.float64)).tolist() == [5, 5]


def test_gradients_are_zeros():
    p = rg.full((3,), 0.5, requires_grad=True)
    (rg.bernoulli(p) * 2 + rg.poisson(p) + rg.normal(p, p)).sum().backward()
    assert p.grad.tolist() == [0, 0, 0]
    mean, std = rg.zeros(2, 1, requires_grad=True), rg.ones(3, requires_grad=True)
    rg.normal(mean, std).sum().backward()
    assert mean.grad.shape == (2, 1) and std.grad.tolist() == [0, 0, 0]
    assert not rg.multinomial(p, 1).requires_grad


def test_arrays_that_are_not_contiguous_are_filled_in_logical_order():
    flat = rg.empty(3, 4).uniform_(generator=gen())
    for x in (rg.empty(4, 3).t(), rg.empty(3, 8)[:, ::2]):
        x.uniform_(generator=gen())
        assert np.array_equal(x.numpy(), flat.numpy())


def test_impossible_draws_are_refused():
    # PyTorch's documentation says so; its CPU version returns categories of weight 0.
    with pytest.raises(RuntimeError, match=r"2 samples without replacement .* row 1, which has 1 category"):
        rg.multinomial(rg.tensor([[1.0, 1.0], [1.0, 0.0]]), 2)


def test_arguments_given_twice():
    with pytest.raises(TypeError, match="give one"):
        rg.rand(2, size=(2,))
    with pytest.raises(TypeError, match="layout 'sparse_coo' is not supported"):
        rg.rand(2, layout="sparse_coo")
    with pytest.raises(TypeError, match="high is needed"):
        rg.randint_like(rg.ones(2))
