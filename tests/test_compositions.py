"""Random programs of operations, in retrograd and in PyTorch: every value and every gradient, to 1e-9.

A program is plain data (shapes, a seed, steps), so hypothesis shrinks it and a failure prints it as a call that runs
again. Every operation takes any operands: it adapts them to what it needs, in the same way in both libraries.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

import retrograd as rg

torch = pytest.importorskip("torch")

LIMIT = 300  # elements: larger results are cut
LARGE = 8.0  # results with larger values go through tanh, so that none grows without bound


# ---------------------------------------------------------------- adapting operands
def dim(x, k):
    return k % x.ndim


def fit(x, y):
    """y, or its mean if it does not broadcast with x."""
    try:
        np.broadcast_shapes(tuple(x.shape), tuple(y.shape))
    except ValueError:
        return y.mean()
    return y


def some(x):
    """x with at least one dimension and one element of each."""
    return x if x.ndim else x.reshape(1)


def places(lib, n, count, k):
    """An index tensor of `count` numbers below n, with repetitions."""
    return lib.tensor([(k + 3 * i * i) % n for i in range(count)], dtype=lib.int64)


def matrix(x):
    return x.reshape(x.shape[0], -1) if x.ndim else x.reshape(1, 1)


def distinct(x):
    """x plus small different amounts, so that orders have no ties."""
    lib = rg if isinstance(x, rg.Tensor) else torch
    n = int(np.prod(tuple(x.shape)))
    return x + lib.tensor(np.sin(np.arange(1, n + 1) * 7.3).reshape(tuple(x.shape)) * 0.37, dtype=lib.float64)


# ---------------------------------------------------------------- operations: f(lib, x, y, k)
UNARY = {
    name: (lambda lib, x, y, k, name=name: getattr(lib, name)(x))
    for name in (
        "neg",
        "sin",
        "cos",
        "tanh",
        "sigmoid",
        "abs",
        "relu",
        "erf",
        "square",
        "atan",
        "expm1",
        "asinh",
        "sinc",
    )
    if hasattr(rg, name)
}
SAFE = {
    "exp": lambda lib, x, y, k: lib.exp(lib.tanh(x)),
    "log": lambda lib, x, y, k: lib.log(x * x + 0.5),
    "log1p": lambda lib, x, y, k: lib.log1p(lib.abs(x)),
    "sqrt": lambda lib, x, y, k: lib.sqrt(x * x + 0.5),
    "rsqrt": lambda lib, x, y, k: lib.rsqrt(x * x + 0.5),
    "reciprocal": lambda lib, x, y, k: lib.reciprocal(x * x + 0.5),
    "asin": lambda lib, x, y, k: lib.asin(0.9 * lib.sin(x)),
    "clamp": lambda lib, x, y, k: lib.clamp(x, -0.7, 0.1 * k),
    "pow_number": lambda lib, x, y, k: x ** (k % 4),
    "number_pow": lambda lib, x, y, k: 1.3 ** lib.tanh(x),
    "mixed_numbers": lambda lib, x, y, k: (2 - x) * 0.5 + 1 / (x * x + k + 1),
    "gelu": lambda lib, x, y, k: lib.nn.functional.gelu(x, approximate=("none", "tanh")[k % 2]),
    "silu": lambda lib, x, y, k: lib.nn.functional.silu(x),
    "softplus": lambda lib, x, y, k: lib.nn.functional.softplus(x),
    "leaky_relu": lambda lib, x, y, k: lib.nn.functional.leaky_relu(x, 0.1),
    "elu": lambda lib, x, y, k: lib.nn.functional.elu(x),
}
BINARY = {
    "add": lambda lib, x, y, k: x + fit(x, y),
    "sub": lambda lib, x, y, k: lib.sub(x, fit(x, y), alpha=k - 3),
    "mul": lambda lib, x, y, k: x * fit(x, y),
    "div": lambda lib, x, y, k: x / (lib.square(fit(x, y)) + 0.5),
    "maximum": lambda lib, x, y, k: lib.maximum(x, fit(x, y)),
    "minimum": lambda lib, x, y, k: lib.minimum(x, fit(x, y)),
    "atan2": lambda lib, x, y, k: lib.atan2(x, lib.square(fit(x, y)) + 0.5),
    "pow": lambda lib, x, y, k: (x * x + 0.5) ** lib.tanh(fit(x, y)),
    "hypot": lambda lib, x, y, k: lib.hypot(x, lib.exp(lib.tanh(fit(x, y)))),
    "logaddexp": lambda lib, x, y, k: lib.logaddexp(x, fit(x, y)),
    "where": lambda lib, x, y, k: lib.where(x.detach() > 0.1, x, fit(x, y)),
    "addcmul": lambda lib, x, y, k: lib.addcmul(x, fit(x, y), x, value=0.5),
    "dot": lambda lib, x, y, k: lib.dot(x.reshape(-1), x.reshape(-1)) + y.sum(),
    "matmul": lambda lib, x, y, k: product(lib, x, y),
    "outer": lambda lib, x, y, k: lib.outer(x.reshape(-1)[:6], y.reshape(-1)[:6]),
    "einsum": lambda lib, x, y, k: lib.einsum("ij,kj->ik", matrix(x), lib.tanh(matrix(x))) * y.mean(),
    "linear": lambda lib, x, y, k: lib.nn.functional.linear(
        some(x), lib.outer(lib.ones(2 + k % 2, dtype=lib.float64), some(x).reshape(-1, x.shape[-1] if x.ndim else 1)[0])
    ),
    "cat": lambda lib, x, y, k: lib.cat([x.reshape(-1), y.reshape(-1), x.reshape(-1)[:1]]),
    "stack": lambda lib, x, y, k: lib.stack([x, x * 0.5, lib.sin(x)], k % (x.ndim + 1)),
    "mse": lambda lib, x, y, k: lib.nn.functional.mse_loss(x, lib.tanh(x) * y.mean()),
    "cross_entropy": lambda lib, x, y, k: lib.nn.functional.cross_entropy(
        matrix(x), places(lib, matrix(x).shape[1], matrix(x).shape[0], k), label_smoothing=0.1 * (k % 2)
    ),
}
VIEWS = {
    "reshape": lambda lib, x, y, k: x.reshape(-1),
    "view_split": lambda lib, x, y, k: x.reshape(2, -1) if np.prod(x.shape) % 2 == 0 else x.reshape(-1, 1),
    "transpose": lambda lib, x, y, k: x.transpose(dim(x, k), dim(x, k + 1)) if x.ndim else x,
    "permute": lambda lib, x, y, k: x.permute(*np.roll(range(x.ndim), k).tolist()) if x.ndim else x,
    "unsqueeze": lambda lib, x, y, k: x.unsqueeze(k % (x.ndim + 1)) if x.ndim < 4 else x,
    "squeeze": lambda lib, x, y, k: x.squeeze(),
    "expand": lambda lib, x, y, k: x.expand(2, *x.shape) if x.ndim < 4 else x,
    "narrow": lambda lib, x, y, k: some(x).narrow(dim(some(x), k), 0, (some(x).shape[dim(some(x), k)] + 1) // 2),
    "select": lambda lib, x, y, k: some(x).select(dim(some(x), k), -1),
    "step": lambda lib, x, y, k: some(x)[..., :: 1 + k % 3],
    "ellipsis": lambda lib, x, y, k: some(x)[None, ..., 0:1],
    "diagonal": lambda lib, x, y, k: (
        x.diagonal(k % 2 - (k % 3 == 0), -2, -1) if x.ndim > 1 and min(x.shape[-2:]) > 1 else x
    ),
    "unbind": lambda lib, x, y, k: some(x).unbind(0)[0],
    "chunk": lambda lib, x, y, k: some(x).chunk(2, dim(some(x), k))[-1],
    "split": lambda lib, x, y, k: some(x).split(2, dim(some(x), k))[0],
    "flip": lambda lib, x, y, k: lib.flip(some(x), (dim(some(x), k),)),
    "roll": lambda lib, x, y, k: lib.roll(some(x), k - 2, dim(some(x), k)),
    "repeat": lambda lib, x, y, k: x.repeat(*(1 + (k + i) % 2 for i in range(x.ndim + 1))),
    "tril": lambda lib, x, y, k: lib.tril(x, k % 3 - 1) if x.ndim > 1 else x,
    "pad": lambda lib, x, y, k: lib.nn.functional.pad(some(x), (k % 2, 1), value=0.5),
    "clone": lambda lib, x, y, k: x.clone(),
    "contiguous": lambda lib, x, y, k: x.contiguous(),
}
REDUCTIONS = {
    "sum": lambda lib, x, y, k: lib.sum(some(x), dim(some(x), k), keepdim=k % 2 == 0),
    "sum_all": lambda lib, x, y, k: x.sum() * 0.1,
    "mean": lambda lib, x, y, k: lib.mean(some(x), dim(some(x), k)),
    "amax": lambda lib, x, y, k: lib.amax(some(x), dim(some(x), k), keepdim=k % 2 == 0),
    "amin": lambda lib, x, y, k: lib.amin(some(x), tuple(range(some(x).ndim))),
    "max": lambda lib, x, y, k: lib.max(some(x), dim(some(x), k))[0],
    "median": lambda lib, x, y, k: lib.median(distinct(some(x)), dim(some(x), k))[0],
    "var": lambda lib, x, y, k: lib.var(some(x), dim(some(x), k), correction=0),
    "std": lambda lib, x, y, k: lib.std(distinct(some(x)).reshape(-1).repeat(2)),
    "prod": lambda lib, x, y, k: lib.prod(lib.tanh(some(x)), dim(some(x), k)),
    "logsumexp": lambda lib, x, y, k: lib.logsumexp(some(x), dim(some(x), k)),
    "norm": lambda lib, x, y, k: lib.norm(x * x + 0.1, p=(1, 2, 3)[k % 3]),
    "softmax": lambda lib, x, y, k: lib.softmax(some(x), dim(some(x), k)),
    "log_softmax": lambda lib, x, y, k: lib.log_softmax(some(x), dim(some(x), k)),
    "cumsum": lambda lib, x, y, k: lib.cumsum(some(x), dim(some(x), k)),
    "cumprod": lambda lib, x, y, k: lib.cumprod(lib.tanh(some(x)), dim(some(x), k)),
    "sort": lambda lib, x, y, k: lib.sort(distinct(some(x)), dim(some(x), k), descending=k % 2 == 0)[0],
    "topk": lambda lib, x, y, k: lib.topk(distinct(some(x)), 1 + some(x).shape[-1] // 2)[0],
    "layer_norm": lambda lib, x, y, k: lib.nn.functional.layer_norm(some(x), some(x).shape[-1:], eps=0.1),
}
INDEXING = {
    "index": lambda lib, x, y, k: some(x)[places(lib, some(x).shape[0], 3, k)],
    "index_last": lambda lib, x, y, k: some(x)[..., places(lib, some(x).shape[-1], 2, k)],
    "mask": lambda lib, x, y, k: some(x)[some(x).detach() > -0.3].sum() * 0.2,
    "index_select": lambda lib, x, y, k: lib.index_select(
        some(x), dim(some(x), k), places(lib, some(x).shape[dim(some(x), k)], 2, k)
    ),
    "gather": lambda lib, x, y, k: lib.gather(matrix(x), 1, places(lib, matrix(x).shape[1], 2, k).reshape(1, 2)),
    "masked_fill": lambda lib, x, y, k: lib.masked_fill(x, x.detach() > 0.5, 0.25),
    "index_add": lambda lib, x, y, k: lib.index_add(
        some(x), 0, places(lib, some(x).shape[0], 2, k), lib.stack([some(x)[0], some(x)[-1] * 0.5])
    ),
    "scatter_add": lambda lib, x, y, k: lib.scatter_add(
        matrix(x), 1, places(lib, matrix(x).shape[1], 2, k).reshape(1, 2), lib.tanh(y.mean()).reshape(1, 1).expand(1, 2)
    ),
}


def product(lib, x, y):
    x, y = matrix(x), matrix(y)
    if x.shape[1] == y.shape[0]:
        return x @ y
    if x.shape[1] == y.shape[1]:
        return x @ y.transpose(0, 1)
    return x @ lib.tanh(x).transpose(0, 1)


def write_row(lib, x, y, k):
    z = some(x) * 1.0
    z[k % z.shape[0]] = lib.tanh(y.mean())
    return z


def write_through_views(lib, x, y, k):
    z = some(x) * 1.0
    v = z[..., :: 1 + k % 2]
    v.mul_(lib.cos(y.mean()))
    z.reshape(-1) if k % 3 else z.add_(v.sum() * 0.01)
    return z + 0.1 * v.sum()


def write_masked(lib, x, y, k):
    z = x * 1.0
    z[z.detach() > 0.2] = 0.3
    z.sub_(fit(z, y.mean()))
    return z


def write_indexed(lib, x, y, k):
    z = some(x).clone()
    z[places(lib, z.shape[0], 1, k)] += y.mean()
    z.sin_() if k % 2 else z.mul_(0.5)
    return z


WRITES = {
    "write_row": write_row,
    "write_through_views": write_through_views,
    "write_masked": write_masked,
    "write_indexed": write_indexed,
}
OPS = {**UNARY, **SAFE, **BINARY, **VIEWS, **REDUCTIONS, **INDEXING, **WRITES}

numbers = st.integers(0, 11)
programs = st.tuples(
    st.lists(st.lists(st.integers(1, 4), max_size=3).map(tuple), min_size=1, max_size=3),
    st.integers(0, 2**16),
    st.lists(st.tuples(st.sampled_from(sorted(OPS)), numbers, numbers, numbers), min_size=1, max_size=10),
)


# ---------------------------------------------------------------- running
def run(lib, program, tame=None):
    """Leaves, results, gradients of the leaves, and which results were tamed (decided by the first library that runs)."""
    shapes, number, steps = program
    rng = np.random.default_rng(number)
    leaves = [lib.tensor(rng.uniform(-1.5, 1.5, s), dtype=lib.float64, requires_grad=True) for s in shapes]
    pool, decided = list(leaves), []
    for n, (name, i, j, k) in enumerate(steps):
        r = OPS[name](lib, pool[-1 - i % len(pool)], pool[-1 - j % len(pool)], k)
        if int(np.prod(tuple(r.shape))) > LIMIT:
            r = r.reshape(-1)[:LIMIT]
        large = float(r.detach().abs().max()) > LARGE if tame is None and np.prod(tuple(r.shape)) else False
        decided.append(large if tame is None else tame[n])
        if decided[-1]:
            r = lib.tanh(r * 0.1)
        pool.append(r)
    total = None
    for r in pool[len(leaves) :][-3:]:
        w = lib.tensor(np.cos(np.arange(int(np.prod(tuple(r.shape))))).reshape(tuple(r.shape)), dtype=lib.float64)
        total = (r * w).sum() if total is None else total + (r * w).sum()
    gs = lib.autograd.grad(total, leaves, allow_unused=True) if total.requires_grad else [None] * len(leaves)
    return pool, gs, decided


def check(program):
    try:
        compare(program)
    except Exception as e:
        e.add_note(f"check({program!r})")
        raise


def compare(program):
    pool, gs, tame = run(rg, program)
    others, hs, _ = run(torch, program, tame)
    for n, (a, b) in enumerate(zip(pool, others, strict=True)):
        step = program[2][n - len(program[0])] if n >= len(program[0]) else "leaf"
        same(a.detach().numpy(), b.numpy(force=True), f"value of step {step}")
    for n, (a, b) in enumerate(zip(gs, hs, strict=True)):
        zero = np.zeros(program[0][n])
        same(zero if a is None else a.numpy(), zero if b is None else b.numpy(force=True), f"gradient of leaf {n}")


def same(a, b, what):
    assert a.shape == b.shape, f"{what}: {a.shape} and {b.shape}"
    scale = float(np.max(np.abs(b), initial=1.0, where=np.isfinite(b)))
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * scale, err_msg=what)


@settings(max_examples=500)
@given(programs)
def test_random_programs(program):
    check(program)


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(20))
def test_ten_thousand_random_programs(chunk):
    """20 chunks of 500, each from its own seed, so that a chunk can be run again alone."""
    some_programs = settings(max_examples=500, derandomize=False)(given(programs)(check))
    seed(chunk)(some_programs)()


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_operation_of_the_programs_alone(name):
    """So that a broken operation fails by name, before programs are drawn."""
    for shapes in ([(3,), (2, 3)], [(), (2,)], [(2, 1, 3), (4,)], [(1,), (1, 1)], [(4, 4), (4, 2)]):
        for k in (0, 1, 5):
            check((shapes, k, [(name, 0, 1, k), (name, 0, 1, k + 1)]))
