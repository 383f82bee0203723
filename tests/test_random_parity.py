"""Random functions against PyTorch: shapes, dtypes, who requires a gradient, and which exceptions."""

from __future__ import annotations

import pytest

import retrograd as rg

CALLS = [
    "m.rand(2, 3)", "m.rand((2, 3))", "m.rand([2, 0])", "m.rand(())", "m.rand(size=(2,))",
    "m.rand(2, dtype=m.float64)", "m.rand(2, dtype=m.complex64)",
    "m.rand(2, layout=m.strided, pin_memory=False, device='cpu')", "m.rand(2, requires_grad=True)",
    "m.rand(2, 3, out=m.empty(2, 3, dtype=m.float64))", "m.rand(2, 3, out=m.empty(0))",
    "m.rand(2, generator=m.Generator().manual_seed(3))", "m.rand()", "m.rand(-1)", "m.rand(2.5)", "m.rand('a')",
    "m.rand(2, dtype=m.int64)", "m.rand(2, generator=3)", "m.rand(2, out=m.empty(2), dtype=m.float64)",
    "m.randn(2, 3)", "m.randn((), dtype=m.float16)", "m.randn(2, dtype=m.bfloat16)", "m.randn(2, dtype=m.bool)",
    "m.randn(3, dtype=m.complex128)", "m.rand_like(m.ones(2, 3))", "m.rand_like(m.ones(2, dtype=m.int64))",
    "m.rand_like(m.ones(2, dtype=m.int64), dtype=m.float32)",
    "m.randn_like(m.ones(2, 3, dtype=m.float64), requires_grad=True)",
    "m.randn_like(m.ones(2), generator=m.Generator())", "m.randint_like(m.ones(2), 5)",
    "m.randint_like(m.ones(2, dtype=m.uint8), 3, 5)", "m.randint_like(m.ones(2), low=3, high=5)",
    "m.randint_like(m.ones(2), 5, dtype=m.int32)", "m.randint_like(m.ones(2), high=5)", "m.randint(10, (3,))",
    "m.randint(3, 10, (2, 2))", "m.randint(10, size=(2,))", "m.randint(low=3, high=10, size=(2,))",
    "m.randint(high=10, size=(2,))", "m.randint(3, 10, size=(2,))", "m.randint(3, high=10, size=(2,))",
    "m.randint(10, ())", "m.randint(10, (3,), dtype=m.uint8)",
    "m.randint(10, (3,), dtype=m.float32, requires_grad=True)", "m.randint(2, (3,), dtype=m.bool)",
    "m.randint(10, 3)", "m.randint(5, 5, (2,))", "m.randint(7, 5, (2,))", "m.randint(10, 10, (0,))",
    "m.randint(300, (2,), dtype=m.uint8)", "m.randint(-1, 5, (2,), dtype=m.uint8)",
    "m.randint(3, (2,), dtype=m.bool)", "m.randint(10, (2,), dtype=m.complex64)", "m.randint(10.5, (2,))",
    "m.randint(10, (2,), requires_grad=True)", "m.randint(10)", "m.randint((2,))", "m.randint(1, 2, 3, 4)",
    "m.randint(1, 2, (3,), size=(3,))", "m.randint(10, (2, -1))", "m.randperm(5)", "m.randperm(0)",
    "m.randperm(5, dtype=m.float32)", "m.randperm(5, out=m.empty(0, dtype=m.int64))", "m.randperm(-1)",
    "m.randperm(300, dtype=m.uint8)", "m.randperm(5, dtype=m.bool)", "m.randperm(2.5)",
    "m.randperm(3000, dtype=m.float16)", "m.randperm(2049, dtype=m.float16)", "m.randperm(5, requires_grad=True)",
    "m.bernoulli(m.rand(2, 3))", "m.bernoulli(m.rand(2), 0.5)", "m.bernoulli(m.rand(2), p=0.5)",
    "m.rand(3).bernoulli()", "m.bernoulli(m.ones(3, dtype=m.int64), 0.5)",
    "m.bernoulli(m.ones(3), out=m.empty(3, dtype=m.int64))", "m.bernoulli(m.tensor([0.5, 2.0]))",
    "m.bernoulli(m.tensor([0.5, float('nan')]))", "m.bernoulli(m.ones(2, dtype=m.int64))",
    "m.bernoulli(m.rand(2), 1.5)", "m.bernoulli(m.rand(2), m.rand(2))", "m.bernoulli(m.ones(2, requires_grad=True))",
    "m.multinomial(m.ones(3), 2)", "m.multinomial(m.ones(2, 3), 4, True)",
    "m.multinomial(m.ones(2, 3), 3, replacement=False)", "m.multinomial(m.ones(0, 3), 2)", "m.ones(3).multinomial(1)",
    "m.multinomial(m.ones(3), 1, out=m.empty(0, dtype=m.int64))", "m.multinomial(m.ones(3), 4)",
    "m.multinomial(m.ones(2, 3, 4), 2)", "m.multinomial(m.tensor(1.0), 1)", "m.multinomial(m.tensor([1.0, -1.0]), 1)",
    "m.multinomial(m.tensor([0.0, 0.0]), 1, True)", "m.multinomial(m.ones(3), 0)",
    "m.multinomial(m.tensor([1.0, float('inf')]), 1)", "m.multinomial(m.ones(3, dtype=m.int64), 1)",
    "m.multinomial(m.ones(0), 1)", "m.multinomial(m.ones(2, 3, requires_grad=True), 2)",
    "m.normal(m.zeros(2, 1), m.ones(3))", "m.normal(m.zeros(2), 1.0)", "m.normal(m.zeros(2))",
    "m.normal(0.0, m.ones(2))", "m.normal(0, 1, (2,))",
    "m.normal(0, 1, size=(2,), dtype=m.float64, requires_grad=True)", "m.normal(0.0, 1.0)",
    "m.normal(m.zeros(2, dtype=m.float64), m.ones(2))", "m.normal(m.zeros(2), m.ones(2, dtype=m.float64))",
    "m.normal(m.zeros(2), m.ones(2, dtype=m.int64))", "m.normal(m.zeros(2, dtype=m.complex64), m.ones(2))",
    "m.normal(m.zeros(2), m.ones(2), out=m.empty(0))", "m.normal(m.zeros(2), -1.0)", "m.normal(0.0, -1.0, (2,))",
    "m.normal(m.zeros(2), m.tensor([1.0, -1.0]))", "m.normal(m.zeros(2, dtype=m.int64), m.ones(2))",
    "m.normal(0.0, 1.0, 2)", "m.normal(m.zeros(2), m.ones(3))", "m.normal(m.zeros(2), 1.0, (2,))",
    "m.normal(m.zeros(2, requires_grad=True), m.ones(2))", "m.normal(m.zeros(2), m.ones(2), dtype=m.float64)",
    "m.poisson(m.tensor([1.0, 5.0]))", "m.poisson(m.tensor([-1.0, 5.0]))", "m.poisson(m.tensor([1, 5]))",
    "m.ones(2).uniform_(1, 1)", "m.ones(2).uniform_(to=3)", "m.ones(2).uniform_(2, 1)",
    "m.ones(2).uniform_(0, float('inf'))", "m.ones(2).uniform_(-3e38, 3e38)", "m.ones(2, dtype=m.int64).uniform_()",
    "m.ones(2, dtype=m.complex64).uniform_()", "m.ones(2, dtype=m.float16).uniform_(0, 1e6)",
    "m.ones(2, requires_grad=True).uniform_()", "m.ones(2).expand(3, 2).uniform_()", "m.ones(2).normal_(0, -1)",
    "m.ones(2).normal_(mean=3, std=0)", "m.ones(2, dtype=m.int64).normal_()",
    "m.ones(2, dtype=m.complex64).normal_()", "m.ones(2).exponential_(0)", "m.ones(2).exponential_(lambd=2)",
    "m.ones(2, dtype=m.int64).exponential_()", "m.ones(2, dtype=m.int64).random_()", "m.ones(2).random_(5)",
    "m.ones(2, dtype=m.uint8).random_(300)", "m.ones(2).random_(5, 3)", "m.ones(2).random_(0)",
    "m.ones(2).random_(3, None)", "m.ones(2).random_(to=3)", "m.ones(2, dtype=m.bool).random_()",
    "m.ones(2, dtype=m.complex64).random_()", "m.ones(2).log_normal_(1, 0)", "m.ones(2).log_normal_(1, 2)",
    "m.ones(2, dtype=m.int64).log_normal_()", "m.ones(2).cauchy_(sigma=0)", "m.ones(2).cauchy_(median=1, sigma=2)",
    "m.ones(2, dtype=m.int64).cauchy_()", "m.ones(2).geometric_(0)", "m.ones(2).geometric_(1)",
    "m.ones(2).geometric_(p=0.5)", "m.ones(2).geometric_()", "m.ones(2, dtype=m.int64).geometric_(0.5)",
    "m.ones(3).bernoulli_()", "m.ones(3).bernoulli_(m.tensor(0.5))", "m.ones(3).bernoulli_(m.tensor([0.5, 1.0]))",
    "m.ones(3, dtype=m.int64).bernoulli_(0.5)", "m.ones(3).bernoulli_(1.5)",
    "m.ones(3, dtype=m.complex64).bernoulli_()", "m.ones(3, dtype=m.bool).bernoulli_(p=0.5)",
    "m.Generator(device='cpu').device", "m.Generator().manual_seed(-2).initial_seed()",
    "m.manual_seed(3.0).initial_seed()",
]  # fmt: skip


def outcome(expression, module):
    """What a call gives, as far as two libraries with different random numbers can agree."""
    try:
        r = eval(expression, {"m": module})
    except Exception as e:
        for kind in (TypeError, RuntimeError, ValueError):  # PyTorch's NotImplementedError is a RuntimeError
            if isinstance(e, kind) and not (kind is TypeError and isinstance(e, RuntimeError)):
                return kind.__name__
        return type(e).__name__
    if hasattr(r, "dtype"):
        return tuple(r.shape), str(r.dtype).rpartition(".")[2], r.requires_grad
    return str(r)


@pytest.mark.parametrize("expression", CALLS)
@pytest.mark.filterwarnings("ignore")
def test_parity(expression):
    torch = pytest.importorskip("torch")
    with torch.random.fork_rng():
        theirs = outcome(expression, torch)
    assert outcome(expression, rg) == theirs
